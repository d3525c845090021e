/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAPI_STARTER_H
#define FAPI_STARTER_H

/*
 * Starter: a small process beside the service that starts holdfast-fapi, and nothing else. It is
 * forked before the service confines itself, so that the service can give up starting anything. It
 * does one thing for whoever holds its socket, and takes every byte from there for hostile:
 * program, environment and folder were settled when it began. It has no thread, no secret and no
 * file but its sockets, and ends with the process that began it, and kills what it started.
 */

#include "base/err.h"
#include "base/mem.h"

struct starter;

/* Borrowed while it begins. */
struct starter_plan {
	const char *program; /* holdfast-fapi, absolute */
	const char *folder;  /* where FAPI_CONFIG is, absolute */
	/* Called in the new process: what it gives up, and what it starts with it; NULL = nothing.
	 */
	int (*confine)(void *arg, struct err *err);
	void *arg;
	unsigned longest_s; /* what it started is killed after so long */
};

/* Before threads start. Waits until it is confined; its error is ours. */
int starter_begin(const struct starter_plan *plan, struct starter **ret_starter, struct err *err)
	MUST_CHECK;

/* ERR_INTERNAL: it is gone, and a service that is confined cannot begin another. NULL is allowed.
 */
int starter_check(const struct starter *starter, struct err *err) MUST_CHECK;

/* For poll(2): readable when it has ended. Borrowed. */
int starter_end(const struct starter *starter);

/* Waits until it has ended, with what it started; not for long. NULL is allowed. */
void starter_free(struct starter *starter);
MEM_DEFINE_CLEANUP(starter)

#endif
