/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_CHOICE_H
#define CMD_HOLDFASTD_CHOICE_H

/*
 * Choice: which SecurityProvider, found while the API listens already. Waits for a TPM that the
 * machine expects, opens it as a job, asks FAPI, lets select_provider() decide and tells the
 * service. Where a TPM is demanded and fails, it is tried again in the background. Loop only.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/holdfastd/daemon.h"

/* @daemon has its loop, jobs, state and service. */
int choice_new(struct daemon *daemon, struct choice **ret_choice, struct err *err) MUST_CHECK;
void choice_free(struct choice *choice);

/* Begins; ends with daemon->provider set, or the service told why there is none. */
void choice_start(struct choice *choice);

/*
 * Takes the chip that answers in the place of the recorded one (service_admin.accept; @arg is the
 * choice). Operations answer `starting` meanwhile. ERR_CONFLICT: it is the recorded one;
 * ERR_TPM_REQUIRED: software is in use. It never ends in software: when it fails, the recorded chip
 * is looked for again.
 */
int choice_accept(void *arg,
		  void (*done)(void *op, const struct service_accepted *accepted,
			       const struct err *err),
		  void *op, struct err *err) MUST_CHECK;

/*
 * Looks for the TPM once more, in the background, when software is in use because it did not open
 * (choice_fell_back()). When it opens now, it takes the place of software without a restart; what
 * is at work ends before.
 */
void choice_seek(struct choice *choice);
bool choice_fell_back(const struct choice *choice);
/* Why no TPM is in use, while software is; "" = there was none to open. */
const char *choice_failure(const struct choice *choice);

/* Waits and retries no more. */
void choice_stop(struct choice *choice);

#endif
