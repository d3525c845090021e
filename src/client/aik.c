/* SPDX-License-Identifier: Apache-2.0 */
/* Attestation keys: making, listing, describing and deleting them. */
#include <jansson.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/body.h"
#include "client/list.h"

#define REQUEST_MAX 1024u

static const struct list_of AIKS = {.room = "/v1/aiks", .member = "aiks"};

int hf_aik_create(struct hf *hf, const char *name, const char *type, const char *hash,
		  char **ret_json)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	const struct post post = {.path = AIKS.room, .body = &body};
	char unused[CALL_PATH_MAX];
	int r = 0;

	call_begin(hf);
	if (name)
		r = call_path(hf, unused, AIKS.room, name, "");
	if (r < 0)
		return r;
	body_begin(&body);
	body_put(&body, "name", name);
	body_put(&body, "type", type);
	body_put(&body, "hash", hash);
	return ask_post_text(hf, &post, ret_json);
}

int hf_aik_describe(struct hf *hf, const char *name, char **ret_json)
{
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, AIKS.room, name, "");
	return r < 0 ? r : ask_text(hf, path, ret_json);
}

int hf_aik_public(struct hf *hf, const char *name, char **ret_pem)
{
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, AIKS.room, name, "");
	return r < 0 ? r : ask_public(hf, path, ret_pem);
}

int hf_aik_delete(struct hf *hf, const char *name)
{
	return call_delete(hf, AIKS.room, name);
}

/* --- the list --- */

struct walk {
	hf_aik_fn visit;
	void *arg;
};

static int visit_aik(struct hf *hf, const json_t *item, const char *name, void *arg)
{
	const struct walk *walk = arg;
	struct hf_aik aik = {.name = name};
	struct err ignored;

	if (json_get_string(item, "handle", true, &aik.handle, &ignored) < 0 ||
	    json_get_string(item, "type", true, &aik.type, &ignored) < 0 ||
	    json_get_string(item, "hash", true, &aik.hash, &ignored) < 0)
		return call_unexpected(hf, "a key in the list");
	return walk->visit(walk->arg, &aik);
}

int hf_aik_list(struct hf *hf, hf_aik_fn visit, void *arg)
{
	struct walk walk = {.visit = visit, .arg = arg};

	call_begin(hf);
	return list_walk(hf, &AIKS, visit_aik, &walk);
}
