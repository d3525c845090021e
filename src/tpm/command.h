/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TPM_COMMAND_H
#define TPM_COMMAND_H

/*
 * Command: sends one command that SYS has prepared, with a session's authorisation and parameter
 * encryption, and checks the answer's. Between a Tss2_Sys_X_Prepare() and its X_Complete() stands
 * one command_run(). Inside src/tpm only: the one header that shows TSS2 types.
 */

#include <stdbool.h>
#include <stdint.h>
#include <tss2/tss2_sys.h>

#include "base/err.h"
#include "base/slice.h"
#include "tpm/session.h"
#include "tpm/transport.h"

/*
 * Sessions on a line. The first authorises each command's first handle and carries what is
 * encrypted. The others authorise a second handle, and are started when they are first wanted.
 */
enum line_session {
	LINE_FIRST,
	LINE_SECOND,
	LINE_POLICY, /* for one command, which ends it */
	LINE_SESSIONS,
};

/* A line to the chip: what is needed to run commands. */
struct line {
	struct transport *transport;
	TSS2_SYS_CONTEXT *sys;
	struct session sessions[LINE_SESSIONS];
	bool encrypt;	  /* parameters that carry secrets */
	struct err fault; /* why command_run() failed, when the failure was ours */
};

int line_open(const char *conf, struct line *ret_line, struct err *err) MUST_CHECK;
void line_close(struct line *line);

#define COMMAND_NAMES_MAX 2u

struct command {
	uint32_t code;
	struct slice names[COMMAND_NAMES_MAX]; /* of its handles, for cpHash (Part 1, "Names") */
	size_t name_count;
	bool authorised; /* the first handle needs authorisation, by @auth */
	bool secret_in;	 /* the first parameter carries a secret: encrypt it */
	bool secret_out; /* the first response parameter does */
	bool covered;	 /* no secret, but an HMAC is to say that the answer is the chip's */
	bool empties;	 /* the first handle's password, by which the chip then answers */
	struct slice auth;
	unsigned answer_handles;  /* in the answer, before its parameters */
	enum line_session second; /* authorises the second handle; LINE_FIRST = it needs none */
	struct slice second_auth;
};

/*
 * Runs the prepared command through the line's sessions; without any, by a password session when
 * authorised. Returns a TSS2_RC: 0, the chip's code, a layer's, or COMMAND_OURS with the line's
 * fault filled.
 */
#define COMMAND_OURS TSS2_SYS_RC_GENERAL_FAILURE

TSS2_RC command_run(struct line *line, const struct command *command);

/* After the Complete of a command that carried a secret: SYS keeps both messages otherwise. */
void line_wipe(struct line *line);

#endif
