/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_OPENING_H
#define CMD_HOLDFASTD_OPENING_H

/*
 * Opening: the job that opens the TPM: read what was recorded of it and the hierarchy passwords
 * (pool), open (worker), record durably (pool), commit (worker).
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "jobs/jobs.h"
#include "provider/provider.h"
#include "store/store.h"

struct opening_result {
	bool own_files;	    /* it failed for what is ours, not for the TPM */
	struct provider *p; /* now the caller's; NULL when it failed */
	struct provider_status status;
	const char *remark; /* borrowed from @p; may be NULL */
};

struct opening {
	struct jobs *jobs;
	struct store *store;
	const struct conf *conf;
	const struct secret *auth_key;
	/* Once: @err is NULL when it succeeded. */
	void (*done)(void *arg, const struct opening_result *result, const struct err *err);
	/* Once, after done: nothing of the job runs any more. */
	void (*ended)(void *arg);
	void *arg;
};

/* Everything in @opening is borrowed until ended() was called. */
int opening_start(const struct opening *opening, struct err *err) MUST_CHECK;

/*
 * Closes a provider where it lives: on the worker when it is on_chip. Takes @p over. @done may be
 * NULL; it is called once, also when the deadline @seconds passed.
 */
void opening_close(struct jobs *jobs, struct provider *p, unsigned seconds, void (*done)(void *arg),
		   void *arg);

#endif
