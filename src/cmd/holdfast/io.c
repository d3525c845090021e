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

static bool is_standard(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

/* --- in --- */

static int open_input(const char *path, int *ret_fd, struct err *err)
{
	int fd = is_standard(path) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
				   : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		(void)err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNREADABLE, errno,
				    "cannot open %s: %s", is_standard(path) ? "the input" : path,
				    strerrordesc_np(errno));
		return err_add_remedy(err, REMEDY_PATH);
	}
	*ret_fd = fd;
	return 0;
}

int io_each(const char *path, io_take_fn take, void *arg, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	uint8_t piece[PIECE_SIZE];
	ssize_t n = 1;
	int r;

	r = open_input(path, &fd, err);
	while (r == 0 && n != 0) {
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno != EINTR) {
			(void)err_set_errno(err, ERR_UNREADABLE, errno, "cannot read %s: %s",
					    is_standard(path) ? "the input" : path,
					    strerrordesc_np(errno));
			r = err_add_remedy(err, REMEDY_PATH);
		} else if (n > 0) {
			r = take(arg, slice_of(piece, (size_t)n), err);
		}
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
static int write_special(const char *path, struct slice bytes, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		(void)err_set_errno(err, ERR_INTERNAL, errno, "cannot open %s: %s", path,
				    strerrordesc_np(errno));
		return err_add_remedy(err, REMEDY_PATH);
	}
	return write_fd(fd, bytes, path, err);
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

int io_write(const char *path, struct slice bytes, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct target target;
	struct stat st;
	int r;

	if (is_standard(path))
		return write_fd(STDOUT_FILENO, bytes, "the output", err);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return write_special(path, bytes, err);
	if (find_target(path, &target) < 0) {
		(void)err_set_errno(err, ERR_NOT_FOUND, errno, "cannot write %s: %s", path,
				    strerrordesc_np(errno));
		return err_add_remedy(err, REMEDY_PATH);
	}
	r = file_open_dir(AT_FDCWD, target.folder, false, 0, &dir, err);
	if (r == 0)
		r = file_write(dir, target.name, bytes, 0600, FILE_REPLACE, err);
	if (r < 0 && !err->remedy)
		(void)err_add_remedy(err, REMEDY_PATH);
	return r;
}

bool io_is_terminal(const char *path)
{
	return is_standard(path) && isatty(STDOUT_FILENO) == 1;
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
