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

static void bio_cleanup(BIO **bio)
{
	BIO_free(*bio);
}

/* The extension that asks for @names; critical where the subject is empty (RFC 5280, 4.2.1.6). */
static void put_attributes(struct buf *names, bool critical, struct buf *ret_attributes)
{
	CLEANUP(buf_fini) struct buf inner = BUF_INIT(REQUEST_MAX);

	if (names->len == 0) {
		der_put(ret_attributes, DER_CONTEXT_0, slice_of(NULL, 0));
		return;
	}
	der_wrap(names, DER_SEQUENCE);
	buf_put(&inner, DER_BYTES(subject_alt_name));
	if (critical)
		buf_put(&inner, DER_BYTES(is_critical));
	der_put(&inner, DER_OCTETS, buf_slice(names));
	der_wrap(&inner, DER_SEQUENCE); /* Extension */
	der_wrap(&inner, DER_SEQUENCE); /* Extensions */
	der_wrap(&inner, DER_SET);	/* the attribute's values */
	buf_put(ret_attributes, DER_BYTES(extension_request));
	buf_put(ret_attributes, buf_slice(&inner));
	der_wrap(ret_attributes, DER_SEQUENCE);
	der_wrap(ret_attributes, DER_CONTEXT_0);
	ret_attributes->failed |= inner.failed || names->failed;
}

/* A Name without an attribute has two bytes. */
static bool no_subject(const struct request *request)
{
	return request->subject.len == 0 && request->subject_der.len <= 2;
}

static int put_subject(const struct request *request, struct buf *info, struct err *err)
{
	if (request->subject_der.len == 0)
		return request_put_subject(request->subject, info, err);
	buf_put(info, request->subject_der);
	return 0;
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
	if (no_subject(request) && request->count == 0)
		return err_set(err, ERR_INVALID, "a request needs a subject or another name");
	return pkey_from_spki(request->spki, &public, err);
}

int request_info(const struct request *request, struct buf *ret_info, struct err *err)
{
	CLEANUP(buf_fini) struct buf info = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf names = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf attributes = BUF_INIT(REQUEST_MAX);
	int r = check(request, err);

	buf_put(&info, DER_BYTES(version_0));
	if (r == 0)
		r = put_subject(request, &info, err);
	if (r == 0)
		r = request_put_names(request->names, request->count, &names, err);
	if (r < 0)
		return r;
	buf_put(&info, request->spki);
	put_attributes(&names, no_subject(request), &attributes);
	buf_put(&info, buf_slice(&attributes));
	der_wrap(&info, DER_SEQUENCE);
	if (!buf_ok(&info) || !buf_ok(&attributes))
		return err_set(err, ERR_TOO_LARGE, "the names make too large a request");
	buf_put(ret_info, buf_slice(&info));
	return buf_ok(ret_info) ? 0 : err_set(err, ERR_INTERNAL, "no room for a request");
}

int request_finish(struct slice info, enum pkey_scheme scheme, enum hash_alg alg,
		   struct slice signature, struct buf *ret_pem, struct err *err)
{
	const struct der_signature made = {.scheme = scheme, .alg = alg, .bytes = signature};
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(REQUEST_MAX);
	CLEANUP(bio_cleanup) BIO *bio = NULL;
	int r = der_put_signed(&whole, info, &made, err);

	if (r < 0)
		return err_wrap(err, "a certificate request");
	bio = BIO_new(BIO_s_mem());
	if (!bio || PEM_write_bio(bio, PEM_TEXT, "", whole.data, (long)whole.len) <= 0)
		return ossl_fail(err, ERR_INTERNAL, "the request cannot be encoded");
	ossl_bio_take(bio, ret_pem);
	return buf_ok(ret_pem) ? 0 : err_set(err, ERR_INTERNAL, "no room for a request");
}
