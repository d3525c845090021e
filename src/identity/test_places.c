/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/test_places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "crypto/x509.h"

/* --- the disk --- */

static enum disk_fault disk;
static unsigned left;

void disk_set(enum disk_fault fault, unsigned at)
{
	disk = fault;
	left = at;
}

/* True when this call is to fail. */
static bool disk_step(void)
{
	if (disk != DISK_ENDS && disk != DISK_FULL)
		return false;
	if (left > 0) {
		left--;
		return false;
	}
	if (disk == DISK_ENDS)
		_exit(1);
	errno = ENOSPC;
	return true;
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __wrap_fsync(int fd);
int __real_mkdirat(int dir, const char *name, mode_t mode);
int __wrap_mkdirat(int dir, const char *name, mode_t mode);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	return disk_step() ? -1 : __real_write(fd, data, len);
}

/* The kernel keeps what a process has written when that ends: nothing is to be waited for. */
int __wrap_fsync(int fd)
{
	(void)fd;
	return disk_step() ? -1 : 0;
}

int __wrap_mkdirat(int dir, const char *name, mode_t mode)
{
	return disk_step() ? -1 : __real_mkdirat(dir, name, mode);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
	if (disk == DISK_ENDS)
		(void)disk_step();
	return __real_unlinkat(dir, name, flags);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return disk_step() ? -1 : __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (disk == DISK_OTHER && from_dir != to_dir) {
		errno = EXDEV;
		return -1;
	}
	return disk_step() ? -1 : __real_renameat2(from_dir, from, to_dir, to, flags);
}

/* --- the folders --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void full_path(const struct places *places, const char *path, char ret_path[PATH_MAX])
{
	int len = snprintf(ret_path, PATH_MAX, "%s/%s", places->root, path);

	assert_true(len > 0 && len < PATH_MAX);
}

static void open_files(struct places *places, const char *config, const char *persist)
{
	const struct identity_places where = {
		.config = config, .persist = persist, .run = places->run, .state = places->state};

	identity_files_free(TAKE(places->files));
	assert_int_equal(identity_files_new(&where, &places->files, &places->err), 0);
}

void places_reopen(struct places *places)
{
	open_files(places, places->config, places->persist);
}

void places_reopen_below(struct places *places)
{
	char below[PATH_MAX];

	full_path(places, "state/device", below);
	open_files(places, below, below);
}

int places_setup(void **state)
{
	struct places *places = calloc(1, sizeof(*places));

	json_setup();
	disk_set(DISK_GOOD, 0);
	assert_non_null(places);
	*state = places;
	(void)snprintf(places->root, sizeof(places->root), "/tmp/hf-identity-XXXXXX");
	assert_non_null(mkdtemp(places->root));
	(void)snprintf(places->config, sizeof(places->config), "%s/config", places->root);
	(void)snprintf(places->persist, sizeof(places->persist), "%s/persist", places->root);
	(void)snprintf(places->run, sizeof(places->run), "%s/run", places->root);
	(void)snprintf(places->state, sizeof(places->state), "%s/state", places->root);
	places_put_folder(places, "config");
	places_put_folder(places, "persist");
	places_put_folder(places, "run");
	places_put_folder(places, "state");
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &places->key, &places->err), 0);
	places->spki.max = places->chain.max = 4096;
	assert_int_equal(pkey_to_spki(places->key, &places->spki, &places->err), 0);
	places_certify(places->key, &places->chain);
	places_reopen(places);
	return 0;
}

int places_teardown(void **state)
{
	struct places *places = *state;
	int r;

	disk_set(DISK_GOOD, 0);
	identity_files_free(places->files);
	pkey_free(places->key);
	buf_fini(&places->spki);
	buf_fini(&places->chain);
	r = nftw(places->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(places);
	return r;
}

void places_put(const struct places *places, const char *path, struct slice bytes)
{
	char full[PATH_MAX];
	FILE *file;

	full_path(places, path, full);
	file = fopen(full, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	assert_int_equal(fclose(file), 0);
}

void places_get(const struct places *places, const char *path, struct buf *ret_bytes)
{
	char full[PATH_MAX];
	uint8_t chunk[4096];
	FILE *file;
	size_t n;

	full_path(places, path, full);
	file = fopen(full, "re");
	assert_non_null(file);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_put(ret_bytes, slice_of(chunk, n));
	assert_int_equal(fclose(file), 0);
	assert_true(buf_ok(ret_bytes));
}

bool places_has(const struct places *places, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	full_path(places, path, full);
	return lstat(full, &st) == 0;
}

unsigned places_mode(const struct places *places, const char *path)
{
	char full[PATH_MAX];
	struct stat st;

	full_path(places, path, full);
	assert_int_equal(lstat(full, &st), 0);
	return st.st_mode & 07777;
}

void places_delete(const struct places *places, const char *path)
{
	char full[PATH_MAX];

	full_path(places, path, full);
	if (places_has(places, path))
		assert_int_equal(nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void places_put_folder(const struct places *places, const char *path)
{
	char full[PATH_MAX];

	places_delete(places, path);
	full_path(places, path, full);
	assert_int_equal(mkdir(full, 0700), 0);
}

void places_put_link(const struct places *places, const char *path, const char *target)
{
	char full[PATH_MAX];

	places_delete(places, path);
	full_path(places, path, full);
	assert_int_equal(symlink(target, full), 0);
}

size_t places_count(const struct places *places, const char *folder)
{
	char full[PATH_MAX];
	struct dirent *entry;
	size_t count = 0;
	DIR *stream;

	full_path(places, folder, full);
	stream = opendir(full);
	while (stream && (entry = readdir(stream)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (stream)
		closedir(stream);
	return count;
}

/* --- what is in them --- */

void places_certify(const struct pkey *key, struct buf *ret_der)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024), info = BUF_INIT(X509_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	struct x509_spec spec = {.subject = slice_str("CN=device"),
				 .serial = {[X509_SERIAL_MAX - 1] = 1},
				 .not_after = INT64_C(4000000000),
				 .hash = HASH_SHA256};
	uint8_t digest[HASH_MAX_SIZE];
	struct slice bytes;
	struct err err;

	assert_int_equal(pkey_to_spki(key, &spki, &err), 0);
	spec.spki = buf_slice(&spki);
	assert_int_equal(x509_info(&spec, &info, &err), 0);
	bytes = buf_slice(&info);
	assert_int_equal(hash_digest(HASH_SHA256, &bytes, 1, digest, &err), 0);
	assert_int_equal(
		pkey_sign(key, PKEY_ECDSA, HASH_SHA256, slice_of(digest, 32), &signature, &err), 0);
	assert_int_equal(
		x509_finish(bytes, PKEY_ECDSA, HASH_SHA256, buf_slice(&signature), ret_der, &err),
		0);
}

void places_record(const struct places *places, uint64_t generation,
		   struct identity_record *ret_record)
{
	struct identity_record record = IDENTITY_RECORD_INIT;

	record.enabled = record.present = true;
	record.generation = generation;
	(void)snprintf(record.since, sizeof(record.since), "2026-01-02T03:04:05Z");
	record.handle = 0x81000100;
	record.name_len = 34;
	memset(record.name, 0xab, record.name_len);
	buf_put_str(&record.header, "header");
	buf_put(&record.spki, buf_slice(&places->spki));
	buf_put(&record.chain, buf_slice(&places->chain));
	*ret_record = record;
}
