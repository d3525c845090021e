/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection reads (nothing, or part of a message is there) or is at work (a whole command is
 * out, and its bytes stay until the answer). Each has one timer: it runs while the connection
 * reads. A command that is longer than any is let go byte by byte and then answered. Who breaks the
 * framing is sent away, and so is who does not take an answer: those are small against a socket's
 * buffer. A client that leaves takes the socket along, but its connection stays until the answer
 * that is owed has come.
 */
#include "broker/connections.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/secret.h"
#include "broker/wire.h"

#define RC_COMMAND_SIZE 0x142u /* TPM 2.0 Part 2, 6.6.3 */

#define SKIP_MAX (64u * 1024u) /* bytes of a command that is too long */

struct connection {
	struct connections *all;
	size_t slot;
	struct loop_fd *watch;
	struct loop_timer timer;
	int fd; /* -1: the client has left, and its command is at work */
	enum connection_kind kind;
	void *tag;
	void *work;
	uint64_t turn; /* when it last sent something */
	bool at_work;
	bool ending; /* with the answer to the command at work */
	size_t skip; /* so many bytes are still to come of a command that is too long */
	size_t len;
	uint8_t received[WIRE_MAX];
};

struct connections {
	struct loop *loop;
	struct connections_ops ops;
	void *arg;
	uint64_t turns;
	unsigned max;
	size_t count;
	struct connection *slots[]; /* NULL = free */
};

int connections_new(struct loop *loop, const struct connections_ops *ops, void *arg, unsigned max,
		    struct connections **ret_connections, struct err *err)
{
	struct connections *all = calloc(1, sizeof(*all) + max * sizeof(struct connection *));

	if (!all)
		return err_set(err, ERR_INTERNAL, "memory is short");
	*all = (struct connections){.loop = loop, .ops = *ops, .arg = arg, .max = max};
	*ret_connections = all;
	return 0;
}

/* --- ends --- */

static void hang_up(struct connection *connection)
{
	if (connection->fd < 0)
		return;
	loop_timer_clear(&connection->timer);
	loop_unwatch(TAKE(connection->watch));
	close(connection->fd);
	connection->fd = -1;
}

static void dispose(struct connection *connection)
{
	struct connections *all = connection->all;
	void *tag = connection->tag;

	hang_up(connection);
	all->slots[connection->slot] = NULL;
	all->count--;
	wipe(connection, sizeof(*connection));
	free(connection);
	if (all->ops.closed)
		all->ops.closed(all->arg, tag);
}

/* The client is gone, or shall be; what is at work lives on without it. */
static void leave(struct connection *connection)
{
	struct connections *all = connection->all;

	if (!connection->at_work) {
		dispose(connection);
		return;
	}
	hang_up(connection);
	if (all->ops.gone)
		all->ops.gone(all->arg, connection);
}

void connections_free(struct connections *connections)
{
	size_t i;

	if (!connections)
		return;
	for (i = 0; i < connections->max; i++)
		if (connections->slots[i])
			dispose(connections->slots[i]);
	free(connections);
}

static struct connection *find_ending(const struct connections *all, const void *tag, bool at_once)
{
	size_t i;

	for (i = 0; i < all->max; i++) {
		struct connection *connection = all->slots[i];

		if (connection && connection->tag == tag && connection->fd >= 0 &&
		    (at_once || !connection->at_work))
			return connection;
	}
	return NULL;
}

void connections_end(struct connections *connections, const void *tag, bool at_once)
{
	struct connection *connection;
	size_t i;

	for (i = 0; i < connections->max; i++)
		if (connections->slots[i] && connections->slots[i]->tag == tag)
			connections->slots[i]->ending = true;
	/* From the start each time: who is told of the end may have ended others. */
	while ((connection = find_ending(connections, tag, at_once)))
		leave(connection);
}

/* --- messages --- */

/* Everything that was received is done with. */
static void forget(struct connection *connection)
{
	wipe(connection->received, connection->len);
	connection->len = 0;
}

static bool send_whole(const struct connection *connection, struct slice answer)
{
	return send(connection->fd, answer.data, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)answer.len;
}

/* Waits for a message, or for the rest of one. */
static bool await(struct connection *connection)
{
	uint64_t delay = connection->len > 0 ? CONNECTIONS_DRIP_US : CONNECTIONS_IDLE_US;
	struct err err = {0};

	return loop_timer_set(&connection->timer, delay, &err) == 0;
}

static bool refuse(const struct connection *connection)
{
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(WIRE_HEADER);

	wire_refuse(&answer, RC_COMMAND_SIZE);
	return send_whole(connection, buf_slice(&answer));
}

/* Behind a command nothing may stand: nobody sends another before he has the answer. */
static void refuse_framing(struct connection *connection)
{
	(void)refuse(connection);
	leave(connection);
}

/* The next of them have come. */
static void skip(struct connection *connection)
{
	size_t len = connection->len;

	forget(connection);
	if (len > connection->skip) {
		refuse_framing(connection);
		return;
	}
	connection->skip -= len;
	if (connection->skip == 0 && (!refuse(connection) || !await(connection)))
		leave(connection);
}

/* Where the next command begins is known only of what says how long it is. */
static void refuse_size(struct connection *connection, bool begins)
{
	struct cursor cursor = cursor_of(slice_of(connection->received, connection->len));
	uint32_t size;

	(void)cursor_u16(&cursor);
	size = cursor_u32(&cursor);
	if (size < WIRE_HEADER || size > SKIP_MAX) {
		refuse_framing(connection);
	} else if (begins && !await(connection)) {
		leave(connection);
	} else {
		connection->skip = size;
		skip(connection);
	}
}

static void data_received(struct connection *connection, bool begins)
{
	struct connections *all = connection->all;
	struct slice received = slice_of(connection->received, connection->len);
	size_t size = wire_command_size(received);

	if (size == WIRE_BAD) {
		refuse_size(connection, begins);
		return;
	}
	if (size == 0) {
		if (begins && !await(connection))
			leave(connection);
		return;
	}
	if (size != received.len) {
		refuse_framing(connection);
		return;
	}
	loop_timer_clear(&connection->timer);
	connection->at_work = true;
	/* Where the answer comes from inside, the connection may be no more. */
	all->ops.command(all->arg, connection, received);
}

static void control_received(struct connection *connection, bool begins)
{
	CLEANUP(buf_fini) struct buf answers = BUF_INIT(WIRE_MAX);
	size_t done = 0, taken;
	bool alive = true;

	do {
		taken = wire_control(slice_of(connection->received + done, connection->len - done),
				     &answers);
		done += taken;
	} while (taken > 0 && done < connection->len);
	if (done > 0) {
		memmove(connection->received, connection->received + done, connection->len - done);
		connection->len -= done;
		alive = buf_ok(&answers) && send_whole(connection, buf_slice(&answers));
	}
	if (alive && (begins || done > 0))
		alive = await(connection);
	if (!alive)
		leave(connection);
}

void connection_answer(struct connection *connection, struct slice response)
{
	bool alive;

	connection->at_work = false;
	connection->work = NULL;
	alive = connection->fd >= 0 && send_whole(connection, response) && !connection->ending;
	forget(connection);
	if (!alive || !await(connection))
		dispose(connection);
}

/* --- what the loop tells --- */

static void expired(void *arg)
{
	leave(arg);
}

static void ready(void *arg, uint32_t events);

/*
 * The client has shut its sending side. When its command is at work it may still want the answer:
 * then only its going is watched for, since the end of the stream would be reported for ever.
 */
static void ended(struct connection *connection, uint32_t events)
{
	struct err err = {0};

	connection->ending = true;
	if (connection->at_work && !(events & (EPOLLHUP | EPOLLERR))) {
		loop_unwatch(TAKE(connection->watch));
		if (loop_watch(connection->all->loop, connection->fd, 0, ready, connection,
			       &connection->watch, &err) == 0)
			return;
	}
	leave(connection);
}

static void ready(void *arg, uint32_t events)
{
	struct connection *connection = arg;
	bool begins = connection->len == 0;
	uint8_t behind;
	ssize_t n;

	if (connection->at_work)
		n = recv(connection->fd, &behind, sizeof(behind), MSG_DONTWAIT);
	else
		n = recv(connection->fd, connection->received + connection->len,
			 sizeof(connection->received) - connection->len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ended(connection, n < 0 ? EPOLLERR : events);
		return;
	}
	connection->turn = ++connection->all->turns;
	if (connection->at_work) {
		refuse_framing(connection);
		return;
	}
	connection->len += (size_t)n;
	if (connection->skip > 0)
		skip(connection);
	else if (connection->kind == CONNECTION_DATA)
		data_received(connection, begins);
	else
		control_received(connection, begins);
}

/* --- additions --- */

/* A free place, if need be that of the connection which was silent longest; max = there is none. */
static size_t find_slot(struct connections *all)
{
	struct connection *oldest = NULL;
	size_t i;

	for (i = 0; i < all->max; i++) {
		struct connection *connection = all->slots[i];

		if (!connection)
			return i;
		if (!connection->at_work && (!oldest || connection->turn < oldest->turn))
			oldest = connection;
	}
	if (!oldest)
		return all->max;
	i = oldest->slot;
	leave(oldest);
	return i;
}

static int start(struct connection *connection, struct err *err)
{
	struct loop *loop = connection->all->loop;
	int r;

	loop_timer_init(&connection->timer, loop, expired, connection);
	r = loop_timer_set(&connection->timer, CONNECTIONS_IDLE_US, err);
	if (r == 0)
		r = loop_watch(loop, connection->fd, EPOLLIN, ready, connection, &connection->watch,
			       err);
	if (r < 0)
		loop_timer_clear(&connection->timer);
	return r;
}

int connections_add(struct connections *connections, int fd, enum connection_kind kind, void *tag,
		    struct err *err)
{
	CLEANUP(fd_close_cleanup) int owned = fd;
	CLEANUP(mem_free_cleanup) struct connection *connection = NULL;
	size_t slot = find_slot(connections);
	int r;

	if (slot == connections->max)
		return err_set(err, ERR_QUOTA, "all %u connections are at work", connections->max);
	connection = malloc(sizeof(*connection));
	if (!connection)
		return err_set(err, ERR_INTERNAL, "memory is short");
	/* All but the room for what is received, which is most of it. */
	memset(connection, 0, offsetof(struct connection, received));
	connection->all = connections;
	connection->slot = slot;
	connection->fd = fd;
	connection->kind = kind;
	connection->tag = tag;
	connection->turn = ++connections->turns;
	r = start(connection, err);
	if (r < 0)
		return r;
	owned = -1;
	connections->slots[slot] = connection;
	connections->count++;
	/* Who connects for one command has sent it by now. */
	ready(TAKE(connection), 0);
	return 0;
}

/* --- what is asked of them --- */

void *connection_tag(const struct connection *connection)
{
	return connection->tag;
}

void connection_set_work(struct connection *connection, void *work)
{
	connection->work = work;
}

void *connection_work(const struct connection *connection)
{
	return connection->work;
}

size_t connections_count(const struct connections *connections)
{
	return connections->count;
}
