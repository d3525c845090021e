/* SPDX-License-Identifier: Apache-2.0 */
/* Streams out, and an adapter that ends with streams in every state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "http/test_stream_app.h"

static void send_all(struct fixture *f, struct pump *pump, struct client *client)
{
	pump_request(pump, "", SMALLEST, 0);
	pump_start(pump, client);
	app_drive(f);
}

static void expect_pattern(const struct client *client, size_t len)
{
	const uint8_t *body = (const uint8_t *)client_body(client);
	size_t i;

	assert_int_equal(client_status(client), 200);
	assert_true(client_has_header(client, "Content-Length: 300001"));
	assert_true(client_has_header(client, "Content-Type: application/octet-stream"));
	assert_true(client_has_header(client, "Cache-Control: no-store"));
	assert_true(client_has_header(client, "Holdfast-Protection: tpm"));
	for (i = 0; i < len; i++)
		if (body[i] != app_byte(i))
			fail_msg("another byte at %zu", i);
}

static void test_answer(void **state)
{
	unsigned lets;

	(void)state;
	for (lets = 0; lets < 2; lets++) {
		struct fixture f;
		struct pump pump = PUMP_INIT;
		struct client *client;

		app_begin(&f, SEND, lets);
		client = client_new(&f);
		send_all(&f, &pump, client);
		if (lets)
			app_go_through(&f, UNTIL_MORE, UNTIL_MORE + 4);
		client_wait_answer(client);
		expect_pattern(client, ANSWER_LEN);
		fixture_wait(&f, &app.ends, 1);
		assert_int_equal(app.sent, 5 * sizeof(app_pattern));
		client_next(client);
		client_ask(client, ASK, 200);
		assert_int_equal(app.gones, 0);
		pump_fini(&pump);
		fixture_end(&f);
	}
}

static void test_answer_cut(void **state)
{
	unsigned lets;

	(void)state;
	for (lets = 0; lets < 2; lets++) {
		struct fixture f;
		struct pump pump = PUMP_INIT;
		struct client *client;

		app_begin(&f, SEND_CUT, lets);
		client = client_new(&f);
		send_all(&f, &pump, client);
		if (lets)
			app_go_through(&f, UNTIL_MORE, UNTIL_MORE + 2);
		client_wait_eof(client);
		expect_pattern(client, 2 * sizeof(app_pattern));
		assert_int_equal(client->in.len, client_body(client) -
							 (const char *)client->in.data +
							 (ptrdiff_t)(2 * sizeof(app_pattern)));
		assert_int_equal(app.ends, 1);
		pump_fini(&pump);
		fixture_end(&f);
	}
}

/* While it is sent, and while more is awaited. */
static void test_leaves_in_the_answer(void **state)
{
	unsigned lets;

	(void)state;
	for (lets = 0; lets < 2; lets++) {
		struct fixture f;
		struct pump pump = PUMP_INIT;
		struct client *client;

		app_begin(&f, SEND, lets);
		client = client_new_deaf(&f);
		send_all(&f, &pump, client);
		fixture_wait(&f, &app.waits, UNTIL_MORE);
		pump_fini(&pump);
		client_close(client);
		if (lets)
			app_go_on();
		fixture_wait(&f, &f.closed, 1);
		assert_int_equal(app.ends, 1);
		assert_int_equal(app.gones, 0);
		fixture_end(&f);
	}
}

static void test_does_not_take_the_answer(void **state)
{
	struct fixture f;
	struct pump pump = PUMP_INIT;
	struct client *client;

	(void)state;
	app_begin_slow(&f, SEND, false);
	client = client_new_deaf(&f);
	send_all(&f, &pump, client);
	fixture_wait(&f, &app.ends, 1);
	assert_true(app.sent < ANSWER_LEN);
	pump_fini(&pump);
	fixture_end(&f);
}

/* --- the end of all --- */

/* With a stream in every state there is; the sums are fixture_end()'s. */
static void test_free_with_streams(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 5; i++) {
		struct fixture f;
		struct pump pump = PUMP_INIT;
		struct client *client;

		app_begin(&f, i < 3 ? SUM : SEND, i != 1 && i != 3);
		client = i == 3 ? client_new_deaf(&f) : client_new(&f);
		pump_request(&pump, "", SMALLEST, i < 3 ? 200000 : 0);
		pump_start(&pump, client);
		/* Parked before the body, pulled, parked in it; answering, parked in that. */
		if (i == 0)
			fixture_wait(&f, &app.waits, 1);
		if (i == 1)
			fixture_wait(&f, &app.pieces, 1);
		if (i == 2) {
			fixture_wait(&f, &app.waits, 1);
			app_go_on();
			fixture_wait(&f, &app.waits, 2);
		}
		if (i >= 3) {
			app_drive(&f);
			fixture_wait(&f, &app.waits, UNTIL_MORE);
		}
		pump_fini(&pump);
		assert_int_equal(http_drain(f.http), 1);
		fixture_end(&f);
		assert_int_equal(app.gones, i < 3);
		assert_int_equal(app.ends, i >= 3);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_answer_cut),
		cmocka_unit_test(test_leaves_in_the_answer),
		cmocka_unit_test(test_does_not_take_the_answer),
		cmocka_unit_test(test_free_with_streams),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
