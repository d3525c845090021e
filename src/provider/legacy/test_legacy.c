/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the contract suite cannot know: the ids, the format on disk (the vectors of docs/BLOB.md,
 * which must open for ever), PEMs from elsewhere, several threads.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <threads.h>

#include "base/base64.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/stream.h"
#include "provider/envelope.h"
#include "provider/legacy/legacy.h"

static struct secret *host_key;
static struct provider *provider;
static uint8_t tenant[BLOB_TENANT_SIZE];

static int setup(void **state)
{
	struct err err = {0};

	(void)state;
	if (secret_new(32, &host_key, &err) < 0)
		return -1;
	for (size_t i = 0; i < 32; i++)
		secret_data(host_key)[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(tenant); i++)
		tenant[i] = (uint8_t)(0xf0 + i);
	return legacy_open(host_key, &provider, &err);
}

static int teardown(void **state)
{
	(void)state;
	provider_free(provider);
	provider_free(NULL);
	secret_free(host_key);
	return 0;
}

static void test_host_key_size(void **state)
{
	static const size_t sizes[] = {0, 31, 33};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(secret_cleanup) struct secret *key = NULL;
		struct provider *p = NULL;
		struct err err = {0};

		assert_int_equal(secret_new(sizes[i], &key, &err), 0);
		assert_int_equal(legacy_open(key, &p, &err), ERR_DAMAGED);
		assert_null(p);
	}
}

static void test_ids(void **state)
{
	const struct slice root[] = {slice_str("holdfast host key id"), secret_slice(host_key)};
	const struct slice auth[] = {slice_str("holdfast host key auth"), secret_slice(host_key)};
	uint8_t digest[HASH_MAX_SIZE];
	struct err err = {0};

	(void)state;
	assert_int_equal(hash_digest(HASH_SHA256, root, 2, digest, &err), 0);
	assert_int_equal(provider->root_len, 34);
	assert_memory_equal(provider->root, "\0\0", 2);
	assert_memory_equal(provider->root + 2, digest, 32);
	assert_int_equal(hash_digest(HASH_SHA256, auth, 2, digest, &err), 0);
	assert_memory_equal(provider->auth_id, digest, 8);
	assert_string_equal(provider->ops->name, "legacy");
	assert_false(provider->ops->on_chip);
}

/* docs/BLOB.md, "Vectors". */
#define VECTOR_START                                                                               \
	"f0f1f2f3f4f5f6f7f8f9fafbfcfdfefff9cd9a4bcbdfa78322000001b4df2f8c7ff2e3c1960491bed40eeddb" \
	"d7b666f535e79f760de5c16f3c2e83"

static const struct {
	struct blob_expect expect;
	const char *plain;
	const char *hex;
} vectors[] = {
	{{.kind = BLOB_SEALED, .tenant = tenant, .name = ""},
	 "holdfast",
	 "4846424c01020100000000006553f100" VECTOR_START
	 "0075c1859980bb3ab700000039019c411a3dcc62c47aecf4a5c0f3df525c1ca954cbdf60fe966866d382b4e2"
	 "70d96c2b89e6ea04d0d33e037498331c4f10c04e8e22d909c2f4"},
	{{.kind = BLOB_SECRET, .tenant = tenant, .name = "wifi"},
	 "",
	 "4846424c01020201000000006553f100" VECTOR_START
	 "04776966693bcae3eff743541e0000005101537509d949f3aa5a6cf12bbbdd375c8ef5c9204e96c4bfa29caa"
	 "62eed197c3a84e2b469eb817c4b46e255bba74aabe8452a8c0bc4dfb85dba9e11d446efaf842831fc5943d45"
	 "ad8f3195db164774acbfae5de96487717cc58dba446c92d0dbe5"},
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		CLEANUP(secret_cleanup) struct secret *inner = NULL;
		CLEANUP(secret_cleanup) struct secret *plain = NULL;
		uint8_t bytes[256];
		size_t len = strlen(vectors[i].hex) / 2;
		struct err err = {0};
		struct blob blob;

		assert_true(hex_decode(slice_str(vectors[i].hex), bytes, len));
		assert_int_equal(blob_parse(slice_of(bytes, len), &blob, &err), 0);
		assert_int_equal(blob.header.time, 1700000000);
		assert_int_equal(blob_check(&blob, &vectors[i].expect, provider, &err), 0);
		assert_int_equal(
			provider_unseal(provider, blob.header_bytes, blob.object, &inner, &err), 0);
		assert_int_equal(envelope_open(&blob, inner, &plain, &err), 0);
		assert_true(slice_equal(secret_slice(plain), slice_str(vectors[i].plain)));
	}
}

static void test_stream_vectors(void **state)
{
	static const struct {
		const char *plain, *hex;
	} streams[] = {{"abc", "74b4dc0b0f66f18448d8bfe40698db0a0b679e"},
		       {"", "149f14342ac4158d63acdfe9e6b9fbe0"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
		CLEANUP(buf_fini) struct buf sealed = BUF_INIT(64);
		CLEANUP(buf_fini) struct buf hex = BUF_INIT(64);
		struct err err = {0};

		assert_int_equal(stream_seal(host_key, slice_str("header"),
					     slice_str(streams[i].plain), &sealed, &err),
				 0);
		hex_encode(&hex, buf_slice(&sealed));
		assert_true(slice_equal(buf_slice(&hex), slice_str(streams[i].hex)));
	}
}

static int import(const char *pem, const char *passphrase, struct key_result *ret_key)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	struct err err = {0};

	if (passphrase)
		assert_int_equal(secret_copy(slice_str(passphrase), &secret, &err), 0);
	return provider_key_import(
		provider, slice_str("the header"),
		&(struct key_source){.pem = slice_str(pem), .passphrase = secret}, ret_key, &err);
}

static void test_tss2_needs_a_tpm(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;

	(void)state;
	assert_int_equal(import("-----BEGIN TSS2 PRIVATE KEY-----\nMAA=\n"
				"-----END TSS2 PRIVATE KEY-----\n",
				NULL, &key),
			 ERR_TPM_REQUIRED);
	assert_int_equal(key.object.len, 0);
}

/* openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384; openssl pkcs8 -topk8 -passout */
static const char p384_plain[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDmINhnIT8tdDbcR5s/\n"
	"HI9KrAZjmiUMaEk8ryNGL5Iv97gyjdMMbK1//DMSvQMIFMmhZANiAARbRIwG3ug+\n"
	"/JCHUYOqziuNsZpZM5KbVMoSZ/sf4SG/2JyUidZyiparGCRCHPdNthHbNplGA2K/\n"
	"MIP5wIkz7lJod7BgXdIhsEuaUlHhvgcKWwXIPDnyu9z3Pkd+6SLYCW0=\n"
	"-----END PRIVATE KEY-----\n";

static const char p384_sealed[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MIIBHDBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIPDIhF38xfSYCAggA\n"
	"MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBC86aZL5AtDuxzdSFBog8F5BIHA\n"
	"nOJmOW8dc6JxAyqdg5MnD7nHa97JUXVeO72pe8W3s0h3qBFhym1EEaYmur/aNmwh\n"
	"ZBIziQ3VBJCt0VvrNJoeQFQ2N7PbUOKwCwkYpbEr5aCATIrvLC81A+FFAWSssws5\n"
	"AEjFC91KWaIW+4NF6nqsi8A8u9FVCSOsZN1PBTLGAi1CVVvnhQkR+ejOCzbBWAHW\n"
	"LGqymhd8C23C3D5NDWDSZhVCc3nKel7mhZW4ya5TkyfKupf3wiOFcN7fRZL87G5Z\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";

static void test_import_is_not_exportable(void **state)
{
	static const struct {
		const char *pem, *passphrase;
	} pems[] = {{p384_plain, NULL}, {p384_plain, "not needed"}, {p384_sealed, "open sesame"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pems); i++) {
		CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(4096);
		struct secret *passphrase = NULL;
		struct err err = {0};

		assert_int_equal(import(pems[i].pem, pems[i].passphrase, &key), 0);
		assert_int_equal(key.type, PKEY_ECC_P384);
		assert_int_equal(key.name.len, 0);
		assert_int_equal(provider_key_export(provider, slice_str("the header"),
						     buf_slice(&key.object), &pem, &passphrase,
						     &err),
				 ERR_CONFLICT);
		assert_null(passphrase);
	}
}

static void test_import_refuses(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;

	(void)state;
	assert_int_equal(import(p384_sealed, "open Sesame", &key), ERR_AUTH_FAILED);
	assert_int_equal(import(p384_sealed, NULL, &key), ERR_AUTH_FAILED);
	assert_int_equal(
		import("-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n", NULL, &key),
		ERR_INVALID);
	assert_int_equal(key.object.len, 0);
}

static int sign(struct provider *p, struct slice header, struct slice object)
{
	static const uint8_t digest[32] = {1, 2, 3};
	const struct sign_request request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	struct err err = {0};

	return provider_key_sign(p, header, object, &request, &signature, &err);
}

/* A key that is at hand opens for nobody who could not have opened its object. */
static void test_hot_key_stays_bound(void **state)
{
	const struct key_spec spec = {.type = PKEY_ECC_P256};
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(provider_cleanup) struct provider *stranger = NULL;
	CLEANUP(secret_cleanup) struct secret *other_key = NULL;
	struct slice header = slice_str("the header");
	struct err err = {0};

	(void)state;
	assert_int_equal(provider_key_create(provider, header, &spec, &key, &err), 0);
	assert_int_equal(sign(provider, header, buf_slice(&key.object)), 0);
	assert_int_equal(sign(provider, slice_str("the headeR"), buf_slice(&key.object)),
			 ERR_DAMAGED);
	for (size_t i = 0; i < key.object.len; i++) {
		key.object.data[i] ^= 0x10;
		assert_int_equal(sign(provider, header, buf_slice(&key.object)), ERR_DAMAGED);
		key.object.data[i] ^= 0x10;
	}
	assert_int_equal(sign(provider, header, slice_of(key.object.data, key.object.len - 1)),
			 ERR_DAMAGED);
	assert_int_equal(secret_new(32, &other_key, &err), 0);
	assert_int_equal(legacy_open(other_key, &stranger, &err), 0);
	assert_int_equal(sign(stranger, header, buf_slice(&key.object)), ERR_DAMAGED);
	provider_forget(provider, buf_slice(&key.object));
	assert_int_equal(sign(provider, header, buf_slice(&key.object)), 0);
}

/* An object as docs/BLOB.md has it, under the header "h". */
static void seal_key(uint8_t flags, struct slice key, struct buf *ret_object)
{
	static const uint8_t salt[32] = {5}, nonce[CIPHER_GCM_NONCE];
	const struct slice parts[] = {slice_of("holdfast legacy key", 20), slice_of(salt, 32)};
	uint8_t wrapping[HASH_MAX_SIZE];
	const struct cipher_gcm gcm = {
		.key = slice_of(wrapping, CIPHER_KEY256),
		.nonce = slice_of(nonce, sizeof(nonce)),
		.aad = slice_str("h"),
	};
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(1024);
	struct err err = {0};

	buf_put_u8(&plain, flags);
	buf_put(&plain, key);
	assert_int_equal(hash_hmac(HASH_SHA256, secret_slice(host_key), parts, 2, wrapping, &err),
			 0);
	buf_reset(ret_object);
	buf_put_u8(ret_object, 1);
	buf_put(ret_object, slice_of(salt, sizeof(salt)));
	assert_int_equal(cipher_gcm_seal(&gcm, buf_slice(&plain), ret_object, &err), 0);
}

static int agree(struct slice object, const struct pkey *peer)
{
	CLEANUP(secret_cleanup) struct secret *shared = NULL;
	struct err err = {0};

	return provider_key_agree(provider, slice_str("h"), object, peer, &shared, &err);
}

/* What the flags say, in keys of now and of before. */
static void test_flags_of_pairs(void **state)
{
	static const struct {
		uint8_t flags;
		int sign, agree;
	} rows[] = {
		{0x00, 0, ERR_INVALID},
		{0x01, 0, ERR_INVALID},
		{0x10, 0, ERR_INVALID},
		{0x40, ERR_INVALID, 0},
		{0x50, 0, 0},
		{0x04, ERR_NOT_SUPPORTED, ERR_NOT_SUPPORTED},
		{0x18, ERR_NOT_SUPPORTED, ERR_NOT_SUPPORTED},
		{0x80, ERR_DAMAGED, ERR_DAMAGED},
	};
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	CLEANUP(secret_cleanup) struct secret *der = NULL;
	CLEANUP(buf_fini) struct buf object = BUF_INIT(1024);
	struct err err = {0};

	(void)state;
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &err), 0);
	assert_int_equal(pkey_to_pkcs8(pair, &der, &err), 0);
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		seal_key(rows[i / 2].flags, secret_slice(der), &object);
		assert_int_equal(sign(provider, slice_str("h"), buf_slice(&object)),
				 rows[i / 2].sign);
		assert_int_equal(agree(buf_slice(&object), pair), rows[i / 2].agree);
	}
}

/* A key that is known for once: RFC 2104 by way of crypto/hash.h is what it gives. */
static void test_mac_of_known_key(void **state)
{
	const struct slice message = slice_str("what do ya want for nothing?");
	static const uint8_t key[33] = "thirty-two bytes of an HMAC key.";
	CLEANUP(buf_fini) struct buf object = BUF_INIT(1024), mac = BUF_INIT(64);
	uint8_t wanted[HASH_MAX_SIZE];
	struct err err = {0};

	(void)state;
	seal_key(0x80, slice_of(key, 32), &object);
	assert_int_equal(
		provider_key_mac(provider, slice_str("h"), buf_slice(&object), message, &mac, &err),
		0);
	assert_int_equal(hash_hmac(HASH_SHA256, slice_of(key, 32), &message, 1, wanted, &err), 0);
	assert_true(slice_equal(buf_slice(&mac), slice_of(wanted, 32)));
	assert_int_equal(sign(provider, slice_str("h"), buf_slice(&object)), ERR_INVALID);
	for (size_t len = 31; len <= 33; len += 2) {
		seal_key(0x80, slice_of(key, len), &object);
		assert_int_equal(provider_key_mac(provider, slice_str("h"), buf_slice(&object),
						  message, &mac, &err),
				 ERR_DAMAGED);
	}
	assert_int_equal(mac.len, 32);
}

/* Without a provider, and with one that can nothing: an answer, not a crash. */
static void test_no_provider(void **state)
{
	static const struct provider_ops nothing = {.name = "nothing"};
	struct provider empty = {.ops = &nothing};
	struct provider *const providers[] = {NULL, &empty};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
		CLEANUP(buf_fini) struct buf out = BUF_INIT(64);
		CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
		struct provider *p = providers[i];
		struct provider_status status = {.commands = 1};
		struct slice some = slice_str("some");
		const struct key_spec spec = {.type = PKEY_ECC_P256};
		const struct sign_request request = {.digest = some};
		struct secret *secret = NULL;
		uint8_t byte = 7;
		struct err err = {0};

		assert_int_equal(provider_random(p, &byte, 1, &err), ERR_TPM_REQUIRED);
		assert_int_equal(provider_seal(p, some, host_key, &out, &err), ERR_TPM_REQUIRED);
		assert_int_equal(provider_unseal(p, some, some, &secret, &err), ERR_TPM_REQUIRED);
		assert_int_equal(provider_key_create(p, some, &spec, &key, &err), ERR_TPM_REQUIRED);
		assert_int_equal(
			provider_key_import(p, some, &(struct key_source){.pem = some}, &key, &err),
			ERR_TPM_REQUIRED);
		assert_int_equal(provider_key_export(p, some, some, &out, &secret, &err),
				 ERR_TPM_REQUIRED);
		assert_int_equal(provider_key_sign(p, some, some, &request, &out, &err),
				 ERR_TPM_REQUIRED);
		assert_int_equal(provider_key_decrypt(p, some, some, NULL, &secret, &err),
				 ERR_TPM_REQUIRED);
		assert_int_equal(provider_key_agree(p, some, some, NULL, &secret, &err),
				 ERR_TPM_REQUIRED);
		assert_int_equal(provider_key_mac(p, some, some, some, &out, &err),
				 ERR_TPM_REQUIRED);
		assert_int_equal(provider_pieces_start(p, PIECES_MAC, some, some, NULL, &err),
				 ERR_TPM_REQUIRED);
		assert_int_equal(provider_aik_sign(p, some, some, some, &out, &err),
				 ERR_TPM_REQUIRED);
		provider_forget(p, some);
		provider_status(p, &status);
		assert_int_equal(status.commands, 0);
		provider_free(p);
		assert_int_equal(byte, 7);
		assert_int_equal(out.len, 0);
		assert_null(secret);
	}
}

static int work(void *arg)
{
	struct secret *plain = arg;

	for (unsigned i = 0; i < 200; i++) {
		CLEANUP(buf_fini) struct buf object = BUF_INIT(PROVIDER_OBJECT_MAX);
		CLEANUP(secret_cleanup) struct secret *back = NULL;
		struct err err = {0};

		if (provider_seal(provider, slice_str("head"), plain, &object, &err) < 0 ||
		    provider_unseal(provider, slice_str("head"), buf_slice(&object), &back, &err) <
			    0 ||
		    !secret_equal(secret_slice(back), secret_slice(plain)))
			return 1;
	}
	return 0;
}

static void test_threads(void **state)
{
	thrd_t threads[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(thrd_create(&threads[i], work, host_key), thrd_success);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		int failed = 1;

		assert_int_equal(thrd_join(threads[i], &failed), thrd_success);
		assert_int_equal(failed, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_key_size),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_stream_vectors),
		cmocka_unit_test(test_tss2_needs_a_tpm),
		cmocka_unit_test(test_import_is_not_exportable),
		cmocka_unit_test(test_import_refuses),
		cmocka_unit_test(test_hot_key_stays_bound),
		cmocka_unit_test(test_flags_of_pairs),
		cmocka_unit_test(test_mac_of_known_key),
		cmocka_unit_test(test_no_provider),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
