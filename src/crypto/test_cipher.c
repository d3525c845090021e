/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of NIST SP 800-38A (CFB128, CTR by its definition) and of the GCM specification. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "crypto/cipher.h"

static void unhex(const char *hex, uint8_t *out, size_t len)
{
	assert_true(hex_decode(slice_str(hex), out, len));
}

static void test_random(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(cipher_random(a, sizeof(a), &err), 0);
	assert_int_equal(cipher_random(b, sizeof(b), &err), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(cipher_random(a, 0, &err), 0);
}

/* SP 800-38A, F.3.13: the first two blocks; and a cut in the middle of one. */
static void test_cfb128(void **state)
{
	uint8_t key[16], iv[16], plain[32], sealed[32], data[32];
	struct err err = {0};

	(void)state;
	unhex("2b7e151628aed2a6abf7158809cf4f3c", key, 16);
	unhex("000102030405060708090a0b0c0d0e0f", iv, 16);
	unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51", plain, 32);
	unhex("3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b", sealed, 32);
	for (size_t len = 0; len <= 32; len += 8) {
		memcpy(data, plain, sizeof(data));
		assert_int_equal(cipher_cfb128(key, iv, true, data, len, &err), 0);
		assert_memory_equal(data, sealed, len);
		assert_memory_equal(data + len, plain + len, 32 - len);
		assert_int_equal(cipher_cfb128(key, iv, false, data, len, &err), 0);
		assert_memory_equal(data, plain, 32);
	}
}

/* SP 800-38A, F.3.17: a key of 32 bytes; and keys of no size at all. */
static void test_cfb256(void **state)
{
	uint8_t key[33] = {0}, iv[16], plain[32], sealed[32], data[32];
	struct err err = {0};

	(void)state;
	unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", key, 32);
	unhex("000102030405060708090a0b0c0d0e0f", iv, 16);
	unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51", plain, 32);
	unhex("dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b", sealed, 32);
	memcpy(data, plain, sizeof(data));
	assert_int_equal(cipher_cfb(slice_of(key, 32), iv, true, data, 32, &err), 0);
	assert_memory_equal(data, sealed, 32);
	assert_int_equal(cipher_cfb(slice_of(key, 32), iv, false, data, 32, &err), 0);
	assert_memory_equal(data, plain, 32);
	for (size_t len = 0; len <= 33; len++)
		if (len != 16 && len != 32)
			assert_int_equal(cipher_cfb(slice_of(key, len), iv, true, data, 32, &err),
					 ERR_INTERNAL);
	assert_memory_equal(data, plain, 32);
}

/* Test case 16 of the GCM specification: 256-bit key, 60 bytes, 20 of associated data. */
static void test_gcm_vector(void **state)
{
	uint8_t key[32], nonce[12], aad[20], plain[60], sealed[76], back[60];
	const struct cipher_gcm gcm = {
		.key = slice_of(key, 32), .nonce = slice_of(nonce, 12), .aad = slice_of(aad, 20)};
	struct buf out = BUF_INIT(100);
	struct err err = {0};

	(void)state;
	unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key, 32);
	unhex("cafebabefacedbaddecaf888", nonce, 12);
	unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad, 20);
	unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c9595680953"
	      "2fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	      plain, 60);
	unhex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3d"
	      "a7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
	      sealed, 76);
	buf_put_u8(&out, 0x5a);
	assert_int_equal(cipher_gcm_seal(&gcm, slice_of(plain, 60), &out, &err), 0);
	assert_int_equal(out.len, 77);
	assert_memory_equal(out.data + 1, sealed, 76);
	assert_int_equal(cipher_gcm_open(&gcm, slice_of(sealed, 76), back, &err), 0);
	assert_memory_equal(back, plain, 60);
	buf_fini(&out);
}

static void test_gcm_notices(void **state)
{
	uint8_t key[32] = {1}, nonce[12] = {0}, aad[5] = "head", back[11];
	const struct cipher_gcm gcm = {
		.key = slice_of(key, 32), .nonce = slice_of(nonce, 12), .aad = slice_of(aad, 5)};
	static const uint8_t zeros[11];
	struct buf out = BUF_INIT(100);
	struct err err = {0};

	(void)state;
	assert_int_equal(cipher_gcm_seal(&gcm, slice_str("eleven byte"), &out, &err), 0);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		back[0] = 'x';
		assert_int_equal(cipher_gcm_open(&gcm, buf_slice(&out), back, &err), ERR_DAMAGED);
		assert_memory_equal(back, zeros, sizeof(back));
		out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < out.len; len++)
		assert_int_equal(cipher_gcm_open(&gcm, slice_of(out.data, len), back, &err),
				 ERR_DAMAGED);
	aad[0] ^= 1;
	assert_int_equal(cipher_gcm_open(&gcm, buf_slice(&out), back, &err), ERR_DAMAGED);
	aad[0] ^= 1;
	assert_int_equal(cipher_gcm_open(&gcm, buf_slice(&out), back, &err), 0);
	buf_fini(&out);
}

static void test_gcm_refuses_sizes(void **state)
{
	uint8_t bytes[32] = {0};
	const struct cipher_gcm short_key = {.key = slice_of(bytes, 16),
					     .nonce = slice_of(bytes, 12)};
	const struct cipher_gcm short_nonce = {.key = slice_of(bytes, 32),
					       .nonce = slice_of(bytes, 8)};
	const struct cipher_gcm good = {.key = slice_of(bytes, 32), .nonce = slice_of(bytes, 12)};
	struct buf out = BUF_INIT(20);
	struct err err = {0};

	(void)state;
	assert_int_equal(cipher_gcm_seal(&short_key, slice_str("x"), &out, &err), ERR_INTERNAL);
	assert_int_equal(cipher_gcm_seal(&short_nonce, slice_str("x"), &out, &err), ERR_INTERNAL);
	assert_int_equal(cipher_gcm_seal(&good, slice_str("over twenty"), &out, &err),
			 ERR_INTERNAL);
	assert_int_equal(out.len, 0);
	buf_fini(&out);
}

/* AES-256 of the counters 0, 1, ..: the zero block under the zero key is a known answer. */
static void test_expand(void **state)
{
	static const uint8_t zero_key[32];
	uint8_t long_one[100], short_one[33], known[16];
	struct err err = {0};

	(void)state;
	unhex("dc95c078a2408989ad48a21492842087", known, 16);
	long_one[0] = 0xff;
	assert_int_equal(cipher_expand(slice_of(zero_key, 32), long_one, 100, &err), 0);
	assert_memory_equal(long_one, known, 16);
	assert_int_equal(cipher_expand(slice_of(zero_key, 32), short_one, 33, &err), 0);
	assert_memory_equal(long_one, short_one, 33);
	assert_memory_not_equal(long_one, long_one + 16, 16);
	assert_int_equal(cipher_expand(slice_of(zero_key, 31), short_one, 33, &err), ERR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),	    cmocka_unit_test(test_cfb128),
		cmocka_unit_test(test_cfb256),	    cmocka_unit_test(test_gcm_vector),
		cmocka_unit_test(test_gcm_notices), cmocka_unit_test(test_gcm_refuses_sizes),
		cmocka_unit_test(test_expand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
