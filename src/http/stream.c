/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: bodies and answers that pass through without ever being whole in memory.
 *
 * In: the library takes an answer before the body or behind it, never in between. So a stream that
 * is refused half way is read to its end and dropped. While the handler is at work the connection
 * is parked. When the library is resumed it reads once before anything else, and takes the end of a
 * half-closed client for a broken request, whatever it still holds of the body. Therefore all that
 * it has is taken before it is parked, and a body that is whole by its Content-Length is not parked
 * until the library has left its reading (as with other requests, see request.c). A chunked body
 * tells its end too late for that.
 *
 * Parked before the body, the library repeats its first callback afterwards; that is how an answer
 * to the header alone can still be made later.
 *
 * Out: the library's response asks for bytes; when the source has none yet, it is parked too.
 */
#include <assert.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "http/impl.h"

/* What the library sends at once; its buffer is that large. */
#define BLOCK_SIZE (64u * 1024u)

/* --- pace --- */

void http_pace_pause(struct http_request *request)
{
	if (!request->paced)
		return;
	http_pace_stop(&request->pace, clock_monotonic_us());
	http_conn_no_deadline(request->conn);
}

void http_pace_resume(struct http_request *request)
{
	if (request->paced && !request->parked)
		http_conn_deadline_us(request->conn,
				      http_pace_start(&request->pace, clock_monotonic_us()));
}

void http_pace_begin(struct http_request *request, unsigned seconds)
{
	request->paced = true;
	http_pace_init(&request->pace, (uint64_t)seconds * 1000000u);
	http_pace_resume(request);
}

void http_pace_take_over(struct http_request *request)
{
	struct http_conn *conn = request->conn;
	uint64_t now = clock_monotonic_us();
	uint64_t due = conn->deadline.due_us;

	http_pace_init(&request->pace, due > now ? due - now : 0);
	request->paced = true;
	(void)http_pace_start(&request->pace, now);
}

void http_pace_end(struct http_request *request)
{
	http_pace_pause(request);
	request->paced = false;
}

static void moved(struct http_request *request, size_t bytes)
{
	if (request->paced && http_pace_moved(&request->pace, bytes, clock_monotonic_us()))
		http_pace_resume(request);
}

/* --- in --- */

/* Its block must not move later, and memory that is short should be known now. */
static bool make_room(struct buf *body)
{
	size_t len = body->len;

	if (!buf_grow(body, HTTP_STREAM_BUFFER - len))
		return false;
	body->len = len;
	return true;
}

/* At the end of each step: what the library is to do next. */
static bool settle(struct http_request *request)
{
	struct http_inflow *in = &request->in;

	if (request->state == HTTP_ANSWERED)
		return in->at_head || in->whole ? http_request_send(request) : true;
	if (in->wanted)
		in->at_head = false;
	else if (!request->parked)
		http_request_park(request);
	else
		http_turn_leave(request);
	return true;
}

bool http_stream_begin(struct http_request *request)
{
	struct err err;

	request->in.on = true;
	request->in.received = request->body.len;
	request->body.max = HTTP_STREAM_BUFFER;
	request->state = HTTP_STREAMING;
	http_pace_begin(request, request->conn->http->limits.request_s);
	if (make_room(&request->body)) {
		http_request_handle(request);
	} else {
		(void)err_set(&err, ERR_INTERNAL, "memory is short");
		http_request_refuse(request, &err);
	}
	return settle(request);
}

static void drop_front(struct buf *body, size_t len)
{
	memmove(body->data, body->data + len, body->len - len);
	wipe(body->data + body->len - len, len);
	body->len -= len;
}

/* A piece that is not the last is only handed on when more is there: the handler must know. */
static void deliver(struct http_request *request)
{
	struct http_inflow *in = &request->in;
	struct buf *body = &request->body;

	in->delivering = true;
	while (in->wanted && request->state == HTTP_STREAMING &&
	       (body->len > HTTP_PIECE || in->whole)) {
		bool last = body->len <= HTTP_PIECE;
		size_t len = last ? body->len : HTTP_PIECE;

		in->wanted = false;
		in->piece(in->arg, slice_of(body->data, len), last);
		drop_front(body, len);
	}
	in->delivering = false;
}

/* A limit of what is dropped; a handler has said no long before. */
static bool is_too_much(const struct http_request *request)
{
	uint64_t max = request->route->stream_max;

	return request->in.received > max && request->in.received - max > HTTP_SURPLUS_MAX;
}

bool http_stream_body(struct http_request *request, struct slice bytes)
{
	struct http_inflow *in = &request->in;

	in->at_head = false;
	in->received += bytes.len;
	moved(request, bytes.len);
	if (request->state == HTTP_STREAMING)
		buf_put(&request->body, bytes);
	wipe((void *)(uintptr_t)bytes.data, bytes.len);
	if (is_too_much(request) || !buf_ok(&request->body))
		return false;
	if (in->received == in->length)
		return true;
	deliver(request);
	if (!settle(request))
		return false;
	if (in->wanted || request->state == HTTP_ANSWERED)
		http_turn_took(request, bytes.len);
	return true;
}

bool http_stream_rest(struct http_request *request)
{
	struct http_inflow *in = &request->in;

	if (in->at_head)
		return settle(request);
	if (!in->whole) {
		in->whole = true;
		http_pace_end(request);
		return true;
	}
	deliver(request);
	return settle(request);
}

bool http_request_is_stream(const struct http_request *request)
{
	return request->in.on;
}

uint64_t http_request_length(const struct http_request *request)
{
	if (request->in.length > 0)
		return request->in.length;
	return request->body_due ? request->route->stream_max : 0;
}

void http_request_pull(struct http_request *request, http_piece_fn piece, void *arg)
{
	struct http_inflow *in = &request->in;

	assert(request->state == HTTP_STREAMING && !in->wanted);
	in->wanted = true;
	in->piece = piece;
	in->arg = arg;
	if (in->delivering)
		return;
	deliver(request);
	if (in->wanted && request->parked && !http_turn_wait(request))
		http_request_unpark(request);
}

/* --- out --- */

static ssize_t read_source(void *cls, uint64_t at, char *block, size_t max)
{
	struct http_outflow *out = cls;
	struct http_request *request = out->request;
	size_t len;

	(void)at;
	if (!request || out->cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (out->rest.len == 0 && !out->asked) {
		out->asked = true;
		request->source->more(request->source_arg);
	}
	if (out->cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (out->rest.len == 0) {
		http_request_park(request);
		return 0;
	}
	len = out->rest.len < max ? out->rest.len : max;
	memcpy(block, out->rest.data, len);
	out->rest = slice_of(out->rest.data + len, out->rest.len - len);
	out->block = block;
	out->block_len = len > out->block_len ? len : out->block_len;
	moved(request, len);
	return (ssize_t)len;
}

/* The library frees the block right after this. */
static void outflow_free(void *cls)
{
	struct http_outflow *out = cls;

	if (out->block)
		wipe(out->block, out->block_len);
	if (out->request)
		out->request->out = NULL;
	free(out);
}

static struct MHD_Response *outflow_response(struct http_request *request, uint64_t length)
{
	struct http_outflow *out = calloc(1, sizeof(*out));
	struct MHD_Response *response = NULL;

	if (out)
		response = MHD_create_response_from_callback(length, BLOCK_SIZE, read_source, out,
							     outflow_free);
	if (!response) {
		free(out);
		return NULL;
	}
	out->request = request;
	request->out = out;
	return response;
}

void http_answer_stream(struct http_request *request, unsigned status, const char *content_type,
			uint64_t length, const struct http_source *source, void *arg)
{
	request->source = source;
	request->source_arg = arg;
	http_answer_with(request, status, content_type,
			 request->gone ? NULL : outflow_response(request, length));
}

void http_answer_piece(struct http_request *request, struct slice bytes)
{
	assert(request->out && request->out->asked && bytes.len > 0);
	request->out->rest = bytes;
	request->out->asked = false;
	http_request_unpark(request);
}

void http_answer_cut(struct http_request *request)
{
	assert(request->out && request->out->asked);
	request->out->cut = true;
	http_request_unpark(request);
}

/* --- the end --- */

void http_stream_end(struct http_request *request)
{
	if (request->state == HTTP_STREAMING && !request->gone) {
		request->gone = true;
		request->on_gone(request->on_gone_arg);
		assert(request->state == HTTP_ANSWERED);
	}
	if (request->out)
		request->out->request = NULL;
	request->out = NULL;
	if (request->source)
		request->source->end(request->source_arg);
}
