/* SPDX-License-Identifier: Apache-2.0 */

/* Keys of every kind on a real simulator: what each use costs, and its results in software. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"

/* --- making and using one ------------------------------------------------------------------ */

struct made_key {
	struct engine_made made;
	struct engine_object object;
	struct engine_public public;
};

static void made_key_fini(struct made_key *key)
{
	engine_made_fini(&key->made);
	pkey_free(key->public.key);
}

static void made_key_parse(struct bench *bench, struct made_key *key)
{
	key->object = bench_object(&key->made, ENGINE_HSK);
	assert_int_equal(engine_public_parse(key->object.public, &key->public, &bench->err), 0);
}

static void make(struct bench *bench, enum pkey_type type, unsigned uses, struct made_key *ret_key)
{
	const struct engine_key key = {
		.parent = ENGINE_HSK, .type = type, .uses = uses, .auth = bench_password};

	*ret_key = (struct made_key){.made = ENGINE_MADE_INIT};
	assert_int_equal(engine_create_key(bench->engine, &key, &ret_key->made, &bench->err), 0);
	made_key_parse(bench, ret_key);
	assert_int_equal(ret_key->public.uses, uses);
}

static int sign(struct bench *bench, const struct made_key *key)
{
	const uint8_t digest[32] = {4, 5, 6};
	bool is_rsa = key->public.key && pkey_type_is_rsa(key->public.type);
	const struct engine_sign request = {.scheme = is_rsa ? PKEY_RSAPSS : PKEY_ECDSA,
					    .hash = HASH_SHA256,
					    .digest = slice_of(digest, 32)};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	int r = engine_sign(bench->engine, &key->object, &request, &signature, &bench->err);

	if (r == 0)
		assert_int_equal(pkey_verify(key->public.key, request.scheme, HASH_SHA256,
					     request.digest, buf_slice(&signature), &bench->err),
				 0);
	else
		assert_int_equal(signature.len, 0);
	return r;
}

/* What pkey_oaep_encrypt() made, with the label's text or none. */
struct oaep {
	enum hash_alg hash;
	const char *label;
	const char *plain;
};

static int decrypt_bytes(struct bench *bench, const struct made_key *key, const struct oaep *oaep,
			 struct slice ciphertext)
{
	struct engine_decrypt request = {.hash = oaep->hash, .ciphertext = ciphertext};
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	int r;

	if (oaep->label)
		request.label = slice_of(oaep->label, strlen(oaep->label) + 1);
	r = engine_decrypt(bench->engine, &key->object, &request, &plain, &bench->err);
	if (r < 0)
		assert_null(plain);
	else
		assert_true(slice_equal(secret_slice(plain), slice_str(oaep->plain)));
	return r;
}

static void encrypt(struct bench *bench, const struct made_key *key, const struct oaep *oaep,
		    struct buf *ret_ciphertext)
{
	assert_int_equal(pkey_oaep_encrypt(key->public.key, oaep->hash, oaep->label,
					   slice_str(oaep->plain), ret_ciphertext, &bench->err),
			 0);
}

/* With a key of another kind there is nothing to encrypt to, so any bytes do. */
static int decrypt(struct bench *bench, const struct made_key *key)
{
	static const struct oaep oaep = {HASH_SHA256, "a label", "a plain text"};
	static const uint8_t any[256];
	CLEANUP(buf_fini) struct buf ciphertext = BUF_INIT(512);

	if (key->public.type == PKEY_RSA_2048 || key->public.type == PKEY_RSA_3072)
		encrypt(bench, key, &oaep, &ciphertext);
	else
		buf_put(&ciphertext, slice_of(any, sizeof(any)));
	return decrypt_bytes(bench, key, &oaep, buf_slice(&ciphertext));
}

static int agree(struct bench *bench, const struct made_key *key)
{
	CLEANUP(secret_cleanup) struct secret *shared = NULL;
	CLEANUP(pkey_cleanup) struct pkey *other = NULL, *peer = NULL;
	bool is_ecc = key->public.key && !pkey_type_is_rsa(key->public.type);
	const struct pkey *own = key->public.key;
	struct pkey_ecdh ecdh;
	int r;

	if (!is_ecc) {
		assert_int_equal(pkey_generate(PKEY_ECC_P256, &other, &bench->err), 0);
		own = other;
	}
	assert_int_equal(pkey_ecdh_ephemeral(own, &ecdh, &bench->err), 0);
	assert_int_equal(pkey_from_ecc(pkey_type(own), slice_of(ecdh.x, ecdh.size),
				       slice_of(ecdh.y, ecdh.size), &peer, &bench->err),
			 0);
	r = engine_agree(bench->engine, &key->object, peer, &shared, &bench->err);
	if (r < 0)
		assert_null(shared);
	else
		assert_true(slice_equal(secret_slice(shared), slice_of(ecdh.z, ecdh.size)));
	return r;
}

static int mac(struct bench *bench, const struct made_key *key, size_t len, struct buf *ret_mac)
{
	static const uint8_t data[ENGINE_PIECE_MAX] = {7, 8, 9};
	int r = engine_mac(bench->engine, &key->object, slice_of(data, len), ret_mac, &bench->err);

	assert_int_equal(ret_mac->len, r < 0 ? 0 : 32);
	return r;
}

static int mac_ten(struct bench *bench, const struct made_key *key)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(64);

	return mac(bench, key, 10, &out);
}

/* --- uses ---------------------------------------------------------------------------------- */

static const struct {
	unsigned use;
	const char *word;
	int (*try)(struct bench *bench, const struct made_key *key);
} tries[] = {
	{ENGINE_SIGN, "made to sign", sign},
	{ENGINE_DECRYPT, "made to decrypt", decrypt},
	{ENGINE_AGREE, "made to agree", agree},
	{ENGINE_MAC, "made to make MACs", mac_ten},
};

/* What it was made for is one command; the rest is refused without one. */
static void use_in_every_way(struct bench *bench, const struct made_key *key)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(tries); i++) {
		if (key->public.uses & tries[i].use) {
			assert_int_equal(tries[i].try(bench, key), 0);
			(void)bench_cost();
			assert_int_equal(tries[i].try(bench, key), 0);
			assert_int_equal(bench_cost(), 1);
			continue;
		}
		(void)bench_cost();
		assert_int_equal(tries[i].try(bench, key), ERR_INVALID);
		assert_int_equal(bench_cost(), 0);
		assert_non_null(strstr(bench->err.text, tries[i].word));
	}
}

static const struct {
	enum pkey_type type;
	unsigned uses;
} kinds[] = {
	{PKEY_ECC_P256, ENGINE_SIGN},
	{PKEY_ECC_P256, ENGINE_AGREE},
	{PKEY_ECC_P256, ENGINE_SIGN | ENGINE_AGREE},
	{PKEY_ECC_P384, ENGINE_SIGN | ENGINE_AGREE},
	{PKEY_RSA_2048, ENGINE_SIGN},
	{PKEY_RSA_2048, ENGINE_DECRYPT},
	{PKEY_RSA_3072, ENGINE_SIGN | ENGINE_DECRYPT},
	{PKEY_TYPES, ENGINE_MAC}, /* the last: nobody can import one */
};

static void test_every_kind(void **state)
{
	struct bench *bench = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		CLEANUP(made_key_fini) struct made_key key;

		(void)bench_cost();
		make(bench, kinds[i].type, kinds[i].uses, &key);
		assert_int_equal(bench_cost(), 1);
		assert_int_equal(key.public.type, kinds[i].type);
		assert_true(key.public.user_with_auth && !key.public.restricted);
		use_in_every_way(bench, &key);
		engine_forget(bench->engine, &key.object);
	}
}

static void test_impossible_uses(void **state)
{
	static const struct engine_key impossible[] = {
		{.parent = ENGINE_HSK, .type = PKEY_ECC_P256, .uses = ENGINE_DECRYPT},
		{.parent = ENGINE_HSK, .type = PKEY_RSA_2048, .uses = ENGINE_AGREE},
		{.parent = ENGINE_HSK, .type = PKEY_ECC_P256, .uses = 0},
		{.parent = ENGINE_HSK, .type = PKEY_ECC_P256, .uses = ENGINE_SIGN | ENGINE_MAC},
		{.parent = ENGINE_HSK, .type = PKEY_TYPES, .uses = ENGINE_SIGN},
	};
	struct bench *bench = *state;
	size_t i;

	(void)bench_cost();
	for (i = 0; i < ARRAY_LEN(impossible); i++) {
		CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;

		assert_int_equal(
			engine_create_key(bench->engine, &impossible[i], &made, &bench->err),
			ERR_INVALID);
		assert_int_equal(made.public.len + made.private.len, 0);
	}
	assert_int_equal(bench_cost(), 0);
}

/* A chip says by its own codes what it lacks. */
static void test_a_chip_that_lacks_it(void **state)
{
	static const uint32_t codes[] = {
		TPM2_RC_CURVE + TPM2_RC_P + TPM2_RC_2,
		TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_2,
		TPM2_RC_KEY_SIZE + TPM2_RC_P + TPM2_RC_2,
	};
	static const struct engine_key wanted = {
		.parent = ENGINE_HSK, .type = PKEY_ECC_P384, .uses = ENGINE_SIGN};
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	struct bench *bench = *state;
	size_t i;

	bench_through_refuser(bench);
	assert_int_equal(pkey_generate(PKEY_ECC_P384, &pair, &bench->err), 0);
	for (i = 0; i < ARRAY_LEN(codes); i++) {
		bench_refuse(TPM2_CC_Create, codes[i], 1);
		assert_int_equal(engine_create_key(bench->engine, &wanted, &made, &bench->err),
				 ERR_NOT_SUPPORTED);
		assert_true(bench_refused());
		bench_refuse(TPM2_CC_Import, codes[i], 1);
		assert_int_equal(engine_import_key(bench->engine, pair, ENGINE_SIGN, bench_password,
						   &made, &bench->err),
				 ERR_NOT_SUPPORTED);
		assert_true(bench_refused());
	}
	assert_int_equal(made.public.len, 0);
}

/* --- decrypt ------------------------------------------------------------------------------- */

static void test_hashes_and_labels(void **state)
{
	static const struct oaep kinds_of_oaep[] = {
		{HASH_SHA256, "x", "plain"},
		{HASH_SHA384, "x", "plain"},
		{HASH_SHA512, "x", "plain"},
		{HASH_SHA1, "x", "plain"},
		{HASH_SHA256, "label of sixty-three characters, which is as long as it can be.",
		 ""},
	};
	CLEANUP(made_key_fini) struct made_key key;
	struct bench *bench = *state;
	size_t i;

	make(bench, PKEY_RSA_2048, ENGINE_DECRYPT, &key);
	for (i = 0; i < ARRAY_LEN(kinds_of_oaep); i++) {
		CLEANUP(buf_fini) struct buf ciphertext = BUF_INIT(512);

		encrypt(bench, &key, &kinds_of_oaep[i], &ciphertext);
		assert_int_equal(
			decrypt_bytes(bench, &key, &kinds_of_oaep[i], buf_slice(&ciphertext)), 0);
	}
}

/* All that is told is that it does not open; and the chip serves on. */
static void test_wrong_ciphertexts(void **state)
{
	static const struct oaep made = {HASH_SHA256, "right", "plain"};
	static const struct oaep wrong[] = {
		{HASH_SHA256, "wrong", "plain"},
		{HASH_SHA256, NULL, "plain"},
		{HASH_SHA384, "right", "plain"},
	};
	CLEANUP(buf_fini) struct buf ciphertext = BUF_INIT(512);
	CLEANUP(made_key_fini) struct made_key key;
	struct bench *bench = *state;
	struct slice all;
	size_t i;

	make(bench, PKEY_RSA_2048, ENGINE_DECRYPT, &key);
	encrypt(bench, &key, &made, &ciphertext);
	all = buf_slice(&ciphertext);
	for (i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(decrypt_bytes(bench, &key, &wrong[i], all), ERR_DAMAGED);
	ciphertext.data[100] ^= 1;
	assert_int_equal(decrypt_bytes(bench, &key, &made, all), ERR_DAMAGED);
	ciphertext.data[100] ^= 1;
	assert_int_equal(decrypt_bytes(bench, &key, &made, slice_of(all.data, 255)), ERR_INVALID);
	assert_int_equal(decrypt_bytes(bench, &key, &made, all), 0);
	/* As large as the modulus and larger. */
	memset(ciphertext.data, 0xff, 256);
	assert_int_equal(decrypt_bytes(bench, &key, &made, all), ERR_DAMAGED);
	memset(ciphertext.data, 0, 256);
	assert_int_equal(decrypt_bytes(bench, &key, &made, all), ERR_DAMAGED);
	assert_int_equal(decrypt(bench, &key), 0);
}

/* --- agree --------------------------------------------------------------------------------- */

static void test_peers_of_other_curves(void **state)
{
	static const enum pkey_type others[] = {PKEY_ECC_P384, PKEY_RSA_2048};
	CLEANUP(made_key_fini) struct made_key key;
	struct bench *bench = *state;
	size_t i;

	make(bench, PKEY_ECC_P256, ENGINE_AGREE, &key);
	for (i = 0; i < ARRAY_LEN(others); i++) {
		CLEANUP(pkey_cleanup) struct pkey *peer = NULL;
		struct secret *shared = NULL;

		assert_int_equal(pkey_generate(others[i], &peer, &bench->err), 0);
		assert_int_equal(
			engine_agree(bench->engine, &key.object, peer, &shared, &bench->err),
			ERR_INVALID);
		assert_null(shared);
	}
	assert_int_equal(agree(bench, &key), 0);
}

/* --- MAC ----------------------------------------------------------------------------------- */

static void test_macs_in_software(void **state)
{
	static const size_t lens[] = {0, 1, 1023, ENGINE_PIECE_MAX};
	static const uint8_t data[ENGINE_PIECE_MAX] = {7, 8, 9};
	const struct slice secret = slice_str("a secret that both of us know");
	CLEANUP(made_key_fini) struct made_key key;
	struct bench *bench = *state;
	uint8_t expected[HASH_MAX_SIZE];
	size_t i;

	key = (struct made_key){.made = ENGINE_MADE_INIT};
	bench_mac_key(bench, secret, &key.made);
	made_key_parse(bench, &key);
	for (i = 0; i < ARRAY_LEN(lens); i++) {
		CLEANUP(buf_fini) struct buf out = BUF_INIT(64);
		const struct slice part = slice_of(data, lens[i]);

		assert_int_equal(mac(bench, &key, lens[i], &out), 0);
		assert_int_equal(hash_hmac(HASH_SHA256, secret, &part, 1, expected, &bench->err),
				 0);
		assert_true(slice_equal(buf_slice(&out), slice_of(expected, 32)));
	}
}

static void test_too_much_for_a_mac(void **state)
{
	static const uint8_t data[ENGINE_PIECE_MAX + 1];
	CLEANUP(buf_fini) struct buf out = BUF_INIT(64);
	CLEANUP(made_key_fini) struct made_key key;
	struct bench *bench = *state;

	make(bench, PKEY_TYPES, ENGINE_MAC, &key);
	(void)bench_cost();
	assert_int_equal(engine_mac(bench->engine, &key.object, slice_of(data, sizeof(data)), &out,
				    &bench->err),
			 ERR_INVALID);
	assert_int_equal(bench_cost(), 0);
	assert_int_equal(out.len, 0);
}

/* --- import -------------------------------------------------------------------------------- */

static void import(struct bench *bench, const struct pkey *pair, unsigned uses,
		   struct made_key *ret_key)
{
	*ret_key = (struct made_key){.made = ENGINE_MADE_INIT};
	assert_int_equal(engine_import_key(bench->engine, pair, uses, bench_password,
					   &ret_key->made, &bench->err),
			 0);
	made_key_parse(bench, ret_key);
	assert_int_equal(ret_key->public.uses, uses);
}

static void assert_same_key(struct bench *bench, const struct pkey *a, const struct pkey *b)
{
	CLEANUP(buf_fini) struct buf spki_a = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf spki_b = BUF_INIT(1024);

	assert_int_equal(pkey_to_spki(a, &spki_a, &bench->err), 0);
	assert_int_equal(pkey_to_spki(b, &spki_b, &bench->err), 0);
	assert_true(slice_equal(buf_slice(&spki_a), buf_slice(&spki_b)));
}

/* The chip vouches for none of it, and keeps it by the password. */
static void check_imported(struct bench *bench, struct made_key *key, const struct pkey *pair)
{
	TPM2B_PUBLIC public;
	TPMA_OBJECT attributes;

	assert_same_key(bench, key->public.key, pair);
	assert_int_equal(public_unmarshal(key->object.public, &public, &bench->err), 0);
	attributes = public.publicArea.objectAttributes;
	assert_int_equal(attributes & (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
				       TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED),
			 0);
	assert_true(attributes & TPMA_OBJECT_NODA);
	use_in_every_way(bench, key);
	engine_forget(bench->engine, &key->object);
	key->object.auth = slice_str("guess");
	if (key->public.uses & ENGINE_SIGN)
		assert_int_equal(sign(bench, key), ERR_AUTH_FAILED);
	engine_forget(bench->engine, &key->object);
}

static void import_every_kind(struct bench *bench)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds) - 1; i++) {
		CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
		CLEANUP(made_key_fini) struct made_key key;

		assert_int_equal(pkey_generate(kinds[i].type, &pair, &bench->err), 0);
		(void)bench_cost();
		import(bench, pair, kinds[i].uses, &key);
		assert_int_equal(bench_cost(), 1);
		check_imported(bench, &key, pair);
	}
}

static void test_import(void **state)
{
	struct bench *bench = *state;

	import_every_kind(bench);
}

/* The seed of the duplicate goes by OAEP then. */
static void test_import_below_rsa(void **state)
{
	struct bench *bench = *state;
	bool made = false;

	engine_free(bench->engine);
	bench->engine = NULL;
	chip_replace(bench->chip);
	bench->rsa = true;
	assert_int_equal(bench_reopen(bench, false, &made), 0);
	assert_true(made);
	assert_int_equal(engine_persist_hsk(bench->engine, &bench->err), 0);
	import_every_kind(bench);
}

static void test_import_below_a_transient_key(void **state)
{
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	CLEANUP(made_key_fini) struct made_key key;
	struct bench *bench = *state;

	bench_transient_hsk(bench);
	bench->in_clear = true;
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &bench->err), 0);
	import(bench, pair, ENGINE_SIGN, &key);
	assert_int_equal(sign(bench, &key), 0);
}

/*
 * The HSK is persistent, so nobody loads the record of it. Another key's public half there would be
 * told what is imported.
 */
static void test_import_by_a_record_of_another(void **state)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf other = BUF_INIT(ENGINE_PUBLIC_MAX);
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	struct bench *bench = *state;
	TPM2B_PUBLIC hsk;
	bool is_new;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &bench->err), 0);
	assert_int_equal(
		public_unmarshal(slice_of(bench->roots.hsk_public, bench->roots.hsk_public_len),
				 &hsk, &bench->err),
		0);
	hsk.publicArea.unique.ecc = bench->engine->srk_public.publicArea.unique.ecc;
	assert_int_equal(public_marshal(&hsk, &other, &bench->err), 0);
	assert_int_equal(other.len, bench->roots.hsk_public_len);
	memcpy(bench->roots.hsk_public, other.data, other.len);
	assert_int_equal(bench_reopen(bench, true, &is_new), 0);
	(void)bench_cost();
	assert_int_equal(engine_import_key(bench->engine, pair, ENGINE_SIGN, bench_password, &made,
					   &bench->err),
			 ERR_DAMAGED);
	assert_non_null(strstr(bench->err.remedy, "tpm.state"));
	assert_int_equal(bench_cost(), 0);
	assert_int_equal(made.public.len + made.private.len, 0);
}

static void test_pairs_that_no_chip_takes(void **state)
{
	static const uint8_t modulus[256] = {[0] = 0xc5, [255] = 1};
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	CLEANUP(pkey_cleanup) struct pkey *public = NULL, *three = NULL, *pair = NULL;
	struct bench *bench = *state;

	assert_int_equal(
		pkey_from_rsa(slice_of(modulus, sizeof(modulus)), 65537, &public, &bench->err), 0);
	assert_int_equal(pkey_from_rsa(slice_of(modulus, sizeof(modulus)), 3, &three, &bench->err),
			 0);
	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &bench->err), 0);
	(void)bench_cost();
	assert_int_equal(engine_import_key(bench->engine, public, ENGINE_SIGN, bench_password,
					   &made, &bench->err),
			 ERR_INVALID);
	assert_int_equal(engine_import_key(bench->engine, three, ENGINE_SIGN, bench_password, &made,
					   &bench->err),
			 ERR_NOT_SUPPORTED);
	assert_int_equal(engine_import_key(bench->engine, pair, ENGINE_DECRYPT, bench_password,
					   &made, &bench->err),
			 ERR_INVALID);
	assert_int_equal(bench_cost(), 0);
	assert_int_equal(made.public.len + made.private.len, 0);
}

/* --- a liar between us and the chip --------------------------------------------------------- */

static const struct {
	const char *how;
	uint32_t command;
	unsigned use;
} lies[] = {
	{"size", TPM2_CC_RSA_Decrypt, ENGINE_DECRYPT},
	{"hmac", TPM2_CC_RSA_Decrypt, ENGINE_DECRYPT},
	{"cut", TPM2_CC_RSA_Decrypt, ENGINE_DECRYPT},
	{"size", TPM2_CC_ECDH_ZGen, ENGINE_AGREE},
	{"hmac", TPM2_CC_ECDH_ZGen, ENGINE_AGREE},
	{"nonce", TPM2_CC_ECDH_ZGen, ENGINE_AGREE},
	{"size", TPM2_CC_HMAC, ENGINE_MAC},
	{"hmac", TPM2_CC_HMAC, ENGINE_MAC},
	{"refuse", TPM2_CC_HMAC, ENGINE_MAC},
	{"stale", TPM2_CC_HMAC, ENGINE_MAC},
};

static void lie(struct bench *bench, const char *how, uint32_t command)
{
	char tcti[sizeof(bench->tcti)];
	bool made;

	bench->tcti[0] = '\0';
	assert_int_equal(bench_reopen(bench, true, &made), 0);
	unsetenv("HOLDFAST_TEST_EVIL_TOLD");
	snprintf(tcti, sizeof(tcti), "%s:%s,%x,%s", EVIL_TCTI, how, command, bench->chip->conf);
	bench_through(bench, tcti);
}

static void test_one_lie_and_all_is_well_again(void **state)
{
	CLEANUP(made_key_fini) struct made_key rsa, ecc, hmac;
	struct bench *bench = *state;
	size_t i;

	make(bench, PKEY_RSA_2048, ENGINE_DECRYPT, &rsa);
	make(bench, PKEY_ECC_P256, ENGINE_AGREE, &ecc);
	make(bench, PKEY_TYPES, ENGINE_MAC, &hmac);
	for (i = 0; i < ARRAY_LEN(lies); i++) {
		lie(bench, lies[i].how, lies[i].command);
		if (lies[i].use == ENGINE_DECRYPT)
			assert_int_equal(decrypt(bench, &rsa), 0);
		else if (lies[i].use == ENGINE_AGREE)
			assert_int_equal(agree(bench, &ecc), 0);
		else
			assert_int_equal(mac_ten(bench, &hmac), 0);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	}
}

static void test_import_through_a_liar(void **state)
{
	static const char *const hows[] = {"size", "hmac", "cut"};
	CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
	struct bench *bench = *state;
	size_t i;

	assert_int_equal(pkey_generate(PKEY_ECC_P256, &pair, &bench->err), 0);
	for (i = 0; i < ARRAY_LEN(hows); i++) {
		CLEANUP(made_key_fini) struct made_key key;

		lie(bench, hows[i], TPM2_CC_Import);
		import(bench, pair, ENGINE_SIGN, &key);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
		assert_int_equal(sign(bench, &key), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
		CASE(test_every_kind),
		CASE(test_impossible_uses),
		CASE(test_a_chip_that_lacks_it),
		CASE(test_hashes_and_labels),
		CASE(test_wrong_ciphertexts),
		CASE(test_peers_of_other_curves),
		CASE(test_macs_in_software),
		CASE(test_too_much_for_a_mac),
		CASE(test_import),
		CASE(test_import_below_rsa),
		CASE(test_import_below_a_transient_key),
		CASE(test_import_by_a_record_of_another),
		CASE(test_pairs_that_no_chip_takes),
		CASE(test_one_lie_and_all_is_well_again),
		CASE(test_import_through_a_liar),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
