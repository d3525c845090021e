/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_REQUEST_IMPL_H
#define CRYPTO_REQUEST_IMPL_H

/* What the request*.c files share. For this room only. */

#include "crypto/request.h"

/* Tags of DER (X.690). */
enum {
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_UTF8 = 0x0c,
	DER_PRINTABLE = 0x13,
	DER_IA5 = 0x16,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80,   /* [n] IMPLICIT, of a string: add n */
	DER_CONTEXT_0 = 0xa0, /* [0], with more inside */
};

/* Appends tag, length and content. */
void request_put(struct buf *buf, uint8_t tag, struct slice content);

/* Appends a Name; an empty subject gives an empty one. */
int request_put_subject(struct slice text, struct buf *ret_name, struct err *err) MUST_CHECK;

/* Appends the GeneralNames of a SubjectAltName (RFC 5280, 4.2.1.6), without their SEQUENCE. */
int request_put_names(const struct request_name *names, size_t count, struct buf *ret_names,
		      struct err *err) MUST_CHECK;

#endif
