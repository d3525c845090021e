/* SPDX-License-Identifier: Apache-2.0 */
/* F5, F6 and version 2: what there is to see, and the end of a download. */
#include <jansson.h>
#include <stdio.h>

#include "base/json.h"
#include "front/impl.h"
#include "loader/fault.h"

/* As a text, as F5 always had it: "code: detail". NULL when memory is short, as below. */
static json_t *error_text(const struct err *err)
{
	if (err->code == 0)
		return json_null();
	return json_sprintf("%s: %s", fault_info(err->code)->name, front_detail(err));
}

static json_t *error_object(const struct err *err)
{
	if (!err || err->code == 0)
		return json_null();
	return json_pack("{s:s, s:s}", "detail", front_detail(err), "code",
			 fault_info(err->code)->name);
}

/* Null where it is not known. */
static json_t *number(bool known, uint64_t value)
{
	return known ? json_integer((json_int_t)value) : json_null();
}

void front_unlock_status(struct http_request *request, void *app)
{
	const struct front *front = app;
	struct unlock_status status;

	loader_unlock_status(front->loader, &status);
	front_answer(request, json_pack("{s:s, s:o}", "state", unlock_state_name(status.state),
					"error", error_text(&status.err)));
}

void front_health(struct http_request *request, void *app)
{
	(void)app;
	front_answer(request, json_pack("{s:s}", "status", "healthy"));
}

void front_status(struct http_request *request, void *app)
{
	const struct front *front = app;
	const struct front_machine *machine = &front->machine;

	front_answer(request, json_pack("{s:s, s:b, s:s, s:s, s:s, s:s?}", "status", "healthy",
					"authenticated", (int)loader_logged_in(front->loader),
					"modelCacheDir", FRONT_FOLDER, "provider",
					machine->provider, "providerReason", machine->reason,
					"deviceMode", machine->device_mode));
}

struct downloads {
	json_t *array;
	bool failed;
};

static void add_download(void *arg, const struct download_progress *progress)
{
	struct downloads *downloads = arg;
	const struct resource *resource = &progress->resource;
	json_t *json = json_pack(
		"{s:s%, s:s%, s:s, s:I, s:o, s:I, s:o, s:I, s:o, s:o}", "folder",
		resource->folder.data, resource->folder.len, "name", resource->name.data,
		resource->name.len, "state", download_state_name(progress->state), "done",
		(json_int_t)progress->done, "total", number(progress->total > 0, progress->total),
		"rate", (json_int_t)progress->rate, "eta",
		number(progress->eta_s >= 0, (uint64_t)progress->eta_s), "attempts",
		(json_int_t)progress->attempts, "retry_in",
		number(progress->state == DOWNLOAD_WAITING, progress->retry_s), "error",
		error_object(progress->err));

	downloads->failed |= json_array_append_new(downloads->array, json) < 0;
}

static json_t *unlock_json(const struct front *front)
{
	struct unlock_status status;

	loader_unlock_status(front->loader, &status);
	return json_pack("{s:s, s:o, s:I, s:I}", "state", unlock_state_name(status.state), "error",
			 error_object(&status.err), "done", (json_int_t)status.done, "total",
			 (json_int_t)status.total);
}

void front_v2_status(struct http_request *request, void *app)
{
	const struct front *front = app;
	const struct front_machine *machine = &front->machine;
	struct downloads downloads = {.array = json_array()};
	json_t *json;

	loader_progress(front->loader, add_download, &downloads);
	json = json_pack("{s:s, s:s, s:s?, s:b, s:o, s:o}", "provider", machine->provider, "reason",
			 machine->reason, "device_mode", machine->device_mode, "authenticated",
			 (int)loader_logged_in(front->loader), "unlock", unlock_json(front),
			 "downloads", downloads.array);
	if (downloads.failed) {
		json_decref(json);
		json = NULL;
	}
	front_answer(request, json);
}

void front_cancel(struct http_request *request, void *app)
{
	const struct front *front = app;
	struct resource resource;
	struct err err;

	if (front_query_resource(request, &resource, &err) < 0 ||
	    loader_cancel(front->loader, &resource, &err) < 0)
		http_answer_error(request, &err);
	else
		http_answer_empty(request);
}
