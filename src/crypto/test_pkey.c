/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of all types in and out, and what must be refused. Keys are made
 * once, since RSA is slow; OpenSSL is used directly where an independent answer is wanted.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "crypto/pkey_impl.h"
#include "crypto/test_fixture.h"

/* The base point of P-256 (FIPS 186-4, D.1.2.3): a public key whose private half is 1. */
static const char gx[] = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
static const char gy[] = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

static void assert_same_public(const struct pkey *a, const struct pkey *b)
{
	CLEANUP(buf_fini) struct buf da = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf db = BUF_INIT(1024);

	spki_of(a, &da);
	spki_of(b, &db);
	assert_true(slice_equal(buf_slice(&da), buf_slice(&db)));
	assert_int_equal(pkey_type(a), pkey_type(b));
}

static void test_names(void **state)
{
	static const char *const types[] = {"ecc-p256", "ecc-p384", "rsa-2048", "rsa-3072"};
	static const char *const names[] = {"ecdsa", "rsassa", "rsapss"};
	enum pkey_scheme scheme = PKEY_SCHEMES;
	enum pkey_type type = PKEY_TYPES;
	struct err err = {0};

	(void)state;
	assert_int_equal(pkey_type_of_name("rsa-1024", &type, &err), ERR_NOT_SUPPORTED);
	assert_int_equal(pkey_scheme_of_name("dsa", &scheme, &err), ERR_NOT_SUPPORTED);
	assert_int_equal(type, PKEY_TYPES);
	assert_int_equal(scheme, PKEY_SCHEMES);
	for (unsigned i = 0; i < PKEY_TYPES; i++) {
		assert_int_equal(pkey_type_of_name(types[i], &type, &err), 0);
		assert_int_equal(type, i);
		assert_string_equal(pkey_type_name(type), types[i]);
		assert_int_equal(pkey_type_is_rsa(type), i >= 2);
	}
	for (unsigned i = 0; i < PKEY_SCHEMES; i++) {
		assert_int_equal(pkey_scheme_of_name(names[i], &scheme, &err), 0);
		assert_string_equal(pkey_scheme_name(scheme), names[i]);
	}
}

static void test_public_round_trip(void **state)
{
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++) {
		CLEANUP(pkey_cleanup) struct pkey *from_der = NULL;
		CLEANUP(pkey_cleanup) struct pkey *from_pem = NULL;
		CLEANUP(buf_fini) struct buf der = BUF_INIT(1024);
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(2048);

		assert_int_equal(pkey_type(keys[i]), i);
		spki_of(keys[i], &der);
		assert_int_equal(pkey_from_spki(buf_slice(&der), &from_der, &err), 0);
		assert_same_public(keys[i], from_der);
		assert_int_equal(pkey_to_pem(keys[i], &pem, &err), 0);
		assert_int_equal(pkey_from_pem(buf_slice(&pem), &from_pem, &err), 0);
		assert_same_public(keys[i], from_pem);
		/* A public half signs nothing and has no PKCS#8. */
		struct secret *none = NULL;
		assert_int_equal(pkey_to_pkcs8(from_der, &none, &err), ERR_INVALID);
		assert_null(none);
	}
}

static void test_spki_refuses(void **state)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(2048);
	struct pkey *none = NULL;
	struct err err = {0};

	(void)state;
	spki_of(keys[PKEY_ECC_P256], &der);
	for (size_t len = 0; len < der.len; len++)
		assert_int_equal(pkey_from_spki(slice_of(der.data, len), &none, &err), ERR_INVALID);
	buf_put_u8(&der, 0);
	assert_int_equal(pkey_from_spki(buf_slice(&der), &none, &err), ERR_INVALID);
	der.len--;
	der.data[der.len - 1] ^= 1; /* y changed: off the curve */
	assert_int_equal(pkey_from_spki(buf_slice(&der), &none, &err), ERR_INVALID);
	assert_int_equal(pkey_from_pem(slice_str("no key"), &none, &err), ERR_INVALID);
	assert_int_equal(pkey_from_pem(slice_of(NULL, 0), &none, &err), ERR_INVALID);
	assert_null(none);
}

static void refuse_evp(EVP_PKEY *key, int code)
{
	struct pkey *none = NULL;
	struct err err = {0};
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	assert_true(len > 0);
	assert_int_equal(pkey_from_spki(slice_of(der, (size_t)len), &none, &err), code);
	assert_null(none);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
}

static void test_other_types(void **state)
{
	EVP_PKEY *explicit_curve = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

	(void)state;
	refuse_evp(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), ERR_NOT_SUPPORTED);
	refuse_evp(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521"), ERR_NOT_SUPPORTED);
	refuse_evp(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1"), ERR_NOT_SUPPORTED);
	refuse_evp(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024), ERR_NOT_SUPPORTED);
	assert_int_equal(EVP_PKEY_set_utf8_string_param(explicit_curve, OSSL_PKEY_PARAM_EC_ENCODING,
							OSSL_PKEY_EC_ENCODING_EXPLICIT),
			 1);
	refuse_evp(explicit_curve, ERR_NOT_SUPPORTED);
}

/* A compressed point comes in and goes out in the one form that we write. */
static void test_compressed_point(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	CLEANUP(buf_fini) struct buf der = BUF_INIT(1024);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	unsigned char *compressed = NULL;
	struct err err = {0};
	int len;

	(void)state;
	assert_int_equal(EVP_PKEY_set_utf8_string_param(
				 key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"),
			 1);
	len = i2d_PUBKEY(key, &compressed);
	assert_int_equal(len, 59);
	assert_int_equal(pkey_from_spki(slice_of(compressed, (size_t)len), &pkey, &err), 0);
	spki_of(pkey, &der);
	assert_int_equal(der.len, 91);
	OPENSSL_free(compressed);
	EVP_PKEY_free(key);
}

static void test_from_ecc(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *pkey = NULL;
	CLEANUP(buf_fini) struct buf der = BUF_INIT(1024);
	struct pkey *none = NULL;
	struct err err = {0};
	uint8_t x[33] = {0}, y[32], zero[32] = {0};

	(void)state;
	assert_true(hex_decode(slice_str(gx), x, 32));
	assert_true(hex_decode(slice_str(gy), y, 32));
	assert_int_equal(
		pkey_from_ecc(PKEY_ECC_P256, slice_of(x, 32), slice_of(y, 32), &pkey, &err), 0);
	spki_of(pkey, &der);
	assert_int_equal(der.len, 91);
	assert_memory_equal(der.data + 27, x, 32);
	assert_memory_equal(der.data + 59, y, 32);

	assert_int_equal(
		pkey_from_ecc(PKEY_ECC_P256, slice_of(y, 32), slice_of(x, 32), &none, &err),
		ERR_INVALID);
	assert_int_equal(
		pkey_from_ecc(PKEY_ECC_P384, slice_of(x, 32), slice_of(y, 32), &none, &err),
		ERR_INVALID);
	assert_int_equal(
		pkey_from_ecc(PKEY_ECC_P256, slice_of(x, 33), slice_of(y, 32), &none, &err),
		ERR_INVALID);
	assert_int_equal(pkey_from_ecc(PKEY_ECC_P256, slice_of(x, 0), slice_of(y, 32), &none, &err),
			 ERR_INVALID);
	assert_int_equal(
		pkey_from_ecc(PKEY_ECC_P256, slice_of(zero, 32), slice_of(zero, 32), &none, &err),
		ERR_INVALID);
	assert_int_equal(
		pkey_from_ecc(PKEY_RSA_2048, slice_of(x, 32), slice_of(y, 32), &none, &err),
		ERR_INVALID);
	assert_null(none);
}

/* Coordinates with leading zeros come shortened from some TPMs. */
static void test_short_coordinate(void **state)
{
	struct err err = {0};
	bool seen = false;

	(void)state;
	while (!seen) {
		CLEANUP(pkey_cleanup) struct pkey *made = NULL;
		CLEANUP(pkey_cleanup) struct pkey *again = NULL;
		CLEANUP(buf_fini) struct buf der = BUF_INIT(1024);

		assert_int_equal(pkey_generate(PKEY_ECC_P256, &made, &err), 0);
		spki_of(made, &der);
		seen = der.data[27] == 0;
		if (!seen)
			continue;
		assert_int_equal(pkey_from_ecc(PKEY_ECC_P256, slice_of(der.data + 28, 31),
					       slice_of(der.data + 59, 32), &again, &err),
				 0);
		assert_same_public(made, again);
	}
}

static void modulus_of(const struct pkey *pkey, uint8_t *out, size_t size)
{
	BIGNUM *n = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey->key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	assert_int_equal(BN_bn2binpad(n, out, (int)size), size);
	BN_free(n);
}

static void test_from_rsa(void **state)
{
	static const uint32_t bad_exponents[] = {1, 2, 4, 65536};
	CLEANUP(pkey_cleanup) struct pkey *zero = NULL;
	CLEANUP(pkey_cleanup) struct pkey *three = NULL;
	struct pkey *none = NULL;
	struct err err = {0};
	uint8_t n[257] = {0};

	(void)state;
	modulus_of(keys[PKEY_RSA_2048], n, 256);
	assert_int_equal(pkey_from_rsa(slice_of(n, 256), 0, &zero, &err), 0);
	assert_same_public(zero, keys[PKEY_RSA_2048]); /* OpenSSL's default is 65537 as well */
	assert_int_equal(pkey_from_rsa(slice_of(n, 256), 3, &three, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad_exponents); i++)
		assert_int_equal(pkey_from_rsa(slice_of(n, 256), bad_exponents[i], &none, &err),
				 ERR_INVALID);
	assert_int_equal(pkey_from_rsa(slice_of(n, 255), 0, &none, &err), ERR_NOT_SUPPORTED);
	assert_int_equal(pkey_from_rsa(slice_of(n, 0), 0, &none, &err), ERR_INVALID);
	n[0] &= 0x7f; /* one bit too short */
	assert_int_equal(pkey_from_rsa(slice_of(n, 256), 0, &none, &err), ERR_NOT_SUPPORTED);
	n[0] |= 0x80;
	n[255] &= 0xfe; /* even */
	assert_int_equal(pkey_from_rsa(slice_of(n, 256), 0, &none, &err), ERR_INVALID);
	assert_null(none);
}

/* A pair of 2048 bits with the exponent 2^32 + 15, and its two files as OpenSSL writes them. */
static void make_long_exponent(struct buf *ret_private, struct buf *ret_public)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIO *private = BIO_new(BIO_s_mem()), *public = BIO_new(BIO_s_mem());
	EVP_PKEY *key = NULL;
	BIGNUM *e = NULL;
	char *bytes;
	size_t len;

	assert_true(BN_hex2bn(&e, "10000000f") > 0);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(private, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(PEM_write_bio_PUBKEY(public, key), 1);
	len = (size_t)BIO_get_mem_data(private, &bytes);
	buf_put(ret_private, slice_of(bytes, len));
	len = (size_t)BIO_get_mem_data(public, &bytes);
	buf_put(ret_public, slice_of(bytes, len));
	BIO_free(private);
	BIO_free(public);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
	BN_free(e);
}

/* Sound RSA, and of no use to any TPM. */
static void test_long_exponent(void **state)
{
	CLEANUP(buf_fini) struct buf private = BUF_INIT(4096);
	CLEANUP(buf_fini) struct buf public = BUF_INIT(4096);
	struct pkey *none = NULL;
	struct err err = {0};

	(void)state;
	make_long_exponent(&private, &public);
	assert_int_equal(pkey_from_pkcs8_pem(buf_slice(&private), NULL, &none, &err),
			 ERR_NOT_SUPPORTED);
	assert_non_null(strstr(err.text, "exponent has 33 bits"));
	assert_int_equal(pkey_from_pem(buf_slice(&public), &none, &err), ERR_NOT_SUPPORTED);
	assert_null(none);
}

static void test_pkcs8(void **state)
{
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++) {
		CLEANUP(secret_cleanup) struct secret *der = NULL;
		CLEANUP(pkey_cleanup) struct pkey *back = NULL;
		struct pkey *none = NULL;
		struct slice bytes;

		assert_int_equal(pkey_to_pkcs8(keys[i], &der, &err), 0);
		bytes = secret_slice(der);
		assert_int_equal(pkey_from_pkcs8(bytes, &back, &err), 0);
		assert_same_public(keys[i], back);
		assert_int_equal(pkey_from_pkcs8(slice_of(bytes.data, bytes.len - 1), &none, &err),
				 ERR_INVALID);
		assert_int_equal(pkey_from_pkcs8(slice_of(bytes.data, 0), &none, &err),
				 ERR_INVALID);
		assert_null(none);
	}
}

static void secret_of(const char *s, struct secret **ret_secret)
{
	struct err err = {0};

	assert_int_equal(secret_copy(slice_str(s), ret_secret, &err), 0);
}

static void test_pkcs8_pem(void **state)
{
	CLEANUP(secret_cleanup) struct secret *pass = NULL;
	CLEANUP(secret_cleanup) struct secret *wrong = NULL;
	CLEANUP(secret_cleanup) struct secret *empty = NULL;
	struct err err = {0};

	(void)state;
	secret_of("correct horse", &pass);
	secret_of("correct Horse", &wrong);
	secret_of("", &empty);
	for (unsigned i = 0; i < PKEY_TYPES; i++) {
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(8192);
		CLEANUP(buf_fini) struct buf sealed = BUF_INIT(8192);
		CLEANUP(pkey_cleanup) struct pkey *a = NULL;
		CLEANUP(pkey_cleanup) struct pkey *b = NULL;
		struct pkey *none = NULL;

		assert_int_equal(pkey_to_pkcs8_pem(keys[i], NULL, &plain, &err), 0);
		assert_int_equal(pkey_to_pkcs8_pem(keys[i], pass, &sealed, &err), 0);
		assert_memory_equal(plain.data, "-----BEGIN PRIVATE KEY-----\n", 28);
		assert_memory_equal(sealed.data, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 38);
		assert_int_equal(pkey_from_pkcs8_pem(buf_slice(&plain), NULL, &a, &err), 0);
		assert_int_equal(pkey_from_pkcs8_pem(buf_slice(&sealed), pass, &b, &err), 0);
		assert_same_public(a, b);
		assert_same_public(a, keys[i]);
		assert_int_equal(pkey_from_pkcs8_pem(buf_slice(&sealed), wrong, &none, &err),
				 ERR_AUTH_FAILED);
		assert_int_equal(pkey_from_pkcs8_pem(buf_slice(&sealed), empty, &none, &err),
				 ERR_AUTH_FAILED);
		assert_int_equal(pkey_from_pkcs8_pem(buf_slice(&sealed), NULL, &none, &err),
				 ERR_AUTH_FAILED);
		assert_null(none);
		assert_int_equal(pkey_to_pkcs8_pem(keys[i], empty, &plain, &err), ERR_INVALID);
	}
}

/* What the header promises of the encryption, read back from the file. */
static void test_pkcs8_algorithms(void **state)
{
	CLEANUP(secret_cleanup) struct secret *pass = NULL;
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(8192);
	static const uint8_t pbes2[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d};
	static const uint8_t hmac256[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09};
	static const uint8_t aes256[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a};
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	struct err err = {0};
	long len = 0;
	BIO *bio;

	(void)state;
	secret_of("x", &pass);
	assert_int_equal(pkey_to_pkcs8_pem(keys[0], pass, &pem, &err), 0);
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	assert_int_equal(PEM_read_bio(bio, &name, &header, &der, &len), 1);
	assert_non_null(memmem(der, (size_t)len, pbes2, sizeof(pbes2)));
	assert_non_null(memmem(der, (size_t)len, hmac256, sizeof(hmac256)));
	assert_non_null(memmem(der, (size_t)len, aes256, sizeof(aes256)));
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
}

/*
 * In this order: openssl pkcs8 -topk8 with -iter 2000001, -scrypt, -v1 PBE-SHA1-3DES; genpkey of
 * ed25519, plain and encrypted; genpkey of P-521; an EC PRIVATE KEY; damaged ones.
 */
static const struct {
	const char *pem;
	int code;
} foreign[] = {
	{.code = ERR_NOT_SUPPORTED,
	 .pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		"MIHtMFgGCSqGSIb3DQEFDTBLMCoGCSqGSIb3DQEFDDAdBAg/VEh/Hd+o5AIDHoSB\n"
		"MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBAUj5Xog8poUou4iSAciTNOBIGQ\n"
		"ec9BfZ/fg2vSZpsEPLikLcjFAYcgrHKcxE+5KRT+n7D066U0KYOmx+bOw88gmohz\n"
		"WjUZMOsrSzTTGAvDx1uxaVNr8CBOTWKFcJftF32GAfQCvRrJbkPUGaKHufVJn3SV\n"
		"rqzuTYXhczxZ/b7McF5DMPAW7Z49ombcXcQ2EM/5bKDU56Kk50Kqf6S+NEuMhOSO\n"
		"-----END ENCRYPTED PRIVATE KEY-----\n"},
	{.code = ERR_NOT_SUPPORTED,
	 .pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		"MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAghqhdUTnYnyQICQAAC\n"
		"AQgCAQEwHQYJYIZIAWUDBAEqBBCaWi6v5OJBir1fbJXjv52dBIGQtxtWsoRAT0rv\n"
		"9ved0rBE1QTwnTaMP4j1NF20N+zIOnK+oMrgfSjfQRXFSFO7Ftgnfh7m/kPwfuvJ\n"
		"HrandlREQKtdZCueGH0QHYySo+FeKesZ6OfzCphc3ID8DokNIxXa8rduP3Qk+Pr9\n"
		"rUJe/7wl0IIAFxEFVQ/zgkbkmVHcKagQleTs6AcYWN47HNl0L+K0\n"
		"-----END ENCRYPTED PRIVATE KEY-----\n"},
	{.code = ERR_NOT_SUPPORTED,
	 .pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		"MIGxMBwGCiqGSIb3DQEMAQMwDgQIU82egYFd/igCAggABIGQdQKlCDTrC4jn37ok\n"
		"KKtLU5O7+QSoW6HW8B7wrvAZfFcDbIdmBdmSV+D9eTIlRAhdQv0qFBpameNu53lH\n"
		"d4QqBzUZasttKU2zy115nHVdG2Vb0of6eKlZ8JGT1Rf0NFzADKIgvO+l4V54mbj1\n"
		"x6Ix70/20BnRgitkoGBpcC8uxd8IcocPKJTtSpa+fzsKbzII\n"
		"-----END ENCRYPTED PRIVATE KEY-----\n"},
	{.code = ERR_NOT_SUPPORTED,
	 .pem = "-----BEGIN PRIVATE KEY-----\n"
		"MC4CAQAwBQYDK2VwBCIEIM5D9CiJq2+NbapbaQbOijXJq4/9PQqBn5Vq1YyFR1Ut\n"
		"-----END PRIVATE KEY-----\n"},
	{.code = ERR_NOT_SUPPORTED,
	 .pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgwlIEKBI04egICCAAw\n"
		"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJY1TZj96LYk6BRi3YdyhnsEQI6a\n"
		"agnjTp7GqaNYwKE5E+neUcojECtOewdiqFS4/t4u3o5fNqDXEkJeoAGEUTByoSlK\n"
		"3MOCJrf29IxNB0Q2P3c=\n"
		"-----END ENCRYPTED PRIVATE KEY-----\n"},
	{.code = ERR_NOT_SUPPORTED,
	 .pem = "-----BEGIN PRIVATE KEY-----\n"
		"MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBae6npHxCKfhGFYrj\n"
		"AvxvXr6ZV940YFbyiYIIwOtMp9v6HHhKubFJBbfxu8OVgN7kIRWeazaF62UZS7qW\n"
		"XBlzrA6hgYkDgYYABAFpVA1jcFCc/D0fZiRT8SaNI+LOxryjlCovgj1O9VwASBxH\n"
		"QivSWvVag/mm1Mihbvky0dA5u3DY6m+cVwt86i1K6wHTQAPd5dn4TZRl3QAQlOdI\n"
		"d41Jyc0LKhzHp5DJ+ac4r/DBcl4EMAddE/TVNULFkYlROJwjZ7kphDKIqZvvPtLI\n"
		"lg==\n"
		"-----END PRIVATE KEY-----\n"},
	{.code = ERR_INVALID,
	 .pem = "-----BEGIN EC PRIVATE KEY-----\n"
		"MHcCAQEEIFftUBT02sXqfYRq71dd/R5n18AQFE0p6ARMA8NthoWCoAoGCCqGSM49\n"
		"AwEHoUQDQgAEhbSkND+FyBSY5031Ak+9kbc0p/+LM8vmJxXOBLdVYEm0X2YTD9Nv\n"
		"QJEWmf7lFsLxoNfXSTJAK+pO84ud7MORSw==\n"
		"-----END EC PRIVATE KEY-----\n"},
	{.code = ERR_INVALID, .pem = "no PEM at all"},
	{.code = ERR_INVALID,
	 .pem = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"},
	{.code = ERR_INVALID,
	 .pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE "
		"KEY-----\n"},
};

static void test_pkcs8_refuses(void **state)
{
	CLEANUP(secret_cleanup) struct secret *pass = NULL;
	struct pkey *none = NULL;
	struct err err = {0};

	(void)state;
	secret_of("x", &pass);
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		int r = pkey_from_pkcs8_pem(slice_str(foreign[i].pem), pass, &none, &err);

		if (r != foreign[i].code)
			fail_msg("case %zu: %d, wanted %d: %s", i, r, foreign[i].code, err.text);
	}
	assert_null(none);
}

/* The private scalar of one key beside the public point of another. */
static void test_halves_apart(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *other = NULL;
	CLEANUP(secret_cleanup) struct secret *a = NULL;
	CLEANUP(secret_cleanup) struct secret *b = NULL;
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(1024);
	struct pkey *none = NULL;
	struct err err = {0};
	size_t size;

	(void)state;
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &other, &err), 0);
	assert_int_equal(pkey_to_pkcs8(keys[PKEY_ECC_P256], &a, &err), 0);
	assert_int_equal(pkey_to_pkcs8(other, &b, &err), 0);
	size = secret_size(a);
	assert_int_equal(size, secret_size(b));
	memcpy(secret_data(a) + size - 64, secret_data(b) + size - 64, 64);
	buf_put_str(&pem, "-----BEGIN PRIVATE KEY-----\n");
	base64_encode(&pem, slice_of(secret_data(a), 48));
	buf_put_str(&pem, "\n");
	base64_encode(&pem, slice_of(secret_data(a) + 48, 48));
	buf_put_str(&pem, "\n");
	base64_encode(&pem, slice_of(secret_data(a) + 96, size - 96));
	buf_put_str(&pem, "\n-----END PRIVATE KEY-----\n");
	assert_true(buf_ok(&pem));
	assert_int_equal(pkey_from_pkcs8_pem(buf_slice(&pem), NULL, &none, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "belong together"));
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_public_round_trip),
		cmocka_unit_test(test_spki_refuses),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_compressed_point),
		cmocka_unit_test(test_from_ecc),
		cmocka_unit_test(test_short_coordinate),
		cmocka_unit_test(test_from_rsa),
		cmocka_unit_test(test_long_exponent),
		cmocka_unit_test(test_pkcs8),
		cmocka_unit_test(test_pkcs8_pem),
		cmocka_unit_test(test_pkcs8_algorithms),
		cmocka_unit_test(test_pkcs8_refuses),
		cmocka_unit_test(test_halves_apart),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_free);
}
