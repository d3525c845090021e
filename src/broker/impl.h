/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_IMPL_H
#define BROKER_IMPL_H

/* What the files of the virtual chip share. Worker only, but for what is said to be any thread's.
 */

#include <stdatomic.h>

#include "broker/broker.h"
#include "broker/wire.h"
#include "crypto/hash.h"
#include "provider/guest.h"

#define NAME_MAX_SIZE	66u  /* name algorithm and digest of the largest Name */
#define PUBLIC_MAX_SIZE 800u /* TPMT_PUBLIC of the largest key, RSA of 4096 bits */

/* Codes of TPM 2.0 Part 2, 6.6, that tell which handle or parameter is meant; @i counts from 0. */
static inline uint32_t code_at_handle(uint32_t rc, size_t i)
{
	return rc + 0x100u * (uint32_t)(i + 1);
}

static inline uint32_t code_at_parameter(uint32_t rc, size_t i)
{
	return rc + 0x40u + 0x100u * (uint32_t)(i + 1);
}

/* The type of a handle: its first octet (Part 2, 7.2). */
static inline uint8_t handle_type(uint32_t handle)
{
	return (uint8_t)(handle >> 24);
}

/* --- what there is ------------------------------------------------------------------------- */

/* What we know of a session beside its being there. */
struct vsession {
	uint64_t generation; /* no other session has it, whatever its handle */
	uint64_t saves;	     /* how often it was saved: the last copy counts */
	bool da_bound;	     /* to an object whose failed authorisations the chip counts */
	bool needs_auth;     /* a policy that asks for the object's authValue */
	/* Neither salted nor bound: its key is empty, and with the last nonce we can answer in it.
	 */
	bool plain;
	enum hash_alg alg; /* of a plain one */
	uint8_t nonce[HASH_MAX_SIZE];
	size_t nonce_len;
};

/* An object, a sequence or a session of a tenant. */
struct held {
	struct held *next;
	uint32_t handle; /* what the tenant calls it; a session's own */
	enum guest_kind kind;
	struct provider_guest *guest; /* NULL: a session that we answered in, and that is spent */
	uint64_t used;		      /* broker->uses of its last use */
	bool saved; /* the tenant has a copy; a session is not loaded until that comes back */
	bool no_da; /* the chip does not count failed authorisations with it */
	struct secret *recipe; /* of an object (recipe.h); NULL = it cannot be made again */
	struct vsession session;
};

/* A persistent object of a tenant. */
struct kept {
	uint32_t handle;
	struct provider_guest *guest; /* NULL = not in the chip */
	struct secret *record;	      /* as on the shelf, while it has a guest */
	bool no_da;		      /* known when it has a guest */
	uint64_t used;		      /* as above */
	/* By its recipe it cannot be had in this epoch of the chip, and that is not tried again. */
	bool refused, foreign; /* foreign: it was of another seed */
	uint64_t refused_at;
};

/* Failed authorisations that count, of a tenant or of all. */
struct guesses {
	uint32_t failed;
	uint64_t since_us; /* from here the next one heals: the last failure, or the last healing */
	bool begun;
};

/* What the chip has counted, as far as we know. */
struct outstanding {
	struct guesses now;   /* of everybody */
	struct guesses found; /* what was there when we began, and has not healed yet */
	uint32_t read;	      /* the provider's figure that this is of */
};

#define CONSTANTS_MAX	  128u
#define CONSTANTS_KEY_MAX 128u /* bytes of a command that is remembered */

struct constant {
	struct buf command, answer;
	uint64_t used;
};

struct constants {
	struct constant *rows[CONSTANTS_MAX];
	size_t count;
	uint64_t epoch; /* of the chip that they are of */
	uint64_t uses;
};

struct broker {
	struct provider *p;
	struct secret *key;
	struct vchip *first;	       /* those that have run something, or were seen since */
	_Atomic(struct vchip *) fresh; /* made on any thread, not yet in the list */
	unsigned guests;	       /* of all tenants */
	uint64_t uses;		       /* a clock of commands */
	uint64_t generation;	       /* of the last session; begins at random */
	struct constants constants;
	struct outstanding outstanding;
};

struct vchip {
	struct vchip *next;
	struct broker *broker;
	uint8_t id[BROKER_TENANT_ID_SIZE];
	struct broker_shelf shelf;
	bool has_shelf;
	uint64_t epoch; /* of the chip when it was last looked at */
	struct held *first;
	unsigned objects, sessions; /* in that list */
	uint32_t next_handle;	    /* of the next transient object, without its type */
	struct kept kept[BROKER_PERSISTENT_MAX];
	size_t kept_count;
	bool kept_known; /* the shelf was looked at */
	struct guesses guesses;
};

/* One command on its way. */
struct run {
	struct vchip *vchip;
	struct broker *broker;
	const struct filter_view *view;
	const struct vchip_limits *limits;
	/* Of each handle and of each authorisation what it is; NULL = not ours to know. */
	struct held *held[COMMANDS_HANDLES_MAX];
	struct kept *kept[COMMANDS_HANDLES_MAX];
	struct held *sessions[FILTER_SESSIONS_MAX];
	struct buf *answer;
	size_t begin; /* of this response in it */
	struct err *fault;
};

/*
 * Functions below that return uint32_t return a TPM's code: 0, or what the command is answered
 * with. run_fault() notes for the log what is not the client's doing, and is TPM_RC_FAILURE.
 */
uint32_t run_fault(struct run *run, const struct err *err);

/* This command's answer so far, and its code. */
struct slice run_answer(const struct run *run);
uint32_t response_code(struct slice answer);

/* The response that is nothing but success. */
void run_succeed(struct run *run);

/* --- broker.c ------------------------------------------------------------------------------ */

/* Takes those that were made since into the list. */
void broker_gather(struct broker *broker);

/* All that it had in the chip is lost or given back; @vchip's tables are empty then. */
void vchip_clear(struct vchip *vchip);

/* --- handles.c: the table of what a tenant has --------------------------------------------- */

struct held *handles_find(struct vchip *vchip, uint32_t handle);

/* Takes @guest over, also when that fails. */
uint32_t handles_add(struct run *run, enum guest_kind kind, struct provider_guest *guest,
		     struct held **ret_held);
/* What is not in the table is left alone. */
void handles_drop(struct vchip *vchip, struct held *held);
/* The same, and @run names it no longer. */
void handles_forget(struct run *run, struct held *held);
/* Drops all that the chip has lost. */
void handles_sweep(struct vchip *vchip);

/* Finds all that the command names, or answers as a chip does where there is no such thing. */
uint32_t handles_resolve(struct run *run);

bool handles_is_reserved(const struct vchip_limits *limits, uint32_t handle);
/*
 * Of the chip's own persistent objects: may a tenant see this one? A handle that is reserved for
 * endorsement keys (TCG "Registry of Reserved TPM 2.0 Handles") is granted only when one lies
 * there.
 */
uint32_t handles_grant(struct run *run, uint32_t handle, bool *ret_granted);
/*
 * The same as the chip says it now: for what a wrong answer would give away. Where others are at
 * the chip too, what handles_grant() knows of a handle may be old: until the chip is reset, a
 * command that names the handle is refused, or somebody asks here.
 */
uint32_t handles_grant_now(struct run *run, uint32_t handle, bool *ret_granted);

static inline bool held_is_session(const struct held *held)
{
	return held->kind == GUEST_SESSION;
}

/* --- room.c: quotas ------------------------------------------------------------------------ */

/* What this command names stays. TPM_RC_OBJECT_MEMORY or TPM_RC_SESSION_HANDLES: all are named. */
uint32_t room_for_object(struct run *run);
uint32_t room_for_session(struct run *run);
uint32_t room_for_kept(struct run *run);

/* The chip has no session left: one goes of the tenant that has most, and of those that have as
 * many the one that asks. False: there is none that would help. */
bool room_take_session(struct run *run);

/* --- ask.c: commands of our own ------------------------------------------------------------ */

#define ASK_MAX 4096u

/* Begins a command without sessions: header, whose size ask_end() fills in. */
void ask_begin(struct buf *command, uint32_t code);
void ask_begin_password(struct buf *command, uint32_t code, uint32_t handle, struct slice password);
void ask_end(struct buf *command);

struct ask {
	struct slice command;
	struct provider_guest *handle; /* in place of its first handle; NULL = as it stands */
	bool has_handle;
	enum guest_kind makes;
};
/* 0: *ret_answer begins with the chip's whole response. ERR_..: as of provider_guest_run(). */
int ask_chip(struct broker *broker, const struct ask *question, struct buf *ret_answer,
	     struct provider_guest **ret_made, struct err *err) MUST_CHECK;

/* ReadPublic of @guest, or of the persistent @handle where @guest is NULL. */
struct ask_public {
	uint32_t rc;
	uint32_t attributes;			/* TPMA_OBJECT */
	uint8_t names[2 * (NAME_MAX_SIZE + 2)]; /* its Name and its Qualified Name, as TPM2B */
	size_t names_len;
	uint8_t area[PUBLIC_MAX_SIZE]; /* TPMT_PUBLIC */
	size_t area_len;
};
int ask_read_public(struct broker *broker, struct provider_guest *guest, uint32_t handle,
		    struct ask_public *ret_public, struct err *err) MUST_CHECK;

/* The same of the persistent @handle, whatever was known of it: where others are at the chip too,
 * another key may lie there by now. */
int ask_read_public_now(struct broker *broker, uint32_t handle, struct ask_public *ret_public,
			struct err *err) MUST_CHECK;

/* The next time the chip is asked. */
void ask_forget_public(struct broker *broker, uint32_t handle);

/* The Name alone, without its size; empty where there is none. */
struct slice ask_name(const struct ask_public *public);

/*
 * Of the chip's handles that are @first or more the next ones, rising; *ret_count is at most @max,
 * and less only where there are no more. ERR_TPM_FAILED: a list that passes some over, or one
 * without end.
 */
int ask_handles(struct broker *broker, uint32_t first, uint32_t *ret_handles, size_t max,
		size_t *ret_count, struct err *err) MUST_CHECK;

/* --- guard.c ------------------------------------------------------------------------------- */

/*
 * After a command that made an object: TPM_RC_VALUE of its template when it is, by another
 * password, a persistent key of the chip that the tenant may not reach.
 */
uint32_t guard_made(struct run *run);

/* The same after a primary key was made again for the tenant, by its recipe. */
uint32_t guard_again(struct run *run, struct provider_guest *primary);

/* --- forward.c ----------------------------------------------------------------------------- */

/* Sends the command and appends the response, with the tenant's own handle. */
uint32_t forward(struct run *run);

/* --- vsession.c: what is known of sessions ------------------------------------------------- */

void vsession_began(struct run *run, struct held *held);
/* After a command that succeeded. */
void vsession_note(struct run *run);
/* TPM_RC_BAD_AUTH: the command's HMAC does not fit. @name is that of the second handle. */
uint32_t vsession_check(struct run *run, struct slice name);
/* The response without parameters of a command that a plain session authorised. */
uint32_t vsession_answer(struct run *run);

/* --- context.c ----------------------------------------------------------------------------- */

uint32_t context_flush(struct run *run);
uint32_t context_save(struct run *run);
uint32_t context_load(struct run *run);

/* --- capability.c -------------------------------------------------------------------------- */

/* Is it a list of handles that is a tenant's own? */
bool capability_is_own(const struct run *run);
uint32_t capability_answer(struct run *run);

/* --- constants.c --------------------------------------------------------------------------- */

/* True: @answer has it. */
bool constants_get(struct run *run);
/* Remembers the response where it is one that stays the same. */
void constants_note(struct run *run);
void constants_drop(struct constants *constants);
/* The same for commands of ours. */
bool constants_find(struct broker *broker, struct slice command, struct buf *ret_answer);
void constants_put(struct broker *broker, struct slice command, struct slice answer);
void constants_forget(struct broker *broker, struct slice command);

/* --- guesses.c ----------------------------------------------------------------------------- */

void guesses_add(struct guesses *guesses, const struct guest_lockout *lockout, uint64_t now_us);
bool guesses_spent(struct guesses *guesses, const struct guest_lockout *lockout, uint64_t now_us);
/* A new tenant's: less by what was @found in a chip whose counter nobody can set back. */
void guesses_begin(struct guesses *guesses, const struct guest_lockout *lockout, uint32_t found,
		   uint64_t now_us);
/* The same for a command of ours, whose response has this code, on the tenant's behalf. */
void guesses_note_code(struct run *run, uint32_t rc);
/* Has the tenant none left? */
bool guesses_are_spent(struct run *run);
/* TPM_RC_LOCKOUT: the tenant has none left, and the command would be another. */
uint32_t guesses_check(struct run *run);
void guesses_note(struct run *run);
/* Would a failed authorisation with this handle count? True where that cannot be known. */
bool guesses_count_at(struct run *run, size_t i);

/* --- kept.c: persistent objects ------------------------------------------------------------ */

/* NULL and 0: the tenant has none there. TPM_RC_NV_UNAVAILABLE: nobody knows. */
uint32_t kept_at(struct run *run, uint32_t handle, struct kept **ret_kept);
/* They are in the chip. A recipe that gives another object is answered as an absent handle. */
uint32_t kept_ensure(struct run *run);
/* Of one that is in the chip; borrowed. */
struct slice kept_recipe(const struct kept *kept);
/* Its Name, which is known also of one that cannot be made again. */
uint32_t kept_name(struct run *run, struct kept *kept, uint8_t ret_name[NAME_MAX_SIZE],
		   size_t *ret_len);
/*
 * ReadPublic, where that must be answered from what is on the shelf: who wants to remove an object
 * that is of another seed asks for its Name first. *ret_done: it was, or is refused.
 */
uint32_t kept_read_public(struct run *run, bool *ret_done);
bool kept_is_foreign(const struct run *run, const struct kept *kept);
/* @guest is what came of trying the recipe; taken over unless that fails. */
uint32_t kept_put(struct run *run, uint32_t handle, const struct held *held,
		  const struct ask_public *public, struct provider_guest *guest);
uint32_t kept_take_away(struct run *run, struct kept *kept);
/* Out of the chip; its record goes out of memory. */
void kept_unload(struct broker *broker, struct kept *kept);

/* --- evict.c ------------------------------------------------------------------------------- */

uint32_t evict_control(struct run *run);

#endif
