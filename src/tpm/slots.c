/* SPDX-License-Identifier: Apache-2.0 */

/* Pure bookkeeping; loading and flushing are the engine's. */

#include "tpm/slots.h"

#include <string.h>

int slots_id(const struct engine_object *object, uint8_t ret_id[32], struct err *err)
{
	uint8_t parent = (uint8_t)object->parent;
	struct slice parts[] = {slice_of(&parent, 1), object->public, object->private};

	return hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), ret_id, err);
}

struct slot *slots_find(struct slots *slots, const uint8_t id[32])
{
	size_t i;

	for (i = 0; i < SLOTS_KEPT; i++) {
		struct slot *slot = &slots->kept[i];

		if (slot->handle && slice_equal(slice_of(slot->id, 32), slice_of(id, 32))) {
			slot->used = ++slots->clock;
			return slot;
		}
	}
	return NULL;
}

struct slot *slots_victim(struct slots *slots)
{
	struct slot *victim = &slots->kept[0];
	size_t i;

	for (i = 0; i < SLOTS_KEPT; i++) {
		if (!slots->kept[i].handle)
			return &slots->kept[i];
		if (slots->kept[i].used < victim->used)
			victim = &slots->kept[i];
	}
	return victim;
}

void slots_fill(struct slots *slots, struct slot *slot, const uint8_t id[32], uint32_t handle,
		const struct engine_name *name)
{
	memcpy(slot->id, id, sizeof(slot->id));
	slot->handle = handle;
	slot->name = *name;
	slot->used = ++slots->clock;
}

void slots_reset(struct slots *slots)
{
	memset(slots->kept, 0, sizeof(slots->kept));
}
