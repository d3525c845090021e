/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_PROBE_H
#define CMD_HOLDFASTD_PROBE_H

/*
 * Probe: the job that asks whether FAPI works with an open TPM: make its folder (pool), run the
 * helper (long).
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "service/fapi.h"
#include "service/service.h"

struct probe {
	struct service *service; /* whose chip is open to raw commands */
	const struct service_fapi *fapi;
	/*
	 * Once: @err is NULL when it succeeded. @own_files: it failed for what is ours (no room, a
	 * folder that cannot be read), so that it tells nothing of the TPM or of FAPI.
	 */
	void (*done)(void *arg, bool own_files, const struct err *err);
	/* Once, after done: nothing of the job runs any more. */
	void (*ended)(void *arg);
	void *arg;
};

/* Everything in @probe is borrowed until ended() was called. */
int probe_start(const struct probe *probe, struct err *err) MUST_CHECK;

#endif
