/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads: what is taken up again or from a folder, and how often a server is asked. */
#include "loader/test_world.h"

#include <sys/stat.h>
#include <unistd.h>

#define BIG  "models/net.bin.big"
#define PART "models/.net.bin.part"
#define PIN  "models/net.bin.pin"
#define SIG  "models/net.bin.sig"

static const struct script SOME = {.drops = true, .after = 20000};

/* A release of the same length that nothing but a digest tells from the other. */
static void make_other(struct world *world, struct buf *ret_other)
{
	buf_put(ret_other, world->big);
	ret_other->data[100] ^= 1;
}

static void with_signatures(struct world *world)
{
	world->config.anchors = buf_slice(&world->anchors);
	world->has_sig = true;
}

/* --- another release meanwhile --- */

static void test_no_validator(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf other = BUF_INIT(1u << 20);

	make_other(world, &other);
	world->etag[0] = '\0';
	world->scripts[0] = SOME;
	world->scripts[1].body = buf_slice(&other);
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->big_count, 2);
	assert_int_equal(world->requests[1].from, 0);
	assert_true(world_equals(world, BIG, buf_slice(&other)));
}

static void test_validator_is_gone(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf other = BUF_INIT(1u << 20);

	make_other(world, &other);
	world->scripts[0] = SOME;
	world->scripts[1] =
		(struct script){.etag = "", .no_range = true, .body = buf_slice(&other)};
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->requests[1].from, 20000);
	assert_int_equal(world->requests[2].from, 0);
	assert_true(world_equals(world, BIG, buf_slice(&other)));
}

/* There the signature would tell. */
static void test_signed_without_validator(void **state)
{
	struct world *world = *state;

	with_signatures(world);
	world->etag[0] = '\0';
	world->scripts[0] = SOME;
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->requests[2].from, 20000);
	assert_true(world_equals(world, BIG, world->big));
}

/* --- import --- */

static void assert_import(struct world *world, struct slice big, const char *note)
{
	assert_int_equal(world_get(world), 0);
	assert_true(world_equals(world, BIG, big));
	if (note)
		assert_non_null(strstr(world->notes, note));
	else
		assert_string_equal(world->notes, "");
}

static void test_stale_import(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf other = BUF_INIT(1u << 20);

	make_other(world, &other);
	world_import(world, BIG, buf_slice(&other));
	assert_import(world, world->big, "is not taken: it has no signature");
	assert_int_equal(world->big_count, 1);
}

static void test_import_allowed(void **state)
{
	struct world *world = *state;

	world_import(world, BIG, world->big);
	world->config.unsigned_import = true;
	assert_import(world, world->big, "taken from import_dir without a signature");
	assert_int_equal(world->request_count, 0);
}

static void test_signed_import(void **state)
{
	struct world *world = *state;

	with_signatures(world);
	world_import(world, BIG, world->big);
	world_import(world, SIG, buf_slice(&world->sig));
	assert_import(world, world->big, NULL);
	assert_int_equal(world->request_count, 0);
	assert_true(world_equals(world, SIG, buf_slice(&world->sig)));
	assert_false(world_has(world, PART));
}

/* The signature is of another; it is empty; it is none. A key that allows all does not help. */
static void test_import_signatures(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		CLEANUP(buf_fini) struct buf other = BUF_INIT(1u << 20);
		struct world *world;
		void *own = NULL;

		assert_int_equal(world_begin(&own), 0);
		world = own;
		with_signatures(world);
		make_other(world, &other);
		world->config.unsigned_import = true;
		world_import(world, BIG, buf_slice(&other));
		world_import(world, SIG,
			     i == 0   ? buf_slice(&world->sig)
			     : i == 1 ? slice_of(NULL, 0)
				      : slice_str("none"));
		assert_import(world, world->big, "what import_dir has is not taken");
		assert_int_equal(world->big_count, 1);
		assert_int_equal(world_end(&own), 0);
	}
}

static bool has_some(struct world *world)
{
	return world_has(world, "models/net.bin.state") && world_size(world, PART) == 20000;
}

/* What came before is not lost to a folder that has nothing good. */
static void test_import_keeps_part(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf other = BUF_INIT(1u << 20);

	with_signatures(world);
	world->scripts[0] = (struct script){.hangs = true, .after = 20000};
	(void)world_want(world);
	world_until(world, has_some);
	world_stop(world);
	make_other(world, &other);
	world_import(world, BIG, buf_slice(&other));
	world_import(world, SIG, buf_slice(&world->sig));
	world_start(world);
	assert_import(world, world->big, "what import_dir has is not taken");
	assert_int_equal(world->requests[world->request_count - 1].from, 20000);
}

/* --- who waits --- */

static struct download_progress seen;

static void visit(void *arg, const struct download_progress *progress)
{
	(void)arg;
	seen = *progress;
}

static bool waits(struct world *world)
{
	downloads_progress(world->downloads, visit, NULL);
	return seen.state == DOWNLOAD_WAITING;
}

/* A long pause is told at once, and so is when it ends. */
static void test_long_pause(void **state)
{
	struct world *world = *state;

	world->retries_wait = true;
	world->scripts[0] = (struct script){.status = 503, .retry_after = 3600};
	assert_int_equal(world_get(world), FAULT_UPSTREAM);
	assert_int_equal(world->err.retry_after, 3600);
	assert_int_equal(world->big_count, 1);
}

static void test_servers_time(void **state)
{
	struct world *world = *state;
	struct download_wait *wait = NULL;
	struct err err = {0};

	world->retries_wait = true;
	world->scripts[0] = (struct script){.status = 503, .retry_after = 1800};
	assert_int_equal(world_get(world), FAULT_UPSTREAM);
	assert_int_equal(downloads_want(world->downloads, &OF_WORLD, world->small, world_done,
					world, &wait, &err),
			 FAULT_UPSTREAM);
	assert_null(wait);
	assert_true(err.retry_after > 1700 && err.retry_after <= 1800);
	assert_true(waits(world));
	assert_true(seen.retry_s > 3500);
}

static void test_sig_servers_time(void **state)
{
	struct world *world = *state;
	struct download_wait *wait;
	struct err err = {0};

	with_signatures(world);
	world->retries_wait = true;
	world->sig_status = 503;
	world->sig_retry = 1800;
	assert_int_equal(world_get(world), FAULT_UPSTREAM);
	assert_int_equal(downloads_want(world->downloads, &OF_WORLD, world->small, world_done,
					world, &wait, &err),
			 FAULT_UPSTREAM);
	assert_true(err.retry_after > 1700);
	assert_int_equal(world->request_count, 1);
}

/* Asking again begins the next attempt sooner, and asking a hundred times no sooner than that. */
static void test_asking_again(void **state)
{
	struct world *world = *state;

	world->retries_wait = true;
	world->scripts[0] = (struct script){.unreachable = true};
	assert_int_equal(world_get(world), FAULT_UPSTREAM);
	for (int i = 0; i < 100; i++)
		(void)world_want(world);
	assert_true(waits(world));
	assert_true(seen.retry_s > 5 && seen.retry_s <= DOWNLOAD_WAIT_S);
	assert_int_equal(world->big_count, 1);
	assert_int_equal(world->left, 100);
}

/* --- what does not pass --- */

static void test_bad_release(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf other = BUF_INIT(1u << 20);
	unsigned pieces;

	with_signatures(world);
	make_other(world, &other);
	world->body = buf_slice(&other);
	world->retries_wait = true;
	assert_int_equal(world_get(world), FAULT_SIGNATURE);
	assert_int_equal(world->big_count, 2);
	/* Known by its head. */
	pieces = world->pieces;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(world_get(world), FAULT_SIGNATURE);
		assert_int_equal(world->big_count, 3 + i);
		assert_int_equal(world->pieces, pieces);
	}
	/* Another answer is another try, at once. */
	world->scripts[5] = (struct script){.etag = "\"two\"", .body = world->big};
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->big_count, 6);
	assert_true(world_equals(world, BIG, world->big));
}

static void flip_signature(struct world *world)
{
	world->sig.data[world->sig.len - 3] ^= 1;
}

static void empty_signature(struct world *world)
{
	buf_reset(&world->sig);
}

static void garble_signature(struct world *world)
{
	buf_reset(&world->sig);
	buf_put_str(&world->sig, "404, sorry");
}

/* Not a byte of the big part for a signature that can be told to be bad without it. */
static void test_bad_signatures(void **state)
{
	static void (*const changes[])(struct world * world) = {flip_signature, empty_signature,
								garble_signature};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct world *world;
		void *own = NULL;

		assert_int_equal(world_begin(&own), 0);
		world = own;
		with_signatures(world);
		changes[i](world);
		assert_int_equal(world_get(world), FAULT_SIGNATURE);
		assert_int_equal(world->request_count, 1);
		assert_int_equal(world->big_count, 0);
		assert_false(world_has(world, BIG));
		assert_false(world_has(world, PIN));
		assert_int_equal(world_end(&own), 0);
	}
}

/* --- the rest --- */

/* After an odd answer a link that drops still counts as one that delivers. */
static void test_odd_answer_then_drops(void **state)
{
	struct world *world = *state;

	world->scripts[0] = (struct script){.drops = true, .after = 60000};
	world->scripts[1] = (struct script){.first_off = 1};
	for (size_t i = 2; i < 8; i++)
		world->scripts[i] = (struct script){.drops = true, .after = 5000};
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->big_count, 9);
	assert_true(world_equals(world, BIG, world->big));
}

/* Three lies in a row are too many; three with progress in between are not. */
static void test_lies_fade(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < 12; i++)
		world->scripts[i] = (struct script){.drops = true, .after = 5000};
	for (size_t i = 0; i < 12; i += 3)
		world->scripts[i] = (struct script){.first_off = 1, .status = 206};
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->big_count, 13);
}

static void test_redirects(void **state)
{
	struct world *world = *state;

	with_signatures(world);
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->requests[0].redirects, 0); /* S3 */
	assert_int_equal(world->requests[1].redirects, 0);
	world_stop(world);
	world->config.cdn_url = "https://cdn";
	world_start(world);
	assert_int_equal(world_get(world), 0);
	assert_true(world->requests[2].redirects > 0);
	assert_true(world->requests[3].redirects > 0);
}

/* Whoever is told to look into the log finds it there. */
static void test_notes_the_cause(void **state)
{
	struct world *world = *state;

	world->room = CACHE_SPARE;
	assert_int_equal(world_get(world), ERR_DISK_FULL);
	assert_non_null(strstr(world->notes, "the download ends: "));
	world->room = 0;
	world->notes[0] = '\0';
	world_write(world, BIG, slice_of(NULL, 0));
	assert_int_equal(unlinkat(world->dir, BIG, 0), 0);
	assert_int_equal(mkdirat(world->dir, BIG, 0700), 0);
	assert_true(world_get(world) < 0);
	assert_non_null(strstr(world->notes, "in the cache " BIG " is a folder"));
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_no_validator),
		IN_WORLD(test_validator_is_gone),
		IN_WORLD(test_signed_without_validator),
		IN_WORLD(test_stale_import),
		IN_WORLD(test_import_allowed),
		IN_WORLD(test_signed_import),
		cmocka_unit_test(test_import_signatures),
		IN_WORLD(test_import_keeps_part),
		IN_WORLD(test_long_pause),
		IN_WORLD(test_servers_time),
		IN_WORLD(test_sig_servers_time),
		IN_WORLD(test_asking_again),
		IN_WORLD(test_bad_release),
		cmocka_unit_test(test_bad_signatures),
		IN_WORLD(test_odd_answer_then_drops),
		IN_WORLD(test_lies_fade),
		IN_WORLD(test_redirects),
		IN_WORLD(test_notes_the_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
