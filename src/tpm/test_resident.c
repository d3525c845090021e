/* SPDX-License-Identifier: Apache-2.0 */

/* More objects than slots: what each use costs, and what happens when the chip forgets them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

#define KEYS 12u

struct many {
	struct engine_made made[2 * 40];
	unsigned count;
};

static void many_keys(struct bench *bench, unsigned count, struct many *ret_many)
{
	unsigned i;

	memset(ret_many, 0, sizeof(*ret_many));
	for (i = 0; i < count; i++) {
		ret_many->made[i] = (struct engine_made)ENGINE_MADE_INIT;
		bench_key(bench, ENGINE_HSK, &ret_many->made[i]);
	}
	ret_many->count = count;
}

static void many_fini(struct many *many)
{
	unsigned i;

	for (i = 0; i < many->count; i++)
		engine_made_fini(&many->made[i]);
}

/* Signs with each in turn; the dearest use. */
static unsigned sign_in_turn(struct bench *bench, const struct many *many)
{
	unsigned i, cost, most = 0;

	for (i = 0; i < many->count; i++) {
		(void)bench_cost();
		bench_sign(bench, &many->made[i], ENGINE_HSK);
		cost = bench_cost();
		most = cost > most ? cost : most;
	}
	return most;
}

static uint64_t saves(void)
{
	return transport_command_count_of(TPM2_CC_ContextSave);
}

static uint64_t loads(void)
{
	return transport_command_count_of(TPM2_CC_Load);
}

/* --- costs --------------------------------------------------------------------------------- */

static void test_what_a_seal_costs(void **state)
{
	struct bench *bench = *state;
	struct many many;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;

	(void)bench_cost();
	bench_seal(bench, "one", &sealed);
	assert_int_equal(bench_cost(), 1); /* nothing is loaded */
	many_keys(bench, 2, &many);
	bench_sign(bench, &many.made[0], ENGINE_HSK);
	(void)bench_cost();
	bench_seal(bench, "two", &sealed);
	assert_int_equal(bench_cost(), 1); /* two slots are free */
	bench_sign(bench, &many.made[1], ENGINE_HSK);
	(void)bench_cost();
	bench_seal(bench, "three", &sealed);
	assert_int_equal(bench_cost(), 2); /* a Flush first */
	bench_sign(bench, &many.made[1], ENGINE_HSK);
	assert_int_equal(bench_cost(), 1); /* the one used last has stayed */
	many_fini(&many);
}

static void test_two_stay(void **state)
{
	struct bench *bench = *state;
	struct many many;

	many_keys(bench, 2, &many);
	(void)sign_in_turn(bench, &many);
	assert_int_equal(sign_in_turn(bench, &many), 1);
	assert_int_equal(slots_count(&bench->engine->slots), 2);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 2);
	many_fini(&many);
}

static void test_twelve_in_turn(void **state)
{
	struct bench *bench = *state;
	uint64_t saved, loaded;
	struct many many;
	unsigned round;

	many_keys(bench, KEYS, &many);
	saved = saves();
	for (round = 0; round < 2; round++)
		assert_in_range(sign_in_turn(bench, &many), 1, 3);
	assert_int_equal(saves() - saved, 0);
	for (round = 0; round < 2; round++)
		assert_in_range(sign_in_turn(bench, &many), 1, 4);
	assert_int_equal(saves() - saved, KEYS);
	loaded = loads();
	for (round = 0; round < 3; round++)
		assert_int_equal(sign_in_turn(bench, &many), 3);
	assert_int_equal(saves() - saved, KEYS); /* once in a life */
	assert_int_equal(loads() - loaded, 0);	 /* by contexts alone */
	many_fini(&many);
}

/* Each used once: as if there were 100,000 of them. */
static void test_scattered_uses(void **state)
{
	struct bench *bench = *state;
	uint64_t saved = saves();
	struct many many;

	many_keys(bench, 40, &many);
	assert_int_equal(sign_in_turn(bench, &many), 3);
	assert_int_equal(saves() - saved, 0);
	many_fini(&many);
}

static unsigned use(struct bench *bench, const struct many *many, unsigned n)
{
	char text[32];

	(void)bench_cost();
	snprintf(text, sizeof(text), "secret %u", n);
	if (n < 40)
		bench_sign(bench, &many->made[n], ENGINE_HSK);
	else
		assert_int_equal(bench_unseal(bench, &many->made[n], text), 0);
	return bench_cost();
}

/* 40 keys and 40 secrets at random: no memory error, and the price that was promised. */
static void test_forty_and_forty(void **state)
{
	struct bench *bench = *state;
	unsigned i, n, cost, total = 0, uses = 600;
	uint32_t random = 7;
	uint64_t saved = saves();
	struct many many;
	char text[32];

	many_keys(bench, 40, &many);
	for (n = 40; n < 80; n++) {
		many.made[n] = (struct engine_made)ENGINE_MADE_INIT;
		snprintf(text, sizeof(text), "secret %u", n);
		bench_seal(bench, text, &many.made[n]);
	}
	many.count = 80;
	for (i = 0; i < uses; i++) {
		random = random * 1664525u + 1013904223u;
		cost = use(bench, &many, (random >> 16) % 80);
		assert_in_range(cost, 1, 4);
		total += cost;
	}
	/* Three each, and one more in each object's life. */
	assert_in_range(saves() - saved, 1, 80);
	assert_true(total <= 3 * uses + (saves() - saved));
	many_fini(&many);
}

/* --- contexts ------------------------------------------------------------------------------ */

/* Brings the keys' contexts into the cache. */
static void warm_up(struct bench *bench, const struct many *many)
{
	unsigned round;

	for (round = 0; round < 4; round++)
		(void)sign_in_turn(bench, many);
	assert_int_equal(sign_in_turn(bench, many), 3);
}

static void test_a_small_cache(void **state)
{
	struct bench *bench = *state;
	struct slots *slots = &bench->engine->slots;
	const size_t limit = 3000; /* a few contexts */
	unsigned round;
	struct many many;

	many_keys(bench, KEYS, &many);
	slots_set_limit(slots, limit);
	for (round = 0; round < 6; round++) {
		assert_in_range(sign_in_turn(bench, &many), 1, 4);
		assert_true(slots->context_bytes <= limit);
	}
	assert_true(slots->context_bytes > 0);
	many_fini(&many);
}

/* A chip that saves no contexts: all is loaded from blobs. */
static void test_saving_refused(void **state)
{
	struct bench *bench = *state;
	struct many many;
	unsigned round;

	bench_through_refuser(bench);
	many_keys(bench, 3, &many);
	bench_refuse(TPM2_CC_ContextSave, TPM2_RC_TOO_MANY_CONTEXTS, 3);
	for (round = 0; round < 6; round++)
		assert_in_range(sign_in_turn(bench, &many), 1, 4);
	assert_true(bench_refused());
	many_fini(&many);
}

/* What is wrong with a context is never the caller's error. */
static void test_loading_refused(void **state)
{
	static const uint32_t codes[] = {0x1df, 0x18b, 0x1d5, 0x1c4, TPM2_RC_COMMAND_CODE};
	struct bench *bench = *state;
	struct many many;
	uint64_t loaded;
	size_t i;

	bench_through_refuser(bench);
	many_keys(bench, 3, &many);
	for (i = 0; i < ARRAY_LEN(codes); i++) {
		warm_up(bench, &many);
		loaded = loads();
		bench_refuse(TPM2_CC_ContextLoad, codes[i], 1);
		assert_int_equal(sign_in_turn(bench, &many), 4);
		assert_true(bench_refused());
		assert_int_equal(loads() - loaded, 1);
	}
	many_fini(&many);
}

/* A full chip is asked again after each object that went; a context is not to blame. */
static void test_memory_errors(void **state)
{
	static const uint32_t codes[] = {TPM2_RC_OBJECT_MEMORY, TPM2_RC_MEMORY};
	static const struct {
		uint32_t code;
		unsigned times; /* after the last object nothing is left but to begin anew */
	} commands[] = {{TPM2_CC_Sign, 3}, {TPM2_CC_ContextLoad, 1}, {TPM2_CC_Create, 3}};
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	struct many many;
	size_t i, k;

	bench_through_refuser(bench);
	many_keys(bench, 3, &many);
	for (i = 0; i < ARRAY_LEN(codes); i++) {
		for (k = 0; k < ARRAY_LEN(commands); k++) {
			warm_up(bench, &many);
			bench_refuse(commands[k].code, codes[i], commands[k].times);
			(void)sign_in_turn(bench, &many);
			bench_seal(bench, "kept", &sealed);
			assert_true(bench_refused());
		}
	}
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	many_fini(&many);
}

/* One that stays full without us fails in the end, with the right name, and works afterwards. */
static void test_full_for_good(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;

	bench_seal(bench, "kept", &sealed);
	bench_through_refuser(bench);
	bench_refuse(TPM2_CC_Load, TPM2_RC_OBJECT_MEMORY, 100);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_TPM_BUSY);
	assert_false(bench_refused());
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

/* --- losses -------------------------------------------------------------------------------- */

static void test_contexts_after_a_power_cut(void **state)
{
	struct bench *bench = *state;
	struct many many;

	many_keys(bench, KEYS, &many);
	warm_up(bench, &many);
	chip_power_cut(bench->chip);
	chip_power_on(bench->chip);
	(void)sign_in_turn(bench, &many);
	warm_up(bench, &many);
	many_fini(&many);
}

/*
 * Reset, restart and resume under an open connection; another has started the chip again. Contexts
 * of a time before the reset are refused, objects and session are gone each time.
 */
static void test_the_chip_starts_anew(void **state)
{
	static const struct {
		bool saved;	/* Shutdown(STATE) before */
		uint16_t start; /* CLEAR or STATE */
		unsigned resets, restarts;
	} cases[] = {
		{false, TPM2_SU_CLEAR, 1, 0},
		{true, TPM2_SU_CLEAR, 0, 1},
		{true, TPM2_SU_STATE, 0, 1},
	};
	struct bench *bench = *state;
	struct engine_facts before, after;
	struct many many;
	size_t i;

	many_keys(bench, KEYS, &many);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		warm_up(bench, &many);
		engine_facts(bench->engine, &before);
		if (cases[i].saved)
			assert_int_equal(bench_power(bench, TPM2_CC_Shutdown, TPM2_SU_STATE), 0);
		bench_reset_line(bench);
		assert_int_equal(bench_power(bench, TPM2_CC_Startup, cases[i].start), 0);
		(void)sign_in_turn(bench, &many);
		engine_facts(bench->engine, &after);
		assert_int_equal(after.reset_count - before.reset_count, cases[i].resets);
		if (!cases[i].resets)
			assert_int_equal(after.restart_count - before.restart_count,
					 cases[i].restarts);
	}
	many_fini(&many);
}

/* A chip that waits for its Startup gets it from us. */
static void test_reset_without_startup(void **state)
{
	struct bench *bench = *state;
	struct many many;

	many_keys(bench, 3, &many);
	warm_up(bench, &many);
	bench_reset_line(bench);
	(void)sign_in_turn(bench, &many);
	many_fini(&many);
}

/* --- a storage key that is an object itself ------------------------------------------------ */

static void test_transient_hsk(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	struct many many;
	unsigned round;

	bench_transient_hsk(bench);
	(void)bench_cost();
	bench_seal(bench, "kept", &sealed);
	assert_int_equal(bench_cost(), 1);
	many_keys(bench, KEYS, &many);
	assert_in_range(sign_in_turn(bench, &many), 2, 3);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 2);
	for (round = 0; round < 4; round++)
		assert_in_range(sign_in_turn(bench, &many), 2, 4);
	/* By now two keys are loaded, and the storage key is not. */
	(void)sign_in_turn(bench, &many);
	(void)bench_cost();
	bench_seal(bench, "kept", &sealed);
	assert_in_range(bench_cost(), 1, 4);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	assert_int_equal(engine_persist_hsk(bench->engine, &bench->err), 0);
	assert_int_equal(bench->engine->hsk.handle, HSK_HANDLE);
	warm_up(bench, &many);
	many_fini(&many);
}

/* --- other chips --------------------------------------------------------------------------- */

static void test_two_slots(void **state)
{
	struct bench *bench = *state;
	struct many many;

	bench->engine->facts.object_slots = 2;
	many_keys(bench, KEYS, &many);
	assert_in_range(sign_in_turn(bench, &many), 2, 3);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 1);
	warm_up(bench, &many);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 1);
	many_fini(&many);
}

static void test_managed_holds_one(void **state)
{
	struct bench *bench = *state;
	struct many many;

	bench_through_refuser(bench);
	many_keys(bench, KEYS, &many);
	(void)sign_in_turn(bench, &many);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 1);
	warm_up(bench, &many);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 1);
	many_fini(&many);
}

/* --- forgetting ---------------------------------------------------------------------------- */

static void test_forget(void **state)
{
	struct bench *bench = *state;
	struct engine_object object;
	struct many many;
	unsigned i;

	many_keys(bench, KEYS, &many);
	warm_up(bench, &many);
	for (i = 0; i < KEYS; i++) {
		object = bench_object(&many.made[i], ENGINE_HSK);
		engine_forget(bench->engine, &object);
		engine_forget(bench->engine, &object);
	}
	assert_int_equal(slots_count(&bench->engine->slots), 0);
	assert_int_equal(bench->engine->slots.context_bytes, 0);
	assert_int_equal(raw_count(bench, GROUP_TRANSIENT), 0);
	(void)sign_in_turn(bench, &many);
	many_fini(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_what_a_seal_costs),
		CASE(test_two_stay),
		CASE(test_twelve_in_turn),
		CASE(test_scattered_uses),
		CASE(test_forty_and_forty),
		CASE(test_a_small_cache),
		CASE(test_saving_refused),
		CASE(test_loading_refused),
		CASE(test_memory_errors),
		CASE(test_full_for_good),
		CASE(test_contexts_after_a_power_cut),
		CASE(test_the_chip_starts_anew),
		CASE(test_reset_without_startup),
		CASE(test_transient_hsk),
		CASE(test_two_slots),
		CASE(test_managed_holds_one),
		CASE(test_forget),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
