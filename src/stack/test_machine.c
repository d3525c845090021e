/* SPDX-License-Identifier: Apache-2.0 */
#include "stack/test_machine.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "crypto/md5.h"

/* --- calls that fail --- */

int calls_left = -1;
uid_t caller;

static bool fails(void)
{
	if (calls_left < 0 || calls_left-- > 0)
		return false;
	errno = EIO;
	return true;
}

#define FAILING(name, params, args)                                                                \
	int __real_##name params;                                                                  \
	int __wrap_##name params;                                                                  \
	int __wrap_##name params                                                                   \
	{                                                                                          \
		return fails() ? -1 : __real_##name args;                                          \
	}

FAILING(fsync, (int fd), (fd))
FAILING(renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
FAILING(mkdirat, (int a, const char *b, mode_t c), (a, b, c))
FAILING(symlinkat, (const char *a, int b, const char *c), (a, b, c))
FAILING(linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e))
FAILING(fchmod, (int a, mode_t b), (a, b))

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	return fails() ? -1 : __real_write(fd, data, len);
}

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
	return caller;
}

/* --- a machine --- */

char root[PATH_SIZE];

int machine_begin(void **state)
{
	(void)state;
	calls_left = -1;
	caller = getuid();
	(void)snprintf(root, sizeof(root), "/tmp/test-apply.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int machine_end(void **state)
{
	(void)state;
	calls_left = -1;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *at(const char *path)
{
	static char whole[2 * PATH_SIZE];

	(void)snprintf(whole, sizeof(whole), "%s%s", root, path);
	return whole;
}

void make_folders(const char *path)
{
	char part[PATH_SIZE];
	const char *slash;

	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdir(at(part), 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
}

void put(const char *path, const char *text)
{
	FILE *file;

	make_folders(path);
	file = fopen(at(path), "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(at(path), 0644), 0);
}

bool is_there(const char *path)
{
	struct stat st;

	return lstat(at(path), &st) == 0;
}

bool holds(const char *path, struct slice wanted)
{
	char bytes[16384];
	ssize_t len = readlink(at(path), bytes, sizeof(bytes));
	FILE *file;

	if (len < 0) {
		file = fopen(at(path), "re");
		if (!file)
			return false;
		len = (ssize_t)fread(bytes, 1, sizeof(bytes), file);
		assert_int_equal(fclose(file), 0);
	}
	return slice_equal(slice_of(bytes, (size_t)len), wanted);
}

bool says(const char *path, const char *text)
{
	return holds(path, slice_str(text));
}

void put_status(const char *text)
{
	char md5[MD5_TEXT_SIZE], status[PATH_SIZE];
	struct err err;

	assert_int_equal(md5_text(slice_str(text), md5, &err), 0);
	(void)snprintf(status, sizeof(status), "Package: p\nConffiles:\n " FAPI " %s\n", md5);
	put("/var/lib/dpkg/status", status);
}

/* --- applying --- */

void render(const char *text, struct stack_tree *tree)
{
	struct conf *conf = NULL;
	struct err err = {0};

	assert_int_equal(conf_parse(text, strlen(text), "t", &conf, &err), 0);
	assert_int_equal(stack_render(conf, tree, &err), 0);
	conf_free(conf);
}

int apply_as(const char *text, const struct stack_wish *wish, struct stack_change *change,
	     struct err *err)
{
	struct stack_tree tree = {.count = 0};
	int left = calls_left, r;

	calls_left = -1;
	render(text, &tree);
	calls_left = left;
	r = stack_apply(&tree, wish, change, err);
	calls_left = -1;
	stack_tree_fini(&tree);
	return r;
}

void apply(const char *text, bool force, struct stack_change *change)
{
	const struct stack_wish wish = {.root = root, .force = force};
	struct err err = {0};

	if (apply_as(text, &wish, change, &err) < 0)
		fail_msg("%s", err.text);
}

int apply_code(const char *text, struct err *err)
{
	const struct stack_wish wish = {.root = root};
	struct stack_change change = {.changed = true};
	int r = apply_as(text, &wish, &change, err);

	assert_true(r == 0 || change.changed);
	return r;
}

enum stack_deed deed_of(const char *text, enum stack_part part)
{
	struct stack_change change;

	apply(text, false, &change);
	return change.steps[part].deed;
}

void assert_all(const struct stack_change *change, enum stack_deed deed)
{
	size_t i;

	for (i = 0; i < STACK_PARTS; i++)
		if (change->steps[i].deed != deed)
			fail_msg("%s: %d", stack_path((enum stack_part)i),
				 (int)change->steps[i].deed);
}

void assert_is(const char *text)
{
	struct stack_tree tree = {.count = 0};
	size_t i;

	render(text, &tree);
	for (i = 0; i < tree.count; i++)
		if (!holds(stack_path(tree.entries[i].part), buf_slice(&tree.entries[i].content)))
			fail_msg("%s is not as rendered", stack_path(tree.entries[i].part));
	stack_tree_fini(&tree);
}
