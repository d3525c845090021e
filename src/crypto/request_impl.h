/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_REQUEST_IMPL_H
#define CRYPTO_REQUEST_IMPL_H

/* What the request*.c files share, and certificates need of them. For this room only. */

#include "crypto/der.h"
#include "crypto/request.h"

/* Appends a Name; an empty subject gives an empty one. */
int request_put_subject(struct slice text, struct buf *ret_name, struct err *err) MUST_CHECK;

/* Appends the GeneralNames of a SubjectAltName (RFC 5280, 4.2.1.6), without their SEQUENCE. */
int request_put_names(const struct request_name *names, size_t count, struct buf *ret_names,
		      struct err *err) MUST_CHECK;

#endif
