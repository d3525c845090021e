/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_FOLDER_H
#define SUPPORT_FOLDER_H

/* A test's own folder, from its beginning to its end. */

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER_DEPTH 16
#define FOLDER_ROOM  64

/* A new one in TMPDIR, where that is short, else in /tmp; false where it fails. */
static inline bool folder_make_new(char ret_path[FOLDER_ROOM], const char *name)
{
	const char *temp = getenv("TMPDIR");

	(void)snprintf(ret_path, FOLDER_ROOM, "%s/hf-%s-XXXXXX",
		       temp && strlen(temp) < 40 ? temp : "/tmp", name);
	return mkdtemp(ret_path) != NULL;
}

/* .. and open; -1 where it fails. */
static inline int folder_open_new(char ret_path[FOLDER_ROOM], const char *name)
{
	return folder_make_new(ret_path, name) ? open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
					       : -1;
}

/* .. and its path alone, which is to be freed; NULL where it fails. */
static inline char *folder_path_new(const char *name)
{
	char path[FOLDER_ROOM];

	return folder_make_new(path, name) ? strdup(path) : NULL;
}

static inline int folder_remove_one(const char *path, const struct stat *st, int type,
				    struct FTW *place)
{
	(void)st;
	(void)type;
	(void)place;
	return remove(path);
}

/* With all that is in it; 0, or -1 where something stays. */
static inline int folder_remove_all(const char *path)
{
	return nftw(path, folder_remove_one, FOLDER_DEPTH, FTW_DEPTH | FTW_PHYS);
}

/* For cmocka: the path of such a folder is the test's state. */
static inline int folder_setup(void **state)
{
	*state = folder_path_new("test");
	return *state ? 0 : -1;
}

static inline int folder_teardown(void **state)
{
	int r = folder_remove_all(*state);

	free(*state);
	return r;
}

#endif
