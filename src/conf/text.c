/* SPDX-License-Identifier: Apache-2.0 */
/* Files are read here, not by libconfuse, which ends the process when reading fails. */
#include "conf/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret.h"

#define CHUNK	   4096u
#define SHOWN_NAME 96u

const char *text_name(const char *path)
{
	size_t len = strlen(path);

	return len > SHOWN_NAME ? path + len - SHOWN_NAME : path;
}

static int check_access(const struct stat *st, const char *path, enum text_access access,
			struct err *err)
{
	mode_t others = access == TEXT_SECRET ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH;

	if (access == TEXT_ANY)
		return 0;
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(err, ERR_FORBIDDEN, "%s is somebody else's; allowed: root's and own",
			       text_name(path));
	if (st->st_mode & others)
		return err_set(err, ERR_FORBIDDEN, "%s may be %s by others; allowed: mode %s",
			       text_name(path),
			       access == TEXT_SECRET ? "read or written" : "written",
			       access == TEXT_SECRET ? "0600 or less" : "0644 or less");
	return 0;
}

static int open_regular(const char *path, enum text_access access, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct stat st;
	int r;

	/* Without O_NONBLOCK a FIFO would hang us here. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNREADABLE, errno,
				     "cannot open %s: %s", text_name(path), strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_UNREADABLE, "%s is not a regular file", text_name(path));
	r = check_access(&st, path, access, err);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int text_read(const char *path, enum text_access access, struct buf *ret_bytes, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	uint8_t chunk[CHUNK];
	size_t room;
	ssize_t n;
	int r;

	r = open_regular(path, access, &fd, err);
	if (r < 0)
		return r;
	do {
		room = ret_bytes->max - ret_bytes->len;
		n = read(fd, chunk, room < sizeof(chunk) ? room : sizeof(chunk));
		if (n < 0 && errno != EINTR)
			return err_set_errno(err, ERR_UNREADABLE, errno, "cannot read %s: %s",
					     text_name(path), strerror(errno));
		if (n > 0)
			buf_put(ret_bytes, slice_of(chunk, (size_t)n));
	} while (n != 0);
	wipe(chunk, sizeof(chunk));
	return buf_ok(ret_bytes) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}
