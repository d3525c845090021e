/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chip that serves, and fails while it is looked into: whether it has a key of ours nobody knows.
 * Neither is another one made then, nor a pair taken that somebody may have put there; all is as it
 * would have been when the chip tells again.
 */
#include "identity/test_known.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "tests/support/tool.h"

/* --- a chip that fails --- */

static struct {
	unsigned list; /* so many lists are good yet, and one; 0 = all are */
	int look, sign;
	uint32_t at;	/* looks at this handle alone; 0 = at any */
	unsigned looks; /* so many of them; 0 = all */
} fails;

static int injected(int code, struct err *err)
{
	return err_set(err, code, "the test makes this fail");
}

int __real_provider_taken(struct provider *p, uint32_t handle, struct provider_taken *ret_taken,
			  struct err *err);
int __wrap_provider_taken(struct provider *p, uint32_t handle, struct provider_taken *ret_taken,
			  struct err *err);
int __wrap_provider_taken(struct provider *p, uint32_t handle, struct provider_taken *ret_taken,
			  struct err *err)
{
	if (fails.list == 1)
		return injected(ERR_TPM_FAILED, err);
	if (fails.list > 1)
		fails.list--;
	return __real_provider_taken(p, handle, ret_taken, err);
}

int __real_provider_resident(struct provider *p, uint32_t handle, struct key_result *ret_key,
			     struct err *err);
int __wrap_provider_resident(struct provider *p, uint32_t handle, struct key_result *ret_key,
			     struct err *err);
int __wrap_provider_resident(struct provider *p, uint32_t handle, struct key_result *ret_key,
			     struct err *err)
{
	int code = fails.look;

	if (code == 0 || (fails.at != 0 && fails.at != handle))
		return __real_provider_resident(p, handle, ret_key, err);
	if (fails.looks > 0 && --fails.looks == 0)
		fails.look = 0;
	return injected(code, err);
}

int __real_provider_resident_sign(struct provider *p, struct slice header,
				  const struct provider_resident *key,
				  const struct sign_request *request, struct buf *ret_signature,
				  struct err *err);
int __wrap_provider_resident_sign(struct provider *p, struct slice header,
				  const struct provider_resident *key,
				  const struct sign_request *request, struct buf *ret_signature,
				  struct err *err);
int __wrap_provider_resident_sign(struct provider *p, struct slice header,
				  const struct provider_resident *key,
				  const struct sign_request *request, struct buf *ret_signature,
				  struct err *err)
{
	return fails.sign != 0
		       ? injected(fails.sign, err)
		       : __real_provider_resident_sign(p, header, key, request, ret_signature, err);
}

static const struct {
	const char *what;
	unsigned list;
	int look, sign;
} FAILURES[] = {
	{"the list", 1, 0, 0},
	{"lost while it is looked into", 2, ERR_TPM_FAILED, 0},
	{"lost while it signs", 2, 0, ERR_TPM_FAILED},
	{"busy", 0, ERR_TPM_BUSY, 0},
	{"busy with itself", 0, 0, ERR_TPM_BUSY},
	{"gone while it signs", 0, 0, ERR_TPM_CHANGED},
};

static void fail_no_more(void)
{
	memset(&fails, 0, sizeof(fails));
}

static void fail_so(size_t i)
{
	fail_no_more();
	fails.list = FAILURES[i].list;
	fails.look = FAILURES[i].look;
	fails.sign = FAILURES[i].sign;
}

/* --- the worst of cases --- */

/* Whoever may write both folders deletes what he likes. */
static void lose_records(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++)
		world_remove(world, RECORD[i]);
}

static void lose_files(struct world *world)
{
	lose_records(world);
	world_remove(world, CERTIFICATE);
}

static void nothing_was_written(struct world *world)
{
	for (size_t i = 0; i < ARRAY_LEN(RECORD); i++)
		assert_false(world_has(world, RECORD[i]));
	assert_false(world_has(world, JOURNAL));
	assert_int_equal(world_count(world, QUARANTINE), 0);
}

/* Each leads to that mode, to another try, and to nothing else. */
static void settles_in_all_failures(struct world *world, enum identity_mode mode)
{
	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		print_message("%s\n", FAILURES[i].what);
		fail_so(i);
		world_boot(world);
		world_settles(world, mode);
		assert_true(world->retry);
		assert_true(identity_usable(world->view, &world->err) < 0);
		nothing_was_written(world);
		fail_no_more();
		assert_int_equal(world_keys(world), 1);
	}
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
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	lose_files(world);
	settles_in_all_failures(world, IDENTITY_UNPROVISIONED);
}

static void with_a_pair(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	CLEANUP(buf_fini) struct buf planted = BUF_INIT(1024);
	struct world *world = enabled(state, &known);

	lose_files(world);
	world_soft_pair(world, &planted);
	settles_in_all_failures(world, IDENTITY_DEGRADED);
	assert_true(world_has(world, SOFT_KEY));
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

/* Once is no more than a bus that stumbles. */
static void with_a_pair_and_one_failure(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	CLEANUP(buf_fini) struct buf planted = BUF_INIT(1024);
	struct world *world = enabled(state, &known);

	lose_files(world);
	world_soft_pair(world, &planted);
	fails.look = ERR_TPM_FAILED;
	fails.looks = 1;
	world_boot(world);
	world_settles(world, IDENTITY_ENABLED);
	assert_int_equal(fails.look, 0);
	assert_false(world_has(world, SOFT_KEY));
}

/* The certificate's key answers that it is gone, and is not: nobody is asked to decide. */
static void with_its_certificate(void **state)
{
	CLEANUP(known_fini) struct known known = KNOWN_INIT;
	struct world *world = enabled(state, &known);

	lose_records(world);
	settles_in_all_failures(world, IDENTITY_DEGRADED);
	world_settles(world, IDENTITY_ENABLED);
	assert_true(same_key(world, &known) && same_chain(world, &known));
}

/* --- what others keep there --- */

#define TELLS_NO_LOCKOUT                                                                           \
	"tpm2_getcap -T \"$1\" properties-variable | grep -q 'TPM2_PT_LOCKOUT_COUNTER: 0x0$'"

/* They may refuse as they like, be of a hierarchy that is off, or of a kind that nobody can read.
 */
static void beside_strangers(void **state)
{
	static const int LOOKS[] = {0, ERR_NOT_FOUND, ERR_TPM_FAILED};
	struct world *world = *state;

	world_stranger(world, 2);
	for (size_t i = 0; i < ARRAY_LEN(LOOKS); i++) {
		lose_files(world);
		fails.look = LOOKS[i];
		fails.at = WORLD_HANDLE;
		world_boot(world);
		world_settles(world, IDENTITY_ENABLED);
		world_signs(world);
	}
}

/* Of one that counts wrong passwords towards the lockout of the whole chip none is tried. */
static void beside_a_key_with_lockout(void **state)
{
	struct world *world = *state;
	const char *tcti = world->chip.conf;
	char context[96];

	snprintf(context, sizeof(context), "%s/key", world->chip.dir);
	assert_int_equal(TOOL_RUN("tpm2_createprimary", "-Q", "-T", tcti, "-C", "o", "-G",
				  "ecc256:ecdsa-sha256", "-a",
				  "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth",
				  "-p", "theirs", "-c", context),
			 0);
	assert_int_equal(TOOL_RUN("tpm2_evictcontrol", "-Q", "-T", tcti, "-C", "o", "-c", context,
				  "0x81000100"),
			 0);
	world_settles(world, IDENTITY_ENABLED);
	assert_int_equal(TOOL_RUN("sh", "-c", TELLS_NO_LOCKOUT, "sh", tcti), 0);
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
		CASE(a_new_device),
		CASE(without_files),
		CASE(with_a_pair),
		CASE(with_a_pair_of_its_own),
		CASE(with_a_pair_and_one_failure),
		CASE(with_its_certificate),
		CASE(beside_strangers),
		CASE(beside_a_key_with_lockout),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
