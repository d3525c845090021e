/* SPDX-License-Identifier: Apache-2.0 */
/* Problem documents are read back with the parser that every other document goes through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/json.h"
#include "http/impl.h"

static struct json_t *parse(const struct err *problem, unsigned status)
{
	struct buf text = BUF_INIT(8192);
	struct json_t *json = NULL;
	struct err err;

	if (status)
		http_problem_as(&text, problem, status);
	else
		http_problem(&text, problem);
	assert_true(buf_ok(&text));
	assert_int_equal(json_parse(buf_slice(&text), &json, &err), 0);
	buf_fini(&text);
	return json;
}

static const char *member(const struct json_t *json, const char *name)
{
	const char *text = NULL;
	struct err err;

	assert_int_equal(json_get_string(json, name, true, &text, &err), 0);
	return text;
}

static uint64_t status_of(const struct json_t *json)
{
	uint64_t status = 0;
	struct err err;

	assert_int_equal(json_get_u64(json, "status", true, 100, 599, &status, &err), 0);
	return status;
}

static void test_each_code(void **state)
{
	static const char *const NAMES[] = {"type", "title", "status", "code", "detail", "remedy"};
	size_t count, i;
	const struct err_info *table = err_table(&count);

	(void)state;
	assert_true(count > 0);
	for (i = 0; i < count; i++) {
		struct json_t *json;
		struct err problem, err;

		(void)err_set(&problem, table[i].code, "detail %zu", i);
		json = parse(&problem, 0);
		assert_int_equal(json_only(json, NAMES, ARRAY_LEN(NAMES), &err), 0);
		assert_int_equal(status_of(json), table[i].http_status);
		assert_string_equal(member(json, "code"), table[i].name);
		assert_string_equal(member(json, "title"), table[i].title);
		assert_string_equal(member(json, "remedy"), table[i].remedy);
		assert_string_equal(member(json, "detail"), problem.text);
		assert_memory_equal(member(json, "type"), "urn:holdfast:error:", 19);
		assert_string_equal(member(json, "type") + 19, table[i].name);
		json_free(json);
	}
}

static void test_own_remedy_and_status(void **state)
{
	struct json_t *json;
	struct err problem;

	(void)state;
	(void)err_set(&problem, ERR_NOT_SUPPORTED, "no");
	(void)err_add_remedy(&problem, "Do otherwise.");
	json = parse(&problem, 405);
	assert_int_equal(status_of(json), 405);
	assert_string_equal(member(json, "remedy"), "Do otherwise.");
	json_free(json);
}

/* What a client put into a text comes back as text, never as structure; origins never do. */
static void test_hostile_detail(void **state)
{
	struct json_t *json;
	struct err problem;

	(void)state;
	(void)err_set(&problem, ERR_INVALID, "%s", "\",\"code\":\"x\"\x01\n\xff\\");
	(void)err_add_origin(&problem, ERR_ORIGIN_ERRNO, 424242);
	json = parse(&problem, 0);
	assert_string_equal(member(json, "detail"), "\",\"code\":\"x\"\x01\n\xef\xbf\xbd\\");
	assert_string_equal(member(json, "code"), "invalid");
	json_free(json);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_each_code),
		cmocka_unit_test(test_own_remedy_and_status),
		cmocka_unit_test(test_hostile_detail),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
