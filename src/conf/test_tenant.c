/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/test_fixture.h"

static struct conf_tenant *fresh(const char *name)
{
	struct conf_tenant *tenant;
	struct err err;

	assert_int_equal(conf_tenant_default(name, &tenant, &err), 0);
	return tenant;
}

static void test_names(void **state)
{
	static const char *const GOOD[] = {"host", "web", "a", "0-9", "admins", "-"};
	static const char *const BAD[] = {"admin", "", "Web", "a.b", "a/b", "..", "a b"};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(GOOD); i++)
		assert_int_equal(conf_tenant_name(GOOD[i], &err), 0);
	for (i = 0; i < ARRAY_LEN(BAD); i++)
		assert_int_equal(conf_tenant_name(BAD[i], &err), ERR_INVALID);
	parse_bad("provider = auto\ntenant admin { }", strlen("provider = auto\ntenant admin { }"),
		  &err);
	assert_starts(err.text, "t:2: ");
	assert_has(err.text, "admin");
}

/* The same keys and the same refusals as in the file. */
static void test_set(void **state)
{
	static const struct {
		const char *key, *text;
		const char *refusal; /* NULL = taken */
	} CASES[] = {
		{"keys", "12", NULL},
		{"keys", "1000001", "keys = "},
		{"keys", "0x", "keys = "},
		{"broker", "standard", NULL},
		{"broker", "provision", "tenant host only"},
		{"broker", "all", "none, read-only"},
		{"operations", "decrypt", NULL},
		{"operations", "fly", "random, seal"},
		{"peers", "uid:1", NULL},
		{"peers", "root", "uid:N"},
		{"cgroup", "/a.slice/b", NULL},
		{"cgroup", "/a\n", "cgroup"},
		{"cgroup", "a", "cgroup"},
		{"connections", "0", "1 to 4096"},
		{"colour", "red", "no key colour"},
		{"tcti", "x", "no key tcti"},
		{"", "x", "no key"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct conf_tenant *tenant = fresh("web");
		struct err err = {.code = 0};
		int r = conf_tenant_set(tenant, CASES[i].key, CASES[i].text, &err);

		assert_int_equal(r, CASES[i].refusal ? ERR_INVALID : 0);
		if (CASES[i].refusal)
			assert_has(err.text, CASES[i].refusal);
		conf_tenant_free(tenant);
	}
}

static void test_long_cgroup(void **state)
{
	struct conf_tenant *tenant = fresh("web");
	char path[257];
	struct err err;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[256] = '\0';
	assert_int_equal(conf_tenant_set(tenant, "cgroup", path, &err), ERR_INVALID);
	assert_string_equal(tenant->cgroup, "");
	path[255] = '\0';
	assert_int_equal(conf_tenant_set(tenant, "cgroup", path, &err), 0);
	conf_tenant_free(tenant);
}

static void test_lists(void **state)
{
	struct conf_tenant *tenant = fresh("web");
	struct err err;

	(void)state;
	assert_int_equal(conf_tenant_set(tenant, "operations", "decrypt", &err), 0);
	assert_int_equal(tenant->operations, CONF_OP_DECRYPT | ((CONF_OP_USAGE << 1) - 1));
	conf_tenant_empty(tenant, "operations");
	conf_tenant_empty(tenant, "keys"); /* no list: as it was */
	conf_tenant_empty(tenant, "no such key");
	assert_int_equal(tenant->operations, 0);
	assert_int_equal(tenant->keys, 256);
	assert_int_equal(conf_tenant_set(tenant, "operations", "seal", &err), 0);
	assert_int_equal(tenant->operations, CONF_OP_SEAL);
	assert_int_equal(conf_tenant_set(tenant, "peers", "uid:1", &err), 0);
	assert_int_equal(conf_tenant_set(tenant, "peers", "uid:2", &err), 0);
	assert_int_equal(tenant->peers.count, 2);
	conf_tenant_empty(tenant, "peers");
	assert_int_equal(tenant->peers.count, 0);
	conf_tenant_free(tenant);
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(conf_operation_word(CONF_OP_RANDOM), "random");
	assert_string_equal(conf_operation_word(CONF_OP_DEVICE_RAW), "device-raw");
	assert_null(conf_operation_word((enum conf_operation)(1 << 20)));
}

/* Every key makes a difference, and the same text none. */
static void test_same(void **state)
{
	static const struct {
		const char *key, *text;
	} KEYS[] = {
		{"operations", "operations = {seal}"},
		{"broker", "broker = standard"},
		{"allow", "allow = {NV_Read}"},
		{"deny", "deny = {NV_Write}"},
		{"keys", "keys = 1"},
		{"stored", "stored = 4294967297"},
		{"rate", "rate = 1"},
		{"connections", "connections = 1"},
		{"sessions", "sessions = 1"},
		{"objects", "objects = 1"},
		{"peers", "peers = {\"uid:1\"}"},
		{"cgroup", "cgroup = \"/c\""},
	};
	struct conf_tenant *def = fresh("web");
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_LEN(KEYS); i++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(256);
		struct conf *a, *b;

		buf_printf(&text, "tenant web { %s }", KEYS[i].text);
		buf_put_u8(&text, 0);
		a = parse_ok((const char *)text.data);
		b = parse_ok((const char *)text.data);
		assert_true(conf_tenant_same(&a->tenants[0], &b->tenants[0], NULL));
		assert_false(conf_tenant_same(&a->tenants[0], def, NULL));
		for (j = 0; j < ARRAY_LEN(KEYS); j++)
			assert_int_equal(conf_tenant_same(&a->tenants[0], def, KEYS[j].key),
					 j != i);
		assert_null(conf_differs(a, b));
		conf_free(a);
		conf_free(b);
	}
	conf_tenant_free(def);
}

static void test_differs(void **state)
{
	static const struct {
		const char *text;
		const char *key;
	} CASES[] = {
		{"", NULL},
		{"tenant web { keys = 1 }", NULL},
		{"provider = tpm", "provider"},
		{"paths { run = \"/r\" }", "run"},
		{"tpm { wait = 3 }", "wait"},
		{"tpm { encrypt = false }", "encrypt"},
		{"tpm2 { fapi { systemPcrs = {\"1\"} } }", "systemPcrs"},
		{"tpm2 { tssUser = \"tss\" }", "tssUser"},
		{"tpm2 { fapi { ekCertLess = false } }", "ekCertLess"},
	};
	struct conf *def = parse_ok("");
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct conf *conf = parse_ok(CASES[i].text);
		const char *key = conf_differs(def, conf);

		if (CASES[i].key)
			assert_string_equal(key, CASES[i].key);
		else
			assert_null(key);
		conf_free(conf);
	}
	conf_free(def);
}

static void test_take(void **state)
{
	struct conf *conf = parse_ok("tenant web { keys = 7 peers = {\"uid:5\"} } tenant db { }");
	struct conf_tenant *web;
	struct err err;

	(void)state;
	assert_int_equal(conf_tenant_take(conf_find_tenant(conf, "web"), &web, &err), 0);
	assert_string_equal(web->name, "web");
	assert_int_equal(web->keys, 7);
	assert_null(conf_find_tenant(conf, "web"));
	assert_non_null(conf_find_tenant(conf, "db"));
	conf_free(conf);
	assert_string_equal(web->peers.items[0], "uid:5");
	conf_tenant_free(web);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_names),	    cmocka_unit_test(test_set),
		cmocka_unit_test(test_long_cgroup), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_words),	    cmocka_unit_test(test_same),
		cmocka_unit_test(test_differs),	    cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
