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

/* A folder with all that is below it, or a file. */
struct confine_path {
	const char *path;
	bool write; /* also make, change and remove files and folders in it */
};

/*
 * Leaves the process nothing of the file system but @paths (Landlock): what is not listed cannot
 * be opened any more, nothing can be executed, and where the kernel knows how, no TCP and no
 * signals to processes outside. What is open stays usable, and so do Unix sockets that have a
 * path. Paths that are absent are skipped.
 * A kernel without Landlock is no failure: *ret_confined is then false. Needs confine_process().
 */
int confine_paths(const struct confine_path *paths, size_t count, bool *ret_confined,
		  struct err *err) MUST_CHECK;

#endif
