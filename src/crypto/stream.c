/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream has one shape for each length of plaintext: every chunk but the last is full, and the
 * last is empty only when it is the only one. So sizes can be computed before a byte is read.
 */

#include "crypto/stream.h"

#include <openssl/evp.h>

#include "crypto/cipher.h"
#include "crypto/ossl.h"

#define STREAM_SEALED_CHUNK ((uint64_t)STREAM_CHUNK + STREAM_TAG)
#define STREAM_MAX_CHUNKS   ((uint64_t)UINT32_MAX + 1)
#define STREAM_MAX_PLAIN    (STREAM_MAX_CHUNKS * STREAM_CHUNK)
#define STREAM_AAD_MAX	    65536u

enum stream_state { STREAM_FRESH, STREAM_SEALING, STREAM_OPENING, STREAM_DEAD };

struct stream {
	enum stream_state state;
	uint64_t chunk; /* number of the next one */
	EVP_CIPHER_CTX *ctx;
	struct buf aad;
};

/* No stream holds more than STREAM_MAX_PLAIN; the answer is then more than can be stored. */
uint64_t stream_sealed_size(uint64_t plain)
{
	uint64_t chunks = plain / STREAM_CHUNK + (plain % STREAM_CHUNK != 0);

	if (plain > STREAM_MAX_PLAIN)
		return UINT64_MAX;
	return plain + (chunks ? chunks : 1) * STREAM_TAG;
}

int stream_plain_size(uint64_t sealed, uint64_t *ret_plain, struct err *err)
{
	uint64_t full = sealed / STREAM_SEALED_CHUNK;
	uint64_t rest = sealed % STREAM_SEALED_CHUNK;
	uint64_t chunks = full + (rest != 0);
	bool possible = rest == 0 ? full > 0 : rest > STREAM_TAG || (rest == STREAM_TAG && !full);

	if (!possible || chunks > STREAM_MAX_CHUNKS)
		return err_set(err, ERR_DAMAGED, "the encrypted data have an impossible length");
	*ret_plain = sealed - chunks * STREAM_TAG;
	return 0;
}

int stream_new(const struct secret *key, struct slice aad, struct stream **ret_stream,
	       struct err *err)
{
	CLEANUP(stream_cleanup) struct stream *stream = calloc(1, sizeof(*stream));
	const EVP_CIPHER *cipher = ossl_cipher(OSSL_AES256_GCM);

	if (!stream)
		return err_set(err, ERR_INTERNAL, "out of memory");
	if (secret_size(key) != CIPHER_KEY256)
		return err_set(err, ERR_INTERNAL, "a stream's key must have 32 bytes");
	stream->aad.max = STREAM_AAD_MAX;
	buf_put(&stream->aad, aad);
	if (!buf_ok(&stream->aad))
		return err_set(err, ERR_INTERNAL, "no room for a stream's header");
	stream->ctx = EVP_CIPHER_CTX_new();
	if (!stream->ctx || !cipher ||
	    EVP_CipherInit_ex2(stream->ctx, cipher, secret_slice(key).data, NULL, 1, NULL) != 1)
		return ossl_fail(err, ERR_INTERNAL, "AES-GCM cannot be set up");
	*ret_stream = TAKE(stream);
	return 0;
}

void stream_free(struct stream *stream)
{
	if (!stream)
		return;
	EVP_CIPHER_CTX_free(stream->ctx);
	buf_fini(&stream->aad);
	free(stream);
}

/* docs/BLOB.md, "Stream": 7 zero bytes, the chunk's number, 1 on the last. */
static void stream_nonce(uint64_t chunk, bool last, uint8_t nonce[CIPHER_GCM_NONCE])
{
	for (unsigned i = 0; i < 7; i++)
		nonce[i] = 0;
	for (unsigned i = 0; i < 4; i++)
		nonce[7 + i] = (uint8_t)(chunk >> (24 - 8 * i));
	nonce[11] = last ? 1 : 0;
}

/* Is a chunk of @len bytes of plaintext possible at this place? */
static bool chunk_fits(const struct stream *stream, size_t len, bool last)
{
	if (!last)
		return len == STREAM_CHUNK && stream->chunk + 1 < STREAM_MAX_CHUNKS;
	return len <= STREAM_CHUNK && (len > 0 || stream->chunk == 0);
}

/* One direction only, in order, and nothing after the last chunk or a failure. */
static bool stream_enter(struct stream *stream, enum stream_state direction)
{
	bool ok = stream->state == STREAM_FRESH || stream->state == direction;

	stream->state = STREAM_DEAD;
	return ok;
}

static void stream_leave(struct stream *stream, enum stream_state direction, bool last)
{
	stream->chunk++;
	if (!last)
		stream->state = direction;
}

int stream_seal_chunk(struct stream *stream, struct slice plain, bool last, struct buf *ret_sealed,
		      struct err *err)
{
	uint8_t nonce[CIPHER_GCM_NONCE];
	const struct ossl_gcm gcm = {
		.ctx = stream->ctx, .nonce = nonce, .aad = buf_slice(&stream->aad)};
	int r;

	if (!stream_enter(stream, STREAM_SEALING))
		return err_set(err, ERR_INTERNAL, "the stream has ended");
	if (!chunk_fits(stream, plain.len, last))
		return err_set(err, ERR_INTERNAL, "a chunk of %zu bytes cannot stand here",
			       plain.len);
	stream_nonce(stream->chunk, last, nonce);
	r = ossl_gcm_seal(&gcm, plain, ret_sealed, err);
	if (r < 0)
		return r;
	stream_leave(stream, STREAM_SEALING, last);
	return 0;
}

int stream_open_chunk(struct stream *stream, struct slice sealed, bool last, uint8_t *ret_plain,
		      struct err *err)
{
	uint8_t nonce[CIPHER_GCM_NONCE];
	const struct ossl_gcm gcm = {
		.ctx = stream->ctx, .nonce = nonce, .aad = buf_slice(&stream->aad)};
	int r;

	if (!stream_enter(stream, STREAM_OPENING))
		return err_set(err, ERR_INTERNAL, "the stream has ended");
	if (sealed.len < STREAM_TAG || !chunk_fits(stream, sealed.len - STREAM_TAG, last))
		return err_set(err, ERR_DAMAGED, "a chunk of the data has an impossible length");
	stream_nonce(stream->chunk, last, nonce);
	r = ossl_gcm_open(&gcm, sealed, ret_plain, err);
	if (r < 0)
		return r;
	stream_leave(stream, STREAM_OPENING, last);
	return 0;
}

int stream_open_from(struct stream *stream, uint64_t chunk, struct err *err)
{
	if (stream->state != STREAM_FRESH || chunk >= STREAM_MAX_CHUNKS)
		return err_set(err, ERR_INTERNAL, "the stream cannot begin there");
	stream->chunk = chunk;
	stream->state = STREAM_OPENING;
	return 0;
}

static int seal_all(struct stream *stream, struct slice plain, struct buf *ret_sealed,
		    struct err *err)
{
	bool last = false;
	int r = 0;

	while (r == 0 && !last) {
		size_t n = plain.len < STREAM_CHUNK ? plain.len : STREAM_CHUNK;

		last = plain.len <= STREAM_CHUNK;
		r = stream_seal_chunk(stream, slice_of(plain.data, n), last, ret_sealed, err);
		plain = slice_of(n ? plain.data + n : plain.data, plain.len - n);
	}
	return r;
}

int stream_seal(const struct secret *key, struct slice aad, struct slice plain,
		struct buf *ret_sealed, struct err *err)
{
	CLEANUP(stream_cleanup) struct stream *stream = NULL;
	size_t before = ret_sealed->len;
	int r = stream_new(key, aad, &stream, err);

	if (r == 0)
		r = seal_all(stream, plain, ret_sealed, err);
	if (r < 0)
		ret_sealed->len = before;
	return r;
}

static int open_all(struct stream *stream, struct slice sealed, uint8_t *out, struct err *err)
{
	bool last = false;
	int r = 0;

	while (r == 0 && !last) {
		size_t n = sealed.len;

		last = n <= STREAM_SEALED_CHUNK;
		if (!last)
			n = (size_t)STREAM_SEALED_CHUNK;
		r = stream_open_chunk(stream, slice_of(sealed.data, n), last, out, err);
		if (r == 0)
			out += n - STREAM_TAG;
		sealed = slice_of(sealed.data + n, sealed.len - n);
	}
	return r;
}

int stream_open(const struct secret *key, struct slice aad, struct slice sealed,
		struct secret **ret_plain, struct err *err)
{
	CLEANUP(stream_cleanup) struct stream *stream = NULL;
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	uint64_t size = 0;
	int r = stream_plain_size(sealed.len, &size, err);

	if (r == 0)
		r = stream_new(key, aad, &stream, err);
	if (r == 0)
		r = secret_new((size_t)size, &plain, err);
	if (r == 0)
		r = open_all(stream, sealed, secret_data(plain), err);
	if (r == 0)
		*ret_plain = TAKE(plain);
	return r;
}
