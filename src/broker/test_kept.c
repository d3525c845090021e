/* SPDX-License-Identifier: Apache-2.0 */

/* Persistent objects that cannot be had any more, and what keeps their tenant from guessing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/impl.h"
#include "broker/test_world.h"
#include "broker/wire.h"

#define NO_DA TPMA_OBJECT_NODA
#define PLACE 0x81000005u
#define SRK   0x81000001u

/* Persistent, with a parent of these attributes, which has the password "secret". */
static void put_child(struct world *world, uint32_t attributes)
{
	assert_int_equal(tenant_primary(&world->a, attributes, "secret"), 0);
	assert_int_equal(tenant_child(&world->a, TENANT_HANDLE(&world->a), "secret"), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE), 0);
}

static uint32_t sign(struct world *world)
{
	return tenant_use(&world->a, TPM2_CC_Sign, PLACE);
}

/* --- guesses in recipes -------------------------------------------------------------------- */

static void test_a_wrong_password_is_tried_once(void **state)
{
	struct world *world = *state;
	unsigned before;

	world->guests.lockout =
		(struct guest_lockout){.max = 4, .interval = 1000, .may_reset = true};
	put_child(world, 0);
	guests_reset(&world->guests);
	world->guests.answer_to = TPM2_CC_Load;
	world->guests.answer = 0x98e;
	assert_int_equal(sign(world), 0x18b);
	assert_int_equal(world->a.vchip->guesses.failed, 1);
	before = world->guests.commands;
	assert_int_equal(sign(world), 0x18b);
	assert_int_equal(world->guests.commands, before);
	assert_int_equal(world->guests.alive, 0);
	guests_reset(&world->guests); /* what was in the way may be gone */
	assert_int_equal(sign(world), 0);
}

/* Who has no guess left makes none by a recipe; where the chip does not count, all is as ever. */
static void test_no_guess_left(void **state)
{
	static const struct {
		uint32_t attributes, rc;
	} cases[] = {{0, TPM2_RC_LOCKOUT}, {NO_DA, 0}};
	struct world *world = *state;
	struct guesses *guesses = &world->a.vchip->guesses;
	size_t i;

	world->guests.lockout =
		(struct guest_lockout){.max = 4, .interval = 1000, .may_reset = true};
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		put_child(world, cases[i].attributes);
		guests_reset(&world->guests);
		guesses->failed = 3;
		guesses->since_us = UINT64_MAX;
		assert_int_equal(sign(world), cases[i].rc);
		guesses->failed = 0;
		assert_int_equal(sign(world), 0);
		assert_int_equal(tenant_evict(&world->a, PLACE, PLACE), 0);
	}
}

/* Its password is not for another key that lies there now. */
static void test_another_parent(void **state)
{
	struct world *world = *state;
	uint32_t code;

	world->guests.persistent[0] = SRK;
	world->guests.keys[0].attributes = 0x00030472;
	world->guests.keys[0].name = 1;
	assert_int_equal(tenant_child(&world->a, SRK, "secret"), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE), 0);
	guests_reset(&world->guests);
	world->guests.keys[0].name = 2;
	assert_int_equal(sign(world), 0x18b);
	assert_int_equal(world->a.fault.code, ERR_WRONG_TPM);
	code = (uint32_t)(world->guests.last[8] << 8 | world->guests.last[9]);
	assert_int_equal(code, TPM2_CC_ReadPublic);
	guests_reset(&world->guests);
	world->guests.keys[0].name = 1;
	assert_int_equal(sign(world), 0);
}

/* --- of another seed ----------------------------------------------------------------------- */

/* It is in no list and does nothing, but a stock tool can remove it: that reads its public part. */
static void test_what_is_foreign_can_go(void **state)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(WIRE_MAX);
	struct world *world = *state;
	unsigned before;

	put_child(world, NO_DA);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, PLACE), 0);
	buf_put(&public, buf_slice(&world->a.answer));
	world->guests.seed++;
	guests_reset(&world->guests);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, PLACE), 0);
	assert_true(slice_equal(buf_slice(&world->a.answer), buf_slice(&public)));
	assert_int_equal(sign(world), 0x18b);
	assert_int_equal(tenant_capability(&world->a, TPM2_CAP_HANDLES, 0x81000000, 9), 0);
	assert_int_equal(tenant_u32(&world->a, 15), 0);
	before = world->guests.commands;
	assert_int_equal(tenant_evict(&world->a, PLACE, PLACE), 0);
	assert_int_equal(world->guests.commands, before);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_ReadPublic, PLACE), 0x18b);
}

/* --- the shelf ----------------------------------------------------------------------------- */

/* While it is in the chip its recipe need not be opened again. */
static void test_the_recipe_is_at_hand(void **state)
{
	struct world *world = *state;
	unsigned i;

	assert_int_equal(tenant_primary(&world->a, NO_DA, "secret"), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE), 0);
	guests_reset(&world->guests);
	for (i = 0; i < 5; i++)
		assert_int_equal(tenant_child(&world->a, PLACE, "secret"), 0);
	assert_int_equal(world->a.shelf_gets, 1);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE + 1), 0);
}

/* It failed, and was done all the same. */
static void test_outcomes_that_are_not_known(void **state)
{
	struct world *world = *state;
	uint32_t key;

	assert_int_equal(tenant_primary(&world->a, NO_DA, "secret"), 0);
	key = TENANT_HANDLE(&world->a);
	assert_int_equal(tenant_evict(&world->a, key, PLACE + 1), 0);
	world->a.shelf_does = true;
	world->a.shelf_fails = ERR_UNREADABLE;
	assert_int_equal(tenant_evict(&world->a, key, PLACE), TPM2_RC_NV_UNAVAILABLE);
	assert_int_equal(sign(world), 0);
	assert_int_equal(tenant_evict(&world->a, key, PLACE), TPM2_RC_NV_DEFINED);
	world->a.shelf_does = true;
	world->a.shelf_fails = ERR_UNREADABLE;
	assert_int_equal(tenant_evict(&world->a, PLACE, PLACE), TPM2_RC_NV_UNAVAILABLE);
	assert_int_equal(sign(world), 0x18b);
	assert_int_equal(tenant_use(&world->a, TPM2_CC_Sign, PLACE + 1), 0);
	assert_int_equal(world->guests.alive, 2);
}

/* Somebody took it off the shelf: then it is gone, as was wanted. */
static void test_what_is_gone_is_removed(void **state)
{
	struct world *world = *state;

	assert_int_equal(tenant_primary(&world->a, NO_DA, "secret"), 0);
	assert_int_equal(tenant_evict(&world->a, TENANT_HANDLE(&world->a), PLACE), 0);
	secret_free(world->a.shelf[--world->a.shelf_count].recipe);
	assert_int_equal(tenant_evict(&world->a, PLACE, PLACE), 0);
	assert_int_equal(sign(world), 0x18b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(test_a_wrong_password_is_tried_once),
		CASE(test_no_guess_left),
		CASE(test_another_parent),
		CASE(test_what_is_foreign_can_go),
		CASE(test_the_recipe_is_at_hand),
		CASE(test_outcomes_that_are_not_known),
		CASE(test_what_is_gone_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
