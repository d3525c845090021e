/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

/*
 * File: the only place that writes to disk what stays (spool.h: what does not). Every write is
 * whole or did not happen: temporary file in the same folder, fsync, rename, fsync of the folder.
 * When a function returns 0 the change survives a power cut. Names are single path components,
 * relative to an open folder; others, and those of temporary files, are ERR_INVALID.
 *
 * Reading tells three answers apart: 0 (present), ERR_NOT_FOUND (absent) and ERR_UNREADABLE
 * (there, but it cannot be read). Only absent may lead to making something new.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/slice.h"

/* The prefix of our temporary files; object names never begin with a dot. */
#define FILE_TEMP_PREFIX ".tmp-"

/*
 * Opens the folder @path (O_PATH is not used: the descriptor can be synced). With @create, missing
 * components are made with exactly @mode and each is made durable. The last component may not be
 * a symbolic link.
 */
int file_open_dir(int at, const char *path, bool create, mode_t mode, int *ret_fd, struct err *err)
	MUST_CHECK;

/*
 * Makes the folder @name where it is missing, and makes it durable also where it is there: its
 * maker may not have come so far. ERR_UNREADABLE when the name is no folder.
 */
int file_make_dir(int parent, const char *name, mode_t mode, int *ret_fd, struct err *err)
	MUST_CHECK;

/* For reading; a link, or what is no regular file, is ERR_UNREADABLE. */
int file_open(int dir, const char *name, int *ret_fd, uint64_t *ret_size, struct err *err)
	MUST_CHECK;

/* Appends the whole file to @ret_bytes; ERR_TOO_LARGE when that would exceed its max. */
int file_read(int dir, const char *name, struct buf *ret_bytes, struct err *err) MUST_CHECK;

/* The same into a secret of exactly the file's size, refused over @max. */
int file_read_secret(int dir, const char *name, size_t max, struct secret **ret_secret,
		     struct err *err) MUST_CHECK;

enum file_write {
	FILE_CREATE,  /* ERR_CONFLICT when the name exists, readable or not */
	FILE_REPLACE, /* puts the new content in the place of the old in one step */
};

/*
 * Writes durably, with exactly @mode. ERR_DISK_FULL, ERR_CONFLICT or ERR_INTERNAL; the old content
 * is then intact. One exception: when only the last sync of the folder fails, FILE_REPLACE answers
 * ERR_INTERNAL with the new content, whole, in place.
 */
int file_write(int dir, const char *name, struct slice bytes, mode_t mode, enum file_write how,
	       struct err *err) MUST_CHECK;

/*
 * Draft: a file that is written piece by piece and gets its name at the end, or never. Where the
 * file system can do that it has no name until then, so that not even a kill leaves it behind.
 * file_draft_publish() is file_write() of all that was written; it may be called once.
 */
struct file_draft;
int file_draft_new(int dir, const char *name, mode_t mode, struct file_draft **ret_draft,
		   struct err *err) MUST_CHECK;
int file_draft_write(struct file_draft *draft, struct slice bytes, struct err *err) MUST_CHECK;
/* It gets this name instead, which may follow from what was written. Before it is published. */
int file_draft_name(struct file_draft *draft, const char *name, struct err *err) MUST_CHECK;
int file_draft_publish(struct file_draft *draft, enum file_write how, struct err *err) MUST_CHECK;
void file_draft_free(struct file_draft *draft); /* NULL is allowed */
MEM_DEFINE_CLEANUP(file_draft)

/*
 * Part: a file that grows under one name, also over several runs of the program, and gets another
 * when it is whole. What was written survives a kill; a power cut only what file_part_sync() made
 * durable, content and name. Where the file does not exist it is made, with exactly @mode; one that
 * is no regular file, or has a second name, is ERR_UNREADABLE. The descriptor reads too.
 */
int file_part_open(int dir, const char *name, mode_t mode, int *ret_fd, uint64_t *ret_size,
		   struct err *err) MUST_CHECK;
int file_part_write(int fd, uint64_t at, struct slice bytes, struct err *err) MUST_CHECK;
int file_part_cut(int fd, uint64_t size, struct err *err) MUST_CHECK;
int file_part_sync(int dir, int fd, struct err *err) MUST_CHECK;

/*
 * Gives the synced file @from the name @to, durably and in one step; what had that name is gone.
 * ERR_NOT_FOUND, ERR_CONFLICT (a folder has it), ERR_INTERNAL.
 */
int file_replace(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
	MUST_CHECK;

/* The file or link @from gets the second name @to, durably. ERR_CONFLICT when that exists. */
int file_link(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
	MUST_CHECK;

/* Removes durably; ERR_NOT_FOUND when it was absent. */
int file_remove(int dir, const char *name, struct err *err) MUST_CHECK;

/*
 * The same for a file that holds a secret: its bytes, the first FILE_ERASE_MAX of them, are
 * overwritten before, as far as a file system does that in place. One that has a second name is
 * only removed.
 */
#define FILE_ERASE_MAX (1024u * 1024u)
int file_erase(int dir, const char *name, struct err *err) MUST_CHECK;

/*
 * Makes durable what others, who do not sync, did: the content of the file @name unless that is
 * NULL, and the names in the folder. ERR_NOT_FOUND, ERR_UNREADABLE; else as file_write().
 */
int file_sync(int dir, const char *name, struct err *err) MUST_CHECK;

/*
 * Moves durably between folders of one file system, never over an existing name (ERR_CONFLICT). Who
 * moves a folder is alone in @to_dir (a lock, a folder of his own): not every file system can look
 * and rename in one step.
 */
int file_move(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
	MUST_CHECK;
/* The same for names that need not survive the machine, as of sockets: nothing is synced. */
int file_move_passing(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
	MUST_CHECK;

/* Deletes temporary files of writers that were killed, not of living ones; counts them. */
int file_sweep(int dir, size_t *ret_count, struct err *err) MUST_CHECK;
/*
 * The same in a folder that is not ours alone: only of writers of these names, a list that ends
 * with NULL, each of at most FILE_SWEEP_NAME_MAX; they are overwritten as by file_erase(), since
 * one may hold a secret. Without a list it is file_sweep().
 */
#define FILE_SWEEP_NAME_MAX 32
int file_sweep_of(int dir, const char *const *names, size_t *ret_count, struct err *err) MUST_CHECK;

/*
 * Calls @visit for every entry that does not begin with a dot; a non-zero result ends the walk and
 * is returned.
 */
int file_list(int dir, int (*visit)(void *arg, const char *name), void *arg, struct err *err)
	MUST_CHECK;

#endif
