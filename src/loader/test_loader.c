/* SPDX-License-Identifier: Apache-2.0 */
/* Loader: its parts together, from its making to its end at whatever time. */
#include "loader/test_fake.h"

#include "loader/fault.h"

static struct loader *make(struct world *world)
{
	struct loader *loader = NULL;

	world->config.downloads = 1;
	assert_int_equal(loader_new(world->jobs, (struct fetch *)&fake, &world->config, &loader,
				    &world->err),
			 0);
	return loader;
}

static void never(void *arg, const struct download_progress *progress)
{
	(void)arg;
	(void)progress;
	fail_msg("there is no download");
}

static void a_new_one_has_nothing_to_tell(void **state)
{
	const struct resource resource = {slice_str("models"), slice_str("net.bin")};
	struct world *world = *state;
	struct loader *loader = make(world);
	struct unlock_status status;

	assert_false(loader_logged_in(loader));
	loader_progress(loader, never, NULL);
	assert_int_equal(loader_cancel(loader, &resource, &world->err), ERR_NOT_FOUND);
	loader_unlock_status(loader, &status);
	assert_int_equal(status.state, UNLOCK_IDLE);
	loader_login_leave(NULL);
	loader_upload_leave(NULL);
	loader_load_leave(NULL);
	loader_unlock_leave(NULL);
	loader_free(loader);
	loader_free(NULL);
}

static void what_cannot_work_is_told_at_once(void **state)
{
	struct world *world = *state;
	struct loader_config bad[3];
	struct loader *loader = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = world->config;
	bad[0].salts.resource = slice_of(NULL, 0);
	bad[1].salts.api = slice_of(NULL, 0);
	bad[2].api_url = "gopher://api.example";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(loader_new(world->jobs, (struct fetch *)&fake, &bad[i], &loader,
					    &world->err),
				 ERR_INVALID);
		assert_null(loader);
	}
}

static void a_folder_has_one_loader(void **state)
{
	struct world *world = *state;
	struct loader *first = make(world), *second = NULL;

	assert_int_equal(loader_new(world->jobs, (struct fetch *)&fake, &world->config, &second,
				    &world->err),
			 ERR_CONFLICT);
	assert_null(second);
	loader_free(first);
	loader_free(make(world));
}

/* A login, and an upload of which a piece is being sealed, end with it and call nobody. */
static void all_ends_with_it(void **state)
{
	struct world *world = *state;
	struct loader *loader = make(world);
	struct loader_upload *upload;
	struct loader_login *login;

	assert_int_equal(loader_login(loader, slice_str("a@b.c"), slice_str("pw"), world_done,
				      world, &login, &world->err),
			 0);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	assert_int_equal(world->code, 0);
	assert_true(loader_logged_in(loader));
	world->done = 0;
	assert_int_equal(loader_upload_new(loader, slice_str("net.bin"), &upload, &world->err), 0);
	loader_upload_add(upload, slice_str("model"), world_done, world);
	assert_int_equal(loader_login(loader, slice_str("x@b.c"), slice_str("pw"), world_done,
				      world, &login, &world->err),
			 0);
	loader_free(loader);
	world_settle(world);
	assert_int_equal(world->done, 0);
	assert_true(fake_last()->cancelled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_one_has_nothing_to_tell),
		TEST(what_cannot_work_is_told_at_once),
		TEST(a_folder_has_one_loader),
		TEST(all_ends_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
