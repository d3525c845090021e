/* SPDX-License-Identifier: Apache-2.0 */
/* The size of the plaintext decides; a key in an envelope serves one stream and is thrown away. */

#include "provider/envelope.h"

#include "crypto/cipher.h"
#include "crypto/stream.h"

bool envelope_needed(size_t plain_size)
{
	return plain_size == 0 || plain_size > PROVIDER_SEAL_MAX;
}

static int fresh_key(struct secret **ret_key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	int r = secret_new(CIPHER_KEY256, &key, err);

	if (r == 0)
		r = cipher_random(secret_data(key), CIPHER_KEY256, err);
	if (r == 0)
		*ret_key = TAKE(key);
	return r;
}

int envelope_begin(struct blob_header *header, struct slice plain, struct buf *ret_header_bytes,
		   struct secret **ret_inner, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *inner = NULL;
	bool needed = envelope_needed(plain.len);
	int r = needed ? fresh_key(&inner, err) : secret_copy(plain, &inner, err);

	if (r < 0)
		return r;
	header->flags = needed ? BLOB_ENVELOPE : 0;
	blob_header_write(header, ret_header_bytes);
	if (!buf_ok(ret_header_bytes))
		return err_set(err, ERR_INTERNAL, "no room for a blob's header");
	*ret_inner = TAKE(inner);
	return 0;
}

int envelope_finish(const struct envelope *envelope, struct buf *ret_blob, struct err *err)
{
	size_t before = ret_blob->len;
	int r = 0;

	blob_write(envelope->header_bytes, envelope->object, slice_of(NULL, 0), ret_blob);
	if (!buf_ok(ret_blob))
		r = err_set(err, ERR_INTERNAL, "no room for a blob");
	else if (envelope->header->flags & BLOB_ENVELOPE)
		r = stream_seal(envelope->inner, envelope->header_bytes, envelope->plain, ret_blob,
				err);
	if (r < 0)
		ret_blob->len = before;
	return r;
}

uint64_t envelope_plain_max(const struct blob *blob)
{
	struct err ignored = {0};
	uint64_t size = 0;

	if (!(blob->header.flags & BLOB_ENVELOPE))
		return PROVIDER_SEAL_MAX;
	/* blob_parse() let no other length through, so that 0 is never the answer to a failure. */
	return stream_plain_size(blob->body.len, &size, &ignored) < 0 ? 0 : size;
}

int envelope_open(const struct blob *blob, const struct secret *inner, struct secret **ret_plain,
		  struct err *err)
{
	if (!(blob->header.flags & BLOB_ENVELOPE))
		return secret_copy(secret_slice(inner), ret_plain, err);
	if (secret_size(inner) != CIPHER_KEY256)
		return err_set(err, ERR_DAMAGED, "the blob is damaged: its key has a wrong length");
	return stream_open(inner, blob->header_bytes, blob->body, ret_plain, err);
}
