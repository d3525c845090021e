/* SPDX-License-Identifier: Apache-2.0 */
/* Exactly as many bytes as were asked for, from the provider's source. */
#include <jansson.h>

#include "base/json.h"
#include "service/op.h"
#include "service/routes.h"

#define RANDOM_MAX 65536u

struct random_op {
	struct op op;
	struct secret *bytes;
	bool octets;
};

static int draw(void *arg, struct err *err)
{
	struct random_op *random = arg;
	struct provider *p = op_provider_enter(&random->op);

	return op_provider_leave(&random->op, provider_random(p, secret_data(random->bytes),
							      secret_size(random->bytes), err));
}

static int prepare(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"bytes"};
	struct random_op *random = (struct random_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	uint64_t count = 0;
	int r;

	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = json_get_u64(body, "bytes", true, 1, RANDOM_MAX, &count, err);
	if (r < 0)
		return r;
	random->octets = http_request_wants_octets(op->request);
	op_step(op, op_provider_place(op), draw);
	return secret_new((size_t)count, &random->bytes, err);
}

static void answer(struct op *op)
{
	struct random_op *random = (struct random_op *)op;
	struct slice bytes = secret_slice(random->bytes);

	if (random->octets)
		op_answer_octets(op, bytes);
	else
		op_answer_json(op, 200,
			       json_pack("{s:o, s:s}", "data", op_json_base64(bytes), "protection",
					 op->provider->ops->protection));
}

static void fini(struct op *op)
{
	secret_free(((struct random_op *)op)->bytes);
}

static const struct op_kind RANDOM = {
	.operation = METRICS_RANDOM,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct random_op),
	.prepare = prepare,
	.answer = answer,
	.fini = fini,
};

void service_random(struct http_request *request, void *app)
{
	op_run(app, request, &RANDOM);
}
