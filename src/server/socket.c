/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket's file outlives its process. Whether somebody is behind it is found out by connecting;
 * only when the kernel says that nobody listens it is removed. Two daemons cannot race here,
 * since each holds the lock of its state folder and a run folder belongs to one of them.
 */
#include "server/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "server/server.h"

#define BACKLOG 128

static int address_of(const char *path, const char *name, struct sockaddr_un *ret_addr,
		      struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int len = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", path, name);

	if (len < 0 || (size_t)len >= sizeof(addr.sun_path))
		return err_set(err, ERR_INVALID,
			       "the path of the run folder is too long for a socket (%zu bytes)",
			       sizeof(addr.sun_path) - 1);
	*ret_addr = addr;
	return 0;
}

static int new_socket(int *ret_fd, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make a socket");
	*ret_fd = fd;
	return 0;
}

/* Removes what nobody listens on. */
static int clear_name(int dir, const char *name, const struct sockaddr_un *addr, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot look at %s", name);
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFLICT, "%s exists and is no socket", name);
	r = new_socket(&fd, err);
	if (r < 0)
		return r;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno != ECONNREFUSED)
		return err_set(err, ERR_CONFLICT, "another process answers on %s", name);
	if (unlinkat(dir, name, 0) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot remove the old %s", name);
	return 0;
}

bool socket_group(gid_t *ret_gid)
{
	static gid_t known;
	static bool is_known;
	const struct group *group = is_known ? NULL : getgrnam(SERVER_GROUP);

	if (group) {
		known = group->gr_gid;
		is_known = true;
	}
	if (is_known)
		*ret_gid = known;
	return is_known;
}

/* Where the group does not exist, or is not ours to give, a private instance keeps its own. */
static void give_to_group(int dir, const char *name)
{
	gid_t group;

	if (socket_group(&group) && fchownat(dir, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0)
		errno = 0;
}

int socket_listen(int dir, const char *path, const char *name, enum socket_access access,
		  int *ret_fd, struct err *err)
{
	static const mode_t MODES[] = {
		[SOCKET_GROUP] = 0660, [SOCKET_OWNER] = 0600, [SOCKET_ALL] = 0666};
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int r;

	r = address_of(path, name, &addr, err);
	if (r < 0)
		return r;
	r = clear_name(dir, name, &addr, err);
	if (r < 0)
		return r;
	r = new_socket(&fd, err);
	if (r < 0)
		return r;
	/* The umask of a daemon makes it 0700, so nobody connects before it is given away. */
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make the socket %s", name);
	if (access == SOCKET_GROUP)
		give_to_group(dir, name);
	if (fchmodat(dir, name, MODES[access], 0) < 0 || listen(fd, BACKLOG) < 0) {
		r = err_set_errno(err, ERR_INTERNAL, errno, "cannot listen on a socket");
		(void)unlinkat(dir, name, 0);
		return r;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}
