/* SPDX-License-Identifier: Apache-2.0 */
/* Named keys as objects: made, imported, described, exported. Signing is in sign.c. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/keyfile.h"
#include "crypto/pkey.h"
#include "service/op.h"
#include "service/records.h"
#include "service/routes.h"

#define RSA_CREATE_S 120u /* a firmware TPM may look for primes that long */
#define PUBLIC_MAX   4096u
#define LOCATION_MAX 160u

/* What every answer about a key shows; made by a step, since the PEM is work for OpenSSL. */
struct description {
	struct keystore_key key;
	struct buf public; /* PEM */
};

struct key_op {
	struct op op;
	struct description shown;
	struct key_spec spec;	   /* create */
	struct buf pem;		   /* import: theirs; export: ours */
	struct secret *passphrase; /* of the PEM; may be NULL */
};

static int describe(void *arg, struct err *err)
{
	struct key_op *key = arg;
	const struct keystore_target target = op_target(&key->op, BLOB_KEY);
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	int r;

	key->shown.public = (struct buf)BUF_INIT(PUBLIC_MAX);
	r = keystore_key_describe(&target, buf_slice(&key->op.record), &key->shown.key, err);
	if (r < 0)
		return r;
	r = pkey_from_spki(buf_slice(&key->shown.key.spki), &public, err);
	if (r < 0)
		return r;
	return pkey_to_pem(public, &key->shown.public, err);
}

static json_t *tpm_name_json(const struct keystore_key *key)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT(2 * PROVIDER_ROOT_MAX);

	if (key->tpm_name.len == 0)
		return json_null();
	hex_encode(&text, buf_slice(&key->tpm_name));
	return buf_ok(&text) ? json_stringn((const char *)text.data, text.len) : NULL;
}

/* The word of the provider that made it, which need not be the one in use. */
static const char *protection_word(const struct blob_header *header)
{
	return header->provider == PROVIDER_TPM ? "tpm" : "software";
}

static json_t *description_json(const struct key_op *op)
{
	const struct keystore_key *key = &op->shown.key;
	const struct buf *public = &op->shown.public;

	return json_pack("{s:s, s:s, s:[s], s:s, s:s, s:b, s:s%, s:o, s:I}", "name", op->op.name,
			 "type", pkey_type_name(key->type), "use", "sign", "protection",
			 protection_word(&key->header), "origin",
			 key->header.flags & BLOB_IMPORTED ? "imported" : "generated", "export",
			 (key->header.flags & BLOB_EXPORTABLE) != 0, "public",
			 (const char *)public->data, public->len, "tpm_name", tpm_name_json(key),
			 "created", (json_int_t)key->header.time);
}

static void fini(struct op *op)
{
	struct key_op *key = (struct key_op *)op;

	keystore_key_fini(&key->shown.key);
	buf_fini(&key->shown.public);
	buf_fini(&key->pem);
	secret_free(key->passphrase);
}

/* --- create --- */

static int create_object(void *arg, struct err *err)
{
	struct key_op *key = arg;
	const struct keystore_target target = op_target(&key->op, BLOB_KEY);
	struct provider *p = op_provider_enter(&key->op);
	int r = keystore_key_create(p, &target, &key->spec, &key->op.record, err);

	return op_provider_leave(&key->op, r);
}

static int import_object(void *arg, struct err *err)
{
	struct key_op *key = arg;
	const struct keystore_target target = op_target(&key->op, BLOB_KEY);
	struct provider *p = op_provider_enter(&key->op);
	const struct key_source source = {.pem = buf_slice(&key->pem),
					  .passphrase = key->passphrase};
	int r = keystore_key_import(p, &target, &source, &key->op.record, err);

	return op_provider_leave(&key->op, r);
}

/* Described before it is stored: what cannot be shown must not come to be. */
static int store_key(void *arg, struct err *err)
{
	struct key_op *key = arg;
	struct op *op = &key->op;
	int r;

	r = describe(key, err);
	if (r < 0)
		return r;
	r = store_create(op->store, &op->id, buf_slice(&op->record), err);
	op->changed = r == 0;
	return r;
}

/* @slow: an RSA key, or a file whose passphrase is stretched, takes software up to a second. */
static void plan_new_key(struct op *op, bool slow, int (*make)(void *arg, struct err *err))
{
	enum job_place place = op_provider_place(op);

	op_changes_record(op, STORE_KEYS);
	op_step(op, JOB_POOL, records_check_absent);
	op_step(op, place == JOB_POOL && slow ? JOB_LONG : place, make);
	op_step(op, JOB_POOL, store_key);
}

/* "use": ["sign"]; the other uses of the interface are known by name only. */
static int check_use(const json_t *body, struct err *err)
{
	const json_t *use = json_object_get(body, "use");
	const char *word = json_string_value(json_array_get(use, 0));

	if (!use)
		return 0;
	if (!word)
		return err_set(err, ERR_INVALID, "/use: must be an array of strings, not empty");
	if (json_array_size(use) == 1 && strcmp(word, "sign") == 0)
		return 0;
	return err_set(err, ERR_NOT_SUPPORTED, "/use: only [\"sign\"] is supported");
}

static int read_auth(const json_t *body, struct key_spec *spec, struct err *err)
{
	const char *auth = NULL;
	int r;

	r = json_get_string(body, "auth", false, &auth, err);
	if (r < 0 || !auth)
		return r;
	if (strcmp(auth, "none") != 0)
		return err_set(err, ERR_INVALID, "/auth: only \"none\" is known");
	if (!spec->exportable)
		return err_set(err, ERR_INVALID, "/auth: \"none\" needs \"export\": true");
	spec->empty_auth = true;
	return 0;
}

/* A key is made here or brought along, and the body says which. */
static int check_source(const json_t *body, struct err *err)
{
	if (!json_object_get(body, "type") != !json_object_get(body, "pem"))
		return 0;
	return err_set(err, ERR_INVALID, "exactly one of /type and /pem must be given");
}

static int prepare_create(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"name", "type", "use", "export", "auth"};
	struct key_op *key = (struct key_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	const char *type = NULL;
	int r;

	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = op_name_of_body(op, body, err);
	if (r < 0)
		return r;
	r = check_source(body, err);
	if (r < 0)
		return r;
	r = json_get_string(body, "type", true, &type, err);
	if (r < 0)
		return r;
	r = pkey_type_of_name(type, &key->spec.type, err);
	if (r < 0)
		return err_wrap(err, "/type");
	r = check_use(body, err);
	if (r < 0)
		return r;
	r = json_get_bool(body, "export", false, &key->spec.exportable, err);
	if (r < 0)
		return r;
	if (pkey_type_is_rsa(key->spec.type))
		op_deadline(op, RSA_CREATE_S);
	plan_new_key(op, pkey_type_is_rsa(key->spec.type), create_object);
	return read_auth(body, &key->spec, err);
}

static int read_passphrase(const json_t *body, struct key_op *key, struct err *err)
{
	const char *text = NULL;
	int r;

	r = json_get_string(body, "passphrase", false, &text, err);
	if (r < 0 || !text)
		return r;
	return secret_copy(slice_str(text), &key->passphrase, err);
}

static int prepare_import(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"name", "type", "pem", "passphrase"};
	struct key_op *key = (struct key_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	const char *pem = NULL;
	int r;

	r = tenant_permits(op->peer.tenant, TENANT_IMPORT, err);
	if (r < 0)
		return r;
	r = op_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = op_name_of_body(op, body, err);
	if (r < 0)
		return r;
	r = check_source(body, err);
	if (r < 0)
		return r;
	r = json_get_string(body, "pem", true, &pem, err);
	if (r < 0)
		return r;
	key->pem = (struct buf)BUF_INIT(KEYFILE_PEM_MAX);
	buf_put_str(&key->pem, pem);
	if (!buf_ok(&key->pem))
		return err_set(err, ERR_TOO_LARGE, "/pem: over %u bytes", KEYFILE_PEM_MAX);
	plan_new_key(op, true, import_object);
	return read_passphrase(body, key, err);
}

static void answer_new_key(struct op *op)
{
	char location[LOCATION_MAX];

	(void)snprintf(location, sizeof(location), "/v1/keys/%s", op->name);
	http_request_add_header(op->request, "Location", location);
	op_answer_json(op, 201, description_json((struct key_op *)op));
}

static const struct op_kind CREATE = {
	.operation = METRICS_KEY_CREATE,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct key_op),
	.prepare = prepare_create,
	.answer = answer_new_key,
	.fini = fini,
};

static const struct op_kind IMPORT = {
	.operation = METRICS_KEY_IMPORT,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct key_op),
	.prepare = prepare_import,
	.answer = answer_new_key,
	.fini = fini,
};

/* One route makes keys in two ways; the member `pem` tells them apart. */
static bool has_pem(struct http_request *request)
{
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	struct err err;

	return json_parse(http_request_body(request), &body, &err) == 0 &&
	       json_object_get(body, "pem") != NULL;
}

void service_key_create(struct http_request *request, void *app)
{
	op_run(app, request, has_pem(request) ? &IMPORT : &CREATE);
}

/* --- get --- */

static int prepare_get(struct op *op, struct err *err)
{
	int r;

	r = op_name_of_path(op, err);
	if (r < 0)
		return r;
	op_reads_record(op, STORE_KEYS);
	op_step(op, JOB_POOL, describe);
	return 0;
}

static void answer_get(struct op *op)
{
	op_answer_json(op, 200, description_json((struct key_op *)op));
}

static const struct op_kind GET = {
	.operation = METRICS_KEY_GET,
	.needs = OP_NEEDS_STORE,
	.size = sizeof(struct key_op),
	.prepare = prepare_get,
	.answer = answer_get,
	.fini = fini,
};

void service_key_get(struct http_request *request, void *app)
{
	op_run(app, request, &GET);
}

/* --- export --- */

static int export_object(void *arg, struct err *err)
{
	struct key_op *key = arg;
	const struct keystore_target target = op_target(&key->op, BLOB_KEY);
	struct provider *p = op_provider_enter(&key->op);
	int r = keystore_key_export(p, &target, buf_slice(&key->op.record), &key->pem,
				    &key->passphrase, err);

	return op_provider_leave(&key->op, r);
}

static int prepare_export(struct op *op, struct err *err)
{
	struct key_op *key = (struct key_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_name_of_path(op, err);
	if (r < 0)
		return r;
	if (http_request_body(op->request).len > 0) {
		r = op_body(op, NULL, 0, &body, err);
		if (r < 0)
			return r;
	}
	key->pem = (struct buf)BUF_INIT(KEYFILE_PEM_MAX);
	op_reads_record(op, STORE_KEYS);
	op_step(op, op_provider_place(op), export_object);
	return 0;
}

static json_t *passphrase_json(const struct secret *passphrase)
{
	struct slice text;

	if (!passphrase)
		return json_null();
	text = secret_slice(passphrase);
	return json_stringn((const char *)text.data, text.len);
}

static void answer_export(struct op *op)
{
	const struct key_op *key = (const struct key_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:s%, s:o, s:s}", "pem", (const char *)key->pem.data,
				 key->pem.len, "passphrase", passphrase_json(key->passphrase),
				 "protection", op->provider->ops->protection));
}

static const struct op_kind EXPORT = {
	.operation = METRICS_KEY_EXPORT,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct key_op),
	.prepare = prepare_export,
	.answer = answer_export,
	.fini = fini,
};

void service_key_export(struct http_request *request, void *app)
{
	op_run(app, request, &EXPORT);
}
