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
	{"all words do not make a host", TENANT_HOST_ONLY - 1, TENANT_HOST_ONLY, "the host"},
	{"host", TENANT_HOST_ONLY, TENANT_HOST_ONLY, NULL},
	{"nor does a host make an administrator", (TENANT_ADMIN - 1), TENANT_ADMIN,
	 "administrator"},
	{"admin", TENANT_ADMIN | TENANT_HOST_ONLY, TENANT_ADMIN, NULL},
	{"an administrator has no tenant's rights", TENANT_ADMIN | TENANT_HOST_ONLY,
	 TENANT_HOST_ONLY | TENANT_SEAL, "'seal'"},
	{"no job is no right", 0, TENANT_NO_JOB, NULL},
	{"no job beside a right", 0, TENANT_HOST_ONLY | TENANT_NO_JOB, "the host"},
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
	assert_non_null(strstr(err_remedy(&err), "Wait"));
	assert_null(strstr(err_remedy(&err), "delete"));
}

static void test_admits(void **state)
{
	static const uid_t PEERS[] = {1000, 0};
	static const struct {
		size_t count;
		uid_t uid;
		bool admitted;
	} CASES[] = {
		{0, 0, true},	 {0, 4711, true}, {2, 1000, true}, {2, 0, true},
		{2, 999, false}, {1, 0, false},	  {1, 1000, true}, {2, (uid_t)-1, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct tenant tenant = {
			.name = "web", .peers = PEERS, .peer_count = CASES[i].count};
		const struct tenant_peer peer = {.tenant = &tenant, .uid = CASES[i].uid};
		struct err err = {0};
		int r = tenant_admits(&tenant, &peer, &err);

		assert_int_equal(r, CASES[i].admitted ? 0 : ERR_FORBIDDEN);
		if (r < 0)
			assert_string_equal(err.text,
					    "this peer's uid may not use the socket of tenant web");
	}
}

/* How many of many requests at one moment get through. */
static unsigned turns_at(struct tenant *tenant, uint64_t now_us)
{
	struct err err = {0};
	unsigned taken = 0, i;

	for (i = 0; i < 100; i++)
		taken += tenant_take_turn(tenant, now_us, &err) == 0;
	if (taken < 100) {
		assert_int_equal(err.code, ERR_QUOTA);
		assert_int_equal(err.retry_after, 1);
		assert_string_equal(err_remedy(&err),
				    "Wait as long as Retry-After says, then repeat.");
	}
	return taken;
}

static void test_rate(void **state)
{
	static const struct {
		uint64_t after_us;
		unsigned taken;
	} STEPS[] = {
		{0, 3},	      {333333, 0},  {1, 1},
		{333332, 0},  {666668, 3}, /* both pauses count */
		{1000000, 3}, {5000000, 3}, {UINT32_MAX, 3},
	};
	struct tenant tenant = {.name = "web", .rate = 3};
	uint64_t now = 7777777;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(STEPS); i++) {
		now += STEPS[i].after_us;
		assert_int_equal(turns_at(&tenant, now), STEPS[i].taken);
	}
	/* The reader takes rates up to a million. */
	tenant = (struct tenant){.name = "web", .rate = 1000000};
	assert_int_equal(turns_at(&tenant, now), 100);
	tenant = (struct tenant){.name = "web", .rate = 0};
	assert_int_equal(turns_at(&tenant, 0), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_permits),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_admits),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
