/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keys do: sign, verify, share a secret, encrypt; and what must be refused. OpenSSL is used
 * directly where an independent answer is wanted.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "crypto/pkey.h"
#include "crypto/pkey_impl.h"

static struct pkey *keys[PKEY_TYPES];

static int setup(void **state)
{
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++)
		if (pkey_generate((enum pkey_type)i, &keys[i], &err) < 0)
			return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++)
		pkey_free(keys[i]);
	pkey_free(NULL);
	return 0;
}

static void spki_of(const struct pkey *pkey, struct buf *ret_der)
{
	struct err err = {0};

	assert_int_equal(pkey_to_spki(pkey, ret_der, &err), 0);
}

static const struct {
	enum pkey_type type;
	enum pkey_scheme scheme;
} fits[] = {
	{PKEY_ECC_P256, PKEY_ECDSA},  {PKEY_ECC_P384, PKEY_ECDSA},  {PKEY_RSA_2048, PKEY_RSASSA},
	{PKEY_RSA_2048, PKEY_RSAPSS}, {PKEY_RSA_3072, PKEY_RSASSA}, {PKEY_RSA_3072, PKEY_RSAPSS},
};

static void test_sign(void **state)
{
	uint8_t digest[HASH_MAX_SIZE] = {1, 2, 3};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fits); i++) {
		for (unsigned a = HASH_SHA256; a < HASH_ALGS; a++) {
			enum hash_alg alg = (enum hash_alg)a;
			struct slice d = slice_of(digest, hash_size(alg));
			const struct pkey *key = keys[fits[i].type];
			CLEANUP(buf_fini) struct buf sig = BUF_INIT(1024);

			assert_int_equal(pkey_sign(key, fits[i].scheme, alg, d, &sig, &err), 0);
			assert_int_equal(
				pkey_verify(key, fits[i].scheme, alg, d, buf_slice(&sig), &err), 0);
			digest[5] ^= 1;
			assert_int_equal(
				pkey_verify(key, fits[i].scheme, alg, d, buf_slice(&sig), &err),
				ERR_DAMAGED);
			digest[5] ^= 1;
			sig.data[sig.len / 2] ^= 1;
			assert_int_equal(
				pkey_verify(key, fits[i].scheme, alg, d, buf_slice(&sig), &err),
				ERR_DAMAGED);
			assert_int_equal(
				pkey_verify(key, fits[i].scheme, alg, d, slice_of(NULL, 0), &err),
				ERR_DAMAGED);
		}
	}
}

static void test_sign_refuses(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	CLEANUP(buf_fini) struct buf der = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf sig = BUF_INIT(1024);
	uint8_t digest[HASH_MAX_SIZE] = {0};
	struct slice d32 = slice_of(digest, 32), d20 = slice_of(digest, 20);
	struct err err = {0};

	(void)state;
	for (unsigned t = 0; t < PKEY_TYPES; t++) {
		for (unsigned s = 0; s < PKEY_SCHEMES; s++) {
			if (pkey_type_is_rsa((enum pkey_type)t) == (s != PKEY_ECDSA))
				continue;
			assert_int_equal(pkey_sign(keys[t], (enum pkey_scheme)s, HASH_SHA256, d32,
						   &sig, &err),
					 ERR_INVALID);
			assert_int_equal(pkey_verify(keys[t], (enum pkey_scheme)s, HASH_SHA256, d32,
						     slice_str("x"), &err),
					 ERR_INVALID);
		}
	}
	assert_int_equal(pkey_sign(keys[0], PKEY_ECDSA, HASH_SHA384, d32, &sig, &err), ERR_INVALID);
	assert_int_equal(pkey_sign(keys[0], PKEY_ECDSA, HASH_SHA1, d20, &sig, &err), ERR_INVALID);
	spki_of(keys[0], &der);
	assert_int_equal(pkey_from_spki(buf_slice(&der), &public, &err), 0);
	assert_int_equal(pkey_sign(public, PKEY_ECDSA, HASH_SHA256, d32, &sig, &err), ERR_INVALID);
	assert_int_equal(sig.len, 0);
}

/* The salt that we make is as long as the digest; one of another length is taken as well. */
static void test_pss_salts(void **state)
{
	static const char *const lens[] = {"0", "20", "32", "max"};
	uint8_t digest[32] = {9}, sig[256];
	struct slice d = slice_of(digest, sizeof(digest));
	CLEANUP(buf_fini) struct buf ours = BUF_INIT(512);
	EVP_PKEY *key = keys[PKEY_RSA_2048]->key;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
		size_t len = sizeof(sig);

		assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
		assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_padding_mode", "pss"), 1);
		assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "digest", "SHA256"), 1);
		assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_pss_saltlen", lens[i]), 1);
		assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, digest, 32), 1);
		EVP_PKEY_CTX_free(ctx);
		assert_int_equal(pkey_verify(keys[PKEY_RSA_2048], PKEY_RSAPSS, HASH_SHA256, d,
					     slice_of(sig, len), &err),
				 0);
	}
	assert_int_equal(pkey_sign(keys[PKEY_RSA_2048], PKEY_RSAPSS, HASH_SHA256, d, &ours, &err),
			 0);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_padding_mode", "pss"), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "digest", "SHA256"), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_pss_saltlen", "32"), 1);
	assert_int_equal(EVP_PKEY_verify(ctx, ours.data, ours.len, digest, 32), 1);
	EVP_PKEY_CTX_free(ctx);
}

static void test_ecdsa_forms(void **state)
{
	/* r with a leading zero byte and its high bit set behind it, s short. */
	uint8_t r[32] = {0, 0x80, 1}, s[32] = {0};
	static const uint8_t head[] = {0x30, 0x25, 0x02, 0x20, 0x00, 0x80, 0x01};
	CLEANUP(buf_fini) struct buf der = BUF_INIT(128);
	CLEANUP(buf_fini) struct buf raw = BUF_INIT(128);
	struct err err = {0};

	(void)state;
	s[31] = 7;
	assert_int_equal(
		pkey_ecdsa_der(PKEY_ECC_P256, slice_of(r, 32), slice_of(s, 32), &der, &err), 0);
	assert_int_equal(der.len, 39);
	assert_memory_equal(der.data, head, sizeof(head));
	assert_memory_equal(der.data + 36, "\x02\x01\x07", 3);
	assert_int_equal(pkey_ecdsa_raw(PKEY_ECC_P256, buf_slice(&der), &raw, &err), 0);
	assert_int_equal(raw.len, 64);
	assert_memory_equal(raw.data, r, 32);
	assert_memory_equal(raw.data + 32, s, 32);
	buf_reset(&raw);
	assert_int_equal(pkey_ecdsa_raw(PKEY_ECC_P384, buf_slice(&der), &raw, &err), 0);
	assert_int_equal(raw.len, 96);
}

static void test_ecdsa_forms_refuse(void **state)
{
	static const uint8_t over[33] = {1};
	static const uint8_t zero[32];
	static const uint8_t one[1] = {1};
	CLEANUP(buf_fini) struct buf out = BUF_INIT(256);
	CLEANUP(buf_fini) struct buf der = BUF_INIT(256);
	const struct slice s_one = slice_of(one, 1);
	struct err err = {0};

	(void)state;
	assert_int_equal(pkey_ecdsa_der(PKEY_ECC_P256, slice_of(over, 33), s_one, &out, &err),
			 ERR_INVALID);
	assert_int_equal(pkey_ecdsa_der(PKEY_ECC_P256, s_one, slice_of(zero, 32), &out, &err),
			 ERR_INVALID);
	assert_int_equal(pkey_ecdsa_der(PKEY_ECC_P256, s_one, slice_of(one, 0), &out, &err),
			 ERR_INVALID);
	assert_int_equal(pkey_ecdsa_der(PKEY_RSA_2048, s_one, s_one, &out, &err), ERR_INVALID);
	assert_int_equal(pkey_ecdsa_der(PKEY_ECC_P384, slice_of(over, 33), s_one, &der, &err), 0);
	assert_int_equal(pkey_ecdsa_raw(PKEY_ECC_P256, buf_slice(&der), &out, &err), ERR_INVALID);
	buf_put_u8(&der, 0);
	assert_int_equal(pkey_ecdsa_raw(PKEY_ECC_P384, buf_slice(&der), &out, &err), ERR_INVALID);
	assert_int_equal(pkey_ecdsa_raw(PKEY_ECC_P384, slice_str("0"), &out, &err), ERR_INVALID);
	assert_int_equal(pkey_ecdsa_raw(PKEY_RSA_2048, s_one, &out, &err), ERR_INVALID);
	assert_int_equal(out.len, 0);
}

/* The peer computes the same x from its private half and the ephemeral point. */
static void test_ecdh(void **state)
{
	static const enum pkey_type types[] = {PKEY_ECC_P256, PKEY_ECC_P384};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		CLEANUP(pkey_cleanup) struct pkey *point = NULL;
		struct pkey_ecdh ecdh = {0};
		uint8_t z[48];
		size_t len = sizeof(z);
		EVP_PKEY_CTX *ctx;

		assert_int_equal(pkey_ecdh_ephemeral(keys[types[i]], &ecdh, &err), 0);
		assert_int_equal(ecdh.size, i == 0 ? 32 : 48);
		assert_int_equal(pkey_from_ecc(types[i], slice_of(ecdh.x, ecdh.size),
					       slice_of(ecdh.y, ecdh.size), &point, &err),
				 0);
		ctx = EVP_PKEY_CTX_new_from_pkey(NULL, keys[types[i]]->key, NULL);
		assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
		assert_int_equal(EVP_PKEY_derive_set_peer(ctx, point->key), 1);
		assert_int_equal(EVP_PKEY_derive(ctx, z, &len), 1);
		assert_int_equal(len, ecdh.size);
		assert_memory_equal(z, ecdh.z, len);
		EVP_PKEY_CTX_free(ctx);
	}
	struct pkey_ecdh none = {.size = 99};
	assert_int_equal(pkey_ecdh_ephemeral(keys[PKEY_RSA_2048], &none, &err), ERR_INVALID);
	assert_int_equal(none.size, 99);
}

/* Opened by OpenSSL with the label's NUL, as a TPM would. */
static void test_oaep(void **state)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(512);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, keys[PKEY_RSA_2048]->key, NULL);
	uint8_t plain[256] = {0};
	size_t len = sizeof(plain);
	struct err err = {0};

	(void)state;
	assert_int_equal(pkey_oaep_encrypt(keys[PKEY_RSA_2048], HASH_SHA256, "SECRET",
					   slice_str("salt salt salt"), &sealed, &err),
			 0);
	assert_int_equal(sealed.len, 256);
	assert_int_equal(EVP_PKEY_decrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_padding_mode", "oaep"), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_oaep_md", "SHA256"), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_mgf1_md", "SHA256"), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_oaep_label", "53454352455400"), 1);
	assert_int_equal(EVP_PKEY_decrypt(ctx, plain, &len, sealed.data, sealed.len), 1);
	assert_int_equal(len, 14);
	assert_memory_equal(plain, "salt salt salt", 14);
	EVP_PKEY_CTX_free(ctx);
	assert_int_equal(pkey_oaep_encrypt(keys[PKEY_RSA_2048], HASH_SHA256, "SECRET",
					   slice_of(plain, 191), &sealed, &err),
			 ERR_TOO_LARGE);
	assert_int_equal(pkey_oaep_encrypt(keys[PKEY_ECC_P256], HASH_SHA256, "SECRET",
					   slice_of(plain, 1), &sealed, &err),
			 ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_sign_refuses),
		cmocka_unit_test(test_pss_salts),
		cmocka_unit_test(test_ecdsa_forms),
		cmocka_unit_test(test_ecdsa_forms_refuse),
		cmocka_unit_test(test_ecdh),
		cmocka_unit_test(test_oaep),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
