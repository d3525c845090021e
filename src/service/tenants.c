/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The administrator's routes for tenants, for the configuration and for the audit. What a tenant is
 * and who serves it is decided where the parts are put together; here are requests and answers.
 */
#include "service/tenants.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "service/op.h"
#include "service/records.h"
#include "service/routes.h"
#include "tenant/audit.h"

#define NAMES_MAX     (4u * 1024u * 1024u) /* of the folder: others may have made some there */
#define LIST_MAX      1000u
#define RECALL_SHOWN  100u
#define LOCATION_SIZE 160u
#define REMEDY_NONE   "Ask the service that owns the state folder."

static int take_tenant(struct op *op, const char *where, const char *name, struct err *err)
{
	if (!store_tenant_ok(name))
		return err_set(err, ERR_INVALID, "%s: must be 1 to %u of a-z 0-9 -", where,
			       STORE_TENANT_MAX);
	(void)snprintf(op->name, sizeof(op->name), "%s", name);
	return 0;
}

static int tenant_of_path(struct op *op, struct err *err)
{
	return take_tenant(op, "the name in the path", http_request_segment(op->request, 0), err);
}

/* Where nobody makes tenants there is only what the state folder tells. */
static int needs_tenants(const struct op *op, struct err *err)
{
	if (op->service->admin.tenants.add)
		return 0;
	(void)err_set(err, ERR_NOT_SUPPORTED, "this service has no tenants");
	return err_add_remedy(err, REMEDY_NONE);
}

static const struct service_tenants *tenants_of(const struct op *op)
{
	return &op->service->admin.tenants;
}

/* --- list --- */

struct list_op {
	struct op op;
	char after[STORE_TENANT_MAX + 1];
	size_t limit;
	struct buf served; /* names, each ended by a NUL */
	struct buf stored;
};

static int list_stored(void *arg, struct err *err)
{
	struct list_op *list = arg;

	return store_tenants(list->op.store, &list->stored, err);
}

static int prepare_list(struct op *op, struct err *err)
{
	struct list_op *list = (struct list_op *)op;
	const char *after = http_request_query(op->request, "after");
	const char *limit = http_request_query(op->request, "limit");
	int r = needs_tenants(op, err);

	if (r < 0)
		return r;
	list->limit = LIST_MAX;
	list->served = (struct buf)BUF_INIT(NAMES_MAX);
	list->stored = (struct buf)BUF_INIT(NAMES_MAX);
	op_step(op, JOB_POOL, list_stored);
	if (after && after[0] != '\0') {
		if (!store_tenant_ok(after))
			return err_set(err, ERR_INVALID, "after: must be the name of a tenant");
		(void)snprintf(list->after, sizeof(list->after), "%s", after);
	}
	return limit ? records_limit(limit, LIST_MAX, &list->limit, err) : 0;
}

/* What is left of a list of names in order. */
struct place {
	const char *at;
	const char *end;
};

static struct place begin_after(const struct buf *names, const char *after)
{
	struct place place = {.at = (const char *)names->data};

	place.end = place.at ? place.at + names->len : NULL;
	while (place.at < place.end && strcmp(place.at, after) <= 0)
		place.at += strlen(place.at) + 1;
	return place;
}

/* The next of two lists, once where both have it; NULL at the end of both. */
static const char *next_of(struct place places[2])
{
	const char *best = NULL;
	size_t i;

	for (i = 0; i < 2; i++)
		if (places[i].at < places[i].end && (!best || strcmp(places[i].at, best) < 0))
			best = places[i].at;
	for (i = 0; best && i < 2; i++)
		if (places[i].at < places[i].end && strcmp(places[i].at, best) == 0)
			places[i].at += strlen(places[i].at) + 1;
	return best;
}

/* False when memory was short. */
static bool add_described(json_t *items, const struct service_tenants *tenants, const char *name)
{
	return items &&
	       json_array_append_new(items, tenants->describe(tenants->arg, name, false)) == 0;
}

static void answer_list(struct op *op)
{
	struct list_op *list = (struct list_op *)op;
	const struct service_tenants *tenants = tenants_of(op);
	const char *last = NULL, *name;
	struct place places[2];
	json_t *items = json_array();
	size_t count = 0;

	tenants->names(tenants->arg, &list->served);
	places[0] = begin_after(&list->served, list->after);
	places[1] = begin_after(&list->stored, list->after);
	while (count++ < list->limit && (name = next_of(places))) {
		/* A failed append makes the array NULL, which the packing below refuses. */
		if (!add_described(items, tenants, name)) {
			json_free(items);
			items = NULL;
		}
		last = name;
	}
	op_answer_json(op, 200,
		       json_pack("{s:o, s:o}", "tenants", items, "next",
				 op_json_text(next_of(places) ? last : NULL)));
}

static void fini_list(struct op *op)
{
	struct list_op *list = (struct list_op *)op;

	buf_fini(&list->served);
	buf_fini(&list->stored);
}

static const struct op_kind LIST = {
	.operation = METRICS_TENANT_LIST,
	.needs = OP_NEEDS_NOTHING,
	.size = sizeof(struct list_op),
	.prepare = prepare_list,
	.answer = answer_list,
	.fini = fini_list,
};

void service_tenant_list(struct http_request *request, void *app)
{
	op_run(app, request, &LIST);
}

/* --- show --- */

struct show_op {
	struct op op;
	bool served;
	uint64_t keys;
	uint64_t stored;
};

static bool has_name(const struct buf *names, const char *name)
{
	struct place place = begin_after(names, "");

	while (place.at < place.end && strcmp(place.at, name) != 0)
		place.at += strlen(place.at) + 1;
	return place.at < place.end;
}

static int count_stored(void *arg, struct err *err)
{
	struct show_op *show = arg;
	CLEANUP(buf_fini) struct buf names = BUF_INIT(NAMES_MAX);
	int r = 0;

	if (!show->served)
		r = store_tenants(show->op.store, &names, err);
	if (r == 0 && !show->served && !has_name(&names, show->op.name))
		r = err_set(err, ERR_NOT_FOUND, "there is no tenant named %s", show->op.name);
	return r < 0 ? r
		     : keystore_usage(show->op.store, show->op.name, &show->keys, &show->stored,
				      err);
}

static int prepare_show(struct op *op, struct err *err)
{
	struct show_op *show = (struct show_op *)op;
	int r = needs_tenants(op, err);

	if (r == 0)
		r = tenant_of_path(op, err);
	if (r < 0)
		return r;
	show->served = tenants_of(op)->is_served(tenants_of(op)->arg, op->name);
	op_step(op, JOB_POOL, count_stored);
	return 0;
}

static bool set_used(json_t *object, const char *member, uint64_t used)
{
	return json_object_set_new(json_object_get(object, member), "used",
				   json_integer((json_int_t)used)) == 0;
}

/* NULL when memory was short. */
static json_t *whole_description(const struct op *op, uint64_t keys, uint64_t stored)
{
	const struct service_tenants *tenants = tenants_of(op);
	json_t *object = tenants->describe(tenants->arg, op->name, true);

	if (object && set_used(object, "keys", keys) && set_used(object, "stored", stored))
		return object;
	json_free(object);
	return NULL;
}

static void answer_show(struct op *op)
{
	const struct show_op *show = (const struct show_op *)op;

	op_answer_json(op, 200, whole_description(op, show->keys, show->stored));
}

static const struct op_kind SHOW = {
	.operation = METRICS_TENANT_SHOW,
	.needs = OP_NEEDS_NOTHING,
	.size = sizeof(struct show_op),
	.prepare = prepare_show,
	.answer = answer_show,
};

void service_tenant_show(struct http_request *request, void *app)
{
	op_run(app, request, &SHOW);
}

/* --- add --- */

struct add_op {
	struct op op;
	struct json_t *body;
};

static int prepare_add(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {
		"name", "operations", "broker", "allow",       "deny",	   "keys",   "stored",
		"rate", "peers",      "cgroup", "connections", "sessions", "objects"};
	struct add_op *add = (struct add_op *)op;
	const char *name = NULL;
	int r = needs_tenants(op, err);

	if (r == 0)
		r = op_body(op, NAMES, ARRAY_LEN(NAMES), &add->body, err);
	if (r == 0)
		r = json_get_string(add->body, "name", true, &name, err);
	return r < 0 ? r : take_tenant(op, "/name", name, err);
}

static void end_change(void *arg, const struct err *err)
{
	op_finish(arg, err);
}

static int launch_add(struct op *op, struct err *err)
{
	const struct service_tenants *tenants = tenants_of(op);

	return tenants->add(tenants->arg, op->name, ((struct add_op *)op)->body, end_change, op,
			    err);
}

/* A new tenant has nothing yet. */
static void answer_add(struct op *op)
{
	char location[LOCATION_SIZE];

	(void)snprintf(location, sizeof(location), "/v1/admin/tenants/%s", op->name);
	http_request_add_header(op->request, "Location", location);
	op_answer_json(op, 201, whole_description(op, 0, 0));
}

static void fini_add(struct op *op)
{
	json_free(((struct add_op *)op)->body);
}

static const struct op_kind ADD = {
	.operation = METRICS_TENANT_ADD,
	.needs = OP_NEEDS_NOTHING,
	.size = sizeof(struct add_op),
	.prepare = prepare_add,
	.launch = launch_add,
	.answer = answer_add,
	.fini = fini_add,
};

void service_tenant_add(struct http_request *request, void *app)
{
	op_run(app, request, &ADD);
}

/* --- remove --- */

static int prepare_remove(struct op *op, struct err *err)
{
	int r = needs_tenants(op, err);

	return r < 0 ? r : tenant_of_path(op, err);
}

static int launch_remove(struct op *op, struct err *err)
{
	const struct service_tenants *tenants = tenants_of(op);

	return tenants->remove(tenants->arg, op->name, end_change, op, err);
}

static const struct op_kind REMOVE = {
	.operation = METRICS_TENANT_REMOVE,
	.needs = OP_NEEDS_NOTHING,
	.size = sizeof(struct op),
	.prepare = prepare_remove,
	.launch = launch_remove,
	.answer = op_answer_empty,
};

void service_tenant_remove(struct http_request *request, void *app)
{
	op_run(app, request, &REMOVE);
}

/* --- reload --- */

struct reload_op {
	struct op op;
	struct service_reloaded reloaded;
};

static int prepare_reload(struct op *op, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r = needs_tenants(op, err);

	return r < 0 ? r : op_body(op, NULL, 0, &body, err);
}

static void end_reload(void *arg, const struct service_reloaded *reloaded, const struct err *err)
{
	struct reload_op *reload = arg;

	if (reloaded)
		reload->reloaded = *reloaded;
	op_finish(&reload->op, err);
}

static int launch_reload(struct op *op, struct err *err)
{
	const struct service_tenants *tenants = tenants_of(op);

	return tenants->reload(tenants->arg, end_reload, op, err);
}

static void answer_reload(struct op *op)
{
	const struct service_reloaded *reloaded = &((struct reload_op *)op)->reloaded;

	op_answer_json(op, 200,
		       json_pack("{s:I, s:I, s:I}", "added", (json_int_t)reloaded->added, "removed",
				 (json_int_t)reloaded->removed, "changed",
				 (json_int_t)reloaded->changed));
}

static const struct op_kind RELOAD = {
	.operation = METRICS_RELOAD,
	.needs = OP_NEEDS_NOTHING,
	.size = sizeof(struct reload_op),
	.prepare = prepare_reload,
	.launch = launch_reload,
	.answer = answer_reload,
};

void service_reload(struct http_request *request, void *app)
{
	op_run(app, request, &RELOAD);
}

/* --- audit --- */

static int recall(struct http_request *request, struct buf *ret_json, struct err *err)
{
	const char *tenant = http_request_query(request, "tenant");
	const char *text = http_request_query(request, "limit");
	size_t limit = RECALL_SHOWN;
	int r;

	if (tenant && !store_tenant_ok(tenant))
		return err_set(err, ERR_INVALID, "tenant: must be the name of a tenant");
	r = text ? records_limit(text, AUDIT_KEPT_MAX, &limit, err) : 0;
	if (r < 0)
		return r;
	buf_put_str(ret_json, "{\"events\":[");
	audit_recall(tenant, limit, ret_json);
	buf_put_str(ret_json, "]}");
	return buf_ok(ret_json) ? 0 : err_set(err, ERR_INTERNAL, "no memory for the answer");
}

/* Answered at once and not recorded itself, or looking would be what is seen. */
void service_audit(struct http_request *request, void *app)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT((AUDIT_LINE_MAX + 1) * AUDIT_KEPT_MAX + 64);
	struct err err;

	(void)app;
	metrics_count_request(METRICS_AUDIT);
	if (recall(request, &json, &err) == 0) {
		http_answer_bytes(request, 200, "application/json", buf_slice(&json));
		return;
	}
	metrics_count_error(err.code);
	http_answer_error(request, &err);
}
