/* SPDX-License-Identifier: Apache-2.0 */

/* Commands of others: they get room, ours come through, and nothing of theirs is left behind. */

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

/* Makes it transient no more: @persistent is where it lies, and where it goes. */
static uint32_t evict_persistent(struct bench *bench, uint32_t persistent)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_EvictControl);
	buf_put_u32(&command, TPM2_RH_OWNER);
	buf_put_u32(&command, persistent);
	raw_auth(&command, TPM2_RS_PW);
	buf_put_u32(&command, persistent);
	raw_end(&command);
	return raw_send(bench, &command, &answer);
}

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

/* --- bytes --------------------------------------------------------------------------------- */

static void test_answers_as_they_are(void **state)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	struct bench *bench = *state;

	assert_int_equal(raw_random(bench), 0);
	(void)bench_cost();
	assert_int_equal(raw_random(bench), 0);
	assert_int_equal(bench_cost(), 1);
	/* Codes of the chip are the client's to read. */
	raw_begin(&command, TPM2_ST_NO_SESSIONS, 0x7ff);
	raw_end(&command);
	assert_int_equal(raw_send(bench, &command, &answer), TPM2_RC_COMMAND_CODE);
	command.data[9] = 0x7b; /* GetRandom without its parameter */
	command.data[8] = 0x01;
	assert_int_equal(raw_send(bench, &command, &answer), 0x1da); /* INSUFFICIENT */
	assert_int_equal(raw_flush(bench, 0x80000002), 0x1cb);
	assert_int_equal(bench_cost(), 3);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), 0);
}

static void test_no_commands(void **state)
{
	static const struct {
		uint16_t tag;
		uint32_t told;
		size_t len;
	} cases[] = {
		{0x8001, 0, 0},		  {0x8001, 9, 9},
		{0x8001, 11, 12},	  {0x8001, 13, 12},
		{0x8001, 0xffffffff, 12}, {0x00c1, 12, 12},
		{0x8003, 12, 12},	  {0x8001, TRANSPORT_BUFFER + 1, TRANSPORT_BUFFER + 1},
	};
	CLEANUP(buf_fini) struct buf command = BUF_INIT(TRANSPORT_BUFFER + 1);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	struct bench *bench = *state;
	size_t i;

	(void)bench_cost();
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&command);
		buf_put_u16(&command, cases[i].tag);
		buf_put_u32(&command, cases[i].told);
		buf_put_u32(&command, TPM2_CC_GetRandom);
		buf_put_u16(&command, 16);
		(void)buf_grow(&command, TRANSPORT_BUFFER + 1 - command.len);
		assert_true(buf_ok(&command));
		assert_int_equal(engine_raw(bench->engine, slice_of(command.data, cases[i].len),
					    &answer, &bench->err),
				 ERR_INVALID);
	}
	assert_int_equal(answer.len, 0);
	assert_int_equal(bench_cost(), 0);
}

static void test_no_room_for_the_answer(void **state)
{
	static const uint8_t command[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16};
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(20);
	struct bench *bench = *state;

	buf_put_str(&answer, "before");
	assert_int_equal(
		engine_raw(bench->engine, slice_of(command, sizeof(command)), &answer, &bench->err),
		ERR_INTERNAL);
	assert_int_equal(answer.len, 6);
}

/* --- objects ------------------------------------------------------------------------------- */

static void test_strangers_take_our_slots(void **state)
{
	struct bench *bench = *state;
	uint32_t handle[4] = {0};
	struct ours ours;
	int i;

	ours_make(bench, &ours);
	for (i = 0; i < 3; i++)
		assert_int_equal(raw_primary(bench, &handle[i]), 0);
	/* Nothing of ours is left that could give way. */
	assert_int_equal(slots_count(&bench->engine->slots), 0);
	assert_int_equal(raw_primary(bench, &handle[3]), TPM2_RC_OBJECT_MEMORY);
	assert_int_equal(raw_flush(bench, handle[0]), 0);
	assert_int_equal(raw_primary(bench, &handle[0]), 0);
	/* Full as it is, ours come through, at their cost. */
	ours_sign(bench, &ours);
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

static void test_transient_hsk_gives_way(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint32_t handle[3];
	int i;

	bench_transient_hsk(bench);
	bench_seal(bench, "kept", &sealed);
	for (i = 0; i < 3; i++)
		assert_int_equal(raw_primary(bench, &handle[i]), 0);
	assert_int_equal(raw_flush(bench, handle[1]), 0);
	assert_int_equal(raw_flush(bench, handle[2]), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

/* --- sessions ------------------------------------------------------------------------------ */

static void test_our_session_gives_way(void **state)
{
	struct bench *bench = *state;
	uint32_t ours = bench->engine->line.sessions[LINE_FIRST].handle, handle[4];
	uint8_t random[8];
	int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(raw_session(bench, &handle[i]), 0);
	assert_true(bench->engine->parked[LINE_FIRST].len > 0);
	assert_int_equal(raw_session(bench, &handle[3]), TPM2_RC_SESSION_MEMORY);
	assert_int_equal(raw_flush(bench, handle[0]), 0);
	/* Back by its context, the others untouched. */
	(void)bench_cost();
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(bench_cost(), 2);
	assert_int_equal(bench->engine->line.sessions[LINE_FIRST].handle, ours);
	assert_int_equal(bench->engine->parked[LINE_FIRST].len, 0);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(bench_cost(), 1);
	assert_int_equal(raw_flush(bench, handle[1]), 0);
	assert_int_equal(raw_flush(bench, handle[2]), 0);
}

static void test_full_of_their_sessions(void **state)
{
	struct bench *bench = *state;
	uint32_t handle[3];
	uint8_t random[8];
	int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(raw_session(bench, &handle[i]), 0);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 1);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0); /* ours was not left there */
}

/* Somebody has flushed it, as a reset would: the chip is looked at anew. */
static void test_our_session_is_lost(void **state)
{
	struct bench *bench = *state;
	uint32_t handle;
	uint8_t random[8];

	assert_int_equal(raw_session(bench, &handle), 0);
	assert_int_equal(chip_flush(bench->engine, bench->engine->line.sessions[LINE_FIRST].handle),
			 0);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 1);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	(void)bench_cost();
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(bench_cost(), 1);
}

/* Nothing of ours is left that could go. */
static void test_memory_of_any_kind(void **state)
{
	struct bench *bench = *state;
	struct ours ours;

	bench_through_refuser(bench);
	ours.key[0] = ours.key[1] = ours.key[2] = (struct engine_made)ENGINE_MADE_INIT;
	bench_key(bench, ENGINE_HSK, &ours.key[0]);
	bench_sign(bench, &ours.key[0], ENGINE_HSK);
	bench_refuse(TPM2_CC_GetRandom, TPM2_RC_MEMORY, 1);
	assert_int_equal(raw_random(bench), TPM2_RC_MEMORY);
	assert_true(bench_refused());
	assert_int_equal(raw_random(bench), 0);
	bench_sign(bench, &ours.key[0], ENGINE_HSK);
	ours_fini(&ours);
}

/* --- the end of a row ---------------------------------------------------------------------- */

static void test_end_empties_the_chip(void **state)
{
	struct bench *bench = *state;
	uint32_t object = 0, session[2] = {0}, before = 0;
	struct ours ours;

	/* A program on /dev/tpmrm0 has saved its session before anything came to us. */
	assert_int_equal(raw_session(bench, &before), 0);
	assert_int_equal(raw_save(bench, before), 0);
	bench->engine->raw = false;
	ours_make(bench, &ours);
	assert_int_equal(raw_primary(bench, &object), 0);
	assert_int_equal(raw_session(bench, &session[0]), 0);
	assert_int_equal(raw_session(bench, &session[1]), 0);
	assert_int_equal(raw_save(bench, session[1]), 0);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 3); /* ours is the third */
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), 0);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 0);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 1);
	ours_sign(bench, &ours);
	ours_fini(&ours);
}

static void test_end_without_a_beginning(void **state)
{
	struct bench *bench = *state;
	struct ours ours;

	ours_make(bench, &ours);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), 0);
	ours_sign(bench, &ours);
	ours_fini(&ours);
}

static void test_end_with_a_parked_session(void **state)
{
	struct bench *bench = *state;
	uint32_t handle[3], i;
	uint8_t random[8];

	for (i = 0; i < 3; i++)
		assert_int_equal(raw_session(bench, &handle[i]), 0);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 0);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
}

static void test_end_behind_a_manager(void **state)
{
	struct bench *bench = *state;
	uint32_t handle[3], i;
	struct ours ours;

	bench_through_refuser(bench);
	for (i = 0; i < 3; i++) {
		ours.key[i] = (struct engine_made)ENGINE_MADE_INIT;
		bench_key(bench, ENGINE_HSK, &ours.key[i]);
	}
	ours_sign(bench, &ours);
	assert_int_equal(raw_random(bench), 0);
	assert_int_equal(slots_count(&bench->engine->slots), 0); /* all of the client's share */
	for (i = 0; i < 3; i++)
		assert_int_equal(raw_primary(bench, &handle[i]), 0);
	for (i = 0; i < 3; i++) /* as a manager would when the connection ends */
		assert_int_equal(raw_flush(bench, handle[i]), 0);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), 0);
	ours_sign(bench, &ours);
	ours_fini(&ours);
}

/* A root that was taken away is told at once; what comes back from the same seed heals. */
static void test_end_finds_a_root_gone(void **state)
{
	static const uint32_t handles[] = {SRK_SHARED_HANDLE, HSK_HANDLE};
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	size_t i;

	bench_seal(bench, "kept", &sealed);
	for (i = 0; i < ARRAY_LEN(handles); i++) {
		assert_int_equal(evict_persistent(bench, handles[i]), 0);
		assert_int_equal(engine_raw_end(bench->engine, &bench->err), ERR_TPM_CHANGED);
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		assert_int_equal(engine_raw_end(bench->engine, &bench->err), 0);
	}
}

static void test_end_after_a_clear(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;

	bench_seal(bench, "kept", &sealed);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	assert_int_equal(clear(bench), 0);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), ERR_TPM_CHANGED);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_TPM_CHANGED);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), ERR_TPM_CHANGED);
}

/* --- losses -------------------------------------------------------------------------------- */

static void test_chip_lost(void **state)
{
	static const uint8_t command[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16};
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	struct slice bytes = slice_of(command, sizeof(command));
	struct bench *bench = *state;

	bench_seal(bench, "kept", &sealed);
	chip_power_cut(bench->chip);
	assert_int_equal(engine_raw(bench->engine, bytes, &answer, &bench->err), ERR_TPM_FAILED);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), ERR_TPM_FAILED);
	assert_int_equal(answer.len, 0);
	chip_power_on(bench->chip);
	assert_int_equal(engine_raw(bench->engine, bytes, &answer, &bench->err), 0);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

/* Seen at the end of the row at the latest; no further command goes there. */
static void test_another_chip(void **state)
{
	static const uint8_t command[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16};
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);
	struct slice bytes = slice_of(command, sizeof(command));
	struct bench *bench = *state;

	chip_replace(bench->chip);
	assert_int_equal(raw_random(bench), 0);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), ERR_TPM_CHANGED);
	assert_int_equal(engine_raw(bench->engine, bytes, &answer, &bench->err), ERR_TPM_CHANGED);
	assert_int_equal(engine_raw_end(bench->engine, &bench->err), ERR_TPM_CHANGED);
	assert_int_equal(answer.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_answers_as_they_are),
		CASE(test_no_commands),
		CASE(test_no_room_for_the_answer),
		CASE(test_strangers_take_our_slots),
		CASE(test_beside_a_stranger),
		CASE(test_transient_hsk_gives_way),
		CASE(test_our_session_gives_way),
		CASE(test_full_of_their_sessions),
		CASE(test_our_session_is_lost),
		CASE(test_memory_of_any_kind),
		CASE(test_end_empties_the_chip),
		CASE(test_end_without_a_beginning),
		CASE(test_end_with_a_parked_session),
		CASE(test_end_behind_a_manager),
		CASE(test_end_finds_a_root_gone),
		CASE(test_end_after_a_clear),
		CASE(test_chip_lost),
		CASE(test_another_chip),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
