/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures over digests, both ways, and the two spellings of an ECDSA signature. */

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "crypto/ossl.h"
#include "crypto/pkey_impl.h"

#define SIGNATURE_MAX 512u
#define ECDSA_DER_MAX 128u
#define RAW_MAX	      96u

/* How OpenSSL names a padding; both NULL for ECDSA. */
struct padding {
	const char *mode;
	const char *salt_made;	  /* TPMs make salts as long as the digest */
	const char *salt_checked; /* but a reader takes any */
};

static const struct padding paddings[PKEY_SCHEMES] = {
	[PKEY_RSASSA] = {.mode = OSSL_PKEY_RSA_PAD_MODE_PKCSV15},
	[PKEY_RSAPSS] = {.mode = OSSL_PKEY_RSA_PAD_MODE_PSS,
			 .salt_made = OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST,
			 .salt_checked = OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO},
};

static void ecdsa_sig_cleanup(ECDSA_SIG **sig)
{
	ECDSA_SIG_free(*sig);
}

static void bn_cleanup(BIGNUM **bn)
{
	BN_free(*bn);
}

static int check_fit(const struct pkey *pkey, enum pkey_scheme scheme, enum hash_alg alg,
		     struct slice digest, struct err *err)
{
	if (pkey_infos[pkey->type].is_rsa != (scheme != PKEY_ECDSA))
		return err_set(err, ERR_INVALID, "a key of type %s does not sign by %s",
			       pkey_type_name(pkey->type), pkey_scheme_name(scheme));
	if (alg == HASH_SHA1)
		return err_set(err, ERR_INVALID, "signatures over SHA-1 are not made or taken");
	if (digest.len != hash_size(alg))
		return err_set(err, ERR_INVALID, "a digest by %s must have %zu bytes",
			       hash_name(alg), hash_size(alg));
	return 0;
}

/* OSSL_PARAM wants char *, but reads only. */
static OSSL_PARAM text_param(const char *key, const char *text)
{
	return OSSL_PARAM_construct_utf8_string(key, (char *)(uintptr_t)text, 0);
}

static void sign_params(enum pkey_scheme scheme, enum hash_alg alg, const char *salt,
			OSSL_PARAM params[4])
{
	size_t n = 0;

	params[n++] = text_param(OSSL_SIGNATURE_PARAM_DIGEST, ossl_md_name(alg));
	if (paddings[scheme].mode)
		params[n++] = text_param(OSSL_SIGNATURE_PARAM_PAD_MODE, paddings[scheme].mode);
	if (salt)
		params[n++] = text_param(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, salt);
	params[n] = OSSL_PARAM_construct_end();
}

int pkey_sign(const struct pkey *pkey, enum pkey_scheme scheme, enum hash_alg alg,
	      struct slice digest, struct buf *ret_signature, struct err *err)
{
	CLEANUP(pkey_ctx_cleanup) EVP_PKEY_CTX *ctx = NULL;
	uint8_t signature[SIGNATURE_MAX];
	size_t len = sizeof(signature);
	OSSL_PARAM params[4];
	int r = check_fit(pkey, scheme, alg, digest, err);

	if (r < 0)
		return r;
	if (!pkey->has_private)
		return err_set(err, ERR_INVALID, "this key has no private half");
	sign_params(scheme, alg, paddings[scheme].salt_made, params);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey->key, NULL);
	if (!ctx || EVP_PKEY_sign_init_ex(ctx, params) != 1 ||
	    EVP_PKEY_sign(ctx, signature, &len, digest.data, digest.len) != 1)
		return ossl_fail(err, ERR_INTERNAL, "the signature cannot be made");
	buf_put(ret_signature, slice_of(signature, len));
	if (!buf_ok(ret_signature))
		return err_set(err, ERR_INTERNAL, "no room for a signature");
	return 0;
}

int pkey_verify(const struct pkey *pkey, enum pkey_scheme scheme, enum hash_alg alg,
		struct slice digest, struct slice signature, struct err *err)
{
	CLEANUP(pkey_ctx_cleanup) EVP_PKEY_CTX *ctx = NULL;
	OSSL_PARAM params[4];
	int r = check_fit(pkey, scheme, alg, digest, err);

	if (r < 0)
		return r;
	sign_params(scheme, alg, paddings[scheme].salt_checked, params);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey->key, NULL);
	if (!ctx || EVP_PKEY_verify_init_ex(ctx, params) != 1)
		return ossl_fail(err, ERR_INTERNAL, "signatures cannot be checked");
	if (EVP_PKEY_verify(ctx, signature.data, signature.len, digest.data, digest.len) != 1)
		return ossl_fail(err, ERR_DAMAGED, "the signature does not fit");
	return 0;
}

/* 1 to the field's size in bytes, not zero. */
static BIGNUM *ecdsa_number(enum pkey_type type, struct slice bytes)
{
	BIGNUM *bn;

	if (bytes.len == 0 || bytes.len > pkey_infos[type].size)
		return NULL;
	bn = BN_bin2bn(bytes.data, (int)bytes.len, NULL);
	if (bn && BN_is_zero(bn)) {
		BN_free(bn);
		return NULL;
	}
	return bn;
}

int pkey_ecdsa_der(enum pkey_type type, struct slice r, struct slice s, struct buf *ret_der,
		   struct err *err)
{
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};
	CLEANUP(ecdsa_sig_cleanup) ECDSA_SIG *sig = ECDSA_SIG_new();
	CLEANUP(bn_cleanup) BIGNUM *bn_r = NULL;
	CLEANUP(bn_cleanup) BIGNUM *bn_s = NULL;
	int len;

	if (pkey_infos[type].is_rsa)
		return err_set(err, ERR_INVALID, "an RSA key makes no ECDSA signature");
	bn_r = ecdsa_number(type, r);
	bn_s = ecdsa_number(type, s);
	if (!sig || !bn_r || !bn_s)
		return ossl_fail(err, ERR_INVALID, "not an ECDSA signature of this curve");
	ECDSA_SIG_set0(sig, TAKE(bn_r), TAKE(bn_s));
	len = i2d_ECDSA_SIG(sig, &der.data);
	if (len <= 0)
		return ossl_fail(err, ERR_INTERNAL, "the signature cannot be encoded");
	der.len = (size_t)len;
	buf_put(ret_der, slice_of(der.data, der.len));
	if (!buf_ok(ret_der))
		return err_set(err, ERR_INTERNAL, "no room for a signature");
	return 0;
}

int pkey_ecdsa_raw(enum pkey_type type, struct slice der, struct buf *ret_raw, struct err *err)
{
	CLEANUP(ecdsa_sig_cleanup) ECDSA_SIG *sig = NULL;
	const size_t size = pkey_infos[type].size;
	const uint8_t *at = der.data;
	uint8_t raw[RAW_MAX];

	if (pkey_infos[type].is_rsa)
		return err_set(err, ERR_INVALID, "an RSA key makes no ECDSA signature");
	if (der.len > 0 && der.len <= ECDSA_DER_MAX)
		sig = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
	if (!sig || at != der.data + der.len ||
	    BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, (int)size) < 0 ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + size, (int)size) < 0)
		return ossl_fail(err, ERR_INVALID, "not an ECDSA signature of this curve");
	buf_put(ret_raw, slice_of(raw, 2 * size));
	if (!buf_ok(ret_raw))
		return err_set(err, ERR_INTERNAL, "no room for a signature");
	return 0;
}
