/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests, through the whole way that they take: parser, routes, handlers, answer. The first byte
 * chooses: 0xff, the rest is the raw request; else a route of the table (bit 7: octets, not JSON)
 * and the rest is its body. Behind it stands a provider that refuses everything, so that each
 * input is quick. Promised: every request that has a header is answered by one of our statuses,
 * and nothing is left in flight.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "service/metrics.h"
#include "service/service.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/folder.h"

#define BODY_MAX    (32u * 1024u)
#define ANSWER_MAX  (64u * 1024u)
#define STUCK_US    (20u * 1000u * 1000u)
#define PATIENCE_US 3000u /* with raw bytes, which need not be a request */

static int refuse(struct err *err)
{
	return err_set(err, ERR_NOT_SUPPORTED, "this provider does nothing");
}

static int no_random(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err)
{
	(void)p;
	memset(ret_bytes, 0, len);
	return refuse(err);
}

static int no_seal(struct provider *p, struct slice header, const struct secret *plain,
		   struct buf *ret_object, struct err *err)
{
	(void)p, (void)header, (void)plain, (void)ret_object;
	return refuse(err);
}

static void no_close(struct provider *p)
{
	(void)p;
}

static const struct provider_ops OPS = {
	.name = "tpm",
	.kind = PROVIDER_TPM,
	.protection = "tpm",
	.on_chip = true,
	.random = no_random,
	.seal = no_seal,
	.close = no_close,
};

static struct world {
	char folder[32];
	struct loop *loop;
	struct loop_timer stuck;
	struct jobs *jobs;
	struct store *store;
	struct service *service;
	struct http *http;
	struct service_tenant tenant;
	struct tenant_peer peer;
	struct provider provider;
	int client;
	int in_flight;
	bool raw;
	char answer[ANSWER_MAX + 1];
	size_t len;
} world;

static int admit(void *app, void *peer, const struct http_route *route, struct err *err)
{
	int r = tenant_permits(((struct tenant_peer *)peer)->tenant, route->right, err);

	(void)app;
	world.in_flight += r == 0;
	return r;
}

static void finished(void *app, void *peer, const struct http_route *route)
{
	(void)app, (void)peer, (void)route;
	world.in_flight--;
}

static void closed(void *app, void *peer)
{
	(void)app, (void)peer;
}

/* Raw bytes that are no whole request are given up; whatever is one must be answered. */
static void stuck(void *arg)
{
	(void)arg;
	FUZZ_REQUIRE(world.raw);
	loop_stop(world.loop);
}

static void must(int r)
{
	FUZZ_REQUIRE(r >= 0);
}

static void remove_folder(void)
{
	folder_remove_all(world.folder);
}

static void build(void)
{
	static const struct http_limits limits = {.json_max = SERVICE_JSON_MAX,
						  .request_s = 60,
						  .idle_s = 60,
						  .answer_s = 60,
						  .connections = 16};
	static const struct http_ops ops = {.admit = admit, .finished = finished, .closed = closed};
	static const struct provider_status status = {.manufacturer = "FUZZ"};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	const struct http_route *routes;
	struct err err;
	size_t count;

	json_setup();
	metrics_setup("fuzz");
	(void)snprintf(world.folder, sizeof(world.folder), "/tmp/hf-fuzz-XXXXXX");
	FUZZ_REQUIRE(mkdtemp(world.folder));
	FUZZ_REQUIRE(atexit(remove_folder) == 0);
	world.provider.ops = &OPS;
	world.provider.root_len = 4;
	world.tenant.tenant = (struct tenant){.name = "host", .rights = UINT32_MAX};
	world.peer.tenant = &world.tenant.tenant;
	must(loop_new(&world.loop, &err));
	loop_timer_init(&world.stuck, world.loop, stuck, NULL);
	must(jobs_new(world.loop, &world.jobs, &err));
	must(store_open(world.folder, &world.store, &err));
	must(secret_new(32, &key, &err));
	must(store_set_key(world.store, key, &err));
	must(keystore_tenant_open(world.store, "host", &world.tenant.owner, &err));
	must(service_new(world.jobs, world.store, "fuzz", &world.service, &err));
	service_set_provider(world.service, &world.provider, &status, "for the fuzzer");
	routes = service_routes(&count);
	must(http_new(world.loop, routes, count, &limits, &ops, world.service, &world.http, &err));
}

static void put_path(struct buf *request, const char *path)
{
	for (; *path; path++) {
		if (*path != '{') {
			buf_put(request, slice_of(path, 1));
			continue;
		}
		buf_put_str(request, "n1");
		path = strchr(path, '}');
	}
}

static void compose(struct slice input, struct buf *request)
{
	static const char *const methods[] = {[HTTP_GET] = "GET",
					      [HTTP_POST] = "POST",
					      [HTTP_PUT] = "PUT",
					      [HTTP_DELETE] = "DELETE"};
	const struct http_route *routes, *route;
	struct slice body = slice_of(input.data + 1, input.len - 1);
	size_t count;

	if (input.data[0] == 0xff) {
		buf_put(request, body);
		return;
	}
	routes = service_routes(&count);
	route = &routes[(input.data[0] & 0x7fu) % count];
	buf_printf(request, "%s ", methods[route->method]);
	put_path(request, route->path);
	buf_put_str(request, " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
	if (route->body != HTTP_BODY_NONE)
		buf_printf(request, "Content-Type: application/%s\r\nContent-Length: %zu\r\n",
			   input.data[0] & 0x80 ? "octet-stream" : "json", body.len);
	buf_put_str(request, "\r\n");
	if (route->body != HTTP_BODY_NONE)
		buf_put(request, body);
}

static void take(void *arg, uint32_t events)
{
	ssize_t n;

	(void)arg;
	(void)events;
	do {
		n = recv(world.client, world.answer + world.len, ANSWER_MAX - world.len,
			 MSG_DONTWAIT);
		world.len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && world.len < ANSWER_MAX);
	if (n == 0 || world.len == ANSWER_MAX || (world.raw && world.len))
		loop_stop(world.loop);
}

/* Sends what the socket takes at once: it is larger than any input. */
static void exchange(struct slice request, bool raw)
{
	int fds[2], room = 1 << 20;
	struct loop_fd *watch = NULL;
	struct err err;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	world.client = fds[0];
	world.raw = raw;
	world.len = 0;
	must(http_add(world.http, fds[1], &world.peer, &err));
	must(loop_watch(world.loop, fds[0], EPOLLIN | EPOLLHUP, take, NULL, &watch, &err));
	(void)send(fds[0], request.data, request.len, MSG_NOSIGNAL);
	must(loop_timer_set(&world.stuck, raw ? PATIENCE_US : STUCK_US, &err));
	must(loop_run(world.loop, &err));
	loop_timer_clear(&world.stuck);
	loop_unwatch(watch);
	close(fds[0]);
	world.answer[world.len] = '\0';
}

/* 301 is libmicrohttpd's own since 1.0: white space in a target belongs there as %20. */
static void check_answer(bool ours)
{
	static const char *const statuses[] = {
		"100", "200", "201", "204", "301", "400", "403", "404", "405", "409", "411",
		"413", "415", "422", "429", "431", "500", "501", "503", "504", "505", "507"};
	size_t i = 0;

	if (!world.len) {
		FUZZ_REQUIRE(!ours);
		return;
	}
	FUZZ_REQUIRE(!strncmp(world.answer, "HTTP/1.", 7));
	while (i < ARRAY_LEN(statuses) && strncmp(world.answer + 9, statuses[i], 3))
		i++;
	FUZZ_REQUIRE(i < ARRAY_LEN(statuses));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_fini) struct buf request = BUF_INIT(BODY_MAX + 1024);

	if (size == 0 || size > BODY_MAX)
		return 0;
	if (!world.loop)
		build();
	compose(slice_of(data, size), &request);
	if (!request.len)
		return 0;
	exchange(buf_slice(&request), data[0] == 0xff);
	check_answer(data[0] != 0xff);
	return 0;
}
