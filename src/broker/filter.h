/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_FILTER_H
#define BROKER_FILTER_H

/*
 * Filter: which raw command may pass. Default deny: the table of commands (commands.h) with the
 * handles allowed in each position; what the parser does not understand does not pass. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "broker/commands.h"

#define FILTER_SESSIONS_MAX 3u

enum filter_verdict {
	FILTER_PASS,
	FILTER_ANSWER, /* *ret_answer has the response: a refusal, or what needs no chip */
};

/* What the verdict depends on beside the command's bytes. Borrowed. */
struct filter_facts {
	struct command_policy policy;
	const uint32_t *reserved; /* persistent handles that are ours: never reachable */
	size_t reserved_count;
};

/* One authorisation (Part 1, "Authorization Area"). */
struct filter_auth {
	uint32_t handle; /* TPM_RS_PW or a session's */
	struct slice nonce;
	uint8_t attributes; /* TPMA_SESSION */
	struct slice hmac;  /* or the password */
};

/* A command that has passed, taken apart; borrows from its bytes. */
struct filter_view {
	struct slice bytes;
	const struct command *command;
	uint32_t handles[COMMANDS_HANDLES_MAX];
	size_t handle_count;
	struct filter_auth auths[FILTER_SESSIONS_MAX];
	size_t auth_count;
	struct slice parameters; /* what follows handles and authorisations; still closed */
};

/*
 * @bytes is one whole command as of wire_command_size(). Refusals: TPM_RC_COMMAND_CODE for what
 * the policy does not hold, TPM_RC_VALUE or TPM_RC_HANDLE with its position for a handle, the TPM's
 * own format codes for what is malformed. Startup is answered TPM_RC_INITIALIZE, Shutdown success.
 * Handles of transient objects and sessions are judged by their kind; whose they are the broker
 * knows. Without SET_FULL or an `allow` persistent ones are the owner's (0x81000000 to 0x817fffff)
 * and NV indices 0x01c00000 to 0x01c07fff; reserved ones are nobody's. EvictControl that names
 * 0x81000001 passes only for who provisions (SET_PROVISION, SET_FULL) and with a transient object:
 * it is meant for the chip itself, which refuses it while something is there; every other one is
 * virtual.
 */
enum filter_verdict filter_judge(const struct filter_facts *facts, struct slice bytes,
				 struct filter_view *ret_view, struct buf *ret_answer);

#endif
