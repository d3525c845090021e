/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused; then every call that changes a disk fails once; and the tree alone. */
#include "stack/test_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

/* --- what is refused, with nothing changed --- */

static void test_links_in_the_way(void **state)
{
	static const char *const FOLDERS[] = {"/etc", "/etc/tpm2-tss", "/etc/systemd/system",
					      "/var", STACK_STATE};
	struct err err = {0};
	size_t i;

	(void)state;
	put("/elsewhere/x", "x");
	for (i = 0; i < ARRAY_LEN(FOLDERS); i++) {
		make_folders(FOLDERS[i]);
		assert_int_equal(symlink("/elsewhere", at(FOLDERS[i])), 0);
		assert_int_equal(apply_code(FULL, &err), ERR_INVALID);
		assert_non_null(strstr(err.text, FOLDERS[i]));
		assert_int_equal(unlink(at(FOLDERS[i])), 0);
		assert_false(is_there(FAPI) || is_there("/elsewhere/applied"));
		assert_int_equal(machine_end(state), 0);
		assert_int_equal(machine_begin(state), 0);
		put("/elsewhere/x", "x");
	}
}

static void test_open_folders(void **state)
{
	struct err err = {0};

	(void)state;
	make_folders("/etc/tpm2-tss/");
	assert_int_equal(chmod(at("/etc/tpm2-tss"), 0777), 0);
	assert_int_equal(apply_code(FULL, &err), ERR_INVALID);
	assert_false(is_there(stack_path(STACK_UDEV_RULES)));
	assert_non_null(strstr(err_remedy(&err), "writable for others"));
	assert_int_equal(chmod(at("/etc/tpm2-tss"), 0775), 0);
	if (getuid() == 0) {
		assert_int_equal(apply_code(FULL, &err), 0);
		assert_int_equal(apply_code(OFF, &err), 0);
		assert_int_equal(chown(at("/etc/tpm2-tss"), 0, 1000), 0);
		assert_int_equal(apply_code(FULL, &err), ERR_INVALID);
	}
	assert_int_equal(chmod(at("/etc/tpm2-tss"), 0755), 0);
	assert_int_equal(apply_code(FULL, &err), 0);
	/* All of it is somebody else's than the caller's now, unless that was root. */
	caller = getuid() + 1;
	assert_int_equal(apply_code(OTHER, &err), getuid() == 0 ? 0 : ERR_INVALID);
}

static void test_unreadable(void **state)
{
	struct err err = {0};

	(void)state;
	make_folders(FAPI "/");
	assert_int_equal(apply_code(FULL, &err), ERR_UNREADABLE);
	assert_false(is_there(stack_path(STACK_UDEV_RULES)));
	assert_int_equal(rmdir(at(FAPI)), 0);
	assert_int_equal(mkfifo(at(FAPI), 0600), 0);
	assert_int_equal(apply_code(FULL, &err), ERR_UNREADABLE);
	assert_int_equal(unlink(at(FAPI)), 0);
	assert_int_equal(apply_code(FULL, &err), 0);
	put(STACK_LEDGER, "profile nonsense\n");
	assert_int_equal(apply_code(OTHER, &err), ERR_UNREADABLE);
	assert_is(FULL);
}

static void test_lock(void **state)
{
	struct err err = {0};
	struct stat st;
	int folder, other;

	(void)state;
	assert_int_equal(apply_code(LESS, &err), 0);
	/* The folder is anybody's to hold, the file in it is not. */
	folder = open(at(STACK_STATE), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(folder, LOCK_EX), 0);
	assert_int_equal(apply_code(LESS, &err), 0);
	assert_int_equal(close(folder), 0);
	other = open(at(STACK_STATE "/lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(other, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(flock(other, LOCK_EX), 0);
	assert_int_equal(apply_code(FULL, &err), ERR_CONFLICT);
	assert_non_null(strstr(err_remedy(&err), "Wait until"));
	assert_false(is_there(stack_path(STACK_UDEV_RULES)));
	assert_int_equal(close(other), 0);
	assert_int_equal(apply_code(FULL, &err), 0);
}

static void test_not_root(void **state)
{
	const struct stack_wish wish = {.root = ""};
	struct stack_change change;
	struct err err = {0};

	(void)state;
	caller = 12345;
	assert_int_equal(apply_as(OFF, &wish, &change, &err), ERR_FORBIDDEN);
}

/* --- faults --- */

static bool old_or_new(enum stack_part part, const struct stack_tree *old,
		       const struct stack_tree *new)
{
	const struct stack_tree *const trees[] = {old, new};
	const char *path = stack_path(part);
	size_t i;

	for (i = 0; i < ARRAY_LEN(trees); i++) {
		const struct stack_entry *entry = stack_find(trees[i], part);

		if (entry ? holds(path, buf_slice(&entry->content)) : !is_there(path))
			return true;
	}
	return part == STACK_FAPI_CONFIG && says(path, "packaged");
}

/* One call after the other fails; what that leaves is whole, and the next run does the rest. */
static void fail_each(const char *from, const char *to, unsigned least)
{
	struct stack_tree old = {.count = 0}, new = {.count = 0};
	struct stack_change change;
	unsigned n, part;
	struct err err;
	int r = -1;

	render(from, &old);
	render(to, &new);
	for (n = 0; r < 0; n++) {
		put(FAPI, "packaged");
		put_status("packaged");
		apply(from, false, &change);
		calls_left = (int)n;
		r = apply_code(to, &err);
		for (part = 0; part < STACK_PARTS; part++)
			if (!old_or_new((enum stack_part)part, &old, &new))
				fail_msg("call %u: %s", n, stack_path((enum stack_part)part));
		apply(to, false, &change);
		assert_false(change.kept);
		assert_is(to);
		apply(OFF, false, &change);
		assert_false(change.kept);
		assert_true(says(FAPI, "packaged"));
		assert_int_equal(machine_end(NULL), 0);
		assert_int_equal(machine_begin(NULL), 0);
	}
	assert_true(n > least);
	stack_tree_fini(&old);
	stack_tree_fini(&new);
}

static void test_faults(void **state)
{
	(void)state;
	fail_each(OFF, FULL, 60);
	fail_each(FULL, OTHER, 20);
	fail_each(FULL, OFF, 10);
}

/* Why, and what to do here: not what a client of the service is told. */
static void test_explained(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(apply_code(LESS, &err), 0);
	calls_left = 0;
	assert_int_equal(apply_code(FULL, &err), ERR_INTERNAL);
	assert_non_null(strstr(err.text, ": Input/output error"));
	assert_non_null(strstr(err_remedy(&err), "goes on where it ended"));
}

/* --- the tree alone --- */

static void test_write_over_leftovers(void **state)
{
	static const char LINK[] = "/tree/etc/systemd/system/multi-user.target.wants/"
				   ".tpm2-abrmd.service.holdfast-new";
	static const char DRAFT[] = "/tree/etc/tpm2-tss/.tmp-1-1-fapi-config.json";
	static const char STRANGE[] = "/tree/etc/tpm2-tss/.tmp-1-1-other.json";
	struct stack_tree full = {.count = 0};
	struct err err = {0};

	(void)state;
	render(FULL, &full);
	make_folders(LINK);
	assert_int_equal(symlink("x", at(LINK)), 0);
	put(DRAFT, "x");
	assert_int_equal(stack_write(&full, at("/tree"), &err), 0);
	assert_false(is_there(LINK) || is_there(DRAFT));
	put(STRANGE, "x");
	assert_int_equal(stack_write(&full, at("/tree"), &err), ERR_CONFLICT);
	assert_non_null(strstr(err_remedy(&err), "rendered before"));
	stack_tree_fini(&full);
}

static void test_write(void **state)
{
	struct stack_tree full = {.count = 0}, less = {.count = 0};
	struct err err = {0};

	(void)state;
	render(FULL, &full);
	render(LESS, &less);
	assert_int_equal(stack_write(&full, at("/new/tree"), &err), 0);
	assert_true(is_there("/new/tree/etc/udev/rules.d/70-holdfast-tpm2.rules"));
	assert_int_equal(stack_write(&less, at("/new/tree"), &err), 0);
	assert_false(is_there("/new/tree/etc/udev/rules.d/70-holdfast-tpm2.rules"));
	assert_true(is_there("/new/tree" FAPI));
	put("/new/tree/etc/.hidden", "x");
	assert_int_equal(stack_write(&full, at("/new/tree"), &err), ERR_CONFLICT);
	assert_non_null(strstr(err.text, "/etc/.hidden"));
	assert_false(is_there("/new/tree/etc/udev/rules.d/70-holdfast-tpm2.rules"));
	assert_int_equal(stack_write(&full, "/", &err), ERR_CONFLICT);
	assert_int_equal(stack_write(&full, at("/new/tree/etc/.hidden"), &err), ERR_UNREADABLE);
	stack_tree_fini(&full);
	stack_tree_fini(&less);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, machine_begin, machine_end)

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		CASE(test_links_in_the_way),
		CASE(test_open_folders),
		CASE(test_unreadable),
		CASE(test_lock),
		CASE(test_not_root),
		CASE(test_faults),
		CASE(test_explained),
		CASE(test_write),
		CASE(test_write_over_leftovers),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
