/* SPDX-License-Identifier: Apache-2.0 */

/* Guests' objects and sequences: always there for whoever names them, at the least of commands. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_guests.h"
#include "tpm/transport.h"

#define MANY 12u

/* The chip has refused nothing for want of room: every command was needed. */
static void check_room(struct bench *bench)
{
	assert_in_range(raw_count(bench, GROUP_TRANSIENT), 0, 2);
	assert_in_range(raw_count(bench, GROUP_LOADED_SESSION), 0, 2);
}

/* --- costs --------------------------------------------------------------------------------- */

static void test_one_command_when_loaded(void **state)
{
	CLEANUP(sealed_fini) struct sealed sealed = SEALED_INIT;
	struct engine_guest *primary = NULL, *data = NULL;
	struct bench *bench = *state;
	int i;

	assert_int_equal(guest_primary(bench, &primary), 0);
	sealed_make(bench, "kept", &sealed);
	assert_int_equal(sealed_load(bench, &sealed, &data), 0);
	(void)bench_cost();
	for (i = 0; i < 5; i++) {
		assert_int_equal(guest_unseal(bench, data, "kept"), 0);
		assert_int_equal(guest_read(bench, primary), 0);
	}
	assert_int_equal(bench_cost(), 10);
	check_room(bench);
	engine_guest_free(bench->engine, primary);
	engine_guest_free(bench->engine, data);
	assert_int_equal(bench_cost(), 0);
}

/* What FAPI sends for one unseal, but for a GetCapability that is constant. */
static void test_row_of_fapi(void **state)
{
	CLEANUP(sealed_fini) struct sealed sealed = SEALED_INIT;
	struct bench *bench = *state;
	int i;

	sealed_make(bench, "kept", &sealed);
	for (i = 0; i < 8; i++) {
		struct engine_guest *data = NULL;
		struct held_session session;

		(void)bench_cost();
		assert_int_equal(guest_session(bench, TPM2_SE_HMAC, true, &session), 0);
		assert_int_equal(sealed_load(bench, &sealed, &data), 0);
		assert_int_equal(guest_unseal_by(bench, data, &sealed, &session), 0);
		engine_guest_free(bench->engine, data);
		engine_guest_free(bench->engine, session.guest);
		assert_in_range(bench_cost(), 4, 5);
	}
	check_room(bench);
}

static void test_many_in_turn(void **state)
{
	struct engine_guest *guest[MANY] = {NULL};
	struct bench *bench = *state;
	size_t i, turn;

	for (i = 0; i < MANY; i++)
		assert_int_equal(guest_primary(bench, &guest[i]), 0);
	/* Each context is saved at the first eviction. */
	for (turn = 0; turn < 3; turn++) {
		(void)bench_cost();
		for (i = 0; i < MANY; i++)
			assert_int_equal(guest_read(bench, guest[i]), 0);
		assert_in_range(bench_cost(), 2 * MANY, turn ? 3 * MANY : 4 * MANY);
	}
	assert_int_equal(transport_command_count_of(TPM2_CC_ContextSave), MANY);
	check_room(bench);
}

/* A dead guest's slot is the next to be used, so none of the living pays for it. */
static void test_dead_go_first(void **state)
{
	struct engine_guest *first = NULL, *second = NULL, *third = NULL;
	struct bench *bench = *state;

	assert_int_equal(guest_primary(bench, &first), 0);
	assert_int_equal(guest_primary(bench, &second), 0);
	assert_int_equal(guest_read(bench, first), 0);
	engine_guest_free(bench->engine, second);
	(void)bench_cost();
	assert_int_equal(guest_primary(bench, &third), 0);
	assert_int_equal(bench_cost(), 2); /* flushed, made */
	assert_int_equal(guest_read(bench, first), 0);
	assert_int_equal(guest_read(bench, third), 0);
	assert_int_equal(bench_cost(), 2);
}

/* --- beside ours --------------------------------------------------------------------------- */

static void test_among_ours(void **state)
{
	struct engine_made key[2] = {ENGINE_MADE_INIT, ENGINE_MADE_INIT};
	struct engine_guest *guest[3] = {NULL};
	struct bench *bench = *state;
	size_t i, turn;

	for (i = 0; i < 2; i++)
		bench_key(bench, ENGINE_HSK, &key[i]);
	for (i = 0; i < 3; i++)
		assert_int_equal(guest_primary(bench, &guest[i]), 0);
	for (turn = 0; turn < 4; turn++)
		for (i = 0; i < 6; i++) {
			assert_int_equal(guest_read(bench, guest[i % 3]), 0);
			bench_sign(bench, &key[i % 2], ENGINE_HSK);
			check_room(bench);
		}
	/* One of each finds room. */
	(void)bench_cost();
	for (i = 0; i < 4; i++) {
		assert_int_equal(guest_read(bench, guest[2]), 0);
		bench_sign(bench, &key[1], ENGINE_HSK);
	}
	assert_int_equal(bench_cost(), 8);
	engine_made_fini(&key[0]);
	engine_made_fini(&key[1]);
}

/* A slot and a place that nobody told us of: the chip tells. */
static void test_beside_a_stranger(void **state)
{
	struct engine_guest *object = NULL, *sequence = NULL;
	struct bench *bench = *state;
	struct held_session session, policy;
	uint32_t theirs[2] = {0}, i;

	assert_int_equal(raw_primary(bench, &theirs[0]), 0);
	assert_int_equal(raw_session(bench, &theirs[1]), 0);
	assert_int_equal(guest_primary(bench, &object), 0);
	assert_int_equal(guest_sequence(bench, &sequence), 0);
	assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &session), 0);
	assert_int_equal(guest_session(bench, TPM2_SE_POLICY, false, &policy), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(guest_read(bench, object), 0);
		assert_int_equal(guest_update(bench, sequence, "abc"), 0);
		assert_int_equal(guest_random(bench, &session), 0);
		assert_int_equal(guest_policy(bench, &policy), 0);
	}
	/* Both were there all the time. */
	assert_int_equal(raw_flush(bench, theirs[0]), 0);
	assert_int_equal(raw_flush(bench, theirs[1]), 0);
	assert_int_equal(guest_complete(bench, sequence, "abcabcabc"), 0);
	assert_int_equal(guest_read(bench, object), 0);
}

/* --- sequences ----------------------------------------------------------------------------- */

static void test_sequences(void **state)
{
	static const char *const texts[] = {"one", "two", "three", "four", "five"};
	struct engine_guest *sequence[ARRAY_LEN(texts)] = {NULL};
	struct bench *bench = *state;
	size_t i, turn;
	char whole[32];

	for (i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(guest_sequence(bench, &sequence[i]), 0);
	for (turn = 0; turn < 3; turn++)
		for (i = 0; i < ARRAY_LEN(texts); i++)
			assert_int_equal(guest_update(bench, sequence[i], texts[i]), 0);
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		snprintf(whole, sizeof(whole), "%s%s%s", texts[i], texts[i], texts[i]);
		assert_int_equal(guest_complete(bench, sequence[i], whole), 0);
		assert_true(engine_guest_lost(bench->engine, sequence[i]));
		assert_int_equal(guest_update(bench, sequence[i], "more"), TPM2_RC_REFERENCE_H0);
		engine_guest_free(bench->engine, sequence[i]);
	}
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
}

/* --- contexts ------------------------------------------------------------------------------ */

static void test_save_and_load(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SLOTS_CONTEXT_MAX);
	struct engine_guest *object = NULL, *again = NULL;
	struct bench *bench = *state;
	uint32_t code = 1;

	assert_int_equal(guest_primary(bench, &object), 0);
	buf_put_str(&context, "before");
	(void)bench_cost();
	assert_int_equal(engine_guest_save(bench->engine, object, &context, &bench->err), 0);
	assert_int_equal(bench_cost(), 1);
	buf_reset(&context);
	assert_int_equal(engine_guest_save(bench->engine, object, &context, &bench->err), 0);
	assert_int_equal(guest_read(bench, object), 0);
	assert_int_equal(bench_cost(), 1);
	assert_int_equal(engine_guest_load(bench->engine, ENGINE_GUEST_OBJECT, buf_slice(&context),
					   &code, &again, &bench->err),
			 0);
	assert_int_equal(code, 0);
	engine_guest_free(bench->engine, object);
	assert_int_equal(guest_read(bench, again), 0);
	assert_int_equal(bench_cost(), 2);
	/* Its context is known, so nothing is saved when it goes. */
	assert_int_equal(guest_primary(bench, &object), 0);
	assert_int_equal(guest_read(bench, object), 0);
	(void)bench_cost();
	assert_int_equal(resident_leave(bench->engine), 0);
	assert_int_equal(bench_cost(), 3);
	assert_int_equal(guest_read(bench, again), 0);
}

static void test_save_a_sequence(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SLOTS_CONTEXT_MAX);
	struct engine_guest *sequence = NULL, *branch = NULL;
	struct bench *bench = *state;
	uint32_t code = 1;

	assert_int_equal(guest_sequence(bench, &sequence), 0);
	assert_int_equal(guest_update(bench, sequence, "abc"), 0);
	assert_int_equal(engine_guest_save(bench->engine, sequence, &context, &bench->err), 0);
	assert_int_equal(guest_update(bench, sequence, "def"), 0);
	assert_int_equal(engine_guest_load(bench->engine, ENGINE_GUEST_SEQUENCE,
					   buf_slice(&context), &code, &branch, &bench->err),
			 0);
	assert_int_equal(code, 0);
	assert_int_equal(resident_leave(bench->engine), 0);
	/* Out of the chip its context is at hand. */
	buf_reset(&context);
	(void)bench_cost();
	assert_int_equal(engine_guest_save(bench->engine, branch, &context, &bench->err), 0);
	assert_int_equal(bench_cost(), 0);
	assert_int_equal(guest_complete(bench, sequence, "abcdef"), 0);
	assert_int_equal(guest_complete(bench, branch, "abc"), 0);
	assert_int_equal(engine_guest_save(bench->engine, branch, &context, &bench->err),
			 ERR_NOT_FOUND);
}

static void test_bad_contexts(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SLOTS_CONTEXT_MAX + 1);
	struct engine_guest *object = NULL, *none = NULL;
	struct bench *bench = *state;
	struct held_session session;
	uint32_t code = 0;
	size_t i;

	assert_int_equal(guest_primary(bench, &object), 0);
	assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &session), 0);
	assert_int_equal(engine_guest_save(bench->engine, session.guest, &context, &bench->err),
			 ERR_INVALID);
	assert_int_equal(engine_guest_save(bench->engine, object, &context, &bench->err), 0);
	assert_int_equal(engine_guest_load(bench->engine, ENGINE_GUEST_SESSION, buf_slice(&context),
					   &code, &none, &bench->err),
			 ERR_INVALID);
	(void)bench_cost();
	for (i = 0; i < context.len; i++) { /* cut: none goes to the chip */
		assert_int_equal(engine_guest_load(bench->engine, ENGINE_GUEST_OBJECT,
						   slice_of(context.data, i), &code, &none,
						   &bench->err),
				 0);
		assert_int_equal(code, 0x1d5);
	}
	context.data[8] = 0x02; /* a session's */
	assert_int_equal(engine_guest_load(bench->engine, ENGINE_GUEST_OBJECT, buf_slice(&context),
					   &code, &none, &bench->err),
			 0);
	assert_int_equal(code, 0x1c4);
	assert_int_equal(bench_cost(), 0);
	context.data[8] = 0x80;
	context.data[context.len - 1] ^= 1;
	assert_int_equal(engine_guest_load(bench->engine, ENGINE_GUEST_OBJECT, buf_slice(&context),
					   &code, &none, &bench->err),
			 0);
	assert_int_equal(code, 0x1df); /* INTEGRITY */
	assert_null(none);
	assert_int_equal(guest_read(bench, object), 0);
}

/* --- what cannot be done ------------------------------------------------------------------- */

static void test_no_commands(void **state)
{
	static const uint8_t random[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16};
	static const struct {
		uint16_t tag;
		uint32_t told;
		size_t len, handles, sessions;
	} cases[] = {
		{0x8001, 9, 9, 0, 0},
		{0x8001, 12, 11, 0, 0},
		{0x8001, 12, 12, 1, 0},
		{0x8001, 12, 12, 0, 4},
		{0x8001, 12, 12, 4, 0},
		{0x8001, 0, 0, 0, 0},
		{0x8001, 11, 12, 0, 0},
		{0x8001, 13, 12, 0, 0},
		{0x8001, 0xffffffff, 12, 0, 0},
		{0x00c1, 12, 12, 0, 0},
		{0x8003, 12, 12, 0, 0},
		{0x8001, TRANSPORT_BUFFER + 1, TRANSPORT_BUFFER + 1, 0, 0},
	};
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(TRANSPORT_BUFFER + 1);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(20);
	struct engine_guest *made = NULL;
	struct bench *bench = *state;
	size_t i;

	(void)bench_cost();
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct engine_guest_command command = {.handle_count = cases[i].handles,
						       .session_count = cases[i].sessions};

		buf_reset(&bytes);
		buf_put_u16(&bytes, cases[i].tag);
		buf_put_u32(&bytes, cases[i].told);
		buf_put(&bytes, slice_of(random + 6, sizeof(random) - 6));
		(void)buf_grow(&bytes, TRANSPORT_BUFFER + 1 - bytes.len);
		assert_true(buf_ok(&bytes));
		command.bytes = slice_of(bytes.data, cases[i].len);
		assert_int_equal(
			engine_guest_run(bench->engine, &command, &answer, &made, &bench->err),
			ERR_INVALID);
	}
	assert_int_equal(bench_cost(), 0);
	assert_int_equal(engine_guest_run(bench->engine,
					  &(struct engine_guest_command){
						  .bytes = slice_of(random, sizeof(random))},
					  &answer, &made, &bench->err),
			 ERR_INTERNAL); /* 28 bytes */
	assert_int_equal(answer.len, 0);
}

/* Whatever the bytes say, only a guest is reached. */
static void test_ours_cannot_be_named(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	struct ask read = {.code = TPM2_CC_ReadPublic, .handle_count = 1};
	size_t i;

	bench_key(bench, ENGINE_HSK, &key);
	bench_sign(bench, &key, ENGINE_HSK);
	(void)bench_cost();
	for (i = 0; i < 3; i++) {
		read.handles[0] = 0x80000000u + (uint32_t)i;
		assert_int_equal(ask(bench, &read, NULL, NULL), TPM2_RC_REFERENCE_H0);
	}
	read.code = TPM2_CC_FlushContext;
	read.handles[0] = bench->engine->line.sessions[LINE_FIRST].handle;
	assert_int_equal(ask(bench, &read, NULL, NULL), TPM2_RC_REFERENCE_H0);
	assert_int_equal(bench_cost(), 0);
	read.code = TPM2_CC_ReadPublic;
	read.handles[0] = bench->engine->srk.handle;
	assert_int_equal(ask(bench, &read, NULL, NULL), 0);
	read.handles[0] = 0x817ffff0u;
	assert_int_equal(ask(bench, &read, NULL, NULL), 0x18b);
}

/* Slots that others hold, or memory that is short: what is idle gives way, and then the chip's
 * word is the answer. */
static void test_no_room(void **state)
{
	static const uint32_t codes[] = {TPM2_RC_OBJECT_MEMORY, TPM2_RC_MEMORY};
	struct engine_guest *guest[2] = {NULL};
	struct bench *bench = *state;
	size_t i;

	bench_through_refuser(bench);
	for (i = 0; i < ARRAY_LEN(codes); i++) {
		assert_int_equal(guest_primary(bench, &guest[0]), 0);
		bench_refuse(TPM2_CC_CreatePrimary, codes[i], 1);
		assert_int_equal(guest_primary(bench, &guest[1]),
				 codes[i] == TPM2_RC_MEMORY ? 0 : codes[i]);
		assert_true(bench_refused());
		assert_int_equal(guest_primary(bench, &guest[1]), 0);
		bench_refuse(TPM2_CC_ContextLoad, codes[i], 1);
		(void)guest_read(bench, guest[0]);
		assert_true(bench_refused());
		assert_int_equal(guest_read(bench, guest[0]), 0);
		bench_refuse(TPM2_CC_ReadPublic, codes[i], 100);
		assert_int_equal(guest_read(bench, guest[1]), codes[i]);
		assert_false(bench_refused());
		assert_int_equal(guest_read(bench, guest[1]), 0);
		assert_int_equal(guest_read(bench, guest[0]), 0);
	}
}

static void test_nothing_is_left(void **state)
{
	struct engine_guest *guest = NULL;
	struct bench *bench = *state;
	struct held_session session[4];
	bool made;
	size_t i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(guest_primary(bench, &guest), 0);
		assert_int_equal(guest_session(bench, TPM2_SE_POLICY, false, &session[i]), 0);
	}
	assert_true(raw_count(bench, GROUP_SAVED_SESSION) > 0);
	engine_free(bench->engine);
	bench->engine = NULL;
	/* Shut down as it is, the chip still lists. */
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 0);
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_one_command_when_loaded),
		CASE(test_row_of_fapi),
		CASE(test_many_in_turn),
		CASE(test_dead_go_first),
		CASE(test_among_ours),
		CASE(test_beside_a_stranger),
		CASE(test_sequences),
		CASE(test_save_and_load),
		CASE(test_save_a_sequence),
		CASE(test_bad_contexts),
		CASE(test_no_commands),
		CASE(test_ours_cannot_be_named),
		CASE(test_no_room),
		CASE(test_nothing_is_left),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
