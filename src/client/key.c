/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named keys. Requests are written by hand into wiped buffers; answers are read by jansson. Of
 * those only an export holds a secret, and its strings are wiped before they are given back.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "client/call.h"
#include "client/list.h"

#define REQUEST_MAX   (256u * 1024u) /* of JSON; keys and digests are far smaller */
#define SIGNATURE_MAX 1024u

static const struct list_of KEYS = {.room = "/v1/keys", .member = "keys"};

/* Adds `"name":"value",`; nothing when @value is NULL. */
static void put_member(struct buf *body, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(body, "\"%s\":", name);
	json_put_string(body, value);
	buf_put_u8(body, ',');
}

/* Closes the object; its last comma makes room for the bracket. */
static int finish_object(struct hf *hf, struct buf *body)
{
	if (!buf_ok(body))
		return err_set(&hf->err, ERR_TOO_LARGE, "the request is over %zu bytes", body->max);
	body->data[body->len - 1] = '}';
	return 0;
}

/* POST /v1/keys, both forms; the answer describes the key. */
static int make_key(struct hf *hf, struct buf *body, char **ret_json)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct call call = {
		.method = "POST",
		.path = KEYS.room,
		.content_type = CALL_JSON,
		.accept = CALL_JSON,
		.answer_max = CALL_ANSWER_JSON,
	};
	int r;

	r = finish_object(hf, body);
	if (r < 0)
		return r;
	call.body = buf_slice(body);
	r = call_json(hf, &call, &answer, &json);
	if (r < 0 || !ret_json)
		return r;
	return call_give_text(hf, buf_slice(&answer.body), ret_json);
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
	buf_put_u8(body, '{');
	put_member(body, "name", name);
	return 0;
}

int hf_key_create(struct hf *hf, const char *name, const char *type, unsigned flags,
		  char **ret_json)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	int r;

	r = begin_body(hf, &body, name);
	if (r < 0)
		return r;
	if (!type)
		return err_set(&hf->err, ERR_INVALID, "the type of the key is missing");
	put_member(&body, "type", type);
	if (flags & HF_KEY_EXPORT)
		buf_put_str(&body, "\"export\":true,");
	if (flags & HF_KEY_NO_PASSPHRASE)
		put_member(&body, "auth", "none");
	return make_key(hf, &body, ret_json);
}

int hf_key_import(struct hf *hf, const char *name, const char *pem, const char *passphrase,
		  char **ret_json)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	int r;

	r = begin_body(hf, &body, name);
	if (r < 0)
		return r;
	if (!pem)
		return err_set(&hf->err, ERR_INVALID, "the PEM of the key is missing");
	put_member(&body, "pem", pem);
	put_member(&body, "passphrase", passphrase);
	return make_key(hf, &body, ret_json);
}

/* --- one key --- */

static int describe(struct hf *hf, const char *name, struct answer *answer,
		    struct json_t **ret_json)
{
	char path[CALL_PATH_MAX];
	struct call call = {
		.method = "GET",
		.path = path,
		.accept = CALL_JSON,
		.repeatable = true,
		.answer_max = CALL_ANSWER_JSON,
	};
	int r;

	call_begin(hf);
	r = call_path(hf, path, KEYS.room, name, "");
	if (r < 0)
		return r;
	return call_json(hf, &call, answer, ret_json);
}

int hf_key_describe(struct hf *hf, const char *name, char **ret_json)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	int r;

	r = describe(hf, name, &answer, &json);
	if (r < 0)
		return r;
	return call_give_text(hf, buf_slice(&answer.body), ret_json);
}

int hf_key_public(struct hf *hf, const char *name, char **ret_pem)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *pem = NULL;
	struct err ignored;
	int r;

	r = describe(hf, name, &answer, &json);
	if (r < 0)
		return r;
	if (json_get_string(json, "public", true, &pem, &ignored) < 0)
		return call_unexpected(hf, "the public key is missing");
	return call_give_text(hf, slice_str(pem), ret_pem);
}

int hf_key_delete(struct hf *hf, const char *name)
{
	return call_delete(hf, KEYS.room, name);
}

int hf_key_list(struct hf *hf, hf_name_fn visit, void *arg)
{
	call_begin(hf);
	return list_walk(hf, &KEYS, visit, arg);
}

/* --- export --- */

/* The strings belong to an object that is about to be freed and that nobody else has. */
static void wipe_member(const struct json_t *json, const char *name)
{
	const json_t *value = json_object_get(json, name);

	if (json_is_string(value))
		wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
}

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
	struct call call = {
		.method = "POST",
		.path = path,
		.accept = CALL_JSON,
		.repeatable = true,
		.answer_max = CALL_ANSWER_JSON,
	};
	int r;

	call_begin(hf);
	r = call_path(hf, path, KEYS.room, name, "/export");
	if (r < 0)
		return r;
	r = call_json(hf, &call, &answer, &json);
	if (r < 0)
		return r;
	r = give_export(hf, json, ret_pem, ret_passphrase);
	wipe_member(json, "pem");
	wipe_member(json, "passphrase");
	return r;
}

/* --- signing --- */

static int put_sign_request(struct hf *hf, const struct hf_sign *request, struct buf *body)
{
	if (!request->digest || request->digest_len == 0 || request->digest_len > 64)
		return err_set(&hf->err, ERR_INVALID, "a digest is 1 to 64 bytes");
	buf_put_str(body, "{\"digest\":\"");
	base64_encode(body, slice_of(request->digest, request->digest_len));
	buf_put_str(body, "\",");
	put_member(body, "hash", request->hash);
	put_member(body, "scheme", request->scheme);
	put_member(body, "format", request->format);
	return finish_object(hf, body);
}

int hf_sign_digest(struct hf *hf, const struct hf_sign *request, void **ret_signature,
		   size_t *ret_len)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf body = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(SIGNATURE_MAX);
	char path[CALL_PATH_MAX];
	struct call call = {
		.method = "POST",
		.path = path,
		.content_type = CALL_JSON,
		.accept = CALL_JSON,
		.repeatable = true,
		.answer_max = CALL_ANSWER_SPARE,
	};
	struct err ignored;
	int r;

	call_begin(hf);
	r = call_path(hf, path, KEYS.room, request->key, "/sign");
	if (r == 0)
		r = put_sign_request(hf, request, &body);
	if (r < 0)
		return r;
	call.body = buf_slice(&body);
	r = call_json(hf, &call, &answer, &json);
	if (r < 0)
		return r;
	if (json_get_bytes(json, "signature", true, &signature, &ignored) < 0)
		return call_unexpected(hf, "the signature is missing");
	r = call_keep(hf, &answer);
	if (r < 0)
		return r;
	return call_give(hf, buf_slice(&signature), ret_signature, ret_len);
}
