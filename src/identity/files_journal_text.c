/* SPDX-License-Identifier: Apache-2.0 */
/* A journal as JSON: all members always, since what they mean is its reader's to say. */
#include "identity/files_impl.h"
#include "identity/files_text.h"

#include <limits.h>

#include "base/json.h"

static const char *const members[] = {
	"version", "doing",	 "object",   "header",	  "handle",  "name", "chain",
	"cross",   "hsk_handle", "hsk_name", "clear_tpm", "partial", "step", "asked",
};

static const char *const doings[] = {
	[IDENTITY_DOING_INIT] = "init",
	[IDENTITY_DOING_MIGRATE] = "migrate",
	[IDENTITY_DOING_CONFIRM] = "confirm",
	[IDENTITY_DOING_RESET] = "reset",
};

void identity_journal_fini(struct identity_journal *journal)
{
	buf_fini(&journal->object);
	buf_fini(&journal->header);
	buf_fini(&journal->chain);
	buf_fini(&journal->cross);
}

static int get_doing(const struct json_t *json, enum identity_doing *ret_doing, struct err *err)
{
	const char *word = NULL;
	int r = json_get_string(json, "doing", true, &word, err);

	if (r < 0)
		return r;
	for (unsigned i = IDENTITY_DOING_INIT; i < ARRAY_LEN(doings); i++)
		if (strcmp(doings[i], word) == 0) {
			*ret_doing = (enum identity_doing)i;
			return 0;
		}
	return err_set(err, ERR_INVALID, "/doing: unknown");
}

static int get_key(const struct json_t *json, struct identity_journal *journal, struct err *err)
{
	int r = json_get_bytes(json, "object", true, &journal->object, err);

	if (r == 0)
		r = json_get_bytes(json, "header", true, &journal->header, err);
	if (r == 0)
		r = text_get_handle(json, "handle", true, &journal->handle, err);
	if (r == 0)
		r = text_get_hex(json, "name", journal->name, sizeof(journal->name),
				 &journal->name_len, err);
	if (r == 0)
		r = json_get_bytes(json, "chain", true, &journal->chain, err);
	if (r == 0 && !text_chain_ok(buf_slice(&journal->chain)))
		r = err_set(err, ERR_INVALID, "/chain: no certificates");
	if (r == 0)
		r = json_get_bytes(json, "cross", false, &journal->cross, err);
	if (r == 0 && !text_chain_ok(buf_slice(&journal->cross)))
		r = err_set(err, ERR_INVALID, "/cross: no certificate");
	return r;
}

static int get_reset(const struct json_t *json, struct identity_journal *journal, struct err *err)
{
	uint64_t step = 0;
	int r = text_get_handle(json, "hsk_handle", true, &journal->hsk_handle, err);

	if (r == 0)
		r = text_get_hex(json, "hsk_name", journal->hsk_name, sizeof(journal->hsk_name),
				 &journal->hsk_name_len, err);
	if (r == 0)
		r = json_get_bool(json, "clear_tpm", true, &journal->clear_tpm, err);
	if (r == 0)
		r = json_get_bool(json, "partial", true, &journal->partial, err);
	if (r == 0)
		r = json_get_u64(json, "step", true, 0, UINT_MAX, &step, err);
	if (r == 0)
		r = text_get_line(json, "asked", journal->asked, sizeof(journal->asked), err);
	journal->step = (unsigned)step;
	return r;
}

int files_journal_of_text(struct slice text, struct identity_journal *ret_journal, struct err *err)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	int r = text_parse(text, &json, err);

	if (r < 0)
		return r;
	r = json_only(json, members, ARRAY_LEN(members), err);
	if (r == 0)
		r = get_doing(json, &journal.doing, err);
	if (r == 0)
		r = get_key(json, &journal, err);
	if (r == 0)
		r = get_reset(json, &journal, err);
	if (r < 0)
		return text_damaged(r, err);
	identity_journal_fini(ret_journal);
	*ret_journal = journal;
	journal = (struct identity_journal)IDENTITY_JOURNAL_INIT;
	return 0;
}

static void put_all(const struct identity_journal *journal, struct buf *text)
{
	buf_printf(text, "{\"version\":%u", TEXT_VERSION);
	text_put_line(text, "doing", doings[journal->doing]);
	text_put_base64(text, "object", buf_slice(&journal->object));
	text_put_base64(text, "header", buf_slice(&journal->header));
	text_put_number(text, "handle", journal->handle);
	text_put_hex(text, "name", slice_of(journal->name, journal->name_len));
	text_put_base64(text, "chain", buf_slice(&journal->chain));
	text_put_base64(text, "cross", buf_slice(&journal->cross));
	text_put_number(text, "hsk_handle", journal->hsk_handle);
	text_put_hex(text, "hsk_name", slice_of(journal->hsk_name, journal->hsk_name_len));
	text_put_bool(text, "clear_tpm", journal->clear_tpm);
	text_put_bool(text, "partial", journal->partial);
	text_put_number(text, "step", journal->step);
	text_put_line(text, "asked", journal->asked);
	buf_put_str(text, "}\n");
}

int files_journal_to_text(const struct identity_journal *journal, struct buf *ret_text,
			  struct err *err)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal again = IDENTITY_JOURNAL_INIT;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);
	int r;

	if (journal->doing == IDENTITY_DOING_NOTHING ||
	    (unsigned)journal->doing >= ARRAY_LEN(doings))
		return err_set(err, ERR_INVALID, "nothing that a journal is kept of");
	put_all(journal, &text);
	if (!buf_ok(&text))
		return err_set(err, ERR_INTERNAL, "memory is short");
	r = files_journal_of_text(buf_slice(&text), &again, err);
	if (r == ERR_DAMAGED)
		return err_set(err, ERR_INVALID, "this is no journal of an identity");
	if (r < 0)
		return r;
	buf_put(ret_text, buf_slice(&text));
	return buf_ok(ret_text) ? 0 : err_set(err, ERR_INTERNAL, "memory is short");
}
