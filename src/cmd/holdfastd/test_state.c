/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another TPM's record in the place of the old one, cut off at every point: a process of its own
 * does it and is ended before or after its n-th change of the disk, then we look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cmd/holdfastd/state.h"
#include "tests/support/folder.h"

#define CUT_STATUS 42
#define CUTS_MAX   64

/* --- the disk, with points at which it all ends --- */

static int changes; /* seen so far */
static int cut_at;  /* two for each change, before and after it; 0 = never */
static int fail_at; /* the change that finds no room; 0 = none */

static void maybe_cut(int point)
{
	if (point == cut_at)
		_exit(CUT_STATUS);
}

int __real_file_write(int dir, const char *name, struct slice bytes, mode_t mode,
		      enum file_write how, struct err *err);
int __wrap_file_write(int dir, const char *name, struct slice bytes, mode_t mode,
		      enum file_write how, struct err *err);
int __real_file_move(int from_dir, const char *from, int to_dir, const char *to, struct err *err);
int __wrap_file_move(int from_dir, const char *from, int to_dir, const char *to, struct err *err);

int __wrap_file_write(int dir, const char *name, struct slice bytes, mode_t mode,
		      enum file_write how, struct err *err)
{
	int n = ++changes, r;

	if (n == fail_at)
		return err_set(err, ERR_DISK_FULL, "no room, as told");
	maybe_cut(2 * n - 1);
	r = __real_file_write(dir, name, bytes, mode, how, err);
	maybe_cut(2 * n);
	return r;
}

int __wrap_file_move(int from_dir, const char *from, int to_dir, const char *to, struct err *err)
{
	int n = ++changes, r;

	if (n == fail_at)
		return err_set(err, ERR_INTERNAL, "no move, as told");
	maybe_cut(2 * n - 1);
	r = __real_file_move(from_dir, from, to_dir, to, err);
	maybe_cut(2 * n);
	return r;
}

/* --- a state folder --- */

struct folder {
	char path[64];
};

static int folder_make(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	assert_non_null(folder);
	(void)snprintf(folder->path, sizeof(folder->path), "/tmp/hf-state-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	changes = cut_at = fail_at = 0;
	*state = folder;
	return 0;
}

static int folder_remove(void **state)
{
	struct folder *folder = *state;

	(void)folder_remove_all(folder->path);
	free(folder);
	return 0;
}

static void put_file(const struct folder *folder, const char *name, const char *text)
{
	char path[160];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* How many files whose names begin with @prefix hold @text, and nothing else or something too. */
static unsigned files_with(const struct folder *folder, const char *prefix, const char *text)
{
	DIR *dir = opendir(folder->path);
	unsigned count = 0;
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		CLEANUP(buf_fini) struct buf content = BUF_INIT(4096);
		struct err err;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		assert_int_equal(file_read(dirfd(dir), entry->d_name, &content, &err), 0);
		count += content.len > 0 &&
			 memmem(content.data, content.len, text, strlen(text)) != NULL;
	}
	closedir(dir);
	return count;
}

static void make_with(const struct folder *folder, const char *record)
{
	CLEANUP(state_fini) struct state state = {.store = NULL};
	struct err err;

	assert_int_equal(state_open(folder->path, &state, &err), 0);
	assert_int_equal(state_tpm_write(state.store, slice_str(record), &err), 0);
}

/* In a process of its own; whether it came to its end, and with which answer. */
static bool replace_until(const struct folder *folder, const char *record, int cut, int *ret_r)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		char kept[STORE_NAME_MAX + 1] = "";
		struct state state;
		struct err err;

		if (state_open(folder->path, &state, &err) < 0)
			_exit(100);
		changes = 0;
		cut_at = cut;
		_exit(-state_tpm_replace(state.store, slice_str(record), kept, &err));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 100);
	*ret_r = -WEXITSTATUS(status);
	return WEXITSTATUS(status) != CUT_STATUS;
}

/* What the next start finds: the old record, the new one, or none that can be read. */
enum found { OLD, NEW, UNREADABLE };

static enum found look(const struct folder *folder)
{
	CLEANUP(secret_cleanup) struct secret *record = NULL;
	CLEANUP(state_fini) struct state state = {.store = NULL};
	struct err err;

	assert_int_equal(state_open(folder->path, &state, &err), 0);
	assert_int_equal(state.fault.code, 0);
	if (state_tpm_read(state.store, &record, &err) < 0) {
		assert_int_equal(err.code, ERR_UNREADABLE);
		return UNREADABLE;
	}
	assert_non_null(record);
	if (slice_equal(secret_slice(record), slice_str("old record")))
		return OLD;
	assert_true(slice_equal(secret_slice(record), slice_str("new record")));
	return NEW;
}

/* --- tests --- */

static void a_good_record_is_never_away(void **state)
{
	enum found before = OLD;
	bool ended = false;
	int cut, r = 0;

	for (cut = 1; !ended && cut < CUTS_MAX; cut++) {
		struct folder *folder;
		enum found found;

		(void)folder_remove(state);
		(void)folder_make(state);
		folder = *state;
		make_with(folder, "old record");
		ended = replace_until(folder, "new record", cut, &r);
		found = look(folder);
		assert_int_not_equal(found, UNREADABLE);
		assert_true(before == OLD || found == NEW);
		before = found;
		/* The old one is always somewhere, twice once the new one counts. */
		assert_true(files_with(folder, STATE_TPM, "old record") >= 2);
		/* Whatever was left is no obstacle. */
		assert_true(replace_until(folder, "new record", 0, &r));
		assert_int_equal(r, 0);
		assert_int_equal(look(folder), NEW);
	}
	assert_true(ended && cut > 8);
}

static void a_torn_record_is_put_aside(void **state)
{
	bool ended = false;
	int cut, r = 0;

	for (cut = 1; !ended && cut < CUTS_MAX; cut++) {
		struct folder *folder;

		(void)folder_remove(state);
		(void)folder_make(state);
		folder = *state;
		make_with(folder, "old record");
		put_file(folder, STATE_TPM, "torn");
		put_file(folder, STATE_TPM ".copy", "worn");
		ended = replace_until(folder, "new record", cut, &r);
		assert_int_not_equal(look(folder), OLD);
		assert_int_equal(files_with(folder, STATE_TPM, "torn"), 1);
		assert_int_equal(files_with(folder, STATE_TPM, "worn"), 1);
		assert_true(replace_until(folder, "new record", 0, &r));
		assert_int_equal(r, 0);
		assert_int_equal(look(folder), NEW);
	}
	assert_true(ended && cut > 6);
}

static void a_full_disk_keeps_one_of_the_two(void **state)
{
	int n, r = -1;

	for (n = 1; r != 0 && n < CUTS_MAX; n++) {
		char kept[STORE_NAME_MAX + 1] = "untouched";
		struct folder *folder;
		struct state opened;
		struct err err;

		(void)folder_remove(state);
		(void)folder_make(state);
		folder = *state;
		make_with(folder, "old record");
		assert_int_equal(state_open(folder->path, &opened, &err), 0);
		changes = 0;
		fail_at = n;
		r = state_tpm_replace(opened.store, slice_str("new record"), kept, &err);
		fail_at = 0;
		state_fini(&opened);
		if (r < 0) {
			assert_int_equal(r, ERR_DISK_FULL);
			assert_string_equal(kept, "untouched");
		}
		assert_int_not_equal(look(folder), UNREADABLE);
		assert_true(files_with(folder, STATE_TPM, "old record") >= 2);
	}
	assert_true(n > 4);
}

static void a_lost_record_is_made_again(void **state)
{
	const struct folder *folder = *state;
	char kept[STORE_NAME_MAX + 1] = "x", path[160];
	struct state opened;
	struct err err;

	make_with(folder, "old record");
	(void)snprintf(path, sizeof(path), "%s/" STATE_TPM, folder->path);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/" STATE_TPM ".copy", folder->path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(look(folder), UNREADABLE);
	assert_int_equal(state_open(folder->path, &opened, &err), 0);
	assert_int_equal(state_tpm_replace(opened.store, slice_str("new record"), kept, &err), 0);
	assert_string_equal(kept, "");
	state_fini(&opened);
	assert_int_equal(look(folder), NEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_good_record_is_never_away, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_torn_record_is_put_aside, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_full_disk_keeps_one_of_the_two, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(a_lost_record_is_made_again, folder_make,
						folder_remove),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
