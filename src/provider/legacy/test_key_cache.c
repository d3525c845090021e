/* SPDX-License-Identifier: Apache-2.0 */
/* Keys by their exact bytes, one user each, the last ones used, none after a wipe. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <threads.h>

#include "provider/legacy/key_cache.h"

static struct key_cache cache;

static int teardown(void **state)
{
	(void)state;
	key_cache_wipe(&cache);
	return 0;
}

static struct key_cached *take(struct slice header, struct slice object)
{
	struct key_cached *key = NULL;
	struct err err = {0};

	assert_int_equal(key_cache_take(&cache, header, object, &key, &err), 0);
	return key;
}

static struct key_cached *take_number(unsigned number)
{
	char object[16];

	snprintf(object, sizeof(object), "object %u", number);
	return take(slice_str("header"), slice_str(object));
}

/* Is it in the cache? It stays there. */
static bool is_known(struct slice header, struct slice object)
{
	struct key_cached *key = take(header, object);
	bool known = key->pkey != NULL;

	if (known)
		key_cache_put(&cache, key);
	else
		key_cached_free(key);
	return known;
}

static bool is_number_known(unsigned number)
{
	char object[16];

	snprintf(object, sizeof(object), "object %u", number);
	return is_known(slice_str("header"), slice_str(object));
}

static void fill(struct key_cached *key, enum pkey_type type)
{
	struct err err = {0};

	assert_null(key->pkey);
	assert_int_equal(pkey_generate(type, &key->pkey, &err), 0);
}

static void put_number(unsigned number)
{
	struct key_cached *key = take_number(number);

	if (!key->pkey)
		fill(key, PKEY_ECC_P256);
	key_cache_put(&cache, key);
}

static void test_same_key_again(void **state)
{
	struct key_cached *key = take_number(1);
	const struct pkey *pkey;

	(void)state;
	fill(key, PKEY_ECC_P256);
	pkey = key->pkey;
	key_cache_put(&cache, key);
	key = take_number(1);
	assert_ptr_equal(key->pkey, pkey);
	key_cache_put(&cache, key);
	assert_true(is_number_known(1));
	assert_false(is_number_known(2));
}

static void test_every_byte_counts(void **state)
{
	uint8_t bytes[] = "headerobject";
	const size_t len = sizeof(bytes) - 1;
	struct key_cached *key = take(slice_of(bytes, 6), slice_of(bytes + 6, 6));

	(void)state;
	fill(key, PKEY_ECC_P256);
	key_cache_put(&cache, key);
	for (size_t i = 0; i < 8 * len; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_false(is_known(slice_of(bytes, 6), slice_of(bytes + 6, 6)));
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	/* The same bytes with the border elsewhere. */
	for (size_t i = 0; i <= len; i++)
		assert_int_equal(is_known(slice_of(bytes, i), slice_of(bytes + i, len - i)),
				 i == 6);
}

/* As many threads as use a key at once, so many copies; none is shared. */
static void test_one_user_each(void **state)
{
	struct key_cached *first, *second, *third;

	(void)state;
	put_number(1);
	first = take_number(1);
	second = take_number(1);
	assert_non_null(first->pkey);
	fill(second, PKEY_ECC_P256);
	key_cache_put(&cache, first);
	key_cache_put(&cache, second);
	first = take_number(1);
	second = take_number(1);
	third = take_number(1);
	assert_ptr_not_equal(first->pkey, second->pkey);
	assert_non_null(first->pkey);
	assert_non_null(second->pkey);
	assert_null(third->pkey);
	key_cached_free(first);
	key_cached_free(second);
	key_cached_free(third);
}

static void test_oldest_goes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KEY_CACHE_SLOTS; i++)
		put_number(i);
	for (unsigned i = 0; i < KEY_CACHE_SLOTS; i++)
		assert_true(is_number_known(i));
	put_number(0); /* so 1 is the oldest */
	put_number(KEY_CACHE_SLOTS);
	assert_true(is_number_known(0));
	assert_false(is_number_known(1));
	assert_true(is_number_known(2));
	assert_true(is_number_known(KEY_CACHE_SLOTS));
}

static void test_wipe(void **state)
{
	struct key_cached *key;

	(void)state;
	put_number(1);
	put_number(2);
	key = take_number(2);
	assert_non_null(key->pkey);
	key_cache_wipe(&cache);
	assert_false(is_number_known(1));
	/* It was meant too. */
	key_cache_put(&cache, key);
	assert_false(is_number_known(2));
	/* What came later stays. */
	put_number(2);
	assert_true(is_number_known(2));
}

/* A slot's place hint may be wrong: who looks there finds another's key and leaves it. */
static void test_wrong_hint(void **state)
{
	uint64_t tag;

	(void)state;
	put_number(1);
	tag = cache.slots[0].tag;
	put_number(2);
	assert_non_null(cache.slots[1].key);
	cache.slots[1].tag = tag;
	put_number(1);
	assert_true(is_number_known(1));
	assert_non_null(cache.slots[0].key);
	assert_non_null(cache.slots[1].key);
	assert_null(cache.slots[2].key);
}

#define WORK_KEYS 24u

static int work(void *arg)
{
	unsigned at = *(const unsigned *)arg, wrong = 0;

	for (unsigned i = 0; i < 3000; i++) {
		/* Most often one of three, so that threads meet at a key; else one of all. */
		unsigned any = at++ * 7 % WORK_KEYS, number = i % 3 ? any / 8 : any;
		enum pkey_type type = number % 2 ? PKEY_ECC_P256 : PKEY_ECC_P384;
		char object[16];
		struct key_cached *key = NULL;
		struct err err = {0};

		snprintf(object, sizeof(object), "object %u", number);
		if (key_cache_take(&cache, slice_str("header"), slice_str(object), &key, &err) < 0)
			return 1;
		if (!key->pkey && pkey_generate(type, &key->pkey, &err) < 0)
			return 1;
		wrong += pkey_type(key->pkey) != type;
		key_cache_put(&cache, key);
		if (i % 500 == 499)
			key_cache_wipe(&cache);
	}
	return wrong != 0;
}

static void test_threads(void **state)
{
	unsigned start[4] = {0, 5, 11, 17};
	thrd_t threads[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(thrd_create(&threads[i], work, &start[i]), thrd_success);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		int failed = 1;

		assert_int_equal(thrd_join(threads[i], &failed), thrd_success);
		assert_int_equal(failed, 0);
	}
	key_cache_wipe(&cache);
	for (size_t i = 0; i < KEY_CACHE_SLOTS; i++)
		assert_null(cache.slots[i].key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_teardown(name, teardown)
		CASE(test_same_key_again), CASE(test_every_byte_counts),
		CASE(test_one_user_each),  CASE(test_oldest_goes),
		CASE(test_wipe),	   CASE(test_wrong_hint),
		CASE(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
