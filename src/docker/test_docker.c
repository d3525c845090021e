/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "docker/docker.h"
#include "docker/fake_fetch.h"

#define HEX16 "0123456789abcdef"
#define ID    "sha256:" HEX16 HEX16 HEX16 HEX16
#define TAR   "not much of an archive"

struct world {
	struct docker *docker;
	struct err err;
	unsigned told;
	int code; /* as the callback had it */
	char text[192];
	char id[DOCKER_ID_MAX];
	char ref[DOCKER_REF_MAX]; /* that was loaded */
	size_t given;		  /* of TAR */
	bool pause;
	bool source_fails;
	bool again; /* the callback asks for the next thing */
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	json_setup();
	fake_fetch = (struct fake_fetch){0};
	assert_non_null(world);
	assert_int_equal(docker_new(NULL, "/run/docker.sock", &world->docker, &world->err), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	docker_free(world->docker);
	free(world);
	return 0;
}

static void on_id(void *arg, const char *id, const struct err *err);

static void on_done(void *arg, const struct err *err)
{
	struct world *world = arg;

	world->told++;
	world->code = err ? err->code : 0;
	snprintf(world->text, sizeof(world->text), "%s", err ? err->text : "");
	if (world->again) {
		world->again = false;
		assert_int_equal(docker_image(world->docker, "b:2", on_id, world, &world->err), 0);
	}
}

static void on_id(void *arg, const char *id, const struct err *err)
{
	struct world *world = arg;

	assert_true((id == NULL) == (err != NULL));
	snprintf(world->id, sizeof(world->id), "%s", id ? id : "");
	on_done(arg, err);
}

static int source_more(void *arg, uint8_t *at, size_t size, size_t *ret_len, struct err *err)
{
	struct world *world = arg;
	size_t left = strlen(TAR) - world->given;
	size_t len = size < left ? size : left;

	if (world->source_fails)
		return err_set(err, ERR_DAMAGED, "the source's own");
	if (world->pause)
		len = 0;
	memcpy(at, &TAR[world->given], len);
	world->given += len;
	*ret_len = len;
	return 0;
}

static void on_loaded(void *arg, const char *ref)
{
	struct world *world = arg;

	assert_int_equal(world->told, 0);
	snprintf(world->ref, sizeof(world->ref), "%s", ref);
}

static const struct docker_source SOURCE = {source_more, on_loaded, on_done};

static void begin_load(struct world *world)
{
	assert_int_equal(docker_load(world->docker, strlen(TAR), &SOURCE, world, &world->err), 0);
}

/* What libcurl would do: asks until nothing is left, with so much room. */
static void pull(size_t room)
{
	uint8_t bytes[64];
	uint64_t sent = 0;

	while (sent < fake_fetch.length) {
		struct err err = {0};
		size_t len = 0;

		assert_int_equal(fake_fetch.ops.more(fake_fetch.arg, bytes, room, &len, &err), 0);
		assert_true(len > 0 && len <= room);
		assert_memory_equal(bytes, &TAR[sent], len);
		sent += len;
	}
}

static void head(unsigned status)
{
	const struct fetch_head said = {.status = status, .type = "application/json"};
	struct err err = {0};

	assert_int_equal(fake_fetch.ops.head(fake_fetch.arg, &said, &err), 0);
}

static int data(const char *text, struct err *err)
{
	return fake_fetch.ops.data(fake_fetch.arg, slice_str(text), err);
}

/* --- requests --- */

static void test_requests(void **state)
{
	struct world *world = *state;
	struct err *err = &world->err;

	assert_int_equal(docker_image(world->docker, "r.test/a:1", on_id, world, err), 0);
	assert_int_equal(fake_fetch.method, FETCH_GET);
	assert_string_equal(fake_fetch.url, "http://docker/v1.40/images/r.test%2Fa%3A1/json");
	assert_string_equal(fake_fetch.socket, "/run/docker.sock");
	assert_true(fake_fetch.max > 0 && fake_fetch.max <= 1024 * 1024);
	fake_end(FETCH_DONE, 200, "{\"Id\":\"" ID "\"}", NULL);
	assert_int_equal(world->told, 1);
	assert_int_equal(world->code, 0);
	assert_string_equal(world->id, ID);

	assert_int_equal(docker_tag(world->docker, ID, "r.test/a:1", on_done, world, err), 0);
	assert_int_equal(fake_fetch.method, FETCH_POST);
	assert_string_equal(fake_fetch.url,
			    "http://docker/v1.40/images/sha256%3A" HEX16 HEX16 HEX16 HEX16
			    "/tag?repo=r.test%2Fa&tag=1");
	fake_end(FETCH_DONE, 201, "", NULL);
	assert_int_equal(world->told, 2);
	assert_int_equal(world->code, 0);

	assert_int_equal(docker_untag(world->docker, "r.test/a:1", on_done, world, err), 0);
	assert_int_equal(fake_fetch.method, FETCH_DELETE);
	assert_string_equal(fake_fetch.url,
			    "http://docker/v1.40/images/r.test%2Fa%3A1?noprune=true");
	fake_end(FETCH_DONE, 200, "[{\"Untagged\":\"r.test/a:1\"}]", NULL);
	assert_int_equal(world->told, 3);
	assert_int_equal(world->code, 0);
}

/* What is no name of an image is asked of nobody. */
static void test_bad_names(void **state)
{
	struct world *world = *state;
	struct err *err = &world->err;

	assert_int_equal(docker_image(world->docker, "a", on_id, world, err), ERR_INVALID);
	assert_int_equal(docker_untag(world->docker, "a:1?x", on_done, world, err), ERR_INVALID);
	assert_int_equal(docker_tag(world->docker, "x", "a:1", on_done, world, err), ERR_INVALID);
	assert_int_equal(docker_load(world->docker, 0, &SOURCE, world, err), ERR_INVALID);
	assert_int_equal(fake_fetch.started, 0);
}

static void test_ends(void **state)
{
	const struct err low = {.code = ERR_TIMEOUT, .text = "nobody there"};
	const struct {
		enum fetch_end end;
		unsigned status;
		const char *body;
		int code;
		const char *text;
	} rows[] = {
		{FETCH_UNREACHABLE, 0, "", ERR_TIMEOUT, "Docker does not answer: nobody there"},
		{FETCH_BROKEN, 0, "", ERR_TIMEOUT, "Docker has ended the connection: nobody there"},
		{FETCH_BROKEN, 200, "", ERR_TIMEOUT,
		 "Docker has ended the connection: nobody there"},
		{FETCH_REFUSED, 200, "", ERR_INTERNAL, "Docker's answer is none: nobody there"},
		{FETCH_DONE, 404, "{\"message\":\"no\"}", ERR_NOT_FOUND, "Docker answers 404: no"},
		{FETCH_DONE, 500, "", ERR_INTERNAL, "Docker answers 500"},
		{FETCH_DONE, 204, "", ERR_INTERNAL, NULL},
		{FETCH_DONE, 200, "{\"Id\":{}}", ERR_INTERNAL, NULL},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world->told = 0;
		assert_int_equal(docker_image(world->docker, "a:1", on_id, world, &world->err), 0);
		fake_end(rows[i].end, rows[i].status, rows[i].body,
			 rows[i].end == FETCH_DONE ? NULL : &low);
		assert_int_equal(world->told, 1);
		assert_int_equal(world->code, rows[i].code);
		if (rows[i].text)
			assert_string_equal(world->text, rows[i].text);
	}
}

static void test_one_at_a_time(void **state)
{
	struct world *world = *state;
	struct err *err = &world->err;

	assert_int_equal(docker_image(world->docker, "a:1", on_id, world, err), 0);
	assert_int_equal(docker_image(world->docker, "a:1", on_id, world, err), ERR_CONFLICT);
	assert_int_equal(docker_tag(world->docker, ID, "a:1", on_done, world, err), ERR_CONFLICT);
	assert_int_equal(docker_untag(world->docker, "a:1", on_done, world, err), ERR_CONFLICT);
	assert_int_equal(docker_load(world->docker, 1, &SOURCE, world, err), ERR_CONFLICT);
	fake_end(FETCH_DONE, 404, "", NULL);
	assert_int_equal(docker_image(world->docker, "a:1", on_id, world, err), 0);
}

static void test_next_from_callback(void **state)
{
	struct world *world = *state;

	world->again = true;
	assert_int_equal(docker_image(world->docker, "a:1", on_id, world, &world->err), 0);
	fake_end(FETCH_DONE, 404, "", NULL);
	assert_true(fake_fetch.running);
	assert_string_equal(fake_fetch.url, "http://docker/v1.40/images/b%3A2/json");
	fake_end(FETCH_DONE, 200, "{\"Id\":\"" ID "\"}", NULL);
	assert_int_equal(world->told, 2);
	assert_string_equal(world->id, ID);
}

static void test_start_fails(void **state)
{
	struct world *world = *state;

	fake_fetch.refuse = true;
	assert_int_equal(docker_image(world->docker, "a:1", on_id, world, &world->err),
			 ERR_INTERNAL);
	assert_int_equal(docker_load(world->docker, 1, &SOURCE, world, &world->err), ERR_INTERNAL);
	fake_fetch.refuse = false;
	assert_int_equal(docker_image(world->docker, "a:1", on_id, world, &world->err), 0);
	assert_int_equal(world->told, 0);
}

static void test_free_in_the_middle(void **state)
{
	struct world *world = *state;

	begin_load(world);
	pull(5);
	docker_free(TAKE(world->docker));
	assert_int_equal(fake_fetch.cancelled, 1);
	assert_int_equal(world->told, 0);
}

/* --- loads --- */

static void test_load(void **state)
{
	struct world *world = *state;

	begin_load(world);
	assert_int_equal(fake_fetch.method, FETCH_POST);
	assert_string_equal(fake_fetch.url, "http://docker/v1.40/images/load?quiet=false");
	assert_string_equal(fake_fetch.type, "application/x-tar");
	assert_int_equal(fake_fetch.length, strlen(TAR));
	pull(5);
	head(200);
	assert_int_equal(data("{\"stream\":\"Loa", &world->err), 0);
	assert_int_equal(data("ded image: a:1\"}\r\n", &world->err), 0);
	assert_string_equal(world->ref, "a:1");
	fake_end(FETCH_DONE, 200, "", NULL);
	assert_int_equal(world->told, 1);
	assert_int_equal(world->code, 0);
}

static void test_load_rests(void **state)
{
	struct world *world = *state;
	uint8_t room[8];
	size_t len = 9;

	docker_load_resume(world->docker);
	assert_int_equal(fake_fetch.resumed, 0);
	begin_load(world);
	world->pause = true;
	assert_int_equal(fake_fetch.ops.more(fake_fetch.arg, room, sizeof(room), &len, &world->err),
			 0);
	assert_int_equal(len, 0);
	world->pause = false;
	docker_load_resume(world->docker);
	assert_int_equal(fake_fetch.resumed, 1);
	pull(sizeof(room));
	head(200);
	fake_end(FETCH_DONE, 200, "", NULL);
	assert_int_equal(world->code, 0);
	/* And the next one begins anew. */
	world->given = 0;
	begin_load(world);
	pull(64);
	head(200);
	fake_end(FETCH_DONE, 200, "", NULL);
	assert_int_equal(world->told, 2);
	assert_int_equal(world->code, 0);
}

static void test_load_error_in_success(void **state)
{
	struct world *world = *state;

	begin_load(world);
	pull(64);
	head(200);
	assert_int_equal(data("{\"stream\":\"a\"}", &world->err), 0);
	assert_int_equal(data("{\"error\":\"no space\"}", &world->err), ERR_INTERNAL);
	fake_end(FETCH_STOPPED, 200, "", &world->err);
	assert_int_equal(world->code, ERR_INTERNAL);
	assert_string_equal(world->text, "Docker could not load the archive: no space");
}

static void test_load_ends(void **state)
{
	const struct err low = {.code = ERR_TIMEOUT, .text = "docker:80: gone"};
	const struct {
		bool whole;
		unsigned status;
		const char *body;
		enum fetch_end end;
		int code;
		const char *text;
	} rows[] = {
		{true, 200, "{", FETCH_DONE, ERR_INTERNAL, "Docker's answer is not whole"},
		{true, 200, "{}", FETCH_BROKEN, ERR_TIMEOUT,
		 "Docker has ended the connection: gone"},
		{true, 200, "{}", FETCH_REFUSED, ERR_INTERNAL, "Docker's answer is none: gone"},
		{true, 0, "", FETCH_UNREACHABLE, ERR_TIMEOUT, "Docker does not answer: gone"},
		{true, 500, "{\"message\":\"bad tar\"}", FETCH_DONE, ERR_INTERNAL,
		 "Docker answers 500: bad tar"},
		{true, 404, "", FETCH_DONE, ERR_NOT_FOUND, "Docker answers 404"},
		{true, 302, "", FETCH_DONE, ERR_INTERNAL, "Docker answers 302"},
		/* It says no before it has all, and hangs up. */
		{false, 500, "{\"message\":\"full\"}", FETCH_BROKEN, ERR_INTERNAL,
		 "Docker answers 500: full"},
		/* It says yes before it has all. */
		{false, 200, "{\"stream\":\"Loaded\"}", FETCH_DONE, ERR_INTERNAL,
		 "Docker has not taken all of the archive"},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world->given = world->told = 0;
		begin_load(world);
		if (rows[i].whole)
			pull(64);
		if (rows[i].status != 0)
			head(rows[i].status);
		assert_int_equal(data(rows[i].body, &world->err), 0);
		fake_end(rows[i].end, rows[i].status, "", rows[i].end == FETCH_DONE ? NULL : &low);
		assert_int_equal(world->told, 1);
		assert_int_equal(world->code, rows[i].code);
		assert_string_equal(world->text, rows[i].text);
	}
}

/* Of a refusal as long as it likes, only the beginning is kept. */
static void test_load_long_refusal(void **state)
{
	struct world *world = *state;

	begin_load(world);
	head(500);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(data("{\"message\":\"again and again\"}", &world->err), 0);
	fake_end(FETCH_DONE, 500, "", NULL);
	assert_int_equal(world->code, ERR_INTERNAL);
	assert_string_equal(world->text, "Docker answers 500");
}

static void test_load_source_fails(void **state)
{
	struct world *world = *state;
	uint8_t room[8];
	size_t len = 9;

	begin_load(world);
	world->source_fails = true;
	assert_int_equal(fake_fetch.ops.more(fake_fetch.arg, room, sizeof(room), &len, &world->err),
			 ERR_DAMAGED);
	assert_int_equal(len, 9);
	fake_end(FETCH_STOPPED, 0, "", &world->err);
	assert_int_equal(world->told, 1);
	assert_int_equal(world->code, ERR_DAMAGED);
	assert_string_equal(world->text, "the source's own");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests),
		TEST(test_bad_names),
		TEST(test_ends),
		TEST(test_one_at_a_time),
		TEST(test_next_from_callback),
		TEST(test_start_fails),
		TEST(test_free_in_the_middle),
		TEST(test_load),
		TEST(test_load_rests),
		TEST(test_load_error_in_success),
		TEST(test_load_ends),
		TEST(test_load_long_refusal),
		TEST(test_load_source_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
