/* SPDX-License-Identifier: Apache-2.0 */
/* The route table: what is found, what is refused, and which tables are malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "http/impl.h"

static void handle(struct http_request *request, void *app)
{
	(void)request;
	(void)app;
}

#define ROUTE(m, p)                                                                                \
	{                                                                                          \
		.method = (m), .path = (p), .handler = handle                                      \
	}

static const struct http_route ROUTES[] = {
	ROUTE(HTTP_GET, "/"),
	ROUTE(HTTP_GET, "/v1/keys"),
	ROUTE(HTTP_POST, "/v1/keys"),
	ROUTE(HTTP_GET, "/v1/keys/{name}"),
	ROUTE(HTTP_DELETE, "/v1/keys/{name}"),
	ROUTE(HTTP_POST, "/v1/keys/{name}/sign"),
	ROUTE(HTTP_PUT, "/v1/{kind}/{name}/x/{part}"),
	ROUTE(HTTP_PUT, "/v2/{kind}/{name}"),
	ROUTE(HTTP_PUT, "/v2/a/b"),
	ROUTE(HTTP_PUT, "/v2/a/{name}"),
};

#define FOUND_NONE ARRAY_LEN(ROUTES)

static void test_find(void **state)
{
	static const struct {
		enum http_method method;
		const char *raw;
		size_t found;
		unsigned allowed;
	} CASES[] = {
		{HTTP_GET, "/", 0, 0},
		{HTTP_POST, "/", FOUND_NONE, 1u << HTTP_GET},
		{HTTP_GET, "/v1/keys", 1, 0},
		{HTTP_POST, "/v1/keys", 2, 0},
		{HTTP_PUT, "/v1/keys", FOUND_NONE, 1u << HTTP_GET | 1u << HTTP_POST},
		{HTTP_METHODS, "/v1/keys", FOUND_NONE, 1u << HTTP_GET | 1u << HTTP_POST},
		{HTTP_GET, "/v1/keys/sign", 3, 0},
		{HTTP_DELETE, "/v1/keys/%73", 4, 0},
		{HTTP_POST, "/v1/keys/a", FOUND_NONE, 1u << HTTP_GET | 1u << HTTP_DELETE},
		{HTTP_POST, "/v1/keys/a/sign", 5, 0},
		{HTTP_POST, "/v1/keys/a/sigN", FOUND_NONE, 0},
		{HTTP_POST, "/v1/keys/a/sign/b", FOUND_NONE, 0},
		{HTTP_PUT, "/v1/keys/a/x/b", 6, 0},
		{HTTP_GET, "/v1", FOUND_NONE, 0},
		{HTTP_METHODS, "/v2", FOUND_NONE, 0},
		{HTTP_PUT, "/v2/b/b", 7, 0},
		{HTTP_PUT, "/v2/a/b", 8, 0},
		{HTTP_PUT, "/v2/a/c", 9, 0},
		{HTTP_GET, "/v2/a/b", FOUND_NONE, 1u << HTTP_PUT},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		const struct http_route *route = NULL;
		struct http_path path;
		struct err err = {.code = 0};
		unsigned allowed = 0;
		int r;

		assert_int_equal(http_path_parse(CASES[i].raw, &path, &err), 0);
		r = http_route_find(ROUTES, ARRAY_LEN(ROUTES), CASES[i].method, &path, &route,
				    &allowed, &err);
		assert_int_equal(allowed, CASES[i].allowed);
		if (CASES[i].found < FOUND_NONE) {
			assert_int_equal(r, 0);
			assert_ptr_equal(route, &ROUTES[CASES[i].found]);
		} else {
			assert_int_equal(r, allowed ? ERR_NOT_SUPPORTED : ERR_NOT_FOUND);
			assert_null(route);
		}
	}
}

static void test_parameters(void **state)
{
	(void)state;
	assert_int_equal(http_route_parameter(&ROUTES[0], 0), HTTP_SEGMENTS_MAX);
	assert_int_equal(http_route_parameter(&ROUTES[1], 0), HTTP_SEGMENTS_MAX);
	assert_int_equal(http_route_parameter(&ROUTES[3], 0), 2);
	assert_int_equal(http_route_parameter(&ROUTES[3], 1), HTTP_SEGMENTS_MAX);
	assert_int_equal(http_route_parameter(&ROUTES[6], 0), 1);
	assert_int_equal(http_route_parameter(&ROUTES[6], 1), 2);
	assert_int_equal(http_route_parameter(&ROUTES[6], 2), 4);
}

static void test_tables(void **state)
{
	static const struct http_route MALFORMED[] = {
		ROUTE(HTTP_GET, NULL),
		ROUTE(HTTP_GET, ""),
		ROUTE(HTTP_GET, "v1"),
		ROUTE(HTTP_GET, "/v1/"),
		ROUTE(HTTP_GET, "//"),
		ROUTE(HTTP_GET, "/v1//x"),
		ROUTE(HTTP_GET, "/v1/{}"),
		ROUTE(HTTP_GET, "/v1/{name"),
		ROUTE(HTTP_GET, "/v1/name}"),
		ROUTE(HTTP_GET, "/v1/a{name}"),
		ROUTE(HTTP_GET, "/v1/a b"),
		ROUTE(HTTP_GET, "/v1/%61"),
		ROUTE(HTTP_GET, "/1/2/3/4/5/6/7/8/9"),
		ROUTE(HTTP_METHODS, "/v1"),
		{.method = HTTP_GET, .path = "/v1"},
		{.method = HTTP_GET,
		 .path = "/v1",
		 .handler = handle,
		 .body = HTTP_BODY_STREAM_OR_JSON,
		 .octets_max = 1},
		{.method = HTTP_GET,
		 .path = "/v1",
		 .handler = handle,
		 .body = HTTP_BODY_OCTETS_OR_JSON,
		 .stream_max = 1},
	};
	static const struct http_route CLASHING[][2] = {
		{ROUTE(HTTP_GET, "/v1"), ROUTE(HTTP_GET, "/v1")},
		{ROUTE(HTTP_GET, "/"), ROUTE(HTTP_GET, "/")},
		{ROUTE(HTTP_GET, "/v1/{a}"), ROUTE(HTTP_GET, "/v1/{b}")},
		{ROUTE(HTTP_GET, "/{a}/b"), ROUTE(HTTP_GET, "/a/{b}")},
	};
	struct err err;
	size_t i;

	(void)state;
	assert_int_equal(http_routes_check(ROUTES, ARRAY_LEN(ROUTES), &err), 0);
	for (i = 0; i < ARRAY_LEN(MALFORMED); i++)
		if (http_routes_check(&MALFORMED[i], 1, &err) != ERR_INTERNAL)
			fail_msg("table %zu was taken", i);
	for (i = 0; i < ARRAY_LEN(CLASHING); i++)
		if (http_routes_check(CLASHING[i], 2, &err) != ERR_INTERNAL)
			fail_msg("pair %zu was taken", i);
}

static void test_methods(void **state)
{
	char text[HTTP_ALLOW_SIZE];

	(void)state;
	assert_int_equal(http_method_of("GET"), HTTP_GET);
	assert_int_equal(http_method_of("DELETE"), HTTP_DELETE);
	assert_int_equal(http_method_of("get"), HTTP_METHODS);
	assert_int_equal(http_method_of("HEAD"), HTTP_HEAD);
	assert_int_equal(http_method_of("HEADS"), HTTP_METHODS);
	assert_int_equal(http_method_of(""), HTTP_METHODS);
	http_allow_text(0xff, text);
	assert_string_equal(text, "GET, POST, PUT, DELETE, HEAD");
	http_allow_text(1u << HTTP_PUT, text);
	assert_string_equal(text, "PUT");
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_methods),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
