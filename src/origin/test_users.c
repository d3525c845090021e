/* SPDX-License-Identifier: Apache-2.0 */
/* Who may log in, and how often somebody may guess; the clock is the test's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "origin/users.h"

#define START  UINT64_C(1000000)
#define STEP   ((uint64_t)USERS_STEP_S * 1000000u)
#define NOBODY "x@y.z"

struct world {
	struct origin_user list[3];
	struct users *users;
};

static struct secret *text(const char *bytes)
{
	struct secret *secret = NULL;
	struct err err;

	assert_int_equal(secret_copy(slice_str(bytes), &secret, &err), 0);
	return secret;
}

static int setup(void **state)
{
	static const char *const WHO[][2] = {{"a@b.c", "pw"}, {"d@e.f", "other"}, {"g@h.i", "pw"}};
	struct world *world = calloc(1, sizeof(*world));
	struct err err;

	assert_non_null(world);
	for (size_t i = 0; i < ARRAY_LEN(WHO); i++)
		world->list[i] = (struct origin_user){text(WHO[i][0]), text(WHO[i][1])};
	assert_int_equal(users_new(world->list, ARRAY_LEN(WHO), &world->users, &err), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	users_free(world->users);
	for (size_t i = 0; i < ARRAY_LEN(world->list); i++) {
		secret_free(world->list[i].email);
		secret_free(world->list[i].password);
	}
	free(world);
	return 0;
}

static int login(struct world *world, const char *email, const char *password, uint64_t now)
{
	struct err err = {.code = 0};
	unsigned id = 99;
	int r = users_login(world->users, slice_str(email), slice_str(password), now, &id, &err);

	assert_int_equal(r, err.code);
	if (r == 0)
		assert_true(
			slice_equal(secret_slice(users_email(world->users, id)), slice_str(email)));
	else
		assert_int_equal(id, 99);
	return r;
}

static void test_login(void **state)
{
	static const struct {
		const char *email, *password;
		int result;
	} rows[] = {
		{"a@b.c", "pw", 0},
		{"d@e.f", "other", 0},
		{"g@h.i", "pw", 0},
		{"a@b.c", "other", ERR_AUTH_FAILED},
		{"a@b.c", "p", ERR_AUTH_FAILED},
		{"a@b.c", "pw ", ERR_AUTH_FAILED},
		{"a@b.c", "", ERR_AUTH_FAILED},
		{"A@b.c", "pw", ERR_NOT_FOUND},
		{"a@b.", "pw", ERR_NOT_FOUND},
		{"", "", ERR_NOT_FOUND},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(login(*state, rows[i].email, rows[i].password, START),
				 rows[i].result);
}

static void test_confirm(void **state)
{
	struct users *users = ((struct world *)*state)->users;
	struct err err;

	assert_int_equal(users_confirm(users, 1, slice_str("other"), START, &err), 0);
	assert_int_equal(users_confirm(users, 1, slice_str("pw"), START, &err), ERR_AUTH_FAILED);
	assert_int_equal(users_confirm(users, 3, slice_str("pw"), START, &err), ERR_AUTH_FAILED);
	assert_int_equal(users_confirm(users, 4, slice_str("pw"), START, &err), ERR_AUTH_FAILED);
	assert_null(users_email(users, 3));
}

/* So many at once, then one each step; others are not concerned. */
static void guess(struct world *world, const char *email, const char *good, int wrong)
{
	uint64_t now = START;

	for (unsigned i = 0; i < USERS_BURST; i++)
		assert_int_equal(login(world, email, "no", now), wrong);
	assert_int_equal(login(world, email, "no", now), ERR_QUOTA);
	assert_int_equal(login(world, email, good, now), ERR_QUOTA);
	assert_int_equal(login(world, "g@h.i", "pw", now), 0);
	now += STEP;
	assert_int_equal(login(world, email, "no", now), wrong);
	assert_int_equal(login(world, email, "no", now + STEP - 1), ERR_QUOTA);
	now += STEP;
	assert_int_equal(login(world, email, "no", now), wrong);
}

static void test_guessing(void **state)
{
	struct err err;
	unsigned id;

	guess(*state, "a@b.c", "pw", ERR_AUTH_FAILED);
	assert_int_equal(login(*state, "a@b.c", "pw", START + 3 * STEP), 0);
	assert_int_equal(users_login(((struct world *)*state)->users, slice_str("a@b.c"),
				     slice_str("no"), START + 3 * STEP, &id, &err),
			 ERR_AUTH_FAILED);
	assert_int_equal(users_login(((struct world *)*state)->users, slice_str("a@b.c"),
				     slice_str("no"), START + 3 * STEP, &id, &err),
			 ERR_QUOTA);
	assert_int_equal(err.retry_after, USERS_STEP_S);
}

static int confirm(struct world *world, const char *password, uint64_t now)
{
	struct err err = {.code = 0};

	return users_confirm(world->users, 0, slice_str(password), now, &err);
}

/* Who guesses at the login does not stop one who has a token, nor the other way round. */
static void test_doors(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 2 * USERS_BURST; i++)
		(void)login(world, "a@b.c", "no", START);
	assert_int_equal(login(world, "a@b.c", "pw", START), ERR_QUOTA);
	assert_int_equal(confirm(world, "pw", START), 0);
	for (unsigned i = 0; i < USERS_BURST; i++)
		assert_int_equal(confirm(world, "no", START), ERR_AUTH_FAILED);
	assert_int_equal(confirm(world, "pw", START), ERR_QUOTA);
	assert_int_equal(login(world, "a@b.c", "pw", START + USERS_BURST * STEP), 0);
}

static void test_doors_other_way(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 2 * USERS_BURST; i++)
		(void)confirm(world, "no", START);
	assert_int_equal(confirm(world, "pw", START), ERR_QUOTA);
	assert_int_equal(login(world, "a@b.c", "pw", START), 0);
}

/* Unknown emails count together, so that there is no other way to many guesses. */
static void test_guessing_emails(void **state)
{
	guess(*state, NOBODY, "no", ERR_NOT_FOUND);
	assert_int_equal(login(*state, "another", "no", START), ERR_QUOTA);
	assert_int_equal(login(*state, "a@b.c", "pw", START), 0);
}

/* Waiting long is not saved up beyond the burst. */
static void test_patience(void **state)
{
	assert_int_equal(login(*state, "a@b.c", "no", START), ERR_AUTH_FAILED);
	for (unsigned i = 0; i < USERS_BURST; i++)
		assert_int_equal(login(*state, "a@b.c", "no", START + 1000 * STEP),
				 ERR_AUTH_FAILED);
	assert_int_equal(login(*state, "a@b.c", "pw", START + 1000 * STEP), ERR_QUOTA);
}

static void test_bad_lists(void **state)
{
	static char long_one[V1_FIELD_MAX + 2];
	const char *const rows[][2] = {
		{"", "pw"}, {"a", ""}, {long_one, "pw"}, {"a", long_one}, {"d@e.f", "pw"},
	};

	(void)state;
	memset(long_one, 'q', sizeof(long_one) - 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct origin_user list[] = {{text("d@e.f"), text("pw")},
					     {text(rows[i][0]), text(rows[i][1])}};
		struct users *users = NULL;
		struct err err;

		assert_int_equal(users_new(list, 2, &users, &err), ERR_INVALID);
		assert_null(users);
		assert_non_null(strstr(err.text, "user 2"));
		assert_null(strstr(err.text, "qq"));
		for (size_t k = 0; k < 2; k++) {
			secret_free(list[k].email);
			secret_free(list[k].password);
		}
	}
}

static void test_nobody(void **state)
{
	struct users *users = NULL;
	struct err err;
	unsigned id = 9;

	(void)state;
	assert_int_equal(users_new(NULL, 0, &users, &err), 0);
	assert_int_equal(users_login(users, slice_str("a"), slice_str("b"), START, &id, &err),
			 ERR_NOT_FOUND);
	assert_int_equal(id, 9);
	users_free(users);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_login),
		TEST(test_confirm),
		TEST(test_guessing),
		TEST(test_guessing_emails),
		TEST(test_doors),
		TEST(test_doors_other_way),
		TEST(test_patience),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
