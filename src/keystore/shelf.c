/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent objects of raw commands: a record each, whose name is its handle. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "keystore/keystore.h"

#define NAME_SIZE 9u

/* Names what is kept of one. */
struct place {
	char name[NAME_SIZE];
	struct store_id id;
	struct keystore_target target;
};

static void place_of(const struct keystore_shelf *shelf, uint32_t handle, struct place *ret_place)
{
	(void)snprintf(ret_place->name, sizeof(ret_place->name), "%08" PRIx32, handle);
	ret_place->id = (struct store_id){
		.tenant = shelf->tenant->name, .kind = STORE_PERSISTENT, .name = ret_place->name};
	ret_place->target = (struct keystore_target){
		.tenant = shelf->tenant, .kind = BLOB_PERSISTENT, .name = ret_place->name};
}

static int seal(const struct keystore_shelf *shelf, const struct place *place,
		const struct secret *recipe, struct buf *ret_blob, struct err *err)
{
	CLEANUP(keystore_sealing_fini) struct keystore_sealing sealing = {.key = NULL};
	int r = keystore_seal_object(shelf->p, &place->target, recipe, &sealing, err);

	return r < 0 ? r : keystore_seal_finish(&sealing, recipe, ret_blob, err);
}

static int check_room(uint64_t bytes, uint64_t room, struct err *err)
{
	if (bytes <= room)
		return 0;
	return err_set(err, ERR_QUOTA,
		       "the persistent object would take %" PRIu64 " bytes of the %" PRIu64
		       " that the tenant has left",
		       bytes, room);
}

int keystore_shelf_put(const struct keystore_shelf *shelf, uint32_t handle,
		       const struct secret *recipe, uint64_t room, uint64_t *ret_bytes,
		       struct err *err)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX);
	struct place place;
	int r;

	place_of(shelf, handle, &place);
	r = seal(shelf, &place, recipe, &blob, err);
	if (r == 0)
		r = check_room(store_record_bytes(blob.len), room, err);
	if (r == 0)
		r = store_create(shelf->store, &place.id, buf_slice(&blob), err);
	if (r == 0)
		*ret_bytes = store_record_bytes(blob.len);
	return r;
}

uint64_t keystore_shelf_bytes(size_t recipe_size)
{
	return store_record_bytes(recipe_size + (KEYSTORE_BLOB_MAX - KEYSTORE_PLAIN_MAX));
}

int keystore_shelf_get(const struct keystore_shelf *shelf, uint32_t handle,
		       struct secret **ret_recipe, struct err *err)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX);
	CLEANUP(secret_cleanup) struct secret *opened = NULL;
	struct place place;
	bool is_key = false;
	int r;

	place_of(shelf, handle, &place);
	r = store_read(shelf->store, &place.id, &blob, err);
	if (r == 0)
		r = keystore_open_object(shelf->p, &place.target, buf_slice(&blob), &opened,
					 &is_key, err);
	if (r < 0)
		return r;
	if (is_key)
		return keystore_open_finish(buf_slice(&blob), opened, ret_recipe, err);
	*ret_recipe = TAKE(opened);
	return 0;
}

int keystore_shelf_remove(const struct keystore_shelf *shelf, uint32_t handle, uint64_t *ret_bytes,
			  struct err *err)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX);
	struct place place;
	struct err ignored;
	uint64_t bytes = 0;
	int r;

	place_of(shelf, handle, &place);
	if (store_read(shelf->store, &place.id, &blob, &ignored) == 0)
		bytes = store_record_bytes(blob.len);
	r = store_remove(shelf->store, &place.id, err);
	if (r == 0)
		*ret_bytes = bytes;
	return r;
}

/* Eight digits as we write them; a file of another name is none of ours. */
static bool handle_of(const char *name, uint32_t *ret_handle)
{
	static const char DIGITS[] = "0123456789abcdef";
	uint32_t handle = 0;
	size_t i;

	if (strlen(name) != NAME_SIZE - 1 || strspn(name, DIGITS) != NAME_SIZE - 1)
		return false;
	for (i = 0; i < NAME_SIZE - 1; i++)
		handle = handle << 4 | (uint32_t)(strchr(DIGITS, name[i]) - DIGITS);
	*ret_handle = handle;
	return true;
}

int keystore_shelf_list(const struct keystore_shelf *shelf, size_t max, uint32_t *ret_handles,
			size_t *ret_count, struct err *err)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT((max + 1) * (STORE_NAME_MAX + 1));
	const char *name, *end;
	size_t count = 0;
	bool more = false;
	int r = store_list(shelf->store, shelf->tenant->name, STORE_PERSISTENT, "", max, &names,
			   &more, err);

	if (r < 0)
		return r;
	if (more)
		return err_set(err, ERR_TOO_LARGE, "there are more than %zu persistent objects",
			       max);
	name = (const char *)names.data;
	end = name ? name + names.len : NULL;
	for (; name < end; name += strlen(name) + 1)
		if (handle_of(name, &ret_handles[count]))
			count++;
	*ret_count = count;
	return 0;
}
