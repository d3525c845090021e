/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this device says of itself. OpenSSL cannot make a TBSCertificate that names an algorithm
 * without signing it, so it is written here as requests are: every shape is known to the byte, and
 * the public key goes in as it came.
 */

#include "crypto/x509.h"

#include <time.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/certificate_impl.h"
#include "crypto/ossl.h"
#include "crypto/request_impl.h"

#define KEY_ID_SIZE   20u
#define TIME_MAX      INT64_C(253402300799) /* 99991231235959Z (RFC 5280, 4.1.2.5) */
#define TIME_2050     INT64_C(2524608000)
#define DER_CONTEXT_3 (DER_CONTEXT_0 + 3)

static const uint8_t version_3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};

/* Extensions that are the same in each, whole as they are encoded (RFC 5280, 4.2.1). */
static const uint8_t fixed_extensions[] = {
	/* basicConstraints, critical: no CA */
	0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00,
	/* keyUsage, critical: digitalSignature */
	0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x07,
	0x80,
	/* extKeyUsage: clientAuth, serverAuth */
	0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d, 0x25, 0x04, 0x16, 0x30, 0x14, 0x06, 0x08, 0x2b, 0x06,
	0x01, 0x05, 0x05, 0x07, 0x03, 0x02, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
	0x01};
static const uint8_t subject_key_id[] = {0x06, 0x03, 0x55, 0x1d, 0x0e};
static const uint8_t subject_alt_name[] = {0x06, 0x03, 0x55, 0x1d, 0x11};
static const uint8_t authority_key_id[] = {0x06, 0x03, 0x55, 0x1d, 0x23};

static void pubkey_cleanup(X509_PUBKEY **pubkey)
{
	X509_PUBKEY_free(*pubkey);
}

static void name_cleanup(X509_NAME **name)
{
	X509_NAME_free(*name);
}

/* --- parts --- */

static int put_serial(const uint8_t serial[X509_SERIAL_MAX], struct buf *tbs, struct err *err)
{
	uint8_t bytes[X509_SERIAL_MAX];
	size_t at = 0;

	memcpy(bytes, serial, sizeof(bytes));
	bytes[0] &= 0x7f;
	while (at < sizeof(bytes) - 1 && bytes[at] == 0 && bytes[at + 1] < 0x80)
		at++;
	if (at == sizeof(bytes) - 1 && bytes[at] == 0)
		return err_set(err, ERR_INVALID, "a serial number is not zero");
	der_put(tbs, DER_INTEGER, slice_of(bytes + at, sizeof(bytes) - at));
	return 0;
}

/* UTCTime, without the century, until 2049, then GeneralizedTime (RFC 5280, 4.1.2.5). */
static void put_time(int64_t seconds, struct buf *validity)
{
	size_t skip = seconds < TIME_2050 ? 2 : 0;
	time_t when = (time_t)seconds;
	char text[sizeof("YYYYMMDDHHMMSSZ")] = "";
	struct tm tm;

	if (!gmtime_r(&when, &tm) || strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm) == 0)
		validity->failed = true;
	der_put(validity, skip ? DER_UTC_TIME : DER_TIME,
		slice_of(text + skip, sizeof(text) - 1 - skip));
}

static int put_validity(const struct x509_spec *spec, struct buf *tbs, struct err *err)
{
	CLEANUP(buf_fini) struct buf validity = BUF_INIT(64);

	if (spec->not_before < 0 || spec->not_after > TIME_MAX ||
	    spec->not_before > spec->not_after)
		return err_set(err, ERR_INVALID,
			       "a certificate's time runs forward, from 1970 to 9999");
	put_time(spec->not_before, &validity);
	put_time(spec->not_after, &validity);
	if (!buf_ok(&validity))
		return err_set(err, ERR_INTERNAL, "a time cannot be written");
	der_put(tbs, DER_SEQUENCE, buf_slice(&validity));
	return 0;
}

/* Of the key's own bytes (RFC 7093, 2, method 1). */
static int key_id(struct slice spki, uint8_t ret_id[HASH_MAX_SIZE], struct err *err)
{
	CLEANUP(pubkey_cleanup) X509_PUBKEY *pubkey = NULL;
	const uint8_t *at = spki.data, *bytes = NULL;
	struct slice bits;
	int len = 0;

	pubkey = d2i_X509_PUBKEY(NULL, &at, (long)spki.len);
	if (!pubkey || X509_PUBKEY_get0_param(NULL, &bytes, &len, NULL, pubkey) != 1)
		return ossl_fail(err, ERR_INVALID, "a public key has no bytes");
	bits = slice_of(bytes, (size_t)len);
	return hash_digest(HASH_SHA256, &bits, 1, ret_id, err);
}

static void put_extension(struct slice oid, uint8_t tag, struct slice id, struct buf *extensions)
{
	CLEANUP(buf_fini) struct buf inner = BUF_INIT(512);
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(512);

	der_put(&inner, tag, id);
	if (tag == DER_CONTEXT)
		der_wrap(&inner, DER_SEQUENCE);
	buf_put(&whole, oid);
	der_put(&whole, DER_OCTETS, buf_slice(&inner));
	der_put(extensions, DER_SEQUENCE, buf_slice(&whole));
	extensions->failed |= inner.failed || whole.failed;
}

/* The CN that stands last in @name, as UTF-8; empty where it has none. Freed by the caller. */
static struct slice common_name(struct slice name, unsigned char **ret_text)
{
	CLEANUP(name_cleanup) X509_NAME *parsed = NULL;
	const uint8_t *at = name.data;
	int last = -1, next, len;

	parsed = d2i_X509_NAME(NULL, &at, (long)name.len);
	while (parsed && (next = X509_NAME_get_index_by_NID(parsed, NID_commonName, last)) >= 0)
		last = next;
	if (last < 0)
		return slice_of(NULL, 0);
	len = ASN1_STRING_to_UTF8(ret_text,
				  X509_NAME_ENTRY_get_data(X509_NAME_get_entry(parsed, last)));
	return slice_of(*ret_text, len > 0 ? (size_t)len : 0);
}

/* A verifier of servers looks at nothing else; a CN that is neither host nor address gives none. */
static void put_alt_name(struct slice subject, struct buf *extensions)
{
	static const enum request_name_kind KINDS[] = {REQUEST_IP, REQUEST_DNS};
	CLEANUP(ossl_bytes_cleanup) struct ossl_bytes text = {0};
	struct slice cn = common_name(subject, &text.data);
	struct err ignored;

	if (cn.len == 0 || cn.data[0] == '*')
		return;
	text.len = cn.len;
	for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
		CLEANUP(buf_fini) struct buf names = BUF_INIT(512);
		const struct request_name name = {.kind = KINDS[i], .text = cn};

		if (request_put_names(&name, 1, &names, &ignored) < 0)
			continue;
		put_extension(DER_BYTES(subject_alt_name), DER_SEQUENCE, buf_slice(&names),
			      extensions);
		extensions->failed |= names.failed;
		return;
	}
}

/* @issuer is NULL where it signs itself. An issuer without a key identifier is named by none. */
static int put_extensions(const struct x509_spec *spec, struct slice subject, X509 *issuer,
			  struct buf *tbs, struct err *err)
{
	CLEANUP(buf_fini) struct buf extensions = BUF_INIT(1024);
	const ASN1_OCTET_STRING *theirs = issuer ? X509_get0_subject_key_id(issuer) : NULL;
	uint8_t id[HASH_MAX_SIZE];
	struct slice own = slice_of(id, KEY_ID_SIZE), above = own;
	int r = key_id(spec->spki, id, err);

	if (r < 0)
		return r;
	if (issuer)
		above = slice_of(theirs ? ASN1_STRING_get0_data(theirs) : NULL,
				 theirs ? (size_t)ASN1_STRING_length(theirs) : 0);
	buf_put(&extensions, DER_BYTES(fixed_extensions));
	put_extension(DER_BYTES(subject_key_id), DER_OCTETS, own, &extensions);
	if (above.len > 0)
		put_extension(DER_BYTES(authority_key_id), DER_CONTEXT, above, &extensions);
	put_alt_name(subject, &extensions);
	der_wrap(&extensions, DER_SEQUENCE);
	der_wrap(&extensions, DER_CONTEXT_3);
	buf_put(tbs, buf_slice(&extensions));
	tbs->failed |= extensions.failed;
	return 0;
}

/* --- the whole --- */

static int check(const struct x509_spec *spec, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;

	if (spec->subject.len == 0 || spec->subject.len > REQUEST_SUBJECT_MAX)
		return err_set(err, ERR_INVALID, "a certificate's subject has 1 to %u bytes",
			       REQUEST_SUBJECT_MAX);
	return pkey_from_spki(spec->spki, &public, err);
}

/* In the order of RFC 5280, 4.1. */
static int put_all(const struct x509_spec *spec, X509 *issuer, struct buf *tbs, struct err *err)
{
	CLEANUP(buf_fini) struct buf subject = BUF_INIT(DER_MAX);
	int r = request_put_subject(spec->subject, &subject, err);

	buf_put(tbs, DER_BYTES(version_3));
	if (r == 0)
		r = put_serial(spec->serial, tbs, err);
	if (r == 0)
		r = der_put_algorithm(tbs, spec->scheme, spec->hash, err);
	if (r == 0 && issuer)
		r = x509_subject(spec->issuer, tbs, err);
	else if (r == 0)
		buf_put(tbs, buf_slice(&subject));
	if (r == 0)
		r = put_validity(spec, tbs, err);
	buf_put(tbs, buf_slice(&subject));
	buf_put(tbs, spec->spki);
	if (r == 0)
		r = put_extensions(spec, buf_slice(&subject), issuer, tbs, err);
	der_wrap(tbs, DER_SEQUENCE);
	tbs->failed |= subject.failed;
	return r;
}

int x509_info(const struct x509_spec *spec, struct buf *ret_info, struct err *err)
{
	CLEANUP(certificate_cleanup) X509 *issuer = NULL;
	CLEANUP(buf_fini) struct buf tbs = BUF_INIT(X509_MAX);
	int r = check(spec, err);

	if (r == 0 && spec->issuer.len > 0)
		r = certificate_parse(spec->issuer, &issuer, err);
	if (r == 0)
		r = put_all(spec, issuer, &tbs, err);
	if (r < 0)
		return r;
	if (!buf_ok(&tbs))
		return err_set(err, ERR_TOO_LARGE, "the names make too large a certificate");
	buf_put(ret_info, buf_slice(&tbs));
	return buf_ok(ret_info) ? 0 : err_set(err, ERR_INTERNAL, "no room for a certificate");
}

/* The algorithm stands in it twice (RFC 5280, 4.1.1.2). */
static int check_algorithms(struct slice der, struct err *err)
{
	CLEANUP(certificate_cleanup) X509 *x509 = NULL;
	const X509_ALGOR *outer = NULL;
	int r = certificate_parse(der, &x509, err);

	if (r < 0)
		return err_set(err, ERR_INVALID, "what was signed is no certificate");
	X509_get0_signature(NULL, &outer, x509);
	if (X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(x509)) != 0)
		return err_set(err, ERR_INVALID, "the signature is of another algorithm");
	return 0;
}

int x509_finish(struct slice info, enum pkey_scheme scheme, enum hash_alg alg,
		struct slice signature, struct buf *ret_der, struct err *err)
{
	const struct der_signature made = {.scheme = scheme, .alg = alg, .bytes = signature};
	CLEANUP(buf_fini) struct buf der = BUF_INIT(DER_MAX);
	int r = der_put_signed(&der, info, &made, err);

	if (r < 0)
		return err_wrap(err, "a certificate");
	if (!buf_ok(&der) || der.len > X509_MAX)
		return err_set(err, ERR_TOO_LARGE, "the certificate is too large");
	r = check_algorithms(buf_slice(&der), err);
	if (r < 0)
		return r;
	buf_put(ret_der, buf_slice(&der));
	return buf_ok(ret_der) ? 0 : err_set(err, ERR_INTERNAL, "no room for a certificate");
}
