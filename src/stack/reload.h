/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_RELOAD_H
#define STACK_RELOAD_H

/* Reload: which programs are to be told of a change, and how. Pure; for this room only. */

#include "stack/apply.h"

#define RELOAD_STEPS_MAX 12u

/* What there is of a machine. */
struct reload_host {
	bool systemd; /* it is the one that started this machine */
	bool udev;    /* it runs */
	bool bus;     /* the system's bus runs */
};

struct reload_step {
	const char *argv[6]; /* for tool_run() */
};

struct reload {
	struct reload_step steps[RELOAD_STEPS_MAX];
	size_t count;
};

void reload_plan(const struct stack_change *change, const struct reload_host *host,
		 struct reload *ret_reload);

#endif
