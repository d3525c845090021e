/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: state, tenant, sockets, ready; then the provider is chosen while requests are answered.
 * stop: no more connections, requests at work are finished, the provider is closed where it
 * lives, and only then the threads end. Each part of the stop has a limit: requests that do not end
 * are answered as timed out, and a step that hangs in the kernel is left behind by _exit(1).
 */
#include "cmd/holdfastd/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/holdfastd/choice.h"
#include "cmd/holdfastd/opening.h"
#include "host/listen_fds.h"
#include "host/notify.h"
#include "service/metrics.h"

#define REQUEST_S	 30u
#define IDLE_S		 120u
#define ANSWER_S	 30u
#define DRAIN_US	 5000000u
#define DRAIN_LOOK_US	 20000u
#define LAST_US		 1000000u
#define CLOSE_S		 5u
#define GRACE_US	 5000000u
#define HOST_CONNECTIONS 256u

_Static_assert(TENANT_RANDOM == (int)CONF_OP_RANDOM && TENANT_SEAL == (int)CONF_OP_SEAL &&
		       TENANT_KEY == (int)CONF_OP_KEY && TENANT_SIGN == (int)CONF_OP_SIGN &&
		       TENANT_AIK == (int)CONF_OP_AIK && TENANT_USAGE == (int)CONF_OP_USAGE &&
		       TENANT_DECRYPT == (int)CONF_OP_DECRYPT &&
		       TENANT_IMPORT == (int)CONF_OP_IMPORT &&
		       TENANT_EXPORT == (int)CONF_OP_EXPORT &&
		       TENANT_UNWRAP == (int)CONF_OP_UNWRAP &&
		       TENANT_DEVICE_SIGN == (int)CONF_OP_DEVICE_SIGN &&
		       TENANT_DEVICE_TLS == (int)CONF_OP_DEVICE_TLS &&
		       TENANT_DEVICE_RAW == (int)CONF_OP_DEVICE_RAW,
	       "the configuration's words are the tenant's rights");

static void tell_manager(const char *state)
{
	struct err err;

	if (notify_send(state, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "service manager");
}

/* --- the tenant host --- */

/* The reader has checked that each is "uid:N". A list that cannot be kept must not let all in. */
static int set_host_peers(struct daemon *daemon, const struct conf_list *peers, struct err *err)
{
	size_t i;

	if (peers->count == 0)
		return 0;
	daemon->host_peers = calloc(peers->count, sizeof(*daemon->host_peers));
	if (!daemon->host_peers)
		return err_set(err, ERR_INTERNAL, "memory is short");
	for (i = 0; i < peers->count; i++)
		daemon->host_peers[i] = (uid_t)strtoul(peers->items[i] + strlen("uid:"), NULL, 10);
	daemon->host.tenant.peers = daemon->host_peers;
	daemon->host.tenant.peer_count = peers->count;
	return 0;
}

static int init_host(struct daemon *daemon, struct err *err)
{
	struct tenant *tenant = &daemon->host.tenant;
	const struct conf *conf = daemon->conf;
	size_t i;
	int r = 0;

	(void)snprintf(tenant->name, sizeof(tenant->name), STATE_TENANT);
	tenant->rights = (TENANT_DEVICE_RAW << 1) - 1;
	tenant->rights &= ~(uint32_t)TENANT_DEVICE_RAW;
	tenant->connections_max = HOST_CONNECTIONS;
	for (i = 0; i < conf->tenant_count; i++) {
		if (strcmp(conf->tenants[i].name, STATE_TENANT) != 0)
			continue;
		tenant->rights = conf->tenants[i].operations;
		tenant->connections_max = conf->tenants[i].connections;
		tenant->rate = conf->tenants[i].rate;
		r = set_host_peers(daemon, &conf->tenants[i].peers, err);
	}
	tenant->rights |= TENANT_HOST_ONLY;
	daemon->host.owner = daemon->state.host;
	return r;
}

/* --- stopping --- */

static void closed(void *arg)
{
	struct daemon *daemon = arg;

	loop_stop(daemon->loop);
}

/* The answers to what was cancelled leave; who does not take them is not waited for. */
static void answered(struct daemon *daemon)
{
	struct err err;

	if (http_drain(daemon->http) == 0 || clock_monotonic_us() >= daemon->drain_until_us ||
	    loop_timer_set(&daemon->drain, DRAIN_LOOK_US, &err) < 0)
		loop_stop(daemon->loop);
}

/* Requests did not end in time; the provider is closed after the threads. */
static void cancel(struct daemon *daemon)
{
	daemon->cancelled = true;
	daemon->drain_until_us = clock_monotonic_us() + LAST_US;
	if (jobs_free(daemon->jobs, 0))
		daemon->jobs = NULL;
	answered(daemon);
}

static void drained(void *arg)
{
	struct daemon *daemon = arg;
	struct err err;
	bool idle;

	if (daemon->cancelled) {
		answered(daemon);
		return;
	}
	idle = http_drain(daemon->http) == 0 && jobs_count(daemon->jobs) == 0;
	if (!idle && clock_monotonic_us() < daemon->drain_until_us &&
	    loop_timer_set(&daemon->drain, DRAIN_LOOK_US, &err) == 0)
		return;
	if (!idle)
		cancel(daemon);
	else if (daemon->provider)
		opening_close(daemon->jobs, TAKE(daemon->provider), CLOSE_S, closed, daemon);
	else
		loop_stop(daemon->loop);
}

static void stop(void *arg, uint32_t signo)
{
	struct daemon *daemon = arg;

	(void)signo;
	if (daemon->stopping)
		return;
	daemon->stopping = true;
	log_notice("stopping");
	tell_manager("STOPPING=1");
	choice_stop(daemon->choice);
	server_stop(daemon->server);
	daemon->drain_until_us = clock_monotonic_us() + DRAIN_US;
	drained(daemon);
}

static void reload(void *arg, uint32_t signo)
{
	(void)arg;
	(void)signo;
	log_notice("SIGHUP: reloading is not supported in this version; restart instead");
}

/* --- starting --- */

static void feed_watchdog(void *arg)
{
	struct daemon *daemon = arg;
	struct err err;

	tell_manager("WATCHDOG=1");
	if (loop_timer_set(&daemon->watchdog, notify_watchdog_us(), &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "watchdog");
}

/* Blocked before threads start, so that they inherit it and only the loop sees them. */
static int watch_signals(struct daemon *daemon, struct err *err)
{
	static const struct {
		int signo;
		loop_fd_fn fn;
	} SIGNALS[] = {{SIGTERM, stop}, {SIGINT, stop}, {SIGHUP, reload}};
	sigset_t set;
	size_t i;
	int r;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_LEN(SIGNALS); i++)
		sigaddset(&set, SIGNALS[i].signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_set(err, ERR_INTERNAL, "cannot block signals");
	for (i = 0; i < ARRAY_LEN(SIGNALS); i++) {
		r = loop_signal(daemon->loop, SIGNALS[i].signo, SIGNALS[i].fn, daemon, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int start_http(struct daemon *daemon, struct err *err)
{
	static const struct http_limits LIMITS = {
		.json_max = SERVICE_JSON_MAX,
		.request_s = REQUEST_S,
		.idle_s = IDLE_S,
		.answer_s = ANSWER_S,
		.connections = SERVER_CONNECTIONS_MAX,
	};
	size_t count;
	const struct http_route *routes = service_routes(&count);
	int r;

	r = http_new(daemon->loop, routes, count, &LIMITS, &server_http_ops, daemon->service,
		     &daemon->http, err);
	if (r < 0)
		return r;
	return server_new(daemon->loop, daemon->http, &daemon->server, err);
}

static int listen_for_host(struct daemon *daemon, struct err *err)
{
	struct tenant *tenant = &daemon->host.tenant;
	int fd = -1;
	int r;

	r = listen_fds_take(&fd, err);
	if (r < 0)
		return r;
	if (fd >= 0)
		return server_adopt(daemon->server, fd, tenant, err);
	return server_listen(daemon->server, daemon->conf->run_dir, tenant, err);
}

static int build(struct daemon *daemon, struct err *err)
{
	int r;

	r = loop_new(&daemon->loop, err);
	if (r < 0)
		return r;
	r = watch_signals(daemon, err);
	if (r < 0)
		return r;
	loop_timer_init(&daemon->drain, daemon->loop, drained, daemon);
	loop_timer_init(&daemon->watchdog, daemon->loop, feed_watchdog, daemon);
	r = state_open(daemon->conf->state_dir, &daemon->state, err);
	if (r < 0)
		return r;
	metrics_setup(daemon->version);
	r = jobs_new(daemon->loop, &daemon->jobs, err);
	if (r < 0)
		return r;
	r = service_new(daemon->jobs, daemon->state.store, daemon->version, &daemon->service, err);
	if (r < 0)
		return r;
	r = init_host(daemon, err);
	if (r < 0)
		return r;
	r = start_http(daemon, err);
	if (r < 0)
		return r;
	r = choice_new(daemon, &daemon->choice, err);
	if (r < 0)
		return r;
	return listen_for_host(daemon, err);
}

/* A state that cannot be used is told to every client until somebody mends it and restarts us. */
static void choose(struct daemon *daemon)
{
	const struct err *fault = &daemon->state.fault;

	if (fault->code == 0) {
		choice_start(daemon->choice);
		return;
	}
	log_err(LOG_LEVEL_ERROR, fault, "security provider none");
	log_notice("state folder %s: %s", daemon->conf->state_dir, err_remedy(fault));
	service_set_refusal(daemon->service, SERVICE_LOCKED, fault);
}

static int serve(struct daemon *daemon, struct err *err)
{
	int r;

	r = build(daemon, err);
	if (r < 0)
		return r;
	tell_manager("READY=1");
	if (notify_watchdog_us() > 0)
		feed_watchdog(daemon);
	choose(daemon);
	return loop_run(daemon->loop, err);
}

static void release(struct daemon *daemon)
{
	if (!jobs_free(daemon->jobs, GRACE_US)) {
		log_error("a step did not end; leaving without it");
		_exit(1);
	}
	provider_free(daemon->provider);
	server_free(daemon->server);
	http_free(daemon->http);
	choice_free(daemon->choice);
	service_free(daemon->service);
	free(daemon->host_peers);
	state_fini(&daemon->state);
	loop_free(daemon->loop);
}

int daemon_run(struct daemon *daemon)
{
	struct err err;
	int r;

	r = serve(daemon, &err);
	if (r < 0)
		log_err(LOG_LEVEL_ERROR, &err, "cannot run");
	release(daemon);
	return r < 0 ? 1 : 0;
}
