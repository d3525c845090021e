/* SPDX-License-Identifier: Apache-2.0 */
#include "service/credential.h"

#include <jansson.h>

#include "base/json.h"

#define MAGIC	0xbadcc0deu /* of the file that tpm2_makecredential writes */
#define VERSION 1u

void credential_body_init(struct credential_body *body)
{
	*body = (struct credential_body){.file = BUF_INIT(CREDENTIAL_FILE_MAX)};
}

void credential_body_fini(struct credential_body *body)
{
	buf_fini(&body->file);
}

/* With its length in front, as the TPM takes it. */
static struct slice take_sized(struct cursor *cursor)
{
	struct slice rest = cursor->rest;
	size_t len = cursor_u16(cursor);

	(void)cursor_take(cursor, len);
	return slice_of(rest.data, len + 2);
}

static int parse(struct credential_body *body, struct err *err)
{
	struct cursor cursor = cursor_of(buf_slice(&body->file));
	uint32_t magic = cursor_u32(&cursor);
	uint32_t version = cursor_u32(&cursor);

	if (magic != MAGIC || version != VERSION)
		return err_set(err, ERR_INVALID,
			       "/credential: is no file that tpm2_makecredential writes");
	body->credential.blob = take_sized(&cursor);
	body->credential.secret = take_sized(&cursor);
	if (!cursor_done(&cursor))
		return err_set(err, ERR_INVALID, "/credential: is cut short or goes on");
	return 0;
}

int credential_body_read(const json_t *json, struct credential_body *ret_body, struct err *err)
{
	const char *type = NULL;
	int r = json_get_bytes(json, "credential", true, &ret_body->file, err);

	if (r == ERR_TOO_LARGE)
		return err_set(err, ERR_INVALID, "/credential: has at most %u bytes",
			       CREDENTIAL_FILE_MAX);
	if (r == 0)
		r = parse(ret_body, err);
	if (r < 0)
		return r;
	ret_body->credential.ek = PKEY_TYPES;
	r = json_get_string(json, "ek", false, &type, err);
	if (r < 0 || !type)
		return r;
	r = pkey_type_of_name(type, &ret_body->credential.ek, err);
	return r < 0 ? err_wrap(err, "/ek") : 0;
}

void credential_answer(struct op *op, const struct secret *secret)
{
	op_answer_json(op, 200,
		       json_pack("{s:o, s:s}", "secret", op_json_base64(secret_slice(secret)),
				 "protection", op->provider->ops->protection));
}
