/* SPDX-License-Identifier: Apache-2.0 */
/* F2: a resource, opened. */
#include <string.h>

#include "artifact/resource.h"
#include "base/json.h"
#include "front/impl.h"

static void send_all(struct front_send *send)
{
	const struct http_range all = {.length = loader_load_size(send->load)};

	front_send_go(send, &all);
}

/* Texts are borrowed from @body and the request. */
static int read_resource(const struct http_request *request, const struct json_t *body,
			 struct resource *ret_resource, struct err *err)
{
	const char *name = http_request_segment(request, 0);
	const char *said = NULL, *folder = FRONT_FOLDER;
	int r = json_get_string(body, "filename", true, &said, err);

	if (r == 0)
		r = json_get_string(body, "folder", false, &folder, err);
	if (r < 0)
		return r;
	if (strcmp(said, name) != 0)
		return err_set(err, ERR_INVALID, "/filename: is another than the path's");
	*ret_resource = (struct resource){.folder = slice_str(folder), .name = slice_str(name)};
	return resource_check(ret_resource, err);
}

static int begin(struct http_request *request, struct front *front, struct err *err)
{
	static const struct front_wish WISH = {.ask = loader_load, .ready = send_all};
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	struct resource resource;
	int r;

	r = front_body(request, &body, err);
	if (r == 0)
		r = read_resource(request, body, &resource, err);
	return r < 0 ? r : front_send_begin(request, front, &resource, &WISH, err);
}

void front_load(struct http_request *request, void *app)
{
	struct err err;

	if (begin(request, app, &err) < 0)
		http_answer_error(request, &err);
}
