/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File: present, absent and unreadable; whole or not at all when a system call fails; order of
 * the syncs; what lies in the folder afterwards. Failures come from wrapped system calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"

/* What the wrapped calls do: fail with errnum at the nth call (1 = first), or never (0). */
struct fault {
	int nth;
	int errnum;
	int calls;
};

static struct fault fault_fsync, fault_write, fault_renameat2, fault_linkat;
static size_t write_limit; /* a write takes at most so many bytes; 0 = no limit */
static char trace[256];	   /* one letter per call: w, s (file), d (folder), r, l */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __real_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);

static bool fails(struct fault *fault)
{
	fault->calls++;
	if (fault->nth != fault->calls)
		return false;
	errno = fault->errnum;
	return true;
}

static void note(char letter)
{
	size_t len = strlen(trace);

	if (len + 1 < sizeof(trace))
		trace[len] = letter;
}

int __wrap_fsync(int fd)
{
	struct stat st;

	note(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? 'd' : 's');
	return fails(&fault_fsync) ? -1 : __real_fsync(fd);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	note('w');
	if (fails(&fault_write))
		return -1;
	return __real_write(fd, data, write_limit > 0 && len > write_limit ? write_limit : len);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	note('r');
	return __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	note('r');
	return fails(&fault_renameat2) ? -1 : __real_renameat2(from_dir, from, to_dir, to, flags);
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	note('l');
	return fails(&fault_linkat) ? -1 : __real_linkat(from_dir, from, to_dir, to, flags);
}

static void reset_faults(void)
{
	fault_fsync = fault_write = fault_renameat2 = fault_linkat = (struct fault){0};
	write_limit = 0;
	memset(trace, 0, sizeof(trace));
}

/* --- a folder per test --- */

static char root[256];
static int dir = -1;

static int begin(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(root, sizeof(root), "%s/base-file-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		return -1;
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	reset_faults();
	return dir < 0 ? -1 : 0;
}

static void empty_folder(int fd)
{
	DIR *stream = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;

	while (stream && (entry = readdir(stream))) {
		int sub;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		sub = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		empty_folder(sub);
		close(sub);
		(void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	if (stream)
		closedir(stream);
}

static int end(void **state)
{
	(void)state;
	reset_faults();
	empty_folder(dir);
	close(dir);
	return rmdir(root);
}

static size_t entries(void)
{
	DIR *stream = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t count = 0;

	assert_non_null(stream);
	while (readdir(stream))
		count++;
	closedir(stream);
	return count - 2;
}

static void put(const char *name, const char *content)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(__real_write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

static void expect_content(const char *name, const char *content)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1 << 20);
	struct err err = {0};

	assert_int_equal(file_read(dir, name, &bytes, &err), 0);
	assert_true(slice_equal(buf_slice(&bytes), slice_str(content)));
}

static int write_text(const char *name, const char *content, enum file_write how, struct err *err)
{
	return file_write(dir, name, slice_str(content), 0640, how, err);
}

/* --- names --- */

static void names_are_single_components(void **state)
{
	char too_long[258];
	const char *const names[] = {"",   ".",	   "..",       "/",	"a/b",	 "/a",
				     "a/", "../a", ".tmp-1-1", ".tmp-", too_long};
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(10);
	struct secret *secret = NULL;
	struct err err = {0};
	size_t i;

	(void)state;
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	put("good", "x");
	for (i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(file_read(dir, names[i], &bytes, &err), ERR_INVALID);
		assert_int_equal(file_read_secret(dir, names[i], 9, &secret, &err), ERR_INVALID);
		assert_int_equal(write_text(names[i], "y", FILE_CREATE, &err), ERR_INVALID);
		assert_int_equal(write_text(names[i], "y", FILE_REPLACE, &err), ERR_INVALID);
		assert_int_equal(file_remove(dir, names[i], &err), ERR_INVALID);
		assert_int_equal(file_move(dir, names[i], dir, "b", &err), ERR_INVALID);
		assert_int_equal(file_move(dir, "good", dir, names[i], &err), ERR_INVALID);
	}
	assert_int_equal(entries(), 1);
}

/* --- reading --- */

static void three_answers(void **state)
{
	static const struct {
		const char *name;
		int result;
	} rows[] = {
		{"file", 0},
		{"absent", ERR_NOT_FOUND},
		{"folder", ERR_UNREADABLE},
		{"link", ERR_UNREADABLE},
		{"dangling", ERR_UNREADABLE},
		{"fifo", ERR_UNREADABLE},
	};
	size_t i;

	(void)state;
	put("file", "content");
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_int_equal(symlinkat("file", dir, "link"), 0);
	assert_int_equal(symlinkat("nowhere", dir, "dangling"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(100);
		CLEANUP(secret_cleanup) struct secret *secret = NULL;
		struct err err = {0};

		buf_put_str(&bytes, "> ");
		assert_int_equal(file_read(dir, rows[i].name, &bytes, &err), rows[i].result);
		assert_int_equal(file_read_secret(dir, rows[i].name, 100, &secret, &err),
				 rows[i].result);
		assert_true(buf_ok(&bytes));
		assert_true(slice_equal(buf_slice(&bytes),
					slice_str(rows[i].result == 0 ? "> content" : "> ")));
		assert_int_equal(secret != NULL, rows[i].result == 0);
		assert_null(strstr(err.text, root));
		if (rows[i].result < 0)
			assert_non_null(strstr(err.text, rows[i].name));
	}
}

static void sizes_and_limits(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000};
	static char content[100001];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(buf_fini) struct buf exact = BUF_INIT(sizes[i]);
		CLEANUP(buf_fini) struct buf less = BUF_INIT(sizes[i] - (sizes[i] > 0));
		CLEANUP(secret_cleanup) struct secret *secret = NULL;
		struct secret *refused = NULL;
		struct err err = {0};

		memset(content, 'x', sizes[i]);
		content[sizes[i]] = '\0';
		put("f", content);
		assert_int_equal(file_read(dir, "f", &exact, &err), 0);
		assert_int_equal(exact.len, sizes[i]);
		assert_int_equal(file_read_secret(dir, "f", sizes[i], &secret, &err), 0);
		assert_true(secret_equal(secret_slice(secret), slice_str(content)));
		if (sizes[i] == 0)
			continue;
		assert_int_equal(file_read(dir, "f", &less, &err), ERR_TOO_LARGE);
		assert_int_equal(less.len, 0);
		assert_true(buf_ok(&less));
		assert_int_equal(file_read_secret(dir, "f", sizes[i] - 1, &refused, &err),
				 ERR_TOO_LARGE);
		assert_null(refused);
	}
}

/* Files of the kernel say that they are empty and are not. */
static void files_without_a_size(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1 << 20);
	struct err err = {0};
	int proc = -1;

	(void)state;
	assert_int_equal(file_open_dir(AT_FDCWD, "/proc/self", false, 0, &proc, &err),
			 ERR_UNREADABLE); /* a link */
	assert_int_equal(file_open_dir(AT_FDCWD, "/proc/self/attr", false, 0, &proc, &err), 0);
	close(proc);
	assert_int_equal(file_open_dir(AT_FDCWD, "/proc", false, 0, &proc, &err), 0);
	assert_int_equal(file_read(proc, "version", &bytes, &err), 0);
	assert_memory_equal(bytes.data, "Linux", 5);
	close(proc);
}

/* --- writing --- */

static void write_is_durable_in_order(void **state)
{
	struct err err = {0};
	struct stat st;

	(void)state;
	assert_int_equal(write_text("f", "one", FILE_CREATE, &err), 0);
	assert_string_equal(trace, "wsrd");
	expect_content("f", "one");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	reset_faults();
	assert_int_equal(write_text("f", "two", FILE_REPLACE, &err), 0);
	assert_string_equal(trace, "wsrd");
	expect_content("f", "two");
	assert_int_equal(write_text("g", "", FILE_REPLACE, &err), 0);
	expect_content("g", "");
	reset_faults();
	assert_int_equal(file_remove(dir, "g", &err), 0);
	assert_string_equal(trace, "d");
	assert_int_equal(entries(), 1);
	assert_int_equal(file_sync(dir, "f", &err), 0);
	assert_int_equal(file_sync(dir, NULL, &err), 0);
	assert_string_equal(trace, "dsdd");
	assert_int_equal(file_sync(dir, "g", &err), ERR_NOT_FOUND);
	fault_fsync = (struct fault){.nth = 1, .errnum = EIO};
	assert_int_equal(file_sync(dir, "f", &err), ERR_INTERNAL);
}

static void create_never_overwrites(void **state)
{
	static const char *const names[] = {"file", "folder", "link", "fifo"};
	struct err err = {0};
	int fallback;
	size_t i;

	(void)state;
	put("file", "old");
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_int_equal(symlinkat("nowhere", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	for (fallback = 0; fallback < 2; fallback++) {
		for (i = 0; i < ARRAY_LEN(names); i++) {
			reset_faults();
			fault_renameat2 = (struct fault){.nth = fallback, .errnum = EINVAL};
			assert_int_equal(write_text(names[i], "new", FILE_CREATE, &err),
					 ERR_CONFLICT);
			assert_int_equal(entries(), ARRAY_LEN(names));
		}
	}
	expect_content("file", "old");
}

static void without_renameat2(void **state)
{
	static const int errnums[] = {ENOSYS, EINVAL};
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(errnums); i++) {
		reset_faults();
		fault_renameat2 = (struct fault){.nth = 1, .errnum = errnums[i]};
		assert_int_equal(write_text("f", "one", FILE_CREATE, &err), 0);
		assert_string_equal(trace, "wsrld");
		expect_content("f", "one");
		fault_renameat2 = (struct fault){.nth = 1, .errnum = errnums[i]};
		assert_int_equal(file_move(dir, "f", dir, "g", &err), 0);
		expect_content("g", "one");
		assert_int_equal(entries(), 1);
		assert_int_equal(file_remove(dir, "g", &err), 0);
	}
}

static void short_and_interrupted_writes(void **state)
{
	struct err err = {0};

	(void)state;
	write_limit = 3;
	fault_write = (struct fault){.nth = 2, .errnum = EINTR};
	assert_int_equal(write_text("f", "0123456789", FILE_CREATE, &err), 0);
	assert_string_equal(trace, "wwwwwsrd");
	expect_content("f", "0123456789");
}

/* A call fails: the code, the old content, and no temporary file left. */
static void failures_leave_the_old(void **state)
{
	static const struct {
		struct fault *fault;
		int nth;
		int errnum;
		enum file_write how;
		int result;
	} rows[] = {
		{&fault_write, 1, ENOSPC, FILE_CREATE, ERR_DISK_FULL},
		{&fault_write, 1, EDQUOT, FILE_REPLACE, ERR_DISK_FULL},
		{&fault_write, 2, EFBIG, FILE_REPLACE, ERR_DISK_FULL},
		{&fault_write, 2, EIO, FILE_REPLACE, ERR_INTERNAL},
		{&fault_fsync, 1, EIO, FILE_CREATE, ERR_INTERNAL},
		{&fault_fsync, 1, ENOSPC, FILE_REPLACE, ERR_DISK_FULL},
		{&fault_renameat2, 1, EIO, FILE_CREATE, ERR_INTERNAL},
		{&fault_renameat2, 1, ENOENT, FILE_CREATE, ERR_INTERNAL},
		{&fault_renameat2, 1, ENOSPC, FILE_CREATE, ERR_DISK_FULL},
		/* the folder: a creation is taken back */
		{&fault_fsync, 2, EIO, FILE_CREATE, ERR_INTERNAL},
		{&fault_fsync, 2, ENOSPC, FILE_CREATE, ERR_INTERNAL},
	};
	size_t i;

	(void)state;
	put("old", "old");
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const char *name = rows[i].how == FILE_CREATE ? "new" : "old";
		struct err err = {0};

		reset_faults();
		write_limit = 2;
		rows[i].fault->nth = rows[i].nth;
		rows[i].fault->errnum = rows[i].errnum;
		assert_int_equal(write_text(name, "new", rows[i].how, &err), rows[i].result);
		assert_int_equal(err.origin, rows[i].errnum);
		assert_true(rows[i].fault->calls >= rows[i].nth);
		assert_int_equal(entries(), 1);
		expect_content("old", "old");
	}
}

/* After the rename of a replacement there is no way back: the new content, whole, and an error. */
static void replacement_that_is_not_durable(void **state)
{
	struct err err = {0};

	(void)state;
	put("f", "old");
	fault_fsync = (struct fault){.nth = 2, .errnum = ENOSPC};
	assert_int_equal(write_text("f", "new", FILE_REPLACE, &err), ERR_INTERNAL);
	assert_int_equal(err.origin, ENOSPC);
	expect_content("f", "new");
	assert_int_equal(entries(), 1);
}

static void replace_refuses_a_folder(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_int_equal(write_text("folder", "x", FILE_REPLACE, &err), ERR_CONFLICT);
	assert_int_equal(entries(), 1);
}

static void removing(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(file_remove(dir, "f", &err), ERR_NOT_FOUND);
	put("f", "x");
	fault_fsync = (struct fault){.nth = 1, .errnum = EIO};
	assert_int_equal(file_remove(dir, "f", &err), ERR_INTERNAL);
	assert_int_equal(entries(), 0);
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_true(file_remove(dir, "folder", &err) < 0);
	assert_int_equal(entries(), 1);
}

static void moving(void **state)
{
	struct err err = {0};
	int other = -1;

	(void)state;
	assert_int_equal(file_open_dir(dir, "other", true, 0700, &other, &err), 0);
	put("a", "A");
	put("b", "B");
	assert_int_equal(file_move(dir, "absent", dir, "c", &err), ERR_NOT_FOUND);
	assert_int_equal(file_move(dir, "a", dir, "b", &err), ERR_CONFLICT);
	expect_content("a", "A");
	expect_content("b", "B");
	reset_faults();
	assert_int_equal(file_move(dir, "a", other, "a", &err), 0);
	assert_string_equal(trace, "rdd");
	put("a", "again");
	assert_int_equal(file_move(dir, "a", other, "a", &err), ERR_CONFLICT);
	expect_content("a", "again");
	fault_renameat2 = (struct fault){.nth = 1, .errnum = EXDEV};
	assert_int_equal(file_move(dir, "b", other, "b", &err), ERR_INTERNAL);
	expect_content("b", "B");
	close(other);
}

/* --- folders --- */

static void folders_are_made(void **state)
{
	struct err err = {0};
	char path[512];
	struct stat st;
	mode_t mask;
	int fd = -1;

	(void)state;
	assert_int_equal(file_open_dir(dir, "a/b", false, 0700, &fd, &err), ERR_NOT_FOUND);
	assert_int_equal(fd, -1);
	mask = umask(077);
	assert_int_equal(file_open_dir(dir, "a//b/c/", true, 0750, &fd, &err), 0);
	umask(mask);
	/* Each new folder and its parent. */
	assert_string_equal(trace, "dddddd");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	assert_int_equal(fstatat(dir, "a/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	reset_faults();
	assert_int_equal(file_open_dir(dir, "a/b/c", true, 0700, &fd, &err), 0);
	assert_string_equal(trace, "");
	close(fd);
	(void)snprintf(path, sizeof(path), "%s/a/b", root);
	assert_int_equal(file_open_dir(AT_FDCWD, path, false, 0, &fd, &err), 0);
	close(fd);
	assert_int_equal(file_open_dir(AT_FDCWD, "/", false, 0, &fd, &err), 0);
	assert_int_equal(fsync(fd) == 0 || errno != EBADF, 1);
	close(fd);
}

/* Killed before the sync, or the sync failed: the next maker does not take it for done. */
static void folders_that_are_there_are_synced(void **state)
{
	struct err err;
	int fd = -1;

	(void)state;
	assert_int_equal(mkdirat(dir, "a", 0700), 0);
	fault_fsync = (struct fault){1, EIO, 0};
	assert_int_equal(file_make_dir(dir, "a", 0700, &fd, &err), ERR_INTERNAL);
	assert_int_equal(fd, -1);
	reset_faults();
	assert_int_equal(file_make_dir(dir, "a", 0700, &fd, &err), 0);
	assert_string_equal(trace, "d");
	close(fd);
	assert_int_equal(file_make_dir(dir, "a/b", 0700, &fd, &err), ERR_INVALID);
}

static void folders_that_are_none(void **state)
{
	char too_long[300], longer[5000];
	const struct {
		const char *path;
		int result;
	} rows[] = {
		{"", ERR_INVALID},
		{too_long, ERR_INVALID},
		{longer, ERR_INVALID},
		{"file", ERR_UNREADABLE},
		{"file/x", ERR_UNREADABLE},
		{"link", ERR_UNREADABLE},
		{"link/", ERR_UNREADABLE},
		{"dangling", ERR_UNREADABLE},
		{"dangling/x", ERR_NOT_FOUND},
	};
	struct err err = {0};
	int fd = -1;
	size_t i;

	(void)state;
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	for (i = 0; i + 1 < sizeof(longer); i++)
		longer[i] = i % 2 == 0 ? 'a' : '/';
	longer[sizeof(longer) - 1] = '\0';
	put("file", "x");
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_int_equal(symlinkat("folder", dir, "link"), 0);
	assert_int_equal(symlinkat("nowhere", dir, "dangling"), 0);
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(file_open_dir(dir, rows[i].path, false, 0700, &fd, &err),
				 rows[i].result);
		assert_true(file_open_dir(dir, rows[i].path, true, 0700, &fd, &err) < 0);
		assert_int_equal(fd, -1);
	}
	assert_int_equal(entries(), 4);
	/* A link on the way is followed. */
	assert_int_equal(file_open_dir(dir, "link/sub", true, 0700, &fd, &err), 0);
	close(fd);
	fd = -1;
	fault_fsync = (struct fault){.nth = 2, .errnum = EIO};
	assert_int_equal(file_open_dir(dir, "new", true, 0700, &fd, &err), ERR_INTERNAL);
	assert_int_equal(fd, -1);
}

static void sweeping(void **state)
{
	struct err err = {0};
	size_t count = 99;
	int living;

	(void)state;
	assert_int_equal(file_sweep(dir, &count, &err), 0);
	assert_int_equal(count, 0);
	put("kept", "x");
	put(".hidden", "x");
	put(".tmp-1-1", "x");
	put(".tmp-1-2", "");
	put(".tmp-living", "x");
	assert_int_equal(symlinkat("kept", dir, ".tmp-link"), 0);
	assert_int_equal(mkfifoat(dir, ".tmp-fifo", 0600), 0);
	assert_int_equal(mkdirat(dir, ".tmp-folder", 0700), 0);
	living = openat(dir, ".tmp-living", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(living, LOCK_EX | LOCK_NB), 0);
	reset_faults();
	assert_int_equal(file_sweep(dir, &count, &err), 0);
	assert_string_equal(trace, "d");
	assert_int_equal(count, 4);
	assert_int_equal(entries(), 4);
	expect_content("kept", "x");
	close(living);
	assert_int_equal(file_sweep(dir, &count, &err), 0);
	assert_int_equal(count, 1);
}

struct listed {
	size_t count;
	char names[100];
	int stop;
};

static int on_name(void *arg, const char *name)
{
	struct listed *listed = arg;
	size_t len = strlen(listed->names);

	listed->count++;
	(void)snprintf(listed->names + len, sizeof(listed->names) - len, "<%s>", name);
	return listed->stop;
}

static void listing(void **state)
{
	struct listed all = {0};
	struct listed again = {0};
	struct listed one = {.stop = ERR_DAMAGED};
	struct err err = {0};

	(void)state;
	put("a", "");
	put("b", "");
	put(".hidden", "");
	put(".tmp-1-1", "");
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	assert_int_equal(file_list(dir, on_name, &all, &err), 0);
	assert_int_equal(all.count, 3);
	assert_non_null(strstr(all.names, "<a>"));
	assert_non_null(strstr(all.names, "<b>"));
	assert_non_null(strstr(all.names, "<folder>"));
	assert_int_equal(file_list(dir, on_name, &again, &err), 0);
	assert_int_equal(again.count, 3);
	assert_int_equal(file_list(dir, on_name, &one, &err), ERR_DAMAGED);
	assert_int_equal(one.count, 1);
	assert_int_equal(file_list(-1, on_name, &all, &err), ERR_UNREADABLE);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(names_are_single_components),
		TEST(three_answers),
		TEST(sizes_and_limits),
		TEST(files_without_a_size),
		TEST(write_is_durable_in_order),
		TEST(create_never_overwrites),
		TEST(without_renameat2),
		TEST(short_and_interrupted_writes),
		TEST(failures_leave_the_old),
		TEST(replacement_that_is_not_durable),
		TEST(replace_refuses_a_folder),
		TEST(removing),
		TEST(moving),
		TEST(folders_are_made),
		TEST(folders_that_are_there_are_synced),
		TEST(folders_that_are_none),
		TEST(sweeping),
		TEST(listing),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
