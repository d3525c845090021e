/* SPDX-License-Identifier: Apache-2.0 */
#include "server/test_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"

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

static void give_up(void *arg)
{
	loop_stop(((struct fixture *)arg)->loop);
}

int fixture_make(void **state)
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

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int fixture_remove(void **state)
{
	struct fixture *fixture = *state;

	http_free(fixture->http);
	server_free(fixture->server);
	loop_free(fixture->loop);
	(void)nftw(fixture->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

int dial_name(const struct fixture *fixture, const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%.60s/%.40s", fixture->run, name);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

int dial(const struct fixture *fixture)
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

int ask(struct fixture *fixture, int fd, const char *path)
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
