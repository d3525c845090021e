/* SPDX-License-Identifier: Apache-2.0 */
/* What a certificate says, and who signed it. Whoever made it, all of it is hostile. */

#include <time.h>

#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/base64.h"
#include "crypto/certificate_impl.h"
#include "crypto/ossl.h"
#include "crypto/x509.h"

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio);
}

static void evp_pkey_cleanup(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

void x509_facts_fini(struct x509_facts *facts)
{
	buf_fini(&facts->spki);
}

/* RFC 4514 in ASCII: whatever else is in a name is escaped, so that it may go to a terminal. */
static int read_name(const X509_NAME *name, char ret_text[X509_TEXT_MAX], struct err *err)
{
	CLEANUP(bio_cleanup) BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;

	if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0)
		return ossl_fail(err, ERR_DAMAGED, "a name in the certificate has no text");
	len = BIO_get_mem_data(bio, &text);
	if (len < 0 || (unsigned long)len >= X509_TEXT_MAX)
		return err_set(err, ERR_NOT_SUPPORTED, "a name in the certificate is too long");
	memset(ret_text, 0, X509_TEXT_MAX);
	if (len > 0)
		memcpy(ret_text, text, (size_t)len);
	return 0;
}

static int read_serial(const ASN1_INTEGER *serial, struct x509_facts *facts, struct err *err)
{
	CLEANUP(buf_fini) struct buf hex = BUF_INIT(sizeof(facts->serial));
	struct slice bytes =
		slice_of(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));

	if (bytes.len > X509_SERIAL_MAX)
		return err_set(err, ERR_NOT_SUPPORTED, "the certificate's serial is too long");
	if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
		buf_put_u8(&hex, '-');
	hex_encode(&hex, bytes);
	buf_put_u8(&hex, 0);
	if (!buf_ok(&hex))
		return err_set(err, ERR_INTERNAL, "memory is short");
	memcpy(facts->serial, hex.data, hex.len);
	return 0;
}

static int read_time(const ASN1_TIME *time, int64_t *ret_seconds, struct err *err)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return ossl_fail(err, ERR_DAMAGED, "a time in the certificate is none");
	*ret_seconds = timegm(&tm);
	return 0;
}

static int read_usage(X509 *x509, struct x509_facts *facts, struct err *err)
{
	uint32_t usage = X509_get_extended_key_usage(x509); /* all bits when it has none */

	if (X509_get_extension_flags(x509) & EXFLAG_INVALID)
		return ossl_fail(err, ERR_DAMAGED, "an extension of the certificate is malformed");
	facts->is_ca = X509_get_extension_flags(x509) & EXFLAG_CA;
	facts->for_client = usage & (XKU_SSL_CLIENT | XKU_ANYEKU);
	facts->for_server = usage & (XKU_SSL_SERVER | XKU_ANYEKU);
	return 0;
}

static int read_key(const X509 *x509, struct buf *spki, struct err *err)
{
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes der = {0};
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der.data);
	int r;

	if (len <= 0)
		return ossl_fail(err, ERR_DAMAGED, "the certificate has no key");
	der.len = (size_t)len;
	r = pkey_from_spki(slice_of(der.data, der.len), &key, err);
	if (r == ERR_INVALID)
		return err_set(err, ERR_DAMAGED, "the certificate's key is unsound");
	if (r == 0)
		buf_put(spki, slice_of(der.data, der.len));
	return r;
}

static int read_all(X509 *x509, struct x509_facts *facts, struct err *err)
{
	int r = read_key(x509, &facts->spki, err);

	if (r == 0)
		r = read_name(X509_get_subject_name(x509), facts->subject, err);
	if (r == 0)
		r = read_name(X509_get_issuer_name(x509), facts->issuer, err);
	if (r == 0)
		r = read_serial(X509_get0_serialNumber(x509), facts, err);
	if (r == 0)
		r = read_time(X509_get0_notBefore(x509), &facts->not_before, err);
	if (r == 0)
		r = read_time(X509_get0_notAfter(x509), &facts->not_after, err);
	return r < 0 ? r : read_usage(x509, facts, err);
}

int x509_read(struct slice der, struct x509_facts *ret_facts, struct err *err)
{
	CLEANUP(certificate_cleanup) X509 *x509 = NULL;
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	int r;

	if (der.len > X509_MAX || certificate_len(der) != der.len)
		return err_set(err, ERR_DAMAGED, "these bytes are not one certificate");
	r = certificate_parse(der, &x509, err);
	if (r == 0)
		r = read_all(x509, &facts, err);
	if (r < 0)
		return r;
	if (!buf_ok(&facts.spki))
		return err_set(err, ERR_INTERNAL, "memory is short");
	facts.self_signed = X509_verify(x509, X509_get0_pubkey(x509)) == 1;
	(void)ossl_take_error();
	x509_facts_fini(ret_facts);
	*ret_facts = facts;
	facts.spki = (struct buf)BUF_INIT(0);
	return 0;
}

int x509_subject(struct slice der, struct buf *ret_name, struct err *err)
{
	CLEANUP(certificate_cleanup) X509 *x509 = NULL;
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes name = {0};
	int r = certificate_parse(der, &x509, err);
	int len;

	if (r < 0)
		return r;
	len = i2d_X509_NAME(X509_get_subject_name(x509), &name.data);
	if (len <= 0)
		return ossl_fail(err, ERR_DAMAGED, "the certificate has no subject");
	name.len = (size_t)len;
	buf_put(ret_name, slice_of(name.data, name.len));
	return buf_ok(ret_name) ? 0 : err_set(err, ERR_TOO_LARGE, "the subject is too large");
}

int x509_verify(struct slice der, struct slice issuer_spki, struct err *err)
{
	CLEANUP(certificate_cleanup) X509 *x509 = NULL;
	CLEANUP(evp_pkey_cleanup) EVP_PKEY *key = NULL;
	const uint8_t *at = issuer_spki.data;
	int r = certificate_parse(der, &x509, err);

	if (r < 0)
		return r;
	if (issuer_spki.len > 0 && issuer_spki.len <= X509_MAX)
		key = d2i_PUBKEY(NULL, &at, (long)issuer_spki.len);
	if (!key || at != issuer_spki.data + issuer_spki.len)
		return ossl_fail(err, ERR_INVALID, "this is no public key");
	if (X509_verify(x509, key) != 1)
		return ossl_fail(err, ERR_DAMAGED, "the certificate is not signed by this key");
	return 0;
}
