/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_X509_H
#define CRYPTO_X509_H

/*
 * X509: certificates (RFC 5280) that this device makes for itself, in two halves as a request is
 * (request.h), and what can be read from one that others made.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"

#define X509_MAX	   8192u /* bytes of one in DER */
#define X509_CHAIN_MAX	   8u
#define X509_CHAIN_PEM_MAX 131072u /* with text between them */
#define X509_TEXT_MAX	   1024u
#define X509_SERIAL_MAX	   20u /* RFC 5280, 4.1.2.2 */

/*
 * An end entity's certificate for TLS in both roles: keyUsage digitalSignature, extendedKeyUsage
 * clientAuth and serverAuth, basicConstraints CA:FALSE, both key identifiers; and where the
 * subject's (last) CN is the name of a host or an address, that as subjectAltName (RFC
 * 6125, 6.4.4).
 */
struct x509_spec {
	struct slice subject; /* RFC 4514 (request.h) */
	struct slice issuer;  /* DER certificate of the issuer; empty = it signs itself */
	struct slice spki;    /* DER, goes in byte by byte */
	uint8_t serial[X509_SERIAL_MAX]; /* big-endian; made positive and minimal here */
	int64_t not_before, not_after;	 /* seconds since 1970 */
	enum pkey_scheme scheme;	 /* of the signature: PKEY_ECDSA or PKEY_RSASSA */
	enum hash_alg hash;
};

/*
 * Appends the TBSCertificate in DER: what is to be signed. ERR_INVALID: no subject, one that is not
 * as request.h says, a serial number of zero, or times that are none; ERR_DAMAGED: the issuer.
 */
int x509_info(const struct x509_spec *spec, struct buf *ret_info, struct err *err) MUST_CHECK;
/*
 * Appends the certificate in DER. The signature is not verified here; ERR_INVALID when @info is of
 * another scheme or hash.
 */
int x509_finish(struct slice info, enum pkey_scheme scheme, enum hash_alg alg,
		struct slice signature, struct buf *ret_der, struct err *err) MUST_CHECK;

/* What a certificate says. Texts are RFC 4514 in ASCII: all else is escaped. */
struct x509_facts {
	char subject[X509_TEXT_MAX];
	char issuer[X509_TEXT_MAX];
	char serial[2 * X509_SERIAL_MAX + 3]; /* hex; a minus in front of a negative one */
	int64_t not_before, not_after;
	bool self_signed;	     /* its own key verifies it */
	bool is_ca;		     /* basicConstraints say so */
	bool for_client, for_server; /* the extended key usages allow it, or there are none */
	struct buf spki;
};
#define X509_FACTS_INIT                                                                            \
	{                                                                                          \
		.spki = BUF_INIT(1024)                                                             \
	}
void x509_facts_fini(struct x509_facts *facts);
static inline void x509_facts_cleanup(struct x509_facts *facts)
{
	x509_facts_fini(facts);
}
/*
 * ERR_DAMAGED: not one certificate, or over X509_MAX bytes; ERR_NOT_SUPPORTED: of a key outside
 * enum pkey_type, or a name or serial number is longer than there is room for.
 */
int x509_read(struct slice der, struct x509_facts *ret_facts, struct err *err) MUST_CHECK;

/* Appends its subject's Name in DER, as it stands there. ERR_DAMAGED. */
int x509_subject(struct slice der, struct buf *ret_name, struct err *err) MUST_CHECK;

/*
 * 0 when the key of @issuer_spki, of any type that OpenSSL knows, has signed @der, ERR_DAMAGED when
 * not. ERR_INVALID: no key. Dates are not looked at.
 */
int x509_verify(struct slice der, struct slice issuer_spki, struct err *err) MUST_CHECK;

/*
 * PEM to DER certificates one after the other, in the order of the file, 1 to X509_CHAIN_MAX; any
 * other block in the PEM is ERR_INVALID, text between the blocks is passed over. ERR_TOO_LARGE:
 * over the room in @ret_der. And back; ERR_DAMAGED: not certificates.
 */
int x509_chain_of_pem(struct slice pem, struct buf *ret_der, struct err *err) MUST_CHECK;
/* The same of 1 to @max certificates. */
int x509_list_of_pem(struct slice pem, size_t max, struct buf *ret_der, struct err *err) MUST_CHECK;
int x509_chain_to_pem(struct slice der, struct buf *ret_pem, struct err *err) MUST_CHECK;
/*
 * Each but the last is signed by the next and names it as its issuer. ERR_INVALID names the first
 * that is not, or there are more than X509_CHAIN_MAX; ERR_DAMAGED: not certificates, or none.
 */
int x509_chain_check(struct slice der, struct err *err) MUST_CHECK;

/*
 * 0 when the first of @chain (DER, 1 to X509_CHAIN_MAX) leads by some of the others, in whatever
 * order, to one of @anchors (1 to X509_ANCHORS_MAX). For certificates of things, such as
 * endorsement keys: dates are not looked at, what a maker said of a chip stays so; there is no
 * purpose but @usage, dotted, which must be among the extended key usages where it has any, or a
 * CA below the anchor has; it is no CA's. Its subject may be empty. Keys and signatures have 112
 * bits or more. A key that is marked as for OAEP only (some makers do that) is none for OpenSSL,
 * and leads nowhere. Whose it is certificate_of() tells. ERR_DAMAGED: no certificates;
 * ERR_FORBIDDEN: no such way; ERR_INVALID: the anchors.
 */
#define X509_ANCHORS_MAX 64u
int x509_leads(struct slice chain, struct slice anchors, const char *usage, struct err *err)
	MUST_CHECK;

#endif
