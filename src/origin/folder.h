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
#define FOLDER_DEVICES	"devices" /* nothing for clients: no name leads there */
#define FOLDER_ETAG	64u
#define FOLDER_LIST_MAX 10000u

/* Below, ERR_INVALID: no such name. Texts of any length. */

/* On the CDN: <name>.big, <name>.sig; and <digest>.payload, 64 hex digits, which is only read. */
int folder_check_cdn(const char *folder, const char *file, struct err *err) MUST_CHECK;
int folder_check_cdn_put(const char *folder, const char *file, struct err *err) MUST_CHECK;
/*
 * With the API: <name>.small, and files that are no part of a resource and are called as one may
 * be. @folder NULL: the origin's own folder, where only the CDN's settings can be asked for.
 */
int folder_check_api(const char *folder, const char *file, struct err *err) MUST_CHECK;
int folder_check(const char *folder, struct err *err) MUST_CHECK;
/* An artifact of version 2, whose files no call above takes; nor does any the folder of devices. */
int folder_check_artifact(const char *folder, const char *name, struct err *err) MUST_CHECK;

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

/*
 * The folder is made where it is missing. ERR_CONFLICT: the name is no folder; ERR_INVALID: a part
 * of a resource of version 1 that has no small part yet and is called like a file of version 2
 * ("net.keys.big").
 */
int folder_draft(int root, const char *folder, const char *file, struct file_draft **ret_draft,
		 struct err *err) MUST_CHECK;
int folder_write(int root, const char *folder, const char *file, struct slice bytes,
		 struct err *err) MUST_CHECK;
/* The same of a new file: ERR_CONFLICT when it is there. */
int folder_add(int root, const char *folder, const char *file, struct slice bytes, struct err *err)
	MUST_CHECK;
/* 0 while the folder has at most @max files, or is not there; else ERR_TOO_LARGE. */
int folder_count(int root, const char *folder, size_t max, struct err *err) MUST_CHECK;

/*
 * Appends the names that folder_check_api() takes as a JSON array, in order; of a folder that is
 * not there none. ERR_TOO_LARGE: over FOLDER_LIST_MAX of them.
 */
int folder_list(int root, const char *folder, struct buf *ret_json, struct err *err) MUST_CHECK;

#endif
