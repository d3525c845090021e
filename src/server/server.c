/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept, look at the peer, hand over. A tenant over its limit of connections is accepted and
 * closed at once, so that its client learns it now instead of waiting in the backlog. When the
 * process has no descriptor left, listening pauses for a moment: the backlog keeps who waits.
 */
#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/folder.h"
#include "server/socket.h"
#include "service/metrics.h"
#include "tenant/audit.h"
#include "tenant/peer.h"

#define ACCEPT_BATCH 32u
#define PAUSE_US     100000u

struct listener {
	struct server *server;
	struct tenant *tenant; /* held */
	int fd;
	bool in_folder; /* its file is in its tenant's folder; else: */
	int dir;	/* where its name stands; -1 when the name is not ours */
	const char *name;
	struct loop_fd *watch;
	struct listener *next;
};

struct server {
	struct loop *loop;
	struct http *http;
	struct listener *listeners;
	struct loop_timer pause;
	int tenants;   /* <run>/tenants, once it is needed; else -1 */
	unsigned open; /* connections, without the administrator's */
	unsigned open_max;
};

struct peer {
	struct tenant_peer peer;
	struct server *server;
};

/* --- connections --- */

static int admit(void *app, void *arg, const struct http_route *route, struct err *err)
{
	struct tenant_peer *peer = arg;
	struct tenant *tenant = peer->tenant;
	int r;

	(void)app;
	r = tenant_admits(tenant, peer, err);
	if (r == 0)
		r = tenant_take_turn(tenant, clock_monotonic_us(), err);
	if (r == 0)
		r = tenant_permits(tenant, route->right, err);
	if (r == 0 && !(route->right & TENANT_NO_JOB))
		r = tenant_has_room(tenant, err);
	if (r < 0)
		return r;
	if (!(route->right & TENANT_NO_JOB))
		tenant->in_flight++;
	metric_add(&tenant->requests, 1);
	return 0;
}

/* No operation ran, so nobody else counts and records it. */
static void refused(void *app, void *peer, const struct http_route *route, const struct err *err)
{
	(void)app;
	metrics_count_error(err->code);
	audit_write(&(struct audit_event){.peer = peer,
					  .operation = "refused",
					  .object = route ? route->path : "",
					  .code = err->code});
}

static void finished(void *app, void *peer, const struct http_route *route)
{
	(void)app;
	if (!(route->right & TENANT_NO_JOB))
		((struct tenant_peer *)peer)->tenant->in_flight--;
}

static const void *share(void *app, const void *peer)
{
	(void)app;
	return ((const struct tenant_peer *)peer)->tenant;
}

static bool is_admin(const struct tenant *tenant)
{
	return (tenant->rights & TENANT_ADMIN) != 0;
}

static void closed(void *app, void *arg)
{
	struct peer *peer = arg;

	(void)app;
	server_give_place(peer->server, peer->peer.tenant);
	free(peer);
}

const struct http_ops server_http_ops = {
	.admit = admit,
	.refused = refused,
	.finished = finished,
	.share = share,
	.closed = closed,
};

/* The administrator mends things when all places are taken, too. */
static bool has_place(const struct server *server, const struct tenant *tenant)
{
	if (is_admin(tenant))
		return tenant->connections < tenant->connections_max;
	return tenant_may_connect(tenant, server->open, server->open_max);
}

static void take_place(struct server *server, struct tenant *tenant)
{
	(void)tenant_hold(tenant);
	tenant->connections++;
	server->open += !is_admin(tenant);
}

bool server_take_place(struct server *server, struct tenant *tenant)
{
	bool has = has_place(server, tenant);

	if (has)
		take_place(server, tenant);
	return has;
}

void server_give_place(struct server *server, struct tenant *tenant)
{
	tenant->connections--;
	server->open -= !is_admin(tenant);
	tenant_drop(tenant);
}

/* Takes @fd over, whatever happens. */
static void hand_over(struct server *server, int fd, struct tenant *tenant)
{
	CLEANUP(fd_close_cleanup) int owned = fd;
	CLEANUP(mem_free_cleanup) struct peer *peer = calloc(1, sizeof(*peer));
	struct err err;

	if (!peer || !has_place(server, tenant) ||
	    tenant_peer_read(fd, tenant, &peer->peer, &err) < 0)
		return;
	peer->server = server;
	/* http closes it when it fails. */
	owned = -1;
	if (http_add(server->http, fd, peer, &err) < 0)
		return;
	take_place(server, tenant);
	peer = NULL;
}

/* --- listening --- */

static void ready(void *arg, uint32_t events);

static int resume(struct listener *listener, struct err *err)
{
	if (listener->watch || listener->fd < 0)
		return 0;
	return loop_watch(listener->server->loop, listener->fd, EPOLLIN, ready, listener,
			  &listener->watch, err);
}

static void pause_all(struct server *server)
{
	struct listener *listener;
	struct err err;

	if (loop_timer_set(&server->pause, PAUSE_US, &err) < 0)
		return;
	for (listener = server->listeners; listener; listener = listener->next)
		loop_unwatch(TAKE(listener->watch));
}

static void pause_over(void *arg)
{
	struct server *server = arg;
	struct listener *listener;
	bool again = false;
	struct err err;

	for (listener = server->listeners; listener; listener = listener->next)
		again |= resume(listener, &err) < 0;
	if (again) {
		/* The loop keeps the timer's room, so setting it again needs no memory. */
		int r = loop_timer_set(&server->pause, PAUSE_US, &err);

		assert(r == 0);
		(void)r;
	}
}

static bool no_descriptors(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

static void ready(void *arg, uint32_t events)
{
	struct listener *listener = arg;
	unsigned i;
	int fd;

	(void)events;
	for (i = 0; i < ACCEPT_BATCH && listener->fd >= 0; i++) {
		fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && no_descriptors(errno))
			pause_all(listener->server);
		if (fd < 0)
			return;
		hand_over(listener->server, fd, listener->tenant);
	}
}

/* Ends it; its file goes too when it is ours. */
static void listener_close(struct listener *listener)
{
	loop_unwatch(TAKE(listener->watch));
	if (listener->fd < 0)
		return;
	if (listener->in_folder)
		folder_unlink(listener->server->tenants, listener->tenant->name, SERVER_SOCKET);
	else if (listener->dir >= 0)
		(void)unlinkat(listener->dir, listener->name, 0);
	fd_close_cleanup(&listener->fd);
	listener->fd = -1;
}

static void listener_free(struct listener *listener)
{
	listener_close(listener);
	fd_close_cleanup(&listener->dir);
	tenant_drop(listener->tenant);
	free(listener);
}

/* Takes the descriptors of @of over when it returns 0. */
static int add_listener(struct server *server, const struct listener *of, struct err *err)
{
	CLEANUP(mem_free_cleanup) struct listener *listener = calloc(1, sizeof(*listener));
	int r;

	if (!listener)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*listener = *of;
	listener->server = server;
	listener->next = server->listeners;
	r = resume(listener, err);
	if (r < 0)
		return r;
	(void)tenant_hold(listener->tenant);
	server->listeners = TAKE(listener);
	return 0;
}

static int listen_as(struct server *server, const char *run_dir, struct tenant *tenant,
		     enum socket_access access, struct err *err)
{
	static const char *const NAMES[] = {
		[SOCKET_GROUP] = SERVER_SOCKET, [SOCKET_OWNER] = SERVER_ADMIN_SOCKET};
	CLEANUP(fd_close_cleanup) int dir = -1;
	CLEANUP(fd_close_cleanup) int fd = -1;
	const char *name = NAMES[access];
	int r;

	r = folder_open_run(run_dir, &dir, err);
	if (r < 0)
		return r;
	r = socket_listen(dir, run_dir, name, access, &fd, err);
	if (r < 0)
		return r;
	r = add_listener(server,
			 &(struct listener){.tenant = tenant, .fd = fd, .dir = dir, .name = name},
			 err);
	if (r < 0) {
		(void)unlinkat(dir, name, 0);
		return r;
	}
	fd = dir = -1;
	return 0;
}

int server_listen(struct server *server, const char *run_dir, struct tenant *tenant,
		  struct err *err)
{
	return listen_as(server, run_dir, tenant, SOCKET_GROUP, err);
}

int server_listen_admin(struct server *server, const char *run_dir, struct tenant *tenant,
			struct err *err)
{
	return listen_as(server, run_dir, tenant, SOCKET_OWNER, err);
}

static int open_tenants(struct server *server, const char *run_dir, struct err *err)
{
	return server->tenants >= 0 ? 0 : folder_open_tenants(run_dir, &server->tenants, err);
}

int server_tenants_dir(struct server *server, const char *run_dir, int *ret_dir, struct err *err)
{
	int r = open_tenants(server, run_dir, err);

	if (r == 0)
		*ret_dir = server->tenants;
	return r;
}

int server_listen_tenant(struct server *server, const char *run_dir, struct tenant *tenant,
			 struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	int r;

	r = open_tenants(server, run_dir, err);
	if (r == 0)
		r = folder_listen(server->tenants,
				  &(struct folder_socket){.run_dir = run_dir,
							  .tenant = tenant->name,
							  .name = SERVER_SOCKET},
				  &fd, err);
	if (r < 0)
		return r;
	r = add_listener(
		server,
		&(struct listener){.tenant = tenant, .fd = fd, .in_folder = true, .dir = -1}, err);
	if (r < 0) {
		folder_unlink(server->tenants, tenant->name, SERVER_SOCKET);
		return r;
	}
	fd = -1;
	return 0;
}

/* The place in the list that leads to the tenant's listener, or to the end. */
static struct listener **find_listener(const struct server *server, const struct tenant *tenant)
{
	struct listener **at = (struct listener **)&server->listeners;

	while (*at && (*at)->tenant != tenant)
		at = &(*at)->next;
	return at;
}

bool server_listens(const struct server *server, const struct tenant *tenant)
{
	return *find_listener(server, tenant) != NULL;
}

static bool is_of(void *arg, const void *peer)
{
	return ((const struct tenant_peer *)peer)->tenant == arg;
}

void server_unlisten(struct server *server, struct tenant *tenant, bool at_once)
{
	struct listener **at = find_listener(server, tenant);
	struct listener *listener = *at;

	if (listener) {
		*at = listener->next;
		listener_free(listener);
	}
	http_end_peers(server->http, is_of, tenant, at_once);
}

int server_remove_folder(struct server *server, const char *run_dir, const char *name,
			 struct err *err)
{
	int r = open_tenants(server, run_dir, err);

	return r < 0 ? r : folder_remove(server->tenants, name, err);
}

int server_adopt(struct server *server, int fd, struct tenant *tenant, struct err *err)
{
	return add_listener(server, &(struct listener){.tenant = tenant, .fd = fd, .dir = -1}, err);
}

void server_stop(struct server *server)
{
	struct listener *listener;

	loop_timer_clear(&server->pause);
	for (listener = server->listeners; listener; listener = listener->next)
		listener_close(listener);
}

/* --- the server --- */

int server_new(struct loop *loop, struct http *http, struct server **ret_server, struct err *err)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return err_set(err, ERR_INTERNAL, "memory is short");
	server->loop = loop;
	server->http = http;
	server->tenants = -1;
	server->open_max = SERVER_CONNECTIONS_MAX;
	loop_timer_init(&server->pause, loop, pause_over, server);
	*ret_server = server;
	return 0;
}

void server_set_connections(struct server *server, unsigned max)
{
	server->open_max = max;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	server_stop(server);
	while (server->listeners) {
		struct listener *listener = server->listeners;

		server->listeners = listener->next;
		listener_free(listener);
	}
	fd_close_cleanup(&server->tenants);
	free(server);
}
