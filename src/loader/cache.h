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
 * Of version 2:
 *
 * - <name>.manifest: of the release that was taken last, as it came
 * - <name>.key: this device's key of it, a line as it came; while releases change one for each
 * - <name>.floor: JSON: the floor (artifact/floor.h)
 * - <digest>.payload, <digest>.partial, <digest>.progress: as .big, .part and .state of big parts,
 *   and called otherwise, since a resource of version 1 may have a digest as its name
 *
 * Like a pin, a floor that cannot be read fails, and nothing is written over it.
 *
 * A state that cannot be read costs what had come. A pin that cannot be read fails, and nothing is
 * written over it: it remembers that a signature is due.
 */

#include "artifact/floor.h"
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

/* --- version 2 --- */

/* Is there a manifest? Whether it is good shows when it is used. */
bool cache_has_manifest(const struct cache *cache, const struct resource *resource);
/* The payload, for reading; while it is open it is held. ERR_NOT_FOUND, ERR_UNREADABLE. */
int cache_payload(struct cache *cache, const struct resource *resource,
		  const uint8_t digest[MANIFEST_DIGEST], int *ret_fd, uint64_t *ret_size,
		  struct err *err) MUST_CHECK;
/* Appends what is there. ERR_NOT_FOUND, ERR_TOO_LARGE. */
int cache_manifest(struct cache *cache, const struct resource *resource, struct buf *ret_whole,
		   struct err *err) MUST_CHECK;
/* Of the release whose manifest has that digest; without a line end. ERR_NOT_FOUND: ask for it. */
int cache_key(struct cache *cache, const struct resource *resource,
	      const uint8_t manifest[MANIFEST_DIGEST], struct buf *ret_line, struct err *err)
	MUST_CHECK;
/* Of a name that was never seen {1, 0}. ERR_UNREADABLE. */
int cache_floor(struct cache *cache, const struct resource *resource, struct floor *ret_floor,
		struct err *err) MUST_CHECK;

/*
 * Version 1 of the name is at an end as soon as a signed manifest says so, whatever becomes of that
 * release: min_format rises, durably, and nothing else of the floor does. ERR_UNREADABLE of the
 * floor; ERR_DISK_FULL.
 */
int cache_raise_format(struct cache *cache, const struct resource *resource, unsigned min_format,
		       struct err *err) MUST_CHECK;

/*
 * A release was taken, and all of it was checked; its payload is there. In this order, each step
 * durable before the next, none where it is done already:
 *
 *   its key beside the key of the release before  >  its manifest in the place of the one before:
 *   the switch  >  the floor is raised  >  the key of the release before goes  >  payloads that no
 *   manifest of the folder names go
 *
 * So whenever it stops, the manifest that is there has its payload and its key, and the floor takes
 * it: one of both releases can be used without the API. A release is given to nobody before this
 * has returned, so its serial need not come first: what nobody had is not rolled back.
 *
 * FAULT_ROLLED_BACK: a newer one was taken meanwhile. ERR_UNREADABLE of the floor; ERR_DISK_FULL.
 * Of payloads the one that was replaced goes at once, others a day after they were written: one may
 * have come whose release is not taken yet. Payloads that no manifest names go when the cache is
 * opened, and when a download finds no room. Downloads at work and payloads that are held stay.
 */
struct cache_release {
	const struct manifest *manifest;
	struct slice whole; /* the manifest as it came */
	struct slice line;  /* the device key, with or without its line end */
};
int cache_take_release(struct cache *cache, const struct resource *resource,
		       const struct cache_release *release, struct err *err) MUST_CHECK;

/* --- a download --- */

/* What comes: the big part of a resource, or a payload. */
struct cache_of {
	struct resource resource; /* of a payload the artifact's */
	enum resource_part part;  /* RESOURCE_BIG or RESOURCE_PAYLOAD */
	/* V1_DIGEST bytes, borrowed: of which release. Of a payload its own, by which it is known.
	 */
	const uint8_t *release;
};
_Static_assert(V1_DIGEST == MANIFEST_DIGEST, "one field has either");

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
 * thrown away. One part of a resource at a time, and one of a payload. The part outlives the cache.
 * ERR_UNREADABLE, with its name, when a folder lies where a file is to be.
 */
struct cache_part;
int cache_part_open(struct cache *cache, const struct cache_of *of, struct cache_part **ret_part,
		    struct cache_want *ret_want, uint64_t *ret_have, struct err *err) MUST_CHECK;
/* Throws away what is there: nothing is, and nothing is expected. */
int cache_part_reset(struct cache_part *part, struct err *err) MUST_CHECK;
/*
 * Quick, for the loop: what is coming now, behind what is there. ERR_DISK_FULL when the rest would
 * leave less than CACHE_SPARE free, also without the payloads that no manifest names; they go then.
 * ERR_TOO_LARGE: more than there can be.
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
/*
 * It was checked: gets its name, durably, together with its signature (empty: none; a payload has
 * none).
 */
int cache_part_take(struct cache_part *part, struct slice sig, struct err *err) MUST_CHECK;
/* It is no good, or not wanted any more: cache_part_free() follows. */
void cache_part_drop(struct cache_part *part);
void cache_part_free(struct cache_part *part); /* stays for the next time; NULL is allowed */
MEM_DEFINE_CLEANUP(cache_part)

#endif
