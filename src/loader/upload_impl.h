/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_UPLOAD_IMPL_H
#define LOADER_UPLOAD_IMPL_H

/*
 * What an upload does on the pool (upload_work.c), for upload.c only. The work owns all that its
 * steps touch, and may outlive its upload by the step that is running then.
 */

#include "artifact/v1.h"
#include "base/spool.h"
#include "crypto/hash.h"
#include "loader/impl.h"

struct upload_work;
struct upload_make {
	struct jobs *jobs;
	const struct secret *key;
	int dir;	     /* for the file without a name */
	uint64_t max;	     /* bytes of plaintext */
	struct cache *cache; /* which has the floors; the work holds it */
};
int upload_work_new(const struct upload_make *make, struct upload_work **ret_work, struct err *err)
	MUST_CHECK;
/* Nothing is called any more. The file, which may be large, is closed on the pool. */
void upload_work_drop(struct upload_work *work);

/*
 * One step at a time. done() comes later, once. Nothing comes when the call itself fails.
 *  - add: seals @bytes, at most LOADER_PIECE, which are copied
 *  - end: the rest; then there are both parts. ERR_FORBIDDEN: version 1 of @resource is over, by
 * the floor of it
 *  - read: brings up to LOADER_PIECE bytes of the big part from @at
 */
int upload_work_add(struct upload_work *work, struct slice bytes, loader_done_fn done, void *arg,
		    struct err *err) MUST_CHECK;
int upload_work_end(struct upload_work *work, const struct resource *resource, loader_done_fn done,
		    void *arg, struct err *err) MUST_CHECK;
int upload_work_read(struct upload_work *work, uint64_t at, loader_done_fn done, void *arg,
		     struct err *err) MUST_CHECK;

/* After the end. */
struct slice upload_work_small(const struct upload_work *work);
uint64_t upload_work_size(const struct upload_work *work);
const uint8_t *upload_work_sha256(const struct upload_work *work);
/* What was read last, until the next step. */
struct slice upload_work_piece(const struct upload_work *work);

#endif
