/* SPDX-License-Identifier: Apache-2.0 */
/* The files that document the keys: the example as it is installed, and the manual page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/test_fixture.h"

static const char *example_path;
static const char *manual_path;

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
	static const struct CMUnitTest TESTS[] = {
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
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
