/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The formulas of TPM 2.0 Part 1: "sessionKey Creation", "Command Parameter Hash (cpHash)" and
 * "Response Parameter Hash (rpHash)", "HMAC Computation" with nonceNewer and nonceOlder, and
 * "CFB Mode Parameter Encryption". The value that keys
 * HMAC and encryption is sessionKey || authValue of the entity that the session authorises.
 */

#include "tpm/session.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"

#define SESSION_AUTH_MAX 64u
#define CFB_KEY_SIZE	 16u
#define CFB_IV_SIZE	 16u

/* sessionKey || authValue, wiped at the end of its scope. */
struct session_value {
	uint8_t bytes[SESSION_HASH_SIZE + SESSION_AUTH_MAX];
	size_t len;
};

static void session_value_wipe(struct session_value *value)
{
	wipe(value, sizeof(*value));
}

static int session_value_make(const struct session *session, const struct session_use *use,
			      struct session_value *ret_value, struct err *err)
{
	if (use->auth.len > SESSION_AUTH_MAX)
		return err_set(err, ERR_INVALID, "an authorisation value is too long");
	memcpy(ret_value->bytes, session->key, session->key_len);
	if (use->auth.len)
		memcpy(ret_value->bytes + session->key_len, use->auth.data, use->auth.len);
	ret_value->len = session->key_len + use->auth.len;
	return 0;
}

static struct slice nonce_caller(const struct session *session)
{
	return slice_of(session->nonce_caller, sizeof(session->nonce_caller));
}

static struct slice nonce_tpm(const struct session *session)
{
	return slice_of(session->nonce_tpm, session->nonce_tpm_len);
}

static int nonce_check(struct slice nonce, struct err *err)
{
	if (nonce.len < 16 || nonce.len > SESSION_HASH_SIZE)
		return err_set(err, ERR_TPM_FAILED, "the TPM sent a nonce of %zu bytes", nonce.len);
	return 0;
}

int session_begin(struct session *session, uint32_t handle, struct slice salt, struct slice caller,
		  struct slice tpm, struct err *err)
{
	struct hash_kdfa kdf = {
		.alg = HASH_SHA256,
		.key = salt,
		.label = "ATH",
		.context_u = tpm,
		.context_v = caller,
		.bits = SESSION_HASH_SIZE * 8,
	};
	int r = nonce_check(tpm, err);

	if (r < 0)
		return r;
	if (caller.len != sizeof(session->nonce_caller))
		return err_set(err, ERR_INTERNAL, "a caller nonce has the wrong size");
	session_fini(session);
	if (salt.len) {
		r = hash_kdfa(&kdf, session->key, err);
		if (r < 0)
			return r;
		session->key_len = SESSION_HASH_SIZE;
	}
	memcpy(session->nonce_caller, caller.data, caller.len);
	memcpy(session->nonce_tpm, tpm.data, tpm.len);
	session->nonce_tpm_len = tpm.len;
	session->handle = handle;
	return 0;
}

/* Asking OpenSSL costs as much as two HMACs, however few bytes it is asked for: so for many. */
int session_roll(struct session *session, struct err *err)
{
	int r;

	if (session->nonces_left == 0) {
		r = cipher_random(session->nonces[0], sizeof(session->nonces), err);
		if (r < 0)
			return r;
		session->nonces_left = SESSION_NONCES;
	}
	memcpy(session->nonce_caller, session->nonces[--session->nonces_left],
	       sizeof(session->nonce_caller));
	return 0;
}

/* Newer and older nonce: the sender's own comes first. */
static int crypt_parameter(const struct session *session, const struct session_use *use,
			   bool outgoing, struct slice data, struct err *err)
{
	CLEANUP(session_value_wipe) struct session_value value = {0};
	uint8_t stream[CFB_KEY_SIZE + CFB_IV_SIZE];
	struct hash_kdfa kdf = {
		.alg = HASH_SHA256,
		.label = "CFB",
		.context_u = outgoing ? nonce_caller(session) : nonce_tpm(session),
		.context_v = outgoing ? nonce_tpm(session) : nonce_caller(session),
		.bits = sizeof(stream) * 8,
	};
	int r;

	r = session_value_make(session, use, &value, err);
	if (r < 0)
		return r;
	kdf.key = slice_of(value.bytes, value.len);
	r = hash_kdfa(&kdf, stream, err);
	if (r == 0)
		r = cipher_cfb128(stream, stream + CFB_KEY_SIZE, outgoing, (uint8_t *)data.data,
				  data.len, err);
	wipe(stream, sizeof(stream));
	return r;
}

int session_encrypt(const struct session *session, const struct session_use *use, uint8_t *data,
		    size_t len, struct err *err)
{
	return crypt_parameter(session, use, true, slice_of(data, len), err);
}

int session_decrypt(const struct session *session, const struct session_use *use, uint8_t *data,
		    size_t len, struct err *err)
{
	return crypt_parameter(session, use, false, slice_of(data, len), err);
}

static int hmac_of(const struct session *session, const struct session_use *use,
		   const uint8_t digest[SESSION_HASH_SIZE], bool outgoing,
		   uint8_t ret_hmac[SESSION_HASH_SIZE], struct err *err)
{
	CLEANUP(session_value_wipe) struct session_value value = {0};
	struct slice parts[] = {
		slice_of(digest, SESSION_HASH_SIZE),
		outgoing ? nonce_caller(session) : nonce_tpm(session),
		outgoing ? nonce_tpm(session) : nonce_caller(session),
		slice_of(&use->attributes, 1),
	};
	int r;

	r = session_value_make(session, use, &value, err);
	if (r < 0)
		return r;
	return hash_hmac(HASH_SHA256, slice_of(value.bytes, value.len), parts, ARRAY_LEN(parts),
			 ret_hmac, err);
}

int session_command_hmac(const struct session *session, const struct session_use *use,
			 const struct slice *parts, size_t count,
			 uint8_t ret_hmac[SESSION_HASH_SIZE], struct err *err)
{
	uint8_t digest[SESSION_HASH_SIZE];
	int r;

	r = hash_digest(HASH_SHA256, parts, count, digest, err);
	if (r < 0)
		return r;
	return hmac_of(session, use, digest, true, ret_hmac, err);
}

static void put_u32(uint8_t out[4], uint32_t v)
{
	out[0] = (uint8_t)(v >> 24);
	out[1] = (uint8_t)(v >> 16);
	out[2] = (uint8_t)(v >> 8);
	out[3] = (uint8_t)v;
}

int session_accept(struct session *session, const struct session_use *use,
		   const struct session_answer *answer, struct err *err)
{
	uint8_t success_and_code[8] = {0}, digest[SESSION_HASH_SIZE], hmac[SESSION_HASH_SIZE];
	struct session_use answered = {.auth = use->auth, .attributes = answer->attributes};
	struct slice parts[2];
	struct session next;
	int r = nonce_check(answer->nonce_tpm, err);

	if (r < 0)
		return r;
	put_u32(success_and_code + 4, answer->code);
	parts[0] = slice_of(success_and_code, sizeof(success_and_code));
	parts[1] = answer->parameters;
	r = hash_digest(HASH_SHA256, parts, ARRAY_LEN(parts), digest, err);
	if (r < 0)
		return r;
	/* Tried on a copy: what is not authentic must not move our nonces. */
	next = *session;
	memcpy(next.nonce_tpm, answer->nonce_tpm.data, answer->nonce_tpm.len);
	next.nonce_tpm_len = answer->nonce_tpm.len;
	r = hmac_of(&next, &answered, digest, false, hmac, err);
	if (r == 0 && (!secret_equal(answer->hmac, slice_of(hmac, sizeof(hmac))) ||
		       answer->attributes != use->attributes))
		r = err_set(err, ERR_TPM_FAILED, "the TPM's answer is not authentic");
	if (r == 0)
		*session = next;
	wipe(&next, sizeof(next));
	return r;
}

void session_fini(struct session *session)
{
	wipe(session, sizeof(*session));
}
