/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests: what is signed is made on the pool, signed as any digest, and wrapped. */
#include <jansson.h>

#include "base/json.h"
#include "crypto/request.h"
#include "service/key.h"
#include "service/routes.h"

#define SIGNATURE_MAX 1024u
#define NAME_MAX      1024u

static const char *const MEMBERS[REQUEST_KINDS] = {[REQUEST_DNS] = "dns",
						   [REQUEST_IP] = "ip",
						   [REQUEST_EMAIL] = "email",
						   [REQUEST_URI] = "uri"};

struct request_op {
	struct op op;
	struct json_t *body; /* the names borrow from it */
	struct request_name names[REQUEST_NAMES_MAX];
	size_t count;
	struct slice subject;
	struct sign_request sign;
	uint8_t digest[HASH_MAX_SIZE];
	struct buf info;
	struct buf signature;
	struct buf pem;
};

/* --- steps --- */

/* The text says what is wrong with a name; here, which one it is: the first that fails alone. */
static int point_at(const struct request_op *request, struct slice spki, struct err *err)
{
	size_t of_kind[REQUEST_KINDS] = {0};
	struct err why = *err;
	size_t i;

	for (i = 0; i < request->count; i++) {
		CLEANUP(buf_fini) struct buf info = BUF_INIT(REQUEST_MAX);
		const struct request_name *name = &request->names[i];
		const struct request alone = {.spki = spki, .names = name, .count = 1};

		if (request_info(&alone, &info, err) < 0)
			return err_wrap(err, "/%s/%zu", MEMBERS[name->kind], of_kind[name->kind]);
		of_kind[name->kind]++;
	}
	*err = why;
	return err_wrap(err, "/subject");
}

static int make_info(void *arg, struct err *err)
{
	struct request_op *request = arg;
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	struct slice info;
	int r;

	r = key_describe_for(&request->op, KEY_USE_SIGN, &key, err);
	if (r < 0)
		return r;
	r = request_info(&(struct request){.subject = request->subject,
					   .spki = buf_slice(&key.spki),
					   .names = request->names,
					   .count = request->count},
			 &request->info, err);
	if (r == ERR_INVALID)
		return point_at(request, buf_slice(&key.spki), err);
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

/* A string may hold what is no name; crypto/request.h says so. */
static int read_names(struct request_op *request, const char *member, enum request_name_kind kind,
		      struct err *err)
{
	const json_t *names = json_object_get(request->body, member);
	size_t i;

	if (!names)
		return 0;
	if (!json_is_array(names))
		return err_set(err, ERR_INVALID, "/%s: must be an array of strings", member);
	for (i = 0; i < json_array_size(names); i++) {
		const json_t *name = json_array_get(names, i);
		size_t len = json_string_length(name);

		if (!json_is_string(name) || len == 0 || len > NAME_MAX)
			return err_set(err, ERR_INVALID,
				       "/%s/%zu: must be a string of 1 to %u bytes", member, i,
				       NAME_MAX);
		if (request->count == REQUEST_NAMES_MAX)
			return err_set(err, ERR_INVALID, "/%s/%zu: over %u names in all", member, i,
				       REQUEST_NAMES_MAX);
		request->names[request->count++] = (struct request_name){
			.kind = kind, .text = slice_of(json_string_value(name), len)};
	}
	return 0;
}

static int read_all_names(struct request_op *request, struct err *err)
{
	size_t kind;
	int r = 0;

	for (kind = 0; r == 0 && kind < REQUEST_KINDS; kind++)
		r = read_names(request, MEMBERS[kind], (enum request_name_kind)kind, err);
	return r;
}

static int read_request(struct request_op *request, struct err *err)
{
	static const char *const NAMES[] = {"subject", "dns", "ip", "email", "uri", "hash"};
	const char *subject = "";
	int r;

	r = op_body(&request->op, NAMES, ARRAY_LEN(NAMES), &request->body, err);
	if (r < 0)
		return r;
	r = json_get_string(request->body, "subject", true, &subject, err);
	if (r < 0)
		return r;
	request->subject = slice_str(subject);
	if (request->subject.len > REQUEST_SUBJECT_MAX)
		return err_set(err, ERR_INVALID, "/subject: over %u bytes", REQUEST_SUBJECT_MAX);
	r = key_read_hash(request->body, &request->sign.hash, err);
	return r < 0 ? r : read_all_names(request, err);
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
