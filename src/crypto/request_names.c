/* SPDX-License-Identifier: Apache-2.0 */
/* The other names of a subject, each held to its grammar and written as a GeneralName. */

#include "crypto/request_impl.h"

#include <arpa/inet.h>
#include <string.h>

#define HOST_MAX  253u
#define LABEL_MAX 63u
#define LOCAL_MAX 64u
#define EMAIL_MAX 254u
#define URI_MAX	  2048u

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(uint8_t c, const char *set)
{
	return c && strchr(set, c);
}

static struct slice rest_of(struct slice text, size_t from)
{
	return slice_of(text.data + from, text.len - from);
}

/* Where @c stands first; the text's length when it does not. */
static size_t find(struct slice text, uint8_t c)
{
	size_t i = 0;

	while (i < text.len && text.data[i] != c)
		i++;
	return i;
}

/* 1 to LABEL_MAX letters, digits and hyphens, these only within (RFC 1123, 2.1). */
static bool label_ok(struct slice label)
{
	if (label.len == 0 || label.len > LABEL_MAX || label.data[0] == '-' ||
	    label.data[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!is_letter(label.data[i]) && !is_digit(label.data[i]) && label.data[i] != '-')
			return false;
	return true;
}

static bool host_ok(struct slice host)
{
	bool ok = host.len > 0 && host.len <= HOST_MAX;

	while (ok && host.len) {
		size_t dot = find(host, '.');

		ok = label_ok(slice_of(host.data, dot)) && dot + 1 != host.len;
		host = dot < host.len ? rest_of(host, dot + 1) : slice_of(NULL, 0);
	}
	return ok;
}

/* A star is a whole label, and something stands behind it (RFC 6125, 6.4.3). */
static bool dns_ok(struct slice name)
{
	if (name.len > 2 && name.data[0] == '*' && name.data[1] == '.')
		name = rest_of(name, 2);
	return host_ok(name);
}

/* Words with dots between them (RFC 5321, Dot-string). */
static bool local_ok(struct slice local)
{
	bool was_dot = true;

	if (local.len == 0 || local.len > LOCAL_MAX)
		return false;
	for (size_t i = 0; i < local.len; i++) {
		uint8_t c = local.data[i];

		if (c == '.'
			    ? was_dot
			    : !is_letter(c) && !is_digit(c) && !is_one_of(c, "!#$%&'*+-/=?^_`{|}~"))
			return false;
		was_dot = c == '.';
	}
	return !was_dot;
}

static bool email_ok(struct slice email)
{
	size_t at = find(email, '@');

	return email.len <= EMAIL_MAX && at < email.len && local_ok(slice_of(email.data, at)) &&
	       host_ok(rest_of(email, at + 1));
}

/* Characters of RFC 3986, 2; a percent sign has its two digits. */
static bool uri_characters_ok(struct slice uri)
{
	for (size_t i = 0; i < uri.len; i++) {
		uint8_t c = uri.data[i];

		if (c == '%' &&
		    (i + 2 >= uri.len || !is_hex(uri.data[i + 1]) || !is_hex(uri.data[i + 2])))
			return false;
		if (!is_letter(c) && !is_digit(c) && !is_one_of(c, "-._~:/?#[]@!$&'()*+,;=%"))
			return false;
	}
	return true;
}

/* A scheme and something behind it; where "//" says that a host follows, one does. */
static bool uri_ok(struct slice uri)
{
	size_t colon = find(uri, ':');
	struct slice rest;

	if (uri.len > URI_MAX || colon + 1 >= uri.len || !is_letter(uri.data[0]) ||
	    !uri_characters_ok(uri))
		return false;
	for (size_t i = 1; i < colon; i++)
		if (!is_letter(uri.data[i]) && !is_digit(uri.data[i]) &&
		    !is_one_of(uri.data[i], "+-."))
			return false;
	rest = rest_of(uri, colon + 1);
	if (rest.len < 2 || rest.data[0] != '/' || rest.data[1] != '/')
		return true;
	return rest.len > 2 && !is_one_of(rest.data[2], "/?#:@");
}

/* The bytes of the address; 0 when it is none. */
static size_t ip_bytes(struct slice text, uint8_t ret_address[16])
{
	char address[INET6_ADDRSTRLEN] = "";

	if (text.len >= sizeof(address) || memchr(text.data, 0, text.len))
		return 0;
	memcpy(address, text.data, text.len);
	if (inet_pton(AF_INET, address, ret_address) == 1)
		return 4;
	return inet_pton(AF_INET6, address, ret_address) == 1 ? 16 : 0;
}

/* [n] of GeneralName, what it is called, its grammar (an address has its own). */
static const struct {
	uint8_t tag;
	const char *field; /* as clients call it */
	const char *word;
	bool (*ok)(struct slice text);
} kinds[REQUEST_KINDS] = {
	[REQUEST_DNS] = {DER_CONTEXT | 2, "dns", "name of a host", dns_ok},
	[REQUEST_IP] = {DER_CONTEXT | 7, "ip", "IP address", NULL},
	[REQUEST_EMAIL] = {DER_CONTEXT | 1, "email", "address for e-mail", email_ok},
	[REQUEST_URI] = {DER_CONTEXT | 6, "uri", "URI", uri_ok},
};

#define SHOWN_MAX 60u

/* What of a refused name can be told again. */
static int refuse(const struct request_name *name, struct err *err)
{
	char shown[SHOWN_MAX + 1] = "";

	for (size_t i = 0; i < name->text.len && i < SHOWN_MAX; i++) {
		uint8_t c = name->text.data[i];

		shown[i] = c > ' ' && c < 0x7f ? (char)c : '?';
	}
	return err_set(err, ERR_INVALID, "%s: \"%s\" is no %s for a request",
		       kinds[name->kind].field, shown, kinds[name->kind].word);
}

int request_put_names(const struct request_name *names, size_t count, struct buf *ret_names,
		      struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct slice text = names[i].text;
		uint8_t address[16];
		bool ok = text.len > 0;

		if (ok && kinds[names[i].kind].ok) {
			ok = kinds[names[i].kind].ok(text);
		} else if (ok) {
			text = slice_of(address, ip_bytes(text, address));
			ok = text.len > 0;
		}
		if (!ok)
			return refuse(&names[i], err);
		der_put(ret_names, kinds[names[i].kind].tag, text);
	}
	return 0;
}
