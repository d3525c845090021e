/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A seed makes either call fail at a rate, or exactly one of the first few hundred: the lone
 * failure is what leaves the longest way to go wrong afterwards.
 */

#include "tests/fault/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "tests/fault/prng.h"

#define LONE_MAX 400u

static struct family {
	unsigned rate; /* of a thousand calls so many fail */
	unsigned lone; /* calls until the only one that fails; 0 = not so */
	struct prng dice;
} memory, disk;

static bool on;
static uint64_t failures, damage, sync_failures, others;
static long secrets;
static uint64_t clock_ahead_us;

static void family_begin(struct family *family, uint64_t seed, uint64_t use,
			 const unsigned rates[4])
{
	struct prng dice = prng_of(seed, use);
	unsigned how = prng_below(&dice, 6);

	*family = (struct family){.rate = how < 4 ? rates[how] : 0};
	if (how == 4)
		family->lone = 1 + prng_below(&dice, LONE_MAX);
	family->dice = dice;
}

void inject_begin(uint64_t seed)
{
	static const unsigned memory_rates[] = {0, 1, 8, 40};
	static const unsigned disk_rates[] = {0, 5, 30, 100};

	family_begin(&memory, seed, 0x6d656d, memory_rates);
	family_begin(&disk, seed, 0x6469736b, disk_rates);
}

void inject_on(void)
{
	on = true;
}

void inject_off(void)
{
	on = false;
}

uint64_t inject_failures(void)
{
	return failures;
}

uint64_t inject_damage(void)
{
	return damage;
}

uint64_t inject_sync_failures(void)
{
	return sync_failures;
}

uint64_t inject_count(void)
{
	return inject_failures() + others;
}

long inject_secrets(void)
{
	return secrets;
}

void inject_clock(uint64_t us)
{
	clock_ahead_us += us;
}

/* Is it this call's turn? */
static bool hit(struct family *family)
{
	if (!on)
		return false;
	if (family->lone > 0)
		return --family->lone == 0;
	return prng_hit(&family->dice, family->rate);
}

static bool memory_fails(void)
{
	if (!hit(&memory))
		return false;
	failures++;
	errno = ENOMEM;
	return true;
}

/* One of @count errors; EINTR and ENOSYS are told from true failures. */
static bool disk_fails(const int *errors, size_t count)
{
	int error;

	if (!hit(&disk))
		return false;
	error = errors[prng_below(&disk.dice, (unsigned)count)];
	if (error == EINTR || error == ENOSYS)
		others++;
	else
		failures++;
	damage += error == EIO || error == EACCES;
	errno = error;
	return true;
}

#define DISK_FAILS(...)                                                                            \
	(__extension__({                                                                           \
		static const int errors_[] = {__VA_ARGS__};                                        \
		disk_fails(errors_, sizeof(errors_) / sizeof(errors_[0]));                         \
	}))

/* Every sixth transfer is a short one while the disk is bad. */
static size_t some_of(size_t len)
{
	if (!on || disk.rate == 0 || len < 2 || prng_below(&disk.dice, 6) != 0)
		return len;
	others++;
	return 1 + prng_below(&disk.dice, (unsigned)(len - 1 > 4096 ? 4096 : len - 1));
}

/* --- memory -------------------------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
int __real_secret_new(size_t size, struct secret **ret_secret, struct err *err);
int __wrap_secret_new(size_t size, struct secret **ret_secret, struct err *err);
int __real_secret_copy(struct slice bytes, struct secret **ret_secret, struct err *err);
int __wrap_secret_copy(struct slice bytes, struct secret **ret_secret, struct err *err);
void __real_secret_free(struct secret *secret);
void __wrap_secret_free(struct secret *secret);

void *__wrap_malloc(size_t size)
{
	return memory_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return memory_fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *text)
{
	return memory_fails() ? NULL : __real_strdup(text);
}

static int secret_made(int r)
{
	secrets += r == 0;
	return r;
}

int __wrap_secret_new(size_t size, struct secret **ret_secret, struct err *err)
{
	if (memory_fails())
		return err_set(err, ERR_INTERNAL, "memory is short");
	return secret_made(__real_secret_new(size, ret_secret, err));
}

int __wrap_secret_copy(struct slice bytes, struct secret **ret_secret, struct err *err)
{
	if (memory_fails())
		return err_set(err, ERR_INTERNAL, "memory is short");
	return secret_made(__real_secret_copy(bytes, ret_secret, err));
}

void __wrap_secret_free(struct secret *secret)
{
	secrets -= secret != NULL;
	__real_secret_free(secret);
}

/* --- disk ---------------------------------------------------------------------------------- */

int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);
int __wrap___openat64_2(int dir, const char *path, int flags);
ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __wrap_read(int fd, void *data, size_t len);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __real_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);

int __wrap_openat64(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
		if (DISK_FAILS(ENOSPC, EMFILE, EIO, EACCES))
			return -1;
	} else if (DISK_FAILS(EMFILE, ENFILE, ENOMEM, EIO)) {
		return -1;
	}
	return __real_openat64(dir, path, flags, mode);
}

/* What openat() is compiled to with _FORTIFY_SOURCE; it never creates. */
int __wrap___openat64_2(int dir, const char *path, int flags)
{
	return __wrap_openat64(dir, path, flags);
}

ssize_t __wrap_read(int fd, void *data, size_t len)
{
	if (DISK_FAILS(EIO, EINTR, ENOMEM))
		return -1;
	return __real_read(fd, data, some_of(len));
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (DISK_FAILS(EIO, EINTR, ENOSPC, EDQUOT))
		return -1;
	return __real_write(fd, data, some_of(len));
}

int __wrap_fsync(int fd)
{
	if (!DISK_FAILS(EIO, ENOSPC))
		return __real_fsync(fd);
	sync_failures++;
	return -1;
}

int __wrap_mkdirat(int dir, const char *path, mode_t mode)
{
	return DISK_FAILS(EIO, ENOSPC) ? -1 : __real_mkdirat(dir, path, mode);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return DISK_FAILS(EIO, ENOSPC) ? -1 : __real_renameat(from_dir, from, to_dir, to);
}

/* ENOSYS sends the caller to linkat(). */
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (DISK_FAILS(EIO, ENOSPC, ENOSYS))
		return -1;
	return __real_renameat2(from_dir, from, to_dir, to, flags);
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	return DISK_FAILS(EIO, ENOSPC) ? -1 : __real_linkat(from_dir, from, to_dir, to, flags);
}

/* --- time ---------------------------------------------------------------------------------- */

uint64_t __real_clock_monotonic_us(void);
uint64_t __wrap_clock_monotonic_us(void);
int __real_nanosleep(const struct timespec *time, struct timespec *ret_left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *ret_left);

uint64_t __wrap_clock_monotonic_us(void)
{
	return __real_clock_monotonic_us() + clock_ahead_us;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *ret_left)
{
	if (!on)
		return __real_nanosleep(time, ret_left);
	clock_ahead_us += (uint64_t)time->tv_sec * 1000000u + (uint64_t)time->tv_nsec / 1000u;
	return 0;
}
