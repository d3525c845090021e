/* SPDX-License-Identifier: Apache-2.0 */
/* The service over one connection, on a chip that is played. */
#include "service/test_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/metrics.h"
#include "service/op.h"

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
