/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_RATE_H
#define LOADER_RATE_H

/* Rate: bytes per second of the last seconds, for people. Pure; times are microseconds. */

#include <stdint.h>

#define RATE_SECONDS 8u

/* Zeroed to begin with. */
struct rate {
	uint64_t since; /* the first call, in seconds */
	uint64_t last;	/* the second of the newest slot */
	uint64_t bytes[RATE_SECONDS];
};

void rate_add(struct rate *rate, uint64_t now_us, uint64_t bytes);
uint64_t rate_of(const struct rate *rate, uint64_t now_us);
/* Seconds for @rest bytes at that rate; -1 where it is 0. */
int64_t rate_eta(uint64_t rest, uint64_t rate);

#endif
