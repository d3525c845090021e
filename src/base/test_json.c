/* SPDX-License-Identifier: Apache-2.0 */
/* Json: what is refused and with which words, members by type, writing, wiping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"

static size_t freed_dirty;
static size_t freed_count;
static bool counting;

static unsigned short_at; /* allocations until the one that fails; 0 = none does */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void __real_free(void *at);
void __wrap_free(void *at);

void *__wrap_malloc(size_t size)
{
	return short_at > 0 && --short_at == 0 ? NULL : __real_malloc(size);
}

/* While counting, every block that is freed was jansson's and must hold no text any more. */
void __wrap_free(void *at)
{
	if (at && counting) {
		freed_count++;
		/* Size and first bytes of the block, which is never smaller. */
		if (((const uint8_t *)at)[0] != 0 || ((const uint8_t *)at)[16] != 0)
			freed_dirty++;
	}
	__real_free(at);
}

static struct json_t *parse(const char *text)
{
	struct json_t *json = NULL;
	struct err err = {0};

	assert_int_equal(json_parse(slice_str(text), &json, &err), 0);
	assert_non_null(json);
	return json;
}

static void refused_texts(void **state)
{
	static const struct {
		const char *text;
		const char *error;
	} rows[] = {
		{"", "line 1, column 0: the text ends too early"},
		{"{", NULL},
		{"{\"a\":1", NULL},
		{"{\"a\":1}}", "line 1, column 8: there is text after the end"},
		{"{\"a\":1} x", "line 1, column 9: there is text after the end"},
		{"{}{}", NULL},
		{"[]", "line 1, column 1: must be an object"},
		{"1", "line 1, column 1: must be an object"},
		{"\"s\"", "line 1, column 1: must be an object"},
		{"null", "line 1, column 1: must be an object"},
		{"{\"a\":1,\"a\":2}", "line 1, column 10: a member stands there twice"},
		{"{\"o\":{\"b\":1,\"b\":1}}", NULL},
		{"{\"a\":\"\xff\"}", NULL},
		{"{\"a\":\"\xed\xa0\x80\"}", NULL},
		{"{\"a\":\"\\u0000\"}", NULL},
		{"{\"a\\u0000b\":1}", NULL},
		{"{\"a\":\"\\ud800\"}", NULL},
		{"{\"a\":\"\n\"}", NULL},
		{"{\"a\":9223372036854775808}", "line 1, column 24: a number is out of range"},
		{"{\"a\":1e999}", NULL},
		{"{\"a\":01}", NULL},
		{"{\"a\":NaN}", NULL},
		{"{'a':1}", NULL},
		{"{\"a\":1,}", NULL},
		{"{\"a\" 1}", NULL},
		{"\xef\xbb\xbf{}", NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_t *json = NULL;
		struct err err = {0};

		assert_int_equal(json_parse(slice_str(rows[i].text), &json, &err), ERR_INVALID);
		assert_null(json);
		assert_memory_equal(err.text, "line 1, column ", 15);
		if (rows[i].error)
			assert_string_equal(err.text, rows[i].error);
	}
}

static void lines_are_counted(void **state)
{
	struct json_t *json = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(json_parse(slice_str("{\n\n  \"a\": tru\n}"), &json, &err), ERR_INVALID);
	assert_memory_equal(err.text, "line 3, column ", 15);
}

/* jansson's own message would quote it. */
static void errors_quote_nothing(void **state)
{
	static const char *const texts[] = {
		"{\"passphrase\": hunter2}", "{\"passphrase\": \"hunter2\" hunter2}",
		"{\"hunter2\":1,\"hunter2\":2}", "{\"p\":\"hunter2\xff\"}", "{\"p\":\"hunter2"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		struct json_t *json = NULL;
		struct err err = {0};

		assert_int_equal(json_parse(slice_str(texts[i]), &json, &err), ERR_INVALID);
		assert_null(strstr(err.text, "hunter2"));
	}
}

/* {"a":[[..]]} with @depth brackets in all. */
static int parse_deep(size_t depth, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(1 << 20);
	size_t i;

	buf_put_str(&text, "{\"a\":");
	for (i = 1; i < depth; i++)
		buf_put_u8(&text, '[');
	if (depth == 1)
		buf_put_u8(&text, '1');
	for (i = 1; i < depth; i++)
		buf_put_u8(&text, ']');
	buf_put_str(&text, "}");
	return json_parse(buf_slice(&text), &json, err);
}

static void depth_is_limited(void **state)
{
	CLEANUP(json_cleanup) struct json_t *strings = NULL;
	CLEANUP(json_cleanup) struct json_t *escaped = NULL;
	CLEANUP(json_cleanup) struct json_t *wide = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(parse_deep(1, &err), 0);
	assert_int_equal(parse_deep(16, &err), 0);
	assert_int_equal(parse_deep(17, &err), ERR_INVALID);
	assert_string_equal(err.text, "nested more than 16 deep");
	assert_int_equal(parse_deep(400000, &err), ERR_INVALID);
	/* Brackets in strings and brackets side by side do not count. */
	strings = parse("{\"[[[[[[[[[[[[[[[[[[[[\":\"{{{{{{\\\"{{{{{{{{{{{{{{{\\\\\"}");
	escaped = parse("{\"a\\\"[[[[[[[[[[[[[[[[[[[[\":1}");
	wide = parse("{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}");
}

/* A body of nothing but values is refused before any of them is built. */
static void values_are_limited(void **state)
{
	static char text[1 << 20];
	struct json_t *json = NULL;
	struct err err = {0};
	size_t len = 0, i;

	(void)state;
	len += (size_t)snprintf(text, sizeof(text), "{\"a\":[0");
	for (i = 0; i < 8000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",0");
	snprintf(text + len, sizeof(text) - len, "]}");
	assert_int_equal(json_parse(slice_str(text), &json, &err), 0);
	json_free(json);
	json = NULL;
	for (i = 0; i < 1000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",0");
	snprintf(text + len, sizeof(text) - len, "]}");
	assert_int_equal(json_parse(slice_str(text), &json, &err), ERR_INVALID);
	assert_string_equal(err.text, "more than 8192 values");
	assert_null(json);
}

static void members_by_type(void **state)
{
	CLEANUP(json_cleanup)
	struct json_t *json =
		parse("{\"s\":\"text\",\"e\":\"\",\"t\":true,\"f\":false,\"n\":42,\"z\":0,"
		      "\"max\":9223372036854775807}");
	const char *text = NULL;
	struct err err = {0};
	uint64_t number = 0;
	bool flag = false;

	(void)state;
	assert_int_equal(json_get_string(json, "s", true, &text, &err), 0);
	assert_string_equal(text, "text");
	assert_int_equal(json_get_string(json, "e", true, &text, &err), 0);
	assert_string_equal(text, "");
	assert_int_equal(json_get_bool(json, "t", true, &flag, &err), 0);
	assert_true(flag);
	assert_int_equal(json_get_bool(json, "f", true, &flag, &err), 0);
	assert_false(flag);
	assert_int_equal(json_get_u64(json, "n", true, 42, 42, &number, &err), 0);
	assert_int_equal(number, 42);
	assert_int_equal(json_get_u64(json, "z", true, 0, 10, &number, &err), 0);
	assert_int_equal(number, 0);
	assert_int_equal(json_get_u64(json, "max", true, 0, UINT64_MAX, &number, &err), 0);
	assert_true(number == INT64_MAX);
}

static void absent_members(void **state)
{
	CLEANUP(json_cleanup) struct json_t *json = parse("{}");
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(10);
	struct secret *secret = NULL;
	const char *text = "left";
	struct err err = {0};
	uint64_t number = 7;
	bool flag = true;

	(void)state;
	assert_int_equal(json_get_string(json, "x", false, &text, &err), 0);
	assert_int_equal(json_get_bool(json, "x", false, &flag, &err), 0);
	assert_int_equal(json_get_u64(json, "x", false, 0, 1, &number, &err), 0);
	assert_int_equal(json_get_secret(json, "x", false, 10, &secret, &err), 0);
	assert_int_equal(json_get_bytes(json, "x", false, &bytes, &err), 0);
	assert_int_equal(json_get_string(json, "x", true, &text, &err), ERR_INVALID);
	assert_string_equal(err.text, "/x: missing");
	assert_int_equal(json_get_bool(json, "x", true, &flag, &err), ERR_INVALID);
	assert_int_equal(json_get_u64(json, "x", true, 0, 1, &number, &err), ERR_INVALID);
	assert_int_equal(json_get_secret(json, "x", true, 10, &secret, &err), ERR_INVALID);
	assert_int_equal(json_get_bytes(json, "x", true, &bytes, &err), ERR_INVALID);
	assert_string_equal(text, "left");
	assert_true(flag);
	assert_int_equal(number, 7);
	assert_null(secret);
	assert_int_equal(bytes.len, 0);
}

/* Optional or not, what is there must be of its type; null is not absent. */
static void wrong_types(void **state)
{
	static const char *const values[] = {"null", "[]", "{}", "1.0", "1e0", "-1", "\"%\"", "3"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(values); i++) {
		CLEANUP(json_cleanup) struct json_t *json = NULL;
		CLEANUP(buf_fini) struct buf object = BUF_INIT(100);
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(10);
		struct secret *secret = NULL;
		const char *text = NULL;
		struct err err = {0};
		uint64_t number = 7;
		bool flag = true;

		buf_printf(&object, "{\"x\":%s}", values[i]);
		assert_int_equal(json_parse(buf_slice(&object), &json, &err), 0);
		if (values[i][0] != '"') {
			assert_int_equal(json_get_string(json, "x", false, &text, &err),
					 ERR_INVALID);
			assert_string_equal(err.text, "/x: must be a string");
		}
		assert_int_equal(json_get_bool(json, "x", false, &flag, &err), ERR_INVALID);
		assert_string_equal(err.text, "/x: must be true or false");
		assert_int_equal(json_get_u64(json, "x", false, 1, 2, &number, &err), ERR_INVALID);
		assert_string_equal(err.text, "/x: must be a whole number from 1 to 2");
		assert_int_equal(json_get_secret(json, "x", false, 10, &secret, &err), ERR_INVALID);
		assert_int_equal(json_get_bytes(json, "x", false, &bytes, &err), ERR_INVALID);
		assert_int_equal(number, 7);
		assert_true(flag);
		assert_null(secret);
		assert_null(text);
		assert_int_equal(bytes.len, 0);
	}
}

static void base64_members(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		int result;
		const char *bytes;
	} rows[] = {
		{"", 0, 0, ""},
		{"Zg==", 1, 0, "f"},
		{"Zm8=", 2, 0, "fo"},
		{"Zm9v", 3, 0, "foo"},
		{"Zm9v", 100, 0, "foo"},
		{"Zg==", 0, ERR_TOO_LARGE, NULL},
		{"Zm8=", 1, ERR_TOO_LARGE, NULL},
		{"Zm9v", 2, ERR_TOO_LARGE, NULL},
		{"Zm9", 10, ERR_INVALID, NULL},
		{"Zm9!", 10, ERR_INVALID, NULL},
		{"====", 10, ERR_INVALID, NULL},
		{"=", 10, ERR_INVALID, NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_cleanup) struct json_t *json = NULL;
		CLEANUP(secret_cleanup) struct secret *secret = NULL;
		CLEANUP(buf_fini) struct buf object = BUF_INIT(100);
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(rows[i].max + 2);
		struct err err = {0};

		buf_printf(&object, "{\"x\":\"%s\"}", rows[i].text);
		assert_int_equal(json_parse(buf_slice(&object), &json, &err), 0);
		assert_int_equal(json_get_secret(json, "x", true, rows[i].max, &secret, &err),
				 rows[i].result);
		buf_put_str(&bytes, "> ");
		assert_int_equal(json_get_bytes(json, "x", true, &bytes, &err), rows[i].result);
		assert_true(buf_ok(&bytes));
		assert_int_equal(secret != NULL, rows[i].result == 0);
		if (!secret) {
			assert_int_equal(bytes.len, 2);
			continue;
		}
		assert_true(slice_equal(secret_slice(secret), slice_str(rows[i].bytes)));
		assert_int_equal(bytes.len, 2 + strlen(rows[i].bytes));
		assert_memory_equal(bytes.data + 2, rows[i].bytes, bytes.len - 2);
	}
}

static void unknown_members(void **state)
{
	static const char *const names[] = {"a", "b"};
	static const struct {
		const char *text;
		const char *error;
	} rows[] = {
		{"{}", NULL},
		{"{\"a\":1}", NULL},
		{"{\"b\":1,\"a\":1}", NULL},
		{"{\"a\":1,\"c\":1}", "/c: unknown member"},
		{"{\"A\":1}", "/A: unknown member"},
		{"{\"\":1}", "/: unknown member"},
		{"{\"x/y~z\":1}", "/x~1y~0z: unknown member"},
	};
	CLEANUP(json_cleanup) struct json_t *long_name = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(1000);
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_cleanup) struct json_t *json = parse(rows[i].text);

		assert_int_equal(json_only(json, names, ARRAY_LEN(names), &err),
				 rows[i].error ? ERR_INVALID : 0);
		if (rows[i].error)
			assert_string_equal(err.text, rows[i].error);
	}
	buf_printf(&text, "{\"%0500d\":1}", 0);
	assert_int_equal(json_parse(buf_slice(&text), &long_name, &err), 0);
	assert_int_equal(json_only(long_name, names, ARRAY_LEN(names), &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "000: unknown member"));
}

static void writing(void **state)
{
	static const char text[] = "{\"s\":\"a\\\"\xc3\xbc\",\"n\":[1,true,null,{\"x\":\"y\"}]}";
	CLEANUP(json_cleanup) struct json_t *json = parse(text);
	CLEANUP(buf_fini) struct buf buf = BUF_INIT(100);
	CLEANUP(buf_fini) struct buf small = BUF_INIT(10);

	(void)state;
	buf_put_str(&buf, "> ");
	json_write(&buf, json);
	assert_true(buf_ok(&buf));
	assert_int_equal(buf.len, 2 + strlen(text));
	assert_memory_equal(buf.data + 2, text, strlen(text));
	json_write(&small, json);
	assert_false(buf_ok(&small));
}

static void strings(void **state)
{
	static const struct {
		const char *text;
		const char *json;
	} rows[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"a\"b\\c/", "\"a\\\"b\\\\c/\""},
		{"\n\x01\x1f", "\"\\u000a\\u0001\\u001f\""},
		{"\xe2\x82\xac", "\"\xe2\x82\xac\""},
		{"\xff", "\"\xef\xbf\xbd\""},
		{"a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_cleanup) struct json_t *json = NULL;
		CLEANUP(buf_fini) struct buf object = BUF_INIT(100);
		CLEANUP(buf_fini) struct buf buf = BUF_INIT(100);
		struct err err = {0};

		json_put_string(&buf, rows[i].text);
		assert_true(slice_equal(buf_slice(&buf), slice_str(rows[i].json)));
		buf_printf(&object, "{\"x\":%.*s}", (int)buf.len, (const char *)buf.data);
		assert_int_equal(json_parse(buf_slice(&object), &json, &err), 0);
	}
}

static void freed_memory_is_wiped(void **state)
{
	struct json_t *json = parse("{\"passphrase\":\"hunter2 hunter2 hunter2\",\"n\":[1,2]}");

	(void)state;
	freed_count = 0;
	freed_dirty = 0;
	counting = true;
	json_free(json);
	counting = false;
	assert_in_range(freed_count, 3, 100);
	assert_int_equal(freed_dirty, 0);
	json_free(NULL);
}

/* A text of which no part may get lost: jansson grows the room for a string by and by. */
static const char LONG_TEXT[] =
	"{\"name\":"
	"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	"0123456789abcdef0123456789abcdef0123456789abcdef\",\"other\":[1,2,{\"a\":\"b\"}]}";

/* Each allocation fails once: the text is then never called wrong, nor is another one given. */
static void memory_runs_short(void **state)
{
	unsigned n, failed = 0;

	(void)state;
	for (n = 1; n < 1000; n++) {
		struct json_t *json = NULL;
		const char *name = NULL;
		struct err err;
		int r;

		short_at = n;
		r = json_parse(slice_str(LONG_TEXT), &json, &err);
		if (short_at > 0) { /* there were not so many */
			short_at = 0;
			assert_int_equal(r, 0);
			assert_int_equal(json_get_string(json, "name", true, &name, &err), 0);
			assert_int_equal(strlen(name), 128);
			json_free(json);
			break;
		}
		assert_int_equal(r, ERR_INTERNAL);
		assert_null(json);
		failed++;
	}
	assert_in_range(failed, 8, 999);
}

static int setup(void **state)
{
	(void)state;
	json_setup();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_texts),
		cmocka_unit_test(lines_are_counted),
		cmocka_unit_test(errors_quote_nothing),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(values_are_limited),
		cmocka_unit_test(members_by_type),
		cmocka_unit_test(absent_members),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(base64_members),
		cmocka_unit_test(unknown_members),
		cmocka_unit_test(writing),
		cmocka_unit_test(strings),
		cmocka_unit_test(freed_memory_is_wiped),
		cmocka_unit_test(memory_runs_short),
	};

	return cmocka_run_group_tests_name("json", tests, setup, NULL);
}
