/* SPDX-License-Identifier: Apache-2.0 */
/* What tenants made persistent by raw commands, in a state folder, with the software provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keystore/test_fixture.h"

#define HANDLE 0x81000010u
#define BLOCK  4096u
#define ANY    UINT64_MAX

struct shelf_world {
	struct world *world;
	struct folder folder;
	struct keystore_shelf shelf;
	struct err err;
};

static int make(void **state)
{
	static struct shelf_world shelves;

	if (world_open(state) != 0)
		return -1;
	shelves = (struct shelf_world){.world = *state};
	folder_open(&shelves.folder, shelves.world);
	shelves.shelf = (struct keystore_shelf){
		.store = shelves.folder.store, .p = shelves.world->p, .tenant = &ACME};
	*state = &shelves;
	return 0;
}

static int drop(void **state)
{
	struct shelf_world *shelves = *state;

	folder_close(&shelves->folder);
	*state = shelves->world;
	return world_close(state);
}

static int put(struct shelf_world *shelves, uint32_t handle, size_t size, uint64_t room,
	       uint64_t *ret_bytes)
{
	CLEANUP(secret_cleanup) struct secret *recipe = pattern(size);

	return keystore_shelf_put(&shelves->shelf, handle, recipe, room, ret_bytes, &shelves->err);
}

static void assert_is(struct shelf_world *shelves, uint32_t handle, size_t size)
{
	CLEANUP(secret_cleanup) struct secret *kept = NULL, *expected = pattern(size);

	assert_int_equal(keystore_shelf_get(&shelves->shelf, handle, &kept, &shelves->err), 0);
	assert_true(slice_equal(secret_slice(kept), secret_slice(expected)));
}

static void kept_and_removed(void **state)
{
	/* Sealed directly, by an envelope, and more than a block. */
	static const size_t SIZES[] = {1, 128, 129, 4096};
	struct shelf_world *shelves = *state;
	struct secret *gone = NULL;
	uint64_t bytes, keys, stored, sum = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		assert_int_equal(put(shelves, HANDLE + (uint32_t)i, SIZES[i], ANY, &bytes), 0);
		assert_true(bytes >= BLOCK);
		assert_true(bytes <= keystore_shelf_bytes(SIZES[i]));
		sum += bytes;
	}
	assert_int_equal(
		keystore_usage(shelves->shelf.store, "acme", &keys, &stored, &shelves->err), 0);
	assert_int_equal(keys, 0);
	assert_int_equal(stored, sum);
	for (i = 0; i < ARRAY_LEN(SIZES); i++)
		assert_is(shelves, HANDLE + (uint32_t)i, SIZES[i]);
	assert_int_equal(put(shelves, HANDLE, 1, ANY, &bytes), ERR_CONFLICT);
	bytes = 0;
	assert_int_equal(keystore_shelf_remove(&shelves->shelf, HANDLE, &bytes, &shelves->err), 0);
	assert_int_equal(bytes, BLOCK);
	assert_int_equal(keystore_shelf_get(&shelves->shelf, HANDLE, &gone, &shelves->err),
			 ERR_NOT_FOUND);
	assert_null(gone);
	assert_int_equal(keystore_shelf_remove(&shelves->shelf, HANDLE, &bytes, &shelves->err),
			 ERR_NOT_FOUND);
}

static void listed_in_order(void **state)
{
	static const uint32_t PUT[] = {0x81000020, 0x81000003, 0x817fffff};
	struct shelf_world *shelves = *state;
	uint32_t handles[3] = {0};
	uint64_t bytes;
	char path[4200];
	size_t count = 7, i;
	int fd;

	assert_int_equal(keystore_shelf_list(&shelves->shelf, 3, handles, &count, &shelves->err),
			 0);
	assert_int_equal(count, 0);
	for (i = 0; i < ARRAY_LEN(PUT); i++)
		assert_int_equal(put(shelves, PUT[i], 1, ANY, &bytes), 0);
	assert_int_equal(keystore_shelf_list(&shelves->shelf, 3, handles, &count, &shelves->err),
			 0);
	assert_int_equal(count, 3);
	assert_int_equal(handles[0], 0x81000003);
	assert_int_equal(handles[1], 0x81000020);
	assert_int_equal(handles[2], 0x817fffff);
	assert_int_equal(keystore_shelf_list(&shelves->shelf, 2, handles, &count, &shelves->err),
			 ERR_TOO_LARGE);
	/* What is no handle as we write it is none. */
	assert_int_equal(keystore_shelf_remove(&shelves->shelf, PUT[2], &bytes, &shelves->err), 0);
	snprintf(path, sizeof(path), "%s/tenants/acme/persistent/8100000A", shelves->folder.root);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(keystore_shelf_list(&shelves->shelf, 3, handles, &count, &shelves->err),
			 0);
	assert_int_equal(count, 2);
}

/* Of what lies there already it does not look at anything: whoever counts has done so. */
static void no_more_than_was_set_aside(void **state)
{
	struct shelf_world *shelves = *state;
	uint64_t bytes = 0;

	assert_int_equal(put(shelves, HANDLE, 1, BLOCK - 1, &bytes), ERR_QUOTA);
	assert_int_equal(bytes, 0);
	assert_int_equal(put(shelves, HANDLE, 1, BLOCK, &bytes), 0);
	assert_int_equal(bytes, BLOCK);
	assert_int_equal(put(shelves, HANDLE + 1, 1, BLOCK, &bytes), 0);
	assert_int_equal(put(shelves, HANDLE + 2, 4096, BLOCK, &bytes), ERR_QUOTA);
	assert_int_equal(put(shelves, HANDLE + 2, 4096, keystore_shelf_bytes(4096), &bytes), 0);
}

/* Moved to another tenant, or to another handle, a record is not what it says. */
static void only_where_it_was_put(void **state)
{
	static const struct {
		const char *to;
		int code;
	} CASES[] = {{"tenants/acme/persistent/81000011", ERR_WRONG_NAME},
		     {"tenants/host/persistent/81000011", ERR_WRONG_TENANT}};
	struct shelf_world *shelves = *state;
	struct secret *found = NULL;
	char from[4200], to[4200];
	uint64_t bytes;
	size_t i;

	assert_int_equal(store_tenant_make(shelves->shelf.store, "host", &shelves->err), 0);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		shelves->shelf.tenant = &ACME;
		assert_int_equal(put(shelves, HANDLE, 1, ANY, &bytes), 0);
		snprintf(from, sizeof(from), "%s/tenants/acme/persistent/81000010",
			 shelves->folder.root);
		snprintf(to, sizeof(to), "%s/%s", shelves->folder.root, CASES[i].to);
		assert_int_equal(rename(from, to), 0);
		shelves->shelf.tenant = i == 0 ? &ACME : &HOST;
		assert_int_equal(
			keystore_shelf_get(&shelves->shelf, HANDLE + 1, &found, &shelves->err),
			CASES[i].code);
		assert_null(found);
	}
	/* Another device's is no one's. */
	shelves->shelf.tenant = &ACME;
	assert_int_equal(put(shelves, HANDLE, 1, ANY, &bytes), 0);
	shelves->shelf.p = shelves->world->other;
	assert_true(keystore_shelf_get(&shelves->shelf, HANDLE, &found, &shelves->err) < 0);
	assert_null(found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kept_and_removed),
		TEST(listed_in_order),
		TEST(no_more_than_was_set_aside),
		TEST(only_where_it_was_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
