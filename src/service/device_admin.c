/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the administrator asks of the device's identity. It is begun here and done where the
 * identity is kept; the answer is the device as it is then.
 */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "crypto/x509.h"
#include "service/device.h"
#include "service/op.h"
#include "service/request_names.h"
#include "service/routes.h"

struct order_op {
	struct op op;
	struct json_t *body; /* the order borrows from it */
	struct identity_order order;
	struct request_names names;
	struct buf pem;
};

/* --- what is asked --- */

static int read_body(struct order_op *order, const char *const *names, size_t count,
		     struct err *err)
{
	return op_body(&order->op, names, count, &order->body, err);
}

static int prepare_init(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"software"};
	struct order_op *order = (struct order_op *)op;
	int r = read_body(order, NAMES, ARRAY_LEN(NAMES), err);

	order->order.wish = IDENTITY_INIT;
	return r < 0 ? r
		     : json_get_bool(order->body, "software", false, &order->order.software, err);
}

static int prepare_approve(struct op *op, struct err *err)
{
	struct order_op *order = (struct order_op *)op;

	order->order.wish = IDENTITY_APPROVE;
	return read_body(order, NULL, 0, err);
}

static int prepare_renew(struct op *op, struct err *err)
{
	struct order_op *order = (struct order_op *)op;

	order->order.wish = IDENTITY_RENEW;
	return read_body(order, NULL, 0, err);
}

static int prepare_certificate(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"pem"};
	struct order_op *order = (struct order_op *)op;
	const char *pem = "";
	int r = read_body(order, NAMES, ARRAY_LEN(NAMES), err);

	if (r == 0)
		r = json_get_string(order->body, "pem", true, &pem, err);
	if (r < 0)
		return r;
	order->order.wish = IDENTITY_INSTALL;
	order->order.pem = slice_str(pem);
	if (order->order.pem.len == 0)
		return err_set(err, ERR_INVALID, "/pem: is empty");
	if (order->order.pem.len > X509_CHAIN_PEM_MAX)
		return err_set(err, ERR_TOO_LARGE, "/pem: over %u bytes", X509_CHAIN_PEM_MAX);
	return 0;
}

static int prepare_request(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"subject", "dns", "ip", "email", "uri"};
	struct order_op *order = (struct order_op *)op;
	int r = read_body(order, NAMES, ARRAY_LEN(NAMES), err);

	if (r == 0)
		r = request_names_read(order->body, false, &order->names, err);
	order->order.wish = IDENTITY_REQUEST;
	order->order.subject = order->names.subject;
	order->order.names = order->names.names;
	order->order.name_count = order->names.count;
	return r;
}

static int prepare_migrate(struct op *op, struct err *err)
{
	static const struct {
		const char *word;
		enum identity_wish wish;
	} STEPS[] = {
		{"begin", IDENTITY_MIGRATE},
		{"confirm", IDENTITY_CONFIRM},
		{"rollback", IDENTITY_ROLLBACK},
	};
	static const char *const NAMES[] = {"step"};
	struct order_op *order = (struct order_op *)op;
	const char *word = "";
	size_t i;
	int r = read_body(order, NAMES, ARRAY_LEN(NAMES), err);

	if (r == 0)
		r = json_get_string(order->body, "step", true, &word, err);
	for (i = 0; r == 0 && i < ARRAY_LEN(STEPS); i++)
		if (strcmp(word, STEPS[i].word) == 0) {
			order->order.wish = STEPS[i].wish;
			return 0;
		}
	return r < 0 ? r
		     : err_set(err, ERR_INVALID,
			       "/step: must be \"begin\", \"confirm\" or \"rollback\"");
}

/* --- doing it --- */

/* Whoever made the request knew no body: here is said which member it was. */
static void point_at(const struct order_op *order, struct err *err)
{
	const struct identity_view *view = order->op.service->identity;

	if (err->code == ERR_INVALID && view && view->spki.len > 0 &&
	    (order->names.count > 0 || order->names.subject.len > 0))
		(void)request_names_point_at(&order->names, buf_slice(&view->spki), err);
}

static void ordered(void *arg, struct slice pem, const struct err *err)
{
	struct order_op *order = arg;
	struct err why;

	buf_put(&order->pem, pem);
	if (!err) {
		op_finish(&order->op, NULL);
		return;
	}
	why = *err;
	if (order->order.wish == IDENTITY_REQUEST)
		point_at(order, &why);
	op_finish(&order->op, &why);
}

static int launch(struct op *op, struct err *err)
{
	const struct service_admin *admin = &op->service->admin;
	struct order_op *order = (struct order_op *)op;

	order->pem = (struct buf)BUF_INIT(REQUEST_PEM_MAX);
	if (!admin->device)
		return err_set(err, ERR_NOT_SUPPORTED, "this service keeps no identity");
	return admin->device(admin->arg, &order->order, ordered, op, err);
}

static void answer_device(struct op *op)
{
	struct err err;

	if (device_known(op->service, &err) < 0)
		http_answer_error(TAKE(op->request), &err);
	else
		op_answer_json(op, 200, device_json(op->service));
}

static void answer_request(struct op *op)
{
	const struct order_op *order = (const struct order_op *)op;
	const struct identity_view *view = op->service->identity;

	if (!buf_ok(&order->pem) || order->pem.len == 0)
		op_answer_json(op, 200, NULL);
	else
		op_answer_json(op, 200,
			       json_pack("{s:s%, s:s}", "pem", (const char *)order->pem.data,
					 order->pem.len, "protection",
					 view ? device_protection(view) : "none"));
}

static void fini(struct op *op)
{
	struct order_op *order = (struct order_op *)op;

	json_free(order->body);
	buf_fini(&order->pem);
}

#define ORDER(counts, begins, tells)                                                               \
	{                                                                                          \
		.operation = (counts), .needs = OP_NEEDS_NOTHING, .size = sizeof(struct order_op), \
		.prepare = (begins), .launch = launch, .answer = (tells), .fini = fini,            \
	}

static const struct op_kind INIT = ORDER(METRICS_DEVICE_INIT, prepare_init, answer_device);
static const struct op_kind APPROVE = ORDER(METRICS_DEVICE_APPROVE, prepare_approve, answer_device);
static const struct op_kind RENEW = ORDER(METRICS_DEVICE_RENEW, prepare_renew, answer_device);
static const struct op_kind CERTIFICATE =
	ORDER(METRICS_DEVICE_CERTIFICATE, prepare_certificate, answer_device);
static const struct op_kind REQUEST =
	ORDER(METRICS_DEVICE_REQUEST, prepare_request, answer_request);
static const struct op_kind MIGRATE = ORDER(METRICS_DEVICE_MIGRATE, prepare_migrate, answer_device);

void service_device_init(struct http_request *request, void *app)
{
	op_run(app, request, &INIT);
}

void service_device_approve(struct http_request *request, void *app)
{
	op_run(app, request, &APPROVE);
}

void service_device_renew(struct http_request *request, void *app)
{
	op_run(app, request, &RENEW);
}

void service_device_certificate(struct http_request *request, void *app)
{
	op_run(app, request, &CERTIFICATE);
}

void service_device_request(struct http_request *request, void *app)
{
	op_run(app, request, &REQUEST);
}

void service_device_migrate(struct http_request *request, void *app)
{
	op_run(app, request, &MIGRATE);
}

/* --- factory reset --- */

struct reset_op {
	struct op op;
	struct service_reset reset;
};

static int prepare_reset(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"clear_tpm", "accept_foreign", "without_tpm"};
	struct reset_op *reset = (struct reset_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = json_get_bool(body, "clear_tpm", false, &reset->reset.clear_tpm, err);
	if (r < 0)
		return r;
	r = json_get_bool(body, "accept_foreign", false, &reset->reset.accept_foreign, err);
	if (r == 0)
		r = json_get_bool(body, "without_tpm", false, &reset->reset.without_tpm, err);
	if (r == 0 && reset->reset.clear_tpm && reset->reset.without_tpm)
		r = err_set(err, ERR_INVALID, "/without_tpm: does not go with /clear_tpm");
	return r;
}

static void begun(void *arg, const struct err *err)
{
	op_finish(arg, err);
}

static int launch_reset(struct op *op, struct err *err)
{
	const struct service_admin *admin = &op->service->admin;

	if (!admin->reset)
		return err_set(err, ERR_NOT_SUPPORTED, "this service cannot be reset");
	return admin->reset(admin->arg, &((struct reset_op *)op)->reset, begun, op, err);
}

static void answer_reset(struct op *op)
{
	op_answer_json(op, 202, json_pack("{s:s}", "mode", identity_mode_name(IDENTITY_RESETTING)));
}

static const struct op_kind RESET = {
	.operation = METRICS_DEVICE_RESET,
	.needs = OP_NEEDS_NOTHING,
	.size = sizeof(struct reset_op),
	.prepare = prepare_reset,
	.launch = launch_reset,
	.answer = answer_reset,
};

void service_device_reset(struct http_request *request, void *app)
{
	op_run(app, request, &RESET);
}
