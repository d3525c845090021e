/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IDENTITY_FILES_TEXT_H
#define IDENTITY_FILES_TEXT_H

/* Members of the JSON in our files, beyond what base/json.h reads. For files*.c only. */

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/slice.h"

#define TEXT_VERSION 1u

/*
 * Parses, and looks at the member "version" before anything else. ERR_DAMAGED: no JSON;
 * ERR_UNREADABLE: of a later version, of which nothing is known.
 */
int text_parse(struct slice text, struct json_t **ret_object, struct err *err) MUST_CHECK;

/* What is no fault of the text stays what it is; all else is ERR_DAMAGED. */
int text_damaged(int r, struct err *err);

/* Required. Printable ASCII that fits with its NUL. */
int text_get_line(const struct json_t *object, const char *name, char *ret_text, size_t size,
		  struct err *err) MUST_CHECK;
/* Required. Hexadecimal of at most @max bytes. */
int text_get_hex(const struct json_t *object, const char *name, uint8_t *ret_bytes, size_t max,
		 size_t *ret_len, struct err *err) MUST_CHECK;
/* Required. A handle of a persistent object, or 0 where @may_be_zero. */
int text_get_handle(const struct json_t *object, const char *name, bool may_be_zero,
		    uint32_t *ret_handle, struct err *err) MUST_CHECK;

/* Appends a member with a comma before it. */
void text_put_number(struct buf *buf, const char *name, uint64_t value);
void text_put_bool(struct buf *buf, const char *name, bool value);
void text_put_line(struct buf *buf, const char *name, const char *value);
void text_put_hex(struct buf *buf, const char *name, struct slice value);
void text_put_base64(struct buf *buf, const char *name, struct slice value);

/* None, or whole certificates one after the other, as many as a chain may have. */
bool text_chain_ok(struct slice chain);

#endif
