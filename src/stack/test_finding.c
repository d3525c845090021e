/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of findings: what does not fit is cut, and nothing is written beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stack/finding.h"

static void test_add(void **state)
{
	struct findings findings = {.count = 0};
	struct finding *finding;

	(void)state;
	assert_false(findings_fail(&findings));
	finding = finding_add(&findings, "one", FINDING_WARN, "%s %d", "seen", 7);
	assert_string_equal(finding->id, "one");
	assert_string_equal(finding->found, "seen 7");
	assert_string_equal(finding->remedy, "");
	finding_remedy(finding, "do %s", "it");
	assert_string_equal(finding->remedy, "do it");
	assert_int_equal(findings.count, 1);
	assert_false(findings_fail(&findings));
	finding_add(&findings, "two", FINDING_FAIL, "broken");
	assert_true(findings_fail(&findings));
}

static void test_too_long(void **state)
{
	static char text[1000];
	struct findings findings = {.count = 0};
	struct finding *finding;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	finding = finding_add(&findings, "long", FINDING_OK, "%s", text);
	finding_remedy(finding, "%s", text);
	assert_int_equal(strlen(finding->found), sizeof(finding->found) - 1);
	assert_int_equal(strlen(finding->remedy), sizeof(finding->remedy) - 1);
}

static void test_too_many(void **state)
{
	struct {
		struct findings findings;
		unsigned char after[16];
	} room = {.after = {1, 2, 3}};
	size_t i;

	(void)state;
	for (i = 0; i < FINDINGS_MAX + 5; i++)
		finding_add(&room.findings, "x", FINDING_OK, "%zu", i);
	assert_in_range(room.findings.count, FINDINGS_MAX - 1, FINDINGS_MAX);
	assert_string_equal(room.findings.rows[0].found, "0");
	assert_int_equal(room.after[0], 1);
	assert_int_equal(room.after[2], 3);
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(finding_state_word(FINDING_OK), "ok");
	assert_string_equal(finding_state_word(FINDING_INFO), "info");
	assert_string_equal(finding_state_word(FINDING_WARN), "warn");
	assert_string_equal(finding_state_word(FINDING_FAIL), "fail");
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
