/* SPDX-License-Identifier: Apache-2.0 */
/* Attestation keys sign messages, which the chip hashes itself, and open challenges. */
#include <jansson.h>

#include "base/json.h"
#include "service/aiks.h"
#include "service/credential.h"
#include "service/message.h"
#include "service/routes.h"

/* --- sign --- */

struct aik_sign_op {
	struct message_op message;
	bool hash_given;
	enum hash_alg hash;
};

static int check_sign(struct message_op *message, struct err *err)
{
	const struct aik_sign_op *sign = (const struct aik_sign_op *)message;

	if (!sign->hash_given || sign->hash == message->key.hash)
		return 0;
	return err_set(err, ERR_NOT_SUPPORTED, "/hash: the attestation key %s signs with %s only",
		       message->op.name, hash_name(message->key.hash));
}

/* TPM_GENERATED_VALUE (Part 2, 6.2): who could have that signed could forge what a TPM says. */
static int check_message(struct slice message, struct err *err)
{
	static const uint8_t GENERATED[] = {0xff, 'T', 'C', 'G'};

	if (message.len == 0)
		return err_set(err, ERR_INVALID, "/message: has at least 1 byte");
	if (message.len >= sizeof(GENERATED) &&
	    slice_equal(slice_of(message.data, sizeof(GENERATED)),
			slice_of(GENERATED, sizeof(GENERATED))))
		return err_set(err, ERR_INVALID,
			       "/message: begins as what a TPM says itself; no attestation key "
			       "signs that");
	return 0;
}

static int read_sign(const json_t *body, struct aik_sign_op *sign, struct err *err)
{
	struct secret **message = &sign->message.message;
	int r;

	sign->hash_given = json_object_get(body, "hash") != NULL;
	r = key_read_hash(body, &sign->hash, err);
	if (r < 0)
		return r;
	r = json_get_secret(body, "message", true, MESSAGE_MAX, message, err);
	return r < 0 ? r : check_message(secret_slice(*message), err);
}

static int prepare_sign(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"message", "hash"};
	struct aik_sign_op *sign = (struct aik_sign_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_needs_chip(op, err);
	if (r == 0)
		r = op_name_and_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = read_sign(body, sign, err);
	if (r < 0)
		return r;
	sign->message.check = check_sign;
	sign->message.whole = keystore_aik_sign;
	return message_plan(&sign->message, STORE_AIKS, err);
}

static void answer_sign(struct op *op)
{
	const struct message_op *message = (const struct message_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:o, s:s, s:s, s:s}", "signature",
				 op_json_base64(buf_slice(&message->result)), "hash",
				 hash_name(message->key.hash), "scheme",
				 pkey_scheme_name(aik_scheme(message->key.type)), "protection",
				 op->provider->ops->protection));
}

static const struct op_kind SIGN = {
	.operation = METRICS_AIK_SIGN,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct aik_sign_op),
	.prepare = prepare_sign,
	.turn = message_turn,
	.answer = answer_sign,
	.sweep = message_sweep,
	.fini = message_fini,
};

void service_aik_sign(struct http_request *request, void *app)
{
	op_run(app, request, &SIGN);
}

/* --- activate --- */

struct activate_op {
	struct op op;
	struct credential_body body;
	struct secret *secret;
};

static int activate_object(void *arg, struct err *err)
{
	struct activate_op *activate = arg;
	const struct keystore_target target = op_target(&activate->op, BLOB_AIK);
	struct provider *p = op_provider_enter(&activate->op);
	int r = keystore_aik_activate(p, &target, buf_slice(&activate->op.record.bytes),
				      &activate->body.credential, &activate->secret, err);

	/* Nothing else of the request is the provider's to judge. */
	if (r == ERR_INVALID)
		r = err_wrap(err, "/credential");
	return op_provider_leave(&activate->op, r);
}

static int prepare_activate(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"credential", "ek"};
	struct activate_op *activate = (struct activate_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	credential_body_init(&activate->body);
	r = op_needs_chip(op, err);
	if (r == 0)
		r = op_name_and_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = credential_body_read(body, &activate->body, err);
	if (r < 0)
		return r;
	op_reads_record(op, STORE_AIKS);
	op_step(op, op_provider_place(op), activate_object);
	return 0;
}

static void answer_activate(struct op *op)
{
	const struct activate_op *activate = (const struct activate_op *)op;

	credential_answer(op, activate->secret);
}

static void fini_activate(struct op *op)
{
	struct activate_op *activate = (struct activate_op *)op;

	credential_body_fini(&activate->body);
	secret_free(activate->secret);
}

static const struct op_kind ACTIVATE = {
	.operation = METRICS_AIK_ACTIVATE,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct activate_op),
	.prepare = prepare_activate,
	.answer = answer_activate,
	.fini = fini_activate,
};

void service_aik_activate(struct http_request *request, void *app)
{
	op_run(app, request, &ACTIVATE);
}
