/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_URL_H
#define FETCH_URL_H

/* Url: what a URL must be to be fetched, and whose it is. Private to the room. */

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/mem.h"

enum url_plain {
	URL_PLAIN_NEVER,  /* https alone */
	URL_PLAIN_LOCAL,  /* http too; an address in it must be a loopback's */
	URL_PLAIN_SOCKET, /* http too, since a Unix socket is where it goes */
};

/* Who answers for a URL: credentials are for one of them. Compares as a whole. */
struct url_origin {
	bool secure;	/* https */
	char text[320]; /* "host:port", in lower case; what errors name */
};

/* ERR_INVALID says why not; @ret_origin may be NULL. */
int url_check(const char *url, enum url_plain plain, struct url_origin *ret_origin, struct err *err)
	MUST_CHECK;
bool url_same_origin(const struct url_origin *a, const struct url_origin *b);

/* 127.0.0.0/8, ::1, and the former mapped into IPv6. */
bool url_is_loopback(const struct sockaddr *address);

#endif
