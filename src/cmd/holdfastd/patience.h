/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_PATIENCE_H
#define CMD_HOLDFASTD_PATIENCE_H

/*
 * Patience: with a chip as long as it answers. Slow ones make an RSA key in a dozen seconds, but no
 * command takes longer than PATIENCE_SILENCE_S. Loop only, but for off_chip.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"

#define PATIENCE_SILENCE_S 20u

struct patience {
	_Atomic bool off_chip; /* set by steps: what runs now asks nothing of the chip */
	struct loop_timer look;
	uint64_t commands; /* sent, when it was looked at last */
	uint64_t heard_us; /* when that had changed last */
	void (*over)(void *arg);
	void *arg;
};

/* over() is called once, unless it ends before. */
int patience_start(struct patience *patience, struct loop *loop, void (*over)(void *arg), void *arg,
		   struct err *err) MUST_CHECK;
void patience_end(struct patience *patience);

#endif
