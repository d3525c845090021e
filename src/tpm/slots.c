/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loaded objects are few and looked through; contexts are many: a hash table for the look-up and a
 * list in the order of use. Ids are hashes, so their first bytes are the table's hash as they are.
 */

#include "tpm/slots.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u

struct context {
	uint8_t id[SLOTS_ID];
	struct context *chain;	       /* of its bucket */
	struct context *newer, *older; /* in the order of use */
	uint16_t name_len, len;
	uint8_t bytes[]; /* the Name, then the context */
};

static bool same_id(const uint8_t *a, const uint8_t *b)
{
	return slice_equal(slice_of(a, SLOTS_ID), slice_of(b, SLOTS_ID));
}

uint32_t slots_capacity(uint32_t told)
{
	if (told < 2 || told > 0xffff)
		return 3;
	return told < SLOTS_MAX ? told : SLOTS_MAX;
}

/* --- in the chip --------------------------------------------------------------------------- */

void slots_mark(struct slots *slots)
{
	slots->mark = slots->clock;
}

unsigned slots_count(const struct slots *slots)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; i < SLOTS_MAX; i++)
		count += slots->loaded[i].handle != 0;
	return count;
}

struct slot *slots_find(struct slots *slots, const uint8_t id[SLOTS_ID])
{
	size_t i;

	for (i = 0; i < SLOTS_MAX; i++) {
		struct slot *slot = &slots->loaded[i];

		if (slot->handle && same_id(slot->id, id)) {
			slot->used = ++slots->clock;
			return slot;
		}
	}
	return NULL;
}

const struct slot *slots_peek(const struct slots *slots, const uint8_t id[SLOTS_ID])
{
	size_t i;

	for (i = 0; i < SLOTS_MAX; i++)
		if (slots->loaded[i].handle && same_id(slots->loaded[i].id, id))
			return &slots->loaded[i];
	return NULL;
}

static struct slot *slot_of(struct slots *slots, uint32_t handle)
{
	size_t i;

	for (i = 0; i < SLOTS_MAX; i++)
		if (slots->loaded[i].handle == handle)
			return &slots->loaded[i];
	return NULL;
}

bool slots_hold(const struct slots *slots, uint32_t handle)
{
	size_t i;

	for (i = 0; handle && i < SLOTS_MAX; i++)
		if (slots->loaded[i].handle == handle)
			return true;
	return false;
}

static struct slot *oldest_until(struct slots *slots, uint64_t mark)
{
	struct slot *oldest = NULL;
	size_t i;

	for (i = 0; i < SLOTS_MAX; i++) {
		struct slot *slot = &slots->loaded[i];

		if (slot->handle && slot->used <= mark && (!oldest || slot->used < oldest->used))
			oldest = slot;
	}
	return oldest;
}

struct slot *slots_victim(struct slots *slots)
{
	return oldest_until(slots, slots->mark);
}

/* --- ghosts -------------------------------------------------------------------------------- */

static uint64_t tag_of(const uint8_t id[SLOTS_ID])
{
	uint64_t tag;

	memcpy(&tag, id, sizeof(tag));
	return tag;
}

static unsigned ghost_take(struct slots *slots, const uint8_t id[SLOTS_ID])
{
	uint64_t tag = tag_of(id);
	unsigned loads;
	size_t i;

	for (i = 0; i < SLOTS_GHOSTS; i++) {
		loads = slots->ghosts[i].loads;
		if (loads && slots->ghosts[i].tag == tag) {
			slots->ghosts[i].loads = 0;
			return loads;
		}
	}
	return 0;
}

static void ghost_put(struct slots *slots, const struct slot *slot)
{
	struct ghost *ghost = &slots->ghosts[slots->next_ghost];

	ghost->tag = tag_of(slot->id);
	ghost->loads = slot->loads;
	slots->next_ghost = (slots->next_ghost + 1) % SLOTS_GHOSTS;
}

struct slot *slots_put(struct slots *slots, const uint8_t id[SLOTS_ID], uint32_t handle,
		       const struct engine_name *name)
{
	struct slot *slot = slot_of(slots, handle);

	if (!slot)
		slot = slot_of(slots, 0);
	if (!slot) /* never, with no more than SLOTS_MAX counted as the chip's */
		slot = oldest_until(slots, slots->clock);
	memcpy(slot->id, id, SLOTS_ID);
	slot->handle = handle;
	slot->name = *name;
	slot->keep = NULL;
	slot->constant = false;
	slot->used = ++slots->clock;
	slot->loads = slots_has_context(slots, id) ? SLOTS_SAVE_LOADS : 1 + ghost_take(slots, id);
	return slot;
}

bool slots_wants_context(struct slots *slots, const struct slot *slot)
{
	return slot->loads >= SLOTS_SAVE_LOADS && !slots_has_context(slots, slot->id);
}

void slots_leave(struct slots *slots, struct slot *slot)
{
	if (!slot->keep && slot->loads && !slots_has_context(slots, slot->id))
		ghost_put(slots, slot);
	slot->handle = 0;
}

void slots_abandon(struct slots *slots, const uint8_t id[SLOTS_ID])
{
	struct slot *slot = slots_find(slots, id);

	if (!slot)
		return;
	memset(slot->id, 0, sizeof(slot->id));
	slot->keep = NULL;
	slot->used = 0;
	slot->loads = 0;
}

void slots_unload(struct slots *slots)
{
	memset(slots->loaded, 0, sizeof(slots->loaded));
}

/* --- contexts ------------------------------------------------------------------------------ */

static struct context **bucket_of(struct slots *slots, const uint8_t id[SLOTS_ID])
{
	return &slots->buckets[tag_of(id) % BUCKETS];
}

static struct context *context_find(struct slots *slots, const uint8_t id[SLOTS_ID])
{
	struct context *context = slots->buckets ? *bucket_of(slots, id) : NULL;

	while (context && !same_id(context->id, id))
		context = context->chain;
	return context;
}

static size_t cost_of(const struct context *context)
{
	return sizeof(*context) + context->name_len + context->len;
}

static void list_remove(struct slots *slots, struct context *context)
{
	*(context->newer ? &context->newer->older : &slots->newest) = context->older;
	*(context->older ? &context->older->newer : &slots->oldest) = context->newer;
}

static void list_add(struct slots *slots, struct context *context)
{
	context->newer = NULL;
	context->older = slots->newest;
	*(slots->newest ? &slots->newest->newer : &slots->oldest) = context;
	slots->newest = context;
}

static void context_drop(struct slots *slots, struct context *context)
{
	struct context **at = bucket_of(slots, context->id);

	while (*at != context)
		at = &(*at)->chain;
	*at = context->chain;
	list_remove(slots, context);
	slots->context_bytes -= cost_of(context);
	free(context);
}

static struct context *context_new(const uint8_t id[SLOTS_ID], const struct engine_name *name,
				   struct slice bytes)
{
	struct context *context = malloc(sizeof(*context) + name->len + bytes.len);

	if (!context)
		return NULL;
	memcpy(context->id, id, SLOTS_ID);
	context->name_len = (uint16_t)name->len;
	context->len = (uint16_t)bytes.len;
	memcpy(context->bytes, name->bytes, name->len);
	memcpy(context->bytes + name->len, bytes.data, bytes.len);
	return context;
}

static void trim(struct slots *slots)
{
	size_t limit = slots->context_limit ? slots->context_limit : SLOTS_CONTEXT_BYTES;

	while (slots->context_bytes > limit)
		context_drop(slots, slots->oldest);
}

void slots_keep(struct slots *slots, const uint8_t id[SLOTS_ID], const struct engine_name *name,
		struct slice bytes)
{
	struct context *context, **bucket;

	if (bytes.len == 0 || bytes.len > SLOTS_CONTEXT_MAX)
		return;
	slots_drop_context(slots, id);
	if (!slots->buckets)
		slots->buckets = calloc(BUCKETS, sizeof(struct context *));
	context = slots->buckets ? context_new(id, name, bytes) : NULL;
	if (!context)
		return;
	bucket = bucket_of(slots, id);
	context->chain = *bucket;
	*bucket = context;
	list_add(slots, context);
	slots->context_bytes += cost_of(context);
	trim(slots);
}

bool slots_context(struct slots *slots, const uint8_t id[SLOTS_ID], struct slice *ret_context,
		   struct engine_name *ret_name)
{
	struct context *context = context_find(slots, id);

	if (!context)
		return false;
	list_remove(slots, context);
	list_add(slots, context);
	*ret_context = slice_of(context->bytes + context->name_len, context->len);
	ret_name->len = context->name_len;
	memcpy(ret_name->bytes, context->bytes, context->name_len);
	return true;
}

bool slots_has_context(struct slots *slots, const uint8_t id[SLOTS_ID])
{
	return context_find(slots, id) != NULL;
}

void slots_drop_context(struct slots *slots, const uint8_t id[SLOTS_ID])
{
	struct context *context = context_find(slots, id);

	if (context)
		context_drop(slots, context);
}

void slots_set_limit(struct slots *slots, size_t bytes)
{
	slots->context_limit = bytes;
	trim(slots);
}

void slots_reset(struct slots *slots)
{
	while (slots->oldest)
		context_drop(slots, slots->oldest);
	free(slots->buckets);
	slots->buckets = NULL;
	slots_unload(slots);
}
