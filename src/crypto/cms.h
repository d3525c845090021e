/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_CMS_H
#define CRYPTO_CMS_H

/*
 * Cms: detached signatures as CMS SignedData (RFC 5652) in DER, as `openssl cms -sign -binary`
 * makes them and `openssl cms -verify -binary` checks them. Only what is signed with SHA-256 or
 * better, by one signer, is taken, and no BER. Contents are held in memory: nothing large goes
 * through CMS.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/pkey.h"

#define CMS_MAX	     65536u /* bytes of one signature, with its certificates */
#define CMS_ANY_TIME INT64_MIN

/* Whose signatures are taken. All is borrowed. */
struct cms_trust {
	struct slice
		anchors;   /* DER certificates, 1 to X509_CHAIN_MAX; a chain ends at any of them */
	const char *usage; /* the extended key usage that the signer's must have, dotted, and each
			      CA's below the anchor that has any; the signer is no CA itself */
	int64_t at; /* seconds since 1970; CMS_ANY_TIME: certificates' dates are not looked at */
};

/*
 * 0 when @signature is good for @content, made by a key whose certificate is in it, and that leads
 * to an anchor. ERR_DAMAGED: no such signature, of another content, or changed. ERR_FORBIDDEN: it
 * is good, but its signer is not trusted. ERR_INVALID: the anchors are no certificates.
 */
int cms_verify(struct slice signature, struct slice content, const struct cms_trust *trust,
	       struct err *err) MUST_CHECK;

/*
 * The part of it that can be said before the content is there: 0 when it names a trusted signer,
 * and its signed attributes are that one's. One that has none is over the content itself, and is
 * nothing but named before cms_verify(). Codes as above.
 */
int cms_verify_signer(struct slice signature, const struct cms_trust *trust, struct err *err)
	MUST_CHECK;

/*
 * Appends the certificate (DER) that a signature says is its signer's, to show whose it claims to
 * be: nothing is verified. ERR_DAMAGED: it is no such signature, or the certificate is not inside.
 * So for both kinds, detached and with its content inside.
 */
int cms_signer(struct slice signature, struct buf *ret_der, struct err *err) MUST_CHECK;

/*
 * Appends a signature over @content, with SHA-256, by @key. @chain is DER certificates, the key's
 * own first; they go in. ERR_INVALID: the first is not the key's, or they are no certificates.
 */
int cms_sign(const struct pkey *key, struct slice chain, struct slice content,
	     struct buf *ret_signature, struct err *err) MUST_CHECK;

/*
 * The same with the content inside, as `openssl cms -sign -binary -nodetach` makes it: at most
 * CMS_MAX bytes of content, CMS_WHOLE_MAX in all. Opening verifies first, and appends the content
 * only when the signature is good; codes as of cms_verify().
 */
#define CMS_WHOLE_MAX (2 * CMS_MAX)
int cms_seal_whole(const struct pkey *key, struct slice chain, struct slice content,
		   struct buf *ret_whole, struct err *err) MUST_CHECK;
int cms_open_whole(struct slice whole, const struct cms_trust *trust, struct buf *ret_content,
		   struct err *err) MUST_CHECK;
/* The content without any look at the signature, to show what it claims. ERR_DAMAGED. */
int cms_peek_whole(struct slice whole, struct buf *ret_content, struct err *err) MUST_CHECK;

#endif
