/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_PKEY_PARTS_H
#define CRYPTO_PKEY_PARTS_H

/* The numbers that a key is made of, big-endian, as TPMs want them. */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "crypto/pkey.h"

/* The public point of an ECC key. ERR_INVALID for RSA. */
struct pkey_point {
	uint8_t x[48], y[48]; /* padded at the front to the size of the field */
	size_t size;	      /* of each, in bytes */
};
int pkey_point(const struct pkey *pkey, struct pkey_point *ret_point, struct err *err) MUST_CHECK;

/* The public half of an RSA key. ERR_INVALID for ECC. */
struct pkey_modulus {
	uint8_t bytes[384];
	size_t size;
	uint32_t exponent;
};
int pkey_modulus(const struct pkey *pkey, struct pkey_modulus *ret_modulus, struct err *err)
	MUST_CHECK;

/*
 * What makes the private half: the scalar, as long as the field, or the first of two primes, half
 * as long as the modulus. ERR_INVALID: a public key. ERR_NOT_SUPPORTED: RSA with other primes, or
 * with none told.
 */
int pkey_private_part(const struct pkey *pair, struct secret **ret_part, struct err *err)
	MUST_CHECK;

/*
 * The same ECC pair from the same bytes, always: the scalar is @seed mod (n - 1) + 1 (FIPS 186-5,
 * A.2.1), no bias to be seen when the seed is 8 bytes longer than the field, which it must be
 * (else ERR_INVALID, as for RSA), and as secret as the key.
 */
int pkey_from_seed(enum pkey_type type, struct slice seed, struct pkey **ret_pair, struct err *err)
	MUST_CHECK;

#endif
