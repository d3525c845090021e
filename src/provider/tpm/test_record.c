/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "provider/tpm/impl.h"

static unsigned short_at; /* allocations until the one that fails; 0 = none does */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	return short_at > 0 && --short_at == 0 ? NULL : __real_malloc(size);
}

static struct engine_roots sample(void)
{
	struct engine_roots roots = {.srk_handle = 0x81000001u};

	roots.srk.len = roots.hsk.len = 34;
	roots.srk.bytes[1] = roots.hsk.bytes[1] = 0x0b;
	roots.srk.bytes[33] = 1;
	roots.hsk.bytes[33] = 2;
	roots.hsk_public_len = 5;
	memcpy(roots.hsk_public, "\x00\x01\x02\x03\xff", 5);
	roots.hsk_private_len = 3;
	memcpy(roots.hsk_private, "abc", 3);
	return roots;
}

static void test_round_trip(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TPM_STATE_MAX);
	struct engine_roots roots = sample(), again = {0};
	struct err err;

	(void)state;
	assert_int_equal(tpm_record_write(&roots, &text, &err), 0);
	assert_int_equal(tpm_record_parse(buf_slice(&text), &again, &err), 0);
	assert_memory_equal(&again, &roots, sizeof(roots));
}

/* Not one of these may be taken for a chip that was never recorded. */
static const char *const bad[] = {
	"",
	"{",
	"[]",
	"{}",
	"{\"version\":2,\"srk_handle\":2164260865}",
	"{\"version\":1,\"srk_handle\":1,\"srk_name\":\"000b\",\"hsk_name\":\"000b\","
	"\"hsk_public\":\"AAEC\",\"hsk_private\":\"AAEC\"}",
	"{\"version\":1,\"srk_handle\":2164260865,\"srk_name\":\"0\",\"hsk_name\":\"000b\","
	"\"hsk_public\":\"AAEC\",\"hsk_private\":\"AAEC\"}",
	"{\"version\":1,\"srk_handle\":2164260865,\"srk_name\":\"zz0b\",\"hsk_name\":\"000b\","
	"\"hsk_public\":\"AAEC\",\"hsk_private\":\"AAEC\"}",
	"{\"version\":1,\"srk_handle\":2164260865,\"srk_name\":\"000b\",\"hsk_name\":\"000b\","
	"\"hsk_public\":\"\",\"hsk_private\":\"AAEC\"}",
	"{\"version\":1,\"srk_handle\":2164260865,\"srk_name\":\"000b\",\"hsk_name\":\"000b\","
	"\"hsk_public\":\"AAEC\",\"hsk_private\":\"A\"}",
	"{\"version\":1,\"srk_handle\":2164260865,\"srk_name\":\"000b\",\"srk_name\":\"000b\"}",
};

static void test_bad_records(void **state)
{
	struct engine_roots roots = {.srk_handle = 77};
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(tpm_record_parse(slice_str(bad[i]), &roots, &err), ERR_DAMAGED);
	assert_int_equal(roots.srk_handle, 77); /* untouched */
}

/* A lack of memory is no damage, which would keep the daemon from the chip for good. */
static void test_memory_runs_short(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TPM_STATE_MAX);
	struct engine_roots roots = sample(), again = {0};
	struct err err;
	unsigned n;
	int r = -1;

	(void)state;
	assert_int_equal(tpm_record_write(&roots, &text, &err), 0);
	for (n = 1; r < 0; n++) {
		assert_true(n < 1000);
		short_at = n;
		r = tpm_record_parse(buf_slice(&text), &again, &err);
		if (r < 0)
			assert_int_equal(r, ERR_INTERNAL);
	}
	short_at = 0;
	assert_true(n > 8);
	assert_memory_equal(&again, &roots, sizeof(roots));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_memory_runs_short),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
