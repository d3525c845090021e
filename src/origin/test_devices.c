/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: when they end, who makes room for whom, and what is left of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "origin/devices.h"

#define SECOND 1000000u
#define START  ((uint64_t)7 * SECOND)

static int setup(void **state)
{
	struct devices *devices = NULL;
	struct err err;

	assert_int_equal(devices_new(&devices, &err), 0);
	*state = devices;
	return 0;
}

static int teardown(void **state)
{
	devices_free(*state);
	return 0;
}

/* The device of that number, with an endorsement key of its own unless @ek is 0. */
static struct device device(unsigned number, unsigned ek)
{
	struct device device = {.has_ek = ek != 0, .area_len = ek ? 5 : 0};

	memcpy(device.name, &number, sizeof(number));
	memcpy(device.ek_name, &ek, sizeof(ek));
	memcpy(device.area, "area\xff", 5);
	return device;
}

static void digest(unsigned number, uint8_t ret_digest[DEVICE_DIGEST])
{
	char text[16];
	struct err err;

	(void)snprintf(text, sizeof(text), "s%u", number);
	assert_int_equal(device_digest(slice_str(text), ret_digest, &err), 0);
}

static void begin(struct devices *devices, unsigned session, struct device who, uint64_t now_us)
{
	uint8_t bytes[DEVICE_DIGEST];
	struct err err;

	digest(session, bytes);
	assert_int_equal(devices_begin(devices, &who, bytes, now_us, &err), 0);
}

static void confirm(struct devices *devices, unsigned session, uint64_t now_us)
{
	uint8_t bytes[DEVICE_DIGEST];

	digest(session, bytes);
	devices_confirm(devices, bytes, now_us);
}

static bool has(struct devices *devices, unsigned session, uint64_t now_us)
{
	uint8_t bytes[DEVICE_DIGEST];
	struct device found;

	digest(session, bytes);
	return devices_find(devices, bytes, now_us, &found);
}

static void test_find(void **state)
{
	uint8_t bytes[DEVICE_DIGEST];
	struct device found = {.area_len = 77};
	const struct device one = device(1, 9);

	digest(1, bytes);
	assert_false(devices_find(*state, bytes, START, &found));
	assert_int_equal(found.area_len, 77);
	begin(*state, 1, one, START);
	assert_true(devices_find(*state, bytes, START, &found));
	assert_memory_equal(found.name, one.name, WRAP_NAME_SIZE);
	assert_memory_equal(found.ek_name, one.ek_name, WRAP_NAME_SIZE);
	assert_true(found.has_ek);
	assert_int_equal(found.area_len, 5);
	assert_memory_equal(found.area, "area\xff", 5);
	/* What was written once is not written again. */
	confirm(*state, 1, START);
	assert_true(devices_find(*state, bytes, START, &found));
	assert_int_equal(found.area_len, 0);
	assert_true(found.has_ek);
	bytes[DEVICE_DIGEST - 1] ^= 1;
	assert_false(devices_find(*state, bytes, START, &found));
}

static void test_time(void **state)
{
	const uint64_t open = START + (uint64_t)DEVICES_OPEN_S * SECOND;
	const uint64_t late = open - 1 + (uint64_t)DEVICES_S * SECOND;

	begin(*state, 1, device(1, 1), START);
	begin(*state, 2, device(2, 2), START);
	assert_true(has(*state, 2, open - 1));
	confirm(*state, 2, open - 1);
	/* Once more is no second life. */
	confirm(*state, 2, open);
	assert_false(has(*state, 1, open));
	confirm(*state, 1, open);
	assert_false(has(*state, 1, open));
	assert_true(has(*state, 2, late - 1));
	assert_false(has(*state, 2, late));
}

static struct device by(unsigned user, struct device device)
{
	device.user = user;
	return device;
}

/* A user has so many open ones of a storage key, and of an endorsement key; confirmed ones stay. */
static void test_replaced(void **state)
{
	begin(*state, 1, device(1, 1), START);
	confirm(*state, 1, START);
	for (unsigned i = 2; i < 2 + DEVICES_EACH; i++)
		begin(*state, i, device(1, 1), START);
	for (unsigned i = 1; i < 2 + DEVICES_EACH; i++)
		assert_true(has(*state, i, START));
	begin(*state, 10, device(1, 1), START);
	assert_false(has(*state, 2, START));
	begin(*state, 11, device(2, 1), START);
	assert_false(has(*state, 3, START));
	begin(*state, 12, device(3, 3), START);
	/* Without endorsement keys there is nothing that two devices have in common. */
	for (unsigned i = 13; i < 13 + 2 * DEVICES_EACH; i++)
		begin(*state, i, device(i, 0), START);
	for (unsigned i = 10; i < 13 + 2 * DEVICES_EACH; i++)
		assert_true(has(*state, i, START));
	assert_true(has(*state, 1, START));
}

/* Nobody ends what another user has begun, by either key of it. */
static void test_of_others(void **state)
{
	begin(*state, 1, by(1, device(1, 1)), START);
	for (unsigned i = 0; i < 100; i++) {
		begin(*state, 100 + i, by(2, device(1, 0)), START);
		begin(*state, 300 + i, by(3, device(2, 1)), START);
	}
	assert_true(has(*state, 1, START));
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(has(*state, 100 + i, START), i >= 100 - DEVICES_EACH);
		assert_int_equal(has(*state, 300 + i, START), i >= 100 - DEVICES_EACH);
	}
}

/* .. nor by taking all the room. */
static void test_flood_of_others(void **state)
{
	const unsigned mine = DEVICES_OPEN_MAX / 4, all = 3 * DEVICES_OPEN_MAX;

	for (unsigned i = 0; i < mine; i++)
		begin(*state, i, by(1, device(i, 0)), START);
	for (unsigned i = 0; i < all; i++)
		begin(*state, 100000 + i, by(2, device(100000 + i, 0)), START);
	begin(*state, 99999, by(3, device(1, 0)), START);
	for (unsigned i = 0; i < mine; i++)
		assert_true(has(*state, i, START));
	assert_true(has(*state, 99999, START));
	assert_false(has(*state, 100000 + all - (DEVICES_OPEN_MAX - mine), START));
	assert_true(has(*state, 100000 + all - (DEVICES_OPEN_MAX - mine) + 1, START));
}

static void test_each(void **state)
{
	begin(*state, 100, device(2, 0), START);
	confirm(*state, 100, START);
	for (unsigned i = 0; i < 2 * DEVICES_EACH; i++) {
		begin(*state, i, device(1, 0), START);
		confirm(*state, i, START);
	}
	for (unsigned i = 0; i < 2 * DEVICES_EACH; i++)
		assert_int_equal(has(*state, i, START), i >= DEVICES_EACH);
	assert_true(has(*state, 100, START));
}

/* Whoever begins sessions of devices that are not his pushes out nobody who has proven himself. */
static void test_flood(void **state)
{
	begin(*state, 1, device(1, 0), START);
	confirm(*state, 1, START);
	begin(*state, 2, device(2, 0), START);
	for (unsigned i = 0; i < DEVICES_MAX + DEVICES_OPEN_MAX; i++)
		begin(*state, 1000 + i, device(1000 + i, 0), START);
	assert_true(has(*state, 1, START));
	assert_false(has(*state, 2, START));
	assert_false(has(*state, 1000 + DEVICES_MAX - 1, START));
	assert_true(has(*state, 1000 + DEVICES_MAX, START));
	assert_true(has(*state, 1000 + DEVICES_MAX + DEVICES_OPEN_MAX - 1, START));
}

static void test_full(void **state)
{
	const unsigned max = DEVICES_MAX - DEVICES_OPEN_MAX;

	for (unsigned i = 0; i < max + 10; i++) {
		begin(*state, i, device(i, 0), START + i);
		confirm(*state, i, START + i);
	}
	for (unsigned i = 0; i < max + 10; i++)
		assert_int_equal(has(*state, i, START + max + 10), i >= 10);
}

static void test_end(void **state)
{
	uint8_t bytes[DEVICE_DIGEST];

	for (unsigned i = 0; i < 3; i++)
		begin(*state, i, device(i, i + 1), START);
	confirm(*state, 2, START);
	for (unsigned i = 1; i < 3; i++) {
		digest(i, bytes);
		devices_end(*state, bytes);
		devices_end(*state, bytes);
	}
	assert_true(has(*state, 0, START));
	assert_false(has(*state, 1, START));
	assert_false(has(*state, 2, START));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_find),
		TEST(test_time),
		TEST(test_replaced),
		TEST(test_of_others),
		TEST(test_flood_of_others),
		TEST(test_each),
		TEST(test_flood),
		TEST(test_full),
		TEST(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
