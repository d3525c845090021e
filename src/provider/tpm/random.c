/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The chip gives 32 bytes now and then, the kernel 32 bytes every time; neither alone decides what
 * comes out. Each request keys AES-256-CTR with HMAC(state, kernel's bytes) and then moves the
 * state forward, so that what was given out cannot be computed from a later state.
 */

#include "crypto/cipher.h"
#include "provider/tpm/impl.h"

#define POOL_STATE 32u

int random_pool_init(struct random_pool *pool, struct err *err)
{
	pool->uses_left = 0;
	return secret_new(POOL_STATE, &pool->state, err);
}

void random_pool_fini(struct random_pool *pool)
{
	secret_free(pool->state);
	pool->state = NULL;
}

static int mix(struct random_pool *pool, const char *label, struct slice bytes, uint8_t *ret_key,
	       struct err *err)
{
	struct slice parts[] = {slice_str(label), bytes};

	return hash_hmac(HASH_SHA256, secret_slice(pool->state), parts, ARRAY_LEN(parts), ret_key,
			 err);
}

static int seed(struct random_pool *pool, struct engine *engine, struct err *err)
{
	uint8_t fresh[POOL_SEED];
	int r = engine_random(engine, fresh, sizeof(fresh), err);

	if (r == 0)
		r = mix(pool, "seed", slice_of(fresh, sizeof(fresh)), secret_data(pool->state),
			err);
	if (r == 0)
		pool->uses_left = POOL_USES;
	wipe(fresh, sizeof(fresh));
	return r;
}

int random_pool_take(struct random_pool *pool, struct engine *engine, uint8_t *ret_bytes,
		     size_t len, struct err *err)
{
	uint8_t kernel[POOL_SEED], key[POOL_STATE];
	int r = 0;

	if (!pool->uses_left)
		r = seed(pool, engine, err);
	if (r == 0)
		r = cipher_random(kernel, sizeof(kernel), err);
	if (r == 0)
		r = mix(pool, "output", slice_of(kernel, sizeof(kernel)), key, err);
	if (r == 0)
		r = mix(pool, "state", slice_of(kernel, sizeof(kernel)), secret_data(pool->state),
			err);
	if (r == 0)
		r = cipher_expand(slice_of(key, sizeof(key)), ret_bytes, len, err);
	if (r == 0)
		pool->uses_left--;
	wipe(kernel, sizeof(kernel));
	wipe(key, sizeof(key));
	return r;
}
