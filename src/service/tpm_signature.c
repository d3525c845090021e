/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithm, hash, and then one number of RSA or two of ECDSA. */
#include "service/tpm_signature.h"

#define ALG_RSASSA 0x0014u /* Part 2, 6.3 */
#define ALG_ECDSA  0x0018u

static struct slice take_sized(struct cursor *cursor)
{
	return cursor_take(cursor, cursor_u16(cursor));
}

int tpm_signature_plain(enum pkey_type type, struct slice signature, struct buf *ret_plain,
			struct err *err)
{
	struct cursor cursor = cursor_of(signature);
	bool rsa = pkey_type_is_rsa(type);
	unsigned alg = cursor_u16(&cursor);
	struct slice first, second = slice_of(NULL, 0);

	(void)cursor_u16(&cursor); /* the hash, which the key has anyway */
	first = take_sized(&cursor);
	if (!rsa)
		second = take_sized(&cursor);
	if (!cursor_done(&cursor) || alg != (rsa ? ALG_RSASSA : ALG_ECDSA))
		return err_set(err, ERR_TPM_FAILED, "the TPM's signature is of another kind");
	if (!rsa)
		return pkey_ecdsa_der(type, first, second, ret_plain, err);
	buf_put(ret_plain, first);
	return buf_ok(ret_plain) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}
