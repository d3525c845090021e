/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two listeners for each tenant that may send TPM commands. What they accept is the room broker's
 * (connections.h), which gives whole commands back; each is the service's until it has an answer.
 */
#include "server/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "broker/connections.h"
#include "server/folder.h"
#include "server/socket.h"
#include "service/raw.h"
#include "tenant/peer.h"

#define PAUSE_US      100000u
#define HELPER_FOLDER "/fapi"
#define HELPER_MODE   0700

/* The service takes so many connections in all, some of them for the administrator and for us. */
#define CONNECTIONS (SERVER_CONNECTIONS_MAX + SERVER_ADMIN_CONNECTIONS)

static const char *const NAMES[] = {
	[CONNECTION_DATA] = SERVER_RAW, [CONNECTION_CONTROL] = SERVER_RAW_CONTROL};

struct pair;

struct socket {
	struct pair *pair;
	int fd; /* -1 = none, and no name of ours */
	struct loop_fd *watch;
};

struct pair {
	struct raw_server *raw;
	struct tenant *tenant; /* held; begins a struct service_tenant */
	int dir;	       /* where the names stand; -1 = in the tenant's folder */
	struct socket sockets[ARRAY_LEN(NAMES)];
	struct pair *next;
};

struct raw_server {
	struct loop *loop;
	struct server *server;
	struct service *service;
	struct connections *connections;
	struct pair *pairs;
	struct loop_timer pause;
	int tenants; /* the server's */
};

/* --- connections --- */

static void command(void *arg, struct connection *connection, struct slice bytes)
{
	struct raw_server *raw = arg;
	struct tenant *tenant = connection_tag(connection);

	raw_command(raw->service, (struct service_tenant *)tenant, connection, bytes);
}

static void gone(void *arg, struct connection *connection)
{
	(void)arg;
	raw_gone(connection);
}

static void closed(void *arg, void *tag)
{
	server_give_place(((struct raw_server *)arg)->server, tag);
}

static const struct connections_ops OPS = {.command = command, .gone = gone, .closed = closed};

/* Takes @fd over, whatever happens. */
static void hand_over(struct pair *pair, int fd, enum connection_kind kind)
{
	CLEANUP(fd_close_cleanup) int owned = fd;
	struct raw_server *raw = pair->raw;
	struct tenant *tenant = pair->tenant;
	struct tenant_peer peer = {.tenant = tenant};
	struct err err;

	/* Its credentials are looked at where the tenant's list of peers asks for them. */
	if ((tenant->peer_count > 0 && tenant_peer_read(fd, tenant, &peer, &err) < 0) ||
	    tenant_admits(tenant, &peer, &err) < 0 || !server_take_place(raw->server, tenant))
		return;
	owned = -1;
	if (connections_add(raw->connections, fd, kind, tenant, &err) < 0)
		server_give_place(raw->server, tenant);
}

/* --- listening --- */

static void ready(void *arg, uint32_t events);

static int resume(struct socket *socket, struct err *err)
{
	if (socket->watch || socket->fd < 0)
		return 0;
	return loop_watch(socket->pair->raw->loop, socket->fd, EPOLLIN, ready, socket,
			  &socket->watch, err);
}

static void pause_all(struct raw_server *raw)
{
	struct pair *pair;
	struct err err;
	size_t i;

	if (loop_timer_set(&raw->pause, PAUSE_US, &err) < 0)
		return;
	for (pair = raw->pairs; pair; pair = pair->next)
		for (i = 0; i < ARRAY_LEN(NAMES); i++)
			loop_unwatch(TAKE(pair->sockets[i].watch));
}

static void pause_over(void *arg)
{
	struct raw_server *raw = arg;
	struct pair *pair;
	bool again = false;
	struct err err;
	size_t i;

	for (pair = raw->pairs; pair; pair = pair->next)
		for (i = 0; i < ARRAY_LEN(NAMES); i++)
			again |= resume(&pair->sockets[i], &err) < 0;
	/* The loop keeps the timer's room, so this needs no memory. */
	if (again)
		(void)!loop_timer_set(&raw->pause, PAUSE_US, &err);
}

static bool no_descriptors(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

/* One at a time: with a second accept() most would pay for one that finds nobody. */
static void ready(void *arg, uint32_t events)
{
	struct socket *socket = arg;
	struct pair *pair = socket->pair;
	int fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0)
		hand_over(pair, fd, (enum connection_kind)(socket - pair->sockets));
	else if (no_descriptors(errno))
		pause_all(pair->raw);
}

static void socket_close(struct socket *socket)
{
	const struct pair *pair = socket->pair;
	const char *name = NAMES[socket - pair->sockets];

	loop_unwatch(TAKE(socket->watch));
	if (socket->fd < 0)
		return;
	if (pair->dir >= 0)
		(void)unlinkat(pair->dir, name, 0);
	else
		folder_unlink(pair->raw->tenants, pair->tenant->name, name);
	close(socket->fd);
	socket->fd = -1;
}

static void pair_close(struct pair *pair)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(NAMES); i++)
		socket_close(&pair->sockets[i]);
}

static void pair_free(struct pair *pair)
{
	if (!pair)
		return;
	pair_close(pair);
	fd_close_cleanup(&pair->dir);
	tenant_drop(pair->tenant);
	free(pair);
}
MEM_DEFINE_CLEANUP(pair)

static struct pair *pair_new(struct raw_server *raw, struct tenant *tenant)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	size_t i;

	if (!pair)
		return NULL;
	pair->raw = raw;
	pair->tenant = tenant_hold(tenant);
	pair->dir = -1;
	for (i = 0; i < ARRAY_LEN(NAMES); i++)
		pair->sockets[i] = (struct socket){.pair = pair, .fd = -1};
	return pair;
}

/* --- where they lie --- */

/* It is the helper's and nobody else's; what a killed run has left there nobody listens on. */
static int open_helper_folder(const char *path, int *ret_dir, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct stat st;
	int r = file_open_dir(AT_FDCWD, path, true, HELPER_MODE, &dir, err);

	if (r < 0)
		return err_wrap(err, "the folder of the FAPI sockets");
	if (fstat(dir, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno,
				     "cannot look at the folder of the FAPI sockets");
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, ERR_UNREADABLE,
			       "others can write into the folder of the FAPI sockets");
	*ret_dir = dir;
	dir = -1;
	return 0;
}

static int listen_in(struct pair *pair, const char *path, enum socket_access access,
		     struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ARRAY_LEN(NAMES); i++)
		r = socket_listen(pair->dir, path, NAMES[i], access, &pair->sockets[i].fd, err);
	return r;
}

static int listen_in_tenant(struct pair *pair, const char *run_dir, struct err *err)
{
	struct raw_server *raw = pair->raw;
	size_t i;
	int r = server_tenants_dir(raw->server, run_dir, &raw->tenants, err);

	for (i = 0; r == 0 && i < ARRAY_LEN(NAMES); i++)
		r = folder_listen(raw->tenants,
				  &(struct folder_socket){.run_dir = run_dir,
							  .tenant = pair->tenant->name,
							  .name = NAMES[i]},
				  &pair->sockets[i].fd, err);
	return r;
}

static int listen_for_helper(struct pair *pair, const char *run_dir, struct err *err)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int len = snprintf(path, sizeof(path), "%s" HELPER_FOLDER, run_dir);
	int r;

	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(err, ERR_INTERNAL, "the path of the FAPI sockets is too long");
	r = open_helper_folder(path, &pair->dir, err);
	return r < 0 ? r : listen_in(pair, path, SOCKET_OWNER, err);
}

static int make_pair(struct pair *pair, const char *run_dir, enum raw_place place, struct err *err)
{
	int r;

	switch (place) {
	case RAW_TENANT:
		return listen_in_tenant(pair, run_dir, err);
	case RAW_HELPER:
		return listen_for_helper(pair, run_dir, err);
	case RAW_RUN:
		break;
	}
	r = folder_open_run(run_dir, &pair->dir, err);
	return r < 0 ? r : listen_in(pair, run_dir, SOCKET_GROUP, err);
}

static struct pair **find_pair(struct raw_server *raw, const struct tenant *tenant)
{
	struct pair **at = &raw->pairs;

	while (*at && (*at)->tenant != tenant)
		at = &(*at)->next;
	return at;
}

int raw_server_listen(struct raw_server *raw, const char *run_dir, enum raw_place place,
		      struct tenant *tenant, struct err *err)
{
	CLEANUP(pair_cleanup) struct pair *pair = NULL;
	size_t i;
	int r;

	if (*find_pair(raw, tenant))
		return 0;
	pair = pair_new(raw, tenant);
	if (!pair)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = make_pair(pair, run_dir, place, err);
	for (i = 0; r == 0 && i < ARRAY_LEN(NAMES); i++)
		r = resume(&pair->sockets[i], err);
	if (r < 0)
		return r;
	pair->next = raw->pairs;
	raw->pairs = TAKE(pair);
	return 0;
}

void raw_server_unlisten(struct raw_server *raw, struct tenant *tenant, bool at_once)
{
	struct pair **at = find_pair(raw, tenant);
	struct pair *pair = *at;

	(void)tenant_hold(tenant);
	if (pair) {
		*at = pair->next;
		pair_free(pair);
	}
	connections_end(raw->connections, tenant, at_once);
	tenant_drop(tenant);
}

void raw_server_stop(struct raw_server *raw)
{
	struct pair *pair;

	loop_timer_clear(&raw->pause);
	for (pair = raw->pairs; pair; pair = pair->next) {
		pair_close(pair);
		connections_end(raw->connections, pair->tenant, false);
	}
}

/* --- life --- */

int raw_server_new(struct loop *loop, struct server *server, struct service *service,
		   struct raw_server **ret_raw, struct err *err)
{
	CLEANUP(mem_free_cleanup) struct raw_server *raw = calloc(1, sizeof(*raw));
	int r;

	if (!raw)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = connections_new(loop, &OPS, raw, CONNECTIONS, &raw->connections, err);
	if (r < 0)
		return r;
	raw->loop = loop;
	raw->server = server;
	raw->service = service;
	raw->tenants = -1;
	loop_timer_init(&raw->pause, loop, pause_over, raw);
	*ret_raw = TAKE(raw);
	return 0;
}

void raw_server_free(struct raw_server *raw)
{
	if (!raw)
		return;
	raw_server_stop(raw);
	connections_free(raw->connections);
	while (raw->pairs) {
		struct pair *pair = raw->pairs;

		raw->pairs = pair->next;
		pair_free(pair);
	}
	free(raw);
}
