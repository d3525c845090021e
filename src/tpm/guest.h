/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_GUEST_H
#define TPM_GUEST_H

/*
 * Guests: objects and sessions that others keep in the chip by raw commands. They share its slots
 * and places with ours, least recently used first to go, and come back when a command names them.
 * An object's context is saved once, at its first eviction, and kept with the guest, since nobody
 * could load it again; a sequence's and a session's each time. What is kept of a guest is its
 * context, of at most SLOTS_CONTEXT_MAX bytes.
 *
 * Whoever calls has judged the command: here nothing is refused but what cannot be done.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

struct engine;

#define ENGINE_GUEST_HANDLES  3u
#define ENGINE_GUEST_SESSIONS 3u

/* Lives until engine_guest_free(), or until the engine is freed. */
struct engine_guest;

enum engine_guest_kind {
	ENGINE_GUEST_NONE,
	ENGINE_GUEST_OBJECT,
	ENGINE_GUEST_SEQUENCE, /* changes in use */
	ENGINE_GUEST_SESSION,
};

struct engine_guest_command {
	struct slice bytes; /* whole */
	/* Of its handle area; a guest's handle in the chip takes the place of what stands there,
	 * with NULL nothing does. */
	size_t handle_count;
	struct engine_guest *handles[ENGINE_GUEST_HANDLES];
	/* Of its authorisations; NULL = a password. */
	size_t session_count;
	struct engine_guest *sessions[ENGINE_GUEST_SESSIONS];
	enum engine_guest_kind makes; /* the response begins with its handle */
	bool takes_slot;	      /* an object's, while it runs */
	unsigned ends_sessions;	      /* bits of sessions[] that end when it succeeds */
	unsigned ends_handles;	      /* of handles[] */
};

/*
 * Sends it when all that it names is in the chip, and appends the answer, whatever its code.
 * A lost guest is answered REFERENCE_H0 or REFERENCE_S0 + position, a session beyond those that
 * guests may have SESSION_HANDLES, without asking the chip. ERR_TPM_FAILED: nobody knows what it
 * did; the sessions and sequences that it names are lost.
 */
int engine_guest_run(struct engine *engine, const struct engine_guest_command *command,
		     struct buf *ret_answer, struct engine_guest **ret_made, struct err *err)
	MUST_CHECK;

/* Appends the marshalled TPMS_CONTEXT. ERR_NOT_FOUND: lost. ERR_INVALID: a session. */
int engine_guest_save(struct engine *engine, struct engine_guest *guest, struct buf *ret_context,
		      struct err *err) MUST_CHECK;

/* An object or a sequence by its context: the chip's code, and the guest when that is 0. */
int engine_guest_load(struct engine *engine, enum engine_guest_kind kind, struct slice context,
		      uint32_t *ret_rc, struct engine_guest **ret_guest, struct err *err)
	MUST_CHECK;

uint32_t engine_guest_handle(const struct engine *engine, const struct engine_guest *guest);
bool engine_guest_lost(const struct engine *engine, const struct engine_guest *guest);

/* A session is flushed at once; an object's slot is the next to be used. NULL is allowed. */
void engine_guest_free(struct engine *engine, struct engine_guest *guest);

/* Another number after each reset or change of the chip. */
uint64_t engine_guest_epoch(const struct engine *engine);

#endif
