/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_METER_H
#define HOST_METER_H

/*
 * Meter: numbers in the kernel's text files, those of control groups (cgroups(7), the kernel's
 * cgroup-v2.rst) and of network interfaces (proc_pid_net(5)). Pure. A text that is not as expected
 * gives no number, which is all that its reader can say of it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* No limit is set, or the kernel does not count it. */
#define METER_NONE UINT64_MAX

/* "123\n"; "max" and "-1" are METER_NONE. False for anything else. */
bool meter_number(struct slice text, uint64_t *ret_value);

/* The number behind @name in a file of lines "name number". */
bool meter_field(struct slice text, const char *name, uint64_t *ret_value);

/* Thousandths of a processor, from "QUOTA PERIOD" in microseconds; no quota is METER_NONE. */
bool meter_quota(struct slice text, uint64_t *ret_millicores);

#define METER_INTERFACE_NAME_MAX 15u

struct meter_interface {
	char name[METER_INTERFACE_NAME_MAX + 1]; /* any bytes but space, slash and NUL */
	uint64_t rx_bytes;
	uint64_t rx_packets;
	uint64_t tx_bytes;
	uint64_t tx_packets;
};

/*
 * The interfaces of /proc/PID/net/dev. Those beyond @max are passed over; false when a line is none
 * of an interface.
 */
bool meter_interfaces(struct slice text, struct meter_interface *ret_list, size_t max,
		      size_t *ret_count);

#endif
