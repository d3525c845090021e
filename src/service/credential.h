/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_CREDENTIAL_H
#define SERVICE_CREDENTIAL_H

/* Challenges, as the operations that open them take them: for an attestation key, for the storage
 * key. */

#include "service/op.h"

#define CREDENTIAL_FILE_MAX 1024u

/* The members "credential", a file of tpm2_makecredential, and "ek", which may be missing. */
struct credential_body {
	struct buf file;
	struct credential credential; /* borrows from the file */
};
void credential_body_init(struct credential_body *body);
void credential_body_fini(struct credential_body *body);
/* ERR_INVALID, ERR_NOT_SUPPORTED: with the member's path. */
int credential_body_read(const struct json_t *json, struct credential_body *ret_body,
			 struct err *err) MUST_CHECK;

/* What was in it. */
void credential_answer(struct op *op, const struct secret *secret);

#endif
