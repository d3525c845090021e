/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Over socketpairs. A turn of the loop handles what is there and stops; timers are never waited
 * for, the test sees what was set and lets it expire by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "broker/connections.h"
#include "broker/wire.h"

#define MAX 4u

struct seen {
	struct connection *connection;
	struct slice bytes;
	uint64_t timer_us; /* what was set last */
	struct loop_timer *timer;
	struct loop_timer *idle;
	unsigned commands, gone, closed;
	void *closed_tag;
	bool timers_fail;
};

static struct seen seen;

struct place {
	struct loop *loop;
	struct connections *connections;
	bool echo; /* answer from inside */
};

/* --- what is wrapped --- */

int __real_loop_timer_set(struct loop_timer *timer, uint64_t delay_us, struct err *err);
int __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_us, struct err *err);

int __wrap_loop_timer_set(struct loop_timer *timer, uint64_t delay_us, struct err *err)
{
	if (seen.timers_fail)
		return err_set(err, ERR_INTERNAL, "memory is short");
	seen.timer_us = delay_us;
	seen.timer = timer;
	return __real_loop_timer_set(timer, delay_us, err);
}

/* --- what is told --- */

static void command(void *arg, struct connection *connection, struct slice bytes)
{
	struct place *place = arg;

	seen.commands++;
	seen.connection = connection;
	seen.bytes = bytes;
	if (place->echo)
		connection_answer(connection, bytes);
}

static void gone(void *arg, struct connection *connection)
{
	(void)arg;
	assert_ptr_equal(connection, seen.connection);
	seen.gone++;
}

static void closed(void *arg, void *tag)
{
	(void)arg;
	seen.closed++;
	seen.closed_tag = tag;
}

/* --- the loop, a turn at a time --- */

static int set_up(void **state)
{
	static const struct connections_ops ops = {command, gone, closed};
	struct place *place = calloc(1, sizeof(*place));
	struct err err = {0};

	assert_non_null(place);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(loop_new(&place->loop, &err), 0);
	assert_int_equal(connections_new(place->loop, &ops, place, MAX, &place->connections, &err),
			 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	connections_free(place->connections);
	loop_free(place->loop);
	free(place);
	return 0;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* Everything that is ready, once. */
static void turn(struct place *place)
{
	struct loop_timer now;
	struct err err = {0};

	loop_timer_init(&now, place->loop, stop, place->loop);
	assert_int_equal(__real_loop_timer_set(&now, 0, &err), 0);
	assert_int_equal(loop_run(place->loop, &err), 0);
}

/* The client's end of a new connection. */
static int add(struct place *place, enum connection_kind kind, void *tag)
{
	struct err err = {0};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(connections_add(place->connections, ends[1], kind, tag, &err), 0);
	return ends[0];
}

static void put(struct place *place, int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
	turn(place);
}

static size_t take(int fd, uint8_t *bytes, size_t max)
{
	ssize_t n = recv(fd, bytes, max, MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}

static void assert_open(int fd)
{
	uint8_t byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void assert_closed(int fd)
{
	uint8_t byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
}

/* GetRandom of one byte, and a refusal of the framing. */
static const uint8_t COMMAND[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1};
static const uint8_t REFUSED[] = {0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x42};
static const uint8_t LOCALITY[] = {0, 0, 0, 5, 0};

static void assert_refused(int fd)
{
	uint8_t answer[64];

	assert_int_equal(take(fd, answer, sizeof(answer)), sizeof(REFUSED));
	assert_memory_equal(answer, REFUSED, sizeof(REFUSED));
	assert_closed(fd);
}

/* --- tests --- */

static void test_one_after_the_other(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, place);
	uint8_t answer[64];
	unsigned i;

	assert_int_equal(seen.timer_us, CONNECTIONS_IDLE_US);
	for (i = 1; i <= 3; i++) {
		put(place, fd, COMMAND, sizeof(COMMAND));
		assert_int_equal(seen.commands, i);
		assert_memory_equal(seen.bytes.data, COMMAND, sizeof(COMMAND));
		assert_ptr_equal(connection_tag(seen.connection), place);
		assert_null(connection_work(seen.connection));
		connection_set_work(seen.connection, &answer);
		assert_ptr_equal(connection_work(seen.connection), &answer);
		/* No time runs while it is at work. */
		assert_int_equal(seen.timer->slot, 0);
		assert_open(fd);
		connection_answer(seen.connection, slice_str("the answer"));
		assert_int_equal(take(fd, answer, sizeof(answer)), 10);
		assert_int_equal(seen.timer_us, CONNECTIONS_IDLE_US);
		assert_int_not_equal(seen.timer->slot, 0);
	}
	assert_int_equal(seen.closed, 0);
}

/* Each at work on its own, answered in another order. */
static void test_many_of_one_client(void **state)
{
	struct place *place = *state;
	struct connection *at_work[MAX];
	int fds[MAX];
	uint8_t answer[8];
	unsigned i;

	for (i = 0; i < MAX; i++) {
		fds[i] = add(place, CONNECTION_DATA, place);
		put(place, fds[i], COMMAND, sizeof(COMMAND));
		at_work[i] = seen.connection;
	}
	assert_int_equal(seen.commands, MAX);
	for (i = MAX; i-- > 0;) {
		connection_answer(at_work[i], slice_of(&i, sizeof(i)));
		assert_int_equal(take(fds[i], answer, sizeof(answer)), sizeof(i));
		assert_memory_equal(answer, &i, sizeof(i));
		close(fds[i]);
	}
	turn(place);
	assert_int_equal(connections_count(place->connections), 0);
	assert_int_equal(seen.closed, MAX);
	assert_int_equal(seen.gone, 0);
}

static void test_answered_from_inside(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);
	uint8_t answer[64];

	place->echo = true;
	put(place, fd, COMMAND, sizeof(COMMAND));
	put(place, fd, COMMAND, sizeof(COMMAND));
	assert_int_equal(take(fd, answer, sizeof(answer)), 2 * sizeof(COMMAND));
	/* One that does not stay for the answer. */
	assert_int_equal(send(fd, COMMAND, sizeof(COMMAND), 0), sizeof(COMMAND));
	close(fd);
	fd = -1;
	turn(place);
	assert_int_equal(seen.commands, 3);
	assert_int_equal(seen.closed, 1);
}

static void test_dripping(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);
	size_t i;

	for (i = 0; i + 1 < sizeof(COMMAND); i++) {
		seen.timer_us = 0;
		put(place, fd, COMMAND + i, 1);
		/* From the first byte on, and no further byte gives more time. */
		assert_int_equal(seen.timer_us, i == 0 ? CONNECTIONS_DRIP_US : 0);
		assert_open(fd);
	}
	seen.timer->fn(seen.timer->arg);
	assert_closed(fd);
	assert_int_equal(seen.commands, 0);
	assert_int_equal(seen.closed, 1);
	assert_int_equal(connections_count(place->connections), 0);
}

static void test_in_pieces(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);
	size_t i;

	for (i = 0; i < sizeof(COMMAND); i++)
		put(place, fd, COMMAND + i, 1);
	assert_int_equal(seen.commands, 1);
	assert_memory_equal(seen.bytes.data, COMMAND, sizeof(COMMAND));
	connection_answer(seen.connection, slice_str("x"));
}

static void test_silent(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);

	seen.timer->fn(seen.timer->arg);
	assert_closed(fd);
	assert_int_equal(seen.closed, 1);
}

static void test_largest(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);
	static uint8_t bytes[WIRE_MAX] = {0x80, 1, 0, 0, 0x10, 0, 0, 0, 1, 0x7b};

	put(place, fd, bytes, sizeof(bytes));
	assert_int_equal(seen.commands, 1);
	assert_int_equal(seen.bytes.len, WIRE_MAX);
	connection_answer(seen.connection, slice_of(bytes, sizeof(bytes)));
	assert_int_equal(take(fd, bytes, sizeof(bytes)), WIRE_MAX);
}

static void test_broken_framing(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[24];
		size_t len;
	} cases[] = {
		{"size too small", {0x80, 1, 0, 0, 0, 9, 0, 0, 1}, 9},
		{"no size", {0x80, 1, 0, 0, 0, 0}, 6},
		{"size too large to be skipped", {0x80, 1, 0, 1, 0, 1}, 6},
		{"huge", {0x80, 1, 0xff, 0xff, 0xff, 0xff}, 6},
		{"a byte behind", {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1, 0}, 13},
		{"two at once",
		 {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1,
		  0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1},
		 24},
	};
	struct place *place = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);

		put(place, fd, cases[i].bytes, cases[i].len);
		assert_refused(fd);
		assert_int_equal(seen.closed, i + 1);
	}
	assert_int_equal(seen.commands, 0);
	assert_int_equal(connections_count(place->connections), 0);
}

/* What is too long for a command is read to its end, and the next one is a command. */
static void test_too_long(void **state)
{
	static const size_t SIZES[] = {WIRE_MAX + 1, 2 * WIRE_MAX, 65536};
	static uint8_t bytes[65536] = {0x80, 1};
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, place);
	uint8_t answer[64];
	unsigned i;

	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		size_t at, piece;

		bytes[3] = (uint8_t)(SIZES[i] >> 16);
		bytes[4] = (uint8_t)(SIZES[i] >> 8);
		bytes[5] = (uint8_t)SIZES[i];
		/* A header in pieces, then as a socket gives it. */
		for (at = 0; at < SIZES[i]; at += piece) {
			piece = at < 7 ? 1 : SIZES[i] - at < 4095 ? SIZES[i] - at : 4095;
			put(place, fd, bytes + at, piece);
			if (at == 0)
				assert_int_equal(seen.timer_us, CONNECTIONS_DRIP_US);
		}
		assert_int_equal(take(fd, answer, sizeof(answer)), sizeof(REFUSED));
		assert_memory_equal(answer, REFUSED, sizeof(REFUSED));
		assert_int_equal(seen.timer_us, CONNECTIONS_IDLE_US);
		put(place, fd, COMMAND, sizeof(COMMAND));
		assert_int_equal(seen.commands, i + 1);
		assert_memory_equal(seen.bytes.data, COMMAND, sizeof(COMMAND));
		connection_answer(seen.connection, slice_str("yes"));
		assert_int_equal(take(fd, answer, sizeof(answer)), 3);
	}
	assert_int_equal(seen.closed, 0);
}

/* One that does not come to its end has the time of any command; behind it nothing may stand. */
static void test_too_long_and_worse(void **state)
{
	static uint8_t bytes[WIRE_MAX + 3] = {0x80, 1, 0, 0, 0x10, 2};
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int slow = add(place, CONNECTION_DATA, place);
	CLEANUP(fd_close_cleanup) int more = add(place, CONNECTION_DATA, place);

	put(place, slow, bytes, WIRE_MAX + 1);
	turn(place);
	assert_open(slow);
	assert_int_equal(seen.timer_us, CONNECTIONS_DRIP_US);
	seen.timer->fn(seen.timer->arg);
	assert_closed(slow);
	put(place, more, bytes, sizeof(bytes));
	turn(place);
	assert_refused(more);
	assert_int_equal(seen.closed, 2);
}

static void test_bytes_before_the_answer(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, place);

	put(place, fd, COMMAND, sizeof(COMMAND));
	put(place, fd, COMMAND, 1);
	assert_refused(fd);
	assert_int_equal(seen.commands, 1);
	assert_int_equal(seen.gone, 1);
	assert_int_equal(seen.closed, 0);
	assert_int_equal(connections_count(place->connections), 1);
	/* The bytes of the command are there until the end. */
	assert_memory_equal(seen.bytes.data, COMMAND, sizeof(COMMAND));
	connection_answer(seen.connection, slice_str("late"));
	assert_int_equal(seen.closed, 1);
	assert_ptr_equal(seen.closed_tag, place);
	assert_int_equal(connections_count(place->connections), 0);
}

static void test_client_leaves_in_mid_command(void **state)
{
	struct place *place = *state;
	int fd = add(place, CONNECTION_DATA, place);

	put(place, fd, COMMAND, sizeof(COMMAND));
	close(fd);
	turn(place);
	assert_int_equal(seen.gone, 1);
	assert_int_equal(seen.closed, 0);
	turn(place);
	assert_int_equal(seen.gone, 1);
	connection_answer(seen.connection, slice_str("to nobody"));
	assert_int_equal(seen.closed, 1);
	assert_int_equal(connections_count(place->connections), 0);
}

static void test_client_leaves_between_commands(void **state)
{
	struct place *place = *state;
	int half = add(place, CONNECTION_DATA, place), none = add(place, CONNECTION_DATA, place);

	put(place, half, COMMAND, 5);
	close(half);
	close(none);
	turn(place);
	assert_int_equal(seen.closed, 2);
	assert_int_equal(seen.gone, 0);
	assert_int_equal(connections_count(place->connections), 0);
}

/* Who has sent all that he wants to send may say so, and still wants the answer. */
static void test_half_closed(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);
	uint8_t answer[64];

	assert_int_equal(send(fd, COMMAND, sizeof(COMMAND), 0), sizeof(COMMAND));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	turn(place);
	turn(place);
	assert_int_equal(seen.commands, 1);
	assert_int_equal(seen.gone, 0);
	connection_answer(seen.connection, slice_str("answer"));
	assert_int_equal(take(fd, answer, sizeof(answer)), 6);
	assert_closed(fd);
	assert_int_equal(seen.closed, 1);
}

static void test_half_closed_and_gone(void **state)
{
	struct place *place = *state;
	int fd = add(place, CONNECTION_DATA, NULL);

	put(place, fd, COMMAND, sizeof(COMMAND));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	turn(place);
	assert_int_equal(seen.gone, 0);
	close(fd);
	turn(place);
	assert_int_equal(seen.gone, 1);
	connection_answer(seen.connection, slice_str("answer"));
	assert_int_equal(seen.closed, 1);
}

static void test_answers_are_not_taken(void **state)
{
	static uint8_t large[WIRE_MAX];
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);
	unsigned i;

	for (i = 0; i < 10000 && seen.closed == 0; i++) {
		put(place, fd, COMMAND, sizeof(COMMAND));
		connection_answer(seen.connection, slice_of(large, sizeof(large)));
	}
	assert_int_equal(seen.closed, 1);
	assert_in_range(i, 2, 9999);
}

static void test_full(void **state)
{
	struct place *place = *state;
	struct err err = {0};
	int fds[MAX], more, ends[2];
	unsigned i;

	for (i = 0; i < MAX; i++)
		fds[i] = add(place, CONNECTION_DATA, place);
	/* The second was silent longest; the first is at work. */
	put(place, fds[0], COMMAND, sizeof(COMMAND));
	put(place, fds[2], COMMAND, 1);
	more = add(place, CONNECTION_DATA, place);
	assert_closed(fds[1]);
	assert_open(fds[0]);
	assert_open(fds[2]);
	assert_open(fds[3]);
	assert_int_equal(connections_count(place->connections), MAX);
	put(place, fds[2], COMMAND + 1, sizeof(COMMAND) - 1);
	put(place, fds[3], COMMAND, sizeof(COMMAND));
	put(place, more, COMMAND, sizeof(COMMAND));
	/* A client that has left keeps its place until its command is done. */
	close(more);
	turn(place);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(connections_add(place->connections, ends[1], CONNECTION_DATA, NULL, &err),
			 ERR_QUOTA);
	assert_closed(ends[0]);
	close(ends[0]);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	close(fds[3]);
}

static void test_ends(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int idle = add(place, CONNECTION_DATA, &seen);
	CLEANUP(fd_close_cleanup) int busy = add(place, CONNECTION_DATA, &seen);
	CLEANUP(fd_close_cleanup) int other = add(place, CONNECTION_DATA, place);
	uint8_t answer[64];

	put(place, busy, COMMAND, sizeof(COMMAND));
	connections_end(place->connections, &seen, false);
	assert_closed(idle);
	assert_open(busy);
	assert_open(other);
	assert_int_equal(seen.gone, 0);
	connection_answer(seen.connection, slice_str("answer"));
	assert_int_equal(take(busy, answer, sizeof(answer)), 6);
	assert_closed(busy);
	assert_int_equal(seen.closed, 2);
	assert_ptr_equal(seen.closed_tag, &seen);
	assert_int_equal(connections_count(place->connections), 1);
}

static void test_ends_at_once(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int idle = add(place, CONNECTION_CONTROL, &seen);
	CLEANUP(fd_close_cleanup) int busy = add(place, CONNECTION_DATA, &seen);
	CLEANUP(fd_close_cleanup) int other = add(place, CONNECTION_DATA, place);

	put(place, busy, COMMAND, sizeof(COMMAND));
	connections_end(place->connections, &seen, true);
	assert_closed(idle);
	assert_closed(busy);
	assert_open(other);
	assert_int_equal(seen.gone, 1);
	assert_int_equal(seen.closed, 1);
	connection_answer(seen.connection, slice_str("answer"));
	assert_int_equal(seen.closed, 2);
}

/* The rest is looked at by tear_down() and the sanitizers. */
static void test_free_with_commands_at_work(void **state)
{
	struct place *place = *state;
	int gone_fd = add(place, CONNECTION_DATA, NULL);
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);
	CLEANUP(fd_close_cleanup) int half = add(place, CONNECTION_DATA, NULL);
	struct err err = {0};

	put(place, gone_fd, COMMAND, sizeof(COMMAND));
	close(gone_fd);
	turn(place);
	put(place, fd, COMMAND, sizeof(COMMAND));
	put(place, half, COMMAND, 3);
	connections_free(place->connections);
	assert_closed(fd);
	assert_closed(half);
	assert_int_equal(seen.closed, 3);
	assert_int_equal(connections_new(place->loop, &(struct connections_ops){.command = command},
					 place, 1, &place->connections, &err),
			 0);
}

static void test_control(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[16];
		size_t len;
		uint8_t expected[16];
		size_t expected_len;
	} cases[] = {
		{"locality 0", {0, 0, 0, 5, 0}, 5, {0, 0, 0, 0}, 4},
		{"locality 1", {0, 0, 0, 5, 1}, 5, {0, 0, 0, 0x3d}, 4},
		{"twice", {0, 0, 0, 5, 0, 0, 0, 0, 5, 0}, 10, {0}, 8},
		{"capability", {0, 0, 0, 1}, 4, {0, 0, 0, 0x0a}, 4},
		{"shutdown", {0, 0, 0, 3}, 4, {0, 0, 0, 0x0a}, 4},
		{"init with a body", {0, 0, 0, 2, 0, 0, 0, 1}, 8, {0, 0, 0, 0x0a}, 4},
		{"half of one", {0, 0, 0, 5}, 4, {0}, 0},
	};
	struct place *place = *state;
	uint8_t answer[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_CONTROL, NULL);

		put(place, fd, cases[i].bytes, cases[i].len);
		assert_int_equal(take(fd, answer, sizeof(answer)), cases[i].expected_len);
		assert_memory_equal(answer, cases[i].expected, cases[i].expected_len);
		assert_int_equal(seen.timer_us,
				 cases[i].expected_len ? CONNECTIONS_IDLE_US : CONNECTIONS_DRIP_US);
		assert_open(fd);
	}
	assert_int_equal(seen.commands, 0);
}

/* The rest of a message arms no timer a second time, a new beginning does. */
static void test_control_in_pieces(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_CONTROL, NULL);
	uint8_t answer[64];

	put(place, fd, LOCALITY, 2);
	assert_int_equal(seen.timer_us, CONNECTIONS_DRIP_US);
	seen.timer_us = 0;
	put(place, fd, LOCALITY + 2, 2);
	assert_int_equal(seen.timer_us, 0);
	put(place, fd, LOCALITY + 4, 1);
	assert_int_equal(take(fd, answer, sizeof(answer)), 4);
	assert_int_equal(seen.timer_us, CONNECTIONS_IDLE_US);
	assert_int_equal(seen.commands, 0);
}

static void test_memory_is_short(void **state)
{
	struct place *place = *state;
	CLEANUP(fd_close_cleanup) int fd = add(place, CONNECTION_DATA, NULL);
	CLEANUP(fd_close_cleanup) int half = add(place, CONNECTION_DATA, NULL);
	struct err err = {0};
	uint8_t answer[64];
	int ends[2];

	put(place, fd, COMMAND, sizeof(COMMAND));
	seen.timers_fail = true;
	connection_answer(seen.connection, slice_str("answer"));
	assert_int_equal(take(fd, answer, sizeof(answer)), 6);
	assert_closed(fd);
	put(place, half, COMMAND, 1);
	assert_closed(half);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(connections_add(place->connections, ends[1], CONNECTION_DATA, NULL, &err),
			 ERR_INTERNAL);
	assert_closed(ends[0]);
	close(ends[0]);
	assert_int_equal(connections_count(place->connections), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_after_the_other),
		TEST(test_many_of_one_client),
		TEST(test_answered_from_inside),
		TEST(test_dripping),
		TEST(test_in_pieces),
		TEST(test_silent),
		TEST(test_largest),
		TEST(test_broken_framing),
		TEST(test_too_long),
		TEST(test_too_long_and_worse),
		TEST(test_bytes_before_the_answer),
		TEST(test_client_leaves_in_mid_command),
		TEST(test_client_leaves_between_commands),
		TEST(test_half_closed),
		TEST(test_half_closed_and_gone),
		TEST(test_answers_are_not_taken),
		TEST(test_full),
		TEST(test_ends),
		TEST(test_ends_at_once),
		TEST(test_free_with_commands_at_work),
		TEST(test_control),
		TEST(test_control_in_pieces),
		TEST(test_memory_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
