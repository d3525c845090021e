/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_CONFINE_H
#define HOST_CONFINE_H

/*
 * Confine: what a helper process gives up before it starts to work. There is no way back, neither
 * for the process nor for what it starts.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

#define CONFINE_FILES 64u

/*
 * Dies with the thread that started it (SIGKILL), gains no privileges by what it executes, opens
 * at most CONFINE_FILES files. Beside limits_apply(), which every process with secrets calls.
 */
int confine_process(struct err *err) MUST_CHECK;

/* What may be done with a path beside reading it. */
enum confine_right {
	CONFINE_READ = 0,	  /* files, and the names in folders */
	CONFINE_CHANGE = 1 << 0,  /* write to what is there; of a device, also ioctl */
	CONFINE_WRITE = 1 << 1,	  /* .. and make, move and remove files and folders */
	CONFINE_SOCKETS = 1 << 2, /* make sockets, and remove what has a name */
	CONFINE_EXECUTE = 1 << 3,
};

/* A folder with all that is below it, or a file. */
struct confine_path {
	const char *path;
	unsigned rights; /* enum confine_right */
};

struct confine_rules {
	const struct confine_path *paths;
	size_t count;
	bool tcp_connect;
	bool tcp_listen;
	bool abstract; /* connect to Unix sockets outside that have no path */
	bool moves;    /* between folders: impossible with ABI 1, which is then as good as none */
};

/*
 * Leaves the process nothing of the file system but the paths of @rules (Landlock): what is not
 * listed cannot be opened any more, only what is listed so can be executed, and where the kernel
 * knows how, no TCP that was not asked for, and no signals to processes outside. What is open stays
 * usable, and so do Unix sockets that have a path. Paths that are absent are skipped.
 * *ret_abi is the ABI in use. A kernel without Landlock is no failure: it is then 0. Needs that new
 * privileges are renounced, as confine_process() and confine_privileges() do. Before threads start.
 */
int confine_paths(const struct confine_rules *rules, unsigned *ret_abi, struct err *err) MUST_CHECK;

/* Gains no privileges by what it executes, for good. */
int confine_privileges(struct err *err) MUST_CHECK;

#endif
