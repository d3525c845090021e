/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_IMPL_H
#define TPM_IMPL_H

/* What the engine's own files share. */

#include "base/secret.h"
#include "tpm/command.h"
#include "tpm/engine.h"
#include "tpm/public.h"
#include "tpm/slots.h"

#define SRK_SHARED_HANDLE 0x81000001u

/* A root as it can be used now. */
struct root {
	uint32_t handle; /* 0 = not there now */
	struct engine_name name;
};

#define CHIP_HANDLES_MAX 64u
struct chip_handles {
	uint32_t handle[CHIP_HANDLES_MAX];
	size_t count;
};

/* Groups of handles, as TPM2_GetCapability names them (Part 3). */
#define GROUP_TRANSIENT	     0x80000000u
#define GROUP_LOADED_SESSION 0x02000000u
#define GROUP_SAVED_SESSION  0x03000000u
#define GROUP_MASK	     0xff000000u

static inline bool chip_is_of(uint32_t handle, uint32_t group)
{
	return (handle & GROUP_MASK) == group;
}

#define OTHERS_MAX 4u

struct engine {
	struct line line;
	struct slots slots;
	struct root srk;
	struct root hsk;		/* its handle is 0 when it is an object in the slots */
	uint8_t hsk_id[SLOTS_ID];	/* there */
	struct root others[OTHERS_MAX]; /* persistent parents whose Name was looked up */
	unsigned next_other;
	struct buf parked;	    /* our session's context while it is not in the chip */
	struct chip_handles before; /* saved sessions when the first raw command came */
	bool raw;		    /* on a bare chip: raw commands since the last raw_end */
	bool ready;		    /* roots verified and session up */
	bool flushed;		    /* what a killed owner left was flushed once */
	bool srk_tried;		    /* this chip was asked for the recorded SRK and made another */
	struct err refusal;	    /* code 0, or why a chip that answers may not be used */
	uint64_t refused_until_us;  /* no new look before that */
	struct engine_roots roots;
	struct engine_facts facts;
	char remark[256];
	enum pkey_type srk_type;
	uint32_t srk_handle, hsk_handle;
	struct secret *owner_auth, *hsk_auth, *lockout_auth;
};

/* --- chip.c, chip_facts.c, chip_context.c, chip_session.c: one TPM command each, the chip's code
 * as result --- */

TSS2_RC chip_startup(struct engine *engine);
TSS2_RC chip_shutdown(struct engine *engine);
TSS2_RC chip_read_public(struct engine *engine, uint32_t handle, TPM2B_PUBLIC *ret_public);
TSS2_RC chip_load(struct engine *engine, const struct root *parent, struct slice parent_auth,
		  const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
		  struct root *ret_loaded);

struct chip_create {
	const struct root *parent;
	struct slice parent_auth;
	const TPM2B_PUBLIC *template;
	struct slice auth;
	struct slice data; /* of a sealed object; else empty */
};
TSS2_RC chip_create(struct engine *engine, const struct chip_create *create,
		    TPM2B_PUBLIC *ret_public, TPM2B_PRIVATE *ret_private);
TSS2_RC chip_create_srk(struct engine *engine, const TPM2B_PUBLIC *template, struct root *ret_root,
			TPM2B_PUBLIC *ret_public);
TSS2_RC chip_persist(struct engine *engine, const struct root *object, uint32_t handle);
TSS2_RC chip_lockout_reset(struct engine *engine);

TSS2_RC chip_facts(struct engine *engine);   /* all of them: some commands more */
TSS2_RC chip_lockout(struct engine *engine); /* those that change */
TSS2_RC chip_handles(struct engine *engine, uint32_t group, struct chip_handles *ret_handles);

TSS2_RC chip_flush(struct engine *engine, uint32_t handle);
/* All of a group but those in @spare, which may be NULL. */
TSS2_RC chip_flush_group(struct engine *engine, uint32_t group, const struct chip_handles *spare);
/* An object stays in the chip, a session leaves it; its context loads once. */
TSS2_RC chip_context_save(struct engine *engine, uint32_t handle, struct buf *ret_context);
TSS2_RC chip_context_load(struct engine *engine, struct slice context, uint32_t *ret_handle);

/* Salted to @salt (with @public), or unsalted when NULL. */
TSS2_RC chip_start_session(struct engine *engine, const struct root *salt,
			   const TPM2B_PUBLIC *public);

/* --- roots.c: finds, verifies or makes SRK and HSK, and starts the session between them --- */

int roots_open(struct engine *engine, bool *ret_new, struct err *err) MUST_CHECK;
/* Are both where they were found? ERR_TPM_CHANGED when not. */
int roots_verify(struct engine *engine, struct err *err) MUST_CHECK;
/* A new session in the place of one that was lost; verifies the SRK. */
int roots_session(struct engine *engine, struct err *err) MUST_CHECK;

/* --- resident.c: what of ours is in the chip --- */

/*
 * An object, looked at before the chip is asked. What is in the chip is not unmarshalled again:
 * its id is a hash of all its bytes, so these are the ones that were loaded.
 */
struct loadable {
	uint8_t id[SLOTS_ID];
	enum engine_parent parent;
	struct root other;   /* with ENGINE_OTHER */
	enum pkey_type type; /* PKEY_TYPES: no key that is served */
	struct slice auth, public_bytes, private_bytes;
	bool parsed; /* into the two below */
	TPM2B_PUBLIC public;
	TPM2B_PRIVATE private;
};
int loadable_parse(struct engine *engine, const struct engine_object *object,
		   struct loadable *ret_loadable, struct err *err) MUST_CHECK;

/* In the chip for the command to come: it was there already, or is loaded. */
TSS2_RC resident_object(struct engine *engine, struct loadable *object, struct root *ret_root);

/* What a command names as parent, with room for it and for @more new objects, of which those that
 * stay in the chip are @stay. */
struct resident_parent {
	enum engine_parent parent;
	const struct root *other; /* with ENGINE_OTHER */
	unsigned more, stay;
};
TSS2_RC resident_parent(struct engine *engine, const struct resident_parent *wanted,
			struct root *ret_root, struct slice *ret_auth);

/* Evicts what the command does not name until @need slots are free and @stay more may stay. */
TSS2_RC resident_room(struct engine *engine, unsigned need, unsigned stay);

/* One object less; false when none was left, or the chip was lost. */
bool resident_yield(struct engine *engine);
void resident_forget(struct engine *engine, const uint8_t id[SLOTS_ID]);
TSS2_RC resident_flush(struct engine *engine);
/* The same, but contexts are saved as at any eviction. */
TSS2_RC resident_leave(struct engine *engine);

/* Our session: out of the chip, back, its context renewed, and away for good. */
TSS2_RC session_park(struct engine *engine);
bool session_unpark(struct engine *engine);
bool session_renew(struct engine *engine);
void session_discard(struct engine *engine);

/* --- raw.c --- */

/* Ends the sessions that raw commands have saved since raw_end; false when that cannot be done. */
bool raw_end_saved(struct engine *engine);

/* --- lockout.c --- */

/*
 * To be called with each code that the chip answers: reads the counter when a failure was counted,
 * and resets it where the password for that is known. True when it was reset.
 */
bool lockout_note(struct engine *engine, TSS2_RC rc);

/* --- engine.c --- */

static inline struct slice name_slice(const struct engine_name *name)
{
	return slice_of(name->bytes, name->len);
}

static inline bool name_equal(const struct engine_name *a, const struct engine_name *b)
{
	return slice_equal(name_slice(a), name_slice(b));
}

struct slice engine_auth(const struct secret *auth);

/* Roots verified; and with the session in the chip. */
int engine_linked(struct engine *engine, struct err *err) MUST_CHECK;
int engine_ready(struct engine *engine, struct err *err) MUST_CHECK;

/* What was loaded is forgotten; and flushed, where nobody else would do it. */
void engine_drop(struct engine *engine);

/*
 * One operation; run() returns a TSS2_RC and may be called again from the start: when the chip
 * lost what we had loaded, had no room, or gave no authentic answer. A refused authorisation is
 * believed at the second time, since a session or object number may have passed to somebody else
 * after a reset; with @guess, a password that a user gave, at the first.
 */
struct engine_op {
	const char *what; /* for the error's text */
	TSS2_RC (*run)(struct engine *engine, void *arg);
	void *arg;
	bool guess;
};
int engine_do(struct engine *engine, const struct engine_op *op, struct err *err) MUST_CHECK;

#endif
