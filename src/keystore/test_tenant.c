/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant has of its own: its id, its counter of attestation keys, what it has used up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "keystore/test_fixture.h"

static void ids_are_made_once(void **state)
{
	CLEANUP(folder_close) struct folder folder = {.store = NULL};
	struct keystore_tenant acme, again, host;
	struct world *world = *state;

	folder_open(&folder, world);
	assert_int_equal(keystore_tenant_open(folder.store, "acme", &acme, &world->err), 0);
	assert_string_equal(acme.name, "acme");
	assert_int_equal(keystore_tenant_open(folder.store, "acme", &again, &world->err), 0);
	assert_memory_equal(acme.id, again.id, BLOB_TENANT_SIZE);
	assert_int_equal(keystore_tenant_open(folder.store, "host", &host, &world->err), 0);
	assert_memory_not_equal(acme.id, host.id, BLOB_TENANT_SIZE);
	assert_int_equal(keystore_tenant_open(folder.store, "../x", &again, &world->err),
			 ERR_INVALID);
}

/* Reading makes nothing; and an id says that the folders are there. */
static void ids_are_only_read(void **state)
{
	CLEANUP(folder_close) struct folder folder = {.store = NULL};
	struct keystore_tenant made, read = {.name = "x"};
	struct world *world = *state;
	char path[4200];

	folder_open(&folder, world);
	assert_int_equal(keystore_tenant_read(folder.store, "acme", &read, &world->err),
			 ERR_NOT_FOUND);
	assert_string_equal(read.name, "x");
	(void)snprintf(path, sizeof(path), "%s/tenants/acme", folder.root);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(keystore_tenant_open(folder.store, "acme", &made, &world->err), 0);
	assert_int_equal(keystore_tenant_read(folder.store, "acme", &read, &world->err), 0);
	assert_string_equal(read.name, "acme");
	assert_memory_equal(made.id, read.id, BLOB_TENANT_SIZE);
	assert_int_equal(keystore_tenant_read(folder.store, "..", &read, &world->err), ERR_INVALID);
	folder_tear(&folder, "id", false);
	folder_tear(&folder, "id.copy", false);
	assert_int_equal(keystore_tenant_read(folder.store, "acme", &read, &world->err),
			 ERR_UNREADABLE);
}

/* An absent id is made anew while there is no record, and never once there is one. */
static void lost_ids_are_not_replaced(void **state)
{
	static const struct store_id IDS[] = {
		{"acme", STORE_KEYS, "k"}, {"acme", STORE_SECRETS, "s"}, {"acme", STORE_AIKS, "a"}};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(IDS); i++) {
		CLEANUP(folder_close) struct folder folder = {.store = NULL};
		struct keystore_tenant first, tenant;

		folder_open(&folder, world);
		assert_int_equal(keystore_tenant_open(folder.store, "acme", &first, &world->err),
				 0);
		folder_tear(&folder, "id", true);
		folder_tear(&folder, "id.copy", true);
		assert_int_equal(keystore_tenant_open(folder.store, "acme", &tenant, &world->err),
				 0);
		assert_memory_not_equal(first.id, tenant.id, BLOB_TENANT_SIZE);
		assert_int_equal(store_create(folder.store, &IDS[i], slice_str("x"), &world->err),
				 0);
		folder_tear(&folder, "id", true);
		assert_int_equal(keystore_tenant_open(folder.store, "acme", &first, &world->err),
				 0);
		assert_memory_equal(first.id, tenant.id, BLOB_TENANT_SIZE);
		folder_tear(&folder, "id", true);
		folder_tear(&folder, "id.copy", true);
		memset(&first, 0x55, sizeof(first));
		assert_int_equal(keystore_tenant_open(folder.store, "acme", &first, &world->err),
				 ERR_UNREADABLE);
		assert_int_equal(first.id[0], 0x55);
	}
}

static void damaged_ids_are_not_replaced(void **state)
{
	CLEANUP(folder_close) struct folder folder = {.store = NULL};
	struct keystore_tenant tenant;
	struct world *world = *state;

	folder_open(&folder, world);
	assert_int_equal(keystore_tenant_open(folder.store, "acme", &tenant, &world->err), 0);
	folder_tear(&folder, "id", false);
	folder_tear(&folder, "id.copy", false);
	assert_int_equal(keystore_tenant_open(folder.store, "acme", &tenant, &world->err),
			 ERR_UNREADABLE);
	assert_int_equal(
		store_twin_write(folder.store, "host", "id", slice_str("short"), &world->err), 0);
	assert_int_equal(keystore_tenant_open(folder.store, "host", &tenant, &world->err),
			 ERR_UNREADABLE);
}

/* --- the counter of attestation keys --- */

static uint32_t number(const struct folder *folder, const char *tenant)
{
	uint32_t n = 0xffffffff;
	struct err err;

	assert_int_equal(keystore_aik_number(folder->store, tenant, &n, &err), 0);
	return n;
}

static void set_counter(const struct folder *folder, struct slice content)
{
	struct err err;

	assert_int_equal(store_twin_write(folder->store, "acme", "aik.next", content, &err), 0);
}

static void refuse_number(const struct folder *folder, int code)
{
	uint32_t n = 77;
	struct err err;

	assert_int_equal(keystore_aik_number(folder->store, "acme", &n, &err), code);
	assert_int_equal(n, 77);
}

/* Each number once, also after one copy is lost; every tenant has its own. */
static void numbers_go_up(void **state)
{
	CLEANUP(folder_close) struct folder folder = {.store = NULL};
	struct world *world = *state;

	folder_open(&folder, world);
	assert_int_equal(number(&folder, "acme"), 0);
	assert_int_equal(number(&folder, "acme"), 1);
	assert_int_equal(number(&folder, "host"), 0);
	folder_tear(&folder, "aik.next", true);
	assert_int_equal(number(&folder, "acme"), 2);
	folder_tear(&folder, "aik.next.copy", false);
	assert_int_equal(number(&folder, "acme"), 3);
	/* Cut off between its two copies: the number of the first is gone. */
	folder_tear(&folder, "aik.next.copy", true);
	assert_int_equal(number(&folder, "acme"), 4);
	assert_int_equal(number(&folder, "host"), 1);
}

static void numbers_end(void **state)
{
	CLEANUP(folder_close) struct folder folder = {.store = NULL};
	struct world *world = *state;

	folder_open(&folder, world);
	set_counter(&folder, slice_of("\0\0\xff\xff", 4));
	assert_int_equal(number(&folder, "acme"), 0xffff);
	refuse_number(&folder, ERR_CONFLICT);
	refuse_number(&folder, ERR_CONFLICT);
}

static void a_lost_counter_does_not_start_again(void **state)
{
	static const struct store_id AIK = {"acme", STORE_AIKS, "a"};
	CLEANUP(folder_close) struct folder folder = {.store = NULL};
	struct world *world = *state;

	folder_open(&folder, world);
	assert_int_equal(number(&folder, "acme"), 0);
	assert_int_equal(store_create(folder.store, &AIK, slice_str("x"), &world->err), 0);
	assert_int_equal(number(&folder, "acme"), 1);
	folder_tear(&folder, "aik.next", false);
	folder_tear(&folder, "aik.next.copy", false);
	refuse_number(&folder, ERR_UNREADABLE);
	folder_tear(&folder, "aik.next", true);
	refuse_number(&folder, ERR_UNREADABLE);
	folder_tear(&folder, "aik.next.copy", true);
	refuse_number(&folder, ERR_UNREADABLE);
	set_counter(&folder, slice_of("\0\0\0\2", 4));
	assert_int_equal(number(&folder, "acme"), 2);
}

static void counters_of_no_sense_are_refused(void **state)
{
	static const struct slice CONTENTS[] = {
		{(const uint8_t *)"", 0},
		{(const uint8_t *)"\0\0\1", 3},
		{(const uint8_t *)"\0\0\0\1\0", 5},
		{(const uint8_t *)"\0\1\0\1", 4},
	};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(CONTENTS); i++) {
		CLEANUP(folder_close) struct folder folder = {.store = NULL};

		folder_open(&folder, world);
		set_counter(&folder, CONTENTS[i]);
		refuse_number(&folder, ERR_UNREADABLE);
	}
}

/* --- usage --- */

static void put(const struct folder *folder, enum store_kind kind, const char *name, size_t len)
{
	CLEANUP(secret_cleanup) struct secret *content = pattern(len);
	const struct store_id id = {"acme", kind, name};
	struct err err;
	bool created;

	assert_int_equal(store_replace(folder->store, &id, secret_slice(content), &created, &err),
			 0);
}

static void assert_usage(const struct folder *folder, const char *tenant, uint64_t keys,
			 uint64_t stored)
{
	uint64_t k = 77, s = 77;
	struct err err;

	assert_int_equal(keystore_usage(folder->store, tenant, &k, &s, &err), 0);
	assert_int_equal(k, keys);
	assert_int_equal(s, stored);
}

static void usage_is_counted(void **state)
{
	static const struct store_id DOOR = {"acme", STORE_SECRETS, "door"};
	CLEANUP(folder_close) struct folder folder = {.store = NULL};
	struct world *world = *state;

	folder_open(&folder, world);
	assert_usage(&folder, "acme", 0, 0);
	put(&folder, STORE_KEYS, "a", 10);
	put(&folder, STORE_KEYS, "b", 9000);
	put(&folder, STORE_AIKS, "a", 10);
	put(&folder, STORE_SECRETS, "door", 1);
	put(&folder, STORE_SECRETS, "gate", 4096);
	put(&folder, STORE_SECRETS, "wall", 100000);
	assert_usage(&folder, "acme", 3,
		     store_record_bytes(1) + store_record_bytes(4096) + store_record_bytes(100000));
	assert_usage(&folder, "host", 0, 0);
	/* What cannot be read counts too, until it is deleted. */
	folder_tear(&folder, "secrets/door", false);
	folder_tear(&folder, "keys/a", false);
	assert_usage(&folder, "acme", 3,
		     4096 + store_record_bytes(4096) + store_record_bytes(100000));
	assert_int_equal(store_remove(folder.store, &DOOR, &world->err), 0);
	assert_usage(&folder, "acme", 3, store_record_bytes(4096) + store_record_bytes(100000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_are_made_once),
		TEST(ids_are_only_read),
		TEST(lost_ids_are_not_replaced),
		TEST(damaged_ids_are_not_replaced),
		TEST(numbers_go_up),
		TEST(numbers_end),
		TEST(a_lost_counter_does_not_start_again),
		TEST(counters_of_no_sense_are_refused),
		TEST(usage_is_counted),
	};

	return cmocka_run_group_tests_name("keystore-tenant", tests, NULL, NULL);
}
