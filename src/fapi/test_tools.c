/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stock tools in the helper's place, through the sockets, on a real chip: what the TCTI of tss2
 * sends is what is understood here, and the FAPI library gets along with the filter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "fapi/test_fixture.h"

/* Runs it; *ret_out is what it wrote, in hexadecimal digits. Its exit code. */
static int run_tool(struct fixture *fixture, const char *tool, char *ret_out, size_t size)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	char behaviour[64];
	const char *out = NULL;
	uint64_t code = 0;
	struct err err = {0};

	snprintf(behaviour, sizeof(behaviour), "tool.%s", tool);
	if (fixture_run(fixture, behaviour, PATIENCE_US) < 0)
		fail_msg("%s: %s", tool, fixture->err.text);
	assert_int_equal(json_parse(buf_slice(&fixture->json), &json, &err), 0);
	assert_int_equal(json_get_string(json, "out", true, &out, &err), 0);
	assert_int_equal(json_get_u64(json, "exit", true, 0, 255, &code, &err), 0);
	assert_true((size_t)snprintf(ret_out, size, "%s", out) < size);
	return (int)code;
}

static void test_tools(void **state)
{
	struct fixture fixture;
	char out[16384], again[64];

	(void)state;
	fixture_init(&fixture);
	fixture_use_tpm(&fixture);
	assert_int_equal(run_tool(&fixture, "getrandom", out, 64), 0);
	assert_int_equal(strlen(out), 32); /* 16 digits in digits of two */
	assert_int_equal(run_tool(&fixture, "getrandom", again, sizeof(again)), 0);
	assert_string_not_equal(out, again);
	assert_int_equal(run_tool(&fixture, "getcap", out, sizeof(out)), 0);
	assert_non_null(strstr(out, "54504d325f50545f")); /* TPM2_PT_ */
	assert_int_equal(run_tool(&fixture, "primary", out, sizeof(out)), 0);
	assert_int_not_equal(run_tool(&fixture, "clear", out, sizeof(out)), 0);
	assert_int_not_equal(run_tool(&fixture, "lockout", out, sizeof(out)), 0);
	fixture_fini(&fixture);
}

static void write_conf(const struct fixture *fixture)
{
	char path[128];
	FILE *file;

	assert_int_equal(mkdir(fixture->folder, 0700), 0);
	snprintf(path, sizeof(path), "%s/" FAPI_CONFIG, fixture->folder);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file,
		"{\"profile_name\": \"P_ECCP256SHA256\", "
		"\"profile_dir\": \"/etc/tpm2-tss/fapi-profiles/\", "
		"\"user_dir\": \"%s/user\", \"system_dir\": \"%s/system\", "
		"\"log_dir\": \"%s/log\", \"tcti\": \"swtpm:path=%s/tpm.sock\", "
		"\"system_pcrs\": [], \"ek_cert_less\": \"yes\"}\n",
		fixture->folder, fixture->folder, fixture->folder, fixture->run);
	assert_int_equal(fclose(file), 0);
}

static void test_fapi(void **state)
{
	struct fixture fixture;
	char out[256];

	(void)state;
	fixture_init(&fixture);
	fixture_use_tpm(&fixture);
	write_conf(&fixture);
	assert_int_equal(run_tool(&fixture, "provision", out, sizeof(out)), 0);
	/* The SRK has its place now. */
	fixture.chip.srk_absent = false;
	assert_int_equal(run_tool(&fixture, "seal", out, sizeof(out)), 0);
	assert_int_equal(run_tool(&fixture, "unseal", out, sizeof(out)), 0);
	assert_int_equal(strlen(out), 32); /* 16 random bytes */
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tools),
		cmocka_unit_test(test_fapi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
