/* SPDX-License-Identifier: Apache-2.0 */
/* The list of persistent handles, and what a chip may make of it. */

#include <stdlib.h>

#include "base/json.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"

#define PERSISTENT 0x81000000u

static void test_list(void **state)
{
	struct bench *bench = *state;
	struct engine_handles list;

	raw_squat(bench, 0x81000400u);
	raw_squat(bench, 0x81010016u);
	assert_int_equal(engine_persistents(bench->engine, PERSISTENT, &list, &bench->err), 0);
	assert_int_equal(list.count, 4);
	assert_int_equal(list.handle[0], SRK_SHARED_HANDLE);
	assert_int_equal(list.handle[1], HSK_HANDLE);
	assert_int_equal(list.handle[2], 0x81000400u);
	assert_int_equal(list.handle[3], 0x81010016u);
	assert_int_equal(engine_persistents(bench->engine, 0x81000401u, &list, &bench->err), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(engine_persistents(bench->engine, 0x81010017u, &list, &bench->err), 0);
	assert_int_equal(list.count, 0);
}

/* Who walks through the lists comes to an end, and passes nothing over, whatever the chip says. */
static void test_list_in_disorder(void **state)
{
	struct bench *bench = *state;
	struct engine_handles list;

	for (uint32_t i = 0; i < 12; i++) /* the lie wants a long answer */
		raw_squat(bench, 0x81000400u + i);
	bench_lie(bench, "swap", TPM2_CC_GetCapability);
	unsetenv("HOLDFAST_TEST_EVIL_TOLD"); /* it was told while the chip was opened */
	assert_int_equal(engine_persistents(bench->engine, 0x81000400u, &list, &bench->err), 0);
	assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	assert_int_equal(list.count, 12);
	assert_int_equal(list.handle[0], 0x81000400u);
}

static void is_no_list(struct bench *bench, const char *how)
{
	struct engine_handles list = {.count = 77};

	for (uint32_t i = 0; i < 12; i++)
		raw_squat(bench, 0x81000400u + i);
	bench_lie(bench, how, TPM2_CC_GetCapability);
	assert_int_equal(engine_persistents(bench->engine, 0x81000400u, &list, &bench->err),
			 ERR_TPM_FAILED);
	assert_int_equal(list.count, 77);
}

/* There are more, and not one of them is told. */
static void test_list_held_back(void **state)
{
	is_no_list(*state, "hold");
}

/* Who has room for each handle once has no room for more. */
static void test_list_with_one_twice(void **state)
{
	is_no_list(*state, "twice");
}

/* Another's empty list is found to be another's. */
static void test_list_of_nobody(void **state)
{
	struct bench *bench = *state;
	struct engine_handles list = {.count = 77};

	bench_lie(bench, "hmac", TPM2_CC_ReadPublic);
	assert_int_equal(engine_persistents(bench->engine, 0x81010017u, &list, &bench->err), 0);
	assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	assert_int_equal(list.count, 0);
	bench_through_refuser(bench);
	bench_refuse(TPM2_CC_ReadPublic, TPM2_RC_FAILURE, 100);
	list.count = 77;
	assert_int_equal(engine_persistents(bench->engine, 0x81010017u, &list, &bench->err),
			 ERR_TPM_FAILED);
	(void)bench_refused();
	assert_int_equal(list.count, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_list),	   CASE(test_list_in_disorder),
		CASE(test_list_held_back), CASE(test_list_with_one_twice),
		CASE(test_list_of_nobody),
	};
	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
