/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/test_unlock_fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "artifact/v1.h"
#include "base/base64.h"
#include "crypto/cms.h"
#include "loader/fault.h"
#include "tests/vectors/v1_sig.inc"

#define PLAIN  1000001u /* of most archives: several pieces, and no whole block */
#define CALLS  64u
#define LOOK3  "look a;look b;look c;"
#define WALK3  LOOK3 "login;fragment;" LOOK3 "load;"
#define WALKED "login;fragment;"

static void assert_plain(size_t size)
{
	assert_int_equal(fake.got.len, size);
	for (size_t i = 0; i < size; i++)
		if (fake.got.data[i] != i * 7 % 251)
			fail_msg("byte %zu", i);
}

/* --- ways to an answer --- */

static void test_names(void **state)
{
	static const char *const names[UNLOCK_STATES] = {
		"idle",		  "authenticating", "downloading_key", "decrypting",
		"loading_images", "ready",	    "error",
	};

	(void)state;
	for (size_t i = 0; i < UNLOCK_STATES; i++)
		assert_string_equal(unlock_state_name((enum unlock_state)i), names[i]);
}

static void test_images_are_there(void **state)
{
	(void)state;
	fake_unlock(3, true);
	memcpy(fake.now, fake.loaded, sizeof(fake.now));
	assert_int_equal(fake_status().state, UNLOCK_IDLE);
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_READY);
	assert_int_equal(fake.code, 0);
	assert_int_equal(fake_status().state, UNLOCK_READY);
	fake_assert_text(&fake.log, LOOK3);
}

static void test_whole_walk(void **state)
{
	(void)state;
	fake_archive(PLAIN);
	fake_unlock(3, true);
	fake.now[1] = FAKE_OLD;
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
	assert_int_equal(fake.code, 0);
	fake_assert_text(&fake.log, WALK3 LOOK3);
	fake_assert_text(&fake.states,
			 "idle;authenticating;downloading_key;decrypting;loading_images;ready;");
	assert_plain(PLAIN);
	assert_string_equal(fake.email, "a@b.c");
	assert_string_equal(fake.password, "pw");
	assert_int_equal(fake_status().state, UNLOCK_READY);
	assert_int_equal(fake_status().err.code, 0);
	assert_int_equal(fake_status().total, v1_blob_size(PLAIN));
	assert_int_equal(fake_status().done, fake_status().total);
	assert_int_equal(fake.notes, 1);
	assert_string_equal(fake.note, "images/images.enc: no signature: length, padding and ids "
				       "are all that was checked");
	/* And now they are there. */
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_READY);
	fake_assert_text(&fake.log, WALK3 LOOK3 LOOK3);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {1,
				       15,
				       16,
				       17,
				       LOADER_PIECE - 33,
				       LOADER_PIECE - 32,
				       LOADER_PIECE - 17,
				       LOADER_PIECE - 16,
				       LOADER_PIECE,
				       LOADER_PIECE + 1,
				       20 * LOADER_PIECE + 7};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (i > 0) {
			assert_int_equal(fake_teardown(state), 0);
			assert_int_equal(fake_setup(state), 0);
		}
		fake_archive(sizes[i]);
		fake_unlock(1, true);
		fake_ask();
		assert_int_equal(fake_status().state, UNLOCK_READY);
		assert_plain(sizes[i]);
	}
}

static void test_neither(void **state)
{
	(void)state;
	fake_unlock(2, false);
	fake.now[0] = FAKE_OLD;
	fake_ask();
	assert_int_equal(fake.code, ERR_NOT_FOUND);
	assert_int_equal(fake_status().state, UNLOCK_IDLE);
	fake.config.images_path = NULL;
	fake_ask();
	assert_int_equal(fake.code, ERR_NOT_FOUND);
	fake_assert_text(&fake.log, "look a;look b;look a;look b;");
}

static void test_no_socket(void **state)
{
	struct unlock_call *call;

	(void)state;
	fake.config.docker_socket = NULL;
	fake_unlock(1, false);
	assert_int_equal(fake_begin(&call), ERR_NOT_FOUND);
	assert_int_equal(fake_status().state, UNLOCK_IDLE);
}

static void test_bad_config(void **state)
{
	struct unlock *unlock = NULL;

	(void)state;
	fake.images[0].ref = "no tag";
	fake.config.image_count = 1;
	assert_int_equal(unlock_new(&fake.loader, &unlock, &fake.err), ERR_INVALID);
	fake.images[0] = (struct loader_image){"r.test/a:1", "sha256:1"};
	assert_int_equal(unlock_new(&fake.loader, &unlock, &fake.err), ERR_INVALID);
	fake.config.image_count = LOADER_IMAGES + 1;
	assert_int_equal(unlock_new(&fake.loader, &unlock, &fake.err), ERR_INVALID);
	assert_null(unlock);
}

/* Where no images are named, ready is what has been loaded. */
static void test_no_names(void **state)
{
	(void)state;
	fake_archive(100);
	fake_unlock(0, false);
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
	assert_int_equal(fake_status().state, UNLOCK_READY);
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_READY);
	fake_assert_text(&fake.log, WALKED "load;");
}

static void test_no_names_nor_archive(void **state)
{
	struct unlock_call *call;

	(void)state;
	fake_unlock(0, false);
	fake_ask();
	assert_int_equal(fake.code, ERR_NOT_FOUND);
	fake.config.images_path = NULL;
	assert_int_equal(fake_begin(&call), ERR_NOT_FOUND);
	fake_assert_text(&fake.log, "");
}

/* --- what fails --- */

static const struct {
	struct fake_failure failure;
	int code;
	const char *log; /* of one image */
} FAILURES[] = {
	{{"look", 1, ERR_TIMEOUT, false}, FAULT_DOCKER, "look a;"},
	{{"look", 1, ERR_INTERNAL, false}, FAULT_DOCKER, "look a;"},
	{{"look", 1, ERR_INVALID, true}, FAULT_DOCKER, "look a;"},
	{{"login", 1, FAULT_CREDENTIALS, false}, FAULT_CREDENTIALS, "look a;login;"},
	{{"login", 1, FAULT_UPSTREAM, false}, FAULT_UPSTREAM, "look a;login;"},
	{{"login", 1, ERR_INVALID, true}, ERR_INVALID, "look a;login;"},
	{{"fragment", 1, FAULT_UPSTREAM, false}, FAULT_UPSTREAM, "look a;" WALKED},
	{{"fragment", 1, ERR_INTERNAL, true}, ERR_INTERNAL, "look a;" WALKED},
	{{"look", 2, ERR_TIMEOUT, false}, FAULT_DOCKER, "look a;" WALKED "look a;"},
	{{"look", 2, ERR_INTERNAL, true}, FAULT_DOCKER, "look a;" WALKED "look a;"},
	{{"load", 1, ERR_INTERNAL, true}, FAULT_DOCKER, "look a;" WALKED "look a;load;"},
	{{"load", 1, ERR_INTERNAL, false}, FAULT_DOCKER, "look a;" WALKED "look a;load;look a;"},
	/* The engine has no such call, and was not asked for an archive of ours. */
	{{"load", 1, ERR_NOT_FOUND, false}, FAULT_DOCKER, "look a;" WALKED "look a;load;look a;"},
	{{"look", 3, ERR_TIMEOUT, false},
	 FAULT_DOCKER,
	 "look a;" WALKED "look a;load;look a;untag a;"},
	{{"look", 3, ERR_INTERNAL, true},
	 FAULT_DOCKER,
	 "look a;" WALKED "look a;load;look a;untag a;"},
};

static void test_failures(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		assert_int_equal(fake_teardown(state), 0);
		assert_int_equal(fake_setup(state), 0);
		fake_archive(PLAIN);
		fake_unlock(1, false);
		fake.failures[0] = FAILURES[i].failure;
		fake_ask();
		assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
		assert_int_equal(fake.code, 0);
		fake_assert_error(FAILURES[i].code);
		assert_int_equal(fake.notes,
				 1 + (strstr(FAILURES[i].log, "fragment;look") != NULL));
		assert_non_null(strstr(fake.note, "the images were not loaded: "));
		assert_non_null(strstr(fake.note, fault_info(FAILURES[i].code)->name));
		fake_assert_text(&fake.log, FAILURES[i].log);
		assert_null(fake.now[0]);
		/* And once more, from the beginning, without it. */
		fake.failures[0].word = NULL;
		buf_reset(&fake.log);
		buf_reset(&fake.got);
		fake_ask();
		assert_int_equal(fake_status().state, UNLOCK_READY);
		assert_int_equal(fake_status().err.code, 0);
		fake_assert_text(&fake.log, "look a;" WALKED "look a;load;look a;");
		assert_plain(PLAIN);
	}
}

/* Nothing of what does not open goes to the engine. */
static void test_bad_archives(void **state)
{
	static const struct {
		const char *fragment;
		long cut; /* bytes that are left of it, -1: all */
		int code;
	} rows[] = {
		{"another fragment", -1, ERR_DAMAGED},
		{"a fragment of a key", 1000, ERR_DAMAGED},
		{"a fragment of a key", 16, ERR_DAMAGED},
		{"a fragment of a key", 0, ERR_DAMAGED},
		{"", -1, ERR_INVALID},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(fake_teardown(state), 0);
		assert_int_equal(fake_setup(state), 0);
		fake_archive(PLAIN);
		fake_unlock(1, false);
		fake.fragment = slice_str(rows[i].fragment);
		if (rows[i].cut >= 0)
			assert_int_equal(truncate(fake.archive, rows[i].cut), 0);
		fake_ask();
		fake_assert_error(rows[i].code);
		if (rows[i].code == ERR_DAMAGED)
			assert_string_equal(fake_status().err.text, V1_DOES_NOT_OPEN);
		fake_assert_text(&fake.log, "look a;" WALKED);
		assert_int_equal(fake.got.len, 0);
	}
}

static void test_archive_is_a_folder(void **state)
{
	(void)state;
	fake.config.images_path = fake.folder;
	fake_unlock(1, false);
	fake_ask();
	assert_int_equal(fake.code, 0);
	fake_assert_error(ERR_UNREADABLE);
	assert_string_equal(fake.note, "the images were not loaded: internal: the archive of "
				       "images: it is no file");
	fake_assert_text(&fake.log, "look a;");
}

static void test_empty_archive(void **state)
{
	(void)state;
	fake_archive(0);
	fake_unlock(1, false);
	fake.failures[0] = (struct fake_failure){"load", 1, ERR_INVALID, true};
	fake_ask();
	fake_assert_error(FAULT_DOCKER);
}

/* --- an archive that changes between the passes --- */

static void change_last(void)
{
	CLEANUP(fd_close_cleanup) int fd = open(fake.archive, O_RDWR | O_CLOEXEC);
	uint64_t at = v1_blob_size(20 * LOADER_PIECE) - 100;
	uint8_t byte = 0;

	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static void cut_last(void)
{
	assert_int_equal(truncate(fake.archive, 10 * LOADER_PIECE), 0);
}

static void test_archive_changes(void **state)
{
	static const struct {
		void (*change)(void);
		int code;
	} rows[] = {{change_last, ERR_DAMAGED}, {cut_last, ERR_UNREADABLE}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(fake_teardown(state), 0);
		assert_int_equal(fake_setup(state), 0);
		fake_archive(20 * LOADER_PIECE);
		fake_unlock(1, true);
		fake.on_first = rows[i].change;
		fake.now[0] = FAKE_OLD;
		fake_ask();
		fake_assert_error(rows[i].code);
		assert_true(fake.got.len > 0 && fake.got.len < 20 * LOADER_PIECE);
		fake_assert_text(&fake.log, "look a;" WALKED "look a;load;look a;");
		assert_string_equal(fake.now[0], FAKE_OLD);
	}
}

/* --- signatures --- */

#define OTHER "other"

static void unbase64(const char *text, struct buf *ret_bytes)
{
	size_t len = 0;
	uint8_t *room = buf_grow(ret_bytes, base64_decoded_max(strlen(text)));

	assert_non_null(room);
	assert_true(base64_decode(slice_str(text), room, &len));
	ret_bytes->len -= base64_decoded_max(strlen(text)) - len;
}

static void test_signatures(void **state)
{
	CLEANUP(buf_fini) struct buf anchor = BUF_INIT(8192), other = BUF_INIT(CMS_MAX);
	static const struct {
		bool anchors, denied;
		const char *sig; /* NULL: none; OTHER: a good one, of something else */
		int code;	 /* 0: ready */
	} rows[] = {
		{false, false, NULL, 0},
		{false, false, "not looked at", 0},
		{false, true, NULL, FAULT_SIGNATURE},
		{false, true, "nobody to check it by", FAULT_SIGNATURE},
		{true, false, NULL, 0},
		{true, true, NULL, FAULT_SIGNATURE},
		{true, false, "", FAULT_SIGNATURE},
		{true, false, "no signature", FAULT_SIGNATURE},
		{true, false, OTHER, FAULT_SIGNATURE},
		{true, true, OTHER, FAULT_SIGNATURE},
	};

	unbase64(VECTOR_CA, &anchor);
	unbase64(VECTOR_GOOD, &other);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(fake_teardown(state), 0);
		assert_int_equal(fake_setup(state), 0);
		if (rows[i].anchors)
			fake.config.anchors = buf_slice(&anchor);
		fake.config.unsigned_denied = rows[i].denied;
		fake_archive(100);
		if (rows[i].sig)
			fake_write(fake.sig, strcmp(rows[i].sig, OTHER) == 0
						     ? buf_slice(&other)
						     : slice_str(rows[i].sig));
		fake_unlock(1, true);
		fake_ask();
		if (rows[i].code == 0)
			assert_int_equal(fake_status().state, UNLOCK_READY);
		else
			fake_assert_error(rows[i].code);
		assert_int_equal(fake.notes, 1);
		assert_int_equal(strncmp(fake.note, "images/images.enc: no signature",
					 strlen("images/images.enc: no signature")) == 0,
				 rows[i].code == 0);
		assert_null(strstr(fake.note, "resource"));
		assert_int_equal(fake.got.len, rows[i].code == 0 ? 100 : 0);
	}
}

/* --- several who ask, and those who leave --- */

static void test_asked_while_looking(void **state)
{
	struct unlock_call *call;

	(void)state;
	fake_archive(100);
	fake_unlock(1, false);
	for (unsigned i = 0; i < CALLS; i++)
		assert_int_equal(fake_begin(&call), 0);
	assert_int_equal(fake_begin(&call), FAULT_BUSY);
	fake_run_quiet();
	assert_int_equal(fake.told, CALLS);
	assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
	fake_assert_text(&fake.log, "look a;" WALKED "look a;load;look a;");
}

/* It hears how far the work is, and begins nothing. */
static void test_asked_while_at_work(void **state)
{
	struct unlock_call *call;

	(void)state;
	fake_archive(PLAIN);
	fake_unlock(1, false);
	fake.stuck = true;
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
	assert_int_equal(fake_status().state, UNLOCK_LOADING_IMAGES);
	assert_int_equal(fake_begin(&call), 0);
	assert_int_equal(fake.told, 0);
	fake_run_quiet();
	assert_int_equal(fake.told, 1);
	assert_int_equal(fake.state, UNLOCK_LOADING_IMAGES);
	fake_assert_text(&fake.log, "look a;" WALKED "look a;load;");
}

static void test_leave(void **state)
{
	struct unlock_call *calls[3];

	(void)state;
	fake_archive(100);
	fake_unlock(1, false);
	unlock_leave(NULL);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		assert_int_equal(fake_begin(&calls[i]), 0);
	unlock_leave(calls[1]);
	unlock_leave(calls[2]);
	fake_run_quiet();
	assert_int_equal(fake.told, 1);
	/* The work went on. */
	assert_int_equal(fake_status().state, UNLOCK_READY);
}

/* At each place of the walk, also while the pool is at work: nobody is called any more. */
static void test_free_in_the_middle(void **state)
{
	bool all = false;

	for (unsigned at = 1; !all; at++) {
		struct unlock_call *call;
		unsigned told;

		assert_int_equal(fake_teardown(state), 0);
		assert_int_equal(fake_setup(state), 0);
		fake_archive(3 * PLAIN);
		fake_unlock(2, true);
		fake.loaded[1] = FAKE_WRONG;
		fake.stop_at = at;
		assert_int_equal(fake_begin(&call), 0);
		fake_run_quiet();
		all = fake.steps < at;
		told = fake.told;
		unlock_free(TAKE(fake.unlock));
		fake_run_quiet();
		assert_int_equal(fake.told, told);
	}
	fake_assert_text(&fake.log, "look a;look b;" WALKED
				    "look a;look b;load;look a;look b;untag a;untag b;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_images_are_there),
		TEST(test_whole_walk),
		TEST(test_sizes),
		TEST(test_neither),
		TEST(test_no_socket),
		TEST(test_bad_config),
		TEST(test_no_names),
		TEST(test_no_names_nor_archive),
		TEST(test_failures),
		TEST(test_bad_archives),
		TEST(test_archive_is_a_folder),
		TEST(test_empty_archive),
		TEST(test_archive_changes),
		TEST(test_signatures),
		TEST(test_asked_while_looking),
		TEST(test_asked_while_at_work),
		TEST(test_leave),
		TEST(test_free_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
