/* SPDX-License-Identifier: Apache-2.0 */
/* Large bodies: whose turn it is, who waits, leaves or stalls, and the memory that they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/json.h"
#include "http/impl.h"
#include "http/test_stream_app.h"

#define LARGE	 200000u
#define PART	 100000u /* what fits into a socket */
#define SENDERS	 4u
#define AT_WORK	 HTTP_BODIES_AT_WORK
#define DEADLINE 1u		     /* seconds */
#define SECOND	 INT64_C(1000000000) /* nanoseconds */
/* Of the clock that a test can take without noticing. */
#define NOTHING (SECOND / 10)

static char order[16];
static unsigned answered;
static int64_t now_ns;

/*
 * The clock of the loop and of all deadlines. It stands, but for a microsecond each time that
 * somebody looks, since a timer of zero is due when a moment has passed.
 */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	assert_int_equal(clock, CLOCK_MONOTONIC);
	now_ns += 1000;
	*ret_now = (struct timespec){.tv_sec = 1000 + now_ns / SECOND, .tv_nsec = now_ns % SECOND};
	return 0;
}

static void on_gone(void *arg)
{
	((struct fixture *)arg)->gone++;
}

/* Notes who it is; his answer comes later. */
static void hold(struct http_request *request, struct fixture *f)
{
	f->parked[f->parked_count++] = request;
	http_request_suspend(request, on_gone, f);
}

/* POST /v1/stream?who=.. */
static void handle(struct http_request *request, void *arg)
{
	(void)arg;
	assert_int_equal(http_request_body(request).len, LARGE);
	order[answered++] = http_request_query(request, "who")[0];
	http_answer_empty(request);
}

static void handle_later(struct http_request *request, void *arg)
{
	assert_int_equal(http_request_body(request).len, LARGE);
	hold(request, arg);
}

static void begin(struct fixture *f, http_handler handler, unsigned request_s)
{
	fixture_begin_with(f, request_s, 60, 60);
	f->on_stream = handler;
	answered = 0;
}

/* Sends the beginning of a large body, or all of it. */
static void send_large(struct pump *pump, struct client *client, char who, size_t part)
{
	*pump = (struct pump)PUMP_INIT;
	buf_printf(&pump->bytes,
		   "POST /v1/stream?who=%c HTTP/1.1\r\nHost: x\r\n"
		   "Content-Type: application/octet-stream\r\nContent-Length: %u\r\n\r\n",
		   who, LARGE);
	pump_body(pump, 0, part);
	pump_start(pump, client);
}

static void finish_pumps(struct pump *pumps, size_t count)
{
	while (count > 0)
		pump_fini(&pumps[--count]);
}

static void on_time(void *arg)
{
	*(unsigned *)arg = 1;
}

/* All timers that are due by then have run. */
static void pass_time(struct fixture *f, int64_t ns)
{
	struct loop_timer timer;
	unsigned over = 0;
	struct err err;

	now_ns += ns;
	loop_timer_init(&timer, f->loop, on_time, &over);
	assert_int_equal(loop_timer_set(&timer, 0, &err), 0);
	fixture_wait(f, &over, 1);
}

/* The one with little to send is not behind the many who were there first, nor are they in step. */
static void test_groups_take_turns(void **state)
{
	struct pump pumps[SENDERS + 1];
	struct client *many[SENDERS], *other;
	struct fixture f;
	size_t i;

	(void)state;
	begin(&f, handle, 60);
	for (i = 0; i < SENDERS; i++) {
		many[i] = client_new(&f);
		send_large(&pumps[i], many[i], (char)('a' + i), LARGE);
	}
	other = client_new_other(&f);
	send_large(&pumps[SENDERS], other, 'X', LARGE);
	client_wait_answer(other);
	assert_true(order[0] == 'X' || order[1] == 'X');
	for (i = 0; i < SENDERS; i++)
		client_wait_answer(many[i]);
	assert_int_equal(answered, SENDERS + 1);
	finish_pumps(pumps, SENDERS + 1);
	fixture_end(&f);
}

/* Fills the share of the first peer: so many at work, in order, and @waiting more that wait. */
static void fill(struct fixture *f, struct pump *pumps, struct client **clients, size_t waiting)
{
	size_t i;

	for (i = 0; i < AT_WORK; i++) {
		clients[i] = client_new(f);
		send_large(&pumps[i], clients[i], 'w', LARGE);
		fixture_wait(f, &f->parked_count, (unsigned)i + 1);
	}
	for (; i < AT_WORK + waiting; i++) {
		clients[i] = client_new(f);
		send_large(&pumps[i], clients[i], 'w', PART);
		fixture_wait(f, &pumps[i].done, 1);
	}
}

/* So often round that whatever was to come would have come. */
static void go_round(struct client *client)
{
	unsigned i;

	for (i = 0; i < 20; i++) {
		client_ask(client, ASK, 200);
		client_next(client);
	}
}

static void settle(const struct fixture *f, struct client *client)
{
	go_round(client);
	assert_int_equal(f->parked_count, AT_WORK);
}

static void test_waits_for_those_at_work(void **state)
{
	struct client *clients[AT_WORK + 1], *other;
	struct pump pumps[AT_WORK + 1], rest = PUMP_INIT;
	struct fixture f;

	(void)state;
	begin(&f, handle_later, 60);
	fill(&f, pumps, clients, 1);
	pump_body(&rest, PART, LARGE - PART);
	pump_start(&rest, clients[AT_WORK]);
	other = client_new_other(&f);
	settle(&f, other);
	assert_int_equal(rest.done, 0);
	http_answer_empty(f.parked[0]);
	fixture_wait(&f, &f.parked_count, AT_WORK + 1);
	client_wait_answer(clients[0]);
	/* What is small waits for nobody. */
	client_next(clients[0]);
	client_ask(clients[0], ASK, 200);
	while (f.parked_count > 1)
		http_answer_empty(f.parked[--f.parked_count]);
	client_wait_answer(clients[AT_WORK]);
	assert_int_equal(client_status(clients[AT_WORK]), 204);
	pump_fini(&rest);
	finish_pumps(pumps, AT_WORK + 1);
	fixture_end(&f);
}

/* A client that does not take its answer keeps nobody from sending. */
static void test_answer_is_not_taken(void **state)
{
	struct client *clients[AT_WORK + 1];
	struct pump pumps[AT_WORK + 1], rest = PUMP_INIT;
	uint8_t *big = test_calloc(1, FIXTURE_BIG);
	struct fixture f;

	(void)state;
	begin(&f, handle_later, 60);
	fill(&f, pumps, clients, 1);
	loop_unwatch(TAKE(clients[0]->watch));
	http_answer_bytes(f.parked[0], 200, "text/plain", slice_of(big, FIXTURE_BIG));
	pump_body(&rest, PART, LARGE - PART);
	pump_start(&rest, clients[AT_WORK]);
	fixture_wait(&f, &f.parked_count, AT_WORK + 1);
	assert_int_equal(f.finished, 0);
	pump_fini(&rest);
	finish_pumps(pumps, AT_WORK + 1);
	fixture_end(&f);
	test_free(big);
}

/* Another peer has a share of his own. */
static void test_others_do_not_wait(void **state)
{
	struct client *clients[AT_WORK + 1], *other;
	struct pump pumps[AT_WORK + 1], his;
	struct fixture f;

	(void)state;
	begin(&f, handle_later, 60);
	fill(&f, pumps, clients, 1);
	other = client_new_other(&f);
	send_large(&his, other, 'X', LARGE);
	fixture_wait(&f, &f.parked_count, AT_WORK + 1);
	http_answer_empty(f.parked[AT_WORK]);
	client_wait_answer(other);
	f.parked_count = AT_WORK;
	client_next(other);
	settle(&f, other);
	pump_fini(&his);
	finish_pumps(pumps, AT_WORK + 1);
	fixture_end(&f);
}

static void test_leaves_while_it_waits(void **state)
{
	struct client *clients[AT_WORK + 2];
	struct pump pumps[AT_WORK + 2];
	struct fixture f;

	(void)state;
	begin(&f, handle_later, 60);
	fill(&f, pumps, clients, 2);
	/* Of both its descriptors. */
	pump_fini(&pumps[AT_WORK]);
	client_close(clients[AT_WORK]);
	fixture_wait(&f, &f.closed, 1);
	assert_int_equal(f.finished, 1);
	assert_int_equal(f.gone, 0);
	assert_false(clients[AT_WORK + 1]->eof);
	pump_fini(&pumps[AT_WORK + 1]);
	finish_pumps(pumps, AT_WORK);
	fixture_end(&f);
}

/* The time of waiting for others is not the client's; its own is, also after a wait. */
static void test_deadline_stands_still(void **state)
{
	struct client *clients[AT_WORK + 1], *other;
	struct pump pumps[AT_WORK + 1];
	struct fixture f;

	(void)state;
	begin(&f, handle_later, DEADLINE);
	fill(&f, pumps, clients, 1);
	pass_time(&f, 10 * SECOND);
	other = client_new_other(&f);
	settle(&f, other);
	assert_false(clients[AT_WORK]->eof);
	http_answer_empty(f.parked[0]);
	settle(&f, other);
	pass_time(&f, SECOND - NOTHING);
	go_round(other);
	assert_false(clients[AT_WORK]->eof);
	pass_time(&f, NOTHING);
	client_wait_eof(clients[AT_WORK]);
	assert_int_equal(clients[AT_WORK]->in.len, 0);
	assert_int_equal(f.parked_count, AT_WORK);
	finish_pumps(pumps, AT_WORK + 1);
	fixture_end(&f);
}

/* Who stalls keeps nobody from sending, and no longer than his deadline. */
static void test_stalls(void **state)
{
	struct client *stalled, *next;
	struct pump pumps[2];
	struct fixture f;

	(void)state;
	begin(&f, handle, DEADLINE);
	stalled = client_new(&f);
	send_large(&pumps[0], stalled, 's', PART);
	fixture_wait(&f, &pumps[0].done, 1);
	next = client_new(&f);
	send_large(&pumps[1], next, 'n', LARGE);
	client_wait_answer(next);
	assert_int_equal(client_status(next), 204);
	client_next(next);
	pass_time(&f, SECOND - NOTHING);
	go_round(next);
	assert_false(stalled->eof);
	pass_time(&f, NOTHING);
	client_wait_eof(stalled);
	assert_int_equal(answered, 1);
	finish_pumps(pumps, 2);
	fixture_end(&f);
}

static bool is_any(void *arg, const void *peer)
{
	(void)arg;
	return peer != NULL;
}

static void test_ends_while_it_waits(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct client *clients[AT_WORK + 2];
		struct pump pumps[AT_WORK + 2];
		struct fixture f;

		begin(&f, handle_later, 60);
		fill(&f, pumps, clients, 2);
		if (i == 0)
			assert_int_equal(http_drain(f.http), AT_WORK);
		else
			http_end_peers(f.http, is_any, NULL, i == 2);
		client_wait_eof(clients[AT_WORK]);
		client_wait_eof(clients[AT_WORK + 1]);
		assert_int_equal(f.parked_count, AT_WORK);
		if (i == 2)
			fixture_wait(&f, &f.gone, AT_WORK);
		while (f.parked_count > 0)
			http_answer_empty(f.parked[--f.parked_count]);
		client_wait_eof(clients[0]);
		assert_int_equal(clients[0]->in.len > 0, i < 2);
		finish_pumps(pumps, AT_WORK + 2);
		fixture_end(&f);
	}
}

/* fixture_end() does the sums. */
static void test_free_while_it_waits(void **state)
{
	struct client *clients[AT_WORK + 2];
	struct pump pumps[AT_WORK + 2];
	struct fixture f;

	(void)state;
	begin(&f, handle_later, 60);
	fill(&f, pumps, clients, 2);
	finish_pumps(pumps, AT_WORK + 2);
	fixture_end(&f);
	assert_int_equal(f.gone, AT_WORK);
}

/* A stream waits between two pieces; at the end its handler learns that there is no next one. */
static void test_free_while_a_stream_waits(void **state)
{
	struct pump pump = PUMP_INIT;
	struct fixture f;

	(void)state;
	app_begin(&f, SUM, true);
	pump_request(&pump, "", FIXTURE_STREAM_MAX, 0);
	pump_start(&pump, client_new(&f));
	app_go_through(&f, 1, 2);
	fixture_wait(&f, &app.waits, 3);
	app_go_on();
	pump_fini(&pump);
	fixture_end(&f);
	assert_int_equal(app.gones, 1);
}

/* The end of its own direction, right behind the body, cuts nothing off. */
static void test_half_close_behind_chunks(void **state)
{
	static const size_t CHUNKS[] = {LARGE, 30000, 61};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CHUNKS); i++) {
		struct pump pump = PUMP_INIT;
		struct client *client;
		struct fixture f;

		app_begin(&f, SUM, false);
		client = client_new(&f);
		pump_chunked(&pump, HTTP_PIECE, CHUNKS[i]);
		pump_start(&pump, client);
		fixture_wait(&f, &pump.done, 1);
		assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
		client_wait_answer(client);
		assert_string_equal(client_body(client), "whole");
		pump_fini(&pump);
		fixture_end(&f);
	}
}

/* --- memory --- */

static void test_blocks(void **state)
{
	struct http_block *blocks[HTTP_BLOCKS_SPARE + 1], *again;
	struct fixture f;
	size_t i;

	(void)state;
	fixture_begin(&f);
	for (i = 0; i < ARRAY_LEN(blocks); i++) {
		blocks[i] = http_block_take(f.http);
		assert_non_null(blocks[i]);
		assert_ptr_equal(http_block_of(http_block_data(blocks[i])), blocks[i]);
	}
	memset(http_block_data(blocks[0]), 's', HTTP_BLOCK_SIZE);
	http_block_use(blocks[0], HTTP_BLOCK_SIZE);
	http_block_give(blocks[0]);
	again = http_block_take(f.http);
	assert_ptr_equal(again, blocks[0]);
	for (i = 0; i < HTTP_BLOCK_SIZE; i++)
		assert_int_equal(http_block_data(again)[i], 0);
	for (i = 0; i < ARRAY_LEN(blocks); i++)
		http_block_give(blocks[i]);
	assert_int_equal(f.http->spare_count, HTTP_BLOCKS_SPARE);
	pass_time(&f, SECOND - NOTHING);
	assert_int_equal(f.http->spare_count, HTTP_BLOCKS_SPARE);
	pass_time(&f, NOTHING);
	assert_int_equal(f.http->spare_count, 0);
	assert_null(f.http->spares);
	fixture_end(&f);
}

/* What is large both ways comes from there and goes back. */
static void test_bodies_use_blocks(void **state)
{
	struct client *client;
	struct pump pump;
	struct fixture f;

	(void)state;
	begin(&f, handle_later, 60);
	client = client_new(&f);
	send_large(&pump, client, 'b', LARGE);
	fixture_wait(&f, &f.parked_count, 1);
	assert_int_equal(f.http->spare_count, 0);
	assert_non_null(f.parked[0]->block);
	assert_int_equal(http_request_body(f.parked[0]).data[LARGE - 1], app_byte(LARGE - 1));
	http_answer_bytes(f.parked[0], 200, "text/plain", http_request_body(f.parked[0]));
	client_wait_answer(client);
	assert_memory_equal(client_body(client), pump.bytes.data + pump.bytes.len - LARGE, LARGE);
	client_next(client);
	client_ask(client, ASK, 200);
	assert_int_equal(f.http->spare_count, 2);
	pump_fini(&pump);
	fixture_end(&f);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_groups_take_turns),
		cmocka_unit_test(test_waits_for_those_at_work),
		cmocka_unit_test(test_answer_is_not_taken),
		cmocka_unit_test(test_others_do_not_wait),
		cmocka_unit_test(test_leaves_while_it_waits),
		cmocka_unit_test(test_deadline_stands_still),
		cmocka_unit_test(test_stalls),
		cmocka_unit_test(test_ends_while_it_waits),
		cmocka_unit_test(test_free_while_it_waits),
		cmocka_unit_test(test_free_while_a_stream_waits),
		cmocka_unit_test(test_half_close_behind_chunks),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_bodies_use_blocks),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
