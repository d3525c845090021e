/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

/*
 * Server: the sockets. A listening socket belongs to one tenant; what connects to it is that
 * tenant. Connections are counted, their peers recorded, and handed to http, whose ops
 * (server_http_ops) come back here for admission. A listener holds its tenant, and so does each
 * connection. Loop only.
 */

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "http/http.h"
#include "tenant/tenant.h"

#define SERVER_SOCKET	    "holdfast.sock"
#define SERVER_RAW	    "tpm.sock"
#define SERVER_RAW_CONTROL  "tpm.sock.ctrl" /* where the swtpm TCTI looks for it */
#define SERVER_ADMIN_SOCKET "admin.sock"
#define SERVER_TENANTS	    "tenants"
#define SERVER_GROUP	    "holdfast"

/* Of all tenants together, and beside them the administrator's. */
#define SERVER_CONNECTIONS_MAX	 1024u
#define SERVER_ADMIN_CONNECTIONS 16u

struct server;

int server_new(struct loop *loop, struct http *http, struct server **ret_server, struct err *err)
	MUST_CHECK;
/* Closes the listeners. Open connections are http's, which must be freed before. */
void server_free(struct server *server);
MEM_DEFINE_CLEANUP(server)

/* Fewer connections than SERVER_CONNECTIONS_MAX. */
void server_set_connections(struct server *server, unsigned max);

/*
 * Makes SERVER_SOCKET in the folder @run_dir (made when absent, 0750) and listens: 0660, of the
 * group SERVER_GROUP where that exists. ERR_INVALID when others could write the folder. A socket
 * that was left behind is replaced; ERR_CONFLICT when somebody answers on it. The caller holds the
 * lock of the state folder.
 */
int server_listen(struct server *server, const char *run_dir, struct tenant *tenant,
		  struct err *err) MUST_CHECK;

/* The same for SERVER_ADMIN_SOCKET, 0600 and our own user's; @tenant's peers narrow it further. */
int server_listen_admin(struct server *server, const char *run_dir, struct tenant *tenant,
			struct err *err) MUST_CHECK;

/*
 * Makes <run_dir>/tenants/<name>/SERVER_SOCKET for a tenant that has none yet. The folder is kept
 * when it is there, so that who has it mounted finds the new socket. Errors as of folder_listen().
 */
int server_listen_tenant(struct server *server, const char *run_dir, struct tenant *tenant,
			 struct err *err) MUST_CHECK;

/* Is there a socket for it? */
bool server_listens(const struct server *server, const struct tenant *tenant);

/*
 * Listens no more for the tenant, removes its socket and ends its connections: after the requests
 * that are at work, or with @at_once as if their clients had left. Its folder stays.
 */
void server_unlisten(struct server *server, struct tenant *tenant, bool at_once);

/* Removes the folder of a tenant that has no socket any more; ERR_CONFLICT when it is not empty. */
int server_remove_folder(struct server *server, const char *run_dir, const char *name,
			 struct err *err) MUST_CHECK;

/* Takes over a socket that listens already; it is not removed at the end. */
int server_adopt(struct server *server, int fd, struct tenant *tenant, struct err *err) MUST_CHECK;

/*
 * A connection of the tenant's that is not http's, as those for raw commands (raw.h): counted with
 * all others. False when there is no place; a true one is given back once.
 */
bool server_take_place(struct server *server, struct tenant *tenant);
void server_give_place(struct server *server, struct tenant *tenant);

/* Opens <run>/tenants, made when absent; once. *ret_dir stays the server's. */
int server_tenants_dir(struct server *server, const char *run_dir, int *ret_dir, struct err *err)
	MUST_CHECK;

/* Accepts no more and removes the sockets that it made. */
void server_stop(struct server *server);

/* For http_new(): peers, rate, rights, room, the count of connections, and what becomes of the
 * refused (audit, metrics); peers begin with a struct tenant_peer. */
extern const struct http_ops server_http_ops;

#endif
