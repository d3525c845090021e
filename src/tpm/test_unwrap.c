/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sealed data from outside and challenges for the HSK, on a simulated chip: at what cost, with the
 * HSK persistent or not, whatever the chip refuses, loses or lies about.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"
#include "wrap/credential.h"
#include "wrap/duplicate.h"

#define PLAIN "a content key and a digest, 48 bytes of which.."

static void storage_of(struct bench *bench, struct wrap_public **ret_storage)
{
	const struct engine_roots *roots = engine_roots(bench->engine);

	assert_int_equal(wrap_public_read(slice_of(roots->hsk_public, roots->hsk_public_len),
					  ret_storage, &bench->err),
			 0);
}

static void seal(struct bench *bench, struct duplicate_made *ret_made)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL;
	CLEANUP(secret_cleanup) struct secret *plain = NULL;

	storage_of(bench, &storage);
	assert_int_equal(secret_copy(slice_str(PLAIN), &plain, &bench->err), 0);
	assert_int_equal(duplicate_make(storage, plain, ret_made, &bench->err), 0);
}

static int import(struct bench *bench, const struct duplicate_made *made,
		  struct engine_made *ret_object)
{
	const struct engine_wrapped wrapped = {
		.public_area = buf_slice(&made->public_area),
		.private_area = buf_slice(&made->private_area),
		.seed = buf_slice(&made->seed),
	};

	bench->err = (struct err){0};
	return engine_import_sealed(bench->engine, &wrapped, ret_object, &bench->err);
}

static void opens(struct bench *bench, const struct engine_made *made)
{
	const struct engine_object object = {.parent = ENGINE_HSK,
					     .public = buf_slice(&made->public),
					     .private = buf_slice(&made->private)};
	struct secret *plain = NULL;

	assert_int_equal(engine_unseal(bench->engine, &object, &plain, &bench->err), 0);
	assert_true(slice_equal(secret_slice(plain), slice_str(PLAIN)));
	secret_free(plain);
}

static void check_cost(struct bench *bench)
{
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made object = ENGINE_MADE_INIT;

	seal(bench, &made);
	assert_int_equal(import(bench, &made, &object), 0);
	opens(bench, &object);
	(void)bench_cost();
	assert_int_equal(import(bench, &made, &object), 0);
	assert_int_equal(bench_cost(), 1);
	opens(bench, &object);
	(void)bench_cost();
	opens(bench, &object);
	assert_int_equal(bench_cost(), 1);
}

static void test_cost(void **state)
{
	check_cost(*state);
}

static void test_cost_below_a_transient_key(void **state)
{
	bench_transient_hsk(*state);
	check_cost(*state);
}

static void test_below_rsa(void **state)
{
	struct bench *bench = *state;
	bool made;

	bench->rsa = true;
	chip_replace(bench->chip);
	assert_int_equal(bench_reopen(bench, false, &made), 0);
	check_cost(bench);
}

/* Told by the chip, in one word, and nobody counts it or takes the chip for ill. */
static void test_the_chip_refuses(void **state)
{
	struct bench *bench = *state;
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made object = ENGINE_MADE_INIT;
	struct buf *parts[] = {&made.public_area, &made.private_area, &made.seed};
	struct engine_facts facts;

	seal(bench, &made);
	assert_int_equal(import(bench, &made, &object), 0);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		parts[i]->data[parts[i]->len - 1] ^= 1;
		(void)bench_cost();
		assert_int_equal(import(bench, &made, &object), ERR_DAMAGED);
		assert_int_equal(bench_cost(), 1);
		parts[i]->data[parts[i]->len - 1] ^= 1;
		assert_int_equal(engine_refusal(bench->engine), 0);
		assert_true(bench->engine->ready);
	}
	engine_facts(bench->engine, &facts);
	assert_int_equal(facts.lockout_counter, 0);
	opens(bench, &object);
}

/* Not told by the chip: it is not asked. */
static void test_what_is_none(void **state)
{
	struct bench *bench = *state;
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made object = ENGINE_MADE_INIT;
	struct buf *parts[] = {&made.public_area, &made.private_area, &made.seed};

	seal(bench, &made);
	(void)bench_cost();
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t whole = parts[i]->len;

		for (size_t len = 0; len < whole; len += len < 4 ? 1 : 9) {
			parts[i]->len = len;
			assert_int_equal(import(bench, &made, &object), ERR_DAMAGED);
		}
		parts[i]->len = whole;
		buf_put_u8(parts[i], 0);
		assert_int_equal(import(bench, &made, &object), ERR_DAMAGED);
		parts[i]->len = whole;
	}
	/* Its type, hash and attributes: everything before the policy and the scheme. */
	for (size_t i = 2; i < 14; i++) {
		made.public_area.data[i] ^= 1;
		assert_int_equal(import(bench, &made, &object), ERR_DAMAGED);
		made.public_area.data[i] ^= 1;
	}
	assert_int_equal(bench_cost(), 0);
	assert_int_equal(object.public.len, 0);
	assert_int_equal(import(bench, &made, &object), 0);
}

static const struct {
	uint32_t code, rc;
	int expected;
} refusals[] = {
	{TPM2_CC_Import, TPM2_RC_OBJECT_MEMORY, 0},
	{TPM2_CC_Import, TPM2_RC_REFERENCE_H0, 0},
	{TPM2_CC_Import, TPM2_RC_REFERENCE_S0, 0},
	{TPM2_CC_Import, TPM2_RC_RETRY, 0},
	{TPM2_CC_Import, TPM2_RC_NV_UNAVAILABLE, ERR_TPM_BUSY},
	{TPM2_CC_Import, TPM2_RC_LOCKOUT, ERR_TPM_LOCKOUT},
	{TPM2_CC_Import, TPM2_RC_COMMAND_CODE, ERR_NOT_SUPPORTED},
	/* About each of the parameters. */
	{TPM2_CC_Import, 0x2c2, ERR_DAMAGED},
	{TPM2_CC_Import, 0x3df, ERR_DAMAGED},
	{TPM2_CC_Import, 0x4e7, ERR_DAMAGED},
	{TPM2_CC_Import, 0x4d5, ERR_DAMAGED},
	/* While it answers everything else. */
	{TPM2_CC_Import, TPM2_RC_FAILURE, ERR_DAMAGED},
};

static void test_refusals(void **state)
{
	struct bench *bench = *state;
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made object = ENGINE_MADE_INIT;

	bench_through_refuser(bench);
	seal(bench, &made);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		bench_refuse(refusals[i].code, refusals[i].rc, 1);
		if (import(bench, &made, &object) != refusals[i].expected)
			fail_msg("row %zu: %d %s", i, bench->err.code, bench->err.text);
		assert_true(bench_refused());
		assert_int_equal(import(bench, &made, &object), 0);
		opens(bench, &object);
	}
}

static void test_one_lie_and_all_is_well_again(void **state)
{
	static const char *const hows[] = {"size", "tag", "nonce",  "hmac", "attributes",
					   "said", "cut", "refuse", "stale"};
	struct bench *bench = *state;
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;

	seal(bench, &made);
	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		CLEANUP(engine_made_cleanup) struct engine_made object = ENGINE_MADE_INIT;

		bench_lie(bench, hows[i], TPM2_CC_Import);
		assert_int_equal(import(bench, &made, &object), 0);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
		opens(bench, &object);
	}
}

static void test_losses(void **state)
{
	struct bench *bench = *state;
	CLEANUP(duplicate_made_cleanup) struct duplicate_made made = DUPLICATE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made object = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made other = ENGINE_MADE_INIT;

	seal(bench, &made);
	assert_int_equal(import(bench, &made, &object), 0);
	bench_reset_line(bench);
	opens(bench, &object);
	assert_int_equal(import(bench, &made, &object), 0);
	chip_power_cut(bench->chip);
	assert_int_equal(import(bench, &made, &other), ERR_TPM_FAILED);
	chip_power_on(bench->chip);
	opens(bench, &object);
	chip_replace(bench->chip);
	assert_int_equal(import(bench, &made, &other), ERR_TPM_CHANGED);
	assert_int_equal(other.public.len, 0);
}

/* --- challenges ---------------------------------------------------------------------------- */

static int answer(struct bench *bench, enum pkey_type type, struct slice name, uint8_t change)
{
	CLEANUP(buf_fini) struct buf area = BUF_INIT(1024), file = BUF_INIT(CREDENTIAL_FILE_MAX);
	CLEANUP(wrap_public_cleanup) struct wrap_public *public = NULL;
	CLEANUP(secret_cleanup) struct secret *secret = NULL, *got = NULL;
	struct engine_ek ek = {.public = &area};
	struct engine_credential credential = {.ek = type};
	size_t len;
	int r;

	assert_int_equal(
		secret_copy(slice_str("32 bytes that nobody else knows."), &secret, &bench->err),
		0);
	assert_int_equal(engine_ek(bench->engine, type, &ek, &bench->err), 0);
	assert_int_equal(wrap_public_read(buf_slice(&area), &public, &bench->err), 0);
	assert_int_equal(credential_make(public, name, secret, &file, &bench->err), 0);
	len = (size_t)(file.data[8] << 8 | file.data[9]);
	file.data[8 + len] ^= change; /* of the blob */
	credential.blob = slice_of(file.data + 8, len + 2);
	credential.secret = slice_of(file.data + 10 + len, file.len - 10 - len);
	(void)bench_cost();
	r = engine_activate_storage(bench->engine, &credential, &got, &bench->err);
	assert_int_equal(r == 0, got != NULL);
	if (r == 0)
		assert_true(slice_equal(secret_slice(got), secret_slice(secret)));
	return r;
}

/* By password the other key takes part in test_activate.c. */
static void check_answers(struct bench *bench, enum pkey_type type, unsigned commands)
{
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	const struct engine_name *hsk = &engine_roots(bench->engine)->hsk;
	struct engine_public parsed;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	assert_int_equal(engine_public_parse(buf_slice(&aik.public), &parsed, &bench->err), 0);
	pkey_free(parsed.key);
	assert_int_equal(answer(bench, type, name_slice(hsk), 0), 0);
	assert_int_equal(answer(bench, type, name_slice(hsk), 0), 0);
	assert_int_equal(bench_cost(), commands);
	assert_int_equal(answer(bench, type, name_slice(hsk), 1), ERR_DAMAGED);
	assert_int_equal(answer(bench, type, name_slice(&parsed.name), 0), ERR_DAMAGED);
	assert_non_null(strstr(bench->err.text, "another storage key"));
	assert_int_equal(answer(bench, type, name_slice(&engine_roots(bench->engine)->srk), 0),
			 ERR_DAMAGED);
	assert_int_equal(bench->engine->line.sessions[LINE_POLICY].handle, SESSION_NONE);
	assert_int_equal(answer(bench, type, name_slice(hsk), 0), 0);
}

static void test_answers(void **state)
{
	check_answers(*state, PKEY_RSA_2048, 3);
}

static void test_answers_with_a_transient_key(void **state)
{
	bench_transient_hsk(*state);
	check_answers(*state, PKEY_RSA_2048, 3);
	check_answers(*state, PKEY_ECC_P256, 3);
}

static void test_no_challenges(void **state)
{
	static const struct {
		const char *blob, *secret;
		size_t blob_len, secret_len;
	} none[] = {
		{"", "\0\1a", 0, 3},	   {"\0\1a", "", 3, 0},	      {"\0\2a", "\0\1a", 3, 3},
		{"\0\1ab", "\0\1a", 4, 3}, {"\0\1a", "\0\1ab", 3, 4},
	};
	struct bench *bench = *state;
	struct secret *secret = NULL;

	(void)bench_cost();
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		const struct engine_credential credential = {
			.ek = PKEY_ECC_P256,
			.blob = slice_of(none[i].blob, none[i].blob_len),
			.secret = slice_of(none[i].secret, none[i].secret_len),
		};

		assert_int_equal(
			engine_activate_storage(bench->engine, &credential, &secret, &bench->err),
			ERR_INVALID);
	}
	assert_null(secret);
	assert_int_equal(bench_cost(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name)	cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
#define CASE_MADE(name) cmocka_unit_test_setup_teardown(name, bench_setup_made, bench_teardown)
		CASE(test_cost),
		CASE(test_cost_below_a_transient_key),
		CASE(test_below_rsa),
		CASE(test_the_chip_refuses),
		CASE(test_what_is_none),
		CASE(test_refusals),
		CASE(test_one_lie_and_all_is_well_again),
		CASE(test_losses),
		CASE_MADE(test_answers),
		CASE_MADE(test_answers_with_a_transient_key),
		CASE(test_no_challenges),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
