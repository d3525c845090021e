/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

/*
 * Form: a reader of multipart/form-data (RFC 7578 on RFC 2046, 5.1) that holds no more than a line.
 * It is fed the body in slices of any size and gives the parts' contents as slices of those. Pure.
 *
 * Stricter than the specification where that costs nobody anything: behind a boundary stands
 * nothing but the end of its line, header lines are not folded, nothing is encoded.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"
#include "http/http.h"

#define HTTP_FORM_BOUNDARY_MAX 70u   /* RFC 2046, 5.1.1 */
#define HTTP_FORM_LINE_MAX     1024u /* of a part's header .. */
#define HTTP_FORM_HEADER_MAX   4096u /* .. and all of that */

enum http_form_state {
	HTTP_FORM_CONTENT, /* of a part, or what stands before the first */
	HTTP_FORM_BEHIND,  /* a boundary: two bytes say what comes */
	HTTP_FORM_HEADER,
	HTTP_FORM_REST, /* all parts are read */
};

struct http_form_reader {
	char delimiter[4 + HTTP_FORM_BOUNDARY_MAX + 1]; /* CR LF "--" and the boundary */
	size_t delimiter_len;
	enum http_form_state state;
	size_t matched; /* bytes of the delimiter that were the last ones of the input */
	bool in_part;
	bool first; /* nothing of the part was given yet */
	bool named;
	bool has_file;
	unsigned parts;
	size_t header_len;
	size_t line_len;
	char line[HTTP_FORM_LINE_MAX + 1];
	char name[HTTP_FORM_NAME_MAX + 1];
	char file[HTTP_FORM_FILE_MAX + 1];
};

struct http_form_piece {
	bool first;
	struct slice bytes; /* of the input, or of the reader until it reads on */
};

/* @type is a Content-Type: ERR_INVALID when it has no sound boundary. */
int http_form_begin(struct http_form_reader *reader, const char *type, struct err *err) MUST_CHECK;

/*
 * Takes what it reads off *rest. 1: a piece of the part that name and file are of; an empty one
 * only when the whole part is empty. 0: *rest is used up. ERR_INVALID, ERR_TOO_LARGE: the end.
 */
int http_form_read(struct http_form_reader *reader, struct slice *rest,
		   struct http_form_piece *ret_piece, struct err *err) MUST_CHECK;

/* Was the last boundary read? What follows it is passed over. */
bool http_form_whole(const struct http_form_reader *reader);

#endif
