/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_FOLDER_H
#define SERVER_FOLDER_H

/*
 * Folder: where the sockets lie. The run folder is ours alone; of those below it, <run>/tenants is
 * ours as well, and <run>/tenants/<name> is what a container gets mounted, perhaps writable: what
 * is in there may be anything, and nothing of it is followed, opened or trusted.
 */

#include "base/err.h"
#include "base/mem.h"

/* Opens the run folder, made when absent (0750). ERR_INVALID when others could write it. */
int folder_open_run(const char *run_dir, int *ret_dir, struct err *err) MUST_CHECK;

/*
 * Opens <run>/tenants, made when absent: 0710, of the group SERVER_GROUP where that exists. The
 * sockets below are open to all, so this is what keeps the host's other users away.
 * ERR_INVALID when it is another user's.
 */
int folder_open_tenants(const char *run_dir, int *ret_dir, struct err *err) MUST_CHECK;

/* A socket in a tenant's folder. */
struct folder_socket {
	const char *run_dir;
	const char *tenant;
	const char *name; /* SERVER_SOCKET, SERVER_RAW, SERVER_RAW_CONTROL */
};

/*
 * Makes the tenant's folder in @tenants where it is absent (0755), and a listening socket in it
 * (0666), in the place of whatever is there but a folder. The socket is made beside the folder and
 * moved in. ERR_INVALID: the folder is not ours any more; ERR_CONFLICT: a folder lies in the
 * socket's place.
 */
int folder_listen(int tenants, const struct folder_socket *socket, int *ret_fd, struct err *err)
	MUST_CHECK;

/* Opens the tenant's folder. ERR_NOT_FOUND; ERR_INVALID: it is not ours any more. */
int folder_open_tenant(int tenants, const char *tenant, int *ret_dir, struct err *err) MUST_CHECK;

/* Removes a socket of the tenant; its folder stays. */
void folder_unlink(int tenants, const char *tenant, const char *name);

/*
 * Removes all sockets of the tenant @name, and its folder. With something foreign in it, it gets
 * another name, so that whoever has it mounted never finds the socket of a later tenant there.
 * Absent is good.
 */
int folder_remove(int tenants, const char *name, struct err *err) MUST_CHECK;

#endif
