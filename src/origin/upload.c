/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What users store with the API: small files as they are, whole in memory and then on the disk. The
 * part `data` of the form is the file and says its name; other parts are passed over.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/impl.h"

struct upload {
	struct op op;
	char folder[HTTP_SEGMENT_MAX + 1];
	char file[HTTP_FORM_FILE_MAX + 1];
	bool seen; /* the part was there */
	struct buf bytes;
};

static void upload_fini(struct op *op)
{
	buf_fini(&((struct upload *)op)->bytes);
}

static int begin_file(struct upload *upload, const char *file, struct err *err)
{
	if (upload->seen)
		return err_set(err, ERR_INVALID, "there are two parts `data`");
	upload->seen = true;
	if (!file || strlen(file) >= sizeof(upload->file))
		return err_set(err, ERR_INVALID, "the part `data` has no file name, or a long one");
	(void)snprintf(upload->file, sizeof(upload->file), "%s", file);
	return folder_check_api(upload->folder, upload->file, err);
}

static int take(struct upload *upload, struct slice bytes, struct err *err)
{
	if (bytes.len > upload->bytes.max - upload->bytes.len)
		return err_set(err, ERR_TOO_LARGE, "the file is over %zu bytes", upload->bytes.max);
	buf_put(&upload->bytes, bytes);
	return buf_ok(&upload->bytes) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

static void on_part(void *arg, const char *name, const char *file, bool first, struct slice bytes)
{
	struct upload *upload = arg;
	struct err err;
	int r = 0;

	op_enter(&upload->op);
	if (strcmp(name, "data") == 0) {
		if (first)
			r = begin_file(upload, file, &err);
		if (r == 0)
			r = take(upload, bytes, &err);
	}
	if (r < 0)
		op_fail(&upload->op, &err);
	else
		http_request_form_next(upload->op.request);
	op_leave(&upload->op);
}

static int store_step(void *arg, struct err *err)
{
	struct upload *upload = arg;

	return folder_write(upload->op.origin->dir, upload->folder, upload->file,
			    buf_slice(&upload->bytes), err);
}

static void stored(struct op *op)
{
	struct upload *upload = (struct upload *)op;

	origin_note(op->origin, "stored %s/%s, %zu bytes", upload->folder, upload->file,
		    upload->bytes.len);
	http_answer_bytes(op_answer(op), 200, "application/json", slice_str("{\"status\":\"ok\"}"));
}

static void on_end(void *arg, const struct err *err)
{
	struct upload *upload = arg;
	struct err own;

	op_enter(&upload->op);
	if (err) {
		op_fail(&upload->op, err);
	} else if (!upload->seen) {
		(void)err_set(&own, ERR_INVALID, "the form has no part `data`");
		op_fail(&upload->op, &own);
	} else {
		op_run(&upload->op, store_step, stored);
	}
	op_leave(&upload->op);
}

void upload_small(struct http_request *request, void *app)
{
	static const struct http_form FORM = {.part = on_part, .end = on_end};
	struct upload *upload;
	struct err err;
	unsigned user;

	if (!origin_authorise(app, request, &user))
		return;
	upload = calloc(1, sizeof(*upload));
	if (!op_begin(upload ? &upload->op : NULL, app, request, upload_fini))
		return;
	upload->bytes = (struct buf)BUF_INIT(ORIGIN_SMALL_MAX);
	(void)snprintf(upload->folder, sizeof(upload->folder), "%s",
		       http_request_segment(request, 0));
	op_enter(&upload->op);
	if (folder_check(upload->folder, &err) < 0 ||
	    http_request_form(request, &FORM, upload, &err) < 0)
		op_fail(&upload->op, &err);
	op_leave(&upload->op);
}
