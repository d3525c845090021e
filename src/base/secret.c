/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most secrets are keys and passwords of a few dozen bytes, made and freed for each request. They
 * live in slots of one arena, which is mapped and locked once; finding a slot is one atomic bit.
 * Larger ones, and small ones when the arena is full, get pages of their own. Locking is best
 * effort, since the limit is the administrator's; wiping and staying out of core dumps are not.
 */
#include "base/secret.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define SLOT_SIZE  256u
#define SLOT_COUNT 512u
#define ARENA_SIZE ((size_t)SLOT_SIZE * SLOT_COUNT)
#define WORD_BITS  64u
#define WORD_COUNT (SLOT_COUNT / WORD_BITS)

struct secret {
	size_t size;
	size_t mapped; /* bytes of its own mapping; 0 = a slot of the arena */
	uint8_t data[];
};

_Static_assert(sizeof(struct secret) + SECRET_SMALL == SLOT_SIZE, "a slot fits its header");
_Static_assert(SLOT_COUNT % WORD_BITS == 0, "whole words of the bitmap");

static _Atomic(uint8_t *) arena;
static _Atomic uint64_t taken[WORD_COUNT];

/* Zeroed pages, locked if possible and never dumped; NULL when memory is short. */
static void *pages_map(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	if (madvise(pages, size, MADV_DONTDUMP) < 0) {
		munmap(pages, size);
		return NULL;
	}
	(void)mlock(pages, size);
	return pages;
}

/* The first caller maps it. Of two at the same time one wins, the other gives its pages back. */
static uint8_t *arena_get(void)
{
	uint8_t *base = atomic_load_explicit(&arena, memory_order_acquire);
	uint8_t *mine;

	if (base)
		return base;
	mine = pages_map(ARENA_SIZE);
	if (!mine)
		return NULL;
	if (atomic_compare_exchange_strong(&arena, &base, mine))
		return mine;
	munmap(mine, ARENA_SIZE);
	return base;
}

/* Takes a free bit of one word: its number, or WORD_BITS when all are taken. */
static unsigned word_take(_Atomic uint64_t *word)
{
	uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
	unsigned bit;

	while (bits != UINT64_MAX) {
		bit = (unsigned)__builtin_ctzll(~bits);
		if (atomic_compare_exchange_weak_explicit(word, &bits, bits | UINT64_C(1) << bit,
							  memory_order_acquire,
							  memory_order_relaxed))
			return bit;
	}
	return WORD_BITS;
}

static struct secret *slot_take(void)
{
	uint8_t *base = arena_get();
	unsigned bit;
	size_t i;

	if (!base)
		return NULL;
	for (i = 0; i < WORD_COUNT; i++) {
		bit = word_take(&taken[i]);
		if (bit < WORD_BITS)
			return (struct secret *)(void *)(base + (i * WORD_BITS + bit) * SLOT_SIZE);
	}
	return NULL;
}

static void slot_release(struct secret *secret)
{
	const uint8_t *base = atomic_load_explicit(&arena, memory_order_acquire);
	size_t slot = (size_t)((const uint8_t *)secret - base) / SLOT_SIZE;

	wipe(secret, SLOT_SIZE);
	atomic_fetch_and_explicit(&taken[slot / WORD_BITS], ~(UINT64_C(1) << (slot % WORD_BITS)),
				  memory_order_release);
}

static struct secret *own_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct secret *secret;
	size_t mapped;

	if (size > PTRDIFF_MAX - sizeof(*secret) - page)
		return NULL;
	mapped = (sizeof(*secret) + size + page - 1) / page * page;
	secret = pages_map(mapped);
	if (secret)
		secret->mapped = mapped;
	return secret;
}

int secret_new(size_t size, struct secret **ret_secret, struct err *err)
{
	struct secret *secret = NULL;

	if (size <= SECRET_SMALL)
		secret = slot_take();
	if (!secret)
		secret = own_pages(size);
	if (!secret)
		return err_set(err, ERR_INTERNAL, "memory is short");
	secret->size = size;
	*ret_secret = secret;
	return 0;
}

int secret_copy(struct slice bytes, struct secret **ret_secret, struct err *err)
{
	int r = secret_new(bytes.len, ret_secret, err);

	if (r < 0)
		return r;
	if (bytes.len > 0)
		memcpy((*ret_secret)->data, bytes.data, bytes.len);
	return 0;
}

void secret_free(struct secret *secret)
{
	size_t mapped;

	if (!secret)
		return;
	mapped = secret->mapped;
	if (mapped == 0) {
		slot_release(secret);
		return;
	}
	wipe(secret, sizeof(*secret) + secret->size);
	munmap(secret, mapped);
}

uint8_t *secret_data(struct secret *secret)
{
	return secret->data;
}

size_t secret_size(const struct secret *secret)
{
	return secret->size;
}

struct slice secret_slice(const struct secret *secret)
{
	return slice_of(secret->data, secret->size);
}

void wipe(void *data, size_t len)
{
	if (len > 0)
		explicit_bzero(data, len);
}

bool secret_equal(struct slice a, struct slice b)
{
	volatile uint8_t differ = 0;
	size_t i;

	if (a.len != b.len)
		return false;
	for (i = 0; i < a.len; i++)
		differ = (uint8_t)(differ | (a.data[i] ^ b.data[i]));
	return differ == 0;
}
