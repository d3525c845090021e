/* SPDX-License-Identifier: Apache-2.0 */
/* Each deed in the tree of a machine of its own. */
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

static void test_written_same_removed(void **state)
{
	struct stack_change change;
	struct stat st;

	(void)state;
	apply(FULL, false, &change);
	assert_all(&change, STACK_WRITTEN);
	assert_true(change.changed && !change.kept);
	assert_is(FULL);
	assert_int_equal(stat(at(FAPI), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	apply(FULL, false, &change);
	assert_all(&change, STACK_SAME);
	assert_true(!change.changed && !change.kept);
	apply(OFF, false, &change);
	assert_all(&change, STACK_REMOVED);
	assert_true(change.changed && !change.kept);
	assert_false(is_there(FAPI));
	apply(OFF, false, &change);
	assert_all(&change, STACK_ABSENT);
	assert_false(change.changed);
}

static void test_off_leaves_no_trace(void **state)
{
	struct stack_change change;

	(void)state;
	apply(OFF, false, &change);
	assert_all(&change, STACK_ABSENT);
	assert_false(is_there("/var"));
}

static void test_another_configuration(void **state)
{
	struct stack_change change;

	(void)state;
	apply(FULL, false, &change);
	apply(OTHER, false, &change);
	assert_is(OTHER);
	assert_int_equal(change.steps[STACK_UDEV_RULES].deed, STACK_WRITTEN);
	assert_int_equal(change.steps[STACK_ABRMD_UNIT].deed, STACK_REMOVED);
	assert_int_equal(change.steps[STACK_UDEV_WANTED].deed, STACK_SAME);
	assert_false(is_there(stack_path(STACK_ABRMD_WANTED)));
	assert_false(change.kept);
}

static void test_edited(void **state)
{
	struct stack_change change;

	(void)state;
	apply(FULL, false, &change);
	put(FAPI, "mine");
	apply(OTHER, false, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_KEPT);
	assert_true(change.kept && says(FAPI, "mine"));
	assert_int_equal(deed_of(OTHER, STACK_FAPI_CONFIG), STACK_KEPT);
	/* Deleted is not edited. */
	assert_int_equal(unlink(at(FAPI)), 0);
	assert_int_equal(deed_of(OTHER, STACK_FAPI_CONFIG), STACK_WRITTEN);
	put(FAPI, "mine");
	apply(OFF, false, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_FORGOTTEN);
	assert_true(change.kept && says(FAPI, "mine"));
	apply(OFF, false, &change);
	assert_all(&change, STACK_ABSENT);
	assert_false(change.kept);
}

/* An edit that is taken back is no edit. */
static void test_edit_taken_back(void **state)
{
	CLEANUP(buf_fini) struct buf ours = BUF_INIT(STACK_CONTENT_MAX);
	struct stack_tree tree = {.count = 0};
	struct stack_change change;

	(void)state;
	render(FULL, &tree);
	buf_put(&ours, buf_slice(&stack_find(&tree, STACK_FAPI_CONFIG)->content));
	buf_put_u8(&ours, '\0');
	stack_tree_fini(&tree);
	apply(FULL, false, &change);
	put(FAPI, "mine");
	assert_int_equal(deed_of(OTHER, STACK_FAPI_CONFIG), STACK_KEPT);
	put(FAPI, (const char *)ours.data);
	assert_int_equal(deed_of(OTHER, STACK_FAPI_CONFIG), STACK_WRITTEN);
}

static void test_wrong_mode(void **state)
{
	struct stack_change change;
	struct stat st;

	(void)state;
	apply(LESS, false, &change);
	assert_int_equal(chmod(at(FAPI), 0666), 0);
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_WRITTEN);
	assert_int_equal(stat(at(FAPI), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void test_force(void **state)
{
	struct stack_change change;

	(void)state;
	put(FAPI, "first");
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_KEPT);
	apply(LESS, true, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_FORCED);
	assert_string_equal(change.steps[STACK_FAPI_CONFIG].backup,
			    ".fapi-config.json" STACK_BACKUP);
	assert_true(says(THEIR, "first") && !change.kept);
	assert_is(LESS);
	put(FAPI, "second");
	apply(LESS, true, &change);
	assert_true(says(THEIR, "first") && says(THEIR ".1", "second"));
	/* What was there before anything of ours comes back; an edit of ours does not. */
	apply(OFF, false, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_REMOVED);
	assert_true(says(FAPI, "first") && !is_there(THEIR) && says(THEIR ".1", "second"));
}

static void test_force_over_an_edit(void **state)
{
	struct stack_change change;

	(void)state;
	apply(LESS, false, &change);
	put(FAPI, "edited");
	apply(LESS, true, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_FORCED);
	apply(OFF, false, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_REMOVED);
	assert_string_equal(change.steps[STACK_FAPI_CONFIG].backup, "");
	assert_true(!is_there(FAPI) && says(THEIR, "edited"));
}

static void test_force_over_an_edit_of_a_conffile(void **state)
{
	struct stack_change change;

	(void)state;
	put(FAPI, "packaged");
	put_status("packaged");
	apply(LESS, false, &change);
	put(FAPI, "edited");
	apply(LESS, true, &change);
	assert_true(says(ORIG, "packaged") && says(THEIR, "edited"));
	apply(OFF, false, &change);
	assert_true(says(FAPI, "packaged") && !is_there(ORIG) && says(THEIR, "edited"));
}

/* What the package brought once more is newer than what is kept of it. */
static void test_conffile_brought_again(void **state)
{
	struct stack_change change;

	(void)state;
	put(FAPI, "packaged");
	put_status("packaged");
	apply(LESS, false, &change);
	put(FAPI, "newer");
	put_status("newer");
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_REPLACED);
	apply(OFF, false, &change);
	assert_true(says(FAPI, "newer") && says(ORIG, "packaged"));
}

static void put_as_rendered(const char *text, enum stack_part part)
{
	CLEANUP(buf_fini) struct buf content = BUF_INIT(STACK_CONTENT_MAX);
	struct stack_tree tree = {.count = 0};

	render(text, &tree);
	buf_put(&content, buf_slice(&stack_find(&tree, part)->content));
	buf_put_u8(&content, '\0');
	stack_tree_fini(&tree);
	put(stack_path(part), (const char *)content.data);
	put_status((const char *)content.data);
}

/* Of a package, and just as we would write it: it stays the package's. */
static void test_conffile_as_rendered(void **state)
{
	struct stack_change change;

	(void)state;
	put_as_rendered(LESS, STACK_FAPI_CONFIG);
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_SAME);
	assert_int_equal(deed_of(OFF, STACK_FAPI_CONFIG), STACK_ABSENT);
	assert_true(is_there(FAPI));
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_SAME);
	assert_int_equal(deed_of(OTHER, STACK_FAPI_CONFIG), STACK_REPLACED);
	assert_int_equal(deed_of(OFF, STACK_FAPI_CONFIG), STACK_REMOVED);
	assert_int_equal(chmod(at(FAPI), 0600), 0);
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_REPLACED);
	apply(OFF, false, &change);
	assert_true(is_there(FAPI));
}

/* The same file comes back, not one like it. */
static void test_inode_comes_back(void **state)
{
	struct stack_change change;
	struct stat before, after;

	(void)state;
	put(FAPI, "theirs");
	if (getuid() == 0)
		assert_int_equal(chown(at(FAPI), 1234, 1235), 0);
	assert_int_equal(chmod(at(FAPI), 0640), 0);
	assert_int_equal(stat(at(FAPI), &before), 0);
	apply(LESS, true, &change);
	apply(OFF, false, &change);
	assert_int_equal(stat(at(FAPI), &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_nlink, 1);
}

/* An edit without the backup beside it is an edit all the same. */
static void test_edited_and_backup_gone(void **state)
{
	(void)state;
	put(FAPI, "packaged");
	put_status("packaged");
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_REPLACED);
	assert_int_equal(unlink(at(ORIG)), 0);
	put(FAPI, "edited");
	assert_int_equal(deed_of(OFF, STACK_FAPI_CONFIG), STACK_FORGOTTEN);
	assert_true(says(FAPI, "edited"));
}

/* What has come back by hand is no edit. */
static void test_put_back_by_hand(void **state)
{
	(void)state;
	put(FAPI, "packaged");
	put_status("packaged");
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_REPLACED);
	put(FAPI, "packaged");
	assert_int_equal(deed_of(OFF, STACK_FAPI_CONFIG), STACK_REMOVED);
	assert_true(says(FAPI, "packaged") && !is_there(ORIG));
}

/* What lies at the place of an option that is off is nobody's concern. */
static void test_off_and_foreign(void **state)
{
	const char *profile = stack_path(STACK_PROFILE);

	(void)state;
	make_folders(profile);
	assert_int_equal(mkdir(at(profile), 0755), 0);
	make_folders("/etc/pkcs11/x");
	assert_int_equal(symlink("/tmp", at("/etc/pkcs11/modules")), 0);
	assert_int_equal(deed_of(LESS, STACK_PROFILE), STACK_ABSENT);
	assert_is(LESS);
}

/* What a killed one left under its passing name goes with the next change. */
static void test_leftover_link(void **state)
{
	static const char LEFT[] = "/etc/systemd/system/multi-user.target.wants/"
				   ".tpm2-abrmd.service.holdfast-new";

	(void)state;
	assert_int_equal(deed_of(FULL, STACK_ABRMD_WANTED), STACK_WRITTEN);
	assert_int_equal(symlink("x", at(LEFT)), 0);
	assert_int_equal(deed_of(OFF, STACK_ABRMD_WANTED), STACK_REMOVED);
	assert_false(is_there(LEFT));
}

static void test_conffile(void **state)
{
	struct stack_change change;

	(void)state;
	put(FAPI, "packaged");
	put_status("packaged");
	apply(LESS, false, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_REPLACED);
	assert_string_equal(change.steps[STACK_FAPI_CONFIG].backup, ".fapi-config.json" STACK_ORIG);
	assert_true(says(ORIG, "packaged") && !change.kept);
	assert_is(LESS);
	assert_int_equal(deed_of(OTHER, STACK_FAPI_CONFIG), STACK_WRITTEN);
	assert_true(says(ORIG, "packaged"));
	apply(OFF, false, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_REMOVED);
	assert_true(says(FAPI, "packaged") && !is_there(ORIG));
}

static void test_conffile_edited(void **state)
{
	(void)state;
	put(FAPI, "packaged, and edited");
	put_status("packaged");
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_KEPT);
	assert_true(says(FAPI, "packaged, and edited") && !is_there(ORIG));
}

/* An older backup is nobody's to overwrite; one that somebody took away is not missed. */
static void test_conffile_backups(void **state)
{
	struct stack_change change;

	(void)state;
	put(FAPI, "packaged");
	put(ORIG, "older");
	put_status("packaged");
	apply(LESS, false, &change);
	assert_string_equal(change.steps[STACK_FAPI_CONFIG].backup,
			    ".fapi-config.json" STACK_ORIG ".1");
	assert_true(says(ORIG, "older") && says(ORIG ".1", "packaged"));
	assert_int_equal(unlink(at(ORIG ".1")), 0);
	apply(OFF, false, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_REMOVED);
	assert_string_equal(change.steps[STACK_FAPI_CONFIG].backup, "");
	assert_false(is_there(FAPI));
}

/* Deleted by hand, the package's own still comes back. */
static void test_conffile_back_without_ours(void **state)
{
	(void)state;
	put(FAPI, "packaged");
	put_status("packaged");
	assert_int_equal(deed_of(LESS, STACK_FAPI_CONFIG), STACK_REPLACED);
	assert_int_equal(unlink(at(FAPI)), 0);
	assert_int_equal(deed_of(OFF, STACK_FAPI_CONFIG), STACK_REMOVED);
	assert_true(says(FAPI, "packaged"));
}

/* With its folder the package's own is gone: then there is nothing to put back, and no fault. */
static void test_folder_gone(void **state)
{
	static const char *const FILES[] = {ORIG, FAPI};
	struct stack_change change;

	(void)state;
	put(FAPI, "packaged");
	put_status("packaged");
	apply(LESS, false, &change);
	for (size_t i = 0; i < ARRAY_LEN(FILES); i++)
		assert_int_equal(unlink(at(FILES[i])), 0);
	for (unsigned part = STACK_FAPI_ECC; part <= STACK_FAPI_RSA; part++)
		(void)unlink(at(stack_path((enum stack_part)part)));
	(void)rmdir(at("/etc/tpm2-tss/fapi-profiles"));
	assert_int_equal(rmdir(at("/etc/tpm2-tss")), 0);
	apply(OFF, false, &change);
	assert_int_equal(change.steps[STACK_FAPI_CONFIG].deed, STACK_ABSENT);
	assert_int_equal(change.steps[STACK_SYSUSERS].deed, STACK_REMOVED);
	assert_false(is_there("/etc/tpm2-tss"));
	apply(OFF, false, &change);
	assert_all(&change, STACK_ABSENT);
}

/* Somebody's module was replaced, and then its folder went. */
static void lose_modules(void)
{
	const char *path = stack_path(STACK_PKCS11_MODULE);
	struct stack_change change;

	put(path, "somebody's");
	apply(FULL, true, &change);
	assert_int_equal(change.steps[STACK_PKCS11_MODULE].deed, STACK_FORCED);
	assert_int_equal(unlink(at(path)), 0);
	assert_int_equal(rmdir(at("/etc/pkcs11/modules")), 0);
}

/* A module's backup lies in another folder, and comes back with its own. */
static void test_folder_gone_and_backup_not(void **state)
{
	const char *path = stack_path(STACK_PKCS11_MODULE);
	struct stack_change change;

	(void)state;
	lose_modules();
	assert_int_equal(deed_of(OFF, STACK_PKCS11_MODULE), STACK_REMOVED);
	assert_true(says(path, "somebody's"));
	assert_false(is_there("/etc/pkcs11/.tpm2_pkcs11.module" STACK_BACKUP));
	apply(OFF, false, &change);
	assert_all(&change, STACK_ABSENT);
}

static void test_folder_and_backup_gone(void **state)
{
	(void)state;
	lose_modules();
	assert_int_equal(unlink(at("/etc/pkcs11/.tpm2_pkcs11.module" STACK_BACKUP)), 0);
	assert_int_equal(deed_of(OFF, STACK_PKCS11_MODULE), STACK_ABSENT);
	assert_false(is_there("/etc/pkcs11/modules"));
}

/* No configuration is no word that all is to go. */
static void test_no_configuration(void **state)
{
	const struct stack_wish wishes[] = {{.root = root, .none = true},
					    {.root = root, .none = true, .dry = true}};
	struct stack_change change;
	struct err err = {0};

	(void)state;
	assert_int_equal(apply_as(OFF, &wishes[0], &change, &err), 0);
	assert_all(&change, STACK_ABSENT);
	apply(FULL, false, &change);
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		assert_int_equal(apply_as(OFF, &wishes[i], &change, &err), ERR_NOT_FOUND);
		assert_non_null(strstr(err.text, "there is no configuration"));
		assert_non_null(strstr(err.remedy, "enable = false"));
		assert_is(FULL);
	}
	apply(OFF, false, &change);
	assert_all(&change, STACK_REMOVED);
	assert_int_equal(apply_as(OFF, &wishes[0], &change, &err), 0);
}

/* The manager goes by the name: a package's own link means the same, and stays its own. */
static void test_foreign_link(void **state)
{
	static const char UNIT[] = "/lib/systemd/system/tpm2-abrmd.service";
	const char *path = stack_path(STACK_ABRMD_WANTED);

	(void)state;
	make_folders(path);
	assert_int_equal(symlink(UNIT, at(path)), 0);
	assert_int_equal(deed_of(FULL, STACK_ABRMD_WANTED), STACK_SAME);
	assert_int_equal(deed_of(OFF, STACK_ABRMD_WANTED), STACK_ABSENT);
	assert_true(says(path, UNIT));
}

/* A unit that is masked is somebody's wish. */
static void test_masked_unit(void **state)
{
	const char *path = stack_path(STACK_ABRMD_UNIT);
	struct stack_change change;

	(void)state;
	make_folders(path);
	assert_int_equal(symlink("/dev/null", at(path)), 0);
	assert_int_equal(deed_of(FULL, STACK_ABRMD_UNIT), STACK_KEPT);
	assert_true(says(path, "/dev/null"));
	apply(FULL, true, &change);
	assert_int_equal(change.steps[STACK_ABRMD_UNIT].deed, STACK_FORCED);
	assert_is(FULL);
	apply(OFF, false, &change);
	assert_true(says(path, "/dev/null"));
}

/* Without a ledger, as in an image that was rendered: what is just ours is taken as ours. */
static void test_adopted(void **state)
{
	struct stack_tree tree = {.count = 0};
	struct stack_change change;
	struct err err = {0};

	(void)state;
	render(FULL, &tree);
	assert_int_equal(stack_write(&tree, root, &err), 0);
	stack_tree_fini(&tree);
	apply(FULL, false, &change);
	assert_all(&change, STACK_SAME);
	apply(OFF, false, &change);
	assert_all(&change, STACK_REMOVED);
}

static void test_marks_go_with_the_rules(void **state)
{
	struct stack_change change;

	(void)state;
	apply(FULL, false, &change);
	put(STACK_STATE "/udev-0123", "");
	apply(OTHER, false, &change);
	assert_true(is_there(STACK_STATE "/udev-0123"));
	apply(LESS, false, &change);
	assert_false(is_there(STACK_STATE "/udev-0123"));
	assert_true(is_there(STACK_LEDGER));
}

static void test_dry(void **state)
{
	const struct stack_wish wish = {.root = root, .dry = true};
	struct stack_change change, real;
	struct err err = {0};
	size_t i;

	(void)state;
	assert_int_equal(apply_as(FULL, &wish, &change, &err), 0);
	assert_all(&change, STACK_WRITTEN);
	assert_true(change.changed);
	assert_false(is_there("/etc") || is_there("/var"));
	put(FAPI, "packaged");
	put_status("packaged");
	put(stack_path(STACK_PROFILE), "mine");
	assert_int_equal(apply_as(FULL, &wish, &change, &err), 0);
	assert_true(says(FAPI, "packaged"));
	apply(FULL, false, &real);
	for (i = 0; i < STACK_PARTS; i++) {
		assert_int_equal(change.steps[i].deed, real.steps[i].deed);
		assert_string_equal(change.steps[i].backup, real.steps[i].backup);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, machine_begin, machine_end)

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		CASE(test_written_same_removed),
		CASE(test_off_leaves_no_trace),
		CASE(test_another_configuration),
		CASE(test_edited),
		CASE(test_edit_taken_back),
		CASE(test_wrong_mode),
		CASE(test_force),
		CASE(test_force_over_an_edit),
		CASE(test_force_over_an_edit_of_a_conffile),
		CASE(test_conffile_brought_again),
		CASE(test_conffile_as_rendered),
		CASE(test_inode_comes_back),
		CASE(test_edited_and_backup_gone),
		CASE(test_put_back_by_hand),
		CASE(test_off_and_foreign),
		CASE(test_leftover_link),
		CASE(test_conffile),
		CASE(test_conffile_edited),
		CASE(test_conffile_backups),
		CASE(test_conffile_back_without_ours),
		CASE(test_folder_gone),
		CASE(test_folder_gone_and_backup_not),
		CASE(test_folder_and_backup_gone),
		CASE(test_no_configuration),
		CASE(test_foreign_link),
		CASE(test_masked_unit),
		CASE(test_adopted),
		CASE(test_marks_go_with_the_rules),
		CASE(test_dry),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
