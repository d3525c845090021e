/* SPDX-License-Identifier: Apache-2.0 */
/* Every trap of libconfuse: what is refused in which words and at which line, and the limits. */
#include "conf/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/guard.h"
#include "conf/tenant.h"
#include "conf/test_fixture.h"
#include "conf/value.h"

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
	{"tenant a {\nallow = {Hash,\nNV_Reed} }", "t:3: allow = \"NV_Reed\" is not allowed;",
	 "holdfast-broker(7)"},
	{"tenant a { allow = {Clear} }", "t:1: allow = \"Clear\" is not allowed;", NULL},
	{"tenant a { deny = {\nHierarchyChangeAuth} }",
	 "t:2: deny = \"HierarchyChangeAuth\" is not allowed;", NULL},
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
	{"device { handle = 0x81000002 }", "t:1: handle and srk_handle are both 0x81000002", NULL},
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
		buf_put_str(text, "Hash,");
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
	fill_tenants(&text, TENANT_COUNT_MAX);
	conf = parse_ok((const char *)text.data);
	assert_int_equal(conf->tenant_count, TENANT_COUNT_MAX);
	assert_string_equal(conf->tenants[1023].name, "t1023");
	conf_free(conf);
	fill_tenants(&text, TENANT_COUNT_MAX + 1);
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

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_refusals),     cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_string_value), cmocka_unit_test(test_nul),
		cmocka_unit_test(test_list_limit),   cmocka_unit_test(test_tenant_limit),
		cmocka_unit_test(test_value_limit),  cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
