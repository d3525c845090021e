/* SPDX-License-Identifier: Apache-2.0 */
/* What a reset takes away. It can be cut off anywhere and done again. */
#include "identity/files_impl.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"

int files_erase(const struct identity_files *files, enum files_folder folder, const char *name,
		struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = files_open(files, folder, false, &dir, err);

	if (r == 0)
		r = file_erase(dir, name, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	return r < 0 ? files_explain(err) : 0;
}

/* A folder in the place of a file of ours is not ours, and holds no key of ours. */
static int erase_or_move(const struct identity_files *files, enum files_folder folder,
			 const char *name, struct err *err)
{
	int r = files_erase(files, folder, name, err);

	return r == ERR_CONFLICT ? files_quarantine(files, folder, name, err) : r;
}

struct erasing {
	int dir;
	bool only_left; /* what files_move() left behind under FILES_LEFT */
	struct err *err;
};

static bool is_left(const char *name)
{
	static const char *const ours[] = {FILES_KEY, FILES_CERTIFICATE, FILES_RECORD_COPY,
					   FILES_RECORD_COPY TWIN_SUFFIX};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		size_t len = strlen(ours[i]);

		if (strncmp(name, ours[i], len) == 0 &&
		    strncmp(name + len, FILES_LEFT, strlen(FILES_LEFT)) == 0)
			return true;
	}
	return false;
}

static int erase_one(void *arg, const char *name)
{
	struct erasing *erasing = arg;
	int r;

	if (erasing->only_left && !is_left(name))
		return 0;
	r = file_erase(erasing->dir, name, erasing->err);
	return r == ERR_CONFLICT ? 0 : r;
}

static int erase_in(const struct identity_files *files, enum files_folder folder, bool only_left,
		    struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = files_open(files, folder, false, &dir, err);

	if (r == 0)
		r = file_list(dir, erase_one,
			      &(struct erasing){.dir = dir, .only_left = only_left, .err = err},
			      err);
	return r == ERR_NOT_FOUND ? 0 : r;
}

int identity_files_erase(struct identity_files *files, struct err *err)
{
	static const struct {
		enum files_folder folder;
		const char *name;
	} own[] = {
		{FILES_IN_CONFIG, FILES_KEY},
		{FILES_IN_HOLDFAST, FILES_RECORD},
		{FILES_IN_HOLDFAST, FILES_RECORD TWIN_SUFFIX},
		{FILES_IN_CONFIG, FILES_RECORD_COPY},
		{FILES_IN_CONFIG, FILES_RECORD_COPY TWIN_SUFFIX},
		{FILES_IN_CONFIG, FILES_CERTIFICATE},
		{FILES_IN_RUN, FILES_MARKER},
		{FILES_IN_MARKER, FILES_MARKER},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(own); i++)
		r = erase_or_move(files, own[i].folder, own[i].name, err);
	if (r == 0)
		r = erase_in(files, FILES_IN_CONFIG, true, err);
	if (r == 0)
		r = erase_in(files, FILES_IN_PREVIOUS, false, err);
	return r < 0 ? r : erase_in(files, FILES_IN_QUARANTINE, false, err);
}
