/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_TEST_FIXTURE_H
#define BROKER_TEST_FIXTURE_H

/*
 * A table of commands and handles of the tests' own, written from TPM 2.0 Part 3 and from what
 * each set is to hold, and commands made of it.
 */

#include "broker/filter.h"

#define PASSES 0xffffffffu

/*
 * The letter names the kind: owner, endorsement, null, lockout, index, hmac session, policy
 * session, transient, stored (persistent); ' ' may stand nowhere. Refused tells the code, without
 * its position, where a handle is not granted although its kind fits.
 */
struct handle {
	uint32_t handle;
	char letter;
	uint32_t refused;
};

#define SRK_PLACE "\x81\x00\x00\x01"

struct command {
	uint32_t code;
	enum filter_set from;
	unsigned auths;
	bool no_sessions;
	const char *handles[3]; /* letters that may stand in each position */
	const char *parameters; /* 4 bytes that pass, where they are looked at */
};

#define HANDLE_COUNT  37u
#define COMMAND_COUNT 63u
extern const struct handle HANDLES[HANDLE_COUNT];
extern const struct command COMMANDS[COMMAND_COUNT];

const struct command *find_command(uint32_t code);
size_t handle_count(const struct command *command);
uint32_t good_handle(char letter);

/* Of that set, the SRK absent, two handles reserved. */
struct filter_facts facts_of(enum filter_set set);

/* A command under construction; draft_of() makes one that passes. */
struct draft {
	const struct command *command;
	uint32_t handles[3];
	uint32_t sessions[4]; /* handles of the authorisation area */
	unsigned session_count;
	const char *parameters;
};

struct draft draft_of(const struct command *command);
void write_command(const struct draft *draft, struct buf *bytes);
void write_u32(uint8_t *at, uint32_t v);

/* The code of the answer, or PASSES; an answer is always a whole one. */
uint32_t judge(const struct filter_facts *facts, struct slice command);
uint32_t judge_draft(const struct draft *draft, enum filter_set set);

#endif
