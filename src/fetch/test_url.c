/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs are taken, whose they are, and how names get into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "fetch/fetch.h"
#include "fetch/url.h"

static void test_check(void **state)
{
	static const struct {
		const char *url;
		bool always, dev; /* allowed */
	} rows[] = {
		{"https://host", true, true},
		{"https://host/", true, true},
		{"HTTPS://Host.Example:8443/a/../b//c?x=1&y=%20", true, true},
		{"https://[::1]:443/", true, true},
		{"https://10.1.2.3/x", true, true},
		{"http://127.0.0.1:8080/x", false, true},
		{"http://127.9.8.7/", false, true},
		{"http://[::1]/", false, true},
		{"http://[::ffff:127.0.0.1]/", false, true},
		{"http://localhost/", false, true},
		{"http://a-name/", false, true}, /* its address is looked at later */
		{"http://10.0.0.1/", false, false},
		{"http://128.0.0.1/", false, false},
		{"http://0.0.0.0/", false, false},
		{"http://2130706434.1/", false, true}, /* no address, so a name */
		{"http://0x80000001/", false, false},
		{"http://[::]/", false, false},
		{"http://[fe80::1]/", false, false},
		{"http://[::ffff:10.0.0.1]/", false, false},
		{"", false, false},
		{"host/path", false, false},
		{"//host/path", false, false},
		{"https:///path", false, false},
		{"https:/host/path", false, false},
		{"https:host/path", false, false},
		{"https://host\\@evil/", false, false},
		{"https://host/{a}", false, false},
		{"https://host:0x50/", false, false},
		{"https://host:99999/", false, false},
		{"https://user@host/", false, false},
		{"https://user:pass@host/", false, false},
		{"https://:pass@host/", false, false},
		{"http://127.0.0.1@evil/", false, false},
		{"https://host/#fragment", false, false},
		{"https://ho st/", false, false},
		{"https://host/a b", false, false},
		{"https://host/\x01", false, false},
		{"https://host/\xc3\xa4", false, false},
		{"https://host/\r\nX: y", false, false},
		{"ftp://host/", false, false},
		{"file:///etc/passwd", false, false},
		{"gopher://127.0.0.1/", false, false},
		{"ldap://127.0.0.1/", false, false},
		{"unix:///run/x", false, false},
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		int always = fetch_check_url(rows[i].url, false, &err);
		int dev = fetch_check_url(rows[i].url, true, &err);

		if (always != (rows[i].always ? 0 : ERR_INVALID) ||
		    dev != (rows[i].dev ? 0 : ERR_INVALID))
			fail_msg("%s: %d %d", rows[i].url, always, dev);
	}
}

static void test_length(void **state)
{
	char *url = malloc(FETCH_URL_MAX + 1);
	struct err err;

	(void)state;
	assert_non_null(url);
	memset(url, 'a', FETCH_URL_MAX);
	memcpy(url, "https://h/", 10);
	url[FETCH_URL_MAX] = '\0';
	assert_int_equal(fetch_check_url(url, false, &err), ERR_INVALID);
	url[FETCH_URL_MAX - 1] = '\0';
	assert_int_equal(fetch_check_url(url, false, &err), 0);
	memset(url + 8, 'h', 300);
	assert_int_equal(fetch_check_url(url, false, &err), ERR_INVALID);
	free(url);
}

static void test_origin(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{"https://host/a", "https://host/b?c", true},
		{"https://host/a", "HTTPS://HOST:443/b", true},
		{"http://localhost/", "http://localhost:80/", true},
		{"https://host/", "https://host:444/", false},
		{"https://host/", "https://host./", false},
		{"https://host/", "https://www.host/", false},
		{"https://localhost:80/", "http://localhost:80/", false},
		{"http://127.0.0.1/", "http://localhost/", false},
	};
	struct url_origin a, b;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(url_check(rows[i].a, URL_PLAIN_SOCKET, &a, &err), 0);
		assert_int_equal(url_check(rows[i].b, URL_PLAIN_SOCKET, &b, &err), 0);
		if (url_same_origin(&a, &b) != rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
	assert_int_equal(url_check("http://docker/v1", URL_PLAIN_SOCKET, &a, &err), 0);
	assert_string_equal(a.text, "docker:80");
	assert_int_equal(url_check("http://10.0.0.1/", URL_PLAIN_SOCKET, NULL, &err), 0);
	assert_int_equal(url_check("ftp://10.0.0.1/", URL_PLAIN_SOCKET, NULL, &err), ERR_INVALID);
}

/* What the head of a request has; test_way.c sees it sent. */
static void test_target(void **state)
{
	static const struct {
		const char *url, *host, *path; /* host NULL: refused */
	} rows[] = {
		{"https://host", "host", "/"},
		{"https://host:443/a", "host", "/a"},
		{"https://host:0443/a", "host", "/a"},
		{"https://host:/a", "host", "/a"},
		{"https://Host.Example:80/a//b/../c/", "Host.Example:80", "/a//b/../c/"},
		{"http://127.0.0.1:80/%2F%41", "127.0.0.1", "/%2F%41"},
		{"http://127.0.0.1:443/", "127.0.0.1:443", "/"},
		{"http://127.1/", "127.0.0.1", "/"},
		{"https://[::1]:9000/x:y@z", "[::1]:9000", "/x:y@z"},
		{"https://host/?", NULL, NULL},
		{"https://host/a?b", NULL, NULL},
		{"https://host?b", NULL, NULL},
		{"https://host/#a", NULL, NULL},
		{"https://user@host/", NULL, NULL},
		{"https:///a", NULL, NULL},
		{"https://host:99999/", NULL, NULL},
		{"http://10.0.0.1/", NULL, NULL},
		{"ftp://host/", NULL, NULL},
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf host = BUF_INIT(64), path = BUF_INIT(64);
		int r = fetch_target(rows[i].url, &host, &path, &err);

		buf_put_u8(&host, 0);
		buf_put_u8(&path, 0);
		if (r != (rows[i].host ? 0 : ERR_INVALID) ||
		    strcmp((char *)host.data, rows[i].host ? rows[i].host : "") != 0 ||
		    strcmp((char *)path.data, rows[i].path ? rows[i].path : "") != 0)
			fail_msg("%s: %d, %s %s", rows[i].url, r, (char *)host.data,
				 (char *)path.data);
	}
}

static void test_loopback(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} rows[] =
		{
			{"127.0.0.1", true},  {"127.255.255.254", true},
			{"128.0.0.1", false}, {"126.255.255.255", false},
			{"0.0.0.0", false},   {"10.0.0.127", false},
		},
	  rows6[] = {
		  {"::1", true},
		  {"::", false},
		  {"::2", false},
		  {"::ffff:127.1.2.3", true},
		  {"::ffff:10.0.0.1", false},
		  {"::127.0.0.1", false},
		  {"64:ff9b::7f00:1", false},
		  {"fe80::1", false},
	  };
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr other = {.sa_family = AF_UNIX};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(inet_pton(AF_INET, rows[i].text, &v4.sin_addr), 1);
		assert_int_equal(url_is_loopback((const struct sockaddr *)&v4), rows[i].is);
	}
	for (i = 0; i < ARRAY_LEN(rows6); i++) {
		assert_int_equal(inet_pton(AF_INET6, rows6[i].text, &v6.sin6_addr), 1);
		assert_int_equal(url_is_loopback((const struct sockaddr *)&v6), rows6[i].is);
	}
	assert_false(url_is_loopback(&other));
}

static void test_escape(void **state)
{
	static const struct {
		const char *text;
		bool path;
		const char *escaped;
	} rows[] = {
		{"", false, ""},
		{"azAZ09-._~", false, "azAZ09-._~"},
		{"a/b", false, "a%2Fb"},
		{"a/b", true, "a/b"},
		{" !\"#$%&'()*+,:;<=>?@[\\]^`{|}", true,
		 "%20%21%22%23%24%25%26%27%28%29%2A%2B%2C%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C"
		 "%7D"},
		{"\x01\x7f\xc3\xa4\xff", true, "%01%7F%C3%A4%FF"},
		{"%41", false, "%2541"},
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf buf = BUF_INIT(256);

		buf_put_str(&buf, ">");
		assert_int_equal(fetch_escape(slice_str(rows[i].text), rows[i].path, &buf, &err),
				 0);
		buf_put_u8(&buf, 0);
		assert_string_equal((const char *)buf.data + 1, rows[i].escaped);
	}
}

static void test_escape_limits(void **state)
{
	CLEANUP(buf_fini) struct buf buf = BUF_INIT(8);
	struct err err;

	(void)state;
	assert_int_equal(fetch_escape(slice_of("\0", 1), false, &buf, &err), 0);
	assert_true(slice_equal(buf_slice(&buf), slice_str("%00")));
	assert_int_equal(fetch_escape(slice_str("a  "), false, &buf, &err), ERR_TOO_LARGE);
	assert_true(slice_equal(buf_slice(&buf), slice_str("%00")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),	      cmocka_unit_test(test_length),
		cmocka_unit_test(test_origin),	      cmocka_unit_test(test_target),
		cmocka_unit_test(test_loopback),      cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
