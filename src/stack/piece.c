/* SPDX-License-Identifier: Apache-2.0 */
#include "stack/piece.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "stack/conffile.h"

#define BACKUPS_MAX 100u

/* --- facts --- */

static bool is_wanted_content(const struct piece *piece)
{
	return piece->want &&
	       piece->seen.kind == (piece->want->is_link ? PLACE_LINK : PLACE_FILE) &&
	       slice_equal(buf_slice(&piece->seen.content), buf_slice(&piece->want->content));
}

static struct slice last_component(struct slice path)
{
	size_t at = path.len;

	while (at > 0 && path.data[at - 1] != '/')
		at--;
	return slice_of(path.data + at, path.len - at);
}

/* The manager goes by the name of such a link alone; a package's own leads to its own unit. */
static bool is_wanted_link(const struct piece *piece)
{
	return piece->want && piece->want->is_link && piece->seen.kind == PLACE_LINK &&
	       slice_equal(last_component(buf_slice(&piece->seen.content)),
			   last_component(buf_slice(&piece->want->content)));
}

static bool has_right_owner(const struct piece *piece)
{
	return piece->seen.kind == PLACE_LINK ||
	       (piece->seen.mode == PLACE_FILE_MODE && piece->seen.owner == geteuid());
}

/* A folder that is not there stays -1. */
static int open_if_there(int root, const char *path, int *ret_dir, struct err *err)
{
	int r = place_open(root, path, false, ret_dir, err);

	return r == ERR_NOT_FOUND ? 0 : r;
}

/* The folder of the part, and that of its backups, which may be there without it. */
static int open_folders(struct piece *piece, int root, struct err *err)
{
	int r = open_if_there(root, stack_path(piece->part), &piece->dir, err);

	if (stack_backup_path(piece->part) == stack_path(piece->part))
		piece->beside = piece->dir;
	else if (r == 0)
		r = open_if_there(root, stack_backup_path(piece->part), &piece->beside, err);
	return r;
}

static int look_into_folder(struct piece *piece, int root, const struct ledger_row *row,
			    struct err *err)
{
	const char *path = stack_path(piece->part);
	int r = place_look(piece->dir, place_name(path), &piece->seen, err);

	if (r < 0)
		return err_wrap(err, "%s", path);
	if (piece->seen.kind == PLACE_NOTHING)
		return 0;
	r = place_digest(piece->seen.kind == PLACE_LINK, buf_slice(&piece->seen.content),
			 piece->now, err);
	if (r == 0 && piece->seen.kind == PLACE_FILE && piece->want &&
	    !ledger_knows(row, piece->now))
		r = conffile_pristine(root, path, buf_slice(&piece->seen.content), &piece->pristine,
				      err);
	return r;
}

int piece_look(struct piece *piece, int root, const struct stack_tree *tree,
	       const struct ledger_row *row, struct err *err)
{
	int r;

	piece->want = stack_find(tree, piece->part);
	if (!piece->want && row->count == 0)
		return 0;
	r = open_folders(piece, root, err);
	if (r == 0 && piece->dir >= 0)
		r = look_into_folder(piece, root, row, err);
	if (r < 0 || !piece->want)
		return r;
	return place_digest(piece->want->is_link, buf_slice(&piece->want->content), piece->next,
			    err);
}

void piece_fini(struct piece *piece)
{
	place_seen_fini(&piece->seen);
	if (piece->beside != piece->dir)
		fd_close_cleanup(&piece->beside);
	fd_close_cleanup(&piece->dir);
	piece->dir = piece->beside = -1;
}

/* --- judging --- */

static enum stack_deed judge_wanted(const struct piece *piece, const struct ledger_row *row,
				    bool force)
{
	if (piece->seen.kind == PLACE_NOTHING)
		return STACK_WRITTEN;
	if (is_wanted_link(piece) || (is_wanted_content(piece) && has_right_owner(piece)))
		return STACK_SAME;
	if (piece->pristine)
		return STACK_REPLACED;
	if (is_wanted_content(piece) || ledger_knows(row, piece->now))
		return STACK_WRITTEN;
	return force ? STACK_FORCED : STACK_KEPT;
}

enum stack_deed piece_judge(const struct piece *piece, const struct ledger_row *row, bool force)
{
	if (piece->want)
		return judge_wanted(piece, row, force);
	if (row->count == 0)
		return STACK_ABSENT;
	if (piece->seen.kind == PLACE_NOTHING)
		return row->backup[0] == '\0' || piece->beside < 0 ? STACK_ABSENT : STACK_REMOVED;
	return ledger_knows(row, piece->now) ? STACK_REMOVED : STACK_FORGOTTEN;
}

/* --- backups --- */

static bool same_seen(const struct place_seen *a, const struct place_seen *b)
{
	return a->kind == b->kind && a->mode == b->mode && a->owner == b->owner &&
	       a->group == b->group && slice_equal(buf_slice(&a->content), buf_slice(&b->content));
}

/* Is the name free, or does it hold just this already? A change that was cut short left it. */
static int try_backup(const struct piece *piece, const char *name, bool *ret_fits, struct err *err)
{
	CLEANUP(place_seen_fini) struct place_seen there = PLACE_SEEN_INIT;
	int r = place_look(piece->beside, name, &there, err);

	if (r < 0)
		return r;
	*ret_fits = there.kind == PLACE_NOTHING || same_seen(&there, &piece->seen);
	return 0;
}

static int choose_backup(struct piece *piece, const char *suffix, struct err *err)
{
	const char *name = place_name(stack_path(piece->part));
	char *backup = piece->step.backup;
	bool fits = false;
	unsigned n;
	int r = 0;

	for (n = 0; r == 0 && !fits && n < BACKUPS_MAX; n++) {
		int len = snprintf(backup, STACK_BACKUP_SIZE, ".%s%s", name, suffix);

		if (n > 0)
			(void)snprintf(backup + len, STACK_BACKUP_SIZE - (size_t)len, ".%u", n);
		r = try_backup(piece, backup, &fits, err);
	}
	if (r < 0 || fits)
		return r;
	(void)err_set(err, ERR_CONFLICT, "%s has %u backups", stack_path(piece->part), BACKUPS_MAX);
	return err_add_remedy(err, "Take away the older backups that nobody needs.");
}

static bool has_backup(const struct piece *piece, const struct ledger_row *row)
{
	struct stat st;

	/* What cannot be looked at may be there. */
	return fstatat(piece->beside, row->backup, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

int piece_plan(struct piece *piece, const struct ledger_row *row, bool force, struct err *err)
{
	enum stack_deed deed = piece_judge(piece, row, force);

	/* A change was cut short, or somebody was quicker: what was there before is what is there.
	 */
	if (deed == STACK_FORGOTTEN && ledger_was_before(row, piece->now))
		deed = has_backup(piece, row) ? STACK_REMOVED : STACK_ABSENT;
	/* For nothing no folder is made. */
	if (deed == STACK_REMOVED && piece->dir < 0 && !has_backup(piece, row))
		deed = STACK_ABSENT;
	piece->step = (struct stack_step){.deed = deed};
	if (deed == STACK_REPLACED)
		return choose_backup(piece, STACK_ORIG, err);
	if (deed == STACK_FORCED)
		return choose_backup(piece, STACK_BACKUP, err);
	if (deed == STACK_REMOVED || deed == STACK_FORGOTTEN)
		memcpy(piece->step.backup, row->backup, sizeof(row->backup));
	return 0;
}

bool piece_changes(const struct piece *piece)
{
	static const bool CHANGES[] = {
		[STACK_ABSENT] = false,	 [STACK_SAME] = false,	    [STACK_WRITTEN] = true,
		[STACK_REPLACED] = true, [STACK_FORCED] = true,	    [STACK_KEPT] = false,
		[STACK_REMOVED] = true,	 [STACK_FORGOTTEN] = false,
	};

	return CHANGES[piece->step.deed];
}

/* --- the ledger --- */

/* Was it there before anything of ours? An edit of ours was not, and never comes back. */
static bool was_before(const struct piece *piece, const struct ledger_row *row)
{
	return row->count == 0 || piece->pristine || ledger_was_before(row, piece->now);
}

static void note_backup(const struct piece *piece, struct ledger_row *row)
{
	if (piece->step.backup[0] == '\0' || !was_before(piece, row))
		return;
	memcpy(row->backup, piece->step.backup, sizeof(row->backup));
	memcpy(row->before, piece->now, sizeof(row->before));
}

void piece_note_before(const struct piece *piece, struct ledger_row *row)
{
	bool ours = piece->seen.kind != PLACE_NOTHING && ledger_knows(row, piece->now);

	if (!piece_changes(piece) || !piece->want)
		return;
	note_backup(piece, row);
	row->count = 0;
	if (ours)
		ledger_set(row, piece->now);
	ledger_add(row, piece->next);
}

void piece_note_after(const struct piece *piece, struct ledger_row *row)
{
	if (!piece->want)
		*row = (struct ledger_row){.count = 0};
	else if (piece_changes(piece) || (is_wanted_content(piece) && !piece->pristine))
		ledger_set(row, piece->next);
}

/* --- doing --- */

static int put_new(struct piece *piece, int root, struct err *err)
{
	const char *path = stack_path(piece->part);
	int r = 0;

	if (piece->dir < 0)
		r = place_open(root, path, true, &piece->dir, err);
	return r < 0 ? r : place_put(piece->dir, place_name(path), piece->want, err);
}

static int remove_if_there(int dir, const char *name, struct err *err)
{
	int r = file_remove(dir, name, err);

	return r == ERR_NOT_FOUND ? 0 : r;
}

/* Its folder may have gone meanwhile, and its backup lie in another. */
static int put_back(struct piece *piece, int root, struct err *err)
{
	const char *path = stack_path(piece->part), *name = place_name(path);
	int r = 0;

	if (piece->dir < 0)
		r = place_open(root, path, true, &piece->dir, err);
	if (r < 0)
		return r;
	r = ERR_NOT_FOUND;
	if (piece->step.backup[0] != '\0')
		r = file_replace(piece->beside, piece->step.backup, piece->dir, name, err);
	/* Of two names of one file renaming takes none away. */
	if (r == 0)
		r = remove_if_there(piece->beside, piece->step.backup, err);
	if (r != ERR_NOT_FOUND)
		return r;
	/* There is none, or somebody has taken it away. */
	piece->step.backup[0] = '\0';
	return remove_if_there(piece->dir, name, err);
}

int piece_do(struct piece *piece, int root, struct err *err)
{
	const char *path = stack_path(piece->part);
	int r = 0;

	if (!piece_changes(piece))
		return 0;
	if (piece->want && piece->step.backup[0] != '\0')
		r = place_keep(piece->dir, place_name(path), piece->beside, piece->step.backup,
			       err);
	if (r == 0)
		r = piece->want ? put_new(piece, root, err) : put_back(piece, root, err);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}
