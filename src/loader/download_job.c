/* SPDX-License-Identifier: Apache-2.0 */
/* What a download does on the pool: the cache, the folder to import from, the check. */
#include "loader/download_impl.h"

#include <fcntl.h>

#include "base/file.h"
#include "loader/fault.h"

#define COPY_SIZE ((size_t)256 << 10)

uint64_t download_max(const struct download *download)
{
	uint64_t max = download->config->resource_max;

	if (download->size > 0)
		return download->size;
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
	int r = resource_file(download->file.name, download->kind->part, file, err);

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

static int find_part(struct download *download, struct err *err)
{
	const struct cache_of of = {
		.resource = download->resource,
		.part = download->kind->part,
		.release = download->release,
	};

	if (download->part)
		return 0;
	return cache_part_open(download->cache, &of, &download->part, &download->want,
			       &download->have, err);
}

static int open_part(struct download *download, struct err *err)
{
	int r = find_part(download, err);

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
	int r = download->kind->prepare(download, err);

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

bool download_uncheck(struct download *download)
{
	bool was = download->check || download->sum;

	blob_check_free(TAKE(download->check));
	payload_check_free(TAKE(download->sum));
	return was;
}

int download_check(void *arg, struct err *err)
{
	struct download *download = arg;

	return download->kind->check(download, cache_part_fd(download->part), download->want.total,
				     err);
}

int download_read(void *arg, struct err *err)
{
	struct download *download = arg;

	return download->kind->read(download, err);
}

/* What came over the network is not touched before this one has passed. */
int download_import(void *arg, struct err *err)
{
	struct download *download = arg;
	int r;

	if (download->import_size > download_max(download))
		return err_set(err, ERR_TOO_LARGE, "it is too large");
	r = download->kind->admit(download, err);
	if (r < 0)
		return r;
	return download->kind->check(download, download->import, download->import_size, err);
}

/* It is copied, and checked once more there: the medium may be changed meanwhile. */
int download_adopt(void *arg, struct err *err)
{
	struct download *download = arg;
	struct cache_want want = {.total = download->import_size};
	int r = download->kind->judge(download, err);

	if (r < 0)
		return r;
	(void)download_uncheck(download);
	download->adopted = true;
	memcpy(want.small, download->release, V1_DIGEST);
	r = cache_part_reset(download->part, err);
	if (r == 0)
		r = cache_part_expect(download->part, &want, err);
	download->want = want;
	return r;
}

int download_take(void *arg, struct err *err)
{
	struct download *download = arg;
	int r = download->kind->judge(download, err);

	return r < 0 ? r : download->kind->take(download, err);
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
	int r = find_part(download, err);

	if (r == 0)
		cache_part_drop(download->part);
	return r;
}
