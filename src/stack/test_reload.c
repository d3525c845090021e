/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told of what, and in which order. */
#include "stack/reload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "stack/tool.h"

#define LINES_MAX 4096u

/* --- in the place of tool.c --- */

static struct tool_end fake_end;
static const char *fake_output;

int tool_run(const struct tool_run *run, struct tool_end *ret_end, struct buf *output,
	     struct err *err)
{
	(void)err;
	assert_non_null(run->argv[0]);
	*ret_end = fake_end;
	buf_put_str(output, fake_output);
	return 0;
}

bool tool_found(const char *name)
{
	(void)name;
	return fake_end.found;
}

/* --- the plan --- */

#define SYSUSERS "systemd-sysusers /etc/sysusers.d/holdfast-tpm2.conf\n"
#define TMPFILES "systemd-tmpfiles --create /etc/tmpfiles.d/holdfast-tpm2.conf\n"
#define RULES	 "udevadm control --reload\n"
#define TRIGGER	 "udevadm trigger --subsystem-match=tpm --subsystem-match=tpmrm\n"
#define MANAGER	 "systemctl daemon-reload\n"
#define UNIT	 "systemctl start holdfast-tpm2-udev.service\n"
#define BUS	 "systemctl reload dbus.service\n"
#define START	 "systemctl restart tpm2-abrmd.service\n"
#define STOP	 "systemctl stop tpm2-abrmd.service\n"

static const struct plan_case {
	const char *what;
	enum stack_deed deed;
	unsigned parts; /* that have come to it; the others are the same */
	struct reload_host host;
	const char *expected;
} PLANS[] = {
	{"all is new",
	 STACK_WRITTEN,
	 ~0u,
	 {true, true, true},
	 SYSUSERS TMPFILES RULES MANAGER UNIT TRIGGER BUS START},
	{"without a bus",
	 STACK_WRITTEN,
	 ~0u,
	 {true, true, false},
	 SYSUSERS TMPFILES RULES MANAGER UNIT TRIGGER START},
	{"without systemd",
	 STACK_WRITTEN,
	 ~0u,
	 {false, true, true},
	 SYSUSERS TMPFILES RULES TRIGGER},
	{"without both", STACK_WRITTEN, ~0u, {false, false, false}, SYSUSERS TMPFILES},
	{"all is gone", STACK_REMOVED, ~0u, {true, true, true}, STOP RULES MANAGER TRIGGER BUS},
	{"all is gone, nothing runs", STACK_REMOVED, ~0u, {false, false, false}, ""},
	{"nothing", STACK_SAME, ~0u, {true, true, true}, SYSUSERS TMPFILES},
	{"rules deleted",
	 STACK_WRITTEN,
	 1u << STACK_UDEV_RULES,
	 {true, true, true},
	 SYSUSERS TMPFILES RULES TRIGGER},
	{"kept", STACK_KEPT, ~0u, {true, true, true}, ""},
	{"forgotten", STACK_FORGOTTEN, ~0u, {true, true, true}, ""},
	{"absent", STACK_ABSENT, ~0u, {true, true, true}, ""},
	{"abrmd's unit",
	 STACK_FORCED,
	 1u << STACK_ABRMD_UNIT,
	 {true, true, true},
	 SYSUSERS TMPFILES MANAGER START},
	{"a package's",
	 STACK_REPLACED,
	 1u << STACK_ABRMD_BUS,
	 {true, true, true},
	 SYSUSERS TMPFILES BUS},
	{"FAPI alone",
	 STACK_REPLACED,
	 1u << STACK_FAPI_CONFIG,
	 {true, true, true},
	 SYSUSERS TMPFILES},
	{"folders", STACK_WRITTEN, 1u << STACK_TMPFILES, {true, true, true}, SYSUSERS TMPFILES},
};

static void put_plan(const struct plan_case *row, struct buf *out)
{
	struct stack_change change = {.changed = true};
	struct reload reload;
	size_t i, j;

	for (i = 0; i < STACK_PARTS; i++)
		change.steps[i].deed = row->parts & 1u << i ? row->deed : STACK_SAME;
	reload_plan(&change, &row->host, &reload);
	for (i = 0; i < reload.count; i++) {
		for (j = 0; reload.steps[i].argv[j]; j++)
			buf_printf(out, "%s%s", j == 0 ? "" : " ", reload.steps[i].argv[j]);
		buf_put_u8(out, '\n');
	}
	buf_put_u8(out, '\0');
	assert_true(buf_ok(out));
}

static void test_plans(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(PLANS); i++) {
		CLEANUP(buf_fini) struct buf out = BUF_INIT(LINES_MAX);

		put_plan(&PLANS[i], &out);
		if (strcmp((const char *)out.data, PLANS[i].expected) != 0)
			fail_msg("%s: %s", PLANS[i].what, (const char *)out.data);
	}
}

/* What an earlier run did not come to. */
static void test_due(void **state)
{
	const struct reload_host host = {true, true, true};
	struct stack_change change = {
		.due = {.put = 1u << STACK_ABRMD_UNIT, .gone = 1u << STACK_ABRMD_BUS}};
	struct reload reload;

	(void)state;
	reload_plan(&change, &host, &reload);
	assert_int_equal(reload.count, 3);
	assert_string_equal(reload.steps[0].argv[1], "daemon-reload");
	assert_string_equal(reload.steps[1].argv[2], "dbus.service");
	assert_string_equal(reload.steps[2].argv[1], "restart");
}

/* --- what is told; only of programs that every machine may be asked for --- */

static void collect(void *arg, const char *line, bool well)
{
	buf_printf(arg, "%s%s\n", well ? "+ " : "- ", line);
}

static void test_told(void **state)
{
	static const struct {
		struct tool_end end;
		const char *output;
		const char *expected;
	} ENDS[] = {
		{{true, true, 0}, "a warning\n", "+ systemd-sysusers /etc/"},
		{{true, true, 1}, "no such group\nmore\n", ": exit status 1: no such group\n"},
		{{true, true, 3}, "", ".conf: exit status 3\n"},
		{{true, false, 137}, "x", "- systemd-sysusers /etc/"},
		{{true, false, 137}, "x", ": it did not end in time\n"},
		{{false, false, 0}, "", ""},
	};
	struct stack_change change = {.changed = true};
	size_t i;

	(void)state;
	for (i = 0; i < STACK_PARTS; i++)
		change.steps[i].deed = STACK_ABSENT;
	change.steps[STACK_SYSUSERS].deed = STACK_WRITTEN;
	for (i = 0; i < ARRAY_LEN(ENDS); i++) {
		CLEANUP(buf_fini) struct buf lines = BUF_INIT(LINES_MAX);

		fake_end = ENDS[i].end;
		fake_output = ENDS[i].output;
		stack_reload(&change, collect, &lines);
		buf_put_u8(&lines, '\0');
		assert_true(buf_ok(&lines));
		assert_int_equal(lines.len == 1, !ENDS[i].end.found);
		assert_non_null(strstr((const char *)lines.data, ENDS[i].expected));
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_plans),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
