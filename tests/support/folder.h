/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_FOLDER_H
#define SUPPORT_FOLDER_H

/* A test's own folder, at its end. */

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#define FOLDER_DEPTH 16

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

#endif
