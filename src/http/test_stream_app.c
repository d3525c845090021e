/* SPDX-License-Identifier: Apache-2.0 */
#include "http/test_stream_app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the application --- */

struct app app;
uint8_t app_pattern[64u * 1024u];

uint8_t app_byte(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 13));
}

static uint32_t add(uint32_t sum, uint8_t byte)
{
	return sum * 16777619u + byte;
}

static void later(void (*next)(void))
{
	app.next = next;
	app.waits++;
	if (!app.lets)
		next();
}

void app_go_on(void)
{
	void (*next)(void) = app.next;

	app.next = NULL;
	assert_non_null(next);
	next();
}

void app_go_through(struct fixture *f, unsigned first, unsigned last)
{
	unsigned waits;

	for (waits = first; waits <= last; waits++) {
		fixture_wait(f, &app.waits, waits);
		app_go_on();
	}
}

static void refuse(void)
{
	struct err err;

	(void)err_set(&err, ERR_CONFLICT, "no");
	http_answer_error(app.request, &err);
}

static void give(void)
{
	size_t i;

	if (app.plan == SEND_CUT && app.sent == 2 * sizeof(app_pattern)) {
		http_answer_cut(app.request);
		return;
	}
	for (i = 0; i < sizeof(app_pattern); i++)
		app_pattern[i] = app_byte(app.sent + i);
	app.sent += sizeof(app_pattern);
	http_answer_piece(app.request, slice_of(app_pattern, sizeof(app_pattern)));
}

static void on_more(void *arg)
{
	assert_ptr_equal(arg, &app);
	later(give);
}

static void on_end(void *arg)
{
	((struct app *)arg)->ends++;
}

static void finish(void)
{
	static const struct http_source SOURCE = {.more = on_more, .end = on_end};
	char text[64];

	if (app.plan != SUM) {
		http_request_add_header(app.request, "Holdfast-Protection", "tpm");
		http_answer_stream(app.request, 200, "application/octet-stream", ANSWER_LEN,
				   &SOURCE, &app);
		return;
	}
	(void)snprintf(text, sizeof(text), "%zu %u", app.len, app.sum);
	http_answer_bytes(app.request, 200, "text/plain", slice_str(text));
}

static void pull(void);

static void on_piece(void *arg, struct slice bytes, bool last)
{
	size_t i;

	assert_ptr_equal(arg, &app);
	assert_true(last ? bytes.len > 0 && bytes.len <= HTTP_PIECE : bytes.len == HTTP_PIECE);
	for (i = 0; i < bytes.len; i++)
		app.sum = add(app.sum, bytes.data[i]);
	app.len += bytes.len;
	app.pieces++;
	app.lasts += last;
	if (app.plan == REFUSE_MIDWAY && app.pieces == 2)
		later(refuse);
	else
		later(last ? finish : pull);
}

static void pull(void)
{
	http_request_pull(app.request, on_piece, &app);
}

static void on_gone(void *arg)
{
	((struct app *)arg)->gones++;
	refuse();
}

static void handle(struct http_request *request, void *arg)
{
	app.f = arg;
	app.request = request;
	if (!http_request_is_stream(request)) {
		http_answer_bytes(request, 200, "text/plain", slice_str("whole"));
		return;
	}
	if (app.plan == REFUSE) {
		refuse();
		return;
	}
	http_request_suspend(request, on_gone, &app);
	later(app.plan == REFUSE_LATER ? refuse : pull);
}

void app_begin(struct fixture *f, enum plan plan, bool lets)
{
	fixture_begin(f);
	f->on_stream = handle;
	app = (struct app){.plan = plan, .lets = lets};
}

/* --- a client that sends much --- */

static void on_room(void *arg, uint32_t events)
{
	struct pump *pump = arg;
	ssize_t n;

	(void)events;
	n = send(pump->fd, pump->bytes.data + pump->sent, pump->bytes.len - pump->sent,
		 MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		pump->sent += (size_t)n;
	if (pump->sent == pump->bytes.len || (n < 0 && errno != EAGAIN)) {
		loop_unwatch(pump->watch);
		pump->watch = NULL;
		pump->done = 1;
	}
}

void pump_start(struct pump *pump, struct client *client)
{
	struct err err;

	assert_true(buf_ok(&pump->bytes));
	pump->client = client;
	pump->fd = dup(client->fd);
	assert_true(pump->fd >= 0);
	assert_int_equal(loop_watch(client->fixture->loop, pump->fd, EPOLLOUT, on_room, pump,
				    &pump->watch, &err),
			 0);
}

void pump_fini(struct pump *pump)
{
	loop_unwatch(pump->watch);
	close(pump->fd);
	buf_fini(&pump->bytes);
}

void pump_body(struct pump *pump, size_t from, size_t len)
{
	uint8_t *at = buf_grow(&pump->bytes, len);
	size_t i;

	for (i = 0; i < len; i++)
		at[i] = app_byte(from + i);
}

void pump_request(struct pump *pump, const char *more, size_t len, size_t part)
{
	buf_printf(&pump->bytes, HEAD "%sContent-Length: %zu\r\n\r\n", more, len);
	pump_body(pump, 0, part > 0 ? part : len);
}

void pump_chunked(struct pump *pump, size_t len, size_t chunk)
{
	size_t at, n;

	buf_put_str(&pump->bytes, CHUNKED);
	for (at = 0; at < len; at += n) {
		n = len - at < chunk ? len - at : chunk;
		buf_printf(&pump->bytes, "%zx\r\n", n);
		pump_body(pump, at, n);
		buf_put_str(&pump->bytes, "\r\n");
	}
	buf_put_str(&pump->bytes, "0\r\n\r\n");
}

void expect_sum(const struct client *client, size_t len)
{
	char text[64];
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum = add(sum, app_byte(i));
	(void)snprintf(text, sizeof(text), "%zu %u", len, sum);
	assert_int_equal(client_status(client), 200);
	assert_string_equal(client_body(client), text);
}

void app_drive(struct fixture *f)
{
	unsigned waits = 0;
	bool over = false;

	while (app.lets && !over) {
		fixture_wait(f, &app.waits, ++waits);
		over = app.lasts > 0;
		app_go_on();
	}
}

void app_begin_slow(struct fixture *f, enum plan plan, bool lets)
{
	fixture_begin_with(f, 3, 60, 1);
	f->on_stream = handle;
	app = (struct app){.plan = plan, .lets = lets};
}
