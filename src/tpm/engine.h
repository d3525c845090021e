/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_ENGINE_H
#define TPM_ENGINE_H

/*
 * Engine: what we do with a TPM 2.0, in its own terms, for one thread. It knows objects by their
 * public and private bytes and loads them on demand; it knows no tenant, no disk and no queue.
 *
 * At the root stand two storage keys (roots.c): the SRK, shared with all TPM software, and the HSK
 * below it, ours alone. Both are known by Name ever after: a chip without them is another chip.
 * After a loss of the device, a reset or a restart the engine opens again by itself.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"
#include "crypto/hash.h"
#include "crypto/pkey.h"

#define ENGINE_NAME_MAX	   66u /* nameAlg and its digest */
#define ENGINE_PUBLIC_MAX  1024u
#define ENGINE_PRIVATE_MAX 1536u
#define ENGINE_RANDOM_MAX  32u

struct engine_name {
	uint8_t bytes[ENGINE_NAME_MAX];
	size_t len;
};

/* What is recorded of a chip and compared ever after. */
struct engine_roots {
	uint32_t srk_handle;
	struct engine_name srk;
	struct engine_name hsk;
	uint8_t hsk_public[ENGINE_PUBLIC_MAX]; /* TPM2B_PUBLIC as marshalled */
	size_t hsk_public_len;
	uint8_t hsk_private[ENGINE_PRIVATE_MAX]; /* TPM2B_PRIVATE as marshalled */
	size_t hsk_private_len;
};

struct engine_options {
	const char *tcti;	 /* "" = the device nodes */
	enum pkey_type srk_type; /* of an SRK that has to be made */
	uint32_t srk_handle;	 /* for ours, when 0x81000001 cannot be used */
	uint32_t hsk_handle;	 /* 0 = not persistent */
	bool encrypt;
	struct slice owner_auth;	     /* copied */
	struct slice lockout_auth;	     /* copied; empty = the lockout counter is left alone */
	struct slice hsk_auth;		     /* copied */
	const struct engine_roots *recorded; /* NULL = no chip was ever recorded */
};

struct engine;

/*
 * Opens the chip and its roots. Without a record the SRK is adopted or made and a new HSK is made
 * below it; *ret_new then tells the caller to record engine_roots(). With a record nothing is made
 * but the same SRK from the same seed. A chip that answers but cannot be verified against the
 * record opens too, and every use is refused: ERR_TPM_CHANGED, ERR_OWNER_AUTH_REQUIRED (the SRK
 * is gone and only the owner can make it), ERR_DAMAGED (the record's HSK).
 */
int engine_open(const struct engine_options *options, struct engine **ret_engine, bool *ret_new,
		struct err *err) MUST_CHECK;

/* Flushes what is ours and, on a bare chip, sends TPM2_Shutdown(CLEAR). */
void engine_free(struct engine *engine);
MEM_DEFINE_CLEANUP(engine)

/* Makes the HSK persistent, once its record is durable. Failing leaves it a transient object. */
int engine_persist_hsk(struct engine *engine, struct err *err) MUST_CHECK;

const struct engine_roots *engine_roots(const struct engine *engine);
const char *engine_remark(const struct engine *engine); /* for the log; "" when there is none */

/* 0, or the code that every use of this chip is refused with until it is another one. */
int engine_refusal(const struct engine *engine);

/* For repetitions; 0 = the transport's own patience. */
void engine_set_deadline(struct engine *engine, uint64_t deadline_us);

struct engine_facts {
	char manufacturer[5];
	char firmware[24];
	char tcti[128];
	const char *manager; /* of the chip's slots, beside us: "none", "kernel", "unknown" */
	uint32_t object_slots, session_slots; /* that the chip has at least, or 3 */
	uint32_t reset_count, restart_count;
	uint32_t ek_handle; /* of a persistent endorsement key; 0 = none where they usually lie */
	struct engine_name ek;
	/* Read again whenever the chip counts a failure; the interval is in seconds. */
	uint32_t lockout_counter, lockout_max, lockout_interval;
	bool in_lockout;
	uint32_t lockout_resets;   /* that we sent since engine_open() */
	bool lockout_auth_refused; /* and is not tried again */
};
void engine_facts(const struct engine *engine, struct engine_facts *ret_facts);

/* The values of the first two are stored in objects. */
enum engine_parent { ENGINE_SRK = 1, ENGINE_HSK = 2, ENGINE_OTHER = 3 };

/* An object as it is kept outside the chip. */
struct engine_object {
	enum engine_parent parent;
	/* With ENGINE_OTHER: a persistent key with an empty password, verified by its Name. */
	uint32_t other_handle;
	struct slice other_name;
	struct slice public;  /* marshalled TPM2B_PUBLIC */
	struct slice private; /* marshalled TPM2B_PRIVATE */
	struct slice auth;    /* its authValue */
};

/* A new one; 0-initialised with ENGINE_MADE_INIT. */
struct engine_made {
	struct buf public;
	struct buf private;
};
#define ENGINE_MADE_INIT                                                                           \
	{                                                                                          \
		.public = BUF_INIT(ENGINE_PUBLIC_MAX), .private = BUF_INIT(ENGINE_PRIVATE_MAX)     \
	}
void engine_made_fini(struct engine_made *made);
static inline void engine_made_cleanup(struct engine_made *made)
{
	engine_made_fini(made);
}

/*
 * Each is one TPM command when the objects it names are loaded; else one to load each and one Flush
 * for each that makes room (slots.h). ERR_WRONG_TPM: below ENGINE_OTHER lies another key or none.
 */
int engine_random(struct engine *engine, uint8_t *ret_bytes, size_t len, struct err *err)
	MUST_CHECK;
int engine_seal(struct engine *engine, struct slice auth, const struct secret *plain,
		struct engine_made *ret_made, struct err *err) MUST_CHECK;
int engine_unseal(struct engine *engine, const struct engine_object *object,
		  struct secret **ret_plain, struct err *err) MUST_CHECK;
int engine_create_key(struct engine *engine, enum engine_parent parent, enum pkey_type type,
		      struct slice auth, struct engine_made *ret_made, struct err *err) MUST_CHECK;

struct engine_sign {
	enum pkey_scheme scheme;
	enum hash_alg hash;
	struct slice digest;
};
int engine_sign(struct engine *engine, const struct engine_object *key,
		const struct engine_sign *request, struct buf *ret_signature, struct err *err)
	MUST_CHECK;

/* A new private part with another authValue; the object itself is the same. */
int engine_change_auth(struct engine *engine, const struct engine_object *object,
		       struct slice new_auth, struct buf *ret_private, struct err *err) MUST_CHECK;

/*
 * One raw command of somebody else, sent as it is; the chip's answer is appended to *ret_answer,
 * whatever its code. ERR_INVALID: its header is none. ERR_TPM_FAILED: nobody knows what it did.
 * Before it all that is ours leaves the chip, so that each handle that it names is somebody else's.
 * engine_raw_end() then flushes every transient object and session that is not ours and looks for
 * the roots by their Names: ERR_TPM_CHANGED when they are gone.
 */
int engine_raw(struct engine *engine, struct slice command, struct buf *ret_answer, struct err *err)
	MUST_CHECK;
int engine_raw_end(struct engine *engine, struct err *err) MUST_CHECK;

/* Drops it from the chip when it is loaded. */
void engine_forget(struct engine *engine, const struct engine_object *object);

/*
 * What a public area says; needs no chip. ERR_DAMAGED when it is none, ERR_NOT_SUPPORTED for key
 * types outside enum pkey_type.
 */
struct engine_public {
	enum pkey_type type;
	bool sign;	     /* signs */
	bool restricted;     /* signs or decrypts only what the TPM made itself */
	bool user_with_auth; /* usable with its password */
	struct engine_name name;
	struct pkey *key; /* freed by the caller */
};
int engine_public_parse(struct slice bytes, struct engine_public *ret_public, struct err *err)
	MUST_CHECK;

#endif
