/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_OPERATIONS_H
#define FAULT_OPERATIONS_H

/* Operations that stand in files of their own; operations.c has the table. */

#include "tests/fault/script.h"

/* operations_use.c */
void operation_message(struct script *script);
void operation_import(struct script *script);

#endif
