/* SPDX-License-Identifier: Apache-2.0 */
/* Every key with good and bad values, every trap of libconfuse, and the files that document it. */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "conf/guard.h"
#include "conf/reader.h"
#include "conf/schema.h"
#include "conf/value.h"

#define MIB (1024u * 1024u)

static const char *example_path;
static const char *manual_path;

static struct conf *parse_ok(const char *text)
{
	struct conf *conf = NULL;
	struct err err = {0};

	if (conf_parse(text, strlen(text), "t", &conf, &err) < 0)
		fail_msg("refused: %s\n%s", err.text, text);
	return conf;
}

/* The message of a refusal; fails when the text is taken, or the result is touched. */
static void parse_bad(const char *text, size_t len, struct err *err)
{
	struct conf sentinel;
	struct conf *conf = &sentinel;

	*err = (struct err){0};
	if (conf_parse(text, len, "t", &conf, err) == 0)
		fail_msg("taken: %s", text);
	assert_int_equal(err->code, ERR_INVALID);
	assert_ptr_equal(conf, &sentinel);
}

static void assert_starts(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)) != 0)
		fail_msg("\"%s\" does not start with \"%s\"", text, start);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" lacks \"%s\"", text, part);
}

/* --- defaults and values --- */

static void assert_tenant_defaults(const struct conf_tenant *tenant)
{
	assert_int_equal(tenant->operations, CONF_OP_RANDOM | CONF_OP_SEAL | CONF_OP_KEY |
						     CONF_OP_SIGN | CONF_OP_AIK | CONF_OP_USAGE);
	assert_int_equal(tenant->broker, CONF_BROKER_NONE);
	assert_int_equal(tenant->allow.count, 0);
	assert_int_equal(tenant->deny.count, 0);
	assert_int_equal(tenant->keys, 256);
	assert_int_equal(tenant->stored, 16777216);
	assert_int_equal(tenant->rate, 200);
	assert_int_equal(tenant->connections, 64);
	assert_int_equal(tenant->sessions, 16);
	assert_int_equal(tenant->objects, 64);
	assert_int_equal(tenant->peers.count, 0);
	assert_string_equal(tenant->cgroup, "");
}

static void assert_host_defaults(const struct conf_tenant *tenant)
{
	assert_string_equal(tenant->name, "host");
	assert_int_equal(tenant->operations, (CONF_OP_DEVICE_RAW << 1) - 1 - CONF_OP_DEVICE_RAW);
	assert_int_equal(tenant->broker, CONF_BROKER_PROVISION);
	assert_int_equal(tenant->keys, 0);
	assert_int_equal(tenant->stored, 0);
	assert_int_equal(tenant->rate, 0);
	assert_int_equal(tenant->connections, 64);
	assert_int_equal(tenant->sessions, 16);
	assert_int_equal(tenant->objects, 64);
}

static void assert_tpm2_defaults(const struct conf_tpm2 *tpm2)
{
	const struct conf_fapi_profile *fapi = &tpm2->fapi;

	assert_false(tpm2->enable);
	assert_null(tpm2->tss_user);
	assert_string_equal(tpm2->tss_group, "tss");
	assert_true(tpm2->apply_udev_rules);
	assert_false(tpm2->abrmd_enable);
	assert_string_equal(tpm2->abrmd_package, "/usr/sbin/tpm2-abrmd");
	assert_false(tpm2->pkcs11_enable);
	assert_false(tpm2->tcti_environment_enable);
	assert_string_equal(tpm2->tcti_interface, "device");
	assert_string_equal(tpm2->tcti_device_conf, "/dev/tpmrm0");
	assert_string_equal(tpm2->tcti_tabrmd_conf, "bus_name=com.intel.tss2.Tabrmd");
	assert_string_equal(fapi->profile_name, "P_ECCP256SHA256");
	assert_string_equal(fapi->profile_dir, "/etc/tpm2-tss/fapi-profiles/");
	assert_string_equal(fapi->user_dir, "~/.local/share/tpm2-tss/user/keystore");
	assert_string_equal(fapi->system_dir, "/var/lib/tpm2-tss/system/keystore");
	assert_string_equal(fapi->tcti, "");
	assert_int_equal(fapi->system_pcrs.count, 0);
	assert_string_equal(fapi->log_dir, "/run/tpm2-tss/eventlog/");
	assert_int_equal(fapi->ek_cert_less, -1);
	assert_null(fapi->ek_fingerprint);
	assert_string_equal(fapi->firmware_log_file,
			    "/sys/kernel/security/tpm0/binary_bios_measurements");
	assert_string_equal(fapi->ima_log_file,
			    "/sys/kernel/security/ima/binary_runtime_measurements");
}

static void assert_all_defaults(const struct conf *conf)
{
	assert_int_equal(conf->provider, CONF_PROVIDER_AUTO);
	assert_string_equal(conf->tpm.tcti, "");
	assert_int_equal(conf->tpm.wait, 20);
	assert_int_equal(conf->tpm.srk, CONF_SRK_DEFAULT);
	assert_int_equal(conf->tpm.srk_handle, 0x81000002);
	assert_int_equal(conf->tpm.hsk_handle, 0x81000101);
	assert_true(conf->tpm.encrypt);
	assert_string_equal(conf->tpm.owner_auth_file, "");
	assert_string_equal(conf->tpm.endorsement_auth_file, "");
	assert_string_equal(conf->tpm.lockout_auth_file, "");
	assert_string_equal(conf->state_dir, "/var/lib/holdfast");
	assert_string_equal(conf->run_dir, "/run/holdfast");
	assert_string_equal(conf->device.config_dir, "");
	assert_string_equal(conf->device.persist_dir, "");
	assert_int_equal(conf->device.tpm, CONF_DEVICE_PREFER);
	assert_int_equal(conf->device.handle, 0x81000100);
	assert_int_equal(conf->device.provision, CONF_PROVISION_AUTO);
	assert_int_equal(conf->device.restore, CONF_RESTORE_AUTO);
	assert_true(conf->fapi_probe);
	assert_tpm2_defaults(&conf->tpm2);
}

static void test_defaults(void **state)
{
	struct conf *conf = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(conf_default(&conf, &err), 0);
	assert_all_defaults(conf);
	assert_int_equal(conf->tenant_count, 0);
	conf_free(conf);
	conf_free(NULL);
}

static void test_tenant_defaults(void **state)
{
	struct conf_tenant sentinel;
	struct conf_tenant *tenant = NULL;
	struct err err = {0};
	struct conf *conf;

	(void)state;
	conf = parse_ok("tenant web {} tenant host {}");
	assert_int_equal(conf->tenant_count, 2);
	assert_string_equal(conf->tenants[0].name, "web");
	assert_tenant_defaults(&conf->tenants[0]);
	assert_host_defaults(&conf->tenants[1]);
	conf_free(conf);

	assert_int_equal(conf_tenant_default("db", &tenant, &err), 0);
	assert_string_equal(tenant->name, "db");
	assert_tenant_defaults(tenant);
	conf_tenant_free(tenant);
	assert_int_equal(conf_tenant_default("host", &tenant, &err), 0);
	assert_host_defaults(tenant);
	conf_tenant_free(tenant);
	conf_tenant_free(NULL);
	tenant = &sentinel;
	assert_int_equal(conf_tenant_default("../db", &tenant, &err), ERR_INVALID);
	assert_ptr_equal(tenant, &sentinel);
}

static const char FULL[] =
	"provider = legacy\n"
	"tpm { tcti = \"swtpm:path=/tmp/a b\" wait = 0 srk = 'rsa-2048' srk_handle = 0x81000005\n"
	"      hsk_handle = 0 encrypt = false owner_auth_file = /o endorsement_auth_file = /e\n"
	"      lockout_auth_file = /l }\n"
	"paths { state = /var//s run = '/r' }\n"
	"device { config_dir = /c persist_dir = /p tpm = require handle = 2164260880\n"
	"         provision = manual restore = ask }\n"
	"fapi { probe = false }\n"
	"tenant web {\n"
	"  operations = {device-raw, \"seal\"} broker = full allow = {\"NV_Read\", Clear,}\n"
	"  deny = {Hash} keys = 1000000 stored = 0x10000000000 rate = 0 connections = 4096\n"
	"  sessions = 0 objects = 7 peers = {uid:201000, 'uid:0'} cgroup = /a.slice\n"
	"}\n"
	"tenant \"db\" { operations = {} }\n"
	"tpm2 { enable = true tssUser = me tssGroup = \"\" applyUdevRules = false\n"
	"  abrmd { enable = true package = /opt/abrmd }\n"
	"  pkcs11 { enable = true }\n"
	"  tctiEnvironment { enable = true interface = tabrmd deviceConf = /d tabrmdConf = t }\n"
	"  fapi { profileName = P_RSA2048SHA256 profileDir = /pd userDir = /ud systemDir = /sd\n"
	"    tcti = device systemPcrs = {0, 23} logDir = /ld ekCertLess = true\n"
	"    ekFingerprint = abc firmwareLogFile = /f imaLogFile = /i }\n"
	"}\n";

static void assert_full_tpm(const struct conf *conf)
{
	assert_int_equal(conf->provider, CONF_PROVIDER_LEGACY);
	assert_string_equal(conf->tpm.tcti, "swtpm:path=/tmp/a b");
	assert_int_equal(conf->tpm.wait, 0);
	assert_int_equal(conf->tpm.srk, CONF_SRK_RSA_2048);
	assert_int_equal(conf->tpm.srk_handle, 0x81000005);
	assert_int_equal(conf->tpm.hsk_handle, 0);
	assert_false(conf->tpm.encrypt);
	assert_string_equal(conf->tpm.owner_auth_file, "/o");
	assert_string_equal(conf->tpm.endorsement_auth_file, "/e");
	assert_string_equal(conf->tpm.lockout_auth_file, "/l");
	assert_string_equal(conf->state_dir, "/var//s");
	assert_string_equal(conf->run_dir, "/r");
	assert_string_equal(conf->device.config_dir, "/c");
	assert_string_equal(conf->device.persist_dir, "/p");
	assert_int_equal(conf->device.tpm, CONF_DEVICE_REQUIRE);
	assert_int_equal(conf->device.handle, 0x81000010);
	assert_int_equal(conf->device.provision, CONF_PROVISION_MANUAL);
	assert_int_equal(conf->device.restore, CONF_RESTORE_ASK);
	assert_false(conf->fapi_probe);
}

static void assert_full_tenants(const struct conf *conf)
{
	const struct conf_tenant *web = &conf->tenants[0];

	assert_int_equal(conf->tenant_count, 2);
	assert_string_equal(web->name, "web");
	assert_int_equal(web->operations, CONF_OP_DEVICE_RAW | CONF_OP_SEAL);
	assert_int_equal(web->broker, CONF_BROKER_FULL);
	assert_int_equal(web->allow.count, 2);
	assert_string_equal(web->allow.items[0], "NV_Read");
	assert_string_equal(web->allow.items[1], "Clear");
	assert_int_equal(web->deny.count, 1);
	assert_string_equal(web->deny.items[0], "Hash");
	assert_int_equal(web->keys, 1000000);
	assert_int_equal(web->stored, UINT64_C(1) << 40);
	assert_int_equal(web->rate, 0);
	assert_int_equal(web->connections, 4096);
	assert_int_equal(web->sessions, 0);
	assert_int_equal(web->objects, 7);
	assert_int_equal(web->peers.count, 2);
	assert_string_equal(web->peers.items[0], "uid:201000");
	assert_string_equal(web->peers.items[1], "uid:0");
	assert_string_equal(web->cgroup, "/a.slice");
	assert_string_equal(conf->tenants[1].name, "db");
	assert_int_equal(conf->tenants[1].operations, 0);
}

static void assert_full_tpm2(const struct conf_tpm2 *tpm2)
{
	const struct conf_fapi_profile *fapi = &tpm2->fapi;

	assert_true(tpm2->enable);
	assert_string_equal(tpm2->tss_user, "me");
	assert_string_equal(tpm2->tss_group, "");
	assert_false(tpm2->apply_udev_rules);
	assert_true(tpm2->abrmd_enable);
	assert_string_equal(tpm2->abrmd_package, "/opt/abrmd");
	assert_true(tpm2->pkcs11_enable);
	assert_true(tpm2->tcti_environment_enable);
	assert_string_equal(tpm2->tcti_interface, "tabrmd");
	assert_string_equal(tpm2->tcti_device_conf, "/d");
	assert_string_equal(tpm2->tcti_tabrmd_conf, "t");
	assert_string_equal(fapi->profile_name, "P_RSA2048SHA256");
	assert_string_equal(fapi->profile_dir, "/pd");
	assert_string_equal(fapi->user_dir, "/ud");
	assert_string_equal(fapi->system_dir, "/sd");
	assert_string_equal(fapi->tcti, "device");
	assert_int_equal(fapi->system_pcrs.count, 2);
	assert_string_equal(fapi->system_pcrs.items[1], "23");
	assert_string_equal(fapi->log_dir, "/ld");
	assert_int_equal(fapi->ek_cert_less, 1);
	assert_string_equal(fapi->ek_fingerprint, "abc");
	assert_string_equal(fapi->firmware_log_file, "/f");
	assert_string_equal(fapi->ima_log_file, "/i");
}

/* Every member is another than its default, so a key that lands in a wrong member is seen. */
static void test_full(void **state)
{
	struct conf *conf = parse_ok(FULL);

	(void)state;
	assert_full_tpm(conf);
	assert_full_tenants(conf);
	assert_full_tpm2(&conf->tpm2);
	conf_free(conf);
}

/* --- every key: what it takes and what it refuses --- */

struct key_case {
	enum schema_section_id section;
	const char *key;
	const char *good[4]; /* as written behind the = */
	const char *bad[6];
};

/* A list for a scalar, a scalar for a list, and no value are tried for all in test_keys_bad(). */
static const struct key_case KEYS[] = {
	{SCHEMA_ROOT, "provider", {"auto", "\"tpm\"", "'legacy'"}, {"\"\"", "TPM", "tpm2"}},
	{SCHEMA_TPM, "tcti", {"\"\"", "device:/dev/tpm0", "\"swtpm:path=/x\""}, {0}},
	{SCHEMA_TPM,
	 "wait",
	 {"0", "600", "0x10"},
	 {"601", "-1", "010", "1s", "0x", "99999999999999999999"}},
	{SCHEMA_TPM, "srk", {"\"\"", "ecc-p256", "rsa-2048"}, {"rsa2048", "ecc"}},
	{SCHEMA_TPM,
	 "srk_handle",
	 {"0x81000000", "0x817fffff"},
	 {"0x80ffffff", "0x81800000", "0", "0x181000002", "00x81000002"}},
	{SCHEMA_TPM,
	 "hsk_handle",
	 {"0", "0x81000000", "0x817FFFFF"},
	 {"1", "0x81800000", "00", "0x0x81000000"}},
	{SCHEMA_TPM, "encrypt", {"true", "false"}, {"yes", "1", "TRUE", "\"\""}},
	{SCHEMA_TPM, "owner_auth_file", {"\"\"", "/a"}, {"a", "./a", "/a/../b"}},
	{SCHEMA_TPM, "endorsement_auth_file", {"\"\"", "/a"}, {"a", "../a"}},
	{SCHEMA_TPM, "lockout_auth_file", {"\"\"", "/a"}, {"a", "~/a"}},
	{SCHEMA_PATHS, "state", {"/s", "/..s/.t"}, {"s", "\"\"", "./s", "/s/..", "/.."}},
	{SCHEMA_PATHS, "run", {"/r"}, {"r", "\"\"", "~/r"}},
	{SCHEMA_DEVICE, "config_dir", {"\"\"", "/c"}, {"c"}},
	{SCHEMA_DEVICE, "persist_dir", {"\"\"", "/p"}, {"p"}},
	{SCHEMA_DEVICE, "tpm", {"prefer", "require", "off"}, {"on", "\"\"", "true"}},
	{SCHEMA_DEVICE,
	 "handle",
	 {"0x81000000", "0x817fffff"},
	 {"0", "0x80ffffff", "0x82000000", "x"}},
	{SCHEMA_DEVICE, "provision", {"auto", "manual"}, {"ask", "\"\""}},
	{SCHEMA_DEVICE, "restore", {"auto", "ask"}, {"manual", "\"\""}},
	{SCHEMA_FAPI, "probe", {"true", "false"}, {"1", "maybe"}},
	{SCHEMA_TENANT,
	 "operations",
	 {"{}", "{random, seal, key, sign, aik, usage, decrypt}",
	  "{import, export, unwrap, device-sign, device-tls, device-raw}"},
	 {"{\"\"}", "{Seal}", "{seal, unseal}", "{seal sign}", "{,}"}},
	{SCHEMA_TENANT,
	 "broker",
	 {"none", "read-only", "standard", "full"},
	 {"provision", "readonly", "\"\""}},
	{SCHEMA_TENANT,
	 "allow",
	 {"{}", "{\"NV_Read\", Clear}"},
	 {"{\"\"}", "{\"NV Read\"}", "{_x}", "{\"0x153\"}"}},
	{SCHEMA_TENANT, "deny", {"{}", "{Hash}"}, {"{a-b}", "{\"Hash,HMAC\"}"}},
	{SCHEMA_TENANT, "keys", {"0", "1000000"}, {"1000001", "-1", "01"}},
	{SCHEMA_TENANT,
	 "stored",
	 {"0", "1099511627776"},
	 {"1099511627777", "16M", "18446744073709551616"}},
	{SCHEMA_TENANT, "rate", {"0", "1000000"}, {"1000001", "0.5"}},
	{SCHEMA_TENANT, "connections", {"1", "4096"}, {"0", "4097"}},
	{SCHEMA_TENANT, "sessions", {"0", "61"}, {"62", "x"}},
	{SCHEMA_TENANT, "objects", {"0", "4096"}, {"4097", "\"\""}},
	{SCHEMA_TENANT,
	 "peers",
	 {"{}", "{uid:0, \"uid:4294967294\"}"},
	 {"{\"0\"}", "{\"uid:\"}", "{uid:01}", "{uid:4294967295}", "{gid:0}", "{uid:-1}"}},
	{SCHEMA_TENANT, "cgroup", {"\"\"", "/a.slice"}, {"a.slice"}},
	{SCHEMA_TPM2, "enable", {"true", "false"}, {"1", "on"}},
	{SCHEMA_TPM2,
	 "tssUser",
	 {"\"\"", "tss", "_a-1"},
	 {"1a", "-a", "\"a b\"", "\"a\\\"b\"", "abcdefghijabcdefghijabcdefghijab"}},
	{SCHEMA_TPM2, "tssGroup", {"\"\"", "tss"}, {"\"a:b\"", "a.b"}},
	{SCHEMA_TPM2, "applyUdevRules", {"true", "false"}, {"1"}},
	{SCHEMA_TPM2_ABRMD, "enable", {"true", "false"}, {"1"}},
	{SCHEMA_TPM2_ABRMD, "package", {"/usr/sbin/tpm2-abrmd"}, {"tpm2-abrmd", "\"\""}},
	{SCHEMA_TPM2_PKCS11, "enable", {"true", "false"}, {"1"}},
	{SCHEMA_TPM2_TCTI, "enable", {"true", "false"}, {"1"}},
	{SCHEMA_TPM2_TCTI,
	 "interface",
	 {"tabrmd", "device", "holdfast"},
	 {"\"\"", "abrmd", "swtpm"}},
	{SCHEMA_TPM2_TCTI, "deviceConf", {"/dev/tpm0", "\"\""}, {0}},
	{SCHEMA_TPM2_TCTI, "tabrmdConf", {"\"bus_name=a.b,bus_type=session\""}, {0}},
	{SCHEMA_TPM2_FAPI,
	 "profileName",
	 {"P_RSA2048SHA256", "mine.json-2"},
	 {"\"\"", "../P", ".x", "\"a/b\""}},
	{SCHEMA_TPM2_FAPI, "profileDir", {"/p/"}, {"p", "\"\""}},
	{SCHEMA_TPM2_FAPI, "userDir", {"~/k", "/k"}, {"k", "~", "~root/k", "~/../k", "\"\""}},
	{SCHEMA_TPM2_FAPI, "systemDir", {"/s"}, {"~/s", "\"\""}},
	{SCHEMA_TPM2_FAPI, "tcti", {"\"\"", "device:/dev/tpmrm0"}, {0}},
	{SCHEMA_TPM2_FAPI,
	 "systemPcrs",
	 {"{}", "{0, 7, 23}"},
	 {"{24}", "{07}", "{-1}", "{0x1}", "{\"\"}", "{a}"}},
	{SCHEMA_TPM2_FAPI, "logDir", {"/l"}, {"l", "\"\""}},
	{SCHEMA_TPM2_FAPI, "ekCertLess", {"true", "false"}, {"yes", "null", "\"\""}},
	{SCHEMA_TPM2_FAPI, "ekFingerprint", {"abc", "\"x y\""}, {"\"\""}},
	{SCHEMA_TPM2_FAPI, "firmwareLogFile", {"/f"}, {"f", "\"\""}},
	{SCHEMA_TPM2_FAPI, "imaLogFile", {"/i"}, {"i", "\"\""}},
};

/* The key on line 3, its section opened before and closed after. */
static void print_setting(struct buf *text, const struct key_case *row, const char *value)
{
	const struct schema_section *section = &SCHEMA_SECTIONS[row->section];
	const struct schema_section *parent = &SCHEMA_SECTIONS[section->parent];
	bool nested = section->parent != SCHEMA_ROOT;
	bool root = row->section == SCHEMA_ROOT;

	buf_reset(text);
	buf_printf(text, "%s%s\n", nested ? parent->name : "", nested ? " {" : "");
	buf_printf(text, "%s%s%s\n", root ? "" : section->name, section->titled ? " web" : "",
		   root ? "" : " {");
	buf_printf(text, "%s = %s\n%s%s", row->key, value, root ? "" : "}", nested ? "}" : "");
	buf_put_u8(text, 0);
	assert_true(buf_ok(text));
}

static void refuse_setting(const struct key_case *row, const char *value)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);
	struct err err;

	print_setting(&text, row, value);
	parse_bad((const char *)text.data, text.len - 1, &err);
	/* A value that is not there is missed where something else stands. */
	assert_starts(err.text, value[0] != '\0' ? "t:3: " : "t:");
}

static void test_keys_good(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_LEN(KEYS); i++)
		for (j = 0; j < ARRAY_LEN(KEYS[i].good) && KEYS[i].good[j]; j++) {
			print_setting(&text, &KEYS[i], KEYS[i].good[j]);
			conf_free(parse_ok((const char *)text.data));
		}
}

static void test_keys_bad(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_LEN(KEYS); i++) {
		bool list = KEYS[i].good[0][0] == '{';

		for (j = 0; j < ARRAY_LEN(KEYS[i].bad) && KEYS[i].bad[j]; j++)
			refuse_setting(&KEYS[i], KEYS[i].bad[j]);
		refuse_setting(&KEYS[i], list ? "a" : "{a}");
		refuse_setting(&KEYS[i], list ? "{a b}" : "{}");
		refuse_setting(&KEYS[i], "}");
		refuse_setting(&KEYS[i], "");
	}
}

/* The table above has a row for every key of the schema and none beside. */
static void test_keys_complete(void **state)
{
	size_t count, i;
	const struct schema_field *fields = schema_fields(&count);

	(void)state;
	assert_int_equal(count, ARRAY_LEN(KEYS));
	for (i = 0; i < count; i++) {
		assert_int_equal(fields[i].section, KEYS[i].section);
		assert_string_equal(fields[i].key, KEYS[i].key);
	}
}

/* --- refusals, with their line and their words --- */

struct refusal {
	const char *text;
	const char *starts;
	const char *has;
};

static const struct refusal REFUSALS[] = {
	/* unknown keys and sections */
	{"\n\nfoo = 1\n", "t:3: no such option 'foo'; allowed: provider, tpm, paths,", "tpm2"},
	{"# a\n# b\n/* c\n c */\nfoo = 1", "t:5: no such option 'foo'", NULL},
	{"tpm {\n wait = 1\n foo = 1\n}", "t:3: no such option 'foo'; allowed: tcti, wait,",
	 "lockout_auth_file"},
	{"tpm2 {\n fapi {\n // x\n\n  foo = 1 } }",
	 "t:5: no such option 'foo'; allowed: profileName,", NULL},
	{"tpm2 {\n fapi { }\n foo = 1 }", "t:3: no such option 'foo'; allowed: enable, tssUser,",
	 "abrmd"},
	{"tenant a { }\ntenant b {\nfoo = 1 }", "t:3: no such option 'foo'; allowed: operations,",
	 "cgroup"},
	{"foo { }", "t:1: no such option 'foo'", NULL},
	{"Provider = auto", "t:1: no such option 'Provider'", NULL},
	{"fapi { profileName = x }", "t:1: no such option 'profileName'; allowed: probe", NULL},
	{"tpm2|enable = true", "t:1: | is not allowed here", NULL},
	{"\"tpm2|enable\" = true", "t:1: an = without a key", NULL},
	{"tenant a {}\ntenant b {}\n'tenant=a|keys' = 5", "t:3: an = without a key", NULL},
	{"include(\"/etc/passwd\")", "t:1: ( is not allowed here", NULL},
	/* twice */
	{"provider = auto\nprovider = auto",
	 "t:2: provider stands twice in its section; allowed: once", NULL},
	{"tpm { wait = 1\nwait = 2 }", "t:2: wait stands twice", NULL},
	{"tenant a { deny = {Hash}\ndeny = {} }", "t:2: deny stands twice", NULL},
	{"tenant a { deny = {}\ndeny = {Hash} }", "t:2: deny stands twice", NULL},
	{"tenant a { deny = {}\ndeny = {} }", "t:2: deny stands twice", NULL},
	{"tenant a { deny = {Hash}\ndeny = HMAC }", "t:2: deny is a list; write deny = {", NULL},
	{"tenant a { deny += {Hash} }", "t:1: + is not allowed here; put values in quotes", NULL},
	{"tpm { wait = 1 }\n\ntpm {\n srk = \"\" }", "t:3: section tpm stands twice in the file",
	 NULL},
	{"tpm {}\ntpm {}", "t:2: section tpm stands twice in the file; allowed: once", NULL},
	{"tpm2 { fapi {}\nfapi {} }", "t:2: section fapi stands twice", NULL},
	{"tpm2 { fapi {} }\n\"tpm2|fapi\" {}", "t:2: section fapi stands twice", NULL},
	{"tenant a {}\ntenant a {}", "t:2: found duplicate title 'a'; every tenant has one section",
	 NULL},
	/* names of tenants */
	{"\ntenant Web {\nkeys = 1\n}",
	 "t:2: the name of a tenant = \"Web\" is not allowed; allowed: 1 to 63 of", NULL},
	{"tenant \"\" {}", "t:1: the name of a tenant = \"\"", NULL},
	{"tenant \"a/b\" {}", "t:1: the name of a tenant", NULL},
	{"tenant a.b {}", "t:1: the name of a tenant", NULL},
	{"tenant abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij1234 {}",
	 "t:1: the name of a tenant", "abcdefghij.."},
	{"tenant {}", "t:1: missing title for section 'tenant'; write tenant NAME { .. }", NULL},
	{"tenant a b {}", "t:1: missing opening brace", NULL},
	{"tpm foo {}", "t:1: missing opening brace for section 'tpm'; write section { .. }", NULL},
	{"tenant a {\nbroker = provision }", "t:2: broker = \"provision\" is for tenant host only",
	 "standard"},
	/* left open */
	{"tpm {\n wait = 1\n",
	 "t:2: the file ends inside a section, list or setting; close it with }", NULL},
	{"tpm {", "t:1: the file ends inside", NULL},
	{"tpm2 { fapi {\n }", "t:2: the file ends inside", NULL},
	{"tenant a {", "t:1: the file ends inside", NULL},
	{"tenant a", "t:1: the file ends inside", NULL},
	{"tenant a { deny = {", "t:1: the file ends inside", NULL},
	{"tenant a { deny = { Hash", "t:1: the file ends inside", NULL},
	{"tenant a { deny = { Hash,\n\n", "t:2: the file ends inside", NULL},
	{"provider", "t:1: the file ends inside", NULL},
	{"provider =\n", "t:1: the file ends inside", NULL},
	{"tpm", "t:1: the file ends inside", NULL},
	{"\n/* a\n\n", "t:2: this comment is not closed; end it with */", NULL},
	{"tpm { /*/ wait = 1 }", "t:1: this comment is not closed", NULL},
	{"\nprovider = \"au",
	 "t:2: this string is not closed; end it with its quote on the same line", NULL},
	{"provider = 'auto\n'", "t:1: this string is not closed", NULL},
	{"provider = \"auto\\\"", "t:1: this string is not closed", NULL},
	{"provider = \"", "t:1: this string is not closed", NULL},
	{"}", "t:1: unexpected closing brace; no section is open here", NULL},
	{"tpm {}\n}", "t:2: unexpected closing brace", NULL},
	/* strings and words */
	{"tpm { tcti = \"${HOME}\" }", "t:1: ${ in a string; variables are not replaced", NULL},
	{"tpm { tcti = '${HOME}' }", "t:1: ${ in a string", NULL},
	{"tpm { tcti = ${HOME} }", "t:1: $ is not allowed here", NULL},
	{"tpm { tcti = \"\\x00\" }",
	 "t:1: a backslash in a string; allowed: \\\\ and the escaped quote", NULL},
	{"tpm { tcti = \"\\777\" }", "t:1: a backslash in a string", NULL},
	{"tpm { tcti = '\\\"' }", "t:1: a backslash in a string", NULL},
	{"tpm { tcti = \"a\tb\" }", "t:1: a control character in a string", NULL},
	{"tpm { tcti = \"a\x7f\" }", "t:1: a control character in a string", NULL},
	{"provider = auto\x01", "t:1: byte 0x01 is not allowed here", NULL},
	{"provider = auto\r", "t:1: byte 0x0d is not allowed here", NULL},
	{"tpm {\n\003 = 1 }", "t:2: byte 0x03 is not allowed here", NULL},
	{"\xef\xbb\xbfprovider = auto", "t:1: byte 0xef is not allowed here", NULL},
	{"provider = auto;", "t:1: ; is not allowed here", NULL},
	{"paths { run = /var/*x*/ }", "t:1: * is not allowed here", NULL},
	{"__end = true", "t:1: no such option '__end'", NULL},
	/* grammar */
	{"provider auto", "t:1: missing equal sign after option 'provider'; write key = value",
	 NULL},
	{"provider { }", "t:1: missing equal sign", NULL},
	{"provider = = auto", "t:1: an = without a key", NULL},
	{"= auto", "t:1: an = without a key", NULL},
	{"tpm = 3", "t:1: missing opening brace for section 'tpm'", NULL},
	{"tpm { wait = {1} }", "t:1: unexpected token '{'; allowed: key = value, key = {a, b}",
	 NULL},
	{"tenant a { deny = Hash }", "t:1: deny is a list; write deny = {\"a\", \"b\"}", NULL},
	{"tenant a { deny = {{Hash}} }", "t:1: unexpected token '{'", NULL},
	{"tenant a { deny = {Hash,,HMAC} }", "t:1: unexpected token ','", NULL},
	{"tenant a { deny = {\nHash\nHMAC} }", "t:3: unexpected token 'HMAC'", NULL},
	{"tenant a { deny = {\nHash,\n\"b c\"} }",
	 "t:3: deny = \"b c\" is not allowed; allowed: the name of a TPM command", NULL},
	{", provider = auto", "t:1: unexpected token ','", NULL},
	{"\"\" { }", "t:1: this cannot be read; see holdfast.conf(5)", NULL},
	/* the words of refused values */
	{"tpm { wait = 601 }",
	 "t:1: wait = \"601\" is not allowed; allowed: a number from 0 to 600, decimal", NULL},
	{"tpm { hsk_handle = 1 }",
	 "t:1: hsk_handle = \"1\" is not allowed; allowed: 0 or a number from 0x81000000 to "
	 "0x817fffff",
	 NULL},
	{"provider = tpm3", "t:1: provider = \"tpm3\" is not allowed; allowed: auto, tpm, legacy",
	 NULL},
	{"tpm { srk = x }", "t:1: srk = \"x\" is not allowed; allowed: \"\", ecc-p256, rsa-2048",
	 NULL},
	{"tpm {\nencrypt = 1 }", "t:2: encrypt = \"1\" is not allowed; allowed: false, true", NULL},
	{"tenant a { operations = {x} }",
	 "t:1: operations = \"x\" is not allowed; allowed: random, seal,", "device-raw"},
	{"paths { state = x }", "t:1: state = \"x\" is not allowed; allowed: an absolute path",
	 NULL},
	/* handles */
	{"tpm { srk_handle = 0x81000101 }", "t:1: srk_handle and hsk_handle are both 0x81000101",
	 NULL},
	{"device {\nhandle = 0x81000007 }\ntpm {\nhsk_handle = 0x81000007 }",
	 "t:4: handle and hsk_handle are both 0x81000007", NULL},
};

static void test_refusals(void **state)
{
	struct conf *conf;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(REFUSALS); i++) {
		parse_bad(REFUSALS[i].text, strlen(REFUSALS[i].text), &err);
		assert_starts(err.text, REFUSALS[i].starts);
		if (REFUSALS[i].has)
			assert_has(err.text, REFUSALS[i].has);
		/* The scanner of libconfuse is global: a bad file must not spoil the next one. */
		conf = parse_ok("tpm { wait = 7 }");
		assert_int_equal(conf->tpm.wait, 7);
		conf_free(conf);
	}
}

/* Each of these is sound, though it looks like one of the above. */
static void test_accepted(void **state)
{
	static const char *const TEXTS[] = {
		"",
		"\n",
		"# only a comment",
		"/* ${HOME} \" ' */ // \" ${X}\n# '",
		"provider = auto # x",
		"provider=auto",
		"provider\n=\nauto\r\n",
		"tenant a { deny = {Hash,} }",
		"tpm { tcti = \"a\\\\b\\\"c # / } $ {\" }",
		"tpm { tcti = \"\xc3\xa4\" }",
		"tpm { hsk_handle = 0 } device { handle = 0x81000101 }",
		"tpm { srk_handle = 0x81000101 hsk_handle = 0x81000102 }",
		"tenant host { broker = provision }",
		"tpm2{fapi{}abrmd{}pkcs11{}tctiEnvironment{}}tenant a{}",
		"tenant root {} tenant a- {} tenant 0 {}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(TEXTS); i++)
		conf_free(parse_ok(TEXTS[i]));
}

static void test_string_value(void **state)
{
	struct conf *conf =
		parse_ok("tpm { tcti = \"a\\\\b\\\"c # / } $ {\" owner_auth_file = '/\\'' }");

	(void)state;
	assert_string_equal(conf->tpm.tcti, "a\\b\"c # / } $ {");
	assert_string_equal(conf->tpm.owner_auth_file, "/'");
	conf_free(conf);
}

static void test_nul(void **state)
{
	static const char TEXT[] = "provider = auto\n# \0\nfoo = 1";
	struct err err;

	(void)state;
	parse_bad(TEXT, sizeof(TEXT) - 1, &err);
	assert_starts(err.text, "t:2: a NUL byte");
	parse_bad("", 1, &err);
	assert_starts(err.text, "t:1: a NUL byte");
}

/* --- limits --- */

static void fill_list(struct buf *text, size_t entries)
{
	size_t i;

	buf_reset(text);
	buf_put_str(text, "tenant a { allow = {");
	for (i = 0; i < entries; i++)
		buf_put_str(text, "A,");
	buf_put_str(text, "} }");
	buf_put_u8(text, 0);
	assert_true(buf_ok(text));
}

static void test_list_limit(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MIB);
	struct conf *conf;
	struct err err;

	(void)state;
	fill_list(&text, VALUE_LIST_MAX);
	conf = parse_ok((const char *)text.data);
	assert_int_equal(conf->tenants[0].allow.count, VALUE_LIST_MAX);
	conf_free(conf);
	fill_list(&text, VALUE_LIST_MAX + 1);
	parse_bad((const char *)text.data, text.len - 1, &err);
	assert_starts(err.text, "t:1: allow has too many entries; allowed: 256");
}

static void fill_tenants(struct buf *text, size_t count)
{
	size_t i;

	buf_reset(text);
	for (i = 0; i < count; i++)
		buf_printf(text, "tenant t%zu {}\n", i);
	buf_put_u8(text, 0);
	assert_true(buf_ok(text));
}

static void test_tenant_limit(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MIB);
	struct conf *conf;
	struct err err;

	(void)state;
	fill_tenants(&text, READER_TENANTS_MAX);
	conf = parse_ok((const char *)text.data);
	assert_int_equal(conf->tenant_count, READER_TENANTS_MAX);
	assert_string_equal(conf->tenants[1023].name, "t1023");
	conf_free(conf);
	fill_tenants(&text, READER_TENANTS_MAX + 1);
	parse_bad((const char *)text.data, text.len - 1, &err);
	assert_starts(err.text, "t:1025: too many tenants; allowed: 1024");
}

/* A string (quoted) or a word of @len bytes as the value of tpm.tcti. */
static void fill_value(struct buf *text, size_t len, bool quoted)
{
	size_t i;

	buf_reset(text);
	buf_put_str(text, quoted ? "tpm { tcti = \"" : "tpm { tcti = ");
	for (i = 0; i < len; i++)
		buf_put_u8(text, 'a');
	buf_put_str(text, quoted ? "\" }" : " }");
	buf_put_u8(text, 0);
	assert_true(buf_ok(text));
}

static void test_value_limit(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MIB);
	struct err err;
	int quoted;

	(void)state;
	for (quoted = 0; quoted < 2; quoted++) {
		fill_value(&text, GUARD_VALUE_MAX, quoted == 1);
		conf_free(parse_ok((const char *)text.data));
		fill_value(&text, GUARD_VALUE_MAX + 1, quoted == 1);
		parse_bad((const char *)text.data, text.len - 1, &err);
		assert_starts(err.text, quoted == 1 ? "t:1: this string is too long"
						    : "t:1: this word is too long");
	}
}

static void test_size_limit(void **state)
{
	CLEANUP(mem_free_cleanup) char *text = malloc(MIB + 1);
	struct conf *conf = NULL;
	struct err err = {0};

	(void)state;
	assert_non_null(text);
	memset(text, '\n', MIB + 1);
	assert_int_equal(conf_parse(text, MIB, "t", &conf, &err), 0);
	conf_free(conf);
	parse_bad(text, MIB + 1, &err);
	assert_starts(err.text, "t:1: the file is too large; allowed: 1 MiB");
	/* The text that grows most by marks. */
	memset(text, '{', MIB);
	parse_bad(text, MIB, &err);
	assert_starts(err.text, "t:1: unexpected token '{'");
}

/* A long name keeps its end, and the cause is still told. */
static void test_long_name(void **state)
{
	char name[400];
	struct conf *conf = NULL;
	struct err err = {0};

	(void)state;
	memset(name, 'd', sizeof(name));
	(void)snprintf(name + sizeof(name) - 12, 12, "/x.conf");
	assert_int_equal(conf_parse("\nfoo = 1", 8, name, &conf, &err), ERR_INVALID);
	assert_has(err.text, "ddd/x.conf:2: no such option 'foo'");
	assert_null(conf);
}

/* --- files --- */

static void write_text(const char *path, const void *text, size_t len)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

struct folder {
	char path[256];
	char file[300];
	char link[300];
};

static int make_folder(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(folder);
	(void)snprintf(folder->path, sizeof(folder->path), "%s/holdfast-conf-XXXXXX",
		       tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder->path));
	(void)snprintf(folder->file, sizeof(folder->file), "%s/h.conf", folder->path);
	(void)snprintf(folder->link, sizeof(folder->link), "%s/link", folder->path);
	*state = folder;
	return 0;
}

static int drop_folder(void **state)
{
	struct folder *folder = *state;

	(void)unlink(folder->file);
	(void)unlink(folder->link);
	assert_int_equal(rmdir(folder->path), 0);
	free(folder);
	return 0;
}

static int load_code(const char *path, struct err *err)
{
	struct conf sentinel;
	struct conf *conf = &sentinel;
	int r;

	*err = (struct err){0};
	r = conf_load(path, &conf, err);
	if (r < 0)
		assert_ptr_equal(conf, &sentinel);
	else
		conf_free(conf);
	return r;
}

static void test_load(void **state)
{
	const struct folder *folder = *state;
	struct conf *conf = NULL;
	struct err err = {0};

	assert_int_equal(load_code(folder->file, &err), ERR_NOT_FOUND);
	write_text(folder->file, "", 0);
	assert_int_equal(load_code(folder->file, &err), 0);
	write_text(folder->file, FULL, strlen(FULL));
	assert_int_equal(symlink("h.conf", folder->link), 0);
	assert_int_equal(conf_load(folder->link, &conf, &err), 0);
	assert_full_tpm(conf);
	conf_free(conf);
}

static void test_load_bad_content(void **state)
{
	const struct folder *folder = *state;
	struct err err;

	write_text(folder->file, "tpm {\n foo = 1 }", 16);
	assert_int_equal(load_code(folder->file, &err), ERR_INVALID);
	assert_starts(err.text, folder->file);
	assert_has(err.text, "/h.conf:2: no such option 'foo'");
	write_text(folder->file, "a\n\0", 3);
	assert_int_equal(load_code(folder->file, &err), ERR_INVALID);
	assert_has(err.text, "/h.conf:2: a NUL byte");
}

static void test_load_unreadable(void **state)
{
	const struct folder *folder = *state;
	struct err err;

	assert_int_equal(load_code(folder->path, &err), ERR_UNREADABLE);
	assert_has(err.text, "is not a regular file");
	assert_int_equal(load_code("/dev/zero", &err), ERR_UNREADABLE);
	assert_int_equal(mkfifo(folder->file, 0600), 0);
	assert_int_equal(load_code(folder->file, &err), ERR_UNREADABLE);
	assert_int_equal(symlink("link", folder->link), 0);
	assert_int_equal(load_code(folder->link, &err), ERR_UNREADABLE);
	assert_int_equal(err.origin_kind, ERR_ORIGIN_ERRNO);
	assert_int_equal(err.origin, ELOOP);
}

static void test_load_huge(void **state)
{
	const struct folder *folder = *state;
	struct err err;

	write_text(folder->file, "#", 1);
	assert_int_equal(truncate(folder->file, (off_t)1 << 40), 0);
	assert_int_equal(load_code(folder->file, &err), ERR_INVALID);
	assert_has(err.text, "/h.conf:1: the file is too large; allowed: 1 MiB");
}

/* --- the rest of the interface --- */

static void collect(void *arg, const char *section)
{
	buf_printf(arg, "%s ", section);
}

static void test_unused_sections(void **state)
{
	static const struct {
		const char *text;
		const char *expected;
	} CASES[] = {
		{"", ""},
		{"provider = auto tpm {} paths {}", ""},
		{"tenant host {}", ""},
		{"tenant host {} tenant web {} tenant db {}", "tenant "},
		{"tpm2 { fapi {} } fapi {} device {}", "device fapi tpm2 "},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf seen = BUF_INIT(256);
		struct conf *conf = parse_ok(CASES[i].text);

		conf_unused_sections(conf, collect, &seen);
		buf_put_u8(&seen, 0);
		assert_string_equal((const char *)seen.data, CASES[i].expected);
		conf_free(conf);
	}
}

static void test_provider_of_word(void **state)
{
	enum conf_provider provider = CONF_PROVIDER_LEGACY;
	struct err err = {0};

	(void)state;
	assert_int_equal(conf_provider_of_word("TPM", &provider, &err), ERR_INVALID);
	assert_int_equal(provider, CONF_PROVIDER_LEGACY);
	assert_has(err.text, "auto, tpm, legacy");
	assert_int_equal(conf_provider_of_word("", &provider, &err), ERR_INVALID);
	assert_int_equal(conf_provider_of_word("auto", &provider, &err), 0);
	assert_int_equal(provider, CONF_PROVIDER_AUTO);
	assert_int_equal(conf_provider_of_word("tpm", &provider, &err), 0);
	assert_int_equal(provider, CONF_PROVIDER_TPM);
	assert_int_equal(conf_provider_of_word("legacy", &provider, &err), 0);
	assert_int_equal(provider, CONF_PROVIDER_LEGACY);
}

/* --- the example file and the manual page --- */

static void read_text(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "re");
	uint8_t chunk[4096];
	size_t n;

	assert_non_null(file);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_put(text, slice_of(chunk, n));
	assert_int_equal(fclose(file), 0);
	buf_put_u8(text, 0);
	assert_true(buf_ok(text));
}

static void test_example_as_it_stands(void **state)
{
	struct conf *conf = NULL;
	struct err err = {0};

	(void)state;
	if (conf_load(example_path, &conf, &err) < 0)
		fail_msg("%s", err.text);
	assert_all_defaults(conf);
	assert_int_equal(conf->tenant_count, 0);
	assert_int_equal(conf->sections, 0);
	conf_free(conf);
}

/* A # with something other than a space or a line's end behind it hides a setting. */
static void uncomment(struct buf *text)
{
	size_t i;

	for (i = 0; i + 1 < text->len; i++)
		if (text->data[i] == '#' && (i == 0 || text->data[i - 1] == '\n') &&
		    text->data[i + 1] != ' ' && text->data[i + 1] != '\n')
			text->data[i] = ' ';
}

static void test_example_uncommented(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MIB);
	struct conf *conf;

	(void)state;
	read_text(example_path, &text);
	uncomment(&text);
	conf = parse_ok((const char *)text.data);
	assert_all_defaults(conf);
	assert_int_equal(conf->tenant_count, 2);
	assert_host_defaults(&conf->tenants[0]);
	assert_tenant_defaults(&conf->tenants[1]);
	/* Every section is there, the root not counted. */
	assert_int_equal(conf->sections, (1u << SCHEMA_SECTION_COUNT) - 2);
	conf_free(conf);
}

/* "KEY = " in the example, "*KEY* = " in the manual page. */
static void assert_documents(const char *path, const char *mark)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MIB);
	size_t count, i;
	const struct schema_field *fields = schema_fields(&count);
	char wanted[80];

	read_text(path, &text);
	for (i = 0; i < count; i++) {
		(void)snprintf(wanted, sizeof(wanted), "%s%s%s = ", mark, fields[i].key, mark);
		assert_has((const char *)text.data, wanted);
	}
}

static void test_documented(void **state)
{
	(void)state;
	assert_documents(example_path, "");
	assert_documents(manual_path, "*");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_tenant_defaults),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_keys_good),
		cmocka_unit_test(test_keys_bad),
		cmocka_unit_test(test_keys_complete),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_string_value),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_list_limit),
		cmocka_unit_test(test_tenant_limit),
		cmocka_unit_test(test_value_limit),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test_setup_teardown(test_load, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_load_bad_content, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_load_unreadable, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_load_huge, make_folder, drop_folder),
		cmocka_unit_test(test_unused_sections),
		cmocka_unit_test(test_provider_of_word),
		cmocka_unit_test(test_example_as_it_stands),
		cmocka_unit_test(test_example_uncommented),
		cmocka_unit_test(test_documented),
	};

	if (argc != 3) {
		(void)fprintf(stderr, "usage: %s EXAMPLE MANUAL\n", argv[0]);
		return 2;
	}
	example_path = argv[1];
	manual_path = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
