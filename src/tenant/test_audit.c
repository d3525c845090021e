/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "tenant/audit.h"

static const struct {
	const char *object;
	int code;
	bool late;
	const char *line;
} LINES[] = {
	{"db", 0, true,
	 "{\"time\":1700000000,\"tenant\":\"web\",\"pid\":42,\"uid\":1000,\"operation\":"
	 "\"secret.get\",\"object\":\"db\",\"result\":\"ok\",\"tpm_commands\":1,"
	 "\"microseconds\":950,\"late\":true}"},
	{"db", 0, false,
	 "{\"time\":1700000000,\"tenant\":\"web\",\"pid\":42,\"uid\":1000,\"operation\":"
	 "\"secret.get\",\"object\":\"db\",\"result\":\"ok\",\"tpm_commands\":1,"
	 "\"microseconds\":950}"},
	{"a\"b\n", ERR_WRONG_NAME, false,
	 "{\"time\":1700000000,\"tenant\":\"web\",\"pid\":42,\"uid\":1000,\"operation\":"
	 "\"secret.get\",\"object\":\"a\\\"b\\u000a\",\"result\":\"wrong_name\","
	 "\"tpm_commands\":1,\"microseconds\":950}"},
};

static void test_lines(void **state)
{
	struct tenant tenant = {.name = "web"};
	struct tenant_peer peer = {.tenant = &tenant, .pid = 42, .uid = 1000};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(LINES); i++) {
		CLEANUP(buf_fini) struct buf line = BUF_INIT(AUDIT_LINE_MAX);
		const struct audit_event event = {
			.peer = &peer,
			.operation = "secret.get",
			.object = LINES[i].object,
			.code = LINES[i].code,
			.tpm_commands = 1,
			.microseconds = 950,
			.late = LINES[i].late,
		};

		audit_format(&event, 1700000000, &line);
		assert_true(buf_ok(&line));
		assert_true(slice_equal(buf_slice(&line), slice_str(LINES[i].line)));
	}
}

/* The longest names still make one whole line. */
static void test_longest(void **state)
{
	struct tenant tenant = {.name = ""};
	struct tenant_peer peer = {.tenant = &tenant, .pid = -1, .uid = UINT32_MAX};
	CLEANUP(buf_fini) struct buf line = BUF_INIT(AUDIT_LINE_MAX);
	char object[129];

	(void)state;
	memset(tenant.name, 'a', sizeof(tenant.name) - 1);
	memset(object, 'b', sizeof(object) - 1);
	object[sizeof(object) - 1] = '\0';
	audit_format(&(struct audit_event){.peer = &peer,
					   .operation = "key.certificate-request",
					   .object = object,
					   .code = ERR_OWNER_AUTH_REQUIRED,
					   .tpm_commands = UINT64_MAX,
					   .microseconds = UINT64_MAX,
					   .late = true},
		     UINT64_MAX, &line);
	assert_true(buf_ok(&line));
	assert_int_equal(line.data[line.len - 1], '}');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
