/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Keys that the chip keeps, from their making to their end, through the provider and, by a factory
 * reset, past it. Whatever comes of an operation, the chip is as empty afterwards as it was.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "provider/tpm/tpm.h"
#include "tests/fault/operations.h"

#define HANDLE	 0x81000200u
#define HANDLES	 4u /* that a liar may make it wander over */
#define NO_PLACE 77u

static const struct slice header = {(const uint8_t *)"the header of a key", 19};
static const struct key_spec spec = {.type = PKEY_ECC_P256, .uses = KEY_USE_SIGN};

/* Nothing else is a lie about what stands in the chip; and that nothing does is one, too. */
static int expect(struct script *script, int r, struct err *err)
{
	if (r == ERR_NOT_FOUND)
		r = err->code = ERR_TPM_CHANGED;
	return operation_expect(script, r, err);
}

static void sweep(const struct script *script)
{
	for (uint32_t i = 0; i < HANDLES; i++)
		world_evict(script->world->chip, HANDLE + i);
}

static int make(struct provider *p, struct key_result *ret_key, uint32_t *ret_handle,
		struct err *err)
{
	uint32_t handle = NO_PLACE;
	int r = provider_key_create(p, header, &spec, ret_key, err);

	if (r == 0)
		r = provider_persist(p, header, buf_slice(&ret_key->object), HANDLE, &handle, err);
	if (r < 0)
		assert_int_equal(handle, NO_PLACE);
	else
		*ret_handle = handle;
	return r;
}

static int find(struct provider *p, const struct key_result *key, uint32_t handle, struct err *err)
{
	CLEANUP(key_result_cleanup) struct key_result found = KEY_RESULT_INIT;
	int r = provider_resident(p, handle, &found, err);

	if (r < 0) {
		assert_int_equal(found.name.len + found.spki.len + found.public.len, 0);
		return r;
	}
	assert_true(slice_equal(buf_slice(&found.name), buf_slice(&key->name)));
	assert_true(slice_equal(buf_slice(&found.spki), buf_slice(&key->spki)));
	return 0;
}

static int sign(struct provider *p, const struct key_result *key, uint32_t handle, struct err *err)
{
	static const uint8_t digest[32] = {1, 2, 3};
	const struct provider_resident resident = {.handle = handle, .name = buf_slice(&key->name)};
	const struct sign_request request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	int r = provider_resident_sign(p, header, &resident, &request, &signature, err);

	if (r < 0) {
		assert_int_equal(signature.len, 0);
		return r;
	}
	r = pkey_from_spki(buf_slice(&key->spki), &public, err);
	if (r == 0)
		r = pkey_verify(public, request.scheme, request.hash, request.digest,
				buf_slice(&signature), err);
	return r;
}

static int evict(struct provider *p, const struct key_result *key, uint32_t handle, struct err *err)
{
	const struct provider_resident resident = {.handle = handle, .name = buf_slice(&key->name)};

	return provider_evict(p, &resident, err);
}

void operation_resident(struct script *script)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct provider *p = script->world->p;
	uint32_t handle = 0;
	struct err err;
	int r;

	script_live(script);
	r = make(p, &key, &handle, &err);
	if (r == 0)
		r = find(p, &key, handle, &err);
	for (int i = 0; i < 3 && r == 0; i++)
		r = sign(p, &key, handle, &err);
	if (r == 0)
		r = evict(p, &key, handle, &err);
	(void)expect(script, r, &err);
	sweep(script);
	provider_forget(p, buf_slice(&key.object));
}

/* What was acknowledged to be erased does not lie there. */
static void check_gone(struct script *script, const struct key_result *key, uint32_t handle)
{
	CLEANUP(key_result_cleanup) struct key_result found = KEY_RESULT_INIT;
	struct err err;
	int r = provider_resident(script->world->p, handle, &found, &err);

	if (r == 0)
		assert_false(slice_equal(buf_slice(&found.name), buf_slice(&key->name)));
	else
		(void)(r == ERR_NOT_FOUND || expect(script, r, &err) < 0);
}

static int erase(struct script *script, const struct key_result *key, uint32_t handle,
		 struct tpm_erased *ret_erased, struct err *err)
{
	const struct tpm_options options = {.tcti = script->world->conf, .srk_handle = 0x81000002u};
	const struct tpm_erase what = {.keys = {{.handle = handle, .name = buf_slice(&key->name)}},
				       .count = 1};

	return tpm_provider_erase(&options, &what, ret_erased, err);
}

void operation_erase(struct script *script)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct tpm_erased erased = {.left = NO_PLACE};
	bool lies = script->world->lies;
	uint32_t handle = 0;
	struct err err;
	int r;

	script_live(script);
	r = make(script->world->p, &key, &handle, &err);
	if (expect(script, r, &err) < 0) {
		sweep(script);
		provider_forget(script->world->p, buf_slice(&key.object));
		return;
	}
	script_live(script);
	world_close_provider(script->world);
	r = erase(script, &key, handle, &erased, &err);
	if (expect(script, r, &err) < 0)
		assert_int_equal(erased.left, NO_PLACE);
	else
		assert_true(!erased.cleared && (lies || erased.left == 0));
	script_open_provider(script);
	if (r == 0 && !lies)
		check_gone(script, &key, handle);
	sweep(script);
}
