/* SPDX-License-Identifier: Apache-2.0 */
/* Spool: what goes in comes out, no name is left, and every failing call is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spool.h"

static int anonymous_errno; /* what the system says to a file without a name; 0 = makes it */
static int write_errno, read_errno;
static int interrupted; /* so many calls first */
static size_t most;	/* bytes of one call; 0 = no limit */
static unsigned named;	/* files that were made with a name */

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dir, const char *path, int flags, mode_t mode);
ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __real_pread64(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t at);

int __wrap_openat(int dir, const char *path, int flags, mode_t mode)
{
	if ((flags & O_TMPFILE) == O_TMPFILE && anonymous_errno != 0) {
		errno = anonymous_errno;
		return -1;
	}
	named += (flags & O_CREAT) != 0;
	return __real_openat(dir, path, flags, mode);
}

int __wrap_openat64(int dir, const char *path, int flags, mode_t mode)
{
	return __wrap_openat(dir, path, flags, mode);
}

static bool fails(int errnum)
{
	errno = interrupted > 0 ? EINTR : errnum;
	return (interrupted > 0 && interrupted--) || errnum != 0;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
	if (fails(write_errno))
		return -1;
	return __real_pwrite64(fd, data, most > 0 && len > most ? most : len, at);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
	return __wrap_pwrite64(fd, data, len, at);
}

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t at)
{
	if (fails(read_errno))
		return -1;
	return __real_pread64(fd, data, most > 0 && len > most ? most : len, at);
}

ssize_t __wrap_pread(int fd, void *data, size_t len, off_t at)
{
	return __wrap_pread64(fd, data, len, at);
}

struct folder {
	char path[64];
	int fd;
};

static int folder_make(void **state)
{
	static struct folder folder;
	struct err err;

	(void)snprintf(folder.path, sizeof(folder.path), "/tmp/hf-spool-XXXXXX");
	assert_non_null(mkdtemp(folder.path));
	assert_int_equal(file_open_dir(AT_FDCWD, folder.path, false, 0700, &folder.fd, &err), 0);
	anonymous_errno = write_errno = read_errno = interrupted = 0;
	most = 0;
	named = 0;
	*state = &folder;
	return 0;
}

/* rmdir() fails when a name was left. */
static int folder_remove(void **state)
{
	struct folder *folder = *state;

	close(folder->fd);
	assert_int_equal(rmdir(folder->path), 0);
	return 0;
}

static void fill(uint8_t *bytes, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 13 + seed);
}

static void in_and_out(const struct folder *folder)
{
	static uint8_t in[100000], out[200000];
	CLEANUP(spool_cleanup) struct spool *spool = NULL;
	struct err err;

	assert_int_equal(spool_new(folder->fd, &spool, &err), 0);
	assert_int_equal(spool_size(spool), 0);
	fill(in, sizeof(in), 1);
	assert_int_equal(spool_append(spool, slice_of(in, sizeof(in)), &err), 0);
	assert_int_equal(spool_append(spool, slice_of(NULL, 0), &err), 0);
	assert_int_equal(spool_append(spool, slice_of(in, 5), &err), 0);
	assert_int_equal(spool_size(spool), sizeof(in) + 5);
	assert_int_equal(spool_read(spool, 0, out, sizeof(in) + 5, &err), 0);
	assert_memory_equal(out, in, sizeof(in));
	assert_memory_equal(out + sizeof(in), in, 5);
	assert_int_equal(spool_read(spool, 777, out, 1000, &err), 0);
	assert_memory_equal(out, in + 777, 1000);
	assert_int_equal(spool_read(spool, sizeof(in), out, 6, &err), ERR_UNREADABLE);
}

static void test_in_and_out(void **state)
{
	in_and_out(*state);
	most = 777;
	interrupted = 3;
	in_and_out(*state);
	assert_int_equal(interrupted, 0);
	assert_int_equal(named, 0);
}

static void test_without_anonymous_files(void **state)
{
	static const int SAYS[] = {EOPNOTSUPP, EISDIR, EINVAL};
	size_t i;

	for (i = 0; i < ARRAY_LEN(SAYS); i++) {
		anonymous_errno = SAYS[i];
		in_and_out(*state);
		assert_int_equal(named, i + 1);
	}
}

static void test_failures(void **state)
{
	const struct folder *folder = *state;
	CLEANUP(spool_cleanup) struct spool *spool = NULL;
	uint8_t byte = 1;
	struct err err;

	anonymous_errno = ENOSPC;
	assert_int_equal(spool_new(folder->fd, &spool, &err), ERR_DISK_FULL);
	anonymous_errno = EMFILE;
	assert_int_equal(spool_new(folder->fd, &spool, &err), ERR_INTERNAL);
	assert_null(spool);
	anonymous_errno = 0;
	assert_int_equal(spool_new(folder->fd, &spool, &err), 0);
	write_errno = ENOSPC;
	assert_int_equal(spool_append(spool, slice_of(&byte, 1), &err), ERR_DISK_FULL);
	write_errno = EFBIG;
	assert_int_equal(spool_append(spool, slice_of(&byte, 1), &err), ERR_DISK_FULL);
	write_errno = EIO;
	assert_int_equal(spool_append(spool, slice_of(&byte, 1), &err), ERR_INTERNAL);
	write_errno = 0;
	assert_int_equal(spool_append(spool, slice_of(&byte, 1), &err), 0);
	read_errno = EIO;
	assert_int_equal(spool_read(spool, 0, &byte, 1, &err), ERR_UNREADABLE);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_in_and_out, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_without_anonymous_files, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(test_failures, folder_make, folder_remove),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
