/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_TEST_FIXTURE_H
#define FETCH_TEST_FIXTURE_H

/*
 * A server of scripted answers, by threads of the test's own, and a client that notes what it was
 * told. The server has a free port of 127.0.0.1, and a Unix socket beside it.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "fetch/fetch.h"

enum then {
	KEEP,	    /* the next request may come on this connection */
	CLOSE,	    /* after the answer */
	STALL,	    /* says nothing more, until the client closes */
	KEEP_ONCE,  /* the next request on this connection is read, and it is closed without a word
		     */
	CLOSE_LATE, /* closed after the answer, which did not say so */
	DRIP,	    /* a byte more every few milliseconds, until the client closes */
};

/* What a path is answered with. */
struct script {
	const char *path;
	const char *answer; /* its head; NULL: none */
	size_t body;	    /* so many 'x' behind it */
	enum then then;
	bool deaf;  /* does not read the request's body, and waits for the client to leave */
	bool early; /* answers before it reads the request's body, but for one byte of it */
};

struct server {
	char folder[64];
	char path[96]; /* of the Unix socket */
	unsigned port;
	const struct script *scripts;
	size_t count;
	int listeners[2];
	int stop[2]; /* a pipe; it ends all threads */
	pthread_t threads[2];
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	unsigned open;	   /* connections */
	unsigned accepted; /* in all */
	struct buf log;	   /* all requests, as they came */
};

void server_start(struct server *server, const struct script *scripts, size_t count);
void server_stop(struct server *server);
unsigned server_accepted(struct server *server);
/* True when @text came. */
bool server_saw(struct server *server, const char *text);
void server_forget(struct server *server);

/* A client with what its callbacks got. */
struct client {
	struct loop *loop;
	struct fetch *fetch;
	struct fetch_transfer *transfer;
	struct fetch_head head; /* its texts are those below */
	char etag[64], type[64], modified[64];
	unsigned heads, ends;
	struct buf data;
	enum fetch_end end;
	unsigned status;
	uint32_t retry_after; /* the result's */
	int code;	      /* of the result's err, 0 for none */
	char text[192];
	/* What the callbacks do. */
	bool fail_head, fail_data, fail_more;
	bool cancel_in_head, cancel_in_data, cancel_in_more;
	size_t gives;	     /* bytes of 'y' that more() gives at once */
	unsigned waits;	     /* how often it gives none before that */
	uint64_t later_us;   /* when it has more then; 0: a millisecond */
	uint64_t idle_us;    /* the limit of idleness from the first data on; 0: as it is */
	uint64_t held_us;    /* the limit while we let the other end wait; 0: as it is */
	bool resume_in_head; /* and not by time */
	struct loop_timer later;
	unsigned running; /* the loop stops when none is left */
};

void client_start(struct client *client, bool dev);
void client_stop(struct client *client);
/* Forgets what came before. */
void client_reset(struct client *client);
/* Starts @request, which must be taken, with callbacks that note what comes. */
void client_begin(struct client *client, const struct fetch_request *request);
/* The same, until its end. */
void client_fetch(struct client *client, const struct fetch_request *request);
void client_run(struct client *client);
extern const struct fetch_ops client_ops;
/* The limit of @transfer from now on, finer than seconds. */
void limit_idle(struct fetch_transfer *transfer, uint64_t idle_us);

/* "http://127.0.0.1:PORT" and @path, in one of a few buffers. */
const char *server_url(const struct server *server, const char *path);

#endif
