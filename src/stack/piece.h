/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_PIECE_H
#define STACK_PIECE_H

/*
 * Piece: one part while it is applied: what is there, what is wanted, what the ledger says, and
 * what follows from these. First all are planned, which changes nothing; then all are done. For
 * this room only.
 */

#include "stack/ledger.h"

struct piece {
	enum stack_part part;
	const struct stack_entry *want; /* borrowed; NULL = it shall not be */
	int dir;			/* -1 = there is no folder */
	int beside;			/* the folder of its backups; the same where it is */
	struct place_seen seen;
	uint8_t now[PLACE_DIGEST_SIZE];	 /* of what is there */
	uint8_t next[PLACE_DIGEST_SIZE]; /* of what is wanted */
	bool pristine; /* what is there is a package's, unedited, and not known as ours */
	struct stack_step step;
};

/* The facts alone. Where nothing is wanted and nothing ours, nothing is looked at. */
int piece_look(struct piece *piece, int root, const struct stack_tree *tree,
	       const struct ledger_row *row, struct err *err) MUST_CHECK;
void piece_fini(struct piece *piece);

/* Pure: what is to be done, by the facts. */
enum stack_deed piece_judge(const struct piece *piece, const struct ledger_row *row, bool force);
/* That, and under which name the other one will be. */
int piece_plan(struct piece *piece, const struct ledger_row *row, bool force, struct err *err)
	MUST_CHECK;

/* Does it change what is on the disk? */
bool piece_changes(const struct piece *piece);
/* What the ledger is to say while it is done, and afterwards. */
void piece_note_before(const struct piece *piece, struct ledger_row *row);
void piece_note_after(const struct piece *piece, struct ledger_row *row);

int piece_do(struct piece *piece, int root, struct err *err) MUST_CHECK;

#endif
