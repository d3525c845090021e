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

/* Keyed-hash object for sealed data, noDA. */
void public_sealed(TPM2B_PUBLIC *ret_public);

/*
 * A key for these uses (enum engine_use), noDA: a pair without a fixed scheme, or one for HMAC with
 * SHA-256, whatever @type then is.
 */
int public_key(enum pkey_type type, unsigned uses, TPM2B_PUBLIC *ret_public, struct err *err)
	MUST_CHECK;

/* What the chip vouches for: it made the key, and the key never leaves. */
#define PUBLIC_VOUCHED                                                                             \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN)

/* What a key of ours or of others may do; 0 for what is no key that is served. */
unsigned public_uses(const TPM2B_PUBLIC *public);

/* An attestation key: restricted, noDA, RSASSA or ECDSA with @hash and no other. */
int public_attesting(enum pkey_type type, enum hash_alg hash, TPM2B_PUBLIC *ret_public,
		     struct err *err) MUST_CHECK;

/*
 * An endorsement key by the TCG EK Credential Profile 2.5: with the low range of its templates
 * (B.3: L-1, L-2; usable by policy only) or the high one (B.4: H-1 to H-3, H-6; by an empty
 * password too). ERR_NOT_SUPPORTED: there is none of this type in the range.
 */
int public_endorsement(enum pkey_type type, bool high, TPM2B_PUBLIC *ret_public, struct err *err)
	MUST_CHECK;
/* Was @public made with @template: are they the same but for what is unique? */
bool public_is_by(const TPM2B_PUBLIC *public, const TPM2B_PUBLIC *template);

/* nameAlg || H(TPMT_PUBLIC): Part 1, "Names". */
int public_name(const TPM2B_PUBLIC *public, struct engine_name *ret_name, struct err *err)
	MUST_CHECK;

/* Can it serve as SRK: restricted, decrypt, fixedTPM, fixedParent, .. and noDA? NULL or why not. */
const char *public_unfit_srk(const TPM2B_PUBLIC *public);

/* PKEY_TYPES for what is no key of those types. */
enum pkey_type public_type(const TPM2B_PUBLIC *public);
size_t public_type_size(enum pkey_type type); /* of its modulus or coordinates, in bytes */
int public_to_pkey(const TPM2B_PUBLIC *public, struct pkey **ret_pkey, struct err *err) MUST_CHECK;
/* A point as TPMs take it. */
struct pkey_point;
void public_point(const struct pkey_point *point, TPMS_ECC_POINT *ret_point);
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
