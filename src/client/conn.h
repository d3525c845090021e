/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_CONN_H
#define CLIENT_CONN_H

/*
 * Conn: one connection to the service's Unix socket, and one exchange of request and answer on it
 * at a time. Nothing here waits beyond its deadline, a time of clock_monotonic_us().
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/slice.h"
#include "client/http.h"

struct conn {
	int fd;	      /* -1 = not connected */
	dev_t device; /* which socket @fd was when it was made: .. */
	ino_t inode;  /* .. the program may have closed it, and opened something else */
	pid_t owner;  /* who connected: a forked child must not write into its parent's stream */
};

#define CONN_INIT                                                                                  \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* The longest path of a socket that the kernel takes, without its NUL. */
#define CONN_PATH_MAX 107u

/* Errors say what a person can do: ERR_FORBIDDEN, ERR_INTERNAL (not there), ERR_TIMEOUT. */
int conn_open(struct conn *conn, const char *path, uint64_t deadline, struct err *err) MUST_CHECK;

/* Leaves a descriptor alone that is no longer this connection. */
void conn_close(struct conn *conn);

/*
 * True when a kept connection is still there, this process's, and silent, as it must be between
 * requests.
 */
bool conn_is_ready(const struct conn *conn);

/* Makes more of a request's body once all that was there is sent; an empty piece is its end. */
struct conn_source {
	int (*next)(void *arg, struct slice *ret_piece, struct err *err);
	void *arg;
};

struct conn_exchange {
	struct slice head; /* what is not sent yet of the request's head */
	struct slice body; /* .. and body */
	struct http_reader *reader;
	uint64_t deadline;
	uint64_t silence_us; /* each progress sets the deadline anew, so far away; 0 = never */
	uint64_t hold_until; /* the body waits for a 100 until then; 0 = it does not */
	const struct conn_source *source; /* of more body; becomes NULL at its end */
	bool answered;			  /* out: at least one byte of an answer came */
	bool broken; /* out: the other end went away before the answer was whole */
};

/* True when the whole request has been handed to the kernel. */
static inline bool conn_exchange_is_sent(const struct conn_exchange *exchange)
{
	return exchange->head.len == 0 && exchange->body.len == 0 && !exchange->source;
}

/*
 * Sends and reads until the answer is whole; an answer may come before the request is sent. The
 * connection can be used again only when this returns 0, all was sent and the head keeps it alive.
 * Negative results of the source and of the reader's sink end it.
 */
int conn_exchange(struct conn *conn, struct conn_exchange *exchange, struct err *err) MUST_CHECK;

#endif
