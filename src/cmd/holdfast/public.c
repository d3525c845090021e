/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfast/public.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define PUBLIC_MAX (16u * 1024u)

const struct public_members PUBLIC_MEMBERS = {
	.pem = "public", .tpm = "tpm_public", .name = "tpm_name"};

static int put_text(const char *text, const char *end, struct buf *out, struct err *err)
{
	buf_put_str(out, text);
	buf_put_str(out, end);
	return buf_ok(out) ? 0 : err_set(err, ERR_TOO_LARGE, "the public key is too large");
}

static int read_public(const char *json, const struct public_members *members, const char *format,
		       struct buf *out, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	const char *text = NULL;
	bool is_name = strcmp(format, "name") == 0;
	int r;

	if (strcmp(format, "json") == 0)
		return put_text(json, "\n", out, err);
	r = json_parse(slice_str(json), &object, err);
	if (r < 0)
		return r;
	if (strcmp(format, "tpm") == 0)
		return json_get_bytes(object, members->tpm, true, out, err);
	r = json_get_string(object, is_name ? members->name : members->pem, true, &text, err);
	return r < 0 ? r : put_text(text, is_name ? "\n" : "", out, err);
}

int public_print(const struct cli *cli, char *take_json, const struct public_members *members,
		 const char *format, const char *path)
{
	CLEANUP(buf_fini) struct buf half = BUF_INIT(PUBLIC_MAX);
	struct cli_result result = {.member = "public", .json = take_json};
	struct err err;
	int r;

	if (read_public(take_json, members, format ? format : "pem", &half, &err) < 0) {
		r = cli_fail(cli, &err);
	} else {
		result.bytes = buf_slice(&half);
		r = cli_put_result(cli, path, &result);
	}
	hf_free(take_json);
	return r;
}
