/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/test_fixture.h"

#define KEYS	    "tenants/acme/keys/"
#define RECORD_MORE 37u /* bytes that a record adds to its content */

static const struct store_id ID = {"acme", STORE_KEYS, "door"};
static const char PATH[] = KEYS "door";
static const char OLD[] = "the old content";
static const char NEW[] = "something newer";

static void create(struct fixture *fixture, const struct store_id *id, const char *content)
{
	assert_int_equal(store_create(fixture->store, id, slice_str(content), &fixture->err), 0);
}

static void assert_reads(struct fixture *fixture, const struct store_id *id, struct slice content)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(STORE_CONTENT_MAX + 3);

	buf_put_str(&bytes, "pre");
	assert_int_equal(store_read(fixture->store, id, &bytes, &fixture->err), 0);
	assert_int_equal(bytes.len, 3 + content.len);
	assert_memory_equal(bytes.data, "pre", 3);
	assert_true(slice_equal(slice_of(bytes.data + 3, bytes.len - 3), content));
}

static void assert_fails(struct fixture *fixture, const struct store_id *id, int code)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(STORE_CONTENT_MAX);

	assert_int_equal(store_read(fixture->store, id, &bytes, &fixture->err), code);
	assert_int_equal(fixture->err.code, code);
	assert_int_equal(bytes.len, 0);
	assert_true(buf_ok(&bytes));
}

static int replace(struct fixture *fixture, const struct store_id *id, const char *content,
		   bool *ret_created)
{
	return store_replace(fixture->store, id, slice_str(content), ret_created, &fixture->err);
}

/* --- good records --- */

static void created_is_read_and_removed(void **state)
{
	static const struct store_id OTHERS[] = {
		{"acme", STORE_SECRETS, "door"},
		{"acme", STORE_KEYS, "Door"},
		{"host", STORE_KEYS, "door"},
	};
	struct fixture *fixture = *state;
	size_t i;

	assert_fails(fixture, &ID, ERR_NOT_FOUND);
	create(fixture, &ID, OLD);
	assert_reads(fixture, &ID, slice_str(OLD));
	for (i = 0; i < ARRAY_LEN(OTHERS); i++)
		assert_fails(fixture, &OTHERS[i], ERR_NOT_FOUND);
	fixture_reopen(fixture);
	assert_reads(fixture, &ID, slice_str(OLD));
	assert_int_equal(store_remove(fixture->store, &ID, &fixture->err), 0);
	assert_fails(fixture, &ID, ERR_NOT_FOUND);
	assert_int_equal(store_remove(fixture->store, &ID, &fixture->err), ERR_NOT_FOUND);
	assert_false(fixture_has(fixture, "quarantine"));
}

static void sizes(void **state)
{
	static const size_t SIZES[] = {0, 1, 4096, 1024 * 1024 + 5000, STORE_CONTENT_MAX};
	struct fixture *fixture = *state;
	uint8_t *content = calloc(1, STORE_CONTENT_MAX + 1);
	bool made;
	size_t i;

	assert_non_null(content);
	for (i = 0; i < STORE_CONTENT_MAX; i++)
		content[i] = (uint8_t)(i * 31 >> 3);
	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		assert_int_equal(store_replace(fixture->store, &ID, slice_of(content, SIZES[i]),
					       &made, &fixture->err),
				 0);
		assert_int_equal(made, i == 0);
		assert_reads(fixture, &ID, slice_of(content, SIZES[i]));
	}
	assert_int_equal(store_replace(fixture->store, &ID,
				       slice_of(content, STORE_CONTENT_MAX + 1), &made,
				       &fixture->err),
			 ERR_TOO_LARGE);
	assert_reads(fixture, &ID, slice_of(content, STORE_CONTENT_MAX));
	free(content);
}

static void a_name_is_taken_once(void **state)
{
	struct fixture *fixture = *state;

	create(fixture, &ID, OLD);
	assert_int_equal(store_create(fixture->store, &ID, slice_str(NEW), &fixture->err),
			 ERR_CONFLICT);
	assert_reads(fixture, &ID, slice_str(OLD));
}

static void replace_tells_what_it_did(void **state)
{
	struct fixture *fixture = *state;
	bool created = false;

	assert_int_equal(replace(fixture, &ID, OLD, &created), 0);
	assert_true(created);
	assert_int_equal(replace(fixture, &ID, NEW, &created), 0);
	assert_false(created);
	assert_reads(fixture, &ID, slice_str(NEW));
}

/* The MAC was made with Python's hmac, from the fixture's root. */
static void format_is_as_documented(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(4096);
	struct fixture *fixture = *state;
	static const uint8_t MAC[] = {0x5d, 0x22, 0xeb, 0x38, 0x42, 0x81, 0x71, 0x27,
				      0xf2, 0x13, 0xf4, 0x95, 0x7e, 0x76, 0x08, 0x69,
				      0x49, 0xb6, 0x82, 0x3c, 0x42, 0xb2, 0x9f, 0xd5,
				      0xca, 0x37, 0x79, 0x07, 0xf0, 0xb2, 0x01, 0x8a};

	create(fixture, &ID, "hello");
	fixture_get(fixture, PATH, &bytes);
	assert_int_equal(bytes.len, 5 + RECORD_MORE);
	assert_memory_equal(bytes.data, "HFRC\x01hello", 10);
	assert_memory_equal(bytes.data + 10, MAC, sizeof(MAC));
}

static void a_small_buffer_is_not_overrun(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(4);
	struct fixture *fixture = *state;

	create(fixture, &ID, OLD);
	assert_int_equal(store_read(fixture->store, &ID, &bytes, &fixture->err), ERR_TOO_LARGE);
	assert_int_equal(bytes.len, 0);
	assert_true(buf_ok(&bytes));
}

/* --- damaged ones --- */

static void torn_at_every_length(void **state)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(4096);
	struct fixture *fixture = *state;
	size_t len;

	create(fixture, &ID, OLD);
	fixture_get(fixture, PATH, &whole);
	for (len = 0; len < whole.len; len++) {
		fixture_put(fixture, PATH, slice_of(whole.data, len));
		assert_fails(fixture, &ID, ERR_DAMAGED);
	}
	fixture_put(fixture, PATH, buf_slice(&whole));
	assert_reads(fixture, &ID, slice_str(OLD));
	buf_put_u8(&whole, 0);
	fixture_put(fixture, PATH, buf_slice(&whole));
	assert_fails(fixture, &ID, ERR_DAMAGED);
}

static void every_changed_byte_is_noticed(void **state)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(4096);
	struct fixture *fixture = *state;
	size_t i;

	create(fixture, &ID, OLD);
	fixture_get(fixture, PATH, &whole);
	for (i = 0; i < whole.len; i++) {
		whole.data[i] ^= 0x80;
		fixture_put(fixture, PATH, buf_slice(&whole));
		assert_fails(fixture, &ID, ERR_DAMAGED);
		whole.data[i] ^= 0x80;
	}
}

static void larger_than_any_is_damaged(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(STORE_CONTENT_MAX + 100);
	struct fixture *fixture = *state;
	uint8_t *all;

	create(fixture, &ID, OLD);
	all = buf_grow(&bytes, STORE_CONTENT_MAX + 100);
	assert_non_null(all);
	memset(all, 'x', STORE_CONTENT_MAX + 100);
	fixture_put(fixture, PATH, buf_slice(&bytes));
	assert_fails(fixture, &ID, ERR_DAMAGED);
}

/* The two ways in which a record cannot be read; the second one holds even for root. */
static void spoil(struct fixture *fixture, bool damaged)
{
	if (damaged)
		fixture_put(fixture, PATH, slice_str("garbage"));
	else
		fixture_put_folder(fixture, PATH);
}

static void spoilt_is_never_overwritten(void **state)
{
	struct fixture *fixture = *state;
	bool created = true;
	int i;

	for (i = 0; i < 2; i++) {
		int code = i == 0 ? ERR_DAMAGED : ERR_UNREADABLE;

		create(fixture, &ID, OLD);
		spoil(fixture, i == 0);
		assert_fails(fixture, &ID, code);
		assert_int_equal(store_create(fixture->store, &ID, slice_str(NEW), &fixture->err),
				 ERR_CONFLICT);
		assert_int_equal(replace(fixture, &ID, NEW, &created), code);
		assert_true(created);
		assert_fails(fixture, &ID, code);
		assert_int_equal(store_remove(fixture->store, &ID, &fixture->err), 0);
		assert_fails(fixture, &ID, ERR_NOT_FOUND);
	}
}

struct found {
	char names[4][256];
	size_t count;
};

/* The quarantine's entries in any order. */
static void list_quarantine(const struct fixture *fixture, struct found *ret)
{
	char path[PATH_MAX + 64];
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/quarantine", fixture->state);
	*ret = (struct found){.count = 0};
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			assert_true(ret->count < ARRAY_LEN(ret->names));
			memcpy(ret->names[ret->count++], entry->d_name, strlen(entry->d_name) + 1);
		}
	closedir(dir);
}

/* Three in one second keep three names. */
static void removed_damage_goes_to_quarantine(void **state)
{
	static const char *const BYTES[] = {"garbage one", "garbage two", "garbage three"};
	struct fixture *fixture = *state;
	struct found found;
	bool seen[3] = {false};
	size_t i, j;

	for (i = 0; i < ARRAY_LEN(BYTES); i++) {
		create(fixture, &ID, OLD);
		fixture_put(fixture, PATH, slice_str(BYTES[i]));
		assert_int_equal(store_remove(fixture->store, &ID, &fixture->err), 0);
		assert_false(fixture_has(fixture, PATH));
	}
	list_quarantine(fixture, &found);
	assert_int_equal(found.count, ARRAY_LEN(BYTES));
	for (i = 0; i < found.count; i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(256);
		char path[512];

		assert_memory_equal(found.names[i], "acme.keys.door.", 15);
		(void)snprintf(path, sizeof(path), "quarantine/%s", found.names[i]);
		fixture_get(fixture, path, &bytes);
		for (j = 0; j < ARRAY_LEN(BYTES); j++)
			if (slice_equal(buf_slice(&bytes), slice_str(BYTES[j])))
				seen[j] = true;
	}
	assert_true(seen[0] && seen[1] && seen[2]);
}

static void wrong_key_reads_nothing(void **state)
{
	CLEANUP(secret_cleanup) struct secret *root = NULL;
	struct fixture *fixture = *state;

	create(fixture, &ID, OLD);
	store_free(TAKE(fixture->store));
	assert_int_equal(store_open(fixture->state, &fixture->store, &fixture->err), 0);
	/* Without any key a good record is neither read nor put aside. */
	assert_fails(fixture, &ID, ERR_INTERNAL);
	assert_int_equal(store_remove(fixture->store, &ID, &fixture->err), ERR_INTERNAL);
	assert_int_equal(
		secret_copy(slice_str("another root of thirty-two byte."), &root, &fixture->err),
		0);
	assert_int_equal(store_set_key(fixture->store, root, &fixture->err), 0);
	assert_int_equal(store_set_key(fixture->store, root, &fixture->err), ERR_INTERNAL);
	assert_fails(fixture, &ID, ERR_DAMAGED);
	fixture_reopen(fixture);
	assert_reads(fixture, &ID, slice_str(OLD));
}

/* --- names --- */

/* @len times the same letter. */
static const char *letters(size_t len, char *ret_text)
{
	memset(ret_text, 'x', len);
	ret_text[len] = '\0';
	return ret_text;
}

static void names(void **state)
{
	char n128[129], n129[130], t63[64], t64[65];
	const char *const GOOD[] = {"a", "A.b_c-9", "-", "a..b", "a.", letters(128, n128)};
	const char *const BAD[] = {"",	   ".",	  ".a",	      "..",  "a/b",
				   "a b",  "a\n", "\xc3\xa4", "a:b", letters(129, n129),
				   "a\x7f"};
	const char *const GOOD_TENANTS[] = {"a", "a-9", letters(63, t63)};
	const char *const BAD_TENANTS[] = {"", "A", "a.b", "a_b", "..", "a/b", letters(64, t64)};
	struct fixture *fixture = *state;
	struct store_id id = ID;
	bool created;
	size_t i;

	for (i = 0; i < ARRAY_LEN(GOOD); i++) {
		id.name = GOOD[i];
		assert_true(store_name_ok(GOOD[i]));
		create(fixture, &id, OLD);
		assert_reads(fixture, &id, slice_str(OLD));
	}
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		id.name = BAD[i];
		assert_false(store_name_ok(BAD[i]));
		assert_fails(fixture, &id, ERR_INVALID);
		assert_int_equal(store_create(fixture->store, &id, slice_str(OLD), &fixture->err),
				 ERR_INVALID);
		assert_int_equal(replace(fixture, &id, OLD, &created), ERR_INVALID);
		assert_int_equal(store_remove(fixture->store, &id, &fixture->err), ERR_INVALID);
	}
	id = ID;
	for (i = 0; i < ARRAY_LEN(GOOD_TENANTS); i++)
		assert_true(store_tenant_ok(GOOD_TENANTS[i]));
	for (i = 0; i < ARRAY_LEN(BAD_TENANTS); i++) {
		id.tenant = BAD_TENANTS[i];
		assert_false(store_tenant_ok(BAD_TENANTS[i]));
		assert_fails(fixture, &id, ERR_INVALID);
	}
}

/* The longest of all parts still fit into one file name. */
static void longest_names_fit_the_quarantine(void **state)
{
	char name[129], tenant[64], path[256];
	const struct store_id id = {letters(63, tenant), STORE_SECRETS, letters(128, name)};
	struct fixture *fixture = *state;
	struct found found;

	create(fixture, &id, OLD);
	(void)snprintf(path, sizeof(path), "tenants/%s/secrets/%s", tenant, name);
	fixture_put(fixture, path, slice_str("bad"));
	assert_int_equal(store_remove(fixture->store, &id, &fixture->err), 0);
	list_quarantine(fixture, &found);
	assert_int_equal(found.count, 1);
}

/* --- listing --- */

static void expect_page(struct fixture *fixture, const char *after, size_t max, const char *names,
			bool more)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(65536);
	bool said = !more;
	size_t i;

	assert_int_equal(store_list(fixture->store, "acme", STORE_KEYS, after, max, &bytes, &said,
				    &fixture->err),
			 0);
	assert_int_equal(said, more);
	for (i = 0; i < bytes.len; i++)
		if (bytes.data[i] == '\0')
			bytes.data[i] = ' ';
	buf_put_u8(&bytes, '\0');
	assert_true(buf_ok(&bytes));
	assert_string_equal((const char *)bytes.data, names);
}

static void lists_in_byte_order_by_pages(void **state)
{
	static const char *const NAMES[] = {"b", "a", "B", "a-", "a.", "10", "9", "z"};
	struct fixture *fixture = *state;
	struct store_id id = ID;
	size_t i;

	expect_page(fixture, "", 5, "", false);
	for (i = 0; i < ARRAY_LEN(NAMES); i++) {
		id.name = NAMES[i];
		create(fixture, &id, OLD);
	}
	id = (struct store_id){"acme", STORE_SECRETS, "elsewhere"};
	create(fixture, &id, OLD);
	/* Damaged ones have a name; what is ours in between and what cannot be has none. */
	fixture_put(fixture, KEYS "9", slice_str("damaged"));
	fixture_put(fixture, KEYS ".tmp-77-1", slice_str("half"));
	fixture_put(fixture, KEYS "not a name", slice_str("x"));
	expect_page(fixture, "", 100, "10 9 B a a- a. b z ", false);
	expect_page(fixture, "", 8, "10 9 B a a- a. b z ", false);
	expect_page(fixture, "", 7, "10 9 B a a- a. b ", true);
	expect_page(fixture, "", 1, "10 ", true);
	expect_page(fixture, "10", 1, "9 ", true);
	expect_page(fixture, "9", 3, "B a a- ", true);
	expect_page(fixture, "a-", 3, "a. b z ", false);
	expect_page(fixture, "aa", 3, "b z ", false);
	expect_page(fixture, "z", 3, "", false);
}

/* More names than are kept in memory at once, in pages that must fit together. */
static void pages_fit_together(void **state)
{
	struct fixture *fixture = *state;
	char path[64], after[16] = "";
	size_t seen = 0;
	bool more = true;
	unsigned i;

	create(fixture, &ID, OLD);
	assert_int_equal(store_remove(fixture->store, &ID, &fixture->err), 0);
	for (i = 0; i < 500; i++) {
		(void)snprintf(path, sizeof(path), KEYS "n%03u", i * 7 % 500);
		fixture_put(fixture, path, slice_str("x"));
	}
	while (more) {
		CLEANUP(buf_fini) struct buf page = BUF_INIT(4096);
		size_t at;

		assert_int_equal(store_list(fixture->store, "acme", STORE_KEYS, after, 33, &page,
					    &more, &fixture->err),
				 0);
		assert_true(page.len > 0);
		for (at = 0; at < page.len; at += 5, seen++) {
			(void)snprintf(path, sizeof(path), "n%03zu", seen);
			assert_string_equal((const char *)page.data + at, path);
		}
		memcpy(after, page.data + page.len - 5, 5);
	}
	assert_int_equal(seen, 500);
}

static void impossible_lists_are_refused(void **state)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(4);
	struct fixture *fixture = *state;
	bool more = true;

	create(fixture, &ID, OLD);
	assert_int_equal(
		store_list(fixture->store, "acme", STORE_KEYS, "", 0, &names, &more, &fixture->err),
		ERR_INVALID);
	assert_int_equal(store_list(fixture->store, "acme", STORE_KEYS, "", STORE_LIST_MAX + 1,
				    &names, &more, &fixture->err),
			 ERR_INVALID);
	assert_int_equal(
		store_list(fixture->store, "../x", STORE_KEYS, "", 1, &names, &more, &fixture->err),
		ERR_INVALID);
	assert_int_equal(
		store_list(fixture->store, "acme", STORE_KEYS, "", 1, &names, &more, &fixture->err),
		ERR_TOO_LARGE);
	assert_int_equal(names.len, 0);
	assert_true(more);
}

static void expect_records(struct fixture *fixture, bool any)
{
	bool said = !any;

	assert_int_equal(store_has_records(fixture->store, &said, &fixture->err), 0);
	assert_int_equal(said, any);
}

static void knows_whether_there_are_records(void **state)
{
	static const struct store_id SECRET = {"host", STORE_SECRETS, "s"};
	struct fixture *fixture = *state;
	bool said = false;

	expect_records(fixture, false);
	assert_int_equal(
		store_twin_write(fixture->store, "acme", "id", slice_str("x"), &fixture->err), 0);
	expect_records(fixture, false);
	create(fixture, &SECRET, OLD);
	expect_records(fixture, true);
	assert_int_equal(store_remove(fixture->store, &SECRET, &fixture->err), 0);
	expect_records(fixture, false);
	create(fixture, &ID, OLD);
	spoil(fixture, true);
	expect_records(fixture, true);
	/* What cannot be looked into may hold some: no answer. */
	assert_int_equal(store_remove(fixture->store, &ID, &fixture->err), 0);
	fixture_delete(fixture, KEYS);
	fixture_put(fixture, "tenants/acme/keys", slice_str("not a folder"));
	assert_int_equal(store_has_records(fixture->store, &said, &fixture->err), ERR_UNREADABLE);
	assert_false(said);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(created_is_read_and_removed),
		TEST(sizes),
		TEST(a_name_is_taken_once),
		TEST(replace_tells_what_it_did),
		TEST(format_is_as_documented),
		TEST(a_small_buffer_is_not_overrun),
		TEST(torn_at_every_length),
		TEST(every_changed_byte_is_noticed),
		TEST(larger_than_any_is_damaged),
		TEST(spoilt_is_never_overwritten),
		TEST(removed_damage_goes_to_quarantine),
		TEST(wrong_key_reads_nothing),
		TEST(names),
		TEST(longest_names_fit_the_quarantine),
		TEST(lists_in_byte_order_by_pages),
		TEST(pages_fit_together),
		TEST(impossible_lists_are_refused),
		TEST(knows_whether_there_are_records),
	};

	return cmocka_run_group_tests_name("store record", tests, NULL, NULL);
}
