/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

/*
 * Http: the one libmicrohttpd adapter. It takes connections that someone else accepted, parses
 * requests, keeps every limit and deadline, finds the route, and gives the handler a whole
 * request. The handler answers at once or later; the client may be gone by then, which the
 * adapter hides. Runs in the loop's thread only.
 *
 * Deadlines per connection, in seconds: a request must be whole (header and body) `request_s`
 * after its first byte or the connection's accept; an idle keep-alive connection is closed after
 * `idle_s`; an answer must be taken within `answer_s`. A client that drips is thus closed. A
 * stream may take longer, but each HTTP_PACE bytes of it no longer than that; the time in which
 * the client waits for us does not count.
 *
 * Large bodies, of more than HTTP_SMALL_BODY bytes, are read in turn (http_ops.share), and of one
 * share no more than HTTP_BODIES_AT_WORK that are no streams are with their handlers, until they
 * are answered or the handler drops the body; one is let go to its handler in each turn of the
 * loop. The others wait, unread but for their beginning, and their time stands still. So clients of
 * one share that send without a pause make us hold the bodies at work and one besides. Those that
 * stall in the middle hold what they have sent until their deadline, and those that then send the
 * rest all at once wait whole: the connections are the limit of these. Up to HTTP_BLOCKS_SPARE
 * blocks of HTTP_BLOCK_SIZE are kept for a second.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"

struct http;	     /* the adapter: one per program */
struct http_request; /* one request; lives until answered */
struct json_t;

#define HTTP_HEADER_MAX	  (8u * 1024u)
#define HTTP_SEGMENTS_MAX 8u
#define HTTP_SEGMENT_MAX  255u
#define HTTP_PIECE	  (128u * 1024u)  /* bytes of a stream that are handed on at once */
#define HTTP_PACE	  (1024u * 1024u) /* bytes that a deadline is for */
#define HTTP_SMALL_BODY	  (32u * 1024u)	  /* read as it comes; a larger one in turn with others */

#define HTTP_BODIES_AT_WORK 4u			/* large, of one share */
#define HTTP_BLOCK_SIZE	    (3u * 512u * 1024u) /* 1 MiB, also as base64 in JSON */
#define HTTP_BLOCKS_SPARE   8u

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_HEAD, HTTP_METHODS };

/* How a route takes its body. A body where none is expected is ERR_INVALID. */
enum http_body {
	HTTP_BODY_NONE,
	HTTP_BODY_JSON,		  /* Content-Type application/json (or none given) */
	HTTP_BODY_OCTETS_OR_JSON, /* either, told apart by http_request_is_json() */
	HTTP_BODY_STREAM_OR_JSON, /* the same, but many octets come as a stream, see below */
	HTTP_BODY_FORM,		  /* multipart/form-data, always a stream: http_request_form() */
	HTTP_BODY_STREAM,	  /* octets of whatever type, always a stream, also a short one */
};

typedef void (*http_handler)(struct http_request *request, void *app);

struct http_route {
	enum http_method method;
	const char *path; /* "/v1/keys/{name}/sign"; a {segment} matches one non-empty segment */
	uint32_t right;	  /* opaque to http: handed to http_ops.admit before the handler */
	enum http_body body;
	size_t octets_max; /* limit of an octet-stream body; JSON has its own */
	http_handler handler;
	uint64_t stream_max; /* limit of a stream or form; 0 for the other kinds of body */
	size_t json_max;     /* limit of a JSON body; 0 = that of http_limits */
};

struct http_limits {
	size_t json_max; /* bytes of a JSON body */
	unsigned request_s;
	unsigned idle_s;
	unsigned answer_s;
	unsigned connections; /* in all; the caller refuses more before handing over */
};

struct http_ops {
	/*
	 * Called once per request when its header is complete, before its body is read: admits it
	 * (0) or refuses it by policy, rate or number in flight (filled @err).
	 */
	int (*admit)(void *app, void *peer, const struct http_route *route, struct err *err);
	/*
	 * Called once per request that is refused without its handler, also by admit(), just before
	 * it is answered; @route is NULL when none was found. May be NULL.
	 */
	void (*refused)(void *app, void *peer, const struct http_route *route,
			const struct err *err);
	/*
	 * Called once per admitted request when its answer was sent, or could not be: for a client
	 * that left while the handler was at work, when the handler has answered.
	 */
	void (*finished)(void *app, void *peer, const struct http_route *route);
	/*
	 * Whose the peer is: the large bodies of peers with the same answer take one share of the
	 * time in which bodies are read. May be NULL: all are of one.
	 */
	const void *(*share)(void *app, const void *peer);
	/* The connection is closed; @peer will not be used again. */
	void (*closed)(void *app, void *peer);
	/*
	 * How an error is told: appends the body, may change *status, which is the code's own, and
	 * returns the body's type. NULL: as a problem document.
	 */
	const char *(*tell)(void *app, const struct http_request *request, const struct err *err,
			    unsigned *status, struct buf *body);
	/*
	 * Called once per request when its header is complete, before a route is looked for: a
	 * place for what holds for all of them (Host, Origin, a token). NULL: nothing does.
	 */
	int (*greet)(void *app, void *peer, const struct http_request *request, struct err *err);
};

/*
 * @routes is borrowed and constant. All paths are checked at start: a malformed table is
 * ERR_INTERNAL. @app is handed to handlers and ops.
 */
int http_new(struct loop *loop, const struct http_route *routes, size_t route_count,
	     const struct http_limits *limits, const struct http_ops *ops, void *app,
	     struct http **ret_http, struct err *err) MUST_CHECK;

/*
 * Closes every connection. Requests still at work are answered to nobody: each one's gone() is
 * called, and may answer as ever; afterwards the handler must not answer any more.
 */
void http_free(struct http *http);
MEM_DEFINE_CLEANUP(http)

/*
 * Takes an accepted, non-blocking socket (Unix or TCP) over, with what the server knows of its
 * peer. On failure the socket is closed too, and ops.closed is not called.
 */
int http_add(struct http *http, int fd, void *peer, struct err *err) MUST_CHECK;

/*
 * Ends the connections whose peer @matches: those without a request at work at once, the others
 * after the answer. With @at_once they lose their client, as if that had left.
 */
void http_end_peers(struct http *http, bool (*matches)(void *arg, const void *peer), void *arg,
		    bool at_once);

/* Stops reading new requests; returns how many are still at work or being answered. */
size_t http_drain(struct http *http);

/* What a handler may ask. Everything is borrowed and lives as long as the request. */
void *http_request_peer(const struct http_request *request);
/* The value of the route's n-th {segment}, unescaped, without NUL or slash. */
const char *http_request_segment(const struct http_request *request, size_t n);
/* A query parameter's value, or NULL. */
const char *http_request_query(const struct http_request *request, const char *name);
/* The route that it takes; NULL while none was found, as in ops.greet. */
const struct http_route *http_request_route(const struct http_request *request);
/* A header's value, or NULL. */
const char *http_request_header(const struct http_request *request, const char *name);
/* Is its Content-Type @type ("type/subtype"), parameters aside? False when it has none. */
bool http_request_has_type(const struct http_request *request, const char *type);
bool http_request_is_json(const struct http_request *request);
/* True when Accept prefers application/octet-stream. */
bool http_request_wants_octets(const struct http_request *request);
struct slice http_request_body(const struct http_request *request);
/*
 * For a handler that answers much later and has taken what it needs: wipes and frees the body,
 * which is empty from now on, and lets the next large one of its share come. What the handler has
 * taken is its own to limit. Not for streams.
 */
void http_request_drop_body(struct http_request *request);

/*
 * The handler answers later: it attaches @arg and what to do when the client leaves first.
 * @gone is called at most once and never after the answer; the handler must still answer (the
 * answer is dropped), so that there is one way out.
 */
void http_request_suspend(struct http_request *request, void (*gone)(void *arg), void *arg);

/*
 * The answer, exactly once per request; the request is gone afterwards. The body is copied.
 * Content-Length is always sent. Any status that has a body.
 */
void http_answer_json(struct http_request *request, unsigned status, const struct json_t *json);
void http_answer_bytes(struct http_request *request, unsigned status, const char *content_type,
		       struct slice body);
void http_answer_empty(struct http_request *request); /* 204 */

/*
 * A problem document (RFC 9457, application/problem+json): type, title, status, code, detail,
 * remedy; Retry-After when the error has one. 405 answers carry Allow.
 */
void http_answer_error(struct http_request *request, const struct err *err);

/* Adds a header to the answer still to come (Location, Cache-Control, ..); constants or copies. */
void http_request_add_header(struct http_request *request, const char *name, const char *value);

/*
 * Streams: bodies too large to be held. Octets for HTTP_BODY_STREAM_OR_JSON are a stream when
 * Content-Length says more than octets_max, or when a chunked body outgrows HTTP_PIECE. The handler
 * is then called before the body is whole, as soon as that is known; there is no
 * http_request_body(). It either answers at once, or calls http_request_suspend() and, then or
 * later, pulls the body piece by piece until the last or until it answers. Between two pulls the
 * client waits. An answer before the last piece goes out at once when nothing was pulled; later
 * the library can send it only behind the body, so what remains of that is read and dropped.
 *
 * A client that leaves, or is too slow, while a piece is pulled ends the request: gone() must
 * answer before it returns (to nobody, as ever).
 *
 * A chunked stream's client must not end its own direction (a half-close) before it has the answer.
 */
bool http_request_is_stream(const struct http_request *request);
/* How long a stream may be: its Content-Length, or the route's stream_max when it is chunked. */
uint64_t http_request_length(const struct http_request *request);

/*
 * Asks for the next piece. @piece gets it once, later or before this returns, borrowed for the
 * call: HTTP_PIECE bytes with at least one more to come, or what is left (1 to HTTP_PIECE bytes,
 * none of an empty body) and @last. Chunked streams may be longer than stream_max: the handler
 * counts.
 */
typedef void (*http_piece_fn)(void *arg, struct slice bytes, bool last);
void http_request_pull(struct http_request *request, http_piece_fn piece, void *arg);

/* Where a long answer comes from. */
struct http_source {
	/* The next bytes are wanted: http_answer_piece() or http_answer_cut(), now or later. */
	void (*more)(void *arg);
	/* Everything was sent, or nobody takes it: the last call, and the request is gone. */
	void (*end)(void *arg);
};

/*
 * Forms (RFC 7578), for HTTP_BODY_FORM: a part is a field with its name and perhaps the name of a
 * file; its content comes in pieces of any size, the first of which may be empty, in order. What
 * failed in the form itself is end()'s err (ERR_INVALID; ERR_TOO_LARGE over stream_max or over
 * HTTP_FORM_PARTS). Between two pieces the client waits until http_request_form_next(): each call
 * of form_next() asks for exactly one, and the first comes by itself. Neither comes inside
 * http_request_form(), nor inside part(); outside of that they may inside http_request_form_next().
 * A client that leaves is gone(), as with other streams, and there is no end() then; nor is there
 * one after an answer.
 */
#define HTTP_FORM_PARTS	   16u
#define HTTP_FORM_NAME_MAX 64u
#define HTTP_FORM_FILE_MAX 255u
struct http_form {
	/*
	 * @name and @file are borrowed for the call; @file is NULL where the part names none, and
	 * else what the client says: nothing but its length and that it is text was checked.
	 * @first: a part begins.
	 */
	void (*part)(void *arg, const char *name, const char *file, bool first, struct slice bytes);
	void (*end)(void *arg, const struct err *err); /* NULL: the form is whole */
};
int http_request_form(struct http_request *request, const struct http_form *form, void *arg,
		      struct err *err) MUST_CHECK;
void http_request_form_next(struct http_request *request);

/*
 * The range that the request asks for of @total bytes (RFC 9110, 14.2): one of bytes, else, or when
 * If-Range names another @etag (quoted, strong), all. False: it cannot be given (416).
 */
struct http_range {
	bool part; /* answer 206 with Content-Range */
	uint64_t first;
	uint64_t length;
};
bool http_request_range(const struct http_request *request, uint64_t total, const char *etag,
			struct http_range *ret_range);

/*
 * The answer @status, 200 or 206, with exactly @length bytes that are made while they are sent.
 * Unlike after other answers, the request lives on until end().
 */
void http_answer_stream(struct http_request *request, unsigned status, const char *content_type,
			uint64_t length, const struct http_source *source, void *arg);
/* 1 byte or more, once per more(); borrowed until the next more() or end(). */
void http_answer_piece(struct http_request *request, struct slice bytes);
/* No more is to be had: closes the connection, so that nobody takes a part for the whole. */
void http_answer_cut(struct http_request *request);

/*
 * Pure pieces, tested without I/O.
 */

/* One raw path split at its slashes before unescaping. */
struct http_path {
	size_t count;
	char segments[HTTP_SEGMENTS_MAX][HTTP_SEGMENT_MAX + 1];
};

/*
 * ERR_INVALID: empty or dot segment, a control character such as %00, a bad escape, an escaped
 * slash, not UTF-8; ERR_NOT_FOUND: too long.
 */
int http_path_parse(const char *raw, struct http_path *ret_path, struct err *err) MUST_CHECK;

/*
 * The route of method and path. ERR_NOT_FOUND when no route has the path; ERR_NOT_SUPPORTED when
 * it exists under other methods, whose bits (1 << enum http_method) are put in *ret_allowed.
 */
int http_route_find(const struct http_route *routes, size_t count, enum http_method method,
		    const struct http_path *path, const struct http_route **ret_route,
		    unsigned *ret_allowed, struct err *err) MUST_CHECK;

/* Appends the problem document of @err. */
void http_problem(struct buf *buf, const struct err *err);

#endif
