/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cmd/holdfast-fapi/rc.h"
#include "fapi/impl.h"

/* Numbers as FAPI and TPMs were seen to give them. */
static void test_codes(void **state)
{
	static const struct {
		uint32_t rc;
		const char *step;
		int code;
	} cases[] = {
		{0x0006000b, "Fapi_Provision", ERR_CONFLICT},
		{0x0006000b, "Fapi_CreateSeal", ERR_INVALID},
		{0x0006000b, "Fapi_Initialize", ERR_DAMAGED},
		{0x00060025, "Fapi_Provision", ERR_NO_CERTIFICATE},
		{0x00060034, "Fapi_List", ERR_NOT_FOUND},
		{0x00060035, "Fapi_Provision", ERR_CONFLICT},
		{0x0006001f, "Fapi_CreateSeal", ERR_CONFLICT},
		{0x00060020, "Fapi_CreateSeal", ERR_TPM_CHANGED},
		{0x00060020, "Fapi_Delete", ERR_NOT_FOUND},
		{0x0006001d, "Fapi_Delete", ERR_NOT_FOUND},
		{0x0006001d, "Fapi_CreateSeal", ERR_INVALID},
		{0x0006000a, "Fapi_CreateSeal", ERR_CONFLICT},
		{0x0006000a, "Fapi_Initialize", ERR_UNREADABLE},
		{0x00060001, "Fapi_Delete", ERR_DAMAGED},
		{0x0006002a, "Fapi_CreateSeal", ERR_AUTH_FAILED},
		{0x00060017, "Fapi_List", ERR_INTERNAL}, /* memory: no row of its own */
		{0x000a000a, "Fapi_Initialize", ERR_TPM_FAILED},
		{0x00070001, "Fapi_CreateSeal", ERR_INTERNAL},
		{0x00000921, "Fapi_CreateSeal", ERR_TPM_LOCKOUT},
		{0x000c0921, "Fapi_CreateSeal", ERR_TPM_LOCKOUT}, /* by a resource manager */
		{0x000009a2, "Fapi_Provision", ERR_OWNER_AUTH_REQUIRED},
		{0x0000098e, "Fapi_Provision", ERR_OWNER_AUTH_REQUIRED},
		{0x000009a2, "Fapi_CreateSeal", ERR_TPM_CHANGED},
		{0x0000018b, "Esys_TR_FromTPMPublic", ERR_TPM_CHANGED},
		{0x00000143, "Fapi_Provision", ERR_NOT_SUPPORTED},
		{0x0000014c, "Fapi_Provision", ERR_CONFLICT},
		{0x0000014b, "Fapi_Provision", ERR_TPM_FAILED},
		{0x00000902, "Fapi_Provision", ERR_TPM_BUSY},
		{0x00000922, "Fapi_Provision", ERR_TPM_BUSY},
		{0x000001d5, "Fapi_CreateSeal", ERR_TPM_FAILED},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		int r = rc_fill(cases[i].rc, cases[i].step, "", &err);

		if (r != cases[i].code)
			print_error("0x%08x of %s\n", cases[i].rc, cases[i].step);
		assert_int_equal(r, cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_int_equal(err.origin_kind, ERR_ORIGIN_TSS2);
		assert_int_equal(err.origin, cases[i].rc);
		assert_true(strlen(err.text) > 0 && strlen(err_remedy(&err)) > 0);
	}
}

/* Where that of the code would lead astray. */
static void test_remedies(void **state)
{
	static const struct {
		uint32_t rc;
		const char *step;
		enum remedy remedy;
	} cases[] = {
		{0x0006000b, "Fapi_Provision", REMEDY_SRK},
		{0x0000014c, "Fapi_Provision", REMEDY_SRK},
		{0x00060025, "Fapi_Provision", REMEDY_CERTIFICATE},
		{0x00060034, "Fapi_List", REMEDY_PROVISION},
		{0x00060020, "Fapi_CreateSeal", REMEDY_CHANGED},
		{0x000009a2, "Fapi_CreateSeal", REMEDY_CHANGED},
		{0x0000018b, "Esys_TR_FromTPMPublic", REMEDY_CHANGED},
		{0x000009a2, "Fapi_Provision", REMEDY_OWNER},
		{0x0006000a, "Fapi_CreateSeal", REMEDY_STORE},
		{0x0006001f, "Fapi_CreateSeal", REMEDY_NONE},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		(void)rc_fill(cases[i].rc, cases[i].step, "", &err);
		assert_ptr_equal(err.remedy, remedy_text(cases[i].remedy));
	}
}

/* Which number FAPI makes of a refused password does not matter. */
static void test_hierarchy(void **state)
{
	static const uint32_t RCS[] = {0x0006002a, 0x00060001, 0x000a0001};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(RCS); i++) {
		struct err err = {0};

		assert_int_equal(rc_fill(RCS[i], "Fapi_Provision", "/LOCKOUT", &err),
				 ERR_OWNER_AUTH_REQUIRED);
		assert_non_null(strstr(err.text, "/LOCKOUT"));
		assert_int_equal(err.origin, RCS[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_remedies),
		cmocka_unit_test(test_hierarchy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
