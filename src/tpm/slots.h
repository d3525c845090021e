/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_SLOTS_H
#define TPM_SLOTS_H

/*
 * Slots: which of our objects sit in the chip. A chip has typically three slots for transient
 * objects; a persistent key takes one while it is used and a Create needs one more, so one object
 * of ours stays loaded between commands and is flushed when another is wanted.
 */

#include <stdint.h>

#include "base/slice.h"
#include "crypto/hash.h"
#include "tpm/engine.h"

#define SLOTS_KEPT 1u

struct slot {
	uint8_t id[32];	 /* of parent, public and private bytes */
	uint32_t handle; /* 0 = free */
	struct engine_name name;
	uint64_t used; /* a clock of uses, for the least recently used one */
};

struct slots {
	struct slot kept[SLOTS_KEPT];
	uint64_t clock;
};

/* SHA-256 over everything that makes the object: a changed byte is another object. */
int slots_id(const struct engine_object *object, uint8_t ret_id[32], struct err *err) MUST_CHECK;

/* The loaded object with this id, or NULL. */
struct slot *slots_find(struct slots *slots, const uint8_t id[32]);

/* A free slot, or the least recently used one, whose object must be flushed first. */
struct slot *slots_victim(struct slots *slots);

/* Puts a loaded object in; marks it as used. */
void slots_fill(struct slots *slots, struct slot *slot, const uint8_t id[32], uint32_t handle,
		const struct engine_name *name);

/* Everything is gone from the chip. */
void slots_reset(struct slots *slots);

#endif
