/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tenant/tenant.h"

static const struct {
	const char *what;
	uint32_t rights;
	uint32_t right;
	const char *word; /* of the refusal; NULL = allowed */
} PERMITS[] = {
	{"open to all", 0, 0, NULL},
	{"has it", TENANT_SEAL | TENANT_KEY, TENANT_SEAL, NULL},
	{"has another", TENANT_KEY, TENANT_SEAL, "'seal'"},
	{"has one of two", TENANT_KEY, TENANT_KEY | TENANT_IMPORT, "'import'"},
	{"names the last word", 0, TENANT_DEVICE_RAW, "'device-raw'"},
	{"all words do not make a host", TENANT_HOST_ONLY - 1, TENANT_HOST_ONLY, "tenant host"},
	{"host", TENANT_HOST_ONLY, TENANT_HOST_ONLY, NULL},
};

static void test_permits(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(PERMITS); i++) {
		struct tenant tenant = {.name = "web", .rights = PERMITS[i].rights};
		struct err err = {0};
		int r = tenant_permits(&tenant, PERMITS[i].right, &err);

		if (!PERMITS[i].word) {
			assert_int_equal(r, 0);
			continue;
		}
		assert_int_equal(r, ERR_FORBIDDEN);
		assert_int_equal(err.code, ERR_FORBIDDEN);
		assert_non_null(strstr(err.text, PERMITS[i].word));
	}
}

static void test_room(void **state)
{
	struct tenant tenant = {.name = "web", .in_flight = TENANT_IN_FLIGHT_MAX - 1};
	struct err err = {0};

	(void)state;
	assert_int_equal(tenant_has_room(&tenant, &err), 0);
	tenant.in_flight++;
	assert_int_equal(tenant_has_room(&tenant, &err), ERR_QUOTA);
	assert_true(err.retry_after > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_permits),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
