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
#include "crypto/trust_impl.h"
#include "crypto/x509.h"

static void bio_cleanup(BIO **bio)
{
	BIO_free_all(*bio);
}

static void info_cleanup(CMS_ContentInfo **info)
{
	CMS_ContentInfo_free(*info);
}

static void list_cleanup(STACK_OF(X509) * *list)
{
	sk_X509_free(*list);
}

static int short_of_memory(struct err *err)
{
	return ossl_fail(err, ERR_INTERNAL, "memory is short");
}

/*
 * Of a BIO that is memory itself CMS_verify() makes another one, and loses that where the message
 * names a digest that it does not have (OpenSSL 3.0); so the memory lies behind one that passes it
 * on.
 */
static int content_bio(struct slice content, BIO **ret_bio, struct err *err)
{
	CLEANUP(bio_cleanup) BIO *filter = NULL;
	BIO *memory;

	if (content.len > INT_MAX)
		return err_set(err, ERR_TOO_LARGE, "too much to sign in one piece");
	filter = BIO_new(BIO_f_null());
	memory = BIO_new_mem_buf(content.len ? (const void *)content.data : "", (int)content.len);
	if (!filter || !memory) {
		BIO_free(memory);
		return short_of_memory(err);
	}
	*ret_bio = BIO_push(TAKE(filter), memory);
	return 0;
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

static bool has_form(CMS_ContentInfo *info, bool whole)
{
	return OBJ_obj2nid(CMS_get0_type(info)) == NID_pkcs7_signed &&
	       OBJ_obj2nid(CMS_get0_eContentType(info)) == NID_pkcs7_data &&
	       CMS_is_detached(info) == (whole ? 0 : 1);
}

/* OpenSSL reads BER; others need not, so one file would be good here and bad there. */
static bool is_der(CMS_ContentInfo *info, struct slice bytes)
{
	uint8_t *der = NULL;
	int len = i2d_CMS_ContentInfo(info, &der);
	bool same = len > 0 && slice_equal(slice_of(der, (size_t)len), bytes);

	OPENSSL_free(der);
	return same;
}

/* SignedData of one signer, with its content inside or without any. */
static int signed_parse(struct slice der, bool whole, CMS_ContentInfo **ret_info, struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	STACK_OF(CMS_SignerInfo) *signers = NULL;
	const uint8_t *at = der.data;

	if (der.len > 0 && der.len <= (whole ? CMS_WHOLE_MAX : CMS_MAX))
		info = d2i_CMS_ContentInfo(NULL, &at, (long)der.len);
	if (!info || at != der.data + der.len || !has_form(info, whole) || !is_der(info, der))
		return ossl_fail(err, ERR_DAMAGED,
				 whole ? "these bytes are no signature with content"
				       : "these bytes are no detached signature");
	signers = CMS_get0_SignerInfos(info);
	if (sk_CMS_SignerInfo_num(signers) != 1 ||
	    !digest_is_good(sk_CMS_SignerInfo_value(signers, 0)))
		return ossl_fail(err, ERR_DAMAGED, "the signature is not one over SHA-2");
	*ret_info = TAKE(info);
	return 0;
}

/* @content is NULL where it is inside. */
static int check_content(CMS_ContentInfo *info, const struct slice *content, unsigned flags,
			 struct err *err)
{
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	int r = content ? content_bio(*content, &bio, err) : 0;

	if (r < 0)
		return r;
	flags |= CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
	if (CMS_verify(info, NULL, NULL, bio, NULL, flags) != 1)
		return ossl_fail(err, ERR_DAMAGED, "the signature is not one of this content");
	return 0;
}

static int check_signer(CMS_ContentInfo *info, const struct cms_trust *trust, X509_STORE *store,
			struct err *err)
{
	CLEANUP(list_cleanup) STACK_OF(X509) *signers = CMS_get0_signers(info);
	CLEANUP(certificates_cleanup) STACK_OF(X509) *others = CMS_get1_certs(info);
	X509 *signer = signers ? sk_X509_value(signers, 0) : NULL;

	if (!signer)
		return ossl_fail(err, ERR_DAMAGED, "the signature lacks its certificate");
	if ((X509_get_extension_flags(signer) & (EXFLAG_CA | EXFLAG_INVALID)) ||
	    !trust_has_usage(signer, trust->usage) ||
	    !(X509_get_key_usage(signer) & KU_DIGITAL_SIGNATURE))
		return err_set(err, ERR_FORBIDDEN,
			       "the signer's certificate is not for such signatures");
	if (trust_check(store, signer, others, trust->usage, err) == 0)
		return 0;
	return err->code == ERR_FORBIDDEN ? err_wrap(err, "the signer is not trusted") : err->code;
}

/* What is looked at, and how. */
struct subject {
	struct slice der;
	const struct slice *content; /* NULL = inside */
	unsigned flags;		     /* of CMS_verify() */
};

static int verify(const struct subject *subject, const struct cms_trust *trust,
		  CMS_ContentInfo **ret_info, struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	CLEANUP(trust_store_cleanup) X509_STORE *store = NULL;
	int r = trust_store_new(trust->anchors, X509_CHAIN_MAX, trust->at, &store, err);

	if (r == 0)
		r = signed_parse(subject->der, !subject->content, &info, err);
	if (r == 0)
		r = check_content(info, subject->content, subject->flags, err);
	if (r == 0)
		r = check_signer(info, trust, store, err);
	if (r == 0)
		*ret_info = TAKE(info);
	return r;
}

int cms_verify(struct slice signature, struct slice content, const struct cms_trust *trust,
	       struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;

	return verify(&(struct subject){.der = signature, .content = &content}, trust, &info, err);
}

int cms_verify_signer(struct slice signature, const struct cms_trust *trust, struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	const struct slice none = slice_of(NULL, 0);
	const struct subject subject = {
		.der = signature, .content = &none, .flags = CMS_NO_CONTENT_VERIFY};

	return verify(&subject, trust, &info, err);
}

int cms_signer(struct slice signature, struct buf *ret_der, struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	CLEANUP(list_cleanup) STACK_OF(X509) *signers = NULL;
	uint8_t *der = NULL;
	int len, r = signed_parse(signature, false, &info, err);

	if (r < 0)
		r = signed_parse(signature, true, &info, err);
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

static int sign(const struct pkey *key, STACK_OF(X509) * certs, BIO *content, unsigned flags,
		CMS_ContentInfo **ret_info, struct err *err)
{
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

static int put_info(const CMS_ContentInfo *info, size_t max, struct buf *ret_der, struct err *err)
{
	uint8_t *der = NULL;
	int len = i2d_CMS_ContentInfo(info, &der);

	if (len <= 0)
		return ossl_fail(err, ERR_INTERNAL, "the signature cannot be encoded");
	if ((size_t)len <= max)
		buf_put(ret_der, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return (size_t)len <= max && buf_ok(ret_der)
		       ? 0
		       : err_set(err, ERR_TOO_LARGE, "no room for a signature");
}

static int seal(const struct pkey *key, struct slice chain, struct slice content, bool whole,
		struct buf *ret_der, struct err *err)
{
	const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | (whole ? 0u : CMS_DETACHED);
	CLEANUP(certificates_cleanup) STACK_OF(X509) *certs = NULL;
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	int r = certificates_parse(chain, X509_CHAIN_MAX, &certs, err);

	if (r == 0)
		r = content_bio(content, &bio, err);
	if (r == 0)
		r = sign(key, certs, bio, flags, &info, err);
	return r < 0 ? r : put_info(info, whole ? CMS_WHOLE_MAX : CMS_MAX, ret_der, err);
}

int cms_sign(const struct pkey *key, struct slice chain, struct slice content,
	     struct buf *ret_signature, struct err *err)
{
	return seal(key, chain, content, false, ret_signature, err);
}

/* --- with the content inside --------------------------------------------------------------- */

int cms_seal_whole(const struct pkey *key, struct slice chain, struct slice content,
		   struct buf *ret_whole, struct err *err)
{
	if (content.len > CMS_MAX)
		return err_set(err, ERR_TOO_LARGE, "at most %u bytes can be signed so", CMS_MAX);
	return seal(key, chain, content, true, ret_whole, err);
}

static int put_content(CMS_ContentInfo *info, struct buf *ret_content, struct err *err)
{
	ASN1_OCTET_STRING *const *content = CMS_get0_content(info);
	size_t len = content && *content ? (size_t)ASN1_STRING_length(*content) : CMS_MAX + 1;

	if (len > CMS_MAX)
		return ossl_fail(err, ERR_DAMAGED, "what is signed is none or too long");
	if (len > ret_content->max - ret_content->len)
		return err_set(err, ERR_TOO_LARGE, "no room for what is signed");
	buf_put(ret_content, slice_of(ASN1_STRING_get0_data(*content), len));
	return buf_ok(ret_content) ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

int cms_open_whole(struct slice whole, const struct cms_trust *trust, struct buf *ret_content,
		   struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	int r = verify(&(struct subject){.der = whole}, trust, &info, err);

	return r < 0 ? r : put_content(info, ret_content, err);
}

int cms_peek_whole(struct slice whole, struct buf *ret_content, struct err *err)
{
	CLEANUP(info_cleanup) CMS_ContentInfo *info = NULL;
	int r = signed_parse(whole, true, &info, err);

	return r < 0 ? r : put_content(info, ret_content, err);
}
