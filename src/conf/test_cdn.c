/* SPDX-License-Identifier: Apache-2.0 */
/* Files with secrets: who may read them, the salts, and cdn.yaml. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "conf/loader.h"
#include "conf/test_fixture.h"

#define READER "downloader_access_key: rk\ndownloader_access_secret: rs\n"
#define WRITER "uploader_access_key: wk\nuploader_access_secret: ws\n"

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/test_cdn.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/f", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static void put(const char *text, size_t len, mode_t mode)
{
	int fd;

	assert_true(unlink(path) == 0 || errno == ENOENT);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void assert_secret(const struct secret *secret, const char *text)
{
	assert_non_null(secret);
	assert_true(secret_equal(secret_slice(secret), slice_str(text)));
}

/* --- salts --- */

static void test_salts(void **state)
{
	static const char TEXT[] = "# ours\nprefix = \"P X\"\nhw = 'h'\nresource = r-1\n";
	CLEANUP(conf_salts_cleanup) struct conf_salts *salts = NULL;
	struct err err = {0};

	(void)state;
	put(TEXT, strlen(TEXT), 0600);
	assert_int_equal(conf_salts_read(path, &salts, &err), 0);
	assert_secret(salts->prefix, "P X");
	assert_secret(salts->hw, "h");
	assert_secret(salts->api, "");
	assert_secret(salts->resource, "r-1");
}

/* No message repeats what might be a salt. */
static void test_salts_bad(void **state)
{
	static const struct {
		const char *text;
		const char *has;
	} BAD[] = {
		{"hw = \"geheim\" \"geheim2\"", ":1: "},
		{"geheim = 1", ":1: no such key; allowed: prefix, hw, api, resource"},
		{"hw = geheim\nhw = geheim", ":2: hw stands twice"},
		{"hw { geheim = 1 }", ":1: "},
		{"hw = {geheim}", ":1: "},
		{"api = \"geheim", ":1: "},
		{"api =", ":1: the file ends inside"},
	};
	struct conf_salts *salts = NULL;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		err = (struct err){0};
		put(BAD[i].text, strlen(BAD[i].text), 0600);
		assert_int_equal(conf_salts_read(path, &salts, &err), ERR_INVALID);
		assert_null(salts);
		assert_has(err.text, BAD[i].has);
		if (strstr(err.text, "geheim"))
			fail_msg("%s", err.text);
	}
}

static void test_salts_size(void **state)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(20000);
	struct conf_salts *salts = NULL;
	struct err err = {0};

	(void)state;
	while (text.len <= 16384)
		buf_put_str(&text, "# 0123456789\n");
	put((const char *)text.data, text.len, 0600);
	assert_int_equal(conf_salts_read(path, &salts, &err), ERR_INVALID);
	assert_has(err.text, "too large");
}

/* --- who may read and write --- */

static int read_salts(struct err *err)
{
	CLEANUP(conf_salts_cleanup) struct conf_salts *salts = NULL;

	return conf_salts_read(path, &salts, err);
}

static int read_cdn(struct err *err)
{
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *cdn = NULL;

	return conf_cdn_read(path, &cdn, err);
}

static int read_loader(struct err *err)
{
	CLEANUP(conf_loader_cleanup) struct conf_loader *conf = NULL;

	return conf_loader_read(path, &conf, err);
}

static void test_access(void **state)
{
	static const struct {
		int (*read)(struct err *err);
		const char *text;
		mode_t good[3];
		mode_t bad[5];
	} FILES[] = {
		{read_salts, "hw = x", {0600, 0400}, {0640, 0604, 0620, 0601}},
		{read_cdn, READER, {0600, 0400}, {0640, 0604, 0602, 0610}},
		{read_loader,
		 "api_url = \"https://a\" salts_file = /s",
		 {0644, 0600},
		 {0664, 0646, 0622}},
	};
	struct err err;
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_LEN(FILES); i++) {
		for (j = 0; j < ARRAY_LEN(FILES[i].good) && FILES[i].good[j]; j++) {
			put(FILES[i].text, strlen(FILES[i].text), FILES[i].good[j]);
			assert_int_equal(FILES[i].read(&err), 0);
		}
		for (j = 0; j < ARRAY_LEN(FILES[i].bad) && FILES[i].bad[j]; j++) {
			put(FILES[i].text, strlen(FILES[i].text), FILES[i].bad[j]);
			assert_int_equal(FILES[i].read(&err), ERR_FORBIDDEN);
			assert_has(err.text, "allowed: mode 06");
		}
		assert_int_equal(unlink(path), 0);
		assert_int_equal(FILES[i].read(&err), ERR_NOT_FOUND);
		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(FILES[i].read(&err), ERR_UNREADABLE);
		assert_int_equal(rmdir(path), 0);
	}
}

/* Root can make files of others; nobody else can. */
static void test_owner(void **state)
{
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	put("hw = x", 6, 0600);
	assert_int_equal(chown(path, 65533, 65533), 0);
	assert_int_equal(read_salts(&err), ERR_FORBIDDEN);
	assert_has(err.text, "somebody else's");
}

/* --- cdn.yaml --- */

static void test_cdn(void **state)
{
	static const char TEXT[] = "---\n# of the server\nhost: \"https://s3.example.com\"\n"
				   "other: 'passed over'\n" READER WRITER "...\n";
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *cdn = NULL;
	struct err err = {0};

	(void)state;
	if (conf_cdn_parse(slice_str(TEXT), &cdn, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(cdn->host, "https://s3.example.com");
	assert_string_equal(cdn->reader_key, "rk");
	assert_secret(cdn->reader_secret, "rs");
	assert_string_equal(cdn->writer_key, "wk");
	assert_secret(cdn->writer_secret, "ws");
}

static void test_cdn_less(void **state)
{
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *cdn = NULL;
	struct err err = {0};

	(void)state;
	/* Without a writer nothing can be uploaded; JSON is YAML too. */
	assert_int_equal(conf_cdn_parse(slice_str("{host: h, downloader_access_key: rk, "
						  "\"downloader_access_secret\": rs}"),
					&cdn, &err),
			 0);
	assert_string_equal(cdn->host, "h");
	assert_null(cdn->writer_key);
	assert_null(cdn->writer_secret);
	conf_cdn_free(TAKE(cdn));
	/* The host may stand elsewhere only for a file of the administrator's. */
	assert_int_equal(conf_cdn_parse(slice_str(READER), &cdn, &err), ERR_INVALID);
	put(READER, strlen(READER), 0600);
	assert_int_equal(conf_cdn_read(path, &cdn, &err), 0);
	assert_null(cdn->host);
	assert_string_equal(cdn->reader_key, "rk");
}

static void test_cdn_bad(void **state)
{
	static const char *const BAD[] = {
		"",
		"host",
		"- host\n- h\n",
		"host: h\n" WRITER,
		"host: h\ndownloader_access_key: rk\n",
		"host: h\n" READER "uploader_access_key: wk\n",
		"host: h\nhost: h\n" READER,
		"host: h\n" READER READER,
		"host: [h]\n" READER,
		"host: {a: b}\n" READER,
		"other: [h]\nhost: h\n" READER,
		"other: {h: h}\nhost: h\n" READER,
		"? [a]\n: b\nhost: h\n" READER,
		"host: &a h\n" READER "other: *a\n",
		"host: &a h\n" READER,
		"&a host: h\n" READER,
		"&m\nhost: h\n" READER,
		"!!map\nhost: h\n" READER,
		"host: !!str h\n" READER,
		"<<: *a\nhost: h\n" READER,
		"host: \"\"\n" READER,
		"host:\n" READER,
		"host: a b\n" READER,
		"host: \"a\\nb\"\n" READER,
		"host: \"a\\0b\"\n" READER,
		"host: \"\xc3\xa4\"\n" READER,
		"host: \"\xff\"\n" READER,
		"host: h\n" READER "---\nhost: h\n",
		"host: h\n" READER "}\n",
		"host: |\n  h\n" READER,
		"%YAML 9.9\n---\nhost: h\n" READER,
	};
	struct conf_cdn *cdn = NULL;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		err = (struct err){0};
		if (conf_cdn_parse(slice_str(BAD[i]), &cdn, &err) != ERR_INVALID)
			fail_msg("%zu: %s", i, BAD[i]);
		assert_null(cdn);
		assert_true(err.text[0] != '\0');
		if (strstr(err.text, "rs") && strstr(err.text, ": rs"))
			fail_msg("%s", err.text);
	}
}

/* The last size that is taken, and one more. */
static void test_cdn_limits(void **state)
{
	CLEANUP(conf_cdn_cleanup) struct conf_cdn *cdn = NULL;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(1024 * 1024);
	struct err err = {0};
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		buf_reset(&text);
		buf_printf(&text, "%shost: %01024u%s\n", READER, 0u, i ? "0" : "");
		assert_int_equal(conf_cdn_parse(buf_slice(&text), &cdn, &err), i ? ERR_INVALID : 0);
	}
	conf_cdn_free(TAKE(cdn));
	for (i = 0; i < 2; i++) {
		unsigned extra;

		buf_reset(&text);
		buf_put_str(&text, READER "host: h\n");
		for (extra = 0; extra < 61 + i; extra++)
			buf_printf(&text, "k%u: v\n", extra);
		assert_int_equal(conf_cdn_parse(buf_slice(&text), &cdn, &err), i ? ERR_INVALID : 0);
	}
	conf_cdn_free(TAKE(cdn));
	buf_reset(&text);
	buf_put_str(&text, READER "host: h\n");
	while (text.len <= 65536)
		buf_put_str(&text, "# 0123456789\n");
	assert_int_equal(conf_cdn_parse(buf_slice(&text), &cdn, &err), ERR_INVALID);
	assert_has(err.text, "64 KiB");
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_salts),	   cmocka_unit_test(test_salts_bad),
		cmocka_unit_test(test_salts_size), cmocka_unit_test(test_access),
		cmocka_unit_test(test_owner),	   cmocka_unit_test(test_cdn),
		cmocka_unit_test(test_cdn_less),   cmocka_unit_test(test_cdn_bad),
		cmocka_unit_test(test_cdn_limits),
	};

	return cmocka_run_group_tests(TESTS, make_folder, remove_folder);
}
