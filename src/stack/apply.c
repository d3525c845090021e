/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All is looked at before anything is changed. Then the ledger first says what will be ours, the
 * parts are changed one after the other, and the ledger says what is ours: whenever it is cut
 * short, the next run knows its own files.
 */
#include "stack/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/file.h"
#include "stack/due.h"
#include "stack/piece.h"

#define MARK "udev-" /* of the trigger unit, in STACK_STATE */

struct apply {
	const struct stack_tree *tree;
	const struct stack_wish *wish;
	int root;
	int state; /* -1 = there is no such folder, and nothing is ours */
	int lock;
	struct ledger ledger;
	struct stack_due due;
	struct piece pieces[STACK_PARTS];
};

static void apply_fini(struct apply *apply)
{
	size_t i;

	for (i = 0; i < STACK_PARTS; i++)
		piece_fini(&apply->pieces[i]);
	fd_close_cleanup(&apply->lock);
	fd_close_cleanup(&apply->state);
	fd_close_cleanup(&apply->root);
}

static void apply_init(struct apply *apply, const struct stack_tree *tree,
		       const struct stack_wish *wish)
{
	size_t i;

	*apply = (struct apply){.tree = tree, .wish = wish, .root = -1, .state = -1, .lock = -1};
	for (i = 0; i < STACK_PARTS; i++)
		apply->pieces[i] = (struct piece){.part = (enum stack_part)i,
						  .dir = -1,
						  .beside = -1,
						  .seen = PLACE_SEEN_INIT};
}

/* Of a file that only root may open: anybody could hold the folder, which all may read. */
static int lock(struct apply *apply, struct err *err)
{
	apply->lock = openat(apply->state, place_name(STACK_LOCK),
			     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (apply->lock < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot open " STACK_LOCK);
	if (flock(apply->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot lock the ledger");
	(void)err_set(err, ERR_CONFLICT, "another one is applying just now");
	return err_add_remedy(err, "Wait until it has ended, and do it again.");
}

static int open_state(struct apply *apply, struct err *err)
{
	bool create = !apply->wish->dry && apply->tree->count > 0;
	int r = place_open(apply->root, STACK_LEDGER, create, &apply->state, err);

	if (r == ERR_NOT_FOUND)
		return 0;
	if (r == 0 && !apply->wish->dry)
		r = lock(apply, err);
	if (r == 0 && apply->wish->root[0] == '\0')
		r = due_read(apply->state, &apply->due, err);
	return r < 0 ? r : ledger_read(apply->state, &apply->ledger, err);
}

/* Of this machine's programs; another tree has none that run. */
static int note_due(struct apply *apply, struct err *err)
{
	const struct stack_due before = apply->due;
	unsigned i;

	if (apply->wish->root[0] != '\0')
		return 0;
	for (i = 0; i < STACK_PARTS; i++)
		due_add(&apply->due, (enum stack_part)i, apply->pieces[i].step.deed);
	return due_same(&before, &apply->due) ? 0 : due_write(apply->state, &apply->due, err);
}

/* A file that was moved, or a disk that is not mounted yet, does not mean that all is to go. */
static int need_configuration(const struct apply *apply, struct err *err)
{
	size_t i;

	for (i = 0; i < STACK_PARTS; i++) {
		if (!apply->wish->none || apply->ledger.rows[i].count == 0)
			continue;
		(void)err_set(err, ERR_NOT_FOUND,
			      "there is no configuration, and %s was applied here",
			      stack_path((enum stack_part)i));
		return err_add_remedy(err, "Put the configuration back. To turn all off make one "
					   "with tpm2 { enable = false }, then apply.");
	}
	return 0;
}

static int plan(struct apply *apply, struct err *err)
{
	int r = need_configuration(apply, err);
	size_t i;

	for (i = 0; r == 0 && i < STACK_PARTS; i++) {
		struct piece *piece = &apply->pieces[i];

		const struct ledger_row *row = &apply->ledger.rows[i];

		r = piece_look(piece, apply->root, apply->tree, row, err);
		if (r == 0)
			r = piece_plan(piece, row, apply->wish->force, err);
	}
	return r;
}

/* What writers that were killed have left in the folders that are written to. */
static int sweep(const struct apply *apply, struct err *err)
{
	int r = place_sweep(apply->state, place_name(STACK_LEDGER), err);
	size_t i;

	if (r == 0)
		r = place_sweep(apply->state, place_name(STACK_DUE), err);

	for (i = 0; r == 0 && i < STACK_PARTS; i++)
		if (apply->pieces[i].dir >= 0)
			r = place_sweep(apply->pieces[i].dir,
					place_name(stack_path((enum stack_part)i)), err);
	return r;
}

static int note(struct apply *apply, void (*row)(const struct piece *, struct ledger_row *),
		bool *changed, struct err *err)
{
	struct ledger before = apply->ledger;
	size_t i;

	for (i = 0; i < STACK_PARTS; i++)
		row(&apply->pieces[i], &apply->ledger.rows[i]);
	if (ledger_same(&before, &apply->ledger))
		return 0;
	*changed = true;
	return apply->wish->dry ? 0 : ledger_write(apply->state, &apply->ledger, err);
}

struct marks {
	int dir;
	struct err *err;
};

static int remove_mark(void *arg, const char *name)
{
	const struct marks *marks = arg;

	return strncmp(name, MARK, strlen(MARK)) == 0 ? file_remove(marks->dir, name, marks->err)
						      : 0;
}

/* Rules that come again are to be put in force again. */
static int forget_marks(const struct apply *apply, struct err *err)
{
	struct marks marks = {.dir = apply->state, .err = err};

	if (apply->pieces[STACK_UDEV_TRIGGER].step.deed != STACK_REMOVED)
		return 0;
	return file_list(apply->state, remove_mark, &marks, err);
}

static int execute(struct apply *apply, struct err *err)
{
	bool ignored;
	int r = sweep(apply, err);
	size_t i;

	if (r == 0)
		r = note_due(apply, err);
	if (r == 0)
		r = note(apply, piece_note_before, &ignored, err);
	for (i = 0; r == 0 && i < STACK_PARTS; i++)
		r = piece_do(&apply->pieces[i], apply->root, err);
	return r < 0 ? r : forget_marks(apply, err);
}

static void tell(const struct apply *apply, struct stack_change *change)
{
	size_t i;

	change->due = apply->due;
	for (i = 0; i < STACK_PARTS; i++) {
		const struct piece *piece = &apply->pieces[i];

		change->steps[i] = piece->step;
		change->changed = change->changed || piece_changes(piece);
		change->kept = change->kept || piece->step.deed == STACK_KEPT ||
			       piece->step.deed == STACK_FORGOTTEN;
	}
}

int stack_apply(const struct stack_tree *tree, const struct stack_wish *wish,
		struct stack_change *ret_change, struct err *err)
{
	CLEANUP(apply_fini) struct apply apply;
	struct stack_change change = {.changed = false};
	int r = 0;

	apply_init(&apply, tree, wish);
	if (wish->root[0] == '\0' && !wish->dry && geteuid() != 0)
		r = err_set(err, ERR_FORBIDDEN, "only root may change this machine");
	if (r == 0)
		r = place_open_root(wish->root, &apply.root, err);
	if (r == 0)
		r = open_state(&apply, err);
	if (r == 0)
		r = plan(&apply, err);
	if (r == 0 && !wish->dry && apply.state >= 0)
		r = execute(&apply, err);
	if (r == 0)
		r = note(&apply, piece_note_after, &change.changed, err);
	if (r < 0)
		return place_explain(err);
	tell(&apply, &change);
	*ret_change = change;
	return 0;
}
