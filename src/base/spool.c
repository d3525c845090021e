/* SPDX-License-Identifier: Apache-2.0 */
/* A file that no name leads to: the kernel frees it with the last descriptor, also after a kill. */
#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

#define NAME_SIZE 64u
#define TRIES	  1000u
#define OPEN_ANY  (O_RDWR | O_CLOEXEC)

struct spool {
	int fd;
	uint64_t size;
};

/* The name is of the kind that file_sweep() knows. */
static int open_named(int dir)
{
	static _Atomic unsigned counter;
	char name[NAME_SIZE];
	unsigned tries;
	int fd = -1;

	for (tries = 0; tries < TRIES; tries++) {
		(void)snprintf(name, sizeof(name), FILE_TEMP_PREFIX "spool-%d-%u", (int)getpid(),
			       atomic_fetch_add(&counter, 1));
		fd = openat(dir, name, OPEN_ANY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	if (fd >= 0)
		(void)unlinkat(dir, name, 0);
	return fd;
}

int spool_new(int dir, struct spool **ret_spool, struct err *err)
{
	CLEANUP(spool_cleanup) struct spool *spool = calloc(1, sizeof(*spool));

	if (!spool)
		return err_set(err, ERR_INTERNAL, "memory is short");
	spool->fd = openat(dir, ".", OPEN_ANY | O_TMPFILE | O_EXCL, 0600);
	/* EISDIR is how old kernels say that they do not know the flag. */
	if (spool->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		spool->fd = open_named(dir);
	if (spool->fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make room for the data");
	*ret_spool = TAKE(spool);
	return 0;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	fd_close_cleanup(&spool->fd);
	free(spool);
}

int spool_append(struct spool *spool, struct slice bytes, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t n = pwrite(spool->fd, bytes.data, bytes.len, (off_t)spool->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set_errno(err, ERR_INTERNAL, n < 0 ? errno : ENOSPC,
					     "cannot keep the data for the moment");
		spool->size += (size_t)n;
		bytes = slice_of(bytes.data + n, bytes.len - (size_t)n);
	}
	return 0;
}

uint64_t spool_size(const struct spool *spool)
{
	return spool->size;
}

int spool_read(const struct spool *spool, uint64_t at, uint8_t *ret_bytes, size_t len,
	       struct err *err)
{
	while (len > 0) {
		ssize_t n = pread(spool->fd, ret_bytes, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_UNREADABLE, errno,
					     "cannot read the data back");
		if (n == 0)
			return err_set(err, ERR_UNREADABLE, "the data end too early");
		at += (size_t)n;
		ret_bytes += n;
		len -= (size_t)n;
	}
	return 0;
}
