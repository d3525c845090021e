/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	guests_init(&world->guests);
	world->broker = test_broker(&world->guests.provider);
	tenant_init(&world->a, world->broker, 1);
	tenant_init(&world->b, world->broker, 2);
	*state = world;
	return 0;
}

int world_teardown(void **state)
{
	struct world *world = *state;

	tenant_fini(&world->a);
	tenant_fini(&world->b);
	assert_int_equal(world->guests.alive, 0);
	broker_free(world->broker);
	guests_fini(&world->guests);
	free(world);
	return 0;
}
