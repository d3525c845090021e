/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine over lines and counted bytes. Line states have a row in ON_LINE, header fields
 * that matter have a row in FIELDS. It is stricter than RFC 9112 asks of a client: the other end
 * is one known program, and whatever else answers is not trusted to mean well.
 */
#include "client/http.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

static const char REMEDY_STRANGER[] =
	"Check that the socket is the one of holdfastd, and that both are of the same release.";

static int not_http(struct err *err, const char *what)
{
	(void)err_set(err, ERR_INTERNAL, "the answer is not HTTP as it must be: %s", what);
	return err_add_remedy(err, REMEDY_STRANGER);
}

static void skip(struct slice *bytes, size_t len)
{
	*bytes = slice_of(bytes->data + len, bytes->len - len);
}

void http_reader_init(struct http_reader *reader, struct buf *body)
{
	*reader = (struct http_reader){.line = BUF_INIT(HTTP_HEAD_MAX), .body = body};
}

void http_reader_fini(struct http_reader *reader)
{
	buf_fini(&reader->line);
}

/* Whole decimal number of at most 18 digits; false for anything else. */
static bool parse_decimal(const char *text, uint64_t *ret_value)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t value = 0;

	if (digits == 0 || digits > 18 || text[digits] != '\0')
		return false;
	for (; *text; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	*ret_value = value;
	return true;
}

/* --- fields --- */

static int take_content_length(struct http_reader *reader, const char *value, struct err *err)
{
	if (reader->has_length || !parse_decimal(value, &reader->left))
		return not_http(err, "its Content-Length");
	reader->has_length = true;
	return 0;
}

static int take_transfer_encoding(struct http_reader *reader, const char *value, struct err *err)
{
	if (reader->chunked || strcasecmp(value, "chunked") != 0)
		return not_http(err, "its Transfer-Encoding");
	reader->chunked = true;
	return 0;
}

static int take_connection(struct http_reader *reader, const char *value, struct err *err)
{
	(void)err;
	if (strcasecmp(value, "keep-alive") != 0)
		reader->head.keep_alive = false;
	return 0;
}

/* A date, which is allowed here, counts as no advice. */
static int take_retry_after(struct http_reader *reader, const char *value, struct err *err)
{
	uint64_t seconds;

	(void)err;
	if (parse_decimal(value, &seconds) && seconds <= UINT32_MAX)
		reader->head.retry_after = (uint32_t)seconds;
	return 0;
}

/* What does not fit is left empty, which no caller takes for something it knows. */
static void copy_lower(const char *value, size_t len, char *out, size_t out_size)
{
	size_t i;

	if (len >= out_size)
		len = 0;
	for (i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)value[i]);
	out[len] = '\0';
}

static int take_content_type(struct http_reader *reader, const char *value, struct err *err)
{
	(void)err;
	copy_lower(value, strcspn(value, "; \t"), reader->head.content_type,
		   sizeof(reader->head.content_type));
	return 0;
}

static int take_protection(struct http_reader *reader, const char *value, struct err *err)
{
	(void)err;
	copy_lower(value, strlen(value), reader->head.protection, sizeof(reader->head.protection));
	return 0;
}

static const struct {
	const char *name;
	int (*take)(struct http_reader *reader, const char *value, struct err *err);
} FIELDS[] = {
	{"Connection", take_connection},     {"Content-Length", take_content_length},
	{"Content-Type", take_content_type}, {"Holdfast-Protection", take_protection},
	{"Retry-After", take_retry_after},   {"Transfer-Encoding", take_transfer_encoding},
};

/* Cuts "Name: value" in two; the value loses its blanks at both ends. NULL when it is no field. */
static char *split_field(char *line)
{
	char *colon = strchr(line, ':');
	char *value, *end;

	if (!colon || colon == line || strcspn(line, " \t") < (size_t)(colon - line))
		return NULL;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return value;
}

/* --- lines --- */

/* RFC 9112, 4: "HTTP/1.1 200 OK". The reason may be missing, its space then too. */
static int on_status(struct http_reader *reader, char *line, struct err *err)
{
	const char *code = line + 9;
	bool minor_one = strncmp(line, "HTTP/1.1 ", 9) == 0;

	if (!minor_one && strncmp(line, "HTTP/1.0 ", 9) != 0)
		return not_http(err, "its first line");
	if (strspn(code, "0123456789") != 3 || (code[3] != '\0' && code[3] != ' ') ||
	    code[0] < '1' || code[0] > '5')
		return not_http(err, "its status");
	reader->head = (struct http_head){.keep_alive = minor_one};
	reader->head.status =
		(unsigned)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
	reader->has_length = false;
	reader->chunked = false;
	reader->left = 0;
	reader->state = HTTP_FIELD;
	return 0;
}

static bool is_for_sink(const struct http_reader *reader)
{
	return reader->sink && reader->head.status < 300;
}

static int check_room(const struct http_reader *reader, struct err *err)
{
	bool sink = is_for_sink(reader);
	uint64_t max = sink ? reader->sink->max : reader->body->max;

	if (reader->left <= max - (sink ? reader->taken : reader->body->len))
		return 0;
	return err_set(err, ERR_TOO_LARGE, "the answer is over %" PRIu64 " bytes", max);
}

/* RFC 9112, 6.3: how the body ends. Until the connection closes is not accepted. */
static int on_head_end(struct http_reader *reader, struct err *err)
{
	unsigned status = reader->head.status;

	if (status == 101)
		return not_http(err, "it changes the protocol");
	if (status < 200) {
		reader->continued = reader->continued || status == 100;
		reader->state = HTTP_STATUS;
		return 0;
	}
	if (reader->chunked && reader->has_length)
		return not_http(err, "it states its length twice");
	if (status == 204 || status == 304) {
		if (reader->chunked || reader->left > 0)
			return not_http(err, "a body where none may be");
		reader->state = HTTP_DONE;
		return 0;
	}
	if (!reader->chunked && !reader->has_length)
		return not_http(err, "it does not state its length");
	if (reader->chunked)
		reader->state = HTTP_CHUNK_SIZE;
	else
		reader->state = reader->left > 0 ? HTTP_BODY : HTTP_DONE;
	return check_room(reader, err);
}

static int on_field(struct http_reader *reader, char *line, struct err *err)
{
	const char *value;
	size_t i;

	if (line[0] == '\0')
		return on_head_end(reader, err);
	value = split_field(line);
	if (!value)
		return not_http(err, "a header field");
	for (i = 0; i < ARRAY_LEN(FIELDS); i++)
		if (strcasecmp(line, FIELDS[i].name) == 0)
			return FIELDS[i].take(reader, value, err);
	return 0;
}

/* A digit's value is its place modulo 16. */
static const char HEX_DIGITS[] = "0123456789abcdef0123456789ABCDEF";

/* RFC 9112, 7.1; extensions behind a semicolon are ignored, as 7.1.1 asks. */
static int on_chunk_size(struct http_reader *reader, char *line, struct err *err)
{
	size_t digits = strspn(line, HEX_DIGITS);
	uint64_t size = 0;
	size_t i;

	if (digits == 0 || digits > 15 || !strchr("; \t", line[digits]))
		return not_http(err, "the size of a chunk");
	for (i = 0; i < digits; i++)
		size = size << 4 | ((uint64_t)(strchr(HEX_DIGITS, line[i]) - HEX_DIGITS) & 15u);
	reader->left = size;
	reader->lines_len = 0;
	reader->state = size > 0 ? HTTP_CHUNK_DATA : HTTP_TRAILER;
	return check_room(reader, err);
}

static int on_chunk_end(struct http_reader *reader, char *line, struct err *err)
{
	if (line[0] != '\0')
		return not_http(err, "a chunk is longer than it says");
	reader->state = HTTP_CHUNK_SIZE;
	return 0;
}

static int on_trailer(struct http_reader *reader, char *line, struct err *err)
{
	if (line[0] == '\0')
		reader->state = HTTP_DONE;
	else if (!split_field(line))
		return not_http(err, "a trailer field");
	return 0;
}

static int (*const ON_LINE[HTTP_DONE + 1])(struct http_reader *reader, char *line,
					   struct err *err) = {
	[HTTP_STATUS] = on_status,	   [HTTP_FIELD] = on_field,
	[HTTP_CHUNK_SIZE] = on_chunk_size, [HTTP_CHUNK_END] = on_chunk_end,
	[HTTP_TRAILER] = on_trailer,
};

/* Makes the collected line a string without its CRLF; control characters are refused. */
static int finish_line(struct buf *line, struct err *err)
{
	size_t len = line->len;
	size_t i;

	if (len < 2 || line->data[len - 2] != '\r')
		return not_http(err, "a line does not end in CR LF");
	line->data[len - 2] = '\0';
	for (i = 0; i < len - 2; i++)
		if ((line->data[i] < 0x20 && line->data[i] != '\t') || line->data[i] == 0x7f)
			return not_http(err, "a control character in its head");
	return 0;
}

static int feed_line(struct http_reader *reader, struct slice *bytes, struct err *err)
{
	const uint8_t *end = memchr(bytes->data, '\n', bytes->len);
	size_t len = end ? (size_t)(end - bytes->data) + 1 : bytes->len;
	int r;

	if (len > HTTP_HEAD_MAX - reader->lines_len)
		return not_http(err, "its head is over 16 KiB");
	reader->lines_len += len;
	buf_put(&reader->line, slice_of(bytes->data, len));
	if (!buf_ok(&reader->line))
		return err_set(err, ERR_INTERNAL, "memory is short");
	skip(bytes, len);
	if (!end)
		return 0;
	r = finish_line(&reader->line, err);
	if (r == 0)
		r = ON_LINE[reader->state](reader, (char *)reader->line.data, err);
	buf_reset(&reader->line);
	return r;
}

/* --- counted bytes --- */

static int keep_data(struct http_reader *reader, struct slice data, struct err *err)
{
	if (is_for_sink(reader)) {
		reader->taken += data.len;
		return reader->sink->take(reader->sink->arg, &reader->head, data, err);
	}
	buf_put(reader->body, data);
	if (!buf_ok(reader->body))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return 0;
}

static int feed_data(struct http_reader *reader, struct slice *bytes, struct err *err)
{
	size_t len = bytes->len < reader->left ? bytes->len : (size_t)reader->left;
	int r = keep_data(reader, slice_of(bytes->data, len), err);

	if (r < 0)
		return r;
	skip(bytes, len);
	reader->left -= len;
	if (reader->left == 0)
		reader->state = reader->state == HTTP_BODY ? HTTP_DONE : HTTP_CHUNK_END;
	return 0;
}

int http_reader_feed(struct http_reader *reader, struct slice bytes, struct err *err)
{
	int r = 0;

	while (r == 0 && bytes.len > 0 && !http_reader_done(reader)) {
		if (ON_LINE[reader->state])
			r = feed_line(reader, &bytes, err);
		else
			r = feed_data(reader, &bytes, err);
	}
	if (bytes.len > 0)
		reader->head.keep_alive = false;
	return r;
}
