/* SPDX-License-Identifier: Apache-2.0 */
/* Devices as files tell them, and their keys, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/fleet.h"
#include "cmd/holdfast/key_lines.h"
#include "tests/support/folder.h"

#define DEVICES	     12u
#define AREA_FLAGS   9u	   /* the lowest byte of the attributes, in a TPM2B_PUBLIC */
#define FLAGS_OF_TPM 0x32u /* fixedTPM, fixedParent, sensitiveDataOrigin */
#define JSON_ROOM    4096u
#define LINES_ROOM   65536u

static struct pkey *pairs[DEVICES];
static struct buf areas[DEVICES];
static char root[64];
static int dir = -1;
static const uint8_t MANIFEST[MANIFEST_DIGEST] = {1, 2, 3};
static struct secret *content_key;

static int begin(void **state)
{
	struct err err = {0};

	(void)state;
	json_setup();
	(void)snprintf(root, sizeof(root), "/tmp/hf-fleet-XXXXXX");
	assert_non_null(mkdtemp(root));
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(secret_new(PAYLOAD_KEY, &content_key, &err), 0);
	memset(secret_data(content_key), 7, PAYLOAD_KEY);
	for (unsigned i = 0; i < DEVICES; i++) {
		areas[i] = (struct buf)BUF_INIT(WRAP_PUBLIC_MAX);
		assert_int_equal(pkey_generate(PKEY_ECC_P256, &pairs[i], &err), 0);
		assert_int_equal(wrap_public_of_software(pairs[i], &areas[i], &err), 0);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DEVICES; i++) {
		pkey_free(pairs[i]);
		buf_fini(&areas[i]);
	}
	secret_free(content_key);
	close(dir);
	return folder_remove_all(root);
}

/* --- files --- */

enum kind { OF_DEVICE, OF_ORIGIN, NO_NAME, OTHER_NAME, NO_PUBLIC, NO_PROTECTION };

/* @tpm: with the attributes of a key that is a TPM's. */
static void file_of(unsigned i, bool tpm, const char *says, enum kind kind, struct buf *ret_json)
{
	CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL;
	CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
	char hex[WRAP_NAME_HEX];
	struct err err = {0};

	buf_put(&area, buf_slice(&areas[i]));
	area.data[AREA_FLAGS] |= tpm ? FLAGS_OF_TPM : 0u;
	assert_int_equal(wrap_public_read(buf_slice(&area), &storage, &err), 0);
	wrap_public_hex(storage, hex);
	hex[10] = kind == OTHER_NAME ? (hex[10] == '0' ? '1' : '0') : hex[10];
	buf_put_str(ret_json, kind == OF_ORIGIN ? "{\"storage_key\":{" : "{\"type\":\"x\",");
	if (kind != NO_PUBLIC) {
		buf_put_str(ret_json, "\"public\":\"");
		base64_encode(ret_json, buf_slice(&area));
		buf_put_str(ret_json, "\",");
	}
	buf_printf(ret_json, "\"%s\":\"%s\"", kind == NO_NAME ? "nome" : "name", hex);
	buf_put_str(ret_json, kind == OF_ORIGIN ? "},\"ek_name\":null" : "");
	if (kind != NO_PROTECTION)
		buf_printf(ret_json, ",\"protection\":\"%s\"", says);
	buf_put_str(ret_json, "}");
	assert_true(buf_ok(ret_json));
}

static void files_are_read(void **state)
{
	static const struct {
		bool tpm;
		const char *says;
		enum kind kind;
		int result;
	} ROWS[] = {
		{true, "tpm", OF_DEVICE, 0},
		{true, "tpm", OF_ORIGIN, 0},
		{false, "software", OF_DEVICE, 0},
		{false, "tpm", OF_ORIGIN, 0},
		{true, "tpm", NO_NAME, ERR_INVALID},
		{true, "tpm", OTHER_NAME, ERR_DAMAGED},
		{true, "tpm", NO_PUBLIC, ERR_INVALID},
		{true, "tpm", NO_PROTECTION, ERR_INVALID},
		{true, "hsm", OF_DEVICE, ERR_NOT_SUPPORTED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL;
		CLEANUP(buf_fini) struct buf json = BUF_INIT(JSON_ROOM);
		enum manifest_protection says = MANIFEST_PROTECTIONS;
		struct err err = {0};

		file_of(0, ROWS[i].tpm, ROWS[i].says, ROWS[i].kind, &json);
		assert_int_equal(fleet_read(buf_slice(&json), &storage, &says, &err),
				 ROWS[i].result);
		assert_true(!storage == (ROWS[i].result != 0));
		if (!storage)
			continue;
		assert_string_equal(manifest_protection_name(says), ROWS[i].says);
		assert_true(!wrap_public_unfit(storage) == ROWS[i].tpm);
	}
}

static void no_files(void **state)
{
	static const char *const TEXTS[] = {
		"",
		"{}",
		"[]",
		"{\"storage_key\":7,\"protection\":\"tpm\"}",
		"{\"storage_key\":null,\"protection\":\"tpm\"}",
		"{\"public\":\"AAAA\",\"name\":\"x\",\"protection\":\"tpm\"}",
		"{\"public\":\"?\",\"name\":\"x\",\"protection\":\"tpm\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
		struct wrap_public *storage = NULL;
		enum manifest_protection says = MANIFEST_PROTECTIONS;
		struct err err = {0};

		assert_true(fleet_read(slice_str(TEXTS[i]), &storage, &says, &err) < 0);
		assert_null(storage);
	}
}

/* --- the policy --- */

static void unfit_keys_are_refused(void **state)
{
	static const struct {
		enum manifest_protection least;
		bool tpm, of_folder;
		const char *says;
		int result;
		size_t count, left_out;
	} ROWS[] = {
		{MANIFEST_TPM, true, false, "tpm", 0, 1, 0},
		{MANIFEST_TPM, true, true, "tpm", 0, 1, 0},
		{MANIFEST_TPM, false, false, "tpm", ERR_INVALID, 0, 0},
		{MANIFEST_TPM, false, false, "software", ERR_INVALID, 0, 0},
		{MANIFEST_TPM, false, true, "tpm", ERR_INVALID, 0, 0},
		{MANIFEST_TPM, false, true, "software", 0, 0, 1},
		{MANIFEST_SOFTWARE, false, false, "software", 0, 1, 0},
		{MANIFEST_SOFTWARE, false, true, "software", 0, 1, 0},
		{MANIFEST_SOFTWARE, true, true, "tpm", 0, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		CLEANUP(fleet_fini) struct fleet fleet = {.protection = ROWS[i].least};
		CLEANUP(buf_fini) struct buf json = BUF_INIT(JSON_ROOM);
		struct fleet_file file = {.of_folder = ROWS[i].of_folder};
		struct err err = {0};

		file_of(1, ROWS[i].tpm, ROWS[i].says, OF_ORIGIN, &json);
		file.json = buf_slice(&json);
		assert_int_equal(fleet_add(&fleet, &file, &err), ROWS[i].result);
		assert_int_equal(fleet.count, ROWS[i].count);
		assert_int_equal(fleet.left_out, ROWS[i].left_out);
	}
}

static void revoked_devices_are_left_out(void **state)
{
	static const struct {
		const char *member;
		bool refused;
	} ROWS[] = {
		{"}", false},
		{",\"refused\":false}", false},
		{",\"refused\":true}", true},
		{",\"refused\":1}", true},
		{",\"refused\":null}", true},
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(ROWS); i++) {
		CLEANUP(fleet_fini) struct fleet fleet = {.protection = MANIFEST_TPM};
		CLEANUP(buf_fini) struct buf json = BUF_INIT(JSON_ROOM);
		struct fleet_file file = {.of_folder = i % 2 == 0};
		bool refused = ROWS[i / 2].refused;
		struct err err = {0};

		file_of(1, true, "tpm", OF_ORIGIN, &json);
		while (json.data[json.len - 1] != '}')
			json.len--;
		json.len--;
		buf_put_str(&json, ROWS[i / 2].member);
		file.json = buf_slice(&json);
		assert_int_equal(fleet_add(&fleet, &file, &err),
				 refused && !file.of_folder ? ERR_INVALID : 0);
		assert_int_equal(fleet.count, !refused);
		assert_int_equal(fleet.left_out, refused && file.of_folder);
	}
}

/* Those from @from on, every @step, twice each. */
static void fleet_of(struct fleet *fleet, unsigned from, unsigned step)
{
	struct err err = {0};

	for (unsigned n = 0; n < 2; n++)
		for (unsigned i = from; i < DEVICES; i += step) {
			CLEANUP(buf_fini) struct buf json = BUF_INIT(JSON_ROOM);
			struct fleet_file file;

			file_of(i, true, "tpm", n == 0 ? OF_DEVICE : OF_ORIGIN, &json);
			file = (struct fleet_file){buf_slice(&json), true};
			assert_int_equal(fleet_add(fleet, &file, &err), 0);
		}
	fleet_sort(fleet);
}

static void each_once_and_sorted(void **state)
{
	CLEANUP(fleet_fini) struct fleet fleet = {.protection = MANIFEST_TPM};

	(void)state;
	fleet_sort(&fleet);
	assert_int_equal(fleet.count, 0);
	fleet_of(&fleet, 0, 1);
	assert_int_equal(fleet.count, DEVICES);
	for (size_t i = 1; i < fleet.count; i++)
		assert_true(memcmp(fleet.devices[i - 1].name, fleet.devices[i].name,
				   WRAP_NAME_SIZE) < 0);
}

/* --- lines --- */

static int merge(const struct fleet *fleet, const char *from, const char *to,
		 struct key_merge *ret_merge)
{
	CLEANUP(key_lines_fini) struct key_lines lines = KEY_LINES_INIT;
	CLEANUP(file_draft_cleanup) struct file_draft *draft = NULL;
	struct err err = {0};
	int r;

	*ret_merge = (struct key_merge){.fleet = fleet, .key = content_key, .manifest = MANIFEST};
	if (from) {
		assert_int_equal(key_lines_open(&lines, dir, from, MANIFEST, &err), 0);
		ret_merge->lines = &lines;
	}
	assert_int_equal(file_draft_new(dir, to, 0600, &draft, &err), 0);
	r = key_merge(ret_merge, draft, &err);
	if (r == 0)
		assert_int_equal(file_draft_publish(draft, FILE_REPLACE, &err), 0);
	return r;
}

static void content_of(const char *name, struct buf *ret_bytes)
{
	struct err err = {0};

	buf_reset(ret_bytes);
	assert_int_equal(file_read(dir, name, ret_bytes, &err), 0);
}

/* Each line opens with the pair of its device, and each of the first @count has one. */
static void all_open(const char *name, size_t count)
{
	CLEANUP(key_lines_fini) struct key_lines lines = KEY_LINES_INIT;
	struct slice line;
	struct err err = {0};
	size_t opened = 0;

	assert_int_equal(key_lines_open(&lines, dir, name, MANIFEST, &err), 0);
	while (key_lines_next(&lines, &line, &err) == 0 && line.len > 0)
		for (unsigned i = 0; i < DEVICES; i++) {
			CLEANUP(wrap_public_cleanup) struct wrap_public *storage = NULL;
			CLEANUP(secret_cleanup) struct secret *inside = NULL, *key = NULL;
			CLEANUP(buf_fini) struct buf area = BUF_INIT(WRAP_PUBLIC_MAX);
			struct duplicate parts = duplicate_of(&lines.key.wrapped);

			buf_put(&area, buf_slice(&areas[i]));
			area.data[AREA_FLAGS] |= FLAGS_OF_TPM;
			assert_int_equal(wrap_public_read(buf_slice(&area), &storage, &err), 0);
			if (memcmp(wrap_public_name(storage).data, lines.key.storage_key,
				   WRAP_NAME_SIZE) != 0)
				continue;
			assert_int_equal(duplicate_open(pairs[i], storage, &parts, &inside, &err),
					 0);
			assert_int_equal(device_key_take(inside, MANIFEST, &key, &err), 0);
			assert_true(secret_equal(secret_slice(key), secret_slice(content_key)));
			opened++;
		}
	assert_int_equal(line.len, 0);
	assert_int_equal(opened, count);
}

static void merged_in_any_order(void **state)
{
	static const struct {
		unsigned from, step; /* of the second fleet */
		size_t added, all;
	} ROWS[] = {
		{0, 1, 8, 12}, {0, 2, 4, 8}, {0, 3, 0, 4}, {DEVICES, 1, 0, 4}, {11, 1, 1, 5},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		CLEANUP(fleet_fini) struct fleet one = {.protection = MANIFEST_TPM};
		CLEANUP(fleet_fini) struct fleet two = {.protection = MANIFEST_TPM};
		CLEANUP(buf_fini) struct buf before = BUF_INIT(LINES_ROOM);
		CLEANUP(buf_fini) struct buf after = BUF_INIT(LINES_ROOM);
		struct key_merge done;

		fleet_of(&one, 0, 3);
		fleet_of(&two, ROWS[i].from, ROWS[i].step);
		assert_int_equal(merge(&one, NULL, "first", &done), 0);
		assert_int_equal(done.added, 4);
		assert_int_equal(merge(&two, "first", "second", &done), 0);
		assert_int_equal(done.added, ROWS[i].added);
		assert_int_equal(done.kept, 4);
		all_open("second", ROWS[i].all);
		/* The same once more changes nothing, byte for byte. */
		content_of("second", &before);
		assert_int_equal(merge(&two, "second", "second", &done), 0);
		content_of("second", &after);
		assert_int_equal(done.added, 0);
		assert_true(slice_equal(buf_slice(&before), buf_slice(&after)));
	}
}

enum damage { CUT, TWICE, SWAPPED, BLANK, LONG, GARBAGE, OTHER_MANIFEST, DAMAGES };

static void spoil(enum damage damage, struct slice good, struct buf *ret_bad)
{
	const uint8_t *end = memchr(good.data, '\n', good.len);
	size_t first = (size_t)(end - good.data) + 1;

	if (damage == SWAPPED)
		buf_put(ret_bad, slice_of(good.data + first, good.len - first));
	if (damage == SWAPPED || damage == TWICE)
		buf_put(ret_bad, slice_of(good.data, first));
	for (unsigned i = 0; damage == LONG && i < 2 * DEVICE_KEY_LINE_MAX; i++)
		buf_put_u8(ret_bad, ' ');
	if (damage != SWAPPED)
		buf_put(ret_bad, good);
	if (damage == CUT)
		ret_bad->len--;
	if (damage == BLANK)
		buf_put_u8(ret_bad, '\n');
	if (damage == GARBAGE)
		buf_put_str(ret_bad, "{}\n");
	assert_true(buf_ok(ret_bad));
}

static void what_is_damaged_is_not_merged(void **state)
{
	CLEANUP(fleet_fini) struct fleet one = {.protection = MANIFEST_TPM};
	CLEANUP(buf_fini) struct buf good = BUF_INIT(LINES_ROOM);
	static const uint8_t OTHER[MANIFEST_DIGEST] = {9};
	struct key_merge done;
	struct err err = {0};

	(void)state;
	fleet_of(&one, 0, 4);
	assert_int_equal(merge(&one, NULL, "good", &done), 0);
	content_of("good", &good);
	for (int damage = 0; damage < DAMAGES; damage++) {
		CLEANUP(buf_fini) struct buf bad = BUF_INIT(LINES_ROOM);

		spoil((enum damage)damage, buf_slice(&good), &bad);
		assert_int_equal(file_write(dir, "bad", buf_slice(&bad), 0600, FILE_REPLACE, &err),
				 0);
		if (damage == OTHER_MANIFEST) {
			CLEANUP(key_lines_fini) struct key_lines lines = KEY_LINES_INIT;
			struct slice line;

			assert_int_equal(key_lines_open(&lines, dir, "bad", OTHER, &err), 0);
			assert_int_equal(key_lines_next(&lines, &line, &err), ERR_DAMAGED);
			continue;
		}
		assert_int_equal(merge(&one, "bad", "out", &done), ERR_DAMAGED);
	}
	assert_int_equal(file_remove(dir, "out", &err), ERR_NOT_FOUND);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(no_files),
		cmocka_unit_test(unfit_keys_are_refused),
		cmocka_unit_test(revoked_devices_are_left_out),
		cmocka_unit_test(each_once_and_sorted),
		cmocka_unit_test(merged_in_any_order),
		cmocka_unit_test(what_is_damaged_is_not_merged),
	};

	return cmocka_run_group_tests(TESTS, begin, end);
}
