/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasing for good, as a factory reset does. Nothing is moved aside before: what was asked to go
 * must be gone, so the first entry that stays is an error, and all of it can be repeated. Links are
 * removed, never followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/impl.h"

#define DEPTH_MAX 32u

static void close_folder(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

static bool is_named(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int erase_entry(int dir, const char *name, unsigned depth, struct err *err);

/* All but those of @kept, whatever they begin with. */
static int empty_folder(int dir, const char *const *kept, unsigned depth, struct err *err)
{
	CLEANUP(close_folder) DIR *folder = NULL;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	int r = 0;

	folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder) {
		(void)err_set_errno(err, ERR_UNREADABLE, errno, "cannot read a folder to erase it");
		fd_close_cleanup(&fd);
		return err->code;
	}
	for (errno = 0; r == 0 && (entry = readdir(folder)); errno = 0)
		if (!is_dots(entry->d_name) && !is_named(kept, entry->d_name))
			r = erase_entry(dir, entry->d_name, depth, err);
	if (r == 0 && errno != 0)
		r = err_set_errno(err, ERR_UNREADABLE, errno, "cannot read a folder to erase it");
	return r;
}

static int erase_folder(int dir, const char *name, unsigned depth, struct err *err)
{
	static const char *const NONE[] = {NULL};
	CLEANUP(fd_close_cleanup) int below = -1;
	int r;

	if (depth == DEPTH_MAX)
		return err_set(err, ERR_INTERNAL, "folders are nested too deeply to be erased");
	r = file_open_dir(dir, name, false, STORE_DIR_MODE, &below, err);
	if (r == 0)
		r = empty_folder(below, NONE, depth + 1, err);
	if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = err_set_errno(err, ERR_INTERNAL, errno, "cannot remove a folder");
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* In the state folder itself files are keys, or tell of some. */
static int erase_file(int dir, const char *name, unsigned depth, struct err *err)
{
	int r;

	if (depth > 0 || name[0] == '.')
		return unlinkat(dir, name, 0);
	r = file_erase(dir, name, err);
	errno = r < 0 ? (int)err->origin : 0;
	return r < 0 ? -1 : 0;
}

static int erase_entry(int dir, const char *name, unsigned depth, struct err *err)
{
	if (erase_file(dir, name, depth, err) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR || errno == EPERM)
		return erase_folder(dir, name, depth, err);
	return err_set_errno(err, ERR_INTERNAL, errno, "cannot remove a file");
}

int store_erase(struct store *store, const char *const *names, struct err *err)
{
	int r = 0;

	for (; r == 0 && *names; names++)
		r = erase_entry(store->dir, *names, 0, err);
	if (r == 0)
		r = file_sync(store->dir, NULL, err);
	return r < 0 ? err_wrap(err, "erasing the state folder") : 0;
}

int store_erase_all(struct store *store, const char *const *kept, struct err *err)
{
	const char *all[STORE_KEPT_MAX + 2] = {STORE_LOCK};
	size_t count = 1;
	int r;

	for (; *kept && count <= STORE_KEPT_MAX; kept++)
		all[count++] = *kept;
	if (*kept)
		return err_set(err, ERR_INTERNAL, "too many names are to be kept");
	r = empty_folder(store->dir, all, 0, err);
	if (r == 0)
		r = file_sync(store->dir, NULL, err);
	return r < 0 ? err_wrap(err, "erasing the state folder") : 0;
}
