/* SPDX-License-Identifier: Apache-2.0 */
/* F3: forms in every order, one piece at a time, and clients that leave in the middle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "front/test_fixture.h"
#include "loader/fault.h"

#define UPLOAD "POST /upload/net.bin HTTP/1.1\r\n" HOST
#define TYPE   "Content-Type: multipart/form-data; boundary=\"a b\"\r\n"
#define FORM   UPLOAD "Content-Type: multipart/form-data; boundary=B-1\r\n"
#define MOST   (4u * 1024u * 1024u)

static void put_content(struct buf *form, size_t len)
{
	uint8_t *at = buf_grow(form, len);
	size_t i;

	assert_non_null(at);
	for (i = 0; i < len; i++)
		at[i] = fake_byte(i);
}

/* "d" a part data of @len bytes, "D" one whose content does not matter, "f" a folder, "u" another.
 */
static void put_form(struct buf *form, const char *parts, size_t len, const char *folder)
{
	for (; *parts; parts++) {
		buf_put_str(form, "--B-1\r\nContent-Disposition: form-data; name=\"");
		if (*parts == 'd' || *parts == 'D')
			buf_put_str(form, "data\"; filename=\"C:\\x.bin\"\r\n"
					  "Content-Type: application/octet-stream\r\n\r\n");
		else
			buf_printf(form, "%s\"\r\n\r\n", *parts == 'f' ? "folder" : "other");
		if (*parts == 'd')
			put_content(form, len);
		else
			buf_put_str(form, folder);
		buf_put_str(form, "\r\n");
	}
	buf_put_str(form, "--B-1--\r\n");
}

static void send_form(struct client *client, const char *head, const struct buf *form)
{
	assert_true(buf_ok(form));
	client_begin(client);
	client_send_body(client, head, buf_slice(form));
}

static void test_orders(void **state)
{
	static const struct {
		const char *parts;
		size_t len;
		const char *folder; /* that the loader gets */
	} CASES[] = {
		{"d", 1, "models"},
		{"d", 0, "models"},
		{"df", 100, "F.1"},
		{"fd", 100, "F.1"},
		{"d", FIXTURE_UPLOAD_MAX, "models"},
		{"df", FIXTURE_UPLOAD_MAX, "F.1"},
		{"fd", FIXTURE_UPLOAD_MAX, "F.1"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf form = BUF_INIT(MOST);
		struct client client;

		fake.added = 0;
		put_form(&form, CASES[i].parts, CASES[i].len, "F.1");
		send_form(&client, FORM, &form);
		assert_int_equal(client_status(&client), 200);
		assert_string_equal(client_body(&client), "{\"status\":\"ok\"}");
		assert_int_equal(fake.added, CASES[i].len);
		assert_false(fake.added_others);
		assert_string_equal(fake.name, "net.bin");
		assert_string_equal(fake.folder, CASES[i].folder);
		assert_int_equal(fake.ends, i + 1);
		assert_int_equal(fake.left, i + 1);
		client_end(&client);
	}
	assert_true(fake.added_most <= LOADER_PIECE);
}

static void test_bad_forms(void **state)
{
	static const struct {
		const char *parts;
		size_t len;
		const char *folder;
		unsigned status;
		const char *code;
	} CASES[] = {
		{"", 0, "F", 422, "invalid"},
		{"f", 0, "F", 422, "invalid"},
		{"dd", 10, "F", 422, "invalid"},
		{"DD", 10, "F", 422, "invalid"},
		{"ffd", 10, "F", 422, "invalid"},
		{"dff", 10, "F", 422, "invalid"},
		{"ud", 10, "F", 422, "invalid"},
		{"du", 10, "F", 422, "invalid"},
		{"df", 10, "", 422, "invalid"},
		{"fd", 10, "..", 422, "invalid"},
		{"df", 10, "a/b", 422, "invalid"},
		{"df", 10, "a\nb", 422, "invalid"},
		{"df", 10,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 422, "invalid"},
		{"d", FIXTURE_UPLOAD_MAX + 1, "F", 413, "too_large"},
		{"fd", FIXTURE_UPLOAD_MAX + 1000, "F", 413, "too_large"},
		{"d", FIXTURE_UPLOAD_MAX + 66000, "F", 413, "too_large"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf form = BUF_INIT(MOST);
		struct client client;

		fake.added = 0;
		put_form(&form, CASES[i].parts, CASES[i].len, CASES[i].folder);
		send_form(&client, FORM, &form);
		if (client_status(&client) != CASES[i].status ||
		    !strstr(client_body(&client), CASES[i].code))
			fail_msg("case %zu: '%s'", i, (const char *)client.in.data);
		/* The limit is the one that was configured, also where the header tells. */
		if (CASES[i].status == 413)
			assert_non_null(
				strstr(client_body(&client), "data is longer than 524288 bytes"));
		assert_true(fake.added <= FIXTURE_UPLOAD_MAX);
		client_end(&client);
	}
	assert_int_equal(fake.ends, 0);
	assert_int_equal(fake.left, fake.asked);
}

/* What is no form at all; the file's name in the path. */
static void test_malformed(void **state)
{
	(void)state;
	ask_fails(FORM, "", 422, "invalid");
	ask_fails(FORM, "x", 422, "invalid");
	ask_fails(FORM, "--B-1\r\nContent-Disposition: form-data; name=data\r\n\r\nx", 422,
		  "invalid");
	ask_fails(UPLOAD TYPE, "x", 422, "invalid");
	ask_fails(UPLOAD "Content-Type: multipart/form-data\r\n", "x", 422, "invalid");
	ask_fails("POST /upload/.x HTTP/1.1\r\n" HOST
		  "Content-Type: multipart/form-data; boundary=B-1\r\n",
		  "x", 422, "invalid");
	assert_int_equal(fake.ends, 0);
}

/* Chunked, of which nothing says how long it is. */
static void test_chunked(void **state)
{
	static const size_t LENGTHS[] = {300000, FIXTURE_UPLOAD_MAX + 1, MOST / 2};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(LENGTHS); i++) {
		CLEANUP(buf_fini) struct buf form = BUF_INIT(MOST);
		struct client client;
		char line[32];

		fake.added = 0;
		put_form(&form, "fd", LENGTHS[i], "F");
		client_begin(&client);
		client_send(&client, slice_str(FORM "Transfer-Encoding: chunked\r\n\r\n"));
		(void)snprintf(line, sizeof(line), "%zx\r\n", form.len);
		client_send(&client, slice_str(line));
		client_send(&client, buf_slice(&form));
		client_send(&client, slice_str("\r\n0\r\n\r\n"));
		/* One that has no end is cut where nobody reads on. */
		if (i < 2)
			assert_int_equal(client_status(&client), i == 0 ? 200 : 413);
		else
			client_wait_eof(&client);
		assert_int_equal(fake.ends, 1);
		client_end(&client);
	}
	assert_int_equal(fake.left, 3);
}

/* The loader holds a piece: no other is given to it, and what the client sends has to wait. */
static void test_backpressure(void **state)
{
	CLEANUP(buf_fini) struct buf form = BUF_INIT(MOST);
	struct client client;
	bool ended = false;
	unsigned i;

	(void)state;
	fake.holds = true;
	put_form(&form, "fd", FIXTURE_UPLOAD_MAX, "F");
	send_form(&client, FORM, &form);
	for (i = 1; !ended; i++) {
		fixture_wait(&fake.held, i);
		assert_int_equal(fake.adds + fake.ends, i);
		ended = fake.ends > 0;
		fake_go_on();
	}
	assert_int_equal(client_status(&client), 200);
	assert_false(fake.added_others);
	assert_int_equal(fake.added, FIXTURE_UPLOAD_MAX);
	client_end(&client);
}

/* After so many steps of the loader, the last of which is that with the whole. */
static void leave_after(unsigned steps, bool *ret_ended)
{
	CLEANUP(buf_fini) struct buf form = BUF_INIT(MOST);
	struct client client;
	unsigned i, left = fake.left, closed = fixture.closed;

	fake.added = fake.ends = fake.held = 0;
	put_form(&form, "d", FIXTURE_UPLOAD_MAX, "F");
	send_form(&client, FORM, &form);
	for (i = 1; i <= steps; i++) {
		fixture_wait(&fake.held, i);
		fake_go_on();
	}
	fixture_wait(&fake.held, i);
	*ret_ended = fake.ends > 0;
	client_end(&client);
	fixture_wait(&fixture.closed, closed + 1);
	assert_int_equal(fake.left, left + 1);
	assert_int_equal(fake.alive, 0);
}

static void test_leaving(void **state)
{
	bool ended = false;
	unsigned steps;

	(void)state;
	fake.holds = true;
	for (steps = 0; !ended; steps++)
		leave_after(steps, &ended);
	assert_true(steps > 3);
}

/* Between two pieces, of which the second has not come. */
static void test_leaving_half_way(void **state)
{
	CLEANUP(buf_fini) struct buf form = BUF_INIT(MOST);
	struct client client;

	(void)state;
	put_form(&form, "d", FIXTURE_UPLOAD_MAX, "F");
	client_begin(&client);
	client_send(&client, slice_str(FORM "Content-Length: 500000\r\n\r\n"));
	client_send(&client, slice_of(form.data, 200000));
	fixture_wait(&fake.told, 1);
	assert_int_equal(fake.left, 0);
	client_end(&client);
	fixture_wait(&fixture.closed, 1);
	assert_int_equal(fake.left, 1);
	assert_int_equal(fake.ends, 0);
}

static void test_adding_fails(void **state)
{
	CLEANUP(buf_fini) struct buf form = BUF_INIT(MOST);
	struct client client;

	(void)state;
	fake.adding_fails = true;
	put_form(&form, "d", FIXTURE_UPLOAD_MAX, "F");
	send_form(&client, FORM, &form);
	assert_int_equal(client_status(&client), 500);
	assert_non_null(strstr(client_body(&client), "\"disk_full\""));
	assert_int_equal(fake.adds, 1);
	client_end(&client);
}

/*
 * A refusal at the start: who waits for a word hears it before sending, who does not is read to the
 * end first, so that its answer is not lost.
 */
static void test_refusal(void **state)
{
	CLEANUP(buf_fini) struct buf form = BUF_INIT(MOST);
	struct client client;

	(void)state;
	fake.refusal = FAULT_NOT_LOGGED_IN;
	client_begin(&client);
	client_send(&client,
		    slice_str(FORM "Expect: 100-continue\r\nContent-Length: 500000\r\n\r\n"));
	assert_int_equal(client_status(&client), 401);
	client_end(&client);
	put_form(&form, "d", FIXTURE_UPLOAD_MAX, "F");
	send_form(&client, FORM, &form);
	assert_int_equal(client_status(&client), 401);
	assert_int_equal(client.sent, client.out.len);
	assert_int_equal(fake.adds, 0);
	client_end(&client);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_orders, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_bad_forms, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_malformed, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_chunked, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_backpressure, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_leaving, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_leaving_half_way, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_adding_fails, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_refusal, fixture_begin, fixture_end),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
