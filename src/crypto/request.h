/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_REQUEST_H
#define CRYPTO_REQUEST_H

/*
 * Request: a certificate request (PKCS#10, RFC 2986), made in two halves, because the key that
 * signs it is elsewhere: first the bytes that are to be signed, then all of it with the signature.
 * The SubjectPublicKeyInfo goes in byte by byte as it was given.
 *
 * Names come from clients and are held to their grammars, so that what is asked for is what was
 * written: nothing is trimmed, guessed or left out. ERR_INVALID says which name and what is wrong.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"

#define REQUEST_SUBJECT_MAX 1024u
#define REQUEST_NAMES_MAX   64u
#define REQUEST_MAX	    16384u /* in DER */
#define REQUEST_PEM_MAX	    24576u

enum request_name_kind {
	REQUEST_DNS,   /* a host name, ASCII; "*." may stand in front */
	REQUEST_IP,    /* an IPv4 or IPv6 address */
	REQUEST_EMAIL, /* local@host, ASCII, without quotes */
	REQUEST_URI,   /* RFC 3986, with a scheme */
	REQUEST_KINDS,
};

struct request_name {
	enum request_name_kind kind;
	struct slice text;
};

struct request {
	/*
	 * RFC 4514: "CN=gw-1,O=Example", the most special first. Attributes: CN, L, ST, O, OU, C,
	 * STREET, DC, UID, serialNumber, emailAddress, in any case of letters. May be empty where
	 * there is another name.
	 */
	struct slice subject;
	/* Instead of it a Name in DER, as it is to stand there; empty = there is none. */
	struct slice subject_der;
	struct slice spki; /* DER SubjectPublicKeyInfo */
	const struct request_name *names;
	size_t count; /* at most REQUEST_NAMES_MAX */
};

/* Appends what is to be signed: a CertificationRequestInfo in DER (RFC 2986, 4.1). */
int request_info(const struct request *request, struct buf *ret_info, struct err *err) MUST_CHECK;

/*
 * Appends the request in PEM. @signature is by the pair of the request's key over the digest of
 * @info by @alg (SHA-256 or better), as pkey_sign() and the providers give it; PKEY_ECDSA or
 * PKEY_RSASSA, else ERR_NOT_SUPPORTED. It is not verified here.
 */
int request_finish(struct slice info, enum pkey_scheme scheme, enum hash_alg alg,
		   struct slice signature, struct buf *ret_pem, struct err *err) MUST_CHECK;

#endif
