/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs of the openssl command (tests/vectors/make), and round trips of every shape. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/test_fixture.h"
#include "base/base64.h"
#include "crypto/hash.h"
#include "tests/vectors/v1_blobs.inc"

#define ROUNDS 600

static const struct {
	size_t plain, small;
	const char *digest, *small_digest, *big_digest, *blob;
} rows[] = {VECTOR_BLOBS};

static struct secret *key;

static int make_key(void **state)
{
	(void)state;
	key = fixture_key();
	return 0;
}

static int free_key(void **state)
{
	(void)state;
	secret_free(key);
	return 0;
}

static void assert_digest(struct slice bytes, const char *hex)
{
	uint8_t digest[HASH_MAX_SIZE], expected[V1_DIGEST];
	struct err err = {0};

	assert_true(hex_decode(slice_str(hex), expected, sizeof(expected)));
	assert_int_equal(hash_digest(HASH_SHA256, &bytes, 1, digest, &err), 0);
	assert_memory_equal(digest, expected, sizeof(expected));
}

/* The IV of the vectors is the state of a blob that has nothing else yet. */
static void seal_vector(struct slice plain, struct buf *ret_blob)
{
	CLEANUP(v1_seal_cleanup) struct v1_seal *seal = NULL;
	struct v1_state first = {.done = V1_BLOCK};
	struct err err = {0};
	uint64_t at = 1;

	assert_true(hex_decode(slice_str(VECTOR_IV), first.last, V1_BLOCK));
	buf_put(ret_blob, slice_of(first.last, V1_BLOCK));
	assert_int_equal(v1_seal_resume(key, &first, &seal, &at, &err), 0);
	assert_int_equal(at, 0);
	assert_int_equal(v1_seal_add(seal, plain, ret_blob, &err), 0);
	assert_int_equal(v1_seal_end(seal, ret_blob, &err), 0);
}

static void split(struct slice blob, size_t step, const struct v1_parts *parts,
		  struct v1_seen *ret_seen)
{
	CLEANUP(v1_split_cleanup) struct v1_split *splitter = NULL;
	struct err err = {0};

	assert_int_equal(v1_split_new(&splitter, &err), 0);
	while (blob.len > 0) {
		size_t n = blob.len < step ? blob.len : step;

		assert_int_equal(v1_split_add(splitter, slice_of(blob.data, n), parts, &err), 0);
		blob = slice_of(blob.data + n, blob.len - n);
	}
	assert_int_equal(v1_split_end(splitter, parts, ret_seen, &err), 0);
	assert_int_equal(v1_split_end(splitter, parts, ret_seen, &err), ERR_INTERNAL);
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM), blob = BUF_INIT(ROOM);
		CLEANUP(buf_fini) struct buf small = BUF_INIT(ROOM), big = BUF_INIT(ROOM);
		CLEANUP(buf_fini) struct buf back = BUF_INIT(ROOM), hex = BUF_INIT(ROOM);
		const struct v1_parts parts = {&small, &big};
		struct fixture_load load = {.step = 1000};
		struct v1_seen seen;
		struct err err = {0};

		fixture_plain(rows[i].plain, &plain);
		seal_vector(buf_slice(&plain), &blob);
		assert_digest(buf_slice(&blob), rows[i].digest);
		hex_encode(&hex, buf_slice(&blob));
		if (rows[i].blob[0])
			assert_memory_equal(hex.data, rows[i].blob, hex.len);
		split(buf_slice(&blob), 777, &parts, &seen);
		assert_int_equal(small.len, rows[i].small);
		assert_int_equal(small.len, v1_cut(blob.len));
		assert_digest(buf_slice(&small), rows[i].small_digest);
		assert_digest(buf_slice(&big), rows[i].big_digest);
		assert_int_equal(seen.size, blob.len);
		load.small = buf_slice(&small);
		load.big = buf_slice(&big);
		load.expected = &seen;
		assert_int_equal(fixture_load(key, &load, &back, &err), 0);
		assert_true(slice_equal(buf_slice(&back), buf_slice(&plain)));
	}
}

/* xorshift: every run is the same run. */
static uint32_t next_random(void)
{
	static uint32_t seed = 0x2545f491;

	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

static size_t below(size_t n)
{
	return next_random() % n;
}

static size_t random_size(void)
{
	static const size_t edges[] = {0, 16, 64, 3056, 3072, 10208, 10224, 10240, 16384, 65536};
	size_t size = edges[below(ARRAY_LEN(edges))] + below(35);

	return below(4) == 0 ? below(30000) : size < 17 ? size : size - 17;
}

static size_t random_step(void)
{
	static const size_t steps[] = {1, 15, 16, 17, 31, 4096, 100000};

	return below(3) == 0 ? 1 + below(5000) : steps[below(ARRAY_LEN(steps))];
}

/* Sizes around all edges, pieces of any size, and cut anywhere: the reader never asks where. */
static void test_any_shape(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM), blob = BUF_INIT(ROOM);
		CLEANUP(buf_fini) struct buf small = BUF_INIT(ROOM), big = BUF_INIT(ROOM);
		CLEANUP(buf_fini) struct buf back = BUF_INIT(ROOM);
		const struct v1_parts parts = {&small, &big};
		struct fixture_load load = {.step = random_step()};
		struct v1_seen seen;
		struct err err = {0};
		size_t cut;

		fixture_plain(random_size(), &plain);
		fixture_seal(key, buf_slice(&plain), random_step(), &blob);
		split(buf_slice(&blob), random_step(), &parts, &seen);
		assert_int_equal(small.len, v1_cut(blob.len));
		assert_int_equal(small.len + big.len, blob.len);
		cut = below(2) ? small.len : below(blob.len + 1);
		load.small = slice_of(blob.data, cut);
		load.big = slice_of(blob.data + cut, blob.len - cut);
		load.from = plain.len ? below(plain.len) / V1_BLOCK * V1_BLOCK : 0;
		load.expected = &seen;
		assert_int_equal(fixture_load(key, &load, &back, &err), 0);
		assert_int_equal(back.len, plain.len - load.from);
		assert_memory_equal(back.data, plain.data + load.from, back.len);
	}
}

/* Two seals of the same are never the same. */
static void test_fresh_iv(void **state)
{
	CLEANUP(buf_fini) struct buf a = BUF_INIT(ROOM), b = BUF_INIT(ROOM);

	(void)state;
	fixture_seal(key, slice_str("the same"), 8, &a);
	fixture_seal(key, slice_str("the same"), 8, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_not_equal(a.data, b.data, V1_BLOCK);
	assert_memory_not_equal(a.data + V1_BLOCK, b.data + V1_BLOCK, V1_BLOCK);
}

static void test_cut(void **state)
{
	static const struct {
		uint64_t blob;
		size_t cut;
	} cuts[] = {{0, 0},	   {32, 9},	  {48, 14},	 {10224, 3067},
		    {10239, 3071}, {10240, 3072}, {10256, 3072}, {(uint64_t)1 << 40, 3072}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++)
		assert_int_equal(v1_cut(cuts[i].blob), cuts[i].cut);
	assert_int_equal(v1_blob_size(0), 32);
	assert_int_equal(v1_blob_size(15), 32);
	assert_int_equal(v1_blob_size(16), 48);
	assert_int_equal(v1_blob_size((uint64_t)4 << 30), ((uint64_t)4 << 30) + 32);
}

/* Stopped anywhere and taken up by another: what came out by then stays, the rest is the same. */
static void test_seal_resumes(void **state)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(ROOM), blob = BUF_INIT(ROOM);
	struct err err = {0};

	(void)state;
	fixture_plain(200, &plain);
	for (size_t stop = 0; stop <= plain.len; stop++) {
		CLEANUP(v1_seal_cleanup) struct v1_seal *first = NULL;
		CLEANUP(v1_seal_cleanup) struct v1_seal *second = NULL;
		CLEANUP(buf_fini) struct buf back = BUF_INIT(ROOM);
		struct fixture_load load = {.step = 64};
		struct v1_state saved;
		uint64_t at = 0;

		buf_reset(&blob);
		assert_int_equal(v1_seal_new(key, &first, &err), 0);
		assert_int_equal(v1_seal_state(first, &saved, &err), ERR_INVALID);
		assert_int_equal(v1_seal_add(first, slice_of(plain.data, stop), &blob, &err), 0);
		assert_int_equal(v1_seal_state(first, &saved, &err), 0);
		assert_int_equal(saved.done, blob.len);
		assert_int_equal(v1_seal_resume(key, &saved, &second, &at, &err), 0);
		assert_int_equal(at, stop / V1_BLOCK * V1_BLOCK);
		assert_int_equal(
			v1_seal_add(second, slice_of(plain.data + at, plain.len - at), &blob, &err),
			0);
		assert_int_equal(v1_seal_end(second, &blob, &err), 0);
		load.big = buf_slice(&blob);
		assert_int_equal(fixture_load(key, &load, &back, &err), 0);
		assert_true(slice_equal(buf_slice(&back), buf_slice(&plain)));
	}
}

static void test_no_such_state(void **state)
{
	static const uint64_t bad[] = {0, 1, 15, 17, 24, ((uint64_t)1 << 40) + 16, UINT64_MAX - 15};
	struct v1_seal *seal = NULL;
	struct err err = {0};
	uint64_t at = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct v1_state saved = {.done = bad[i]};

		assert_int_equal(v1_seal_resume(key, &saved, &seal, &at, &err), ERR_DAMAGED);
		assert_null(seal);
		assert_int_equal(at, 7);
	}
}

static void test_bytes(void **state)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(ROOM), tight = BUF_INIT(47);
	CLEANUP(secret_cleanup) struct secret *back = NULL;
	struct secret *none = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(v1_seal_bytes(key, slice_str("a small part"), &blob, &err), 0);
	assert_int_equal(v1_open_bytes(key, buf_slice(&blob), &back, &err), 0);
	assert_true(slice_equal(secret_slice(back), slice_str("a small part")));
	assert_int_equal(v1_open_bytes(key, slice_of(blob.data, V1_BYTES_MAX + 1), &none, &err),
			 ERR_TOO_LARGE);
	assert_int_equal(v1_open_bytes(key, slice_of(NULL, 0), &none, &err), ERR_DAMAGED);
	assert_int_equal(v1_seal_bytes(key, slice_str("sixteen of these"), &tight, &err),
			 ERR_TOO_LARGE);
	assert_int_equal(tight.len, 0);
	assert_null(none);
}

static void test_pin(void **state)
{
	const struct v1_seen seen = {.size = 48, .digest = {1, 2, 3}};
	const struct v1_seen *expected = &seen;
	struct v1_pin pin;
	struct err err = {0};

	(void)state;
	assert_int_equal(v1_pin_make(slice_str("small"), &seen, &pin, &err), 0);
	assert_int_equal(v1_pin_expect(&pin, slice_str("another"), &expected, &err), 0);
	assert_null(expected);
	assert_int_equal(v1_pin_expect(&pin, slice_str("small"), &expected, &err), 0);
	assert_ptr_equal(expected, &pin.seen);
	assert_int_equal(expected->size, 48);
	assert_memory_equal(expected->digest, seen.digest, V1_DIGEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),	     cmocka_unit_test(test_any_shape),
		cmocka_unit_test(test_fresh_iv),     cmocka_unit_test(test_cut),
		cmocka_unit_test(test_seal_resumes), cmocka_unit_test(test_no_such_state),
		cmocka_unit_test(test_bytes),	     cmocka_unit_test(test_pin),
	};

	return cmocka_run_group_tests(tests, make_key, free_key);
}
