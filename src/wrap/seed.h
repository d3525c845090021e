/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRAP_SEED_H
#define WRAP_SEED_H

/*
 * Seed: a fresh secret that only the holder of a key can read (TPM 2.0 Part 1, B.10 and C.6): the
 * beginning of a duplicate, of a credential and of a salted session. It is as long as SHA-256, the
 * nameAlg of all keys here.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/pkey.h"

#define SEED_SIZE 32u

struct seed_holder {
	const struct pkey *key;
	struct slice x;	 /* of its point, as its public area has it; empty with RSA */
	const char *use; /* the label: "DUPLICATE", "IDENTITY", "SECRET" */
};

/*
 * @ret_seed, which the caller wipes, and what the holder opens it from, appended: the inside of a
 * TPM2B_ENCRYPTED_SECRET.
 */
int seed_make(const struct seed_holder *holder, uint8_t ret_seed[SEED_SIZE], struct buf *ret_sealed,
	      struct err *err) MUST_CHECK;

/* The reverse, for ECC: holder->key is the pair. ERR_DAMAGED for all that does not fit. */
int seed_open(const struct seed_holder *holder, struct slice sealed, uint8_t ret_seed[SEED_SIZE],
	      struct err *err) MUST_CHECK;

#endif
