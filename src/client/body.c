/* SPDX-License-Identifier: Apache-2.0 */
#include "client/body.h"

#include <jansson.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/secret.h"
#include "client/call.h"

/* Behind each member stands a comma; the last one makes room for the bracket. */
void body_begin(struct buf *body)
{
	buf_put_u8(body, '{');
}

static void put_name(struct buf *body, const char *name)
{
	buf_printf(body, "\"%s\":", name);
}

void body_put(struct buf *body, const char *name, const char *text)
{
	if (!text)
		return;
	put_name(body, name);
	json_put_string(body, text);
	buf_put_u8(body, ',');
}

void body_put_bool(struct buf *body, const char *name, bool value)
{
	body_put_json(body, name, value ? "true" : "false");
}

void body_put_bytes(struct buf *body, const char *name, struct slice bytes)
{
	if (!bytes.data)
		return;
	put_name(body, name);
	buf_put_u8(body, '"');
	base64_encode(body, bytes);
	buf_put_str(body, "\",");
}

void body_put_texts(struct buf *body, const char *name, const char *const *texts)
{
	if (!texts)
		return;
	put_name(body, name);
	buf_put_u8(body, '[');
	for (; *texts; texts++) {
		json_put_string(body, *texts);
		buf_put_str(body, texts[1] ? "," : "");
	}
	buf_put_str(body, "],");
}

void body_put_json(struct buf *body, const char *name, const char *json)
{
	if (!json)
		return;
	put_name(body, name);
	buf_put_str(body, json);
	buf_put_u8(body, ',');
}

void body_put_request(struct buf *body, const struct hf_certificate_request *request)
{
	body_put(body, "subject", request->subject);
	body_put_texts(body, "dns", request->dns);
	body_put_texts(body, "ip", request->ip);
	body_put_texts(body, "email", request->mail);
	body_put_texts(body, "uri", request->uri);
	body_put(body, "hash", request->hash);
}

int body_end(struct hf *hf, struct buf *body)
{
	if (!buf_ok(body))
		return err_set(&hf->err, ERR_TOO_LARGE, "the request is over %zu bytes", body->max);
	if (body->data[body->len - 1] == ',')
		body->data[body->len - 1] = '}';
	else
		buf_put_u8(body, '}');
	return buf_ok(body) ? 0 : err_set(&hf->err, ERR_TOO_LARGE, "the request is too long");
}

void body_wipe_member(const struct json_t *answer, const char *name)
{
	const json_t *value = json_object_get(answer, name);

	if (json_is_string(value))
		wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
}
