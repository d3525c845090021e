/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_sys.h>
#include <tss2/tss2_tcti.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/metrics.h"
#include "tests/support/chip.h"
#include "tpm/transport.h"

static const uint8_t get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 8};

static struct transport *open_script(const char *script)
{
	struct transport *transport = NULL;
	struct err err = {0};
	char conf[512];

	snprintf(conf, sizeof(conf), "%s:%s", FAKE_TCTI, script);
	assert_int_equal(transport_open(conf, &transport, &err), 0);
	return transport;
}

/* One command through the upper face; the answer's code, or the failure of a layer. */
static TSS2_RC run(struct transport *transport)
{
	TSS2_TCTI_CONTEXT *tcti = transport_tcti(transport);
	uint8_t answer[64] = {0};
	size_t size = 0;
	TSS2_RC rc = Tss2_Tcti_Transmit(tcti, sizeof(get_random), get_random);

	if (!rc)
		rc = Tss2_Tcti_Receive(tcti, &size, NULL, TSS2_TCTI_TIMEOUT_BLOCK);
	if (rc)
		return rc;
	assert_true(size <= sizeof(answer));
	assert_int_equal(Tss2_Tcti_Receive(tcti, &size, answer, TSS2_TCTI_TIMEOUT_BLOCK), 0);
	return (TSS2_RC)answer[8] << 8 | answer[9];
}

static const struct {
	const char *script;
	TSS2_RC rc;
	unsigned sent;
	bool lost;
} cases[] = {
	{"o", 0, 1, false},
	{"f", 0x101, 1, false},
	{"ro", 0, 2, false},
	{"rytno", 0, 5, false},
	{"nf", 0x101, 2, false},
	{"g", TSS2_TCTI_RC_MALFORMED_RESPONSE, 1, true},
	{"s", TSS2_TCTI_RC_MALFORMED_RESPONSE, 1, true},
	{"l", TSS2_TCTI_RC_MALFORMED_RESPONSE, 1, true},
	{"i", TSS2_TCTI_RC_IO_ERROR, 1, true},
	{"rg", TSS2_TCTI_RC_MALFORMED_RESPONSE, 2, true},
	{"x", TSS2_TCTI_RC_IO_ERROR, 1, true},
};

static void test_scripts(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct transport *transport = open_script(cases[i].script);
		uint64_t before = transport_command_count(), random;

		random = transport_command_count_of(0x17b);
		assert_int_equal(run(transport), cases[i].rc);
		assert_int_equal(transport_command_count() - before, cases[i].sent);
		assert_int_equal(transport_command_count_of(0x17b) - random, cases[i].sent);
		assert_int_equal(transport_is_lost(transport), cases[i].lost);
		transport_free(transport);
	}
}

/* A chip that asks for patience for ever gets it until the deadline and not longer. */
static void test_patience_ends(void **state)
{
	struct transport *transport = open_script("r");
	uint64_t begin = clock_monotonic_us(), sent = transport_command_count();

	(void)state;
	transport_set_deadline(transport, begin + 20000);
	assert_int_equal(run(transport), 0x922);
	sent = transport_command_count() - sent;
	assert_true(sent >= 2 && sent <= 6);
	assert_false(transport_is_lost(transport));
	transport_free(transport);
}

/* The value of a series in the exposition; -1 when it is not there. */
static long long exposed(const char *series)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(65536);
	const char *line;
	char key[128];

	metrics_render(&text);
	buf_put_u8(&text, '\0');
	assert_true(buf_ok(&text));
	snprintf(key, sizeof(key), "\n%s ", series);
	line = strstr((const char *)text.data, key);
	return line ? strtoll(line + strlen(key), NULL, 10) : -1;
}

/* Two pauses of 1 and 2 ms belong to the command, and the worst of two commands is shown. */
static void test_time_is_taken(void **state)
{
	static const char sum[] = "holdfast_tpm_command_microseconds_total{command=\"GetRandom\"}";
	static const char worst[] =
		"holdfast_tpm_command_worst_microseconds{command=\"GetRandom\"}";
	struct transport *transport = open_script("rro");
	long long before = exposed(sum), slow, worst_before;

	(void)state;
	assert_true(before >= 0);
	assert_int_equal(run(transport), 0);
	slow = exposed(sum) - before;
	assert_true(slow >= 3000 && slow < 60LL * 1000 * 1000);
	worst_before = exposed(worst);
	assert_true(worst_before >= slow);
	assert_int_equal(run(transport), 0); /* without a repetition */
	assert_true(exposed(sum) >= before + slow);
	assert_true(exposed(worst) >= worst_before);
	transport_free(transport);
}

/* An answer that did not come took no time that could be told. */
static void test_loss_takes_no_time(void **state)
{
	static const char sum[] = "holdfast_tpm_command_microseconds_total{command=\"GetRandom\"}";
	struct transport *transport = open_script("g");
	long long before = exposed(sum);

	(void)state;
	assert_int_equal(run(transport), TSS2_TCTI_RC_MALFORMED_RESPONSE);
	assert_int_equal(exposed(sum), before);
	transport_free(transport);
}

/* Connections that are refused: each command fails at once, and none is counted as sent. */
static void test_absent_is_told_at_once(void **state)
{
	struct transport *transport = NULL;
	struct chip chip;
	struct err err;
	uint64_t begin, sent;
	unsigned i;

	(void)state;
	chip_new(&chip);
	assert_int_equal(transport_open(chip.conf, &transport, &err), 0);
	chip_power_cut(&chip);
	assert_int_not_equal(run(transport), 0); /* this one finds out */
	begin = clock_monotonic_us();
	sent = transport_command_count();
	for (i = 0; i < 100; i++)
		assert_int_not_equal(run(transport), 0);
	assert_true(transport_is_lost(transport));
	assert_int_equal(transport_command_count(), sent);
	assert_true(clock_monotonic_us() - begin < 20u * 1000 * 1000);
	chip_power_on(&chip);
	assert_int_equal(run(transport), 0);
	transport_free(transport);
	chip_free(&chip);
}

static void test_opens_again_after_a_loss(void **state)
{
	struct transport *transport = open_script("i");

	(void)state;
	assert_int_equal(run(transport), TSS2_TCTI_RC_IO_ERROR);
	assert_true(transport_is_lost(transport));
	transport_clear_lost(transport);
	assert_int_equal(run(transport), TSS2_TCTI_RC_IO_ERROR); /* the script from its start */
	transport_free(transport);
}

static void test_misuse(void **state)
{
	struct transport *transport = open_script("o");
	TSS2_TCTI_CONTEXT *tcti = transport_tcti(transport);
	uint8_t big[TRANSPORT_BUFFER + 1] = {0}, small[4];
	size_t size = sizeof(small);

	(void)state;
	assert_int_equal(Tss2_Tcti_Receive(tcti, &size, small, 0), TSS2_TCTI_RC_BAD_SEQUENCE);
	assert_int_equal(Tss2_Tcti_Transmit(tcti, 9, get_random), TSS2_TCTI_RC_BAD_VALUE);
	assert_int_equal(Tss2_Tcti_Transmit(tcti, sizeof(big), big), TSS2_TCTI_RC_BAD_VALUE);
	assert_int_equal(Tss2_Tcti_Transmit(tcti, sizeof(get_random), get_random), 0);
	assert_int_equal(Tss2_Tcti_Transmit(tcti, sizeof(get_random), get_random),
			 TSS2_TCTI_RC_BAD_SEQUENCE);
	assert_int_equal(Tss2_Tcti_Receive(tcti, &size, small, 0),
			 TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
	transport_free(transport);
}

/* Whoever builds the command: SYS on our upper face, against a real simulator. */
static void test_sys_on_top(void **state)
{
	TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
	TSS2_SYS_CONTEXT *sys = calloc(1, Tss2_Sys_GetContextSize(0));
	struct transport *transport = NULL;
	TPM2B_DIGEST random = {0};
	struct chip chip;
	struct err err;

	(void)state;
	chip_new(&chip);
	assert_int_equal(transport_open(chip.conf, &transport, &err), 0);
	assert_int_equal(transport_manager(transport), TRANSPORT_BARE);
	assert_int_equal(Tss2_Sys_Initialize(sys, Tss2_Sys_GetContextSize(0),
					     transport_tcti(transport), &abi),
			 0);
	assert_int_equal(Tss2_Sys_GetRandom(sys, NULL, 16, &random, NULL), 0);
	assert_int_equal(random.size, 16);
	chip_power_cut(&chip);
	assert_int_not_equal(Tss2_Sys_GetRandom(sys, NULL, 16, &random, NULL), 0);
	assert_true(transport_is_lost(transport));
	chip_power_on(&chip);
	assert_int_equal(Tss2_Sys_GetRandom(sys, NULL, 16, &random, NULL), 0);
	Tss2_Sys_Finalize(sys);
	free(sys);
	transport_free(transport);
	chip_free(&chip);
}

/* SYS can be used again after each way of losing an answer. */
static void test_sys_goes_on(void **state)
{
	static const char *const scripts[] = {"i", "g", "s", "l", "x", "ri"};
	TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
	TSS2_SYS_CONTEXT *sys = calloc(1, Tss2_Sys_GetContextSize(0));
	TPM2B_DIGEST random = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(scripts); i++) {
		struct transport *transport = open_script(scripts[i]);
		TSS2_RC first, second;

		assert_int_equal(Tss2_Sys_Initialize(sys, Tss2_Sys_GetContextSize(0),
						     transport_tcti(transport), &abi),
				 0);
		first = Tss2_Sys_GetRandom(sys, NULL, 16, &random, NULL);
		second = Tss2_Sys_GetRandom(sys, NULL, 16, &random, NULL);
		assert_int_not_equal(first, 0);
		assert_int_equal(second, first); /* the script from its start */
		Tss2_Sys_Finalize(sys);
		transport_free(transport);
	}
	free(sys);
}

static void test_no_such_device(void **state)
{
	struct transport *transport = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(transport_open("device:/dev/null/tpm", &transport, &err), ERR_TPM_FAILED);
	assert_int_equal(transport_open("nonsense:", &transport, &err), ERR_TPM_FAILED);
	assert_null(transport);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_patience_ends),
		cmocka_unit_test(test_time_is_taken),
		cmocka_unit_test(test_loss_takes_no_time),
		cmocka_unit_test(test_absent_is_told_at_once),
		cmocka_unit_test(test_opens_again_after_a_loss),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_sys_on_top),
		cmocka_unit_test(test_sys_goes_on),
		cmocka_unit_test(test_no_such_device),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
