/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_SESSION_IMPL_H
#define LOADER_SESSION_IMPL_H

/*
 * The inside of a session: its calls and the exchange of tokens (session.c), logins (login.c), and
 * where the CDN is (cdn.c). For these files only.
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
	struct secret *token; /* NULL until the API gave one */
	uint64_t number;      /* of the token, of all that this session had */
	uint64_t renewed_us;  /* when it was exchanged for this token; 0: it is the login's */
	struct secret *key;   /* the user's */
	struct slice hardware;
	char hardware_text[V1_KEY_TEXT];
	struct loader_cdn cdn; /* where cdn.yaml was asked for */
};
int who_new(struct slice email, struct slice password, struct who **ret_who, struct err *err)
	MUST_CHECK;
struct who *who_hold(struct who *who);
void who_free(struct who *who); /* gives a hold back; NULL is allowed */
MEM_DEFINE_CLEANUP(who)

struct session {
	struct jobs *jobs;
	const struct loader_config *config;
	struct upstream *upstream;
	struct who *who; /* in force; NULL: nobody is logged in */
	uint64_t numbers;
	struct upstream_call *exchange; /* of the token of who is in force */
	struct session_call *calls;
	struct login *logins;
	unsigned login_count;
};

enum session_kind { SESSION_LOGIN, SESSION_SMALL, SESSION_PUT, SESSION_FRAGMENT, SESSION_RENEW };

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
