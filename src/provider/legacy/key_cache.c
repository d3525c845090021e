/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot's key changes hands by atomic exchange only, so at any moment it has one owner: the slot
 * or a thread. Tag and time stand beside it and may be late; a wrong one costs a search or a
 * parsing, never a wrong key.
 */

#include "provider/legacy/key_cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"

static int id_of(struct slice header, struct slice object, uint8_t ret_id[KEY_CACHE_ID],
		 struct err *err)
{
	/* The length first: else a header's end could pass for an object's beginning. */
	const uint8_t len[] = {(uint8_t)(header.len >> 24), (uint8_t)(header.len >> 16),
			       (uint8_t)(header.len >> 8), (uint8_t)header.len};
	const struct slice parts[] = {slice_of(len, sizeof(len)), header, object};

	return hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), ret_id, err);
}

static uint64_t tag_of(const uint8_t id[KEY_CACHE_ID])
{
	uint64_t tag;

	memcpy(&tag, id, sizeof(tag));
	return tag;
}

void key_cached_free(struct key_cached *key)
{
	if (!key)
		return;
	pkey_free(key->pkey);
	free(key);
}

/* --- out ----------------------------------------------------------------------------------- */

static struct key_cached *find(struct key_cache *cache, const uint8_t id[KEY_CACHE_ID],
			       uint64_t wipes)
{
	size_t i;

	for (i = 0; i < KEY_CACHE_SLOTS; i++) {
		struct key_cached *key;

		if (atomic_load(&cache->slots[i].tag) != tag_of(id))
			continue;
		key = atomic_exchange(&cache->slots[i].key, NULL);
		if (!key)
			continue;
		key->wipes = wipes;
		if (slice_equal(slice_of(key->id, KEY_CACHE_ID), slice_of(id, KEY_CACHE_ID)))
			return key;
		key_cache_put(cache, key);
	}
	return NULL;
}

int key_cache_take(struct key_cache *cache, struct slice header, struct slice object,
		   struct key_cached **ret_key, struct err *err)
{
	uint64_t wipes = atomic_load(&cache->wipes);
	uint8_t id[KEY_CACHE_ID];
	struct key_cached *key;
	int r = id_of(header, object, id, err);

	if (r < 0)
		return r;
	key = find(cache, id, wipes);
	if (!key) {
		key = calloc(1, sizeof(*key));
		if (!key)
			return err_set(err, ERR_INTERNAL, "out of memory");
		memcpy(key->id, id, sizeof(key->id));
		key->wipes = wipes;
	}
	*ret_key = key;
	return 0;
}

/* --- in ------------------------------------------------------------------------------------ */

/* Into the slot if that is free; else the key stays the caller's. */
static bool settle(struct key_cache *cache, struct key_cache_slot *slot, struct key_cached *key)
{
	uint64_t tag = tag_of(key->id);
	struct key_cached *none = NULL;

	if (!atomic_compare_exchange_strong(&slot->key, &none, key))
		return false;
	/* From here on it may be gone already. */
	atomic_store(&slot->tag, tag);
	atomic_store(&slot->used, atomic_fetch_add(&cache->clock, 1) + 1);
	return true;
}

static struct key_cache_slot *oldest(struct key_cache *cache)
{
	struct key_cache_slot *found = &cache->slots[0];
	size_t i;

	for (i = 1; i < KEY_CACHE_SLOTS; i++)
		if (atomic_load(&cache->slots[i].used) < atomic_load(&found->used))
			found = &cache->slots[i];
	return found;
}

static void store(struct key_cache *cache, struct key_cached *key)
{
	struct key_cache_slot *slot;
	size_t i;

	for (i = 0; i < KEY_CACHE_SLOTS; i++)
		if (!atomic_load(&cache->slots[i].key) && settle(cache, &cache->slots[i], key))
			return;
	slot = oldest(cache);
	key_cached_free(atomic_exchange(&slot->key, NULL));
	if (!settle(cache, slot, key))
		key_cached_free(key); /* somebody was faster; it can be parsed again */
}

static void empty(struct key_cache *cache)
{
	size_t i;

	for (i = 0; i < KEY_CACHE_SLOTS; i++)
		key_cached_free(atomic_exchange(&cache->slots[i].key, NULL));
}

/*
 * A key_cache_wipe() that came while the key was out either finds it in its slot now, or has raised
 * the count before it looked there.
 */
void key_cache_put(struct key_cache *cache, struct key_cached *key)
{
	uint64_t wipes = key->wipes;

	store(cache, key);
	if (atomic_load(&cache->wipes) != wipes)
		empty(cache);
}

void key_cache_wipe(struct key_cache *cache)
{
	atomic_fetch_add(&cache->wipes, 1);
	empty(cache);
}
