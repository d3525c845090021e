/* SPDX-License-Identifier: Apache-2.0 */
/* Time and order: stalls, bodies that come in pieces, pace, connections that are used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fetch/impl.h"
#include "fetch/test_fixture.h"

#define ALARM_S	 300
#define SECOND	 UINT64_C(1000000)
#define SHORT_US UINT64_C(50000)

static struct server server;
static struct client client, second, third;

static void begin(const struct script *scripts, size_t count)
{
	(void)alarm(ALARM_S);
	server_start(&server, scripts, count);
	client_start(&client, true);
}

static int teardown(void **state)
{
	(void)state;
	client_stop(&client);
	server_stop(&server);
	(void)alarm(0);
	return 0;
}

/* Another that shares loop and connections. */
static void share(struct client *more)
{
	*more = (struct client){
		.loop = client.loop, .fetch = client.fetch, .data = BUF_INIT(64u << 20)};
}

#define OK "HTTP/1.1 200 OK\r\n"

/* With a limit that is finer than the seconds of a request. */
static void fetch_impatient(struct fetch_request request)
{
	client_reset(&client);
	client_begin(&client, &request);
	client.transfer->idle_us = SHORT_US;
	client_run(&client);
}

static void test_limits(void **state)
{
	static const struct script scripts[] = {{"/stall", NULL, .then = STALL}};
	struct fetch_request request = {.idle_s = 7, .connect_s = 8, .whole_s = 9};

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	request.url = server_url(&server, "/stall");
	client_begin(&client, &request);
	assert_int_equal(client.transfer->idle_us, 7 * SECOND);
	assert_int_equal(client.transfer->connect_us, 8 * SECOND);
	assert_int_equal(client.transfer->whole_us, 9 * SECOND);
	request.idle_s = request.connect_s = request.whole_s = 0;
	client_begin(&client, &request);
	assert_int_equal(client.transfer->idle_us, 60 * SECOND);
	assert_int_equal(client.transfer->connect_us, 10 * SECOND);
	assert_int_equal(client.transfer->whole_us, 0);
}

static void test_stalls(void **state)
{
	static const struct script scripts[] = {
		{"/stall", NULL, .then = STALL},
		{"/half", OK "Content-Length: 10\r\n\r\nhello", .then = STALL},
		{"/deaf", NULL, .then = STALL, .deaf = true},
	};
	static uint8_t body[16u << 20];
	char url[64];

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	fetch_impatient((struct fetch_request){.url = server_url(&server, "/stall")});
	assert_int_equal(client.end, FETCH_BROKEN);
	assert_int_equal(client.code, ERR_TIMEOUT);
	assert_int_equal(client.status, 0);
	client_reset(&client);
	client.idle_us = SHORT_US;
	client_begin(&client, &(struct fetch_request){.url = server_url(&server, "/half")});
	client_run(&client);
	assert_int_equal(client.end, FETCH_BROKEN);
	assert_int_equal(client.code, ERR_TIMEOUT);
	assert_int_equal(client.status, 200);
	assert_int_equal(client.data.len, 5);
	/* No handshake. */
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/stall", server.port);
	client_reset(&client);
	client_begin(&client, &(struct fetch_request){.url = url});
	client.transfer->connect_us = SHORT_US;
	client_run(&client);
	assert_int_equal(client.end, FETCH_UNREACHABLE);
	assert_int_equal(client.code, ERR_TIMEOUT);
	/* Bytes that nobody takes. */
	fetch_impatient((struct fetch_request){.url = server_url(&server, "/deaf"),
					       .method = FETCH_PUT,
					       .body = slice_of(body, sizeof(body))});
	assert_int_equal(client.code, ERR_TIMEOUT);
}

static void whole_done(void *arg, const struct fetch_result *result, struct slice body)
{
	assert_ptr_equal(arg, &client);
	assert_int_equal(body.len, 0);
	client.end = result->end;
	client.code = result->err ? result->err->code : 0;
	loop_stop(client.loop);
}

/* A byte now and then is no idleness, and no answer either. */
static void test_drips(void **state)
{
	static const struct script scripts[] = {
		{"/drip", OK "Content-Length: 1000000\r\n\r\n", .then = DRIP},
	};
	struct fetch_request request = {.whole_s = 9};
	struct fetch_transfer *transfer;
	struct err err;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	request.url = server_url(&server, "/drip");
	client_begin(&client, &request);
	fetch_timer(&client.transfer->whole_timer, 3 * SHORT_US);
	client_run(&client);
	assert_int_equal(client.end, FETCH_BROKEN);
	assert_int_equal(client.code, ERR_TIMEOUT);
	assert_non_null(strstr(client.text, "9 s"));
	request.whole_s = 0;
	assert_int_equal(fetch_whole(client.fetch, &request, whole_done, &client, &transfer, &err),
			 0);
	assert_int_equal(transfer->whole_us, 120 * SECOND);
	fetch_timer(&transfer->whole_timer, 3 * SHORT_US);
	assert_int_equal(loop_run(client.loop, &err), 0);
	assert_int_equal(client.end, FETCH_BROKEN);
	assert_int_equal(client.code, ERR_TIMEOUT);
}

static void test_pulled(void **state)
{
	static const struct script scripts[] = {
		{"/x", OK "Content-Length: 2\r\n\r\nok", .then = KEEP},
		{"/early", OK "Content-Length: 2\r\n\r\nok", .then = KEEP, .early = true},
	};
	struct fetch_request request = {.method = FETCH_POST, .body_length = 100000};

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	request.url = server_url(&server, "/x");
	client.gives = 3000;
	client.waits = 1;
	client_begin(&client, &request);
	client_run(&client);
	assert_int_equal(client.end, FETCH_DONE);
	assert_true(server_saw(&server, "Content-Length: 100000\r\n"));
	assert_true(buf_slice(&server.log).len > 100000);
	/* While it has nothing to give, answers still come. */
	client_reset(&client);
	client.gives = 1;
	client.resume_in_head = true;
	request.url = server_url(&server, "/early");
	request.body_length = 2;
	client_begin(&client, &request);
	client_run(&client);
	assert_int_equal(client.end, FETCH_DONE);
	assert_int_equal(client.heads, 1);
	/* The other end is not to blame for our pauses. */
	client_reset(&client);
	client.waits = 1;
	client.later_us = 2 * SHORT_US;
	client.held_us = SHORT_US / 2;
	request.url = server_url(&server, "/x");
	client_begin(&client, &request);
	fetch_resume(client.transfer); /* harmless */
	client_run(&client);
	assert_int_equal(client.end, FETCH_DONE);
}

static void test_pace(void **state)
{
	static const struct script scripts[] = {
		{"/paced", OK "Content-Length: 60000\r\n\r\n", .body = 60000, .then = KEEP},
		{"/free", OK "Content-Length: 5000000\r\n\r\n", .body = 5000000, .then = KEEP},
	};
	struct fetch_request request = {.paced = true, .max = 1u << 24};
	uint64_t start = clock_monotonic_us(), took;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	share(&second);
	share(&third);
	fetch_set_rate(client.fetch, 240000);
	request.url = server_url(&server, "/paced");
	client_begin(&client, &request);
	client_begin(&second, &request);
	client_run(&client);
	client_run(&second);
	took = clock_monotonic_us() - start;
	assert_int_equal(client.end, FETCH_DONE);
	assert_int_equal(second.end, FETCH_DONE);
	assert_int_equal(client.data.len, 60000);
	assert_int_equal(second.data.len, 60000);
	/* All but a burst of an eighth of a second, and a piece of each. */
	assert_true(took > 200000);
	request = (struct fetch_request){.url = server_url(&server, "/free"), .max = 1u << 24};
	fetch_set_rate(client.fetch, 1);
	client_begin(&third, &request);
	client_run(&third);
	assert_int_equal(third.data.len, 5000000);
	buf_fini(&second.data);
	buf_fini(&third.data);
}

static void lift(void *arg)
{
	(void)arg;
	fetch_set_rate(client.fetch, 0);
}

static void test_pace_and_idle(void **state)
{
	static const struct script scripts[] = {
		{"/x", OK "Content-Length: 3000\r\n\r\n", .body = 3000, .then = KEEP},
		{"/much", OK "Content-Length: 3000000\r\n\r\n", .body = 3000000, .then = KEEP},
	};
	struct fetch_request request = {.paced = true, .max = 1u << 24};
	struct loop_timer timer;
	struct err err;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	/* Who waits for the bucket is not idle. */
	fetch_set_rate(client.fetch, 6000);
	client.held_us = SHORT_US / 2;
	request.url = server_url(&server, "/x");
	client_begin(&client, &request);
	client_run(&client);
	assert_int_equal(client.end, FETCH_DONE);
	assert_int_equal(client.data.len, 3000);
	/* A new rate is one for those that wait. */
	fetch_set_rate(client.fetch, 1);
	loop_timer_init(&timer, client.loop, lift, NULL);
	assert_int_equal(loop_timer_set(&timer, 100000, &err), 0);
	request.url = server_url(&server, "/much");
	client_fetch(&client, &request);
	assert_int_equal(client.end, FETCH_DONE);
	assert_int_equal(client.data.len, 3000000);
	/* What waits can be cancelled, or be there at the end. */
	fetch_set_rate(client.fetch, 1);
	client_reset(&client);
	client.cancel_in_data = true;
	client_begin(&client, &request);
	client_run(&client);
	client_begin(&client, &request);
}

/* Kept connections that are gone, as is seen before or after the request went out. */
static void test_used_again(void **state)
{
	static const struct script scripts[] = {
		{"/keep", OK "Content-Length: 2\r\n\r\nok", .then = KEEP},
		{"/late", OK "Content-Length: 2\r\n\r\nok", .then = CLOSE_LATE},
		{"/once", OK "Content-Length: 2\r\n\r\nok", .then = KEEP_ONCE},
	};
	static const struct {
		const char *first;
		struct fetch_request request;
		unsigned accepted;
	} rows[] = {
		{"/keep", {.method = FETCH_GET}, 1},
		{"/keep", {.method = FETCH_POST, .body = {(const uint8_t *)"login", 5}}, 1},
		{"/late", {.method = FETCH_GET}, 2},
		{"/late", {.method = FETCH_POST, .body = {(const uint8_t *)"login", 5}}, 2},
		{"/once", {.method = FETCH_GET}, 2},
		{"/once", {.method = FETCH_POST, .body = {(const uint8_t *)"login", 5}}, 2},
		{"/once", {.method = FETCH_PUT, .body = {(const uint8_t *)"bytes", 5}}, 2},
		{"/once", {.method = FETCH_PUT, .body_length = 70000}, 2},
	};
	struct fetch_request request;
	unsigned before;
	size_t i;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		client_stop(&client);
		client_start(&client, true);
		before = server_accepted(&server);
		request = (struct fetch_request){.url = server_url(&server, rows[i].first)};
		client_fetch(&client, &request);
		assert_int_equal(client.end, FETCH_DONE);
		request = rows[i].request;
		request.url = server_url(&server, "/keep");
		client_fetch(&client, &request);
		if (client.end != FETCH_DONE || client.status != 200 || client.heads != 1 ||
		    server_accepted(&server) - before != rows[i].accepted)
			fail_msg("row %zu: end %d: %s, %u connections", i, (int)client.end,
				 client.text, server_accepted(&server) - before);
	}
}

#define CROWD 12u
static struct client crowd[CROWD];
static unsigned crowd_left, crowd_ends;

static int crowd_data(void *arg, struct slice bytes, struct err *err)
{
	size_t i;

	(void)arg, (void)bytes, (void)err;
	/* One of them takes all others along, whatever they are at. */
	for (i = 0; i < CROWD; i++)
		if (&crowd[i] != arg)
			fetch_cancel(TAKE(crowd[i].transfer));
	return 0;
}

static void crowd_done(void *arg, const struct fetch_result *result)
{
	(void)arg;
	assert_int_equal(result->end, FETCH_DONE);
	crowd_ends++;
	loop_stop(client.loop);
}

static void test_crowd(void **state)
{
	static const struct script scripts[] = {
		{"/x", OK "Content-Length: 300000\r\n\r\n", .body = 300000, .then = KEEP}};
	static const struct fetch_ops ops = {.data = crowd_data, .done = crowd_done};
	struct fetch_request request = {.url = NULL};
	struct err err;
	size_t i;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	request.url = server_url(&server, "/x");
	for (i = 0; i < CROWD; i++)
		assert_int_equal(fetch_start(client.fetch, &request, &ops, &crowd[i],
					     &crowd[i].transfer, &err),
				 0);
	assert_int_equal(loop_run(client.loop, &err), 0);
	assert_int_equal(crowd_ends, 1);
}

/* From done(): one after the other, on one connection. */
static void next_done(void *arg, const struct fetch_result *result);
static const struct fetch_ops next_ops = {.done = next_done};

static void next_done(void *arg, const struct fetch_result *result)
{
	const struct fetch_request *request = arg;
	struct fetch_transfer *transfer;
	struct err err;

	assert_int_equal(result->end, FETCH_DONE);
	if (crowd_left-- == 0)
		loop_stop(client.loop);
	else
		assert_int_equal(
			fetch_start(client.fetch, request, &next_ops, arg, &transfer, &err), 0);
}

static void test_chain(void **state)
{
	static const struct script scripts[] = {
		{"/x", OK "Content-Length: 3\r\n\r\nabc", .then = KEEP}};
	struct fetch_request request = {.url = NULL};
	struct fetch_transfer *transfer;
	struct err err;

	(void)state;
	begin(scripts, ARRAY_LEN(scripts));
	request.url = server_url(&server, "/x");
	crowd_left = 20;
	assert_int_equal(fetch_start(client.fetch, &request, &next_ops, &request, &transfer, &err),
			 0);
	assert_int_equal(loop_run(client.loop, &err), 0);
	assert_int_equal(server_accepted(&server), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_limits, teardown),
		cmocka_unit_test_teardown(test_stalls, teardown),
		cmocka_unit_test_teardown(test_drips, teardown),
		cmocka_unit_test_teardown(test_pulled, teardown),
		cmocka_unit_test_teardown(test_pace, teardown),
		cmocka_unit_test_teardown(test_pace_and_idle, teardown),
		cmocka_unit_test_teardown(test_used_again, teardown),
		cmocka_unit_test_teardown(test_crowd, teardown),
		cmocka_unit_test_teardown(test_chain, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
