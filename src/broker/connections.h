/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_CONNECTIONS_H
#define BROKER_CONNECTIONS_H

/*
 * Connections: what was accepted on a pair of sockets as swtpm has them, data and control. Read as
 * it comes and never waited for; one command at a time on each, answered when somebody has its
 * response. One of more than WIRE_MAX bytes, up to 64 KiB, is read to its end and refused; what
 * says that it is longer, or shorter than a header, is refused at once and its connection closed.
 * Who listens, and who is admitted, is decided outside. Loop only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/slice.h"

#define CONNECTIONS_DRIP_US (10u * 1000000u)  /* for the rest of a command, once it has begun */
#define CONNECTIONS_IDLE_US (600u * 1000000u) /* between two commands */

enum connection_kind { CONNECTION_DATA, CONNECTION_CONTROL };

struct connections;
struct connection;

struct connections_ops {
	/*
	 * A whole command; @bytes are valid until it is answered. Exactly one
	 * connection_answer() follows, perhaps from inside: then @connection may be no more. Bytes
	 * that come before the answer break the framing and end the connection.
	 */
	void (*command)(void *arg, struct connection *connection, struct slice bytes);
	/*
	 * The client left while its command was at work, or was sent away, also by
	 * connections_end(): nobody wants the answer, which must still be given. May be NULL.
	 */
	void (*gone)(void *arg, struct connection *connection);
	/*
	 * The connection is no more: closed, and no answer is owed to it. @tag is what
	 * connections_add() was given. May be NULL.
	 */
	void (*closed)(void *arg, void *tag);
};

/*
 * At most @max at once, with those whose client has left while its command is at work: the one that
 * was silent longest and is not at work makes room.
 */
int connections_new(struct loop *loop, const struct connections_ops *ops, void *arg, unsigned max,
		    struct connections **ret_connections, struct err *err) MUST_CHECK;
/* Closes all, also those with a command at work, whose answer must not be given any more. */
void connections_free(struct connections *connections);
MEM_DEFINE_CLEANUP(connections)

/*
 * Takes over @fd, a connected stream socket, at once and also when it fails. ERR_QUOTA: all are at
 * work.
 */
int connections_add(struct connections *connections, int fd, enum connection_kind kind, void *tag,
		    struct err *err) MUST_CHECK;

/* The response to the command at work. A client that does not take it is sent away. */
void connection_answer(struct connection *connection, struct slice response);

/* What connections_add() was given; and a place for whoever works on the command. */
void *connection_tag(const struct connection *connection);
void connection_set_work(struct connection *connection, void *work);
void *connection_work(const struct connection *connection);

/*
 * Ends those with this tag: at once, or after the commands at work (what has not sent a whole one
 * ends in both cases).
 */
void connections_end(struct connections *connections, const void *tag, bool at_once);

/* All of them, with those that only owe an answer. */
size_t connections_count(const struct connections *connections);

#endif
