/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger is what says whose a file is: what is not just as we write it says nothing. */
#include "stack/ledger.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/support/folder.h"

#define D  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define D2 "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char root[FOLDER_ROOM];
static int dir = -1;

static int begin(void **state)
{
	(void)state;
	dir = folder_open_new(root, "ledger");
	return dir < 0;
}

static int end(void **state)
{
	(void)state;
	close(dir);
	return folder_remove_all(root);
}

static int read_text(const char *text, struct ledger *ledger, struct err *err)
{
	assert_int_equal(file_write(dir, "applied", slice_str(text), 0600, FILE_REPLACE, err), 0);
	return ledger_read(dir, ledger, err);
}

static void test_good(void **state)
{
	static const char *const TEXTS[] = {
		"",
		"profile " D "\n",
		"profile " D "\nprofile " D2 "\n",
		"fapi-config " D " .fapi-config.json.holdfast-orig " D2 "\n",
		"fapi-config " D " .fapi-config.json.holdfast-backup.12 " D "\n",
		"udev-rules " D "\nfapi-config " D " .fapi-config.json.holdfast-orig " D
		"\nfapi-config " D2 " .fapi-config.json.holdfast-orig " D "\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(TEXTS); i++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);
		struct ledger ledger, again;
		struct err err = {0};

		if (read_text(TEXTS[i], &ledger, &err) < 0)
			fail_msg("%zu: %s", i, err.text);
		assert_int_equal(ledger_write(dir, &ledger, &err), 0);
		assert_int_equal(file_read(dir, "applied", &text, &err), 0);
		assert_true(slice_equal(buf_slice(&text), slice_str(TEXTS[i])));
		assert_int_equal(ledger_read(dir, &again, &err), 0);
		assert_true(ledger_same(&ledger, &again));
	}
}

static void test_bad(void **state)
{
	static const char *const TEXTS[] = {
		"profile " D,
		"\n",
		"profile\n",
		"profile \n",
		"profil " D "\n",
		"/etc/passwd " D "\n",
		"profile " D "0\n",
		"profile 0" D "\n",
		"profile " D2 " \nx\n",
		"profile " D "\nprofile " D2 "\nprofile " D "\n",
		"profile X0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
		"fapi-config " D " .fapi-config.json " D "\n",
		"fapi-config " D " ../../etc/passwd " D "\n",
		"fapi-config " D " .fapi-config.json.holdfast-orig/../x " D "\n",
		"fapi-config " D " .fapi-config.json.holdfast-orig. " D "\n",
		"fapi-config " D " .fapi-config.json.holdfast-orig.1x " D "\n",
		"fapi-config " D " .other.holdfast-orig " D "\n",
		"profile " D " .fapi-config.json.holdfast-orig " D "\n",
		"fapi-config " D " fapi-config.json.holdfast-orig " D "\n",
		"fapi-config " D " .fapi-config.json.holdfast-orig\n",
		"fapi-config " D " .fapi-config.json.holdfast-orig 00\n",
		"fapi-config " D " .fapi-config.json.holdfast-orig " D " x\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(TEXTS); i++) {
		struct ledger ledger = {.rows[0].count = 77};
		struct err err = {0};

		if (read_text(TEXTS[i], &ledger, &err) != ERR_UNREADABLE)
			fail_msg("taken: %s", TEXTS[i]);
		assert_int_equal(ledger.rows[0].count, 77);
	}
}

static void test_absent(void **state)
{
	struct ledger ledger = {.rows[0].count = 77};
	struct err err = {0};

	(void)state;
	(void)unlinkat(dir, "applied", 0);
	assert_int_equal(ledger_read(dir, &ledger, &err), 0);
	assert_int_equal(ledger.rows[0].count, 0);
	assert_int_equal(mkdirat(dir, "applied", 0700), 0);
	assert_int_equal(ledger_read(dir, &ledger, &err), ERR_UNREADABLE);
	assert_int_equal(unlinkat(dir, "applied", AT_REMOVEDIR), 0);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests(TESTS, begin, end);
}
