/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_BODY_H
#define CLIENT_BODY_H

/*
 * Body: the JSON object of a request, written by hand into a buffer that wipes, since jansson's
 * memory is wiped by nobody in a program that is not ours. Members whose value is NULL are left
 * out.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct hf;
struct hf_certificate_request;
struct json_t;

void body_begin(struct buf *body);
void body_put(struct buf *body, const char *name, const char *text);
void body_put_bool(struct buf *body, const char *name, bool value);
/* As base64. */
void body_put_bytes(struct buf *body, const char *name, struct slice bytes);
/* An array of texts; @texts ends in NULL. */
void body_put_texts(struct buf *body, const char *name, const char *const *texts);
/* JSON as it is, not checked. */
void body_put_json(struct buf *body, const char *name, const char *json);

/* What a request for a certificate says, but for its key. */
#define BODY_REQUEST_MAX (64u * 1024u) /* bytes of such a body */
void body_put_request(struct buf *body, const struct hf_certificate_request *request);

/* Closes the object, once. ERR_TOO_LARGE when it did not fit. */
int body_end(struct hf *hf, struct buf *body) MUST_CHECK;

/* Overwrites a string of an answer that is about to be freed and that nobody else has. */
void body_wipe_member(const struct json_t *answer, const char *name);

#endif
