/* SPDX-License-Identifier: Apache-2.0 */
/* Upload: names that devices take as version 2 alone. */
#include "loader/test_fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "loader/fault.h"

#define DIGEST "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define FLOOR(format)                                                                              \
	"{\"version\":1,\"min_format\":" format ",\"serial\":3,\"manifest\":\"" DIGEST "\"}"

static void put_floor(struct world *world, const char *text)
{
	int dir = world->config.cache_dir, fd;

	(void)mkdirat(dir, "models", 0700);
	fd = openat(dir, "models/net.bin.floor", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static void add(struct world *world, struct loader_upload *upload)
{
	world->done = 0;
	loader_upload_add(upload, slice_str("content"), world_done, world);
	world_until_done(world);
	assert_int_equal(world->code, 0);
	world->done = 0;
}

static struct loader_upload *begin(struct world *world, const char *folder)
{
	struct loader_upload *upload = NULL;

	assert_int_equal(
		loader_upload_new(&world->loader, slice_str("net.bin"), &upload, &world->err), 0);
	add(world, upload);
	loader_upload_end(upload, slice_str(folder), world_done, world);
	return upload;
}

static void what_is_version_2_alone_is_refused(void **state)
{
	static const struct {
		const char *floor;
		int code;
	} rows[] = {
		{FLOOR("2"), ERR_FORBIDDEN},
		/* What cannot be read may say so too. */
		{FLOOR("3"), ERR_UNREADABLE},
		{"", ERR_UNREADABLE},
	};
	struct world *world = *state;
	struct loader_upload *upload;

	world_login(world);
	fake_reset();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put_floor(world, rows[i].floor);
		upload = begin(world, "models");
		world_until_done(world);
		assert_int_equal(world->code, rows[i].code);
		assert_non_null(strstr(world->told.text, "net.bin"));
		loader_upload_leave(upload);
		world_settle(world);
	}
	/* Nothing has left this machine. */
	assert_int_equal(fake.count, 0);
}

static void others_are_taken(void **state)
{
	static const struct {
		const char *floor;
		const char *folder;
	} rows[] = {
		{FLOOR("1"), "models"},
		/* That of another folder. */
		{FLOOR("2"), "others"},
	};
	struct world *world = *state;
	struct loader_upload *upload;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put_floor(world, rows[i].floor);
		upload = begin(world, rows[i].folder);
		world_until_requests(world);
		assert_int_equal(fake_last()->method, FETCH_PUT);
		loader_upload_leave(upload);
		world_settle(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_version_2_alone_is_refused),
		TEST(others_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
