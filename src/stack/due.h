/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_DUE_H
#define STACK_DUE_H

/*
 * Due: of which parts programs are still to be told, in STACK_DUE. It is written before the parts
 * are changed and removed when all were told well, so that what failed or was cut short is done by
 * the next run. A line is the part's word and "put" or "gone". For this room only.
 */

#include "stack/apply.h"

/* ERR_UNREADABLE: not to be read, or not as due_write() writes it. An absent one is empty. */
int due_read(int dir, struct stack_due *ret_due, struct err *err) MUST_CHECK;
int due_write(int dir, const struct stack_due *due, struct err *err) MUST_CHECK;

/* All that is due was done; but what another run has noted since stays. */
int due_settle(int dir, const struct stack_due *due, struct err *err) MUST_CHECK;

bool due_same(const struct stack_due *a, const struct stack_due *b);
/* What becomes of @part is what counts, and no more what became of it earlier. */
void due_add(struct stack_due *due, enum stack_part part, enum stack_deed deed);

#endif
