/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody who holds the parts can do, and what is left of it: with what is expected known,
 * nothing; without it, what length and padding show. Whatever is wrong, the answer is one.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/test_fixture.h"
#include "artifact/v1_key.h"

#define PLAIN 12000u

static struct secret *key;
static struct buf blob = BUF_INIT(ROOM), other = BUF_INIT(ROOM);
static struct v1_facts facts;

static struct fixture_load whole(const struct buf *bytes)
{
	return (struct fixture_load){.big = buf_slice(bytes), .step = 1000};
}

static int make_blobs(void **state)
{
	struct buf plain = BUF_INIT(ROOM);
	struct fixture_load load;
	struct err err = {0};

	(void)state;
	key = fixture_key();
	fixture_plain(PLAIN, &plain);
	fixture_seal(key, buf_slice(&plain), 999, &blob);
	fixture_seal(key, buf_slice(&plain), 999, &other);
	buf_fini(&plain);
	load = whole(&blob);
	return fixture_check(key, &load, &facts, &err);
}

static int free_blobs(void **state)
{
	(void)state;
	secret_free(key);
	buf_fini(&blob);
	buf_fini(&other);
	return 0;
}

/* Refused, and in the same words as everything else; not a byte comes out. */
static void assert_refused(const struct fixture_load *load)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM);
	struct err err = {0};

	assert_int_equal(fixture_load(key, load, &plain, &err), ERR_DAMAGED);
	assert_string_equal(err.text, V1_DOES_NOT_OPEN);
	assert_int_equal(err.origin, 0);
	assert_null(err.remedy);
	assert_int_equal(plain.len, 0);
}

/* A bit of each byte: with the digest known. */
static void test_flips(void **state)
{
	struct fixture_load load = whole(&blob);

	(void)state;
	load.expected = &facts.seen;
	for (size_t i = 0; i < blob.len; i += i < 64 || i > blob.len - 64 ? 1 : 61) {
		blob.data[i] ^= (uint8_t)(1u << i % 8);
		assert_refused(&load);
		blob.data[i] ^= (uint8_t)(1u << i % 8);
	}
}

static void test_cuts(void **state)
{
	struct fixture_load load = {.step = 1000, .expected = &facts.seen};

	(void)state;
	for (size_t len = 0; len < blob.len; len += len < 80 || len > blob.len - 80 ? 1 : 53) {
		load.big = slice_of(blob.data, len);
		assert_refused(&load);
		load.big = slice_of(blob.data + (blob.len - len), len);
		assert_refused(&load);
	}
}

static void test_longer(void **state)
{
	CLEANUP(buf_fini) struct buf twice = BUF_INIT(ROOM);
	struct fixture_load load = {.step = 1000, .expected = &facts.seen};

	(void)state;
	buf_put(&twice, buf_slice(&blob));
	buf_put(&twice, buf_slice(&blob));
	for (size_t len = blob.len + 1; len <= twice.len; len += len < blob.len + 40 ? 1 : 97) {
		load.big = slice_of(twice.data, len);
		assert_refused(&load);
	}
}

/* Parts in the other order, twice the same, and of two blobs of the same plaintext. */
static void test_swaps(void **state)
{
	const size_t cut = v1_cut(blob.len);
	const struct slice small = slice_of(blob.data, cut);
	const struct slice big = slice_of(blob.data + cut, blob.len - cut);
	const struct slice other_small = slice_of(other.data, cut);
	const struct slice other_big = slice_of(other.data + cut, other.len - cut);
	const struct slice none = slice_of(NULL, 0);
	const struct slice pairs[][2] = {
		{big, small},	    {small, small},	{big, big},
		{small, none},	    {none, big},	{none, none},
		{small, other_big}, {other_small, big}, {other_small, other_big},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct fixture_load load = {.small = pairs[i][0],
					    .big = pairs[i][1],
					    .step = 1000,
					    .expected = &facts.seen};
		assert_refused(&load);
	}
}

static void swap_blocks(uint8_t *at)
{
	uint8_t first[V1_BLOCK];

	memcpy(first, at, V1_BLOCK);
	memcpy(at, at + V1_BLOCK, V1_BLOCK);
	memcpy(at + V1_BLOCK, first, V1_BLOCK);
}

static void test_blocks_swapped(void **state)
{
	struct fixture_load load = whole(&blob);

	(void)state;
	load.expected = &facts.seen;
	for (size_t i = 0; i + 2 * V1_BLOCK <= blob.len; i += 37 * (size_t)V1_BLOCK) {
		swap_blocks(blob.data + i);
		assert_refused(&load);
		swap_blocks(blob.data + i);
	}
}

/* Nothing is expected: lengths that are none, and all paddings that are none, through the IV. */
static void test_without_digest(void **state)
{
	CLEANUP(buf_fini) struct buf empty = BUF_INIT(ROOM);
	struct fixture_load load;
	unsigned opened = 0;

	(void)state;
	fixture_seal(key, slice_of(NULL, 0), 1, &empty);
	for (size_t len = 0; len < blob.len; len += len < 80 ? 1 : 17) {
		load = (struct fixture_load){.big = slice_of(blob.data, len), .step = 100};
		if (len < V1_BLOB_MIN || len % V1_BLOCK != 0)
			assert_refused(&load);
	}
	/* The last byte of its one block is 16: what the IV makes of it is chosen here. */
	for (unsigned flip = 0; flip < 256; flip++) {
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM);
		struct err err = {0};

		empty.data[V1_BLOCK - 1] ^= (uint8_t)flip;
		load = whole(&empty);
		if (flip == 0 || flip == (V1_BLOCK ^ 1)) {
			assert_int_equal(fixture_load(key, &load, &plain, &err), 0);
			assert_int_equal(plain.len, flip ? V1_BLOCK - 1 : 0);
			opened++;
		} else {
			assert_refused(&load);
		}
		empty.data[V1_BLOCK - 1] ^= (uint8_t)flip;
	}
	assert_int_equal(opened, 2);
}

/*
 * The digest is of what is stored, and the padding is all that tells one key from another: one in
 * 256 others finds one that is valid. So refused are most, and what the others give is not the
 * text.
 */
static void test_wrong_key(void **state)
{
	struct fixture_load load = whole(&blob);
	unsigned refused = 0;

	(void)state;
	load.expected = &facts.seen;
	for (char name[] = "a"; name[0] <= 'z'; name[0]++) {
		CLEANUP(secret_cleanup) struct secret *wrong = NULL;
		struct v1_facts kept = {.plain = 7};
		struct err err = {0};

		assert_int_equal(v1_key_archive(slice_str(name), &wrong, &err), 0);
		if (fixture_check(wrong, &load, &kept, &err) == 0) {
			CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM), right = BUF_INIT(ROOM);

			assert_int_equal(fixture_load(wrong, &load, &plain, &err), 0);
			fixture_plain(plain.len, &right);
			assert_memory_not_equal(plain.data, right.data, PLAIN - 256);
			continue;
		}
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_string_equal(err.text, V1_DOES_NOT_OPEN);
		assert_int_equal(kept.plain, 7);
		refused++;
	}
	assert_true(refused > 13);
}

/* Between the passes the file is another: the client never gets all of it. */
static void test_changed_between(void **state)
{
	(void)state;
	for (size_t i = 0; i < blob.len; i += i < 40 || i > blob.len - 40 ? 1 : 149) {
		CLEANUP(v1_open_cleanup) struct v1_open *open = NULL;
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM);
		struct err err = {0};

		blob.data[i] ^= 0x40;
		assert_int_equal(v1_open_new(key, &facts, 0, &open, &err), 0);
		assert_int_equal(v1_open_add(open, buf_slice(&blob), &plain, &err), 0);
		assert_true(plain.len < PLAIN);
		assert_int_equal(v1_open_end(open, &plain, &err), ERR_DAMAGED);
		assert_string_equal(err.text, V1_DOES_NOT_OPEN);
		assert_true(plain.len < PLAIN);
		blob.data[i] ^= 0x40;
	}
}

static void test_grown_or_cut_between(void **state)
{
	(void)state;
	for (size_t len = 0; len <= blob.len; len += len < blob.len - 40 ? 211 : 1) {
		CLEANUP(v1_open_cleanup) struct v1_open *open = NULL;
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM);
		struct err err = {0};
		int r;

		assert_int_equal(v1_open_new(key, &facts, 0, &open, &err), 0);
		assert_int_equal(v1_open_add(open, slice_of(blob.data, len), &plain, &err), 0);
		if (len == blob.len) {
			r = v1_open_add(open, slice_str("x"), &plain, &err);
			assert_int_equal(r, ERR_DAMAGED);
			r = v1_open_end(open, &plain, &err);
			assert_int_equal(r, ERR_INTERNAL);
		} else {
			r = v1_open_end(open, &plain, &err);
			assert_int_equal(r, ERR_DAMAGED);
		}
		assert_true(plain.len < PLAIN);
	}
}

static void test_bad_facts(void **state)
{
	static const uint64_t froms[] = {1, 15, 17, PLAIN, PLAIN + 16, UINT64_MAX - 15};
	struct v1_open *open = NULL;
	struct v1_facts bad = facts;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(froms); i++)
		assert_int_equal(v1_open_new(key, &facts, froms[i], &open, &err), ERR_INVALID);
	for (uint64_t size = 0; size < 100; size++) {
		bad.seen.size = size;
		assert_int_equal(v1_open_new(key, &bad, 0, &open, &err), ERR_INVALID);
	}
	bad = facts;
	bad.plain = facts.plain + 16;
	assert_int_equal(v1_open_new(key, &bad, 0, &open, &err), ERR_INVALID);
	bad.plain = facts.seen.size - V1_BLOCK;
	assert_int_equal(v1_open_new(key, &bad, 0, &open, &err), ERR_INVALID);
	assert_null(open);
}

/* Stages out of order, and buffers that are too small. */
static void test_order(void **state)
{
	CLEANUP(v1_check_cleanup) struct v1_check *check = NULL;
	CLEANUP(v1_open_cleanup) struct v1_open *open = NULL;
	CLEANUP(buf_fini) struct buf tight = BUF_INIT(64);
	struct v1_facts again;
	struct v1_seen seen;
	struct err err = {0};

	(void)state;
	assert_int_equal(v1_check_new(&check, &err), 0);
	assert_int_equal(v1_check_add(check, buf_slice(&blob), &err), 0);
	assert_int_equal(v1_check_end(check, &seen, &err), 0);
	assert_int_equal(v1_check_add(check, buf_slice(&blob), &err), ERR_INTERNAL);
	assert_int_equal(v1_check_end(check, &seen, &err), ERR_INTERNAL);
	assert_int_equal(v1_check_verdict(check, key, NULL, &again, &err), 0);
	assert_int_equal(v1_check_verdict(check, key, NULL, &again, &err), ERR_INTERNAL);
	assert_int_equal(again.plain, PLAIN);
	assert_int_equal(v1_open_new(key, &again, 0, &open, &err), 0);
	assert_int_equal(v1_open_add(open, buf_slice(&blob), &tight, &err), ERR_TOO_LARGE);
	assert_int_equal(tight.len, 0);
	assert_int_equal(v1_open_add(open, slice_of(NULL, 0), &tight, &err), ERR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_longer),
		cmocka_unit_test(test_swaps),
		cmocka_unit_test(test_blocks_swapped),
		cmocka_unit_test(test_without_digest),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_changed_between),
		cmocka_unit_test(test_grown_or_cut_between),
		cmocka_unit_test(test_bad_facts),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, make_blobs, free_blobs);
}
