/* SPDX-License-Identifier: Apache-2.0 */
/* Images of an artifact of version 2: behind a login, or by its name; what its manifest says. */
#include "loader/test_unlock_fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "loader/fault.h"

#define PLAIN  1000001u /* of most archives: several pieces, and no whole chunk */
#define GET    "artifact images/app;"
#define LOOK2  "look a;look b;"
#define LOADED LOOK2 "load;" LOOK2

static void assert_plain(size_t size)
{
	assert_int_equal(fake.got.len, size);
	for (size_t i = 0; i < size; i++)
		if (fake.got.data[i] != i * 7 % 251)
			fail_msg("byte %zu", i);
}

static void again(void **state)
{
	assert_int_equal(fake_teardown(state), 0);
	assert_int_equal(fake_setup(state), 0);
}

/* --- ways to the images --- */

static void test_behind_a_login(void **state)
{
	(void)state;
	fake_artifact(PLAIN, 2);
	fake_unlock(0, false);
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
	assert_int_equal(fake.code, 0);
	fake_assert_text(&fake.log, "login;" GET LOADED);
	fake_assert_text(&fake.states, "idle;authenticating;downloading_key;loading_images;ready;");
	assert_plain(PLAIN);
	assert_string_equal(fake.email, "a@b.c");
	assert_string_equal(fake.password, "pw");
	assert_int_equal(fake_status().total, fake.manifest.payload_size);
	assert_int_equal(fake_status().done, fake_status().total);
	assert_int_equal(fake.notes, 0);
	assert_int_equal(fake.artifacts, 0);
	/* They are there: nobody is asked. */
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_READY);
	fake_assert_text(&fake.log, "login;" GET LOADED);
}

static void test_by_its_name(void **state)
{
	(void)state;
	fake_artifact(PLAIN, 2);
	fake_unlock(0, false);
	fake_ask_artifact();
	assert_int_equal(fake.state, UNLOCK_DOWNLOADING_KEY);
	assert_int_equal(fake.code, 0);
	fake_assert_text(&fake.log, GET LOADED);
	assert_plain(PLAIN);
	assert_int_equal(fake_status().state, UNLOCK_READY);
	/* It is asked for a newer release each time, and what is there already is not loaded. */
	fake_ask_artifact();
	assert_int_equal(fake_status().state, UNLOCK_READY);
	fake_assert_text(&fake.log, GET LOADED GET LOOK2);
	/* It is the configured one. */
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_READY);
	fake_assert_text(&fake.log, GET LOADED GET LOOK2);
}

/* Another archive is not the one that F4 is for. */
static void test_of_another_name(void **state)
{
	(void)state;
	fake_artifact(100, 1);
	fake.config.images_artifact.name = slice_str("other");
	fake_unlock(0, false);
	fake_ask_artifact();
	assert_int_equal(fake_status().state, UNLOCK_READY);
	buf_reset(&fake.log);
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
	fake_assert_text(&fake.log, "login;artifact images/other;look a;");
	assert_int_equal(fake_status().state, UNLOCK_READY);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {1,
				       65535,
				       65536,
				       65537,
				       LOADER_PIECE - 100,
				       LOADER_PIECE,
				       4 * 65536 - 48,
				       20 * LOADER_PIECE + 7};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		again(state);
		fake_artifact(sizes[i], 1);
		fake_unlock(0, false);
		fake_ask_artifact();
		assert_int_equal(fake_status().state, UNLOCK_READY);
		assert_plain(sizes[i]);
	}
}

/* The configuration's images are all there, and the manifest is asked whether they are its own. */
static void test_images_are_there(void **state)
{
	(void)state;
	fake_artifact(PLAIN, 2);
	fake_unlock(2, true);
	memcpy(fake.now, fake.loaded, sizeof(fake.now));
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
	assert_int_equal(fake_status().state, UNLOCK_READY);
	fake_assert_text(&fake.log, LOOK2 "login;" GET LOOK2);
}

/* Tags alone do not say that what is there is this release. */
static void test_tags_are_there(void **state)
{
	(void)state;
	fake_artifact(PLAIN, 2);
	fake_unlock(2, false);
	memcpy(fake.now, fake.loaded, sizeof(fake.now));
	fake.now[0] = FAKE_OLD;
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
	assert_int_equal(fake_status().state, UNLOCK_READY);
	fake_assert_text(&fake.log, LOOK2 "login;" GET LOADED);
	assert_string_equal(fake.now[0], fake.loaded[0]);
}

static void test_configured_images(void **state)
{
	(void)state;
	fake_artifact(PLAIN, 2);
	fake_unlock(2, true);
	fake.now[0] = FAKE_OLD;
	fake_ask();
	assert_int_equal(fake_status().state, UNLOCK_READY);
	fake_assert_text(&fake.log, LOOK2 "login;" GET LOADED);
}

/* --- refusals --- */

static const struct {
	struct fake_failure failure;
	int code;
	const char *log; /* of one image */
} FAILURES[] = {
	{{"login", 1, FAULT_CREDENTIALS, false}, FAULT_CREDENTIALS, "login;"},
	{{"login", 1, ERR_INVALID, true}, ERR_INVALID, "login;"},
	{{"artifact", 1, ERR_TPM_REQUIRED, false}, ERR_TPM_REQUIRED, "login;" GET},
	{{"artifact", 1, FAULT_ROLLED_BACK, false}, FAULT_ROLLED_BACK, "login;" GET},
	{{"artifact", 1, FAULT_NO_KEY, false}, FAULT_NO_KEY, "login;" GET},
	{{"artifact", 1, ERR_DAMAGED, false}, ERR_DAMAGED, "login;" GET},
	{{"artifact", 1, ERR_INTERNAL, true}, ERR_INTERNAL, "login;" GET},
	{{"look", 1, ERR_TIMEOUT, false}, FAULT_DOCKER, "login;" GET "look a;"},
	{{"load", 1, ERR_INTERNAL, true}, FAULT_DOCKER, "login;" GET "look a;load;"},
	{{"load", 1, ERR_INTERNAL, false}, FAULT_DOCKER, "login;" GET "look a;load;look a;"},
	{{"look", 2, ERR_TIMEOUT, false}, FAULT_DOCKER, "login;" GET "look a;load;look a;untag a;"},
};

static void test_failures(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		again(state);
		fake_artifact(PLAIN, 1);
		fake_unlock(0, false);
		fake.failures[0] = FAILURES[i].failure;
		fake_ask();
		assert_int_equal(fake.state, UNLOCK_AUTHENTICATING);
		fake_assert_error(FAILURES[i].code);
		assert_int_equal(fake.notes, 1);
		assert_non_null(strstr(fake.note, fault_info(FAILURES[i].code)->name));
		fake_assert_text(&fake.log, FAILURES[i].log);
		assert_int_equal(fake.artifacts, 0);
		/* And once more, from the beginning, without it. */
		fake.failures[0].word = NULL;
		buf_reset(&fake.got);
		fake_ask();
		assert_int_equal(fake_status().state, UNLOCK_READY);
		assert_plain(PLAIN);
	}
}

/* What is cached needs no API; where nothing is, it was the API that did not answer. */
static void test_offline(void **state)
{
	fake_artifact(PLAIN, 1);
	fake_unlock(0, false);
	fake.failures[0] = (struct fake_failure){"login", 1, FAULT_UPSTREAM, false};
	fake_ask();
	assert_int_equal(fake_status().state, UNLOCK_READY);
	assert_plain(PLAIN);
	again(state);
	fake_artifact(PLAIN, 1);
	fake_unlock(0, false);
	fake.failures[0] = (struct fake_failure){"login", 1, FAULT_UPSTREAM, false};
	fake.failures[1] = (struct fake_failure){"artifact", 1, FAULT_NOT_LOGGED_IN, false};
	fake_ask();
	fake_assert_error(FAULT_UPSTREAM);
	/* Once it answers, that is forgotten. */
	fake.failures[0].word = NULL;
	fake.failures[1].turn = 2;
	fake_ask();
	fake_assert_error(FAULT_NOT_LOGGED_IN);
}

static void without_images(void)
{
	fake.manifest.image_count = 0;
}

/* Of a ref or an id; the smaller of the two bounds it. */
static void set(char *to, const char *text)
{
	(void)snprintf(to, MANIFEST_ID_MAX, "%s", text);
}

static void bad_ref(void)
{
	set(fake.manifest.images[0].ref, "no tag");
}

static void bad_id(void)
{
	set(fake.manifest.images[0].id, "sha256:0");
}

static void other_id(void)
{
	set(fake.manifest.images[0].id, FAKE_WRONG);
}

static void twice(void)
{
	fake.manifest.images[1] = fake.manifest.images[0];
	set(fake.manifest.images[1].id, FAKE_WRONG);
}

/* Nothing goes to the engine. */
static void test_manifests(void **state)
{
	static const struct {
		void (*change)(void);
		size_t configured;
		int code;
	} rows[] = {
		{without_images, 0, FAULT_DIGEST}, {bad_ref, 0, ERR_INVALID},
		{bad_id, 0, ERR_INVALID},	   {other_id, 1, FAULT_DIGEST},
		{other_id, 2, FAULT_DIGEST},	   {twice, 0, FAULT_DIGEST},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		again(state);
		fake_artifact(PLAIN, 2);
		fake_unlock(rows[i].configured, true);
		rows[i].change();
		fake_ask_artifact();
		fake_assert_error(rows[i].code);
		fake_assert_text(&fake.log, GET);
		/* Its images are not demanded any more. */
		buf_reset(&fake.log);
		fake_artifact(PLAIN, 2);
		fake_ask_artifact();
		assert_int_equal(fake_status().state, UNLOCK_READY);
		fake_assert_text(&fake.log, GET LOADED);
	}
}

/* --- what the archive brings --- */

static void test_what_comes(void **state)
{
	static const struct {
		const char *loaded[2]; /* the engine's ids behind the load */
		const char *heard;     /* NULL: none */
		size_t configured;
		const char *text; /* NULL: ready */
		const char *undo;
	} rows[] = {
		{{FAKE_ID("a"), FAKE_ID("b")}, NULL, 0, NULL, ""},
		{{FAKE_ID("a"), FAKE_ID("b")}, "docker.io/r.test/b:1", 0, NULL, ""},
		{{FAKE_ID("a"), FAKE_WRONG}, NULL, 0, "is not the image", "untag a;untag b;"},
		{{FAKE_ID("a"), NULL}, NULL, 0, "is not there", "untag a;untag b;"},
		{{FAKE_ID("a"), FAKE_ID("b")},
		 "x:1",
		 0,
		 "brings x:1, which is not named",
		 "untag a;untag b;untag +;"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		again(state);
		fake_artifact(PLAIN, 2);
		fake_unlock(rows[i].configured, true);
		memcpy(fake.loaded, rows[i].loaded, sizeof(rows[i].loaded));
		fake.heard[0] = rows[i].heard;
		fake_ask_artifact();
		if (!rows[i].text) {
			assert_int_equal(fake_status().state, UNLOCK_READY);
			continue;
		}
		fake_assert_error(FAULT_DIGEST);
		assert_non_null(strstr(fake_status().err.text, rows[i].text));
		buf_reset(&fake.states);
		buf_printf(&fake.states, "%s%s%s", GET, LOADED, rows[i].undo);
		buf_put_u8(&fake.states, '\0');
		fake_assert_text(&fake.log, (const char *)fake.states.data);
		buf_reset(&fake.states);
	}
}

/* One that the configuration names and the manifest does not: it is put back, not taken away. */
static void test_a_configured_one_comes_unnamed(void **state)
{
	(void)state;
	fake_artifact(PLAIN, 1);
	fake_unlock(2, false);
	fake.now[1] = FAKE_OLD;
	fake.heard[0] = "r.test/b:1";
	fake_ask_artifact();
	fake_assert_error(FAULT_DIGEST);
	assert_non_null(strstr(fake_status().err.text, "is not named by its manifest"));
	fake_assert_text(&fake.log, GET LOOK2 "load;" LOOK2 "untag a;tag b;");
	assert_string_equal(fake.now[1], FAKE_OLD);
	assert_null(fake.now[0]);
}

/* One that the configuration wants, and that is neither there nor comes. */
static void test_a_configured_one_is_missing(void **state)
{
	(void)state;
	fake_artifact(PLAIN, 1);
	fake_unlock(2, true);
	fake.loaded[1] = NULL;
	fake_ask_artifact();
	fake_assert_error(FAULT_DIGEST);
	assert_non_null(strstr(fake_status().err.text, "r.test/b:1 is not there"));
	fake_assert_text(&fake.log, GET LOADED "untag a;untag b;");
}

/* --- a payload that changes behind its check --- */

static void change_last(void)
{
	CLEANUP(fd_close_cleanup) int fd = open(fake.archive, O_RDWR | O_CLOEXEC);
	off_t at = (off_t)fake.manifest.payload_size - 100;
	uint8_t byte = 0;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void cut_last(void)
{
	assert_int_equal(truncate(fake.archive, 10 * LOADER_PIECE), 0);
}

static void other_key(void)
{
	struct err err;

	secret_free(TAKE(fake.content_key));
	assert_int_equal(
		secret_copy(slice_str("another key: 32 bytes of a text."), &fake.content_key, &err),
		0);
}

static void test_payload_changes(void **state)
{
	static const struct {
		void (*before)(void);
		void (*change)(void);
		int code;
	} rows[] = {
		{NULL, change_last, ERR_DAMAGED},
		{NULL, cut_last, ERR_UNREADABLE},
		{other_key, NULL, ERR_DAMAGED},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		again(state);
		fake_artifact(20 * LOADER_PIECE, 1);
		fake_unlock(0, false);
		if (rows[i].before)
			rows[i].before();
		fake.on_first = rows[i].change;
		fake.now[0] = FAKE_OLD;
		fake_ask_artifact();
		fake_assert_error(rows[i].code);
		assert_true(fake.got.len < 20 * LOADER_PIECE);
		fake_assert_text(&fake.log, GET "look a;load;look a;");
		assert_string_equal(fake.now[0], FAKE_OLD);
	}
}

/* --- several who ask, and those who leave --- */

static void test_one_at_a_time(void **state)
{
	struct unlock_call *call;

	(void)state;
	fake_artifact(PLAIN, 1);
	fake_unlock(0, false);
	fake.stuck = true;
	fake_ask_artifact();
	assert_int_equal(fake_status().state, UNLOCK_LOADING_IMAGES);
	assert_int_equal(fake_begin_artifact(&call), FAULT_BUSY);
	/* F4 hears how far it is. */
	fake_ask();
	assert_int_equal(fake.state, UNLOCK_LOADING_IMAGES);
}

static void test_refused(void **state)
{
	static const struct resource bad = {{(const uint8_t *)"images", 6},
					    {(const uint8_t *)"a.manifest", 10}};
	struct unlock_call *call;

	(void)state;
	fake_artifact(PLAIN, 1);
	fake_unlock(0, false);
	assert_int_equal(unlock_images(fake.unlock, &bad, NULL, NULL, &call, &fake.err),
			 ERR_INVALID);
	fake.failures[0] = (struct fake_failure){"artifact", 1, ERR_INTERNAL, true};
	assert_int_equal(fake_begin_artifact(&call), ERR_INTERNAL);
	fake_run_quiet();
	assert_int_equal(fake.told, 0);
	assert_int_equal(fake_status().state, UNLOCK_IDLE);
	unlock_free(TAKE(fake.unlock));
	fake.config.docker_socket = NULL;
	fake_unlock(0, false);
	assert_int_equal(fake_begin_artifact(&call), ERR_NOT_FOUND);
}

static void test_progress(void **state)
{
	struct unlock_call *call;

	(void)state;
	fake_artifact(PLAIN, 1);
	fake_unlock(0, false);
	assert_int_equal(fake_begin_artifact(&call), 0);
	assert_int_equal(fake_status().state, UNLOCK_DOWNLOADING_KEY);
	assert_int_equal(fake_status().done, 17);
	assert_int_equal(fake_status().total, 4711);
	unlock_leave(call);
	fake_run_quiet();
	assert_int_equal(fake.told, 0);
	assert_int_equal(fake_status().state, UNLOCK_READY);
}

/* At each place of the walk, also while the pool is at work: nobody is called any more. */
static void test_free_in_the_middle(void **state)
{
	bool all = false;

	for (unsigned at = 1; !all; at++) {
		struct unlock_call *call;
		unsigned told;

		again(state);
		fake_artifact(3 * PLAIN, 2);
		fake_unlock(0, false);
		fake.loaded[1] = FAKE_WRONG;
		fake.stop_at = at;
		assert_int_equal(fake_begin(&call), 0);
		fake_run_quiet();
		all = fake.steps < at;
		told = fake.told;
		unlock_free(TAKE(fake.unlock));
		assert_int_equal(fake.artifacts, 0);
		fake_run_quiet();
		assert_int_equal(fake.told, told);
	}
	fake_assert_text(&fake.log, "login;" GET LOADED "untag a;untag b;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_behind_a_login),
		TEST(test_by_its_name),
		TEST(test_of_another_name),
		TEST(test_sizes),
		TEST(test_images_are_there),
		TEST(test_tags_are_there),
		TEST(test_configured_images),
		TEST(test_failures),
		TEST(test_offline),
		TEST(test_manifests),
		TEST(test_what_comes),
		TEST(test_a_configured_one_comes_unnamed),
		TEST(test_a_configured_one_is_missing),
		TEST(test_payload_changes),
		TEST(test_one_at_a_time),
		TEST(test_refused),
		TEST(test_progress),
		TEST(test_free_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
