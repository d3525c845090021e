/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_PKEY_IMPL_H
#define CRYPTO_PKEY_IMPL_H

/* What the pkey_*.c files share: the key itself. For this room only. */

#include "crypto/pkey.h"

struct evp_pkey_st;
struct evp_pkey_ctx_st;

struct pkey {
	struct evp_pkey_st *key;
	enum pkey_type type;
	bool has_private;
};

struct pkey_info {
	const char *name;
	bool is_rsa;
	const char *group; /* OpenSSL's name; NULL for RSA */
	size_t size;	   /* of a coordinate or of the modulus, in bytes */
};
extern const struct pkey_info pkey_infos[PKEY_TYPES];

/*
 * Takes over @key (freed on failure too) when it is of a type we know and its public half is
 * sound: the point lies on the curve, the modulus has its exact size, the exponent is odd and 3 or
 * more. ERR_NOT_SUPPORTED for other types and for exponents over 32 bits, ERR_INVALID for unsound
 * ones.
 */
int pkey_adopt(struct evp_pkey_st *key, bool has_private, struct pkey **ret_pkey, struct err *err)
	MUST_CHECK;

void pkey_ctx_cleanup(struct evp_pkey_ctx_st **ctx);

/* A number of the key (OSSL_PKEY_PARAM_..), padded at the front; false when it has none or a longer
 * one. */
bool pkey_number(const struct evp_pkey_st *key, const char *name, uint8_t *ret_bytes, size_t size);

#endif
