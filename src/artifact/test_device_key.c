/* SPDX-License-Identifier: Apache-2.0 */
/* One device's line: other software's opens, ours reads back, and what is none is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/device_key.h"
#include "artifact/test_v2_fixture.h"
#include "artifact/v1.h"
#include "base/base64.h"
#include "tests/vectors/v2.inc"

static struct pkey *pair;
static struct wrap_public *storage;
static uint8_t digest[MANIFEST_DIGEST];

static int make(void **state)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(4096), area = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(MANIFEST_DIGEST);
	struct err err = {0};

	(void)state;
	v2_base64(V2_P256_PAIR, &p8);
	v2_hex(V2_P256_AREA, &area);
	v2_hex(V2_FILE_DIGEST, &bytes);
	memcpy(digest, bytes.data, MANIFEST_DIGEST);
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &pair, &err), 0);
	assert_int_equal(wrap_public_read(buf_slice(&area), &storage, &err), 0);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	pkey_free(pair);
	wrap_public_free(storage);
	return 0;
}

/* Line to content key, as a device does it. */
static int open_line(struct slice line, struct secret **ret_key, struct err *err)
{
	CLEANUP(device_key_cleanup) struct device_key key = DEVICE_KEY_INIT;
	CLEANUP(secret_cleanup) struct secret *content = NULL;
	struct duplicate duplicate;
	int r = device_key_parse(line, &key, err);

	if (r < 0)
		return r;
	duplicate = duplicate_of(&key.wrapped);
	assert_true(
		slice_equal(slice_of(key.storage_key, WRAP_NAME_SIZE), wrap_public_name(storage)));
	assert_memory_equal(key.manifest, digest, MANIFEST_DIGEST);
	r = duplicate_open(pair, storage, &duplicate, &content, err);
	return r < 0 ? r : device_key_take(content, digest, ret_key, err);
}

static void assert_opens(struct slice line)
{
	CLEANUP(secret_cleanup) struct secret *wanted = v2_key();
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	struct err err = {0};

	assert_int_equal(open_line(line, &key, &err), 0);
	assert_true(slice_equal(secret_slice(key), secret_slice(wanted)));
}

static void test_vector(void **state)
{
	char hex[WRAP_NAME_HEX];

	(void)state;
	wrap_public_hex(storage, hex);
	assert_string_equal(hex, V2_P256_NAME);
	assert_opens(slice_str(V2_P256_LINE));
	assert_opens(slice_str(V2_P256_LINE "\n"));
}

static void test_make(void **state)
{
	CLEANUP(secret_cleanup) struct secret *key = v2_key();
	CLEANUP(secret_cleanup) struct secret *brief = NULL;
	CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX), tight = BUF_INIT(9);
	struct err err = {0};

	(void)state;
	assert_int_equal(device_key_make(storage, key, digest, &line, &err), 0);
	assert_memory_equal(line.data, DEVICE_KEY_PREFIX V2_P256_NAME "\",",
			    strlen(DEVICE_KEY_PREFIX) + WRAP_NAME_HEX + 1);
	assert_int_equal(line.data[line.len - 1], '\n');
	assert_ptr_equal(memchr(line.data, '\n', line.len), line.data + line.len - 1);
	assert_opens(buf_slice(&line));
	assert_int_equal(line.len, strlen(V2_P256_LINE) + 1);
	assert_int_equal(device_key_make(storage, key, digest, &tight, &err), ERR_INTERNAL);
	assert_int_equal(secret_new(PAYLOAD_KEY + 1, &brief, &err), 0);
	assert_int_equal(device_key_make(storage, brief, digest, &line, &err), ERR_INVALID);
}

/* A member's text is put in the place of the vector's. */
static void replaced(const char *from, const char *to, struct buf *ret_line)
{
	const char *line = V2_P256_LINE;
	const char *at = strstr(line, from);

	assert_non_null(at);
	buf_put(ret_line, slice_of(line, (size_t)(at - line)));
	buf_put_str(ret_line, to);
	buf_put_str(ret_line, at + strlen(from));
}

static void test_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"{", "["},
		{"}", ""},
		{"}", "}x"},
		{"}", ",\"more\":1}"},
		{"}", ",\"seed\":\"AAA=\"}"},
		{"\"storage_key\":\"000b", "\"storage_key\":\"000c"},
		{"\"storage_key\":\"000b", "\"storage_key\":\"000B"},
		{"\"storage_key\":\"000b", "\"storage_key\":\"00"},
		{"\"storage_key\":\"000b", "\"storage_key\":\"000b00"},
		{"\"storage_key\"", "\"storage\""},
		{"\"manifest\":\"8", "\"manifest\":\"g"},
		{"\"manifest\":\"8", "\"manifest\":\""},
		{"\"manifest\":\"8", "\"manifest\":\"\\u0000"},
		{"\"public\":\"AC4A", "\"public\":\"AC4B"},
		{"\"public\":\"AC4ACAAL", "\"public\":\"AC4ACAAM"},
		{"\"public\":\"AC4ACAALAAAEQ", "\"public\":\"AC4ACAALAAAEA"},
		{"\"public\":\"AC4A", "\"public\":\"AC4"},
		{"\"duplicate\":\"AIwA", "\"duplicate\":\"AIsA"},
		{"\"duplicate\":\"AIwAI", "\"duplicate\":\"AIwAH"},
		{"\"duplicate\":\"A", "\"duplicate\":\"*"},
		{"\"seed\":\"AEQ", "\"seed\":\"AEU"},
		{"\"seed\":\"AEQ", "\"seed\":7,\"x\":\"AEQ"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf line = BUF_INIT(2 * DEVICE_KEY_LINE_MAX);
		CLEANUP(device_key_cleanup) struct device_key key = DEVICE_KEY_INIT;
		struct err err = {0};

		replaced(rows[i].from, rows[i].to, &line);
		assert_int_equal(device_key_parse(buf_slice(&line), &key, &err), ERR_DAMAGED);
		assert_int_equal(key.wrapped.seed.len, 0);
	}
}

static void test_lengths(void **state)
{
	CLEANUP(buf_fini) struct buf line = BUF_INIT(2 * DEVICE_KEY_LINE_MAX);
	CLEANUP(device_key_cleanup) struct device_key key = DEVICE_KEY_INIT;
	struct err err = {0};

	(void)state;
	buf_put_str(&line, V2_P256_LINE);
	for (size_t len = 0; len < line.len; len++)
		assert_int_equal(device_key_parse(slice_of(line.data, len), &key, &err),
				 ERR_DAMAGED);
	while (line.len < DEVICE_KEY_LINE_MAX)
		buf_put_u8(&line, ' ');
	assert_int_equal(device_key_parse(buf_slice(&line), &key, &err), 0);
	assert_int_equal(device_key_parse(buf_slice(&line), &key, &err), 0);
	buf_put_u8(&line, ' ');
	assert_int_equal(device_key_parse(buf_slice(&line), &key, &err), ERR_DAMAGED);
	assert_true(key.wrapped.seed.len > 0);
}

/* Each bit of what is wrapped: it does not open. */
static void test_changed(void **state)
{
	CLEANUP(device_key_cleanup) struct device_key key = DEVICE_KEY_INIT;
	struct buf *const parts[] = {&key.wrapped.public_area, &key.wrapped.private_area,
				     &key.wrapped.seed};
	struct err err = {0};

	(void)state;
	assert_int_equal(device_key_parse(slice_str(V2_P256_LINE), &key, &err), 0);
	for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
		for (size_t bit = 0; bit < 8 * parts[p]->len; bit += 3) {
			const struct duplicate duplicate = duplicate_of(&key.wrapped);
			struct secret *content = NULL;

			parts[p]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(duplicate_open(pair, storage, &duplicate, &content, &err),
					 ERR_DAMAGED);
			parts[p]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void test_take(void **state)
{
	static const size_t sizes[] = {0, 1, 32, 63, 64, 65, 96};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(secret_cleanup) struct secret *content = NULL, *key = NULL;
		struct err err = {0};
		bool whole = sizes[i] == 64;

		assert_int_equal(secret_new(sizes[i], &content, &err), 0);
		if (sizes[i] >= 64)
			memcpy(secret_data(content) + 32, digest, MANIFEST_DIGEST);
		assert_int_equal(device_key_take(content, digest, &key, &err),
				 whole ? 0 : ERR_DAMAGED);
		assert_int_equal(key != NULL, whole);
		if (!whole) {
			assert_string_equal(err.text, V1_DOES_NOT_OPEN);
			continue;
		}
		for (size_t k = 32; k < 64; k++) {
			struct secret *none = NULL;

			secret_data(content)[k] ^= 0x80;
			assert_int_equal(device_key_take(content, digest, &none, &err),
					 ERR_DAMAGED);
			secret_data(content)[k] ^= 0x80;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),	cmocka_unit_test(test_make),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_changed), cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
