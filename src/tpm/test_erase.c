/* SPDX-License-Identifier: Apache-2.0 */

/* A chip that nobody has open is emptied of what is ours, and cleared where it lets itself be. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

#define KEY_HANDLE 0x81000100u
#define STRANGER   0x81000400u
#define PERSISTENT 0x81000000u

static struct slice text_of(const char *text)
{
	return text ? slice_str(text) : slice_of(NULL, 0);
}

/* Ours: a key beside the HSK. The engine is closed then. */
static void fill(struct bench *bench, struct engine_persistent keys[2], struct engine_name names[2])
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	struct engine_public said;
	struct engine_object object;
	uint32_t handle = 0;

	bench_key(bench, ENGINE_HSK, &made);
	object = bench_object(&made, ENGINE_HSK);
	assert_int_equal(engine_persist(bench->engine, &object, KEY_HANDLE, &handle, &bench->err),
			 0);
	assert_int_equal(engine_public_parse(buf_slice(&made.public), &said, &bench->err), 0);
	pkey_free(said.key);
	names[0] = said.name;
	names[1] = bench->roots.hsk;
	keys[0] = (struct engine_persistent){.handle = handle, .name = name_slice(&names[0])};
	keys[1] = (struct engine_persistent){.handle = HSK_HANDLE, .name = name_slice(&names[1])};
	engine_free(bench->engine);
	bench->engine = NULL;
}

/* What the tests begin with. */
struct scene {
	struct bench *bench;
	struct engine_name names[2];
	struct engine_persistent keys[2];
	struct engine_erased erased;
};

static struct scene scene_of(void **state)
{
	return (struct scene){.bench = *state};
}

static int erase(struct scene *scene, bool clear)
{
	struct bench *bench = scene->bench;
	const struct engine_options options = {
		.tcti = bench->tcti[0] ? bench->tcti : bench->chip->conf,
		.srk_handle = OUR_HANDLE,
		.owner_auth = text_of(bench->owner),
		.lockout_auth = text_of(bench->lockout),
	};
	const struct engine_erase what = {.keys = scene->keys, .count = 2, .clear = clear};

	scene->erased = (struct engine_erased){.left = 77, .why = "untouched"};
	bench->err = (struct err){0};
	return engine_erase(&options, &what, &scene->erased, &bench->err);
}

static void expect(struct scene *scene, unsigned left, bool cleared, const char *why)
{
	assert_int_equal(scene->erased.left, left);
	assert_int_equal(scene->erased.cleared, cleared);
	if (why[0])
		assert_non_null(strstr(scene->erased.why, why));
	else
		assert_string_equal(scene->erased.why, "");
}

static unsigned persistents(struct scene *scene)
{
	return raw_count(scene->bench, PERSISTENT);
}

/* --- keys ---------------------------------------------------------------------------------- */

static void test_only_ours(void **state)
{
	struct scene scene = scene_of(state);
	int i;

	fill(scene.bench, scene.keys, scene.names);
	raw_squat(scene.bench, STRANGER);
	assert_int_equal(persistents(&scene), 4);
	for (i = 0; i < 2; i++) {
		assert_int_equal(erase(&scene, false), 0);
		expect(&scene, 0, false, "");
		assert_int_equal(persistents(&scene), 2); /* the SRK and the stranger */
		assert_int_equal(raw_count(scene.bench, GROUP_LOADED_SESSION), 0);
		assert_int_equal(raw_count(scene.bench, GROUP_TRANSIENT), 0);
	}
}

static void test_another_key_is_left(void **state)
{
	struct scene scene = scene_of(state);

	fill(scene.bench, scene.keys, scene.names);
	assert_int_equal(raw_evict(scene.bench, KEY_HANDLE, KEY_HANDLE), 0);
	raw_squat(scene.bench, KEY_HANDLE);
	assert_int_equal(erase(&scene, false), 0);
	expect(&scene, 1, false, "0x81000100 was left: another key");
	assert_int_equal(persistents(&scene), 2);
}

/* Without a storage key to salt to. */
static void test_without_an_srk(void **state)
{
	struct scene scene = scene_of(state);

	fill(scene.bench, scene.keys, scene.names);
	assert_int_equal(raw_evict(scene.bench, SRK_SHARED_HANDLE, SRK_SHARED_HANDLE), 0);
	assert_int_equal(erase(&scene, false), 0);
	expect(&scene, 0, false, "");
	assert_int_equal(persistents(&scene), 0);
}

static void test_owner_password(void **state)
{
	static const struct {
		const char *owner, *why;
	} cases[] = {{NULL, "has a password"}, {"wrong", "refused the configured owner password"}};
	struct scene scene = scene_of(state);
	size_t i;

	fill(scene.bench, scene.keys, scene.names);
	raw_password(scene.bench, TPM2_RH_OWNER, "secret");
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		scene.bench->owner = cases[i].owner;
		assert_int_equal(erase(&scene, false), 0);
		expect(&scene, 2, false, cases[i].why);
		assert_int_equal(persistents(&scene), 3);
	}
	scene.bench->owner = "secret";
	assert_int_equal(erase(&scene, false), 0);
	expect(&scene, 0, false, "");
	assert_int_equal(persistents(&scene), 1);
}

/* One that the chip does not have is no hindrance. */
static void test_owner_password_of_before(void **state)
{
	struct scene scene = scene_of(state);

	fill(scene.bench, scene.keys, scene.names);
	scene.bench->owner = "of another time";
	assert_int_equal(erase(&scene, false), 0);
	expect(&scene, 0, false, "");
	assert_int_equal(persistents(&scene), 1);
}

static void test_behind_a_manager(void **state)
{
	struct scene scene = scene_of(state);

	bench_through_refuser(scene.bench);
	fill(scene.bench, scene.keys, scene.names);
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 0, true, "");
	assert_int_equal(raw_count(scene.bench, GROUP_LOADED_SESSION), 0);
	assert_int_equal(persistents(&scene), 0);
}

static void test_no_chip(void **state)
{
	struct scene scene = scene_of(state);

	fill(scene.bench, scene.keys, scene.names);
	chip_power_cut(scene.bench->chip);
	assert_int_equal(erase(&scene, true), ERR_TPM_FAILED);
	assert_int_equal(scene.erased.left, 77);
	chip_power_on(scene.bench->chip);
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 0, true, "");
}

/* --- clearing ------------------------------------------------------------------------------ */

static void test_cleared(void **state)
{
	struct scene scene = scene_of(state);
	bool made = false;

	fill(scene.bench, scene.keys, scene.names);
	raw_squat(scene.bench, STRANGER);
	raw_password(scene.bench, TPM2_RH_OWNER, "secret");
	raw_password(scene.bench, TPM2_RH_LOCKOUT, "of lockout");
	scene.bench->owner = "secret";
	scene.bench->lockout = "of lockout";
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 0, true, "");
	assert_int_equal(persistents(&scene), 0);
	/* As after a power cut before anybody noted it: passwords are none of the chip's now. */
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 0, true, "");
	/* Nothing opens any more. */
	scene.bench->owner = NULL;
	assert_int_equal(bench_reopen(scene.bench, true, &made), 0);
	assert_int_equal(engine_refusal(scene.bench->engine), ERR_TPM_CHANGED);
}

static void test_lockout_password(void **state)
{
	struct scene scene = scene_of(state);

	fill(scene.bench, scene.keys, scene.names);
	raw_password(scene.bench, TPM2_RH_LOCKOUT, "of lockout");
	/* Not even tried. */
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 0, false, "not cleared: its lockout hierarchy has a password");
	scene.bench->lockout = "wrong";
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 0, false, "refused the configured lockout password");
	/* Which has locked it. */
	scene.bench->lockout = "of lockout";
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 0, false, "is locked out");
	assert_int_equal(persistents(&scene), 1);
}

/* Both reasons are told, as far as there is room. */
static void test_left_and_not_cleared(void **state)
{
	struct scene scene = scene_of(state);

	fill(scene.bench, scene.keys, scene.names);
	raw_password(scene.bench, TPM2_RH_OWNER, "secret");
	raw_password(scene.bench, TPM2_RH_LOCKOUT, "of lockout");
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 2, false, "0x81000100 was left");
	expect(&scene, 2, false, "; the TPM was not cleared");
}

static void forbid_clear(struct bench *bench)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_ClearControl);
	buf_put_u32(&command, TPM2_RH_LOCKOUT);
	raw_auth(&command, TPM2_RS_PW);
	buf_put_u8(&command, 1);
	raw_end(&command);
	assert_int_equal(raw_send(bench, &command, &answer), 0);
}

static void test_forbidden(void **state)
{
	struct scene scene = scene_of(state);

	fill(scene.bench, scene.keys, scene.names);
	forbid_clear(scene.bench);
	assert_int_equal(erase(&scene, true), 0);
	expect(&scene, 0, false, "forbidden");
	assert_int_equal(persistents(&scene), 1);
}

/* What a chip may say of TPM2_Clear, and what of it is no error. */
static void test_refusals(void **state)
{
	static const struct {
		uint32_t rc;
		int r;
		const char *why;
	} cases[] = {
		{TPM2_RC_DISABLED, 0, "forbidden"},
		{TPM2_RC_LOCKOUT, 0, "is locked out"},
		{TPM2_RC_BAD_AUTH | TPM2_RC_S | TPM2_RC_1, 0, "refused"},
		{TPM2_RC_AUTH_FAIL | TPM2_RC_S | TPM2_RC_1, 0, "refused"},
		{TPM2_RC_FAILURE, ERR_TPM_FAILED, NULL},
		{TPM2_RC_COMMAND_CODE, ERR_NOT_SUPPORTED, NULL},
	};
	struct scene scene = scene_of(state);
	size_t i;

	bench_through_refuser(scene.bench);
	fill(scene.bench, scene.keys, scene.names);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		bench_refuse(TPM2_CC_Clear, cases[i].rc, 1);
		assert_int_equal(erase(&scene, true), cases[i].r);
		assert_true(bench_refused());
		if (cases[i].r == 0)
			expect(&scene, 0, false, cases[i].why);
		else
			assert_int_equal(scene.erased.left, 77);
		assert_int_equal(persistents(&scene), 1);
	}
	/* What passes is tried again. */
	bench_refuse(TPM2_CC_Clear, TPM2_RC_MEMORY, 2);
	assert_int_equal(erase(&scene, true), 0);
	assert_true(bench_refused());
	expect(&scene, 0, true, "");
}

static void test_one_lie(void **state)
{
	static const struct {
		const char *how;
		uint32_t command;
	} lies[] = {
		{"hmac", TPM2_CC_EvictControl}, {"nonce", TPM2_CC_EvictControl},
		{"hmac", TPM2_CC_Clear},	{"attributes", TPM2_CC_Clear},
		{"tag", TPM2_CC_Clear},
	};
	struct scene scene = scene_of(state);
	struct bench *bench = scene.bench;
	bool made;
	size_t i;

	for (i = 0; i < ARRAY_LEN(lies); i++) {
		if (!bench->engine) {
			bench->tcti[0] = '\0';
			assert_int_equal(bench_reopen(bench, false, &made), 0);
			assert_int_equal(engine_persist_hsk(bench->engine, &bench->err), 0);
		}
		fill(bench, scene.keys, scene.names);
		unsetenv("HOLDFAST_TEST_EVIL_TOLD");
		(void)snprintf(bench->tcti, sizeof(bench->tcti), "%s:%s,%x,%s", EVIL_TCTI,
			       lies[i].how, lies[i].command, bench->chip->conf);
		raw_password(bench, TPM2_RH_LOCKOUT, "of lockout");
		bench->lockout = "of lockout";
		assert_int_equal(erase(&scene, true), 0);
		expect(&scene, 0, true, "");
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
		assert_int_equal(persistents(&scene), 0);
		bench->lockout = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_only_ours),
		CASE(test_another_key_is_left),
		CASE(test_without_an_srk),
		CASE(test_owner_password),
		CASE(test_owner_password_of_before),
		CASE(test_behind_a_manager),
		CASE(test_no_chip),
		CASE(test_cleared),
		CASE(test_lockout_password),
		CASE(test_left_and_not_cleared),
		CASE(test_forbidden),
		CASE(test_refusals),
		CASE(test_one_lie),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
