/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Operations on objects. Each is a small argument struct and one function that speaks to the chip
 * and may be run again from the start; everything that can fail for our own reasons happens before
 * or after it.
 */

#include <string.h>

#include "tpm/impl.h"
#include "tpm/rc.h"

void engine_made_fini(struct engine_made *made)
{
	buf_fini(&made->public);
	buf_fini(&made->private);
}

/* --- random -------------------------------------------------------------------------------- */

struct op_random {
	uint8_t *bytes;
	size_t len;
};

static TSS2_RC run_random(struct engine *engine, void *arg)
{
	struct command command = {.code = TPM2_CC_GetRandom, .secret_out = true};
	struct op_random *op = arg;
	TPM2B_DIGEST digest = {0};
	TSS2_RC rc;

	rc = Tss2_Sys_GetRandom_Prepare(engine->line.sys, (UINT16)op->len);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_GetRandom_Complete(engine->line.sys, &digest);
	if (!rc && digest.size != op->len)
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	if (!rc)
		memcpy(op->bytes, digest.buffer, op->len);
	wipe(&digest, sizeof(digest));
	line_wipe(&engine->line);
	return rc;
}

int engine_random(struct engine *engine, uint8_t *ret_bytes, size_t len, struct err *err)
{
	uint8_t bytes[ENGINE_RANDOM_MAX];
	struct op_random random = {.bytes = bytes, .len = len};
	const struct engine_op op = {.what = "random", .run = run_random, .arg = &random};
	int r;

	if (len == 0 || len > sizeof(bytes))
		return err_set(err, ERR_INVALID, "%zu random bytes at once", len);
	r = engine_do(engine, &op, err);
	if (r == 0)
		memcpy(ret_bytes, bytes, len);
	wipe(bytes, sizeof(bytes));
	return r;
}

/* --- create -------------------------------------------------------------------------------- */

struct op_create {
	enum engine_parent parent;
	const TPM2B_PUBLIC *template;
	struct slice auth;
	struct slice data;
	TPM2B_PUBLIC public;
	TPM2B_PRIVATE private;
};

static TSS2_RC run_create(struct engine *engine, void *arg)
{
	struct op_create *op = arg;
	const struct resident_parent wanted = {.parent = op->parent, .more = 1};
	struct root parent;
	struct chip_create create = {
		.parent = &parent,
		.template = op->template,
		.auth = op->auth,
		.data = op->data,
	};
	TSS2_RC rc = resident_parent(engine, &wanted, &parent, &create.parent_auth);

	return rc ? rc : chip_create(engine, &create, &op->public, &op->private);
}

int made_marshal(const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
		 struct engine_made *ret_made, struct err *err)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	int r = public_marshal(public, &made.public, err);

	if (r == 0)
		r = private_marshal(private, &made.private, err);
	if (r < 0)
		return r;
	engine_made_fini(ret_made);
	*ret_made = made;
	made = (struct engine_made)ENGINE_MADE_INIT;
	return 0;
}

static int create(struct engine *engine, struct op_create *in, const char *what,
		  struct engine_made *ret_made, struct err *err)
{
	const struct engine_op op = {.what = what, .run = run_create, .arg = in};
	int r = engine_do(engine, &op, err);

	return r < 0 ? r : made_marshal(&in->public, &in->private, ret_made, err);
}

int engine_seal(struct engine *engine, struct slice auth, const struct secret *plain,
		struct engine_made *ret_made, struct err *err)
{
	TPM2B_PUBLIC template;
	struct op_create op = {
		.parent = ENGINE_HSK,
		.template = &template,
		.auth = auth,
		.data = secret_slice(plain),
	};

	public_sealed(&template);
	return create(engine, &op, "sealing", ret_made, err);
}

int engine_create_key(struct engine *engine, const struct engine_key *key,
		      struct engine_made *ret_made, struct err *err)
{
	TPM2B_PUBLIC template;
	struct op_create op = {.parent = key->parent, .template = &template, .auth = key->auth};
	int r = public_key(key->type, key->uses, &template, err);

	if (r < 0)
		return r;
	return create(engine, &op, "creating a key", ret_made, err);
}

int engine_create_aik(struct engine *engine, const struct engine_aik *aik, struct slice auth,
		      struct engine_made *ret_made, struct err *err)
{
	TPM2B_PUBLIC template;
	struct op_create op = {.parent = ENGINE_HSK, .template = &template, .auth = auth};
	int r = public_attesting(aik->type, aik->hash, &template, err);

	if (r < 0)
		return r;
	return create(engine, &op, "creating an attestation key", ret_made, err);
}

/* --- unseal -------------------------------------------------------------------------------- */

struct op_unseal {
	struct loadable object;
	TPM2B_SENSITIVE_DATA data;
};

static TSS2_RC run_unseal(struct engine *engine, void *arg)
{
	struct op_unseal *op = arg;
	struct command command = {
		.code = TPM2_CC_Unseal,
		.name_count = 1,
		.authorised = true,
		.auth = op->object.auth,
		.secret_out = true,
	};
	struct root root;
	TSS2_RC rc = resident_object(engine, &op->object, &root);

	if (rc)
		return rc;
	command.names[0] = name_slice(&root.name);
	rc = Tss2_Sys_Unseal_Prepare(engine->line.sys, root.handle);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_Unseal_Complete(engine->line.sys, &op->data);
	line_wipe(&engine->line);
	return rc;
}

int engine_unseal(struct engine *engine, const struct engine_object *object,
		  struct secret **ret_plain, struct err *err)
{
	struct op_unseal unseal = {0};
	/* Somebody else's object may have a password, and each guess be counted. */
	const struct engine_op op = {.what = "unsealing",
				     .run = run_unseal,
				     .arg = &unseal,
				     .guess = object->parent != ENGINE_HSK};
	int r = loadable_parse(engine, object, &unseal.object, err);

	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r == 0)
		r = secret_copy(slice_of(unseal.data.buffer, unseal.data.size), ret_plain, err);
	wipe(&unseal, sizeof(unseal));
	return r;
}

/* --- change of auth ------------------------------------------------------------------------ */

struct op_change {
	struct loadable object;
	TPM2B_AUTH auth;
	TPM2B_PRIVATE private;
};

static TSS2_RC run_change(struct engine *engine, void *arg)
{
	struct op_change *op = arg;
	struct command command = {
		.code = TPM2_CC_ObjectChangeAuth,
		.name_count = 2,
		.authorised = true,
		.auth = op->object.auth,
		.secret_in = true,
	};
	const struct resident_parent wanted = {.parent = op->object.parent,
					       .other = &op->object.other};
	struct root root, parent;
	struct slice unused;
	TSS2_RC rc = resident_object(engine, &op->object, &root);

	if (!rc)
		rc = resident_parent(engine, &wanted, &parent, &unused);
	if (rc)
		return rc;
	command.names[0] = name_slice(&root.name);
	command.names[1] = name_slice(&parent.name);
	rc = Tss2_Sys_ObjectChangeAuth_Prepare(engine->line.sys, root.handle, parent.handle,
					       &op->auth);
	if (!rc)
		rc = command_run(&engine->line, &command);
	if (!rc)
		rc = Tss2_Sys_ObjectChangeAuth_Complete(engine->line.sys, &op->private);
	line_wipe(&engine->line);
	return rc;
}

int engine_change_auth(struct engine *engine, const struct engine_object *object,
		       struct slice new_auth, struct buf *ret_private, struct err *err)
{
	struct op_change change = {0};
	const struct engine_op op = {.what = "changing a key's password",
				     .run = run_change,
				     .arg = &change,
				     .guess = true};
	int r;

	if (new_auth.len > sizeof(change.auth.buffer))
		return err_set(err, ERR_INVALID, "a password is longer than the TPM takes");
	change.auth.size = (UINT16)new_auth.len;
	if (new_auth.len)
		memcpy(change.auth.buffer, new_auth.data, new_auth.len);
	r = loadable_parse(engine, object, &change.object, err);
	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r == 0)
		r = private_marshal(&change.private, ret_private, err);
	wipe(&change, sizeof(change));
	return r;
}
