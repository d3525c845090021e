/* SPDX-License-Identifier: Apache-2.0 */
#include "client/group.h"

#include <grp.h>
#include <stdio.h>

#define ROOM_MAX 4096u

void group_name(gid_t gid, char *ret_name, size_t size)
{
	char room[ROOM_MAX];
	struct group group, *found = NULL;

	if (getgrgid_r(gid, &group, room, sizeof(room), &found) == 0 && found)
		(void)snprintf(ret_name, size, "%s", found->gr_name);
	else
		(void)snprintf(ret_name, size, "%lu", (unsigned long)gid);
}
