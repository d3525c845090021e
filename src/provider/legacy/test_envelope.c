/* SPDX-License-Identifier: Apache-2.0 */
/* Plaintexts of all sizes through header, object and stream and back, on the legacy provider. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/cipher.h"
#include "crypto/stream.h"
#include "provider/envelope.h"
#include "provider/legacy/legacy.h"

#define BLOB_MAX (256u * 1024u)

static const uint8_t tenant[BLOB_TENANT_SIZE] = {7};
static uint8_t pattern[3 * STREAM_CHUNK];
static struct provider *provider;

static int setup(void **state)
{
	CLEANUP(secret_cleanup) struct secret *host_key = NULL;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 13 + i / 255);
	if (secret_new(32, &host_key, &err) < 0)
		return -1;
	return legacy_open(host_key, &provider, &err);
}

static int teardown(void **state)
{
	(void)state;
	provider_free(provider);
	return 0;
}

static void seal(struct slice plain, struct buf *ret_blob)
{
	CLEANUP(buf_fini) struct buf header_bytes = BUF_INIT(BLOB_HEADER_MAX);
	CLEANUP(buf_fini) struct buf object = BUF_INIT(PROVIDER_OBJECT_MAX);
	CLEANUP(secret_cleanup) struct secret *inner = NULL;
	struct blob_header header;
	struct err err = {0};

	blob_header_init(&header, provider, BLOB_SEALED, tenant, "", 5);
	assert_int_equal(envelope_begin(&header, plain, &header_bytes, &inner, &err), 0);
	assert_int_equal(provider_seal(provider, buf_slice(&header_bytes), inner, &object, &err),
			 0);
	const struct envelope envelope = {
		.header = &header,
		.header_bytes = buf_slice(&header_bytes),
		.inner = inner,
		.object = buf_slice(&object),
		.plain = plain,
	};
	assert_int_equal(envelope_finish(&envelope, ret_blob, &err), 0);
}

static int unseal(struct slice bytes, struct secret **ret_plain)
{
	CLEANUP(secret_cleanup) struct secret *inner = NULL;
	struct err err = {0};
	struct blob blob;
	int r = blob_parse(bytes, &blob, &err);

	if (r == 0)
		r = provider_unseal(provider, blob.header_bytes, blob.object, &inner, &err);
	return r < 0 ? r : envelope_open(&blob, inner, ret_plain, &err);
}

static const size_t sizes[] = {
	0, 1, 31, 127, 128, 129, 1000, STREAM_CHUNK, STREAM_CHUNK + 1, sizeof(pattern),
};

static void test_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(BLOB_MAX);
		CLEANUP(secret_cleanup) struct secret *plain = NULL;
		bool needed = sizes[i] == 0 || sizes[i] > 128;
		struct err err = {0};
		struct blob blob;

		assert_int_equal(envelope_needed(sizes[i]), needed);
		seal(slice_of(pattern, sizes[i]), &bytes);
		assert_int_equal(blob_parse(buf_slice(&bytes), &blob, &err), 0);
		assert_int_equal(blob.header.flags, needed ? BLOB_ENVELOPE : 0);
		assert_int_equal(blob.body.len, needed ? stream_sealed_size(sizes[i]) : 0);
		assert_int_equal(envelope_plain_max(&blob), needed ? sizes[i] : PROVIDER_SEAL_MAX);
		assert_true(bytes.len <= stream_sealed_size(sizes[i]) + BLOB_OVERHEAD);
		assert_int_equal(unseal(buf_slice(&bytes), &plain), 0);
		assert_int_equal(secret_size(plain), sizes[i]);
		if (sizes[i])
			assert_memory_equal(secret_data(plain), pattern, sizes[i]);
	}
}

/* No plaintext, long or short, stands in the blob. */
static void test_nothing_in_the_clear(void **state)
{
	CLEANUP(buf_fini) struct buf small = BUF_INIT(BLOB_MAX);
	CLEANUP(buf_fini) struct buf large = BUF_INIT(BLOB_MAX);

	(void)state;
	seal(slice_of(pattern, 100), &small);
	seal(slice_of(pattern, 1000), &large);
	assert_null(memmem(small.data, small.len, pattern, 12));
	for (size_t i = 0; i + 12 < 1000; i += 100)
		assert_null(memmem(large.data, large.len, pattern + i, 12));
}

/* Any byte of the blob changed: never a plaintext. */
static void test_damage(void **state)
{
	static const size_t lens[] = {100, 200};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(lens); n++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(BLOB_MAX);

		seal(slice_of(pattern, lens[n]), &bytes);
		for (size_t i = 0; i < bytes.len; i++) {
			struct secret *plain = NULL;

			bytes.data[i] ^= 0x40;
			assert_int_not_equal(unseal(buf_slice(&bytes), &plain), 0);
			assert_null(plain);
			bytes.data[i] ^= 0x40;
		}
	}
}

/* The stream of one blob behind the object of another. */
static void test_streams_do_not_mix(void **state)
{
	CLEANUP(buf_fini) struct buf a = BUF_INIT(BLOB_MAX);
	CLEANUP(buf_fini) struct buf b = BUF_INIT(BLOB_MAX);
	struct secret *plain = NULL;

	(void)state;
	seal(slice_of(pattern, 500), &a);
	seal(slice_of(pattern, 500), &b);
	assert_int_equal(a.len, b.len);
	memcpy(a.data + a.len - 516, b.data + b.len - 516, 516);
	assert_int_equal(unseal(buf_slice(&a), &plain), ERR_DAMAGED);
	assert_null(plain);
}

static void test_inner_of_wrong_size(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(BLOB_MAX);
	CLEANUP(secret_cleanup) struct secret *short_key = NULL;
	struct secret *plain = NULL;
	struct err err = {0};
	struct blob blob;

	(void)state;
	seal(slice_of(pattern, 500), &bytes);
	assert_int_equal(blob_parse(buf_slice(&bytes), &blob, &err), 0);
	assert_int_equal(secret_new(CIPHER_KEY256 - 1, &short_key, &err), 0);
	assert_int_equal(envelope_open(&blob, short_key, &plain, &err), ERR_DAMAGED);
	assert_null(plain);
}

static void test_no_room(void **state)
{
	CLEANUP(buf_fini) struct buf header_bytes = BUF_INIT(BLOB_HEADER_MAX);
	CLEANUP(buf_fini) struct buf tiny = BUF_INIT(8);
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(400);
	CLEANUP(secret_cleanup) struct secret *inner = NULL;
	struct secret *none = NULL;
	struct slice plain = slice_of(pattern, 500);
	struct blob_header header;
	struct err err = {0};

	(void)state;
	blob_header_init(&header, provider, BLOB_SEALED, tenant, "", 5);
	assert_int_equal(envelope_begin(&header, plain, &tiny, &none, &err), ERR_INTERNAL);
	assert_null(none);
	assert_int_equal(envelope_begin(&header, plain, &header_bytes, &inner, &err), 0);
	const struct envelope envelope = {
		.header = &header,
		.header_bytes = buf_slice(&header_bytes),
		.inner = inner,
		.object = slice_str("o"),
		.plain = plain,
	};
	assert_int_equal(envelope_finish(&envelope, &blob, &err), ERR_INTERNAL);
	assert_int_equal(blob.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_nothing_in_the_clear),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_streams_do_not_mix),
		cmocka_unit_test(test_inner_of_wrong_size),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
