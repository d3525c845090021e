/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keystore/keystore.h"

#define ROOM (64u * 1024u)

static const char MARK[] = "<<this must be wiped before it is freed>>";

void __real_wipe(void *data, size_t len);
void __wrap_wipe(void *data, size_t len);

static unsigned marks_wiped;

/* Counts the wipings of memory that holds the mark. */
void __wrap_wipe(void *data, size_t len)
{
	if (len > 0 && memmem(data, len, MARK, strlen(MARK)))
		marks_wiped++;
	__real_wipe(data, len);
}

static const struct store_id A = {"acme", STORE_KEYS, "a"};
static const struct store_id B = {"acme", STORE_KEYS, "b"};

static int setup(void **state)
{
	struct keystore_cache *cache = NULL;
	struct err err;

	marks_wiped = 0;
	if (keystore_cache_new(ROOM, &cache, &err) < 0)
		return -1;
	*state = cache;
	return 0;
}

static int teardown(void **state)
{
	keystore_cache_free(*state);
	return 0;
}

static void put(struct keystore_cache *cache, const struct store_id *id, const char *text)
{
	keystore_cache_put(cache, id, keystore_cache_epoch(cache), slice_str(text));
}

static bool has(struct keystore_cache *cache, const struct store_id *id)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(ROOM);

	return keystore_cache_get(cache, id, &record);
}

static void assert_holds(struct keystore_cache *cache, const struct store_id *id, const char *text)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(ROOM);

	buf_put_str(&record, "pre");
	assert_true(keystore_cache_get(cache, id, &record));
	assert_int_equal(record.len, 3 + strlen(text));
	assert_memory_equal(record.data, "pre", 3);
	assert_memory_equal(record.data + 3, text, strlen(text));
}

static void put_is_got(void **state)
{
	static const struct store_id OTHERS[] = {
		{"acme", STORE_SECRETS, "a"}, {"acm", STORE_KEYS, "ea"}, {"acmea", STORE_KEYS, ""},
		{"host", STORE_KEYS, "a"},    {"acme", STORE_KEYS, "A"}, {"acme", STORE_KEYS, "aa"},
	};
	struct keystore_cache *cache = *state;
	size_t i;

	assert_false(has(cache, &A));
	put(cache, &A, "one");
	assert_holds(cache, &A, "one");
	for (i = 0; i < ARRAY_LEN(OTHERS); i++)
		assert_false(has(cache, &OTHERS[i]));
	put(cache, &A, "two");
	assert_holds(cache, &A, "two");
	put(cache, &B, "");
	assert_holds(cache, &B, "");
	keystore_cache_drop(cache, &A);
	assert_false(has(cache, &A));
	assert_holds(cache, &B, "");
}

/* The names may lie in memory that changes afterwards. */
static void keys_are_copied(void **state)
{
	struct keystore_cache *cache = *state;
	char tenant[] = "acme", name[] = "a";
	const struct store_id id = {tenant, STORE_KEYS, name};

	put(cache, &id, "one");
	tenant[0] = 'x';
	name[0] = 'x';
	assert_holds(cache, &A, "one");
	assert_false(has(cache, &id));
}

static void what_does_not_fit_is_not_given(void **state)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(4);
	struct keystore_cache *cache = *state;

	put(cache, &A, "12345");
	assert_false(keystore_cache_get(cache, &A, &record));
	assert_int_equal(record.len, 0);
	assert_true(buf_ok(&record));
	assert_holds(cache, &A, "12345");
}

/* A read that began before a change must not bring the old content back, whenever it ends. */
static void stale_reads_stay_out(void **state)
{
	struct keystore_cache *cache = *state;
	uint64_t before = keystore_cache_epoch(cache);
	uint64_t during, after;

	keystore_cache_drop(cache, &A);
	during = keystore_cache_epoch(cache);
	keystore_cache_put(cache, &A, before, slice_str("old"));
	assert_false(has(cache, &A));
	/* Read while the change was made: it may enter, but does not outlive it. */
	keystore_cache_put(cache, &A, during, slice_str("old"));
	keystore_cache_drop(cache, &A);
	after = keystore_cache_epoch(cache);
	assert_false(has(cache, &A));
	keystore_cache_put(cache, &A, during, slice_str("old"));
	keystore_cache_put(cache, &A, before, slice_str("old"));
	assert_false(has(cache, &A));
	keystore_cache_put(cache, &A, after, slice_str("new"));
	assert_holds(cache, &A, "new");
	assert_true(before != during && during != after && before != after);
}

/* A drop of what is not there is a change as well: its reader may be on the way. */
static void every_drop_is_an_epoch(void **state)
{
	struct keystore_cache *cache = *state;
	uint64_t before = keystore_cache_epoch(cache);

	keystore_cache_drop(cache, &B);
	assert_true(keystore_cache_epoch(cache) > before);
	keystore_cache_put(cache, &A, before, slice_str("old"));
	assert_false(has(cache, &A));
}

static void put_numbered(struct keystore_cache *cache, unsigned number, size_t size)
{
	static uint8_t bytes[ROOM * 2];
	char name[16];
	const struct store_id id = {"acme", STORE_KEYS, name};

	(void)snprintf(name, sizeof(name), "n%u", number);
	keystore_cache_put(cache, &id, keystore_cache_epoch(cache), slice_of(bytes, size));
}

static bool has_numbered(struct keystore_cache *cache, unsigned number)
{
	char name[16];
	const struct store_id id = {"acme", STORE_KEYS, name};

	(void)snprintf(name, sizeof(name), "n%u", number);
	return has(cache, &id);
}

static void least_recently_used_goes_first(void **state)
{
	struct keystore_cache *cache = *state;
	unsigned i, held = 0;

	for (i = 0; i < 1000; i++) {
		put_numbered(cache, i, 4000);
		/* The first one is used again and again, so it stays. */
		assert_true(has_numbered(cache, 0));
		assert_true(has_numbered(cache, i));
	}
	for (i = 0; i < 1000; i++)
		held += has_numbered(cache, i);
	assert_in_range(held, 14, ROOM / 4000);
	for (i = 1000 - held + 1; i < 1000; i++)
		assert_true(has_numbered(cache, i));
}

/* Small ones cost what their keys and links cost, so their number is bounded too. */
static void small_entries_are_bounded(void **state)
{
	struct keystore_cache *cache = *state;
	unsigned i, held = 0;

	for (i = 0; i < 10000; i++)
		put_numbered(cache, i, 0);
	for (i = 0; i < 10000; i++)
		held += has_numbered(cache, i);
	assert_in_range(held, 100, ROOM / sizeof(void *) / 8);
}

static void too_large_pushes_nobody_out(void **state)
{
	static const size_t SIZES[] = {ROOM * 2, ROOM + 1, ROOM, ROOM - 1, ROOM - 16};
	struct keystore_cache *cache = *state;
	size_t i;

	put(cache, &A, "one");
	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		put_numbered(cache, 1, SIZES[i]);
		assert_false(has_numbered(cache, 1));
		assert_true(has(cache, &A));
	}
	put_numbered(cache, 1, ROOM - 512);
	assert_true(has_numbered(cache, 1));
}

static void a_cache_without_room_holds_nothing(void **state)
{
	struct keystore_cache *cache = NULL;
	struct err err;

	(void)state;
	assert_int_equal(keystore_cache_new(0, &cache, &err), 0);
	put(cache, &A, "");
	assert_false(has(cache, &A));
	keystore_cache_drop(cache, &A);
	keystore_cache_free(cache);
	keystore_cache_free(NULL);
}

/* Chains are long when all names fall into few buckets; nothing gets lost in them. */
static void many_names_are_told_apart(void **state)
{
	struct keystore_cache *cache = *state;
	char name[16], text[16];
	const struct store_id id = {"t", STORE_SECRETS, name};
	unsigned i;

	for (i = 0; i < 400; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		put(cache, &id, name);
	}
	for (i = 0; i < 400; i += 3) {
		(void)snprintf(name, sizeof(name), "%u", i);
		keystore_cache_drop(cache, &id);
	}
	for (i = 0; i < 400; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		(void)snprintf(text, sizeof(text), "%u", i);
		if (i % 3 == 0)
			assert_false(has(cache, &id));
		else
			assert_holds(cache, &id, text);
	}
}

static void whatever_leaves_is_wiped(void **state)
{
	struct keystore_cache *cache = *state;
	struct err err;
	unsigned i;

	put(cache, &A, MARK);
	assert_int_equal(marks_wiped, 0);
	keystore_cache_drop(cache, &A);
	assert_int_equal(marks_wiped, 1);
	put(cache, &A, MARK);
	put(cache, &A, "another");
	assert_int_equal(marks_wiped, 2);
	put(cache, &B, MARK);
	for (i = 0; i < 100; i++)
		put_numbered(cache, i, 4000);
	assert_int_equal(marks_wiped, 3);
	put(cache, &A, MARK);
	keystore_cache_free(cache);
	assert_int_equal(marks_wiped, 4);
	*state = NULL;
	assert_int_equal(keystore_cache_new(ROOM, (struct keystore_cache **)state, &err), 0);
}

/* All records of one tenant, whatever their kind, and nobody else's. */
static void a_tenant_is_dropped(void **state)
{
	static const struct store_id SECRET = {"acme", STORE_SECRETS, "a"};
	static const struct store_id OTHERS[] = {
		{"acm", STORE_KEYS, "ea"}, {"acmes", STORE_KEYS, "a"}, {"web", STORE_KEYS, "a"}};
	struct keystore_cache *cache = *state;
	uint64_t epoch;
	size_t i;

	put(cache, &A, "1");
	put(cache, &OTHERS[0], "2");
	put(cache, &B, MARK);
	put(cache, &OTHERS[1], "3");
	put(cache, &SECRET, "4");
	put(cache, &OTHERS[2], "5");
	epoch = keystore_cache_epoch(cache);
	keystore_cache_drop_tenant(cache, "acme");
	assert_int_equal(marks_wiped, 1);
	assert_false(has(cache, &A) || has(cache, &B) || has(cache, &SECRET));
	for (i = 0; i < ARRAY_LEN(OTHERS); i++)
		assert_true(has(cache, &OTHERS[i]));
	/* A read that began before must not bring it back. */
	keystore_cache_put(cache, &A, epoch, slice_str("1"));
	assert_false(has(cache, &A));
	keystore_cache_drop_tenant(cache, "nobody");
	assert_true(has(cache, &OTHERS[0]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(put_is_got),
		TEST(keys_are_copied),
		TEST(what_does_not_fit_is_not_given),
		TEST(stale_reads_stay_out),
		TEST(every_drop_is_an_epoch),
		TEST(least_recently_used_goes_first),
		TEST(small_entries_are_bounded),
		TEST(too_large_pushes_nobody_out),
		TEST(a_cache_without_room_holds_nothing),
		TEST(many_names_are_told_apart),
		TEST(whatever_leaves_is_wiped),
		TEST(a_tenant_is_dropped),
	};

	return cmocka_run_group_tests_name("keystore cache", tests, NULL, NULL);
}
