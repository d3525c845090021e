/* SPDX-License-Identifier: Apache-2.0 */
/* What keys do beside signing: decrypt, agree, MAC. One step of the provider with a hot record. */
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "service/key.h"
#include "service/message.h"
#include "service/routes.h"

#define CIPHERTEXT_MAX 384u
#define LABEL_MAX      (PROVIDER_LABEL_MAX - 1u) /* without its NUL */
#define PEER_MAX       4096u

/* One text for every cause: which one it was would help to find the plaintext. */
#define DOES_NOT_OPEN "the ciphertext does not open with this key, hash and label"

static void answer_secret(struct op *op, const char *member, const struct secret *secret)
{
	op_answer_json(op, 200,
		       json_pack("{s:o, s:s}", member, op_json_base64(secret_slice(secret)),
				 "protection", op->provider->ops->protection));
}

/* --- decrypt --- */

struct decrypt_op {
	struct op op;
	struct decrypt_request request; /* borrows from the next two */
	struct buf ciphertext;
	uint8_t label[PROVIDER_LABEL_MAX];
	struct secret *plain;
};

static size_t modulus_size(enum pkey_type type)
{
	return type == PKEY_RSA_3072 ? 384 : 256;
}

static int decrypt_object(void *arg, struct err *err)
{
	struct decrypt_op *decrypt = arg;
	const struct keystore_target target = op_target(&decrypt->op, BLOB_KEY);
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	struct provider *p;
	int r;

	r = key_describe_for(&decrypt->op, KEY_USE_DECRYPT, &key, err);
	if (r < 0)
		return r;
	if (decrypt->request.ciphertext.len != modulus_size(key.type))
		return err_set(err, ERR_INVALID, "/ciphertext: must have %zu bytes",
			       modulus_size(key.type));
	p = op_provider_enter(&decrypt->op);
	r = keystore_key_decrypt(p, &target, buf_slice(&decrypt->op.record.bytes),
				 &decrypt->request, &decrypt->plain, err);
	if (r == ERR_DAMAGED)
		(void)err_set(err, ERR_DAMAGED, DOES_NOT_OPEN);
	return op_provider_leave(&decrypt->op, r);
}

static int read_label(const json_t *body, struct decrypt_op *decrypt, struct err *err)
{
	CLEANUP(buf_fini) struct buf label = BUF_INIT(LABEL_MAX);
	int r = json_get_bytes(body, "label", false, &label, err);

	if (r == ERR_TOO_LARGE)
		return err_set(err, ERR_INVALID, "/label: has at most %u bytes", LABEL_MAX);
	if (r < 0)
		return r;
	if (label.len == 0)
		return 0;
	if (memchr(label.data, 0, label.len))
		return err_set(err, ERR_INVALID, "/label: must have no NUL; the service adds one");
	memcpy(decrypt->label, label.data, label.len);
	decrypt->request.label = slice_of(decrypt->label, label.len + 1);
	return 0;
}

static int read_ciphertext(const json_t *body, struct decrypt_op *decrypt, struct err *err)
{
	int r;

	decrypt->ciphertext = (struct buf)BUF_INIT(CIPHERTEXT_MAX);
	r = json_get_bytes(body, "ciphertext", true, &decrypt->ciphertext, err);
	if (r == ERR_TOO_LARGE)
		return err_set(err, ERR_INVALID, "/ciphertext: as long as the modulus of the key");
	decrypt->request.ciphertext = buf_slice(&decrypt->ciphertext);
	return r;
}

static int prepare_decrypt(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"ciphertext", "hash", "label"};
	struct decrypt_op *decrypt = (struct decrypt_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_name_and_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = read_ciphertext(body, decrypt, err);
	if (r < 0)
		return r;
	r = key_read_hash(body, &decrypt->request.hash, err);
	if (r < 0)
		return r;
	r = read_label(body, decrypt, err);
	if (r < 0)
		return r;
	op_reads_record(op, STORE_KEYS);
	op_step(op, op_provider_place(op), decrypt_object);
	return 0;
}

static void answer_decrypt(struct op *op)
{
	answer_secret(op, "data", ((struct decrypt_op *)op)->plain);
}

static void fini_decrypt(struct op *op)
{
	struct decrypt_op *decrypt = (struct decrypt_op *)op;

	buf_fini(&decrypt->ciphertext);
	secret_free(decrypt->plain);
}

static const struct op_kind DECRYPT = {
	.operation = METRICS_KEY_DECRYPT,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct decrypt_op),
	.prepare = prepare_decrypt,
	.answer = answer_decrypt,
	.fini = fini_decrypt,
};

void service_key_decrypt(struct http_request *request, void *app)
{
	op_run(app, request, &DECRYPT);
}

/* --- agree --- */

struct agree_op {
	struct op op;
	struct buf pem;
	struct pkey *peer;
	struct secret *shared;
};

static int read_peer(void *arg, struct err *err)
{
	struct agree_op *agree = arg;
	int r = pkey_from_pem(buf_slice(&agree->pem), &agree->peer, err);

	return r < 0 ? err_wrap(err, "/peer") : 0;
}

static int agree_object(void *arg, struct err *err)
{
	struct agree_op *agree = arg;
	const struct keystore_target target = op_target(&agree->op, BLOB_KEY);
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	struct provider *p;
	int r;

	r = key_describe_for(&agree->op, KEY_USE_AGREE, &key, err);
	if (r < 0)
		return r;
	if (pkey_type(agree->peer) != key.type)
		return err_set(err, ERR_INVALID, "/peer: is of type %s, the key of type %s",
			       pkey_type_name(pkey_type(agree->peer)), pkey_type_name(key.type));
	p = op_provider_enter(&agree->op);
	r = keystore_key_agree(p, &target, buf_slice(&agree->op.record.bytes), agree->peer,
			       &agree->shared, err);
	return op_provider_leave(&agree->op, r);
}

static int prepare_agree(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"peer"};
	struct agree_op *agree = (struct agree_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	const char *peer = NULL;
	int r;

	r = op_name_and_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = json_get_string(body, "peer", true, &peer, err);
	if (r < 0)
		return r;
	agree->pem = (struct buf)BUF_INIT(PEER_MAX);
	buf_put_str(&agree->pem, peer);
	if (!buf_ok(&agree->pem))
		return err_set(err, ERR_TOO_LARGE, "/peer: over %u bytes", PEER_MAX);
	op_reads_record(op, STORE_KEYS);
	op_step(op, JOB_POOL, read_peer);
	op_step(op, op_provider_place(op), agree_object);
	return 0;
}

static void answer_agree(struct op *op)
{
	answer_secret(op, "secret", ((struct agree_op *)op)->shared);
}

static void fini_agree(struct op *op)
{
	struct agree_op *agree = (struct agree_op *)op;

	buf_fini(&agree->pem);
	pkey_free(agree->peer);
	secret_free(agree->shared);
}

static const struct op_kind AGREE = {
	.operation = METRICS_KEY_AGREE,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct agree_op),
	.prepare = prepare_agree,
	.answer = answer_agree,
	.fini = fini_agree,
};

void service_key_agree(struct http_request *request, void *app)
{
	op_run(app, request, &AGREE);
}

/* --- mac --- */

static int check_mac(struct message_op *message, struct err *err)
{
	return key_check_use(message->op.name, &message->key, KEY_USE_MAC, err);
}

static int prepare_mac(struct op *op, struct err *err)
{
	static const char *const NAMES[] = {"data"};
	struct message_op *message = (struct message_op *)op;
	CLEANUP(json_cleanup) struct json_t *body = NULL;
	int r;

	r = op_name_and_body(op, NAMES, ARRAY_LEN(NAMES), &body, err);
	if (r < 0)
		return r;
	r = json_get_secret(body, "data", true, MESSAGE_MAX, &message->message, err);
	if (r < 0)
		return r;
	message->check = check_mac;
	message->whole = keystore_key_mac;
	return message_plan(message, STORE_KEYS, err);
}

static void answer_mac(struct op *op)
{
	const struct message_op *message = (const struct message_op *)op;

	op_answer_json(op, 200,
		       json_pack("{s:o, s:s}", "mac", op_json_base64(buf_slice(&message->result)),
				 "protection", op->provider->ops->protection));
}

static const struct op_kind MAC = {
	.operation = METRICS_KEY_MAC,
	.needs = OP_NEEDS_PROVIDER,
	.size = sizeof(struct message_op),
	.prepare = prepare_mac,
	.turn = message_turn,
	.answer = answer_mac,
	.sweep = message_sweep,
	.fini = message_fini,
};

void service_key_mac(struct http_request *request, void *app)
{
	op_run(app, request, &MAC);
}
