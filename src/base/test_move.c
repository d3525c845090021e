/* SPDX-License-Identifier: Apache-2.0 */
/* Moving where the file system can move without overwriting, and where it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"

static int renameat2_fails; /* errno; 0 = it works */
static unsigned syncs, links;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __real_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);

int __wrap_fsync(int fd)
{
	syncs++;
	return __real_fsync(fd);
}

int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (renameat2_fails == 0)
		return __real_renameat2(from_dir, from, to_dir, to, flags);
	errno = renameat2_fails;
	return -1;
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	links++;
	return __real_linkat(from_dir, from, to_dir, to, flags);
}

/* --- a folder per test --- */

static char root[64];
static int dir = -1, other = -1;

static int begin(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/hf-move-XXXXXX");
	assert_non_null(mkdtemp(root));
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(mkdirat(dir, "other", 0700), 0);
	other = openat(dir, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(other >= 0);
	renameat2_fails = 0;
	syncs = links = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(other);
	assert_int_equal(unlinkat(dir, "other", AT_REMOVEDIR), 0);
	close(dir);
	return rmdir(root); /* which tells that nothing else is there */
}

static void make_file(int at, const char *name)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* A folder with something in it. */
static void make_full(int at, const char *name)
{
	char path[64];

	assert_int_equal(mkdirat(at, name, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/in", name);
	make_file(at, path);
}

static bool is_there(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void delete_full(int at, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/in", name);
	assert_int_equal(unlinkat(at, path, 0), 0);
	assert_int_equal(unlinkat(at, name, AT_REMOVEDIR), 0);
}

/* --- tests --- */

static const int UNKNOWN[] = {0, ENOSYS, EINVAL};

static void folders(void **state)
{
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(UNKNOWN); i++) {
		renameat2_fails = UNKNOWN[i];
		syncs = 0;
		make_full(dir, "web");
		assert_int_equal(file_move(dir, "web", other, "web.1", &err), 0);
		assert_int_equal(syncs, 2);
		assert_false(is_there(dir, "web"));
		assert_true(is_there(other, "web.1/in"));
		delete_full(other, "web.1");
		assert_int_equal(file_move(dir, "web", other, "web.1", &err), ERR_NOT_FOUND);
	}
	assert_int_equal(links, 2); /* of what was absent only */
}

/* Whatever has the name keeps it, an empty folder too, which rename(2) would replace. */
static void nothing_is_overwritten(void **state)
{
	struct err err;
	size_t i;

	(void)state;
	make_full(dir, "web");
	make_full(other, "full");
	make_file(other, "file");
	assert_int_equal(mkdirat(other, "empty", 0700), 0);
	assert_int_equal(symlinkat("nowhere", other, "link"), 0);
	for (i = 0; i < ARRAY_LEN(UNKNOWN); i++) {
		static const char *const NAMES[] = {"full", "file", "empty", "link"};
		size_t j;

		renameat2_fails = UNKNOWN[i];
		for (j = 0; j < ARRAY_LEN(NAMES); j++) {
			assert_int_equal(file_move(dir, "web", other, NAMES[j], &err),
					 ERR_CONFLICT);
			assert_true(is_there(dir, "web/in"));
		}
		assert_false(is_there(other, "empty/in"));
	}
	delete_full(dir, "web");
	delete_full(other, "full");
	assert_int_equal(unlinkat(other, "file", 0), 0);
	assert_int_equal(unlinkat(other, "link", 0), 0);
	assert_int_equal(unlinkat(other, "empty", AT_REMOVEDIR), 0);
}

/* Another error is one, and nothing else is tried. */
static void other_errors(void **state)
{
	struct err err;

	(void)state;
	make_full(dir, "web");
	renameat2_fails = EACCES;
	assert_int_equal(file_move(dir, "web", other, "web.1", &err), ERR_INTERNAL);
	assert_true(is_there(dir, "web/in"));
	delete_full(dir, "web");
}

/* Sockets too, and nothing is synced for them. */
static void passing(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct err err;
	size_t i;

	(void)state;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/.socket", root);
	for (i = 0; i < ARRAY_LEN(UNKNOWN); i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		renameat2_fails = UNKNOWN[i];
		assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
		assert_int_equal(file_move_passing(dir, ".socket", other, "socket", &err), 0);
		assert_false(is_there(dir, ".socket"));
		assert_true(is_there(other, "socket"));
		make_file(dir, "file");
		assert_int_equal(file_move_passing(dir, "file", other, "socket", &err),
				 ERR_CONFLICT);
		assert_int_equal(unlinkat(dir, "file", 0), 0);
		assert_int_equal(unlinkat(other, "socket", 0), 0);
		close(fd);
	}
	assert_int_equal(file_move_passing(dir, "../x", other, "x", &err), ERR_INVALID);
	assert_int_equal(syncs, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(folders),
		TEST(nothing_is_overwritten),
		TEST(other_errors),
		TEST(passing),
	};

	return cmocka_run_group_tests_name("move", tests, NULL, NULL);
}
