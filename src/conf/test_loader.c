/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's configuration: every key, what keys must not say together, the environment. */
#include "conf/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "conf/schema.h"
#include "conf/test_fixture.h"

#define NEEDED	 "api_url = \"https://a\" salts_file = \"/s\"\n"
#define ID_64	 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_80	 "0123456789012345678901234567890123456789012345678901234567890123456789012345678x"
#define LONG_100 LONG_80 "0123456789012345678x"

/* --- each key --- */

struct key_case {
	unsigned section;
	const char *key;
	const char *good[6]; /* as written behind the = */
	const char *bad[10];
};

static const struct key_case KEYS[] = {
	{SCHEMA_LOADER_ROOT,
	 "listen",
	 {"127.0.0.1:8080", "localhost:0", "\"[::1]:65535\"", "unix:/run/l.sock"},
	 {"8080", "\":8080\"", "a:65536", "a:08", "\"[::1]\"", "::1:80", "unix:l.sock", "unix:/a/",
	  "unix:/" LONG_100, "a:80:80"}},
	{SCHEMA_LOADER_ROOT,
	 "hosts",
	 {"{}", "{gw-1, \"gw-1:8080\", \"[::1]:80\"}"},
	 {"{\"\"}", "{GW}", "{\"a b\"}", "{a:x}", "{\"[::1\"}", "{\"*\"}", "{a:}"}},
	{SCHEMA_LOADER_ROOT, "token_file", {"/t"}, {"t", "\"\"", "/a/../b"}},
	{SCHEMA_LOADER_ROOT,
	 "api_url",
	 {"https://a", "https://api.example.com:8443/v1/x", "http://127.0.0.1:1",
	  "\"https://[::1]:1/\""},
	 {"\"\"", "a", "ftp://a", "https://", "https:///x", "\"https://u:p@a\"",
	  "\"https://a/?q=1\"", "\"https://a/#f\"", "\"https://a b\"", "https://a:99999"}},
	{SCHEMA_LOADER_ROOT, "cdn_url", {"https://cdn"}, {"\"\"", "cdn", "https://a:"}},
	{SCHEMA_LOADER_ROOT, "ca_file", {"/c.pem"}, {"c.pem", "\"\""}},
	{SCHEMA_LOADER_ROOT, "client_cert", {"/c"}, {"c", "\"\""}},
	{SCHEMA_LOADER_ROOT,
	 "client_key",
	 {"\"/k\"", "holdfast:device"},
	 {"k", "\"\"", "holdfast:other"}},
	{SCHEMA_LOADER_ROOT, "dev", {"true", "false"}, {"1", "yes"}},
	{SCHEMA_LOADER_ROOT, "cache_dir", {"/c"}, {"c", "\"\""}},
	{SCHEMA_LOADER_ROOT, "import_dir", {"/i"}, {"i", "\"\""}},
	{SCHEMA_LOADER_ROOT, "rate_limit", {"0", "1099511627776"}, {"1M", "1099511627777", "-1"}},
	{SCHEMA_LOADER_ROOT, "resource_max", {"1024", "1099511627776"}, {"1023", "0"}},
	{SCHEMA_LOADER_ROOT, "downloads", {"1", "16"}, {"0", "17"}},
	{SCHEMA_LOADER_ROOT, "salts_file", {"/s"}, {"s", "\"\""}},
	{SCHEMA_LOADER_ROOT, "formula", {"v1-hw", "v1-nohw"}, {"v2", "\"\""}},
	{SCHEMA_LOADER_ROOT, "fingerprint_file", {"/f"}, {"f", "\"\""}},
	{SCHEMA_LOADER_ROOT, "trust_anchors", {"/a"}, {"a", "\"\""}},
	{SCHEMA_LOADER_ROOT, "manifest_anchors", {"/m", "\"\""}, {"m", "/a/../b"}},
	{SCHEMA_LOADER_ROOT, "load_form", {"v1", "newest", "v2"}, {"\"\"", "v3", "V2", "new"}},
	{SCHEMA_LOADER_ROOT, "holdfast_socket", {"/h"}, {"h", "\"\""}},
	{SCHEMA_LOADER_ROOT, "images_path", {"/i"}, {"i", "\"\""}},
	{SCHEMA_LOADER_ROOT,
	 "images_artifact",
	 {"images/app", "\"A-1/b_2.c\""},
	 {"\"\"", "app", "/app", "images/", "a/b/c", ".a/b", "a/.b", "\"a b/c\"", "a//b",
	  "a/" LONG_100 LONG_100 LONG_100}},
	{SCHEMA_LOADER_ROOT,
	 "images",
	 {"{}", "{app, \"r.example:5000/app:1.2\"}", "{\"app=sha256:" ID_64 "\"}"},
	 {"{\"\"}", "{\"=sha256:" ID_64 "\"}", "{\"app=" ID_64 "\"}", "{\"app=sha256:" ID_64 "0\"}",
	  "{\"app=sha256:\"}", "{-app}", "{\"a b\"}", "{\"app@sha256:" ID_64 "\"}"}},
	{SCHEMA_LOADER_ROOT, "version", {"latest", "1.2"}, {"\"\"", ".1", "a:b", "a/b"}},
	{SCHEMA_LOADER_ROOT, "docker_socket", {"/d"}, {"d", "\"\""}},
	{SCHEMA_LOADER_S3, "endpoint", {"https://s3"}, {"s3", "\"\""}},
	{SCHEMA_LOADER_S3, "region", {"eu-1"}, {"\"\"", "a/b"}},
	{SCHEMA_LOADER_S3, "bucket", {"models.b"}, {"\"\"", "A", ".a", "a/b"}},
	{SCHEMA_LOADER_S3, "credentials_file", {"/c"}, {"c", "\"\""}},
	{SCHEMA_LOADER_LEGACY, "unsigned", {"allow", "deny"}, {"true", "\"\"", "no"}},
	{SCHEMA_LOADER_LEGACY, "unsigned_import", {"allow", "deny"}, {"true", "\"\"", "no"}},
};

/* What a good value needs beside itself. */
static const char *more_of(const char *key)
{
	static const char *const MORE[][2] = {
		{"client_cert", "client_key = /k"},
		{"client_key", "client_cert = /c"},
		{"endpoint", "credentials_file = /c"},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(MORE); i++)
		if (strcmp(MORE[i][0], key) == 0)
			return MORE[i][1];
	return "";
}

/* The key on line 2; what is needed beside stands behind it. */
static void print_setting(struct buf *text, const struct key_case *row, const char *value)
{
	const char *section = SCHEMA_LOADER.sections[row->section].name;
	bool root = row->section == SCHEMA_LOADER_ROOT;
	bool api = strcmp(row->key, "api_url") == 0;
	bool salts = strcmp(row->key, "salts_file") == 0;

	buf_reset(text);
	buf_printf(text, "%s%s\n%s = %s\n%s%s\n", root ? "" : section, root ? "" : " {", row->key,
		   value, more_of(row->key), root ? "" : "}");
	buf_printf(text, "%s\n%s\ntrust_anchors%s\n", api ? "" : "api_url = \"https://a\"",
		   salts ? "" : "salts_file = \"/s\"", " = /a");
	if (strcmp(row->key, "trust_anchors") == 0)
		text->len -= strlen("trust_anchors = /a\n");
	assert_true(buf_ok(text));
}

static void take(struct slice text, struct conf_loader **ret_conf)
{
	struct err err = {0};

	*ret_conf = NULL;
	if (conf_loader_parse(text, "t", ret_conf, &err) < 0)
		fail_msg("refused: %s\n%.*s", err.text, (int)text.len, text.data);
}

static void refuse(struct slice text, struct err *err)
{
	struct conf_loader sentinel;
	struct conf_loader *conf = &sentinel;

	*err = (struct err){0};
	if (conf_loader_parse(text, "t", &conf, err) == 0)
		fail_msg("taken: %.*s", (int)text.len, text.data);
	assert_int_equal(err->code, ERR_INVALID);
	assert_ptr_equal(conf, &sentinel);
}

static void test_keys(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);
	struct conf_loader *conf;
	struct err err;
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_LEN(KEYS); i++) {
		for (j = 0; j < ARRAY_LEN(KEYS[i].good) && KEYS[i].good[j]; j++) {
			print_setting(&text, &KEYS[i], KEYS[i].good[j]);
			take(buf_slice(&text), &conf);
			conf_loader_free(conf);
		}
		assert_true(j > 0);
		for (j = 0; j < ARRAY_LEN(KEYS[i].bad) && KEYS[i].bad[j]; j++) {
			print_setting(&text, &KEYS[i], KEYS[i].bad[j]);
			refuse(buf_slice(&text), &err);
			assert_starts(err.text, "t:2: ");
			assert_has(err.text, KEYS[i].key);
		}
		assert_true(j > 0);
	}
}

/* The table above has a row for every key of the schema and none beside. */
static void test_keys_complete(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(SCHEMA_LOADER.field_count, ARRAY_LEN(KEYS));
	for (i = 0; i < ARRAY_LEN(KEYS); i++) {
		assert_int_equal(SCHEMA_LOADER.fields[i].section, KEYS[i].section);
		assert_string_equal(SCHEMA_LOADER.fields[i].key, KEYS[i].key);
	}
}

/* --- all of it --- */

static void test_defaults(void **state)
{
	CLEANUP(conf_loader_cleanup) struct conf_loader *conf = NULL;

	(void)state;
	take(slice_str(NEEDED), &conf);
	assert_string_equal(conf->listen, "127.0.0.1:8080");
	assert_string_equal(conf->cache_dir, "/var/cache/holdfast-loader");
	assert_string_equal(conf->holdfast_socket, "/run/holdfast/holdfast.sock");
	assert_string_equal(conf->docker_socket, "/var/run/docker.sock");
	assert_string_equal(conf->version, "latest");
	assert_string_equal(conf->formula, "v1-hw");
	assert_string_equal(conf->s3.region, "us-east-1");
	assert_null(conf->cdn_url);
	assert_null(conf->s3.endpoint);
	assert_null(conf->s3.bucket);
	assert_null(conf->s3.credentials_file);
	assert_null(conf->fingerprint_file);
	assert_null(conf->trust_anchors);
	assert_null(conf->images_path);
	assert_null(conf->images_artifact);
	assert_null(conf->manifest_anchors);
	assert_string_equal(conf->load_form, "v1");
	assert_null(conf->import_dir);
	assert_null(conf->token_file);
	assert_null(conf->client_key);
	assert_int_equal(conf->hosts.count, 0);
	assert_int_equal(conf->image_count, 0);
	assert_false(conf->unsigned_denied);
	assert_false(conf->unsigned_import);
	assert_false(conf->dev);
	assert_int_equal(conf->rate_limit, 0);
	assert_int_equal(conf->resource_max, UINT64_C(8) << 30);
	assert_int_equal(conf->downloads, 2);
}

static void test_values(void **state)
{
	CLEANUP(conf_loader_cleanup) struct conf_loader *conf = NULL;

	(void)state;
	take(slice_str(NEEDED "images = {\"r/app:1.2\", \"db=sha256:" ID_64 "\"}\n"
			      "legacy { unsigned = deny unsigned_import = allow }\n"
			      "trust_anchors = /a\n"
			      "s3 { credentials_file = /c bucket = b }"),
	     &conf);
	assert_int_equal(conf->image_count, 2);
	assert_string_equal(conf->images[0].ref, "r/app:1.2");
	assert_null(conf->images[0].id);
	assert_string_equal(conf->images[1].ref, "db");
	assert_string_equal(conf->images[1].id, "sha256:" ID_64);
	assert_true(conf->unsigned_denied);
	assert_true(conf->unsigned_import);
	assert_string_equal(conf->s3.bucket, "b");
}

static const struct {
	const char *text;
	const char *has;
} TOGETHER[] = {
	{"salts_file = /s", "api_url is missing"},
	{"api_url = \"https://a\"", "salts_file is missing"},
	{NEEDED "cdn_url = \"https://c\" s3 { credentials_file = /c }", "two CDNs"},
	{NEEDED "s3 { endpoint = \"https://s\" }", "section s3: endpoint"},
	{NEEDED "s3 { endpoint = \"https://s\" }", "without credentials_file"},
	{NEEDED "client_cert = /c", "without client_key"},
	{NEEDED "client_key = /k", "without client_cert"},
	{NEEDED "legacy { unsigned = deny }", "no trust_anchors"},
	{NEEDED "images_artifact = \"i/a\" images_path = /i trust_anchors = /a", "two archives"},
	{NEEDED "images_artifact = \"i/a\"", "images_artifact is there"},
	{NEEDED "images_artifact = \"i/a\" trust_anchors = /a manifest_anchors = \"\"",
	 "no manifest_anchors"},
	{NEEDED "load_form = newest", "load_form is not"},
	{NEEDED "load_form = v2 manifest_anchors = \"\" trust_anchors = /a", "load_form is not"},
	{NEEDED "s3 { unsigned = deny }", "t:2: no such option 'unsigned'; allowed: endpoint,"},
	{NEEDED "tpm { }", "t:2: no such option 'tpm'; see holdfast-loader.conf(5)"},
	{NEEDED "s3 { ", "t:2: the file ends inside"},
	{NEEDED "s3 } ", "t:2: "},
};

static void test_together(void **state)
{
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(TOGETHER); i++) {
		refuse(slice_str(TOGETHER[i].text), &err);
		assert_starts(err.text, "t:");
		assert_has(err.text, TOGETHER[i].has);
	}
}

/* Who signs manifests: its own file, that of version 1, or nobody. */
static void test_manifest_anchors(void **state)
{
	static const struct {
		const char *text;
		const char *anchors; /* NULL: none */
	} ROWS[] = {
		{NEEDED "trust_anchors = /a", "/a"},
		{NEEDED "trust_anchors = /a manifest_anchors = /m", "/m"},
		{NEEDED "manifest_anchors = /m", "/m"},
		{NEEDED "trust_anchors = /a manifest_anchors = \"\"", ""},
		{NEEDED "", NULL},
	};
	struct conf_loader *conf;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ROWS); i++) {
		take(slice_str(ROWS[i].text), &conf);
		if (ROWS[i].anchors)
			assert_string_equal(conf->manifest_anchors, ROWS[i].anchors);
		else
			assert_null(conf->manifest_anchors);
		conf_loader_free(conf);
	}
}

static void test_too_many_images(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(4096);
	struct err err;
	unsigned i;

	(void)state;
	buf_put_str(&text, NEEDED "images = {a0");
	for (i = 1; i <= 32; i++)
		buf_printf(&text, ", a%u", i);
	buf_put_str(&text, "}");
	assert_true(buf_ok(&text));
	refuse(buf_slice(&text), &err);
	assert_has(err.text, "images has too many entries; allowed: 32");
}

/* --- the environment --- */

static void test_environment(void **state)
{
	CLEANUP(conf_loader_cleanup) struct conf_loader *conf = NULL;
	struct err err;

	(void)state;
	assert_int_equal(setenv("RESOURCE_API_URL", "https://other:1", 1), 0);
	assert_int_equal(setenv("IMAGES_PATH", "/images", 1), 0);
	assert_int_equal(setenv("API_VERSION", "7", 1), 0);
	take(slice_str(NEEDED "version = 6"), &conf);
	assert_string_equal(conf->api_url, "https://other:1");
	assert_string_equal(conf->images_path, "/images");
	assert_string_equal(conf->version, "7");
	refuse(slice_str(NEEDED "trust_anchors = /a images_artifact = \"i/a\""), &err);
	assert_has(err.text, "two archives");
	assert_int_equal(setenv("API_VERSION", "../x", 1), 0);
	refuse(slice_str(NEEDED), &err);
	assert_has(err.text, "the environment's API_VERSION: version = ");
	/* Empty is not there. */
	assert_int_equal(setenv("API_VERSION", "", 1), 0);
	conf_loader_free(TAKE(conf));
	take(slice_str(NEEDED "version = 6"), &conf);
	assert_string_equal(conf->version, "6");
	assert_int_equal(unsetenv("RESOURCE_API_URL"), 0);
	assert_int_equal(unsetenv("IMAGES_PATH"), 0);
	assert_int_equal(unsetenv("API_VERSION"), 0);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_keys),	    cmocka_unit_test(test_keys_complete),
		cmocka_unit_test(test_defaults),    cmocka_unit_test(test_values),
		cmocka_unit_test(test_together),    cmocka_unit_test(test_too_many_images),
		cmocka_unit_test(test_environment), cmocka_unit_test(test_manifest_anchors),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
