/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
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
		tenant.over = true;
		assert_int_equal(tenant_admits(&tenant, &peer, &err), ERR_FORBIDDEN);
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

/* Another policy goes on with what was counted; what was saved under a larger rate is cut. */
static void test_another_policy(void **state)
{
	const struct tenant_policy fast = {.rate = 50, .keys_max = 7, .cgroup = "/a"};
	const struct tenant_policy slow = {.rate = 2, .rights = TENANT_SEAL};
	struct tenant tenant = {.name = "web", .connections = 3, .in_flight = 2};
	struct err err;

	(void)state;
	tenant_set_policy(&tenant, &fast);
	assert_int_equal(tenant.keys_max, 7);
	assert_string_equal(tenant.cgroup, "/a");
	assert_int_equal(turns_at(&tenant, 10000000), 50);
	assert_int_equal(tenant_permits(&tenant, TENANT_SEAL, &err), ERR_FORBIDDEN);
	tenant_set_policy(&tenant, &slow);
	assert_int_equal(tenant.keys_max, 0);
	assert_string_equal(tenant.cgroup, "");
	assert_int_equal(tenant_permits(&tenant, TENANT_SEAL, &err), 0);
	assert_int_equal(turns_at(&tenant, 30000000), 2);
	assert_int_equal(tenant.connections, 3);
	assert_int_equal(tenant.in_flight, 2);
	assert_string_equal(tenant.name, "web");
}

static void test_may_connect(void **state)
{
	static const struct {
		unsigned own, own_max, open, max;
		bool may;
	} CASES[] = {
		{0, 64, 0, 1024, true},
		{63, 64, 63, 1024, true},
		{64, 64, 64, 1024, false},
		{0, 64, 1023, 1024, true}, /* the last place is for one who has none */
		{1, 64, 1023, 1024, false},
		{0, 64, 1024, 1024, false},
		{0, 64, 1100, 1024, false},
		{511, 4096, 511, 1024, true}, /* alone: one half */
		{512, 4096, 512, 1024, false},
		{60, 64, 960, 1024, true},
		{61, 64, 963, 1024, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		const struct tenant tenant = {.name = "web",
					      .connections = CASES[i].own,
					      .connections_max = CASES[i].own_max};

		if (tenant_may_connect(&tenant, CASES[i].open, CASES[i].max) != CASES[i].may)
			fail_msg("case %zu", i);
	}
}

enum { MANY = 1023, PLACES = 1024 };

/* Each in turn takes one more place, until none gets any. */
static unsigned take_all(struct tenant *tenants, size_t count)
{
	unsigned open = 0, before;
	size_t i;

	do {
		before = open;
		for (i = 0; i < count; i++) {
			if (!tenant_may_connect(&tenants[i], open, PLACES))
				continue;
			tenants[i].connections++;
			open++;
		}
	} while (open > before);
	return open;
}

/* However many take all that they can: another one still gets in. */
static void test_nobody_takes_all(void **state)
{
	static const size_t COUNTS[] = {1, 2, 15, 16, 17, 100, MANY};
	const struct tenant another = {.connections_max = 1};
	size_t c, i;

	(void)state;
	for (c = 0; c < ARRAY_LEN(COUNTS); c++) {
		struct tenant *tenants = calloc(COUNTS[c], sizeof(*tenants));
		unsigned open;

		assert_non_null(tenants);
		for (i = 0; i < COUNTS[c]; i++)
			tenants[i].connections_max = 4096;
		open = take_all(tenants, COUNTS[c]);
		assert_true(tenant_may_connect(&another, open, PLACES));
		assert_true(open >= PLACES / 2);
		free(tenants);
	}
}

/* --- life --- */

static unsigned freed;

static void count_free(struct tenant *tenant)
{
	assert_int_equal(tenant->holders, 0);
	freed++;
}

static void test_life(void **state)
{
	struct tenant tenant = {.name = "web", .free = count_free};
	struct tenant for_good = {.name = "admin"};

	(void)state;
	freed = 0;
	assert_ptr_equal(tenant_hold(&tenant), &tenant);
	(void)tenant_hold(&tenant);
	tenant_drop(&tenant);
	assert_int_equal(freed, 0);
	tenant_drop(&tenant);
	assert_int_equal(freed, 1);
	tenant_drop(tenant_hold(&for_good));
	tenant_drop(tenant_hold(&for_good));
	assert_int_equal(freed, 1);
	assert_null(tenant_hold(NULL));
	tenant_drop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_permits),		 cmocka_unit_test(test_room),
		cmocka_unit_test(test_admits),		 cmocka_unit_test(test_rate),
		cmocka_unit_test(test_another_policy),	 cmocka_unit_test(test_may_connect),
		cmocka_unit_test(test_nobody_takes_all), cmocka_unit_test(test_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
