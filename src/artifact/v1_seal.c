/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher's half: the blob, from IV to padding. */

#include "artifact/v1.h"

#include "crypto/cbc.h"
#include "crypto/cipher.h"

_Static_assert(V1_BLOCK == CBC_BLOCK, "a block is AES's");

struct v1_seal {
	struct cbc *cbc;
	uint8_t last[V1_BLOCK];	 /* the last block of the blob; before the first byte its IV */
	uint8_t carry[V1_BLOCK]; /* plaintext that fills no block yet */
	size_t carried;
	uint64_t done; /* bytes of the blob that came out */
	bool dead;
};

uint64_t v1_blob_size(uint64_t plain)
{
	return V1_BLOCK + (plain / V1_BLOCK + 1) * V1_BLOCK;
}

static int seal_with(const struct secret *key, const uint8_t iv[V1_BLOCK],
		     struct v1_seal **ret_seal, struct err *err)
{
	CLEANUP(v1_seal_cleanup) struct v1_seal *seal = calloc(1, sizeof(*seal));
	int r;

	if (!seal)
		return err_set(err, ERR_INTERNAL, "out of memory");
	memcpy(seal->last, iv, V1_BLOCK);
	r = cbc_new(key, iv, true, &seal->cbc, err);
	if (r == 0)
		*ret_seal = TAKE(seal);
	return r;
}

int v1_seal_new(const struct secret *key, struct v1_seal **ret_seal, struct err *err)
{
	uint8_t iv[V1_BLOCK];
	int r = cipher_random(iv, sizeof(iv), err);

	return r < 0 ? r : seal_with(key, iv, ret_seal, err);
}

void v1_seal_free(struct v1_seal *seal)
{
	if (!seal)
		return;
	cbc_free(seal->cbc);
	wipe(seal, sizeof(*seal));
	free(seal);
}

/* All whole blocks of what was carried and @plain. */
static int seal_blocks(struct v1_seal *seal, struct slice plain, struct buf *blob, struct err *err)
{
	size_t carried = seal->carried;
	size_t whole = (carried + plain.len) / V1_BLOCK * V1_BLOCK;
	uint8_t *out = buf_grow(blob, whole);
	int r;

	if (!out)
		return err_set(err, ERR_TOO_LARGE, "no room for the sealed data");
	if (whole == 0)
		return 0;
	memcpy(out, seal->carry, carried);
	memcpy(out + carried, plain.data, whole - carried);
	r = cbc_run(seal->cbc, out, whole, err);
	if (r < 0)
		return r;
	memcpy(seal->last, out + whole - V1_BLOCK, V1_BLOCK);
	seal->done += whole;
	return 0;
}

static void seal_carry(struct v1_seal *seal, struct slice plain)
{
	size_t all = seal->carried + plain.len;
	size_t rest = all % V1_BLOCK;

	if (all < V1_BLOCK) {
		if (plain.len > 0)
			memcpy(seal->carry + seal->carried, plain.data, plain.len);
	} else if (rest > 0) {
		memcpy(seal->carry, plain.data + plain.len - rest, rest);
	}
	seal->carried = rest;
}

static int seal_put(struct v1_seal *seal, struct slice plain, struct buf *blob, struct err *err)
{
	int r;

	if (plain.len > V1_PLAIN_MAX || seal->done > V1_PLAIN_MAX)
		return err_set(err, ERR_TOO_LARGE, "no resource is that large");
	if (seal->done == 0) {
		buf_put(blob, slice_of(seal->last, V1_BLOCK));
		if (!buf_ok(blob))
			return err_set(err, ERR_TOO_LARGE, "no room for the sealed data");
		seal->done = V1_BLOCK;
	}
	r = seal_blocks(seal, plain, blob, err);
	if (r == 0)
		seal_carry(seal, plain);
	return r;
}

int v1_seal_add(struct v1_seal *seal, struct slice plain, struct buf *ret_blob, struct err *err)
{
	size_t before = ret_blob->len;
	int r;

	if (seal->dead)
		return err_set(err, ERR_INTERNAL, "the sealing has ended");
	r = seal_put(seal, plain, ret_blob, err);
	if (r == 0)
		return 0;
	seal->dead = true;
	ret_blob->len = before;
	return r;
}

int v1_seal_end(struct v1_seal *seal, struct buf *ret_blob, struct err *err)
{
	uint8_t padding[V1_BLOCK];
	size_t len = V1_BLOCK - seal->carried;
	int r;

	memset(padding, (int)len, sizeof(padding));
	r = v1_seal_add(seal, slice_of(padding, len), ret_blob, err);
	seal->dead = true;
	return r;
}

int v1_seal_state(const struct v1_seal *seal, struct v1_state *ret_state, struct err *err)
{
	if (seal->done == 0 || seal->dead)
		return err_set(err, ERR_INVALID, "there is nothing to go on with");
	ret_state->done = seal->done;
	memcpy(ret_state->last, seal->last, V1_BLOCK);
	return 0;
}

int v1_seal_resume(const struct secret *key, const struct v1_state *state,
		   struct v1_seal **ret_seal, uint64_t *ret_plain, struct err *err)
{
	int r;

	if (state->done < V1_BLOCK || state->done > V1_PLAIN_MAX || state->done % V1_BLOCK != 0)
		return err_set(err, ERR_DAMAGED, "there is no such place in a blob");
	r = seal_with(key, state->last, ret_seal, err);
	if (r < 0)
		return r;
	(*ret_seal)->done = state->done;
	*ret_plain = state->done - V1_BLOCK;
	return 0;
}

int v1_seal_bytes(const struct secret *key, struct slice plain, struct buf *ret_blob,
		  struct err *err)
{
	CLEANUP(v1_seal_cleanup) struct v1_seal *seal = NULL;
	size_t before = ret_blob->len;
	int r = v1_seal_new(key, &seal, err);

	if (r == 0)
		r = v1_seal_add(seal, plain, ret_blob, err);
	if (r == 0)
		r = v1_seal_end(seal, ret_blob, err);
	if (r < 0)
		ret_blob->len = before;
	return r;
}
