/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher's file of a content key: read back for its release, and for no other. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/content_key.h"
#include "artifact/test_v2_fixture.h"

static struct secret *key;
static struct manifest *manifest;

static int make(void **state)
{
	(void)state;
	key = v2_key();
	manifest = v2_manifest(1000);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	secret_free(key);
	manifest_free(manifest);
	return 0;
}

static const char KEY[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
static const char DIGEST[] = "8e88bc3702ae7288a952c81263ea83a7e3c38f85fdf2bf898cd9ae2063805a22";

static int read_text(struct slice text)
{
	CLEANUP(secret_cleanup) struct secret *json = NULL, *back = NULL;
	struct err err = {0};
	int r;

	assert_int_equal(secret_copy(text, &json, &err), 0);
	r = content_key_read(json, manifest, &back, &err);
	assert_int_equal(r, err.code);
	assert_int_equal(back != NULL, r == 0);
	if (back)
		assert_true(slice_equal(secret_slice(back), secret_slice(key)));
	return r;
}

static void test_round(void **state)
{
	CLEANUP(buf_fini) struct buf wanted = BUF_INIT(CONTENT_KEY_MAX);
	CLEANUP(secret_cleanup) struct secret *json = NULL, *brief = NULL;
	struct err err = {0};

	(void)state;
	buf_printf(&wanted,
		   "{\"holdfast\":\"content key v2\",\"folder\":\"models\",\"name\":\"net.bin\","
		   "\"serial\":7,\"manifest\":\"%s\",\"key\":\"%s\"}\n",
		   DIGEST, KEY);
	assert_int_equal(content_key_write(manifest, key, &json, &err), 0);
	assert_true(slice_equal(secret_slice(json), buf_slice(&wanted)));
	assert_int_equal(read_text(secret_slice(json)), 0);
	assert_int_equal(secret_new(31, &brief, &err), 0);
	assert_int_equal(content_key_write(manifest, brief, &json, &err), ERR_INVALID);
}

/* The longest names there can be still fit. */
static void test_longest(void **state)
{
	CLEANUP(manifest_cleanup) struct manifest *longest = v2_manifest(1000);
	CLEANUP(secret_cleanup) struct secret *json = NULL, *back = NULL;
	struct err err = {0};

	(void)state;
	memset(longest->folder, 'f', RESOURCE_FOLDER_MAX);
	memset(longest->name, 'n', ARTIFACT_NAME_MAX);
	longest->serial = MANIFEST_SERIAL_MAX;
	assert_int_equal(content_key_write(longest, key, &json, &err), 0);
	assert_int_equal(content_key_read(json, longest, &back, &err), 0);
	assert_int_equal(content_key_read(json, manifest, &key, &err), ERR_WRONG_NAME);
}

static void test_refused(void **state)
{
	static const struct {
		const char *kind, *folder, *name;
		unsigned serial;
		const char *digest, *key, *end;
		int code;
	} rows[] = {
		{"content key v2", "models", "net.bin", 7, DIGEST, KEY, "}", 0},
		{"content key v3", "models", "net.bin", 7, DIGEST, KEY, "}", ERR_DAMAGED},
		{"content key v2", "model", "net.bin", 7, DIGEST, KEY, "}", ERR_WRONG_NAME},
		{"content key v2", "models", "net", 7, DIGEST, KEY, "}", ERR_WRONG_NAME},
		{"content key v2", "models", "net.bin", 8, DIGEST, KEY, "}", ERR_WRONG_NAME},
		{"content key v2", "models", "net.bin", 0, DIGEST, KEY, "}", ERR_DAMAGED},
		{"content key v2", "models", "net.bin", 7, "8e", KEY, "}", ERR_WRONG_NAME},
		{"content key v2", "models", "net.bin", 7, DIGEST, "AAEC", "}", ERR_DAMAGED},
		{"content key v2", "models", "net.bin", 7, DIGEST, "", "}", ERR_DAMAGED},
		{"content key v2", "models", "net.bin", 7, DIGEST, "*", "}", ERR_DAMAGED},
		{"content key v2", "models", "net.bin", 7, DIGEST, KEY, ",\"x\":1}", ERR_DAMAGED},
		{"content key v2", "models", "net.bin", 7, DIGEST, KEY, "", ERR_DAMAGED},
		{"content key v2", "models", "net.bin", 7, DIGEST, KEY, "}}", ERR_DAMAGED},
		{"content key v2", "models", "net.bin", 7, DIGEST, KEY, ",\"serial\":7}",
		 ERR_DAMAGED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(CONTENT_KEY_MAX);

		buf_printf(&text,
			   "{\"holdfast\":\"%s\",\"folder\":\"%s\",\"name\":\"%s\",\"serial\":%u,"
			   "\"manifest\":\"%s\",\"key\":\"%s\"%s",
			   rows[i].kind, rows[i].folder, rows[i].name, rows[i].serial,
			   rows[i].digest, rows[i].key, rows[i].end);
		assert_int_equal(read_text(buf_slice(&text)), rows[i].code);
	}
}

static void test_too_long(void **state)
{
	CLEANUP(secret_cleanup) struct secret *json = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CONTENT_KEY_MAX + 1);
	struct err err = {0};

	(void)state;
	assert_int_equal(read_text(slice_of(NULL, 0)), ERR_DAMAGED);
	assert_int_equal(content_key_write(manifest, key, &json, &err), 0);
	buf_put(&text, secret_slice(json));
	while (text.len < CONTENT_KEY_MAX)
		buf_put_u8(&text, '\n');
	assert_int_equal(read_text(buf_slice(&text)), 0);
	buf_put_u8(&text, '\n');
	assert_int_equal(read_text(buf_slice(&text)), ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
