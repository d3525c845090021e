/* SPDX-License-Identifier: Apache-2.0 */
/* Pace: when time runs out, and that the time of waiting for us is not the other side's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/impl.h"

#define WINDOW 30000000u

static void test_waiting_does_not_count(void **state)
{
	struct http_pace pace;

	(void)state;
	http_pace_init(&pace, WINDOW);
	assert_int_equal(http_pace_start(&pace, 1000), WINDOW);
	http_pace_stop(&pace, 1000 + 10000000);
	/* A second stop is none. */
	http_pace_stop(&pace, 1000 + 20000000);
	assert_int_equal(http_pace_start(&pace, 900000000), WINDOW - 10000000);
	http_pace_stop(&pace, 900000000 + 5000000);
	assert_int_equal(http_pace_start(&pace, 1800000000), WINDOW - 15000000);
}

static void test_time_runs_out(void **state)
{
	struct http_pace pace;

	(void)state;
	http_pace_init(&pace, WINDOW);
	(void)http_pace_start(&pace, 1);
	assert_false(http_pace_moved(&pace, HTTP_PACE - 1, WINDOW / 2));
	http_pace_stop(&pace, WINDOW + 1);
	assert_int_equal(http_pace_start(&pace, WINDOW + 2), 0);
	http_pace_stop(&pace, WINDOW + 1000);
	assert_int_equal(http_pace_start(&pace, WINDOW + 2000), 0);
}

static void test_enough_begins_anew(void **state)
{
	struct http_pace pace;
	size_t i;

	(void)state;
	http_pace_init(&pace, WINDOW);
	(void)http_pace_start(&pace, 1);
	for (i = 1; i < 16; i++)
		assert_false(http_pace_moved(&pace, HTTP_PACE / 16, i * 1000000));
	assert_true(http_pace_moved(&pace, HTTP_PACE / 16, 16000000));
	http_pace_stop(&pace, 17000000);
	assert_int_equal(http_pace_start(&pace, 18000000), WINDOW - 1000000);
	/* Nothing is saved up. */
	assert_false(http_pace_moved(&pace, HTTP_PACE - 1, 18000000));
	assert_true(http_pace_moved(&pace, 5 * HTTP_PACE, 18000000));
	assert_false(http_pace_moved(&pace, HTTP_PACE - 1, 18000000));
}

static void test_moved_while_it_stands(void **state)
{
	struct http_pace pace;

	(void)state;
	http_pace_init(&pace, WINDOW);
	(void)http_pace_start(&pace, 1);
	http_pace_stop(&pace, 20000001);
	assert_true(http_pace_moved(&pace, HTTP_PACE, 25000000));
	http_pace_stop(&pace, 29000000);
	assert_int_equal(http_pace_start(&pace, 30000000), WINDOW);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_waiting_does_not_count),
		cmocka_unit_test(test_time_runs_out),
		cmocka_unit_test(test_enough_begins_anew),
		cmocka_unit_test(test_moved_while_it_stands),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
