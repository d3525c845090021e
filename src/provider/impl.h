/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_IMPL_H
#define PROVIDER_IMPL_H

/* What the doors to every SecurityProvider share: provider.c, use.c, attest.c, resident.c,
 * unwrap.c. */

#include "provider/provider.h"

/* ERR_TPM_REQUIRED: the implementation has no such call. */
int provider_not_there(struct err *err);

/* ERR_INVALID: none, unknown ones, or such as a key of @type (PKEY_TYPES: HMAC) cannot have. */
int provider_check_uses(enum pkey_type type, unsigned uses, struct err *err) MUST_CHECK;

int provider_check_header(struct slice header, struct err *err) MUST_CHECK;
int provider_check_object(struct slice header, struct slice object, struct err *err) MUST_CHECK;

int provider_check_request(const struct sign_request *request, struct err *err) MUST_CHECK;

/* ERR_INVALID: a message of which this is the first piece is nothing for an attestation key. */
int provider_check_message(struct slice first, struct err *err) MUST_CHECK;
/*
 * ERR_DAMAGED: the header is not of an attestation key, or is of one where a key is wanted. What
 * is bound to it is then no such object.
 */
int provider_check_aik(struct slice header, bool wanted, struct err *err) MUST_CHECK;

/* ERR_INVALID: a challenge that no TPM could have been meant with. */
int provider_check_credential(const struct credential *credential, struct err *err) MUST_CHECK;

/* What was made goes to the caller whole, or not at all. */
int provider_hand_over(const struct buf *made, struct buf *ret_bytes, struct err *err) MUST_CHECK;
int provider_key_hand_over(struct key_result *made, struct key_result *ret_key, struct err *err)
	MUST_CHECK;

#endif
