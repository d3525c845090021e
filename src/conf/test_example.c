/* SPDX-License-Identifier: Apache-2.0 */
/* The files that document the keys: the example as it is installed, and the manual page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/loader.h"
#include "conf/schema.h"
#include "conf/test_fixture.h"
#include "conf/value.h"

static const char *example_path;
static const char *manual_path;
static const char *loader_example_path;
static const char *loader_manual_path;

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
	conf_free(conf);
}

/* --- the loader's --- */

static void parse_loader(struct slice text, struct conf_loader **ret_conf)
{
	struct err err = {0};

	*ret_conf = NULL;
	if (conf_loader_parse(text, "t", ret_conf, &err) < 0)
		fail_msg("%s", err.text);
}

/* Nothing in it is in force but the two keys that have no default. */
static void test_loader_example_as_it_stands(void **state)
{
	static const char NEEDED[] = "api_url = \"https://api.example.com\"\n"
				     "salts_file = \"/etc/holdfast/loader.salts\"\n";
	CLEANUP(conf_loader_cleanup) struct conf_loader *example = NULL;
	CLEANUP(conf_loader_cleanup) struct conf_loader *needed = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MIB);
	const struct schema_field *field;
	size_t i;

	(void)state;
	read_text(loader_example_path, &text);
	parse_loader(slice_of(text.data, text.len - 1), &example);
	parse_loader(slice_str(NEEDED), &needed);
	for (i = 0; i < SCHEMA_LOADER.field_count; i++) {
		field = &SCHEMA_LOADER.fields[i];
		if (!value_same(field, example, needed))
			fail_msg("%s differs", field->key);
	}
}

/* Whatever has a default shows it; what has none shows something that is taken. */
static void test_loader_example_uncommented(void **state)
{
	CLEANUP(conf_loader_cleanup) struct conf_loader *example = NULL;
	CLEANUP(conf_loader_cleanup) struct conf_loader *needed = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MIB);
	const struct schema_field *field;
	size_t i;

	(void)state;
	read_text(loader_example_path, &text);
	uncomment(&text);
	parse_loader(slice_of(text.data, text.len - 1), &example);
	parse_loader(slice_str("api_url = \"https://a\" salts_file = /s"), &needed);
	for (i = 0; i < SCHEMA_LOADER.field_count; i++) {
		field = &SCHEMA_LOADER.fields[i];
		/* Two CDNs, or two archives, cannot be shown at once. */
		if (strcmp(field->key, "cdn_url") != 0 &&
		    strcmp(field->key, "images_artifact") != 0 &&
		    value_same(field, example, needed) != (field->def != NULL))
			fail_msg("%s %s", field->key,
				 field->def ? "is not its default" : "is not shown");
	}
}

/* --- all keys --- */

/* "KEY = " in the example, "*KEY* = " in the manual page. */
static void assert_documents(const struct schema *schema, const char *path, const char *mark)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(MIB);
	char wanted[80];
	size_t i;

	read_text(path, &text);
	for (i = 0; i < schema->field_count; i++) {
		(void)snprintf(wanted, sizeof(wanted), "%s%s%s = ", mark, schema->fields[i].key,
			       mark);
		assert_has((const char *)text.data, wanted);
	}
}

static void test_documented(void **state)
{
	(void)state;
	assert_documents(&SCHEMA_HOLDFAST, example_path, "");
	assert_documents(&SCHEMA_HOLDFAST, manual_path, "*");
	assert_documents(&SCHEMA_LOADER, loader_example_path, "");
	assert_documents(&SCHEMA_LOADER, loader_manual_path, "*");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_example_as_it_stands),
		cmocka_unit_test(test_example_uncommented),
		cmocka_unit_test(test_loader_example_as_it_stands),
		cmocka_unit_test(test_loader_example_uncommented),
		cmocka_unit_test(test_documented),
	};

	if (argc != 5) {
		(void)fprintf(stderr, "usage: %s EXAMPLE MANUAL EXAMPLE MANUAL (the loader's)\n",
			      argv[0]);
		return 2;
	}
	example_path = argv[1];
	manual_path = argv[2];
	loader_example_path = argv[3];
	loader_manual_path = argv[4];
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
