/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F2: a resource, opened while it is sent. The first piece is there before the answer begins: a
 * short resource then goes out in one turn of the loop, and a fault of it still has a status. A
 * later one can only cut the connection, so that nobody takes a part for the whole.
 */
#include <stdlib.h>
#include <string.h>

#include "artifact/resource.h"
#include "base/json.h"
#include "front/impl.h"

#define OCTETS "application/octet-stream"

struct load {
	struct front_wait wait;
	struct http_request *request;
	struct loader_load *load;
	bool answered;
	struct slice piece; /* read, and not given yet */
};

static void load_free(struct load *load)
{
	front_wait_end(&load->wait);
	loader_load_leave(load->load);
	free(load);
}

/* Before the answer has begun. */
static void fail(struct load *load, const struct err *err)
{
	/* First, as it may be the load's. */
	http_answer_error(load->request, err);
	load_free(load);
}

static void stop(struct front_wait *wait, const struct err *err)
{
	fail((struct load *)wait, err);
}

static void on_gone(void *arg)
{
	struct load *load = arg;

	http_answer_empty(load->request);
	load_free(load);
}

static void give(struct load *load)
{
	struct slice piece = load->piece;

	load->piece = slice_of(NULL, 0);
	http_answer_piece(load->request, piece);
}

static void on_piece(void *arg, struct slice bytes, const struct err *err);

static void on_more(void *arg)
{
	struct load *load = arg;

	if (load->piece.len > 0)
		give(load);
	else
		loader_load_read(load->load, on_piece, load);
}

static void on_end(void *arg)
{
	load_free(arg);
}

static void answer(struct load *load)
{
	static const struct http_source SOURCE = {.more = on_more, .end = on_end};

	load->answered = true;
	front_wait_end(&load->wait);
	http_answer_stream(load->request, 200, OCTETS, loader_load_size(load->load), &SOURCE, load);
}

static void on_piece(void *arg, struct slice bytes, const struct err *err)
{
	struct load *load = arg;
	struct err none;

	if (!err && bytes.len == 0) {
		(void)err_set(&none, ERR_INTERNAL, "the resource ends before its size");
		err = &none;
	}
	if (err && load->answered) {
		front_note(load->request, "cut off", err);
		http_answer_cut(load->request);
		return;
	}
	if (err) {
		fail(load, err);
		return;
	}
	load->piece = bytes;
	if (load->answered)
		give(load);
	else
		answer(load);
}

static void on_ready(void *arg, const struct err *err)
{
	struct load *load = arg;
	struct http_request *request = load->request;

	if (err) {
		fail(load, err);
	} else if (loader_load_size(load->load) > 0) {
		loader_load_read(load->load, on_piece, load);
	} else {
		load_free(load);
		http_answer_bytes(request, 200, OCTETS, slice_of(NULL, 0));
	}
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
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	CLEANUP(mem_free_cleanup) struct load *load = NULL;
	struct resource resource;
	int r;

	r = front_body(request, &body, err);
	if (r == 0)
		r = read_resource(request, body, &resource, err);
	if (r < 0)
		return r;
	load = calloc(1, sizeof(*load));
	if (!load)
		return err_set(err, ERR_INTERNAL, "memory is short");
	load->request = request;
	r = loader_load(front->loader, &resource, on_ready, load, &load->load, err);
	if (r < 0)
		return r;
	load->wait.stop = stop;
	front_wait_begin(front, &load->wait);
	http_request_suspend(request, on_gone, TAKE(load));
	return 0;
}

void front_load(struct http_request *request, void *app)
{
	struct err err;

	if (begin(request, app, &err) < 0)
		http_answer_error(request, &err);
}
