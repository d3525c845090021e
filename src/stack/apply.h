/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_APPLY_H
#define STACK_APPLY_H

/*
 * Apply: makes a machine, or the tree of an image, be as rendered. What was written is remembered
 * in STACK_LEDGER, by digest, so that a file which somebody has edited since is known as theirs: it
 * is left and told. The ledger belongs to root and names parts, never paths: nobody can have a file
 * overwritten or removed by it that is not one of stack_path().
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "stack/render.h"

#define STACK_STATE  "/var/lib/holdfast-tpm2" /* root's, 0755 */
#define STACK_LEDGER STACK_STATE "/applied"
#define STACK_DUE                                                                                  \
	STACK_STATE "/due" /* what programs are still to be told; lines: word put|gone             \
			    */
#define STACK_LOCK STACK_STATE "/lock"

/*
 * What was there before is .NAME and one of these, with .1, .2 .. where there is another one
 * already, in the folder of stack_backup_path().
 */
#define STACK_ORIG	  ".holdfast-orig"   /* of a package */
#define STACK_BACKUP	  ".holdfast-backup" /* somebody else's */
#define STACK_BACKUP_SIZE 96u

/* What is done, or would be, with one part. */
enum stack_deed {
	STACK_ABSENT,	/* is not there and shall not be */
	STACK_SAME,	/* is as rendered */
	STACK_WRITTEN,	/* new, or was ours and unedited */
	STACK_REPLACED, /* was an unedited file of a package: that lies beside it, and comes back */
	STACK_FORCED,	/* was somebody else's: kept beside it */
	STACK_KEPT,	/* is somebody else's, and left */
	STACK_REMOVED,	/* was ours; what was there before it is back, an edit of ours is not */
	STACK_FORGOTTEN, /* was ours, is edited, shall not be: left, and no longer ours */
};

struct stack_step {
	enum stack_deed deed;
	/* A name in the folder: where the other one is (REPLACED, FORCED, FORGOTTEN), or what came
	 * back (REMOVED); "" = nowhere */
	char backup[STACK_BACKUP_SIZE];
};

/* Parts, a bit each by enum stack_part, of which programs are still to be told. */
struct stack_due {
	unsigned put;
	unsigned gone;
};

struct stack_change {
	struct stack_step steps[STACK_PARTS];
	struct stack_due due; /* of this change, and what is left of earlier ones; not of a root */
	bool changed;	      /* a byte on the disk is another than before */
	bool kept;	      /* something is not as rendered: KEPT or FORGOTTEN */
};

struct stack_wish {
	const char *root; /* "" = this machine; else a folder, absolute */
	bool force;	  /* take over what is somebody else's, and keep a backup of it */
	bool dry;	  /* only tell */
	bool none;	  /* there is no configuration: where something is ours, nothing is done */
};

/*
 * Each file is written whole and durably; a fault in the middle leaves each one old or new, and the
 * next run goes on. ERR_FORBIDDEN (not root), ERR_UNREADABLE (a file or the ledger cannot be read:
 * nothing is overwritten), ERR_NOT_FOUND (wish.none, and something is ours), ERR_DISK_FULL,
 * ERR_CONFLICT (another one is at it), ERR_INVALID (a folder on the way is a link, or somebody
 * else's than root's).
 */
int stack_apply(const struct stack_tree *tree, const struct stack_wish *wish,
		struct stack_change *ret_change, struct err *err) MUST_CHECK;

/*
 * Writes the tree into the folder @root and takes away what an earlier one left there; the folder
 * is made where it is missing. ERR_CONFLICT: there is something in it that is none of
 * stack_path(), and nothing was written.
 */
int stack_write(const struct stack_tree *tree, const char *root, struct err *err) MUST_CHECK;

/*
 * Lets the programs of this machine know: users and folders are made, udev, systemd and the bus
 * read their rules again, services begin or end, each only where it is there and its part has
 * changed, or is still due; users and folders each time. When all went well nothing is due any
 * more.
 * @told is called with a line for each that was asked, and how it ended.
 */
void stack_reload(const struct stack_change *change,
		  void (*told)(void *arg, const char *line, bool well), void *arg);

#endif
