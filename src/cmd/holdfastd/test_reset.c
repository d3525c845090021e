/* SPDX-License-Identifier: Apache-2.0 */
/* What a reset plans, erases and tells; the journal at each step, and a step that fails. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/holdfastd/reset_steps.h"
#include "cmd/holdfastd/state.h"
#include "identity/identity.h"
#include "tests/support/folder.h"

#define RECORD "{\"version\":1,\"hsk_name\":\"000baa\"}"
#define HSK    0x81000101u
#define KEY    0x81000100u

struct fixture {
	struct identity_journal journal;
	struct err err;
	/* disk */
	char root[64];
	char state[PATH_MAX];
	struct store *store;
	struct identity_files *files;
	struct reset_place place;
};

/* --- the plan --- */

static struct identity_view view_with_key(void)
{
	return (struct identity_view){
		.on_chip = true, .handle = KEY, .name = {0, 0x0b, 1}, .name_len = 3};
}

static void plan(const struct reset_plan *plan, const struct identity_view *view,
		 struct identity_journal *journal)
{
	struct err err;

	assert_int_equal(reset_plan(plan, view, journal, &err), 0);
	assert_int_equal(journal->doing, IDENTITY_DOING_RESET);
	assert_int_equal(journal->step, 0);
	assert_string_equal(journal->asked, "1970-01-02T00:00:00Z");
}

static void test_plan(void **state)
{
	struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	const struct identity_view view = view_with_key();
	struct reset_plan wish = {.hsk_handle = HSK, .now = 86400};
	struct tpm_erase erase;

	(void)state;
	/* A software identity, and no TPM ever. */
	plan(&wish, &(struct identity_view){.handle = KEY, .name_len = 3}, &journal);
	assert_false(journal.partial);
	assert_false(reset_erase(&journal, &erase));
	/* No view at all. */
	plan(&wish, NULL, &journal);
	assert_false(reset_erase(&journal, &erase));
	/* Both keys: what the others hang on is the first. */
	wish.record = slice_str(RECORD);
	plan(&wish, &view, &journal);
	assert_true(reset_erase(&journal, &erase));
	assert_false(erase.clear);
	assert_int_equal(erase.count, 2);
	assert_int_equal(erase.keys[0].handle, HSK);
	assert_memory_equal(erase.keys[0].name.data, "\x00\x0b\xaa", 3);
	assert_int_equal(erase.keys[1].handle, KEY);
	assert_int_equal(erase.keys[1].name.len, 3);
	/* One that is not persistent is not evicted. */
	wish.hsk_handle = 0;
	plan(&wish, NULL, &journal);
	assert_false(reset_erase(&journal, &erase));
	/* Nothing of ours, but all of it. */
	wish = (struct reset_plan){.clear_tpm = true, .now = 86400};
	plan(&wish, NULL, &journal);
	assert_true(reset_erase(&journal, &erase));
	assert_true(erase.clear);
	assert_int_equal(erase.count, 0);
	identity_journal_fini(&journal);
}

/* Without its Name a key stays, and that is told. */
static void test_plan_of_a_lost_record(void **state)
{
	static const char *const BAD[] = {"{}", "no JSON", "{\"hsk_name\":\"x\"}",
					  "{\"hsk_name\":\"\"}", "{\"hsk_name\":\"zz\"}"};
	struct identity_journal journal = IDENTITY_JOURNAL_INIT;
	struct reset_plan wish = {.hsk_handle = HSK, .now = 86400};
	struct tpm_erase erase;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		wish.record = slice_str(BAD[i]);
		plan(&wish, NULL, &journal);
		assert_true(journal.partial);
		assert_false(reset_erase(&journal, &erase));
	}
	wish.record = slice_of(NULL, 0);
	wish.record_lost = true;
	plan(&wish, NULL, &journal);
	assert_true(journal.partial);
	identity_journal_fini(&journal);
}

/* Of an identity that is being made the journal knows the key, the view none or an older one. */
static void test_plan_while_doing(void **state)
{
	static const enum identity_doing DOING[] = {IDENTITY_DOING_INIT, IDENTITY_DOING_MIGRATE,
						    IDENTITY_DOING_CONFIRM};
	const struct identity_view view = view_with_key();
	const struct reset_plan wish = {.now = 86400};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(DOING); i++) {
		struct identity_journal journal = IDENTITY_JOURNAL_INIT;

		journal.doing = DOING[i];
		journal.handle = 0x81000105u;
		journal.name[0] = 7;
		journal.name_len = 1;
		buf_put_str(&journal.object, "object");
		buf_put_str(&journal.chain, "chain");
		plan(&wish, &view, &journal);
		assert_int_equal(journal.handle, 0x81000105u);
		assert_int_equal(journal.name_len, 1);
		assert_int_equal(journal.object.len + journal.chain.len, 0);
		identity_journal_fini(&journal);
	}
}

/* --- what is left --- */

static void test_left(void **state)
{
	static const struct {
		bool clear, used;
		struct tpm_erased erased;
		const char *text;
	} CASES[] = {
		{false, false, {0}, ""},
		{false, true, {0}, "reset: partial: copies that somebody kept"},
		{false, true, {.left = 1, .why = "0x81000101"}, "reset: partial: 0x81000101"},
		{true, true, {.cleared = true}, ""},
		{true, true, {.cleared = true, .left = 2, .why = "x"}, ""},
		{true, true, {.cleared = false, .why = "disabled"}, "reset: partial: disabled"},
		{true, false, {.left = 0}, "reset: partial: the TPM could not be erased in full"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct identity_journal journal = {.clear_tpm = CASES[i].clear,
						   .hsk_name_len = CASES[i].used ? 3 : 0};
		char text[IDENTITY_REASON_MAX];

		reset_erased(&journal, &CASES[i].erased);
		assert_int_equal(journal.step, RESET_CHIP);
		reset_left(&journal, CASES[i].erased.why, text, sizeof(text));
		if (strncmp(text, CASES[i].text, strlen(CASES[i].text)) != 0 ||
		    (CASES[i].text[0] == '\0' && text[0] != '\0'))
			fail_msg("row %zu: %s", i, text);
	}
}

/* --- the disk --- */

static void path_of(const struct fixture *fixture, const char *name, char ret[static PATH_MAX])
{
	assert_true(snprintf(ret, PATH_MAX, "%s/%s", fixture->state, name) < PATH_MAX);
}

static bool has(const struct fixture *fixture, const char *name)
{
	char path[PATH_MAX];

	path_of(fixture, name, path);
	return access(path, F_OK) == 0;
}

static void put(const struct fixture *fixture, const char *name)
{
	char path[PATH_MAX];
	FILE *file;

	path_of(fixture, name, path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs("x", file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void make_folder(const struct fixture *fixture, const char *name)
{
	char path[PATH_MAX];

	path_of(fixture, name, path);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void fill(struct fixture *fixture)
{
	static const char *const FOLDERS[] = {"tenants/web", "fapi", "fapi/system", "quarantine",
					      "device"};
	static const char *const FILES[] = {
		"tpm.state",	"tpm.used", "tpm.state.2026",	     "foreign",
		"quarantine/x", "fapi/c",   "device/device.cert.pem"};
	const struct store_id id = {"host", STORE_SECRETS, "a"};
	size_t i;

	assert_int_equal(store_create(fixture->store, &id, slice_str("x"), &fixture->err), 0);
	for (i = 0; i < ARRAY_LEN(FOLDERS); i++)
		make_folder(fixture, FOLDERS[i]);
	for (i = 0; i < ARRAY_LEN(FILES); i++)
		put(fixture, FILES[i]);
	fixture->journal.doing = IDENTITY_DOING_RESET;
	(void)snprintf(fixture->journal.asked, sizeof(fixture->journal.asked), "now");
	assert_int_equal(identity_journal_write(fixture->files, &fixture->journal, &fixture->err),
			 0);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const struct identity_places places = {
		.config = "", .persist = "", .run = fixture->state, .state = fixture->state};
	struct state opened = {.store = NULL};

	*state = fixture;
	fixture->journal = (struct identity_journal)IDENTITY_JOURNAL_INIT;
	(void)snprintf(fixture->root, sizeof(fixture->root), "/tmp/holdfast-reset-XXXXXX");
	if (!mkdtemp(fixture->root))
		return -1;
	(void)snprintf(fixture->state, sizeof(fixture->state), "%s/state", fixture->root);
	if (state_open(fixture->state, &opened, &fixture->err) < 0)
		return -1;
	fixture->store = TAKE(opened.store);
	state_fini(&opened);
	if (identity_files_new(&places, &fixture->files, &fixture->err) < 0)
		return -1;
	fixture->place = (struct reset_place){
		.store = fixture->store, .files = fixture->files, .state = fixture->state};
	fill(fixture);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	int r;

	identity_journal_fini(&fixture->journal);
	identity_files_free(fixture->files);
	store_free(fixture->store);
	r = folder_remove_all(fixture->root);
	free(fixture);
	return r;
}

/* What the next start would read. */
static unsigned journalled(struct fixture *fixture)
{
	CLEANUP(identity_journal_cleanup) struct identity_journal journal = IDENTITY_JOURNAL_INIT;

	assert_int_equal(identity_journal_read(fixture->files, &journal, &fixture->err), 0);
	assert_int_equal(journal.doing, IDENTITY_DOING_RESET);
	return journal.step;
}

static void test_disk(void **state)
{
	static const char *const FIRST[] = {"tenants", "quarantine", "fapi"};
	static const char *const THEN[] = {
		"auth.key", "auth.key.copy",  "host.key", "tpm.state",
		"tpm.used", "tpm.state.2026", "foreign",  "device/device.cert.pem"};
	struct fixture *fixture = *state;
	size_t i;

	assert_int_equal(
		reset_disk(&fixture->place, RESET_BEFORE_CHIP, &fixture->journal, &fixture->err),
		0);
	assert_int_equal(journalled(fixture), RESET_BEFORE_CHIP);
	for (i = 0; i < ARRAY_LEN(FIRST); i++)
		assert_false(has(fixture, FIRST[i]));
	/* What the chip is asked with is there as long. */
	for (i = 0; i < ARRAY_LEN(THEN); i++)
		if (!has(fixture, THEN[i]))
			fail_msg("%s", THEN[i]);
	assert_int_equal(
		reset_disk(&fixture->place, RESET_AFTER_CHIP, &fixture->journal, &fixture->err), 0);
	assert_int_equal(journalled(fixture), RESET_ALL & ~RESET_CHIP);
	for (i = 0; i < ARRAY_LEN(THEN); i++)
		assert_false(has(fixture, THEN[i]));
	assert_true(has(fixture, "lock"));
	/* All of it again: absent is good, and what is done is not done anew. */
	fixture->journal.step = 0;
	put(fixture, "auth.key");
	assert_int_equal(reset_disk(&fixture->place, RESET_ALL, &fixture->journal, &fixture->err),
			 0);
	assert_false(has(fixture, "auth.key"));
	put(fixture, "auth.key");
	assert_int_equal(reset_disk(&fixture->place, RESET_ALL, &fixture->journal, &fixture->err),
			 0);
	assert_true(has(fixture, "auth.key"));
}

/* A step that fails ends the round: what tells of secrets must not die before them. */
static void test_disk_fails(void **state)
{
	char deep[PATH_MAX] = "fapi";
	struct fixture *fixture = *state;
	unsigned i;

	for (i = 0; i < 40; i++) {
		(void)snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep), "/d");
		make_folder(fixture, deep);
	}
	assert_int_equal(reset_disk(&fixture->place, RESET_ALL, &fixture->journal, &fixture->err),
			 ERR_INTERNAL);
	assert_int_equal(fixture->journal.step, RESET_RECORDS);
	assert_int_equal(journalled(fixture), RESET_RECORDS);
	assert_true(has(fixture, "auth.key"));
	assert_true(has(fixture, "device/device.cert.pem"));
}

/* The identity's folder below the state folder is found however that is written. */
static void test_state_with_a_slash(void **state)
{
	struct fixture *fixture = *state;
	char path[PATH_MAX];

	path_of(fixture, "/", path);
	fixture->place.state = path;
	assert_int_equal(reset_disk(&fixture->place, RESET_REST, &fixture->journal, &fixture->err),
			 0);
	assert_true(has(fixture, "device/device.cert.pem"));
	assert_false(has(fixture, "foreign"));
}

/* Nobody asks the chip any more; what may be in it is told. */
static void test_without_the_chip(void **state)
{
	static const struct {
		bool hsk, key, clear;
		const char *text;
	} CASES[] = {
		{false, false, false, ""},
		{true, false, false, "at 0x81000101"},
		{false, true, false, "at 0x81000100"},
		{true, true, false, "at 0x81000101, 0x81000100"},
		{false, false, true, "reset: partial: the TPM could not be erased in full"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct identity_journal journal = {
			.hsk_handle = HSK,
			.hsk_name_len = CASES[i].hsk ? 3 : 0,
			.handle = KEY,
			.name_len = CASES[i].key ? 3 : 0,
			.clear_tpm = CASES[i].clear,
		};
		char text[IDENTITY_REASON_MAX];

		reset_give_up_chip(&journal);
		assert_int_equal(journal.step, RESET_CHIP);
		assert_int_equal(journal.partial, CASES[i].text[0] != '\0');
		reset_left(&journal, "", text, sizeof(text));
		if (!strstr(text, CASES[i].text) || (CASES[i].text[0] == '\0' && text[0] != '\0'))
			fail_msg("row %zu: %s", i, text);
		/* What the chip has done already stays done. */
		journal.partial = false;
		reset_give_up_chip(&journal);
		assert_false(journal.partial);
	}
}

#define ON_DISK(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_plan_of_a_lost_record),
		cmocka_unit_test(test_plan_while_doing),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_without_the_chip),
		ON_DISK(test_disk),
		ON_DISK(test_disk_fails),
		ON_DISK(test_state_with_a_slash),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
