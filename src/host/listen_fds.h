/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LISTEN_FDS_H
#define HOST_LISTEN_FDS_H

/* Listen_fds: a listening socket that a service manager made for us (sd_listen_fds(3)). */

#include "base/err.h"
#include "base/mem.h"

/*
 * The first socket handed over, now non-blocking and closed on exec; -1 when none was. ERR_INVALID
 * when something else than one listening Unix stream socket was handed over.
 */
int listen_fds_take(int *ret_fd, struct err *err) MUST_CHECK;

#endif
