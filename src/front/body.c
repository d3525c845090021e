/* SPDX-License-Identifier: Apache-2.0 */
/* What requests say, and JSON both ways. */
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

int front_query_resource(const struct http_request *request, struct resource *ret_resource,
			 struct err *err)
{
	const char *folder = http_request_query(request, "folder");

	*ret_resource = (struct resource){
		.folder = slice_str(folder ? folder : FRONT_FOLDER),
		.name = slice_str(http_request_segment(request, 0)),
	};
	return resource_check(ret_resource, err);
}

void front_answer_as(struct http_request *request, unsigned status, struct json_t *json)
{
	struct err err;

	if (json) {
		http_answer_json(request, status, json);
		json_decref(json);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "memory is short");
	http_answer_error(request, &err);
}

void front_answer(struct http_request *request, struct json_t *json)
{
	front_answer_as(request, 200, json);
}

void front_answer_ok(struct http_request *request)
{
	front_answer(request, json_pack("{s:s}", "status", "ok"));
}
