/* SPDX-License-Identifier: Apache-2.0 */

/* Wrong passwords: whose they are, what they cost, and that nobody else pays. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"
#include "broker/test_world.h"

#define SECOND	  1000000u
#define CONTINUE  TPMA_SESSION_CONTINUESESSION
#define AUTH_FAIL 0x98eu

/* --- the budget ---------------------------------------------------------------------------- */

static void test_budget(void **state)
{
	static const struct {
		struct guest_lockout lockout;
		unsigned guesses; /* until it is spent; 0 = never */
	} cases[] = {
		{{0, 3, 1000, true}, 2},  {{0, 32, 10, true}, 31}, {{0, 32, 10, false}, 15},
		{{0, 3, 1000, false}, 1}, {{0, 1, 1000, true}, 1}, {{0, 1, 1000, false}, 1},
		{{0, 0, 1000, false}, 0}, {{0, 3, 0, false}, 0},   {{30, 32, 10, false}, 15},
		{{31, 32, 10, true}, 31},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct guesses guesses = {.failed = 0};
		unsigned count = 0;

		while (count < 100 && !guesses_spent(&guesses, &cases[i].lockout, 5)) {
			guesses_add(&guesses, &cases[i].lockout, 5);
			count++;
		}
		assert_int_equal(count, cases[i].guesses ? cases[i].guesses : 100);
	}
}

static void test_it_heals(void **state)
{
	static const struct guest_lockout lockout = {.max = 4, .interval = 10, .may_reset = true};
	struct guesses guesses = {.failed = 0};
	uint64_t now = 1000 * SECOND;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		guesses_add(&guesses, &lockout, now);
	assert_true(guesses_spent(&guesses, &lockout, now + 9 * SECOND));
	assert_false(guesses_spent(&guesses, &lockout, now + 10 * SECOND));
	guesses_add(&guesses, &lockout, now + 15 * SECOND);
	/* The timer of a chip begins anew with each failure. */
	assert_true(guesses_spent(&guesses, &lockout, now + 24 * SECOND));
	assert_false(guesses_spent(&guesses, &lockout, now + 25 * SECOND));
	assert_int_equal(guesses.failed, 2);
	assert_false(guesses_spent(&guesses, &lockout, now + 1000 * SECOND));
	assert_int_equal(guesses.failed, 0);
	guesses_add(&guesses, &lockout, now + 1000 * SECOND);
	assert_int_equal(guesses.failed, 1);
	assert_false(guesses_spent(&guesses, &lockout, now)); /* a clock never goes back, but */
}

/* What a chip had counted before leaves less to a tenant, where nobody sets that back. */
static void test_what_was_found(void **state)
{
	static const struct {
		struct guest_lockout lockout;
		uint32_t found;
		unsigned guesses;
	} cases[] = {
		{{.max = 32, .interval = 10}, 0, 15},
		{{.max = 32, .interval = 10}, 16, 15},
		{{.max = 32, .interval = 10}, 20, 11},
		{{.max = 32, .interval = 10}, 31, 0},
		{{.max = 32, .interval = 10}, 40, 0},
		{{.max = 32, .interval = 10, .may_reset = true}, 31, 31},
		{{.max = 1, .interval = 10}, 0, 1},
		{{.max = 3, .interval = 10}, 1, 1},
		{{.max = 3, .interval = 10}, 2, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct guesses guesses = {.failed = 0};
		unsigned count = 0;

		guesses_begin(&guesses, &cases[i].lockout, cases[i].found, 5);
		while (count < 100 && !guesses_spent(&guesses, &cases[i].lockout, 5)) {
			guesses_add(&guesses, &cases[i].lockout, 5);
			guesses_begin(&guesses, &cases[i].lockout, cases[i].found, 5);
			count++;
		}
		assert_int_equal(count, cases[i].guesses);
		if (count == 0) /* and it heals like every other */
			assert_false(guesses_spent(&guesses, &cases[i].lockout, 5 + 10 * SECOND));
	}
}

/* --- whose --------------------------------------------------------------------------------- */

/* Handles of a, and of b the first: that one is protected, the other is not. */
#define KEY	 0x80000000u
#define FREE_KEY 0x80000001u

static int setup(void **state)
{
	struct world *world;

	assert_int_equal(world_setup(state), 0);
	world = *state;
	world->guests.lockout =
		(struct guest_lockout){.max = 4, .interval = 1000, .may_reset = true};
	assert_int_equal(tenant_primary(&world->a, 0, "a"), 0);
	assert_int_equal(TENANT_HANDLE(&world->a), KEY);
	assert_int_equal(tenant_primary(&world->a, TPMA_OBJECT_NODA, "b"), 0);
	assert_int_equal(TENANT_HANDLE(&world->a), FREE_KEY);
	assert_int_equal(tenant_primary(&world->b, 0, "a"), 0);
	return 0;
}

static void guess(struct world *world, uint32_t code)
{
	world->guests.answer = code;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), code);
}

static void spend(struct world *world)
{
	guess(world, 0x98e);
	guess(world, 0xa8e);
	guess(world, 0xf8e); /* whichever session it is about */
}

static void test_only_the_guesser_is_locked_out(void **state)
{
	struct world *world = *state;
	unsigned before;

	spend(world);
	before = world->guests.commands;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), TPM2_RC_LOCKOUT);
	assert_int_equal(world->guests.commands, before);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, FREE_KEY), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, KEY), 0);
	assert_int_equal(tenant_use(&world->b, TPM2_CC_Sign, KEY), 0);
}

static void test_what_is_no_guess(void **state)
{
	static const uint32_t codes[] = {0x9a2, 0x99d, 0x918, 0x922, 0x8e, 0x18e, 0x1ce, 0x101};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(codes); i++)
		guess(world, codes[i]);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), 0);
}

/* The attribute goes along, wherever the object goes. */
static void test_it_follows_the_object(void **state)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(WIRE_MAX), other = BUF_INIT(WIRE_MAX);
	struct world *world = *state;

	assert_int_equal(tenant_save(&world->a, KEY, &context), 0);
	assert_int_equal(tenant_save(&world->a, FREE_KEY, &other), 0);
	assert_int_equal(tenant_evict(&world->a, KEY, 0x81000005), 0);
	assert_int_equal(tenant_evict(&world->a, FREE_KEY, 0x81000006), 0);
	spend(world);
	assert_int_equal(tenant_load(&world->a, &context), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, TENANT_HANDLE(&world->a)),
			 TPM2_RC_LOCKOUT);
	assert_int_equal(tenant_load(&world->a, &other), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, TENANT_HANDLE(&world->a)), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, 0x81000005), TPM2_RC_LOCKOUT);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, 0x81000006), 0);
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, 0x81000005), TPM2_RC_LOCKOUT);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, 0x81000006), 0);
}

/* What is the chip's own is asked there; what cannot be known counts. */
static void test_what_is_the_chips(void **state)
{
	static const struct {
		uint32_t attributes;
		uint32_t answer, rc;
	} keys[] =
		{
			{TPMA_OBJECT_NODA, 0, 0},
			{0, 0, TPM2_RC_LOCKOUT},
			{TPMA_OBJECT_NODA, TPM2_RC_FAILURE, TPM2_RC_LOCKOUT},
		},
	  indices[] = {
		  {TPMA_NV_NO_DA, 0, 0},
		  {0, 0, TPM2_RC_LOCKOUT},
		  {TPMA_NV_NO_DA, TPM2_RC_FAILURE, TPM2_RC_LOCKOUT},
	  };
	struct world *world = *state;
	struct test_command read = {
		.code = TPM2_CC_NV_Read,
		.handles = {0x01c00002, 0x01c00002},
		.handle_count = 2,
		.auths = {TEST_PASSWORD("")},
		.auth_count = 1,
	};
	size_t i;

	spend(world);
	for (i = 0; i < ARRAY_LEN(keys); i++) {
		guests_reset(&world->guests); /* that it was asked before is forgotten */
		world->guests.attributes = keys[i].attributes;
		world->guests.answer_to = TPM2_CC_ReadPublic;
		world->guests.answer = keys[i].answer;
		assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, 0x81000001), keys[i].rc);
		world->guests.attributes = indices[i].attributes;
		world->guests.answer_to = TPM2_CC_NV_ReadPublic;
		world->guests.answer = indices[i].answer;
		assert_int_equal(tenant_send(&world->a, &read), indices[i].rc);
		world->guests.answer = 0;
	}
}

/* A session that is bound to a protected object counts with every other one (Part 1, 19.8). */
static void test_bound_sessions(void **state)
{
	struct world *world = *state;
	uint32_t plain, bound;

	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, FREE_KEY), 0);
	plain = TENANT_HANDLE(&world->a);
	assert_int_equal(tenant_session(&world->a, TPM2_SE_HMAC, KEY), 0);
	bound = TENANT_HANDLE(&world->a);
	spend(world);
	assert_int_equal(tenant_use_in(&world->a, FREE_KEY, plain, CONTINUE), 0);
	assert_int_equal(tenant_use_in(&world->a, FREE_KEY, bound, CONTINUE), TPM2_RC_LOCKOUT);
	assert_int_equal(tenant_use_in(&world->a, KEY, plain, CONTINUE), TPM2_RC_LOCKOUT);
}

/* A policy tells nothing of a password unless it asks for it. */
static void test_policies(void **state)
{
	static const struct {
		uint32_t code, rc;
	} cases[] = {
		{TPM2_CC_PolicyGetDigest, 0},
		{TPM2_CC_PolicyAuthValue, TPM2_RC_LOCKOUT},
		{TPM2_CC_PolicyRestart, 0},
		{TPM2_CC_PolicyPassword, TPM2_RC_LOCKOUT},
		{TPM2_CC_PolicyGetDigest, TPM2_RC_LOCKOUT},
	};
	struct world *world = *state;
	uint32_t session;
	size_t i;

	assert_int_equal(tenant_session(&world->a, TPM2_SE_POLICY, TPM2_RH_NULL), 0);
	session = TENANT_HANDLE(&world->a);
	spend(world);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(tenant_use(&world->a, cases[i].code, session), 0);
		assert_int_equal(tenant_use_in(&world->a, KEY, session, CONTINUE), cases[i].rc);
	}
}

/* Nobody can set the counter back, and others have brought it near its end. */
static void test_the_last_guess_of_the_chip(void **state)
{
	struct world *world = *state;

	world->guests.lockout = (struct guest_lockout){.counter = 1, .max = 32, .interval = 1000};
	guess(world, AUTH_FAIL);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), 0);
	world->guests.lockout.counter = world->guests.counter = 31;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), TPM2_RC_LOCKOUT);
	assert_int_equal(tenant_use(&world->b, TPM2_CC_Sign, KEY), 0);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, FREE_KEY), 0);
	/* What the provider read last may be old: the chip is asked before somebody is refused. */
	world->guests.answer_to = TPM2_CC_GetCapability;
	world->guests.answer = 0x101;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), TPM2_RC_LOCKOUT);
	world->guests.counter = 30;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), 0);
}

/* Each has less than half, and all of them together more than there is. */
static void test_the_guesses_of_all(void **state)
{
	struct world *world = *state;
	unsigned i;

	world->guests.lockout = (struct guest_lockout){.max = 9, .interval = 1000};
	world->guests.counter = 8;
	for (i = 0; i < 3; i++)
		guess(world, AUTH_FAIL);
	for (i = 0; i < 5; i++) /* the figure that was read stays 0 */
		guesses_note_code(&(struct run){.vchip = world->b.vchip, .broker = world->broker},
				  AUTH_FAIL);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), TPM2_RC_LOCKOUT);
	world->guests.counter = 7;
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), 0);
}

/* The service is started again, and the chip has not forgotten. */
static void test_after_a_start(void **state)
{
	struct world *world = *state;
	struct broker *broker;
	unsigned i;

	world->guests.lockout = (struct guest_lockout){.counter = 6, .max = 9, .interval = 1000};
	broker = test_broker(&world->guests.provider);
	vchip_free(world->a.vchip);
	tenant_move(&world->a, broker, 1);
	assert_int_equal(tenant_primary(&world->a, 0, "a"), 0);
	assert_int_equal(TENANT_HANDLE(&world->a), KEY);
	for (i = 0; i < 2; i++)
		guess(world, AUTH_FAIL);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, KEY), TPM2_RC_LOCKOUT);
	broker_free(broker);
	world->a.vchip = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_it_heals),
		cmocka_unit_test(test_what_was_found),
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
		CASE(test_only_the_guesser_is_locked_out),
		CASE(test_what_is_no_guess),
		CASE(test_it_follows_the_object),
		CASE(test_what_is_the_chips),
		CASE(test_bound_sessions),
		CASE(test_policies),
		CASE(test_the_last_guess_of_the_chip),
		CASE(test_the_guesses_of_all),
		CASE(test_after_a_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
