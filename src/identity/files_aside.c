/* SPDX-License-Identifier: Apache-2.0 */
/* Out of the way, but not lost: nothing that is put aside goes over anything else. */
#include "identity/files_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "base/file.h"

#define NAMES_MAX  1000u
#define ASIDE_MAX  (1024u * 1024u)
#define ASIDE_MODE 0600
#define ASIDE_WHEN "%Y%m%dT%H%M%SZ"

/* BASE, a mark, the time, and a number from the second of that second on. */
static int name_of(const char *base, const char *mark, unsigned number, char ret_name[NAME_MAX + 1],
		   struct err *err)
{
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	if (!gmtime_r(&now, &tm) || strftime(when, sizeof(when), ASIDE_WHEN, &tm) == 0)
		return err_set(err, ERR_INTERNAL, "the clock tells no time");
	if (number > 1)
		(void)snprintf(ret_name, NAME_MAX + 1, "%s%s%s-%u", base, mark, when, number);
	else
		(void)snprintf(ret_name, NAME_MAX + 1, "%s%s%s", base, mark, when);
	return 0;
}

struct passage {
	int from, to;
	const char *name;
	const char *base, *mark;    /* of the new name */
	const struct secret *bytes; /* NULL = the file itself is moved */
	bool keep;
};

static int pass_once(const struct passage *passage, unsigned number, struct err *err)
{
	char name[NAME_MAX + 1];
	int r = name_of(passage->base, passage->mark, number, name, err);

	if (r < 0)
		return r;
	if (!passage->bytes)
		return file_move(passage->from, passage->name, passage->to, name, err);
	return file_write(passage->to, name, secret_slice(passage->bytes), ASIDE_MODE, FILE_CREATE,
			  err);
}

/* Under the first name that is free. */
static int pass(const struct passage *passage, struct err *err)
{
	int r = ERR_CONFLICT;

	for (unsigned number = 1; r == ERR_CONFLICT && number <= NAMES_MAX; number++)
		r = pass_once(passage, number, err);
	return r;
}

/* Onto another file system, or as a copy. A cut in between leaves it in both folders, and it is
 * moved again. */
static int carry(struct passage *passage, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *bytes = NULL;
	int r = file_read_secret(passage->from, passage->name, ASIDE_MAX, &bytes, err);

	if (r == ERR_UNREADABLE || r == ERR_TOO_LARGE) {
		passage->to = passage->from;
		passage->base = passage->name;
		passage->mark = FILES_LEFT;
		return pass(passage, err);
	}
	if (r < 0)
		return r;
	passage->bytes = bytes;
	r = pass(passage, err);
	passage->bytes = NULL;
	return r < 0 || passage->keep ? r : file_remove(passage->from, passage->name, err);
}

int files_move(const struct identity_files *files, const struct files_move *move, struct err *err)
{
	CLEANUP(fd_close_cleanup) int from = -1;
	CLEANUP(fd_close_cleanup) int to = -1;
	struct passage passage = {
		.name = move->name, .base = move->new_name, .mark = ".", .keep = move->keep};
	int r = files_open(files, move->from, false, &from, err);

	if (r == 0)
		r = files_open(files, move->to, true, &to, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	passage.from = from;
	passage.to = to;
	r = move->keep ? carry(&passage, err) : pass(&passage, err);
	if (r < 0 && !move->keep && err->origin_kind == ERR_ORIGIN_ERRNO && err->origin == EXDEV)
		r = carry(&passage, err);
	if (r == ERR_NOT_FOUND)
		return 0;
	return r < 0 ? files_explain(err) : 0;
}

int files_keep(const struct identity_files *files, enum files_folder folder, const char *name,
	       struct slice bytes, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *copy = NULL;
	CLEANUP(fd_close_cleanup) int to = -1;
	struct passage passage = {.base = name, .mark = "."};
	int r = files_open(files, folder, true, &to, err);

	if (r == 0)
		r = secret_copy(bytes, &copy, err);
	if (r < 0)
		return r;
	passage.to = to;
	passage.bytes = copy;
	r = pass(&passage, err);
	return r < 0 ? files_explain(err) : 0;
}

int files_quarantine(const struct identity_files *files, enum files_folder folder, const char *name,
		     struct err *err)
{
	const struct files_move move = {
		.from = folder, .name = name, .to = FILES_IN_QUARANTINE, .new_name = name};

	return files_move(files, &move, err);
}
