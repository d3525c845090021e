/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_UNLOCK_IMPL_H
#define LOADER_UNLOCK_IMPL_H

/*
 * The inside of an unlock, for the files that make up unlock.h: unlock.c has the walk of version 1
 * and the ends of both, unlock_artifact.c that of version 2 up to the load, unlock_call.c who asks.
 */

#include "docker/docker.h"
#include "loader/archive.h"
#include "loader/artifact.h"
#include "loader/images.h"
#include "loader/unlock.h"

struct unlock_call {
	struct unlock *unlock;
	struct unlock_call *next;
	loader_unlock_fn done;
	void *arg;
	struct loop_timer timer; /* set: it has its answer */
	enum unlock_state state;
	struct err err;
};

struct unlock {
	struct loader *loader;
	struct jobs *jobs;
	struct session *session;
	const struct loader_config *config;
	struct docker *docker; /* NULL: none is configured, nor are the others there */
	struct images *images;
	struct unlock_call *calls;
	unsigned call_count;
	bool at_work;
	bool looking; /* at work, and F4 has no answer yet */
	bool is_own;  /* the archive at work is the configured one .. */
	bool loaded;  /* .. and it was loaded, and nothing else since */
	struct secret *email, *password;
	struct session_call *session_call;
	struct archive *archive;
	/* version 2 */
	char folder[RESOURCE_FOLDER_MAX + 1], name[RESOURCE_NAME_MAX + 1];
	struct artifact
		*artifact;    /* its manifest's images are the engine's as long as it is there */
	struct err login_err; /* nobody could be asked; what is cached may do */
	struct unlock_status status;
};

/* --- unlock_call.c --- */

/* @unlock's next one, unanswered. FAULT_BUSY. */
int unlock_call_new(struct unlock *unlock, loader_unlock_fn done, void *arg,
		    struct unlock_call **ret_call, struct err *err) MUST_CHECK;
void unlock_call_end(struct unlock_call *call); /* without an answer */
/* From a timer: nothing of ours is on the stack when the callback does what it likes. */
int unlock_call_answer(struct unlock_call *call, enum unlock_state state, const struct err *err,
		       struct err *ret_err) MUST_CHECK;
/* All that have none; looking ends. */
void unlock_answer_all(struct unlock *unlock, enum unlock_state state, const struct err *err);

/* --- unlock.c --- */

void unlock_attempt_end(struct unlock *unlock);
void unlock_end_error(struct unlock *unlock, const struct err *err);
/* The archive is open: on to the engine. */
void unlock_load(struct unlock *unlock);

/* --- unlock_artifact.c --- */

bool unlock_has_artifact(const struct unlock *unlock); /* one is configured */
/* Fetches the artifact of folder and name, and goes on to the load. */
int unlock_artifact_begin(struct unlock *unlock, struct err *err) MUST_CHECK;
/* .. behind the login, of the configured one. */
void unlock_artifact_login(struct unlock *unlock, const struct err *err);

#endif
