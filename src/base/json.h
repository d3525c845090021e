/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

/*
 * Json: strict reading of what clients and files say, on jansson. Duplicate keys, trailing text,
 * bad UTF-8, depth over 16 and more than 8192 values are refused; an error's text names the member
 * as a JSON pointer (RFC 6901). jansson's memory is wiped when it is freed (json_setup()).
 *
 * `struct json_t` is jansson's own json_t; its header stays out of ours.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

struct json_t;

/* Gives jansson an allocator that wipes. Once, before the first use, in every program. */
void json_setup(void);

void json_free(struct json_t *json);
static inline void json_cleanup(struct json_t **json)
{
	json_free(*json);
}

/* Parses an object (nothing else is accepted at the top). ERR_INVALID with line and column. */
int json_parse(struct slice text, struct json_t **ret_object, struct err *err) MUST_CHECK;

/*
 * Members by name. Absent: *ret_x is left alone and 0 is returned, unless @required, which makes
 * it ERR_INVALID ("/name: missing"). A member of the wrong type is ERR_INVALID always.
 * Strings are borrowed from the object; they hold no NUL.
 */
int json_get_string(const struct json_t *object, const char *name, bool required,
		    const char **ret_text, struct err *err) MUST_CHECK;
int json_get_bool(const struct json_t *object, const char *name, bool required, bool *ret_value,
		  struct err *err) MUST_CHECK;
int json_get_u64(const struct json_t *object, const char *name, bool required, uint64_t min,
		 uint64_t max, uint64_t *ret_value, struct err *err) MUST_CHECK;
/* Base64, decoded; ERR_TOO_LARGE when more than @max bytes. */
int json_get_secret(const struct json_t *object, const char *name, bool required, size_t max,
		    struct secret **ret_secret, struct err *err) MUST_CHECK;
int json_get_bytes(const struct json_t *object, const char *name, bool required,
		   struct buf *ret_bytes, struct err *err) MUST_CHECK;

/* ERR_INVALID ("/name: unknown member") when the object has a member outside @names. */
int json_only(const struct json_t *object, const char *const *names, size_t count, struct err *err)
	MUST_CHECK;

/* Appends one JSON text. */
void json_write(struct buf *buf, const struct json_t *json);

/* Appends @text as a JSON string with its quotes. Invalid UTF-8 is replaced. */
void json_put_string(struct buf *buf, const char *text);

#endif
