/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/pace.h"

#define SECOND_US UINT64_C(1000000)
#define RATE_MAX  (UINT64_C(1) << 40)
#define BURST_MIN 1024u
#define GAP_MAX	  (3600u * SECOND_US) /* longer gaps fill the bucket as well, without overflow */

static int64_t burst(const struct pace *pace)
{
	uint64_t bytes = pace->rate / 8;

	return (int64_t)(bytes > BURST_MIN ? bytes : BURST_MIN);
}

void pace_set(struct pace *pace, uint64_t rate, uint64_t now_us)
{
	pace->rate = rate < RATE_MAX ? rate : RATE_MAX;
	pace->level = burst(pace);
	pace->at_us = now_us;
}

static void fill(struct pace *pace, uint64_t now_us)
{
	uint64_t gap = now_us > pace->at_us ? now_us - pace->at_us : 0;
	uint64_t whole, part;

	if (gap > GAP_MAX)
		gap = GAP_MAX;
	whole = gap / SECOND_US * pace->rate;
	part = gap % SECOND_US * pace->rate / SECOND_US;
	/* Time that is not worth a byte yet is kept. */
	if (whole + part == 0)
		return;
	pace->at_us = now_us;
	pace->level += (int64_t)(whole + part);
	if (pace->level > burst(pace))
		pace->level = burst(pace);
}

bool pace_open(struct pace *pace, uint64_t now_us)
{
	if (pace->rate == 0)
		return true;
	fill(pace, now_us);
	return pace->level > 0;
}

void pace_take(struct pace *pace, size_t bytes)
{
	if (pace->rate > 0)
		pace->level -= (int64_t)bytes;
}

/* Half the bucket, so that a slow rate does not wake up for every byte. */
uint64_t pace_wait(const struct pace *pace)
{
	int64_t missing = burst(pace) / 2 - pace->level;

	if (pace->rate == 0 || missing <= 0)
		return 0;
	return (uint64_t)missing * SECOND_US / pace->rate + 1;
}
