/* SPDX-License-Identifier: Apache-2.0 */
/* The API over a socket: what is given to whom, and what hostile requests get. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "artifact/v1.h"
#include "base/base64.h"
#include "crypto/cipher.h"
#include "origin/impl.h"
#include "origin/test_fixture.h"
#include "origin/token.h"
#include "origin/users.h"

#define GET "POST /resources/get/models"
/* {"alg":"none"}, {"nameid":"0","exp":9999999999} */
#define UNSIGNED                                                                                   \
	"Authorization: Bearer "                                                                   \
	"eyJhbGciOiJub25lIn0.eyJuYW1laWQiOiIwIiwiZXhwIjo5OTk5OTk5OTk5fQ.\r\n"

static void user_key(struct secret **ret_key)
{
	struct err err;

	assert_int_equal(secret_new(CIPHER_KEY256, ret_key, &err), 0);
	assert_true(hex_decode(slice_str(USER_KEY), secret_data(*ret_key), CIPHER_KEY256));
}

/* --- logins --- */

static void test_login(void **state)
{
	static const struct {
		const char *json;
		unsigned status;
		const char *says;
	} rows[] = {
		{"{\"email\":\"a@b.c\",\"password\":\"pw\"}", 200, "\"token\":\"ey"},
		{"{\"email\":\"a@b.c\",\"password\":\"pw\",\"more\":1}", 200, "\"token\""},
		{"{\"email\":\"a@b.c\",\"password\":\"no\"}", 409, "\"ErrorCode\":30"},
		{"{\"email\":\"a@b.d\",\"password\":\"pw\"}", 409, "\"ErrorCode\":10"},
		{"{\"email\":\"a@b.c\"}", 400, "\"detail\":"},
		{"{\"email\":\"a@b.c\",\"password\":\"\"}", 400, "\"detail\":"},
		{"{\"email\":[],\"password\":\"pw\"}", 400, "\"detail\":"},
		{"{\"email\":\"a@b.c\",\"email\":\"a@b.c\",\"password\":\"pw\"}", 400, "detail"},
		{"[]", 400, "\"detail\":"},
		{"{", 400, "\"detail\":"},
		{"\"a\"", 400, "\"detail\":"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct wish wish = {.line = "POST /login", .json = rows[i].json};
		CLEANUP(answer_fini) struct answer answer;

		world_ask(*state, &wish, &answer);
		if (answer.status != rows[i].status || !answer_says(&answer, rows[i].says))
			fail_msg("row %zu: %s", i, (const char *)answer.raw.data);
	}
}

static void test_long_field(void **state)
{
	CLEANUP(buf_fini) struct buf json = BUF_INIT(8192);

	buf_put_str(&json, "{\"email\":\"");
	for (unsigned i = 0; i <= V1_FIELD_MAX; i++)
		buf_put_u8(&json, 'a');
	buf_put_str(&json, "\",\"password\":\"pw\"}");
	buf_put_u8(&json, '\0');
	world_expect(*state, &(struct wish){.line = "POST /login", .json = (const char *)json.data},
		     400);
}

/* Guesses until one is refused: after a burst, and what a slow machine has earned meanwhile. */
static void guess(struct world *world, const struct wish *wish, struct answer *ret_refusal)
{
	unsigned earned = 0;

	for (unsigned i = 0; i < USERS_BURST; i++)
		world_expect(world, wish, 409);
	world_ask(world, wish, ret_refusal);
	while (ret_refusal->status == 409 && earned++ < USERS_BURST) {
		answer_fini(ret_refusal);
		world_ask(world, wish, ret_refusal);
	}
	assert_int_equal(ret_refusal->status, 429);
}

/* Guesses are noted without what was guessed. */
static void test_guessing(void **state)
{
	struct world *world = *state;
	const struct wish wish = {.line = "POST /login",
				  .json = "{\"email\":\"a@b.c\",\"password\":\"guess\"}"};
	CLEANUP(answer_fini) struct answer answer;

	guess(world, &wish, &answer);
	assert_true(answer_has(&answer, "Retry-After: 3"));
	buf_put_u8(&world->notes, '\0');
	assert_non_null(strstr((const char *)world->notes.data, "a login was refused"));
	assert_null(strstr((const char *)world->notes.data, "guess"));
	assert_null(strstr((const char *)world->notes.data, "a@b.c"));
}

/* --- tokens --- */

/* Well made, and of somebody who is not there. */
static void test_token_of_nobody(void **state)
{
	struct world *world = *state;
	CLEANUP(buf_fini) struct buf token = BUF_INIT(TOKEN_MAX), header = BUF_INIT(TOKEN_MAX + 64);
	CLEANUP(answer_fini) struct answer answer;
	struct err err;

	assert_int_equal(token_make(world->origin->key,
				    &(struct token_user){.id = 99, .email = EMAIL},
				    (int64_t)time(NULL), &token, &err),
			 0);
	buf_printf(&header, "Authorization: Bearer %.*s\r\n%c", (int)token.len,
		   (const char *)token.data, '\0');
	world_ask(world,
		  &(struct wish){.line = "GET /resources/list/models",
				 .headers = (const char *)header.data},
		  &answer);
	assert_int_equal(answer.status, 401);
	assert_true(answer_has(&answer, "WWW-Authenticate: Bearer"));
	assert_true(answer_says(&answer, "nobody"));
}

static void test_without_token(void **state)
{
	static const struct wish WISHES[] = {
		{.line = GET, .json = "{}"},
		{.line = "POST /resources/get", .json = "{}"},
		{.line = "POST /resources/check", .json = "{\"hardware\":\"x\"}"},
		{.line = "GET /resources/list/models"},
		{.line = "GET /binary-split/key-fragment"},
		{.line = "PUT /cdn/models/net.big"},
		{.line = "POST /resources/models",
		 .headers = "Content-Type: multipart/form-data; boundary=b\r\n"},
	};
	static const char *const TOKENS[] = {
		"",
		"Authorization: Bearer \r\n",
		"Authorization: Bearer x\r\n",
		"Authorization: Basic YUBiLmM6cHc=\r\n",
		UNSIGNED,
	};

	for (size_t i = 0; i < ARRAY_LEN(WISHES); i++)
		for (size_t k = 0; k < ARRAY_LEN(TOKENS); k++) {
			CLEANUP(answer_fini) struct answer answer;
			struct wish wish = WISHES[i];
			char headers[512];

			(void)snprintf(headers, sizeof(headers), "%s%s",
				       wish.headers ? wish.headers : "", TOKENS[k]);
			wish.headers = headers;
			world_ask(*state, &wish, &answer);
			if (answer.status != 401)
				fail_msg("%s, token %zu: %s", wish.line, k,
					 (const char *)answer.raw.data);
			assert_true(answer_has(&answer, "WWW-Authenticate: Bearer"));
			assert_true(answer_says(&answer, "\"detail\":"));
			assert_false(answer_says(&answer, "ErrorCode"));
		}
}

/* One of another origin, or of one that was started anew. */
static void test_other_token(void **state)
{
	struct world *world = *state;
	void *second = NULL;

	assert_int_equal(world_setup(&second), 0);
	world_login(second);
	buf_put(&world->token, buf_slice(&((struct world *)second)->token));
	world_expect(second,
		     &(struct wish){.line = "GET /resources/list/models", .with_token = true}, 200);
	world_expect(world,
		     &(struct wish){.line = "GET /resources/list/models", .with_token = true}, 401);
	assert_int_equal(world_teardown(&second), 0);
}

/* --- files for a user --- */

static void expect_opens(struct world *world, const struct wish *wish, const char *plain)
{
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(secret_cleanup) struct secret *opened = NULL;
	CLEANUP(answer_fini) struct answer answer;
	struct err err;

	user_key(&key);
	world_ask(world, wish, &answer);
	assert_int_equal(answer.status, 200);
	assert_true(answer_has(&answer, "Content-Type: application/octet-stream"));
	assert_int_equal(v1_open_bytes(key, answer.body, &opened, &err), 0);
	assert_true(slice_equal(secret_slice(opened), slice_str(plain)));
}

static void test_get(void **state)
{
	struct world *world = *state;

	world_login(world);
	world_put_text(world, "models/net.small", "the small part");
	world_put_text(world, "models/words.txt", "");
	world_put_text(world, "cdn.yaml", "host: cdn.example.net\n");
	expect_opens(world,
		     &(struct wish){.line = GET,
				    .with_token = true,
				    .json = "{\"password\":\"pw\",\"hardware\":\"" HARDWARE
					    "\",\"fileName\":\"net.small\"}"},
		     "the small part");
	expect_opens(world,
		     &(struct wish){.line = GET,
				    .with_token = true,
				    .json = "{\"password\":\"pw\",\"hardware\":\"" HARDWARE
					    "\",\"fileName\":\"words.txt\"}"},
		     "");
	expect_opens(world,
		     &(struct wish){.line = "POST /resources/get",
				    .with_token = true,
				    .json = "{\"password\":\"pw\",\"hardware\":\"" HARDWARE
					    "\",\"fileName\":\"cdn.yaml\"}"},
		     "host: cdn.example.net\n");
}

static void test_get_refused(void **state)
{
	static const struct {
		const char *line, *password, *hardware, *file;
		unsigned status;
	} rows[] = {
		{GET, "pw", HARDWARE, "net.small", 200},
		{GET, "no", HARDWARE, "net.small", 409},
		{GET, "", HARDWARE, "net.small", 400},
		{GET, "pw", "", "net.small", 400},
		{GET, "pw", "CPU: x", "net.small", 400},
		{GET, "pw", HARDWARE "x", "net.small", 400},
		{GET, "pw", HARDWARE, "other.small", 404},
		{GET, "pw", HARDWARE, "net.big", 400},
		{GET, "pw", HARDWARE, "net.sig", 400},
		{GET, "pw", HARDWARE, "../key-fragment", 400},
		{GET, "pw", HARDWARE, "../models/net.small", 400},
		{GET, "pw", HARDWARE, "/etc/passwd", 400},
		{GET, "pw", HARDWARE, "", 400},
		{GET, "pw", HARDWARE, "..", 400},
		{GET, "pw", HARDWARE, "net.small\\u0000.big", 400},
		{"POST /resources/get/..", "pw", HARDWARE, "key-fragment", 400},
		{"POST /resources/get/%2e%2e", "pw", HARDWARE, "key-fragment", 400},
		{"POST /resources/get/a%2fb", "pw", HARDWARE, "net.small", 400},
		{"POST /resources/get/.models", "pw", HARDWARE, "net.small", 400},
		{"POST /resources/get/none", "pw", HARDWARE, "net.small", 404},
		{"POST /resources/get/key-fragment", "pw", HARDWARE, "net.small", 404},
		{"POST /resources/get", "pw", HARDWARE, "key-fragment", 400},
		{"POST /resources/get", "pw", HARDWARE, "cdn.yaml", 404},
		{"POST /resources/get", "pw", HARDWARE, "models/net.small", 400},
		{"GET /resources/get", "pw", HARDWARE, "cdn.yaml", 405},
	};
	struct world *world = *state;

	world_login(world);
	world_put_text(world, "models/net.small", "the small part");
	world_put_text(world, "models/net.big", "the big part");
	world_put_text(world, "key-fragment", "fragment");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char json[512];

		(void)snprintf(json, sizeof(json),
			       "{\"password\":\"%s\",\"hardware\":\"%s\",\"fileName\":\"%s\"}",
			       rows[i].password, rows[i].hardware, rows[i].file);
		world_expect(world,
			     &(struct wish){.line = rows[i].line, .with_token = true, .json = json},
			     rows[i].status);
	}
}

/* A password beside a good token is guessed no faster. */
static void test_get_guessing(void **state)
{
	const struct wish wish = {.line = GET,
				  .with_token = true,
				  .json = "{\"password\":\"no\",\"hardware\":\"" HARDWARE
					  "\",\"fileName\":\"net.small\"}"};
	CLEANUP(answer_fini) struct answer refusal;

	world_login(*state);
	guess(*state, &wish, &refusal);
}

/* Who knows an email alone stops no device that has logged in. */
static void test_get_while_guessed(void **state)
{
	const struct wish wish = {.line = "POST /login",
				  .json = "{\"email\":\"a@b.c\",\"password\":\"guess\"}"};
	CLEANUP(answer_fini) struct answer refusal;

	world_put_text(*state, "models/net.small", "small");
	world_login(*state);
	guess(*state, &wish, &refusal);
	world_expect(*state,
		     &(struct wish){.line = GET,
				    .with_token = true,
				    .json = "{\"password\":\"pw\",\"hardware\":\"" HARDWARE
					    "\",\"fileName\":\"net.small\"}"},
		     200);
}

/* v1-nohw: the hardware has no part in the key, and need not be told. */
static void test_get_nohw(void **state)
{
	const struct v1_salts salts = {.api = slice_str("APISALT")};
	const struct v1_user user = {.email = slice_str(EMAIL), .password = slice_str(PASSWORD)};
	const char *const rows[] = {
		"{\"password\":\"pw\",\"fileName\":\"net.small\"}",
		"{\"password\":\"pw\",\"hardware\":\"\",\"fileName\":\"net.small\"}",
		"{\"password\":\"pw\",\"hardware\":\"any\",\"fileName\":\"net.small\"}",
	};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	struct err err;

	assert_int_equal(v1_key_user(V1_NOHW, &salts, &user, &key, &err), 0);
	world_login(*state);
	world_put_text(*state, "models/net.small", "small");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct wish wish = {.line = GET, .with_token = true, .json = rows[i]};
		CLEANUP(secret_cleanup) struct secret *plain = NULL;
		CLEANUP(answer_fini) struct answer answer;

		world_ask(*state, &wish, &answer);
		assert_int_equal(answer.status, 200);
		assert_int_equal(v1_open_bytes(key, answer.body, &plain, &err), 0);
		assert_true(slice_equal(secret_slice(plain), slice_str("small")));
	}
}

/* The largest that readers still take, and one byte more. */
static void test_get_large(void **state)
{
	static uint8_t bytes[V1_BYTES_MAX];
	const struct wish wish = {.line = GET,
				  .with_token = true,
				  .json = "{\"password\":\"pw\",\"hardware\":\"" HARDWARE
					  "\",\"fileName\":\"net.small\"}"};
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(secret_cleanup) struct secret *opened = NULL;
	CLEANUP(answer_fini) struct answer answer;
	size_t most = V1_BYTES_MAX - 2u * V1_BLOCK;
	struct err err;

	user_key(&key);
	world_login(*state);
	world_put(*state, "models/net.small", slice_of(bytes, most));
	world_ask(*state, &wish, &answer);
	assert_int_equal(answer.status, 200);
	assert_int_equal(v1_open_bytes(key, answer.body, &opened, &err), 0);
	assert_int_equal(secret_size(opened), most);
	world_put(*state, "models/net.small", slice_of(bytes, most + 1));
	world_expect(*state, &wish, 413);
}

/* --- the rest --- */

static void test_fragment(void **state)
{
	static const uint8_t LONG[V1_FIELD_MAX + 1];
	const struct wish wish = {.line = "GET /binary-split/key-fragment", .with_token = true};
	CLEANUP(answer_fini) struct answer answer;

	world_login(*state);
	world_expect(*state, &wish, 404);
	world_put(*state, "key-fragment", slice_of("a\0b\n", 4));
	world_ask(*state, &wish, &answer);
	assert_int_equal(answer.status, 200);
	assert_true(slice_equal(answer.body, slice_of("a\0b\n", 4)));
	world_put(*state, "key-fragment", slice_of(LONG, sizeof(LONG)));
	world_expect(*state, &wish, 413);
}

static void test_list(void **state)
{
	const struct wish wish = {.line = "GET /resources/list/models", .with_token = true};
	CLEANUP(answer_fini) struct answer answer, empty;

	world_login(*state);
	world_ask(*state, &wish, &empty);
	assert_int_equal(empty.status, 200);
	assert_true(slice_equal(empty.body, slice_str("[]")));
	world_put_text(*state, "models/b.small", "x");
	world_put_text(*state, "models/b.big", "x");
	world_put_text(*state, "models/a.small", "x");
	world_ask(*state, &wish, &answer);
	assert_true(slice_equal(answer.body, slice_str("[\"a.small\",\"b.small\"]")));
	world_expect(*state, &(struct wish){.line = "GET /resources/list/.x", .with_token = true},
		     400);
}

static void test_rest(void **state)
{
	world_login(*state);
	world_expect(*state,
		     &(struct wish){.line = "POST /resources/check",
				    .with_token = true,
				    .json = "{\"hardware\":\"" HARDWARE "\"}"},
		     200);
	world_expect(
		*state,
		&(struct wish){.line = "POST /resources/check", .with_token = true, .json = "{}"},
		400);
	world_expect(*state, &(struct wish){.line = "GET /health"}, 200);
	world_expect(*state, &(struct wish){.line = "GET /"}, 404);
	world_expect(*state, &(struct wish){.line = "GET /login"}, 405);
	world_expect(*state, &(struct wish){.line = "DELETE /cdn/models/net.big"}, 405);
}

/* --- uploads --- */

#define FORM "Content-Type: multipart/form-data; boundary=b\r\n"
#define PART(disposition, content)                                                                 \
	"--b\r\nContent-Disposition: form-data; " disposition "\r\n\r\n" content "\r\n"

static void test_upload(void **state)
{
	static const struct {
		const char *line, *body;
		unsigned status;
		const char *made; /* NULL: nothing */
	} rows[] = {
		{"POST /resources/models",
		 PART("name=\"data\"; filename=\"a.small\"", "abc") "--b--", 200, "models/a.small"},
		{"POST /resources/fresh",
		 PART("name=\"data\"; filename=\"a.small\"", "abc") "--b--", 200, "fresh/a.small"},
		{"POST /resources/models",
		 PART("name=\"x\"", "skipped") PART("name=\"data\"; filename=\"b.small\"", "abc")
			 PART("name=\"folder\"", "elsewhere") "--b--",
		 200, "models/b.small"},
		{"POST /resources/models",
		 PART("name=\"data\"; filename=\"note.txt\"", "abc") "--b--", 200,
		 "models/note.txt"},
		{"POST /resources/models", PART("name=\"data\"; filename=\"c.big\"", "abc") "--b--",
		 400, NULL},
		{"POST /resources/models",
		 PART("name=\"data\"; filename=\"../c.small\"", "abc") "--b--", 400, NULL},
		{"POST /resources/models", PART("name=\"data\"; filename=\"\"", "abc") "--b--", 400,
		 NULL},
		{"POST /resources/models", PART("name=\"data\"", "abc") "--b--", 400, NULL},
		{"POST /resources/models", PART("name=\"x\"; filename=\"c.small\"", "abc") "--b--",
		 400, NULL},
		{"POST /resources/models",
		 PART("name=\"data\"; filename=\"c.small\"", "abc")
			 PART("name=\"data\"; filename=\"d.small\"", "abc") "--b--",
		 400, NULL},
		{"POST /resources/models", PART("name=\"data\"; filename=\"c.small\"", "abc"), 400,
		 NULL},
		{"POST /resources/.x", PART("name=\"data\"; filename=\"c.small\"", "abc") "--b--",
		 400, NULL},
		{"POST /resources/%2e%2e",
		 PART("name=\"data\"; filename=\"c.small\"", "abc") "--b--", 400, NULL},
		{"POST /resources/models", "", 400, NULL},
	};
	struct world *world = *state;

	world_login(world);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(100);
		const struct wish wish = {.line = rows[i].line,
					  .headers = FORM,
					  .with_token = true,
					  .body = slice_str(rows[i].body)};

		world_expect(world, &wish, rows[i].status);
		if (!rows[i].made)
			continue;
		world_get(world, rows[i].made, &bytes);
		assert_true(slice_equal(buf_slice(&bytes), slice_str("abc")));
	}
	assert_false(world_has(world, "models/c.small"));
	assert_false(world_has(world, "models/c.big"));
	assert_false(world_has(world, "models/d.small"));
	assert_false(world_has(world, "c.small"));
}

static void upload_zeros(struct world *world, size_t size, unsigned status)
{
	static const uint8_t ZEROS[V1_BYTES_MAX];
	CLEANUP(buf_fini) struct buf body = BUF_INIT(2 * V1_BYTES_MAX);

	buf_put_str(&body, "--b\r\nContent-Disposition: form-data; name=\"data\"; "
			   "filename=\"a.small\"\r\n\r\n");
	buf_put(&body, slice_of(ZEROS, size));
	buf_put_str(&body, "\r\n--b--");
	world_expect(world,
		     &(struct wish){.line = "POST /resources/models",
				    .headers = FORM,
				    .with_token = true,
				    .body = buf_slice(&body)},
		     status);
}

static void test_upload_large(void **state)
{
	size_t most = V1_BYTES_MAX - 2u * V1_BLOCK;

	world_login(*state);
	upload_zeros(*state, most + 1, 413);
	assert_false(world_has(*state, "models/a.small"));
	upload_zeros(*state, most, 200);
	assert_true(world_has(*state, "models/a.small"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_login),
		WORLD_TEST(test_long_field),
		WORLD_TEST(test_guessing),
		WORLD_TEST(test_without_token),
		WORLD_TEST(test_other_token),
		WORLD_TEST(test_get),
		WORLD_TEST(test_get_refused),
		WORLD_TEST(test_token_of_nobody),
		WORLD_TEST(test_get_guessing),
		WORLD_TEST(test_get_while_guessed),
		cmocka_unit_test_setup_teardown(test_get_nohw, world_setup_nohw, world_teardown),
		WORLD_TEST(test_get_large),
		WORLD_TEST(test_fragment),
		WORLD_TEST(test_list),
		WORLD_TEST(test_rest),
		WORLD_TEST(test_upload),
		WORLD_TEST(test_upload_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
