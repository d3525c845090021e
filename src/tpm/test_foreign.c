/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A stranger on the same bare chip, whom nobody keeps away: ours come through whatever it takes or
 * takes away, or tell that the chip is no longer ours.
 */

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

static uint32_t clear(struct bench *bench)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_Clear);
	buf_put_u32(&command, TPM2_RH_LOCKOUT);
	raw_auth(&command, TPM2_RS_PW);
	raw_end(&command);
	return raw_send(bench, &command, &answer);
}

/* Three keys of ours, of which two are loaded in the end. */
struct ours {
	struct engine_made key[3];
};

static void ours_sign(struct bench *bench, struct ours *ours)
{
	for (size_t i = 0; i < ARRAY_LEN(ours->key); i++)
		bench_sign(bench, &ours->key[i], ENGINE_HSK);
}

static void ours_make(struct bench *bench, struct ours *ret_ours)
{
	for (size_t i = 0; i < ARRAY_LEN(ret_ours->key); i++) {
		ret_ours->key[i] = (struct engine_made)ENGINE_MADE_INIT;
		bench_key(bench, ENGINE_HSK, &ret_ours->key[i]);
	}
	ours_sign(bench, ret_ours);
	assert_int_equal(slots_count(&bench->engine->slots), 2);
}

static void ours_fini(struct ours *ours)
{
	for (size_t i = 0; i < ARRAY_LEN(ours->key); i++)
		engine_made_fini(&ours->key[i]);
}

/* --- objects ------------------------------------------------------------------------------- */

static void test_strangers_take_the_slots(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint32_t handle, taken = 0, code;
	struct ours ours;

	ours_make(bench, &ours);
	bench_seal(bench, "kept", &sealed);
	for (code = raw_primary(bench, &handle); !code; code = raw_primary(bench, &handle))
		taken++;
	assert_int_equal(code, TPM2_RC_OBJECT_MEMORY);
	assert_true(taken > 0);
	/* Full as it is, ours come through, at their cost. */
	ours_sign(bench, &ours);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	ours_fini(&ours);
}

/* The one slot that a stranger holds is not in our count; the chip tells. */
static void test_beside_a_stranger(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint32_t handle = 0;
	struct ours ours;
	int i;

	ours_make(bench, &ours);
	assert_int_equal(raw_primary(bench, &handle), 0);
	for (i = 0; i < 5; i++)
		ours_sign(bench, &ours);
	bench_seal(bench, "kept", &sealed);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	assert_int_equal(raw_flush(bench, handle), 0); /* it was there all the time */
	ours_sign(bench, &ours);
	ours_fini(&ours);
}

/* What they flush is ours; what lies there afterwards may be theirs. */
static void test_ours_are_flushed(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint32_t handle;
	struct ours ours;
	int i;

	bench_transient_hsk(bench);
	ours_make(bench, &ours);
	bench_seal(bench, "kept", &sealed);
	for (i = 0; i < 3; i++) {
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		raw_flush_all(bench, GROUP_TRANSIENT);
		if (i > 0)
			assert_int_equal(raw_primary(bench, &handle), 0);
		if (i > 1)
			raw_flush_all(bench, GROUP_LOADED_SESSION);
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		ours_sign(bench, &ours);
	}
	ours_fini(&ours);
}

/* --- sessions ------------------------------------------------------------------------------ */

static void test_full_of_their_sessions(void **state)
{
	struct bench *bench = *state;
	uint32_t handle;
	uint8_t random[8];
	int i;

	assert_int_equal(session_park_one(bench->engine, LINE_FIRST), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(raw_session(bench, &handle), 0);
	assert_int_equal(raw_session(bench, &handle), TPM2_RC_SESSION_MEMORY);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 1);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
}

/* Somebody has flushed it while it was out, as a reset would: the chip is looked at anew. */
static void test_our_session_is_lost(void **state)
{
	struct bench *bench = *state;
	uint8_t random[8];

	assert_int_equal(session_park_one(bench->engine, LINE_FIRST), 0);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 1);
	assert_int_equal(raw_flush(bench, bench->engine->line.sessions[LINE_FIRST].handle), 0);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 1);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	(void)bench_cost();
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(bench_cost(), 1);
}

/* One without a cipher under the number of ours: a command that only wants its answer encrypted is
 * refused for that, and not for its HMAC. */
static void test_our_session_is_replaced(void **state)
{
	struct bench *bench = *state;
	uint32_t ours = bench->engine->line.sessions[LINE_FIRST].handle, theirs = 0;
	uint8_t random[8];

	assert_int_equal(raw_flush(bench, ours), 0);
	assert_int_equal(raw_session(bench, &theirs), 0);
	assert_int_equal(theirs, ours);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	(void)bench_cost();
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(bench_cost(), 1);
}

/* Another session in the place of the one that does not come back. */
static void test_context_gap(void **state)
{
	struct bench *bench = *state;
	uint8_t random[8];

	bench_through_refuser(bench);
	assert_int_equal(session_park_one(bench->engine, LINE_FIRST), 0);
	bench_refuse(TPM2_CC_ContextLoad, TPM2_RC_CONTEXT_GAP, 1);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_true(bench_refused());
	session_discard(bench->engine);
	bench_refuse(TPM2_CC_StartAuthSession, TPM2_RC_CONTEXT_GAP, 1);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_true(bench_refused());
	/* When nothing helps, the user can. */
	session_discard(bench->engine);
	bench_refuse(TPM2_CC_StartAuthSession, TPM2_RC_CONTEXT_GAP, 100);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), ERR_TPM_BUSY);
	assert_false(bench_refused());
	assert_non_null(strstr(bench->err.text, "another program's old saved session"));
	assert_non_null(strstr(bench->err.remedy, "tpm2_flushcontext"));
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
}

/* --- roots --------------------------------------------------------------------------------- */

/* What comes back from the same seed heals. */
static void test_a_root_is_gone(void **state)
{
	static const uint32_t handles[] = {SRK_SHARED_HANDLE, HSK_HANDLE};
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	bool made = true;
	size_t i;

	bench_seal(bench, "kept", &sealed);
	for (i = 0; i < ARRAY_LEN(handles); i++) {
		assert_int_equal(raw_evict(bench, handles[i], handles[i]), 0);
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		assert_int_equal(bench_reopen(bench, true, &made), 0);
		assert_false(made);
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	}
}

static void test_clear(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint8_t random[8];

	bench_seal(bench, "kept", &sealed);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	assert_int_equal(clear(bench), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_TPM_CHANGED);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), ERR_TPM_CHANGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_strangers_take_the_slots),
		CASE(test_beside_a_stranger),
		CASE(test_ours_are_flushed),
		CASE(test_full_of_their_sessions),
		CASE(test_our_session_is_lost),
		CASE(test_our_session_is_replaced),
		CASE(test_context_gap),
		CASE(test_a_root_is_gone),
		CASE(test_clear),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
