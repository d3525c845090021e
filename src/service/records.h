/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_RECORDS_H
#define SERVICE_RECORDS_H

/* What keys and secrets have in common as records: to be free, listed and deleted. */

#include "base/err.h"

/* A step: ERR_CONFLICT when the op's name is taken, in whatever state the record is. */
int records_check_absent(void *arg, struct err *err);

#endif
