/* SPDX-License-Identifier: Apache-2.0 */
/* Upstream: what is asked, and what becomes of whatever an API may answer. */
#include "loader/test_fake.h"

#include <stdio.h>

#include "artifact/v1.h"
#include "loader/fault.h"

struct api {
	struct upstream *upstream;
	struct upstream_call *call;
	struct secret *email, *password, *token;
};

static void api_init(struct api *api, struct world *world)
{
	struct fetch *fetch = (struct fetch *)&fake;
	struct err *err = &world->err;

	assert_int_equal(
		upstream_new(world->loop, fetch, "https://api.example/v//", &api->upstream, err),
		0);
	assert_int_equal(secret_copy(slice_str("a\"@b.c"), &api->email, err), 0);
	assert_int_equal(secret_copy(slice_str("p\\w\xc3\xa4"), &api->password, err), 0);
	assert_int_equal(secret_copy(slice_str("TOKEN"), &api->token, err), 0);
}

static void api_fini(struct api *api)
{
	upstream_free(api->upstream);
	secret_free(api->email);
	secret_free(api->password);
	secret_free(api->token);
}

static int ask_login(struct world *world, struct api *api)
{
	return upstream_login(api->upstream, api->email, api->password, world_bytes, world,
			      &api->call, &world->err);
}

static int ask_get(struct world *world, struct api *api)
{
	const struct upstream_wish wish = {
		.token = api->token,
		.password = api->password,
		.hardware = slice_str("HASH"),
		.folder = slice_str("models"),
		.file = "net.bin.small",
	};

	return upstream_get(api->upstream, &wish, world_bytes, world, &api->call, &world->err);
}

static int ask_fragment(struct world *world, struct api *api)
{
	return upstream_fragment(api->upstream, api->token, world_bytes, world, &api->call,
				 &world->err);
}

static int ask_put(struct world *world, struct api *api)
{
	const struct upstream_gift gift = {
		.token = api->token,
		.folder = slice_str("models"),
		.file = "net.bin.small",
		.bytes = slice_str("SMALL"),
	};

	return upstream_put(api->upstream, &gift, world_bytes, world, &api->call, &world->err);
}

static int (*const asks[])(struct world *world, struct api *api) = {
	ask_login,
	ask_get,
	ask_fragment,
	ask_put,
};
enum { LOGIN, GET, FRAGMENT, PUT, ASKS };

static void check_body(const char *expected)
{
	struct slice body = buf_slice(&fake_last()->body);

	assert_int_equal(body.len, strlen(expected));
	assert_memory_equal(body.data, expected, body.len);
}

static void login_is_json(void **state)
{
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	assert_int_equal(ask_login(world, &api), 0);
	assert_int_equal(fake_last()->method, FETCH_POST);
	assert_string_equal(fake_last()->url, "https://api.example/v/login");
	assert_string_equal(fake_header(fake_last(), "Content-Type"), "application/json");
	assert_string_equal(fake_last()->bearer, "");
	assert_int_equal(fake_last()->redirects, 0);
	check_body("{\"email\":\"a\\\"@b.c\",\"password\":\"p\\\\w\xc3\xa4\"}");
	assert_int_equal(world->done, 0);
	fake_answer(fake_last(), 200, "{\"token\":\"abc.d-_~+/=\",\"more\":[1]}");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, 0);
	assert_memory_equal(world->bytes.data, "abc.d-_~+/=", world->bytes.len);
	assert_int_equal(world->bytes.len, 11);
	api_fini(&api);
}

static void a_resource_is_asked_for_with_password_and_hardware(void **state)
{
	struct world *world = *state;
	struct upstream_wish bare = {.folder = slice_str(""), .file = "cdn.yaml"};
	struct api api;

	api_init(&api, world);
	assert_int_equal(ask_get(world, &api), 0);
	assert_int_equal(fake_last()->method, FETCH_POST);
	assert_string_equal(fake_last()->url, "https://api.example/v/resources/get/models");
	assert_string_equal(fake_last()->bearer, "TOKEN");
	check_body("{\"password\":\"p\\\\w\xc3\xa4\",\"hardware\":\"HASH\","
		   "\"fileName\":\"net.bin.small\"}");
	fake_answer_bytes(fake_last(), 200, slice_of("\0\x01\xff", 3));
	assert_int_equal(world->code, 0);
	assert_int_equal(world->bytes.len, 3);
	assert_memory_equal(world->bytes.data, "\0\x01\xff", 3);

	bare.token = api.token;
	bare.password = api.password;
	assert_int_equal(
		upstream_get(api.upstream, &bare, world_bytes, world, &api.call, &world->err), 0);
	assert_string_equal(fake_last()->url, "https://api.example/v/resources/get");
	check_body("{\"password\":\"p\\\\w\xc3\xa4\",\"hardware\":\"\",\"fileName\":\"cdn.yaml\"}");
	fake_answer(fake_last(), 200, "");
	assert_int_equal(world->code, 0);
	api_fini(&api);
}

static void a_fragment_is_bytes(void **state)
{
	struct world *world = *state;
	uint8_t long_one[V1_FIELD_MAX + 1] = {0};
	static const struct {
		size_t len;
		int code;
	} rows[] = {
		{0, FAULT_UPSTREAM},
		{1, 0},
		{V1_FIELD_MAX, 0},
		{V1_FIELD_MAX + 1, FAULT_UPSTREAM},
	};
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(ask_fragment(world, &api), 0);
		assert_int_equal(fake_last()->method, FETCH_GET);
		assert_string_equal(fake_last()->url,
				    "https://api.example/v/binary-split/key-fragment");
		assert_string_equal(fake_last()->bearer, "TOKEN");
		assert_int_equal(fake_last()->body.len, 0);
		fake_answer_bytes(fake_last(), 200, slice_of(long_one, rows[i].len));
		assert_int_equal(world->code, rows[i].code);
		assert_int_equal(world->bytes.len, rows[i].code ? 0 : rows[i].len);
	}
	api_fini(&api);
}

/* RFC 7578, with a boundary that is never the same twice. */
static void an_upload_is_a_form(void **state)
{
	struct world *world = *state;
	static const char *const start = "multipart/form-data; boundary=";
	char boundaries[2][64], expected[512];
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < 2; i++) {
		const char *type;

		assert_int_equal(ask_put(world, &api), 0);
		type = fake_header(fake_last(), "Content-Type");
		assert_string_equal(fake_last()->url, "https://api.example/v/resources/models");
		assert_string_equal(fake_last()->bearer, "TOKEN");
		assert_int_equal(strncmp(type, start, strlen(start)), 0);
		(void)snprintf(boundaries[i], sizeof(boundaries[i]), "%s", type + strlen(start));
		assert_int_equal(strlen(boundaries[i]), strlen("holdfast-") + 32);
		(void)snprintf(expected, sizeof(expected),
			       "--%s\r\nContent-Disposition: form-data; name=\"data\"; "
			       "filename=\"net.bin.small\"\r\n"
			       "Content-Type: application/octet-stream\r\n\r\nSMALL\r\n--%s--\r\n",
			       boundaries[i], boundaries[i]);
		check_body(expected);
		fake_answer(fake_last(), 201, "whatever");
		assert_int_equal(world->code, 0);
		assert_int_equal(world->bytes.len, 0);
	}
	assert_string_not_equal(boundaries[0], boundaries[1]);
	api_fini(&api);
}

static void a_file_cannot_leave_its_quotes(void **state)
{
	struct world *world = *state;
	struct upstream_gift gift = {.folder = slice_str("a/../b"), .file = "x\"\r\ny"};
	struct api api;

	api_init(&api, world);
	gift.token = api.token;
	assert_int_equal(
		upstream_put(api.upstream, &gift, world_bytes, world, &api.call, &world->err), 0);
	assert_string_equal(fake_last()->url, "https://api.example/v/resources/a%2F..%2Fb");
	buf_put_u8(&fake_last()->body, '\0');
	assert_non_null(strstr((char *)fake_last()->body.data, "filename=\"x%22%0D%0Ay\"\r\n"));
	fake_answer(fake_last(), 200, "");
	api_fini(&api);
}

static void each_status_has_its_code(void **state)
{
	static const struct {
		unsigned status;
		const char *body;
		int codes[ASKS];
	} rows[] = {
		{401,
		 "",
		 {FAULT_CREDENTIALS, FAULT_NOT_LOGGED_IN, FAULT_NOT_LOGGED_IN,
		  FAULT_NOT_LOGGED_IN}},
		{403,
		 "{}",
		 {FAULT_CREDENTIALS, FAULT_NOT_LOGGED_IN, FAULT_NOT_LOGGED_IN,
		  FAULT_NOT_LOGGED_IN}},
		{404, "", {FAULT_UPSTREAM, ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND}},
		{409,
		 "{\"ErrorCode\":10,\"Message\":\"no\"}",
		 {FAULT_CREDENTIALS, FAULT_CREDENTIALS, FAULT_CREDENTIALS, FAULT_CREDENTIALS}},
		{409,
		 "{\"ErrorCode\":30}",
		 {FAULT_CREDENTIALS, FAULT_CREDENTIALS, FAULT_CREDENTIALS, FAULT_CREDENTIALS}},
		{409,
		 "{\"ErrorCode\":60}",
		 {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{409,
		 "{\"ErrorCode\":\"30\"}",
		 {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{409,
		 "{\"ErrorCode\":-30}",
		 {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{409, "[30]", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{409, "", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{302, "", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{413, "", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{500,
		 "{\"token\":\"T\"}",
		 {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
		{0, "", {FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM, FAULT_UPSTREAM}},
	};
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t kind = 0; kind < ASKS; kind++) {
			world->done = 0;
			assert_int_equal(asks[kind](world, &api), 0);
			fake_answer(fake_last(), rows[i].status, rows[i].body);
			assert_int_equal(world->done, 1);
			assert_int_equal(world->code, rows[i].codes[kind]);
			assert_int_equal(world->bytes.len, 0);
			/* What the API says is not repeated. */
			assert_null(strstr(world->told.text, "no\""));
			if (fake.count > FAKE_MAX / 2)
				fake_reset();
		}
	api_fini(&api);
}

static void a_token_is_printable(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"null",
		"\"T\"",
		"{\"token\":null}",
		"{\"token\":17}",
		"{\"token\":{\"a\":\"b\"}}",
		"{\"token\":[\"a\"]}",
		"{\"token\":\"\"}",
		"{\"token\":\"a b\"}",
		"{\"token\":\"a\\r\\nX-Evil: 1\"}",
		"{\"token\":\"a\\u0000b\"}",
		"{\"token\":\"a\\u007f\"}",
		"{\"token\":\"\xc3\xa4\"}",
		"{\"token\":\"a\",\"token\":\"b\"}",
		"{\"token\":\"a\"} trailing",
		"{\"token\":\"a\"",
		"\xff\xfe",
	};
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(ask_login(world, &api), 0);
		fake_answer(fake_last(), 200, bad[i]);
		assert_int_equal(world->code, FAULT_UPSTREAM);
		assert_int_equal(world->bytes.len, 0);
	}
	api_fini(&api);
}

static void a_token_has_a_limit(void **state)
{
	CLEANUP(buf_fini) struct buf body = BUF_INIT(32u * 1024u);
	static const size_t sizes[] = {8192, 8193};
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		buf_reset(&body);
		buf_put_str(&body, "{\"token\":\"");
		for (size_t n = 0; n < sizes[i]; n++)
			buf_put_u8(&body, 'x');
		buf_put_str(&body, "\"}");
		assert_int_equal(ask_login(world, &api), 0);
		fake_answer_bytes(fake_last(), 200, buf_slice(&body));
		assert_int_equal(world->code, i == 0 ? 0 : FAULT_UPSTREAM);
		assert_int_equal(world->bytes.len, i == 0 ? sizes[i] : 0);
	}
	api_fini(&api);
}

static void every_answer_has_a_limit(void **state)
{
	static const uint64_t limits[ASKS] = {65536, V1_BYTES_MAX, 65536, 65536};
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t kind = 0; kind < ASKS; kind++) {
		assert_int_equal(asks[kind](world, &api), 0);
		assert_int_equal(fake_last()->max, limits[kind]);
		fake_end(fake_last(), FETCH_REFUSED);
		assert_int_equal(world->code, FAULT_UPSTREAM);
	}
	assert_int_equal(fake.pauses, 0);
	api_fini(&api);
}

/* Nothing was sent: twice more. With the same body, since the form's boundary is drawn once. */
static void what_did_not_connect_is_repeated_twice(void **state)
{
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t kind = 0; kind < ASKS; kind++) {
		size_t first = fake.count;

		world->done = 0;
		fake.pauses = 0;
		assert_int_equal(asks[kind](world, &api), 0);
		for (unsigned i = 0; i < 2; i++) {
			fake_end(fake_last(), FETCH_UNREACHABLE);
			assert_int_equal(world->done, 0);
			world_until_requests(world);
		}
		fake_end(fake_last(), FETCH_UNREACHABLE);
		assert_int_equal(world->done, 1);
		assert_int_equal(world->code, FAULT_UPSTREAM);
		assert_int_equal(fake.count - first, 3);
		assert_int_equal(fake.pauses, 2);
		assert_string_equal(fake.requests[first].url, fake_last()->url);
		assert_string_equal(fake.requests[first].bearer, fake_last()->bearer);
		assert_true(slice_equal(buf_slice(&fake.requests[first].body),
					buf_slice(&fake_last()->body)));
	}
	api_fini(&api);
}

static void a_second_try_may_succeed(void **state)
{
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	assert_int_equal(ask_login(world, &api), 0);
	fake_end(fake_last(), FETCH_UNREACHABLE);
	world_until_requests(world);
	fake_answer(fake_last(), 200, "{\"token\":\"T\"}");
	assert_int_equal(world->done, 1);
	assert_int_equal(world->code, 0);
	api_fini(&api);
}

static void what_may_have_been_sent_is_not_repeated(void **state)
{
	static const enum fetch_end ends[] = {FETCH_BROKEN, FETCH_REFUSED, FETCH_STOPPED};
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t before = fake.count;

		world->done = 0;
		assert_int_equal(ask_put(world, &api), 0);
		fake_end(fake_last(), ends[i]);
		assert_int_equal(world->done, 1);
		assert_int_equal(world->code, FAULT_UPSTREAM);
		assert_int_equal(fake.count, before + 1);
	}
	assert_int_equal(fake.pauses, 0);
	api_fini(&api);
}

static void a_repeat_that_cannot_start_is_told(void **state)
{
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	assert_int_equal(ask_login(world, &api), 0);
	fake.refuse = 1;
	fake_end(fake_last(), FETCH_UNREACHABLE);
	world_until_done(world);
	assert_int_equal(world->code, ERR_INTERNAL);
	fake.refuse = 1;
	assert_int_equal(ask_login(world, &api), ERR_INTERNAL);
	assert_int_equal(world->done, 1);
	api_fini(&api);
}

static void who_leaves_hears_nothing(void **state)
{
	struct world *world = *state;
	struct api api;

	api_init(&api, world);
	upstream_leave(NULL);
	/* At work; in a pause; and by the end of all. */
	assert_int_equal(ask_login(world, &api), 0);
	upstream_leave(api.call);
	assert_true(fake_last()->cancelled);
	assert_int_equal(ask_get(world, &api), 0);
	fake_end(fake_last(), FETCH_UNREACHABLE);
	upstream_leave(api.call);
	assert_int_equal(ask_login(world, &api), 0);
	assert_int_equal(ask_fragment(world, &api), 0);
	fake_end(fake_last(), FETCH_UNREACHABLE);
	api_fini(&api);
	assert_int_equal(world->done, 0);
	assert_int_equal(fake.count, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(login_is_json),
		TEST(a_resource_is_asked_for_with_password_and_hardware),
		TEST(a_fragment_is_bytes),
		TEST(an_upload_is_a_form),
		TEST(a_file_cannot_leave_its_quotes),
		TEST(each_status_has_its_code),
		TEST(a_token_is_printable),
		TEST(a_token_has_a_limit),
		TEST(every_answer_has_a_limit),
		TEST(what_did_not_connect_is_repeated_twice),
		TEST(a_second_try_may_succeed),
		TEST(what_may_have_been_sent_is_not_repeated),
		TEST(a_repeat_that_cannot_start_is_told),
		TEST(who_leaves_hears_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
