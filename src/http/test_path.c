/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and escapes: tables of raw text and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "http/impl.h"

#define A32  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A31  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A255 A32 A32 A32 A32 A32 A32 A32 A31
#define E32                                                                                        \
	"%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%" \
	"61%61%61"

static void test_good_paths(void **state)
{
	static const struct {
		const char *raw;
		size_t count;
		const char *segments[HTTP_SEGMENTS_MAX];
	} CASES[] = {
		{"/", 0, {NULL}},
		{"/v1", 1, {"v1"}},
		{"/v1/keys/a.b/sign", 4, {"v1", "keys", "a.b", "sign"}},
		{"/v1/secrets/%61%2E%7Eb", 3, {"v1", "secrets", "a.~b"}},
		{"/a%25b", 1, {"a%b"}},
		{"/a+b", 1, {"a+b"}},
		{"/%c3%A4", 1, {"\xc3\xa4"}},
		{"/.../..a", 2, {"...", "..a"}},
		{"/1/2/3/4/5/6/7/8", 8, {"1", "2", "3", "4", "5", "6", "7", "8"}},
		{"/" A255, 1, {A255}},
		{"/" E32 E32 E32 E32 A32 A32 A32 A31, 1, {A255}},
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct http_path path;
		struct err err = {.code = 0};

		assert_int_equal(http_path_parse(CASES[i].raw, &path, &err), 0);
		assert_int_equal(path.count, CASES[i].count);
		for (j = 0; j < path.count; j++)
			assert_string_equal(path.segments[j], CASES[i].segments[j]);
	}
}

static void test_bad_paths(void **state)
{
	static const struct {
		const char *raw;
		int code;
	} CASES[] = {
		{"", ERR_INVALID},
		{"*", ERR_INVALID},
		{"v1", ERR_INVALID},
		{"http://x/v1", ERR_INVALID},
		{"//", ERR_INVALID},
		{"//v1", ERR_INVALID},
		{"/v1/", ERR_INVALID},
		{"/v1//keys", ERR_INVALID},
		{"/.", ERR_INVALID},
		{"/v1/../keys", ERR_INVALID},
		{"/v1/%2e%2E/keys", ERR_INVALID},
		{"/v1/%2e", ERR_INVALID},
		{"/v1/a%2fb", ERR_INVALID},
		{"/v1/a%2Fb", ERR_INVALID},
		{"/v1/a%00b", ERR_INVALID},
		{"/v1/%00", ERR_INVALID},
		{"/v1/a%0ab", ERR_INVALID},
		{"/v1/a%7fb", ERR_INVALID},
		{"/v1/a%ffb", ERR_INVALID},
		{"/v1/%c3", ERR_INVALID},
		{"/v1/%c0%af", ERR_INVALID},
		{"/v1/%", ERR_INVALID},
		{"/v1/%4", ERR_INVALID},
		{"/v1/%4/1", ERR_INVALID},
		{"/v1/%4g", ERR_INVALID},
		{"/v1/%g4", ERR_INVALID},
		{"/v1/% 4", ERR_INVALID},
		{"/v1/a b", ERR_INVALID},
		{"/v1/a\tb", ERR_INVALID},
		{"/v1/a#b", ERR_INVALID},
		{"/v1/\xc3\xa4", ERR_INVALID},
		{"/1/2/3/4/5/6/7/8/9", ERR_NOT_FOUND},
		{"/" A255 "a", ERR_NOT_FOUND},
		{"/" A32 A32 A32 A32 A32 A32 A32 E32, ERR_NOT_FOUND},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct http_path path = {.count = 77};
		struct err err = {.code = 0};

		if (http_path_parse(CASES[i].raw, &path, &err) != CASES[i].code)
			fail_msg("'%s' gave %d", CASES[i].raw, err.code);
		assert_int_equal(err.code, CASES[i].code);
		assert_int_equal(path.count, 77);
	}
}

static void test_unescape_in_place(void **state)
{
	char text[] = "/HS%2FSRK/%78 y";
	struct err err;

	(void)state;
	assert_int_equal(http_unescape(slice_str(text), text, sizeof(text), &err), 0);
	assert_string_equal(text, "/HS/SRK/x y");
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_good_paths),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_unescape_in_place),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
