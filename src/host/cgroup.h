/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_CGROUP_H
#define HOST_CGROUP_H

/*
 * Cgroup: what /proc/PID/cgroup says (cgroups(7)), and which container a group is by its name.
 * Pure. The names are chosen by whoever made the groups, and a container may make some below its
 * own: they are shown, and never a reason to allow anything.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

#define CGROUP_TEXT_MAX (16u * 1024u) /* of /proc/PID/cgroup */
#define CGROUP_PATH_MAX 1023u
#define CGROUP_ID_LEN	64u

/* Hierarchies that matter here: that of version 2, and of version 1 those of some controllers. */
enum cgroup_hierarchy {
	CGROUP_UNIFIED,
	CGROUP_SYSTEMD, /* "name=systemd" */
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_PIDS,
	CGROUP_HIERARCHIES,
};

/* A process's place in one hierarchy. Both borrow the text that was parsed. */
struct cgroup_place {
	struct slice controllers; /* as the line has them, "cpu,cpuacct": v1's folder */
	struct slice path;	  /* "/" or "/a/b"; empty = in none, or in one not seen from here */
};

struct cgroup_map {
	struct cgroup_place of[CGROUP_HIERARCHIES];
};

/*
 * Lines of other hierarchies are passed over. ERR_INVALID for a text that no kernel writes. A path
 * that is outside of the reader's own view ("/../x"), or not as cgroup_path_ok() wants it, is left
 * empty.
 */
int cgroup_parse(struct slice text, struct cgroup_map *ret_map, struct err *err) MUST_CHECK;

/*
 * "/", or components with a slash before each, none of them empty, "." or "..", without control
 * characters, CGROUP_PATH_MAX bytes at most: always below the root that it is put behind.
 */
bool cgroup_path_ok(struct slice path);

struct cgroup_container {
	char id[CGROUP_ID_LEN + 1]; /* 64 digits in lower-case hexadecimal */
	const char *runtime;	    /* "docker", "podman", ..; NULL = its name does not say */
	size_t path_len;	    /* of the path, up to the container's own group */
};

/* The innermost container that @path names. False when there is none; *ret is then untouched. */
bool cgroup_container(struct slice path, struct cgroup_container *ret_container);

#endif
