/* SPDX-License-Identifier: Apache-2.0 */
/* On this kernel, and as on one that does not know the pidfd of a peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/process.h"

static bool old_kernel;

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (!old_kernel)
		return __real_getsockopt(fd, level, name, value, len);
	errno = ENOPROTOOPT;
	return -1;
}

/* A child that waits until @end is closed. The socket's credentials are ours: with old_kernel only
 * the pid is looked at. */
struct peer {
	pid_t pid;
	int end;
	int socket;
};

static void peer_open(struct peer *peer)
{
	int ends[2], pair[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	peer->pid = fork();
	assert_true(peer->pid >= 0);
	if (peer->pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(ends[0]);
	peer->end = ends[1];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[1]);
	peer->socket = pair[0];
}

static void peer_end(struct peer *peer)
{
	int status;

	close(peer->end);
	assert_int_equal(waitpid(peer->pid, &status, 0), peer->pid);
}

static void test_lives_and_ends(void **state)
{
	struct process process = PROCESS_INIT;
	struct peer peer;
	struct err err;

	(void)state;
	old_kernel = true;
	peer_open(&peer);
	assert_int_equal(process_of_peer(peer.socket, peer.pid, process_clock_us(), &process, &err),
			 0);
	assert_int_equal(process.pid, peer.pid);
	assert_true(process_lives(&process));
	peer_end(&peer);
	assert_false(process_lives(&process));
	process_fini(&process);
	assert_false(process_lives(&process));
	assert_int_equal(process_of_peer(peer.socket, peer.pid, process_clock_us(), &process, &err),
			 ERR_NOT_FOUND);
	close(peer.socket);
}

/* The id is that of a process which began after the connection: another one's. */
static void test_younger(void **state)
{
	struct process process = {.pid = 7, .fd = -1};
	struct peer peer;
	struct err err;

	(void)state;
	old_kernel = true;
	peer_open(&peer);
	assert_int_equal(process_of_peer(peer.socket, peer.pid, 1, &process, &err), ERR_NOT_FOUND);
	assert_int_equal(process.pid, 7);
	assert_int_equal(process.fd, -1);
	peer_end(&peer);
	close(peer.socket);
}

static void test_this_kernel(void **state)
{
	struct process process = PROCESS_INIT;
	struct err err;
	int pair[2];

	(void)state;
	old_kernel = false;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(process_of_peer(pair[0], getpid(), process_clock_us(), &process, &err), 0);
	assert_true(process_lives(&process));
	process_fini(&process);
	close(pair[0]);
	close(pair[1]);
}

static void test_unseen(void **state)
{
	struct process process = PROCESS_INIT;
	struct err err;

	(void)state;
	assert_int_equal(process_of_peer(-1, 0, process_clock_us(), &process, &err), ERR_NOT_FOUND);
	assert_false(process_lives(&process));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lives_and_ends),
		cmocka_unit_test(test_younger),
		cmocka_unit_test(test_this_kernel),
		cmocka_unit_test(test_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
