/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a machine that was applied to, and then changed: by its owner, or by a new text. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/json.h"
#include "conf/conf.h"
#include "stack/apply.h"
#include "stack/look.h"
#include "tests/support/folder.h"

#define FULL                                                                                       \
	"tpm2 { enable = true\nabrmd { enable = true }\npkcs11 { enable = true }\n"                \
	"tctiEnvironment { enable = true } }\n"
#define CHANGED                                                                                    \
	"tpm2 { enable = true\nabrmd { enable = true }\npkcs11 { enable = true }\n"                \
	"tctiEnvironment { enable = true interface = \"holdfast\" } }\n"

static void render(const char *text, struct stack_tree *ret_tree)
{
	CLEANUP(conf_cleanup) struct conf *conf = NULL;
	struct err err;

	if (conf_parse(text, strlen(text), "t", &conf, &err) < 0 ||
	    stack_render(conf, ret_tree, &err) < 0)
		fail_msg("%s", err.text);
}

static void apply(const char *root, const char *text)
{
	CLEANUP(stack_tree_fini) struct stack_tree tree = {.count = 0};
	const struct stack_wish wish = {.root = root};
	struct stack_change change;
	struct err err;

	render(text, &tree);
	if (stack_apply(&tree, &wish, &change, &err) < 0)
		fail_msg("%s", err.text);
}

static enum fact_ledger look(const char *root, const char *text,
			     enum fact_file ret_files[STACK_PARTS])
{
	CLEANUP(stack_tree_fini) struct stack_tree tree = {.count = 0};
	enum fact_ledger ledger = LEDGER_UNKNOWN;

	render(text, &tree);
	look_at_files(root, &tree, ret_files, &ledger);
	return ledger;
}

static void assert_all(const enum fact_file files[STACK_PARTS], enum fact_file state)
{
	size_t i;

	for (i = 0; i < STACK_PARTS; i++)
		if (files[i] != state)
			fail_msg("%s: %d", stack_path((enum stack_part)i), (int)files[i]);
}

static const char *place(const char *root, enum stack_part part)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s%s", root, stack_path(part));
	return path;
}

static void append(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "# mine\n", 7), 7);
	close(fd);
}

static void test_states(void **state)
{
	const char *root = *state;
	enum fact_file files[STACK_PARTS];

	assert_int_equal(look(root, FULL, files), LEDGER_NONE);
	assert_all(files, FILE_MISSING);
	look(root, "", files);
	assert_all(files, FILE_ABSENT);
	apply(root, FULL);
	assert_int_equal(look(root, FULL, files), LEDGER_READ);
	assert_all(files, FILE_RENDERED);
	look(root, "", files);
	assert_all(files, FILE_LEFT);
	look(root, CHANGED, files);
	assert_int_equal(files[STACK_PROFILE], FILE_STALE);
	assert_int_equal(files[STACK_ENVIRONMENT], FILE_STALE);
	assert_int_equal(files[STACK_UDEV_RULES], FILE_RENDERED);
	apply(root, "");
	look(root, "", files);
	assert_all(files, FILE_ABSENT);
}

/* What apply cannot read says of nothing that it is ours, and is told. */
static void test_ledger(void **state)
{
	static const char *const LISTS[] = {STACK_LEDGER, STACK_DUE};
	const char *root = *state;
	enum fact_file files[STACK_PARTS];
	char path[512];

	apply(root, FULL);
	for (size_t i = 0; i < ARRAY_LEN(LISTS); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", root, LISTS[i]);
		assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
		assert_int_equal(look(root, FULL, files), LEDGER_READ);
		append(path);
		assert_int_equal(look(root, FULL, files), LEDGER_UNREADABLE);
		assert_all(files, FILE_RENDERED);
		assert_int_equal(look(root, "", files), LEDGER_UNREADABLE);
		assert_int_equal(files[STACK_PROFILE], i == 0 ? FILE_ABSENT : FILE_LEFT);
		assert_int_equal(remove(path), 0);
		apply(root, FULL);
	}
}

static void test_changes(void **state)
{
	const char *root = *state;
	enum fact_file files[STACK_PARTS];

	apply(root, FULL);
	append(place(root, STACK_TMPFILES));
	assert_int_equal(remove(place(root, STACK_SYSUSERS)), 0);
	/* A link where a file shall be, and a file where a link shall be. */
	assert_int_equal(remove(place(root, STACK_PROFILE)), 0);
	assert_int_equal(symlink("/dev/null", place(root, STACK_PROFILE)), 0);
	assert_int_equal(remove(place(root, STACK_UDEV_WANTED)), 0);
	assert_int_equal(
		close(open(place(root, STACK_UDEV_WANTED), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)),
		0);
	assert_int_equal(remove(place(root, STACK_ABRMD_WANTED)), 0);
	assert_int_equal(symlink("/elsewhere", place(root, STACK_ABRMD_WANTED)), 0);
	assert_int_equal(remove(place(root, STACK_FAPI_CONFIG)), 0);
	assert_int_equal(mkdir(place(root, STACK_FAPI_CONFIG), 0755), 0);
	look(root, FULL, files);
	assert_int_equal(files[STACK_UDEV_RULES], FILE_RENDERED);
	assert_int_equal(files[STACK_TMPFILES], FILE_EDITED);
	assert_int_equal(files[STACK_SYSUSERS], FILE_MISSING);
	assert_int_equal(files[STACK_PROFILE], FILE_EDITED);
	assert_int_equal(files[STACK_UDEV_WANTED], FILE_EDITED);
	assert_int_equal(files[STACK_ABRMD_WANTED], FILE_EDITED);
	assert_int_equal(files[STACK_FAPI_CONFIG], FILE_UNREADABLE);
}

/* A package's own link leads to its own unit, and is as good; a mode or an owner is not. */
static void test_as_apply_has_it(void **state)
{
	const char *root = *state;
	enum fact_file files[STACK_PARTS];

	apply(root, FULL);
	assert_int_equal(remove(place(root, STACK_ABRMD_WANTED)), 0);
	assert_int_equal(
		symlink("/lib/systemd/system/tpm2-abrmd.service", place(root, STACK_ABRMD_WANTED)),
		0);
	assert_int_equal(chmod(place(root, STACK_FAPI_CONFIG), 0600), 0);
	look(root, FULL, files);
	assert_int_equal(files[STACK_ABRMD_WANTED], FILE_RENDERED);
	assert_int_equal(files[STACK_FAPI_CONFIG], FILE_MODE);
	apply(root, FULL);
	look(root, FULL, files);
	assert_all(files, FILE_RENDERED);
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(place(root, STACK_TMPFILES), 1, 0), 0);
	look(root, FULL, files);
	assert_int_equal(files[STACK_TMPFILES], FILE_MODE);
}

/* What lies there and cannot be read is missed by who needs it, and left over where nobody does. */
static void test_unreadable(void **state)
{
	const char *root = *state;
	enum fact_file files[STACK_PARTS];

	apply(root, FULL);
	assert_int_equal(remove(place(root, STACK_PROFILE)), 0);
	assert_int_equal(mkdir(place(root, STACK_PROFILE), 0755), 0);
	look(root, FULL, files);
	assert_int_equal(files[STACK_PROFILE], FILE_UNREADABLE);
	look(root, "", files);
	assert_int_equal(files[STACK_PROFILE], FILE_LEFT);
}

/* Nobody has applied anything, or nobody can say what. */
static void test_foreign(void **state)
{
	const char *root = *state;
	enum fact_file files[STACK_PARTS];
	char ledger[512];

	apply(root, FULL);
	append(place(root, STACK_TMPFILES));
	(void)snprintf(ledger, sizeof(ledger), "%s" STACK_LEDGER, root);
	append(ledger);
	look(root, FULL, files);
	assert_int_equal(files[STACK_TMPFILES], FILE_FOREIGN);
	assert_int_equal(files[STACK_UDEV_RULES], FILE_RENDERED);
	assert_int_equal(remove(ledger), 0);
	look(root, FULL, files);
	assert_int_equal(files[STACK_TMPFILES], FILE_FOREIGN);
	assert_int_equal(files[STACK_UDEV_RULES], FILE_RENDERED);
	look(root, "", files);
	assert_all(files, FILE_ABSENT);
	look("/nowhere/at/all", FULL, files);
	assert_all(files, FILE_UNREADABLE);
}

/* A package enables its own unit; the manager goes by the name of that link. */
static void test_link(void **state)
{
	static const struct {
		const char *target;
		enum fact_file file;
	} CASES[] = {
		{"/lib/systemd/system/tpm2-abrmd.service", FILE_RENDERED},
		{"tpm2-abrmd.service", FILE_RENDERED},
		{"/lib/systemd/system/tpm2-abrmd.service.d", FILE_FOREIGN},
		{"/lib/systemd/system/other.service", FILE_FOREIGN},
		{"/dev/null", FILE_FOREIGN},
	};
	const char *root = *state;
	enum fact_file files[STACK_PARTS];
	char ledger[512];
	size_t i;

	apply(root, FULL);
	(void)snprintf(ledger, sizeof(ledger), "%s" STACK_LEDGER, root);
	assert_int_equal(remove(ledger), 0);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		assert_int_equal(remove(place(root, STACK_ABRMD_WANTED)), 0);
		assert_int_equal(symlink(CASES[i].target, place(root, STACK_ABRMD_WANTED)), 0);
		look(root, FULL, files);
		assert_int_equal(files[STACK_ABRMD_WANTED], CASES[i].file);
		assert_int_equal(files[STACK_ABRMD_UNIT], FILE_RENDERED);
	}
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_states, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_ledger, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_changes, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_as_apply_has_it, folder_setup,
						folder_teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_foreign, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_link, folder_setup, folder_teardown),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
