/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams against a scripted service: how a body goes out, what comes back, what is repeated and
 * what cannot be, and every way for either side to end it early.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/mem.h"
#include "client/call.h"
#include "client/test_fixture.h"

#define PIECE 65536u
#define MOST  (1024u * 1024u)

/* A caller: gives @size bytes in reads of at most @step, keeps what it gets. */
struct caller {
	size_t size;
	size_t step; /* 0 = as much as there is room for */
	size_t given;
	size_t stop_read;  /* ends the call once so much was given; 0 = never */
	size_t stop_write; /* .. so much came */
	struct buf got;
};

static uint8_t byte_at(size_t at)
{
	return (uint8_t)('a' + at % 23);
}

static int give(void *arg, void *data, size_t room, size_t *ret_len)
{
	struct caller *caller = arg;
	size_t len = caller->size - caller->given;
	size_t i;

	if (caller->stop_read > 0 && caller->given >= caller->stop_read)
		return 7;
	if (len > room)
		len = room;
	if (caller->step > 0 && len > caller->step)
		len = caller->step;
	for (i = 0; i < len; i++)
		((uint8_t *)data)[i] = byte_at(caller->given + i);
	caller->given += len;
	*ret_len = len;
	return 0;
}

static int take(void *arg, const void *data, size_t len)
{
	struct caller *caller = arg;

	assert_true(len > 0);
	buf_put(&caller->got, slice_of(data, len));
	return caller->stop_write > 0 && caller->got.len >= caller->stop_write ? 8 : 0;
}

static int seal(struct hf *hf, struct caller *caller, uint64_t total)
{
	const struct hf_stream stream = {
		.read = give, .write = take, .arg = caller, .total = total};

	caller->got.max = MOST;
	return hf_seal_stream(hf, &stream);
}

static void assert_got(struct caller *caller, const char *text)
{
	assert_int_equal(caller->got.len, strlen(text));
	assert_memory_equal(caller->got.data, text, caller->got.len);
	buf_fini(&caller->got);
}

/* --- what goes out --- */

static const struct {
	size_t size, step;
	bool total; /* stated */
	const char *length;
	bool expect;
	size_t body; /* bytes on the wire */
} BODIES[] = {
	{0, 0, false, "\r\nContent-Length: 0\r\n", false, 0},
	{0, 0, true, "\r\nContent-Length: 0\r\n", false, 0},
	{5, 1, false, "\r\nContent-Length: 5\r\n", false, 5},
	{PIECE - 1, 0, false, "\r\nContent-Length: 65535\r\n", false, PIECE - 1},
	{PIECE, 0, true, "\r\nContent-Length: 65536\r\n", false, PIECE},
	{PIECE + 1, 0, true, "\r\nContent-Length: 65537\r\n", true, PIECE + 1},
	{MOST, 0, true, "\r\nContent-Length: 1048576\r\n", true, MOST},
	{MOST, 4099, true, "\r\nContent-Length: 1048576\r\n", true, MOST},
	{PIECE, 0, false, "\r\nTransfer-Encoding: chunked\r\n", true, 7 + PIECE + 2 + 5},
	{PIECE + 17, 0, false, "\r\nTransfer-Encoding: chunked\r\n", true,
	 7 + PIECE + 2 + 4 + 17 + 2 + 5},
	{3u * PIECE, 0, false, "\r\nTransfer-Encoding: chunked\r\n", true,
	 3u * (7 + PIECE + 2) + 5},
};

/* The data bytes of a body as it was sent, chunks taken apart. */
static void assert_body(const char *body, size_t len, bool chunked, size_t size)
{
	size_t at = 0, seen = 0, chunk = size;

	while (seen < size || (chunked && chunk > 0)) {
		if (chunked) {
			chunk = strtoul(body + at, NULL, 16);
			at += strcspn(body + at, "\n") + 1;
		}
		for (; chunk > 0 && seen < size; chunk--)
			assert_int_equal((uint8_t)body[at++], byte_at(seen++));
		if (chunked) {
			assert_memory_equal(body + at, "\r\n", 2);
			at += 2;
			chunk = seen < size || at < len;
		}
	}
	assert_int_equal(at, len);
}

static void one_body(struct fake *fake, size_t i)
{
	static const struct step STEP = {SEALED};
	struct caller caller = {.size = BODIES[i].size, .step = BODIES[i].step};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	const char *text, *body;

	fake_serve(fake, &STEP, 1);
	assert_int_equal(
		seal(fake->hf, &caller, BODIES[i].total ? BODIES[i].size : HF_TOTAL_UNKNOWN), 0);
	assert_int_equal(hf_error_code(fake->hf), 0);
	assert_string_equal(hf_protection(fake->hf), "tpm");
	assert_got(&caller, "blob");
	fake_served(fake, &log);
	text = (const char *)log.data;
	body = strstr(text, "\r\n\r\n") + 4;
	assert_ptr_equal(strstr(text, "POST /v1/seal HTTP/1.1\r\n"), text);
	assert_non_null(strstr(text, "\r\nContent-Type: application/octet-stream\r\n"));
	assert_non_null(strstr(text, BODIES[i].length));
	assert_int_equal(strstr(text, "\r\nExpect: 100-continue\r\n") != NULL, BODIES[i].expect);
	assert_int_equal(log.len - 1 - (size_t)(body - text), BODIES[i].body);
	assert_body(body, BODIES[i].body, strstr(BODIES[i].length, "chunked") != NULL,
		    BODIES[i].size);
}

static void test_bodies(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BODIES); i++) {
		void *fake = NULL;

		assert_int_equal(fake_setup(&fake), 0);
		one_body(fake, i);
		assert_int_equal(fake_teardown(&fake), 0);
	}
}

/* One that never asks for the body gets it all the same, after a second. */
static void test_no_continue(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .silent = true}};
	struct caller caller = {.size = 2u * PIECE};
	uint64_t before = clock_monotonic_us();

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &caller, HF_TOTAL_UNKNOWN), 0);
	assert_true(clock_monotonic_us() - before >= 1000000u);
	assert_got(&caller, "blob");
	fake_served_all(fake);
}

static void test_lying_totals(void **state)
{
	static const struct {
		size_t size;
		uint64_t total;
		const char *text;
	} CASES[] = {
		{5, 6, "shorter"},
		{6, 5, "longer"},
		{0, 1, "shorter"},
		{1, 0, "longer"},
	};
	struct fake *fake = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct caller caller = {.size = CASES[i].size};

		assert_int_equal(seal(fake->hf, &caller, CASES[i].total), HF_INVALID);
		assert_non_null(strstr(hf_error_text(fake->hf), CASES[i].text));
		assert_got(&caller, "");
	}
}

/* Found out while it is on its way: the last bytes are never sent, so nothing is sealed. */
static void test_lying_large_totals(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{.head_only = true, .then = DRAIN},
				     {.head_only = true, .then = DRAIN}};
	struct caller more = {.size = MOST}, less = {.size = MOST};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &more, 3u * PIECE), HF_INVALID);
	assert_int_equal(fake->hf->conn.fd, -1);
	assert_int_equal(seal(fake->hf, &less, MOST + 1u), HF_INVALID);
	assert_int_equal(less.given, MOST);
	assert_got(&more, "");
	assert_got(&less, "");
	fake_served_all(fake);
}

/* Known before anything is sent, or found out while it is. */
static void test_over_the_limit(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{.head_only = true, .then = DRAIN}};
	struct caller known = {.size = 5}, unknown = {.size = HF_SEAL_MAX + 1u};

	assert_int_equal(seal(fake->hf, &known, HF_SEAL_MAX + 1u), HF_TOO_LARGE);
	assert_int_equal(known.given, 0);
	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &unknown, HF_TOTAL_UNKNOWN), HF_TOO_LARGE);
	assert_non_null(strstr(hf_error_text(fake->hf), "64 MiB of plaintext"));
	fake_served_all(fake);
}

/* A service that cannot say what is wrong with a body, once it reads it, closes. */
static void test_closed_while_sending(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = "HTTP/1.1 100 Continue\r\n\r\n", .head_only = true, .then = LINGER}};
	struct caller caller = {.size = MOST};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &caller, HF_TOTAL_UNKNOWN), HF_INTERNAL);
	assert_non_null(strstr(hf_error_text(fake->hf), "too much"));
	fake_served_all(fake);
}

static void test_functions_are_needed(void **state)
{
	struct fake *fake = *state;
	const struct hf_stream no_read = {.write = take}, no_write = {.read = give};

	assert_int_equal(hf_seal_stream(fake->hf, NULL), HF_INVALID);
	assert_int_equal(hf_seal_stream(fake->hf, &no_read), HF_INVALID);
	assert_int_equal(hf_unseal_stream(fake->hf, &no_write), HF_INVALID);
}

/* --- what comes back --- */

#define TOO_LARGE                                                                                  \
	.answer = PROBLEM("413 x"), .body = "{\"code\":\"too_large\",\"detail\":\"limit\"}"
#define STARTING                                                                                   \
	.answer = PROBLEM("503 x") "Retry-After: 0\r\n",                                           \
	.body = "{\"code\":\"starting\",\"detail\":\"not yet\"}"

/* A refusal at the head, before anything of the body was sent; nothing of it reaches the caller. */
static void test_refused_at_once(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{TOO_LARGE, .head_only = true, .then = LINGER}, {SEALED}};
	struct caller large = {.size = MOST}, small = {.size = 1};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &large, MOST), HF_TOO_LARGE);
	assert_string_equal(hf_error_text(fake->hf), "limit");
	assert_int_equal(large.given, PIECE);
	assert_got(&large, "");
	assert_int_equal(seal(fake->hf, &small, 1), 0);
	assert_got(&small, "blob");
	fake_served_all(fake);
}

/* The first piece is still there: the whole stream goes out once the service is ready. */
static void test_starting(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{STARTING, .head_only = true, .then = LINGER},
		{STARTING, .head_only = true, .then = LINGER},
		{SEALED},
		{STARTING},
		{SEALED},
	};
	struct caller large = {.size = MOST}, small = {.size = 9};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &large, HF_TOTAL_UNKNOWN), 0);
	assert_int_equal(large.given, MOST);
	assert_got(&large, "blob");
	assert_int_equal(seal(fake->hf, &small, HF_TOTAL_UNKNOWN), 0);
	assert_got(&small, "blob");
	fake_served_all(fake);
}

/* .. but not when it says so after it asked for the body. */
static void test_starting_too_late(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{STARTING}};
	struct caller large = {.size = MOST};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &large, MOST), HF_STARTING);
	assert_got(&large, "");
	fake_served_all(fake);
}

/* A kept connection that is closed meanwhile is replaced while that can be done. */
static void test_lost_connection(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{SEALED}, {.head_only = true, .then = CLOSE}, {SEALED}, {.then = CLOSE}};
	struct caller first = {.size = 1}, second = {.size = MOST}, third = {.size = MOST};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &first, 1), 0);
	assert_int_equal(seal(fake->hf, &second, MOST), 0);
	assert_int_equal(seal(fake->hf, &third, MOST), HF_INTERNAL);
	assert_non_null(strstr(hf_error_text(fake->hf), "broke off"));
	assert_got(&first, "blob");
	assert_got(&second, "blob");
	assert_got(&third, "");
	fake_served_all(fake);
}

/* Bytes came, and the rest does not: the caller must not take them for all. */
static void test_cut_answer(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = OCTETS "Content-Length: 99\r\n\r\nplain", .then = CLOSE},
		{.answer = OCTETS "Content-Length: 99\r\n\r\n", .then = CLOSE},
		{.answer = OCTETS "Content-Length: 99\r\n\r\nplain", .then = CLOSE},
	};
	struct caller caller = {.size = 3};
	const struct hf_stream stream = {.read = give, .write = take, .arg = &caller, .total = 3};
	size_t i;

	caller.got.max = MOST;
	fake_serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		caller.given = 0;
		assert_int_equal(i < 2 ? hf_unseal_stream(fake->hf, &stream)
				       : hf_seal_stream(fake->hf, &stream),
				 HF_INTERNAL);
		assert_int_equal(strstr(hf_error_text(fake->hf), "may be damaged") != NULL, i == 0);
		assert_string_equal(hf_protection(fake->hf), "");
		assert_int_equal(fake->hf->conn.fd, -1);
		assert_got(&caller, i == 1 ? "" : "plain");
		caller.got = (struct buf)BUF_INIT(MOST);
	}
	fake_served_all(fake);
}

static void test_damaged(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = PROBLEM("422 x"),
		 .body = "{\"code\":\"damaged\",\"detail\":\"the header\"}"},
		{.answer = HEAD("200 x", "text/html"), .body = "<html>"},
		{.answer = OCTETS "Content-Length: 9999999999999\r\n\r\n", .then = LINGER},
	};
	static const int CODES[] = {HF_DAMAGED, HF_INTERNAL, HF_TOO_LARGE};
	size_t i;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		struct caller caller = {.size = 3};

		assert_int_equal(seal(fake->hf, &caller, 3), CODES[i]);
		assert_got(&caller, "");
	}
	fake_served_all(fake);
}

/* A blob for bytes that were never sent is none. */
static void test_early_success(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .head_only = true, .then = LINGER}};
	struct caller caller = {.size = MOST};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &caller, MOST), HF_INTERNAL);
	assert_non_null(strstr(hf_error_text(fake->hf), "before all data was sent"));
	buf_fini(&caller.got);
	fake_served_all(fake);
}

/* --- ends by the caller --- */

static void test_caller_stops(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.head_only = true, .then = DRAIN},
		{SEALED, .then = LINGER},
	};
	struct caller unread = {.size = 9, .stop_read = 9};
	struct caller reading = {.size = MOST, .stop_read = 2u * PIECE};
	struct caller writing = {.size = 9, .stop_write = 1};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(seal(fake->hf, &unread, HF_TOTAL_UNKNOWN), 7);
	assert_int_equal(seal(fake->hf, &reading, HF_TOTAL_UNKNOWN), 7);
	assert_int_equal(hf_error_code(fake->hf), 0);
	assert_int_equal(fake->hf->conn.fd, -1);
	assert_int_equal(seal(fake->hf, &writing, 9), 8);
	assert_int_equal(fake->hf->conn.fd, -1);
	assert_string_equal(hf_protection(fake->hf), "");
	buf_fini(&writing.got);
	fake_served_all(fake);
}

/* --- time --- */

static void test_silence(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = NULL, .then = LINGER},
		{.answer = OCTETS "Content-Length: 60000\r\n\r\nx", .then = LINGER},
	};
	size_t i;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	hf_set_timeout_ms(fake->hf, 500);
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		struct caller caller = {.size = 2};
		uint64_t before = clock_monotonic_us();

		assert_int_equal(seal(fake->hf, &caller, 2), HF_TIMEOUT);
		assert_true(clock_monotonic_us() - before >= 500000u);
		buf_fini(&caller.got);
	}
	fake_served_all(fake);
}

/* Slow, but never silent for long: it may take longer in all than the deadline of other calls. */
struct patient {
	uint64_t until;
};

static int give_nothing(void *arg, void *data, size_t room, size_t *ret_len)
{
	(void)arg;
	(void)data;
	(void)room;
	*ret_len = 0;
	return 0;
}

static int take_until(void *arg, const void *data, size_t len)
{
	const struct patient *patient = arg;

	(void)data;
	assert_true(len > 0);
	return clock_monotonic_us() >= patient->until ? 9 : 0;
}

static void test_progress_moves_the_deadline(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = OCTETS "Content-Length: 60000000\r\n\r\n", .then = DRIP}};
	struct patient patient = {.until = clock_monotonic_us() + 4500000u};
	const struct hf_stream stream = {
		.read = give_nothing, .write = take_until, .arg = &patient, .total = 0};

	fake_serve(fake, steps, ARRAY_LEN(steps));
	hf_set_timeout_ms(fake->hf, 2000);
	assert_int_equal(hf_seal_stream(fake->hf, &stream), 9);
	fake_served_all(fake);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_bodies),
		WITH_FAKE(test_no_continue),
		WITH_FAKE(test_lying_totals),
		WITH_FAKE(test_lying_large_totals),
		WITH_FAKE(test_over_the_limit),
		WITH_FAKE(test_closed_while_sending),
		WITH_FAKE(test_functions_are_needed),
		WITH_FAKE(test_refused_at_once),
		WITH_FAKE(test_starting),
		WITH_FAKE(test_starting_too_late),
		WITH_FAKE(test_lost_connection),
		WITH_FAKE(test_cut_answer),
		WITH_FAKE(test_damaged),
		WITH_FAKE(test_early_success),
		WITH_FAKE(test_caller_stops),
		WITH_FAKE(test_silence),
		WITH_FAKE(test_progress_moves_the_deadline),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
