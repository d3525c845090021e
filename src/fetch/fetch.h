/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

/*
 * Fetch: HTTP as a client, on the loop; the only user of libcurl. One request is one transfer with
 * one end; nothing is repeated here (backoff.h says when its owner may). Runs in the loop's thread
 * only, and never waits: a body comes in pieces, and goes out as its owner has pieces.
 *
 * TLS 1.2 and later, the peer's certificate and name always verified. Plain http only in a program
 * of developers (fetch_config.dev), and then only to an address that is a loopback's, also after a
 * redirect. Redirects are followed only where asked for, never from https to http, and take no
 * credentials along: the bearer, every header marked so and the client's key are for the first host
 * (with its port) alone. HTTP/1.1; no cookies, no .netrc; a proxy that the environment names is
 * used for https only. Bodies are handed on as they come: nothing is decoded but chunks.
 *
 * With a client_key of the service a handshake waits for the signature, and the loop with it. It is
 * asked for at each new connection, and sessions are not taken up again, so that a certificate that
 * was renewed counts at once.
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

#define FETCH_URL_MAX 8192u /* bytes of a URL with its NUL */

struct fetch;	       /* what transfers share: connections that are kept, names, TLS sessions */
struct fetch_transfer; /* one of them; gone when done() has been called or fetch_cancel() returns */

/* Texts are borrowed for fetch_new() only. */
struct fetch_config {
	bool dev;
	const char *ca_file;	 /* PEM, in the place of the system's; NULL: the system's */
	const char *client_cert; /* PEM; NULL: none, or the certificate that comes with the key */
	const char *client_key;	 /* a PEM file or "holdfast:device" (openssl.h); NULL: none */
	const char *agent;	 /* "holdfast-loader/0.1" */
};

/*
 * ERR_INVALID names what cannot be read or used; ERR_NOT_SUPPORTED: libcurl does TLS by another
 * library than OpenSSL 3; ERR_INTERNAL. The module of "holdfast:device" must be there, the service
 * not yet.
 */
int fetch_new(struct loop *loop, const struct fetch_config *config, struct fetch **ret_fetch,
	      struct err *err) MUST_CHECK;
/* Ends all transfers without calling anybody. Not from a callback. NULL is allowed. */
void fetch_free(struct fetch *fetch);
MEM_DEFINE_CLEANUP(fetch)

enum fetch_method { FETCH_GET, FETCH_HEAD, FETCH_POST, FETCH_PUT, FETCH_DELETE, FETCH_METHODS };

struct fetch_header {
	const char *name;
	const char *value;
	bool credential; /* not for another host */
};

/* The final answer's head. Texts are borrowed for the call, "" where there is none. */
struct fetch_head {
	unsigned status;
	bool length_known;
	uint64_t length; /* of this body */
	/* Of a 206: what part of how much this is, as the server says; a 206 without is an error.
	 */
	uint64_t first;
	uint64_t total;
	const char *type;     /* Content-Type */
	const char *etag;     /* as it stands, W/ and quotes among it */
	const char *modified; /* Last-Modified */
	bool modified_strong; /* .. is a second older than Date, at least (RFC 9110, 8.8.2.2) */
	uint32_t retry_after; /* seconds; 0: none given (RFC 9110, 10.2.3; dates are worked out) */
};

/*
 * How a transfer ended, and the codes of its err. An answer is taken to end at its Content-Length;
 * what a server sends behind that is dropped with the connection.
 */
enum fetch_end {
	FETCH_DONE, /* a whole answer, of whatever status */
	/*
	 * No name, no connection, no handshake, no trust: no request went out. ERR_TIMEOUT,
	 * ERR_FORBIDDEN (plain http, and no loopback address), ERR_INVALID (the client's key),
	 * ERR_INTERNAL.
	 */
	FETCH_UNREACHABLE,
	/*
	 * The connection ended early (ERR_INTERNAL); nothing came for idle_s, or whole_s is over
	 * (ERR_TIMEOUT).
	 */
	FETCH_BROKEN,
	/*
	 * The answer is not what a server may send: over max (ERR_TOO_LARGE), a wrong range or no
	 * HTTP (ERR_DAMAGED), a redirect to where none may go (ERR_INVALID), ..
	 */
	FETCH_REFUSED,
	FETCH_STOPPED, /* a callback failed; its err is the transfer's */
};

struct fetch_result {
	enum fetch_end end;
	unsigned status;       /* of the head, 0 when there was none */
	const struct err *err; /* NULL for FETCH_DONE; says nothing of secrets, names the host */
	uint32_t retry_after;  /* of the head, as there */
};

/* head and data may be NULL. A failing one ends the transfer. */
struct fetch_ops {
	/* Once, before the first data; not for redirects that are followed, nor for 1xx. */
	int (*head)(void *arg, const struct fetch_head *head, struct err *err);
	int (*data)(void *arg, struct slice bytes, struct err *err);
	/*
	 * The next bytes of a request's body are wanted: up to @size of them are put at @at, and
	 * *ret_len tells how many; 0 means later, until fetch_resume(). Called only while fewer
	 * than body_length were given.
	 */
	int (*more)(void *arg, uint8_t *at, size_t size, size_t *ret_len, struct err *err);
	/* Last, exactly once, never inside fetch_start(). */
	void (*done)(void *arg, const struct fetch_result *result);
};

/* All borrowed for the call of fetch_start(), but for body, which is until done(). */
struct fetch_request {
	enum fetch_method method;
	const char *url;	 /* https://.., or http:// as above or over unix_socket */
	const char *unix_socket; /* a path: the connection goes there; NULL: as the URL says */
	const struct fetch_header *headers;
	size_t header_count;
	const struct secret *bearer; /* Authorization: Bearer ..; NULL: none */
	/* The body: whole, or pulled with more() where body_length > 0 and body is empty. */
	struct slice body;
	uint64_t body_length;
	/*
	 * How many may be followed, at most 10; one more is FETCH_REFUSED. GET and HEAD alone are,
	 * and not over unix_socket: where none is, the 3xx is an answer like others.
	 */
	unsigned redirects;
	uint64_t from; /* > 0: Range: bytes=from-; an answer 206 must begin there */
	const char *if_range;
	uint64_t max; /* bytes of an answer's body; 0 = 1 MiB */
	/*
	 * Seconds; 0: 10 to connect, 60 without a byte in either direction; time in which we let
	 * the other end wait (more() gave 0, or the rate) does not count. And for all of it, from
	 * fetch_start() on; 0: no limit, but 120 for fetch_whole(), since who sends a byte now and
	 * then is never idle.
	 */
	unsigned connect_s;
	unsigned idle_s;
	unsigned whole_s;
	bool paced; /* its incoming bytes count for fetch_set_rate() */
};

/* On failure nothing is called. ERR_INVALID: no such URL, or one that is not allowed. */
int fetch_start(struct fetch *fetch, const struct fetch_request *request,
		const struct fetch_ops *ops, void *arg, struct fetch_transfer **ret_transfer,
		struct err *err) MUST_CHECK;
/* Nothing is called any more. Also from its own callbacks but done(). NULL is allowed. */
void fetch_cancel(struct fetch_transfer *transfer);
/* After more() gave 0: there is more now. Harmless otherwise. */
void fetch_resume(struct fetch_transfer *transfer);

/* Bytes per second of all paced transfers together; 0: no limit. */
void fetch_set_rate(struct fetch *fetch, uint64_t rate);

/* True when @url is one that fetch_start() would take; else ERR_INVALID says why. */
int fetch_check_url(const char *url, bool dev, struct err *err) MUST_CHECK;
/* Both are URLs, of one scheme, name and port: what is for the one may go to the other. */
bool fetch_same_origin(const char *a, const char *b);

/*
 * Appends what the head of a request to @url will have as its Host (without a port that is the
 * scheme's own) and as its path, for who signs that. ERR_INVALID: no URL that fetch_check_url()
 * takes of a developer, or one with a query; ERR_TOO_LARGE: a buffer's limit.
 */
int fetch_target(const char *url, struct buf *ret_host, struct buf *ret_path, struct err *err)
	MUST_CHECK;

/* Appends @text with all but unreserved characters escaped (RFC 3986, 2.1); '/' too unless @path.
 */
int fetch_escape(struct slice text, bool path, struct buf *ret_text, struct err *err) MUST_CHECK;

/*
 * The same for an answer that is small: collected whole, at most request->max bytes, in memory that
 * is wiped. done() gets it borrowed, empty unless FETCH_DONE. The request's more() cannot be used.
 */
typedef void (*fetch_whole_fn)(void *arg, const struct fetch_result *result, struct slice body);
int fetch_whole(struct fetch *fetch, const struct fetch_request *request, fetch_whole_fn done,
		void *arg, struct fetch_transfer **ret_transfer, struct err *err) MUST_CHECK;

#endif
