/* SPDX-License-Identifier: Apache-2.0 */
/* The line of progress as a function of what it is made from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/holdfast/progress.h"

#define MIB (1024u * 1024u)

static const struct {
	uint64_t in, out, total, elapsed_us;
	size_t columns;
	const char *line;
} LINES[] = {
	{64u * MIB, 0, 64u * MIB, 2000000, 80,
	 "sealing [==========          ]  50 %  32.0 MiB of 64.0 MiB  16.0 MiB/s"},
	{64u * MIB, 65u * MIB, 64u * MIB, 4000000, 80,
	 "sealing [====================] 100 %  64.0 MiB of 64.0 MiB  16.0 MiB/s"},
	{0, 0, 64u * MIB, 1500000, 80,
	 "sealing [                    ]   0 %  0 B of 64.0 MiB  0 B/s"},
	{3u * MIB, 0, PROGRESS_TOTAL_UNKNOWN, 1000000, 80, "sealing  1.5 MiB  1.5 MiB/s"},
	{2048, 2048, PROGRESS_TOTAL_UNKNOWN, 0, 80, "sealing  2.0 KiB"},
	{2, 2, 0, 1000000, 80, "sealing  2 B  2 B/s"},
	{UINT64_MAX, UINT64_MAX, UINT64_MAX - 1, 1000000, 30, "sealing [===================="},
	{3u * MIB, 0, PROGRESS_TOTAL_UNKNOWN, 1000000, 12, "sealing  1."},
	{3u * MIB, 0, PROGRESS_TOTAL_UNKNOWN, 1000000, 0, ""},
};

static void test_lines(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(LINES); i++) {
		CLEANUP(buf_fini) struct buf line = BUF_INIT(256);
		const struct progress progress = {
			.label = "sealing",
			.total = LINES[i].total,
			.in = LINES[i].in,
			.out = LINES[i].out,
		};

		progress_render(&line, &progress, LINES[i].elapsed_us, LINES[i].columns);
		buf_put_u8(&line, '\0');
		assert_true(buf_ok(&line));
		assert_string_equal((char *)line.data, LINES[i].line);
		assert_true(LINES[i].columns == 0 || strlen((char *)line.data) < LINES[i].columns);
	}
}

static const struct {
	uint64_t bytes;
	const char *text;
} SIZES[] = {
	{0, "0 B"},
	{1023, "1023 B"},
	{1024, "1.0 KiB"},
	{1536, "1.5 KiB"},
	{MIB - 1, "1023.9 KiB"},
	{MIB, "1.0 MiB"},
	{(uint64_t)5 << 30, "5.0 GiB"},
	{UINT64_MAX, "16777215.9 TiB"},
};

static void test_sizes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(64);

		progress_put_size(&text, SIZES[i].bytes);
		buf_put_u8(&text, '\0');
		assert_true(buf_ok(&text));
		assert_string_equal((char *)text.data, SIZES[i].text);
	}
}

/* Whoever draws counts, also where nothing is drawn. */
static void test_counts(void **state)
{
	struct progress progress;

	(void)state;
	progress_begin(&progress, "x", 10, false);
	progress_move(&progress, 4, 1);
	progress_move(&progress, 6, 2);
	assert_int_equal(progress.in, 10);
	assert_int_equal(progress.out, 3);
	assert_int_equal(progress.drawn_len, 0);
	progress_end(&progress);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
