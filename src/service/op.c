/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An op is answered once (by answer, an error, or to nobody) and freed once (release). Between
 * the two a step may still run for a client that left; it touches the op only, which is why what
 * it needs of the service was copied at the start.
 */
#include "service/op.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/log.h"
#include "tenant/audit.h"

#define DEADLINE_S	  30u
#define STARTING_RETRY_S  1u
#define CACHED_RECORD_MAX (16u * 1024u) /* larger ones would push many small ones out */

void op_free(struct op *op)
{
	struct service *service = op->service;
	struct provider *p = op->provider;
	struct tenant *tenant = op->peer.tenant;

	if (op->kind->fini)
		op->kind->fini(op);
	buf_fini(&op->record.bytes);
	free(op);
	service_drop(service, p);
	tenant_drop(tenant);
}

struct op *op_new(struct service *service, struct http_request *request, const struct op_kind *kind)
{
	struct op *op = calloc(1, kind->size);
	const struct tenant_peer *peer = http_request_peer(request);
	const struct service_tenant *tenant;

	if (!op)
		return NULL;
	tenant = (const struct service_tenant *)peer->tenant;
	op->kind = kind;
	op->service = service;
	op->request = request;
	op->peer = *peer;
	(void)tenant_hold(op->peer.tenant);
	op->tenant = tenant->owner;
	op->store = service->store;
	if (kind->needs != OP_NEEDS_NOTHING)
		op_hold_provider(op);
	op->started_us = clock_monotonic_us();
	op->plan.lane = tenant->tenant.number;
	op->record.bytes = (struct buf)BUF_INIT(STORE_CONTENT_MAX);
	op_deadline(op, DEADLINE_S);
	return op;
}

/* --- the ends --- */

static void audit(const struct op *op, int code, bool late)
{
	const struct audit_event event = {
		.peer = &op->peer,
		.operation = metrics_operation_name(op->kind->operation),
		.object = op->name,
		.code = code,
		.tpm_commands = atomic_load(&op->tpm_commands),
		.microseconds = clock_monotonic_us() - op->started_us,
		.late = late,
	};

	audit_write(&event);
}

void op_fail(struct op *op, const struct err *err)
{
	op->failed = true;
	metrics_count_error(err->code);
	audit(op, err->code, false);
	if (err->code == ERR_INTERNAL || err->code == ERR_UNREADABLE ||
	    err->origin_kind != ERR_ORIGIN_NONE)
		log_err(LOG_LEVEL_WARNING, err, "%s", metrics_operation_name(op->kind->operation));
	http_answer_error(TAKE(op->request), err);
}

void op_succeed(struct op *op)
{
	audit(op, 0, false);
}

void op_note_chip(const struct op *op)
{
	if (op->used_chip && op->provider == op->service->provider)
		service_note_status(op->service, &op->provider_status);
}

void op_drop_provider(struct op *op)
{
	op->used_chip = false;
	service_drop(op->service, TAKE(op->provider));
}

void op_hold_provider(struct op *op)
{
	op->provider = service_hold(op->service, op->service->provider);
}

static void op_done(void *arg, const struct err *err)
{
	struct op *op = arg;

	op->job = NULL;
	if (err) {
		op_fail(op, err);
		return;
	}
	if (op->more)
		return;
	op_succeed(op);
	op->kind->answer(op);
}

static void op_release(void *arg);

/* Another job, unless the provider was taken away meanwhile. False when the op has ended. */
static bool next_turn(struct op *op)
{
	struct err err;
	int r;

	op->more = false;
	op->plan.count = 0;
	op->plan.held = false;
	op->kind->turn(op);
	r = op_gate(op, &err);
	if (r == 0)
		r = service_submit(op->service, &op->plan, &op->job, &err);
	if (r < 0)
		op_fail(op, &err);
	return r == 0;
}

/* What was read becomes known, what was changed is forgotten. */
static void settle_record(struct op *op, const struct op_record *record, bool changes)
{
	struct keystore_cache *cache = op->service->cache;

	if (changes)
		keystore_cache_drop(cache, &record->id);
	else if (record->id.name && !record->cached && record->bytes.len > 0 &&
		 record->bytes.len <= CACHED_RECORD_MAX)
		keystore_cache_put(cache, &record->id, record->epoch, buf_slice(&record->bytes));
}

/* --- what is left in the provider --- */

static void swept(void *arg, const struct err *err)
{
	(void)arg;
	(void)err; /* a stop or a deadline; release() looks */
}

static void sweep_release(void *arg)
{
	struct op *op = arg;

	if (op->left) {
		op->next_left = op->service->left;
		op->service->left = op;
		return;
	}
	op_free(op);
}

/* However long it had to wait for its turn, as behind an RSA key, it has time then. */
static int sweep_step(void *arg, struct err *err)
{
	struct op *op = arg;

	op_deadline(op, DEADLINE_S);
	return op->kind->sweep(op, err);
}

/* Only the worker may touch what lies in a chip; without one it waits for service_sweep(). */
static void sweep(struct op *op)
{
	struct job *job;
	struct err err;

	if (!op->provider->ops->on_chip)
		(void)op->kind->sweep(op, &err);
	if (op->left && service_submit(op->service,
				       &(struct job_plan){.steps = {{JOB_WORKER, sweep_step}},
							  .count = 1,
							  .done = swept,
							  .release = sweep_release,
							  .arg = op,
							  .lane = op->plan.lane},
				       &job, &err) == 0)
		return;
	sweep_release(op);
}

void service_sweep(struct service *service)
{
	struct err err;

	while (service->left) {
		struct op *op = service->left;

		service->left = op->next_left;
		op->plan.deadline_us = 1; /* long past: nothing waits for the chip */
		(void)op->kind->sweep(op, &err);
		op_free(op);
	}
	raw_sweep(service);
}

/*
 * What could not be swept for want of memory holds its place, its provider and its tenant: one of
 * them is tried again whenever a job ends.
 */
static void retry_sweep(struct service *service)
{
	struct op *op = service->left;

	if (!op)
		return;
	service->left = op->next_left;
	sweep(op);
}

static void op_release(void *arg)
{
	struct op *op = arg;

	retry_sweep(op->service);
	op_note_chip(op);
	if (op->more && !op->failed && next_turn(op))
		return;
	settle_record(op, &op->record, op->changes);
	if (op->second)
		settle_record(op, op->second, false);
	quota_end(op);
	/* The step that was running when the deadline passed went on and made the change. */
	if (op->changed && op->failed)
		audit(op, 0, true);
	if (op->changed && op->kind->changed)
		op->kind->changed(op);
	if (op->left)
		sweep(op);
	else
		op_free(op);
}

static void op_gone(void *arg)
{
	struct op *op = arg;

	if (op->job)
		jobs_cancel(op->job);
}

/* --- the start --- */

int op_gate(const struct op *op, struct err *err)
{
	const struct service *service = op->service;
	const struct err *fault = &((const struct service_tenant *)op->peer.tenant)->fault;

	if (fault->code != 0) {
		*err = *fault;
		return err->code;
	}
	switch (service->state) {
	case SERVICE_READY:
		return 0;
	case SERVICE_DECIDING:
		(void)err_set(err, ERR_STARTING, "%s", service->reason);
		err->retry_after = STARTING_RETRY_S;
		return err->code;
	case SERVICE_NONE:
		if (op->kind->needs == OP_NEEDS_STORE)
			return 0;
		break;
	case SERVICE_LOCKED:
		break;
	}
	*err = service->refusal;
	return err->code;
}

static int start(struct op *op, struct err *err)
{
	int r = 0;

	if (op->kind->needs != OP_NEEDS_NOTHING)
		r = op_gate(op, err);
	if (r < 0)
		return r;
	r = op->kind->prepare(op, err);
	if (r < 0)
		return r;
	op->plan.done = op_done;
	op->plan.release = op_release;
	op->plan.arg = op;
	if (op->changes)
		keystore_cache_drop(op->service->cache, &op->record.id);
	http_request_suspend(op->request, op_gone, op);
	if (op->kind->launch)
		return op->kind->launch(op, err);
	return service_submit(op->service, &op->plan, &op->job, err);
}

void op_finish(struct op *op, const struct err *err)
{
	op_done(op, err);
	op_release(op);
}

void op_run(struct service *service, struct http_request *request, const struct op_kind *kind)
{
	struct op *op = op_new(service, request, kind);
	struct err err;

	metrics_count_request(kind->operation);
	if (!op) {
		(void)err_set(&err, ERR_INTERNAL, "memory is short");
		metrics_count_error(err.code);
		http_answer_error(request, &err);
		return;
	}
	if (start(op, &err) < 0) {
		op_fail(op, &err);
		quota_end(op);
		op_free(op);
	}
}

/* --- for prepare --- */

void op_step(struct op *op, enum job_place place, int (*run)(void *arg, struct err *err))
{
	/* jobs_submit() refuses a plan with too many. */
	if (op->plan.count < JOB_STEPS_MAX)
		op->plan.steps[op->plan.count] = (struct job_step){.place = place, .run = run};
	op->plan.count++;
}

enum job_place op_provider_place(const struct op *op)
{
	return op->provider->ops->on_chip ? JOB_WORKER : JOB_POOL;
}

void op_deadline(struct op *op, unsigned seconds)
{
	op->plan.deadline_us = clock_monotonic_us() + (uint64_t)seconds * 1000000u;
}

static int take_name(struct op *op, const char *where, const char *name, struct err *err)
{
	if (!store_name_ok(name))
		return err_set(err, ERR_INVALID,
			       "%s: must be 1 to %u of A-Z a-z 0-9 . _ - and not begin with a dot",
			       where, STORE_NAME_MAX);
	(void)snprintf(op->name, sizeof(op->name), "%s", name);
	return 0;
}

int op_name_of_path(struct op *op, struct err *err)
{
	return take_name(op, "the name in the path", http_request_segment(op->request, 0), err);
}

int op_name_of_body(struct op *op, const struct json_t *body, struct err *err)
{
	const char *name = NULL;
	int r;

	r = json_get_string(body, "name", true, &name, err);
	if (r < 0)
		return r;
	return take_name(op, "/name", name, err);
}

static int read_one(struct op *op, struct op_record *record, struct err *err)
{
	struct blob blob;
	int r;

	r = store_read(op->store, &record->id, &record->bytes, err);
	if (r == 0)
		r = op_parse_record(record->id.kind, buf_slice(&record->bytes), &blob, err);
	/* Only what is sound enters the cache, where nobody looks at it again. */
	if (r < 0)
		buf_reset(&record->bytes);
	return r;
}

static int read_record(void *arg, struct err *err)
{
	struct op *op = arg;

	return read_one(op, &op->record, err);
}

static int read_second(void *arg, struct err *err)
{
	struct op *op = arg;

	return read_one(op, op->second, err);
}

static void set_id(const struct op *op, struct op_record *record, enum store_kind kind,
		   const char *name)
{
	record->id = (struct store_id){.tenant = op->tenant.name, .kind = kind, .name = name};
}

static void look_up(struct op *op, struct op_record *record,
		    int (*read)(void *arg, struct err *err))
{
	struct keystore_cache *cache = op->service->cache;

	record->epoch = keystore_cache_epoch(cache);
	record->cached =
		keystore_cache_get(cache, &record->id, &record->bytes) && buf_ok(&record->bytes);
	if (!record->cached)
		op_step(op, JOB_POOL, read);
}

void op_reads_record(struct op *op, enum store_kind kind)
{
	set_id(op, &op->record, kind, op->name);
	look_up(op, &op->record, read_record);
}

void op_reads_second(struct op *op, struct op_record *record, enum store_kind kind,
		     const char *name)
{
	record->bytes = (struct buf)BUF_INIT(STORE_CONTENT_MAX);
	op->second = record;
	set_id(op, record, kind, name);
	look_up(op, record, read_second);
}

void op_changes_record(struct op *op, enum store_kind kind)
{
	set_id(op, &op->record, kind, op->name);
	op->changes = true;
}

int op_needs_chip(const struct op *op, struct err *err)
{
	if (!op->provider || op->provider->ops->kind == PROVIDER_TPM)
		return 0;
	return err_set(err, ERR_TPM_REQUIRED, "only a TPM can do that, and software is in use");
}

int op_body(struct op *op, const char *const *names, size_t count, struct json_t **ret_body,
	    struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	struct slice text = http_request_body(op->request);
	int r;

	if (text.len == 0)
		return err_set(err, ERR_INVALID, "the body is missing");
	r = json_parse(text, &body, err);
	if (r < 0)
		return r;
	r = json_only(body, names, count, err);
	if (r < 0)
		return r;
	*ret_body = TAKE(body);
	return 0;
}

int op_name_and_body(struct op *op, const char *const *names, size_t count,
		     struct json_t **ret_body, struct err *err)
{
	int r = op_name_of_path(op, err);

	return r < 0 ? r : op_body(op, names, count, ret_body, err);
}

int op_body_data(struct op *op, size_t max, struct secret **ret_data, struct err *err)
{
	static const char *const NAMES[] = {"data"};
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	if (!http_request_is_json(op->request))
		return secret_copy(http_request_body(op->request), ret_data, err);
	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	return json_get_secret(body, "data", true, max, ret_data, err);
}

/* --- for steps --- */

struct provider *op_provider_enter(struct op *op)
{
	struct provider *p = op->provider;

	if (p->ops->on_chip) {
		p->deadline_us = op->plan.deadline_us;
		provider_status(p, &op->provider_status);
	}
	return p;
}

int op_provider_leave(struct op *op, int r)
{
	uint64_t before = op->provider_status.commands;

	if (op->provider->ops->on_chip) {
		provider_status(op->provider, &op->provider_status);
		op->used_chip = true;
		atomic_fetch_add(&op->tpm_commands, op->provider_status.commands - before);
	}
	return r;
}

struct keystore_target op_target(const struct op *op, enum blob_kind kind)
{
	return (struct keystore_target){.tenant = &op->tenant, .kind = kind, .name = op->name};
}

/* The store vouches that we wrote it, not that it still lies where we put it. */
int op_parse_record(enum store_kind kind, struct slice record, struct blob *ret_blob,
		    struct err *err)
{
	static const enum blob_kind KINDS[STORE_KINDS] = {
		[STORE_KEYS] = BLOB_KEY,
		[STORE_SECRETS] = BLOB_SECRET,
		[STORE_AIKS] = BLOB_AIK,
		[STORE_PERSISTENT] = BLOB_PERSISTENT,
	};
	struct blob blob;
	int r;

	r = blob_parse(record, &blob, err);
	if (r == ERR_INVALID)
		return err_set(err, ERR_DAMAGED, "the stored record holds no object of ours");
	if (r < 0)
		return r;
	if (blob.header.kind != KINDS[kind])
		return err_set(err, ERR_DAMAGED,
			       "the stored record holds an object of another kind");
	*ret_blob = blob;
	return 0;
}

/* --- for answer --- */

void op_answer_json(struct op *op, unsigned status, struct json_t *json)
{
	struct err err;

	if (json) {
		http_answer_json(TAKE(op->request), status, json);
		json_free(json);
		return;
	}
	(void)err_set(&err, ERR_INTERNAL, "no memory for the answer");
	http_answer_error(TAKE(op->request), &err);
}

void op_answer_octets(struct op *op, struct slice bytes)
{
	http_request_add_header(op->request, "Holdfast-Protection", op->provider->ops->protection);
	http_answer_bytes(TAKE(op->request), 200, "application/octet-stream", bytes);
}

void op_answer_empty(struct op *op)
{
	http_answer_empty(TAKE(op->request));
}

struct json_t *op_json_base64(struct slice bytes)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(base64_encoded_size(bytes.len));

	base64_encode(&text, bytes);
	if (!buf_ok(&text))
		return NULL;
	return json_stringn_nocheck(text.len > 0 ? (const char *)text.data : "", text.len);
}

struct json_t *op_json_text(const char *text)
{
	json_t *json = text ? json_string(text) : NULL;

	return json ? json : json_null();
}
