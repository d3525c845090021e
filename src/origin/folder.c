/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder is opened by its checked name from the root, the file by its checked name from there,
 * neither through a link. What others must not read (small parts) gets a mode that says so; the
 * rest is what a CDN gives to everybody anyway.
 */

#include "origin/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/resource.h"

#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define DIR_MODE   0755
#define OPEN_MODE  0644
#define CLOSE_MODE 0640
#define DIGEST_HEX 64u

/* --- names --- */

static int no_such_name(struct err *err)
{
	return err_set(err, ERR_INVALID, "no file is called that here");
}

static bool ends_with(const char *file, const char *suffix)
{
	size_t len = strlen(file), end = strlen(suffix);

	return len > end && strcmp(file + len - end, suffix) == 0;
}

/* As a resource without what @suffix says; the suffix is there. */
static int check(const char *folder, const char *file, const char *suffix, struct err *err)
{
	const struct resource resource = {
		.folder = slice_str(folder),
		.name = slice_of(file, strlen(file) - strlen(suffix)),
	};

	return strcmp(folder, FOLDER_DEVICES) != 0 ? resource_check(&resource, err)
						   : no_such_name(err);
}

/* Publishing alone puts these there, and they are given out by their own ways. */
static bool is_of_v2(const char *file)
{
	return ends_with(file, ".manifest") || ends_with(file, ".payload") ||
	       ends_with(file, ".keys");
}

static bool is_payload(const char *file)
{
	return strspn(file, "0123456789abcdef") == DIGEST_HEX &&
	       strcmp(file + DIGEST_HEX, ".payload") == 0;
}

int folder_check_cdn_put(const char *folder, const char *file, struct err *err)
{
	if (ends_with(file, ".big"))
		return check(folder, file, ".big", err);
	return ends_with(file, ".sig") ? check(folder, file, ".sig", err) : no_such_name(err);
}

int folder_check_cdn(const char *folder, const char *file, struct err *err)
{
	return is_payload(file) ? folder_check(folder, err)
				: folder_check_cdn_put(folder, file, err);
}

int folder_check_api(const char *folder, const char *file, struct err *err)
{
	if (!folder)
		return strcmp(file, FOLDER_SETTINGS) == 0 ? 0 : no_such_name(err);
	if (is_of_v2(file))
		return no_such_name(err);
	return check(folder, file, ends_with(file, ".small") ? ".small" : "", err);
}

int folder_check(const char *folder, struct err *err)
{
	return check(folder, "any", "", err);
}

int folder_check_artifact(const char *folder, const char *name, struct err *err)
{
	const struct resource resource = {.folder = slice_str(folder), .name = slice_str(name)};
	int r = folder_check(folder, err);

	return r < 0 ? r : resource_check_artifact(&resource, err);
}

/* --- reading --- */

static int not_found(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such file");
}

/* NULL: the root itself. A link, or a file, has nothing for anybody. */
static int open_folder(int root, const char *folder, int *ret_fd, struct err *err)
{
	int r = file_open_dir(root, folder ? folder : ".", false, 0, ret_fd, err);

	if (r < 0 && err->origin_kind == ERR_ORIGIN_ERRNO &&
	    (err->origin == ENOTDIR || err->origin == ELOOP))
		return not_found(err);
	return r;
}

/* Names that lead to something else than a file have nothing for anybody. */
static int open_file(int dir, const char *file, struct folder_file *opened, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = openat(dir, file, OPEN_FLAGS);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO))
		return not_found(err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot read %s", file);
	if (!S_ISREG(st.st_mode))
		return not_found(err);
	opened->size = (uint64_t)st.st_size;
	(void)snprintf(opened->etag, sizeof(opened->etag), "\"%jx-%jx-%lx-%jx\"",
		       (uintmax_t)st.st_size, (uintmax_t)st.st_mtim.tv_sec,
		       (unsigned long)st.st_mtim.tv_nsec, (uintmax_t)st.st_ino);
	opened->fd = fd;
	fd = -1;
	return 0;
}

int folder_open(int root, const char *folder, const char *file, struct folder_file *ret_file,
		struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = open_folder(root, folder, &dir, err);

	if (r == 0)
		r = open_file(dir, file, ret_file, err);
	return r == ERR_NOT_FOUND ? not_found(err) : r;
}

int folder_read_at(const struct folder_file *file, uint64_t at, uint8_t *ret_bytes, size_t len,
		   struct err *err)
{
	while (len > 0) {
		ssize_t n = pread(file->fd, ret_bytes, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_UNREADABLE, errno, "cannot read the file");
		if (n == 0)
			return err_set(err, ERR_UNREADABLE, "the file became shorter");
		ret_bytes += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int folder_read(int root, const char *folder, const char *file, struct buf *ret_bytes,
		struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = open_folder(root, folder, &dir, err);

	if (r == 0)
		r = file_read(dir, file, ret_bytes, err);
	return r == ERR_NOT_FOUND ? not_found(err) : r;
}

/* --- writing --- */

static mode_t mode_of(const char *file)
{
	return ends_with(file, ".big") || ends_with(file, ".sig") ? OPEN_MODE : CLOSE_MODE;
}

static int make_folder(int root, const char *folder, int *ret_fd, struct err *err)
{
	int r = file_make_dir(root, folder, DIR_MODE, ret_fd, err);

	return r == ERR_UNREADABLE ? err_set(err, ERR_CONFLICT, "%s is no folder", folder) : r;
}

/* Part of a resource of version 1 that is called like a file of version 2, as some are in the
 * field: these go on, and there shall be no more of them. */
static int check_new(int root, const char *folder, const char *file, struct err *err)
{
	char name[RESOURCE_FILE_MAX + 1], small[RESOURCE_FILE_MAX + 1];
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct folder_file there = {.fd = -1};
	char *dot;
	int r;

	(void)snprintf(name, sizeof(name), "%s", file);
	dot = strrchr(name, '.');
	if (dot)
		*dot = '\0';
	if (!dot || !is_of_v2(name))
		return 0;
	r = resource_file(slice_str(name), RESOURCE_SMALL, small, err);
	if (r == 0)
		r = folder_open(root, folder, small, &there, err);
	fd = there.fd;
	if (r == ERR_NOT_FOUND)
		return err_set(err, ERR_INVALID, "nothing new is called like a file of version 2");
	return r;
}

int folder_draft(int root, const char *folder, const char *file, struct file_draft **ret_draft,
		 struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = check_new(root, folder, file, err);

	if (r == 0)
		r = make_folder(root, folder, &dir, err);
	return r < 0 ? r : file_draft_new(dir, file, mode_of(file), ret_draft, err);
}

static int write_file(int root, const char *folder, const char *file, struct slice bytes,
		      enum file_write how, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = check_new(root, folder, file, err);

	if (r == 0)
		r = make_folder(root, folder, &dir, err);
	return r < 0 ? r : file_write(dir, file, bytes, mode_of(file), how, err);
}

int folder_write(int root, const char *folder, const char *file, struct slice bytes,
		 struct err *err)
{
	return write_file(root, folder, file, bytes, FILE_REPLACE, err);
}

int folder_add(int root, const char *folder, const char *file, struct slice bytes, struct err *err)
{
	return write_file(root, folder, file, bytes, FILE_CREATE, err);
}

/* --- lists --- */

struct count {
	size_t now, max;
};

static int count_one(void *arg, const char *name)
{
	struct count *count = arg;

	(void)name;
	return ++count->now > count->max ? ERR_TOO_LARGE : 0;
}

int folder_count(int root, const char *folder, size_t max, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct count count = {.max = max};
	int r = open_folder(root, folder, &dir, err);

	if (r == 0)
		r = file_list(dir, count_one, &count, err);
	if (r == ERR_TOO_LARGE)
		return err_set(err, r, "the folder has over %zu files", max);
	return r == ERR_NOT_FOUND ? 0 : r;
}

struct listing {
	char *names[FOLDER_LIST_MAX];
	size_t count;
};

static void listing_free(struct listing *listing)
{
	for (size_t i = 0; listing && i < listing->count; i++)
		free(listing->names[i]);
	free(listing);
}
MEM_DEFINE_CLEANUP(listing)

static int list_one(void *arg, const char *name)
{
	struct listing *listing = arg;
	struct err ignored;

	if (folder_check_api("any", name, &ignored) < 0)
		return 0;
	if (listing->count == FOLDER_LIST_MAX)
		return ERR_TOO_LARGE;
	listing->names[listing->count] = strdup(name);
	return listing->names[listing->count++] ? 0 : ERR_INTERNAL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int folder_list(int root, const char *folder, struct buf *ret_json, struct err *err)
{
	CLEANUP(listing_cleanup) struct listing *listing = calloc(1, sizeof(*listing));
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = listing ? open_folder(root, folder, &dir, err) : ERR_INTERNAL;

	if (r == 0)
		r = file_list(dir, list_one, listing, err);
	if (r == ERR_TOO_LARGE)
		return err_set(err, r, "the folder has over %u files", FOLDER_LIST_MAX);
	if (!listing || (r < 0 && r != ERR_NOT_FOUND))
		return r == ERR_INTERNAL ? err_set(err, r, "memory is short") : r;
	qsort(listing->names, listing->count, sizeof(listing->names[0]), by_name);
	buf_put_u8(ret_json, '[');
	for (size_t i = 0; i < listing->count; i++)
		buf_printf(ret_json, "%s\"%s\"", i > 0 ? "," : "", listing->names[i]);
	buf_put_u8(ret_json, ']');
	return buf_ok(ret_json) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}
