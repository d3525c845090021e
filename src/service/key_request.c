/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests: what is signed is made on the pool, signed as any digest, and wrapped. */
#include <jansson.h>

#include "base/json.h"
#include "service/key.h"
#include "service/request_names.h"
#include "service/routes.h"

#define SIGNATURE_MAX 1024u

struct request_op {
	struct op op;
	struct json_t *body; /* the names borrow from it */
	struct request_names names;
	struct sign_request sign;
	uint8_t digest[HASH_MAX_SIZE];
	struct buf info;
	struct buf signature;
	struct buf pem;
};

/* --- steps --- */

static int make_info(void *arg, struct err *err)
{
	struct request_op *request = arg;
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	struct slice info;
	int r;

	r = key_describe_for(&request->op, KEY_USE_SIGN, &key, err);
	if (r < 0)
		return r;
	r = request_info(&(struct request){.subject = request->names.subject,
					   .spki = buf_slice(&key.spki),
					   .names = request->names.names,
					   .count = request->names.count},
			 &request->info, err);
	if (r == ERR_INVALID)
		return request_names_point_at(&request->names, buf_slice(&key.spki), err);
	if (r < 0)
		return r;
	request->sign.scheme = pkey_type_is_rsa(key.type) ? PKEY_RSASSA : PKEY_ECDSA;
	request->sign.digest = slice_of(request->digest, hash_size(request->sign.hash));
	info = buf_slice(&request->info);
	return hash_digest(request->sign.hash, &info, 1, request->digest, err);
}

static int sign_info(void *arg, struct err *err)
{
	struct request_op *request = arg;
	const struct keystore_target target = op_target(&request->op, BLOB_KEY);
	struct provider *p = op_provider_enter(&request->op);
	int r = keystore_key_sign(p, &target, buf_slice(&request->op.record.bytes), &request->sign,
				  &request->signature, err);

	return op_provider_leave(&request->op, r);
}

static int finish(void *arg, struct err *err)
{
	struct request_op *request = arg;

	return request_finish(buf_slice(&request->info), request->sign.scheme, request->sign.hash,
			      buf_slice(&request->signature), &request->pem, err);
}

/* --- the request --- */

static int read_request(struct request_op *request, struct err *err)
{
	static const char *const NAMES[] = {"subject", "dns", "ip", "email", "uri", "hash"};
	int r;

	r = op_body(&request->op, NAMES, ARRAY_LEN(NAMES), &request->body, err);
	if (r < 0)
		return r;
	r = key_read_hash(request->body, &request->sign.hash, err);
	return r < 0 ? r : request_names_read(request->body, true, &request->names, err);
}

static int prepare(struct op *op, struct err *err)
{
	struct request_op *request = (struct request_op *)op;
	int r;

	request->info = (struct buf)BUF_INIT(REQUEST_MAX);
	request->signature = (struct buf)BUF_INIT(SIGNATURE_MAX);
	request->pem = (struct buf)BUF_INIT(REQUEST_PEM_MAX);
	r = op_name_of_path(op, err);
	if (r < 0)
		return r;
	r = read_request(request, err);
	if (r < 0)
		return r;
	op_reads_record(op, STORE_KEYS);
	op_step(op, JOB_POOL, make_info);
	op_step(op, op_provider_place(op), sign_info);
	op_step(op, JOB_POOL, finish);
	return 0;
}

static void answer(struct op *op)
{
	const struct request_op *request = (const struct request_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:s%, s:s}", "request", (const char *)request->pem.data,
				 request->pem.len, "protection", op->provider->ops->protection));
}

static void fini(struct op *op)
{
	struct request_op *request = (struct request_op *)op;

	json_free(request->body);
	buf_fini(&request->info);
	buf_fini(&request->signature);
	buf_fini(&request->pem);
}

static const struct op_kind REQUEST = {
	.operation = METRICS_KEY_REQUEST,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct request_op),
	.prepare = prepare,
	.answer = answer,
	.fini = fini,
};

void service_key_request(struct http_request *request, void *app)
{
	op_run(app, request, &REQUEST);
}
