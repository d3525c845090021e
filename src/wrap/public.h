/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRAP_PUBLIC_H
#define WRAP_PUBLIC_H

/*
 * Public: the public area of a TPM's storage or endorsement key (TPM2B_PUBLIC, TPM 2.0 Part 2,
 * 12.2.5), read without any TPM software, by who encrypts something to it. Every byte comes from a
 * device that may lie: that a key has these attributes is true only when its TPM proves it
 * (wrap/credential.h).
 *
 * This room is what can be done for a TPM without one (Part 1, 22 to 24), on a publisher's machine
 * or a server: duplicates that only one storage key opens, challenges that only one TPM answers.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "crypto/pkey.h"

#define WRAP_PUBLIC_MAX 512u /* bytes of a TPM2B_PUBLIC with RSA-3072 */
#define WRAP_NAME_SIZE	34u  /* Name with SHA-256: 0x000b and the digest (Part 1, 16) */
#define WRAP_NAME_HEX	(2u * WRAP_NAME_SIZE + 1u)

struct wrap_public;

/*
 * @area is one whole TPM2B_PUBLIC. Taken are restricted decryption keys with nameAlg SHA-256, AES
 * in CFB mode with 128 or 256 bits, and no scheme: P-256, P-384 (points on the curve, coordinates
 * as long as the field: Part 1, C.8), RSA-2048 and -3072 with exponent 65537, which may stand as 0.
 * ERR_DAMAGED: no such structure, or bytes behind it. ERR_NOT_SUPPORTED: a key of another kind.
 */
int wrap_public_read(struct slice area, struct wrap_public **ret_public, struct err *err)
	MUST_CHECK;
void wrap_public_free(struct wrap_public *public);
MEM_DEFINE_CLEANUP(wrap_public)

/* Borrowed. */
struct slice wrap_public_area(const struct wrap_public *public); /* as it was read */
struct slice wrap_public_name(const struct wrap_public *public); /* WRAP_NAME_SIZE bytes */
const struct pkey *wrap_public_key(const struct wrap_public *public);
void wrap_public_hex(const struct wrap_public *public, char ret_hex[WRAP_NAME_HEX]);
/* A Name in lower hex, as it stands in files and texts. */
void wrap_name_hex(const uint8_t name[WRAP_NAME_SIZE], char ret_hex[WRAP_NAME_HEX]);

/*
 * NULL when the attributes say that a TPM made the key and that it never leaves: restricted,
 * decrypt, fixedTPM, fixedParent, sensitiveDataOrigin, and no sign. Else the words for what is
 * missing ("may leave its TPM"): so it is also with the key of a machine without a TPM
 * (docs/PROVIDERS.md), whose form is the same and whose attributes are honest.
 */
const char *wrap_public_unfit(const struct wrap_public *public);

/*
 * The form that a machine without a TPM gives its own P-256 storage key: appends a TPM2B_PUBLIC
 * without fixedTPM, fixedParent and sensitiveDataOrigin.
 */
int wrap_public_of_software(const struct pkey *pkey, struct buf *ret_area, struct err *err)
	MUST_CHECK;

#endif
