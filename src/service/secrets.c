/* SPDX-License-Identifier: Apache-2.0 */
/* Named secrets: sealed under their name, kept in the store, opened on demand. */
#include <jansson.h>

#include "base/json.h"
#include "service/op.h"
#include "service/records.h"
#include "service/routes.h"

/* --- put --- */

struct put_op {
	struct op op;
	bool only_create;
	bool created;
	struct secret *plain;
	struct keystore_sealing sealing;
};

/*
 * With the other provider in use, what is there cannot be opened, but may well be wanted later: it
 * is not replaced unseen. A record that cannot be read is not replaced either.
 */
static int check_present(void *arg, struct err *err)
{
	struct op *op = arg;
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct blob blob = {0};
	int r;

	r = store_read(op->store, &op->record.id, &record, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0)
		op->quota.was = store_record_bytes(record.len);
	if (r == 0)
		r = op_parse_record(op->record.id.kind, buf_slice(&record), &blob, err);
	if (r < 0 || blob.header.provider == op->provider->ops->kind)
		return r;
	if (blob.header.provider == PROVIDER_TPM)
		(void)err_set(err, ERR_TPM_REQUIRED,
			      "the present secret %s was made by a TPM, and software is in use",
			      op->name);
	else
		(void)err_set(err, ERR_NOT_SUPPORTED,
			      "the present secret %s was made in software, and a TPM is in use",
			      op->name);
	return err_add_remedy(err,
			      "Delete the secret first if its content is not needed any more.");
}

static int seal_secret(void *arg, struct err *err)
{
	struct put_op *put = arg;
	const struct keystore_target target = op_target(&put->op, BLOB_SECRET);
	struct provider *p = op_provider_enter(&put->op);
	int r = keystore_seal_object(p, &target, put->plain, &put->sealing, err);

	return op_provider_leave(&put->op, r);
}

/* A record is at most so much larger than what is sealed in it. */
#define SEALED_MORE (KEYSTORE_BLOB_MAX - KEYSTORE_PLAIN_MAX)

static int finish_secret(void *arg, struct err *err)
{
	struct put_op *put = arg;
	struct op *op = &put->op;
	int r = keystore_seal_finish(&put->sealing, put->plain, &op->record.bytes, err);

	op->quota.need = store_record_bytes(op->record.bytes.len);
	return r < 0 ? r : quota_count(op, err);
}

static int store_secret(void *arg, struct err *err)
{
	struct put_op *put = arg;
	struct op *op = &put->op;
	int r;

	put->created = true;
	if (put->only_create)
		return records_create(op, err);
	r = store_replace(op->store, &op->record.id, buf_slice(&op->record.bytes), &put->created,
			  err);
	op->changed = r == 0;
	if (r < 0)
		quota_failed(op, r);
	return r;
}

static int finish_and_store(void *arg, struct err *err)
{
	int r = finish_secret(arg, err);

	return r < 0 ? r : store_secret(arg, err);
}

static int prepare_put(struct op *op, struct err *err)
{
	struct put_op *put = (struct put_op *)op;
	int r;

	r = op_name_of_path(op, err);
	if (r < 0)
		return r;
	/* Its value can only be `*`: http refused others. */
	put->only_create = http_request_header(op->request, "If-None-Match") != NULL;
	r = op_body_data(op, KEYSTORE_PLAIN_MAX, &put->plain, err);
	if (r < 0)
		return r;
	op_changes_record(op, STORE_SECRETS);
	op_step(op, JOB_POOL, put->only_create ? records_check_absent : check_present);
	op_step(op, op_provider_place(op), seal_secret);
	quota_puts_secret(op, store_record_bytes(secret_size(put->plain) + SEALED_MORE));
	if (op->quota.at_work) {
		op_step(op, JOB_POOL, finish_and_store);
		return 0;
	}
	op_step(op, JOB_POOL, finish_secret);
	op_step(op, JOB_LOOP, quota_admits);
	op_step(op, JOB_POOL, store_secret);
	return 0;
}

static void answer_put(struct op *op)
{
	const struct put_op *put = (const struct put_op *)op;

	op_answer_json(op, put->created ? 201 : 200,
		       json_pack("{s:s, s:s, s:I, s:I}", "name", op->name, "protection",
				 op->provider->ops->protection, "created",
				 (json_int_t)put->sealing.header.time, "size",
				 (json_int_t)secret_size(put->plain)));
}

static void fini_put(struct op *op)
{
	struct put_op *put = (struct put_op *)op;

	secret_free(put->plain);
	keystore_sealing_fini(&put->sealing);
}

static const struct op_kind PUT = {
	.operation = METRICS_SECRET_PUT,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct put_op),
	.prepare = prepare_put,
	.answer = answer_put,
	.fini = fini_put,
};

void service_secret_put(struct http_request *request, void *app)
{
	op_run(app, request, &PUT);
}

/* --- get --- */

struct get_op {
	struct op op;
	bool octets;
	uint64_t created;
	struct secret *plain; /* or the stream's key, until the last step */
	bool is_key;
};

static int open_secret(void *arg, struct err *err)
{
	struct get_op *get = arg;
	const struct keystore_target target = op_target(&get->op, BLOB_SECRET);
	struct slice record = buf_slice(&get->op.record.bytes);
	struct provider *p;
	struct blob blob;
	int r;

	r = blob_parse(record, &blob, err);
	if (r < 0)
		return r;
	get->created = blob.header.time;
	p = op_provider_enter(&get->op);
	r = keystore_open_object(p, &target, record, &get->plain, &get->is_key, err);
	return op_provider_leave(&get->op, r);
}

static int open_stream(void *arg, struct err *err)
{
	struct get_op *get = arg;
	CLEANUP(secret_cleanup) struct secret *key = NULL;

	if (!get->is_key)
		return 0;
	key = TAKE(get->plain);
	return keystore_open_finish(buf_slice(&get->op.record.bytes), key, &get->plain, err);
}

/* A record from the cache that is sealed directly takes one step. */
static bool needs_stream(const struct op *op)
{
	struct blob blob;
	struct err err;

	return !op->record.cached || blob_parse(buf_slice(&op->record.bytes), &blob, &err) < 0 ||
	       (blob.header.flags & BLOB_ENVELOPE);
}

static int prepare_get(struct op *op, struct err *err)
{
	struct get_op *get = (struct get_op *)op;
	int r;

	r = op_name_of_path(op, err);
	if (r < 0)
		return r;
	get->octets = http_request_wants_octets(op->request);
	op_reads_record(op, STORE_SECRETS);
	op_step(op, op_provider_place(op), open_secret);
	if (needs_stream(op))
		op_step(op, JOB_POOL, open_stream);
	return 0;
}

static void answer_get(struct op *op)
{
	const struct get_op *get = (const struct get_op *)op;
	struct slice plain = secret_slice(get->plain);

	if (get->octets)
		op_answer_octets(op, plain);
	else
		op_answer_json(op, 200,
			       json_pack("{s:s, s:o, s:s, s:I}", "name", op->name, "data",
					 op_json_base64(plain), "protection",
					 op->provider->ops->protection, "created",
					 (json_int_t)get->created));
}

static void fini_get(struct op *op)
{
	secret_free(((struct get_op *)op)->plain);
}

static const struct op_kind GET = {
	.operation = METRICS_SECRET_GET,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct get_op),
	.prepare = prepare_get,
	.answer = answer_get,
	.fini = fini_get,
};

void service_secret_get(struct http_request *request, void *app)
{
	op_run(app, request, &GET);
}
