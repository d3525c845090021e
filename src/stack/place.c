/* SPDX-License-Identifier: Apache-2.0 */
#include "stack/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/hash.h"

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define NEW_SUFFIX  ".holdfast-new"

/* --- for who reads it --- */

/* Those of the codes are for requests to the service. */
static const struct advice {
	int code;
	const char *remedy;
} ADVICE[] = {
	{ERR_FORBIDDEN, "Do it as root, or name a tree of your own with --root."},
	{ERR_INVALID,
	 "Each folder on the way must be no link, belong to root or to you, and not be "
	 "writable for others."},
	{ERR_NOT_FOUND, "Name a folder that is there."},
	{ERR_UNREADABLE, "Look at what is there, and move it away if nobody needs it."},
	{ERR_DISK_FULL, "Make room, and do it again: it goes on where it ended."},
	{ERR_INTERNAL,
	 "See that the disk is writable, and do it again: it goes on where it ended."},
};

int place_explain(struct err *err)
{
	size_t len = strlen(err->text), i;
	const char *why =
		err->origin_kind == ERR_ORIGIN_ERRNO ? strerrordesc_np((int)err->origin) : NULL;

	if (why)
		(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", why);
	for (i = 0; !err->remedy && i < ARRAY_LEN(ADVICE); i++)
		if (ADVICE[i].code == err->code)
			err->remedy = ADVICE[i].remedy;
	return err->code;
}

/* --- the way --- */

/* How far the walk has come: for messages. */
struct walked {
	const char *path;
	size_t len;
};

static bool is_own_group(gid_t group)
{
	return group == 0 || (geteuid() != 0 && group == getegid());
}

bool place_is_ours(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & S_IWOTH) &&
	       (!(st->st_mode & S_IWGRP) || is_own_group(st->st_gid));
}

static int check_folder(int fd, struct walked to, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot look at %.*s", (int)to.len,
				     to.path);
	if (!place_is_ours(&st))
		return err_set(err, ERR_INVALID, "folder %.*s can be changed by others",
			       (int)to.len, to.path);
	return 0;
}

int place_open_root(const char *root, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	const char *path = root[0] == '\0' ? "/" : root;
	int r = file_open_dir(AT_FDCWD, path, false, 0, &fd, err);

	if (r == 0)
		r = check_folder(fd, (struct walked){path, strlen(path)}, err);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int refuse_folder(int errnum, struct walked to, struct err *err)
{
	switch (errnum) {
	case ENOENT:
		return err_set(err, ERR_NOT_FOUND, "there is no folder %.*s", (int)to.len, to.path);
	case ELOOP:
	case ENOTDIR:
		return err_set(err, ERR_INVALID, "%.*s is a link, or no folder", (int)to.len,
			       to.path);
	default:
		return err_set_errno(err, ERR_UNREADABLE, errnum, "cannot open folder %.*s",
				     (int)to.len, to.path);
	}
}

/* The last component of @to, in @dir. */
static int open_next(int dir, struct walked to, bool create, int *ret_fd, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	char name[NAME_MAX + 1];
	size_t begin = to.len;
	int r = 0;

	while (to.path[begin - 1] != '/')
		begin--;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(to.len - begin), to.path + begin);
	fd = openat(dir, name, OPEN_FOLDER);
	if (fd < 0 && errno == ENOENT && create)
		r = file_make_dir(dir, name, PLACE_FOLDER_MODE, &fd, err);
	else if (fd < 0)
		r = refuse_folder(errno, to, err);
	if (r == 0)
		r = check_folder(fd, to, err);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int place_open(int root, const char *path, bool create, int *ret_dir, struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = fcntl(root, F_DUPFD_CLOEXEC, 3);
	const char *slash;
	int next = -1;
	int r;

	if (dir < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot open the root");
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		r = open_next(dir, (struct walked){path, (size_t)(slash - path)}, create, &next,
			      err);
		if (r < 0)
			return r;
		close(dir);
		dir = next;
	}
	*ret_dir = dir;
	dir = -1;
	return 0;
}

const char *place_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* --- what is there --- */

void place_seen_fini(struct place_seen *seen)
{
	buf_fini(&seen->content);
}

static int look_at_link(int dir, const char *name, struct buf *content, struct err *err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(dir, name, target, sizeof(target));

	if (len < 0 || len == (ssize_t)sizeof(target))
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot read link %s", name);
	buf_put(content, slice_of(target, (size_t)len));
	return buf_ok(content) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}

int place_look(int dir, const char *name, struct place_seen *ret_seen, struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		ret_seen->kind = PLACE_NOTHING;
		return errno == ENOENT ? 0
				       : err_set_errno(err, ERR_UNREADABLE, errno,
						       "cannot look at %s", name);
	}
	if (S_ISLNK(st.st_mode))
		r = look_at_link(dir, name, &ret_seen->content, err);
	else
		r = file_read(dir, name, &ret_seen->content, err);
	if (r < 0)
		return r;
	ret_seen->kind = S_ISLNK(st.st_mode) ? PLACE_LINK : PLACE_FILE;
	ret_seen->mode = st.st_mode & 07777;
	ret_seen->owner = st.st_uid;
	ret_seen->group = st.st_gid;
	return 0;
}

int place_digest(bool is_link, struct slice content, uint8_t ret_digest[PLACE_DIGEST_SIZE],
		 struct err *err)
{
	static const char MARK[] = "link";
	const struct slice parts[] = {slice_of(MARK, is_link ? sizeof(MARK) : 0), content};

	return hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), ret_digest, err);
}

/* --- putting --- */

int place_put_file(int dir, const char *name, struct slice bytes, mode_t mode, struct err *err)
{
	return file_write(dir, name, bytes, mode, FILE_REPLACE, err);
}

int place_keep(int dir, const char *name, int beside, const char *also, struct err *err)
{
	/* One that is there is of a change that was cut short: who chose the name has looked. */
	int r = file_link(dir, name, beside, also, err);

	return r == ERR_CONFLICT ? file_sync(beside, NULL, err) : r;
}

static void put_passing(const char *name, char ret_passing[NAME_MAX + 1])
{
	(void)snprintf(ret_passing, NAME_MAX + 1, ".%s" NEW_SUFFIX, name);
}

bool place_is_leftover(const char *left, const char *name)
{
	char passing[NAME_MAX + 1];
	size_t len = strlen(left), tail = strlen(name);

	put_passing(name, passing);
	return strcmp(left, passing) == 0 ||
	       (strncmp(left, FILE_TEMP_PREFIX, strlen(FILE_TEMP_PREFIX)) == 0 && len > tail &&
		left[len - tail - 1] == '-' && strcmp(left + len - tail, name) == 0);
}

int place_sweep(int dir, const char *name, struct err *err)
{
	const char *const names[] = {name, NULL};
	char passing[NAME_MAX + 1];
	size_t ignored;

	put_passing(name, passing);
	if (unlinkat(dir, passing, 0) < 0 && errno != ENOENT)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot remove %s", passing);
	return file_sweep_of(dir, names, &ignored, err);
}

/* A link has no draft: it is made under another name, which a kill may leave behind. */
int place_put_link(int dir, const char *name, const char *target, struct err *err)
{
	char passing[NAME_MAX + 1];

	put_passing(name, passing);
	if (unlinkat(dir, passing, 0) < 0 && errno != ENOENT)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot remove %s", passing);
	if (symlinkat(target, dir, passing) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot make link %s", name);
	return file_replace(dir, passing, dir, name, err);
}

int place_put(int dir, const char *name, const struct stack_entry *entry, struct err *err)
{
	char target[PATH_MAX];

	if (!entry->is_link)
		return place_put_file(dir, name, buf_slice(&entry->content), PLACE_FILE_MODE, err);
	(void)snprintf(target, sizeof(target), "%.*s", (int)entry->content.len,
		       (const char *)entry->content.data);
	return place_put_link(dir, name, target, err);
}
