/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors from 3 on, announced for one process by LISTEN_PID and LISTEN_FDS. */
#include "host/listen_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3

static bool has_option(int fd, int name, int want)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 && value == want;
}

static bool for_us(void)
{
	const char *pid = getenv("LISTEN_PID");
	char *end;

	if (!pid || pid[0] < '0' || pid[0] > '9')
		return false;
	return strtol(pid, &end, 10) == (long)getpid() && *end == '\0';
}

static bool is_of_kind(int fd, enum listen_fds_kind kind)
{
	return has_option(fd, SO_DOMAIN, AF_UNIX) ||
	       (kind == LISTEN_FDS_ANY &&
		(has_option(fd, SO_DOMAIN, AF_INET) || has_option(fd, SO_DOMAIN, AF_INET6)));
}

int listen_fds_take(enum listen_fds_kind kind, int *ret_fd, struct err *err)
{
	const char *count = getenv("LISTEN_FDS");

	if (!count || !for_us()) {
		*ret_fd = -1;
		return 0;
	}
	if (strcmp(count, "1") != 0)
		return err_set(err, ERR_INVALID, "one socket is expected of the manager, not %s",
			       count);
	if (!is_of_kind(FIRST_FD, kind) || !has_option(FIRST_FD, SO_TYPE, SOCK_STREAM) ||
	    !has_option(FIRST_FD, SO_ACCEPTCONN, 1))
		return err_set(err, ERR_INVALID,
			       "what the manager gave is no listening %sstream socket",
			       kind == LISTEN_FDS_UNIX ? "Unix " : "");
	if (fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC) < 0 || fcntl(FIRST_FD, F_SETFL, O_NONBLOCK) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot use the manager's socket");
	*ret_fd = FIRST_FD;
	return 0;
}
