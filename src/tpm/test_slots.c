/* SPDX-License-Identifier: Apache-2.0 */

/* Who goes next, what is saved, what is remembered: without a chip. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "tpm/slots.h"

static const struct engine_name name = {.bytes = {0, 11, 1, 2, 3}, .len = 34};

/* The id of object number @n. */
static const uint8_t *id(unsigned n)
{
	static uint8_t bytes[4][SLOTS_ID]; /* so that several stand in one expression */
	static unsigned at;
	struct slice part = slice_of(&n, sizeof(n));
	struct err err;

	at = (at + 1) % 4;
	assert_int_equal(hash_digest(HASH_SHA256, &part, 1, bytes[at], &err), 0);
	return bytes[at];
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct slots));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	slots_reset(*state);
	free(*state);
	return 0;
}

static void put(struct slots *slots, unsigned n)
{
	assert_non_null(slots_put(slots, id(n), 0x80000000u + n, &name));
}

/* As the engine does on a chip of which @room objects may stay; true when a context was saved. */
static bool use(struct slots *slots, unsigned n, unsigned room)
{
	struct slot *victim;
	bool saved = false;

	slots_mark(slots);
	if (slots_find(slots, id(n)))
		return false;
	while (slots_count(slots) >= room) {
		victim = slots_victim(slots);
		assert_non_null(victim);
		if (slots_wants_context(slots, victim)) {
			slots_keep(slots, victim->id, &victim->name, slice_of(victim->id, 32));
			saved = true;
		}
		slots_leave(slots, victim);
	}
	put(slots, n);
	return saved;
}

static void test_capacity(void **state)
{
	static const struct {
		uint32_t told, counted;
	} cases[] = {{0, 3},   {1, 3},	 {2, 2},       {3, 3},	     {7, 7},
		     {16, 16}, {17, 16}, {0xffff, 16}, {0x10000, 3}, {0xffffffff, 3}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(slots_capacity(cases[i].told), cases[i].counted);
}

static void test_the_least_recently_used_goes(void **state)
{
	struct slots *slots = *state;

	assert_null(slots_victim(slots));
	put(slots, 1);
	put(slots, 2);
	put(slots, 3);
	assert_non_null(slots_find(slots, id(1)));
	slots_mark(slots);
	assert_int_equal(slots_victim(slots)->handle, 0x80000002u);
	slots_leave(slots, slots_victim(slots));
	assert_null(slots_find(slots, id(2)));
	assert_int_equal(slots_victim(slots)->handle, 0x80000003u);
	assert_int_equal(slots_count(slots), 2);
}

/* What the command names stays, whatever else is wanted. */
static void test_what_is_named_stays(void **state)
{
	struct slots *slots = *state;

	put(slots, 1);
	put(slots, 2);
	slots_mark(slots);
	assert_non_null(slots_find(slots, id(1)));
	assert_int_equal(slots_victim(slots)->handle, 0x80000002u);
	assert_non_null(slots_find(slots, id(2)));
	assert_null(slots_victim(slots));
	put(slots, 3);
	assert_null(slots_victim(slots));
	slots_mark(slots);
	assert_int_equal(slots_victim(slots)->handle, 0x80000001u);
}

static void test_as_many_as_there_are_slots(void **state)
{
	struct slots *slots = *state;
	unsigned n;

	for (n = 0; n < SLOTS_MAX; n++)
		put(slots, n);
	assert_int_equal(slots_count(slots), SLOTS_MAX);
	for (n = 0; n < SLOTS_MAX; n++)
		assert_int_equal(slots_find(slots, id(n))->handle, 0x80000000u + n);
	slots_unload(slots);
	assert_int_equal(slots_count(slots), 0);
	assert_null(slots_find(slots, id(0)));
}

/* --- what is saved --- */

/* 12 in turn: two rounds of loads, each saved in the third, and never again. */
static void test_saved_after_the_third_load(void **state)
{
	static const unsigned expected[] = {0, 0, 10, 2, 0, 0};
	struct slots *slots = *state;
	unsigned round, n, saves;

	for (round = 0; round < ARRAY_LEN(expected); round++) {
		for (saves = 0, n = 0; n < 12; n++)
			saves += use(slots, n, 2);
		assert_int_equal(saves, expected[round]);
	}
}

/* 100,000 objects at random: as good as none comes back, and none is saved. */
static void test_scattered_uses_save_nothing(void **state)
{
	struct slots *slots = *state;
	unsigned i, saves = 0;
	uint32_t random = 1;

	for (i = 0; i < 20000; i++) {
		random = random * 1664525u + 1013904223u;
		saves += use(slots, (random >> 8) % 100000, 2);
	}
	assert_true(saves <= 4);
}

/* Those that come back are found among those that do not. */
static void test_hot_among_many(void **state)
{
	struct slots *slots = *state;
	unsigned i, n;

	for (i = 0; i < 40; i++) {
		for (n = 0; n < 8; n++)
			(void)use(slots, n, 2);
		for (n = 0; n < 20; n++)
			(void)use(slots, 1000 + i * 20 + n, 2);
	}
	for (n = 0; n < 8; n++)
		assert_true(slots_has_context(slots, id(n)));
	for (n = 0; n < 800; n++)
		assert_false(slots_has_context(slots, id(1000 + n)));
}

/* --- contexts --- */

static void keep(struct slots *slots, unsigned n, size_t len)
{
	static uint8_t bytes[SLOTS_CONTEXT_MAX + 1];

	memcpy(bytes, &n, sizeof(n));
	slots_keep(slots, id(n), &name, slice_of(bytes, len));
}

static void expect_context(struct slots *slots, unsigned n, size_t len)
{
	struct engine_name found = {.len = 0};
	struct slice bytes;

	assert_true(slots_context(slots, id(n), &bytes, &found));
	assert_int_equal(bytes.len, len);
	assert_memory_equal(bytes.data, &n, sizeof(n));
	assert_int_equal(found.len, name.len);
	assert_memory_equal(found.bytes, name.bytes, name.len);
}

static void test_contexts_are_found(void **state)
{
	struct slots *slots = *state;
	unsigned n;

	assert_null(slots->buckets);
	assert_false(slots_has_context(slots, id(0)));
	slots_drop_context(slots, id(0));
	for (n = 0; n < 1500; n++)
		keep(slots, n, 450);
	for (n = 0; n < 1500; n++)
		expect_context(slots, n, 450);
	slots_drop_context(slots, id(77));
	assert_false(slots_has_context(slots, id(77)));
	keep(slots, 78, 500); /* in the place of the one before */
	expect_context(slots, 78, 500);
	expect_context(slots, 76, 450);
}

static void test_contexts_are_bounded(void **state)
{
	struct slots *slots = *state;
	unsigned n, found = 0;

	for (n = 0; n < 5000; n++) {
		keep(slots, n, 450);
		assert_true(slots->context_bytes <= SLOTS_CONTEXT_BYTES);
		if (n >= 100)
			expect_context(slots, 100, 450); /* in use all the time */
	}
	assert_true(slots_has_context(slots, id(4999)));
	assert_true(slots_has_context(slots, id(100)));
	assert_false(slots_has_context(slots, id(101)));
	for (n = 0; n < 5000; n++)
		found += slots_has_context(slots, id(n));
	assert_in_range(found, 1500, 2330); /* 1 MiB, what each costs beside its bytes included */
}

static void test_small_limits(void **state)
{
	struct slots *slots = *state;
	unsigned n;

	for (n = 0; n < 10; n++)
		keep(slots, n, 450);
	slots_set_limit(slots, 1200); /* two of them */
	assert_true(slots_has_context(slots, id(9)));
	assert_true(slots_has_context(slots, id(8)));
	assert_false(slots_has_context(slots, id(7)));
	slots_set_limit(slots, 1); /* none */
	assert_int_equal(slots->context_bytes, 0);
	assert_null(slots->newest);
	keep(slots, 1, 450);
	assert_false(slots_has_context(slots, id(1)));
}

static void test_impossible_contexts(void **state)
{
	struct slots *slots = *state;

	keep(slots, 1, 0);
	keep(slots, 2, SLOTS_CONTEXT_MAX + 1);
	assert_false(slots_has_context(slots, id(1)));
	assert_false(slots_has_context(slots, id(2)));
	keep(slots, 3, SLOTS_CONTEXT_MAX);
	expect_context(slots, 3, SLOTS_CONTEXT_MAX);
}

/* A context that the cache has lost is saved again when its object goes. */
static void test_a_lost_context_is_saved_again(void **state)
{
	struct slots *slots = *state;

	keep(slots, 1, 450);
	put(slots, 1);
	assert_false(slots_wants_context(slots, slots_find(slots, id(1))));
	slots_drop_context(slots, id(1));
	assert_true(slots_wants_context(slots, slots_find(slots, id(1))));
}

static void test_reset(void **state)
{
	struct slots *slots = *state;

	put(slots, 1);
	keep(slots, 2, 450);
	slots_reset(slots);
	assert_int_equal(slots_count(slots), 0);
	assert_false(slots_has_context(slots, id(2)));
	assert_int_equal(slots->context_bytes, 0);
	assert_null(slots->buckets);
	keep(slots, 2, 450);
	expect_context(slots, 2, 450);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_capacity),
		CASE(test_the_least_recently_used_goes),
		CASE(test_what_is_named_stays),
		CASE(test_as_many_as_there_are_slots),
		CASE(test_saved_after_the_third_load),
		CASE(test_scattered_uses_save_nothing),
		CASE(test_hot_among_many),
		CASE(test_contexts_are_found),
		CASE(test_contexts_are_bounded),
		CASE(test_small_limits),
		CASE(test_impossible_contexts),
		CASE(test_a_lost_context_is_saved_again),
		CASE(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
