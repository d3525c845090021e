/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys FAPI makes. noda, since otherwise every power cut counts as an attempt to
 * guess the password of the SRK, and an SRK with FAPI's own template could not be shared with us.
 */
#include "fapi/profile.h"

#include <string.h>

#define SRK_TEMPLATE "system,restricted,decrypt,noda,0x81000001"
#define EK_TEMPLATE  "system,restricted,decrypt"
#define AES_CFB	     "{\"algorithm\":\"TPM2_ALG_AES\",\"keyBits\":\"128\",\"mode\":\"TPM2_ALG_CFB\"}"
#define WITH_SHA256(scheme)                                                                        \
	"{\"scheme\":\"" scheme "\",\"details\":{\"hashAlg\":\"TPM2_ALG_SHA256\"}}"

/* 0x4000000b is TPM_RH_ENDORSEMENT: who has its password may use the EK. */
#define PROFILE_COMMON                                                                             \
	"  \"nameAlg\": \"TPM2_ALG_SHA256\",\n"                                                    \
	"  \"srk_template\": \"" SRK_TEMPLATE "\",\n"                                              \
	"  \"srk_description\": \"storage root key, shared with all TPM software\",\n"             \
	"  \"srk_persistent\": 1,\n"                                                               \
	"  \"ek_template\": \"" EK_TEMPLATE "\",\n"                                                \
	"  \"ek_description\": \"endorsement key\",\n"                                             \
	"  \"ek_policy\": {\"description\": \"password of the endorsement hierarchy\",\n"          \
	"    \"policy\": [{\"type\": \"POLICYSECRET\", \"objectName\": \"4000000b\"}]},\n"         \
	"  \"sym_mode\": \"TPM2_ALG_CFB\",\n"                                                      \
	"  \"sym_parameters\": " AES_CFB ",\n"                                                     \
	"  \"sym_block_size\": 16,\n"                                                              \
	"  \"session_hash_alg\": \"TPM2_ALG_SHA256\",\n"                                           \
	"  \"session_symmetric\": " AES_CFB ",\n"                                                  \
	"  \"pcr_selection\": [{\"hash\": \"TPM2_ALG_SHA256\", \"pcrSelect\":\n"                   \
	"    [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23]}]\n"

const struct fapi_profile FAPI_PROFILES[FAPI_PROFILE_COUNT] = {
	{"P_ECCP256SHA256",
	 "{\n"
	 "  \"type\": \"TPM2_ALG_ECC\",\n"
	 "  \"curveID\": \"TPM2_ECC_NIST_P256\",\n"
	 "  \"ecc_signing_scheme\": " WITH_SHA256("TPM2_ALG_ECDSA") ",\n" PROFILE_COMMON "}\n"},
	{"P_RSA2048SHA256",
	 "{\n"
	 "  \"type\": \"TPM2_ALG_RSA\",\n"
	 "  \"keyBits\": 2048,\n"
	 "  \"exponent\": 0,\n"
	 "  \"rsa_signing_scheme\": " WITH_SHA256(
		 "TPM2_ALG_RSAPSS") ",\n"
				    "  \"rsa_decrypt_scheme\": " WITH_SHA256(
					    "TPM2_ALG_OAEP") ",\n" PROFILE_COMMON "}\n"},
};

const struct fapi_profile *fapi_profile_of(const char *name)
{
	size_t i;

	for (i = 0; i < FAPI_PROFILE_COUNT; i++)
		if (strcmp(FAPI_PROFILES[i].name, name) == 0)
			return &FAPI_PROFILES[i];
	return NULL;
}
