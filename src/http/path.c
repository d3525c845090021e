/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raw path is split at its slashes first and unescaped afterwards, so that an escaped slash
 * can never move a boundary. It is refused, as nothing of ours has a slash in its name.
 */
#include <string.h>

#include "base/utf8.h"
#include "http/impl.h"

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that an escape at @at stands for, or -1. */
static int escape_value(struct slice raw, size_t at)
{
	int high, low;

	if (raw.len - at < 3)
		return -1;
	high = hex_value(raw.data[at + 1]);
	low = hex_value(raw.data[at + 2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Names end up in JSON and in logs. */
bool http_is_utf8(struct slice text)
{
	size_t len;

	for (; text.len > 0; text = slice_of(text.data + len, text.len - len)) {
		len = utf8_next(text);
		if (len == 0)
			return false;
	}
	return true;
}

int http_unescape(struct slice raw, char *text, size_t size, struct err *err)
{
	size_t in = 0, out = 0;

	while (in < raw.len) {
		bool escaped = raw.data[in] == '%';
		int c = escaped ? escape_value(raw, in) : raw.data[in];

		if (c < 0)
			return err_set(err, ERR_INVALID, "the URL has a malformed %% escape");
		if (c < 0x20 || c == 0x7f)
			return err_set(err, ERR_INVALID, "the URL has a control character");
		if (out + 1 >= size)
			return err_set(err, ERR_NOT_FOUND, "no such path: a segment is too long");
		text[out++] = (char)c;
		in += escaped ? 3 : 1;
	}
	text[out] = '\0';
	if (!http_is_utf8(slice_of(text, out)))
		return err_set(err, ERR_INVALID, "the URL is not UTF-8");
	return 0;
}

/* A URL consists of printable ASCII without space or fragment (RFC 3986, 2). */
static bool is_url_text(const char *raw)
{
	for (; *raw; raw++)
		if (*raw <= 0x20 || *raw >= 0x7f || *raw == '#')
			return false;
	return true;
}

static int parse_segment(struct slice raw, char text[HTTP_SEGMENT_MAX + 1], struct err *err)
{
	int r = http_unescape(raw, text, HTTP_SEGMENT_MAX + 1, err);

	if (r < 0)
		return r;
	if (text[0] == '\0')
		return err_set(err, ERR_INVALID, "the path has an empty segment");
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return err_set(err, ERR_INVALID, "the path has a dot segment");
	if (strchr(text, '/'))
		return err_set(err, ERR_INVALID, "the path has an escaped slash");
	return 0;
}

int http_path_parse(const char *raw, struct http_path *ret_path, struct err *err)
{
	struct http_path path = {.count = 0};
	int r;

	if (raw[0] != '/' || !is_url_text(raw))
		return err_set(err, ERR_INVALID,
			       "the path must begin with a slash and be plain ASCII");
	while (raw[0] == '/' && !(path.count == 0 && raw[1] == '\0')) {
		size_t len = strcspn(raw + 1, "/");

		if (path.count == HTTP_SEGMENTS_MAX)
			return err_set(err, ERR_NOT_FOUND, "no such path: too many segments");
		r = parse_segment(slice_of(raw + 1, len), path.segments[path.count], err);
		if (r < 0)
			return r;
		path.count++;
		raw += 1 + len;
	}
	*ret_path = path;
	return 0;
}
