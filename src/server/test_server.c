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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "server/server.h"

#define GIVE_UP_US 10000000u

static void answer(struct http_request *request, void *app)
{
	const struct tenant_peer *peer = http_request_peer(request);

	*(pid_t *)app = peer->pid;
	http_answer_empty(request);
}

static const struct http_route ROUTES[] = {
	{.method = HTTP_GET, .path = "/open", .handler = answer},
	{.method = HTTP_GET, .path = "/status", .right = TENANT_NO_JOB, .handler = answer},
	{.method = HTTP_GET, .path = "/sealed", .right = TENANT_SEAL, .handler = answer},
};

struct fixture {
	char path[64];
	char run[80];
	struct loop *loop;
	struct loop_timer give_up;
	struct http *http;
	struct server *server;
	struct tenant tenant;
	pid_t pid; /* of the last request's peer */
	char text[4096];
	size_t len;
};

static void give_up(void *arg)
{
	loop_stop(((struct fixture *)arg)->loop);
}

static int fixture_make(void **state)
{
	static const struct http_limits LIMITS = {
		.json_max = 1024, .request_s = 10, .idle_s = 10, .answer_s = 10, .connections = 16};
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	json_setup();
	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/hf-server-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	(void)snprintf(fixture->run, sizeof(fixture->run), "%s/run", fixture->path);
	fixture->tenant = (struct tenant){.name = "web", .connections_max = 2};
	assert_int_equal(loop_new(&fixture->loop, &err), 0);
	loop_timer_init(&fixture->give_up, fixture->loop, give_up, fixture);
	assert_int_equal(http_new(fixture->loop, ROUTES, ARRAY_LEN(ROUTES), &LIMITS,
				  &server_http_ops, &fixture->pid, &fixture->http, &err),
			 0);
	assert_int_equal(server_new(fixture->loop, fixture->http, &fixture->server, &err), 0);
	assert_int_equal(server_listen(fixture->server, fixture->run, &fixture->tenant, &err), 0);
	*state = fixture;
	return 0;
}

static int fixture_remove(void **state)
{
	struct fixture *fixture = *state;

	server_free(fixture->server);
	http_free(fixture->http);
	loop_free(fixture->loop);
	rmdir(fixture->run);
	rmdir(fixture->path);
	free(fixture);
	return 0;
}

static int dial_name(const struct fixture *fixture, const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%.80s/%.20s", fixture->run, name);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int dial(const struct fixture *fixture)
{
	return dial_name(fixture, SERVER_SOCKET);
}

struct reading {
	struct fixture *fixture;
	int fd;
};

static void on_answer(void *arg, uint32_t events)
{
	struct reading *reading = arg;
	struct fixture *fixture = reading->fixture;
	ssize_t n = recv(reading->fd, fixture->text + fixture->len,
			 sizeof(fixture->text) - 1 - fixture->len, MSG_DONTWAIT);

	(void)events;
	fixture->len += n > 0 ? (size_t)n : 0;
	fixture->text[fixture->len] = '\0';
	if (n <= 0 || strstr(fixture->text, "\r\n\r\n"))
		loop_stop(fixture->loop);
}

/* Sends, and runs the loop until there is an answer or the end; its status, 0 at the end. */
static int ask(struct fixture *fixture, int fd, const char *path)
{
	struct reading reading = {.fixture = fixture, .fd = fd};
	struct loop_fd *watch;
	struct err err;
	char request[128];
	int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);

	fixture->len = 0;
	fixture->text[0] = '\0';
	(void)send(fd, request, (size_t)len, MSG_NOSIGNAL);
	assert_int_equal(loop_watch(fixture->loop, fd, EPOLLIN, on_answer, &reading, &watch, &err),
			 0);
	assert_int_equal(loop_timer_set(&fixture->give_up, GIVE_UP_US, &err), 0);
	assert_int_equal(loop_run(fixture->loop, &err), 0);
	loop_timer_clear(&fixture->give_up);
	loop_unwatch(watch);
	return strncmp(fixture->text, "HTTP/1.1 ", 9) == 0
		       ? (int)strtol(fixture->text + 9, NULL, 10)
		       : 0;
}

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
	/* The tenant must outlive its connections. */
	http_free(fixture->http);
	fixture->http = NULL;
	assert_int_equal(admin.connections, 0);
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
