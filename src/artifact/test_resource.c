/* SPDX-License-Identifier: Apache-2.0 */
/* What may be a name, and what must never become a path. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/resource.h"
#include "base/mem.h"

static int check(struct slice folder, struct slice name)
{
	const struct resource resource = {.folder = folder, .name = name};
	struct err err = {0};
	int r = resource_check(&resource, &err);

	assert_int_equal(r, err.code);
	return r;
}

static void test_names(void **state)
{
	static const char *const good[] = {
		"a",  "A",     "0",	  "-",	       "_",   "a.b",  "a..b", "net-1.2_x.onnx",
		"a.", "small", "a.Small", "a.small.x", "big", "sig-", "-rf",  "CON",
	};
	static const char *const bad[] = {
		"",	   ".",	    "..",    "...",	 ".hidden",	"../a",	    "a/b",
		"/a",	   "a/",    "a\\b",  "..\\a",	 "%2e%2e",	"a%2fb",    "a b",
		" a",	   "a\n",   "a\t",   "a:b",	 "a;b",		"a?b",	    "a#b",
		"a*",	   "~",	    "a@b",   "\xc3\xa4", "\xff",	"\xc0\xae", "\xef\xbc\x8e",
		"a.small", "a.big", "a.sig", ".small",	 "x.small.sig",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(check(slice_str("models"), slice_str(good[i])), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(check(slice_str("models"), slice_str(bad[i])), ERR_INVALID);
	assert_int_equal(check(slice_str("models"), slice_of("a\0b", 3)), ERR_INVALID);
	assert_int_equal(check(slice_str("models"), slice_of("a\0", 2)), ERR_INVALID);
	assert_int_equal(check(slice_str("models"), slice_of(NULL, 0)), ERR_INVALID);
}

/* Every byte there is, at each end and alone. */
static void test_bytes(void **state)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		const uint8_t text[] = {(uint8_t)c, 'm', (uint8_t)c};
		bool good = c && strchr(allowed, (int)c);

		assert_int_equal(check(slice_str("f"), slice_of(text + 1, 2)) == 0, good);
		assert_int_equal(check(slice_str("f"), slice_of(text, 2)) == 0, good && c != '.');
		assert_int_equal(check(slice_of(text + 1, 2), slice_str("n")) == 0, good);
		assert_int_equal(check(slice_of(text, 2), slice_str("n")) == 0, good && c != '.');
	}
}

static void test_folders(void **state)
{
	(void)state;
	assert_int_equal(check(slice_str("models.big"), slice_str("a")), 0);
	assert_int_equal(check(slice_str(""), slice_str("a")), ERR_INVALID);
	assert_int_equal(check(slice_str("a/b"), slice_str("a")), ERR_INVALID);
	assert_int_equal(check(slice_str(".."), slice_str("a")), ERR_INVALID);
	assert_int_equal(check(slice_str("."), slice_str("a")), ERR_INVALID);
}

static void test_lengths(void **state)
{
	char text[RESOURCE_FILE_MAX + 2], file[RESOURCE_FILE_MAX + 1] = "kept";
	struct err err = {0};

	(void)state;
	memset(text, 'n', sizeof(text));
	for (size_t len = 1; len < sizeof(text); len++) {
		bool name = len <= RESOURCE_NAME_MAX;

		assert_int_equal(check(slice_str("f"), slice_of(text, len)) == 0, name);
		assert_int_equal(check(slice_of(text, len), slice_str("n")) == 0,
				 len <= RESOURCE_FOLDER_MAX);
		assert_int_equal(
			resource_file(slice_of(text, len), RESOURCE_SMALL, file, &err) == 0, name);
	}
	assert_int_equal(strlen(file), RESOURCE_FILE_MAX);
}

static void test_files(void **state)
{
	char file[RESOURCE_FILE_MAX + 1] = "kept";
	struct err err = {0};

	(void)state;
	assert_int_equal(resource_file(slice_str("../a"), RESOURCE_BIG, file, &err), ERR_INVALID);
	assert_string_equal(file, "kept");
	assert_int_equal(resource_file(slice_str("net.bin"), RESOURCE_SMALL, file, &err), 0);
	assert_string_equal(file, "net.bin.small");
	assert_int_equal(resource_file(slice_str("net.bin"), RESOURCE_BIG, file, &err), 0);
	assert_string_equal(file, "net.bin.big");
	assert_int_equal(resource_file(slice_str("net.bin"), RESOURCE_SIG, file, &err), 0);
	assert_string_equal(file, "net.bin.sig");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_folders), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
