/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

static time_t wall;

time_t __wrap_time(time_t *ret_now);
time_t __wrap_time(time_t *ret_now)
{
	if (ret_now)
		*ret_now = wall;
	return wall;
}

static void test_now(void **state)
{
	static const struct {
		time_t wall;
		int64_t now;
	} ROWS[] = {
		{0, CLOCK_UNSET},	    {1000, CLOCK_UNSET},
		{(time_t)-1, CLOCK_UNSET},  {CLOCK_LEAST - 1, CLOCK_UNSET},
		{CLOCK_LEAST, CLOCK_LEAST}, {1790000000, 1790000000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		wall = ROWS[i].wall;
		assert_int_equal(clock_now(), ROWS[i].now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_now)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
