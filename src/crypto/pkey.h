/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_PKEY_H
#define CRYPTO_PKEY_H

/*
 * Pkey: asymmetric keys in software. Public halves of TPM keys as SubjectPublicKeyInfo, software
 * private keys for the legacy provider, verification, and the two ways to share a salt with a TPM.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"
#include "crypto/hash.h"

enum pkey_type { PKEY_ECC_P256, PKEY_ECC_P384, PKEY_RSA_2048, PKEY_RSA_3072, PKEY_TYPES };
enum pkey_scheme { PKEY_ECDSA, PKEY_RSASSA, PKEY_RSAPSS, PKEY_SCHEMES };

/* "ecc-p256", "rsa-2048", ..; ERR_NOT_SUPPORTED for others. */
int pkey_type_of_name(const char *name, enum pkey_type *ret_type, struct err *err) MUST_CHECK;
const char *pkey_type_name(enum pkey_type type);
bool pkey_type_is_rsa(enum pkey_type type);
int pkey_scheme_of_name(const char *name, enum pkey_scheme *ret_scheme, struct err *err) MUST_CHECK;
const char *pkey_scheme_name(enum pkey_scheme scheme);

struct pkey; /* a public key, or a pair; immutable, usable by several threads */
void pkey_free(struct pkey *pkey);
MEM_DEFINE_CLEANUP(pkey)

/* From coordinates (big-endian, at most the field's size); the point must lie on the curve. */
int pkey_from_ecc(enum pkey_type type, struct slice x, struct slice y, struct pkey **ret_pkey,
		  struct err *err) MUST_CHECK;
int pkey_from_rsa(struct slice modulus, uint32_t exponent, struct pkey **ret_pkey, struct err *err)
	MUST_CHECK;

/* DER SubjectPublicKeyInfo and its PEM. Parsing refuses types outside enum pkey_type. */
int pkey_from_spki(struct slice der, struct pkey **ret_pkey, struct err *err) MUST_CHECK;
int pkey_to_spki(const struct pkey *pkey, struct buf *ret_der, struct err *err) MUST_CHECK;
int pkey_from_pem(struct slice pem, struct pkey **ret_pkey, struct err *err) MUST_CHECK;
int pkey_to_pem(const struct pkey *pkey, struct buf *ret_pem, struct err *err) MUST_CHECK;

enum pkey_type pkey_type(const struct pkey *pkey);

/* A new pair; RSA takes up to seconds: never on the loop. */
int pkey_generate(enum pkey_type type, struct pkey **ret_pkey, struct err *err) MUST_CHECK;

/* Private half as DER PKCS#8 in a secret, and back. */
int pkey_to_pkcs8(const struct pkey *pkey, struct secret **ret_der, struct err *err) MUST_CHECK;
int pkey_from_pkcs8(struct slice der, struct pkey **ret_pkey, struct err *err) MUST_CHECK;

/*
 * PKCS#8 in PEM: with a passphrase "ENCRYPTED PRIVATE KEY" (PBES2, AES-256-CBC, PBKDF2 with
 * HMAC-SHA-256), with NULL plain "PRIVATE KEY". Reading takes both; ERR_AUTH_FAILED when the
 * passphrase is missing or wrong, ERR_INVALID when it is no PKCS#8, ERR_NOT_SUPPORTED for types
 * outside enum pkey_type.
 */
int pkey_to_pkcs8_pem(const struct pkey *pkey, const struct secret *passphrase, struct buf *ret_pem,
		      struct err *err) MUST_CHECK;
int pkey_from_pkcs8_pem(struct slice pem, const struct secret *passphrase, struct pkey **ret_pkey,
			struct err *err) MUST_CHECK;

/* The same for the form of before PKCS#8, "EC PRIVATE KEY" (RFC 5915), which others still write. */
int pkey_from_ec_pem(struct slice pem, struct pkey **ret_pkey, struct err *err) MUST_CHECK;

/*
 * Signs a digest of @alg. ECDSA signatures are DER (SEQUENCE of two INTEGERs); PSS salts are as
 * long as the digest, which is what TPMs make. ERR_INVALID when digest, scheme and key do not fit.
 */
int pkey_sign(const struct pkey *pkey, enum pkey_scheme scheme, enum hash_alg alg,
	      struct slice digest, struct buf *ret_signature, struct err *err) MUST_CHECK;

/* 0 when the signature is good, ERR_DAMAGED when it is not. PSS with any salt length. */
int pkey_verify(const struct pkey *pkey, enum pkey_scheme scheme, enum hash_alg alg,
		struct slice digest, struct slice signature, struct err *err) MUST_CHECK;

/* ECDSA r || s (each the field's size, left-padded) to DER and back. */
int pkey_ecdsa_der(enum pkey_type type, struct slice r, struct slice s, struct buf *ret_der,
		   struct err *err) MUST_CHECK;
int pkey_ecdsa_raw(enum pkey_type type, struct slice der, struct buf *ret_raw, struct err *err)
	MUST_CHECK;

/*
 * A salt shared with the holder of an ECC key: makes an ephemeral pair, returns its public point
 * and the x-coordinate of the shared one (TPM 2.0 Part 1, C.6.1). P-256 and P-384.
 */
struct pkey_ecdh {
	uint8_t x[48], y[48]; /* the ephemeral public point, field size bytes */
	uint8_t z[48];	      /* the shared x-coordinate: secret, the caller wipes it */
	size_t size;	      /* of each, in bytes */
};
int pkey_ecdh_ephemeral(const struct pkey *peer, struct pkey_ecdh *ret_ecdh, struct err *err)
	MUST_CHECK;

/*
 * The x-coordinate that the pair @own shares with @peer, as long as the field. ERR_INVALID: RSA,
 * or two curves.
 */
int pkey_agree(const struct pkey *own, const struct pkey *peer, struct secret **ret_shared,
	       struct err *err) MUST_CHECK;

/*
 * RSA-OAEP with @alg for both hash and MGF1, and a label with its NUL (Part 1, B.4); NULL is no
 * label at all.
 */
int pkey_oaep_encrypt(const struct pkey *peer, enum hash_alg alg, const char *label,
		      struct slice plain, struct buf *ret_sealed, struct err *err) MUST_CHECK;

/*
 * The reverse; @label is all of its bytes. ERR_INVALID: no RSA, or the ciphertext is not as long
 * as the modulus. ERR_DAMAGED for all else: why it does not open is told to nobody.
 */
int pkey_oaep_decrypt(const struct pkey *own, enum hash_alg alg, struct slice label,
		      struct slice sealed, struct secret **ret_plain, struct err *err) MUST_CHECK;

#endif
