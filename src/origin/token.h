/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_TOKEN_H
#define ORIGIN_TOKEN_H

/*
 * Token: what says that somebody has logged in, a JWT (RFC 7519) of one form only: HS256 with a
 * header that is a constant, claims nameid, unique_name, role and exp. Nothing of a token is parsed
 * before its MAC was compared, so what is parsed then we wrote ourselves.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

#define TOKEN_KEY     32u
#define TOKEN_SECONDS (4 * 60 * 60)
#define TOKEN_MAX     8192u /* bytes of one */

/* Who it is for. */
struct token_user {
	unsigned id;
	const char *email;
};

/* Appends one that is good until TOKEN_SECONDS after @now (seconds since 1970). */
int token_make(const struct secret *key, const struct token_user *user, int64_t now,
	       struct buf *ret_token, struct err *err) MUST_CHECK;

/* Whose it is. ERR_AUTH_FAILED, with one text whatever is wrong with it. */
int token_check(const struct secret *key, struct slice token, int64_t now, unsigned *ret_id,
		struct err *err) MUST_CHECK;

#endif
