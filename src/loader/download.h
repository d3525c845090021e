/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_DOWNLOAD_H
#define LOADER_DOWNLOAD_H

/*
 * Downloads: big parts and payloads on their way into the cache. So many at once, the others in the
 * order in which they came; each is one for all who want it. An attempt that fails is repeated
 * (backoff.h) until somebody cancels; who waits hears of it after the third attempt in a row that
 * got nowhere, or when the pause is a long one, and may come back, which begins the next attempt
 * early: not before the server's time, and not too often. What is not there, what does not pass and
 * what has no room ends it, until somebody asks again. import_dir is looked at first, and needs a
 * signature.
 */

#include "loader/blob.h"
#include "loader/cache.h"
#include "loader/loader.h"
#include "loader/session.h"

#define DOWNLOADS_MAX	256u /* that have not ended; more are FAULT_BUSY */
#define DOWNLOADS_ENDED 32u  /* that ended last, and are still told of */
#define DOWNLOAD_STUCK	3u   /* attempts that got nowhere, until who waits hears of it */
#define DOWNLOAD_WAIT_S                                                                            \
	10u		 /* a pause over that is told to who waits; asking again cuts it to that */
#define DOWNLOAD_LIES 3u /* answers that no server may give, until it is given up */

struct downloads;
int downloads_new(struct jobs *jobs, struct fetch *fetch, struct session *session,
		  struct cache *cache, const struct loader_config *config,
		  struct downloads **ret_downloads, struct err *err) MUST_CHECK;
/* Not from inside a callback. */
void downloads_free(struct downloads *downloads);
MEM_DEFINE_CLEANUP(downloads)

/*
 * Has a big part in the cache that makes, with @small (copied), a blob that passes: signature, pin,
 * length, padding. *ret_wait until done(). Another small part than that of a download at work is
 * another release: who waits for the old one hears FAULT_UPSTREAM. FAULT_BUSY. While a server has
 * told to come back later it is what the last attempt ended with, with retry_after.
 */
struct download_wait;
int downloads_want(struct downloads *downloads, const struct resource *resource, struct slice small,
		   loader_done_fn done, void *arg, struct download_wait **ret_wait, struct err *err)
	MUST_CHECK;
/*
 * Has a payload in the cache that has the manifest's size and digest. It is known by the digest, at
 * the CDN, in import_dir and in the cache, and told of under the artifact's name. Codes as above;
 * what does not pass is ERR_DAMAGED.
 */
int downloads_payload(struct downloads *downloads, const struct manifest *manifest,
		      loader_done_fn done, void *arg, struct download_wait **ret_wait,
		      struct err *err) MUST_CHECK;
void downloads_leave(struct download_wait *wait); /* NULL is allowed */
/* Bytes of what somebody waits for that are there, and of how many; 0: not known yet. */
void downloads_seen(const struct download_wait *wait, uint64_t *ret_done, uint64_t *ret_total);
/* As fetch_whole(): asks the CDN for the signature, once. */
struct downloads_sig {
	const struct downloads *downloads;
	const struct resource *resource;
	unsigned whole_s; /* as fetch_request's */
};
int downloads_sig(const struct downloads_sig *sig, fetch_whole_fn done, void *arg,
		  struct fetch_transfer **ret_transfer, struct err *err) MUST_CHECK;
void downloads_progress(const struct downloads *downloads, download_visit_fn visit, void *arg);
int downloads_cancel(struct downloads *downloads, const struct resource *resource, struct err *err)
	MUST_CHECK;

#endif
