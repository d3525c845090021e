/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a fleet: found, not found, and files that are none. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "artifact/device_key.h"
#include "base/mem.h"

#define NAME_LEN (WRAP_NAME_HEX - 1u)

struct file {
	struct slice bytes;
	unsigned reads;
	size_t widest;
	uint64_t gone; /* bytes that it became shorter by */
	bool fails;
};

static int read_file(void *arg, uint64_t at, uint8_t *ret_bytes, size_t len, size_t *ret_len,
		     struct err *err)
{
	struct file *file = arg;
	uint64_t size = file->bytes.len - file->gone;
	size_t n = at >= size ? 0 : (size_t)(size - at);

	file->reads++;
	file->widest = len > file->widest ? len : file->widest;
	if (file->fails)
		return err_set(err, ERR_UNREADABLE, "no disk");
	n = n < len ? n : len;
	if (n > 0)
		memcpy(ret_bytes, file->bytes.data + at, n);
	*ret_len = n;
	return 0;
}

static void name_of(unsigned number, char ret_name[WRAP_NAME_HEX])
{
	snprintf(ret_name, WRAP_NAME_HEX, "000b%064x", number);
}

static void put_line(unsigned number, size_t fill, struct buf *file)
{
	char name[WRAP_NAME_HEX];

	name_of(number, name);
	buf_printf(file, DEVICE_KEY_PREFIX "%s\",\"x\":\"", name);
	for (size_t i = 0; i < fill; i++)
		buf_put_u8(file, 'f');
	buf_put_str(file, "\"}\n");
	assert_true(buf_ok(file));
}

static int find(struct slice bytes, const char *name, struct buf *line, struct file *ret_file)
{
	struct file file = {.bytes = bytes, .gone = ret_file->gone, .fails = ret_file->fails};
	const struct device_keys keys = {.size = bytes.len, .read = read_file, .arg = &file};
	struct err err = {0};
	int r = device_keys_find(&keys, name, line, &err);

	assert_int_equal(r, err.code);
	*ret_file = file;
	return r;
}

/* Every line of fleets of many sizes, what is before, between and behind; in few reads. */
static void test_found(void **state)
{
	static const unsigned fleets[] = {0, 1, 2, 3, 7, 64, 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fleets); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(4u << 20);

		for (unsigned n = 0; n < fleets[i]; n++)
			put_line(2 * n + 1, n * 37 % 1900, &bytes);
		for (unsigned n = 0; n <= 2 * fleets[i]; n++) {
			CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX);
			struct file file = {0};
			char name[WRAP_NAME_HEX];
			int r;

			name_of(n, name);
			r = find(buf_slice(&bytes), name, &line, &file);
			assert_int_equal(r, n % 2 ? 0 : ERR_NOT_FOUND);
			assert_true(file.reads <= 22 && file.widest <= 2 * DEVICE_KEY_LINE_MAX);
			if (r < 0) {
				assert_int_equal(line.len, 0);
				continue;
			}
			assert_memory_equal(line.data + strlen(DEVICE_KEY_PREFIX), name, NAME_LEN);
			assert_int_equal(line.data[line.len - 1], '}');
		}
	}
}

/* The longest line that may be, alone and among others; one byte more. */
static void test_longest(void **state)
{
	const size_t frame = strlen(DEVICE_KEY_PREFIX) + NAME_LEN + strlen("\",\"x\":\"\"}\n");

	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		for (unsigned around = 0; around < 3; around++) {
			CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1u << 20);
			CLEANUP(buf_fini) struct buf line = BUF_INIT(2 * DEVICE_KEY_LINE_MAX);
			struct file file = {0};
			char name[WRAP_NAME_HEX];

			name_of(500, name);
			for (unsigned n = 0; n < around; n++)
				put_line(n, 100, &bytes);
			put_line(500, DEVICE_KEY_LINE_MAX - frame + more, &bytes);
			for (unsigned n = 0; n < around; n++)
				put_line(501 + n, 100, &bytes);
			assert_int_equal(find(buf_slice(&bytes), name, &line, &file),
					 more ? ERR_DAMAGED : 0);
			assert_int_equal(line.len, more ? 0 : DEVICE_KEY_LINE_MAX - 1);
		}
	}
}

/* Files that are no lines in order: whatever is looked for, it ends, and in an error. */
static void test_hostile(void **state)
{
	enum what {
		EMPTY_LINES,
		NULS,
		NO_END,
		ONE_LONG,
		LOUD,
		SHORT,
		NO_PREFIX,
		BACKWARDS,
		TWINS,
		NUL_INSIDE,
		WHATS
	};
	(void)state;
	for (unsigned what = 0; what < WHATS; what++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1u << 20);
		CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX);
		struct file file = {0};
		char name[WRAP_NAME_HEX];

		for (unsigned n = 0; n < 200; n++) {
			unsigned number = what == BACKWARDS ? 400 - 2 * n : what == TWINS ? 1 : n;

			if (what <= ONE_LONG)
				for (unsigned i = 0; i < 100; i++)
					buf_put_u8(&bytes, what == EMPTY_LINES ? '\n'
							   : what == NULS      ? 0
									       : 'x');
			else
				put_line(number, 10, &bytes);
		}
		for (size_t i = 0; i < bytes.len; i++) {
			if (what == LOUD && bytes.data[i] == 'b')
				bytes.data[i] = 'B';
			if (what == SHORT && bytes.data[i] == '0')
				bytes.data[i] = '\n';
			if (what == NO_PREFIX && bytes.data[i] == '{')
				bytes.data[i] = '[';
			if (what == NUL_INSIDE && bytes.data[i] == 'f')
				bytes.data[i] = 0;
		}
		if (what == NO_END)
			bytes.len--;
		name_of(301, name);
		assert_int_equal(find(buf_slice(&bytes), name, &line, &file), ERR_DAMAGED);
		assert_true(file.reads <= 20);
		assert_int_equal(line.len, 0);
	}
}

/* Every cut of a good file, and every byte of it changed: an end each time. */
static void test_any_bytes(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1u << 20);
	char name[WRAP_NAME_HEX];

	(void)state;
	for (unsigned n = 0; n < 9; n++)
		put_line(n, 40, &bytes);
	name_of(5, name);
	for (size_t i = 0; i < bytes.len; i++) {
		CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX);
		struct file file = {0};
		int r = find(slice_of(bytes.data, i), name, &line, &file);
		uint8_t kept = bytes.data[i];

		assert_true(r == 0 || r == ERR_NOT_FOUND || r == ERR_DAMAGED);
		buf_reset(&line);
		bytes.data[i] = i % 2 ? '\n' : '0';
		r = find(buf_slice(&bytes), name, &line, &file);
		assert_true(r == 0 || r == ERR_NOT_FOUND || r == ERR_DAMAGED);
		assert_true(file.reads <= 20);
		bytes.data[i] = kept;
	}
}

static void test_disk(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1u << 20);
	CLEANUP(buf_fini) struct buf line = BUF_INIT(DEVICE_KEY_LINE_MAX), tight = BUF_INIT(10);
	struct file file = {.fails = true};
	char name[WRAP_NAME_HEX];

	(void)state;
	put_line(5, 40, &bytes);
	name_of(5, name);
	assert_int_equal(find(buf_slice(&bytes), name, &line, &file), ERR_UNREADABLE);
	file = (struct file){.gone = 1};
	assert_int_equal(find(buf_slice(&bytes), name, &line, &file), ERR_DAMAGED);
	file = (struct file){.gone = bytes.len};
	assert_int_equal(find(buf_slice(&bytes), name, &line, &file), ERR_DAMAGED);
	file = (struct file){0};
	assert_int_equal(find(buf_slice(&bytes), name, &tight, &file), ERR_INTERNAL);
	assert_int_equal(find(buf_slice(&bytes), name, &line, &file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),	cmocka_unit_test(test_longest),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
