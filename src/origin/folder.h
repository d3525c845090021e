/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_FOLDER_H
#define ORIGIN_FOLDER_H

/*
 * Folder: what of the origin's folder clients may name, and how it is opened and written. Names
 * are hostile until a folder_check_x() has passed them; links are never followed. What touches the
 * disk belongs on the pool.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#define FOLDER_SETTINGS "cdn.yaml"
#define FOLDER_FRAGMENT "key-fragment"
#define FOLDER_ETAG	64u
#define FOLDER_LIST_MAX 10000u

/* Below, ERR_INVALID: no such name. Texts of any length. */

/* On the CDN: <name>.big and <name>.sig. */
int folder_check_cdn(const char *folder, const char *file, struct err *err) MUST_CHECK;
/*
 * With the API: <name>.small, and files that are no part of a resource and are called as one may
 * be. @folder NULL: the origin's own folder, where only the CDN's settings can be asked for.
 */
int folder_check_api(const char *folder, const char *file, struct err *err) MUST_CHECK;
int folder_check(const char *folder, struct err *err) MUST_CHECK;

/* A file to be served in pieces. */
struct folder_file {
	int fd; /* -1: not open */
	uint64_t size;
	char etag[FOLDER_ETAG]; /* strong and quoted: another one whenever the file is another */
};
/* ERR_NOT_FOUND, also for what is no regular file. */
int folder_open(int root, const char *folder, const char *file, struct folder_file *ret_file,
		struct err *err) MUST_CHECK;
/* Exactly @len bytes from @at; ERR_UNREADABLE when they are not there any more. */
int folder_read_at(const struct folder_file *file, uint64_t at, uint8_t *ret_bytes, size_t len,
		   struct err *err) MUST_CHECK;

/* A whole file, appended to @ret_bytes. @folder NULL: the origin's own. */
int folder_read(int root, const char *folder, const char *file, struct buf *ret_bytes,
		struct err *err) MUST_CHECK;

/* The folder is made where it is missing. ERR_CONFLICT: the name is no folder. */
int folder_draft(int root, const char *folder, const char *file, struct file_draft **ret_draft,
		 struct err *err) MUST_CHECK;
int folder_write(int root, const char *folder, const char *file, struct slice bytes,
		 struct err *err) MUST_CHECK;

/*
 * Appends the names that folder_check_api() takes as a JSON array, in order; of a folder that is
 * not there none. ERR_TOO_LARGE: over FOLDER_LIST_MAX of them.
 */
int folder_list(int root, const char *folder, struct buf *ret_json, struct err *err) MUST_CHECK;

#endif
