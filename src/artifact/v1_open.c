/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's half. For length and padding the first pass needs the last two blocks only, so it
 * decrypts one block; what it does after the last byte takes the same steps whatever is wrong.
 */

#include "artifact/v1.h"

#include "crypto/cbc.h"
#include "crypto/hash.h"

#define V1_TAIL (2 * V1_BLOCK)

enum v1_stage { V1_ADDING, V1_ENDED, V1_DEAD };

struct v1_check {
	enum v1_stage stage;
	struct hash_stream *digest;
	struct v1_seen seen;
	uint8_t tail[V1_TAIL]; /* the last bytes of the blob */
};

/* Moves @bytes in at the end of the @size bytes at @tail. */
static void tail_push(uint8_t *tail, size_t size, struct slice bytes)
{
	if (bytes.len >= size) {
		memcpy(tail, bytes.data + bytes.len - size, size);
	} else if (bytes.len > 0) {
		memmove(tail, tail + bytes.len, size - bytes.len);
		memcpy(tail + size - bytes.len, bytes.data, bytes.len);
	}
}

static bool size_is_one(uint64_t size)
{
	return size >= V1_BLOB_MIN && size % V1_BLOCK == 0 && size <= v1_blob_size(V1_PLAIN_MAX);
}

static bool seen_equal(const struct v1_seen *a, const struct v1_seen *b)
{
	bool same = secret_equal(slice_of(a->digest, V1_DIGEST), slice_of(b->digest, V1_DIGEST));

	return same & (a->size == b->size);
}

static int does_not_open(struct err *err)
{
	return err_set(err, ERR_DAMAGED, V1_DOES_NOT_OPEN);
}

int v1_check_new(struct v1_check **ret_check, struct err *err)
{
	CLEANUP(v1_check_cleanup) struct v1_check *check = calloc(1, sizeof(*check));
	int r;

	if (!check)
		return err_set(err, ERR_INTERNAL, "out of memory");
	r = hash_stream_new(HASH_SHA256, &check->digest, err);
	if (r == 0)
		*ret_check = TAKE(check);
	return r;
}

void v1_check_free(struct v1_check *check)
{
	if (!check)
		return;
	hash_stream_free(check->digest);
	free(check);
}

int v1_check_add(struct v1_check *check, struct slice blob, struct err *err)
{
	int r;

	if (check->stage != V1_ADDING)
		return err_set(err, ERR_INTERNAL, "the check has ended");
	r = hash_stream_add(check->digest, blob, err);
	if (r < 0) {
		check->stage = V1_DEAD;
		return r;
	}
	check->seen.size += blob.len;
	tail_push(check->tail, V1_TAIL, blob);
	return 0;
}

int v1_check_end(struct v1_check *check, struct v1_seen *ret_seen, struct err *err)
{
	int r;

	if (check->stage != V1_ADDING)
		return err_set(err, ERR_INTERNAL, "the check has ended");
	check->stage = V1_DEAD;
	r = hash_stream_end(check->digest, check->seen.digest, err);
	if (r < 0)
		return r;
	check->stage = V1_ENDED;
	*ret_seen = check->seen;
	return 0;
}

/* How many bytes of the last block are padding, as cbc_padding() has it. */
static int last_padding(const struct v1_check *check, const struct secret *key,
			unsigned *ret_padding, struct err *err)
{
	CLEANUP(cbc_cleanup) struct cbc *cbc = NULL;
	uint8_t block[V1_BLOCK];
	int r = cbc_new(key, check->tail, false, &cbc, err);

	memcpy(block, check->tail + V1_BLOCK, V1_BLOCK);
	if (r == 0)
		r = cbc_run(cbc, block, V1_BLOCK, err);
	if (r == 0)
		*ret_padding = cbc_padding(block);
	wipe(block, sizeof(block));
	return r;
}

int v1_check_verdict(struct v1_check *check, const struct secret *key,
		     const struct v1_seen *expected, struct v1_facts *ret_facts, struct err *err)
{
	bool good;
	unsigned padding = 0;
	int r;

	if (check->stage != V1_ENDED)
		return err_set(err, ERR_INTERNAL, "the check has not come to its end");
	check->stage = V1_DEAD;
	r = last_padding(check, key, &padding, err);
	if (r < 0)
		return r;
	good = size_is_one(check->seen.size);
	good &= padding != 0;
	good &= seen_equal(&check->seen, expected ? expected : &check->seen);
	if (!good)
		return does_not_open(err);
	ret_facts->seen = check->seen;
	ret_facts->plain = check->seen.size - V1_BLOCK - padding;
	return 0;
}

struct v1_open {
	enum v1_stage stage;
	struct v1_facts facts;
	uint64_t start; /* in the blob, of the first block that is decrypted */
	uint64_t taken; /* bytes of the blob that came in */
	struct hash_stream *digest;
	struct secret *key; /* until there is */
	struct cbc *cbc;
	uint8_t chain[V1_BLOCK]; /* the last block before @start */
	uint8_t carry[V1_TAIL];	 /* ciphertext that is not decrypted yet */
	size_t carried;
};

static int open_check(const struct v1_facts *facts, uint64_t from, struct err *err)
{
	uint64_t padding = facts->seen.size - V1_BLOCK - facts->plain;

	if (!size_is_one(facts->seen.size) || padding < 1 || padding > V1_BLOCK)
		return err_set(err, ERR_INVALID, "these are no facts of a blob");
	if (from % V1_BLOCK != 0 || (from > 0 && from >= facts->plain))
		return err_set(err, ERR_INVALID, "there is no such place in the resource");
	return 0;
}

int v1_open_new(const struct secret *key, const struct v1_facts *facts, uint64_t from,
		struct v1_open **ret_open, struct err *err)
{
	CLEANUP(v1_open_cleanup) struct v1_open *open = calloc(1, sizeof(*open));
	int r = open_check(facts, from, err);

	if (r < 0)
		return r;
	if (!open)
		return err_set(err, ERR_INTERNAL, "out of memory");
	open->facts = *facts;
	open->start = from + V1_BLOCK;
	r = secret_copy(secret_slice(key), &open->key, err);
	if (r == 0)
		r = hash_stream_new(HASH_SHA256, &open->digest, err);
	if (r == 0)
		*ret_open = TAKE(open);
	return r;
}

void v1_open_free(struct v1_open *open)
{
	if (!open)
		return;
	hash_stream_free(open->digest);
	secret_free(open->key);
	cbc_free(open->cbc);
	free(open);
}

/* Takes from @blob what is before the first block to decrypt; the cipher is there afterwards. */
static int open_skip(struct v1_open *open, struct slice *blob, struct err *err)
{
	uint64_t left = open->start > open->taken ? open->start - open->taken : 0;
	size_t len = left < blob->len ? (size_t)left : blob->len;
	int r = 0;

	if (len == 0)
		return 0;
	tail_push(open->chain, V1_BLOCK, slice_of(blob->data, len));
	*blob = slice_of(blob->data + len, blob->len - len);
	open->taken += len;
	if (open->taken == open->start) {
		r = cbc_new(open->key, open->chain, false, &open->cbc, err);
		secret_free(TAKE(open->key));
	}
	return r;
}

/*
 * Where the end begins that is kept back: two blocks, since the last one may be padding alone; one
 * where there is no more.
 */
static uint64_t open_end_at(const struct v1_open *open)
{
	uint64_t at = open->facts.seen.size - V1_TAIL;

	return at < open->start ? open->start : at;
}

/* Decrypts all whole blocks of what was carried and @blob, but for the end. */
static int open_blocks(struct v1_open *open, struct slice blob, struct buf *plain, struct err *err)
{
	size_t carried = open->carried;
	size_t whole = (carried + blob.len) / V1_BLOCK * V1_BLOCK;
	uint64_t limit = open_end_at(open) - (open->taken - carried);
	uint8_t *out;
	int r;

	if (whole > limit)
		whole = (size_t)limit;
	out = buf_grow(plain, whole);
	if (!out)
		return err_set(err, ERR_TOO_LARGE, "no room for the opened data");
	open->taken += blob.len;
	if (whole > 0) {
		memcpy(out, open->carry, carried);
		memcpy(out + carried, blob.data, whole - carried);
		r = cbc_run(open->cbc, out, whole, err);
		if (r < 0)
			return r;
		blob = slice_of(blob.data + (whole - carried), blob.len - (whole - carried));
		carried = 0;
	}
	if (blob.len > 0)
		memcpy(open->carry + carried, blob.data, blob.len);
	open->carried = carried + blob.len;
	return 0;
}

static int open_put(struct v1_open *open, struct slice blob, struct buf *plain, struct err *err)
{
	int r;

	if (blob.len > open->facts.seen.size - open->taken)
		return does_not_open(err);
	r = hash_stream_add(open->digest, blob, err);
	if (r == 0)
		r = open_skip(open, &blob, err);
	if (r == 0 && blob.len > 0)
		r = open_blocks(open, blob, plain, err);
	return r;
}

int v1_open_add(struct v1_open *open, struct slice blob, struct buf *ret_plain, struct err *err)
{
	size_t before = ret_plain->len;
	int r;

	if (open->stage != V1_ADDING)
		return err_set(err, ERR_INTERNAL, "the opening has ended");
	r = open_put(open, blob, ret_plain, err);
	if (r == 0)
		return 0;
	open->stage = V1_DEAD;
	ret_plain->len = before;
	return r;
}

/* The end, and whether all was as it is in the facts. */
static int open_last(struct v1_open *open, struct buf *plain, struct err *err)
{
	const struct v1_facts *facts = &open->facts;
	uint64_t padding = facts->seen.size - V1_BLOCK - facts->plain;
	struct v1_seen seen = {.size = open->taken};
	uint8_t end[V1_TAIL];
	size_t len = open->carried;
	bool good;
	int r = hash_stream_end(open->digest, seen.digest, err);

	if (r < 0)
		return r;
	if (open->taken != facts->seen.size)
		return does_not_open(err);
	memcpy(end, open->carry, sizeof(end));
	r = cbc_run(open->cbc, end, len, err);
	good = seen_equal(&seen, &facts->seen);
	good &= cbc_padding(end + len - V1_BLOCK) == padding;
	if (r == 0 && !good)
		r = does_not_open(err);
	if (r == 0)
		buf_put(plain, slice_of(end, len - (size_t)padding));
	wipe(end, sizeof(end));
	if (r == 0 && !buf_ok(plain))
		r = err_set(err, ERR_TOO_LARGE, "no room for the opened data");
	return r;
}

int v1_open_end(struct v1_open *open, struct buf *ret_plain, struct err *err)
{
	if (open->stage != V1_ADDING)
		return err_set(err, ERR_INTERNAL, "the opening has ended");
	open->stage = V1_DEAD;
	return open_last(open, ret_plain, err);
}

static int check_bytes(const struct secret *key, struct slice blob, struct v1_facts *facts,
		       struct err *err)
{
	CLEANUP(v1_check_cleanup) struct v1_check *check = NULL;
	struct v1_seen seen;
	int r = v1_check_new(&check, err);

	if (r == 0)
		r = v1_check_add(check, blob, err);
	if (r == 0)
		r = v1_check_end(check, &seen, err);
	if (r == 0)
		r = v1_check_verdict(check, key, NULL, facts, err);
	return r;
}

int v1_open_bytes(const struct secret *key, struct slice blob, struct secret **ret_plain,
		  struct err *err)
{
	CLEANUP(v1_open_cleanup) struct v1_open *open = NULL;
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(V1_BYTES_MAX);
	struct v1_facts facts;
	int r;

	if (blob.len > V1_BYTES_MAX)
		return err_set(err, ERR_TOO_LARGE, "too much to open in one piece");
	r = check_bytes(key, blob, &facts, err);
	if (r == 0)
		r = v1_open_new(key, &facts, 0, &open, err);
	if (r == 0)
		r = v1_open_add(open, blob, &plain, err);
	if (r == 0)
		r = v1_open_end(open, &plain, err);
	return r < 0 ? r : secret_copy(buf_slice(&plain), ret_plain, err);
}
