/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FAPI both ways. What the administrator asks of it is done by the helper program, whose commands
 * come back here as raw ones, between those of others. What FAPI has sealed the service opens
 * itself, with one command.
 */
#include "service/fapi.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "service/op.h"
#include "service/routes.h"

#define AFTERWARDS_S 5u /* for what is not the helper's own */
#define DATA_MAX     128u
#define SRK_HANDLE   0x81000001u /* where FAPI's own SRK lies; its records may say 0 */

/* --- a run --- */

int service_fapi_begin(struct service *service, struct service_fapi_run *run, struct err *err)
{
	int r = run->fapi->listen(run->fapi->arg, err);

	if (r < 0)
		return r;
	service->raw.helper_fault = (struct err){.code = 0};
	service->raw.helper_commands = 0;
	run->begun = true;
	return 0;
}

void service_fapi_work(struct service_fapi_run *run)
{
	struct err err;

	run->request.stop_fd = run->fapi->stop_fd;
	if (fapi_run(&run->fapi->place, &run->request, &run->json, &err) < 0)
		run->failed = err;
}

/* Why the helper failed is told best by what made it fail. */
int service_fapi_judge(struct service *service, struct service_fapi_run *run, struct err *err)
{
	const struct err *fault = &service->raw.helper_fault;

	run->commands = service->raw.helper_commands;
	if (run->failed.code == 0)
		return 0;
	if (fault->code != 0) {
		run->failed = *fault;
		(void)err_wrap(&run->failed, "while holdfast-fapi ran");
	}
	*err = run->failed;
	return err->code;
}

void service_fapi_end(struct service *service, struct service_fapi_run *run)
{
	if (run->begun)
		run->fapi->unlisten(run->fapi->arg);
	run->begun = false;
	raw_forget(service, &service->helper);
	buf_fini(&run->json);
}

/* --- what the administrator asks --- */

/* A kind of operation with the verb behind it. */
struct fapi_kind {
	struct op_kind kind; /* first */
	enum fapi_verb verb;
	unsigned seconds;
	unsigned status; /* of the answer; 204 has no body */
};

struct fapi_op {
	struct op op;
	struct fapi_op *next; /* of those that want the helper; the first one has it */
	bool queued;
	char path[FAPI_PATH_MAX];
	struct secret *data;
	struct service_fapi_run run;
	bool asked;  /* a step of it has ended, well or not */
	void *share; /* of service_fapi; NULL = none */
};

static const struct fapi_kind *kind_of(const struct fapi_op *fapi)
{
	return (const struct fapi_kind *)fapi->op.kind;
}

/* How a step of a run ended. */
static int note(struct fapi_op *fapi, int r, const struct err *err)
{
	fapi->asked = true;
	if (r < 0)
		fapi->run.failed = *err;
	return r;
}

static int make_folder(void *arg, struct err *err)
{
	struct fapi_op *fapi = arg;
	const struct service_fapi *setup = fapi->run.fapi;

	return note(fapi, fapi_folder_make(&setup->place, &setup->wish, err), err);
}

static int begin(void *arg, struct err *err)
{
	struct fapi_op *fapi = arg;

	return note(fapi, service_fapi_begin(fapi->op.service, &fapi->run, err), err);
}

static int work(void *arg, struct err *err)
{
	struct fapi_op *fapi = arg;

	(void)err;
	service_fapi_work(&fapi->run);
	return 0;
}

static int judge(void *arg, struct err *err)
{
	struct fapi_op *fapi = arg;
	int r = service_fapi_judge(fapi->op.service, &fapi->run, err);

	atomic_store(&fapi->op.tpm_commands, fapi->run.commands);
	if (r == 0 && kind_of(fapi)->verb == FAPI_PROVISION)
		fapi->share = fapi->run.fapi->share_begin(fapi->run.fapi->arg);
	return r;
}

static int share(void *arg, struct err *err)
{
	struct fapi_op *fapi = arg;

	(void)err;
	if (fapi->share)
		fapi->run.fapi->share_work(fapi->share);
	return 0;
}

static void enter_queue(struct fapi_op *fapi)
{
	struct fapi_op **at = &fapi->op.service->fapi_ops;

	fapi->op.plan.held = *at != NULL;
	while (*at)
		at = &(*at)->next;
	*at = fapi;
	fapi->queued = true;
}

/* The next one begins, unless it has ended already: then it is on its way here. */
static void leave_queue(struct fapi_op *fapi)
{
	struct fapi_op **first = &fapi->op.service->fapi_ops, **at = first;
	bool was_first = *first == fapi;

	while (*at != fapi)
		at = &(*at)->next;
	*at = fapi->next;
	fapi->queued = false;
	if (was_first && *first && (*first)->op.job)
		jobs_resume((*first)->op.job);
}

static int needs_chip(const struct op *op, struct err *err)
{
	if (!op->provider->ops->on_chip)
		return err_set(err, ERR_TPM_REQUIRED, "FAPI works with a TPM only");
	if (!op->service->fapi.place.program)
		return err_set(err, ERR_NOT_SUPPORTED, "this service has no FAPI");
	return 0;
}

/* For the audit too, which shortens what is longer than a name. */
static int take_path(struct op *op, const char *path, char ret_path[static FAPI_PATH_MAX],
		     struct err *err)
{
	if (!path || strlen(path) >= FAPI_PATH_MAX || !fapi_path_ok(path))
		return err_set(err, ERR_INVALID,
			       "path: must be /HS/SRK/NAME, of A-Z a-z 0-9 . _ -");
	memcpy(ret_path, path, strlen(path) + 1);
	(void)snprintf(op->name, sizeof(op->name), "%.*s", (int)STORE_NAME_MAX, path);
	return 0;
}

/* The job ends a little later than the helper, so that its own error is the one that is told. */
static int prepare_run(struct op *op, struct err *err)
{
	struct fapi_op *fapi = (struct fapi_op *)op;
	unsigned seconds = kind_of(fapi)->seconds;
	int r = needs_chip(op, err);

	if (r < 0)
		return r;
	op_deadline(op, seconds);
	fapi->run = (struct service_fapi_run){
		.fapi = &op->service->fapi,
		.request = {.verb = kind_of(fapi)->verb,
			    .path = fapi->path,
			    .data = fapi->data ? secret_slice(fapi->data) : slice_of(NULL, 0),
			    .deadline_us = op->plan.deadline_us},
		.json = BUF_INIT(FAPI_ANSWER_MAX),
	};
	op_deadline(op, seconds + AFTERWARDS_S);
	op_step(op, JOB_POOL, make_folder);
	op_step(op, JOB_LOOP, begin);
	op_step(op, JOB_LONG, work);
	op_step(op, JOB_LOOP, judge);
	if (kind_of(fapi)->verb == FAPI_PROVISION)
		op_step(op, JOB_POOL, share);
	enter_queue(fapi);
	return 0;
}

static int prepare_empty(struct op *op, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r = op_body(op, NULL, 0, &body, err);

	return r < 0 ? r : prepare_run(op, err);
}

static int prepare_seal(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"path", "data"};
	struct fapi_op *fapi = (struct fapi_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	const char *path = NULL;
	int r;

	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r == 0)
		r = json_get_string(body, "path", true, &path, err);
	if (r == 0)
		r = take_path(op, path, fapi->path, err);
	if (r == 0)
		r = json_get_secret(body, "data", true, DATA_MAX, &fapi->data, err);
	if (r == 0 && secret_size(fapi->data) == 0)
		r = err_set(err, ERR_INVALID, "/data: must have 1 to %u bytes", DATA_MAX);
	return r < 0 ? r : prepare_run(op, err);
}

static int prepare_delete(struct op *op, struct err *err)
{
	int r = take_path(op, http_request_query(op->request, "path"), ((struct fapi_op *)op)->path,
			  err);

	return r < 0 ? r : prepare_run(op, err);
}

/* As the helper said it, but for the word that it succeeded. */
static void answer_run(struct op *op)
{
	struct fapi_op *fapi = (struct fapi_op *)op;
	struct json_t *json = NULL;
	struct err err;

	if (kind_of(fapi)->status == 204) {
		op_answer_empty(op);
		return;
	}
	/* It was read by fapi_run() already, so only memory can be short. */
	if (json_parse(buf_slice(&fapi->run.json), &json, &err) < 0)
		json = NULL;
	else
		(void)json_object_del(json, "ok");
	op_answer_json(op, kind_of(fapi)->status, json);
}

static void fini_run(struct op *op)
{
	struct fapi_op *fapi = (struct fapi_op *)op;
	const struct err *failed = &fapi->run.failed;

	/* Status shows what the last probe found, whether somebody waited for it or not. */
	if (kind_of(fapi)->verb == FAPI_PROBE && fapi->asked)
		service_set_probe(op->service,
				  failed->code == 0 ? SERVICE_PROBE_SUCCEEDED
						    : SERVICE_PROBE_FAILED,
				  failed->code == 0 ? NULL : failed->text);
	if (fapi->share)
		fapi->run.fapi->share_end(fapi->share);
	if (fapi->queued) {
		service_fapi_end(op->service, &fapi->run);
		leave_queue(fapi);
	}
	secret_free(fapi->data);
}

#define RUN_KIND(metric, reads)                                                                    \
	{                                                                                          \
		.operation = (metric), .needs = OP_NEEDS_PROVIDER, .size = sizeof(struct fapi_op), \
		.prepare = (reads), .answer = answer_run, .fini = fini_run                         \
	}

static const struct fapi_kind PROBE = {RUN_KIND(METRICS_FAPI_PROBE, prepare_empty), FAPI_PROBE, 10,
				       200};
static const struct fapi_kind PROVISION = {RUN_KIND(METRICS_FAPI_PROVISION, prepare_empty),
					   FAPI_PROVISION, 60, 200};
static const struct fapi_kind SEAL = {RUN_KIND(METRICS_FAPI_SEAL, prepare_seal), FAPI_SEAL, 20,
				      201};
static const struct fapi_kind LIST = {RUN_KIND(METRICS_FAPI_LIST, prepare_run), FAPI_LIST, 10, 200};
static const struct fapi_kind DELETE = {RUN_KIND(METRICS_FAPI_DELETE, prepare_delete), FAPI_DELETE,
					10, 204};

void service_fapi_probe(struct http_request *request, void *app)
{
	op_run(app, request, &PROBE.kind);
}

void service_fapi_provision(struct http_request *request, void *app)
{
	op_run(app, request, &PROVISION.kind);
}

void service_fapi_seal(struct http_request *request, void *app)
{
	op_run(app, request, &SEAL.kind);
}

void service_fapi_list(struct http_request *request, void *app)
{
	op_run(app, request, &LIST.kind);
}

void service_fapi_delete(struct http_request *request, void *app)
{
	op_run(app, request, &DELETE.kind);
}

/* --- what FAPI has sealed --- */

struct object_op {
	struct op op;
	const struct service_fapi *fapi;
	bool octets;
	char path[FAPI_PATH_MAX];
	struct fapi_object object;
	struct secret *plain;
};

#define REMEDY_TOOLS                                                                               \
	"Open it with FAPI itself (tss2_unseal), which asks for passwords and satisfies policies."

static int check_object(const struct fapi_object *object, struct err *err)
{
	if (!object->sealed)
		return err_set(err, ERR_NOT_SUPPORTED, "the FAPI object is a key, not sealed data");
	if (!object->with_auth && !object->with_policy)
		return 0;
	(void)err_set(err, ERR_NOT_SUPPORTED, "the FAPI object is sealed with a %s",
		      object->with_policy ? "policy" : "password");
	return err_add_remedy(err, REMEDY_TOOLS);
}

static int read_object(void *arg, struct err *err)
{
	struct object_op *object = arg;
	int r = fapi_object_read(&object->fapi->place, object->path, &object->object, err);

	return r < 0 ? r : check_object(&object->object, err);
}

static int unseal_object(void *arg, struct err *err)
{
	struct object_op *object = arg;
	const struct fapi_object *parts = &object->object;
	const struct provider_loadable loadable = {
		.parent_handle = parts->parent_handle ? parts->parent_handle : SRK_HANDLE,
		.parent_name = slice_of(parts->parent_name, parts->parent_name_len),
		.public_part = slice_of(parts->public_part, parts->public_len),
		.private_part = slice_of(parts->private_part, parts->private_len),
	};
	struct provider *p = op_provider_enter(&object->op);

	return op_provider_leave(&object->op,
				 provider_unseal_loadable(p, &loadable, &object->plain, err));
}

static int prepare_object(struct op *op, struct err *err)
{
	struct object_op *object = (struct object_op *)op;
	int r = take_path(op, http_request_query(op->request, "path"), object->path, err);

	if (r == 0)
		r = needs_chip(op, err);
	if (r < 0)
		return r;
	object->fapi = &op->service->fapi;
	object->octets = http_request_wants_octets(op->request);
	op_step(op, JOB_POOL, read_object);
	op_step(op, JOB_WORKER, unseal_object);
	return 0;
}

static void answer_object(struct op *op)
{
	struct object_op *object = (struct object_op *)op;
	struct slice plain = secret_slice(object->plain);

	if (object->octets)
		op_answer_octets(op, plain);
	else
		op_answer_json(op, 200,
			       json_pack("{s:o, s:s}", "data", op_json_base64(plain), "protection",
					 op->provider->ops->protection));
}

static void fini_object(struct op *op)
{
	secret_free(((struct object_op *)op)->plain);
}

static const struct op_kind OBJECT = {
	.operation = METRICS_FAPI_OBJECT,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct object_op),
	.prepare = prepare_object,
	.answer = answer_object,
	.fini = fini_object,
};

void service_fapi_object(struct http_request *request, void *app)
{
	op_run(app, request, &OBJECT);
}
