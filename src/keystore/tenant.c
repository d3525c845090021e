/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tenant's random id is what binds everything sealed to that tenant, so it is made once in a
 * tenant's life: only where neither an id nor any record is found. It is written when the folders
 * for its records are durable, so that one who finds an id need not look after those.
 */
#include "keystore/keystore.h"

#include <stdio.h>
#include <string.h>

#include "crypto/cipher.h"

#define ID_NAME	       "id"
#define LIST_BYTES_MAX (STORE_NAME_MAX + 1)

static int has_records(struct store *store, const char *name, bool *ret_any, struct err *err)
{
	bool any = false;
	size_t kind;

	for (kind = 0; !any && kind < STORE_KINDS; kind++) {
		CLEANUP(buf_fini) struct buf first = BUF_INIT(LIST_BYTES_MAX);
		bool more;
		int r = store_list(store, name, (enum store_kind)kind, "", 1, &first, &more, err);

		if (r < 0)
			return r;
		any = first.len > 0;
	}
	*ret_any = any;
	return 0;
}

static int make_id(struct store *store, const char *name, uint8_t *ret_id, struct err *err)
{
	uint8_t id[BLOB_TENANT_SIZE];
	bool any;
	int r;

	r = has_records(store, name, &any, err);
	if (r < 0)
		return r;
	if (any)
		return err_set(err, ERR_UNREADABLE,
			       "the id of the tenant is gone, but its records are there");
	r = cipher_random(id, sizeof(id), err);
	if (r < 0)
		return r;
	r = store_twin_write(store, name, ID_NAME, slice_of(id, sizeof(id)), err);
	if (r == 0)
		memcpy(ret_id, id, sizeof(id));
	return r;
}

static int read_id(struct store *store, const char *name, uint8_t *ret_id, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *id = NULL;
	int r = store_twin_read(store, name, ID_NAME, &id, err);

	if (r == ERR_DAMAGED || (r == 0 && secret_size(id) != BLOB_TENANT_SIZE))
		return err_set(err, ERR_UNREADABLE, "the id of the tenant is damaged");
	if (r == 0)
		memcpy(ret_id, secret_data(id), BLOB_TENANT_SIZE);
	return r;
}

int keystore_tenant_open(struct store *store, const char *name, struct keystore_tenant *ret_tenant,
			 struct err *err)
{
	struct keystore_tenant tenant = {.name = ""};
	bool missing;
	int r;

	if (!store_tenant_ok(name))
		return err_set(err, ERR_INVALID, "not a name of a tenant");
	(void)snprintf(tenant.name, sizeof(tenant.name), "%s", name);
	r = read_id(store, name, tenant.id, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	missing = r == ERR_NOT_FOUND;
	r = store_tenant_make(store, name, err);
	if (r == 0 && missing)
		r = make_id(store, name, tenant.id, err);
	if (r == 0)
		*ret_tenant = tenant;
	return r;
}

int keystore_tenant_read(struct store *store, const char *name, struct keystore_tenant *ret_tenant,
			 struct err *err)
{
	struct keystore_tenant tenant = {.name = ""};
	int r;

	if (!store_tenant_ok(name))
		return err_set(err, ERR_INVALID, "not a name of a tenant");
	(void)snprintf(tenant.name, sizeof(tenant.name), "%s", name);
	r = read_id(store, name, tenant.id, err);
	if (r == 0)
		*ret_tenant = tenant;
	return r;
}
