/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads against a CDN that drops, lies, changes its mind or is not there. */
#include "loader/test_world.h"

#include <stdio.h>

#define BIG   "models/net.bin.big"
#define PART  "models/.net.bin.part"
#define STATE "models/net.bin.state"
#define PIN   "models/net.bin.pin"
#define SIG   "models/net.bin.sig"

static void assert_there(struct world *world)
{
	assert_true(world_equals(world, BIG, world->big));
	assert_true(world_has(world, PIN));
	assert_false(world_has(world, PART));
	assert_false(world_has(world, STATE));
}

static void assert_nothing(struct world *world)
{
	assert_false(world_has(world, BIG));
	assert_false(world_has(world, PIN));
}

static void test_plain(void **state)
{
	struct world *world = *state;

	assert_int_equal(world_get(world), 0);
	assert_there(world);
	assert_int_equal(world->big_count, 1);
	assert_int_equal(world->requests[0].from, 0);
}

/* What each attempt does, and how all ends. */
static const struct {
	const char *name;
	struct script scripts[SCRIPT_MAX];
	int code;
	size_t requests;
	uint64_t from[6]; /* of each request */
} CASES[] = {
	{"drops",
	 {{.drops = true, .after = 10000}, {.drops = true, .after = 1}},
	 0,
	 3,
	 {0, 10000, 10001}},
	{"drops before the first byte", {{.drops = true}, {.drops = true}}, 0, 3, {0, 0, 0}},
	{"a short part",
	 {{.drops = true, .after = 99}, {.shorter = true, .after = 7}},
	 0,
	 3,
	 {0, 99, 106}},
	{"200 to a range", {{.drops = true, .after = 500}, {.whole = true}}, 0, 3, {0, 500, 0}},
	{"416", {{.drops = true, .after = 500}, {.status = 416}}, 0, 3, {0, 500, 0}},
	{"another ETag", {{.drops = true, .after = 500}, {.etag = "\"two\""}}, 0, 3, {0, 500, 0}},
	{"another total", {{.drops = true, .after = 500}, {.total_off = 16}}, 0, 3, {0, 500, 0}},
	{"another place", {{.drops = true, .after = 500}, {.first_off = 1}}, 0, 3, {0, 500, 0}},
	{"no length, once", {{.no_length = true}}, 0, 2, {0, 0}},
	{"longer, once", {{.longer = true}}, 0, 2, {0, 0}},
	{"refused twice", {{.refused = true}, {.refused = true}}, 0, 3, {0, 0, 0}},
	{"refused three times",
	 {{.refused = true}, {.refused = true}, {.refused = true}},
	 FAULT_UPSTREAM,
	 3,
	 {0, 0, 0}},
	{"lies of all kinds",
	 {{.longer = true}, {.no_length = true}, {.status = 206}},
	 FAULT_UPSTREAM,
	 3,
	 {0, 0, 0}},
	{"404", {{.status = 404}}, ERR_NOT_FOUND, 1, {0}},
	{"404 later", {{.drops = true, .after = 500}, {.status = 404}}, ERR_NOT_FOUND, 2, {0, 500}},
	{"503 once", {{.status = 503}}, 0, 2, {0, 0}},
	{"503 three times",
	 {{.status = 503}, {.status = 503}, {.status = 503}, {.hangs = true}},
	 FAULT_UPSTREAM,
	 3,
	 {0, 0, 0}},
	{"403 three times",
	 {{.status = 403}, {.status = 403}, {.status = 403}, {.hangs = true}},
	 FAULT_UPSTREAM,
	 3,
	 {0, 0, 0}},
	{"unreachable",
	 {{.unreachable = true}, {.unreachable = true}, {.unreachable = true}, {.hangs = true}},
	 FAULT_UPSTREAM,
	 3,
	 {0, 0, 0}},
	{"progress in between",
	 {{.unreachable = true},
	  {.unreachable = true},
	  {.drops = true, .after = 9},
	  {.unreachable = true},
	  {.unreachable = true}},
	 0,
	 6,
	 {0, 0, 0, 9, 9, 9}},
	{"too large", {{.total_off = 1 << 30}}, ERR_TOO_LARGE, 1, {0}},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		struct world *world;
		void *own = NULL;

		print_message("%s\n", CASES[i].name);
		assert_int_equal(world_begin(&own), 0);
		world = own;
		memcpy(world->scripts, CASES[i].scripts, sizeof(world->scripts));
		assert_int_equal(world_get(world), CASES[i].code);
		assert_true(world->big_count >= CASES[i].requests);
		assert_true(CASES[i].code == FAULT_UPSTREAM ||
			    world->big_count == CASES[i].requests);
		for (size_t n = 0; n < CASES[i].requests; n++)
			assert_int_equal(world->requests[n].from, CASES[i].from[n]);
		if (CASES[i].code == 0)
			assert_there(world);
		else
			assert_nothing(world);
		assert_int_equal(world_end(&own), 0);
	}
}

static void test_validator_is_sent(void **state)
{
	struct world *world = *state;

	world->scripts[0] = (struct script){.drops = true, .after = 500};
	assert_int_equal(world_get(world), 0);
	assert_string_equal(world->requests[0].if_range, "");
	assert_string_equal(world->requests[1].if_range, "\"one\"");
}

static bool hangs(struct world *world)
{
	return world->pieces >= 3 && world_has(world, STATE);
}

/* The program ends with no chance to say so; the next one goes on. */
static void test_next_start(void **state)
{
	struct world *world = *state;

	world->scripts[0] = (struct script){.hangs = true, .after = 20000};
	(void)world_want(world);
	world_until(world, hangs);
	world_stop(world);
	assert_int_equal(world_size(world, PART), 20000);
	world_start(world);
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->requests[1].from, 20000);
	assert_string_equal(world->requests[1].if_range, "\"one\"");
	assert_there(world);
}

/* Damage to what waits for the next start costs time, never more. */
static void test_damaged_between(void **state)
{
	static const struct {
		const char *path;
		bool flip, empty;
		uint64_t from;
	} cases[] = {
		{STATE, true, false, 0},
		{STATE, false, true, 0},
		{PART, true, false, 20000},
		{PART, false, true, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *world;
		void *own = NULL;

		assert_int_equal(world_begin(&own), 0);
		world = own;
		world->scripts[0] = (struct script){.hangs = true, .after = 20000};
		(void)world_want(world);
		world_until(world, hangs);
		world_stop(world);
		if (cases[i].flip)
			world_flip(world, cases[i].path, 5);
		if (cases[i].empty)
			world_write(world, cases[i].path, slice_of(NULL, 0));
		world->config.anchors = buf_slice(&world->anchors);
		world->has_sig = true;
		world_start(world);
		assert_int_equal(world_get(world), 0);
		assert_true(world->requests[1].sig);
		assert_int_equal(world->requests[2].from, cases[i].from);
		assert_there(world);
		assert_int_equal(world_end(&own), 0);
	}
}

/* --- the check --- */

static void test_wrong_once(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf wrong = BUF_INIT(1u << 20);

	buf_put(&wrong, world->big);
	wrong.data[wrong.len - 17] ^= 0x7f; /* the padding */
	world->scripts[0].body = buf_slice(&wrong);
	world->scripts[1].body = world->big;
	assert_int_equal(world_get(world), 0);
	assert_int_equal(world->big_count, 2);
	assert_int_equal(world->requests[1].from, 0);
	assert_there(world);
}

static bool part_is_gone(struct world *world)
{
	return !world_has(world, PART);
}

static void test_wrong_for_good(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf wrong = BUF_INIT(1u << 20);

	buf_put(&wrong, world->big);
	wrong.data[wrong.len - 17] ^= 0x7f;
	world->body = buf_slice(&wrong);
	assert_int_equal(world_get(world), ERR_DAMAGED);
	assert_string_equal(world->err.text, V1_DOES_NOT_OPEN);
	assert_int_equal(world->big_count, 2);
	assert_nothing(world);
	world_until(world, part_is_gone);
}

static void test_signed(void **state)
{
	struct world *world = *state;

	world->config.anchors = buf_slice(&world->anchors);
	world->config.unsigned_denied = true;
	world->has_sig = true;
	assert_int_equal(world_get(world), 0);
	assert_there(world);
	assert_true(world_equals(world, SIG, buf_slice(&world->sig)));
}

/* Not a byte of the big part is asked for when its signature is due and missing. */
static void test_unsigned(void **state)
{
	struct world *world = *state;

	world->config.unsigned_denied = true;
	assert_int_equal(world_get(world), FAULT_SIGNATURE);
	assert_int_equal(world->request_count, 0);
	world->config.anchors = buf_slice(&world->anchors);
	assert_int_equal(world_get(world), FAULT_SIGNATURE);
	assert_int_equal(world->request_count, 1);
	assert_int_equal(world->big_count, 0);
	assert_nothing(world);
}

static void test_once_signed(void **state)
{
	struct world *world = *state;

	world->config.anchors = buf_slice(&world->anchors);
	world->has_sig = true;
	assert_int_equal(world_get(world), 0);
	world->has_sig = false;
	assert_int_equal(world_get(world), FAULT_SIGNATURE);
	world->config.anchors = slice_of(NULL, 0);
	assert_int_equal(world_get(world), FAULT_SIGNATURE);
	assert_there(world);
}

static void test_bad_signature(void **state)
{
	struct world *world = *state;

	world->config.anchors = buf_slice(&world->anchors);
	world->has_sig = true;
	world->sig.data[world->sig.len - 3] ^= 1;
	assert_int_equal(world_get(world), FAULT_SIGNATURE);
	assert_int_equal(world->big_count, 0);
	assert_nothing(world);
	world->sig_status = 503;
	assert_int_equal(world_get(world), FAULT_UPSTREAM);
	assert_int_equal(world->big_count, 0);
}

/* A pin that cannot be read may be that of a signed resource. */
static void test_pin_unreadable(void **state)
{
	struct world *world = *state;

	world_write(world, PIN, slice_str("{}"));
	assert_int_equal(world_get(world), ERR_UNREADABLE);
	assert_non_null(strstr(world->err.text, "models/net.bin.pin"));
	assert_non_null(strstr(world->notes, "models/net.bin.pin"));
	assert_int_equal(world->request_count, 0);
	assert_true(world_equals(world, PIN, slice_str("{}")));
	assert_false(world_has(world, BIG));
}

/* Said at once, and what came stays for when there is room. */
static void test_disk_full(void **state)
{
	struct world *world = *state;

	world->room = CACHE_SPARE + world->big.len - 1;
	assert_int_equal(world_get(world), ERR_DISK_FULL);
	assert_int_equal(world->big_count, 1);
	assert_nothing(world);
	world->room++;
	assert_int_equal(world_get(world), 0);
	assert_there(world);
}

/* --- waiters --- */

static void test_two_wait(void **state)
{
	struct world *world = *state;
	struct download_wait *gone;

	(void)world_want(world);
	gone = world_want(world);
	(void)world_want(world);
	downloads_leave(gone);
	world->left--;
	assert_int_equal(world_run(world), 0);
	assert_int_equal(world->big_count, 1);
	assert_there(world);
}

static bool is_there(struct world *world)
{
	return world_has(world, BIG) && !world_has(world, STATE);
}

static void test_goes_on_alone(void **state)
{
	struct world *world = *state;

	downloads_leave(world_want(world));
	world->left--;
	world_until(world, is_there);
	assert_there(world);
}

static struct download_progress seen;
static unsigned visits;

static void visit(void *arg, const struct download_progress *progress)
{
	(void)arg;
	seen = *progress;
	visits++;
}

static enum download_state state_of(struct world *world)
{
	visits = 0;
	downloads_progress(world->downloads, visit, NULL);
	assert_int_equal(visits, 1);
	return seen.state;
}

static bool waits_for_next(struct world *world)
{
	return state_of(world) == DOWNLOAD_WAITING;
}

static void test_progress(void **state)
{
	struct world *world = *state;

	world->scripts[0] = (struct script){.unreachable = true};
	assert_int_equal(world_get(world), 0);
	assert_there(world);
	assert_int_equal(state_of(world), DOWNLOAD_DONE);
	assert_int_equal(seen.attempts, 2);
	assert_int_equal(seen.done, world->big.len);
	assert_null(seen.err);
}

static void cancel(struct world *world, int code)
{
	struct err err = {0};

	assert_int_equal(downloads_cancel(world->downloads, &OF_WORLD, &err), code);
}

static bool runs(struct world *world)
{
	return state_of(world) == DOWNLOAD_RUNNING && world->pieces > 1;
}

static bool checks(struct world *world)
{
	return state_of(world) == DOWNLOAD_CHECKING || state_of(world) == DOWNLOAD_DONE;
}

static bool queued(struct world *world)
{
	return state_of(world) == DOWNLOAD_QUEUED;
}

static void test_cancel(void **state)
{
	static bool (*const whens[])(struct world * world) = {queued, runs, waits_for_next, hangs};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(whens); i++) {
		struct world *world;
		void *own = NULL;

		assert_int_equal(world_begin(&own), 0);
		world = own;
		world->retries_wait = true;
		world->scripts[0] = (struct script){.hangs = true, .after = 30000};
		if (whens[i] == waits_for_next)
			world->scripts[0] = (struct script){.drops = true, .after = 30000};
		(void)world_want(world);
		world_until(world, whens[i]);
		cancel(world, 0);
		assert_int_equal(world->left, 0);
		/* Of a long pause who waits has heard before. */
		assert_int_equal(world->code,
				 whens[i] == waits_for_next ? FAULT_UPSTREAM : FAULT_CANCELLED);
		assert_int_equal(state_of(world), DOWNLOAD_CANCELLED);
		cancel(world, ERR_NOT_FOUND);
		/* At once again: what was there is gone, and both do not meet. */
		world->scripts[world->big_count] = (struct script){.after = 0};
		assert_int_equal(world_get(world), 0);
		assert_int_equal(world->requests[world->request_count - 1].from, 0);
		assert_there(world);
		assert_int_equal(world_end(&own), 0);
	}
}

static void test_cancel_checking(void **state)
{
	struct world *world = *state;

	(void)world_want(world);
	world_until(world, checks);
	if (state_of(world) == DOWNLOAD_CHECKING) {
		cancel(world, 0);
		assert_int_equal(world->code, FAULT_CANCELLED);
	}
	world_stop(world);
	world_start(world);
	assert_int_equal(world_get(world), 0);
	assert_there(world);
}

static void test_free_in_the_middle(void **state)
{
	static bool (*const whens[])(struct world * world) = {queued, runs, hangs, checks};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(whens); i++) {
		struct world *world;
		void *own = NULL;

		assert_int_equal(world_begin(&own), 0);
		world = own;
		if (whens[i] != checks)
			world->scripts[0] = (struct script){.hangs = true, .after = 30000};
		(void)world_want(world);
		world_until(world, whens[i]);
		world_stop(world);
		assert_int_equal(world_end(&own), 0);
	}
}

static void test_other_release(void **state)
{
	struct world *world = *state;
	struct download_wait *wait;
	struct err err = {0};

	world->scripts[0] = (struct script){.hangs = true, .after = 30000};
	(void)world_want(world);
	world_until(world, hangs);
	world->left++;
	assert_int_equal(downloads_want(world->downloads, &OF_WORLD, slice_str("another"),
					world_done, world, &wait, &err),
			 0);
	assert_int_equal(world->left, 1);
	assert_int_equal(world->code, FAULT_UPSTREAM);
	downloads_leave(wait);
	world->left--;
	assert_int_equal(world_get(world), 0);
	assert_there(world);
}

/* --- order --- */

static char heard[8];

static void hear(void *arg, const struct err *err)
{
	size_t len = strlen(heard);

	assert_non_null(err);
	assert_int_equal(err->code, ERR_NOT_FOUND);
	assert_true(len < sizeof(heard) - 1);
	heard[len] = *(const char *)arg;
}

static bool four_heard(struct world *world)
{
	(void)world;
	return strlen(heard) == 4;
}

static void test_order(void **state)
{
	static char names[] = "abcd";
	struct world *world = *state;
	struct download_wait *wait;
	struct err err = {0};

	world->config.downloads = 1;
	memset(heard, 0, sizeof(heard));
	for (size_t i = 0; i < 4; i++) {
		const struct resource resource = {slice_str("models"), slice_of(&names[i], 1)};

		world->scripts[i].status = 404;
		assert_int_equal(downloads_want(world->downloads, &resource, world->small, hear,
						&names[i], &wait, &err),
				 0);
	}
	world_until(world, four_heard);
	assert_string_equal(heard, "abcd");
	visits = 0;
	downloads_progress(world->downloads, visit, NULL);
	assert_int_equal(visits, 4);
}

static void test_too_many(void **state)
{
	struct world *world = *state;
	struct download_wait *wait;
	struct err err = {0};
	char name[16];
	unsigned i;

	for (i = 0; i <= DOWNLOADS_MAX; i++) {
		struct resource resource = {slice_str("models"), slice_of(name, 0)};
		int r;

		(void)snprintf(name, sizeof(name), "n%u", i);
		resource.name = slice_str(name);
		r = downloads_want(world->downloads, &resource, world->small, hear, name, &wait,
				   &err);
		assert_int_equal(r, i < DOWNLOADS_MAX ? 0 : FAULT_BUSY);
	}
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_plain),
		cmocka_unit_test(test_cases),
		IN_WORLD(test_validator_is_sent),
		IN_WORLD(test_next_start),
		cmocka_unit_test(test_damaged_between),
		IN_WORLD(test_wrong_once),
		IN_WORLD(test_wrong_for_good),
		IN_WORLD(test_signed),
		IN_WORLD(test_unsigned),
		IN_WORLD(test_once_signed),
		IN_WORLD(test_bad_signature),
		IN_WORLD(test_pin_unreadable),
		IN_WORLD(test_disk_full),
		IN_WORLD(test_two_wait),
		IN_WORLD(test_goes_on_alone),
		IN_WORLD(test_progress),
		cmocka_unit_test(test_cancel),
		IN_WORLD(test_cancel_checking),
		cmocka_unit_test(test_free_in_the_middle),
		IN_WORLD(test_other_release),
		IN_WORLD(test_order),
		IN_WORLD(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
