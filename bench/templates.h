/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_TEMPLATES_H
#define BENCH_TEMPLATES_H

/* The objects that all parties of a comparison make, so that the chip has the same work. */

#include <tss2/tss2_tpm2_types.h>

#define OURS                                                                                       \
	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH |               \
	 TPMA_OBJECT_NODA)

static const TPM2B_PUBLIC storage = {
	.publicArea = {
		.type = TPM2_ALG_ECC,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = OURS | TPMA_OBJECT_SENSITIVEDATAORIGIN |
				    TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
		.parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
						       .keyBits.aes = 128,
						       .mode.aes = TPM2_ALG_CFB},
					 .scheme.scheme = TPM2_ALG_NULL,
					 .curveID = TPM2_ECC_NIST_P256,
					 .kdf.scheme = TPM2_ALG_NULL},
	}};

static const TPM2B_PUBLIC sealed_object = {
	.publicArea = {.type = TPM2_ALG_KEYEDHASH,
		       .nameAlg = TPM2_ALG_SHA256,
		       .objectAttributes = OURS,
		       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};

static const TPM2B_PUBLIC signing_key = {
	.publicArea = {
		.type = TPM2_ALG_ECC,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes =
			OURS | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_SIGN_ENCRYPT,
		.parameters.eccDetail = {.symmetric.algorithm = TPM2_ALG_NULL,
					 .scheme.scheme = TPM2_ALG_NULL,
					 .curveID = TPM2_ECC_NIST_P256,
					 .kdf.scheme = TPM2_ALG_NULL},
	}};

#endif
