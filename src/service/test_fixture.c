/* SPDX-License-Identifier: Apache-2.0 */
#include "service/test_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "service/metrics.h"
#include "tenant/audit.h"

#define TURN_US 1000u

/* --- one connection --- */

static int admit(void *app, void *peer, const struct http_route *route, struct err *err)
{
	(void)app;
	return tenant_permits(((struct tenant_peer *)peer)->tenant, route->right, err);
}

static void finished(void *app, void *peer, const struct http_route *route)
{
	(void)app;
	(void)peer;
	(void)route;
}

static void closed(void *app, void *peer)
{
	(void)app;
	(void)peer;
}

/* Whole when the header ended and as many bytes as it announced followed. */
static bool is_whole(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");
	const char *length = strstr(answer, "Content-Length: ");

	if (!end)
		return false;
	if (!length || length > end)
		return true;
	return strlen(end + 4) >= (size_t)strtoul(length + 16, NULL, 10);
}

static int status_of(const char *answer)
{
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0)
		return 0;
	return (int)strtol(answer + 9, NULL, 10);
}

static void on_answer(void *arg, uint32_t events)
{
	struct fixture *fixture = arg;
	ssize_t n = recv(fixture->client, fixture->answer + fixture->len,
			 sizeof(fixture->answer) - 1 - fixture->len, MSG_DONTWAIT);

	(void)events;
	fixture->len += n > 0 ? (size_t)n : 0;
	fixture->answer[fixture->len] = '\0';
	if (n <= 0 || is_whole(fixture->answer))
		loop_stop(fixture->loop);
}

static void give_up(void *arg)
{
	loop_stop(((struct fixture *)arg)->loop);
}

void connect_client(struct fixture *fixture)
{
	struct err err;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	assert_int_equal(http_add(fixture->http, fds[1], &fixture->peer, &err), 0);
	fixture->client = fds[0];
	assert_int_equal(loop_watch(fixture->loop, fds[0], EPOLLIN, on_answer, fixture,
				    &fixture->watch, &err),
			 0);
}

const struct http_limits LIMITS = {
	.json_max = SERVICE_JSON_MAX,
	.request_s = 10,
	.idle_s = 10,
	.answer_s = 10,
	.connections = 64,
};
const struct http_ops OPS = {.admit = admit, .finished = finished, .closed = closed};

int fixture_make(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	const struct http_route *routes;
	struct err err;
	size_t count;

	json_setup();
	metrics_setup("1.2.3");
	audit_forget();
	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/hf-service-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->chip.provider.ops = &CHIP;
	fixture->chip.provider.root_len = 4;
	fixture->tenant.tenant = (struct tenant){.name = "host", .rights = UINT32_MAX};
	fixture->peer.tenant = &fixture->tenant.tenant;
	assert_int_equal(loop_new(&fixture->loop, &err), 0);
	loop_timer_init(&fixture->give_up, fixture->loop, give_up, fixture);
	assert_int_equal(jobs_new(fixture->loop, &fixture->jobs, &err), 0);
	assert_int_equal(store_open(fixture->path, &fixture->store, &err), 0);
	assert_int_equal(secret_new(32, &key, &err), 0);
	assert_int_equal(store_set_key(fixture->store, key, &err), 0);
	assert_int_equal(keystore_tenant_open(fixture->store, "host", &fixture->tenant.owner, &err),
			 0);
	assert_int_equal(
		service_new(fixture->jobs, fixture->store, "1.2.3", &fixture->service, &err), 0);
	routes = service_routes(&count);
	assert_int_equal(http_new(fixture->loop, routes, count, &LIMITS, &OPS, fixture->service,
				  &fixture->http, &err),
			 0);
	connect_client(fixture);
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

	service_stop(fixture->service);
	assert_true(jobs_free(fixture->jobs, GIVE_UP_US));
	service_sweep(fixture->service);
	assert_int_equal(fixture->chip.pieces_alive, 0);
	loop_unwatch(fixture->watch);
	close(fixture->client);
	http_free(fixture->http);
	service_free(fixture->service);
	store_free(fixture->store);
	loop_free(fixture->loop);
	(void)nftw(fixture->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

int ask(struct fixture *fixture, const char *method, const char *path, const char *body)
{
	char request[16384];
	struct err err;
	int len;

	len = snprintf(request, sizeof(request),
		       "%s %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n%s", method, path,
		       body ? "Content-Type: application/json\r\n" : "", body ? strlen(body) : 0,
		       body ? body : "");
	fixture->len = 0;
	fixture->answer[0] = '\0';
	assert_int_equal(send(fixture->client, request, (size_t)len, MSG_NOSIGNAL), len);
	assert_int_equal(loop_timer_set(&fixture->give_up, GIVE_UP_US, &err), 0);
	assert_int_equal(loop_run(fixture->loop, &err), 0);
	loop_timer_clear(&fixture->give_up);
	return status_of(fixture->answer);
}

void turn(struct fixture *fixture)
{
	struct err err;

	assert_int_equal(loop_timer_set(&fixture->give_up, TURN_US, &err), 0);
	assert_int_equal(loop_run(fixture->loop, &err), 0);
	loop_timer_clear(&fixture->give_up);
}

/* --- several clients --- */

static void on_asker(void *arg, uint32_t events)
{
	struct asker *asker = arg;
	ssize_t n = recv(asker->client, asker->answer + asker->len,
			 sizeof(asker->answer) - 1 - asker->len, MSG_DONTWAIT);

	(void)events;
	asker->len += n > 0 ? (size_t)n : 0;
	asker->answer[asker->len] = '\0';
	if (n > 0 && !is_whole(asker->answer))
		return;
	asker->done = true;
	loop_unwatch(TAKE(asker->watch));
	loop_stop(asker->fixture->loop);
}

static void send_text(struct asker *asker, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(asker->client, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			turn(asker->fixture);
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

void asker_begin(struct asker *asker, struct fixture *fixture, const char *method, const char *path,
		 const char *body)
{
	char head[256];
	struct err err;
	int fds[2];

	asker->fixture = fixture;
	asker->len = 0;
	asker->done = false;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	assert_int_equal(
		http_add(fixture->http, fds[1], asker->peer ? asker->peer : &fixture->peer, &err),
		0);
	asker->client = fds[0];
	assert_int_equal(
		loop_watch(fixture->loop, fds[0], EPOLLIN, on_asker, asker, &asker->watch, &err),
		0);
	(void)snprintf(head, sizeof(head),
		       "%s %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n", method, path,
		       body ? "Content-Type: application/json\r\n" : "", body ? strlen(body) : 0);
	send_text(asker, head);
	send_text(asker, body ? body : "");
}

int asker_end(struct asker *asker)
{
	uint64_t until = clock_monotonic_us() + GIVE_UP_US;

	while (!asker->done && clock_monotonic_us() < until)
		turn(asker->fixture);
	loop_unwatch(TAKE(asker->watch));
	close(asker->client);
	return status_of(asker->answer);
}

void asker_leave(struct asker *asker)
{
	loop_unwatch(TAKE(asker->watch));
	close(asker->client);
}

void use_chip(struct fixture *fixture)
{
	struct provider_status status;

	provider_status(&fixture->chip.provider, &status);
	service_set_provider(fixture->service, &fixture->chip.provider, &status, "a test");
}

void answer_has(const struct fixture *fixture, const char *text)
{
	if (!strstr(fixture->answer, text))
		fail_msg("no '%s' in: %s", text, fixture->answer);
}

void run_and_listen(struct fixture *fixture, char *text, size_t size)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	struct err err;
	ssize_t n;

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	assert_int_equal(loop_timer_set(&fixture->give_up, GIVE_UP_US, &err), 0);
	assert_int_equal(loop_run(fixture->loop, &err), 0);
	loop_timer_clear(&fixture->give_up);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(fileno(file), text, size - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	fclose(file);
}
