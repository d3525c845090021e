/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request's life: header, body, dispatch, answer, end.
 *
 * The library asks for each step by one callback. A request refused by its header is answered at
 * once when a body would follow, which closes the connection; without a body it is answered when
 * the library asks at the end, so that the connection lives on. Over TCP, whoever is still sending
 * when it is closed may lose the answer: a short body is read and dropped there first.
 *
 * A whole request is not dispatched in the callback that reports it, but in the next one, which
 * comes in the same turn. By then the library neither reads nor writes for the connection, so when
 * it is parked and unparked it goes straight to writing. Parked while reading, it would read once
 * more before the answer, see the end of a half-closed client, and drop the answer. So it may be
 * parked before its handler, too, when its body is large and others have their turn (turn.c).
 */
#include <assert.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "http/impl.h"

static struct http_request *request_new(struct http_conn *conn)
{
	struct http_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->conn = conn;
	conn->request = request;
	/* The first byte was seen by the watch, if not in this very turn. */
	if (conn->idle)
		http_conn_deadline(conn, conn->http->limits.request_s);
	conn->idle = false;
	return request;
}

static void free_pairs(struct http_pair *pairs, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
}

static void request_free(struct http_request *request)
{
	if (request->response)
		MHD_destroy_response(request->response);
	free_pairs(request->query, request->query_count);
	free_pairs(request->headers, request->header_count);
	http_body_free(request);
	http_form_free(request->form);
	free(request);
}

void http_request_end(struct http_request *request)
{
	struct http_conn *conn = request->conn;
	struct http *http = conn->http;

	conn->request = NULL;
	http_stream_end(request);
	http_turn_end(request);
	if (request->admitted)
		http->ops.finished(http->app, conn->peer, request->route);
	request_free(request);
	conn->idle = true;
	http_conn_deadline(conn, http->limits.idle_s);
	if (http->draining || conn->last)
		http_conn_cut(conn);
}

void http_request_park(struct http_request *request)
{
	MHD_suspend_connection(request->conn->mhd);
	request->parked = true;
	http_pace_pause(request);
}

void http_request_unpark(struct http_request *request)
{
	if (!request->parked)
		return;
	http_turn_leave(request);
	request->parked = false;
	MHD_resume_connection(request->conn->mhd);
	http_pace_resume(request);
	http_wake(request->conn->http);
}

void http_request_lose(struct http_request *request)
{
	if (!request->parked || request->gone || request->state == HTTP_ANSWERED)
		return;
	request->gone = true;
	if (request->on_gone)
		request->on_gone(request->on_gone_arg);
}

/* --- the library's steps --- */

bool http_request_send(struct http_request *request)
{
	struct MHD_Response *response = TAKE(request->response);
	unsigned answer_s = request->conn->http->limits.answer_s;
	enum MHD_Result queued;

	http_pace_end(request);
	http_body_free(request);
	if (!response)
		return false;
	if (request->source)
		http_pace_begin(request, answer_s);
	else
		http_conn_deadline(request->conn, answer_s);
	queued = MHD_queue_response(request->conn->mhd, request->status, response);
	MHD_destroy_response(response);
	return queued == MHD_YES;
}

void http_request_refuse(struct http_request *request, const struct err *err)
{
	const struct http *http = request->conn->http;

	if (http->ops.refused)
		http->ops.refused(http->app, request->conn->peer, request->route, err);
	http_answer_error(request, err);
}

static bool step_head(struct http_conn *conn, const struct http_step *step)
{
	struct http_request *request = request_new(conn);
	struct err err;

	if (!request)
		return false;
	if (http_head_read(request, step, &err) == 0) {
		request->in.at_head = request->in.on;
		return request->in.on ? http_stream_begin(request) : true;
	}
	request->in.on = false;
	http_request_refuse(request, &err);
	return request->body_due && !request->body_is_read ? http_request_send(request) : true;
}

static bool took_body(struct http_request *request, size_t bytes)
{
	if (request->may_stream && request->body.len > HTTP_PIECE)
		return http_stream_begin(request);
	if (request->body.len <= HTTP_SMALL_BODY || request->body.len == request->announced)
		return true;
	http_body_make_room(request);
	http_turn_took(request, bytes);
	return true;
}

static bool step_body(struct http_request *request, const struct http_step *step)
{
	struct slice piece = slice_of(step->data, *step->data_len);
	struct err err;

	*step->data_len = 0;
	if (request->in.on)
		return http_stream_body(request, piece);
	if (request->state == HTTP_ANSWERED) {
		request->surplus += piece.len;
		http_turn_took(request, piece.len);
		return request->surplus <= HTTP_SURPLUS_MAX;
	}
	if (request->conn->cut)
		return false;
	buf_put(&request->body, piece);
	/* The library's buffer, which it only moves within and never wipes. */
	wipe((void *)(uintptr_t)piece.data, piece.len);
	if (buf_ok(&request->body))
		return took_body(request, piece.len);
	if (piece.len > request->body.max - request->body.len)
		(void)err_set(&err, ERR_TOO_LARGE, "the body is longer than %zu bytes",
			      request->body.max);
	else
		(void)err_set(&err, ERR_INTERNAL, "memory is short");
	http_body_free(request);
	http_request_refuse(request, &err);
	return true;
}

void http_request_handle(struct http_request *request)
{
	struct err err;

	request->route->handler(request, request->conn->http->app);
	if (request->state == HTTP_ANSWERED || request->suspended)
		return;
	(void)err_set(&err, ERR_INTERNAL, "the operation gave no answer");
	http_answer_error(request, &err);
}

static bool dispatch(struct http_request *request)
{
	request->state = HTTP_WORKING;
	http_request_handle(request);
	if (request->state == HTTP_ANSWERED)
		return http_request_send(request);
	http_request_park(request);
	return true;
}

static bool step_whole(struct http_request *request)
{
	switch (request->state) {
	case HTTP_READING:
		http_pace_end(request);
		http_conn_no_deadline(request->conn);
		request->state = HTTP_WHOLE;
		return true;
	case HTTP_WHOLE:
		/* Cut off while it waited for its turn. */
		if (request->conn->cut)
			return false;
		return http_turn_work(request) ? dispatch(request) : request->parked;
	case HTTP_ANSWERED:
		return http_request_send(request);
	case HTTP_STREAMING:
	case HTTP_WORKING:
		break; /* a stream's steps are others; parked, so it is not asked for */
	}
	return false;
}

bool http_request_step(struct http_conn *conn, const struct http_step *step)
{
	struct http_request *request = conn->request;

	if (!request)
		return step_head(conn, step);
	if (*step->data_len > 0)
		return step_body(request, step);
	return request->in.on ? http_stream_rest(request) : step_whole(request);
}

/* --- what a handler may ask --- */

void *http_request_peer(const struct http_request *request)
{
	return request->conn->peer;
}

const char *http_request_segment(const struct http_request *request, size_t n)
{
	size_t at = http_route_parameter(request->route, n);

	assert(at < request->path.count);
	return at < request->path.count ? request->path.segments[at] : "";
}

const char *http_request_query(const struct http_request *request, const char *name)
{
	size_t i;

	for (i = 0; i < request->query_count; i++)
		if (strcmp(request->query[i].name, name) == 0)
			return request->query[i].value;
	return NULL;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->conn->mhd, MHD_HEADER_KIND, name);
}

const struct http_route *http_request_route(const struct http_request *request)
{
	return request->route;
}

bool http_request_has_type(const struct http_request *request, const char *type)
{
	const char *value = http_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);

	return value && http_media_is(value, type);
}

bool http_request_is_json(const struct http_request *request)
{
	return request->json;
}

bool http_request_wants_octets(const struct http_request *request)
{
	return http_media_prefers(http_request_header(request, MHD_HTTP_HEADER_ACCEPT),
				  "application/octet-stream", "application/json");
}

struct slice http_request_body(const struct http_request *request)
{
	return buf_slice(&request->body);
}

void http_request_drop_body(struct http_request *request)
{
	assert(!request->in.on && request->state == HTTP_WORKING);
	http_body_free(request);
	http_turn_answered(request);
}

void http_request_suspend(struct http_request *request, void (*gone)(void *arg), void *arg)
{
	request->suspended = true;
	request->on_gone = gone;
	request->on_gone_arg = arg;
}
