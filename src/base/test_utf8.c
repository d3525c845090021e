/* SPDX-License-Identifier: Apache-2.0 */
/* Utf8: the borders of every form of RFC 3629. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/utf8.h"

static const struct {
	const char *text;
	size_t len;
} ROWS[] = {
	{"a", 1},
	{"\x7f", 1},
	{"ab", 1},
	{"\xc2\x80", 2},
	{"\xdf\xbf", 2},
	{"\xe0\xa0\x80", 3},
	{"\xed\x9f\xbf", 3},
	{"\xee\x80\x80", 3},
	{"\xef\xbf\xbf", 3},
	{"\xf0\x90\x80\x80", 4},
	{"\xf4\x8f\xbf\xbf", 4},
	{"\xf4\x8f\xbf\xbf+", 4},
	{"", 0},
	{"\x80", 0}, /* stray */
	{"\xbf", 0},
	{"\xc0\x80", 0}, /* overlong */
	{"\xc1\xbf", 0},
	{"\xe0\x9f\xbf", 0},
	{"\xf0\x8f\xbf\xbf", 0},
	{"\xed\xa0\x80", 0}, /* surrogate */
	{"\xed\xbf\xbf", 0},
	{"\xf4\x90\x80\x80", 0}, /* over U+10FFFF */
	{"\xf5\x80\x80\x80", 0},
	{"\xff", 0},
	{"\xc2", 0}, /* cut short */
	{"\xe2\x82", 0},
	{"\xf0\x9f\x98", 0},
	{"\xc2"
	 "a",
	 0},
	{"\xe2\x82"
	 "a",
	 0},
	{"\xf0\x9f\x98\xc0", 0},
};

static void borders(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ROWS); i++)
		assert_int_equal(utf8_next(slice_str(ROWS[i].text)), ROWS[i].len);
	assert_int_equal(utf8_next(slice_of("\0", 1)), 1);
	assert_int_equal(utf8_next(slice_of(NULL, 0)), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(borders)};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
