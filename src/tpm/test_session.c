/* SPDX-License-Identifier: Apache-2.0 */

/* The test plays the chip: it computes the other side of each formula by its own means. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "tpm/session.h"

#define CODE 0x0000015eu /* TPM2_CC_Unseal */

static const uint8_t salt[32] = {1, 2, 3};
static const uint8_t caller[32] = {4, 5, 6};
static const uint8_t tpm_nonce[32] = {7, 8, 9};
static const char auth[] = "auth";

static void begin_again(struct session *session)
{
	struct err err;

	assert_int_equal(session_begin(session, 0x02000000, slice_of(salt, 32),
				       slice_of(caller, 32), slice_of(tpm_nonce, 32), &err),
			 0);
}

static void begin(struct session *session)
{
	memset(session, 0, sizeof(*session));
	begin_again(session);
}

/* HMAC-SHA-256 of parts under sessionKey || authValue, as Part 1 says. */
static void chip_hmac(const struct session *session, const struct slice *parts, size_t count,
		      uint8_t out[32])
{
	uint8_t key[64];
	struct err err;

	memcpy(key, session->key, 32);
	memcpy(key + 32, auth, sizeof(auth) - 1);
	assert_int_equal(hash_hmac(HASH_SHA256, slice_of(key, 32 + sizeof(auth) - 1), parts, count,
				   out, &err),
			 0);
}

static void test_session_key(void **state)
{
	/* KDFa written out: counter, label, NUL, nonceTPM, nonceCaller, bits. */
	const uint8_t one[4] = {0, 0, 0, 1}, bits[4] = {0, 0, 1, 0};
	struct slice parts[] = {slice_of(one, 4), slice_of("ATH", 4), slice_of(tpm_nonce, 32),
				slice_of(caller, 32), slice_of(bits, 4)};
	struct session session;
	uint8_t expected[32];
	struct err err;

	(void)state;
	begin(&session);
	assert_int_equal(
		hash_hmac(HASH_SHA256, slice_of(salt, 32), parts, ARRAY_LEN(parts), expected, &err),
		0);
	assert_memory_equal(session.key, expected, 32);
	session_fini(&session);
	assert_int_equal(session.handle, SESSION_NONE);
}

static void test_unsalted_key_is_empty(void **state)
{
	struct session session = {0};
	struct err err;

	(void)state;
	assert_int_equal(session_begin(&session, 1, slice_of(NULL, 0), slice_of(caller, 32),
				       slice_of(tpm_nonce, 32), &err),
			 0);
	assert_int_equal(session.key_len, 0);
}

static void test_short_nonce_is_refused(void **state)
{
	struct session session = {0};
	struct err err;

	(void)state;
	assert_int_equal(session_begin(&session, 1, slice_of(salt, 32), slice_of(caller, 32),
				       slice_of(tpm_nonce, 15), &err),
			 ERR_TPM_FAILED);
	assert_int_equal(session.handle, SESSION_NONE);
}

static void test_command_hmac(void **state)
{
	struct session_use use = {.auth = slice_str(auth), .attributes = SESSION_CONTINUE};
	struct slice cp[] = {slice_str("\x01\x02"), slice_str("names"), slice_str("parameters")};
	uint8_t digest[32], expected[32], hmac[32];
	struct session session;
	struct err err;

	(void)state;
	begin(&session);
	assert_int_equal(hash_digest(HASH_SHA256, cp, 3, digest, &err), 0);
	chip_hmac(&session,
		  (struct slice[]){slice_of(digest, 32), slice_of(caller, 32),
				   slice_of(tpm_nonce, 32), slice_of(&use.attributes, 1)},
		  4, expected);
	assert_int_equal(session_command_hmac(&session, &use, cp, 3, hmac, &err), 0);
	assert_memory_equal(hmac, expected, 32);
}

/* What the chip encrypts with its newer nonce first, we decrypt. */
static void test_response_parameter(void **state)
{
	struct session_use use = {.auth = slice_str(auth), .attributes = SESSION_ENCRYPT};
	uint8_t key[64], stream[32], data[40] = "a secret that comes from the chip";
	struct hash_kdfa kdf = {.alg = HASH_SHA256,
				.label = "CFB",
				.context_u = slice_of(tpm_nonce, 32),
				.context_v = slice_of(caller, 32),
				.bits = 256};
	struct session session;
	struct err err;

	(void)state;
	begin(&session);
	memcpy(key, session.key, 32);
	memcpy(key + 32, auth, sizeof(auth) - 1);
	kdf.key = slice_of(key, 32 + sizeof(auth) - 1);
	assert_int_equal(hash_kdfa(&kdf, stream, &err), 0);
	assert_int_equal(cipher_cfb128(stream, stream + 16, true, data, sizeof(data), &err), 0);
	assert_memory_not_equal(data, "a secret that comes from the chip", 33);
	assert_int_equal(session_decrypt(&session, &use, data, sizeof(data), &err), 0);
	assert_string_equal((char *)data, "a secret that comes from the chip");
}

struct reply {
	uint8_t parameters[10], nonce[32], hmac[32], attributes;
};

static void chip_reply(const struct session *session, struct reply *reply)
{
	uint8_t head[8] = {0, 0, 0, 0, 0, 0, 0x01, 0x5e}, digest[32];
	struct slice rp[] = {slice_of(head, 8), slice_of(reply->parameters, 10)};
	struct err err;

	assert_int_equal(hash_digest(HASH_SHA256, rp, 2, digest, &err), 0);
	chip_hmac(session,
		  (struct slice[]){slice_of(digest, 32), slice_of(reply->nonce, 32),
				   slice_of(caller, 32), slice_of(&reply->attributes, 1)},
		  4, reply->hmac);
}

static int accept_reply(const struct reply *reply, struct session *session)
{
	struct session_use use = {.auth = slice_str(auth), .attributes = SESSION_CONTINUE};
	struct session_answer answer = {
		.code = CODE,
		.parameters = slice_of(reply->parameters, 10),
		.nonce_tpm = slice_of(reply->nonce, 32),
		.hmac = slice_of(reply->hmac, 32),
		.attributes = reply->attributes,
	};
	struct err err;

	return session_accept(session, &use, &answer, &err);
}

static void test_reply_is_taken(void **state)
{
	struct reply reply = {.nonce = {42}, .attributes = SESSION_CONTINUE};
	struct session session;

	(void)state;
	begin(&session);
	chip_reply(&session, &reply);
	assert_int_equal(accept_reply(&reply, &session), 0);
	assert_memory_equal(session.nonce_tpm, reply.nonce, 32);
}

/* Any changed bit, anywhere, is no answer of the chip. */
static void test_forged_replies(void **state)
{
	struct reply good = {.nonce = {42}, .attributes = SESSION_CONTINUE}, bad;
	struct session session;
	size_t i;

	(void)state;
	begin(&session);
	chip_reply(&session, &good);
	for (i = 0; i < sizeof(good); i++) {
		bad = good;
		((uint8_t *)&bad)[i] ^= 0x10;
		begin(&session);
		assert_int_equal(accept_reply(&bad, &session), ERR_TPM_FAILED);
	}
}

static void test_dropped_encryption_is_refused(void **state)
{
	struct session_use use = {.auth = slice_str(auth),
				  .attributes = SESSION_CONTINUE | SESSION_ENCRYPT};
	struct reply reply = {.nonce = {42}, .attributes = SESSION_CONTINUE};
	struct session_answer answer;
	struct session session;
	struct err err;

	(void)state;
	begin(&session);
	chip_reply(&session, &reply);
	answer = (struct session_answer){.code = CODE,
					 .parameters = slice_of(reply.parameters, 10),
					 .nonce_tpm = slice_of(reply.nonce, 32),
					 .hmac = slice_of(reply.hmac, 32),
					 .attributes = reply.attributes};
	assert_int_equal(session_accept(&session, &use, &answer, &err), ERR_TPM_FAILED);
}

/* Nonces come by the dozen: none twice, across fillings, and none left for the next session. */
static void test_nonces_are_fresh(void **state)
{
	uint8_t seen[2 * SESSION_NONCES + 3][32];
	struct session session;
	struct err err;
	size_t i, j;

	(void)state;
	begin(&session);
	for (i = 0; i < ARRAY_LEN(seen); i++) {
		if (i == ARRAY_LEN(seen) - 1) {
			assert_true(session.nonces_left > 0);
			begin_again(&session);
			assert_int_equal(session.nonces_left, 0);
		}
		assert_int_equal(session_roll(&session, &err), 0);
		memcpy(seen[i], session.nonce_caller, 32);
		for (j = 0; j < i; j++)
			assert_memory_not_equal(seen[i], seen[j], 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_key),
		cmocka_unit_test(test_unsalted_key_is_empty),
		cmocka_unit_test(test_nonces_are_fresh),
		cmocka_unit_test(test_short_nonce_is_refused),
		cmocka_unit_test(test_command_hmac),
		cmocka_unit_test(test_response_parameter),
		cmocka_unit_test(test_reply_is_taken),
		cmocka_unit_test(test_forged_replies),
		cmocka_unit_test(test_dropped_encryption_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
