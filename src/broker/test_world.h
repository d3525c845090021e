/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_TEST_WORLD_H
#define BROKER_TEST_WORLD_H

/* World: two tenants on one broker, whose guests need no chip (tests/support/guests.h). */

#include "broker/test_tenant.h"
#include "tests/support/guests.h"

struct world {
	struct guests guests;
	struct broker *broker;
	struct tenant a, b;
};

/* For cmocka; *state is the world. The end demands that nothing of the tenants' is left. */
int world_setup(void **state);
int world_teardown(void **state);

#endif
