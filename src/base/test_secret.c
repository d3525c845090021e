/* SPDX-License-Identifier: Apache-2.0 */
/* Secret: sizes, wiping, a full arena, locks that are refused, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <threads.h>

#include "base/secret.h"

#define MANY	1200 /* more than the arena holds */
#define THREADS 4
#define ROUNDS	2000

static bool refuse_memory;
static bool refuse_lock;
static bool unmapped_dirty;
static size_t unmapped_count;

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset);
int __real_mlock(const void *at, size_t len);
int __wrap_mlock(const void *at, size_t len);
int __real_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len);

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	errno = ENOMEM;
	return refuse_memory ? MAP_FAILED : __real_mmap(at, len, prot, flags, fd, offset);
}

/* The name behind mmap() where files are built with 64-bit offsets. */
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return __wrap_mmap(at, len, prot, flags, fd, offset);
}

int __wrap_mlock(const void *at, size_t len)
{
	errno = EPERM;
	return refuse_lock ? -1 : __real_mlock(at, len);
}

static bool all_zero(const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] != 0)
			return false;
	return true;
}

int __wrap_munmap(void *at, size_t len)
{
	unmapped_count++;
	if (!all_zero(at, len))
		unmapped_dirty = true;
	return __real_munmap(at, len);
}

static const size_t SIZES[] = {
	0,    1,    16,	   32,	    SECRET_SMALL - 1, SECRET_SMALL, SECRET_SMALL + 1,
	4080, 4081, 65536, 1u << 20};

static void sizes(void **state)
{
	struct err err = {0};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		CLEANUP(secret_cleanup) struct secret *secret = NULL;

		assert_int_equal(secret_new(SIZES[i], &secret, &err), 0);
		assert_int_equal(secret_size(secret), SIZES[i]);
		assert_true(all_zero(secret_data(secret), SIZES[i]));
		memset(secret_data(secret), 0xa5, SIZES[i]);
		assert_int_equal(secret_slice(secret).len, SIZES[i]);
		assert_ptr_equal(secret_slice(secret).data, secret_data(secret));
	}
}

static void impossible_sizes(void **state)
{
	static const size_t sizes_over[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 4096, PTRDIFF_MAX};
	struct secret *secret = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(sizes_over); i++) {
		struct err err = {0};

		assert_int_equal(secret_new(sizes_over[i], &secret, &err), ERR_INTERNAL);
		assert_int_equal(err.code, ERR_INTERNAL);
		assert_null(secret);
	}
}

static void copies(void **state)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	CLEANUP(secret_cleanup) struct secret *empty = NULL;
	struct err err = {0};
	char bytes[] = "four";

	(void)state;
	assert_int_equal(secret_copy(slice_of(bytes, 4), &secret, &err), 0);
	bytes[0] = 'x';
	assert_true(slice_equal(secret_slice(secret), slice_of("four", 4)));
	assert_int_equal(secret_copy(slice_of(NULL, 0), &empty, &err), 0);
	assert_int_equal(secret_size(empty), 0);
}

static void free_wipes(void **state)
{
	struct secret *secret = NULL;
	struct err err = {0};
	uint8_t *data;

	(void)state;
	secret_free(NULL);
	/* The arena stays mapped, so that one may look after the fact. */
	assert_int_equal(secret_new(SECRET_SMALL, &secret, &err), 0);
	data = secret_data(secret);
	memset(data, 0xff, SECRET_SMALL);
	secret_free(secret);
	assert_true(all_zero(data, SECRET_SMALL));

	unmapped_count = 0;
	unmapped_dirty = false;
	assert_int_equal(secret_new(5000, &secret, &err), 0);
	memset(secret_data(secret), 0xff, 5000);
	secret_free(secret);
	assert_int_equal(unmapped_count, 1);
	assert_false(unmapped_dirty);
}

static void full_arena(void **state)
{
	static struct secret *secrets[MANY];
	struct err err = {0};
	size_t i;

	(void)state;
	unmapped_count = 0;
	for (i = 0; i < MANY; i++) {
		assert_int_equal(secret_new(SECRET_SMALL, &secrets[i], &err), 0);
		memset(secret_data(secrets[i]), (int)(i % 251 + 1), SECRET_SMALL);
	}
	for (i = 0; i < MANY; i++) {
		assert_int_equal(secret_data(secrets[i])[0], i % 251 + 1);
		assert_int_equal(secret_data(secrets[i])[SECRET_SMALL - 1], i % 251 + 1);
	}
	for (i = 0; i < MANY; i++)
		secret_free(secrets[i]);
	/* At least 512 of them had a slot, and all slots are free again. */
	assert_in_range(unmapped_count, 1, MANY - 512);
	unmapped_count = 0;
	for (i = 0; i < 512; i++)
		assert_int_equal(secret_new(1, &secrets[i], &err), 0);
	for (i = 0; i < 512; i++)
		secret_free(secrets[i]);
	assert_int_equal(unmapped_count, 0);
}

static void refusals(void **state)
{
	struct secret *secret = NULL;
	struct err err = {0};

	(void)state;
	refuse_memory = true;
	assert_int_equal(secret_new(SECRET_SMALL + 1, &secret, &err), ERR_INTERNAL);
	refuse_memory = false;
	assert_null(secret);
	refuse_lock = true;
	assert_int_equal(secret_new(SECRET_SMALL + 1, &secret, &err), 0);
	refuse_lock = false;
	secret_free(secret);
}

/* "dd" among the VmFlags of the mapping that holds @at. */
static bool kept_from_dumps(const void *at)
{
	unsigned long low, high;
	bool inside = false;
	bool found = false;
	char line[512];
	FILE *maps = fopen("/proc/self/smaps", "re");

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
			inside = low <= (uintptr_t)at && (uintptr_t)at < high;
		if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, " dd") != NULL;
	}
	(void)fclose(maps);
	return found;
}

/* An emulator of another processor may keep it to itself, as there are no dumps of its guest. */
static bool dumps_are_asked(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool asked;

	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(madvise(page, 4096, MADV_DONTDUMP), 0);
	asked = kept_from_dumps(page);
	assert_int_equal(munmap(page, 4096), 0);
	return asked;
}

static void left_out_of_dumps(void **state)
{
	CLEANUP(secret_cleanup) struct secret *small = NULL;
	CLEANUP(secret_cleanup) struct secret *large = NULL;
	struct err err = {0};
	int on_stack = 0;

	(void)state;
	if (!dumps_are_asked())
		skip();
	assert_int_equal(secret_new(32, &small, &err), 0);
	assert_int_equal(secret_new(5000, &large, &err), 0);
	assert_true(kept_from_dumps(secret_data(small)));
	assert_true(kept_from_dumps(secret_data(large)));
	assert_false(kept_from_dumps(&on_stack));
}

/* Each thread marks its secrets and finds its marks again: a slot is never given out twice. */
static int hammer(void *arg)
{
	int mark = *(int *)arg;
	struct secret *own[8] = {NULL};
	struct err err = {0};
	size_t i;

	for (i = 0; i < ROUNDS; i++) {
		struct secret **at = &own[i % ARRAY_LEN(own)];

		if (*at && (secret_data(*at)[0] != mark || secret_data(*at)[99] != mark))
			return 1;
		secret_free(*at);
		if (secret_new(100, at, &err) < 0 || !all_zero(secret_data(*at), 100))
			return 1;
		memset(secret_data(*at), mark, 100);
	}
	for (i = 0; i < ARRAY_LEN(own); i++)
		secret_free(own[i]);
	return 0;
}

/* Runs first, so that the threads also race for making the arena. */
static void threads(void **state)
{
	int marks[THREADS] = {1, 2, 3, 4};
	thrd_t ids[THREADS];
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(thrd_create(&ids[i], hammer, &marks[i]), thrd_success);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(thrd_join(ids[i], &r), thrd_success);
		assert_int_equal(r, 0);
	}
}

static void equality(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool equal;
	} rows[] = {
		{"", "", true},
		{"a", "a", true},
		{"secret", "secret", true},
		{"a", "", false},
		{"", "a", false},
		{"secret", "secreT", false},
		{"xecret", "secret", false},
		{"secret", "secre", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(secret_equal(slice_str(rows[i].a), slice_str(rows[i].b)),
				 rows[i].equal);
	assert_true(secret_equal(slice_of(NULL, 0), slice_of("x", 0)));
}

static void wiping(void **state)
{
	char text[] = "0123456789";

	(void)state;
	wipe(NULL, 0);
	wipe(text + 2, 3);
	assert_memory_equal(text,
			    "01\0\0\0"
			    "56789",
			    sizeof(text));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads),	    cmocka_unit_test(sizes),
		cmocka_unit_test(impossible_sizes), cmocka_unit_test(copies),
		cmocka_unit_test(free_wipes),	    cmocka_unit_test(full_arena),
		cmocka_unit_test(refusals),	    cmocka_unit_test(left_out_of_dumps),
		cmocka_unit_test(equality),	    cmocka_unit_test(wiping),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
