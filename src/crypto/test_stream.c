/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes at the edges of chunks, and everything that a stream must notice. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/cipher.h"
#include "crypto/stream.h"

#define SEALED_CHUNK ((size_t)STREAM_CHUNK + STREAM_TAG)

static struct secret *key;
static uint8_t pattern[4 * STREAM_CHUNK];
static const struct slice aad = {(const uint8_t *)"the header", 10};

static int setup(void **state)
{
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 31 + i / 251);
	if (secret_new(CIPHER_KEY256, &key, &err) < 0)
		return -1;
	for (size_t i = 0; i < CIPHER_KEY256; i++)
		secret_data(key)[i] = (uint8_t)i;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	secret_free(key);
	return 0;
}

static const uint64_t edges[][2] = {
	/* plain, sealed */
	{0, 16},
	{1, 17},
	{65535, 65551},
	{65536, 65552},
	{65537, 65537 + 32},
	{131072, 131072 + 32},
	{131073, 131073 + 48},
	{200000, 200000 + 64},
};

static void test_sizes(void **state)
{
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
		uint64_t plain = UINT64_MAX;

		assert_int_equal(stream_sealed_size(edges[i][0]), edges[i][1]);
		assert_int_equal(stream_plain_size(edges[i][1], &plain, &err), 0);
		assert_int_equal(plain, edges[i][0]);
	}
}

/* Each length is either that of exactly one plaintext or refused. */
static void test_every_length(void **state)
{
	struct err err = {0};
	uint64_t next = 0;

	(void)state;
	for (uint64_t sealed = 0; sealed < 3 * SEALED_CHUNK; sealed++) {
		uint64_t plain = UINT64_MAX;
		int r = stream_plain_size(sealed, &plain, &err);

		if (r < 0) {
			assert_int_equal(r, ERR_DAMAGED);
			assert_int_equal(plain, UINT64_MAX);
			continue;
		}
		assert_int_equal(plain, next++);
		assert_int_equal(stream_sealed_size(plain), sealed);
	}
	assert_int_equal(next, 3 * (uint64_t)STREAM_CHUNK);
}

static void test_huge_sizes(void **state)
{
	const uint64_t max = ((uint64_t)1 << 32) * STREAM_CHUNK;
	struct err err = {0};
	uint64_t plain = 0;

	(void)state;
	assert_int_equal(stream_plain_size(stream_sealed_size(max), &plain, &err), 0);
	assert_true(plain == max);
	assert_int_equal(stream_plain_size(stream_sealed_size(max) + 17, &plain, &err),
			 ERR_DAMAGED);
	assert_true(stream_sealed_size(max + 1) == UINT64_MAX);
	assert_int_equal(stream_plain_size(UINT64_MAX, &plain, &err), ERR_DAMAGED);
}

static void test_round_trip(void **state)
{
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
		CLEANUP(buf_fini) struct buf sealed = BUF_INIT(5 * STREAM_CHUNK);
		CLEANUP(secret_cleanup) struct secret *plain = NULL;
		size_t len = (size_t)edges[i][0];

		assert_int_equal(stream_seal(key, aad, slice_of(pattern, len), &sealed, &err), 0);
		assert_int_equal(sealed.len, edges[i][1]);
		assert_int_equal(stream_open(key, aad, buf_slice(&sealed), &plain, &err), 0);
		assert_int_equal(secret_size(plain), len);
		if (len)
			assert_memory_equal(secret_data(plain), pattern, len);
	}
}

/* The definition of the header, computed with plain AES-GCM. */
static void test_nonces(void **state)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(3 * STREAM_CHUNK);
	static uint8_t out[STREAM_CHUNK];
	uint8_t nonce[12] = {0};
	const struct cipher_gcm gcm = {
		.key = secret_slice(key), .nonce = slice_of(nonce, 12), .aad = aad};
	struct err err = {0};

	(void)state;
	assert_int_equal(
		stream_seal(key, aad, slice_of(pattern, 2 * STREAM_CHUNK + 5), &sealed, &err), 0);
	for (uint8_t i = 0; i < 3; i++) {
		size_t at = i * SEALED_CHUNK;
		size_t len = i < 2 ? SEALED_CHUNK : 5 + STREAM_TAG;

		nonce[10] = i;
		nonce[11] = i == 2;
		assert_int_equal(cipher_gcm_open(&gcm, slice_of(sealed.data + at, len), out, &err),
				 0);
		assert_memory_equal(out, pattern + (size_t)i * STREAM_CHUNK, len - STREAM_TAG);
	}
}

static void refused(struct slice sealed, const struct secret *with, struct slice header)
{
	struct secret *plain = (struct secret *)(void *)&key;
	struct err err = {0};

	assert_int_equal(stream_open(with, header, sealed, &plain, &err), ERR_DAMAGED);
	assert_ptr_equal(plain, &key);
}

static void test_damage(void **state)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(3 * STREAM_CHUNK);
	CLEANUP(secret_cleanup) struct secret *other = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(
		stream_seal(key, aad, slice_of(pattern, 2 * STREAM_CHUNK + 5), &sealed, &err), 0);
	for (size_t i = 0; i < sealed.len; i += i < 64 || i + 64 > sealed.len ? 1 : 4099) {
		sealed.data[i] ^= 0x10;
		refused(buf_slice(&sealed), key, aad);
		sealed.data[i] ^= 0x10;
	}
	refused(buf_slice(&sealed), key, slice_str("the Header"));
	refused(buf_slice(&sealed), key, slice_of(NULL, 0));
	assert_int_equal(secret_copy(secret_slice(key), &other, &err), 0);
	secret_data(other)[31] ^= 1;
	refused(buf_slice(&sealed), other, aad);
}

static void test_cut_and_reorder(void **state)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(5 * STREAM_CHUNK);
	static uint8_t swap[4 * STREAM_CHUNK];
	struct err err = {0};

	(void)state;
	assert_int_equal(stream_seal(key, aad, slice_of(pattern, 3 * STREAM_CHUNK), &sealed, &err),
			 0);
	/* Cut between chunks: the new last one was not sealed as such. */
	refused(slice_of(sealed.data, SEALED_CHUNK), key, aad);
	refused(slice_of(sealed.data, 2 * SEALED_CHUNK), key, aad);
	refused(slice_of(sealed.data, 2 * SEALED_CHUNK + 40), key, aad);
	refused(slice_of(sealed.data + SEALED_CHUNK, 2 * SEALED_CHUNK), key, aad);
	refused(slice_of(sealed.data, 0), key, aad);
	memcpy(swap, sealed.data + SEALED_CHUNK, SEALED_CHUNK);
	memcpy(swap + SEALED_CHUNK, sealed.data, SEALED_CHUNK);
	memcpy(swap + 2 * SEALED_CHUNK, sealed.data + 2 * SEALED_CHUNK, SEALED_CHUNK);
	refused(slice_of(swap, 3 * SEALED_CHUNK), key, aad);
	/* Appended: what was the last chunk stands in the middle. */
	buf_put(&sealed, slice_of(swap, SEALED_CHUNK));
	refused(buf_slice(&sealed), key, aad);
}

static void test_chunk_rules(void **state)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(4 * STREAM_CHUNK);
	struct stream *stream = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(stream_new(key, aad, &stream, &err), 0);
	assert_int_equal(stream_seal_chunk(stream, slice_of(pattern, 5), false, &sealed, &err),
			 ERR_INTERNAL); /* short, but not the last */
	stream_free(stream);
	assert_int_equal(stream_new(key, aad, &stream, &err), 0);
	assert_int_equal(
		stream_seal_chunk(stream, slice_of(pattern, STREAM_CHUNK), false, &sealed, &err),
		0);
	assert_int_equal(stream_seal_chunk(stream, slice_of(NULL, 0), true, &sealed, &err),
			 ERR_INTERNAL); /* an empty last chunk behind others */
	stream_free(stream);
	assert_int_equal(stream_new(key, aad, &stream, &err), 0);
	assert_int_equal(
		stream_seal_chunk(stream, slice_of(pattern, STREAM_CHUNK + 1), true, &sealed, &err),
		ERR_INTERNAL);
	stream_free(stream);
	assert_int_equal(sealed.len, SEALED_CHUNK);
}

static void test_end_is_the_end(void **state)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(4096);
	CLEANUP(stream_cleanup) struct stream *out = NULL;
	CLEANUP(stream_cleanup) struct stream *in = NULL;
	uint8_t plain[16] = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(stream_new(key, aad, &out, &err), 0);
	assert_int_equal(stream_new(key, aad, &in, &err), 0);
	assert_int_equal(stream_seal_chunk(out, slice_str("once"), true, &sealed, &err), 0);
	assert_int_equal(stream_seal_chunk(out, slice_str("more"), true, &sealed, &err),
			 ERR_INTERNAL);
	assert_int_equal(sealed.len, 20);
	sealed.data[0] ^= 1;
	assert_int_equal(stream_open_chunk(in, buf_slice(&sealed), true, plain, &err), ERR_DAMAGED);
	sealed.data[0] ^= 1; /* dead by now, although the bytes are good again */
	assert_int_equal(stream_open_chunk(in, buf_slice(&sealed), true, plain, &err),
			 ERR_INTERNAL);
	assert_memory_equal(plain, "\0\0\0\0", 4);
}

static void test_one_direction(void **state)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(2 * STREAM_CHUNK);
	CLEANUP(stream_cleanup) struct stream *stream = NULL;
	static uint8_t plain[STREAM_CHUNK];
	struct err err = {0};

	(void)state;
	assert_int_equal(stream_new(key, aad, &stream, &err), 0);
	assert_int_equal(
		stream_seal_chunk(stream, slice_of(pattern, STREAM_CHUNK), false, &sealed, &err),
		0);
	assert_int_equal(stream_open_chunk(stream, buf_slice(&sealed), false, plain, &err),
			 ERR_INTERNAL);
}

static void test_no_room(void **state)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(STREAM_CHUNK + 100);
	CLEANUP(secret_cleanup) struct secret *short_key = NULL;
	struct stream *stream = NULL;
	struct err err = {0};

	(void)state;
	buf_put_str(&sealed, "kept");
	assert_int_equal(stream_seal(key, aad, slice_of(pattern, 2 * STREAM_CHUNK), &sealed, &err),
			 ERR_INTERNAL);
	assert_int_equal(sealed.len, 4);
	assert_int_equal(secret_new(16, &short_key, &err), 0);
	assert_int_equal(stream_new(short_key, aad, &stream, &err), ERR_INTERNAL);
	assert_null(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_huge_sizes),	cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_nonces),		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_cut_and_reorder), cmocka_unit_test(test_chunk_rules),
		cmocka_unit_test(test_end_is_the_end),	cmocka_unit_test(test_one_direction),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
