/* SPDX-License-Identifier: Apache-2.0 */
/* What a device remembers of a name against what it is offered. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "artifact/floor.h"
#include "base/mem.h"

#define NOW INT64_C(1900000000)

static struct manifest offer;

static void test_judge(void **state)
{
	static const struct {
		uint64_t known;
		uint8_t known_digest;
		uint64_t serial;
		uint8_t digest;
		int64_t expires, now;
		enum floor_verdict verdict;
	} rows[] = {
		/* a name never seen */
		{0, 0, 1, 9, 0, NOW, FLOOR_TAKE},
		{0, 0, MANIFEST_SERIAL_MAX, 9, 0, NOW, FLOOR_TAKE},
		/* newer, the same, another one of the same number, older */
		{7, 9, 8, 1, 0, NOW, FLOOR_TAKE},
		{7, 9, 7, 9, 0, NOW, FLOOR_TAKE},
		{7, 9, 7, 1, 0, NOW, FLOOR_ROLLED_BACK},
		{7, 9, 6, 9, 0, NOW, FLOOR_ROLLED_BACK},
		{MANIFEST_SERIAL_MAX, 9, 1, 9, 0, NOW, FLOOR_ROLLED_BACK},
		/* the last second it is good, the first it is not */
		{7, 9, 8, 1, NOW + 1, NOW, FLOOR_TAKE},
		{7, 9, 8, 1, NOW, NOW, FLOOR_EXPIRED},
		{7, 9, 8, 1, 1, NOW, FLOOR_EXPIRED},
		{7, 9, 7, 9, NOW - 1, NOW, FLOOR_EXPIRED},
		{0, 0, 1, 9, NOW - 1, NOW, FLOOR_EXPIRED},
		/* no clock: nothing has expired, and nothing else is let by */
		{7, 9, 8, 1, 1, CMS_ANY_TIME, FLOOR_TAKE},
		{7, 9, 6, 1, 1, CMS_ANY_TIME, FLOOR_ROLLED_BACK},
		/* both: it is the serial that is told */
		{7, 9, 6, 1, 1, NOW, FLOOR_ROLLED_BACK},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct floor floor = {.min_format = 1, .serial = rows[i].known};

		floor.digest[MANIFEST_DIGEST - 1] = rows[i].known_digest;
		offer = (struct manifest){.serial = rows[i].serial, .expires = rows[i].expires};
		offer.digest[MANIFEST_DIGEST - 1] = rows[i].digest;
		assert_int_equal(floor_judge(&floor, &offer, rows[i].now), rows[i].verdict);
	}
}

static void test_raise(void **state)
{
	static const struct {
		struct floor before;
		unsigned min_format;
		uint64_t serial;
		unsigned raised_format;
		uint64_t raised_serial;
		bool taken; /* the digest is the offer's */
	} rows[] = {
		{{.min_format = 1}, 1, 1, 1, 1, true},
		{{.min_format = 1}, 2, 5, 2, 5, true},
		{{.min_format = 2, .serial = 5}, 1, 6, 2, 6, true},
		{{.min_format = 2, .serial = 5}, 2, 5, 2, 5, false},
		{{.min_format = 1, .serial = 5}, 2, 4, 2, 5, false},
		{{.min_format = 2, .serial = 5}, 1, 4, 2, 5, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct floor raised;

		offer = (struct manifest){.min_format = rows[i].min_format,
					  .serial = rows[i].serial};
		offer.digest[0] = 0x77;
		raised = floor_raise(&rows[i].before, &offer);
		assert_int_equal(raised.min_format, rows[i].raised_format);
		assert_int_equal(raised.serial, rows[i].raised_serial);
		assert_int_equal(raised.digest[0], rows[i].taken ? 0x77 : 0);
	}
}

static void test_v1(void **state)
{
	const struct floor never = {.min_format = 1};
	const struct floor moved = {.min_format = 2};

	(void)state;
	assert_true(floor_allows_v1(&never));
	assert_false(floor_allows_v1(&moved));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_raise),
		cmocka_unit_test(test_v1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
