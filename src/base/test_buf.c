/* SPDX-License-Identifier: Apache-2.0 */
/* Buf and cursor: the maximum, sticky failure, byte order, and blocks that are wiped when left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static const uint8_t *watched; /* a block that is expected to be freed */
static size_t watched_len;
static bool freed_dirty;
static size_t freed_count;
static bool refuse_memory;

void __real_free(void *at);
void __wrap_free(void *at);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void __wrap_free(void *at)
{
	size_t i;

	if (at && at == watched) {
		freed_count++;
		for (i = 0; i < watched_len; i++)
			if (watched[i] != 0)
				freed_dirty = true;
		watched = NULL;
	}
	__real_free(at);
}

void *__wrap_malloc(size_t size)
{
	return refuse_memory ? NULL : __real_malloc(size);
}

static void watch(const struct buf *buf)
{
	watched = buf->data;
	watched_len = buf->cap;
	freed_dirty = false;
	freed_count = 0;
}

static void puts_in_order(void **state)
{
	static const uint8_t expected[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
					   0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
					   0x0f, 'h',  'i',  '4',  '2',	 0xee, 0x00};
	CLEANUP(buf_fini) struct buf buf = BUF_INIT(100);

	(void)state;
	buf_put_u8(&buf, 0x01);
	buf_put_u16(&buf, 0x0203);
	buf_put_u32(&buf, 0x04050607);
	buf_put_u64(&buf, UINT64_C(0x08090a0b0c0d0e0f));
	buf_put_str(&buf, "hi");
	buf_printf(&buf, "%d", 42);
	buf_printf(&buf, "%s", "");
	buf_put(&buf, slice_of("\xee\x00", 2));
	buf_put(&buf, slice_of(NULL, 0));
	assert_true(buf_ok(&buf));
	assert_true(slice_equal(buf_slice(&buf), slice_of(expected, sizeof(expected))));
}

static void maximum_is_exact_and_failure_stays(void **state)
{
	static const size_t maxima[] = {0, 1, 63, 64, 65, 100, 128, 1000};
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_LEN(maxima); i++) {
		CLEANUP(buf_fini) struct buf buf = BUF_INIT(maxima[i]);

		for (j = 0; j < maxima[i]; j++)
			buf_put_u8(&buf, (uint8_t)j);
		assert_true(buf_ok(&buf));
		buf_put_u8(&buf, 1);
		assert_false(buf_ok(&buf));
		assert_null(buf_grow(&buf, 0));
		assert_int_equal(buf.len, maxima[i]);
		for (j = 0; j < maxima[i]; j++)
			assert_int_equal(buf.data[j], (uint8_t)j);
		buf_reset(&buf);
		assert_true(buf_ok(&buf));
		assert_int_equal(buf.len, 0);
	}
}

/* What does not fit is left out as a whole, for every kind of put. */
static void no_part_is_written(void **state)
{
	size_t kind;

	(void)state;
	for (kind = 0; kind < 6; kind++) {
		CLEANUP(buf_fini) struct buf buf = BUF_INIT(4);

		buf_put_str(&buf, "abc");
		switch (kind) {
		case 0:
			buf_put_u16(&buf, 1);
			break;
		case 1:
			buf_put_u32(&buf, 1);
			break;
		case 2:
			buf_put_u64(&buf, 1);
			break;
		case 3:
			buf_put_str(&buf, "de");
			break;
		case 4:
			buf_printf(&buf, "%d", 12);
			break;
		default:
			assert_null(buf_grow(&buf, SIZE_MAX));
			break;
		}
		assert_false(buf_ok(&buf));
		buf_put_u8(&buf, 'd');
		assert_true(slice_equal(buf_slice(&buf), slice_str("abc")));
	}
}

static void printf_fits_exactly(void **state)
{
	CLEANUP(buf_fini) struct buf buf = BUF_INIT(64);

	(void)state;
	buf_printf(&buf, "%064d", 7);
	assert_true(buf_ok(&buf));
	assert_int_equal(buf.len, 64);
	assert_int_equal(buf.data[63], '7');
	buf_printf(&buf, "%s", "");
	assert_true(buf_ok(&buf));
}

static void growth_keeps_bytes_and_wipes_the_old_block(void **state)
{
	CLEANUP(buf_fini) struct buf buf = BUF_INIT(1 << 20);
	size_t i;

	(void)state;
	for (i = 0; i < 64; i++)
		buf_put_u8(&buf, 0xff);
	watch(&buf);
	buf_put_u8(&buf, 0xfe);
	assert_int_equal(freed_count, 1);
	assert_false(freed_dirty);
	for (i = 0; i < 64; i++)
		assert_int_equal(buf.data[i], 0xff);
	assert_int_equal(buf.data[64], 0xfe);
	assert_in_range(buf.cap, 128, 1 << 20);
}

static void fini_and_reset_wipe(void **state)
{
	struct buf buf = BUF_INIT(1000);
	size_t i;

	(void)state;
	for (i = 0; i < 100; i++)
		buf_put_u32(&buf, UINT32_MAX);
	buf_reset(&buf);
	for (i = 0; i < buf.cap; i++)
		assert_int_equal(buf.data[i], 0);
	buf_put_str(&buf, "again");
	watch(&buf);
	buf_fini(&buf);
	assert_int_equal(freed_count, 1);
	assert_false(freed_dirty);
	assert_null(buf.data);
	assert_int_equal(buf.len, 0);
	assert_int_equal(buf.max, 1000);
	buf_fini(&buf);
}

static void short_memory_fails(void **state)
{
	CLEANUP(buf_fini) struct buf buf = BUF_INIT(1000);
	CLEANUP(buf_fini) struct buf huge = BUF_INIT(SIZE_MAX);

	(void)state;
	buf_put_str(&buf, "kept");
	refuse_memory = true;
	assert_null(buf_grow(&buf, 500));
	refuse_memory = false;
	assert_false(buf_ok(&buf));
	assert_true(slice_equal(buf_slice(&buf), slice_str("kept")));
	assert_null(buf_grow(&huge, SIZE_MAX));
	assert_false(buf_ok(&huge));
}

static void cursor_reads_in_order(void **state)
{
	static const uint8_t bytes[] = {1,  2,	3,  4,	5,  6,	7,   8,	 9,
					10, 11, 12, 13, 14, 15, 'x', 'y'};
	struct cursor cursor = cursor_of(slice_of(bytes, sizeof(bytes)));

	(void)state;
	assert_int_equal(cursor_u8(&cursor), 0x01);
	assert_int_equal(cursor_u16(&cursor), 0x0203);
	assert_int_equal(cursor_u32(&cursor), 0x04050607);
	assert_true(cursor_u64(&cursor) == UINT64_C(0x08090a0b0c0d0e0f));
	assert_false(cursor_done(&cursor));
	assert_true(slice_equal(cursor_take(&cursor, 2), slice_str("xy")));
	assert_true(cursor_done(&cursor));
	assert_int_equal(cursor_take(&cursor, 0).len, 0);
	assert_true(cursor_done(&cursor));
	assert_int_equal(cursor_u8(&cursor), 0);
	assert_false(cursor_done(&cursor));
}

static void cursor_failure_stays(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0xff};
	static const size_t lengths[] = {4, 100, SIZE_MAX};
	struct cursor cursor;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(lengths); i++) {
		cursor = cursor_of(slice_of(bytes, sizeof(bytes)));
		assert_null(cursor_take(&cursor, lengths[i]).data);
		assert_true(cursor.failed);
		assert_int_equal(cursor_u8(&cursor), 0);
	}
	cursor = cursor_of(slice_of(bytes, sizeof(bytes)));
	assert_int_equal(cursor_u32(&cursor), 0);
	assert_int_equal(cursor_u16(&cursor), 0);
	assert_true(cursor_u64(&cursor) == 0);
	assert_false(cursor_done(&cursor));
	cursor = cursor_of(slice_of(NULL, 0));
	assert_true(cursor_done(&cursor));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_in_order),
		cmocka_unit_test(maximum_is_exact_and_failure_stays),
		cmocka_unit_test(no_part_is_written),
		cmocka_unit_test(printf_fits_exactly),
		cmocka_unit_test(growth_keeps_bytes_and_wipes_the_old_block),
		cmocka_unit_test(fini_and_reset_wipe),
		cmocka_unit_test(short_memory_fails),
		cmocka_unit_test(cursor_reads_in_order),
		cmocka_unit_test(cursor_failure_stays),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
