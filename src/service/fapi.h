/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_FAPI_H
#define SERVICE_FAPI_H

/* Fapi: the helper program on the chip of a provider (docs/PROVIDERS.md). */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fapi/fapi.h"
#include "provider/provider.h"

struct service;

/* Strings and descriptor are borrowed. */
struct service_fapi {
	struct fapi_place place; /* place.program NULL = there is no FAPI */
	struct fapi_wish wish;
	int stop_fd; /* readable: every run ends early */
	/* The sockets in place.run, where the service's helper (service.h) sends its commands:
	 * there only while it works. ERR_UNREADABLE: others can write into that folder. */
	int (*listen)(void *arg, struct err *err);
	void (*unlisten)(void *arg);
	/*
	 * It was provisioned, perhaps anew: what tenants get of it is brought up to date, and the
	 * answer waits for that. begin() on the loop gives what work() does on the pool, and end()
	 * frees it on the loop; NULL: there is nothing to wait for.
	 */
	void *(*share_begin)(void *arg);
	void (*share_work)(void *share);
	void (*share_end)(void *share);
	void *arg;
};

/*
 * One run of the helper, on the chip that is open to raw commands. It has a virtual chip of its
 * own, which goes with the run. One at a time: who plans them sees to that.
 */
struct service_fapi_run {
	const struct service_fapi *fapi;
	struct fapi_request request; /* but for stop_fd */
	struct buf json;	     /* the helper's answer; BUF_INIT(FAPI_ANSWER_MAX) */
	struct err failed;	     /* how it ended; code 0 = well */
	bool begun;
	uint64_t commands; /* of the chip, until it was judged */
};

/* Steps one after the other: on the loop; on the long thread, where it never fails; on the loop,
 * errors as of fapi_run(), or what the chip failed with. */
int service_fapi_begin(struct service *service, struct service_fapi_run *run, struct err *err)
	MUST_CHECK;
void service_fapi_work(struct service_fapi_run *run);
int service_fapi_judge(struct service *service, struct service_fapi_run *run, struct err *err)
	MUST_CHECK;
/* On the loop, when no step of it runs any more, however far it came. */
void service_fapi_end(struct service *service, struct service_fapi_run *run);

#endif
