/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers out of OpenSSL's keys; what it hands out of a private half is wiped. */

#include "crypto/pkey_parts.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "crypto/ossl.h"
#include "crypto/pkey_impl.h"

static void bn_cleanup(BIGNUM **bn)
{
	BN_clear_free(*bn);
}

bool pkey_number(const EVP_PKEY *key, const char *name, uint8_t *ret_bytes, size_t size)
{
	CLEANUP(bn_cleanup) BIGNUM *bn = NULL;

	return EVP_PKEY_get_bn_param(key, name, &bn) == 1 &&
	       BN_bn2binpad(bn, ret_bytes, (int)size) == (int)size;
}

static bool has_number(const EVP_PKEY *key, const char *name)
{
	CLEANUP(bn_cleanup) BIGNUM *bn = NULL;

	return EVP_PKEY_get_bn_param(key, name, &bn) == 1;
}

int pkey_point(const struct pkey *pkey, struct pkey_point *ret_point, struct err *err)
{
	const struct pkey_info *info = &pkey_infos[pkey->type];
	struct pkey_point point = {.size = info->size};

	if (info->is_rsa)
		return err_set(err, ERR_INVALID, "an RSA key is no point");
	if (!pkey_number(pkey->key, OSSL_PKEY_PARAM_EC_PUB_X, point.x, point.size) ||
	    !pkey_number(pkey->key, OSSL_PKEY_PARAM_EC_PUB_Y, point.y, point.size))
		return ossl_fail(err, ERR_INTERNAL, "the key does not tell its point");
	*ret_point = point;
	return 0;
}

int pkey_modulus(const struct pkey *pkey, struct pkey_modulus *ret_modulus, struct err *err)
{
	const struct pkey_info *info = &pkey_infos[pkey->type];
	struct pkey_modulus modulus = {.size = info->size};
	uint8_t e[4];

	if (!info->is_rsa)
		return err_set(err, ERR_INVALID, "only an RSA key has a modulus");
	if (!pkey_number(pkey->key, OSSL_PKEY_PARAM_RSA_N, modulus.bytes, modulus.size) ||
	    !pkey_number(pkey->key, OSSL_PKEY_PARAM_RSA_E, e, sizeof(e)))
		return ossl_fail(err, ERR_INTERNAL, "the key does not tell its public half");
	modulus.exponent = (uint32_t)e[0] << 24 | (uint32_t)e[1] << 16 | (uint32_t)e[2] << 8 | e[3];
	*ret_modulus = modulus;
	return 0;
}

static int no_part(struct err *err, const char *why)
{
	return ossl_fail(err, ERR_NOT_SUPPORTED, why);
}

int pkey_private_part(const struct pkey *pair, struct secret **ret_part, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *part = NULL;
	const struct pkey_info *info = &pkey_infos[pair->type];
	size_t size = info->is_rsa ? info->size / 2 : info->size;
	const char *name = info->is_rsa ? OSSL_PKEY_PARAM_RSA_FACTOR1 : OSSL_PKEY_PARAM_PRIV_KEY;
	int r;

	if (!pair->has_private)
		return err_set(err, ERR_INVALID, "this key has no private half");
	if (info->is_rsa && has_number(pair->key, OSSL_PKEY_PARAM_RSA_FACTOR3))
		return no_part(err, "an RSA key must have two primes");
	r = secret_new(size, &part, err);
	if (r < 0)
		return r;
	/* A prime that is shorter would have a longer one at its side. */
	if (!pkey_number(pair->key, name, secret_data(part), size) ||
	    (info->is_rsa && !(secret_data(part)[0] & 0x80)))
		return no_part(err, "the key does not have two primes of half its size");
	(void)ossl_take_error();
	*ret_part = TAKE(part);
	return 0;
}
