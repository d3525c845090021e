/* SPDX-License-Identifier: Apache-2.0 */
/* Which files can be named, and that no link leads out of the folder. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "origin/folder.h"
#include "tests/support/folder.h"

static char root[64];
static int dir = -1;

static int begin(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/hf-folder-XXXXXX");
	assert_non_null(mkdtemp(root));
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(dir);
	return folder_remove_all(root);
}

#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static const struct {
	const char *folder, *file;
	bool cdn, api;
} NAMES[] = {
	{"models", DIGEST ".payload", true, false},
	{"models", DIGEST ".keys", false, false},
	{"models", "net.payload", false, false},
	{"models", "0" DIGEST ".payload", false, false},
	{"models", DIGEST ".payload.big", true, false},
	{"models", DIGEST, false, true},
	{"models", "9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.payload",
	 false, false},
	{"models", "net.manifest", false, false},
	{"models", "net.keys", false, false},
	{"devices", "net.big", false, false},
	{"devices", "net.small", false, false},
	{"devices", "net.json", false, false},
	{"devices", DIGEST ".payload", false, false},
	{"models", "net.big", true, false},
	{"models", "net.sig", true, false},
	{"models", "net.small", false, true},
	{"models", "net", false, true},
	{"models", "cdn.yaml", false, true},
	{"models", "a.b.big", true, false},
	{"models", "net.bin.small", false, true},
	{"models", "net.big.big", false, false},
	{"models", "net.small.small", false, false},
	{"models", "net.big.small", false, false},
	{"models", "net.small.big", false, false},
	{"models", ".big", false, false},
	{"models", ".small", false, false},
	{"models", ".tmp-1", false, false},
	{"models", "", false, false},
	{"models", ".", false, false},
	{"models", "..", false, false},
	{"models", "../net.big", false, false},
	{"models", "../key-fragment", false, false},
	{"models", "a/net.big", false, false},
	{"models", "/etc/passwd", false, false},
	{"models", "net.big ", false, false},
	{"models", "net\n.big", false, false},
	{"models", "n\xc3\xa4t.big", false, false},
	{"models", "net%2f.big", false, false},
	{"models", "net\\.big", false, false},
	{"", "net.big", false, false},
	{".", "net.big", false, false},
	{"..", "net.big", false, false},
	{".hidden", "net.big", false, false},
	{"a/b", "net.big", false, false},
	{"/", "net.big", false, false},
	{"..", "net.small", false, false},
	{"a b", "net.small", false, false},
};

static void test_names(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
		int cdn = folder_check_cdn(NAMES[i].folder, NAMES[i].file, &err);
		int api = folder_check_api(NAMES[i].folder, NAMES[i].file, &err);

		if (cdn != (NAMES[i].cdn ? 0 : ERR_INVALID) ||
		    api != (NAMES[i].api ? 0 : ERR_INVALID))
			fail_msg("%s / %s: %d, %d", NAMES[i].folder, NAMES[i].file, cdn, api);
	}
}

/* Of what the CDN gives, payloads are not taken. */
static void test_put_names(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
		bool payload = strcmp(NAMES[i].file, DIGEST ".payload") == 0;
		int put = folder_check_cdn_put(NAMES[i].folder, NAMES[i].file, &err);

		if (put != (NAMES[i].cdn && !payload ? 0 : ERR_INVALID))
			fail_msg("%s / %s: %d", NAMES[i].folder, NAMES[i].file, put);
	}
}

/* What is in the field goes on, also with a signature that it had not; nothing new comes. */
static void test_new_names(void **state)
{
	static const char *const names[] = {"net.keys", "net.payload", "net.manifest"};
	static const char *const parts[] = {".big", ".sig", ".small"};
	char file[64], small[64];
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(parts); i++) {
		struct file_draft *draft = NULL;

		(void)snprintf(file, sizeof(file), "%s%s", names[i / 3], parts[i % 3]);
		assert_int_equal(folder_draft(dir, "models", file, &draft, &err), ERR_INVALID);
		assert_int_equal(folder_write(dir, "models", file, slice_str("x"), &err),
				 ERR_INVALID);
		assert_int_equal(faccessat(dir, "models", F_OK, 0), -1);
	}
	assert_int_equal(folder_write(dir, "models", "keys.big", slice_str("x"), &err), 0);
	assert_int_equal(folder_write(dir, "models", "net.keys.more.big", slice_str("x"), &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int fd;

		(void)snprintf(small, sizeof(small), "models/%s.small", names[i]);
		fd = openat(dir, small, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
		for (size_t j = 0; j < ARRAY_LEN(parts); j++) {
			(void)snprintf(file, sizeof(file), "%s%s", names[i], parts[j]);
			assert_int_equal(folder_write(dir, "models", file, slice_str("y"), &err),
					 0);
		}
	}
}

static void test_artifact_names(void **state)
{
	static const struct {
		const char *folder, *name;
		int result;
	} rows[] = {
		{"models", "net", 0},
		{"models", "net.bin", 0},
		{"devices", "net", ERR_INVALID},
		{"..", "net", ERR_INVALID},
		{"models", "..", ERR_INVALID},
		{"models", "", ERR_INVALID},
		{"models", "a/b", ERR_INVALID},
		{"models", "net.big", ERR_INVALID},
		{"models", "net.manifest", ERR_INVALID},
		{"models", "net.payload", ERR_INVALID},
		{"models", "net.keys", ERR_INVALID},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(folder_check_artifact(rows[i].folder, rows[i].name, &err),
				 rows[i].result);
}

static void test_add(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(folder_count(dir, "devices", 2, &err), 0);
	assert_int_equal(folder_add(dir, "devices", "a.json", slice_str("one"), &err), 0);
	assert_int_equal(folder_add(dir, "devices", "a.json", slice_str("two"), &err),
			 ERR_CONFLICT);
	assert_int_equal(folder_add(dir, "devices", "b.json", slice_str("two"), &err), 0);
	assert_int_equal(folder_count(dir, "devices", 2, &err), 0);
	assert_int_equal(folder_count(dir, "devices", 1, &err), ERR_TOO_LARGE);
}

/* Of the folder itself nothing but the settings: neither the key of the archive nor a resource. */
static void test_root_names(void **state)
{
	static const char *const OTHERS[] = {"key-fragment", "",       "cdn.yam",    "cdn.yaml/",
					     "x.small",	     "models", "../cdn.yaml"};
	struct err err;

	(void)state;
	assert_int_equal(folder_check_api(NULL, "cdn.yaml", &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++)
		assert_int_equal(folder_check_api(NULL, OTHERS[i], &err), ERR_INVALID);
}

static int open_one(const char *folder, const char *file, char etag[FOLDER_ETAG])
{
	struct folder_file opened = {.fd = -1};
	struct err err;
	int r = folder_open(dir, folder, file, &opened, &err);

	if (r == 0 && etag)
		memcpy(etag, opened.etag, FOLDER_ETAG);
	if (opened.fd >= 0)
		close(opened.fd);
	return r;
}

static void write_file(const char *folder, const char *file, const char *text)
{
	struct err err;

	assert_int_equal(folder_write(dir, folder, file, slice_str(text), &err), 0);
}

/* What a hostile user of the machine may have put there. */
static void test_links(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(100);
	struct err err;
	int outer;

	(void)state;
	write_file("models", "net.big", "here");
	assert_int_equal(open_one("models", "net.big", NULL), 0);
	outer = openat(dir, "models", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(outer >= 0);
	assert_int_equal(symlinkat("/etc/passwd", outer, "link.big"), 0);
	assert_int_equal(symlinkat("net.big", outer, "near.big"), 0);
	assert_int_equal(symlinkat("models", dir, "others"), 0);
	assert_int_equal(symlinkat("/etc", dir, "etc"), 0);
	assert_int_equal(mkdirat(outer, "folder.big", 0755), 0);
	assert_int_equal(mkfifoat(outer, "pipe.big", 0644), 0);
	close(outer);
	assert_int_equal(open_one("models", "link.big", NULL), ERR_NOT_FOUND);
	assert_int_equal(open_one("models", "near.big", NULL), ERR_NOT_FOUND);
	assert_int_equal(open_one("others", "net.big", NULL), ERR_NOT_FOUND);
	assert_int_equal(open_one("etc", "passwd", NULL), ERR_NOT_FOUND);
	assert_int_equal(open_one("models", "folder.big", NULL), ERR_NOT_FOUND);
	assert_int_equal(open_one("models", "pipe.big", NULL), ERR_NOT_FOUND);
	assert_int_equal(open_one("models", "none.big", NULL), ERR_NOT_FOUND);
	assert_int_equal(open_one("none", "net.big", NULL), ERR_NOT_FOUND);
	assert_int_not_equal(folder_read(dir, "models", "link.big", &bytes, &err), 0);
	assert_int_equal(folder_read(dir, "others", "net.big", &bytes, &err), ERR_NOT_FOUND);
	assert_int_equal(bytes.len, 0);
	assert_int_equal(folder_write(dir, "etc", "net.small", slice_str("x"), &err), ERR_CONFLICT);
	/* A link in the place of a file is replaced, not followed. */
	write_file("models", "link.big", "ours");
	assert_int_equal(folder_read(dir, "models", "link.big", &bytes, &err), 0);
	assert_int_equal(bytes.len, 4);
}

static void test_modes(void **state)
{
	static const struct {
		const char *file;
		mode_t mode;
	} rows[] = {{"a.big", 0644}, {"a.sig", 0644}, {"a.small", 0640}, {"a", 0640}};
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char path[64];

		write_file("models", rows[i].file, "x");
		(void)snprintf(path, sizeof(path), "models/%s", rows[i].file);
		assert_int_equal(fstatat(dir, path, &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, rows[i].mode);
	}
}

/* Another file of the same size has another tag, also when it was put in place at once. */
static void test_etag(void **state)
{
	char first[FOLDER_ETAG], second[FOLDER_ETAG], third[FOLDER_ETAG];

	(void)state;
	write_file("models", "net.big", "one");
	assert_int_equal(open_one("models", "net.big", first), 0);
	assert_int_equal(open_one("models", "net.big", second), 0);
	assert_string_equal(first, second);
	write_file("models", "net.big", "two");
	assert_int_equal(open_one("models", "net.big", third), 0);
	assert_string_not_equal(first, third);
	assert_true(first[0] == '"' && first[strlen(first) - 1] == '"');
}

static void test_shorter(void **state)
{
	struct folder_file file = {.fd = -1};
	uint8_t bytes[8];
	struct err err;

	(void)state;
	write_file("models", "net.big", "12345678");
	assert_int_equal(folder_open(dir, "models", "net.big", &file, &err), 0);
	assert_int_equal(folder_read_at(&file, 4, bytes, 4, &err), 0);
	assert_memory_equal(bytes, "5678", 4);
	assert_int_equal(folder_read_at(&file, 4, bytes, 5, &err), ERR_UNREADABLE);
	assert_int_equal(folder_read_at(&file, 400, bytes, 1, &err), ERR_UNREADABLE);
	close(file.fd);
}

static void test_list(void **state)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(1000);
	struct err err;

	(void)state;
	assert_int_equal(folder_list(dir, "models", &json, &err), 0);
	assert_memory_equal(json.data, "[]", 2);
	write_file("models", "b.small", "x");
	write_file("models", "b.big", "x");
	write_file("models", "a", "x");
	write_file("models", "c.sig", "x");
	buf_reset(&json);
	assert_int_equal(folder_list(dir, "models", &json, &err), 0);
	assert_int_equal(json.len, strlen("[\"a\",\"b.small\"]"));
	assert_memory_equal(json.data, "[\"a\",\"b.small\"]", json.len);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_put_names),
		cmocka_unit_test_setup_teardown(test_new_names, begin, end),
		cmocka_unit_test(test_artifact_names),
		cmocka_unit_test(test_root_names),
		TEST(test_links),
		TEST(test_modes),
		TEST(test_etag),
		TEST(test_shorter),
		TEST(test_list),
		TEST(test_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
