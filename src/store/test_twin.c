/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/test_fixture.h"

#define NAME "auth.key"
#define COPY NAME ".copy"

static const char OLD[] = "the old content";
static const char NEW[] = "the new content, which is longer";

static void write_twin(struct fixture *fixture, const char *tenant, const char *content)
{
	assert_int_equal(
		store_twin_write(fixture->store, tenant, NAME, slice_str(content), &fixture->err),
		0);
}

static void assert_reads(struct fixture *fixture, const char *tenant, const char *content)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;

	assert_int_equal(store_twin_read(fixture->store, tenant, NAME, &secret, &fixture->err), 0);
	assert_true(slice_equal(secret_slice(secret), slice_str(content)));
}

/* *ret_content stays untouched. */
static void assert_fails(struct fixture *fixture, const char *tenant, int code)
{
	struct secret *secret = (struct secret *)(void *)fixture;

	assert_int_equal(store_twin_read(fixture->store, tenant, NAME, &secret, &fixture->err),
			 code);
	assert_int_equal(fixture->err.code, code);
	assert_ptr_equal(secret, fixture);
}

static void assert_same_files(struct fixture *fixture)
{
	CLEANUP(buf_fini) struct buf a = BUF_INIT(STORE_TWIN_MAX * 2);
	CLEANUP(buf_fini) struct buf b = BUF_INIT(STORE_TWIN_MAX * 2);

	fixture_get(fixture, NAME, &a);
	fixture_get(fixture, COPY, &b);
	assert_true(slice_equal(buf_slice(&a), buf_slice(&b)));
}

static void written_is_read(void **state)
{
	struct fixture *fixture = *state;

	assert_fails(fixture, NULL, ERR_NOT_FOUND);
	assert_fails(fixture, "acme", ERR_NOT_FOUND);
	write_twin(fixture, NULL, OLD);
	assert_reads(fixture, NULL, OLD);
	assert_same_files(fixture);
	write_twin(fixture, NULL, NEW);
	assert_reads(fixture, NULL, NEW);
	assert_same_files(fixture);
	write_twin(fixture, "acme", OLD);
	assert_reads(fixture, "acme", OLD);
	assert_reads(fixture, NULL, NEW);
	fixture_reopen(fixture);
	assert_reads(fixture, "acme", OLD);
	write_twin(fixture, NULL, "");
	assert_reads(fixture, NULL, "");
}

/* The format is that of docs/STORE.md; the sum was made with sha256sum. */
static void format_is_as_documented(void **state)
{
	static const char FILE_BYTES[] =
		"holdfast-twin 1 7 "
		"285408b3e982676bc79e2a650e4d13d817b315d26e9acd5dce7e12823f5c60df\nhello";
	struct fixture *fixture = *state;

	fixture_put(fixture, NAME, slice_str(FILE_BYTES));
	assert_reads(fixture, NULL, "hello");
	assert_same_files(fixture);
}

static void sizes_have_a_limit(void **state)
{
	static char big[STORE_TWIN_MAX + 2];
	struct fixture *fixture = *state;

	memset(big, 'x', STORE_TWIN_MAX);
	write_twin(fixture, NULL, big);
	assert_reads(fixture, NULL, big);
	big[STORE_TWIN_MAX] = 'x';
	assert_int_equal(
		store_twin_write(fixture->store, NULL, NAME, slice_str(big), &fixture->err),
		ERR_TOO_LARGE);
	big[STORE_TWIN_MAX] = '\0';
	assert_reads(fixture, NULL, big);
}

/* Whichever copy is cut at whatever length, the other one is read and the cut one repaired. */
static void torn_at_every_length(void **state)
{
	static const char *const NAMES[] = {NAME, COPY};
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(4096);
	struct fixture *fixture = *state;
	size_t which, len;

	write_twin(fixture, NULL, OLD);
	fixture_get(fixture, NAME, &whole);
	for (which = 0; which < ARRAY_LEN(NAMES); which++)
		for (len = 0; len < whole.len; len++) {
			fixture_put(fixture, NAMES[which], slice_of(whole.data, len));
			assert_reads(fixture, NULL, OLD);
			assert_same_files(fixture);
		}
}

/* No cut is ever taken for the whole, and nothing is put over it. */
static void both_torn_at_every_length(void **state)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(4096);
	struct fixture *fixture = *state;
	size_t len;

	write_twin(fixture, NULL, OLD);
	fixture_get(fixture, NAME, &whole);
	for (len = 0; len < whole.len; len++) {
		CLEANUP(buf_fini) struct buf after = BUF_INIT(4096);

		fixture_put(fixture, NAME, slice_of(whole.data, len));
		fixture_put(fixture, COPY, slice_of(whole.data, len));
		assert_fails(fixture, NULL, ERR_DAMAGED);
		assert_int_equal(
			store_twin_write(fixture->store, NULL, NAME, slice_str(NEW), &fixture->err),
			ERR_DAMAGED);
		fixture_get(fixture, NAME, &after);
		assert_int_equal(after.len, len);
	}
}

static void every_changed_byte_is_noticed(void **state)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(4096);
	struct fixture *fixture = *state;
	size_t i;

	write_twin(fixture, NULL, OLD);
	fixture_get(fixture, NAME, &whole);
	fixture_delete(fixture, COPY);
	for (i = 0; i < whole.len; i++) {
		whole.data[i] ^= 0x01;
		fixture_put(fixture, NAME, buf_slice(&whole));
		assert_fails(fixture, NULL, ERR_DAMAGED);
		whole.data[i] ^= 0x01;
	}
	buf_put_u8(&whole, '\n');
	fixture_put(fixture, NAME, buf_slice(&whole));
	assert_fails(fixture, NULL, ERR_DAMAGED);
}

static void one_absent(void **state)
{
	static const char *const NAMES[] = {NAME, COPY};
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(NAMES); i++) {
		write_twin(fixture, NULL, OLD);
		fixture_delete(fixture, NAMES[i]);
		assert_reads(fixture, NULL, OLD);
		assert_same_files(fixture);
	}
}

/* As a crash between the two writes leaves them, in either order. */
static void newer_generation_wins(void **state)
{
	static const char *const NAMES[] = {NAME, COPY};
	CLEANUP(buf_fini) struct buf old = BUF_INIT(4096);
	struct fixture *fixture = *state;
	size_t i;

	write_twin(fixture, NULL, OLD);
	fixture_get(fixture, NAME, &old);
	for (i = 0; i < ARRAY_LEN(NAMES); i++) {
		write_twin(fixture, NULL, NEW);
		fixture_put(fixture, NAMES[i], buf_slice(&old));
		assert_reads(fixture, NULL, NEW);
		assert_same_files(fixture);
	}
	/* The next one must be newer than both, whichever was read. */
	fixture_put(fixture, NAME, buf_slice(&old));
	write_twin(fixture, NULL, "third");
	assert_reads(fixture, NULL, "third");
	fixture_put(fixture, COPY, buf_slice(&old));
	assert_reads(fixture, NULL, "third");
}

/* Tens are more than nines: generations are numbers, not text. */
static void generations_are_numbers(void **state)
{
	CLEANUP(buf_fini) struct buf nine = BUF_INIT(4096);
	struct fixture *fixture = *state;
	unsigned i;

	for (i = 0; i < 9; i++)
		write_twin(fixture, NULL, OLD);
	fixture_get(fixture, NAME, &nine);
	write_twin(fixture, NULL, NEW);
	fixture_put(fixture, NAME, buf_slice(&nine));
	assert_reads(fixture, NULL, NEW);
}

static void unreadable_is_not_absent(void **state)
{
	struct fixture *fixture = *state;

	write_twin(fixture, NULL, OLD);
	fixture_put_folder(fixture, NAME);
	assert_reads(fixture, NULL, OLD);
	fixture_delete(fixture, COPY);
	assert_fails(fixture, NULL, ERR_UNREADABLE);
	assert_int_equal(
		store_twin_write(fixture->store, NULL, NAME, slice_str(NEW), &fixture->err),
		ERR_UNREADABLE);
	assert_false(fixture_has(fixture, COPY));
	fixture_put(fixture, COPY, slice_str("torn"));
	assert_fails(fixture, NULL, ERR_UNREADABLE);
}

/* Puts a link in the place of what is at @path, to that very thing under another name. */
static void put_link(struct fixture *fixture, const char *path, const char *moved)
{
	char from[PATH_MAX + 64], to[PATH_MAX + 64];

	(void)snprintf(from, sizeof(from), "%s/%s", fixture->state, path);
	(void)snprintf(to, sizeof(to), "%s/%s", fixture->state, moved);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(symlink(moved, from), 0);
}

static void links_are_not_followed(void **state)
{
	struct fixture *fixture = *state;

	write_twin(fixture, NULL, OLD);
	write_twin(fixture, "acme", OLD);
	put_link(fixture, NAME, "moved");
	fixture_delete(fixture, COPY);
	assert_fails(fixture, NULL, ERR_UNREADABLE);
	put_link(fixture, "tenants", "moved-tenants");
	assert_fails(fixture, "acme", ERR_UNREADABLE);
}

static void bad_names_are_refused(void **state)
{
	static const struct {
		const char *tenant, *name;
	} BAD[] = {
		{NULL, ""},    {NULL, ".."},	  {NULL, ".x"},	   {NULL, "a/b"},
		{"", "id"},    {"..", "id"},	  {"A", "id"},	   {"a/b", "id"},
		{"a.b", "id"}, {"acme", "../id"}, {"acme", ".id"},
	};
	struct fixture *fixture = *state;
	struct secret *secret = NULL;
	size_t i;

	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		assert_int_equal(store_twin_read(fixture->store, BAD[i].tenant, BAD[i].name,
						 &secret, &fixture->err),
				 ERR_INVALID);
		assert_int_equal(store_twin_write(fixture->store, BAD[i].tenant, BAD[i].name,
						  slice_str("x"), &fixture->err),
				 ERR_INVALID);
	}
}

/* --- opening --- */

static void second_process_is_refused(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *store = NULL;
		struct err err;

		_exit(store_open(fixture->state, &store, &err) == ERR_CONFLICT && !store ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fixture_reopen(fixture);
}

static void assert_opens_with(struct fixture *fixture, int code)
{
	struct store *store = NULL;

	assert_int_equal(store_open(fixture->state, &store, &fixture->err), code);
	assert_null(store);
}

static void unfit_folders_are_refused(void **state)
{
	static const mode_t OPEN_MODES[] = {0750, 0701, 0777};
	struct fixture *fixture = *state;
	struct store *store = NULL;
	char alias[PATH_MAX + 16];
	size_t i;

	store_free(TAKE(fixture->store));
	for (i = 0; i < ARRAY_LEN(OPEN_MODES); i++) {
		assert_int_equal(chmod(fixture->state, OPEN_MODES[i]), 0);
		assert_opens_with(fixture, ERR_UNREADABLE);
	}
	assert_int_equal(chmod(fixture->state, 0700), 0);
	put_link(fixture, "lock", "moved");
	assert_opens_with(fixture, ERR_UNREADABLE);
	fixture_put_folder(fixture, "lock");
	assert_opens_with(fixture, ERR_UNREADABLE);
	if (geteuid() == 0) {
		assert_int_equal(chown(fixture->state, 1, 1), 0);
		assert_opens_with(fixture, ERR_UNREADABLE);
		assert_int_equal(chown(fixture->state, 0, 0), 0);
	}
	(void)snprintf(alias, sizeof(alias), "%s/alias", fixture->root);
	assert_int_equal(symlink("state", alias), 0);
	assert_int_equal(store_open(alias, &store, &fixture->err), ERR_UNREADABLE);
}

static void folder_is_made_private(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;

	assert_int_equal(stat(fixture->state, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void leftovers_are_swept(void **state)
{
	static const char *const LEFT[] = {".tmp-1-1", "tenants/acme/.tmp-1-2",
					   "tenants/acme/keys/.tmp-1-3",
					   "tenants/acme/secrets/.tmp-1-4"};
	struct fixture *fixture = *state;
	struct store_id id = {"acme", STORE_KEYS, "k"};
	size_t i;

	assert_int_equal(store_create(fixture->store, &id, slice_str("x"), &fixture->err), 0);
	id.kind = STORE_SECRETS;
	assert_int_equal(store_create(fixture->store, &id, slice_str("x"), &fixture->err), 0);
	write_twin(fixture, "acme", OLD);
	for (i = 0; i < ARRAY_LEN(LEFT); i++)
		fixture_put(fixture, LEFT[i], slice_str("half"));
	fixture_reopen(fixture);
	for (i = 0; i < ARRAY_LEN(LEFT); i++)
		assert_false(fixture_has(fixture, LEFT[i]));
	assert_true(fixture_has(fixture, "tenants/acme/keys/k"));
	assert_reads(fixture, "acme", OLD);
}

static void tenant_folders_are_made(void **state)
{
	struct fixture *fixture = *state;
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(store_tenant_make(fixture->store, "acme", &fixture->err), 0);
		assert_true(fixture_has(fixture, "tenants/acme/keys/."));
		assert_true(fixture_has(fixture, "tenants/acme/secrets/."));
	}
	assert_int_equal(store_tenant_make(fixture->store, "../x", &fixture->err), ERR_INVALID);
	fixture_delete(fixture, "tenants/acme/keys");
	fixture_put(fixture, "tenants/acme/keys", slice_str("no folder"));
	assert_int_equal(store_tenant_make(fixture->store, "acme", &fixture->err), ERR_UNREADABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* Whatever is in them, and one or none is good as well. */
static void removed_with_both_copies(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(secret_cleanup) struct secret *content = NULL;

	assert_int_equal(store_twin_remove(fixture->store, "web", "id", &fixture->err), 0);
	assert_int_equal(
		store_twin_write(fixture->store, "web", "id", slice_str("id"), &fixture->err), 0);
	assert_int_equal(
		store_twin_write(fixture->store, "web", "policy", slice_str("{}"), &fixture->err),
		0);
	fixture_put(fixture, "tenants/web/policy", slice_str("torn"));
	assert_int_equal(store_twin_remove(fixture->store, "web", "policy", &fixture->err), 0);
	assert_false(fixture_has(fixture, "tenants/web/policy"));
	assert_false(fixture_has(fixture, "tenants/web/policy.copy"));
	assert_int_equal(store_twin_read(fixture->store, "web", "policy", &content, &fixture->err),
			 ERR_NOT_FOUND);
	fixture_delete(fixture, "tenants/web/id");
	assert_int_equal(store_twin_remove(fixture->store, "web", "id", &fixture->err), 0);
	assert_false(fixture_has(fixture, "tenants/web/id.copy"));
	assert_int_equal(store_twin_remove(fixture->store, "web", "id", &fixture->err), 0);
	assert_int_equal(store_twin_remove(fixture->store, "..", "id", &fixture->err), ERR_INVALID);
	/* A folder in its place is no file of ours, and a fault. */
	fixture_put_folder(fixture, "tenants/web/id");
	assert_int_equal(store_twin_remove(fixture->store, "web", "id", &fixture->err),
			 ERR_CONFLICT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(written_is_read),
		TEST(format_is_as_documented),
		TEST(sizes_have_a_limit),
		TEST(torn_at_every_length),
		TEST(both_torn_at_every_length),
		TEST(every_changed_byte_is_noticed),
		TEST(one_absent),
		TEST(newer_generation_wins),
		TEST(generations_are_numbers),
		TEST(unreadable_is_not_absent),
		TEST(links_are_not_followed),
		TEST(bad_names_are_refused),
		TEST(second_process_is_refused),
		TEST(unfit_folders_are_refused),
		TEST(folder_is_made_private),
		TEST(leftovers_are_swept),
		TEST(tenant_folders_are_made),
		TEST(removed_with_both_copies),
	};

	return cmocka_run_group_tests_name("store twin", tests, NULL, NULL);
}
