/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: state, tenant, sockets, ready; then the provider is chosen while requests are answered.
 * stop: no more connections, requests at work are finished, the provider is closed where it
 * lives, and only then the threads end. Each part of the stop has a limit: requests that do not end
 * are answered as timed out. A step that hangs in the kernel, as in reading from a TPM that does
 * not answer, cannot be interrupted and is left behind by _exit(): what was acknowledged is durable
 * since it was. That is an orderly stop unless a request was cut off by it.
 */
#include "cmd/holdfastd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/holdfastd/choice.h"
#include "cmd/holdfastd/device.h"
#include "cmd/holdfastd/opening.h"
#include "cmd/holdfastd/reset.h"
#include "cmd/holdfastd/share.h"
#include "cmd/holdfastd/tenants.h"
#include "host/listen_fds.h"
#include "host/notify.h"
#include "service/metrics.h"
#include "tenant/audit.h"

#define REQUEST_S     30u
#define IDLE_S	      120u
#define ANSWER_S      30u
#define DRAIN_US      5000000u /* for requests at work */
#define OWN_US	      1000000u /* for work that nobody waits for, after the last request */
#define DRAIN_LOOK_US 20000u
#define LAST_US	      1000000u
#define CLOSE_S	      2u
#define GRACE_US      500000u

#define ADMIN_TENANT "admin"

static void tell_manager(const char *state)
{
	struct err err;

	if (notify_send(state, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "service manager");
}

/* --- the tenant admin --- */

/* It owns nothing in the keystore. */
static void init_admin(struct daemon *daemon)
{
	struct tenant *tenant = &daemon->admin.tenant;

	(void)snprintf(tenant->name, sizeof(tenant->name), ADMIN_TENANT);
	tenant->number = TENANT_NUMBER_ADMIN;
	tenant->rights = TENANT_ADMIN | TENANT_HOST_ONLY;
	tenant->connections_max = SERVER_ADMIN_CONNECTIONS;
	daemon->admin_peers[0] = 0;
	daemon->admin_peers[1] = geteuid();
	tenant->peers = daemon->admin_peers;
	tenant->peer_count = ARRAY_LEN(daemon->admin_peers);
}

/* --- the FAPI helper --- */

static int listen_for_helper(void *arg, struct err *err)
{
	struct daemon *daemon = arg;

	return raw_server_listen(daemon->raw, daemon->conf->run_dir, RAW_HELPER,
				 &daemon->service->helper.tenant, err);
}

static void unlisten_for_helper(void *arg)
{
	struct daemon *daemon = arg;

	raw_server_unlisten(daemon->raw, &daemon->service->helper.tenant, true);
}

static void *begin_share(void *arg)
{
	return share_begin(((struct daemon *)arg)->tenants);
}

/* It comes as the user that we are. */
static void init_helper(struct daemon *daemon)
{
	struct tenant *tenant = &daemon->service->helper.tenant;

	tenant->rights = TENANT_ADMIN; /* its connections are counted as the administrator's */
	tenant->peers = &daemon->admin_peers[1];
	tenant->peer_count = 1;
	daemon->fapi.fapi.listen = listen_for_helper;
	daemon->fapi.fapi.unlisten = unlisten_for_helper;
	daemon->fapi.fapi.share_begin = begin_share;
	daemon->fapi.fapi.share_work = share_work;
	daemon->fapi.fapi.share_end = share_end;
	daemon->fapi.fapi.arg = daemon;
	service_set_fapi(daemon->service, &daemon->fapi.fapi);
	service_set_raw(daemon->service, daemon->state.broker_key, daemon->fapi.reserved,
			daemon->fapi.reserved_count);
}

/* --- stopping --- */

static void provider_closed(void *arg, bool closed)
{
	struct daemon *daemon = arg;

	daemon->hangs = !closed;
	loop_stop(daemon->loop);
}

/*
 * In a job, as a chip that hangs must not hold the stop up. The worker may have been cancelled with
 * all the others, and then there is another one for this.
 */
static void close_provider(struct daemon *daemon)
{
	struct err err;

	service_sweep(daemon->service);
	if (!daemon->provider || (!daemon->jobs && jobs_new(daemon->loop, &daemon->jobs, &err) < 0))
		loop_stop(daemon->loop);
	else
		opening_close(daemon->jobs, TAKE(daemon->provider), CLOSE_S, provider_closed,
			      daemon);
}

/* The answers to what was cancelled leave; who does not take them is not waited for. */
static void answered(struct daemon *daemon)
{
	struct err err;

	if (http_drain(daemon->http) > 0 && clock_monotonic_us() < daemon->drain_until_us &&
	    loop_timer_set(&daemon->drain, DRAIN_LOOK_US, &err) == 0)
		return;
	if (!jobs_free(daemon->jobs, GRACE_US)) {
		loop_stop(daemon->loop);
		return;
	}
	daemon->jobs = NULL;
	close_provider(daemon);
}

/* Requests, or what nobody waits for, did not end in time. */
static void cancel(struct daemon *daemon)
{
	daemon->cancelled = true;
	daemon->drain_until_us = clock_monotonic_us() + LAST_US;
	service_stop(daemon->service);
	if (jobs_free(daemon->jobs, 0))
		daemon->jobs = NULL;
	answered(daemon);
}

static void drained(void *arg)
{
	struct daemon *daemon = arg;
	uint64_t now = clock_monotonic_us();
	struct err err;
	bool requests, jobs;

	if (daemon->cancelled) {
		answered(daemon);
		return;
	}
	requests = http_drain(daemon->http) > 0;
	jobs = jobs_count(daemon->jobs) > 0;
	if (requests)
		daemon->own_until_us = now + OWN_US;
	if ((requests || jobs) &&
	    now < (requests ? daemon->drain_until_us : daemon->own_until_us) &&
	    loop_timer_set(&daemon->drain, DRAIN_LOOK_US, &err) == 0)
		return;
	/* A client that takes its time is not cut off by what hangs. */
	daemon->cut_off = requests && jobs;
	if (requests || jobs)
		cancel(daemon);
	else
		close_provider(daemon);
}

/* sd_notify(3): a reload tells when it began. */
static void tell_end(const struct daemon *daemon)
{
	char state[96];

	if (!daemon->again) {
		log_notice("stopping");
		tell_manager("STOPPING=1");
		return;
	}
	log_notice("beginning anew");
	(void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		       clock_monotonic_us());
	tell_manager(state);
}

static void end(struct daemon *daemon)
{
	daemon->stopping = true;
	tell_end(daemon);
	reset_stop(daemon->reset);
	device_stop(daemon->device);
	choice_stop(daemon->choice);
	tenants_stop(daemon->tenants);
	fapi_setup_stop(&daemon->fapi);
	raw_put_off(daemon->service);
	raw_server_stop(daemon->raw);
	server_stop(daemon->server);
	daemon->drain_until_us = clock_monotonic_us() + DRAIN_US;
	daemon->own_until_us = clock_monotonic_us() + OWN_US;
	drained(daemon);
}

/* Also for a daemon that is about to begin anew: then it does not. */
static void stop(void *arg, uint32_t signo)
{
	struct daemon *daemon = arg;

	(void)signo;
	if (daemon->stopping && daemon->again)
		log_notice("stopping");
	daemon->again = false;
	if (!daemon->stopping)
		end(daemon);
}

void daemon_begin_anew(struct daemon *daemon)
{
	if (daemon->stopping)
		return;
	daemon->again = true;
	end(daemon);
}

/* After a reset it is read anew anyway. */
static void reload(void *arg, uint32_t signo)
{
	struct daemon *daemon = arg;

	(void)signo;
	if (daemon->tenants && !daemon->stopping && !daemon->reset)
		tenants_reload(daemon->tenants);
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
		.connections = SERVER_CONNECTIONS_MAX + SERVER_ADMIN_CONNECTIONS,
	};
	size_t count;
	const struct http_route *routes = service_routes(&count);
	int r;

	r = http_new(daemon->loop, routes, count, &LIMITS, &server_http_ops, daemon->service,
		     &daemon->http, err);
	if (r < 0)
		return r;
	r = server_new(daemon->loop, daemon->http, &daemon->server, err);
	return r < 0 ? r
		     : raw_server_new(daemon->loop, daemon->server, daemon->service, &daemon->raw,
				      err);
}

static int listen_for_admin(struct daemon *daemon, struct err *err)
{
	return server_listen_admin(daemon->server, daemon->conf->run_dir, &daemon->admin.tenant,
				   err);
}

/*
 * A service manager that gives us the host's socket need not let us make others beside it. Its
 * descriptor stays, for a daemon that begins anew.
 */
static int adopt(struct daemon *daemon, int given, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot use the manager's socket");
	r = server_adopt(daemon->server, fd, tenants_host(daemon->tenants), err);
	if (r < 0)
		return r;
	fd = -1;
	if (listen_for_admin(daemon, err) < 0)
		log_err(LOG_LEVEL_WARNING, err, "no admin socket");
	return 0;
}

static int listen_for_all(struct daemon *daemon, struct err *err)
{
	int fd = -1;
	int r;

	r = listen_fds_take(LISTEN_FDS_UNIX, &fd, err);
	if (r < 0)
		return r;
	if (fd >= 0)
		return adopt(daemon, fd, err);
	r = server_listen(daemon->server, daemon->conf->run_dir, tenants_host(daemon->tenants),
			  err);
	return r < 0 ? r : listen_for_admin(daemon, err);
}

/* A journal that cannot be read may be a reset's: then nothing is made that might outlive it. */
static int open_state(struct daemon *daemon, struct err *err)
{
	struct err fault;
	int r = state_open_folder(daemon->conf->state_dir, &daemon->state, err);

	if (r < 0)
		return r;
	r = reset_new(daemon, &daemon->reset, &fault);
	if (r < 0)
		log_err(LOG_LEVEL_WARNING, &fault, "device identity");
	if (!daemon->reset)
		return state_open_keys(&daemon->state, r < 0 ? &fault : NULL, err);
	(void)err_set(&daemon->state.fault, ERR_STARTING, "a factory reset is being carried out");
	return 0;
}

static int build_base(struct daemon *daemon, struct err *err)
{
	int r = loop_new(&daemon->loop, err);

	if (r < 0)
		return r;
	audit_set_loop(daemon->loop);
	r = watch_signals(daemon, err);
	if (r < 0)
		return r;
	loop_timer_init(&daemon->drain, daemon->loop, drained, daemon);
	loop_timer_init(&daemon->watchdog, daemon->loop, feed_watchdog, daemon);
	r = open_state(daemon, err);
	if (r < 0)
		return r;
	metrics_setup(daemon->version);
	r = jobs_new(daemon->loop, &daemon->jobs, err);
	return r < 0 ? r
		     : service_new(daemon->jobs, daemon->state.store, daemon->version,
				   &daemon->service, err);
}

static int accept_tpm(void *arg,
		      void (*done)(void *op, const struct service_accepted *accepted,
				   const struct err *err),
		      void *op, struct err *err)
{
	return choice_accept(((struct daemon *)arg)->choice, done, op, err);
}

static int order_device(void *arg, const struct identity_order *order,
			void (*done)(void *op, struct slice pem, const struct err *err), void *op,
			struct err *err)
{
	return device_order(((struct daemon *)arg)->device, order, done, op, err);
}

static void change_fault(void *arg)
{
	device_fault_changed(((struct daemon *)arg)->device);
}

static void miss_device(void *arg)
{
	device_missed(((struct daemon *)arg)->device);
}

/* --- whoever administers waits until a reset is done, or ends its waiting --- */

static int refuse_in_reset(struct err *err)
{
	return err_set(err, ERR_STARTING, "a factory reset is being carried out");
}

static int accept_in_reset(void *arg,
			   void (*done)(void *op, const struct service_accepted *accepted,
					const struct err *err),
			   void *op, struct err *err)
{
	(void)arg;
	(void)done;
	(void)op;
	return refuse_in_reset(err);
}

static int order_in_reset(void *arg, const struct identity_order *order,
			  void (*done)(void *op, struct slice pem, const struct err *err), void *op,
			  struct err *err)
{
	(void)arg;
	(void)order;
	(void)done;
	(void)op;
	return refuse_in_reset(err);
}

static void build_admin_in_reset(struct daemon *daemon)
{
	service_set_admin(daemon->service, &(struct service_admin){.accept = accept_in_reset,
								   .device = order_in_reset,
								   .reset = reset_ask,
								   .arg = daemon});
}

static int build_admin(struct daemon *daemon, struct err *err)
{
	int r;

	if (daemon->reset) {
		build_admin_in_reset(daemon);
		return 0;
	}
	r = device_new(daemon, &daemon->device, err);
	if (r < 0)
		return r;
	service_set_admin(daemon->service,
			  &(struct service_admin){.accept = accept_tpm,
						  .device = order_device,
						  .reset = reset_ask,
						  .fault_changed = change_fault,
						  .device_missed = miss_device,
						  .arg = daemon,
						  .tenants = tenants_admin(daemon->tenants)});
	return 0;
}

static int build(struct daemon *daemon, struct err *err)
{
	int r = build_base(daemon, err);

	if (r < 0)
		return r;
	r = tenants_new(daemon, &daemon->tenants, err);
	if (r < 0)
		return r;
	init_admin(daemon);
	r = fapi_setup_init(&daemon->fapi, daemon->conf, daemon->starter, err);
	if (r == 0)
		r = fapi_setup_watch(&daemon->fapi, daemon->loop, err);
	if (r < 0)
		return r;
	init_helper(daemon);
	service_set_event_log(daemon->service, daemon->conf->tpm2.fapi.firmware_log_file);
	r = start_http(daemon, err);
	if (r == 0)
		r = choice_new(daemon, &daemon->choice, err);
	if (r == 0)
		r = build_admin(daemon, err);
	if (r == 0)
		r = listen_for_all(daemon, err);
	return r < 0 || daemon->reset ? r : tenants_listen(daemon->tenants, err);
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
	device_changed(daemon->device);
}

static void begin(struct daemon *daemon)
{
	if (daemon->reset) {
		reset_start(daemon->reset);
		return;
	}
	choose(daemon);
	tenants_start(daemon->tenants);
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
	begin(daemon);
	return loop_run(daemon->loop, err);
}

/* The threads live on, so nothing of what they use may be taken down. */
static void leave(const struct daemon *daemon, int status)
{
	if (daemon->cut_off)
		log_error("a request did not end; leaving without it");
	else
		log_warning("the TPM or the disk does not answer; leaving without it");
	_exit(daemon->cut_off || daemon->again ? 1 : status);
}

static void release(struct daemon *daemon, int status)
{
	bool ended;

	service_stop(daemon->service);
	ended = jobs_free(daemon->jobs, daemon->hangs ? 0 : GRACE_US);
	audit_flush();
	if (!ended)
		leave(daemon, status);
	if (daemon->service)
		service_sweep(daemon->service);
	provider_free(daemon->provider);
	raw_server_free(daemon->raw);
	http_free(daemon->http);
	server_free(daemon->server);
	tenants_free(daemon->tenants);
	reset_free(daemon->reset);
	device_free(daemon->device);
	choice_free(daemon->choice);
	service_free(daemon->service);
	fapi_setup_fini(&daemon->fapi);
	state_fini(&daemon->state);
	audit_set_loop(NULL);
	audit_forget();
	loop_free(daemon->loop);
}

int daemon_run(struct daemon *daemon)
{
	struct err err;
	int r;

	r = serve(daemon, &err);
	if (r < 0)
		log_err(LOG_LEVEL_ERROR, &err, "cannot run");
	release(daemon, r < 0 ? 1 : 0);
	return r < 0 ? 1 : 0;
}
