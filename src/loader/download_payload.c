/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A download of a payload: of the size and the digest that a signed manifest names, which is all
 * that there is to know of it. So none is of another release, whoever gave it.
 */
#include "loader/download_impl.h"

#include "artifact/v1.h"

static int prepare(struct download *download, struct err *err)
{
	(void)download;
	(void)err;
	return 0;
}

static int admit(struct download *download, struct err *err)
{
	if (download->import_size == download->size)
		return 0;
	return err_set(err, ERR_DAMAGED, "it has another size than the manifest says");
}

static int check(struct download *download, int fd, uint64_t size, struct err *err)
{
	(void)size;
	download->check_ended = false;
	return payload_check_new(fd, download->size, download->release, &download->sum, err);
}

static int read_on(struct download *download, struct err *err)
{
	return payload_check_step(download->sum, BLOB_STEP, &download->check_ended, err);
}

static int judge(struct download *download, struct err *err)
{
	return payload_check_end(download->sum, err);
}

static int take(struct download *download, struct err *err)
{
	return cache_part_take(download->part, slice_of(NULL, 0), err);
}

const struct download_kind download_payload = {
	.part = RESOURCE_PAYLOAD,
	.by_digest = true,
	.prepare = prepare,
	.admit = admit,
	.check = check,
	.read = read_on,
	.judge = judge,
	.take = take,
};
