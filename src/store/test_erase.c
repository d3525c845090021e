/* SPDX-License-Identifier: Apache-2.0 */
/* Erasing: all goes that was to go, nothing else, and what cannot go is told. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/test_fixture.h"

#define DEEP "fapi/a/b/c/d/e/f"

static void path_of(const struct fixture *fixture, const char *name, char ret[static PATH_MAX + 64])
{
	(void)snprintf(ret, PATH_MAX + 64, "%s/%s", fixture->state, name);
}

static void make_folders(const struct fixture *fixture, const char *path)
{
	char part[PATH_MAX];
	size_t i;

	for (i = 1; i <= strlen(path); i++)
		if (path[i] == '/' || path[i] == '\0') {
			(void)snprintf(part, sizeof(part), "%.*s", (int)i, path);
			fixture_put_folder(fixture, part);
		}
}

static void fill(struct fixture *fixture)
{
	const struct store_id id = {"web", STORE_KEYS, "a"};

	assert_int_equal(store_create(fixture->store, &id, slice_str("content"), &fixture->err), 0);
	assert_int_equal(
		store_twin_write(fixture->store, NULL, "auth.key", slice_str("k"), &fixture->err),
		0);
	make_folders(fixture, DEEP);
	fixture_put(fixture, DEEP "/.hidden", slice_str("x"));
	fixture_put(fixture, ".tmp-1", slice_str("left by a killed writer"));
	fixture_put(fixture, "foreign", slice_str("x"));
	fixture_put(fixture, "journal", slice_str("what is being done"));
}

static void what_is_named(void **state)
{
	static const char *const NAMES[] = {"tenants", "fapi", "auth.key", "absent", NULL};
	static const char *const NONE[] = {NULL};
	struct fixture *fixture = *state;
	unsigned i;

	fill(fixture);
	assert_int_equal(store_erase(fixture->store, NONE, &fixture->err), 0);
	assert_true(fixture_has(fixture, "tenants/web/keys/a"));
	/* The second time all is absent. */
	for (i = 0; i < 2; i++) {
		assert_int_equal(store_erase(fixture->store, NAMES, &fixture->err), 0);
		assert_false(fixture_has(fixture, "tenants"));
		assert_false(fixture_has(fixture, "fapi"));
		assert_false(fixture_has(fixture, "auth.key"));
		assert_true(fixture_has(fixture, "auth.key.copy"));
		assert_true(fixture_has(fixture, "foreign"));
		assert_true(fixture_has(fixture, "lock"));
	}
}

static void all_but_the_kept(void **state)
{
	static const char *const KEPT[] = {"journal", "absent", NULL};
	static const char *const GONE[] = {"tenants", "fapi",	 "auth.key", "auth.key.copy",
					   ".tmp-1",  "foreign", "removed"};
	struct fixture *fixture = *state;
	struct store *second = NULL;
	size_t i;

	fill(fixture);
	assert_int_equal(store_erase_all(fixture->store, KEPT, &fixture->err), 0);
	for (i = 0; i < ARRAY_LEN(GONE); i++)
		assert_false(fixture_has(fixture, GONE[i]));
	assert_true(fixture_has(fixture, "lock"));
	assert_true(fixture_has(fixture, "journal"));
	assert_int_equal(store_erase_all(fixture->store, KEPT, &fixture->err), 0);
	/* The lock is held on. */
	assert_int_equal(store_open(fixture->state, &second, &fixture->err), ERR_CONFLICT);
	/* It serves as a new one. */
	fixture_reopen(fixture);
	fill(fixture);
}

static void links_are_not_followed(void **state)
{
	static const char *const NAMES[] = {"link", "fapi", NULL};
	char target[PATH_MAX + 64], link[PATH_MAX + 64];
	struct fixture *fixture = *state;

	fill(fixture);
	path_of(fixture, "tenants", target);
	path_of(fixture, "link", link);
	assert_int_equal(symlink(target, link), 0);
	path_of(fixture, DEEP "/link", link);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(store_erase(fixture->store, NAMES, &fixture->err), 0);
	assert_false(fixture_has(fixture, "link"));
	assert_false(fixture_has(fixture, "fapi"));
	assert_true(fixture_has(fixture, "tenants/web/keys/a"));
}

static void what_stays_is_told(void **state)
{
	static const char *const NAMES[] = {"deep", "foreign", NULL};
	static const char *const KEPT[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};
	struct fixture *fixture = *state;
	char path[256] = "deep";
	unsigned i;

	for (i = 0; i < 40; i++)
		(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "/d");
	fill(fixture);
	make_folders(fixture, path);
	assert_int_equal(store_erase(fixture->store, NAMES, &fixture->err), ERR_INTERNAL);
	assert_non_null(strstr(fixture->err.text, "erasing the state folder"));
	assert_true(fixture_has(fixture, "foreign"));
	assert_int_equal(store_erase_all(fixture->store, KEPT, &fixture->err), ERR_INTERNAL);
	assert_true(fixture_has(fixture, "foreign"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_named),
		TEST(all_but_the_kept),
		TEST(links_are_not_followed),
		TEST(what_stays_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
