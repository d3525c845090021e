/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tenant/peer.h"

static void test_own_socket(void **state)
{
	struct tenant tenant = {.name = "web"};
	struct tenant_peer peer = {0};
	struct err err = {0};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(tenant_peer_read(fds[0], &tenant, &peer, &err), 0);
	assert_ptr_equal(peer.tenant, &tenant);
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.uid, getuid());
	assert_int_equal(peer.gid, getgid());
	assert_int_equal(peer.socket, fds[0]);
	assert_true(peer.since_us > 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_no_socket(void **state)
{
	struct tenant_peer peer = {.pid = 7};
	struct err err = {0};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(tenant_peer_read(fd, NULL, &peer, &err), ERR_INTERNAL);
	assert_int_equal(peer.pid, 7);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_socket),
		cmocka_unit_test(test_no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
