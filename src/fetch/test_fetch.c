/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent, what an answer may be, and how a transfer ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/impl.h"
#include "fetch/test_fixture.h"

static struct server server;
static struct client client;

static void begin(const struct script *scripts, size_t count)
{
	server_start(&server, scripts, count);
	client_start(&client, true);
}

static int teardown(void **state)
{
	(void)state;
	client_stop(&client);
	server_stop(&server);
	return 0;
}

#define OK   "HTTP/1.1 200 OK\r\n"
#define PART "HTTP/1.1 206 Part\r\n"

static const struct {
	struct script script; /* without its path */
	uint64_t from, max;
	enum fetch_end end;
	unsigned status;
	int code;
	size_t got;
	unsigned heads;
} ANSWERS[] = {
	{{.answer = OK "Content-Length: 5\r\n\r\nhello"}, 0, 0, FETCH_DONE, 200, 0, 5, 1},
	{{.answer = OK "Content-Length: 0\r\n\r\n"}, 0, 0, FETCH_DONE, 200, 0, 0, 1},
	{{.answer = "HTTP/1.1 204 No\r\n\r\n"}, 0, 0, FETCH_DONE, 204, 0, 0, 1},
	{{.answer = "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno"},
	 0,
	 0,
	 FETCH_DONE,
	 404,
	 0,
	 2,
	 1},
	{{.answer = "HTTP/1.1 302 Go\r\nLocation: /0\r\nContent-Length: 0\r\n\r\n"},
	 0,
	 0,
	 FETCH_DONE,
	 302,
	 0,
	 0,
	 1},
	{{.answer =
		  OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n"},
	 0,
	 0,
	 FETCH_DONE,
	 200,
	 0,
	 5,
	 1},
	{{.answer =
		  "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 102 Go\r\n\r\n" OK "Content-Length: 1\r\n\r\nx"},
	 0,
	 0,
	 FETCH_DONE,
	 200,
	 0,
	 1,
	 1},
	{{.answer = "HTTP/1.0 200 OK\r\n\r\nto the end", .then = CLOSE},
	 0,
	 0,
	 FETCH_DONE,
	 200,
	 0,
	 10,
	 1},
	/* The limit, said before and passed later. */
	{{.answer = OK "Content-Length: 100\r\n\r\n", .body = 100},
	 0,
	 100,
	 FETCH_DONE,
	 200,
	 0,
	 100,
	 1},
	{{.answer = OK "Content-Length: 101\r\n\r\n", .body = 101},
	 0,
	 100,
	 FETCH_REFUSED,
	 200,
	 ERR_TOO_LARGE,
	 0,
	 0},
	{{.answer = OK "\r\n", .body = 4096, .then = CLOSE},
	 0,
	 100,
	 FETCH_REFUSED,
	 200,
	 ERR_TOO_LARGE,
	 0,
	 1},
	{{.answer = OK "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n"},
	 0,
	 7,
	 FETCH_REFUSED,
	 200,
	 ERR_TOO_LARGE,
	 5,
	 1},
	{{.answer = OK "Content-Length: 1048577\r\n\r\n"},
	 0,
	 0,
	 FETCH_REFUSED,
	 200,
	 ERR_TOO_LARGE,
	 0,
	 0},
	/* Ends that come early. */
	{{.answer = OK "Content-Length: 10\r\n\r\nhello", .then = CLOSE},
	 0,
	 0,
	 FETCH_BROKEN,
	 200,
	 ERR_INTERNAL,
	 5,
	 1},
	{{.answer = OK "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", .then = CLOSE},
	 0,
	 0,
	 FETCH_BROKEN,
	 200,
	 ERR_INTERNAL,
	 5,
	 1},
	{{.answer = OK "Content-Le", .then = CLOSE}, 0, 0, FETCH_BROKEN, 0, ERR_INTERNAL, 0, 0},
	{{.answer = NULL, .then = CLOSE}, 0, 0, FETCH_BROKEN, 0, ERR_INTERNAL, 0, 0},
	/* Answers that are none. */
	{{.answer = "hello\r\n\r\n", .then = CLOSE}, 0, 0, FETCH_REFUSED, 0, ERR_DAMAGED, 0, 0},
	{{.answer = "HTTP/1.1 abc\r\n\r\n", .then = CLOSE},
	 0,
	 0,
	 FETCH_REFUSED,
	 0,
	 ERR_DAMAGED,
	 0,
	 0},
	{{.answer = OK "Content-Length: -5\r\n\r\nhello", .then = CLOSE},
	 0,
	 0,
	 FETCH_REFUSED,
	 0,
	 ERR_DAMAGED,
	 0,
	 0},
	{{.answer = OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", .then = CLOSE},
	 0,
	 0,
	 FETCH_REFUSED,
	 200,
	 ERR_DAMAGED,
	 0,
	 0},
	{{.answer = OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", .then = CLOSE},
	 0,
	 0,
	 FETCH_REFUSED,
	 200,
	 ERR_DAMAGED,
	 0,
	 0},
	{{.answer = OK "Transfer-Encoding: chunked\r\n\r\nnot a size\r\n", .then = CLOSE},
	 0,
	 0,
	 FETCH_BROKEN,
	 200,
	 ERR_INTERNAL,
	 0,
	 1},
	/* Parts. */
	{{.answer = PART "Content-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nhello"},
	 5,
	 0,
	 FETCH_DONE,
	 206,
	 0,
	 5,
	 1},
	{{.answer = PART "Content-Range: bytes 5-7/10\r\nContent-Length: 3\r\n\r\nhel"},
	 5,
	 0,
	 FETCH_DONE,
	 206,
	 0,
	 3,
	 1},
	{{.answer = PART "Content-Range: bytes 5-9/10\r\n\r\nhello", .then = CLOSE},
	 5,
	 0,
	 FETCH_DONE,
	 206,
	 0,
	 5,
	 1},
	{{.answer = PART "Content-Range: bytes 5-9/10\r\n\r\nhell", .then = CLOSE},
	 5,
	 0,
	 FETCH_BROKEN,
	 206,
	 ERR_INTERNAL,
	 4,
	 1},
	{{.answer = PART "Content-Range: bytes 5-9/10\r\n\r\nhello!", .then = CLOSE},
	 5,
	 0,
	 FETCH_REFUSED,
	 206,
	 ERR_TOO_LARGE,
	 0,
	 1},
	{{.answer = PART "Content-Range: bytes 4-9/10\r\nContent-Length: 6\r\n\r\nhello!"},
	 5,
	 0,
	 FETCH_REFUSED,
	 206,
	 ERR_DAMAGED,
	 0,
	 0},
	{{.answer = PART "Content-Range: bytes 5-9/*\r\nContent-Length: 5\r\n\r\nhello"},
	 5,
	 0,
	 FETCH_REFUSED,
	 206,
	 ERR_DAMAGED,
	 0,
	 0},
	{{.answer = PART "Content-Length: 5\r\n\r\nhello"},
	 5,
	 0,
	 FETCH_REFUSED,
	 206,
	 ERR_DAMAGED,
	 0,
	 0},
	{{.answer = PART "Content-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nhello"},
	 0,
	 0,
	 FETCH_REFUSED,
	 206,
	 ERR_DAMAGED,
	 0,
	 0},
	{{.answer = OK "Content-Length: 10\r\n\r\nfrom first"}, 5, 0, FETCH_DONE, 200, 0, 10, 1},
	{{.answer = "HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n"},
	 5,
	 0,
	 FETCH_DONE,
	 416,
	 0,
	 0,
	 1},
	/* Bytes behind the end of an answer are nobody's. */
	{{.answer = OK "Content-Length: 5\r\n\r\nhelloHTTP/1.1 500 Lie\r\n\r\n",
	  .then = CLOSE_LATE},
	 0,
	 0,
	 FETCH_DONE,
	 200,
	 0,
	 5,
	 1},
};

/* libcurl 8 refuses a coding of the transfer in the middle of the head, before a status is told. */
static bool has_status(size_t row, unsigned status)
{
	return status == ANSWERS[row].status ||
	       (status == 0 && strstr(ANSWERS[row].script.answer, "Transfer-Encoding: gzip"));
}

static void test_answers(void **state)
{
	static struct script scripts[ARRAY_LEN(ANSWERS)];
	static char paths[ARRAY_LEN(ANSWERS)][16];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ANSWERS); i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "/%zu", i);
		scripts[i] = ANSWERS[i].script;
		scripts[i].path = paths[i];
	}
	begin(scripts, ARRAY_LEN(scripts));
	for (i = 0; i < ARRAY_LEN(ANSWERS); i++) {
		client_fetch(&client, &(struct fetch_request){.url = server_url(&server, paths[i]),
							      .from = ANSWERS[i].from,
							      .max = ANSWERS[i].max});
		if (client.end != ANSWERS[i].end || !has_status(i, client.status) ||
		    client.code != ANSWERS[i].code || client.data.len != ANSWERS[i].got ||
		    client.heads != ANSWERS[i].heads || client.ends != 1)
			fail_msg("%s: end %d status %u code %d got %zu heads %u: %s",
				 ANSWERS[i].script.answer, (int)client.end, client.status,
				 client.code, client.data.len, client.heads, client.text);
		assert_true(client.code == 0 || strstr(client.text, "127.0.0.1:"));
	}
}

static void test_head(void **state)
{
	static const struct script scripts[] = {
		{"/a",
		 OK "ETag: W/\"1\"\r\nContent-Type: text/x\r\nLast-Modified: then\r\n"
		    "Retry-After: 7\r\nContent-Length: 3\r\n\r\nabc",
		 .then = KEEP},
		{"/part", PART "Content-Range: bytes 2-3/9\r\n\r\nab", .then = CLOSE},
		{"/long", OK "Content-Length: 99999999\r\n\r\n", .then = KEEP},
	};

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	client_fetch(&client, &(struct fetch_request){.url = server_url(&server, "/a")});
	assert_string_equal(client.etag, "W/\"1\"");
	assert_string_equal(client.type, "text/x");
	assert_string_equal(client.modified, "then");
	assert_int_equal(client.head.retry_after, 7);
	assert_int_equal(client.retry_after, 7);
	assert_true(client.head.length_known);
	assert_int_equal(client.head.length, 3);
	client_fetch(&client,
		     &(struct fetch_request){.url = server_url(&server, "/part"), .from = 2});
	assert_int_equal(client.head.first, 2);
	assert_int_equal(client.head.total, 9);
	assert_false(client.head.length_known);
	/* Of a HEAD the length is that of another answer, so no limit is for it. */
	client_fetch(&client, &(struct fetch_request){.url = server_url(&server, "/long"),
						      .method = FETCH_HEAD});
	assert_int_equal(client.end, FETCH_DONE);
	assert_int_equal(client.head.length, 99999999);
}

static void test_what_is_sent(void **state)
{
	static const struct script scripts[] = {
		{"/a/../b//c", OK "Content-Length: 0\r\n\r\n", .then = KEEP}};
	static const struct fetch_header headers[] = {
		{"X-One", "1 2", false}, {"X-Two", "secret", true}, {"X-None", "", false}};
	CLEANUP(secret_cleanup) struct secret *token = NULL;
	struct err err;

	(void)state;
	assert_int_equal(secret_copy(slice_str("t0k.en"), &token, &err), 0);
	begin(scripts, ARRAY_LEN(scripts));
	client_fetch(&client,
		     &(struct fetch_request){.url = server_url(&server, "/a/../b//c?q=%20&r"),
					     .headers = headers,
					     .header_count = ARRAY_LEN(headers),
					     .bearer = token,
					     .from = 9,
					     .if_range = "\"e\""});
	assert_int_equal(client.status, 200);
	assert_true(server_saw(&server, "GET /a/../b//c?q=%20&r HTTP/1.1\r\n"));
	assert_true(server_saw(&server, "\r\nUser-Agent: fetch-test/1\r\n"));
	assert_true(server_saw(&server, "\r\nAuthorization: Bearer t0k.en\r\n"));
	assert_true(server_saw(&server, "\r\nRange: bytes=9-\r\n"));
	assert_true(server_saw(&server, "\r\nIf-Range: \"e\"\r\n"));
	assert_true(server_saw(&server, "\r\nX-One: 1 2\r\n"));
	assert_true(server_saw(&server, "\r\nX-Two: secret\r\n"));
	assert_true(server_saw(&server, "\r\nX-None:\r\n"));
	assert_false(server_saw(&server, "Accept-Encoding"));
	assert_false(server_saw(&server, "Cookie"));
}

static void test_methods(void **state)
{
	static const struct script scripts[] = {
		{"/x", OK "Content-Length: 0\r\n\r\n", .then = KEEP}};
	static const struct {
		enum fetch_method method;
		const char *body;
		const char *line, *sent;
	} rows[] = {
		{FETCH_GET, "", "GET /x HTTP/1.1\r\n", "\r\n\r\n"},
		{FETCH_HEAD, "", "HEAD /x HTTP/1.1\r\n", "\r\n\r\n"},
		{FETCH_DELETE, "", "DELETE /x HTTP/1.1\r\n", "\r\n\r\n"},
		{FETCH_POST, "", "POST /x HTTP/1.1\r\n", "\r\nContent-Length: 0\r\n"},
		{FETCH_POST, "{\"a\":1}", "POST /x HTTP/1.1\r\n",
		 "\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
		{FETCH_PUT, "", "PUT /x HTTP/1.1\r\n", "\r\nContent-Length: 0\r\n"},
		{FETCH_PUT, "abc", "PUT /x HTTP/1.1\r\n", "\r\nContent-Length: 3\r\n\r\nabc"},
	};
	size_t i;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		server_forget(&server);
		client_fetch(&client, &(struct fetch_request){.url = server_url(&server, "/x"),
							      .method = rows[i].method,
							      .body = slice_str(rows[i].body)});
		assert_int_equal(client.end, FETCH_DONE);
		assert_true(server_saw(&server, rows[i].line));
		assert_true(server_saw(&server, rows[i].sent));
		assert_false(server_saw(&server, "Content-Type"));
		assert_false(server_saw(&server, "Expect"));
		assert_false(server_saw(&server, "Range"));
	}
	/* One connection has served them all. */
	assert_int_equal(server_accepted(&server), 1);
}

static void test_refused_requests(void **state)
{
	static const struct fetch_header bad_name[] = {{"X Y", "1", false}};
	static const struct fetch_header bad_value[] = {{"X", "1\r\nY: 2", false}};
	static const struct fetch_header no_name[] = {{"", "1", false}};
	CLEANUP(secret_cleanup) struct secret *token = NULL;
	const struct fetch_ops no_more = {.done = client_ops.done};
	struct fetch_request rows[] = {
		{.url = "http://127.0.0.1/", .headers = bad_name, .header_count = 1},
		{.url = "http://127.0.0.1/", .headers = bad_value, .header_count = 1},
		{.url = "http://127.0.0.1/", .headers = no_name, .header_count = 1},
		{.url = "http://127.0.0.1/", .bearer = NULL}, /* set below */
		{.url = "http://127.0.0.1/", .body = slice_str("x")},
		{.url = "http://127.0.0.1/", .method = FETCH_DELETE, .body = slice_str("x")},
		{.url = "http://127.0.0.1/", .method = FETCH_PUT, .body_length = 5},
		{.url = "http://127.0.0.1/", .redirects = 1000},
		{.url = "http://127.0.0.1/", .from = 5, .if_range = "a\nb"},
		{.url = "http://10.0.0.1/"},
		{.url = "ftp://127.0.0.1/"},
		{.url = "ftp://127.0.0.1/", .unix_socket = "/x"},
	};
	struct fetch_transfer *transfer = NULL;
	struct err err;
	size_t i;

	(void)state;
	begin(NULL, 0);
	assert_int_equal(secret_copy(slice_str("a b\r\nX: y"), &token, &err), 0);
	rows[3].bearer = token;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		if (fetch_start(client.fetch, &rows[i], &no_more, &client, &transfer, &err) !=
		    ERR_INVALID)
			fail_msg("row %zu", i);
		assert_null(transfer);
	}
	assert_int_equal(client.ends, 0);
}

static void test_unreachable(void **state)
{
	static const struct script scripts[] = {{"/x", OK "\r\n", .then = CLOSE}};
	char url[64];
	unsigned port;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
	client_begin(&client, &(struct fetch_request){.url = url});
	client.transfer->connect_us = 50000;
	client_run(&client);
	assert_int_equal(client.end, FETCH_UNREACHABLE);
	assert_int_equal(client.status, 0);
	/* A port that was free a moment ago. */
	port = server.port;
	server_stop(&server);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	client_fetch(&client, &(struct fetch_request){.url = url});
	assert_int_equal(client.end, FETCH_UNREACHABLE);
	assert_int_equal(client.code, ERR_INTERNAL);
	client_fetch(&client, &(struct fetch_request){.url = "http://no.such.name.invalid/"});
	assert_int_equal(client.end, FETCH_UNREACHABLE);
	client_fetch(&client, &(struct fetch_request){.url = "http://docker/",
						      .unix_socket = "/nonexistent/sock"});
	assert_int_equal(client.end, FETCH_UNREACHABLE);
	server_start(&server, scripts, ARRAY_LEN(scripts));
}

static void test_own_failures(void **state)
{
	static const struct script scripts[] = {
		{"/x", OK "Content-Length: 5\r\n\r\nhello", .then = KEEP}};
	const struct fetch_request put = {.url = NULL, .method = FETCH_PUT, .body_length = 10};
	struct fetch_request request;
	int i;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	for (i = 0; i < 3; i++) {
		request = i == 2 ? put : (struct fetch_request){.url = NULL};
		request.url = server_url(&server, "/x");
		client_reset(&client);
		client.fail_head = i == 0;
		client.fail_data = i == 1;
		client.fail_more = i == 2;
		client_begin(&client, &request);
		client_run(&client);
		assert_int_equal(client.end, FETCH_STOPPED);
		assert_int_equal(client.code, ERR_QUOTA);
		assert_int_equal(client.status, i == 2 ? 0 : 200);
		assert_true(strncmp(client.text, "own ", 4) == 0);
	}
}

static void test_cancel(void **state)
{
	static const struct script scripts[] = {
		{"/x", OK "Content-Length: 500000\r\n\r\n", .body = 500000, .then = KEEP},
		{"/stall", NULL, .then = STALL},
	};
	struct fetch_request request;
	int i;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	for (i = 0; i < 3; i++) {
		request = (struct fetch_request){.url = server_url(&server, "/x")};
		if (i == 2)
			request = (struct fetch_request){.url = server_url(&server, "/stall"),
							 .method = FETCH_PUT,
							 .body_length = 10};
		client_reset(&client);
		client.cancel_in_head = i == 0;
		client.cancel_in_data = i == 1;
		client.cancel_in_more = i == 2;
		client_begin(&client, &request);
		client_run(&client);
		assert_int_equal(client.ends, 0);
		assert_int_equal(client.heads, i == 2 ? 0 : 1);
	}
	/* At once, and before anything happened. */
	client_reset(&client);
	client_begin(&client, &(struct fetch_request){.url = server_url(&server, "/x")});
	fetch_cancel(client.transfer);
	client.running = 0;
	/* What is still there when all ends. */
	client_begin(&client, &(struct fetch_request){.url = server_url(&server, "/stall")});
	client_begin(&client, &(struct fetch_request){.url = server_url(&server, "/x")});
	fetch_cancel(NULL);
}

static void count_whole(void *arg, const struct fetch_result *result, struct slice body)
{
	(void)arg;
	client.end = result->end;
	client.ends++;
	assert_true(slice_equal(body, slice_str(result->end == FETCH_DONE ? "hello" : "")));
	loop_stop(client.loop);
}

static void test_whole(void **state)
{
	static const struct script scripts[] = {
		{"/x", OK "Content-Length: 5\r\n\r\nhello", .then = KEEP},
		{"/cut", OK "Content-Length: 6\r\n\r\nhello", .then = CLOSE},
	};
	struct fetch_request request = {.max = 5};
	struct fetch_transfer *transfer;
	struct err err;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	request.url = server_url(&server, "/x");
	assert_int_equal(fetch_whole(client.fetch, &request, count_whole, NULL, &transfer, &err),
			 0);
	assert_int_equal(loop_run(client.loop, &err), 0);
	assert_int_equal(client.end, FETCH_DONE);
	request = (struct fetch_request){.url = server_url(&server, "/cut")};
	assert_int_equal(fetch_whole(client.fetch, &request, count_whole, NULL, &transfer, &err),
			 0);
	assert_int_equal(loop_run(client.loop, &err), 0);
	assert_int_equal(client.end, FETCH_BROKEN);
	assert_int_equal(fetch_whole(client.fetch, &request, count_whole, NULL, &transfer, &err),
			 0);
	fetch_cancel(transfer);
	request.method = FETCH_PUT;
	request.body_length = 3;
	assert_int_equal(fetch_whole(client.fetch, &request, count_whole, NULL, &transfer, &err),
			 ERR_INVALID);
	assert_int_equal(client.ends, 2);
}

static void test_long_heads(void **state)
{
	static char answer[80000];
	static const struct script scripts[] = {{"/x", answer, .then = CLOSE}};
	size_t len = 0;

	(void)state;
	len += (size_t)snprintf(answer, sizeof(answer), OK);
	while (len < 40000)
		len += (size_t)snprintf(answer + len, sizeof(answer) - len, "X-Much: %0100d\r\n",
					0);
	(void)snprintf(answer + len, sizeof(answer) - len, "\r\n");
	begin(scripts, ARRAY_LEN(scripts));
	client_fetch(&client, &(struct fetch_request){.url = server_url(&server, "/x")});
	assert_int_equal(client.end, FETCH_REFUSED);
	assert_int_equal(client.code, ERR_TOO_LARGE);
	assert_int_equal(client.heads, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_answers, teardown),
		cmocka_unit_test_teardown(test_head, teardown),
		cmocka_unit_test_teardown(test_what_is_sent, teardown),
		cmocka_unit_test_teardown(test_methods, teardown),
		cmocka_unit_test_teardown(test_refused_requests, teardown),
		cmocka_unit_test_teardown(test_unreachable, teardown),
		cmocka_unit_test_teardown(test_own_failures, teardown),
		cmocka_unit_test_teardown(test_cancel, teardown),
		cmocka_unit_test_teardown(test_whole, teardown),
		cmocka_unit_test_teardown(test_long_heads, teardown),
	};

	/* Proxies are for https alone. */
	if (setenv("http_proxy", "http://127.0.0.1:1", 1) != 0 ||
	    setenv("HTTP_PROXY", "http://127.0.0.1:1", 1) != 0 ||
	    setenv("all_proxy", "http://127.0.0.1:1", 1) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
