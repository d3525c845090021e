/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_TEST_FIXTURE_H
#define CRYPTO_TEST_FIXTURE_H

/* What the tests of keys share: one pair of each type, made once, since RSA is slow. */

#include "crypto/pkey.h"

extern struct pkey *keys[PKEY_TYPES];

/* For a group of tests. */
int keys_make(void **state);
int keys_free(void **state);

void spki_of(const struct pkey *pkey, struct buf *ret_der);

#endif
