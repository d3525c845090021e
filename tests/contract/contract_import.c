/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#8 of every type, from software into any provider. */

#include "tests/contract/contract_impl.h"

#include "crypto/keyfile.h"

static const uint8_t digest_bytes[32] = {3, 1, 4, 1, 5, 9};

static void pem_of(const struct pkey *pair, const struct secret *passphrase, struct buf *ret_pem)
{
	struct err err = {0};

	contract_expect(pkey_to_pkcs8_pem(pair, passphrase, ret_pem, &err), 0, &err, "a PEM");
}

static int import(const char *name, const struct key_source *source, struct buf *ret_header,
		  struct key_result *ret_key, struct err *err)
{
	contract_header(BLOB_KEY, name, ret_header);
	return provider_key_import(contract_provider, buf_slice(ret_header), source, ret_key, err);
}

/* A key as it came in, with its pair in software. */
struct imported {
	const struct pkey *pair;
	struct slice header;
	const struct key_result *key;
};

static void check_sign(const struct imported *in)
{
	const struct sign_request request = {
		.scheme = pkey_type_is_rsa(in->key->type) ? PKEY_RSASSA : PKEY_ECDSA,
		.hash = HASH_SHA256,
		.digest = slice_of(digest_bytes, sizeof(digest_bytes))};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct err err = {0};

	if (in->key->uses & KEY_USE_SIGN)
		contract_sign_and_verify(in->header, in->key, &request);
	else
		contract_expect(provider_key_sign(contract_provider, in->header,
						  buf_slice(&in->key->object), &request, &signature,
						  &err),
				ERR_INVALID, &err, "signing");
}

static void check_decrypt(const struct imported *in)
{
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(512);
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct decrypt_request request = {.hash = HASH_SHA256};
	struct err err = {0};

	contract_expect(
		pkey_oaep_encrypt(in->pair, HASH_SHA256, NULL, slice_str("text"), &sealed, &err), 0,
		&err, "encryption");
	request.ciphertext = buf_slice(&sealed);
	contract_expect(provider_key_decrypt(contract_provider, in->header,
					     buf_slice(&in->key->object), &request, &plain, &err),
			in->key->uses & KEY_USE_DECRYPT ? 0 : ERR_INVALID, &err, "decryption");
	if (plain)
		assert_true(secret_equal(secret_slice(plain), slice_str("text")));
}

static void check_agree(const struct imported *in)
{
	CLEANUP(pkey_cleanup) struct pkey *peer = NULL;
	CLEANUP(secret_cleanup) struct secret *ours = NULL;
	CLEANUP(secret_cleanup) struct secret *theirs = NULL;
	struct err err = {0};

	contract_expect(pkey_generate(in->key->type, &peer, &err), 0, &err, "a peer");
	contract_expect(pkey_agree(peer, in->pair, &theirs, &err), 0, &err, "the peer's side");
	contract_expect(provider_key_agree(contract_provider, in->header,
					   buf_slice(&in->key->object), peer, &ours, &err),
			in->key->uses & KEY_USE_AGREE ? 0 : ERR_INVALID, &err, "agreeing");
	if (ours)
		assert_true(secret_equal(secret_slice(ours), secret_slice(theirs)));
}

/* It is the same key, does what it was imported for, and stays. */
static void check_imported(const struct imported *in, unsigned uses)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024), pem = BUF_INIT(KEYFILE_PEM_MAX);
	struct secret *passphrase = NULL;
	struct err err = {0};

	assert_int_equal(in->key->type, pkey_type(in->pair));
	assert_int_equal(in->key->uses, uses ? uses : KEY_USE_SIGN);
	contract_expect(pkey_to_spki(in->pair, &spki, &err), 0, &err, "spki");
	assert_true(slice_equal(buf_slice(&spki), buf_slice(&in->key->spki)));
	check_sign(in);
	if (pkey_type_is_rsa(in->key->type))
		check_decrypt(in);
	else
		check_agree(in);
	contract_expect(provider_key_export(contract_provider, in->header,
					    buf_slice(&in->key->object), &pem, &passphrase, &err),
			ERR_CONFLICT, &err, "export of what was imported");
}

void contract_import_pkcs8(void **state)
{
	static const struct {
		enum pkey_type type;
		unsigned uses;
		bool passphrase;
	} rows[] = {
		{PKEY_ECC_P256, 0, false},
		{PKEY_ECC_P256, KEY_USE_AGREE, true},
		{PKEY_ECC_P384, KEY_USE_SIGN | KEY_USE_AGREE, true},
		{PKEY_RSA_2048, 0, true},
		{PKEY_RSA_2048, KEY_USE_SIGN | KEY_USE_DECRYPT, false},
		{PKEY_RSA_3072, KEY_USE_DECRYPT, false},
	};
	CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
	struct err err = {0};

	(void)state;
	contract_expect(secret_copy(slice_str("open sesame"), &passphrase, &err), 0, &err, "copy");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct secret *with = rows[i].passphrase ? passphrase : NULL;
		CLEANUP(pkey_cleanup) struct pkey *pair = NULL;
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
		CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
		CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
		struct key_source source = {.passphrase = with, .uses = rows[i].uses};

		contract_expect(pkey_generate(rows[i].type, &pair, &err), 0, &err, "a pair");
		pem_of(pair, with, &pem);
		source.pem = buf_slice(&pem);
		contract_expect(import("from-software", &source, &header, &made, &err), 0, &err,
				pkey_type_name(rows[i].type));
		check_imported(&(struct imported){.pair = pair,
						  .header = buf_slice(&header),
						  .key = &made},
			       rows[i].uses);
	}
}

void contract_import_pkcs8_refused(void **state)
{
	static const struct {
		const char *what;
		enum pkey_type type;
		unsigned uses;
		const char *passphrase;
		int code;
	} rows[] = {
		{"ECC that decrypts", PKEY_ECC_P256, KEY_USE_DECRYPT, "right", ERR_INVALID},
		{"RSA that agrees", PKEY_RSA_2048, KEY_USE_SIGN | KEY_USE_AGREE, "right",
		 ERR_INVALID},
		{"a pair for MACs", PKEY_ECC_P256, KEY_USE_MAC, "right", ERR_INVALID},
		{"an unknown use", PKEY_ECC_P256, 0x20 | KEY_USE_SIGN, "right", ERR_INVALID},
		{"a wrong passphrase", PKEY_ECC_P256, 0, "wrong", ERR_AUTH_FAILED},
		{"no passphrase", PKEY_ECC_P256, 0, NULL, ERR_AUTH_FAILED},
	};
	struct pkey *pairs[PKEY_TYPES] = {0};
	CLEANUP(secret_cleanup) struct secret *right = NULL;
	struct err err = {0};

	(void)state;
	contract_expect(secret_copy(slice_str("right"), &right, &err), 0, &err, "copy");
	contract_expect(pkey_generate(PKEY_ECC_P256, &pairs[PKEY_ECC_P256], &err), 0, &err, "ECC");
	contract_expect(pkey_generate(PKEY_RSA_2048, &pairs[PKEY_RSA_2048], &err), 0, &err, "RSA");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
		CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
		CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
		CLEANUP(secret_cleanup) struct secret *given = NULL;
		struct key_source source = {.uses = rows[i].uses};

		if (rows[i].passphrase)
			contract_expect(secret_copy(slice_str(rows[i].passphrase), &given, &err), 0,
					&err, "copy");
		pem_of(pairs[rows[i].type], right, &pem);
		source.pem = buf_slice(&pem);
		source.passphrase = given;
		contract_expect(import("refused", &source, &header, &made, &err), rows[i].code,
				&err, rows[i].what);
		assert_int_equal(made.object.len + made.spki.len + made.name.len, 0);
	}
	pkey_free(pairs[PKEY_ECC_P256]);
	pkey_free(pairs[PKEY_RSA_2048]);
}
