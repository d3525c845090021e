/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs are read by libcurl's own parser, which also uses them later: two readers that disagree
 * about a host are how checks are passed by. What it takes and we do not is refused here.
 */
#include "fetch/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "fetch/fetch.h"

#define HOST_MAX 255u

static void url_cleanup(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void part_cleanup(char **part)
{
	curl_free(*part);
}

bool url_is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

	if (address->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	if (address->sa_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
}

/* A name may be anything: what it stands for is looked at when it is connected to. */
static bool may_be_local(const char *host)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	char bare[INET6_ADDRSTRLEN];
	size_t len = strlen(host);

	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		return url_is_loopback((const struct sockaddr *)&v4);
	if (host[0] != '[')
		return true;
	if (len < 3 || len - 2 >= sizeof(bare))
		return false;
	memcpy(bare, host + 1, len - 2);
	bare[len - 2] = '\0';
	return inet_pton(AF_INET6, bare, &v6.sin6_addr) == 1 &&
	       url_is_loopback((const struct sockaddr *)&v6);
}

static int refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID, "a URL %s", why);
}

/* RFC 3986, 2: what has no place in a URL unless it is escaped. */
static bool is_plain_text(const char *url)
{
	for (; *url; url++)
		if (*url <= ' ' || *url > '~' || strchr("\"<>\\^`{|}", *url))
			return false;
	return true;
}

/* libcurl forgives slashes too many or too few, and takes a part of the path for the host then. */
static bool has_authority(const char *url)
{
	size_t scheme = strcspn(url, ":/");

	return strncmp(url + scheme, "://", 3) == 0 && url[scheme + 3] != '/';
}

static int check_scheme(CURLU *parsed, const char *host, enum url_plain plain, bool *ret_secure,
			struct err *err)
{
	CLEANUP(part_cleanup) char *scheme = NULL;
	bool secure;

	if (curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		return refuse(err, "must begin with https://");
	secure = strcmp(scheme, "https") == 0;
	if (!secure && strcmp(scheme, "http") != 0)
		return refuse(err, "must begin with https://");
	if (!secure && plain == URL_PLAIN_NEVER)
		return refuse(err, "must begin with https://: plain http is for development");
	if (!secure && plain == URL_PLAIN_LOCAL && !may_be_local(host))
		return refuse(err, "of plain http must be a loopback address's");
	*ret_secure = secure;
	return 0;
}

/* What has no place here: a password would be sent to whoever answers. */
static int check_absent(CURLU *parsed, struct err *err)
{
	static const CURLUPart parts[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
					  CURLUPART_FRAGMENT};
	size_t i;

	for (i = 0; i < ARRAY_LEN(parts); i++) {
		CLEANUP(part_cleanup) char *part = NULL;

		if (curl_url_get(parsed, parts[i], &part, 0) == CURLUE_OK)
			return refuse(err, "may have neither a user nor a password nor a fragment");
	}
	return 0;
}

/* @ret_url is the caller's also on failure. */
static int parse(const char *url, CURLU **ret_url, struct err *err)
{
	*ret_url = curl_url();
	if (!*ret_url)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (strlen(url) >= FETCH_URL_MAX || !is_plain_text(url))
		return refuse(err, "is too long, or has characters that are not escaped");
	if (!has_authority(url))
		return refuse(err, "must begin with https:// and a host");
	if (curl_url_set(*ret_url, CURLUPART_URL, url, CURLU_PATH_AS_IS) != CURLUE_OK)
		return refuse(err, "cannot be read");
	return 0;
}

int url_check(const char *url, enum url_plain plain, struct url_origin *ret_origin, struct err *err)
{
	CLEANUP(url_cleanup) CURLU *parsed = NULL;
	CLEANUP(part_cleanup) char *host = NULL, *port = NULL;
	bool secure = false;
	size_t i;
	int r = parse(url, &parsed, err);

	if (r < 0)
		return r;
	if (curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    host[0] == '\0' || strlen(host) > HOST_MAX)
		return refuse(err, "cannot be read");
	r = check_scheme(parsed, host, plain, &secure, err);
	if (r == 0)
		r = check_absent(parsed, err);
	if (r < 0 || !ret_origin)
		return r;
	ret_origin->secure = secure;
	(void)snprintf(ret_origin->text, sizeof(ret_origin->text), "%s:%s", host, port);
	for (i = 0; ret_origin->text[i]; i++)
		ret_origin->text[i] = (char)tolower((unsigned char)ret_origin->text[i]);
	return 0;
}

int fetch_target(const char *url, struct buf *ret_host, struct buf *ret_path, struct err *err)
{
	CLEANUP(url_cleanup) CURLU *parsed = NULL;
	CLEANUP(part_cleanup) char *host = NULL, *port = NULL, *path = NULL;
	int r = url_check(url, URL_PLAIN_LOCAL, NULL, err);

	if (r == 0)
		r = parse(url, &parsed, err);
	if (r < 0)
		return r;
	if (curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(parsed, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		return refuse(err, "cannot be read");
	/* Asked here, as later libcurls say that an empty one is none. */
	if (strchr(url, '?'))
		return refuse(err, "may have no query here");
	buf_put_str(ret_host, host);
	if (curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) == CURLUE_OK)
		buf_printf(ret_host, ":%s", port);
	buf_put_str(ret_path, path);
	if (buf_ok(ret_host) && buf_ok(ret_path))
		return 0;
	return err_set(err, ERR_TOO_LARGE, "a URL is too long");
}

bool url_same_origin(const struct url_origin *a, const struct url_origin *b)
{
	return a->secure == b->secure && strcmp(a->text, b->text) == 0;
}

int fetch_check_url(const char *url, bool dev, struct err *err)
{
	return url_check(url, dev ? URL_PLAIN_LOCAL : URL_PLAIN_NEVER, NULL, err);
}

bool fetch_same_origin(const char *a, const char *b)
{
	struct url_origin x, y;
	struct err err;

	return url_check(a, URL_PLAIN_LOCAL, &x, &err) == 0 &&
	       url_check(b, URL_PLAIN_LOCAL, &y, &err) == 0 && url_same_origin(&x, &y);
}

static bool unreserved(uint8_t byte)
{
	return isalnum(byte) || (byte != '\0' && strchr("-._~", byte));
}

int fetch_escape(struct slice text, bool path, struct buf *ret_text, struct err *err)
{
	size_t i, len = ret_text->len;

	for (i = 0; i < text.len; i++) {
		if (unreserved(text.data[i]) || (path && text.data[i] == '/'))
			buf_put_u8(ret_text, text.data[i]);
		else
			buf_printf(ret_text, "%%%02X", text.data[i]);
	}
	if (buf_ok(ret_text))
		return 0;
	ret_text->len = len;
	return err_set(err, ERR_TOO_LARGE, "a name is too long for a URL");
}
