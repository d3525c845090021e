/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures that botocore 1.29 made of invented keys, and what is not signed at all. Many more are
 * compared by tests/fetch/sigv4.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "fetch/sigv4.h"

static struct secret *key;
static uint8_t abc[32];

static int setup(void **state)
{
	const struct slice text = slice_str("abc");
	struct err err;

	(void)state;
	if (secret_copy(slice_str("kelp/forest+tide"), &key, &err) < 0)
		return -1;
	return hash_digest(HASH_SHA256, &text, 1, abc, &err);
}

static int teardown(void **state)
{
	(void)state;
	secret_free(key);
	return 0;
}

static const struct sigv4_who WHO = {.region = "eu-north-1", .access_key = "AKIDHOLDFAST"};
static const struct sigv4_request PLAIN = {
	.method = "GET",
	.host = "cdn.example.net",
	.path = "/bucket/models/net.big",
	.at = 1700000000,
};

static int sign(struct sigv4_who who, const struct sigv4_request *request,
		struct sigv4_headers *headers)
{
	struct err err;

	who.secret_key = who.secret_key ? who.secret_key : key;
	*headers = (struct sigv4_headers){.authorization = BUF_INIT(4096)};
	return sigv4_sign(&who, request, headers, &err);
}

static void test_known(void **state)
{
	const struct {
		struct sigv4_request request;
		const char *date, *content, *end;
	} rows[] = {
		{PLAIN, "20231114T221320Z", "UNSIGNED-PAYLOAD",
		 "AWS4-HMAC-SHA256 Credential=AKIDHOLDFAST/20231114/eu-north-1/s3/aws4_request, "
		 "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
		 "ce467137190520d37e6c5b3a4834ee9a4d1c739e3922031e396da32540bf903a"},
		{{"PUT", "cdn.example.net:9000", "/bucket/a%20b%2B.big", abc, 1700000000},
		 "20231114T221320Z",
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		 "AWS4-HMAC-SHA256 Credential=AKIDHOLDFAST/20231114/eu-north-1/s3/aws4_request, "
		 "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
		 "f8b9e7b7f6b3495e5b0384bc170594b59224cc7c53e759ed4f4a15e8a63800d5"},
		{{"GET", "CDN.example.net", "/", NULL, 0},
		 "19700101T000000Z",
		 "UNSIGNED-PAYLOAD",
		 "AWS4-HMAC-SHA256 Credential=AKIDHOLDFAST/19700101/eu-north-1/s3/aws4_request, "
		 "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
		 "02a7125edf64898bd1aadeeee67a389049b0b2e2d8770f7fab4e6792f5952bfa"},
	};
	struct sigv4_headers headers;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(sign(WHO, &rows[i].request, &headers), 0);
		assert_string_equal(headers.date, rows[i].date);
		assert_string_equal(headers.content, rows[i].content);
		assert_string_equal((const char *)headers.authorization.data, rows[i].end);
		buf_fini(&headers.authorization);
	}
}

static void refuse(struct sigv4_who who, struct sigv4_request request, const char *what)
{
	struct sigv4_headers headers;

	if (sign(who, &request, &headers) != ERR_INVALID)
		fail_msg("signed: %s", what);
	assert_int_equal(headers.authorization.len, 0);
	assert_int_equal(headers.date[0], 0);
	buf_fini(&headers.authorization);
}

static void test_refused(void **state)
{
	static const char *const paths[] = {"",	     "a",    "/a b",   "/a+b",	    "/%2f",
					    "/%zz",  "/%4",  "/%",     "/\xc3\xa4", "/a?b",
					    "/a\nb", "/%41", "/a:b@c", "/(a)*!'"};
	static const char *const words[] = {"", "a b", "a\nb", "a/b", "\xc3\xa4"};
	struct sigv4_request request;
	struct sigv4_who who;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(paths); i++) {
		request = PLAIN;
		request.path = paths[i];
		refuse(WHO, request, paths[i]);
	}
	for (i = 0; i < ARRAY_LEN(words); i++) {
		who = WHO;
		who.region = words[i];
		refuse(who, PLAIN, "region");
		who = WHO;
		who.access_key = words[i];
		refuse(who, PLAIN, "access key");
		request = PLAIN;
		request.host = i == 3 ? "a\r\nb" : words[i];
		refuse(WHO, request, "host");
	}
	request = PLAIN;
	request.at = -1;
	refuse(WHO, request, "time");
	request.at = INT64_MAX;
	refuse(WHO, request, "time");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
