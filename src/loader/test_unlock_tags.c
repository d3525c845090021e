/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's tags name after loads that were not right. */
#include "loader/test_unlock_fake.h"

#include <stdio.h>
#include <string.h>

#include "loader/fault.h"
#include "loader/images.h"

#define LOOK3  "look a;look b;look c;"
#define WALK3  LOOK3 "login;fragment;" LOOK3 "load;"
#define WALKED "login;fragment;"

/* --- tags --- */

/*
 * Before: nothing, an old image, or the right one; after the load: right, wrong or missing, one of
 * them not right. Where an id is demanded only that is put back.
 */
static void tags_after(void **state, bool with_ids, unsigned before, unsigned wrong)
{
	const char *const olds[] = {NULL, FAKE_OLD, FAKE_ID("a")};
	const unsigned had[] = {before % 3, before / 3 % 3, before / 9};
	const unsigned gets[] = {wrong % 3, wrong / 3 % 3, wrong / 9};
	const char *old[3];

	assert_int_equal(fake_teardown(state), 0);
	assert_int_equal(fake_setup(state), 0);
	fake_archive(100);
	fake_unlock(3, with_ids);
	for (size_t i = 0; i < 3; i++) {
		old[i] = had[i] == 2 ? fake.loaded[i] : olds[had[i]];
		fake.now[i] = old[i];
		if (with_ids && had[i] == 1)
			old[i] = NULL;
	}
	for (size_t i = 0; i < 3; i++)
		fake.loaded[i] = gets[i] == 0 ? fake.loaded[i] : gets[i] == 1 ? FAKE_WRONG : NULL;
	fake.loads_and_fails = !with_ids;
	if (!with_ids)
		fake.failures[0] = (struct fake_failure){"load", 1, ERR_INTERNAL, false};
	fake_ask();
	if (fake_status().state == UNLOCK_READY)
		return; /* those that were there were all right */
	fake_assert_error(with_ids ? FAULT_DIGEST : FAULT_DOCKER);
	assert_int_equal(fake.notes, 2);
	for (size_t i = 0; i < 3; i++)
		if (strcmp(fake.now[i] ? fake.now[i] : "", old[i] ? old[i] : "") != 0)
			fail_msg("before %u, wrong %u: tag %zu", before, wrong, i);
}

/* What a load does not bring keeps what it names: it is wrong only where it was not right before.
 */
static void test_tags_are_put_back(void **state)
{
	for (unsigned before = 0; before < 27; before++)
		for (unsigned wrong = 1; wrong < 27; wrong++)
			tags_after(state, true, before, wrong);
}

static void test_tags_are_put_back_without_ids(void **state)
{
	for (unsigned before = 0; before < 26; before++)
		for (unsigned wrong = 0; wrong < 27; wrong++)
			tags_after(state, false, before, wrong);
}

/* A load that moved the tag, and was not compared since we were killed: not put back by the next.
 */
static void test_killed_before_the_look(void **state)
{
	(void)state;
	fake_archive(100);
	fake_unlock(1, true);
	fake.loaded[0] = FAKE_WRONG;
	fake.now[0] = FAKE_WRONG;
	fake_ask();
	fake_assert_error(FAULT_DIGEST);
	assert_null(fake.now[0]);
	fake_assert_text(&fake.log, "look a;" WALKED "look a;load;look a;untag a;");
}

/* A load that fails at once takes nobody's image away; one that has moved the tag is undone. */
static void test_old_image_stays(void **state)
{
	static const struct {
		bool moves;
		const char *left, *log;
	} rows[] = {
		{false, FAKE_OLD, "look a;" WALKED "look a;load;look a;"},
		{true, NULL, "look a;" WALKED "look a;load;look a;untag a;"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(fake_teardown(state), 0);
		assert_int_equal(fake_setup(state), 0);
		fake_archive(100);
		fake_unlock(1, true);
		fake.now[0] = FAKE_OLD;
		fake.loads_and_fails = rows[i].moves;
		fake.failures[0] = (struct fake_failure){"load", 1, ERR_INTERNAL, false};
		fake_ask();
		fake_assert_error(FAULT_DOCKER);
		fake_assert_text(&fake.log, rows[i].log);
		assert_true(rows[i].left ? fake.now[0] && strcmp(fake.now[0], rows[i].left) == 0
					 : !fake.now[0]);
	}
}

/* Where no id is demanded, an image must be there, whichever. */
static void test_missing_tag(void **state)
{
	(void)state;
	fake_archive(100);
	fake_unlock(2, false);
	fake.loaded[0] = FAKE_WRONG;
	fake.loaded[1] = NULL;
	fake_ask();
	fake_assert_error(FAULT_DIGEST);
	assert_null(fake.now[0]);
}

/* One that cannot be put back does not keep the others from it. */
static void test_undo_fails(void **state)
{
	static const struct fake_failure rows[] = {
		{"tag", 1, ERR_INTERNAL, false},   {"tag", 1, ERR_INTERNAL, true},
		{"tag", 2, ERR_INTERNAL, false},   {"tag", 2, ERR_INTERNAL, true},
		{"untag", 1, ERR_INTERNAL, false}, {"untag", 1, ERR_INTERNAL, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(fake_teardown(state), 0);
		assert_int_equal(fake_setup(state), 0);
		fake_archive(100);
		fake_unlock(3, false);
		fake.now[0] = fake.now[1] = FAKE_OLD;
		unlock_free(TAKE(fake.unlock));
		fake.images[2].id = FAKE_OLD;
		assert_int_equal(unlock_new(&fake.loader, &fake.unlock, &fake.err), 0);
		fake.failures[0] = rows[i];
		fake_ask();
		fake_assert_error(FAULT_DIGEST);
		fake_assert_text(&fake.log, WALK3 LOOK3 "tag a;tag b;untag c;");
		assert_int_equal(fake.notes, 3);
		buf_put_u8(&fake.noted, '\0');
		assert_non_null(strstr((const char *)fake.noted.data, "could not be put back"));
		assert_true((strcmp(fake.now[0], FAKE_OLD) == 0) == (i / 2 != 0));
		assert_true((strcmp(fake.now[1], FAKE_OLD) == 0) == (i / 2 != 1));
		assert_true((fake.now[2] == NULL) == (i / 2 != 2));
	}
}

/* --- images that nobody has configured --- */

static void test_others(void **state)
{
	static const struct {
		const char *heard[3];
		const char *error; /* NULL: ready */
		const char *undo;
	} rows[] = {
		{{"r.test/a:1"}, NULL, ""},
		{{"r.test/a:1", "r.test/a:1"}, NULL, ""},
		{{"docker.io/r.test/a:1", "localhost/r.test/a:1"}, NULL, ""},
		{{"r.test/a:2"},
		 "the archive brings r.test/a:2, which is not configured",
		 "untag a;untag a;"},
		{{"r.test/a:1", "x:1", "x:1"},
		 "the archive brings x:1, which is not configured",
		 "untag a;untag +;"},
		{{"x:1", "docker.io/library/y:1"},
		 "the archive brings x:1, which is not configured",
		 "untag a;untag +;untag +;"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf log = BUF_INIT(1024);

		assert_int_equal(fake_teardown(state), 0);
		assert_int_equal(fake_setup(state), 0);
		fake_archive(100);
		fake_unlock(1, true);
		memcpy(fake.heard, rows[i].heard, sizeof(rows[i].heard));
		fake_ask();
		if (rows[i].error) {
			fake_assert_error(FAULT_DIGEST);
			assert_string_equal(fake_status().err.text, rows[i].error);
		} else {
			assert_int_equal(fake_status().state, UNLOCK_READY);
		}
		buf_printf(&log, "look a;login;fragment;look a;load;look a;%s%c", rows[i].undo,
			   '\0');
		fake_assert_text(&fake.log, (const char *)log.data);
	}
}

/* A load that fails is undone by all that it has said. */
static void test_others_of_a_failure(void **state)
{
	(void)state;
	fake_archive(100);
	fake_unlock(1, true);
	fake.heard[0] = "x:1";
	fake.failures[0] = (struct fake_failure){"load", 1, ERR_INTERNAL, false};
	fake_ask();
	fake_assert_error(FAULT_DOCKER);
	fake_assert_text(&fake.log, "look a;" WALKED "look a;load;look a;untag +;");
	/* It is forgotten then. */
	fake.heard[0] = NULL;
	fake_ask();
	assert_int_equal(fake_status().state, UNLOCK_READY);
}

/* Of more than are remembered it is told all the same. */
static void test_many_others(void **state)
{
	static char names[FAKE_HEARD][16];
	unsigned untagged = 0;

	(void)state;
	fake_archive(100);
	fake_unlock(1, false);
	for (size_t i = 0; i < FAKE_HEARD; i++) {
		snprintf(names[i], sizeof(names[i]), "x:%zu", i);
		fake.heard[i] = names[i];
	}
	fake_ask();
	fake_assert_error(FAULT_DIGEST);
	assert_non_null(strstr(fake_status().err.text, "many images"));
	buf_put_u8(&fake.log, '\0');
	for (const char *at = (const char *)fake.log.data; (at = strstr(at, "untag +")); at++)
		untagged++;
	assert_int_equal(untagged, IMAGES_OTHERS);
}

/* Without images in the configuration nothing is compared. */
static void test_others_of_none(void **state)
{
	(void)state;
	fake_archive(100);
	fake_unlock(0, false);
	fake.heard[0] = "x:1";
	fake_ask();
	assert_int_equal(fake_status().state, UNLOCK_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tags_are_put_back),
		TEST(test_tags_are_put_back_without_ids),
		TEST(test_killed_before_the_look),
		TEST(test_old_image_stays),
		TEST(test_missing_tag),
		TEST(test_undo_fails),
		TEST(test_others),
		TEST(test_others_of_a_failure),
		TEST(test_many_others),
		TEST(test_others_of_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
