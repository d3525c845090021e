/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_LEDGER_H
#define STACK_LEDGER_H

/*
 * Ledger: what is ours on this machine, by digest, and where lies what was there before. A line is
 * the part's word, a SHA-256 and, where there is one, the name of the backup in the part's folder
 * and the SHA-256 of it.
 * While a change is under way a part has two lines: what was there and what comes are both ours,
 * however far the change came. For this room only.
 */

#include "stack/apply.h"
#include "stack/place.h"

#define LEDGER_DIGESTS 2u

struct ledger_row {
	size_t count; /* 0 = not ours */
	uint8_t digests[LEDGER_DIGESTS][PLACE_DIGEST_SIZE];
	/* Of what was there before anything of ours: "" = nothing was, and the digest says nothing.
	 */
	char backup[STACK_BACKUP_SIZE];
	uint8_t before[PLACE_DIGEST_SIZE];
};

struct ledger {
	struct ledger_row rows[STACK_PARTS];
};

/* ERR_UNREADABLE: not to be read, or not as ledger_write() writes it. An absent one is empty. */
int ledger_read(int dir, struct ledger *ret_ledger, struct err *err) MUST_CHECK;
int ledger_write(int dir, const struct ledger *ledger, struct err *err) MUST_CHECK;

bool ledger_same(const struct ledger *a, const struct ledger *b);
/* Is it of what was there before? */
bool ledger_was_before(const struct ledger_row *row, const uint8_t digest[PLACE_DIGEST_SIZE]);
bool ledger_knows(const struct ledger_row *row, const uint8_t digest[PLACE_DIGEST_SIZE]);
void ledger_set(struct ledger_row *row, const uint8_t digest[PLACE_DIGEST_SIZE]);
void ledger_add(struct ledger_row *row, const uint8_t digest[PLACE_DIGEST_SIZE]);

/* Is it a name that a backup of @part may have? */
bool ledger_is_backup(enum stack_part part, const char *name);

#endif
