/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_TPM_SIGNATURE_H
#define SERVICE_TPM_SIGNATURE_H

/* TPMT_SIGNATURE (TPM 2.0 Part 2, 11.3.4), of which other software wants the inside. */

#include "crypto/pkey.h"

/* RSA: the signature's bytes; ECDSA: DER. ERR_TPM_FAILED when it is no signature by such a key. */
int tpm_signature_plain(enum pkey_type type, struct slice signature, struct buf *ret_plain,
			struct err *err) MUST_CHECK;

#endif
