/* SPDX-License-Identifier: Apache-2.0 */

/* Attestation keys, quotes and certificates: what they cost, what they say, and the second session.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "base/json.h"
#include "tests/support/chip.h"
#include "tests/support/tool.h"
#include "tpm/impl.h"
#include "tpm/test_bench.h"
#include "tpm/transport.h"

#define NONCE_HEX "0102030405060708"
static const struct slice nonce = {.data = (const uint8_t *)"\1\2\3\4\5\6\7\10", .len = 8};

static struct engine_quote first_eight(void)
{
	return (struct engine_quote){
		.nonce = nonce,
		.pcrs = {.banks = {{.hash = HASH_SHA256, .mask = 0xff}}, .count = 1},
	};
}

/* With @values, which may be NULL. */
static int quote(struct bench *bench, const struct engine_made *aik,
		 struct engine_pcr_values *ret_values)
{
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	struct engine_object object = bench_object(aik, ENGINE_HSK);
	struct engine_quote request = first_eight();

	return engine_quote(bench->engine, &object, &request, &made, ret_values, &bench->err);
}

static int certify(struct bench *bench, const struct engine_made *aik,
		   const struct engine_made *key, struct engine_attested *ret_made)
{
	struct engine_object signer = bench_object(aik, ENGINE_HSK);
	struct engine_object subject = bench_object(key, ENGINE_HSK);

	return engine_certify(bench->engine, &signer, &subject, nonce, ret_made, &bench->err);
}

static int certify_quietly(struct bench *bench, const struct engine_made *aik,
			   const struct engine_made *key)
{
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;

	return certify(bench, aik, key, &made);
}

/* --- keys ---------------------------------------------------------------------------------- */

static void test_kinds_of_keys(void **state)
{
	static const struct {
		enum pkey_type type;
		enum hash_alg hash;
		TPMI_ALG_ASYM_SCHEME scheme;
	} KINDS[] = {
		{PKEY_ECC_P256, HASH_SHA256, TPM2_ALG_ECDSA},
		{PKEY_ECC_P384, HASH_SHA384, TPM2_ALG_ECDSA},
		{PKEY_RSA_2048, HASH_SHA256, TPM2_ALG_RSASSA},
	};
	const TPMA_OBJECT wanted = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
				   TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
				   TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
				   TPMA_OBJECT_SIGN_ENCRYPT;
	struct bench *bench = *state;

	for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
		CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
		const TPMT_ASYM_SCHEME *scheme;
		struct engine_object object;
		TPM2B_PUBLIC public;

		(void)bench_cost();
		bench_aik(bench, KINDS[i].type, KINDS[i].hash, &aik);
		assert_int_equal(bench_cost(), 1);
		assert_int_equal(public_unmarshal(buf_slice(&aik.public), &public, &bench->err), 0);
		assert_int_equal(public.publicArea.objectAttributes, wanted);
		scheme = &public.publicArea.parameters.asymDetail.scheme;
		assert_int_equal(scheme->scheme, KINDS[i].scheme);
		assert_int_equal(scheme->details.anySig.hashAlg, public_hash_id(KINDS[i].hash));
		assert_int_equal(quote(bench, &aik, NULL), 0);
		object = bench_object(&aik, ENGINE_HSK);
		engine_forget(bench->engine, &object);
	}
}

/* A restricted key signs no digest that somebody brings. */
static void test_signs_no_digest(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	const uint8_t digest[32] = {1};
	const struct engine_sign request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};
	struct engine_object object;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	object = bench_object(&aik, ENGINE_HSK);
	assert_int_equal(engine_sign(bench->engine, &object, &request, &signature, &bench->err),
			 ERR_NOT_SUPPORTED);
	assert_int_equal(signature.len, 0);
}

/* --- PCRs ---------------------------------------------------------------------------------- */

static uint32_t extend(struct bench *bench, uint32_t pcr)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(128);
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(4096);

	raw_begin(&command, TPM2_ST_SESSIONS, TPM2_CC_PCR_Event);
	buf_put_u32(&command, pcr);
	raw_auth(&command, TPM2_RS_PW);
	buf_put_u16(&command, 5);
	buf_put_str(&command, "event");
	raw_end(&command);
	return raw_send(bench, &command, &answer);
}

static void test_pcrs(void **state)
{
	struct bench *bench = *state;
	struct engine_pcrs banks = {0}, wanted = {.count = 1};
	struct engine_pcr_values values = {0};
	uint8_t random[8];
	size_t i;

	(void)bench_cost();
	assert_int_equal(engine_pcr_banks(bench->engine, &banks, &bench->err), 0);
	assert_int_equal(bench_cost(), 1);
	assert_int_equal(engine_pcr_banks(bench->engine, &banks, &bench->err), 0);
	assert_int_equal(bench_cost(), 0);
	assert_true(banks.count >= 1);
	for (i = 0; i < banks.count; i++)
		assert_int_equal(banks.banks[i].mask, 0xffffff);

	assert_int_equal(engine_read_pcrs(bench->engine, &banks, &values, &bench->err), 0);
	assert_int_equal(bench_cost(), 3 * banks.count);
	for (i = 0; i < HASH_MAX_SIZE; i++) {
		assert_int_equal(values.digest[0][0][i], 0);
		/* Localities 1 to 4 begin as ones (PC Client Platform TPM Profile). */
		assert_int_equal(values.digest[0][17][i],
				 i < hash_size(banks.banks[0].hash) ? 0xff : 0);
	}
	assert_int_equal(extend(bench, 16), 0);
	wanted.banks[0].hash = HASH_SHA256;
	wanted.banks[0].mask = 1 << 16;
	assert_int_equal(engine_random(bench->engine, random, sizeof(random), &bench->err), 0);
	(void)bench_cost();
	assert_int_equal(engine_read_pcrs(bench->engine, &wanted, &values, &bench->err), 0);
	assert_int_equal(bench_cost(), 1);
	assert_int_not_equal(values.digest[0][16][0] | values.digest[0][16][1], 0);
	assert_int_equal(values.pcrs.banks[0].mask, 1 << 16);
}

/* On a chip with the bank sha256 alone. */
static void test_banks_that_are_not_there(void **state)
{
	static const struct engine_pcrs LACKING[] = {
		{.banks = {{HASH_SHA1, 1}}, .count = 1},
		{.banks = {{HASH_SHA256, 1}, {HASH_SHA384, 1}}, .count = 2},
	};
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	struct engine_pcr_values values = {.update_counter = 7};
	struct engine_pcrs banks = {0};

	assert_int_equal(engine_pcr_banks(bench->engine, &banks, &bench->err), 0);
	assert_int_equal(banks.count, 1);
	assert_int_equal(banks.banks[0].hash, HASH_SHA256);
	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	for (size_t i = 0; i < ARRAY_LEN(LACKING); i++) {
		CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
		struct engine_object object = bench_object(&aik, ENGINE_HSK);
		struct engine_quote request = {.nonce = nonce, .pcrs = LACKING[i]};

		assert_int_equal(engine_read_pcrs(bench->engine, &LACKING[i], &values, &bench->err),
				 ERR_INVALID);
		assert_int_equal(
			engine_quote(bench->engine, &object, &request, &made, &values, &bench->err),
			ERR_INVALID);
		assert_int_equal(made.attest.len, 0);
	}
	assert_int_equal(values.update_counter, 7);
}

/* --- quotes -------------------------------------------------------------------------------- */

static void write_public(struct bench *bench, const struct engine_made *aik)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(2048);
	struct engine_public public;

	assert_int_equal(engine_public_parse(buf_slice(&aik->public), &public, &bench->err), 0);
	assert_int_equal(pkey_to_pem(public.key, &pem, &bench->err), 0);
	pkey_free(public.key);
	tool_write(bench->chip->dir, "aik.pem", buf_slice(&pem));
}

/* What tpm2_quote writes of PCRs. */
struct pcr_file {
	TPML_PCR_SELECTION selection;
	uint32_t count;
	TPML_DIGEST digests;
};

static void pcr_file_fill(const struct engine_pcr_values *values, struct pcr_file *ret_file)
{
	*ret_file = (struct pcr_file){
		.selection = {.count = 1,
			      .pcrSelections = {{.hash = TPM2_ALG_SHA256,
						 .sizeofSelect = 3,
						 .pcrSelect = {0xff}}}},
		.count = 1,
		.digests.count = 8,
	};
	for (size_t i = 0; i < 8; i++) {
		ret_file->digests.digests[i].size = 32;
		memcpy(ret_file->digests.digests[i].buffer, values->digest[0][i], 32);
	}
}

/* As a verifier that has never heard of us: its exit status. */
static int checkquote(struct bench *bench, const struct engine_attested *quoted,
		      const struct pcr_file *file, const char *nonce_hex)
{
	char key[96], message[96], signature[96], pcrs[96];

	tool_write(bench->chip->dir, "message", buf_slice(&quoted->attest));
	tool_write(bench->chip->dir, "signature", buf_slice(&quoted->signature));
	tool_write(bench->chip->dir, "pcrs", slice_of(file, sizeof(*file)));
	snprintf(key, sizeof(key), "%s/aik.pem", bench->chip->dir);
	snprintf(message, sizeof(message), "%s/message", bench->chip->dir);
	snprintf(signature, sizeof(signature), "%s/signature", bench->chip->dir);
	snprintf(pcrs, sizeof(pcrs), "%s/pcrs", bench->chip->dir);
	return TOOL_RUN("tpm2_checkquote", "-u", key, "-m", message, "-s", signature, "-f", pcrs,
			"-g", "sha256", "-q", nonce_hex);
}

static void check_by_stock_tool(struct bench *bench, enum pkey_type type)
{
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(engine_attested_cleanup) struct engine_attested quoted = ENGINE_ATTESTED_INIT;
	struct engine_quote request = first_eight();
	struct engine_pcr_values values = {0};
	struct engine_object object;
	struct pcr_file file;

	bench_aik(bench, type, HASH_SHA256, &aik);
	write_public(bench, &aik);
	object = bench_object(&aik, ENGINE_HSK);
	assert_int_equal(
		engine_quote(bench->engine, &object, &request, &quoted, &values, &bench->err), 0);
	pcr_file_fill(&values, &file);
	assert_int_equal(checkquote(bench, &quoted, &file, NONCE_HEX), 0);
	assert_int_not_equal(checkquote(bench, &quoted, &file, "0102030405060709"), 0);
	file.digests.digests[3].buffer[0] ^= 1;
	assert_int_not_equal(checkquote(bench, &quoted, &file, NONCE_HEX), 0);
	file.digests.digests[3].buffer[0] ^= 1;
	quoted.attest.data[quoted.attest.len - 1] ^= 1;
	assert_int_not_equal(checkquote(bench, &quoted, &file, NONCE_HEX), 0);
}

static void test_stock_verifier(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(extend(bench, 3), 0);
	check_by_stock_tool(bench, PKEY_ECC_P256);
	check_by_stock_tool(bench, PKEY_RSA_2048);
}

static void test_costs(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	struct engine_pcr_values values;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	bench_key(bench, ENGINE_HSK, &key);
	(void)bench_cost();
	/* The banks, Load, Quote. */
	assert_int_equal(quote(bench, &aik, NULL), 0);
	assert_int_equal(bench_cost(), 3);
	assert_int_equal(quote(bench, &aik, NULL), 0);
	assert_int_equal(bench_cost(), 1);
	assert_int_equal(quote(bench, &aik, &values), 0);
	assert_int_equal(bench_cost(), 2);
	/* A session, Load, Certify. */
	assert_int_equal(certify_quietly(bench, &aik, &key), 0);
	assert_int_equal(bench_cost(), 3);
	assert_int_equal(certify_quietly(bench, &aik, &key), 0);
	assert_int_equal(bench_cost(), 1);
	assert_int_equal(quote(bench, &aik, NULL), 0);
	assert_int_equal(bench_cost(), 1);
}

static void test_nonces(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	static const uint8_t bytes[100];
	struct engine_quote request = first_eight();

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	for (size_t len = 0; len <= sizeof(bytes); len += len < 60 ? 30 : 2) {
		CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
		struct engine_object object = bench_object(&aik, ENGINE_HSK);

		request.nonce = slice_of(bytes, len);
		assert_int_equal(
			engine_quote(bench->engine, &object, &request, &made, NULL, &bench->err),
			len > sizeof(TPMU_HA) ? ERR_INVALID : 0);
	}
}

/* --- certificates of keys ------------------------------------------------------------------ */

static void check_certified(struct bench *bench, const struct engine_made *aik,
			    const struct engine_made *key, const struct engine_attested *made)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(512);
	struct slice said = buf_slice(&made->attest);
	struct engine_public signer, subject;
	TPMT_SIGNATURE signature = {0};
	uint8_t digest[HASH_MAX_SIZE];
	TPMS_ATTEST attest = {0};
	size_t at = 0;

	assert_int_equal(engine_public_parse(buf_slice(&aik->public), &signer, &bench->err), 0);
	assert_int_equal(engine_public_parse(buf_slice(&key->public), &subject, &bench->err), 0);
	assert_int_equal(Tss2_MU_TPMT_SIGNATURE_Unmarshal(made->signature.data, made->signature.len,
							  &at, &signature),
			 0);
	assert_int_equal(at, made->signature.len);
	assert_int_equal(public_signature(signer.type, &signature, &plain, &bench->err), 0);
	assert_int_equal(hash_digest(HASH_SHA256, &said, 1, digest, &bench->err), 0);
	assert_int_equal(pkey_verify(signer.key, PKEY_ECDSA, HASH_SHA256, slice_of(digest, 32),
				     buf_slice(&plain), &bench->err),
			 0);
	at = 0;
	assert_int_equal(Tss2_MU_TPMS_ATTEST_Unmarshal(said.data, said.len, &at, &attest), 0);
	assert_int_equal(attest.magic, TPM2_GENERATED_VALUE);
	assert_int_equal(attest.type, TPM2_ST_ATTEST_CERTIFY);
	assert_true(slice_equal(slice_of(attest.extraData.buffer, attest.extraData.size), nonce));
	assert_true(slice_equal(
		slice_of(attest.attested.certify.name.name, attest.attested.certify.name.size),
		name_slice(&subject.name)));
	pkey_free(signer.key);
	pkey_free(subject.key);
}

static void test_certify(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made sealed = ENGINE_MADE_INIT;
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	struct engine_object signer, subject;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	bench_key(bench, ENGINE_HSK, &key);
	bench_seal(bench, "kept", &sealed);
	assert_int_equal(certify(bench, &aik, &key, &made), 0);
	check_certified(bench, &aik, &key, &made);
	/* Whatever is in the chip. */
	assert_int_equal(certify_quietly(bench, &aik, &sealed), 0);
	assert_int_equal(certify_quietly(bench, &aik, &aik), 0);

	signer = bench_object(&aik, ENGINE_HSK);
	subject = bench_object(&key, ENGINE_HSK);
	signer.auth = slice_str("a guess");
	assert_int_equal(
		engine_certify(bench->engine, &signer, &subject, nonce, &made, &bench->err),
		ERR_AUTH_FAILED);
	signer.auth = bench_password;
	subject.auth = slice_str("a guess");
	assert_int_equal(
		engine_certify(bench->engine, &signer, &subject, nonce, &made, &bench->err),
		ERR_AUTH_FAILED);
	subject.auth = bench_password;
	assert_int_equal(
		engine_certify(bench->engine, &signer, &subject, nonce, &made, &bench->err), 0);
	check_certified(bench, &aik, &key, &made);
	/* What is no signing key vouches for nothing. */
	assert_int_equal(certify_quietly(bench, &sealed, &key), ERR_NOT_SUPPORTED);
}

static void test_certify_exported(void **state)
{
	static const struct engine_key open_key = {
		.parent = ENGINE_SRK, .type = PKEY_ECC_P256, .uses = ENGINE_SIGN};
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	struct engine_object signer, subject;

	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	assert_int_equal(engine_create_key(bench->engine, &open_key, &key, &bench->err), 0);
	signer = bench_object(&aik, ENGINE_HSK);
	subject = bench_object(&key, ENGINE_SRK);
	subject.auth = slice_of(NULL, 0);
	assert_int_equal(
		engine_certify(bench->engine, &signer, &subject, nonce, &made, &bench->err), 0);
	check_certified(bench, &aik, &key, &made);
}

/* --- the second session -------------------------------------------------------------------- */

struct pair {
	struct engine_made aik, key;
};

static void pair_make(struct bench *bench, struct pair *ret_pair)
{
	*ret_pair = (struct pair){.aik = ENGINE_MADE_INIT, .key = ENGINE_MADE_INIT};
	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &ret_pair->aik);
	bench_key(bench, ENGINE_HSK, &ret_pair->key);
	assert_int_equal(certify_quietly(bench, &ret_pair->aik, &ret_pair->key), 0);
	(void)bench_cost();
}

static void pair_fini(struct pair *pair)
{
	engine_made_fini(&pair->aik);
	engine_made_fini(&pair->key);
}

static int pair_certify(struct bench *bench, struct pair *pair)
{
	return certify_quietly(bench, &pair->aik, &pair->key);
}

/* A context is too old: another session comes in its place, and the other one along. */
static void test_context_gap(void **state)
{
	struct bench *bench = *state;
	CLEANUP(pair_fini) struct pair pair;

	bench_through_refuser(bench);
	pair_make(bench, &pair);
	assert_int_equal(session_park_one(bench->engine, LINE_FIRST), 0);
	assert_int_equal(session_park_one(bench->engine, LINE_SECOND), 0);
	assert_int_equal(pair_certify(bench, &pair), 0); /* both came back */
	assert_int_equal(session_park_one(bench->engine, LINE_FIRST), 0);
	assert_int_equal(session_park_one(bench->engine, LINE_SECOND), 0);
	bench_refuse(TPM2_CC_ContextLoad, TPM2_RC_CONTEXT_GAP, 1);
	assert_int_equal(pair_certify(bench, &pair), 0);
	assert_true(bench_refused());
	assert_int_equal(raw_count(bench, GROUP_SAVED_SESSION), 0);
	/* A second one that the gap keeps from starting is told, and leaves the first alone. */
	session_end(bench->engine, LINE_SECOND);
	bench_refuse(TPM2_CC_StartAuthSession, TPM2_RC_CONTEXT_GAP, 100);
	assert_int_equal(pair_certify(bench, &pair), ERR_TPM_BUSY);
	(void)bench_refused();
	assert_int_equal(pair_certify(bench, &pair), 0);
}

static void test_no_room_for_a_session(void **state)
{
	struct bench *bench = *state;
	CLEANUP(pair_fini) struct pair pair;

	bench_through_refuser(bench);
	pair_make(bench, &pair);
	/* Ours that stands idle makes room for what is wanted, and no object is evicted. */
	assert_true(places_yield(bench->engine));
	assert_false(places_yield(bench->engine));
	assert_int_equal(pair_certify(bench, &pair), 0);
	session_end(bench->engine, LINE_SECOND);
	bench_refuse(TPM2_CC_StartAuthSession, TPM2_RC_SESSION_MEMORY, 1);
	assert_int_equal(pair_certify(bench, &pair), 0);
	assert_true(bench_refused());
	session_end(bench->engine, LINE_SECOND);
	bench_refuse(TPM2_CC_StartAuthSession, TPM2_RC_SESSION_MEMORY, 100);
	assert_int_equal(pair_certify(bench, &pair), ERR_TPM_BUSY);
	(void)bench_refused();
	assert_int_equal(pair_certify(bench, &pair), 0);
	/* A chip with two places keeps one for others. */
	bench->engine->facts.session_slots = 2;
	assert_int_equal(pair_certify(bench, &pair), 0);
	assert_int_equal(bench->engine->line.sessions[LINE_SECOND].handle, SESSION_NONE);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 1);
}

static void test_losses(void **state)
{
	struct bench *bench = *state;
	CLEANUP(pair_fini) struct pair pair;

	pair_make(bench, &pair);
	chip_power_cut(bench->chip);
	assert_int_equal(pair_certify(bench, &pair), ERR_TPM_FAILED);
	chip_power_on(bench->chip);
	assert_int_equal(pair_certify(bench, &pair), 0);
	bench_reset_line(bench);
	assert_int_equal(pair_certify(bench, &pair), 0);
	bench_reset_line(bench);
	assert_int_equal(quote(bench, &pair.aik, NULL), 0);
	/* Somebody flushes it, and another's session gets its number. */
	assert_int_equal(pair_certify(bench, &pair), 0);
	assert_int_equal(
		chip_flush(bench->engine, bench->engine->line.sessions[LINE_SECOND].handle), 0);
	assert_int_equal(pair_certify(bench, &pair), 0);
	assert_int_equal(raw_count(bench, GROUP_LOADED_SESSION), 2);
}

/* --- a liar between us and the chip -------------------------------------------------------- */

static const struct {
	const char *how;
	uint32_t command;
} lies[] = {
	{"size", TPM2_CC_Quote},     {"tag", TPM2_CC_Quote},	    {"nonce", TPM2_CC_Quote},
	{"hmac", TPM2_CC_Quote},     {"attributes", TPM2_CC_Quote}, {"said", TPM2_CC_Quote},
	{"cut", TPM2_CC_Quote},	     {"refuse", TPM2_CC_Quote},	    {"stale", TPM2_CC_Quote},
	{"size", TPM2_CC_Certify},   {"tag", TPM2_CC_Certify},	    {"nonce", TPM2_CC_Certify},
	{"second", TPM2_CC_Certify}, {"hmac", TPM2_CC_Certify},	    {"attributes", TPM2_CC_Certify},
	{"said", TPM2_CC_Certify},   {"cut", TPM2_CC_Certify},	    {"refuse", TPM2_CC_Certify},
	{"stale", TPM2_CC_Certify},  {"counter", TPM2_CC_PCR_Read}, {"value", TPM2_CC_PCR_Read},
};

static void test_one_lie_and_all_is_well_again(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
		CLEANUP(engine_made_cleanup) struct engine_made key = ENGINE_MADE_INIT;
		CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
		struct engine_pcr_values values;

		bench_lie(bench, lies[i].how, lies[i].command);
		bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
		bench_key(bench, ENGINE_HSK, &key);
		assert_int_equal(quote(bench, &aik, &values), 0);
		assert_int_equal(values.digest[0][7][31], 0);
		assert_int_equal(certify(bench, &aik, &key, &made), 0);
		check_certified(bench, &aik, &key, &made);
		assert_non_null(getenv("HOLDFAST_TEST_EVIL_TOLD"));
	}
}

/* Sixteen registers take two reads; between them something was measured. */
static void test_counter_moves_between_reads(void **state)
{
	struct bench *bench = *state;
	const struct engine_pcrs wanted = {.banks = {{HASH_SHA256, 0xffff}}, .count = 1};
	struct engine_pcr_values values;

	bench_lie(bench, "counter", TPM2_CC_PCR_Read);
	(void)bench_cost();
	assert_int_equal(engine_read_pcrs(bench->engine, &wanted, &values, &bench->err), 0);
	assert_int_equal(bench_cost(), 5); /* the banks; two, and two again */
}

static void test_values_that_never_fit(void **state)
{
	struct bench *bench = *state;
	CLEANUP(engine_made_cleanup) struct engine_made aik = ENGINE_MADE_INIT;
	struct engine_pcr_values values = {.update_counter = 7};

	bench_lie(bench, "restless", TPM2_CC_PCR_Read);
	bench_aik(bench, PKEY_ECC_P256, HASH_SHA256, &aik);
	assert_int_equal(quote(bench, &aik, NULL), 0);
	(void)bench_cost();
	assert_int_equal(quote(bench, &aik, &values), ERR_TPM_BUSY);
	assert_int_equal(bench_cost(), 2 * PCR_ROUNDS);
	assert_int_equal(values.update_counter, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name)	cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
#define CASE_MADE(name) cmocka_unit_test_setup_teardown(name, bench_setup_made, bench_teardown)
		CASE(test_kinds_of_keys),
		CASE(test_signs_no_digest),
		CASE(test_pcrs),
		CASE_MADE(test_banks_that_are_not_there),
		CASE(test_stock_verifier),
		CASE(test_costs),
		CASE(test_nonces),
		CASE(test_certify),
		CASE(test_certify_exported),
		CASE(test_context_gap),
		CASE(test_no_room_for_a_session),
		CASE(test_losses),
		CASE(test_one_lie_and_all_is_well_again),
		CASE(test_counter_moves_between_reads),
		CASE(test_values_that_never_fit),
	};

	setenv("TSS2_LOG", "all+NONE", 0);
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
