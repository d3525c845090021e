/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status, random, sealing and named secrets. Data travels as octets, so that no plaintext passes
 * through JSON, whose memory nobody wipes in a program that is not ours.
 */
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "client/ask.h"
#include "client/call.h"
#include "client/list.h"

int hf_status_json(struct hf *hf, char **ret_json)
{
	call_begin(hf);
	return ask_text(hf, "/v1/status", ret_json);
}

int hf_usage_json(struct hf *hf, char **ret_json)
{
	call_begin(hf);
	return ask_text(hf, "/v1/usage", ret_json);
}

int hf_metrics(struct hf *hf, char **ret_text)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	static const struct call CALL = {
		.method = "GET",
		.path = "/metrics",
		.accept = "application/openmetrics-text",
		.repeatable = true,
		.answer_max = CALL_ANSWER_JSON,
	};
	int r;

	call_begin(hf);
	r = call_run(hf, &CALL, &answer);
	return r < 0 ? r : call_give_text(hf, buf_slice(&answer.body), ret_text);
}

int hf_random(struct hf *hf, void *data, size_t len)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(buf_fini) struct buf body = BUF_INIT(64);
	struct call call = {
		.method = "POST",
		.path = "/v1/random",
		.content_type = CALL_JSON,
		.accept = CALL_OCTETS,
		.repeatable = true,
		.answer_max = HF_RANDOM_MAX,
	};
	int r;

	call_begin(hf);
	if (len < 1 || len > HF_RANDOM_MAX)
		return err_set(&hf->err, ERR_INVALID, "random bytes: 1 to %u at once",
			       HF_RANDOM_MAX);
	buf_printf(&body, "{\"bytes\":%zu}", len);
	call.body = buf_slice(&body);
	r = call_run(hf, &call, &answer);
	if (r < 0)
		return r;
	if (answer.body.len != len)
		return call_unexpected(hf, "another number of bytes");
	memcpy(data, answer.body.data, len);
	return 0;
}

static int check_size(struct hf *hf, size_t len)
{
	if (len > SIZE_MAX / 2)
		return err_set(&hf->err, ERR_TOO_LARGE, "that is more than memory can hold");
	return 0;
}

int hf_seal(struct hf *hf, const void *data, size_t len, void **ret_blob, size_t *ret_len)
{
	struct call call = {
		.method = "POST",
		.path = "/v1/seal",
		.content_type = CALL_OCTETS,
		.body = slice_of(data, len),
		.accept = CALL_OCTETS,
		.repeatable = true,
		/* A blob is its plaintext, a header, and one tag per chunk. */
		.answer_max = len / 64u + len + CALL_ANSWER_SPARE,
	};

	call_begin(hf);
	if (check_size(hf, len) < 0)
		return hf->err.code;
	return call_octets(hf, &call, ret_blob, ret_len);
}

int hf_unseal(struct hf *hf, const void *blob, size_t len, void **ret_data, size_t *ret_len)
{
	struct call call = {
		.method = "POST",
		.path = "/v1/unseal",
		.content_type = CALL_OCTETS,
		.body = slice_of(blob, len),
		.accept = CALL_OCTETS,
		.repeatable = true,
		.answer_max = len + CALL_ANSWER_SPARE,
	};

	call_begin(hf);
	if (check_size(hf, len) < 0)
		return hf->err.code;
	return call_octets(hf, &call, ret_data, ret_len);
}

/* --- named secrets --- */

static const struct list_of SECRETS = {.room = "/v1/secrets", .member = "secrets"};

int hf_secret_put(struct hf *hf, const char *name, const void *data, size_t len, unsigned flags)
{
	CLEANUP(answer_fini) struct answer answer = ANSWER_INIT;
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	char path[CALL_PATH_MAX];
	struct call call = {
		.method = "PUT",
		.path = path,
		.content_type = CALL_OCTETS,
		.body = slice_of(data, len),
		.accept = CALL_JSON,
		.create_only = (flags & HF_SECRET_CREATE) != 0,
		.repeatable = (flags & HF_SECRET_CREATE) == 0,
		.answer_max = CALL_ANSWER_SPARE,
	};
	int r;

	call_begin(hf);
	r = call_path(hf, path, SECRETS.room, name, "");
	if (r < 0)
		return r;
	r = call_json(hf, &call, &answer, &json);
	return r < 0 ? r : call_keep(hf, &answer);
}

int hf_secret_get(struct hf *hf, const char *name, void **ret_data, size_t *ret_len)
{
	char path[CALL_PATH_MAX];
	struct call call = {
		.method = "GET",
		.path = path,
		.accept = CALL_OCTETS,
		.repeatable = true,
		.answer_max = CALL_ANSWER_SECRET,
	};
	int r;

	call_begin(hf);
	r = call_path(hf, path, SECRETS.room, name, "");
	if (r < 0)
		return r;
	return call_octets(hf, &call, ret_data, ret_len);
}

int hf_secret_delete(struct hf *hf, const char *name)
{
	return call_delete(hf, SECRETS.room, name);
}

int hf_secret_list(struct hf *hf, hf_name_fn visit, void *arg)
{
	call_begin(hf);
	return list_names(hf, &SECRETS, visit, arg);
}
