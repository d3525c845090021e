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

/* --- child.c: the process of the helper --- */

#define FAPI_DATA_MAX 128u /* bytes on its standard input */

struct child {
	pid_t pid; /* also its session and process group; 0 = none */
	int ended; /* pidfd: readable when it has ended */
	int out;   /* its standard output and error, not blocking */
	int complaint;
};

#define CHILD_NONE                                                                                 \
	{                                                                                          \
		.ended = -1, .out = -1, .complaint = -1                                            \
	}

/* How it ended: one of the two. */
struct child_end {
	int exit_code; /* -1 = by a signal */
	int signal;
};

/* ERR_NOT_SUPPORTED when the program is not there. */
int child_start(const struct fapi_place *place, const struct fapi_request *request,
		struct child *ret_child, struct err *err) MUST_CHECK;

bool child_has_ended(const struct child *child);

/* Kills what is left of its process group. What it wrote can still be read. */
void child_kill(const struct child *child);

/* Waits for the end of a child that was killed or has ended, so not for long. */
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
