/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FAPI in process, one context that is kept. Its configuration comes by TSS2_FAPICONF; with
 * "provision" it provisions first.
 *
 *   fapi [provision]	operations: unseal sign seal random
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tss2/tss2_fapi.h>

#include "bench/bench.h"

#define PLAIN "thirty-two bytes that are sealed"
#define DATA  "/HS/SRK/benchdata"
#define KEY   "/HS/SRK/benchkey"

struct bench_fapi {
	FAPI_CONTEXT *ctx;
	unsigned sealed; /* so far, for their names */
};

static int unseal(void *arg)
{
	struct bench_fapi *bench = arg;
	uint8_t *data = NULL;
	size_t len = 0;
	TSS2_RC rc = Fapi_Unseal(bench->ctx, DATA, &data, &len);
	int r = 0;

	if (rc)
		r = bench_say("Fapi_Unseal: 0x%x", rc);
	else if (len != 32 || memcmp(data, PLAIN, 32) != 0)
		r = bench_say("not what was sealed");
	Fapi_Free(data);
	return r;
}

static int sign(void *arg)
{
	struct bench_fapi *bench = arg;
	uint8_t *signature = NULL;
	size_t len = 0;
	TSS2_RC rc = Fapi_Sign(bench->ctx, KEY, NULL, (const uint8_t *)PLAIN, 32, &signature, &len,
			       NULL, NULL);

	Fapi_Free(signature);
	return rc ? bench_say("Fapi_Sign: 0x%x", rc) : 0;
}

static int seal(void *arg)
{
	struct bench_fapi *bench = arg;
	char path[64];
	TSS2_RC rc;

	(void)snprintf(path, sizeof(path), "%s%d-%u", DATA, (int)getpid(), ++bench->sealed);
	rc = Fapi_CreateSeal(bench->ctx, path, "noda", 32, NULL, NULL, (const uint8_t *)PLAIN);
	return rc ? bench_say("Fapi_CreateSeal: 0x%x", rc) : 0;
}

static int random_bytes(void *arg)
{
	struct bench_fapi *bench = arg;
	uint8_t *data = NULL;
	TSS2_RC rc = Fapi_GetRandom(bench->ctx, 32, &data);

	Fapi_Free(data);
	return rc ? bench_say("Fapi_GetRandom: 0x%x", rc) : 0;
}

static void provision(struct bench_fapi *bench)
{
	TSS2_RC rc = Fapi_Provision(bench->ctx, NULL, NULL, NULL);

	if (rc)
		bench_die("Fapi_Provision: 0x%x", rc);
	rc = Fapi_CreateSeal(bench->ctx, DATA, "noda", 32, NULL, NULL, (const uint8_t *)PLAIN);
	if (!rc)
		rc = Fapi_CreateKey(bench->ctx, KEY, "sign,noda", NULL, NULL);
	if (rc)
		bench_die("Fapi_CreateSeal, Fapi_CreateKey: 0x%x", rc);
}

int main(int argc, char **argv)
{
	struct bench_fapi bench = {.sealed = 0};
	const struct bench_op ops[] = {
		{"unseal", NULL, unseal, NULL, &bench},
		{"sign", NULL, sign, NULL, &bench},
		{"seal", NULL, seal, NULL, &bench},
		{"random", NULL, random_bytes, NULL, &bench},
	};
	TSS2_RC rc = Fapi_Initialize(&bench.ctx, NULL);

	if (rc)
		bench_die("Fapi_Initialize: 0x%x", rc);
	if (argc == 2 && strcmp(argv[1], "provision") == 0)
		provision(&bench);
	else if (argc != 1)
		bench_die("usage: fapi [provision]");
	return bench_serve(ops, sizeof(ops) / sizeof(ops[0]));
}
