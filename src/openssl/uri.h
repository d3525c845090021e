/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENSSL_URI_H
#define OPENSSL_URI_H

/*
 * Uri: how a program names a key of the service, and the PEM file that holds such a name.
 *
 *   holdfast:device          the device's own key and its certificate
 *   holdfast:key/NAME        a key of the tenant
 *
 * "holdfast://" is as good as "holdfast:"; with it OpenSSL does not look for a file of that name
 * first. Behind either key may stand "?socket=PATH": an absolute path of 1 to 107 printable bytes,
 * taken as it stands. The PEM block HOLDFAST KEY has the bytes of such a URI as its content and
 * nothing else.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

#define URI_SCHEME	"holdfast"
#define URI_NAME_MAX	128u
#define URI_SOCKET_MAX	107u
#define URI_MAX		(sizeof("holdfast://key/?socket=") - 1 + URI_NAME_MAX + URI_SOCKET_MAX)
#define URI_PEM_BEGIN	"-----BEGIN HOLDFAST KEY-----"
#define URI_PEM_END	"-----END HOLDFAST KEY-----"
#define URI_PEM_CONTENT (((URI_MAX + 2) / 3) * 4) /* base64 without the ends of lines */

struct uri {
	bool device;
	char name[URI_NAME_MAX + 1];	 /* "" for the device */
	char socket[URI_SOCKET_MAX + 1]; /* "": none was named */
};

/* ERR_INVALID for whatever is not exactly as above. */
int uri_parse(struct slice text, struct uri *ret_uri, struct err *err) MUST_CHECK;

/* What may stand behind "?socket=". */
bool uri_socket_is_valid(struct slice path);

/* The content of the PEM block, without the ends of lines: base64 of a URI. */
int uri_parse_pem(struct slice base64, struct uri *ret_uri, struct err *err) MUST_CHECK;

#endif
