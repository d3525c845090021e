/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_TEST_FIXTURE_H
#define HTTP_TEST_FIXTURE_H

/*
 * A loop, the adapter with a small application, and clients on socket pairs, all in one thread.
 * Nothing sleeps: the loop runs until a condition holds, and a guard turns a hang into a failure,
 * by the kernel's clock, also where the test has the loop's in hand. fixture_end() counts: what was
 * admitted was finished, what was added was closed, no descriptor is left over.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "http/http.h"

#define FIXTURE_OCTETS_MAX (256u * 1024u)
#define FIXTURE_STREAM_MAX (1024u * 1024u)
#define FIXTURE_JSON_MAX   1000u
#define FIXTURE_BIG	   (8u * 1024u * 1024u)
#define FIXTURE_CLIENTS	   64u /* and the limit of connections */

struct fixture;

struct client {
	struct fixture *fixture;
	int fd; /* -1 when closed */
	struct loop_fd *watch;
	struct buf in;
	bool bodyless; /* it asks with HEAD */
	bool eof;
	struct loop_timer drip;
	size_t drop;	 /* bytes each time */
	uint64_t gap_us; /* between two times */
	size_t dripped;	 /* bytes that were taken */
};

struct fixture {
	struct loop *loop;
	struct http *http;
	struct client clients[FIXTURE_CLIENTS];
	size_t client_count;
	struct http_request *parked[FIXTURE_CLIENTS];
	bool answer_when_gone;
	http_handler on_stream; /* of POST /v1/stream, with the fixture */
	unsigned parked_count;	/* ever, so far as the test does not take some off */
	unsigned handled, admitted, refused, finished, added, closed, gone;
	unsigned other; /* the other peer than &added, who has a share of his own */
	int refusal;	/* the last one's code */
	bool no_route;	/* .. and it had none */
	/* What is waited for: a client's answer or end, or a counter. */
	bool (*done)(const struct fixture *f);
	const struct client *client;
	const unsigned *counter;
	unsigned goal;
	bool late;
	int fds;
};

/* With limits of a minute, so that no deadline comes into play. */
void fixture_begin(struct fixture *f);
void fixture_begin_with(struct fixture *f, unsigned request_s, unsigned idle_s, unsigned answer_s);
/* An application of the test's own: another table, and operations, perhaps made of these. */
extern const struct http_ops fixture_ops;
void fixture_serve(struct fixture *f, const struct http_route *routes, size_t count,
		   const struct http_ops *ops);
/* libmicrohttpd 1.0 or later, which refuses more than 0.9 did before we hear of a request. */
bool fixture_library_refuses(void);
/* Frees everything that is not freed yet and does the sums. */
void fixture_end(struct fixture *f);
/* Runs until *@counter is @goal or more. */
void fixture_wait(struct fixture *f, const unsigned *counter, unsigned goal);

/* A connected client; the adapter holds the other end. */
struct client *client_new(struct fixture *f);
/* The same of another peer. */
struct client *client_new_other(struct fixture *f);
/* The same on a connection that there is already, of which the adapter gets @theirs. */
struct client *client_new_on(struct fixture *f, int ours, int theirs);
/* One that does not read what it gets. */
struct client *client_new_deaf(struct fixture *f);
void client_send(struct client *client, const char *text);
/* Runs until a whole answer is there. */
void client_wait_answer(struct client *client);
/* Runs until the adapter has closed the connection. */
void client_wait_eof(struct client *client);
/* Sends @drop letters (at most 64 KiB) each @gap_us until the connection is closed. */
void client_drip(struct client *client, size_t drop, uint64_t gap_us);
void client_close(struct client *client);

/* Of the first answer in its buffer. */
unsigned client_status(const struct client *client);
bool client_has_header(const struct client *client, const char *line);
const char *client_body(const struct client *client);
/* Takes the first answer off. */
void client_next(struct client *client);
/* One request, one answer, which must have this status. */
void client_ask(struct client *client, const char *text, unsigned status);

#endif
