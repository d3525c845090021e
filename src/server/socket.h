/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SOCKET_H
#define SERVER_SOCKET_H

/* Socket: a listening Unix socket with a name in a folder. */

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

/*
 * Who may connect: the owner and the group SERVER_GROUP (0660), the owner alone (0600), or whoever
 * reaches the folder that it lies in (0666).
 */
enum socket_access { SOCKET_GROUP, SOCKET_OWNER, SOCKET_ALL };

/*
 * Listens on @name in the open folder @dir, whose path is @path. Errors: ERR_INVALID (the path is
 * too long for a socket), ERR_CONFLICT (a live process answers there, or it is no socket).
 */
int socket_listen(int dir, const char *path, const char *name, enum socket_access access,
		  int *ret_fd, struct err *err) MUST_CHECK;

/*
 * SERVER_GROUP, false where it does not exist. Once found it stays, since whoever edits the list of
 * groups puts a new file there, which a confined daemon cannot open. Loop only.
 */
bool socket_group(gid_t *ret_gid);

#endif
