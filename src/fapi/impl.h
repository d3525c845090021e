/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAPI_IMPL_H
#define FAPI_IMPL_H

/*
 * Private to the room. Of one run: session.c holds the parts together, all on the thread that
 * calls fapi_run() and in an event loop of that run's own. Of the folder: configuration and
 * objects.
 */

#include "base/loop.h"
#include "fapi/fapi.h"
#include "fapi/starter.h"

/* --- starter.c, starter_serve.c: who starts the helper --- */

#define STARTER_CHILDREN 2u /* at once; the service wants one at a time */

struct starter {
	int socket; /* requests go out; readable when it is gone */
	pid_t pid;
};

/* What the service sends, with these descriptors. */
enum { STARTER_INPUT, STARTER_OUT, STARTER_COMPLAINT, STARTER_LEASH, STARTER_FDS };

struct starter_request {
	uint32_t verb;		  /* enum fapi_verb */
	char path[FAPI_PATH_MAX]; /* "" where the verb has none */
};

static inline bool starter_verb_has_path(uint32_t verb)
{
	return verb == FAPI_SEAL || verb == FAPI_DELETE;
}

/* How it ended: one of the two. */
struct child_end {
	int exit_code; /* -1 = by a signal */
	int signal;
};

/* What comes on the leash of a child: that it was started, or why not; later its end. */
enum { STARTER_STARTED = 1, STARTER_ENDED };

struct starter_word {
	uint32_t kind;
	int error; /* STARTED: a number of errno; then nothing else comes */
	struct child_end end;
};

/* What it says of itself, once. */
struct starter_report {
	int code;
	char text[sizeof(((struct err *)NULL)->text)];
};

/*
 * The whole life of the process that starter_begin() forked; its socket is @socket, and @parent who
 * may ask.
 */
_Noreturn void starter_serve(const struct starter_plan *plan, int socket, pid_t parent);

/* Asks for a child with these descriptors, which stay the caller's. Does not wait. */
int starter_ask(const struct starter *starter, enum fapi_verb verb, const char *path,
		const int fds[static STARTER_FDS], struct err *err) MUST_CHECK;

/* ERR_INTERNAL, and what is to be done; @errnum is why. */
int starter_gone(int errnum, struct err *err);

/* --- child.c: the process of the helper --- */

#define FAPI_DATA_MAX 128u /* bytes on its standard input */

struct child {
	bool running; /* it was not reaped yet */
	int leash;    /* readable when it has ended, or when nobody will say so any more */
	int out;      /* its standard output and error, not blocking */
	int complaint;
};

#define CHILD_NONE                                                                                 \
	{                                                                                          \
		.leash = -1, .out = -1, .complaint = -1                                            \
	}

/*
 * Has it started, and waits until it was, or until the deadline. ERR_NOT_SUPPORTED when the program
 * is not there, ERR_TIMEOUT, ERR_INTERNAL when there is nobody to start it any more.
 */
int child_start(const struct fapi_place *place, const struct fapi_request *request,
		struct child *ret_child, struct err *err) MUST_CHECK;

bool child_has_ended(const struct child *child);

/* Kills what is left of its process group. What it wrote can still be read. */
void child_kill(const struct child *child);

/*
 * Waits for the end of a child that was killed or has ended, so not for long. ERR_INTERNAL: the
 * starter is gone, or does not say.
 */
int child_reap(struct child *child, struct child_end *ret_end, struct err *err) MUST_CHECK;

/* Kills and reaps what still runs, closes the rest. */
void child_fini(struct child *child);

/* --- answer.c: what the helper said --- */

#define FAPI_COMPLAINT_MAX 4096u /* of standard error, its first line is kept */

/*
 * 0 when @out is an answer of success that fits the @end; else the helper's own error, or
 * ERR_INTERNAL with the first line of @complaint.
 */
int answer_judge(const struct child_end *end, struct slice out, struct slice complaint,
		 struct err *err) MUST_CHECK;

/* --- remedy.c: what the helper advises --- */

/* An error's remedy is a constant, so only what both programs know goes over the pipe. */
enum remedy {
	REMEDY_NONE, /* but its code has one */
	REMEDY_STORE,
	REMEDY_OWNER,
	REMEDY_SRK,
	REMEDY_CHANGED,
	REMEDY_CERTIFICATE,
	REMEDY_PROVISION,
	REMEDY_PATH,
	REMEDY_OBJECT,
	REMEDY_NV_SPACE,
};

/* A constant; NULL for REMEDY_NONE. */
const char *remedy_text(enum remedy remedy);

/* The constant that says the same as @text; NULL when there is none. */
const char *remedy_known(const char *text);

#define FAPI_PROFILE_MAX 64u

/* --- config.c: a fapi-config.json --- */

struct json_t;

/* The strings belong to @json. */
struct fapi_config {
	struct json_t *json;
	const char *profile_name; /* [A-Za-z0-9_], so that it is one component of a path */
	const char *profile_dir;
	const char *user_dir; /* absolute, as the others */
	const char *system_dir;
};

/* Reads FAPI_CONFIG in the open @folder. ERR_NOT_FOUND, ERR_UNREADABLE, ERR_DAMAGED. */
int fapi_config_read(int folder, struct fapi_config *ret_config, struct err *err) MUST_CHECK;
void fapi_config_fini(struct fapi_config *config);

/* Is it a name that a profile can have? */
bool fapi_profile_ok(const char *name);

/* --- object.c --- */

/* One object.json by itself. */
struct fapi_record {
	uint32_t persistent_handle; /* 0 = none */
	uint8_t name[66];	    /* computed from the public area */
	size_t name_len;
	uint8_t public_part[FAPI_PART_MAX]; /* marshalled TPM2B_PUBLIC */
	size_t public_len;
	uint8_t private_part[FAPI_PART_MAX]; /* marshalled TPM2B_PRIVATE; empty for a primary key */
	size_t private_len;
	bool sealed;
	bool storage; /* a key that can be a parent */
	bool with_auth;
	bool with_policy;
};

/*
 * Reads the text of an object.json of a key or of sealed data. ERR_DAMAGED for everything else,
 * also where a stored Name is not that of the public area. Pure.
 */
int fapi_object_parse(struct slice json, struct fapi_record *ret_record, struct err *err)
	MUST_CHECK;

#endif
