/* SPDX-License-Identifier: Apache-2.0 */
/* The CDN over a socket: ranges, what changes meanwhile, and what is stored. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http/http.h"
#include "origin/test_fixture.h"

#define FILE_SIZE 300000u /* more than two pieces */

static uint8_t content[FILE_SIZE];

static void fill(struct world *world)
{
	for (unsigned i = 0; i < FILE_SIZE; i++)
		content[i] = (uint8_t)(i * 2654435761u >> 13);
	world_put(world, "models/net.big", slice_of(content, FILE_SIZE));
}

static void get_range(struct world *world, const char *range, struct answer *ret_answer)
{
	char headers[300];

	(void)snprintf(headers, sizeof(headers), "%s%s", range, range[0] ? "\r\n" : "");
	world_ask(world, &(struct wish){.line = "GET /cdn/models/net.big", .headers = headers},
		  ret_answer);
}

static void test_ranges(void **state)
{
	static const struct {
		const char *range;
		unsigned status;
		const char *header;
		size_t from, len;
	} rows[] = {
		{"", 200, "Content-Length: 300000", 0, FILE_SIZE},
		{"Range: bytes=0-", 206, "Content-Range: bytes 0-299999/300000", 0, FILE_SIZE},
		{"Range: bytes=0-0", 206, "Content-Range: bytes 0-0/300000", 0, 1},
		{"Range: bytes=1-131072", 206, "Content-Range: bytes 1-131072/300000", 1, 131072},
		{"Range: bytes=131071-131072", 206, "Content-Range: bytes 131071-131072/300000",
		 131071, 2},
		{"Range: bytes=299999-", 206, "Content-Range: bytes 299999-299999/300000", 299999,
		 1},
		{"Range: bytes=200000-999999999999", 206,
		 "Content-Range: bytes 200000-299999/300000", 200000, 100000},
		{"Range: bytes=-1", 206, "Content-Range: bytes 299999-299999/300000", 299999, 1},
		{"Range: bytes=-999999", 206, "Content-Range: bytes 0-299999/300000", 0, FILE_SIZE},
		{"Range: bytes=300000-", 416, "Content-Range: bytes */300000", 0, 0},
		{"Range: bytes=999999999999-", 416, "Content-Range: bytes */300000", 0, 0},
		{"Range: bytes=5-4", 200, "Content-Length: 300000", 0, FILE_SIZE},
		{"Range: bytes=a-b", 200, "Content-Length: 300000", 0, FILE_SIZE},
		{"Range: lines=0-1", 200, "Content-Length: 300000", 0, FILE_SIZE},
	};

	fill(*state);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(answer_fini) struct answer answer;

		get_range(*state, rows[i].range, &answer);
		if (answer.status != rows[i].status || !answer_has(&answer, rows[i].header))
			fail_msg("%s: %.300s", rows[i].range, (const char *)answer.raw.data);
		if (answer.status == 416)
			continue;
		assert_true(answer_has(&answer, "Accept-Ranges: bytes"));
		assert_int_equal(answer.body.len, rows[i].len);
		assert_memory_equal(answer.body.data, content + rows[i].from, rows[i].len);
	}
}

static void etag_of(struct world *world, char etag[128])
{
	CLEANUP(answer_fini) struct answer answer;
	const char *at;

	get_range(world, "Range: bytes=0-0", &answer);
	at = strstr((const char *)answer.raw.data, "\r\nETag: ");
	assert_non_null(at);
	(void)snprintf(etag, 128, "%.*s", (int)strcspn(at + 8, "\r"), at + 8);
}

/* A part of another release must never be put behind what is there. */
static void test_if_range(void **state)
{
	char etag[128], headers[300];
	CLEANUP(answer_fini) struct answer same, other;

	fill(*state);
	etag_of(*state, etag);
	(void)snprintf(headers, sizeof(headers), "Range: bytes=10-19\r\nIf-Range: %s", etag);
	get_range(*state, headers, &same);
	assert_int_equal(same.status, 206);
	assert_int_equal(same.body.len, 10);
	content[0] ^= 1;
	world_put(*state, "models/net.big", slice_of(content, FILE_SIZE));
	get_range(*state, headers, &other);
	assert_int_equal(other.status, 200);
	assert_int_equal(other.body.len, FILE_SIZE);
}

static void test_head(void **state)
{
	const struct wish wish = {.line = "HEAD /cdn/models/net.big"};
	CLEANUP(answer_fini) struct answer answer;

	fill(*state);
	world_ask(*state, &wish, &answer);
	assert_int_equal(answer.status, 200);
	assert_true(answer_has(&answer, "Content-Length: 300000"));
	assert_int_equal(answer.body.len, 0);
	world_expect(*state, &(struct wish){.line = "HEAD /cdn/models/none.big"}, 404);
}

static void test_empty(void **state)
{
	CLEANUP(answer_fini) struct answer all, none;

	world_put_text(*state, "models/net.big", "");
	get_range(*state, "", &all);
	assert_int_equal(all.status, 200);
	assert_int_equal(all.body.len, 0);
	assert_true(answer_has(&all, "Content-Length: 0"));
	get_range(*state, "Range: bytes=0-", &none);
	assert_int_equal(none.status, 416);
}

static void test_names(void **state)
{
	static const struct {
		const char *line;
		unsigned status;
	} rows[] = {
		{"GET /cdn/models/net.big", 200},   {"GET /cdn/models/net.sig", 404},
		{"GET /cdn/models/net.small", 400}, {"GET /cdn/models/net", 400},
		{"GET /cdn/models/.big", 400},	    {"GET /cdn/models/..", 400},
		{"GET /cdn/models/%2e%2e", 400},    {"GET /cdn/../key-fragment", 400},
		{"GET /cdn/%2e%2e/net.big", 400},   {"GET /cdn/models/..%2fnet.big", 400},
		{"GET /cdn/models%2fnet.big", 400}, {"GET /cdn/models/net.big%00", 400},
		{"GET /cdn/models/net.big/", 400},  {"GET /cdn//net.big", 400},
		{"GET /cdn/models/a/net.big", 404}, {"GET /cdn/key-fragment/net.big", 404},
		{"GET /cdn/models", 404},
	};

	fill(*state);
	world_put_text(*state, "models/net.small", "secret");
	world_put_text(*state, "key-fragment", "secret");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct wish wish = {.line = rows[i].line};

		world_expect(*state, &wish, rows[i].status);
	}
}

/* A client that leaves in the middle of a file, and a file that ends before its length. */
static void test_cut(void **state)
{
	const struct wish leaves = {.line = "GET /cdn/models/net.big", .stop_after = 1000};
	CLEANUP(answer_fini) struct answer answer;

	fill(*state);
	world_ask(*state, &leaves, &answer);
	assert_int_equal(answer.status, 200);
	world_expect(*state, &(struct wish){.line = "GET /health"}, 200);
}

/* --- PUT --- */

static bool has_leftovers(struct world *world)
{
	DIR *dir = fdopendir(openat(world->dir, "models", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;
	bool found = false;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		found |= strncmp(entry->d_name, ".tmp-", 5) == 0;
	closedir(dir);
	return found;
}

static void test_put(void **state)
{
	static const size_t SIZES[] = {
		0, 1, HTTP_PIECE - 1, HTTP_PIECE, HTTP_PIECE + 1, 2 * HTTP_PIECE, FILE_SIZE};

	world_login(*state);
	fill(*state);
	for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
		const struct wish wish = {.line = "PUT /cdn/models/up.big",
					  .with_token = true,
					  .body = slice_of(content, SIZES[i])};
		CLEANUP(buf_fini) struct buf stored = BUF_INIT(FILE_SIZE);

		world_expect(*state, &wish, 204);
		world_get(*state, "models/up.big", &stored);
		assert_true(slice_equal(buf_slice(&stored), slice_of(content, SIZES[i])));
	}
	world_expect(*state,
		     &(struct wish){.line = "PUT /cdn/new.folder/up.sig",
				    .with_token = true,
				    .body = slice_str("sig")},
		     204);
	assert_true(world_has(*state, "new.folder/up.sig"));
	assert_false(has_leftovers(*state));
}

static void test_put_refused(void **state)
{
	static const struct {
		const char *line;
		unsigned status;
	} rows[] = {
		{"PUT /cdn/models/net.small", 400},   {"PUT /cdn/models/net", 400},
		{"PUT /cdn/models/%2e%2e", 400},      {"PUT /cdn/%2e%2e/x.big", 400},
		{"PUT /cdn/.models/x.big", 400},      {"PUT /cdn/models/..%2fx.big", 400},
		{"PUT /cdn/key-fragment/x.big", 409}, {"PUT /cdn/models/x.big.big", 400},
	};

	world_login(*state);
	world_put_text(*state, "key-fragment", "secret");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct wish wish = {
			.line = rows[i].line, .with_token = true, .body = slice_str("x")};

		world_expect(*state, &wish, rows[i].status);
	}
	assert_false(world_has(*state, "x.big"));
}

static void expect_before(struct world *world)
{
	CLEANUP(buf_fini) struct buf stored = BUF_INIT(100);

	world_get(world, "models/up.big", &stored);
	assert_true(slice_equal(buf_slice(&stored), slice_str("before")));
	assert_false(has_leftovers(world));
}

/* What is announced too large is not begun; what is chunked ends where it gets too large. */
static void test_put_large(void **state)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(UPLOAD_MAX + 1);
	struct wish wish = {.line = "PUT /cdn/models/up.big", .with_token = true};

	world_login(*state);
	world_put_text(*state, "models/up.big", "before");
	assert_non_null(buf_grow(&body, UPLOAD_MAX + 1));
	wish.body = buf_slice(&body);
	world_expect(*state, &wish, 413);
	wish.chunked = true;
	world_expect(*state, &wish, 413);
	expect_before(*state);
	body.len = UPLOAD_MAX;
	wish.body = buf_slice(&body);
	world_expect(*state, &wish, 204);
}

/* A client that leaves in the middle leaves nothing behind. */
static void test_put_cut(void **state)
{
	const size_t cuts[] = {500, 100000, FILE_SIZE};

	world_login(*state);
	world_put_text(*state, "models/up.big", "before");
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		const struct wish wish = {
			.line = "PUT /cdn/models/up.big",
			.with_token = true,
			.body = slice_of(content, FILE_SIZE),
			.cut_after = cuts[i],
		};
		CLEANUP(answer_fini) struct answer answer;

		world_ask(*state, &wish, &answer);
		assert_int_equal(answer.status, 0);
		expect_before(*state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_ranges),  WORLD_TEST(test_if_range),	WORLD_TEST(test_head),
		WORLD_TEST(test_empty),	  WORLD_TEST(test_names),	WORLD_TEST(test_cut),
		WORLD_TEST(test_put),	  WORLD_TEST(test_put_refused), WORLD_TEST(test_put_large),
		WORLD_TEST(test_put_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
