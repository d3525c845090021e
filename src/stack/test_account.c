/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of a directory service: their members need more room than any first guess. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stack/account.h"

#define NEEDED (300u * 1024u)

static size_t needed;
static unsigned interrupted;

int __wrap_getgrnam_r(const char *name, struct group *group, char *room, size_t size,
		      struct group **ret_found);
int __wrap_getgrnam_r(const char *name, struct group *group, char *room, size_t size,
		      struct group **ret_found)
{
	(void)room;
	*ret_found = NULL;
	if (interrupted > 0) {
		interrupted--;
		return EINTR;
	}
	if (size < needed)
		return ERANGE;
	if (strcmp(name, "many") != 0)
		return 0;
	group->gr_gid = 4711;
	*ret_found = group;
	return 0;
}

int __wrap_getgroups(int size, gid_t *groups);
int __wrap_getgroups(int size, gid_t *groups)
{
	const int count = 1000;
	int i;

	if (size < count) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < count; i++)
		groups[i] = (gid_t)(200000 + i);
	return count;
}

static void test_room(void **state)
{
	gid_t gid = 1;

	(void)state;
	needed = NEEDED;
	interrupted = 3;
	assert_true(account_group_id("many", &gid));
	assert_int_equal(gid, 4711);
	assert_int_equal(interrupted, 0);
	gid = 1;
	assert_false(account_group_id("none", &gid));
	needed = SIZE_MAX;
	assert_false(account_group_id("many", &gid));
	assert_int_equal(gid, 1);
}

static void test_many_groups(void **state)
{
	(void)state;
	assert_true(account_session_in(200999));
	assert_false(account_session_in(201000));
}

static void test_names(void **state)
{
	char name[ACCOUNT_NAME_SIZE];

	(void)state;
	account_user(0, name);
	assert_string_equal(name, "root");
	account_group(3999999999u, name);
	assert_string_equal(name, "3999999999");
	assert_true(account_user_exists("root"));
	assert_false(account_user_exists("no:body"));
	if (geteuid() == 0)
		assert_true(account_user_in(0));
	assert_false(account_user_in(3999999999u));
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_many_groups),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
