/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher's half. Whole chunks are encrypted from the caller's piece straight into his
 * buffer; only what is left of a piece is copied, to wait for the next.
 */

#include "artifact/payload_impl.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"

struct payload_seal {
	bool dead;
	uint8_t header[PAYLOAD_HEADER];
	size_t header_left; /* all of it until it was put */
	uint64_t left;	    /* bytes of plaintext that will come yet */
	struct stream *stream;
	struct hash_stream *digest;
	uint8_t carry[STREAM_CHUNK];
	size_t carried;
};

static int seal_key(struct payload_seal *seal, const struct secret *key,
		    const struct payload_release *release, struct err *err)
{
	CLEANUP(buf_fini) struct buf info = BUF_INIT(PAYLOAD_INFO_MAX);
	struct payload_binding binding = {.key = key, .header = seal->header};
	int r = payload_info(release, &info, err);

	binding.info = buf_slice(&info);
	return r < 0 ? r : payload_stream(&binding, &seal->stream, err);
}

int payload_seal_new(const struct secret *key, const struct payload_release *release,
		     uint64_t plain, struct payload_seal **ret_seal, struct err *err)
{
	CLEANUP(payload_seal_cleanup) struct payload_seal *seal = calloc(1, sizeof(*seal));
	struct payload_header header = {.plain = plain};
	int r;

	if (!seal)
		return err_set(err, ERR_INTERNAL, "out of memory");
	if (secret_size(key) != PAYLOAD_KEY || plain > PAYLOAD_PLAIN_MAX)
		return err_set(err, ERR_INVALID, "no payload has such a key or size");
	seal->left = plain;
	seal->header_left = PAYLOAD_HEADER;
	r = cipher_random(header.salt, PAYLOAD_SALT, err);
	payload_header_write(&header, seal->header);
	if (r == 0)
		r = seal_key(seal, key, release, err);
	if (r == 0)
		r = hash_stream_new(HASH_SHA256, &seal->digest, err);
	if (r == 0)
		*ret_seal = TAKE(seal);
	return r;
}

void payload_seal_free(struct payload_seal *seal)
{
	if (!seal)
		return;
	stream_free(seal->stream);
	hash_stream_free(seal->digest);
	wipe(seal->carry, sizeof(seal->carry));
	free(seal);
}

/* The last chunk is the one behind which nothing comes. */
static int seal_chunk(struct payload_seal *seal, struct slice plain, struct buf *out,
		      struct err *err)
{
	seal->left -= plain.len;
	return stream_seal_chunk(seal->stream, plain, seal->left == 0, out, err);
}

/* Is there a whole chunk in @have bytes, or all that is left? */
static bool is_chunk(const struct payload_seal *seal, size_t have)
{
	return have >= STREAM_CHUNK || (have > 0 && have == seal->left);
}

/* Takes from @plain what the carried chunk lacks, and seals it when it is one. */
static int seal_carried(struct payload_seal *seal, struct slice *plain, struct buf *out,
			struct err *err)
{
	size_t len = STREAM_CHUNK - seal->carried;
	size_t carried;

	if (len > plain->len)
		len = plain->len;
	if (len > 0)
		memcpy(seal->carry + seal->carried, plain->data, len);
	*plain = slice_of(len ? plain->data + len : plain->data, plain->len - len);
	seal->carried += len;
	carried = seal->carried;
	if (!is_chunk(seal, carried))
		return 0;
	seal->carried = 0;
	return seal_chunk(seal, slice_of(seal->carry, carried), out, err);
}

static int seal_put(struct payload_seal *seal, struct slice plain, struct buf *out, struct err *err)
{
	int r = 0;

	buf_put(out, slice_of(seal->header, seal->header_left));
	seal->header_left = 0;
	if (seal->carried > 0)
		r = seal_carried(seal, &plain, out, err);
	while (r == 0 && is_chunk(seal, plain.len)) {
		size_t len = plain.len < STREAM_CHUNK ? plain.len : STREAM_CHUNK;

		r = seal_chunk(seal, slice_of(plain.data, len), out, err);
		plain = slice_of(plain.data + len, plain.len - len);
	}
	if (r == 0 && plain.len > 0)
		r = seal_carried(seal, &plain, out, err);
	return r;
}

/* Room for all that will come out at once, so that a growing buffer is not moved chunk by chunk. */
static int make_room(const struct payload_seal *seal, size_t len, struct buf *out, struct err *err)
{
	size_t before = out->len;
	size_t whole = seal->carried + len;
	size_t chunks = whole / STREAM_CHUNK +
			(whole > 0 && whole == seal->left && whole % STREAM_CHUNK != 0);
	size_t sealed = whole == seal->left ? whole : chunks * STREAM_CHUNK;

	if (!buf_grow(out, seal->header_left + sealed + chunks * STREAM_TAG))
		return err_set(err, ERR_TOO_LARGE, "no room for the payload");
	out->len = before;
	return 0;
}

static int seal_some(struct payload_seal *seal, struct slice plain, struct buf *out,
		     struct err *err)
{
	size_t before = out->len;
	int r = make_room(seal, plain.len, out, err);

	if (r == 0)
		r = seal_put(seal, plain, out, err);
	return r < 0 ? r
		     : hash_stream_add(seal->digest,
				       slice_of(out->data + before, out->len - before), err);
}

int payload_seal_add(struct payload_seal *seal, struct slice plain, struct buf *ret_payload,
		     struct err *err)
{
	size_t before = ret_payload->len;
	int r;

	if (seal->dead)
		return err_set(err, ERR_INTERNAL, "the sealing has ended");
	if (plain.len > seal->left - seal->carried)
		r = err_set(err, ERR_INVALID, "more bytes came than were announced");
	else
		r = seal_some(seal, plain, ret_payload, err);
	if (r == 0)
		return 0;
	seal->dead = true;
	ret_payload->len = before;
	return r;
}

/* An empty plaintext is one empty chunk, and nobody came with a piece. */
static int seal_empty(struct payload_seal *seal, struct buf *out, struct err *err)
{
	size_t before = out->len;
	int r;

	buf_put(out, slice_of(seal->header, seal->header_left));
	r = stream_seal_chunk(seal->stream, slice_of(NULL, 0), true, out, err);
	return r < 0 ? r
		     : hash_stream_add(seal->digest,
				       slice_of(out->data + before, out->len - before), err);
}

static bool is_empty(const struct payload_seal *seal)
{
	static const uint8_t none[8];

	return slice_equal(slice_of(seal->header + 8, 8), slice_of(none, 8));
}

int payload_seal_end(struct payload_seal *seal, struct buf *ret_payload,
		     uint8_t ret_digest[MANIFEST_DIGEST], struct err *err)
{
	size_t before = ret_payload->len;
	int r = 0;

	if (seal->dead)
		return err_set(err, ERR_INTERNAL, "the sealing has ended");
	seal->dead = true;
	if (seal->left > 0)
		return err_set(err, ERR_INVALID, "fewer bytes came than were announced");
	if (is_empty(seal))
		r = seal_empty(seal, ret_payload, err);
	if (r == 0)
		r = hash_stream_end(seal->digest, ret_digest, err);
	if (r < 0)
		ret_payload->len = before;
	return r;
}
