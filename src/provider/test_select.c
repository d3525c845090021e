/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of docs/PROVIDERS.md by their numbers, then every combination of facts. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "provider/select.h"

static struct select_decision decide(struct select_facts facts)
{
	struct select_decision decision = {.choice = (enum select_choice)99};

	select_provider(&facts, &decision);
	return decision;
}

static void test_ac1_tpm_is_detected(void **state)
{
	struct select_decision d = decide((struct select_facts){
		.device_present = true,
		.device_opens = true,
		.probe_enabled = true,
		.probe_succeeded = true,
	});

	(void)state;
	assert_int_equal(d.choice, SELECT_USE_TPM);
	assert_false(d.warn);
	assert_non_null(strstr(d.reason, "FAPI connects"));
}

static void test_ac3_no_tpm_is_legacy(void **state)
{
	struct select_decision d = decide((struct select_facts){.probe_enabled = true});

	(void)state;
	assert_int_equal(d.choice, SELECT_USE_LEGACY);
	assert_false(d.warn);
	assert_string_equal(d.reason, "no TPM found");
}

static void test_ac4_environment_overrides(void **state)
{
	struct select_facts facts = {
		.wish = SELECT_LEGACY,
		.wish_from_env = true,
		.device_present = true,
		.device_opens = true,
		.probe_enabled = true,
		.probe_succeeded = true,
	};
	struct select_decision d = decide(facts);

	(void)state;
	assert_true(select_skips_tpm(&facts));
	assert_int_equal(d.choice, SELECT_USE_LEGACY);
	assert_false(d.warn);
	assert_non_null(strstr(d.reason, "SECURITY_PROVIDER"));
	facts.wish_from_env = false;
	d = decide(facts);
	assert_int_equal(d.choice, SELECT_USE_LEGACY);
	assert_non_null(strstr(d.reason, "configuration"));
}

/* The FAPI connection fails in one of two ways: the device itself, or FAPI above it. */
static void test_ac5_failure_falls_back_with_a_warning(void **state)
{
	struct select_decision d = decide((struct select_facts){
		.device_present = true,
		.failure = "open /dev/tpm0: permission denied",
		.probe_enabled = true,
	});

	(void)state;
	assert_int_equal(d.choice, SELECT_USE_LEGACY);
	assert_true(d.warn);
	assert_non_null(strstr(d.reason, "open /dev/tpm0: permission denied"));
	d = decide((struct select_facts){
		.device_present = true,
		.device_opens = true,
		.probe_enabled = true,
		.failure = "Fapi_Initialize: 0x60006",
	});
	assert_int_equal(d.choice, SELECT_USE_LEGACY);
	assert_true(d.warn);
	assert_non_null(strstr(d.reason, "Fapi_Initialize: 0x60006"));
}

static void test_tpm_demanded(void **state)
{
	struct select_facts facts = {.wish = SELECT_TPM, .failure = "step four"};
	struct select_decision d = decide(facts);

	(void)state;
	assert_false(select_skips_tpm(&facts));
	assert_int_equal(d.choice, SELECT_USE_NONE);
	assert_true(d.warn);
	facts.device_present = true;
	d = decide(facts);
	assert_int_equal(d.choice, SELECT_USE_NONE);
	assert_true(d.warn);
	assert_non_null(strstr(d.reason, "step four"));
	/* The probe never closes what was asked for. */
	facts.device_opens = true;
	facts.probe_enabled = true;
	d = decide(facts);
	assert_int_equal(d.choice, SELECT_USE_TPM);
	assert_false(d.warn);
}

/*
 * One letter for each combination, the bits of the index being present, opens, probe enabled,
 * probe succeeded: T tpm, L legacy, w legacy with a warning, N none (always with a warning).
 * A device that opens without being present (bit 1 without bit 0) counts as absent.
 */
static const char table[][17] = {
	[SELECT_AUTO] = "LwLTLwLwLwLTLwLT",
	[SELECT_TPM] = "NNNTNNNTNNNTNNNT",
	[SELECT_LEGACY] = "LLLLLLLLLLLLLLLL",
};

static char letter_of(const struct select_decision *d)
{
	switch (d->choice) {
	case SELECT_USE_TPM:
		return d->warn ? '?' : 'T';
	case SELECT_USE_LEGACY:
		return d->warn ? 'w' : 'L';
	case SELECT_USE_NONE:
		return d->warn ? 'N' : '?';
	}
	return '?';
}

static void check_cell(enum select_wish wish, unsigned bits, unsigned more)
{
	struct select_decision d = decide((struct select_facts){
		.wish = wish,
		.wish_from_env = more & 1,
		.failure = more & 2 ? "the cause" : NULL,
		.device_present = bits & 1,
		.device_opens = bits & 2,
		.probe_enabled = bits & 4,
		.probe_succeeded = bits & 8,
	});

	if (letter_of(&d) != table[wish][bits])
		fail_msg("wish %u, facts %u: %c, wanted %c", wish, bits, letter_of(&d),
			 table[wish][bits]);
	assert_true(d.reason[0] != '\0');
	/* A fallback tells its cause whenever there is one. */
	if (d.warn && (bits & 1) && (more & 2))
		assert_non_null(strstr(d.reason, "the cause"));
}

static void test_every_combination(void **state)
{
	(void)state;
	for (unsigned wish = 0; wish < ARRAY_LEN(table); wish++)
		for (unsigned cell = 0; cell < 16 * 4; cell++)
			check_cell((enum select_wish)wish, cell % 16, cell / 16);
}

static void test_long_failure_is_cut(void **state)
{
	char failure[1000];
	struct select_decision d;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(failure); i++)
		failure[i] = 'x';
	failure[sizeof(failure) - 1] = '\0';
	d = decide((struct select_facts){.device_present = true, .failure = failure});
	assert_int_equal(strlen(d.reason), sizeof(d.reason) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ac1_tpm_is_detected),
		cmocka_unit_test(test_ac3_no_tpm_is_legacy),
		cmocka_unit_test(test_ac4_environment_overrides),
		cmocka_unit_test(test_ac5_failure_falls_back_with_a_warning),
		cmocka_unit_test(test_tpm_demanded),
		cmocka_unit_test(test_every_combination),
		cmocka_unit_test(test_long_failure_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
