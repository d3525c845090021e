/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_STREAM_H
#define CRYPTO_STREAM_H

/*
 * Stream: the one chunked AEAD, for sealing and for artifacts (docs/BLOB.md, "Stream").
 *
 * AES-256-GCM over chunks of STREAM_CHUNK bytes of plaintext, the last one shorter (0 to
 * STREAM_CHUNK bytes; an empty plaintext is one empty chunk). The nonce is 7 zero bytes, the
 * chunk's number (4 bytes, big-endian) and 1 for the last chunk, else 0; the associated data of
 * every chunk is the caller's header. A key serves exactly one stream, so no nonce repeats;
 * cutting, reordering and appending are noticed. Chunks can be handed on after their tag.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

#define STREAM_CHUNK (64u * 1024u)
#define STREAM_TAG   16u

/* Bytes of a stream that carries @plain bytes. */
uint64_t stream_sealed_size(uint64_t plain);

/* Bytes of plaintext in a stream of @sealed bytes; ERR_DAMAGED when no stream is that long. */
int stream_plain_size(uint64_t sealed, uint64_t *ret_plain, struct err *err) MUST_CHECK;

struct stream; /* one direction of one stream */

/* @key is CIPHER_KEY256 bytes; both are copied. */
int stream_new(const struct secret *key, struct slice aad, struct stream **ret_stream,
	       struct err *err) MUST_CHECK;
void stream_free(struct stream *stream);
MEM_DEFINE_CLEANUP(stream)

/* One chunk; @plain is STREAM_CHUNK bytes unless @last. Appends ciphertext and tag. */
int stream_seal_chunk(struct stream *stream, struct slice plain, bool last, struct buf *ret_sealed,
		      struct err *err) MUST_CHECK;

/* The reverse; writes @sealed.len - STREAM_TAG bytes. ERR_DAMAGED, and then the stream is dead. */
int stream_open_chunk(struct stream *stream, struct slice sealed, bool last, uint8_t *ret_plain,
		      struct err *err) MUST_CHECK;

/* Opening begins with chunk number @chunk, before anything was opened. ERR_INTERNAL. */
int stream_open_from(struct stream *stream, uint64_t chunk, struct err *err) MUST_CHECK;

/* Whole messages in memory. */
int stream_seal(const struct secret *key, struct slice aad, struct slice plain,
		struct buf *ret_sealed, struct err *err) MUST_CHECK;
int stream_open(const struct secret *key, struct slice aad, struct slice sealed,
		struct secret **ret_plain, struct err *err) MUST_CHECK;

#endif
