/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/impl.h"

#define ETAG "\"abc\""
#define HUGE "99999999999999999999999"

enum { ALL, PART, NONE };

static void test_ranges(void **state)
{
	static const struct {
		const char *range;
		uint64_t total;
		int found;
		uint64_t first, length;
	} CASES[] = {
		{NULL, 10, ALL, 0, 10},
		{"bytes=0-", 10, PART, 0, 10},
		{"bytes=0-0", 10, PART, 0, 1},
		{"bytes=3-5", 10, PART, 3, 3},
		{"bytes=9-", 10, PART, 9, 1},
		{"bytes=9-9", 10, PART, 9, 1},
		{"bytes=9-10", 10, PART, 9, 1},
		{"bytes=0-" HUGE, 10, PART, 0, 10},
		{"bytes=00000000000000000000000000-1", 10, PART, 0, 2},
		{"Bytes= 1-2 ", 10, PART, 1, 2},
		{"bytes=10-", 10, NONE, 0, 0},
		{"bytes=10-20", 10, NONE, 0, 0},
		{"bytes=" HUGE "-", 10, NONE, 0, 0},
		{"bytes=" HUGE "-" HUGE, UINT64_MAX, NONE, 0, 0},
		{"bytes=18446744073709551614-", UINT64_MAX, PART, UINT64_MAX - 1, 1},
		{"bytes=-1", 10, PART, 9, 1},
		{"bytes=-10", 10, PART, 0, 10},
		{"bytes=-11", 10, PART, 0, 10},
		{"bytes=-" HUGE, 10, PART, 0, 10},
		{"bytes=-0", 10, NONE, 0, 0},
		{"bytes=-0", 0, NONE, 0, 0},
		{"bytes=-1", 0, ALL, 0, 0},
		{"bytes=0-", 0, NONE, 0, 0},
		/* What is not known here, or is nothing at all. */
		{"", 10, ALL, 0, 10},
		{"bytes", 10, ALL, 0, 10},
		{"bytes=", 10, ALL, 0, 10},
		{"bytes=-", 10, ALL, 0, 10},
		{"bytes=5", 10, ALL, 0, 10},
		{"bytes=5-3", 10, ALL, 0, 10},
		{"bytes=0-1,3-4", 10, ALL, 0, 10},
		{"bytes=0-1,", 10, ALL, 0, 10},
		{"bytes=a-b", 10, ALL, 0, 10},
		{"bytes=1-2x", 10, ALL, 0, 10},
		{"bytes=--1", 10, ALL, 0, 10},
		{"bytes=+1-2", 10, ALL, 0, 10},
		{"bytes=0x1-2", 10, ALL, 0, 10},
		{"lines=0-1", 10, ALL, 0, 10},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct http_range range = {.first = 77};
		bool can = http_range_parse(CASES[i].range, NULL, ETAG, CASES[i].total, &range);

		if (can != (CASES[i].found != NONE) ||
		    (can && (range.part != (CASES[i].found == PART) ||
			     range.first != CASES[i].first || range.length != CASES[i].length)))
			fail_msg("case %zu: %d %d %llu %llu", i, can, range.part,
				 (unsigned long long)range.first, (unsigned long long)range.length);
		if (!can)
			assert_int_equal(range.first, 77);
	}
}

static void test_conditions(void **state)
{
	static const struct {
		const char *if_range;
		const char *etag;
		bool part;
	} CASES[] = {
		{NULL, ETAG, true},
		{NULL, NULL, true},
		{ETAG, ETAG, true},
		{ETAG, NULL, false},
		{"\"abd\"", ETAG, false},
		{"W/" ETAG, ETAG, false},
		{"abc", ETAG, false},
		{"", ETAG, false},
		{"Sat, 01 Jan 2022 00:00:00 GMT", ETAG, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct http_range range;

		assert_true(
			http_range_parse("bytes=1-", CASES[i].if_range, CASES[i].etag, 5, &range));
		if (range.part != CASES[i].part)
			fail_msg("case %zu", i);
		assert_int_equal(range.length, CASES[i].part ? 4 : 5);
		/* One that cannot be given is no matter when all is given anyway. */
		assert_int_equal(
			http_range_parse("bytes=5-", CASES[i].if_range, CASES[i].etag, 5, &range),
			!CASES[i].part);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_conditions),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
