/* SPDX-License-Identifier: Apache-2.0 */
/* The application and the clients of the adapter's tests. */
#include "http/test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define GUARD_S	     30
#define RIGHT_NOBODY 99u

/* --- the application --- */

static void handle_status(struct http_request *request, void *app)
{
	json_t *json = json_pack("{sb}", "ok", 1);

	((struct fixture *)app)->handled++;
	http_answer_json(request, 200, json);
	json_decref(json);
}

static void handle_echo(struct http_request *request, void *app)
{
	((struct fixture *)app)->handled++;
	assert_ptr_equal(http_request_peer(request), &((struct fixture *)app)->added);
	http_answer_bytes(request, 200, "application/json", http_request_body(request));
}

static void handle_put(struct http_request *request, void *app)
{
	json_t *json = json_pack("{sssbsi}", "name", http_request_segment(request, 0), "json",
				 (int)http_request_is_json(request), "length",
				 (int)http_request_body(request).len);

	((struct fixture *)app)->handled++;
	assert_non_null(json);
	http_request_add_header(request, "Location", "/v1/secrets/there");
	http_answer_json(request, 201, json);
	json_decref(json);
}

static void handle_get(struct http_request *request, void *app)
{
	const char *path = http_request_query(request, "path");
	json_t *json =
		json_pack("{sssbss}", "name", http_request_segment(request, 0), "octets",
			  (int)http_request_wants_octets(request), "path", path ? path : "none");

	((struct fixture *)app)->handled++;
	assert_non_null(json);
	assert_null(http_request_query(request, "absent"));
	assert_null(http_request_header(request, "Absent"));
	http_request_add_header(request, "Cache-Control", "max-age=5");
	http_answer_json(request, 200, json);
	json_decref(json);
}

static void handle_delete(struct http_request *request, void *app)
{
	((struct fixture *)app)->handled++;
	assert_int_equal(http_request_body(request).len, 0);
	http_answer_empty(request);
}

static void handle_fail(struct http_request *request, void *app)
{
	struct err err;

	((struct fixture *)app)->handled++;
	(void)err_set(&err, ERR_TPM_LOCKOUT, "locked");
	err.retry_after = 17;
	http_answer_error(request, &err);
}

static void handle_big(struct http_request *request, void *app)
{
	uint8_t *bytes = calloc(1, FIXTURE_BIG);

	((struct fixture *)app)->handled++;
	assert_non_null(bytes);
	http_answer_bytes(request, 200, "application/octet-stream", slice_of(bytes, FIXTURE_BIG));
	free(bytes);
}

/* A defective handler. */
static void handle_silent(struct http_request *request, void *app)
{
	(void)request;
	((struct fixture *)app)->handled++;
}

static void on_gone(void *arg)
{
	struct fixture *f = arg;

	f->gone++;
	if (f->answer_when_gone)
		http_answer_empty(f->parked[--f->parked_count]);
}

static void handle_later(struct http_request *request, void *app)
{
	struct fixture *f = app;

	f->handled++;
	f->parked[f->parked_count++] = request;
	http_request_suspend(request, on_gone, f);
}

static void handle_stream(struct http_request *request, void *app)
{
	struct fixture *f = app;

	f->handled++;
	f->on_stream(request, f);
}

static const struct http_route ROUTES[] = {
	{HTTP_GET, "/v1/status", 1, HTTP_BODY_NONE, 0, handle_status, 0, 0},
	{HTTP_POST, "/v1/echo", 1, HTTP_BODY_JSON, 0, handle_echo, 0, 0},
	{HTTP_POST, "/v1/echo/more", 1, HTTP_BODY_JSON, 0, handle_echo, 0, FIXTURE_JSON_MAX + 1},
	{HTTP_PUT, "/v1/secrets/{name}", 1, HTTP_BODY_OCTETS_OR_JSON, FIXTURE_OCTETS_MAX,
	 handle_put, 0, 0},
	{HTTP_GET, "/v1/secrets/{name}", 1, HTTP_BODY_NONE, 0, handle_get, 0, 0},
	{HTTP_DELETE, "/v1/secrets/{name}", 1, HTTP_BODY_NONE, 0, handle_delete, 0, 0},
	{HTTP_GET, "/v1/fail", 1, HTTP_BODY_NONE, 0, handle_fail, 0, 0},
	{HTTP_GET, "/v1/big", 1, HTTP_BODY_NONE, 0, handle_big, 0, 0},
	{HTTP_GET, "/v1/silent", 1, HTTP_BODY_NONE, 0, handle_silent, 0, 0},
	{HTTP_POST, "/v1/later", 1, HTTP_BODY_JSON, 0, handle_later, 0, 0},
	{HTTP_POST, "/v1/stream", 1, HTTP_BODY_STREAM_OR_JSON, FIXTURE_OCTETS_MAX, handle_stream,
	 FIXTURE_STREAM_MAX, 0},
	{HTTP_POST, "/v1/forbidden", RIGHT_NOBODY, HTTP_BODY_JSON, 0, handle_echo, 0, 0},
};

static int admit(void *app, void *peer, const struct http_route *route, struct err *err)
{
	struct fixture *f = app;

	assert_true(peer == &f->added || peer == &f->other);
	if (route->right == RIGHT_NOBODY)
		return err_set(err, ERR_FORBIDDEN, "not for you");
	f->admitted++;
	return 0;
}

static void refused(void *app, void *peer, const struct http_route *route, const struct err *err)
{
	struct fixture *f = app;

	assert_true(peer == &f->added || peer == &f->other);
	f->refused++;
	f->refusal = err->code;
	f->no_route = !route;
}

static void finished(void *app, void *peer, const struct http_route *route)
{
	struct fixture *f = app;

	assert_true(peer == &f->added || peer == &f->other);
	assert_non_null(route);
	f->finished++;
}

/* The two kinds of peers. */
static const void *share(void *app, const void *peer)
{
	(void)app;
	return peer;
}

static void closed(void *app, void *peer)
{
	struct fixture *f = app;

	assert_true(peer == &f->added || peer == &f->other);
	f->closed++;
}

/* --- running --- */

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void check_done(void *arg)
{
	struct fixture *f = arg;

	if (f->done && f->done(f))
		loop_stop(f->loop);
}

static void on_guard(void *arg, uint32_t events)
{
	struct fixture *f = arg;

	(void)events;
	f->late = true;
	loop_stop(f->loop);
}

static void run_until(struct fixture *f, bool (*done)(const struct fixture *f))
{
	const struct itimerspec until = {.it_value = {.tv_sec = GUARD_S}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct loop_fd *guard;
	struct err err;

	assert_true(fd >= 0);
	assert_int_equal(timerfd_settime(fd, 0, &until, NULL), 0);
	assert_int_equal(loop_watch(f->loop, fd, EPOLLIN, on_guard, f, &guard, &err), 0);
	f->done = done;
	assert_int_equal(loop_run(f->loop, &err), 0);
	f->done = NULL;
	loop_unwatch(guard);
	close(fd);
	assert_false(f->late);
}

static bool is_reached(const struct fixture *f)
{
	return *f->counter >= f->goal;
}

void fixture_wait(struct fixture *f, const unsigned *counter, unsigned goal)
{
	f->counter = counter;
	f->goal = goal;
	run_until(f, is_reached);
}

void fixture_begin(struct fixture *f)
{
	fixture_begin_with(f, 60, 60, 60);
}

const struct http_ops fixture_ops = {
	.admit = admit,
	.refused = refused,
	.finished = finished,
	.share = share,
	.closed = closed,
};

void fixture_serve(struct fixture *f, const struct http_route *routes, size_t count,
		   const struct http_ops *ops)
{
	const struct http_limits limits = {60, 60, 60, 60, FIXTURE_CLIENTS};
	struct err err;

	http_free(TAKE(f->http));
	assert_int_equal(http_new(f->loop, routes, count, &limits, ops, f, &f->http, &err), 0);
}

void fixture_begin_with(struct fixture *f, unsigned request_s, unsigned idle_s, unsigned answer_s)
{
	const struct http_limits limits = {
		.json_max = FIXTURE_JSON_MAX,
		.request_s = request_s,
		.idle_s = idle_s,
		.answer_s = answer_s,
		.connections = FIXTURE_CLIENTS,
	};
	struct err err;

	*f = (struct fixture){.fds = count_fds()};
	assert_int_equal(loop_new(&f->loop, &err), 0);
	loop_before_sleep(f->loop, check_done, f);
	assert_int_equal(http_new(f->loop, ROUTES, sizeof(ROUTES) / sizeof(ROUTES[0]), &limits,
				  &fixture_ops, f, &f->http, &err),
			 0);
}

bool fixture_library_refuses(void)
{
	return MHD_VERSION >= 0x01000000;
}

void fixture_end(struct fixture *f)
{
	size_t i;

	http_free(f->http);
	for (i = 0; i < f->client_count; i++)
		client_close(&f->clients[i]);
	loop_free(f->loop);
	assert_int_equal(f->finished, f->admitted);
	assert_int_equal(f->closed, f->added);
	assert_int_equal(count_fds(), f->fds);
}

/* --- clients --- */

static void on_client(void *arg, uint32_t events)
{
	struct client *client = arg;
	ssize_t n;

	(void)events;
	do {
		uint8_t bytes[65536];

		n = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			buf_put(&client->in, slice_of(bytes, (size_t)n));
	} while (n > 0);
	assert_true(buf_ok(&client->in));
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		client->eof = true;
		loop_unwatch(client->watch);
		client->watch = NULL;
	}
}

static struct client *add_pair(struct fixture *f, const int pair[2], void *peer)
{
	struct client *client = &f->clients[f->client_count++];
	struct err err;

	assert_true(f->client_count <= FIXTURE_CLIENTS);
	*client = (struct client){.fixture = f, .in = BUF_INIT(2 * FIXTURE_BIG)};
	client->fd = pair[0];
	assert_int_equal(http_add(f->http, pair[1], peer, &err), 0);
	f->added++;
	return client;
}

static struct client *add_client(struct fixture *f, void *peer)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	return add_pair(f, pair, peer);
}

struct client *client_new_deaf(struct fixture *f)
{
	return add_client(f, &f->added);
}

static struct client *listen_to(struct client *client)
{
	struct fixture *f = client->fixture;
	struct err err;

	assert_int_equal(
		loop_watch(f->loop, client->fd, EPOLLIN, on_client, client, &client->watch, &err),
		0);
	return client;
}

struct client *client_new(struct fixture *f)
{
	return listen_to(add_client(f, &f->added));
}

struct client *client_new_on(struct fixture *f, int ours, int theirs)
{
	const int pair[2] = {ours, theirs};

	return listen_to(add_pair(f, pair, &f->added));
}

struct client *client_new_other(struct fixture *f)
{
	return listen_to(add_client(f, &f->other));
}

void client_send(struct client *client, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(client->fd, text, len, MSG_NOSIGNAL), len);
}

void client_close(struct client *client)
{
	if (client->drip.loop)
		loop_timer_clear(&client->drip);
	loop_unwatch(client->watch);
	client->watch = NULL;
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	buf_fini(&client->in);
}

static void on_drip(void *arg)
{
	static char letters[65536];
	struct client *client = arg;
	struct err err;
	ssize_t n;

	memset(letters, 'x', sizeof(letters));
	n = send(client->fd, letters, client->drop, MSG_NOSIGNAL);
	client->dripped += n > 0 ? (size_t)n : 0;
	if (n >= 0 || errno == EAGAIN)
		assert_int_equal(loop_timer_set(&client->drip, client->gap_us, &err), 0);
}

void client_drip(struct client *client, size_t drop, uint64_t gap_us)
{
	client->drop = drop;
	client->gap_us = gap_us;
	loop_timer_init(&client->drip, client->fixture->loop, on_drip, client);
	on_drip(client);
}

/* The length of the first answer in the buffer, interim ones (1xx) too; 0 while incomplete. */
static size_t answer_length(const struct client *client)
{
	const char *text = (const char *)client->in.data;
	const char *end, *length;
	size_t len;

	if (client->in.len == 0)
		return 0;
	/* The block of a buf is one byte longer than its maximum of content. */
	client->in.data[client->in.len] = '\0';
	end = strstr(text, "\r\n\r\n");
	if (!end)
		return 0;
	len = (size_t)(end + 4 - text);
	length = strstr(text, "\r\nContent-Length: ");
	if (length && length < end && !client->bodyless)
		len += strtoul(length + 18, NULL, 10);
	return len <= client->in.len ? len : 0;
}

static bool is_answered(const struct fixture *f)
{
	return f->client->eof || answer_length(f->client) > 0;
}

void client_wait_answer(struct client *client)
{
	client->fixture->client = client;
	run_until(client->fixture, is_answered);
	assert_int_not_equal(answer_length(client), 0);
}

static bool is_ended(const struct fixture *f)
{
	return f->client->eof;
}

void client_wait_eof(struct client *client)
{
	client->fixture->client = client;
	run_until(client->fixture, is_ended);
}

unsigned client_status(const struct client *client)
{
	unsigned status = 0;

	assert_int_equal(sscanf((const char *)client->in.data, "HTTP/1.1 %u ", &status), 1);
	return status;
}

bool client_has_header(const struct client *client, const char *line)
{
	const char *text = (const char *)client->in.data;
	const char *end = strstr(text, "\r\n\r\n") + 2;
	const char *at = strstr(text, line);

	return at && at < end && at[-1] == '\n' && strncmp(at + strlen(line), "\r\n", 2) == 0;
}

const char *client_body(const struct client *client)
{
	return strstr((const char *)client->in.data, "\r\n\r\n") + 4;
}

void client_next(struct client *client)
{
	size_t len = answer_length(client);

	memmove(client->in.data, client->in.data + len, client->in.len - len);
	client->in.len -= len;
	client->in.data[client->in.len] = '\0';
}

void client_ask(struct client *client, const char *text, unsigned status)
{
	client_send(client, text);
	client_wait_answer(client);
	if (client_status(client) != status)
		fail_msg("'%s' was answered by '%s'", text, (const char *)client->in.data);
}
