/* SPDX-License-Identifier: Apache-2.0 */
/* Parts: they grow over several openings, and get their name in one step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/support/folder.h"

static int pwrite_fails; /* errno of the next; 0 = none */
static int fsync_fails;
static size_t pwrite_max = SIZE_MAX; /* bytes that one call takes */

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
	if (pwrite_fails == 0)
		return __real_pwrite64(fd, data, len < pwrite_max ? len : pwrite_max, at);
	errno = pwrite_fails;
	pwrite_fails = 0;
	return -1;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
	return __wrap_pwrite64(fd, data, len, at);
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
	dir = folder_open_new(root, "part");
	assert_true(dir >= 0);
	return 0;
}

static int end(void **state)
{
	static const char *const names[] = {".a.part", "a", "other"};

	(void)state;
	pwrite_fails = fsync_fails = 0;
	pwrite_max = SIZE_MAX;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (unlinkat(dir, names[i], 0) < 0)
			(void)unlinkat(dir, names[i], AT_REMOVEDIR);
	close(dir);
	return rmdir(root);
}

static int open_part(uint64_t *ret_size)
{
	struct err err = {0};
	int fd = -1;

	assert_int_equal(file_part_open(dir, ".a.part", 0600, &fd, ret_size, &err), 0);
	return fd;
}

static void assert_holds(const char *name, const char *text)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(100);
	struct err err = {0};

	assert_int_equal(file_read(dir, name, &bytes, &err), 0);
	assert_true(slice_equal(buf_slice(&bytes), slice_str(text)));
}

static void test_grows(void **state)
{
	struct err err = {0};
	struct stat st;
	uint64_t size = 7;
	mode_t mask = umask(0277);
	int fd = open_part(&size);

	(void)state;
	(void)umask(mask);
	assert_int_equal(size, 0);
	pwrite_max = 1;
	assert_int_equal(file_part_write(fd, 0, slice_str("begun"), &err), 0);
	assert_int_equal(file_part_sync(dir, fd, &err), 0);
	close(fd);
	fd = open_part(&size);
	assert_int_equal(size, 5);
	assert_int_equal(file_part_cut(fd, 3, &err), 0);
	assert_int_equal(file_part_write(fd, 3, slice_str(" end"), &err), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	close(fd);
	assert_holds(".a.part", "beg end");
}

static void test_failures(void **state)
{
	struct err err = {0};
	uint64_t size;
	int fd = open_part(&size);

	(void)state;
	pwrite_fails = EINTR;
	assert_int_equal(file_part_write(fd, 0, slice_str("x"), &err), 0);
	pwrite_fails = ENOSPC;
	assert_int_equal(file_part_write(fd, 0, slice_str("x"), &err), ERR_DISK_FULL);
	pwrite_fails = EIO;
	assert_int_equal(file_part_write(fd, 0, slice_str("x"), &err), ERR_INTERNAL);
	fsync_fails = EIO;
	assert_int_equal(file_part_sync(dir, fd, &err), ERR_INTERNAL);
	close(fd);
}

/* Links of both kinds, and what is no file. */
static void test_not_ours(void **state)
{
	struct err err = {0};
	uint64_t size;
	int fd = open_part(&size);

	(void)state;
	close(fd);
	assert_int_equal(linkat(dir, ".a.part", dir, "other", 0), 0);
	assert_int_equal(file_part_open(dir, ".a.part", 0600, &fd, &size, &err), ERR_UNREADABLE);
	assert_int_equal(unlinkat(dir, ".a.part", 0), 0);
	assert_int_equal(symlinkat("other", dir, ".a.part"), 0);
	assert_int_equal(file_part_open(dir, ".a.part", 0600, &fd, &size, &err), ERR_UNREADABLE);
	assert_int_equal(file_open(dir, ".a.part", &fd, &size, &err), ERR_UNREADABLE);
	assert_int_equal(unlinkat(dir, ".a.part", 0), 0);
	assert_int_equal(mkfifoat(dir, ".a.part", 0600), 0);
	assert_int_equal(file_part_open(dir, ".a.part", 0600, &fd, &size, &err), ERR_UNREADABLE);
	assert_int_equal(file_part_open(dir, "../a", 0600, &fd, &size, &err), ERR_INVALID);
}

static void test_replace(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(file_write(dir, "other", slice_str("new"), 0600, FILE_CREATE, &err), 0);
	assert_int_equal(file_replace(dir, "other", dir, "a", &err), 0);
	assert_holds("a", "new");
	assert_int_equal(file_replace(dir, "other", dir, "a", &err), ERR_NOT_FOUND);
	assert_int_equal(file_write(dir, "other", slice_str("newer"), 0600, FILE_CREATE, &err), 0);
	assert_int_equal(file_replace(dir, "other", dir, "a", &err), 0);
	assert_holds("a", "newer");
	assert_int_equal(mkdirat(dir, "other", 0700), 0);
	assert_int_equal(file_replace(dir, "a", dir, "other", &err), ERR_CONFLICT);
	assert_holds("a", "newer");
	assert_int_equal(file_replace(dir, "a", dir, "b/c", &err), ERR_INVALID);
	assert_int_equal(file_replace(dir, "..", dir, "c", &err), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grows, begin, end),
		cmocka_unit_test_setup_teardown(test_failures, begin, end),
		cmocka_unit_test_setup_teardown(test_not_ours, begin, end),
		cmocka_unit_test_setup_teardown(test_replace, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
