/* SPDX-License-Identifier: Apache-2.0 */
/* What other programs print, read strictly; and folders that stand for a machine. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "stack/check.h"
#include "stack/look.h"
#include "tests/support/folder.h"

#define LOCKOUT(locked, counter, max)                                                              \
	"TPM2_PT_PERMANENT:\n  ownerAuthSet:              0\n  inLockout:                 " locked \
	"\nTPM2_PT_LOCKOUT_COUNTER: " counter "\nTPM2_PT_MAX_AUTH_FAIL: " max                      \
	"\nTPM2_PT_LOCKOUT_INTERVAL: 0x3E8\n"

static void test_lockout(void **state)
{
	static const struct {
		const char *text;
		bool good, locked;
		uint32_t counter, max;
	} CASES[] = {
		{LOCKOUT("0", "0x0", "0x20"), true, false, 0, 32},
		{LOCKOUT("1", "0x20", "0x20"), true, true, 32, 32},
		{LOCKOUT("1", "0xFFFFFFFF", "0"), true, true, UINT32_MAX, 0},
		{LOCKOUT("2", "0x0", "0x20"), false, false, 0, 0},
		{LOCKOUT("0", "0x100000000", "0x20"), false, false, 0, 0},
		{LOCKOUT("0", "-1", "0x20"), false, false, 0, 0},
		{LOCKOUT("0", "0x", "0x20"), false, false, 0, 0},
		{LOCKOUT("0", "1f", "0x20"), false, false, 0, 0},
		{LOCKOUT("0", "0x1 2", "0x20"), false, false, 0, 0},
		{LOCKOUT("0", "", "0x20"), false, false, 0, 0},
		{LOCKOUT("0", "00000000000000000001", "0x20"), false, false, 0, 0},
		{"inLockout: 0\nTPM2_PT_LOCKOUT_COUNTER: 0x0\n", false, false, 0, 0},
		{"ERROR: no\n", false, false, 0, 0},
		{"", false, false, 0, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct fact_lockout lockout = {.tool = TOOL_ANSWERED, .counter = 77};

		assert_int_equal(look_parse_lockout(CASES[i].text, &lockout), CASES[i].good);
		assert_int_equal(lockout.tool, TOOL_ANSWERED);
		assert_int_equal(lockout.counter, CASES[i].good ? CASES[i].counter : 77);
		if (!CASES[i].good)
			continue;
		assert_int_equal(lockout.in_lockout, CASES[i].locked);
		assert_int_equal(lockout.max, CASES[i].max);
	}
}

static void test_handles(void **state)
{
	struct fact_handles handles = {.tool = TOOL_ANSWERED, .count = 3};
	char many[FACT_HANDLES * 16 + 32] = "";
	size_t i;

	(void)state;
	assert_true(look_parse_handles("- 0x1C00002\n- 0x1C0000A\n", &handles));
	assert_int_equal(handles.tool, TOOL_ANSWERED);
	assert_int_equal(handles.count, 2);
	assert_int_equal(handles.list[0], FACT_EK_RSA_2048);
	assert_int_equal(handles.list[1], FACT_EK_ECC_P256);
	assert_true(look_parse_handles("", &handles));
	assert_int_equal(handles.count, 0);
	handles.count = 3;
	assert_false(look_parse_handles("- 0x1C00002\nWARNING: x\n", &handles));
	assert_false(look_parse_handles("0x1C00002\n", &handles));
	assert_false(look_parse_handles("- 0x\n", &handles));
	assert_false(look_parse_handles("- 0x1C00002 x\n", &handles));
	for (i = 0; i < FACT_HANDLES; i++)
		(void)snprintf(many + strlen(many), 16, "- 0x8100%04zx\n", i);
	assert_true(look_parse_handles(many, &handles));
	assert_int_equal(handles.count, FACT_HANDLES);
	(void)snprintf(many + strlen(many), 16, "- 0x81010000\n");
	handles.count = 3;
	assert_false(look_parse_handles(many, &handles));
	assert_int_equal(handles.count, 3);
}

#define PUBLIC(name, attributes, type)                                                             \
	"name: " name "\nqualified name: 000b69\nname-alg:\n  value: sha256\n  raw: 0xb\n"         \
	"attributes:\n" attributes "  raw: 0x30072\ntype:\n  value: " type                         \
	"\n  raw: 0x23\ncurve-id:\n  value: NIST p256\n"

static void test_public(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} CASES[] = {
		{PUBLIC("000b1f", "  value: fixedtpm|noda\n", "ecc"), true},
		{PUBLIC("000b1", "  value: fixedtpm|noda\n", "ecc"), false},
		{PUBLIC("000b1g", "  value: fixedtpm|noda\n", "ecc"), false},
		{PUBLIC("", "  value: fixedtpm|noda\n", "ecc"), false},
		{PUBLIC("000b1f", "  value: \n", "ecc"), false},
		{PUBLIC("000b1f", "", "ecc"), false},
		{PUBLIC("000b1f", "  value: fixedtpm\033[2J\n", "ecc"), false},
		{PUBLIC("000b1f", "  value: fixedtpm\n", "an endless word as type"), false},
		{"name: 000b1f\ntype:\n  value: ecc\nattributes:", false},
		{"type:\n  value: ecc\n", false},
		{"", false},
	};
	static char huge[70000];
	struct fact_public public = {.type = "old"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		public = (struct fact_public){.type = "old"};
		assert_int_equal(look_parse_public(CASES[i].text, &public), CASES[i].good);
		assert_string_equal(public.type, CASES[i].good ? "ecc" : "old");
		assert_string_equal(public.name, CASES[i].good ? "000b1f" : "");
		assert_string_equal(public.attributes, CASES[i].good ? "fixedtpm|noda" : "");
	}
	(void)snprintf(huge, sizeof(huge), "name: ");
	memset(huge + 6, 'a', sizeof(huge) - 7);
	assert_false(look_parse_public(huge, &public));
}

static void test_words(void **state)
{
	char name[FACT_TEXT_SIZE] = "old", line[FACT_TEXT_SIZE];
	bool owned = false, session = false;
	char word[400];

	(void)state;
	assert_true(look_parse_random("ffe6874a", 4));
	assert_true(look_parse_random("ffe6874a\n", 4));
	assert_false(look_parse_random("ffe6874", 4));
	assert_false(look_parse_random("ffe6874g", 4));
	assert_false(look_parse_random("ERROR: x\nffe6874a", 4));
	assert_true(look_parse_bus("b true\n", &owned) && owned);
	assert_true(look_parse_bus("   boolean false\n", &owned) && !owned);
	assert_true(look_parse_bus("   boolean true", &owned) && owned);
	assert_false(look_parse_bus("true", &owned));
	assert_false(look_parse_bus("", &owned));
	assert_true(owned);
	assert_true(look_parse_modules("a: x\ntpm2_pkcs11: libtpm2_pkcs11.so\n  y: z\n",
				       "tpm2_pkcs11"));
	assert_true(look_parse_modules("module: tpm2_pkcs11\n    path: /x\n", "tpm2_pkcs11"));
	assert_false(look_parse_modules("  tpm2_pkcs11: x\n", "tpm2_pkcs11"));
	assert_false(look_parse_modules("p11-kit: tpm2_pkcs11: module failed to initialize\n",
					"tpm2_pkcs11"));
	assert_false(look_parse_modules("tpm2_pkcs11x: y\n", "tpm2_pkcs11"));
	assert_false(look_parse_modules("", "tpm2_pkcs11"));
	assert_true(look_parse_bus_name("", name, &session) && !session);
	assert_string_equal(name, "com.intel.tss2.Tabrmd");
	assert_true(look_parse_bus_name("bus_type=session,bus_name=a.b-c_1", name, &session));
	assert_true(session);
	assert_string_equal(name, "a.b-c_1");
	assert_false(look_parse_bus_name("bus_name=--session", name, &session));
	assert_false(look_parse_bus_name("bus_name=a b", name, &session));
	assert_false(look_parse_bus_name("bus_name=", name, &session));
	(void)snprintf(word, sizeof(word), "bus_name=");
	memset(word + 9, 'a', 380);
	word[389] = '\0';
	assert_false(look_parse_bus_name(word, name, &session));
	assert_string_equal(name, "a.b-c_1");
	look_last_line("one\n\n  two  \n \n", line);
	assert_string_equal(line, "two");
	look_last_line("", line);
	assert_string_equal(line, "");
	look_last_line(word, line);
	assert_int_equal(strlen(line), FACT_TEXT_SIZE - 1);
}

/* --- a machine in a folder --- */

/* A path below the root, whose folders are made. */
static const char *below(const char *root, const char *path)
{
	static char whole[512];
	char *slash;

	(void)snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(whole, 0755);
		*slash = '/';
	}
	return whole;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void make_process(const char *root, const char *pid, const char *comm, const char *target)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	write_text(below(root, path), comm);
	(void)snprintf(path, sizeof(path), "/proc/%s/fd/3", pid);
	assert_int_equal(symlink(target, below(root, path)), 0);
	(void)snprintf(path, sizeof(path), "/proc/%s/fd/4", pid);
	assert_int_equal(symlink(target, below(root, path)), 0);
}

static void test_processes(void **state)
{
	const char *root = *state;
	const struct fact_node nodes[FACT_NODES] = {{.path = "/dev/tpm0"}, {.path = "/dev/tpmrm0"}};
	struct fact_manager manager = {.bus = TOOL_NOT_RUN};
	char proc[256];

	make_process(root, "17", "holdfastd\n", "/dev/tpm0");
	make_process(root, "18", "some program\n", "/dev/tpmrm0");
	make_process(root, "19", "tpm2-abrmd\n", "/dev/null");
	make_process(root, "self", "no process\n", "/dev/tpm0");
	write_text(below(root, "/proc/20/comm"), "");
	(void)snprintf(proc, sizeof(proc), "%s/proc", root);
	look_at_processes(proc, nodes, &manager);
	/* The first process is hidden: then others may be. */
	assert_false(manager.of[0].known);
	assert_int_equal(manager.of[0].count, 1);
	make_process(root, "1", "init\n", "/dev/null");
	manager = (struct fact_manager){.bus = TOOL_NOT_RUN};
	look_at_processes(proc, nodes, &manager);
	assert_true(manager.abrmd_runs);
	assert_true(manager.holdfastd_runs);
	assert_true(manager.of[0].known);
	assert_int_equal(manager.of[0].count, 1);
	assert_string_equal(manager.of[0].names[0], "holdfastd");
	assert_int_equal(manager.of[1].count, 1);
	assert_string_equal(manager.of[1].names[0], "some program");
	manager = (struct fact_manager){.bus = TOOL_NOT_RUN};
	look_at_processes("/nowhere", nodes, &manager);
	assert_false(manager.of[0].known);
	assert_false(manager.abrmd_runs);
}

static void test_node(void **state)
{
	const char *root = *state;
	struct fact_node node;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/folder", root);
	look_at_node(path, S_IFDIR, &node);
	assert_int_equal(node.presence, FACT_NOT_THERE);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 02750), 0);
	look_at_node(path, S_IFDIR, &node);
	assert_int_equal(node.presence, FACT_THERE);
	assert_true(node.right_kind);
	assert_int_equal(node.mode, 02750);
	assert_string_equal(node.path, path);
	assert_true(node.owner[0] && node.group[0]);
	look_at_node(path, S_IFCHR, &node);
	assert_false(node.right_kind);
	look_at_node("/dev/null", S_IFCHR, &node);
	assert_true(node.right_kind);
	assert_int_equal(look_at_presence("/dev/null/x"), FACT_NOT_THERE);
}

static struct conf *conf_of(const char *text)
{
	struct conf *conf = NULL;
	struct err err;

	if (conf_parse(text, strlen(text), "t", &conf, &err) < 0)
		fail_msg("%s", err.text);
	return conf;
}

/* The time for all is over: none is begun, whether it is installed or not. */
static void test_time_for_all(void **state)
{
	CLEANUP(conf_cleanup)
	struct conf *conf = conf_of("tpm2 { enable = true\n"
				    "abrmd { enable = true }\n"
				    "pkcs11 { enable = true } }\n");
	struct stack_facts facts = {.root = false};

	(void)state;
	look_by_tools(conf, 0, &facts);
	assert_int_equal(facts.tcti.answer, TOOL_LATE);
	assert_int_equal(facts.manager.bus, TOOL_LATE);
	assert_int_equal(facts.p11, TOOL_LATE);
}

/* A TCTI can be a command: root goes by the configuration alone. */
static void test_variable(void **state)
{
	CLEANUP(conf_cleanup) struct conf *conf = conf_of("");
	struct stack_tree tree = {.count = 0};
	struct stack_facts *facts;

	(void)state;
	assert_int_equal(setenv("TPM2TOOLS_TCTI", "cmd:/nowhere/at/all", 1), 0);
	facts = stack_look(conf, &tree, NULL);
	assert_non_null(facts);
	assert_string_equal(facts->variables[VARIABLE_TOOLS], "cmd:/nowhere/at/all");
	assert_string_equal(facts->tcti.text, geteuid() == 0 ? "" : "cmd:/nowhere/at/all");
	stack_facts_free(facts);
	assert_int_equal(unsetenv("TPM2TOOLS_TCTI"), 0);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_lockout),
		cmocka_unit_test(test_handles),
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_time_for_all),
		cmocka_unit_test(test_variable),
		cmocka_unit_test_setup_teardown(test_processes, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_node, folder_setup, folder_teardown),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
