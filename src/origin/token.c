/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header is compared as text, so nobody chooses an algorithm for us (RFC 8725, 3.1), and the
 * MAC as text in base64url, so that there is one form of each.
 */

#include "origin/token.h"

#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "crypto/hash.h"

#define HEADER	   "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" /* {"alg":"HS256","typ":"JWT"} */
#define MAC_TEXT   43u /* characters of base64url of a SHA-256, without padding */
#define CLAIMS_MAX 6000u
#define USERS_MAX  UINT32_MAX

static int memory_is_short(struct err *err)
{
	return err_set(err, ERR_INTERNAL, "memory is short");
}

/* Appends the MAC of @text. */
static int put_mac(const struct secret *key, struct slice text, struct buf *out, struct err *err)
{
	uint8_t mac[HASH_MAX_SIZE];
	int r = hash_hmac(HASH_SHA256, secret_slice(key), &text, 1, mac, err);

	if (r < 0)
		return r;
	base64url_encode(out, slice_of(mac, hash_size(HASH_SHA256)));
	wipe(mac, sizeof(mac));
	return 0;
}

static void put_claims(struct buf *out, const struct token_user *user, int64_t now)
{
	buf_printf(out, "{\"nameid\":\"%u\",\"unique_name\":", user->id);
	json_put_string(out, user->email);
	buf_printf(out, ",\"role\":\"User\",\"exp\":%" PRId64 "}", now + TOKEN_SECONDS);
}

int token_make(const struct secret *key, const struct token_user *user, int64_t now,
	       struct buf *ret_token, struct err *err)
{
	CLEANUP(buf_fini) struct buf claims = BUF_INIT(CLAIMS_MAX);
	CLEANUP(buf_fini) struct buf token = BUF_INIT(TOKEN_MAX);
	int r;

	put_claims(&claims, user, now);
	buf_put_str(&token, HEADER ".");
	base64url_encode(&token, buf_slice(&claims));
	if (!buf_ok(&claims) || !buf_ok(&token))
		return err_set(err, ERR_TOO_LARGE, "the token is too long");
	buf_put_u8(&token, '.');
	r = put_mac(key, slice_of(token.data, token.len - 1), &token, err);
	if (r < 0)
		return r;
	buf_put(ret_token, buf_slice(&token));
	return buf_ok(&token) && buf_ok(ret_token) ? 0 : memory_is_short(err);
}

/* --- looking at one --- */

static int refuse(struct err *err)
{
	(void)err_set(err, ERR_AUTH_FAILED, "the token is missing, not ours, or over");
	return err_add_remedy(err, "Log in again.");
}

/* Appends what @text, base64url without padding, stands for. False: it is none. */
static bool decode(struct slice text, struct buf *out)
{
	CLEANUP(buf_fini) struct buf standard = BUF_INIT(TOKEN_MAX);
	size_t len = 0, before = out->len;
	uint8_t *room;

	for (size_t i = 0; i < text.len; i++) {
		char ch = (char)text.data[i];

		buf_put_u8(&standard, (uint8_t)(ch == '-' ? '+' : ch == '_' ? '/' : ch));
	}
	while (standard.len % 4 != 0)
		buf_put_u8(&standard, '=');
	room = buf_grow(out, base64_decoded_max(standard.len));
	if (!buf_ok(&standard) || !room || !base64_decode(buf_slice(&standard), room, &len))
		return false;
	out->len = before + len;
	return true;
}

/* The claims of a token that is ours. */
static int read_claims(struct slice text, int64_t now, unsigned *ret_id, struct err *err)
{
	CLEANUP(buf_fini) struct buf claims = BUF_INIT(TOKEN_MAX);
	CLEANUP(json_cleanup) struct json_t *object = NULL;
	const char *nameid = NULL;
	uint64_t exp = 0, id = 0;
	struct err ignored;

	if (!decode(text, &claims) || json_parse(buf_slice(&claims), &object, &ignored) < 0 ||
	    json_get_string(object, "nameid", true, &nameid, &ignored) < 0 ||
	    json_get_u64(object, "exp", true, 0, INT64_MAX, &exp, &ignored) < 0)
		return refuse(err);
	for (; *nameid; nameid++) {
		if (*nameid < '0' || *nameid > '9' || id > USERS_MAX / 10)
			return refuse(err);
		id = id * 10 + (uint64_t)(*nameid - '0');
	}
	if (now < 0 || (uint64_t)now >= exp || id >= USERS_MAX)
		return refuse(err);
	*ret_id = (unsigned)id;
	return 0;
}

int token_check(const struct secret *key, struct slice token, int64_t now, unsigned *ret_id,
		struct err *err)
{
	static const char BEGIN[] = HEADER ".";
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(MAC_TEXT);
	const size_t begin = sizeof(BEGIN) - 1;
	size_t claims_end;
	int r;

	if (token.len > TOKEN_MAX || token.len < begin + 1 + MAC_TEXT)
		return refuse(err);
	claims_end = token.len - MAC_TEXT - 1;
	r = put_mac(key, slice_of(token.data, claims_end), &mac, err);
	if (r < 0 || !buf_ok(&mac))
		return r < 0 ? r : memory_is_short(err);
	if (!secret_equal(buf_slice(&mac), slice_of(token.data + claims_end + 1, MAC_TEXT)) ||
	    token.data[claims_end] != '.' ||
	    !slice_equal(slice_of(token.data, begin), slice_str(BEGIN)))
		return refuse(err);
	return read_claims(slice_of(token.data + begin, claims_end - begin), now, ret_id, err);
}
