/* SPDX-License-Identifier: Apache-2.0 */
/* Upstream: the calls of version 2, and what becomes of whatever an API may answer. */
#include "loader/test_fake.h"

#include <stdio.h>

#include "artifact/device_key.h"
#include "crypto/cms.h"
#include "loader/fault.h"

#define HEX    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define DEVICE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

struct api {
	struct upstream *upstream;
	struct upstream_call *call;
	struct secret *token, *device;
};

static void api_init(struct api *api, struct world *world)
{
	struct fetch *fetch = (struct fetch *)&fake;
	struct err *err = &world->err;

	assert_int_equal(
		upstream_new(world->loop, fetch, "https://api.example/v/", &api->upstream, err), 0);
	assert_int_equal(secret_copy(slice_str("TOKEN"), &api->token, err), 0);
	assert_int_equal(secret_copy(slice_str(DEVICE), &api->device, err), 0);
}

static void api_fini(struct api *api)
{
	upstream_free(api->upstream);
	secret_free(api->token);
	secret_free(api->device);
}

static struct resource net_bin(void)
{
	return (struct resource){slice_str("models"), slice_str("net.bin")};
}

static int ask_manifest(struct world *world, struct api *api)
{
	const struct resource resource = net_bin();

	return upstream_manifest(api->upstream, api->token, &resource, world_bytes, world,
				 &api->call, &world->err);
}

static int ask_device(struct world *world, struct api *api)
{
	return upstream_device(api->upstream, api->token, slice_str("{\"ek\":null}"), world_bytes,
			       world, &api->call, &world->err);
}

static int ask_key(struct world *world, struct api *api)
{
	const struct upstream_key_wish wish = {
		.token = api->token,
		.device = api->device,
		.resource = net_bin(),
		.manifest = HEX,
	};

	return upstream_key(api->upstream, &wish, world_bytes, world, &api->call, &world->err);
}

enum { MANIFEST, DEVICE_SESSION, KEY, ASKS };
static const struct {
	int (*ask)(struct world *world, struct api *api);
	enum fetch_method method;
	const char *url;
	const char *body;
	uint64_t max;
} kinds[ASKS] = {
	{ask_manifest, FETCH_GET, "https://api.example/v/v2/artifacts/models/net.bin/manifest", "",
	 CMS_WHOLE_MAX},
	{ask_device, FETCH_POST, "https://api.example/v/v2/devices/session", "{\"ek\":null}",
	 65536},
	{ask_key, FETCH_GET, "https://api.example/v/v2/artifacts/models/net.bin/key?manifest=" HEX,
	 "", 65536},
};

static void each_is_asked_for_as_it_is_written(void **state)
{
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < ASKS; i++) {
		const struct fake_request *request;

		assert_int_equal(kinds[i].ask(world, &api), 0);
		request = fake_last();
		assert_int_equal(request->method, kinds[i].method);
		assert_string_equal(request->url, kinds[i].url);
		assert_string_equal(request->bearer, "TOKEN");
		assert_int_equal(request->redirects, 0);
		assert_int_equal(request->max, kinds[i].max);
		assert_true(slice_equal(buf_slice(&request->body), slice_str(kinds[i].body)));
		assert_int_equal(request->header_count, i == MANIFEST ? 0 : 1);
		fake_answer(fake_last(), 200, "something");
		assert_int_equal(world->code, 0);
		assert_true(slice_equal(buf_slice(&world->bytes), slice_str("something")));
	}
	assert_string_equal(fake_header(&fake.requests[DEVICE_SESSION], "Content-Type"),
			    "application/json");
	/* What proves the device goes to no other host. */
	assert_string_equal(fake_header(&fake.requests[KEY], "Holdfast-Device"), DEVICE);
	assert_true(fake.requests[KEY].credentials[0]);
	api_fini(&api);
}

static void each_status_has_its_code(void **state)
{
	static const struct {
		unsigned status;
		const char *body;
		int codes[ASKS];
	} rows[] = {
		{401, "", {FAULT_NOT_LOGGED_IN, FAULT_NOT_LOGGED_IN, FAULT_NOT_LOGGED_IN}},
		{403, "{}", {FAULT_NOT_LOGGED_IN, ERR_FORBIDDEN, FAULT_NOT_LOGGED_IN}},
		{404, "", {ERR_NOT_FOUND, FAULT_UPSTREAM, FAULT_NO_KEY}},
		{409,
		 "{\"ErrorCode\":30}",
		 {FAULT_CREDENTIALS, FAULT_CREDENTIALS, FAULT_CREDENTIALS}},
		{409, "", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{428, "", {FAULT_UPSTREAM, FAULT_UPSTREAM, UPSTREAM_NO_DEVICE}},
		{302, "x", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{500, "x", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{200, "", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
	};
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t kind = 0; kind < ASKS; kind++) {
			world->done = 0;
			assert_int_equal(kinds[kind].ask(world, &api), 0);
			fake_answer(fake_last(), rows[i].status, rows[i].body);
			assert_int_equal(world->done, 1);
			assert_int_equal(world->code, rows[i].codes[kind]);
			assert_int_equal(world->bytes.len, 0);
		}
	api_fini(&api);
}

/* The API's code is told in our words, what else it says is not. */
static void a_device_hears_why_it_is_refused(void **state)
{
	static const struct {
		const char *body;
		const char *text;
	} rows[] = {
		{"{\"code\":\"device_unknown\",\"detail\":\"EVIL\"}", "know this device"},
		{"{\"code\":\"ek_untrusted\",\"detail\":\"EVIL\"}", "the maker"},
		{"{\"code\":\"storage_key_unfit\",\"detail\":\"EVIL\"}", "not fit"},
		{"{\"code\":\"EVIL\"}", "does not take this device"},
		{"{\"code\":17,\"EVIL\":1}", "does not take this device"},
		{"EVIL", "does not take this device"},
		{"", "does not take this device"},
	};
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(ask_device(world, &api), 0);
		fake_answer(fake_last(), 403, rows[i].body);
		assert_int_equal(world->code, ERR_FORBIDDEN);
		assert_non_null(strstr(world->told.text, rows[i].text));
		assert_null(strstr(world->told.text, "EVIL"));
		assert_non_null(strstr(err_remedy(&world->told), "artifact enrol"));
	}
	api_fini(&api);
}

/* It becomes a line of a file. */
static void a_key_is_one_line(void **state)
{
	char longest[DEVICE_KEY_LINE_MAX + 2] = {0};
	const struct {
		const char *body;
		const char *line; /* NULL: it is none */
	} rows[] = {
		{"{}", "{}"},
		{"{}\n", "{}"},
		{"{}\n\n", NULL},
		{"{\n}", NULL},
		{"{}\r\n", NULL},
		{"\n", NULL},
		{"{\x01}", NULL},
		{"{\xc3\xa4}", NULL},
		{"{\x7f}", NULL},
		{longest + 1, NULL},
		{longest + 2, longest + 2},
	};
	struct world *world = *state;
	struct api api;

	memset(longest, 'x', sizeof(longest) - 1);
	api_init(&api, world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *line = rows[i].line ? rows[i].line : "";

		assert_int_equal(ask_key(world, &api), 0);
		fake_answer(fake_last(), 200, rows[i].body);
		assert_int_equal(world->code, rows[i].line ? 0 : FAULT_UPSTREAM);
		assert_true(slice_equal(buf_slice(&world->bytes), slice_str(line)));
	}
	api_fini(&api);
}

static void what_did_not_connect_is_repeated(void **state)
{
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	assert_int_equal(ask_key(world, &api), 0);
	fake_end(fake_last(), FETCH_UNREACHABLE);
	world_until_requests(world);
	assert_string_equal(fake_header(fake_last(), "Holdfast-Device"), DEVICE);
	assert_string_equal(fake_last()->url, kinds[KEY].url);
	fake_answer(fake_last(), 200, "{}");
	assert_int_equal(world->code, 0);
	api_fini(&api);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	static char much[33 * 1024];
	struct world *world = *state;
	struct api api;

	memset(much, 'x', sizeof(much));
	api_init(&api, world);
	secret_free(api.device);
	assert_int_equal(secret_copy(slice_of(much, 64), &api.device, &world->err), 0);
	assert_int_equal(ask_key(world, &api), ERR_TOO_LARGE);
	assert_int_equal(upstream_device(api.upstream, api.token, slice_of(much, sizeof(much)),
					 world_bytes, world, &api.call, &world->err),
			 ERR_TOO_LARGE);
	assert_int_equal(fake.count, 0);
	assert_int_equal(world->done, 0);
	api_fini(&api);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_is_asked_for_as_it_is_written), TEST(each_status_has_its_code),
		TEST(a_device_hears_why_it_is_refused),	  TEST(a_key_is_one_line),
		TEST(what_did_not_connect_is_repeated),	  TEST(what_cannot_be_sent_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
