/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Keys of ours that the chip keeps. Whatever lies at a handle is anybody's until its Name was
 * compared; a good answer is then vouched for by what follows, since our session's HMAC covers the
 * Names of a command's handles. Bad news would be vouched for by nothing, and have consequences: so
 * before something is called gone, or another's, the chip says so in our session.
 */

#include <string.h>

#include "base/tpm_handles.h"
#include "base/tpm_range.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

static const char remedy_room[] =
	"Free a persistent handle of the TPM with tpm2_evictcontrol; see tpm2_getcap "
	"handles-persistent.";

/* What lies at a handle. */
struct lying {
	bool present;
	struct engine_name name; /* of a hash that we do not know only that hash's number */
	TPM2B_PUBLIC public;
};

static int check_handle(uint32_t handle, struct err *err)
{
	if (tpm_is_owners(handle))
		return 0;
	return err_set(err, ERR_INVALID, "the persistent handle 0x%08x is not of the owner's range",
		       handle);
}

bool persistent_is_absent(TSS2_RC rc)
{
	return rc && !rc_is_layer(rc) && rc_base(rc) == TPM2_RC_HANDLE;
}

/* A refusal here is nobody's wrong password, but another object's or another session's answer. */
static TSS2_RC vouch(struct engine *engine, const struct root *object)
{
	struct engine_name unused_name;
	TPM2B_PUBLIC unused;
	TSS2_RC rc = chip_read_qualified(engine, object, &unused, &unused_name);

	return rc_is_refusal(rc) ? TSS2_SYS_RC_MALFORMED_RESPONSE : rc;
}

void persistent_name(const TPM2B_PUBLIC *public, struct engine_name *ret_name)
{
	struct err unknown_hash;

	if (public_name(public, ret_name, &unknown_hash) == 0)
		return;
	ret_name->bytes[0] = (uint8_t)(public->publicArea.nameAlg >> 8);
	ret_name->bytes[1] = (uint8_t) public->publicArea.nameAlg;
	ret_name->len = 2;
}

static TSS2_RC read_at(struct engine *engine, uint32_t handle, struct lying *ret_lying)
{
	TSS2_RC rc = resident_room(engine, 1, 0);

	*ret_lying = (struct lying){.present = false};
	if (rc)
		return rc;
	rc = chip_read_public(engine, handle, &ret_lying->public);
	if (persistent_is_absent(rc))
		return TSS2_RC_SUCCESS;
	if (rc)
		return rc;
	persistent_name(&ret_lying->public, &ret_lying->name);
	ret_lying->present = true;
	return TSS2_RC_SUCCESS;
}

/* The chip that shares our session's key says so: there is this object, or it is at least alive. */
static TSS2_RC vouch_for(struct engine *engine, uint32_t handle, const struct lying *lying)
{
	const struct root found = {.handle = handle, .name = lying->name};

	return vouch(engine, lying->present && lying->name.len > 2 ? &found : &engine->srk);
}

static TSS2_RC ours(struct engine *engine, int code, const char *text)
{
	(void)err_set(&engine->line.fault, code, "%s", text);
	return COMMAND_OURS;
}

/* --- into the chip ------------------------------------------------------------------------- */

struct op_persist {
	struct loadable key;
	struct engine_name name;
	uint32_t first;
	uint32_t found; /* where it lies; 0 = nowhere yet */
	bool refused;	/* by the owner's hierarchy */
};

/* Those of the roots are theirs also while nothing lies there. */
static bool is_of_roots(const struct engine *engine, uint32_t handle)
{
	return handle == engine->hsk_handle || handle == engine->srk_handle ||
	       handle == engine->roots.srk_handle || handle == SRK_SHARED_HANDLE;
}

static TSS2_RC look_for_it(struct engine *engine, struct op_persist *op, uint32_t handle)
{
	struct lying lying;
	TSS2_RC rc = read_at(engine, handle, &lying);

	if (rc || !lying.present || !name_equal(&lying.name, &op->name))
		return rc;
	rc = vouch_for(engine, handle, &lying);
	if (!rc)
		op->found = handle;
	return rc;
}

static TSS2_RC put(struct engine *engine, struct op_persist *op, uint32_t handle)
{
	struct root root;
	TSS2_RC rc = resident_object(engine, &op->key, &root);

	if (rc)
		return rc;
	if (!name_equal(&root.name, &op->name))
		return TSS2_SYS_RC_MALFORMED_RESPONSE;
	rc = chip_persist(engine, &root, handle);
	op->refused = rc_is_refusal(rc);
	if (!rc)
		op->found = handle;
	/* It was not in the list, but is there. */
	return rc == TPM2_RC_NV_DEFINED ? look_for_it(engine, op, handle) : rc;
}

/* First all that is taken, for one of them may be it. */
static TSS2_RC run_persist(struct engine *engine, void *arg)
{
	struct op_persist *op = arg;
	struct chip_handles taken = {0};
	TSS2_RC rc = chip_handles(engine, op->first, &taken);
	uint32_t i, handle;

	op->refused = false;
	for (i = 0; i < ENGINE_PERSIST_TRIES && !rc && !op->found; i++)
		if (chip_handles_have(&taken, op->first + i))
			rc = look_for_it(engine, op, op->first + i);
	for (i = 0; i < ENGINE_PERSIST_TRIES && !rc && !op->found; i++) {
		handle = op->first + i;
		if (!chip_handles_have(&taken, handle) && tpm_is_owners(handle) &&
		    !is_of_roots(engine, handle))
			rc = put(engine, op, handle);
	}
	if (rc == TPM2_RC_NV_SPACE)
		return ours(engine, ERR_CONFLICT, "the TPM has no room for another persistent key");
	if (!rc && !op->found)
		return ours(engine, ERR_CONFLICT, "all persistent handles for the key are taken");
	return rc;
}

/* Such as provider_key_create() makes below the HSK: the chip's own, and nobody's beside it. */
static int check_key(const struct engine_object *key, struct engine_name *ret_name, struct err *err)
{
	const TPMA_OBJECT wanted = PUBLIC_VOUCHED | TPMA_OBJECT_NODA;
	TPM2B_PUBLIC public;
	int r = public_unmarshal(key->public, &public, err);

	if (r < 0)
		return r;
	if (key->parent != ENGINE_HSK || (public.publicArea.objectAttributes & wanted) != wanted)
		return err_set(err, ERR_INVALID,
			       "only a key that the TPM made for Holdfast alone is kept in it");
	return public_name(&public, ret_name, err);
}

static int kept_err(const struct engine *engine, int r, bool refused, const char *what,
		    struct err *err)
{
	if (r == ERR_AUTH_FAILED && refused)
		return roots_owner_refused(engine, what, err);
	return r == ERR_CONFLICT ? err_add_remedy(err, remedy_room) : r;
}

int engine_persist(struct engine *engine, const struct engine_object *key, uint32_t handle,
		   uint32_t *ret_handle, struct err *err)
{
	struct op_persist persist = {.first = handle};
	const struct engine_op op = {
		.what = "keeping a key in the TPM", .run = run_persist, .arg = &persist};
	int r = check_handle(handle, err);

	if (r == 0)
		r = check_key(key, &persist.name, err);
	if (r == 0)
		r = loadable_parse(engine, key, &persist.key, err);
	if (r < 0)
		return r;
	r = engine_do(engine, &op, err);
	if (r < 0)
		return kept_err(engine, r, persist.refused, op.what, err);
	resident_forget(engine, persist.key.id);
	*ret_handle = persist.found;
	return 0;
}

/* --- what lies there ----------------------------------------------------------------------- */

struct op_look {
	uint32_t handle;
	struct lying lying;
};

static TSS2_RC run_look(struct engine *engine, void *arg)
{
	struct op_look *op = arg;
	TSS2_RC rc = read_at(engine, op->handle, &op->lying);

	return rc ? rc : vouch_for(engine, op->handle, &op->lying);
}

int engine_look(struct engine *engine, uint32_t handle, struct engine_name *ret_name,
		struct buf *ret_public, struct err *err)
{
	struct op_look look = {.handle = handle};
	const struct engine_op op = {
		.what = "looking for a key in the TPM", .run = run_look, .arg = &look};
	int r = check_handle(handle, err);

	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r < 0)
		return r;
	if (!look.lying.present)
		return err_set(err, ERR_NOT_FOUND, "nothing lies at 0x%08x in the TPM", handle);
	r = public_marshal(&look.lying.public, ret_public, err);
	if (r == 0)
		*ret_name = look.lying.name;
	return r;
}

struct op_list {
	uint32_t from;
	struct chip_handles handles;
};

static TSS2_RC run_list(struct engine *engine, void *arg)
{
	struct op_list *op = arg;
	TSS2_RC rc = chip_handles(engine, op->from, &op->handles);

	if (!rc && !tpm_handles_in_order(op->handles.handle, op->handles.count, op->handles.more,
					 op->from))
		rc = TSS2_SYS_RC_MALFORMED_RESPONSE;
	return rc ? rc : vouch(engine, &engine->srk);
}

int engine_persistents(struct engine *engine, uint32_t from, struct engine_handles *ret_handles,
		       struct err *err)
{
	struct op_list list = {.from = from};
	const struct engine_op op = {
		.what = "listing the TPM's persistent keys", .run = run_list, .arg = &list};
	int r = check_handle(from, err);

	if (r == 0)
		r = engine_do(engine, &op, err);
	if (r < 0)
		return r;
	*ret_handles = (struct engine_handles){.more = list.handles.more};
	for (size_t i = 0; i < list.handles.count; i++)
		if (tpm_is_owners(list.handles.handle[i]))
			ret_handles->handle[ret_handles->count++] = list.handles.handle[i];
		else
			ret_handles->more = false;
	return 0;
}

/* --- in use -------------------------------------------------------------------------------- */

struct op_sign {
	struct root root;
	struct slice auth;
	enum pkey_scheme scheme;
	enum pkey_type type;
	struct key_sign sign;
};

/* Known since it was looked at, or looked at now. */
static TSS2_RC know(struct engine *engine, const struct root *root)
{
	struct persistent *known = &engine->persistent;
	struct lying lying;
	TSS2_RC rc;

	if (known->root.handle == root->handle && name_equal(&known->root.name, &root->name))
		return TSS2_RC_SUCCESS;
	rc = read_at(engine, root->handle, &lying);
	if (rc)
		return rc;
	if (lying.present && name_equal(&lying.name, &root->name)) {
		/* A wrong password for such a key would count towards the whole TPM's lockout. */
		if (!(lying.public.publicArea.objectAttributes & TPMA_OBJECT_NODA))
			return ours(engine, ERR_DAMAGED,
				    "the key there is subject to lockout, as none of ours is");
		*known = (struct persistent){.root = *root,
					     .type = public_type(&lying.public),
					     .uses = public_uses(&lying.public)};
		return TSS2_RC_SUCCESS;
	}
	rc = vouch_for(engine, root->handle, &lying);
	if (rc)
		return rc;
	return ours(engine, ERR_TPM_CHANGED,
		    lying.present ? "another key lies in the place of the recorded one"
				  : "the recorded key is gone from the TPM");
}

/* Another key in its place refuses, since the Name is not its own; it is looked at then. */
static TSS2_RC run_sign(struct engine *engine, void *arg)
{
	struct op_sign *op = arg;
	const struct command command = {
		.code = TPM2_CC_Sign,
		.names = {name_slice(&op->root.name)},
		.name_count = 1,
		.authorised = true,
		.auth = op->auth,
	};
	TSS2_RC rc = know(engine, &op->root);

	if (rc)
		return rc;
	op->type = engine->persistent.type;
	if (key_sign_fits(op->type, engine->persistent.uses, op->scheme, &engine->line.fault) < 0)
		return COMMAND_OURS;
	rc = resident_room(engine, 1, 0);
	return rc ? rc : key_sign_by(engine, op->root.handle, &command, &op->sign);
}

static int take_root(const struct engine_persistent *key, struct root *ret_root, struct err *err)
{
	int r = check_handle(key->handle, err);

	if (r < 0)
		return r;
	if (key->name.len == 0 || key->name.len > sizeof(ret_root->name.bytes))
		return err_set(err, ERR_INVALID, "the persistent key's Name is not possible");
	*ret_root = (struct root){.handle = key->handle, .name = {.len = key->name.len}};
	memcpy(ret_root->name.bytes, key->name.data, key->name.len);
	return 0;
}

int engine_sign_persistent(struct engine *engine, const struct engine_persistent *key,
			   const struct engine_sign *request, struct buf *ret_signature,
			   struct err *err)
{
	struct op_sign sign = {.auth = key->auth, .scheme = request->scheme};
	const struct engine_op op = {.what = "signing", .run = run_sign, .arg = &sign};
	int r = take_root(key, &sign.root, err);

	if (r == 0)
		r = key_sign_take(request, &sign.sign, err);
	if (r == 0)
		r = engine_do(engine, &op, err);
	return r < 0 ? r : public_signature(sign.type, &sign.sign.signature, ret_signature, err);
}

/* --- out of it ----------------------------------------------------------------------------- */

struct op_evict {
	struct root root;
	bool sent;
	bool refused; /* by the owner's hierarchy */
};

static TSS2_RC run_evict(struct engine *engine, void *arg)
{
	struct op_evict *op = arg;
	struct lying lying;
	TSS2_RC rc = read_at(engine, op->root.handle, &lying);

	op->refused = false;
	if (!rc && !(lying.present && name_equal(&lying.name, &op->root.name)))
		rc = vouch_for(engine, op->root.handle, &lying);
	if (rc || (!lying.present && op->sent)) /* by us: its answer was lost */
		return rc;
	if (!lying.present)
		return ours(engine, ERR_NOT_FOUND, "the key is not in the TPM");
	if (!name_equal(&lying.name, &op->root.name))
		return ours(engine, ERR_CONFLICT, "another key lies in its place");
	op->sent = true;
	rc = chip_persist(engine, &op->root, op->root.handle);
	op->refused = rc_is_refusal(rc);
	return rc;
}

int engine_evict(struct engine *engine, const struct engine_persistent *key, struct err *err)
{
	struct op_evict evict = {.sent = false};
	const struct engine_op op = {
		.what = "removing a key from the TPM", .run = run_evict, .arg = &evict};
	int r = take_root(key, &evict.root, err);

	if (r < 0)
		return r;
	r = engine_do(engine, &op, err);
	if (engine->persistent.root.handle == key->handle)
		engine->persistent.root.handle = 0;
	if (r == ERR_AUTH_FAILED && evict.refused)
		return roots_owner_refused(engine, op.what, err);
	return r;
}
