/* SPDX-License-Identifier: Apache-2.0 */
#include "front/test_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"

#define GUARD_US 30000000u
#define MOST	 (8u * 1024u * 1024u)

struct fixture fixture;

/* --- the front --- */

static void check(void *arg)
{
	(void)arg;
	if (fixture.done && fixture.done())
		loop_stop(fixture.loop);
}

static void on_late(void *arg)
{
	(void)arg;
	fixture.late = true;
	loop_stop(fixture.loop);
}

static void on_note(void *arg, enum loader_note level, const char *text)
{
	(void)arg;
	assert_int_equal(level, LOADER_WARNING);
	fixture.notes++;
	(void)snprintf(fixture.note, sizeof(fixture.note), "%s", text);
}

static void begin(const char *token)
{
	static const char *const HOSTS[] = {"loader:8080", "loader"};
	struct front_config config = {
		.hosts = HOSTS,
		.host_count = ARRAY_LEN(HOSTS),
		.upload_max = FIXTURE_UPLOAD_MAX,
		.connections = 16,
		.note = on_note,
	};
	struct err err;

	fixture = (struct fixture){.late = false};
	assert_int_equal(loop_new(&fixture.loop, &err), 0);
	loop_before_sleep(fixture.loop, check, NULL);
	fake_begin(fixture.loop);
	if (token) {
		assert_int_equal(secret_copy(slice_str(token), &fixture.token, &err), 0);
		config.token = fixture.token;
	}
	/* The fake looks at no loader. */
	assert_int_equal(front_new(fixture.loop, NULL, &config, &fixture.front, &err), 0);
}

int fixture_begin(void **state)
{
	(void)state;
	begin(NULL);
	return 0;
}

int fixture_begin_with_token(void **state)
{
	(void)state;
	begin("the token");
	return 0;
}

int fixture_end(void **state)
{
	(void)state;
	front_free(fixture.front);
	fake_end();
	loop_free(fixture.loop);
	secret_free(fixture.token);
	assert_int_equal(fixture.closed, fixture.taken);
	return 0;
}

void fixture_run(bool (*done)(void))
{
	struct loop_timer guard = {.slot = 0};
	struct err err;

	loop_timer_init(&guard, fixture.loop, on_late, NULL);
	assert_int_equal(loop_timer_set(&guard, GUARD_US, &err), 0);
	fixture.done = done;
	assert_int_equal(loop_run(fixture.loop, &err), 0);
	fixture.done = NULL;
	loop_timer_clear(&guard);
	assert_false(fixture.late);
}

static const unsigned *waited;
static unsigned goal;

static bool is_reached(void)
{
	return *waited >= goal;
}

void fixture_wait(const unsigned *counter, unsigned goal_count)
{
	waited = counter;
	goal = goal_count;
	fixture_run(is_reached);
}

/* --- clients --- */

static const struct client *awaited;

static void on_closed(void *arg)
{
	assert_ptr_equal(arg, &fixture);
	fixture.closed++;
}

static void read_all(struct client *client)
{
	uint8_t bytes[65536];
	ssize_t n;

	do {
		n = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			buf_put(&client->in, slice_of(bytes, (size_t)n));
	} while (n > 0);
	client->eof = n == 0 || (errno != EAGAIN && errno != EINTR);
}

static void write_some(struct client *client)
{
	ssize_t n;

	if (client->sent == client->out.len)
		return;
	n = send(client->fd, client->out.data + client->sent, client->out.len - client->sent,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	client->sent += n > 0 ? (size_t)n : 0;
}

static void on_client(void *arg, uint32_t events)
{
	struct client *client = arg;

	(void)events;
	write_some(client);
	read_all(client);
	assert_true(buf_ok(&client->in));
	if (!client->eof)
		return;
	loop_unwatch(client->watch);
	client->watch = NULL;
}

void client_begin(struct client *client)
{
	int pair[2];
	struct err err;

	*client = (struct client){.in = BUF_INIT(MOST), .out = BUF_INIT(MOST)};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	client->fd = pair[0];
	assert_int_equal(loop_watch(fixture.loop, client->fd, EPOLLIN | EPOLLOUT | EPOLLET,
				    on_client, client, &client->watch, &err),
			 0);
	fixture.taken++;
	front_take(fixture.front, pair[1], on_closed, &fixture);
}

void client_end(struct client *client)
{
	loop_unwatch(client->watch);
	close(client->fd);
	buf_fini(&client->in);
	buf_fini(&client->out);
}

void client_send(struct client *client, struct slice bytes)
{
	buf_put(&client->out, bytes);
	assert_true(buf_ok(&client->out));
	write_some(client);
}

void client_send_body(struct client *client, const char *head, struct slice body)
{
	char text[2048];
	int len = snprintf(text, sizeof(text), "%sContent-Length: %zu\r\n\r\n", head, body.len);

	assert_true(len > 0 && (size_t)len < sizeof(text));
	client_send(client, slice_of(text, (size_t)len));
	client_send(client, body);
}

/* Where the body begins; NULL while the header is not whole. */
static const char *body_of(const struct client *client)
{
	const char *end;

	if (client->in.len == 0)
		return NULL;
	client->in.data[client->in.len] = '\0';
	end = strstr((const char *)client->in.data, "\r\n\r\n");
	return end ? end + 4 : NULL;
}

static size_t announced(const struct client *client)
{
	const char *text = strstr((const char *)client->in.data, "\r\nContent-Length: ");

	return text && text < body_of(client) ? strtoul(text + 18, NULL, 10) : 0;
}

static bool is_answered(void)
{
	if (awaited->eof)
		return true;
	return body_of(awaited) && client_body_len(awaited) >= announced(awaited);
}

static bool is_ended(void)
{
	return awaited->eof;
}

void client_wait_eof(struct client *client)
{
	awaited = client;
	fixture_run(is_ended);
}

unsigned client_status(struct client *client)
{
	unsigned status = 0;

	awaited = client;
	fixture_run(is_answered);
	if (!body_of(client))
		return 0;
	assert_int_equal(sscanf((const char *)client->in.data, "HTTP/1.1 %u ", &status), 1);
	return status;
}

const char *client_body(const struct client *client)
{
	const char *body = body_of(client);

	assert_non_null(body);
	return body;
}

size_t client_body_len(const struct client *client)
{
	return client->in.len - (size_t)(client_body(client) - (const char *)client->in.data);
}

bool client_has_header(const struct client *client, const char *line)
{
	const char *at = strstr((const char *)client->in.data, line);

	return at && at < client_body(client) && at[-1] == '\n' && at[strlen(line)] == '\r';
}

void ask(const char *head, const char *body, unsigned status, const char *has)
{
	struct client client;
	unsigned got;

	client_begin(&client);
	if (body)
		client_send_body(&client, head, slice_str(body));
	else {
		client_send(&client, slice_str(head));
		client_send(&client, slice_str("\r\n"));
	}
	got = client_status(&client);
	if (got != status || (has && !strstr(client_body(&client), has)))
		fail_msg("'%s%s' was answered by '%s'", head, body ? body : "",
			 got ? (const char *)client.in.data : "");
	client_end(&client);
}

void ask_fails(const char *head, const char *body, unsigned status, const char *code)
{
	char has[80];

	(void)snprintf(has, sizeof(has), "\",\"code\":\"%s\"}", code);
	ask(head, body, status, has);
}
