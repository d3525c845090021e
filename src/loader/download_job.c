/* SPDX-License-Identifier: Apache-2.0 */
/* What a download does on the pool: the cache, the folder to import from, the check. */
#include "loader/download_impl.h"

#include <fcntl.h>

#include "artifact/v1_sig.h"
#include "base/file.h"
#include "loader/fault.h"

#define COPY_SIZE ((size_t)256 << 10)

uint64_t download_max(const struct download *download)
{
	uint64_t max = download->config->resource_max;

	if (max == 0 || max > V1_PLAIN_MAX)
		max = V1_PLAIN_MAX;
	return v1_blob_size(max);
}

static void close_import(struct download *download)
{
	fd_close_cleanup(&download->import);
	fd_close_cleanup(&download->import_dir);
	download->import = download->import_dir = -1;
}

/* Absent is no fault, nor is a medium that is not there; what else keeps it from being read is. */
static int find_import(struct download *download, struct err *err)
{
	CLEANUP(fd_close_cleanup) int root = -1;
	char file[RESOURCE_FILE_MAX + 1];
	int r = resource_file(download->resource.name, RESOURCE_BIG, file, err);

	if (r == 0)
		r = file_open_dir(AT_FDCWD, download->config->import_dir, false, 0, &root, err);
	if (r == 0)
		r = file_open_dir(root, download->folder, false, 0, &download->import_dir, err);
	if (r == 0)
		r = file_open(download->import_dir, file, &download->import, &download->import_size,
			      err);
	if (r < 0)
		close_import(download);
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int open_part(struct download *download, struct err *err)
{
	int r = 0;

	if (!download->part)
		r = cache_part_open(download->cache, &download->resource, download->release,
				    &download->part, &download->want, &download->have, err);
	if (r == 0 && download->fresh)
		r = cache_part_reset(download->part, err);
	if (r < 0)
		return r;
	download->have = cache_part_size(download->part);
	if (download->have == 0) {
		download->want = (struct cache_want){.total = 0};
		memcpy(download->want.small, download->release, V1_DIGEST);
		download->stated = false;
		download->synced = 0;
	}
	download->fresh = false;
	return 0;
}

int download_prepare(void *arg, struct err *err)
{
	struct download *download = arg;
	int r = cache_seen(download->cache, &download->resource, &download->seen, err);

	if (r == 0 && download->config->anchors.len == 0)
		r = blob_unsigned(download->config, &download->seen, err);
	if (r == 0)
		r = open_part(download, err);
	if (download->import_tried)
		close_import(download);
	if (r < 0 || download->import_tried || !download->config->import_dir)
		return r;
	/* From here on it is the import that fails, if it does. */
	download->importing = true;
	return find_import(download, err);
}

int download_copy(void *arg, struct err *err)
{
	struct download *download = arg;
	CLEANUP(mem_free_cleanup) uint8_t *bytes = malloc(COPY_SIZE);
	size_t len = COPY_SIZE;
	uint64_t left = BLOB_STEP;
	int r = 0;

	if (!bytes)
		return err_set(err, ERR_INTERNAL, "memory is short");
	while (r == 0 && left > 0 && len == COPY_SIZE) {
		r = blob_read(download->import, cache_part_size(download->part), bytes, COPY_SIZE,
			      &len, err);
		if (r == 0)
			r = cache_part_write(download->part, slice_of(bytes, len), err);
		left -= COPY_SIZE;
	}
	if (r == 0 && len < COPY_SIZE && cache_part_size(download->part) < download->want.total)
		r = err_set(err, ERR_UNREADABLE, "it ends too early");
	if (r < 0 || cache_part_size(download->part) == download->want.total)
		close_import(download);
	return r;
}

/*
 * A new small part with the big part of the release before, which a CDN may still have: length and
 * padding would fit, and only the pin of the release before knows that its big part is not this
 * one. That big part, or -1 where this cannot be.
 */
static int open_before(const struct download *download, uint64_t big_size)
{
	CLEANUP(fd_close_cleanup) int before = -1;
	const struct cache_seen *seen = &download->seen;
	struct err ignored;
	uint64_t size;
	int fd;

	if (!seen->known || slice_equal(slice_of(seen->pin.small, V1_DIGEST),
					slice_of(download->release, V1_DIGEST)))
		return -1;
	if (cache_big(download->cache, &download->resource, &before, &size, &ignored) < 0 ||
	    size != big_size)
		return -1;
	fd = before;
	before = -1;
	return fd;
}

static int begin_check(struct download *download, int big, uint64_t size, struct err *err)
{
	int r;

	download->facts = (struct blob_facts){
		.config = download->config,
		.key = download->key,
		.resource = &download->resource,
		.small = buf_slice(&download->small),
		.big = big,
		.sig = buf_slice(&download->sig),
		.seen = download->seen,
	};
	download->check_ended = false;
	r = blob_check_new(&download->facts, &download->check, err);
	if (r == 0)
		blob_check_unlike(download->check, open_before(download, size));
	return r;
}

int download_check(void *arg, struct err *err)
{
	struct download *download = arg;

	return begin_check(download, cache_part_fd(download->part), download->want.total, err);
}

int download_read(void *arg, struct err *err)
{
	struct download *download = arg;

	return blob_check_step(download->check, BLOB_STEP, &download->check_ended, err);
}

/* An empty one is there, and bad. */
static int check_sig(const struct download *download, struct err *err)
{
	struct slice sig = buf_slice(&download->sig);
	int r;

	if (sig.len == 0)
		return err_set(err, FAULT_SIGNATURE, "the signature is empty");
	r = v1_sig_verify_signer(sig, download->config->anchors, blob_time(), err);
	if (r == ERR_DAMAGED || r == ERR_FORBIDDEN)
		return err->code = FAULT_SIGNATURE;
	return r;
}

int download_sig(void *arg, struct err *err)
{
	return check_sig(arg, err);
}

static int read_import_sig(struct download *download, struct err *err)
{
	char file[RESOURCE_FILE_MAX + 1];
	int r = resource_file(download->resource.name, RESOURCE_SIG, file, err);

	if (r == 0 && download->config->anchors.len == 0)
		r = err_set(err, ERR_NOT_FOUND, "nobody asks for a signature");
	if (r == 0)
		r = file_read(download->import_dir, file, &download->sig, err);
	if (r == 0)
		return check_sig(download, err);
	if (r != ERR_NOT_FOUND)
		return r;
	if (!download->config->unsigned_import)
		return err_set(err, FAULT_SIGNATURE, "it has no signature that could be checked");
	return 0;
}

/* What came over the network is not touched before this one has passed. */
int download_import(void *arg, struct err *err)
{
	struct download *download = arg;
	int r;

	if (download->import_size > download_max(download))
		return err_set(err, ERR_TOO_LARGE, "it is too large");
	r = read_import_sig(download, err);
	return r < 0 ? r : begin_check(download, download->import, download->import_size, err);
}

/* It is copied, and checked once more there: the medium may be changed meanwhile. */
int download_adopt(void *arg, struct err *err)
{
	struct download *download = arg;
	struct cache_want want = {.total = download->import_size};
	struct v1_facts facts;
	bool is_signed;
	int r = blob_check_end(download->check, &facts, &is_signed, err);

	if (r < 0)
		return r;
	blob_check_free(TAKE(download->check));
	download->adopted = true;
	memcpy(want.small, download->release, V1_DIGEST);
	r = cache_part_reset(download->part, err);
	if (r == 0)
		r = cache_part_expect(download->part, &want, err);
	download->want = want;
	return r;
}

/*
 * The pin first: if this is cut in between, what lies there as the big part does not fit it, and
 * the part is taken after another look.
 */
int download_take(void *arg, struct err *err)
{
	struct download *download = arg;
	struct cache_seen seen = {.known = true};
	struct v1_facts facts;
	bool is_signed = false;
	int r = blob_check_end(download->check, &facts, &is_signed, err);

	if (r == 0)
		r = v1_pin_make(buf_slice(&download->small), &facts.seen, &seen.pin, err);
	seen.signed_once = is_signed;
	if (r == 0)
		r = cache_pin(download->cache, &download->resource, &seen, err);
	if (r == 0)
		r = cache_part_take(download->part,
				    is_signed ? buf_slice(&download->sig) : slice_of(NULL, 0), err);
	return r;
}

int download_sync(void *arg, struct err *err)
{
	struct download *download = arg;

	return cache_part_sync(download->part, err);
}

/* Also what an earlier run of the program left. */
int download_drop(void *arg, struct err *err)
{
	struct download *download = arg;
	int r = 0;

	if (!download->part)
		r = cache_part_open(download->cache, &download->resource, download->release,
				    &download->part, &download->want, &download->have, err);
	if (r == 0)
		cache_part_drop(download->part);
	return r;
}
