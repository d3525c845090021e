/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests against FIPS 180 examples, HMAC against RFC 4231 and against OpenSSL's own EVP_MAC, the
 * TPM's derivations against their definition computed in one piece.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/base64.h"
#include "base/buf.h"
#include "crypto/hash.h"

static struct slice text(const char *s)
{
	return slice_str(s);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
	struct buf got = BUF_INIT(1024);

	hex_encode(&got, slice_of(bytes, len));
	assert_true(buf_ok(&got));
	assert_int_equal(got.len, strlen(hex));
	assert_memory_equal(got.data, hex, got.len);
	buf_fini(&got);
}

static const struct {
	const char *name;
	enum hash_alg alg;
	size_t size;
	const char *abc; /* of "abc" */
} algs[] = {
	{"sha1", HASH_SHA1, 20, "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{"sha256", HASH_SHA256, 32,
	 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"sha384", HASH_SHA384, 48,
	 "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
	 "8086072ba1e7cc2358baeca134c825a7"},
	{"sha512", HASH_SHA512, 64,
	 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

static void test_names(void **state)
{
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		enum hash_alg alg = HASH_ALGS;
		int r = hash_of_name(algs[i].name, &alg, &err);

		assert_string_equal(hash_name(algs[i].alg), algs[i].name);
		assert_int_equal(hash_size(algs[i].alg), algs[i].size);
		assert_int_equal(r, algs[i].alg == HASH_SHA1 ? ERR_NOT_SUPPORTED : 0);
		assert_int_equal(alg, r < 0 ? HASH_ALGS : algs[i].alg);
	}
	enum hash_alg untouched = HASH_SHA512;
	assert_int_equal(hash_of_name("SHA256", &untouched, &err), ERR_NOT_SUPPORTED);
	assert_int_equal(hash_of_name("", &untouched, &err), ERR_NOT_SUPPORTED);
	assert_int_equal(untouched, HASH_SHA512);
}

static void test_digest(void **state)
{
	const struct slice whole[] = {text("abc")};
	const struct slice parts[] = {text("a"), slice_of(NULL, 0), text("bc")};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		uint8_t digest[HASH_MAX_SIZE];

		assert_int_equal(hash_digest(algs[i].alg, whole, 1, digest, &err), 0);
		assert_hex(digest, algs[i].size, algs[i].abc);
		assert_int_equal(hash_digest(algs[i].alg, parts, 3, digest, &err), 0);
		assert_hex(digest, algs[i].size, algs[i].abc);
	}
}

static void test_digest_of_nothing(void **state)
{
	uint8_t digest[HASH_MAX_SIZE];
	struct err err = {0};

	(void)state;
	assert_int_equal(hash_digest(HASH_SHA256, NULL, 0, digest, &err), 0);
	assert_hex(digest, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_stream(void **state)
{
	struct hash_stream *stream = NULL;
	uint8_t digest[HASH_MAX_SIZE] = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(hash_stream_new(HASH_SHA384, &stream, &err), 0);
	assert_int_equal(hash_stream_add(stream, text("ab"), &err), 0);
	assert_int_equal(hash_stream_add(stream, text("c"), &err), 0);
	assert_int_equal(hash_stream_end(stream, digest, &err), 0);
	assert_hex(digest, 48, algs[2].abc);
	assert_int_equal(hash_stream_add(stream, text("d"), &err), ERR_INTERNAL);
	assert_int_equal(hash_stream_end(stream, digest, &err), ERR_INTERNAL);
	hash_stream_free(stream);
	hash_stream_free(NULL);
}

/* RFC 4231, test case 2; and 6, whose key is longer than a block. */
static void test_hmac_vectors(void **state)
{
	const struct slice jefe[] = {text("what do ya want "), text("for nothing?")};
	const struct slice large[] = {
		text("Test Using Larger Than Block-Size Key - Hash Key First")};
	uint8_t key[131], mac[HASH_MAX_SIZE];
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = 0xaa;
	assert_int_equal(hash_hmac(HASH_SHA256, text("Jefe"), jefe, 2, mac, &err), 0);
	assert_hex(mac, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_int_equal(hash_hmac(HASH_SHA256, slice_of(key, sizeof(key)), large, 1, mac, &err),
			 0);
	assert_hex(mac, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* By OpenSSL's EVP_MAC: an independent computation for the tests below. */
static void evp_hmac(const char *digest, struct slice key, struct slice data, uint8_t *out,
		     size_t size)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	char name[16];
	OSSL_PARAM params[2];
	size_t len = 0;

	(void)snprintf(name, sizeof(name), "%s", digest);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
	params[1] = OSSL_PARAM_construct_end();
	assert_int_equal(
		EVP_MAC_init(ctx, key.len ? key.data : (const uint8_t *)"", key.len, params), 1);
	assert_int_equal(EVP_MAC_update(ctx, data.data, data.len), 1);
	assert_int_equal(EVP_MAC_final(ctx, out, &len, size), 1);
	assert_int_equal(len, size);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

static void test_hmac_against_openssl(void **state)
{
	static const size_t key_lens[] = {0, 1, 20, 63, 64, 65, 127, 128, 129, 300};
	uint8_t key[300], data[200], ours[HASH_MAX_SIZE], theirs[HASH_MAX_SIZE];
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3);
	for (size_t a = 0; a < ARRAY_LEN(algs); a++) {
		for (size_t k = 0; k < ARRAY_LEN(key_lens); k++) {
			struct slice with = slice_of(key, key_lens[k]);
			struct slice parts[] = {slice_of(data, 77), slice_of(data + 77, 123)};

			assert_int_equal(hash_hmac(algs[a].alg, with, parts, 2, ours, &err), 0);
			evp_hmac(algs[a].name, with, slice_of(data, sizeof(data)), theirs,
				 algs[a].size);
			assert_memory_equal(ours, theirs, algs[a].size);
		}
	}
}

/* In any pieces the same as in one. */
static void test_hmac_stream(void **state)
{
	static const size_t key_lens[] = {0, 32, 64, 65, 200};
	static const size_t pieces[] = {1, 63, 64, 65, 1000};
	uint8_t key[200], data[1000], whole[HASH_MAX_SIZE], mac[HASH_MAX_SIZE];
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = key[i % sizeof(key)] = (uint8_t)(i * 5);
	for (size_t a = 0; a < ARRAY_LEN(algs); a++) {
		for (size_t k = 0; k < ARRAY_LEN(key_lens) * ARRAY_LEN(pieces); k++) {
			const size_t step = pieces[k % ARRAY_LEN(pieces)];
			const struct slice with = slice_of(key, key_lens[k / ARRAY_LEN(pieces)]);
			CLEANUP(hash_stream_cleanup) struct hash_stream *stream = NULL;

			evp_hmac(algs[a].name, with, slice_of(data, sizeof(data)), whole,
				 algs[a].size);
			assert_int_equal(hash_hmac_new(algs[a].alg, with, &stream, &err), 0);
			for (size_t at = 0; at < sizeof(data); at += step)
				assert_int_equal(
					hash_stream_add(
						stream,
						slice_of(data + at, sizeof(data) - at < step
									    ? sizeof(data) - at
									    : step),
						&err),
					0);
			assert_int_equal(hash_stream_end(stream, mac, &err), 0);
			assert_memory_equal(mac, whole, algs[a].size);
			assert_int_equal(hash_stream_end(stream, mac, &err), ERR_INTERNAL);
		}
	}
}

static void test_kdfa(void **state)
{
	static const unsigned bits[] = {8, 128, 256, 264, 520, 8192};
	uint8_t ours[1024], message[128], block[HASH_MAX_SIZE];
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		const struct hash_kdfa in = {
			.alg = HASH_SHA256,
			.key = text("the session key"),
			.label = "CFB",
			.context_u = text("newer nonce"),
			.context_v = text("older nonce"),
			.bits = bits[i],
		};
		size_t len = bits[i] / 8;

		assert_int_equal(hash_kdfa(&in, ours, &err), 0);
		for (size_t done = 0, n = 1; done < len; done += 32, n++) {
			struct buf m = BUF_INIT(sizeof(message));

			buf_put_u32(&m, (uint32_t)n);
			buf_put(&m, slice_of("CFB\0newer nonceolder nonce", 26));
			buf_put_u32(&m, bits[i]);
			assert_true(buf_ok(&m));
			evp_hmac("SHA256", in.key, buf_slice(&m), block, 32);
			assert_memory_equal(ours + done, block, len - done < 32 ? len - done : 32);
			buf_fini(&m);
		}
	}
}

static void test_kdfe(void **state)
{
	const struct hash_kdfe in = {
		.alg = HASH_SHA384,
		.z = text("shared x"),
		.use = "SECRET",
		.party_u = text("ephemeral x"),
		.party_v = text("static x"),
		.bits = 512,
	};
	uint8_t ours[64], expected[96];
	struct err err = {0};

	(void)state;
	assert_int_equal(hash_kdfe(&in, ours, &err), 0);
	for (uint8_t i = 1; i <= 2; i++) {
		uint8_t message[] = "\0\0\0\0shared xSECRET\0ephemeral xstatic x";

		message[3] = i;
		assert_int_equal(EVP_Digest(message, sizeof(message) - 1, expected + 48 * (i - 1),
					    NULL, EVP_sha384(), NULL),
				 1);
	}
	assert_memory_equal(ours, expected, sizeof(ours));
}

static void unhex(const char *hex, struct buf *ret_bytes)
{
	uint8_t *room = buf_grow(ret_bytes, strlen(hex) / 2);

	assert_true(strlen(hex) == 0 || room);
	assert_true(hex_decode(slice_str(hex), room, strlen(hex) / 2));
}

/* RFC 5869, A.1 to A.3. */
static void test_hkdf_vectors(void **state)
{
	static const struct {
		const char *key, *salt, *info, *out;
	} rows[] = {
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
		 "f0f1f2f3f4f5f6f7f8f9",
		 "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
		 "34007208d5b887185865"},
		{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		 "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
		 "404142434445464748494a4b4c4d4e4f",
		 "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
		 "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
		 "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		 "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
		 "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
		 "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		 "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
		 "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
		 "cc30c58179ec3e87c14c01d5c1f3434f1d87"},
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		 "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
		 "9d201395faa4b61a96c8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf key = BUF_INIT(128), salt = BUF_INIT(128);
		CLEANUP(buf_fini) struct buf info = BUF_INIT(128);
		struct hash_hkdf in = {.alg = HASH_SHA256};
		uint8_t out[128] = {0};
		size_t len = strlen(rows[i].out) / 2;
		struct err err = {0};

		unhex(rows[i].key, &key);
		unhex(rows[i].salt, &salt);
		unhex(rows[i].info, &info);
		in.key = buf_slice(&key);
		in.salt = buf_slice(&salt);
		in.info = buf_slice(&info);
		assert_int_equal(hash_hkdf(&in, out, len, &err), 0);
		assert_hex(out, len, rows[i].out);
		assert_int_equal(out[len], 0);
	}
}

/* Every length up to the last possible one is the beginning of that. */
static void test_hkdf_lengths(void **state)
{
	static const size_t lengths[] = {0, 1, 63, 64, 65, 255 * 64 - 1};
	static uint8_t longest[255 * 64], out[255 * 64 + 1];
	const struct hash_hkdf in = {.alg = HASH_SHA512, .key = text("key"), .info = text("info")};
	struct err err = {0};

	(void)state;
	assert_int_equal(hash_hkdf(&in, longest, sizeof(longest), &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		memset(out, 7, sizeof(out));
		assert_int_equal(hash_hkdf(&in, out, lengths[i], &err), 0);
		assert_memory_equal(out, longest, lengths[i]);
		assert_int_equal(out[lengths[i]], 7);
	}
	memset(out, 7, sizeof(out));
	assert_int_equal(hash_hkdf(&in, out, 255 * 64 + 1, &err), ERR_INTERNAL);
	assert_int_equal(out[0], 7);
}

static void test_kdf_refuses_sizes(void **state)
{
	static const unsigned bits[] = {0, 7, 129, 8200};
	uint8_t out[8] = {1, 2, 3};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		const struct hash_kdfa a = {.label = "X", .bits = bits[i]};
		const struct hash_kdfe e = {.use = "X", .bits = bits[i]};

		assert_int_equal(hash_kdfa(&a, out, &err), ERR_INTERNAL);
		assert_int_equal(hash_kdfe(&e, out, &err), ERR_INTERNAL);
	}
	assert_memory_equal(out, "\1\2\3", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_digest_of_nothing),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_hmac_vectors),
		cmocka_unit_test(test_hmac_against_openssl),
		cmocka_unit_test(test_hmac_stream),
		cmocka_unit_test(test_kdfa),
		cmocka_unit_test(test_kdfe),
		cmocka_unit_test(test_hkdf_vectors),
		cmocka_unit_test(test_hkdf_lengths),
		cmocka_unit_test(test_kdf_refuses_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
