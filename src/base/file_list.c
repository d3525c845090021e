/* SPDX-License-Identifier: Apache-2.0 */
/* Whole folders: what is in them, and what killed writers left there. */
#include "base/file_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Calls @visit for every entry but . and .. through a descriptor of its own. */
static int walk_entries(int dir, int (*visit)(void *arg, const char *name), void *arg,
			struct err *err)
{
	struct dirent *entry;
	int fd, r = 0;
	DIR *stream;

	fd = openat(dir, ".", OPEN_FOLDER);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream) {
		r = err_set_errno(err, ERR_UNREADABLE, errno, "cannot list the folder");
		fd_close_cleanup(&fd);
		return r;
	}
	while (r == 0) {
		errno = 0;
		entry = readdir(stream);
		if (!entry)
			break;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = visit(arg, entry->d_name);
	}
	if (r == 0 && errno != 0)
		r = err_set_errno(err, ERR_UNREADABLE, errno, "cannot list the folder");
	closedir(stream);
	return r;
}

struct sweep {
	int dir;
	const char *const *names; /* NULL = all */
	size_t count;
	struct err *err;
};

/* .tmp-, the writer's pid, a number, and what it was to be. */
static bool is_of(const char *name, const char *const *names)
{
	const char *of = name + strlen(FILE_TEMP_PREFIX);

	for (int i = 0; i < 2; i++) {
		size_t digits = strspn(of, "0123456789");

		if (digits == 0 || of[digits] != '-')
			return false;
		of += digits + 1;
	}
	while (*names && strcmp(of, *names) != 0)
		names++;
	return *names;
}

static int sweep_one(void *arg, const char *name)
{
	struct sweep *sweep = arg;
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct stat st;

	if (!file_is_temp(name) || (sweep->names && !is_of(name, sweep->names)) ||
	    fstatat(sweep->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
		return 0;
	fd = openat(sweep->dir, name, OPEN_FILE);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return 0; /* its writer lives */
	if (sweep->names)
		file_overwrite(sweep->dir, name);
	if (unlinkat(sweep->dir, name, 0) == 0)
		sweep->count++;
	else if (errno != ENOENT)
		return err_set_errno(sweep->err, ERR_INTERNAL, errno, "cannot remove %s", name);
	return 0;
}

int file_sweep(int dir, size_t *ret_count, struct err *err)
{
	return file_sweep_of(dir, NULL, ret_count, err);
}

int file_sweep_of(int dir, const char *const *names, size_t *ret_count, struct err *err)
{
	struct sweep sweep = {.dir = dir, .names = names, .err = err};
	int r;

	r = walk_entries(dir, sweep_one, &sweep, err);
	if (r == 0 && sweep.count > 0)
		r = file_sync_folder(dir, "the folder", err);
	if (r == 0)
		*ret_count = sweep.count;
	return r;
}

struct listing {
	int (*visit)(void *arg, const char *name);
	void *arg;
};

static int list_one(void *arg, const char *name)
{
	struct listing *listing = arg;

	return name[0] == '.' ? 0 : listing->visit(listing->arg, name);
}

int file_list(int dir, int (*visit)(void *arg, const char *name), void *arg, struct err *err)
{
	struct listing listing = {.visit = visit, .arg = arg};

	return walk_entries(dir, list_one, &listing, err);
}
