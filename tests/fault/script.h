/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_SCRIPT_H
#define FAULT_SCRIPT_H

/*
 * A seed's script: random operations on a world in which things fail, beside a model that knows
 * what may be there. Whatever contradicts the model ends the process by an assertion.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"
#include "tests/fault/prng.h"
#include "tests/fault/world.h"

#define SCRIPT_NAMES   4u
#define SCRIPT_KEYS    64u /* that one script can make */
#define SCRIPT_SPKI    128u
#define SCRIPT_ABSENT  (-1)
#define SCRIPT_BELIEFS 8u

/* What may stand under a name; more than one thing after a failure of unknown outcome. */
struct belief {
	int may[SCRIPT_BELIEFS]; /* numbers of contents or keys, or SCRIPT_ABSENT */
	unsigned count;
};

struct script_key {
	uint8_t spki[SCRIPT_SPKI];
	size_t spki_len;
	bool exportable, empty_auth;
};

struct script {
	struct world *world;
	struct prng dice;
	const char *doing; /* for a report */
	bool over;	   /* nothing fails any more */
	unsigned operations;
	uint64_t failures_before; /* of this operation */
	struct belief secrets[SCRIPT_NAMES], keys[SCRIPT_NAMES];
	int contents; /* numbered from 0 */
	struct script_key made[SCRIPT_KEYS];
	unsigned made_count;
	uint32_t next_aik; /* no number below is given again */
	struct {
		struct buf bytes; /* empty = none */
		int content;
	} blobs[SCRIPT_NAMES];
	struct {
		struct buf pem; /* of what was exported last; empty = none */
		struct secret *passphrase;
		int key;
	} exported;
};

void script_begin(struct script *script, struct world *world);
void script_run(struct script *script, unsigned operations);
/* Nothing fails any more: recovers, opens everything anew and compares it with the model. */
void script_verify(struct script *script);
void script_end(struct script *script);

/* --- for the operations (operations.c) --- */

struct script_operation {
	const char *name;
	unsigned weight;
	bool chip_only;
	void (*run)(struct script *script);
};
extern const struct script_operation script_operations[];
extern const unsigned script_operation_count;

/* Between these two things fail. */
void script_live(struct script *script);
void script_calm(struct script *script);

/*
 * After script_calm(): a failure must have a cause that was injected and a code that tells of it.
 * Hands @r on.
 */
int script_expect(const struct script *script, int r, const struct err *err);

void belief_set(struct belief *belief, int what);
void belief_add(struct belief *belief, int what);
bool belief_has(const struct belief *belief, int what);

/* The bytes of a content; the caller frees. */
struct secret *script_content(const struct script *script, int content);
/* The one of what may be there that these bytes are; fails the test when it is none. */
int script_recognize(const struct script *script, const struct belief *belief, struct slice bytes);

const char *script_name(unsigned which);
void script_check_secret(struct script *script, unsigned which);
void script_check_key(struct script *script, unsigned which);
void script_check_blob(struct script *script, unsigned which);
void script_check_list(struct script *script);
void script_reopen(struct script *script);
/* Again and again until it is open. */
void script_open_provider(struct script *script);

#endif
