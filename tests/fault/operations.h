/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_OPERATIONS_H
#define FAULT_OPERATIONS_H

/* Operations that stand in files of their own; operations.c has the table. */

#include "tests/fault/script.h"

/*
 * script_calm() and script_expect() after something that goes to the chip in several steps: a
 * message that was lost with what the chip had loaded is as good as any failure of the chip.
 */
int operation_expect(struct script *script, int r, struct err *err);

/* operations_attest.c */
void operation_aik(struct script *script);
void operation_quote(struct script *script);
void operation_certify(struct script *script);
void operation_aik_message(struct script *script);
void operation_activate(struct script *script);

/* operations_resident.c */
void operation_resident(struct script *script);
void operation_erase(struct script *script);

/* operations_use.c */
void operation_message(struct script *script);
void operation_import(struct script *script);

/* operations_unwrap.c */
void operation_unwrap(struct script *script);

#endif
