/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs that are never whole in memory. Only envelopes come this way, so the provider's half is
 * that of an envelope: it seals or opens the key of the stream. What is left is the stream, as many
 * chunks at a time as the caller likes.
 */
#include "keystore/keystore.h"

#include "crypto/cipher.h"
#include "keystore/impl.h"

/* --- sealing --- */

/* An empty plaintext goes by envelope, and its object is that of every other envelope. */
int keystore_seal_key(struct provider *p, const struct keystore_target *target,
		      struct keystore_sealing *ret_sealing, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *none = NULL;
	int r = secret_new(0, &none, err);

	return r < 0 ? r : keystore_seal_object(p, target, none, ret_sealing, err);
}

int keystore_seal_start(const struct keystore_sealing *sealing, struct stream **ret_stream,
			struct buf *ret_blob, struct err *err)
{
	struct slice header = buf_slice(&sealing->header_bytes);

	blob_write(header, buf_slice(&sealing->object), slice_of(NULL, 0), ret_blob);
	if (!buf_ok(ret_blob))
		return err_set(err, ERR_INTERNAL, "no room for a blob");
	return stream_new(sealing->key, header, ret_stream, err);
}

int keystore_seal_piece(struct stream *stream, struct slice plain, bool last, struct buf *ret_blob,
			struct err *err)
{
	int r = 0;

	while (r == 0 && plain.len > STREAM_CHUNK) {
		r = stream_seal_chunk(stream, slice_of(plain.data, STREAM_CHUNK), false, ret_blob,
				      err);
		plain = slice_of(plain.data + STREAM_CHUNK, plain.len - STREAM_CHUNK);
	}
	return r < 0 ? r : stream_seal_chunk(stream, plain, last, ret_blob, err);
}

/* --- opening --- */

void keystore_opening_fini(struct keystore_opening *opening)
{
	buf_fini(&opening->bytes);
}

int keystore_open_start(struct slice first, struct keystore_opening *ret_opening, struct err *err)
{
	CLEANUP(keystore_opening_fini)
	struct keystore_opening opening = {.bytes = BUF_INIT(BLOB_OVERHEAD)};
	struct blob blob;
	int r = blob_parse_start(first, &blob, err);

	if (r < 0)
		return r;
	buf_put(&opening.bytes, slice_of(first.data, first.len - blob.body.len));
	if (!buf_ok(&opening.bytes))
		return err_set(err, ERR_INTERNAL, "no room for the beginning of a blob");
	r = blob_parse_start(buf_slice(&opening.bytes), &opening.blob, err);
	if (r < 0)
		return r;
	*ret_opening = opening;
	opening = (struct keystore_opening){.bytes = {.data = NULL}};
	return 0;
}

int keystore_open_length(const struct keystore_opening *opening, uint64_t blob_len,
			 uint64_t *ret_plain, struct err *err)
{
	uint64_t plain = 0;
	int r = blob_check_stream(&opening->blob.header, blob_len - opening->bytes.len, &plain,
				  err);

	if (r < 0)
		return r;
	if (plain > KEYSTORE_STREAM_MAX)
		return err_set(err, ERR_TOO_LARGE, "more than %u bytes of plaintext",
			       KEYSTORE_STREAM_MAX);
	*ret_plain = plain;
	return 0;
}

int keystore_open_key(struct provider *p, const struct keystore_target *target,
		      const struct keystore_opening *opening, struct secret **ret_key,
		      struct err *err)
{
	struct blob_expect expect = keystore_expect(target);
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r = blob_check(&opening->blob, &expect, p, err);

	if (r == 0)
		r = provider_unseal(p, opening->blob.header_bytes, opening->blob.object, &key, err);
	if (r < 0)
		return r;
	if (secret_size(key) != CIPHER_KEY256)
		return err_set(err, ERR_DAMAGED, "the blob is damaged: its key has a wrong length");
	*ret_key = TAKE(key);
	return 0;
}

int keystore_open_stream(const struct keystore_opening *opening, const struct secret *key,
			 struct stream **ret_stream, struct err *err)
{
	return stream_new(key, opening->blob.header_bytes, ret_stream, err);
}

static int open_chunk(struct stream *stream, struct slice sealed, bool last, struct buf *ret_plain,
		      struct err *err)
{
	uint8_t *plain;

	if (sealed.len < STREAM_TAG)
		return err_set(err, ERR_DAMAGED, "a chunk of the data has an impossible length");
	plain = buf_grow(ret_plain, sealed.len - STREAM_TAG);
	if (!plain)
		return err_set(err, ERR_INTERNAL, "no room for a piece of a stream");
	return stream_open_chunk(stream, sealed, last, plain, err);
}

int keystore_open_piece(struct stream *stream, struct slice sealed, bool last,
			struct buf *ret_plain, struct err *err)
{
	const size_t full = STREAM_CHUNK + STREAM_TAG;
	size_t before = ret_plain->len;
	int r = 0;

	while (r == 0 && sealed.len > full) {
		r = open_chunk(stream, slice_of(sealed.data, full), false, ret_plain, err);
		sealed = slice_of(sealed.data + full, sealed.len - full);
	}
	if (r == 0)
		r = open_chunk(stream, sealed, last, ret_plain, err);
	if (r < 0 && ret_plain->len > before) {
		wipe(ret_plain->data + before, ret_plain->len - before);
		ret_plain->len = before;
	}
	return r;
}
