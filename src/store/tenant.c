/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants as a whole. What a tenant has lies in one folder, and to remove it is to move that folder
 * away, in one step: from then on the name is free, whatever comes. What was moved is deleted
 * afterwards, at the next start if not before; no sync is needed for that, since a name that comes
 * back is only deleted once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "store/impl.h"

#define TRIES	  1000u
#define NAME_SIZE 128u
#define DEPTH_MAX 4 /* of what is deleted; there are 2 */

/* --- names --- */

struct names {
	char (*list)[STORE_TENANT_MAX + 1];
	size_t count;
	size_t room;
};

static void names_fini(struct names *names)
{
	free(names->list);
}

static int count_name(void *arg, const char *name)
{
	((struct names *)arg)->room += store_tenant_ok(name);
	return 0;
}

/* One that was made since they were counted is left out. */
static int take_name(void *arg, const char *name)
{
	struct names *names = arg;

	if (store_tenant_ok(name) && names->count < names->room)
		memcpy(names->list[names->count++], name, strlen(name) + 1);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int read_names(int dir, struct names *names, struct err *err)
{
	int r = file_list(dir, count_name, names, err);

	if (r < 0 || names->room == 0)
		return r;
	names->list = calloc(names->room, sizeof(*names->list));
	if (!names->list)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = file_list(dir, take_name, names, err);
	qsort(names->list, names->count, sizeof(*names->list), by_name);
	return r;
}

static int open_tenants(struct store *store, int *ret_fd, struct err *err)
{
	return store_folder(store, (const char *const[]){STORE_TENANTS, NULL}, false, ret_fd, err);
}

int store_tenants(struct store *store, struct buf *ret_names, struct err *err)
{
	CLEANUP(names_fini) struct names names = {.count = 0};
	CLEANUP(fd_close_cleanup) int dir = -1;
	size_t i;
	int r = open_tenants(store, &dir, err);

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0)
		r = read_names(dir, &names, err);
	if (r < 0)
		return r;
	for (i = 0; i < names.count; i++)
		buf_put(ret_names, slice_of(names.list[i], strlen(names.list[i]) + 1));
	return buf_ok(ret_names) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

/* --- removing --- */

struct deletion {
	int dir;
	int depth;
};

/* What cannot be deleted now is tried again at the next start. */
static int delete_one(void *arg, const char *name)
{
	const struct deletion *deletion = arg;
	CLEANUP(fd_close_cleanup) int below = -1;
	struct deletion inner = {.depth = deletion->depth + 1};
	struct err ignored;
	size_t swept;

	if (unlinkat(deletion->dir, name, 0) == 0 || errno != EISDIR ||
	    deletion->depth == DEPTH_MAX)
		return 0;
	if (file_open_dir(deletion->dir, name, false, STORE_DIR_MODE, &below, &ignored) == 0) {
		inner.dir = below;
		(void)!file_sweep(below, &swept, &ignored);
		(void)!file_list(below, delete_one, &inner, &ignored);
	}
	(void)unlinkat(deletion->dir, name, AT_REMOVEDIR);
	return 0;
}

void store_sweep_removed(struct store *store)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct deletion deletion = {.depth = 0};
	struct err ignored;

	if (store_folder(store, (const char *const[]){STORE_REMOVED, NULL}, false, &dir, &ignored) <
	    0)
		return;
	deletion.dir = dir;
	(void)!file_list(dir, delete_one, &deletion, &ignored);
}

/* Another one of that name may have been removed in the same second, and not be deleted yet. */
static int move_away(int tenants, const char *tenant, int removed, struct err *err)
{
	char name[NAME_SIZE];
	unsigned n;
	int r = ERR_CONFLICT;

	for (n = 0; r == ERR_CONFLICT && n < TRIES; n++) {
		(void)snprintf(name, sizeof(name), "%s.%" PRIu64 ".%u", tenant,
			       (uint64_t)time(NULL), n);
		r = file_move(tenants, tenant, removed, name, err);
	}
	return r;
}

int store_tenant_remove(struct store *store, const char *tenant, struct err *err)
{
	CLEANUP(fd_close_cleanup) int tenants = -1;
	CLEANUP(fd_close_cleanup) int home = -1;
	CLEANUP(fd_close_cleanup) int removed = -1;
	struct err sync;
	int r;

	if (!store_tenant_ok(tenant))
		return err_set(err, ERR_INVALID, "not a name of a tenant");
	r = open_tenants(store, &tenants, err);
	if (r == 0)
		r = store_folder(store, (const char *const[]){NULL}, false, &home, err);
	if (r == 0)
		r = file_make_dir(home, STORE_REMOVED, STORE_DIR_MODE, &removed, err);
	if (r < 0)
		return r;
	r = move_away(tenants, tenant, removed, err);
	/* An earlier call may have moved it and failed in the sync. */
	if (r == ERR_NOT_FOUND && file_sync(tenants, NULL, &sync) < 0) {
		*err = sync;
		return err->code;
	}
	return r;
}
