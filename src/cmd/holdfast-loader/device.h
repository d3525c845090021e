/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_LOADER_DEVICE_H
#define CMD_HOLDFAST_LOADER_DEVICE_H

/*
 * Device: this device's half of version 2 as holdfastd has it (struct loader_device). Each call has
 * a connection of its own, so that one that hangs holds up nobody else, and a service that was
 * restarted is found again. For any thread.
 */

#include <stdatomic.h>

#include "loader/loader.h"

struct device_key;

struct device {
	const char *socket; /* borrowed */
	/* Storage keys that were seen: they only become more, up to a few. */
	_Atomic(struct device_key *) keys;
	atomic_uint key_count;
	/* The one that the service said last; NULL: it is to be asked. */
	_Atomic(const struct device_key *) current;
	struct loader_device ops;
};

void device_init(struct device *device, const char *socket);
/* When nothing is at work any more. */
void device_fini(struct device *device);

#endif
