/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_REQUEST_NAMES_H
#define SERVICE_REQUEST_NAMES_H

/*
 * Request names: what a body says of whom a certificate request is for, in the members subject,
 * dns, ip, email and uri. Texts are borrowed from the body.
 */

#include "base/err.h"
#include "base/slice.h"
#include "crypto/request.h"

struct json_t;

struct request_names {
	struct slice subject; /* empty when absent */
	struct request_name names[REQUEST_NAMES_MAX];
	size_t count;
};

/* Types and sizes; crypto/request.h knows the grammars. Into zeroed *@ret_names. */
int request_names_read(const struct json_t *body, bool needs_subject,
		       struct request_names *ret_names, struct err *err) MUST_CHECK;

/*
 * @err says what is wrong with a name; here, which one it is: the first that fails alone, else the
 * subject, where one was given. Always an error. @spki is any good key's.
 */
int request_names_point_at(const struct request_names *names, struct slice spki, struct err *err);

#endif
