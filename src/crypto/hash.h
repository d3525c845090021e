/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

/*
 * Hash, HMAC and the key derivations built on them. Algorithms are fetched from OpenSSL once per
 * process and shared by all threads; a call allocates nothing but one OpenSSL context.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

#define HASH_MAX_SIZE 64u

enum hash_alg { HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512, HASH_ALGS };

/* "sha256", .. as in the API; ERR_NOT_SUPPORTED for others (SHA-1 is known for TPMs only). */
int hash_of_name(const char *name, enum hash_alg *ret_alg, struct err *err) MUST_CHECK;
const char *hash_name(enum hash_alg alg);
size_t hash_size(enum hash_alg alg);

/* The digest of the parts one after the other; hash_size() bytes go to @ret_digest. */
int hash_digest(enum hash_alg alg, const struct slice *parts, size_t count, uint8_t *ret_digest,
		struct err *err) MUST_CHECK;

/* The same over a stream of any length. */
struct hash_stream;
int hash_stream_new(enum hash_alg alg, struct hash_stream **ret_stream, struct err *err) MUST_CHECK;
int hash_stream_add(struct hash_stream *stream, struct slice bytes, struct err *err) MUST_CHECK;
int hash_stream_end(struct hash_stream *stream, uint8_t *ret_digest, struct err *err) MUST_CHECK;
void hash_stream_free(struct hash_stream *stream);
MEM_DEFINE_CLEANUP(hash_stream)

/* HMAC (RFC 2104) of the parts under @key, which may be empty; hash_size() bytes. */
int hash_hmac(enum hash_alg alg, struct slice key, const struct slice *parts, size_t count,
	      uint8_t *ret_mac, struct err *err) MUST_CHECK;

/* The same over a stream: add, end and free as above. */
int hash_hmac_new(enum hash_alg alg, struct slice key, struct hash_stream **ret_stream,
		  struct err *err) MUST_CHECK;

/*
 * HKDF (RFC 5869), both halves: @len bytes, at most 255 times the digest (else ERR_INTERNAL). Salt
 * and info may be empty. The key goes into memory that is wiped by the caller.
 */
struct hash_hkdf {
	enum hash_alg alg;
	struct slice key;
	struct slice salt;
	struct slice info;
};
int hash_hkdf(const struct hash_hkdf *in, uint8_t *ret_key, size_t len, struct err *err) MUST_CHECK;

/*
 * KDFa: TPM 2.0 Part 1, 11.4.10.2 (SP 800-108 in counter mode). @label is text without its NUL,
 * which is added here. Writes @bits / 8 bytes (@bits a multiple of 8, at most 8192).
 */
struct hash_kdfa {
	enum hash_alg alg;
	struct slice key;
	const char *label;
	struct slice context_u;
	struct slice context_v;
	unsigned bits;
};
int hash_kdfa(const struct hash_kdfa *in, uint8_t *ret_key, struct err *err) MUST_CHECK;

/* KDFe: TPM 2.0 Part 1, 11.4.10.3 (SP 800-56A), for secrets shared by ECDH. */
struct hash_kdfe {
	enum hash_alg alg;
	struct slice z; /* x-coordinate of the shared point */
	const char *use;
	struct slice party_u;
	struct slice party_v;
	unsigned bits;
};
int hash_kdfe(const struct hash_kdfe *in, uint8_t *ret_key, struct err *err) MUST_CHECK;

#endif
