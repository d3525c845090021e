/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tpm/rc.h"

/* Codes as chips send them, with their numbers of parameter, handle and session. */
static const struct {
	uint32_t rc;
	int code;
} cases[] = {
	{0x101, ERR_TPM_FAILED},  {0x143, ERR_NOT_SUPPORTED}, {0x921, ERR_TPM_LOCKOUT},
	{0x922, ERR_TPM_BUSY},	  {0x908, ERR_TPM_BUSY},      {0x90a, ERR_TPM_BUSY},
	{0x920, ERR_TPM_BUSY},	  {0x902, ERR_TPM_BUSY},      {0x903, ERR_TPM_BUSY},
	{0x901, ERR_TPM_BUSY},	  {0x9a2, ERR_AUTH_FAILED},   {0x98e, ERR_AUTH_FAILED},
	{0xaa2, ERR_AUTH_FAILED}, {0x1df, ERR_DAMAGED},	      {0x2d2, ERR_NOT_SUPPORTED},
	{0x1d5, ERR_INVALID},	  {0x2c4, ERR_NOT_SUPPORTED}, {0x185, ERR_NOT_SUPPORTED},
	{0x18b, ERR_TPM_FAILED},  {0x14b, ERR_TPM_FAILED},    {0x14c, ERR_CONFLICT},
	{0x910, ERR_TPM_FAILED},  {0x918, ERR_TPM_FAILED},    {0x2cd, ERR_INVALID},
	{0x155, ERR_TPM_FAILED},  {0xa000a, ERR_TPM_FAILED},  {0xb0902, ERR_TPM_BUSY},
	{0xc0902, ERR_TPM_BUSY},  {0x80001, ERR_TPM_FAILED},
};

static void test_codes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		assert_int_equal(rc_err(&err, cases[i].rc, "testing"), cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_int_equal(err.origin, cases[i].rc);
		assert_int_equal(strncmp(err.text, "testing: ", 9), 0);
		assert_true(strlen(err_remedy(&err)) > 10);
	}
}

static void test_base(void **state)
{
	(void)state;
	assert_int_equal(rc_base(0x9a2), 0x0a2); /* session 1 */
	assert_int_equal(rc_base(0xaa2), 0x0a2); /* session 2 */
	assert_int_equal(rc_base(0x1df), 0x09f); /* parameter 1 */
	assert_int_equal(rc_base(0x18b), 0x08b); /* handle 1 */
	assert_int_equal(rc_base(0x902), 0x902);
}

static void test_stale_and_full(void **state)
{
	static const uint32_t stale[] = {0x100, 0x910, 0x911, 0x918, 0x919,
					 0x18b, 0x28b, 0x984, 0x996, 0xa96};
	static const uint32_t full[] = {0x902, 0x903, 0x904, 0xb0902};
	static const uint32_t neither[] = {0,	    0x101, 0x921, 0x922, 0x9a2,
					   0xa0910, 0x905, 0x2d6, 0x1c4};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(stale); i++)
		assert_true(rc_is_stale(stale[i]) && !rc_is_full(stale[i]));
	for (i = 0; i < ARRAY_LEN(full); i++)
		assert_true(rc_is_full(full[i]) && !rc_is_stale(full[i]));
	for (i = 0; i < ARRAY_LEN(neither); i++)
		assert_false(rc_is_full(neither[i]) || rc_is_stale(neither[i]));
}

static void test_wants(void **state)
{
	static const struct {
		uint32_t rc;
		enum rc_want want;
	} wants[] = {
		{0x902, RC_WANTS_OBJECT},    {0xb0902, RC_WANTS_OBJECT}, {0x903, RC_WANTS_SESSION},
		{0x904, RC_WANTS_ANY},	     {0x901, RC_WANTS_GAP},	 {0x905, RC_WANTS_NOTHING},
		{0xa0902, RC_WANTS_NOTHING}, {0, RC_WANTS_NOTHING},	 {0x1df, RC_WANTS_NOTHING},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(wants); i++)
		assert_int_equal(rc_want(wants[i].rc), wants[i].want);
}

static void test_counted_and_passing(void **state)
{
	static const uint32_t counted[] = {0x98e, 0xa8e, 0x921, 0xb0921};
	static const uint32_t not_counted[] = {0, 0x9a2, 0x922, 0xa0921, 0x12f};
	static const uint32_t passing[] = {0x901, 0x902, 0x910, 0x922, 0x921, 0xb0902};
	static const uint32_t for_good[] = {0, 0x101, 0x143, 0x1df, 0x98e, 0xa0902};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(counted); i++)
		assert_true(rc_is_counted(counted[i]));
	for (i = 0; i < ARRAY_LEN(not_counted); i++)
		assert_false(rc_is_counted(not_counted[i]));
	for (i = 0; i < ARRAY_LEN(passing); i++)
		assert_true(rc_is_warning(passing[i]));
	for (i = 0; i < ARRAY_LEN(for_good); i++)
		assert_false(rc_is_warning(for_good[i]));
}

static void test_of_a_parameter(void **state)
{
	static const uint32_t theirs[] = {0x1df, 0x2c4, 0x1d5, 0x3e7, 0x1e5, 0xb01df};
	static const uint32_t others[] = {0,	 0x101, 0x143, 0x98e,	0x9a2, 0xaa2,
					  0x18b, 0x184, 0x922, 0xa01df, 0x1cb};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(theirs); i++)
		assert_true(rc_is_of_parameter(theirs[i]));
	for (i = 0; i < ARRAY_LEN(others); i++)
		assert_false(rc_is_of_parameter(others[i]));
}

static void test_of_input(void **state)
{
	static const uint32_t theirs[] = {0x1df, 0x2c4, 0x09f, 0x0a5, 0x0a7,   0x09c,
					  0x095, 0x09a, 0x154, 0x155, 0xb0154, 0xb009f};
	static const uint32_t others[] = {0,	 0x100, 0x101, 0x143, 0x08e, 0x0a2, 0x085,  0x08b,
					  0x98e, 0x9a2, 0x18b, 0x184, 0x922, 0x921, 0xa01df};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(theirs); i++)
		assert_true(rc_is_of_input(theirs[i]));
	for (i = 0; i < ARRAY_LEN(others); i++)
		assert_false(rc_is_of_input(others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_stale_and_full),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_counted_and_passing),
		cmocka_unit_test(test_of_input),
		cmocka_unit_test(test_of_a_parameter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
