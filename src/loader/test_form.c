/* SPDX-License-Identifier: Apache-2.0 */
/* F2: which form a name has, and that a failure of one never ends in the other. */
#include "loader/test_release.h"

#include <stdio.h>

#include "artifact/test_fixture.h"

#define FLOOR	 "models/net.bin.floor"
#define V2_PLAIN 5000u /* bytes; of version 1 PLAIN */

static struct device device;
static struct release release;
static struct loader_load *load;

/* Bytes that it has, or what went wrong. */
static int64_t get(struct world *world)
{
	struct err err = {0};
	int64_t r;

	world->left++;
	assert_int_equal(loader_load(&world->loader, &OF_WORLD, world_done, world, &load, &err), 0);
	r = world_run(world);
	if (r == 0)
		r = (int64_t)loader_load_size(load);
	assert_true(r != PLAIN || !loader_load_manifest(load));
	assert_true(r != V2_PLAIN || loader_load_manifest(load)->serial > 0);
	loader_load_leave(TAKE(load));
	return r;
}

static void publish(struct world *world, const struct release_wish *wish)
{
	release_fini(&release);
	release_make(&release, wish, &device);
	release_publish(world, &release);
}

/* The name was taken as version 2 before. */
static void take(struct world *world, unsigned min_format)
{
	struct err err = {0};

	publish(world, &(struct release_wish){.plain = V2_PLAIN, .min_format = min_format});
	world->left++;
	assert_int_equal(loader_artifact(&world->loader, &OF_WORLD, world_done, world, &load, &err),
			 0);
	assert_int_equal(world_run(world), 0);
	loader_load_leave(TAKE(load));
}

static const struct form {
	enum loader_form form;
	unsigned taken; /* min_format of what was taken before; 0: nothing */
	int manifest_code;
	bool at_once;
	int64_t result;
	unsigned manifest_asked, small_asked;
} FORMS[] = {
	/* As configured for version 1: nobody is asked for a manifest before one has risen. */
	{LOADER_V1, 0, 0, false, PLAIN, 0, 1},
	{LOADER_V1, 1, 0, false, PLAIN, 0, 1},
	{LOADER_V1, 2, 0, false, V2_PLAIN, 1, 0},
	{LOADER_V1, 2, FAULT_UPSTREAM, false, V2_PLAIN, 1, 0},
	{LOADER_V1, 2, ERR_NOT_FOUND, false, ERR_NOT_FOUND, 1, 0},
	/* The newest: version 1 only where there is no manifest. */
	{LOADER_NEWEST, 0, 0, false, V2_PLAIN, 1, 0},
	{LOADER_NEWEST, 0, ERR_NOT_FOUND, false, PLAIN, 1, 1},
	{LOADER_NEWEST, 0, FAULT_UPSTREAM, false, PLAIN, 1, 1},
	{LOADER_NEWEST, 0, FAULT_NOT_LOGGED_IN, true, PLAIN, 1, 1},
	{LOADER_NEWEST, 0, ERR_FORBIDDEN, false, ERR_FORBIDDEN, 1, 0},
	{LOADER_NEWEST, 1, FAULT_UPSTREAM, false, V2_PLAIN, 1, 0},
	{LOADER_NEWEST, 1, FAULT_NOT_LOGGED_IN, true, V2_PLAIN, 1, 0},
	{LOADER_NEWEST, 1, ERR_NOT_FOUND, false, PLAIN, 1, 1},
	{LOADER_NEWEST, 2, ERR_NOT_FOUND, false, ERR_NOT_FOUND, 1, 0},
	{LOADER_V2, 0, 0, false, V2_PLAIN, 1, 0},
	{LOADER_V2, 0, ERR_NOT_FOUND, false, ERR_NOT_FOUND, 1, 0},
	{LOADER_V2, 0, FAULT_UPSTREAM, false, FAULT_UPSTREAM, 1, 0},
	{LOADER_V2, 1, FAULT_UPSTREAM, false, V2_PLAIN, 1, 0},
};

static void run(void **state, const struct form *form)
{
	struct world *world = *state;

	publish(world, &(struct release_wish){.plain = V2_PLAIN});
	if (form->taken)
		take(world, form->taken);
	world->config.load_form = form->form;
	world->manifest_code = form->manifest_code;
	world->at_once = form->at_once;
	world->manifest_asked = world->small_asked = 0;
	assert_int_equal(get(world), form->result);
	assert_int_equal(world->manifest_asked, form->manifest_asked);
	assert_int_equal(world->small_asked, form->small_asked);
}

static int begin(void **state);
static int end(void **state);

static void test_forms(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
		run(state, &FORMS[i]);
		end(state);
		begin(state);
	}
}

/* One load of the newest form, with a manifest and what becomes of it. */
struct failure {
	struct release_wish wish;
	int device_code, key_code, unwrap_code;
	bool unreachable;
	int64_t result;
};

static void try(struct world *world, const struct failure *failure)
{
	world->config.load_form = LOADER_NEWEST;
	publish(world, &failure->wish);
	device.key_code = failure->device_code;
	device.unwrap_code = failure->unwrap_code;
	world->key_code = failure->key_code;
	for (size_t k = 0; failure->unreachable && k < 3; k++)
		world->scripts[k] = (struct script){.unreachable = true};
	assert_int_equal(get(world), failure->result);
}

/* A manifest is there, and what fails behind it is none of the device, or will pass. */
static void test_no_way_back(void **state)
{
	static const struct failure FAILURES[] = {
		{{.is_stranger = true}, 0, 0, 0, false, FAULT_SIGNATURE},
		{{.expires = 1}, 0, 0, 0, false, FAULT_EXPIRED},
		{{.name = "other"}, 0, 0, 0, false, FAULT_SIGNATURE},
		{{.serial = 1}, ERR_TPM_BUSY, 0, 0, false, ERR_TPM_BUSY},
		{{.serial = 1}, ERR_STARTING, 0, 0, false, ERR_STARTING},
		{{.serial = 1}, 0, 0, 0, true, FAULT_UPSTREAM},
		{{.serial = 1}, 0, FAULT_UPSTREAM, 0, false, FAULT_UPSTREAM},
		{{.serial = 1}, 0, FAULT_NOT_LOGGED_IN, 0, false, FAULT_NOT_LOGGED_IN},
		{{.serial = 1}, 0, 0, ERR_TPM_BUSY, false, ERR_TPM_BUSY},
		{{.serial = 1, .is_archive = true}, 0, 0, 0, false, ERR_INVALID},
		{{.expires = 1, .unknown = true}, 0, 0, 0, false, FAULT_EXPIRED},
	};

	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		struct world *world = *state;

		try(world, &FAILURES[i]);
		assert_int_equal(world->small_asked, 0);
		end(state);
		begin(state);
	}
}

/* It leaves version 1 alone and is none for this device: then that goes on, and the log says why.
 */
static void test_not_for_this_device(void **state)
{
	static const struct {
		struct failure failure;
		const char *why;
	} cases[] = {
		{{{.serial = 1}, ERR_TPM_REQUIRED, 0, 0, false, PLAIN}, "the service says no"},
		{{{.serial = 1}, ERR_TPM_FAILED, 0, 0, false, PLAIN}, "the service says no"},
		{{{.serial = 1}, ERR_TPM_CHANGED, 0, 0, false, PLAIN}, "the service says no"},
		{{{.serial = 1}, ERR_NOT_SUPPORTED, 0, 0, false, PLAIN}, "the service says no"},
		{{{.serial = 1}, 0, FAULT_NO_KEY, 0, false, PLAIN}, ""},
		{{{.serial = 1}, 0, 0, ERR_DAMAGED, false, PLAIN}, "not for this key"},
		{{{.serial = 1}, 0, 0, ERR_TPM_REQUIRED, false, PLAIN}, "the service says no"},
		{{{.unknown = true}, 0, 0, 0, false, PLAIN}, "/more"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *world = *state;
		const char *line;

		try(world, &cases[i].failure);
		assert_int_equal(world->small_asked, 1);
		line = strstr(world->notes, "models/net.bin: version 1 is taken, as this device "
					    "cannot use the manifest: ");
		assert_non_null(line);
		if (!strstr(line, cases[i].why))
			fail_msg("%s: not %s", line, cases[i].why);
		assert_null(strstr(strchr(line, '\n'), "version 1 is taken"));
		assert_false(world_has(world, FLOOR));
		end(state);
		begin(state);
	}
}

/*
 * A manifest says that version 1 is at an end, and cannot be used here: this device has seen it all
 * the same, so that nobody gets it back to version 1 by taking the manifest away.
 */
static void test_risen_unopened(void **state)
{
	static const struct failure FAILURES[] = {
		{{.min_format = 2}, ERR_TPM_REQUIRED, 0, 0, false, ERR_TPM_REQUIRED},
		{{.min_format = 2}, ERR_TPM_BUSY, 0, 0, false, ERR_TPM_BUSY},
		{{.min_format = 2}, 0, FAULT_NO_KEY, 0, false, FAULT_NO_KEY},
		{{.min_format = 2}, 0, 0, ERR_DAMAGED, false, ERR_DAMAGED},
		{{.min_format = 2}, 0, 0, 0, true, FAULT_UPSTREAM},
		{{.min_format = 2, .unknown = true}, 0, 0, 0, false, ERR_NOT_SUPPORTED},
		{{.min_format = 2, .is_archive = true}, 0, 0, 0, false, ERR_INVALID},
	};

	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		struct world *world = *state;

		try(world, &FAILURES[i]);
		world->manifest_code = ERR_NOT_FOUND;
		for (unsigned form = LOADER_V1; form <= LOADER_V2; form++) {
			world->config.load_form = (enum loader_form)form;
			assert_int_equal(get(world), ERR_NOT_FOUND);
		}
		/* One that is made after that, and would leave it alone, is too late. */
		try(world,
		    &(struct failure){.device_code = ERR_TPM_REQUIRED, .result = ERR_TPM_REQUIRED});
		assert_int_equal(world->small_asked, 0);
		/* The serial has not risen: nothing was had yet. */
		memset(world->scripts, 0, sizeof(world->scripts));
		try(world, &(struct failure){.wish = {.plain = V2_PLAIN}, .result = V2_PLAIN});
		end(state);
		begin(state);
	}
}

/* What is nobody's word, or no longer it, raises nothing. */
static void test_not_risen(void **state)
{
	static const struct failure FAILURES[] = {
		{{.min_format = 2, .is_stranger = true}, 0, 0, 0, false, FAULT_SIGNATURE},
		{{.min_format = 2, .name = "other"}, 0, 0, 0, false, FAULT_SIGNATURE},
		{{.min_format = 2, .expires = 1}, 0, 0, 0, false, FAULT_EXPIRED},
		{{.min_format = 2, .unknown = true, .is_stranger = true},
		 0,
		 0,
		 0,
		 false,
		 FAULT_SIGNATURE},
		{{.min_format = 2, .unknown = true, .expires = 1}, 0, 0, 0, false, FAULT_EXPIRED},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		try(world, &FAILURES[i]);
		assert_false(world_has(world, FLOOR));
	}
	publish(world, &(struct release_wish){.serial = 5, .plain = V2_PLAIN});
	assert_int_equal(get(world), V2_PLAIN);
	try(world,
	    &(struct failure){.wish = {.serial = 4, .min_format = 2}, .result = FAULT_ROLLED_BACK});
	try(world, &(struct failure){.wish = {.serial = 4, .min_format = 2, .unknown = true},
				     .result = FAULT_ROLLED_BACK});
	world->manifest_code = ERR_NOT_FOUND;
	assert_int_equal(get(world), PLAIN);
}

static void test_damaged_floor(void **state)
{
	static const enum loader_form forms[] = {LOADER_V1, LOADER_NEWEST, LOADER_V2};
	struct world *world = *state;

	take(world, 2);
	world_write(world, FLOOR, slice_str("x"));
	world->manifest_code = ERR_NOT_FOUND;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		world->config.load_form = forms[i];
		assert_int_equal(get(world), ERR_UNREADABLE);
	}
	assert_int_equal(world->small_asked, 0);
}

static void rise(struct world *world)
{
	world->on_piece = NULL;
	assert_int_equal(renameat(world->dir, "models/kept", world->dir, FLOOR), 0);
}

/* A load that began as version 1 does not end so when the name has risen while it went on. */
static void test_risen_meanwhile(void **state)
{
	struct world *world = *state;

	take(world, 2);
	assert_int_equal(renameat(world->dir, FLOOR, world->dir, "models/kept"), 0);
	world->on_piece = rise;
	assert_int_equal(get(world), FAULT_ROLLED_BACK);
	assert_null(world->on_piece);
	assert_int_equal(world->small_asked, 1);
	assert_int_equal(get(world), V2_PLAIN);
}

/* An archive of images goes to the engine, and to nobody else: nothing is fetched for it. */
static void test_archive(void **state)
{
	struct world *world = *state;

	world->config.load_form = LOADER_V2;
	publish(world, &(struct release_wish){.plain = V2_PLAIN, .is_archive = true});
	assert_int_equal(get(world), ERR_INVALID);
	world->left++;
	assert_int_equal(
		loader_artifact(&world->loader, &OF_WORLD, world_done, world, &load, &world->err),
		0);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(loader_load_manifest(load)->type, MANIFEST_IMAGES_ARCHIVE);
	loader_load_leave(TAKE(load));
	assert_int_equal(world->request_count, 0);
	assert_int_equal(world->key_asked, 0);
	assert_int_equal(device.unwrapped, 0);
}

/* Names of version 1 that no artifact can have go on, but where version 2 alone is taken. */
static void test_names(void **state)
{
	const struct resource a = {slice_str("models"), slice_str("net.manifest")};
	struct world *world = *state;
	struct err err = {0};

	for (unsigned form = LOADER_V1; form <= LOADER_NEWEST; form++) {
		world->config.load_form = (enum loader_form)form;
		world->left++;
		assert_int_equal(loader_load(&world->loader, &a, world_done, world, &load, &err),
				 0);
		assert_int_equal(world_run(world), 0);
		assert_int_equal(loader_load_size(load), PLAIN);
		loader_load_leave(TAKE(load));
	}
	world->config.load_form = LOADER_V2;
	assert_int_equal(loader_load(&world->loader, &a, world_done, world, &load, &err),
			 ERR_INVALID);
	assert_int_equal(world->manifest_asked, 0);
}

/* Version 1 is read from its first byte. */
static void test_seek(void **state)
{
	struct world *world = *state;
	struct err err = {0};

	world->left++;
	assert_int_equal(loader_load(&world->loader, &OF_WORLD, world_done, world, &load, &err), 0);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(loader_load_seek(load, 0, &err), 0);
	assert_int_equal(loader_load_seek(load, 1, &err), ERR_NOT_SUPPORTED);
	assert_int_equal(loader_load_seek(load, PLAIN + 1, &err), ERR_INVALID);
	loader_load_leave(TAKE(load));
}

/* Both forms of one name at once, for two who ask; cancelled by one wish. */
static void test_both(void **state)
{
	struct loader_load *other = NULL;
	struct world *world = *state;
	struct err err = {0};

	publish(world, &(struct release_wish){.plain = V2_PLAIN});
	world->left = 2;
	assert_int_equal(loader_load(&world->loader, &OF_WORLD, world_done, world, &load, &err), 0);
	assert_int_equal(
		loader_artifact(&world->loader, &OF_WORLD, world_done, world, &other, &err), 0);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(loader_load_size(load), PLAIN);
	assert_int_equal(loader_load_size(other), V2_PLAIN);
	assert_int_equal(world->big_count, 2);
	loader_load_leave(TAKE(load));
	loader_load_leave(other);
}

static int begin(void **state)
{
	int r = world_begin(state);

	release_begin(*state, &device);
	release = (struct release){0};
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
		IN_WORLD(test_forms),
		IN_WORLD(test_no_way_back),
		IN_WORLD(test_risen_meanwhile),
		IN_WORLD(test_damaged_floor),
		IN_WORLD(test_not_for_this_device),
		IN_WORLD(test_risen_unopened),
		IN_WORLD(test_not_risen),
		IN_WORLD(test_archive),
		IN_WORLD(test_names),
		IN_WORLD(test_seek),
		IN_WORLD(test_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
