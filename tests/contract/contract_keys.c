/* SPDX-License-Identifier: Apache-2.0 */
/* The suite's tests of keys. Keys are made once, since a chip takes its time for RSA. */

#include "tests/contract/contract_impl.h"

#include "crypto/keyfile.h"

enum { KEY_ECC, KEY_RSA, KEY_EXPORTABLE, KEY_EMPTY_AUTH, KEYS };

static struct contract_key keys[KEYS] = {
	[KEY_ECC] = {.name = "ecc", .spec = {.type = PKEY_ECC_P256}},
	[KEY_RSA] = {.name = "rsa", .spec = {.type = PKEY_RSA_2048}},
	[KEY_EXPORTABLE] = {.name = "exportable",
			    .spec = {.type = PKEY_ECC_P256, .exportable = true}},
	[KEY_EMPTY_AUTH] = {.name = "empty-auth",
			    .spec = {.type = PKEY_ECC_P256,
				     .exportable = true,
				     .empty_auth = true}},
};

static const uint8_t digest_bytes[HASH_MAX_SIZE] = {1, 2, 3, 5, 8, 13, 21, 34};

static const struct sign_request ecdsa = {
	.scheme = PKEY_ECDSA, .hash = HASH_SHA256, .digest = {digest_bytes, 32}};

int contract_key_make(struct contract_key *key)
{
	struct err err = {0};

	key->header = (struct buf)BUF_INIT(BLOB_HEADER_MAX);
	key->made = (struct key_result)KEY_RESULT_INIT;
	contract_header(BLOB_KEY, key->name, &key->header);
	if (provider_key_create(contract_provider, buf_slice(&key->header), &key->spec, &key->made,
				&err) < 0) {
		print_error("creating %s: %s\n", key->name, err.text);
		return -1;
	}
	return 0;
}

void contract_key_fini(struct contract_key *key)
{
	buf_fini(&key->header);
	key_result_fini(&key->made);
}

int contract_keys_setup(void)
{
	for (size_t i = 0; i < KEYS; i++)
		if (contract_key_make(&keys[i]) < 0)
			return -1;
	return 0;
}

void contract_keys_teardown(void)
{
	for (size_t i = 0; i < KEYS; i++)
		contract_key_fini(&keys[i]);
}

/* Signs; nothing is put out on failure. */
static int sign(struct slice header, struct slice object, const struct sign_request *request,
		struct buf *ret_signature, struct err *err)
{
	size_t before = ret_signature->len;
	int r = provider_key_sign(contract_provider, header, object, request, ret_signature, err);

	if (r < 0)
		assert_int_equal(ret_signature->len, before);
	return r;
}

/* Signs and verifies in software with the public half that was given out at creation. */
void contract_sign_and_verify(struct slice header, const struct key_result *key,
			      const struct sign_request *request)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	uint8_t other[HASH_MAX_SIZE];
	struct err err = {0};

	contract_expect(pkey_from_spki(buf_slice(&key->spki), &public, &err), 0, &err, "spki");
	assert_int_equal(pkey_type(public), key->type);
	contract_expect(sign(header, buf_slice(&key->object), request, &signature, &err), 0, &err,
			"sign");
	contract_expect(pkey_verify(public, request->scheme, request->hash, request->digest,
				    buf_slice(&signature), &err),
			0, &err, "verify");
	memcpy(other, request->digest.data, request->digest.len);
	other[0] ^= 1;
	contract_expect(pkey_verify(public, request->scheme, request->hash,
				    slice_of(other, request->digest.len), buf_slice(&signature),
				    &err),
			ERR_DAMAGED, &err, "verify of another digest");
}

static void sign_with(const struct contract_key *key, const struct sign_request *request)
{
	contract_sign_and_verify(buf_slice(&key->header), &key->made, request);
}

static void expect_sign(struct slice header, struct slice object,
			const struct sign_request *request, int wanted, const char *what)
{
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct err err = {0};
	int r = sign(header, object, request, &signature, &err);

	contract_expect(r, wanted, &err, what);
}

void contract_key_ecdsa(void **state)
{
	const struct contract_key *key = &keys[KEY_ECC];

	(void)state;
	assert_int_equal(key->made.type, PKEY_ECC_P256);
	assert_int_equal(key->made.uses, KEY_USE_SIGN);
	assert_int_equal(key->made.public.len > 0, contract_provider->ops->kind == PROVIDER_TPM);
	assert_int_equal(key->made.name.len > 0, contract_provider->ops->kind == PROVIDER_TPM);
	sign_with(key, &ecdsa);
	sign_with(key, &ecdsa);
}

void contract_key_rsa(void **state)
{
	static const struct sign_request requests[] = {
		{PKEY_RSASSA, HASH_SHA256, {digest_bytes, 32}},
		{PKEY_RSAPSS, HASH_SHA256, {digest_bytes, 32}},
		{PKEY_RSASSA, HASH_SHA384, {digest_bytes, 48}},
	};
	const struct contract_key *key = &keys[KEY_RSA];

	(void)state;
	assert_int_equal(key->made.type, PKEY_RSA_2048);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		sign_with(key, &requests[i]);
}

void contract_key_header_changed(void **state)
{
	const struct contract_key *key = &keys[KEY_ECC];
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);

	(void)state;
	buf_put(&header, buf_slice(&key->header));
	for (size_t i = 0; i < header.len; i++) {
		header.data[i] ^= 0x20;
		expect_sign(buf_slice(&header), buf_slice(&key->made.object), &ecdsa, ERR_DAMAGED,
			    "a key under a changed header");
		header.data[i] ^= 0x20;
	}
	sign_with(key, &ecdsa);
}

void contract_key_object_changed(void **state)
{
	const struct contract_key *key = &keys[KEY_ECC];
	CLEANUP(buf_fini) struct buf object = BUF_INIT(PROVIDER_OBJECT_MAX);

	(void)state;
	buf_put(&object, buf_slice(&key->made.object));
	for (size_t i = 0; i < object.len; i = contract_next(i, object.len)) {
		object.data[i] ^= 0x04;
		expect_sign(buf_slice(&key->header), buf_slice(&object), &ecdsa, ERR_DAMAGED,
			    "a changed key");
		object.data[i] ^= 0x04;
		expect_sign(buf_slice(&key->header), slice_of(object.data, i), &ecdsa, ERR_DAMAGED,
			    "a key that was cut");
	}
	sign_with(key, &ecdsa);
}

/* A key is not read out as if it were a secret, a secret does not sign. */
void contract_key_is_no_secret(void **state)
{
	CLEANUP(secret_cleanup) struct secret *plain = contract_secret(32);
	CLEANUP(buf_fini) struct buf object = BUF_INIT(PROVIDER_OBJECT_MAX);
	const struct contract_key *key = &keys[KEY_EMPTY_AUTH];
	struct slice header = buf_slice(&key->header);
	struct secret *out = NULL;
	struct err err = {0};
	int r;

	(void)state;
	r = provider_unseal(contract_provider, header, buf_slice(&key->made.object), &out, &err);
	assert_int_not_equal(r, 0);
	assert_null(out);
	contract_expect(provider_seal(contract_provider, header, plain, &object, &err), 0, &err,
			"seal under a key's header");
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	assert_int_not_equal(sign(header, buf_slice(&object), &ecdsa, &signature, &err), 0);
}

void contract_key_survives_reopen(void **state)
{
	(void)state;
	contract_reopen();
	sign_with(&keys[KEY_ECC], &ecdsa);
	sign_with(&keys[KEY_EXPORTABLE], &ecdsa);
}

void contract_key_wrong_use(void **state)
{
	static const struct {
		unsigned key;
		struct sign_request request;
	} wrong[] = {
		{KEY_ECC, {PKEY_RSASSA, HASH_SHA256, {digest_bytes, 32}}},
		{KEY_ECC, {PKEY_RSAPSS, HASH_SHA256, {digest_bytes, 32}}},
		{KEY_RSA, {PKEY_ECDSA, HASH_SHA256, {digest_bytes, 32}}},
		{KEY_ECC, {PKEY_ECDSA, HASH_SHA256, {digest_bytes, 31}}},
		{KEY_ECC, {PKEY_ECDSA, HASH_SHA256, {digest_bytes, 33}}},
		{KEY_ECC, {PKEY_ECDSA, HASH_SHA256, {digest_bytes, 0}}},
		{KEY_RSA, {PKEY_RSASSA, HASH_SHA384, {digest_bytes, 32}}},
		{KEY_ECC, {PKEY_SCHEMES, HASH_SHA256, {digest_bytes, 32}}},
		{KEY_ECC, {PKEY_ECDSA, HASH_ALGS, {digest_bytes, 32}}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		const struct contract_key *key = &keys[wrong[i].key];

		expect_sign(buf_slice(&key->header), buf_slice(&key->made.object),
			    &wrong[i].request, ERR_INVALID, "a wrong use");
	}
	sign_with(&keys[KEY_ECC], &ecdsa);
}

void contract_key_bad_spec(void **state)
{
	static const struct key_spec specs[] = {
		{.type = PKEY_TYPES},
		{.type = PKEY_ECC_P256, .empty_auth = true},
		{.type = PKEY_ECC_P256, .uses = KEY_USE_DECRYPT},
		{.type = PKEY_ECC_P384, .uses = KEY_USE_SIGN | KEY_USE_DECRYPT},
		{.type = PKEY_RSA_2048, .uses = KEY_USE_AGREE},
		{.type = PKEY_RSA_2048, .uses = 0x10},
		{.type = PKEY_TYPES, .uses = KEY_USE_AGREE},
		{.type = PKEY_RSA_2048, .uses = KEY_USE_SIGN | KEY_USE_MAC},
		{.type = PKEY_TYPES, .uses = KEY_USE_MAC, .exportable = true},
		{.type = PKEY_TYPES, .uses = KEY_USE_MAC, .exportable = true, .empty_auth = true},
	};
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);

	(void)state;
	contract_header(BLOB_KEY, "bad", &header);
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
		struct err err = {0};
		int r = provider_key_create(contract_provider, buf_slice(&header), &specs[i], &made,
					    &err);

		contract_expect(r, ERR_INVALID, &err, "an impossible key");
		assert_int_equal(made.object.len + made.spki.len + made.name.len, 0);
	}
}

void contract_key_forget(void **state)
{
	(void)state;
	sign_with(&keys[KEY_ECC], &ecdsa);
	provider_forget(contract_provider, buf_slice(&keys[KEY_ECC].made.object));
	sign_with(&keys[KEY_ECC], &ecdsa);
}

static void export_key(const struct contract_key *key, struct buf *ret_pem,
		       struct secret **ret_passphrase)
{
	struct err err = {0};
	int r = provider_key_export(contract_provider, buf_slice(&key->header),
				    buf_slice(&key->made.object), ret_pem, ret_passphrase, &err);

	contract_expect(r, 0, &err, "export");
	assert_true(ret_pem->len > 0 && ret_pem->len <= KEYFILE_PEM_MAX);
	assert_int_equal(keyfile_is_tss2(buf_slice(ret_pem)),
			 contract_provider->ops->kind == PROVIDER_TPM);
}

/* Imports under another name and uses it. */
static void import_and_sign(const struct contract_key *from, const struct buf *pem,
			    const struct secret *passphrase)
{
	CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	struct err err = {0};

	contract_header(BLOB_KEY, "imported", &header);
	contract_expect(provider_key_import(contract_provider, buf_slice(&header),
					    &(struct key_source){.pem = buf_slice(pem),
								 .passphrase = passphrase},
					    &made, &err),
			0, &err, "import");
	assert_true(slice_equal(buf_slice(&made.spki), buf_slice(&from->made.spki)));
	assert_int_equal(made.type, from->made.type);
	contract_sign_and_verify(buf_slice(&header), &made, &ecdsa);
	expect_sign(buf_slice(&from->header), buf_slice(&made.object), &ecdsa, ERR_DAMAGED,
		    "an imported key under the header of its source");
	sign_with(from, &ecdsa);
}

void contract_key_export_import(void **state)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
	CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
	struct slice text;

	(void)state;
	export_key(&keys[KEY_EXPORTABLE], &pem, &passphrase);
	assert_non_null(passphrase);
	text = secret_slice(passphrase);
	assert_int_equal(text.len, 32);
	for (size_t i = 0; i < text.len; i++)
		assert_true(text.data[i] > ' ' && text.data[i] < 0x7f);
	import_and_sign(&keys[KEY_EXPORTABLE], &pem, passphrase);
}

void contract_key_export_empty_auth(void **state)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
	CLEANUP(secret_cleanup) struct secret *passphrase = NULL;

	(void)state;
	export_key(&keys[KEY_EMPTY_AUTH], &pem, &passphrase);
	assert_null(passphrase);
	import_and_sign(&keys[KEY_EMPTY_AUTH], &pem, NULL);
}

void contract_key_export_refused(void **state)
{
	static const unsigned closed[] = {KEY_ECC, KEY_RSA};
	struct secret *const untouched = (struct secret *)(void *)&keys;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
		struct secret *passphrase = untouched;
		const struct contract_key *key = &keys[closed[i]];
		struct err err = {0};
		int r = provider_key_export(contract_provider, buf_slice(&key->header),
					    buf_slice(&key->made.object), &pem, &passphrase, &err);

		contract_expect(r, ERR_CONFLICT, &err, "export of a key that is not for it");
		assert_int_equal(pem.len, 0);
		assert_ptr_equal(passphrase, untouched);
	}
}

static void expect_import(struct slice pem, const struct secret *passphrase, int wanted,
			  const char *what)
{
	CLEANUP(key_result_cleanup) struct key_result made = KEY_RESULT_INIT;
	CLEANUP(buf_fini) struct buf header = BUF_INIT(BLOB_HEADER_MAX);
	struct err err = {0};
	int r;

	contract_header(BLOB_KEY, "refused", &header);
	r = provider_key_import(contract_provider, buf_slice(&header),
				&(struct key_source){.pem = pem, .passphrase = passphrase}, &made,
				&err);
	contract_expect(r, wanted, &err, what);
	assert_int_equal(made.object.len + made.spki.len + made.name.len, 0);
}

void contract_key_import_refused(void **state)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);
	CLEANUP(secret_cleanup) struct secret *passphrase = NULL;
	static uint8_t large[KEYFILE_PEM_MAX + 1];

	(void)state;
	export_key(&keys[KEY_EXPORTABLE], &pem, &passphrase);
	expect_import(buf_slice(&pem), NULL, ERR_AUTH_FAILED, "import without the passphrase");
	secret_data(passphrase)[31] ^= 1;
	expect_import(buf_slice(&pem), passphrase, ERR_AUTH_FAILED, "import with a wrong one");
	secret_data(passphrase)[31] ^= 1;
	expect_import(slice_of(pem.data, pem.len / 2), passphrase, ERR_INVALID, "half a PEM");
	expect_import(slice_str("garbage"), passphrase, ERR_INVALID, "garbage");
	expect_import(slice_of(NULL, 0), passphrase, ERR_INVALID, "nothing");
	expect_import(slice_of(large, sizeof(large)), passphrase, ERR_TOO_LARGE, "a large text");
	sign_with(&keys[KEY_EXPORTABLE], &ecdsa);
}
