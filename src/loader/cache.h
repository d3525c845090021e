/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_CACHE_H
#define LOADER_CACHE_H

/*
 * Cache: the loader's folder on disk, one sub-folder for each of resources. All of it is for the
 * pool, but for what says otherwise, and everything read from it is hostile: a part is looked at
 * whole before it is used, links are not followed.
 *
 * In <folder>/:
 *
 * - <name>.big: the big part, whole when it has this name
 * - <name>.sig: its signature, where there was one
 * - <name>.pin: JSON: what the blob was when it opened first (v1_pin), and whether it was signed: a
 *   resource that was is never taken without one again
 * - .<name>.part: a download that has not ended
 * - <name>.state: JSON: what that is one of: size, ETag or Last-Modified, the digest of the small
 *   part it belongs to, how many bytes are synced and in which boot; after another boot, or a sync
 *   that failed (which is of no boot), only those count
 *
 * A state that cannot be read costs what had come. A pin that cannot be read fails, and nothing is
 * written over it: it remembers that a signature is due.
 */

#include "artifact/resource.h"
#include "artifact/v1.h"
#include "base/err.h"

struct cache; /* the folder and the lock on it: one process at a time (ERR_CONFLICT) */
int cache_open(int dir, struct cache **ret_cache, struct err *err) MUST_CHECK;
void cache_free(struct cache *cache);
MEM_DEFINE_CLEANUP(cache)
/*
 * One more owner, such as a job that may end after the loader: each gives back by cache_free(). On
 * the loop, both.
 */
struct cache *cache_hold(struct cache *cache);

/* The whole big part, for reading. ERR_NOT_FOUND, ERR_UNREADABLE. */
int cache_big(struct cache *cache, const struct resource *resource, int *ret_fd, uint64_t *ret_size,
	      struct err *err) MUST_CHECK;
/* Appends the signature. ERR_NOT_FOUND, ERR_TOO_LARGE. */
int cache_sig(struct cache *cache, const struct resource *resource, struct buf *ret_sig,
	      struct err *err) MUST_CHECK;

/* For a big part that came without one. */
int cache_put_sig(struct cache *cache, const struct resource *resource, struct slice sig,
		  struct err *err) MUST_CHECK;

struct cache_seen {
	bool known; /* there is a pin at all */
	bool signed_once;
	struct v1_pin pin; /* where known */
};
/* ERR_UNREADABLE, with the file's name, when there is a pin that cannot be read or is damaged. */
int cache_seen(struct cache *cache, const struct resource *resource, struct cache_seen *ret_seen,
	       struct err *err) MUST_CHECK;
/*
 * In the place of the one before, whose signed_once stays, also when two threads do this at once.
 * ERR_UNREADABLE as above.
 */
int cache_pin(struct cache *cache, const struct resource *resource, const struct cache_seen *seen,
	      struct err *err) MUST_CHECK;

/* --- a download --- */

struct cache_want {
	uint8_t small[V1_DIGEST]; /* of which release */
	uint64_t total;
	char etag[256]; /* strong, with quotes; "" for none */
	char modified[64];
};
/* Printable ASCII, as etag and modified must be to go back in a header. */
bool cache_is_plain(const char *text);

/*
 * Begins or takes up again; *ret_have bytes are there, of *ret_want. A part of another release is
 * thrown away. One part of a resource at a time. The part outlives the cache. ERR_UNREADABLE, with
 * its name, when a folder lies where a file is to be.
 */
struct cache_part;
int cache_part_open(struct cache *cache, const struct resource *resource,
		    const uint8_t small[V1_DIGEST], struct cache_part **ret_part,
		    struct cache_want *ret_want, uint64_t *ret_have, struct err *err) MUST_CHECK;
/* Throws away what is there: nothing is, and nothing is expected. */
int cache_part_reset(struct cache_part *part, struct err *err) MUST_CHECK;
/*
 * Quick, for the loop: what is coming now, behind what is there. ERR_DISK_FULL when the rest would
 * leave less than CACHE_SPARE free. ERR_TOO_LARGE: more than there can be.
 */
#define CACHE_SPARE ((uint64_t)16 << 20)
int cache_part_expect(struct cache_part *part, const struct cache_want *want, struct err *err)
	MUST_CHECK;
/* For the loop: as file_part_write(), behind what is there. ERR_TOO_LARGE: nothing was written. */
int cache_part_write(struct cache_part *part, struct slice bytes, struct err *err) MUST_CHECK;
/*
 * Makes durable what is there; one at a time, also while cache_part_write() goes on on the loop.
 * When it fails, what was written since the last one is not believed any more, also by the next
 * cache_part_open(): further syncs and cache_part_take() fail, until cache_part_reset().
 */
int cache_part_sync(struct cache_part *part, struct err *err) MUST_CHECK;
/* For any thread. */
uint64_t cache_part_size(const struct cache_part *part);
int cache_part_fd(const struct cache_part *part); /* to check it before it is taken */
/* It was checked: gets its name, durably, together with its signature (empty: none). */
int cache_part_take(struct cache_part *part, struct slice sig, struct err *err) MUST_CHECK;
/* It is no good, or not wanted any more: cache_part_free() follows. */
void cache_part_drop(struct cache_part *part);
void cache_part_free(struct cache_part *part); /* stays for the next time; NULL is allowed */
MEM_DEFINE_CLEANUP(cache_part)

#endif
