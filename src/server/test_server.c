/* SPDX-License-Identifier: Apache-2.0 */
#include "server/test_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_serves_its_tenant(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;
	int fd = dial(fixture);

	assert_true(fd >= 0);
	assert_int_equal(ask(fixture, fd, "/open"), 204);
	assert_int_equal(fixture->pid, getpid());
	assert_int_equal(fixture->tenant.connections, 1);
	assert_int_equal(ask(fixture, fd, "/sealed"), 403);
	assert_non_null(strstr(fixture->text, "application/problem+json"));
	fixture->tenant.rights = TENANT_SEAL;
	assert_int_equal(ask(fixture, fd, "/sealed"), 204);
	assert_int_equal(fixture->tenant.in_flight, 0);
	close(fd);
	assert_int_equal(stat(fixture->run, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void test_too_many_connections(void **state)
{
	struct fixture *fixture = *state;
	int first = dial(fixture), second = dial(fixture), third = dial(fixture), fourth;

	assert_int_equal(ask(fixture, first, "/open"), 204);
	assert_int_equal(ask(fixture, second, "/open"), 204);
	assert_int_equal(ask(fixture, third, "/open"), 0);
	assert_int_equal(fixture->tenant.connections, 2);
	close(third);
	close(first);
	/* A request on the other one lets the loop see the end of the first. */
	assert_int_equal(ask(fixture, second, "/open"), 204);
	assert_int_equal(ask(fixture, second, "/open"), 204);
	assert_int_equal(fixture->tenant.connections, 1);
	fourth = dial(fixture);
	assert_int_equal(ask(fixture, fourth, "/open"), 204);
	close(fourth);
	close(second);
}

static void test_too_many_requests(void **state)
{
	struct fixture *fixture = *state;
	int fd = dial(fixture);

	fixture->tenant.in_flight = TENANT_IN_FLIGHT_MAX;
	assert_int_equal(ask(fixture, fd, "/open"), 429);
	assert_non_null(strstr(fixture->text, "Retry-After: "));
	assert_null(strstr(fixture->text, "delete"));
	assert_int_equal(fixture->tenant.in_flight, TENANT_IN_FLIGHT_MAX);
	/* What makes no job neither needs a place nor gives one back. */
	assert_int_equal(ask(fixture, fd, "/status"), 204);
	assert_int_equal(fixture->tenant.in_flight, TENANT_IN_FLIGHT_MAX);
	fixture->tenant.in_flight = TENANT_IN_FLIGHT_MAX - 1;
	assert_int_equal(ask(fixture, fd, "/open"), 204);
	close(fd);
}

static void test_peers(void **state)
{
	struct fixture *fixture = *state;
	const uid_t others[] = {getuid() + 1, getuid() + 2};
	const uid_t ours[] = {getuid() + 1, getuid()};
	int fd = dial(fixture);

	fixture->tenant.peer_count = ARRAY_LEN(others);
	fixture->tenant.peers = others;
	assert_int_equal(ask(fixture, fd, "/open"), 403);
	assert_non_null(strstr(fixture->text, "uid may not use the socket of tenant web"));
	assert_int_equal(ask(fixture, fd, "/status"), 403);
	assert_int_equal(fixture->pid, 0);
	fixture->tenant.peers = ours;
	assert_int_equal(ask(fixture, fd, "/open"), 204);
	close(fd);
}

/* Also where no job is made, and a refusal for another reason counts. */
static void test_rate(void **state)
{
	struct fixture *fixture = *state;
	int fd = dial(fixture);

	/* Nothing comes back within the test. */
	fixture->tenant.rate = 1;
	fixture->tenant.turns = 2 * 1000000;
	fixture->tenant.turns_us = clock_monotonic_us();
	assert_int_equal(ask(fixture, fd, "/status"), 204);
	fixture->tenant.turns = 0;
	fixture->tenant.turns_us = clock_monotonic_us();
	assert_int_equal(ask(fixture, fd, "/open"), 429);
	assert_non_null(strstr(fixture->text, "Retry-After: 1\r\n"));
	assert_non_null(strstr(fixture->text, "Wait as long as Retry-After says"));
	assert_int_equal(fixture->tenant.in_flight, 0);
	fixture->tenant.rate = 0;
	assert_int_equal(ask(fixture, fd, "/open"), 204);
	close(fd);
}

/* Beside the other one, with a tenant of its own; both go at the stop. */
static void test_admin(void **state)
{
	struct fixture *fixture = *state;
	struct tenant admin = {.name = "admin", .connections_max = 1, .rights = TENANT_SEAL};
	char path[160];
	struct err err = {0};
	struct stat st;
	int fd;

	assert_int_equal(server_listen_admin(fixture->server, fixture->run, &admin, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/" SERVER_ADMIN_SOCKET, fixture->run);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = dial(fixture);
	assert_int_equal(ask(fixture, fd, "/sealed"), 403);
	close(fd);
	fd = dial_name(fixture, SERVER_ADMIN_SOCKET);
	assert_int_equal(ask(fixture, fd, "/sealed"), 204);
	assert_int_equal(admin.connections, 1);
	server_stop(fixture->server);
	assert_int_equal(access(path, F_OK), -1);
	(void)snprintf(path, sizeof(path), "%s/" SERVER_SOCKET, fixture->run);
	assert_int_equal(access(path, F_OK), -1);
	/* The tenant must outlive its connections and its listener. */
	http_free(fixture->http);
	fixture->http = NULL;
	assert_int_equal(admin.connections, 0);
	server_free(fixture->server);
	fixture->server = NULL;
	close(fd);
}

static void test_stop(void **state)
{
	struct fixture *fixture = *state;
	char path[160];
	int fd = dial(fixture);

	assert_int_equal(ask(fixture, fd, "/open"), 204);
	server_stop(fixture->server);
	(void)snprintf(path, sizeof(path), "%s/" SERVER_SOCKET, fixture->run);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(dial(fixture), -1);
	/* What is open is http's. */
	assert_int_equal(ask(fixture, fd, "/open"), 204);
	close(fd);
}

static int listen_again(struct fixture *fixture, uid_t uid, gid_t gid, mode_t mode)
{
	struct err err = {0};
	int r;

	assert_int_equal(chown(fixture->run, uid, gid), 0);
	assert_int_equal(chmod(fixture->run, mode), 0);
	r = server_listen(fixture->server, fixture->run, &fixture->tenant, &err);
	if (r < 0)
		assert_non_null(strstr(err_remedy(&err), "chmod"));
	else
		server_stop(fixture->server);
	return r;
}

static void test_run_folder(void **state)
{
	struct fixture *fixture = *state;
	uid_t uid = geteuid();
	gid_t gid = getegid();

	server_stop(fixture->server);
	assert_int_equal(listen_again(fixture, uid, gid, 0777), ERR_INVALID);
	assert_int_equal(listen_again(fixture, uid, gid, 0752), ERR_INVALID);
	assert_int_equal(dial(fixture), -1);
	assert_int_equal(listen_again(fixture, uid, gid, 0770), 0);
	if (uid != 0)
		return; /* only root can give folders away */
	assert_int_equal(listen_again(fixture, uid, gid + 4711, 0770), ERR_INVALID);
	assert_int_equal(listen_again(fixture, uid, gid + 4711, 0750), 0);
	assert_int_equal(listen_again(fixture, uid + 4711, gid, 0750), ERR_INVALID);
	assert_int_equal(dial(fixture), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_serves_its_tenant, fixture_make,
						fixture_remove),
		cmocka_unit_test_setup_teardown(test_too_many_connections, fixture_make,
						fixture_remove),
		cmocka_unit_test_setup_teardown(test_too_many_requests, fixture_make,
						fixture_remove),
		cmocka_unit_test_setup_teardown(test_admin, fixture_make, fixture_remove),
		cmocka_unit_test_setup_teardown(test_stop, fixture_make, fixture_remove),
		cmocka_unit_test_setup_teardown(test_peers, fixture_make, fixture_remove),
		cmocka_unit_test_setup_teardown(test_rate, fixture_make, fixture_remove),
		cmocka_unit_test_setup_teardown(test_run_folder, fixture_make, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
