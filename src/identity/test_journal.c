/* SPDX-License-Identifier: Apache-2.0 */
/* The journal in its two places, and the texts of both kinds: only what we write is read. */

#include "identity/test_places.h"

#include <stdio.h>
#include <string.h>

#include "identity/files_impl.h"

static void make_journal(const struct places *places, enum identity_doing doing,
			 struct identity_journal *ret_journal)
{
	struct identity_journal journal = IDENTITY_JOURNAL_INIT;

	journal.doing = doing;
	if (doing == IDENTITY_DOING_RESET) {
		journal.hsk_handle = 0x81000002;
		journal.hsk_name_len = 34;
		memset(journal.hsk_name, 0xcd, journal.hsk_name_len);
		journal.clear_tpm = journal.partial = true;
		journal.step = 4;
		(void)snprintf(journal.asked, sizeof(journal.asked), "2026-01-02T03:04:05Z");
	} else {
		buf_put_str(&journal.object, "object");
		buf_put_str(&journal.header, "header");
		buf_put(&journal.chain, buf_slice(&places->chain));
	}
	journal.handle = 0x81000100;
	journal.name_len = 34;
	memset(journal.name, 0xab, journal.name_len);
	*ret_journal = journal;
}

static int write_doing(struct places *places, enum identity_doing doing)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;

	make_journal(places, doing, &journal);
	return identity_journal_write(places->files, &journal, &places->err);
}

static void assert_doing(struct places *places, enum identity_doing wanted)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;

	journal.step = 77; /* is gone where there is none */
	assert_int_equal(identity_journal_read(places->files, &journal, &places->err), 0);
	assert_int_equal(journal.doing, wanted);
	assert_int_not_equal(journal.step, 77);
}

static void assert_not_read(struct places *places, int code)
{
	struct identity_journal journal = {.doing = IDENTITY_DOING_INIT, .step = 77};

	assert_int_equal(identity_journal_read(places->files, &journal, &places->err), code);
	assert_int_equal(journal.step, 77);
}

static void written_is_read(void **state)
{
	struct places *places = *state;

	assert_doing(places, IDENTITY_DOING_NOTHING);
	assert_int_equal(write_doing(places, IDENTITY_DOING_NOTHING), ERR_INVALID);
	for (unsigned i = IDENTITY_DOING_INIT; i <= IDENTITY_DOING_RESET; i++) {
		CLEANUP(identity_journal_cleanup)
		struct identity_journal read = IDENTITY_JOURNAL_INIT;
		CLEANUP(identity_journal_cleanup)
		struct identity_journal wanted = IDENTITY_JOURNAL_INIT;

		assert_int_equal(write_doing(places, (enum identity_doing)i), 0);
		make_journal(places, (enum identity_doing)i, &wanted);
		assert_int_equal(identity_journal_read(places->files, &read, &places->err), 0);
		assert_int_equal(read.doing, i);
		assert_int_equal(read.handle, wanted.handle);
		assert_int_equal(read.hsk_handle, wanted.hsk_handle);
		assert_int_equal(read.step, wanted.step);
		assert_int_equal(read.clear_tpm, wanted.clear_tpm);
		assert_int_equal(read.partial, wanted.partial);
		assert_string_equal(read.asked, wanted.asked);
		assert_true(slice_equal(buf_slice(&read.object), buf_slice(&wanted.object)));
		assert_true(slice_equal(buf_slice(&read.header), buf_slice(&wanted.header)));
		assert_true(slice_equal(buf_slice(&read.chain), buf_slice(&wanted.chain)));
		assert_true(slice_equal(slice_of(read.name, read.name_len),
					slice_of(wanted.name, wanted.name_len)));
		assert_true(slice_equal(slice_of(read.hsk_name, read.hsk_name_len),
					slice_of(wanted.hsk_name, wanted.hsk_name_len)));
	}
	assert_int_equal(places_mode(places, "persist/holdfast/identity.journal"), 0600);
	assert_int_equal(identity_journal_remove(places->files, &places->err), 0);
	assert_doing(places, IDENTITY_DOING_NOTHING);
	assert_int_equal(places_count(places, "persist/holdfast"), 0);
	assert_int_equal(places_count(places, "state"), 0);
}

/* A reset goes on without the folder that it is to empty; nothing else begins without it. */
static void lost_persist_folder(void **state)
{
	struct places *places = *state;

	assert_int_equal(write_doing(places, IDENTITY_DOING_RESET), 0);
	places_delete(places, "persist");
	assert_doing(places, IDENTITY_DOING_RESET);
	assert_int_equal(write_doing(places, IDENTITY_DOING_RESET), 0);
	assert_int_equal(write_doing(places, IDENTITY_DOING_INIT), ERR_UNREADABLE);
	assert_doing(places, IDENTITY_DOING_RESET);
	/* It is not over while there may be something in that folder. */
	assert_int_equal(identity_journal_remove(places->files, &places->err), ERR_UNREADABLE);
	assert_doing(places, IDENTITY_DOING_RESET);
	places_put_folder(places, "persist");
	assert_int_equal(identity_journal_remove(places->files, &places->err), 0);
	assert_doing(places, IDENTITY_DOING_NOTHING);
}

/* Something of ours goes on there; that somebody has a reset there is nothing but told. */
static void lost_state_folder(void **state)
{
	struct places *places = *state;

	for (unsigned i = IDENTITY_DOING_INIT; i <= IDENTITY_DOING_RESET; i++) {
		CLEANUP(identity_journal_cleanup)
		struct identity_journal journal = IDENTITY_JOURNAL_INIT;
		bool is_reset = i == IDENTITY_DOING_RESET;

		assert_int_equal(write_doing(places, (enum identity_doing)i), 0);
		places_delete(places, "state");
		places_put_folder(places, "state");
		assert_doing(places, is_reset ? IDENTITY_DOING_NOTHING : (enum identity_doing)i);
		assert_int_equal(identity_journal_read(places->files, &journal, &places->err), 0);
		assert_int_equal(journal.stray, is_reset);
		assert_int_equal(journal.of_persist, !is_reset);
		assert_int_equal(journal.step, 0);
		assert_false(journal.clear_tpm);
		assert_int_equal(journal.name_len, is_reset ? 0 : 34);
	}
	/* It is in the way of nothing. */
	assert_int_equal(write_doing(places, IDENTITY_DOING_INIT), 0);
	assert_doing(places, IDENTITY_DOING_INIT);
}

/* Of a generation that none of ours reaches, with all steps said to be done. */
static void forge(struct places *places, enum identity_doing doing)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);
	CLEANUP(twin_cleanup) struct twin twin = {.count = 0};
	CLEANUP(fd_close_cleanup) int dir = -1;

	make_journal(places, doing, &journal);
	journal.step = UINT32_MAX;
	assert_int_equal(files_journal_to_text(&journal, &text, &places->err), 0);
	assert_int_equal(files_open(places->files, FILES_IN_HOLDFAST, true, &dir, &places->err), 0);
	twin_add(&twin, dir, FILES_JOURNAL, 0);
	(void)!twin_load(&twin, NULL, &places->err);
	twin.copies[twin.best].generation += 1000;
	assert_int_equal(twin_write(&twin, buf_slice(&text), &places->err), 0);
}

/* Who can write the persist folder alone neither orders a reset nor ends one. */
static void forged_in_persist(void **state)
{
	struct places *places = *state;

	forge(places, IDENTITY_DOING_RESET);
	assert_doing(places, IDENTITY_DOING_NOTHING);
	places_put(places, "state/identity.journal", slice_str("torn"));
	places_put(places, "state/identity.journal.copy", slice_str("torn"));
	assert_not_read(places, ERR_DAMAGED);
	assert_int_equal(identity_journal_remove(places->files, &places->err), 0);
	for (unsigned i = IDENTITY_DOING_INIT; i <= IDENTITY_DOING_RESET; i++) {
		CLEANUP(identity_journal_cleanup)
		struct identity_journal read = IDENTITY_JOURNAL_INIT;

		assert_int_equal(write_doing(places, IDENTITY_DOING_RESET), 0);
		forge(places, (enum identity_doing)i);
		assert_int_equal(identity_journal_read(places->files, &read, &places->err), 0);
		assert_int_equal(read.doing, IDENTITY_DOING_RESET);
		assert_int_equal(read.step, 4);
		/* The next step is noted all the same. */
		assert_int_equal(write_doing(places, IDENTITY_DOING_RESET), 0);
		assert_int_equal(identity_journal_remove(places->files, &places->err), 0);
		assert_doing(places, IDENTITY_DOING_NOTHING);
	}
}

static void damaged(void **state)
{
	static const char *const ALL[] = {"persist/holdfast/identity.journal",
					  "persist/holdfast/identity.journal.copy",
					  "state/identity.journal", "state/identity.journal.copy"};
	struct places *places = *state;

	for (size_t good = 0; good < ARRAY_LEN(ALL); good++) {
		assert_int_equal(write_doing(places, IDENTITY_DOING_MIGRATE), 0);
		for (size_t i = 0; i < ARRAY_LEN(ALL); i++)
			if (i != good)
				places_put(places, ALL[i], slice_str("torn"));
		if (good >= 2) {
			assert_doing(places, IDENTITY_DOING_MIGRATE);
		} else { /* it may have been a reset */
			assert_not_read(places, ERR_DAMAGED);
			assert_int_equal(write_doing(places, IDENTITY_DOING_INIT), ERR_DAMAGED);
		}
		assert_int_equal(identity_journal_remove(places->files, &places->err), 0);
		places_delete(places, "persist/holdfast/quarantine");
	}
	for (size_t i = 1; i < ARRAY_LEN(ALL); i++)
		places_put(places, ALL[i], slice_str("torn"));
	assert_not_read(places, ERR_DAMAGED);
	assert_int_equal(write_doing(places, IDENTITY_DOING_INIT), ERR_DAMAGED);
	/* Which is the way out of that, also where the other folder is not to be had. */
	places_delete(places, "persist");
	assert_int_equal(write_doing(places, IDENTITY_DOING_RESET), 0);
	assert_doing(places, IDENTITY_DOING_RESET);
	places_put_folder(places, "persist");
	assert_int_equal(identity_journal_remove(places->files, &places->err), 0);
	places_put_folder(places, "persist/holdfast");
	for (size_t i = 1; i < ARRAY_LEN(ALL); i++)
		places_put(places, ALL[i], slice_str("torn"));
	assert_int_equal(identity_journal_remove(places->files, &places->err), 0);
	assert_doing(places, IDENTITY_DOING_NOTHING);
	assert_int_equal(places_count(places, "persist/holdfast/quarantine"), 3);
}

/* --- texts --- */

struct edit {
	const char *from, *to; /* the first time that it stands there */
};

/* The text with that changed; the place must be there. */
static void apply(struct slice text, const struct edit *edit, struct buf *ret_text)
{
	const uint8_t *at = memmem(text.data, text.len, edit->from, strlen(edit->from));
	size_t before;

	if (!at)
		fail_msg("no %s", edit->from);
	before = (size_t)(at - text.data);
	buf_put(ret_text, slice_of(text.data, before));
	buf_put_str(ret_text, edit->to);
	before += strlen(edit->from);
	buf_put(ret_text, slice_of(text.data + before, text.len - before));
	assert_true(buf_ok(ret_text));
}

#define LONG_LINE "\"since\":\"01234567890123456789012345678901\""

/* Of either kind; a row that does not change the text is a mistake here. */
static const struct edit both[] = {
	{"{\"version\":1", "{\"version\":1,\"more\":1"},
	{"{\"version\":1", "{\"version\":1,\"version\":1"},
	{"{\"version\":1", "{\"version\":\"1\""},
	{"{\"version\":1", "{\"version\":0"},
	{"{\"version\":1,", "{"},
	{"\"handle\":2164261", "\"handle\":2264261"},
	{"\"handle\":2164261", "\"handle\":-2164261"},
	{"\"handle\":", "\"handle\":1.0,\"x\":"},
	{"\"name\":\"ab", "\"name\":\"AB"},
	{"\"name\":\"ab", "\"name\":\"a"},
	{"\"name\":\"ab", "\"name\":\"abababababababababababababababababababababababababababababab"
			  "ababababababababababababababababababababababababababababababababab"},
	{"\"header\":\"", "\"header\":\"*"},
	{"\"header\":\"", "\"header\":[],\"x\":\""},
	{"\"chain\":\"MII", "\"chain\":\"AII"},
	{"}\n", "} x"},
	{"}\n", ""},
};
static const struct edit of_record[] = {
	{"\"enabled\":true", "\"enabled\":false"},
	{"\"enabled\":true", "\"enabled\":1"},
	{"\"present\":true", "\"present\":false"},
	{"\"generation\":5", "\"generation\":0"},
	{"\"generation\":5", "\"generation\":9223372036854775808"},
	{"\"since\":\"2026-01-02T03:04:05Z\"", LONG_LINE},
	{"\"since\":\"2026", "\"since\":\"\\n026"},
	{"\"since\":\"2026", "\"since\":\"\\u0080"},
	{"\"spki\":\"MFkw", "\"spki\":\"AAAA"},
	{"\"name\":\"ab", "\"name\":\"\",\"x\":\""},
	{"\"header\":\"aGVhZGVy\"", "\"header\":\"\""},
	{"\"handle\":2164261", "\"handle\":0,\"x\":1"},
};
static const struct edit of_journal[] = {
	{"\"doing\":\"init\"", "\"doing\":\"\""},
	{"\"doing\":\"init\"", "\"doing\":\"nothing\""},
	{"\"doing\":\"init\"", "\"doing\":null"},
	{"\"clear_tpm\":false", "\"clear_tpm\":0"},
	{"\"partial\":false,", ""},
	{"\"step\":0", "\"step\":4294967296"},
	{"\"asked\":\"", "\"asked\":\"\\u001b"},
};

static int read_text(bool record, struct slice text, struct err *err)
{
	CLEANUP(identity_record_cleanup) struct identity_record one = IDENTITY_RECORD_INIT;
	CLEANUP(identity_journal_cleanup) struct identity_journal other = IDENTITY_JOURNAL_INIT;

	return record ? files_record_of_text(text, &one, err)
		      : files_journal_of_text(text, &other, err);
}

static void assert_edits(bool record, struct slice text, const struct edit *edits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buf_fini) struct buf edited = BUF_INIT(2 * TWIN_MAX);
		struct err err = {0};

		apply(text, &edits[i], &edited);
		if (read_text(record, buf_slice(&edited), &err) != ERR_DAMAGED)
			fail_msg("%s to %s: %d %s", edits[i].from, edits[i].to, err.code, err.text);
	}
}

static void texts_are_strict(void **state)
{
	static const struct edit later = {"{\"version\":1", "{\"version\":2,\"more\":1"};
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	struct places *places = *state;

	places_record(places, 5, &record);
	make_journal(places, IDENTITY_DOING_INIT, &journal);
	for (unsigned kind = 0; kind < 2; kind++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT(TWIN_MAX);
		CLEANUP(buf_fini) struct buf newer = BUF_INIT(TWIN_MAX);
		struct err err;
		bool is_record = kind == 0;

		assert_int_equal(is_record ? files_record_to_text(&record, &text, &err)
					   : files_journal_to_text(&journal, &text, &err),
				 0);
		assert_int_equal(read_text(is_record, buf_slice(&text), &err), 0);
		assert_edits(is_record, buf_slice(&text), both, ARRAY_LEN(both));
		if (is_record)
			assert_edits(true, buf_slice(&text), of_record, ARRAY_LEN(of_record));
		else
			assert_edits(false, buf_slice(&text), of_journal, ARRAY_LEN(of_journal));
		apply(buf_slice(&text), &later, &newer);
		assert_int_equal(read_text(is_record, buf_slice(&newer), &err), ERR_UNREADABLE);
		for (size_t cut = 0; cut + 1 < text.len; cut += 1 + cut / 100)
			assert_int_equal(read_text(is_record, slice_of(text.data, cut), &err),
					 ERR_DAMAGED);
	}
}

/* What a later version wrote is not torn: nothing new may come of it. */
static void later_version_is_unreadable(void **state)
{
	static const char LATER[] = "{\"version\":2}";
	struct places *places = *state;
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;
	CLEANUP(fd_close_cleanup) int dir = -1;
	CLEANUP(twin_cleanup) struct twin twin = {.count = 0};

	assert_int_equal(files_open(places->files, FILES_IN_CONFIG, true, &dir, &places->err), 0);
	twin_add(&twin, dir, FILES_RECORD_COPY, 0);
	assert_int_equal(twin_load(&twin, NULL, &places->err), ERR_NOT_FOUND);
	assert_int_equal(twin_write(&twin, slice_str(LATER), &places->err), 0);
	assert_int_equal(identity_record_read(places->files, &record, &places->err),
			 IDENTITY_FOUND_UNREADABLE);
	places_record(places, 1, &record);
	assert_int_equal(identity_record_write(places->files, &record, &places->err),
			 ERR_UNREADABLE);
}

static void unfit_are_not_written(void **state)
{
	struct places *places = *state;
	CLEANUP(identity_record_cleanup) struct identity_record record = IDENTITY_RECORD_INIT;

	places_record(places, 1, &record);
	record.handle = 0x80000001;
	assert_int_equal(identity_record_write(places->files, &record, &places->err), ERR_INVALID);
	record.handle = 0x81000100;
	record.since[0] = '\n';
	assert_int_equal(identity_record_write(places->files, &record, &places->err), ERR_INVALID);
	assert_int_equal(places_count(places, "persist"), 0);
}

/* Full of the largest that each may hold, it still fits into its file. */
static void largest(void **state)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	struct places *places = *state;

	make_journal(places, IDENTITY_DOING_MIGRATE, &journal);
	while (journal.object.len < IDENTITY_OBJECT_MAX)
		buf_put_u8(&journal.object, 0xff);
	while (journal.header.len < IDENTITY_HEADER_MAX)
		buf_put_u8(&journal.header, 0xff);
	journal.chain.len = 0;
	for (size_t i = 0; i < 4; i++) {
		buf_put_u32(&journal.chain, 0x30821ffc);
		while (journal.chain.len < (i + 1) * 8192)
			buf_put_u8(&journal.chain, 0);
	}
	assert_int_equal(journal.chain.len, IDENTITY_CHAIN_MAX);
	assert_int_equal(identity_journal_write(places->files, &journal, &places->err), 0);
	assert_doing(places, IDENTITY_DOING_MIGRATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACES_TEST(written_is_read),
		PLACES_TEST(lost_persist_folder),
		PLACES_TEST(lost_state_folder),
		PLACES_TEST(forged_in_persist),
		PLACES_TEST(damaged),
		PLACES_TEST(texts_are_strict),
		PLACES_TEST(later_version_is_unreadable),
		PLACES_TEST(unfit_are_not_written),
		PLACES_TEST(largest),
	};

	return cmocka_run_group_tests_name("identity journal", tests, NULL, NULL);
}
