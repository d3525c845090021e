/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_LEGACY_KEY_CACHE_H
#define PROVIDER_LEGACY_KEY_CACHE_H

/*
 * Key cache: the keys that were used last, parsed. Reading a PKCS#8 costs OpenSSL twenty times a
 * signature on P-256. A key is taken out, used by one thread alone and put back, so nobody waits
 * and no key has two users; who finds it taken parses another, and both stay.
 *
 * A key is known by SHA-256 over the exact bytes of header and object that were opened to get it,
 * all of it compared. The bytes were authentic then, and changed ones have another digest: so a hit
 * passes over the object's AEAD without passing over what that proves.
 */

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"
#include "crypto/pkey.h"

#define KEY_CACHE_SLOTS 16u
#define KEY_CACHE_ID	32u

struct key_cached;

struct key_cache_slot {
	_Atomic(struct key_cached *) key; /* NULL = free */
	_Atomic uint64_t tag;		  /* the id's beginning: where to look, no more */
	_Atomic uint64_t used;		  /* by the clock of uses */
};

/* Begins as zeros. Any thread. */
struct key_cache {
	struct key_cache_slot slots[KEY_CACHE_SLOTS];
	_Atomic uint64_t clock;
	_Atomic uint64_t wipes; /* calls of key_cache_wipe() */
};

/* A key in use: its user's until it is put back or freed. */
struct key_cached {
	uint8_t id[KEY_CACHE_ID];
	struct pkey *pkey;
	unsigned uses;	/* enum key_use; the user's, beside pkey */
	uint64_t wipes; /* at the time it was looked for: a later key_cache_wipe() means it too */
};
void key_cached_free(struct key_cached *key); /* the private half is wiped */
MEM_DEFINE_CLEANUP(key_cached)

/*
 * The key out of the cache, or a new one without pkey, into which the caller parses it. Only with
 * a pkey may it be put back. ERR_INTERNAL: memory is short.
 */
int key_cache_take(struct key_cache *cache, struct slice header, struct slice object,
		   struct key_cached **ret_key, struct err *err) MUST_CHECK;

/* Takes it over; the one that was used longest ago goes for it. */
void key_cache_put(struct key_cache *cache, struct key_cached *key);

/* No key stays, those in use at the moment neither. */
void key_cache_wipe(struct key_cache *cache);

#endif
