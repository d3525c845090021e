/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Uses of keys: one TPM command each, when the key is in the chip. What a key was not made for is
 * told before the chip is asked. Whatever may be a secret is encrypted by the session: what is
 * decrypted and agreed on, and both sides of an HMAC.
 */

#include <string.h>

#include "crypto/pkey_parts.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

#define MAC_SIZE 32u

static const char *const doings[] = {
	[ENGINE_SIGN] = "sign",
	[ENGINE_DECRYPT] = "decrypt",
	[ENGINE_AGREE] = "agree on secrets",
	[ENGINE_MAC] = "make MACs",
};

static int check_use(unsigned uses, enum engine_use use, struct err *err)
{
	if (!uses)
		return err_set(err, ERR_NOT_SUPPORTED, "a key of a type that is not served");
	if (!(uses & use))
		return err_set(err, ERR_INVALID, "the key was not made to %s", doings[use]);
	return 0;
}

int key_parse(struct engine *engine, const struct engine_object *key, enum engine_use use,
	      struct loadable *ret_key, struct err *err)
{
	int r = loadable_parse(engine, key, ret_key, err);

	return r < 0 ? r : check_use(ret_key->uses, use, err);
}

TSS2_RC key_command(struct engine *engine, struct loadable *key, struct root *ret_root,
		    struct command *command)
{
	TSS2_RC rc = resident_object(engine, key, ret_root);

	if (rc)
		return rc;
	command->names[0] = name_slice(&ret_root->name);
	command->name_count = 1;
	command->authorised = true;
	command->auth = key->auth;
	return TSS2_RC_SUCCESS;
}

/* --- sign ---------------------------------------------------------------------------------- */

TSS2_RC key_sign_by(struct engine *engine, uint32_t handle, const struct command *command,
		    struct key_sign *sign)
{
	TSS2_RC rc = Tss2_Sys_Sign_Prepare(engine->line.sys, handle, &sign->digest, &sign->scheme,
					   &sign->ticket);

	if (!rc)
		rc = command_run(&engine->line, command);
	if (!rc)
		rc = Tss2_Sys_Sign_Complete(engine->line.sys, &sign->signature);
	return rc;
}

TSS2_RC key_sign_run(struct engine *engine, void *arg)
{
	struct key_sign *op = arg;
	struct command command = {.code = TPM2_CC_Sign};
	struct root root;
	TSS2_RC rc = key_command(engine, &op->key, &root, &command);

	return rc ? rc : key_sign_by(engine, root.handle, &command, op);
}

int key_sign_take(const struct engine_sign *request, struct key_sign *op, struct err *err)
{
	if (request->digest.len != hash_size(request->hash))
		return err_set(err, ERR_INVALID, "the digest has the wrong length");
	op->digest.size = (UINT16)request->digest.len;
	memcpy(op->digest.buffer, request->digest.data, request->digest.len);
	op->scheme.scheme = public_scheme_id(request->scheme);
	op->scheme.details.any.hashAlg = public_hash_id(request->hash);
	op->ticket = (TPMT_TK_HASHCHECK){.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
	return 0;
}

int key_sign_fits(enum pkey_type type, unsigned uses, enum pkey_scheme scheme, struct err *err)
{
	int r = check_use(uses, ENGINE_SIGN, err);

	if (r == 0 && pkey_type_is_rsa(type) == (scheme == PKEY_ECDSA))
		r = err_set(err, ERR_INVALID, "scheme %s does not fit a key of type %s",
			    pkey_scheme_name(scheme), pkey_type_name(type));
	return r;
}

int engine_sign(struct engine *engine, const struct engine_object *key,
		const struct engine_sign *request, struct buf *ret_signature, struct err *err)
{
	struct key_sign sign = {0};
	const struct engine_op op = {.what = "signing", .run = key_sign_run, .arg = &sign};
	int r = key_sign_take(request, &sign, err);

	if (r == 0)
		r = loadable_parse(engine, key, &sign.key, err);
	if (r == 0)
		r = key_sign_fits(sign.key.type, sign.key.uses, request->scheme, err);
	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r < 0)
		return r;
	return public_signature(sign.key.type, &sign.signature, ret_signature, err);
}

/* --- decrypt ------------------------------------------------------------------------------- */

struct op_decrypt {
	struct loadable key;
	TPM2B_PUBLIC_KEY_RSA ciphertext, plain;
	TPMT_RSA_DECRYPT scheme;
	TPM2B_DATA label;
};

/* Lengths were looked at before, so whatever is wrong with a parameter is the padding. */
static TSS2_RC decrypt_rc(struct engine *engine, TSS2_RC rc)
{
	uint32_t base = rc_base(rc);

	if (rc_is_layer(rc) || rc_is_stale(rc) ||
	    (base != TPM2_RC_VALUE && base != TPM2_RC_SIZE && base != TPM2_RC_FAILURE) ||
	    (base == TPM2_RC_FAILURE && !chip_is_well(engine)))
		return rc;
	(void)err_set(&engine->line.fault, ERR_DAMAGED,
		      "the ciphertext does not open with this key, hash and label");
	return COMMAND_OURS;
}

static TSS2_RC run_decrypt(struct engine *engine, void *arg)
{
	struct op_decrypt *op = arg;
	struct command command = {.code = TPM2_CC_RSA_Decrypt, .secret_out = true};
	struct root root;
	TSS2_RC rc = key_command(engine, &op->key, &root, &command);

	if (rc)
		return rc;
	rc = Tss2_Sys_RSA_Decrypt_Prepare(engine->line.sys, root.handle, &op->ciphertext,
					  &op->scheme, &op->label);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_RSA_Decrypt_Complete(engine->line.sys, &op->plain);
	line_wipe(&engine->line);
	return rc ? decrypt_rc(engine, rc) : rc;
}

static int decrypt_prepare(struct engine *engine, struct op_decrypt *op,
			   const struct engine_object *key, const struct engine_decrypt *request,
			   struct err *err)
{
	int r = key_parse(engine, key, ENGINE_DECRYPT, &op->key, err);

	if (r < 0)
		return r;
	if (request->ciphertext.len != public_type_size(op->key.type))
		return err_set(err, ERR_INVALID, "a ciphertext for this key has %zu bytes",
			       public_type_size(op->key.type));
	if (request->label.len > sizeof(op->label.buffer))
		return err_set(err, ERR_INVALID, "a label is longer than the TPM takes");
	op->ciphertext.size = (UINT16)request->ciphertext.len;
	memcpy(op->ciphertext.buffer, request->ciphertext.data, request->ciphertext.len);
	op->label.size = (UINT16)request->label.len;
	if (request->label.len)
		memcpy(op->label.buffer, request->label.data, request->label.len);
	op->scheme.scheme = TPM2_ALG_OAEP;
	op->scheme.details.oaep.hashAlg = public_hash_id(request->hash);
	return 0;
}

int engine_decrypt(struct engine *engine, const struct engine_object *key,
		   const struct engine_decrypt *request, struct secret **ret_plain, struct err *err)
{
	struct op_decrypt decrypt = {0};
	const struct engine_op op = {.what = "decrypting", .run = run_decrypt, .arg = &decrypt};
	int r = decrypt_prepare(engine, &decrypt, key, request, err);

	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r == 0)
		r = secret_copy(slice_of(decrypt.plain.buffer, decrypt.plain.size), ret_plain, err);
	wipe(&decrypt, sizeof(decrypt));
	return r;
}

/* --- agree --------------------------------------------------------------------------------- */

struct op_agree {
	struct loadable key;
	TPM2B_ECC_POINT peer, shared;
};

static TSS2_RC run_agree(struct engine *engine, void *arg)
{
	struct op_agree *op = arg;
	struct command command = {.code = TPM2_CC_ECDH_ZGen, .secret_out = true};
	struct root root;
	TSS2_RC rc = key_command(engine, &op->key, &root, &command);

	if (rc)
		return rc;
	rc = Tss2_Sys_ECDH_ZGen_Prepare(engine->line.sys, root.handle, &op->peer);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_ECDH_ZGen_Complete(engine->line.sys, &op->shared);
	line_wipe(&engine->line);
	return rc;
}

/* A chip may leave out zeros at the front. */
static int take_x(const TPM2B_ECC_PARAMETER *x, size_t size, struct secret **ret_x, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *padded = NULL;
	int r;

	if (x->size > size)
		return err_set(err, ERR_TPM_FAILED, "the TPM answered with a point of %u bytes",
			       x->size);
	r = secret_new(size, &padded, err);
	if (r < 0)
		return r;
	memcpy(secret_data(padded) + size - x->size, x->buffer, x->size);
	*ret_x = TAKE(padded);
	return 0;
}

int engine_agree(struct engine *engine, const struct engine_object *key, const struct pkey *peer,
		 struct secret **ret_shared, struct err *err)
{
	struct op_agree agree = {0};
	const struct engine_op op = {.what = "agreeing", .run = run_agree, .arg = &agree};
	struct pkey_point point;
	int r = key_parse(engine, key, ENGINE_AGREE, &agree.key, err);

	if (r == 0 && pkey_type(peer) != agree.key.type)
		r = err_set(err, ERR_INVALID, "the peer's key is %s, this one %s",
			    pkey_type_name(pkey_type(peer)), pkey_type_name(agree.key.type));
	if (r == 0)
		r = pkey_point(peer, &point, err);
	if (r < 0)
		return r;
	public_point(&point, &agree.peer.point);
	r = engine_do(engine, &op, err);
	if (r == 0)
		r = take_x(&agree.shared.point.x, point.size, ret_shared, err);
	wipe(&agree, sizeof(agree));
	return r;
}

/* --- MAC ----------------------------------------------------------------------------------- */

int piece_take(struct slice piece, TPM2B_MAX_BUFFER *ret_buffer, struct err *err)
{
	if (piece.len > sizeof(ret_buffer->buffer))
		return err_set(err, ERR_INVALID, "%zu bytes are more than the TPM takes at once",
			       piece.len);
	ret_buffer->size = (UINT16)piece.len;
	if (piece.len)
		memcpy(ret_buffer->buffer, piece.data, piece.len);
	return 0;
}

int mac_take(const TPM2B_DIGEST *mac, struct buf *ret_mac, struct err *err)
{
	if (mac->size != MAC_SIZE)
		return err_set(err, ERR_TPM_FAILED, "the TPM answered with a MAC of %u bytes",
			       mac->size);
	buf_put(ret_mac, slice_of(mac->buffer, mac->size));
	return buf_ok(ret_mac) ? 0 : err_set(err, ERR_INTERNAL, "a MAC does not fit its buffer");
}

struct op_mac {
	struct loadable key;
	TPM2B_MAX_BUFFER data;
	TPM2B_DIGEST mac;
};

static TSS2_RC run_mac(struct engine *engine, void *arg)
{
	struct op_mac *op = arg;
	struct command command = {.code = TPM2_CC_HMAC, .secret_in = true, .secret_out = true};
	struct root root;
	TSS2_RC rc = key_command(engine, &op->key, &root, &command);

	if (rc)
		return rc;
	rc = Tss2_Sys_HMAC_Prepare(engine->line.sys, root.handle, &op->data, TPM2_ALG_SHA256);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_HMAC_Complete(engine->line.sys, &op->mac);
	line_wipe(&engine->line);
	return rc;
}

int engine_mac(struct engine *engine, const struct engine_object *key, struct slice data,
	       struct buf *ret_mac, struct err *err)
{
	struct op_mac mac = {0};
	const struct engine_op op = {.what = "making a MAC", .run = run_mac, .arg = &mac};
	int r = key_parse(engine, key, ENGINE_MAC, &mac.key, err);

	if (r == 0)
		r = piece_take(data, &mac.data, err);
	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r == 0)
		r = mac_take(&mac.mac, ret_mac, err);
	wipe(&mac, sizeof(mac));
	return r;
}
