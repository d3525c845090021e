/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library, its connections and their deadlines.
 *
 * A few requests the library refuses before we see them, in HTML of its own, and then closes the
 * connection: a header over HTTP_POOL_SIZE (431), and a Content-Length that is no number (400,
 * whose status line and header it sends twice). Neither is counted or recorded.
 *
 * The library runs with an epoll set of its own, whose descriptor the loop watches. Whatever gives
 * it work (that descriptor, a new connection, an answer) sets a timer of zero, so that it runs
 * after all callbacks of the loop's batch and never from within one of its own.
 *
 * Each connection is watched a second time, edge-triggered, for what the library does not tell:
 * the first byte after a pause, and a client that leaves while its request is parked (a full close
 * is EPOLLHUP; a half-close is not, and is still served). TCP tells the two ends of a client that
 * leaves apart only when we send, so that there a half-close while a request is parked counts as
 * leaving. The library's own timeouts are off, as they start anew at each byte; ours cut the
 * socket, which the library then notices.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "http/impl.h"

/* Runs of the library in one turn of the loop, so that others get their turn. */
#define RUNS_MAX 8u

void http_wake(struct http *http)
{
	struct err ignored;

	/* Fails only when memory is short; the library's descriptor then wakes us again. */
	if (loop_timer_set(&http->turn, 0, &ignored) < 0)
		return;
}

static bool has_work(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG wait = 1;

	return MHD_get_timeout(http->daemon, &wait) == MHD_YES && wait == 0;
}

static void on_turn(void *arg)
{
	struct http *http = arg;
	unsigned runs = 0;

	http_turn_give(http);
	do
		(void)MHD_run(http->daemon);
	while (has_work(http) && ++runs < RUNS_MAX);
	if (has_work(http) || http_turn_due(http))
		http_wake(http);
}

static void on_ready(void *arg, uint32_t events)
{
	(void)events;
	http_wake(arg);
}

/* --- connections --- */

void http_conn_cut(struct http_conn *conn)
{
	conn->cut = true;
	(void)shutdown(conn->fd, SHUT_RDWR);
	if (conn->request && conn->request->turn.waiting)
		http_request_unpark(conn->request);
}

void http_conn_deadline_us(struct http_conn *conn, uint64_t delay_us)
{
	struct err ignored;

	if (loop_timer_set(&conn->deadline, delay_us, &ignored) < 0)
		http_conn_cut(conn);
}

void http_conn_deadline(struct http_conn *conn, unsigned seconds)
{
	http_conn_deadline_us(conn, (uint64_t)seconds * 1000000u);
}

void http_conn_no_deadline(struct http_conn *conn)
{
	loop_timer_clear(&conn->deadline);
}

static void on_deadline(void *arg)
{
	http_conn_cut(arg);
}

static void on_activity(void *arg, uint32_t events)
{
	struct http_conn *conn = arg;

	if (events & (EPOLLHUP | EPOLLERR) || (conn->tcp && events & EPOLLRDHUP)) {
		if (conn->request && conn->request->turn.waiting)
			http_conn_cut(conn);
		else if (conn->request)
			http_request_lose(conn->request);
		return;
	}
	if (conn->idle) {
		conn->idle = false;
		http_conn_deadline(conn, conn->http->limits.request_s);
	}
}

static struct http_conn *conn_new(struct http *http, int fd, void *peer)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->http = http;
	conn->peer = peer;
	conn->fd = fd;
	loop_timer_init(&conn->deadline, http->loop, on_deadline, conn);
	conn->next = http->conns;
	if (conn->next)
		conn->next->prev = conn;
	http->conns = conn;
	return conn;
}

static void conn_free(struct http_conn *conn)
{
	struct http *http = conn->http;

	if (conn->request)
		http_request_end(conn->request);
	loop_timer_clear(&conn->deadline);
	loop_unwatch(conn->watch);
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		http->conns = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	if (conn->known)
		http->ops.closed(http->app, conn->peer);
	free(conn);
}

/* --- the library's callbacks --- */

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *http = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = http->adding;
		http->adding->mhd = mhd;
	} else if (*context == http->adding) {
		http->adding->mhd = NULL;
	} else {
		conn_free(*context);
	}
}

static enum MHD_Result on_step(void *cls, struct MHD_Connection *mhd, const char *url,
			       const char *method, const char *version, const char *data,
			       size_t *data_len, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct http_step step = {
		.url = url,
		.method = method,
		.version = version,
		.data = data,
		.data_len = data_len,
	};

	(void)cls;
	(void)context;
	return info && http_request_step(info->socket_context, &step) ? MHD_YES : MHD_NO;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
			 enum MHD_RequestTerminationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct http_conn *conn = info ? info->socket_context : NULL;

	(void)cls;
	(void)context;
	(void)code;
	if (conn && conn->request)
		http_request_end(conn->request);
}

/* Leaves URLs as they are: we split before we unescape. */
static size_t on_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

/* It complains of two socket options that Unix sockets lack, for each answer. */
static void on_log(void *cls, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
static void on_log(void *cls, const char *fmt, va_list args)
{
	(void)cls;
	(void)fmt;
	(void)args;
}

/* --- life --- */

static struct MHD_Daemon *daemon_new(struct http *http)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_step, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL,
		MHD_OPTION_CONNECTION_LIMIT, http->limits.connections,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_SIZE,
		MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_END);
}

static int start(struct http *http, struct err *err)
{
	const union MHD_DaemonInfo *info;

	http->daemon = daemon_new(http);
	info = http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info)
		return err_set(err, ERR_INTERNAL, "cannot start libmicrohttpd");
	return loop_watch(http->loop, info->epoll_fd, EPOLLIN, on_ready, http, &http->watch, err);
}

static bool limits_are_sound(const struct http_limits *limits)
{
	return limits->json_max > 0 && limits->request_s > 0 && limits->idle_s > 0 &&
	       limits->answer_s > 0 && limits->connections > 0;
}

int http_new(struct loop *loop, const struct http_route *routes, size_t route_count,
	     const struct http_limits *limits, const struct http_ops *ops, void *app,
	     struct http **ret_http, struct err *err)
{
	CLEANUP(http_cleanup) struct http *http = NULL;
	int r = http_routes_check(routes, route_count, err);

	if (r < 0)
		return r;
	if (!limits_are_sound(limits))
		return err_set(err, ERR_INTERNAL, "a limit of the HTTP interface is zero");
	http = calloc(1, sizeof(*http));
	if (!http)
		return err_set(err, ERR_INTERNAL, "memory is short");
	http->loop = loop;
	http->routes = routes;
	http->route_count = route_count;
	http->limits = *limits;
	http->ops = *ops;
	http->app = app;
	loop_timer_init(&http->turn, loop, on_turn, http);
	loop_timer_init(&http->spares_old, loop, http_blocks_free, http);
	r = start(http, err);
	if (r < 0)
		return r;
	*ret_http = TAKE(http);
	return 0;
}

void http_free(struct http *http)
{
	struct http_conn *conn;

	if (!http)
		return;
	http->draining = true;
	loop_unwatch(http->watch);
	for (conn = http->conns; conn; conn = conn->next) {
		if (!conn->request)
			continue;
		http_request_lose(conn->request);
		http_request_unpark(conn->request);
	}
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	loop_timer_clear(&http->turn);
	http_blocks_free(http);
	free(http);
}

/* Answers are given whole: what the kernel would wait for does not come. */
static int set_up(struct http_conn *conn, struct sockaddr_storage *ret_address, struct err *err)
{
	static const int YES = 1;
	socklen_t len = sizeof(*ret_address);

	if (getsockname(conn->fd, (struct sockaddr *)ret_address, &len) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot look at a connection");
	conn->tcp = ret_address->ss_family != AF_UNIX;
	if (conn->tcp && setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &YES, sizeof(YES)) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot set up a connection");
	return 0;
}

int http_add(struct http *http, int fd, void *peer, struct err *err)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	CLEANUP(fd_close_cleanup) int owned = fd;
	struct http_conn *conn;
	enum MHD_Result added;
	int r;

	if (http->draining)
		return err_set(err, ERR_QUOTA, "the service is stopping");
	conn = conn_new(http, fd, peer);
	if (!conn)
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = set_up(conn, &address, err);
	/* First, as the library may hand on a request of any connection that it was given. */
	if (r == 0)
		r = loop_watch(http->loop, fd, EPOLLIN | EPOLLET | (conn->tcp ? EPOLLRDHUP : 0),
			       on_activity, conn, &conn->watch, err);
	if (r < 0) {
		conn_free(conn);
		return r;
	}
	http_conn_deadline(conn, http->limits.request_s);
	/* From here on it is the library's to close, whatever happens. */
	owned = -1;
	http->adding = conn;
	added = MHD_add_connection(http->daemon, fd, (const struct sockaddr *)&address,
				   conn->tcp ? sizeof(address) : sizeof(address.ss_family));
	/* Since 1.0 the library only queues it then, and starts or drops it as it runs. */
	if (added == MHD_YES && !conn->mhd)
		(void)MHD_run(http->daemon);
	http->adding = NULL;
	if (!conn->mhd) {
		conn_free(conn);
		return err_set(err, ERR_INTERNAL, "cannot take one more connection");
	}
	http_wake(http);
	conn->known = true;
	return 0;
}

static bool is_at_work(const struct http_conn *conn)
{
	return conn->request && conn->request->state != HTTP_READING;
}

void http_end_peers(struct http *http, bool (*matches)(void *arg, const void *peer), void *arg,
		    bool at_once)
{
	struct http_conn *conn;

	for (conn = http->conns; conn; conn = conn->next) {
		if (!conn->known || !matches(arg, conn->peer))
			continue;
		conn->last = true;
		if (at_once || !is_at_work(conn))
			http_conn_cut(conn);
	}
}

size_t http_drain(struct http *http)
{
	struct http_conn *conn;
	size_t working = 0;

	http->draining = true;
	for (conn = http->conns; conn; conn = conn->next) {
		if (is_at_work(conn))
			working++;
		else
			http_conn_cut(conn);
	}
	return working;
}
