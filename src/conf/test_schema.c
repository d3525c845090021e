/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of the schema: what it takes and what it refuses. */
#include "conf/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/test_fixture.h"

struct key_case {
	enum schema_section_id section;
	const char *key;
	const char *good[6]; /* as written behind the = */
	const char *bad[14];
};

#define DIGITS_64 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

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
	{SCHEMA_DEVICE,
	 "subject",
	 {"\"\"", "\"CN=gw-1,O=Example\"", "\"CN=\xc3\xa4\""},
	 {"gw-1", "\"CN\""}},
	{SCHEMA_DEVICE, "days", {"1", "36500"}, {"0", "36501", "-1", "1y"}},
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
	 {"{}", "{\"NV_Read\", hash}"},
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
	{SCHEMA_TPM2_ABRMD,
	 "package",
	 {"/usr/sbin/tpm2-abrmd", "\"/opt/a-b_1.2+3@4:5/x\""},
	 {"tpm2-abrmd", "/", "/usr/bin/", "/usr/bin/.", "\"\"", "\"/a b\"", "\"/a%i\"", "\"/a$b\"",
	  "\"/a\\\\b\""}},
	{SCHEMA_TPM2_PKCS11, "enable", {"true", "false"}, {"1"}},
	{SCHEMA_TPM2_TCTI, "enable", {"true", "false"}, {"1"}},
	{SCHEMA_TPM2_TCTI,
	 "interface",
	 {"tabrmd", "device", "holdfast"},
	 {"\"\"", "abrmd", "swtpm"}},
	{SCHEMA_TPM2_TCTI,
	 "deviceConf",
	 {"/dev/tpm0"},
	 {"\"\"", "\"a b\"", "\"a'b\"", "\"a\\\"b\"", "\"$(id)\"", "\"`id`\"", "\"a%h\""}},
	{SCHEMA_TPM2_TCTI,
	 "tabrmdConf",
	 {"\"bus_name=a.b,bus_type=session\""},
	 {"\"a;b\"", "\"a\\\\b\"", "\"a#b\"", "\"$a\"", "\"\xc3\xa4\""}},
	{SCHEMA_TPM2_FAPI,
	 "profileName",
	 {"P_RSA2048SHA256", "mine.json-2"},
	 {"\"\"", "../P", ".x", "\"a/b\""}},
	{SCHEMA_TPM2_FAPI, "profileDir", {"/p/", "\"/\xc3\xa4\""}, {"p", "\"\"", "\"/\xff\""}},
	{SCHEMA_TPM2_FAPI,
	 "userDir",
	 {"~/k", "/k"},
	 {"k", "~", "~root/k", "~/../k", "\"\"", "\"~/\xa4\""}},
	{SCHEMA_TPM2_FAPI,
	 "systemDir",
	 {"/s", "/srv/s", "/var/lib/s/", "/home/u/s", "/library"},
	 {"~/s", "\"\"", "\"/s s\"", "\"/s%b\"", "/s/..", "/", "\"//./\"", "/var", "/var/lib/",
	  "\"/var//./lib\"", "/usr/share/a/b", "/etc/tpm2-tss/s", "/home/u"}},
	{SCHEMA_TPM2_FAPI, "tcti", {"\"\"", "device:/dev/tpmrm0"}, {"\"\xc3\""}},
	{SCHEMA_TPM2_FAPI,
	 "systemPcrs",
	 {"{}", "{0, 7, 23}"},
	 {"{24}", "{07}", "{-1}", "{0x1}", "{\"\"}", "{a}"}},
	{SCHEMA_TPM2_FAPI,
	 "logDir",
	 {"/l/", "/run/a/b"},
	 {"/etc", "/./etc/", "/run", "/run/udev", "/dev/shm", "/tmp", "/lib64/a", "l", "\"\"",
	  "\"/l l\"", "\"/l%t\"", "\"/l'\""}},
	{SCHEMA_TPM2_FAPI, "ekCertLess", {"true", "false"}, {"yes", "null", "\"\""}},
	{SCHEMA_TPM2_FAPI,
	 "ekFingerprint",
	 {DIGITS_64, DIGITS_64 "0123456789abcdefABCDEF0123456789", DIGITS_64 DIGITS_64},
	 {"\"\"", "abc", DIGITS_64 "0", "x" DIGITS_64, "\"" DIGITS_64 " \""}},
	{SCHEMA_TPM2_FAPI, "firmwareLogFile", {"/f"}, {"f", "\"\"", "\"/\xed\xa0\x80\""}},
	{SCHEMA_TPM2_FAPI, "imaLogFile", {"/i"}, {"i", "\"\"", "\"/\x80\""}},
};

/* The key on line 3, its section opened before and closed after. */
static void print_setting(struct buf *text, const struct key_case *row, const char *value)
{
	const struct schema_section *section = &SCHEMA_HOLDFAST.sections[row->section];
	const struct schema_section *parent = &SCHEMA_HOLDFAST.sections[section->parent];
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
	const struct schema_field *fields = SCHEMA_HOLDFAST.fields;
	size_t count = SCHEMA_HOLDFAST.field_count;
	size_t i;

	(void)state;
	assert_int_equal(count, ARRAY_LEN(KEYS));
	for (i = 0; i < count; i++) {
		assert_int_equal(fields[i].section, KEYS[i].section);
		assert_string_equal(fields[i].key, KEYS[i].key);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_keys_good),
		cmocka_unit_test(test_keys_bad),
		cmocka_unit_test(test_keys_complete),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
