/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host/meter.h"

#define WRONG UINT64_C(0x57726f6e67)

/* WRONG: false is expected, and the value left alone. */
struct meter_case {
	const char *text;
	uint64_t value;
};

static void test_number(void **state)
{
	static const struct meter_case CASES[] = {
		{"0\n", 0},
		{"4096\n", 4096},
		{"18446744073709551615\n", UINT64_MAX},
		{"max\n", METER_NONE},
		{"-1\n", METER_NONE},
		{" 7 ", 7},
		{"18446744073709551616\n", WRONG},
		{"", WRONG},
		{"\n", WRONG},
		{"-2\n", WRONG},
		{"+1\n", WRONG},
		{"0x10\n", WRONG},
		{"1 2\n", WRONG},
		{"maximum\n", WRONG},
		{"1.5\n", WRONG},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		uint64_t value = WRONG;

		assert_int_equal(meter_number(slice_str(CASES[i].text), &value),
				 CASES[i].value != WRONG);
		assert_int_equal(value, CASES[i].value);
	}
}

static void test_field(void **state)
{
	static const struct meter_case CASES[] = {
		{"usage_usec 5\nuser_usec 3\nsystem_usec 2\n", 3},
		{"x_user_usec 1\nuser_usec 8", 8},
		{"user_usec 4\nuser_usec 5\n", 4},
		{"usage_usec 5\n", WRONG},
		{"user_usec\n", WRONG},
		{"user_usec max\n", WRONG},
		{"usage_usec user_usec 5\n", WRONG},
		{"", WRONG},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		uint64_t value = WRONG;

		assert_int_equal(meter_field(slice_str(CASES[i].text), "user_usec", &value),
				 CASES[i].value != WRONG);
		assert_int_equal(value, CASES[i].value);
	}
}

static void test_quota(void **state)
{
	static const struct meter_case CASES[] = {
		{"max 100000\n", METER_NONE},
		{"-1\n 100000\n", METER_NONE},
		{"50000 100000\n", 500},
		{"150000 100000\n", 1500},
		{"1000 1000000\n", 1},
		{"18446744073709551 1\n", UINT64_C(18446744073709551000)},
		{"18446744073709552 1\n", METER_NONE},
		{"50000 0\n", WRONG},
		{"50000\n", WRONG},
		{"50000 max\n", WRONG},
		{"50000 100000 1\n", WRONG},
		{"", WRONG},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		uint64_t value = WRONG;

		assert_int_equal(meter_quota(slice_str(CASES[i].text), &value),
				 CASES[i].value != WRONG);
		assert_int_equal(value, CASES[i].value);
	}
}

#define HEADER                                                                                     \
	"Inter-|   Receive                                                |  Transmit\n"           \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs " \
	"drop fifo colls carrier compressed\n"

static void test_interfaces(void **state)
{
	static const char TEXT[] =
		HEADER "    lo:    1000      10    0    0    0     0          0         0     1000 "
		       "     10    "
		       "0    0    0     0       0          0\n"
		       "  eth0: 18446744073709551615 20 1 2 3 4 5 6 300 30 0 0 0 0 0 0\n"
		       "wlan123456789ab:1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n";
	struct meter_interface list[4];
	size_t count = 7;

	(void)state;
	assert_true(meter_interfaces(slice_str(TEXT), list, 4, &count));
	assert_int_equal(count, 3);
	assert_string_equal(list[0].name, "lo");
	assert_int_equal(list[0].rx_bytes, 1000);
	assert_int_equal(list[0].tx_packets, 10);
	assert_string_equal(list[1].name, "eth0");
	assert_int_equal(list[1].rx_bytes, UINT64_MAX);
	assert_int_equal(list[1].rx_packets, 20);
	assert_int_equal(list[1].tx_bytes, 300);
	assert_int_equal(list[1].tx_packets, 30);
	assert_string_equal(list[2].name, "wlan123456789ab");
	assert_int_equal(list[2].tx_bytes, 3);
	assert_true(meter_interfaces(slice_str(TEXT), list, 2, &count));
	assert_int_equal(count, 2);
	assert_true(meter_interfaces(slice_str(HEADER), list, 4, &count));
	assert_int_equal(count, 0);
}

static void test_bad_interfaces(void **state)
{
	static const char *const CASES[] = {
		HEADER "eth0 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n",
		HEADER ": 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n",
		HEADER "a/b: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n",
		HEADER "a b: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n",
		HEADER "abcdefghijklmnop: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n",
		HEADER "eth0: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0\n",
		HEADER "eth0: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0 0\n",
		HEADER "eth0: 1 2 0 0 0 0 0 0 -3 4 0 0 0 0 0 0\n",
		HEADER "eth0: 18446744073709551616 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n",
		HEADER "\n",
	};
	struct meter_interface list[4];
	size_t count = 7, i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		assert_false(meter_interfaces(slice_str(CASES[i]), list, 4, &count));
	assert_int_equal(count, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),	       cmocka_unit_test(test_field),
		cmocka_unit_test(test_quota),	       cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_bad_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
