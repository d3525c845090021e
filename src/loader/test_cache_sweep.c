/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads that come, and what goes of those that nobody names. */
#include "loader/test_made.h"

#include <sys/stat.h>
#include <time.h>

#include "crypto/cms.h"
#include "tests/vectors/v2_sig.inc"

#define DIGEST "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* --- what is swept --- */

static void set_age(struct world *world, const char *path, time_t age)
{
	const time_t at = time(NULL) - age;
	const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};

	assert_int_equal(utimensat(world->dir, path, times, 0), 0);
}

#define DAY (24 * 3600)

static void leave(struct world *world, const char *path, time_t age)
{
	world_write(world, path, slice_str("left"));
	set_age(world, path, age);
}

static void what_nobody_names_is_swept(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *two = made_new("net.bin", 4, 2);
	CLEANUP(made_cleanup) struct made *other = made_new("other", 1, 1);
	CLEANUP(made_cleanup) struct made *old = made_new("gone", 1, 1);
	CLEANUP(made_cleanup) struct made *young = made_new("coming", 1, 1);
	struct world *world = *state;
	const struct {
		const char *path;
		time_t age;
		bool stays;
	} rows[] = {
		{old->of.file, DAY + 1, false},
		{old->partial, DAY + 1, false},
		{old->progress, DAY + 1, false},
		{young->of.file, DAY - 1, true},
		{young->partial, DAY - 1, true},
		{young->progress, DAY + 1, true},
		{other->partial, DAY + 1, true},
		{"models/" DIGEST "0.of.file", DAY + 1, true},
		{"models/0" DIGEST ".payload", DAY + 1, true},
		{"models/x.of.file", DAY + 1, true},
		{"models/" DIGEST ".big", DAY + 1, true},
		{"models/" DIGEST ".state", DAY + 1, true},
		{"models/." DIGEST ".part", DAY + 1, true},
	};

	made_must_take(world, one);
	made_must_take(world, other);
	set_age(world, one->of.file, 0);
	set_age(world, other->of.file, DAY + 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		leave(world, rows[i].path, rows[i].age);
	made_must_take(world, two);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(world_has(world, rows[i].path), rows[i].stays);
	/* What was replaced goes at once. */
	assert_false(world_has(world, one->of.file));
	assert_true(made_is_whole(world, two));
	assert_true(made_is_whole(world, other));
}

static void sign(struct slice json, struct buf *ret_whole)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(8192), chain = BUF_INIT(8192);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct err err = {0};

	world_unbase64(V2_SIGNER_KEY, &p8);
	world_unbase64(V2_SIGNER, &chain);
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &key, &err), 0);
	assert_int_equal(cms_seal_whole(key, buf_slice(&chain), json, ret_whole, &err), 0);
}

/* A manifest that is damaged names nothing; one that says more than is known here might. */
static void what_cannot_be_judged_stays(void **state)
{
	static const char NEWER[] = "{\"holdfast\":\"artifact v3\"}";
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *two = made_new("net.bin", 4, 2);
	CLEANUP(made_cleanup) struct made *old = made_new("gone", 1, 1);
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	struct world *world = *state;

	made_must_take(world, one);
	sign(slice_str(NEWER), &whole);
	world_write(world, "models/newer.manifest", buf_slice(&whole));
	leave(world, old->of.file, DAY + 1);
	made_must_take(world, two);
	assert_true(world_has(world, old->of.file));
	assert_true(world_has(world, one->of.file));
	assert_true(made_is_whole(world, two));
	world_write(world, "models/newer.manifest", slice_str("damaged"));
	made_wrap(two);
	made_must_take(world, two);
	assert_false(world_has(world, old->of.file));
	assert_true(made_is_whole(world, two));
}

static void start_again(struct world *world)
{
	world_stop(world);
	world_start(world);
}

/* Those of a release that was not taken, or whose removal a kill has cut short. */
static void a_start_sweeps(void **state)
{
	static const char NEWER[] = "{\"holdfast\":\"artifact v3\"}";
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *gone = made_new("gone", 1, 1);
	CLEANUP(made_cleanup) struct made *old = made_new("old", 1, 1);
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	struct world *world = *state;

	made_must_take(world, one);
	leave(world, gone->of.file, 0);
	leave(world, gone->partial, DAY - 1);
	leave(world, gone->progress, DAY - 1);
	leave(world, old->partial, DAY + 1);
	leave(world, old->progress, DAY + 1);
	sign(slice_str(NEWER), &whole);
	world_write(world, "models/newer.manifest", buf_slice(&whole));
	start_again(world);
	assert_true(world_has(world, gone->of.file));
	assert_int_equal(unlinkat(world->dir, "models/newer.manifest", 0), 0);
	start_again(world);
	assert_false(world_has(world, gone->of.file));
	assert_true(world_has(world, gone->partial) && world_has(world, gone->progress));
	assert_true(world_has(world, old->partial) && world_has(world, old->progress));
	assert_true(made_is_whole(world, one));
}

/* --- payloads that come --- */

static struct cache_part *open_payload(struct world *world, const struct made *made,
				       uint64_t *ret_have)
{
	const struct cache_of of = {
		.resource = made_resource(made),
		.part = RESOURCE_PAYLOAD,
		.release = made->of.manifest->payload_digest,
	};
	struct cache_part *part = NULL;
	struct cache_want want;
	struct err err = {0};

	assert_int_equal(cache_part_open(world->cache, &of, &part, &want, ret_have, &err), 0);
	assert_memory_equal(want.small, made->of.manifest->payload_digest, MANIFEST_DIGEST);
	return part;
}

static void write_part(struct cache_part *part, const struct made *made, uint64_t total)
{
	struct cache_want want = {.total = total, .etag = "\"e\""};
	struct err err = {0};

	memcpy(want.small, made->of.manifest->payload_digest, MANIFEST_DIGEST);
	assert_int_equal(cache_part_expect(part, &want, &err), 0);
	assert_int_equal(cache_part_write(part, slice_str("pay"), &err), 0);
	assert_int_equal(cache_part_sync(part, &err), 0);
}

static void a_payload_comes_in_parts(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	struct world *world = *state;
	CLEANUP(fd_close_cleanup) int fd = -1;
	uint64_t have = 77, size = 0;
	struct err err = {0};

	part = open_payload(world, one, &have);
	assert_int_equal(have, 0);
	write_part(part, one, strlen("payload"));
	assert_true(world_has(world, one->partial) && world_has(world, one->progress));
	cache_part_free(part);
	part = open_payload(world, one, &have);
	assert_int_equal(have, 3);
	assert_int_equal(cache_part_write(part, slice_str("load"), &err), 0);
	/* It has no signature, and nobody's is touched. */
	assert_int_equal(cache_part_take(part, slice_str("sig"), &err), ERR_INVALID);
	world_write(world, "models/net.bin.sig", slice_str("of version 1"));
	assert_int_equal(cache_part_take(part, slice_of(NULL, 0), &err), 0);
	assert_true(world_has(world, "models/net.bin.sig"));
	assert_false(world_has(world, one->partial) || world_has(world, one->progress));
	assert_int_equal(cache_payload(world->cache, &OF_WORLD, one->of.manifest->payload_digest,
				       &fd, &size, &err),
			 0);
	assert_int_equal(size, strlen("payload"));
	assert_true(world_equals(world, one->of.file, slice_str("payload")));
}

/* A resource of version 1 that is called like a payload has files of its own. */
static void names_do_not_meet(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	struct world *world = *state;
	char hex[MANIFEST_DIGEST_HEX];
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	CLEANUP(cache_part_cleanup) struct cache_part *big = NULL;
	struct cache_of of = {.part = RESOURCE_BIG, .release = one->of.manifest->payload_digest};
	struct cache_want want;
	uint64_t have;
	struct err err = {0};

	manifest_hex(one->of.manifest->payload_digest, hex);
	of.resource = (struct resource){slice_str("models"), slice_str(hex)};
	part = open_payload(world, one, &have);
	write_part(part, one, 7);
	assert_int_equal(cache_part_open(world->cache, &of, &big, &want, &have, &err), 0);
	assert_int_equal(have, 0);
	write_part(big, one, 5);
	assert_true(world_equals(world, one->partial, slice_str("pay")));
	cache_part_drop(big);
	assert_true(world_has(world, one->partial) && world_has(world, one->progress));
	cache_part_drop(part);
	assert_false(world_has(world, one->partial) || world_has(world, one->progress));
	/* A folder in the way is told before anything comes. */
	assert_int_equal(mkdirat(world->dir, one->of.file, 0700), 0);
	of.resource = OF_WORLD;
	of.part = RESOURCE_PAYLOAD;
	cache_part_free(TAKE(part));
	assert_int_equal(cache_part_open(world->cache, &of, &part, &want, &have, &err),
			 ERR_UNREADABLE);
	assert_non_null(strstr(err.text, one->of.file));
}

/* What is held is at work, however long nothing has come. */
static void a_download_at_work_is_not_swept(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *two = made_new("net.bin", 4, 2);
	CLEANUP(made_cleanup) struct made *other = made_new("other", 1, 1);
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	struct world *world = *state;
	uint64_t have;

	part = open_payload(world, other, &have);
	write_part(part, other, 7);
	set_age(world, other->partial, 2 * DAY);
	made_must_take(world, one);
	assert_true(world_has(world, other->partial) && world_has(world, other->progress));
	cache_part_free(TAKE(part));
	made_must_take(world, two);
	assert_false(world_has(world, other->partial) || world_has(world, other->progress));
}

/* Before the disk is said to be full what nobody names goes, but what is held or has just come. */
static void a_download_makes_room(void **state)
{
	CLEANUP(made_cleanup) struct made *one = made_new("net.bin", 3, 2);
	CLEANUP(made_cleanup) struct made *gone = made_new("gone", 1, 1);
	CLEANUP(made_cleanup) struct made *held = made_new("held", 1, 1);
	CLEANUP(made_cleanup) struct made *young = made_new("young", 1, 1);
	CLEANUP(made_cleanup) struct made *next = made_new("next", 1, 1);
	CLEANUP(cache_part_cleanup) struct cache_part *part = NULL;
	struct world *world = *state;
	struct cache_want want = {.total = 7};
	uint64_t have, size;
	struct err err = {0};
	int fd = -1;

	made_must_take(world, one);
	set_age(world, one->of.file, DAY);
	part = open_payload(world, next, &have);
	memcpy(want.small, next->of.manifest->payload_digest, MANIFEST_DIGEST);
	leave(world, gone->of.file, 61);
	leave(world, held->of.file, DAY + 1);
	leave(world, young->of.file, 59);
	assert_int_equal(cache_payload(world->cache, &OF_WORLD, held->of.manifest->payload_digest,
				       &fd, &size, &err),
			 0);
	/* With room nothing goes. */
	assert_int_equal(cache_part_expect(part, &want, &err), 0);
	assert_true(world_has(world, gone->of.file));
	world->room = CACHE_SPARE;
	world->room_until = gone->of.file;
	assert_int_equal(cache_part_expect(part, &want, &err), 0);
	assert_false(world_has(world, gone->of.file));
	assert_true(world_has(world, held->of.file) && world_has(world, young->of.file));
	world->room_until = held->of.file;
	assert_int_equal(cache_part_expect(part, &want, &err), ERR_DISK_FULL);
	(void)close(fd);
	assert_int_equal(cache_part_expect(part, &want, &err), 0);
	assert_true(made_is_whole(world, one));
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(what_nobody_names_is_swept),	   IN_WORLD(what_cannot_be_judged_stays),
		IN_WORLD(a_payload_comes_in_parts),	   IN_WORLD(names_do_not_meet),
		IN_WORLD(a_download_at_work_is_not_swept), IN_WORLD(a_start_sweeps),
		IN_WORLD(a_download_makes_room),
	};

	return cmocka_run_group_tests(tests, made_begin, made_end);
}
