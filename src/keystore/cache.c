/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chained hash table with a list through all entries in order of their use. Its bound is in
 * bytes, so the number of buckets is fixed from the start and nothing is ever rehashed. The hash
 * has a random start, since tenants choose the names.
 */
#include "keystore/keystore.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/cipher.h"

#define BYTES_PER_BUCKET 1024u
#define BUCKETS_MIN	 16u
#define BUCKETS_MAX	 65536u

struct entry {
	struct entry *chain;
	struct entry *newer;
	struct entry *older;
	uint64_t hash;
	enum store_kind kind;
	size_t tenant_len;
	size_t name_len;
	size_t record_len;
	uint8_t data[]; /* tenant, name, record */
};

struct keystore_cache {
	size_t max_bytes;
	size_t bytes;
	uint64_t epoch;
	uint64_t seed;
	struct entry *newest;
	struct entry *oldest;
	size_t bucket_count; /* a power of two */
	struct entry **buckets;
};

static size_t entry_size(const struct entry *entry)
{
	return sizeof(*entry) + entry->tenant_len + entry->name_len + entry->record_len;
}

static struct slice entry_record(const struct entry *entry)
{
	return slice_of(entry->data + entry->tenant_len + entry->name_len, entry->record_len);
}

/* --- the table --- */

/* FNV-1a, then mixed, since the lower bits choose the bucket. */
static uint64_t mix(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	while (*text++ != '\0');
	return hash ^ hash >> 32;
}

static uint64_t hash_id(const struct keystore_cache *cache, const struct store_id *id)
{
	return mix(mix(cache->seed + (uint64_t)id->kind, id->tenant), id->name);
}

static bool entry_is(const struct entry *entry, uint64_t hash, const struct store_id *id)
{
	return entry->hash == hash && entry->kind == id->kind &&
	       slice_equal(slice_of(entry->data, entry->tenant_len), slice_str(id->tenant)) &&
	       slice_equal(slice_of(entry->data + entry->tenant_len, entry->name_len),
			   slice_str(id->name));
}

static struct entry **bucket_of(const struct keystore_cache *cache, uint64_t hash)
{
	return &cache->buckets[hash & (cache->bucket_count - 1)];
}

static struct entry *find(const struct keystore_cache *cache, const struct store_id *id)
{
	uint64_t hash = hash_id(cache, id);
	struct entry *entry = *bucket_of(cache, hash);

	while (entry && !entry_is(entry, hash, id))
		entry = entry->chain;
	return entry;
}

/* --- the order of use --- */

static void order_leave(struct keystore_cache *cache, struct entry *entry)
{
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		cache->newest = entry->older;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		cache->oldest = entry->newer;
}

static void order_enter(struct keystore_cache *cache, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = cache->newest;
	if (cache->newest)
		cache->newest->newer = entry;
	else
		cache->oldest = entry;
	cache->newest = entry;
}

static void entry_free(struct entry *entry)
{
	wipe(entry, entry_size(entry));
	free(entry);
}

static void evict(struct keystore_cache *cache, struct entry *entry)
{
	struct entry **at = bucket_of(cache, entry->hash);

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	order_leave(cache, entry);
	cache->bytes -= entry_size(entry);
	entry_free(entry);
}

/* --- the interface --- */

static size_t buckets_for(size_t max_bytes)
{
	size_t count = BUCKETS_MIN;

	while (count < BUCKETS_MAX && count < max_bytes / BYTES_PER_BUCKET)
		count *= 2;
	return count;
}

static void cache_cleanup(struct keystore_cache **cache)
{
	keystore_cache_free(*cache);
}

int keystore_cache_new(size_t max_bytes, struct keystore_cache **ret_cache, struct err *err)
{
	CLEANUP(cache_cleanup) struct keystore_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return err_set(err, ERR_INTERNAL, "memory is short");
	cache->max_bytes = max_bytes;
	cache->bucket_count = buckets_for(max_bytes);
	cache->buckets = calloc(cache->bucket_count, sizeof(struct entry *));
	if (!cache->buckets)
		return err_set(err, ERR_INTERNAL, "memory is short");
	if (cipher_random((uint8_t *)&cache->seed, sizeof(cache->seed), err) < 0)
		return err->code;
	*ret_cache = TAKE(cache);
	return 0;
}

void keystore_cache_free(struct keystore_cache *cache)
{
	if (!cache)
		return;
	while (cache->oldest)
		evict(cache, cache->oldest);
	free(cache->buckets);
	free(cache);
}

uint64_t keystore_cache_epoch(const struct keystore_cache *cache)
{
	return cache->epoch;
}

bool keystore_cache_get(struct keystore_cache *cache, const struct store_id *id,
			struct buf *ret_record)
{
	struct entry *entry = find(cache, id);

	if (!entry || entry->record_len > ret_record->max - ret_record->len)
		return false;
	order_leave(cache, entry);
	order_enter(cache, entry);
	buf_put(ret_record, entry_record(entry));
	return buf_ok(ret_record);
}

static struct entry *entry_new(const struct store_id *id, struct slice record)
{
	const struct entry head = {
		.kind = id->kind,
		.tenant_len = strlen(id->tenant),
		.name_len = strlen(id->name),
		.record_len = record.len,
	};
	struct entry *entry = malloc(entry_size(&head));

	if (!entry)
		return NULL;
	*entry = head;
	memcpy(entry->data, id->tenant, head.tenant_len);
	memcpy(entry->data + head.tenant_len, id->name, head.name_len);
	if (record.len > 0)
		memcpy(entry->data + head.tenant_len + head.name_len, record.data, record.len);
	return entry;
}

void keystore_cache_put(struct keystore_cache *cache, const struct store_id *id, uint64_t epoch,
			struct slice record)
{
	struct entry *old = find(cache, id);
	struct entry **bucket;
	struct entry *entry;

	if (epoch != cache->epoch || record.len > cache->max_bytes)
		return;
	entry = entry_new(id, record);
	if (!entry)
		return;
	/* It would only push the others out. */
	if (entry_size(entry) > cache->max_bytes) {
		entry_free(entry);
		return;
	}
	if (old)
		evict(cache, old);
	entry->hash = hash_id(cache, id);
	bucket = bucket_of(cache, entry->hash);
	entry->chain = *bucket;
	*bucket = entry;
	order_enter(cache, entry);
	cache->bytes += entry_size(entry);
	while (cache->bytes > cache->max_bytes)
		evict(cache, cache->oldest);
}

void keystore_cache_drop(struct keystore_cache *cache, const struct store_id *id)
{
	struct entry *entry = find(cache, id);

	cache->epoch++;
	if (entry)
		evict(cache, entry);
}

void keystore_cache_drop_tenant(struct keystore_cache *cache, const char *tenant)
{
	struct entry *entry = cache->oldest;

	cache->epoch++;
	while (entry) {
		struct entry *newer = entry->newer;

		if (slice_equal(slice_of(entry->data, entry->tenant_len), slice_str(tenant)))
			evict(cache, entry);
		entry = newer;
	}
}
