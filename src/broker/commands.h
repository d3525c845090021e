/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_COMMANDS_H
#define BROKER_COMMANDS_H

/*
 * Commands: every command of TPM 2.0 Part 3 (1.59), what may stand in each of its handles, and the
 * set that it is in. One table; the filter, the broker, the configuration and the manual page
 * holdfast-broker(7) all read it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define COMMANDS_HANDLES_MAX 3u

/*
 * Each set holds what the one before it holds, but for what is in SET_PROVISION: that is in no
 * other, and not to be allowed by name, since it sets when the chip locks everybody out.
 */
enum command_set {
	SET_NONE,
	SET_READ_ONLY, /* capabilities, random, PCRs, public parts */
	SET_STANDARD,  /* what stock consumers need of a chip of their own */
	SET_PROVISION, /* and what FAPI's provisioning takes; host and holdfast-fapi only */
	SET_FULL,      /* and all that does not concern hierarchies, lockout and Clear */
	SET_NEVER,     /* in no set, and not to be allowed by name */
};

/* Kinds of handles, as bits. What is none of them may stand nowhere. */
enum handle_kind {
	HANDLE_OWNER = 1u << 0,
	HANDLE_ENDORSEMENT = 1u << 1,
	HANDLE_NULL = 1u << 2,
	HANDLE_LOCKOUT = 1u << 3,
	HANDLE_TRANSIENT = 1u << 4,
	HANDLE_PERSISTENT = 1u << 5,
	HANDLE_NV = 1u << 6,
	HANDLE_HMAC = 1u << 7,
	HANDLE_POLICY = 1u << 8,
	HANDLE_PCR = 1u << 9,
	HANDLE_OBJECT = HANDLE_TRANSIENT | HANDLE_PERSISTENT | HANDLE_NULL,
	HANDLE_SESSION = HANDLE_HMAC | HANDLE_POLICY,
};

/* What a command does beside answering. */
enum command_effect {
	MAKES_OBJECT = 1u << 0,
	MAKES_SEQUENCE = 1u << 1,
	MAKES_SESSION = 1u << 2,
	TAKES_SLOT = 1u << 3,	 /* a free object slot while it runs */
	ENDS_SEQUENCE = 1u << 4, /* the object in its last handle that is a transient one */
	NO_SESSIONS = 1u << 5,	 /* may carry no authorisation area */
	LOCAL = 1u << 6,	 /* never sent as it is: flush, contexts, evict, .. */
};

struct command {
	const char *name; /* as in Part 3 without its prefix: "CreatePrimary" */
	uint32_t code;	  /* TPM_CC */
	enum command_set set;
	uint8_t auths;	  /* so many of the first handles want an authorisation */
	unsigned effects; /* enum command_effect */
	/* enum handle_kind of each position: in all sets that hold it ... */
	uint16_t handles[COMMANDS_HANDLES_MAX];
	/*
	 * ... and what SET_PROVISION, and SET_FULL or an `allow`, grant there besides. All three 0
	 * end the positions. (Those of SET_NEVER have none here.)
	 */
	uint16_t provision[COMMANDS_HANDLES_MAX];
	uint16_t full[COMMANDS_HANDLES_MAX];
	const char *remark; /* for the manual page; NULL = none */
};

#define COMMANDS_MAX 160u

/* The table, in the order of names; at most COMMANDS_MAX. */
const struct command *commands_all(size_t *ret_count);

/* How many handles it has in its handle area. */
size_t command_handle_count(const struct command *command);

/* NULL: there is no such command. Names are compared without regard to case. */
const struct command *commands_by_code(uint32_t code);
const struct command *commands_by_name(const char *name);

/* Some of them. Begins as zeros: none. */
struct command_list {
	uint64_t bits[(COMMANDS_MAX + 63) / 64];
};
void command_list_add(struct command_list *list, const struct command *command);
bool command_list_has(const struct command_list *list, const struct command *command);

/* Those that a tenant can have, each with its word in the configuration: row(set, word). */
#define COMMAND_SET_WORDS(row)                                                                     \
	row(SET_NONE, "none") row(SET_READ_ONLY, "read-only") row(SET_STANDARD, "standard")        \
		row(SET_PROVISION, "provision") row(SET_FULL, "full")

/* The word, and "never" for the rest. */
const char *command_set_word(enum command_set set);

/* What a tenant may send. A value. */
struct command_policy {
	enum command_set set;
	struct command_list allow; /* besides, but for those of SET_NEVER and SET_PROVISION */
	struct command_list deny;  /* wins */
};
bool command_policy_holds(const struct command_policy *policy, const struct command *command);
/* Does it come with the handles of SET_FULL: by the set, or since it is allowed by name? */
bool command_policy_is_full(const struct command_policy *policy, const struct command *command);
/* enum handle_kind that may stand there, when the policy holds the command. */
unsigned command_policy_handles(const struct command_policy *policy, const struct command *command,
				size_t position);

#endif
