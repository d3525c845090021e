/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/test_fake.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "artifact/v1.h"
#include "base/json.h"
#include "fetch/backoff.h"

#define GUARD_US (60u * 1000000u)

struct fake fake;

/* What --wrap calls. */
int __wrap_fetch_start(struct fetch *fetch, const struct fetch_request *request,
		       const struct fetch_ops *ops, void *arg, struct fetch_transfer **ret_transfer,
		       struct err *err);
int __wrap_fetch_whole(struct fetch *fetch, const struct fetch_request *request,
		       fetch_whole_fn done, void *arg, struct fetch_transfer **ret_transfer,
		       struct err *err);
void __wrap_fetch_cancel(struct fetch_transfer *transfer);
void __wrap_fetch_resume(struct fetch_transfer *transfer);
uint64_t __wrap_backoff_after(struct backoff *backoff, bool progress, uint32_t server_s,
			      uint32_t random);

/* --- fetch --- */

void fake_reset(void)
{
	for (size_t i = 0; i < fake.count; i++)
		buf_fini(&fake.requests[i].body);
	fake = (struct fake){0};
}

struct fake_request *fake_last(void)
{
	assert_true(fake.count > 0);
	return &fake.requests[fake.count - 1];
}

static void take_headers(struct fake_request *fake_request, const struct fetch_request *request)
{
	assert_true(request->header_count <= FAKE_HEADERS);
	for (size_t i = 0; i < request->header_count; i++) {
		(void)snprintf(fake_request->names[i], sizeof(fake_request->names[i]), "%s",
			       request->headers[i].name);
		(void)snprintf(fake_request->values[i], sizeof(fake_request->values[i]), "%s",
			       request->headers[i].value);
		fake_request->credentials[i] = request->headers[i].credential;
	}
	fake_request->header_count = request->header_count;
}

static int start(const struct fetch_request *request, struct fake_request **ret_request,
		 struct err *err)
{
	struct fake_request *now = &fake.requests[fake.count];
	struct slice bearer;

	if (fake.refuse > 0) {
		fake.refuse--;
		return err_set(err, ERR_INTERNAL, "refused by the test");
	}
	assert_true(fake.count < FAKE_MAX);
	fake.count++;
	now->open = true;
	now->hungry = true;
	now->method = request->method;
	now->max = request->max;
	now->redirects = request->redirects;
	now->body_length = request->body_length;
	(void)snprintf(now->url, sizeof(now->url), "%s", request->url);
	take_headers(now, request);
	if (request->bearer) {
		bearer = secret_slice(request->bearer);
		assert_true(bearer.len < sizeof(now->bearer));
		memcpy(now->bearer, bearer.data, bearer.len);
	}
	now->body = (struct buf)BUF_INIT(64u * 1024u * 1024u);
	buf_put(&now->body, request->body);
	*ret_request = now;
	return 0;
}

int __wrap_fetch_start(struct fetch *fetch, const struct fetch_request *request,
		       const struct fetch_ops *ops, void *arg, struct fetch_transfer **ret_transfer,
		       struct err *err)
{
	struct fake_request *now;
	int r = start(request, &now, err);

	(void)fetch;
	if (r < 0)
		return r;
	now->ops = *ops;
	now->arg = arg;
	*ret_transfer = (struct fetch_transfer *)now;
	return 0;
}

int __wrap_fetch_whole(struct fetch *fetch, const struct fetch_request *request,
		       fetch_whole_fn done, void *arg, struct fetch_transfer **ret_transfer,
		       struct err *err)
{
	struct fake_request *now;
	int r = start(request, &now, err);

	(void)fetch;
	if (r < 0)
		return r;
	now->whole = done;
	now->arg = arg;
	*ret_transfer = (struct fetch_transfer *)now;
	return 0;
}

void __wrap_fetch_cancel(struct fetch_transfer *transfer)
{
	struct fake_request *request = (struct fake_request *)transfer;

	if (!request)
		return;
	assert_true(request->open);
	request->open = false;
	request->cancelled = true;
}

void __wrap_fetch_resume(struct fetch_transfer *transfer)
{
	struct fake_request *request = (struct fake_request *)transfer;

	assert_true(request->open);
	request->hungry = true;
}

uint64_t __wrap_backoff_after(struct backoff *backoff, bool progress, uint32_t server_s,
			      uint32_t random)
{
	(void)server_s;
	(void)random;
	assert_false(progress);
	backoff->failures++;
	fake.pauses++;
	return 1;
}

const char *fake_header(const struct fake_request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strcmp(request->names[i], name) == 0)
			return request->values[i];
	return NULL;
}

size_t fake_count(const char *tail)
{
	size_t count = 0;

	for (size_t i = 0; i < fake.count; i++) {
		size_t len = strlen(fake.requests[i].url);

		if (len >= strlen(tail) &&
		    strcmp(fake.requests[i].url + len - strlen(tail), tail) == 0)
			count++;
	}
	return count;
}

static void finish(struct fake_request *request, const struct fetch_result *result,
		   struct slice body)
{
	assert_true(request->open);
	request->open = false;
	if (request->whole)
		request->whole(request->arg, result, body);
	else
		request->ops.done(request->arg, result);
}

void fake_answer_bytes(struct fake_request *request, unsigned status, struct slice body)
{
	const struct fetch_result result = {.end = FETCH_DONE, .status = status};

	finish(request, &result, body);
}

void fake_answer(struct fake_request *request, unsigned status, const char *body)
{
	fake_answer_bytes(request, status, slice_str(body));
}

void fake_end(struct fake_request *request, enum fetch_end end)
{
	struct err err;
	struct fetch_result result = {.end = end, .err = &err};

	(void)err_set(&err, ERR_INTERNAL, "api.example: the line is cut");
	finish(request, &result, slice_of(NULL, 0));
}

bool fake_pull(struct fake_request *request)
{
	uint8_t piece[50000]; /* no divisor of anything */
	struct err err = {0};
	size_t len;

	while (request->hungry && request->body.len < request->body_length) {
		if (request->ops.more(request->arg, piece, sizeof(piece), &len, &err) < 0) {
			const struct fetch_result result = {.end = FETCH_STOPPED, .err = &err};

			finish(request, &result, slice_of(NULL, 0));
			return false;
		}
		request->hungry = len > 0;
		buf_put(&request->body, slice_of(piece, len));
	}
	assert_true(request->body.len <= request->body_length);
	return request->body.len == request->body_length;
}

/* --- the world --- */

static void look(void *arg)
{
	struct world *world = arg;

	if (world->so && world->so(world))
		loop_stop(world->loop);
}

static void too_long(void *arg)
{
	(void)arg;
	fail_msg("what was waited for did not happen");
}

void world_until(struct world *world, bool (*so)(struct world *world))
{
	assert_int_equal(loop_timer_set(&world->guard, GUARD_US, &world->err), 0);
	world->so = so;
	assert_int_equal(loop_run(world->loop, &world->err), 0);
	world->so = NULL;
	loop_timer_clear(&world->guard);
}

static bool is_done(struct world *world)
{
	return world->done > 0;
}

void world_until_done(struct world *world)
{
	world_until(world, is_done);
}

static size_t had;

static bool has_more(struct world *world)
{
	(void)world;
	return fake.count > had;
}

void world_until_requests(struct world *world)
{
	had = fake.count;
	world_until(world, has_more);
}

static bool is_settled(struct world *world)
{
	return jobs_count(world->jobs) == 0;
}

void world_settle(struct world *world)
{
	world_until(world, is_settled);
}

static void note(void *arg, enum loader_note level, const char *text)
{
	struct world *world = arg;

	(void)level;
	world->notes++;
	(void)snprintf(world->note, sizeof(world->note), "%s", text);
}

static int machine(void *arg, struct buf *ret_text, struct err *err)
{
	struct world *world = arg;

	world->machines++;
	if (world->machine_code < 0)
		return err_set(err, world->machine_code, "no disk has a serial number");
	buf_put_str(ret_text, FINGERPRINT);
	return 0;
}

int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	json_setup();
	fake_reset();
	assert_int_equal(loop_new(&world->loop, &world->err), 0);
	loop_timer_init(&world->guard, world->loop, too_long, world);
	loop_before_sleep(world->loop, look, world);
	assert_int_equal(jobs_new(world->loop, &world->jobs, &world->err), 0);
	(void)snprintf(world->path, sizeof(world->path), "/tmp/holdfast-loader-XXXXXX");
	assert_non_null(mkdtemp(world->path));
	world->bytes = (struct buf)BUF_INIT(2u * 1024u * 1024u);
	world->config = (struct loader_config){
		.api_url = "https://api.example/",
		.cdn_url = "https://cdn.example/files/",
		.cache_dir = open(world->path, O_DIRECTORY | O_CLOEXEC),
		.formula = V1_HW,
		.salts = {slice_str("PFX"), slice_str("HW"), slice_str("API"), slice_str("RES")},
		.fingerprint = slice_str(FINGERPRINT),
		.machine = machine,
		.machine_arg = world,
		.resource_max = 4u * 1024u * 1024u,
		.note = note,
		.note_arg = world,
	};
	assert_true(world->config.cache_dir >= 0);
	*state = world;
	return 0;
}

/* A folder of the cache. */
static void remove_under(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		(void)unlinkat(fd, entry->d_name, 0);
	(void)closedir(dir);
	assert_int_equal(unlinkat(at, name, AT_REMOVEDIR), 0);
}

static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && entry->d_name[0] != '.')
			remove_under(dirfd(dir), entry->d_name);
	(void)closedir(dir);
	assert_int_equal(rmdir(path), 0);
}

int world_teardown(void **state)
{
	struct world *world = *state;

	session_free(world->session);
	secret_free(world->loader.key);
	assert_true(jobs_free(world->jobs, GUARD_US));
	cache_free(world->cache);
	for (size_t i = 0; i < fake.count; i++)
		assert_false(fake.requests[i].open);
	fake_reset();
	loop_free(world->loop);
	buf_fini(&world->bytes);
	(void)close(world->config.cache_dir);
	remove_folder(world->path);
	free(world);
	return 0;
}

void world_session(struct world *world)
{
	/* Nothing looks into it: all that takes one is wrapped. */
	struct fetch *fetch = (struct fetch *)&fake;

	if (!world->cache)
		assert_int_equal(cache_open(world->config.cache_dir, &world->cache, &world->err),
				 0);
	assert_int_equal(
		session_new(world->jobs, fetch, &world->config, &world->session, &world->err), 0);
	world->loader = (struct loader){
		.jobs = world->jobs,
		.fetch = fetch,
		.config = &world->config,
		.cache = world->cache,
		.session = world->session,
	};
	assert_int_equal(v1_key_resource(&world->config.salts, &world->loader.key, &world->err), 0);
}

void world_done(void *arg, const struct err *err)
{
	struct world *world = arg;

	world->done++;
	world->code = err ? err->code : 0;
	if (err)
		world->told = *err;
}

void world_bytes(void *arg, struct slice bytes, const struct err *err)
{
	struct world *world = arg;

	world_done(world, err);
	buf_reset(&world->bytes);
	buf_put(&world->bytes, bytes);
}

void world_login(struct world *world)
{
	struct session_call *call;

	world_session(world);
	assert_int_equal(session_login(world->session, slice_str("a@b.c"), slice_str("pw"),
				       world_done, world, &call, &world->err),
			 0);
	fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, 0);
	world->done = 0;
}

void world_seal(struct world *world, struct slice plain, struct buf *ret_blob)
{
	const struct v1_user user = {
		.email = slice_str("a@b.c"),
		.password = slice_str("pw"),
		.fingerprint = slice_str(FINGERPRINT),
	};
	struct secret *key;

	assert_int_equal(
		v1_key_user(world->config.formula, &world->config.salts, &user, &key, &world->err),
		0);
	assert_int_equal(v1_seal_bytes(key, plain, ret_blob, &world->err), 0);
	secret_free(key);
}

void world_check_opens(struct world *world, struct slice small, struct slice big,
		       struct slice plain)
{
	CLEANUP(v1_check_cleanup) struct v1_check *check = NULL;
	CLEANUP(v1_open_cleanup) struct v1_open *open = NULL;
	CLEANUP(buf_fini) struct buf opened = BUF_INIT(UINT64_C(8) << 20);
	struct err *err = &world->err;
	struct v1_facts facts;
	struct v1_seen seen;

	assert_int_equal(small.len, v1_cut(v1_blob_size(plain.len)));
	assert_int_equal(small.len + big.len, v1_blob_size(plain.len));
	assert_int_equal(v1_check_new(&check, err), 0);
	assert_int_equal(v1_check_add(check, small, err), 0);
	assert_int_equal(v1_check_add(check, big, err), 0);
	assert_int_equal(v1_check_end(check, &seen, err), 0);
	assert_int_equal(v1_check_verdict(check, world->loader.key, NULL, &facts, err), 0);
	assert_int_equal(v1_open_new(world->loader.key, &facts, 0, &open, err), 0);
	assert_int_equal(v1_open_add(open, small, &opened, err), 0);
	assert_int_equal(v1_open_add(open, big, &opened, err), 0);
	assert_int_equal(v1_open_end(open, &opened, err), 0);
	assert_true(slice_equal(buf_slice(&opened), plain));
}
