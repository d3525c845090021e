/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of every length at an edge, in pieces of every size, whole and from the middle. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/test_v2_fixture.h"
#include "crypto/hash.h"
#include "tests/vectors/v2.inc"

static struct secret *key;

static const size_t sizes[] = {
	0,
	1,
	STREAM_CHUNK - 1,
	STREAM_CHUNK,
	STREAM_CHUNK + 1,
	2 * STREAM_CHUNK,
	2 * STREAM_CHUNK + 1,
	200000,
};

static int make_key(void **state)
{
	(void)state;
	key = v2_key();
	return 0;
}

static int free_key(void **state)
{
	(void)state;
	secret_free(key);
	return 0;
}

static void digest_of(struct slice bytes, char ret_hex[MANIFEST_DIGEST_HEX])
{
	uint8_t digest[MANIFEST_DIGEST];
	struct err err = {0};

	assert_int_equal(hash_digest(HASH_SHA256, &bytes, 1, digest, &err), 0);
	manifest_hex(digest, ret_hex);
}

/* Header, salt and stream put together here, by the key that the vectors have. */
static void put_payload(size_t size, struct slice plain, struct buf *payload)
{
	CLEANUP(buf_fini) struct buf header = BUF_INIT(PAYLOAD_HEADER), bytes = BUF_INIT(32);
	CLEANUP(secret_cleanup) struct secret *stream = NULL;
	struct err err = {0};

	buf_put_str(&header, "HFV2\1\20");
	buf_put_u16(&header, 0);
	buf_put_u64(&header, size);
	v2_hex(V2_SALT, &header);
	v2_hex(V2_STREAM_KEY, &bytes);
	assert_int_equal(secret_copy(buf_slice(&bytes), &stream, &err), 0);
	buf_put(payload, buf_slice(&header));
	assert_int_equal(stream_seal(stream, buf_slice(&header), plain, payload, &err), 0);
}

static void test_vectors(void **state)
{
	static const struct {
		size_t size, payload;
		const char *digest, *bytes;
	} rows[] = {V2_PAYLOADS};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(V2_ROOM), back = BUF_INIT(V2_ROOM);
		CLEANUP(buf_fini) struct buf payload = BUF_INIT(V2_ROOM), bytes = BUF_INIT(V2_ROOM);
		CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(rows[i].size);
		struct v2_load load = {.key = key, .manifest = manifest, .step = 1000};
		char digest[MANIFEST_DIGEST_HEX];
		struct err err = {0};

		v2_plain(rows[i].size, &plain);
		put_payload(rows[i].size, buf_slice(&plain), &payload);
		assert_int_equal(payload.len, rows[i].payload);
		assert_int_equal(payload_size(rows[i].size), rows[i].payload);
		digest_of(buf_slice(&payload), digest);
		assert_string_equal(digest, rows[i].digest);
		v2_hex(rows[i].bytes, &bytes);
		if (bytes.len > 0)
			assert_true(slice_equal(buf_slice(&bytes), buf_slice(&payload)));
		load.payload = buf_slice(&payload);
		assert_int_equal(v2_load(&load, &back, &err), 0);
		assert_true(slice_equal(buf_slice(&back), buf_slice(&plain)));
	}
}

static void test_steps(void **state)
{
	static const size_t steps[] = {
		1, 47, 48, 49, 4096, V2_SEALED - 1, V2_SEALED, V2_SEALED + 1, 300000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(sizes[i]);
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(V2_ROOM);

		v2_plain(sizes[i], &plain);
		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			CLEANUP(buf_fini) struct buf payload = BUF_INIT(V2_ROOM);
			CLEANUP(buf_fini) struct buf back = BUF_INIT(V2_ROOM);
			struct v2_load load = {.key = key, .manifest = manifest, .step = steps[k]};
			struct err err = {0};

			v2_seal(key, manifest, buf_slice(&plain), steps[k], &payload);
			assert_int_equal(payload.len, manifest->payload_size);
			load.payload = buf_slice(&payload);
			assert_int_equal(v2_load(&load, &back, &err), 0);
			assert_true(slice_equal(buf_slice(&back), buf_slice(&plain)));
		}
	}
}

/* What comes out of a piece is never more than the header file says. */
static void test_growth(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(200000);
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(V2_ROOM), payload = BUF_INIT(V2_ROOM);
	CLEANUP(payload_seal_cleanup) struct payload_seal *seal = NULL;
	const struct payload_release release = v2_release(manifest);
	struct err err = {0};
	size_t step = STREAM_CHUNK - 1;

	(void)state;
	v2_plain(200000, &plain);
	assert_int_equal(payload_seal_new(key, &release, plain.len, &seal, &err), 0);
	for (size_t at = 0; at < plain.len; at += step) {
		size_t len = plain.len - at < step ? plain.len - at : step;

		payload.len = 0;
		payload.max = (size_t)payload_size(len) + PAYLOAD_GROWTH;
		assert_int_equal(
			payload_seal_add(seal, slice_of(plain.data + at, len), &payload, &err), 0);
	}
}

static void test_digest(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(sizes[i]);
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(V2_ROOM), payload = BUF_INIT(V2_ROOM);
		CLEANUP(payload_seal_cleanup) struct payload_seal *seal = NULL;
		const struct payload_release release = v2_release(manifest);
		char digest[MANIFEST_DIGEST_HEX], wanted[MANIFEST_DIGEST_HEX];
		uint8_t bytes[MANIFEST_DIGEST];
		struct err err = {0};

		v2_plain(sizes[i], &plain);
		buf_put_str(&payload, "before");
		assert_int_equal(payload_seal_new(key, &release, plain.len, &seal, &err), 0);
		assert_int_equal(payload_seal_add(seal, buf_slice(&plain), &payload, &err), 0);
		assert_int_equal(payload_seal_end(seal, &payload, bytes, &err), 0);
		manifest_hex(bytes, digest);
		digest_of(slice_of(payload.data + 6, payload.len - 6), wanted);
		assert_string_equal(digest, wanted);
	}
}

static void test_seek(void **state)
{
	static const uint64_t froms[] = {
		1,
		STREAM_CHUNK - 1,
		STREAM_CHUNK,
		STREAM_CHUNK + 1,
		100000,
		2 * STREAM_CHUNK - 1,
		2 * STREAM_CHUNK,
		2 * STREAM_CHUNK + 1,
		199999,
		200000,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(sizes[i]);
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(V2_ROOM), payload = BUF_INIT(V2_ROOM);
		size_t size = sizes[i];

		v2_plain(size, &plain);
		v2_seal(key, manifest, buf_slice(&plain), 5000, &payload);
		for (size_t k = 0; k < ARRAY_LEN(froms); k++) {
			CLEANUP(buf_fini) struct buf back = BUF_INIT(V2_ROOM);
			const struct v2_load load = {.key = key,
						     .manifest = manifest,
						     .payload = buf_slice(&payload),
						     .step = 30000,
						     .from = froms[k]};
			struct err err = {0};
			int r = v2_load(&load, &back, &err);

			if (froms[k] > size) {
				assert_int_equal(r, ERR_INVALID);
				continue;
			}
			assert_int_equal(r, 0);
			assert_true(
				slice_equal(buf_slice(&back), slice_of(plain.data + froms[k],
								       size - (size_t)froms[k])));
		}
	}
}

/* Seeking is for once, behind the header and before all else. */
static void test_seek_order(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(200000);
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(V2_ROOM), payload = BUF_INIT(V2_ROOM);
	CLEANUP(buf_fini) struct buf back = BUF_INIT(V2_ROOM);
	CLEANUP(payload_open_cleanup) struct payload_open *open = NULL;
	uint64_t at = 5;
	struct err err = {0};

	(void)state;
	v2_plain(200000, &plain);
	v2_seal(key, manifest, buf_slice(&plain), 5000, &payload);
	assert_int_equal(payload_open_new(key, manifest, &open, &err), 0);
	assert_int_equal(payload_open_seek(open, 0, &at, &err), ERR_INVALID);
	assert_int_equal(payload_open_add(open, slice_of(payload.data, 47), &back, &err), 0);
	assert_int_equal(payload_open_seek(open, 0, &at, &err), ERR_INVALID);
	assert_int_equal(payload_open_add(open, slice_of(payload.data + 47, 1), &back, &err), 0);
	assert_int_equal(payload_open_seek(open, 200001, &at, &err), ERR_INVALID);
	assert_int_equal(at, 5);
	assert_int_equal(payload_open_seek(open, 0, &at, &err), 0);
	assert_int_equal(at, PAYLOAD_HEADER);
	assert_int_equal(payload_open_seek(open, 0, &at, &err), ERR_INVALID);
	payload_open_free(TAKE(open));
	assert_int_equal(payload_open_new(key, manifest, &open, &err), 0);
	assert_int_equal(payload_open_add(open, slice_of(payload.data, 49), &back, &err), 0);
	assert_int_equal(payload_open_seek(open, 0, &at, &err), ERR_INVALID);
}

/* More or less than was announced. */
static void test_announced(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(10);
	const struct payload_release release = v2_release(manifest);
	uint8_t digest[MANIFEST_DIGEST];
	struct err err = {0};

	(void)state;
	for (size_t len = 0; len <= 12; len++) {
		CLEANUP(payload_seal_cleanup) struct payload_seal *seal = NULL;
		CLEANUP(buf_fini) struct buf payload = BUF_INIT(V2_ROOM);
		int r, end;

		assert_int_equal(payload_seal_new(key, &release, 10, &seal, &err), 0);
		r = payload_seal_add(seal, slice_of("0123456789ab", len), &payload, &err);
		assert_int_equal(r, len > 10 ? ERR_INVALID : 0);
		end = payload_seal_end(seal, &payload, digest, &err);
		assert_int_equal(end, len == 10 ? 0 : len > 10 ? ERR_INTERNAL : ERR_INVALID);
		assert_int_equal(payload_seal_end(seal, &payload, digest, &err), ERR_INTERNAL);
		assert_int_equal(payload_seal_add(seal, slice_str("0"), &payload, &err),
				 ERR_INTERNAL);
	}
}

static void test_refused(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(10);
	CLEANUP(secret_cleanup) struct secret *brief = NULL;
	struct payload_release release = v2_release(manifest);
	struct payload_seal *seal = NULL;
	struct payload_open *open = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(secret_new(PAYLOAD_KEY - 1, &brief, &err), 0);
	assert_int_equal(payload_seal_new(brief, &release, 10, &seal, &err), ERR_INVALID);
	assert_int_equal(payload_open_new(brief, manifest, &open, &err), ERR_INVALID);
	assert_int_equal(payload_seal_new(key, &release, PAYLOAD_PLAIN_MAX + 1, &seal, &err),
			 ERR_INVALID);
	release.serial = 0;
	assert_int_equal(payload_seal_new(key, &release, 10, &seal, &err), ERR_INVALID);
	release.serial = MANIFEST_SERIAL_MAX + 1;
	assert_int_equal(payload_seal_new(key, &release, 10, &seal, &err), ERR_INVALID);
	release.serial = 1;
	release.resource.name = slice_str("../a");
	assert_int_equal(payload_seal_new(key, &release, 10, &seal, &err), ERR_INVALID);
	manifest->payload_size++;
	assert_int_equal(payload_open_new(key, manifest, &open, &err), ERR_INVALID);
	assert_null(seal);
	assert_null(open);
}

/* Two of the same never come out the same. */
static void test_salt(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *manifest = v2_manifest(10);
	CLEANUP(buf_fini) struct buf one = BUF_INIT(V2_ROOM), two = BUF_INIT(V2_ROOM);

	(void)state;
	v2_seal(key, manifest, slice_of("0123456789", 10), 10, &one);
	v2_seal(key, manifest, slice_of("0123456789", 10), 10, &two);
	assert_memory_equal(one.data, two.data, 16);
	assert_memory_not_equal(one.data + 16, two.data + 16, 32);
	assert_memory_not_equal(one.data + 48, two.data + 48, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),	  cmocka_unit_test(test_steps),
		cmocka_unit_test(test_growth),	  cmocka_unit_test(test_digest),
		cmocka_unit_test(test_seek),	  cmocka_unit_test(test_seek_order),
		cmocka_unit_test(test_announced), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_salt),
	};

	return cmocka_run_group_tests(tests, make_key, free_key);
}
