/* SPDX-License-Identifier: Apache-2.0 */
/* SO_PEERCRED: recorded, and never the reason to allow anything. */
#include "tenant/peer.h"

#include <errno.h>
#include <sys/socket.h>

#include "host/process.h"

int tenant_peer_read(int fd, struct tenant *tenant, struct tenant_peer *ret_peer, struct err *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno,
				     "cannot read the peer's credentials");
	*ret_peer = (struct tenant_peer){.tenant = tenant,
					 .pid = cred.pid,
					 .uid = cred.uid,
					 .gid = cred.gid,
					 .socket = fd,
					 .since_us = process_clock_us()};
	return 0;
}
