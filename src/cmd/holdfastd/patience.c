/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfastd/patience.h"

#include "tpm/transport.h"

#define SECOND_US 1000000u

static void look(void *arg)
{
	struct patience *patience = arg;
	uint64_t commands = transport_command_count(), now = clock_monotonic_us();
	struct err err;

	if (commands != patience->commands || patience->off_chip)
		patience->heard_us = now;
	patience->commands = commands;
	if (now - patience->heard_us >= PATIENCE_SILENCE_S * SECOND_US ||
	    loop_timer_set(&patience->look, SECOND_US, &err) < 0)
		patience->over(patience->arg);
}

int patience_start(struct patience *patience, struct loop *loop, void (*over)(void *arg), void *arg,
		   struct err *err)
{
	patience->commands = 0;
	patience->heard_us = clock_monotonic_us();
	patience->over = over;
	patience->arg = arg;
	loop_timer_init(&patience->look, loop, look, patience);
	return loop_timer_set(&patience->look, SECOND_US, err);
}

void patience_end(struct patience *patience)
{
	loop_timer_clear(&patience->look);
}
