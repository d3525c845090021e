/* SPDX-License-Identifier: Apache-2.0 */
/* A download of a big part: with its signature, and what there was of its resource before. */
#include "loader/download_impl.h"

#include "artifact/v1_sig.h"
#include "base/file.h"
#include "loader/fault.h"

static int prepare(struct download *download, struct err *err)
{
	int r = cache_seen(download->cache, &download->resource, &download->seen, err);

	if (r == 0 && download->config->anchors.len == 0)
		r = blob_unsigned(download->config, &download->seen, err);
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

static int check(struct download *download, int big, uint64_t size, struct err *err)
{
	int r;

	download->check_ended = false;
	download->facts = (struct blob_facts){
		.config = download->config,
		.key = download->key,
		.resource = &download->resource,
		.small = buf_slice(&download->small),
		.big = big,
		.sig = buf_slice(&download->sig),
		.seen = download->seen,
	};
	r = blob_check_new(&download->facts, &download->check, err);
	if (r == 0)
		blob_check_unlike(download->check, open_before(download, size));
	return r;
}

static int read_on(struct download *download, struct err *err)
{
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

static int admit(struct download *download, struct err *err)
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

static int judge(struct download *download, struct err *err)
{
	return blob_check_end(download->check, &download->passed, &download->passed_signed, err);
}

/*
 * The pin first: if this is cut in between, what lies there as the big part does not fit it, and
 * the part is taken after another look.
 */
static int take(struct download *download, struct err *err)
{
	struct cache_seen seen = {.known = true, .signed_once = download->passed_signed};
	struct slice sig = buf_slice(&download->sig);
	int r = v1_pin_make(buf_slice(&download->small), &download->passed.seen, &seen.pin, err);

	if (r == 0)
		r = cache_pin(download->cache, &download->resource, &seen, err);
	if (r == 0)
		r = cache_part_take(download->part,
				    download->passed_signed ? sig : slice_of(NULL, 0), err);
	return r;
}

const struct download_kind download_big = {
	.part = RESOURCE_BIG,
	.has_sig = true,
	.prepare = prepare,
	.admit = admit,
	.check = check,
	.read = read_on,
	.judge = judge,
	.take = take,
};
