/* SPDX-License-Identifier: Apache-2.0 */
/* The row of pauses, its random part, and a server's wish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fetch/backoff.h"

static const uint64_t ROW_S[] = {1, 5, 15, 60, 300, 900, 3600, 3600, 3600};

static void test_row(void **state)
{
	struct backoff backoff = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ROW_S); i++)
		assert_int_equal(backoff_after(&backoff, false, 0, 0), ROW_S[i] * 1000);
	assert_int_equal(backoff_after(&backoff, true, 0, 0), 1000);
	assert_int_equal(backoff_after(&backoff, false, 0, 0), 5000);
	/* An attempt that got anywhere begins it anew, each time. */
	assert_int_equal(backoff_after(&backoff, true, 0, 0), 1000);
	assert_int_equal(backoff_after(&backoff, true, 0, 0), 1000);
	assert_int_equal(backoff_after(&backoff, false, 0, 0), 5000);
}

static void test_random_part(void **state)
{
	uint64_t pause, least, most;
	uint32_t random;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ROW_S); i++) {
		least = UINT64_MAX;
		most = 0;
		for (random = 0; random < 2000; random++) {
			struct backoff backoff = {.failures = i < 6 ? (unsigned)i : 6};

			pause = backoff_after(&backoff, false, 0, random * 2147483u);
			assert_in_range(pause, ROW_S[i] * 750, ROW_S[i] * 1000);
			least = pause < least ? pause : least;
			most = pause > most ? pause : most;
		}
		/* All of the quarter is used. */
		assert_true(least < ROW_S[i] * 760 && most > ROW_S[i] * 990);
	}
}

static void test_server(void **state)
{
	static const struct {
		unsigned failures;
		uint32_t server_s, random;
		uint64_t pause_ms;
	} rows[] = {
		{0, 0, 0, 1000},
		{0, 1, 0, 1000},      /* no later than ours */
		{2, 10, 0, 15000},    /* .. */
		{0, 10, 0, 10000},    /* later: obeyed */
		{0, 10, 2500, 12500}, /* and not before it */
		{0, 10, 2501, 10000},
		{6, 7200, 0, 7200000},
		{0, UINT32_MAX, 0, 86400000}, /* nobody is sent away for years */
		{0, 86401, 21600000, 108000000},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct backoff backoff = {.failures = rows[i].failures};

		assert_int_equal(backoff_after(&backoff, false, rows[i].server_s, rows[i].random),
				 rows[i].pause_ms);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_random_part),
		cmocka_unit_test(test_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
