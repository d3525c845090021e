/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/backoff.h"

#include "base/mem.h"

static const uint32_t PAUSES_S[] = {1, 5, 15, 60, 300, 900, 3600};

uint64_t backoff_after(struct backoff *backoff, bool progress, uint32_t server_s, uint32_t random)
{
	uint64_t pause, wish;

	if (progress)
		backoff->failures = 0;
	pause = PAUSES_S[backoff->failures] * UINT64_C(1000);
	if (backoff->failures < ARRAY_LEN(PAUSES_S) - 1)
		backoff->failures++;
	pause -= random % (pause / 4 + 1);
	wish = (server_s < BACKOFF_SERVER_MAX_S ? server_s : BACKOFF_SERVER_MAX_S) * UINT64_C(1000);
	/* Not before the time that the server named, and not all of a fleet at it. */
	return wish > pause ? wish + random % (wish / 4 + 1) : pause;
}
