/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same commands by ESYS, as its documentation has them: one session salted to the storage key,
 * kept, with AES-128-CFB for the response.
 *
 *   esys TCTI	operations: unseal sign
 */

#include <stdbool.h>
#include <string.h>

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "bench/bench.h"
#include "bench/templates.h"

#define PLAIN "thirty-two bytes that are sealed"
#define AUTH  "thirty-two bytes of the password"

struct bench_esys {
	ESYS_CONTEXT *ctx;
	ESYS_TR session, object;
};

static TSS2_RC start_session(struct bench_esys *bench, ESYS_TR primary)
{
	static const TPMT_SYM_DEF aes = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};

	return Esys_StartAuthSession(bench->ctx, primary, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
				     ESYS_TR_NONE, NULL, TPM2_SE_HMAC, &aes, TPM2_ALG_SHA256,
				     &bench->session);
}

static TSS2_RC create_load(struct bench_esys *bench, ESYS_TR primary, bool sealed)
{
	static const TPM2B_DATA outside;
	static const TPML_PCR_SELECTION no_pcrs;
	TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.userAuth.size = 32};
	TPM2B_PRIVATE *private = NULL;
	TPM2B_PUBLIC *public = NULL;
	TSS2_RC rc;

	memcpy(sensitive.sensitive.userAuth.buffer, AUTH, 32);
	if (sealed) {
		sensitive.sensitive.data.size = 32;
		memcpy(sensitive.sensitive.data.buffer, PLAIN, 32);
	}
	rc = Esys_Create(bench->ctx, primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
			 &sensitive, sealed ? &sealed_object : &signing_key, &outside, &no_pcrs,
			 &private, &public, NULL, NULL, NULL);
	if (!rc)
		rc = Esys_Load(bench->ctx, primary, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
			       private, public, &bench->object);
	if (!rc)
		rc = Esys_TR_SetAuth(bench->ctx, bench->object, &sensitive.sensitive.userAuth);
	Esys_Free(private);
	Esys_Free(public);
	return rc;
}

static int load(struct bench_esys *bench, bool sealed)
{
	static const TPM2B_SENSITIVE_CREATE nothing;
	static const TPM2B_DATA outside;
	static const TPML_PCR_SELECTION no_pcrs;
	const TPMA_SESSION attributes = sealed ? TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_ENCRYPT
					       : TPMA_SESSION_CONTINUESESSION;
	ESYS_TR primary = ESYS_TR_NONE;
	TSS2_RC rc;

	rc = Esys_CreatePrimary(bench->ctx, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
				ESYS_TR_NONE, &nothing, &storage, &outside, &no_pcrs, &primary,
				NULL, NULL, NULL, NULL);
	if (!rc)
		rc = start_session(bench, primary);
	if (!rc)
		rc = Esys_TRSess_SetAttributes(bench->ctx, bench->session, attributes, 0xff);
	if (!rc)
		rc = create_load(bench, primary, sealed);
	if (primary != ESYS_TR_NONE)
		(void)Esys_FlushContext(bench->ctx, primary);
	return rc ? bench_say("setting up: 0x%x", rc) : 0;
}

static int begin_sealed(void *arg)
{
	return load(arg, true);
}

static int begin_key(void *arg)
{
	return load(arg, false);
}

static void end(void *arg)
{
	struct bench_esys *bench = arg;

	if (bench->object != ESYS_TR_NONE)
		(void)Esys_FlushContext(bench->ctx, bench->object);
	if (bench->session != ESYS_TR_NONE)
		(void)Esys_FlushContext(bench->ctx, bench->session);
	bench->object = bench->session = ESYS_TR_NONE;
}

static int unseal(void *arg)
{
	struct bench_esys *bench = arg;
	TPM2B_SENSITIVE_DATA *data = NULL;
	TSS2_RC rc = Esys_Unseal(bench->ctx, bench->object, bench->session, ESYS_TR_NONE,
				 ESYS_TR_NONE, &data);
	int r = 0;

	if (rc)
		r = bench_say("Esys_Unseal: 0x%x", rc);
	else if (data->size != 32 || memcmp(data->buffer, PLAIN, 32) != 0)
		r = bench_say("not what was sealed");
	Esys_Free(data);
	return r;
}

static int sign(void *arg)
{
	static const TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_ECDSA,
					       .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
	static const TPMT_TK_HASHCHECK no_ticket = {.tag = TPM2_ST_HASHCHECK,
						    .hierarchy = TPM2_RH_NULL};
	struct bench_esys *bench = arg;
	TPM2B_DIGEST digest = {.size = 32};
	TPMT_SIGNATURE *signature = NULL;
	TSS2_RC rc;

	memcpy(digest.buffer, PLAIN, 32);
	rc = Esys_Sign(bench->ctx, bench->object, bench->session, ESYS_TR_NONE, ESYS_TR_NONE,
		       &digest, &scheme, &no_ticket, &signature);
	Esys_Free(signature);
	return rc ? bench_say("Esys_Sign: 0x%x", rc) : 0;
}

int main(int argc, char **argv)
{
	struct bench_esys bench = {.session = ESYS_TR_NONE, .object = ESYS_TR_NONE};
	const struct bench_op ops[] = {
		{"unseal", begin_sealed, unseal, end, &bench},
		{"sign", begin_key, sign, end, &bench},
	};
	TSS2_TCTI_CONTEXT *tcti = NULL;

	if (argc != 2)
		bench_die("usage: esys TCTI");
	if (Tss2_TctiLdr_Initialize(argv[1], &tcti) || Esys_Initialize(&bench.ctx, tcti, NULL))
		bench_die("the TPM does not open: %s", argv[1]);
	return bench_serve(ops, sizeof(ops) / sizeof(ops[0]));
}
