/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_PUBLIC_H
#define TPM_PUBLIC_H

/* Public: templates of what we make, Names, and TPM structures to ours and back. Pure. */

#include <tss2/tss2_tpm2_types.h>

#include "base/err.h"
#include "tpm/engine.h"

/*
 * A restricted storage key, noDA, empty unique: for an SRK the template that FAPI's profiles with
 * `noda` and `tpm2_createprimary` give, so that all make the same key from the same seed.
 */
int public_storage(enum pkey_type type, TPM2B_PUBLIC *ret_public, struct err *err) MUST_CHECK;

/* Keyed-hash object for sealed data; a signing key without fixed scheme. Both noDA. */
void public_sealed(TPM2B_PUBLIC *ret_public);
int public_signing(enum pkey_type type, TPM2B_PUBLIC *ret_public, struct err *err) MUST_CHECK;

/* nameAlg || H(TPMT_PUBLIC): Part 1, "Names". */
int public_name(const TPM2B_PUBLIC *public, struct engine_name *ret_name, struct err *err)
	MUST_CHECK;

/* Can it serve as SRK: restricted, decrypt, fixedTPM, fixedParent, .. and noDA? NULL or why not. */
const char *public_unfit_srk(const TPM2B_PUBLIC *public);

/* PKEY_TYPES for what is no key of those types. */
enum pkey_type public_type(const TPM2B_PUBLIC *public);
int public_to_pkey(const TPM2B_PUBLIC *public, struct pkey **ret_pkey, struct err *err) MUST_CHECK;
int public_unmarshal(struct slice bytes, TPM2B_PUBLIC *ret_public, struct err *err) MUST_CHECK;
int public_marshal(const TPM2B_PUBLIC *public, struct buf *ret_bytes, struct err *err) MUST_CHECK;
int private_unmarshal(struct slice bytes, TPM2B_PRIVATE *ret_private, struct err *err) MUST_CHECK;
int private_marshal(const TPM2B_PRIVATE *private, struct buf *ret_bytes, struct err *err)
	MUST_CHECK;

/* Our words for the TPM's algorithm numbers. */
TPMI_ALG_HASH public_hash_id(enum hash_alg alg);
int public_hash_of_id(TPMI_ALG_HASH id, enum hash_alg *ret_alg, struct err *err) MUST_CHECK;
TPMI_ALG_ASYM_SCHEME public_scheme_id(enum pkey_scheme scheme);

/* A TPM's signature as DER (ECDSA) or as the bytes of the RSA signature. */
int public_signature(enum pkey_type type, const TPMT_SIGNATURE *signature,
		     struct buf *ret_signature, struct err *err) MUST_CHECK;

#endif
