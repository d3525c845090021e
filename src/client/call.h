/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

/*
 * Call: one operation of the API as an HTTP exchange: connecting, repeating, and turning problem
 * documents (RFC 9457) into the handle's error. Also what the handle holds, for the files here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "client/conn.h"
#include "client/http.h"
#include "holdfast/client.h"

struct json_t;

#define CALL_JSON	"application/json"
#define CALL_OCTETS	"application/octet-stream"
#define CALL_NAME_MAX	128u
#define CALL_NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define CALL_PATH_MAX	(64u + 2u * CALL_NAME_MAX)
#define CALL_REMEDY_MAX 256u
#define CALL_KEPT_MAX	16384u

/* Limits of answers, in bytes. A problem document always fits. */
#define CALL_ANSWER_JSON   (1024u * 1024u)
#define CALL_ANSWER_LOG	   (4u * 1024u * 1024u) /* an event log in base64 fits */
#define CALL_ANSWER_SPARE  (64u * 1024u)
#define CALL_ANSWER_SECRET (64u * 1024u * 1024u)

struct hf {
	char path[CONN_PATH_MAX + 1];
	struct conn conn;
	unsigned timeout_ms;
	uint64_t deadline;	      /* of the call that is under way, in clock_monotonic_us() */
	struct err err;		      /* of the last call */
	char remedy[CALL_REMEDY_MAX]; /* what err.remedy points to when the service sent it */
	const char *protection;	      /* of the last answer: a constant */
	struct buf kept;	      /* hf_answer_json() with its NUL, or empty */
};

/*
 * A body that is made, and an answer that is taken, piece by piece. The call's body is then the
 * first piece; nothing is repeated once more than that was made.
 */
struct call_stream {
	struct conn_source source; /* of what comes behind the first piece; no function = nothing */
	struct http_sink sink;	   /* of a 2xx answer */
	bool chunked;		   /* the pieces are chunks (RFC 9112, 7.1); else: */
	uint64_t length;	   /* of the whole body, in bytes */
	bool moved;		   /* the source was asked */
	bool broken;		   /* out: the other end went away */
};

struct call {
	const char *method;
	const char *path;	  /* with query; only characters that need no escape */
	const char *content_type; /* of the body; NULL = no body */
	struct slice body;
	const char *accept;
	bool create_only;	    /* If-None-Match: * */
	bool repeatable;	    /* doing it twice is as good as once, and answers the same */
	size_t answer_max;	    /* bytes */
	struct call_stream *stream; /* NULL = none */
};

struct answer {
	struct http_head head;
	struct buf body;
};

#define ANSWER_INIT                                                                                \
	{                                                                                          \
		.body = BUF_INIT(0)                                                                \
	}

static inline void answer_fini(struct answer *answer)
{
	buf_fini(&answer->body);
}

/* Begins a public call: no error, no protection, a fresh deadline. */
void call_begin(struct hf *hf);

/* The deadline anew, as far away as the handle says. */
void call_set_deadline(struct hf *hf);

/*
 * Runs one exchange within the handle's deadline. 0 for a 2xx answer of the media type that was
 * asked for (or 204); else the code of the problem, with hf->err filled. *answer is only good
 * after 0; it is overwritten in any case.
 */
int call_run(struct hf *hf, const struct call *call, struct answer *answer) MUST_CHECK;

/* The same, and the answer's body as a JSON object; takes hf_protection() from it. */
int call_json(struct hf *hf, const struct call *call, struct answer *answer,
	      struct json_t **ret_json) MUST_CHECK;

/* The same, and the answer's octets given to the caller of the library. */
int call_octets(struct hf *hf, const struct call *call, void **ret_data, size_t *ret_len)
	MUST_CHECK;

/* "/v1/keys/NAME/sign" from "/v1/keys", a checked name and "/sign" (or ""). */
int call_path(struct hf *hf, char out[CALL_PATH_MAX], const char *room, const char *name,
	      const char *tail) MUST_CHECK;

/* DELETE of the @name in a @room as of call_path(): a whole public call, call_begin() included. */
int call_delete(struct hf *hf, const char *room, const char *name) MUST_CHECK;

/* True for a name that the API knows to be one. */
bool call_name_is_valid(const char *name);

/* True when a 2xx answer of @head is of the media type that was asked for, or has no body. */
bool call_type_fits(const struct call *call, const struct http_head *head);

/* Marks an answer that is well-formed but not what the API says; returns the code. */
int call_unexpected(struct hf *hf, const char *what);

/* Keeps an answer that holds no secret for hf_answer_json(). */
int call_keep(struct hf *hf, const struct answer *answer) MUST_CHECK;

/* Gives @bytes to the caller of the library: a copy with a NUL behind it, freed by hf_free(). */
int call_give(struct hf *hf, struct slice bytes, void **ret_data, size_t *ret_len) MUST_CHECK;
int call_give_text(struct hf *hf, struct slice text, char **ret_text) MUST_CHECK;

#endif
