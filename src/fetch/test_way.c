/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests go: redirects, what goes along, and names that stand for somebody else. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <netdb.h>

#include "fetch/test_fixture.h"

typedef int (*resolve_fn)(const char *node, const char *service, const struct addrinfo *hints,
			  struct addrinfo **result);

/*
 * libcurl's look-ups come here: away.test is an address that is not ours (RFC 5737), mixed.test
 * that and then ours.
 */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
						       const struct addrinfo *hints,
						       struct addrinfo **result)
{
	static resolve_fn resolve;
	int r;

	if (!resolve)
		*(void **)&resolve = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node && strcmp(node, "away.test") == 0)
		return resolve("192.0.2.1", service, hints, result);
	if (!node || strcmp(node, "mixed.test") != 0)
		return resolve(node, service, hints, result);
	r = resolve("192.0.2.1", service, hints, result);
	return r == 0 ? resolve("127.0.0.1", service, hints, &(*result)->ai_next) : r;
}

static struct server server, other;
static struct client client;

static int teardown(void **state)
{
	(void)state;
	client_stop(&client);
	server_stop(&server);
	server_stop(&other);
	return 0;
}

#define GO    "HTTP/1.1 302 Go\r\nContent-Length: 0\r\nLocation: "
#define FINAL "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal"

/* Scripts of the first server, whose answers name ports that are known later. */
static char answers[3][256];
static const struct script SCRIPTS[] = {
	{"/final", FINAL, .then = KEEP},
	{"/same", GO "/final\r\n\r\n", .then = KEEP},
	{"/moved", "HTTP/1.1 301 Go\r\nContent-Length: 100\r\nLocation: final\r\n\r\n",
	 .body = 100},
	{"/see", "HTTP/1.1 303 Go\r\nContent-Length: 0\r\nLocation: //127.0.0.1/\r\n\r\n",
	 .then = KEEP},
	{"/307", "HTTP/1.1 307 Go\r\nContent-Length: 0\r\nLocation: ./final\r\n\r\n", .then = KEEP},
	{"/308", "HTTP/1.1 308 Go\r\nContent-Length: 0\r\nLocation: /x/../final\r\n\r\n",
	 .then = KEEP},
	{"/x/../final", FINAL, .then = KEEP},
	{"/two", GO "/same\r\n\r\n", .then = KEEP},
	{"/loop", GO "/loop\r\n\r\n", .then = KEEP},
	{"/nowhere", "HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n", .then = KEEP},
	{"/file", GO "file:///etc/passwd\r\n\r\n", .then = KEEP},
	{"/gopher", GO "gopher://127.0.0.1:1/x\r\n\r\n", .then = KEEP},
	{"/plain", GO "http://192.0.2.1/\r\n\r\n", .then = KEEP},
	{"/user", GO "http://me:word@127.0.0.1/\r\n\r\n", .then = KEEP},
	{"/name", GO "http://away.test/\r\n\r\n", .then = KEEP},
	{"/large", "HTTP/1.1 302 Go\r\nContent-Length: 100000\r\nLocation: /final\r\n\r\n",
	 .body = 100000},
	{"/lies", "HTTP/1.1 302 Go\r\nContent-Length: x\r\nLocation: /final\r\n\r\n",
	 .then = CLOSE},
	{"/other", answers[0], .then = KEEP},
	{"/there-and-back", answers[1], .then = KEEP},
};
static const struct script OTHERS[] = {
	{"/final", FINAL, .then = KEEP},
	{"/back", answers[2], .then = KEEP},
};

static void begin(void)
{
	server_start(&server, SCRIPTS, ARRAY_LEN(SCRIPTS));
	server_start(&other, OTHERS, ARRAY_LEN(OTHERS));
	(void)snprintf(answers[0], sizeof(answers[0]), GO "%s\r\n\r\n",
		       server_url(&other, "/final"));
	(void)snprintf(answers[1], sizeof(answers[1]), GO "%s\r\n\r\n",
		       server_url(&other, "/back"));
	(void)snprintf(answers[2], sizeof(answers[2]), GO "%s\r\n\r\n",
		       server_url(&server, "/final"));
	client_start(&client, true);
}

static void test_redirects(void **state)
{
	static const struct {
		const char *path;
		unsigned redirects;
		enum fetch_method method;
		enum fetch_end end;
		unsigned status;
		int code;
	} rows[] = {
		{"/same", 0, FETCH_GET, FETCH_DONE, 302, 0},
		{"/same", 1, FETCH_GET, FETCH_DONE, 200, 0},
		{"/same", 1, FETCH_HEAD, FETCH_DONE, 200, 0},
		{"/same", 1, FETCH_POST, FETCH_DONE, 302, 0},
		{"/same", 1, FETCH_PUT, FETCH_DONE, 302, 0},
		{"/same", 1, FETCH_DELETE, FETCH_DONE, 302, 0},
		{"/moved", 1, FETCH_GET, FETCH_DONE, 200, 0},
		{"/307", 1, FETCH_GET, FETCH_DONE, 200, 0},
		{"/308", 1, FETCH_GET, FETCH_DONE, 200, 0},
		{"/see", 1, FETCH_GET, FETCH_UNREACHABLE, 0, ERR_INTERNAL},
		{"/two", 1, FETCH_GET, FETCH_REFUSED, 302, ERR_DAMAGED},
		{"/two", 2, FETCH_GET, FETCH_DONE, 200, 0},
		{"/loop", 10, FETCH_GET, FETCH_REFUSED, 302, ERR_DAMAGED},
		{"/nowhere", 1, FETCH_GET, FETCH_REFUSED, 302, ERR_DAMAGED},
		{"/file", 1, FETCH_GET, FETCH_REFUSED, 302, ERR_INVALID},
		{"/gopher", 1, FETCH_GET, FETCH_REFUSED, 302, ERR_INVALID},
		{"/plain", 1, FETCH_GET, FETCH_REFUSED, 302, ERR_INVALID},
		{"/user", 1, FETCH_GET, FETCH_REFUSED, 302, ERR_INVALID},
		{"/name", 1, FETCH_GET, FETCH_UNREACHABLE, 0, ERR_FORBIDDEN},
		{"/large", 1, FETCH_GET, FETCH_REFUSED, 302, ERR_TOO_LARGE},
		{"/lies", 1, FETCH_GET, FETCH_REFUSED, 0, ERR_DAMAGED},
	};
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		client_fetch(&client,
			     &(struct fetch_request){.url = server_url(&server, rows[i].path),
						     .method = rows[i].method,
						     .redirects = rows[i].redirects});
		if (client.end != rows[i].end || client.status != rows[i].status ||
		    client.code != rows[i].code || client.ends != 1 ||
		    client.heads != (rows[i].end == FETCH_DONE ? 1 : 0))
			fail_msg("row %zu, %s: end %d status %u code %d heads %u: %s", i,
				 rows[i].path, (int)client.end, client.status, client.code,
				 client.heads, client.text);
		if (client.status == 200 && rows[i].method == FETCH_GET)
			assert_true(slice_equal(buf_slice(&client.data), slice_str("final")));
	}
}

/* What the final answer's server got of what is secret. */
static void fetch_with_secrets(const char *path, const struct secret *token)
{
	static const struct fetch_header headers[] = {{"X-Key", "hidden", true},
						      {"X-Open", "shown", false}};

	server_forget(&server);
	server_forget(&other);
	client_fetch(&client, &(struct fetch_request){.url = server_url(&server, path),
						      .headers = headers,
						      .header_count = ARRAY_LEN(headers),
						      .bearer = token,
						      .redirects = 5,
						      .from = 3});
	assert_int_equal(client.status, 200);
	assert_int_equal(client.end, FETCH_DONE);
}

static void test_credentials(void **state)
{
	CLEANUP(secret_cleanup) struct secret *token = NULL;
	struct err err;

	(void)state;
	assert_int_equal(secret_copy(slice_str("token"), &token, &err), 0);
	begin();
	fetch_with_secrets("/other", token);
	assert_true(server_saw(&server, "X-Key: hidden\r\n"));
	assert_true(server_saw(&server, "Authorization: Bearer token\r\n"));
	assert_true(server_saw(&other, "GET /final "));
	assert_true(server_saw(&other, "X-Open: shown\r\n"));
	assert_true(server_saw(&other, "Range: bytes=3-\r\n"));
	assert_false(server_saw(&other, "X-Key"));
	assert_false(server_saw(&other, "hidden"));
	assert_false(server_saw(&other, "token"));
	fetch_with_secrets("/there-and-back", token);
	assert_false(server_saw(&other, "token"));
	assert_false(server_saw(&other, "hidden"));
	/* The last request is again to whom they belong. */
	server_forget(&server);
	fetch_with_secrets("/same", token);
	assert_true(server_saw(&server, "GET /final HTTP/1.1\r\n"));
	assert_true(server_saw(&server, "Authorization: Bearer token\r\n"));
}

/* An address in place of the name: the check is for what is connected to. */
static void test_addresses(void **state)
{
	char url[64];

	(void)state;
	begin();
	(void)snprintf(url, sizeof(url), "http://away.test:%u/final", server.port);
	client_fetch(&client, &(struct fetch_request){.url = url});
	assert_int_equal(client.end, FETCH_UNREACHABLE);
	assert_int_equal(client.code, ERR_FORBIDDEN);
	assert_int_equal(server_accepted(&server), 0);
	(void)snprintf(url, sizeof(url), "http://mixed.test:%u/final", server.port);
	client_fetch(&client, &(struct fetch_request){.url = url});
	assert_int_equal(client.end, FETCH_DONE);
	(void)snprintf(url, sizeof(url), "http://localhost:%u/final", server.port);
	client_fetch(&client, &(struct fetch_request){.url = url});
	assert_int_equal(client.end, FETCH_DONE);
}

static void test_not_for_development(void **state)
{
	struct fetch_request request = {.url = NULL};
	struct fetch_transfer *transfer = NULL;
	struct err err;

	(void)state;
	begin();
	client_stop(&client);
	client_start(&client, false);
	request.url = server_url(&server, "/final");
	assert_int_equal(fetch_start(client.fetch, &request, &client_ops, &client, &transfer, &err),
			 ERR_INVALID);
	/* A Unix socket is nobody else's, and leads nowhere else. */
	client_fetch(&client, &(struct fetch_request){.url = "http://any/final",
						      .unix_socket = server.path});
	assert_int_equal(client.status, 200);
	assert_true(server_saw(&server, "\r\nHost: any\r\n"));
	client_fetch(&client, &(struct fetch_request){.url = "http://any/other",
						      .unix_socket = server.path,
						      .redirects = 5});
	assert_int_equal(client.status, 302);
	assert_int_equal(server_accepted(&server), 1);
	assert_int_equal(server_accepted(&other), 0);
}

/* Who signs a request signs what goes out. */
static void test_target(void **state)
{
	static const struct {
		const char *host, *path;
	} rows[] = {
		{"localhost", ""},
		{"LocalHost", "/a//b/../c"},
		{"127.1", "/%2f%41/."},
		{"127.0.0.1", "//"},
	};
	CLEANUP(buf_fini) struct buf host = BUF_INIT(256), path = BUF_INIT(256);
	char url[128], head[256];
	struct err err;
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		host.len = path.len = 0;
		(void)snprintf(url, sizeof(url), "http://%s:%u%s", rows[i].host, server.port,
			       rows[i].path);
		assert_int_equal(fetch_target(url, &host, &path, &err), 0);
		(void)snprintf(head, sizeof(head), "GET %.*s HTTP/1.1\r\nHost: %.*s\r\n",
			       (int)path.len, (const char *)path.data, (int)host.len,
			       (const char *)host.data);
		server_forget(&server);
		client_fetch(&client, &(struct fetch_request){.url = url});
		assert_int_equal(client.end, FETCH_DONE);
		if (!server_saw(&server, head))
			fail_msg("%s: not %s", url, head);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_redirects, teardown),
		cmocka_unit_test_teardown(test_credentials, teardown),
		cmocka_unit_test_teardown(test_addresses, teardown),
		cmocka_unit_test_teardown(test_not_for_development, teardown),
		cmocka_unit_test_teardown(test_target, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
