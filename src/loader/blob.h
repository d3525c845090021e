/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_BLOB_H
#define LOADER_BLOB_H

/*
 * Blob: the first pass over a resource that lies on the disk (docs/ARTIFACT.md, "Reading"), for the
 * pool: what a part is before it is taken into the cache, and what the cache has before any of it
 * is opened. In steps, so that gigabytes do not keep others from the pool.
 */

#include "loader/cache.h"
#include "loader/loader.h"

#define BLOB_STEP ((uint64_t)16 << 20)

/*
 * All that is known of a blob. Signatures are looked at where there are anchors; one that is due
 * (unsigned_denied, signed_once) and missing is FAULT_SIGNATURE, like one that is bad. A good one
 * takes the place of the pin.
 */
struct blob_facts {
	const struct loader_config *config;
	const struct secret *key; /* the fleet's */
	const struct resource *resource;
	struct slice small;
	int big;
	struct slice sig; /* empty: none */
	struct cache_seen seen;
};

/* @facts and what it points to are borrowed until blob_check_free(). */
struct blob_check;
int blob_check_new(const struct blob_facts *facts, struct blob_check **ret_check, struct err *err)
	MUST_CHECK;
void blob_check_free(struct blob_check *check);
MEM_DEFINE_CLEANUP(blob_check)

/*
 * Before the first step: takes @before, the big part of another release. Two never have the same,
 * since each has an IV of its own; one that is the same is FAULT_UPSTREAM.
 */
void blob_check_unlike(struct blob_check *check, int before);

/* Reads on for at most @max bytes; *ret_end: there is no more. ERR_UNREADABLE. */
int blob_check_step(struct blob_check *check, uint64_t max, bool *ret_end, struct err *err)
	MUST_CHECK;
/*
 * The verdict, once, behind the end: signature first (FAULT_SIGNATURE), then pin, length, padding
 * (ERR_DAMAGED, all alike). *ret_signed tells whether a signature was good.
 */
int blob_check_end(struct blob_check *check, struct v1_facts *ret_facts, bool *ret_signed,
		   struct err *err) MUST_CHECK;

/* Up to @len bytes of a part from @at, fewer only at its end: *ret_len. ERR_UNREADABLE. */
int blob_read(int big, uint64_t at, uint8_t *ret_bytes, size_t len, size_t *ret_len,
	      struct err *err) MUST_CHECK;

/* Is one without a signature refused? FAULT_SIGNATURE. */
int blob_unsigned(const struct loader_config *config, const struct cache_seen *seen,
		  struct err *err) MUST_CHECK;

/*
 * At what time certificates must hold: now, unless the clock was never set: a device without one
 * would take nothing at all.
 */
int64_t blob_time(void);

#endif
