/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOCKER_IMPL_H
#define DOCKER_IMPL_H

/* The pure half: where a request goes, and what an answer says. */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "docker/docker.h"

#define DOCKER_URL_MAX 4096u

/*
 * Append an URL with a NUL. What comes in was checked by docker_check_ref() and docker_check_id()
 * here: ERR_INVALID.
 */
int url_image(const char *ref, struct buf *ret_url, struct err *err) MUST_CHECK;
int url_tag(const char *id, const char *ref, struct buf *ret_url, struct err *err) MUST_CHECK;
int url_untag(const char *ref, struct buf *ret_url, struct err *err) MUST_CHECK;
int url_load(struct buf *ret_url, struct err *err) MUST_CHECK;

/* The error of an answer that has no success in its status. Never 0. */
int answer_refused(unsigned status, struct slice body, struct err *err);

/* "Id" of what the engine says of an image. ERR_INTERNAL when it says none. */
int answer_id(struct slice body, char ret_id[DOCKER_ID_MAX], struct err *err) MUST_CHECK;

/*
 * The answer to a load: JSON objects one behind the other, cut anywhere. Each may have ANSWER_ITEM
 * bytes. ERR_INTERNAL: one tells of an error, is none, or is not whole at the end; further calls
 * fail too.
 */
#define ANSWER_ITEM (64u * 1024u)
struct answer {
	/* NULL, or told the names of "Loaded image: ..", each a reference. */
	void (*loaded)(void *arg, const char *ref);
	void *arg;
	struct buf item;
	unsigned depth;
	bool text, escaped, dead;
};
void answer_init(struct answer *answer);
void answer_fini(struct answer *answer);
int answer_add(struct answer *answer, struct slice bytes, struct err *err) MUST_CHECK;
int answer_end(const struct answer *answer, struct err *err) MUST_CHECK;

#endif
