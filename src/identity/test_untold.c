/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chip that serves, and fails while it is looked into: whether it has a key of ours nobody knows.
 * Neither is another one made then, nor a pair taken that somebody may have put there; all is as it
 * would have been when the chip tells again.
 */
#include "identity/test_known.h"

#include <stdlib.h>

#include "base/json.h"

/* --- a chip that fails --- */

static struct {
	bool list, look, sign;
	int code;
} fails;

#define WRAP(name, which, parameters, arguments)                                                   \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		return fails.which ? err_set(err, fails.code, "the test makes this fail")          \
				   : __real_##name arguments;                                      \
	}

WRAP(provider_taken, list,
     (struct provider * p, uint32_t handle, struct provider_taken *ret_taken, struct err *err),
     (p, handle, ret_taken, err))
WRAP(provider_resident, look,
     (struct provider * p, uint32_t handle, struct key_result *ret_key, struct err *err),
     (p, handle, ret_key, err))
WRAP(provider_resident_sign, sign,
     (struct provider * p, struct slice header, const struct provider_resident *key,
      const struct sign_request *request, struct buf *ret_signature, struct err *err),
     (p, header, key, request, ret_signature, err))

static const struct {
	const char *what;
	bool list, look, sign;
	int code;
} FAILURES[] = {
	{"the list", true, false, false, ERR_TPM_FAILED},
	{"a look at what is listed", false, true, false, ERR_TPM_FAILED},
	{"what is listed is not there", false, true, false, ERR_NOT_FOUND},
	{"a signature", false, false, true, ERR_TPM_FAILED},
	{"a chip that is busy", false, false, true, ERR_TPM_BUSY},
};

static void fail_so(size_t i)
{
	fails.list = FAILURES[i].list;
	fails.look = FAILURES[i].look;
	fails.sign = FAILURES[i].sign;
	fails.code = FAILURES[i].code;
}

static void fail_no_more(void)
{
	fails.list = fails.look = fails.sign = false;
}

/* --- the worst of cases --- */

/* Whoever may write both folders deletes what he likes. */
static void lose_files(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++)
		world_remove(world, RECORD[i]);
	world_remove(world, CERTIFICATE);
}

static void nothing_was_written(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++)
		assert_false(world_has(world, RECORD[i]));
	assert_false(world_has(world, JOURNAL));
	assert_int_equal(world_count(world, QUARANTINE), 0);
}

static void a_new_device(void **state)
{
	struct world *world = *state;

	chip_power_cut(&world->chip);
	world_settles(world, IDENTITY_UNPROVISIONED);
	assert_true(world->retry);
	nothing_was_written(world);
	chip_power_on(&world->chip);
	world_settles(world, IDENTITY_ENABLED);
	assert_int_equal(world_keys(world), 1);
	world_signs(world);
}

static void without_files(void **state)
{
	const struct identity_order order = {.wish = IDENTITY_INIT, .software = true};
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	lose_files(world);
	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		print_message("%s\n", FAILURES[i].what);
		fail_so(i);
		world_boot(world);
		world_settles(world, IDENTITY_UNPROVISIONED);
		assert_true(world->retry);
		/* Not even an operator, who cannot know either. */
		assert_int_equal(
			identity_order(world->identity, &world->now, &order, NULL, &world->err),
			ERR_TPM_REQUIRED);
		nothing_was_written(world);
		fail_no_more();
		assert_int_equal(world_keys(world), 1);
	}
}

static void with_a_pair(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	CLEANUP(buf_fini) struct buf planted = BUF_INIT(1024);
	struct world *world = enabled(state, &known);

	lose_files(world);
	world_soft_pair(world, &planted);
	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		print_message("%s\n", FAILURES[i].what);
		fail_so(i);
		world_boot(world);
		world_settles(world, IDENTITY_DEGRADED);
		assert_true(world->retry);
		assert_true(identity_usable(world->view, &world->err) < 0);
		nothing_was_written(world);
		assert_true(world_has(world, SOFT_KEY));
		fail_no_more();
	}
	/* It tells again: there was one, so the pair is nobody's. */
	world_settles(world, IDENTITY_ENABLED);
	assert_false(world_has(world, SOFT_KEY));
	assert_true(world_count(world, QUARANTINE) > 0);
	assert_false(slice_equal(buf_slice(&world->view->spki), buf_slice(&planted)));
	world_signs(world);
}

/* The pair of a device that never was in its TPM is found, a moment later. */
static void with_a_pair_of_its_own(void **state)
{
	CLEANUP(buf_fini) struct buf its = BUF_INIT(1024);
	struct world *world = *state;

	world_soft_pair(world, &its);
	fail_so(0);
	world_settles(world, IDENTITY_DEGRADED);
	nothing_was_written(world);
	fail_no_more();
	world_settles(world, IDENTITY_SOFTWARE);
	assert_true(slice_equal(buf_slice(&world->view->spki), buf_slice(&its)));
	assert_false(world_has(world, MARKER));
	world_signs(world);
}

/* What others keep there may refuse as it likes. */
static void beside_strangers(void **state)
{
	struct world *world = *state;

	world_stranger(world, 2);
	world_settles(world, IDENTITY_ENABLED);
	assert_int_equal(world_keys(world), 3);
	world_signs(world);
}

static int teardown(void **state)
{
	fail_no_more();
	return world_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, teardown)
		CASE(a_new_device),	      CASE(without_files),    CASE(with_a_pair),
		CASE(with_a_pair_of_its_own), CASE(beside_strangers),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
