/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_ARCHIVE_H
#define LOADER_ARCHIVE_H

/*
 * Archive: the sealed archive of images (docs/ARTIFACT.md, "Reading"), read twice through one
 * descriptor on the pool, in pieces, so that memory stays the same for any size and others have
 * their turns. Or an artifact of version 2, which was checked already. It is for the loop's thread;
 * its steps on the pool touch only what is its own and the configuration.
 */

#include "loader/loader.h"

struct archive;
/* @done is told the end of archive_find() and of archive_check(), never inside those calls. */
int archive_new(struct jobs *jobs, const struct loader_config *config, loader_done_fn done,
		void *arg, struct archive **ret_archive, struct err *err) MUST_CHECK;
/* Ends what is at work without callbacks; lives on by itself until the pool has let go of it. */
void archive_free(struct archive *archive);
MEM_DEFINE_CLEANUP(archive)

/* Opens the file. ERR_NOT_FOUND, ERR_UNREADABLE; ERR_TOO_LARGE. */
int archive_find(struct archive *archive, struct err *err) MUST_CHECK;

/*
 * The first pass, with the signature where anchors are configured: FAULT_SIGNATURE, ERR_DAMAGED,
 * ERR_UNREADABLE. @key is taken.
 */
int archive_check(struct archive *archive, struct secret *key, struct err *err) MUST_CHECK;
bool archive_signed(const struct archive *archive);    /* after it was good, of version 1 */
uint64_t archive_plain(const struct archive *archive); /* bytes, after that */

/*
 * In the place of both: an artifact of version 2 that has passed, of which nothing is needed when
 * this has returned. The reading that follows authenticates each chunk.
 */
struct artifact;
int archive_artifact(struct archive *archive, const struct artifact *artifact, struct err *err)
	MUST_CHECK;

/* The second pass: @more is called when archive_read() has given 0 bytes and can give some now. */
int archive_open(struct archive *archive, void (*more)(void *arg), struct err *err) MUST_CHECK;
/* As fetch_ops.more(). The last bytes come when all of the second pass was good. */
int archive_read(struct archive *archive, uint8_t *at, size_t size, size_t *ret_len,
		 struct err *err) MUST_CHECK;
/* Why archive_read() fails, NULL while it does not. */
const struct err *archive_failed(const struct archive *archive);

/* Bytes of the file that the pass that is at work has seen, and of how many. */
void archive_progress(const struct archive *archive, uint64_t *ret_done, uint64_t *ret_total);

#endif
