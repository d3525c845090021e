/* SPDX-License-Identifier: Apache-2.0 */
/* Large bodies that become whole all at once: how many go to their handlers, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "http/impl.h"
#include "http/test_stream_app.h"

#define LARGE	  200000u
#define SENDERS	  60u
#define AT_WORK	  HTTP_BODIES_AT_WORK
#define ROUNDS	  20u
#define READ_MOST 5000u /* rounds until all is read */

static struct fixture fixture;
static struct pump pumps[SENDERS];
static unsigned turns, last_turn, in_turn, answered;

static void on_turn(void *arg)
{
	(void)arg;
	turns++;
}

/* One in a turn of the loop, and one more that the library took up only now. */
static void see(const struct http_request *request)
{
	assert_int_equal(http_request_body(request).len, LARGE);
	in_turn = turns == last_turn ? in_turn + 1 : 1;
	assert_in_range(in_turn, 1, 2);
	last_turn = turns;
}

static void handle(struct http_request *request, void *arg)
{
	(void)arg;
	see(request);
	answered++;
	http_answer_empty(request);
}

static void on_gone(void *arg)
{
	((struct fixture *)arg)->gone++;
}

static void handle_later(struct http_request *request, void *arg)
{
	struct fixture *f = arg;

	see(request);
	f->parked[f->parked_count++] = request;
	http_request_suspend(request, on_gone, f);
}

/* .. and has taken what it needs. */
static void handle_and_drop(struct http_request *request, void *arg)
{
	handle_later(request, arg);
	http_request_drop_body(request);
	assert_int_equal(http_request_body(request).len, 0);
}

static size_t count_read(const struct http *http, size_t len)
{
	const struct http_conn *conn;
	size_t count = 0;

	for (conn = http->conns; conn; conn = conn->next)
		count += conn->request && conn->request->body.len == len;
	return count;
}

static void go_round(struct client *client)
{
	client_ask(client, ASK, 200);
	client_next(client);
}

/* So often round that whatever was to come would have come. */
static void settle(struct client *client)
{
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		go_round(client);
}

/* @count clients have sent all but their last bytes. Returns another peer's. */
static struct client *begin(http_handler handler, size_t count)
{
	struct client *other;
	size_t i;

	fixture_begin(&fixture);
	fixture.on_stream = handler;
	loop_before_sleep(fixture.loop, on_turn, NULL);
	turns = last_turn = answered = 0;
	for (i = 0; i < count; i++) {
		pumps[i] = (struct pump)PUMP_INIT;
		pump_request(&pumps[i], "", LARGE, LARGE - 1);
		pump_start(&pumps[i], client_new(&fixture));
	}
	other = client_new_other(&fixture);
	for (i = 0; i < READ_MOST && count_read(fixture.http, LARGE - 1) < count; i++)
		go_round(other);
	assert_int_equal(count_read(fixture.http, LARGE - 1), count);
	return other;
}

static void send_rest(size_t from, size_t to)
{
	const uint8_t byte = app_byte(LARGE - 1);
	size_t i;

	for (i = from; i < to; i++)
		assert_int_equal(send(pumps[i].client->fd, &byte, 1, MSG_NOSIGNAL), 1);
}

/* The first are at work, and two that are whole wait. */
static void fill(struct client *other)
{
	send_rest(0, AT_WORK);
	fixture_wait(&fixture, &fixture.parked_count, AT_WORK);
	send_rest(AT_WORK, AT_WORK + 2);
	settle(other);
	assert_int_equal(fixture.parked_count, AT_WORK);
	assert_int_equal(count_read(fixture.http, LARGE), AT_WORK + 2);
}

static void end(size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		pump_fini(&pumps[i]);
	fixture_end(&fixture);
}

static void expect_empty(struct client *client)
{
	client_wait_answer(client);
	assert_int_equal(client_status(client), 204);
}

/* Whoever asks little is answered in between, though all come at once. */
static void test_one_in_a_turn(void **state)
{
	struct client *other = begin(handle, SENDERS);
	size_t i;

	(void)state;
	send_rest(0, SENDERS);
	go_round(other);
	assert_true(answered <= AT_WORK);
	for (i = 0; i < SENDERS; i++)
		expect_empty(pumps[i].client);
	assert_int_equal(answered, SENDERS);
	end(SENDERS);
}

/* Another peer's large body does not wait for all of them, either. */
static void test_others_have_their_turn(void **state)
{
	struct client *other = begin(handle, SENDERS);
	struct pump his = PUMP_INIT;

	(void)state;
	send_rest(0, SENDERS);
	pump_request(&his, "", LARGE, LARGE);
	pump_start(&his, other);
	expect_empty(other);
	assert_true(answered < SENDERS / 2);
	pump_fini(&his);
	end(SENDERS);
}

static void test_limit_of_those_at_work(void **state)
{
	struct client *other = begin(handle_later, SENDERS);
	size_t i;

	(void)state;
	send_rest(0, SENDERS);
	settle(other);
	assert_int_equal(fixture.parked_count, AT_WORK);
	for (i = 0; i < SENDERS; i++) {
		http_answer_empty(fixture.parked[i]);
		settle(other);
		assert_int_equal(fixture.parked_count,
				 i + 1 + AT_WORK < SENDERS ? i + 1 + AT_WORK : SENDERS);
	}
	for (i = 0; i < SENDERS; i++)
		expect_empty(pumps[i].client);
	end(SENDERS);
}

static void test_dropped_bodies_make_room(void **state)
{
	struct client *other = begin(handle_and_drop, SENDERS);
	size_t i;

	(void)state;
	send_rest(0, SENDERS);
	fixture_wait(&fixture, &fixture.parked_count, SENDERS);
	assert_int_equal(fixture.http->spare_count, HTTP_BLOCKS_SPARE);
	go_round(other);
	for (i = 0; i < SENDERS; i++)
		http_answer_empty(fixture.parked[i]);
	for (i = 0; i < SENDERS; i++)
		expect_empty(pumps[i].client);
	end(SENDERS);
}

/* So many are at work, and of those that wait one leaves, and one ends its own direction only. */
static void test_leaves_while_whole(void **state)
{
	struct client *other = begin(handle_later, AT_WORK + 2);
	struct client *half = pumps[AT_WORK].client;

	(void)state;
	fill(other);
	assert_int_equal(shutdown(half->fd, SHUT_WR), 0);
	/* Of both its descriptors. */
	pump_fini(&pumps[AT_WORK + 1]);
	client_close(pumps[AT_WORK + 1].client);
	fixture_wait(&fixture, &fixture.closed, 1);
	settle(other);
	assert_int_equal(fixture.gone, 0);
	assert_int_equal(fixture.closed, 1);
	http_answer_empty(fixture.parked[0]);
	fixture_wait(&fixture, &fixture.parked_count, AT_WORK + 1);
	http_answer_empty(fixture.parked[AT_WORK]);
	expect_empty(half);
	http_answer_empty(fixture.parked[1]);
	settle(other);
	assert_int_equal(fixture.parked_count, AT_WORK + 1);
	http_answer_empty(fixture.parked[2]);
	http_answer_empty(fixture.parked[3]);
	end(AT_WORK + 1);
}

static bool is_first(void *arg, const void *peer)
{
	return peer == &((struct fixture *)arg)->added;
}

/* What is whole was taken on, and is served even when no more comes. */
static void test_is_served_at_the_end(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct client *other = begin(handle_later, AT_WORK + 2);

		fill(other);
		if (i == 0)
			assert_int_equal(http_drain(fixture.http), AT_WORK + 2);
		else
			http_end_peers(fixture.http, is_first, &fixture, false);
		for (n = 0; n < AT_WORK + 2; n++) {
			fixture_wait(&fixture, &fixture.parked_count, (unsigned)n + 1);
			http_answer_empty(fixture.parked[n]);
		}
		for (n = 0; n < AT_WORK + 2; n++) {
			client_wait_eof(pumps[n].client);
			assert_int_equal(client_status(pumps[n].client), 204);
		}
		end(AT_WORK + 2);
	}
}

/* At once, though, only the handlers that have begun hear of it. */
static void test_is_cut_at_once(void **state)
{
	size_t n;

	(void)state;
	fill(begin(handle_later, AT_WORK + 2));
	http_end_peers(fixture.http, is_first, &fixture, true);
	for (n = AT_WORK; n < AT_WORK + 2; n++)
		client_wait_eof(pumps[n].client);
	fixture_wait(&fixture, &fixture.gone, AT_WORK);
	for (n = 0; n < AT_WORK; n++)
		http_answer_empty(fixture.parked[n]);
	fixture_wait(&fixture, &fixture.closed, AT_WORK + 2);
	assert_int_equal(fixture.parked_count, AT_WORK);
	end(AT_WORK + 2);
}

/* fixture_end() does the sums. */
static void test_free_while_whole(void **state)
{
	(void)state;
	fill(begin(handle_later, AT_WORK + 2));
	end(AT_WORK + 2);
	assert_int_equal(fixture.gone, AT_WORK);
	assert_int_equal(fixture.parked_count, AT_WORK);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_one_in_a_turn),
		cmocka_unit_test(test_others_have_their_turn),
		cmocka_unit_test(test_limit_of_those_at_work),
		cmocka_unit_test(test_dropped_bodies_make_room),
		cmocka_unit_test(test_leaves_while_whole),
		cmocka_unit_test(test_is_served_at_the_end),
		cmocka_unit_test(test_is_cut_at_once),
		cmocka_unit_test(test_free_while_whole),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
