/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_GUEST_H
#define PROVIDER_GUEST_H

/*
 * Guests: transient objects and sessions that somebody else keeps in the chip by raw commands. The
 * provider moves them in and out of the chip's few slots together with our own (tpm/slots.h); their
 * owner, the broker, sees them as there for as long as they live. What may be sent, and whose a
 * guest is, the broker decides; here nothing is refused but what cannot be done.
 *
 * On a TPM only: all are ERR_TPM_REQUIRED in software. Worker only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

struct provider;

#define GUEST_HANDLES_MAX  3u
#define GUEST_SESSIONS_MAX 3u
#define GUEST_BYTES_MAX	   4096u /* of a command, and of a response */

/* Opaque; lives until provider_guest_free(), or until the provider is freed. */
struct provider_guest;

/* What a command leaves in the chip when it succeeds. */
enum guest_kind {
	GUEST_NONE,
	GUEST_OBJECT,	/* does not change in use: its context is saved once */
	GUEST_SEQUENCE, /* of a hash or HMAC: changes with each use */
	GUEST_SESSION,	/* keeps its handle wherever it is; its context loads once */
};

struct guest_command {
	struct slice bytes; /* whole, as the client sent it; understood up to its parameters */
	/* Position by position: where a guest is named its handle in the chip takes the place of
	 * what stands in the command; NULL = as it stands there. */
	size_t handle_count;
	struct provider_guest *handles[GUEST_HANDLES_MAX];
	/* Of the authorisations, in order; NULL = a password. Never changed in the bytes. */
	size_t session_count;
	struct provider_guest *sessions[GUEST_SESSIONS_MAX];
	enum guest_kind makes;	/* its response begins with a handle then */
	bool takes_slot;	/* it needs a free object slot while it runs (Create, Import, ..) */
	unsigned ends_sessions; /* bits of sessions[] that end when it succeeds */
	unsigned ends_handles;	/* the same for handles[]: a sequence that it completes */
};

/*
 * Sends it, and appends the chip's response to *ret_answer, whatever its code; the handle that the
 * response begins with is the chip's, and *ret_made is its guest (NULL when none was made). All
 * that the command names is in the chip before, and there is room for what it makes. What the chip
 * asks to be sent again is sent again until p->deadline_us. A guest that the chip has lost is
 * answered as a chip does, TPM_RC_REFERENCE_H0 + position or TPM_RC_REFERENCE_S0 + position (which
 * is that of the authorisation), and provider_guest_lost() is true from then on. When no session is
 * left, counting those that we keep for ourselves, it is answered TPM_RC_SESSION_HANDLES: the
 * caller may free one and send it again.
 *
 * ERR_TPM_FAILED, ERR_TPM_CHANGED, ..: the chip is gone, or another one, or refused for a reason
 * that status tells; nobody knows what the command did.
 */
int provider_guest_run(struct provider *p, const struct guest_command *command,
		       struct buf *ret_answer, struct provider_guest **ret_made, struct err *err)
	MUST_CHECK;

/*
 * Appends the marshalled TPMS_CONTEXT of an object or a sequence, which stays usable. One command,
 * none when an object's was saved before. ERR_NOT_FOUND: lost. ERR_INVALID: a session.
 */
int provider_guest_save(struct provider *p, struct provider_guest *guest, struct buf *ret_context,
			struct err *err) MUST_CHECK;

/*
 * A guest from such a context. One ContextLoad: *ret_rc is the chip's code and *ret_guest is set
 * only when that is 0.
 */
int provider_guest_load(struct provider *p, enum guest_kind kind, struct slice context,
			uint32_t *ret_rc, struct provider_guest **ret_guest, struct err *err)
	MUST_CHECK;

/* Its handle in the chip: constant for a session, the present one (or 0) for others. */
uint32_t provider_guest_handle(const struct provider *p, const struct provider_guest *guest);

/* Is it out of the chip for good: reset, ended, flushed behind our back? */
bool provider_guest_lost(const struct provider *p, const struct provider_guest *guest);

/* Out of the chip, at once or when its slot is wanted. NULL is allowed. Never fails. */
void provider_guest_free(struct provider *p, struct provider_guest *guest);

/* Another number after each reset or change of the chip: what was remembered of it is stale. */
uint64_t provider_guest_epoch(const struct provider *p);

/*
 * Failed authorisations that the chip counts, its limit, and seconds until it forgets one; no
 * command. may_reset: the password is known that sets the count to 0, and we do so in time.
 */
struct guest_lockout {
	uint32_t counter, max, interval;
	bool may_reset;
};
void provider_guest_lockout(const struct provider *p, struct guest_lockout *ret_lockout);

/* What a provider with a chip implements; each as its door above says. */
struct guest_ops {
	int (*run)(struct provider *p, const struct guest_command *command, struct buf *ret_answer,
		   struct provider_guest **ret_made, struct err *err);
	int (*save)(struct provider *p, struct provider_guest *guest, struct buf *ret_context,
		    struct err *err);
	int (*load)(struct provider *p, enum guest_kind kind, struct slice context,
		    uint32_t *ret_rc, struct provider_guest **ret_guest, struct err *err);
	uint32_t (*handle)(const struct provider *p, const struct provider_guest *guest);
	bool (*lost)(const struct provider *p, const struct provider_guest *guest);
	void (*free)(struct provider *p, struct provider_guest *guest);
	uint64_t (*epoch)(const struct provider *p);
	void (*lockout)(const struct provider *p, struct guest_lockout *ret_lockout);
};

#endif
