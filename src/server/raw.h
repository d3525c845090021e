/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RAW_H
#define SERVER_RAW_H

/*
 * Raw: the pairs of sockets where TPM commands are taken, as swtpm has them: SERVER_RAW for the
 * commands, SERVER_RAW_CONTROL for what a TCTI sends besides. They lie beside a tenant's
 * SERVER_SOCKET; their connections count with all others of the tenant, and its peers are those who
 * may use them. Loop only.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "server/server.h"
#include "service/service.h"

struct raw_server;

/* All are borrowed and must outlive it. */
int raw_server_new(struct loop *loop, struct server *server, struct service *service,
		   struct raw_server **ret_raw, struct err *err) MUST_CHECK;
/* After the jobs have ended: no command is at work any more. NULL is allowed. */
void raw_server_free(struct raw_server *raw);
MEM_DEFINE_CLEANUP(raw_server)

/*
 * Where a pair lies. RAW_RUN: in the run folder, 0660, of the group SERVER_GROUP. RAW_TENANT: in
 * the tenant's folder, 0666. RAW_HELPER: in <run>/fapi, made when absent (0700), 0600;
 * ERR_UNREADABLE when others can write it.
 */
enum raw_place { RAW_RUN, RAW_TENANT, RAW_HELPER };

/* @tenant begins a struct service_tenant. Nothing happens when it has its pair. Errors as of
 * server_listen() and folder_listen(). */
int raw_server_listen(struct raw_server *raw, const char *run_dir, enum raw_place place,
		      struct tenant *tenant, struct err *err) MUST_CHECK;

/*
 * Listens no more for the tenant, removes its pair and ends its connections: after the commands
 * that are at work, or with @at_once as if their clients had left.
 */
void raw_server_unlisten(struct raw_server *raw, struct tenant *tenant, bool at_once);

/* The same for all. */
void raw_server_stop(struct raw_server *raw);

#endif
