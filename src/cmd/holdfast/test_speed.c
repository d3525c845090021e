/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from times: medians, the service's counters, advice, and the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/speed.h"

static void test_times(void **state)
{
	uint64_t odd[] = {5, 1, 9}, even[] = {4, 3, 2, 1}, one[] = {7};

	(void)state;
	assert_int_equal(speed_longest(odd, 3), 9);
	assert_int_equal(speed_median(odd, 3), 5);
	assert_int_equal(speed_median(even, 4), 2);
	assert_int_equal(speed_median(one, 1), 7);
	assert_int_equal(speed_median(one, 0), 0);
	assert_int_equal(speed_longest(one, 0), 0);
}

/* --- the service's counters --- */

#define SERIES(family, command, value) family "{command=\"" command "\"} " value "\n"
#define SUM(command, value)	       SERIES("holdfast_tpm_command_microseconds_total", command, value)
#define COUNT(command, value)	       SERIES("holdfast_tpm_commands_total", command, value)
#define WORST(command, value)	       SERIES("holdfast_tpm_command_worst_microseconds", command, value)

static const struct {
	const char *text;
	bool found;
	uint64_t value;
} METRICS[] = {
	{"f{command=\"Sign\"} 42\n", true, 42},
	{"# TYPE f counter\nf{command=\"Sig\"} 1\nf{command=\"Sign\"} 7\n# EOF\n", true, 7},
	{"f{command=\"Sign\"} 18446744073709551615", true, UINT64_MAX},
	{"xf{command=\"Sign\"} 1\n", false, 0},
	{"f{command=\"Signs\"} 1\n", false, 0},
	{"f{command=\"Sign\"} -1\n", false, 0},
	{"f{command=\"Sign\"} x\n", false, 0},
	{"f{command=\"Sign\"} 1.5\n", false, 0},
	{"f{command=\"Sign\"} ", false, 0},
	{"f 1\n", false, 0},
	{"", false, 0},
};

static void test_metrics(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(METRICS); i++) {
		uint64_t value = 99;

		assert_int_equal(speed_read_metric(METRICS[i].text, "f", "Sign", &value),
				 METRICS[i].found);
		assert_true(value == (METRICS[i].found ? METRICS[i].value : 99));
	}
}

static const struct {
	const char *before, *after;
	bool found;
	uint64_t us;
} CHIP[] = {
	{SUM("Sign", "100") COUNT("Sign", "1"), SUM("Sign", "2100") COUNT("Sign", "21"), true, 100},
	{"", SUM("Sign", "300") COUNT("Sign", "3"), true, 100},
	{SUM("Sign", "5") COUNT("Sign", "1"), SUM("Sign", "5") COUNT("Sign", "1"), false, 0},
	{SUM("Sign", "9") COUNT("Sign", "1"), SUM("Sign", "5") COUNT("Sign", "2"), false, 0},
	{COUNT("Sign", "1"), COUNT("Sign", "2"), false, 0},
	{SUM("Sign", "1"), SUM("Sign", "2"), false, 0},
	{"", "", false, 0},
};

static void test_chip_time(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CHIP); i++) {
		uint64_t us = 99;

		assert_int_equal(speed_chip_time(CHIP[i].before, CHIP[i].after, "Sign", &us),
				 CHIP[i].found);
		assert_int_equal(us, CHIP[i].found ? CHIP[i].us : 99);
	}
}

/* --- advice --- */

static struct speed speed_of(uint64_t ecc, uint64_t rsa)
{
	return (struct speed){
		.on_chip = true,
		.ops = {{.name = "sign",
			 .type = "ecc-p256",
			 .measured = ecc > 0,
			 .median_us = ecc,
			 .worst_us = ecc},
			{.name = "sign",
			 .type = "rsa-2048",
			 .measured = rsa > 0,
			 .median_us = rsa,
			 .worst_us = rsa},
			{.name = "seal", .type = "", .measured = true, .worst_us = 30000},
			{.name = "unseal", .type = "", .measured = true, .worst_us = 45000}},
		.count = 4,
	};
}

static const struct {
	uint64_t ecc, rsa; /* 0 = not measured */
	const char *type, *other;
	bool close;
	uint64_t tenths;
} ADVICE[] = {
	{100, 520, "ecc-p256", "rsa-2048", false, 52},
	{520, 100, "rsa-2048", "ecc-p256", false, 52},
	{100, 119, "ecc-p256", "rsa-2048", true, 11},
	{100, 120, "ecc-p256", "rsa-2048", false, 12},
	{119, 100, "rsa-2048", "ecc-p256", true, 11},
	{100, 100, "ecc-p256", "rsa-2048", true, 10},
	{100, 0, "ecc-p256", NULL, false, 0},
	{0, 100, "rsa-2048", NULL, false, 0},
	{0, 0, NULL, NULL, false, 0},
};

static void assert_text(const char *text, const char *expected)
{
	if (expected)
		assert_string_equal(text, expected);
	else
		assert_null(text);
}

static void test_advice(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ADVICE); i++) {
		const struct speed speed = speed_of(ADVICE[i].ecc, ADVICE[i].rsa);
		const struct speed_advice advice = speed_advise(&speed);

		assert_text(advice.type, ADVICE[i].type);
		assert_text(advice.other, ADVICE[i].other);
		assert_int_equal(advice.close, ADVICE[i].close);
		assert_int_equal(advice.tenths, ADVICE[i].tenths);
	}
}

/* --- the bound --- */

static const struct {
	uint64_t seal, unseal; /* measured */
	const char *counters;
	bool holds, known, worst_holds;
	uint64_t worst_seal, worst_loaded, worst_cold;
} BOUNDS[] = {
	{30000, 45000, "", true, false, false, 30000, 0, 0},
	{30000, 500000, "", false, false, false, 30000, 0, 0},
	{500000, 1, "", false, false, false, 500000, 0, 0},
	{9, 1, WORST("Create", "900000") WORST("Unseal", "40000") WORST("Load", "60000"), true,
	 true, true, 9, 40000, 180000},
	{1, 1, WORST("Unseal", "40000") WORST("Load", "166667"), true, true, false, 1, 40000,
	 500001},
	{1, 1,
	 WORST("Unseal", "1") WORST("Load", "1") WORST("ContextLoad", "7")
		 WORST("FlushContext", "9"),
	 true, true, true, 1, 1, 27},
	{500000, 1, WORST("Unseal", "1"), false, true, false, 500000, 1, 3},
	{1, 1, WORST("Create", "1"), true, false, false, 1, 0, 0},
};

static void test_bound(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BOUNDS); i++) {
		struct speed speed = speed_of(100, 200);
		struct speed_bound bound;

		speed.ops[2].worst_us = BOUNDS[i].seal;
		speed.ops[3].worst_us = BOUNDS[i].unseal;
		speed_take_worst(&speed, BOUNDS[i].counters);
		bound = speed_bound(&speed);
		assert_int_equal(bound.holds, BOUNDS[i].holds);
		assert_int_equal(bound.worst_known, BOUNDS[i].known);
		assert_int_equal(bound.worst_holds, BOUNDS[i].worst_holds);
		assert_int_equal(bound.worst_seal_us, BOUNDS[i].worst_seal);
		assert_int_equal(bound.worst_loaded_us, BOUNDS[i].worst_loaded);
		assert_int_equal(bound.worst_cold_us, BOUNDS[i].worst_cold);
	}
}

/* Nothing was measured: nothing holds. */
static void test_nothing(void **state)
{
	const struct speed speed = {.on_chip = true};
	const struct speed_bound bound = speed_bound(&speed);

	(void)state;
	assert_false(bound.holds);
	assert_false(bound.worst_holds);
}

/* --- texts --- */

static void render(const struct speed *speed, struct buf *out)
{
	speed_put(out, speed);
	buf_put_u8(out, '\0');
	assert_true(buf_ok(out));
}

static void test_texts(void **state)
{
	CLEANUP(buf_fini) struct buf chip = BUF_INIT(8192);
	CLEANUP(buf_fini) struct buf close = BUF_INIT(8192);
	CLEANUP(buf_fini) struct buf software = BUF_INIT(8192);
	struct speed speed = speed_of(12345, 64194);

	(void)state;
	speed_take_worst(&speed, WORST("Unseal", "40000"));
	render(&speed, &chip);
	assert_non_null(strstr((char *)chip.data, "ecc-p256        12.34 ms      12.34 ms\n"));
	assert_non_null(strstr((char *)chip.data,
			       "For signing: ecc-p256; rsa-2048 takes 5.2 times as long.\n"));
	assert_non_null(strstr((char *)chip.data, "yes  seal      30.00 ms, unseal      45.00"));
	assert_non_null(strstr((char *)chip.data, "40.00 ms loaded,     120.00 ms not loaded"));
	speed = speed_of(100, 0);
	render(&speed, &close);
	assert_non_null(strstr((char *)close.data, "no such key"));
	assert_non_null(strstr((char *)close.data, "For signing: ecc-p256.\n"));
	assert_non_null(strstr((char *)close.data, "unknown"));
	speed = speed_of(110, 100);
	speed.on_chip = false;
	render(&speed, &software);
	assert_non_null(strstr((char *)software.data, "no chip was measured"));
	assert_null(strstr((char *)software.data, "For signing"));
	assert_null(strstr((char *)software.data, "500"));
}

static void test_json(void **state)
{
	struct speed speed = speed_of(110, 100);
	json_t *json, *longest;

	(void)state;
	speed_take_worst(&speed, WORST("Unseal", "40000"));
	json = speed_json(&speed);
	assert_non_null(json);
	assert_int_equal(json_array_size(json_object_get(json, "operations")), 4);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "signing"), "type")),
		"rsa-2048");
	longest = json_object_get(json_object_get(json, "bound"), "longest");
	assert_int_equal(json_integer_value(json_object_get(longest, "unseal_cold_us")), 120000);
	json_decref(json);
	speed.on_chip = false;
	json = speed_json(&speed);
	assert_non_null(json);
	assert_true(json_is_null(json_object_get(json, "bound")));
	assert_true(json_is_null(json_object_get(json, "signing")));
	json_decref(json);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_times),	  cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_chip_time), cmocka_unit_test(test_advice),
		cmocka_unit_test(test_bound),	  cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_texts),	  cmocka_unit_test(test_json),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
