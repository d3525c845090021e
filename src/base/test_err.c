/* SPDX-License-Identifier: Apache-2.0 */
/* Err: the table against the enum and docs/ERRORS.md, and what the setters keep and clear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define CELLS 4

static void table_is_whole(void **state)
{
	const struct err_info *table;
	size_t count, i;

	(void)state;
	table = err_table(&count);
	assert_int_equal(count, -HF_INTERNAL);
	for (i = 0; i < count; i++) {
		assert_int_equal(table[i].code, -(int)(i + 1));
		assert_in_range(table[i].http_status, 400, 599);
		assert_int_equal(err_code_of_name(table[i].name), table[i].code);
		assert_string_equal(hf_code_name(table[i].code), table[i].name);
		assert_ptr_equal(err_info(table[i].code), &table[i]);
		/* One sentence each. */
		assert_int_equal(table[i].remedy[strlen(table[i].remedy) - 1], '.');
		assert_null(strstr(table[i].remedy, ". "));
		assert_int_equal(table[i].title[strlen(table[i].title) - 1], '.');
	}
}

static void unknown_codes_are_internal(void **state)
{
	static const int codes[] = {0, 1, 24, -25, INT32_MIN, INT32_MAX};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(codes); i++)
		assert_int_equal(err_info(codes[i])->code, ERR_INTERNAL);
	assert_string_equal(hf_code_name(HF_OK), "ok");
	assert_string_equal(hf_code_name(-1000), "internal");
	assert_int_equal(err_code_of_name("no_such_code"), ERR_INTERNAL);
	assert_int_equal(err_code_of_name(""), ERR_INTERNAL);
}

/* Splits "| a | b | c | d |" in place; false when the line is not such a row. */
static bool split_row(char *line, char *cells[CELLS])
{
	char *at = line;
	size_t i;

	for (i = 0; i < CELLS; i++) {
		if (strncmp(at, "| ", 2) != 0)
			return false;
		cells[i] = at + 2;
		at = strstr(cells[i], " |");
		if (!at)
			return false;
		*at++ = '\0';
	}
	return strcmp(at, "|\n") == 0;
}

static void document_says_the_same(void **state)
{
	char line[1024], code[64], status[16], *cells[CELLS];
	const struct err_info *table;
	size_t count, row = 0;
	FILE *doc;

	(void)state;
	table = err_table(&count);
	doc = fopen(HOLDFAST_SOURCE_ROOT "/docs/ERRORS.md", "re");
	assert_non_null(doc);
	while (fgets(line, sizeof(line), doc)) {
		if (strncmp(line, "| `", 3) != 0)
			continue;
		assert_true(row < count);
		assert_true(split_row(line, cells));
		(void)snprintf(code, sizeof(code), "`%s`", table[row].name);
		(void)snprintf(status, sizeof(status), "%d", table[row].http_status);
		assert_string_equal(cells[0], code);
		assert_string_equal(cells[1], status);
		assert_string_equal(cells[2], table[row].title);
		assert_string_equal(cells[3], table[row].remedy);
		row++;
	}
	(void)fclose(doc);
	assert_int_equal(row, count);
}

static void set_clears_the_rest(void **state)
{
	struct err err = {.retry_after = 5, .remedy = "x", .origin = 9, .text = "old"};

	(void)state;
	assert_int_equal(err_set(&err, ERR_QUOTA, "%d of %s", 3, "four"), ERR_QUOTA);
	assert_int_equal(err.code, ERR_QUOTA);
	assert_string_equal(err.text, "3 of four");
	assert_int_equal(err.retry_after, 0);
	assert_int_equal(err.origin_kind, ERR_ORIGIN_NONE);
	assert_int_equal(err.origin, 0);
	assert_string_equal(err_remedy(&err), err_info(ERR_QUOTA)->remedy);
}

static void set_never_reports_success(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(err_set(&err, 0, "x"), ERR_INTERNAL);
	assert_int_equal(err_set(&err, 7, "x"), ERR_INTERNAL);
}

static void errno_is_mapped(void **state)
{
	static const struct {
		int errnum;
		int code;
	} rows[] = {
		{ENOSPC, ERR_DISK_FULL}, {EDQUOT, ERR_DISK_FULL},  {EFBIG, ERR_DISK_FULL},
		{EIO, ERR_UNREADABLE},	 {EACCES, ERR_UNREADABLE},
	};
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(err_set_errno(&err, ERR_UNREADABLE, rows[i].errnum, "f"),
				 rows[i].code);
		assert_int_equal(err.code, rows[i].code);
		assert_int_equal(err.origin_kind, ERR_ORIGIN_ERRNO);
		assert_int_equal(err.origin, rows[i].errnum);
	}
}

static void wrap_keeps_everything_else(void **state)
{
	struct err err = {0};

	(void)state;
	(void)err_set(&err, ERR_TPM_LOCKOUT, "refused");
	(void)err_add_origin(&err, ERR_ORIGIN_TSS2, 0x921);
	(void)err_add_remedy(&err, "Wait.");
	err.retry_after = 600;
	assert_int_equal(err_wrap(&err, "key %s", "a"), ERR_TPM_LOCKOUT);
	assert_int_equal(err_wrap(&err, "sign"), ERR_TPM_LOCKOUT);
	assert_string_equal(err.text, "sign: key a: refused");
	assert_int_equal(err.origin, 0x921);
	assert_int_equal(err.origin_kind, ERR_ORIGIN_TSS2);
	assert_int_equal(err.retry_after, 600);
	assert_string_equal(err_remedy(&err), "Wait.");
}

static void long_texts_are_cut(void **state)
{
	struct err err = {0};
	char text[400];
	size_t i;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&err, ERR_INVALID, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	(void)err_wrap(&err, "head");
	assert_memory_equal(err.text, "head: xxx", 9);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	/* Every place where the cut can fall, the colon and the space included. */
	for (i = 180; i < 200; i++) {
		(void)err_set(&err, ERR_INVALID, "tail");
		(void)err_wrap(&err, "%.*s", (int)i, text);
		assert_true(strlen(err.text) < sizeof(err.text));
		assert_int_equal(strlen(err.text), i + 6 < 191 ? i + 6 : 191);
	}
}

static void own_text_may_be_an_argument(void **state)
{
	struct err err = {0};

	(void)state;
	(void)err_set(&err, ERR_INVALID, "old");
	(void)err_set(&err, ERR_INVALID, "new and %s", err.text);
	assert_string_equal(err.text, "new and old");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_whole),
		cmocka_unit_test(unknown_codes_are_internal),
		cmocka_unit_test(document_says_the_same),
		cmocka_unit_test(set_clears_the_rest),
		cmocka_unit_test(set_never_reports_success),
		cmocka_unit_test(errno_is_mapped),
		cmocka_unit_test(wrap_keeps_everything_else),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(own_text_may_be_an_argument),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
