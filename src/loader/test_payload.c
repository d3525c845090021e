/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads of payloads: known by size and digest, told of under the artifact's name. */
#include "loader/test_release.h"

#include <stdio.h>

#define SIZE 100000u /* of plaintext */

static struct device device;
static struct release release;

static struct download_wait *want(struct world *world)
{
	struct download_wait *wait = NULL;
	struct err err = {0};

	world->left++;
	assert_int_equal(downloads_payload(world->downloads, release.manifest, world_done, world,
					   &wait, &err),
			 0);
	return wait;
}

static int get(struct world *world)
{
	(void)want(world);
	return world_run(world);
}

static void publish(struct world *world, uint64_t serial)
{
	release_fini(&release);
	release_make(&release, &(struct release_wish){.serial = serial, .plain = SIZE}, &device);
	release_publish(world, &release);
}

static unsigned wanted;

static bool have_come(struct world *world)
{
	return world->pieces >= wanted;
}

static void until_pieces(struct world *world, unsigned count)
{
	wanted = count;
	world_until(world, have_come);
}

static void test_whole(void **state)
{
	struct world *world = *state;
	char url[128];

	(void)snprintf(url, sizeof(url), "https://cdn/%s", release.file);
	assert_int_equal(get(world), 0);
	assert_true(world_equals(world, release.file, buf_slice(&release.payload)));
	assert_int_equal(world->request_count, 1);
	assert_string_equal(world->requests[0].url, url);
	assert_string_equal(world->notes, "");
}

/* No signature is asked for, whatever the anchors of version 1 say. */
static void test_no_signature(void **state)
{
	struct world *world = *state;

	world->config.anchors = buf_slice(&world->anchors);
	world->config.unsigned_denied = true;
	assert_int_equal(get(world), 0);
	assert_int_equal(world->request_count, 1);
}

/* From the byte at which it stopped, without a validator, over starts and from another server. */
static void test_resume(void **state)
{
	struct world *world = *state;

	world->scripts[0] = (struct script){.drops = true, .after = 30001};
	world->scripts[1] = (struct script){.etag = "\"other\"", .drops = true, .after = 20002};
	world->scripts[2] = (struct script){.hangs = true, .after = 10000};
	(void)want(world);
	until_pieces(world, 9);
	world_stop(world);
	world_start(world);
	assert_int_equal(get(world), 0);
	assert_int_equal(world->requests[1].from, 30001);
	assert_int_equal(world->requests[2].from, 50003);
	assert_int_equal(world->requests[3].from, 60003);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(world->requests[i].if_range, "");
	assert_true(world_equals(world, release.file, buf_slice(&release.payload)));
}

/* Another length is refused by its head, before a byte of it. */
static void test_lengths(void **state)
{
	static const int offsets[] = {1, -1, 50000, -50000};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		for (size_t k = 0; k < DOWNLOAD_LIES; k++)
			world->scripts[k] = (struct script){.total_off = offsets[i]};
		world->big_count = world->pieces = 0;
		assert_int_equal(get(world), FAULT_UPSTREAM);
		assert_int_equal(world->big_count, DOWNLOAD_LIES);
		assert_int_equal(world->pieces, 0);
		assert_false(world_has(world, release.file));
	}
}

/* A rest of something else: fetched once more, then known by its head. */
static void test_mixed(void **state)
{
	CLEANUP(buf_fini) struct buf bad = BUF_INIT(2 * SIZE);
	struct world *world = *state;

	buf_put(&bad, buf_slice(&release.payload));
	bad.data[60000] ^= 1;
	world->scripts[0] = (struct script){.drops = true, .after = 50000};
	world->payload = buf_slice(&bad);
	assert_int_equal(get(world), ERR_DAMAGED);
	assert_int_equal(world->big_count, 3);
	assert_int_equal(world->requests[1].from, 50000);
	assert_int_equal(world->requests[2].from, 0);
	assert_false(world_has(world, release.file));
	world->payload = buf_slice(&release.payload);
	world->scripts[3].etag = "\"two\"";
	assert_int_equal(get(world), 0);
}

static void test_import(void **state)
{
	struct world *world = *state;

	world_import(world, release.file, buf_slice(&release.payload));
	assert_int_equal(get(world), 0);
	assert_int_equal(world->request_count, 0);
	assert_true(world_equals(world, release.file, buf_slice(&release.payload)));
	assert_string_equal(world->notes, "");
}

static void test_bad_import(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf bad = BUF_INIT(2 * SIZE);

	buf_put(&bad, buf_slice(&release.payload));
	for (unsigned i = 0; i < 3; i++) {
		publish(world, i + 2);
		buf_reset(&bad);
		buf_put(&bad, buf_slice(&release.payload));
		bad.len -= i == 0;
		bad.data[i == 1 ? 10 : 99000] ^= i > 0;
		world_import(world, release.file, buf_slice(&bad));
		assert_int_equal(get(world), 0);
		assert_int_equal(world->request_count, i + 1);
		assert_true(world_equals(world, release.file, buf_slice(&release.payload)));
	}
}

/* --- who waits, and what is told --- */

struct told {
	unsigned count;
	char name[64];
	enum download_state state;
	uint64_t total;
};

static void visit(void *arg, const struct download_progress *progress)
{
	struct told *told = arg;

	told->count++;
	(void)snprintf(told->name, sizeof(told->name), "%.*s", (int)progress->resource.name.len,
		       (const char *)progress->resource.name.data);
	told->state = progress->state;
	told->total = progress->total;
}

static void test_told(void **state)
{
	struct world *world = *state;
	struct told told = {0};
	struct download_wait *wait;
	uint64_t here = 0, total = 0;
	struct err err = {0};

	world->scripts[0] = (struct script){.hangs = true, .after = 8192};
	wait = want(world);
	until_pieces(world, 1);
	downloads_progress(world->downloads, visit, &told);
	assert_int_equal(told.count, 1);
	assert_string_equal(told.name, "net.bin");
	assert_int_equal(told.total, release.payload.len);
	downloads_seen(wait, &here, &total);
	assert_int_equal(here, 8192);
	assert_int_equal(total, release.payload.len);
	assert_int_equal(downloads_cancel(world->downloads, &OF_WORLD, &err), 0);
	assert_int_equal(world->code, FAULT_CANCELLED);
	told.count = 0;
	downloads_progress(world->downloads, visit, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.state, DOWNLOAD_CANCELLED);
	assert_int_equal(get(world), 0);
	assert_int_equal(world->requests[1].from, 0);
}

/* One download for all who want it; the older release's ends with the newer one's. */
static void test_shared(void **state)
{
	struct world *world = *state;
	struct release old;

	(void)want(world);
	(void)want(world);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(world->request_count, 1);
	publish(world, 2);
	world->scripts[1] = (struct script){.hangs = true, .after = 8192};
	(void)want(world);
	until_pieces(world, 14);
	old = release;
	release = (struct release){0};
	publish(world, 3);
	(void)want(world);
	assert_int_equal(world->left, 1);
	assert_int_equal(world->code, FAULT_UPSTREAM);
	assert_int_equal(world_run(world), 0);
	assert_true(world_has(world, release.file));
	assert_false(world_has(world, old.file));
	release_fini(&old);
}

static int begin(void **state)
{
	int r = world_begin(state);

	release_begin(*state, &device);
	release = (struct release){0};
	publish(*state, 1);
	return r;
}

static int end(void **state)
{
	int r = world_end(state);

	release_fini(&release);
	release_end();
	device_fini(&device);
	return r;
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_whole),	   IN_WORLD(test_no_signature), IN_WORLD(test_resume),
		IN_WORLD(test_lengths),	   IN_WORLD(test_mixed),	IN_WORLD(test_import),
		IN_WORLD(test_bad_import), IN_WORLD(test_told),		IN_WORLD(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
