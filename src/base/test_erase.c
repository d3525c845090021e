/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose bytes are to be gone with their names. */
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

#include "base/file.h"

#define SECRET "secret"

static bool write_fails;

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (!write_fails)
		return __real_write(fd, data, len);
	errno = EIO;
	return -1;
}

/* --- a folder per test --- */

static char root[64];
static int dir = -1;

static int begin(void **state)
{
	(void)state;
	write_fails = false;
	(void)snprintf(root, sizeof(root), "/tmp/hf-erase-XXXXXX");
	assert_non_null(mkdtemp(root));
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

/* A test leaves nothing in it. */
static int end(void **state)
{
	(void)state;
	close(dir);
	return rmdir(root);
}

static void put(const char *name)
{
	struct err err;

	assert_int_equal(file_write(dir, name, slice_str(SECRET), 0600, FILE_CREATE, &err), 0);
}

static int look_at(const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void assert_holds(int fd, const char *wanted)
{
	char seen[sizeof(SECRET)] = "";

	assert_int_equal(pread(fd, seen, sizeof(seen), 0), strlen(SECRET));
	assert_memory_equal(seen, wanted, strlen(SECRET));
	close(fd);
}

static void bytes_are_gone(void **state)
{
	struct err err = {0};
	int still;

	(void)state;
	assert_int_equal(file_erase(dir, "f", &err), ERR_NOT_FOUND);
	assert_int_equal(file_erase(dir, "../f", &err), ERR_INVALID);
	put("f");
	still = look_at("f");
	assert_int_equal(file_erase(dir, "f", &err), 0);
	assert_holds(still, "\0\0\0\0\0\0");
	assert_int_equal(file_erase(dir, "f", &err), ERR_NOT_FOUND);
}

/* What has another name stays under that one; a link's other end is not ours. */
static void others_names(void **state)
{
	struct err err = {0};

	(void)state;
	put("kept");
	assert_int_equal(linkat(dir, "kept", dir, "second", 0), 0);
	assert_int_equal(file_erase(dir, "second", &err), 0);
	assert_holds(look_at("kept"), SECRET);
	assert_int_equal(symlinkat("kept", dir, "link"), 0);
	assert_int_equal(file_erase(dir, "link", &err), 0);
	assert_holds(look_at("kept"), SECRET);
	assert_int_equal(file_erase(dir, "kept", &err), 0);
}

static void no_plain_file(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(file_erase(dir, "fifo", &err), 0);
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_int_equal(file_erase(dir, "folder", &err), ERR_CONFLICT);
	assert_int_equal(unlinkat(dir, "folder", AT_REMOVEDIR), 0);
}

/* A failing disk is no reason to keep it. */
static void removed_all_the_same(void **state)
{
	struct err err = {0};

	(void)state;
	put("f");
	write_fails = true;
	assert_int_equal(file_erase(dir, "f", &err), 0);
	assert_int_equal(faccessat(dir, "f", F_OK, 0), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_are_gone),
		TEST(others_names),
		TEST(no_plain_file),
		TEST(removed_all_the_same),
	};

	return cmocka_run_group_tests_name("erase", tests, NULL, NULL);
}
