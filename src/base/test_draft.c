/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drafts: nothing is to be seen of them before they are published, or after they are dropped, on
 * file systems that know files without a name and on others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/support/folder.h"

static bool named;	/* /proc is missing, so that drafts need a name from the start */
static int fsync_fails; /* errno of the next fsync; 0 = none */

int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_access(const char *path, int mode)
{
	if (!named)
		return __real_access(path, mode);
	errno = ENOENT;
	return -1;
}

int __wrap_fsync(int fd)
{
	if (fsync_fails == 0)
		return __real_fsync(fd);
	errno = fsync_fails;
	fsync_fails = 0;
	return -1;
}

static char root[FOLDER_ROOM];
static int dir = -1;

static int begin(void **state)
{
	(void)state;
	dir = folder_open_new(root, "draft");
	assert_true(dir >= 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	named = false;
	fsync_fails = 0;
	(void)unlinkat(dir, "file", 0);
	close(dir);
	return rmdir(root); /* which tells that nothing else is there */
}

static size_t entries(void)
{
	DIR *stream = opendir(root);
	size_t count = 0;

	assert_non_null(stream);
	while (readdir(stream))
		count++;
	closedir(stream);
	return count - 2;
}

static struct file_draft *draft_of(const char *one, const char *two)
{
	struct file_draft *draft = NULL;
	struct err err = {0};

	assert_int_equal(file_draft_new(dir, "file", 0640, &draft, &err), 0);
	assert_int_equal(file_draft_write(draft, slice_str(one), &err), 0);
	assert_int_equal(file_draft_write(draft, slice_str(two), &err), 0);
	return draft;
}

static void expect(const char *content)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(64);
	struct err err = {0};

	assert_int_equal(file_read(dir, "file", &bytes, &err), 0);
	assert_int_equal(bytes.len, strlen(content));
	assert_memory_equal(bytes.data, content, bytes.len);
}

static void publish_and_drop(void)
{
	struct file_draft *draft = draft_of("one ", "two");
	struct err err = {0};
	struct stat st;

	assert_int_equal(entries(), named ? 1 : 0);
	assert_int_equal(file_draft_publish(draft, FILE_REPLACE, &err), 0);
	file_draft_free(draft);
	expect("one two");
	assert_int_equal(fstatat(dir, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_nlink, 1);
	draft = draft_of("three", "");
	assert_int_equal(file_draft_publish(draft, FILE_CREATE, &err), ERR_CONFLICT);
	file_draft_free(draft);
	file_draft_free(draft_of("four", ""));
	expect("one two");
	draft = draft_of("five", "");
	assert_int_equal(file_draft_publish(draft, FILE_REPLACE, &err), 0);
	file_draft_free(draft);
	expect("five");
	assert_int_equal(entries(), 1);
}

static void without_a_name(void **state)
{
	(void)state;
	publish_and_drop();
}

static void with_a_name(void **state)
{
	(void)state;
	named = true;
	publish_and_drop();
}

static void failures_leave_the_old(void **state)
{
	struct file_draft *draft;
	struct err err = {0};

	(void)state;
	draft = draft_of("old", "");
	assert_int_equal(file_draft_publish(draft, FILE_CREATE, &err), 0);
	file_draft_free(draft);
	draft = draft_of("new", "");
	fsync_fails = ENOSPC;
	assert_int_equal(file_draft_publish(draft, FILE_REPLACE, &err), ERR_DISK_FULL);
	file_draft_free(draft);
	expect("old");
	assert_int_equal(entries(), 1);
}

static void bad_names(void **state)
{
	static const char TEMP[] = FILE_TEMP_PREFIX "x";
	static const char *const NAMES[] = {"", ".", "..", "a/b", TEMP};
	struct file_draft *draft = NULL;
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(NAMES); i++)
		assert_int_equal(file_draft_new(dir, NAMES[i], 0600, &draft, &err), ERR_INVALID);
	assert_null(draft);
	draft = draft_of("one", "");
	for (i = 0; i < ARRAY_LEN(NAMES); i++)
		assert_int_equal(file_draft_name(draft, NAMES[i], &err), ERR_INVALID);
	assert_int_equal(file_draft_publish(draft, FILE_CREATE, &err), 0);
	file_draft_free(draft);
	expect("one");
}

/* Its name may follow from its content; the first one is not touched. */
static void name_that_came_later(void **state)
{
	struct file_draft *draft;
	struct err err = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		named = i == 1;
		draft = draft_of("old", "");
		assert_int_equal(file_draft_publish(draft, FILE_REPLACE, &err), 0);
		file_draft_free(draft);
		draft = draft_of("new", "");
		assert_int_equal(file_draft_name(draft, "other", &err), 0);
		assert_int_equal(entries(), named ? 2 : 1);
		assert_int_equal(file_draft_publish(draft, FILE_CREATE, &err), 0);
		file_draft_free(draft);
		assert_int_equal(entries(), 2);
		expect("old");
		assert_int_equal(file_replace(dir, "other", dir, "file", &err), 0);
		expect("new");
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		TEST(without_a_name), TEST(with_a_name),	  TEST(failures_leave_the_old),
		TEST(bad_names),      TEST(name_that_came_later),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
