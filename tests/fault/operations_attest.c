/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Attestation keys, from the number that each gets once to what they say. A statement is checked as
 * somebody elsewhere would check it, with nothing but the public half; a challenge is made as
 * TPM2_MakeCredential makes it, in software. The keys live as long as the operation.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "attest/attest.h"
#include "crypto/cipher.h"
#include "keystore/keystore.h"
#include "tests/fault/operations.h"
#include "tpm/impl.h"

#define MESSAGE (2u * PROVIDER_PIECE_MAX + 5u)
#define NONCE	20u
#define AIK	"an-aik"
#define KEY	"a-key"

/* A new key for one operation, made while things fail; its record is in memory. */
struct fresh {
	struct script *script;
	struct keystore_target target;
	struct buf record;
	struct keystore_key said; /* by the record */
	struct pkey *public;	  /* of a pair */
};

static void fresh_begin(struct fresh *fresh, struct script *script, enum blob_kind kind,
			const char *name)
{
	*fresh = (struct fresh){
		.script = script,
		.target = {.tenant = &script->world->state.host, .kind = kind, .name = name},
		.record = BUF_INIT(STORE_CONTENT_MAX),
		.said = {.type = PKEY_TYPES},
	};
}

/* As after a deletion: what of it is in the chip goes. */
static void fresh_fini(struct fresh *fresh)
{
	struct err ignored;
	struct blob blob;

	if (fresh->record.len > 0 && blob_parse(buf_slice(&fresh->record), &blob, &ignored) == 0)
		provider_forget(fresh->script->world->p, blob.object);
	buf_fini(&fresh->record);
	keystore_key_fini(&fresh->said);
	pkey_free(fresh->public);
}

static struct keystore_record record_of(const struct fresh *fresh)
{
	return (struct keystore_record){.target = &fresh->target,
					.bytes = buf_slice(&fresh->record)};
}

/* With nothing that fails: what was made must be right all the same. */
static void describe(struct fresh *fresh)
{
	struct err err;

	assert_int_equal(keystore_key_describe(&fresh->target, buf_slice(&fresh->record),
					       &fresh->said, &err),
			 0);
	assert_int_equal(fresh->said.type, PKEY_ECC_P256);
	assert_int_equal(pkey_from_spki(buf_slice(&fresh->said.spki), &fresh->public, &err), 0);
}

/* False when that failed, as it may. */
static bool make_aik(struct fresh *aik, uint32_t handle)
{
	static const struct aik_spec spec = {PKEY_ECC_P256, HASH_SHA256};
	struct err err;
	int r;

	script_live(aik->script);
	r = keystore_aik_create(aik->script->world->p, &aik->target, &spec, handle, &aik->record,
				&err);
	script_calm(aik->script);
	if (r < 0)
		assert_int_equal(aik->record.len, 0);
	if (script_expect(aik->script, r, &err) < 0)
		return false;
	describe(aik);
	assert_int_equal(aik->said.hash, HASH_SHA256);
	assert_int_equal(aik->said.handle, handle);
	return true;
}

static bool make_key(struct fresh *key)
{
	static const struct key_spec spec = {.type = PKEY_ECC_P256, .uses = KEY_USE_SIGN};
	struct err err;
	int r;

	script_live(key->script);
	r = keystore_key_create(key->script->world->p, &key->target, &spec, &key->record, &err);
	script_calm(key->script);
	if (script_expect(key->script, r, &err) < 0)
		return false;
	describe(key);
	return true;
}

static struct slice throw_bytes(struct script *script, uint8_t *ret_bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret_bytes[i] = (uint8_t)(prng_next(&script->dice) >> 40);
	/* Nothing that begins as what a TPM says itself. */
	ret_bytes[0] &= 0x7f;
	return slice_of(ret_bytes, len);
}

static void check_signature(const struct fresh *aik, struct slice message, struct slice signature)
{
	uint8_t digest[HASH_MAX_SIZE];
	struct err err;

	assert_int_equal(hash_digest(HASH_SHA256, &message, 1, digest, &err), 0);
	assert_int_equal(pkey_verify(aik->public, PKEY_ECDSA, HASH_SHA256,
				     slice_of(digest, hash_size(HASH_SHA256)), signature, &err),
			 0);
}

static struct attest_statement check_statement(const struct fresh *aik,
					       const struct attestation *said, struct slice nonce)
{
	const struct attest_claim claim = {.attest = buf_slice(&said->attest),
					   .signature = buf_slice(&said->signature),
					   .nonce = &nonce};
	struct attest_statement statement;
	struct err err;

	assert_int_equal(attest_check(&claim, aik->public, &statement, NULL, &err), 0);
	return statement;
}

static void empty_after_failure(int r, const struct attestation *said)
{
	if (r < 0)
		assert_int_equal(said->attest.len + said->signature.len, 0);
}

/* --- making one, as the service does, with its number and its record on disk ---------------- */

/* A number is given once, whatever fails around it, and also after everything was opened anew. */
static bool take_number(struct script *script, uint32_t *ret_number)
{
	struct err err;
	int r;

	script_live(script);
	r = keystore_aik_number(script->world->state.store, STATE_TENANT, ret_number, &err);
	script_calm(script);
	if (script_expect(script, r, &err) < 0)
		return false;
	assert_true(*ret_number >= script->next_aik);
	script->next_aik = *ret_number + 1;
	return true;
}

static void store_and_sign(struct fresh *aik)
{
	const struct store_id id = {STATE_TENANT, STORE_AIKS, aik->target.name};
	struct script *script = aik->script;
	struct store *store = script->world->state.store;
	CLEANUP(buf_fini) struct buf again = BUF_INIT(STORE_CONTENT_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	uint8_t bytes[100];
	struct slice message = throw_bytes(script, bytes, sizeof(bytes));
	struct err err;
	int r;

	script_live(script);
	r = store_create(store, &id, buf_slice(&aik->record), &err);
	script_calm(script);
	if (script_expect(script, r, &err) < 0)
		return;
	script_live(script);
	r = store_read(store, &id, &again, &err);
	if (r == 0)
		r = keystore_aik_sign(script->world->p, &aik->target, buf_slice(&again), message,
				      &signature, &err);
	script_calm(script);
	if (r < 0)
		assert_int_equal(signature.len, 0);
	if (script_expect(script, r, &err) == 0)
		check_signature(aik, message, buf_slice(&signature));
}

void operation_aik(struct script *script)
{
	CLEANUP(fresh_fini) struct fresh aik;
	uint32_t number = 0;
	char name[16];

	fresh_begin(&aik, script, BLOB_AIK, name);
	if (!take_number(script, &number))
		return;
	(void)snprintf(name, sizeof(name), "0x%08x", BLOB_AIK_HANDLE + number);
	if (make_aik(&aik, BLOB_AIK_HANDLE + number))
		store_and_sign(&aik);
}

/* --- what it says ---------------------------------------------------------------------------- */

static void check_values(const struct attest_statement *quote, const struct pcr_values *values)
{
	struct attest_pcrs pcrs = {.count = values->selection.count};
	struct err err;

	for (size_t i = 0; i < pcrs.count; i++) {
		pcrs.banks[i].hash = values->selection.banks[i].hash;
		pcrs.banks[i].mask = values->selection.banks[i].mask;
		memcpy(pcrs.banks[i].value, values->digest[i], sizeof(values->digest[i]));
	}
	assert_int_equal(attest_check_pcrs(quote, HASH_SHA256, &pcrs, &err), 0);
}

void operation_quote(struct script *script)
{
	CLEANUP(attestation_cleanup) struct attestation quote = ATTESTATION_INIT;
	CLEANUP(fresh_fini) struct fresh aik;
	struct quote_request request = {.pcrs = {.banks = {{HASH_SHA256, 0x0100ffu}}, .count = 1}};
	struct pcr_values values = {.update_counter = 0x71};
	struct attest_statement statement;
	struct keystore_record record;
	uint8_t nonce[NONCE];
	struct err err;
	int r;

	fresh_begin(&aik, script, BLOB_AIK, AIK);
	request.nonce = throw_bytes(script, nonce, sizeof(nonce));
	request.values = prng_below(&script->dice, 2) == 0;
	if (!make_aik(&aik, BLOB_AIK_HANDLE))
		return;
	record = record_of(&aik);
	script_live(script);
	r = keystore_aik_quote(script->world->p, &record, &request, &quote, &values, &err);
	script_calm(script);
	empty_after_failure(r, &quote);
	if (r < 0 || !request.values)
		assert_int_equal(values.update_counter, 0x71);
	if (script_expect(script, r, &err) < 0)
		return;
	statement = check_statement(&aik, &quote, request.nonce);
	assert_int_equal(statement.kind, ATTEST_QUOTE);
	if (request.values)
		check_values(&statement, &values);
}

void operation_certify(struct script *script)
{
	CLEANUP(attestation_cleanup) struct attestation said = ATTESTATION_INIT;
	CLEANUP(fresh_fini) struct fresh aik;
	CLEANUP(fresh_fini) struct fresh key;
	struct attest_statement statement;
	struct keystore_record by, of;
	uint8_t bytes[NONCE];
	struct slice nonce = throw_bytes(script, bytes, sizeof(bytes));
	struct err err;
	int r;

	fresh_begin(&aik, script, BLOB_AIK, AIK);
	fresh_begin(&key, script, BLOB_KEY, KEY);
	if (!make_aik(&aik, BLOB_AIK_HANDLE) || !make_key(&key))
		return;
	by = record_of(&aik);
	of = record_of(&key);
	script_live(script);
	r = keystore_aik_certify(script->world->p, &by, &of, nonce, &said, &err);
	script_calm(script);
	empty_after_failure(r, &said);
	if (script_expect(script, r, &err) < 0)
		return;
	statement = check_statement(&aik, &said, nonce);
	assert_int_equal(statement.kind, ATTEST_CERTIFY);
	assert_true(slice_equal(statement.name, buf_slice(&key.said.tpm_name)));
}

/* --- a long message -------------------------------------------------------------------------- */

static int sign_in_pieces(const struct fresh *aik, struct slice message, struct buf *ret_signature,
			  struct err *err)
{
	struct provider *p = aik->script->world->p;
	struct pieces *pieces = NULL;
	int r = keystore_pieces_start(p, &aik->target, buf_slice(&aik->record), &pieces, err);

	while (r == 0 && message.len > PROVIDER_PIECE_MAX) {
		r = provider_pieces_add(p, pieces, slice_of(message.data, PROVIDER_PIECE_MAX), err);
		message = slice_of(message.data + PROVIDER_PIECE_MAX,
				   message.len - PROVIDER_PIECE_MAX);
	}
	if (r == 0)
		return provider_pieces_end(p, pieces, message, ret_signature, err);
	provider_pieces_free(p, pieces);
	return r;
}

void operation_aik_message(struct script *script)
{
	static uint8_t bytes[MESSAGE];
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	CLEANUP(fresh_fini) struct fresh aik;
	struct slice message = throw_bytes(script, bytes, sizeof(bytes));
	struct err err;
	int r;

	fresh_begin(&aik, script, BLOB_AIK, AIK);
	if (!make_aik(&aik, BLOB_AIK_HANDLE))
		return;
	script_live(script);
	r = sign_in_pieces(&aik, message, &signature, &err);
	if (r < 0)
		assert_int_equal(signature.len, 0);
	if (operation_expect(script, r, &err) == 0)
		check_signature(&aik, message, buf_slice(&signature));
}

/* --- a challenge ----------------------------------------------------------------------------- */

struct challenge {
	struct buf blob, secret; /* TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET */
};

static void challenge_fini(struct challenge *challenge)
{
	buf_fini(&challenge->blob);
	buf_fini(&challenge->secret);
}

/* Part 1, "Credential Protection": for an endorsement key with AES-128 and SHA-256. */
static void make_challenge(struct slice ek, struct slice name, struct slice plain,
			   struct challenge *ret_challenge)
{
	static const uint8_t zero_iv[16];
	uint8_t seed[SESSION_HASH_SIZE], key[SESSION_HASH_SIZE], hmac[HASH_MAX_SIZE];
	struct hash_kdfa storage = {.alg = HASH_SHA256,
				    .key = slice_of(seed, sizeof(seed)),
				    .label = "STORAGE",
				    .context_u = name,
				    .bits = 128};
	struct hash_kdfa integrity = {.alg = HASH_SHA256,
				      .key = slice_of(seed, sizeof(seed)),
				      .label = "INTEGRITY",
				      .bits = 256};
	CLEANUP(buf_fini) struct buf identity = BUF_INIT(64);
	TPM2B_ENCRYPTED_SECRET sealed = {0};
	struct slice parts[2] = {{.len = 0}, name};
	struct err err;
	TPM2B_PUBLIC public;

	assert_int_equal(public_unmarshal(ek, &public, &err), 0);
	assert_int_equal(share_make(&public, "IDENTITY", seed, &sealed, &err), 0);
	buf_put_u16(&identity, (uint16_t)plain.len);
	buf_put(&identity, plain);
	assert_int_equal(hash_kdfa(&storage, key, &err), 0);
	assert_int_equal(cipher_cfb128(key, zero_iv, true, identity.data, identity.len, &err), 0);
	assert_int_equal(hash_kdfa(&integrity, key, &err), 0);
	parts[0] = buf_slice(&identity);
	assert_int_equal(hash_hmac(HASH_SHA256, slice_of(key, sizeof(key)), parts, 2, hmac, &err),
			 0);
	buf_put_u16(&ret_challenge->blob, (uint16_t)(2 + SESSION_HASH_SIZE + identity.len));
	buf_put_u16(&ret_challenge->blob, SESSION_HASH_SIZE);
	buf_put(&ret_challenge->blob, slice_of(hmac, SESSION_HASH_SIZE));
	buf_put(&ret_challenge->blob, buf_slice(&identity));
	buf_put_u16(&ret_challenge->secret, sealed.size);
	buf_put(&ret_challenge->secret, slice_of(sealed.secret, sealed.size));
}

static bool read_ek(struct script *script, struct ek_result *ret_ek)
{
	struct err err;
	int r;

	script_live(script);
	r = provider_ek(script->world->p, PKEY_ECC_P256, ret_ek, &err);
	script_calm(script);
	if (script_expect(script, r, &err) < 0)
		return false;
	assert_int_equal(ret_ek->type, PKEY_ECC_P256);
	return true;
}

void operation_activate(struct script *script)
{
	CLEANUP(challenge_fini)
	struct challenge challenge = {.blob = BUF_INIT(128), .secret = BUF_INIT(256)};
	CLEANUP(ek_result_cleanup) struct ek_result ek = EK_RESULT_INIT;
	CLEANUP(secret_cleanup) struct secret *opened = NULL;
	CLEANUP(fresh_fini) struct fresh aik;
	struct credential credential = {.ek = PKEY_ECC_P256};
	uint8_t bytes[NONCE];
	struct slice plain = throw_bytes(script, bytes, sizeof(bytes));
	struct err err;
	int r;

	fresh_begin(&aik, script, BLOB_AIK, AIK);
	if (!make_aik(&aik, BLOB_AIK_HANDLE) || !read_ek(script, &ek))
		return;
	make_challenge(buf_slice(&ek.public), buf_slice(&aik.said.tpm_name), plain, &challenge);
	credential.blob = buf_slice(&challenge.blob);
	credential.secret = buf_slice(&challenge.secret);
	script_live(script);
	r = keystore_aik_activate(script->world->p, &aik.target, buf_slice(&aik.record),
				  &credential, &opened, &err);
	script_calm(script);
	if (r < 0)
		assert_null(opened);
	if (script_expect(script, r, &err) == 0)
		assert_true(slice_equal(secret_slice(opened), plain));
}
