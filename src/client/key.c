/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named keys. Requests are written by hand into wiped buffers; answers are read by jansson. Of
 * those only an export holds a secret, and its strings are wiped before they are given back.
 */
#include <jansson.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/body.h"
#include "client/call.h"
#include "client/list.h"

#define REQUEST_MAX (256u * 1024u) /* of JSON; keys are far smaller */

#define USES_ALL (unsigned)(HF_USE_SIGN | HF_USE_DECRYPT | HF_USE_AGREE)

static const struct list_of KEYS = {.room = "/v1/keys", .member = "keys"};

/* POST /v1/keys, both forms; the answer describes the key. */
static int make_key(struct hf *hf, struct buf *body, char **ret_json)
{
	const struct post post = {.path = KEYS.room, .body = body};

	return ask_post_text(hf, &post, ret_json);
}

/* The service knows the name only from the body, where it needs no escape once it is valid. */
static int begin_body(struct hf *hf, struct buf *body, const char *name)
{
	char unused[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, unused, KEYS.room, name, "");
	if (r < 0)
		return r;
	body_begin(body);
	body_put(body, "name", name);
	return 0;
}

/* Without any, the service knows what is meant. */
static int put_uses(struct hf *hf, struct buf *body, unsigned uses)
{
	static const struct {
		unsigned use;
		const char *name;
	} USES[] = {{HF_USE_SIGN, "sign"}, {HF_USE_DECRYPT, "decrypt"}, {HF_USE_AGREE, "agree"}};
	const char *names[ARRAY_LEN(USES) + 1] = {NULL};
	size_t i, count = 0;

	for (i = 0; i < ARRAY_LEN(USES); i++)
		if (uses & USES[i].use)
			names[count++] = USES[i].name;
	if ((uses | USES_ALL) != USES_ALL)
		return err_set(&hf->err, ERR_INVALID, "a use of the key is not known");
	body_put_texts(body, "use", count > 0 ? names : NULL);
	return 0;
}

int hf_key_create(struct hf *hf, const char *name, const char *type, unsigned flags,
		  char **ret_json)
{
	return hf_key_create_for(hf, name, type, 0, flags, ret_json);
}

int hf_key_create_for(struct hf *hf, const char *name, const char *type, unsigned uses,
		      unsigned flags, char **ret_json)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	int r;

	r = begin_body(hf, &body, name);
	if (r < 0)
		return r;
	if (!type)
		return err_set(&hf->err, ERR_INVALID, "the type of the key is missing");
	body_put(&body, "type", type);
	if (put_uses(hf, &body, uses) < 0)
		return hf->err.code;
	if (flags & HF_KEY_EXPORT)
		body_put_bool(&body, "export", true);
	if (flags & HF_KEY_NO_PASSPHRASE)
		body_put(&body, "auth", "none");
	return make_key(hf, &body, ret_json);
}

int hf_key_import(struct hf *hf, const char *name, const char *pem, const char *passphrase,
		  char **ret_json)
{
	return hf_key_import_for(hf, name, pem, passphrase, 0, ret_json);
}

int hf_key_import_for(struct hf *hf, const char *name, const char *pem, const char *passphrase,
		      unsigned uses, char **ret_json)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	int r;

	r = begin_body(hf, &body, name);
	if (r < 0)
		return r;
	if (!pem)
		return err_set(&hf->err, ERR_INVALID, "the PEM of the key is missing");
	body_put(&body, "pem", pem);
	body_put(&body, "passphrase", passphrase);
	if (put_uses(hf, &body, uses) < 0)
		return hf->err.code;
	return make_key(hf, &body, ret_json);
}

/* --- one key --- */

int hf_key_describe(struct hf *hf, const char *name, char **ret_json)
{
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, KEYS.room, name, "");
	return r < 0 ? r : ask_text(hf, path, ret_json);
}

int hf_key_public(struct hf *hf, const char *name, char **ret_pem)
{
	char path[CALL_PATH_MAX];
	int r;

	call_begin(hf);
	r = call_path(hf, path, KEYS.room, name, "");
	return r < 0 ? r : ask_public(hf, path, ret_pem);
}

int hf_key_delete(struct hf *hf, const char *name)
{
	return call_delete(hf, KEYS.room, name);
}

int hf_key_list(struct hf *hf, hf_name_fn visit, void *arg)
{
	call_begin(hf);
	return list_names(hf, &KEYS, visit, arg);
}

/* --- export --- */

static int give_export(struct hf *hf, const struct json_t *json, char **ret_pem,
		       char **ret_passphrase)
{
	const json_t *passphrase = json_object_get(json, "passphrase");
	char *pem_text = NULL, *passphrase_text = NULL;
	const char *pem = json_string_value(json_object_get(json, "pem"));
	int r;

	if (!pem || (passphrase && !json_is_null(passphrase) && !json_is_string(passphrase)))
		return call_unexpected(hf, "the exported key is missing");
	r = call_give_text(hf, slice_str(pem), &pem_text);
	if (r == 0 && json_is_string(passphrase))
		r = call_give_text(hf, slice_str(json_string_value(passphrase)), &passphrase_text);
	if (r < 0) {
		hf_free(pem_text);
		return r;
	}
	*ret_pem = pem_text;
	*ret_passphrase = passphrase_text;
	return 0;
}

int hf_key_export(struct hf *hf, const char *name, char **ret_pem, char **ret_passphrase)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	char path[CALL_PATH_MAX];
	const struct post post = {.path = path, .repeatable = true};
	int r;

	call_begin(hf);
	r = call_path(hf, path, KEYS.room, name, "/export");
	if (r < 0)
		return r;
	r = ask_post(hf, &post, &answer, &json);
	if (r < 0)
		return r;
	r = give_export(hf, json, ret_pem, ret_passphrase);
	body_wipe_member(json, "pem");
	body_wipe_member(json, "passphrase");
	return r;
}
