/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request's frame. It is DER of a handful of shapes, so it is written here by hand: what is
 * inside is known to the byte, and the public key goes in as it came.
 */

#include "crypto/request.h"

#include <openssl/pem.h>

#include "crypto/ossl.h"
#include "crypto/request_impl.h"

#define PEM_TEXT "CERTIFICATE REQUEST"

/* 1.2.840.113549.1.9.14 (RFC 2985, 5.4.2) and 2.5.29.17, whole as they are encoded. */
static const uint8_t extension_request[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					    0xf7, 0x0d, 0x01, 0x09, 0x0e};
static const uint8_t subject_alt_name[] = {0x06, 0x03, 0x55, 0x1d, 0x11};
static const uint8_t version_0[] = {0x02, 0x01, 0x00};
static const uint8_t is_critical[] = {0x01, 0x01, 0xff};

#define BYTES(array) slice_of(array, sizeof(array))

/* AlgorithmIdentifiers: ECDSA without parameters (RFC 5758, 3.2), RSA with NULL (RFC 4055, 5). */
#define ECDSA_WITH(n)                                                                              \
	{                                                                                          \
		0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, (n)              \
	}
#define RSA_WITH(n)                                                                                \
	{                                                                                          \
		0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, (n), 0x05, \
			0x00                                                                       \
	}
static const uint8_t ecdsa_with[HASH_ALGS][12] = {
	[HASH_SHA256] = ECDSA_WITH(2),
	[HASH_SHA384] = ECDSA_WITH(3),
	[HASH_SHA512] = ECDSA_WITH(4),
};
static const uint8_t rsa_with[HASH_ALGS][15] = {
	[HASH_SHA256] = RSA_WITH(11),
	[HASH_SHA384] = RSA_WITH(12),
	[HASH_SHA512] = RSA_WITH(13),
};

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio);
}

/* All that comes here fits into REQUEST_MAX, so two bytes of length do. */
void request_put(struct buf *buf, uint8_t tag, struct slice content)
{
	buf_put_u8(buf, tag);
	if (content.len >= 0x100) {
		buf_put_u8(buf, 0x82);
		buf_put_u16(buf, (uint16_t)content.len);
	} else {
		if (content.len >= 0x80)
			buf_put_u8(buf, 0x81);
		buf_put_u8(buf, (uint8_t)content.len);
	}
	buf_put(buf, content);
}

/* Puts what is in @buf into one more frame. */
static void wrap(struct buf *buf, uint8_t tag)
{
	CLEANUP(buf_fini) struct buf inner = *buf;

	*buf = (struct buf)BUF_INIT(inner.max);
	request_put(buf, tag, buf_slice(&inner));
	buf->failed |= inner.failed;
}

/* The extension that asks for @names; critical where the subject is empty (RFC 5280, 4.2.1.6). */
static void put_attributes(struct buf *names, bool critical, struct buf *ret_attributes)
{
	CLEANUP(buf_fini) struct buf inner = BUF_INIT(REQUEST_MAX);

	if (names->len == 0) {
		request_put(ret_attributes, DER_CONTEXT_0, slice_of(NULL, 0));
		return;
	}
	wrap(names, DER_SEQUENCE);
	buf_put(&inner, BYTES(subject_alt_name));
	if (critical)
		buf_put(&inner, BYTES(is_critical));
	request_put(&inner, DER_OCTETS, buf_slice(names));
	wrap(&inner, DER_SEQUENCE); /* Extension */
	wrap(&inner, DER_SEQUENCE); /* Extensions */
	wrap(&inner, DER_SET);	    /* the attribute's values */
	buf_put(ret_attributes, BYTES(extension_request));
	buf_put(ret_attributes, buf_slice(&inner));
	wrap(ret_attributes, DER_SEQUENCE);
	wrap(ret_attributes, DER_CONTEXT_0);
	ret_attributes->failed |= inner.failed || names->failed;
}

static int check(const struct request *request, struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;

	if (request->subject.len > REQUEST_SUBJECT_MAX)
		return err_set(err, ERR_INVALID, "a subject has at most %u bytes",
			       REQUEST_SUBJECT_MAX);
	if (request->count > REQUEST_NAMES_MAX)
		return err_set(err, ERR_INVALID,
			       "a request has at most %u names beside its subject",
			       REQUEST_NAMES_MAX);
	if (request->subject.len == 0 && request->count == 0)
		return err_set(err, ERR_INVALID, "a request needs a subject or another name");
	return pkey_from_spki(request->spki, &public, err);
}

int request_info(const struct request *request, struct buf *ret_info, struct err *err)
{
	CLEANUP(buf_fini) struct buf info = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf names = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf attributes = BUF_INIT(REQUEST_MAX);
	int r = check(request, err);

	buf_put(&info, BYTES(version_0));
	if (r == 0)
		r = request_put_subject(request->subject, &info, err);
	if (r == 0)
		r = request_put_names(request->names, request->count, &names, err);
	if (r < 0)
		return r;
	buf_put(&info, request->spki);
	put_attributes(&names, request->subject.len == 0, &attributes);
	buf_put(&info, buf_slice(&attributes));
	wrap(&info, DER_SEQUENCE);
	if (!buf_ok(&info) || !buf_ok(&attributes))
		return err_set(err, ERR_TOO_LARGE, "the names make too large a request");
	buf_put(ret_info, buf_slice(&info));
	return buf_ok(ret_info) ? 0 : err_set(err, ERR_INTERNAL, "no room for a request");
}

static int put_algorithm(enum pkey_scheme scheme, enum hash_alg alg, struct buf *ret_der,
			 struct err *err)
{
	if (scheme != PKEY_ECDSA && scheme != PKEY_RSASSA)
		return err_set(err, ERR_NOT_SUPPORTED, "a request is signed by ecdsa or rsassa");
	if ((unsigned)alg >= HASH_ALGS || alg == HASH_SHA1)
		return err_set(err, ERR_NOT_SUPPORTED, "a request is signed over sha256 or better");
	buf_put(ret_der, scheme == PKEY_ECDSA ? BYTES(ecdsa_with[alg]) : BYTES(rsa_with[alg]));
	return 0;
}

int request_finish(struct slice info, enum pkey_scheme scheme, enum hash_alg alg,
		   struct slice signature, struct buf *ret_pem, struct err *err)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf bits = BUF_INIT(REQUEST_MAX);
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	int r;

	buf_put(&whole, info);
	r = put_algorithm(scheme, alg, &whole, err);
	if (r < 0)
		return r;
	buf_put_u8(&bits, 0); /* of the last byte no bit is unused */
	buf_put(&bits, signature);
	request_put(&whole, DER_BITS, buf_slice(&bits));
	wrap(&whole, DER_SEQUENCE);
	if (!buf_ok(&whole) || !buf_ok(&bits))
		return err_set(err, ERR_TOO_LARGE, "the request is too large");
	bio = BIO_new(BIO_s_mem());
	if (!bio || PEM_write_bio(bio, PEM_TEXT, "", whole.data, (long)whole.len) <= 0)
		return ossl_fail(err, ERR_INTERNAL, "the request cannot be encoded");
	ossl_bio_take(bio, ret_pem);
	return buf_ok(ret_pem) ? 0 : err_set(err, ERR_INTERNAL, "no room for a request");
}
