/* SPDX-License-Identifier: Apache-2.0 */

/* What is ours among raw commands: out of their reach, and in nobody's way. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

/* --- whose handles ------------------------------------------------------------------------- */

/* A command with one handle and, with @authorised, an empty password. */
static uint32_t name_handle(struct bench *bench, uint32_t code, uint32_t handle, bool authorised)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, authorised ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS, code);
	buf_put_u32(&command, handle);
	if (authorised)
		raw_auth(&command, TPM2_RS_PW);
	raw_end(&command);
	return raw_send(bench, &command, &answer);
}

static const struct {
	uint32_t code;
	bool authorised;
	uint32_t refusal;
} uses_of_objects[] = {
	{TPM2_CC_FlushContext, false, 0x1cb},
	{TPM2_CC_ContextSave, false, TPM2_RC_REFERENCE_H0},
	{TPM2_CC_ReadPublic, false, TPM2_RC_REFERENCE_H0},
	{TPM2_CC_Unseal, true, TPM2_RC_REFERENCE_H0},
};

/* Loads ours anew before each, so that the handle is that of an object of ours until then. */
static void try_our_objects(struct bench *bench, const struct engine_made *sealed)
{
	uint32_t handle;
	size_t i, slot;

	for (i = 0; i < ARRAY_LEN(uses_of_objects); i++)
		for (slot = 0; slot < SLOTS_MAX; slot++) {
			assert_int_equal(bench_unseal(bench, sealed, "kept"), 0);
			handle = bench->engine->slots.loaded[slot].handle;
			if (!handle)
				continue;
			assert_int_equal(name_handle(bench, uses_of_objects[i].code, handle,
						     uses_of_objects[i].authorised),
					 uses_of_objects[i].refusal);
			assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
		}
	assert_int_equal(bench_unseal(bench, sealed, "kept"), 0);
}

static void try_our_session(struct bench *bench)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	uint32_t handle = bench->engine->line.sessions[LINE_FIRST].handle;
	uint8_t random[8];

	assert_int_equal(name_handle(bench, TPM2_CC_FlushContext, handle, false), 0x1cb);
	assert_int_equal(name_handle(bench, TPM2_CC_ContextSave, handle, false),
			 TPM2_RC_REFERENCE_H0);
	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_GetRandom);
	raw_auth(&command, handle);
	buf_put_u16(&command, 8);
	raw_end(&command);
	assert_int_equal(raw_send(bench, &command, &answer), TPM2_RC_REFERENCE_S0);
	/* It is as good as before. */
	(void)bench_cost();
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(bench_cost(), 2);
	assert_int_equal(bench->engine->line.sessions[LINE_FIRST].handle, handle);
}

static void test_ours_cannot_be_named(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;

	bench_transient_hsk(bench);
	bench_seal(bench, "kept", &sealed);
	try_our_objects(bench, &sealed);
	try_our_session(bench);
	bench_through_refuser(bench);
	try_our_objects(bench, &sealed);
	try_our_session(bench);
}

/* With commands of ours in between their handles stay theirs, and nothing moves twice. */
static void test_ours_come_between(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint32_t object = 0, session = 0;
	int i;

	bench_seal(bench, "kept", &sealed);
	assert_int_equal(raw_primary(bench, &object), 0);
	assert_int_equal(raw_session(bench, &session), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		assert_int_equal(slots_count(&bench->engine->slots), 1);
		assert_int_equal(name_handle(bench, TPM2_CC_ReadPublic, object, false), 0);
		assert_int_equal(slots_count(&bench->engine->slots), 0);
		(void)bench_cost();
		assert_int_equal(name_handle(bench, TPM2_CC_ReadPublic, object, false), 0);
		assert_int_equal(bench_cost(), 1);
	}
	assert_int_equal(raw_flush(bench, object), 0);
	assert_int_equal(raw_flush(bench, session), 0);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
}

/* --- saved sessions too far apart ------------------------------------------------------------ */

/* The client hears of it only when ours does not help. */
static void test_context_gap(void **state)
{
	struct bench *bench = *state;
	uint8_t random[8];
	uint64_t saved;

	bench_through_refuser(bench);
	assert_int_equal(raw_random(bench), 0);
	saved = transport_command_count_of(TPM2_CC_ContextSave);
	bench_refuse(TPM2_CC_GetRandom, TPM2_RC_CONTEXT_GAP, 1);
	(void)bench_cost();
	assert_int_equal(raw_random(bench), 0);
	assert_true(bench_refused());
	/* Refused, ContextLoad, ContextSave, again. */
	assert_int_equal(bench_cost(), 4);
	assert_int_equal(transport_command_count_of(TPM2_CC_ContextSave) - saved, 1);
	/* Once is enough: what helps no more is told. */
	bench_refuse(TPM2_CC_GetRandom, TPM2_RC_CONTEXT_GAP, 2);
	assert_int_equal(raw_random(bench), TPM2_RC_CONTEXT_GAP);
	assert_true(bench_refused());
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	/* A session that cannot be renewed is given up. */
	assert_int_equal(session_park(bench->engine), 0);
	bench_refuse(TPM2_CC_ContextLoad, TPM2_RC_CONTEXT_GAP, 1);
	assert_true(session_renew(bench->engine));
	assert_true(bench_refused());
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	/* And where there is none, nothing of ours helps. */
	bench_refuse(TPM2_CC_GetRandom, TPM2_RC_CONTEXT_GAP, 1);
	assert_int_equal(raw_random(bench), TPM2_RC_CONTEXT_GAP);
	assert_true(bench_refused());
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
}

/* Our own commands: another session in the place of the one that does not come back. */
static void test_context_gap_for_ours(void **state)
{
	struct bench *bench = *state;
	uint8_t random[8];

	bench_through_refuser(bench);
	assert_int_equal(raw_random(bench), 0);
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

/* Straight to the chip on one connection, since it takes 65,535 of them. */
static uint32_t save_and_load(int fd, uint32_t session)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf context = BUF_INIT(4096);
	uint32_t code;

	raw_begin(&command, TPM2_ST_NO_SESSIONS, TPM2_CC_ContextSave);
	buf_put_u32(&command, session);
	raw_end(&command);
	code = bench_send(fd, &command, &context);
	if (code)
		return code;
	raw_begin(&command, TPM2_ST_NO_SESSIONS, TPM2_CC_ContextLoad);
	buf_put(&command, slice_of(context.data + 10, context.len - 10));
	raw_end(&command);
	return bench_send(fd, &command, &context);
}

/* Saves the session until the chip refuses it for the sake of the one that was saved first. */
static void widen_gap(struct bench *bench, uint32_t session)
{
	int fd = bench_connect(bench, "s"), i;
	uint32_t code = 0;

	for (i = 0; !code && i < 70000; i++)
		code = save_and_load(fd, session);
	assert_int_equal(code, TPM2_RC_CONTEXT_GAP);
	close(fd);
}

/* What the clients of raw commands do to each other, they do not do to us. */
static void test_context_gap_by_clients(void **state)
{
	uint32_t other = 0, more = 0, last = 0;
	struct bench *bench = *state;
	uint8_t random[8];

	assert_int_equal(raw_session(bench, &other), 0);
	widen_gap(bench, other);
	/* Ours was saved first, and is renewed. */
	(void)bench_cost();
	assert_int_equal(raw_save(bench, other), 0);
	assert_int_equal(bench_cost(), 4);
	/* This time another one stands behind it. */
	assert_int_equal(raw_session(bench, &more), 0);
	widen_gap(bench, more);
	assert_int_equal(raw_save(bench, more), TPM2_RC_CONTEXT_GAP);
	/* The last place is for the oldest, so there is none for ours. */
	assert_int_equal(raw_session(bench, &last), 0);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	assert_int_equal(raw_flush(bench, more), 0);
	assert_int_equal(raw_flush(bench, last), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_ours_cannot_be_named),
		CASE(test_ours_come_between),
		CASE(test_context_gap),
		CASE(test_context_gap_for_ours),
		CASE(test_context_gap_by_clients),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
