/* SPDX-License-Identifier: Apache-2.0 */
/* On the legacy provider and a store of its own; the contract suite asks the same of a TPM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "crypto/pkey.h"
#include "keystore/test_fixture.h"

static const struct keystore_target SEALED = {&ACME, BLOB_SEALED, ""};
static const struct keystore_target SECRET = {&ACME, BLOB_SECRET, "door"};
static const struct keystore_target KEY = {&ACME, BLOB_KEY, "door"};

/* --- sealing --- */

static void seal(struct world *world, const struct keystore_target *target,
		 const struct secret *plain, struct buf *ret_blob)
{
	CLEANUP(keystore_sealing_fini) struct keystore_sealing sealing = {.key = NULL};

	assert_int_equal(keystore_seal_object(world->p, target, plain, &sealing, &world->err), 0);
	assert_int_equal(sealing.key != NULL, secret_size(plain) == 0 || secret_size(plain) > 128);
	assert_int_equal(keystore_seal_finish(&sealing, plain, ret_blob, &world->err), 0);
}

/* Both halves; *ret_plain is untouched on failure. */
static int unseal(struct provider *p, const struct keystore_target *target, struct slice blob,
		  struct secret **ret_plain, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	bool is_key = false;
	int r = keystore_open_object(p, target, blob, &secret, &is_key, err);

	if (r < 0) {
		assert_null(secret);
		return r;
	}
	if (is_key)
		return keystore_open_finish(blob, secret, ret_plain, err);
	*ret_plain = TAKE(secret);
	return 0;
}

static void assert_refused(struct world *world, struct provider *p,
			   const struct keystore_target *target, struct slice blob, int code)
{
	struct secret *plain = NULL;

	assert_int_equal(unseal(p, target, blob, &plain, &world->err), code);
	assert_int_equal(world->err.code, code);
	assert_null(plain);
}

static void sealed_is_unsealed(void **state)
{
	static const size_t SIZES[] = {0, 1, 127, 128, 129, 65536, 65537, KEYSTORE_PLAIN_MAX};
	static const struct keystore_target *const TARGETS[] = {&SEALED, &SECRET};
	struct world *world = *state;
	size_t i, t;

	for (i = 0; i < ARRAY_LEN(SIZES); i++)
		for (t = 0; t < ARRAY_LEN(TARGETS); t++) {
			CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX + 3);
			CLEANUP(secret_cleanup) struct secret *plain = pattern(SIZES[i]);
			CLEANUP(secret_cleanup) struct secret *back = NULL;
			struct slice bytes;

			buf_put_str(&blob, "pre");
			seal(world, TARGETS[t], plain, &blob);
			bytes = slice_of(blob.data + 3, blob.len - 3);
			assert_int_equal(unseal(world->p, TARGETS[t], bytes, &back, &world->err),
					 0);
			assert_true(slice_equal(secret_slice(plain), secret_slice(back)));
			/* Nothing of it stands in the blob. */
			if (SIZES[i] >= 16)
				assert_null(memmem(bytes.data, bytes.len, secret_data(plain), 16));
		}
}

static void too_much_is_refused(void **state)
{
	CLEANUP(secret_cleanup) struct secret *plain = pattern(KEYSTORE_PLAIN_MAX + 1);
	struct keystore_sealing sealing = {.key = NULL};
	struct world *world = *state;

	assert_int_equal(keystore_seal_object(world->p, &SEALED, plain, &sealing, &world->err),
			 ERR_TOO_LARGE);
	assert_null(sealing.object.data);
}

static void no_room_leaves_the_output_alone(void **state)
{
	CLEANUP(keystore_sealing_fini) struct keystore_sealing sealing = {.key = NULL};
	CLEANUP(secret_cleanup) struct secret *plain = pattern(1000);
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(600);
	struct world *world = *state;

	assert_int_equal(keystore_seal_object(world->p, &SEALED, plain, &sealing, &world->err), 0);
	assert_true(keystore_seal_finish(&sealing, plain, &blob, &world->err) < 0);
	assert_int_equal(blob.len, 0);
}

/* Each mistake has its own code, and the caller's own mistakes come before the device's. */
static void wrong_places_have_their_codes(void **state)
{
	static const struct {
		struct keystore_target target;
		int code;
	} CASES[] = {
		{{&ACME, BLOB_SECRET, "door"}, 0},
		{{&HOST, BLOB_SECRET, "door"}, ERR_WRONG_TENANT},
		{{&HOST, BLOB_SEALED, ""}, ERR_WRONG_TENANT},
		{{&ACME, BLOB_SEALED, ""}, ERR_INVALID},
		{{&ACME, BLOB_KEY, "door"}, ERR_INVALID},
		{{&ACME, BLOB_SECRET, "Door"}, ERR_WRONG_NAME},
		{{&ACME, BLOB_SECRET, "doo"}, ERR_WRONG_NAME},
	};
	static const size_t SIZES[] = {10, 1000};
	struct world *world = *state;
	size_t i, s;

	for (s = 0; s < ARRAY_LEN(SIZES); s++) {
		CLEANUP(secret_cleanup) struct secret *plain = pattern(SIZES[s]);
		CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX);

		seal(world, &SECRET, plain, &blob);
		for (i = 0; i < ARRAY_LEN(CASES); i++) {
			CLEANUP(secret_cleanup) struct secret *back = NULL;

			assert_int_equal(unseal(world->p, &CASES[i].target, buf_slice(&blob), &back,
						&world->err),
					 CASES[i].code);
			/* With the wrong device that comes first, whatever else is wrong. */
			if (CASES[i].code != 0)
				assert_refused(world, world->other, &CASES[i].target,
					       buf_slice(&blob), ERR_WRONG_TPM);
		}
		assert_refused(world, world->other, &SECRET, buf_slice(&blob), ERR_WRONG_TPM);
		assert_refused(world, NULL, &SECRET, buf_slice(&blob), ERR_NOT_SUPPORTED);
	}
}

/* A blob that says it is of a TPM, under the legacy provider. */
static void tpm_blobs_need_a_tpm(void **state)
{
	static const struct provider_ops OPS = {.kind = PROVIDER_TPM};
	struct provider tpm = {.ops = &OPS, .root = {1}, .root_len = 34};
	CLEANUP(buf_fini) struct buf header_bytes = BUF_INIT(BLOB_HEADER_MAX);
	CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX);
	struct world *world = *state;
	struct blob_header header;

	blob_header_init(&header, &tpm, BLOB_SECRET, ACME.id, "door", 1);
	blob_header_write(&header, &header_bytes);
	blob_write(buf_slice(&header_bytes), slice_str("object"), slice_of(NULL, 0), &blob);
	assert_refused(world, world->p, &SECRET, buf_slice(&blob), ERR_TPM_REQUIRED);
	assert_refused(world, NULL, &SECRET, buf_slice(&blob), ERR_TPM_REQUIRED);
}

static void damage_is_noticed(void **state)
{
	static const size_t SIZES[] = {10, 200};
	struct world *world = *state;
	size_t s, i;

	for (s = 0; s < ARRAY_LEN(SIZES); s++) {
		CLEANUP(secret_cleanup) struct secret *plain = pattern(SIZES[s]);
		CLEANUP(buf_fini) struct buf blob = BUF_INIT(KEYSTORE_BLOB_MAX);
		struct secret *back = NULL;

		seal(world, &SECRET, plain, &blob);
		for (i = 0; i < blob.len; i++) {
			blob.data[i] ^= 0x04;
			assert_true(unseal(world->p, &SECRET, buf_slice(&blob), &back,
					   &world->err) < 0);
			blob.data[i] ^= 0x04;
		}
		for (i = 0; i < blob.len; i++)
			assert_true(unseal(world->p, &SECRET, slice_of(blob.data, i), &back,
					   &world->err) < 0);
		assert_refused(world, world->p, &SECRET, slice_of(blob.data, blob.len - 1),
			       ERR_DAMAGED);
		assert_refused(world, world->p, &SECRET, slice_str("no blob"), ERR_INVALID);
		assert_null(back);
	}
}

/* The halves of two blobs do not fit together, though each is good. */
static void halves_do_not_mix(void **state)
{
	CLEANUP(secret_cleanup) struct secret *plain = pattern(1000);
	CLEANUP(secret_cleanup) struct secret *key = NULL;
	CLEANUP(buf_fini) struct buf a = BUF_INIT(KEYSTORE_BLOB_MAX);
	CLEANUP(buf_fini) struct buf b = BUF_INIT(KEYSTORE_BLOB_MAX);
	struct world *world = *state;
	struct secret *back = NULL;
	bool is_key;

	seal(world, &SECRET, plain, &a);
	seal(world, &SECRET, plain, &b);
	assert_int_equal(
		keystore_open_object(world->p, &SECRET, buf_slice(&a), &key, &is_key, &world->err),
		0);
	assert_true(is_key);
	assert_int_equal(keystore_open_finish(buf_slice(&b), key, &back, &world->err), ERR_DAMAGED);
	assert_null(back);
}

static void names_fit_the_kind(void **state)
{
	static const struct keystore_target BAD[] = {
		{&ACME, BLOB_SEALED, "name"}, {&ACME, BLOB_SECRET, ""}, {&ACME, BLOB_KEY, ""},
		{&ACME, BLOB_SECRET, ".a"},   {&ACME, BLOB_KEY, "a/b"},
	};
	const struct key_spec spec = {.type = PKEY_ECC_P256};
	CLEANUP(secret_cleanup) struct secret *plain = pattern(3);
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct keystore_sealing sealing = {.key = NULL};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(BAD); i++) {
		assert_int_equal(
			keystore_seal_object(world->p, &BAD[i], plain, &sealing, &world->err),
			ERR_INVALID);
		assert_int_equal(
			keystore_key_create(world->p, &BAD[i], &spec, &record, &world->err),
			ERR_INVALID);
	}
	assert_int_equal(keystore_seal_object(NULL, &SECRET, plain, &sealing, &world->err),
			 ERR_TPM_REQUIRED);
	assert_int_equal(keystore_key_create(NULL, &KEY, &spec, &record, &world->err),
			 ERR_TPM_REQUIRED);
	assert_int_equal(record.len, 0);
}

/* --- keys --- */

static void create_key(struct world *world, const struct key_spec *spec, struct buf *ret_record)
{
	assert_int_equal(keystore_key_create(world->p, &KEY, spec, ret_record, &world->err), 0);
}

/* Signs with the record, verifies with the public half that the record describes. */
static void assert_signs(struct world *world, struct slice record, enum pkey_scheme scheme)
{
	static const uint8_t DIGEST[32] = "thirty-two bytes to be signed..";
	const struct sign_request request = {
		.scheme = scheme, .hash = HASH_SHA256, .digest = slice_of(DIGEST, 32)};
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);

	assert_int_equal(
		keystore_key_sign(world->p, &KEY, record, &request, &signature, &world->err), 0);
	assert_int_equal(keystore_key_describe(&KEY, record, &key, &world->err), 0);
	assert_int_equal(pkey_from_spki(buf_slice(&key.spki), &public, &world->err), 0);
	assert_int_equal(pkey_type(public), key.type);
	assert_int_equal(pkey_verify(public, scheme, HASH_SHA256, request.digest,
				     buf_slice(&signature), &world->err),
			 0);
	signature.data[signature.len - 1] ^= 1;
	assert_true(pkey_verify(public, scheme, HASH_SHA256, request.digest, buf_slice(&signature),
				&world->err) < 0);
}

static void keys_sign_and_describe_themselves(void **state)
{
	static const struct {
		struct key_spec spec;
		enum pkey_scheme scheme;
		uint8_t flags;
	} CASES[] = {
		{{PKEY_ECC_P256, false, false, 0}, PKEY_ECDSA, 0},
		{{PKEY_ECC_P384, true, false, 0}, PKEY_ECDSA, BLOB_EXPORTABLE},
		{{PKEY_RSA_2048, true, true, 0}, PKEY_RSASSA, BLOB_EXPORTABLE | BLOB_EMPTY_AUTH},
	};
	struct world *world = *state;
	uint64_t now = (uint64_t)time(NULL);
	size_t i;

	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
		CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);

		create_key(world, &CASES[i].spec, &record);
		assert_int_equal(keystore_key_describe(&KEY, buf_slice(&record), &key, &world->err),
				 0);
		assert_int_equal(key.type, CASES[i].spec.type);
		assert_int_equal(key.header.flags, CASES[i].flags);
		assert_int_equal(key.header.provider, PROVIDER_SOFTWARE);
		assert_in_range(key.header.time, now, now + 600);
		assert_int_equal(key.tpm_name.len, 0);
		assert_signs(world, buf_slice(&record), CASES[i].scheme);
	}
}

static void impossible_keys_are_refused(void **state)
{
	const struct key_spec spec = {.type = PKEY_ECC_P256, .empty_auth = true};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct world *world = *state;

	assert_int_equal(keystore_key_create(world->p, &KEY, &spec, &record, &world->err),
			 ERR_INVALID);
	assert_int_equal(record.len, 0);
}

static void keys_in_wrong_hands(void **state)
{
	static const struct {
		struct keystore_target target;
		int code;
	} CASES[] = {
		{{&HOST, BLOB_KEY, "door"}, ERR_WRONG_TENANT},
		{{&ACME, BLOB_SECRET, "door"}, ERR_INVALID},
		{{&ACME, BLOB_KEY, "gate"}, ERR_WRONG_NAME},
	};
	static const uint8_t DIGEST[32];
	const struct sign_request request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(DIGEST, 32)};
	const struct key_spec spec = {.type = PKEY_ECC_P256, .exportable = true};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf out = BUF_INIT(8192);
	struct keystore_key key = {.type = PKEY_TYPES};
	struct secret *passphrase = NULL;
	struct world *world = *state;
	size_t i;

	create_key(world, &spec, &record);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		const struct keystore_target *target = &CASES[i].target;

		assert_int_equal(keystore_key_sign(world->p, target, buf_slice(&record), &request,
						   &out, &world->err),
				 CASES[i].code);
		assert_int_equal(keystore_key_export(world->p, target, buf_slice(&record), &out,
						     &passphrase, &world->err),
				 CASES[i].code);
		assert_int_equal(
			keystore_key_describe(target, buf_slice(&record), &key, &world->err),
			CASES[i].code);
	}
	assert_int_equal(keystore_key_sign(world->other, &KEY, buf_slice(&record), &request, &out,
					   &world->err),
			 ERR_WRONG_TPM);
	assert_int_equal(
		keystore_key_sign(NULL, &KEY, buf_slice(&record), &request, &out, &world->err),
		ERR_NOT_SUPPORTED);
	assert_int_equal(out.len, 0);
	assert_int_equal(key.type, PKEY_TYPES);
	assert_null(passphrase);
}

static struct pkey *public_of(struct world *world, struct slice record)
{
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	struct pkey *public = NULL;

	assert_int_equal(keystore_key_describe(&KEY, record, &key, &world->err), 0);
	assert_int_equal(pkey_from_spki(buf_slice(&key.spki), &public, &world->err), 0);
	return public;
}

static void keys_decrypt(void **state)
{
	const struct key_spec spec = {.type = PKEY_RSA_2048, .uses = KEY_USE_DECRYPT};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(512);
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct decrypt_request request = {.hash = HASH_SHA256};
	struct world *world = *state;

	create_key(world, &spec, &record);
	CLEANUP(pkey_cleanup) struct pkey *public = public_of(world, buf_slice(&record));
	assert_int_equal(pkey_oaep_encrypt(public, HASH_SHA256, NULL, slice_str("plain"), &sealed,
					   &world->err),
			 0);
	request.ciphertext = buf_slice(&sealed);
	assert_int_equal(keystore_key_decrypt(world->p, &KEY, buf_slice(&record), &request, &plain,
					      &world->err),
			 0);
	assert_true(slice_equal(secret_slice(plain), slice_str("plain")));
}

static void keys_agree(void **state)
{
	const struct key_spec spec = {.type = PKEY_ECC_P256, .uses = KEY_USE_AGREE | KEY_USE_SIGN};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(secret_cleanup) struct secret *ours = NULL;
	CLEANUP(secret_cleanup) struct secret *theirs = NULL;
	CLEANUP(pkey_cleanup) struct pkey *peer = NULL;
	struct world *world = *state;

	create_key(world, &spec, &record);
	CLEANUP(pkey_cleanup) struct pkey *public = public_of(world, buf_slice(&record));
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &peer, &world->err), 0);
	assert_int_equal(
		keystore_key_agree(world->p, &KEY, buf_slice(&record), peer, &ours, &world->err),
		0);
	assert_int_equal(pkey_agree(peer, public, &theirs, &world->err), 0);
	assert_true(secret_equal(secret_slice(ours), secret_slice(theirs)));
}

/* At once and in pieces; it has no public half to be described. */
static void keys_make_macs(void **state)
{
	const struct key_spec spec = {.type = PKEY_TYPES, .uses = KEY_USE_MAC};
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_ECC_P256};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64), again = BUF_INIT(64);
	struct world *world = *state;
	struct pieces *pieces = NULL;

	create_key(world, &spec, &record);
	assert_int_equal(keystore_key_mac(world->p, &KEY, buf_slice(&record), slice_str("message"),
					  &mac, &world->err),
			 0);
	assert_int_equal(
		keystore_pieces_start(world->p, &KEY, buf_slice(&record), &pieces, &world->err), 0);
	assert_int_equal(
		provider_pieces_end(world->p, pieces, slice_str("message"), &again, &world->err),
		0);
	assert_int_equal(mac.len, 32);
	assert_true(slice_equal(buf_slice(&mac), buf_slice(&again)));
	assert_int_equal(keystore_key_describe(&KEY, buf_slice(&record), &key, &world->err), 0);
	assert_int_equal(key.type, PKEY_TYPES);
	assert_int_equal(key.uses, KEY_USE_MAC);
	assert_int_equal(key.spki.len, 0);
}

/* Out with its passphrase, in again, and it is the same key. */
static void exported_is_imported(void **state)
{
	static const bool EMPTY_AUTH[] = {false, true};
	struct world *world = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(EMPTY_AUTH); i++) {
		const struct key_spec spec = {PKEY_ECC_P256, true, EMPTY_AUTH[i], 0};
		CLEANUP(keystore_key_fini) struct keystore_key first = {.type = PKEY_TYPES};
		CLEANUP(keystore_key_fini) struct keystore_key second = {.type = PKEY_TYPES};
		CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
		CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
		CLEANUP(buf_fini) struct buf again = BUF_INIT(STORE_CONTENT_MAX);
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(8192);

		create_key(world, &spec, &record);
		assert_int_equal(keystore_key_export(world->p, &KEY, buf_slice(&record), &pem,
						     &passphrase, &world->err),
				 0);
		assert_int_equal(passphrase == NULL, EMPTY_AUTH[i]);
		if (passphrase)
			assert_int_equal(
				keystore_key_import(world->p, &KEY,
						    &(struct key_source){.pem = buf_slice(&pem)},
						    &again, &world->err),
				ERR_AUTH_FAILED);
		assert_int_equal(keystore_key_import(world->p, &KEY,
						     &(struct key_source){.pem = buf_slice(&pem),
									  .passphrase = passphrase},
						     &again, &world->err),
				 0);
		assert_signs(world, buf_slice(&again), PKEY_ECDSA);
		assert_int_equal(
			keystore_key_describe(&KEY, buf_slice(&record), &first, &world->err), 0);
		assert_int_equal(
			keystore_key_describe(&KEY, buf_slice(&again), &second, &world->err), 0);
		assert_true(slice_equal(buf_slice(&first.spki), buf_slice(&second.spki)));
		assert_int_equal(second.header.flags, BLOB_IMPORTED);
		buf_reset(&pem);
		secret_free(TAKE(passphrase));
		assert_int_equal(keystore_key_export(world->p, &KEY, buf_slice(&again), &pem,
						     &passphrase, &world->err),
				 ERR_CONFLICT);
		assert_int_equal(pem.len, 0);
	}
}

static void only_exportable_keys_leave(void **state)
{
	const struct key_spec spec = {.type = PKEY_ECC_P256};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(8192);
	struct secret *passphrase = NULL;
	struct world *world = *state;

	create_key(world, &spec, &record);
	assert_int_equal(keystore_key_export(world->p, &KEY, buf_slice(&record), &pem, &passphrase,
					     &world->err),
			 ERR_CONFLICT);
	assert_int_equal(pem.len, 0);
}

static void garbage_is_no_key(void **state)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct keystore_key key = {.type = PKEY_TYPES};
	struct world *world = *state;

	assert_true(keystore_key_import(world->p, &KEY,
					&(struct key_source){.pem = slice_str("no PEM at all")},
					&record, &world->err) < 0);
	assert_int_equal(record.len, 0);
	assert_int_equal(keystore_key_describe(&KEY, slice_str("no blob"), &key, &world->err),
			 ERR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sealed_is_unsealed),
		TEST(too_much_is_refused),
		TEST(no_room_leaves_the_output_alone),
		TEST(wrong_places_have_their_codes),
		TEST(tpm_blobs_need_a_tpm),
		TEST(damage_is_noticed),
		TEST(halves_do_not_mix),
		TEST(names_fit_the_kind),
		TEST(keys_sign_and_describe_themselves),
		TEST(impossible_keys_are_refused),
		TEST(keys_in_wrong_hands),
		TEST(keys_decrypt),
		TEST(keys_agree),
		TEST(keys_make_macs),
		TEST(exported_is_imported),
		TEST(only_exportable_keys_leave),
		TEST(garbage_is_no_key),
	};

	return cmocka_run_group_tests_name("keystore", tests, NULL, NULL);
}
