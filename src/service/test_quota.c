/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a tenant: exact, also for requests at the same time, and counted only when asked. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <string.h>

#include "service/op.h"

#define MANY 12u

static struct tenant *tenant_of(struct fixture *fixture)
{
	return &fixture->tenant.tenant;
}

static int create(struct fixture *fixture, const char *name)
{
	char body[96];

	(void)snprintf(body, sizeof(body), "{\"name\":\"%s\",\"type\":\"ecc-p256\"}", name);
	return ask(fixture, "POST", "/v1/keys", body);
}

static int put(struct fixture *fixture, const char *name, size_t len)
{
	char path[64], body[4 * 6000];
	size_t at = (size_t)snprintf(body, sizeof(body), "{\"data\":\"");

	assert_int_equal(len % 3, 0);
	memset(body + at, 'A', len / 3 * 4);
	(void)snprintf(body + at + len / 3 * 4, 3, "\"}");
	(void)snprintf(path, sizeof(path), "/v1/secrets/%s", name);
	return ask(fixture, "PUT", path, body);
}

static void refuses_with_a_way_out(struct fixture *fixture, const char *word)
{
	answer_has(fixture, "\"code\":\"quota\"");
	answer_has(fixture, word);
	assert_null(strstr(fixture->answer, "Retry-After"));
}

static void keys_have_a_limit(void **state)
{
	struct fixture *fixture = *state;
	unsigned calls;

	use_chip(fixture);
	assert_int_equal(create(fixture, "before"), 201);
	tenant_of(fixture)->keys_max = 3;
	assert_int_equal(create(fixture, "a"), 201);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{}"), 201);
	/* The chip makes nothing for those that are refused, and no number is taken. */
	calls = fixture->chip.calls;
	assert_int_equal(create(fixture, "b"), 429);
	refuses_with_a_way_out(fixture, "`keys =` of the tenant");
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{}"), 429);
	assert_int_equal(ask(fixture, "POST", "/v1/keys", "{\"name\":\"i\",\"pem\":\"x\"}"), 429);
	assert_int_equal(fixture->chip.calls, calls);
	/* What exists works, and what is deleted makes room: for one. */
	assert_int_equal(ask(fixture, "POST", "/v1/keys/a/sign", "{\"message\":\"\"}"), 200);
	assert_int_equal(ask(fixture, "DELETE", "/v1/keys/before", NULL), 204);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{}"), 201);
	answer_has(fixture, "\"handle\":\"0x81010001\"");
	assert_int_equal(create(fixture, "b"), 429);
	assert_int_equal(ask(fixture, "DELETE", "/v1/aiks/0x81010000", NULL), 204);
	assert_int_equal(create(fixture, "b"), 201);
	assert_int_equal(create(fixture, "c"), 429);
	/* Lowered and raised while it runs. */
	tenant_of(fixture)->keys_max = 1;
	assert_int_equal(create(fixture, "c"), 429);
	tenant_of(fixture)->keys_max = 4;
	assert_int_equal(create(fixture, "c"), 201);
	assert_int_equal(create(fixture, "d"), 429);
	tenant_of(fixture)->keys_max = 0;
	assert_int_equal(create(fixture, "d"), 201);
}

/* One that failed takes nothing. */
static void failures_take_nothing(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	tenant_of(fixture)->keys_max = 2;
	assert_int_equal(create(fixture, "a"), 201);
	assert_int_equal(create(fixture, "a"), 409);
	fixture->chip.fails_with = ERR_TPM_FAILED;
	assert_int_equal(create(fixture, "b"), 503);
	fixture->chip.fails_with = 0;
	assert_int_equal(create(fixture, "b"), 201);
	assert_int_equal(create(fixture, "c"), 429);
}

/* @same: all of one name. How many were made. */
static unsigned create_many(struct fixture *fixture, const char *path, bool same, int otherwise)
{
	static struct asker askers[MANY];
	unsigned made = 0;
	char body[96];
	size_t i;

	for (i = 0; i < MANY; i++) {
		(void)snprintf(body, sizeof(body), "{\"name\":\"k%zu\",\"type\":\"ecc-p256\"}",
			       same ? 0 : i);
		asker_begin(&askers[i], fixture, "POST", path, body);
	}
	for (i = 0; i < MANY; i++) {
		int status = asker_end(&askers[i]);

		if (status != 201 && status != otherwise)
			fail_msg("asker %zu: %s", i, askers[i].answer);
		made += status == 201;
	}
	return made;
}

static void many_keys_at_once(void **state)
{
	static const char *const PATHS[] = {"/v1/keys", "/v1/aiks"};
	struct fixture *fixture = *state;
	uint64_t keys = 0, stored = 0;
	struct err err;
	size_t i;

	use_chip(fixture);
	tenant_of(fixture)->keys_max = 5;
	assert_int_equal(create_many(fixture, "/v1/keys", false, 429), 5);
	tenant_of(fixture)->keys_max = 9;
	assert_int_equal(create_many(fixture, "/v1/aiks", false, 429), 4);
	assert_int_equal(keystore_usage(fixture->store, "host", &keys, &stored, &err), 0);
	assert_int_equal(keys, 9);
	tenant_of(fixture)->keys_max = 0;
	for (i = 0; i < ARRAY_LEN(PATHS); i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "%s/k0", PATHS[i]);
		(void)ask(fixture, "DELETE", path, NULL);
		assert_int_equal(create_many(fixture, PATHS[i], true, 409), 1);
		assert_int_equal(ask(fixture, "GET", path, NULL), 200);
	}
}

static void secrets_have_a_limit(void **state)
{
	struct fixture *fixture = *state;
	uint64_t keys = 0, stored = 0;
	struct err err;

	use_chip(fixture);
	assert_int_equal(put(fixture, "before", 3), 201);
	/* Small ones take a block each. */
	tenant_of(fixture)->stored_max = 4 * STORE_BLOCK;
	assert_int_equal(put(fixture, "a", 3), 201);
	assert_int_equal(put(fixture, "b", 3), 201);
	assert_int_equal(put(fixture, "c", 4500), 429);
	refuses_with_a_way_out(fixture, "`stored =` of the tenant");
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/c", NULL), 404);
	assert_int_equal(put(fixture, "c", 3), 201);
	/* Replacing counts the difference, which may be nothing or less. */
	assert_int_equal(put(fixture, "a", 6), 200);
	assert_int_equal(put(fixture, "a", 4500), 429);
	assert_int_equal(ask(fixture, "GET", "/v1/secrets/a", NULL), 200);
	answer_has(fixture, "\"data\":\"AAAAAAAA\"");
	assert_int_equal(ask(fixture, "DELETE", "/v1/secrets/b", NULL), 204);
	assert_int_equal(put(fixture, "a", 4500), 200);
	assert_int_equal(put(fixture, "d", 3), 429);
	assert_int_equal(put(fixture, "a", 3), 200);
	assert_int_equal(put(fixture, "d", 3), 201);
	assert_int_equal(put(fixture, "e", 3), 429);
	/* A limit that was lowered refuses nothing that needs no more. */
	tenant_of(fixture)->stored_max = 1;
	assert_int_equal(put(fixture, "d", 6), 200);
	assert_int_equal(put(fixture, "e", 3), 429);
	assert_int_equal(keystore_usage(fixture->store, "host", &keys, &stored, &err), 0);
	assert_int_equal(stored, 4 * STORE_BLOCK);
	assert_int_equal(fixture->tenant.quotas[QUOTA_STORED].used, stored);
}

static void many_secrets_at_once(void **state)
{
	static struct asker askers[MANY];
	struct fixture *fixture = *state;
	uint64_t keys = 0, stored = 0;
	struct err err;
	unsigned round;
	size_t i;

	use_chip(fixture);
	tenant_of(fixture)->stored_max = 5 * STORE_BLOCK;
	for (round = 0; round < 2; round++) {
		unsigned made = 0;

		for (i = 0; i < MANY; i++) {
			char path[64];

			/* The second time all of one name, which is there and grows not. */
			(void)snprintf(path, sizeof(path), "/v1/secrets/s%zu", round == 0 ? i : 0);
			asker_begin(&askers[i], fixture, "PUT", path, "{\"data\":\"AAAA\"}");
		}
		for (i = 0; i < MANY; i++) {
			int status = asker_end(&askers[i]);

			made += status == 201 || status == 200;
			assert_true(status == 201 || status == 200 || status == 429);
		}
		if (round == 0)
			assert_int_equal(made, 5);
		assert_int_equal(keystore_usage(fixture->store, "host", &keys, &stored, &err), 0);
		assert_true(stored <= 5 * STORE_BLOCK);
	}
	/* Whatever they left unsure is counted again when it matters, and then it is exact. */
	for (i = 0; i < MANY; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/v1/secrets/s%zu", i);
		(void)ask(fixture, "DELETE", path, NULL);
	}
	for (i = 0; i < 5; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "t%zu", i);
		assert_int_equal(put(fixture, name, 3), 201);
	}
	assert_int_equal(put(fixture, "t5", 3), 429);
}

/* Nothing is read of the folder for a tenant without a limit, and once for one that has it. */
static void counts_only_when_asked(void **state)
{
	struct fixture *fixture = *state;
	const struct quota *quota = &fixture->tenant.quotas[QUOTA_KEYS];

	use_chip(fixture);
	assert_int_equal(create(fixture, "a"), 201);
	assert_false(quota->known);
	tenant_of(fixture)->keys_max = 10;
	assert_int_equal(create(fixture, "b"), 201);
	assert_true(quota->known);
	assert_false(quota->loose);
	assert_int_equal(quota->used, 2);
	assert_int_equal(create(fixture, "c"), 201);
	assert_int_equal(ask(fixture, "DELETE", "/v1/keys/c", NULL), 204);
	assert_int_equal(ask(fixture, "DELETE", "/v1/keys/c", NULL), 404);
	assert_int_equal(quota->used, 2);
	assert_int_equal(quota->reserved, 0);
	assert_int_equal(quota->at_work, 0);
}

/* --- a limit that is set while changes are at work --- */

/* An op that begins to make the key @name, without a request. */
static struct op key_op(struct fixture *fixture, const char *name)
{
	struct op op = {
		.peer = {.tenant = tenant_of(fixture)},
		.tenant = fixture->tenant.owner,
		.store = fixture->store,
	};
	struct err err;

	(void)snprintf(op.name, sizeof(op.name), "%s", name);
	assert_int_equal(quota_adds_key(&op, &err), 0);
	return op;
}

/* What its steps would do. */
static void make_key(struct op *op)
{
	const struct store_id id = {"host", STORE_KEYS, op->name};
	struct err err;

	assert_int_equal(store_create(op->store, &id, slice_str("x"), &err), 0);
	op->changed = true;
}

/* An earlier one ends between the count of a later one and its admission. */
static void ends_between_count_and_admission(void **state)
{
	struct fixture *fixture = *state;
	struct quota *quota = &fixture->tenant.quotas[QUOTA_KEYS];
	struct op unlimited, limited, last;
	struct err err;

	unlimited = key_op(fixture, "a");
	tenant_of(fixture)->keys_max = 1;
	limited = key_op(fixture, "b");
	assert_int_equal(quota_count(&limited, &err), 0);
	make_key(&unlimited);
	quota_end(&unlimited);
	assert_int_equal(quota_admits(&limited, &err), ERR_QUOTA);
	assert_true(quota->known && quota->loose);
	assert_int_equal(quota->used, 1);
	quota_end(&limited);
	tenant_of(fixture)->keys_max = 2;
	last = key_op(fixture, "b");
	make_key(&last);
	quota_end(&last);
	/* Who would be refused by what may be too much has it counted, exactly now. */
	last = key_op(fixture, "c");
	assert_int_equal(quota_count(&last, &err), 0);
	assert_int_equal(quota_admits(&last, &err), ERR_QUOTA);
	quota_end(&last);
	assert_false(quota->loose);
	assert_int_equal(quota->used, 2);
	assert_int_equal(quota->reserved, 0);
	assert_int_equal(quota->at_work, 0);
}

/* One that was let in without a limit takes its room of the limit that came. */
static void put_without_a_limit_takes_room(void **state)
{
	struct fixture *fixture = *state;
	struct quota *quota = &fixture->tenant.quotas[QUOTA_STORED];
	struct op first = {.peer = {.tenant = tenant_of(fixture)}, .name = "a"};

	use_chip(fixture);
	quota_puts_secret(&first, 2 * STORE_BLOCK);
	tenant_of(fixture)->stored_max = 2 * STORE_BLOCK;
	assert_int_equal(put(fixture, "b", 3), 429);
	first.quota.need = STORE_BLOCK; /* less than it might have been */
	first.changed = true;
	quota_end(&first);
	assert_int_equal(quota->reserved, 0);
	assert_int_equal(put(fixture, "b", 3), 201);
}

/* --- persistent objects --- */

static struct quota_change object(struct fixture *fixture, uint64_t at_most)
{
	struct quota_change change = {.watched = false};

	quota_other_begins(&fixture->tenant, at_most, &change);
	return change;
}

static void store_object(struct fixture *fixture, const char *name)
{
	const struct store_id id = {"host", STORE_PERSISTENT, name};
	struct err err;

	assert_int_equal(store_create(fixture->store, &id, slice_str("x"), &err), 0);
}

/* One that ends while a request counts may be in the count or not. */
static void an_object_ends_while_a_secret_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct op secret = {.peer = {.tenant = tenant_of(fixture)}, .name = "a"};
	struct quota *quota = &fixture->tenant.quotas[QUOTA_STORED];
	struct quota_change made = object(fixture, 2 * STORE_BLOCK);
	struct err err;

	secret.tenant = fixture->tenant.owner;
	secret.store = fixture->store;
	tenant_of(fixture)->stored_max = 2 * STORE_BLOCK;
	assert_int_equal(quota_other_admits(&fixture->tenant, &made), 2 * STORE_BLOCK);
	quota_puts_secret(&secret, 2 * STORE_BLOCK);
	assert_int_equal(quota_count(&secret, &err), 0);
	store_object(fixture, "81000010");
	quota_other_ends(&fixture->tenant, &made,
			 &(struct quota_other){.changed = true, .put = STORE_BLOCK});
	secret.quota.need = 2 * STORE_BLOCK;
	assert_int_equal(quota_admits(&secret, &err), ERR_QUOTA);
	assert_int_equal(quota->used, STORE_BLOCK);
	quota_end(&secret);
	assert_int_equal(quota->reserved, 0);
	assert_int_equal(quota->at_work, 0);
}

/* It gets what is left and no more, secrets get what it leaves, and what it did not take is back.
 */
static void objects_have_the_limit_of_secrets(void **state)
{
	struct fixture *fixture = *state;
	struct quota *quota = &fixture->tenant.quotas[QUOTA_STORED];
	struct quota_change made, second, removed;
	struct err err;

	use_chip(fixture);
	tenant_of(fixture)->stored_max = 3 * STORE_BLOCK;
	made = object(fixture, 2 * STORE_BLOCK);
	assert_true(made.counts);
	assert_int_equal(quota_other_count(fixture->store, "host", &made, &err), 0);
	assert_int_equal(quota_other_admits(&fixture->tenant, &made), 2 * STORE_BLOCK);
	second = object(fixture, 2 * STORE_BLOCK);
	assert_int_equal(quota_other_count(fixture->store, "host", &second, &err), 0);
	assert_int_equal(quota_other_admits(&fixture->tenant, &second), STORE_BLOCK);
	assert_int_equal(put(fixture, "a", 3), 429);
	store_object(fixture, "81000010");
	quota_other_ends(&fixture->tenant, &made,
			 &(struct quota_other){.changed = true, .put = STORE_BLOCK});
	quota_other_ends(&fixture->tenant, &second, &(struct quota_other){.failed = ERR_QUOTA});
	assert_int_equal(quota->reserved, 0);
	assert_int_equal(put(fixture, "a", 3), 201);
	assert_int_equal(put(fixture, "b", 3), 201);
	/* Removing needs no room, and no count where all is known. */
	removed = object(fixture, 0);
	assert_false(removed.counts);
	assert_int_equal(quota_other_admits(&fixture->tenant, &removed), 0);
	quota_other_ends(&fixture->tenant, &removed,
			 &(struct quota_other){.changed = true, .taken = STORE_BLOCK});
	assert_int_equal(quota->used, 2 * STORE_BLOCK);
	assert_false(quota->loose);
}

/* What may have been stored counts, until it is looked for. */
static void an_object_nobody_is_sure_of(void **state)
{
	struct fixture *fixture = *state;
	struct quota *quota = &fixture->tenant.quotas[QUOTA_STORED];
	struct quota_change made;
	struct err err;

	tenant_of(fixture)->stored_max = 4 * STORE_BLOCK;
	made = object(fixture, 2 * STORE_BLOCK);
	assert_int_equal(quota_other_count(fixture->store, "host", &made, &err), 0);
	(void)quota_other_admits(&fixture->tenant, &made);
	quota_other_ends(&fixture->tenant, &made, &(struct quota_other){.failed = ERR_TIMEOUT});
	assert_int_equal(quota->used, 2 * STORE_BLOCK);
	assert_true(quota->loose);
	/* One that never began to be at work changes nothing. */
	made = object(fixture, 3 * STORE_BLOCK);
	assert_true(made.counts);
	quota_other_ends(&fixture->tenant, &made, &(struct quota_other){.changed = false});
	assert_int_equal(quota->at_work, 0);
	made = object(fixture, 3 * STORE_BLOCK);
	assert_int_equal(quota_other_count(fixture->store, "host", &made, &err), 0);
	assert_int_equal(quota_other_admits(&fixture->tenant, &made), 3 * STORE_BLOCK);
	quota_other_ends(&fixture->tenant, &made, &(struct quota_other){.changed = false});
	assert_int_equal(quota->used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_have_a_limit),
		TEST(failures_take_nothing),
		TEST(many_keys_at_once),
		TEST(secrets_have_a_limit),
		TEST(many_secrets_at_once),
		TEST(counts_only_when_asked),
		TEST(ends_between_count_and_admission),
		TEST(put_without_a_limit_takes_room),
		TEST(an_object_ends_while_a_secret_is_counted),
		TEST(objects_have_the_limit_of_secrets),
		TEST(an_object_nobody_is_sure_of),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
