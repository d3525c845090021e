/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of answers, without sockets: every way to cut an answer, and answers that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "client/http.h"

#define BODY_MAX 64u

static const char LENGTH[] = "HTTP/1.1 200 OK\r\n"
			     "content-type:  Application/Octet-Stream ; charset=x \r\n"
			     "Holdfast-Protection: tpm\r\n"
			     "Content-Length: 5\r\n"
			     "X-Other: a:b\r\n"
			     "\r\n"
			     "he\0lo";
static const char CHUNKED[] = "HTTP/1.1 503 Service Unavailable\r\n"
			      "Transfer-Encoding: chunked\r\n"
			      "Retry-After: 7\r\n"
			      "Connection: close\r\n"
			      "\r\n"
			      "2\r\nhe\r\n"
			      "03;name=value\r\n\0lo\r\n"
			      "0\r\n"
			      "Trailer: x\r\n"
			      "\r\n";
static const char INTERIM[] = "HTTP/1.1 100 Continue\r\n"
			      "\r\n"
			      "HTTP/1.1 200\r\n"
			      "Content-Length: 5\r\n"
			      "\r\n"
			      "he\0lo";

static const struct whole {
	struct slice bytes;
	struct http_head head;
} WHOLE[] = {
	{{(const uint8_t *)LENGTH, sizeof(LENGTH) - 1},
	 {.status = 200,
	  .keep_alive = true,
	  .content_type = "application/octet-stream",
	  .protection = "tpm"}},
	{{(const uint8_t *)CHUNKED, sizeof(CHUNKED) - 1}, {.status = 503, .retry_after = 7}},
	{{(const uint8_t *)INTERIM, sizeof(INTERIM) - 1}, {.status = 200, .keep_alive = true}},
};

static void assert_whole(const struct whole *whole, const struct http_reader *reader)
{
	assert_true(http_reader_done(reader));
	assert_int_equal(reader->head.status, whole->head.status);
	assert_int_equal(reader->head.keep_alive, whole->head.keep_alive);
	assert_int_equal(reader->head.retry_after, whole->head.retry_after);
	assert_string_equal(reader->head.content_type, whole->head.content_type);
	assert_string_equal(reader->head.protection, whole->head.protection);
	assert_int_equal(reader->body->len, 5);
	assert_memory_equal(reader->body->data, "he\0lo", 5);
}

/* Two pieces, cut at @at; the reader must not be done before the last byte. */
static void read_cut(const struct whole *whole, size_t at)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
	CLEANUP(http_reader_fini) struct http_reader reader;
	struct slice rest = slice_of(whole->bytes.data + at, whole->bytes.len - at);
	struct err err = {0};

	http_reader_init(&reader, &body);
	assert_int_equal(http_reader_feed(&reader, slice_of(whole->bytes.data, at), &err), 0);
	assert_int_equal(http_reader_done(&reader), rest.len == 0);
	assert_int_equal(http_reader_feed(&reader, rest, &err), 0);
	assert_whole(whole, &reader);
}

static void read_by_bytes(const struct whole *whole)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(5);
	CLEANUP(http_reader_fini) struct http_reader reader;
	struct err err = {0};
	size_t i;

	http_reader_init(&reader, &body);
	for (i = 0; i < whole->bytes.len; i++) {
		assert_false(http_reader_done(&reader));
		assert_int_equal(
			http_reader_feed(&reader, slice_of(whole->bytes.data + i, 1), &err), 0);
	}
	assert_whole(whole, &reader);
}

static void test_every_cut(void **state)
{
	size_t i, at;

	(void)state;
	for (i = 0; i < ARRAY_LEN(WHOLE); i++) {
		for (at = 0; at <= WHOLE[i].bytes.len; at++)
			read_cut(&WHOLE[i], at);
		read_by_bytes(&WHOLE[i]);
	}
}

static void test_bytes_behind_the_end_are_dropped(void **state)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
	CLEANUP(http_reader_fini) struct http_reader reader;
	struct err err = {0};

	(void)state;
	http_reader_init(&reader, &body);
	assert_int_equal(http_reader_feed(&reader, WHOLE[0].bytes, &err), 0);
	assert_true(reader.head.keep_alive);
	assert_int_equal(http_reader_feed(&reader, slice_str("HTTP/1.1 200"), &err), 0);
	assert_false(reader.head.keep_alive);
	assert_int_equal(body.len, 5);
}

static const struct {
	const char *bytes;
	unsigned status;
	bool keep_alive;
} EMPTY[] = {
	{"HTTP/1.1 204 No Content\r\n\r\n", 204, true},
	{"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, true},
	{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, false},
	{"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", 200, true},
	{"HTTP/1.1 404 \r\nTransfer-Encoding: Chunked\r\n\r\n000\r\n\r\n", 404, true},
	{"HTTP/1.1 503 x\r\nContent-Length:0\r\nRetry-After: soon\r\n\r\n", 503, true},
};

static void test_empty_bodies(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(EMPTY); i++) {
		CLEANUP(buf_fini) struct buf body = BUF_INIT(0);
		CLEANUP(http_reader_fini) struct http_reader reader;
		struct err err = {0};

		http_reader_init(&reader, &body);
		assert_int_equal(http_reader_feed(&reader, slice_str(EMPTY[i].bytes), &err), 0);
		assert_true(http_reader_done(&reader));
		assert_int_equal(reader.head.status, EMPTY[i].status);
		assert_int_equal(reader.head.keep_alive, EMPTY[i].keep_alive);
		assert_int_equal(reader.head.retry_after, 0);
		assert_int_equal(body.len, 0);
	}
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
	const char *bytes;
	int code;
} REFUSED[] = {
	{"garbage\r\n", ERR_INTERNAL},
	{"\r\n", ERR_INTERNAL},
	{"HTTP/2 200\r\n", ERR_INTERNAL},
	{"HTTP/1.1  200\r\n", ERR_INTERNAL},
	{"HTTP/1.1 2000 OK\r\n", ERR_INTERNAL},
	{"HTTP/1.1 20 OK\r\n", ERR_INTERNAL},
	{"HTTP/1.1 999 OK\r\n", ERR_INTERNAL},
	{"HTTP/1.1 200 OK\n", ERR_INTERNAL},
	{"HTTP/1.1 101 Switching\r\n\r\n", ERR_INTERNAL},
	{OK "Content-Length: 5\n", ERR_INTERNAL},
	{OK "no colon\r\n", ERR_INTERNAL},
	{OK ": no name\r\n", ERR_INTERNAL},
	{OK "Content-Length : 5\r\n", ERR_INTERNAL},
	{OK " folded: line\r\n", ERR_INTERNAL},
	{OK "X: a\033[31m\r\n", ERR_INTERNAL},
	{OK "X: a\rb\r\n", ERR_INTERNAL},
	{OK "\r\n", ERR_INTERNAL},
	{OK "Content-Length:\r\n", ERR_INTERNAL},
	{OK "Content-Length: -1\r\n", ERR_INTERNAL},
	{OK "Content-Length: +5\r\n", ERR_INTERNAL},
	{OK "Content-Length: 5,5\r\n", ERR_INTERNAL},
	{OK "Content-Length: 0x5\r\n", ERR_INTERNAL},
	{OK "Content-Length: 99999999999999999999\r\n", ERR_INTERNAL},
	{OK "Content-Length: 5\r\nContent-Length: 5\r\n", ERR_INTERNAL},
	{OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_INTERNAL},
	{OK "Transfer-Encoding: gzip, chunked\r\n", ERR_INTERNAL},
	{OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ERR_INTERNAL},
	{"HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n", ERR_INTERNAL},
	{OK "Content-Length: 65\r\n\r\n", ERR_TOO_LARGE},
	{OK "Content-Length: 999999999999999999\r\n\r\n", ERR_TOO_LARGE},
	{OK "Transfer-Encoding: chunked\r\n\r\n\r\n", ERR_INTERNAL},
	{OK "Transfer-Encoding: chunked\r\n\r\n-1\r\n", ERR_INTERNAL},
	{OK "Transfer-Encoding: chunked\r\n\r\n0x1\r\n", ERR_INTERNAL},
	{OK "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", ERR_INTERNAL},
	{OK "Transfer-Encoding: chunked\r\n\r\n41\r\n", ERR_TOO_LARGE},
	{OK "Transfer-Encoding: chunked\r\n\r\n40\r\n"
	    "0123456789012345678901234567890123456789012345678901234567890123\r\n1\r\n",
	 ERR_TOO_LARGE},
	{OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n", ERR_TOO_LARGE},
	{OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n", ERR_INTERNAL},
	{OK "Transfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n", ERR_INTERNAL},
};

/* Fed byte by byte, so that the fault is seen at its byte: at the end of the text, not before. */
static void test_refused(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < ARRAY_LEN(REFUSED); i++) {
		CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
		CLEANUP(http_reader_fini) struct http_reader reader;
		struct slice bytes = slice_str(REFUSED[i].bytes);
		struct err err = {0};
		int r = 0;

		http_reader_init(&reader, &body);
		for (n = 0; r == 0 && n < bytes.len; n++)
			r = http_reader_feed(&reader, slice_of(bytes.data + n, 1), &err);
		if (r != REFUSED[i].code || n < bytes.len - 1)
			print_error("case %zu: %d at byte %zu\n", i, r, n);
		assert_int_equal(r, REFUSED[i].code);
		assert_int_equal(err.code, r);
		assert_true(n >= bytes.len - 1);
		assert_false(http_reader_done(&reader));
	}
}

/* Feeds @unit until it is refused; returns how many bytes were taken before. */
static size_t feed_for_ever(struct http_reader *reader, const char *unit, struct err *err)
{
	size_t taken = 0;

	while (taken < 4u * HTTP_HEAD_MAX) {
		if (http_reader_feed(reader, slice_str(unit), err) < 0)
			return taken;
		taken += strlen(unit);
	}
	return taken;
}

static const struct {
	const char *start, *unit;
} ENDLESS[] = {
	{"", "H"},
	{"", "HTTP/1.1 100 Continue\r\n\r\n"},
	{OK, "X: y\r\n"},
	{OK "X: ", "y"},
	{OK "Transfer-Encoding: chunked\r\n\r\n1;", "x"},
	{OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"},
};

static void test_endless_lines(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ENDLESS); i++) {
		CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
		CLEANUP(http_reader_fini) struct http_reader reader;
		struct err err = {0};

		http_reader_init(&reader, &body);
		assert_int_equal(http_reader_feed(&reader, slice_str(ENDLESS[i].start), &err), 0);
		assert_in_range(feed_for_ever(&reader, ENDLESS[i].unit, &err), 1, HTTP_HEAD_MAX);
		assert_int_equal(err.code, ERR_INTERNAL);
	}
}

/* A NUL inside a line must not hide what follows it. */
static void test_nul_in_a_line(void **state)
{
	static const char BYTES[] = OK "Content-Length: 1\0002\r\n\r\n";
	CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
	CLEANUP(http_reader_fini) struct http_reader reader;
	struct err err = {0};

	(void)state;
	http_reader_init(&reader, &body);
	assert_int_equal(http_reader_feed(&reader, slice_of(BYTES, sizeof(BYTES) - 1), &err),
			 ERR_INTERNAL);
}

/* Every digit of a chunk's size, in both cases: the chunk of that size is taken whole. */
static void test_chunk_sizes(void **state)
{
	static const char DIGITS[] = "123456789abcdefABCDEF";
	static const char BYTES[] = "0123456789abcde";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(DIGITS) - 1; i++) {
		CLEANUP(buf_fini) struct buf body = BUF_INIT(BODY_MAX);
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(256);
		CLEANUP(http_reader_fini) struct http_reader reader;
		size_t size = i < 15 ? i + 1 : i - 5;
		struct err err = {0};

		buf_printf(&bytes, OK "Transfer-Encoding: chunked\r\n\r\n%c\r\n%.*s\r\n0\r\n\r\n",
			   DIGITS[i], (int)size, BYTES);
		http_reader_init(&reader, &body);
		assert_int_equal(http_reader_feed(&reader, buf_slice(&bytes), &err), 0);
		assert_true(http_reader_done(&reader));
		assert_int_equal(body.len, size);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_bytes_behind_the_end_are_dropped),
		cmocka_unit_test(test_empty_bodies),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_endless_lines),
		cmocka_unit_test(test_nul_in_a_line),
		cmocka_unit_test(test_chunk_sizes),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
