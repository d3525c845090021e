/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A delimiter begins with CR, which occurs nowhere else in it. So where the input turns out to be
 * something else half way, no other delimiter has begun meanwhile, and what has been passed over is
 * the beginning of the delimiter itself: the reader never goes back and keeps no input.
 */
#include "http/form.h"

#include <string.h>
#include <strings.h>

#include "http/impl.h"

#define SPACE " \t"

static void advance(struct slice *rest, size_t len)
{
	*rest = slice_of(rest->data + len, rest->len - len);
}

/* --- parameters: ;name=value or ;name="value" (RFC 9110, 5.6.6) --- */

struct parameter {
	struct slice name;
	struct slice value; /* between its quotes, as it stands there */
};

/* The quoted string's length between its quotes, or SIZE_MAX without an end. */
static size_t quoted_length(const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] == '"')
			return i;
		if (text[i] == '\\' && (text[i + 1] == '"' || text[i + 1] == '\\'))
			i++;
	}
	return SIZE_MAX;
}

/* 1: takes one off *at. 0: there is no more. */
static int next_parameter(const char **at, struct parameter *ret_parameter, struct err *err)
{
	const char *text = *at + strspn(*at, SPACE);
	bool quoted;
	size_t len;

	if (*text == '\0')
		return 0;
	if (*text != ';')
		return err_set(err, ERR_INVALID, "a header of the form is malformed");
	text += 1 + strspn(text + 1, SPACE);
	len = strcspn(text, "=");
	ret_parameter->name = slice_of(text, len);
	if (text[len] != '=' || !http_is_token(ret_parameter->name))
		return err_set(err, ERR_INVALID, "a header of the form is malformed");
	text += len + 1;
	quoted = *text == '"';
	text += quoted;
	len = quoted ? quoted_length(text) : strcspn(text, ";" SPACE);
	if (len == SIZE_MAX)
		return err_set(err, ERR_INVALID,
			       "a header of the form has a string without an end");
	ret_parameter->value = slice_of(text, len);
	*at = text + len + quoted;
	return 1;
}

static bool is_named(const struct parameter *parameter, const char *name)
{
	return parameter->name.len == strlen(name) &&
	       strncasecmp((const char *)parameter->name.data, name, parameter->name.len) == 0;
}

/* @size with its NUL. */
static int copy_value(const struct parameter *parameter, char *text, size_t size, struct err *err)
{
	struct slice value = parameter->value;

	if (value.len >= size || !http_is_utf8(value))
		return err_set(err, ERR_INVALID,
			       "a name in the form is longer than %zu bytes, or not UTF-8",
			       size - 1);
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	return 0;
}

/* --- the boundary --- */

static bool is_boundary(struct slice text)
{
	static const char OTHERS[] = "'()+_,-./:=?";
	size_t i;

	for (i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

		if (!alnum && (c == '\0' || !strchr(OTHERS, c)))
			return false;
	}
	return text.len > 0 && text.len <= HTTP_FORM_BOUNDARY_MAX;
}

int http_form_begin(struct http_form_reader *reader, const char *type, struct err *err)
{
	const char *at = type + strcspn(type, ";");
	struct slice boundary = {.len = 0};
	struct parameter parameter;
	int r;

	while ((r = next_parameter(&at, &parameter, err)) > 0)
		if (is_named(&parameter, "boundary") && boundary.len == 0)
			boundary = parameter.value;
	if (r < 0)
		return r;
	if (!is_boundary(boundary))
		return err_set(err, ERR_INVALID, "Content-Type has no sound boundary");
	*reader = (struct http_form_reader){
		.delimiter = "\r\n--",
		.delimiter_len = 4 + boundary.len,
		.state = HTTP_FORM_CONTENT,
		/* The first boundary may stand at the very beginning. */
		.matched = 2,
	};
	memcpy(reader->delimiter + 4, boundary.data, boundary.len);
	return 0;
}

/* --- a part's header --- */

static int read_disposition(struct http_form_reader *reader, const char *value, struct err *err)
{
	struct parameter parameter;
	bool named = false;
	int r;

	value += strspn(value, SPACE);
	if (reader->named || strncasecmp(value, "form-data", 9) != 0)
		return err_set(err, ERR_INVALID, "a part's Content-Disposition must be form-data");
	value += 9;
	while ((r = next_parameter(&value, &parameter, err)) > 0) {
		bool is_name = is_named(&parameter, "name");
		bool is_file = is_named(&parameter, "filename");

		if ((is_name && named) || (is_file && reader->has_file))
			return err_set(err, ERR_INVALID, "a part of the form has two names");
		if (is_name)
			r = copy_value(&parameter, reader->name, sizeof(reader->name), err);
		else if (is_file)
			r = copy_value(&parameter, reader->file, sizeof(reader->file), err);
		if (r < 0)
			return r;
		named |= is_name;
		reader->has_file |= is_file;
	}
	if (r == 0 && (!named || reader->name[0] == '\0'))
		return err_set(err, ERR_INVALID, "a part of the form has no name");
	reader->named = named;
	return r;
}

/* RFC 7578, 4.7: deprecated. One that says that nothing is encoded does no harm. */
static int read_encoding(const char *value, struct err *err)
{
	static const char *const PLAIN[] = {"binary", "8bit", "7bit"};
	size_t i;

	value += strspn(value, SPACE);
	for (i = 0; i < ARRAY_LEN(PLAIN); i++)
		if (strcasecmp(value, PLAIN[i]) == 0)
			return 0;
	return err_set(err, ERR_INVALID, "Content-Transfer-Encoding: no encoding is known here");
}

static int read_field(struct http_form_reader *reader, struct err *err)
{
	size_t len = strcspn(reader->line, ":");
	const char *value = reader->line + len + 1;

	if (len == reader->line_len || !http_is_token(slice_of(reader->line, len)))
		return err_set(err, ERR_INVALID, "a part of the form has a malformed header");
	reader->line[len] = '\0';
	if (strcasecmp(reader->line, "Content-Disposition") == 0)
		return read_disposition(reader, value, err);
	if (strcasecmp(reader->line, "Content-Transfer-Encoding") == 0)
		return read_encoding(value, err);
	return 0;
}

static int end_line(struct http_form_reader *reader, struct err *err)
{
	int r = 0;

	reader->line[--reader->line_len] = '\0';
	if (reader->line_len > 0) {
		r = read_field(reader, err);
	} else if (!reader->named) {
		r = err_set(err, ERR_INVALID, "a part of the form has no Content-Disposition");
	} else {
		reader->state = HTTP_FORM_CONTENT;
		reader->in_part = reader->first = true;
	}
	reader->line_len = 0;
	return r;
}

static bool ends_in_cr(const struct http_form_reader *reader)
{
	return reader->line_len > 0 && reader->line[reader->line_len - 1] == '\r';
}

static int read_header(struct http_form_reader *reader, struct slice *rest,
		       struct http_form_piece *ret_piece, struct err *err)
{
	uint8_t c = rest->data[0];

	(void)ret_piece;
	advance(rest, 1);
	if (c == '\n' && ends_in_cr(reader))
		return end_line(reader, err);
	if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f || ends_in_cr(reader))
		return err_set(err, ERR_INVALID, "a header of the form has a control character");
	if (reader->line_len == HTTP_FORM_LINE_MAX || ++reader->header_len > HTTP_FORM_HEADER_MAX)
		return err_set(err, ERR_INVALID, "a header of the form is too long");
	reader->line[reader->line_len++] = (char)c;
	return 0;
}

/* --- boundaries and what is between them --- */

static int read_behind(struct http_form_reader *reader, struct slice *rest,
		       struct http_form_piece *ret_piece, struct err *err)
{
	const struct slice behind = slice_of(reader->line, 2);

	(void)ret_piece;
	reader->line[reader->line_len++] = (char)rest->data[0];
	advance(rest, 1);
	if (reader->line_len < 2)
		return 0;
	reader->line_len = reader->header_len = 0;
	reader->named = reader->has_file = false;
	if (slice_equal(behind, slice_str("--"))) {
		reader->state = HTTP_FORM_REST;
		return 0;
	}
	if (!slice_equal(behind, slice_str("\r\n")))
		return err_set(err, ERR_INVALID, "a boundary of the form is malformed");
	if (++reader->parts > HTTP_FORM_PARTS)
		return err_set(err, ERR_TOO_LARGE, "the form has more than %u parts",
			       HTTP_FORM_PARTS);
	reader->state = HTTP_FORM_HEADER;
	return 0;
}

/* Nothing is given of what stands before the first boundary. */
static int give(struct http_form_reader *reader, struct slice bytes,
		struct http_form_piece *ret_piece)
{
	if (!reader->in_part)
		return 0;
	*ret_piece = (struct http_form_piece){.first = reader->first, .bytes = bytes};
	reader->first = false;
	return 1;
}

/* Where a delimiter begins that is whole, or as long as the rest; else the length of the rest. */
static size_t find_delimiter(const struct http_form_reader *reader, struct slice rest)
{
	const uint8_t *at = rest.data, *end = rest.data + rest.len;

	while ((at = memchr(at, '\r', (size_t)(end - at)))) {
		size_t len = (size_t)(end - at);

		if (len > reader->delimiter_len)
			len = reader->delimiter_len;
		if (slice_equal(slice_of(at, len), slice_of(reader->delimiter, len)))
			return (size_t)(at - rest.data);
		at++;
	}
	return rest.len;
}

static int end_part(struct http_form_reader *reader, struct http_form_piece *ret_piece)
{
	bool empty = reader->in_part && reader->first;

	reader->state = HTTP_FORM_BEHIND;
	reader->matched = reader->line_len = 0;
	if (empty)
		(void)give(reader, slice_of(NULL, 0), ret_piece);
	reader->in_part = false;
	return empty;
}

static int read_content(struct http_form_reader *reader, struct slice *rest,
			struct http_form_piece *ret_piece, struct err *err)
{
	size_t len = reader->matched > 0 ? 0 : find_delimiter(reader, *rest);
	struct slice bytes = slice_of(rest->data, len);

	(void)err;
	if (len > 0) {
		advance(rest, len);
		return give(reader, bytes, ret_piece);
	}
	while (rest->len > 0 && reader->matched < reader->delimiter_len &&
	       rest->data[0] == (uint8_t)reader->delimiter[reader->matched]) {
		reader->matched++;
		advance(rest, 1);
	}
	if (reader->matched == reader->delimiter_len)
		return end_part(reader, ret_piece);
	if (rest->len == 0)
		return 0;
	bytes = slice_of(reader->delimiter, reader->matched);
	reader->matched = 0;
	return give(reader, bytes, ret_piece);
}

static int read_rest(struct http_form_reader *reader, struct slice *rest,
		     struct http_form_piece *ret_piece, struct err *err)
{
	(void)reader;
	(void)ret_piece;
	(void)err;
	advance(rest, rest->len);
	return 0;
}

int http_form_read(struct http_form_reader *reader, struct slice *rest,
		   struct http_form_piece *ret_piece, struct err *err)
{
	static int (*const STEPS[])(struct http_form_reader *, struct slice *,
				    struct http_form_piece *, struct err *) = {
		[HTTP_FORM_CONTENT] = read_content,
		[HTTP_FORM_BEHIND] = read_behind,
		[HTTP_FORM_HEADER] = read_header,
		[HTTP_FORM_REST] = read_rest,
	};
	int r = 0;

	while (r == 0 && rest->len > 0)
		r = STEPS[reader->state](reader, rest, ret_piece, err);
	return r;
}

bool http_form_whole(const struct http_form_reader *reader)
{
	return reader->state == HTTP_FORM_REST;
}
