/* SPDX-License-Identifier: Apache-2.0 */
/* Streams in: whole and in pieces, refused, dripping, left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/json.h"
#include "http/test_stream_app.h"

static const struct {
	size_t len;
	size_t chunk; /* 0: Content-Length */
	unsigned pieces;
} BODIES[] = {
	{SMALLEST, 0, 3},
	{3 * HTTP_PIECE, 0, 3},
	{3 * HTTP_PIECE + 1, 0, 4},
	{FIXTURE_STREAM_MAX, 0, 8},
	{HTTP_PIECE + 1, 7000, 2},
	{2 * HTTP_PIECE, 65536, 2},
	{2 * HTTP_PIECE + 1, HTTP_PIECE, 3},
	{FIXTURE_STREAM_MAX, 1000000, 8},
	{500000, 61, 4},
};

static void take_bodies(bool lets)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(BODIES); i++) {
		struct fixture f;
		struct pump pump = PUMP_INIT;
		struct client *client;

		app_begin(&f, SUM, lets);
		client = client_new(&f);
		if (BODIES[i].chunk > 0)
			pump_chunked(&pump, BODIES[i].len, BODIES[i].chunk);
		else
			pump_request(&pump, "", BODIES[i].len, 0);
		pump_start(&pump, client);
		app_drive(&f);
		client_wait_answer(client);
		expect_sum(client, BODIES[i].len);
		assert_int_equal(app.pieces, BODIES[i].pieces);
		assert_int_equal(app.lasts, 1);
		/* The connection lives on. */
		client_next(client);
		client_ask(client, ASK, 200);
		assert_int_equal(app.gones, 0);
		pump_fini(&pump);
		fixture_end(&f);
	}
}

static void test_bodies(void **state)
{
	(void)state;
	take_bodies(false);
}

static void test_bodies_with_pauses(void **state)
{
	(void)state;
	take_bodies(true);
}

static void test_small_bodies_are_none(void **state)
{
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct pump pump = PUMP_INIT;
		struct client *client;

		app_begin(&f, SUM, false);
		client = client_new(&f);
		if (i == 0)
			pump_request(&pump, "", FIXTURE_OCTETS_MAX, 0);
		else
			pump_chunked(&pump, i == 1 ? HTTP_PIECE : 1, 50000);
		pump_start(&pump, client);
		client_wait_answer(client);
		assert_string_equal(client_body(client), "whole");
		pump_fini(&pump);
		fixture_end(&f);
	}
}

static void test_too_long(void **state)
{
	struct fixture f;
	struct client *client;
	char text[512];

	(void)state;
	app_begin(&f, SUM, false);
	client = client_new(&f);
	(void)snprintf(text, sizeof(text), HEAD "Content-Length: %u\r\n\r\n",
		       FIXTURE_STREAM_MAX + 1);
	client_ask(client, text, 413);
	client_wait_eof(client);
	assert_int_equal(f.handled, 0);
	fixture_end(&f);
}

/* Chunked, it is the handler who counts; one that does not is cut off in the end. */
static void test_too_long_chunked(void **state)
{
	struct fixture f;
	struct pump pump = PUMP_INIT;
	struct client *client;

	(void)state;
	app_begin(&f, SUM, false);
	client = client_new(&f);
	pump_chunked(&pump, FIXTURE_STREAM_MAX + 1024u * 1024u + 1, 100000);
	pump_start(&pump, client);
	client_wait_eof(client);
	assert_int_equal(client->in.len, 0);
	assert_int_equal(app.gones, 1);
	pump_fini(&pump);
	fixture_end(&f);
}

/* Before the body nothing of it is asked for. */
static void test_refused_at_the_head(void **state)
{
	static const enum plan PLANS[] = {REFUSE, REFUSE_LATER, REFUSE_LATER};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(PLANS); i++) {
		struct fixture f;
		struct client *client;
		char text[512];

		app_begin(&f, PLANS[i], i == 2);
		client = client_new(&f);
		(void)snprintf(text, sizeof(text),
			       HEAD "Expect: 100-continue\r\nContent-Length: %u\r\n\r\n", SMALLEST);
		client_send(client, text);
		if (i == 2) {
			fixture_wait(&f, &app.waits, 1);
			app_go_on();
		}
		client_wait_answer(client);
		assert_int_equal(client_status(client), 409);
		client_wait_eof(client);
		fixture_end(&f);
	}
}

static void test_continues_when_pulled(void **state)
{
	struct fixture f;
	struct pump pump = PUMP_INIT;
	struct client *client;
	char text[512];

	(void)state;
	app_begin(&f, SUM, true);
	client = client_new(&f);
	(void)snprintf(text, sizeof(text),
		       HEAD "Expect: 100-continue\r\nContent-Length: %u\r\n\r\n", SMALLEST);
	client_send(client, text);
	fixture_wait(&f, &app.waits, 1);
	assert_int_equal(client->in.len, 0);
	app.lets = false;
	app_go_on();
	client_wait_answer(client);
	assert_int_equal(client_status(client), 100);
	client_next(client);
	pump_body(&pump, 0, SMALLEST);
	pump_start(&pump, client);
	client_wait_answer(client);
	expect_sum(client, SMALLEST);
	pump_fini(&pump);
	fixture_end(&f);
}

/* What remains of the body is dropped; then comes the answer, and the connection lives on. */
static void test_refused_midway(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct fixture f;
		struct pump pump = PUMP_INIT;
		struct client *client;

		app_begin(&f, REFUSE_MIDWAY, i & 1);
		client = client_new(&f);
		if (i < 2)
			pump_request(&pump, "", FIXTURE_STREAM_MAX, 0);
		else
			pump_chunked(&pump, FIXTURE_STREAM_MAX, 30000);
		pump_start(&pump, client);
		if (app.lets) {
			app_go_through(&f, 1, 3);
		}
		client_wait_answer(client);
		assert_int_equal(client_status(client), 409);
		assert_int_equal(app.pieces, 2);
		client_next(client);
		client_ask(client, ASK, 200);
		pump_fini(&pump);
		fixture_end(&f);
	}
}

/* One that ends its direction with the body's last byte is answered, however late. */
static void test_half_close(void **state)
{
	struct fixture f;
	struct pump pump = PUMP_INIT;
	struct client *client;

	(void)state;
	app_begin(&f, SUM, true);
	client = client_new(&f);
	pump_request(&pump, "", SMALLEST, 0);
	pump_start(&pump, client);
	/* All but what fits into the socket was taken when the third piece is pulled. */
	app_go_through(&f, 1, 2);
	fixture_wait(&f, &pump.done, 1);
	assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
	app_go_through(&f, 3, 4);
	client_wait_answer(client);
	expect_sum(client, SMALLEST);
	pump_fini(&pump);
	fixture_end(&f);
}

static void test_leaves_in_the_body(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct fixture f;
		struct pump pump = PUMP_INIT;
		struct client *client;

		/* While it is pulled, while it is parked, and both chunked. */
		app_begin(&f, SUM, i & 1);
		client = client_new(&f);
		if (i < 2)
			pump_request(&pump, "", FIXTURE_STREAM_MAX, 200000);
		else
			pump_chunked(&pump, 200000, 90000);
		/* The last bytes of the chunked one are its end. */
		pump.bytes.len -= i < 2 ? 0 : 20;
		pump_start(&pump, client);
		if (app.lets) {
			fixture_wait(&f, &app.waits, 1);
			app_go_on();
			fixture_wait(&f, &app.waits, 2);
		} else {
			fixture_wait(&f, &app.pieces, 1);
		}
		pump_fini(&pump);
		client_close(client);
		fixture_wait(&f, &f.closed, 1);
		assert_int_equal(app.gones, 1);
		assert_int_equal(f.finished, 1);
		fixture_end(&f);
	}
}

/* A client that drips is closed, though each second brings something. */
static void test_drips(void **state)
{
	struct fixture f;
	struct client *client, *refused;
	char text[512];

	(void)state;
	app_begin_slow(&f, SUM, false);
	client = client_new(&f);
	(void)snprintf(text, sizeof(text), HEAD "Content-Length: %u\r\n\r\n", FIXTURE_STREAM_MAX);
	client_send(client, text);
	client_drip(client, 1000, 50000);
	client_wait_eof(client);
	assert_int_equal(app.gones, 1);
	assert_int_equal(client->in.len, 0);
	client_close(client);
	/* So is one whose body is only dropped. */
	app = (struct app){.plan = REFUSE_MIDWAY};
	refused = client_new(&f);
	client_send(refused, text);
	client_drip(refused, 20000, 20000);
	client_wait_eof(refused);
	assert_int_equal(app.gones, 0);
	assert_int_equal(app.pieces, 2);
	fixture_end(&f);
}

static void on_time(void *arg)
{
	*(unsigned *)arg = 1;
}

/* Our own time is not the client's. */
static void test_parked_longer_than_the_deadline(void **state)
{
	struct fixture f;
	struct pump pump = PUMP_INIT;
	struct loop_timer timer;
	struct client *client;
	unsigned over = 0;
	struct err err;

	(void)state;
	app_begin_slow(&f, SUM, true);
	client = client_new(&f);
	pump_request(&pump, "", SMALLEST, 0);
	pump_start(&pump, client);
	fixture_wait(&f, &app.waits, 1);
	app_go_on();
	fixture_wait(&f, &app.waits, 2);
	loop_timer_init(&timer, f.loop, on_time, &over);
	assert_int_equal(loop_timer_set(&timer, 3300000, &err), 0);
	fixture_wait(&f, &over, 1);
	assert_false(client->eof);
	app.lets = false;
	app_go_on();
	client_wait_answer(client);
	expect_sum(client, SMALLEST);
	pump_fini(&pump);
	fixture_end(&f);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_bodies_with_pauses),
		cmocka_unit_test(test_small_bodies_are_none),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_too_long_chunked),
		cmocka_unit_test(test_refused_at_the_head),
		cmocka_unit_test(test_continues_when_pulled),
		cmocka_unit_test(test_refused_midway),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_leaves_in_the_body),
		cmocka_unit_test(test_drips),
		cmocka_unit_test(test_parked_longer_than_the_deadline),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
