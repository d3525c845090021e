/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the chip hashes itself. A restricted key signs only a digest with a ticket which says that
 * the chip made it of something that cannot be its own (Part 1, "Restricted signing keys"). No HMAC
 * covers what goes there in clear, so that digest must be the one that we computed as well.
 *
 * A message in pieces is a sequence object (Part 1, "Hash, MAC and event sequences"). It has a slot
 * like any other object, but its context is saved each time that it leaves, into the message, and
 * loaded once. It is in the chip, or its context is here, or it is lost: there is no other note of
 * that. A piece whose outcome nobody knows is lost with it, since engine_drop() empties the slots.
 */

#include <string.h>

#include "crypto/cipher.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

#define SEQUENCE_AUTH 16u

/* A sequence that begins with less gets no ticket: it is not looked at further (Part 3, 17.4). */
#define GENERATED_SIZE 4u

struct engine_message {
	uint8_t id[SLOTS_ID]; /* of its slot */
	/* Its own, so that a piece never reaches what else got its number: it has no Name. */
	uint8_t auth[SEQUENCE_AUTH];
	struct buf context;	  /* while it is not in the chip */
	struct engine_object key; /* borrowed */
	enum engine_use use;
	enum hash_alg hash;
	struct hash_stream *ours; /* ENGINE_SIGN: the digest as it must be */
	bool begun;		  /* a piece was added */
};

struct digest {
	TPM2B_DIGEST bytes;
	TPMT_TK_HASHCHECK ticket;
};

/* --- signing what the chip hashed ---------------------------------------------------------- */

static int signer_hash(const struct engine_object *key, enum hash_alg *ret_hash, struct err *err)
{
	const TPMT_ASYM_SCHEME *scheme;
	TPM2B_PUBLIC public;
	int r = public_unmarshal(key->public, &public, err);

	if (r < 0)
		return r;
	scheme = &public.publicArea.parameters.asymDetail.scheme;
	if (!(public_uses(&public) & ENGINE_SIGN) || scheme->scheme == TPM2_ALG_NULL)
		return err_set(err, ERR_INVALID, "the key has no hash of its own for messages");
	return public_hash_of_id(scheme->details.anySig.hashAlg, ret_hash, err);
}

/* By the key's own scheme. */
static int sign_digest(struct engine *engine, const struct engine_object *key,
		       const struct digest *digest, struct buf *ret_signature, struct err *err)
{
	struct key_sign sign = {
		.digest = digest->bytes,
		.scheme.scheme = TPM2_ALG_NULL,
		.ticket = digest->ticket,
	};
	const struct engine_op op = {
		.what = "signing a message", .run = key_sign_run, .arg = &sign};
	int r = key_parse(engine, key, ENGINE_SIGN, &sign.key, err);

	if (r == 0)
		r = engine_do(engine, &op, err);
	return r < 0 ? r : public_signature(sign.key.type, &sign.signature, ret_signature, err);
}

static int check_digest(const struct digest *digest, struct slice ours, struct err *err)
{
	if (!slice_equal(slice_of(digest->bytes.buffer, digest->bytes.size), ours))
		return err_set(err, ERR_TPM_FAILED, "the TPM did not hash what it was sent");
	if (digest->ticket.hierarchy == TPM2_RH_NULL)
		return err_set(err, ERR_INVALID,
			       "the message begins as what a TPM says itself; no attestation key "
			       "signs that");
	return 0;
}

struct op_hash {
	TPM2B_MAX_BUFFER data;
	TPMI_ALG_HASH hash;
	struct digest digest;
};

static TSS2_RC run_hash(struct engine *engine, void *arg)
{
	struct command command = {.code = TPM2_CC_Hash};
	struct op_hash *op = arg;
	TSS2_RC rc;

	op->digest = (struct digest){0};
	rc = Tss2_Sys_Hash_Prepare(engine->line.sys, &op->data, op->hash, TPM2_RH_OWNER);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_Hash_Complete(engine->line.sys, &op->digest.bytes,
					    &op->digest.ticket);
	return rc;
}

int engine_sign_message(struct engine *engine, const struct engine_object *key,
			struct slice message, struct buf *ret_signature, struct err *err)
{
	struct op_hash hash = {0};
	const struct engine_op op = {.what = "hashing a message", .run = run_hash, .arg = &hash};
	uint8_t ours[HASH_MAX_SIZE];
	enum hash_alg alg;
	int r = signer_hash(key, &alg, err);

	if (r < 0)
		return r;
	hash.hash = public_hash_id(alg);
	r = piece_take(message, &hash.data, err);
	if (r == 0)
		r = hash_digest(alg, &message, 1, ours, err);
	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r == 0)
		r = check_digest(&hash.digest, slice_of(ours, hash_size(alg)), err);
	return r < 0 ? r : sign_digest(engine, key, &hash.digest, ret_signature, err);
}

/* --- sequences ----------------------------------------------------------------------------- */

static struct slice auth_of(const struct engine_message *message)
{
	return slice_of(message->auth, sizeof(message->auth));
}

static void entered(struct engine *engine, struct engine_message *message, uint32_t handle)
{
	static const struct engine_name no_name = {.len = 0}; /* Part 1, "Names" */
	struct slot *slot = slots_put(&engine->slots, message->id, handle, &no_name);

	slot->keep = &message->context;
	buf_reset(&message->context);
}

static TSS2_RC lost(struct engine *engine)
{
	(void)err_set(&engine->line.fault, ERR_CONFLICT,
		      "the TPM was reset or lost while the message was under way");
	(void)err_add_remedy(&engine->line.fault, "Send the whole message again.");
	return COMMAND_OURS;
}

/* The context says how the sequence stood when it left; what was done since, it has not seen. */
static TSS2_RC resident_sequence(struct engine *engine, struct engine_message *message,
				 uint32_t *ret_handle)
{
	struct slot *slot = slots_find(&engine->slots, message->id);
	TSS2_RC rc;

	if (slot) {
		*ret_handle = slot->handle;
		return TSS2_RC_SUCCESS;
	}
	if (!message->context.len)
		return lost(engine);
	rc = resident_room(engine, 1, 1);
	if (!rc)
		rc = chip_context_load(engine, buf_slice(&message->context), ret_handle);
	if (rc_is_layer(rc) || rc_is_warning(rc))
		return rc;
	if (rc) {
		buf_reset(&message->context);
		return lost(engine);
	}
	entered(engine, message, *ret_handle);
	return TSS2_RC_SUCCESS;
}

/* A command to the sequence; its buffer is a secret when it goes into a MAC. */
static struct command sequence_command(const struct engine_message *message, uint32_t code)
{
	bool secret = message->use == ENGINE_MAC;

	return (struct command){
		.code = code,
		.names = {slice_of(NULL, 0)},
		.name_count = 1,
		.authorised = true,
		.auth = auth_of(message),
		.secret_in = secret,
		.secret_out = secret && code == TPM2_CC_SequenceComplete,
	};
}

struct op_start {
	struct engine_message *message;
	struct loadable key;
};

static TSS2_RC start_mac(struct engine *engine, struct op_start *op, const TPM2B_AUTH *auth,
			 uint32_t *ret_handle)
{
	struct command command = {
		.code = TPM2_CC_HMAC_Start, .secret_in = true, .answer_handles = 1};
	struct root key;
	TSS2_RC rc = key_command(engine, &op->key, &key, &command);

	if (!rc)
		rc = resident_room(engine, 1, 1);
	if (rc)
		return rc;
	rc = Tss2_Sys_HMAC_Start_Prepare(engine->line.sys, key.handle, auth, TPM2_ALG_SHA256);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_HMAC_Start_Complete(engine->line.sys, ret_handle);
	return rc;
}

static TSS2_RC start_hash(struct engine *engine, const struct op_start *op, const TPM2B_AUTH *auth,
			  uint32_t *ret_handle)
{
	struct command command = {
		.code = TPM2_CC_HashSequenceStart, .secret_in = true, .answer_handles = 1};
	TSS2_RC rc = resident_room(engine, 1, 1);

	if (rc)
		return rc;
	rc = Tss2_Sys_HashSequenceStart_Prepare(engine->line.sys, auth,
						public_hash_id(op->message->hash));
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_HashSequenceStart_Complete(engine->line.sys, ret_handle);
	return rc;
}

static TSS2_RC run_start(struct engine *engine, void *arg)
{
	struct op_start *op = arg;
	TPM2B_AUTH auth = {.size = SEQUENCE_AUTH};
	uint32_t handle = 0;
	TSS2_RC rc;

	memcpy(auth.buffer, op->message->auth, SEQUENCE_AUTH);
	rc = op->message->use == ENGINE_MAC ? start_mac(engine, op, &auth, &handle)
					    : start_hash(engine, op, &auth, &handle);
	wipe(&auth, sizeof(auth));
	line_wipe(&engine->line);
	if (!rc && !chip_is_of(handle, GROUP_TRANSIENT))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc)
		entered(engine, op->message, handle);
	return rc;
}

struct op_piece {
	struct engine_message *message;
	TPM2B_MAX_BUFFER piece;
	struct digest result; /* of the last one */
};

static TSS2_RC run_add(struct engine *engine, void *arg)
{
	struct op_piece *op = arg;
	struct command command = sequence_command(op->message, TPM2_CC_SequenceUpdate);
	uint32_t handle;
	TSS2_RC rc = resident_sequence(engine, op->message, &handle);

	if (rc)
		return rc;
	rc = Tss2_Sys_SequenceUpdate_Prepare(engine->line.sys, handle, &op->piece);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_SequenceUpdate_Complete(engine->line.sys);
	line_wipe(&engine->line);
	return rc;
}

static TSS2_RC run_end(struct engine *engine, void *arg)
{
	struct op_piece *op = arg;
	struct command command = sequence_command(op->message, TPM2_CC_SequenceComplete);
	uint32_t handle;
	TSS2_RC rc = resident_sequence(engine, op->message, &handle);

	if (rc)
		return rc;
	op->result = (struct digest){0};
	rc = Tss2_Sys_SequenceComplete_Prepare(engine->line.sys, handle, &op->piece, TPM2_RH_OWNER);
	if (!rc)
		rc = command_run(&engine->line, &command);
	/* With that the chip itself has flushed it. */
	if (!rc)
		slots_leave(&engine->slots, slots_find(&engine->slots, op->message->id));
	if (!rc)
		rc = Tss2_Sys_SequenceComplete_Complete(engine->line.sys, &op->result.bytes,
							&op->result.ticket);
	line_wipe(&engine->line);
	return rc;
}

/* --- messages ------------------------------------------------------------------------------ */

static struct engine_message **place_of(struct engine *engine, const struct engine_message *message)
{
	size_t i;

	for (i = 0; i < ENGINE_MESSAGES_MAX; i++)
		if (engine->messages[i] == message)
			return &engine->messages[i];
	return NULL;
}

static void message_free(struct engine_message *message)
{
	if (!message)
		return;
	hash_stream_free(message->ours);
	buf_fini(&message->context);
	wipe(message, sizeof(*message));
	free(message);
}

static void message_cleanup(struct engine_message **message)
{
	message_free(*message);
}

/* The chip drops zeros at the end of a password (Part 1, "Authorization Values"). */
static int auth_make(uint8_t ret_auth[SEQUENCE_AUTH], struct err *err)
{
	int r = cipher_random(ret_auth, SEQUENCE_AUTH, err);

	ret_auth[SEQUENCE_AUTH - 1] |= 1;
	return r;
}

static int message_new(const struct engine_object *key, enum engine_use use,
		       struct engine_message **ret_message, struct err *err)
{
	CLEANUP(message_cleanup) struct engine_message *message = calloc(1, sizeof(*message));
	int r;

	if (!message)
		return err_set(err, ERR_INTERNAL, "out of memory");
	message->context = (struct buf)BUF_INIT(SLOTS_CONTEXT_MAX);
	message->key = *key;
	message->use = use;
	message->hash = HASH_SHA256;
	r = cipher_random(message->id, sizeof(message->id), err);
	if (r == 0)
		r = auth_make(message->auth, err);
	if (r == 0 && use == ENGINE_SIGN)
		r = signer_hash(key, &message->hash, err);
	if (r == 0 && use == ENGINE_SIGN)
		r = hash_stream_new(message->hash, &message->ours, err);
	if (r == 0)
		*ret_message = TAKE(message);
	return r;
}

int engine_message_start(struct engine *engine, const struct engine_object *key,
			 enum engine_use use, struct engine_message **ret_message, struct err *err)
{
	CLEANUP(message_cleanup) struct engine_message *message = NULL;
	struct engine_message **place = place_of(engine, NULL);
	struct op_start start = {0};
	const struct engine_op op = {
		.what = "beginning a message", .run = run_start, .arg = &start};
	int r;

	if (!place)
		return err_set(err, ERR_TPM_BUSY, "%u long messages are under way in the TPM",
			       ENGINE_MESSAGES_MAX);
	r = key_parse(engine, key, use, &start.key, err);
	if (r == 0)
		r = message_new(key, use, &message, err);
	if (r < 0)
		return r;
	start.message = message;
	r = engine_do(engine, &op, err);
	if (r == 0)
		*ret_message = *place = TAKE(message);
	return r;
}

/* One piece to the chip, and to our own hash. */
static int piece_send(struct engine *engine, const struct engine_op *op, struct slice piece,
		      struct err *err)
{
	struct op_piece *in = op->arg;
	int r = piece_take(piece, &in->piece, err);

	if (r == 0)
		r = engine_do(engine, op, err);
	if (r == 0 && in->message->ours)
		r = hash_stream_add(in->message->ours, piece, err);
	in->message->begun = true;
	return r;
}

int engine_message_add(struct engine *engine, struct engine_message *message, struct slice piece,
		       struct err *err)
{
	struct op_piece add = {.message = message};
	const struct engine_op op = {.what = "hashing a piece", .run = run_add, .arg = &add};
	int r = piece_send(engine, &op, piece, err);

	wipe(&add.piece, sizeof(add.piece));
	return r;
}

static int sign_result(struct engine *engine, struct engine_message *message,
		       const struct digest *digest, struct buf *ret_signature, struct err *err)
{
	uint8_t ours[HASH_MAX_SIZE];
	int r = hash_stream_end(message->ours, ours, err);

	if (r == 0)
		r = check_digest(digest, slice_of(ours, hash_size(message->hash)), err);
	return r < 0 ? r : sign_digest(engine, &message->key, digest, ret_signature, err);
}

int engine_message_end(struct engine *engine, struct engine_message *message, struct slice last,
		       struct buf *ret_result, struct err *err)
{
	struct op_piece end = {.message = message};
	const struct engine_op op = {.what = "ending a message", .run = run_end, .arg = &end};
	int r;

	if (message->ours && !message->begun && last.len < GENERATED_SIZE)
		return engine_sign_message(engine, &message->key, last, ret_result, err);
	r = piece_send(engine, &op, last, err);
	if (r == 0)
		r = message->use == ENGINE_MAC
			    ? mac_take(&end.result.bytes, ret_result, err)
			    : sign_result(engine, message, &end.result, ret_result, err);
	wipe(&end, sizeof(end));
	return r;
}

void engine_message_free(struct engine *engine, struct engine_message *message)
{
	if (!message)
		return;
	resident_forget(engine, message->id);
	*place_of(engine, message) = NULL;
	message_free(message);
}
