/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing. A folder says its names in no order, and there may be a hundred thousand: room is kept
 * for twice as many as are asked for, and whenever it is full the larger half goes. That takes
 * O(n log max) steps and memory by @max alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "store/impl.h"

struct list_name {
	char text[STORE_NAME_MAX + 1];
};

struct list {
	const char *after;
	struct list_name *names; /* room for 2 * max */
	size_t count;
	size_t max;
	bool more; /* some were left out */
};

static int compare(const void *a, const void *b)
{
	const struct list_name *x = a, *y = b;

	return strcmp(x->text, y->text);
}

/* Leaves the smallest @max, in order. */
static void trim(struct list *list)
{
	qsort(list->names, list->count, sizeof(*list->names), compare);
	if (list->count > list->max) {
		list->count = list->max;
		list->more = true;
	}
}

static int collect(void *arg, const char *name)
{
	struct list *list = arg;

	if (!store_name_ok(name) || strcmp(name, list->after) <= 0)
		return 0;
	if (list->count == 2 * list->max)
		trim(list);
	memcpy(list->names[list->count++].text, name, strlen(name) + 1);
	return 0;
}

static void list_fini(struct list *list)
{
	free(list->names);
}

/* Appends all names or nothing. */
static int put_names(const struct list *list, struct buf *ret_names, struct err *err)
{
	size_t total = 0, len, i;
	uint8_t *end;

	for (i = 0; i < list->count; i++)
		total += strlen(list->names[i].text) + 1;
	if (total > ret_names->max - ret_names->len)
		return err_set(err, ERR_TOO_LARGE, "no room for %zu names", list->count);
	end = buf_grow(ret_names, total);
	if (!end)
		return err_set(err, ERR_INTERNAL, "memory is short");
	for (i = 0; i < list->count; i++) {
		len = strlen(list->names[i].text) + 1;
		memcpy(end, list->names[i].text, len);
		end += len;
	}
	return 0;
}

int store_list(struct store *store, const char *tenant, enum store_kind kind, const char *after,
	       size_t max, struct buf *ret_names, bool *ret_more, struct err *err)
{
	const char *const path[] = {STORE_TENANTS, tenant, store_kind_folder(kind), NULL};
	CLEANUP(list_fini) struct list list = {.after = after, .max = max};
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r;

	if (!store_tenant_ok(tenant) || max < 1 || max > STORE_LIST_MAX)
		return err_set(err, ERR_INVALID, "not a list that can be had");
	r = store_folder(store, path, false, &dir, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	if (r == 0) {
		list.names = calloc(2 * max, sizeof(*list.names));
		if (!list.names)
			return err_set(err, ERR_INTERNAL, "memory is short");
		r = file_list(dir, collect, &list, err);
		if (r < 0)
			return r;
		trim(&list);
	}
	r = put_names(&list, ret_names, err);
	if (r == 0)
		*ret_more = list.more;
	return r;
}

/* --- is there anything at all --- */

struct search {
	struct store *store;
	struct err *err;
};

#define FOUND 1

static int found(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return FOUND;
}

/* Any file counts, even one that is no record: it may have been one. */
static int search_tenant(void *arg, const char *tenant)
{
	const struct search *search = arg;
	size_t kind;
	int r = 0;

	if (!store_tenant_ok(tenant))
		return 0;
	for (kind = 0; r == 0 && kind < STORE_KINDS; kind++) {
		const char *const path[] = {STORE_TENANTS, tenant,
					    store_kind_folder((enum store_kind)kind), NULL};
		CLEANUP(fd_close_cleanup) int dir = -1;

		r = store_folder(search->store, path, false, &dir, search->err);
		if (r == 0)
			r = file_list(dir, found, NULL, search->err);
		else if (r == ERR_NOT_FOUND)
			r = 0;
	}
	return r;
}

int store_has_records(struct store *store, bool *ret_any, struct err *err)
{
	struct search search = {.store = store, .err = err};
	CLEANUP(fd_close_cleanup) int tenants = -1;
	int r;

	r = store_folder(store, (const char *const[]){STORE_TENANTS, NULL}, false, &tenants, err);
	if (r == 0)
		r = file_list(tenants, search_tenant, &search, err);
	else if (r == ERR_NOT_FOUND)
		r = 0;
	if (r < 0)
		return r;
	*ret_any = r == FOUND;
	return 0;
}
