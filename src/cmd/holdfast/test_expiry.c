/* SPDX-License-Identifier: Apache-2.0 */
/* Until when a release holds, as people say it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/holdfast/expiry.h"

#define NOW 1790000000 /* 2026-09-21T14:13:20Z */

static void good(void **state)
{
	static const struct {
		const char *text;
		int64_t at;
	} ROWS[] = {
		{"1s", NOW + 1},
		{"90m", NOW + 5400},
		{"12h", NOW + 43200},
		{"90d", NOW + 7776000},
		{"2w", NOW + 1209600},
		{"0090d", NOW + 7776000},
		{"2026-09-22", 1790035200},
		{"2028-02-29", 1835395200},
		{"2099-12-31", 4102358400},
		{"9999-12-31", 253402214400},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		struct err err = {0};
		int64_t at = 0;

		assert_int_equal(expiry_parse(ROWS[i].text, NOW, &at, &err), 0);
		assert_int_equal(at, ROWS[i].at);
	}
}

static void bad(void **state)
{
	static const char *const TEXTS[] = {
		"",
		"d",
		"90",
		"90 d",
		"90dd",
		"-1d",
		"0d",
		"1y",
		"90D",
		"12345678901s",
		"1.5h",
		"2026-09-21",
		"2001-01-01",
		"2027-02-29",
		"2027-13-01",
		"2027-00-10",
		"2027-1-01",
		"2027-01-00",
		"2027/01/01",
		"2027-01-1",
		"2027-01-011",
		"202a-01-01",
		" 1d",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
		struct err err = {0};
		int64_t at = 7;

		assert_int_equal(expiry_parse(TEXTS[i], NOW, &at, &err), ERR_INVALID);
		assert_int_equal(at, 7);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
