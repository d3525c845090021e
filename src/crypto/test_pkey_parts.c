/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of keys: put together again they are the same key, and what a TPM cannot take is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "crypto/pkey_impl.h"
#include "crypto/pkey_parts.h"

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
	return 0;
}

static void assert_same(const struct pkey *a, const struct pkey *b)
{
	struct buf spki_a = BUF_INIT(1024), spki_b = BUF_INIT(1024);
	struct err err = {0};

	assert_int_equal(pkey_to_spki(a, &spki_a, &err), 0);
	assert_int_equal(pkey_to_spki(b, &spki_b, &err), 0);
	assert_true(slice_equal(buf_slice(&spki_a), buf_slice(&spki_b)));
	buf_fini(&spki_a);
	buf_fini(&spki_b);
}

static void test_points(void **state)
{
	static const size_t sizes[] = {[PKEY_ECC_P256] = 32, [PKEY_ECC_P384] = 48};

	(void)state;
	for (unsigned i = PKEY_ECC_P256; i <= PKEY_ECC_P384; i++) {
		CLEANUP(pkey_cleanup) struct pkey *again = NULL;
		struct pkey_modulus modulus = {.size = 7};
		struct pkey_point point;
		struct err err = {0};

		assert_int_equal(pkey_point(keys[i], &point, &err), 0);
		assert_int_equal(point.size, sizes[i]);
		assert_int_equal(pkey_from_ecc((enum pkey_type)i, slice_of(point.x, point.size),
					       slice_of(point.y, point.size), &again, &err),
				 0);
		assert_same(keys[i], again);
		assert_int_equal(pkey_modulus(keys[i], &modulus, &err), ERR_INVALID);
		assert_int_equal(modulus.size, 7);
	}
}

static void test_moduli(void **state)
{
	static const size_t sizes[] = {[PKEY_RSA_2048] = 256, [PKEY_RSA_3072] = 384};

	(void)state;
	for (unsigned i = PKEY_RSA_2048; i <= PKEY_RSA_3072; i++) {
		CLEANUP(pkey_cleanup) struct pkey *again = NULL;
		struct pkey_point point = {.size = 7};
		struct pkey_modulus modulus;
		struct err err = {0};

		assert_int_equal(pkey_modulus(keys[i], &modulus, &err), 0);
		assert_int_equal(modulus.size, sizes[i]);
		assert_int_equal(modulus.exponent, 65537);
		assert_int_equal(pkey_from_rsa(slice_of(modulus.bytes, modulus.size),
					       modulus.exponent, &again, &err),
				 0);
		assert_same(keys[i], again);
		assert_int_equal(pkey_point(keys[i], &point, &err), ERR_INVALID);
		assert_int_equal(point.size, 7);
	}
}

/* The scalar times the base point is the public point. */
static void test_scalars(void **state)
{
	(void)state;
	for (unsigned i = PKEY_ECC_P256; i <= PKEY_ECC_P384; i++) {
		CLEANUP(secret_cleanup) struct secret *part = NULL;
		struct err err = {0};
		BIGNUM *d = NULL, *bn;

		assert_int_equal(pkey_private_part(keys[i], &part, &err), 0);
		assert_int_equal(secret_size(part), pkey_infos[i].size);
		assert_int_equal(EVP_PKEY_get_bn_param(keys[i]->key, OSSL_PKEY_PARAM_PRIV_KEY, &d),
				 1);
		bn = BN_bin2bn(secret_data(part), (int)secret_size(part), NULL);
		assert_int_equal(BN_cmp(d, bn), 0);
		BN_free(d);
		BN_free(bn);
	}
}

static void test_primes(void **state)
{
	(void)state;
	for (unsigned i = PKEY_RSA_2048; i <= PKEY_RSA_3072; i++) {
		CLEANUP(secret_cleanup) struct secret *part = NULL;
		struct pkey_modulus modulus;
		BN_CTX *ctx = BN_CTX_new();
		BIGNUM *p, *n, *rest = BN_new();
		struct err err = {0};

		assert_int_equal(pkey_private_part(keys[i], &part, &err), 0);
		assert_int_equal(secret_size(part), pkey_infos[i].size / 2);
		assert_int_equal(pkey_modulus(keys[i], &modulus, &err), 0);
		p = BN_bin2bn(secret_data(part), (int)secret_size(part), NULL);
		n = BN_bin2bn(modulus.bytes, (int)modulus.size, NULL);
		assert_int_equal(BN_mod(rest, n, p, ctx), 1);
		assert_true(BN_is_zero(rest));
		BN_free(p);
		BN_free(n);
		BN_free(rest);
		BN_CTX_free(ctx);
	}
}

static void test_public_halves(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES; i++) {
		CLEANUP(pkey_cleanup) struct pkey *public = NULL;
		struct buf spki = BUF_INIT(1024);
		struct secret *part = NULL;
		struct err err = {0};

		assert_int_equal(pkey_to_spki(keys[i], &spki, &err), 0);
		assert_int_equal(pkey_from_spki(buf_slice(&spki), &public, &err), 0);
		assert_int_equal(pkey_private_part(public, &part, &err), ERR_INVALID);
		assert_null(part);
		buf_fini(&spki);
	}
}

/* Three primes, by which a TPM cannot make the key. */
static void test_three_primes(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *three = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	struct secret *part = NULL;
	struct err err = {0};
	EVP_PKEY *key = NULL;

	(void)state;
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, 3), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	assert_int_equal(pkey_adopt(key, true, &three, &err), 0);
	assert_int_equal(pkey_private_part(three, &part, &err), ERR_NOT_SUPPORTED);
	assert_null(part);
}

/* Modulus and exponents alone. */
static void test_no_primes(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *bare = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *n = NULL, *d = NULL;
	struct secret *part = NULL;
	EVP_PKEY *key = NULL;
	struct err err = {0};
	OSSL_PARAM *params;
	const EVP_PKEY *from = keys[PKEY_RSA_2048]->key;

	(void)state;
	assert_int_equal(EVP_PKEY_get_bn_param(from, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	assert_int_equal(EVP_PKEY_get_bn_param(from, OSSL_PKEY_PARAM_RSA_D, &d), 1);
	OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_uint32(builder, OSSL_PKEY_PARAM_RSA_E, 65537);
	OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, d);
	params = OSSL_PARAM_BLD_to_param(builder);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	assert_int_equal(pkey_adopt(key, true, &bare, &err), 0);
	assert_int_equal(pkey_private_part(bare, &part, &err), ERR_NOT_SUPPORTED);
	assert_null(part);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(d);
}

/* --- pairs from a seed --- */

/* @number as a seed of @size bytes makes the scalar @wanted; both are for OpenSSL to read. */
static void expect_scalar(enum pkey_type type, const BIGNUM *number, const BIGNUM *wanted)
{
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	CLEANUP(pkey_cleanup) struct pkey *same = NULL;
	CLEANUP(secret_cleanup) struct secret *scalar = NULL;
	const size_t size = pkey_infos[type].size;
	uint8_t seed[56], bytes[48];
	EVP_PKEY_CTX *ctx;
	struct err err = {0};

	assert_int_equal(BN_bn2binpad(number, seed, (int)size + 8), (int)size + 8);
	assert_int_equal(BN_bn2binpad(wanted, bytes, (int)size), (int)size);
	assert_int_equal(pkey_from_seed(type, slice_of(seed, size + 8), &pair, &err), 0);
	assert_int_equal(pkey_private_part(pair, &scalar, &err), 0);
	assert_true(slice_equal(secret_slice(scalar), slice_of(bytes, size)));
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pair->key, NULL);
	assert_int_equal(EVP_PKEY_pairwise_check(ctx), 1);
	EVP_PKEY_CTX_free(ctx);
	assert_int_equal(pkey_from_seed(type, slice_of(seed, size + 8), &same, &err), 0);
	assert_same(pair, same);
}

/* mod (n - 1) + 1: the ends of the range, and far above it. */
static void test_seeds(void **state)
{
	(void)state;
	for (unsigned type = PKEY_ECC_P256; type <= PKEY_ECC_P384; type++) {
		EC_GROUP *group =
			EC_GROUP_new_by_curve_name(EC_curve_nist2nid(pkey_infos[type].group));
		BIGNUM *n = BN_dup(EC_GROUP_get0_order(group)), *wanted = BN_new(), *in = BN_new();

		for (unsigned i = 0; i < 4; i++) { /* 0 to 3 become 1 to 4 */
			BN_set_word(in, i);
			BN_set_word(wanted, i + 1);
			expect_scalar((enum pkey_type)type, in, wanted);
		}
		BN_sub_word(n, 2); /* n - 2 becomes n - 1, the last one */
		BN_copy(wanted, n);
		BN_add_word(wanted, 1);
		expect_scalar((enum pkey_type)type, n, wanted);
		BN_add_word(n, 1); /* n - 1 begins anew */
		BN_one(wanted);
		expect_scalar((enum pkey_type)type, n, wanted);
		BN_lshift(in, n, 60); /* 2^60 (n - 1) + 5 */
		BN_add_word(in, 5);
		BN_set_word(wanted, 6);
		expect_scalar((enum pkey_type)type, in, wanted);
		BN_free(in);
		BN_free(wanted);
		BN_free(n);
		EC_GROUP_free(group);
	}
}

static void test_seeds_that_are_none(void **state)
{
	static const struct {
		enum pkey_type type;
		size_t len;
	} rows[] = {
		{PKEY_ECC_P256, 0},  {PKEY_ECC_P256, 32}, {PKEY_ECC_P256, 39},	{PKEY_ECC_P256, 41},
		{PKEY_ECC_P384, 55}, {PKEY_ECC_P384, 57}, {PKEY_RSA_2048, 264},
	};
	static const uint8_t seed[264];
	struct pkey *pair = NULL;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(
			pkey_from_seed(rows[i].type, slice_of(seed, rows[i].len), &pair, &err),
			ERR_INVALID);
	assert_null(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points),
		cmocka_unit_test(test_moduli),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_primes),
		cmocka_unit_test(test_public_halves),
		cmocka_unit_test(test_three_primes),
		cmocka_unit_test(test_no_primes),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_seeds_that_are_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
