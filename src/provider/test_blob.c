/* SPDX-License-Identifier: Apache-2.0 */
/* docs/BLOB.md byte by byte: layout, every way to be refused, and the order of blob_check(). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "crypto/hash.h"
#include "crypto/stream.h"
#include "provider/blob.h"

static const struct provider_ops tpm_ops = {.name = "tpm", .kind = PROVIDER_TPM};
static const struct provider_ops soft_ops = {.name = "legacy", .kind = PROVIDER_SOFTWARE};

static struct provider tpm = {
	.ops = &tpm_ops, .root = {0x00, 0x0b, 0xaa}, .root_len = 34, .auth_id = {1, 2, 3}};
static struct provider soft = {
	.ops = &soft_ops, .root = {0x00, 0x00, 0xbb}, .root_len = 34, .auth_id = {4, 5, 6}};

static const uint8_t tenant[BLOB_TENANT_SIZE] = "sixteen bytes..";
static const uint8_t other_tenant[BLOB_TENANT_SIZE] = "sixteen others.";

static const char spki[] = "public";
static const struct blob_key_public key_public = {
	.type = PKEY_RSA_2048,
	.uses = KEY_USE_SIGN,
	.spki = {(const uint8_t *)spki, 6},
	.name = {(const uint8_t *)"\0\x0bname", 6},
	.public = {(const uint8_t *)"\0\1p", 3},
	.hash = HASH_SHA384,
	.handle = 0x81010203,
};

static void body_of(enum blob_kind kind, uint8_t flags, struct buf *ret_body)
{
	static const uint8_t stream[STREAM_TAG + 5];

	if (kind == BLOB_KEY)
		blob_key_public_write(&key_public, ret_body);
	else if (kind == BLOB_AIK)
		blob_aik_public_write(&key_public, ret_body);
	else if (flags & BLOB_ENVELOPE)
		buf_put(ret_body, slice_of(stream, sizeof(stream)));
}

static void make(const struct provider *p, enum blob_kind kind, const char *name, uint8_t flags,
		 struct buf *ret_blob)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(BLOB_HEADER_MAX);
	CLEANUP(buf_fini) struct buf body = BUF_INIT(2048);
	struct blob_header header;

	blob_header_init(&header, p, kind, tenant, name, 0x0102030405060708);
	header.flags = flags;
	blob_header_write(&header, &bytes);
	body_of(kind, flags, &body);
	blob_write(buf_slice(&bytes), slice_str("the object"), buf_slice(&body), ret_blob);
	assert_true(buf_ok(ret_blob));
}

/* Makes the header's checksum right again after a change. */
static void resum(struct buf *blob)
{
	size_t name_at = 41u + blob->data[40];
	size_t len = name_at + 1 + blob->data[name_at];
	struct slice bytes = slice_of(blob->data, len);
	uint8_t digest[HASH_MAX_SIZE];
	struct err err = {0};

	assert_true(len + 8 <= blob->len);
	assert_int_equal(hash_digest(HASH_SHA256, &bytes, 1, digest, &err), 0);
	memcpy(blob->data + len, digest, 8);
}

static int parse(const struct buf *bytes, struct err *ret_err)
{
	struct blob blob = {.header = {.time = 99}};
	int r;

	*ret_err = (struct err){0};
	r = blob_parse(buf_slice(bytes), &blob, ret_err);
	assert_int_equal(ret_err->code, r);
	if (r < 0)
		assert_int_equal(blob.header.time, 99);
	return r;
}

static void test_layout(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);
	static const uint8_t start[] = {'H', 'F', 'B', 'L', 1, 1, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8};
	struct blob blob = {0};
	struct err err = {0};

	(void)state;
	make(&tpm, BLOB_SECRET, "wifi", BLOB_ENVELOPE, &bytes);
	assert_memory_equal(bytes.data, start, sizeof(start));
	assert_memory_equal(bytes.data + 16, tenant, 16);
	assert_memory_equal(bytes.data + 32, "\1\2\3\0\0\0\0\0", 8);
	assert_int_equal(bytes.data[40], 34);
	assert_memory_equal(bytes.data + 41, tpm.root, 34);
	assert_memory_equal(bytes.data + 75, "\4wifi", 5);
	assert_memory_equal(bytes.data + 88, "\0\0\0\x0athe object", 14);
	assert_int_equal(bytes.len, 102 + STREAM_TAG + 5);

	assert_int_equal(blob_parse(buf_slice(&bytes), &blob, &err), 0);
	assert_int_equal(blob.header.provider, PROVIDER_TPM);
	assert_int_equal(blob.header.kind, BLOB_SECRET);
	assert_int_equal(blob.header.flags, BLOB_ENVELOPE);
	assert_true(blob.header.time == 0x0102030405060708);
	assert_memory_equal(blob.header.tenant, tenant, 16);
	assert_memory_equal(blob.header.auth_id, tpm.auth_id, 8);
	assert_int_equal(blob.header.root_len, 34);
	assert_memory_equal(blob.header.root, tpm.root, 34);
	assert_string_equal(blob.header.name, "wifi");
	assert_ptr_equal(blob.header_bytes.data, bytes.data);
	assert_int_equal(blob.header_bytes.len, 88);
	assert_true(slice_equal(blob.object, slice_str("the object")));
	assert_int_equal(blob.body.len, STREAM_TAG + 5);
}

static void test_kinds(void **state)
{
	static const struct {
		enum blob_kind kind;
		const char *name;
		uint8_t flags;
	} good[] = {
		{BLOB_SEALED, "", 0},
		{BLOB_SEALED, "", BLOB_ENVELOPE},
		{BLOB_SECRET, "a", 0},
		{BLOB_KEY, "a.b_c-D9", 0},
		{BLOB_KEY, "k", BLOB_EXPORTABLE},
		{BLOB_KEY, "k", BLOB_EXPORTABLE | BLOB_EMPTY_AUTH},
		{BLOB_KEY, "k", BLOB_IMPORTED},
		{BLOB_AIK, "0x81010000", 0},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);

		make(&soft, good[i].kind, good[i].name, good[i].flags, &bytes);
		if (parse(&bytes, &err) < 0)
			fail_msg("case %zu: %s", i, err.text);
	}
}

static void test_longest(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);
	struct provider p = {.ops = &tpm_ops, .root_len = PROVIDER_ROOT_MAX};
	char name[BLOB_NAME_MAX + 1];
	struct blob blob;
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < BLOB_NAME_MAX; i++)
		name[i] = 'n';
	name[BLOB_NAME_MAX] = '\0';
	make(&p, BLOB_KEY, name, 0, &bytes);
	assert_int_equal(blob_parse(buf_slice(&bytes), &blob, &err), 0);
	assert_string_equal(blob.header.name, name);
	assert_true(blob.header_bytes.len <= BLOB_HEADER_MAX);
}

static void test_no_blob(void **state)
{
	static const char *const others[] = {"", "H", "HFB", "HFBX and more", "{\"blob\":1}"};
	struct blob blob;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct err err = {0};

		assert_int_equal(blob_parse(slice_str(others[i]), &blob, &err), ERR_INVALID);
		assert_string_equal(err.text, "not a Holdfast blob");
	}
}

static void test_later_version(void **state)
{
	struct blob blob;
	struct err err = {0};

	(void)state;
	assert_int_equal(blob_parse(slice_str("HFBL\2 whatever"), &blob, &err), ERR_NOT_SUPPORTED);
}

/* Every bit of the header behind magic and version. */
static void test_flipped_bits(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);
	struct err err;

	(void)state;
	make(&tpm, BLOB_SECRET, "wifi", BLOB_ENVELOPE, &bytes);
	for (size_t bit = 5 * 8; bit < 88 * 8; bit++) {
		bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (parse(&bytes, &err) != ERR_DAMAGED)
			fail_msg("bit %zu: %d %s", bit, err.code, err.text);
		bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(parse(&bytes, &err), 0);
}

/* In a block of its exact size, so that a sanitizer sees a read behind it. */
static void test_truncated(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);

	(void)state;
	make(&tpm, BLOB_SECRET, "wifi", BLOB_ENVELOPE, &bytes);
	for (size_t len = 4; len < 102 + STREAM_TAG; len++) {
		CLEANUP(mem_free_cleanup) uint8_t *cut = malloc(len);
		struct err err = {0};
		struct blob blob;

		assert_non_null(cut);
		memcpy(cut, bytes.data, len);
		assert_int_equal(blob_parse(slice_of(cut, len), &blob, &err), ERR_DAMAGED);
	}
}

/* One byte changed, the checksum made right: somebody meant it. */
static const struct {
	const char *what;
	enum blob_kind kind;
	const char *name;
	uint8_t flags;
	size_t at;
	uint8_t value;
	int code;
} meant[] = {
	{"unknown provider", BLOB_SEALED, "", 0, 5, 3, ERR_NOT_SUPPORTED},
	{"provider 0", BLOB_SEALED, "", 0, 5, 0, ERR_NOT_SUPPORTED},
	{"unknown kind", BLOB_SEALED, "", 0, 6, 6, ERR_NOT_SUPPORTED},
	{"kind 0", BLOB_SEALED, "", 0, 6, 0, ERR_NOT_SUPPORTED},
	{"unknown flag", BLOB_SEALED, "", 0, 7, 0x10, ERR_NOT_SUPPORTED},
	{"unknown flags", BLOB_KEY, "k", 0, 7, 0x82, ERR_NOT_SUPPORTED},
	{"a key's flag on sealed data", BLOB_SEALED, "", 0, 7, BLOB_EXPORTABLE, ERR_DAMAGED},
	{"an exportable attestation key", BLOB_AIK, "k", 0, 7, BLOB_EXPORTABLE, ERR_DAMAGED},
	{"an attestation key without a name", BLOB_SEALED, "", 0, 6, BLOB_AIK, ERR_DAMAGED},
	{"a key as an attestation key", BLOB_KEY, "k", 0, 6, BLOB_AIK, ERR_DAMAGED},
	{"an attestation key as a key", BLOB_AIK, "k", 0, 6, BLOB_KEY, ERR_DAMAGED},
	{"a key in an envelope", BLOB_KEY, "k", 0, 7, BLOB_ENVELOPE, ERR_DAMAGED},
	{"empty auth, not exportable", BLOB_KEY, "k", 0, 7, BLOB_EMPTY_AUTH, ERR_DAMAGED},
	{"sealed data with a name", BLOB_SECRET, "k", 0, 6, BLOB_SEALED, ERR_DAMAGED},
	{"a secret without a name", BLOB_SEALED, "", 0, 6, BLOB_SECRET, ERR_DAMAGED},
	{"a name with a dot in front", BLOB_SECRET, "abc", 0, 76, '.', ERR_DAMAGED},
	{"a name with a slash", BLOB_SECRET, "abc", 0, 77, '/', ERR_DAMAGED},
	{"a name with a NUL", BLOB_SECRET, "abc", 0, 77, 0, ERR_DAMAGED},
	{"a name with a high byte", BLOB_SECRET, "abc", 0, 78, 0xe4, ERR_DAMAGED},
	{"a body without an envelope", BLOB_SECRET, "abc", BLOB_ENVELOPE, 7, 0, ERR_DAMAGED},
	{"an envelope without a body", BLOB_SECRET, "abc", 0, 7, BLOB_ENVELOPE, ERR_DAMAGED},
	{"a key without its body", BLOB_SECRET, "abc", 0, 6, BLOB_KEY, ERR_DAMAGED},
};

static void test_meant(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(meant); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);
		struct err err;

		make(&tpm, meant[i].kind, meant[i].name, meant[i].flags, &bytes);
		bytes.data[meant[i].at] = meant[i].value;
		/* The wrong checksum comes first, whatever is wrong beside it. */
		assert_int_equal(parse(&bytes, &err), ERR_DAMAGED);
		resum(&bytes);
		if (parse(&bytes, &err) != meant[i].code)
			fail_msg("%s: %d %s", meant[i].what, err.code, err.text);
	}
}

/* Lengths that a writer cannot give, each with a right checksum. */
static void test_impossible_lengths(void **state)
{
	static const struct {
		uint8_t root, name;
	} lens[] = {{0, 4}, {67, 4}, {34, 129}, {255, 255}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(2048);
		struct err err;

		buf_put(&bytes, slice_of("HFBL\1\1\2\0", 8));
		while (bytes.len < 40)
			buf_put_u8(&bytes, 0);
		buf_put_u8(&bytes, lens[i].root);
		for (unsigned n = 0; n < lens[i].root; n++)
			buf_put_u8(&bytes, 7);
		buf_put_u8(&bytes, lens[i].name);
		for (unsigned n = 0; n < lens[i].name; n++)
			buf_put_u8(&bytes, 'n');
		buf_put_u64(&bytes, 0);
		blob_write(slice_of(NULL, 0), slice_str("o"), slice_of(NULL, 0), &bytes);
		resum(&bytes);
		assert_int_equal(parse(&bytes, &err), ERR_DAMAGED);
		assert_null(strstr(err.text, "was changed")); /* it was not the checksum */
	}
}

static void test_object_lengths(void **state)
{
	static const uint8_t zeros[PROVIDER_OBJECT_MAX + 1];
	static const struct {
		size_t len;
		int code;
	} lens[] = {{0, ERR_DAMAGED},
		    {1, 0},
		    {PROVIDER_OBJECT_MAX, 0},
		    {PROVIDER_OBJECT_MAX + 1, ERR_DAMAGED}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		CLEANUP(buf_fini) struct buf header_bytes = BUF_INIT(BLOB_HEADER_MAX);
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(8192);
		struct blob_header header;
		struct err err;

		blob_header_init(&header, &soft, BLOB_SEALED, tenant, "", 0);
		blob_header_write(&header, &header_bytes);
		blob_write(buf_slice(&header_bytes), slice_of(zeros, lens[i].len),
			   slice_of(NULL, 0), &bytes);
		assert_int_equal(parse(&bytes, &err), lens[i].code);
	}
}

static void test_left_over(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);
	struct err err;

	(void)state;
	make(&soft, BLOB_SEALED, "", 0, &bytes);
	buf_put_u8(&bytes, 0);
	assert_int_equal(parse(&bytes, &err), ERR_DAMAGED);
	buf_reset(&bytes);
	make(&soft, BLOB_KEY, "k", 0, &bytes);
	buf_put_u8(&bytes, 0);
	assert_int_equal(parse(&bytes, &err), ERR_DAMAGED);
}

static void test_names(void **state)
{
	static const char *const good[] = {"a", "A-Z_0.9", "-", "_", "a..b"};
	static const char *const bad[] = {"", ".", ".a", "a b", "a/b", "\xc3\xa4", "a\n", "a:b"};
	char longest[BLOB_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(blob_name_valid(slice_str(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(blob_name_valid(slice_str(bad[i])));
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = 'x';
	assert_true(blob_name_valid(slice_of(longest, BLOB_NAME_MAX)));
	assert_false(blob_name_valid(slice_of(longest, BLOB_NAME_MAX + 1)));
	assert_false(blob_name_valid(slice_of("a\0b", 3)));
}

/*
 * Every reason to refuse at once; taken away one by one in the documented order, each is the one
 * that is told as long as it is there.
 */
static void test_check_order(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);
	struct blob_expect expect = {.kind = BLOB_KEY, .tenant = other_tenant, .name = "other"};
	struct provider here = tpm;
	struct blob blob;
	struct err err = {0};

	(void)state;
	make(&tpm, BLOB_SECRET, "wifi", 0, &bytes);
	assert_int_equal(blob_parse(buf_slice(&bytes), &blob, &err), 0);
	here.ops = &soft_ops;
	here.root[5] ^= 1;
	here.auth_id[5] ^= 1;
	assert_int_equal(blob_check(&blob, &expect, &here, &err), ERR_TPM_REQUIRED);
	assert_int_equal(blob_check(&blob, &expect, NULL, &err), ERR_TPM_REQUIRED);
	here.ops = &tpm_ops;
	assert_int_equal(blob_check(&blob, &expect, &here, &err), ERR_WRONG_TPM);
	here.root[5] ^= 1;
	assert_int_equal(blob_check(&blob, &expect, &here, &err), ERR_AUTH_FAILED);
	here.auth_id[5] ^= 1;
	assert_int_equal(blob_check(&blob, &expect, &here, &err), ERR_WRONG_TENANT);
	expect.tenant = tenant;
	assert_int_equal(blob_check(&blob, &expect, &here, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "holds a named secret, expected here is a key"));
	expect.kind = BLOB_SECRET;
	assert_int_equal(blob_check(&blob, &expect, &here, &err), ERR_WRONG_NAME);
	assert_non_null(strstr(err.text, "\"wifi\", not \"other\""));
	expect.name = "wifi";
	assert_int_equal(blob_check(&blob, &expect, &here, &err), 0);
	here.root_len = 33;
	assert_int_equal(blob_check(&blob, &expect, &here, &err), ERR_WRONG_TPM);
}

static void test_check_software(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);
	const struct blob_expect expect = {.kind = BLOB_SEALED, .tenant = tenant, .name = ""};
	struct provider here = soft;
	struct blob blob;
	struct err err = {0};

	(void)state;
	make(&soft, BLOB_SEALED, "", 0, &bytes);
	assert_int_equal(blob_parse(buf_slice(&bytes), &blob, &err), 0);
	assert_int_equal(blob_check(&blob, &expect, &soft, &err), 0);
	assert_int_equal(blob_check(&blob, &expect, &tpm, &err), ERR_NOT_SUPPORTED);
	assert_int_equal(blob_check(&blob, &expect, NULL, &err), ERR_NOT_SUPPORTED);
	here.root[33] ^= 0x80;
	assert_int_equal(blob_check(&blob, &expect, &here, &err), ERR_WRONG_TPM);
	assert_non_null(strstr(err.text, "host key"));
}

static void assert_key(const struct blob_key_public *key, const struct blob_key_public *wanted)
{
	assert_int_equal(key->type, wanted->type);
	assert_int_equal(key->uses, wanted->uses);
	assert_true(slice_equal(key->spki, wanted->spki));
	assert_true(slice_equal(key->name, wanted->name));
	assert_true(slice_equal(key->public, wanted->public));
}

static void test_key_public(void **state)
{
	static const char BODY[] = "\3\0\6public\6\0\x0bname\1\0\3\0\1p";
	const struct blob_key_public before = {.type = PKEY_RSA_2048,
					       .uses = KEY_USE_SIGN,
					       .spki = key_public.spki,
					       .name = key_public.name};
	CLEANUP(buf_fini) struct buf body = BUF_INIT(256);
	struct blob_key_public back = {0};
	struct err err = {0};

	(void)state;
	blob_key_public_write(&key_public, &body);
	assert_true(slice_equal(buf_slice(&body), slice_of(BODY, sizeof(BODY) - 1)));
	assert_int_equal(blob_key_public_parse(buf_slice(&body), &back, &err), 0);
	assert_key(&back, &key_public);
	/* One of before ends behind its Name. */
	assert_int_equal(blob_key_public_parse(slice_of(BODY, 16), &back, &err), 0);
	assert_key(&back, &before);
	for (size_t len = 0; len < body.len; len++)
		if (len != 16)
			assert_int_equal(
				blob_key_public_parse(slice_of(body.data, len), &back, &err),
				ERR_DAMAGED);
	assert_key(&back, &before);
}

static void test_aik_public(void **state)
{
	static const char BODY[] = "\3\0\6public\6\0\x0bname\1\0\3\0\1p\2\x81\x01\x02\x03";
	CLEANUP(buf_fini) struct buf body = BUF_INIT(256);
	struct blob_key_public back = {0};
	struct err err = {0};

	(void)state;
	blob_aik_public_write(&key_public, &body);
	assert_true(slice_equal(buf_slice(&body), slice_of(BODY, sizeof(BODY) - 1)));
	assert_int_equal(blob_aik_public_parse(buf_slice(&body), &back, &err), 0);
	assert_key(&back, &key_public);
	assert_int_equal(back.hash, HASH_SHA384);
	assert_int_equal(back.handle, 0x81010203);
	assert_int_equal(blob_key_public_parse(buf_slice(&body), &back, &err), ERR_DAMAGED);
	for (size_t len = 0; len < body.len; len++)
		assert_int_equal(blob_aik_public_parse(slice_of(body.data, len), &back, &err),
				 ERR_DAMAGED);
	buf_put_u8(&body, 0);
	assert_int_equal(blob_aik_public_parse(buf_slice(&body), &back, &err), ERR_DAMAGED);
}

/* Bodies with one byte changed, or made up. */
static void test_key_public_refuses(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
		int code; /* as a key */
		int aik_code;
	} rows[] = {
		{"nothing changed", 0, 3, 0, 0},
		{"type 0", 0, 0, ERR_NOT_SUPPORTED, ERR_NOT_SUPPORTED},
		{"type 6", 0, 6, ERR_NOT_SUPPORTED, ERR_NOT_SUPPORTED},
		{"an HMAC key with a public half", 0, 5, ERR_DAMAGED, ERR_DAMAGED},
		{"no use", 16, 0, ERR_DAMAGED, ERR_DAMAGED},
		{"to decrypt", 16, KEY_USE_DECRYPT, 0, ERR_DAMAGED},
		{"to sign and decrypt", 16, KEY_USE_SIGN | KEY_USE_DECRYPT, 0, ERR_DAMAGED},
		{"RSA that agrees", 16, KEY_USE_AGREE, ERR_DAMAGED, ERR_DAMAGED},
		{"RSA that makes MACs", 16, KEY_USE_MAC, ERR_DAMAGED, ERR_DAMAGED},
		{"signing and MACs", 16, KEY_USE_SIGN | KEY_USE_MAC, ERR_DAMAGED, ERR_DAMAGED},
		{"an unknown use", 16, 0x11, ERR_DAMAGED, ERR_DAMAGED},
		{"a longer public area", 18, 4, ERR_DAMAGED, ERR_DAMAGED},
		{"hash 0", 22, 0, 0, ERR_NOT_SUPPORTED},
		{"hash 4", 22, 4, 0, ERR_NOT_SUPPORTED},
		{"another handle", 24, 2, 0, ERR_DAMAGED},
		{"a transient handle", 23, 0x80, 0, ERR_DAMAGED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf body = BUF_INIT(256);
		struct blob_key_public back = {.handle = 77};
		struct err err = {0};
		int r;

		blob_aik_public_write(&key_public, &body);
		body.data[rows[i].at] = rows[i].value;
		r = blob_aik_public_parse(buf_slice(&body), &back, &err);
		if (r != rows[i].aik_code || (r < 0 && back.handle != 77))
			fail_msg("%s: %d as an attestation key", rows[i].what, r);
		body.len -= 5;
		r = blob_key_public_parse(buf_slice(&body), &back, &err);
		if (r != rows[i].code)
			fail_msg("%s: %d as a key", rows[i].what, r);
	}
}

/* An HMAC key has no public half; every pair has one. */
static void test_key_public_of_hmac(void **state)
{
	const struct blob_key_public mac = {
		.type = PKEY_TYPES, .uses = KEY_USE_MAC, .public = key_public.public};
	CLEANUP(buf_fini) struct buf body = BUF_INIT(256);
	struct blob_key_public back = {0};
	struct err err = {0};

	(void)state;
	blob_key_public_write(&mac, &body);
	assert_true(slice_equal(buf_slice(&body), slice_of("\5\0\0\0\x08\0\3\0\1p", 10)));
	assert_int_equal(blob_key_public_parse(buf_slice(&body), &back, &err), 0);
	assert_key(&back, &mac);
	body.data[4] = KEY_USE_SIGN;
	assert_int_equal(blob_key_public_parse(buf_slice(&body), &back, &err), ERR_DAMAGED);
	assert_int_equal(blob_key_public_parse(slice_of("\5\0\0\0", 4), &back, &err), ERR_DAMAGED);
	assert_int_equal(blob_key_public_parse(slice_of("\1\0\0\0", 4), &back, &err), ERR_DAMAGED);
	assert_key(&back, &mac);
}

static void test_header_kind(void **state)
{
	CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);

	(void)state;
	make(&tpm, BLOB_AIK, "k", 0, &bytes);
	assert_int_equal(blob_header_kind(buf_slice(&bytes)), BLOB_AIK);
	assert_int_equal(blob_header_kind(slice_of(bytes.data, 6)), 0);
	bytes.data[6] = BLOB_PERSISTENT;
	assert_int_equal(blob_header_kind(buf_slice(&bytes)), BLOB_PERSISTENT);
	bytes.data[6] = 6;
	assert_int_equal(blob_header_kind(buf_slice(&bytes)), 0);
	bytes.data[6] = BLOB_KEY;
	assert_int_equal(blob_header_kind(buf_slice(&bytes)), BLOB_KEY);
	bytes.data[4] = 2;
	assert_int_equal(blob_header_kind(buf_slice(&bytes)), 0);
}

/* The beginning alone, and what its body may be once the length is known. */
static void test_start(void **state)
{
	static const struct {
		enum blob_kind kind;
		const char *name;
		uint8_t flags;
		uint64_t len;
		int code;
		uint64_t plain;
	} ROWS[] = {
		{BLOB_SEALED, "", BLOB_ENVELOPE, 16, 0, 0},
		{BLOB_SEALED, "", BLOB_ENVELOPE, 17, 0, 1},
		{BLOB_SECRET, "wifi", BLOB_ENVELOPE, 65552, 0, 65536},
		{BLOB_SEALED, "", BLOB_ENVELOPE, 15, ERR_DAMAGED, 0},
		{BLOB_SEALED, "", BLOB_ENVELOPE, 65552 + 16, ERR_DAMAGED, 0},
		{BLOB_SEALED, "", 0, 16, ERR_DAMAGED, 0},
		{BLOB_SEALED, "", 0, 0, ERR_DAMAGED, 0},
		{BLOB_KEY, "web", 0, 16, ERR_INVALID, 0},
		{BLOB_AIK, "web", 0, 16, ERR_INVALID, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(ROWS); i++) {
		CLEANUP(buf_fini) struct buf bytes = BUF_INIT(1024);
		uint64_t plain = 77;
		struct blob blob;
		struct err err;

		make(&tpm, ROWS[i].kind, ROWS[i].name, ROWS[i].flags, &bytes);
		assert_int_equal(blob_parse_start(buf_slice(&bytes), &blob, &err), 0);
		assert_int_equal(blob_check_stream(&blob.header, ROWS[i].len, &plain, &err),
				 ROWS[i].code);
		assert_int_equal(plain, ROWS[i].code == 0 ? ROWS[i].plain : 77);
		/* Its body may be of any length, and be missing. */
		bytes.len = (size_t)(blob.body.data - bytes.data);
		assert_int_equal(blob_parse_start(buf_slice(&bytes), &blob, &err), 0);
		assert_int_equal(blob.body.len, 0);
		bytes.len--;
		assert_int_equal(blob_parse_start(buf_slice(&bytes), &blob, &err), ERR_DAMAGED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_no_blob),
		cmocka_unit_test(test_later_version),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_meant),
		cmocka_unit_test(test_impossible_lengths),
		cmocka_unit_test(test_object_lengths),
		cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_check_order),
		cmocka_unit_test(test_check_software),
		cmocka_unit_test(test_key_public),
		cmocka_unit_test(test_aik_public),
		cmocka_unit_test(test_key_public_refuses),
		cmocka_unit_test(test_key_public_of_hmac),
		cmocka_unit_test(test_header_kind),
		cmocka_unit_test(test_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
