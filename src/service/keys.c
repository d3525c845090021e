/* SPDX-License-Identifier: Apache-2.0 */
/* Named keys as objects: made, imported, described, exported. Their use is in sign.c and use.c. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "crypto/keyfile.h"
#include "crypto/pkey.h"
#include "service/key.h"
#include "service/records.h"
#include "service/routes.h"

#define RSA_CREATE_S 120u /* a firmware TPM may look for primes that long */
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
	unsigned uses;		   /* import */
	struct buf pem;		   /* import: theirs; export: ours */
	struct secret *passphrase; /* of the PEM; may be NULL */
};

static int describe(void *arg, struct err *err)
{
	struct key_op *key = arg;
	const struct keystore_target target = op_target(&key->op, BLOB_KEY);
	int r;

	key->shown.public = (struct buf)BUF_INIT(KEY_PEM_MAX);
	r = keystore_key_describe(&target, buf_slice(&key->op.record.bytes), &key->shown.key, err);
	if (r < 0 || key->shown.key.spki.len == 0)
		return r;
	return key_spki_pem(buf_slice(&key->shown.key.spki), &key->shown.public, err);
}

static json_t *description_json(const struct key_op *op)
{
	const struct keystore_key *key = &op->shown.key;
	const struct buf *public = &op->shown.public;
	json_t *pem = json_null();

	if (public->len > 0)
		pem = json_stringn((const char *)public->data, public->len);
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:b, s:o, s:o, s:I}", "name", op->op.name,
			 "type", key_type_name(key), "use", key_uses_json(key->uses), "protection",
			 key_protection(&key->header), "origin",
			 key->header.flags & BLOB_IMPORTED ? "imported" : "generated", "export",
			 (key->header.flags & BLOB_EXPORTABLE) != 0, "public", pem, "tpm_name",
			 key_hex_json(buf_slice(&key->tpm_name)), "created",
			 (json_int_t)key->header.time);
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
	int r = keystore_key_create(p, &target, &key->spec, &key->op.record.bytes, err);

	return op_provider_leave(&key->op, r);
}

static int import_object(void *arg, struct err *err)
{
	struct key_op *key = arg;
	const struct keystore_target target = op_target(&key->op, BLOB_KEY);
	struct provider *p = op_provider_enter(&key->op);
	const struct key_source source = {
		.pem = buf_slice(&key->pem), .passphrase = key->passphrase, .uses = key->uses};
	int r = keystore_key_import(p, &target, &source, &key->op.record.bytes, err);

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
	return records_create(op, err);
}

/*
 * A passphrase is stretched as long as the file says: not where the chip waits meanwhile. What is
 * no PKCS#8 is left to the provider.
 */
static int unlock_pem(void *arg, struct err *err)
{
	struct key_op *key = arg;
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	int r;

	if (keyfile_is_tss2(buf_slice(&key->pem)))
		return 0;
	r = pkey_from_pkcs8_pem(buf_slice(&key->pem), key->passphrase, &pair, err);
	if (r < 0)
		return r;
	secret_free(TAKE(key->passphrase));
	buf_reset(&key->pem);
	return pkey_to_pkcs8_pem(pair, NULL, &key->pem, err);
}

/* @slow: an RSA key, or a file whose passphrase is stretched, takes software up to a second. */
static int plan_new_key(struct op *op, bool slow, int (*make)(void *arg, struct err *err),
			struct err *err)
{
	enum job_place place = op_provider_place(op);
	int r;

	op_changes_record(op, STORE_KEYS);
	op_step(op, JOB_POOL, records_check_absent);
	r = quota_adds_key(op, err);
	if (place == JOB_WORKER && make == import_object)
		op_step(op, JOB_LONG, unlock_pem);
	op_step(op, place == JOB_POOL && slow ? JOB_LONG : place, make);
	op_step(op, JOB_POOL, store_key);
	return r;
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

static int read_spec(const json_t *body, struct key_spec *spec, struct err *err)
{
	const char *type = NULL;
	int r;

	r = json_get_string(body, "type", true, &type, err);
	if (r < 0)
		return r;
	spec->type = PKEY_TYPES;
	spec->uses = KEY_USE_MAC;
	if (strcmp(type, KEY_TYPE_HMAC) != 0) {
		spec->uses = KEY_USE_SIGN;
		r = pkey_type_of_name(type, &spec->type, err);
		if (r < 0)
			return err_wrap(err, "/type");
	}
	r = key_read_uses(body, &spec->type, &spec->uses, err);
	if (r < 0)
		return r;
	r = json_get_bool(body, "export", false, &spec->exportable, err);
	if (r < 0)
		return r;
	if (spec->exportable && spec->type == PKEY_TYPES)
		return err_set(err, ERR_INVALID, "/export: an HMAC key cannot leave");
	return read_auth(body, spec, err);
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
	bool rsa;
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
	r = read_spec(body, &key->spec, err);
	if (r < 0)
		return r;
	rsa = key->spec.type != PKEY_TYPES && pkey_type_is_rsa(key->spec.type);
	if (rsa)
		op_deadline(op, RSA_CREATE_S);
	return plan_new_key(op, rsa, create_object, err);
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
	static const char *const NAMES[] = {"name", "type", "pem", "passphrase", "use"};
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
	r = key_read_uses(body, NULL, &key->uses, err);
	if (r < 0)
		return r;
	r = read_passphrase(body, key, err);
	return r < 0 ? r : plan_new_key(op, true, import_object, err);
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
	int r = keystore_key_export(p, &target, buf_slice(&key->op.record.bytes), &key->pem,
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
