/* SPDX-License-Identifier: Apache-2.0 */
/* F1, F2 and F4 as they go: answers that come later, pieces, and clients that leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "front/test_fixture.h"

#define LOGIN  "POST /login HTTP/1.1\r\n" JSON
#define UNLOCK "POST /unlock HTTP/1.1\r\n" JSON
#define LOAD   "POST /load/net.bin HTTP/1.1\r\n" JSON
#define WHO    "{\"email\":\"a@b.c\",\"password\":\"pw\"}"
#define WHAT   "{\"filename\":\"net.bin\",\"folder\":\"models\"}"

static void expect_content(const struct client *client, size_t len)
{
	const uint8_t *body = (const uint8_t *)client_body(client);
	size_t i;

	assert_true(client_body_len(client) >= len);
	for (i = 0; i < len; i++)
		if (body[i] != fake_byte(i))
			fail_msg("another byte at %zu", i);
}

static void test_sizes(void **state)
{
	static const uint64_t SIZES[] = {
		0, 1, 3072, LOADER_PIECE - 1, LOADER_PIECE, LOADER_PIECE + 1, 5 * LOADER_PIECE + 7,
	};
	struct client client;
	size_t i;

	(void)state;
	/* One after the other on one connection: each ends where its length says. */
	client_begin(&client);
	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		char length[64];

		fake.size = SIZES[i];
		buf_reset(&client.in);
		client_send_body(&client, LOAD, slice_str(WHAT));
		assert_int_equal(client_status(&client), 200);
		(void)snprintf(length, sizeof(length), "Content-Length: %llu",
			       (unsigned long long)SIZES[i]);
		assert_true(client_has_header(&client, length));
		assert_true(client_has_header(&client, "Content-Type: application/octet-stream"));
		assert_int_equal(client_body_len(&client), SIZES[i]);
		expect_content(&client, (size_t)SIZES[i]);
	}
	fixture_wait(&fake.left, (unsigned)ARRAY_LEN(SIZES));
	client_end(&client);
}

/* A fault before anything was sent has a status; a later one ends the connection. */
static void test_bad_pieces(void **state)
{
	unsigned bad;

	(void)state;
	fake.size = 3 * LOADER_PIECE;
	for (bad = 1; bad <= 3; bad++) {
		struct client client;

		fake.bad_piece = bad;
		fake.reads = 0;
		client_begin(&client);
		client_send_body(&client, LOAD, slice_str(WHAT));
		if (bad == 1) {
			assert_int_equal(client_status(&client), 500);
			assert_non_null(strstr(client_body(&client), "\"decrypt_failed\""));
			assert_null(strstr(client_body(&client), "inside"));
		} else {
			client_wait_eof(&client);
			assert_int_equal(client_body_len(&client), (bad - 1) * LOADER_PIECE);
			expect_content(&client, (bad - 1) * LOADER_PIECE);
			assert_non_null(strstr(fixture.note, "net.bin: cut off, decrypt_failed: "));
		}
		assert_int_equal(fixture.notes, bad);
		fixture_wait(&fake.left, bad);
		client_end(&client);
	}
}

/* The loader comes to an end that it had not announced. */
static void test_too_short(void **state)
{
	struct client client;

	(void)state;
	fake.holds = true;
	fake.size = 2 * LOADER_PIECE;
	client_begin(&client);
	client_send_body(&client, LOAD, slice_str(WHAT));
	fixture_wait(&fake.asked, 1);
	fake_go_on();
	fake_go_on();
	fake.holds = false;
	/* The front has asked for its size; from now on there is no more than one piece. */
	fake.size = LOADER_PIECE;
	client_wait_eof(&client);
	assert_true(client_body_len(&client) <= LOADER_PIECE);
	client_end(&client);
}

/* While the loader is at work with the first, the second and the third step of each. */
static void test_leaving(void **state)
{
	static const struct {
		const char *head;
		const char *body;
		unsigned steps;
	} CASES[] = {
		{LOGIN, WHO, 0},
		{UNLOCK, WHO, 0},
		{LOAD, WHAT, 0},
		{LOAD, WHAT, 1},
	};
	size_t i;

	(void)state;
	fake.size = 2 * LOADER_PIECE;
	fake.holds = true;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct client client;
		unsigned step;

		client_begin(&client);
		client_send_body(&client, CASES[i].head, slice_str(CASES[i].body));
		fixture_wait(&fake.asked, (unsigned)i + 1);
		for (step = 0; step < CASES[i].steps; step++)
			fake_go_on();
		assert_int_equal(fake.alive, 1);
		client_end(&client);
		fixture_wait(&fake.left, (unsigned)i + 1);
		assert_int_equal(fake.alive, 0);
		fixture_wait(&fixture.closed, (unsigned)i + 1);
	}
}

static int answered;

static bool has_begun(void)
{
	char c;

	return recv(answered, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* One that does not take its answer, of which something is there. */
static void begin_to_load(struct client *client)
{
	client_begin(client);
	loop_unwatch(TAKE(client->watch));
	client_send_body(client, LOAD, slice_str(WHAT));
	answered = client->fd;
	fixture_run(has_begun);
}

/* In the middle of the answer: the rest is not read. */
static void test_leaving_the_answer(void **state)
{
	struct client client;

	(void)state;
	fake.size = 64 * LOADER_PIECE;
	begin_to_load(&client);
	client_end(&client);
	fixture_wait(&fake.left, 1);
	assert_true(fake.reads < 64);
}

/* Who waits for an answer at a stop gets one, and one that has begun is brought to its end. */
static void test_stop(void **state)
{
	static const struct {
		const char *head;
		const char *body;
		unsigned steps;
		unsigned status;
	} CASES[] = {
		{LOGIN, WHO, 0, 401},
		{UNLOCK, WHO, 0, 500},
		{LOAD, WHAT, 0, 500},
		{LOAD, WHAT, 1, 500},
	};
	struct client clients[ARRAY_LEN(CASES)], begun;
	unsigned step;
	size_t i;

	(void)state;
	fake.size = 64 * LOADER_PIECE;
	begin_to_load(&begun);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		fake_forget();
		fake.holds = true;
		client_begin(&clients[i]);
		client_send_body(&clients[i], CASES[i].head, slice_str(CASES[i].body));
		fixture_wait(&fake.asked, (unsigned)i + 2);
		for (step = 0; step < CASES[i].steps; step++)
			fake_go_on();
	}
	assert_false(front_drain(fixture.front));
	assert_int_equal(fake.left, ARRAY_LEN(CASES));
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		assert_int_equal(client_status(&clients[i]), CASES[i].status);
		assert_non_null(strstr(client_body(&clients[i]), "\"busy\""));
		client_end(&clients[i]);
	}
	assert_false(front_drain(fixture.front));
	client_end(&begun);
	fixture_wait(&fake.left, ARRAY_LEN(CASES) + 1);
	assert_true(front_drain(fixture.front));
}

/* The front ends with all of them at work; what they asked for is left. */
static void test_end_at_work(void **state)
{
	struct client clients[3];
	size_t i;

	(void)state;
	fake.size = 64 * LOADER_PIECE;
	begin_to_load(&clients[0]);
	fake.holds = true;
	client_begin(&clients[1]);
	client_send_body(&clients[1], LOGIN, slice_str(WHO));
	fixture_wait(&fake.asked, 2);
	assert_false(front_drain(fixture.front));
	/* Who comes now is told nothing. */
	client_begin(&clients[2]);
	fixture_wait(&fixture.closed, 1);
	front_free(TAKE(fixture.front));
	assert_int_equal(fake.left, 2);
	for (i = 0; i < 3; i++)
		client_end(&clients[i]);
}

static void test_drained(void **state)
{
	struct client client;

	(void)state;
	client_begin(&client);
	client_send_body(&client, LOGIN, slice_str(WHO));
	assert_int_equal(client_status(&client), 200);
	(void)front_drain(fixture.front);
	client_wait_eof(&client);
	assert_true(front_drain(fixture.front));
	client_end(&client);
}

static void test_unlock(void **state)
{
	static const struct {
		enum unlock_state state;
		const char *body;
	} CASES[] = {
		{UNLOCK_AUTHENTICATING, "{\"state\":\"authenticating\"}"},
		{UNLOCK_READY, "{\"state\":\"ready\"}"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		fake.unlocked = CASES[i].state;
		ask(UNLOCK, WHO, 200, CASES[i].body);
		assert_string_equal(fake.email, "a@b.c");
		assert_string_equal(fake.password, "pw");
	}
}

/* What a client waits for is told in the turn of the loop in which it is there. */
static void test_no_needless_turns(void **state)
{
	struct client client;

	(void)state;
	fake.size = 3072;
	fake.holds = true;
	client_begin(&client);
	client_send_body(&client, LOAD, slice_str(WHAT));
	fixture_wait(&fake.asked, 1);
	fake_go_on(); /* ready */
	fake_go_on(); /* the piece */
	assert_int_equal(fake.reads, 1);
	assert_int_equal(client_status(&client), 200);
	assert_int_equal(client_body_len(&client), 3072);
	assert_int_equal(fake.reads, 1);
	client_end(&client);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_sizes, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_bad_pieces, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_too_short, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_leaving, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_leaving_the_answer, fixture_begin,
						fixture_end),
		cmocka_unit_test_setup_teardown(test_stop, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_end_at_work, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_drained, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_unlock, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_no_needless_turns, fixture_begin, fixture_end),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
