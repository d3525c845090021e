/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of Names, and files that others may write to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/holdfast-origin/ek_file.h"
#include "wrap/public.h"

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER  "ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_good(void **state)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(1024);
	struct err err;

	(void)state;
	assert_int_equal(ek_file_parse(slice_str("# makers\n\n000b" DIGITS "\n#000b\n000b" OTHER),
				       &names, &err),
			 0);
	assert_int_equal(names.len, 2 * WRAP_NAME_SIZE);
	assert_memory_equal(names.data, "\x00\x0b\x01\x23\x45", 5);
	assert_memory_equal(names.data + WRAP_NAME_SIZE, "\x00\x0b\xff\x23", 4);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "there are no Names"},
		{"# none\n\n", "there are no Names"},
		{"000b" DIGITS "\n000b\n", "line 2: no Name"},
		{"000b" DIGITS "0\n", "line 1: no Name"},
		{"000b" DIGITS " \n", "line 1: no Name"},
		{"000b" DIGITS "\r\n", "line 1: no Name"},
		{"000B" DIGITS "\n", "line 1: no Name"},
		{"000c" DIGITS "\n", "line 1: no Name"}, /* with another digest */
		{"\n010b" DIGITS "\n", "line 2: no Name"},
		{"000bg123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
		 "line 1: no Name"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf names = BUF_INIT(1024);
		struct err err;

		assert_int_equal(ek_file_parse(slice_str(rows[i].text), &names, &err), ERR_INVALID);
		assert_memory_equal(err.text, rows[i].says, strlen(rows[i].says));
	}
}

static void test_full(void **state)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(2 * WRAP_NAME_SIZE);
	struct err err;

	(void)state;
	assert_int_equal(ek_file_parse(slice_str("000b" DIGITS "\n000b" DIGITS "\n000b" DIGITS),
				       &names, &err),
			 ERR_TOO_LARGE);
}

static void test_modes(void **state)
{
	static const struct {
		mode_t mode;
		int result;
	} rows[] = {
		{0644, 0},
		{0600, 0},
		{0664, ERR_FORBIDDEN},
		{0646, ERR_FORBIDDEN},
	};
	char path[] = "/tmp/hf-eks-XXXXXX";
	int fd = mkstemp(path);
	struct err err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "000b" DIGITS "\n", 69), 69);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf names = BUF_INIT(1024), der = BUF_INIT(1024);

		assert_int_equal(fchmod(fd, rows[i].mode), 0);
		assert_int_equal(ek_file_read(path, &names, &err), rows[i].result);
		/* It is no PEM, but that comes after. */
		assert_int_equal(ek_anchors_read(path, &der, &err),
				 rows[i].result ? rows[i].result : ERR_INVALID);
	}
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ek_file_read(path, &(struct buf)BUF_INIT(1), &err), ERR_NOT_FOUND);
	assert_int_equal(ek_anchors_read(path, &(struct buf)BUF_INIT(1), &err), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
