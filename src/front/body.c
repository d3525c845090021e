/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, both ways. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "front/impl.h"

int front_body(const struct http_request *request, struct json_t **ret_body, struct err *err)
{
	/* http takes JSON that does not say what it is; a form of a web page could be that. */
	if (!http_request_has_type(request, "application/json"))
		return err_set(err, ERR_INVALID, "Content-Type must be application/json");
	return json_parse(http_request_body(request), ret_body, err);
}

int front_text(const struct json_t *body, const char *name, struct slice *ret_text, struct err *err)
{
	const char *text = NULL;
	size_t len;
	int r;

	r = json_get_string(body, name, true, &text, err);
	if (r < 0)
		return r;
	len = strlen(text);
	if (len == 0 || len > FRONT_TEXT_MAX)
		return err_set(err, ERR_INVALID, "/%s: must have 1 to %u bytes", name,
			       FRONT_TEXT_MAX);
	*ret_text = slice_of(text, len);
	return 0;
}

void front_answer(struct http_request *request, struct json_t *json)
{
	struct err err;

	if (json) {
		http_answer_json(request, 200, json);
		json_decref(json);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "memory is short");
	http_answer_error(request, &err);
}

void front_answer_ok(struct http_request *request)
{
	front_answer(request, json_pack("{s:s}", "status", "ok"));
}
