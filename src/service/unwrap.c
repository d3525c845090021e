/* SPDX-License-Identifier: Apache-2.0 */
/* What others have encrypted to our storage key, and challenges that were made for it. */
#include <jansson.h>

#include "base/json.h"
#include "service/credential.h"
#include "service/routes.h"

/* --- unwrap --- */

enum { PUBLIC, DUPLICATE, SEED, PARTS };
static const char *const PART_NAMES[PARTS] = {"public", "duplicate", "seed"};

struct unwrap_op {
	struct op op;
	struct buf parts[PARTS];
	struct secret *plain;
};

static int unwrap(void *arg, struct err *err)
{
	struct unwrap_op *unwrap = arg;
	const struct provider_wrapped wrapped = {
		.public_area = buf_slice(&unwrap->parts[PUBLIC]),
		.private_area = buf_slice(&unwrap->parts[DUPLICATE]),
		.seed = buf_slice(&unwrap->parts[SEED]),
	};
	struct provider *p = op_provider_enter(&unwrap->op);

	return op_provider_leave(&unwrap->op, provider_unwrap(p, &wrapped, &unwrap->plain, err));
}

static int read_part(const json_t *body, const char *name, struct buf *ret_part, struct err *err)
{
	int r = json_get_bytes(body, name, true, ret_part, err);

	if (r == ERR_TOO_LARGE || (r == 0 && ret_part->len == 0))
		return err_set(err, ERR_INVALID, "/%s: has 1 to %u bytes", name,
			       PROVIDER_WRAPPED_MAX);
	return r;
}

static int prepare_unwrap(struct op *op, struct err *err)
{
	struct unwrap_op *unwrapped = (struct unwrap_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r = op_body(op, PART_NAMES, PARTS, &body, err);

	for (size_t i = 0; r == 0 && i < PARTS; i++) {
		unwrapped->parts[i] = (struct buf)BUF_INIT(PROVIDER_WRAPPED_MAX);
		r = read_part(body, PART_NAMES[i], &unwrapped->parts[i], err);
	}
	if (r == 0)
		op_step(op, op_provider_place(op), unwrap);
	return r;
}

static void answer_unwrap(struct op *op)
{
	const struct unwrap_op *unwrapped = (const struct unwrap_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:o, s:s}", "data",
				 op_json_base64(secret_slice(unwrapped->plain)), "protection",
				 op->provider->ops->protection));
}

static void fini_unwrap(struct op *op)
{
	struct unwrap_op *unwrapped = (struct unwrap_op *)op;

	for (size_t i = 0; i < PARTS; i++)
		buf_fini(&unwrapped->parts[i]);
	secret_free(unwrapped->plain);
}

static const struct op_kind UNWRAP = {
	.operation = METRICS_UNWRAP,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct unwrap_op),
	.prepare = prepare_unwrap,
	.answer = answer_unwrap,
	.fini = fini_unwrap,
};

void service_unwrap(struct http_request *request, void *app)
{
	op_run(app, request, &UNWRAP);
}

/* --- activate --- */

struct activate_op {
	struct op op;
	struct credential_body body;
	struct secret *secret;
};

static int activate(void *arg, struct err *err)
{
	struct activate_op *activate = arg;
	struct provider *p = op_provider_enter(&activate->op);
	int r = provider_storage_activate(p, &activate->body.credential, &activate->secret, err);

	/* There is nothing else in the request. */
	if (r == ERR_INVALID)
		r = err_wrap(err, "/credential");
	return op_provider_leave(&activate->op, r);
}

static int prepare_activate(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"credential", "ek"};
	struct activate_op *activated = (struct activate_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	credential_body_init(&activated->body);
	r = op_needs_chip(op, err);
	if (r == 0)
		r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r == 0)
		r = credential_body_read(body, &activated->body, err);
	if (r == 0)
		op_step(op, op_provider_place(op), activate);
	return r;
}

static void answer_activate(struct op *op)
{
	credential_answer(op, ((const struct activate_op *)op)->secret);
}

static void fini_activate(struct op *op)
{
	struct activate_op *activated = (struct activate_op *)op;

	credential_body_fini(&activated->body);
	secret_free(activated->secret);
}

static const struct op_kind ACTIVATE = {
	.operation = METRICS_DEVICE_ACTIVATE,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct activate_op),
	.prepare = prepare_activate,
	.answer = answer_activate,
	.fini = fini_activate,
};

void service_storage_activate(struct http_request *request, void *app)
{
	op_run(app, request, &ACTIVATE);
}
