/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define OPEN_PART (O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

int file_part_open(int dir, const char *name, mode_t mode, int *ret_fd, uint64_t *ret_size,
		   struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct stat st;
	int r = file_check_name(name, err);

	if (r < 0)
		return r;
	fd = openat(dir, name, OPEN_PART, mode);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot open %s", name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(err, ERR_UNREADABLE, "%s is not a file of ours", name);
	if (fchmod(fd, mode) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot open %s", name);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int file_part_write(int fd, uint64_t at, struct slice bytes, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t n = pwrite(fd, bytes.data, bytes.len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set_errno(err, ERR_INTERNAL, n < 0 ? errno : ENOSPC,
					     "cannot write what comes");
		at += (uint64_t)n;
		bytes = slice_of(bytes.data + n, bytes.len - (size_t)n);
	}
	return 0;
}

int file_part_cut(int fd, uint64_t size, struct err *err)
{
	if (ftruncate(fd, (off_t)size) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot cut a file");
	return 0;
}

int file_part_sync(int dir, int fd, struct err *err)
{
	int r = file_sync_content(fd, "what came", err);

	return r < 0 ? r : file_sync_folder(dir, "what came", err);
}
