/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A form that comes in as a stream: the reader between the stream's pieces and the handler's parts.
 * A piece of a stream is borrowed for its call only. What is left of it when the handler has not
 * asked for more is kept; as parts are few and large, that is seldom more than a field or two.
 */
#include <assert.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "http/form.h"
#include "http/impl.h"

struct http_form_in {
	struct http_request *request;
	struct http_form_reader reader;
	const struct http_form *form;
	void *arg;
	struct slice rest; /* not read yet: of the stream's piece, or of what is kept */
	struct buf kept;
	uint64_t received;
	bool last;    /* the stream gives no more */
	bool wanted;  /* the handler has asked for a piece */
	bool running; /* the reader is at work, further up the stack */
	bool over;
};

static void finish(struct http_form_in *in, const struct err *err)
{
	in->over = true;
	in->form->end(in->arg, err);
}

static bool is_over(const struct http_form_in *in)
{
	return in->over || in->request->state != HTTP_STREAMING;
}

/* One piece; false when the stream has to give more first. */
static bool step(struct http_form_in *in)
{
	struct http_form_reader *reader = &in->reader;
	struct http_form_piece piece;
	struct err err;
	int r = http_form_read(reader, &in->rest, &piece, &err);

	if (r > 0) {
		in->wanted = false;
		in->form->part(in->arg, reader->name, reader->has_file ? reader->file : NULL,
			       piece.first, piece.bytes);
		return true;
	}
	if (r == 0 && !in->last)
		return false;
	if (r == 0 && !http_form_whole(reader))
		r = err_set(&err, ERR_INVALID, "the form ends before its last boundary");
	finish(in, r < 0 ? &err : NULL);
	return true;
}

static void on_piece(void *arg, struct slice bytes, bool last);

/* Goes on as far as the handler wants, and as there is something. */
static void run(struct http_form_in *in)
{
	bool more = true;

	in->running = true;
	while (more && in->wanted && !is_over(in))
		more = step(in);
	in->running = false;
	if (is_over(in) || more)
		return;
	buf_reset(&in->kept);
	http_request_pull(in->request, on_piece, in);
}

/* It has room for a whole piece. */
static void keep(struct http_form_in *in)
{
	if (is_over(in) || in->rest.len == 0)
		return;
	buf_put(&in->kept, in->rest);
	in->rest = buf_slice(&in->kept);
	assert(buf_ok(&in->kept));
}

static void on_piece(void *arg, struct slice bytes, bool last)
{
	struct http_form_in *in = arg;
	uint64_t max = in->request->route->stream_max;
	struct err err;

	in->rest = bytes;
	in->last = last;
	in->received += bytes.len;
	if (in->received > max) {
		(void)err_set(&err, ERR_TOO_LARGE, "the form is longer than %llu bytes",
			      (unsigned long long)max);
		finish(in, &err);
		return;
	}
	run(in);
	keep(in);
}

int http_request_form(struct http_request *request, const struct http_form *form, void *arg,
		      struct err *err)
{
	const char *type = http_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
	struct http_form_in *in;
	int r;

	assert(request->in.on && !request->form);
	in = calloc(1, sizeof(*in));
	if (!in)
		return err_set(err, ERR_INTERNAL, "memory is short");
	request->form = in;
	*in = (struct http_form_in){
		.request = request,
		.form = form,
		.arg = arg,
		.kept = BUF_INIT(HTTP_PIECE),
		.wanted = true,
	};
	r = http_form_begin(&in->reader, type ? type : "", err);
	if (r < 0)
		return r;
	if (!buf_grow(&in->kept, HTTP_PIECE))
		return err_set(err, ERR_INTERNAL, "memory is short");
	/* The body has not begun: nothing is there to be given at once. */
	run(in);
	return 0;
}

void http_request_form_next(struct http_request *request)
{
	struct http_form_in *in = request->form;

	assert(in && !in->wanted);
	in->wanted = true;
	if (!in->running)
		run(in);
}

void http_form_free(struct http_form_in *in)
{
	if (!in)
		return;
	buf_fini(&in->kept);
	free(in);
}
