/* SPDX-License-Identifier: Apache-2.0 */
/* Plain descriptors, not stdio: no copy of a secret stays behind in a buffer of the C library. */
#include "cmd/holdfast/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/utf8.h"

#define PIECE_SIZE 16384u

static const char REMEDY_PATH[] = "Check the path and its permissions.";
static const char REMEDY_TERMINAL[] = "Name a file by --out FILE, or redirect standard output.";

bool io_is_standard(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

/* --- in --- */

static int open_input(const char *path, int *ret_fd, struct err *err)
{
	int fd = io_is_standard(path) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
				      : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		(void)err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNREADABLE, errno,
				    "cannot open %s: %s", io_is_standard(path) ? "the input" : path,
				    strerrordesc_np(errno));
		return err_add_remedy(err, REMEDY_PATH);
	}
	*ret_fd = fd;
	return 0;
}

/* What a file of the kernel says of its size means nothing: those are small, or no regular ones. */
static uint64_t size_of(int fd)
{
	struct stat st;
	off_t at;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return IO_SIZE_UNKNOWN;
	at = lseek(fd, 0, SEEK_CUR);
	return at >= 0 && at <= st.st_size ? (uint64_t)(st.st_size - at) : IO_SIZE_UNKNOWN;
}

int io_in_open(struct io_in *in, const char *path, struct err *err)
{
	int r;

	in->path = path;
	r = open_input(path, &in->fd, err);
	if (r == 0)
		in->size = size_of(in->fd);
	return r;
}

int io_in_read(struct io_in *in, void *data, size_t room, size_t *ret_len, struct err *err)
{
	ssize_t n;

	do
		n = read(in->fd, data, room);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		(void)err_set_errno(err, ERR_UNREADABLE, errno, "cannot read %s: %s",
				    io_is_standard(in->path) ? "the input" : in->path,
				    strerrordesc_np(errno));
		return err_add_remedy(err, REMEDY_PATH);
	}
	*ret_len = (size_t)n;
	return 0;
}

void io_in_fini(struct io_in *in)
{
	fd_close_cleanup(&in->fd);
	in->fd = -1;
}

int io_each(const char *path, io_take_fn take, void *arg, struct err *err)
{
	CLEANUP(io_in_fini) struct io_in in = IO_IN_INIT;
	uint8_t piece[PIECE_SIZE];
	size_t len = 1;
	int r;

	r = io_in_open(&in, path, err);
	while (r == 0 && len > 0) {
		r = io_in_read(&in, piece, sizeof(piece), &len, err);
		if (r == 0 && len > 0)
			r = take(arg, slice_of(piece, len), err);
	}
	wipe(piece, sizeof(piece));
	return r;
}

static int take_into_buf(void *arg, struct slice piece, struct err *err)
{
	struct buf *bytes = arg;

	if (piece.len > bytes->max - bytes->len)
		return err_set(err, ERR_TOO_LARGE, "the input is over %zu bytes", bytes->max);
	buf_put(bytes, piece);
	if (!buf_ok(bytes))
		return err_set(err, ERR_INTERNAL, "memory is short");
	return 0;
}

int io_read(const char *path, struct buf *ret_bytes, struct err *err)
{
	return io_each(path, take_into_buf, ret_bytes, err);
}

int io_read_text(const char *path, const char *what, struct buf *ret_text, struct err *err)
{
	int r = io_read(path, ret_text, err);

	if (r < 0)
		return err_wrap(err, "%s", what);
	if (ret_text->len > 0 && memchr(ret_text->data, '\0', ret_text->len))
		return err_set(err, ERR_INVALID, "%s: not a text", what);
	buf_put_u8(ret_text, '\0');
	return buf_ok(ret_text) ? 0 : err_set(err, ERR_TOO_LARGE, "%s: too large", what);
}

/* --- out --- */

static int write_fd(int fd, struct slice bytes, const char *what, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno != EINTR) {
			(void)err_set_errno(err, ERR_INTERNAL, errno, "cannot write %s: %s", what,
					    strerrordesc_np(errno));
			return err_add_remedy(err, REMEDY_PATH);
		}
		if (n > 0)
			bytes = slice_of(bytes.data + n, bytes.len - (size_t)n);
	}
	return 0;
}

/* A rename would replace a device by a file, so what is no file is opened and written. */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int open_special(const char *path, int *ret_fd, struct err *err)
{
	int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		(void)err_set_errno(err, ERR_INTERNAL, errno, "cannot open %s: %s", path,
				    strerrordesc_np(errno));
		return err_add_remedy(err, REMEDY_PATH);
	}
	*ret_fd = fd;
	return 0;
}

struct target {
	char folder[PATH_MAX]; /* without links */
	const char *name;      /* in it; points into path */
	char path[PATH_MAX];   /* what was asked for, links of the last part followed */
};

/* Finds folder and name; links are followed as they would be when the file were opened. */
static int find_target(const char *path, struct target *target)
{
	char above[PATH_MAX];
	const char *slash;

	if (!realpath(path, target->path)) {
		if (errno != ENOENT || strlen(path) >= sizeof(target->path))
			return -1;
		memcpy(target->path, path, strlen(path) + 1);
	}
	slash = strrchr(target->path, '/');
	target->name = slash ? slash + 1 : target->path;
	if (snprintf(above, sizeof(above), "%.*s/.", slash ? (int)(slash - target->path) : 1,
		     slash ? target->path : ".") < 0)
		return -1;
	return realpath(above, target->folder) ? 0 : -1;
}

static int open_draft(const char *path, struct file_draft **ret_draft, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct target target;
	int r;

	if (find_target(path, &target) < 0) {
		(void)err_set_errno(err, ERR_NOT_FOUND, errno, "cannot write %s: %s", path,
				    strerrordesc_np(errno));
		return err_add_remedy(err, REMEDY_PATH);
	}
	r = file_open_dir(AT_FDCWD, target.folder, false, 0, &dir, err);
	if (r == 0)
		r = file_draft_new(dir, target.name, 0600, ret_draft, err);
	return r;
}

static int with_remedy(int r, struct err *err)
{
	if (r < 0 && !err->remedy)
		(void)err_add_remedy(err, REMEDY_PATH);
	return r;
}

int io_out_open(struct io_out *out, const char *path, struct err *err)
{
	out->path = path;
	if (io_is_standard(path) || is_special(path))
		return 0;
	return with_remedy(open_draft(path, &out->draft, err), err);
}

static int write_out(struct io_out *out, struct slice bytes, struct err *err)
{
	int r = 0;

	if (io_is_standard(out->path))
		return write_fd(STDOUT_FILENO, bytes, "the output", err);
	if (out->fd < 0)
		r = open_special(out->path, &out->fd, err);
	return r < 0 ? r : write_fd(out->fd, bytes, out->path, err);
}

/* From here on what comes is given out as it comes. */
static int let_go(struct io_out *out, struct err *err)
{
	int r;

	out->held_back = false;
	r = write_out(out, buf_slice(&out->held), err);
	buf_fini(&out->held);
	return r;
}

static int hold(struct io_out *out, struct slice bytes, struct err *err)
{
	buf_put(&out->held, bytes);
	return buf_ok(&out->held) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int io_out_write(struct io_out *out, struct slice bytes, struct err *err)
{
	int r = 0;

	if (out->draft)
		return with_remedy(file_draft_write(out->draft, bytes, err), err);
	if (out->held_back && bytes.len <= out->held.max - out->held.len)
		return hold(out, bytes, err);
	if (io_is_terminal(out->path)) {
		(void)err_set(err, ERR_INVALID, "this is too much for a terminal");
		return err_add_remedy(err, REMEDY_TERMINAL);
	}
	if (out->held_back)
		r = let_go(out, err);
	return r < 0 ? r : write_out(out, bytes, err);
}

int io_out_finish(struct io_out *out, struct err *err)
{
	int r;

	if (out->draft)
		return with_remedy(file_draft_publish(out->draft, FILE_REPLACE, err), err);
	if (!out->held_back)
		return 0;
	r = io_check_terminal(out->path, buf_slice(&out->held), err);
	return r < 0 ? r : let_go(out, err);
}

void io_out_fini(struct io_out *out)
{
	file_draft_free(TAKE(out->draft));
	buf_fini(&out->held);
	fd_close_cleanup(&out->fd);
	out->fd = -1;
}

int io_write(const char *path, struct slice bytes, struct err *err)
{
	CLEANUP(io_out_fini) struct io_out out = IO_OUT_INIT;
	int r;

	r = io_out_open(&out, path, err);
	if (r < 0)
		return r;
	if (!out.draft)
		return write_out(&out, bytes, err);
	r = file_draft_write(out.draft, bytes, err);
	if (r == 0)
		r = file_draft_publish(out.draft, FILE_REPLACE, err);
	return with_remedy(r, err);
}

int io_new(const char *path, struct file_draft **ret_draft, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return err_set(err, ERR_CONFLICT, "%s is there already", path);
	return with_remedy(open_draft(path, ret_draft, err), err);
}

int io_check_terminal(const char *path, struct slice bytes, struct err *err)
{
	if (!io_is_terminal(path) || io_is_text(bytes))
		return 0;
	(void)err_set(err, ERR_INVALID, "these bytes are no text for a terminal");
	return err_add_remedy(err, REMEDY_TERMINAL);
}

bool io_is_terminal(const char *path)
{
	return io_is_standard(path) && isatty(STDOUT_FILENO) == 1;
}

/* --- terminals, and what is missing --- */

size_t io_printable(struct slice text)
{
	size_t len = utf8_next(text);
	bool control = len == 0 || text.data[0] < 0x20 || text.data[0] == 0x7f ||
		       (len == 2 && text.data[0] == 0xc2 && text.data[1] < 0xa0);

	return control ? 0 : len;
}

bool io_is_text(struct slice bytes)
{
	while (bytes.len > 0) {
		bool blank = bytes.data[0] == '\t' || bytes.data[0] == '\n';
		size_t len = blank ? 1 : io_printable(bytes);

		if (len == 0)
			return false;
		bytes = slice_of(bytes.data + len, bytes.len - len);
	}
	return true;
}

/*
 * A folder opened as a mere path is always there, can be neither read nor written, and cannot be
 * opened again by way of /dev/stdout. The lowest free descriptor is the one that is closed.
 */
bool io_hold_standard(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/", O_PATH) != fd)
			return false;
	return true;
}
