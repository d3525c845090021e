/* SPDX-License-Identifier: Apache-2.0 */
/* A window ends when enough went through, and then the next begins; or it runs out. */
#include "http/impl.h"

void http_pace_init(struct http_pace *pace, uint64_t window_us)
{
	*pace = (struct http_pace){.window_us = window_us, .left_us = window_us};
}

uint64_t http_pace_start(struct http_pace *pace, uint64_t now_us)
{
	pace->since_us = now_us;
	return pace->left_us;
}

void http_pace_stop(struct http_pace *pace, uint64_t now_us)
{
	uint64_t spent = pace->since_us != 0 ? now_us - pace->since_us : 0;

	pace->since_us = 0;
	pace->left_us -= spent < pace->left_us ? spent : pace->left_us;
}

bool http_pace_moved(struct http_pace *pace, size_t bytes, uint64_t now_us)
{
	pace->moved += bytes;
	if (pace->moved < HTTP_PACE)
		return false;
	pace->moved = 0;
	pace->left_us = pace->window_us;
	pace->since_us = pace->since_us != 0 ? now_us : 0;
	return true;
}
