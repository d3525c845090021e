/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attestation keys as records, and keys of every use, on a provider that only notes what it is
 * asked for: which object under which header. The contract suite asks the same of a TPM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "keystore/test_fixture.h"

static const struct keystore_target AIK = {&ACME, BLOB_AIK, "0x81010005"};
static const struct keystore_target KEY = {&ACME, BLOB_KEY, "door"};

#define SPKI   "a public key"
#define NAME   "\0\x0b its name"
#define PUBLIC "\0\1p"

/* What made an object: its header, and for what. The object is the header's checksum and a letter.
 */
static int make(struct slice header, char what, struct key_result *ret_key)
{
	buf_put(&ret_key->object, slice_of(header.data + header.len - 8, 8));
	buf_put_u8(&ret_key->object, (uint8_t)what);
	buf_put_str(&ret_key->spki, SPKI);
	buf_put(&ret_key->name, slice_of(NAME, sizeof(NAME) - 1));
	buf_put(&ret_key->public, slice_of(PUBLIC, sizeof(PUBLIC) - 1));
	return 0;
}

static int check(struct slice header, struct slice object, char what, struct err *err)
{
	if (object.len != 9 ||
	    !slice_equal(slice_of(object.data, 8), slice_of(header.data + header.len - 8, 8)) ||
	    object.data[8] != (uint8_t)what)
		return err_set(err, ERR_DAMAGED, "another object");
	return 0;
}

static int stub_key_create(struct provider *p, struct slice header, const struct key_spec *spec,
			   struct key_result *ret_key, struct err *err)
{
	(void)p;
	(void)spec;
	(void)err;
	return make(header, 'k', ret_key);
}

static int stub_aik_create(struct provider *p, struct slice header, const struct aik_spec *spec,
			   struct key_result *ret_key, struct err *err)
{
	(void)p;
	(void)spec;
	(void)err;
	return make(header, 'a', ret_key);
}

static int stub_aik_sign(struct provider *p, struct slice header, struct slice object,
			 struct slice message, struct buf *ret_signature, struct err *err)
{
	(void)p;
	buf_put(ret_signature, message);
	return check(header, object, 'a', err);
}

static int stub_quote(struct provider *p, struct slice header, struct slice object,
		      const struct quote_request *request, struct attestation *ret_quote,
		      struct pcr_values *ret_values, struct err *err)
{
	(void)p;
	buf_put(&ret_quote->attest, request->nonce);
	ret_values->update_counter = 5;
	return check(header, object, 'a', err);
}

static int stub_certify(struct provider *p, const struct provider_object *aik,
			const struct provider_object *key, struct slice nonce,
			struct attestation *ret_certified, struct err *err)
{
	int r = check(aik->header, aik->object, 'a', err);

	(void)p;
	buf_put(&ret_certified->attest, nonce);
	return r < 0 ? r : check(key->header, key->object, 'k', err);
}

static int stub_activate(struct provider *p, struct slice header, struct slice object,
			 const struct credential *credential, struct secret **ret_secret,
			 struct err *err)
{
	int r = check(header, object, 'a', err);

	(void)p;
	return r < 0 ? r : secret_copy(credential->secret, ret_secret, err);
}

static int stub_sign(struct provider *p, struct slice header, struct slice object,
		     const struct sign_request *request, struct buf *ret_signature, struct err *err)
{
	(void)p;
	buf_put(ret_signature, request->digest);
	return check(header, object, 'k', err);
}

static int stub_start(struct provider *p, enum pieces_of of, struct slice header,
		      struct slice object, struct pieces **ret_pieces, struct err *err)
{
	int r = check(header, object, of == PIECES_AIK ? 'a' : 'k', err);

	if (r == 0)
		*ret_pieces = (struct pieces *)(void *)p;
	return r;
}

static const struct provider_ops OPS = {
	.kind = PROVIDER_TPM,
	.key_create = stub_key_create,
	.key_sign = stub_sign,
	.pieces_start = stub_start,
	.aik_create = stub_aik_create,
	.aik_sign = stub_aik_sign,
	.quote = stub_quote,
	.certify = stub_certify,
	.activate = stub_activate,
};
static struct provider tpm = {.ops = &OPS, .root = {1}, .root_len = 34};

static const struct aik_spec SPEC = {.type = PKEY_ECC_P384, .hash = HASH_SHA384};

static void make_aik(struct buf *ret_record)
{
	struct err err;

	assert_int_equal(keystore_aik_create(&tpm, &AIK, &SPEC, 0x81010005, ret_record, &err), 0);
}

static void make_key(struct buf *ret_record)
{
	const struct key_spec spec = {.type = PKEY_RSA_2048, .uses = KEY_USE_DECRYPT};
	struct err err;

	assert_int_equal(keystore_key_create(&tpm, &KEY, &spec, ret_record, &err), 0);
}

static void aiks_describe_themselves(void **state)
{
	CLEANUP(keystore_key_fini) struct keystore_key aik = {.type = PKEY_TYPES};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct world *world = *state;

	make_aik(&record);
	assert_int_equal(keystore_key_describe(&AIK, buf_slice(&record), &aik, &world->err), 0);
	assert_int_equal(aik.header.kind, BLOB_AIK);
	assert_int_equal(aik.type, PKEY_ECC_P384);
	assert_int_equal(aik.hash, HASH_SHA384);
	assert_int_equal(aik.handle, 0x81010005);
	assert_int_equal(aik.uses, KEY_USE_SIGN);
	assert_true(slice_equal(buf_slice(&aik.spki), slice_str(SPKI)));
	assert_true(slice_equal(buf_slice(&aik.tpm_name), slice_of(NAME, sizeof(NAME) - 1)));
	assert_true(slice_equal(buf_slice(&aik.public), slice_of(PUBLIC, sizeof(PUBLIC) - 1)));
}

static void keys_describe_themselves(void **state)
{
	CLEANUP(keystore_key_fini) struct keystore_key key = {.type = PKEY_TYPES};
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	struct world *world = *state;

	make_key(&record);
	assert_int_equal(keystore_key_describe(&KEY, buf_slice(&record), &key, &world->err), 0);
	assert_int_equal(key.type, PKEY_RSA_2048);
	assert_int_equal(key.uses, KEY_USE_DECRYPT);
	assert_true(slice_equal(buf_slice(&key.public), slice_of(PUBLIC, sizeof(PUBLIC) - 1)));
}

/* Everything an attestation key can be asked for; the codes in that order. */
static void ask_aik(struct provider *p, const struct keystore_target *target, struct slice record,
		    const struct keystore_record *key, int code)
{
	CLEANUP(attestation_cleanup) struct attestation quote = ATTESTATION_INIT;
	CLEANUP(attestation_cleanup) struct attestation certified = ATTESTATION_INIT;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(64);
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	const struct keystore_record aik = {.target = target, .bytes = record};
	const struct quote_request request = {
		.nonce = slice_str("nonce"),
		.pcrs = {.banks = {{HASH_SHA256, 1}}, .count = 1},
		.values = true,
	};
	const struct credential credential = {.blob = slice_str("blob"),
					      .secret = slice_str("secret")};
	struct pcr_values values = {.update_counter = 77};
	struct pieces *pieces = NULL;
	struct err err;

	assert_int_equal(
		keystore_aik_sign(p, target, record, slice_str("message"), &signature, &err), code);
	assert_int_equal(signature.len, code == 0 ? 7 : 0);
	assert_int_equal(keystore_aik_quote(p, &aik, &request, &quote, &values, &err), code);
	assert_int_equal(values.update_counter, code == 0 ? 5 : 77);
	assert_int_equal(keystore_aik_certify(p, &aik, key, slice_str("nonce"), &certified, &err),
			 code);
	assert_int_equal(certified.attest.len, code == 0 ? 5 : 0);
	assert_int_equal(keystore_aik_activate(p, target, record, &credential, &secret, &err),
			 code);
	assert_int_equal(secret != NULL, code == 0);
	assert_int_equal(keystore_pieces_start(p, target, record, &pieces, &err), code);
	assert_int_equal(pieces != NULL, code == 0);
}

static void aiks_are_used(void **state)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf key_record = BUF_INIT(STORE_CONTENT_MAX);
	struct world *world = *state;

	make_aik(&record);
	make_key(&key_record);
	const struct keystore_record key = {.target = &KEY, .bytes = buf_slice(&key_record)};
	const struct keystore_target other = {&HOST, BLOB_AIK, "0x81010005"};
	const struct keystore_target renamed = {&ACME, BLOB_AIK, "0x81010006"};

	ask_aik(&tpm, &AIK, buf_slice(&record), &key, 0);
	ask_aik(&tpm, &other, buf_slice(&record), &key, ERR_WRONG_TENANT);
	ask_aik(&tpm, &renamed, buf_slice(&record), &key, ERR_WRONG_NAME);
	ask_aik(world->p, &AIK, buf_slice(&record), &key, ERR_TPM_REQUIRED);
	ask_aik(NULL, &AIK, buf_slice(&record), &key, ERR_TPM_REQUIRED);
	record.data[record.len - 10] ^= 1;
	record.len--;
	ask_aik(&tpm, &AIK, buf_slice(&record), &key, ERR_DAMAGED);
}

/* Neither opens as the other, whether the target says what it is or what is wanted. */
static void keys_and_aiks_are_told_apart(void **state)
{
	static const struct keystore_target AIK_AS_KEY = {&ACME, BLOB_KEY, "0x81010005"};
	static const struct keystore_target KEY_AS_AIK = {&ACME, BLOB_AIK, "door"};
	static const uint8_t DIGEST[32];
	const struct sign_request request = {
		.scheme = PKEY_RSASSA, .hash = HASH_SHA256, .digest = slice_of(DIGEST, 32)};
	CLEANUP(buf_fini) struct buf aik = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf key = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf out = BUF_INIT(64);
	CLEANUP(attestation_cleanup) struct attestation certified = ATTESTATION_INIT;
	struct keystore_key described = {.type = PKEY_TYPES};
	struct pieces *pieces = NULL;
	struct world *world = *state;
	struct err *err = &world->err;

	make_aik(&aik);
	make_key(&key);
	const struct keystore_record one = {.target = &AIK, .bytes = buf_slice(&aik)};
	const struct keystore_record two = {.target = &KEY, .bytes = buf_slice(&key)};

	assert_int_equal(keystore_key_sign(&tpm, &AIK, buf_slice(&aik), &request, &out, err),
			 ERR_INVALID);
	assert_int_equal(keystore_key_sign(&tpm, &AIK_AS_KEY, buf_slice(&aik), &request, &out, err),
			 ERR_INVALID);
	assert_int_equal(keystore_aik_sign(&tpm, &KEY, buf_slice(&key), slice_str("m"), &out, err),
			 ERR_INVALID);
	assert_int_equal(
		keystore_aik_sign(&tpm, &KEY_AS_AIK, buf_slice(&key), slice_str("m"), &out, err),
		ERR_INVALID);
	assert_int_equal(keystore_aik_certify(&tpm, &two, &two, slice_str("n"), &certified, err),
			 ERR_INVALID);
	assert_int_equal(keystore_aik_certify(&tpm, &one, &one, slice_str("n"), &certified, err),
			 ERR_INVALID);
	assert_int_equal(keystore_pieces_start(&tpm, &AIK_AS_KEY, buf_slice(&aik), &pieces, err),
			 ERR_INVALID);
	assert_int_equal(keystore_key_describe(&AIK_AS_KEY, buf_slice(&aik), &described, err),
			 ERR_INVALID);
	assert_int_equal(keystore_key_describe(&KEY_AS_AIK, buf_slice(&key), &described, err),
			 ERR_INVALID);
	assert_int_equal(out.len + certified.attest.len, 0);
	assert_null(pieces);
}

/* Where there is no TPM there are none; and a key is not made under the other kind. */
static void aiks_need_a_tpm(void **state)
{
	CLEANUP(buf_fini) struct buf record = BUF_INIT(STORE_CONTENT_MAX);
	const struct key_spec spec = {.type = PKEY_ECC_P256};
	struct world *world = *state;
	struct err *err = &world->err;

	assert_int_equal(keystore_aik_create(world->p, &AIK, &SPEC, 0x81010000, &record, err),
			 ERR_TPM_REQUIRED);
	assert_int_equal(keystore_aik_create(NULL, &AIK, &SPEC, 0x81010000, &record, err),
			 ERR_TPM_REQUIRED);
	assert_int_equal(keystore_aik_create(&tpm, &KEY, &SPEC, 0x81010000, &record, err),
			 ERR_DAMAGED);
	assert_int_equal(keystore_key_create(&tpm, &AIK, &spec, &record, err), ERR_DAMAGED);
	assert_int_equal(keystore_key_create(world->p, &AIK, &spec, &record, err), ERR_DAMAGED);
	assert_int_equal(record.len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(aiks_describe_themselves),
		TEST(keys_describe_themselves),
		TEST(aiks_are_used),
		TEST(keys_and_aiks_are_told_apart),
		TEST(aiks_need_a_tpm),
	};

	return cmocka_run_group_tests_name("keystore-aik", tests, NULL, NULL);
}
