/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenant/audit.h"

static const struct {
	const char *object;
	int code;
	bool late;
	const char *line;
} LINES[] = {
	{"db", 0, true,
	 "{\"time\":1700000000,\"tenant\":\"web\",\"pid\":42,\"uid\":1000,\"gid\":100,"
	 "\"operation\":\"secret.get\",\"object\":\"db\",\"result\":\"ok\",\"tpm_commands\":1,"
	 "\"microseconds\":950,\"late\":true}"},
	{"db", 0, false,
	 "{\"time\":1700000000,\"tenant\":\"web\",\"pid\":42,\"uid\":1000,\"gid\":100,"
	 "\"operation\":\"secret.get\",\"object\":\"db\",\"result\":\"ok\",\"tpm_commands\":1,"
	 "\"microseconds\":950}"},
	{"a\"b\n", ERR_WRONG_NAME, false,
	 "{\"time\":1700000000,\"tenant\":\"web\",\"pid\":42,\"uid\":1000,\"gid\":100,"
	 "\"operation\":\"secret.get\",\"object\":\"a\\\"b\\u000a\",\"result\":\"wrong_name\","
	 "\"tpm_commands\":1,\"microseconds\":950}"},
};

static void test_lines(void **state)
{
	struct tenant tenant = {.name = "web"};
	struct tenant_peer peer = {.tenant = &tenant, .pid = 42, .uid = 1000, .gid = 100};
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
	struct tenant_peer peer = {
		.tenant = &tenant, .pid = -1, .uid = UINT32_MAX, .gid = UINT32_MAX};
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

/* --- what is kept --- */

static void write_one(struct tenant *tenant, unsigned number)
{
	const struct tenant_peer peer = {.tenant = tenant};
	char object[16];

	(void)snprintf(object, sizeof(object), "n%u", number);
	audit_write(&(struct audit_event){
		.peer = &peer, .operation = "key.sign", .object = object, .code = 0});
}

/* The numbers of the lines that are recalled, with spaces between them. */
static void recall(const char *tenant, size_t limit, char *text, size_t size)
{
	CLEANUP(buf_fini) struct buf lines = BUF_INIT(AUDIT_KEPT_MAX * AUDIT_LINE_MAX);
	const char *at;
	size_t len = 0;

	audit_recall(tenant, limit, &lines);
	buf_put_u8(&lines, 0);
	assert_true(buf_ok(&lines));
	text[0] = '\0';
	at = (const char *)lines.data;
	while ((at = strstr(at, "\"object\":\"n"))) {
		at += strlen("\"object\":\"n");
		len += (size_t)snprintf(text + len, size - len, "%s%ld", len > 0 ? " " : "",
					strtol(at, NULL, 10));
	}
}

static void test_recall(void **state)
{
	struct tenant web = {.name = "web"}, db = {.name = "db"};
	char text[AUDIT_KEPT_MAX * 8];
	unsigned i;

	(void)state;
	audit_forget();
	recall(NULL, 100, text, sizeof(text));
	assert_string_equal(text, "");
	for (i = 1; i <= 5; i++)
		write_one(i % 2 ? &web : &db, i);
	recall(NULL, 100, text, sizeof(text));
	assert_string_equal(text, "1 2 3 4 5");
	recall(NULL, 2, text, sizeof(text));
	assert_string_equal(text, "4 5");
	recall("web", 2, text, sizeof(text));
	assert_string_equal(text, "3 5");
	recall("db", AUDIT_KEPT_MAX, text, sizeof(text));
	assert_string_equal(text, "2 4");
	recall("we", 10, text, sizeof(text));
	assert_string_equal(text, "");
	recall(NULL, 0, text, sizeof(text));
	assert_string_equal(text, "");
	/* The oldest go first. */
	for (i = 6; i <= AUDIT_KEPT_MAX + 3; i++)
		write_one(&db, i);
	recall("web", 100, text, sizeof(text));
	assert_string_equal(text, "5");
	recall("db", AUDIT_KEPT_MAX, text, sizeof(text));
	assert_memory_equal(text, "4 6 7 ", 6);
	audit_forget();
	recall(NULL, 100, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_recall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
