/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LISTEN_LISTEN_H
#define LISTEN_LISTEN_H

/*
 * Listen: the sockets of programs that serve HTTP without tenants. An address is "HOST:PORT",
 * "[IPV6]:PORT" (port 0: any that is free) or "unix:/PATH" (mode 0660, an old socket of that path
 * is replaced only when nobody answers on it). HOST is an address or "localhost", not a name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"

#define LISTEN_TEXT_MAX 128u

struct listen_address {
	struct sockaddr_storage address;
	socklen_t length;
};

/* ERR_INVALID. */
int listen_parse(const char *text, struct listen_address *ret_address, struct err *err) MUST_CHECK;
/* As it is written, with the port in force; at most LISTEN_TEXT_MAX with its NUL. */
void listen_print(const struct listen_address *address, char ret_text[LISTEN_TEXT_MAX]);
bool listen_is_loopback(const struct listen_address *address); /* or a Unix socket */

struct listen;

struct listen_ops {
	/* An accepted, non-blocking socket, now the callee's; @peer is where it comes from. */
	void (*take)(void *arg, int fd, const struct listen_address *peer);
};

/*
 * @max connections are open at once: beyond that, accepting rests until listen_closed().
 * ERR_CONFLICT when the address is taken.
 */
int listen_new(struct loop *loop, const struct listen_address *address, unsigned max,
	       const struct listen_ops *ops, void *arg, struct listen **ret_listen, struct err *err)
	MUST_CHECK;
/*
 * The same on a socket that listens already, of a service manager's for example; it is closed in
 * the end, its path stays. On failure it is the caller's still.
 */
int listen_adopt(struct loop *loop, int fd, unsigned max, const struct listen_ops *ops, void *arg,
		 struct listen **ret_listen, struct err *err) MUST_CHECK;
/* A connection that take() got is closed; also from within take(), never behind listen_free(). */
void listen_closed(struct listen *listen);
/* What was bound, with the port that the kernel chose. */
const struct listen_address *listen_bound(const struct listen *listen);
void listen_free(struct listen *listen);
MEM_DEFINE_CLEANUP(listen)

#endif
