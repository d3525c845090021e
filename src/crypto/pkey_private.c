/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private halves: making them, PKCS#8 and its PEM. What OpenSSL allocates on the way it wipes
 * when freeing (memory BIOs, key structures); what we keep is a struct secret.
 */

#include <limits.h>

#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "crypto/ossl.h"
#include "crypto/pkey_impl.h"

#define PKCS8_MAX      8192u
#define PKCS8_PEM_MAX  16384u
#define PASSPHRASE_MAX 1024u
/* About a second of HMAC-SHA-256: a file must not keep us busy for longer. */
#define PBKDF2_MAX_ITERATIONS 2000000u

static void encoder_cleanup(OSSL_ENCODER_CTX **ctx)
{
	OSSL_ENCODER_CTX_free(*ctx);
}

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio); /* a memory BIO wipes its bytes */
}

static void p8_cleanup(PKCS8_PRIV_KEY_INFO **p8)
{
	PKCS8_PRIV_KEY_INFO_free(*p8);
}

static void sig_cleanup(X509_SIG **sig)
{
	X509_SIG_free(*sig);
}

static void pbe2_cleanup(PBE2PARAM **pbe2)
{
	PBE2PARAM_free(*pbe2);
}

static void pbkdf2_cleanup(PBKDF2PARAM **pbkdf2)
{
	PBKDF2PARAM_free(*pbkdf2);
}

int pkey_generate(enum pkey_type type, struct pkey **ret_pkey, struct err *err)
{
	const struct pkey_info *info = &pkey_infos[type];
	EVP_PKEY *key;

	if (info->is_rsa)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", info->size * 8);
	else
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", info->group);
	if (!key)
		return ossl_fail(err, ERR_INTERNAL, "a key pair cannot be made");
	return pkey_adopt(key, true, ret_pkey, err);
}

static int need_private(const struct pkey *pkey, struct err *err)
{
	if (!pkey->has_private)
		return err_set(err, ERR_INVALID, "this key has no private half");
	return 0;
}

int pkey_to_pkcs8(const struct pkey *pkey, struct secret **ret_der, struct err *err)
{
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};
	CLEANUP(encoder_cleanup) OSSL_ENCODER_CTX *ctx = NULL;
	int r = need_private(pkey, err);

	if (r < 0)
		return r;
	ctx = OSSL_ENCODER_CTX_new_for_pkey(pkey->key, EVP_PKEY_KEYPAIR, "DER", "PrivateKeyInfo",
					    NULL);
	if (!ctx || OSSL_ENCODER_to_data(ctx, &der.data, &der.len) != 1)
		return ossl_fail(err, ERR_INTERNAL, "the private key cannot be encoded");
	return secret_copy(slice_of(der.data, der.len), ret_der, err);
}

/* Does OpenSSL's failure mean bad content, or a type that is not ours? */
static int p8_refused(const PKCS8_PRIV_KEY_INFO *p8, struct err *err)
{
	const ASN1_OBJECT *oid = NULL;
	int nid = NID_undef;

	if (PKCS8_pkey_get0(&oid, NULL, NULL, NULL, p8) == 1)
		nid = OBJ_obj2nid(oid);
	if (nid == NID_rsaEncryption || nid == NID_X9_62_id_ecPublicKey)
		return ossl_fail(err, ERR_INVALID, "the private key in the PKCS#8 is not readable");
	return ossl_fail(err, ERR_NOT_SUPPORTED, "keys must be EC or RSA");
}

static int pkey_from_p8(const PKCS8_PRIV_KEY_INFO *p8, struct pkey **ret_pkey, struct err *err)
{
	EVP_PKEY *key = EVP_PKCS82PKEY_ex(p8, NULL, NULL);

	if (!key)
		return p8_refused(p8, err);
	return pkey_adopt(key, true, ret_pkey, err);
}

static int p8_parse(struct slice der, PKCS8_PRIV_KEY_INFO **ret_p8, struct err *err)
{
	CLEANUP(p8_cleanup) PKCS8_PRIV_KEY_INFO *p8 = NULL;
	const uint8_t *at = der.data;

	if (der.len > 0 && der.len <= PKCS8_MAX)
		p8 = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
	if (!p8)
		return ossl_fail(err, ERR_INVALID, "not a private key in PKCS#8");
	if (at != der.data + der.len)
		return err_set(err, ERR_INVALID, "bytes are left over behind the private key");
	*ret_p8 = TAKE(p8);
	return 0;
}

int pkey_from_pkcs8(struct slice der, struct pkey **ret_pkey, struct err *err)
{
	CLEANUP(p8_cleanup) PKCS8_PRIV_KEY_INFO *p8 = NULL;
	int r = p8_parse(der, &p8, err);

	return r < 0 ? r : pkey_from_p8(p8, ret_pkey, err);
}

int pkey_to_pkcs8_pem(const struct pkey *pkey, const struct secret *passphrase, struct buf *ret_pem,
		      struct err *err)
{
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	struct slice pass = passphrase ? secret_slice(passphrase) : slice_of(NULL, 0);
	const EVP_CIPHER *cipher = passphrase ? EVP_aes_256_cbc() : NULL;
	int r = need_private(pkey, err);

	if (r < 0)
		return r;
	if (passphrase && (pass.len == 0 || pass.len > PASSPHRASE_MAX))
		return err_set(err, ERR_INVALID, "a passphrase must have 1 to %u bytes",
			       PASSPHRASE_MAX);
	bio = BIO_new(BIO_s_mem());
	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, pkey->key, cipher, (const char *)pass.data,
						  (int)pass.len, NULL, NULL) != 1)
		return ossl_fail(err, ERR_INTERNAL, "the private key cannot be encoded");
	ossl_bio_take(bio, ret_pem);
	if (!buf_ok(ret_pem))
		return err_set(err, ERR_INTERNAL, "no room for a private key");
	return 0;
}

/* The parameters of @alg, decoded, when it is the algorithm @nid; else NULL. */
static void *algor_params(const X509_ALGOR *alg, int nid, const ASN1_ITEM *item)
{
	const ASN1_OBJECT *oid = NULL;
	const void *value = NULL;
	int type = V_ASN1_UNDEF;

	X509_ALGOR_get0(&oid, &type, &value, alg);
	if (OBJ_obj2nid(oid) != nid || type != V_ASN1_SEQUENCE)
		return NULL;
	return ASN1_item_unpack(value, item);
}

/* The rounds that PBES2 asks for; 0 when it is something else, whose cost we cannot judge. */
static uint64_t pbes2_iterations(const X509_ALGOR *alg)
{
	CLEANUP(pbe2_cleanup) PBE2PARAM *pbe2 = NULL;
	CLEANUP(pbkdf2_cleanup) PBKDF2PARAM *pbkdf2 = NULL;
	uint64_t iterations = 0;

	pbe2 = algor_params(alg, NID_pbes2, ASN1_ITEM_rptr(PBE2PARAM));
	if (!pbe2)
		return 0;
	pbkdf2 = algor_params(pbe2->keyfunc, NID_id_pbkdf2, ASN1_ITEM_rptr(PBKDF2PARAM));
	if (!pbkdf2 || ASN1_INTEGER_get_uint64(&iterations, pbkdf2->iter) != 1)
		return 0;
	return iterations;
}

/* "ENCRYPTED PRIVATE KEY" to the PKCS#8 inside. */
static int p8_decrypt(struct slice der, const struct secret *passphrase,
		      PKCS8_PRIV_KEY_INFO **ret_p8, struct err *err)
{
	CLEANUP(sig_cleanup) X509_SIG *sig = NULL;
	PKCS8_PRIV_KEY_INFO *p8;
	const X509_ALGOR *alg = NULL;
	const uint8_t *at = der.data;
	uint64_t iterations;
	struct slice pass;

	sig = d2i_X509_SIG(NULL, &at, (long)der.len);
	if (!sig || at != der.data + der.len)
		return ossl_fail(err, ERR_INVALID, "not an encrypted private key in PKCS#8");
	X509_SIG_get0(sig, &alg, NULL);
	iterations = pbes2_iterations(alg);
	if (iterations == 0 || iterations > PBKDF2_MAX_ITERATIONS)
		return ossl_fail(err, ERR_NOT_SUPPORTED,
				 "the key must be encrypted by PBES2 with PBKDF2 of at most "
				 "2000000 iterations");
	if (!passphrase || secret_size(passphrase) == 0 || secret_size(passphrase) > PASSPHRASE_MAX)
		return err_set(err, ERR_AUTH_FAILED, "the private key needs a passphrase");
	pass = secret_slice(passphrase);
	p8 = PKCS8_decrypt(sig, (const char *)pass.data, (int)pass.len);
	if (!p8)
		return ossl_fail(err, ERR_AUTH_FAILED, "the passphrase does not fit");
	*ret_p8 = p8;
	return 0;
}

/* Halves that do not belong together would sign what nobody can verify. */
static int check_halves(const struct pkey *pkey, struct err *err)
{
	CLEANUP(pkey_ctx_cleanup)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey->key, NULL);

	if (!ctx || EVP_PKEY_pairwise_check(ctx) != 1)
		return ossl_fail(err, ERR_INVALID,
				 "the private key and its public half do not belong together");
	return 0;
}

int pkey_from_pkcs8_pem(struct slice pem, const struct secret *passphrase, struct pkey **ret_pkey,
			struct err *err)
{
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};
	CLEANUP(p8_cleanup) PKCS8_PRIV_KEY_INFO *p8 = NULL;
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	int r;

	if (pem.len > PKCS8_PEM_MAX)
		return err_set(err, ERR_INVALID, "no PEM of a private key is that long");
	if (ossl_pem_find(pem, PEM_STRING_PKCS8INF, &der))
		r = p8_parse(slice_of(der.data, der.len), &p8, err);
	else if (ossl_pem_find(pem, PEM_STRING_PKCS8, &der))
		r = p8_decrypt(slice_of(der.data, der.len), passphrase, &p8, err);
	else
		r = err_set(err, ERR_INVALID,
			    "the text holds no PRIVATE KEY in PEM (PKCS#8; older forms are "
			    "converted by: openssl pkcs8 -topk8)");
	if (r == 0)
		r = pkey_from_p8(p8, &pkey, err);
	if (r == 0)
		r = check_halves(pkey, err);
	if (r == 0)
		*ret_pkey = TAKE(pkey);
	return r;
}

int pkey_from_ec_pem(struct slice pem, struct pkey **ret_pkey, struct err *err)
{
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	const uint8_t *at;
	EVP_PKEY *key;
	int r;

	if (pem.len > PKCS8_PEM_MAX || !ossl_pem_find(pem, PEM_STRING_ECPRIVATEKEY, &der))
		return err_set(err, ERR_INVALID, "the text holds no EC PRIVATE KEY in PEM");
	at = der.data;
	key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, (long)der.len);
	if (!key)
		return ossl_fail(err, ERR_INVALID, "not a private key of an elliptic curve");
	r = pkey_adopt(key, true, &pkey, err);
	if (r == 0 && at != der.data + der.len)
		r = err_set(err, ERR_INVALID, "bytes are left over behind the private key");
	if (r == 0)
		r = check_halves(pkey, err);
	if (r == 0)
		*ret_pkey = TAKE(pkey);
	return r;
}
