/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: one that RFC 7515's own example key would verify is made, and every other is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/base64.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "origin/token.h"

#define NOW    INT64_C(1900000000)
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS "{\"nameid\":\"7\",\"unique_name\":\"a@b.c\",\"role\":\"User\",\"exp\":1900014400}"

static struct secret *key, *other;

static int setup(void **state)
{
	struct err err;

	(void)state;
	json_setup();
	if (secret_new(TOKEN_KEY, &key, &err) < 0 || secret_new(TOKEN_KEY, &other, &err) < 0)
		return -1;
	for (unsigned i = 0; i < TOKEN_KEY; i++)
		secret_data(key)[i] = (uint8_t)i;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	secret_free(key);
	secret_free(other);
	return 0;
}

/* As a stranger with the key would write it. */
static void write_token(const struct secret *with, const char *header, const char *claims,
			struct buf *out)
{
	uint8_t mac[HASH_MAX_SIZE];
	struct slice text;
	struct err err;

	buf_reset(out);
	base64url_encode(out, slice_str(header));
	buf_put_u8(out, '.');
	base64url_encode(out, slice_str(claims));
	text = buf_slice(out);
	assert_int_equal(hash_hmac(HASH_SHA256, secret_slice(with), &text, 1, mac, &err), 0);
	buf_put_u8(out, '.');
	base64url_encode(out, slice_of(mac, hash_size(HASH_SHA256)));
	assert_true(buf_ok(out));
}

static int check_at(const struct buf *token, int64_t now, unsigned *ret_id)
{
	struct err err = {.code = 0};
	int r = token_check(key, buf_slice(token), now, ret_id, &err);

	assert_int_equal(r, err.code);
	if (r < 0) {
		assert_int_equal(r, ERR_AUTH_FAILED);
		assert_string_equal(err.text, "the token is missing, not ours, or over");
	}
	return r;
}

static int check(const struct buf *token)
{
	unsigned id = 99;
	int r = check_at(token, NOW, &id);

	assert_int_equal(id, r == 0 ? 7 : 99);
	return r;
}

static void test_made(void **state)
{
	CLEANUP(buf_fini) struct buf made = BUF_INIT(TOKEN_MAX), wanted = BUF_INIT(TOKEN_MAX);
	const struct token_user user = {.id = 7, .email = "a@b.c"};
	static const struct {
		int64_t now;
		bool good;
	} times[] = {
		{NOW, true},
		{NOW + TOKEN_SECONDS - 1, true},
		{NOW + TOKEN_SECONDS, false},
		{NOW + 10 * TOKEN_SECONDS, false},
		{-1, false},
		{INT64_MIN, false},
	};
	struct err err;
	unsigned id;

	(void)state;
	assert_int_equal(token_make(key, &user, NOW, &made, &err), 0);
	write_token(key, HEADER, CLAIMS, &wanted);
	assert_true(slice_equal(buf_slice(&made), buf_slice(&wanted)));
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		assert_int_equal(check_at(&made, times[i].now, &id),
				 times[i].good ? 0 : ERR_AUTH_FAILED);
}

/* An email may be anything: it is a JSON string, and no claim of its own. */
static void test_email(void **state)
{
	CLEANUP(buf_fini) struct buf made = BUF_INIT(TOKEN_MAX);
	const struct token_user user = {.id = 7, .email = "\",\"nameid\":\"1\"\n\x01"};
	char long_one[4 * 1024 + 1];
	struct err err;

	(void)state;
	assert_int_equal(token_make(key, &user, NOW, &made, &err), 0);
	assert_int_equal(check(&made), 0);
	memset(long_one, '"', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	buf_reset(&made);
	assert_int_equal(token_make(key, &(struct token_user){7, long_one}, NOW, &made, &err),
			 ERR_TOO_LARGE);
	assert_int_equal(made.len, 0);
}

/* All of them with a good MAC, but for the other key's. */
static void test_forged(void **state)
{
	static const struct {
		const char *header, *claims;
		bool with_other;
	} rows[] = {
		{HEADER, CLAIMS, true},
		{"{\"alg\":\"none\",\"typ\":\"JWT\"}", CLAIMS, false},
		{"{\"alg\":\"HS384\",\"typ\":\"JWT\"}", CLAIMS, false},
		{"{\"typ\":\"JWT\",\"alg\":\"HS256\"}", CLAIMS, false},
		{"{\"alg\":\"HS256\"}", CLAIMS, false},
		{"", CLAIMS, false},
		{HEADER, "", false},
		{HEADER, "{}", false},
		{HEADER, "[]", false},
		{HEADER, "{\"nameid\":\"7\"}", false},
		{HEADER, "{\"exp\":1900014400}", false},
		{HEADER, "{\"nameid\":7,\"exp\":1900014400}", false},
		{HEADER, "{\"nameid\":\"-7\",\"exp\":1900014400}", false},
		{HEADER, "{\"nameid\":\"7x\",\"exp\":1900014400}", false},
		{HEADER, "{\"nameid\":\"99999999999999999999999\",\"exp\":1900014400}", false},
		{HEADER, "{\"nameid\":\"4294967295\",\"exp\":1900014400}", false},
		{HEADER, "{\"nameid\":\"7\",\"exp\":\"1900014400\"}", false},
		{HEADER, "{\"nameid\":\"7\",\"exp\":1900000000}", false},
		{HEADER, "{\"nameid\":\"7\",\"exp\":-1}", false},
		{HEADER, "{\"nameid\":\"7\",\"nameid\":\"7\",\"exp\":1900014400}", false},
	};
	CLEANUP(buf_fini) struct buf token = BUF_INIT(TOKEN_MAX);

	(void)state;
	write_token(key, HEADER, CLAIMS, &token);
	assert_int_equal(check(&token), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		write_token(rows[i].with_other ? other : key, rows[i].header, rows[i].claims,
			    &token);
		if (check(&token) == 0)
			fail_msg("row %zu was taken", i);
	}
}

/* "alg": "none" has no third part, and nothing else is taken without one. */
static void test_unsigned(void **state)
{
	static const char *const HEADERS[] = {HEADER, "{\"alg\":\"none\"}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(HEADERS); i++) {
		CLEANUP(buf_fini) struct buf token = BUF_INIT(TOKEN_MAX);

		base64url_encode(&token, slice_str(HEADERS[i]));
		buf_put_u8(&token, '.');
		base64url_encode(&token, slice_str(CLAIMS));
		assert_int_equal(check(&token), ERR_AUTH_FAILED);
		buf_put_u8(&token, '.');
		assert_int_equal(check(&token), ERR_AUTH_FAILED);
	}
}

/*
 * No character may be another one, none may be missing or too many. base64 with odd last bits is
 * among them: it would decode to the same bytes.
 */
static void test_changed(void **state)
{
	static const char OTHERS[] = "ABQZaz019-_+/=. \n";
	CLEANUP(buf_fini) struct buf token = BUF_INIT(TOKEN_MAX);

	(void)state;
	write_token(key, HEADER, CLAIMS, &token);
	for (size_t i = 0; i < token.len; i++) {
		uint8_t was = token.data[i];

		for (size_t k = 0; k < sizeof(OTHERS); k++) {
			token.data[i] = (uint8_t)OTHERS[k];
			if (token.data[i] != was)
				assert_int_equal(check(&token), ERR_AUTH_FAILED);
		}
		token.data[i] = was;
	}
	assert_int_equal(check(&token), 0);
	buf_put_u8(&token, '=');
	assert_int_equal(check(&token), ERR_AUTH_FAILED);
	for (token.len -= 2; token.len > 0; token.len--)
		assert_int_equal(check(&token), ERR_AUTH_FAILED);
	assert_int_equal(check(&token), ERR_AUTH_FAILED);
}

static void test_long(void **state)
{
	CLEANUP(buf_fini) struct buf token = BUF_INIT(TOKEN_MAX + 1);

	(void)state;
	while (token.len <= TOKEN_MAX)
		buf_put_u8(&token, 'e');
	assert_int_equal(check(&token), ERR_AUTH_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),	cmocka_unit_test(test_email),
		cmocka_unit_test(test_forged),	cmocka_unit_test(test_unsigned),
		cmocka_unit_test(test_changed), cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
