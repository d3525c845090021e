/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_RECORDS_H
#define SERVICE_RECORDS_H

/* What keys and secrets have in common as records: to be free, listed and deleted. */

#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "service/op.h"

/* A step: ERR_CONFLICT when the op's name is taken, in whatever state the record is. */
int records_check_absent(void *arg, struct err *err) MUST_CHECK;

/* The end of a step that makes a new object: its record comes to be, or the op failed. */
int records_create(struct op *op, struct err *err) MUST_CHECK;

/* The query parameter `limit`: a whole number from 1 to @most. */
int records_limit(const char *text, size_t most, size_t *ret_limit, struct err *err) MUST_CHECK;

#endif
