/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_PEER_H
#define TENANT_PEER_H

/* Peer: what the kernel says of the other end of a Unix socket. */

#include "base/err.h"
#include "base/mem.h"
#include "tenant/tenant.h"

/* Credentials as they were when @fd was connected. @tenant is that of the listening socket. */
int tenant_peer_read(int fd, struct tenant *tenant, struct tenant_peer *ret_peer, struct err *err)
	MUST_CHECK;

#endif
