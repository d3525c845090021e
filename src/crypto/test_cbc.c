/* SPDX-License-Identifier: Apache-2.0 */
/* The vector of NIST SP 800-38A, F.2.5, and every padding there can be. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "crypto/cbc.h"

#define LEN 64u

static const char KEY[] = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
static const char PLAIN[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
			    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
static const char SEALED[] = "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
			     "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b";

static void unhex(const char *hex, uint8_t *out, size_t len)
{
	assert_true(hex_decode(slice_str(hex), out, len));
}

static struct secret *key_of_hex(const char *hex, size_t len)
{
	struct secret *key = NULL;
	struct err err = {0};

	assert_int_equal(secret_new(len, &key, &err), 0);
	unhex(hex, secret_data(key), len);
	return key;
}

/* In steps of any number of blocks. */
static void test_vector(void **state)
{
	CLEANUP(secret_cleanup) struct secret *key = key_of_hex(KEY, 32);
	uint8_t iv[CBC_BLOCK], plain[LEN], sealed[LEN], data[LEN];
	struct err err = {0};

	(void)state;
	unhex("000102030405060708090a0b0c0d0e0f", iv, CBC_BLOCK);
	unhex(PLAIN, plain, LEN);
	unhex(SEALED, sealed, LEN);
	for (size_t step = CBC_BLOCK; step <= LEN; step += CBC_BLOCK)
		for (int encrypt = 0; encrypt < 2; encrypt++) {
			CLEANUP(cbc_cleanup) struct cbc *cbc = NULL;

			memcpy(data, encrypt ? plain : sealed, LEN);
			assert_int_equal(cbc_new(key, iv, encrypt, &cbc, &err), 0);
			for (size_t at = 0; at < LEN; at += step)
				assert_int_equal(cbc_run(cbc, data + at,
							 LEN - at < step ? LEN - at : step, &err),
						 0);
			assert_memory_equal(data, encrypt ? sealed : plain, LEN);
		}
}

static void test_refuses_sizes(void **state)
{
	CLEANUP(secret_cleanup) struct secret *short_key = key_of_hex(KEY + 32, 16);
	CLEANUP(secret_cleanup) struct secret *key = key_of_hex(KEY, 32);
	CLEANUP(cbc_cleanup) struct cbc *cbc = NULL;
	uint8_t data[LEN] = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(cbc_new(short_key, data, true, &cbc, &err), ERR_INTERNAL);
	assert_null(cbc);
	assert_int_equal(cbc_new(key, data, true, &cbc, &err), 0);
	for (size_t len = 1; len < LEN; len++)
		assert_int_equal(cbc_run(cbc, data, len, &err), len % CBC_BLOCK ? ERR_INTERNAL : 0);
	assert_int_equal(cbc_run(cbc, data, 0, &err), 0);
}

/* As RFC 5652 says it, with branches. */
static unsigned padding_by_the_book(const uint8_t block[CBC_BLOCK])
{
	unsigned pad = block[CBC_BLOCK - 1];

	if (pad < 1 || pad > CBC_BLOCK)
		return 0;
	for (unsigned i = 1; i <= pad; i++)
		if (block[CBC_BLOCK - i] != pad)
			return 0;
	return pad;
}

/* Each last byte, on blocks that hold that byte from each place on, and one with one byte wrong. */
static void test_padding(void **state)
{
	unsigned good = 0;

	(void)state;
	for (unsigned pad = 0; pad < 256; pad++)
		for (unsigned from = 0; from < CBC_BLOCK; from++)
			for (unsigned wrong = 0; wrong < 256; wrong += wrong ? 1 : 7) {
				uint8_t block[CBC_BLOCK] = {0};

				for (unsigned i = 0; i < CBC_BLOCK; i++)
					block[i] = (uint8_t)(i < from ? 0xa5 : pad);
				block[from] ^= (uint8_t)wrong;
				assert_int_equal(cbc_padding(block), padding_by_the_book(block));
				good += cbc_padding(block) != 0;
			}
	assert_true(good > 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_refuses_sizes),
		cmocka_unit_test(test_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
