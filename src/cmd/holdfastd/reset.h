/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_RESET_H
#define CMD_HOLDFASTD_RESET_H

/*
 * Reset: back to how the device was made. Asking writes a journal, and the daemon begins anew. A
 * start that finds one opens no key, makes none, and answers `starting`: it erases, step by step,
 * also in the chip, with patience and as often as it takes, removes the journal, and begins anew
 * once more. Loop only.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/holdfastd/daemon.h"

/* service_admin.reset; @arg is the daemon, which begins anew after done(). */
int reset_ask(void *arg, const struct service_reset *wish,
	      void (*done)(void *op, const struct err *err), void *op, struct err *err) MUST_CHECK;

/*
 * One that is under way no longer waits for the TPM. done() when that is durable; it ends then.
 * ERR_CONFLICT: somebody has asked that already.
 */
int reset_without_tpm(struct reset *reset, void (*done)(void *op, const struct err *err), void *op,
		      struct err *err) MUST_CHECK;

/*
 * *ret_reset stays NULL where no reset was begun. ERR_UNREADABLE, ERR_DAMAGED: nobody knows; no key
 * may be made anew then.
 */
int reset_new(struct daemon *daemon, struct reset **ret_reset, struct err *err) MUST_CHECK;
void reset_free(struct reset *reset);

/* Everything of the daemon's is there. Ends with daemon_begin_anew(). */
void reset_start(struct reset *reset);

/* NULL is allowed. */
void reset_stop(struct reset *reset);

#endif
