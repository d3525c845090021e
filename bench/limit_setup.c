/* SPDX-License-Identifier: Apache-2.0 */
/* What precedes the measured commands: objects and a salted session, by SYS, at leisure. */

#include "bench/limit.h"
#include "bench/templates.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

static const TSS2L_SYS_AUTH_COMMAND no_password = {.count = 1,
						   .auths = {{.sessionHandle = TPM2_RS_PW}}};

void limit_open(struct limit *limit, const char *tcti)
{
	TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
	size_t size = Tss2_Sys_GetContextSize(0);

	limit->sys = calloc(1, size);
	if (!limit->sys || Tss2_TctiLdr_Initialize(tcti, &limit->tcti) ||
	    Tss2_Sys_Initialize(limit->sys, size, limit->tcti, &abi))
		bench_die("the TPM does not open: %s", tcti);
}

static int create_primary(struct limit *limit, uint32_t *ret_handle, TPM2B_PUBLIC *ret_public)
{
	TPM2B_SENSITIVE_CREATE sensitive = {.size = 0};
	TPM2B_NAME name = {.size = sizeof(name) - 2};
	TPM2B_CREATION_DATA data = {0};
	TPML_PCR_SELECTION no_pcrs = {0};
	TPM2B_DIGEST digest = {.size = sizeof(digest) - 2};
	TPMT_TK_CREATION ticket = {0};
	TPM2B_DATA outside = {0};
	TSS2L_SYS_AUTH_RESPONSE answers;
	TSS2_RC rc;

	ret_public->size = 0;
	rc = Tss2_Sys_CreatePrimary(limit->sys, TPM2_RH_OWNER, &no_password, &sensitive, &storage,
				    &outside, &no_pcrs, ret_handle, ret_public, &data, &digest,
				    &ticket, &name, &answers);
	return rc ? bench_say("CreatePrimary: 0x%x", rc) : 0;
}

static int create_load(struct limit *limit, uint32_t parent, bool sealed)
{
	TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.userAuth.size = 32};
	TPM2B_PUBLIC public = {0};
	TPM2B_PRIVATE private = {.size = sizeof(private) - 2};
	TPM2B_NAME name = {.size = sizeof(name) - 2};
	TPM2B_CREATION_DATA data = {0};
	TPML_PCR_SELECTION no_pcrs = {0};
	TPM2B_DIGEST digest = {.size = sizeof(digest) - 2};
	TPMT_TK_CREATION ticket = {0};
	TPM2B_DATA outside = {0};
	TSS2L_SYS_AUTH_RESPONSE answers;
	TSS2_RC rc;

	memcpy(sensitive.sensitive.userAuth.buffer, LIMIT_AUTH, 32);
	if (sealed) {
		sensitive.sensitive.data.size = 32;
		memcpy(sensitive.sensitive.data.buffer, LIMIT_PLAIN, 32);
	}
	rc = Tss2_Sys_Create(limit->sys, parent, &no_password, &sensitive,
			     sealed ? &sealed_object : &signing_key, &outside, &no_pcrs, &private,
			     &public, &data, &digest, &ticket, &answers);
	if (!rc)
		rc = Tss2_Sys_Load(limit->sys, parent, &no_password, &private, &public,
				   &limit->object, &name, &answers);
	if (rc || name.size > sizeof(limit->name))
		return bench_say("Create and Load: 0x%x", rc);
	memcpy(limit->name, name.name, name.size);
	limit->name_len = name.size;
	return 0;
}

/* --- the salt: ECDH with the primary, KDFe (Part 1, "ECC Secret Sharing") --- */

static EVP_PKEY *public_of(const TPMS_ECC_POINT *point)
{
	uint8_t bytes[65] = {4};
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t) "P-256", 5),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes)),
		OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	memcpy(bytes + 1 + (32 - point->x.size), point->x.buffer, point->x.size);
	memcpy(bytes + 33 + (32 - point->y.size), point->y.buffer, point->y.size);
	if (EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static int share(EVP_PKEY *ours, EVP_PKEY *theirs, uint8_t *ret_z)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ours, NULL);
	size_t len = 32;
	int ok = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
		 EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
		 EVP_PKEY_derive(ctx, ret_z, &len) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok && len == 32 ? 0 : bench_say("ECDH");
}

static int kdfe(struct limit *limit, const uint8_t *z, const uint8_t *ours, const uint8_t *theirs,
		uint8_t *ret_salt)
{
	static const uint8_t counter[4] = {0, 0, 0, 1};

	if (EVP_DigestInit_ex2(limit->md_ctx, limit->sha256, NULL) != 1 ||
	    EVP_DigestUpdate(limit->md_ctx, counter, 4) != 1 ||
	    EVP_DigestUpdate(limit->md_ctx, z, 32) != 1 ||
	    EVP_DigestUpdate(limit->md_ctx, "SECRET", 7) != 1 ||
	    EVP_DigestUpdate(limit->md_ctx, ours, 32) != 1 ||
	    EVP_DigestUpdate(limit->md_ctx, theirs, 32) != 1 ||
	    EVP_DigestFinal_ex(limit->md_ctx, ret_salt, NULL) != 1)
		return bench_say("KDFe");
	return 0;
}

static int make_salt(struct limit *limit, const TPMS_ECC_POINT *primary, uint8_t *ret_salt,
		     TPM2B_ENCRYPTED_SECRET *ret_sent)
{
	EVP_PKEY *theirs = public_of(primary), *ours = EVP_EC_gen("P-256");
	TPM2B_ECC_POINT point = {0};
	uint8_t bytes[65], z[32], px[32] = {0};
	size_t len = 0, offset = 0;
	int r = -1;

	memcpy(px + 32 - primary->x.size, primary->x.buffer, primary->x.size);
	if (theirs && ours &&
	    EVP_PKEY_get_octet_string_param(ours, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes),
					    &len) == 1 &&
	    len == 65 && share(ours, theirs, z) == 0)
		r = kdfe(limit, z, bytes + 1, px, ret_salt);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(ours);
	if (r < 0)
		return bench_say("the salt cannot be made");
	point.point.x.size = point.point.y.size = 32;
	memcpy(point.point.x.buffer, bytes + 1, 32);
	memcpy(point.point.y.buffer, bytes + 33, 32);
	if (Tss2_MU_TPM2B_ECC_POINT_Marshal(&point, ret_sent->secret, sizeof(ret_sent->secret),
					    &offset))
		return bench_say("marshalling the salt");
	/* The secret's own size stands for the point's: without the size inside. */
	ret_sent->size = (UINT16)(offset - 2);
	memmove(ret_sent->secret, ret_sent->secret + 2, ret_sent->size);
	return 0;
}

/* KDFa(salt, "ATH", nonceTPM, nonceCaller): one block of HMAC. */
static int session_key(const uint8_t *salt, const struct limit *limit, uint8_t *ret_key)
{
	uint8_t text[4 + 4 + 32 + 32 + 4] = {0, 0, 0, 1, 'A', 'T', 'H', 0};
	size_t len = 0;

	memcpy(text + 8, limit->nonce_tpm, 32);
	memcpy(text + 40, limit->nonce_caller, 32);
	text[74] = 1; /* 256 bits */
	if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, salt, 32, text, sizeof(text), ret_key,
		       32, &len))
		return bench_say("KDFa");
	return 0;
}

static int start_session(struct limit *limit, uint32_t primary, const TPM2B_PUBLIC *public)
{
	static const TPMT_SYM_DEF aes = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
	TPM2B_NONCE caller = {.size = 32}, tpm = {.size = sizeof(tpm) - 2};
	TPM2B_ENCRYPTED_SECRET secret = {0};
	uint8_t salt[32], key[32];
	TSS2_RC rc;

	if (RAND_bytes(caller.buffer, 32) != 1 ||
	    make_salt(limit, &public->publicArea.unique.ecc, salt, &secret) < 0)
		return -1;
	rc = Tss2_Sys_StartAuthSession(limit->sys, primary, TPM2_RH_NULL, NULL, &caller, &secret,
				       TPM2_SE_HMAC, &aes, TPM2_ALG_SHA256, &limit->session, &tpm,
				       NULL);
	if (rc || tpm.size != 32)
		return bench_say("StartAuthSession: 0x%x", rc);
	memcpy(limit->nonce_caller, caller.buffer, 32);
	memcpy(limit->nonce_tpm, tpm.buffer, 32);
	if (session_key(salt, limit, key) < 0)
		return -1;
	limit_set_key(limit, key, (const uint8_t *)LIMIT_AUTH);
	return 0;
}

int limit_load(struct limit *limit, bool sealed)
{
	TPM2B_PUBLIC public;
	uint32_t primary = 0;
	int r;

	if (create_primary(limit, &primary, &public) < 0)
		return -1;
	r = start_session(limit, primary, &public);
	if (r == 0)
		r = create_load(limit, primary, sealed);
	(void)Tss2_Sys_FlushContext(limit->sys, primary);
	return r;
}

void limit_unload(struct limit *limit)
{
	if (limit->object)
		(void)Tss2_Sys_FlushContext(limit->sys, limit->object);
	if (limit->session)
		(void)Tss2_Sys_FlushContext(limit->sys, limit->session);
	limit->object = 0;
	limit->session = 0;
}
