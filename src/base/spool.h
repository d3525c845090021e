/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SPOOL_H
#define BASE_SPOOL_H

/*
 * Spool: a file without a name for what is too large to be held in memory on its way. It is never
 * synced and is gone with its holder, however that ends. It lies on the disk of its folder in the
 * clear, so only ciphertext may be put into it. One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

struct spool;

/*
 * In the folder @dir, for our own user. Where the file system knows no files without a name, it has
 * one that file_sweep() removes for the moment between its making and its unlinking.
 */
int spool_new(int dir, struct spool **ret_spool, struct err *err) MUST_CHECK;
void spool_free(struct spool *spool);
MEM_DEFINE_CLEANUP(spool)

/* ERR_DISK_FULL; after a failure the spool is good for nothing but spool_free(). */
int spool_append(struct spool *spool, struct slice bytes, struct err *err) MUST_CHECK;

/* Bytes that were appended. */
uint64_t spool_size(const struct spool *spool);

/* Exactly @len bytes from @at; ERR_UNREADABLE when they cannot be had. */
int spool_read(const struct spool *spool, uint64_t at, uint8_t *ret_bytes, size_t len,
	       struct err *err) MUST_CHECK;

#endif
