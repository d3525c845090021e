/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a load has, sent while it is opened. The first piece is there before the answer begins: a
 * short one then goes out in one turn of the loop, and a fault of it still has a status. A later
 * one can only cut the connection, so that nobody takes a part for the whole.
 */
#include <stdlib.h>

#include "front/impl.h"

#define OCTETS "application/octet-stream"

static void send_free(struct front_send *send)
{
	front_wait_end(&send->wait);
	loader_load_leave(send->load);
	free(send);
}

void front_send_fail(struct front_send *send, const struct err *err)
{
	/* First, as it may be the load's. */
	http_answer_error(send->request, err);
	send_free(send);
}

struct http_request *front_send_end(struct front_send *send)
{
	struct http_request *request = send->request;

	send_free(send);
	return request;
}

static void stop(struct front_wait *wait, const struct err *err)
{
	front_send_fail((struct front_send *)wait, err);
}

static void on_gone(void *arg)
{
	struct front_send *send = arg;

	http_answer_empty(send->request);
	send_free(send);
}

/* --- pieces --- */

static void give(struct front_send *send)
{
	struct slice piece = send->piece;

	send->piece = slice_of(NULL, 0);
	http_answer_piece(send->request, piece);
}

static void on_piece(void *arg, struct slice bytes, const struct err *err);

static void on_more(void *arg)
{
	struct front_send *send = arg;

	if (send->piece.len > 0)
		give(send);
	else
		loader_load_read(send->load, on_piece, send);
}

static void on_end(void *arg)
{
	send_free(arg);
}

static void answer(struct front_send *send)
{
	static const struct http_source SOURCE = {.more = on_more, .end = on_end};

	send->answered = true;
	front_wait_end(&send->wait);
	http_answer_stream(send->request, send->range.part ? 206 : 200, OCTETS, send->range.length,
			   &SOURCE, send);
}

/* Pieces end where they do; the range may before. */
static struct slice take(struct front_send *send, struct slice bytes)
{
	if (bytes.len > send->left)
		bytes.len = (size_t)send->left;
	send->left -= bytes.len;
	return bytes;
}

static void on_piece(void *arg, struct slice bytes, const struct err *err)
{
	struct front_send *send = arg;
	struct err none;

	if (!err && bytes.len == 0) {
		(void)err_set(&none, ERR_INTERNAL, "the resource ends before its size");
		err = &none;
	}
	if (err && send->answered) {
		front_note(send->request, "cut off", err);
		http_answer_cut(send->request);
		return;
	}
	if (err) {
		front_send_fail(send, err);
		return;
	}
	send->piece = take(send, bytes);
	if (send->answered)
		give(send);
	else
		answer(send);
}

void front_send_go(struct front_send *send, const struct http_range *range)
{
	send->range = *range;
	send->left = range->length;
	if (range->length == 0)
		http_answer_bytes(front_send_end(send), 200, OCTETS, slice_of(NULL, 0));
	else if (http_request_route(send->request)->method == HTTP_HEAD)
		answer(send);
	else
		loader_load_read(send->load, on_piece, send);
}

/* --- the beginning --- */

static void on_ready(void *arg, const struct err *err)
{
	struct front_send *send = arg;

	if (err)
		front_send_fail(send, err);
	else
		send->ready(send);
}

int front_send_begin(struct http_request *request, struct front *front,
		     const struct resource *resource, const struct front_wish *wish,
		     struct err *err)
{
	CLEANUP(mem_free_cleanup) struct front_send *send = calloc(1, sizeof(*send));
	int r;

	if (!send)
		return err_set(err, ERR_INTERNAL, "memory is short");
	send->request = request;
	send->front = front;
	send->ready = wish->ready;
	r = wish->ask(front->loader, resource, on_ready, send, &send->load, err);
	if (r < 0)
		return r;
	send->wait.stop = stop;
	front_wait_begin(front, &send->wait);
	http_request_suspend(request, on_gone, TAKE(send));
	return 0;
}
