/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRAP_IMPL_H
#define WRAP_IMPL_H

/* What the files of this room share. */

#include "crypto/hash.h"
#include "wrap/public.h"

/* Numbers of TPM 2.0 Part 2, 6.3 and 6.4. */
enum {
	ALG_RSA = 0x0001,
	ALG_AES = 0x0006,
	ALG_KEYEDHASH = 0x0008,
	ALG_SHA256 = 0x000b,
	ALG_NULL = 0x0010,
	ALG_ECC = 0x0023,
	ALG_CFB = 0x0043,
	CURVE_P256 = 0x0003,
	CURVE_P384 = 0x0004,
};

/* TPMA_OBJECT (Part 2, 8.3.2). */
enum {
	OBJECT_FIXED_TPM = 1 << 1,
	OBJECT_FIXED_PARENT = 1 << 4,
	OBJECT_DATA_ORIGIN = 1 << 5,
	OBJECT_USER_WITH_AUTH = 1 << 6,
	OBJECT_NO_DA = 1 << 10,
	OBJECT_RESTRICTED = 1 << 16,
	OBJECT_DECRYPT = 1 << 17,
	OBJECT_SIGN = 1 << 18,
};

#define NAME_DIGEST 32u /* bytes of every Name's hash here */

struct wrap_public {
	uint8_t area[WRAP_PUBLIC_MAX];
	size_t len;
	uint8_t name[WRAP_NAME_SIZE];
	struct slice x; /* of a point, in @area; empty with RSA */
	uint32_t attributes;
	unsigned key_bits; /* of AES */
	struct pkey *key;
};

/* The Name of a TPMT_PUBLIC whose nameAlg is SHA-256 (Part 1, 16). */
int public_area_name(struct slice area, uint8_t ret_name[WRAP_NAME_SIZE], struct err *err)
	MUST_CHECK;

/* The bytes of a structure that says its size first (TPM2B) and ends where @bytes end. */
bool sized_whole(struct slice bytes, struct slice *ret_inside);

#endif
