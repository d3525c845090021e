/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Keys that the chip keeps, through the door on a simulated chip: what the contract leaves to the
 * TPM, and what a factory reset takes away.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/tpm_range.h"
#include "provider/tpm/impl.h"
#include "tests/support/chip.h"
#include "tests/support/tool.h"

#define HANDLE	   0x81000100u
#define HSK_HANDLE 0x81000101u

struct world {
	struct chip chip;
	struct tpm_options options;
	struct buf record;
	struct secret *key;
	struct provider *p;
	struct key_result kept;
	struct provider_resident resident;
	struct err err;
};

static struct slice header(void)
{
	return slice_str("the header of a key");
}

static void open_again(struct world *world)
{
	CLEANUP(buf_fini) struct buf fresh = BUF_INIT(TPM_STATE_MAX);

	provider_free(world->p);
	world->p = NULL;
	assert_int_equal(tpm_provider_open(&world->options, world->key, buf_slice(&world->record),
					   &world->p, &fresh, &world->err),
			 0);
	buf_put(&world->record, buf_slice(&fresh));
	assert_int_equal(tpm_provider_commit(world->p, &world->err), 0);
}

static void keep(struct world *world)
{
	static const struct key_spec spec = {.type = PKEY_ECC_P256};

	assert_int_equal(provider_key_create(world->p, header(), &spec, &world->kept, &world->err),
			 0);
	assert_int_equal(provider_persist(world->p, header(), buf_slice(&world->kept.object),
					  HANDLE, &world->resident.handle, &world->err),
			 0);
	assert_int_equal(world->resident.handle, HANDLE);
	world->resident.name = buf_slice(&world->kept.name);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	chip_new(&world->chip);
	world->options = (struct tpm_options){.tcti = world->chip.conf,
					      .srk_handle = 0x81000002u,
					      .hsk_handle = HSK_HANDLE,
					      .encrypt = true};
	world->record = (struct buf)BUF_INIT(TPM_STATE_MAX);
	world->kept = (struct key_result)KEY_RESULT_INIT;
	assert_int_equal(secret_new(TPM_AUTH_KEY_SIZE, &world->key, &world->err), 0);
	open_again(world);
	keep(world);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	provider_free(world->p);
	chip_free(&world->chip);
	key_result_fini(&world->kept);
	buf_fini(&world->record);
	secret_free(world->key);
	free(world);
	return 0;
}

static int sign(struct world *world)
{
	static const uint8_t digest[32] = {1};
	const struct sign_request request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);

	return provider_resident_sign(world->p, header(), &world->resident, &request, &signature,
				      &world->err);
}

static const char *fault_of(struct world *world)
{
	struct provider_status status;

	provider_status(world->p, &status);
	return status.fault;
}

static uint64_t commands_of(struct world *world)
{
	struct provider_status status;

	provider_status(world->p, &status);
	return status.commands;
}

static void test_a_signature_is_one_command(void **state)
{
	struct world *world = *state;
	uint64_t before;

	open_again(world);
	assert_int_equal(sign(world), 0);
	for (int i = 0; i < 3; i++) {
		before = commands_of(world);
		assert_int_equal(sign(world), 0);
		assert_int_equal(commands_of(world) - before, 1);
	}
}

/* That a key is gone is no fault of the chip's; that the chip is another one is. */
static void test_faults(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result found = KEY_RESULT_INIT;
	struct world *world = *state;

	assert_int_equal(provider_evict(world->p, &world->resident, &world->err), 0);
	assert_int_equal(sign(world), ERR_TPM_CHANGED);
	assert_null(fault_of(world));
	chip_power_cut(&world->chip);
	assert_int_equal(sign(world), ERR_TPM_FAILED);
	assert_string_equal(fault_of(world), "tpm_failed");
	chip_replace(&world->chip);
	assert_int_equal(sign(world), ERR_TPM_CHANGED);
	assert_string_equal(fault_of(world), "tpm_changed");
	assert_int_equal(provider_storage_key(world->p, &found, &world->err), ERR_TPM_CHANGED);
	assert_int_equal(found.spki.len, 0);
}

/* A key of no kind that is served has its Name all the same. */
static void test_what_a_stranger_left(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result found = KEY_RESULT_INIT;
	struct world *world = *state;
	char context[96], tcti[128];

	snprintf(context, sizeof(context), "%s/primary", world->chip.dir);
	snprintf(tcti, sizeof(tcti), "%s", world->chip.conf);
	assert_int_equal(TOOL_RUN("tpm2_createprimary", "-Q", "-T", tcti, "-C", "o", "-G",
				  "aes128cfb", "-c", context),
			 0);
	assert_int_equal(TOOL_RUN("tpm2_evictcontrol", "-Q", "-T", tcti, "-C", "o", "-c", context,
				  "0x81000300"),
			 0);
	assert_int_equal(provider_resident(world->p, 0x81000300u, &found, &world->err), 0);
	assert_int_equal(found.type, PKEY_TYPES);
	assert_int_equal(found.spki.len, 0);
	assert_true(found.public.len > 0);
	assert_int_equal(found.name.len, 34);
}

/* What lies where the tries are, neither before nor behind. */
static void test_taken(void **state)
{
	const struct slice object = buf_slice(&((struct world *)*state)->kept.object);
	const uint32_t behind = HANDLE + PROVIDER_RESIDENT_TRIES;
	struct provider_taken taken = {.count = 77};
	struct world *world = *state;
	uint32_t last = 0;

	assert_int_equal(provider_persist(world->p, header(), object, behind, &last, &world->err),
			 0);
	assert_int_equal(provider_taken(world->p, HANDLE, &taken, &world->err), 0);
	assert_int_equal(taken.count, 2);
	assert_int_equal(taken.handle[0], HANDLE);
	assert_int_equal(taken.handle[1], HSK_HANDLE);
	assert_int_equal(provider_taken(world->p, HSK_HANDLE + 1, &taken, &world->err), 0);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.handle[0], behind);
	assert_int_equal(provider_taken(world->p, behind + 1, &taken, &world->err), 0);
	assert_int_equal(taken.count, 0);
	/* There are no tries where the owner's handles end. */
	assert_int_equal(
		provider_persist(world->p, header(), object, TPM_OWNER_LAST, &last, &world->err),
		0);
	assert_int_equal(provider_taken(world->p, TPM_OWNER_LAST, &taken, &world->err), 0);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.handle[0], TPM_OWNER_LAST);
	assert_int_equal(provider_taken(world->p, TPM_OWNER_LAST + 1, &taken, &world->err),
			 ERR_INVALID);
	chip_power_cut(&world->chip);
	assert_int_equal(provider_taken(world->p, HANDLE, &taken, &world->err), ERR_TPM_FAILED);
	assert_int_equal(taken.count, 1);
}

static void test_foreign(void **state)
{
	const uint32_t ours[] = {HANDLE};
	uint32_t handles[TPM_FOREIGN_MAX];
	struct world *world = *state;
	uint32_t last = 0;
	size_t count = 77;

	assert_int_equal(tpm_provider_foreign(world->p, ours, 1, handles, &count, &world->err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(tpm_provider_foreign(world->p, NULL, 0, handles, &count, &world->err), 0);
	assert_int_equal(count, 1);
	assert_int_equal(handles[0], HANDLE);
	/* At the end of the range there is nothing behind it to ask for. */
	assert_int_equal(provider_persist(world->p, header(), buf_slice(&world->kept.object),
					  TPM_OWNER_LAST, &last, &world->err),
			 0);
	assert_int_equal(last, TPM_OWNER_LAST);
	assert_int_equal(tpm_provider_foreign(world->p, ours, 1, handles, &count, &world->err), 0);
	assert_int_equal(count, 1);
	assert_int_equal(handles[0], TPM_OWNER_LAST);
	chip_power_cut(&world->chip);
	assert_int_equal(tpm_provider_foreign(world->p, ours, 1, handles, &count, &world->err),
			 ERR_TPM_FAILED);
	assert_int_equal(count, 1);
}

/* As a factory reset does it: nothing of ours is left, and nothing opens any more. */
static void test_erase(void **state)
{
	struct world *world = *state;
	struct tpm_erase erase = {.keys = {world->resident, {.handle = HSK_HANDLE}}, .count = 2};
	CLEANUP(key_result_cleanup) struct key_result hsk = KEY_RESULT_INIT;
	CLEANUP(key_result_cleanup) struct key_result found = KEY_RESULT_INIT;
	struct tpm_erased erased = {.left = 77};

	assert_int_equal(provider_storage_key(world->p, &hsk, &world->err), 0);
	erase.keys[1].name = buf_slice(&hsk.name);
	provider_free(world->p);
	world->p = NULL;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tpm_provider_erase(&world->options, &erase, &erased, &world->err),
				 0);
		assert_int_equal(erased.left, 0);
		assert_false(erased.cleared);
		assert_string_equal(erased.why, "");
	}
	erase.clear = true;
	assert_int_equal(tpm_provider_erase(&world->options, &erase, &erased, &world->err), 0);
	assert_true(erased.cleared);
	buf_reset(&world->record);
	open_again(world);
	assert_int_equal(provider_resident(world->p, HANDLE, &found, &world->err), ERR_NOT_FOUND);
	/* What was kept of the object is of no use. */
	assert_int_equal(provider_persist(world->p, header(), buf_slice(&world->kept.object),
					  HANDLE, &world->resident.handle, &world->err),
			 ERR_DAMAGED);
	erase.count = TPM_ERASE_MAX + 1;
	assert_int_equal(tpm_provider_erase(&world->options, &erase, &erased, &world->err),
			 ERR_INVALID);
}

static void test_erase_without_a_device(void **state)
{
	struct world *world = *state;
	const struct tpm_erase erase = {.keys = {world->resident}, .count = 1};
	struct tpm_erased erased = {.left = 77};

	world->options.tcti = "swtpm:path=/nonexistent/socket";
	assert_int_equal(tpm_provider_erase(&world->options, &erase, &erased, &world->err),
			 ERR_TPM_FAILED);
	assert_int_equal(erased.left, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_a_signature_is_one_command),
		CASE(test_faults),
		CASE(test_what_a_stranger_left),
		CASE(test_taken),
		CASE(test_foreign),
		CASE(test_erase),
		CASE(test_erase_without_a_device),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
