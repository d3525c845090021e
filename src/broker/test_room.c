/* SPDX-License-Identifier: Apache-2.0 */

/* Who gives way when the chip is full, sessions that are gone, and lists that are long. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <tss2/tss2_tpm2_types.h>

#include "broker/test_world.h"
#include "broker/wire.h"

#define CONTINUE TPMA_SESSION_CONTINUESESSION

static uint32_t session(struct tenant *tenant)
{
	assert_int_equal(tenant_session(tenant, TPM2_SE_HMAC, TPM2_RH_NULL), 0);
	return TENANT_HANDLE(tenant);
}

static unsigned sessions(const struct tenant *tenant)
{
	struct vchip_usage usage;

	vchip_usage(tenant->vchip, &usage);
	return usage.sessions;
}

/* --- sessions ------------------------------------------------------------------------------ */

/* Of what is gone from the chip nothing can be had back. */
static void test_lost_sessions_free_nothing(void **state)
{
	struct world *world = *state;
	unsigned i;

	for (i = 0; i < 8; i++) {
		(void)session(&world->a);
		guests_lose(&world->guests, world->guests.first);
	}
	(void)session(&world->b);
	(void)session(&world->b);
	world->guests.sessions_max = 2;
	(void)session(&world->a);
	assert_int_equal(sessions(&world->a), 1);
	assert_int_equal(sessions(&world->b), 1);
}

/* Who wants one of as many as another has loses its own. */
static void test_a_tie_is_the_requesters(void **state)
{
	struct world *world = *state;
	struct tenant *tenants[] = {&world->a, &world->b};
	size_t i;

	(void)session(&world->a);
	(void)session(&world->b);
	world->guests.sessions_max = 2;
	for (i = 0; i < 4; i++) {
		(void)session(tenants[i % 2]);
		assert_int_equal(sessions(&world->a), 1);
		assert_int_equal(sessions(&world->b), 1);
	}
}

/* A chip that gives a session the number of one that the command names. */
static void test_a_number_that_is_named(void **state)
{
	struct world *world = *state;
	uint8_t attributes = 0;

	for (;;) {
		const struct test_command start = {
			.code = TPM2_CC_StartAuthSession,
			.handles = {TPM2_RH_NULL, TPM2_RH_NULL},
			.handle_count = 2,
			.auths = {{.handle = session(&world->a), .attributes = attributes}},
			.auth_count = 1,
		};

		world->guests.next_session--;
		assert_int_equal(tenant_send(&world->a, &start), 0);
		assert_int_equal(TENANT_HANDLE(&world->a), start.auths[0].handle);
		assert_int_equal(sessions(&world->a), 1);
		assert_int_equal(tenant_flush(&world->a, start.auths[0].handle), 0);
		if (attributes == CONTINUE)
			break;
		attributes = CONTINUE;
	}
}

/* --- lists --------------------------------------------------------------------------------- */

/* More objects than are looked at at once: the lowest numbers come, and all of them in turn. */
static void test_long_lists(void **state)
{
	struct world *world = *state;
	uint32_t first = 0x80000000, i;
	const uint32_t all = 3000;

	world->a.limits.objects_max = BROKER_GUESTS_MAX;
	for (i = 0; i < all; i++)
		assert_int_equal(tenant_primary(&world->a, TPMA_OBJECT_NODA, ""), 0);
	while (first < 0x80000000 + all) {
		uint32_t left = 0x80000000 + all - first, count = left < 254 ? left : 254;

		assert_int_equal(tenant_capability(&world->a, TPM2_CAP_HANDLES, first, 500), 0);
		assert_int_equal(world->a.answer.data[10], left > 254);
		assert_int_equal(tenant_u32(&world->a, 15), count);
		for (i = 0; i < count; i++)
			assert_int_equal(tenant_u32(&world->a, 19 + 4 * i), first + i);
		first += count;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
		CASE(test_lost_sessions_free_nothing),
		CASE(test_a_tie_is_the_requesters),
		CASE(test_a_number_that_is_named),
		CASE(test_long_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
