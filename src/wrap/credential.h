/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRAP_CREDENTIAL_H
#define WRAP_CREDENTIAL_H

/*
 * Credential: TPM2_MakeCredential in software (Part 1, 24). Who gets the secret out of it has shown
 * that the endorsement key and the key of that Name are in one TPM; since a Name has the attributes
 * in it, it has shown these too.
 */

#include "wrap/public.h"

#define CREDENTIAL_SECRET_MAX 32u /* bytes, the digest of the endorsement key's nameAlg */
#define CREDENTIAL_FILE_MAX   1024u

/*
 * Appends what tpm2_makecredential writes (magic, version, TPM2B_ID_OBJECT,
 * TPM2B_ENCRYPTED_SECRET), which POST /v1/device/storage-key/activate takes. @name is the other
 * key's; @secret 1 to CREDENTIAL_SECRET_MAX bytes.
 */
int credential_make(const struct wrap_public *ek, struct slice name, const struct secret *secret,
		    struct buf *ret_file, struct err *err) MUST_CHECK;

#endif
