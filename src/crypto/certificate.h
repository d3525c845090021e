/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_CERTIFICATE_H
#define CRYPTO_CERTIFICATE_H

/* Certificate: X.509 certificates as far as a TPM keeps them: where one ends, and whose it is. */

#include "base/err.h"
#include "base/slice.h"
#include "crypto/pkey.h"

/*
 * How many of @bytes are the DER certificate that they begin with. 0: they begin with none, or it
 * is cut. Only the outer length is looked at (X.690, 8.1).
 */
size_t certificate_len(struct slice bytes);

/*
 * Is @der one certificate, of this very key? ERR_DAMAGED when not. The key's own bytes are compared
 * and not its algorithm, since makers mark RSA keys of TPMs as for OAEP only. Neither signature nor
 * dates are looked at.
 */
int certificate_of(struct slice der, const struct pkey *key, struct err *err) MUST_CHECK;

/* Is it one certificate at all? ERR_DAMAGED. */
int certificate_check(struct slice der, struct err *err) MUST_CHECK;

#endif
