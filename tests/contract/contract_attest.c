/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attestation: what only a chip can do. What it says is checked here as far as the suite can read
 * it: who signed, over what, and that the nonce is in it. In software all of it needs a TPM.
 */

#include "tests/contract/contract_impl.h"

enum { AIK_ECC, AIK_RSA, AIKS };

static struct {
	const char *name;
	struct aik_spec spec;
	struct buf header;
	struct key_result made;
} aiks[AIKS] = {
	[AIK_ECC] = {.name = "0x81010000", .spec = {PKEY_ECC_P256, HASH_SHA256}},
	[AIK_RSA] = {.name = "aik", .spec = {PKEY_RSA_2048, HASH_SHA256}},
};

static struct contract_key key = {.name = "certified", .spec = {.type = PKEY_ECC_P256}};

#define QUOTE_TYPE   0x8018
#define CERTIFY_TYPE 0x8017

static const struct quote_request quote_request = {
	.nonce = {(const uint8_t *)"a nonce", 7},
	.pcrs = {.banks = {{HASH_SHA256, 0x0000ffu}}, .count = 1},
	.values = true,
};

static bool attests(void)
{
	return contract_provider->ops->aik_create != NULL;
}

static int aik_make(size_t which)
{
	struct err err = {0};

	aiks[which].header = (struct buf)BUF_INIT(BLOB_HEADER_MAX);
	aiks[which].made = (struct key_result)KEY_RESULT_INIT;
	contract_header(BLOB_AIK, aiks[which].name, &aiks[which].header);
	if (provider_aik_create(contract_provider, buf_slice(&aiks[which].header),
				&aiks[which].spec, &aiks[which].made, &err) == 0)
		return 0;
	print_error("creating %s: %s\n", aiks[which].name, err.text);
	return -1;
}

int contract_attest_setup(void)
{
	if (contract_key_make(&key) < 0)
		return -1;
	for (size_t i = 0; attests() && i < AIKS; i++)
		if (aik_make(i) < 0)
			return -1;
	return 0;
}

void contract_attest_teardown(void)
{
	contract_key_fini(&key);
	for (size_t i = 0; i < AIKS; i++) {
		buf_fini(&aiks[i].header);
		key_result_fini(&aiks[i].made);
	}
}

static struct slice aik_header(size_t which)
{
	return buf_slice(&aiks[which].header);
}

static struct slice aik_object(size_t which)
{
	return buf_slice(&aiks[which].made.object);
}

/* --- every call with one object, whatever it is: the code of each --- */

struct outcome {
	int create, sign, quote, certify, activate, pieces;
};

static struct outcome ask_all(struct slice header, struct slice object)
{
	CLEANUP(attestation_cleanup) struct attestation quote = ATTESTATION_INIT;
	CLEANUP(attestation_cleanup) struct attestation certified = ATTESTATION_INIT;
	CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	const struct provider_object aik = {header, object};
	const struct provider_object subject = {buf_slice(&key.header),
						buf_slice(&key.made.object)};
	const struct credential credential = {.ek = PKEY_TYPES,
					      .blob = slice_of("\0\4blob", 6),
					      .secret = slice_of("\0\6secret", 8)};
	struct provider *p = contract_provider;
	struct pcr_values values = {.update_counter = 77};
	struct secret *secret = NULL;
	struct pieces *pieces = NULL;
	struct err err = {0};
	struct outcome outcome = {
		.create = provider_aik_create(p, header, &aiks[AIK_ECC].spec, &made, &err),
		.sign = provider_aik_sign(p, header, object, slice_str("text"), &signature, &err),
		.quote = provider_quote(p, header, object, &quote_request, &quote, &values, &err),
		.certify = provider_certify(p, &aik, &subject, slice_of(NULL, 0), &certified, &err),
		.activate = provider_activate(p, header, object, &credential, &secret, &err),
		.pieces = provider_pieces_start(p, PIECES_AIK, header, object, &pieces, &err),
	};

	assert_int_equal(made.object.len > 0, outcome.create == 0);
	assert_int_equal(signature.len > 0, outcome.sign == 0);
	assert_int_equal(quote.attest.len > 0, outcome.quote == 0);
	assert_int_equal(values.update_counter == 77, outcome.quote != 0);
	assert_int_equal(certified.attest.len > 0, outcome.certify == 0);
	assert_int_equal(pieces != NULL, outcome.pieces == 0);
	assert_null(secret);
	provider_pieces_free(p, pieces);
	return outcome;
}

void contract_attest_in_software(void **state)
{
	CLEANUP(ek_result_cleanup) struct ek_result ek = EK_RESULT_INIT;
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	struct pcr_values values = {.update_counter = 77};
	struct pcr_selection banks = {.count = 77};
	struct outcome got;
	struct err err = {0};

	(void)state;
	assert_int_equal(attests(), contract_on_chip());
	if (attests())
		return;
	contract_header(BLOB_AIK, "aik", &header);
	got = ask_all(buf_slice(&header), slice_str("an object"));
	assert_int_equal(got.create, ERR_TPM_REQUIRED);
	assert_int_equal(got.sign, ERR_TPM_REQUIRED);
	assert_int_equal(got.quote, ERR_TPM_REQUIRED);
	assert_int_equal(got.certify, ERR_TPM_REQUIRED);
	assert_int_equal(got.activate, ERR_TPM_REQUIRED);
	assert_int_equal(got.pieces, ERR_TPM_REQUIRED);
	contract_expect(provider_ek(contract_provider, PKEY_TYPES, &ek, &err), ERR_TPM_REQUIRED,
			&err, "an endorsement key");
	contract_expect(provider_pcrs(contract_provider, &quote_request.pcrs, &values, &err),
			ERR_TPM_REQUIRED, &err, "PCRs");
	contract_expect(provider_pcr_banks(contract_provider, &banks, &err), ERR_TPM_REQUIRED, &err,
			"banks");
	assert_int_equal(values.update_counter, 77);
	assert_int_equal(banks.count, 77);
	assert_int_equal(ek.public.len, 0);
}

/* An AIK is no key, a key is no AIK, and neither opens under a changed header. */
void contract_aik_is_no_key(void **state)
{
	static const struct sign_request request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = {(const uint8_t *)"", 0}};
	struct sign_request whole = request;
	CLEANUP(buf_fini) struct buf out = BUF_INIT(1024);
	static const uint8_t digest[32];
	struct secret *plain = NULL;
	struct outcome got;
	struct err err = {0};

	(void)state;
	if (!attests())
		return;
	got = ask_all(buf_slice(&key.header), buf_slice(&key.made.object));
	assert_int_equal(got.create, ERR_DAMAGED);
	assert_int_equal(got.sign, ERR_DAMAGED);
	assert_int_equal(got.quote, ERR_DAMAGED);
	assert_int_equal(got.certify, ERR_DAMAGED);
	assert_int_equal(got.activate, ERR_DAMAGED);
	assert_int_equal(got.pieces, ERR_DAMAGED);
	/* A key's object under an AIK's header, and the other way round. */
	got = ask_all(aik_header(AIK_ECC), buf_slice(&key.made.object));
	assert_int_equal(got.sign, ERR_DAMAGED);
	assert_int_equal(got.quote, ERR_DAMAGED);
	assert_int_equal(got.certify, ERR_DAMAGED);
	whole.digest = slice_of(digest, sizeof(digest));
	contract_expect(provider_key_sign(contract_provider, buf_slice(&key.header),
					  aik_object(AIK_ECC), &whole, &out, &err),
			ERR_DAMAGED, &err, "an AIK's object as a key");
	contract_expect(provider_key_sign(contract_provider, aik_header(AIK_ECC),
					  aik_object(AIK_ECC), &whole, &out, &err),
			ERR_DAMAGED, &err, "an AIK that signs digests");
	assert_int_not_equal(provider_unseal(contract_provider, aik_header(AIK_ECC),
					     aik_object(AIK_ECC), &plain, &err),
			     0);
	assert_null(plain);
	assert_int_equal(out.len, 0);
}

/* --- signatures --- */

static void verify(size_t which, struct slice text, struct slice signature)
{
	enum pkey_scheme scheme =
		pkey_type_is_rsa(aiks[which].spec.type) ? PKEY_RSASSA : PKEY_ECDSA;
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	uint8_t digest[HASH_MAX_SIZE];
	struct err err = {0};

	contract_expect(pkey_from_spki(buf_slice(&aiks[which].made.spki), &public, &err), 0, &err,
			"spki");
	contract_expect(hash_digest(HASH_SHA256, &text, 1, digest, &err), 0, &err, "digest");
	contract_expect(
		pkey_verify(public, scheme, HASH_SHA256, slice_of(digest, 32), signature, &err), 0,
		&err, "verify");
}

void contract_aik_signs(void **state)
{
	static uint8_t text[PROVIDER_PIECE_MAX];
	static const size_t lens[] = {1, 3, 64, sizeof(text)};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; attests() && i < AIKS * ARRAY_LEN(lens); i++) {
		struct slice message = slice_of(text, lens[i / AIKS]);
		CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);

		contract_expect(provider_aik_sign(contract_provider, aik_header(i % AIKS),
						  aik_object(i % AIKS), message, &signature, &err),
				0, &err, "an AIK signs");
		verify(i % AIKS, message, buf_slice(&signature));
	}
}

void contract_aik_pieces(void **state)
{
	static const uint8_t text[2 * PROVIDER_PIECE_MAX + 7] = {7, 6, 5};

	(void)state;
	for (size_t i = 0; attests() && i < AIKS; i++) {
		CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
		struct pieces *pieces = NULL;
		struct err err = {0};

		contract_expect(provider_pieces_start(contract_provider, PIECES_AIK, aik_header(i),
						      aik_object(i), &pieces, &err),
				0, &err, "the start");
		for (size_t n = 0; n < 2; n++)
			contract_expect(provider_pieces_add(contract_provider, pieces,
							    slice_of(text + n * PROVIDER_PIECE_MAX,
								     PROVIDER_PIECE_MAX),
							    &err),
					0, &err, "a piece");
		contract_expect(provider_pieces_end(contract_provider, pieces,
						    slice_of(text + 2 * PROVIDER_PIECE_MAX, 7),
						    &signature, &err),
				0, &err, "the end");
		verify(i, slice_of(text, sizeof(text)), buf_slice(&signature));
	}
}

static void refuse_pieces(struct slice first, bool last)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct pieces *pieces = NULL;
	struct err err = {0};

	contract_expect(provider_pieces_start(contract_provider, PIECES_AIK, aik_header(AIK_ECC),
					      aik_object(AIK_ECC), &pieces, &err),
			0, &err, "the start");
	if (last) {
		contract_expect(
			provider_pieces_end(contract_provider, pieces, first, &signature, &err),
			ERR_INVALID, &err, "what a TPM says, in one piece");
		assert_int_equal(signature.len, 0);
		return;
	}
	contract_expect(provider_pieces_add(contract_provider, pieces, first, &err), ERR_INVALID,
			&err, "what a TPM says, in pieces");
	provider_pieces_free(contract_provider, pieces);
}

/* What no chip is asked: no such bank, no such hash, and its own words out of a client's mouth. */
void contract_attest_refuses(void **state)
{
	static const uint8_t generated[PROVIDER_PIECE_MAX] = {0xff, 'T', 'C', 'G', 0x80, 0x18};
	static const uint8_t nonce[PROVIDER_NONCE_MAX + 1];
	static const struct aik_spec specs[] = {
		{PKEY_TYPES, HASH_SHA256}, {PKEY_ECC_P256, HASH_SHA1}, {PKEY_ECC_P256, HASH_ALGS}};
	static const struct pcr_selection pcrs[] = {
		{.count = 0},
		{.banks = {{HASH_SHA256, 0}}, .count = 1},
		{.banks = {{HASH_SHA256, 1u << PCR_COUNT}}, .count = 1},
		{.banks = {{HASH_SHA256, 1}, {HASH_SHA256, 2}}, .count = 2},
		{.banks = {{HASH_ALGS, 1}}, .count = 1},
		{.count = PCR_BANKS + 1},
	};
	CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
	CLEANUP(attestation_cleanup) struct attestation quote = ATTESTATION_INIT;
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct quote_request request = quote_request;
	struct pcr_values values = {.update_counter = 77};
	struct err err = {0};

	(void)state;
	if (!attests())
		return;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		contract_expect(provider_aik_create(contract_provider, aik_header(AIK_ECC),
						    &specs[i], &made, &err),
				ERR_INVALID, &err, "an impossible AIK");
	contract_expect(provider_aik_sign(contract_provider, aik_header(AIK_ECC),
					  aik_object(AIK_ECC), slice_of(generated, 4), &signature,
					  &err),
			ERR_INVALID, &err, "what a TPM says");
	refuse_pieces(slice_of(generated, sizeof(generated)), false);
	refuse_pieces(slice_of(generated, sizeof(generated)), true);
	for (size_t i = 0; i < ARRAY_LEN(pcrs); i++) {
		request.pcrs = pcrs[i];
		contract_expect(provider_quote(contract_provider, aik_header(AIK_ECC),
					       aik_object(AIK_ECC), &request, &quote, &values,
					       &err),
				ERR_INVALID, &err, "impossible PCRs");
	}
	request = quote_request;
	request.nonce = slice_of(nonce, sizeof(nonce));
	contract_expect(provider_quote(contract_provider, aik_header(AIK_ECC), aik_object(AIK_ECC),
				       &request, &quote, &values, &err),
			ERR_INVALID, &err, "a long nonce");
	assert_int_equal(values.update_counter, 77);
	assert_int_equal(made.object.len + signature.len + quote.attest.len, 0);
}

/* --- what a chip says --- */

/* TPMT_SIGNATURE to the bytes that pkey_verify() takes. */
static void plain_signature(struct slice marshalled, struct buf *ret_plain)
{
	struct cursor cursor = cursor_of(marshalled);
	uint16_t alg = cursor_u16(&cursor);
	struct slice r, s;
	struct err err = {0};

	assert_int_equal(cursor_u16(&cursor), 0x000b);
	r = contract_take_sized(&cursor);
	if (alg == 0x0014) {
		buf_put(ret_plain, slice_of(r.data + 2, r.len - 2));
		assert_true(cursor_done(&cursor));
		return;
	}
	assert_int_equal(alg, 0x0018);
	s = contract_take_sized(&cursor);
	assert_true(cursor_done(&cursor));
	contract_expect(pkey_ecdsa_der(PKEY_ECC_P256, slice_of(r.data + 2, r.len - 2),
				       slice_of(s.data + 2, s.len - 2), ret_plain, &err),
			0, &err, "ECDSA");
}

/* The head of a TPMS_ATTEST by that AIK; the cursor stands behind the firmware's version. */
static struct cursor check_attest(size_t which, const struct attestation *said, uint16_t type,
				  struct slice nonce)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct cursor cursor = cursor_of(buf_slice(&said->attest));
	struct slice extra;

	assert_int_equal(cursor_u32(&cursor), 0xff544347);
	assert_int_equal(cursor_u16(&cursor), type);
	(void)contract_take_sized(&cursor); /* the signer's qualified Name */
	extra = contract_take_sized(&cursor);
	assert_true(slice_equal(slice_of(extra.data + 2, extra.len - 2), nonce));
	(void)cursor_take(&cursor, 17 + 8); /* clock, firmware */
	assert_false(cursor.failed);
	plain_signature(buf_slice(&said->signature), &signature);
	verify(which, buf_slice(&said->attest), buf_slice(&signature));
	return cursor;
}

/* The values are those that the chip signed the digest of. */
static void check_values(struct cursor cursor, const struct pcr_values *values)
{
	struct slice all[PCR_COUNT];
	uint8_t digest[HASH_MAX_SIZE];
	struct slice stated;
	struct err err = {0};

	(void)cursor_take(&cursor, 4 + 2 + 1); /* one bank, its hash, the size of its bits */
	assert_memory_equal(cursor_take(&cursor, 3).data, "\xff\0\0", 3);
	stated = contract_take_sized(&cursor);
	assert_true(cursor_done(&cursor));
	for (size_t i = 0; i < 8; i++)
		all[i] = slice_of(values->digest[0][i], 32);
	contract_expect(hash_digest(HASH_SHA256, all, 8, digest, &err), 0, &err, "digest");
	assert_true(slice_equal(slice_of(stated.data + 2, stated.len - 2), slice_of(digest, 32)));
}

void contract_quote(void **state)
{
	(void)state;
	for (size_t i = 0; attests() && i < 2 * AIKS; i++) {
		CLEANUP(attestation_cleanup) struct attestation quote = ATTESTATION_INIT;
		struct quote_request request = quote_request;
		struct pcr_values values = {.update_counter = 0xffffffff};
		struct cursor cursor;
		struct err err = {0};

		request.values = i < AIKS;
		contract_expect(provider_quote(contract_provider, aik_header(i % AIKS),
					       aik_object(i % AIKS), &request, &quote, &values,
					       &err),
				0, &err, "a quote");
		cursor = check_attest(i % AIKS, &quote, QUOTE_TYPE, request.nonce);
		if (request.values)
			check_values(cursor, &values);
		else
			assert_int_equal(values.update_counter, 0xffffffff);
	}
}

void contract_certify(void **state)
{
	const struct provider_object subject = {buf_slice(&key.header),
						buf_slice(&key.made.object)};

	(void)state;
	for (size_t i = 0; attests() && i < AIKS; i++) {
		CLEANUP(attestation_cleanup) struct attestation said = ATTESTATION_INIT;
		const struct provider_object aik = {aik_header(i), aik_object(i)};
		struct cursor cursor;
		struct slice name;
		struct err err = {0};

		contract_expect(provider_certify(contract_provider, &aik, &subject,
						 slice_of(NULL, 0), &said, &err),
				0, &err, "certifying");
		cursor = check_attest(i, &said, CERTIFY_TYPE, slice_of(NULL, 0));
		name = contract_take_sized(&cursor);
		assert_true(slice_equal(slice_of(name.data + 2, name.len - 2),
					buf_slice(&key.made.name)));
		contract_expect(provider_certify(contract_provider, &aik, &aik, slice_of(NULL, 0),
						 &said, &err),
				ERR_DAMAGED, &err, "certifying an AIK");
	}
}

/* TPM2_LoadExternal and TPM2_MakeCredential, as whoever sends a challenge does it elsewhere. */
static void make_credential(const struct ek_result *ek, struct slice name, struct buf *ret_answer)
{
	CLEANUP(buf_fini) struct buf command = BUF_INIT(2048);
	const struct guest_command load = {.makes = GUEST_OBJECT};
	struct guest_command make = {.handle_count = 1};
	struct provider_guest *ek_guest = NULL, *none = NULL;

	contract_raw_begin(&command, 0x8001, 0x167);
	buf_put_u16(&command, 0);
	buf_put(&command, buf_slice(&ek->public));
	buf_put_u32(&command, 0x40000007);
	assert_int_equal(contract_raw_send(&command, &load, ret_answer, &ek_guest), 0);
	contract_raw_begin(&command, 0x8001, 0x168);
	buf_put_u32(&command, 0); /* the guest's */
	buf_put_u16(&command, 11);
	buf_put_str(&command, "a challenge");
	buf_put_u16(&command, (uint16_t)name.len);
	buf_put(&command, name);
	make.handles[0] = ek_guest;
	assert_int_equal(contract_raw_send(&command, &make, ret_answer, &none), 0);
	provider_guest_free(contract_provider, ek_guest);
}

static void activate(size_t which, struct slice answer, int wanted, const char *what)
{
	struct cursor cursor = cursor_of(answer);
	struct credential credential = {.ek = PKEY_TYPES};
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	struct err err = {0};

	(void)cursor_take(&cursor, 10);
	credential.blob = contract_take_sized(&cursor);
	credential.secret = contract_take_sized(&cursor);
	contract_expect(provider_activate(contract_provider, aik_header(which), aik_object(which),
					  &credential, &secret, &err),
			wanted, &err, what);
	if (wanted == 0)
		assert_true(secret_equal(secret_slice(secret), slice_str("a challenge")));
	else
		assert_null(secret);
}

void contract_activate(void **state)
{
	CLEANUP(ek_result_cleanup) struct ek_result ek = EK_RESULT_INIT;
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(GUEST_BYTES_MAX);
	struct err err = {0};

	(void)state;
	if (!attests())
		return;
	contract_expect(provider_ek(contract_provider, PKEY_TYPES, &ek, &err), 0, &err,
			"the endorsement key");
	make_credential(&ek, buf_slice(&aiks[AIK_ECC].made.name), &answer);
	activate(AIK_ECC, buf_slice(&answer), 0, "the challenge");
	activate(AIK_ECC, buf_slice(&answer), 0, "and again");
	activate(AIK_RSA, buf_slice(&answer), ERR_DAMAGED, "for another AIK");
	answer.data[20] ^= 1;
	activate(AIK_ECC, buf_slice(&answer), ERR_DAMAGED, "a changed challenge");
	answer.data[20] ^= 1;
	answer.data[answer.len - 1] ^= 1;
	activate(AIK_ECC, buf_slice(&answer), ERR_DAMAGED, "a changed seed");
}

void contract_ek(void **state)
{
	static const enum pkey_type types[] = {PKEY_TYPES, PKEY_ECC_P256, PKEY_RSA_2048};

	(void)state;
	for (size_t i = 0; attests() && i < ARRAY_LEN(types); i++) {
		CLEANUP(ek_result_cleanup) struct ek_result ek = EK_RESULT_INIT;
		CLEANUP(ek_result_cleanup) struct ek_result again = EK_RESULT_INIT;
		CLEANUP(pkey_cleanup) struct pkey *public = NULL;
		struct err err = {0};

		contract_expect(provider_ek(contract_provider, types[i], &ek, &err), 0, &err, "EK");
		contract_expect(provider_ek(contract_provider, ek.type, &again, &err), 0, &err,
				"the same");
		if (types[i] != PKEY_TYPES)
			assert_int_equal(ek.type, types[i]);
		assert_true(slice_equal(buf_slice(&ek.public), buf_slice(&again.public)));
		assert_true(slice_equal(buf_slice(&ek.name), buf_slice(&again.name)));
		contract_expect(pkey_from_spki(buf_slice(&ek.spki), &public, &err), 0, &err,
				"spki");
		assert_int_equal(pkey_type(public), ek.type);
	}
}

void contract_pcrs(void **state)
{
	struct pcr_selection banks = {.count = 0};
	struct pcr_values values = {.update_counter = 0};
	uint32_t mask = 0;
	struct err err = {0};

	(void)state;
	if (!attests())
		return;
	contract_expect(provider_pcr_banks(contract_provider, &banks, &err), 0, &err, "banks");
	for (size_t i = 0; i < banks.count; i++)
		if (banks.banks[i].hash == HASH_SHA256)
			mask = banks.banks[i].mask;
	assert_int_equal(mask, 0xffffff);
	contract_expect(provider_pcrs(contract_provider, &banks, &values, &err), 0, &err, "values");
	assert_int_equal(values.selection.count, banks.count);
}
