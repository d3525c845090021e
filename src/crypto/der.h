/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_DER_H
#define CRYPTO_DER_H

/* Der: writing the few shapes of DER (X.690) that requests and certificates are made of. */

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"

#define DER_MAX 16384u /* bytes of any one thing */

enum {
	DER_INTEGER = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_UTF8 = 0x0c,
	DER_PRINTABLE = 0x13,
	DER_IA5 = 0x16,
	DER_UTC_TIME = 0x17,
	DER_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80,   /* [n] IMPLICIT, of a string: add n */
	DER_CONTEXT_0 = 0xa0, /* [0], with more inside: add n for [n] */
};

/* Of an array. */
#define DER_BYTES(array) slice_of(array, sizeof(array))

/* Appends tag, length and content, which is at most 65535 bytes. */
void der_put(struct buf *buf, uint8_t tag, struct slice content);

/* Puts all that is in @buf into one more frame. */
void der_wrap(struct buf *buf, uint8_t tag);

/*
 * Appends the AlgorithmIdentifier of a signature: PKEY_ECDSA or PKEY_RSASSA over SHA-256 or better,
 * else ERR_NOT_SUPPORTED.
 */
int der_put_algorithm(struct buf *buf, enum pkey_scheme scheme, enum hash_alg alg, struct err *err)
	MUST_CHECK;

/*
 * What a signature is put to: the SEQUENCE of @info, the algorithm and the signature, appended.
 * ERR_TOO_LARGE: over DER_MAX.
 */
struct der_signature {
	enum pkey_scheme scheme;
	enum hash_alg alg;
	struct slice bytes;
};
int der_put_signed(struct buf *buf, struct slice info, const struct der_signature *signature,
		   struct err *err) MUST_CHECK;

#endif
