/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_IMPL_H
#define LOADER_IMPL_H

/*
 * The inside of a loader, for the files that make up loader.h: load.c (F2) and upload.c (F3), each
 * with its own list in here, and loader.c, which puts all together.
 *
 * A step on the pool may still run when the loader is gone: loader_free() does not wait,
 * jobs_free() behind it does. So a step touches what its job owns (a copy of the key, a
 * cache_hold() of the cache, a descriptor) and the configuration, which lives until then, and
 * nothing else.
 */

#include "loader/cache.h"
#include "loader/download.h"
#include "loader/loader.h"
#include "loader/session.h"
#include "loader/unlock.h"

struct loader {
	struct jobs *jobs;
	struct fetch *fetch;
	const struct loader_config *config;
	struct secret *key; /* the fleet's */
	struct cache *cache;
	struct session *session;
	struct downloads *downloads;
	struct unlock *unlock;
	struct loader_load *loads; /* the first of load.c's */
	unsigned load_count;
	struct loader_upload *uploads; /* the first of upload.c's */
	unsigned upload_count;
};

/* All of them, without callbacks, when the loader goes. */
void loads_end(struct loader *loader);
void uploads_end(struct loader *loader);

#endif
