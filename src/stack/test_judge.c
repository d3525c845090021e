/* SPDX-License-Identifier: Apache-2.0 */
/* What the check makes of facts: each case changes one thing of a machine that is well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "conf/conf.h"
#include "stack/check.h"
#include "stack/facts.h"

#define NAME_A	"000b6fd2a1b1a0c59e1d3d4ab1e2a06a5c1f8c7e3f0b3d7b6f7d7f6a9a1e0c5b4d21"
#define NAME_64 "6fd2a1b1a0c59e1d3d4ab1e2a06a5c1f8c7e3f0b3d7b6f7d7f6a9a1e0c5b4d21"
#define NODA	"fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt"
#define WITHDA	"fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt"
#define TABRMD	"tabrmd:bus_name=com.intel.tss2.Tabrmd"

#define ENVIRONMENT(word) "tctiEnvironment { enable = true interface = \"" word "\" }\n"
#define ABRMD		  "abrmd { enable = true }\n"
#define ON(more)	  "tpm2 { enable = true\n" more "}\n"

static const char FULL[] = ON(ABRMD "pkcs11 { enable = true }\n" ENVIRONMENT("tabrmd"));
static const char OFF[] = "";
static const char BARE[] = ON("");
static const char DEVICE[] = ON(ENVIRONMENT("device"));
static const char TPM0[] = ON("tctiEnvironment { enable = true interface = \"device\" "
			      "deviceConf = \"/dev/tpm0\" }\n");
static const char OURS[] = ON(ENVIRONMENT("holdfast"));
static const char NO_ABRMD[] = ON(ENVIRONMENT("tabrmd"));
static const char CERTLESS[] =
	ON(ABRMD "pkcs11 { enable = true }\n" ENVIRONMENT("tabrmd") "fapi { ekCertLess = true }\n");
static const char FINGERPRINT[] = ON(ABRMD "pkcs11 { enable = true }\n" ENVIRONMENT(
	"tabrmd") "fapi { ekFingerprint = \"" NAME_64 "\" }\n");
static const char RSA[] = ON(ABRMD "pkcs11 { enable = true }\n" ENVIRONMENT(
	"tabrmd") "fapi { profileName = \"P_RSA2048SHA256\" }\n");
static const char OTHER_PROFILE[] = ON(ABRMD "pkcs11 { enable = true }\n" ENVIRONMENT(
	"tabrmd") "fapi { profileName = \"mine\" }\n");
static const char NO_NAMES[] = ON("tssUser = \"\"\ntssGroup = \"\"\n" ABRMD
				  "pkcs11 { enable = true }\n" ENVIRONMENT("tabrmd"));
static const char OWN_USER[] =
	ON("tssUser = \"chip\"\n" ABRMD "pkcs11 { enable = true }\n" ENVIRONMENT("tabrmd"));
static const char NO_RULES[] =
	ON("applyUdevRules = false\n" ABRMD "pkcs11 { enable = true }\n" ENVIRONMENT("tabrmd"));

static const char ROOT_USER[] =
	ON("tssUser = \"root\"\n" ABRMD "pkcs11 { enable = true }\n" ENVIRONMENT("tabrmd"));
static const char OTHER_BUS[] = ON(ABRMD "tctiEnvironment { enable = true interface = \"tabrmd\" "
					 "tabrmdConf = \"bus_name=com.example.Tabrmd\" }\n");
static const char SESSION_BUS[] =
	ON(ABRMD "tctiEnvironment { enable = true interface = \"tabrmd\" "
		 "tabrmdConf = \"bus_name=com.intel.tss2.Tabrmd,bus_type=session\" }\n");
static const char NO_NAME[] = ON(ABRMD "tctiEnvironment { enable = true interface = \"tabrmd\" "
				       "tabrmdConf = \"\" }\n");

static void put(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text);
}

static void node(struct fact_node *node, const char *path, unsigned mode, const char *owner,
		 const char *group)
{
	*node = (struct fact_node){.presence = FACT_THERE, .right_kind = true, .mode = mode};
	put(node->path, sizeof(node->path), path);
	put(node->owner, sizeof(node->owner), owner);
	put(node->group, sizeof(node->group), group);
}

/* A machine that does all that FULL says. */
static void well(struct stack_facts *facts)
{
	size_t i;

	*facts = (struct stack_facts){
		.user_exists = true,
		.abrmd_user_exists = true,
		.tss = {.exists = true, .in_session = true, .in_account = true},
		.holdfast = {.exists = true, .in_session = true, .in_account = true},
		.manager = {.of = {{.known = true, .count = 1, .names = {"holdfastd"}},
				   {.known = true}},
			    .abrmd_runs = true,
			    .holdfastd_runs = true,
			    .abrmd_installed = true,
			    .bus = TOOL_ANSWERED,
			    .on_bus = true},
		.tcti = {.text = TABRMD, .answer = TOOL_ANSWERED},
		.profile = FACT_THERE,
		.keystore = FACT_THERE,
		.nv = {.tool = TOOL_ANSWERED, .count = 1, .list = {FACT_EK_ECC_P256}},
		.persistent = {.tool = TOOL_ANSWERED, .count = 1, .list = {FACT_SRK_HANDLE}},
		.srk = {.tool = TOOL_ANSWERED, .type = "ecc", .attributes = NODA, .name = NAME_A},
		.lockout = {.tool = TOOL_ANSWERED, .max = 32},
		.service = {.known = true,
			    .on_chip = true,
			    .tcti = "device:/dev/tpm0",
			    .ek_known = true,
			    .ek_handle = 0x81010001,
			    .ek_name = NAME_A},
		.ek = {.tool = TOOL_ANSWERED, .name = NAME_A},
		.p11 = TOOL_ANSWERED,
		.p11_listed = true,
	};
	facts->ledger = LEDGER_READ;
	for (i = 0; i < STACK_PARTS; i++)
		facts->files[i] = FILE_RENDERED;
	for (i = 0; i < FACT_VARIABLES; i++)
		put(facts->variables[i], sizeof(facts->variables[i]), TABRMD);
	node(&facts->nodes[0], "/dev/tpm0", 0660, "tss", "holdfast-tpm");
	node(&facts->nodes[1], "/dev/tpmrm0", 0660, "root", "tss");
	node(&facts->system_dir, "/var/lib/fapi", 02770, "root", "tss");
	node(&facts->log_dir, "/run/fapi", 02750, "tss", "tss");
	node(&facts->p11_store, "/etc/tpm2_pkcs11", 02770, "root", "tss");
}

/* --- changes --- */

#define FACTS	     struct stack_facts *f
#define CHANGE(name) static void name(FACTS)
#define SET(name, statement)                                                                       \
	CHANGE(name)                                                                               \
	{                                                                                          \
		statement;                                                                         \
	}

SET(no_ledger, f->ledger = LEDGER_UNREADABLE)
SET(missing, f->files[STACK_UDEV_RULES] = FILE_MISSING)
SET(stale, f->files[STACK_FAPI_CONFIG] = FILE_STALE)
SET(edited, f->files[STACK_TMPFILES] = FILE_EDITED)
SET(foreign, f->files[STACK_ABRMD_UNIT] = FILE_FOREIGN)
SET(left, f->files[STACK_PROFILE] = FILE_LEFT)
SET(unreadable, f->files[STACK_ENVIRONMENT] = FILE_UNREADABLE)
SET(other_file_mode, f->files[STACK_FAPI_CONFIG] = FILE_MODE)
SET(no_user, f->user_exists = false)
SET(no_abrmd_user, f->abrmd_user_exists = false)
SET(no_tss, f->tss.exists = false)
SET(no_holdfast, f->holdfast.exists = false)
SET(other_owner, put(f->nodes[0].owner, ACCOUNT_NAME_SIZE, "root"))
SET(other_group, put(f->nodes[0].group, ACCOUNT_NAME_SIZE, "tss"))
SET(other_mode, f->nodes[1].mode = 0600)
SET(open_mode, f->nodes[1].mode = 0666)
SET(no_chip, f->nodes[0].right_kind = false)
SET(to_device, put(f->tcti.text, FACT_PATH_SIZE, "device:/dev/tpmrm0"))
SET(no_holders, f->manager.of[0].count = 0)
SET(abrmd_absent, f->manager.abrmd_installed = false)
SET(abrmd_ended, f->manager.abrmd_runs = f->manager.on_bus = false)
SET(abrmd_of_other_name, f->manager.abrmd_runs = false)
SET(not_on_bus, f->manager.on_bus = false)
SET(no_bus_tool, f->manager.bus = TOOL_ABSENT)
SET(bus_late, f->manager.bus = TOOL_LATE)
SET(unset_tools, f->variables[VARIABLE_TOOLS][0] = '\0')
SET(other_pkcs11, put(f->variables[VARIABLE_PKCS11], FACT_PATH_SIZE, "device:/dev/tpm0"))
SET(unset_openssl, f->variables[VARIABLE_OPENSSL][0] = '\0')
SET(no_tools, f->tcti.answer = TOOL_ABSENT)
SET(tcti_late, f->tcti.answer = TOOL_LATE)
SET(tcti_nonsense, f->tcti.answer = TOOL_NONSENSE)
SET(no_profile, f->profile = FACT_NOT_THERE)
SET(hidden_profile, f->profile = FACT_UNKNOWN)
SET(no_system_dir, f->system_dir.presence = FACT_NOT_THERE)
SET(file_system_dir, f->system_dir.right_kind = false)
SET(hidden_system_dir, f->system_dir.presence = FACT_UNKNOWN)
SET(loose_system_dir, f->system_dir.mode = 02775)
SET(other_log_dir, put(f->log_dir.owner, ACCOUNT_NAME_SIZE, "root"))
SET(no_log_dir, f->log_dir.presence = FACT_NOT_THERE)
SET(hidden_keystore, f->keystore = FACT_UNKNOWN)
SET(not_provisioned, f->keystore = FACT_NOT_THERE)
SET(no_srk, f->persistent.count = 0)
SET(no_certificate, f->nv.count = 0)
SET(rsa_certificate, f->nv.list[0] = FACT_EK_RSA_2048)
SET(nv_failed, f->nv.tool = TOOL_FAILED)
SET(with_da, put(f->srk.attributes, FACT_TEXT_SIZE, WITHDA))
SET(no_storage, put(f->srk.attributes, FACT_TEXT_SIZE, "fixedtpm|sign|norestricted|decrypted"))
SET(rsa_key, put(f->srk.type, sizeof(f->srk.type), "rsa"))
SET(srk_nonsense, f->srk.tool = TOOL_NONSENSE)
SET(handles_late, f->persistent.tool = TOOL_LATE)
SET(no_tries, f->lockout.max = 0)
SET(locked, f->lockout.in_lockout = true; f->lockout.counter = 32)
SET(half_locked, f->lockout.counter = 17)
SET(one_try, f->lockout.counter = 1)
SET(lockout_not_run, f->lockout.tool = TOOL_NOT_RUN)
SET(other_ek, f->ek.name[5] = '9')
SET(no_ek, f->ek.tool = TOOL_FAILED)
SET(no_p11, f->p11 = TOOL_ABSENT)
SET(not_listed, f->p11_listed = false)
SET(no_store, f->p11_store.presence = FACT_NOT_THERE)

CHANGE(no_nodes)
{
	f->nodes[0].presence = f->nodes[1].presence = FACT_NOT_THERE;
	f->service.known = false;
}

CHANGE(no_nodes_swtpm)
{
	no_nodes(f);
	f->service.known = true;
	put(f->service.tcti, FACT_TEXT_SIZE, "swtpm:path=/x");
}

CHANGE(no_nodes_device)
{
	no_nodes(f);
	to_device(f);
}

CHANGE(hidden_holders)
{
	no_holders(f);
	f->manager.of[0].known = false;
}

CHANGE(abrmd_owns)
{
	put(f->manager.of[0].names[0], FACT_COMM_SIZE, "tpm2-abrmd");
}

CHANGE(many_own)
{
	abrmd_owns(f);
	put(f->manager.of[0].names[0], FACT_COMM_SIZE, "a");
	put(f->manager.of[0].names[1], FACT_COMM_SIZE, "b");
	put(f->manager.of[0].names[2], FACT_COMM_SIZE, "c");
	put(f->manager.of[0].names[3], FACT_COMM_SIZE, "d");
	f->manager.of[0].count = 9;
}

CHANGE(tcti_failed)
{
	f->tcti.answer = TOOL_FAILED;
	put(f->tcti.said, FACT_TEXT_SIZE, "it said so");
}

CHANGE(old_session)
{
	f->tss.in_session = false;
}

CHANGE(no_member)
{
	f->tss.in_session = f->tss.in_account = false;
}

CHANGE(no_member_root)
{
	no_member(f);
	f->root = true;
}

CHANGE(holdfast_member)
{
	f->holdfast.in_session = f->holdfast.in_account = false;
}

/* One finding is looked for; the others must be as well, unless @more. */
static const struct {
	const char *conf;
	void (*change)(FACTS);
	const char *id;
	enum finding_state state;
	const char *found;
	const char *remedy; /* NULL = there is none */
	bool more;
} CASES[] = {
	{FULL, no_ledger, "ledger", FINDING_FAIL, "nobody knows which files are ours",
	 "It says what is wrong", false},
	{FULL, missing, "file-udev-rules", FINDING_FAIL, "70-holdfast-tpm2.rules is not there",
	 "holdfast tpm2 apply", false},
	{FULL, stale, "file-fapi-config", FINDING_FAIL, "before the configuration was changed",
	 "apply", false},
	{FULL, edited, "file-tmpfiles", FINDING_WARN, "was edited", "--force", false},
	{FULL, foreign, "file-abrmd-unit", FINDING_WARN, "somebody else's", "--force", false},
	{FULL, left, "file-profile", FINDING_WARN, "left over", "apply", false},
	{FULL, unreadable, "file-environment", FINDING_FAIL, "cannot be read", "apply", false},
	{FULL, other_file_mode, "file-fapi-config", FINDING_FAIL, "mode 0644", "apply", false},
	{OFF, NULL, "tpm2", FINDING_INFO, "sets up no TPM2 software", "enable = true", true},
	{FULL, no_user, "tss-user", FINDING_FAIL, "no user tss", "systemd-sysusers", false},
	{OWN_USER, no_user, "tss-user", FINDING_FAIL, "no user chip", "tssUser", true},
	{FULL, no_abrmd_user, "tss-user", FINDING_FAIL, "no user tss, as whom tpm2-abrmd",
	 "systemd-sysusers", false},
	{NO_NAMES, no_abrmd_user, "tss-user", FINDING_FAIL, "no user tss, as whom tpm2-abrmd",
	 "systemd-sysusers", true},
	{ROOT_USER, no_abrmd_user, "tss-user", FINDING_FAIL, "no user tss, as whom tpm2-abrmd",
	 "systemd-sysusers", true},
	{BARE, no_abrmd_user, "tss-user", FINDING_OK, "a user root", NULL, true},
	{FULL, no_tss, "tss-group", FINDING_FAIL, "no group tss", "systemd-sysusers", false},
	{FULL, no_holdfast, "holdfast-group", FINDING_FAIL, "no group holdfast", "systemd-sysusers",
	 false},
	{FULL, old_session, "member", FINDING_WARN, "this session is not", "Log in", false},
	{FULL, no_member, "member", FINDING_WARN, "not in group tss", "usermod -aG tss", false},
	{FULL, no_member_root, "member", FINDING_OK, "root needs no group", NULL, false},
	{OURS, holdfast_member, "member", FINDING_WARN, "not in group holdfast",
	 "usermod -aG holdfast", true},
	{FULL, other_owner, "device-tpm0", FINDING_FAIL,
	 "root:holdfast-tpm 0660, and is to be tss:", "udevadm trigger", false},
	{FULL, other_group, "device-tpm0", FINDING_FAIL, "holdfastd, of that group", "udevadm",
	 false},
	{FULL, other_mode, "device-tpmrm0", FINDING_FAIL, "root:tss 0600, and is to be *:tss 0660",
	 "udevadm", false},
	{NO_NAMES, other_owner, "device-tpm0", FINDING_OK, "root:holdfast-tpm 0660", NULL, true},
	{NO_RULES, open_mode, "device-tpmrm0", FINDING_WARN, "everybody", "by udev", false},
	{NO_RULES, other_owner, "device-tpm0", FINDING_OK, "root:holdfast-tpm", NULL, false},
	{FULL, no_chip, "device-tpm0", FINDING_FAIL, "no device", "Remove", false},
	{FULL, no_nodes, "device", FINDING_INFO, "no /dev/tpm0 and no /dev/tpmrm0", "swtpm", false},
	{FULL, no_nodes_swtpm, "device", FINDING_INFO, "a TPM by swtpm:path=/x", NULL, false},
	{FULL, no_nodes_device, "device", FINDING_FAIL, "its tools are sent there", "driver",
	 false},
	{BARE, NULL, "resource-manager", FINDING_INFO, "choose one themselves", NULL, true},
	{OFF, NULL, "resource-manager", FINDING_INFO, "choose one themselves", NULL, true},
	{OURS, NULL, "resource-manager", FINDING_OK, "holdfastd's own", NULL, true},
	{NO_ABRMD, NULL, "resource-manager", FINDING_WARN, "does not set up", "abrmd {", true},
	{DEVICE, NULL, "resource-manager", FINDING_INFO, "the kernel's", "0x902", true},
	{TPM0, NULL, "resource-manager", FINDING_FAIL, "lets nobody in", "/dev/tpmrm0", true},
	{OTHER_BUS, NULL, "resource-manager", FINDING_FAIL, "by bus_name=com.example.Tabrmd,",
	 "tabrmdConf", true},
	{SESSION_BUS, NULL, "resource-manager", FINDING_FAIL, "system's bus", "tabrmdConf", true},
	{NO_NAME, NULL, "resource-manager", FINDING_OK, "holdfastd's socket", NULL, true},
	{FULL, no_holders, "tpm-owner", FINDING_INFO, "nobody that is seen here has /dev/tpm0",
	 NULL, false},
	{FULL, hidden_holders, "tpm-owner", FINDING_INFO, "only root", NULL, false},
	{FULL, abrmd_owns, "tpm-owner", FINDING_FAIL, "tpm2-abrmd has /dev/tpm0", "through", false},
	{FULL, many_own, "tpm-owner", FINDING_FAIL, "a, b, c, d, .. has", "Stop", false},
	{FULL, abrmd_absent, "abrmd", FINDING_FAIL, "no /usr/sbin/tpm2-abrmd", "package", false},
	{FULL, abrmd_ended, "abrmd", FINDING_FAIL, "does not run", "restart", false},
	{FULL, abrmd_of_other_name, "abrmd", FINDING_OK, "is on the bus", NULL, false},
	{FULL, not_on_bus, "abrmd", FINDING_FAIL, "not on the bus", "dbus", false},
	{FULL, no_bus_tool, "abrmd", FINDING_INFO, "package dbus is not installed", NULL, false},
	{FULL, bus_late, "abrmd", FINDING_WARN, "did not end in time", "again", false},
	{BARE, NULL, "abrmd", FINDING_INFO, "not by this configuration", NULL, true},
	{FULL, unset_tools, "tcti-tools", FINDING_WARN, "TPM2TOOLS_TCTI is not set", "Log in",
	 false},
	{FULL, other_pkcs11, "tcti-pkcs11", FINDING_WARN,
	 "is device:/dev/tpm0, and is to be " TABRMD, "profile", false},
	{FULL, unset_openssl, "tcti-openssl", FINDING_WARN, "TPM2OPENSSL_TCTI", "Log in", false},
	{OFF, NULL, "tcti-tools", FINDING_INFO, "not by this configuration", NULL, true},
	{OURS, NULL, "tcti-tools", FINDING_WARN, "is to be swtpm:path=/run/holdfast/tpm.sock",
	 "Log in", true},
	{FULL, no_tools, "tcti", FINDING_INFO, "package tpm2-tools is not installed", NULL, false},
	{FULL, tcti_late, "tcti", FINDING_FAIL, "in time by " TABRMD, "tpm2_getrandom", false},
	{FULL, tcti_failed, "tcti", FINDING_FAIL, "by " TABRMD ": it said so", "tpm2_getrandom",
	 false},
	{FULL, tcti_nonsense, "tcti", FINDING_FAIL, "no reason is given", "By hand", false},
	{FULL, no_profile, "fapi-profile", FINDING_FAIL, "no P_ECCP256SHA256.json", "libtss2-fapi",
	 false},
	{FULL, hidden_profile, "fapi-profile", FINDING_INFO, "may not look", NULL, false},
	{FULL, no_system_dir, "fapi-system-dir", FINDING_FAIL, "is not there", "tmpfiles", false},
	{FULL, file_system_dir, "fapi-system-dir", FINDING_FAIL, "no folder", "tmpfiles", false},
	{FULL, hidden_system_dir, "fapi-system-dir", FINDING_INFO, "may not look", NULL, false},
	{FULL, loose_system_dir, "fapi-system-dir", FINDING_WARN,
	 "root:tss 2775, and is to be root:tss 2770", "tmpfiles", false},
	{FULL, other_log_dir, "fapi-log-dir", FINDING_WARN, "is to be tss:tss 2750", "tmpfiles",
	 false},
	{FULL, no_log_dir, "fapi-log-dir", FINDING_FAIL, "is not there", "begins only", false},
	{FULL, hidden_keystore, "fapi-keystore", FINDING_INFO, "may not see", NULL, false},
	{FULL, not_provisioned, "fapi-keystore", FINDING_INFO, "not provisioned", "tss2_provision",
	 false},
	{FULL, no_srk, "fapi-keystore", FINDING_WARN, "not in the chip", "provision anew", true},
	{FULL, no_srk, "srk", FINDING_INFO, "no storage root key", NULL, true},
	{FULL, no_certificate, "ek-certificate", FINDING_WARN, "0x60025", "ekCertLess", false},
	{FULL, rsa_certificate, "ek-certificate", FINDING_WARN, "P_ECCP256SHA256", "profile",
	 false},
	{RSA, rsa_certificate, "ek-certificate", FINDING_OK, "P_RSA2048SHA256", NULL, true},
	{OTHER_PROFILE, rsa_certificate, "ek-certificate", FINDING_OK, "mine", NULL, false},
	{CERTLESS, no_certificate, "ek-certificate", FINDING_OK, "needs none", NULL, false},
	{FINGERPRINT, no_certificate, "ek-certificate", FINDING_OK, "needs none", NULL, false},
	{CERTLESS, NULL, "ek-certificate", FINDING_INFO, "passes it over", "real one", false},
	{FULL, nv_failed, "ek-certificate", FINDING_WARN, "tpm2-tools failed", "by hand", false},
	{FULL, with_da, "srk", FINDING_INFO, "without noDA", "noda", false},
	{FULL, no_storage, "srk", FINDING_WARN, "no storage key", "tpm2_evictcontrol", false},
	{FULL, rsa_key, "srk", FINDING_WARN, "type rsa", "profileName", false},
	{RSA, NULL, "srk", FINDING_WARN, "type ecc", "profileName", true},
	{OTHER_PROFILE, rsa_key, "srk", FINDING_OK, "type rsa, free of lockout; Name " NAME_A, NULL,
	 false},
	{FULL, srk_nonsense, "srk", FINDING_INFO, "unknown answer", NULL, false},
	{FULL, handles_late, "srk", FINDING_WARN, "in time", "again", false},
	{FULL, no_tries, "lockout", FINDING_FAIL, "0 failed attempts", "--setup-parameters", false},
	{FULL, locked, "lockout", FINDING_FAIL, "32 of 32", "--clear-lockout", false},
	{FULL, half_locked, "lockout", FINDING_WARN, "17 of 32", NULL, false},
	{FULL, one_try, "lockout", FINDING_INFO, "1 of 32", NULL, false},
	{FULL, lockout_not_run, "lockout", FINDING_INFO, "not looked at", NULL, false},
	{FULL, other_ek, "same-tpm", FINDING_WARN, "0x81010001", "TPM2TOOLS_TCTI", false},
	{FULL, no_ek, "same-tpm", FINDING_WARN, "another", "TPM2TOOLS_TCTI", false},
	{FULL, no_p11, "pkcs11-module", FINDING_INFO, "package p11-kit", NULL, false},
	{FULL, not_listed, "pkcs11-module", FINDING_FAIL, "does not list", "libtpm2-pkcs11-1",
	 false},
	{FULL, no_store, "pkcs11-store", FINDING_FAIL, "not there", "tokens", false},
};

static struct conf *conf_of(const char *text)
{
	struct conf *conf = NULL;
	struct err err;

	if (conf_parse(text, strlen(text), "t", &conf, &err) < 0)
		fail_msg("%s", err.text);
	return conf;
}

static const struct finding *find(const struct findings *findings, const char *id)
{
	size_t i;

	for (i = 0; i < findings->count; i++)
		if (strcmp(findings->rows[i].id, id) == 0)
			return &findings->rows[i];
	return NULL;
}

static size_t not_ok(const struct findings *findings)
{
	size_t i, count = 0;

	for (i = 0; i < findings->count; i++)
		count += findings->rows[i].state != FINDING_OK;
	return count;
}

/* Each id is one that is documented for this verb, and is there once. */
static void assert_ids(const struct findings *findings, unsigned *seen)
{
	const struct finding_kind *kinds;
	size_t i, k, count;

	kinds = finding_kinds(&count);
	for (i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->rows[i];

		for (k = 0; k < count && strcmp(kinds[k].id, finding->id) != 0; k++)
			continue;
		assert_true(k < count);
		assert_true(kinds[k].by & FINDING_BY_CHECK);
		assert_ptr_equal(find(findings, finding->id), finding);
		assert_true(finding->found[0] != '\0');
		seen[k]++;
	}
	assert_true(findings->count < FINDINGS_MAX - 1);
}

static void judge(const char *text, void (*change)(FACTS), struct findings *ret_findings)
{
	CLEANUP(conf_cleanup) struct conf *conf = conf_of(text);
	struct stack_facts facts;

	well(&facts);
	if (change)
		change(&facts);
	stack_judge(conf, &facts, ret_findings);
}

static unsigned seen[100];

static void check_case(size_t i)
{
	struct findings findings;
	const struct finding *finding;

	judge(CASES[i].conf, CASES[i].change, &findings);
	assert_ids(&findings, seen);
	finding = find(&findings, CASES[i].id);
	if (!finding) {
		fail_msg("case %zu, %s: none", i, CASES[i].id);
		return;
	}
	if (finding->state != CASES[i].state || !strstr(finding->found, CASES[i].found))
		fail_msg("case %zu, %s: %s", i, CASES[i].id, finding->found);
	if (CASES[i].remedy ? !strstr(finding->remedy, CASES[i].remedy) : finding->remedy[0])
		fail_msg("case %zu, %s: %s", i, CASES[i].id, finding->remedy);
	if (!CASES[i].more && not_ok(&findings) != (CASES[i].state == FINDING_OK ? 0 : 1))
		fail_msg("case %zu, %s: others are not well", i, CASES[i].id);
}

static void test_cases(void **state)
{
	const struct finding_kind *kinds;
	size_t i, count;

	(void)state;
	kinds = finding_kinds(&count);
	assert_true(count <= ARRAY_LEN(seen));
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		check_case(i);
	for (i = 0; i < count; i++)
		if ((kinds[i].by & FINDING_BY_CHECK) && !seen[i])
			fail_msg("no case has %s", kinds[i].id);
}

static void test_well(void **state)
{
	struct findings findings;
	size_t i;

	(void)state;
	judge(FULL, NULL, &findings);
	for (i = 0; i < findings.count; i++)
		if (findings.rows[i].state != FINDING_OK || findings.rows[i].remedy[0])
			fail_msg("%s: %s", findings.rows[i].id, findings.rows[i].found);
	assert_false(findings_fail(&findings));
	assert_int_equal(findings.count, 39);
}

/* Nothing is known of anything: no text is missing, and nothing fails by that alone. */
static void test_nothing(void **state)
{
	static const char *const CONFS[] = {FULL, OFF, BARE, DEVICE, OURS, CERTLESS};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CONFS); i++) {
		CLEANUP(conf_cleanup) struct conf *conf = conf_of(CONFS[i]);
		struct stack_facts facts = {.root = false};
		struct findings findings;
		unsigned ignored[100] = {0};

		stack_judge(conf, &facts, &findings);
		assert_ids(&findings, ignored);
		assert_non_null(find(&findings, "lockout"));
		assert_int_equal(find(&findings, "lockout")->state, FINDING_INFO);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_well),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nothing),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
