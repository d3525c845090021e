/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_IMPL_H
#define TPM_IMPL_H

/* What the engine's own files share. */

#include "base/secret.h"
#include "tpm/command.h"
#include "tpm/engine.h"
#include "tpm/guest.h"
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
	bool more; /* behind these, as the chip says */
};

static inline bool chip_handles_have(const struct chip_handles *handles, uint32_t handle)
{
	for (size_t i = 0; i < handles->count; i++)
		if (handles->handle[i] == handle)
			return true;
	return false;
}

static inline void chip_handles_add(struct chip_handles *handles, uint32_t handle)
{
	if (handles->count < CHIP_HANDLES_MAX)
		handles->handle[handles->count++] = handle;
}

/* Groups of handles, as TPM2_GetCapability names them (Part 3). */
#define GROUP_TRANSIENT	     0x80000000u
#define GROUP_LOADED_SESSION 0x02000000u
#define GROUP_SAVED_SESSION  0x03000000u
#define GROUP_POLICY_SESSION 0x03000000u /* by its own handle */
#define GROUP_MASK	     0xff000000u

static inline bool chip_is_of(uint32_t handle, uint32_t group)
{
	return (handle & GROUP_MASK) == group;
}

/* By their index in the chip: what its lists call a saved policy session is one of HMAC. */
static inline bool chip_same_session(uint32_t a, uint32_t b)
{
	return (chip_is_of(a, GROUP_LOADED_SESSION) || chip_is_of(a, GROUP_POLICY_SESSION)) &&
	       (chip_is_of(b, GROUP_LOADED_SESSION) || chip_is_of(b, GROUP_POLICY_SESSION)) &&
	       (a & ~GROUP_MASK) == (b & ~GROUP_MASK);
}

#define OTHERS_MAX 4u

/* An endorsement key as far as it was looked at. */
struct ek {
	const struct ek_row *row; /* NULL = not at all */
	bool placed;		  /* the handle is known, 0 for nowhere */
	uint32_t handle;
	TPM2B_PUBLIC public;
	struct engine_name name;
	struct buf certificate, chain; /* no room before @row is set */
};

struct eks {
	struct ek keys[PKEY_TYPES];
	enum pkey_type first; /* what PKEY_TYPES means, when @has_first */
	bool has_first;
	bool refused;	 /* the hierarchy's password, in this operation */
	bool unreadable; /* an index was refused in it */
	uint32_t reset_count;
	char remark[160];
};

/* Of the chip's active sessions those are ours, and never a guest's. */
#define SESSIONS_OURS 3u
#define SESSIONS_MAX  64u /* that we count on in any chip */

/*
 * An object is in the chip, or its context is here, or it is lost: there is no other note of that.
 * A session is in the chip or, with @saved, its context is here.
 */
struct engine_guest {
	struct engine_guest *older, *newer; /* of all */
	enum engine_guest_kind kind;
	bool lost;
	bool saved;
	uint32_t handle;      /* of a session; of an object only from engine_drop() to its return */
	uint8_t id[SLOTS_ID]; /* of an object's slot */
	struct buf context;
	uint64_t used; /* a session, by the clock of uses */
};

struct guests {
	struct engine_guest *newest; /* of all */
	struct engine_guest *sessions[SESSIONS_MAX];
	size_t session_count; /* neither lost nor ended */
	uint64_t last_id, epoch;
	struct chip_handles doomed; /* sessions that could not be flushed */
	/* The clock of uses of all sessions, ours and guests'; what was used later than @mark is in
	 * use now. */
	uint64_t clock, mark, ours[LINE_SESSIONS];
	uint64_t saved; /* the sequence number of the newest saved session's context */
};

/* A persistent key that is used, as it was found at its handle. */
struct persistent {
	struct root root; /* handle 0 = none was looked at since the chip was opened */
	enum pkey_type type;
	unsigned uses;
};

struct engine {
	struct line line;
	struct slots slots;
	struct root srk;
	TPM2B_PUBLIC srk_public;
	struct root hsk;		/* its handle is 0 when it is an object in the slots */
	uint8_t hsk_id[SLOTS_ID];	/* there */
	struct root others[OTHERS_MAX]; /* persistent parents whose Name was looked up */
	unsigned next_other;
	struct persistent persistent;
	struct buf parked[LINE_SESSIONS]; /* our sessions' contexts while not in the chip */
	bool ready;			  /* roots verified and session up */
	bool flushed;			  /* what a killed owner left was flushed once */
	bool srk_tried;		   /* this chip was asked for the recorded SRK and made another */
	struct err refusal;	   /* code 0, or why a chip that answers may not be used */
	uint64_t refused_until_us; /* no new look before that */
	struct eks eks;
	struct engine_pcrs banks; /* count 0 = not asked for yet */
	struct engine_roots roots;
	struct engine_facts facts;
	struct engine_message *messages[ENGINE_MESSAGES_MAX];
	struct guests guests;
	char remark[256];
	enum pkey_type srk_type;
	uint32_t srk_handle, hsk_handle;
	struct secret *owner_auth, *endorsement_auth, *hsk_auth, *lockout_auth;
};

/* --- chip.c, chip_facts.c, chip_context.c, chip_session.c: one TPM command each, the chip's code
 * as result --- */

TSS2_RC chip_startup(struct engine *engine);
TSS2_RC chip_shutdown(struct engine *engine);
/* The Name of a hierarchy or session is its handle (Part 1, "Names"). */
struct slice chip_handle_name(uint32_t handle, uint8_t ret_bytes[4]);
TSS2_RC chip_read_public(struct engine *engine, uint32_t handle, TPM2B_PUBLIC *ret_public);
/*
 * To some chips, libtpms 0.9 among them, what an RSA key does not open is a FAILURE of their own,
 * though nothing is wrong with them: one in failure mode does not read keys (Part 1, "Failure
 * Mode").
 */
bool chip_is_well(struct engine *engine);
/*
 * The same of one whose Name is known, with the Name that says below which hierarchy it is (Part 1,
 * "Qualified Name"). Our session's HMAC covers question and answer: a chip that has another object
 * there refuses.
 */
TSS2_RC chip_read_qualified(struct engine *engine, const struct root *object,
			    TPM2B_PUBLIC *ret_public, struct engine_name *ret_qualified);
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
/* A primary key of a hierarchy, with an empty password. */
struct chip_primary {
	uint32_t hierarchy;
	struct slice auth; /* the hierarchy's */
	const TPM2B_PUBLIC *template;
};
TSS2_RC chip_create_primary(struct engine *engine, const struct chip_primary *primary,
			    struct root *ret_root, TPM2B_PUBLIC *ret_public);
/* From a slot to @handle; or, with an object that lies at @handle, out of the chip. */
TSS2_RC chip_persist(struct engine *engine, const struct root *object, uint32_t handle);
TSS2_RC chip_lockout_reset(struct engine *engine);
/* By the lockout hierarchy; all passwords are empty then, and what was its is gone. */
TSS2_RC chip_clear(struct engine *engine);

TSS2_RC chip_facts(struct engine *engine);   /* all of them: some commands more */
TSS2_RC chip_lockout(struct engine *engine); /* those that change */
TSS2_RC chip_counts(struct engine *engine);  /* of resets and restarts */
/* *ret_more (NULL is allowed): the chip has more of them than fitted. */
TSS2_RC chip_capability(struct engine *engine, TPM2_CAP capability, uint32_t property,
			uint32_t count, TPMS_CAPABILITY_DATA *ret_data, bool *ret_more);
/* From the first of a group on, or from a handle. */
TSS2_RC chip_handles(struct engine *engine, uint32_t group, struct chip_handles *ret_handles);

TSS2_RC chip_flush(struct engine *engine, uint32_t handle);
/* All of a group but guests. */
TSS2_RC chip_flush_group(struct engine *engine, uint32_t group);
/* An object stays in the chip, a session leaves it; its context loads once. */
TSS2_RC chip_context_save(struct engine *engine, uint32_t handle, struct buf *ret_context);
TSS2_RC chip_context_load(struct engine *engine, struct slice context, uint32_t *ret_handle);

/* Salted to @salt (with @public), or unsalted when NULL. LINE_POLICY is one for a policy. */
TSS2_RC chip_start_session(struct engine *engine, enum line_session which, const struct root *salt,
			   const TPM2B_PUBLIC *public);

/* --- roots.c: finds, verifies or makes SRK and HSK, and starts the session between them --- */

int roots_open(struct engine *engine, bool *ret_new, struct err *err) MUST_CHECK;
/* A new first session in the place of one that was lost; verifies the SRK. */
int roots_session(struct engine *engine, struct err *err) MUST_CHECK;
/* ERR_DAMAGED: the recorded HSK is not what it was; @what is wrong with it. */
int roots_damaged(const char *what, struct err *err);
/* ERR_OWNER_AUTH_REQUIRED; @what was refused. */
int roots_owner_refused(const struct engine *engine, const char *what, struct err *err);

/* --- resident.c: what of ours is in the chip --- */

/*
 * An object, looked at before the chip is asked. What is in the chip is not unmarshalled again:
 * its id is a hash of all its bytes, so these are the ones that were loaded.
 */
struct loadable {
	uint8_t id[SLOTS_ID];
	enum engine_parent parent;
	struct root other;   /* with ENGINE_OTHER */
	enum pkey_type type; /* PKEY_TYPES: no pair that is served */
	unsigned uses;
	struct slice auth, public_bytes, private_bytes;
	bool parsed; /* into the two below */
	TPM2B_PUBLIC public;
	TPM2B_PRIVATE private;
};
int loadable_parse(struct engine *engine, const struct engine_object *object,
		   struct loadable *ret_loadable, struct err *err) MUST_CHECK;

/* In the chip for the command to come, from before or by its context; *ret_slot NULL: neither. */
TSS2_RC resident_again(struct engine *engine, const uint8_t id[SLOTS_ID], struct slot **ret_slot);

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

/* One object less; false when none was left, or the chip was lost. _idle: none that the command
 * has named. */
bool resident_yield(struct engine *engine);
bool resident_yield_idle(struct engine *engine);
void resident_forget(struct engine *engine, const uint8_t id[SLOTS_ID]);
TSS2_RC resident_flush(struct engine *engine);
/* The same, but contexts are saved as at any eviction. */
TSS2_RC resident_leave(struct engine *engine);

/* What a chip refuses to flush is still there, and must not be forgotten before it is gone. */
bool resident_stays(TSS2_RC rc);
/* What the chip has forgotten is out of it; but it was reset, or is another one: look again. */
TSS2_RC resident_forgotten(struct engine *engine, TSS2_RC rc);

/* --- sessions.c: our own sessions in the chip, out of it, and back --- */

/* A new one in the place of the one before. @salt as for chip_start_session(). */
TSS2_RC session_open(struct engine *engine, enum line_session which, const struct root *salt,
		     const TPM2B_PUBLIC *public);
/* One that was not needed so far, in the chip for the command to come. */
TSS2_RC session_want(struct engine *engine, enum line_session which);
/* Away for good: one, all, the parked. */
void session_end(struct engine *engine, enum line_session which);
void session_discard(struct engine *engine);
void session_end_parked(struct engine *engine);
/* The parked are to be ended when the chip is open again. */
void session_doom_parked(struct engine *engine);
/* Its number was given to somebody else, so the chip has it no more. */
void session_displaced(struct engine *engine, uint32_t handle);
/* Keeps no more of them than leaves others a place, after a command that needed several. */
void session_rest(struct engine *engine);
/* One out of the chip; back; the context of one that is out renewed. */
TSS2_RC session_park_one(struct engine *engine, enum line_session which);
bool session_unpark(struct engine *engine, enum line_session which);
bool session_renew_one(struct engine *engine, enum line_session which);
bool session_is_loaded(const struct engine *engine, enum line_session which);

/* --- places.c: the chip's few places for sessions, ours and guests' --- */

/* A new command begins: all but what it will touch may go. */
void places_mark(struct engine *engine);
void places_touch(struct engine *engine, enum line_session which);
void places_touch_guest(struct engine *engine, struct engine_guest *guest);
/* Saves what is not in use until @need places are free and @stay more may stay. */
TSS2_RC places_room(struct engine *engine, unsigned need, unsigned stay);
/* One session less; false when all are in use or the chip was lost. */
bool places_yield(struct engine *engine);
/* The session that was saved first stands in the way: it is saved anew. False when all that stands
 * there is others'. */
bool places_close_gap(struct engine *engine);
/* The same ahead of time, as long as a few commands can do it. */
TSS2_RC places_renew(struct engine *engine);
/* To be told of each saved session's context. */
void places_saved(struct engine *engine, struct slice context);

/* --- guest.c --- */

/* Whose handle is this: an object's that waits for its return, or a session's? */
bool guests_have(const struct engine *engine, uint32_t handle);
/* A session that was started just now has the number of one that is therefore gone. */
void guests_displace(struct engine *engine, uint32_t handle);
/* Nothing of it is left in the chip or here. */
void guest_lose(struct engine *engine, struct engine_guest *guest);
void guests_lose(struct engine *engine);
/* A new one, not yet anywhere; and in the chip. */
int guest_new(enum engine_guest_kind kind, struct engine_guest **ret_guest, struct err *err)
	MUST_CHECK;
void guest_enter(struct engine *engine, struct engine_guest *guest, uint32_t handle);
/* In its slot; from nowhere or from its context. */
void guest_settle(struct engine *engine, struct engine_guest *guest, uint32_t handle);
/*
 * Reads how often the chip was reset: if it was since the last time, all guests are lost and it is
 * looked at anew. A layer's code, or 0.
 */
TSS2_RC guests_look(struct engine *engine);
/* What was to give way or to come in, ours or a guest's, was not there: true when it was looked why
 * and another try may do better. */
bool guests_look_again(struct engine *engine, TSS2_RC rc);
/* As guests_look(), after the counts were read. */
void guests_compare(struct engine *engine, uint32_t resets, uint32_t restarts);
/*
 * The chip has forgotten it, by its own word: all of them when it was reset; else this one, but for
 * an object whose context is here.
 */
void guest_gone(struct engine *engine, struct engine_guest *guest);
/*
 * engine_drop() forgets the slots: guests in the chip are remembered by their handles. When the
 * chip is open again it is looked whether it was reset, all is flushed but them, and they return.
 */
void guests_hold(struct engine *engine);
TSS2_RC guests_check(struct engine *engine);
TSS2_RC guests_return(struct engine *engine);
/* Out of the chip for good, when the engine ends; and the memory. */
void guests_flush(struct engine *engine);
void guests_free(struct engine *engine);

/* --- guest_session.c --- */

/* Out of the chip; all of them; and back. */
TSS2_RC guest_park(struct engine *engine, struct engine_guest *guest);
TSS2_RC guests_park(struct engine *engine);
TSS2_RC guest_unpark(struct engine *engine, struct engine_guest *guest);
/* Loaded and saved again; one that cannot be is lost, which helps as well. */
void guest_renew(struct engine *engine, struct engine_guest *guest);
/* No longer one of the sessions; the chip has it no more. */
void guest_forget_session(struct engine *engine, const struct engine_guest *guest);
/* At once, or when the chip is open again. */
void guest_flush_session(struct engine *engine, struct engine_guest *guest);
void guests_flush_doomed(struct engine *engine);
/* Will no other be started, though the chip would? */
bool guests_are_full(const struct engine *engine);

/* --- key_use.c --- */

/* Parsed, and made for this use: ERR_INVALID when not. */
int key_parse(struct engine *engine, const struct engine_object *key, enum engine_use use,
	      struct loadable *ret_key, struct err *err) MUST_CHECK;

/*
 * The key in the chip as *ret_root, and @command as one that uses it by its password. The root must
 * live as long as the command, which names it.
 */
TSS2_RC key_command(struct engine *engine, struct loadable *key, struct root *ret_root,
		    struct command *command);

/* The argument of key_sign_run(), an engine_op's run(). */
struct key_sign {
	struct loadable key;
	TPM2B_DIGEST digest;
	TPMT_SIG_SCHEME scheme;
	TPMT_TK_HASHCHECK ticket;
	TPMT_SIGNATURE signature;
};
TSS2_RC key_sign_run(struct engine *engine, void *arg);
/* Its parts: what is signed and how; may such a key do it; the one command, of a key in the chip.
 */
int key_sign_take(const struct engine_sign *request, struct key_sign *op, struct err *err)
	MUST_CHECK;
int key_sign_fits(enum pkey_type type, unsigned uses, enum pkey_scheme scheme, struct err *err)
	MUST_CHECK;
TSS2_RC key_sign_by(struct engine *engine, uint32_t handle, const struct command *command,
		    struct key_sign *sign);

/* At most ENGINE_PIECE_MAX bytes, as the chip takes them; and a MAC, as it gives it. */
int piece_take(struct slice piece, TPM2B_MAX_BUFFER *ret_buffer, struct err *err) MUST_CHECK;
int mac_take(const TPM2B_DIGEST *mac, struct buf *ret_mac, struct err *err) MUST_CHECK;

/* --- persistent.c --- */

/* Does a chip say that nothing lies at the handle? */
bool persistent_is_absent(TSS2_RC rc);
/* Of a hash that we do not know only that hash's number, which is no key's Name. */
void persistent_name(const TPM2B_PUBLIC *public, struct engine_name *ret_name);

/* --- share.c --- */

/*
 * A fresh secret that only the holder of the key can read (Part 1, B.10 and C.6), as long as
 * SHA-256; @use is the label, such as "SECRET".
 */
int share_make(const TPM2B_PUBLIC *holder, const char *use, uint8_t ret_secret[SESSION_HASH_SIZE],
	       TPM2B_ENCRYPTED_SECRET *ret_sealed, struct err *err) MUST_CHECK;

/* --- import.c --- */

/* The argument of import_run(), an engine_op's run(): TPM2_Import below the HSK, one command. */
struct op_import {
	TPM2B_PUBLIC public;
	TPM2B_PRIVATE duplicate, private;
	TPM2B_ENCRYPTED_SECRET seed;
	TSS2_RC rc; /* of the command itself */
};
TSS2_RC import_run(struct engine *engine, void *arg);

/* --- object.c --- */

/* What the chip answered, as its bytes. */
int made_marshal(const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
		 struct engine_made *ret_made, struct err *err) MUST_CHECK;
/* --- pcr.c --- */

/* Fills line.fault (ERR_INVALID) and is COMMAND_OURS when the chip lacks one of @wanted. */
TSS2_RC pcr_select(struct engine *engine, const struct engine_pcrs *wanted,
		   TPML_PCR_SELECTION *ret_selection);
bool pcr_same(const struct engine_pcrs *wanted, const TPML_PCR_SELECTION *selection);
TSS2_RC pcr_read(struct engine *engine, const struct engine_pcrs *wanted,
		 struct engine_pcr_values *ret_values);
/* The hash of all values, as a quote holds it. */
int pcr_digest(const struct engine_pcr_values *values, enum hash_alg alg,
	       uint8_t ret_digest[HASH_MAX_SIZE], struct err *err) MUST_CHECK;
/* How often what changes meanwhile is taken. */
#define PCR_ROUNDS 4u
TSS2_RC pcr_restless(struct engine *engine);

/* --- quote.c --- */

/* What both statements come out of the chip as. */
struct statement {
	TPM2B_ATTEST bytes;
	TPMS_ATTEST said; /* the same, taken apart */
	TPMT_SIGNATURE signature;
};
/* Is it what was asked for: of this type, with this nonce? Takes it apart. */
TSS2_RC statement_check(struct statement *statement, TPMI_ST_ATTEST type, struct slice nonce);
int statement_hand_over(const struct statement *statement, struct engine_attested *ret_attested,
			struct err *err) MUST_CHECK;
/* ERR_INVALID when it is too long for any chip. */
int statement_nonce(struct slice nonce, TPM2B_DATA *ret_data, struct err *err) MUST_CHECK;

/* --- nv.c --- */

#define NV_EK_FIRST    0x01c00000u /* EK Credential Profile 2.5, 2.2.1.4 and 2.2.1.5 */
#define NV_CHAIN_FIRST 0x01c00100u
#define NV_CHAIN_LAST  0x01c001ffu

/*
 * Appends all of an index, which may be read by its own empty password or the owner's, or nothing
 * when it is unwritten, too long for the buf, or somebody else's to read.
 */
TSS2_RC nv_read(struct engine *engine, uint32_t handle, struct buf *ret_bytes);

/* --- ek.c, ek_certificate.c --- */

struct ek_row {
	enum pkey_type type;
	bool high;	      /* range of the template */
	uint32_t certificate; /* NV index */
};

/* Before an operation with one of them. */
void ek_begin(struct engine *engine);
/* For the command to come; the type must not be PKEY_TYPES. */
TSS2_RC ek_resident(struct engine *engine, enum pkey_type type, struct root *ret_root);
/* The type that PKEY_TYPES means here, and anything else itself. */
TSS2_RC ek_choose(struct engine *engine, enum pkey_type type, enum pkey_type *ret_type);
/* Refused for the want of the endorsement hierarchy's password? Says so. */
int ek_err(struct engine *engine, int r, struct err *err);
bool ek_by_policy(const struct ek *ek);
TSS2_RC ek_certify(struct engine *engine, struct ek *ek, const struct chip_handles *indices);
void eks_misplace(struct eks *eks);
void eks_fini(struct eks *eks);

/* --- exchange.c --- */

struct answer {
	uint8_t bytes[TRANSPORT_BUFFER];
	size_t len;
};
void answer_wipe(struct answer *answer);
uint32_t answer_code(const struct answer *answer);
/* As a chip answers that refuses with this code. */
void answer_set(struct answer *answer, uint32_t code);
/* Appends it. ERR_INTERNAL: no room. */
int answer_hand_over(const struct answer *answer, struct buf *ret_bytes, struct err *err)
	MUST_CHECK;

/*
 * Part 1, "Command Header". With another tag a chip answers as a TPM 1.2, and where the length is
 * too large a simulator waits for the rest: both look like a chip that is lost.
 */
bool exchange_is_whole(struct slice command);
/* A layer's code, or 0 with the chip's answer, whatever its code. */
TSS2_RC exchange(struct engine *engine, struct slice command, struct answer *ret_answer);

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

/* With its options and a way to the chip, to which nothing was said yet. */
int engine_new(const struct engine_options *options, struct engine **ret_engine, struct err *err)
	MUST_CHECK;

/* What a killed owner, or we ourselves, left behind in a bare chip. */
TSS2_RC engine_flush_left(struct engine *engine);

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
