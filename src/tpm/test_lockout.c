/* SPDX-License-Identifier: Apache-2.0 */

/* Objects that others made, the lockout that they are subject to, and what else a chip tells. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_guests.h"
#include "tpm/transport.h"

#define FAPI_HANDLE 0x81000007u

static struct engine_facts facts_of(struct bench *bench)
{
	struct engine_facts facts;

	engine_facts(bench->engine, &facts);
	return facts;
}

/* What the chip says itself. */
static uint32_t counter_of(struct bench *bench)
{
	struct engine_facts before = bench->engine->facts;
	uint32_t counter;

	assert_int_equal(chip_lockout(bench->engine), 0);
	counter = bench->engine->facts.lockout_counter;
	bench->engine->facts = before;
	return counter;
}

/* An object like those of other software: subject to lockout. */
static void make_protected(struct bench *bench, const struct root *parent, TPM2B_PUBLIC *template,
			   struct slice auth, struct slice data, struct engine_made *ret_made)
{
	const struct chip_create create = {
		.parent = parent, .template = template, .auth = auth, .data = data};
	TPM2B_PRIVATE private;
	TPM2B_PUBLIC public;

	template->publicArea.objectAttributes &= ~(uint32_t)TPMA_OBJECT_NODA;
	assert_int_equal(chip_create(bench->engine, &create, &public, &private), 0);
	assert_int_equal(public_marshal(&public, &ret_made->public, &bench->err), 0);
	assert_int_equal(private_marshal(&private, &ret_made->private, &bench->err), 0);
}

static void make_protected_key(struct bench *bench, struct engine_made *ret_made)
{
	TPM2B_PUBLIC template;

	assert_int_equal(public_key(PKEY_ECC_P256, ENGINE_SIGN, &template, &bench->err), 0);
	make_protected(bench, &bench->engine->srk, &template, bench_password, slice_of(NULL, 0),
		       ret_made);
}

/* As engine_change_auth() does for an import: a guess is one guess. */
static int guess(struct bench *bench, const struct engine_made *key, const char *password)
{
	struct engine_object object = bench_object(key, ENGINE_SRK);
	CLEANUP(buf_fini) struct buf private = BUF_INIT(ENGINE_PRIVATE_MAX);

	object.auth = slice_str(password);
	bench->err = (struct err){0};
	return engine_change_auth(bench->engine, &object, slice_str("new"), &private, &bench->err);
}

/* --- lockout ------------------------------------------------------------------------------- */

static void test_counter_is_live(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint32_t max = facts_of(bench).lockout_max, i;

	make_protected_key(bench, &key);
	bench_seal(bench, "kept", &sealed);
	assert_in_range(max, 2, 40);
	assert_int_equal(facts_of(bench).lockout_counter, 0);
	for (i = 1; i <= max; i++) {
		assert_int_equal(guess(bench, &key, "wrong"), ERR_AUTH_FAILED);
		assert_int_equal(facts_of(bench).lockout_counter, i);
		assert_int_equal(facts_of(bench).in_lockout, i == max);
	}
	assert_int_equal(guess(bench, &key, "wrong"), ERR_TPM_LOCKOUT);
	assert_int_equal(bench->err.retry_after, facts_of(bench).lockout_interval);
	assert_true(facts_of(bench).in_lockout);
	assert_int_equal(facts_of(bench).lockout_resets, 0);
	/* What is ours is exempt. */
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

static void reopen_with(struct bench *bench, const char *lockout)
{
	bool made;

	bench->lockout = lockout;
	assert_int_equal(bench_reopen(bench, true, &made), 0);
}

static void test_reset_in_time(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint32_t max = facts_of(bench).lockout_max, half = max / 2 ? max / 2 : 1, i;

	make_protected_key(bench, &key);
	raw_password(bench, TPM2_RH_LOCKOUT, "lockout password");
	reopen_with(bench, "lockout password");
	for (i = 1; i <= 3 * max; i++) {
		assert_int_equal(guess(bench, &key, "wrong"), ERR_AUTH_FAILED);
		assert_int_equal(facts_of(bench).lockout_resets, i / half);
		assert_int_equal(facts_of(bench).lockout_counter, i % half);
		assert_int_equal(counter_of(bench), i % half);
	}
	assert_int_equal(guess(bench, &key, "an authValue of ours"), 0);
	assert_false(facts_of(bench).lockout_auth_refused);
}

/* A failure to read the counter changes nothing; a wrong password is tried once, ever. */
static void test_wrong_lockout_password(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	uint32_t i;

	make_protected_key(bench, &key);
	raw_password(bench, TPM2_RH_LOCKOUT, "lockout password");
	reopen_with(bench, "wrong");
	assert_false(facts_of(bench).lockout_auth_refused);
	for (i = 0; !facts_of(bench).lockout_auth_refused; i++) {
		assert_in_range(i, 0, 40);
		assert_int_equal(guess(bench, &key, "wrong"), ERR_AUTH_FAILED);
	}
	(void)bench_cost();
	assert_true(guess(bench, &key, "wrong") < 0);
	/* The command itself and the look at the counter. */
	assert_int_equal(bench_cost(), 2);
	assert_int_equal(facts_of(bench).lockout_resets, 0);
}

/* A chip that was locked before we came is unlocked at the first use that it refuses. */
static void test_lockout_is_lifted(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct bench *bench = *state;

	make_protected_key(bench, &key);
	while (!facts_of(bench).in_lockout)
		assert_int_equal(guess(bench, &key, "wrong"), ERR_AUTH_FAILED);
	raw_password(bench, TPM2_RH_LOCKOUT, "lockout password");
	reopen_with(bench, "lockout password");
	assert_true(facts_of(bench).in_lockout);
	assert_int_equal(guess(bench, &key, "an authValue of ours"), 0);
	assert_false(facts_of(bench).in_lockout);
	assert_int_equal(facts_of(bench).lockout_resets, 1);
}

/* By an empty password, which is none of it. */
static uint32_t guess_of_a_guest(struct bench *bench, uint32_t code, uint32_t handle)
{
	const struct ask wrong = {
		.code = code, .handle_count = 1, .handles = {handle}, .session_count = 1};

	return ask(bench, &wrong, NULL, NULL);
}

/* Failures of guests are seen as well. */
static void test_counted_by_guests(void **state)
{
	struct bench *bench = *state;

	raw_password(bench, TPM2_RH_LOCKOUT, "lockout password");
	(void)bench_cost();
	assert_int_equal(
		guess_of_a_guest(bench, TPM2_CC_DictionaryAttackLockReset, TPM2_RH_LOCKOUT), 0x98e);
	assert_int_equal(bench_cost(), 2); /* the command, the counter */
	assert_int_equal(
		guess_of_a_guest(bench, TPM2_CC_DictionaryAttackLockReset, TPM2_RH_LOCKOUT),
		TPM2_RC_LOCKOUT);
	assert_int_equal(bench_cost(), 2);
}

/* A storage key with a password, kept by the chip. */
static void persist_protected(struct bench *bench)
{
	struct engine_made made = ENGINE_MADE_INIT;
	TPM2B_PRIVATE private;
	struct root transient;
	TPM2B_PUBLIC public;

	assert_int_equal(public_storage(PKEY_ECC_P256, &public, &bench->err), 0);
	make_protected(bench, &bench->engine->srk, &public, bench_password, slice_of(NULL, 0),
		       &made);
	assert_int_equal(public_unmarshal(buf_slice(&made.public), &public, &bench->err), 0);
	assert_int_equal(private_unmarshal(buf_slice(&made.private), &private, &bench->err), 0);
	assert_int_equal(chip_load(bench->engine, &bench->engine->srk, slice_of(NULL, 0), &public,
				   &private, &transient),
			 0);
	assert_int_equal(chip_persist(bench->engine, &transient, FAPI_HANDLE), 0);
	assert_int_equal(chip_flush(bench->engine, transient.handle), 0);
	engine_made_fini(&made);
}

/* Other software's guesses are held back from lockout too, even where our session had to go. */
static void test_reset_among_guests(void **state)
{
	struct bench *bench = *state;
	struct held_session session[3];
	uint32_t i;

	persist_protected(bench);
	raw_password(bench, TPM2_RH_LOCKOUT, "lockout password");
	reopen_with(bench, "lockout password");
	for (i = 0; i < ARRAY_LEN(session); i++)
		assert_int_equal(guest_session(bench, TPM2_SE_HMAC, false, &session[i]), 0);
	assert_true(bench->engine->parked[LINE_FIRST].len > 0);
	for (i = 0; i < 3 * facts_of(bench).lockout_max; i++)
		assert_int_equal(guess_of_a_guest(bench, TPM2_CC_Load, FAPI_HANDLE), 0x98e);
	assert_true(facts_of(bench).lockout_resets > 0);
	/* And theirs are untouched. */
	for (i = 0; i < ARRAY_LEN(session); i++)
		assert_int_equal(guest_random(bench, &session[i]), 0);
}

/* --- below other parents ------------------------------------------------------------------- */

struct fapi {
	struct root srk;
	struct engine_made sealed;
	struct engine_object object;
};

/* As FAPI without noda provisions a chip, and seals without a password; or with one. */
static void fapi_make(struct bench *bench, struct slice auth, struct fapi *ret_fapi)
{
	TPM2B_PUBLIC template, public;
	const struct chip_primary primary = {.hierarchy = TPM2_RH_OWNER, .template = &template};
	struct root transient;

	assert_int_equal(public_storage(PKEY_ECC_P256, &template, &bench->err), 0);
	template.publicArea.objectAttributes &= ~(uint32_t)TPMA_OBJECT_NODA;
	assert_int_equal(chip_create_primary(bench->engine, &primary, &transient, &public), 0);
	assert_int_equal(chip_persist(bench->engine, &transient, FAPI_HANDLE), 0);
	assert_int_equal(chip_flush(bench->engine, transient.handle), 0);
	ret_fapi->srk = (struct root){.handle = FAPI_HANDLE, .name = transient.name};
	ret_fapi->sealed = (struct engine_made)ENGINE_MADE_INIT;
	public_sealed(&template);
	make_protected(bench, &ret_fapi->srk, &template, auth, slice_str("of FAPI"),
		       &ret_fapi->sealed);
	ret_fapi->object = (struct engine_object){
		.parent = ENGINE_OTHER,
		.other_handle = FAPI_HANDLE,
		.other_name = name_slice(&ret_fapi->srk.name),
		.public = buf_slice(&ret_fapi->sealed.public),
		.private = buf_slice(&ret_fapi->sealed.private),
	};
}

static int unseal_other(struct bench *bench, const struct engine_object *object)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r = engine_unseal(bench->engine, object, &plain, &bench->err);

	if (r == 0)
		assert_true(slice_equal(secret_slice(plain), slice_str("of FAPI")));
	else
		assert_null(plain);
	return r;
}

static void test_below_another_parent(void **state)
{
	struct bench *bench = *state;
	struct fapi fapi;

	fapi_make(bench, slice_of(NULL, 0), &fapi);
	(void)bench_cost();
	assert_int_equal(unseal_other(bench, &fapi.object), 0);
	assert_int_equal(bench_cost(), 3); /* ReadPublic, Load, Unseal */
	assert_int_equal(unseal_other(bench, &fapi.object), 0);
	assert_int_equal(bench_cost(), 1);
	engine_forget(bench->engine, &fapi.object);
	(void)bench_cost();
	assert_int_equal(unseal_other(bench, &fapi.object), 0);
	assert_int_equal(bench_cost(), 2); /* the parent is known by now */
	/* Until the chip was away. */
	chip_power_cut(bench->chip);
	chip_power_on(bench->chip);
	assert_int_equal(unseal_other(bench, &fapi.object), 0);
	engine_made_fini(&fapi.sealed);
}

static void test_wrong_parents(void **state)
{
	static const uint32_t impossible[] = {0, 0x40000001, 0x80000000, 0x81800000, 0x01000000};
	struct bench *bench = *state;
	struct engine_object object;
	struct fapi fapi;
	size_t i;

	fapi_make(bench, slice_of(NULL, 0), &fapi);
	object = fapi.object;
	object.other_handle = 0x81000099; /* nothing there */
	assert_int_equal(unseal_other(bench, &object), ERR_WRONG_TPM);
	object.other_handle = SRK_SHARED_HANDLE; /* another key there */
	assert_int_equal(unseal_other(bench, &object), ERR_WRONG_TPM);
	object.other_name = name_slice(&bench->engine->srk.name); /* it is ours, the object not */
	assert_int_equal(unseal_other(bench, &object), ERR_DAMAGED);
	for (i = 0; i < ARRAY_LEN(impossible); i++) {
		object.other_handle = impossible[i];
		assert_int_equal(unseal_other(bench, &object), ERR_INVALID);
	}
	object = fapi.object;
	object.other_name.len = 0;
	assert_int_equal(unseal_other(bench, &object), ERR_INVALID);
	/* Our own storage key has a password. */
	object.other_handle = HSK_HANDLE;
	object.other_name = name_slice(&bench->engine->hsk.name);
	assert_int_equal(unseal_other(bench, &object), ERR_AUTH_FAILED);
	assert_int_equal(unseal_other(bench, &fapi.object), 0);
	engine_made_fini(&fapi.sealed);
}

static void test_other_with_a_password(void **state)
{
	struct bench *bench = *state;
	struct fapi fapi;
	bool made;

	fapi_make(bench, bench_password, &fapi);
	assert_int_equal(unseal_other(bench, &fapi.object), ERR_AUTH_FAILED);
	assert_int_equal(counter_of(bench), 1); /* one guess */
	assert_int_equal(facts_of(bench).lockout_counter, 1);
	/* Below our own SRK the same holds. */
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(unseal_other(bench, &fapi.object), ERR_AUTH_FAILED);
	assert_int_equal(counter_of(bench), 2);
	engine_made_fini(&fapi.sealed);
}

static void test_guess_below_our_srk(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench *bench = *state;
	struct engine_object object;
	TPM2B_PUBLIC template;

	public_sealed(&template);
	make_protected(bench, &bench->engine->srk, &template, bench_password, slice_str("x"),
		       &sealed);
	object = bench_object(&sealed, ENGINE_SRK);
	object.auth = slice_of(NULL, 0);
	assert_int_equal(unseal_other(bench, &object), ERR_AUTH_FAILED);
	assert_int_equal(counter_of(bench), 1);
}

/* --- facts --------------------------------------------------------------------------------- */

static void test_facts(void **state)
{
	struct bench *bench = *state;
	struct engine_facts facts = facts_of(bench);
	struct root key;
	TPM2B_PUBLIC template, public;
	const struct chip_primary primary = {.hierarchy = TPM2_RH_OWNER, .template = &template};
	bool made;

	assert_int_equal(facts.object_slots, 3);
	assert_int_equal(facts.session_slots, 3);
	assert_int_equal(facts.ek_handle, 0);
	assert_int_equal(facts.ek.len, 0);
	assert_true(facts.manufacturer[0] != '\0');
	assert_int_equal(strlen(facts.firmware), 17);
	assert_int_equal(public_storage(PKEY_ECC_P256, &template, &bench->err), 0);
	assert_int_equal(chip_create_primary(bench->engine, &primary, &key, &public), 0);
	assert_int_equal(chip_persist(bench->engine, &key, 0x81010016u), 0);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	facts = facts_of(bench);
	assert_int_equal(facts.ek_handle, 0x81010016u);
	assert_true(name_equal(&facts.ek, &key.name));
}

/* What a chip does not tell is left out. */
static void test_facts_refused(void **state)
{
	struct bench *bench = *state;
	char tcti[sizeof(bench->tcti)];

	snprintf(tcti, sizeof(tcti), "%s:%s", REFUSE_TCTI, bench->chip->conf);
	bench_refuse(TPM2_CC_ReadClock, TPM2_RC_COMMAND_CODE, 1);
	bench_through(bench, tcti);
	assert_true(bench_refused());
	assert_int_equal(facts_of(bench).reset_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_counter_is_live),
		CASE(test_reset_in_time),
		CASE(test_wrong_lockout_password),
		CASE(test_lockout_is_lifted),
		CASE(test_counted_by_guests),
		CASE(test_reset_among_guests),
		CASE(test_below_another_parent),
		CASE(test_wrong_parents),
		CASE(test_other_with_a_password),
		CASE(test_guess_below_our_srk),
		CASE(test_facts),
		CASE(test_facts_refused),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
