/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer's head is worth, and how fast bytes come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "loader/download_impl.h"

#define LONG_TAG                                                                                   \
	"\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"  \
	"567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"  \
	"2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" \
	"\""

/* Of 1000 bytes, 40 of which may be there, at most 5000. */
static const struct {
	unsigned status;
	uint64_t have, first, total, length;
	bool unknown;
	const char *etag;
	enum download_verdict verdict;
	const char *kept; /* the ETag */
} HEADS[] = {
	{200, 0, 0, 0, 1000, false, "\"a\"", DOWNLOAD_TAKE, "\"a\""},
	{200, 0, 0, 0, 0, false, "\"a\"", DOWNLOAD_TAKE, "\"a\""},
	{200, 0, 0, 0, 1000, false, "W/\"a\"", DOWNLOAD_TAKE, ""},
	{200, 0, 0, 0, 1000, false, "a", DOWNLOAD_TAKE, ""},
	{200, 0, 0, 0, 1000, false, "\"", DOWNLOAD_TAKE, ""},
	{200, 0, 0, 0, 1000, false, "\"\n\"", DOWNLOAD_TAKE, ""},
	{200, 0, 0, 0, 1000, false, LONG_TAG, DOWNLOAD_TAKE, ""},
	{200, 0, 0, 0, 1000, true, "", DOWNLOAD_LIE, NULL},
	{200, 0, 0, 0, 5001, false, "", DOWNLOAD_TOO_LARGE, NULL},
	{200, 0, 0, 0, UINT64_MAX, false, "", DOWNLOAD_TOO_LARGE, NULL},
	{200, 40, 0, 0, 1000, false, "\"a\"", DOWNLOAD_ANEW, NULL},
	{206, 40, 40, 1000, 960, false, "\"a\"", DOWNLOAD_TAKE, "\"a\""},
	{206, 40, 40, 1000, 960, true, "\"a\"", DOWNLOAD_TAKE, "\"a\""},
	{206, 40, 40, 1000, 960, false, "", DOWNLOAD_ANEW, NULL},
	{206, 40, 40, 1000, 960, false, "W/\"a\"", DOWNLOAD_ANEW, NULL},
	{206, 40, 40, 1000, 960, false, "\"b\"", DOWNLOAD_ANEW, NULL},
	{206, 40, 40, 1016, 976, false, "\"a\"", DOWNLOAD_ANEW, NULL},
	{206, 40, 41, 1000, 959, false, "\"a\"", DOWNLOAD_LIE, NULL},
	{206, 40, 0, 1000, 1000, false, "\"a\"", DOWNLOAD_LIE, NULL},
	{206, 0, 0, 1000, 1000, false, "\"a\"", DOWNLOAD_LIE, NULL},
	{416, 40, 0, 0, 0, false, "", DOWNLOAD_ANEW, NULL},
	{416, 0, 0, 0, 0, false, "", DOWNLOAD_LIE, NULL},
	{404, 0, 0, 0, 10, false, "", DOWNLOAD_GONE, NULL},
	{410, 40, 0, 0, 10, false, "", DOWNLOAD_GONE, NULL},
	{401, 0, 0, 0, 10, false, "", DOWNLOAD_FORBIDDEN, NULL},
	{403, 40, 0, 0, 10, false, "", DOWNLOAD_FORBIDDEN, NULL},
	{500, 0, 0, 0, 10, false, "", DOWNLOAD_AGAIN, NULL},
	{429, 0, 0, 0, 10, false, "", DOWNLOAD_AGAIN, NULL},
	{304, 0, 0, 0, 0, false, "", DOWNLOAD_AGAIN, NULL},
	{204, 0, 0, 0, 0, false, "", DOWNLOAD_AGAIN, NULL},
};

static void test_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(HEADS); i++) {
		const struct cache_want there = {.total = 1000, .etag = "\"a\"", .small = {9}};
		const struct download_asked asked = {&there, HEADS[i].have, 5000, false, 0};
		const struct fetch_head head = {
			.status = HEADS[i].status,
			.length_known = !HEADS[i].unknown,
			.length = HEADS[i].length,
			.first = HEADS[i].first,
			.total = HEADS[i].total,
			.etag = HEADS[i].etag,
			.modified = "",
			.type = "",
		};
		struct cache_want want = {.total = 77};

		assert_int_equal(download_judge(&asked, &head, &want), HEADS[i].verdict);
		if (HEADS[i].verdict != DOWNLOAD_TAKE) {
			assert_int_equal(want.total, 77);
			continue;
		}
		assert_string_equal(want.etag, HEADS[i].kept);
		assert_int_equal(want.total, HEADS[i].have > 0 ? 1000 : HEADS[i].length);
		assert_int_equal(want.small[0], 9);
	}
}

/* What tells that the rest is of what is there. */
static const struct {
	const char *had_etag, *had_modified;
	const char *etag, *modified;
	bool weak, is_signed;
	enum download_verdict verdict;
} RESTS[] = {
	{"\"a\"", "m", "\"a\"", "", false, false, DOWNLOAD_TAKE},
	{"\"a\"", "m", "\"a\"", "n", false, false, DOWNLOAD_ANEW},
	{"\"a\"", "m", "", "m", false, false, DOWNLOAD_ANEW},
	{"\"a\"", "m", "", "m", false, true, DOWNLOAD_TAKE},
	{"", "m", "", "m", false, false, DOWNLOAD_TAKE},
	{"", "m", "\"a\"", "m", false, false, DOWNLOAD_TAKE},
	{"", "m", "", "m", true, false, DOWNLOAD_ANEW},
	{"", "m", "", "", false, false, DOWNLOAD_ANEW},
	{"", "m", "", "n", false, true, DOWNLOAD_ANEW},
	{"", "", "", "", false, false, DOWNLOAD_ANEW},
	{"", "", "\"a\"", "m", false, false, DOWNLOAD_ANEW},
	{"", "", "", "", false, true, DOWNLOAD_TAKE},
};

static void test_rest(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(RESTS); i++) {
		struct cache_want there = {.total = 1000}, want;
		const struct download_asked asked = {&there, 40, 5000, RESTS[i].is_signed, 0};
		const struct fetch_head head = {
			.status = 206,
			.length_known = true,
			.length = 960,
			.first = 40,
			.total = 1000,
			.etag = RESTS[i].etag,
			.modified = RESTS[i].modified,
			.modified_strong = !RESTS[i].weak,
			.type = "",
		};

		(void)snprintf(there.etag, sizeof(there.etag), "%s", RESTS[i].had_etag);
		(void)snprintf(there.modified, sizeof(there.modified), "%s", RESTS[i].had_modified);
		assert_int_equal(download_judge(&asked, &head, &want), RESTS[i].verdict);
	}
}

/* Of what is called by its digest the size is known, and a validator says nothing. */
static void test_known(void **state)
{
	static const struct {
		unsigned status;
		uint64_t have, total;
		const char *etag;
		enum download_verdict verdict;
	} cases[] = {
		{200, 0, 1000, "", DOWNLOAD_TAKE},	 {200, 0, 999, "", DOWNLOAD_LIE},
		{200, 0, 1001, "", DOWNLOAD_LIE},	 {200, 0, 0, "", DOWNLOAD_LIE},
		{206, 40, 1000, "\"a\"", DOWNLOAD_TAKE}, {206, 40, 1000, "\"b\"", DOWNLOAD_TAKE},
		{206, 40, 1000, "", DOWNLOAD_TAKE},	 {206, 40, 1001, "\"a\"", DOWNLOAD_ANEW},
		{200, 40, 1000, "\"a\"", DOWNLOAD_ANEW}, {404, 40, 10, "", DOWNLOAD_GONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct cache_want there = {.total = 1000, .etag = "\"a\""};
		const struct download_asked asked = {&there, cases[i].have, 1000, false, 1000};
		const struct fetch_head head = {
			.status = cases[i].status,
			.length_known = true,
			.length = cases[i].total,
			.first = cases[i].have,
			.total = cases[i].total,
			.etag = cases[i].etag,
			.modified = "",
			.type = "",
		};
		struct cache_want want;

		assert_int_equal(download_judge(&asked, &head, &want), cases[i].verdict);
	}
}

/* A date that may be of two versions is none. */
static void test_modified(void **state)
{
	(void)state;
	for (int strong = 0; strong < 2; strong++) {
		const struct cache_want none = {.total = 0};
		const struct download_asked asked = {&none, 0, 5000, false, 0};
		const struct fetch_head head = {
			.status = 200,
			.length_known = true,
			.length = 10,
			.etag = "",
			.modified = "then",
			.modified_strong = strong,
			.type = "",
		};
		struct cache_want want;

		assert_int_equal(download_judge(&asked, &head, &want), DOWNLOAD_TAKE);
		assert_string_equal(want.modified, strong ? "then" : "");
		assert_int_equal(download_validator(&want), strong);
	}
}

#define S UINT64_C(1000000)

static void test_rate(void **state)
{
	struct rate rate = {0};

	(void)state;
	assert_int_equal(rate_of(&rate, 5 * S), 0);
	rate_add(&rate, 100 * S, 500);
	rate_add(&rate, 100 * S + 10, 500);
	assert_int_equal(rate_of(&rate, 100 * S + 20), 1000);
	rate_add(&rate, 101 * S, 3000);
	assert_int_equal(rate_of(&rate, 101 * S), 2000);
	assert_int_equal(rate_of(&rate, 103 * S), 1000);
	/* What is older than the window counts no more. */
	assert_int_equal(rate_of(&rate, 108 * S), 3000 / RATE_SECONDS);
	assert_int_equal(rate_of(&rate, 109 * S), 0);
	rate_add(&rate, 200 * S, 8000);
	assert_int_equal(rate_of(&rate, 200 * S), 1000);
	for (uint64_t s = 201; s < 230; s++)
		rate_add(&rate, s * S, 64);
	assert_int_equal(rate_of(&rate, 229 * S), 64);
	assert_int_equal(rate_of(&rate, 3000 * S), 0);
}

static void test_eta(void **state)
{
	(void)state;
	assert_int_equal(rate_eta(100, 0), -1);
	assert_int_equal(rate_eta(0, 5), 0);
	assert_int_equal(rate_eta(11, 5), 3);
	assert_int_equal(rate_eta(UINT64_C(1) << 40, 1), INT64_C(1) << 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge), cmocka_unit_test(test_rest),
		cmocka_unit_test(test_known), cmocka_unit_test(test_modified),
		cmocka_unit_test(test_rate),  cmocka_unit_test(test_eta),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
