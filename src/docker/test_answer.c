/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "docker/impl.h"

#define HEX16 "0123456789abcdef"
#define ID    "sha256:" HEX16 HEX16 HEX16 HEX16

/* A stream that is cut into pieces of so many bytes. */
static int run_stream(struct slice text, size_t step, struct err *err)
{
	struct answer answer;
	int r = 0;

	answer_init(&answer);
	for (size_t at = 0; r == 0 && at < text.len; at += step)
		r = answer_add(
			&answer,
			slice_of(text.data + at, step < text.len - at ? step : text.len - at), err);
	if (r == 0)
		r = answer_end(&answer, err);
	answer_fini(&answer);
	return r;
}

static const struct {
	const char *text;
	const char *error; /* part of the error's text; NULL: none */
} STREAMS[] = {
	{"", NULL},
	{"\r\n \t", NULL},
	{"{}", NULL},
	{"{\"stream\":\"Loaded image: a:1\\n\"}\r\n", NULL},
	{"{\"status\":\"x\",\"progressDetail\":{\"current\":1,\"total\":{}}}{\"id\":\"{\"}\n{}",
	 NULL},
	{"{\"stream\":\"a \\\" } { \\\\\"}{\"stream\":\"\\\\\"}", NULL},
	/* Failures in a success. */
	{"{\"stream\":\"a\"}{\"errorDetail\":{\"message\":\"b\"},\"error\":\"no room\"}",
	 "archive: no room"},
	{"{\"error\":\"x\"}{\"stream\":\"Loaded\"}", "archive: x"},
	{"{\"errorDetail\":{\"message\":\"only here\"}}", "archive: only here"},
	{"{\"errorDetail\":7}", "says nothing"},
	{"{\"errorDetail\":{\"message\":[]}}", "says nothing"},
	{"{\"error\":null}", "says nothing"},
	{"{\"error\":false}", "says nothing"},
	{"{\"error\":\"\\u001b[31m\\u00e4\"}", "archive: ?[31m??"},
	/* No stream of objects. */
	{"loaded", "no JSON object"},
	{"[{}]", "no JSON object"},
	{"\"a\"", "no JSON object"},
	{"{}]", "no JSON object"},
	{"{},{}", "no JSON object"},
	{"{]}", "no JSON ("},
	{"{\"a\":1,\"a\":2}", "no JSON ("},
	{"{\"a\":\"\xff\"}", "no JSON ("},
	{"{'error':'x'}", "no JSON ("},
	{"{", "not whole"},
	{"{\"stream\":\"a\"}{\"stream\":\"}", "not whole"},
	{"{\"stream\":{}", "not whole"},
};

static void test_streams(void **state)
{
	static const size_t steps[] = {1, 2, 3, 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(STREAMS); i++)
		for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
			const char *error = STREAMS[i].error;
			struct err err = {0};
			int r = run_stream(slice_str(STREAMS[i].text), steps[j], &err);

			if (r != (error ? ERR_INTERNAL : 0) || (error && !strstr(err.text, error)))
				fail_msg("%zu by %zu: %d %s", i, steps[j], r, err.text);
		}
}

static void on_name(void *arg, const char *ref)
{
	buf_printf(arg, "%s;", ref);
}

static void test_names(void **state)
{
	static const struct {
		const char *text, *names;
	} rows[] = {
		{"{\"stream\":\"Loaded image: a:1\\n\"}{\"stream\":\"Loaded image: r.test:5/b:2\"}",
		 "a:1;r.test:5/b:2;"},
		{"{\"stream\":\"Loaded image: a:1,r.test/b:2\\n\"}", "a:1;r.test/b:2;"},
		{"{\"stream\":\"Loaded image(s): a:1, b:2\"}", "a:1;b:2;"},
		{"{\"stream\":\"Loaded image: ,,a:1,,\"}", "a:1;"},
		/* No tags. */
		{"{\"stream\":\"Loaded image ID: " ID "\\n\"}", ""},
		{"{\"stream\":\"Loaded image: \"}", ""},
		{"{\"stream\":\"Loaded image: A:1,b,../c:1,d:1?x\"}", ""},
		{"{\"stream\":\"an image: a:1\"}", ""},
		{"{\"status\":\"Loaded image: a:1\"}", ""},
		{"{\"stream\":7}", ""},
		{"{\"stream\":\"Loaded image: a:1\",\"error\":\"x\"}", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf names = BUF_INIT(1024);
		struct answer answer;
		struct err err = {0};

		answer_init(&answer);
		answer.loaded = on_name;
		answer.arg = &names;
		(void)!answer_add(&answer, slice_str(rows[i].text), &err);
		if (!slice_equal(buf_slice(&names), slice_str(rows[i].names)))
			fail_msg("%zu: %.*s", i, (int)names.len, names.data);
		answer_fini(&answer);
	}
}

/* One that is too long for any tag is none, and those behind it are told. */
static void test_long_name(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(ANSWER_ITEM), names = BUF_INIT(1024);
	struct answer answer;
	struct err err = {0};

	(void)state;
	buf_put_str(&text, "{\"stream\":\"Loaded image: ");
	for (unsigned i = 0; i < 2 * DOCKER_REF_MAX; i++)
		buf_put_u8(&text, 'a');
	buf_put_str(&text, ":1,b:2\"}");
	answer_init(&answer);
	answer.loaded = on_name;
	answer.arg = &names;
	assert_int_equal(answer_add(&answer, buf_slice(&text), &err), 0);
	assert_true(slice_equal(buf_slice(&names), slice_str("b:2;")));
	answer_fini(&answer);
}

static void test_large_items(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4 * ANSWER_ITEM);
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		buf_put_str(&text, "{\"a\":\"");
		while (text.len % ANSWER_ITEM != ANSWER_ITEM - 2)
			buf_put_u8(&text, 'x');
		buf_put_str(&text, "\"}");
	}
	assert_int_equal(run_stream(buf_slice(&text), 1000, &err), 0);
	buf_reset(&text);
	buf_put_str(&text, "{\"a\":\"");
	while (text.len < ANSWER_ITEM - 1)
		buf_put_u8(&text, 'x');
	buf_put_str(&text, "\"}");
	assert_int_equal(run_stream(buf_slice(&text), 1000, &err), ERR_INTERNAL);
	assert_non_null(strstr(err.text, "too large"));
}

static void test_deep_item(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(ANSWER_ITEM);
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		buf_put_str(&text, "{\"a\":");
	buf_put_str(&text, "1");
	for (unsigned i = 0; i < 5000; i++)
		buf_put_str(&text, "}");
	assert_int_equal(run_stream(buf_slice(&text), 7, &err), ERR_INTERNAL);
}

/* What has failed once does not become good by what comes behind. */
static void test_dead(void **state)
{
	struct answer answer;
	struct err err = {0};

	(void)state;
	answer_init(&answer);
	assert_int_equal(answer_add(&answer, slice_str("x"), &err), ERR_INTERNAL);
	assert_int_equal(answer_add(&answer, slice_str("{}"), &err), ERR_INTERNAL);
	assert_int_equal(answer_end(&answer, &err), ERR_INTERNAL);
	answer_fini(&answer);
}

static void test_ids(void **state)
{
	static const struct {
		const char *body;
		int code;
	} rows[] = {
		{"{\"Id\":\"" ID "\",\"RepoTags\":[\"a:1\"]}", 0},
		{"{\"id\":\"" ID "\"}", ERR_INTERNAL},
		{"{\"Id\":\"" ID "0\"}", ERR_INTERNAL},
		{"{\"Id\":\"sha256:\"}", ERR_INTERNAL},
		{"{\"Id\":7}", ERR_INTERNAL},
		{"{\"Id\":null}", ERR_INTERNAL},
		{"{\"Id\":[\"" ID "\"]}", ERR_INTERNAL},
		{"{\"Id\":\"" ID "\",\"Id\":\"" ID "\"}", ERR_INTERNAL},
		{"[{\"Id\":\"" ID "\"}]", ERR_INTERNAL},
		{"{\"Id\":\"" ID "\"} x", ERR_INTERNAL},
		{"{}", ERR_INTERNAL},
		{"", ERR_INTERNAL},
		{"<html>", ERR_INTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char id[DOCKER_ID_MAX] = "as it was";
		struct err err = {0};

		if (answer_id(slice_str(rows[i].body), id, &err) != rows[i].code)
			fail_msg("%zu: %s", i, err.text);
		assert_string_equal(id, rows[i].code == 0 ? ID : "as it was");
	}
}

static void test_refused(void **state)
{
	static const struct {
		unsigned status;
		const char *body;
		int code;
		const char *text;
	} rows[] = {
		{404, "{\"message\":\"No such image: a:1\"}", ERR_NOT_FOUND,
		 "Docker answers 404: No such image: a:1"},
		{404, "page not found", ERR_NOT_FOUND, "Docker answers 404"},
		{500, "{\"message\":\"a\\u0000b\"}", ERR_INTERNAL, "Docker answers 500"},
		{409, "{\"message\":\"a\\r\\nb\"}", ERR_INTERNAL, "Docker answers 409: a??b"},
		{302, "", ERR_INTERNAL, "Docker answers 302"},
		{500, "{\"message\":7}", ERR_INTERNAL, "Docker answers 500"},
		{500, "{\"message\":\"\"}", ERR_INTERNAL, "Docker answers 500"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		int r = answer_refused(rows[i].status, slice_str(rows[i].body), &err);

		assert_int_equal(r, rows[i].code);
		assert_string_equal(err.text, rows[i].text);
	}
}

static int setup(void **state)
{
	(void)state;
	json_setup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_streams),	  cmocka_unit_test(test_large_items),
		cmocka_unit_test(test_deep_item), cmocka_unit_test(test_dead),
		cmocka_unit_test(test_ids),	  cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
