/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast-loader/serve.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "cmd/holdfast-loader/device.h"
#include "cmd/holdfast-loader/provider.h"
#include "front/front.h"
#include "host/listen_fds.h"
#include "host/notify.h"
#include "jobs/jobs.h"

#define CONNECTIONS   128u
#define DRAIN_US      UINT64_C(8000000) /* container engines kill after 10 s */
#define DRAIN_LOOK_US UINT64_C(20000)
#define GRACE_US      UINT64_C(1000000)

struct server {
	struct setup *setup;
	struct loop *loop;
	struct jobs *jobs;
	struct fetch *fetch;
	struct loader *loader;
	struct listen *listen;
	struct setup_hosts hosts;
	struct front *front;
	struct provider *provider;
	struct device device;
	struct loop_timer look;
	uint64_t stop_us; /* when what is at work is cut off; 0: no stop */
};

static void tell_manager(const char *state)
{
	struct err err;

	if (notify_send(state, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "service manager");
}

/* struct loader_config.note */
static void note(void *arg, enum loader_note level, const char *text)
{
	static void (*const LOG[])(const char *fmt, ...) = {
		[LOADER_INFO] = log_info,
		[LOADER_NOTICE] = log_notice,
		[LOADER_WARNING] = log_warning,
	};

	(void)arg;
	LOG[level]("%s", text);
}

/* --- connections --- */

static void closed(void *arg)
{
	struct server *server = arg;

	if (server->listen)
		listen_closed(server->listen);
}

static void take(void *arg, int fd, const struct listen_address *peer)
{
	struct server *server = arg;

	(void)peer;
	front_take(server->front, fd, closed, server);
}

/* --- the end --- */

static void look(void *arg)
{
	struct server *server = arg;
	struct err err;

	if (front_drain(server->front)) {
		loop_stop(server->loop);
		return;
	}
	if (clock_monotonic_us() >= server->stop_us) {
		log_warning("requests were cut off by the stop");
		loop_stop(server->loop);
		return;
	}
	if (loop_timer_set(&server->look, DRAIN_LOOK_US, &err) < 0)
		loop_stop(server->loop);
}

static void stop(void *arg, uint32_t signo)
{
	struct server *server = arg;

	if (server->stop_us != 0)
		return;
	log_notice("signal %u: stopping", signo);
	tell_manager("STOPPING=1");
	server->stop_us = clock_monotonic_us() + DRAIN_US;
	listen_free(TAKE(server->listen));
	look(server);
}

static void reload(void *arg, uint32_t signo)
{
	(void)arg;
	(void)signo;
	log_notice("SIGHUP: files are read at the start only; restart to have changes take effect");
}

/* --- the beginning --- */

static int watch_signals(struct server *server, struct err *err)
{
	static const struct {
		int signo;
		loop_fd_fn fn;
	} SIGNALS[] = {{SIGTERM, stop}, {SIGINT, stop}, {SIGHUP, reload}};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ARRAY_LEN(SIGNALS); i++)
		r = loop_signal(server->loop, SIGNALS[i].signo, SIGNALS[i].fn, server, err);
	return r;
}

static int block_signals(struct err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot block signals");
	return 0;
}

static int open_loader(struct server *server, enum conf_provider wish, struct err *err)
{
	struct setup *setup = server->setup;
	int r;

	setup->loader.note = note;
	if (wish != CONF_PROVIDER_LEGACY)
		setup->loader.device = &server->device.ops;
	r = loop_new(&server->loop, err);
	if (r == 0)
		r = watch_signals(server, err);
	if (r == 0)
		r = jobs_new(server->loop, &server->jobs, err);
	if (r == 0)
		r = fetch_new(server->loop, &setup->fetch, &server->fetch, err);
	if (r < 0)
		return r;
	fetch_set_rate(server->fetch, setup->conf->rate_limit);
	r = loader_new(server->jobs, server->fetch, &setup->loader, &server->loader, err);
	if (r == ERR_CONFLICT)
		return err_add_remedy(err, "Stop the other loader, or give this one a cache_dir of "
					   "its own.");
	return r;
}

/* The manager's socket, else our own. */
static int open_listen(struct server *server, struct err *err)
{
	static const char IN_USE[] = "Stop what has it, or set listen to another address.";
	static const struct listen_ops OPS = {.take = take};
	int fd;
	int r;

	r = listen_fds_take(LISTEN_FDS_ANY, &fd, err);
	if (r < 0)
		return r;
	if (fd < 0) {
		r = listen_new(server->loop, &server->setup->address, CONNECTIONS, &OPS, server,
			       &server->listen, err);
		return r == ERR_CONFLICT ? err_add_remedy(err, IN_USE) : r;
	}
	r = listen_adopt(server->loop, fd, CONNECTIONS, &OPS, server, &server->listen, err);
	if (r < 0)
		return r;
	return setup_check_address(server->setup, listen_bound(server->listen), err);
}

static int open_front(struct server *server, enum conf_provider wish, struct err *err)
{
	struct setup *setup = server->setup;
	struct front_config config = {
		.token = setup->token,
		.upload_max = setup->conf->resource_max,
		.connections = CONNECTIONS,
		.note = note,
	};
	int r;

	r = open_listen(server, err);
	if (r == 0)
		r = setup_hosts(setup->conf, listen_bound(server->listen), &server->hosts, err);
	if (r < 0)
		return r;
	config.hosts = server->hosts.names;
	config.host_count = server->hosts.count;
	r = front_new(server->loop, server->loader, &config, &server->front, err);
	if (r < 0)
		return r;
	return provider_new(server->jobs, server->front, setup->conf->holdfast_socket, wish,
			    &server->provider, err);
}

/* False: a step of a job did not end, so that its memory may not be taken away. */
static bool server_close(struct server *server)
{
	bool ended;

	listen_free(TAKE(server->listen));
	front_free(server->front);
	loader_free(server->loader);
	ended = jobs_free(server->jobs, GRACE_US);
	if (!ended)
		return false;
	provider_free(server->provider);
	device_fini(&server->device);
	fetch_free(server->fetch);
	loop_free(server->loop);
	setup_hosts_fini(&server->hosts);
	return true;
}

static void tell(const struct server *server)
{
	char text[LISTEN_TEXT_MAX];

	listen_print(listen_bound(server->listen), text);
	if (server->setup->dev)
		log_warning("dev: plain http is allowed to this machine");
	if (!listen_is_loopback(listen_bound(server->listen)) && !server->setup->token)
		log_warning("listen = %s is open to others, and there is no token_file", text);
	log_notice("listening on %s", text);
}

static int run(struct server *server, struct err *err)
{
	enum conf_provider wish;
	int r;

	r = provider_wish(&wish, err);
	if (r == 0)
		r = block_signals(err);
	if (r == 0)
		r = open_loader(server, wish, err);
	if (r == 0)
		r = open_front(server, wish, err);
	if (r < 0)
		return r;
	loop_timer_init(&server->look, server->loop, look, server);
	tell(server);
	tell_manager("READY=1");
	r = loop_run(server->loop, err);
	loop_timer_clear(&server->look);
	return r;
}

int serve(struct setup *setup)
{
	struct server server = {.setup = setup, .hosts = SETUP_HOSTS_INIT};
	struct err err;
	int status = 0;

	device_init(&server.device, setup->conf->holdfast_socket);
	if (run(&server, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err, "cannot go on");
		/* Those of the codes are for who sends requests. */
		if (err.remedy)
			log_notice("%s", err.remedy);
		status = 1;
	}
	if (!server_close(&server))
		_exit(status);
	return status;
}
