/* SPDX-License-Identifier: Apache-2.0 */
/* Every byte is looked at: what is not wanted is refused rather than passed over. */
#include "openssl/uri.h"

#include <string.h>

#include "base/base64.h"

static const char SOCKET_MARK[] = "?socket=";

static bool take_prefix(struct slice *text, const char *prefix)
{
	struct slice want = slice_str(prefix);

	if (text->len < want.len || !slice_equal(slice_of(text->data, want.len), want))
		return false;
	*text = slice_of(text->data + want.len, text->len - want.len);
	return true;
}

static bool is_name_byte(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static int take_name(struct slice *text, struct uri *uri, struct err *err)
{
	size_t len = 0;

	while (len < text->len && is_name_byte(text->data[len]))
		len++;
	if (len == 0 || len > URI_NAME_MAX || text->data[0] == '.')
		return err_set(err, ERR_INVALID, "the name of the key is malformed");
	memcpy(uri->name, text->data, len);
	*text = slice_of(text->data + len, text->len - len);
	return 0;
}

bool uri_socket_is_valid(struct slice path)
{
	size_t i;

	if (path.len == 0 || path.len > URI_SOCKET_MAX || path.data[0] != '/')
		return false;
	for (i = 0; i < path.len; i++)
		if (path.data[i] <= ' ' || path.data[i] > '~')
			return false;
	return true;
}

static int take_socket(struct slice text, struct uri *uri, struct err *err)
{
	if (!uri_socket_is_valid(text))
		return err_set(err, ERR_INVALID,
			       "the path of the socket is not absolute, over %u bytes, or has a "
			       "byte that is not printable",
			       URI_SOCKET_MAX);
	memcpy(uri->socket, text.data, text.len);
	return 0;
}

int uri_parse(struct slice text, struct uri *ret_uri, struct err *err)
{
	struct uri uri = {.device = false};
	int r = 0;

	if (take_prefix(&text, URI_SCHEME ":"))
		(void)take_prefix(&text, "//");
	else
		text = slice_str("");
	if (take_prefix(&text, "key/"))
		r = take_name(&text, &uri, err);
	else if (take_prefix(&text, "device"))
		uri.device = true;
	else
		r = err_set(err, ERR_INVALID,
			    "it is neither holdfast:device nor holdfast:key/NAME");
	if (r == 0 && take_prefix(&text, SOCKET_MARK))
		r = take_socket(text, &uri, err);
	else if (r == 0 && text.len > 0)
		r = err_set(err, ERR_INVALID, "there is more behind the key than ?socket=PATH");
	if (r == 0)
		*ret_uri = uri;
	return r;
}

int uri_parse_pem(struct slice base64, struct uri *ret_uri, struct err *err)
{
	uint8_t text[URI_PEM_CONTENT / 4 * 3];
	size_t len;

	if (base64.len > URI_PEM_CONTENT || !base64_decode(base64, text, &len))
		return err_set(err, ERR_INVALID, "the PEM block HOLDFAST KEY is not base64");
	return uri_parse(slice_of(text, len), ret_uri, err);
}
