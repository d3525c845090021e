/* SPDX-License-Identifier: Apache-2.0 */

#include "wrap/seed.h"

#include "crypto/cipher.h"
#include "crypto/hash.h"

/* Part 1, C.6.4: both sides derive it from the shared point and the two public ones. */
static int derive(const struct seed_holder *holder, struct slice z, struct slice ephemeral,
		  uint8_t ret_seed[SEED_SIZE], struct err *err)
{
	const struct hash_kdfe kdf = {
		.alg = HASH_SHA256,
		.z = z,
		.use = holder->use,
		.party_u = ephemeral,
		.party_v = holder->x,
		.bits = SEED_SIZE * 8,
	};

	return hash_kdfe(&kdf, ret_seed, err);
}

static int make_ecc(const struct seed_holder *holder, uint8_t ret_seed[SEED_SIZE],
		    struct buf *ret_sealed, struct err *err)
{
	struct pkey_ecdh ecdh = {0};
	int r = pkey_ecdh_ephemeral(holder->key, &ecdh, err);

	if (r < 0)
		return r;
	r = derive(holder, slice_of(ecdh.z, ecdh.size), slice_of(ecdh.x, ecdh.size), ret_seed, err);
	wipe(ecdh.z, sizeof(ecdh.z));
	buf_put_u16(ret_sealed, (uint16_t)ecdh.size);
	buf_put(ret_sealed, slice_of(ecdh.x, ecdh.size));
	buf_put_u16(ret_sealed, (uint16_t)ecdh.size);
	buf_put(ret_sealed, slice_of(ecdh.y, ecdh.size));
	return r;
}

/* Part 1, B.10.2. */
static int make_rsa(const struct seed_holder *holder, uint8_t ret_seed[SEED_SIZE],
		    struct buf *ret_sealed, struct err *err)
{
	int r = cipher_random(ret_seed, SEED_SIZE, err);

	if (r < 0)
		return r;
	return pkey_oaep_encrypt(holder->key, HASH_SHA256, holder->use,
				 slice_of(ret_seed, SEED_SIZE), ret_sealed, err);
}

int seed_make(const struct seed_holder *holder, uint8_t ret_seed[SEED_SIZE], struct buf *ret_sealed,
	      struct err *err)
{
	int r = pkey_type_is_rsa(pkey_type(holder->key))
			? make_rsa(holder, ret_seed, ret_sealed, err)
			: make_ecc(holder, ret_seed, ret_sealed, err);

	if (r == 0 && !buf_ok(ret_sealed))
		r = err_set(err, ERR_INTERNAL, "a shared secret does not fit");
	return r;
}

int seed_open(const struct seed_holder *holder, struct slice sealed, uint8_t ret_seed[SEED_SIZE],
	      struct err *err)
{
	CLEANUP(pkey_cleanup) struct pkey *ephemeral = NULL;
	CLEANUP(secret_cleanup) struct secret *z = NULL;
	struct cursor cursor = cursor_of(sealed);
	struct slice x, y;
	int r;

	x = cursor_take(&cursor, cursor_u16(&cursor));
	y = cursor_take(&cursor, cursor_u16(&cursor));
	if (!cursor_done(&cursor) || x.len != y.len || x.len != holder->x.len)
		return err_set(err, ERR_DAMAGED, "the seed is no point");
	r = pkey_from_ecc(pkey_type(holder->key), x, y, &ephemeral, err);
	if (r == 0)
		r = pkey_agree(holder->key, ephemeral, &z, err);
	if (r < 0 && r != ERR_INTERNAL)
		return err_set(err, ERR_DAMAGED, "the seed is no point of this key's curve");
	if (r < 0)
		return r;
	return derive(holder, secret_slice(z), x, ret_seed, err);
}
