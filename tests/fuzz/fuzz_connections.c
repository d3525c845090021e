/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clients of the broker's sockets. The bytes are a play: who connects, who sends what in which
 * pieces, who leaves, when an answer is given, and who is sent away. What is handed out is a
 * whole command each time and owes one answer, no connection is lost, and none is too many.
 */

#include <sys/socket.h>

#include "base/loop.h"
#include "broker/connections.h"
#include "broker/wire.h"
#include "tests/fuzz/fuzz.h"

#define CLIENTS	  6u
#define MAX	  4u
#define STEPS_MAX 200u

struct play {
	struct loop *loop;
	struct connections *connections;
	int clients[CLIENTS]; /* -1 = not connected */
	struct connection *at_work[MAX];
	bool echo;
	unsigned added, closed;
};

static void drop_work(struct play *play, struct connection *connection)
{
	size_t i;

	for (i = 0; i < MAX; i++)
		if (play->at_work[i] == connection)
			play->at_work[i] = NULL;
}

static void command(void *arg, struct connection *connection, struct slice bytes)
{
	struct play *play = arg;
	size_t i;

	FUZZ_REQUIRE(wire_command_size(bytes) == bytes.len);
	FUZZ_REQUIRE(connection_tag(connection) == play);
	FUZZ_REQUIRE(!connection_work(connection));
	if (play->echo) {
		connection_answer(connection, bytes);
		return;
	}
	connection_set_work(connection, play);
	for (i = 0; i < MAX && play->at_work[i]; i++)
		FUZZ_REQUIRE(play->at_work[i] != connection);
	FUZZ_REQUIRE(i < MAX);
	play->at_work[i] = connection;
}

static void gone(void *arg, struct connection *connection)
{
	struct play *play = arg;
	size_t i = 0;

	while (i < MAX && play->at_work[i] != connection)
		i++;
	FUZZ_REQUIRE(i < MAX);
}

static void closed(void *arg, void *tag)
{
	struct play *play = arg;

	FUZZ_REQUIRE(tag == play);
	play->closed++;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* Everything that is ready, once. */
static void turn(struct play *play)
{
	struct loop_timer now;
	struct err err;

	loop_timer_init(&now, play->loop, stop, play->loop);
	if (loop_timer_set(&now, 0, &err) < 0 || loop_run(play->loop, &err) < 0)
		exit(2);
}

static void join(struct play *play, unsigned who, enum connection_kind kind)
{
	int ends[2];
	struct err err;

	if (play->clients[who] >= 0)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		exit(2);
	play->clients[who] = ends[0];
	if (connections_add(play->connections, ends[1], kind, play, &err) == 0)
		play->added++;
	else
		FUZZ_REQUIRE(err.code == ERR_QUOTA);
}

static void leave(struct play *play, unsigned who)
{
	if (play->clients[who] < 0)
		return;
	close(play->clients[who]);
	play->clients[who] = -1;
}

/* A piece, with a header that fits, or as it comes. */
static void say(struct play *play, unsigned who, struct cursor *choices)
{
	uint8_t bytes[64] = {0x80, 1, 0, 0, 0, 0, 0, 0, 1, 0x7b};
	uint8_t choice = cursor_u8(choices);
	size_t len = choice & 0x3f;

	if (play->clients[who] < 0)
		return;
	if (choice & 0x80) {
		struct slice raw = cursor_take(choices, len % 16);

		len = raw.len;
		if (len > 0)
			memcpy(bytes, raw.data, len);
	} else {
		bytes[5] = (uint8_t)len;
	}
	if (choice & 0x40) /* the rest later, as its own bytes */
		len /= 2;
	(void)send(play->clients[who], bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void hear(const struct play *play, unsigned who)
{
	uint8_t bytes[WIRE_MAX];

	if (play->clients[who] >= 0)
		(void)recv(play->clients[who], bytes, sizeof(bytes), MSG_DONTWAIT);
}

static void answer(struct play *play, struct cursor *choices)
{
	static const uint8_t bytes[WIRE_MAX];
	struct connection *connection = play->at_work[cursor_u8(choices) % MAX];

	if (!connection)
		return;
	drop_work(play, connection);
	connection_answer(connection, slice_of(bytes, (size_t)cursor_u8(choices) * 16));
}

static void step(struct play *play, struct cursor *choices)
{
	uint8_t choice = cursor_u8(choices);
	unsigned who = choice % CLIENTS;

	switch (choice / CLIENTS % 10) {
	case 0:
		join(play, who, CONNECTION_DATA);
		break;
	case 1:
		join(play, who, CONNECTION_CONTROL);
		break;
	case 2:
		leave(play, who);
		break;
	case 3:
		if (play->clients[who] >= 0)
			(void)shutdown(play->clients[who], SHUT_WR);
		break;
	case 4:
		hear(play, who);
		break;
	case 5:
		answer(play, choices);
		break;
	case 6:
		connections_end(play->connections, who & 1 ? play : NULL, who & 2);
		break;
	default:
		say(play, who, choices);
		break;
	}
	if (!(choice & 0x80))
		turn(play);
	FUZZ_REQUIRE(connections_count(play->connections) == play->added - play->closed);
	FUZZ_REQUIRE(connections_count(play->connections) <= MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct connections_ops ops = {command, gone, closed};
	struct play play = {.echo = size > 0 && data[0] & 1};
	struct cursor choices = cursor_of(slice_of(data, size));
	unsigned i;
	struct err err;

	for (i = 0; i < CLIENTS; i++)
		play.clients[i] = -1;
	if (loop_new(&play.loop, &err) < 0 ||
	    connections_new(play.loop, &ops, &play, MAX, &play.connections, &err) < 0)
		exit(2);
	(void)cursor_u8(&choices);
	for (i = 0; i < STEPS_MAX && choices.rest.len > 0; i++)
		step(&play, &choices);
	connections_free(play.connections);
	FUZZ_REQUIRE(play.closed == play.added);
	loop_free(play.loop);
	for (i = 0; i < CLIENTS; i++)
		leave(&play, i);
	return 0;
}
