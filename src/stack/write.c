/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree alone, for images and packages: into a folder that holds nothing but what is ours. That
 * is looked at before a byte is written.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "stack/apply.h"
#include "stack/place.h"

/* Is the file @name in the folder @folder what a killed writer of @part has left? */
static bool is_leftover(const char *folder, const char *name, enum stack_part part)
{
	const char *path = stack_path(part);
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && path + len + 1 == place_name(path) &&
	       place_is_leftover(name, place_name(path));
}

/* Is @path a part, or a folder on the way to one? */
static bool may_be(const char *path, bool is_folder)
{
	size_t len = strlen(path);
	unsigned i;

	for (i = 0; i < STACK_PARTS; i++) {
		const char *part = stack_path((enum stack_part)i);

		if (strncmp(path, part, len) == 0 && part[len] == (is_folder ? '/' : '\0'))
			return true;
	}
	return false;
}

static bool is_any_leftover(const char *folder, const char *name)
{
	unsigned i;

	for (i = 0; i < STACK_PARTS; i++)
		if (is_leftover(folder, name, (enum stack_part)i))
			return true;
	return false;
}

static int check_below(int dir, const char *path, struct err *err);

static int check_entry(int dir, const char *folder, const char *name, struct err *err)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	char path[PATH_MAX];
	struct stat st;
	bool is_folder;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot look at %s", path);
	is_folder = S_ISDIR(st.st_mode);
	if (!may_be(path, is_folder) && (is_folder || !is_any_leftover(folder, name))) {
		(void)err_set(err, ERR_CONFLICT,
			      "the folder holds %s, which is none of these files", path);
		return err_add_remedy(err, "Name a folder that is new or empty, or that holds "
					   "nothing but what was rendered before.");
	}
	if (!is_folder)
		return 0;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, ERR_UNREADABLE, errno, "cannot open folder %s", path);
	return check_below(fd, path, err);
}

/* It goes no deeper than the paths of the parts do. Names with a dot count as well. */
static int check_below(int dir, const char *path, struct err *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r = 0;

	if (!stream) {
		r = err_set_errno(err, ERR_UNREADABLE, errno, "cannot list folder %s", path);
		fd_close_cleanup(&fd);
		return r;
	}
	while (r == 0 && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = check_entry(dir, path, entry->d_name, err);
	closedir(stream);
	return r;
}

static int write_part(const struct stack_tree *tree, int root, enum stack_part part,
		      struct err *err)
{
	const struct stack_entry *entry = stack_find(tree, part);
	CLEANUP(fd_close_cleanup) int dir = -1;
	const char *path = stack_path(part);
	int r = place_open(root, path, entry, &dir, err);

	if (r == 0)
		r = place_sweep(dir, place_name(path), err);
	if (r == 0)
		r = entry ? place_put(dir, place_name(path), entry, err)
			  : file_remove(dir, place_name(path), err);
	if (r == ERR_NOT_FOUND && !entry)
		return 0;
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

int stack_write(const struct stack_tree *tree, const char *root, struct err *err)
{
	CLEANUP(fd_close_cleanup) int made = -1;
	CLEANUP(fd_close_cleanup) int dir = -1;
	unsigned part;
	int r = file_open_dir(AT_FDCWD, root, true, PLACE_FOLDER_MODE, &made, err);

	if (r == 0)
		r = place_open_root(root, &dir, err);
	if (r == 0)
		r = check_below(dir, "", err);
	for (part = 0; r == 0 && part < STACK_PARTS; part++)
		r = write_part(tree, dir, (enum stack_part)part, err);
	return r < 0 ? place_explain(err) : 0;
}
