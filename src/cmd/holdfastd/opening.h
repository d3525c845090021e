/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_OPENING_H
#define CMD_HOLDFASTD_OPENING_H

/*
 * Opening: the job that opens the TPM: read what was recorded of it and the hierarchy passwords
 * (pool), open (worker), record durably (pool), commit (worker).
 *
 * To accept a TPM is the same with two differences: the provider in use is closed first, and a chip
 * that answers and is not the recorded one is opened again as if none had ever been recorded. The
 * old record is then kept under another name.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "jobs/jobs.h"
#include "provider/provider.h"
#include "service/service.h"
#include "store/store.h"

struct opening_result {
	bool own_files;	    /* it failed for what is ours, not for the TPM */
	struct provider *p; /* now the caller's; NULL when it failed */
	struct provider_status status;
	const char *remark; /* borrowed from @p; may be NULL */
	bool is_recorded;   /* there was nothing to accept */
	struct service_accepted accepted;
};

struct opening {
	struct loop *loop;
	struct jobs *jobs;
	struct store *store;
	const struct conf *conf;
	const struct secret *auth_key;
	bool accept;
	struct provider *old; /* to be closed before; the job's from the start on, may be NULL */
	/* Once: @err is NULL when it succeeded. */
	void (*done)(void *arg, const struct opening_result *result, const struct err *err);
	/* Once, after done: nothing of the job runs any more. */
	void (*ended)(void *arg);
	void *arg;
};

/*
 * It fails with ERR_TIMEOUT when a command is not answered for PATIENCE_SILENCE_S, though the step
 * that sent it still hangs, or when all takes longer than a chip with slow keys does.
 */

/* Everything in @opening but @old is borrowed until ended() was called. */
int opening_start(const struct opening *opening, struct err *err) MUST_CHECK;

/*
 * Closes a provider where it lives: on the worker when it is on_chip. Takes @p over. @done may be
 * NULL; it is called once, also when the deadline passed: then @closed is false.
 */
void opening_close(struct jobs *jobs, struct provider *p, unsigned seconds,
		   void (*done)(void *arg, bool closed), void *arg);

#endif
