/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal in its two places. That of the state folder counts, whatever the other one says: it
 * is there for a reset that loses the persist folder, and who can write the persist folder alone,
 * which is the machine's, must neither order a reset nor end one. Of a reset it is written first,
 * and it is removed last, so that a reset which only the persist folder knows of was never begun
 * here. The one in the persist folder is for a state folder that was lost.
 */
#include "identity/files_impl.h"

static const struct files_place in_state[] = {{FILES_IN_STATE, FILES_JOURNAL}};
static const struct files_place in_persist[] = {{FILES_IN_HOLDFAST, FILES_JOURNAL}};

static int judge(struct slice content, struct err *err)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;

	return files_journal_of_text(content, &journal, err);
}

/* --- reading --- */

static int read_place(const struct identity_files *files, const struct files_place place[1],
		      struct identity_journal *ret_journal, struct err *err)
{
	CLEANUP(files_twin_fini)
	struct files_twin twin = {.places = place, .count = 1, .judge = judge, .dirs = {-1, -1}};
	int r = files_twin_load(files, &twin, FILES_LOOK, err);

	if (r == 0)
		r = files_journal_of_text(twin.copies.copies[twin.copies.best].content, ret_journal,
					  err);
	return r;
}

/* Where the state folder has none. */
static int read_persist(const struct identity_files *files, struct identity_journal *ret_journal,
			struct err *err)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	bool stray;
	int r = read_place(files, in_persist, &journal, err);

	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	stray = r == 0 && journal.doing == IDENTITY_DOING_RESET;
	if (r == ERR_NOT_FOUND || stray) {
		identity_journal_fini(&journal);
		journal = (struct identity_journal)IDENTITY_JOURNAL_INIT;
		journal.stray = stray;
	}
	journal.of_persist = journal.doing != IDENTITY_DOING_NOTHING;
	identity_journal_fini(ret_journal);
	*ret_journal = journal;
	journal = (struct identity_journal)IDENTITY_JOURNAL_INIT;
	return 0;
}

int identity_journal_read(struct identity_files *files, struct identity_journal *ret_journal,
			  struct err *err)
{
	int r = read_place(files, in_state, ret_journal, err);

	return r == ERR_NOT_FOUND ? read_persist(files, ret_journal, err) : r;
}

/* --- writing --- */

/* What is there and cannot be understood is not written over; torn, it is by a reset. */
static bool may_write(int code, bool is_reset)
{
	return code == 0 || code == ERR_NOT_FOUND || (code == ERR_DAMAGED && is_reset);
}

/* What a fault in the middle leaves in the persist folder alone was not begun, or is undone. */
static int write_both(const struct identity_files *files, struct files_twin *state,
		      struct files_twin *persist, struct slice text, struct err *err)
{
	int r = files_twin_write(files, persist, text, err);

	return r < 0 ? r : files_twin_write(files, state, text, err);
}

/* The state folder alone will do, and it comes first: then the reset is begun. */
static int write_reset(const struct identity_files *files, struct files_twin *state,
		       struct files_twin *persist, struct slice text, struct err *err)
{
	struct err ignored;
	int r = files_twin_load(files, persist, FILES_MAKE, &ignored);
	bool both = persist->copies.count > 0 && may_write(r, true);

	r = files_twin_write(files, state, text, err);
	if (r == 0 && both)
		(void)!files_twin_write(files, persist, text, &ignored);
	return r;
}

int identity_journal_write(struct identity_files *files, const struct identity_journal *journal,
			   struct err *err)
{
	CLEANUP(files_twin_fini) struct files_twin state = FILES_TWIN(in_state, judge);
	CLEANUP(files_twin_fini) struct files_twin persist = FILES_TWIN(in_persist, judge);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);
	bool is_reset = journal->doing == IDENTITY_DOING_RESET;
	int r = files_journal_to_text(journal, &text, err);

	if (r < 0)
		return r;
	r = files_twin_load(files, &state, FILES_MAKE, err);
	if (state.copies.count == 0 || !may_write(r, is_reset))
		return r;
	if (is_reset)
		return write_reset(files, &state, &persist, buf_slice(&text), err);
	r = files_twin_load(files, &persist, FILES_MAKE, err);
	if (persist.copies.count == 0 || !may_write(r, false))
		return r;
	return write_both(files, &state, &persist, buf_slice(&text), err);
}

int identity_journal_remove(struct identity_files *files, struct err *err)
{
	CLEANUP(files_twin_fini) struct files_twin state = FILES_TWIN(in_state, judge);
	CLEANUP(files_twin_fini) struct files_twin persist = FILES_TWIN(in_persist, judge);
	int r = files_twin_remove(files, &persist, err);

	return r < 0 ? r : files_twin_remove(files, &state, err);
}
