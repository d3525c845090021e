/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/wire.h"

static const struct {
	const char *what;
	uint8_t bytes[16];
	size_t len;
	size_t size;
} COMMANDS[] = {
	{"nothing", {0}, 0, 0},
	{"no size yet", {0x80, 0x01, 0, 0, 0}, 5, 0},
	{"half a header", {0x80, 0x01, 0, 0, 0, 12}, 6, 0},
	{"one byte short", {0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0}, 11, 0},
	{"whole", {0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1}, 12, 12},
	{"and one more byte", {0x80, 0x01, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1, 0x80}, 13, 12},
	{"nothing but a header", {0x80, 0x01, 0, 0, 0, 10, 0, 0, 1, 0x81}, 10, 10},
	{"smaller than a header", {0x80, 0x01, 0, 0, 0, 9}, 6, WIRE_BAD},
	{"empty", {0x80, 0x01, 0, 0, 0, 0}, 6, WIRE_BAD},
	{"the largest", {0x80, 0x01, 0, 0, 0x10, 0}, 6, 0},
	{"too large", {0x80, 0x01, 0, 0, 0x10, 1}, 6, WIRE_BAD},
	{"huge", {0x80, 0x01, 0xff, 0xff, 0xff, 0xff}, 6, WIRE_BAD},
};

static void test_command_size(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(COMMANDS); i++) {
		size_t size = wire_command_size(slice_of(COMMANDS[i].bytes, COMMANDS[i].len));

		if (size != COMMANDS[i].size)
			fail_msg("%s: %zu", COMMANDS[i].what, size);
	}
}

static void test_largest(void **state)
{
	uint8_t bytes[WIRE_MAX] = {0x80, 0x02, 0, 0, 0x10, 0};

	(void)state;
	assert_int_equal(wire_command_size(slice_of(bytes, WIRE_MAX - 1)), 0);
	assert_int_equal(wire_command_size(slice_of(bytes, WIRE_MAX)), WIRE_MAX);
}

static void test_refuse(void **state)
{
	static const uint8_t expected[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x43};
	CLEANUP(buf_fini) struct buf response = BUF_INIT(WIRE_MAX);

	(void)state;
	wire_refuse(&response, 0x143);
	assert_true(slice_equal(buf_slice(&response), slice_of(expected, sizeof(expected))));
}

static const struct {
	const char *what;
	uint8_t bytes[24];
	size_t len;
	size_t taken;
	size_t answer_len;
	uint8_t answer; /* its last byte; the others are 0 */
} MESSAGES[] = {
	{"nothing", {0}, 0, 0, 0, 0},
	{"half a code", {0, 0, 0}, 3, 0, 0, 0},
	{"set locality, none yet", {0, 0, 0, 5}, 4, 0, 0, 0},
	{"set locality 0", {0, 0, 0, 5, 0}, 5, 5, 4, 0},
	{"set locality 0 and more", {0, 0, 0, 5, 0, 0, 0, 0, 5}, 9, 5, 4, 0},
	{"set locality 1", {0, 0, 0, 5, 1}, 5, 5, 4, 0x3d},
	{"set locality 255", {0, 0, 0, 5, 255}, 5, 5, 4, 0x3d},
	{"get capability", {0, 0, 0, 1}, 4, 4, 4, 0x0a},
	{"init with its flags", {0, 0, 0, 2, 0, 0, 0, 1}, 8, 8, 4, 0x0a},
	{"shutdown", {0, 0, 0, 3}, 4, 4, 4, 0x0a},
	{"hash data with its length", {0, 0, 0, 7, 0, 0, 0, 2, 1, 2}, 10, 10, 4, 0x0a},
	{"cancel", {0, 0, 0, 9}, 4, 4, 4, 0x0a},
	{"unknown", {0xff, 0xff, 0xff, 0xff}, 4, 4, 4, 0x0a},
	{"unknown, with what looks like another", {0, 0, 1, 0, 0, 0, 0, 5, 0}, 9, 9, 4, 0x0a},
};

static void test_control(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(MESSAGES); i++) {
		CLEANUP(buf_fini) struct buf answer = BUF_INIT(64);
		size_t taken = wire_control(slice_of(MESSAGES[i].bytes, MESSAGES[i].len), &answer);
		const uint8_t expected[4] = {0, 0, 0, MESSAGES[i].answer};

		if (taken != MESSAGES[i].taken || answer.len != MESSAGES[i].answer_len)
			fail_msg("%s: took %zu, answered %zu bytes", MESSAGES[i].what, taken,
				 answer.len);
		if (answer.len > 0 &&
		    !slice_equal(buf_slice(&answer), slice_of(expected, sizeof(expected))))
			fail_msg("%s: another answer", MESSAGES[i].what);
	}
}

/* Whatever comes: either more is needed or something is taken and answered. */
static void test_control_makes_progress(void **state)
{
	uint32_t random = 1;
	unsigned round;

	(void)state;
	for (round = 0; round < 100000; round++) {
		CLEANUP(buf_fini) struct buf answer = BUF_INIT(64);
		uint8_t bytes[12];
		size_t i, len, taken;

		for (i = 0; i < sizeof(bytes); i++) {
			random = random * 1664525u + 1013904223u;
			bytes[i] = (uint8_t)(i < 3 ? 0 : random >> 28);
		}
		len = (random >> 8) % (sizeof(bytes) + 1);
		taken = wire_control(slice_of(bytes, len), &answer);
		assert_true(taken <= len);
		assert_int_equal(answer.len, taken > 0 ? 4 : 0);
		assert_true(taken > 0 || len < 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command_size),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_control_makes_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
