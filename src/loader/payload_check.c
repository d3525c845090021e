/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/payload_check.h"

#include <fcntl.h>
#include <stdlib.h>

#include "artifact/v1.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "loader/blob.h"

#define READ_SIZE ((size_t)256 << 10)

struct payload_check {
	int fd;
	uint64_t size, at;
	uint8_t digest[MANIFEST_DIGEST];
	struct hash_stream *hash;
};

int payload_check_new(int fd, uint64_t size, const uint8_t digest[MANIFEST_DIGEST],
		      struct payload_check **ret_check, struct err *err)
{
	CLEANUP(payload_check_cleanup) struct payload_check *check = calloc(1, sizeof(*check));
	int r;

	if (!check)
		return err_set(err, ERR_INTERNAL, "memory is short");
	check->fd = fd;
	check->size = size;
	memcpy(check->digest, digest, MANIFEST_DIGEST);
	r = hash_stream_new(HASH_SHA256, &check->hash, err);
	if (r < 0)
		return r;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	*ret_check = TAKE(check);
	return 0;
}

void payload_check_free(struct payload_check *check)
{
	if (!check)
		return;
	hash_stream_free(check->hash);
	free(check);
}

int payload_check_step(struct payload_check *check, uint64_t max, bool *ret_end, struct err *err)
{
	CLEANUP(mem_free_cleanup) uint8_t *bytes = malloc(READ_SIZE);
	size_t len = READ_SIZE;
	int r = 0;

	if (!bytes)
		return err_set(err, ERR_INTERNAL, "memory is short");
	while (r == 0 && max > 0 && len == READ_SIZE && check->at <= check->size) {
		r = blob_read(check->fd, check->at, bytes, READ_SIZE, &len, err);
		if (r == 0)
			r = hash_stream_add(check->hash, slice_of(bytes, len), err);
		check->at += len;
		max -= max < len ? max : len;
	}
	if (r == 0)
		*ret_end = len < READ_SIZE || check->at > check->size;
	return r;
}

int payload_check_end(struct payload_check *check, struct err *err)
{
	uint8_t digest[HASH_MAX_SIZE];
	int r = hash_stream_end(check->hash, digest, err);

	if (r < 0)
		return r;
	if (check->at == check->size && slice_equal(slice_of(digest, MANIFEST_DIGEST),
						    slice_of(check->digest, MANIFEST_DIGEST)))
		return 0;
	return err_set(err, ERR_DAMAGED, V1_DOES_NOT_OPEN);
}

uint64_t payload_check_at(const struct payload_check *check)
{
	return check->at;
}
