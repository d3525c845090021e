/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lazy resource management: nothing leaves the chip before its place is wanted. slots.c knows who
 * is where and who goes next; here it goes, and comes back.
 *
 * What a command needs is counted beforehand: one slot for each object that it names and that is
 * not there, one for each persistent key while it is used, one for what it makes. Where that count
 * is wrong, because others are in the chip too, the chip says so and engine_do() lets one more go.
 */

#include <string.h>

#include "base/tpm_range.h"
#include "crypto/hash.h"
#include "tpm/impl.h"
#include "tpm/rc.h"

/* Of the largest hash that an object may be named by (Part 2, TPM2B_AUTH). */
#define AUTH_MAX 64u

/* --- objects as they are kept outside ------------------------------------------------------ */

/* SHA-256 over everything that makes the object: a changed byte is another object. */
static int id_of(const struct engine_object *object, uint8_t ret_id[SLOTS_ID], struct err *err)
{
	uint8_t parent[5] = {(uint8_t)object->parent};
	struct slice parts[] = {slice_of(parent, sizeof(parent)), object->other_name,
				object->public, object->private};

	if (object->parent != ENGINE_OTHER)
		parts[1].len = 0;
	else
		for (int i = 0; i < 4; i++)
			parent[1 + i] = (uint8_t)(object->other_handle >> (24 - 8 * i));
	return hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), ret_id, err);
}

static int other_parse(const struct engine_object *object, struct root *ret_other, struct err *err)
{
	struct slice name = object->other_name;

	if (!tpm_is_owners(object->other_handle))
		return err_set(err, ERR_INVALID, "the parent key's handle 0x%08x is not possible",
			       object->other_handle);
	if (name.len == 0 || name.len > sizeof(ret_other->name.bytes))
		return err_set(err, ERR_INVALID, "the parent key's Name is not possible");
	ret_other->handle = object->other_handle;
	memcpy(ret_other->name.bytes, name.data, name.len);
	ret_other->name.len = name.len;
	return 0;
}

static int unmarshal(struct loadable *object, struct err *err)
{
	int r;

	if (object->parsed)
		return 0;
	r = public_unmarshal(object->public_bytes, &object->public, err);
	if (r == 0)
		r = private_unmarshal(object->private_bytes, &object->private, err);
	if (r < 0)
		return r;
	object->type = public_type(&object->public);
	object->uses = public_uses(&object->public);
	object->parsed = true;
	return 0;
}

int loadable_parse(struct engine *engine, const struct engine_object *object,
		   struct loadable *ret_loadable, struct err *err)
{
	const struct slot *slot;
	int r = 0;

	ret_loadable->parent = object->parent;
	ret_loadable->auth = object->auth;
	ret_loadable->public_bytes = object->public;
	ret_loadable->private_bytes = object->private;
	ret_loadable->parsed = false;
	if (object->auth.len > AUTH_MAX)
		r = err_set(err, ERR_INVALID, "a password is longer than the TPM takes");
	if (r == 0 && object->parent == ENGINE_OTHER)
		r = other_parse(object, &ret_loadable->other, err);
	if (r == 0)
		r = id_of(object, ret_loadable->id, err);
	if (r < 0)
		return r;
	slot = slots_find(&engine->slots, ret_loadable->id);
	if (!slot)
		return unmarshal(ret_loadable, err);
	ret_loadable->type = slot->type;
	ret_loadable->uses = slot->uses;
	return 0;
}

void engine_forget(struct engine *engine, const struct engine_object *object)
{
	struct err ignored = {0};
	uint8_t id[SLOTS_ID];

	if (id_of(object, id, &ignored) == 0)
		resident_forget(engine, id);
}

/* --- out ----------------------------------------------------------------------------------- */

static TSS2_RC save(struct engine *engine, struct slot *slot)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SLOTS_CONTEXT_MAX);
	TSS2_RC rc = chip_context_save(engine, slot->handle, &context);

	if (rc_is_layer(rc))
		return rc;
	if (!rc && buf_ok(&context))
		slots_keep(&engine->slots, slot->id, &slot->name, buf_slice(&context));
	else
		slot->loads = 1; /* from its blob then, and no new attempt at each eviction */
	return TSS2_RC_SUCCESS;
}

/* Without a context nothing is left of it, and its owner says so. */
static TSS2_RC save_kept(struct engine *engine, const struct slot *slot)
{
	TSS2_RC rc = chip_context_save(engine, slot->handle, slot->keep);

	if (!buf_ok(slot->keep))
		buf_reset(slot->keep);
	return rc_is_layer(rc) || rc_is_warning(rc) ? rc : TSS2_RC_SUCCESS;
}

static bool is_saved(const struct slot *slot)
{
	return slot->constant && slot->keep->len;
}

bool resident_stays(TSS2_RC rc)
{
	return rc && !rc_is_layer(rc) && !rc_is_stale(rc);
}

static TSS2_RC evict(struct engine *engine, struct slot *slot)
{
	TSS2_RC rc = TSS2_RC_SUCCESS;

	if (slot->keep)
		rc = is_saved(slot) ? TSS2_RC_SUCCESS : save_kept(engine, slot);
	else if (slots_wants_context(&engine->slots, slot))
		rc = save(engine, slot);
	if (!rc)
		rc = chip_flush(engine, slot->handle);
	if (!resident_stays(rc))
		slots_leave(&engine->slots, slot);
	else if (slot->keep && !slot->constant)
		buf_reset(slot->keep); /* which it is going to outdate */
	return rc;
}

/*
 * How many of ours may stay between commands. One slot of a bare chip is left free for the kernel
 * and others. A resource manager saves and loads all we hold around each command: one object,
 * beside the storage key when that one is no persistent key, since each load names it.
 */
static unsigned stay_max(const struct engine *engine)
{
	if (transport_is_managed(engine->line.transport))
		return engine->hsk.handle ? 1 : 2;
	return engine->facts.object_slots - 1;
}

TSS2_RC resident_room(struct engine *engine, unsigned need, unsigned stay)
{
	struct slots *slots = &engine->slots;
	struct slot *victim;
	TSS2_RC rc;

	while (slots_count(slots) + need > engine->facts.object_slots ||
	       slots_count(slots) + stay > stay_max(engine)) {
		victim = slots_victim(slots);
		if (!victim)
			break; /* the chip decides */
		rc = evict(engine, victim);
		if (rc)
			return rc;
	}
	return TSS2_RC_SUCCESS;
}

bool resident_yield_idle(struct engine *engine)
{
	struct slot *victim = slots_victim(&engine->slots);

	return victim && !rc_is_layer(evict(engine, victim));
}

bool resident_yield(struct engine *engine)
{
	slots_mark(&engine->slots);
	return resident_yield_idle(engine);
}

void resident_forget(struct engine *engine, const uint8_t id[SLOTS_ID])
{
	struct slot *slot = slots_find(&engine->slots, id);

	slots_drop_context(&engine->slots, id);
	if (!slot)
		return;
	slot->keep = NULL;
	if (!engine->ready || !resident_stays(chip_flush(engine, slot->handle)))
		slot->handle = 0;
}

TSS2_RC resident_forgotten(struct engine *engine, TSS2_RC rc)
{
	if (!rc_is_stale(rc))
		return rc;
	engine->ready = false;
	return TSS2_RC_SUCCESS;
}

TSS2_RC resident_leave(struct engine *engine)
{
	TSS2_RC rc = TSS2_RC_SUCCESS;
	size_t i;

	for (i = 0; i < SLOTS_MAX && !rc; i++) {
		if (!engine->slots.loaded[i].handle)
			continue;
		rc = resident_forgotten(engine, evict(engine, &engine->slots.loaded[i]));
	}
	return rc;
}

TSS2_RC resident_flush(struct engine *engine)
{
	TSS2_RC rc = TSS2_RC_SUCCESS, one;
	size_t i;

	for (i = 0; i < SLOTS_MAX; i++) {
		if (!engine->slots.loaded[i].handle)
			continue;
		one = chip_flush(engine, engine->slots.loaded[i].handle);
		rc = rc ? rc : one;
	}
	slots_unload(&engine->slots);
	return rc;
}

/* --- parents ------------------------------------------------------------------------------- */

static TSS2_RC wrong_parent(struct engine *engine, const char *text)
{
	(void)err_set(&engine->line.fault, ERR_WRONG_TPM, "%s", text);
	return COMMAND_OURS;
}

/* Others' parents are known by their Names as ours are; looked up once. */
static TSS2_RC other_verify(struct engine *engine, const struct root *other)
{
	struct engine_name name;
	TPM2B_PUBLIC public;
	TSS2_RC rc;
	size_t i;

	for (i = 0; i < OTHERS_MAX; i++)
		if (engine->others[i].handle == other->handle &&
		    name_equal(&engine->others[i].name, &other->name))
			return TSS2_RC_SUCCESS;
	rc = resident_room(engine, 1, 0);
	if (!rc)
		rc = chip_read_public(engine, other->handle, &public);
	if (!rc_is_layer(rc) && rc_base(rc) == TPM2_RC_HANDLE)
		return wrong_parent(engine, "the parent key is not in this TPM");
	if (rc)
		return rc;
	if (public_name(&public, &name, &engine->line.fault) < 0 ||
	    !name_equal(&name, &other->name))
		return wrong_parent(engine, "another key lies in the place of the parent key");
	engine->others[engine->next_other] = *other;
	engine->next_other = (engine->next_other + 1) % OTHERS_MAX;
	return TSS2_RC_SUCCESS;
}

/* The storage key as an object: in the chip, or loaded from its blob below the SRK. */
static TSS2_RC hsk_resident(struct engine *engine, struct root *ret_root)
{
	struct slot *slot = slots_find(&engine->slots, engine->hsk_id);
	const struct engine_roots *roots = &engine->roots;
	struct engine_object object = {
		.parent = ENGINE_SRK,
		.public = slice_of(roots->hsk_public, roots->hsk_public_len),
		.private = slice_of(roots->hsk_private, roots->hsk_private_len),
	};
	struct loadable loadable;

	if (slot) {
		*ret_root = (struct root){.handle = slot->handle, .name = slot->name};
		return TSS2_RC_SUCCESS;
	}
	if (loadable_parse(engine, &object, &loadable, &engine->line.fault) < 0)
		return COMMAND_OURS;
	return resident_object(engine, &loadable, ret_root);
}

static TSS2_RC parent_root(struct engine *engine, const struct resident_parent *wanted,
			   struct root *ret_root)
{
	switch (wanted->parent) {
	case ENGINE_HSK:
		if (!engine->hsk.handle)
			return hsk_resident(engine, ret_root);
		*ret_root = engine->hsk;
		return TSS2_RC_SUCCESS;
	case ENGINE_OTHER:
		*ret_root = *wanted->other;
		return other_verify(engine, wanted->other);
	default:
		*ret_root = engine->srk;
		return TSS2_RC_SUCCESS;
	}
}

TSS2_RC resident_parent(struct engine *engine, const struct resident_parent *wanted,
			struct root *ret_root, struct slice *ret_auth)
{
	bool persistent = wanted->parent != ENGINE_HSK || engine->hsk.handle;
	TSS2_RC rc = parent_root(engine, wanted, ret_root);

	*ret_auth = wanted->parent == ENGINE_HSK ? engine_auth(engine->hsk_auth) : slice_of("", 0);
	return rc ? rc : resident_room(engine, wanted->more + persistent, wanted->stay);
}

/* --- in ------------------------------------------------------------------------------------ */

/* Whatever a chip finds wrong in what it is given to load, it is not what a chip once made. */
static TSS2_RC load_rc(TSS2_RC rc)
{
	uint32_t base = rc_base(rc);

	if (rc_is_layer(rc) || rc_is_stale(rc))
		return rc;
	return base == TPM2_RC_SIZE || base == TPM2_RC_INSUFFICIENT || base == TPM2_RC_VALUE
		       ? TPM2_RC_INTEGRITY
		       : rc;
}

static TSS2_RC by_blob(struct engine *engine, struct loadable *object, struct root *ret_root)
{
	const struct resident_parent wanted = {
		.parent = object->parent, .other = &object->other, .more = 1, .stay = 1};
	struct slice auth;
	struct root parent;
	TSS2_RC rc;

	/* It was in the chip when it was looked at. */
	if (unmarshal(object, &engine->line.fault) < 0)
		return COMMAND_OURS;
	rc = resident_parent(engine, &wanted, &parent, &auth);
	if (rc)
		return rc;
	return load_rc(
		chip_load(engine, &parent, auth, &object->public, &object->private, ret_root));
}

/* A context that the chip does not take, be it of another time or damaged, is none any more. */
static TSS2_RC by_context(struct engine *engine, const uint8_t id[SLOTS_ID], struct root *ret_root)
{
	TSS2_RC rc = resident_room(engine, 1, 1);
	struct slice context;

	/* Looked up after that, since what was evicted may have taken its place in the cache. */
	if (rc || !slots_context(&engine->slots, id, &context, &ret_root->name))
		return rc;
	rc = chip_context_load(engine, context, &ret_root->handle);
	if (rc && !rc_is_layer(rc) && !rc_is_warning(rc))
		slots_drop_context(&engine->slots, id);
	return rc;
}

TSS2_RC resident_again(struct engine *engine, const uint8_t id[SLOTS_ID], struct slot **ret_slot)
{
	struct slots *slots = &engine->slots;
	struct slot *slot = slots_find(slots, id);
	struct root root = {0};
	TSS2_RC rc;

	if (!slot && slots_has_context(slots, id)) {
		rc = by_context(engine, id, &root);
		if (rc && slots_has_context(slots, id))
			return rc;
		if (root.handle)
			slot = slots_put(slots, id, root.handle, &root.name);
	}
	*ret_slot = slot;
	return TSS2_RC_SUCCESS;
}

TSS2_RC resident_object(struct engine *engine, struct loadable *object, struct root *ret_root)
{
	struct slot *slot = NULL;
	struct root root = {0};
	TSS2_RC rc = resident_again(engine, object->id, &slot);

	if (!rc && !slot) {
		rc = by_blob(engine, object, &root);
		if (!rc)
			slot = slots_put(&engine->slots, object->id, root.handle, &root.name);
	}
	if (rc)
		return rc;
	slot->type = object->type;
	slot->uses = object->uses;
	*ret_root = (struct root){.handle = slot->handle, .name = slot->name};
	return TSS2_RC_SUCCESS;
}
