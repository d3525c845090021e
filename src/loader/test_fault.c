/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "loader/fault.h"

static void the_table_is_whole(void **state)
{
	size_t count;
	const struct fault_info *table = fault_table(&count);

	(void)state;
	assert_int_equal(count, 26);
	for (size_t i = 0; i < count; i++) {
		assert_true(table[i].code < 0);
		assert_true(table[i].status >= 401 && table[i].status <= 507);
		assert_true(strlen(table[i].name) > 0 && strlen(table[i].remedy) > 0);
		assert_ptr_equal(fault_info(table[i].code), &table[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(table[i].name, table[j].name);
	}
}

static void what_clients_know_has_its_name(void **state)
{
	static const struct {
		int code;
		const char *name;
		unsigned status;
	} rows[] = {
		{ERR_INVALID, "invalid", 422},
		{ERR_NOT_FOUND, "not_found", 404},
		{ERR_FORBIDDEN, "policy_denied", 403},
		{ERR_TOO_LARGE, "too_large", 413},
		{ERR_DAMAGED, "decrypt_failed", 422},
		{ERR_DISK_FULL, "disk_full", 507},
		{ERR_NOT_SUPPORTED, "not_supported", 422},
		{ERR_TIMEOUT, "timeout", 504},
		{FAULT_UPSTREAM, "upstream_unreachable", 502},
		{FAULT_CREDENTIALS, "auth_failed", 401},
		{FAULT_NOT_LOGGED_IN, "not_logged_in", 401},
		{FAULT_SIGNATURE, "signature_invalid", 422},
		{FAULT_DIGEST, "digest_mismatch", 422},
		{FAULT_DOCKER, "docker_failed", 502},
		{FAULT_BUSY, "busy", 503},
		{FAULT_CANCELLED, "cancelled", 409},
		{FAULT_ROLLED_BACK, "rolled_back", 409},
		{FAULT_EXPIRED, "expired", 403},
		{FAULT_NO_KEY, "no_device_key", 404},
		{ERR_STARTING, "starting", 503},
		{ERR_TPM_REQUIRED, "tpm_required", 503},
		{ERR_TPM_BUSY, "tpm_busy", 503},
		{ERR_TPM_LOCKOUT, "tpm_lockout", 503},
		{ERR_TPM_FAILED, "tpm_failed", 503},
		{ERR_TPM_CHANGED, "tpm_changed", 503},
		/* Matters of the inside. */
		{ERR_UNREADABLE, "internal", 500},
		{ERR_CONFLICT, "internal", 500},
		{ERR_WRONG_TPM, "internal", 500},
		{ERR_OWNER_AUTH_REQUIRED, "internal", 500},
		{-4711, "internal", 500},
		{0, "internal", 500},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(fault_info(rows[i].code)->name, rows[i].name);
		assert_int_equal(fault_info(rows[i].code)->status, rows[i].status);
	}
}

/* Without a file: prints what docs/LOADER.md has to list. With one: each line must be in it. */
static int compare(const char *path)
{
	CLEANUP(mem_free_cleanup) char *text = calloc(1, 1024 * 1024);
	FILE *file = path ? fopen(path, "r") : NULL;
	size_t count, missing = 0;
	const struct fault_info *table = fault_table(&count);
	char line[512];

	if (!text || (path && !file))
		return 1;
	if (file) {
		(void)!fread(text, 1, 1024 * 1024 - 1, file);
		(void)fclose(file);
	}
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(line, sizeof(line), "| `%s` | %u |", table[i].name, table[i].status);
		if (path && strstr(text, line))
			continue;
		(void)puts(line);
		missing++;
	}
	return path && missing > 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_whole),
		cmocka_unit_test(what_clients_know_has_its_name),
	};

	if (argc > 1)
		return compare(strcmp(argv[1], "print") == 0 ? NULL : argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
