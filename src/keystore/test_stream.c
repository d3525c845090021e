/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs piece by piece against blobs in one: what one way makes the other opens, and no damage gets
 * past. On the legacy provider; the daemon's tests ask the same of a TPM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "keystore/test_fixture.h"

#define PIECE	  (2u * STREAM_CHUNK)
#define SEALED	  (STREAM_CHUNK + STREAM_TAG)
#define LARGEST	  (5u * STREAM_CHUNK + 1u)
#define BLOB_ROOM (LARGEST + BLOB_OVERHEAD + 6u * STREAM_TAG + SEALED)

static const struct keystore_target TARGET = {&ACME, BLOB_SEALED, ""};
static const struct keystore_target NAMED = {&ACME, BLOB_SECRET, "door"};

static void seal_pieces(struct provider *p, const struct secret *plain, struct buf *ret_blob)
{
	CLEANUP(keystore_sealing_fini) struct keystore_sealing sealing = {.key = NULL};
	CLEANUP(stream_cleanup) struct stream *stream = NULL;
	struct slice rest = secret_slice(plain);
	struct err err;
	bool last = false;

	assert_int_equal(keystore_seal_key(p, &TARGET, &sealing, &err), 0);
	assert_int_equal(keystore_seal_start(&sealing, &stream, ret_blob, &err), 0);
	while (!last) {
		size_t len = rest.len > PIECE ? PIECE : rest.len;

		last = len == rest.len;
		assert_int_equal(
			keystore_seal_piece(stream, slice_of(rest.data, len), last, ret_blob, &err),
			0);
		rest = slice_of(rest.data + len, rest.len - len);
	}
	assert_true(buf_ok(ret_blob));
}

static void seal_whole(struct provider *p, const struct keystore_target *target,
		       const struct secret *plain, struct buf *ret_blob)
{
	CLEANUP(keystore_sealing_fini) struct keystore_sealing sealing = {.key = NULL};
	struct err err;

	assert_int_equal(keystore_seal_object(p, target, plain, &sealing, &err), 0);
	assert_int_equal(keystore_seal_finish(&sealing, plain, ret_blob, &err), 0);
}

static int open_all(struct stream *stream, struct slice rest, struct buf *ret_plain,
		    struct err *err)
{
	int r = 0;

	while (r == 0 && rest.len > 0) {
		size_t len = rest.len > 2 * SEALED ? 2 * SEALED : rest.len;

		r = keystore_open_piece(stream, slice_of(rest.data, len), len == rest.len,
					ret_plain, err);
		rest = slice_of(rest.data + len, rest.len - len);
	}
	return r;
}

/* In the order of the service; *ret_plain holds what was opened before a failure. */
static int open_pieces(struct provider *p, const struct keystore_target *target, struct slice blob,
		       struct buf *ret_plain, struct err *err)
{
	CLEANUP(keystore_opening_fini) struct keystore_opening opening = {.bytes = {.max = 0}};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(stream_cleanup) struct stream *stream = NULL;
	uint64_t size = 0;
	int r = keystore_open_start(slice_of(blob.data, blob.len < PIECE ? blob.len : PIECE),
				    &opening, err);

	if (r == 0)
		r = keystore_open_length(&opening, blob.len, &size, err);
	if (r == 0)
		r = keystore_open_key(p, target, &opening, &key, err);
	if (r == 0)
		r = keystore_open_stream(&opening, key, &stream, err);
	if (r == 0)
		r = open_all(stream,
			     slice_of(blob.data + opening.bytes.len, blob.len - opening.bytes.len),
			     ret_plain, err);
	if (r == 0)
		assert_int_equal(size, ret_plain->len);
	return r;
}

static void assert_opens_both_ways(struct provider *p, struct slice blob,
				   const struct secret *plain)
{
	CLEANUP(buf_fini) struct buf pieces = BUF_INIT(LARGEST);
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(secret_cleanup) struct secret *whole = NULL;
	struct err err;
	bool is_key = false;

	assert_int_equal(open_pieces(p, &TARGET, blob, &pieces, &err), 0);
	assert_true(slice_equal(buf_slice(&pieces), secret_slice(plain)));
	assert_int_equal(keystore_open_object(p, &TARGET, blob, &key, &is_key, &err), 0);
	assert_true(is_key);
	assert_int_equal(keystore_open_finish(blob, key, &whole, &err), 0);
	assert_true(slice_equal(secret_slice(whole), secret_slice(plain)));
}

static void both_ways(void **state)
{
	struct world *world = *state;
	static const size_t SIZES[] = {
		0,	   129,	  STREAM_CHUNK - 1, STREAM_CHUNK, STREAM_CHUNK + 1,
		PIECE - 1, PIECE, PIECE + 1,	    2 * PIECE,	  LARGEST};
	size_t i;

	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		CLEANUP(secret_cleanup) struct secret *plain = pattern(SIZES[i]);
		CLEANUP(buf_fini) struct buf a = BUF_INIT(BLOB_ROOM);
		CLEANUP(buf_fini) struct buf b = BUF_INIT(BLOB_ROOM);

		seal_pieces(world->p, plain, &a);
		seal_whole(world->p, &TARGET, plain, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, 8);
		assert_opens_both_ways(world->p, buf_slice(&a), plain);
		assert_opens_both_ways(world->p, buf_slice(&b), plain);
	}
}

static void assert_refused(struct provider *p, const struct keystore_target *target,
			   struct slice blob, int code)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(BLOB_ROOM);
	struct err err;

	assert_int_equal(open_pieces(p, target, blob, &plain, &err), code);
	assert_int_equal(err.code, code);
	/* Whole pieces before the damage at most. */
	assert_int_equal(plain.len % PIECE, 0);
}

static void damage(void **state)
{
	struct world *world = *state;
	CLEANUP(secret_cleanup) struct secret *plain = pattern(LARGEST);
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(BLOB_ROOM);
	size_t start, i;

	seal_pieces(world->p, plain, &blob);
	start = blob.len - LARGEST - 6 * STREAM_TAG;
	for (i = 0; i < 6 * 2; i++) {
		/* The first byte and the tag of each chunk. */
		size_t at = start + i / 2 * SEALED + (i % 2 && i < 10 ? SEALED - 1 : 0);

		blob.data[at] ^= 1;
		assert_refused(world->p, &TARGET, buf_slice(&blob), ERR_DAMAGED);
		blob.data[at] ^= 1;
	}
	for (i = 1; i < 6; i++)
		assert_refused(world->p, &TARGET, slice_of(blob.data, start + i * SEALED),
			       ERR_DAMAGED);
	for (i = 0; i < start; i += 7)
		assert_refused(world->p, &TARGET, slice_of(blob.data, i),
			       i < 4 ? ERR_INVALID : ERR_DAMAGED);
	assert_refused(world->p, &TARGET, slice_of(blob.data, start), ERR_DAMAGED);
	assert_refused(world->p, &TARGET, slice_of(blob.data, blob.len - 1), ERR_DAMAGED);
	buf_put_u8(&blob, 0);
	assert_refused(world->p, &TARGET, buf_slice(&blob), ERR_DAMAGED);
	blob.len--;
	assert_opens_both_ways(world->p, buf_slice(&blob), plain);
}

static void not_this_one(void **state)
{
	struct world *world = *state;
	static const struct keystore_target OTHER = {&HOST, BLOB_SEALED, ""};
	CLEANUP(secret_cleanup) struct secret *plain = pattern(1000);
	CLEANUP(secret_cleanup) struct secret *small = pattern(100);
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(BLOB_ROOM);
	CLEANUP(buf_fini) struct buf named = BUF_INIT(BLOB_ROOM);
	CLEANUP(buf_fini) struct buf direct = BUF_INIT(BLOB_ROOM);
	uint8_t *tail;

	seal_pieces(world->p, plain, &blob);
	assert_refused(world->p, &OTHER, buf_slice(&blob), ERR_WRONG_TENANT);
	assert_refused(world->p, &NAMED, buf_slice(&blob), ERR_INVALID);
	assert_refused(NULL, &TARGET, buf_slice(&blob), ERR_NOT_SUPPORTED);
	seal_whole(world->p, &NAMED, plain, &named);
	assert_refused(world->p, &TARGET, buf_slice(&named), ERR_INVALID);
	/* Sealed without an envelope: there is no stream, whatever follows. */
	seal_whole(world->p, &TARGET, small, &direct);
	assert_refused(world->p, &TARGET, buf_slice(&direct), ERR_DAMAGED);
	tail = buf_grow(&direct, PIECE);
	memset(tail, 1, PIECE);
	assert_refused(world->p, &TARGET, buf_slice(&direct), ERR_DAMAGED);
}

static void limits(void **state)
{
	struct world *world = *state;
	CLEANUP(keystore_opening_fini) struct keystore_opening opening = {.bytes = {.max = 0}};
	CLEANUP(secret_cleanup) struct secret *plain = pattern(0);
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(BLOB_ROOM);
	uint64_t start, most = stream_sealed_size(KEYSTORE_STREAM_MAX), size = 0;
	struct err err;

	seal_pieces(world->p, plain, &blob);
	assert_int_equal(keystore_open_start(buf_slice(&blob), &opening, &err), 0);
	start = opening.bytes.len;
	assert_int_equal(start, blob.len - STREAM_TAG);
	assert_int_equal(keystore_open_length(&opening, start + most, &size, &err), 0);
	assert_int_equal(size, KEYSTORE_STREAM_MAX);
	assert_true(start + most <= KEYSTORE_STREAM_BLOB_MAX);
	assert_int_equal(keystore_open_length(&opening,
					      start + stream_sealed_size(KEYSTORE_STREAM_MAX + 1),
					      &size, &err),
			 ERR_TOO_LARGE);
	assert_int_equal(keystore_open_length(&opening, start + most + 1, &size, &err),
			 ERR_DAMAGED);
	assert_int_equal(keystore_open_length(&opening, start, &size, &err), ERR_DAMAGED);
	assert_int_equal(size, KEYSTORE_STREAM_MAX);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(both_ways, world_open, world_close),
		cmocka_unit_test_setup_teardown(damage, world_open, world_close),
		cmocka_unit_test_setup_teardown(not_this_one, world_open, world_close),
		cmocka_unit_test_setup_teardown(limits, world_open, world_close),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
