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

static uint64_t now_us = 1000000u;

uint64_t __wrap_clock_monotonic_us(void);
uint64_t __wrap_clock_monotonic_us(void)
{
	return now_us;
}

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

static void test_refusals_line(void **state)
{
	static const char LINE[] =
		"{\"time\":1,\"tenant\":\"web\",\"pid\":0,\"uid\":0,\"gid\":0,\"operation\":"
		"\"refusals\",\"object\":\"\",\"result\":\"forbidden\",\"tpm_commands\":0,"
		"\"microseconds\":7,\"refusals\":12}";
	struct tenant tenant = {.name = "web"};
	struct tenant_peer peer = {.tenant = &tenant};
	CLEANUP(buf_fini) struct buf line = BUF_INIT(AUDIT_LINE_MAX);

	(void)state;
	audit_format(&(struct audit_event){.peer = &peer,
					   .operation = "refusals",
					   .object = "",
					   .code = ERR_FORBIDDEN,
					   .microseconds = 7,
					   .refusals = 12},
		     1, &line);
	assert_true(slice_equal(buf_slice(&line), slice_str(LINE)));
}

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
					   .late = true,
					   .refusals = UINT64_MAX},
		     UINT64_MAX, &line);
	assert_true(buf_ok(&line));
	assert_int_equal(line.data[line.len - 1], '}');
}

/* --- what is kept --- */

static void write_code(struct tenant *tenant, unsigned number, int code)
{
	const struct tenant_peer peer = {.tenant = tenant, .pid = (pid_t)number};
	char object[16];

	(void)snprintf(object, sizeof(object), "n%u", number);
	audit_write(&(struct audit_event){.peer = &peer,
					  .operation = "key.sign",
					  .object = object,
					  .code = code,
					  .tpm_commands = 1,
					  .microseconds = 2});
}

static void write_one(struct tenant *tenant, unsigned number)
{
	write_code(tenant, number, 0);
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

/* --- refusals --- */

struct told {
	unsigned ones;	 /* lines of their own .. */
	unsigned shared; /* .. and lines that tell more */
	unsigned long counted;
	char text[AUDIT_KEPT_MAX * AUDIT_LINE_MAX];
};

static void read_told(const char *tenant, struct told *told)
{
	CLEANUP(buf_fini) struct buf lines = BUF_INIT(AUDIT_KEPT_MAX * AUDIT_LINE_MAX);
	const char *at;

	memset(told, 0, sizeof(*told));
	audit_recall(tenant, AUDIT_KEPT_MAX, &lines);
	assert_true(buf_ok(&lines));
	if (lines.len > 0)
		memcpy(told->text, lines.data, lines.len);
	for (at = told->text; (at = strstr(at, "\"object\":\"n")); at++)
		told->ones++;
	for (at = told->text; (at = strstr(at, "\"refusals\":")); at++) {
		told->shared++;
		told->counted += strtoul(at + strlen("\"refusals\":"), NULL, 10);
	}
}

/* Ten at once, one a second, and nothing is left out of the count. */
static void test_refusals_are_counted(void **state)
{
	struct tenant web = {.name = "web", .number = 5}, db = {.name = "db", .number = 5 + 64};
	static struct told told;
	unsigned i;

	(void)state;
	audit_forget();
	for (i = 1; i <= 100; i++)
		write_code(&web, i, ERR_NOT_FOUND);
	/* Another one has lines of his own, and what was done is always told. */
	write_code(&db, 1, ERR_FORBIDDEN);
	write_one(&web, 101);
	read_told("db", &told);
	assert_int_equal(told.ones, 1);
	read_told("web", &told);
	assert_int_equal(told.ones, 11);
	assert_int_equal(told.shared, 1);
	assert_int_equal(told.counted, 90);
	/* With the peer of the last one, and the cost of all. */
	assert_non_null(strstr(told.text,
			       "\"pid\":100,\"uid\":0,\"gid\":0,\"operation\":\"refusals\","
			       "\"object\":\"\",\"result\":\"not_found\",\"tpm_commands\":90,"
			       "\"microseconds\":180,\"refusals\":90}"));
	/* Asked again, nothing is told twice. */
	read_told("web", &told);
	assert_int_equal(told.shared, 1);
	/* A second later somebody's line tells what came meanwhile. */
	for (i = 0; i < 5; i++)
		write_code(&web, i, ERR_INVALID);
	now_us += 2000000u;
	write_one(&db, 2);
	for (i = 0; i < 5; i++)
		write_code(&web, i, ERR_INVALID);
	read_told("web", &told);
	assert_int_equal(told.ones, 12);
	assert_int_equal(told.shared, 3);
	assert_int_equal(told.counted, 90 + 5 + 4);
	/* After a pause there are ten again. */
	now_us += 60000000u;
	for (i = 0; i < 11; i++)
		write_code(&web, i, ERR_INVALID);
	read_told("web", &told);
	assert_int_equal(told.ones, 22);
	assert_int_equal(told.counted, 90 + 5 + 4 + 1);
	audit_forget();
	read_told(NULL, &told);
	assert_int_equal(told.ones + told.shared, 0);
}

/* An hour of refusals pushes nobody else's lines out. */
static void test_a_share_for_refusals(void **state)
{
	struct tenant web = {.name = "web", .number = 5}, db = {.name = "db", .number = 6};
	char text[AUDIT_KEPT_MAX * 8];
	static struct told told;
	unsigned i, second;

	(void)state;
	audit_forget();
	for (i = 1; i <= 5; i++)
		write_one(&web, i);
	write_code(&web, 6, ERR_FORBIDDEN);
	for (second = 0; second < 3600; second++) {
		now_us += 1000000u;
		for (i = 0; i < 3; i++)
			write_code(&db, second, ERR_NOT_FOUND);
	}
	write_one(&web, 7);
	recall("web", 100, text, sizeof(text));
	assert_string_equal(text, "1 2 3 4 5 6 7");
	read_told("db", &told);
	assert_int_equal(told.ones + told.shared, AUDIT_REFUSALS_MAX);
	/* The last ones are what is kept. */
	assert_non_null(strstr(told.text, "\"pid\":3599,"));
	assert_null(strstr(told.text, "\"pid\":3400,"));
	audit_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_recall),
		cmocka_unit_test(test_refusals_line),
		cmocka_unit_test(test_refusals_are_counted),
		cmocka_unit_test(test_a_share_for_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
