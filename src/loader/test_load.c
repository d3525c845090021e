/* SPDX-License-Identifier: Apache-2.0 */
/* F2: from the API's small part to the last byte, whatever lies in the cache. */
#include "loader/test_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "artifact/test_fixture.h"

#define BIG "models/net.bin.big"
#define PIN "models/net.bin.pin"
#define SIG "models/net.bin.sig"

static struct buf got = BUF_INIT(4u << 20);
static struct loader_load *load;
static bool reading;
static unsigned pieces;
static void (*between)(struct world *world); /* after the first piece */

static void on_piece(void *arg, struct slice bytes, const struct err *err)
{
	struct world *world = arg;

	assert_true(bytes.len <= LOADER_PIECE);
	assert_true(!err || bytes.len == 0);
	buf_put(&got, bytes);
	pieces++;
	if (err || bytes.len == 0) {
		world_done(world, err);
		return;
	}
	if (between)
		between(world);
	between = NULL;
	reading = true;
	loader_load_read(load, on_piece, world);
	reading = false;
}

static void on_ready(void *arg, const struct err *err)
{
	struct world *world = arg;

	assert_false(reading);
	if (err)
		world_done(world, err);
	else
		loader_load_read(load, on_piece, world);
}

/* Loads all; what came out is in got. */
static int load_all(struct world *world)
{
	struct err err = {0};
	int r;

	buf_reset(&got);
	pieces = 0;
	world->left++;
	assert_int_equal(loader_load(&world->loader, &OF_WORLD, on_ready, world, &load, &err), 0);
	r = world_run(world);
	loader_load_leave(TAKE(load));
	return r;
}

static void assert_opened(void)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(PLAIN);

	fixture_plain(PLAIN, &plain);
	assert_true(slice_equal(buf_slice(&plain), buf_slice(&got)));
}

static void test_from_nothing(void **state)
{
	struct world *world = *state;

	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_non_null(strstr(world->notes, "models/net.bin: no signature: length, padding and "
					     "pin are all that was checked\n"));
}

/* The second time nothing is asked of the CDN. */
static void test_cached(void **state)
{
	struct world *world = *state;

	assert_int_equal(load_all(world), 0);
	world->scripts[1] = (struct script){.unreachable = true};
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->request_count, 1);
}

static void test_signed(void **state)
{
	struct world *world = *state;

	world->config.anchors = buf_slice(&world->anchors);
	world->config.unsigned_denied = true;
	world->has_sig = true;
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->big_count, 1);
	assert_string_equal(world->notes, "");
}

/* Without a pin, but fitting: taken, and pinned. */
static void test_unpinned(void **state)
{
	struct world *world = *state;

	world_write(world, BIG, world->big);
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->request_count, 0);
	assert_true(world_has(world, PIN));
}

/* What rotted is replaced, once; when the CDN is down it stays as it is. */
static void test_rotted(void **state)
{
	static const uint64_t places[] = {0, 5000, 50000, PLAIN - 3072};
	struct world *world = *state;

	assert_int_equal(load_all(world), 0);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		world_flip(world, BIG, places[i]);
		assert_int_equal(load_all(world), 0);
		assert_opened();
		assert_int_equal(world->big_count, 2 + i);
		assert_true(world_equals(world, BIG, world->big));
	}
	assert_non_null(strstr(world->notes, "what the cache has is fetched anew"));
	world_flip(world, BIG, 77);
	for (size_t i = world->big_count; i < world->big_count + 3; i++)
		world->scripts[i] = (struct script){.unreachable = true};
	assert_int_equal(load_all(world), FAULT_UPSTREAM);
	assert_int_equal(got.len, 0);
	assert_true(world_has(world, BIG));
	assert_int_equal(world_size(world, BIG), world->big.len);
}

static void test_cut_or_longer(void **state)
{
	struct world *world = *state;

	assert_int_equal(load_all(world), 0);
	world_write(world, BIG, slice_of(world->big.data, world->big.len - 16));
	assert_int_equal(load_all(world), 0);
	assert_opened();
	world_write(world, BIG, slice_of(world->blob.data, world->blob.len));
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->big_count, 3);
}

/* Links are not followed, in the cache and in the folder to import from. */
static void test_links(void **state)
{
	struct world *world = *state;

	world_write(world, "models/other", world->big);
	assert_int_equal(symlinkat("other", world->dir, BIG), 0);
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->big_count, 1);
	assert_true(world_equals(world, BIG, world->big));
}

/* Nothing is fetched in vain, and the log has why. */
static void test_folder_in_the_way(void **state)
{
	struct world *world = *state;

	assert_int_equal(mkdirat(world->dir, "models", 0700), 0);
	assert_int_equal(mkdirat(world->dir, BIG, 0700), 0);
	assert_int_equal(load_all(world), ERR_UNREADABLE);
	assert_int_equal(world->request_count, 0);
	assert_non_null(strstr(world->notes, "in the cache " BIG " is a folder"));
}

static void test_pin_unreadable(void **state)
{
	struct world *world = *state;

	assert_int_equal(load_all(world), 0);
	world_write(world, PIN, slice_str("x"));
	assert_int_equal(load_all(world), ERR_UNREADABLE);
	assert_int_equal(got.len, 0);
	assert_int_equal(world->big_count, 1);
	assert_true(world_equals(world, PIN, slice_str("x")));
	assert_non_null(strstr(world->notes, "the cache's file models/net.bin.pin is damaged"));
}

/* Anchors are new: what lies there without a signature is fetched with one. */
static void test_signature_due(void **state)
{
	struct world *world = *state;

	assert_int_equal(load_all(world), 0);
	world->config.anchors = buf_slice(&world->anchors);
	world->config.unsigned_denied = true;
	assert_int_equal(load_all(world), FAULT_SIGNATURE);
	assert_int_equal(got.len, 0);
	world->has_sig = true;
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(unlinkat(world->dir, SIG, 0), 0);
	world->has_sig = false;
	world->config.unsigned_denied = false;
	assert_int_equal(load_all(world), FAULT_SIGNATURE);
}

static void anchors_later(struct world *world, bool denied)
{
	assert_int_equal(load_all(world), 0);
	world->config.anchors = buf_slice(&world->anchors);
	world->config.unsigned_denied = denied;
}

/* Of what is there already only the signature is fetched, and kept. */
static void test_signature_later(void **state)
{
	struct world *world = *state;
	size_t asked;

	anchors_later(world, true);
	world->has_sig = true;
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->big_count, 1);
	assert_true(world_equals(world, SIG, buf_slice(&world->sig)));
	asked = world->request_count;
	/* From now on it is due. */
	world->config.unsigned_denied = false;
	assert_int_equal(load_all(world), 0);
	assert_int_equal(world->request_count, asked);
	assert_int_equal(unlinkat(world->dir, SIG, 0), 0);
	world->has_sig = false;
	assert_int_equal(load_all(world), FAULT_SIGNATURE);
	assert_int_equal(world->big_count, 1);
	/* One that has got lost comes back alone. */
	world->has_sig = true;
	assert_int_equal(load_all(world), 0);
	assert_true(world_equals(world, SIG, buf_slice(&world->sig)));
	assert_int_equal(world->big_count, 1);
}

/* Where none is due, a CDN that has none, or none now, is no hindrance. */
static void test_no_signature_yet(void **state)
{
	static const unsigned statuses[] = {404, 403, 503};
	struct world *world = *state;

	anchors_later(world, false);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		world->sig_status = statuses[i];
		assert_int_equal(load_all(world), 0);
		assert_opened();
		assert_false(world_has(world, SIG));
	}
	assert_int_equal(world->big_count, 1);
	assert_non_null(strstr(world->notes, "no signature"));
}

/* Where one is due, a CDN that has none now is no reason to fetch the big part once more. */
static void test_signature_due_later(void **state)
{
	struct world *world = *state;

	anchors_later(world, true);
	world->sig_status = 503;
	assert_int_equal(load_all(world), FAULT_UPSTREAM);
	assert_int_equal(got.len, 0);
	assert_int_equal(world->big_count, 1);
	assert_true(world_has(world, BIG));
}

/* A bad one is no missing one. */
static void test_bad_signature_later(void **state)
{
	struct world *world = *state;
	size_t len = world->sig.len;

	anchors_later(world, false);
	world->has_sig = true;
	world->sig.data[len / 2] ^= 1;
	assert_int_equal(load_all(world), FAULT_SIGNATURE);
	assert_int_equal(got.len, 0);
	assert_false(world_has(world, SIG));
	world->sig.data[len / 2] ^= 1;
	world->sig.len = 0;
	(void)load_all(world);
	assert_false(world_has(world, SIG));
	assert_non_null(strstr(world->notes, "fetched anew: the signature is empty"));
	world->sig.len = len;
}

static bool asks_sig(struct world *world)
{
	return world->request_count > 0 && world->requests[world->request_count - 1].sig;
}

/* What each of many loads and downloads keeps in memory has a limit. */
static void test_small_limit(void **state)
{
	static uint8_t bytes[V1_SMALL_MAX + 1];
	struct world *world = *state;

	world->small_answer = slice_of(bytes, sizeof(bytes));
	assert_int_equal(load_all(world), ERR_TOO_LARGE);
	assert_int_equal(world->request_count, 0);
	/* It opens to something: only the padding is looked at, and that is the big part's. */
	world->small_answer.len--;
	assert_int_equal(load_all(world), 0);
	assert_int_equal(world->big_count, 1);
}

static void never(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
	fail_msg("nobody waits");
}

static void test_leave_at_signature(void **state)
{
	struct world *world = *state;
	struct err err = {0};

	anchors_later(world, true);
	world->has_sig = true;
	assert_int_equal(loader_load(&world->loader, &OF_WORLD, never, NULL, &load, &err), 0);
	world_until(world, asks_sig);
	loader_load_leave(TAKE(load));
	assert_null(world->transfers);
	assert_int_equal(load_all(world), 0);
}

/* --- import --- */

static void put_import(struct world *world, struct slice bytes)
{
	char path[128];
	FILE *file;

	(void)mkdirat(world->import_fd, "models", 0700);
	(void)snprintf(path, sizeof(path), "%s/models/net.bin.big", world->import);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	assert_int_equal(fclose(file), 0);
	world->config.import_dir = world->import;
	world->config.unsigned_import = true;
}

static void test_import(void **state)
{
	struct world *world = *state;

	put_import(world, world->big);
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->request_count, 0);
}

/* A medium that is not there is nothing to speak of; the same path is looked at again. */
static void test_late_import(void **state)
{
	struct world *world = *state;
	char away[80];

	put_import(world, world->big);
	(void)snprintf(away, sizeof(away), "%s.away", world->import);
	assert_int_equal(rename(world->import, away), 0);
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->big_count, 1);
	assert_null(strstr(world->notes, "import_dir"));
	assert_int_equal(rename(away, world->import), 0);
}

static void test_bad_import(void **state)
{
	struct world *world = *state;

	put_import(world, slice_of(world->big.data, world->big.len - 5));
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->big_count, 1);
	assert_non_null(strstr(world->notes, "what import_dir has is not taken"));
}

static void test_linked_import(void **state)
{
	struct world *world = *state;
	char path[128];

	put_import(world, world->big);
	(void)snprintf(path, sizeof(path), "%s/models/net.bin.big", world->import);
	assert_int_equal(
		renameat(world->import_fd, "models/net.bin.big", world->import_fd, "models/other"),
		0);
	assert_int_equal(symlink("other", path), 0);
	assert_int_equal(load_all(world), 0);
	assert_opened();
	assert_int_equal(world->big_count, 1);
	assert_non_null(strstr(world->notes, "what import_dir has is not taken"));
}

/* --- between the passes --- */

static struct buf large = BUF_INIT(4u << 20);

/* A resource of several pieces. */
static void make_large(struct world *world)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(4u << 20);

	buf_reset(&large);
	fixture_plain(3u * LOADER_PIECE, &plain);
	fixture_seal(world->key, buf_slice(&plain), LOADER_PIECE, &large);
	world->small = world->small_answer = slice_of(large.data, 3072);
	world->body = world->big = slice_of(large.data + 3072, large.len - 3072);
}

static void test_pieces(void **state)
{
	struct world *world = *state;

	make_large(world);
	assert_int_equal(load_all(world), 0);
	assert_int_equal(got.len, 3u * LOADER_PIECE);
	assert_int_equal(pieces, 5);
}

static void flip_late(struct world *world)
{
	world_flip(world, BIG, world->big.len - 100);
}

static void cut_late(struct world *world)
{
	world_write(world, BIG, slice_of(world->big.data, world->big.len / 2));
}

static void replace_late(struct world *world)
{
	world_write(world, "models/new", slice_str("another release"));
	assert_int_equal(renameat(world->dir, "models/new", world->dir, BIG), 0);
}

/* Written to: the last bytes do not come. Another file under the name: no matter. */
static void test_changed_between(void **state)
{
	static const struct {
		void (*change)(struct world *world);
		int code;
	} cases[] = {{flip_late, ERR_DAMAGED}, {cut_late, ERR_DAMAGED}, {replace_late, 0}};
	struct world *world = *state;

	make_large(world);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		between = cases[i].change;
		assert_int_equal(load_all(world), cases[i].code);
		assert_true((got.len == 3u * LOADER_PIECE) == (cases[i].code == 0));
	}
}

/* --- the rest --- */

static void test_no_small_part(void **state)
{
	static const int codes[] = {ERR_NOT_FOUND, FAULT_NOT_LOGGED_IN, FAULT_UPSTREAM};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		world->small_code = codes[i];
		assert_int_equal(load_all(world), codes[i]);
	}
	assert_int_equal(world->request_count, 0);
}

/* The next release of the same name. */
static void test_next_release(void **state)
{
	struct world *world = *state;

	assert_int_equal(load_all(world), 0);
	make_large(world);
	world->scripts[1].etag = "\"two\"";
	assert_int_equal(load_all(world), 0);
	assert_int_equal(got.len, 3u * LOADER_PIECE);
	assert_int_equal(world->big_count, 2);
}

/* The API has the next release, the CDN not yet: what would fit by its padding is not taken. */
static void test_late_big_part(void **state)
{
	struct world *world = *state;
	struct slice old, new;

	assert_int_equal(load_all(world), 0);
	old = world->big;
	make_large(world);
	new = world->big;
	world->body = old;
	assert_int_equal(load_all(world), FAULT_UPSTREAM);
	assert_int_equal(got.len, 0);
	assert_true(world_equals(world, BIG, old));
	world->body = new;
	world->scripts[world->big_count].etag = "\"two\"";
	assert_int_equal(load_all(world), 0);
	assert_int_equal(got.len, 3u * LOADER_PIECE);
}

static void test_too_many(void **state)
{
	struct world *world = *state;
	struct loader_load *loads[LOADER_LOADS], *more = NULL;
	struct err err = {0};

	for (size_t i = 0; i < LOADER_LOADS; i++)
		assert_int_equal(
			loader_load(&world->loader, &OF_WORLD, never, NULL, &loads[i], &err), 0);
	assert_int_equal(loader_load(&world->loader, &OF_WORLD, never, NULL, &more, &err),
			 FAULT_BUSY);
	loader_load_leave(loads[7]);
	assert_int_equal(loader_load(&world->loader, &OF_WORLD, never, NULL, &more, &err), 0);
	assert_int_equal(world->loader.load_count, LOADER_LOADS);
}

static void test_bad_names(void **state)
{
	static const char *const names[] = {"", ".", "..", "../x", "a/b", ".x", "x.big", "a b"};
	struct world *world = *state;
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct resource a = {slice_str("models"), slice_str(names[i])};

		assert_int_equal(loader_load(&world->loader, &a, never, NULL, &load, &err),
				 ERR_INVALID);
	}
	assert_int_equal(world->loader.load_count, 0);
}

static int end_group(void **state)
{
	(void)state;
	buf_fini(&got);
	buf_fini(&large);
	return 0;
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_from_nothing),
		IN_WORLD(test_cached),
		IN_WORLD(test_signed),
		IN_WORLD(test_unpinned),
		IN_WORLD(test_rotted),
		IN_WORLD(test_cut_or_longer),
		IN_WORLD(test_links),
		IN_WORLD(test_pin_unreadable),
		IN_WORLD(test_signature_due),
		IN_WORLD(test_import),
		IN_WORLD(test_late_import),
		IN_WORLD(test_bad_import),
		IN_WORLD(test_linked_import),
		IN_WORLD(test_pieces),
		IN_WORLD(test_changed_between),
		IN_WORLD(test_no_small_part),
		IN_WORLD(test_next_release),
		IN_WORLD(test_late_big_part),
		IN_WORLD(test_too_many),
		IN_WORLD(test_bad_names),
		IN_WORLD(test_small_limit),
		IN_WORLD(test_folder_in_the_way),
		IN_WORLD(test_signature_later),
		IN_WORLD(test_no_signature_yet),
		IN_WORLD(test_signature_due_later),
		IN_WORLD(test_bad_signature_later),
		IN_WORLD(test_leave_at_signature),
	};

	return cmocka_run_group_tests(tests, NULL, end_group);
}
