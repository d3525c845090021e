/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a fault is told: {"detail", "code"} under the status of the path's flow. The code is of the
 * loader's closed set; flows from before version 2 have few statuses, and the code tells more. Of
 * a defect nothing is told but that it is one, and of what does not open one sentence, whatever it
 * was that did not fit. The log has the error's own text.
 */
#include <stdio.h>
#include <string.h>

#include "artifact/v1.h"
#include "base/json.h"
#include "front/impl.h"
#include "loader/fault.h"

#define BAD_REQUEST	   400u
#define METHOD_NOT_ALLOWED 405u
#define UNSUPPORTED_MEDIA  415u
#define ROWS_MAX	   6u
#define LINE_SIZE	   768u

struct statuses {
	struct {
		int code; /* 0: no more rows */
		unsigned status;
	} rows[ROWS_MAX];
	unsigned other; /* 0: the code's own */
};

static const struct statuses FLOWS[FRONT_FLOWS] = {
	[FRONT_LOGIN] = {{{ERR_INVALID, 422}}, 401},
	[FRONT_LOAD] = {{{FAULT_NOT_LOGGED_IN, 401},
			 {FAULT_CREDENTIALS, 401},
			 {ERR_NOT_FOUND, 404},
			 {FAULT_NO_KEY, 404},
			 {ERR_INVALID, 422}},
			500},
	[FRONT_UPLOAD] = {{{FAULT_NOT_LOGGED_IN, 401},
			   {FAULT_CREDENTIALS, 401},
			   {ERR_TOO_LARGE, 413},
			   {ERR_INVALID, 422}},
			  500},
	[FRONT_UNLOCK] = {{{ERR_NOT_FOUND, 404}, {ERR_INVALID, 422}}, 500},
	[FRONT_ARTIFACT] = {{{0, 0}}, 0},
	[FRONT_SHOW] = {{{0, 0}}, 0},
	[FRONT_V2] = {{{0, 0}}, 0},
	[FRONT_NO_ROUTE] = {{{ERR_INVALID, BAD_REQUEST}}, 0},
};

/* What a route's body must say that it is. */
static const char *const TYPES[] = {
	[HTTP_BODY_NONE] = NULL,
	[HTTP_BODY_JSON] = "application/json",
	[HTTP_BODY_FORM] = "multipart/form-data",
};

static unsigned status_of(enum front_flow flow, int code)
{
	const struct statuses *flow_statuses = &FLOWS[flow];
	size_t i;

	for (i = 0; i < ROWS_MAX && flow_statuses->rows[i].code != 0; i++)
		if (flow_statuses->rows[i].code == code)
			return flow_statuses->rows[i].status;
	return flow_statuses->other ? flow_statuses->other : fault_info(code)->status;
}

static bool is_other_type(const struct http_request *request, const struct http_route *route)
{
	return TYPES[route->body] && !http_request_has_type(request, TYPES[route->body]);
}

const char *front_detail(const struct err *err)
{
	if (err->code == ERR_DAMAGED)
		return V1_DOES_NOT_OPEN;
	if (err->code != ERR_INTERNAL && fault_info(err->code)->code == ERR_INTERNAL)
		return "the device or its disk failed; the loader's log says more";
	if (err->code == ERR_INTERNAL)
		return "the loader has a defect or lacks memory; its log says more";
	return err->text;
}

/* "/load/net.bin" */
static void print_path(const struct http_request *request, char *text, size_t size)
{
	const struct http_route *route = http_request_route(request);
	const char *path = route ? route->path : "a request";
	const char *brace = strchr(path, '{');

	(void)snprintf(text, size, "%.*s%s", brace ? (int)(brace - path) : (int)strlen(path), path,
		       brace ? http_request_segment(request, 0) : "");
}

void front_note(const struct http_request *request, const char *outcome, const struct err *err)
{
	const struct front_peer *peer = http_request_peer(request);
	const struct front_config *config = &peer->front->config;
	bool has_errno = err->origin_kind == ERR_ORIGIN_ERRNO;
	const char *reason = has_errno ? strerrordesc_np((int)err->origin) : NULL;
	char path[2 * HTTP_SEGMENT_MAX], text[LINE_SIZE + sizeof(path)];

	if (!config->note)
		return;
	print_path(request, path, sizeof(path));
	(void)snprintf(text, sizeof(text), "%s: %s, %s: %s%s%s", path, outcome,
		       fault_info(err->code)->name, err->text, reason ? ": " : "",
		       reason ? reason : "");
	config->note(config->note_arg, LOADER_WARNING, text);
}

/* A wrong request is its sender's matter, but for what is kept from him. */
static bool is_worth_a_line(const struct front_peer *peer, const struct http_route *route,
			    const struct err *err)
{
	if (front_detail(err) != err->text)
		return true;
	return route && route->right <= FRONT_ARTIFACT && !peer->refused &&
	       err->code != ERR_INVALID;
}

/* http knows a route's limit only, which has room for what a form adds to its bytes. */
static void put_detail(const struct front *front, bool long_form, const struct err *err,
		       struct buf *body)
{
	struct err longer;

	(void)err_set(&longer, ERR_TOO_LARGE, "data is longer than %llu bytes",
		      (unsigned long long)front->config.upload_max);
	json_put_string(body, front_detail(long_form ? &longer : err));
}

const char *front_tell(void *app, const struct http_request *request, const struct err *err,
		       unsigned *status, struct buf *body)
{
	const struct http_route *route = http_request_route(request);
	const struct front_peer *peer = http_request_peer(request);
	bool too_long = peer->refused && err->code == ERR_TOO_LARGE && route;
	/* JSON that is too long has a member that is. */
	int code = too_long && route->body == HTTP_BODY_JSON ? ERR_INVALID : err->code;

	if (route && code == ERR_INVALID && is_other_type(request, route))
		*status = UNSUPPORTED_MEDIA;
	else if (*status != METHOD_NOT_ALLOWED)
		*status = status_of(route ? (enum front_flow)route->right : FRONT_NO_ROUTE, code);
	if (is_worth_a_line(peer, route, err))
		front_note(request, "failed", err);
	buf_put_str(body, "{\"detail\":");
	put_detail(app, too_long && route->body == HTTP_BODY_FORM, err, body);
	buf_printf(body, ",\"code\":\"%s\"}", fault_info(err->code)->name);
	return "application/json";
}
