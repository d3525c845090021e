/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What was unwrapped is remembered: how much of it, how long, and what it saves. On a simulated
 * chip, through the door.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "provider/tpm/impl.h"
#include "tests/support/chip.h"
#include "wrap/duplicate.h"

struct world {
	struct chip chip;
	struct buf record;
	struct secret *key;
	struct provider *p;
	struct wrap_public *storage;
	struct err err;
};

static void open_again(struct world *world)
{
	CLEANUP(buf_fini) struct buf fresh = BUF_INIT(TPM_STATE_MAX);
	const struct tpm_options options = {.tcti = world->chip.conf,
					    .srk_handle = 0x81000002u,
					    .hsk_handle = 0x81000101u,
					    .encrypt = true};

	provider_free(world->p);
	world->p = NULL;
	assert_int_equal(tpm_provider_open(&options, world->key, buf_slice(&world->record),
					   &world->p, &fresh, &world->err),
			 0);
	buf_put(&world->record, buf_slice(&fresh));
	assert_int_equal(tpm_provider_commit(world->p, &world->err), 0);
}

static int setup(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	chip_new(&world->chip);
	world->record = (struct buf)BUF_INIT(TPM_STATE_MAX);
	assert_int_equal(secret_new(TPM_AUTH_KEY_SIZE, &world->key, &world->err), 0);
	open_again(world);
	assert_int_equal(provider_storage_key(world->p, &key, &world->err), 0);
	assert_int_equal(wrap_public_read(buf_slice(&key.public), &world->storage, &world->err), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	provider_free(world->p);
	chip_free(&world->chip);
	wrap_public_free(world->storage);
	buf_fini(&world->record);
	secret_free(world->key);
	free(world);
	return 0;
}

/* Number @n, whose only byte it is. */
static void seal(struct world *world, uint8_t n, struct duplicate_made *ret_made)
{
	CLEANUP(secret_cleanup) struct secret *data = NULL;

	assert_int_equal(secret_copy(slice_of(&n, 1), &data, &world->err), 0);
	assert_int_equal(duplicate_make(world->storage, data, ret_made, &world->err), 0);
}

static uint64_t commands_of(struct world *world)
{
	struct provider_status status;

	provider_status(world->p, &status);
	return status.commands;
}

static int unwrap(struct world *world, const struct duplicate_made *made, uint8_t n)
{
	const struct provider_wrapped wrapped = {
		.public_area = buf_slice(&made->public_area),
		.private_area = buf_slice(&made->private_area),
		.seed = buf_slice(&made->seed),
	};
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r = provider_unwrap(world->p, &wrapped, &plain, &world->err);

	if (r == 0)
		assert_true(slice_equal(secret_slice(plain), slice_of(&n, 1)));
	return r;
}

/* The same, and the commands that it took. */
static unsigned cost(struct world *world, const struct duplicate_made *made, uint8_t n)
{
	uint64_t before = commands_of(world);

	assert_int_equal(unwrap(world, made, n), 0);
	return (unsigned)(commands_of(world) - before);
}

static unsigned remembered(struct world *world)
{
	const struct unwrapped *unwrapped = &tpm_of(world->p)->unwrapped;
	unsigned count = 0;

	for (size_t i = 0; i < PROVIDER_UNWRAPPED; i++)
		count += unwrapped->entries[i].used != 0;
	return count;
}

static void test_cost(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	struct world *world = *state;

	seal(world, 1, &made);
	assert_int_equal(cost(world, &made, 1), 3); /* Import, Load, Unseal */
	for (int i = 0; i < 3; i++)
		assert_int_equal(cost(world, &made, 1), 1);
	assert_int_equal(remembered(world), 1);
	open_again(world);
	assert_int_equal(remembered(world), 0);
	assert_int_equal(cost(world, &made, 1), 3);
}

static void test_cost_when_it_is_not_loaded(void **state)
{
	struct duplicate_made made[6];
	struct world *world = *state;

	for (uint8_t i = 0; i < ARRAY_LEN(made); i++) {
		made[i] = (struct duplicate_made)DUPLICATE_MADE_INIT;
		seal(world, i, &made[i]);
		assert_int_equal(unwrap(world, &made[i], i), 0);
	}
	for (unsigned round = 0; round < 5; round++)
		for (uint8_t i = 0; i < ARRAY_LEN(made); i++) {
			unsigned taken = cost(world, &made[i], i);

			/* Flush, Load or ContextLoad, Unseal; once for each a ContextSave before.
			 */
			assert_in_range(taken, 2, round < 4 ? 4 : 3);
			assert_int_equal(cost(world, &made[i], i), 1);
		}
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		duplicate_made_fini(&made[i]);
}

/* The one that was not used for the longest time goes. */
static void test_no_more_than_that(void **state)
{
	enum { MANY = PROVIDER_UNWRAPPED + 1 };
	struct duplicate_made made[MANY];
	struct world *world = *state;

	for (uint8_t i = 0; i < MANY; i++) {
		made[i] = (struct duplicate_made)DUPLICATE_MADE_INIT;
		seal(world, i, &made[i]);
		if (i == PROVIDER_UNWRAPPED)
			assert_int_equal(unwrap(world, &made[0], 0), 0);
		assert_int_equal(unwrap(world, &made[i], i), 0);
	}
	assert_int_equal(remembered(world), PROVIDER_UNWRAPPED);
	assert_in_range(cost(world, &made[0], 0), 1, 4);
	/* Import besides. */
	assert_in_range(cost(world, &made[1], 1), 4, 5);
	assert_int_equal(remembered(world), PROVIDER_UNWRAPPED);
	for (size_t i = 0; i < MANY; i++)
		duplicate_made_fini(&made[i]);
}

static void test_only_what_opened(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	struct world *world = *state;

	seal(world, 1, &made);
	made.private_area.data[40] ^= 1;
	assert_int_equal(unwrap(world, &made, 1), ERR_DAMAGED);
	assert_int_equal(remembered(world), 0);
	made.private_area.data[40] ^= 1;
	assert_int_equal(unwrap(world, &made, 1), 0);
	/* Another one's bytes are another's, wherever they are changed. */
	made.seed.data[made.seed.len - 1] ^= 1;
	assert_int_equal(unwrap(world, &made, 1), ERR_DAMAGED);
	assert_int_equal(remembered(world), 1);
}

static void test_losses(void **state)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	struct world *world = *state;

	seal(world, 1, &made);
	assert_int_equal(unwrap(world, &made, 1), 0);
	chip_power_cut(&world->chip);
	assert_int_equal(unwrap(world, &made, 1), ERR_TPM_FAILED);
	assert_int_equal(remembered(world), 1);
	chip_power_on(&world->chip);
	assert_int_equal(unwrap(world, &made, 1), 0);
	assert_int_equal(cost(world, &made, 1), 1);
	chip_replace(&world->chip);
	assert_int_equal(unwrap(world, &made, 1), ERR_TPM_CHANGED);
	assert_int_equal(remembered(world), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_cost),
		CASE(test_cost_when_it_is_not_loaded),
		CASE(test_no_more_than_that),
		CASE(test_only_what_opened),
		CASE(test_losses),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests_name("unwrap on a TPM", tests, NULL, NULL);
}
