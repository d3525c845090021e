/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_IMPL_H
#define HTTP_IMPL_H

/*
 * What the files of this room share; nobody outside opens it.
 *
 * A connection lives from http_add() until the library reports it closed. A request hangs on its
 * connection from the end of its header until the library reports it complete. It is dispatched
 * only while the library does nothing else with the connection: then either the handler answers
 * at once, or the connection is parked (suspended in the library) until the answer comes. So a
 * request that is at work can be ended by http_free() only, and everything borrowed from it or
 * from its connection stays valid until the handler answers, even when the client has left.
 *
 * A stream (stream.c) is with its handler while its body is read. Its connection is parked exactly
 * while the handler has not asked for more. While it is not, the library may end the request at any
 * time; the handler has nothing running then and is told to answer at once.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/slice.h"
#include "http/http.h"

struct MHD_Connection;
struct http_form_in;
struct MHD_Daemon;
struct MHD_Response;

#define HTTP_QUERY_MAX	 8u /* parameters of one request */
#define HTTP_HEADERS_MAX 8u /* that a handler may add to its answer */
#define HTTP_ALLOW_SIZE	 32u

/* Per connection, for header and the body on its way. Twice our header limit must fit, so that
 * the refusal is ours and not the library's. */
#define HTTP_POOL_SIZE (32u * 1024u)
/* A piece, and what the library may still hand over when it was told to stop. */
#define HTTP_STREAM_BUFFER (HTTP_PIECE + 2u * HTTP_POOL_SIZE)
/* Bytes of a large body in each of its turns (turn.c). */
#define HTTP_TURN (64u * 1024u)
/* What is smaller takes no block. */
#define HTTP_BLOCK_MIN (128u * 1024u)
/* What a refused body may still send before it is cut, so that its client sees the answer. */
#define HTTP_SURPLUS_MAX (1024u * 1024u)

struct http_conn {
	struct http *http;
	void *peer;
	int fd; /* the library's, which closes it after the last callback */
	bool tcp;
	bool idle;  /* between two requests: the next byte starts request_s */
	bool known; /* http_add() succeeded, so that ops.closed is due */
	bool last;  /* no request comes after the one at work */
	bool cut;   /* by us: what its socket still holds does not matter */
	struct MHD_Connection *mhd;
	struct http_request *request; /* NULL between requests */
	struct loop_fd *watch;
	struct loop_timer deadline;
	struct http_conn *prev;
	struct http_conn *next;
};

struct http {
	struct loop *loop;
	const struct http_route *routes;
	size_t route_count;
	struct http_limits limits;
	struct http_ops ops;
	void *app;
	struct MHD_Daemon *daemon;
	struct loop_fd *watch;	 /* of the library's own epoll descriptor */
	struct loop_timer turn;	 /* set to 0 whenever the library has something to do */
	struct http_conn *conns; /* all of them */
	struct http_conn *adding;
	struct http_group *groups; /* turn.c; the first of them has the next turn */
	struct http_block *spares; /* block.c */
	size_t spare_count;
	bool one_began; /* a large body was let go to its handler in this turn of the loop */
	struct loop_timer spares_old; /* none was given back for a while */
	bool draining;
};

enum http_state {
	HTTP_READING,	/* header seen, body on its way */
	HTTP_STREAMING, /* with its handler, who takes the body as it comes */
	HTTP_WHOLE,	/* to be dispatched when the library asks again and it is its turn */
	HTTP_WORKING,	/* with its handler */
	HTTP_ANSWERED,	/* the answer waits for the library, or is on its way */
};

/*
 * How fast the other side must be: HTTP_PACE bytes in each window. The clock stands still while it
 * waits for us.
 */
struct http_pace {
	uint64_t window_us;
	uint64_t left_us;  /* of this window, when the clock last stood still */
	uint64_t since_us; /* .. and runs on since then; 0 while it stands */
	size_t moved;	   /* bytes in this window */
};

/* A stream's body on its way in; its bytes are in the request's body. */
struct http_inflow {
	bool on;	 /* the request is a stream */
	bool at_head;	 /* the library waits before the body: an answer goes out at once */
	bool whole;	 /* the library has reported the end */
	bool wanted;	 /* a pull is outstanding */
	bool delivering; /* the handler has a piece in its hands */
	uint64_t length; /* Content-Length; 0 when chunked */
	uint64_t received;
	http_piece_fn piece;
	void *arg;
};

/* A stream on its way out. Belongs to the library's response, which may outlive the request. */
struct http_outflow {
	struct http_request *request; /* NULL when that has ended */
	struct slice rest;	      /* of the source's piece */
	bool asked;		      /* more() was called */
	bool cut;
	void *block; /* the library's buffer, to be wiped */
	size_t block_len;
};

/* A large body's place among the others, see turn.c. */
struct http_turn {
	struct http_group *group; /* NULL until there was a reason to wait */
	bool waiting;		  /* parked, in its group's list, its body whole or not */
	bool begun;		  /* it has had a turn */
	bool at_work;		  /* counted in its group */
	size_t left;		  /* bytes of its turn */
	struct http_request *prev;
	struct http_request *next;
};

struct http_pair {
	char *name;
	char *value;
};

struct http_request {
	struct http_conn *conn;
	const struct http_route *route; /* NULL when refused before a route was found */
	enum http_state state;
	bool admitted;	   /* ops.finished is due */
	bool body_due;	   /* the header announced a body, or leaves it in doubt */
	bool body_is_read; /* also after a refusal, before the answer */
	bool json;
	bool suspended; /* the handler answers later */
	bool parked;	/* .. and the library holds the connection still */
	bool gone;	/* the client left while parked */
	void (*on_gone)(void *arg);
	void *on_gone_arg;
	unsigned allowed; /* bits of methods, when the method is the fault */
	struct http_path path;
	struct http_pair query[HTTP_QUERY_MAX];
	size_t query_count;
	struct buf body;
	struct http_block *block; /* where the body is when that is large; else NULL */
	size_t announced;	  /* Content-Length of a body that is kept; 0 when there is none */
	bool may_stream;	  /* chunked: becomes a stream when it outgrows a piece */
	size_t surplus;		  /* bytes of body read and dropped after the refusal */
	struct http_inflow in;
	struct http_form_in *form; /* form_in.c; NULL unless its handler reads a form */
	struct http_turn turn;
	bool paced; /* its deadline is one of pace .. */
	struct http_pace pace;
	const struct http_source *source; /* of its answer; NULL when that is no stream */
	void *source_arg;
	struct http_outflow *out; /* NULL when there is no response */
	struct http_pair headers[HTTP_HEADERS_MAX];
	size_t header_count;
	unsigned status;
	struct MHD_Response *response; /* NULL while unanswered, or when memory was short */
};

/* --- http.c --- */

/* Asks for a turn of the library, after the callback that runs now. */
void http_wake(struct http *http);
/* (Re)arms the connection's deadline. */
void http_conn_deadline(struct http_conn *conn, unsigned seconds);
void http_conn_deadline_us(struct http_conn *conn, uint64_t delay_us);
void http_conn_no_deadline(struct http_conn *conn);
/* Ends both directions; the library notices and closes. A body that waits its turn waits no more.
 */
void http_conn_cut(struct http_conn *conn);

/* --- request.c --- */

/* The library's callback for each step of a request: enum MHD_Result, in microhttpd.h's terms. */
struct http_step {
	const char *url;
	const char *method;
	const char *version;
	const char *data;
	size_t *data_len;
};
/* False: close the connection. */
bool http_request_step(struct http_conn *conn, const struct http_step *step);
/* The library is done with it, or its connection ends: tells ops.finished and frees it. */
void http_request_end(struct http_request *request);
/* Its client left while it was parked: tells the handler, once. */
void http_request_lose(struct http_request *request);
/* Keeps the library from the connection, within one of its callbacks only. */
void http_request_park(struct http_request *request);
/* Lets the library go on with a parked connection. */
void http_request_unpark(struct http_request *request);
/* Gives the answer to the library, which keeps its own reference. False: close the connection. */
bool http_request_send(struct http_request *request);
/* Answers without its handler. */
void http_request_refuse(struct http_request *request, const struct err *err);
/* Calls its handler, who answers or suspends. */
void http_request_handle(struct http_request *request);

/* --- answer.c --- */

/* Takes @response over; NULL when memory was short. */
void http_answer_with(struct http_request *request, unsigned status, const char *type,
		      struct MHD_Response *response);

/* --- stream.c --- */

/* The library's steps of a request that is a stream. */
bool http_stream_begin(struct http_request *request);
bool http_stream_body(struct http_request *request, struct slice bytes);
bool http_stream_rest(struct http_request *request);
/* The request ends: the handler of a body and the source of an answer learn it. */
void http_stream_end(struct http_request *request);
/* A new pace: @seconds for each HTTP_PACE bytes. The clock runs unless it is parked. */
void http_pace_begin(struct http_request *request, unsigned seconds);
void http_pace_end(struct http_request *request);
/* Makes the deadline that runs one that can stand still. */
void http_pace_take_over(struct http_request *request);
/* Around parking; without a pace they do nothing. */
void http_pace_pause(struct http_request *request);
void http_pace_resume(struct http_request *request);

/* --- form_in.c --- */

void http_form_free(struct http_form_in *in);

/* --- range.c --- */

/* http_request_range() of these headers, each of which may be NULL. */
bool http_range_parse(const char *range, const char *if_range, const char *etag, uint64_t total,
		      struct http_range *ret_range);

/* --- block.c --- */

/* HTTP_BLOCK_SIZE bytes. NULL when memory is short. */
struct http_block *http_block_take(struct http *http);
uint8_t *http_block_data(struct http_block *block);
struct http_block *http_block_of(uint8_t *data);
/* So many bytes, from the first on, are to be wiped when it is given back. */
void http_block_use(struct http_block *block, size_t len);
void http_block_give(struct http_block *block);
/*
 * A body that has shown to be large gets all its memory at once, where its length is known and
 * there is a block; else it grows as it comes.
 */
void http_body_make_room(struct http_request *request);
void http_body_free(struct http_request *request);
/* Frees those that are kept, of a struct http; also the timer's function. */
void http_blocks_free(void *arg);

/* --- turn.c --- */

/* Within the library's callback: so many bytes of the body came. Parks it when its turn is over. */
void http_turn_took(struct http_request *request, size_t bytes);
/* A parked request waits from now on. False when memory is short. */
bool http_turn_wait(struct http_request *request);
void http_turn_leave(struct http_request *request);
/* The next turn: unparks whose it is. */
void http_turn_give(struct http *http);
/* Is there one to be given? */
bool http_turn_due(const struct http *http);
/*
 * Within the library's callback: the body is whole. True: it goes to its handler now. False: it was
 * parked and waits; or, not parked, memory was short.
 */
bool http_turn_work(struct http_request *request);
/* It was answered, or its handler has no more use for the body; the request ends. */
void http_turn_answered(struct http_request *request);
void http_turn_end(struct http_request *request);

/* --- pace.c --- */

void http_pace_init(struct http_pace *pace, uint64_t window_us);
/* The clock runs; returns after how long the other side is too slow. */
uint64_t http_pace_start(struct http_pace *pace, uint64_t now_us);
void http_pace_stop(struct http_pace *pace, uint64_t now_us);
/* @bytes went through; true when that begins a new window. */
bool http_pace_moved(struct http_pace *pace, size_t bytes, uint64_t now_us);

/* --- head.c --- */

/* Judges header, path and query, finds the route, admits. On failure @request says how far. */
int http_head_read(struct http_request *request, const struct http_step *step, struct err *err)
	MUST_CHECK;
/* tchar of RFC 9110, 5.6.2, at least one. */
bool http_is_token(struct slice text);

/* --- route.c --- */

int http_routes_check(const struct http_route *routes, size_t count, struct err *err) MUST_CHECK;
/* Which segment of the path is the route's n-th {segment}; HTTP_SEGMENTS_MAX when none is. */
size_t http_route_parameter(const struct http_route *route, size_t n);
/* HTTP_METHODS when the word is none of ours. */
enum http_method http_method_of(const char *word);
/* "GET, PUT" */
void http_allow_text(unsigned allowed, char ret_text[HTTP_ALLOW_SIZE]);

/* --- path.c --- */

/*
 * Undoes %HH of @raw into @text, which may be @raw itself and gets a NUL. ERR_INVALID: a bad
 * escape, a control character (NUL is one), bytes that are not UTF-8; ERR_NOT_FOUND: longer than
 * @size - 1.
 */
int http_unescape(struct slice raw, char *text, size_t size, struct err *err) MUST_CHECK;
bool http_is_utf8(struct slice text);

/* --- problem.c --- */

/* http_problem() under another status than the code's own. */
void http_problem_as(struct buf *buf, const struct err *err, unsigned status);

/* --- media.c --- */

/* A Content-Type's value against "type/subtype", parameters ignored. */
bool http_media_is(const char *value, const char *type);
/* An Accept header's value: is @type preferred to @other (RFC 9110 12.5.1)? NULL: no. */
bool http_media_prefers(const char *accept, const char *type, const char *other);

#endif
