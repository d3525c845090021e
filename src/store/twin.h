/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_TWIN_H
#define STORE_TWIN_H

/*
 * Twin: a small, precious content in several copies, each a file with generation and checksum
 * (docs/STORE.md, Twin files), in folders that the caller has open. All copies are looked at before
 * anything is decided, and the best is written last, so that at every moment a good one is on disk.
 * Nothing locks: one user of a file at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"

#define TWIN_MAX	 (64u * 1024u) /* bytes of content */
#define TWIN_COPIES_MAX	 4u
#define TWIN_COPIES_EACH 2u /* that twin_add() adds, one after the other */
#define TWIN_MODE	 0600
#define TWIN_NAME_MAX	 255u	 /* as file systems have it */
#define TWIN_SUFFIX	 ".copy" /* of the second copy in a folder */

struct twin_copy {
	int dir; /* borrowed; -1 = the folder is not to be had, and .code says in which way */
	char name[TWIN_NAME_MAX + 1];
	int code; /* 0 = good; ERR_NOT_FOUND, ERR_DAMAGED or ERR_UNREADABLE */
	struct secret *bytes;
	struct slice content; /* within bytes */
	uint64_t generation;
};

struct twin {
	struct twin_copy copies[TWIN_COPIES_MAX];
	size_t count;
	size_t best; /* when one is good */
};

void twin_fini(struct twin *twin);
static inline void twin_cleanup(struct twin *twin)
{
	twin_fini(twin);
}

/*
 * Adds NAME and NAME.copy of a folder; with @dir -1 they are known to be @code. At most
 * TWIN_COPIES_MAX copies.
 */
void twin_add(struct twin *twin, int dir, const char *name, int code);

/*
 * Reads all copies and chooses the newest good one. A copy whose checksum is right is given to
 * @judge as well, unless that is NULL; it may say ERR_DAMAGED or ERR_UNREADABLE of it, and any
 * other error ends the whole. ERR_NOT_FOUND: all are absent. ERR_UNREADABLE or ERR_DAMAGED:
 * something is there, or may be, and none is good. The copies tell more.
 */
typedef int twin_judge(struct slice content, struct err *err);
int twin_load(struct twin *twin, twin_judge *judge, struct err *err) MUST_CHECK;

/* After twin_load(): all are good, and equal. */
bool twin_whole(const struct twin *twin);

/* After a good twin_load(): puts the best copy over those that differ, as far as that works. */
void twin_repair(const struct twin *twin);

/*
 * After a twin_load() that was good or ERR_NOT_FOUND: writes all copies durably, the worst first.
 * After a failure either content may be read. ERR_TOO_LARGE, ERR_UNREADABLE (a folder is not to be
 * had; nothing was written then) and those of file_write().
 */
int twin_write(struct twin *twin, struct slice content, struct err *err) MUST_CHECK;

#endif
