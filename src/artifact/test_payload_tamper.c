/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payloads that were changed, cut, reordered, put together of two, or are of another release: none
 * opens, and what came out before that was found is what its publisher put in.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/test_v2_fixture.h"
#include "artifact/v1.h"

#define PLAIN 200000u /* three chunks and a part of one */

static struct secret *key;
static struct manifest *manifest;
static struct buf plain = BUF_INIT(V2_ROOM), payload = BUF_INIT(V2_ROOM);

static int make(void **state)
{
	(void)state;
	key = v2_key();
	manifest = v2_manifest(PLAIN);
	v2_plain(PLAIN, &plain);
	v2_seal(key, manifest, buf_slice(&plain), PLAIN, &payload);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	secret_free(key);
	manifest_free(manifest);
	buf_fini(&plain);
	buf_fini(&payload);
	return 0;
}

/* Refused, in large and small pieces; what came out is a beginning of the plaintext. */
static void assert_refused_by(const struct manifest *by, struct slice bytes, int code)
{
	static const size_t steps[] = {7001, V2_SEALED, V2_ROOM};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		CLEANUP(buf_fini) struct buf out = BUF_INIT(V2_ROOM);
		const struct v2_load load = {
			.key = key, .manifest = by, .payload = bytes, .step = steps[i]};
		struct err err = {0};

		assert_int_equal(v2_load(&load, &out, &err), code);
		if (code == ERR_DAMAGED)
			assert_string_equal(err.text, V1_DOES_NOT_OPEN);
		assert_true(out.len % STREAM_CHUNK == 0 || out.len == PLAIN);
		assert_true(out.len <= plain.len);
		if (out.len > 0)
			assert_memory_equal(out.data, plain.data, out.len);
	}
}

static void assert_refused(struct slice bytes)
{
	assert_refused_by(manifest, bytes, ERR_DAMAGED);
}

/* Each bit of the header; places in each chunk, its edges and its tag. */
static void test_flips(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * (size_t)PAYLOAD_HEADER; bit++) {
		bool kind = bit / 8 == 4 || bit / 8 == 5; /* cipher and chunk */

		payload.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_refused_by(manifest, buf_slice(&payload),
				  kind ? ERR_NOT_SUPPORTED : ERR_DAMAGED);
		payload.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t at = PAYLOAD_HEADER; at < payload.len; at += V2_SEALED) {
		size_t end = payload.len - at < V2_SEALED ? payload.len : at + V2_SEALED;
		const size_t places[] = {at,	   at + 1,  at + 999, end - 17,
					 end - 16, end - 8, end - 1};

		for (size_t i = 0; i < ARRAY_LEN(places); i++) {
			payload.data[places[i]] ^= 0x10;
			assert_refused(buf_slice(&payload));
			payload.data[places[i]] ^= 0x10;
		}
	}
}

static void test_cuts(void **state)
{
	static const size_t lens[] = {0,
				      1,
				      47,
				      48,
				      49,
				      64,
				      48 + V2_SEALED - 1,
				      48 + V2_SEALED,
				      48 + V2_SEALED + 1,
				      48 + 3 * V2_SEALED - 1,
				      48 + 3 * V2_SEALED,
				      48 + 3 * V2_SEALED + 16};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		assert_refused(slice_of(payload.data, lens[i]));
	assert_refused(slice_of(payload.data, payload.len - 1));
}

/* A cut file that claims to be a shorter one: the last chunk's nonce tells. */
static void test_cut_and_relabelled(void **state)
{
	CLEANUP(buf_fini) struct buf cut = BUF_INIT(V2_ROOM);
	CLEANUP(manifest_cleanup) struct manifest *two = v2_manifest((uint64_t)2 * STREAM_CHUNK);

	(void)state;
	buf_put(&cut, slice_of(payload.data, 48 + (size_t)2 * V2_SEALED));
	assert_refused_by(two, buf_slice(&cut), ERR_DAMAGED);
	memset(cut.data + 8, 0, 8);
	cut.data[13] = 2;
	assert_refused_by(two, buf_slice(&cut), ERR_DAMAGED);
}

static void test_longer(void **state)
{
	CLEANUP(buf_fini) struct buf longer = BUF_INIT(V2_ROOM);

	(void)state;
	buf_put(&longer, buf_slice(&payload));
	buf_put_u8(&longer, 0);
	assert_refused(buf_slice(&longer));
	longer.len--;
	buf_put(&longer, slice_of(payload.data + 48, V2_SEALED));
	assert_refused(buf_slice(&longer));
}

/* A byte more in the next piece, when all had come. */
static void test_behind_the_end(void **state)
{
	CLEANUP(payload_open_cleanup) struct payload_open *open = NULL;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(V2_ROOM);
	struct err err = {0};

	(void)state;
	assert_int_equal(payload_open_new(key, manifest, &open, &err), 0);
	assert_int_equal(payload_open_add(open, buf_slice(&payload), &out, &err), 0);
	assert_int_equal(out.len, PLAIN);
	assert_int_equal(payload_open_add(open, slice_str("x"), &out, &err), ERR_DAMAGED);
	assert_int_equal(payload_open_add(open, slice_of(NULL, 0), &out, &err), ERR_INTERNAL);
	assert_int_equal(payload_open_end(open, &err), ERR_INTERNAL);
	assert_int_equal(out.len, PLAIN);
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

static void test_reordered(void **state)
{
	static const size_t pairs[][2] = {{0, 1}, {1, 2}, {0, 2}};
	uint8_t *chunks = payload.data + 48;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		uint8_t *a = chunks + pairs[i][0] * V2_SEALED;
		uint8_t *b = chunks + pairs[i][1] * V2_SEALED;

		swap(a, b, V2_SEALED);
		assert_refused(buf_slice(&payload));
		swap(a, b, V2_SEALED);
	}
	swap(chunks + V2_SEALED - 16, chunks + 2 * V2_SEALED - 16, 16);
	assert_refused(buf_slice(&payload));
	swap(chunks + V2_SEALED - 16, chunks + 2 * V2_SEALED - 16, 16);
}

/* Chunks and header of another payload: of the same release even, and under the same key. */
static void test_mixed(void **state)
{
	CLEANUP(buf_fini) struct buf other = BUF_INIT(V2_ROOM);

	(void)state;
	v2_seal(key, manifest, buf_slice(&plain), PLAIN, &other);
	for (size_t at = 48; at < payload.len; at += V2_SEALED) {
		size_t len = payload.len - at < V2_SEALED ? payload.len - at : V2_SEALED;

		swap(payload.data + at, other.data + at, len);
		assert_refused(buf_slice(&payload));
		swap(payload.data + at, other.data + at, len);
	}
	swap(payload.data, other.data, 48);
	assert_refused(buf_slice(&payload));
	swap(payload.data, other.data, 48);
}

/* Another release of the same content key: its payload is none of this one. */
static void test_other_release(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 4; what++) {
		CLEANUP(manifest_cleanup) struct manifest *other = v2_manifest(PLAIN);
		CLEANUP(buf_fini) struct buf out = BUF_INIT(V2_ROOM);
		const struct v2_load load = {.key = key,
					     .manifest = other,
					     .payload = buf_slice(&payload),
					     .step = V2_ROOM};
		struct err err = {0};

		other->serial += what == 1;
		if (what == 2)
			memcpy(other->name, "net.bim", 8);
		if (what == 3) { /* the same characters with the slash elsewhere */
			memcpy(other->folder, "model", 6);
			memcpy(other->name, "s.net.bin", 10);
		}
		assert_int_equal(v2_load(&load, &out, &err), what ? ERR_DAMAGED : 0);
		assert_int_equal(out.len, what ? 0 : PLAIN);
	}
}

static void test_other_key(void **state)
{
	CLEANUP(secret_cleanup) struct secret *other = v2_key();
	CLEANUP(buf_fini) struct buf out = BUF_INIT(V2_ROOM);
	struct v2_load load = {
		.key = other, .manifest = manifest, .payload = buf_slice(&payload), .step = 5000};
	struct err err = {0};

	(void)state;
	secret_data(other)[31] ^= 1;
	assert_int_equal(v2_load(&load, &out, &err), ERR_DAMAGED);
	assert_int_equal(out.len, 0);
	load.from = 70000;
	assert_int_equal(v2_load(&load, &out, &err), ERR_DAMAGED);
	assert_int_equal(out.len, 0);
}

/* From the middle too: what was changed before that place is not looked at, what is behind is. */
static void test_from_the_middle(void **state)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(V2_ROOM);
	struct v2_load load = {.key = key,
			       .manifest = manifest,
			       .payload = buf_slice(&payload),
			       .step = 9999,
			       .from = 70000};
	struct err err = {0};

	(void)state;
	payload.data[48 + V2_SEALED + 3] ^= 1;
	assert_int_equal(v2_load(&load, &out, &err), ERR_DAMAGED);
	assert_int_equal(out.len, 0);
	payload.data[48 + V2_SEALED + 3] ^= 1;
	payload.data[48] ^= 1;
	assert_int_equal(v2_load(&load, &out, &err), 0);
	assert_int_equal(out.len, PLAIN - 70000);
	payload.data[48] ^= 1;
}

/* Nothing of the chunk that failed, nor of the call, is in the buffer, nor behind its end. */
static void test_nothing_appended(void **state)
{
	CLEANUP(payload_open_cleanup) struct payload_open *open = NULL;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(V2_ROOM);
	struct err err = {0};

	(void)state;
	buf_put_str(&out, "kept");
	payload.data[48 + 2 * V2_SEALED - 1] ^= 1;
	assert_int_equal(payload_open_new(key, manifest, &open, &err), 0);
	assert_int_equal(payload_open_add(open, buf_slice(&payload), &out, &err), ERR_DAMAGED);
	payload.data[48 + 2 * V2_SEALED - 1] ^= 1;
	assert_int_equal(out.len, 4);
	assert_memory_equal(out.data, "kept", 4);
	for (size_t i = 4; i < 4 + 2 * (size_t)STREAM_CHUNK; i++)
		assert_int_equal(out.data[i], 0);
}

static void test_no_room(void **state)
{
	CLEANUP(payload_open_cleanup) struct payload_open *open = NULL;
	CLEANUP(payload_seal_cleanup) struct payload_seal *seal = NULL;
	CLEANUP(buf_fini) struct buf tight = BUF_INIT(STREAM_CHUNK - 1);
	const struct payload_release release = v2_release(manifest);
	struct err err = {0};

	(void)state;
	assert_int_equal(payload_open_new(key, manifest, &open, &err), 0);
	assert_int_equal(payload_open_add(open, buf_slice(&payload), &tight, &err), ERR_TOO_LARGE);
	assert_int_equal(tight.len, 0);
	assert_int_equal(payload_open_end(open, &err), ERR_INTERNAL);
	buf_reset(&tight);
	assert_int_equal(payload_seal_new(key, &release, PLAIN, &seal, &err), 0);
	assert_int_equal(payload_seal_add(seal, buf_slice(&plain), &tight, &err), ERR_TOO_LARGE);
	assert_int_equal(tight.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_cut_and_relabelled),
		cmocka_unit_test(test_longer),
		cmocka_unit_test(test_behind_the_end),
		cmocka_unit_test(test_reordered),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_other_release),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_from_the_middle),
		cmocka_unit_test(test_nothing_appended),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
