/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signature over the content and the way to an anchor are looked at one after the other, so
 * that "changed" and "signed by somebody else" are different answers.
 */

#include "crypto/cms.h"

#include <limits.h>

#include <openssl/cms.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/certificate_impl.h"
#include "crypto/ossl.h"
#include "crypto/pkey_impl.h"
#include "crypto/x509.h"

/* Of OpenSSL's levels: 112 bits, so no SHA-1 and no RSA under 2048 in the chain either. */
#define CHAIN_LEVEL 2

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio);
}

static void info_cleanup(CMS_ContentInfo **info)
{
	CMS_ContentInfo_free(*info);
}

static void certs_cleanup(STACK_OF(X509) * *certs)
{
	sk_X509_pop_free(*certs, X509_free);
}

static void list_cleanup(STACK_OF(X509) * *list)
{
	sk_X509_free(*list);
}

static void store_cleanup(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static void store_ctx_cleanup(X509_STORE_CTX **ctx)
{
	X509_STORE_CTX_free(*ctx);
}

static int short_of_memory(struct err *err)
{
	return ossl_fail(err, ERR_INTERNAL, "memory is short");
}

/* DER certificates one after the other. */
static int certs_parse(struct slice der, STACK_OF(X509) * *ret_certs, struct err *err)
{
	CLEANUP(certs_cleanup) STACK_OF(X509) *certs = sk_X509_new_null();

	if (!certs)
		return short_of_memory(err);
	while (der.len > 0 && sk_X509_num(certs) < (int)X509_CHAIN_MAX) {
		CLEANUP(certificate_cleanup) X509 *x509 = NULL;
		size_t len = certificate_len(der);

		if (len == 0 || certificate_parse(slice_of(der.data, len), &x509, err) < 0)
			break;
		if (sk_X509_push(certs, x509) <= 0)
			return short_of_memory(err);
		x509 = NULL;
		der = slice_of(der.data + len, der.len - len);
	}
	if (der.len > 0 || sk_X509_num(certs) == 0)
		return err_set(err, ERR_INVALID, "these are not 1 to %u certificates",
			       X509_CHAIN_MAX);
	*ret_certs = TAKE(certs);
	return 0;
}

static int content_bio(struct slice content, BIO **ret_bio, struct err *err)
{
	if (content.len > INT_MAX)
		return err_set(err, ERR_TOO_LARGE, "too much to sign in one piece");
	*ret_bio = BIO_new_mem_buf(content.len ? (const void *)content.data : "", (int)content.len);
	return *ret_bio ? 0 : short_of_memory(err);
}

static bool digest_is_good(CMS_SignerInfo *signer)
{
	static const int good[] = {NID_sha256, NID_sha384, NID_sha512};
	X509_ALGOR *digest = NULL;
	const ASN1_OBJECT *oid = NULL;

	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &digest, NULL);
	X509_ALGOR_get0(&oid, NULL, NULL, digest);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (OBJ_obj2nid(oid) == good[i])
			return true;
	return false;
}

/* SignedData without content, of one signer. */
static int signature_parse(struct slice der, CMS_ContentInfo **ret_info, struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	STACK_OF(CMS_SignerInfo) *signers = NULL;
	const uint8_t *at = der.data;

	if (der.len > 0 && der.len <= CMS_MAX)
		info = d2i_CMS_ContentInfo(NULL, &at, (long)der.len);
	if (!info || at != der.data + der.len ||
	    OBJ_obj2nid(CMS_get0_type(info)) != NID_pkcs7_signed || CMS_is_detached(info) != 1)
		return ossl_fail(err, ERR_DAMAGED, "these bytes are no detached signature");
	signers = CMS_get0_SignerInfos(info);
	if (sk_CMS_SignerInfo_num(signers) != 1 ||
	    !digest_is_good(sk_CMS_SignerInfo_value(signers, 0)))
		return ossl_fail(err, ERR_DAMAGED, "the signature is not one over SHA-2");
	*ret_info = TAKE(info);
	return 0;
}

static int check_content(CMS_ContentInfo *info, struct slice content, unsigned flags,
			 struct err *err)
{
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	int r = content_bio(content, &bio, err);

	if (r < 0)
		return r;
	flags |= CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
	if (CMS_verify(info, NULL, NULL, bio, NULL, flags) != 1)
		return ossl_fail(err, ERR_DAMAGED, "the signature is not one of this content");
	return 0;
}

/* Named outright; "any usage" is none. */
static bool has_usage(X509 *x509, const char *usage)
{
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(x509, NID_ext_key_usage, NULL, NULL);
	ASN1_OBJECT *wanted = OBJ_txt2obj(usage, 1);
	bool found = false;

	for (int i = 0; wanted && i < sk_ASN1_OBJECT_num(usages); i++)
		found = found || OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), wanted) == 0;
	ASN1_OBJECT_free(wanted);
	EXTENDED_KEY_USAGE_free(usages);
	return found && (X509_get_key_usage(x509) & KU_DIGITAL_SIGNATURE);
}

static int trust_store(const struct cms_trust *trust, X509_STORE **ret_store, struct err *err)
{
	CLEANUP(certs_cleanup) STACK_OF(X509) *anchors = NULL;
	CLEANUP(store_cleanup) X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *param = store ? X509_STORE_get0_param(store) : NULL;
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
	int r = param ? certs_parse(trust->anchors, &anchors, err) : short_of_memory(err);

	if (r < 0)
		return r;
	for (int i = 0; i < sk_X509_num(anchors); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(anchors, i)) != 1)
			return short_of_memory(err);
	X509_VERIFY_PARAM_set_auth_level(param, CHAIN_LEVEL);
	if (trust->at == CMS_ANY_TIME)
		flags |= X509_V_FLAG_NO_CHECK_TIME;
	else
		X509_VERIFY_PARAM_set_time(param, (time_t)trust->at);
	if (X509_VERIFY_PARAM_set_flags(param, flags) != 1)
		return short_of_memory(err);
	*ret_store = TAKE(store);
	return 0;
}

static int check_chain(X509 *signer, STACK_OF(X509) * others, X509_STORE *store, struct err *err)
{
	CLEANUP(store_ctx_cleanup) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (!ctx || X509_STORE_CTX_init(ctx, store, signer, others) != 1)
		return short_of_memory(err);
	if (X509_verify_cert(ctx) == 1)
		return 0;
	(void)ossl_take_error();
	return err_set(err, ERR_FORBIDDEN, "the signer is not trusted: %s",
		       X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
}

static int check_signer(CMS_ContentInfo *info, const struct cms_trust *trust, X509_STORE *store,
			struct err *err)
{
	CLEANUP(list_cleanup) STACK_OF(X509) *signers = CMS_get0_signers(info);
	CLEANUP(certs_cleanup) STACK_OF(X509) *others = CMS_get1_certs(info);
	X509 *signer = signers ? sk_X509_value(signers, 0) : NULL;

	if (!signer)
		return ossl_fail(err, ERR_DAMAGED, "the signature lacks its certificate");
	if (!has_usage(signer, trust->usage))
		return err_set(err, ERR_FORBIDDEN,
			       "the signer's certificate is not for such signatures");
	return check_chain(signer, others, store, err);
}

static int verify(struct slice signature, struct slice content, unsigned flags,
		  const struct cms_trust *trust, struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	CLEANUP(store_cleanup) X509_STORE *store = NULL;
	int r = trust_store(trust, &store, err);

	if (r == 0)
		r = signature_parse(signature, &info, err);
	if (r == 0)
		r = check_content(info, content, flags, err);
	if (r == 0)
		r = check_signer(info, trust, store, err);
	return r;
}

int cms_verify(struct slice signature, struct slice content, const struct cms_trust *trust,
	       struct err *err)
{
	return verify(signature, content, 0, trust, err);
}

int cms_verify_signer(struct slice signature, const struct cms_trust *trust, struct err *err)
{
	return verify(signature, slice_of(NULL, 0), CMS_NO_CONTENT_VERIFY, trust, err);
}

int cms_signer(struct slice signature, struct buf *ret_der, struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	CLEANUP(list_cleanup) STACK_OF(X509) *signers = NULL;
	uint8_t *der = NULL;
	int len, r = signature_parse(signature, &info, err);

	if (r < 0)
		return r;
	if (CMS_set1_signers_certs(info, NULL, 0) == 1)
		signers = CMS_get0_signers(info);
	if (!signers)
		return ossl_fail(err, ERR_DAMAGED, "the signature lacks its certificate");
	len = i2d_X509(sk_X509_value(signers, 0), &der);
	if (len <= 0)
		return ossl_fail(err, ERR_DAMAGED, "the signer's certificate is none");
	buf_put(ret_der, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_ok(ret_der) ? 0 : err_set(err, ERR_TOO_LARGE, "no room for a certificate");
}

static int sign(const struct pkey *key, STACK_OF(X509) * certs, BIO *content,
		CMS_ContentInfo **ret_info, struct err *err)
{
	const unsigned flags = CMS_DETACHED | CMS_BINARY | CMS_NOSMIMECAP;
	CLEANUP(info_cleanup)
	CMS_ContentInfo *info = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
	X509 *own = sk_X509_value(certs, 0);

	if (X509_check_private_key(own, key->key) != 1)
		return ossl_fail(err, ERR_INVALID, "the certificate is not this key's");
	for (int i = 1; info && i < sk_X509_num(certs); i++)
		if (CMS_add1_cert(info, sk_X509_value(certs, i)) != 1)
			return ossl_fail(err, ERR_INVALID, "a certificate stands there twice");
	if (!info || !CMS_add1_signer(info, own, key->key, ossl_md(HASH_SHA256), flags) ||
	    CMS_final(info, content, NULL, flags) != 1)
		return ossl_fail(err, ERR_INTERNAL, "the signature cannot be made");
	*ret_info = TAKE(info);
	return 0;
}

int cms_sign(const struct pkey *key, struct slice chain, struct slice content,
	     struct buf *ret_signature, struct err *err)
{
	CLEANUP(certs_cleanup) STACK_OF(X509) *certs = NULL;
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	uint8_t *der = NULL;
	int len, r = certs_parse(chain, &certs, err);

	if (r == 0)
		r = content_bio(content, &bio, err);
	if (r == 0)
		r = sign(key, certs, bio, &info, err);
	if (r < 0)
		return r;
	len = i2d_CMS_ContentInfo(info, &der);
	if (len <= 0)
		return ossl_fail(err, ERR_INTERNAL, "the signature cannot be encoded");
	buf_put(ret_signature, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_ok(ret_signature) ? 0 : err_set(err, ERR_TOO_LARGE, "no room for a signature");
}
