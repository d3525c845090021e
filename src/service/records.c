/* SPDX-License-Identifier: Apache-2.0 */
/* Listing and deleting need no provider; the chip only drops what it had loaded. */
#include "service/records.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/loop.h"
#include "service/aiks.h"
#include "service/message.h"
#include "service/routes.h"

#define LIST_MAX 1000u

static enum store_kind kind_of(const struct op *op)
{
	switch (op->kind->operation) {
	case METRICS_KEY_LIST:
	case METRICS_KEY_DELETE:
		return STORE_KEYS;
	case METRICS_AIK_LIST:
	case METRICS_AIK_DELETE:
		return STORE_AIKS;
	default:
		return STORE_SECRETS;
	}
}

int records_check_absent(void *arg, struct err *err)
{
	struct op *op = arg;
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	int r;

	r = store_read(op->store, &op->record.id, &record, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0 || r == ERR_DAMAGED || r == ERR_UNREADABLE)
		return err_set(err, ERR_CONFLICT, "the name %s is taken", op->name);
	return r;
}

int records_create(struct op *op, struct err *err)
{
	int r = store_create(op->store, &op->record.id, buf_slice(&op->record.bytes), err);

	op->changed = r == 0;
	if (r < 0)
		quota_failed(op, r);
	return r;
}

/* --- list --- */

struct list_op {
	struct op op;
	enum store_kind kind;
	char after[STORE_NAME_MAX + 1];
	size_t limit;
	struct buf names; /* each ended by a NUL */
	bool more;
	struct aik_line *lines; /* of attestation keys: what else is shown of each */
};

static int list_names(void *arg, struct err *err)
{
	struct list_op *list = arg;

	return store_list(list->op.store, list->op.tenant.name, list->kind, list->after,
			  list->limit, &list->names, &list->more, err);
}

/* A record that cannot be read is listed all the same, by its name. */
static int describe_names(void *arg, struct err *err)
{
	struct list_op *list = arg;
	const char *name = (const char *)list->names.data;
	const char *end = name ? name + list->names.len : NULL;
	size_t i;

	list->lines = calloc(list->limit, sizeof(*list->lines));
	if (!list->lines)
		return err_set(err, ERR_INTERNAL, "memory is short");
	for (i = 0; name < end; name += strlen(name) + 1)
		aik_line_read(&list->op, name, &list->lines[i++]);
	return 0;
}

int records_limit(const char *text, size_t most, size_t *ret_limit, struct err *err)
{
	unsigned long limit = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9' && limit <= most; i++)
		limit = limit * 10 + (unsigned long)(text[i] - '0');
	if (text[i] != '\0' || limit < 1 || limit > most)
		return err_set(err, ERR_INVALID, "limit: must be a whole number from 1 to %zu",
			       most);
	*ret_limit = limit;
	return 0;
}

static int prepare_list(struct op *op, struct err *err)
{
	struct list_op *list = (struct list_op *)op;
	const char *after = http_request_query(op->request, "after");
	const char *limit = http_request_query(op->request, "limit");

	list->kind = kind_of(op);
	list->limit = LIST_MAX;
	list->names = (struct buf)BUF_INIT(LIST_MAX * (STORE_NAME_MAX + 1));
	op_step(op, JOB_POOL, list_names);
	if (list->kind == STORE_AIKS)
		op_step(op, JOB_POOL, describe_names);
	if (after && after[0] != '\0') {
		if (!store_name_ok(after))
			return err_set(err, ERR_INVALID, "after: must be a name");
		(void)snprintf(list->after, sizeof(list->after), "%s", after);
	}
	return limit ? records_limit(limit, LIST_MAX, &list->limit, err) : 0;
}

static void answer_list(struct op *op)
{
	static const char *const MEMBERS[] = {
		[STORE_KEYS] = "keys", [STORE_SECRETS] = "secrets", [STORE_AIKS] = "aiks"};
	struct list_op *list = (struct list_op *)op;
	const char *name = (const char *)list->names.data;
	const char *end = name ? name + list->names.len : NULL;
	const char *last = NULL;
	json_t *items = json_array();
	size_t i = 0;

	for (; name < end; name += strlen(name) + 1, i++) {
		/* A failed append makes the array NULL, which the packing below refuses. */
		if (items && json_array_append_new(
				     items, list->lines ? aik_line_json(name, &list->lines[i])
							: json_pack("{s:s}", "name", name)) < 0) {
			json_free(items);
			items = NULL;
		}
		last = name;
	}
	op_answer_json(op, 200,
		       json_pack("{s:o, s:o}", MEMBERS[list->kind], items, "next",
				 op_json_text(list->more ? last : NULL)));
}

static void fini_list(struct op *op)
{
	struct list_op *list = (struct list_op *)op;

	buf_fini(&list->names);
	free(list->lines);
}

static const struct op_kind LIST_KEYS = {
	.operation = METRICS_KEY_LIST,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct list_op),
	.prepare = prepare_list,
	.answer = answer_list,
	.fini = fini_list,
};

static const struct op_kind LIST_SECRETS = {
	.operation = METRICS_SECRET_LIST,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct list_op),
	.prepare = prepare_list,
	.answer = answer_list,
	.fini = fini_list,
};

static const struct op_kind LIST_AIKS = {
	.operation = METRICS_AIK_LIST,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct list_op),
	.prepare = prepare_list,
	.answer = answer_list,
	.fini = fini_list,
};

void service_aik_list(struct http_request *request, void *app)
{
	op_run(app, request, &LIST_AIKS);
}

void service_key_list(struct http_request *request, void *app)
{
	op_run(app, request, &LIST_KEYS);
}

void service_secret_list(struct http_request *request, void *app)
{
	op_run(app, request, &LIST_SECRETS);
}

/* --- delete --- */

struct delete_op {
	struct op op;
	struct buf object;
};

/* What the chip may still have loaded of a deleted record; a job of its own, after the answer. */
#define FORGET_S 30u

struct forgetting {
	struct service *service;
	struct provider *p; /* held */
	uint64_t deadline_us;
	struct buf object;
};

static int forget(void *arg, struct err *err)
{
	struct forgetting *forgetting = arg;

	(void)err;
	forgetting->p->deadline_us = forgetting->deadline_us;
	provider_forget(forgetting->p, buf_slice(&forgetting->object));
	return 0;
}

static void forget_done(void *arg, const struct err *err)
{
	(void)arg;
	(void)err; /* a stop or a deadline; the object leaves its slot when that is needed */
}

static void forget_release(void *arg)
{
	struct forgetting *forgetting = arg;
	struct service *service = forgetting->service;
	struct provider *p = forgetting->p;

	buf_fini(&forgetting->object);
	free(forgetting);
	service_drop(service, p);
}

/* Without memory the object stays loaded until its slot is needed. */
static void forget_object(struct op *op)
{
	struct delete_op *delete = (struct delete_op *)op;
	struct forgetting *forgetting;
	struct job *job;
	struct err err;

	if (!op->provider || !op->provider->ops->on_chip || delete->object.len == 0)
		return;
	forgetting = calloc(1, sizeof(*forgetting));
	if (!forgetting)
		return;
	forgetting->service = op->service;
	forgetting->p = service_hold(op->service, op->provider);
	forgetting->deadline_us = clock_monotonic_us() + FORGET_S * 1000000u;
	forgetting->object = delete->object;
	delete->object = (struct buf)BUF_INIT(0);
	if (service_submit(op->service,
			   &(struct job_plan){.steps = {{JOB_WORKER, forget}},
					      .count = 1,
					      .done = forget_done,
					      .release = forget_release,
					      .arg = forgetting,
					      .lane = op->plan.lane,
					      .deadline_us = forgetting->deadline_us},
			   &job, &err) < 0)
		forget_release(forgetting);
}

static void forget_later(struct op *op)
{
	message_end_key(op->peer.tenant, kind_of(op), op->name);
	forget_object(op);
}

/* What the chip may know of it. Nothing, when the record cannot be read: it goes all the same. */
static void note_object(struct delete_op *delete)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct op *op = &delete->op;
	struct blob blob;
	struct err err;

	op->quota.was_unknown = op->quota.of == QUOTA_STORED;
	if (store_read(op->store, &op->record.id, &record, &err) < 0)
		return;
	if (op->quota.of == QUOTA_STORED)
		op->quota.was = store_record_bytes(record.len);
	op->quota.was_unknown = false;
	if (op_parse_record(op->record.id.kind, buf_slice(&record), &blob, &err) == 0)
		buf_put(&delete->object, blob.object);
}

/* What cannot be read the store puts aside. */
static int remove_record(void *arg, struct err *err)
{
	struct delete_op *delete = arg;
	struct op *op = &delete->op;
	int r;

	note_object(delete);
	r = store_remove(op->store, &op->record.id, err);
	op->changed = r == 0;
	if (r < 0)
		quota_failed(op, r);
	return r;
}

static int prepare_delete(struct op *op, struct err *err)
{
	int r;

	((struct delete_op *)op)->object = (struct buf)BUF_INIT(PROVIDER_OBJECT_MAX);
	if (kind_of(op) == STORE_AIKS && op_needs_chip(op, err) < 0)
		return err->code;
	r = op_name_of_path(op, err);
	if (r < 0)
		return r;
	op_changes_record(op, kind_of(op));
	quota_removes(op, kind_of(op) == STORE_SECRETS ? QUOTA_STORED : QUOTA_KEYS);
	op_step(op, JOB_POOL, remove_record);
	return 0;
}

static void fini_delete(struct op *op)
{
	buf_fini(&((struct delete_op *)op)->object);
}

static const struct op_kind DELETE_KEY = {
	.operation = METRICS_KEY_DELETE,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct delete_op),
	.prepare = prepare_delete,
	.answer = op_answer_empty,
	.changed = forget_later,
	.fini = fini_delete,
};

static const struct op_kind DELETE_AIK = {
	.operation = METRICS_AIK_DELETE,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct delete_op),
	.prepare = prepare_delete,
	.answer = op_answer_empty,
	.changed = forget_later,
	.fini = fini_delete,
};

void service_aik_delete(struct http_request *request, void *app)
{
	op_run(app, request, &DELETE_AIK);
}

static const struct op_kind DELETE_SECRET = {
	.operation = METRICS_SECRET_DELETE,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct delete_op),
	.prepare = prepare_delete,
	.answer = op_answer_empty,
	.changed = forget_later,
	.fini = fini_delete,
};

void service_key_delete(struct http_request *request, void *app)
{
	op_run(app, request, &DELETE_KEY);
}

void service_secret_delete(struct http_request *request, void *app)
{
	op_run(app, request, &DELETE_SECRET);
}
