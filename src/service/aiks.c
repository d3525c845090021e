/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attestation keys as objects. The number comes first: it is taken on the one thread for long
 * things, so that two at once cannot read the same counter, and is durably gone before the key is
 * made. A key that then fails costs a number; a number never costs a key.
 */
#include "service/aiks.h"

#include <jansson.h>
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "service/records.h"
#include "service/routes.h"

#define RSA_CREATE_S 120u
#define LOCATION_MAX 160u

struct aik_op {
	struct op op;
	struct aik_spec spec;
	bool named;
	uint32_t handle;
	struct keystore_key key;
	struct buf pem;
};

enum pkey_scheme aik_scheme(enum pkey_type type)
{
	return pkey_type_is_rsa(type) ? PKEY_RSASSA : PKEY_ECDSA;
}

static void handle_text(uint32_t handle, char ret_text[static AIK_HANDLE_TEXT])
{
	(void)snprintf(ret_text, AIK_HANDLE_TEXT, "0x%08x", handle);
}

/* --- list --- */

void aik_line_read(const struct op *op, const char *name, struct aik_line *ret_line)
{
	const struct store_id id = {.tenant = op->tenant.name, .kind = STORE_AIKS, .name = name};
	const struct keystore_target target = {
		.tenant = &op->tenant, .kind = BLOB_AIK, .name = name};
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct err err;

	if (store_read(op->store, &id, &record, &err) < 0 ||
	    keystore_key_describe(&target, buf_slice(&record), &key, &err) < 0)
		return;
	*ret_line = (struct aik_line){
		.readable = true, .handle = key.handle, .type = key.type, .hash = key.hash};
}

struct json_t *aik_line_json(const char *name, const struct aik_line *line)
{
	char handle[AIK_HANDLE_TEXT];

	if (!line->readable)
		return json_pack("{s:s, s:n, s:n, s:n}", "name", name, "handle", "type", "hash");
	handle_text(line->handle, handle);
	return json_pack("{s:s, s:s, s:s, s:s}", "name", name, "handle", handle, "type",
			 pkey_type_name(line->type), "hash", hash_name(line->hash));
}

/* --- description --- */

static int describe(void *arg, struct err *err)
{
	struct aik_op *aik = arg;
	const struct keystore_target target = op_target(&aik->op, BLOB_AIK);
	int r;

	aik->pem = (struct buf)BUF_INIT(KEY_PEM_MAX);
	r = keystore_key_describe(&target, buf_slice(&aik->op.record.bytes), &aik->key, err);
	return r < 0 ? r : key_spki_pem(buf_slice(&aik->key.spki), &aik->pem, err);
}

static json_t *description_json(const struct aik_op *aik)
{
	const struct keystore_key *key = &aik->key;
	char handle[AIK_HANDLE_TEXT];

	handle_text(key->handle, handle);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s%, s:o, s:o, s:s, s:I}", "name",
			 aik->op.name, "handle", handle, "type", pkey_type_name(key->type), "hash",
			 hash_name(key->hash), "scheme", pkey_scheme_name(aik_scheme(key->type)),
			 "public", (const char *)aik->pem.data, aik->pem.len, "tpm_public",
			 op_json_base64(buf_slice(&key->public)), "tpm_name",
			 key_hex_json(buf_slice(&key->tpm_name)), "protection",
			 key_protection(&key->header), "created", (json_int_t)key->header.time);
}

static void fini(struct op *op)
{
	struct aik_op *aik = (struct aik_op *)op;

	keystore_key_fini(&aik->key);
	buf_fini(&aik->pem);
}

/* --- create --- */

static int take_number(void *arg, struct err *err)
{
	struct aik_op *aik = arg;
	uint32_t number = 0;
	int r = keystore_aik_number(aik->op.store, aik->op.tenant.name, &number, err);

	if (r == 0)
		aik->handle = BLOB_AIK_HANDLE + number;
	return r;
}

/* On the loop, which may read the name at any time. */
static int settle_name(void *arg, struct err *err)
{
	struct aik_op *aik = arg;

	(void)err;
	if (!aik->named)
		(void)snprintf(aik->op.name, sizeof(aik->op.name), "0x%08x", aik->handle);
	return 0;
}

static int create_object(void *arg, struct err *err)
{
	struct aik_op *aik = arg;
	const struct keystore_target target = op_target(&aik->op, BLOB_AIK);
	struct provider *p = op_provider_enter(&aik->op);
	int r = keystore_aik_create(p, &target, &aik->spec, aik->handle, &aik->op.record.bytes,
				    err);

	return op_provider_leave(&aik->op, r);
}

static int store_aik(void *arg, struct err *err)
{
	struct aik_op *aik = arg;
	int r = describe(aik, err);

	return r < 0 ? r : records_create(&aik->op, err);
}

/* Names that could be handles are given by us alone, so that one never means another key. */
static int read_name(struct aik_op *aik, const json_t *body, struct err *err)
{
	int r;

	aik->named = json_object_get(body, "name") != NULL;
	if (!aik->named)
		return 0;
	r = op_name_of_body(&aik->op, body, err);
	if (r < 0)
		return r;
	if (strncasecmp(aik->op.name, "0x8101", 6) == 0)
		return err_set(err, ERR_INVALID,
			       "/name: names that look like handles are given by the service");
	return 0;
}

static int read_spec(const json_t *body, struct aik_spec *spec, struct err *err)
{
	const char *type = "ecc-p256";
	int r;

	r = json_get_string(body, "type", false, &type, err);
	if (r < 0)
		return r;
	r = pkey_type_of_name(type, &spec->type, err);
	if (r < 0)
		return err_wrap(err, "/type");
	return key_read_hash(body, &spec->hash, err);
}

static int prepare_create(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"name", "type", "hash"};
	struct aik_op *aik = (struct aik_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = read_name(aik, body, err);
	if (r < 0)
		return r;
	r = read_spec(body, &aik->spec, err);
	if (r < 0)
		return r;
	r = op_needs_chip(op, err);
	if (r < 0)
		return r;
	if (pkey_type_is_rsa(aik->spec.type))
		op_deadline(op, RSA_CREATE_S);
	op_changes_record(op, STORE_AIKS);
	if (aik->named)
		op_step(op, JOB_POOL, records_check_absent);
	r = quota_adds_key(op, err);
	op_step(op, JOB_LONG, take_number);
	op_step(op, JOB_LOOP, settle_name);
	op_step(op, op_provider_place(op), create_object);
	op_step(op, JOB_POOL, store_aik);
	return r;
}

static void answer_create(struct op *op)
{
	char location[LOCATION_MAX];

	(void)snprintf(location, sizeof(location), "/v1/aiks/%s", op->name);
	http_request_add_header(op->request, "Location", location);
	op_answer_json(op, 201, description_json((struct aik_op *)op));
}

static const struct op_kind CREATE = {
	.operation = METRICS_AIK_CREATE,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct aik_op),
	.prepare = prepare_create,
	.answer = answer_create,
	.fini = fini,
};

void service_aik_create(struct http_request *request, void *app)
{
	op_run(app, request, &CREATE);
}

/* --- get --- */

static int prepare_get(struct op *op, struct err *err)
{
	int r;

	r = op_name_of_path(op, err);
	if (r < 0)
		return r;
	op_reads_record(op, STORE_AIKS);
	op_step(op, JOB_POOL, describe);
	return 0;
}

static void answer_get(struct op *op)
{
	op_answer_json(op, 200, description_json((struct aik_op *)op));
}

static const struct op_kind GET = {
	.operation = METRICS_AIK_GET,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct aik_op),
	.prepare = prepare_get,
	.answer = answer_get,
	.fini = fini,
};

void service_aik_get(struct http_request *request, void *app)
{
	op_run(app, request, &GET);
}
