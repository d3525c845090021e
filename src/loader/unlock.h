/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_UNLOCK_H
#define LOADER_UNLOCK_H

/*
 * Unlock: the archive of Docker images, opened with the key of the API's fragment, or an artifact
 * of version 2, and streamed into the engine. Before the first byte goes there all of it was
 * checked; after the last one the tags must name the images that they have to, or are what they
 * were before.
 */

#include "loader/loader.h"
#include "loader/session.h"

struct unlock;
/* Of the loader's parts that are there before it. */
int unlock_new(struct loader *loader, struct unlock **ret_unlock, struct err *err) MUST_CHECK;
void unlock_free(struct unlock *unlock);
MEM_DEFINE_CLEANUP(unlock)

struct unlock_call;
int unlock_begin(struct unlock *unlock, struct slice email, struct slice password,
		 loader_unlock_fn done, void *arg, struct unlock_call **ret_call, struct err *err)
	MUST_CHECK;
/* loader_images() */
int unlock_images(struct unlock *unlock, const struct resource *resource, loader_unlock_fn done,
		  void *arg, struct unlock_call **ret_call, struct err *err) MUST_CHECK;
void unlock_leave(struct unlock_call *call); /* NULL is allowed */
void unlock_status(const struct unlock *unlock, struct unlock_status *ret_status);

#endif
