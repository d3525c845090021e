/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/fingerprint.h"
#include "base/mem.h"

static int put(const char *cpu, const char *gpu, const char *memory, const char *serial,
	       struct buf *text)
{
	const struct fingerprint fields = {
		.cpu = slice_str(cpu),
		.gpu = slice_str(gpu),
		.memory = slice_str(memory),
		.serial = slice_str(serial),
	};
	struct err err = {0};

	return fingerprint_put(&fields, text, &err);
}

static void test_put(void **state)
{
	static const char WANTED[] =
		"CPU: Cortex-A78AE. GPU: Orin. Memory: 7802888. DriveSerial: S1";
	CLEANUP(buf_fini) struct buf text = BUF_INIT(850);
	char long_one[FINGERPRINT_FIELD_MAX + 2];

	(void)state;
	assert_int_equal(put("Cortex-A78AE\n", " Orin", "7802888 ", "\tS1\n", &text), 0);
	assert_int_equal(text.len, strlen(WANTED));
	assert_memory_equal(text.data, WANTED, text.len);
	memset(long_one, 'x', sizeof(long_one));
	long_one[FINGERPRINT_FIELD_MAX + 1] = '\0';
	assert_int_equal(put(long_one, "g", "1", "s", &text), ERR_INVALID);
	assert_int_equal(put("c", " ", "1", "s", &text), ERR_INVALID);
	assert_int_equal(put("c", "", "1", "s", &text), ERR_INVALID);
	assert_int_equal(put("c", "g\x01g", "1", "s", &text), ERR_INVALID);
	assert_int_equal(put("c", "g", "1\n2", "s", &text), ERR_INVALID);
	assert_int_equal(put("c", "g", "1", "\xff", &text), ERR_INVALID);
	assert_int_equal(text.len, strlen(WANTED));
	long_one[FINGERPRINT_FIELD_MAX] = '\0';
	assert_int_equal(put(long_one, long_one, long_one, long_one, &text), ERR_INTERNAL);
	buf_reset(&text);
	assert_int_equal(put(long_one, long_one, long_one, long_one, &text), 0);
}

static void test_pinned(void **state)
{
	static const struct {
		const char *file, *text; /* NULL: refused */
	} rows[] = {
		{"CPU: a\n", "CPU: a"}, {"CPU: a\r\n", "CPU: a"}, {"CPU: a", "CPU: a"},
		{" a ", " a "},		{"\xc2\xb5", "\xc2\xb5"}, {"", NULL},
		{"\n", NULL},		{"\r\n", NULL},		  {"a\nb\n", NULL},
		{"a\n\n", NULL},	{"a\tb", NULL},		  {"a\x7f", NULL},
		{"\xed\xa0\x80", NULL},
	};
	char long_one[FINGERPRINT_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice text = {0};
		struct err err = {0};
		int r = fingerprint_pinned(slice_str(rows[i].file), &text, &err);

		assert_int_equal(r, rows[i].text ? 0 : ERR_INVALID);
		assert_true(slice_equal(text, rows[i].text ? slice_str(rows[i].text)
							   : (struct slice){0}));
	}
	memset(long_one, 'x', sizeof(long_one));
	for (size_t len = FINGERPRINT_MAX; len <= FINGERPRINT_MAX + 1; len++) {
		struct slice text = {0};
		struct err err = {0};

		assert_int_equal(fingerprint_pinned(slice_of(long_one, len), &text, &err) == 0,
				 len <= FINGERPRINT_MAX);
	}
}

static void test_cpu(void **state)
{
	static const struct {
		const char *text, *cpu;
	} rows[] = {
		{"processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Other\n",
		 "Some CPU @ 2 GHz"},
		{"processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n\nCPU part: 0xd03\n",
		 "Cortex-A78AE"},
		{"CPU implementer: 0x41\nCPU part: 0xd08", "Cortex-A72"},
		{"CPU implementer: 0x4e\nCPU part: 0xd42\n", NULL},
		{"CPU implementer: 0x41\nCPU part: 0xfff\n", NULL},
		{"CPU part: 0xd42\n", NULL},
		{"model name\n", NULL},
		{"model name:\n", NULL},
		{"old model name: x\n", NULL},
		{":\n:::\n", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice cpu = {0};
		struct err err = {0};

		assert_int_equal(fingerprint_cpu(slice_str(rows[i].text), &cpu, &err),
				 rows[i].cpu ? 0 : ERR_NOT_FOUND);
		assert_true(
			slice_equal(cpu, rows[i].cpu ? slice_str(rows[i].cpu) : (struct slice){0}));
	}
}

static void test_memory(void **state)
{
	static const struct {
		const char *text, *memory;
	} rows[] = {
		{"MemTotal:        7802888 kB\nMemFree: 1 kB\n", "7802888"},
		{"MemFree: 1 kB\nMemTotal: 5 kB", "5"},
		{"MemTotal: 5 MB\n", NULL},
		{"MemTotal: kB\n", NULL},
		{"MemTotal: -5 kB\n", NULL},
		{"MemTotal: 5\n", NULL},
		{"MemTotal:\n", NULL},
		{"SwapTotal: 5 kB\n", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice memory = {0};
		struct err err = {0};

		assert_int_equal(fingerprint_memory(slice_str(rows[i].text), &memory, &err),
				 rows[i].memory ? 0 : ERR_NOT_FOUND);
		assert_true(slice_equal(memory, rows[i].memory ? slice_str(rows[i].memory)
							       : (struct slice){0}));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
