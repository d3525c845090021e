/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

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

/* The log, as what a loop waits for. */
struct listener {
	struct loop *loop;
	struct loop_timer give_up;
	int fds[2]; /* a pipe */
	unsigned turns;
	size_t len;
	char text[AUDIT_LINE_MAX];
};

static void heard(void *arg, uint32_t events)
{
	struct listener *listener = arg;
	ssize_t n = read(listener->fds[0], listener->text + listener->len,
			 sizeof(listener->text) - 1 - listener->len);

	(void)events;
	listener->len += n > 0 ? (size_t)n : 0;
	loop_stop(listener->loop);
}

static void give_up(void *arg)
{
	loop_stop(((struct listener *)arg)->loop);
}

static void count_turn(void *arg)
{
	((struct listener *)arg)->turns++;
}

/* One run of the loop, with the log in its pipe. */
static void listen_for(struct listener *listener, uint64_t time_us)
{
	int saved = dup(STDERR_FILENO);
	struct err err;

	listener->turns = 0;
	listener->len = 0;
	memset(listener->text, 0, sizeof(listener->text));
	assert_true(saved >= 0 && dup2(listener->fds[1], STDERR_FILENO) >= 0);
	assert_int_equal(loop_timer_set(&listener->give_up, time_us, &err), 0);
	assert_int_equal(loop_run(listener->loop, &err), 0);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
}

/* Also when nobody does anything after them; and then the loop has nothing to wake for. */
static void test_refusals_are_told_soon(void **state)
{
	struct tenant web = {.name = "web", .number = 5};
	struct listener listener = {.loop = NULL};
	struct loop_fd *watch;
	struct err err;
	unsigned i;

	(void)state;
	audit_forget();
	assert_int_equal(pipe(listener.fds), 0);
	assert_int_equal(loop_new(&listener.loop, &err), 0);
	loop_timer_init(&listener.give_up, listener.loop, give_up, &listener);
	loop_before_sleep(listener.loop, count_turn, &listener);
	assert_int_equal(
		loop_watch(listener.loop, listener.fds[0], EPOLLIN, heard, &listener, &watch, &err),
		0);
	audit_set_loop(listener.loop);
	for (i = 1; i <= 15; i++)
		write_code(&web, i, ERR_NOT_FOUND);
	now_us += 1000000u; /* the loop has a clock of its own */
	listen_for(&listener, 5000000u);
	assert_non_null(strstr(listener.text, "\"pid\":15,"));
	assert_non_null(strstr(listener.text, "\"refusals\":5}"));
	listen_for(&listener, 1200000u);
	assert_string_equal(listener.text, "");
	assert_int_equal(listener.turns, 1);
	/* What was told otherwise needs no timer any more. */
	for (i = 1; i <= 15; i++)
		write_code(&web, i, ERR_NOT_FOUND);
	audit_flush();
	listen_for(&listener, 1200000u);
	assert_int_equal(listener.turns, 1);
	audit_set_loop(NULL);
	loop_unwatch(watch);
	loop_free(listener.loop);
	close(listener.fds[0]);
	close(listener.fds[1]);
	audit_forget();
}

/* However many follow, those that are counted have their turn. */
static void test_counted_are_not_overtaken(void **state)
{
	struct tenant web = {.name = "web", .number = 5};
	static struct told told;
	unsigned i;

	(void)state;
	audit_forget();
	for (i = 1; i <= 10; i++)
		write_code(&web, i, ERR_NOT_FOUND);
	now_us += 500000u;
	audit_flush();
	write_code(&web, 11, ERR_NOT_FOUND);
	/* There may be a line again, and the last look was less than a second ago. */
	now_us += 500000u;
	write_code(&web, 12, ERR_NOT_FOUND);
	read_told("web", &told);
	assert_int_equal(told.ones, 10);
	assert_int_equal(told.counted, 2);
	audit_forget();
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
		cmocka_unit_test(test_refusals_are_told_soon),
		cmocka_unit_test(test_counted_are_not_overtaken),
		cmocka_unit_test(test_a_share_for_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
