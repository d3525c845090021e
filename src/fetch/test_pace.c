/* SPDX-License-Identifier: Apache-2.0 */
/* The bucket, with a clock of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fetch/pace.h"

#define SECOND UINT64_C(1000000)

static void test_no_limit(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_take(&pace, 1u << 30);
	assert_true(pace_open(&pace, 1));
	assert_int_equal(pace_wait(&pace), 0);
}

/* Bytes in so many seconds, by one that takes pieces whenever it may. */
static uint64_t bytes_in(uint64_t rate, size_t piece, uint64_t seconds)
{
	uint64_t now = 77, end = now + seconds * SECOND, bytes = 0;
	struct pace pace = {0};

	pace_set(&pace, rate, now);
	while (now < end) {
		if (pace_open(&pace, now)) {
			pace_take(&pace, piece);
			bytes += piece;
			continue;
		}
		assert_true(pace_wait(&pace) > 0);
		now += pace_wait(&pace);
		assert_true(pace_open(&pace, now));
	}
	return bytes;
}

static void test_rate(void **state)
{
	static const struct {
		uint64_t rate;
		size_t piece;
		uint64_t seconds;
	} rows[] = {
		{64000, 16384, 60}, {1000000, 131072, 30}, {1, 1, 5000},	{1000, 1024, 100},
		{100, 16384, 3600}, {1u << 30, 16384, 1},  {12345678, 1500, 5},
	};
	uint64_t bytes, ideal, burst;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		bytes = bytes_in(rows[i].rate, rows[i].piece, rows[i].seconds);
		ideal = rows[i].rate * rows[i].seconds;
		burst = rows[i].rate / 8 > 1024 ? rows[i].rate / 8 : 1024;
		assert_in_range(bytes, ideal - ideal / 50, ideal + burst + rows[i].piece);
	}
}

static void test_change(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_set(&pace, 1000, 0);
	pace_take(&pace, 1000000);
	assert_false(pace_open(&pace, SECOND));
	/* Debts of the old rate are not for the new one. */
	pace_set(&pace, 2000, 2 * SECOND);
	assert_true(pace_open(&pace, 2 * SECOND));
	pace_take(&pace, 1u << 20);
	pace_set(&pace, 0, 2 * SECOND);
	assert_true(pace_open(&pace, 2 * SECOND));
	/* A clock that stood for years, a rate beyond all. */
	pace_set(&pace, UINT64_MAX, 0);
	pace_take(&pace, 1);
	assert_true(pace_open(&pace, UINT64_MAX));
	assert_int_equal(pace_wait(&pace), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
