/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_EXPIRY_H
#define CMD_HOLDFAST_EXPIRY_H

#include <stdint.h>

#include "base/err.h"

/*
 * Expiry: until when a release holds, as people say it: YYYY-MM-DD, the beginning of that day in
 * UTC, or a number and one of s m h d w, counted from @now. Seconds since 1970, later than @now;
 * ERR_INVALID.
 */
int expiry_parse(const char *text, int64_t now, int64_t *ret_at, struct err *err) MUST_CHECK;

#endif
