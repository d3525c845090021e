/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_CHOICE_H
#define CMD_HOLDFASTD_CHOICE_H

/*
 * Choice: which SecurityProvider, found while the API listens already. Waits for a TPM that the
 * machine expects, opens it as a job, lets select_provider() decide and tells the service. Where
 * a TPM is demanded and fails, it is tried again in the background. Loop only.
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

/* Waits and retries no more. */
void choice_stop(struct choice *choice);

#endif
