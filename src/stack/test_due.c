/* SPDX-License-Identifier: Apache-2.0 */
/* What is due stays due until it is done. */
#include "stack/due.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/support/folder.h"

static char root[FOLDER_ROOM];
static int dir = -1;

static int begin(void **state)
{
	(void)state;
	dir = folder_open_new(root, "due");
	return dir < 0;
}

static int end(void **state)
{
	(void)state;
	close(dir);
	return folder_remove_all(root);
}

static void test_kept_until_settled(void **state)
{
	const struct stack_due due = {.put = 1u << STACK_SYSUSERS, .gone = 1u << STACK_ABRMD_UNIT};
	const struct stack_due more = {.put = due.put | 1u << STACK_ABRMD_BUS, .gone = due.gone};
	struct stack_due seen = {.put = 77};
	struct err err = {0};

	(void)state;
	assert_int_equal(due_read(dir, &seen, &err), 0);
	assert_int_equal(seen.put | seen.gone, 0);
	assert_int_equal(due_write(dir, &more, &err), 0);
	assert_int_equal(due_read(dir, &seen, &err), 0);
	assert_true(due_same(&seen, &more));
	/* Another run has noted more since. */
	assert_int_equal(due_settle(dir, &due, &err), 0);
	assert_int_equal(faccessat(dir, "due", F_OK, 0), 0);
	assert_int_equal(due_settle(dir, &more, &err), 0);
	assert_int_not_equal(faccessat(dir, "due", F_OK, 0), 0);
}

static void test_bad(void **state)
{
	static const char *const TEXTS[] = {"x put\n", "sysusers\n", "sysusers putt\n"};
	struct stack_due due = {.put = 77};
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(TEXTS); i++) {
		assert_int_equal(
			file_write(dir, "due", slice_str(TEXTS[i]), 0644, FILE_REPLACE, &err), 0);
		assert_int_equal(due_read(dir, &due, &err), ERR_UNREADABLE);
		assert_int_equal(due.put, 77);
	}
}

static void test_last_counts(void **state)
{
	struct stack_due due = {0};

	(void)state;
	due_add(&due, STACK_ABRMD_UNIT, STACK_REMOVED);
	due_add(&due, STACK_ABRMD_UNIT, STACK_SAME);
	assert_int_equal(due.gone, 1u << STACK_ABRMD_UNIT);
	due_add(&due, STACK_ABRMD_UNIT, STACK_FORCED);
	assert_int_equal(due.gone, 0);
	assert_int_equal(due.put, 1u << STACK_ABRMD_UNIT);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_kept_until_settled),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_last_counts),
	};

	return cmocka_run_group_tests(TESTS, begin, end);
}
