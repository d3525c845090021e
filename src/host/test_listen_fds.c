/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/listen_fds.h"

enum given { GIVEN_LISTENING, GIVEN_TCP, GIVEN_CONNECTED, GIVEN_DATAGRAM, GIVEN_FILE };

static const struct {
	const char *what;
	enum given given;
	bool announced;
	const char *count;
	int r;
	int fd;
	enum listen_fds_kind kind;
} CASES[] = {
	{"nothing announced", GIVEN_FILE, false, NULL, 0, -1, LISTEN_FDS_UNIX},
	{"announced to another process", GIVEN_LISTENING, false, "1", 0, -1, LISTEN_FDS_UNIX},
	{"a listening socket", GIVEN_LISTENING, true, "1", 0, 3, LISTEN_FDS_UNIX},
	{"two", GIVEN_LISTENING, true, "2", ERR_INVALID, -2, LISTEN_FDS_UNIX},
	{"a socket that does not listen", GIVEN_CONNECTED, true, "1", ERR_INVALID, -2,
	 LISTEN_FDS_UNIX},
	{"a datagram socket", GIVEN_DATAGRAM, true, "1", ERR_INVALID, -2, LISTEN_FDS_UNIX},
	{"a file", GIVEN_FILE, true, "1", ERR_INVALID, -2, LISTEN_FDS_UNIX},
	{"a listening socket of either kind", GIVEN_LISTENING, true, "1", 0, 3, LISTEN_FDS_ANY},
	{"a TCP socket", GIVEN_TCP, true, "1", 0, 3, LISTEN_FDS_ANY},
	{"a TCP socket for Unix", GIVEN_TCP, true, "1", ERR_INVALID, -2, LISTEN_FDS_UNIX},
	{"a file for either", GIVEN_FILE, true, "1", ERR_INVALID, -2, LISTEN_FDS_ANY},
};

static int give(enum given given)
{
	/* An empty abstract address: the kernel picks a free one. */
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	int fd;

	switch (given) {
	case GIVEN_LISTENING:
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)) < 0 ||
		    listen(fd, 1) < 0)
			return -1;
		return fd;
	case GIVEN_TCP: /* to which the kernel gives a free port */
		fd = socket(AF_INET, SOCK_STREAM, 0);
		return listen(fd, 1) < 0 ? -1 : fd;
	case GIVEN_CONNECTED:
		return socket(AF_UNIX, SOCK_STREAM, 0);
	case GIVEN_DATAGRAM:
		return socket(AF_UNIX, SOCK_DGRAM, 0);
	case GIVEN_FILE:
		return open("/dev/null", O_RDONLY);
	}
	return -1;
}

/* In a child, because descriptor 3 is the test runner's own. */
static int run_case(size_t i)
{
	struct err err = {0};
	char pid[16];
	int fd = -2;

	if (dup2(give(CASES[i].given), 3) != 3)
		return 1;
	(void)snprintf(pid, sizeof(pid), "%d", CASES[i].announced ? (int)getpid() : 1);
	(void)setenv("LISTEN_PID", pid, 1);
	if (CASES[i].count)
		(void)setenv("LISTEN_FDS", CASES[i].count, 1);
	if (listen_fds_take(CASES[i].kind, &fd, &err) != CASES[i].r)
		return 2;
	if (fd != CASES[i].fd)
		return 3;
	if (fd == 3 && (!(fcntl(3, F_GETFD) & FD_CLOEXEC) || !(fcntl(3, F_GETFL) & O_NONBLOCK)))
		return 4;
	return 0;
}

static void test_cases(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		pid_t pid = fork();
		int status = -1;

		if (pid == 0)
			_exit(run_case(i));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("%s: status %d", CASES[i].what, status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
