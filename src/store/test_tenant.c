/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants as a whole: which there are, and that a removed one leaves nothing. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/test_fixture.h"

static void create(struct fixture *fixture, const char *tenant, enum store_kind kind,
		   const char *name)
{
	const struct store_id id = {tenant, kind, name};

	assert_int_equal(store_create(fixture->store, &id, slice_str("content"), &fixture->err), 0);
}

/* The names with spaces between them. */
static void assert_tenants(struct fixture *fixture, const char *expected)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(65536);
	size_t i;

	assert_int_equal(store_tenants(fixture->store, &names, &fixture->err), 0);
	for (i = 0; i < names.len; i++)
		if (names.data[i] == '\0')
			names.data[i] = i + 1 < names.len ? ' ' : '\0';
	assert_string_equal(names.len > 0 ? (const char *)names.data : "", expected);
}

static void names_in_order(void **state)
{
	struct fixture *fixture = *state;

	assert_tenants(fixture, "");
	create(fixture, "web", STORE_KEYS, "a");
	create(fixture, "acme", STORE_SECRETS, "a");
	assert_int_equal(store_tenant_make(fixture->store, "db", &fixture->err), 0);
	create(fixture, "web", STORE_AIKS, "a");
	assert_tenants(fixture, "acme db web");
	/* What is no name of a tenant is none. */
	fixture_put_folder(fixture, "tenants/A.b");
	fixture_put_folder(fixture, "tenants/.c");
	assert_tenants(fixture, "acme db web");
}

static bool removed_is_empty(const struct fixture *fixture)
{
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/removed", fixture->state);
	/* Only an empty folder can be removed. */
	if (rmdir(path) < 0)
		return false;
	return mkdir(path, 0700) == 0;
}

static void removed_with_all(void **state)
{
	struct fixture *fixture = *state;
	bool any;

	create(fixture, "web", STORE_KEYS, "a");
	create(fixture, "web", STORE_SECRETS, "b");
	create(fixture, "web", STORE_AIKS, "c");
	create(fixture, "acme", STORE_KEYS, "a");
	assert_int_equal(
		store_twin_write(fixture->store, "web", "id", slice_str("id"), &fixture->err), 0);
	fixture_put(fixture, "tenants/web/keys/.tmp-1", slice_str("left by a killed writer"));
	fixture_put(fixture, "tenants/web/foreign", slice_str("x"));
	assert_int_equal(store_tenant_remove(fixture->store, "web", &fixture->err), 0);
	assert_tenants(fixture, "acme");
	assert_false(fixture_has(fixture, "tenants/web"));
	assert_false(removed_is_empty(fixture));
	/* The name is free at once. */
	create(fixture, "web", STORE_KEYS, "a");
	assert_int_equal(store_tenant_remove(fixture->store, "web", &fixture->err), 0);
	store_sweep_removed(fixture->store);
	assert_true(removed_is_empty(fixture));
	assert_true(fixture_has(fixture, "tenants/acme/keys/a"));
	assert_int_equal(store_has_records(fixture->store, &any, &fixture->err), 0);
	assert_true(any);
	assert_int_equal(store_tenant_remove(fixture->store, "acme", &fixture->err), 0);
	assert_int_equal(store_has_records(fixture->store, &any, &fixture->err), 0);
	assert_false(any);
}

static void absent_or_wrong(void **state)
{
	static const char *const BAD[] = {"", "..", ".", "a/b", "A", "removed/x"};
	struct fixture *fixture = *state;
	size_t i;

	assert_int_equal(store_tenant_remove(fixture->store, "web", &fixture->err), ERR_NOT_FOUND);
	create(fixture, "web", STORE_KEYS, "a");
	assert_int_equal(store_tenant_remove(fixture->store, "acme", &fixture->err), ERR_NOT_FOUND);
	for (i = 0; i < ARRAY_LEN(BAD); i++)
		assert_int_equal(store_tenant_remove(fixture->store, BAD[i], &fixture->err),
				 ERR_INVALID);
	assert_tenants(fixture, "web");
	store_sweep_removed(fixture->store);
	assert_true(fixture_has(fixture, "tenants/web/keys/a"));
}

/* A link in what was removed is deleted, not followed. */
static void links_are_not_followed(void **state)
{
	struct fixture *fixture = *state;
	char target[PATH_MAX + 64], link[PATH_MAX + 64];

	create(fixture, "web", STORE_KEYS, "a");
	create(fixture, "acme", STORE_KEYS, "a");
	(void)snprintf(target, sizeof(target), "%s/tenants/acme", fixture->state);
	(void)snprintf(link, sizeof(link), "%s/tenants/web/keys/link", fixture->state);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(store_tenant_remove(fixture->store, "web", &fixture->err), 0);
	store_sweep_removed(fixture->store);
	assert_true(removed_is_empty(fixture));
	assert_true(fixture_has(fixture, "tenants/acme/keys/a"));
}

/* What a killed one left is deleted later, however often it was begun. */
static void swept_after_a_kill(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, "web", STORE_KEYS, "a");
	create(fixture, "web", STORE_KEYS, "b");
	assert_int_equal(store_tenant_remove(fixture->store, "web", &fixture->err), 0);
	fixture_reopen(fixture);
	assert_tenants(fixture, "");
	store_sweep_removed(fixture->store);
	store_sweep_removed(fixture->store);
	assert_true(removed_is_empty(fixture));
}

/* Made before a disk can be full, and again when somebody deleted it. */
static void removed_is_there_from_the_start(void **state)
{
	struct fixture *fixture = *state;

	assert_true(removed_is_empty(fixture));
	fixture_delete(fixture, "removed");
	create(fixture, "web", STORE_KEYS, "a");
	assert_int_equal(store_tenant_remove(fixture->store, "web", &fixture->err), 0);
	assert_false(removed_is_empty(fixture));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_in_order),	  TEST(removed_with_all),
		TEST(absent_or_wrong),	  TEST(links_are_not_followed),
		TEST(swept_after_a_kill), TEST(removed_is_there_from_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
