/* SPDX-License-Identifier: Apache-2.0 */
/* Our storage key, for who wraps something to this very device. No command: it is known. */
#include <jansson.h>

#include "service/key.h"
#include "service/routes.h"

struct storage_op {
	struct op op;
	struct key_result key;
	struct buf pem;
};

static int read_key(void *arg, struct err *err)
{
	struct storage_op *storage = arg;
	struct provider *p = op_provider_enter(&storage->op);

	return op_provider_leave(&storage->op, provider_storage_key(p, &storage->key, err));
}

static int show(void *arg, struct err *err)
{
	struct storage_op *storage = arg;

	return key_spki_pem(buf_slice(&storage->key.spki), &storage->pem, err);
}

static int prepare(struct op *op, struct err *err)
{
	struct storage_op *storage = (struct storage_op *)op;

	storage->key = (struct key_result)KEY_RESULT_INIT;
	storage->pem = (struct buf)BUF_INIT(KEY_PEM_MAX);
	op_step(op, op_provider_place(op), read_key);
	op_step(op, JOB_POOL, show);
	(void)err;
	return 0;
}

static void answer(struct op *op)
{
	const struct storage_op *storage = (const struct storage_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:s, s:o, s:o, s:s%, s:s}", "type",
				 pkey_type_name(storage->key.type), "name",
				 key_hex_json(buf_slice(&storage->key.name)), "public",
				 op_json_base64(buf_slice(&storage->key.public)), "pem",
				 (const char *)storage->pem.data, storage->pem.len, "protection",
				 op->provider->ops->protection));
}

static void fini(struct op *op)
{
	struct storage_op *storage = (struct storage_op *)op;

	key_result_fini(&storage->key);
	buf_fini(&storage->pem);
}

static const struct op_kind STORAGE_KEY = {
	.operation = METRICS_DEVICE_STORAGE_KEY,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct storage_op),
	.prepare = prepare,
	.answer = answer,
	.fini = fini,
};

void service_device_storage_key(struct http_request *request, void *app)
{
	op_run(app, request, &STORAGE_KEY);
}
