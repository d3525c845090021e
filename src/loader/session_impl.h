/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_SESSION_IMPL_H
#define LOADER_SESSION_IMPL_H

/*
 * The inside of a session: its calls and the exchange of tokens (session.c), who asks
 * (session_who.c), logins (login.c),
 * what proves whose device this is (session_device.c), and where the CDN is (cdn.c). For these
 * files only.
 */

#include "loader/session.h"

/* At once; more are FAULT_BUSY. */
#define SESSION_LOGINS 8u
/* A token that was exchanged is not exchanged again so soon. */
#define SESSION_FRESH_US UINT64_C(10000000)

/* One who is logged in, or tries to be. Who waits for an answer holds the one who asked. */
struct who {
	unsigned holds;
	struct secret *email;
	struct secret *password;
	struct secret *token;  /* NULL until the API gave one */
	uint64_t number;       /* of the token, of all that this session had */
	uint64_t renewed_us;   /* when it was exchanged for this token; 0: it is the login's */
	struct secret *key;    /* the user's */
	struct secret *device; /* what the API's challenge hid, base64url; NULL: not proved yet */
	uint64_t proof;	       /* the number of that one, of all that this session had */
	struct slice hardware;
	char hardware_text[V1_KEY_TEXT];
	struct loader_cdn cdn; /* where cdn.yaml was asked for */
};
int who_new(struct slice email, struct slice password, struct who **ret_who, struct err *err)
	MUST_CHECK;
struct who *who_hold(struct who *who);
void who_free(struct who *who); /* gives a hold back; NULL is allowed */
MEM_DEFINE_CLEANUP(who)

/* Salts and addresses: what can be told before anybody logs in. */
int session_check(const struct loader_config *config, struct err *err) MUST_CHECK;

struct session {
	struct jobs *jobs;
	const struct loader_config *config;
	struct upstream *upstream;
	struct who *who; /* in force; NULL: nobody is logged in */
	uint64_t numbers;
	struct upstream_call *exchange; /* of the token of who is in force */
	struct proof *proof;		/* at work; NULL: none is */
	uint64_t proofs;
	struct session_call *calls;
	struct login *logins;
	unsigned login_count;
	uint64_t silent_us; /* when the API was found to give no answer; 0: it does */
};

enum session_kind {
	SESSION_LOGIN,
	SESSION_SMALL,
	SESSION_PUT,
	SESSION_FRAGMENT,
	SESSION_RENEW,
	SESSION_MANIFEST,
	SESSION_CHALLENGE,
	SESSION_KEY,
};

/* What every call begins with; login.c's go on behind it. */
struct session_call {
	enum session_kind kind;
	struct session *session;
	loader_done_fn done; /* of those that give nothing; NULL: left */
	session_bytes_fn bytes;
	void *arg;
};

/* A token for @who, as the API gave it. */
int session_token_set(struct session *session, struct who *who, struct slice token, struct err *err)
	MUST_CHECK;
/* From now on this is who is logged in. Takes a hold of its own. */
void session_enforce(struct session *session, struct who *who);
void session_note(const struct session *session, enum loader_note level, const char *text);

/* Tells the API of this device: the answer has its challenge. A call of who proves, left as others.
 */
int session_challenge(struct session *session, struct slice device, session_bytes_fn done,
		      void *arg, struct session_call **ret_call, struct err *err) MUST_CHECK;
/* The login that it was sent with last; borrowed for the call's callback. */
struct who *session_asker(const struct session_call *call);
/* The proof has ended: who waits for it goes on, or hears @err. */
void session_proved(struct session *session, const struct err *err);

/* --- session_device.c --- */

/* Begins one, unless one is at work; session_proved() follows, never inside the call. */
int proof_begin(struct session *session, struct err *err) MUST_CHECK;
void proof_end(struct session *session); /* without a word; what the pool does is waited for */

/* --- login.c --- */

void login_leave(struct session_call *call);
void logins_end(struct session *session);

/* --- cdn.c --- */

/* True when only the API can tell where the CDN is. */
bool cdn_unknown(const struct loader_config *config);
/* Reads cdn.yaml into @who. */
int cdn_learn(const struct loader_config *config, struct slice yaml, struct who *who,
	      struct err *err) MUST_CHECK;
void cdn_fini(struct loader_cdn *cdn);

#endif
