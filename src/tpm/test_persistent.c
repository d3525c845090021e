/* SPDX-License-Identifier: Apache-2.0 */

/* Keys that the chip keeps: put there, found, used, lost to others, and taken out again. */

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

#define HANDLE	   0x81000100u /* the next is the HSK's */
#define NEXT_FREE  0x81000102u
#define ELSEWHERE  0x81000400u
#define PERSISTENT 0x81000000u

/* A key below the HSK, persistent or not. */
struct kept {
	struct engine_made made;
	struct engine_public said;
	uint32_t handle; /* 0 = not yet */
};

static void kept_make(struct bench *bench, struct kept *ret_kept)
{
	*ret_kept = (struct kept){.made = ENGINE_MADE_INIT};
	bench_key(bench, ENGINE_HSK, &ret_kept->made);
	assert_int_equal(engine_public_parse(buf_slice(&ret_kept->made.public), &ret_kept->said,
					     &bench->err),
			 0);
}

static void kept_fini(struct kept *kept)
{
	engine_made_fini(&kept->made);
	pkey_free(kept->said.key);
}

static int persist(struct bench *bench, struct kept *kept)
{
	const struct engine_object object = bench_object(&kept->made, ENGINE_HSK);
	uint32_t handle = 7;
	int r = engine_persist(bench->engine, &object, HANDLE, &handle, &bench->err);

	if (r < 0)
		assert_int_equal(handle, 7);
	else
		kept->handle = handle;
	return r;
}

static struct engine_persistent persistent_of(const struct kept *kept)
{
	return (struct engine_persistent){.handle = kept->handle,
					  .name = name_slice(&kept->said.name),
					  .auth = bench_password};
}

static int sign_as(struct bench *bench, const struct kept *kept,
		   const struct engine_persistent *key)
{
	const uint8_t digest[32] = {1, 2, 3};
	const struct engine_sign request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	int r = engine_sign_persistent(bench->engine, key, &request, &signature, &bench->err);

	if (r < 0) {
		assert_int_equal(signature.len, 0);
		return r;
	}
	assert_int_equal(pkey_verify(kept->said.key, PKEY_ECDSA, HASH_SHA256, request.digest,
				     buf_slice(&signature), &bench->err),
			 0);
	return 0;
}

static int sign(struct bench *bench, const struct kept *kept)
{
	const struct engine_persistent key = persistent_of(kept);

	return sign_as(bench, kept, &key);
}

static int evict(struct bench *bench, const struct kept *kept)
{
	const struct engine_persistent key = persistent_of(kept);

	return engine_evict(bench->engine, &key, &bench->err);
}

/* What lies at a handle; is it this key? */
static int look(struct bench *bench, uint32_t handle, const struct kept *kept)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(ENGINE_PUBLIC_MAX);
	struct engine_name name = {.len = 0};
	int r = engine_look(bench->engine, handle, &name, &public, &bench->err);

	if (r < 0) {
		assert_int_equal(public.len + name.len, 0);
		return r;
	}
	assert_true(public.len > 0);
	return name_equal(&name, &kept->said.name) ? 1 : 0;
}

/* --- as it should be ----------------------------------------------------------------------- */

static void test_put_found_used_taken_out(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;
	unsigned before = raw_count(bench, PERSISTENT);

	kept_make(bench, &kept);
	assert_int_equal(look(bench, HANDLE, &kept), ERR_NOT_FOUND);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(kept.handle, HANDLE);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
	assert_int_equal(look(bench, HANDLE, &kept), 1);
	assert_int_equal(sign(bench, &kept), 0);
	/* The object itself is as good as it was. */
	bench_sign(bench, &kept.made, ENGINE_HSK);
	assert_int_equal(evict(bench, &kept), 0);
	assert_int_equal(look(bench, HANDLE, &kept), ERR_NOT_FOUND);
	assert_int_equal(evict(bench, &kept), ERR_NOT_FOUND);
	assert_int_equal(raw_count(bench, PERSISTENT), before);
}

static void test_one_command(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;
	uint64_t signs = transport_command_count_of(TPM2_CC_Sign);
	bool made = true;
	int i;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	bench_seal(bench, "kept", &sealed);
	(void)bench_cost();
	assert_int_equal(sign(bench, &kept), 0);
	assert_int_equal(bench_cost(), 2); /* ReadPublic, once */
	for (i = 0; i < 5; i++) {
		assert_int_equal(sign(bench, &kept), 0);
		assert_int_equal(bench_cost(), 1);
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		(void)bench_cost();
	}
	assert_int_equal(transport_command_count_of(TPM2_CC_Sign) - signs, 6);
}

/* The same while the chip is as full of ours as it gets. */
static void test_one_command_beside_others(void **state)
{
	struct engine_made others[3];
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;
	size_t i;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(sign(bench, &kept), 0);
	for (i = 0; i < ARRAY_LEN(others); i++) {
		others[i] = (struct engine_made)ENGINE_MADE_INIT;
		bench_key(bench, ENGINE_HSK, &others[i]);
		bench_sign(bench, &others[i], ENGINE_HSK);
		(void)bench_cost();
		assert_int_equal(sign(bench, &kept), 0);
		assert_int_equal(bench_cost(), 1);
	}
	for (i = 0; i < ARRAY_LEN(others); i++)
		engine_made_fini(&others[i]);
}

static void test_only_what_it_was_made_with(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	const uint8_t digest[32] = {0};
	struct bench *bench = *state;
	struct engine_sign request = {
		.scheme = PKEY_RSASSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};
	struct engine_persistent key;
	struct engine_facts facts;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	key = persistent_of(&kept);
	key.auth = slice_str("another password");
	assert_int_equal(sign_as(bench, &kept, &key), ERR_AUTH_FAILED);
	engine_facts(bench->engine, &facts);
	assert_int_equal(facts.lockout_counter, 0);
	key = persistent_of(&kept);
	assert_int_equal(
		engine_sign_persistent(bench->engine, &key, &request, &signature, &bench->err),
		ERR_INVALID);
	request.scheme = PKEY_ECDSA;
	request.digest.len = 31;
	assert_int_equal(
		engine_sign_persistent(bench->engine, &key, &request, &signature, &bench->err),
		ERR_INVALID);
	assert_int_equal(sign(bench, &kept), 0);
}

static void test_keys_that_are_not_kept(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made below_srk = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made imported = ENGINE_MADE_INIT;
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	struct bench *bench = *state;
	struct engine_object object;
	uint32_t handle = 0;

	bench_key(bench, ENGINE_SRK, &below_srk);
	object = bench_object(&below_srk, ENGINE_SRK);
	assert_int_equal(engine_persist(bench->engine, &object, HANDLE, &handle, &bench->err),
			 ERR_INVALID);
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &bench->err), 0);
	assert_int_equal(engine_import_key(bench->engine, pair, ENGINE_SIGN, bench_password,
					   &imported, &bench->err),
			 0);
	object = bench_object(&imported, ENGINE_HSK);
	assert_int_equal(engine_persist(bench->engine, &object, HANDLE, &handle, &bench->err),
			 ERR_INVALID);
	assert_int_equal(handle, 0);
}

static void test_impossible(void **state)
{
	static const uint32_t handles[] = {0,		0x40000001u, 0x80000000u,
					   0x80ffffffu, 0x81800000u, 0x01000000u};
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct engine_handles list;
	struct bench *bench = *state;
	struct engine_object object;
	struct engine_persistent key;
	size_t i;

	kept_make(bench, &kept);
	object = bench_object(&kept.made, ENGINE_HSK);
	for (i = 0; i < ARRAY_LEN(handles); i++) {
		assert_int_equal(engine_persist(bench->engine, &object, handles[i], &kept.handle,
						&bench->err),
				 ERR_INVALID);
		assert_int_equal(look(bench, handles[i], &kept), ERR_INVALID);
		assert_int_equal(engine_persistents(bench->engine, handles[i], &list, &bench->err),
				 ERR_INVALID);
		kept.handle = handles[i];
		assert_int_equal(sign(bench, &kept), ERR_INVALID);
		assert_int_equal(evict(bench, &kept), ERR_INVALID);
	}
	kept.handle = HANDLE;
	key = persistent_of(&kept);
	key.name.len = 0;
	assert_int_equal(sign_as(bench, &kept, &key), ERR_INVALID);
	key.name.len = ENGINE_NAME_MAX + 1;
	assert_int_equal(sign_as(bench, &kept, &key), ERR_INVALID);
	/* The last of the range: there is no next one. */
	raw_squat(bench, 0x817fffffu);
	assert_int_equal(
		engine_persist(bench->engine, &object, 0x817fffffu, &kept.handle, &bench->err),
		ERR_CONFLICT);
}

/* --- the owner's password ------------------------------------------------------------------ */

static void test_owner_password(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;
	bool made = true;

	kept_make(bench, &kept);
	raw_password(bench, TPM2_RH_OWNER, "secret");
	assert_int_equal(persist(bench, &kept), ERR_OWNER_AUTH_REQUIRED);
	bench->owner = "wrong";
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(persist(bench, &kept), ERR_OWNER_AUTH_REQUIRED);
	assert_non_null(strstr(bench->err.text, "configured owner password"));
	bench->owner = "secret";
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(persist(bench, &kept), 0);
	/* To use it takes no owner. */
	bench->owner = NULL;
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(sign(bench, &kept), 0);
	assert_int_equal(evict(bench, &kept), ERR_OWNER_AUTH_REQUIRED);
	assert_int_equal(sign(bench, &kept), 0);
	bench->owner = "secret";
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(evict(bench, &kept), 0);
	assert_int_equal(look(bench, HANDLE, &kept), ERR_NOT_FOUND);
}

/* --- losses -------------------------------------------------------------------------------- */

static void power_cut(struct bench *bench)
{
	chip_power_cut(bench->chip);
	chip_power_on(bench->chip);
}

static void restart(struct bench *bench)
{
	assert_int_equal(bench_power(bench, TPM2_CC_Shutdown, TPM2_SU_STATE), 0);
	bench_reset_line(bench);
	assert_int_equal(bench_power(bench, TPM2_CC_Startup, TPM2_SU_STATE), 0);
}

static void flush_session(struct bench *bench)
{
	raw_flush_all(bench, GROUP_LOADED_SESSION);
}

static void reopen(struct bench *bench)
{
	bool made = true;

	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_false(made);
}

static void test_losses(void **state)
{
	static void (*const losses[])(struct bench * bench) = {power_cut, bench_reset_line, restart,
							       flush_session, reopen};
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;
	uint64_t reads;
	size_t i;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(sign(bench, &kept), 0);
	for (i = 0; i < ARRAY_LEN(losses); i++) {
		losses[i](bench);
		reads = transport_command_count_of(TPM2_CC_ReadPublic);
		assert_int_equal(sign(bench, &kept), 0);
		assert_true(transport_command_count_of(TPM2_CC_ReadPublic) > reads);
		(void)bench_cost();
		assert_int_equal(sign(bench, &kept), 0);
		assert_int_equal(bench_cost(), 1);
		assert_int_equal(look(bench, HANDLE, &kept), 1);
	}
}

static void test_absent_chip(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	chip_power_cut(bench->chip);
	assert_int_equal(sign(bench, &kept), ERR_TPM_FAILED);
	assert_int_equal(look(bench, HANDLE, &kept), ERR_TPM_FAILED);
	assert_int_equal(evict(bench, &kept), ERR_TPM_FAILED);
	assert_int_equal(persist(bench, &kept), ERR_TPM_FAILED);
	chip_power_on(bench->chip);
	assert_int_equal(sign(bench, &kept), 0);
}

static void test_another_chip(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(sign(bench, &kept), 0);
	chip_replace(bench->chip);
	/* Nothing lies there, but who knows that of the chip that is meant? */
	assert_int_equal(look(bench, HANDLE, &kept), ERR_TPM_CHANGED);
	assert_int_equal(sign(bench, &kept), ERR_TPM_CHANGED);
	assert_int_equal(evict(bench, &kept), ERR_TPM_CHANGED);
	assert_int_equal(persist(bench, &kept), ERR_TPM_CHANGED);
	assert_int_equal(raw_count(bench, PERSISTENT), 0);
}

/* As a power cut before EvictControl leaves it, or after it, or somebody else. */
static void test_persist_is_repeated(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;
	unsigned before = raw_count(bench, PERSISTENT);
	int i;

	kept_make(bench, &kept);
	power_cut(bench);
	for (i = 0; i < 3; i++) {
		assert_int_equal(persist(bench, &kept), 0);
		assert_int_equal(kept.handle, HANDLE);
		power_cut(bench);
	}
	assert_int_equal(raw_count(bench, PERSISTENT), before + 1);
	assert_int_equal(raw_evict(bench, HANDLE, HANDLE), 0);
	assert_int_equal(sign(bench, &kept), ERR_TPM_CHANGED);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(sign(bench, &kept), 0);
	assert_int_equal(raw_count(bench, PERSISTENT), before + 1);
}

/* --- others -------------------------------------------------------------------------------- */

static void test_evicted_under_us(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(sign(bench, &kept), 0);
	assert_int_equal(raw_evict(bench, HANDLE, HANDLE), 0);
	assert_int_equal(sign(bench, &kept), ERR_TPM_CHANGED);
	assert_non_null(strstr(bench->err.text, "is gone"));
	assert_int_equal(look(bench, HANDLE, &kept), ERR_NOT_FOUND);
	assert_int_equal(evict(bench, &kept), ERR_NOT_FOUND);
	/* The engine itself is well. */
	bench_sign(bench, &kept.made, ENGINE_HSK);
}

static void test_replaced_under_us(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	CLEANUP(kept_fini) struct kept other = {.handle = 0};
	struct bench *bench = *state;

	kept_make(bench, &kept);
	kept_make(bench, &other);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(sign(bench, &kept), 0);
	assert_int_equal(raw_evict(bench, HANDLE, HANDLE), 0);
	assert_int_equal(persist(bench, &other), 0); /* of the same password even */
	assert_int_equal(other.handle, HANDLE);
	assert_int_equal(sign(bench, &kept), ERR_TPM_CHANGED);
	assert_non_null(strstr(bench->err.text, "another key"));
	assert_int_equal(look(bench, HANDLE, &kept), 0);
	assert_int_equal(evict(bench, &kept), ERR_CONFLICT);
	assert_int_equal(sign(bench, &other), 0);
	assert_int_equal(look(bench, HANDLE, &other), 1);
}

static void test_handle_of_a_stranger(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;

	kept_make(bench, &kept);
	raw_squat(bench, HANDLE);
	assert_int_equal(look(bench, HANDLE, &kept), 0);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(kept.handle, NEXT_FREE); /* beyond the HSK */
	assert_int_equal(sign(bench, &kept), 0);
	/* When the stranger has left it stays where it is. */
	assert_int_equal(raw_evict(bench, HANDLE, HANDLE), 0);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(kept.handle, NEXT_FREE);
	assert_int_equal(look(bench, HANDLE, &kept), ERR_NOT_FOUND);
}

/* While the HSK is no persistent key its handle is not free either. */
static void test_handles_of_the_roots(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;

	bench_transient_hsk(bench);
	kept_make(bench, &kept);
	raw_squat(bench, HANDLE);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(kept.handle, NEXT_FREE);
	assert_int_equal(engine_persist_hsk(bench->engine, &bench->err), 0);
	assert_int_equal(engine_hsk_handle(bench->engine), HSK_HANDLE);
	assert_int_equal(sign(bench, &kept), 0);
}

static void test_all_handles_are_taken(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;
	uint32_t transient = 0, i;

	kept_make(bench, &kept);
	assert_int_equal(raw_primary(bench, &transient), 0);
	for (i = 0; i < ENGINE_PERSIST_TRIES; i++)
		if (HANDLE + i != HSK_HANDLE)
			assert_int_equal(raw_evict(bench, transient, HANDLE + i), 0);
	assert_int_equal(raw_flush(bench, transient), 0);
	assert_int_equal(persist(bench, &kept), ERR_CONFLICT);
	assert_non_null(strstr(bench->err.text, "taken"));
	assert_non_null(strstr(bench->err.remedy, "tpm2_evictcontrol"));
	/* One of them is free again. */
	assert_int_equal(raw_evict(bench, HANDLE + 63, HANDLE + 63), 0);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(kept.handle, HANDLE + 63);
}

static void test_memory_is_full(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;
	uint32_t transient = 0, i = 0, code;

	kept_make(bench, &kept);
	assert_int_equal(raw_primary(bench, &transient), 0);
	do
		code = raw_evict(bench, transient, ELSEWHERE + i++);
	while (!code && i < 1000);
	assert_int_equal(code, TPM2_RC_NV_SPACE);
	assert_int_equal(raw_flush(bench, transient), 0);
	assert_int_equal(persist(bench, &kept), ERR_CONFLICT);
	assert_non_null(strstr(bench->err.text, "no room"));
	assert_int_equal(raw_evict(bench, ELSEWHERE, ELSEWHERE), 0);
	assert_int_equal(persist(bench, &kept), 0);
	assert_int_equal(sign(bench, &kept), 0);
}

/* --- on the bus ---------------------------------------------------------------------------- */

/* What is done once and answered falsely is found to be done. */
static void test_one_lie(void **state)
{
	static const struct {
		const char *how;
		uint32_t command;
	} lies[] = {
		{"hmac", TPM2_CC_EvictControl},	 {"nonce", TPM2_CC_EvictControl},
		{"stale", TPM2_CC_EvictControl}, {"refuse", TPM2_CC_EvictControl},
		{"hmac", TPM2_CC_Sign},		 {"size", TPM2_CC_Sign},
		{"stale", TPM2_CC_Sign},	 {"refuse", TPM2_CC_Sign},
		{"cut", TPM2_CC_Sign},		 {"hmac", TPM2_CC_ReadPublic},
		{"refuse", TPM2_CC_ReadPublic},
	};
	struct bench *bench = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(lies); i++) {
		CLEANUP(kept_fini) struct kept kept = {.handle = 0};

		kept_make(bench, &kept);
		bench_lie(bench, lies[i].how, lies[i].command);
		assert_int_equal(persist(bench, &kept), 0);
		assert_int_equal(kept.handle, HANDLE);
		assert_int_equal(look(bench, HANDLE, &kept), 1);
		assert_int_equal(sign(bench, &kept), 0);
		assert_int_equal(evict(bench, &kept), 0);
		assert_int_equal(look(bench, HANDLE, &kept), ERR_NOT_FOUND);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	}
}

/* The same of the last command, whose answer is lost after the key has gone. */
static void test_one_lie_about_its_end(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	bench_lie(bench, "hmac", TPM2_CC_EvictControl);
	assert_int_equal(evict(bench, &kept), 0);
	assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	assert_int_equal(look(bench, HANDLE, &kept), ERR_NOT_FOUND);
}

/* Once somebody says that it is not there: that is no word of the chip, and the chip is asked. */
static void test_refused_once(void **state)
{
	CLEANUP(kept_fini) struct kept kept = {.handle = 0};
	struct bench *bench = *state;

	kept_make(bench, &kept);
	assert_int_equal(persist(bench, &kept), 0);
	bench_through_refuser(bench);
	assert_int_equal(sign(bench, &kept), 0);
	bench_refuse(TPM2_CC_Sign, TPM2_RC_HANDLE | TPM2_RC_1, 1);
	assert_int_equal(sign(bench, &kept), 0);
	assert_true(bench_refused());
	bench_refuse(TPM2_CC_Sign, TPM2_RC_BAD_AUTH | TPM2_RC_S | TPM2_RC_1, 1);
	assert_int_equal(sign(bench, &kept), 0);
	assert_true(bench_refused());
	bench_refuse(TPM2_CC_ReadPublic, TPM2_RC_FAILURE, 100);
	assert_int_equal(look(bench, HANDLE, &kept), ERR_TPM_FAILED);
	(void)bench_refused();
	assert_int_equal(look(bench, HANDLE, &kept), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_put_found_used_taken_out),
		CASE(test_one_command),
		CASE(test_one_command_beside_others),
		CASE(test_only_what_it_was_made_with),
		CASE(test_keys_that_are_not_kept),
		CASE(test_impossible),
		CASE(test_owner_password),
		CASE(test_losses),
		CASE(test_absent_chip),
		CASE(test_another_chip),
		CASE(test_persist_is_repeated),
		CASE(test_evicted_under_us),
		CASE(test_replaced_under_us),
		CASE(test_handle_of_a_stranger),
		CASE(test_handles_of_the_roots),
		CASE(test_all_handles_are_taken),
		CASE(test_memory_is_full),
		CASE(test_one_lie),
		CASE(test_one_lie_about_its_end),
		CASE(test_refused_once),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
