/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F3: a form whose part `data` goes to the loader as it comes, with one piece on its way at a time;
 * `folder` may stand before or behind it. What the loader refuses at the start is answered at once
 * only to a client that has not sent its body yet (Expect). Others would go on sending, and over
 * TCP lose the answer with the connection; so theirs is told with the first bytes, behind which
 * http reads and drops the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "artifact/resource.h"
#include "front/impl.h"

_Static_assert(HTTP_PIECE <= LOADER_PIECE, "a piece of a form goes to the loader whole");

struct upload {
	struct http_request *request;
	struct loader_upload *upload; /* NULL after a refusal .. */
	struct err refusal;	      /* .. which is this */
	uint64_t max;
	uint64_t received;
	bool in_data;
	bool data_came, folder_came;
	struct buf folder;
};

static void upload_free(struct upload *upload)
{
	loader_upload_leave(upload->upload);
	buf_fini(&upload->folder);
	free(upload);
}

static void fail(struct upload *upload, const struct err *err)
{
	struct http_request *request = upload->request;

	http_answer_error(request, err);
	upload_free(upload);
}

static void on_gone(void *arg)
{
	struct upload *upload = arg;

	http_answer_empty(upload->request);
	upload_free(upload);
}

/* --- parts --- */

static void on_added(void *arg, const struct err *err)
{
	struct upload *upload = arg;

	if (err)
		fail(upload, err);
	else
		http_request_form_next(upload->request);
}

static int begin_part(struct upload *upload, const char *name, struct err *err)
{
	bool is_data = strcmp(name, "data") == 0;
	bool *came = is_data ? &upload->data_came : &upload->folder_came;

	if (!is_data && strcmp(name, "folder") != 0)
		return err_set(err, ERR_INVALID, "the form has a part that is not known here");
	if (*came)
		return err_set(err, ERR_INVALID, "the form has two parts %s",
			       is_data ? "data" : "folder");
	*came = true;
	upload->in_data = is_data;
	return 0;
}

static int take_folder(struct upload *upload, struct slice bytes, struct err *err)
{
	buf_put(&upload->folder, bytes);
	if (buf_ok(&upload->folder))
		return 0;
	return err_set(err, ERR_INVALID, "the folder is longer than %u bytes", RESOURCE_FOLDER_MAX);
}

static int take_data(struct upload *upload, struct slice bytes, struct err *err)
{
	upload->received += bytes.len;
	if (upload->received > upload->max)
		return err_set(err, ERR_TOO_LARGE, "data is longer than %llu bytes",
			       (unsigned long long)upload->max);
	return 0;
}

static void on_part(void *arg, const char *name, const char *file, bool first, struct slice bytes)
{
	struct upload *upload = arg;
	struct err err = upload->refusal;
	int r = err.code;

	(void)file;
	if (r == 0 && first)
		r = begin_part(upload, name, &err);
	if (r == 0)
		r = upload->in_data ? take_data(upload, bytes, &err)
				    : take_folder(upload, bytes, &err);
	if (r < 0)
		fail(upload, &err);
	else if (upload->in_data && bytes.len > 0)
		loader_upload_add(upload->upload, bytes, on_added, upload);
	else
		http_request_form_next(upload->request);
}

/* --- the end --- */

static void on_done(void *arg, const struct err *err)
{
	struct upload *upload = arg;

	if (err) {
		fail(upload, err);
		return;
	}
	front_answer_ok(upload->request);
	upload_free(upload);
}

static int check_form(const struct upload *upload, struct slice *ret_folder, struct err *err)
{
	struct resource resource = {
		.folder =
			upload->folder_came ? buf_slice(&upload->folder) : slice_str(FRONT_FOLDER),
		.name = slice_str(http_request_segment(upload->request, 0)),
	};
	int r;

	if (!upload->data_came)
		return err_set(err, ERR_INVALID, "the form has no part data");
	r = resource_check(&resource, err);
	if (r == 0)
		*ret_folder = resource.folder;
	return r;
}

static void on_form_end(void *arg, const struct err *form_err)
{
	struct upload *upload = arg;
	struct slice folder;
	struct err err = form_err ? *form_err : upload->refusal;
	int r = err.code;

	if (r == 0)
		r = check_form(upload, &folder, &err);
	if (r < 0)
		fail(upload, &err);
	else
		loader_upload_end(upload->upload, folder, on_done, upload);
}

/* --- the beginning --- */

/* Refusals that are told later are no failure here. */
static int begin_upload(struct upload *upload, struct loader *loader, struct err *err)
{
	const struct resource resource = {
		.folder = slice_str(FRONT_FOLDER),
		.name = slice_str(http_request_segment(upload->request, 0)),
	};
	int r = resource_check(&resource, err);

	if (r == 0)
		r = loader_upload_new(loader, resource.name, &upload->upload, err);
	if (r == 0 || http_request_header(upload->request, "Expect"))
		return r;
	upload->refusal = *err;
	return 0;
}

static int begin(struct http_request *request, const struct front *front, struct err *err)
{
	static const struct http_form FORM = {.part = on_part, .end = on_form_end};
	struct upload *upload = calloc(1, sizeof(*upload));
	int r;

	if (!upload)
		return err_set(err, ERR_INTERNAL, "memory is short");
	upload->request = request;
	upload->max = front->config.upload_max;
	upload->folder = (struct buf)BUF_INIT(RESOURCE_FOLDER_MAX);
	r = begin_upload(upload, front->loader, err);
	if (r == 0)
		r = http_request_form(request, &FORM, upload, err);
	if (r < 0) {
		upload_free(upload);
		return r;
	}
	http_request_suspend(request, on_gone, upload);
	return 0;
}

void front_upload(struct http_request *request, void *app)
{
	struct err err;

	if (begin(request, app, &err) < 0)
		http_answer_error(request, &err);
}
