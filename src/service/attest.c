/* SPDX-License-Identifier: Apache-2.0 */
/* What attestation keys say: quotes, and that a key is in this chip. */
#include <jansson.h>
#include <stdio.h>

#include "base/json.h"
#include "service/aiks.h"
#include "service/eventlog.h"
#include "service/pcrs.h"
#include "service/routes.h"
#include "service/tpm_signature.h"

#define PLAIN_MAX 512u

/* What both have in common: an attestation by the key of the op's name. */
struct attest_op {
	struct op op;
	struct keystore_key aik;
	struct buf nonce;
	struct attestation said;
	struct buf plain; /* the signature as other software has it */
};

static struct keystore_record aik_record(const struct attest_op *attest,
					 struct keystore_target *ret_target)
{
	*ret_target = op_target(&attest->op, BLOB_AIK);
	return (struct keystore_record){.target = ret_target,
					.bytes = buf_slice(&attest->op.record.bytes)};
}

static int describe_aik(struct attest_op *attest, struct err *err)
{
	const struct keystore_target target = op_target(&attest->op, BLOB_AIK);

	return keystore_key_describe(&target, buf_slice(&attest->op.record.bytes), &attest->aik,
				     err);
}

static int make_plain(struct attest_op *attest, struct err *err)
{
	return tpm_signature_plain(attest->aik.type, buf_slice(&attest->said.signature),
				   &attest->plain, err);
}

static int read_nonce(const json_t *body, struct attest_op *attest, struct err *err)
{
	int r = json_get_bytes(body, "nonce", false, &attest->nonce, err);

	if (r == ERR_TOO_LARGE)
		return err_set(err, ERR_INVALID, "/nonce: has at most %u bytes",
			       PROVIDER_NONCE_MAX);
	return r;
}

static int begin(struct op *op, struct err *err)
{
	struct attest_op *attest = (struct attest_op *)op;
	int r;

	attest->nonce = (struct buf)BUF_INIT(PROVIDER_NONCE_MAX);
	attest->said = (struct attestation)ATTESTATION_INIT;
	attest->plain = (struct buf)BUF_INIT(PLAIN_MAX);
	r = op_needs_chip(op, err);
	return r < 0 ? r : op_name_of_path(op, err);
}

/* The members of both answers. */
static json_t *attestation_json(const struct attest_op *attest)
{
	const struct keystore_key *aik = &attest->aik;

	return json_pack("{s:o, s:o, s:o, s:s, s:s, s:s}", "attest",
			 op_json_base64(buf_slice(&attest->said.attest)), "signature",
			 op_json_base64(buf_slice(&attest->said.signature)), "plain_signature",
			 op_json_base64(buf_slice(&attest->plain)), "hash", hash_name(aik->hash),
			 "scheme", pkey_scheme_name(aik_scheme(aik->type)), "protection",
			 attest->op.provider->ops->protection);
}

/* Adds a member; NULL when @json is or memory is short. Takes both over. */
static json_t *with(json_t *json, const char *name, json_t *value)
{
	if (json && json_object_set_new(json, name, value) == 0)
		return json;
	if (!json)
		json_free(value);
	json_free(json);
	return NULL;
}

static void fini(struct op *op)
{
	struct attest_op *attest = (struct attest_op *)op;

	keystore_key_fini(&attest->aik);
	buf_fini(&attest->nonce);
	attestation_fini(&attest->said);
	buf_fini(&attest->plain);
}

/* --- quote --- */

struct quote_op {
	struct attest_op attest;
	struct quote_request request;
	bool wants_log;
	const char *log_path;
	struct pcr_values values;
	struct buf log; /* empty when it cannot be read */
};

static int quote(struct quote_op *quote, struct provider *p, struct err *err)
{
	struct attest_op *attest = &quote->attest;
	struct keystore_target target;
	const struct keystore_record aik = aik_record(attest, &target);
	struct pcr_selection banks;
	int r;

	if (quote->request.pcrs.count == 0) {
		r = provider_pcr_banks(p, &banks, err);
		if (r < 0)
			return r;
		pcrs_usual(&banks, &quote->request.pcrs);
	}
	quote->request.nonce = buf_slice(&attest->nonce);
	return keystore_aik_quote(p, &aik, &quote->request, &attest->said, &quote->values, err);
}

static int quote_object(void *arg, struct err *err)
{
	struct quote_op *op = arg;
	struct provider *p;
	int r;

	r = describe_aik(&op->attest, err);
	if (r < 0)
		return r;
	p = op_provider_enter(&op->attest.op);
	r = op_provider_leave(&op->attest.op, quote(op, p, err));
	return r < 0 ? r : make_plain(&op->attest, err);
}

/* After the quote, so that it explains all of it. Without a log the quote is worth as much. */
static int read_log(void *arg, struct err *err)
{
	struct quote_op *quote = arg;
	struct err why;

	(void)err;
	if (eventlog_read(quote->log_path, &quote->log, &why) < 0)
		buf_reset(&quote->log);
	return 0;
}

static int read_quote(const json_t *body, struct quote_op *quote, struct err *err)
{
	int r;

	r = read_nonce(body, &quote->attest, err);
	if (r < 0)
		return r;
	r = pcrs_read(body, &quote->request.pcrs, err);
	if (r < 0)
		return r;
	quote->request.values = true;
	r = json_get_bool(body, "values", false, &quote->request.values, err);
	if (r < 0)
		return r;
	return json_get_bool(body, "event_log", false, &quote->wants_log, err);
}

static int prepare_quote(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"nonce", "pcrs", "values", "event_log"};
	struct quote_op *quote = (struct quote_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = begin(op, err);
	if (r < 0)
		return r;
	quote->log = (struct buf)BUF_INIT(EVENTLOG_MAX);
	quote->log_path = op->service->event_log;
	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = read_quote(body, quote, err);
	if (r < 0)
		return r;
	op_reads_record(op, STORE_AIKS);
	op_step(op, op_provider_place(op), quote_object);
	if (quote->wants_log)
		op_step(op, JOB_POOL, read_log);
	return 0;
}

static void answer_quote(struct op *op)
{
	const struct quote_op *quote = (const struct quote_op *)op;
	json_t *json = attestation_json(&quote->attest);

	if (quote->request.values)
		json = with(json, "pcrs", pcrs_json(&quote->values));
	if (quote->wants_log)
		json = with(json, "event_log",
			    quote->log.len > 0 ? op_json_base64(buf_slice(&quote->log))
					       : json_null());
	op_answer_json(op, 200, json);
}

static void fini_quote(struct op *op)
{
	fini(op);
	buf_fini(&((struct quote_op *)op)->log);
}

static const struct op_kind QUOTE = {
	.operation = METRICS_AIK_QUOTE,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct quote_op),
	.prepare = prepare_quote,
	.answer = answer_quote,
	.fini = fini_quote,
};

void service_aik_quote(struct http_request *request, void *app)
{
	op_run(app, request, &QUOTE);
}

/* --- certify --- */

struct certify_op {
	struct attest_op attest;
	char key_name[STORE_NAME_MAX + 1];
	struct op_record key_record;
	struct keystore_key key;
};

static int certify_object(void *arg, struct err *err)
{
	struct certify_op *certify = arg;
	struct attest_op *attest = &certify->attest;
	const struct keystore_target key_target = {
		.tenant = &attest->op.tenant, .kind = BLOB_KEY, .name = certify->key_name};
	const struct keystore_record key = {.target = &key_target,
					    .bytes = buf_slice(&certify->key_record.bytes)};
	struct keystore_target target;
	const struct keystore_record aik = aik_record(attest, &target);
	struct provider *p;
	int r;

	r = describe_aik(attest, err);
	if (r == 0)
		r = keystore_key_describe(&key_target, key.bytes, &certify->key, err);
	if (r < 0)
		return r;
	p = op_provider_enter(&attest->op);
	r = keystore_aik_certify(p, &aik, &key, buf_slice(&attest->nonce), &attest->said, err);
	r = op_provider_leave(&attest->op, r);
	return r < 0 ? r : make_plain(attest, err);
}

static int prepare_certify(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"key", "nonce"};
	struct certify_op *certify = (struct certify_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	const char *name = NULL;
	int r;

	r = begin(op, err);
	if (r < 0)
		return r;
	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = json_get_string(body, "key", true, &name, err);
	if (r < 0)
		return r;
	if (!store_name_ok(name))
		return err_set(err, ERR_INVALID, "/key: must be the name of a key");
	(void)snprintf(certify->key_name, sizeof(certify->key_name), "%s", name);
	r = read_nonce(body, &certify->attest, err);
	if (r < 0)
		return r;
	op_reads_record(op, STORE_AIKS);
	op_reads_second(op, &certify->key_record, STORE_KEYS, certify->key_name);
	op_step(op, op_provider_place(op), certify_object);
	return 0;
}

static void answer_certify(struct op *op)
{
	const struct certify_op *certify = (const struct certify_op *)op;
	struct slice public = buf_slice(&certify->key.public);

	op_answer_json(op, 200,
		       with(attestation_json(&certify->attest), "public",
			    public.len > 0 ? op_json_base64(public) : json_null()));
}

static void fini_certify(struct op *op)
{
	struct certify_op *certify = (struct certify_op *)op;

	fini(op);
	buf_fini(&certify->key_record.bytes);
	keystore_key_fini(&certify->key);
}

static const struct op_kind CERTIFY = {
	.operation = METRICS_AIK_CERTIFY,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct certify_op),
	.prepare = prepare_certify,
	.answer = answer_certify,
	.fini = fini_certify,
};

void service_aik_certify(struct http_request *request, void *app)
{
	op_run(app, request, &CERTIFY);
}
