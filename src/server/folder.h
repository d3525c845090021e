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

/*
 * Makes the folder @name in @tenants where it is absent (0755), and a listening socket
 * SERVER_SOCKET in it (0666), in the place of whatever is there but a folder. The socket is made
 * beside the folder and moved in. ERR_INVALID: the folder is not ours any more; ERR_CONFLICT: a
 * folder lies in the socket's place.
 */
int folder_listen(int tenants, const char *run_dir, const char *name, int *ret_fd, struct err *err)
	MUST_CHECK;

/* Removes the socket of the tenant @name; its folder stays. */
void folder_unlink(int tenants, const char *name);

/*
 * .. and the folder. With something foreign in it, it gets another name, so that whoever has it
 * mounted never finds the socket of a later tenant there. Absent is good.
 */
int folder_remove(int tenants, const char *name, struct err *err) MUST_CHECK;

#endif
