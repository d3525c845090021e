/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_PLACE_H
#define STACK_PLACE_H

/*
 * Place: a file below the root of a machine or an image, reached folder by folder without
 * following a link, through folders that nobody else than root and the caller can change; and what
 * is there. For this room only.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "stack/render.h"

#define PLACE_CONTENT_MAX (1024u * 1024u)
#define PLACE_DIGEST_SIZE 32u
#define PLACE_FILE_MODE	  0644
#define PLACE_FOLDER_MODE 0755

struct stat;

/* Completes an error of this room on its way out: why the system refused, and what to do. */
int place_explain(struct err *err);

/* Can nobody but root and the caller, with groups of theirs alone, change what has this? */
bool place_is_ours(const struct stat *st);

/* "" is the machine itself. ERR_NOT_FOUND, ERR_INVALID, ERR_UNREADABLE. Owned. */
int place_open_root(const char *root, int *ret_fd, struct err *err) MUST_CHECK;

/*
 * The folder of the absolute @path below @root; its name is what place_name() gives. ERR_NOT_FOUND
 * where a folder is missing and none is to be made; ERR_INVALID: one is a link, or others' too.
 */
int place_open(int root, const char *path, bool create, int *ret_dir, struct err *err) MUST_CHECK;
const char *place_name(const char *path);

enum place_kind { PLACE_NOTHING, PLACE_FILE, PLACE_LINK };

struct place_seen {
	enum place_kind kind;
	struct buf content; /* bytes, or the target without a NUL */
	mode_t mode;
	uid_t owner;
	gid_t group;
};

#define PLACE_SEEN_INIT                                                                            \
	{                                                                                          \
		.content = BUF_INIT(PLACE_CONTENT_MAX)                                             \
	}

/* @ret_seen is initialised. ERR_UNREADABLE: neither file nor link, or not to be read. */
int place_look(int dir, const char *name, struct place_seen *ret_seen, struct err *err) MUST_CHECK;
void place_seen_fini(struct place_seen *seen);

/* Of a file its SHA-256; a link is never the same as a file. */
int place_digest(bool is_link, struct slice content, uint8_t ret_digest[PLACE_DIGEST_SIZE],
		 struct err *err) MUST_CHECK;

/* Puts it there, whole and durably, in the place of whatever file or link has the name. */
int place_put_file(int dir, const char *name, struct slice bytes, mode_t mode, struct err *err)
	MUST_CHECK;
int place_put_link(int dir, const char *name, const char *target, struct err *err) MUST_CHECK;
/* What has the name gets @also in @beside as a second one, durably; nothing of it is lost. */
int place_keep(int dir, const char *name, int beside, const char *also, struct err *err) MUST_CHECK;

/* Is it what a killed writer of @name leaves? Takes that away, but of none that lives. */
bool place_is_leftover(const char *left, const char *name);
int place_sweep(int dir, const char *name, struct err *err) MUST_CHECK;

int place_put(int dir, const char *name, const struct stack_entry *entry, struct err *err)
	MUST_CHECK;

#endif
