/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three texts, each over the one before: the canonical request, the string to sign, the header.
 * What the server works out again must come to the same bytes, so whatever is not in its canonical
 * form already is refused here, and not mended: it would be signed in one form and sent in another.
 */
#include "fetch/sigv4.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#include "crypto/hash.h"

#define HASH_SIZE    32u
#define DAY_LEN	     8u /* "20130524" */
#define TEXT_MAX     (64u * 1024u)
#define NAME_MAX_LEN 256u
#define KEY_MAX	     1024u
#define SCOPE_END    "/s3/aws4_request"

static int invalid(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "a request to S3 cannot be signed: %s", what);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_unreserved(int c)
{
	return (c < 0x80 && isalnum(c)) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Slashes, unreserved characters, and %XX in capitals for all that is not unreserved. */
static bool is_escaped(const char *text)
{
	int high, low, c;

	for (; *text; text++) {
		c = (unsigned char)*text;
		if (is_unreserved(c) || c == '/')
			continue;
		high = c == '%' ? hex_digit(text[1]) : -1;
		low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || is_unreserved(high * 16 + low))
			return false;
		text += 2;
	}
	return true;
}

/* Printable and without blanks. */
static bool is_word(struct slice text, size_t max)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	return text.len > 0 && text.len <= max;
}

static int check(const struct sigv4_who *who, const struct sigv4_request *request, struct err *err)
{
	if (!is_word(slice_str(who->region), NAME_MAX_LEN) || strchr(who->region, '/'))
		return invalid(err, "its region");
	if (!is_word(slice_str(who->access_key), NAME_MAX_LEN) || strchr(who->access_key, '/'))
		return invalid(err, "its access key");
	if (secret_size(who->secret_key) == 0 || secret_size(who->secret_key) > KEY_MAX)
		return invalid(err, "its secret key");
	if (!is_word(slice_str(request->method), NAME_MAX_LEN) ||
	    !is_word(slice_str(request->host), NAME_MAX_LEN))
		return invalid(err, "its method or host");
	if (request->path[0] != '/' || !is_escaped(request->path))
		return invalid(err, "its path is not escaped");
	return 0;
}

/* --- the canonical request --- */

#define SIGNED_NAMES "host;x-amz-content-sha256;x-amz-date"

static void put_host(const char *host, struct buf *text)
{
	buf_put_str(text, "host:");
	for (; *host; host++)
		buf_put_u8(text, (uint8_t)tolower((unsigned char)*host));
	buf_put_str(text, "\n");
}

static int put_request(const struct sigv4_request *request, const struct sigv4_headers *headers,
		       struct buf *text, struct err *err)
{
	buf_printf(text, "%s\n%s\n\n", request->method, request->path);
	put_host(request->host, text);
	buf_printf(text, "x-amz-content-sha256:%s\nx-amz-date:%s\n\n" SIGNED_NAMES "\n%s",
		   headers->content, headers->date, headers->content);
	return buf_ok(text) ? 0 : invalid(err, "it is too long");
}

/* --- the signature --- */

static void put_hex(const uint8_t *bytes, char *text)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < HASH_SIZE; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * (size_t)HASH_SIZE] = '\0';
}

static void wipe_key(uint8_t (*key)[HASH_SIZE])
{
	wipe(*key, sizeof(*key));
}

/* Day, region, service and an end word, each under the key that the one before made. */
static int sign(const struct sigv4_who *who, const char *date, struct slice text,
		uint8_t ret_mac[HASH_SIZE], struct err *err)
{
	CLEANUP(wipe_key) uint8_t mac[HASH_SIZE];
	CLEANUP(buf_fini) struct buf first = BUF_INIT(KEY_MAX + 4);
	const struct slice steps[] = {slice_of(date, DAY_LEN), slice_str(who->region),
				      slice_str("s3"), slice_str("aws4_request"), text};
	struct slice key;
	size_t i;
	int r;

	buf_put_str(&first, "AWS4");
	buf_put(&first, secret_slice(who->secret_key));
	if (!buf_ok(&first))
		return err_set(err, ERR_INTERNAL, "memory is short");
	key = buf_slice(&first);
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		r = hash_hmac(HASH_SHA256, key, &steps[i], 1, mac, err);
		if (r < 0)
			return r;
		key = slice_of(mac, sizeof(mac));
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

static int put_date(int64_t at, char date[SIGV4_DATE_MAX], struct err *err)
{
	time_t seconds = (time_t)at;
	struct tm tm;

	if (at < 0 || !gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900 ||
	    strftime(date, SIGV4_DATE_MAX, "%Y%m%dT%H%M%SZ", &tm) != SIGV4_DATE_MAX - 1)
		return invalid(err, "its time");
	return 0;
}

static int put_authorization(const struct sigv4_who *who, const struct sigv4_headers *headers,
			     struct slice canonical, struct buf *ret_text, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);
	uint8_t mac[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1];
	size_t len = ret_text->len;
	int r;

	r = hash_digest(HASH_SHA256, &canonical, 1, mac, err);
	if (r < 0)
		return r;
	put_hex(mac, hex);
	buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s" SCOPE_END "\n%s", headers->date,
		   headers->date, who->region, hex);
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = sign(who, headers->date, buf_slice(&text), mac, err);
	if (r < 0)
		return r;
	put_hex(mac, hex);
	buf_printf(ret_text,
		   "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s" SCOPE_END
		   ", SignedHeaders=" SIGNED_NAMES ", Signature=%s",
		   who->access_key, headers->date, who->region, hex);
	buf_put_u8(ret_text, 0);
	if (buf_ok(ret_text))
		return 0;
	ret_text->len = len;
	return err_set(err, ERR_INTERNAL, "memory is short");
}

int sigv4_sign(const struct sigv4_who *who, const struct sigv4_request *request,
	       struct sigv4_headers *ret_headers, struct err *err)
{
	CLEANUP(buf_fini) struct buf canonical = BUF_INIT(TEXT_MAX);
	struct sigv4_headers made = {.content = "UNSIGNED-PAYLOAD"};
	int r;

	r = check(who, request, err);
	if (r == 0)
		r = put_date(request->at, made.date, err);
	if (r < 0)
		return r;
	if (request->body_sha256)
		put_hex(request->body_sha256, made.content);
	r = put_request(request, &made, &canonical, err);
	if (r == 0)
		r = put_authorization(who, &made, buf_slice(&canonical),
				      &ret_headers->authorization, err);
	if (r < 0)
		return r;
	memcpy(ret_headers->date, made.date, sizeof(made.date));
	memcpy(ret_headers->content, made.content, sizeof(made.content));
	return 0;
}
