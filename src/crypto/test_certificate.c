/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/certificate.h"
#include "crypto/pkey_impl.h"

static struct pkey *new_key(enum pkey_type type)
{
	struct pkey *key = NULL;
	struct err err;

	assert_int_equal(pkey_generate(type, &key, &err), 0);
	return key;
}

/* As some makers of TPMs mark their RSA keys: for OAEP and nothing else. */
static void mark_oaep(X509 *x509)
{
	X509_PUBKEY *pubkey = X509_get_X509_PUBKEY(x509);
	const uint8_t *bytes = NULL;
	uint8_t *copy;
	int len = 0;

	assert_int_equal(X509_PUBKEY_get0_param(NULL, &bytes, &len, NULL, pubkey), 1);
	copy = OPENSSL_memdup(bytes, (size_t)len);
	assert_non_null(copy);
	assert_int_equal(X509_PUBKEY_set0_param(pubkey, OBJ_nid2obj(NID_rsaesOaep), V_ASN1_NULL,
						NULL, copy, len),
			 1);
}

/* Signed by @signer, of @key. */
static void issue(const struct pkey *key, const struct pkey *signer, bool oaep, struct buf *ret_der)
{
	X509 *x509 = X509_new();
	uint8_t *der = NULL;
	int len;

	assert_non_null(x509);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x509), 0));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x509), 3600));
	assert_int_equal(X509_set_pubkey(x509, key->key), 1);
	if (oaep)
		mark_oaep(x509);
	assert_true(X509_sign(x509, signer->key, EVP_sha256()) > 0);
	len = i2d_X509(x509, &der);
	assert_true(len > 0);
	buf_put(ret_der, slice_of(der, (size_t)len));
	assert_true(buf_ok(ret_der));
	OPENSSL_free(der);
	X509_free(x509);
}

static void test_whose_it_is(void **state)
{
	static const struct {
		enum pkey_type type;
		bool oaep;
	} CASES[] = {
		{PKEY_ECC_P256, false},
		{PKEY_ECC_P384, false},
		{PKEY_RSA_2048, false},
		{PKEY_RSA_2048, true},
	};
	CLEANUP(pkey_cleanup) struct pkey *signer = new_key(PKEY_ECC_P256);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(pkey_cleanup) struct pkey *key = new_key(CASES[i].type);
		CLEANUP(pkey_cleanup) struct pkey *other = new_key(CASES[i].type);
		CLEANUP(buf_fini) struct buf der = BUF_INIT(4096);
		struct err err;

		issue(key, signer, CASES[i].oaep, &der);
		assert_int_equal(certificate_check(buf_slice(&der), &err), 0);
		assert_int_equal(certificate_of(buf_slice(&der), key, &err), 0);
		assert_int_equal(certificate_of(buf_slice(&der), other, &err), ERR_DAMAGED);
		assert_int_equal(certificate_of(buf_slice(&der), signer, &err), ERR_DAMAGED);
		assert_non_null(strstr(err.text, "another key"));
	}
}

static void test_where_it_ends(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *key = new_key(PKEY_ECC_P256);
	CLEANUP(buf_fini) struct buf der = BUF_INIT(4096);
	struct err err;
	size_t len;

	(void)state;
	issue(key, key, false, &der);
	len = der.len;
	assert_int_equal(certificate_len(buf_slice(&der)), len);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(certificate_len(slice_of(der.data, i)), 0);
		assert_int_equal(certificate_of(slice_of(der.data, i), key, &err), ERR_DAMAGED);
	}
	/* Padding is not the certificate's, and not taken for it. */
	buf_put_u8(&der, 0xff);
	assert_int_equal(certificate_len(buf_slice(&der)), len);
	assert_int_equal(certificate_of(buf_slice(&der), key, &err), ERR_DAMAGED);
	assert_int_equal(certificate_check(buf_slice(&der), &err), ERR_DAMAGED);
}

static void test_lengths(void **state)
{
	static const struct {
		struct slice bytes;
		size_t len;
	} CASES[] = {
		{{(const uint8_t *)"", 0}, 0},
		{{(const uint8_t *)"\x30", 1}, 0},
		{{(const uint8_t *)"\x30\x00", 2}, 2},
		{{(const uint8_t *)"\x30\x00more", 6}, 2},
		{{(const uint8_t *)"\x31\x00", 2}, 0},		/* no SEQUENCE */
		{{(const uint8_t *)"\x30\x02\x05", 3}, 0},	/* cut */
		{{(const uint8_t *)"\x30\x81\x01x", 4}, 4},	/* in a byte of its own */
		{{(const uint8_t *)"\x30\x82\x00\x01x", 5}, 5}, /* in two */
		{{(const uint8_t *)"\x30\x82\x00", 3}, 0},	/* of which one is there */
		{{(const uint8_t *)"\x30\x80\x00\x00", 4}, 0},	/* indefinite */
		{{(const uint8_t *)"\x30\x84\xff\xff\xff\xff\x00", 7},
		 0}, /* too long for anybody */
		{{(const uint8_t *)"\x30\xff\xff\xff\xff\xff\xff", 7}, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
		assert_int_equal(certificate_len(CASES[i].bytes), CASES[i].len);
}

static void test_rubbish(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *key = new_key(PKEY_ECC_P256);
	struct err err;

	(void)state;
	assert_int_equal(certificate_of(slice_of(NULL, 0), key, &err), ERR_DAMAGED);
	assert_int_equal(certificate_of(slice_of("\x30\x00", 2), key, &err), ERR_DAMAGED);
	assert_int_equal(certificate_check(slice_str("certificate"), &err), ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whose_it_is),
		cmocka_unit_test(test_where_it_ends),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_rubbish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
