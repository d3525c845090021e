/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <time.h>

int64_t clock_now(void)
{
	int64_t now = (int64_t)time(NULL);

	return now < CLOCK_LEAST ? CLOCK_UNSET : now;
}
