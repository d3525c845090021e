/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

/* Ask: the calls that most functions of the library are: a question and an answer in JSON. */

#include "client/call.h"

/* GET of an object of JSON. */
int ask_get(struct hf *hf, const char *path, struct answer *answer, struct json_t **ret_json)
	MUST_CHECK;

/* The same, and its text given to the caller of the library. */
int ask_text(struct hf *hf, const char *path, char **ret_text) MUST_CHECK;

/* The same, and of it the public half: ERR_NOT_SUPPORTED when it has none. */
int ask_public(struct hf *hf, const char *path, char **ret_pem) MUST_CHECK;

/*
 * POST of an object of JSON (client/body.h, which is ended here), answered by one. Without a body
 * none is sent.
 */
struct post {
	const char *path;
	struct buf *body;
	bool repeatable;   /* as in struct call */
	bool keep;	   /* the answer holds no secret: hf_answer_json() gives it */
	size_t answer_max; /* as in struct call; 0 = CALL_ANSWER_JSON */
};
int ask_post(struct hf *hf, const struct post *post, struct answer *answer,
	     struct json_t **ret_json) MUST_CHECK;

/* The same, and the answer's text given to the caller of the library; @ret_text may be NULL. */
int ask_post_text(struct hf *hf, const struct post *post, char **ret_text) MUST_CHECK;

/* POST of an empty object in that way: a whole public call, call_begin() included. */
int ask_order(struct hf *hf, const char *path, char **ret_text) MUST_CHECK;

/*
 * As ask_post(), and of the answer the bytes of one member, in base64, given to the caller of the
 * library: 1 to ASK_BYTES_MAX. The JSON's own copy is wiped.
 */
#define ASK_BYTES_MAX 1024u
int ask_bytes(struct hf *hf, const struct post *post, const char *member, void **ret_data,
	      size_t *ret_len) MUST_CHECK;

/* Of the answer a text. */
int ask_member(struct hf *hf, const struct post *post, const char *member, char **ret_text)
	MUST_CHECK;

#endif
