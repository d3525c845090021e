/* SPDX-License-Identifier: Apache-2.0 */
/* Content-Type and Accept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/impl.h"

static void test_is(void **state)
{
	static const struct {
		const char *value;
		bool is;
	} CASES[] = {
		{"application/json", true},
		{"Application/JSON", true},
		{" application/json ; charset=utf-8", true},
		{"application/json;charset=utf-8", true},
		{"application/json5", false},
		{"application/jso", false},
		{"application/json, text/plain", false},
		{"application/json text", false},
		{"text/json", false},
		{"", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		if (http_media_is(CASES[i].value, "application/json") != CASES[i].is)
			fail_msg("'%s'", CASES[i].value);
}

static void test_prefers_octets(void **state)
{
	static const struct {
		const char *accept;
		bool octets;
	} CASES[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"application/*", false},
		{"application/json", false},
		{"text/html", false},
		{"application/octet-stream", true},
		{"APPLICATION/Octet-Stream", true},
		{"application/octet-stream, */*", true},
		{"*/*, application/octet-stream", true},
		{"application/octet-stream, application/json", false},
		{"application/octet-stream, application/json;q=0.9", true},
		{"application/octet-stream;q=0.5, application/json;q=0.501", false},
		{"application/octet-stream ; q=0.5 , application/json ; q=0.4", true},
		{"application/octet-stream;q=0", false},
		{"application/octet-stream;q=0, application/json;q=0", false},
		{"application/octet-stream;q=0.0.1", false},
		{"application/octet-stream;q=2, */*;q=0.1", false},
		{"application/octet-stream;q=nan, */*;q=0.1", false},
		{"application/octet-stream;v=1;q=0.1, application/json;q=0.2", false},
		{"application/octet-stream;q=0.1, */*", false},
		{",,;;,application/octet-stream", true},
		{"application/octet-streams", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		if (http_media_prefers(CASES[i].accept, "application/octet-stream",
				       "application/json") != CASES[i].octets)
			fail_msg("'%s'", CASES[i].accept ? CASES[i].accept : "(none)");
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_prefers_octets),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
