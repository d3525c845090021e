/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of guests when the chip is reset, lost, or another one, or forgets them. */

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tests/support/wire.h"
#include "tpm/impl.h"
#include "tpm/test_guests.h"

/* One of each kind, in the chip and out of it. */
struct lot {
	struct engine_guest *object[4], *sequence;
	struct held_session session[4];
};

static void lot_make(struct bench *bench, struct lot *ret_lot)
{
	size_t i;

	assert_int_equal(guest_sequence(bench, &ret_lot->sequence), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(guest_primary(bench, &ret_lot->object[i]), 0);
		assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &ret_lot->session[i]),
				 0);
	}
}

static void lot_works(struct bench *bench, struct lot *lot)
{
	size_t i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(guest_read(bench, lot->object[i]), 0);
		assert_int_equal(guest_random(bench, &lot->session[i]), 0);
		assert_int_equal(guest_update(bench, lot->sequence, "abc"), 0);
	}
}

static void lot_is_lost(struct bench *bench, struct lot *lot)
{
	size_t i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(guest_read(bench, lot->object[i]), TPM2_RC_REFERENCE_H0);
		assert_int_equal(guest_random(bench, &lot->session[i]), TPM2_RC_REFERENCE_S0);
		assert_true(engine_guest_lost(bench->engine, lot->object[i]));
		assert_true(engine_guest_lost(bench->engine, lot->session[i].guest));
	}
	assert_int_equal(guest_update(bench, lot->sequence, "abc"), TPM2_RC_REFERENCE_H0);
	for (i = 0; i < 4; i++) {
		engine_guest_free(bench->engine, lot->object[i]);
		engine_guest_free(bench->engine, lot->session[i].guest);
	}
	engine_guest_free(bench->engine, lot->sequence);
}

/* Nothing but what ours needs is in the chip. */
static void check_empty(struct bench *bench)
{
	uint8_t random[8];

	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 1);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
}

/* --- resets -------------------------------------------------------------------------------- */

static void power_cycle(struct bench *bench)
{
	chip_power_cut(bench->chip);
	chip_power_on(bench->chip);
}

/* The kernel starts it again, and we are not told. */
static void reset_and_start(struct bench *bench)
{
	bench_reset_line(bench);
	assert_int_equal(bench_power(bench, TPM2_CC_Startup, TPM2_SU_CLEAR), 0);
}

/* Suspended and resumed. */
static void restart(struct bench *bench)
{
	assert_int_equal(bench_power(bench, TPM2_CC_Shutdown, TPM2_SU_STATE), 0);
	bench_reset_line(bench);
	assert_int_equal(bench_power(bench, TPM2_CC_Startup, TPM2_SU_CLEAR), 0);
}

static void (*const resets[])(struct bench *) = {
	power_cycle,
	bench_reset_line,
	reset_and_start,
	restart,
};

static void test_resets(void **state)
{
	struct bench *bench = *state;
	struct lot lot;
	uint64_t epoch;
	size_t i;

	for (i = 0; i < ARRAY_LEN(resets); i++) {
		lot_make(bench, &lot);
		lot_works(bench, &lot);
		epoch = engine_guest_epoch(bench->engine);
		resets[i](bench);
		lot_is_lost(bench, &lot);
		assert_int_not_equal(engine_guest_epoch(bench->engine), epoch);
		epoch = engine_guest_epoch(bench->engine);
		lot_make(bench, &lot);
		lot_works(bench, &lot);
		assert_int_equal(engine_guest_epoch(bench->engine), epoch);
		/* Ours was never in doubt. */
		for (size_t k = 0; k < 4; k++) {
			engine_guest_free(bench->engine, lot.object[k]);
			engine_guest_free(bench->engine, lot.session[k].guest);
		}
		engine_guest_free(bench->engine, lot.sequence);
		check_empty(bench);
	}
}

/* The chip gives the old numbers to new owners, before any old one is named. */
static void test_numbers_are_given_again(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct engine_guest *mine = NULL;
	struct held_session session;
	struct bench *bench = *state;
	struct lot lot;
	size_t i;

	bench_key(bench, ENGINE_HSK, &key);
	for (i = 0; i < 2; i++) {
		lot_make(bench, &lot);
		reset_and_start(bench);
		if (i == 0)
			bench_sign(bench, &key, ENGINE_HSK);
		assert_int_equal(guest_primary(bench, &mine), 0);
		assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &session), 0);
		lot_is_lost(bench, &lot);
		assert_int_equal(guest_read(bench, mine), 0);
		assert_int_equal(guest_random(bench, &session), 0);
		bench_sign(bench, &key, ENGINE_HSK);
		assert_int_equal(guest_read(bench, mine), 0);
		assert_int_equal(guest_random(bench, &session), 0);
		engine_guest_free(bench->engine, mine);
		engine_guest_free(bench->engine, session.guest);
		check_empty(bench);
	}
}

static void test_our_numbers_are_given_again(void **state)
{
	struct held_session session;
	struct bench *bench = *state;
	uint8_t random[8];

	assert_int_equal(chip_flush(bench->engine, bench->engine->line.sessions[LINE_FIRST].handle),
			 0);
	assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &session), 0);
	assert_int_equal(guest_random(bench, &session), 0);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
	assert_int_equal(guest_random(bench, &session), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 2);
}

/* --- the connection ------------------------------------------------------------------------ */

static void wire_end(struct bench *bench, struct wire *wire)
{
	engine_free(bench->engine);
	bench->engine = NULL;
	wire_free(wire);
}

/* In the middle of a command: what it names and changes is lost, the rest stays. */
static void test_unknown_outcome(void **state)
{
	static const uint8_t parameters[] = {0, 16};
	struct bench *bench = *state;
	struct lot lot;
	struct ask random = {.code = TPM2_CC_GetRandom,
			     .session_count = 1,
			     .sessions = {&lot.session[0]},
			     .attributes = {SESSION_ENCRYPT | SESSION_CONTINUE},
			     .parameters = slice_of(parameters, 2)};
	struct ask update = {.code = TPM2_CC_SequenceUpdate,
			     .handle_count = 1,
			     .session_count = 1,
			     .parameters = slice_of(parameters, 2)};
	struct ask read = {.code = TPM2_CC_ReadPublic, .handle_count = 1};
	static struct wire wire; /* outlives a test that fails */
	uint64_t epoch;
	size_t i;

	wire_new(&wire, bench->chip);
	bench_through(bench, wire.conf);
	lot_make(bench, &lot);
	epoch = engine_guest_epoch(bench->engine);
	wire_break(&wire, TPM2_CC_GetRandom);
	assert_int_equal(ask_fails(bench, &random), ERR_TPM_FAILED);
	wire_break(&wire, TPM2_CC_SequenceUpdate);
	update.guests[0] = lot.sequence;
	assert_int_equal(ask_fails(bench, &update), ERR_TPM_FAILED);
	wire_break(&wire, TPM2_CC_ReadPublic);
	read.guests[0] = lot.object[3];
	assert_int_equal(ask_fails(bench, &read), ERR_TPM_FAILED);
	wire_break(&wire, 0);
	assert_int_equal(guest_random(bench, &lot.session[0]), TPM2_RC_REFERENCE_S0);
	assert_int_equal(guest_update(bench, lot.sequence, "abc"), TPM2_RC_REFERENCE_H0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(guest_read(bench, lot.object[i]), 0);
		if (i > 0)
			assert_int_equal(guest_random(bench, &lot.session[i]), 0);
	}
	assert_int_equal(engine_guest_epoch(bench->engine), epoch);
	for (i = 0; i < 4; i++) {
		engine_guest_free(bench->engine, lot.object[i]);
		engine_guest_free(bench->engine, lot.session[i].guest);
	}
	check_empty(bench);
	wire_end(bench, &wire);
}

static void test_power_is_cut(void **state)
{
	struct bench *bench = *state;
	struct ask read = {.code = TPM2_CC_ReadPublic, .handle_count = 1};
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SLOTS_CONTEXT_MAX);
	struct lot lot;

	lot_make(bench, &lot);
	read.guests[0] = lot.object[3];
	chip_power_cut(bench->chip);
	assert_int_equal(ask_fails(bench, &read), ERR_TPM_FAILED);
	assert_int_equal(ask_fails(bench, &read), ERR_TPM_FAILED);
	assert_int_equal(engine_guest_save(bench->engine, lot.object[3], &context, &bench->err),
			 ERR_TPM_FAILED);
	engine_guest_free(bench->engine, lot.session[3].guest); /* while nobody hears it */
	chip_power_on(bench->chip);
	assert_int_equal(engine_guest_save(bench->engine, lot.object[3], &context, &bench->err),
			 ERR_NOT_FOUND);
	assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &lot.session[3]), 0);
	assert_int_equal(guest_random(bench, &lot.session[3]), 0);
	assert_int_equal(guest_read(bench, lot.object[0]), TPM2_RC_REFERENCE_H0);
	engine_guest_free(bench->engine, lot.session[3].guest);
	check_empty(bench);
}

/* A session that was freed while the way was broken is flushed when it is whole again. */
static void test_freed_while_away(void **state)
{
	struct bench *bench = *state;
	static struct wire wire; /* outlives a test that fails */
	struct lot lot;
	size_t i;

	wire_new(&wire, bench->chip);
	bench_through(bench, wire.conf);
	lot_make(bench, &lot);
	wire_break(&wire, TPM2_CC_FlushContext);
	for (i = 0; i < 4; i++)
		engine_guest_free(bench->engine, lot.session[i].guest);
	wire_break(&wire, 0);
	check_empty(bench);
	for (i = 0; i < 4; i++)
		assert_int_equal(guest_read(bench, lot.object[i]), 0);
	assert_int_equal(guest_update(bench, lot.sequence, "abc"), 0);
	wire_end(bench, &wire);
}

static void test_another_chip(void **state)
{
	struct bench *bench = *state;
	struct ask read = {.code = TPM2_CC_ReadPublic, .handle_count = 1};
	uint64_t epoch = engine_guest_epoch(bench->engine);
	struct lot lot;

	lot_make(bench, &lot);
	chip_replace(bench->chip);
	read.guests[0] = lot.object[3];
	assert_int_equal(ask_fails(bench, &read), ERR_TPM_CHANGED);
	assert_true(engine_guest_lost(bench->engine, lot.object[0]));
	assert_true(engine_guest_lost(bench->engine, lot.session[0].guest));
	assert_int_not_equal(engine_guest_epoch(bench->engine), epoch);
}

/* --- behind our back ----------------------------------------------------------------------- */

static void test_flushed_by_somebody(void **state)
{
	struct bench *bench = *state;
	uint64_t epoch = engine_guest_epoch(bench->engine);
	struct lot lot;
	size_t i;

	lot_make(bench, &lot);
	lot_works(bench, &lot);
	for (i = 0; i < 4; i++)
		assert_int_equal(
			chip_flush(bench->engine,
				   engine_guest_handle(bench->engine, lot.session[i].guest)),
			0);
	assert_int_equal(guest_read(bench, lot.object[3]), 0);
	assert_int_equal(
		chip_flush(bench->engine, engine_guest_handle(bench->engine, lot.object[3])), 0);
	/* An object that was saved once comes back from that. */
	assert_true(lot.object[3]->context.len > 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(guest_read(bench, lot.object[i]), 0);
		assert_int_equal(guest_random(bench, &lot.session[i]), TPM2_RC_REFERENCE_S0);
	}
	assert_int_equal(guest_update(bench, lot.sequence, "abc"), 0);
	assert_int_equal(
		chip_flush(bench->engine, engine_guest_handle(bench->engine, lot.sequence)), 0);
	assert_int_equal(guest_update(bench, lot.sequence, "abc"), TPM2_RC_REFERENCE_H0);
	assert_int_equal(engine_guest_epoch(bench->engine), epoch);
	check_empty(bench);
}

/* Ours fails and the engine begins anew: guests go on. */
static void test_ours_begins_anew(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	struct lot lot;
	size_t i;

	bench_key(bench, ENGINE_HSK, &key);
	lot_make(bench, &lot);
	for (i = 0; i < 3; i++) {
		bench_sign(bench, &key, ENGINE_HSK);
		lot_works(bench, &lot);
		engine_drop(bench->engine);
	}
	bench_through_refuser(bench); /* as behind a resource manager */
	lot_make(bench, &lot);
	for (i = 0; i < 3; i++) {
		bench_sign(bench, &key, ENGINE_HSK);
		lot_works(bench, &lot);
		engine_drop(bench->engine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_resets),
		CASE(test_numbers_are_given_again),
		CASE(test_our_numbers_are_given_again),
		CASE(test_unknown_outcome),
		CASE(test_power_is_cut),
		CASE(test_freed_while_away),
		CASE(test_another_chip),
		CASE(test_flushed_by_somebody),
		CASE(test_ours_begins_anew),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
