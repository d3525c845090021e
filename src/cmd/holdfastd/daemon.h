/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_DAEMON_H
#define CMD_HOLDFASTD_DAEMON_H

/*
 * Daemon: all parts put together, from start to stop. What takes time is a job; this thread only
 * runs the loop.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "cmd/holdfastd/fapi_setup.h"
#include "cmd/holdfastd/state.h"
#include "conf/conf.h"
#include "http/http.h"
#include "jobs/jobs.h"
#include "provider/select.h"
#include "server/raw.h"
#include "server/server.h"
#include "service/service.h"

struct choice;	/* choice.c: how the provider is found */
struct device;	/* device.c: the device's identity */
struct reset;	/* reset.c: back to how the device was made */
struct tenants; /* tenants.c: who is served */

struct daemon {
	struct conf *conf;     /* its tenants are taken out at the start */
	const char *conf_path; /* where it is read from again */
	bool conf_optional;    /* where it is not there, the defaults apply */
	enum select_wish wish;
	bool wish_from_env;
	const char *version;
	const struct starter *starter; /* who starts FAPI's helper; NULL = there is none */

	struct loop *loop;
	struct jobs *jobs;
	struct state state;
	struct service *service;
	struct http *http;
	struct server *server;
	struct raw_server *raw;
	struct tenants *tenants;
	struct service_tenant admin;
	uid_t admin_peers[2]; /* root, and our own, which is the helper's too */
	struct fapi_setup fapi;
	struct choice *choice;
	struct device *device;
	struct reset *reset; /* NULL = nothing is being erased */
	/* What the reset before has left, in words; the next identity tells it. */
	char erased[IDENTITY_REASON_MAX];
	struct provider *provider; /* owned; NULL while there is none */

	struct loop_timer watchdog;
	struct loop_timer drain;
	uint64_t drain_until_us; /* requests at work may end until then .. */
	uint64_t own_until_us;	 /* .. and what nobody waits for */
	bool stopping;
	bool again;	/* all of it begins anew when it has stopped */
	bool cancelled; /* what was at work when the time to stop was over */
	bool cut_off;	/* a request was among it */
	bool hangs;	/* the provider did not close in time */
};

/*
 * Stops as by a signal, in order to be run again by who called daemon_run(), with the configuration
 * read anew; `again` tells it. Nothing happens when it stops already.
 */
void daemon_begin_anew(struct daemon *daemon);

/*
 * Runs until a signal ends it; returns the exit status of the process: 0 after an orderly stop, 1
 * when it cannot run. A step that does not end, on a chip that hangs, ends the process at once:
 * with 1 when a request was cut off by that, else with 0.
 */
int daemon_run(struct daemon *daemon);

#endif
