/* SPDX-License-Identifier: Apache-2.0 */
/* Cdn: which address a part has, who signs for it, and who gets the API's token. */
#include "loader/test_fake.h"

#include <stdio.h>
#include <time.h>

#include "crypto/hash.h"
#include "loader/fault.h"

static const char nothing_sha256[] =
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static const struct resource *net_bin(void)
{
	static struct resource resource;

	resource = (struct resource){slice_str("models"), slice_str("net-1.0_a.bin")};
	return &resource;
}

static int make(struct world *world, enum resource_part part, enum fetch_method method,
		struct cdn_request *ret_request)
{
	return session_cdn(world->session, net_bin(), part, method, NULL, ret_request, &world->err);
}

/* A secret that lives as long as the program. */
static const struct secret *constant(const char *text)
{
	static struct secret *kept[2];
	size_t i = strcmp(text, "READ") == 0 ? 0 : 1;
	struct err err;

	if (!kept[i])
		assert_int_equal(secret_copy(slice_str(text), &kept[i], &err), 0);
	return kept[i];
}

static const char *header(const struct cdn_request *request, const char *name)
{
	for (size_t i = 0; i < request->request.header_count; i++) {
		assert_true(request->request.headers[i].credential);
		if (strcmp(request->request.headers[i].name, name) == 0)
			return request->request.headers[i].value;
	}
	return NULL;
}

static void a_plain_cdn_has_paths(void **state)
{
	static const struct {
		const char *cdn_url;
		enum resource_part part;
		const char *url;
	} rows[] = {
		{"https://cdn.example", RESOURCE_BIG,
		 "https://cdn.example/models/net-1.0_a.bin.big"},
		{"https://cdn.example/", RESOURCE_SIG,
		 "https://cdn.example/models/net-1.0_a.bin.sig"},
		{"https://cdn.example:8443/a%20b//", RESOURCE_BIG,
		 "https://cdn.example:8443/a%20b/models/net-1.0_a.bin.big"},
	};
	struct world *world = *state;
	struct cdn_request request;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world->config.cdn_url = rows[i].cdn_url;
		world->config.s3_bucket = "no-bucket-here";
		world_session(world);
		assert_int_equal(make(world, rows[i].part, FETCH_GET, &request), 0);
		assert_string_equal(request.request.url, rows[i].url);
		assert_int_equal(request.request.method, FETCH_GET);
		assert_int_equal(request.request.header_count, 0);
		assert_null(request.request.bearer);
		cdn_request_fini(&request);
		session_free(TAKE(world->session));
		secret_free(TAKE(world->loader.key));
	}
}

/* By its digest, wherever the CDN is. */
static void a_payload_is_known_by_its_digest(void **state)
{
	static const char *const buckets[] = {NULL, "bucket"};
	struct world *world = *state;
	const struct resource payload = {slice_str("models"), slice_str(nothing_sha256)};
	struct cdn_request request;
	char url[256];

	for (size_t i = 0; i < ARRAY_LEN(buckets); i++) {
		world->config.cdn_url = buckets[i] ? NULL : "https://cdn.example";
		world->config.s3_endpoint = "https://s3.example";
		world->config.s3_bucket = buckets[i];
		world_session(world);
		assert_int_equal(session_cdn(world->session, &payload, RESOURCE_PAYLOAD, FETCH_GET,
					     NULL, &request, &world->err),
				 0);
		(void)snprintf(url, sizeof(url), "https://%s/models/%s.payload",
			       buckets[i] ? "s3.example/bucket" : "cdn.example", nothing_sha256);
		assert_string_equal(request.request.url, url);
		cdn_request_fini(&request);
		session_free(TAKE(world->session));
		secret_free(TAKE(world->loader.key));
	}
}

static void names_stay_where_they_are_put(void **state)
{
	const struct resource bad[] = {
		{slice_str("../x"), slice_str("net.bin")},
		{slice_str("models"), slice_str("a/b")},
		{slice_str("models"), slice_str("a%2fb")},
		{slice_str("models"), slice_str("a?b")},
		{slice_str("models"), slice_str("net.bin.big")},
		{slice_str("models"), slice_of("a\0b", 3)},
	};
	struct world *world = *state;
	struct cdn_request request;

	world_session(world);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(session_cdn(world->session, &bad[i], RESOURCE_BIG, FETCH_GET, NULL,
					     &request, &world->err),
				 ERR_INVALID);
}

/* GET: never. PUT: where scheme, name and port are the API's. */
static void only_the_apis_own_cdn_gets_its_token(void **state)
{
	static const struct {
		const char *api_url, *cdn_url;
		bool token;
	} rows[] = {
		{"https://api.example", "https://api.example/cdn", true},
		{"https://api.example", "https://API.example:443/cdn", true},
		{"https://api.example:443/v1", "https://api.example", true},
		{"https://api.example", "https://cdn.example", false},
		{"https://api.example", "https://api.example:444", false},
		{"https://api.example", "https://api.example.evil", false},
		{"https://api.example", "https://xapi.example", false},
		{"https://127.0.0.1:80", "http://127.0.0.1:80", false},
	};
	struct world *world = *state;
	struct cdn_request request;

	world->config.dev = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world->config.api_url = rows[i].api_url;
		world->config.cdn_url = rows[i].cdn_url;
		world_login(world);
		assert_int_equal(make(world, RESOURCE_BIG, FETCH_GET, &request), 0);
		assert_null(request.request.bearer);
		assert_int_equal(request.token, 0);
		cdn_request_fini(&request);
		assert_int_equal(make(world, RESOURCE_BIG, FETCH_PUT, &request), 0);
		assert_int_equal(request.request.bearer != NULL, rows[i].token);
		assert_int_equal(request.token, rows[i].token ? 1 : 0);
		cdn_request_fini(&request);
		session_free(TAKE(world->session));
		secret_free(TAKE(world->loader.key));
	}
}

static void s3(struct world *world, const char *endpoint, const char *bucket)
{
	world->config.cdn_url = NULL;
	world->config.s3_endpoint = endpoint;
	world->config.s3_bucket = bucket;
	world->config.reader_key = "RKEY";
	world->config.reader_secret = constant("READ");
	world->config.writer_key = "WKEY";
	world->config.writer_secret = constant("WRITE");
}

static void s3_has_a_bucket_or_takes_the_folder(void **state)
{
	static const struct {
		const char *endpoint, *bucket;
		const char *url;
	} rows[] = {
		{"https://s3.example", NULL, "https://s3.example/models/net-1.0_a.bin.big"},
		{"https://s3.example/", "fleet",
		 "https://s3.example/fleet/models/net-1.0_a.bin.big"},
		{"https://s3.example:9000/in", "a b/c",
		 "https://s3.example:9000/in/a%20b%2Fc/models/net-1.0_a.bin.big"},
	};
	struct world *world = *state;
	struct cdn_request request;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		s3(world, rows[i].endpoint, rows[i].bucket);
		world_session(world);
		assert_int_equal(make(world, RESOURCE_BIG, FETCH_GET, &request), 0);
		assert_string_equal(request.request.url, rows[i].url);
		assert_int_equal(request.request.header_count, 3);
		cdn_request_fini(&request);
		session_free(TAKE(world->session));
		secret_free(TAKE(world->loader.key));
	}
}

/* The signature of what is sent: made here once more, from the address as it stands in the URL. */
static void check_signature(const struct cdn_request *request, const char *host, const char *path,
			    const char *key, const char *secret)
{
	static const char *const names[] = {[FETCH_GET] = "GET", [FETCH_PUT] = "PUT"};
	struct sigv4_headers headers = {.authorization = BUF_INIT(4096)};
	struct slice nothing = slice_of(NULL, 0);
	uint8_t digest[HASH_MAX_SIZE];
	const struct sigv4_who who = {"eu-1", key, constant(secret)};
	struct sigv4_request again = {
		.method = names[request->request.method],
		.host = host,
		.path = path,
	};
	int64_t now = (int64_t)time(NULL);
	struct err err;

	if (request->request.method == FETCH_GET) {
		assert_int_equal(hash_digest(HASH_SHA256, &nothing, 1, digest, &err), 0);
		again.body_sha256 = digest;
	}
	/* Of this very moment, or of some seconds ago where the machine is busy. */
	for (again.at = now; again.at > now - 60; again.at--) {
		assert_int_equal(sigv4_sign(&who, &again, &headers, &err), 0);
		if (strcmp(headers.date, header(request, "x-amz-date")) == 0)
			break;
		buf_reset(&headers.authorization);
	}
	assert_string_equal(headers.date, header(request, "x-amz-date"));
	assert_string_equal(headers.content, header(request, "x-amz-content-sha256"));
	assert_string_equal((char *)headers.authorization.data, header(request, "authorization"));
	buf_fini(&headers.authorization);
}

static void what_is_signed_is_what_is_sent(void **state)
{
	static const struct {
		const char *endpoint, *host, *path;
	} rows[] = {
		{"https://s3.example", "s3.example", "/fleet/models/net-1.0_a.bin.big"},
		{"https://s3.example:443/", "s3.example", "/fleet/models/net-1.0_a.bin.big"},
		{"https://s3.example:80/x/", "s3.example:80", "/x/fleet/models/net-1.0_a.bin.big"},
		{"http://127.0.0.1:80", "127.0.0.1", "/fleet/models/net-1.0_a.bin.big"},
		{"http://127.0.0.1:9000", "127.0.0.1:9000", "/fleet/models/net-1.0_a.bin.big"},
		{"http://[::1]:9000/x", "[::1]:9000", "/x/fleet/models/net-1.0_a.bin.big"},
		{"https://[::1]", "[::1]", "/fleet/models/net-1.0_a.bin.big"},
	};
	struct world *world = *state;
	struct cdn_request request;

	world->config.dev = true;
	world->config.s3_region = "eu-1";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		s3(world, rows[i].endpoint, "fleet");
		world_session(world);
		assert_int_equal(make(world, RESOURCE_BIG, FETCH_GET, &request), 0);
		assert_string_equal(header(&request, "x-amz-content-sha256"), nothing_sha256);
		check_signature(&request, rows[i].host, rows[i].path, "RKEY", "READ");
		cdn_request_fini(&request);
		assert_int_equal(make(world, RESOURCE_BIG, FETCH_PUT, &request), 0);
		assert_string_equal(header(&request, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
		check_signature(&request, rows[i].host, rows[i].path, "WKEY", "WRITE");
		assert_null(request.request.bearer);
		cdn_request_fini(&request);
		session_free(TAKE(world->session));
		secret_free(TAKE(world->loader.key));
	}
}

static void a_body_that_is_known_is_signed(void **state)
{
	struct world *world = *state;
	struct cdn_request request;
	const uint8_t digest[32] = {0xab, 0xcd};

	s3(world, "https://s3.example", NULL);
	world_session(world);
	assert_int_equal(session_cdn(world->session, net_bin(), RESOURCE_BIG, FETCH_PUT, digest,
				     &request, &world->err),
			 0);
	assert_int_equal(strncmp(header(&request, "x-amz-content-sha256"), "abcd0000", 8), 0);
	cdn_request_fini(&request);
}

static void keys_may_be_missing(void **state)
{
	struct world *world = *state;
	struct cdn_request request = {.token = 4711};

	s3(world, "https://s3.example", NULL);
	world->config.reader_key = NULL;
	world->config.writer_key = NULL;
	world_session(world);
	/* Reading then is for all. */
	assert_int_equal(make(world, RESOURCE_BIG, FETCH_PUT, &request), ERR_NOT_SUPPORTED);
	assert_int_equal(request.token, 4711);
	assert_int_equal(make(world, RESOURCE_BIG, FETCH_GET, &request), 0);
	assert_int_equal(request.request.header_count, 0);
	cdn_request_fini(&request);
}

/* --- by cdn.yaml --- */

static bool with_writer;

static int parse(void *arg, struct slice yaml, struct loader_cdn *ret_cdn, struct err *err)
{
	int r;

	(void)arg;
	(void)yaml;
	buf_put(&ret_cdn->endpoint, slice_of("s3.example", sizeof("s3.example")));
	buf_put(&ret_cdn->reader_key, slice_of("RKEY", sizeof("RKEY")));
	r = secret_copy(slice_str("READ"), &ret_cdn->reader_secret, err);
	if (r < 0 || !with_writer)
		return r;
	buf_put(&ret_cdn->writer_key, slice_of("WKEY", sizeof("WKEY")));
	return secret_copy(slice_str("WRITE"), &ret_cdn->writer_secret, err);
}

static void a_login_tells_where_it_is(void **state)
{
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(4096);
	struct world *world = *state;
	struct cdn_request request;
	struct session_call *call;

	world->config.cdn_url = NULL;
	world->config.s3_region = "eu-1";
	world->config.parse_cdn = parse;
	world_session(world);
	assert_int_equal(make(world, RESOURCE_BIG, FETCH_GET, &request), FAULT_NOT_LOGGED_IN);
	world_seal(world, slice_str("host: s3.example"), &blob);
	for (unsigned i = 0; i < 2; i++) {
		with_writer = i > 0;
		assert_int_equal(session_login(world->session, slice_str("a@b.c"), slice_str("pw"),
					       world_done, world, &call, &world->err),
				 0);
		fake_answer(fake_last(), 200, "{\"token\":\"T1\"}");
		fake_answer_bytes(fake_last(), 200, buf_slice(&blob));
		assert_int_equal(world->code, 0);
		assert_int_equal(make(world, RESOURCE_BIG, FETCH_GET, &request), 0);
		assert_string_equal(request.request.url,
				    "https://s3.example/models/net-1.0_a.bin.big");
		check_signature(&request, "s3.example", "/models/net-1.0_a.bin.big", "RKEY",
				"READ");
		cdn_request_fini(&request);
		if (!with_writer) {
			assert_int_equal(make(world, RESOURCE_BIG, FETCH_PUT, &request),
					 ERR_NOT_SUPPORTED);
			continue;
		}
		assert_int_equal(make(world, RESOURCE_BIG, FETCH_PUT, &request), 0);
		check_signature(&request, "s3.example", "/models/net-1.0_a.bin.big", "WKEY",
				"WRITE");
		cdn_request_fini(&request);
	}
}

static int free_constants(void **state)
{
	(void)state;
	secret_free((struct secret *)(uintptr_t)constant("READ"));
	secret_free((struct secret *)(uintptr_t)constant("WRITE"));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_plain_cdn_has_paths),
		TEST(a_payload_is_known_by_its_digest),
		TEST(names_stay_where_they_are_put),
		TEST(only_the_apis_own_cdn_gets_its_token),
		TEST(s3_has_a_bucket_or_takes_the_folder),
		TEST(what_is_signed_is_what_is_sent),
		TEST(a_body_that_is_known_is_signed),
		TEST(keys_may_be_missing),
		TEST(a_login_tells_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, free_constants);
}
