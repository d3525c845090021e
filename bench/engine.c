/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same commands as limit.c, through src/tpm: what the engine adds to the limit.
 *
 *   engine TCTI	operations: unseal sign
 */

#include <string.h>

#include "base/secret.h"
#include "bench/bench.h"
#include "tpm/engine.h"

#define PLAIN	    "thirty-two bytes that are sealed"
#define AUTH	    "thirty-two bytes of the password"
#define HSK_HANDLE  0x81000103u /* not the daemon's own, which may be on the same chip */
#define SRK_HANDLE  0x81000002u
#define OBJECT_SIZE 32u

struct bench_engine {
	struct engine *engine;
	struct engine_made sealed, key;
};

static int failed(const struct err *err)
{
	return bench_say("%s", err->text);
}

static struct engine_object object_of(const struct engine_made *made)
{
	return (struct engine_object){
		.parent = ENGINE_HSK,
		.public = buf_slice(&made->public),
		.private = buf_slice(&made->private),
		.auth = slice_str(AUTH),
	};
}

static int unseal(void *arg)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct bench_engine *bench = arg;
	struct engine_object object = object_of(&bench->sealed);
	struct err err = {0};

	if (engine_unseal(bench->engine, &object, &plain, &err) < 0)
		return failed(&err);
	if (!secret_equal(secret_slice(plain), slice_str(PLAIN)))
		return bench_say("not what was sealed");
	return 0;
}

static int sign(void *arg)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	struct bench_engine *bench = arg;
	struct engine_object key = object_of(&bench->key);
	const struct engine_sign request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(PLAIN, OBJECT_SIZE)};
	struct err err = {0};

	return engine_sign(bench->engine, &key, &request, &signature, &err) < 0 ? failed(&err) : 0;
}

static int set_up(struct bench_engine *bench, const char *tcti, struct err *err)
{
	const struct engine_options options = {
		.tcti = tcti,
		.srk_type = PKEY_ECC_P256,
		.srk_handle = SRK_HANDLE,
		.hsk_handle = HSK_HANDLE,
		.encrypt = true,
		.hsk_auth = slice_str(AUTH),
	};
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	bool made = false;
	int r = secret_copy(slice_str(PLAIN), &plain, err);

	if (r == 0)
		r = engine_open(&options, &bench->engine, &made, err);
	if (r == 0)
		r = engine_persist_hsk(bench->engine, err);
	if (r == 0)
		r = engine_seal(bench->engine, slice_str(AUTH), plain, &bench->sealed, err);
	if (r == 0)
		r = engine_create_key(bench->engine,
				      &(struct engine_key){.parent = ENGINE_HSK,
							   .type = PKEY_ECC_P256,
							   .uses = ENGINE_SIGN,
							   .auth = slice_str(AUTH)},
				      &bench->key, err);
	return r;
}

int main(int argc, char **argv)
{
	struct bench_engine bench = {.sealed = ENGINE_MADE_INIT, .key = ENGINE_MADE_INIT};
	const struct bench_op ops[] = {
		{"unseal", NULL, unseal, NULL, &bench},
		{"sign", NULL, sign, NULL, &bench},
	};
	struct err err = {0};

	if (argc != 2)
		bench_die("usage: engine TCTI");
	if (set_up(&bench, argv[1], &err) < 0)
		bench_die("engine: %s", err.text);
	return bench_serve(ops, ARRAY_LEN(ops));
}
