/* SPDX-License-Identifier: Apache-2.0 */
/* Statements are written here as Part 2 says and signed by software keys; a TPM's own are checked
 * by the integration tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/attest.h"
#include "base/buf.h"
#include "base/mem.h"

static const uint8_t NONCE[] = {1, 2, 3, 4, 5};

static void put_sized(struct buf *to, struct slice bytes)
{
	buf_put_u16(to, (uint16_t)bytes.len);
	buf_put(to, bytes);
}

static void put_head(struct buf *to, uint16_t tag)
{
	buf_put_u32(to, 0xff544347);
	buf_put_u16(to, tag);
	put_sized(to, slice_str("the signer's name"));
	put_sized(to, slice_of(NONCE, sizeof(NONCE)));
	buf_put_u32(to, 0);
	buf_put_u32(to, 123456);
	buf_put_u32(to, 7);
	buf_put_u32(to, 8);
	buf_put_u8(to, 1);
	buf_put_u32(to, 0x20240101);
	buf_put_u32(to, 0x00120000);
}

static const struct attest_pcrs VALUES = {
	.banks =
		{
			{.hash = HASH_SHA1, .mask = 1u << 3, .value = {[3] = {3}}},
			{.hash = HASH_SHA256,
			 .mask = 1u << 0 | 1u << 9,
			 .value = {[0] = {10}, [9] = {19}}},
		},
	.count = 2,
};

/* Over the three values in the order of the selection. */
static void put_quote(struct buf *to)
{
	const struct slice parts[] = {slice_of(VALUES.banks[0].value[3], 20),
				      slice_of(VALUES.banks[1].value[0], 32),
				      slice_of(VALUES.banks[1].value[9], 32)};
	uint8_t digest[HASH_MAX_SIZE];
	struct err err;

	put_head(to, 0x8018);
	buf_put_u32(to, 2);
	buf_put_u16(to, 0x0004);
	buf_put(to, slice_of("\3\10\0\0", 4));
	buf_put_u16(to, 0x000b);
	buf_put(to, slice_of("\3\1\2\0", 4));
	assert_int_equal(hash_digest(HASH_SHA256, parts, 3, digest, &err), 0);
	put_sized(to, slice_of(digest, 32));
}

static void put_certify(struct buf *to)
{
	put_head(to, 0x8017);
	put_sized(to, slice_str("a key's name"));
	put_sized(to, slice_str("its qualified name"));
}

/* What tells the TPMT_SIGNATUREs of the schemes apart. */
struct signer {
	enum pkey_type type;
	enum pkey_scheme scheme;
	uint16_t id;
	struct pkey *key;
};

static struct signer signers[] = {
	{PKEY_ECC_P256, PKEY_ECDSA, 0x0018, NULL},
	{PKEY_ECC_P384, PKEY_ECDSA, 0x0018, NULL},
	{PKEY_RSA_2048, PKEY_RSASSA, 0x0014, NULL},
	{PKEY_RSA_2048, PKEY_RSAPSS, 0x0016, NULL},
};

static void sign(const struct signer *signer, struct slice attest, struct buf *ret_signature)
{
	CLEANUP(buf_fini) struct buf plain = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf raw = BUF_INIT(1024);
	uint8_t digest[HASH_MAX_SIZE];
	struct err err;

	assert_int_equal(hash_digest(HASH_SHA256, &attest, 1, digest, &err), 0);
	assert_int_equal(pkey_sign(signer->key, signer->scheme, HASH_SHA256, slice_of(digest, 32),
				   &plain, &err),
			 0);
	buf_put_u16(ret_signature, signer->id);
	buf_put_u16(ret_signature, 0x000b);
	if (signer->scheme != PKEY_ECDSA) {
		put_sized(ret_signature, buf_slice(&plain));
		return;
	}
	assert_int_equal(pkey_ecdsa_raw(signer->type, buf_slice(&plain), &raw, &err), 0);
	put_sized(ret_signature, slice_of(raw.data, raw.len / 2));
	put_sized(ret_signature, slice_of(raw.data + raw.len / 2, raw.len / 2));
}

static int check(const struct signer *signer, const struct buf *attest, const struct buf *signature,
		 struct attest_statement *ret_statement)
{
	static const struct slice nonce = {.data = NONCE, .len = sizeof(NONCE)};
	const struct attest_claim claim = {
		.attest = buf_slice(attest), .signature = buf_slice(signature), .nonce = &nonce};
	enum hash_alg hash = HASH_ALGS;
	struct err err;
	int r = attest_check(&claim, signer->key, ret_statement, &hash, &err);

	if (r == 0)
		assert_int_equal(hash, HASH_SHA256);
	return r;
}

static int make_keys(void **state)
{
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(signers); i++)
		if (pkey_generate(signers[i].type, &signers[i].key, &err) < 0)
			return -1;
	return 0;
}

static int free_keys(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(signers); i++)
		pkey_free(signers[i].key);
	return 0;
}

static void takes_every_scheme(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(signers); i++) {
		CLEANUP(buf_fini) struct buf attest = BUF_INIT(1024);
		CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
		struct attest_statement statement;
		struct err err;

		put_quote(&attest);
		sign(&signers[i], buf_slice(&attest), &signature);
		assert_int_equal(check(&signers[i], &attest, &signature, &statement), 0);
		assert_int_equal(statement.kind, ATTEST_QUOTE);
		assert_int_equal(statement.clock, 123456);
		assert_int_equal(statement.reset_count, 7);
		assert_int_equal(statement.restart_count, 8);
		assert_true(statement.safe);
		assert_int_equal(statement.firmware, 0x2024010100120000);
		assert_int_equal(attest_check_pcrs(&statement, HASH_SHA256, &VALUES, &err), 0);
	}
}

static void takes_a_certification(void **state)
{
	CLEANUP(buf_fini) struct buf attest = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct attest_statement statement;
	struct err err;

	(void)state;
	put_certify(&attest);
	sign(&signers[0], buf_slice(&attest), &signature);
	assert_int_equal(check(&signers[0], &attest, &signature, &statement), 0);
	assert_int_equal(statement.kind, ATTEST_CERTIFY);
	assert_true(slice_equal(statement.name, slice_str("a key's name")));
	assert_int_equal(attest_check_pcrs(&statement, HASH_SHA256, &VALUES, &err), ERR_INVALID);
}

/* No bit of statement or signature can be changed. */
static void notices_every_change(void **state)
{
	CLEANUP(buf_fini) struct buf attest = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	struct attest_statement statement;
	size_t i;

	(void)state;
	put_quote(&attest);
	sign(&signers[0], buf_slice(&attest), &signature);
	for (i = 0; i < attest.len + signature.len; i++) {
		uint8_t *at = i < attest.len ? &attest.data[i] : &signature.data[i - attest.len];

		*at ^= 0x10;
		assert_true(check(&signers[0], &attest, &signature, &statement) < 0);
		*at ^= 0x10;
	}
	assert_int_equal(check(&signers[0], &attest, &signature, &statement), 0);
	/* Another key of the same type, and one of another. */
	assert_int_equal(check(&signers[2], &attest, &signature, &statement), ERR_DAMAGED);
	assert_true(check(&signers[1], &attest, &signature, &statement) < 0);
}

static void tells_another_nonce(void **state)
{
	CLEANUP(buf_fini) struct buf attest = BUF_INIT(1024);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(1024);
	const struct slice other = slice_str("another");
	struct attest_claim claim = {.nonce = &other};
	struct attest_statement statement;
	struct err err;

	(void)state;
	put_quote(&attest);
	sign(&signers[0], buf_slice(&attest), &signature);
	claim.attest = buf_slice(&attest);
	claim.signature = buf_slice(&signature);
	assert_int_equal(attest_check(&claim, signers[0].key, &statement, NULL, &err), ERR_DAMAGED);
	claim.nonce = NULL;
	assert_int_equal(attest_check(&claim, signers[0].key, &statement, NULL, &err), 0);
	assert_true(slice_equal(statement.nonce, slice_of(NONCE, sizeof(NONCE))));
}

static void tells_other_values(void **state)
{
	CLEANUP(buf_fini) struct buf attest = BUF_INIT(1024);
	struct attest_pcrs values = VALUES;
	struct attest_statement quote;
	struct err err;

	(void)state;
	put_quote(&attest);
	assert_int_equal(attest_parse(buf_slice(&attest), &quote, &err), 0);
	values.banks[1].value[9][31] ^= 1;
	assert_int_equal(attest_check_pcrs(&quote, HASH_SHA256, &values, &err), ERR_DAMAGED);
	values = VALUES;
	values.banks[1].mask |= 1u << 10;
	assert_int_equal(attest_check_pcrs(&quote, HASH_SHA256, &values, &err), ERR_DAMAGED);
	values = VALUES;
	values.count = 1;
	assert_int_equal(attest_check_pcrs(&quote, HASH_SHA256, &values, &err), ERR_DAMAGED);
	assert_int_equal(attest_check_pcrs(&quote, HASH_SHA384, &VALUES, &err), ERR_DAMAGED);
}

static void parses_whole_statements_only(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t byte;
		int code;
	} CASES[] = {
		{"magic", 0, 0xfe, ERR_INVALID},
		{"kind", 5, 0x14, ERR_NOT_SUPPORTED}, /* a time statement */
		{"length of the signer", 6, 0xff, ERR_INVALID},
		{"number of banks", 60, 9, ERR_NOT_SUPPORTED},
	};
	CLEANUP(buf_fini) struct buf attest = BUF_INIT(1024);
	struct attest_statement statement;
	struct err err;
	size_t i;

	(void)state;
	put_quote(&attest);
	for (i = 0; i < attest.len; i++)
		assert_true(attest_parse(slice_of(attest.data, i), &statement, &err) < 0);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		uint8_t before = attest.data[CASES[i].at];

		attest.data[CASES[i].at] = CASES[i].byte;
		if (attest_parse(buf_slice(&attest), &statement, &err) != CASES[i].code)
			fail_msg("%s: %s", CASES[i].what, err.text);
		attest.data[CASES[i].at] = before;
	}
	buf_put_u8(&attest, 0);
	assert_int_equal(attest_parse(buf_slice(&attest), &statement, &err), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_every_scheme),
		cmocka_unit_test(takes_a_certification),
		cmocka_unit_test(notices_every_change),
		cmocka_unit_test(tells_another_nonce),
		cmocka_unit_test(tells_other_values),
		cmocka_unit_test(parses_whole_statements_only),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
