/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_LIST_H
#define CLIENT_LIST_H

/* List: walks the pages of GET /v1/secrets and GET /v1/keys. */

#include "client/call.h"

struct list_of {
	const char *room;   /* path: "/v1/keys" */
	const char *member; /* of the answer, an array of objects with a name: "keys" */
};

/* As hf_secret_list() says; one deadline for all pages. */
int list_walk(struct hf *hf, const struct list_of *list, hf_name_fn visit, void *arg) MUST_CHECK;

#endif
