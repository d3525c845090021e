/* SPDX-License-Identifier: Apache-2.0 */
/* The check before anything is opened: each region changed, cut, swapped, with and without
 * signature. */
#include "loader/test_world.h"

#include <fcntl.h>

#include "crypto/hash.h"

#define BIG "models/x"

static int check_all(const struct blob_facts *facts, struct v1_facts *ret_facts, bool *ret_signed,
		     struct err *err)
{
	CLEANUP(blob_check_cleanup) struct blob_check *check = NULL;
	bool end = false;
	int r = blob_check_new(facts, &check, err);

	while (r == 0 && !end)
		r = blob_check_step(check, UINT64_MAX, &end, err);
	return r < 0 ? r : blob_check_end(check, ret_facts, ret_signed, err);
}

static int check(struct world *world, const struct blob_facts *like, struct slice big,
		 bool *ret_signed)
{
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct blob_facts facts = *like;
	struct v1_facts v1 = {.plain = 77};
	struct err err = {0};
	int r;

	world_write(world, BIG, big);
	fd = openat(world->dir, BIG, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	facts.config = &world->config;
	facts.key = world->key;
	facts.big = fd;
	r = check_all(&facts, &v1, ret_signed, &err);
	assert_int_equal(v1.plain, r == 0 ? PLAIN : 77);
	if (r == ERR_DAMAGED)
		assert_string_equal(err.text, V1_DOES_NOT_OPEN);
	return r;
}

static const struct resource *of_world(void)
{
	static struct resource resource;

	resource = OF_WORLD;
	return &resource;
}

static struct blob_facts facts_of(struct world *world, bool with_sig)
{
	return (struct blob_facts){
		.resource = of_world(),
		.small = world->small,
		.sig = with_sig ? buf_slice(&world->sig) : slice_of(NULL, 0),
	};
}

static struct cache_seen seen_of(struct world *world)
{
	struct cache_seen seen = {.known = true};
	struct slice blob = buf_slice(&world->blob);
	struct v1_seen what = {.size = blob.len};
	struct err err = {0};

	assert_int_equal(hash_digest(HASH_SHA256, &blob, 1, what.digest, &err), 0);
	assert_int_equal(v1_pin_make(world->small, &what, &seen.pin, &err), 0);
	return seen;
}

/* Each region of the parts, by the first byte that is changed; negative: from the end. */
static const int REGIONS[] = {0,    1,	   15, 16,  17,	 1000, 3071, 3072,
			      3073, 50000, -1, -16, -17, -32,  -33};

static void flip_all(struct world *world, const struct blob_facts *facts, int code)
{
	bool is_signed;

	for (size_t i = 0; i < ARRAY_LEN(REGIONS); i++) {
		size_t at = REGIONS[i] >= 0 ? (size_t)REGIONS[i]
					    : world->blob.len - (size_t)-REGIONS[i];

		world->blob.data[at] ^= 0x20;
		assert_int_equal(check(world, facts, world->big, &is_signed), code);
		world->blob.data[at] ^= 0x20;
	}
}

static void test_pinned(void **state)
{
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, false);
	bool is_signed = true;

	facts.seen = seen_of(world);
	assert_int_equal(check(world, &facts, world->big, &is_signed), 0);
	assert_false(is_signed);
	/* What changes the small part makes it another release: then the pin says nothing. */
	for (size_t i = 0; i < ARRAY_LEN(REGIONS); i++) {
		size_t at = REGIONS[i] >= 0 ? (size_t)REGIONS[i]
					    : world->blob.len - (size_t)-REGIONS[i];

		if (at < world->small.len)
			continue;
		world->blob.data[at] ^= 0x20;
		assert_int_equal(check(world, &facts, world->big, &is_signed), ERR_DAMAGED);
		world->blob.data[at] ^= 0x20;
	}
}

static void test_signed(void **state)
{
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, true);
	bool is_signed = false;

	world->config.anchors = buf_slice(&world->anchors);
	assert_int_equal(check(world, &facts, world->big, &is_signed), 0);
	assert_true(is_signed);
	flip_all(world, &facts, FAULT_SIGNATURE);
	/* A pin takes nothing from a signature, nor adds to it. */
	facts.seen = seen_of(world);
	flip_all(world, &facts, FAULT_SIGNATURE);
	facts.seen.pin.seen.digest[3] ^= 1;
	assert_int_equal(check(world, &facts, world->big, &is_signed), 0);
}

static void test_signature_changed(void **state)
{
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, true);
	bool is_signed;

	world->config.anchors = buf_slice(&world->anchors);
	for (size_t i = 0; i < world->sig.len; i += 97) {
		int r;

		world->sig.data[i] ^= 0x04;
		r = check(world, &facts, world->big, &is_signed);
		/* Some bytes of the certificates inside are not needed for the verdict. */
		assert_true(r == FAULT_SIGNATURE || (r == 0 && is_signed));
		world->sig.data[i] ^= 0x04;
	}
	for (size_t len = 1; len < world->sig.len; len += 211) {
		facts.sig = slice_of(world->sig.data, len);
		assert_int_equal(check(world, &facts, world->big, &is_signed), FAULT_SIGNATURE);
	}
}

static void test_moved(void **state)
{
	const struct resource others[] = {
		{slice_str("models"), slice_str("net.bim")},
		{slice_str("model"), slice_str("net.bin")},
	};
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, true);
	bool is_signed;

	world->config.anchors = buf_slice(&world->anchors);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		facts.resource = &others[i];
		assert_int_equal(check(world, &facts, world->big, &is_signed), FAULT_SIGNATURE);
	}
}

static void test_lengths(void **state)
{
	static const size_t cuts[] = {1, 15, 16, 17, 32, 1000, 90000};
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, false);
	CLEANUP(buf_fini) struct buf longer = BUF_INIT(1u << 20);
	bool is_signed;

	facts.seen = seen_of(world);
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		struct slice cut = slice_of(world->big.data, world->big.len - cuts[i]);

		assert_int_equal(check(world, &facts, cut, &is_signed), ERR_DAMAGED);
	}
	buf_put(&longer, world->big);
	for (size_t i = 0; i < 32; i++) {
		buf_put_u8(&longer, 0x10);
		assert_int_equal(check(world, &facts, buf_slice(&longer), &is_signed), ERR_DAMAGED);
	}
	assert_int_equal(check(world, &facts, slice_of(NULL, 0), &is_signed), ERR_DAMAGED);
}

/* Without pin and signature length and padding are what there is; the key is behind the padding. */
static void test_nothing_known(void **state)
{
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, false);
	bool is_signed;

	assert_int_equal(check(world, &facts, world->big, &is_signed), 0);
	world->blob.data[world->blob.len - 17] ^= 0x7f;
	assert_int_equal(check(world, &facts, world->big, &is_signed), ERR_DAMAGED);
	world->blob.data[world->blob.len - 17] ^= 0x7f;
	facts.small = slice_of(world->blob.data, 3071);
	assert_int_equal(check(world, &facts, world->big, &is_signed), ERR_DAMAGED);
}

static void test_due(void **state)
{
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, false);
	bool is_signed;

	facts.seen.signed_once = true;
	assert_int_equal(check(world, &facts, world->big, &is_signed), FAULT_SIGNATURE);
	facts.seen.signed_once = false;
	world->config.unsigned_denied = true;
	assert_int_equal(check(world, &facts, world->big, &is_signed), FAULT_SIGNATURE);
	/* A signature that nobody can check is none. */
	facts.sig = buf_slice(&world->sig);
	assert_int_equal(check(world, &facts, world->big, &is_signed), FAULT_SIGNATURE);
	world->config.anchors = buf_slice(&world->anchors);
	assert_int_equal(check(world, &facts, world->big, &is_signed), 0);
	assert_true(is_signed);
}

/* Small steps see the same. */
static void test_steps(void **state)
{
	CLEANUP(blob_check_cleanup) struct blob_check *check_ = NULL;
	CLEANUP(fd_close_cleanup) int fd = -1;
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, false);
	bool is_signed, end = false;
	struct v1_facts v1;
	struct err err = {0};
	unsigned steps = 0;

	world_write(world, BIG, world->big);
	fd = openat(world->dir, BIG, O_RDONLY | O_CLOEXEC);
	facts.config = &world->config;
	facts.key = world->key;
	facts.big = fd;
	facts.seen = seen_of(world);
	assert_int_equal(blob_check_new(&facts, &check_, &err), 0);
	for (; !end; steps++)
		assert_int_equal(blob_check_step(check_, 1, &end, &err), 0);
	assert_int_equal(steps, 1);
	assert_int_equal(blob_check_end(check_, &v1, &is_signed, &err), 0);
	assert_int_equal(v1.plain, PLAIN);
}

/* In steps, so that what differs in the middle of one shows as well. */
static int check_unlike(struct world *world, int before)
{
	CLEANUP(blob_check_cleanup) struct blob_check *made = NULL;
	CLEANUP(fd_close_cleanup) int fd = openat(world->dir, BIG, O_RDONLY | O_CLOEXEC);
	struct blob_facts facts = facts_of(world, false);
	struct v1_facts v1;
	bool end = false, is_signed;
	struct err err = {0};

	facts.config = &world->config;
	facts.key = world->key;
	facts.big = fd;
	assert_int_equal(blob_check_new(&facts, &made, &err), 0);
	blob_check_unlike(made, before);
	while (!end)
		assert_int_equal(blob_check_step(made, 1, &end, &err), 0);
	return blob_check_end(made, &v1, &is_signed, &err);
}

static void test_unlike(void **state)
{
	const struct {
		size_t len;
		int flipped; /* -1: none */
		int code;
	} cases[] = {
		{0, -1, FAULT_UPSTREAM}, {0, 0, 0},  {0, PLAIN / 2, 0},
		{0, PLAIN - 3072, 0},	 {1, -1, 0}, {17, -1, 0},
	};
	struct world *world = *state;

	world_write(world, BIG, world->big);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		world_write(world, "models/before",
			    slice_of(world->big.data, world->big.len - cases[i].len));
		if (cases[i].flipped >= 0)
			world_flip(world, "models/before", (uint64_t)cases[i].flipped);
		assert_int_equal(check_unlike(world, openat(world->dir, "models/before",
							    O_RDONLY | O_CLOEXEC)),
				 cases[i].code);
	}
	/* One that cannot be read is no hindrance. */
	assert_int_equal(check_unlike(world, openat(world->dir, "models", O_RDONLY | O_CLOEXEC)),
			 0);
}

/* Over several reads: what differs in one alone is another, and so is one that goes on. */
static void test_unlike_long(void **state)
{
	static uint8_t bytes[600000];
	const struct slice all = slice_of(bytes, sizeof(bytes) - 1);
	struct world *world = *state;
	const struct {
		size_t at, len;
		int code;
	} cases[] = {
		{0, all.len, FAULT_UPSTREAM},	{1, all.len, ERR_DAMAGED},
		{300000, all.len, ERR_DAMAGED}, {all.len - 1, all.len, ERR_DAMAGED},
		{0, all.len + 1, ERR_DAMAGED},
	};

	world_write(world, BIG, all);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		world_write(world, "models/before", slice_of(bytes, cases[i].len));
		if (cases[i].at > 0)
			world_flip(world, "models/before", cases[i].at);
		assert_int_equal(check_unlike(world, openat(world->dir, "models/before",
							    O_RDONLY | O_CLOEXEC)),
				 cases[i].code);
	}
}

static void test_unreadable(void **state)
{
	struct world *world = *state;
	struct blob_facts facts = facts_of(world, false);
	struct v1_facts v1;
	bool is_signed;
	struct err err = {0};

	facts.config = &world->config;
	facts.key = world->key;
	facts.big = world->dir;
	assert_int_equal(check_all(&facts, &v1, &is_signed, &err), ERR_UNREADABLE);
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_pinned), IN_WORLD(test_signed),	   IN_WORLD(test_signature_changed),
		IN_WORLD(test_moved),  IN_WORLD(test_lengths),	   IN_WORLD(test_nothing_known),
		IN_WORLD(test_due),    IN_WORLD(test_steps),	   IN_WORLD(test_unreadable),
		IN_WORLD(test_unlike), IN_WORLD(test_unlike_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
