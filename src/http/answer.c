/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers. Each is made here, whole and with its length known, and waits in the request until the
 * library asks for it. The library's copy of the body wipes itself when it was sent.
 */
#include <assert.h>
#include <microhttpd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/secret.h"
#include "http/impl.h"

#define JSON_MAX    (16u * 1024u * 1024u)
#define PROBLEM_MAX 8192u

struct content {
	size_t len;
	uint8_t data[];
};

/* The library hands back only the pointer that it was given. */
static void content_free(void *data)
{
	struct content *content = (void *)((uint8_t *)data - offsetof(struct content, data));

	wipe(content->data, content->len);
	free(content);
}

static void block_free(void *data)
{
	http_block_give(http_block_of(data));
}

/* NULL when there is no block to be had. */
static struct MHD_Response *response_in_block(struct http *http, struct slice body)
{
	struct http_block *block = http_block_take(http);
	struct MHD_Response *response;

	if (!block)
		return NULL;
	memcpy(http_block_data(block), body.data, body.len);
	http_block_use(block, body.len);
	response = MHD_create_response_from_buffer_with_free_callback(
		body.len, http_block_data(block), block_free);
	if (!response)
		http_block_give(block);
	return response;
}

static struct MHD_Response *response_new(struct slice body)
{
	struct content *content;
	struct MHD_Response *response;

	if (body.len > SIZE_MAX - sizeof(*content))
		return NULL;
	content = malloc(sizeof(*content) + body.len);
	if (!content)
		return NULL;
	content->len = body.len;
	if (body.len > 0)
		memcpy(content->data, body.data, body.len);
	response = MHD_create_response_from_buffer_with_free_callback(body.len, content->data,
								      content_free);
	if (!response)
		content_free(content->data);
	return response;
}

static void put_header(struct http_request *request, const char *name, const char *value)
{
	if (request->response && MHD_add_response_header(request->response, name, value) != MHD_YES)
		MHD_destroy_response(TAKE(request->response));
}

static void put_headers(struct http_request *request, const char *type)
{
	bool cache_said = false;
	size_t i;

	if (type)
		put_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (i = 0; i < request->header_count; i++) {
		put_header(request, request->headers[i].name, request->headers[i].value);
		cache_said |= strcmp(request->headers[i].name, MHD_HTTP_HEADER_CACHE_CONTROL) == 0;
	}
	if (!cache_said)
		put_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (request->conn->http->draining || request->conn->last)
		put_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
}

/*
 * Without memory for the answer there is no response, and the library is told to close the
 * connection: a client never takes a part for the whole.
 */
void http_answer_with(struct http_request *request, unsigned status, const char *type,
		      struct MHD_Response *response)
{
	assert(request->state != HTTP_ANSWERED);
	request->state = HTTP_ANSWERED;
	request->status = status;
	request->response = response;
	http_turn_answered(request);
	put_headers(request, type);
	http_request_unpark(request);
}

static void answer(struct http_request *request, unsigned status, const char *type,
		   struct slice body)
{
	struct MHD_Response *response = NULL;

	if (!request->gone && body.len > HTTP_BLOCK_MIN && body.len <= HTTP_BLOCK_SIZE)
		response = response_in_block(request->conn->http, body);
	else if (!request->gone)
		response = response_new(body);
	http_answer_with(request, status, type, response);
}

void http_answer_json(struct http_request *request, unsigned status, const struct json_t *json)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(JSON_MAX);
	struct err err;

	json_write(&text, json);
	if (buf_ok(&text)) {
		answer(request, status, "application/json", buf_slice(&text));
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "the answer is too long, or memory is short");
	http_answer_error(request, &err);
}

void http_answer_bytes(struct http_request *request, unsigned status, const char *content_type,
		       struct slice body)
{
	answer(request, status, content_type, body);
}

void http_answer_empty(struct http_request *request)
{
	answer(request, MHD_HTTP_NO_CONTENT, NULL, slice_of(NULL, 0));
}

void http_answer_error(struct http_request *request, const struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(PROBLEM_MAX);
	const struct http_ops *ops = &request->conn->http->ops;
	const char *type = "application/problem+json";
	unsigned status = (unsigned)err_info(err->code)->http_status;
	char value[HTTP_ALLOW_SIZE];

	if (request->allowed != 0) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		http_allow_text(request->allowed, value);
		http_request_add_header(request, MHD_HTTP_HEADER_ALLOW, value);
	}
	if (err->retry_after > 0) {
		(void)snprintf(value, sizeof(value), "%u", err->retry_after);
		http_request_add_header(request, MHD_HTTP_HEADER_RETRY_AFTER, value);
	}
	if (ops->tell)
		type = ops->tell(request->conn->http->app, request, err, &status, &text);
	else
		http_problem_as(&text, err, status);
	answer(request, status, type, buf_slice(&text));
}

void http_request_add_header(struct http_request *request, const char *name, const char *value)
{
	struct http_pair pair = {.name = strdup(name), .value = strdup(value)};

	assert(request->header_count < HTTP_HEADERS_MAX);
	if (pair.name && pair.value && request->header_count < HTTP_HEADERS_MAX) {
		request->headers[request->header_count++] = pair;
		return;
	}
	free(pair.name);
	free(pair.value);
}
