/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole service over one connection, with a provider that plays a chip: it lives on the
 * worker, counts its calls as commands and "seals" by copying.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "service/metrics.h"
#include "service/op.h"
#include "service/service.h"

#define GIVE_UP_US 10000000u
#define ANSWER_MAX 8192u

/* --- the chip --- */

struct chip {
	struct provider provider;
	_Atomic unsigned calls;
	_Atomic unsigned forgotten;
	_Atomic bool deadline_missing;
	_Atomic int fails_with; /* enum err_code, 0 = works */
};

static int chip_call(struct provider *p, struct err *err)
{
	struct chip *chip = (struct chip *)p;

	chip->calls++;
	chip->deadline_missing |= p->deadline_us == 0;
	return chip->fails_with ? err_set(err, chip->fails_with, "as told") : 0;
}

static int chip_random(struct provider *p, uint8_t *ret_bytes, size_t len, struct err *err)
{
	memset(ret_bytes, 'r', len);
	return chip_call(p, err);
}

static int chip_seal(struct provider *p, struct slice header, const struct secret *plain,
		     struct buf *ret_object, struct err *err)
{
	(void)header;
	buf_put(ret_object, secret_slice(plain));
	return chip_call(p, err);
}

static int chip_unseal(struct provider *p, struct slice header, struct slice object,
		       struct secret **ret_plain, struct err *err)
{
	int r = chip_call(p, err);

	(void)header;
	return r < 0 ? r : secret_copy(object, ret_plain, err);
}

static void chip_forget(struct provider *p, struct slice object)
{
	(void)object;
	((struct chip *)p)->forgotten++;
}

static void chip_status(struct provider *p, struct provider_status *ret_status)
{
	*ret_status = (struct provider_status){.manufacturer = "TEST",
					       .commands = ((struct chip *)p)->calls};
}

static const struct provider_ops CHIP = {
	.name = "tpm",
	.kind = PROVIDER_TPM,
	.protection = "tpm",
	.on_chip = true,
	.random = chip_random,
	.seal = chip_seal,
	.unseal = chip_unseal,
	.forget = chip_forget,
	.status = chip_status,
};

/* --- one connection --- */

struct fixture {
	char path[64];
	struct loop *loop;
	struct loop_timer give_up;
	struct jobs *jobs;
	struct store *store;
	struct service *service;
	struct http *http;
	struct service_tenant tenant;
	struct tenant_peer peer;
	struct chip chip;
	int client;
	struct loop_fd *watch;
	char answer[ANSWER_MAX];
	size_t len;
};

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
static bool is_whole(const struct fixture *fixture)
{
	const char *end = strstr(fixture->answer, "\r\n\r\n");
	const char *length = strstr(fixture->answer, "Content-Length: ");

	if (!end)
		return false;
	if (!length || length > end)
		return true;
	return strlen(end + 4) >= (size_t)strtoul(length + 16, NULL, 10);
}

static void on_answer(void *arg, uint32_t events)
{
	struct fixture *fixture = arg;
	ssize_t n = recv(fixture->client, fixture->answer + fixture->len,
			 sizeof(fixture->answer) - 1 - fixture->len, MSG_DONTWAIT);

	(void)events;
	fixture->len += n > 0 ? (size_t)n : 0;
	fixture->answer[fixture->len] = '\0';
	if (n <= 0 || is_whole(fixture))
		loop_stop(fixture->loop);
}

static void give_up(void *arg)
{
	loop_stop(((struct fixture *)arg)->loop);
}

static void connect_client(struct fixture *fixture)
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

static const struct http_limits LIMITS = {
	.json_max = SERVICE_JSON_MAX,
	.request_s = 10,
	.idle_s = 10,
	.answer_s = 10,
	.connections = 4,
};
static const struct http_ops OPS = {.admit = admit, .finished = finished, .closed = closed};

static int fixture_make(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	const struct http_route *routes;
	struct err err;
	size_t count;

	json_setup();
	metrics_setup("1.2.3");
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

static int fixture_remove(void **state)
{
	struct fixture *fixture = *state;

	assert_true(jobs_free(fixture->jobs, GIVE_UP_US));
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

/* The status of the answer; its text is left in fixture->answer. */
static int ask(struct fixture *fixture, const char *method, const char *path, const char *body)
{
	char request[1024];
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
	if (strncmp(fixture->answer, "HTTP/1.1 ", 9) != 0)
		return 0;
	return (int)strtol(fixture->answer + 9, NULL, 10);
}

static void use_chip(struct fixture *fixture)
{
	struct provider_status status;

	chip_status(&fixture->chip.provider, &status);
	service_set_provider(fixture->service, &fixture->chip.provider, &status, "a test");
}

static void answer_has(const struct fixture *fixture, const char *text)
{
	if (!strstr(fixture->answer, text))
		fail_msg("no '%s' in: %s", text, fixture->answer);
}

/* --- tests --- */

enum mood { DECIDING, NONE, LOCKED, READY };

static const struct {
	enum mood mood;
	const char *method;
	const char *path;
	const char *body;
	int status;
	const char *text;
} GATES[] = {
	{DECIDING, "GET", "/v1/status", NULL, 200, "\"provider\":\"deciding\""},
	{DECIDING, "GET", "/metrics", NULL, 200, "holdfast_info{version=\"1.2.3\"} 1"},
	{DECIDING, "POST", "/v1/random", "{\"bytes\":1}", 503, "\"code\":\"starting\""},
	{DECIDING, "POST", "/v1/random", "{\"bytes\":1}", 503, "Retry-After: 1"},
	{DECIDING, "GET", "/v1/secrets", NULL, 503, "\"code\":\"starting\""},
	{DECIDING, "GET", "/v1/keys/k", NULL, 503, "\"code\":\"starting\""},
	{NONE, "GET", "/v1/status", NULL, 200, "\"provider\":\"none\""},
	{NONE, "GET", "/v1/status", NULL, 200, "\"reason\":\"no chip\""},
	{NONE, "POST", "/v1/random", "{\"bytes\":1}", 503, "\"code\":\"tpm_required\""},
	{NONE, "PUT", "/v1/secrets/a", "{\"data\":\"\"}", 503, "\"detail\":\"no chip\""},
	{NONE, "GET", "/v1/secrets", NULL, 200, "\"secrets\":[]"},
	{NONE, "GET", "/v1/keys", NULL, 200, "\"keys\":[]"},
	{NONE, "GET", "/v1/keys/k", NULL, 404, "\"code\":\"not_found\""},
	{NONE, "DELETE", "/v1/keys/k", NULL, 404, "\"code\":\"not_found\""},
	{LOCKED, "GET", "/v1/status", NULL, 200, "\"provider\":\"none\""},
	{LOCKED, "GET", "/v1/keys", NULL, 403, "\"code\":\"auth_failed\""},
	{LOCKED, "DELETE", "/v1/keys/k", NULL, 403, "\"remedy\":\"find it\""},
	{LOCKED, "POST", "/v1/random", "{\"bytes\":1}", 403, "\"code\":\"auth_failed\""},
	{READY, "GET", "/v1/status", NULL, 200, "\"manufacturer\":\"TEST\""},
	{READY, "POST", "/v1/random", "{\"bytes\":3}", 200, "\"data\":\"cnJy\""},
};

static void set_mood(struct fixture *fixture, enum mood mood)
{
	struct err err;

	switch (mood) {
	case DECIDING:
		service_set_deciding(fixture->service, "waiting");
		return;
	case NONE:
		(void)err_set(&err, ERR_TPM_REQUIRED, "no chip");
		service_set_refusal(fixture->service, SERVICE_NONE, &err);
		return;
	case LOCKED:
		(void)err_set(&err, ERR_AUTH_FAILED, "lost");
		(void)err_add_remedy(&err, "find it");
		service_set_refusal(fixture->service, SERVICE_LOCKED, &err);
		return;
	case READY:
		use_chip(fixture);
		return;
	}
}

static void test_gates(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(GATES); i++) {
		int status;

		set_mood(fixture, GATES[i].mood);
		status = ask(fixture, GATES[i].method, GATES[i].path, GATES[i].body);
		if (status != GATES[i].status)
			fail_msg("row %zu: %d: %s", i, status, fixture->answer);
		answer_has(fixture, GATES[i].text);
	}
}

static void record_path(const struct fixture *fixture, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/tenants/host/secrets/a", fixture->path);
}

/* A second read comes from memory: the file is gone meanwhile. */
static void test_cache(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	use_chip(fixture);
	record_path(fixture, path, sizeof(path));
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 200);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 200);
	answer_has(fixture, "\"data\":\"b25l\"");
	/* A change ends that. */
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"dHdv\"}"), 201);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 200);
	answer_has(fixture, "\"data\":\"dHdv\"");
	assert_int_equal(ask(fixture, "DELETE", "/v1/secrets/a", NULL), 204);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 404);
}

/* Also a change that failed: nobody knows how far it came. */
static void test_cache_after_failed_change(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	use_chip(fixture);
	record_path(fixture, path, sizeof(path));
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 200);
	fixture->chip.fails_with = ERR_TPM_FAILED;
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"dHdv\"}"), 503);
	fixture->chip.fails_with = 0;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 404);
}

/* What fails is not kept. */
static void test_failed_read_is_not_cached(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 404);
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 200);
}

static void test_chip_calls(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
	assert_int_equal(fixture->chip.calls, 1);
	assert_int_equal(fixture->service->provider_status.commands, 1);
	assert_false(fixture->chip.deadline_missing);
	/* What is no blob of ours costs the chip nothing. */
	assert_int_equal(ask(fixture, "POST", "/v1/unseal", "{\"blob\":\"bm9uZQ==\"}"), 400);
	assert_int_equal(fixture->chip.calls, 1);
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"commands\":1");
	assert_int_equal(ask(fixture, "DELETE", "/v1/secrets/a", NULL), 204);
	/* The worker is first come, first served: when this is answered, it forgot. */
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 200);
	assert_int_equal(fixture->chip.forgotten, 1);
}

static void test_error_of_the_chip(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	fixture->chip.fails_with = ERR_TPM_LOCKOUT;
	assert_int_equal(ask(fixture, "POST", "/v1/seal", "{\"data\":\"b25l\"}"), 503);
	answer_has(fixture, "\"code\":\"tpm_lockout\"");
	answer_has(fixture, "\"detail\":\"as told\"");
	assert_int_equal(ask(fixture, "GET", "/metrics", NULL), 200);
	answer_has(fixture, "holdfast_errors_total{code=\"tpm_lockout\"} 1\n");
}

/* The client leaves while its request waits; the next one is served. */
static void test_client_leaves(void **state)
{
	struct fixture *fixture = *state;
	static const char REQUEST[] = "POST /v1/random HTTP/1.1\r\nHost: h\r\n"
				      "Content-Length: 11\r\n\r\n{\"bytes\":1}";

	use_chip(fixture);
	assert_int_equal(send(fixture->client, REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL),
			 sizeof(REQUEST) - 1);
	loop_unwatch(fixture->watch);
	close(fixture->client);
	connect_client(fixture);
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
	assert_int_equal(ask(fixture, "POST", "/v1/random", "{\"bytes\":1}"), 200);
}

/* What lies where it does not belong is damaged, also when it is asked for a second time. */
static void test_misplaced_record(void **state)
{
	struct fixture *fixture = *state;
	struct store_id id = {.tenant = "host", .kind = STORE_SECRETS, .name = "a"};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct err err;

	use_chip(fixture);
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
	assert_int_equal(store_read(fixture->store, &id, &record, &err), 0);
	id.kind = STORE_KEYS;
	assert_int_equal(store_create(fixture->store, &id, buf_slice(&record), &err), 0);
	assert_int_equal(ask(fixture, "GET", "/v1/keys/a", NULL), 422);
	answer_has(fixture, "\"code\":\"damaged\"");
	assert_int_equal(ask(fixture, "GET", "/v1/keys/a", NULL), 422);
	assert_int_equal(ask(fixture, "POST", "/v1/keys/a/sign", "{\"message\":\"\"}"), 422);
	answer_has(fixture, "\"code\":\"damaged\"");
	id = (struct store_id){.tenant = "host", .kind = STORE_SECRETS, .name = "b"};
	assert_int_equal(store_create(fixture->store, &id, slice_str("no blob"), &err), 0);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/b", NULL), 422);
	assert_int_equal(ask(fixture, "PUT", "/v1/secrets/b", "{\"data\":\"b25l\"}"), 422);
	assert_int_equal(ask(fixture, "DELETE", "/v1/secrets/b", NULL), 204);
}

static const struct {
	enum provider_kind made, used;
	int status;
	const char *code;
} REPLACEMENTS[] = {
	{PROVIDER_TPM, PROVIDER_TPM, 200, "\"created\""},
	{PROVIDER_SOFTWARE, PROVIDER_SOFTWARE, 200, "\"created\""},
	{PROVIDER_TPM, PROVIDER_SOFTWARE, 503, "\"code\":\"tpm_required\""},
	{PROVIDER_SOFTWARE, PROVIDER_TPM, 422, "\"code\":\"not_supported\""},
};

static void test_replaces_its_own_only(void **state)
{
	/* Outlives the test: what was deleted last is forgotten by a job of its own. */
	static struct provider_ops ops;
	struct fixture *fixture = *state;
	size_t i;

	ops = CHIP;
	fixture->chip.provider.ops = &ops;
	use_chip(fixture);
	for (i = 0; i < ARRAY_LEN(REPLACEMENTS); i++) {
		ops.kind = REPLACEMENTS[i].made;
		assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"b25l\"}"), 201);
		ops.kind = REPLACEMENTS[i].used;
		assert_int_equal(ask(fixture, "PUT", "/v1/secrets/a", "{\"data\":\"dHdv\"}"),
				 REPLACEMENTS[i].status);
		answer_has(fixture, REPLACEMENTS[i].code);
		if (REPLACEMENTS[i].status != 200)
			answer_has(fixture, "Delete the secret first");
		ops.kind = REPLACEMENTS[i].made;
		assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 200);
		answer_has(fixture, REPLACEMENTS[i].status == 200 ? "dHdv" : "b25l");
		assert_int_equal(ask(fixture, "DELETE", "/v1/secrets/a", NULL), 204);
	}
}

static void test_fault_in_status(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"fault\":null");
	fixture->service->provider_status.fault = "tpm_failed";
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"fault\":\"tpm_failed\"");
}

/* --- a change that outlives its client --- */

static struct {
	struct fixture *fixture;
	int begun, go; /* eventfds: the step runs; it may end */
	unsigned changes;
	unsigned looks;
} slow;

static int slow_step(void *arg, struct err *err)
{
	struct op *op = arg;
	eventfd_t value;

	(void)err;
	(void)eventfd_write(slow.begun, 1);
	(void)eventfd_read(slow.go, &value);
	op->changed = true;
	return 0;
}

static int slow_prepare(struct op *op, struct err *err)
{
	(void)err;
	op_step(op, JOB_POOL, slow_step);
	return 0;
}

static void slow_changed(struct op *op)
{
	(void)op;
	slow.changes++;
	loop_stop(slow.fixture->loop);
}

static const struct op_kind SLOW = {
	.operation = METRICS_SECRET_DELETE,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct op),
	.prepare = slow_prepare,
	.answer = op_answer_empty,
	.changed = slow_changed,
};

static void slow_handler(struct http_request *request, void *app)
{
	op_run(app, request, &SLOW);
}

static void on_begun(void *arg, uint32_t events)
{
	struct fixture *fixture = arg;
	eventfd_t value;

	(void)events;
	(void)eventfd_read(slow.begun, &value);
	/* Now it leaves; the loop sees it, cancels, and only then may the step end. */
	loop_unwatch(fixture->watch);
	fixture->watch = NULL;
	close(fixture->client);
	fixture->client = -1;
}

static void let_go(void *arg)
{
	struct fixture *fixture = arg;

	/* The first time it is called after that, the loop has not looked yet. */
	if (fixture->client < 0 && slow.looks++ == 1)
		(void)eventfd_write(slow.go, 1);
}

/* Standard error, where the audit goes, into @text while the loop runs. */
static void run_and_listen(struct fixture *fixture, char *text, size_t size)
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

static void test_late_change(void **state)
{
	static const struct http_route ROUTE = {
		.method = HTTP_GET, .path = "/slow", .handler = slow_handler};
	static const char REQUEST[] = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";
	struct fixture *fixture = *state;
	struct loop_fd *watch = NULL;
	char text[4096];
	struct err err;
	const char *first;

	use_chip(fixture);
	slow.fixture = fixture;
	slow.begun = eventfd(0, EFD_CLOEXEC);
	slow.go = eventfd(0, EFD_CLOEXEC);
	loop_unwatch(fixture->watch);
	close(fixture->client);
	http_free(fixture->http);
	assert_int_equal(http_new(fixture->loop, &ROUTE, 1, &LIMITS, &OPS, fixture->service,
				  &fixture->http, &err),
			 0);
	connect_client(fixture);
	assert_int_equal(
		loop_watch(fixture->loop, slow.begun, EPOLLIN, on_begun, fixture, &watch, &err), 0);
	loop_before_sleep(fixture->loop, let_go, fixture);
	assert_int_equal(send(fixture->client, REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL),
			 sizeof(REQUEST) - 1);
	run_and_listen(fixture, text, sizeof(text));
	loop_unwatch(watch);
	close(slow.begun);
	close(slow.go);
	assert_int_equal(slow.changes, 1);
	first = strstr(text, "\"result\":\"timeout\"");
	assert_non_null(first);
	first = strstr(first, "\"result\":\"ok\"");
	assert_non_null(first);
	assert_non_null(strstr(first, "\"late\":true"));
	connect_client(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_gates),
		TEST(test_cache),
		TEST(test_cache_after_failed_change),
		TEST(test_failed_read_is_not_cached),
		TEST(test_chip_calls),
		TEST(test_error_of_the_chip),
		TEST(test_client_leaves),
		TEST(test_misplaced_record),
		TEST(test_replaces_its_own_only),
		TEST(test_fault_in_status),
		TEST(test_late_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
