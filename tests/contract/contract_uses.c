/* SPDX-License-Identifier: Apache-2.0 */
/* What keys may do: each its own, and nothing else; what they decrypt, agree on and authenticate.
 */

#include "tests/contract/contract_impl.h"

enum { RSA_DECRYPT, RSA_BOTH, P256_AGREE, P384_BOTH, ECC_SIGN, MAC, OTHER_MAC, KEYS };

static struct contract_key keys[KEYS] = {
	[RSA_DECRYPT] = {.name = "rsa-decrypt",
			 .spec = {.type = PKEY_RSA_2048, .uses = KEY_USE_DECRYPT}},
	[RSA_BOTH] = {.name = "rsa-both",
		      .spec = {.type = PKEY_RSA_2048, .uses = KEY_USE_SIGN | KEY_USE_DECRYPT}},
	[P256_AGREE] = {.name = "p256-agree",
			.spec = {.type = PKEY_ECC_P256, .uses = KEY_USE_AGREE}},
	[P384_BOTH] = {.name = "p384-both",
		       .spec = {.type = PKEY_ECC_P384, .uses = KEY_USE_SIGN | KEY_USE_AGREE}},
	[ECC_SIGN] = {.name = "ecc-sign", .spec = {.type = PKEY_ECC_P256, .uses = KEY_USE_SIGN}},
	[MAC] = {.name = "mac", .spec = {.type = PKEY_TYPES, .uses = KEY_USE_MAC}},
	[OTHER_MAC] = {.name = "other-mac", .spec = {.type = PKEY_TYPES, .uses = KEY_USE_MAC}},
};

static uint8_t message[3 * PROVIDER_PIECE_MAX];

int contract_uses_setup(void)
{
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 11 + (i >> 8));
	for (size_t i = 0; i < KEYS; i++)
		if (contract_key_make(&keys[i]) < 0)
			return -1;
	return 0;
}

void contract_uses_teardown(void)
{
	for (size_t i = 0; i < KEYS; i++)
		contract_key_fini(&keys[i]);
}

static struct pkey *public_of(const struct contract_key *key)
{
	struct pkey *public = NULL;
	struct err err = {0};

	contract_expect(pkey_from_spki(buf_slice(&key->made.spki), &public, &err), 0, &err, "spki");
	return public;
}

void contract_use_told(void **state)
{
	bool tpm = contract_provider->ops->kind == PROVIDER_TPM;

	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		const struct contract_key *key = &keys[i];

		assert_int_equal(key->made.type, key->spec.type);
		assert_int_equal(key->made.uses, key->spec.uses);
		assert_int_equal(key->made.public.len > 0, tpm);
		assert_int_equal(key->made.name.len > 0, tpm);
		assert_int_equal(key->made.spki.len > 0, key->spec.uses != KEY_USE_MAC);
	}
}

/* --- each use of any key; outputs are untouched on failure --- */

static int try_sign(const struct contract_key *key, struct err *err)
{
	static const uint8_t digest[32] = {9};
	bool is_rsa = key->spec.type == PKEY_RSA_2048;
	const struct sign_request request = {.scheme = is_rsa ? PKEY_RSASSA : PKEY_ECDSA,
					     .hash = HASH_SHA256,
					     .digest = slice_of(digest, sizeof(digest))};
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	int r = provider_key_sign(contract_provider, buf_slice(&key->header),
				  buf_slice(&key->made.object), &request, &signature, err);

	assert_int_equal(signature.len > 0, r == 0);
	return r;
}

static int decrypt(const struct contract_key *key, const struct decrypt_request *request,
		   struct secret **ret_plain, struct err *err)
{
	struct secret *before = *ret_plain;
	int r = provider_key_decrypt(contract_provider, buf_slice(&key->header),
				     buf_slice(&key->made.object), request, ret_plain, err);

	if (r < 0)
		assert_ptr_equal(*ret_plain, before);
	return r;
}

static int try_decrypt(const struct contract_key *key, struct err *err)
{
	CLEANUP(secret_cleanup) struct secret *plain = NULL;
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(512);
	struct decrypt_request request = {.hash = HASH_SHA256};

	if (key->spec.type == PKEY_RSA_2048) {
		CLEANUP(pkey_cleanup) struct pkey *public = public_of(key);

		contract_expect(pkey_oaep_encrypt(public, HASH_SHA256, NULL, slice_str("text"),
						  &sealed, err),
				0, err, "encryption");
	} else {
		buf_put(&sealed, slice_of(message, 256));
	}
	request.ciphertext = buf_slice(&sealed);
	return decrypt(key, &request, &plain, err);
}

static int try_agree(const struct contract_key *key, struct err *err)
{
	bool is_p384 = key->spec.type == PKEY_ECC_P384;
	CLEANUP(pkey_cleanup) struct pkey *peer = public_of(&keys[is_p384 ? P384_BOTH : ECC_SIGN]);
	CLEANUP(secret_cleanup) struct secret *shared = NULL;
	int r = provider_key_agree(contract_provider, buf_slice(&key->header),
				   buf_slice(&key->made.object), peer, &shared, err);

	assert_int_equal(shared != NULL, r == 0);
	return r;
}

static int mac_of(const struct contract_key *key, struct slice data, struct buf *ret_mac,
		  struct err *err)
{
	size_t before = ret_mac->len;
	int r = provider_key_mac(contract_provider, buf_slice(&key->header),
				 buf_slice(&key->made.object), data, ret_mac, err);

	assert_int_equal(ret_mac->len - before, r == 0 ? 32 : 0);
	return r;
}

static int try_mac(const struct contract_key *key, struct err *err)
{
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);

	return mac_of(key, slice_str("text"), &mac, err);
}

static int start(const struct contract_key *key, struct pieces **ret_pieces, struct err *err)
{
	int r = provider_pieces_start(contract_provider, PIECES_MAC, buf_slice(&key->header),
				      buf_slice(&key->made.object), ret_pieces, err);

	if (r < 0)
		assert_null(*ret_pieces);
	return r;
}

static int try_pieces(const struct contract_key *key, struct err *err)
{
	struct pieces *pieces = NULL;
	int r = start(key, &pieces, err);

	provider_pieces_free(contract_provider, pieces);
	return r;
}

static const struct {
	enum key_use use;
	int (*try)(const struct contract_key *key, struct err *err);
	const char *what;
} tries[] = {
	{KEY_USE_SIGN, try_sign, "sign"},	    {KEY_USE_DECRYPT, try_decrypt, "decrypt"},
	{KEY_USE_AGREE, try_agree, "agree"},	    {KEY_USE_MAC, try_mac, "mac"},
	{KEY_USE_MAC, try_pieces, "mac in pieces"},
};

static void try_all(void)
{
	for (size_t i = 0; i < KEYS * ARRAY_LEN(tries); i++) {
		const struct contract_key *key = &keys[i / ARRAY_LEN(tries)];
		size_t t = i % ARRAY_LEN(tries);
		struct err err = {0};
		int r = tries[t].try(key, &err);
		int wanted = key->spec.uses & tries[t].use ? 0 : ERR_INVALID;

		if (r != wanted)
			fail_msg("%s, %s: %d (%s), wanted %d", key->name, tries[t].what, r,
				 err.text, wanted);
	}
}

/* Twice: once the key was used it is at hand, and for nothing else than before. */
void contract_use_enforced(void **state)
{
	(void)state;
	try_all();
	try_all();
}

void contract_use_survives_reopen(void **state)
{
	(void)state;
	contract_reopen();
	try_all();
	for (size_t i = 0; i < KEYS; i++)
		provider_forget(contract_provider, buf_slice(&keys[i].made.object));
	try_all();
}

/* --- decrypt --- */

void contract_decrypt(void **state)
{
	static const struct {
		enum hash_alg hash;
		const char *label;
		size_t len;
	} rows[] = {
		{HASH_SHA256, NULL, 32},
		{HASH_SHA256, NULL, 1},
		{HASH_SHA256, NULL, 190},
		{HASH_SHA256, "a", 16},
		{HASH_SHA256, "label of 15 by", 190},
		{HASH_SHA384, NULL, 48},
		{HASH_SHA384, "b", 158},
	};
	const struct contract_key *key = &keys[RSA_DECRYPT];
	CLEANUP(pkey_cleanup) struct pkey *public = public_of(key);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *label = rows[i].label;
		struct decrypt_request request = {
			.hash = rows[i].hash,
			.label = slice_of(label, label ? strlen(label) + 1 : 0),
		};
		CLEANUP(secret_cleanup) struct secret *plain = NULL;
		CLEANUP(buf_fini) struct buf sealed = BUF_INIT(512);
		struct err err = {0};

		contract_expect(pkey_oaep_encrypt(public, rows[i].hash, label,
						  slice_of(message, rows[i].len), &sealed, &err),
				0, &err, "encryption");
		request.ciphertext = buf_slice(&sealed);
		contract_expect(decrypt(key, &request, &plain, &err), 0, &err, "decryption");
		assert_true(slice_equal(secret_slice(plain), slice_of(message, rows[i].len)));
	}
}

void contract_decrypt_refused(void **state)
{
	static const char long_label[PROVIDER_LABEL_MAX + 1] =
		"sixty-four letters, and the NUL, are one more than there may be..";
	static const struct {
		const char *what;
		enum hash_alg hash;
		struct slice label;
		size_t flip, len; /* of the ciphertext */
		int code;
	} rows[] = {
		{"another hash", HASH_SHA384, {(const uint8_t *)"a", 2}, 256, 256, ERR_DAMAGED},
		{"another label", HASH_SHA256, {(const uint8_t *)"b", 2}, 256, 256, ERR_DAMAGED},
		{"no label", HASH_SHA256, {NULL, 0}, 256, 256, ERR_DAMAGED},
		{"a changed beginning",
		 HASH_SHA256,
		 {(const uint8_t *)"a", 2},
		 1,
		 256,
		 ERR_DAMAGED},
		{"a changed end", HASH_SHA256, {(const uint8_t *)"a", 2}, 255, 256, ERR_DAMAGED},
		{"a short one", HASH_SHA256, {(const uint8_t *)"a", 2}, 256, 255, ERR_INVALID},
		{"a long one", HASH_SHA256, {(const uint8_t *)"a", 2}, 256, 257, ERR_INVALID},
		{"nothing", HASH_SHA256, {(const uint8_t *)"a", 2}, 256, 0, ERR_INVALID},
		{"a huge one", HASH_SHA256, {(const uint8_t *)"a", 2}, 256, 400, ERR_INVALID},
		{"an unknown hash", HASH_ALGS, {(const uint8_t *)"a", 2}, 256, 256, ERR_INVALID},
		{"a label without NUL",
		 HASH_SHA256,
		 {(const uint8_t *)"a", 1},
		 256,
		 256,
		 ERR_INVALID},
		{"two NULs", HASH_SHA256, {(const uint8_t *)"a\0", 3}, 256, 256, ERR_INVALID},
		{"a long label",
		 HASH_SHA256,
		 {(const uint8_t *)long_label, sizeof(long_label)},
		 256,
		 256,
		 ERR_INVALID},
	};
	const struct contract_key *key = &keys[RSA_DECRYPT];
	CLEANUP(pkey_cleanup) struct pkey *public = public_of(key);
	CLEANUP(buf_fini) struct buf sealed = BUF_INIT(512);
	struct err err = {0};
	uint8_t bytes[512] = {0};

	(void)state;
	contract_expect(
		pkey_oaep_encrypt(public, HASH_SHA256, "a", slice_str("text"), &sealed, &err), 0,
		&err, "encryption");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct secret *const untouched = (struct secret *)(void *)&contract_factory;
		struct secret *plain = untouched;
		struct decrypt_request request = {.hash = rows[i].hash,
						  .label = rows[i].label,
						  .ciphertext = slice_of(bytes, rows[i].len)};

		memcpy(bytes, sealed.data, sealed.len);
		if (rows[i].flip < 256)
			bytes[rows[i].flip] ^= 1;
		contract_expect(decrypt(key, &request, &plain, &err), rows[i].code, &err,
				rows[i].what);
	}
}

/* --- agree --- */

static void agree_with(const struct contract_key *key)
{
	CLEANUP(pkey_cleanup) struct pkey *public = public_of(key);
	CLEANUP(pkey_cleanup) struct pkey *peer = NULL;
	CLEANUP(secret_cleanup) struct secret *ours = NULL;
	CLEANUP(secret_cleanup) struct secret *theirs = NULL;
	struct err err = {0};

	contract_expect(pkey_generate(key->spec.type, &peer, &err), 0, &err, "a peer");
	contract_expect(provider_key_agree(contract_provider, buf_slice(&key->header),
					   buf_slice(&key->made.object), peer, &ours, &err),
			0, &err, "agree");
	contract_expect(pkey_agree(peer, public, &theirs, &err), 0, &err, "the peer's side");
	assert_int_equal(secret_size(ours), key->spec.type == PKEY_ECC_P384 ? 48 : 32);
	assert_true(secret_equal(secret_slice(ours), secret_slice(theirs)));
}

void contract_agree(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		agree_with(&keys[P256_AGREE]);
		agree_with(&keys[P384_BOTH]);
	}
}

void contract_agree_refused(void **state)
{
	static const struct {
		unsigned key, peer;
	} rows[] = {{P256_AGREE, P384_BOTH}, {P384_BOTH, ECC_SIGN}, {P256_AGREE, RSA_BOTH}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(pkey_cleanup) struct pkey *peer = public_of(&keys[rows[i].peer]);
		const struct contract_key *key = &keys[rows[i].key];
		struct secret *shared = NULL;
		struct err err = {0};

		contract_expect(provider_key_agree(contract_provider, buf_slice(&key->header),
						   buf_slice(&key->made.object), peer, &shared,
						   &err),
				ERR_INVALID, &err, "a peer that does not fit");
		assert_null(shared);
	}
}

/* --- MAC --- */

/* The key never leaves, so the MAC is compared with itself: with other data, and another key. */
void contract_mac(void **state)
{
	static const size_t lens[] = {0, 1, 63, 64, 65, 1023, PROVIDER_PIECE_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct slice data = slice_of(message, lens[i]);
		CLEANUP(buf_fini) struct buf macs = BUF_INIT(128);
		struct err err = {0};

		contract_expect(mac_of(&keys[MAC], data, &macs, &err), 0, &err, "a MAC");
		contract_expect(mac_of(&keys[MAC], data, &macs, &err), 0, &err, "the same");
		contract_expect(mac_of(&keys[OTHER_MAC], data, &macs, &err), 0, &err, "another");
		data.len ^= 1;
		if (data.len <= PROVIDER_PIECE_MAX)
			contract_expect(mac_of(&keys[MAC], data, &macs, &err), 0, &err, "other");
		assert_memory_equal(macs.data, macs.data + 32, 32);
		assert_memory_not_equal(macs.data, macs.data + 64, 32);
		if (macs.len == 128)
			assert_memory_not_equal(macs.data, macs.data + 96, 32);
	}
}

void contract_mac_key_changed(void **state)
{
	struct contract_key key = keys[MAC];
	CLEANUP(buf_fini) struct buf object = BUF_INIT(PROVIDER_OBJECT_MAX);
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);
	struct pieces *pieces = NULL;
	struct err err = {0};

	(void)state;
	buf_put(&object, buf_slice(&key.made.object));
	buf_put(&header, buf_slice(&key.header));
	key.made.object = object;
	key.header = header;
	for (size_t i = 0; i < object.len; i = contract_next(i, object.len)) {
		object.data[i] ^= 0x10;
		contract_expect(mac_of(&key, slice_str("text"), &mac, &err), ERR_DAMAGED, &err,
				"a changed key");
		object.data[i] ^= 0x10;
	}
	header.data[50] ^= 1;
	contract_expect(mac_of(&key, slice_str("text"), &mac, &err), ERR_DAMAGED, &err,
			"a changed header");
	contract_expect(start(&key, &pieces, &err), ERR_DAMAGED, &err, "a changed header, pieces");
	header.data[50] ^= 1;
	contract_expect(mac_of(&key, slice_str("text"), &mac, &err), 0, &err, "the right one");
}

/* --- pieces --- */

static void pieces_of(const struct contract_key *key, size_t len, struct buf *ret_mac)
{
	struct slice rest = slice_of(message, len);
	struct pieces *pieces = NULL;
	struct err err = {0};

	contract_expect(start(key, &pieces, &err), 0, &err, "the start");
	for (; rest.len > PROVIDER_PIECE_MAX;
	     rest = slice_of(rest.data + PROVIDER_PIECE_MAX, rest.len - PROVIDER_PIECE_MAX))
		contract_expect(provider_pieces_add(contract_provider, pieces,
						    slice_of(rest.data, PROVIDER_PIECE_MAX), &err),
				0, &err, "a piece");
	contract_expect(provider_pieces_end(contract_provider, pieces, rest, ret_mac, &err), 0,
			&err, "the end");
	assert_true(buf_ok(ret_mac));
}

/* Where both ways go they give the same; what is longer depends on its last byte. */
void contract_pieces(void **state)
{
	static const size_t lens[] = {1, 64, PROVIDER_PIECE_MAX};
	static const size_t long_lens[] = {PROVIDER_PIECE_MAX + 1, sizeof(message) - 1,
					   sizeof(message)};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		CLEANUP(buf_fini) struct buf macs = BUF_INIT(64);
		struct err err = {0};

		contract_expect(mac_of(&keys[MAC], slice_of(message, lens[i]), &macs, &err), 0,
				&err, "at once");
		pieces_of(&keys[MAC], lens[i], &macs);
		assert_int_equal(macs.len, 64);
		assert_memory_equal(macs.data, macs.data + 32, 32);
	}
	for (size_t i = 0; i < ARRAY_LEN(long_lens); i++) {
		CLEANUP(buf_fini) struct buf macs = BUF_INIT(96);

		pieces_of(&keys[MAC], long_lens[i], &macs);
		pieces_of(&keys[MAC], long_lens[i], &macs);
		message[long_lens[i] - 1] ^= 1;
		pieces_of(&keys[MAC], long_lens[i], &macs);
		message[long_lens[i] - 1] ^= 1;
		assert_memory_equal(macs.data, macs.data + 32, 32);
		assert_memory_not_equal(macs.data, macs.data + 64, 32);
	}
}

/* Two messages at once, others at work between their pieces, and one that is given up. */
void contract_pieces_in_turn(void **state)
{
	CLEANUP(buf_fini) struct buf wanted = BUF_INIT(64), got = BUF_INIT(64);
	struct pieces *one = NULL, *two = NULL, *none = NULL;
	struct err err = {0};

	(void)state;
	pieces_of(&keys[MAC], 2 * PROVIDER_PIECE_MAX, &wanted);
	pieces_of(&keys[OTHER_MAC], 2 * PROVIDER_PIECE_MAX, &wanted);
	contract_expect(start(&keys[MAC], &one, &err), 0, &err, "one");
	contract_expect(start(&keys[OTHER_MAC], &two, &err), 0, &err, "two");
	contract_expect(provider_pieces_add(contract_provider, one,
					    slice_of(message, PROVIDER_PIECE_MAX), &err),
			0, &err, "a piece of one");
	contract_expect(start(&keys[MAC], &none, &err), 0, &err, "one that is given up");
	for (size_t i = 0; i < KEYS; i++)
		contract_expect(tries[0].try(&keys[i], &err),
				keys[i].spec.uses & KEY_USE_SIGN ? 0 : ERR_INVALID, &err,
				"others between");
	provider_pieces_free(contract_provider, none);
	contract_expect(provider_pieces_add(contract_provider, two,
					    slice_of(message, PROVIDER_PIECE_MAX), &err),
			0, &err, "a piece of two");
	contract_expect(
		provider_pieces_end(contract_provider, one,
				    slice_of(message + PROVIDER_PIECE_MAX, PROVIDER_PIECE_MAX),
				    &got, &err),
		0, &err, "the end of one");
	contract_expect(
		provider_pieces_end(contract_provider, two,
				    slice_of(message + PROVIDER_PIECE_MAX, PROVIDER_PIECE_MAX),
				    &got, &err),
		0, &err, "the end of two");
	assert_true(slice_equal(buf_slice(&got), buf_slice(&wanted)));
}

void contract_pieces_refused(void **state)
{
	static const size_t lens[] = {0, PROVIDER_PIECE_MAX + 1};
	CLEANUP(buf_fini) struct buf mac = BUF_INIT(64);
	struct pieces *pieces = NULL;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		contract_expect(mac_of(&keys[MAC], slice_of(message, lens[i]), &mac, &err),
				lens[i] ? ERR_INTERNAL : 0, &err, "too much at once");
		contract_expect(start(&keys[MAC], &pieces, &err), 0, &err, "the start");
		contract_expect(provider_pieces_add(contract_provider, pieces,
						    slice_of(message, lens[i]), &err),
				ERR_INTERNAL, &err, "a piece of no size");
		buf_reset(&mac);
		contract_expect(provider_pieces_end(contract_provider, pieces,
						    slice_of(message, lens[i]), &mac, &err),
				ERR_INTERNAL, &err, "a last piece of no size");
		assert_int_equal(mac.len, 0);
		pieces = NULL;
	}
	provider_pieces_free(contract_provider, NULL);
}
