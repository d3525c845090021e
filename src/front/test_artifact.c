/* SPDX-License-Identifier: Apache-2.0 */
/* Artifacts of version 2: files, ranges of them, facts, and images that are not read here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "front/test_fixture.h"

#define PATH "/v2/artifacts/net.bin"
#define GET  "GET " PATH " HTTP/1.1\r\n" HOST
#define HEAD "HEAD " PATH " HTTP/1.1\r\n" HOST
#define POST "POST " PATH " HTTP/1.1\r\n" JSON
#define HEX8 "01230123"
#define HEX  HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8
#define ETAG "\"" HEX "\""
#define SIZE (3u * LOADER_PIECE + 7u)

static int begin(void **state)
{
	int r = fixture_begin(state);
	size_t i;

	fake.manifest = (struct manifest){.folder = "models",
					  .name = "net.bin",
					  .type = MANIFEST_FILE,
					  .version = "1.2",
					  .serial = 7,
					  .min_format = 2,
					  .protection = MANIFEST_TPM,
					  .plain_size = SIZE};
	for (i = 0; i < MANIFEST_DIGEST; i++)
		fake.manifest.digest[i] = i % 2 ? 0x23 : 0x01;
	fake.size = SIZE;
	return r;
}

static void send_text(struct client *client, const char *head, const char *more)
{
	client_send(client, slice_str(head));
	client_send(client, slice_str(more));
	client_send(client, slice_str("\r\n"));
}

static void expect_content(const struct client *client, uint64_t from, uint64_t len)
{
	const uint8_t *body = (const uint8_t *)client_body(client);
	uint64_t i;

	assert_int_equal(client_body_len(client), len);
	for (i = 0; i < len; i++)
		if (body[i] != fake_byte(from + i))
			fail_msg("another byte at %llu", (unsigned long long)i);
}

/* --- GET --- */

static const struct {
	const char *headers;
	unsigned status;
	const char *range; /* the answer's; NULL: none */
	uint64_t from, len;
} RANGES[] = {
	{"", 200, NULL, 0, SIZE},
	{"Range: bytes=0-\r\n", 206, "Content-Range: bytes 0-786438/786439", 0, SIZE},
	{"Range: bytes=0-0\r\n", 206, "Content-Range: bytes 0-0/786439", 0, 1},
	{"Range: bytes=1-262144\r\n", 206, "Content-Range: bytes 1-262144/786439", 1, LOADER_PIECE},
	{"Range: bytes=5-300004\r\n", 206, "Content-Range: bytes 5-300004/786439", 5, 300000},
	{"Range: bytes=786438-\r\n", 206, "Content-Range: bytes 786438-786438/786439", SIZE - 1, 1},
	{"Range: bytes=-7\r\n", 206, "Content-Range: bytes 786432-786438/786439", SIZE - 7, 7},
	{"Range: bytes=786439-\r\n", 416, "Content-Range: bytes */786439", 0, 0},
	/* Several ranges, or what is none: all of it. */
	{"Range: bytes=0-1,3-4\r\n", 200, NULL, 0, SIZE},
	{"Range: lines=0-1\r\n", 200, NULL, 0, SIZE},
	{"Range: bytes=5-9\r\nIf-Range: " ETAG "\r\n", 206, "Content-Range: bytes 5-9/786439", 5,
	 5},
	{"Range: bytes=5-9\r\nIf-Range: \"another\"\r\n", 200, NULL, 0, SIZE},
};

static void test_ranges(void **state)
{
	struct client client;
	size_t i;

	(void)state;
	client_begin(&client);
	for (i = 0; i < ARRAY_LEN(RANGES); i++) {
		fake.seeks = 0;
		buf_reset(&client.in);
		send_text(&client, GET, RANGES[i].headers);
		assert_int_equal(client_status(&client), RANGES[i].status);
		if (RANGES[i].range)
			assert_true(client_has_header(&client, RANGES[i].range));
		fixture_wait(&fake.left, (unsigned)i + 1);
		if (RANGES[i].status == 416) {
			assert_non_null(strstr(client_body(&client), "\"code\":\"invalid\""));
			continue;
		}
		assert_int_equal(fake.seeks, RANGES[i].status == 206);
		assert_true(client_has_header(&client, "ETag: " ETAG));
		assert_true(client_has_header(&client, "Accept-Ranges: bytes"));
		assert_true(client_has_header(&client, "Content-Type: application/octet-stream"));
		assert_true(client_has_header(&client, "Cache-Control: no-store"));
		expect_content(&client, RANGES[i].from, RANGES[i].len);
	}
	client_end(&client);
}

/* Of a range no more is opened than it takes. */
static void test_no_needless_pieces(void **state)
{
	(void)state;
	ask(GET "Range: bytes=3-9\r\n", NULL, 206, NULL);
	assert_int_equal(fake.reads, 1);
	assert_int_equal(fake.sought, 3);
}

static void test_empty(void **state)
{
	struct client client;

	(void)state;
	fake.size = fake.manifest.plain_size = 0;
	client_begin(&client);
	send_text(&client, GET, "");
	assert_int_equal(client_status(&client), 200);
	assert_int_equal(client_body_len(&client), 0);
	assert_true(client_has_header(&client, "ETag: " ETAG));
	client_end(&client);
	ask(GET "Range: bytes=0-\r\n", NULL, 416, NULL);
	assert_int_equal(fake.reads, 0);
}

static void wait_for_header(struct client *client)
{
	/* The answer to HEAD ends with its header, whatever that says of a length. */
	client_send(client, slice_str("GET /health HTTP/1.1\r\nConnection: close\r\n" HOST "\r\n"));
	client_wait_eof(client);
	buf_put_u8(&client->in, 0);
}

static void test_head(void **state)
{
	struct client client;
	const char *text;

	(void)state;
	client_begin(&client);
	send_text(&client, HEAD, "Range: bytes=5-9\r\n");
	wait_for_header(&client);
	text = (const char *)client.in.data;
	assert_int_equal(strncmp(text, "HTTP/1.1 200 ", strlen("HTTP/1.1 200 ")), 0);
	assert_non_null(strstr(text, "Content-Length: 786439\r\n"));
	assert_non_null(strstr(text, "ETag: " ETAG "\r\n"));
	assert_non_null(strstr(text, "\"healthy\""));
	assert_int_equal(fake.reads, 0);
	client_end(&client);
}

static void test_names(void **state)
{
	(void)state;
	ask("GET " PATH "?folder=maps HTTP/1.1\r\n" HOST, NULL, 200, NULL);
	assert_string_equal(fake.folder, "maps");
	assert_string_equal(fake.name, "net.bin");
	ask(GET, NULL, 200, NULL);
	assert_string_equal(fake.folder, "models");
	assert_int_equal(fake.artifacts, 2);
	ask_fails("GET " PATH "?folder=.hid HTTP/1.1\r\n" HOST, NULL, 422, "invalid");
	ask_fails("GET /v2/artifacts/.net HTTP/1.1\r\n" HOST, NULL, 422, "invalid");
	ask_fails("GET /v2/artifacts/net.manifest HTTP/1.1\r\n" HOST, NULL, 422, "invalid");
	ask_fails("POST /v2/artifacts/net.payload HTTP/1.1\r\n" JSON, "{}", 422, "invalid");
	ask_fails(POST, "{\"folder\":\"a/b\"}", 422, "invalid");
	ask_fails(POST, "{\"folder\":7}", 422, "invalid");
	ask_fails(POST, "[]", 422, "invalid");
	assert_int_equal(fake.artifacts, 2);
}

static void test_bad_pieces(void **state)
{
	struct client client;

	(void)state;
	fake.bad_piece = 1;
	ask_fails(GET, NULL, 422, "decrypt_failed");
	fake.bad_piece = 2;
	fake.reads = 0;
	client_begin(&client);
	send_text(&client, GET, "");
	client_wait_eof(&client);
	assert_int_equal(client_body_len(&client), LOADER_PIECE);
	assert_non_null(strstr(fixture.note, "net.bin: cut off, decrypt_failed: "));
	client_end(&client);
	fake.seek_code = ERR_UNREADABLE;
	ask_fails(GET "Range: bytes=5-\r\n", NULL, 500, "internal");
}

/* --- archives --- */

static void test_archive_is_no_file(void **state)
{
	(void)state;
	fake.manifest.type = MANIFEST_IMAGES_ARCHIVE;
	ask_fails(GET, NULL, 422, "invalid");
	assert_int_equal(fake.reads, 0);
	assert_int_equal(fake.images, 0);
}

static void test_archive_goes_to_the_engine(void **state)
{
	(void)state;
	fake.manifest.type = MANIFEST_IMAGES_ARCHIVE;
	fake.unlocked = UNLOCK_DOWNLOADING_KEY;
	ask(POST, "{}", 202, "{\"state\":\"downloading_key\"}");
	assert_int_equal(fake.images, 1);
	assert_string_equal(fake.folder, "models");
	assert_string_equal(fake.name, "net.bin");
	assert_int_equal(fake.reads, 0);
	fake.images_refusal = -1007; /* FAULT_BUSY */
	ask_fails(POST, "{}", 503, "busy");
}

/* --- POST --- */

static void test_facts(void **state)
{
	(void)state;
	ask(POST, "{}", 200,
	    "{\"folder\":\"models\",\"name\":\"net.bin\",\"type\":\"file\",\"version\":\"1.2\","
	    "\"serial\":7,\"expires\":null,\"size\":786439,\"manifest\":\"" HEX
	    "\",\"protection\":\"tpm\"}");
	fake.manifest.expires = 2000000000;
	fake.manifest.protection = MANIFEST_SOFTWARE;
	ask(POST, "{\"folder\":\"maps\"}", 200, "\"expires\":2000000000,\"size\"");
	assert_string_equal(fake.folder, "maps");
	ask(POST, "{}", 200, "\"protection\":\"software\"}");
	assert_int_equal(fake.reads, 0);
	assert_int_equal(fake.images, 0);
	assert_int_equal(fake.left, 3);
}

/* Who leaves at each step, and who is told that the loader stops. */
static void test_leaving_and_stop(void **state)
{
	static const struct {
		const char *head;
		const char *body; /* NULL: none */
		enum manifest_type type;
		unsigned steps;
	} CASES[] = {
		{GET, NULL, MANIFEST_FILE, 0},
		{GET, NULL, MANIFEST_FILE, 1},
		{POST, "{}", MANIFEST_FILE, 0},
		{POST, "{}", MANIFEST_IMAGES_ARCHIVE, 1},
	};
	size_t i, how;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		for (how = 0; how < 2; how++) {
			struct client client;
			unsigned step;

			fake.holds = true;
			fake.asked = fake.left = 0;
			fake.manifest.type = CASES[i].type;
			client_begin(&client);
			if (CASES[i].body)
				client_send_body(&client, CASES[i].head, slice_str(CASES[i].body));
			else
				send_text(&client, CASES[i].head, "");
			fixture_wait(&fake.asked, 1);
			for (step = 0; step < CASES[i].steps; step++)
				fake_go_on();
			assert_int_equal(fake.alive, 1);
			fake.left = 0;
			if (how == 1) {
				(void)front_drain(fixture.front);
				assert_int_equal(client_status(&client), 503);
				assert_non_null(strstr(client_body(&client), "\"busy\""));
			}
			client_end(&client);
			fixture_wait(&fake.left, 1);
			assert_int_equal(fake.alive, 0);
			if (how == 1) {
				fixture_end(state);
				begin(state);
			}
		}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_ranges, begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_no_needless_pieces, begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_empty, begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_head, begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_names, begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_bad_pieces, begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_archive_is_no_file, begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_archive_goes_to_the_engine, begin,
						fixture_end),
		cmocka_unit_test_setup_teardown(test_facts, begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_leaving_and_stop, begin, fixture_end),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
