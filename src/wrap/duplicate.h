/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRAP_DUPLICATE_H
#define WRAP_DUPLICATE_H

/*
 * Duplicate: sealed data as a duplication blob for one storage key, made in software (Part 1,
 * "Protected Storage", outer wrapper; no inner one). TPM2_Import makes an object of the chip of it;
 * who else has it has nothing. The object is KEYEDHASH without a scheme, its attributes are
 * userWithAuth and noDA, with no policy and an empty authValue: the storage key's own password
 * guards it. The chip refuses a blob of which one bit was changed.
 *
 * Anybody who knows the public key can make one: what is inside must say for itself what it is
 * good for (artifact/device_key.h).
 */

#include "base/buf.h"
#include "base/secret.h"
#include "wrap/public.h"

#define DUPLICATE_DATA_MAX 128u /* bytes that can be sealed (MAX_SYM_DATA) */
#define DUPLICATE_PART_MAX 512u /* of each part below */

/* Borrowed texts of somebody else, nothing is known of them. */
struct duplicate {
	struct slice public_area;  /* TPM2B_PUBLIC of the sealed object */
	struct slice private_area; /* TPM2B_PRIVATE, "duplicate" of TPM2_Import */
	struct slice seed;	   /* TPM2B_ENCRYPTED_SECRET */
};

struct duplicate_made {
	struct buf public_area;
	struct buf private_area;
	struct buf seed;
};
#define DUPLICATE_MADE_INIT                                                                        \
	{                                                                                          \
		.public_area = BUF_INIT(DUPLICATE_PART_MAX),                                       \
		.private_area = BUF_INIT(DUPLICATE_PART_MAX), .seed = BUF_INIT(DUPLICATE_PART_MAX) \
	}
void duplicate_made_fini(struct duplicate_made *made);
static inline void duplicate_made_cleanup(struct duplicate_made *made)
{
	duplicate_made_fini(made);
}
struct duplicate duplicate_of(const struct duplicate_made *made);

/* Seals 1 to DUPLICATE_DATA_MAX bytes (else ERR_INVALID). What is in @ret_made is replaced. */
int duplicate_make(const struct wrap_public *parent, const struct secret *data,
		   struct duplicate_made *ret_made, struct err *err) MUST_CHECK;

/*
 * Sizes, that the public area is exactly that of such an object, and that the seed is exactly one
 * point (two TPM2B of 32 or 48 bytes) or one RSA block (256 or 384). ERR_DAMAGED. What passes may
 * still not open.
 */
int duplicate_check(const struct duplicate *duplicate, struct err *err) MUST_CHECK;

/*
 * What TPM2_Import and TPM2_Unseal do, for the storage key of a machine without a TPM: @own is its
 * pair, @parent the public area that it has shown. ERR_DAMAGED for all that does not fit, whichever
 * it is.
 */
int duplicate_open(const struct pkey *own, const struct wrap_public *parent,
		   const struct duplicate *duplicate, struct secret **ret_data, struct err *err)
	MUST_CHECK;

/*
 * The outer wrapper alone, for who has seed and sensitive area already (tpm/import.c): @sensitive
 * is a marshalled TPM2B_SENSITIVE and is encrypted in place; appends HMAC and ciphertext as a
 * TPM2B_PRIVATE without its size. @name is that of the object, @seed 32 bytes, @key_bits of the
 * parent's symmetric algorithm.
 */
struct duplicate_wrapper {
	struct slice seed;
	struct slice name;
	unsigned key_bits;
};
int duplicate_wrap(const struct duplicate_wrapper *wrapper, uint8_t *sensitive, size_t len,
		   struct buf *ret_private, struct err *err) MUST_CHECK;

#endif
