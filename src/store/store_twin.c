/* SPDX-License-Identifier: Apache-2.0 */
/* The state folder's twin files: one folder, two copies (twin.h). */
#include <limits.h>
#include <stdio.h>

#include "base/file.h"
#include "store/impl.h"
#include "store/twin.h"

static int open_twins(struct store *store, const char *tenant, const char *name, bool create,
		      int *ret_fd, struct err *err)
{
	const char *const path[] = {tenant ? STORE_TENANTS : NULL, tenant, NULL};

	if (!store_name_ok(name) || (tenant && !store_tenant_ok(tenant)))
		return err_set(err, ERR_INVALID, "not a name of a twin file");
	return store_folder(store, path, create, ret_fd, err);
}

int store_twin_read(struct store *store, const char *tenant, const char *name,
		    struct secret **ret_content, struct err *err)
{
	CLEANUP(twin_cleanup) struct twin twin = {.count = 0};
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r;

	r = open_twins(store, tenant, name, false, &dir, err);
	if (r < 0)
		return r;
	twin_add(&twin, dir, name, 0);
	r = twin_load(&twin, NULL, err);
	if (r == 0)
		r = secret_copy(twin.copies[twin.best].content, ret_content, err);
	if (r == 0)
		twin_repair(&twin);
	return r;
}

int store_twin_write(struct store *store, const char *tenant, const char *name,
		     struct slice content, struct err *err)
{
	CLEANUP(twin_cleanup) struct twin twin = {.count = 0};
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r;

	r = open_twins(store, tenant, name, true, &dir, err);
	if (r < 0)
		return r;
	twin_add(&twin, dir, name, 0);
	r = twin_load(&twin, NULL, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	return twin_write(&twin, content, err);
}

static const char *const SUFFIXES[] = {"", TWIN_SUFFIX};

int store_twin_remove(struct store *store, const char *tenant, const char *name, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	char copy[NAME_MAX + 1];
	size_t i;
	int r = open_twins(store, tenant, name, false, &dir, err);

	for (i = 0; r == 0 && i < ARRAY_LEN(SUFFIXES); i++) {
		(void)snprintf(copy, sizeof(copy), "%s%s", name, SUFFIXES[i]);
		r = file_remove(dir, copy, err);
		/* It may have gone by a removal that could not be made durable. */
		if (r == ERR_NOT_FOUND)
			r = file_sync(dir, NULL, err);
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

int store_twin_set_aside(struct store *store, const char *name, const char *aside, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	char from[NAME_MAX + 1], to[NAME_MAX + 1];
	size_t i;
	int r;

	if (!store_name_ok(aside))
		return err_set(err, ERR_INVALID, "not a name of a twin file");
	r = open_twins(store, NULL, name, false, &dir, err);
	for (i = 0; r == 0 && i < ARRAY_LEN(SUFFIXES); i++) {
		(void)snprintf(from, sizeof(from), "%s%s", name, SUFFIXES[i]);
		(void)snprintf(to, sizeof(to), "%s%s", aside, SUFFIXES[i]);
		r = file_move(dir, from, dir, to, err);
		if (r == ERR_NOT_FOUND)
			r = 0;
	}
	return r;
}
