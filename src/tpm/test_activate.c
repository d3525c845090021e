/* SPDX-License-Identifier: Apache-2.0 */

/* Challenges that the stock tool makes: which chip and key open them, at what cost, and what is
 * left behind. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "tests/support/chip.h"
#include "tests/support/tool.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

#define SECRET	    "what only this chip may read"
#define ENDORSEMENT "the endorser's"

struct challenge {
	uint8_t bytes[1024];
	struct engine_credential credential;
};

/* TPM2_MakeCredential for a key and our EK of @type, as somebody does who has only read of both. */
static void challenge_for(struct bench *bench, struct slice of, enum pkey_type type,
			  struct challenge *ret_challenge)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(1024), name = BUF_INIT(256);
	CLEANUP(buf_fini) struct buf made = BUF_INIT(sizeof(ret_challenge->bytes));
	char ek_path[96], secret[96], out[96];
	struct engine_ek ek = {.public = &public};
	struct cursor cursor;

	assert_int_equal(engine_ek(bench->engine, type, &ek, &bench->err), 0);
	hex_encode(&name, of);
	buf_put_u8(&name, 0);
	tool_write(bench->chip->dir, "ek.pub", buf_slice(&public));
	tool_write(bench->chip->dir, "secret", slice_str(SECRET));
	snprintf(ek_path, sizeof(ek_path), "%s/ek.pub", bench->chip->dir);
	snprintf(secret, sizeof(secret), "%s/secret", bench->chip->dir);
	snprintf(out, sizeof(out), "%s/credential", bench->chip->dir);
	assert_int_equal(TOOL_RUN("tpm2_makecredential", "-T", "none", "-u", ek_path, "-s", secret,
				  "-n", (const char *)name.data, "-o", out),
			 0);
	tool_read(bench->chip->dir, "credential", &made);
	memcpy(ret_challenge->bytes, made.data, made.len);
	cursor = cursor_of(slice_of(ret_challenge->bytes, made.len));
	assert_int_equal(cursor_u32(&cursor), 0xbadcc0de);
	assert_int_equal(cursor_u32(&cursor), 1);
	ret_challenge->credential.ek = type;
	ret_challenge->credential.blob.data = cursor.rest.data;
	ret_challenge->credential.blob.len = 2u + cursor_u16(&cursor);
	(void)cursor_take(&cursor, ret_challenge->credential.blob.len - 2);
	ret_challenge->credential.secret = cursor.rest;
	assert_false(cursor.failed);
}

static void challenge_make(struct bench *bench, const struct engine_made *aik, enum pkey_type type,
			   struct challenge *ret_challenge)
{
	struct engine_public parsed;

	assert_int_equal(engine_public_parse(buf_slice(&aik->public), &parsed, &bench->err), 0);
	pkey_free(parsed.key);
	challenge_for(bench, name_slice(&parsed.name), type, ret_challenge);
}

static int activate(struct bench *bench, const struct engine_made *aik,
		    const struct engine_credential *credential)
{
	struct engine_object object = bench_object(aik, ENGINE_HSK);
	struct secret *secret = NULL;
	int r;

	bench->err = (struct err){0};
	r = engine_activate(bench->engine, &object, credential, &secret, &bench->err);
	if (r < 0) {
		assert_null(secret);
		return r;
	}
	assert_true(slice_equal(secret_slice(secret), slice_str(SECRET)));
	secret_free(secret);
	return 0;
}

/* A policy session has its own kind of handle. */
static void check_no_policy(struct bench *bench)
{
	struct chip_handles handles;

	assert_int_equal(bench->engine->line.sessions[LINE_POLICY].handle, SESSION_NONE);
	assert_int_equal(chip_handles(bench->engine, GROUP_LOADED_SESSION, &handles), 0);
	for (size_t i = 0; i < handles.count; i++)
		assert_true(chip_is_of(handles.handle[i], GROUP_LOADED_SESSION));
	assert_int_equal(chip_handles(bench->engine, GROUP_SAVED_SESSION, &handles), 0);
	assert_int_equal(handles.count, 0);
}

/* --- costs --------------------------------------------------------------------------------- */

static void check_cost(struct bench *bench, enum pkey_type type, unsigned commands)
{
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	struct challenge challenge;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	challenge_make(bench, &aik, type, &challenge);
	assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
	for (int i = 0; i < 3; i++) {
		(void)bench_cost();
		assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
		assert_int_equal(bench_cost(), commands);
		check_no_policy(bench);
	}
}

/* StartAuthSession, PolicySecret, ActivateCredential; or that one by password. */
static void test_persistent_keys(void **state)
{
	check_cost(*state, PKEY_RSA_2048, 3);
	check_cost(*state, PKEY_ECC_P384, 1);
	check_cost(*state, PKEY_TYPES, 3);
}

static void test_transient_keys(void **state)
{
	check_cost(*state, PKEY_ECC_P256, 3);
	check_cost(*state, PKEY_TYPES, 3);
	check_cost(*state, PKEY_ECC_P384, 1);
}

/* The storage key in the place of the attestation key, by the same commands. */
static void check_storage(struct bench *bench, enum pkey_type type, unsigned commands)
{
	struct challenge challenge;

	challenge_for(bench, name_slice(&engine_roots(bench->engine)->hsk), type, &challenge);
	for (int i = 0; i < 3; i++) {
		CLEANUP(secret_cleanup) struct secret *secret = NULL;

		(void)bench_cost();
		assert_int_equal(engine_activate_storage(bench->engine, &challenge.credential,
							 &secret, &bench->err),
				 0);
		assert_true(slice_equal(secret_slice(secret), slice_str(SECRET)));
		if (i > 0)
			assert_int_equal(bench_cost(), commands);
		check_no_policy(bench);
	}
}

static void test_storage_key(void **state)
{
	struct bench *bench = *state;

	for (unsigned transient = 0; transient < 2; transient++) {
		if (transient)
			bench_transient_hsk(bench);
		check_storage(bench, PKEY_RSA_2048, 3);
		check_storage(bench, PKEY_ECC_P384, 1);
	}
}

/* Nothing was told of the key before, and others want its place afterwards. */
static void test_from_nothing_and_in_turn(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made one = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made two = ENGINE_MADE_INIT;
	struct challenge challenge;
	uint64_t made;
	bool is_new;

	bench_key(bench, ENGINE_HSK, &one);
	bench_key(bench, ENGINE_HSK, &two);
	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	challenge_make(bench, &aik, PKEY_ECC_P256, &challenge);
	assert_int_equal(bench_reopen(bench, true, &is_new), 0);
	assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
	made = transport_command_count_of(TPM2_CC_CreatePrimary);
	for (int i = 0; i < 6; i++) {
		bench_sign(bench, &one, ENGINE_HSK);
		bench_sign(bench, &two, ENGINE_HSK);
		assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
	}
	/* By its context. */
	assert_int_equal(transport_command_count_of(TPM2_CC_CreatePrimary), made);
	check_no_policy(bench);
}

/* --- refusals ------------------------------------------------------------------------------ */

static void check_others(struct bench *bench, enum pkey_type type, enum pkey_type other_type)
{
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made other = ENGINE_MADE_INIT;
	struct challenge challenge;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &other);
	challenge_make(bench, &aik, type, &challenge);
	assert_int_equal(activate(bench, &other, &challenge.credential), ERR_DAMAGED);
	assert_non_null(strstr(bench->err.text, "another attestation key"));
	check_no_policy(bench);
	challenge.credential.ek = other_type;
	assert_int_equal(activate(bench, &aik, &challenge.credential), ERR_DAMAGED);
	check_no_policy(bench);
	challenge.credential.ek = type;
	assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
}

static void test_for_others(void **state)
{
	check_others(*state, PKEY_ECC_P256, PKEY_RSA_2048);
	check_others(*state, PKEY_RSA_2048, PKEY_ECC_P384);
	check_others(*state, PKEY_ECC_P384, PKEY_ECC_P256);
}

/* Every bit counts; where it is a length it is no challenge at all. */
static void check_damage(struct bench *bench, enum pkey_type type)
{
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	struct challenge challenge;
	size_t len;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	challenge_make(bench, &aik, type, &challenge);
	len = challenge.credential.blob.len + challenge.credential.secret.len;
	for (size_t i = 0; i < len; i += i < 6 ? 1 : 11) {
		uint8_t *byte = &challenge.bytes[8 + i];
		int r;

		*byte ^= 0x40;
		r = activate(bench, &aik, &challenge.credential);
		assert_true(r == ERR_DAMAGED || r == ERR_INVALID);
		if (i >= 6 && i < challenge.credential.blob.len)
			assert_int_equal(r, ERR_DAMAGED);
		check_no_policy(bench);
		*byte ^= 0x40;
	}
	challenge.credential.secret.len--;
	assert_int_equal(activate(bench, &aik, &challenge.credential), ERR_INVALID);
	challenge.credential.secret.len++;
	assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
}

static void test_damage(void **state)
{
	check_damage(*state, PKEY_ECC_P256);
	check_damage(*state, PKEY_ECC_P384);
	check_damage(*state, PKEY_RSA_2048);
}

static void test_wrong_password(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	struct challenge challenge;
	struct engine_object object;
	struct secret *secret = NULL;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	challenge_make(bench, &aik, PKEY_ECC_P256, &challenge);
	object = bench_object(&aik, ENGINE_HSK);
	object.auth = slice_str("a guess");
	assert_int_equal(engine_activate(bench->engine, &object, &challenge.credential, &secret,
					 &bench->err),
			 ERR_AUTH_FAILED);
	assert_null(secret);
	check_no_policy(bench);
}

/* --- the endorsement hierarchy's password -------------------------------------------------- */

static void test_endorsement_password(void **state)
{
	static const struct {
		const char *given, *text;
	} REFUSED[] = {
		{NULL, "has a password"},
		{"another", "refused the configured"},
	};
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf public = BUF_INIT(1024);
	struct engine_ek ek = {.public = &public};
	struct challenge rsa, p256;
	bool made;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	challenge_make(bench, &aik, PKEY_RSA_2048, &rsa);
	challenge_make(bench, &aik, PKEY_ECC_P256, &p256);
	raw_password(bench, TPM2_RH_ENDORSEMENT, ENDORSEMENT);
	for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
		bench->endorsement = REFUSED[i].given;
		assert_int_equal(bench_reopen(bench, true, &made), 0);
		/* What lies in the chip is still told of. */
		assert_int_equal(engine_ek(bench->engine, PKEY_RSA_2048, &ek, &bench->err), 0);
		assert_int_equal(engine_ek(bench->engine, PKEY_ECC_P256, &ek, &bench->err),
				 ERR_OWNER_AUTH_REQUIRED);
		assert_non_null(strstr(bench->err.text, REFUSED[i].text));
		assert_non_null(strstr(bench->err.remedy, "endorsement_auth_file"));
		assert_int_equal(activate(bench, &aik, &rsa.credential), ERR_OWNER_AUTH_REQUIRED);
		assert_non_null(strstr(bench->err.remedy, "endorsement_auth_file"));
		check_no_policy(bench);
		assert_int_equal(activate(bench, &aik, &p256.credential), ERR_OWNER_AUTH_REQUIRED);
		check_no_policy(bench);
	}
	bench->endorsement = ENDORSEMENT;
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(activate(bench, &aik, &rsa.credential), 0);
	assert_int_equal(activate(bench, &aik, &p256.credential), 0);
}

/* --- losses -------------------------------------------------------------------------------- */

static void test_losses(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	struct challenge challenge;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	challenge_make(bench, &aik, PKEY_ECC_P256, &challenge);
	assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
	bench_reset_line(bench);
	assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
	chip_power_cut(bench->chip);
	assert_int_equal(activate(bench, &aik, &challenge.credential), ERR_TPM_FAILED);
	chip_power_on(bench->chip);
	assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
	check_no_policy(bench);
	/* Somebody empties it. */
	raw_flush_all(bench, GROUP_TRANSIENT);
	raw_flush_all(bench, GROUP_LOADED_SESSION);
	assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
	check_no_policy(bench);
	/* Another chip at the same place. */
	chip_replace(bench->chip);
	assert_int_equal(activate(bench, &aik, &challenge.credential), ERR_TPM_CHANGED);
}

/* Nor when the chip does not let go of it at once. */
static void test_flush_is_refused(void **state)
{
	struct bench *bench = *state;
	uint8_t random[8];

	bench_through_refuser(bench);
	for (unsigned times = 1; times <= 2; times++) {
		assert_int_equal(engine_ready(bench->engine, &bench->err), 0);
		assert_int_equal(session_want(bench->engine, LINE_POLICY), 0);
		bench_refuse(TPM2_CC_FlushContext, TPM2_RC_NV_UNAVAILABLE, times);
		session_end(bench->engine, LINE_POLICY);
		assert_true(bench_refused());
		assert_int_equal(bench->engine->ready, times == 1);
		if (times == 1)
			check_no_policy(bench);
	}
	/* What still stands there is in nobody's way. */
	assert_int_equal(engine_random(bench->engine, random, sizeof(random), &bench->err), 0);
	assert_true(bench->engine->ready);
}

/* Whatever the chip refuses, with room for what comes next. */
static void test_refusals(void **state)
{
	static const struct {
		uint32_t code, rc;
		int expected;
	} CASES[] = {
		{TPM2_CC_PolicySecret, TPM2_RC_OBJECT_MEMORY, 0},
		{TPM2_CC_PolicySecret, TPM2_RC_SESSION_MEMORY, 0},
		{TPM2_CC_PolicySecret, TPM2_RC_REFERENCE_S0, 0},
		{TPM2_CC_PolicySecret, TPM2_RC_NV_UNAVAILABLE, ERR_TPM_BUSY},
		{TPM2_CC_StartAuthSession, TPM2_RC_SESSION_MEMORY, 0},
		{TPM2_CC_StartAuthSession, TPM2_RC_CONTEXT_GAP, ERR_TPM_BUSY},
		{TPM2_CC_ActivateCredential, TPM2_RC_OBJECT_MEMORY, 0},
		{TPM2_CC_ActivateCredential, TPM2_RC_POLICY_FAIL | 0x900, ERR_TPM_FAILED},
		{TPM2_CC_ActivateCredential, TPM2_RC_LOCKOUT, ERR_TPM_LOCKOUT},
		/* While it answers everything else. */
		{TPM2_CC_ActivateCredential, TPM2_RC_FAILURE, ERR_DAMAGED},
	};
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct challenge challenge;

	bench_through_refuser(bench);
	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	bench_key(bench, ENGINE_HSK, &key);
	challenge_make(bench, &aik, PKEY_ECC_P256, &challenge);
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
		struct engine_object signer = bench_object(&aik, ENGINE_HSK);
		struct engine_object subject = bench_object(&key, ENGINE_HSK);

		/* With a second session that could give way. */
		assert_int_equal(engine_certify(bench->engine, &signer, &subject, slice_of(NULL, 0),
						&made, &bench->err),
				 0);
		bench_refuse(CASES[i].code, CASES[i].rc, 1);
		assert_int_equal(activate(bench, &aik, &challenge.credential), CASES[i].expected);
		assert_true(bench_refused());
		check_no_policy(bench);
		assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
	}
}

static const struct {
	const char *how;
	uint32_t command;
} lies[] = {
	{"size", TPM2_CC_ActivateCredential},	{"tag", TPM2_CC_ActivateCredential},
	{"nonce", TPM2_CC_ActivateCredential},	{"second", TPM2_CC_ActivateCredential},
	{"hmac", TPM2_CC_ActivateCredential},	{"attributes", TPM2_CC_ActivateCredential},
	{"said", TPM2_CC_ActivateCredential},	{"cut", TPM2_CC_ActivateCredential},
	{"refuse", TPM2_CC_ActivateCredential}, {"stale", TPM2_CC_ActivateCredential},
	{"nonce", TPM2_CC_PolicySecret},	{"cut", TPM2_CC_PolicySecret},
	{"refuse", TPM2_CC_PolicySecret},
};

static void test_one_lie_and_all_is_well_again(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	struct challenge challenge;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	challenge_make(bench, &aik, PKEY_ECC_P256, &challenge);
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		bench_lie(bench, lies[i].how, lies[i].command);
		assert_int_equal(activate(bench, &aik, &challenge.credential), 0);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
		check_no_policy(bench);
	}
}

/* The same of a key that is made, and of an index that is read. */
static const struct {
	const char *how;
	uint32_t command;
	enum pkey_type type;
} ek_lies[] = {
	{"size", TPM2_CC_NV_Read, PKEY_RSA_2048},
	{"nonce", TPM2_CC_NV_Read, PKEY_RSA_2048},
	{"hmac", TPM2_CC_NV_Read, PKEY_RSA_2048},
	{"said", TPM2_CC_NV_Read, PKEY_RSA_2048},
	{"cut", TPM2_CC_NV_Read, PKEY_RSA_2048},
	{"refuse", TPM2_CC_NV_Read, PKEY_RSA_2048},
	{"said", TPM2_CC_CreatePrimary, PKEY_ECC_P256},
	{"hmac", TPM2_CC_CreatePrimary, PKEY_ECC_P256},
	{"refuse", TPM2_CC_CreatePrimary, PKEY_ECC_P256},
};

static void test_lies_about_the_key(void **state)
{
	struct bench *bench = *state;
	CLEANUP(buf_fini) struct buf true_one = BUF_INIT(8192), public = BUF_INIT(1024);
	struct engine_ek ek = {.public = &public};

	assert_int_equal(engine_ek(bench->engine, PKEY_RSA_2048, &ek, &bench->err), 0);
	buf_put(&true_one, ek.certificate);
	assert_true(true_one.len > 0);
	for (size_t i = 0; i < ARRAY_LEN(ek_lies); i++) {
		bench_lie(bench, ek_lies[i].how, ek_lies[i].command);
		buf_reset(&public);
		assert_int_equal(engine_ek(bench->engine, ek_lies[i].type, &ek, &bench->err), 0);
		if (ek_lies[i].type == PKEY_RSA_2048)
			assert_true(slice_equal(ek.certificate, buf_slice(&true_one)));
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name)	cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
#define CASE_MADE(name) cmocka_unit_test_setup_teardown(name, bench_setup_made, bench_teardown)
		CASE_MADE(test_persistent_keys),
		CASE(test_transient_keys),
		CASE_MADE(test_storage_key),
		CASE(test_from_nothing_and_in_turn),
		CASE_MADE(test_for_others),
		CASE_MADE(test_damage),
		CASE(test_wrong_password),
		CASE_MADE(test_endorsement_password),
		CASE(test_losses),
		CASE(test_flush_is_refused),
		CASE(test_refusals),
		CASE(test_one_lie_and_all_is_well_again),
		CASE_MADE(test_lies_about_the_key),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
