/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFASTD_TENANTS_H
#define CMD_HOLDFASTD_TENANTS_H

/*
 * Tenants: who is served: the host, those of the configuration, and those that were added by
 * command and are kept in the state folder, as the twin file `policy` in the tenant's folder there.
 * Where both say something of one name, the configuration counts, and the log tells.
 *
 * A tenant that cannot be served (its socket, its policy or its id) is one log line, and shown; all
 * others are served. Its id is read in the background after the start; until then it is `starting`.
 *
 * Changes (a reload, an addition, a removal) are made one after the other. Loop only.
 */

#include "base/err.h"
#include "base/mem.h"
#include "cmd/holdfastd/daemon.h"
#include "service/tenants.h"

/* Beside the host. */
#define TENANTS_MAX 1024u

struct tenants;

/* @daemon has its loop, jobs, state, service and conf; the server comes later. */
int tenants_new(struct daemon *daemon, struct tenants **ret_tenants, struct err *err) MUST_CHECK;
/* After http and its connections. */
void tenants_free(struct tenants *tenants);

/* The host; held by whoever listens. */
struct tenant *tenants_host(struct tenants *tenants);

/* Makes the sockets of all others. ERR_QUOTA: this process may not have as many descriptors. */
int tenants_listen(struct tenants *tenants, struct err *err) MUST_CHECK;

/* Makes and removes the sockets for raw commands, as the policies and the provider say. */
void tenants_listen_raw(struct tenants *tenants);

/* Removes the folders of all that were added by command; they have no sockets. */
void tenants_forget_folders(struct tenants *tenants);

/* Reads their ids, and ends removals that were cut off, in the background. */
void tenants_start(struct tenants *tenants);

/* Reads the configuration again, and logs what came of it. */
void tenants_reload(struct tenants *tenants);

/* What service_set_admin() takes. */
struct service_tenants tenants_admin(struct tenants *tenants);

/* Begins nothing any more; who waits for a change is told so. NULL is allowed. */
void tenants_stop(struct tenants *tenants);

#endif
