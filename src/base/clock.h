/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/*
 * Clock: the wall's, of a device that may have none which runs without power. One that was never
 * set says nothing of dates: who went by it would take no certificate at all.
 */

#include <stdint.h>

#define CLOCK_LEAST INT64_C(1735689600) /* 2025-01-01; before that no clock of ours is right */
#define CLOCK_UNSET INT64_MIN

/* Seconds since 1970; CLOCK_UNSET before CLOCK_LEAST. */
int64_t clock_now(void);

#endif
