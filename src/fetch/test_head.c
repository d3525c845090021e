/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of answers: ranges, times, lengths, and what may not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/head.h"

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static void test_range(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t first, last, total;
	} rows[] = {
		{"bytes 0-0/1", true, 0, 0, 1},
		{"bytes 5-9/10", true, 5, 9, 10},
		{"Bytes 5-9/100", true, 5, 9, 100},
		{"bytes 4294967296-8589934591/8589934592", true, 4294967296, 8589934591,
		 8589934592},
		{"bytes 0-999999999999999998/999999999999999999", true, 0, 999999999999999998,
		 999999999999999999},
		{"bytes 5-9/*", false, 0, 0, 0},
		{"bytes */10", false, 0, 0, 0},
		{"bytes 5-10/10", false, 0, 0, 0},
		{"bytes 9-5/10", false, 0, 0, 0},
		{"bytes 5-9/0", false, 0, 0, 0},
		{"bytes 5-9", false, 0, 0, 0},
		{"bytes 5-/10", false, 0, 0, 0},
		{"bytes -5/10", false, 0, 0, 0},
		{"bytes 5-9/10 ", false, 0, 0, 0},
		{"bytes 5-9/10,", false, 0, 0, 0},
		{"bytes  5-9/10", false, 0, 0, 0},
		{"bytes +5-9/10", false, 0, 0, 0},
		{"bytes 0x5-9/10", false, 0, 0, 0},
		{"bytes=5-9/10", false, 0, 0, 0},
		{"octets 5-9/10", false, 0, 0, 0},
		{"bytes 0-9999999999999999999/99999999999999999999", false, 0, 0, 0},
		{"bytes 18446744073709551616-18446744073709551617/18446744073709551618", false, 0,
		 0, 0},
		{"", false, 0, 0, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t first = 0, last = 0, total = 0;

		if (head_parse_range(rows[i].text, &first, &last, &total) != rows[i].good)
			fail_msg("%s", rows[i].text);
		assert_int_equal(first, rows[i].first);
		assert_int_equal(last, rows[i].last);
		assert_int_equal(total, rows[i].total);
	}
}

static void test_retry(void **state)
{
	static const struct {
		const char *text;
		uint32_t seconds;
	} rows[] = {
		{"0", 0},
		{"120", 120},
		{"4294967294", 4294967294},
		{"4294967295", UINT32_MAX},
		{"99999999999", UINT32_MAX},
		{"999999999999999999999", 0},
		{"-5", 0},
		{"1.5", 0},
		{"5 s", 0},
		{"", 0},
		/* The three forms of RFC 9110, 5.6.7. */
		{"Tue, 14 Nov 2023 22:15:20 GMT", 120},
		{"Tuesday, 14-Nov-23 22:15:20 GMT", 120},
		{"Tue Nov 14 22:15:20 2023", 120},
		{"Tue, 14 Nov 2023 22:13:20 GMT", 0},
		{"Tue, 14 Nov 2023 22:13:19 GMT", 0},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 0},
		{"Sat, 14 Nov 2222 22:15:20 GMT", UINT32_MAX},
		{"soon", 0},
		{"Tue, 45 Nov 2023 22:15:20 GMT", 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (head_parse_retry(rows[i].text, NOW) != rows[i].seconds)
			fail_msg("%s", rows[i].text);
	/* A machine without a clock. */
	assert_int_equal(head_parse_retry("Tue, 14 Nov 2023 22:15:20 GMT", -1), 0);
}

static int feed(struct head *head, const char *text, struct err *err)
{
	const char *end;
	int r = 0;

	for (; *text && r == 0; text = end + 1) {
		end = strchr(text, '\n');
		assert_non_null(end);
		r = head_feed(head, slice_of(text, (size_t)(end + 1 - text)), NOW, err);
	}
	return r;
}

static void test_fields(void **state)
{
	struct head head = {.size = 0};
	struct err err;

	(void)state;
	assert_int_equal(feed(&head,
			      "HTTP/1.1 100 Continue\r\nETag: \"old\"\r\nContent-Length: 7\r\n\r\n"
			      "HTTP/1.1 503 Later \r\ncontent-length:\t5 \r\nETAG:  W/\"a b\"\r\n"
			      "Content-Type: text/plain; charset=utf-8\r\nX-ETag: \"not\"\r\n"
			      "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nRetry-After: 9\r\n"
			      "Content-Range: bytes */12\r\nnonsense\r\n",
			      &err),
			 0);
	assert_false(head.whole);
	assert_int_equal(feed(&head, "\r\n", &err), 0);
	assert_true(head.whole);
	assert_int_equal(head.told.status, 503);
	assert_true(head.told.length_known);
	assert_int_equal(head.told.length, 5);
	assert_int_equal(head.told.first, 0);
	assert_int_equal(head.told.total, 0);
	assert_int_equal(head.told.retry_after, 9);
	assert_string_equal(head.told.etag, "W/\"a b\"");
	assert_string_equal(head.told.type, "text/plain; charset=utf-8");
	assert_string_equal(head.told.modified, "Tue, 14 Nov 2023 22:13:20 GMT");
	assert_false(head.told.modified_strong);
	assert_int_equal(head_check(&head, 0, 5, &err), 0);
	/* A trailer changes nothing. */
	assert_int_equal(feed(&head, "ETag: \"new\"\r\nContent-Length: 6\r\n", &err), 0);
	assert_string_equal(head.told.etag, "W/\"a b\"");
	assert_int_equal(head.told.length, 5);
}

static void test_texts_that_are_none(void **state)
{
	char text[HEAD_TEXT_MAX + 64];
	struct err err;
	int extra;

	(void)state;
	for (extra = -1; extra <= 1; extra += 2) {
		struct head head = {.size = 0};

		(void)snprintf(text, sizeof(text), "HTTP/1.1 200\r\nETag: %0*d\r\n\r\n",
			       (int)HEAD_TEXT_MAX + extra, 0);
		assert_int_equal(feed(&head, text, &err), 0);
		assert_int_equal(strlen(head.told.etag), extra < 0 ? HEAD_TEXT_MAX - 1 : 0);
	}
	for (extra = 0; extra < 2; extra++) {
		struct head head = {.size = 0};

		(void)snprintf(text, sizeof(text), "HTTP/1.1 200\r\nETag: \"a%cb\"\r\n\r\n",
			       extra ? 0x7f : 0x1b);
		assert_int_equal(feed(&head, text, &err), 0);
		assert_string_equal(head.told.etag, "");
		assert_string_equal(head.told.type, "");
	}
}

static void test_check(void **state)
{
#define PART "HTTP/1.1 206 Part\r\n"
	static const struct {
		const char *lines;
		uint64_t from, max;
		int code;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n", 0, 10, 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n", 0, 10, ERR_TOO_LARGE},
		{"HTTP/1.1 200 OK\r\n", 0, 10, 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n", 0, 10, 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n", 0, 10,
		 ERR_DAMAGED},
		{"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n", 0, 10, ERR_DAMAGED},
		{"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n", 0, 10, ERR_DAMAGED},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999999\r\n", 0, 10,
		 ERR_DAMAGED},
		{"HTTP/1.1 200 OK\r\nContent-Length:\r\n", 0, 10, ERR_DAMAGED},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n", 0, 10,
		 0},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", 0, 10, ERR_DAMAGED},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		 0, 10, ERR_DAMAGED},
		{"HTTP/1.1 abc\r\n", 0, 10, ERR_DAMAGED},
		{"HTTP/1.1 999 X\r\n", 0, 10, ERR_DAMAGED},
		/* All, where a part was asked for, is for the owner to judge. */
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n", 5, 10, 0},
		{"HTTP/1.1 416 No\r\nContent-Range: bytes */10\r\n", 5, 10, 0},
		{PART "Content-Range: bytes 5-9/10\r\n", 5, 10, 0},
		{PART "Content-Range: bytes 5-7/10\r\nContent-Length: 3\r\n", 5, 10, 0},
		{PART "Content-Range: bytes 5-9/10\r\nContent-Length: 4\r\n", 5, 10, ERR_DAMAGED},
		{PART "Content-Range: bytes 5-9/10\r\n", 0, 10, ERR_DAMAGED},
		{PART "Content-Range: bytes 4-9/10\r\n", 5, 10, ERR_DAMAGED},
		{PART "Content-Range: bytes 6-9/10\r\n", 5, 10, ERR_DAMAGED},
		{PART "Content-Range: bytes 0-9/10\r\n", 5, 10, ERR_DAMAGED},
		{PART "Content-Range: bytes 5-9/*\r\n", 5, 10, ERR_DAMAGED},
		{PART "Content-Range: bytes 5-9/9\r\n", 5, 10, ERR_DAMAGED},
		{PART "Content-Range: bytes 5-15/16\r\n", 5, 10, ERR_TOO_LARGE},
		{PART, 5, 10, ERR_DAMAGED},
		{PART "Content-Type: multipart/byteranges; boundary=x\r\n", 5, 10, ERR_DAMAGED},
		{PART "Content-Range: bytes 5-9/10\r\nContent-Range: bytes 5-9/10\r\n", 5, 10,
		 ERR_DAMAGED},
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct head head = {.size = 0};

		assert_int_equal(feed(&head, rows[i].lines, &err), 0);
		assert_int_equal(feed(&head, "\r\n", &err), 0);
		if (head_check(&head, rows[i].from, rows[i].max, &err) != rows[i].code)
			fail_msg("%s", rows[i].lines);
	}
}

static void test_size(void **state)
{
	static char line[1024];
	struct head head = {.size = 0};
	struct err err;
	size_t i;

	(void)state;
	memset(line, 'a', sizeof(line));
	for (i = 0; i < HEAD_MAX / sizeof(line); i++)
		assert_int_equal(head_feed(&head, slice_of(line, sizeof(line)), NOW, &err), 0);
	assert_int_equal(head_feed(&head, slice_of(line, 1), NOW, &err), ERR_TOO_LARGE);
	/* Nor do endless interim answers pass. */
	head = (struct head){.size = 0};
	for (i = 0; feed(&head, "HTTP/1.1 100 C\r\n\r\n", &err) == 0; i++)
		assert_true(i < HEAD_MAX);
	assert_int_equal(err.code, ERR_TOO_LARGE);
}

/* RFC 9110, 8.8.2.2 */
static void test_modified(void **state)
{
	static const struct {
		const char *lines;
		bool strong;
	} rows[] = {
		{"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
		 "Date: Tue, 14 Nov 2023 22:13:21 GMT\r\n",
		 true},
		{"Date: Wed, 15 Nov 2023 00:00:00 GMT\r\n"
		 "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n",
		 true},
		{"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
		 "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n",
		 false},
		{"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
		 "Date: Tue, 14 Nov 2023 22:13:19 GMT\r\n",
		 false},
		{"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n", false},
		{"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nDate: then\r\n", false},
		{"Last-Modified: then\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n", false},
		{"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct head head = {.size = 0};
		struct err err;

		assert_int_equal(feed(&head, "HTTP/1.1 200 OK\r\n", &err), 0);
		assert_int_equal(feed(&head, rows[i].lines, &err), 0);
		assert_int_equal(feed(&head, "\r\n", &err), 0);
		assert_int_equal(head.told.modified_strong, rows[i].strong);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range),  cmocka_unit_test(test_retry),
		cmocka_unit_test(test_fields), cmocka_unit_test(test_texts_that_are_none),
		cmocka_unit_test(test_check),  cmocka_unit_test(test_modified),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
