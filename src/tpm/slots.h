/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_SLOTS_H
#define TPM_SLOTS_H

/*
 * Slots: which objects sit in the chip, which of them goes next, and what is kept of those that
 * went. Pure bookkeeping over opaque ids; saving, flushing and loading are resident.c's.
 *
 * A chip has typically three slots for transient objects. What went comes back by ContextLoad when
 * its saved context is in the cache here, which takes one slot and no parent, or else by Load,
 * which takes a slot for the parent too and public-key arithmetic. Both are one command, so a
 * context pays only for an object that comes back often: to save each of 100,000 objects that are
 * used once would make every use a command dearer. Hence a context is saved at the eviction that
 * follows the object's third load (SLOTS_SAVE_LOADS), loads being counted for the ids that were
 * evicted last (ghosts). From then on the object is only flushed and loaded by its context, as long
 * as the cache holds that. With n objects used uniformly at random one eviction in
 * (n / SLOTS_GHOSTS)^2 saves: 1 in 38,000 for n = 100,000. With 12 in turn all are saved in the
 * third round.
 *
 * The cache is bounded in bytes, what it costs itself included, and drops what was used longest
 * ago. Nothing is allocated before the first context is kept.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "tpm/engine.h"

#define SLOTS_ID	    32u /* bytes of an id, evenly distributed like a hash */
#define SLOTS_MAX	    16u
#define SLOTS_GHOSTS	    512u
#define SLOTS_SAVE_LOADS    3u
#define SLOTS_CONTEXT_MAX   4096u
#define SLOTS_CONTEXT_BYTES (1024u * 1024u)

/* An object in the chip. */
struct slot {
	uint8_t id[SLOTS_ID];
	uint32_t handle; /* 0 = free */
	struct engine_name name;
	enum pkey_type type; /* the owner's notes, with the uses; slots_put() leaves them alone */
	unsigned uses;
	struct buf *keep; /* the owner's, for its context: of what cannot come back by Load; NULL
			   * after slots_put() */
	bool constant;	  /* saved there once, unlike a sequence, which changes in use */
	uint64_t used;	  /* by the clock of uses */
	unsigned loads;	  /* that are remembered, this one included */
};

struct ghost {
	uint64_t tag;	/* the id's beginning; a mistaken one costs a ContextSave, no more */
	unsigned loads; /* 0 = free */
};

struct context;

/* Begins as zeros. */
struct slots {
	struct slot loaded[SLOTS_MAX];
	uint64_t clock;
	uint64_t mark; /* what was used later is in use now */
	struct ghost ghosts[SLOTS_GHOSTS];
	unsigned next_ghost;
	struct context **buckets; /* NULL until there is a context */
	struct context *newest, *oldest;
	size_t context_bytes;
	size_t context_limit; /* 0 = SLOTS_CONTEXT_BYTES */
};

/* How many slots to count on, by what a chip tells: 3 for 0, 1 and other numbers of no chip. */
uint32_t slots_capacity(uint32_t told);

/* --- in the chip --- */

/* A new command begins: all but what it will name may go. */
void slots_mark(struct slots *slots);

unsigned slots_count(const struct slots *slots);

/* The loaded object with this id, marked as used; or NULL. */
struct slot *slots_find(struct slots *slots, const uint8_t id[SLOTS_ID]);

/* The same, not marked. */
const struct slot *slots_peek(const struct slots *slots, const uint8_t id[SLOTS_ID]);

/* Is there an object with this handle? */
bool slots_hold(const struct slots *slots, uint32_t handle);

/*
 * What was just loaded, by its context or anew. Whatever had this handle before is gone: the chip
 * would not have given it away again.
 */
struct slot *slots_put(struct slots *slots, const uint8_t id[SLOTS_ID], uint32_t handle,
		       const struct engine_name *name);

/* The least recently used object that the command has not named; NULL when there is none. */
struct slot *slots_victim(struct slots *slots);

/* Has the object come back so often that its context should be saved before it goes? */
bool slots_wants_context(struct slots *slots, const struct slot *slot);

/* The object leaves the chip. */
void slots_leave(struct slots *slots, struct slot *slot);

/* It is nobody's any more: the first to go, and nothing is kept of it. */
void slots_abandon(struct slots *slots, const uint8_t id[SLOTS_ID]);

/* All have left the chip. */
void slots_unload(struct slots *slots);

/* --- contexts --- */

/* Keeps a copy; not one longer than SLOTS_CONTEXT_MAX, nor without memory. */
void slots_keep(struct slots *slots, const uint8_t id[SLOTS_ID], const struct engine_name *name,
		struct slice bytes);

/* Borrowed until the next call that keeps or drops one. */
bool slots_context(struct slots *slots, const uint8_t id[SLOTS_ID], struct slice *ret_context,
		   struct engine_name *ret_name);
bool slots_has_context(struct slots *slots, const uint8_t id[SLOTS_ID]);
void slots_drop_context(struct slots *slots, const uint8_t id[SLOTS_ID]);

/* For tests. */
void slots_set_limit(struct slots *slots, size_t bytes);

/* Nothing is left in the chip, and no context is good any more; frees all memory. */
void slots_reset(struct slots *slots);

#endif
