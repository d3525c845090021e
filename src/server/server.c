/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept, look at the peer, hand over. A tenant over its limit of connections is accepted and
 * closed at once, so that its client learns it now instead of waiting in the backlog. When the
 * process has no descriptor left, listening pauses for a moment: the backlog keeps who waits.
 */
#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "server/socket.h"
#include "service/metrics.h"
#include "tenant/audit.h"
#include "tenant/peer.h"

#define ACCEPT_BATCH 32u
#define PAUSE_US     100000u
#define RUN_MODE     0750

struct listener {
	struct server *server;
	struct tenant *tenant;
	int fd;
	int dir; /* where its name stands; -1 when the name is not ours */
	const char *name;
	struct loop_fd *watch;
	struct listener *next;
};

struct server {
	struct loop *loop;
	struct http *http;
	struct listener *listeners;
	struct loop_timer pause;
};

/* --- connections --- */

static int admit(void *app, void *peer, const struct http_route *route, struct err *err)
{
	struct tenant *tenant = ((struct tenant_peer *)peer)->tenant;
	int r;

	(void)app;
	r = tenant_admits(tenant, peer, err);
	if (r == 0)
		r = tenant_take_turn(tenant, clock_monotonic_us(), err);
	if (r == 0)
		r = tenant_permits(tenant, route->right, err);
	if (r < 0 || (route->right & TENANT_NO_JOB))
		return r;
	r = tenant_has_room(tenant, err);
	if (r == 0)
		tenant->in_flight++;
	return r;
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

static void closed(void *app, void *peer)
{
	(void)app;
	((struct tenant_peer *)peer)->tenant->connections--;
	free(peer);
}

const struct http_ops server_http_ops = {
	.admit = admit,
	.refused = refused,
	.finished = finished,
	.closed = closed,
};

/* Takes @fd over, whatever happens. */
static void hand_over(struct server *server, int fd, struct tenant *tenant)
{
	CLEANUP(fd_close_cleanup) int owned = fd;
	CLEANUP(mem_free_cleanup) struct tenant_peer *peer = calloc(1, sizeof(*peer));
	struct err err;

	if (!peer || tenant->connections >= tenant->connections_max ||
	    tenant_peer_read(fd, tenant, peer, &err) < 0)
		return;
	/* http closes it when it fails. */
	owned = -1;
	if (http_add(server->http, fd, peer, &err) < 0)
		return;
	tenant->connections++;
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

static void listener_free(struct listener *listener)
{
	loop_unwatch(listener->watch);
	fd_close_cleanup(&listener->fd);
	fd_close_cleanup(&listener->dir);
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
	server->listeners = TAKE(listener);
	return 0;
}

/* Other users must not be able to put a socket of theirs there. */
static int check_run_dir(const struct stat *st, const struct group *group, struct err *err)
{
	bool our_group = st->st_gid == getegid() || (group && st->st_gid == group->gr_gid);

	if (st->st_uid != geteuid() && st->st_uid != 0)
		(void)err_set(err, ERR_INVALID, "the run folder belongs to another user");
	else if (st->st_mode & S_IWOTH)
		(void)err_set(err, ERR_INVALID, "the run folder can be written by everybody");
	else if ((st->st_mode & S_IWGRP) && !our_group)
		(void)err_set(err, ERR_INVALID, "the run folder can be written by another group");
	else
		return 0;
	return err_add_remedy(err, "Make the folder the service's own (chown) and let nobody else "
				   "write it (chmod 0750), then start again.");
}

static int open_run_dir(const char *path, int *ret_dir, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	const struct group *group = getgrnam(SERVER_GROUP);
	struct stat st;
	bool made;
	int r;

	made = access(path, F_OK) < 0;
	r = file_open_dir(AT_FDCWD, path, true, RUN_MODE, &dir, err);
	if (r < 0)
		return err_wrap(err, "run folder");
	if (fstat(dir, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot look at the run folder");
	r = check_run_dir(&st, group, err);
	if (r < 0)
		return r;
	if (made && group && fchown(dir, (uid_t)-1, group->gr_gid) < 0)
		errno = 0; /* a private instance keeps its own group */
	*ret_dir = dir;
	dir = -1;
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

	r = open_run_dir(run_dir, &dir, err);
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

int server_adopt(struct server *server, int fd, struct tenant *tenant, struct err *err)
{
	return add_listener(server, &(struct listener){.tenant = tenant, .fd = fd, .dir = -1}, err);
}

void server_stop(struct server *server)
{
	struct listener *listener;

	loop_timer_clear(&server->pause);
	for (listener = server->listeners; listener; listener = listener->next) {
		loop_unwatch(TAKE(listener->watch));
		if (listener->dir >= 0 && listener->fd >= 0)
			(void)unlinkat(listener->dir, listener->name, 0);
		fd_close_cleanup(&listener->fd);
		listener->fd = -1;
	}
}

/* --- the server --- */

int server_new(struct loop *loop, struct http *http, struct server **ret_server, struct err *err)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return err_set(err, ERR_INTERNAL, "memory is short");
	server->loop = loop;
	server->http = http;
	loop_timer_init(&server->pause, loop, pause_over, server);
	*ret_server = server;
	return 0;
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
	free(server);
}
