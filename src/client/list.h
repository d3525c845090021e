/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_LIST_H
#define CLIENT_LIST_H

/* List: walks the pages of GET /v1/secrets, GET /v1/keys and GET /v1/aiks. */

#include "client/call.h"

struct list_of {
	const char *room;   /* path: "/v1/keys" */
	const char *member; /* of the answer, an array of objects with a name: "keys" */
};

/* As hf_secret_list() says; one deadline for all pages. */
int list_names(struct hf *hf, const struct list_of *list, hf_name_fn visit, void *arg) MUST_CHECK;

/* The same with the whole objects of the array; @name, which is checked, is one's member. */
typedef int (*list_fn)(struct hf *hf, const struct json_t *item, const char *name, void *arg);
int list_walk(struct hf *hf, const struct list_of *list, list_fn visit, void *arg) MUST_CHECK;

#endif
