/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_PROGRESS_H
#define CMD_HOLDFAST_PROGRESS_H

/*
 * Progress: one line on a terminal that shows how far something is that takes over a second. It is
 * drawn by whoever moves the bytes, and is gone at the end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PROGRESS_TOTAL_UNKNOWN UINT64_MAX

struct progress {
	const char *label; /* "sealing" */
	uint64_t total;	   /* bytes that will go in, or PROGRESS_TOTAL_UNKNOWN */
	uint64_t in;	   /* bytes that went in */
	uint64_t out;	   /* bytes that came out: about as many in the end */
	bool enabled;
	uint64_t begun_us; /* clock_monotonic_us() */
	uint64_t drawn_us;
	size_t drawn_len; /* characters that stand on the terminal */
};

/* Begins; nothing is ever drawn when standard error is no terminal, or @enabled is false. */
void progress_begin(struct progress *progress, const char *label, uint64_t total, bool enabled);

/* Draws the line if it is time to. */
void progress_move(struct progress *progress, uint64_t in, uint64_t out);

/* Removes it. */
void progress_end(struct progress *progress);

/* The line for @elapsed_us, cut so that a terminal of @columns does not wrap it. Pure. */
void progress_render(struct buf *out, const struct progress *progress, uint64_t elapsed_us,
		     size_t columns);

/* Appends "12.3 MiB". */
void progress_put_size(struct buf *out, uint64_t bytes);

#endif
