/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's files, and all ways in which they can be wrong. */
#include "loader/test_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "loader/cache_impl.h"
#include "loader/task.h"

#define BIG   "models/net.bin.big"
#define PART  "models/.net.bin.part"
#define STATE "models/net.bin.state"
#define PIN   "models/net.bin.pin"

#define DIGEST "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define GOOD_PIN                                                                                   \
	"{\"version\":1,\"small\":\"" DIGEST "\",\"size\":48,\"sha256\":\"" DIGEST                 \
	"\",\"signed\":true}"
#define GOOD_STATE                                                                                 \
	"{\"version\":1,\"small\":\"" DIGEST                                                       \
	"\",\"total\":100,\"synced\":40,\"etag\":\"\\\"e\\\"\""                                    \
	",\"modified\":\"\",\"boot\":\"b\"}"

static const uint8_t SMALL[V1_DIGEST] = {0,  1,	 2,  3,	 4,  5,	 6,  7,	 8,  9,	 10,
					 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
					 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static const char *const BAD_TEXTS[] = {
	"",
	"{",
	"{}",
	"[]",
	"null",
	GOOD_PIN "x",
	GOOD_STATE ",",
	"{\"version\":2,\"small\":\"" DIGEST "\",\"size\":48,\"sha256\":\"" DIGEST
	"\",\"signed\":true}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"size\":48,\"sha256\":\"" DIGEST "\"}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"size\":31,\"sha256\":\"" DIGEST
	"\",\"signed\":true}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"size\":-48,\"sha256\":\"" DIGEST
	"\",\"signed\":true}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"size\":48,\"sha256\":\"" DIGEST
	"\",\"signed\":0}",
	"{\"version\":1,\"small\":\"" DIGEST "00\",\"size\":48,\"sha256\":\"" DIGEST
	"\",\"signed\":true}",
	"{\"version\":1,\"small\":\"X" DIGEST "\",\"size\":48,\"sha256\":\"" DIGEST
	"\",\"signed\":true}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"size\":48,\"sha256\":\"" DIGEST
	"\",\"signed\":true,\"more\":1}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"total\":100,\"synced\":101,\"etag\":\"\","
	"\"modified\":\"\",\"boot\":\"b\"}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"total\":100,\"synced\":1,\"etag\":\"\\n\","
	"\"modified\":\"\",\"boot\":\"b\"}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"total\":100,\"synced\":1,\"etag\":\"\","
	"\"modified\":\"\",\"boot\":\"0123456789012345678901234567890123456\"}",
	"{\"version\":1,\"small\":\"" DIGEST "\",\"total\":100,\"synced\":1,\"etag\":\"\","
	"\"modified\":\"\"}",
};

static void test_texts(void **state)
{
	struct cache_seen seen = {.known = false};
	struct cache_state part = {.synced = 77};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(BAD_TEXTS); i++) {
		struct slice text = slice_str(BAD_TEXTS[i]);

		assert_int_equal(cache_text_pin(text, &seen, &err), ERR_DAMAGED);
		assert_int_equal(cache_text_state(text, &part, &err), ERR_DAMAGED);
	}
	assert_int_equal(cache_text_pin(slice_str(GOOD_STATE), &seen, &err), ERR_DAMAGED);
	assert_int_equal(cache_text_state(slice_str(GOOD_PIN), &part, &err), ERR_DAMAGED);
	assert_false(seen.known);
	assert_int_equal(part.synced, 77);
	assert_int_equal(cache_text_pin(slice_str(GOOD_PIN), &seen, &err), 0);
	assert_true(seen.known && seen.signed_once);
	assert_memory_equal(seen.pin.small, SMALL, V1_DIGEST);
	assert_int_equal(seen.pin.seen.size, 48);
	assert_int_equal(cache_text_state(slice_str(GOOD_STATE), &part, &err), 0);
	assert_int_equal(part.synced, 40);
	assert_string_equal(part.want.etag, "\"e\"");
}

/* --- the pin --- */

static void test_pin(void **state)
{
	struct world *world = *state;
	struct cache_seen seen = {.known = true}, back;
	struct err err = {0};

	assert_int_equal(cache_seen(world->cache, &OF_WORLD, &back, &err), 0);
	assert_false(back.known);
	memcpy(seen.pin.small, SMALL, V1_DIGEST);
	seen.pin.seen.size = 64;
	seen.signed_once = true;
	assert_int_equal(cache_pin(world->cache, &OF_WORLD, &seen, &err), 0);
	/* Nothing takes that back. */
	seen.signed_once = false;
	seen.pin.seen.size = 80;
	assert_int_equal(cache_pin(world->cache, &OF_WORLD, &seen, &err), 0);
	assert_int_equal(cache_seen(world->cache, &OF_WORLD, &back, &err), 0);
	assert_true(back.known && back.signed_once);
	assert_int_equal(back.pin.seen.size, 80);
}

/* --- two pins at once --- */

static int pin_step(void *arg, struct err *err)
{
	struct world *world = arg;
	struct cache_seen seen = {.known = true, .pin.seen.size = 64};

	return cache_pin(world->cache, &OF_WORLD, &seen, err);
}

static struct task second;
static atomic_bool begun;

static int second_step(void *arg, struct err *err)
{
	atomic_store(&begun, true);
	return pin_step(arg, err);
}

static void second_ended(void *arg, const struct err *err)
{
	world_done(arg, err);
}

static bool has_begun(struct world *world)
{
	(void)world;
	return atomic_load(&begun);
}

static unsigned locked; /* syncs during which nobody else could read the pin, to write it later */

static void count_locked(struct world *world)
{
	int folder = openat(world->dir, "models", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(folder >= 0);
	if (flock(folder, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		locked++;
	close(folder);
}

/* One without a signature that began while one with was written does not take it back. */
static void test_pins_at_once(void **state)
{
	struct world *world = *state;
	struct cache_seen back;
	struct err err = {0};
	int folder;

	assert_int_equal(mkdirat(world->dir, "models", 0700), 0);
	locked = 0;
	world->on_sync = count_locked;
	assert_int_equal(pin_step(world, &err), 0);
	/* The file's and its folder's. */
	assert_int_equal(locked, 2);
	world->on_sync = NULL;
	folder = openat(world->dir, "models", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(folder, LOCK_EX), 0);
	world->left = 1;
	atomic_store(&begun, false);
	task_init(&second, world->jobs, second_ended, world);
	assert_int_equal(task_run(&second, second_step, &err), 0);
	world_until(world, has_begun);
	world_write(world, PIN, slice_str(GOOD_PIN));
	close(folder);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(cache_seen(world->cache, &OF_WORLD, &back, &err), 0);
	assert_true(back.signed_once);
}

static void assert_unreadable(struct world *world)
{
	struct cache_seen seen = {.known = true}, back = {.known = false};
	struct err err = {0};

	assert_int_equal(cache_seen(world->cache, &OF_WORLD, &back, &err), ERR_UNREADABLE);
	assert_non_null(strstr(err.text, "models/net.bin.pin"));
	assert_non_null(strstr(err_remedy(&err), "remove that file"));
	assert_int_equal(cache_pin(world->cache, &OF_WORLD, &seen, &err), ERR_UNREADABLE);
	assert_false(back.known);
}

static void test_pin_damaged(void **state)
{
	static uint8_t much[CACHE_TEXT_MAX + 1];
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(BAD_TEXTS); i++) {
		world_write(world, PIN, slice_str(BAD_TEXTS[i]));
		assert_unreadable(world);
		assert_true(world_equals(world, PIN, slice_str(BAD_TEXTS[i])));
	}
	memset(much, ' ', sizeof(much));
	memcpy(much, GOOD_PIN, strlen(GOOD_PIN));
	world_write(world, PIN, slice_of(much, sizeof(much)));
	assert_unreadable(world);
	assert_int_equal(unlinkat(world->dir, PIN, 0), 0);
	world_write(world, "models/pin", slice_str(GOOD_PIN));
	assert_int_equal(symlinkat("pin", world->dir, PIN), 0);
	assert_unreadable(world);
	assert_int_equal(unlinkat(world->dir, PIN, 0), 0);
	assert_int_equal(mkdirat(world->dir, PIN, 0700), 0);
	assert_unreadable(world);
}

/* --- parts --- */

static const struct cache_of OF_PART = {
	.resource = {{(const uint8_t *)"models", 6}, {(const uint8_t *)"net.bin", 7}},
	.part = RESOURCE_BIG,
	.release = SMALL,
};

static struct cache_part *open_part(struct world *world, struct cache_want *want, uint64_t *have)
{
	struct cache_part *part = NULL;
	struct err err = {0};

	assert_int_equal(cache_part_open(world->cache, &OF_PART, &part, want, have, &err), 0);
	return part;
}

static struct cache_want want_of(uint64_t total)
{
	struct cache_want want = {.total = total, .etag = "\"e\"", .modified = "then"};

	memcpy(want.small, SMALL, V1_DIGEST);
	return want;
}

/* A part of 100 bytes of which 60 came, 40 of them synced. */
static void leave_part(struct world *world)
{
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	const struct cache_want wanted = want_of(100);
	uint8_t bytes[60] = {1};
	struct cache_want want;
	uint64_t have = 7;
	struct err err = {0};

	part = open_part(world, &want, &have);
	assert_int_equal(cache_part_reset(part, &err), 0);
	assert_int_equal(cache_part_expect(part, &wanted, &err), 0);
	assert_int_equal(cache_part_write(part, slice_of(bytes, 40), &err), 0);
	assert_int_equal(cache_part_sync(part, &err), 0);
	assert_int_equal(cache_part_write(part, slice_of(bytes, 20), &err), 0);
}

static uint64_t count_left(struct world *world)
{
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	struct cache_want want;
	uint64_t have = 7;

	part = open_part(world, &want, &have);
	assert_int_equal(cache_part_size(part), have);
	assert_int_equal(world_size(world, PART), have);
	if (have > 0) {
		assert_int_equal(want.total, 100);
		assert_string_equal(want.etag, "\"e\"");
		assert_string_equal(want.modified, "then");
	}
	return have;
}

static void test_taken_up(void **state)
{
	struct world *world = *state;

	leave_part(world);
	assert_int_equal(count_left(world), 60);
}

static void put_state(struct world *world, const char *boot, uint64_t total, uint64_t synced,
		      unsigned first)
{
	struct cache_state text = {.want = want_of(total), .synced = synced};
	CLEANUP(buf_fini) struct buf out = BUF_INIT(CACHE_TEXT_MAX);
	struct err err = {0};

	text.want.small[0] = (uint8_t)first;
	(void)snprintf(text.boot, sizeof(text.boot), "%s", boot);
	assert_int_equal(cache_text_put_state(&text, &out, &err), 0);
	world_write(world, STATE, buf_slice(&out));
}

/* What the state says about 60 bytes, and how many are believed. */
static void test_states(void **state)
{
	char now[CACHE_BOOT_MAX];
	const struct {
		const char *boot;
		uint64_t total, synced;
		unsigned first;
		uint64_t left;
	} cases[] = {
		{now, 100, 40, 0, 60},	   {"another", 100, 40, 0, 40}, {"", 100, 40, 0, 40},
		{"another", 100, 0, 0, 0}, {"another", 100, 99, 0, 60}, {now, 59, 40, 0, 0},
		{now, 100, 40, 1, 0},
	};
	struct world *world = *state;

	cache_boot(now);
	assert_int_equal(strlen(now), CACHE_BOOT_MAX - 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		leave_part(world);
		put_state(world, cases[i].boot, cases[i].total, cases[i].synced, cases[i].first);
		assert_int_equal(count_left(world), cases[i].left);
	}
}

static void test_state_damaged(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(BAD_TEXTS); i++) {
		leave_part(world);
		world_write(world, STATE, slice_str(BAD_TEXTS[i]));
		assert_int_equal(count_left(world), 0);
	}
	leave_part(world);
	assert_int_equal(unlinkat(world->dir, STATE, 0), 0);
	assert_int_equal(count_left(world), 0);
	/* A link in the place of the part leads nowhere. */
	leave_part(world);
	world_write(world, "models/other", slice_str("not yours"));
	assert_int_equal(unlinkat(world->dir, PART, 0), 0);
	assert_int_equal(symlinkat("other", world->dir, PART), 0);
	leave_part(world);
	assert_int_equal(count_left(world), 60);
	assert_true(world_equals(world, "models/other", slice_str("not yours")));
}

/* What the kernel says once, and then shows the lost bytes as if they were there. */
static void test_sync_fails(void **state)
{
	static const int codes[] = {EIO, ENOSPC};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
		struct cache_want want;
		uint64_t have;
		struct err err = {0};

		leave_part(world);
		part = open_part(world, &want, &have);
		assert_int_equal(have, 60);
		assert_int_equal(cache_part_write(part, slice_str("more"), &err), 0);
		world->sync_fails = codes[i];
		assert_true(cache_part_sync(part, &err) < 0);
		/* The next one would succeed, and is not believed either. */
		assert_int_equal(cache_part_sync(part, &err), ERR_INTERNAL);
		assert_int_equal(cache_part_take(part, slice_of(NULL, 0), &err), ERR_INTERNAL);
		/* Also when the program is killed now. */
		assert_int_equal(count_left(world), 40);
		assert_int_equal(cache_part_reset(part, &err), 0);
		assert_int_equal(cache_part_sync(part, &err), 0);
	}
}

/* As above, at the end. */
static void test_take_fails(void **state)
{
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	struct world *world = *state;
	struct cache_want want;
	uint64_t have;
	struct err err = {0};

	leave_part(world);
	part = open_part(world, &want, &have);
	world->sync_fails = EIO;
	assert_true(cache_part_take(part, slice_of(NULL, 0), &err) < 0);
	assert_false(world_has(world, BIG));
	assert_int_equal(count_left(world), 40);
}

static void test_in_the_way(void **state)
{
	static const char *const paths[] = {BIG, "models/net.bin.sig", STATE, PART};
	struct world *world = *state;
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	struct cache_want want;
	uint64_t have = 7;
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		(void)mkdirat(world->dir, "models", 0700);
		assert_int_equal(mkdirat(world->dir, paths[i], 0700), 0);
		assert_int_equal(cache_part_open(world->cache, &OF_PART, &part, &want, &have, &err),
				 ERR_UNREADABLE);
		assert_non_null(strstr(err.text, paths[i]));
		assert_int_equal(unlinkat(world->dir, paths[i], AT_REMOVEDIR), 0);
	}
	part = open_part(world, &want, &have);
	assert_int_equal(mkdirat(world->dir, BIG, 0700), 0);
	assert_int_equal(cache_part_take(part, slice_str("sig"), &err), ERR_UNREADABLE);
	assert_non_null(strstr(err.text, BIG));
	assert_false(world_has(world, "models/net.bin.sig"));
}

static void test_limits(void **state)
{
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	struct world *world = *state;
	struct cache_want wanted = want_of(3), want;
	uint64_t have;
	struct err err = {0};

	part = open_part(world, &want, &have);
	assert_int_equal(cache_part_write(part, slice_str("x"), &err), ERR_TOO_LARGE);
	assert_int_equal(cache_part_expect(part, &wanted, &err), 0);
	assert_int_equal(cache_part_write(part, slice_str("abcd"), &err), ERR_TOO_LARGE);
	assert_int_equal(world_size(world, PART), 0);
	assert_int_equal(cache_part_write(part, slice_str("ab"), &err), 0);
	wanted.total = 1;
	assert_int_equal(cache_part_expect(part, &wanted, &err), ERR_INVALID);
	/* Two of the three bytes are there. */
	wanted.total = 3;
	world->room = CACHE_SPARE;
	assert_int_equal(cache_part_expect(part, &wanted, &err), ERR_DISK_FULL);
	world->room = CACHE_SPARE + 1;
	assert_int_equal(cache_part_expect(part, &wanted, &err), 0);
	wanted.total = UINT64_MAX;
	assert_int_equal(cache_part_expect(part, &wanted, &err), ERR_TOO_LARGE);
	(void)snprintf(wanted.etag, sizeof(wanted.etag), "\"\x01\"");
	wanted.total = 3;
	assert_int_equal(cache_part_expect(part, &wanted, &err), 0);
	assert_int_equal(cache_part_sync(part, &err), ERR_INVALID);
}

static void test_take(void **state)
{
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	struct world *world = *state;
	const struct cache_want wanted = want_of(3);
	CLEANUP(buf_fini) struct buf sig = BUF_INIT(10);
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct cache_want want;
	struct stat st;
	uint64_t have, size;
	struct err err = {0};

	assert_int_equal(cache_big(world->cache, &OF_WORLD, &fd, &size, &err), ERR_NOT_FOUND);
	world_write(world, BIG, slice_str("of before"));
	part = open_part(world, &want, &have);
	assert_int_equal(cache_part_expect(part, &wanted, &err), 0);
	assert_int_equal(cache_part_write(part, slice_str("abc"), &err), 0);
	assert_true(world_equals(world, BIG, slice_str("of before")));
	assert_int_equal(cache_part_take(part, slice_str("sig"), &err), 0);
	assert_true(world_equals(world, BIG, slice_str("abc")));
	assert_int_equal(cache_big(world->cache, &OF_WORLD, &fd, &size, &err), 0);
	assert_int_equal(size, 3);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(cache_sig(world->cache, &OF_WORLD, &sig, &err), 0);
	assert_true(slice_equal(buf_slice(&sig), slice_str("sig")));
	assert_false(world_has(world, PART));
	assert_false(world_has(world, STATE));
	cache_part_free(part);
	part = open_part(world, &want, &have);
	assert_int_equal(have, 0);
	assert_int_equal(cache_part_expect(part, &wanted, &err), 0);
	assert_int_equal(cache_part_take(part, slice_of(NULL, 0), &err), 0);
	assert_int_equal(cache_sig(world->cache, &OF_WORLD, &sig, &err), ERR_NOT_FOUND);
}

/* The longest names there can be have all their files. */
static void test_longest(void **state)
{
	struct world *world = *state;
	char folder[RESOURCE_FOLDER_MAX + 1] = {0}, name[RESOURCE_NAME_MAX + 1] = {0};
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	const struct cache_want wanted = want_of(3);
	struct cache_want want;
	struct resource resource;
	struct cache_of of = OF_PART;
	struct cache_seen seen = {.known = true, .pin.seen.size = 48};
	uint64_t have;
	struct err err = {0};

	memset(folder, 'f', sizeof(folder) - 1);
	memset(name, 'n', sizeof(name) - 1);
	resource = (struct resource){slice_str(folder), slice_str(name)};
	of.resource = resource;
	assert_int_equal(cache_part_open(world->cache, &of, &part, &want, &have, &err), 0);
	assert_int_equal(cache_part_expect(part, &wanted, &err), 0);
	assert_int_equal(cache_part_write(part, slice_str("abc"), &err), 0);
	assert_int_equal(cache_part_sync(part, &err), 0);
	assert_int_equal(cache_part_take(part, slice_str("sig"), &err), 0);
	assert_int_equal(cache_pin(world->cache, &resource, &seen, &err), 0);
	assert_int_equal(cache_seen(world->cache, &resource, &seen, &err), 0);
}

static void test_one_at_a_time(void **state)
{
	struct world *world = *state;
	struct cache *other = NULL;
	struct err err = {0};

	assert_int_equal(cache_open(world->dir, &other, &err), ERR_CONFLICT);
	assert_null(other);
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts), IN_WORLD(test_pin),
		IN_WORLD(test_pin_damaged),   IN_WORLD(test_taken_up),
		IN_WORLD(test_states),	      IN_WORLD(test_state_damaged),
		IN_WORLD(test_limits),	      IN_WORLD(test_take),
		IN_WORLD(test_longest),	      IN_WORLD(test_one_at_a_time),
		IN_WORLD(test_sync_fails),    IN_WORLD(test_pins_at_once),
		IN_WORLD(test_take_fails),    IN_WORLD(test_in_the_way)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
