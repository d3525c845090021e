/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test_fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void full_path(const struct fixture *fixture, const char *path, char *ret, size_t size)
{
	int len = snprintf(ret, size, "%s/%s", fixture->state, path);

	assert_true(len > 0 && (size_t)len < size);
}

static int open_store(struct fixture *fixture)
{
	CLEANUP(secret_cleanup) struct secret *root = NULL;

	if (store_open(fixture->state, &fixture->store, &fixture->err) < 0 ||
	    secret_copy(slice_str("a root key of thirty-two bytes.."), &root, &fixture->err) < 0)
		return -1;
	return store_set_key(fixture->store, root, &fixture->err);
}

int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const char *base = getenv("TMPDIR");

	if (!fixture)
		return -1;
	(void)snprintf(fixture->root, sizeof(fixture->root), "%s/holdfast-store-XXXXXX",
		       base ? base : "/tmp");
	*state = fixture;
	if (!mkdtemp(fixture->root))
		return -1;
	(void)snprintf(fixture->state, sizeof(fixture->state), "%s/state", fixture->root);
	return open_store(fixture);
}

int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;
	int r;

	store_free(fixture->store);
	r = nftw(fixture->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return r;
}

void fixture_reopen(struct fixture *fixture)
{
	store_free(TAKE(fixture->store));
	assert_int_equal(open_store(fixture), 0);
}

void fixture_put(const struct fixture *fixture, const char *path, struct slice bytes)
{
	char full[PATH_MAX + 512];
	FILE *file;

	full_path(fixture, path, full, sizeof(full));
	file = fopen(full, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	assert_int_equal(fclose(file), 0);
}

void fixture_get(const struct fixture *fixture, const char *path, struct buf *ret_bytes)
{
	char full[PATH_MAX + 512];
	uint8_t chunk[4096];
	FILE *file;
	size_t n;

	full_path(fixture, path, full, sizeof(full));
	file = fopen(full, "re");
	assert_non_null(file);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_put(ret_bytes, slice_of(chunk, n));
	assert_int_equal(fclose(file), 0);
	assert_true(buf_ok(ret_bytes));
}

bool fixture_has(const struct fixture *fixture, const char *path)
{
	char full[PATH_MAX + 512];

	full_path(fixture, path, full, sizeof(full));
	return access(full, F_OK) == 0;
}

void fixture_delete(const struct fixture *fixture, const char *path)
{
	char full[PATH_MAX + 512];

	full_path(fixture, path, full, sizeof(full));
	assert_int_equal(remove(full), 0);
}

void fixture_put_folder(const struct fixture *fixture, const char *path)
{
	char full[PATH_MAX + 512];

	full_path(fixture, path, full, sizeof(full));
	(void)remove(full);
	assert_int_equal(mkdir(full, 0700), 0);
}
