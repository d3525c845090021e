/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_HTTP_H
#define CLIENT_HTTP_H

/*
 * Http: the reading half of HTTP/1.1 (RFC 9112). Pure: the bytes of one answer go in, in pieces of
 * any size; its head and body come out. Every answer must state its length or be chunked.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* All lines of head and trailer together, interim answers (1xx) included; also one chunk's line. */
#define HTTP_HEAD_MAX (16u * 1024u)

struct http_head {
	unsigned status;       /* 200 to 599 once the answer is whole */
	bool keep_alive;       /* the connection can carry another request */
	uint32_t retry_after;  /* seconds; 0 when the answer does not say */
	char content_type[48]; /* in lower case, without parameters; "" when there is none */
	char protection[16];   /* the field Holdfast-Protection, or "" */
};

enum http_state {
	HTTP_STATUS,
	HTTP_FIELD,
	HTTP_BODY,
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_END,
	HTTP_TRAILER,
	HTTP_DONE,
};

/* Takes the body of a 2xx answer piece by piece; problem documents still go into a buf. */
struct http_sink {
	int (*take)(void *arg, const struct http_head *head, struct slice bytes, struct err *err);
	void *arg;
	uint64_t max; /* bytes in all */
};

struct http_reader {
	struct http_head head;
	enum http_state state;
	struct buf line;  /* the line that is being collected */
	size_t lines_len; /* of HTTP_HEAD_MAX */
	uint64_t left;	  /* bytes of body or chunk that are still to come */
	bool has_length;
	bool chunked;
	bool continued;		      /* 100: the other end wants the request's body */
	struct buf *body;	      /* borrowed; gets the body, its max is the answer's limit */
	const struct http_sink *sink; /* borrowed; set after http_reader_init(), NULL = none */
	uint64_t taken;		      /* bytes that the sink got */
};

void http_reader_init(struct http_reader *reader, struct buf *body);
void http_reader_fini(struct http_reader *reader);

/*
 * Takes the next bytes. What comes after the end of the answer is dropped, and the connection not
 * kept. ERR_TOO_LARGE: the body is over its limit. ERR_INTERNAL: not HTTP as it must be, or
 * memory is short. What the sink returns, when it is negative. After an error the reader is only
 * good for http_reader_fini().
 */
int http_reader_feed(struct http_reader *reader, struct slice bytes, struct err *err) MUST_CHECK;

static inline bool http_reader_done(const struct http_reader *reader)
{
	return reader->state == HTTP_DONE;
}

#endif
