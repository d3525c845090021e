/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_NOTIFY_H
#define HOST_NOTIFY_H

/*
 * Notify: tells a service manager how we are, by sd_notify(3)'s datagram protocol. Without
 * NOTIFY_SOCKET every call does nothing.
 */

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* Sends @state, for example "READY=1". ERR_INTERNAL when there is a socket but no way to it. */
int notify_send(const char *state, struct err *err) MUST_CHECK;

/* How often "WATCHDOG=1" is due, in microseconds: half of what the manager allows; 0 = never. */
uint64_t notify_watchdog_us(void);

#endif
