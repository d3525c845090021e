/* SPDX-License-Identifier: Apache-2.0 */
/* Signing. With the record in the cache and a digest in hand it is one step: the chip's. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"
#include "service/key.h"
#include "service/routes.h"

#define SIGNATURE_MAX 1024u

struct sign_op {
	struct op op;
	struct secret *message; /* NULL when a digest was given, or once it is hashed */
	uint8_t digest[HASH_MAX_SIZE];
	struct sign_request request;
	bool scheme_given;
	bool raw;
	struct buf signature;
};

static int hash_message(void *arg, struct err *err)
{
	struct sign_op *sign = arg;
	const struct slice part = secret_slice(sign->message);

	return hash_digest(sign->request.hash, &part, 1, sign->digest, err);
}

/* The key's type says which schemes there are, and which one is meant when none is named. */
static int settle_scheme(struct sign_op *sign, enum pkey_type type, struct err *err)
{
	bool rsa = pkey_type_is_rsa(type);

	if (!sign->scheme_given)
		sign->request.scheme = rsa ? PKEY_RSASSA : PKEY_ECDSA;
	if (rsa == (sign->request.scheme == PKEY_ECDSA))
		return err_set(err, ERR_INVALID, "/scheme: %s does not fit a key of type %s",
			       pkey_scheme_name(sign->request.scheme), pkey_type_name(type));
	if (sign->raw && rsa)
		return err_set(err, ERR_INVALID, "/format: raw is for ECDSA only");
	return 0;
}

static int sign_digest(struct sign_op *sign, struct buf *ret_der, struct err *err)
{
	const struct keystore_target target = op_target(&sign->op, BLOB_KEY);
	struct provider *p = op_provider_enter(&sign->op);
	int r = keystore_key_sign(p, &target, buf_slice(&sign->op.record.bytes), &sign->request,
				  ret_der, err);

	return op_provider_leave(&sign->op, r);
}

static int sign_object(void *arg, struct err *err)
{
	struct sign_op *sign = arg;
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	CLEANUP(buf_fini) struct buf der = BUF_INIT(SIGNATURE_MAX);
	int r;

	r = key_describe_for(&sign->op, KEY_USE_SIGN, &key, err);
	if (r < 0)
		return r;
	r = settle_scheme(sign, key.type, err);
	if (r < 0)
		return r;
	sign->request.digest = slice_of(sign->digest, hash_size(sign->request.hash));
	if (!sign->raw)
		return sign_digest(sign, &sign->signature, err);
	r = sign_digest(sign, &der, err);
	if (r < 0)
		return r;
	return pkey_ecdsa_raw(key.type, buf_slice(&der), &sign->signature, err);
}

/* --- the request --- */

static int read_scheme(const json_t *body, struct sign_op *sign, struct err *err)
{
	const char *word = NULL;
	int r;

	r = json_get_string(body, "scheme", false, &word, err);
	if (r < 0 || !word)
		return r;
	sign->scheme_given = true;
	r = pkey_scheme_of_name(word, &sign->request.scheme, err);
	return r < 0 ? err_wrap(err, "/scheme") : 0;
}

static int read_format(const json_t *body, bool *ret_raw, struct err *err)
{
	const char *word = "der";
	int r;

	r = json_get_string(body, "format", false, &word, err);
	if (r < 0)
		return r;
	if (strcmp(word, "der") != 0 && strcmp(word, "raw") != 0)
		return err_set(err, ERR_INVALID, "/format: must be \"der\" or \"raw\"");
	*ret_raw = strcmp(word, "raw") == 0;
	return 0;
}

static int read_message(const json_t *body, struct sign_op *sign, struct err *err)
{
	int r;

	r = json_get_secret(body, "message", true, SERVICE_JSON_MAX, &sign->message, err);
	if (r < 0)
		return r;
	if (secret_size(sign->message) <= KEY_HASH_INLINE_MAX)
		return hash_message(sign, err);
	op_step(&sign->op, JOB_POOL, hash_message);
	return 0;
}

static int read_content(const json_t *body, struct sign_op *sign, struct err *err)
{
	bool has_digest = json_object_get(body, "digest") != NULL;

	if (has_digest == (json_object_get(body, "message") != NULL))
		return err_set(err, ERR_INVALID,
			       "/digest, /message: exactly one of the two must be given");
	return has_digest ? key_read_digest(body, sign->request.hash, sign->digest, err)
			  : read_message(body, sign, err);
}

static int read_request(struct sign_op *sign, struct err *err)
{
	static const char *const NAMES[] = {"digest", "message", "hash", "scheme", "format"};
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_body(&sign->op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = key_read_hash(body, &sign->request.hash, err);
	if (r < 0)
		return r;
	r = read_scheme(body, sign, err);
	if (r < 0)
		return r;
	r = read_format(body, &sign->raw, err);
	if (r < 0)
		return r;
	return read_content(body, sign, err);
}

static int prepare(struct op *op, struct err *err)
{
	struct sign_op *sign = (struct sign_op *)op;
	int r;

	sign->signature = (struct buf)BUF_INIT(SIGNATURE_MAX);
	r = op_name_of_path(op, err);
	if (r < 0)
		return r;
	r = read_request(sign, err);
	if (r < 0)
		return r;
	op_reads_record(op, STORE_KEYS);
	op_step(op, op_provider_place(op), sign_object);
	return 0;
}

static void answer(struct op *op)
{
	const struct sign_op *sign = (const struct sign_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:o, s:s, s:s, s:s, s:s}", "signature",
				 op_json_base64(buf_slice(&sign->signature)), "protection",
				 op->provider->ops->protection, "hash",
				 hash_name(sign->request.hash), "scheme",
				 pkey_scheme_name(sign->request.scheme), "format",
				 sign->raw ? "raw" : "der"));
}

static void fini(struct op *op)
{
	struct sign_op *sign = (struct sign_op *)op;

	secret_free(sign->message);
	wipe(sign->digest, sizeof(sign->digest));
	buf_fini(&sign->signature);
}

static const struct op_kind SIGN = {
	.operation = METRICS_KEY_SIGN,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct sign_op),
	.prepare = prepare,
	.answer = answer,
	.fini = fini,
};

void service_key_sign(struct http_request *request, void *app)
{
	op_run(app, request, &SIGN);
}
