/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public halves. However a key comes in, it passes pkey_adopt(), which lets through the four
 * types of the API and nothing unsound, and gives it one form for going out again.
 */

#include "crypto/pkey.h"

#include <limits.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto/ossl.h"
#include "crypto/pkey_impl.h"

#define PKEY_SPKI_MAX	  2048u
#define PKEY_PEM_MAX	  16384u
#define PKEY_FIELD_MAX	  48u
#define PKEY_RSA_MAX	  384u
#define PKEY_DEFAULT_RSAE 65537u

const struct pkey_info pkey_infos[PKEY_TYPES] = {
	[PKEY_ECC_P256] = {.name = "ecc-p256", .group = "P-256", .size = 32},
	[PKEY_ECC_P384] = {.name = "ecc-p384", .group = "P-384", .size = 48},
	[PKEY_RSA_2048] = {.name = "rsa-2048", .is_rsa = true, .size = 256},
	[PKEY_RSA_3072] = {.name = "rsa-3072", .is_rsa = true, .size = 384},
};

/* What EVP_PKEY_get_group_name() may say of our curves. */
static const struct {
	const char *group;
	enum pkey_type type;
} groups[] = {
	{"prime256v1", PKEY_ECC_P256},
	{"P-256", PKEY_ECC_P256},
	{"secp384r1", PKEY_ECC_P384},
	{"P-384", PKEY_ECC_P384},
};

static const char *const schemes[PKEY_SCHEMES] = {
	[PKEY_ECDSA] = "ecdsa",
	[PKEY_RSASSA] = "rsassa",
	[PKEY_RSAPSS] = "rsapss",
};

static void evp_pkey_cleanup(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void bn_cleanup(BIGNUM **bn)
{
	BN_free(*bn);
}

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio);
}

static void param_bld_cleanup(OSSL_PARAM_BLD **bld)
{
	OSSL_PARAM_BLD_free(*bld);
}

static void params_cleanup(OSSL_PARAM **params)
{
	OSSL_PARAM_free(*params);
}

void pkey_ctx_cleanup(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
}

int pkey_type_of_name(const char *name, enum pkey_type *ret_type, struct err *err)
{
	for (unsigned i = 0; i < PKEY_TYPES; i++) {
		if (strcmp(name, pkey_infos[i].name) == 0) {
			*ret_type = (enum pkey_type)i;
			return 0;
		}
	}
	return err_set(err, ERR_NOT_SUPPORTED,
		       "unknown type of key; known are ecc-p256, ecc-p384, rsa-2048, rsa-3072");
}

const char *pkey_type_name(enum pkey_type type)
{
	return pkey_infos[type].name;
}

bool pkey_type_is_rsa(enum pkey_type type)
{
	return pkey_infos[type].is_rsa;
}

int pkey_scheme_of_name(const char *name, enum pkey_scheme *ret_scheme, struct err *err)
{
	for (unsigned i = 0; i < PKEY_SCHEMES; i++) {
		if (strcmp(name, schemes[i]) == 0) {
			*ret_scheme = (enum pkey_scheme)i;
			return 0;
		}
	}
	return err_set(err, ERR_NOT_SUPPORTED, "unknown scheme; known are ecdsa, rsassa, rsapss");
}

const char *pkey_scheme_name(enum pkey_scheme scheme)
{
	return schemes[scheme];
}

enum pkey_type pkey_type(const struct pkey *pkey)
{
	return pkey->type;
}

void pkey_free(struct pkey *pkey)
{
	if (!pkey)
		return;
	EVP_PKEY_free(pkey->key); /* wipes a private half */
	free(pkey);
}

static int type_unknown(struct err *err)
{
	return ossl_fail(err, ERR_NOT_SUPPORTED,
			 "keys must be EC on P-256 or P-384, or RSA with 2048 or 3072 bits");
}

static int type_of_ecc(const EVP_PKEY *key, enum pkey_type *ret_type, struct err *err)
{
	char group[32] = "";
	char encoding[32] = OSSL_PKEY_EC_ENCODING_GROUP;

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return type_unknown(err);
	(void)EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, encoding,
					     sizeof(encoding), NULL);
	if (strcmp(encoding, OSSL_PKEY_EC_ENCODING_GROUP) != 0)
		return err_set(err, ERR_NOT_SUPPORTED, "the curve must be given by its name");
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		if (strcmp(group, groups[i].group) == 0) {
			*ret_type = groups[i].type;
			return 0;
		}
	}
	return type_unknown(err);
}

static int type_of_rsa(const EVP_PKEY *key, enum pkey_type *ret_type, struct err *err)
{
	for (unsigned i = 0; i < PKEY_TYPES; i++) {
		if (pkey_infos[i].is_rsa &&
		    EVP_PKEY_get_bits(key) == (int)(pkey_infos[i].size * 8)) {
			*ret_type = (enum pkey_type)i;
			return 0;
		}
	}
	return type_unknown(err);
}

static int type_of(const EVP_PKEY *key, enum pkey_type *ret_type, struct err *err)
{
	if (EVP_PKEY_is_a(key, "EC"))
		return type_of_ecc(key, ret_type, err);
	if (EVP_PKEY_is_a(key, "RSA"))
		return type_of_rsa(key, ret_type, err);
	return type_unknown(err);
}

/* On the curve, not at infinity. Points go out uncompressed, whatever way they came. */
static int sound_ecc(EVP_PKEY *key, struct err *err)
{
	CLEANUP(pkey_ctx_cleanup) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

	if (!ctx || EVP_PKEY_public_check_quick(ctx) != 1)
		return ossl_fail(err, ERR_INVALID, "the public key is no point on its curve");
	if (EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
					   OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED) != 1)
		return ossl_fail(err, ERR_INTERNAL, "the key's form cannot be set");
	return 0;
}

/* An even modulus or exponent is no RSA. */
static int sound_rsa(const EVP_PKEY *key, struct err *err)
{
	CLEANUP(bn_cleanup) BIGNUM *n = NULL;
	CLEANUP(bn_cleanup) BIGNUM *e = NULL;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
	    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return ossl_fail(err, ERR_INVALID, "the RSA key is not complete");
	if (!BN_is_odd(n))
		return err_set(err, ERR_INVALID, "the RSA modulus is even");
	if (!BN_is_odd(e) || BN_is_one(e))
		return err_set(err, ERR_INVALID, "the RSA exponent must be odd and 3 or more");
	/* Sound, but no TPM knows such (Part 2, 12.2.3.5). */
	if (BN_num_bits(e) > 32)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "the RSA key's public exponent has %d bits; at most 32 are served",
			       BN_num_bits(e));
	return 0;
}

int pkey_adopt(EVP_PKEY *key, bool has_private, struct pkey **ret_pkey, struct err *err)
{
	CLEANUP(evp_pkey_cleanup) EVP_PKEY *owned = key;
	enum pkey_type type = PKEY_TYPES;
	struct pkey *pkey;
	int r = type_of(owned, &type, err);

	if (r == 0)
		r = pkey_infos[type].is_rsa ? sound_rsa(owned, err) : sound_ecc(owned, err);
	if (r < 0)
		return r;
	pkey = calloc(1, sizeof(*pkey));
	if (!pkey)
		return err_set(err, ERR_INTERNAL, "out of memory");
	*pkey = (struct pkey){.key = TAKE(owned), .type = type, .has_private = has_private};
	*ret_pkey = pkey;
	return 0;
}

/* From public parameters to a key; consumes nothing. */
static int pkey_build(const char *algorithm, OSSL_PARAM *params, struct pkey **ret_pkey,
		      struct err *err)
{
	CLEANUP(pkey_ctx_cleanup)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1)
		return ossl_fail(err, ERR_INTERNAL, "public keys cannot be set up");
	if (EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return ossl_fail(err, ERR_INVALID, "the numbers make no public key");
	return pkey_adopt(key, false, ret_pkey, err);
}

/* @number to the right of @size bytes; false when it is empty or larger. */
static bool pad_left(struct slice number, uint8_t *out, size_t size)
{
	if (number.len == 0 || number.len > size)
		return false;
	for (size_t i = 0; i < size - number.len; i++)
		out[i] = 0;
	memcpy(out + size - number.len, number.data, number.len);
	return true;
}

int pkey_from_ecc(enum pkey_type type, struct slice x, struct slice y, struct pkey **ret_pkey,
		  struct err *err)
{
	uint8_t point[1 + 2 * PKEY_FIELD_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
	const struct pkey_info *info = &pkey_infos[type];
	OSSL_PARAM params[3];
	char group[16];

	if (info->is_rsa)
		return err_set(err, ERR_INVALID, "an RSA key has no coordinates");
	if (!pad_left(x, point + 1, info->size) || !pad_left(y, point + 1 + info->size, info->size))
		return err_set(err, ERR_INVALID, "a coordinate must have 1 to %zu bytes",
			       info->size);
	memcpy(group, info->group, strlen(info->group) + 1);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
						      1 + 2 * info->size);
	params[2] = OSSL_PARAM_construct_end();
	return pkey_build("EC", params, ret_pkey, err);
}

int pkey_from_rsa(struct slice modulus, uint32_t exponent, struct pkey **ret_pkey, struct err *err)
{
	CLEANUP(param_bld_cleanup) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	CLEANUP(params_cleanup) OSSL_PARAM *params = NULL;
	CLEANUP(bn_cleanup) BIGNUM *n = NULL;

	/* A TPM's public area says 0 for the default (Part 2, 12.2.3.5). */
	if (exponent == 0)
		exponent = PKEY_DEFAULT_RSAE;
	if (modulus.len == 0 || modulus.len > PKEY_RSA_MAX)
		return err_set(err, ERR_INVALID, "an RSA modulus must have 2048 or 3072 bits");
	n = BN_bin2bn(modulus.data, (int)modulus.len, NULL);
	if (!bld || !n || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_uint32(bld, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
		return ossl_fail(err, ERR_INTERNAL, "public keys cannot be set up");
	params = OSSL_PARAM_BLD_to_param(bld);
	if (!params)
		return ossl_fail(err, ERR_INTERNAL, "public keys cannot be set up");
	return pkey_build("RSA", params, ret_pkey, err);
}

int pkey_from_spki(struct slice der, struct pkey **ret_pkey, struct err *err)
{
	const uint8_t *at = der.data;
	EVP_PKEY *key;

	if (der.len == 0 || der.len > PKEY_SPKI_MAX)
		return err_set(err, ERR_INVALID, "no SubjectPublicKeyInfo is that long");
	key = d2i_PUBKEY_ex(NULL, &at, (long)der.len, NULL, NULL);
	if (!key)
		return ossl_fail(err, ERR_INVALID, "not a SubjectPublicKeyInfo that we can read");
	if (at != der.data + der.len) {
		EVP_PKEY_free(key);
		return err_set(err, ERR_INVALID, "bytes are left over behind the public key");
	}
	return pkey_adopt(key, false, ret_pkey, err);
}

int pkey_to_spki(const struct pkey *pkey, struct buf *ret_der, struct err *err)
{
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};
	int len = i2d_PUBKEY(pkey->key, &der.data);

	if (len <= 0)
		return ossl_fail(err, ERR_INTERNAL, "the public key cannot be encoded");
	der.len = (size_t)len;
	buf_put(ret_der, slice_of(der.data, der.len));
	if (!buf_ok(ret_der))
		return err_set(err, ERR_INTERNAL, "no room for a public key");
	return 0;
}

int pkey_from_pem(struct slice pem, struct pkey **ret_pkey, struct err *err)
{
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};

	if (pem.len > PKEY_PEM_MAX || !ossl_pem_find(pem, PEM_STRING_PUBLIC, &der))
		return err_set(err, ERR_INVALID, "the text holds no PUBLIC KEY in PEM");
	return pkey_from_spki(slice_of(der.data, der.len), ret_pkey, err);
}

int pkey_to_pem(const struct pkey *pkey, struct buf *ret_pem, struct err *err)
{
	CLEANUP(bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || PEM_write_bio_PUBKEY(bio, pkey->key) != 1)
		return ossl_fail(err, ERR_INTERNAL, "the public key cannot be encoded");
	ossl_bio_take(bio, ret_pem);
	if (!buf_ok(ret_pem))
		return err_set(err, ERR_INTERNAL, "no room for a public key");
	return 0;
}
