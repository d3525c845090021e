/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_PRNG_H
#define FAULT_PRNG_H

/*
 * The dice of the fault tests: a counter through a mixing function, so that a seed gives the same
 * throws everywhere and two seeds that lie side by side have nothing in common.
 */

#include <stdbool.h>
#include <stdint.h>

struct prng {
	uint64_t at;
};

static inline uint64_t prng_next(struct prng *prng)
{
	uint64_t v = prng->at += UINT64_C(0x9e3779b97f4a7c15);

	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

/* @use keeps the dice of one seed's different users apart. */
static inline struct prng prng_of(uint64_t seed, uint64_t use)
{
	struct prng prng = {.at = seed * UINT64_C(0x632be59bd9b4e019) + use};

	(void)prng_next(&prng);
	return prng;
}

/* 0 to @limit - 1 */
static inline unsigned prng_below(struct prng *prng, unsigned limit)
{
	return (unsigned)((prng_next(prng) >> 32) * limit >> 32);
}

/* True in @permille of a thousand cases. */
static inline bool prng_hit(struct prng *prng, unsigned permille)
{
	return prng_below(prng, 1000) < permille;
}

#endif
