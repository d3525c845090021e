/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAPI_FAPI_H
#define FAPI_FAPI_H

/*
 * Fapi: the FAPI library, kept in a process of its own (holdfast-fapi). It gets no TPM device but
 * a socket of ours, where it is a client as others are, of the set `provision`. One at a time, with
 * a deadline; a helper that does not end is killed. Here are also the folder that it works in and a
 * reader for the objects it makes.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"

struct starter;

/* Where it works. All absolute, borrowed. */
struct fapi_place {
	const char *program; /* holdfast-fapi */
	/* Who starts it, begun with the same program and folder (starter.h); NULL = it was not
	 * there when that was to be begun. */
	const struct starter *starter;
	const char *folder; /* <state>/fapi: fapi-config.json, profiles, system, user, log */
	const char *run;    /* <run>/fapi, 0700: tpm.sock and tpm.sock.ctrl while one works */
};

/* --- folder.c: the FAPI store of this service --- */

#define FAPI_CONFIG "fapi-config.json"

struct fapi_wish {
	const char *profile_name; /* "P_ECCP256SHA256" | "P_RSA2048SHA256"; NULL = the machine's */
	int ek_cert_less;	  /* 1, 0; -1 = the machine's, else yes */
	const char *machine;	  /* the machine's fapi-config.json; NULL or absent = defaults */
};

/*
 * Makes the folder (0700) with configuration, profiles (with noda, SRK at 0x81000001) and stores,
 * or completes what is there; never overwrites a file that is there. Pool.
 */
int fapi_folder_make(const struct fapi_place *place, const struct fapi_wish *wish, struct err *err)
	MUST_CHECK;

/* --- session.c: one run of the helper --- */

enum fapi_verb { FAPI_PROBE, FAPI_PROVISION, FAPI_SEAL, FAPI_LIST, FAPI_DELETE };

struct fapi_request {
	enum fapi_verb verb;
	const char *path;     /* SEAL, DELETE: "/HS/SRK/name" */
	struct slice data;    /* SEAL: 1 to 128 bytes */
	uint64_t deadline_us; /* CLOCK_MONOTONIC; at most FAPI_LONGEST_S from now */
	int stop_fd;	      /* readable: end early (ERR_TIMEOUT "cancelled"); 0 or less: none */
};

/* The starter itself ends a run that nobody else does. */
#define FAPI_LONGEST_S 120u

#define FAPI_ANSWER_MAX (64u * 1024u)

/*
 * Runs the helper and appends its answer, a JSON object without secrets. Waits for the helper's
 * end, and for nothing else: its commands are served elsewhere. On failure the text names the step
 * ("Fapi_Initialize: .."): ERR_NOT_FOUND, ERR_CONFLICT, ERR_TIMEOUT (it was killed),
 * ERR_NOT_SUPPORTED (the program is not there), ERR_TPM_FAILED, ERR_TPM_LOCKOUT,
 * ERR_OWNER_AUTH_REQUIRED, ERR_INVALID (path or data of the request), ERR_INTERNAL.
 */
int fapi_run(const struct fapi_place *place, const struct fapi_request *request,
	     struct buf *ret_json, struct err *err) MUST_CHECK;

/* --- object.c, lookup.c: what FAPI made --- */

#define FAPI_OBJECT_JSON_MAX (64u * 1024u)
#define FAPI_PATH_MAX	     256u
#define FAPI_PART_MAX	     1536u

struct fapi_object {
	uint32_t parent_handle; /* as its parent's record tells */
	uint8_t parent_name[66];
	size_t parent_name_len;
	uint8_t public_part[FAPI_PART_MAX]; /* marshalled TPM2B_PUBLIC */
	size_t public_len;
	uint8_t private_part[FAPI_PART_MAX]; /* marshalled TPM2B_PRIVATE */
	size_t private_len;
	bool sealed; /* data rather than a key */
	bool with_auth;
	bool with_policy;
};

/* Is it "/HS/SRK/name": names of [A-Za-z0-9._-], no dots alone, not object.json? Needs no disk. */
bool fapi_path_ok(const char *path);

/*
 * Looks in the configuration's user_dir, then system_dir. ERR_NOT_FOUND, ERR_INVALID (no such
 * path), ERR_DAMAGED (torn or no object), ERR_UNREADABLE. Pool.
 */
int fapi_object_read(const struct fapi_place *place, const char *path,
		     struct fapi_object *ret_object, struct err *err) MUST_CHECK;

#endif
