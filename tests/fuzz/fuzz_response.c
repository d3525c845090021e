/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a chip, or somebody between us and it, may answer. The input: what we ask for, how answers
 * are framed, then the answers, each with its length in two bytes. Raw answers go up as they are.
 * Framed ones get a header that fits, and in a session an authorisation area whose HMAC is right
 * (the session has no key, so its HMAC is over the authValue, which the harness knows): so the
 * parsers behind the check are reached as well. Promised: an error or a result within its limits.
 */

#include <string.h>

#include "base/base64.h"
#include "crypto/hash.h"
#include "tests/fuzz/feed.h"
#include "tests/fuzz/fuzz.h"
#include "tpm/impl.h"

#define AUTH	    "fuzz"
#define SESSION	    0x02000000u
#define ANSWERS_MAX 64u
#define NONCE	    32u
#define HEADER	    10u

enum framing { RAW = 1, FRAMED = 2 };

static struct feed {
	struct slice rest;
	unsigned framing;
	unsigned given;
	uint8_t sequence[16]; /* authValue of the one that was started last */
} feed;

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static size_t take_answer(uint8_t *out, size_t max)
{
	struct slice *rest = &feed.rest;
	size_t len;

	if (rest->len < 2)
		return 0;
	len = (size_t)rest->data[0] << 8 | rest->data[1];
	len = len > rest->len - 2 ? rest->len - 2 : len;
	len = len > max ? max : len;
	memcpy(out, rest->data + 2, len);
	rest->data += 2 + len;
	rest->len -= 2 + len;
	return len;
}

/* How many handles a command names before its session, whether its answer gives one, and whose
 * authValue it needs. */
static const struct shape {
	uint32_t code;
	unsigned handles;
	bool gives;
	enum whose { NONE, OBJECT, SEQUENCE } auth;
} shapes[] = {
	{TPM2_CC_CreatePrimary, 1, true, NONE},
	{TPM2_CC_Load, 1, true, NONE},
	{TPM2_CC_StartAuthSession, 0, true, NONE},
	{TPM2_CC_ContextLoad, 0, true, NONE},
	{TPM2_CC_Create, 1, false, NONE},
	{TPM2_CC_EvictControl, 2, false, NONE},
	{TPM2_CC_ObjectChangeAuth, 2, false, OBJECT},
	{TPM2_CC_Unseal, 1, false, OBJECT},
	{TPM2_CC_Sign, 1, false, OBJECT},
	{TPM2_CC_RSA_Decrypt, 1, false, OBJECT},
	{TPM2_CC_ECDH_ZGen, 1, false, OBJECT},
	{TPM2_CC_HMAC, 1, false, OBJECT},
	{TPM2_CC_HMAC_Start, 1, true, OBJECT},
	{TPM2_CC_HashSequenceStart, 0, true, NONE},
	{TPM2_CC_SequenceUpdate, 1, false, SEQUENCE},
	{TPM2_CC_SequenceComplete, 1, false, SEQUENCE},
	{TPM2_CC_Quote, 1, false, OBJECT},
	{TPM2_CC_Certify, 2, false, OBJECT},
	{TPM2_CC_ActivateCredential, 2, false, OBJECT},
	{TPM2_CC_PolicySecret, 2, false, NONE},
	{TPM2_CC_NV_Read, 2, false, NONE},
};

static struct shape shape_of(uint32_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (shapes[i].code == code)
			return shapes[i];
	return (struct shape){.code = code};
}

static size_t handle_size(uint32_t code)
{
	return shape_of(code).gives ? 4 : 0;
}

static struct slice auth_of(enum whose whose)
{
	switch (whose) {
	case OBJECT:
		return slice_str(AUTH);
	case SEQUENCE:
		return slice_of(feed.sequence, sizeof(feed.sequence));
	default:
		return slice_of(NULL, 0);
	}
}

#define SESSION_IN  (4 + 2 + NONCE + 1 + 2 + 32) /* handle, nonce, attributes, HMAC */
#define SESSION_OUT (2 + NONCE + 1 + 2 + 32)

/*
 * nonceTPM, attributes, HMAC: Part 1, "Response HMAC"; the key is the authValue alone. @theirs is
 * the same session in the command.
 */
static void put_session(const uint8_t *theirs, struct slice digest, struct slice auth, uint8_t *out)
{
	uint8_t nonce_tpm[NONCE] = {1}, attributes = theirs[4 + 2 + NONCE];
	struct slice parts[] = {digest, slice_of(nonce_tpm, NONCE), slice_of(theirs + 4 + 2, NONCE),
				slice_of(&attributes, 1)};
	struct err err = {0};

	out[0] = 0;
	out[1] = NONCE;
	memcpy(out + 2, nonce_tpm, NONCE);
	out[2 + NONCE] = attributes;
	out[3 + NONCE] = 0;
	out[4 + NONCE] = 32;
	FUZZ_REQUIRE(hash_hmac(HASH_SHA256, auth, parts, 4, out + 5 + NONCE, &err) == 0);
}

/* One for each that the command has. */
static size_t put_sessions(const uint8_t *command, uint32_t code, struct slice parameters,
			   uint8_t *out)
{
	const struct shape shape = shape_of(code);
	enum whose second = code == TPM2_CC_Certify ? OBJECT : NONE;
	const uint8_t *area = command + HEADER + shape.handles * 4;
	uint8_t digest[HASH_MAX_SIZE], cc[4], zero[4] = {0};
	struct slice rp[] = {slice_of(zero, 4), slice_of(cc, 4), parameters};
	struct err err = {0};
	size_t count = get_u32(area) / SESSION_IN;

	put_u32(cc, code);
	FUZZ_REQUIRE(hash_digest(HASH_SHA256, rp, 3, digest, &err) == 0);
	for (size_t i = 0; i < count && i < 2; i++)
		put_session(area + 4 + i * SESSION_IN, slice_of(digest, 32),
			    auth_of(i ? second : shape.auth), out + i * SESSION_OUT);
	return count * SESSION_OUT;
}

/* A sequence gets its own authValue at its start, the last but one parameter. */
static void note_sequence(const uint8_t *command, size_t len)
{
	uint32_t code = get_u32(command + 6);

	if (code == TPM2_CC_HMAC_Start || code == TPM2_CC_HashSequenceStart)
		memcpy(feed.sequence, command + len - 2 - sizeof(feed.sequence),
		       sizeof(feed.sequence));
}

static size_t frame(const uint8_t *command, uint8_t *out, size_t max)
{
	uint32_t code = get_u32(command + 6);
	bool sessions = command[1] == 2;
	size_t head = HEADER + handle_size(code) + (sessions ? 4 : 0), len;

	len = take_answer(out + head, max - head - 2 * SESSION_OUT);
	memset(out, 0, head);
	out[0] = 0x80;
	out[1] = command[1];
	if (handle_size(code))
		put_u32(out + HEADER, code == TPM2_CC_StartAuthSession ? SESSION : 0x80000000u);
	if (sessions) {
		put_u32(out + head - 4, (uint32_t)len);
		len += put_sessions(command, code, slice_of(out + head, len), out + head + len);
	}
	put_u32(out + 2, (uint32_t)(head + len));
	return head + len;
}

__attribute__((visibility("default"))) size_t fuzz_feed(const uint8_t *command, size_t len,
							uint8_t *answer, size_t max)
{
	note_sequence(command, len);
	if (feed.given++ >= ANSWERS_MAX || feed.rest.len == 0)
		return SIZE_MAX;
	return feed.framing == RAW ? take_answer(answer, max) : frame(command, answer, max);
}

/* --- what is asked for --- */

static struct engine_name NAME = {.bytes = {0x00, 0x0b, 1, 2, 3}, .len = 34};
static const struct root ROOT = {.handle = 0x81000001, .name = {.bytes = {0, 0x0b, 1}, .len = 34}};

static void ask_start(struct engine *engine)
{
	(void)chip_startup(engine);
	if (chip_facts(engine) == TSS2_RC_SUCCESS)
		FUZZ_REQUIRE(memchr(engine->facts.manufacturer, 0, 5));
	(void)chip_flush_group(engine, GROUP_TRANSIENT);
	(void)chip_flush_group(engine, GROUP_SAVED_SESSION);
	(void)chip_lockout(engine);
}

static void ask_public(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(ENGINE_PUBLIC_MAX);
	struct engine_public parsed = {0};
	struct engine_name name;
	TPM2B_PUBLIC public = {0};
	struct err err = {0};

	if (chip_read_public(engine, 0x81000001, &public))
		return;
	(void)public_unfit_srk(&public);
	if (public_name(&public, &name, &err) == 0)
		FUZZ_REQUIRE(name.len <= ENGINE_NAME_MAX);
	if (public_marshal(&public, &bytes, &err) < 0)
		return;
	if (engine_public_parse(buf_slice(&bytes), &parsed, &err) == 0)
		pkey_free(parsed.key);
}

static void ask_load(struct engine *engine)
{
	TPM2B_PRIVATE private = {.size = 4};
	TPM2B_PUBLIC public;
	struct root loaded = {0};

	public_sealed(&public);
	if (!chip_load(engine, &ROOT, slice_of(NULL, 0), &public, &private, &loaded))
		FUZZ_REQUIRE(loaded.name.len <= ENGINE_NAME_MAX);
}

static void ask_create(struct engine *engine)
{
	CLEANUP(engine_made_cleanup) struct engine_made made = ENGINE_MADE_INIT;
	TPM2B_PUBLIC template, public = {0};
	TPM2B_PRIVATE private = {0};
	struct chip_create create = {
		.parent = &ROOT, .template = &template, .auth = slice_str(AUTH)};
	const struct chip_primary primary = {.hierarchy = TPM2_RH_OWNER, .template = &template};
	struct root root = {0};
	struct err err = {0};

	public_sealed(&template);
	if (!chip_create(engine, &create, &public, &private)) {
		FUZZ_EITHER(public_marshal(&public, &made.public, &err));
		FUZZ_EITHER(private_marshal(&private, &made.private, &err));
	}
	(void)chip_create_primary(engine, &primary, &root, &public);
	(void)chip_persist(engine, &ROOT, 0x81000101);
	(void)chip_flush(engine, 0x80000000);
}

/* A key that a salt can be sent to: the curve's own point, a modulus that is one by its size. */
static void salt_key(enum pkey_type type, TPM2B_PUBLIC *ret_public)
{
	static const char G[] = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
				"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
	TPMU_PUBLIC_ID *unique = &ret_public->publicArea.unique;
	struct err err = {0};

	FUZZ_REQUIRE(public_storage(type, ret_public, &err) == 0);
	if (type == PKEY_RSA_2048) {
		unique->rsa.size = 256;
		memset(unique->rsa.buffer, 0xc5, 256);
		return;
	}
	unique->ecc.x.size = 32;
	unique->ecc.y.size = 32;
	FUZZ_REQUIRE(hex_decode(slice_of(G, 64), unique->ecc.x.buffer, 32));
	FUZZ_REQUIRE(hex_decode(slice_of(G + 64, 64), unique->ecc.y.buffer, 32));
}

static void ask_session(struct engine *engine)
{
	TPM2B_PUBLIC public = {0};

	(void)chip_start_session(engine, LINE_FIRST, NULL, NULL);
	salt_key(PKEY_ECC_P256, &public);
	(void)chip_start_session(engine, LINE_FIRST, &ROOT, &public);
	salt_key(PKEY_RSA_2048, &public);
	(void)chip_start_session(engine, LINE_FIRST, &ROOT, &public);
	if (!chip_read_public(engine, 0x81000001, &public))
		(void)chip_start_session(engine, LINE_FIRST, &ROOT, &public);
}

/* Public and private parts as they come from files, without a chip. */
static void ask_bytes(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf again = BUF_INIT(4096);
	struct engine_public parsed = {0};
	struct slice bytes = feed.rest;
	TPM2B_PRIVATE private;
	TPM2B_PUBLIC public;
	struct err err = {0};

	(void)engine;
	if (private_unmarshal(bytes, &private, &err) == 0) {
		FUZZ_REQUIRE(private_marshal(&private, &again, &err) == 0);
		FUZZ_REQUIRE(slice_equal(buf_slice(&again), bytes));
		buf_reset(&again);
	}
	if (engine_public_parse(bytes, &parsed, &err) == 0) {
		FUZZ_REQUIRE((parsed.key || parsed.uses == ENGINE_MAC) &&
			     parsed.name.len <= ENGINE_NAME_MAX);
		pkey_free(parsed.key);
	}
	if (public_unmarshal(bytes, &public, &err) == 0) {
		(void)public_unfit_srk(&public);
		if (public_marshal(&public, &again, &err) == 0)
			FUZZ_REQUIRE(again.len <= bytes.len);
	}
}

/* A ready engine with an unsalted session, as after a good start. */
static void make_ready(struct engine *engine)
{
	uint8_t nonce[NONCE] = {2};
	struct err err = {0};

	for (unsigned i = LINE_FIRST; i <= LINE_SECOND; i++)
		FUZZ_REQUIRE(session_begin(&engine->line.sessions[i], SESSION + i,
					   slice_of(NULL, 0), slice_of(nonce, NONCE),
					   slice_of(nonce, NONCE), &err) == 0);
	engine->ready = true;
	engine->facts.object_slots = 3;
	engine->srk = ROOT;
	engine->hsk = ROOT;
	engine->roots.srk = NAME;
	engine->roots.hsk = NAME;
}

/* A key, or sealed data without a use. */
static struct engine_object object_of(struct buf *public, struct buf *private, enum pkey_type type,
				      unsigned use)
{
	TPM2B_PRIVATE bytes = {.size = 8};
	TPM2B_PUBLIC template;
	struct err err = {0};

	public_sealed(&template);
	if (use)
		FUZZ_REQUIRE(public_key(type, use, &template, &err) == 0);
	FUZZ_REQUIRE(public_marshal(&template, public, &err) == 0);
	FUZZ_REQUIRE(private_marshal(&bytes, private, &err) == 0);
	return (struct engine_object){.parent = ENGINE_HSK,
				      .public = buf_slice(public),
				      .private = buf_slice(private),
				      .auth = slice_str(AUTH)};
}

static void ask_unseal(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(1024), private = BUF_INIT(1024);
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	struct engine_object object = object_of(&public, &private, PKEY_TYPES, 0);
	uint8_t random[32];
	struct err err = {0};

	if (engine_unseal(engine, &object, &plain, &err) == 0)
		FUZZ_REQUIRE(secret_size(plain) <= 256);
	FUZZ_EITHER(engine_random(engine, random, sizeof(random), &err));
}

static void ask_sign(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(1024), private = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024), changed = BUF_INIT(2048);
	struct engine_object object = object_of(&public, &private, PKEY_ECC_P256, ENGINE_SIGN);
	uint8_t digest[32] = {0};
	struct engine_sign request = {
		.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = slice_of(digest, 32)};
	struct err err = {0};

	FUZZ_EITHER(engine_sign(engine, &object, &request, &signature, &err));
	FUZZ_EITHER(engine_change_auth(engine, &object, slice_str("new"), &changed, &err));
}

/* A key of each kind, used as it may be. */
static void ask_uses(struct engine *engine)
{
	static const struct {
		enum pkey_type type;
		enum engine_use use;
	} kinds[] = {{PKEY_RSA_2048, ENGINE_DECRYPT},
		     {PKEY_ECC_P256, ENGINE_AGREE},
		     {PKEY_TYPES, ENGINE_MAC}};
	static const uint8_t data[256];
	const struct engine_decrypt decrypt = {.hash = HASH_SHA256,
					       .ciphertext = slice_of(data, sizeof(data))};
	CLEANUP(pkey_cleanup) struct pkey *peer = NULL;
	TPM2B_PUBLIC public = {0};
	struct err err = {0};

	salt_key(PKEY_ECC_P256, &public);
	FUZZ_REQUIRE(public_to_pkey(&public, &peer, &err) == 0);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CLEANUP(buf_fini) struct buf area = BUF_INIT(1024), private = BUF_INIT(1024);
		CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);
		CLEANUP(secret_cleanup) struct secret *plain = NULL, *shared = NULL;
		struct engine_object object =
			object_of(&area, &private, kinds[i].type, kinds[i].use);

		if (engine_decrypt(engine, &object, &decrypt, &plain, &err) == 0)
			FUZZ_REQUIRE(secret_size(plain) <= 512);
		if (engine_agree(engine, &object, peer, &shared, &err) == 0)
			FUZZ_REQUIRE(secret_size(shared) == 32);
		if (engine_mac(engine, &object, slice_of(data, 9), &mac, &err) == 0)
			FUZZ_REQUIRE(mac.len == 32);
	}
}

static void ask_message(struct engine *engine)
{
	static const uint8_t piece[ENGINE_PIECE_MAX];
	CLEANUP(buf_fini) struct buf area = BUF_INIT(1024), private = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64), again = BUF_INIT(64);
	struct engine_object object = object_of(&area, &private, PKEY_TYPES, ENGINE_MAC);
	struct engine_message *message = NULL;
	struct err err = {0};

	if (engine_message_start(engine, &object, ENGINE_MAC, &message, &err) < 0)
		return;
	FUZZ_EITHER(engine_message_add(engine, message, slice_of(piece, sizeof(piece)), &err));
	(void)resident_leave(engine);
	if (engine_message_end(engine, message, slice_of(piece, 9), &mac, &err) == 0)
		FUZZ_REQUIRE(mac.len == 32);
	FUZZ_REQUIRE(engine_message_end(engine, message, slice_of(piece, 9), &again, &err) < 0 ||
		     mac.len == 0);
	engine_message_free(engine, message);
}

/* What a chip says of itself, with its PCRs. */
static void ask_quote(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(1024), private = BUF_INIT(1024);
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	struct engine_object aik = object_of(&public, &private, PKEY_ECC_P256, ENGINE_SIGN);
	struct engine_quote request = {.nonce = slice_str("nonce"),
				       .pcrs = {.banks = {{HASH_SHA256, 7}}, .count = 1}};
	struct engine_pcr_values values;
	struct err err = {0};

	if (engine_quote(engine, &aik, &request, &made, NULL, &err) == 0)
		FUZZ_REQUIRE(made.attest.len > 0 && made.signature.len > 0);
	FUZZ_EITHER(engine_quote(engine, &aik, &request, &made, &values, &err));
	FUZZ_EITHER(engine_read_pcrs(engine, &request.pcrs, &values, &err));
}

static void ask_certify(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(1024), private = BUF_INIT(1024);
	CLEANUP(engine_attested_cleanup) struct engine_attested made = ENGINE_ATTESTED_INIT;
	struct engine_object aik = object_of(&public, &private, PKEY_ECC_P256, ENGINE_SIGN);
	struct err err = {0};

	FUZZ_EITHER(engine_certify(engine, &aik, &aik, slice_str("nonce"), &made, &err));
}

static void ask_ek(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf public = BUF_INIT(4096);
	struct engine_ek ek = {.public = &public};
	struct err err = {0};

	for (unsigned type = 0; type <= PKEY_TYPES; type++)
		if (engine_ek(engine, (enum pkey_type)type, &ek, &err) == 0)
			FUZZ_REQUIRE(ek.name.len <= ENGINE_NAME_MAX && public.len > 0);
}

/* An index of the maker's, and what of it is a certificate. */
static void ask_nv(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(3000);
	struct chip_handles indices = {.handle = {0x01c0000a}, .count = 1};
	static const struct ek_row row = {PKEY_ECC_P256, false, 0x01c0000a};
	struct ek *ek = &engine->eks.keys[PKEY_ECC_P256];
	TPM2B_PUBLIC template;
	struct err err = {0};

	if (!nv_read(engine, 0x01c00002, &bytes))
		FUZZ_REQUIRE(bytes.len <= 3000);
	for (unsigned type = 0; type < PKEY_TYPES; type++)
		for (unsigned high = 0; high < 2; high++)
			if (public_endorsement((enum pkey_type)type, high, &template, &err) == 0)
				FUZZ_REQUIRE(public_is_by(&template, &template));
	salt_key(PKEY_ECC_P256, &ek->public);
	ek->row = &row;
	if (!ek_certify(engine, ek, &indices))
		FUZZ_REQUIRE(ek->certificate.len <= 8192);
}

/* As if the key of that type was told of before, so that one command is all there is. */
static void ask_activate(struct engine *engine)
{
	static const struct ek_row row = {PKEY_ECC_P384, true, 0};
	static const struct engine_credential credential = {
		.ek = PKEY_ECC_P384,
		.blob = {(const uint8_t *)"\0\4blob", 6},
		.secret = {(const uint8_t *)"\0\6secret", 8},
	};
	CLEANUP(buf_fini) struct buf public = BUF_INIT(1024), private = BUF_INIT(1024);
	struct engine_object aik = object_of(&public, &private, PKEY_ECC_P256, ENGINE_SIGN);
	CLEANUP(secret_cleanup) struct secret *secret = NULL;
	struct ek *ek = &engine->eks.keys[PKEY_ECC_P384];
	struct err err = {0};

	FUZZ_REQUIRE(public_endorsement(PKEY_ECC_P384, true, &ek->public, &err) == 0);
	ek->row = &row;
	ek->name = NAME;
	ek->placed = true;
	ek->handle = 0x81010016;
	if (engine_activate(engine, &aik, &credential, &secret, &err) == 0)
		FUZZ_REQUIRE(secret_size(secret) > 0 && secret_size(secret) <= 64);
}

static void ask_contexts(struct engine *engine)
{
	CLEANUP(buf_fini) struct buf context = BUF_INIT(SLOTS_CONTEXT_MAX);
	uint32_t handle = 0;

	if (!chip_context_save(engine, 0x80000000, &context))
		(void)chip_context_load(engine, buf_slice(&context), &handle);
	if (session_park_one(engine, LINE_FIRST))
		(void)session_unpark(engine, LINE_FIRST);
}

static void ask_guest(struct engine *engine)
{
	static const uint8_t start[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x86, 0, 0, 0, 0x0b};
	const struct engine_guest_command command = {.bytes = slice_of(start, sizeof(start)),
						     .makes = ENGINE_GUEST_SEQUENCE};
	CLEANUP(buf_fini) struct buf answer = BUF_INIT(TRANSPORT_BUFFER);
	struct engine_guest *made = NULL;
	struct err err = {0};

	if (engine_guest_run(engine, &command, &answer, &made, &err) == 0)
		FUZZ_REQUIRE(answer.len >= HEADER);
	else
		FUZZ_REQUIRE(!made && answer.len == 0);
	engine_guest_free(engine, made);
}

static const struct {
	void (*ask)(struct engine *engine);
	bool ready;
} asks[] = {
	{ask_start, false},   {ask_public, false},   {ask_load, false},	   {ask_create, false},
	{ask_session, false}, {ask_load, true},	     {ask_create, true},   {ask_unseal, true},
	{ask_sign, true},     {ask_contexts, false}, {ask_contexts, true}, {ask_guest, true},
	{ask_bytes, false},   {ask_uses, true},	     {ask_message, true},  {ask_quote, true},
	{ask_certify, true},  {ask_ek, true},	     {ask_activate, true}, {ask_nv, true},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine engine = {0};
	struct err err = {0};
	size_t which;

	if (size < 4)
		return 0;
	which = data[0] % ARRAY_LEN(asks);
	feed = (struct feed){.rest = slice_of(data + 2, size - 2),
			     .framing = data[1] & 1 ? RAW : FRAMED};
	for (size_t i = 0; i < LINE_SESSIONS; i++)
		engine.parked[i] = (struct buf)BUF_INIT(SLOTS_CONTEXT_MAX);
	FUZZ_REQUIRE(line_open(FEED_TCTI, &engine.line, &err) == 0);
	engine.line.encrypt = data[1] & 2;
	/* Else a chip that asks for patience gets half a minute of it. */
	engine_set_deadline(&engine, 1);
	if (asks[which].ready)
		make_ready(&engine);
	asks[which].ask(&engine);
	guests_free(&engine);
	eks_fini(&engine.eks);
	line_close(&engine.line);
	slots_reset(&engine.slots);
	for (size_t i = 0; i < LINE_SESSIONS; i++)
		buf_fini(&engine.parked[i]);
	return 0;
}
