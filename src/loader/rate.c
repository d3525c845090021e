/* SPDX-License-Identifier: Apache-2.0 */
/* A slot for each second; those that have passed since the newest one count as empty. */
#include "loader/rate.h"

#define SECOND_US UINT64_C(1000000)

void rate_add(struct rate *rate, uint64_t now_us, uint64_t bytes)
{
	uint64_t now = now_us / SECOND_US;

	if (rate->since == 0) {
		rate->since = rate->last = now;
	} else if (now - rate->last >= RATE_SECONDS) {
		*rate = (struct rate){.since = rate->since, .last = now};
	} else {
		while (rate->last < now)
			rate->bytes[++rate->last % RATE_SECONDS] = 0;
	}
	rate->bytes[now % RATE_SECONDS] += bytes;
}

uint64_t rate_of(const struct rate *rate, uint64_t now_us)
{
	uint64_t now = now_us / SECOND_US, sum = 0, seconds, second;

	if (rate->since == 0 || now < rate->last)
		return 0;
	for (second = rate->last; now - second < RATE_SECONDS; second--) {
		sum += rate->bytes[second % RATE_SECONDS];
		if (second <= rate->since || rate->last - second == RATE_SECONDS - 1)
			break;
	}
	seconds = now - rate->since + 1;
	return sum / (seconds < RATE_SECONDS ? seconds : RATE_SECONDS);
}

int64_t rate_eta(uint64_t rest, uint64_t rate)
{
	if (rate == 0)
		return -1;
	return (int64_t)(rest / rate + (rest % rate != 0));
}
