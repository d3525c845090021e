/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_PACE_H
#define FETCH_PACE_H

/*
 * Pace: a bucket of bytes that fills at a rate and holds an eighth of a second of it. What has come
 * is taken out whole, into debt where need be, and nobody reads on until that is paid. Pure; times
 * are microseconds of one clock. Private to the room.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace {
	uint64_t rate; /* bytes per second; 0: no limit */
	int64_t level; /* bytes that may come now; below zero: debt */
	uint64_t at_us;
};

/* A new rate; what is owed under the old one is forgotten. */
void pace_set(struct pace *pace, uint64_t rate, uint64_t now_us);
bool pace_open(struct pace *pace, uint64_t now_us);
void pace_take(struct pace *pace, size_t bytes);
/* Microseconds until the bucket is worth opening. */
uint64_t pace_wait(const struct pace *pace);

#endif
