/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a blob is cut depends on its size, which is known at its end; but from V1_HOLD bytes on the
 * cut no longer moves. So that much is held, at most.
 */

#include "artifact/v1.h"

#include "crypto/hash.h"

#define V1_PERCENT 30u
#define V1_HOLD	   (V1_CUT_MAX * 100u / V1_PERCENT)

_Static_assert(V1_HOLD + V1_BLOCK < V1_GROWTH, "all that was held comes out at once");

struct v1_split {
	struct hash_stream *digest;
	struct buf held;
	uint64_t size;
	bool cut; /* the small part is out */
	bool dead;
};

size_t v1_cut(uint64_t blob)
{
	return blob >= V1_HOLD ? V1_CUT_MAX : (size_t)(blob * V1_PERCENT / 100);
}

int v1_split_new(struct v1_split **ret_split, struct err *err)
{
	CLEANUP(v1_split_cleanup) struct v1_split *split = calloc(1, sizeof(*split));
	int r;

	if (!split)
		return err_set(err, ERR_INTERNAL, "out of memory");
	split->held = (struct buf)BUF_INIT(V1_HOLD);
	r = hash_stream_new(HASH_SHA256, &split->digest, err);
	if (r == 0)
		*ret_split = TAKE(split);
	return r;
}

void v1_split_free(struct v1_split *split)
{
	if (!split)
		return;
	hash_stream_free(split->digest);
	buf_fini(&split->held);
	free(split);
}

/* What is held becomes the small part and the beginning of the big one. */
static void cut_held(struct v1_split *split, const struct v1_parts *parts)
{
	struct slice held = buf_slice(&split->held);
	size_t at = v1_cut(split->size);

	if (at > 0)
		buf_put(parts->small, slice_of(held.data, at));
	if (held.len > at)
		buf_put(parts->big, slice_of(held.data + at, held.len - at));
	split->cut = true;
}

static int parts_ok(const struct v1_parts *parts, struct err *err)
{
	if (buf_ok(parts->small) && buf_ok(parts->big))
		return 0;
	return err_set(err, ERR_TOO_LARGE, "no room for the parts");
}

static int split_put(struct v1_split *split, struct slice blob, const struct v1_parts *parts,
		     struct err *err)
{
	size_t room = V1_HOLD - split->held.len;
	size_t held = blob.len < room ? blob.len : room;
	int r = hash_stream_add(split->digest, blob, err);

	if (r < 0 || blob.len == 0)
		return r;
	split->size += blob.len;
	if (!split->cut) {
		buf_put(&split->held, slice_of(blob.data, held));
		if (!buf_ok(&split->held))
			return err_set(err, ERR_INTERNAL, "memory is short");
		blob = slice_of(blob.data + held, blob.len - held);
		if (split->held.len == V1_HOLD)
			cut_held(split, parts);
	}
	if (split->cut)
		buf_put(parts->big, blob);
	return parts_ok(parts, err);
}

int v1_split_add(struct v1_split *split, struct slice blob, const struct v1_parts *ret_parts,
		 struct err *err)
{
	size_t small = ret_parts->small->len, big = ret_parts->big->len;
	int r;

	if (split->dead)
		return err_set(err, ERR_INTERNAL, "the splitting has ended");
	r = split_put(split, blob, ret_parts, err);
	if (r == 0)
		return 0;
	split->dead = true;
	ret_parts->small->len = small;
	ret_parts->big->len = big;
	return r;
}

int v1_split_end(struct v1_split *split, const struct v1_parts *ret_parts, struct v1_seen *ret_seen,
		 struct err *err)
{
	size_t small = ret_parts->small->len, big = ret_parts->big->len;
	uint8_t digest[HASH_MAX_SIZE];
	int r;

	if (split->dead)
		return err_set(err, ERR_INTERNAL, "the splitting has ended");
	split->dead = true;
	if (!split->cut)
		cut_held(split, ret_parts);
	r = parts_ok(ret_parts, err);
	if (r == 0)
		r = hash_stream_end(split->digest, digest, err);
	if (r < 0) {
		ret_parts->small->len = small;
		ret_parts->big->len = big;
		return r;
	}
	ret_seen->size = split->size;
	memcpy(ret_seen->digest, digest, V1_DIGEST);
	return 0;
}

static int small_digest(struct slice small, uint8_t digest[V1_DIGEST], struct err *err)
{
	return hash_digest(HASH_SHA256, &small, 1, digest, err);
}

int v1_pin_make(struct slice small, const struct v1_seen *seen, struct v1_pin *ret_pin,
		struct err *err)
{
	uint8_t digest[V1_DIGEST];
	int r = small_digest(small, digest, err);

	if (r < 0)
		return r;
	memcpy(ret_pin->small, digest, V1_DIGEST);
	ret_pin->seen = *seen;
	return 0;
}

int v1_pin_expect(const struct v1_pin *pin, struct slice small, const struct v1_seen **ret_expected,
		  struct err *err)
{
	uint8_t digest[V1_DIGEST];
	int r = small_digest(small, digest, err);

	if (r < 0)
		return r;
	*ret_expected = slice_equal(slice_of(pin->small, V1_DIGEST), slice_of(digest, V1_DIGEST))
				? &pin->seen
				: NULL;
	return 0;
}
