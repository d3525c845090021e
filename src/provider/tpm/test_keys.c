/* SPDX-License-Identifier: Apache-2.0 */

/* Keys and messages through the door, on a simulated chip: what the contract says of each use. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "provider/blob.h"
#include "provider/tpm/impl.h"
#include "tests/support/chip.h"

struct world {
	struct chip chip;
	struct provider *p;
	struct err err;
};

static uint8_t text[5000];

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct buf record = BUF_INIT(TPM_STATE_MAX);
	struct tpm_options options = {
		.srk_handle = 0x81000002u, .hsk_handle = 0x81000101u, .encrypt = true};
	struct secret *key = NULL;

	assert_non_null(world);
	chip_new(&world->chip);
	options.tcti = world->chip.conf;
	assert_int_equal(secret_new(TPM_AUTH_KEY_SIZE, &key, &world->err), 0);
	assert_int_equal(tpm_provider_open(&options, key, slice_of(NULL, 0), &world->p, &record,
					   &world->err),
			 0);
	assert_int_equal(tpm_provider_commit(world->p, &world->err), 0);
	secret_free(key);
	buf_fini(&record);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	provider_free(world->p);
	chip_free(&world->chip);
	free(world);
	return 0;
}

static struct slice header(void)
{
	return slice_str("the header of a key");
}

/* Its kind is what the door looks at (docs/BLOB.md, "Header"). */
static struct slice aik_header(void)
{
	static const uint8_t bytes[] = {'H', 'F', 'B', 'L', 1, PROVIDER_TPM, BLOB_AIK, 0};

	return slice_of(bytes, sizeof(bytes));
}

static void create(struct world *world, const struct key_spec *spec, struct key_result *ret_key)
{
	assert_int_equal(provider_key_create(world->p, header(), spec, ret_key, &world->err), 0);
}

static int try_import(struct world *world, struct slice pem, const char *passphrase, unsigned uses,
		      struct key_result *ret_key)
{
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	struct key_source source = {.pem = pem, .uses = uses};
	int r;

	if (passphrase) {
		assert_int_equal(secret_copy(slice_str(passphrase), &secret, &world->err), 0);
		source.passphrase = secret;
	}
	r = provider_key_import(world->p, header(), &source, ret_key, &world->err);
	if (r < 0)
		assert_int_equal(ret_key->object.len + ret_key->spki.len + ret_key->public.len, 0);
	return r;
}

/* What a key does, checked with its public half; ERR_INVALID when it is not for that. */
static int sign(struct world *world, const struct key_result *key)
{
	bool is_rsa = key->type < PKEY_TYPES && pkey_type_is_rsa(key->type);
	const struct sign_request request = {.scheme = is_rsa ? PKEY_RSASSA : PKEY_ECDSA,
					     .hash = HASH_SHA256,
					     .digest = slice_of(text, 32)};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	int r = provider_key_sign(world->p, header(), buf_slice(&key->object), &request, &signature,
				  &world->err);

	if (r < 0)
		return r;
	assert_int_equal(pkey_from_spki(buf_slice(&key->spki), &public, &world->err), 0);
	assert_int_equal(pkey_verify(public, request.scheme, HASH_SHA256, request.digest,
				     buf_slice(&signature), &world->err),
			 0);
	return 0;
}

static int decrypt(struct world *world, const struct key_result *key)
{
	CLEANUP(buf_fini) struct buf ciphertext = BUF_INIT(512);
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	struct decrypt_request request = {.hash = HASH_SHA256,
					  .label = slice_of("label", 6),
					  .ciphertext = slice_of(text, 256)};
	bool is_rsa = key->type < PKEY_TYPES && pkey_type_is_rsa(key->type);
	int r;

	if (is_rsa) {
		assert_int_equal(pkey_from_spki(buf_slice(&key->spki), &public, &world->err), 0);
		assert_int_equal(pkey_oaep_encrypt(public, HASH_SHA256, "label", slice_str("plain"),
						   &ciphertext, &world->err),
				 0);
		request.ciphertext = buf_slice(&ciphertext);
	}
	r = provider_key_decrypt(world->p, header(), buf_slice(&key->object), &request, &plain,
				 &world->err);
	if (r == 0)
		assert_true(slice_equal(secret_slice(plain), slice_str("plain")));
	return r;
}

static int agree(struct world *world, const struct key_result *key)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL, *peer = NULL;
	CLEANUP(secret_cleanup) struct secret *shared = NULL;
	bool is_ecc = key->type < PKEY_TYPES && !pkey_type_is_rsa(key->type);
	struct pkey_ecdh ecdh;
	int r;

	if (is_ecc)
		r = pkey_from_spki(buf_slice(&key->spki), &public, &world->err);
	else
		r = pkey_generate(PKEY_ECC_P256, &public, &world->err);
	assert_int_equal(r, 0);
	assert_int_equal(pkey_ecdh_ephemeral(public, &ecdh, &world->err), 0);
	assert_int_equal(pkey_from_ecc(pkey_type(public), slice_of(ecdh.x, ecdh.size),
				       slice_of(ecdh.y, ecdh.size), &peer, &world->err),
			 0);
	r = provider_key_agree(world->p, header(), buf_slice(&key->object), peer, &shared,
			       &world->err);
	if (r == 0)
		assert_true(slice_equal(secret_slice(shared), slice_of(ecdh.z, ecdh.size)));
	return r;
}

static int mac(struct world *world, const struct key_result *key)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(64);
	int r = provider_key_mac(world->p, header(), buf_slice(&key->object), slice_of(text, 100),
				 &out, &world->err);

	assert_int_equal(out.len, r < 0 ? 0 : 32);
	return r;
}

/* It does what it is for and nothing else. */
static void check_uses(struct world *world, const struct key_result *key)
{
	static const struct {
		unsigned use;
		int (*try)(struct world *world, const struct key_result *key);
	} tries[] = {{KEY_USE_SIGN, sign},
		     {KEY_USE_DECRYPT, decrypt},
		     {KEY_USE_AGREE, agree},
		     {KEY_USE_MAC, mac}};

	for (size_t i = 0; i < ARRAY_LEN(tries); i++)
		assert_int_equal(tries[i].try(world, key),
				 key->uses & tries[i].use ? 0 : ERR_INVALID);
}

/* --- made here ------------------------------------------------------------------------------ */

static void test_specs(void **state)
{
	static const struct key_spec specs[] = {
		{.type = PKEY_ECC_P256},
		{.type = PKEY_ECC_P384, .uses = KEY_USE_AGREE},
		{.type = PKEY_RSA_2048, .uses = KEY_USE_SIGN | KEY_USE_DECRYPT},
		{.type = PKEY_ECC_P256, .uses = KEY_USE_AGREE, .exportable = true},
		{.type = PKEY_TYPES, .uses = KEY_USE_MAC},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
		unsigned wanted = specs[i].uses ? specs[i].uses : KEY_USE_SIGN;
		struct engine_public public;

		create(world, &specs[i], &key);
		assert_int_equal(key.type, specs[i].type);
		assert_int_equal(key.uses, wanted);
		assert_int_equal(key.spki.len == 0, wanted == KEY_USE_MAC);
		assert_int_equal(engine_public_parse(buf_slice(&key.public), &public, &world->err),
				 0);
		assert_true(slice_equal(buf_slice(&key.name),
					slice_of(public.name.bytes, public.name.len)));
		pkey_free(public.key);
		check_uses(world, &key);
		provider_forget(world->p, buf_slice(&key.object));
	}
}

static void test_other_headers(void **state)
{
	static const struct key_spec spec = {.type = PKEY_TYPES, .uses = KEY_USE_MAC};
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(64);
	struct world *world = *state;
	struct pieces *pieces = NULL;

	create(world, &spec, &key);
	assert_int_equal(provider_key_mac(world->p, slice_str("another header"),
					  buf_slice(&key.object), slice_of(text, 9), &out,
					  &world->err),
			 ERR_DAMAGED);
	assert_int_equal(provider_pieces_start(world->p, PIECES_MAC, slice_str("another header"),
					       buf_slice(&key.object), &pieces, &world->err),
			 ERR_DAMAGED);
	assert_null(pieces);
}

/* --- brought along --------------------------------------------------------------------------- */

static void test_import_pkcs8(void **state)
{
	static const struct {
		enum pkey_type type;
		unsigned uses;
		const char *passphrase;
	} kinds[] = {
		{PKEY_ECC_P256, 0, NULL},
		{PKEY_ECC_P384, KEY_USE_SIGN | KEY_USE_AGREE, "a passphrase"},
		{PKEY_RSA_2048, KEY_USE_DECRYPT, NULL},
		{PKEY_RSA_3072, KEY_USE_SIGN, "a passphrase"},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
		CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(16384);
		CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024);
		CLEANUP(pkey_cleanup) struct pkey *pair = NULL;

		assert_int_equal(pkey_generate(kinds[i].type, &pair, &world->err), 0);
		if (kinds[i].passphrase)
			assert_int_equal(secret_copy(slice_str(kinds[i].passphrase), &passphrase,
						     &world->err),
					 0);
		assert_int_equal(pkey_to_pkcs8_pem(pair, passphrase, &pem, &world->err), 0);
		if (passphrase)
			assert_int_equal(try_import(world, buf_slice(&pem), "another", 0, &key),
					 ERR_AUTH_FAILED);
		assert_int_equal(try_import(world, buf_slice(&pem), kinds[i].passphrase,
					    kinds[i].uses, &key),
				 0);
		assert_int_equal(key.uses, kinds[i].uses ? kinds[i].uses : KEY_USE_SIGN);
		assert_int_equal(key.type, kinds[i].type);
		assert_int_equal(pkey_to_spki(pair, &spki, &world->err), 0);
		assert_true(slice_equal(buf_slice(&spki), buf_slice(&key.spki)));
		check_uses(world, &key);
		provider_forget(world->p, buf_slice(&key.object));
	}
}

static void test_import_pkcs8_refused(void **state)
{
	static const char old[] = "-----BEGIN EC PRIVATE KEY-----\nAA==\n"
				  "-----END EC PRIVATE KEY-----\n";
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(16384);
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	struct world *world = *state;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &world->err), 0);
	assert_int_equal(pkey_to_pkcs8_pem(pair, NULL, &pem, &world->err), 0);
	assert_int_equal(try_import(world, buf_slice(&pem), NULL, KEY_USE_DECRYPT, &key),
			 ERR_INVALID);
	assert_int_equal(try_import(world, buf_slice(&pem), NULL, KEY_USE_MAC, &key), ERR_INVALID);
	assert_int_equal(try_import(world, slice_str(old), NULL, 0, &key), ERR_INVALID);
	assert_non_null(strstr(world->err.text, "PKCS#8"));
	assert_int_equal(try_import(world, slice_of(pem.data, pem.len / 2), NULL, 0, &key),
			 ERR_INVALID);
}

/* A TSS2 key has the uses that its public area says, all of them. */
static void test_import_tss2(void **state)
{
	static const struct {
		struct key_spec spec;
		unsigned wanted;
		int r;
	} kinds[] = {
		{{.type = PKEY_RSA_2048, .uses = KEY_USE_DECRYPT}, 0, 0},
		{{.type = PKEY_RSA_2048, .uses = KEY_USE_DECRYPT}, KEY_USE_SIGN, ERR_NOT_SUPPORTED},
		{{.type = PKEY_ECC_P256, .uses = KEY_USE_SIGN | KEY_USE_AGREE}, KEY_USE_SIGN, 0},
		{{.type = PKEY_ECC_P256, .uses = KEY_USE_SIGN},
		 KEY_USE_SIGN | KEY_USE_AGREE,
		 ERR_NOT_SUPPORTED},
	};
	struct world *world = *state;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
		CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
		CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(16384);
		struct key_spec spec = kinds[i].spec;

		spec.exportable = spec.empty_auth = true;
		create(world, &spec, &made);
		assert_int_equal(provider_key_export(world->p, header(), buf_slice(&made.object),
						     &pem, &passphrase, &world->err),
				 0);
		assert_null(passphrase);
		assert_int_equal(try_import(world, buf_slice(&pem), NULL, kinds[i].wanted, &key),
				 kinds[i].r);
		if (kinds[i].r < 0)
			continue;
		assert_int_equal(key.uses, spec.uses);
		check_uses(world, &key);
	}
}

/* --- messages ------------------------------------------------------------------------------- */

/* @len bytes of @bytes, piece by piece. */
static int run_pieces(struct world *world, enum pieces_of of, const struct key_result *key,
		      struct slice bytes, struct buf *ret_result)
{
	struct pieces *pieces = NULL;
	int r = provider_pieces_start(world->p, of, of == PIECES_AIK ? aik_header() : header(),
				      buf_slice(&key->object), &pieces, &world->err);

	while (r == 0 && bytes.len > PROVIDER_PIECE_MAX) {
		r = provider_pieces_add(world->p, pieces, slice_of(bytes.data, PROVIDER_PIECE_MAX),
					&world->err);
		bytes = slice_of(bytes.data + PROVIDER_PIECE_MAX, bytes.len - PROVIDER_PIECE_MAX);
	}
	if (r == 0)
		return provider_pieces_end(world->p, pieces, bytes, ret_result, &world->err);
	provider_pieces_free(world->p, pieces);
	return r;
}

static void test_macs(void **state)
{
	static const struct key_spec spec = {.type = PKEY_TYPES, .uses = KEY_USE_MAC};
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct world *world = *state;

	create(world, &spec, &key);
	for (size_t len = 1; len <= PROVIDER_PIECE_MAX; len += 341) {
		CLEANUP(buf_fini) struct buf whole = BUF_INIT(64);
		CLEANUP(buf_fini) struct buf pieces = BUF_INIT(64);

		assert_int_equal(provider_key_mac(world->p, header(), buf_slice(&key.object),
						  slice_of(text, len), &whole, &world->err),
				 0);
		assert_int_equal(run_pieces(world, PIECES_MAC, &key, slice_of(text, len), &pieces),
				 0);
		assert_true(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
	}
}

static void aik_create(struct world *world, struct key_result *ret_aik)
{
	static const struct aik_spec spec = {.type = PKEY_ECC_P256, .hash = HASH_SHA256};

	assert_int_equal(provider_aik_create(world->p, aik_header(), &spec, ret_aik, &world->err),
			 0);
}

static void check_signature(struct world *world, const struct key_result *aik, size_t len,
			    const struct buf *signature)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	const struct slice part = slice_of(text, len);
	uint8_t digest[HASH_MAX_SIZE];

	assert_int_equal(hash_digest(HASH_SHA256, &part, 1, digest, &world->err), 0);
	assert_int_equal(pkey_from_spki(buf_slice(&aik->spki), &public, &world->err), 0);
	assert_int_equal(pkey_verify(public, PKEY_ECDSA, HASH_SHA256, slice_of(digest, 32),
				     buf_slice(signature), &world->err),
			 0);
}

static void test_aik_signatures(void **state)
{
	static const size_t lens[] = {1, 1024, 1025, sizeof(text)};
	CLEANUP(key_result_cleanup) struct key_result aik = KEY_RESULT_INIT;
	struct world *world = *state;

	aik_create(world, &aik);
	assert_int_equal(aik.uses, KEY_USE_SIGN);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
		const struct slice message = slice_of(text, lens[i]);

		assert_int_equal(run_pieces(world, PIECES_AIK, &aik, message, &signature), 0);
		check_signature(world, &aik, lens[i], &signature);
		if (lens[i] > PROVIDER_PIECE_MAX)
			continue;
		buf_reset(&signature);
		assert_int_equal(provider_aik_sign(world->p, aik_header(), buf_slice(&aik.object),
						   message, &signature, &world->err),
				 0);
		check_signature(world, &aik, lens[i], &signature);
	}
}

/* No call for keys opens an AIK, and none for AIKs a key. */
static void test_each_its_own(void **state)
{
	static const struct key_spec spec = {.type = PKEY_ECC_P256};
	CLEANUP(key_result_cleanup) struct key_result aik = KEY_RESULT_INIT;
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(1024);
	const struct slice short_one = slice_of(text, 9);
	struct world *world = *state;

	aik_create(world, &aik);
	create(world, &spec, &key);
	assert_int_equal(sign(world, &aik), ERR_DAMAGED);
	assert_int_equal(decrypt(world, &aik), ERR_DAMAGED);
	assert_int_equal(agree(world, &aik), ERR_DAMAGED);
	assert_int_equal(mac(world, &aik), ERR_DAMAGED);
	assert_int_equal(run_pieces(world, PIECES_MAC, &aik, short_one, &out), ERR_DAMAGED);
	assert_int_equal(run_pieces(world, PIECES_AIK, &key, short_one, &out), ERR_DAMAGED);
	assert_int_equal(run_pieces(world, PIECES_MAC, &key, short_one, &out), ERR_INVALID);
	assert_int_equal(provider_aik_sign(world->p, header(), buf_slice(&key.object), short_one,
					   &out, &world->err),
			 ERR_DAMAGED);
	assert_int_equal(out.len, 0);
}

/* Refused with the first piece, not after all have gone through the chip. */
static void test_what_a_tpm_says_itself(void **state)
{
	CLEANUP(key_result_cleanup) struct key_result aik = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(1024);
	uint8_t said[PROVIDER_PIECE_MAX] = {0xff, 'T', 'C', 'G'};
	const struct slice message = slice_of(said, sizeof(said));
	struct world *world = *state;
	struct pieces *pieces = NULL;

	aik_create(world, &aik);
	assert_int_equal(provider_aik_sign(world->p, aik_header(), buf_slice(&aik.object), message,
					   &out, &world->err),
			 ERR_INVALID);
	assert_int_equal(run_pieces(world, PIECES_AIK, &aik, message, &out), ERR_INVALID);
	assert_int_equal(provider_pieces_start(world->p, PIECES_AIK, aik_header(),
					       buf_slice(&aik.object), &pieces, &world->err),
			 0);
	assert_int_equal(provider_pieces_add(world->p, pieces, message, &world->err), ERR_INVALID);
	provider_pieces_free(world->p, pieces);
	/* Later on it is a message like others. */
	pieces = NULL;
	assert_int_equal(provider_pieces_start(world->p, PIECES_AIK, aik_header(),
					       buf_slice(&aik.object), &pieces, &world->err),
			 0);
	assert_int_equal(provider_pieces_add(world->p, pieces, slice_of(text, PROVIDER_PIECE_MAX),
					     &world->err),
			 0);
	assert_int_equal(provider_pieces_end(world->p, pieces, message, &out, &world->err), 0);
	assert_true(out.len > 0);
}

static uint64_t commands_of(struct world *world)
{
	struct provider_status status;

	provider_status(world->p, &status);
	return status.commands;
}

/* As many as may be under way, in turns on a chip with three slots: none drives another out. */
static void test_all_stay_in_the_chip(void **state)
{
	static const struct key_spec spec = {.type = PKEY_TYPES, .uses = KEY_USE_MAC};
	const struct slice piece = slice_of(text, PROVIDER_PIECE_MAX);
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct pieces *pieces[PROVIDER_MESSAGES_MAX] = {NULL};
	struct world *world = *state;
	uint64_t before;
	size_t i, n;

	create(world, &spec, &key);
	for (i = 0; i < PROVIDER_MESSAGES_MAX; i++)
		assert_int_equal(provider_pieces_start(world->p, PIECES_MAC, header(),
						       buf_slice(&key.object), &pieces[i],
						       &world->err),
				 0);
	for (i = 0; i < PROVIDER_MESSAGES_MAX; i++)
		assert_int_equal(provider_pieces_add(world->p, pieces[i], piece, &world->err), 0);
	before = commands_of(world);
	for (n = 0; n < 4; n++)
		for (i = 0; i < PROVIDER_MESSAGES_MAX; i++)
			assert_int_equal(
				provider_pieces_add(world->p, pieces[i], piece, &world->err), 0);
	assert_int_equal(commands_of(world) - before, n * PROVIDER_MESSAGES_MAX);
	for (i = 0; i < PROVIDER_MESSAGES_MAX; i++)
		provider_pieces_free(world->p, pieces[i]);
}

static void test_reset_in_between(void **state)
{
	static const struct key_spec spec = {.type = PKEY_TYPES, .uses = KEY_USE_MAC};
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(64);
	struct world *world = *state;
	struct pieces *pieces = NULL;
	struct provider_status status;

	create(world, &spec, &key);
	assert_int_equal(provider_pieces_start(world->p, PIECES_MAC, header(),
					       buf_slice(&key.object), &pieces, &world->err),
			 0);
	chip_power_cut(&world->chip);
	chip_power_on(&world->chip);
	assert_int_equal(
		provider_pieces_end(world->p, pieces, slice_of(text, 9), &out, &world->err),
		ERR_CONFLICT);
	assert_int_equal(out.len, 0);
	provider_status(world->p, &status);
	assert_null(status.fault);
	assert_int_equal(mac(world, &key), 0);
}

/* A ciphertext of somebody else is no failure of the chip. */
static void test_status_after_a_bad_ciphertext(void **state)
{
	static const struct key_spec spec = {.type = PKEY_RSA_2048, .uses = KEY_USE_DECRYPT};
	const struct decrypt_request request = {.hash = HASH_SHA256,
						.ciphertext = slice_of(text, 256)};
	CLEANUP(key_result_cleanup) struct key_result key = KEY_RESULT_INIT;
	struct secret *plain = NULL;
	struct world *world = *state;
	struct provider_status status;

	create(world, &spec, &key);
	assert_int_equal(provider_key_decrypt(world->p, header(), buf_slice(&key.object), &request,
					      &plain, &world->err),
			 ERR_DAMAGED);
	assert_null(plain);
	provider_status(world->p, &status);
	assert_null(status.fault);
	assert_int_equal(decrypt(world, &key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_specs),
		CASE(test_other_headers),
		CASE(test_import_pkcs8),
		CASE(test_import_pkcs8_refused),
		CASE(test_import_tss2),
		CASE(test_macs),
		CASE(test_aik_signatures),
		CASE(test_each_its_own),
		CASE(test_what_a_tpm_says_itself),
		CASE(test_all_stay_in_the_chip),
		CASE(test_reset_in_between),
		CASE(test_status_after_a_bad_ciphertext),
	};

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7 + i / 256);
	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
