/* SPDX-License-Identifier: Apache-2.0 */
/* Twin files in one or two folders: of all copies the best counts. */
#include "identity/files_impl.h"

#include "base/file.h"

void files_twin_fini(struct files_twin *twin)
{
	twin_fini(&twin->copies);
	for (size_t i = 0; i < twin->count; i++)
		fd_close_cleanup(&twin->dirs[i]);
}

static bool not_to_be_had(int code)
{
	return code == ERR_NOT_FOUND || code == ERR_UNREADABLE;
}

int files_twin_load(const struct identity_files *files, struct files_twin *twin,
		    enum files_need need, struct err *err)
{
	for (size_t i = 0; i < twin->count; i++) {
		const struct files_place *place = &twin->places[i];
		int r = files_open(files, place->folder, need != FILES_LOOK, &twin->dirs[i], err);

		if (r < 0 && (need == FILES_MAKE || !not_to_be_had(r)))
			return r;
		twin_add(&twin->copies, twin->dirs[i], place->name, r);
	}
	return twin_load(&twin->copies, twin->judge, err);
}

static enum files_folder folder_of(const struct files_twin *twin, size_t copy)
{
	size_t place = 0;

	while (place + 1 < twin->count && twin->dirs[place] != twin->copies.copies[copy].dir)
		place++;
	return twin->places[place].folder;
}

static int remove_copy(const struct identity_files *files, enum files_folder folder,
		       const struct twin_copy *copy, struct err *err)
{
	switch (copy->code) {
	case ERR_NOT_FOUND: /* perhaps by a removal that could not be made durable */
		return copy->dir < 0 ? 0 : file_sync(copy->dir, NULL, err);
	case 0:
		return files_remove(files, folder, copy->name, err);
	default:
		if (copy->dir < 0)
			return err_set(err, ERR_UNREADABLE, "the folder of %s is not to be had",
				       copy->name);
		return files_quarantine(files, folder, copy->name, err);
	}
}

int files_twin_remove(const struct identity_files *files, struct files_twin *twin, struct err *err)
{
	int result = 0;
	int r = files_twin_load(files, twin, FILES_LOOK, err);

	if (r < 0 && r != ERR_NOT_FOUND && r != ERR_DAMAGED && r != ERR_UNREADABLE)
		return r;
	for (size_t i = 0; i < twin->copies.count; i++) {
		struct err one;

		r = remove_copy(files, folder_of(twin, i), &twin->copies.copies[i], &one);
		if (r < 0 && result == 0) {
			*err = one;
			result = r;
		}
	}
	return result;
}

int files_twin_write(const struct identity_files *files, struct files_twin *twin,
		     struct slice content, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < twin->copies.count; i++)
		if (twin->copies.copies[i].code == ERR_UNREADABLE)
			r = files_quarantine(files, folder_of(twin, i), twin->copies.copies[i].name,
					     err);
	if (r < 0)
		return r;
	r = twin_write(&twin->copies, content, err);
	return r < 0 ? files_explain(err) : 0;
}
