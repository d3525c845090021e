/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

/*
 * Base64 (RFC 4648, padded, strict) and base64url without padding; both without branches or table
 * look-ups that depend on the data, since plaintexts and passphrases pass through here.
 */

#include "base/buf.h"

static inline size_t base64_encoded_size(size_t len)
{
	return (len + 2) / 3 * 4;
}

/* Appends the encoding of @bytes. */
void base64_encode(struct buf *buf, struct slice bytes);
void base64url_encode(struct buf *buf, struct slice bytes);

/* Upper bound of what base64_decode() writes. */
static inline size_t base64_decoded_max(size_t len)
{
	return len / 4 * 3;
}

/*
 * Decodes @text into @out (base64_decoded_max() bytes of room). Whitespace, missing padding and
 * non-zero trailing bits are refused. Returns false, with @out wiped, when it is not base64.
 */
bool base64_decode(struct slice text, uint8_t *out, size_t *ret_len) MUST_CHECK;

/* Lower-case hexadecimal only, for names of TPM objects and ids. @text has 2 * @out_len digits. */
void hex_encode(struct buf *buf, struct slice bytes);
bool hex_decode(struct slice text, uint8_t *out, size_t out_len) MUST_CHECK;

#endif
