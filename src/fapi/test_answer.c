/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "fapi/impl.h"

#define TEN	   "0123456789"
#define HUNDRED	   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define TOLD(more) "{\"ok\": false, \"code\": \"not_found\", \"step\": \"Fapi_X\"" more "}"

static const struct {
	const char *out;
	const char *complaint;
	struct child_end end;
	int code;
	const char *text;
	unsigned long origin;
} CASES[] = {
	{"{\"ok\": true}", "", {0, 0}, 0, "", 0},
	{"{\"ok\": true}", "a warning\n", {0, 0}, 0, "", 0},
	{"{\"ok\": true, \"objects\": [1]}\n", "", {0, 0}, 0, "", 0},
	{TOLD(", \"text\": \"gone\""), "", {1, 0}, ERR_NOT_FOUND, "Fapi_X: gone", 0},
	{TOLD(", \"text\": \"gone\""), "unheard", {1, 0}, ERR_NOT_FOUND, "Fapi_X: gone", 0},
	{TOLD(", \"text\": \"gone\", \"rc\": \"0x00060020\""),
	 "",
	 {1, 0},
	 ERR_NOT_FOUND,
	 "Fapi_X: gone",
	 0x60020},
	/* Nothing of the TSS failed. */
	{TOLD(", \"text\": \"gone\", \"rc\": \"0x00000000\""),
	 "",
	 {1, 0},
	 ERR_NOT_FOUND,
	 "Fapi_X: gone",
	 0},
	{TOLD(", \"text\": \"a\\u0007b\\n\\u00e4\""),
	 "",
	 {1, 0},
	 ERR_NOT_FOUND,
	 "Fapi_X: a?b???",
	 0},
	{"{\"ok\": false, \"code\": \"nonsense\", \"step\": \"s\", \"text\": \"t\"}",
	 "",
	 {1, 0},
	 ERR_INTERNAL,
	 "s: t",
	 0},
	{TOLD(", \"text\": \"" HUNDRED HUNDRED HUNDRED "\""),
	 "",
	 {1, 0},
	 ERR_NOT_FOUND,
	 "Fapi_X: " HUNDRED,
	 0},
	{TOLD(""),
	 "",
	 {1, 0},
	 ERR_INTERNAL,
	 "holdfast-fapi answered no JSON that is understood ("
	 "/text: missing)",
	 0},
	{TOLD(", \"text\": 7"), "", {1, 0}, ERR_INTERNAL, "holdfast-fapi answered no JSON", 0},
	{TOLD(", \"text\": \"t\", \"rc\": \"60020\""),
	 "",
	 {1, 0},
	 ERR_INTERNAL,
	 "holdfast-fapi answered no JSON that is understood (/rc: ",
	 0},
	{TOLD(", \"text\": \"t\", \"rc\": \"0x0006002g\""),
	 "",
	 {1, 0},
	 ERR_INTERNAL,
	 "holdfast-fapi answered no JSON that is understood (/rc: ",
	 0},
	{TOLD(", \"text\": \"t\", \"rc\": \"0x000600200\""),
	 "",
	 {1, 0},
	 ERR_INTERNAL,
	 "holdfast-fapi answered no JSON that is understood (/rc: ",
	 0},
	{TOLD(", \"text\": \"gone\""),
	 "",
	 {0, 0},
	 ERR_INTERNAL,
	 "holdfast-fapi answered no JSON that is understood (/ok: does not fit",
	 0},
	{"{\"ok\": true}",
	 "",
	 {1, 0},
	 ERR_INTERNAL,
	 "holdfast-fapi answered no JSON that is understood (/ok: does not fit",
	 0},
	{"{\"ok\": 1}", "", {0, 0}, ERR_INTERNAL, "holdfast-fapi answered no JSON", 0},
	{"", "", {0, 0}, ERR_INTERNAL, "holdfast-fapi answered no JSON", 0},
	{"",
	 "no library\nmore",
	 {127, 0},
	 ERR_INTERNAL,
	 "holdfast-fapi ended with 127: no library",
	 0},
	{"", "\n", {2, 0}, ERR_INTERNAL, "holdfast-fapi ended with 2", 0},
	{"{\"ok\": true}", "", {-1, 11}, ERR_INTERNAL, "holdfast-fapi ended by signal 11", 0},
	{"",
	 HUNDRED HUNDRED,
	 {-1, 6},
	 ERR_INTERNAL,
	 "holdfast-fapi ended by signal 6: " HUNDRED,
	 0},
};

static void test_cases(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct err err = {0};
		int r = answer_judge(&CASES[i].end, slice_str(CASES[i].out),
				     slice_str(CASES[i].complaint), &err);

		if (r != CASES[i].code || err.code != CASES[i].code ||
		    err.origin != CASES[i].origin ||
		    (err.origin_kind == ERR_ORIGIN_TSS2) != (CASES[i].origin != 0) ||
		    strncmp(err.text, CASES[i].text, strlen(CASES[i].text)) != 0)
			fail_msg("%s: %d %lx %s", CASES[i].out, r, err.origin, err.text);
		if (CASES[i].text[0] && !strstr(CASES[i].text, TEN) &&
		    !strstr(CASES[i].text, "JSON"))
			assert_string_equal(err.text, CASES[i].text);
	}
}

static int judge(const char *remedy, struct err *err)
{
	char out[512];

	(void)snprintf(out, sizeof(out), TOLD(", \"text\": \"t\", \"remedy\": %s"), remedy);
	return answer_judge(&(struct child_end){.exit_code = 1}, slice_str(out), slice_str(""),
			    err);
}

/* Each that the helper knows arrives; of all others, that of the code. */
static void test_remedies(void **state)
{
	static const char *const OTHERS[] = {"\"\"", "\"Send money.\"", "\"Provision FAPI\""};
	struct err err = {0}, plain = {.code = ERR_NOT_FOUND};
	char quoted[256];
	enum remedy i;
	size_t k;

	(void)state;
	assert_null(remedy_text(REMEDY_NONE));
	for (i = REMEDY_NONE + 1; i <= REMEDY_NV_SPACE; i++) {
		(void)snprintf(quoted, sizeof(quoted), "\"%s\"", remedy_text(i));
		assert_int_equal(judge(quoted, &err), ERR_NOT_FOUND);
		assert_ptr_equal(err.remedy, remedy_text(i));
	}
	for (k = 0; k < ARRAY_LEN(OTHERS); k++) {
		assert_int_equal(judge(OTHERS[k], &err), ERR_NOT_FOUND);
		assert_string_equal(err_remedy(&err), err_remedy(&plain));
	}
	assert_int_equal(judge("7", &err), ERR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_remedies),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
