/* SPDX-License-Identifier: Apache-2.0 */
/* What dpkg's records say of a file. */
#include "stack/conffile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/md5.h"

#define MD5 "900150983cd24fb0d6963f7d28e17f72"

static void test_noted(void **state)
{
	static const struct {
		const char *status;
		bool noted;
	} CASES[] = {
		{"Package: a\nConffiles:\n /etc/a " MD5 "\nDescription: b\n", true},
		{"Conffiles:\n /etc/x 0\n /etc/a " MD5 " obsolete\n", true},
		{"Conffiles:\n /etc/a " MD5, true},
		{"", false},
		{"\n\n", false},
		{"Conffiles:\n /etc/a " MD5 "0\n", false},
		{"Conffiles:\n /etc/a 00000000000000000000000000000000\n", false},
		{"Conffiles:\n /etc/a newconffile\n", false},
		{"Conffiles:\n /etc/ab " MD5 "\n", false},
		{"Conffiles:\n  /etc/a " MD5 "\n", false},
		{"Conffiles:\nDescription: b\n /etc/a " MD5 "\n", false},
		{"Conffiles:\n\n /etc/a " MD5 "\n", false},
		{"Description: b\n /etc/a " MD5 "\n", false},
		{"Conffiles:\n /etc/a", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		if (conffile_noted(slice_str(CASES[i].status), "/etc/a", MD5) != CASES[i].noted)
			fail_msg("case %zu", i);
}

/* RFC 1321, A.5 */
static void test_md5(void **state)
{
	char text[MD5_TEXT_SIZE];
	struct err err = {0};

	(void)state;
	assert_int_equal(md5_text(slice_str("abc"), text, &err), 0);
	assert_string_equal(text, MD5);
	assert_int_equal(md5_text(slice_str(""), text, &err), 0);
	assert_string_equal(text, "d41d8cd98f00b204e9800998ecf8427e");
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_noted),
		cmocka_unit_test(test_md5),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
