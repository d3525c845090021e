/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_USAGE_H
#define HOST_USAGE_H

/*
 * Usage: what a process's control group has used of memory, processors and process ids, and what
 * went over the interfaces of its network namespace, as the host counts it. cgroup v2 is asked
 * first, then v1; on a hybrid host each number comes from where it is counted.
 *
 * A container's process may stand in a group below its container's; what is read is then the
 * container's. Limits are the narrowest of that group's and those above it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "host/cgroup.h"
#include "host/meter.h"
#include "host/process.h"

#define USAGE_INTERFACES_MAX 64u
#define USAGE_REMARKS_MAX    8u
#define USAGE_REMARK_MAX     128u

struct usage_source {
	const char *proc;	       /* "/proc" */
	const char *cgroup;	       /* "/sys/fs/cgroup" */
	const struct process *process; /* fd < 0: it cannot be seen */
	const char *group;	       /* the group to read, "/a/b"; "" = that of the process */
};

/* METER_NONE is a number that is not there: not counted, not readable, or no limit. */
struct usage {
	unsigned version; /* of control groups: 2 or 1; 0 = the group is not known */
	char path[CGROUP_PATH_MAX + 1];
	struct cgroup_container container; /* id "" = none by its name */
	struct {
		uint64_t current; /* bytes; METER_NONE: none of them is known */
		uint64_t limit;
		uint64_t peak;
	} memory;
	struct {
		uint64_t usage_us; /* METER_NONE: none of them is known */
		uint64_t user_us;
		uint64_t system_us;
		uint64_t limit_millicores;
	} cpu;
	struct {
		uint64_t current; /* METER_NONE: none of them is known */
		uint64_t limit;
	} pids;
	bool has_network;
	struct meter_interface interfaces[USAGE_INTERFACES_MAX];
	size_t interface_count;
	/* Why something is not there, for people. */
	char remarks[USAGE_REMARKS_MAX][USAGE_REMARK_MAX];
	size_t remark_count;
};

/* Reads what it may; what it may not is a remark and never an error. For a thread that may wait. */
void usage_read(const struct usage_source *source, struct usage *ret_usage);

#endif
