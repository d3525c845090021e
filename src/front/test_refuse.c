/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused before the loader hears of it, and that it does not hear of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "front/test_fixture.h"

#define GET(path)	  "GET " path " HTTP/1.1\r\n"
#define POST(path)	  "POST " path " HTTP/1.1\r\n"
#define BEARER(text)	  "Authorization: " text "\r\n"
#define WHO		  "{\"email\":\"a@b.c\",\"password\":\"pw\"}"
#define FILENAME(name)	  "{\"filename\":\"" name "\"}"
#define A32		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256		  A32 A32 A32 A32 A32 A32 A32 A32
#define FORM_TYPE(params) HOST "Content-Type: multipart/form-data" params "\r\n"

static void test_heads(void **state)
{
	static const struct {
		const char *head;
		const char *body;
		unsigned status;
		const char *code;
	} CASES[] = {
		{GET("/health") "Host: other\r\n", NULL, 403, "policy_denied"},
		{GET("/health") "Host: loader:8081\r\n", NULL, 403, "policy_denied"},
		{GET("/health") "Host: loader.example\r\n", NULL, 403, "policy_denied"},
		{GET("/health") "Host: \r\n", NULL, 403, "policy_denied"},
		{"GET /health HTTP/1.0\r\n", NULL, 403, "policy_denied"},
		{GET("/health") HOST "Host: loader:8080\r\n", NULL, 400, "invalid"},
		{GET("/health") HOST "Origin: http://loader:8080\r\n", NULL, 403, "policy_denied"},
		{GET("/health") HOST "Origin: null\r\n", NULL, 403, "policy_denied"},
		{GET("/health") HOST "origin:\r\n", NULL, 403, "policy_denied"},
		{POST("/login") JSON "Origin: x\r\n", WHO, 403, "policy_denied"},
		/* Before there is a path or a method. */
		{GET("/nowhere") "Host: other\r\n", NULL, 403, "policy_denied"},
		{GET("/login") HOST "Origin: x\r\n", NULL, 403, "policy_denied"},
		{GET("/nowhere") HOST, NULL, 404, "not_found"},
		{GET("/") HOST, NULL, 404, "not_found"},
		{GET("/load") HOST, NULL, 404, "not_found"},
		{GET("/docs") HOST, NULL, 404, "not_found"},
		{GET("/load/../status") HOST, NULL, 400, "invalid"},
		{POST("/load/..%2Fx") JSON, FILENAME("../x"), 400, "invalid"},
		{GET("/login") HOST, NULL, 405, "not_supported"},
		{POST("/health") JSON, "{}", 405, "not_supported"},
		{"PUT /upload/x HTTP/1.1\r\n" HOST, "x", 405, "not_supported"},
		{"OPTIONS /login HTTP/1.1\r\n" HOST, NULL, 405, "not_supported"},
		{GET("/health") HOST, "{}", 422, "invalid"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		ask_fails(CASES[i].head, CASES[i].body, CASES[i].status, CASES[i].code);
	/* libmicrohttpd 1.0 refuses it itself, in its own words. */
	ask(GET("/health"), NULL, 400, NULL);
	ask(GET("/health") "Host: LOADER\r\n", NULL, 200, NULL);
	assert_int_equal(fake.asked, 0);
}

static void test_types(void **state)
{
	static const char *const PATHS[] = {POST("/login"), POST("/load/x"), POST("/unlock"),
					    POST("/upload/x")};
	static const char *const TYPES[] = {
		HOST,
		HOST "Content-Type: text/plain\r\n",
		HOST "Content-Type: application/x-www-form-urlencoded\r\n",
		HOST "Content-Type: application/jsonx\r\n",
		HOST "Content-Type: application/octet-stream\r\n",
		HOST "Content-Type: \r\n",
		HOST "Content-Type: multipart/form-dat; boundary=x\r\n",
	};
	size_t path, type;
	char head[512];

	(void)state;
	for (path = 0; path < ARRAY_LEN(PATHS); path++)
		for (type = 0; type < ARRAY_LEN(TYPES); type++) {
			(void)snprintf(head, sizeof(head), "%s%s", PATHS[path], TYPES[type]);
			ask_fails(head, WHO, 415, "invalid");
		}
	/* The one's type is not the other's. */
	ask_fails(POST("/upload/x") JSON, WHO, 415, "invalid");
	ask_fails(POST("/login") FORM_TYPE("; boundary=B"), WHO, 415, "invalid");
	ask_fails(POST("/login") HOST, NULL, 415, "invalid");
	ask_fails(POST("/upload/x") HOST, NULL, 415, "invalid");
	assert_int_equal(fake.asked, 0);
	ask(POST("/login") HOST "Content-Type: Application/JSON; charset=utf-8\r\n", WHO, 200,
	    NULL);
}

static void test_credentials(void **state)
{
	static const char *const BODIES[] = {
		"",
		"{",
		"[]",
		"\"x\"",
		"{}",
		"{\"email\":\"a\"}",
		"{\"password\":\"a\"}",
		"{\"email\":1,\"password\":\"a\"}",
		"{\"email\":null,\"password\":\"a\"}",
		"{\"email\":\"a\",\"password\":[\"a\"]}",
		"{\"email\":\"\",\"password\":\"a\"}",
		"{\"email\":\"a\",\"password\":\"\"}",
		"{\"email\":\"a\",\"password\":\"a\\u0000b\"}",
		"{\"email\":\"a\",\"email\":\"b\",\"password\":\"a\"}",
		"{\"email\":\"a\",\"password\":\"" A256 A256 A256 A256 "a\"}",
		"{\"email\":\"" A256 A256 A256 A256 "a\",\"password\":\"a\"}",
		WHO "x",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BODIES); i++) {
		ask_fails(POST("/login") JSON, BODIES[i], 422, "invalid");
		ask_fails(POST("/unlock") JSON, BODIES[i], 422, "invalid");
	}
	assert_int_equal(fake.asked, 0);
	/* The longest, other members, and all that JSON can say in a string. */
	ask(POST("/login") JSON,
	    "{\"x\":{\"y\":[1]},\"email\":\"" A256 A256 A256 A256
	    "\",\"password\":\"\\u00e4\\\"\"}",
	    200, "{\"status\":\"ok\"}");
	assert_string_equal(fake.email, A256 A256 A256 A256);
	assert_string_equal(fake.password, "\xc3\xa4\"");
}

static void test_resources(void **state)
{
	static const struct {
		const char *head;
		const char *body;
		unsigned status;
	} CASES[] = {
		{POST("/load/x") JSON, "", 422},
		{POST("/load/x") JSON, "[]", 422},
		{POST("/load/x") JSON, "{}", 422},
		{POST("/load/x") JSON, "{\"filename\":1}", 422},
		{POST("/load/x") JSON, FILENAME("y"), 422},
		{POST("/load/x") JSON, FILENAME(""), 422},
		{POST("/load/x") JSON, "{\"filename\":\"x\",\"folder\":null}", 422},
		{POST("/load/x") JSON, "{\"filename\":\"x\",\"folder\":\"\"}", 422},
		{POST("/load/x") JSON, "{\"filename\":\"x\",\"folder\":\"..\"}", 422},
		{POST("/load/x") JSON, "{\"filename\":\"x\",\"folder\":\"a/b\"}", 422},
		{POST("/load/x") JSON, "{\"filename\":\"x\",\"folder\":\"/a\"}", 422},
		{POST("/load/x") JSON, "{\"filename\":\"x\",\"folder\":\".a\"}", 422},
		{POST("/load/.x") JSON, FILENAME(".x"), 422},
		{POST("/load/x%20y") JSON, FILENAME("x y"), 422},
		{POST("/load/x%5Cy") JSON, FILENAME("x\\\\y"), 422},
		{POST("/load/x.small") JSON, FILENAME("x.small"), 422},
		{POST("/load/x") JSON, "{\"filename\":\"x\",\"folder\":\"" A256 "\"}", 422},
		{"DELETE /v2/artifacts/.x HTTP/1.1\r\n" HOST, NULL, 422},
		{"DELETE /v2/artifacts/x?folder=.. HTTP/1.1\r\n" HOST, NULL, 422},
		{"DELETE /v2/artifacts/x?folder= HTTP/1.1\r\n" HOST, NULL, 422},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		ask_fails(CASES[i].head, CASES[i].body, CASES[i].status, "invalid");
	assert_int_equal(fake.asked + fake.cancels, 0);
	ask(POST("/load/x%2Ey") JSON, "{\"filename\":\"x.y\",\"other\":[]}", 200, NULL);
	assert_string_equal(fake.folder, "models");
	assert_string_equal(fake.name, "x.y");
	ask(POST("/load/x") JSON, "{\"folder\":\"F-1\",\"filename\":\"x\"}", 200, NULL);
	assert_string_equal(fake.folder, "F-1");
}

/* Longer than any that could be right. */
static void test_oversized(void **state)
{
	size_t len = 17u * 1024u;
	char *body = malloc(len + 1);

	(void)state;
	assert_non_null(body);
	memset(body, ' ', len);
	body[len] = '\0';
	ask_fails(POST("/login") JSON, body, 422, "too_large");
	ask_fails(POST("/load/x") JSON, body, 422, "too_large");
	ask_fails(POST("/unlock") JSON, body, 422, "too_large");
	(void)snprintf(body, len, "%s%9000d\r\n", GET("/health") HOST "X: ", 1);
	ask_fails(body, NULL, 413, "too_large");
	free(body);
	ask_fails(GET("/" A256) HOST, NULL, 404, "not_found");
	assert_int_equal(fake.asked, 0);
}

static void test_token(void **state)
{
	static const char *const WRONG[] = {
		GET("/health") HOST,
		GET("/health") HOST BEARER("the token"),
		GET("/health") HOST BEARER("Bearer"),
		GET("/health") HOST BEARER("Bearer the toke"),
		GET("/health") HOST BEARER("Bearer the token2"),
		GET("/health") HOST BEARER("Bearer The token"),
		GET("/health") HOST BEARER("Basic the token"),
		GET("/nowhere") HOST,
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(WRONG); i++)
		ask_fails(WRONG[i], NULL, 401, "auth_failed");
	ask_fails(POST("/login") JSON, WHO, 401, "auth_failed");
	/* What a web page could find out is no more with a token. */
	ask_fails(GET("/health") HOST BEARER("Bearer the token") "Origin: x\r\n", NULL, 403,
		  "policy_denied");
	assert_int_equal(fake.asked, 0);
	ask(GET("/health") HOST BEARER("bearer the token"), NULL, 200, NULL);
	ask(POST("/login") JSON BEARER("Bearer the token"), WHO, 200, NULL);
	assert_int_equal(fake.asked, 1);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_heads, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_types, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_credentials, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_resources, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_oversized, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_token, fixture_begin_with_token, fixture_end),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
