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

#include "base/base64.h"
#include "crypto/pkey_impl.h"
#include "crypto/test_fixture.h"

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

static size_t unhex(const char *text, uint8_t *out)
{
	assert_true(hex_decode(slice_str(text), out, strlen(text) / 2));
	return strlen(text) / 2;
}

/* CAVS 14.1, ECC CDH, count 0 of both curves; and a pair whose secret begins with a zero. */
static void test_agree_vectors(void **state)
{
	static const struct {
		enum pkey_type type;
		const char *pkcs8, *x, *y, *z;
	} rows[] = {
		{PKEY_ECC_P256,
		 "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420"
		 "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
		 "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287",
		 "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
		 "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"},
		{PKEY_ECC_P256,
		 "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420"
		 "000000000000000000000000000000000000000000000000000000000000012e",
		 "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287",
		 "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
		 "0090ecae15bb98b6fb5dd140b47451c89773e3b939326062c0f3ef8a0f996fdb"},
		{PKEY_ECC_P384,
		 "304e020100301006072a8648ce3d020106052b81040022043730350201010430"
		 "3cc3122a68f0d95027ad38c067916ba0eb8c38894d22e1b1"
		 "5618b6818a661774ad463b205da88cf699ab4d43c9cf98a1",
		 "a7c76b970c3b5fe8b05d2838ae04ab47697b9eaf52e764592efda27fe7513272"
		 "734466b400091adbf2d68c58e0c50066",
		 "ac68f19f2e1cb879aed43a9969b91a0839c4c38a49749b661efedf243451915e"
		 "d0905a32b060992b468c64766fc8437a",
		 "5f9d29dc5e31a163060356213669c8ce132e22f57c9a04f40ba7fcead493b457"
		 "e5621e766c40a2e3d4d6a04b25e533f1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(pkey_cleanup) struct pkey *own = NULL;
		CLEANUP(pkey_cleanup) struct pkey *peer = NULL;
		CLEANUP(secret_cleanup) struct secret *z = NULL;
		uint8_t der[128], x[48], y[48], wanted[48];
		size_t der_len = unhex(rows[i].pkcs8, der), len = unhex(rows[i].x, x);
		struct err err = {0};

		(void)unhex(rows[i].y, y);
		(void)unhex(rows[i].z, wanted);
		assert_int_equal(pkey_from_pkcs8(slice_of(der, der_len), &own, &err), 0);
		assert_int_equal(pkey_from_ecc(rows[i].type, slice_of(x, len), slice_of(y, len),
					       &peer, &err),
				 0);
		assert_int_equal(pkey_agree(own, peer, &z, &err), 0);
		assert_true(slice_equal(secret_slice(z), slice_of(wanted, len)));
	}
}

static void test_agree_refuses(void **state)
{
	static const struct {
		enum pkey_type own, peer;
	} rows[] = {
		{PKEY_ECC_P256, PKEY_ECC_P384}, {PKEY_ECC_P384, PKEY_ECC_P256},
		{PKEY_RSA_2048, PKEY_ECC_P256}, {PKEY_RSA_2048, PKEY_RSA_2048},
		{PKEY_ECC_P256, PKEY_RSA_2048},
	};
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	struct secret *z = NULL;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(pkey_agree(keys[rows[i].own], keys[rows[i].peer], &z, &err),
				 ERR_INVALID);
	spki_of(keys[PKEY_ECC_P256], &spki);
	assert_int_equal(pkey_from_spki(buf_slice(&spki), &public, &err), 0);
	assert_int_equal(pkey_agree(public, keys[PKEY_ECC_P256], &z, &err), ERR_INVALID);
	assert_null(z);
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

/* As OpenSSL itself makes it: a label without any NUL, in hexadecimal. */
static void oaep_by_openssl(const struct pkey *peer, const char *md, const char *label,
			    struct slice plain, struct buf *ret_sealed)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, peer->key, NULL);
	uint8_t sealed[512];
	size_t len = sizeof(sealed);

	assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_padding_mode", "oaep"), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_oaep_md", md), 1);
	assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_mgf1_md", md), 1);
	if (label)
		assert_int_equal(EVP_PKEY_CTX_ctrl_str(ctx, "rsa_oaep_label", label), 1);
	assert_int_equal(EVP_PKEY_encrypt(ctx, sealed, &len, plain.data, plain.len), 1);
	EVP_PKEY_CTX_free(ctx);
	buf_reset(ret_sealed);
	buf_put(ret_sealed, slice_of(sealed, len));
	assert_true(buf_ok(ret_sealed));
}

static const struct {
	enum pkey_type type;
	enum hash_alg alg;
	const char *md, *label_hex, *label;
	size_t len;
} oaep_rows[] = {
	{PKEY_RSA_2048, HASH_SHA256, "SHA256", NULL, NULL, 32},
	{PKEY_RSA_2048, HASH_SHA256, "SHA256", NULL, NULL, 0},
	{PKEY_RSA_2048, HASH_SHA256, "SHA256", "6100", "a", 190},
	{PKEY_RSA_2048, HASH_SHA384, "SHA384", "6b657900", "key", 158},
	{PKEY_RSA_2048, HASH_SHA512, "SHA512", NULL, NULL, 126},
	{PKEY_RSA_3072, HASH_SHA256, "SHA256", "00", "", 318},
	{PKEY_RSA_3072, HASH_SHA1, "SHA1", NULL, NULL, 20},
};

static void test_oaep_decrypt(void **state)
{
	uint8_t plain[318];

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i + 3);
	for (size_t i = 0; i < 2 * ARRAY_LEN(oaep_rows); i++) {
		const struct pkey *key = keys[oaep_rows[i / 2].type];
		const char *label = oaep_rows[i / 2].label;
		struct slice label_bytes = slice_of(label, label ? strlen(label) + 1 : 0);
		struct slice wanted = slice_of(plain, oaep_rows[i / 2].len);
		CLEANUP(buf_fini) struct buf sealed = BUF_INIT(512);
		CLEANUP(secret_cleanup) struct secret *opened = NULL;
		struct err err = {0};

		if (i % 2)
			oaep_by_openssl(key, oaep_rows[i / 2].md, oaep_rows[i / 2].label_hex,
					wanted, &sealed);
		else
			assert_int_equal(pkey_oaep_encrypt(key, oaep_rows[i / 2].alg, label, wanted,
							   &sealed, &err),
					 0);
		assert_int_equal(pkey_oaep_decrypt(key, oaep_rows[i / 2].alg, label_bytes,
						   buf_slice(&sealed), &opened, &err),
				 0);
		assert_true(slice_equal(secret_slice(opened), wanted));
	}
}

/* Whatever is wrong with the ciphertext, the answer is one, to the letter. */
static void test_oaep_decrypt_refuses(void **state)
{
	static const struct {
		const char *what;
		enum hash_alg alg;
		const char *label;
		size_t label_len;
		size_t flip; /* a byte of the ciphertext; 256 = none */
	} rows[] = {
		{"another hash", HASH_SHA384, "a", 2, 256},
		{"another label", HASH_SHA256, "b", 2, 256},
		{"no label", HASH_SHA256, "", 0, 256},
		{"no NUL", HASH_SHA256, "a", 1, 256},
		{"first byte", HASH_SHA256, "a", 2, 0},
		{"last byte", HASH_SHA256, "a", 2, 255},
	};
	const struct pkey *key = keys[PKEY_RSA_2048];
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(512);
	struct secret *opened = NULL;
	struct err err = {0}, first = {0};
	uint8_t large[256];

	(void)state;
	oaep_by_openssl(key, "SHA256", "6100", slice_str("secret"), &sealed);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].flip < 256)
			sealed.data[rows[i].flip] ^= 1;
		assert_int_equal(pkey_oaep_decrypt(key, rows[i].alg,
						   slice_of(rows[i].label, rows[i].label_len),
						   buf_slice(&sealed), &opened, &err),
				 ERR_DAMAGED);
		if (i == 0)
			first = err;
		assert_memory_equal(&err, &first, sizeof(err));
		if (rows[i].flip < 256)
			sealed.data[rows[i].flip] ^= 1;
	}
	/* More than the modulus. */
	memset(large, 0xff, sizeof(large));
	assert_int_equal(pkey_oaep_decrypt(key, HASH_SHA256, slice_of("a", 2), slice_of(large, 256),
					   &opened, &err),
			 ERR_DAMAGED);
	assert_memory_equal(&err, &first, sizeof(err));
	for (size_t len = 0; len < 256; len += 255)
		assert_int_equal(pkey_oaep_decrypt(key, HASH_SHA256, slice_of("a", 2),
						   slice_of(sealed.data, len), &opened, &err),
				 ERR_INVALID);
	assert_int_equal(pkey_oaep_decrypt(keys[PKEY_ECC_P256], HASH_SHA256, slice_of("a", 2),
					   buf_slice(&sealed), &opened, &err),
			 ERR_INVALID);
	assert_null(opened);
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
		cmocka_unit_test(test_agree_vectors),
		cmocka_unit_test(test_agree_refuses),
		cmocka_unit_test(test_oaep),
		cmocka_unit_test(test_oaep_decrypt),
		cmocka_unit_test(test_oaep_decrypt_refuses),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_free);
}
