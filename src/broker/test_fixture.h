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
 * session, transient, stored (persistent), register (PCR); ' ' may stand nowhere. A handle that is
 * out of its kind's range is reached in SET_FULL alone, a reserved one never.
 */
struct handle {
	uint32_t handle;
	char letter;
	enum { IN_RANGE, OUT_OF_RANGE, RESERVED } place;
};

#define SRK_PLACE "\x81\x00\x00\x01"

struct sample {
	uint32_t code;
	enum command_set from;
	unsigned auths;
	bool no_sessions;
	const char *handles[3]; /* letters that may stand in each position */
	const char *full[3];	/* and those of SET_FULL besides */
	const char *parameters; /* 4 bytes that pass, where they are looked at */
};

#define HANDLE_COUNT 37u
#define SAMPLE_COUNT 97u
extern const struct handle HANDLES[HANDLE_COUNT];
extern const struct sample SAMPLES[SAMPLE_COUNT];

const struct sample *find_sample(uint32_t code);
/* What may stand in a position, in this set. */
bool may_stand(const struct sample *sample, size_t position, char letter, enum command_set set);
/* Does that set hold it? */
bool is_in(const struct sample *sample, enum command_set set);
size_t handle_count(const struct sample *sample);
uint32_t good_handle(char letter);

/* Of that set, two handles reserved. */
struct filter_facts facts_of(enum command_set set);

/* A command under construction; draft_of() makes one that passes. */
struct draft {
	const struct sample *sample;
	uint32_t handles[3];
	uint32_t sessions[4]; /* handles of the authorisation area */
	unsigned session_count;
	const char *parameters;
};

struct draft draft_of(const struct sample *sample);
void write_command(const struct draft *draft, struct buf *bytes);
void write_u32(uint8_t *at, uint32_t v);

/* The code of the answer, or PASSES; an answer is always a whole one. */
uint32_t judge(const struct filter_facts *facts, struct slice command);
uint32_t judge_draft(const struct draft *draft, enum command_set set);

#endif
