/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pair out of bytes. One reduction, whatever the bytes are: no loop that once in 2^32 keys would
 * take another way than it was ever tested on.
 */

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>

#include "crypto/ossl.h"
#include "crypto/pkey_impl.h"
#include "crypto/pkey_parts.h"

#define FIELD_MAX  48u
#define EXTRA_SIZE 8u

/* What it takes to come from a seed to a pair. */
struct maker {
	const struct pkey_info *info;
	EC_GROUP *group;
	EC_POINT *point;
	BIGNUM *scalar, *range;
	BN_CTX *ctx;
	uint8_t native[FIELD_MAX]; /* the scalar as OSSL_PARAM wants numbers */
	uint8_t public[1 + 2 * FIELD_MAX];
};

static void maker_fini(struct maker *maker)
{
	EC_POINT_free(maker->point);
	EC_GROUP_free(maker->group);
	BN_clear_free(maker->scalar);
	BN_free(maker->range);
	BN_CTX_free(maker->ctx);
	wipe(maker->native, sizeof(maker->native));
}

static bool maker_init(struct maker *maker, struct slice seed)
{
	maker->ctx = BN_CTX_secure_new(); /* clears what it lends */
	maker->group = EC_GROUP_new_by_curve_name(EC_curve_nist2nid(maker->info->group));
	maker->point = maker->group ? EC_POINT_new(maker->group) : NULL;
	maker->range = maker->group ? BN_dup(EC_GROUP_get0_order(maker->group)) : NULL;
	maker->scalar = BN_bin2bn(seed.data, (int)seed.len, NULL);
	return maker->ctx && maker->point && maker->range && maker->scalar;
}

static bool scalar_and_point(struct maker *maker)
{
	const size_t size = maker->info->size;

	BN_set_flags(maker->scalar, BN_FLG_CONSTTIME);
	return BN_sub_word(maker->range, 1) == 1 &&
	       BN_mod(maker->scalar, maker->scalar, maker->range, maker->ctx) == 1 &&
	       BN_add_word(maker->scalar, 1) == 1 &&
	       BN_bn2nativepad(maker->scalar, maker->native, (int)size) == (int)size &&
	       EC_POINT_mul(maker->group, maker->point, maker->scalar, NULL, NULL, maker->ctx) ==
		       1 &&
	       EC_POINT_point2oct(maker->group, maker->point, POINT_CONVERSION_UNCOMPRESSED,
				  maker->public, 1 + 2 * size, maker->ctx) == 1 + 2 * size;
}

static EVP_PKEY *pair_of(struct maker *maker)
{
	const struct pkey_info *info = maker->info;
	CLEANUP(pkey_ctx_cleanup)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						 (char *)(uintptr_t)info->group, 0),
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, maker->native, info->size),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, maker->public,
						  1 + 2 * info->size),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *key = NULL;

	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	return key;
}

int pkey_from_seed(enum pkey_type type, struct slice seed, struct pkey **ret_pair, struct err *err)
{
	CLEANUP(maker_fini) struct maker maker = {.info = &pkey_infos[type]};
	EVP_PKEY *key;

	if (maker.info->is_rsa || seed.len != maker.info->size + EXTRA_SIZE)
		return err_set(err, ERR_INVALID, "no ECC key comes from so many bytes");
	if (!maker_init(&maker, seed) || !scalar_and_point(&maker))
		return ossl_fail(err, ERR_INTERNAL, "a key cannot be derived");
	key = pair_of(&maker);
	if (!key)
		return ossl_fail(err, ERR_INTERNAL, "a derived key is none");
	return pkey_adopt(key, true, ret_pair, err);
}
