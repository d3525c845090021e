/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LISTEN_FDS_H
#define HOST_LISTEN_FDS_H

/* Listen_fds: a listening socket that a service manager made for us (sd_listen_fds(3)). */

#include "base/err.h"
#include "base/mem.h"

enum listen_fds_kind {
	LISTEN_FDS_UNIX, /* a Unix socket */
	LISTEN_FDS_ANY,	 /* or one of TCP */
};

/*
 * The first socket handed over, now non-blocking and closed on exec; -1 when none was. ERR_INVALID
 * when something else than one listening stream socket of that kind was handed over.
 */
int listen_fds_take(enum listen_fds_kind kind, int *ret_fd, struct err *err) MUST_CHECK;

#endif
