/* SPDX-License-Identifier: Apache-2.0 */
/* Releases in the cache: one takes another's place, and what is there wherever that stops. */
#include "loader/test_made.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "artifact/device_key.h"
#include "loader/task.h"

#define FLOOR	 "models/net.bin.floor"
#define MANIFEST "models/net.bin.manifest"
#define KEY	 "models/net.bin.key"
#define DIGEST	 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define FLOOR_OF(format, serial)                                                                   \
	"{\"version\":1,\"min_format\":" format ",\"serial\":" serial ",\"manifest\":\"" DIGEST    \
	"\"}"

static struct floor floor_of(struct world *world)
{
	struct floor floor = {0};
	struct err err = {0};

	assert_int_equal(cache_floor(world->cache, &OF_WORLD, &floor, &err), 0);
	return floor;
}

/* --- what is there --- */

static void nothing_is_there_at_first(void **state)
{
	struct world *world = *state;
	char name[RESOURCE_NAME_MAX + 1] = {0};
	const uint8_t digest[MANIFEST_DIGEST] = {1};
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(CMS_WHOLE_MAX);
	struct resource longest = {slice_str("models"), {0}};
	struct floor floor = {0};
	struct err err = {0};
	uint64_t size;
	int fd = -1;

	memset(name, 'n', RESOURCE_NAME_MAX);
	longest.name = slice_str(name);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(floor_of(world).min_format, 1);
		assert_int_equal(floor_of(world).serial, 0);
		assert_int_equal(cache_manifest(world->cache, &OF_WORLD, &bytes, &err),
				 ERR_NOT_FOUND);
		assert_int_equal(cache_key(world->cache, &OF_WORLD, digest, &bytes, &err),
				 ERR_NOT_FOUND);
		assert_int_equal(cache_payload(world->cache, &OF_WORLD, digest, &fd, &size, &err),
				 ERR_NOT_FOUND);
		/* Of version 1 a name may be longer. */
		assert_int_equal(cache_floor(world->cache, &longest, &floor, &err), 0);
		assert_true(floor_allows_v1(&floor));
		assert_int_equal(cache_manifest(world->cache, &longest, &bytes, &err), ERR_INVALID);
		(void)mkdirat(world->dir, "models", 0700);
	}
	assert_int_equal(bytes.len, 0);
}

static void a_release_is_taken(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	struct world *world = *state;
	struct floor floor;
	struct stat st;

	made_must_take(world, one);
	assert_true(made_is_whole(world, one));
	assert_true(world_equals(world, KEY, buf_slice(&one->of.line)));
	floor = floor_of(world);
	assert_int_equal(floor.serial, 3);
	assert_int_equal(floor.min_format, 2);
	assert_memory_equal(floor.digest, one->of.manifest->digest, MANIFEST_DIGEST);
	assert_int_equal(fstatat(world->dir, FLOOR, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static unsigned syncs;

static void count_sync(struct world *world)
{
	(void)world;
	syncs++;
}

static void what_is_there_is_not_written_again(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	struct world *world = *state;
	struct err err = {0};

	made_must_take(world, one);
	syncs = 0;
	world->on_sync = count_sync;
	assert_int_equal(made_take(world, one, &err), 0);
	assert_int_equal(syncs, 0);
	/* Another device key of it, as after a new wrapping: the file, its folder, and that of
	 * folders. */
	made_wrap(one);
	assert_int_equal(made_take(world, one, &err), 0);
	assert_int_equal(syncs, 3);
	world->on_sync = NULL;
	assert_true(made_is_whole(world, one));
}

static void another_takes_its_place(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *two = made_new("net.bin", 4, 1);
	struct world *world = *state;

	made_must_take(world, one);
	made_must_take(world, two);
	assert_true(made_is_whole(world, two));
	assert_false(world_has(world, one->of.file));
	assert_true(world_equals(world, KEY, buf_slice(&two->of.line)));
	assert_int_equal(floor_of(world).serial, 4);
	/* The format only rises. */
	assert_int_equal(floor_of(world).min_format, 2);
}

static void nothing_goes_back(void **state)
{
	CLEANUP(made_cleanup) struct made *old = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *now = made_new("net.bin", 4, 2);
	CLEANUP(made_cleanup) struct made *same = made_new("net.bin", 4, 2);
	const struct made *const others[] = {old, same};
	struct world *world = *state;
	struct err err = {0};

	made_must_take(world, now);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		made_put_payload(world, others[i]);
		assert_int_equal(made_take(world, others[i], &err), FAULT_ROLLED_BACK);
		assert_true(made_is_whole(world, now));
		assert_int_equal(floor_of(world).serial, 4);
	}
}

static void what_is_no_release_is_refused(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *two = made_new("net.bin", 4, 2);
	CLEANUP(buf_fini) struct buf both = BUF_INIT(2 * DEVICE_KEY_LINE_MAX);
	struct world *world = *state;
	struct slice whole = buf_slice(&one->of.whole), line = buf_slice(&one->of.line);
	const struct resource part = {slice_str("models"), slice_str("net.manifest")};
	const struct cache_release rows[] = {
		{one->of.manifest, {0}, line},
		{one->of.manifest, {whole.data, CMS_WHOLE_MAX + 1}, line},
		{one->of.manifest, whole, {0}},
		{one->of.manifest, whole, slice_str("{}")},
		{one->of.manifest, whole, slice_str("\n")},
		{one->of.manifest, whole, buf_slice(&two->of.line)},
	};
	struct cache_release twice = {one->of.manifest, whole, line};
	const struct cache_release good = twice;
	struct err err = {0};

	buf_put(&both, line);
	buf_put(&both, line);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(cache_take_release(world->cache, &OF_WORLD, &rows[i], &err),
				 ERR_INVALID);
	twice.line = buf_slice(&both);
	assert_int_equal(cache_take_release(world->cache, &OF_WORLD, &twice, &err), ERR_INVALID);
	assert_int_equal(cache_take_release(world->cache, &part, &good, &err), ERR_INVALID);
	assert_false(world_has(world, "models"));
}

static void a_key_that_is_none_is_not_found(void **state)
{
	static const char *const bad[] = {"", "\n", "{}\n", "{", "\xff\n{}"};
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *two = made_new("net.bin", 4, 2);
	CLEANUP(buf_fini) struct buf much = BUF_INIT(8192), line = BUF_INIT(8192);
	struct world *world = *state;
	struct err err = {0};

	made_must_take(world, one);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		world_write(world, KEY, slice_str(bad[i]));
		assert_int_equal(
			cache_key(world->cache, &OF_WORLD, one->of.manifest->digest, &line, &err),
			ERR_NOT_FOUND);
	}
	world_write(world, KEY, buf_slice(&two->of.line));
	assert_int_equal(cache_key(world->cache, &OF_WORLD, one->of.manifest->digest, &line, &err),
			 ERR_NOT_FOUND);
	while (much.len <= 2 * DEVICE_KEY_LINE_MAX)
		buf_put(&much, buf_slice(&one->of.line));
	world_write(world, KEY, buf_slice(&much));
	assert_int_equal(cache_key(world->cache, &OF_WORLD, one->of.manifest->digest, &line, &err),
			 ERR_NOT_FOUND);
	assert_int_equal(line.len, 0);
	/* It is in nobody's way. */
	made_must_take(world, one);
	assert_true(made_is_whole(world, one));
}

/* --- the floor --- */

static const char *const BAD_FLOORS[] = {
	"",
	"{",
	"{}",
	"[]",
	"null",
	FLOOR_OF("2", "3") "x",
	FLOOR_OF("0", "3"),
	FLOOR_OF("3", "3"),
	FLOOR_OF("1", "0"),
	FLOOR_OF("2", "-1"),
	FLOOR_OF("2", "9007199254740992"),
	FLOOR_OF("2", "3.0"),
	FLOOR_OF("\"2\"", "3"),
	FLOOR_OF("2", "3,\"serial\":4"),
	FLOOR_OF("2", "3,\"more\":4"),
	"{\"version\":2,\"min_format\":2,\"serial\":3,\"manifest\":\"" DIGEST "\"}",
	"{\"version\":1,\"min_format\":2,\"serial\":3,\"manifest\":\"" DIGEST "00\"}",
	"{\"version\":1,\"min_format\":2,\"serial\":3,\"manifest\":\"X" DIGEST "\"}",
	"{\"version\":1,\"min_format\":2,\"serial\":3}",
	"{\"version\":1,\"serial\":3,\"manifest\":\"" DIGEST "\"}",
};

static void check_unreadable(struct world *world, const struct made *made)
{
	struct floor floor = {.serial = 77};
	struct err err = {0};

	assert_int_equal(cache_floor(world->cache, &OF_WORLD, &floor, &err), ERR_UNREADABLE);
	assert_non_null(strstr(err.text, FLOOR));
	assert_non_null(strstr(err_remedy(&err), "older releases"));
	assert_int_equal(floor.serial, 77);
	assert_int_equal(made_take(world, made, &err), ERR_UNREADABLE);
	assert_int_equal(cache_raise_format(world->cache, &OF_WORLD, 2, &err), ERR_UNREADABLE);
	assert_false(world_has(world, MANIFEST));
	assert_false(world_has(world, KEY));
}

/* The format alone, of a name that was never there, and of one that was; it never sinks. */
static void the_format_rises_alone(void **state)
{
	static const unsigned FORMATS[] = {2, 1, 2};
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 1);
	struct world *world = *state;
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++) {
		assert_int_equal(cache_raise_format(world->cache, &OF_WORLD, FORMATS[i], &err), 0);
		assert_int_equal(floor_of(world).min_format, 2);
		assert_int_equal(floor_of(world).serial, 0);
	}
	assert_false(world_has(world, MANIFEST));
	made_must_take(world, one);
	assert_int_equal(floor_of(world).min_format, 2);
	assert_int_equal(floor_of(world).serial, 3);
	assert_int_equal(unlinkat(world->dir, FLOOR, 0), 0);
	made_must_take(world, one);
	assert_int_equal(floor_of(world).min_format, 1);
	assert_int_equal(cache_raise_format(world->cache, &OF_WORLD, 2, &err), 0);
	assert_int_equal(floor_of(world).min_format, 2);
	assert_int_equal(floor_of(world).serial, 3);
	assert_memory_equal(floor_of(world).digest, one->of.manifest->digest, MANIFEST_DIGEST);
	assert_true(made_is_whole(world, one));
}

static void a_floor_that_cannot_be_read_stays(void **state)
{
	static uint8_t much[CACHE_TEXT_MAX + 1];
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(BAD_FLOORS); i++) {
		world_write(world, FLOOR, slice_str(BAD_FLOORS[i]));
		check_unreadable(world, one);
		assert_true(world_equals(world, FLOOR, slice_str(BAD_FLOORS[i])));
	}
	memset(much, ' ', sizeof(much));
	memcpy(much, FLOOR_OF("2", "3"), sizeof(FLOOR_OF("2", "3")) - 1);
	world_write(world, FLOOR, slice_of(much, sizeof(much)));
	check_unreadable(world, one);
	assert_int_equal(unlinkat(world->dir, FLOOR, 0), 0);
	world_write(world, "models/floor", slice_str(FLOOR_OF("2", "3")));
	assert_int_equal(symlinkat("floor", world->dir, FLOOR), 0);
	check_unreadable(world, one);
	assert_int_equal(unlinkat(world->dir, FLOOR, 0), 0);
	assert_int_equal(mkdirat(world->dir, FLOOR, 0700), 0);
	check_unreadable(world, one);
	assert_int_equal(unlinkat(world->dir, FLOOR, AT_REMOVEDIR), 0);
	world_write(world, FLOOR, slice_str(FLOOR_OF("2", "3")));
	assert_int_equal(floor_of(world).serial, 3);
}

/* --- two at once --- */

static struct task second;
static const struct made *second_made;

static int second_step(void *arg, struct err *err)
{
	return made_take(arg, second_made, err);
}

static void second_ended(void *arg, const struct err *err)
{
	world_done(arg, err);
}

static unsigned locked;

static void count_locked(struct world *world)
{
	int folder = openat(world->dir, "models", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(folder >= 0);
	if (flock(folder, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		locked++;
	close(folder);
	syncs++;
}

/* Who takes an older one while a newer one is taken finds the newer one, and leaves it. */
static void two_may_take_at_once(void **state)
{
	CLEANUP(made_cleanup) struct made *old = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *now = made_new("net.bin", 4, 2);
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CACHE_TEXT_MAX);
	struct floor floor;
	struct err err = {0};
	int folder;

	locked = syncs = 0;
	made_put_payload(world, now);
	world->on_sync = count_locked;
	made_must_take(world, now);
	world->on_sync = NULL;
	assert_true(syncs >= 6);
	/* The folder itself may be made durable before. */
	assert_true(locked >= 6 && syncs - locked <= 1);

	assert_int_equal(unlinkat(world->dir, FLOOR, 0), 0);
	folder = openat(world->dir, "models", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(folder, LOCK_EX), 0);
	second_made = old;
	world->left = 1;
	task_init(&second, world->jobs, second_ended, world);
	assert_int_equal(task_run(&second, second_step, &err), 0);
	floor = (struct floor){.min_format = 2, .serial = 4};
	memcpy(floor.digest, now->of.manifest->digest, MANIFEST_DIGEST);
	assert_int_equal(cache_text_put_floor(&floor, &text, &err), 0);
	world_write(world, FLOOR, buf_slice(&text));
	close(folder);
	assert_int_equal(world_run(world), FAULT_ROLLED_BACK);
	assert_true(made_is_whole(world, now));
}

/* --- where it stops --- */

static unsigned stop_at;

static void stop_here(struct world *world)
{
	(void)world;
	if (--stop_at == 0)
		_exit(0);
}

/* False: it came to its end before. */
static bool stopped(struct world *world, const struct made *made, unsigned at)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = {0};

		stop_at = at;
		world->on_sync = stop_here;
		_exit(made_take(world, made, &err) < 0 ? 2 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

/*
 * A kill before each sync: file and folder of each step. Whatever is there then is one release that
 * can be used, and the next taking comes to its end.
 */
static void a_kill_leaves_either_release(void **state)
{
	struct world *world = *state;
	unsigned stops = 0, was_old = 0, was_new = 0;
	bool more = true;

	for (uint64_t serial = 1; more; serial += 2) {
		CLEANUP(made_cleanup)
		struct made *one = made_new("net.bin", serial, 2);
		CLEANUP(made_cleanup)
		struct made *two = made_new("net.bin", serial + 1, 2);

		made_must_take(world, one);
		made_put_payload(world, two);
		stops++;
		more = stopped(world, two, stops);
		if (made_is_whole(world, two))
			was_new++;
		else
			was_old += made_is_whole(world, one);
		assert_int_equal(was_old + was_new, stops);
		made_must_take(world, two);
		assert_true(made_is_whole(world, two));
		assert_true(world_equals(world, KEY, buf_slice(&two->of.line)));
	}
	/* The folder; keys, manifest, floor, key, each with the folder; the payload that goes. */
	assert_int_equal(stops - 1, 10);
	assert_int_equal(was_old, 4);
}

/* The same release twice stopped and another one then: no key is lost on the way. */
static void kills_in_a_row(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 1, 2);
	CLEANUP(made_cleanup) struct made *two = made_new("net.bin", 2, 2);
	CLEANUP(made_cleanup) struct made *three = made_new("net.bin", 3, 2);
	struct world *world = *state;

	made_must_take(world, one);
	made_put_payload(world, two);
	made_put_payload(world, three);
	/* Behind the keys of the one, and those of the other. */
	assert_true(stopped(world, two, 3));
	assert_true(made_is_whole(world, one));
	assert_true(stopped(world, three, 3));
	assert_true(made_is_whole(world, one));
	/* Behind the switch, before the floor. */
	assert_true(stopped(world, two, 5));
	assert_true(made_is_whole(world, two));
	assert_int_equal(floor_of(world).serial, 1);
	assert_true(stopped(world, three, 3));
	assert_true(made_is_whole(world, two));
	made_must_take(world, three);
	assert_true(made_is_whole(world, three));
}

static unsigned fail_at;

static void fail_here(struct world *world)
{
	if (--fail_at == 0)
		world->sync_fails = ENOSPC;
}

/* The same with a disk that is full from one step on, for one step. */
static void a_full_disk_leaves_either_release(void **state)
{
	struct world *world = *state;
	unsigned failed = 0;

	for (uint64_t serial = 1; serial < 40; serial += 2) {
		CLEANUP(made_cleanup)
		struct made *one = made_new("net.bin", serial, 2);
		CLEANUP(made_cleanup)
		struct made *two = made_new("net.bin", serial + 1, 2);
		struct err err = {0};
		int r;

		made_must_take(world, one);
		made_put_payload(world, two);
		fail_at = (unsigned)(serial + 1) / 2;
		world->on_sync = fail_here;
		r = made_take(world, two, &err);
		world->on_sync = NULL;
		world->sync_fails = 0;
		assert_true(made_is_whole(world, two) || (r < 0 && made_is_whole(world, one)));
		if (r < 0)
			assert_true(r == ERR_DISK_FULL || r == ERR_INTERNAL);
		failed += r < 0;
		made_must_take(world, two);
		assert_true(made_is_whole(world, two));
	}
	assert_true(failed >= 6);
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(nothing_is_there_at_first),
		IN_WORLD(a_release_is_taken),
		IN_WORLD(what_is_there_is_not_written_again),
		IN_WORLD(another_takes_its_place),
		IN_WORLD(nothing_goes_back),
		IN_WORLD(what_is_no_release_is_refused),
		IN_WORLD(a_key_that_is_none_is_not_found),
		IN_WORLD(the_format_rises_alone),
		IN_WORLD(a_floor_that_cannot_be_read_stays),
		IN_WORLD(two_may_take_at_once),
		IN_WORLD(a_kill_leaves_either_release),
		IN_WORLD(kills_in_a_row),
		IN_WORLD(a_full_disk_leaves_either_release),
	};

	return cmocka_run_group_tests(tests, made_begin, made_end);
}
