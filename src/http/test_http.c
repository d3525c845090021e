/* SPDX-License-Identifier: Apache-2.0 */
/* The adapter's requests and answers: what is served, what is refused, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "http/test_fixture.h"

#define HOST   "Host: x\r\n"
#define JSON   "Content-Type: application/json\r\n"
#define OCTETS "Content-Type: application/octet-stream\r\n"

struct exchange {
	const char *request;
	unsigned status;
	const char *header; /* a whole line of the answer, or "" */
	const char *body;   /* a part of it */
};

/* After these the connection serves on. */
static const struct exchange KEEPING[] = {
	{"GET /v1/status HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 11", "{\"ok\":true}"},
	{"GET /v1/status HTTP/1.1\r\n" HOST "\r\n", 200, "Cache-Control: no-store", ""},
	{"GET /v1/status HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, "", ""},
	{"POST /v1/echo HTTP/1.1\r\n" HOST JSON "Content-Length: 7\r\n\r\n{\"a\":1}", 200,
	 "Content-Length: 7", "{\"a\":1}"},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 200, "", "{}"},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 0", ""},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
	 "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
	 200, "Content-Length: 7", "abcdefg"},
	{"PUT /v1/secrets/a%2Db HTTP/1.1\r\n" HOST OCTETS "Content-Length: 3\r\n\r\nxyz", 201,
	 "Location: /v1/secrets/there", "{\"name\":\"a-b\",\"json\":false,\"length\":3}"},
	{"PUT /v1/secrets/b HTTP/1.1\r\n" HOST "content-type: application/json; charset=utf-8\r\n"
	 "Content-Length: 2\r\n\r\n{}",
	 201, "", "{\"name\":\"b\",\"json\":true,\"length\":2}"},
	{"DELETE /v1/secrets/b HTTP/1.1\r\n" HOST "\r\n", 204, "", ""},
	{"GET /v1/secrets/n HTTP/1.1\r\n" HOST "\r\n", 200, "Cache-Control: max-age=5",
	 "{\"name\":\"n\",\"octets\":false,\"path\":\"none\"}"},
	{"GET /v1/secrets/n?x&path=%2FHS/SRK%2fa+b%25 HTTP/1.1\r\n" HOST
	 "Accept: application/octet-stream\r\n\r\n",
	 200, "", "{\"name\":\"n\",\"octets\":true,\"path\":\"/HS/SRK/a b%\"}"},
	{"GET /v1/fail HTTP/1.1\r\n" HOST "\r\n", 503, "Retry-After: 17", "\"tpm_lockout\""},
	{"GET /v1/silent HTTP/1.1\r\n" HOST "\r\n", 500, "", "\"internal\""},
	{"GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n", 404, "", "\"not_found\""},
	{"GET /v1/status/ HTTP/1.1\r\n" HOST "\r\n", 400, "", "empty segment"},
	{"GET / HTTP/1.1\r\n" HOST "\r\n", 404, "", ""},
	{"GET * HTTP/1.1\r\n" HOST "\r\n", 400, "", ""},
	{"GET /v1/secrets/a%2Fb HTTP/1.1\r\n" HOST "\r\n", 400, "", "escaped slash"},
	{"GET /v1/secrets/a%00b HTTP/1.1\r\n" HOST "\r\n", 400, "", "control character"},
	{"GET /v1/secrets/%2e%2e HTTP/1.1\r\n" HOST "\r\n", 400, "", "dot segment"},
	{"GET /v1/secrets/n?path=%00 HTTP/1.1\r\n" HOST "\r\n", 400, "", "control character"},
	{"GET /v1/secrets/n?path=%0 HTTP/1.1\r\n" HOST "\r\n", 400, "", "escape"},
	{"GET /v1/secrets/n?path=a&path=b HTTP/1.1\r\n" HOST "\r\n", 400, "", "given twice"},
	{"GET /v1/secrets/n?1&2&3&4&5&6&7&8&9 HTTP/1.1\r\n" HOST "\r\n", 400, "", "more than 8"},
	{"POST /v1/status HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET", "\"status\":405"},
	{"PATCH /v1/secrets/x HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, PUT, DELETE",
	 "\"not_supported\""},
	{"BREW /v1/status HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET", "header Allow"},
	{"BREW /v1/nothing HTTP/1.1\r\n" HOST "\r\n", 404, "", ""},
	{"GET /v1/status HTTP/1.1\r\n" HOST "If-None-Match: *\r\n\r\n", 200, "", ""},
	{"GET /v1/status HTTP/1.1\r\n" HOST "If-None-Match: \"a\"\r\n\r\n", 400, "",
	 "If-None-Match"},
	{"GET /v1/status HTTP/1.1\r\n" HOST "if-none-match: *, *\r\n\r\n", 400, "",
	 "If-None-Match"},
	{"GET /v1/status HTTP/1.1\r\n" HOST "If-Match: *\r\n\r\n", 400, "", "If-Match"},
	{"GET /v1/status HTTP/1.1\r\n" HOST "If-Match: \"a\"\r\n\r\n", 400, "", "If-Match"},
	{"GET /v1/status HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\n\r\n", 400, "",
	 "Content-Encoding"},
	{"POST /v1/forbidden HTTP/1.1\r\n" HOST "\r\n", 403,
	 "Content-Type: application/problem+json", "\"forbidden\""},
};

/* After these it is closed. */
static const struct exchange CLOSING[] = {
	{"GET /v1/status HTTP/1.0\r\n\r\n", 200, "Content-Type: application/json", ""},
	{"GET /v1/status HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, "", ""},
	{"POST /v1/forbidden HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 403,
	 "Connection: close", "not for you"},
	{"POST /v1/nothing HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 404,
	 "Connection: close", ""},
	{"GET /v1/status HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", 400, "Connection: close",
	 "takes no body"},
	{"GET /v1/status HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400, "",
	 "takes no body"},
	{"POST /v1/echo HTTP/1.1\r\n" HOST OCTETS "Content-Length: 2\r\n\r\n{}", 400, "",
	 "must be application/json\""},
	{"PUT /v1/secrets/a HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\n"
	 "Content-Length: 2\r\n\r\n{}",
	 400, "", "must be application/json or application/octet-stream\""},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", 413, "Connection: close",
	 "\"too_large\""},
	{"POST /v1/echo/more HTTP/1.1\r\n" HOST "Content-Length: 1002\r\n\r\n", 413,
	 "Connection: close", "1001"},
	{"PUT /v1/secrets/a HTTP/1.1\r\n" HOST OCTETS "Content-Length: 262145\r\n\r\n", 413,
	 "Connection: close", "262144"},
	{"PUT /v1/secrets/a HTTP/1.1\r\n" HOST OCTETS
	 "Content-Length: 18446744073709551614\r\n\r\n",
	 413, "Connection: close", ""},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400,
	 "Connection: close", "Content-Length is given twice"},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\ncontent-length: 0\r\n\r\n{}", 400,
	 "Connection: close", ""},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 2\r\n\r\n{}", 400,
	 "Connection: close", ""},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "0\r\n\r\n",
	 400, "Connection: close", "exclude each other"},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
	 "Transfer-Encoding: chunked\r\n\r\n",
	 400, "", "given twice"},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
	 400, "Connection: close", "Content-Encoding"},
	{"GET /v1/status HTTP/1.1\r\n" HOST "If-None-Match: *\r\nIf-None-Match: *\r\n\r\n", 400, "",
	 "If-None-Match is given twice"},
	{"GET /v1/status HTTP/1.1\r\n" HOST HOST "\r\n", 400, "", "Host is given twice"},
	{"GET /v1/status HTTP/1.1\r\n" HOST "Upgrade: h2c\r\n\r\n", 400, "", "upgrade"},
};

/* After these, too; since its 1.0 the library refuses them itself, in its own words. */
static const struct exchange CLOSING_EARLY[] = {
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length : 2\r\n\r\n", 400, "", "malformed name"},
	{"POST /v1/echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400, "",
	 "chunked"},
	{"GET /v1/status HTTP/1.1\r\n\r\n", 400, "", "Host is missing"},
};

/* A client can read a problem with any JSON parser, and its status is the answer's. */
static void check_problem(const struct client *client, unsigned status)
{
	struct json_t *json = NULL;
	uint64_t told = 0;
	struct err err;

	assert_true(client_has_header(client, "Content-Type: application/problem+json"));
	assert_int_equal(json_parse(slice_str(client_body(client)), &json, &err), 0);
	assert_int_equal(json_get_u64(json, "status", true, 0, 999, &told, &err), 0);
	assert_int_equal(told, status);
	json_free(json);
}

static void exchange_run(struct client *client, const struct exchange *x)
{
	client_ask(client, x->request, x->status);
	if (x->header[0] != '\0' && !client_has_header(client, x->header))
		fail_msg("'%s' lacks '%s'", (const char *)client->in.data, x->header);
	if (!strstr(client_body(client), x->body))
		fail_msg("'%s' lacks '%s'", (const char *)client->in.data, x->body);
	if (x->status >= 400)
		check_problem(client, x->status);
	client_next(client);
}

static void test_keeping(void **state)
{
	struct fixture f;
	struct client *client;
	size_t i;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	for (i = 0; i < ARRAY_LEN(KEEPING); i++)
		exchange_run(client, &KEEPING[i]);
	assert_int_equal(f.added, 1);
	fixture_end(&f);
}

/* RFC 9112, 7.1.1: what follows a chunk's size is ignored. Library 1.0.1 takes it for malformed. */
static void test_chunk_extension(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client_send(client, "POST /v1/echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
			    "4;x=y\r\ndefg\r\n0\r\n\r\n");
	client_wait_answer(client);
	if (fixture_library_refuses() && client_status(client) == 400)
		assert_int_equal(f.handled, 0);
	else
		assert_string_equal(client_body(client), "defg");
	fixture_end(&f);
}

/* RFC 9112, 3.2: a target has no space in it; library 1.0 sends its client to the escaped one and
 * closes. */
static void test_space_in_target(void **state)
{
	static const struct exchange ASK = {"GET /v1/secrets/a b HTTP/1.1\r\n" HOST "\r\n", 400, "",
					    "plain ASCII"};
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	if (fixture_library_refuses()) {
		client_ask(client, ASK.request, 301);
		client_wait_eof(client);
	} else {
		exchange_run(client, &ASK);
	}
	assert_int_equal(f.handled + f.admitted, 0);
	fixture_end(&f);
}

static void closing_run(const struct exchange *x, bool by_library)
{
	struct fixture f;
	struct client *client;

	fixture_begin(&f);
	client = client_new(&f);
	if (by_library) {
		client_ask(client, x->request, x->status);
		client_next(client);
		assert_int_equal(f.handled + f.admitted, 0);
	} else {
		exchange_run(client, x);
	}
	client_wait_eof(client);
	assert_int_equal(client->in.len, 0);
	fixture_end(&f);
}

static void test_closing(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CLOSING); i++)
		closing_run(&CLOSING[i], false);
	for (i = 0; i < ARRAY_LEN(CLOSING_EARLY); i++)
		closing_run(&CLOSING_EARLY[i], fixture_library_refuses());
}

static void test_head(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client->bodyless = true;
	client_ask(client, "HEAD /v1/status HTTP/1.1\r\n" HOST "\r\n", 405);
	assert_true(client_has_header(client, "Allow: GET"));
	client_next(client);
	client->bodyless = false;
	client_ask(client, "GET /v1/status HTTP/1.1\r\n" HOST "\r\n", 200);
	fixture_end(&f);
}

static void test_keep_alive_and_pipeline(void **state)
{
	static const char ASK[] = "POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n";
	struct fixture f;
	struct client *client;
	unsigned i;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	for (i = 0; i < 3; i++) {
		client_send(client, ASK);
		client_ask(client, i == 1 ? "b" : "a", 200);
		assert_int_equal(client_body(client)[0], i == 1 ? 'b' : 'a');
		client_next(client);
	}
	assert_int_equal(f.added, 1);
	for (i = 0; i < 3; i++) {
		client_send(client, ASK);
		client_send(client, i == 1 ? "d" : "c");
	}
	for (i = 0; i < 3; i++) {
		client_wait_answer(client);
		assert_int_equal(client_body(client)[0], i == 1 ? 'd' : 'c');
		client_next(client);
	}
	assert_int_equal(f.handled, 6);
	fixture_end(&f);
}

static void test_expect_continue(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client_ask(client,
		   "POST /v1/echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
		   "Content-Length: 2\r\n\r\n",
		   100);
	client_next(client);
	client_ask(client, "{}", 200);
	client_next(client);
	client_ask(client,
		   "POST /v1/echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
		   "Content-Length: 1001\r\n\r\n",
		   413);
	client_wait_eof(client);
	fixture_end(&f);
}

/* A request whose header has exactly @len bytes. */
static void send_header_of(struct client *client, size_t len)
{
	static const char START[] = "GET /v1/status HTTP/1.1\r\n" HOST "X: ";
	size_t fill = len - strlen(START) - 4;
	char *text = malloc(fill + 5);

	assert_non_null(text);
	memset(text, 'a', fill);
	memcpy(text + fill, "\r\n\r\n", 5);
	client_send(client, START);
	client_send(client, text);
	free(text);
}

static void test_header_limit(void **state)
{
	static const struct {
		size_t len;
		unsigned status;
	} CASES[] = {
		{HTTP_HEADER_MAX, 200},
		{HTTP_HEADER_MAX + 1, 413},
		{2 * HTTP_HEADER_MAX, 413},
		{5 * HTTP_HEADER_MAX, 431}, /* the library's own */
	};
	struct fixture f;
	size_t i;

	(void)state;
	fixture_begin(&f);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct client *client = client_new(&f);

		send_header_of(client, CASES[i].len);
		client_wait_answer(client);
		assert_int_equal(client_status(client), CASES[i].status);
	}
	assert_int_equal(f.handled, 1);
	fixture_end(&f);
}

static void test_body_limit_of_chunks(void **state)
{
	static const char HEAD[] =
		"POST /v1/echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
	char chunk[FIXTURE_JSON_MAX + 1];
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	memset(chunk, 'a', FIXTURE_JSON_MAX);
	chunk[FIXTURE_JSON_MAX] = '\0';
	client_send(client, HEAD);
	client_send(client, "3e8\r\n");
	client_send(client, chunk);
	client_ask(client, "\r\n0\r\n\r\n", 200);
	client_next(client);
	client_send(client, HEAD);
	client_send(client, "3e8\r\n");
	client_send(client, chunk);
	client_ask(client, "\r\n1\r\na\r\n0\r\n\r\n", 413);
	check_problem(client, 413);
	assert_int_equal(f.handled, 1);

	/* One chunk without end is cut long before it ends, and long before its deadline. */
	client = client_new(&f);
	client_send(client, HEAD);
	client_send(client, "fffffffff\r\n");
	client_drip(client, 65536, 1000);
	client_wait_eof(client);
	assert_true(client->dripped < 4u * 1024u * 1024u);
	assert_int_equal(f.handled, 1);
	fixture_end(&f);
}

/* Bodies that come in many pieces arrive whole, and large answers too. */
static void test_large(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client_send(client,
		    "PUT /v1/secrets/a HTTP/1.1\r\n" HOST OCTETS "Content-Length: 262144\r\n\r\n");
	client_drip(client, 32768, 1000);
	client_wait_answer(client);
	loop_timer_clear(&client->drip);
	assert_int_equal(client_status(client), 201);
	assert_non_null(strstr(client_body(client), "\"length\":262144"));
	client = client_new(&f);
	client_ask(client, "GET /v1/big HTTP/1.1\r\n" HOST "\r\n", 200);
	assert_true(client_has_header(client, "Content-Length: 8388608"));
	client_next(client);
	assert_int_equal(client->in.len, 0);
	fixture_end(&f);
}

/* Whoever refuses, the application learns of it once, and of what was served not at all. */
static void test_refusals_are_told(void **state)
{
	static const struct {
		const char *request;
		int code; /* 0 = served, with whatever outcome */
		bool no_route;
	} CASES[] = {
		{"GET /v1/status HTTP/1.1\r\n" HOST "\r\n", 0, false},
		{"GET /v1/fail HTTP/1.1\r\n" HOST "\r\n", 0, false},
		{"GET /v1/nothing HTTP/1.1\r\n" HOST "\r\n", ERR_NOT_FOUND, true},
		{"POST /v1/status HTTP/1.1\r\n" HOST "\r\n", ERR_NOT_SUPPORTED, true},
		{"POST /v1/forbidden HTTP/1.1\r\n" HOST "\r\n", ERR_FORBIDDEN, false},
		{"GET /v1/secrets/n?path=%0 HTTP/1.1\r\n" HOST "\r\n", ERR_INVALID, false},
		{"GET /v1/status HTTP/1.1\r\n" HOST HOST "\r\n", ERR_INVALID, true},
		{"POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", ERR_TOO_LARGE,
		 false},
	};
	struct fixture f;
	size_t i;

	(void)state;
	fixture_begin(&f);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct client *client = client_new(&f);

		f.refused = 0;
		f.refusal = 0;
		client_send(client, CASES[i].request);
		client_wait_answer(client);
		assert_int_equal(f.refused, CASES[i].code != 0);
		assert_int_equal(f.refusal, CASES[i].code);
		if (CASES[i].code != 0)
			assert_int_equal(f.no_route, CASES[i].no_route);
	}
	fixture_end(&f);
}

/* The library refuses these itself, in its own words; what counts is that nothing follows. */
static void test_malformed_lengths(void **state)
{
	static const char *const LENGTHS[] = {"-1", "+11", "", "11, 11", "0x0b", "11x", "1 1"};
	struct fixture f;
	size_t i;

	(void)state;
	fixture_begin(&f);
	for (i = 0; i < ARRAY_LEN(LENGTHS); i++) {
		struct client *client = client_new(&f);

		client_send(client, "POST /v1/echo HTTP/1.1\r\n" HOST "Content-Length: ");
		client_send(client, LENGTHS[i]);
		client_send(client,
			    "\r\n\r\n{\"a\":\"bc\"}GET /v1/status HTTP/1.1\r\n" HOST "\r\n");
		client_wait_eof(client);
		assert_int_equal(client_status(client), 400);
	}
	assert_int_equal(f.handled, 0);
	client_ask(client_new(&f), "GET /v1/status HTTP/1.1\r\n" HOST "\r\n", 200);
	fixture_end(&f);
}

static void test_malformed_application(void **state)
{
	static const struct http_route ROUTE = {.method = HTTP_GET, .path = "v1"};
	const struct http_limits limits = {1, 1, 1, 1, 1}, zero = {1, 1, 0, 1, 1};
	const struct http_ops ops = {.admit = NULL};
	struct http *http = NULL;
	struct loop *loop = NULL;
	struct err err;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	assert_int_equal(http_new(loop, &ROUTE, 1, &limits, &ops, NULL, &http, &err), ERR_INTERNAL);
	assert_int_equal(http_new(loop, &ROUTE, 0, &zero, &ops, NULL, &http, &err), ERR_INTERNAL);
	assert_null(http);
	http_free(NULL);
	loop_free(loop);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_keeping),
		cmocka_unit_test(test_chunk_extension),
		cmocka_unit_test(test_space_in_target),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_keep_alive_and_pipeline),
		cmocka_unit_test(test_expect_continue),
		cmocka_unit_test(test_header_limit),
		cmocka_unit_test(test_body_limit_of_chunks),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_refusals_are_told),
		cmocka_unit_test(test_malformed_lengths),
		cmocka_unit_test(test_malformed_application),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
