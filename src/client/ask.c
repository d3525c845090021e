/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ask.h"

#include <jansson.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/body.h"

#define EMPTY_MAX 8u /* bytes: an empty object, while it is written */

int ask_get(struct hf *hf, const char *path, struct answer *answer, struct json_t **ret_json)
{
	const struct call call = {
		.method = "GET",
		.path = path,
		.accept = CALL_JSON,
		.repeatable = true,
		.answer_max = CALL_ANSWER_JSON,
	};

	return call_json(hf, &call, answer, ret_json);
}

int ask_text(struct hf *hf, const char *path, char **ret_text)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	int r;

	r = ask_get(hf, path, &answer, &json);
	return r < 0 ? r : call_give_text(hf, buf_slice(&answer.body), ret_text);
}

int ask_public(struct hf *hf, const char *path, char **ret_pem)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const json_t *pem;
	int r;

	r = ask_get(hf, path, &answer, &json);
	if (r < 0)
		return r;
	pem = json_object_get(json, "public");
	if (json_is_null(pem))
		return err_set(&hf->err, ERR_NOT_SUPPORTED, "this key has no public half");
	if (!json_is_string(pem))
		return call_unexpected(hf, "the public key is missing");
	return call_give_text(hf, slice_str(json_string_value(pem)), ret_pem);
}

int ask_post(struct hf *hf, const struct post *post, struct answer *answer,
	     struct json_t **ret_json)
{
	struct call call = {
		.method = "POST",
		.path = post->path,
		.content_type = post->body ? CALL_JSON : NULL,
		.accept = CALL_JSON,
		.repeatable = post->repeatable,
		.answer_max = post->answer_max > 0 ? post->answer_max : CALL_ANSWER_JSON,
	};
	int r = post->body ? body_end(hf, post->body) : 0;

	if (r < 0)
		return r;
	if (post->body)
		call.body = buf_slice(post->body);
	return call_json(hf, &call, answer, ret_json);
}

int ask_post_text(struct hf *hf, const struct post *post, char **ret_text)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	int r;

	r = ask_post(hf, post, &answer, &json);
	if (r < 0 || !ret_text)
		return r;
	return call_give_text(hf, buf_slice(&answer.body), ret_text);
}

int ask_order(struct hf *hf, const char *path, char **ret_text)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(EMPTY_MAX);
	const struct post post = {.path = path, .body = &body};

	call_begin(hf);
	body_begin(&body);
	return ask_post_text(hf, &post, ret_text);
}

int ask_bytes(struct hf *hf, const struct post *post, const char *member, void **ret_data,
	      size_t *ret_len)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(buf_fini) struct buf data = BUF_INIT(ASK_BYTES_MAX);
	struct err ignored;
	int r;

	r = ask_post(hf, post, &answer, &json);
	if (r < 0)
		return r;
	r = json_get_bytes(json, member, true, &data, &ignored);
	body_wipe_member(json, member);
	if (r < 0 || data.len == 0)
		return call_unexpected(hf, "what was asked for is missing");
	r = post->keep ? call_keep(hf, &answer) : 0;
	return r < 0 ? r : call_give(hf, buf_slice(&data), ret_data, ret_len);
}

int ask_member(struct hf *hf, const struct post *post, const char *member, char **ret_text)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *text = NULL;
	struct err ignored;
	int r;

	r = ask_post(hf, post, &answer, &json);
	if (r < 0)
		return r;
	if (json_get_string(json, member, true, &text, &ignored) < 0)
		return call_unexpected(hf, "what was asked for is missing");
	return call_give_text(hf, slice_str(text), ret_text);
}
