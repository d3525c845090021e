/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/socket.h"

#define NAME "s"

struct folder {
	char path[64];
	int fd;
};

static int folder_make(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	(void)snprintf(folder->path, sizeof(folder->path), "/tmp/hf-socket-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = folder;
	return 0;
}

static int folder_remove(void **state)
{
	struct folder *folder = *state;

	(void)unlinkat(folder->fd, NAME, 0);
	close(folder->fd);
	rmdir(folder->path);
	free(folder);
	return 0;
}

static int dial(const struct folder *folder)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", folder->path, NAME);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void test_listens(void **state)
{
	const struct folder *folder = *state;
	struct err err = {0};
	struct stat st;
	int fd = -1, client;

	assert_int_equal(socket_listen(folder->fd, folder->path, NAME, SOCKET_GROUP, &fd, &err), 0);
	assert_int_equal(fstatat(folder->fd, NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	client = dial(folder);
	assert_true(client >= 0);
	close(client);
	close(fd);
}

/* Nobody but the owner, and no other group than his. */
static void test_for_the_owner_alone(void **state)
{
	const struct folder *folder = *state;
	struct err err = {0};
	struct stat st;
	int fd = -1;

	assert_int_equal(socket_listen(folder->fd, folder->path, NAME, SOCKET_OWNER, &fd, &err), 0);
	assert_int_equal(fstatat(folder->fd, NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_gid, getegid());
	close(fd);
}

static void test_replaces_what_nobody_listens_on(void **state)
{
	const struct folder *folder = *state;
	struct err err = {0};
	int first = -1, second = -1;

	assert_int_equal(socket_listen(folder->fd, folder->path, NAME, SOCKET_GROUP, &first, &err),
			 0);
	close(first);
	assert_true(dial(folder) < 0);
	assert_int_equal(socket_listen(folder->fd, folder->path, NAME, SOCKET_GROUP, &second, &err),
			 0);
	close(second);
}

static void test_leaves_a_live_one(void **state)
{
	const struct folder *folder = *state;
	struct err err = {0};
	int first = -1, second = -1, client;

	assert_int_equal(socket_listen(folder->fd, folder->path, NAME, SOCKET_GROUP, &first, &err),
			 0);
	assert_int_equal(socket_listen(folder->fd, folder->path, NAME, SOCKET_GROUP, &second, &err),
			 ERR_CONFLICT);
	assert_int_equal(second, -1);
	client = dial(folder);
	assert_true(client >= 0);
	close(client);
	close(first);
}

static void test_leaves_another_file(void **state)
{
	const struct folder *folder = *state;
	struct err err = {0};
	struct stat st;
	int fd = -1;

	close(openat(folder->fd, NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(socket_listen(folder->fd, folder->path, NAME, SOCKET_GROUP, &fd, &err),
			 ERR_CONFLICT);
	assert_int_equal(fstatat(folder->fd, NAME, &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* One byte more than an address holds is refused, not cut. */
static void test_long_path(void **state)
{
	const struct folder *folder = *state;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct err err = {0};
	int fd = -1;

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1 - strlen("/" NAME)] = '\0';
	/* It fits now, but is no folder. */
	assert_int_equal(socket_listen(folder->fd, path, NAME, SOCKET_GROUP, &fd, &err),
			 ERR_INTERNAL);
	path[strlen(path)] = 'x';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(socket_listen(folder->fd, path, NAME, SOCKET_GROUP, &fd, &err),
			 ERR_INVALID);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listens, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_for_the_owner_alone, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(test_replaces_what_nobody_listens_on, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(test_leaves_a_live_one, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_leaves_another_file, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(test_long_path, folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
