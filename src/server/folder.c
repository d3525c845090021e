/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's root may do in its folder what he likes: put a link, a folder or a socket of his
 * own in the place of ours, or change the folder's mode. So its socket is made in the folder above,
 * which nobody mounts, and moved in: a name is unlinked there and another one takes its place, and
 * neither follows a link. Whoever makes that fail harms himself.
 */
#include "server/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "server/server.h"
#include "server/socket.h"

#define RUN_MODE     0750
#define TENANTS_MODE 0710
#define TENANT_MODE  0755
#define NAME_SIZE    72u

/* --- the run folder --- */

/* Other users must not be able to put a socket of theirs there. */
static int check_run(const struct stat *st, struct err *err)
{
	gid_t group;
	bool has_group = socket_group(&group);
	bool our_group = st->st_gid == getegid() || (has_group && st->st_gid == group);

	if (st->st_uid != geteuid() && st->st_uid != 0)
		(void)err_set(err, ERR_INVALID, "the run folder belongs to another user");
	else if (st->st_mode & S_IWOTH)
		(void)err_set(err, ERR_INVALID, "the run folder can be written by everybody");
	else if ((st->st_mode & S_IWGRP) && !our_group)
		(void)err_set(err, ERR_INVALID, "the run folder can be written by another group");
	else
		return 0;
	return err_add_remedy(err, "Make the folder the service's own (chown) and let nobody else "
				   "write it (chmod 0750), then start again.");
}

/* Where the group does not exist, or is not ours to give, a private instance keeps its own. */
static void give_to_group(int dir)
{
	gid_t group;

	if (socket_group(&group) && fchown(dir, (uid_t)-1, group) < 0)
		errno = 0;
}

int folder_open_run(const char *run_dir, int *ret_dir, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	bool made = access(run_dir, F_OK) < 0;
	struct stat st;
	int r;

	r = file_open_dir(AT_FDCWD, run_dir, true, RUN_MODE, &dir, err);
	if (r < 0)
		return err_wrap(err, "run folder");
	if (fstat(dir, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot look at the run folder");
	r = check_run(&st, err);
	if (r < 0)
		return r;
	if (made)
		give_to_group(dir);
	*ret_dir = dir;
	dir = -1;
	return 0;
}

/* --- the tenants' folders --- */

/*
 * A folder of ours with exactly @mode, whatever it had. Nothing here is synced, neither folders nor
 * sockets: a run folder is made anew by every start.
 */
static int open_own(int parent, const char *name, bool create, mode_t mode, int *ret_dir,
		    struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct stat st;
	int r;

	if (create && mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_INTERNAL, errno,
				     "cannot make the folder of sockets %s", name);
	r = file_open_dir(parent, name, false, mode, &dir, err);
	if (r < 0)
		return err_wrap(err, "the folder of sockets");
	if (fstat(dir, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot look at the folder %s",
				     name);
	if (st.st_uid != geteuid()) {
		(void)err_set(err, ERR_INVALID, "the folder of sockets %s belongs to another user",
			      name);
		return err_add_remedy(err, "Remove that folder, then reload or restart; whoever "
					   "has it mounted must mount it anew.");
	}
	if ((st.st_mode & 07777) != mode && fchmod(dir, mode) < 0)
		return err_set_errno(err, ERR_INVALID, errno,
				     "the folder of sockets %s has a wrong mode", name);
	*ret_dir = dir;
	dir = -1;
	return 0;
}

int folder_open_tenants(const char *run_dir, int *ret_dir, struct err *err)
{
	CLEANUP(fd_close_cleanup) int run = -1;
	int dir = -1;
	int r = folder_open_run(run_dir, &run, err);

	if (r == 0)
		r = open_own(run, SERVER_TENANTS, true, TENANTS_MODE, &dir, err);
	if (r < 0)
		return r;
	give_to_group(dir);
	*ret_dir = dir;
	return 0;
}

/* Whatever is there but a folder goes; a folder is not ours. */
static int clear_place(int dir, const char *name, struct err *err)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	(void)err_set_errno(err, errno == EISDIR || errno == EPERM ? ERR_CONFLICT : ERR_UNREADABLE,
			    errno, "something else lies in the place of %s", name);
	return err_add_remedy(err, "Remove it from the tenant's folder, and mount that folder "
				   "read-only; then reload or restart.");
}

static int stage(int tenants, const char *run_dir, const char *staged, int *ret_fd, struct err *err)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int len = snprintf(path, sizeof(path), "%s/" SERVER_TENANTS, run_dir);

	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(err, ERR_INVALID,
			       "the path of the run folder is too long for a socket");
	return socket_listen(tenants, path, staged, SOCKET_ALL, ret_fd, err);
}

int folder_listen(int tenants, const struct folder_socket *socket, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	CLEANUP(fd_close_cleanup) int fd = -1;
	char staged[NAME_SIZE];
	int r;

	(void)snprintf(staged, sizeof(staged), ".%s", socket->tenant);
	r = open_own(tenants, socket->tenant, true, TENANT_MODE, &dir, err);
	if (r == 0)
		r = stage(tenants, socket->run_dir, staged, &fd, err);
	if (r < 0)
		return r;
	r = clear_place(dir, socket->name, err);
	if (r == 0)
		r = file_move_passing(tenants, staged, dir, socket->name, err);
	if (r < 0) {
		(void)unlinkat(tenants, staged, 0);
		return r;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int folder_open_tenant(int tenants, const char *tenant, int *ret_dir, struct err *err)
{
	return open_own(tenants, tenant, false, TENANT_MODE, ret_dir, err);
}

static int open_tenant(int tenants, const char *name)
{
	return openat(tenants, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void folder_unlink(int tenants, const char *tenant, const char *name)
{
	CLEANUP(fd_close_cleanup) int dir = open_tenant(tenants, tenant);

	if (dir >= 0)
		(void)unlinkat(dir, name, 0);
}

int folder_remove(int tenants, const char *name, struct err *err)
{
	char aside[NAME_SIZE + 32];

	folder_unlink(tenants, name, SERVER_SOCKET);
	folder_unlink(tenants, name, SERVER_RAW);
	folder_unlink(tenants, name, SERVER_RAW_CONTROL);
	if (unlinkat(tenants, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return err_set_errno(err, ERR_INTERNAL, errno,
				     "the folder of sockets %s cannot be removed", name);
	(void)snprintf(aside, sizeof(aside), ".%s.%llu", name,
		       (unsigned long long)clock_monotonic_us());
	return file_move_passing(tenants, name, tenants, aside, err);
}
