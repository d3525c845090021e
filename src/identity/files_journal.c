/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal in its two places. The one in the state folder is there for a reset that loses the
 * persist folder; it is written of all that is done, so that there is one rule.
 */
#include "identity/files_impl.h"

static const struct files_place places[] = {
	{FILES_IN_HOLDFAST, FILES_JOURNAL},
	{FILES_IN_STATE, FILES_JOURNAL},
};

static int judge(struct slice content, struct err *err)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;

	return files_journal_of_text(content, &journal, err);
}

int identity_journal_read(struct identity_files *files, struct identity_journal *ret_journal,
			  struct err *err)
{
	CLEANUP(files_twin_fini) struct files_twin twin = FILES_TWIN(places, judge);
	int r = files_twin_load(files, &twin, FILES_LOOK, err);

	if (r == 0)
		return files_journal_of_text(twin.copies.copies[twin.copies.best].content,
					     ret_journal, err);
	if (r != ERR_NOT_FOUND)
		return r;
	identity_journal_fini(ret_journal);
	*ret_journal = (struct identity_journal)IDENTITY_JOURNAL_INIT;
	return 0;
}

int identity_journal_write(struct identity_files *files, const struct identity_journal *journal,
			   struct err *err)
{
	CLEANUP(files_twin_fini) struct files_twin twin = FILES_TWIN(places, judge);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);
	enum files_need need =
		journal->doing == IDENTITY_DOING_RESET ? FILES_MAKE_EITHER : FILES_MAKE;
	int r = files_journal_to_text(journal, &text, err);

	if (r == 0)
		r = files_twin_load(files, &twin, need, err);
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	return files_twin_write(files, &twin, buf_slice(&text), err);
}

int identity_journal_remove(struct identity_files *files, struct err *err)
{
	CLEANUP(files_twin_fini) struct files_twin twin = FILES_TWIN(places, judge);

	return files_twin_remove(files, &twin, err);
}
