/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_CACHE_IMPL_H
#define LOADER_CACHE_IMPL_H

/* What the cache*.c share: the folder of a resource, and the small texts beside the big parts. */

#include "base/buf.h"
#include "loader/cache.h"

#define CACHE_FILE_MODE	 0600
#define CACHE_TEXT_MAX	 2048u
#define CACHE_BOOT_MAX	 37u /* of an id of a boot, with a NUL */
#define CACHE_FOLDER_MAX (RESOURCE_FOLDER_MAX + 1)

/* How a resource's files are called; part is RESOURCE_FILE_MAX long at most, like the others. */
struct cache_names {
	char folder[CACHE_FOLDER_MAX];
	char big[RESOURCE_FILE_MAX + 1];
	char sig[RESOURCE_FILE_MAX + 1];
	char pin[RESOURCE_FILE_MAX + 1];
	char part[RESOURCE_FILE_MAX + 1];
	char state[RESOURCE_FILE_MAX + 1];
};
/* ERR_INVALID: no such resource. */
int cache_names(const struct resource *resource, struct cache_names *ret_names, struct err *err)
	MUST_CHECK;

/* The folder of these names; made where it is missing and @create. ERR_NOT_FOUND, .. */
int cache_folder(const struct cache *cache, const struct cache_names *names, bool create,
		 int *ret_fd, struct err *err) MUST_CHECK;

/* How far a download is. */
struct cache_state {
	struct cache_want want;
	uint64_t synced;
	char boot[CACHE_BOOT_MAX]; /* in which that was */
};

/* Strict: ERR_DAMAGED for all that is not what the writers below write, but for white space. */
int cache_text_pin(struct slice text, struct cache_seen *ret_seen, struct err *err) MUST_CHECK;
int cache_text_state(struct slice text, struct cache_state *ret_state, struct err *err) MUST_CHECK;

int cache_text_put_pin(const struct cache_seen *seen, struct buf *ret_text, struct err *err)
	MUST_CHECK;
/* ERR_INVALID: a validator with characters that it cannot have. */
int cache_text_put_state(const struct cache_state *state, struct buf *ret_text, struct err *err)
	MUST_CHECK;

/* The kernel's id of this boot; "" where it tells none, which is no boot's. */
void cache_boot(char ret_boot[CACHE_BOOT_MAX]);

#endif
