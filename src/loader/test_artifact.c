/* SPDX-License-Identifier: Apache-2.0 */
/* Version 2: from the manifest to the last byte, whatever lies in the cache or on a medium. */
#include "loader/test_release.h"

#include <malloc.h>
#include <stdio.h>

#define MANIFEST "models/net.bin.manifest"
#define KEY	 "models/net.bin.key"
#define FLOOR	 "models/net.bin.floor"
#define CHUNK	 ((size_t)STREAM_CHUNK)

static struct device device;
static struct release release;
static struct buf got;
static struct loader_load *load;
static uint64_t from;
static int seek_code;
static void (*between)(struct world *world); /* after the first piece */
static size_t most;			     /* bytes of the heap in use at a piece */

static void on_piece(void *arg, struct slice bytes, const struct err *err)
{
	struct world *world = arg;
	size_t used = mallinfo2().uordblks;

	most = used > most ? used : most;
	assert_true(bytes.len <= LOADER_PIECE);
	assert_true(!err || bytes.len == 0);
	buf_put(&got, bytes);
	if (err || bytes.len == 0) {
		world_done(world, err);
		return;
	}
	if (between)
		between(world);
	between = NULL;
	loader_load_read(load, on_piece, world);
}

static void on_ready(void *arg, const struct err *err)
{
	struct world *world = arg;
	struct err own;

	if (!err && loader_load_seek(load, from, &own) < 0) {
		seek_code = own.code;
		err = &own;
	}
	if (err)
		world_done(world, err);
	else
		loader_load_read(load, on_piece, world);
}

static int read_all(struct world *world)
{
	struct err err = {0};
	int r;

	buf_reset(&got);
	world->left++;
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, on_ready, world, &load, &err),
			 0);
	r = world_run(world);
	loader_load_leave(TAKE(load));
	return r;
}

static void publish(struct world *world, const struct release_wish *wish)
{
	release_fini(&release);
	release_make(&release, wish, &device);
	release_publish(world, &release);
}

static void assert_opened_from(uint64_t at)
{
	assert_int_equal(got.len, release.plain.len - at);
	assert_true(got.len == 0 || memcmp(got.data, release.plain.data + at, got.len) == 0);
}

static void test_from_nothing(void **state)
{
	struct world *world = *state;
	struct err err = {0};

	publish(world, &(struct release_wish){.plain = 300000, .protection = MANIFEST_TPM});
	world->left++;
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, world_done, world, &load, &err),
			 0);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(loader_load_size(load), 300000);
	assert_int_equal(loader_load_manifest(load)->serial, 1);
	loader_load_leave(TAKE(load));
	assert_true(world_equals(world, release.file, buf_slice(&release.payload)));
	assert_true(world_equals(world, MANIFEST, buf_slice(&release.whole)));
	assert_true(world_equals(world, KEY, buf_slice(&release.line)));
	assert_true(world_has(world, FLOOR));
	assert_int_equal(read_all(world), 0);
	assert_opened_from(0);
	assert_string_equal(world->notes, "");
}

/* The manifest is asked for each time, the rest once. */
static void test_cached(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 1000});
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(read_all(world), 0);
		assert_opened_from(0);
		assert_int_equal(world->manifest_asked, i);
	}
	assert_int_equal(world->request_count, 1);
	assert_int_equal(world->key_asked, 1);
	assert_int_equal(world->small_asked, 0);
}

/* What was taken goes on without an API, also where that shows at once; what was not does not. */
static void test_offline(void **state)
{
	static const int codes[] = {FAULT_UPSTREAM, FAULT_NOT_LOGGED_IN};
	struct world *world = *state;

	for (unsigned i = 0; i < 4; i++) {
		world->manifest_code = codes[i % 2];
		world->at_once = i >= 2;
		assert_int_equal(read_all(world), codes[i % 2]);
	}
	publish(world, &(struct release_wish){.plain = 1000});
	assert_int_equal(read_all(world), 0);
	world->key_code = FAULT_UPSTREAM;
	world->scripts[1] = (struct script){.unreachable = true};
	for (unsigned i = 0; i < 4; i++) {
		world->manifest_code = codes[i % 2];
		world->at_once = i >= 2;
		assert_int_equal(read_all(world), 0);
		assert_opened_from(0);
	}
	assert_int_equal(world->request_count, 1);
	assert_int_equal(world->key_asked, 1);
}

/* Who has a manifest waits little, or not at all; who has none asks and waits. */
static void test_hurry(void **state)
{
	struct world *world = *state;

	world->silent = true;
	publish(world, &(struct release_wish){.plain = 1000});
	assert_int_equal(read_all(world), 0);
	assert_int_equal(world->manifest_asked, 1);
	assert_int_equal(world->hurried, 0);
	assert_int_equal(read_all(world), 0);
	assert_opened_from(0);
	assert_int_equal(world->manifest_asked, 1);
	world->silent = false;
	assert_int_equal(read_all(world), 0);
	assert_int_equal(world->manifest_asked, 2);
	assert_int_equal(world->hurried, 1);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {
		0, 1, CHUNK - 1, CHUNK, CHUNK + 1, LOADER_PIECE, LOADER_PIECE + 1, 10 * CHUNK + 7};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		publish(world, &(struct release_wish){.serial = i + 1, .plain = sizes[i]});
		assert_int_equal(read_all(world), 0);
		assert_opened_from(0);
	}
}

static void test_seek(void **state)
{
	static const size_t size = 5 * CHUNK + 100;
	static const size_t places[] = {1,	   CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5,
					5 * CHUNK, size - 1,  size};
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = size});
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		from = places[i];
		assert_int_equal(read_all(world), 0);
		assert_opened_from(from);
	}
	from = size + 1;
	assert_int_equal(read_all(world), ERR_INVALID);
	assert_int_equal(seek_code, ERR_INVALID);
	publish(world, &(struct release_wish){.serial = 2, .plain = 0});
	from = 0;
	assert_int_equal(read_all(world), 0);
	from = 1;
	assert_int_equal(read_all(world), ERR_INVALID);
}

/* --- releases --- */

static struct release next;
static struct loader_load *other;

static void on_other(void *arg, const struct err *err)
{
	(void)arg;
	assert_null(err);
}

static void load_next(struct world *world)
{
	struct err err = {0};

	release_publish(world, &next);
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, on_other, world, &other, &err),
			 0);
}

/* The payload of the one before goes, and so do its keys. */
static void test_next_release(void **state)
{
	struct world *world = *state;
	char before[80];

	publish(world, &(struct release_wish){.serial = 5, .plain = 1000});
	assert_int_equal(read_all(world), 0);
	memcpy(before, release.file, sizeof(before));
	publish(world, &(struct release_wish){.serial = 9, .plain = 2000});
	assert_int_equal(read_all(world), 0);
	assert_opened_from(0);
	assert_false(world_has(world, before));
	assert_true(world_equals(world, KEY, buf_slice(&release.line)));
}

static bool next_is_taken(struct world *world)
{
	return world_has(world, MANIFEST) && world_equals(world, MANIFEST, buf_slice(&next.whole));
}

/* Who reads the one before reads it to its end. */
static void test_next_while_reading(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.serial = 5, .plain = 1200000});
	release_make(&next, &(struct release_wish){.serial = 6, .plain = 1000}, &device);
	between = load_next;
	assert_int_equal(read_all(world), 0);
	assert_opened_from(0);
	world_until(world, next_is_taken);
	loader_load_leave(TAKE(other));
	release_fini(&next);
}

static char partial[96];

static bool partial_is_gone(struct world *world)
{
	return !world_has(world, partial);
}

/* Who waits for the one before hears that it is none any more; what came of it goes. */
static void test_next_while_fetching(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.serial = 5, .plain = 100000});
	release_make(&next, &(struct release_wish){.serial = 6, .plain = 1000}, &device);
	(void)snprintf(partial, sizeof(partial), "%.*s.partial",
		       (int)(strlen(release.file) - strlen(".payload")), release.file);
	world->scripts[0] = (struct script){.hangs = true, .after = 20000};
	world->on_piece = load_next;
	assert_int_equal(read_all(world), FAULT_UPSTREAM);
	assert_string_equal(world->err.text, "another release came meanwhile");
	world->on_piece = NULL;
	world_until(world, next_is_taken);
	world_until(world, partial_is_gone);
	loader_load_leave(TAKE(other));
	release_fini(&next);
}

/* One download, and one key for each: both are read. */
static void test_two_loads(void **state)
{
	struct world *world = *state;
	struct loader_load *loads[3] = {0};
	struct err err = {0};

	publish(world, &(struct release_wish){.plain = 100000});
	for (size_t i = 0; i < ARRAY_LEN(loads); i++)
		assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, world_done, world,
						 &loads[i], &err),
				 0);
	loader_load_leave(TAKE(loads[1]));
	world->left = 2;
	assert_int_equal(world_run(world), 0);
	assert_int_equal(world->request_count, 1);
	loader_load_leave(loads[0]);
	loader_load_leave(loads[2]);
}

/* --- a medium --- */

static void put_on_stick(struct world *world, const struct release *from_release)
{
	world_import(world, from_release->file, buf_slice(&from_release->payload));
	world_import(world, MANIFEST, buf_slice(&from_release->whole));
	world_import(world, from_release->keys, buf_slice(&from_release->line));
}

/* Nobody is logged in, and nothing is asked of anybody. */
static void test_stick_alone(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.serial = 3, .plain = 100000});
	put_on_stick(world, &release);
	release_publish(world, NULL);
	world->manifest_code = FAULT_NOT_LOGGED_IN;
	assert_int_equal(read_all(world), 0);
	assert_opened_from(0);
	assert_int_equal(world->request_count, 0);
	assert_int_equal(world->key_asked, 0);
	assert_true(world_equals(world, release.file, buf_slice(&release.payload)));
}

/* The higher serial counts; the medium's is not taken where it is the lower one, or the same. */
static void test_stick_serials(void **state)
{
	static const uint64_t serials[] = {4, 5, 6};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(serials); i++) {
		publish(world, &(struct release_wish){.serial = 5, .plain = 1000});
		release_make(&next, &(struct release_wish){.serial = serials[i], .plain = 2000},
			     &device);
		world_stop(world);
		(void)unlinkat(world->dir, FLOOR, 0);
		world_start(world);
		put_on_stick(world, &next);
		assert_int_equal(read_all(world), 0);
		assert_int_equal(got.len, serials[i] > 5 ? 2000 : 1000);
		release_fini(&next);
	}
}

static void test_stick_is_bad(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.serial = 5, .plain = 1000});
	release_make(&next, &(struct release_wish){.serial = 6, .plain = 2000, .is_stranger = true},
		     &device);
	put_on_stick(world, &next);
	world_import(world, release.file, slice_of(release.payload.data, 500));
	world_import(world, release.keys, slice_str("x\n"));
	assert_int_equal(read_all(world), 0);
	assert_opened_from(0);
	assert_non_null(strstr(world->notes, "the manifest in import_dir is not taken"));
	assert_non_null(strstr(world->notes, "what import_dir has is not taken"));
	assert_non_null(strstr(world->notes, "the device key in import_dir does not open"));
	assert_int_equal(world->key_asked, 1);
	world->manifest_code = FAULT_UPSTREAM;
	assert_int_equal(read_all(world), 0);
	release_fini(&next);
}

/* --- what changes --- */

static void flip_end(struct world *world)
{
	world_flip(world, release.file, release.payload.len - 5);
}

static void cut(struct world *world)
{
	world_write(world, release.file, slice_of(release.payload.data, release.payload.len / 2));
}

static void replace(struct world *world)
{
	world_write(world, "models/new", slice_str("x"));
	assert_int_equal(renameat(world->dir, "models/new", world->dir, release.file), 0);
}

/* After the check: every byte that is given was authenticated. */
static void test_changed_between(void **state)
{
	static const struct {
		void (*change)(struct world *world);
		int code;
	} cases[] = {{flip_end, ERR_DAMAGED}, {cut, ERR_DAMAGED}, {replace, 0}};
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 20 * CHUNK});
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		between = cases[i].change;
		assert_int_equal(read_all(world), cases[i].code);
		assert_true(got.len <= release.plain.len);
		assert_memory_equal(got.data, release.plain.data, got.len);
		assert_true((got.len == release.plain.len) == (cases[i].code == 0));
	}
	assert_int_equal(read_all(world), 0);
	assert_opened_from(0);
}

/* Of 32 MiB never more than a few pieces. */
static void test_memory(void **state)
{
	struct world *world = *state;
	struct err err = {0};
	size_t before;

	publish(world, &(struct release_wish){.plain = (size_t)32 << 20});
	world_import(world, release.file, buf_slice(&release.payload));
	assert_non_null(buf_grow(&got, release.plain.len));
	buf_reset(&got);
	before = mallinfo2().uordblks;
	most = 0;
	world->left++;
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, on_ready, world, &load, &err),
			 0);
	assert_int_equal(world_run(world), 0);
	loader_load_leave(TAKE(load));
	assert_opened_from(0);
	assert_true(most < before + ((size_t)2 << 20));
}

/* --- leaving --- */

static bool is_asked(struct world *world)
{
	return world->manifest_asked > 0;
}

static bool is_device_asked(struct world *world)
{
	(void)world;
	return device.asked > 0;
}

static bool is_coming(struct world *world)
{
	return world->pieces > 0;
}

static bool is_checking(struct world *world)
{
	return world_has(world, release.file);
}

static bool is_key_asked(struct world *world)
{
	return world->key_asked > 0;
}

static bool is_unwrapped(struct world *world)
{
	(void)world;
	return device.unwrapped > 0;
}

static bool is_taken(struct world *world)
{
	return world_has(world, FLOOR);
}

static void never(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
	fail_msg("nobody waits");
}

/* In each state, by who asked and with the loader: nothing comes, and the next one is good. */
static void test_leave(void **state)
{
	static bool (*const moments[])(struct world * world) = {
		is_asked, is_device_asked, is_coming, is_checking, is_key_asked, is_unwrapped,
	};
	struct world *world = *state;
	struct err err = {0};

	for (unsigned i = 0; i < 2 * ARRAY_LEN(moments); i++) {
		publish(world, &(struct release_wish){.serial = i + 1, .plain = 300000});
		world->manifest_asked = world->key_asked = world->pieces = 0;
		device.asked = device.unwrapped = 0;
		assert_int_equal(
			loader_artifact(&world->loader, &OF_WORLD, never, world, &load, &err), 0);
		world_until(world, moments[i / 2]);
		if (i % 2 == 0) {
			loader_load_leave(load);
		} else {
			world_stop(world);
			world_start(world);
		}
		load = NULL;
		assert_int_equal(read_all(world), 0);
		assert_opened_from(0);
		assert_true(is_taken(world));
	}
}

static void leave_now(struct world *world)
{
	world->left--;
	loader_load_leave(TAKE(load));
}

static void no_piece(void *arg, struct slice bytes, const struct err *err)
{
	(void)arg;
	(void)bytes;
	(void)err;
	fail_msg("nobody waits");
}

/* While a piece is made: its key and its descriptor live as long. */
static void test_leave_at_piece(void **state)
{
	struct world *world = *state;
	struct err err = {0};

	publish(world, &(struct release_wish){.plain = 300000});
	world->left++;
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, world_done, world, &load, &err),
			 0);
	assert_int_equal(world_run(world), 0);
	loader_load_read(load, no_piece, world);
	world->left++;
	leave_now(world);
	world_stop(world);
	world_start(world);
	assert_int_equal(read_all(world), 0);
}

static void cancel(struct world *world)
{
	struct err err = {0};

	world->on_piece = NULL;
	assert_int_equal(downloads_cancel(world->downloads, &OF_WORLD, &err), 0);
	assert_int_equal(downloads_cancel(world->downloads, &OF_WORLD, &err), ERR_NOT_FOUND);
}

static void test_cancel(void **state)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = 300000});
	world->on_piece = cancel;
	assert_int_equal(read_all(world), FAULT_CANCELLED);
	assert_int_equal(read_all(world), 0);
	assert_opened_from(0);
}

static int begin(void **state)
{
	int r = world_begin(state);

	release_begin(*state, &device);
	got = (struct buf)BUF_INIT((size_t)64 << 20);
	from = 0;
	between = NULL;
	release = (struct release){0};
	return r;
}

static int end(void **state)
{
	int r = world_end(state);

	release_fini(&release);
	release_end();
	device_fini(&device);
	buf_fini(&got);
	return r;
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_from_nothing),
		IN_WORLD(test_cached),
		IN_WORLD(test_offline),
		IN_WORLD(test_hurry),
		IN_WORLD(test_sizes),
		IN_WORLD(test_seek),
		IN_WORLD(test_next_release),
		IN_WORLD(test_next_while_reading),
		IN_WORLD(test_next_while_fetching),
		IN_WORLD(test_two_loads),
		IN_WORLD(test_stick_alone),
		IN_WORLD(test_stick_serials),
		IN_WORLD(test_stick_is_bad),
		IN_WORLD(test_changed_between),
		IN_WORLD(test_memory),
		IN_WORLD(test_leave),
		IN_WORLD(test_leave_at_piece),
		IN_WORLD(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
