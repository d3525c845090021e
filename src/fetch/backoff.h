/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FETCH_BACKOFF_H
#define FETCH_BACKOFF_H

/*
 * Backoff: when something that failed is tried again. An attempt that got anywhere begins the row
 * anew, since a link that drops every few seconds still delivers; one that got nowhere waits longer
 * each time: 1 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, and 1 h from then on. Each pause is cut by
 * a random part of up to a quarter, so that a fleet does not come back at once. A server that names
 * a later time is obeyed: the pause is that time and a random part of up to a quarter more. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_SERVER_MAX_S 86400u /* a server that says more is taken to say a day */

/* Zeroed to begin with. */
struct backoff {
	unsigned failures; /* in a row, without progress */
};

/* Milliseconds until the next attempt. @random is any number; @server_s is its Retry-After, or 0.
 */
uint64_t backoff_after(struct backoff *backoff, bool progress, uint32_t server_s, uint32_t random);

#endif
