/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADER_CACHE_IMPL_H
#define LOADER_CACHE_IMPL_H

/* What the cache*.c share: the folder of a resource, and the small texts beside the big parts. */

#include <time.h>

#include "base/buf.h"
#include "loader/cache.h"

#define CACHE_FILE_MODE	 0600
#define CACHE_TEXT_MAX	 2048u
#define CACHE_BOOT_MAX	 37u /* of an id of a boot, with a NUL */
#define CACHE_FOLDER_MAX (RESOURCE_FOLDER_MAX + 1)

/* Bytes of a blob or a payload: the plaintext's most, and room for what either adds to it. */
#define CACHE_TOTAL_MAX (V1_PLAIN_MAX + ((uint64_t)1 << 30))

/* How a resource's files are called; part is RESOURCE_FILE_MAX long at most, like the others. */
struct cache_names {
	char folder[CACHE_FOLDER_MAX];
	char big[RESOURCE_FILE_MAX + 1]; /* of a payload it is that */
	char sig[RESOURCE_FILE_MAX + 1]; /* "": it has none, like pin */
	char pin[RESOURCE_FILE_MAX + 1];
	char part[RESOURCE_FILE_MAX + 1];
	char state[RESOURCE_FILE_MAX + 1];
	/* Of version 2; for artifacts' names alone (resource_check_artifact()), but for floor. */
	char manifest[RESOURCE_FILE_MAX + 1];
	char key[RESOURCE_FILE_MAX + 1];
	char floor[RESOURCE_FILE_MAX + 1];
};
/* ERR_INVALID: no such resource. */
int cache_names(const struct resource *resource, struct cache_names *ret_names, struct err *err)
	MUST_CHECK;
int cache_names_payload(const struct resource *resource, const uint8_t digest[MANIFEST_DIGEST],
			struct cache_names *ret_names, struct err *err) MUST_CHECK;

/* What is behind the digest in the names of a payload, of one that comes, and how far that is. */
#define CACHE_PAYLOAD  ".payload"
#define CACHE_PARTIAL  ".partial"
#define CACHE_PROGRESS ".progress"
#define CACHE_MANIFEST ".manifest"

/* The folder of these names; made where it is missing and @create. ERR_NOT_FOUND, .. */
int cache_folder(const struct cache *cache, const struct cache_names *names, bool create,
		 int *ret_fd, struct err *err) MUST_CHECK;

/* Both at once. ERR_NOT_FOUND, .. */
int cache_find(const struct cache *cache, const struct resource *resource,
	       struct cache_names *ret_names, int *ret_fd, struct err *err) MUST_CHECK;

/*
 * Against other threads: a lock belongs to what was opened, and each opens the folder for itself.
 * It ends with @folder.
 */
int cache_lock(int folder, struct err *err) MUST_CHECK;
/* It cannot be read: says which, with @remedy, unless memory is short. Returns the code. */
int cache_damaged(const char *folder, const char *file, const char *remedy, struct err *err);

/*
 * Removes what no manifest in the folder names: payload @replaced (NULL: none) at once, others that
 * nobody holds (cache_payload()) after @payload_age seconds (0: at once), what came of one after
 * CACHE_OLD_S, unless @parts_stay. Nothing goes where a manifest cannot be understood. The folder
 * is locked.
 */
#define CACHE_OLD_S (24 * 3600)
struct cache_sweep {
	const uint8_t *replaced;
	time_t payload_age;
	bool parts_stay;
};
int cache_sweep(int folder, const struct cache_sweep *what, struct err *err) MUST_CHECK;
/* Of the manifest in that file, whose signature was looked at before it was written. */
int cache_read_manifest(int folder, const char *file, struct manifest **ret_manifest,
			struct err *err) MUST_CHECK;

/* How far a download is. */
struct cache_state {
	struct cache_want want;
	uint64_t synced;
	char boot[CACHE_BOOT_MAX]; /* in which that was */
};

/* Strict: ERR_DAMAGED for all that is not what the writers below write, but for white space. */
int cache_text_pin(struct slice text, struct cache_seen *ret_seen, struct err *err) MUST_CHECK;
int cache_text_state(struct slice text, struct cache_state *ret_state, struct err *err) MUST_CHECK;
int cache_text_floor(struct slice text, struct floor *ret_floor, struct err *err) MUST_CHECK;

int cache_text_put_pin(const struct cache_seen *seen, struct buf *ret_text, struct err *err)
	MUST_CHECK;
int cache_text_put_floor(const struct floor *floor, struct buf *ret_text, struct err *err)
	MUST_CHECK;
/* ERR_INVALID: a validator with characters that it cannot have. */
int cache_text_put_state(const struct cache_state *state, struct buf *ret_text, struct err *err)
	MUST_CHECK;

/* The kernel's id of this boot; "" where it tells none, which is no boot's. */
void cache_boot(char ret_boot[CACHE_BOOT_MAX]);

#endif
