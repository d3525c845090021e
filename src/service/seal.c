/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stateless sealing: data in, blob out, and back. What the provider seals itself is finished in
 * the same step; an envelope's stream is left to the pool, so that the chip's worker goes on. What
 * is too large to be held is flow.c's.
 */
#include <jansson.h>

#include "base/json.h"
#include "provider/envelope.h"
#include "service/flow.h"
#include "service/op.h"
#include "service/routes.h"

/* --- seal --- */

struct seal_op {
	struct op op;
	bool json;
	struct secret *plain;
	struct keystore_sealing sealing;
	struct buf blob;
};

static int finish_sealing(void *arg, struct err *err)
{
	struct seal_op *seal = arg;

	return keystore_seal_finish(&seal->sealing, seal->plain, &seal->blob, err);
}

static int seal_object(void *arg, struct err *err)
{
	struct seal_op *seal = arg;
	const struct keystore_target target = op_target(&seal->op, BLOB_SEALED);
	struct provider *p = op_provider_enter(&seal->op);
	int r = keystore_seal_object(p, &target, seal->plain, &seal->sealing, err);

	return op_provider_leave(&seal->op, r);
}

static int seal_small(void *arg, struct err *err)
{
	int r;

	r = seal_object(arg, err);
	if (r < 0)
		return r;
	return finish_sealing(arg, err);
}

static int prepare_seal(struct op *op, struct err *err)
{
	struct seal_op *seal = (struct seal_op *)op;
	int r;

	seal->json = http_request_is_json(op->request);
	seal->blob = (struct buf)BUF_INIT(KEYSTORE_BLOB_MAX);
	r = op_body_data(op, KEYSTORE_PLAIN_MAX, &seal->plain, err);
	if (r < 0)
		return r;
	if (envelope_needed(secret_size(seal->plain))) {
		op_step(op, op_provider_place(op), seal_object);
		op_step(op, JOB_POOL, finish_sealing);
	} else {
		op_step(op, op_provider_place(op), seal_small);
	}
	return 0;
}

static void answer_seal(struct op *op)
{
	struct seal_op *seal = (struct seal_op *)op;

	if (seal->json)
		op_answer_json(op, 200,
			       json_pack("{s:o, s:s}", "blob",
					 op_json_base64(buf_slice(&seal->blob)), "protection",
					 op->provider->ops->protection));
	else
		op_answer_octets(op, buf_slice(&seal->blob));
}

static void fini_seal(struct op *op)
{
	struct seal_op *seal = (struct seal_op *)op;

	secret_free(seal->plain);
	keystore_sealing_fini(&seal->sealing);
	buf_fini(&seal->blob);
}

static const struct op_kind SEAL = {
	.operation = METRICS_SEAL,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct seal_op),
	.prepare = prepare_seal,
	.answer = answer_seal,
	.fini = fini_seal,
};

void service_seal(struct http_request *request, void *app)
{
	if (http_request_is_stream(request))
		flow_seal(app, request);
	else
		op_run(app, request, &SEAL);
}

/* --- unseal --- */

struct unseal_op {
	struct op op;
	bool json;
	struct buf blob;
	struct secret *plain; /* or the stream's key, until the second step */
	bool is_key;
};

static int open_object(void *arg, struct err *err)
{
	struct unseal_op *unseal = arg;
	const struct keystore_target target = op_target(&unseal->op, BLOB_SEALED);
	struct provider *p = op_provider_enter(&unseal->op);
	int r = keystore_open_object(p, &target, buf_slice(&unseal->blob), &unseal->plain,
				     &unseal->is_key, err);

	return op_provider_leave(&unseal->op, r);
}

static int open_stream(void *arg, struct err *err)
{
	struct unseal_op *unseal = arg;
	CLEANUP(secret_cleanup) struct secret *key = NULL;

	if (!unseal->is_key)
		return 0;
	key = TAKE(unseal->plain);
	return keystore_open_finish(buf_slice(&unseal->blob), key, &unseal->plain, err);
}

static int unseal_body(struct unseal_op *unseal, struct err *err)
{
	static const char *const NAMES[] = {"blob"};
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	if (!unseal->json) {
		buf_put(&unseal->blob, http_request_body(unseal->op.request));
		return buf_ok(&unseal->blob) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
	}
	r = op_body(&unseal->op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	return json_get_bytes(body, "blob", true, &unseal->blob, err);
}

/* A blob that is none is refused before it takes a turn on the chip. */
static int prepare_unseal(struct op *op, struct err *err)
{
	struct unseal_op *unseal = (struct unseal_op *)op;
	struct blob blob;
	int r;

	unseal->json = http_request_is_json(op->request);
	unseal->blob = (struct buf)BUF_INIT(KEYSTORE_BLOB_MAX);
	r = unseal_body(unseal, err);
	if (r < 0)
		return r;
	r = blob_parse(buf_slice(&unseal->blob), &blob, err);
	if (r < 0)
		return r;
	op_step(op, op_provider_place(op), open_object);
	if (blob.header.flags & BLOB_ENVELOPE)
		op_step(op, JOB_POOL, open_stream);
	return 0;
}

static void answer_unseal(struct op *op)
{
	struct unseal_op *unseal = (struct unseal_op *)op;
	struct slice plain = secret_slice(unseal->plain);

	if (unseal->json)
		op_answer_json(op, 200,
			       json_pack("{s:o, s:s}", "data", op_json_base64(plain), "protection",
					 op->provider->ops->protection));
	else
		op_answer_octets(op, plain);
}

static void fini_unseal(struct op *op)
{
	struct unseal_op *unseal = (struct unseal_op *)op;

	buf_fini(&unseal->blob);
	secret_free(unseal->plain);
}

static const struct op_kind UNSEAL = {
	.operation = METRICS_UNSEAL,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct unseal_op),
	.prepare = prepare_unseal,
	.answer = answer_unseal,
	.fini = fini_unseal,
};

void service_unseal(struct http_request *request, void *app)
{
	if (http_request_is_stream(request))
		flow_unseal(app, request);
	else
		op_run(app, request, &UNSEAL);
}
