/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_TEST_GUESTS_H
#define TPM_TEST_GUESTS_H

/* What a client of raw commands keeps of its own objects and sessions, for the tests of guests. */

#include "tpm/guest.h"
#include "tpm/session.h"
#include "tpm/test_bench.h"

#define ASK_SESSIONS  3u
#define SESSION_AUDIT 0x80u /* Part 2, 8.4 */

/* A session as its client knows it. */
struct held_session {
	struct engine_guest *guest;
	struct session session;
};

/* A command to be: a guest takes its place in the handles, the number stands there without one. */
struct ask {
	uint32_t code;
	size_t handle_count;
	uint32_t handles[2];
	struct engine_guest *guests[2];
	struct slice names[2]; /* with sessions */
	size_t session_count;
	struct held_session *sessions[ASK_SESSIONS]; /* NULL = an empty password */
	uint8_t attributes[ASK_SESSIONS];
	struct slice parameters;
	enum engine_guest_kind makes;
	bool takes_slot;
	unsigned ends_handles;
};

/* The chip's code. The answer's parameters go to @ret_answer, after its HMACs were checked. */
uint32_t ask(struct bench *bench, const struct ask *ask, struct buf *ret_answer,
	     struct engine_guest **ret_made);
/* The same, where the engine fails. */
int ask_fails(struct bench *bench, const struct ask *ask);

/* Sealed below the SRK without a password. */
struct sealed {
	struct buf made; /* TPM2B_PRIVATE, TPM2B_PUBLIC */
	struct buf name;
};
#define SEALED_INIT                                                                                \
	{                                                                                          \
		.made = BUF_INIT(2048), .name = BUF_INIT(80)                                       \
	}
void sealed_fini(struct sealed *sealed);
void sealed_make(struct bench *bench, const char *text, struct sealed *ret_sealed);
uint32_t sealed_load(struct bench *bench, struct sealed *sealed, struct engine_guest **ret_guest);
/* By password, or by a session. */
uint32_t guest_unseal(struct bench *bench, struct engine_guest *guest, const char *expected);
uint32_t guest_unseal_by(struct bench *bench, struct engine_guest *guest,
			 const struct sealed *sealed, struct held_session *session);

/* TPM2_CreatePrimary in the owner's hierarchy; ReadPublic of what came out. */
uint32_t guest_primary(struct bench *bench, struct engine_guest **ret_guest);
uint32_t guest_read(struct bench *bench, struct engine_guest *guest);

/* A hash sequence. */
uint32_t guest_sequence(struct bench *bench, struct engine_guest **ret_guest);
uint32_t guest_update(struct bench *bench, struct engine_guest *guest, const char *text);
uint32_t guest_complete(struct bench *bench, struct engine_guest *guest, const char *whole);

/* TPM2_StartAuthSession with @type of Part 2, TPM_SE; salted to the SRK or not. */
uint32_t guest_session(struct bench *bench, uint8_t type, bool salted,
		       struct held_session *ret_session);
/* GetRandom, whose answer it encrypts; PolicyGetDigest. */
uint32_t guest_random(struct bench *bench, struct held_session *session);
uint32_t guest_policy(struct bench *bench, struct held_session *session);

#endif
