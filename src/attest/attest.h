/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ATTEST_ATTEST_H
#define ATTEST_ATTEST_H

/*
 * Attest: what a verifier does with a quote or a certification, without a TPM. Pure. Every byte
 * comes from the device under suspicion: nothing is believed before the signature holds, and a
 * statement that is authentic may still say what the verifier does not want to hear.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"

#define ATTEST_PCR_COUNT 24u
#define ATTEST_BANKS	 4u

/* PCRs of some banks: which, and, where somebody has filled it in, their values. */
struct attest_pcrs {
	struct {
		enum hash_alg hash;
		uint32_t mask; /* bit n = PCR n */
		uint8_t value[ATTEST_PCR_COUNT][HASH_MAX_SIZE];
	} banks[ATTEST_BANKS];
	size_t count; /* of banks, in the order of the list (Part 2, 10.9.7) */
};

enum attest_kind { ATTEST_QUOTE, ATTEST_CERTIFY };

/* TPMS_ATTEST taken apart (Part 2, 10.12.12). Slices borrow from it. */
struct attest_statement {
	enum attest_kind kind;
	struct slice signer; /* qualified Name of the signing key */
	struct slice nonce;  /* extraData */
	uint64_t clock;	     /* milliseconds that the chip has been powered */
	/* Of a key below the owner's hierarchy, as all of ours are, these are blinded (Part
	 * 1, 36.7): they tell whether the chip was reset between two statements of the key, not how
	 * often ever. */
	uint32_t reset_count, restart_count;
	bool safe; /* the clock was never set back */
	uint64_t firmware;

	struct attest_pcrs pcrs; /* quote: which, without values */
	struct slice digest;	 /* quote: over their values */

	struct slice name; /* certify: of the key that is vouched for */
	struct slice qualified_name;
};

/* ERR_INVALID: no statement; ERR_NOT_SUPPORTED: of another kind, or a hash that is not known. */
int attest_parse(struct slice bytes, struct attest_statement *ret_statement, struct err *err)
	MUST_CHECK;

/*
 * Is @attest signed by @key (@signature is a TPMT_SIGNATURE, Part 2, 11.3.4), and over @nonce?
 * ERR_DAMAGED when not: a bad signature, or another nonce. @nonce NULL: any is good, and an old
 * statement cannot be told from a new one. *ret_hash is the hash of the signature, which is that
 * of the quote's digest as well (may be NULL).
 */
struct attest_claim {
	struct slice attest;
	struct slice signature;
	const struct slice *nonce;
};
int attest_check(const struct attest_claim *claim, const struct pkey *key,
		 struct attest_statement *ret_statement, enum hash_alg *ret_hash, struct err *err)
	MUST_CHECK;

/* ERR_DAMAGED unless @values are those of the quote: the same PCRs, and the same digest. */
int attest_check_pcrs(const struct attest_statement *quote, enum hash_alg hash,
		      const struct attest_pcrs *values, struct err *err) MUST_CHECK;

/* The bank of @hash, or NULL. */
static inline const uint8_t (*attest_bank(const struct attest_pcrs *pcrs, enum hash_alg hash,
					  uint32_t *ret_mask))[HASH_MAX_SIZE]
{
	size_t i;

	for (i = 0; i < pcrs->count; i++) {
		if (pcrs->banks[i].hash != hash)
			continue;
		*ret_mask = pcrs->banks[i].mask;
		return pcrs->banks[i].value;
	}
	return NULL;
}

/* "sha256" of a TPM's algorithm number (Part 2, 6.3); false when it is none of ours. */
bool attest_hash_of_id(uint16_t id, enum hash_alg *ret_hash);

#endif
