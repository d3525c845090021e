/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_MAKE_H
#define BROKER_MAKE_H

/* Make: what the command that made an object tells of it, and making it again. */

#include "broker/impl.h"

/* After a command that succeeded: whether failures with @held count, and its recipe. */
void make_note(struct run *run, struct held *held);

/*
 * Makes the object of @recipe. A password that the chip counts as wrong is the tenant's guess, and
 * none is sent where it has no guess left, nor to a persistent parent of another Name. *ret_rc is
 * the code of the step that the chip refused, then there is no guest. ERR_..: as of
 * provider_guest_run(), ERR_DAMAGED of the recipe.
 */
int make_again(struct run *run, struct slice recipe, struct provider_guest **ret_guest,
	       uint32_t *ret_rc, struct err *err) MUST_CHECK;

/* Is a refusal one that passes: no memory now, a lockout? Not that something is gone. */
bool make_may_work_later(uint32_t rc);

#endif
