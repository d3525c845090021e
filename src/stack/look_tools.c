/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's own tools, as a user would run them. The first one tells whether the chip is
 * reached at all: where it is not, the others are not waited for.
 */
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "stack/look.h"
#include "stack/render_impl.h"
#include "stack/tool.h"

#define CHIP_MS	     8000u
#define P11_MS	     10000u
#define BUS_MS	     4000u
#define RANDOM_LEN   4u
#define LINE_SIZE    (FACT_PATH_SIZE + 40u)
#define LINES_MAX    8u
#define P11_MODULE   "tpm2_pkcs11"
#define FOLDERS_OPEN 8

static const char BUS_NAME_ARG[] = "string:" RENDER_BUS_NAME;

/* Variables for a tool. */
struct lines {
	char text[LINES_MAX][LINE_SIZE];
	const char *list[LINES_MAX + 1];
	size_t count;
	uint64_t until; /* after that none is run */
};

/* What is empty is not set; what is too long is no value that anybody meant. */
static void lines_add(struct lines *lines, const char *name, const char *value)
{
	char *line = lines->text[lines->count];
	int len;

	if (!value || !value[0] || lines->count == LINES_MAX)
		return;
	len = snprintf(line, LINE_SIZE, "%s=%s", name, value);
	if (len > 0 && (size_t)len < LINE_SIZE)
		lines->list[lines->count++] = line;
}

/* By an address a program can be run too: root asks on the bus of the machine. */
static void lines_add_bus(struct lines *lines)
{
	if (geteuid() == 0)
		return;
	lines_add(lines, "DBUS_SYSTEM_BUS_ADDRESS", getenv("DBUS_SYSTEM_BUS_ADDRESS"));
	lines_add(lines, "DBUS_SESSION_BUS_ADDRESS", getenv("DBUS_SESSION_BUS_ADDRESS"));
}

/* @output then ends in a NUL. What it says of a failure is there too. */
static enum fact_tool run(const char *const *argv, const struct lines *lines, unsigned ms,
			  struct buf *output)
{
	uint64_t now = tool_now_ms(), left = lines->until > now ? lines->until - now : 0;
	const struct tool_run how = {
		.argv = argv, .env = lines->list, .timeout_ms = left < ms ? (unsigned)left : ms};
	struct tool_end end = {.found = false};
	struct err ignored;
	int r;

	buf_reset(output);
	if (left == 0)
		return TOOL_LATE;
	r = tool_run(&how, &end, output, &ignored);
	buf_put_u8(output, '\0');
	if (r < 0 || !buf_ok(output))
		return TOOL_FAILED;
	if (!end.found)
		return TOOL_ABSENT;
	if (!end.in_time)
		return TOOL_LATE;
	return end.status == 0 ? TOOL_ANSWERED : TOOL_FAILED;
}

#define OUTPUT_INIT BUF_INIT(TOOL_OUTPUT_MAX + 1)

static const char *text_of(const struct buf *output)
{
	return buf_ok(output) && output->len > 0 ? (const char *)output->data : "";
}

/* --- the chip --- */

static void ask_random(const struct lines *lines, struct fact_tcti *tcti)
{
	static const char *const ARGV[] = {"tpm2_getrandom", "4", "--hex", NULL};
	CLEANUP(buf_fini) struct buf output = OUTPUT_INIT;

	tcti->answer = run(ARGV, lines, CHIP_MS, &output);
	if (tcti->answer == TOOL_ANSWERED && !look_parse_random(text_of(&output), RANDOM_LEN))
		tcti->answer = TOOL_NONSENSE;
	if (tcti->answer != TOOL_ANSWERED)
		look_last_line(text_of(&output), tcti->said);
}

static void ask_lockout(const struct lines *lines, struct fact_lockout *lockout)
{
	static const char *const ARGV[] = {"tpm2_getcap", "properties-variable", NULL};
	CLEANUP(buf_fini) struct buf output = OUTPUT_INIT;

	lockout->tool = run(ARGV, lines, CHIP_MS, &output);
	if (lockout->tool == TOOL_ANSWERED && !look_parse_lockout(text_of(&output), lockout))
		lockout->tool = TOOL_NONSENSE;
}

static void ask_handles(const struct lines *lines, const char *which, struct fact_handles *handles)
{
	const char *const argv[] = {"tpm2_getcap", which, NULL};
	CLEANUP(buf_fini) struct buf output = OUTPUT_INIT;

	handles->tool = run(argv, lines, CHIP_MS, &output);
	if (handles->tool == TOOL_ANSWERED && !look_parse_handles(text_of(&output), handles))
		handles->tool = TOOL_NONSENSE;
}

static void ask_public(const struct lines *lines, uint32_t handle, struct fact_public *key)
{
	char number[16];
	const char *const argv[] = {"tpm2_readpublic", "-c", number, NULL};
	CLEANUP(buf_fini) struct buf output = OUTPUT_INIT;

	(void)snprintf(number, sizeof(number), "0x%08" PRIx32, handle);
	key->tool = run(argv, lines, CHIP_MS, &output);
	if (key->tool == TOOL_ANSWERED && !look_parse_public(text_of(&output), key))
		key->tool = TOOL_NONSENSE;
}

static void ask_chip(uint64_t until, struct stack_facts *facts)
{
	struct lines lines = {.until = until};

	lines_add(&lines, "TPM2TOOLS_TCTI", facts->tcti.text);
	lines_add(&lines, "TSS2_LOG", "all+NONE");
	lines_add_bus(&lines);
	ask_random(&lines, &facts->tcti);
	if (facts->tcti.answer != TOOL_ANSWERED)
		return;
	ask_lockout(&lines, &facts->lockout);
	ask_handles(&lines, "handles-nv-index", &facts->nv);
	ask_handles(&lines, "handles-persistent", &facts->persistent);
	if (fact_handles_have(&facts->persistent, FACT_SRK_HANDLE))
		ask_public(&lines, FACT_SRK_HANDLE, &facts->srk);
	if (facts->service.ek_known)
		ask_public(&lines, facts->service.ek_handle, &facts->ek);
}

/* --- the bus --- */

/* The unit that is rendered is on the system's bus, whatever the tools are told. */
static void ask_bus(uint64_t until, struct fact_manager *manager)
{
	struct lines lines = {.until = until};
	CLEANUP(buf_fini) struct buf output = OUTPUT_INIT;

	static const char *const DBUS[] = {"dbus-send",
					   "--system",
					   "--print-reply=literal",
					   "--reply-timeout=3000",
					   "--dest=org.freedesktop.DBus",
					   "/org/freedesktop/DBus",
					   "org.freedesktop.DBus.NameHasOwner",
					   BUS_NAME_ARG,
					   NULL};
	static const char *const BUSCTL[] = {"busctl",
					     "--system",
					     "call",
					     "org.freedesktop.DBus",
					     "/org/freedesktop/DBus",
					     "org.freedesktop.DBus",
					     "NameHasOwner",
					     "s",
					     RENDER_BUS_NAME,
					     NULL};
	lines_add_bus(&lines);
	manager->bus = run(DBUS, &lines, BUS_MS, &output);
	if (manager->bus == TOOL_ABSENT)
		manager->bus = run(BUSCTL, &lines, BUS_MS, &output);
	if (manager->bus == TOOL_ANSWERED && !look_parse_bus(text_of(&output), &manager->on_bus))
		manager->bus = TOOL_NONSENSE;
}

/* --- PKCS#11 --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

static void remove_folder(const char *path)
{
	(void)nftw(path, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/*
 * To list the modules begins each of them, and that of the TPM makes its store where there is none:
 * in a folder of its own, which is gone afterwards, rather than as ours in everybody's.
 */
static void ask_modules(uint64_t until, struct stack_facts *facts)
{
	static const char *const ARGV[] = {"p11-kit", "list-modules", NULL};
	CLEANUP(buf_fini) struct buf output = OUTPUT_INIT;
	struct lines lines = {.until = until};
	char store[] = "/tmp/holdfast-check-XXXXXX";

	if (!mkdtemp(store)) {
		facts->p11 = TOOL_FAILED;
		return;
	}
	lines_add(&lines, "TPM2_PKCS11_STORE", store);
	lines_add(&lines, "TPM2_PKCS11_TCTI", facts->tcti.text);
	lines_add(&lines, "TSS2_LOG", "all+NONE");
	lines_add(&lines, "HOME", "/nonexistent");
	lines_add_bus(&lines);
	facts->p11 = run(ARGV, &lines, P11_MS, &output);
	facts->p11_listed =
		facts->p11 == TOOL_ANSWERED && look_parse_modules(text_of(&output), P11_MODULE);
	remove_folder(store);
}

static void ask_all(const struct conf *conf, uint64_t until, struct stack_facts *facts)
{
	bool any_node =
		facts->nodes[0].presence == FACT_THERE || facts->nodes[1].presence == FACT_THERE;

	if (conf->tpm2.enable || facts->tcti.text[0] || any_node)
		ask_chip(until, facts);
	if (conf->tpm2.enable && conf->tpm2.abrmd_enable)
		ask_bus(until, &facts->manager);
	if (conf->tpm2.enable && conf->tpm2.pkcs11_enable)
		ask_modules(until, facts);
}

void look_by_tools(const struct conf *conf, unsigned limit_ms, struct stack_facts *facts)
{
	sigset_t before;

	/* Nobody ends us while a folder is there that would stay. */
	tool_hold_signals(&before);
	ask_all(conf, tool_now_ms() + limit_ms, facts);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
}
