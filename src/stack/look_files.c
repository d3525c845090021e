/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders as they lie there, held against what is rendered and what was applied. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "stack/due.h"
#include "stack/look.h"
#include "stack/piece.h"

/* --- what is rendered --- */

/*
 * Whether it is as wanted is judged as apply does. @owner is who has the root: whoever looks need
 * not be the one who applies.
 */
static enum fact_file judge_wanted(const struct piece *piece, const struct ledger_row *row,
				   uid_t owner)
{
	bool same = slice_equal(slice_of(piece->now, sizeof(piece->now)),
				slice_of(piece->next, sizeof(piece->next)));

	if (piece->seen.kind == PLACE_NOTHING)
		return FILE_MISSING;
	if (same && piece->seen.kind == PLACE_FILE &&
	    (piece->seen.mode != PLACE_FILE_MODE || piece->seen.owner != owner))
		return FILE_MODE;
	if (same || piece_judge(piece, row, false) == STACK_SAME)
		return FILE_RENDERED;
	if (ledger_knows(row, piece->now))
		return FILE_STALE;
	return row->count > 0 ? FILE_EDITED : FILE_FOREIGN;
}

static enum fact_file look_at_file(int root, uid_t owner, enum stack_part part,
				   const struct stack_tree *tree, const struct ledger_row *row)
{
	CLEANUP(piece_fini)
	struct piece piece = {.part = part, .dir = -1, .beside = -1, .seen = PLACE_SEEN_INIT};
	struct err ignored;
	int r = piece_look(&piece, root, tree, row, &ignored);

	if (!stack_find(tree, part))
		return row->count > 0 && (r < 0 || piece.seen.kind != PLACE_NOTHING) ? FILE_LEFT
										     : FILE_ABSENT;
	return r < 0 ? FILE_UNREADABLE : judge_wanted(&piece, row, owner);
}

/* One that cannot be read says of nothing that it is ours. */
static enum fact_ledger read_ledger(int root, struct ledger *ret_ledger)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	struct stack_due due;
	struct err ignored;
	int r = place_open(root, STACK_LEDGER, false, &dir, &ignored);

	*ret_ledger = (struct ledger){0};
	if (r < 0)
		return r == ERR_NOT_FOUND ? LEDGER_NONE : LEDGER_UNREADABLE;
	if (ledger_read(dir, ret_ledger, &ignored) < 0) {
		*ret_ledger = (struct ledger){0};
		return LEDGER_UNREADABLE;
	}
	return due_read(dir, &due, &ignored) < 0 ? LEDGER_UNREADABLE : LEDGER_READ;
}

void look_at_files(const char *root, const struct stack_tree *tree,
		   enum fact_file ret_files[STACK_PARTS], enum fact_ledger *ret_ledger)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct ledger ledger;
	struct err ignored;
	bool opens = place_open_root(root, &fd, &ignored) == 0;
	struct stat st;
	unsigned i;

	opens = opens && fstat(fd, &st) == 0;
	*ret_ledger = opens ? read_ledger(fd, &ledger) : LEDGER_UNKNOWN;
	for (i = 0; i < STACK_PARTS; i++)
		ret_files[i] = opens ? look_at_file(fd, st.st_uid, (enum stack_part)i, tree,
						    &ledger.rows[i])
				     : FILE_UNREADABLE;
}

/* --- what programs need beside --- */

static enum fact_presence look_at(const char *path, struct stat *ret_st)
{
	if (stat(path, ret_st) == 0)
		return FACT_THERE;
	return errno == ENOENT || errno == ENOTDIR ? FACT_NOT_THERE : FACT_UNKNOWN;
}

enum fact_presence look_at_presence(const char *path)
{
	struct stat st;

	return look_at(path, &st);
}

void look_at_node(const char *path, mode_t kind, struct fact_node *ret_node)
{
	struct stat st;

	*ret_node = (struct fact_node){.presence = look_at(path, &st)};
	(void)snprintf(ret_node->path, sizeof(ret_node->path), "%s", path);
	if (ret_node->presence != FACT_THERE)
		return;
	ret_node->right_kind = (st.st_mode & S_IFMT) == kind;
	ret_node->mode = st.st_mode & 07777;
	account_user(st.st_uid, ret_node->owner);
	account_group(st.st_gid, ret_node->group);
}
