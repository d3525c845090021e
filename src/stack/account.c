/* SPDX-License-Identifier: Apache-2.0 */
#include "stack/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

/* A directory service may have groups with many members: the room grows as it is asked for. */
#define ROOM_FIRST 4096u
#define ROOM_MAX   (4u * 1024u * 1024u)
#define GROUPS_MAX 65536 /* of the kernel */

struct room {
	char *text;
	size_t size;
};

static void room_fini(struct room *room)
{
	free(room->text);
}

/* Is it worth another try after @e? */
static bool room_grow(struct room *room, int e)
{
	size_t size = room->size > 0 ? 2 * room->size : ROOM_FIRST;

	if (e == EINTR)
		return true;
	if (e != ERANGE || size > ROOM_MAX)
		return false;
	free(room->text);
	room->text = malloc(size);
	room->size = room->text ? size : 0;
	return room->text != NULL;
}

/* By its name, or, where that is NULL, by its number. */
static bool find_user(const char *name, uid_t uid, struct room *room, struct passwd *ret_user)
{
	struct passwd *found = NULL;
	int e = ERANGE;

	while (e != 0 && room_grow(room, e))
		e = name ? getpwnam_r(name, ret_user, room->text, room->size, &found)
			 : getpwuid_r(uid, ret_user, room->text, room->size, &found);
	return e == 0 && found;
}

static bool find_group(const char *name, gid_t gid, struct room *room, struct group *ret_group)
{
	struct group *found = NULL;
	int e = ERANGE;

	while (e != 0 && room_grow(room, e))
		e = name ? getgrnam_r(name, ret_group, room->text, room->size, &found)
			 : getgrgid_r(gid, ret_group, room->text, room->size, &found);
	return e == 0 && found;
}

void account_user(uid_t uid, char ret_name[ACCOUNT_NAME_SIZE])
{
	CLEANUP(room_fini) struct room room = {.size = 0};
	struct passwd user;

	if (find_user(NULL, uid, &room, &user))
		(void)snprintf(ret_name, ACCOUNT_NAME_SIZE, "%s", user.pw_name);
	else
		(void)snprintf(ret_name, ACCOUNT_NAME_SIZE, "%lu", (unsigned long)uid);
}

void account_group(gid_t gid, char ret_name[ACCOUNT_NAME_SIZE])
{
	CLEANUP(room_fini) struct room room = {.size = 0};
	struct group group;

	if (find_group(NULL, gid, &room, &group))
		(void)snprintf(ret_name, ACCOUNT_NAME_SIZE, "%s", group.gr_name);
	else
		(void)snprintf(ret_name, ACCOUNT_NAME_SIZE, "%lu", (unsigned long)gid);
}

bool account_user_exists(const char *name)
{
	CLEANUP(room_fini) struct room room = {.size = 0};
	struct passwd user;

	return find_user(name, 0, &room, &user);
}

bool account_group_id(const char *name, gid_t *ret_gid)
{
	CLEANUP(room_fini) struct room room = {.size = 0};
	struct group group;

	if (!find_group(name, 0, &room, &group))
		return false;
	*ret_gid = group.gr_gid;
	return true;
}

/* --- membership --- */

bool account_among(const gid_t *groups, int count, gid_t gid)
{
	int i;

	for (i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

static void free_groups(gid_t **groups)
{
	free(*groups);
}

bool account_session_in(gid_t gid)
{
	CLEANUP(free_groups) gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));

	return getegid() == gid ||
	       (groups && account_among(groups, getgroups(GROUPS_MAX, groups), gid));
}

bool account_user_in(gid_t gid)
{
	CLEANUP(room_fini) struct room room = {.size = 0};
	CLEANUP(free_groups) gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
	int count = GROUPS_MAX;
	struct passwd user;

	return groups && find_user(NULL, geteuid(), &room, &user) &&
	       getgrouplist(user.pw_name, user.pw_gid, groups, &count) >= 0 &&
	       account_among(groups, count, gid);
}
