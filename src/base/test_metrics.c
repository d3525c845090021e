/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: the exposition, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/metrics.h"

static struct metric_family commands = {
	.name = "tpm_commands",
	.help = "Commands sent to the \"TPM\".",
	.label = "command",
	.kind = METRIC_COUNTER,
};
static struct metric unseal = {.label = "unseal"};
static struct metric odd = {.label = "a\"b\\c\nd"};
static struct metric_family open_objects = {
	.name = "open_objects", .help = "Objects\nopen \\ now.", .kind = METRIC_GAUGE};
static struct metric open_count;
static struct metric_family bare = {.name = "bare", .help = "None yet.", .kind = METRIC_GAUGE};

static const char EMPTY[] = "# EOF\n";
static const char FULL[] = "# TYPE tpm_commands counter\n"
			   "# HELP tpm_commands Commands sent to the \\\"TPM\\\".\n"
			   "tpm_commands_total{command=\"unseal\"} 3\n"
			   "tpm_commands_total{command=\"a\\\"b\\\\c\\nd\"} 0\n"
			   "# TYPE open_objects gauge\n"
			   "# HELP open_objects Objects\\nopen \\\\ now.\n"
			   "open_objects 18446744073709551615\n"
			   "# TYPE bare gauge\n"
			   "# HELP bare None yet.\n"
			   "# EOF\n";

static void expect(const char *text)
{
	CLEANUP(buf_fini) struct buf buf = BUF_INIT(4096);

	metrics_render(&buf);
	buf_put_u8(&buf, 0);
	assert_true(buf_ok(&buf));
	assert_string_equal((const char *)buf.data, text);
}

static void exposition(void **state)
{
	size_t round;

	(void)state;
	expect(EMPTY);
	/* A second registration changes nothing. */
	for (round = 0; round < 2; round++) {
		metrics_register(&commands);
		metrics_add_series(&commands, &unseal);
		metrics_add_series(&commands, &odd);
		metrics_register(&open_objects);
		metrics_add_series(&open_objects, &open_count);
		metrics_register(&bare);
	}
	metric_add(&unseal, 1);
	metric_add(&unseal, 2);
	metric_set(&open_count, 5);
	metric_set(&open_count, UINT64_MAX);
	assert_true(metric_get(&open_count) == UINT64_MAX);
	expect(FULL);
}

/* Series that come and go; the others keep their order. */
static void removed(void **state)
{
	static struct metric_family rooms = {
		.name = "rooms", .help = "Rooms.", .label = "name", .kind = METRIC_GAUGE};
	static struct metric a = {.label = "a"}, b = {.label = "b"}, c = {.label = "c"};
	CLEANUP(buf_fini) struct buf buf = BUF_INIT(4096);

	(void)state;
	metrics_register(&rooms);
	metrics_add_series(&rooms, &a);
	metrics_add_series(&rooms, &b);
	metrics_remove_series(&rooms, &c);
	metrics_add_series(&rooms, &c);
	metrics_remove_series(&rooms, &b);
	metrics_remove_series(&rooms, &b);
	metrics_render(&buf);
	buf_put_u8(&buf, 0);
	assert_non_null(strstr((const char *)buf.data,
			       "rooms{name=\"a\"} 0\nrooms{name=\"c\"} 0\n# EOF\n"));
	assert_null(strstr((const char *)buf.data, "name=\"b\""));
	metrics_remove_series(&rooms, &a);
	metrics_remove_series(&rooms, &c);
	assert_null(rooms.first);
}

static void largest(void **state)
{
	static const uint64_t given[] = {3, 1, 7, 7, 0, UINT64_MAX, 8};
	static const uint64_t seen[] = {3, 3, 7, 7, 7, UINT64_MAX, UINT64_MAX};
	struct metric metric = {.label = NULL};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(given); i++) {
		metric_max(&metric, given[i]);
		assert_true(metric_get(&metric) == seen[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(exposition),
		cmocka_unit_test(largest),
		cmocka_unit_test(removed),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
