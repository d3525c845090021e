/* SPDX-License-Identifier: Apache-2.0 */

/* The engine on a real simulator: what each operation costs, and every way a chip can misbehave. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/engine.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

/* --- costs --------------------------------------------------------------------------------- */

static void test_one_command_each(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	uint8_t random[32];
	uint64_t before = transport_command_count();

	bench_seal(bench, "a secret", &sealed);
	assert_int_equal(transport_command_count() - before, 1);

	assert_int_equal(bench_unseal(bench, &sealed, "a secret"), 0);
	before = transport_command_count();
	assert_int_equal(bench_unseal(bench, &sealed, "a secret"), 0);
	assert_int_equal(transport_command_count() - before, 1);

	before = transport_command_count();
	bench_key(bench, ENGINE_HSK, &key);
	assert_int_equal(transport_command_count() - before, 1);
	bench_sign(bench, &key, ENGINE_HSK);
	before = transport_command_count();
	bench_sign(bench, &key, ENGINE_HSK);
	assert_int_equal(transport_command_count() - before, 1);

	before = transport_command_count();
	assert_int_equal(engine_random(bench->engine, random, sizeof(random), &bench->err), 0);
	assert_int_equal(transport_command_count() - before, 1);
}

/* Another object is a Flush and a Load more, never an error, however many there are. */
static void test_objects_in_turn(void **state)
{
	struct bench *bench = *state;
	struct engine_made made[8];
	uint64_t before;
	char text[32];
	int i, round;

	for (i = 0; i < 8; i++) {
		made[i] = (struct engine_made)ENGINE_MADE_INIT;
		snprintf(text, sizeof(text), "secret %d", i);
		bench_seal(bench, text, &made[i]);
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 8; i++) {
			snprintf(text, sizeof(text), "secret %d", i);
			before = transport_command_count();
			assert_int_equal(bench_unseal(bench, &made[i], text), 0);
			assert_true(transport_command_count() - before <= 3);
		}
	}
	for (i = 0; i < 8; i++)
		engine_made_fini(&made[i]);
}

/* --- the chip as others left it ------------------------------------------------------------ */

static void test_reopens_with_its_record(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	bool made = true;

	bench_seal(bench, "kept", &sealed);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_false(made);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

static void test_hsk_evicted_is_loaded_from_its_blob(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	bool made = true;

	bench_seal(bench, "kept", &sealed);
	assert_int_equal(chip_persist(bench->engine, &bench->engine->hsk, HSK_HANDLE), 0);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_not_equal(bench->engine->hsk.handle, HSK_HANDLE);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	assert_int_equal(engine_persist_hsk(bench->engine, &bench->err), 0);
	assert_int_equal(bench->engine->hsk.handle, HSK_HANDLE);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

static void test_srk_evicted_comes_back_from_the_same_seed(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	bool made = true;

	bench_seal(bench, "kept", &sealed);
	assert_int_equal(chip_persist(bench->engine, &bench->engine->srk, SRK_SHARED_HANDLE), 0);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_false(made);
	assert_int_equal(bench->engine->srk.handle, SRK_SHARED_HANDLE);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

/* Slots full of a stranger's objects: ours comes through all the same. */
static void test_foreign_objects_fill_the_slots(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	TPM2B_PUBLIC template, public;
	const struct chip_primary primary = {.hierarchy = TPM2_RH_OWNER, .template = &template};
	struct root stranger;
	int i;

	bench_seal(bench, "kept", &sealed);
	assert_int_equal(public_storage(PKEY_ECC_P256, &template, &bench->err), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(chip_create_primary(bench->engine, &primary, &stranger, &public),
				 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

/* --- losses -------------------------------------------------------------------------------- */

static void test_power_cut_between_commands(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct engine_facts facts;
	bool made;
	int i;

	bench_seal(bench, "kept", &sealed);
	bench_key(bench, ENGINE_SRK, &key);
	for (i = 0; i < 6; i++) {
		bench_sign(bench, &key, ENGINE_SRK);
		chip_power_cut(bench->chip);
		chip_power_on(bench->chip);
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	}
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	engine_facts(bench->engine, &facts);
	assert_int_equal(facts.lockout_counter, 0);
}

static void test_absent_then_back(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;

	bench_seal(bench, "kept", &sealed);
	chip_power_cut(bench->chip);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_TPM_FAILED);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_TPM_FAILED);
	chip_power_on(bench->chip);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

static void test_another_chip_is_told(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	TPM2B_PUBLIC public;
	bool made;

	bench_seal(bench, "kept", &sealed);
	chip_replace(bench->chip);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_TPM_CHANGED);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_false(made);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_TPM_CHANGED);
	/* Nothing was made on it. */
	assert_int_not_equal(chip_read_public(bench->engine, SRK_SHARED_HANDLE, &public), 0);
	assert_int_not_equal(chip_read_public(bench->engine, HSK_HANDLE, &public), 0);
}

static void test_first_open_without_a_chip(void **state)
{
	struct bench *bench = *state;
	struct engine_options options = {.tcti = "swtpm:path=/nonexistent/socket",
					 .hsk_auth = slice_str("x")};
	struct engine *engine = NULL;
	bool made;

	assert_int_equal(engine_open(&options, &engine, &made, &bench->err), ERR_TPM_FAILED);
	assert_null(engine);
}

/* The chip's slots belong to everybody behind a resource manager: what is not ours stays. */
static void managed(struct bench *bench)
{
	/* Not the name that is known to be bare, but the same simulator. */
	snprintf(bench->tcti, sizeof(bench->tcti), "libtss2-tcti-%s", bench->chip->conf);
	memmove(strchr(bench->tcti, ':') + 5, strchr(bench->tcti, ':'),
		strlen(strchr(bench->tcti, ':')) + 1);
	memcpy(strstr(bench->tcti, "swtpm") + 5, ".so.0", 5);
}

static void test_managed_path(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct engine_facts facts;
	bool made;
	int i;

	managed(bench);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	engine_facts(bench->engine, &facts);
	assert_string_equal(facts.manager, "unknown");
	assert_int_equal(chip_persist(bench->engine, &bench->engine->hsk, HSK_HANDLE), 0);
	assert_int_equal(bench_reopen(bench, true, &made),
			 0); /* the HSK takes a slot of its own now */
	bench_seal(bench, "kept", &sealed);
	for (i = 0; i < 3; i++) {
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		engine_made_fini(&key);
		key = (struct engine_made)ENGINE_MADE_INIT;
		bench_key(bench, ENGINE_SRK, &key);
		bench_sign(bench, &key, ENGINE_SRK);
	}
}

/* A replaced chip is never taken for one that is not there, whatever it lacks. */
static void test_another_chip_with_an_owner(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct bench other = {.chip = bench->chip};
	bool made;

	bench_seal(bench, "kept", &sealed);
	engine_free(bench->engine);
	bench->engine = NULL;
	chip_replace(bench->chip);
	other.chip = bench->chip;
	assert_int_equal(bench_reopen(&other, false, &made), 0);
	raw_password(&other, TPM2_RH_OWNER, "secret");
	assert_int_equal(chip_persist(other.engine, &other.engine->srk, SRK_SHARED_HANDLE), 0x9a2);
	other.owner = "secret";
	assert_int_equal(bench_reopen(&other, true, &made), 0);
	assert_int_equal(chip_persist(other.engine, &other.engine->srk, SRK_SHARED_HANDLE), 0);
	engine_free(other.engine);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_OWNER_AUTH_REQUIRED);
	bench->owner = "secret";
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_TPM_CHANGED);
}

static void test_owner_password(void **state)
{
	struct bench *bench = *state;
	bool made;

	engine_free(bench->engine);
	bench->engine = NULL;
	chip_replace(bench->chip);
	assert_int_equal(bench_reopen(bench, false, &made), 0);
	raw_password(bench, TPM2_RH_OWNER, "secret");
	bench->owner = "wrong";
	assert_int_equal(bench_reopen(bench, true, &made),
			 0); /* the SRK is there: none is needed */
	assert_int_equal(engine_persist_hsk(bench->engine, &bench->err), ERR_AUTH_FAILED);
	bench->owner = "secret";
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(chip_persist(bench->engine, &bench->engine->srk, SRK_SHARED_HANDLE), 0);
	assert_int_equal(bench_reopen(bench, true, &made), 0); /* made anew with the password */
	assert_int_equal(engine_persist_hsk(bench->engine, &bench->err), 0);
	assert_int_equal(bench->engine->hsk.handle, HSK_HANDLE);
}

/* A record whose HSK is not the one it names, or is damaged, is not another chip. */
static void test_damaged_record(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct engine_roots good;
	bool made;

	bench_seal(bench, "kept", &sealed);
	good = bench->roots;
	assert_int_equal(chip_persist(bench->engine, &bench->engine->hsk, HSK_HANDLE), 0);
	bench->roots.hsk_private[bench->roots.hsk_private_len - 1] ^= 1;
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_DAMAGED);
	bench->roots = good;
	bench->roots.hsk.bytes[5] ^= 1;
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_DAMAGED);
	bench->roots = good;
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

/* A primary that cannot be kept leaves nothing in the chip. */
static void test_srk_that_cannot_be_kept(void **state)
{
	struct bench *bench = *state;
	TPM2B_PUBLIC template, public;
	const struct chip_primary primary = {.hierarchy = TPM2_RH_OWNER, .template = &template};
	struct root stranger;
	bool made;
	int i;

	assert_int_equal(public_key(PKEY_ECC_P256, ENGINE_SIGN, &template, &bench->err), 0);
	assert_int_equal(chip_persist(bench->engine, &bench->engine->srk, SRK_SHARED_HANDLE), 0);
	assert_int_equal(chip_create_primary(bench->engine, &primary, &stranger, &public), 0);
	assert_int_equal(chip_persist(bench->engine, &stranger, SRK_SHARED_HANDLE), 0);
	bench->srk_handle = 0x81800002u; /* the platform's range */
	for (i = 0; i < 4; i++) {
		assert_int_equal(bench_reopen(bench, false, &made), ERR_INVALID);
		assert_null(bench->engine);
	}
}

/* --- a liar between us and the chip -------------------------------------------------------- */

/* Mutations of one answer: see evil_tcti.c. */
static const struct {
	const char *how;
	uint32_t command;
} lies[] = {
	{"size", 0x15e},  {"size", 0x17b},	 {"tag", 0x15e},   {"tag", 0x17b},
	{"nonce", 0x15e}, {"nonce", 0x17b},	 {"hmac", 0x15e},  {"hmac", 0x157},
	{"size", 0x157},  {"attributes", 0x15e}, {"cut", 0x15e},   {"size", 0x153},
	{"nonce", 0x153}, {"refuse", 0x15e},	 {"stale", 0x15e},
};

static void test_one_lie_and_all_is_well_again(void **state)
{
	struct bench *bench = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(lies); i++) {
		CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
		uint8_t random[8];

		bench_lie(bench, lies[i].how, lies[i].command);
		bench_seal(bench, "kept", &sealed);
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	}
}

/* A salt that goes to another key is known to whoever has that: then no HMAC proves anything. */
static void test_another_key_in_the_place_of_ours(void **state)
{
	struct bench *bench = *state;
	bool made = true;
	char tcti[sizeof(bench->tcti)];

	assert_int_equal(bench->engine->hsk.handle, HSK_HANDLE);
	assert_int_equal(chip_persist(bench->engine, &bench->engine->srk, SRK_SHARED_HANDLE), 0);
	snprintf(tcti, sizeof(tcti), "%s", bench->tcti);
	snprintf(bench->tcti, sizeof(bench->tcti), "%s:%x,%s", USURP_TCTI, HSK_HANDLE,
		 bench->chip->conf);
	/* Where it is known, and at a first start. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bench_reopen(bench, i == 0, &made), ERR_TPM_FAILED);
		assert_non_null(strstr(bench->err.text, "did not keep"));
	}
	snprintf(bench->tcti, sizeof(bench->tcti), "%s", tcti);
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	assert_false(made);
	assert_int_equal(bench->engine->srk.handle, SRK_SHARED_HANDLE);
}

static void test_parameters_in_clear(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	uint8_t random[8];
	bool made;

	bench->in_clear = true;
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	bench_seal(bench, "kept", &sealed);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	assert_int_equal(engine_random(bench->engine, random, 8, &bench->err), 0);
}

/* --- hostile objects ----------------------------------------------------------------------- */

static void test_damaged_objects(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	size_t i;

	bench_seal(bench, "kept", &sealed);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	for (i = 0; i < sealed.private.len; i++) {
		sealed.private.data[i] ^= 1;
		assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_DAMAGED);
		sealed.private.data[i] ^= 1;
	}
	sealed.public.data[sealed.public.len - 1] ^= 1;
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_DAMAGED);
	sealed.public.data[sealed.public.len - 1] ^= 1;
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
	sealed.private.len--;
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), ERR_DAMAGED);
	sealed.private.len++;
}

static void test_wrong_password(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	struct engine_object object;
	struct secret *plain = NULL;
	int i;

	bench_seal(bench, "kept", &sealed);
	object = bench_object(&sealed, ENGINE_HSK);
	object.auth = slice_str("guess");
	for (i = 0; i < 5; i++)
		assert_int_equal(engine_unseal(bench->engine, &object, &plain, &bench->err),
				 ERR_AUTH_FAILED);
	assert_null(plain);
	assert_int_equal(bench_unseal(bench, &sealed, "kept"), 0);
}

static void test_change_of_password(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf private = BUF_INIT(ENGINE_PRIVATE_MAX);
	struct engine_object object;
	struct buf signature = BUF_INIT(512);
	const uint8_t digest[32] = {9};
	struct engine_sign request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};

	bench_key(bench, ENGINE_SRK, &key);
	object = bench_object(&key, ENGINE_SRK);
	assert_int_equal(
		engine_change_auth(bench->engine, &object, slice_str("new"), &private, &bench->err),
		0);
	object.private = buf_slice(&private);
	assert_int_equal(engine_sign(bench->engine, &object, &request, &signature, &bench->err),
			 ERR_AUTH_FAILED);
	object.auth = slice_str("new");
	assert_int_equal(engine_sign(bench->engine, &object, &request, &signature, &bench->err), 0);
	buf_fini(&signature);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_one_command_each),
		CASE(test_objects_in_turn),
		CASE(test_reopens_with_its_record),
		CASE(test_hsk_evicted_is_loaded_from_its_blob),
		CASE(test_srk_evicted_comes_back_from_the_same_seed),
		CASE(test_foreign_objects_fill_the_slots),
		CASE(test_power_cut_between_commands),
		CASE(test_absent_then_back),
		CASE(test_another_chip_is_told),
		CASE(test_first_open_without_a_chip),
		CASE(test_managed_path),
		CASE(test_another_chip_with_an_owner),
		CASE(test_owner_password),
		CASE(test_damaged_record),
		CASE(test_srk_that_cannot_be_kept),
		CASE(test_one_lie_and_all_is_well_again),
		CASE(test_another_key_in_the_place_of_ours),
		CASE(test_parameters_in_clear),
		CASE(test_damaged_objects),
		CASE(test_wrong_password),
		CASE(test_change_of_password),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
