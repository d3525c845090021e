/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CDN: big parts and signatures, given to everybody and in ranges, taken from who has a token;
 * payloads of version 2 are given only.
 * Both go through one buffer of a piece; the next is read, or taken, when this one is away.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "origin/impl.h"

#define RANGE_TEXT 96u

struct path {
	char folder[HTTP_SEGMENT_MAX + 1];
	char file[HTTP_SEGMENT_MAX + 1];
};

typedef int (*check_fn)(const char *folder, const char *file, struct err *err);

static int read_path(const struct http_request *request, check_fn check, struct path *path,
		     struct err *err)
{
	(void)snprintf(path->folder, sizeof(path->folder), "%s", http_request_segment(request, 0));
	(void)snprintf(path->file, sizeof(path->file), "%s", http_request_segment(request, 1));
	return check(path->folder, path->file, err);
}

/* --- GET and HEAD --- */

struct get {
	struct op op;
	struct path path;
	struct folder_file file;
	struct http_range range; /* what of it is still to be sent */
	size_t len;		 /* of the piece at work */
	uint8_t piece[HTTP_PIECE];
};

static void get_fini(struct op *op)
{
	fd_close_cleanup(&((struct get *)op)->file.fd);
}

static int open_step(void *arg, struct err *err)
{
	struct get *get = arg;

	return folder_open(get->op.origin->dir, get->path.folder, get->path.file, &get->file, err);
}

static int read_step(void *arg, struct err *err)
{
	struct get *get = arg;

	return folder_read_at(&get->file, get->range.first, get->piece, get->len, err);
}

static void give_piece(struct op *op)
{
	struct get *get = (struct get *)op;

	get->range.first += get->len;
	get->range.length -= get->len;
	http_answer_piece(op->answer, slice_of(get->piece, get->len));
}

static void on_more(void *arg)
{
	struct get *get = arg;

	op_enter(&get->op);
	get->len = get->range.length < HTTP_PIECE ? (size_t)get->range.length : HTTP_PIECE;
	op_run(&get->op, read_step, give_piece);
	op_leave(&get->op);
}

static void on_end(void *arg)
{
	op_sent(arg);
}

/* RFC 9110, 15.5.17. */
static void refuse_range(struct get *get)
{
	static const char BODY[] = "{\"detail\":\"the file has no such range\"}";
	struct http_request *request = op_answer(&get->op);
	char text[RANGE_TEXT];

	(void)snprintf(text, sizeof(text), "bytes */%" PRIu64, get->file.size);
	http_request_add_header(request, "Content-Range", text);
	http_answer_bytes(request, 416, "application/json", slice_str(BODY));
}

static void send_range(struct get *get)
{
	static const struct http_source SOURCE = {.more = on_more, .end = on_end};
	struct http_request *request = get->op.request;
	char text[RANGE_TEXT];

	http_request_add_header(request, "Accept-Ranges", "bytes");
	http_request_add_header(request, "Cache-Control", "no-cache");
	http_request_add_header(request, "ETag", get->file.etag);
	if (get->range.part) {
		(void)snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
			       get->range.first, get->range.first + get->range.length - 1,
			       get->file.size);
		http_request_add_header(request, "Content-Range", text);
	}
	http_answer_stream(op_stream(&get->op), get->range.part ? 206 : 200,
			   "application/octet-stream", get->range.length, &SOURCE, get);
}

static void opened(struct op *op)
{
	struct get *get = (struct get *)op;

	if (http_request_range(op->request, get->file.size, get->file.etag, &get->range))
		send_range(get);
	else
		refuse_range(get);
}

void cdn_get(struct http_request *request, void *app)
{
	struct get *get = calloc(1, sizeof(*get));
	struct err err;

	if (get)
		get->file.fd = -1;
	if (!op_begin(get ? &get->op : NULL, app, request, get_fini))
		return;
	op_enter(&get->op);
	if (read_path(request, folder_check_cdn, &get->path, &err) < 0)
		op_fail(&get->op, &err);
	else
		op_run(&get->op, open_step, opened);
	op_leave(&get->op);
}

/* --- PUT --- */

struct put {
	struct op op;
	struct path path;
	struct file_draft *draft;
	uint64_t taken;
	bool last;
	struct buf piece;
};

static void put_fini(struct op *op)
{
	struct put *put = (struct put *)op;

	file_draft_free(put->draft);
	buf_fini(&put->piece);
}

static int draft_step(void *arg, struct err *err)
{
	struct put *put = arg;

	return folder_draft(put->op.origin->dir, put->path.folder, put->path.file, &put->draft,
			    err);
}

static int write_step(void *arg, struct err *err)
{
	struct put *put = arg;
	int r = file_draft_write(put->draft, buf_slice(&put->piece), err);

	return r == 0 && put->last ? file_draft_publish(put->draft, FILE_REPLACE, err) : r;
}

static void pull(struct op *op);

static void written(struct op *op)
{
	struct put *put = (struct put *)op;

	if (!put->last) {
		pull(op);
		return;
	}
	origin_note(op->origin, "stored %s/%s, %" PRIu64 " bytes", put->path.folder, put->path.file,
		    put->taken);
	http_answer_empty(op_answer(op));
}

static void on_piece(void *arg, struct slice bytes, bool last)
{
	struct put *put = arg;
	uint64_t max = put->op.origin->config.upload_max;
	struct err err;

	op_enter(&put->op);
	put->taken += bytes.len;
	put->last = last;
	buf_reset(&put->piece);
	buf_put(&put->piece, bytes);
	if (put->taken > max) {
		(void)err_set(&err, ERR_TOO_LARGE, "the body is longer than %" PRIu64 " bytes",
			      max);
		op_fail(&put->op, &err);
	} else if (!buf_ok(&put->piece)) {
		(void)err_set(&err, ERR_INTERNAL, "memory is short");
		op_fail(&put->op, &err);
	} else {
		op_run(&put->op, write_step, written);
	}
	op_leave(&put->op);
}

static void pull(struct op *op)
{
	http_request_pull(op->request, on_piece, op);
}

void cdn_put(struct http_request *request, void *app)
{
	struct put *put;
	struct err err;
	unsigned user;

	if (!origin_authorise(app, request, &user))
		return;
	put = calloc(1, sizeof(*put));
	if (!op_begin(put ? &put->op : NULL, app, request, put_fini))
		return;
	put->piece = (struct buf)BUF_INIT(HTTP_PIECE);
	op_enter(&put->op);
	if (read_path(request, folder_check_cdn_put, &put->path, &err) < 0)
		op_fail(&put->op, &err);
	else
		op_run(&put->op, draft_step, pull);
	op_leave(&put->op);
}
