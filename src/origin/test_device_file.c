/* SPDX-License-Identifier: Apache-2.0 */
/* Files of devices: what is written is read, and nothing else is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/json.h"
#include "origin/device_file.h"
#include "origin/folder.h"
#include "tests/support/folder.h"

#define EK_HEX "000b0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct wrap_public *key;
static char name_hex[WRAP_NAME_HEX];
static char public_text[1024];
static char root[64];
static int dir = -1;

static int begin(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX), text = BUF_INIT(1024);
	struct err err;

	(void)state;
	json_setup();
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &err), 0);
	assert_int_equal(wrap_public_of_software(pair, &area, &err), 0);
	assert_int_equal(wrap_public_read(buf_slice(&area), &key, &err), 0);
	wrap_public_hex(key, name_hex);
	base64_encode(&text, buf_slice(&area));
	(void)snprintf(public_text, sizeof(public_text), "%.*s", (int)text.len, text.data);
	(void)snprintf(root, sizeof(root), "/tmp/hf-devices-XXXXXX");
	assert_non_null(mkdtemp(root));
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	wrap_public_free(key);
	close(dir);
	return folder_remove_all(root);
}

static int parse(const char *text, struct device_file *ret_file)
{
	struct err err;

	return device_file_parse(slice_str(text), wrap_public_name(key).data, ret_file, &err);
}

/* $P is the public area, $N its Name. */
static const char *fill(const char *pattern)
{
	static char text[8192];
	size_t len = 0;

	for (; *pattern; pattern++) {
		const char *part = pattern[0] != '$'   ? NULL
				   : pattern[1] == 'P' ? public_text
						       : name_hex;

		len += (size_t)snprintf(text + len, sizeof(text) - len, part ? "%s" : "%.1s",
					part ? part : pattern);
		pattern += part != NULL;
	}
	return text;
}

#define KEY  "\"storage_key\":{\"public\":\"$P\",\"name\":\"$N\"}"
#define REST "\"protection\":\"tpm\",\"ek_name\":null,\"enrolled\":5"

static void test_good(void **state)
{
	struct device_file file;

	(void)state;
	assert_int_equal(parse(fill("{" KEY "," REST "}"), &file), 0);
	assert_true(file.in_tpm);
	assert_false(file.has_ek);
	assert_int_equal(file.enrolled, 5);
	assert_memory_equal(file.name, wrap_public_name(key).data, WRAP_NAME_SIZE);
	assert_int_equal(parse(fill("{\"enrolled\":0,\"ek_name\":\"" EK_HEX
				    "\", \"protection\":\"software\"," KEY "}\n"),
			       &file),
			 0);
	assert_false(file.in_tpm);
	assert_true(file.has_ek);
	assert_memory_equal(file.ek_name, "\x00\x0b\x01\x23\x45", 5);
	assert_false(file.refused);
	assert_int_equal(parse(fill("{" KEY "," REST ",\"refused\":false}"), &file), 0);
	assert_false(file.refused);
	assert_int_equal(parse(fill("{" KEY "," REST ",\"refused\":true}"), &file), 0);
	assert_true(file.refused);
}

static void test_bad(void **state)
{
	static const char *const rows[] = {
		"",
		"null",
		"{}",
		"{" KEY "," REST,
		"{" KEY "," REST "} more",
		"{" KEY "," REST ",\"more\":1}",
		"{" KEY "," REST ",\"enrolled\":5}",
		"{" KEY "," REST ",\"refused\":null}",
		"{" KEY "," REST ",\"refused\":\"true\"}",
		"{" KEY "," REST ",\"refused\":1}",
		"{" REST "}",
		"{\"storage_key\":null," REST "}",
		"{\"storage_key\":\"$P\"," REST "}",
		"{\"storage_key\":{\"name\":\"$N\"}," REST "}",
		"{\"storage_key\":{\"public\":\"$P\"}," REST "}",
		"{\"storage_key\":{\"public\":\"$P\",\"name\":\"$N\",\"type\":\"x\"}," REST "}",
		"{\"storage_key\":{\"public\":\"AAAA\",\"name\":\"$N\"}," REST "}",
		"{\"storage_key\":{\"public\":\"$PAA==\",\"name\":\"$N\"}," REST "}",
		"{\"storage_key\":{\"public\":1,\"name\":\"$N\"}," REST "}",
		"{\"storage_key\":{\"public\":\"$P\",\"name\":\"" EK_HEX "\"}," REST "}",
		"{\"storage_key\":{\"public\":\"$P\",\"name\":\"$N0\"}," REST "}",
		"{" KEY ",\"ek_name\":null,\"enrolled\":5}",
		"{" KEY ",\"protection\":\"TPM\",\"ek_name\":null,\"enrolled\":5}",
		"{" KEY ",\"protection\":null,\"ek_name\":null,\"enrolled\":5}",
		"{" KEY ",\"protection\":\"tpm\",\"enrolled\":5}",
		"{" KEY ",\"protection\":\"tpm\",\"ek_name\":\"\",\"enrolled\":5}",
		"{" KEY ",\"protection\":\"tpm\",\"ek_name\":\"000b\",\"enrolled\":5}",
		"{" KEY ",\"protection\":\"tpm\",\"ek_name\":false,\"enrolled\":5}",
		"{" KEY ",\"protection\":\"tpm\",\"ek_name\":null}",
		"{" KEY ",\"protection\":\"tpm\",\"ek_name\":null,\"enrolled\":-1}",
		"{" KEY ",\"protection\":\"tpm\",\"ek_name\":null,\"enrolled\":\"5\"}",
		"{" KEY ",\"protection\":\"tpm\",\"ek_name\":null,\"enrolled\":1.5}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct device_file file = {.enrolled = 77};

		if (parse(fill(rows[i]), &file) != ERR_UNREADABLE || file.enrolled != 77)
			fail_msg("%s", rows[i]);
	}
}

/* A file under another's name is nobody's. */
static void test_other_name(void **state)
{
	uint8_t name[WRAP_NAME_SIZE];
	struct device_file file;
	struct err err;

	(void)state;
	memcpy(name, wrap_public_name(key).data, sizeof(name));
	name[WRAP_NAME_SIZE - 1] ^= 1;
	assert_int_equal(
		device_file_parse(slice_str(fill("{" KEY "," REST "}")), name, &file, &err),
		ERR_UNREADABLE);
}

static void test_disk(void **state)
{
	struct device_file made = {.in_tpm = true, .has_ek = true, .enrolled = 1234567890}, file;
	const uint8_t *name = wrap_public_name(key).data;
	char path[WRAP_NAME_HEX + 8];
	struct err err;

	(void)state;
	memcpy(made.name, name, WRAP_NAME_SIZE);
	memset(made.ek_name, 0xab, WRAP_NAME_SIZE);
	assert_int_equal(device_file_read(dir, name, &file, &err), ERR_NOT_FOUND);
	assert_int_equal(device_file_add(dir, &made, wrap_public_area(key), &err), 0);
	assert_int_equal(device_file_read(dir, name, &file, &err), 0);
	assert_true(file.in_tpm && file.has_ek && file.enrolled == made.enrolled);
	assert_memory_equal(file.ek_name, made.ek_name, WRAP_NAME_SIZE);
	/* What was recorded once stays, also what cannot be read. */
	memset(made.ek_name, 0xcd, WRAP_NAME_SIZE);
	assert_int_equal(device_file_add(dir, &made, wrap_public_area(key), &err), ERR_CONFLICT);
	assert_int_equal(device_file_read(dir, name, &file, &err), 0);
	assert_int_equal(file.ek_name[0], 0xab);
	(void)snprintf(path, sizeof(path), "%s.json", name_hex);
	assert_int_equal(
		folder_write(dir, FOLDER_DEVICES, path, slice_str("{\"storage_key\""), &err), 0);
	assert_int_equal(device_file_read(dir, name, &file, &err), ERR_UNREADABLE);
	assert_int_equal(device_file_add(dir, &made, wrap_public_area(key), &err), ERR_CONFLICT);
}

static void test_large(void **state)
{
	static char text[DEVICE_FILE_MAX + 2];
	char path[WRAP_NAME_HEX + 8];
	struct device_file file;
	struct err err;

	(void)state;
	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, fill("{" KEY "," REST "}"), strlen(fill("{" KEY "," REST "}")));
	(void)snprintf(path, sizeof(path), "%s.json", name_hex);
	assert_int_equal(folder_write(dir, FOLDER_DEVICES, path, slice_str(text), &err), 0);
	assert_int_equal(device_file_read(dir, wrap_public_name(key).data, &file, &err),
			 ERR_UNREADABLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_good), TEST(test_bad),   TEST(test_other_name),
		TEST(test_disk), TEST(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
