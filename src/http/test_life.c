/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that drip, hang, leave or do not read, and an adapter that stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "base/json.h"
#include "http/test_fixture.h"

#define HOST  "Host: x\r\n"
#define ASK   "GET /v1/status HTTP/1.1\r\n" HOST "\r\n"
#define LATER "POST /v1/later HTTP/1.1\r\n" HOST "\r\n"
#define BIG   "GET /v1/big HTTP/1.1\r\n" HOST "\r\n"
#define BODY  "PUT /v1/secrets/a HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\n"
#define CHUNK "PUT /v1/secrets/a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1f4\r\n"

#define DRIP_US 50000u

/* Idle and answer deadlines are a minute here, so that it is the request's that closes. */
static void test_request_deadline(void **state)
{
	struct fixture f;
	struct client *mute, *header, *body, *chunk, *second, *idle, *parked;

	(void)state;
	fixture_begin_with(&f, 3, 60, 60);
	mute = client_new(&f);
	idle = client_new(&f);
	client_ask(idle, ASK, 200);
	second = client_new(&f);
	client_ask(second, ASK, 200);
	client_drip(second, 1, DRIP_US);
	header = client_new(&f);
	client_send(header, "GET /v1/status HTTP/1.1\r\nX: ");
	client_drip(header, 1, DRIP_US);
	body = client_new(&f);
	client_send(body, BODY);
	client_drip(body, 1, DRIP_US);
	chunk = client_new(&f);
	client_send(chunk, CHUNK);
	client_drip(chunk, 1, DRIP_US);
	parked = client_new(&f);
	client_send(parked, LATER);
	client_wait_eof(mute);
	client_wait_eof(header);
	client_wait_eof(body);
	client_wait_eof(chunk);
	client_wait_eof(second);
	assert_int_equal(f.closed, 5);
	assert_int_equal(mute->in.len + header->in.len + body->in.len + chunk->in.len, 0);

	/* Work and rest are not reading. */
	assert_false(idle->eof);
	http_answer_empty(f.parked[0]);
	client_wait_answer(parked);
	fixture_end(&f);
}

static void test_idle_and_answer_deadline(void **state)
{
	struct fixture f;
	struct client *idle, *deaf, *fresh;

	(void)state;
	fixture_begin_with(&f, 60, 1, 1);
	fresh = client_new(&f);
	idle = client_new(&f);
	client_ask(idle, ASK, 200);
	deaf = client_new_deaf(&f);
	client_send(deaf, BIG);
	client_wait_eof(idle);
	fixture_wait(&f, &f.closed, 2);
	assert_int_equal(f.finished, 2);
	assert_false(fresh->eof);
	fixture_end(&f);
}

static void test_leaves_while_parked(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client_send(client, LATER);
	fixture_wait(&f, &f.parked_count, 1);
	client_close(client);
	fixture_wait(&f, &f.gone, 1);

	/* Until the handler answers, all that it borrowed is there. */
	assert_ptr_equal(http_request_peer(f.parked[0]), &f.added);
	assert_string_equal(http_request_header(f.parked[0], "Host"), "x");
	assert_int_equal(f.finished + f.closed, 0);
	http_answer_bytes(f.parked[0], 200, "text/plain", slice_str("to nobody"));
	fixture_wait(&f, &f.closed, 1);
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.finished, 1);
	fixture_end(&f);
}

static void test_answers_when_gone(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	f.answer_when_gone = true;
	client = client_new(&f);
	client_send(client, LATER);
	fixture_wait(&f, &f.parked_count, 1);
	client_close(client);
	fixture_wait(&f, &f.closed, 1);
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.finished, 1);
	fixture_end(&f);
}

static void test_leaves_after_answer(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client_send(client, LATER);
	fixture_wait(&f, &f.parked_count, 1);
	http_answer_empty(f.parked[0]);
	client_close(client);
	fixture_wait(&f, &f.closed, 1);
	assert_int_equal(f.gone, 0);
	assert_int_equal(f.finished, 1);
	fixture_end(&f);
}

static void test_leaves_in_body(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client_send(client, BODY "abc");
	fixture_wait(&f, &f.admitted, 1);
	client_close(client);
	fixture_wait(&f, &f.closed, 1);
	assert_int_equal(f.finished, 1);
	assert_int_equal(f.handled, 0);
	fixture_end(&f);
}

static void test_leaves_in_answer(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new_deaf(&f);
	client_send(client, BIG);
	fixture_wait(&f, &f.admitted, 1);
	assert_int_equal(f.finished, 0);
	client_close(client);
	fixture_wait(&f, &f.closed, 1);
	assert_int_equal(f.finished, 1);
	fixture_end(&f);
}

/*
 * A client that says at once that it will send no more still gets its answer, also when others
 * are connected: the library treats the oldest connection otherwise than the rest.
 */
static void test_half_close(void **state)
{
	static const char *const ASKS[] = {ASK, LATER};
	struct fixture f;
	size_t i;

	(void)state;
	fixture_begin(&f);
	(void)client_new(&f);
	for (i = 0; i < 2; i++) {
		struct client *client = client_new(&f);

		client_send(client, ASKS[i]);
		assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
		(void)client_new(&f);
		if (i == 1) {
			fixture_wait(&f, &f.parked_count, 1);
			http_answer_bytes(f.parked[--f.parked_count], 200, "text/plain",
					  slice_str("late"));
		}
		client_wait_answer(client);
		assert_int_equal(client_status(client), 200);
		client_wait_eof(client);
		client_close(client);
		client_close(&f.clients[f.client_count - 1]);
	}
	assert_int_equal(f.gone, 0);
	fixture_end(&f);
}

/* A request that is followed by others keeps them until it is answered. */
static void test_pipeline_behind_parked(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client_send(client, LATER ASK);
	fixture_wait(&f, &f.parked_count, 1);
	client_send(client, ASK);
	assert_int_equal(f.handled, 1);
	http_answer_empty(f.parked[0]);
	client_wait_answer(client);
	assert_int_equal(client_status(client), 204);
	client_next(client);
	client_wait_answer(client);
	client_next(client);
	client_wait_answer(client);
	assert_int_equal(f.handled, 3);
	fixture_end(&f);
}

static void test_drain(void **state)
{
	struct fixture f;
	struct client *idle, *header, *body, *parked;
	int pair[2];
	struct err err;

	(void)state;
	fixture_begin(&f);
	idle = client_new(&f);
	client_ask(idle, ASK, 200);
	header = client_new(&f);
	client_send(header, "GET /v1/sta");
	parked = client_new(&f);
	client_send(parked, LATER);
	fixture_wait(&f, &f.parked_count, 1);
	body = client_new(&f);
	client_send(body, BODY "abc");
	fixture_wait(&f, &f.admitted, 3);

	assert_int_equal(http_drain(f.http), 1);
	client_wait_eof(idle);
	client_wait_eof(header);
	client_wait_eof(body);
	assert_int_equal(http_drain(f.http), 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(http_add(f.http, pair[1], NULL, &err), ERR_QUOTA);
	close(pair[0]);
	http_answer_empty(f.parked[0]);
	client_wait_answer(parked);
	assert_true(client_has_header(parked, "Connection: close"));
	client_wait_eof(parked);
	assert_int_equal(http_drain(f.http), 0);
	fixture_end(&f);
}

/* All but the connection that was made last, which is asked about first. */
static bool is_older(void *arg, const void *peer)
{
	unsigned *asked = arg;

	assert_non_null(peer);
	return (*asked)++ > 0;
}

static void test_end_peers(void **state)
{
	struct fixture f;
	struct client *idle, *body, *parked, *other;
	unsigned asked = 0;

	(void)state;
	fixture_begin(&f);
	idle = client_new(&f);
	client_ask(idle, ASK, 200);
	parked = client_new(&f);
	client_send(parked, LATER);
	fixture_wait(&f, &f.parked_count, 1);
	body = client_new(&f);
	client_send(body, BODY "abc");
	fixture_wait(&f, &f.admitted, 3);
	other = client_new(&f);
	client_ask(other, ASK, 200);

	http_end_peers(f.http, is_older, &asked, false);
	assert_int_equal(asked, 4);
	client_wait_eof(idle);
	client_wait_eof(body);
	/* What was pipelined behind the last request is not served. */
	client_send(parked, ASK);
	http_answer_empty(f.parked[0]);
	client_wait_answer(parked);
	assert_int_equal(client_status(parked), 204);
	assert_true(client_has_header(parked, "Connection: close"));
	client_wait_eof(parked);
	client_next(other);
	client_ask(other, ASK, 200);
	assert_int_equal(f.handled, 4);
	assert_int_equal(f.gone, 0);
	fixture_end(&f);
}

/* As if the client had left: the handler learns it, and may answer to nobody. */
static void test_end_peers_at_once(void **state)
{
	struct fixture f;
	struct client *parked, *other;
	unsigned asked = 0;

	(void)state;
	fixture_begin(&f);
	parked = client_new(&f);
	client_send(parked, LATER);
	fixture_wait(&f, &f.parked_count, 1);
	other = client_new(&f);
	client_ask(other, ASK, 200);
	http_end_peers(f.http, is_older, &asked, true);
	fixture_wait(&f, &f.gone, 1);
	http_answer_empty(f.parked[0]);
	client_wait_eof(parked);
	client_ask(other, ASK, 200);
	fixture_end(&f);
}

static void test_limit_of_connections(void **state)
{
	struct fixture f;
	int pair[2];
	struct err err;
	char c;
	size_t i;

	(void)state;
	fixture_begin(&f);
	for (i = 0; i < FIXTURE_CLIENTS; i++)
		(void)client_new(&f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_true(http_add(f.http, pair[1], NULL, &err) < 0);
	assert_int_equal(read(pair[0], &c, 1), 0);
	close(pair[0]);
	client_ask(&f.clients[FIXTURE_CLIENTS - 1], ASK, 200);
	fixture_end(&f);
}

/* http_free() with connections in every state there is; fixture_end() does the sums. */
static void free_with_all_outstanding(bool answer_when_gone)
{
	struct fixture f;
	struct client *client;

	fixture_begin(&f);
	f.answer_when_gone = answer_when_gone;
	client = client_new(&f);
	client_ask(client, ASK, 200);
	client_send(client_new(&f), "GET /v1/sta");
	client_send(client_new(&f), LATER);
	fixture_wait(&f, &f.parked_count, 1);
	client_send(client_new(&f), BODY "abc");
	client_send(client_new_deaf(&f), BIG);
	client_send(client_new(&f), CHUNK "abc");
	fixture_wait(&f, &f.admitted, 5);
	(void)client_new(&f);
	assert_int_equal(f.finished, 1);
	fixture_end(&f);
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.finished, 5);
}

static void test_free_with_all_outstanding(void **state)
{
	(void)state;
	free_with_all_outstanding(false);
	free_with_all_outstanding(true);
}

/* A client that has left is told of once, also when the adapter ends before the answer. */
static void test_free_after_gone(void **state)
{
	struct fixture f;
	struct client *client;

	(void)state;
	fixture_begin(&f);
	client = client_new(&f);
	client_send(client, LATER);
	fixture_wait(&f, &f.parked_count, 1);
	client_close(client);
	fixture_wait(&f, &f.gone, 1);
	fixture_end(&f);
	assert_int_equal(f.gone, 1);
	assert_int_equal(f.finished, 1);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_request_deadline),
		cmocka_unit_test(test_idle_and_answer_deadline),
		cmocka_unit_test(test_leaves_while_parked),
		cmocka_unit_test(test_answers_when_gone),
		cmocka_unit_test(test_leaves_after_answer),
		cmocka_unit_test(test_leaves_in_body),
		cmocka_unit_test(test_leaves_in_answer),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_pipeline_behind_parked),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_end_peers),
		cmocka_unit_test(test_end_peers_at_once),
		cmocka_unit_test(test_limit_of_connections),
		cmocka_unit_test(test_free_with_all_outstanding),
		cmocka_unit_test(test_free_after_gone),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
