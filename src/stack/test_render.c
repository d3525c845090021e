/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden files: what each option makes, as the parts that differ from those of `enable` alone. Run
 * with a second argument `write` they are written anew, to be looked at before they are kept.
 */
#include "stack/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "conf/conf.h"

#define DUMP_MAX (256u * 1024u)
#define ABRMD	 "abrmd { enable = true } "
#define TCTI	 "tctiEnvironment { enable = true "
#define DIGITS	 "00112233445566778899aabbccddeeff"

static const char *golden;
static bool writes;

static const struct golden_case {
	const char *name;
	const char *text; /* in section tpm2, beside enable */
	const char *more; /* beside the section */
} CASES[] = {
	{"enable", "", ""},
	{"seed",
	 ABRMD "pkcs11 { enable = true } " TCTI "interface = \"tabrmd\" } "
	       "fapi { profileName = \"P_RSA2048SHA256\" ekCertLess = true }",
	 ""},
	{"tss-user", "tssUser = tpm", ""},
	{"tss-user-none", "tssUser = \"\"", ""},
	{"tss-user-none-abrmd", "tssUser = \"\" " ABRMD, ""},
	{"tss-user-root-abrmd", "tssUser = root tssGroup = trusted " ABRMD, ""},
	{"tss-group", "tssGroup = trusted", ""},
	{"tss-group-none", "tssGroup = \"\"", ""},
	{"tss-own-names", "tssUser = tpm tssGroup = trusted " ABRMD, ""},
	{"udev-off", "applyUdevRules = false", ""},
	{"abrmd", ABRMD, ""},
	{"abrmd-package", "abrmd { enable = true package = /opt/tpm/abrmd }", ""},
	{"abrmd-run", ABRMD, "paths { run = /srv/hf }"},
	{"abrmd-own-profiles", ABRMD "fapi { profileDir = /srv/p profileName = P_MINE }", ""},
	{"pkcs11", "pkcs11 { enable = true }", ""},
	{"pkcs11-group-none", "pkcs11 { enable = true } tssGroup = \"\"", ""},
	{"tcti", TCTI "}", ""},
	{"tcti-device", TCTI "deviceConf = /dev/tpm7 }", ""},
	{"tcti-tabrmd", TCTI "interface = tabrmd }", ""},
	{"tcti-tabrmd-conf", TCTI "interface = tabrmd tabrmdConf = \"bus_type=session\" }", ""},
	{"tcti-holdfast", TCTI "interface = holdfast }", "paths { run = /srv/hf }"},
	{"tcti-own-fapi", TCTI "interface = holdfast } fapi { tcti = \"device:/dev/tpm1\" }", ""},
	{"fapi-profile", "fapi { profileName = P_RSA2048SHA256 profileDir = /srv/profiles }", ""},
	{"fapi-folders", "fapi { userDir = \"~/k\" systemDir = /srv/s logDir = /srv/l/ }", ""},
	{"fapi-tcti", "fapi { tcti = \"cmd:a \\\"b\\\\c\" }", ""},
	{"fapi-pcrs", "fapi { systemPcrs = {23, 7, 0, 7} }", ""},
	{"fapi-ek-yes", "fapi { ekCertLess = true }", ""},
	{"fapi-ek-no", "fapi { ekCertLess = false }", ""},
	{"fapi-fingerprint", "fapi { ekFingerprint = " DIGITS DIGITS " }", ""},
	{"fapi-fingerprint-384", "fapi { ekFingerprint = " DIGITS DIGITS DIGITS " }", ""},
	{"fapi-logs", "fapi { firmwareLogFile = \"/f\\\"\" imaLogFile = \"/\xc3\xa4 b\" }", ""},
};

static void render(const char *text, const char *more, struct stack_tree *tree)
{
	CLEANUP(buf_fini) struct buf file = BUF_INIT(4096);
	struct conf *conf = NULL;
	struct err err = {0};

	buf_printf(&file, "%s\ntpm2 { enable = true %s }", more, text);
	assert_true(buf_ok(&file));
	if (conf_parse((const char *)file.data, file.len, "t", &conf, &err) < 0 ||
	    stack_render(conf, tree, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	conf_free(conf);
}

static bool same_entry(const struct stack_entry *a, const struct stack_entry *b)
{
	return a && b && a->is_link == b->is_link &&
	       slice_equal(buf_slice(&a->content), buf_slice(&b->content));
}

static void put_part(const struct stack_tree *base, const struct stack_tree *tree,
		     enum stack_part part, struct buf *out)
{
	const struct stack_entry *before = base ? stack_find(base, part) : NULL;
	const struct stack_entry *entry = stack_find(tree, part);

	if (!entry && before)
		buf_printf(out, "--- no %s\n", stack_path(part));
	if (!entry || same_entry(before, entry))
		return;
	buf_printf(out, "--- %s%s\n", stack_path(part), entry->is_link ? " -> " : "");
	buf_put(out, buf_slice(&entry->content));
	if (entry->is_link)
		buf_put_u8(out, '\n');
}

/* Profiles are the room fapi's and tested there. */
static void dump(const struct golden_case *row, struct buf *out)
{
	struct stack_tree base = {.count = 0}, tree = {.count = 0};
	unsigned part;

	render("", "", &base);
	render(row->text, row->more, &tree);
	for (part = 0; part < STACK_FAPI_ECC; part++)
		put_part(row == CASES ? NULL : &base, &tree, (enum stack_part)part, out);
	for (; part < STACK_PARTS; part++)
		if (stack_find(&tree, (enum stack_part)part))
			buf_printf(out, "--- %s\n", stack_path((enum stack_part)part));
	buf_put_u8(out, '\0');
	assert_true(buf_ok(out));
	stack_tree_fini(&base);
	stack_tree_fini(&tree);
}

static void write_golden(const char *path, const struct buf *dumped)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(dumped->data, 1, dumped->len - 1, file), dumped->len - 1);
	assert_int_equal(fclose(file), 0);
}

static void read_golden(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "re");
	uint8_t chunk[4096];
	size_t n;

	if (!file)
		fail_msg("%s is missing", path);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_put(text, slice_of(chunk, n));
	assert_int_equal(fclose(file), 0);
	buf_put_u8(text, '\0');
	assert_true(buf_ok(text));
}

static void test_golden(void **state)
{
	char path[4096];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf dumped = BUF_INIT(DUMP_MAX);
		CLEANUP(buf_fini) struct buf wanted = BUF_INIT(DUMP_MAX);

		(void)snprintf(path, sizeof(path), "%s/%s.txt", golden, CASES[i].name);
		dump(&CASES[i], &dumped);
		if (writes)
			write_golden(path, &dumped);
		read_golden(path, &wanted);
		assert_string_equal((const char *)dumped.data, (const char *)wanted.data);
	}
}

static void test_nothing_without_enable(void **state)
{
	static const char TEXT[] =
		"tpm2 { abrmd { enable = true } pkcs11 { enable = true } " TCTI "} }";
	struct stack_tree tree = {.count = 99};
	struct conf *conf = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(conf_parse(TEXT, strlen(TEXT), "t", &conf, &err), 0);
	assert_int_equal(stack_render(conf, &tree, &err), 0);
	assert_int_equal(tree.count, 0);
	assert_null(stack_find(&tree, STACK_FAPI_CONFIG));
	conf_free(conf);
}

/* A run folder that is not plain is of no harm where nothing is written of it. */
static void test_run_folder(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} RUNS[] = {
		{"tpm2 { enable = true } paths { run = \"/a b\" }", true},
		{"tpm2 { enable = true " TCTI "} } paths { run = \"/a,b\" }", true},
		{"tpm2 { enable = true " ABRMD "} paths { run = \"/a b\" }", false},
		{"tpm2 { enable = true " ABRMD "} paths { run = \"/a%i\" }", false},
		{"tpm2 { enable = true " ABRMD "} paths { run = \"/a$b\" }", false},
		{"tpm2 { enable = true " TCTI "interface = holdfast } } paths { run = \"/a,b\" }",
		 false},
		{"tpm2 { enable = false " ABRMD "} paths { run = \"/a b\" }", true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(RUNS); i++) {
		struct stack_tree tree = {.count = 0};
		struct conf *conf = NULL;
		struct err err = {0};
		int r;

		assert_int_equal(conf_parse(RUNS[i].text, strlen(RUNS[i].text), "t", &conf, &err),
				 0);
		r = stack_render(conf, &tree, &err);
		assert_int_equal(r, RUNS[i].good ? 0 : ERR_INVALID);
		if (!RUNS[i].good)
			assert_non_null(strstr(err.text, "paths { run }"));
		stack_tree_fini(&tree);
		conf_free(conf);
	}
}

/* Read by a JSON library it is what was configured, in the order that was promised. */
static void test_fapi_json(void **state)
{
	static const char *const NAMES[] = {
		"profile_name",	  "profile_dir",       "user_dir",     "system_dir",
		"tcti",		  "system_pcrs",       "log_dir",      "ek_cert_less",
		"ek_fingerprint", "firmware_log_file", "ima_log_file",
	};
	struct stack_tree tree = {.count = 0};
	const struct stack_entry *entry;
	const char *name;
	size_t at = 0;
	json_t *json, *value;

	(void)state;
	render("fapi { tcti = \"a\\\"\\\\b\" ekCertLess = false ekFingerprint = " DIGITS DIGITS
	       " }",
	       "", &tree);
	entry = stack_find(&tree, STACK_FAPI_CONFIG);
	json = json_loadb((const char *)entry->content.data, entry->content.len,
			  JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(json_object_size(json), ARRAY_LEN(NAMES));
	json_object_foreach(json, name, value)
	{
		assert_string_equal(name, NAMES[at]);
		at++;
	}
	assert_string_equal(json_string_value(json_object_get(json, "tcti")), "a\"\\b");
	assert_string_equal(json_string_value(json_object_get(json, "ek_cert_less")), "no");
	json_decref(json);
	stack_tree_fini(&tree);
}

/* Words are what other programs know a part by. */
static void test_paths_and_words(void **state)
{
	unsigned a, b;

	(void)state;
	for (a = 0; a < STACK_PARTS; a++) {
		const char *word = stack_word((enum stack_part)a);

		assert_int_equal(stack_path((enum stack_part)a)[0], '/');
		assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(word));
		for (b = 0; b < a; b++) {
			assert_string_not_equal(word, stack_word((enum stack_part)b));
			assert_string_not_equal(stack_path((enum stack_part)a),
						stack_path((enum stack_part)b));
		}
	}
}

/* The same folder, the same socket: however they are written. */
static void test_profiles(void **state)
{
	static const struct {
		const char *text;
		bool expected;
	} ROWS[] = {
		{ABRMD "fapi { profileDir = /etc/tpm2-tss/fapi-profiles }", true},
		{ABRMD "fapi { profileDir = /etc/tpm2-tss/fapi-profiles/ }", true},
		{ABRMD "fapi { profileDir = /etc/tpm2-tss/fapi-profiles2 }", false},
		{"fapi { tcti = \"swtpm:path=/srv/hf/tpm.sock\" }", true},
		{"fapi { tcti = \"swtpm:path=/srv/other/tpm.sock\" }", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ROWS); i++) {
		struct stack_tree tree = {.count = 0};

		render(ROWS[i].text, "paths { run = /srv/hf }", &tree);
		if ((stack_find(&tree, STACK_FAPI_ECC) != NULL) != ROWS[i].expected)
			fail_msg("%s", ROWS[i].text);
		stack_tree_fini(&tree);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_nothing_without_enable),
		cmocka_unit_test(test_run_folder),
		cmocka_unit_test(test_fapi_json),
		cmocka_unit_test(test_paths_and_words),
	};

	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s FOLDER [write]\n", argv[0]);
		return 2;
	}
	golden = argv[1];
	writes = argc > 2 && strcmp(argv[2], "write") == 0;
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
