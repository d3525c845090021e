/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_HOLDFAST_KEY_LINES_H
#define CMD_HOLDFAST_KEY_LINES_H

/*
 * Key lines: an artifact's file of device keys, DIR/<folder>/<manifest's digest>.keys, read and
 * merged line by line, so that memory does not grow with a fleet.
 */

#include <stdbool.h>
#include <stddef.h>

#include "artifact/device_key.h"
#include "base/buf.h"
#include "base/err.h"
#include "cmd/holdfast/fleet.h"

struct file_draft;

struct key_lines {
	int fd;
	uint8_t manifest[MANIFEST_DIGEST]; /* all lines are of this one */
	struct buf bytes;		   /* read, and not taken yet */
	size_t taken;			   /* .. of the front of them */
	struct device_key key;		   /* the line that was taken last */
	bool any;			   /* .. if one was */
};
#define KEY_LINES_INIT                                                                             \
	{                                                                                          \
		.fd = -1, .bytes = BUF_INIT(2u * DEVICE_KEY_LINE_MAX), .key = DEVICE_KEY_INIT      \
	}
/* ERR_NOT_FOUND. */
int key_lines_open(struct key_lines *lines, int dir, const char *name,
		   const uint8_t manifest[MANIFEST_DIGEST], struct err *err) MUST_CHECK;
void key_lines_fini(struct key_lines *lines);

/*
 * The next line with its end, borrowed until the next call; an empty slice behind the last one.
 * ERR_DAMAGED: no device key of that manifest, or not sorted by Name, each once.
 */
int key_lines_next(struct key_lines *lines, struct slice *ret_line, struct err *err) MUST_CHECK;

/*
 * Writes what is in @lines (NULL: nothing), as it is, and the key for those of @fleet, which is
 * sorted, that have no line there; those that are named have a new one in its place, for theirs may
 * be of the right form and not open.
 */
struct key_merge {
	struct key_lines *lines;
	const struct fleet *fleet;
	const struct secret *key;
	const uint8_t *manifest; /* MANIFEST_DIGEST bytes */
	size_t kept, added;	 /* at the end */
};
int key_merge(struct key_merge *merge, struct file_draft *draft, struct err *err) MUST_CHECK;

#endif
