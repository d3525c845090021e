/* SPDX-License-Identifier: Apache-2.0 */
/* Where results go: files whole and private, links followed, devices left what they are. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cmd/holdfast/io.h"

struct place {
	char folder[64];
	int before; /* the working folder of before */
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	const char *temp = getenv("TMPDIR");

	assert_non_null(place);
	(void)snprintf(place->folder, sizeof(place->folder), "%s/hf-io-XXXXXX",
		       temp && strlen(temp) < 40 ? temp : "/tmp");
	assert_non_null(mkdtemp(place->folder));
	place->before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->before >= 0);
	assert_int_equal(chdir(place->folder), 0);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	static const char *const NAMES[] = {"file",	  "link",  "dangling", "pipe",
					    "there/file", "there", "other"};
	struct place *place = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(NAMES); i++)
		(void)remove(NAMES[i]);
	assert_int_equal(fchdir(place->before), 0);
	close(place->before);
	assert_int_equal(rmdir(place->folder), 0); /* no temporary file stays behind */
	free(place);
	return 0;
}

static void assert_content(const char *path, const char *text)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(64);
	struct err err = {0};

	assert_int_equal(io_read(path, &bytes, &err), 0);
	assert_int_equal(bytes.len, strlen(text));
	assert_memory_equal(bytes.data, text, bytes.len);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

static void write_text(const char *path, const char *text)
{
	struct err err = {0};

	assert_int_equal(io_write(path, slice_str(text), &err), 0);
}

static void test_file_is_private_and_replaced(void **state)
{
	(void)state;
	write_text("file", "one");
	assert_int_equal(mode_of("file") & 07777, 0600);
	assert_int_equal(chmod("file", 0644), 0);
	write_text("./file", "two!");
	assert_content("file", "two!");
	assert_int_equal(mode_of("file") & 07777, 0600);
}

static void test_links_are_followed(void **state)
{
	(void)state;
	assert_int_equal(mkdir("there", 0700), 0);
	assert_int_equal(symlink("there", "other"), 0);
	write_text("other/file", "one");
	assert_content("there/file", "one");
	assert_int_equal(symlink("there/file", "link"), 0);
	write_text("link", "two");
	assert_true(S_ISLNK(mode_of("link")));
	assert_content("there/file", "two");
}

static void test_devices_stay(void **state)
{
	CLEANUP(fd_close_cleanup) int reader = -1;
	char text[8] = "";

	(void)state;
	write_text("/dev/null", "gone");
	assert_true(S_ISCHR(mode_of("/dev/null")));
	assert_int_equal(mkfifo("pipe", 0600), 0);
	reader = open("pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	write_text("pipe", "through");
	assert_int_equal(read(reader, text, sizeof(text)), 7);
	assert_memory_equal(text, "through", 7);
	assert_true(S_ISFIFO(mode_of("pipe")));
}

static void test_refused(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(3);
	struct err err = {0};

	(void)state;
	assert_int_equal(io_write("no/such/file", slice_str("x"), &err), ERR_NOT_FOUND);
	assert_true(io_write("/tmp", slice_str("x"), &err) < 0);
	assert_true(io_write("", slice_str("x"), &err) < 0);
	assert_int_equal(io_read("no/such/file", &bytes, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "no/such/file"));
	assert_int_equal(io_read("/", &bytes, &err), ERR_UNREADABLE);
	write_text("file", "four");
	assert_int_equal(io_read("file", &bytes, &err), ERR_TOO_LARGE);
	write_text("file", "six");
	assert_int_equal(io_read("file", &bytes, &err), 0);
}

/* More than one piece, and a taker that has had enough. */
static int count_two(void *arg, struct slice piece, struct err *err)
{
	size_t *pieces = arg;

	assert_true(piece.len > 0);
	return ++*pieces < 2 ? 0 : err_set(err, ERR_CONFLICT, "enough");
}

static void test_pieces(void **state)
{
	struct err err = {0};
	size_t pieces = 0;

	(void)state;
	assert_int_equal(io_each("/dev/zero", count_two, &pieces, &err), ERR_CONFLICT);
	assert_int_equal(pieces, 2);
	pieces = 0;
	assert_int_equal(io_each("/dev/null", count_two, &pieces, &err), 0);
	assert_int_equal(pieces, 0);
}

/* --- in pieces --- */

static void put_piece(struct io_out *out, const char *text)
{
	struct err err = {0};

	assert_int_equal(io_out_write(out, slice_str(text), &err), 0);
}

/* Nothing of an output file is to be seen before its end, and an old one stays as it was. */
static void test_out_file(void **state)
{
	struct io_out out = IO_OUT_INIT, dropped = IO_OUT_INIT;
	struct err err = {0};

	(void)state;
	assert_int_equal(io_out_open(&out, "file", &err), 0);
	put_piece(&out, "one ");
	put_piece(&out, "two");
	assert_int_equal(access("file", F_OK), -1);
	assert_int_equal(io_out_finish(&out, &err), 0);
	io_out_fini(&out);
	assert_content("file", "one two");
	assert_int_equal(mode_of("file") & 07777, 0600);
	assert_int_equal(symlink("file", "link"), 0);
	assert_int_equal(io_out_open(&dropped, "link", &err), 0);
	put_piece(&dropped, "three");
	io_out_fini(&dropped);
	assert_content("file", "one two");
	assert_int_equal(io_out_open(&out, "no/such/file", &err), ERR_NOT_FOUND);
	assert_non_null(err.remedy);
	io_out_fini(&out);
}

/* What is no file gets nothing until a whole result, or a long one, is there. */
static void test_out_is_held_back(void **state)
{
	CLEANUP(fd_close_cleanup) int reader = -1;
	struct io_out out = IO_OUT_INIT;
	struct err err = {0};
	char text[16] = "";

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	reader = open("pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(io_out_open(&out, "pipe", &err), 0);
	put_piece(&out, "held");
	assert_true(out.held_back);
	assert_int_equal(read(reader, text, sizeof(text)), 0);
	assert_int_equal(io_out_finish(&out, &err), 0);
	assert_int_equal(read(reader, text, sizeof(text)), 4);
	assert_memory_equal(text, "held", 4);
	io_out_fini(&out);
}

static void test_out_lets_go(void **state)
{
	static uint8_t much[IO_HELD_MAX];
	struct io_out out = IO_OUT_INIT;
	struct err err = {0};

	(void)state;
	assert_int_equal(io_out_open(&out, "/dev/null", &err), 0);
	assert_int_equal(io_out_write(&out, slice_of(much, sizeof(much)), &err), 0);
	assert_true(out.held_back);
	put_piece(&out, "x");
	assert_false(out.held_back);
	assert_null(out.held.data);
	put_piece(&out, "y");
	assert_int_equal(io_out_finish(&out, &err), 0);
	io_out_fini(&out);
}

static void assert_size(const char *path, uint64_t size)
{
	CLEANUP(io_in_fini) struct io_in in = IO_IN_INIT;
	struct err err = {0};

	assert_int_equal(io_in_open(&in, path, &err), 0);
	assert_true(in.size == size);
}

static void test_in(void **state)
{
	CLEANUP(io_in_fini) struct io_in in = IO_IN_INIT;
	struct err err = {0};
	char text[8];
	size_t len;

	(void)state;
	write_text("file", "12345");
	assert_size("file", 5);
	assert_size("/dev/null", IO_SIZE_UNKNOWN);
	assert_int_equal(io_in_open(&in, "file", &err), 0);
	assert_int_equal(io_in_read(&in, text, 3, &len, &err), 0);
	assert_int_equal(len, 3);
	assert_int_equal(io_in_read(&in, text, sizeof(text), &len, &err), 0);
	assert_int_equal(len, 2);
	assert_int_equal(io_in_read(&in, text, sizeof(text), &len, &err), 0);
	assert_int_equal(len, 0);
	io_in_fini(&in);
	assert_int_equal(io_in_open(&in, "/", &err), 0);
	assert_int_equal(io_in_read(&in, text, sizeof(text), &len, &err), ERR_UNREADABLE);
	io_in_fini(&in);
	assert_int_equal(io_in_open(&in, "no", &err), ERR_NOT_FOUND);
}

static const struct {
	const char *bytes;
	size_t len; /* of them */
	bool text;
} TEXTS[] = {
	{"", 0, true},
	{"a\tb\n", 4, true},
	{"gr\xc3\xbc\xc3\x9f dich", 11, true},
	{"\xf0\x9f\x94\x91", 4, true},
	{"\xc2\xa0", 2, true},
	{"a\0b", 3, false},
	{"a\rb", 3, false},
	{"\x1b[2J", 4, false},
	{"\x7f", 1, false},
	{"\xc2\x9b", 2, false}, /* CSI, as one character */
	{"\xff", 1, false},
	{"\xc3", 1, false},
	{"good\nthen\xe2\x82", 11, false},
};

static void test_text(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(TEXTS); i++)
		assert_int_equal(io_is_text(slice_of(TEXTS[i].bytes, TEXTS[i].len)), TEXTS[i].text);
}

/* In a child, since the descriptors are this program's own. */
static int use_closed(void)
{
	char byte = 'x';
	int fd;

	for (fd = 0; fd <= 2; fd++)
		close(fd);
	if (!io_hold_standard())
		return 1;
	for (fd = 0; fd <= 2; fd++)
		if (read(fd, &byte, 1) >= 0 || write(fd, &byte, 1) >= 0)
			return 2;
	fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd > 2 && io_hold_standard() ? 0 : 3;
}

static void test_closed_descriptors(void **state)
{
	pid_t child = fork();
	int status = -1;

	(void)state;
	if (child == 0)
		_exit(use_closed());
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		IN_FOLDER(test_file_is_private_and_replaced),
		IN_FOLDER(test_links_are_followed),
		IN_FOLDER(test_devices_stay),
		IN_FOLDER(test_refused),
		IN_FOLDER(test_pieces),
		IN_FOLDER(test_out_file),
		IN_FOLDER(test_out_is_held_back),
		IN_FOLDER(test_out_lets_go),
		IN_FOLDER(test_in),
		cmocka_unit_test(test_text),
		IN_FOLDER(test_closed_descriptors),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
