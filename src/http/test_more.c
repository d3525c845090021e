/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs without tenants need besides: HEAD, ranges, short streams, forms, errors told in
 * their own way, and TCP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "http/test_fixture.h"

#define CONTENT "0123456789"
#define ETAG	"\"ten\""
#define FORM	"POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
#define PART(n) "--B\r\nContent-Disposition: form-data; name=" n "\r\n\r\n"
#define PUT	"PUT /octets/x HTTP/1.1\r\nHost: x\r\n"
#define LATER	"POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"

static struct {
	struct fixture *f;
	struct http_request *request;
	struct buf text; /* what was got of a stream or a form */
	bool waits;	 /* the form's next piece is asked for by the test */
	unsigned pieces, parts, ends, gones;
	size_t sent;
} t;

/* --- the application --- */

static void on_more(void *arg)
{
	(void)arg;
	http_answer_piece(t.request, slice_of(&CONTENT[t.sent], strlen(CONTENT) - t.sent));
}

static void on_sent(void *arg)
{
	(void)arg;
	t.ends++;
}

/* Of CONTENT, what was asked for. */
static void handle_range(struct http_request *request, void *app)
{
	static const struct http_source SOURCE = {.more = on_more, .end = on_sent};
	struct http_range range;
	char text[64];

	(void)app;
	t.request = request;
	http_request_add_header(request, "ETag", ETAG);
	if (!http_request_range(request, strlen(CONTENT), ETAG, &range)) {
		http_answer_bytes(request, 416, "text/plain", slice_str("no"));
		return;
	}
	(void)snprintf(text, sizeof(text), "bytes %llu-%llu/10", (unsigned long long)range.first,
		       (unsigned long long)(range.first + range.length - 1));
	if (range.part)
		http_request_add_header(request, "Content-Range", text);
	t.sent = (size_t)range.first;
	http_answer_stream(request, range.part ? 206 : 200, "text/plain", range.length, &SOURCE,
			   NULL);
}

static void finish(unsigned status)
{
	http_answer_bytes(t.request, status, "text/plain", buf_slice(&t.text));
}

static void on_gone(void *arg)
{
	(void)arg;
	t.gones++;
	http_answer_empty(t.request);
}

static void on_piece(void *arg, struct slice bytes, bool last)
{
	(void)arg;
	t.pieces++;
	buf_put(&t.text, bytes);
	if (last)
		finish(200);
	else
		http_request_pull(t.request, on_piece, NULL);
}

static void handle_octets(struct http_request *request, void *app)
{
	(void)app;
	t.request = request;
	assert_true(http_request_is_stream(request));
	assert_false(http_request_is_json(request));
	buf_printf(&t.text, "%llu:", (unsigned long long)http_request_length(request));
	http_request_suspend(request, on_gone, NULL);
	http_request_pull(request, on_piece, NULL);
}

static void on_part(void *arg, const char *name, const char *file, bool first, struct slice bytes)
{
	(void)arg;
	t.parts++;
	if (first)
		buf_printf(&t.text, "[%s|%s]", name, file ? file : "-");
	buf_put(&t.text, bytes);
	if (!t.waits)
		http_request_form_next(t.request);
}

static void on_end(void *arg, const struct err *err)
{
	(void)arg;
	if (err)
		http_answer_error(t.request, err);
	else
		finish(200);
}

static void handle_form(struct http_request *request, void *app)
{
	static const struct http_form HANDLER = {.part = on_part, .end = on_end};
	struct err err;

	(void)app;
	t.request = request;
	if (http_request_form(request, &HANDLER, NULL, &err) < 0)
		http_answer_error(request, &err);
	else
		http_request_suspend(request, on_gone, NULL);
}

static void handle_later(struct http_request *request, void *app)
{
	(void)app;
	t.request = request;
	t.parts++;
	http_request_suspend(request, on_gone, NULL);
}

static const struct http_route ROUTES[] = {
	{.method = HTTP_GET, .path = "/range", .handler = handle_range},
	{.method = HTTP_HEAD, .path = "/range", .handler = handle_range},
	{.method = HTTP_POST, .path = "/later", .body = HTTP_BODY_JSON, .handler = handle_later},
	{.method = HTTP_PUT,
	 .path = "/octets/{name}",
	 .body = HTTP_BODY_STREAM,
	 .handler = handle_octets,
	 .stream_max = 300000},
	{.method = HTTP_POST,
	 .path = "/form",
	 .body = HTTP_BODY_FORM,
	 .handler = handle_form,
	 .stream_max = 300000},
};

static const char *tell(void *app, const struct http_request *request, const struct err *err,
			unsigned *status, struct buf *body)
{
	const struct http_route *route = http_request_route(request);

	(void)app;
	buf_printf(body, "%s %u %s", route ? route->path : "-", *status, err_info(err->code)->name);
	if (err->code == ERR_TOO_LARGE)
		*status = 499;
	return "text/x-error";
}

static int greet(void *app, void *peer, const struct http_request *request, struct err *err)
{
	assert_ptr_equal(app, t.f);
	assert_ptr_equal(peer, &t.f->added);
	assert_null(http_request_route(request));
	if (http_request_header(request, "X-Bad"))
		return err_set(err, ERR_FORBIDDEN, "bad");
	return 0;
}

static void begin(struct fixture *f)
{
	struct http_ops ops = fixture_ops;

	ops.tell = tell;
	ops.greet = greet;
	buf_fini(&t.text);
	memset(&t, 0, sizeof(t));
	t.f = f;
	t.text = (struct buf)BUF_INIT(1u << 20);
	fixture_begin(f);
	fixture_serve(f, ROUTES, ARRAY_LEN(ROUTES), &ops);
}

static void end(struct fixture *f)
{
	fixture_end(f);
	buf_fini(&t.text);
}

/* --- HEAD, ranges, errors --- */

static void test_ranges(void **state)
{
	static const struct {
		const char *headers;
		unsigned status;
		const char *body;
		const char *line;
	} CASES[] = {
		{"", 200, CONTENT, "Content-Length: 10"},
		{"Range: bytes=2-4\r\n", 206, "234", "Content-Range: bytes 2-4/10"},
		{"Range: bytes=-3\r\n", 206, "789", "Content-Range: bytes 7-9/10"},
		{"Range: bytes=10-\r\n", 416, "no", "ETag: " ETAG},
		{"Range: bytes=5-\r\nIf-Range: " ETAG "\r\n", 206, "56789",
		 "Content-Range: bytes 5-9/10"},
		{"Range: bytes=5-\r\nIf-Range: \"other\"\r\n", 200, CONTENT, "ETag: " ETAG},
	};
	struct fixture f;
	struct client *client;
	size_t i;

	(void)state;
	begin(&f);
	client = client_new(&f);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text), "GET /range HTTP/1.1\r\nHost: x\r\n%s\r\n",
			       CASES[i].headers);
		client_ask(client, text, CASES[i].status);
		assert_string_equal(client_body(client), CASES[i].body);
		assert_true(client_has_header(client, CASES[i].line));
		client_next(client);
	}
	end(&f);
	assert_int_equal(t.ends, 5);
}

/* Headers and length as of GET, also of a range, which is GET's alone; no byte of a body. */
static void test_head(void **state)
{
	static const char *const HEADERS[] = {"", "Range: bytes=2-4\r\n", "Range: bytes=10-\r\n"};
	struct fixture f;
	struct client *client;
	size_t i;

	(void)state;
	begin(&f);
	client = client_new(&f);
	client->bodyless = true;
	for (i = 0; i < ARRAY_LEN(HEADERS); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text), "HEAD /range HTTP/1.1\r\nHost: x\r\n%s\r\n",
			       HEADERS[i]);
		client_ask(client, text, 200);
		assert_true(client_has_header(client, "Content-Length: 10"));
		client_next(client);
		assert_int_equal(client->in.len, 0);
	}
	client_ask(client, "HEAD /later HTTP/1.1\r\nHost: x\r\n\r\n", 405);
	assert_true(client_has_header(client, "Allow: POST"));
	client_next(client);
	client_ask(client, "HEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404);
	client_next(client);
	client->bodyless = false;
	client_ask(client, "GET /range HTTP/1.1\r\nHost: x\r\n\r\n", 200);
	assert_string_equal(client_body(client), CONTENT);
	end(&f);
	assert_int_equal(t.ends, 4);
}

static void test_told_and_greeted(void **state)
{
	static const struct {
		const char *ask;
		unsigned status;
		const char *body;
		bool admitted;
	} CASES[] = {
		{"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 404, "- 404 not_found", false},
		{"GET /form HTTP/1.1\r\nHost: x\r\n\r\n", 405, "- 405 not_supported", false},
		{"GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Bad: 1\r\n\r\n", 403, "- 403 forbidden",
		 false},
		{"GET /range HTTP/1.1\r\nHost: x\r\nX-Bad: 1\r\n\r\n", 403, "- 403 forbidden",
		 false},
		{"GET /range HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400, "- 400 invalid", false},
		{"POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\r\n", 400,
		 "/form 400 invalid", true},
		{PUT "Content-Length: 300001\r\n\r\n", 499, "/octets/{name} 413 too_large", true},
	};
	struct fixture f;
	size_t i;

	(void)state;
	begin(&f);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct client *client = client_new(&f);
		unsigned admitted = f.admitted;

		client_ask(client, CASES[i].ask, CASES[i].status);
		assert_string_equal(client_body(client), CASES[i].body);
		assert_true(client_has_header(client, "Content-Type: text/x-error"));
		assert_int_equal(f.admitted - admitted, CASES[i].admitted);
	}
	assert_int_equal(f.refused, ARRAY_LEN(CASES));
	end(&f);
}

/* --- streams and forms --- */

static void test_short_streams(void **state)
{
	static const struct {
		const char *ask;
		const char *body;
	} CASES[] = {
		{PUT "Content-Length: 5\r\n\r\nhello", "5:hello"},
		{PUT "Content-Type: x/y\r\nContent-Length: 1\r\n\r\nh", "1:h"},
		{PUT "Content-Type: application/json\r\nContent-Length: 1\r\n\r\nh", "1:h"},
		{PUT "Content-Length: 0\r\n\r\n", "0:"},
		{PUT "\r\n", "0:"},
		{PUT "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
		 "300000:hello"},
		{PUT "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "300000:"},
	};
	struct fixture f;
	struct client *client;
	size_t i;

	(void)state;
	begin(&f);
	/* On one connection: each is read to its end and no further. */
	client = client_new(&f);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		buf_reset(&t.text);
		client_ask(client, CASES[i].ask, 200);
		assert_string_equal(client_body(client), CASES[i].body);
		client_next(client);
	}
	assert_int_equal(t.pieces, ARRAY_LEN(CASES));
	end(&f);
}

static void test_forms(void **state)
{
	static const struct {
		const char *body;
		unsigned status;
		const char *text;
	} CASES[] = {
		{PART("a") "x\r\n" PART("\"b\"; filename=f") "yz\r\n--B--\r\n", 200,
		 "[a|-]x[b|f]yz"},
		{PART("a") "\r\n--B--", 200, "[a|-]"},
		{"--B--\r\n", 200, ""},
		{"", 400, "/form 400 invalid"},
		{PART("a") "x", 400, "/form 400 invalid"},
		{PART("a") "x\r\n--Bad\r\n", 400, "/form 400 invalid"},
	};
	struct fixture f;
	struct client *client;
	size_t i;
	char text[512];

	(void)state;
	begin(&f);
	client = client_new(&f);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		buf_reset(&t.text);
		(void)snprintf(text, sizeof(text), FORM "Content-Length: %zu\r\n\r\n%s",
			       strlen(CASES[i].body), CASES[i].body);
		client_ask(client, text, CASES[i].status);
		assert_string_equal(client_body(client), CASES[i].text);
		client_next(client);
	}
	client_ask(client,
		   "POST /form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data\r\n"
		   "Content-Length: 5\r\n\r\n--B--",
		   400);
	end(&f);
}

static void on_turn(void *loop)
{
	loop_stop(loop);
}

/* Sends all of it while the adapter is at work. */
static void send_all(struct client *client, struct slice bytes)
{
	struct loop *loop = client->fixture->loop;
	struct loop_timer turn = {.slot = 0};
	size_t sent = 0;

	loop_timer_init(&turn, loop, on_turn, loop);
	assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
	while (sent < bytes.len) {
		struct err err;
		ssize_t n = send(client->fd, bytes.data + sent, bytes.len - sent, MSG_NOSIGNAL);

		assert_true(n > 0 || errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_timer_set(&turn, 1000, &err), 0);
		assert_int_equal(loop_run(loop, &err), 0);
	}
}

static void put_chunk(struct buf *buf, const char *text)
{
	buf_printf(buf, "%zx\r\n%s\r\n", strlen(text), text);
}

/* Each piece is asked for by the test: nothing comes unasked, and nothing is lost meanwhile. */
static void test_form_waits(void **state)
{
	CLEANUP(buf_fini) struct buf ask = BUF_INIT(4096);
	struct fixture f;
	struct client *client;
	unsigned parts;

	(void)state;
	begin(&f);
	t.waits = true;
	buf_put_str(&ask, FORM "Transfer-Encoding: chunked\r\n\r\n");
	put_chunk(&ask, PART("a") "0123");
	put_chunk(&ask, "456\r\n" PART("b") "\r\n" PART("c") "89\r\n--B-");
	put_chunk(&ask, "-\r\n");
	buf_put_str(&ask, "0\r\n\r\n");
	client = client_new(&f);
	send_all(client, buf_slice(&ask));
	for (parts = 1; parts <= 3; parts++) {
		fixture_wait(&f, &t.parts, parts);
		assert_int_equal(t.parts, parts);
		http_request_form_next(t.request);
	}
	client_wait_answer(client);
	assert_int_equal(client_status(client), 200);
	assert_string_equal(client_body(client), "[a|-]0123456[b|-][c|-]89");
	end(&f);
}

/* "a" of @len bytes, all of which are there. */
static void put_form(struct buf *form, size_t len)
{
	uint8_t *at;

	buf_put_str(form, PART("a"));
	at = buf_grow(form, len);
	assert_non_null(at);
	memset(at, 'x', len);
	buf_put_str(form, "\r\n--B--\r\n");
}

/* The client leaves while a piece is with the handler, and while it waits for one. */
static void test_form_left(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		CLEANUP(buf_fini) struct buf ask = BUF_INIT(1u << 20);
		struct fixture f;
		struct client *client;

		begin(&f);
		t.waits = i == 0;
		buf_put_str(&ask, FORM "Content-Length: 290000\r\n\r\n");
		put_form(&ask, 200000);
		client = client_new(&f);
		send_all(client, buf_slice(&ask));
		fixture_wait(&f, &t.parts, 1);
		client_close(client);
		fixture_wait(&f, &f.closed, 1);
		assert_int_equal(t.gones, 1);
		end(&f);
	}
}

/* Of a length that nobody said, just right and too long. */
static void test_form_too_long(void **state)
{
	static const size_t OTHERS = sizeof(PART("a") "\r\n--B--\r\n") - 1;
	unsigned more;

	(void)state;
	for (more = 0; more < 2; more++) {
		CLEANUP(buf_fini) struct buf ask = BUF_INIT(1u << 20);
		struct fixture f;
		struct client *client;

		begin(&f);
		buf_put_str(&ask, FORM "Transfer-Encoding: chunked\r\n\r\n");
		buf_printf(&ask, "%x\r\n", 300000 + more);
		put_form(&ask, 300000 + more - OTHERS);
		buf_put_str(&ask, "\r\n0\r\n\r\n");
		client = client_new(&f);
		send_all(client, buf_slice(&ask));
		client_wait_answer(client);
		assert_int_equal(client_status(client), more ? 499 : 200);
		end(&f);
	}
}

/* --- TCP --- */

static struct client *client_new_tcp(struct fixture *f, int family)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_storage address;
	socklen_t len = family == AF_INET ? sizeof(four) : sizeof(six);
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ours = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int theirs, yes = 0;
	socklen_t yes_len = sizeof(yes);
	struct client *client;

	memcpy(&address, family == AF_INET ? (const void *)&four : (const void *)&six, len);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	len = sizeof(address);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(ours, (const struct sockaddr *)&address, len), 0);
	theirs = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(theirs >= 0);
	close(listener);
	client = client_new_on(f, ours, theirs);
	assert_int_equal(getsockopt(theirs, IPPROTO_TCP, TCP_NODELAY, &yes, &yes_len), 0);
	assert_int_equal(yes, 1);
	return client;
}

static void test_tcp(void **state)
{
	static const int FAMILIES[] = {AF_INET, AF_INET6};
	struct fixture f;
	size_t i;

	(void)state;
	begin(&f);
	for (i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		struct client *client = client_new_tcp(&f, FAMILIES[i]);
		unsigned times;

		for (times = 0; times < 3; times++) {
			client_ask(client, "GET /range HTTP/1.1\r\nHost: x\r\n\r\n", 200);
			assert_string_equal(client_body(client), CONTENT);
			client_next(client);
		}
		client_ask(client, PUT "Content-Length: 5\r\n\r\nhello", 200);
	}
	end(&f);
}

/* A client that leaves tells no more than the end of its own direction. */
static void test_tcp_left(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	begin(&f);
	client = client_new_tcp(&f, AF_INET);
	client_send(client, LATER);
	fixture_wait(&f, &t.parts, 1);
	client_close(client);
	fixture_wait(&f, &t.gones, 1);
	fixture_wait(&f, &f.closed, 1);
	end(&f);
}

/*
 * A refusal while the body comes: it is read first, so that the answer arrives, whole, and the
 * connection can be used on. Too long a one is not waited for.
 */
static void test_tcp_refusal(void **state)
{
	static char body[1024 * 1024];
	struct fixture f;
	struct client *client;

	(void)state;
	begin(&f);
	client = client_new_tcp(&f, AF_INET);
	client_send(client, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
	send_all(client, slice_of(body, sizeof(body)));
	client_wait_answer(client);
	assert_int_equal(client_status(client), 404);
	client_next(client);
	client_ask(client, "GET /range HTTP/1.1\r\nHost: x\r\n\r\n", 200);
	client_next(client);
	client_ask(client, "PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n",
		   404);
	client_wait_eof(client);
	end(&f);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_told_and_greeted),
		cmocka_unit_test(test_short_streams),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_form_waits),
		cmocka_unit_test(test_form_left),
		cmocka_unit_test(test_form_too_long),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_tcp_left),
		cmocka_unit_test(test_tcp_refusal),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
