/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of users, and files that others may read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "cmd/holdfast-origin/user_file.h"

static void assert_text(const struct secret *secret, const char *text)
{
	assert_true(slice_equal(secret_slice(secret), slice_str(text)));
}

static void test_good(void **state)
{
	static const char TEXT[] = "# who\n\na@b.c:pw\nd@e.f: with blanks: and colons \n"
				   "g\xc3\xbc@h.i:\xe2\x82\xac\n#a@b.c:other\nlast:line";
	static const char *const FIELDS[][2] = {{"a@b.c", "pw"},
						{"d@e.f", " with blanks: and colons "},
						{"g\xc3\xbc@h.i", "\xe2\x82\xac"},
						{"last", "line"}};
	CLEANUP(user_file_fini) struct user_file users = {.users = NULL};
	struct err err;

	(void)state;
	assert_int_equal(user_file_parse(slice_str(TEXT), &users, &err), 0);
	assert_int_equal(users.count, ARRAY_LEN(FIELDS));
	for (size_t i = 0; i < users.count; i++) {
		assert_text(users.users[i].email, FIELDS[i][0]);
		assert_text(users.users[i].password, FIELDS[i][1]);
	}
}

static void test_bad(void **state)
{
	static char long_one[V1_FIELD_MAX + 8];
	const struct {
		const char *text, *says;
	} rows[] = {
		{"", "there are no users"},
		{"# nobody\n\n", "there are no users"},
		{"a@b.c:pw\nd@e.f\n", "line 2: there is no colon"},
		{":pw\n", "line 1: the email is empty"},
		{"\n\na@b.c:\n", "line 3: the password is empty"},
		{"a@b.c:pw\r\n", "line 1: the password has a control character"},
		{"a\tb:pw\n", "line 1: the email has a control character"},
		{long_one, "line 1: the password is over 1024 bytes"},
	};

	(void)state;
	memset(long_one, 'q', sizeof(long_one) - 1);
	long_one[0] = 'a';
	long_one[1] = ':';
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct user_file users = {.count = 77};
		struct err err;

		assert_int_equal(user_file_parse(slice_str(rows[i].text), &users, &err),
				 ERR_INVALID);
		assert_int_equal(users.count, 77);
		assert_memory_equal(err.text, rows[i].says, strlen(rows[i].says));
		assert_null(strstr(err.text, "qq"));
	}
}

static void test_nul(void **state)
{
	struct user_file users;
	struct err err;

	(void)state;
	assert_int_equal(user_file_parse(slice_of("a:p\0w\n", 6), &users, &err), ERR_INVALID);
}

static void test_many(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(USER_FILE_MAX);
	CLEANUP(user_file_fini) struct user_file users = {.users = NULL};
	struct err err;

	(void)state;
	for (unsigned i = 0; i < USER_FILE_USERS; i++)
		buf_printf(&text, "u%u:p\n", i);
	assert_int_equal(user_file_parse(buf_slice(&text), &users, &err), 0);
	assert_int_equal(users.count, USER_FILE_USERS);
	buf_put_str(&text, "more:p\n");
	assert_true(buf_ok(&text));
	assert_int_equal(user_file_parse(buf_slice(&text), &users, &err), ERR_INVALID);
}

static void test_modes(void **state)
{
	static const struct {
		mode_t mode;
		int result;
	} rows[] = {
		{0600, 0},
		{0400, 0},
		{0640, ERR_FORBIDDEN},
		{0604, ERR_FORBIDDEN},
		{0620, ERR_FORBIDDEN},
		{0601, ERR_FORBIDDEN},
	};
	char path[] = "/tmp/hf-users-XXXXXX";
	int fd = mkstemp(path);
	struct err err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a:b\n", 4), 4);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(user_file_fini) struct user_file users = {.users = NULL};

		assert_int_equal(fchmod(fd, rows[i].mode), 0);
		assert_int_equal(user_file_read(path, &users, &err), rows[i].result);
		assert_int_equal(users.count, rows[i].result == 0 ? 1 : 0);
	}
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(user_file_read(path, &(struct user_file){.users = NULL}, &err),
			 ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),  cmocka_unit_test(test_bad),
		cmocka_unit_test(test_nul),   cmocka_unit_test(test_many),
		cmocka_unit_test(test_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
