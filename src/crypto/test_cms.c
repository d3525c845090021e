/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures made by the openssl command (tests/vectors/make --sig), and our own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "crypto/cms.h"
#include "tests/vectors/v1_sig.inc"

#define NOW  INT64_C(1900000000) /* 2030 */
#define THEN INT64_C(3000000000) /* 2065: all have expired */

static const char TEXT[] =
	"{\"holdfast\":\"resource v1\",\"folder\":\"models\",\"name\":\"net.bin\","
	"\"length\":48,\"sha256\":\"000102030405060708090a0b0c0d0e0f"
	"101112131415161718191a1b1c1d1e1f\"}";

static void unbase64(const char *text, struct buf *ret_bytes)
{
	size_t len = 0;
	uint8_t *room = buf_grow(ret_bytes, base64_decoded_max(strlen(text)));

	assert_non_null(room);
	assert_true(base64_decode(slice_str(text), room, &len));
	ret_bytes->len -= base64_decoded_max(strlen(text)) - len;
}

static int verify(const char *sig, const char *anchors, const char *content, int64_t at)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(CMS_MAX), trusted = BUF_INIT(8192);
	struct cms_trust trust = {.usage = VECTOR_USAGE, .at = at};
	struct err err = {0};
	int r;

	unbase64(sig, &der);
	unbase64(anchors, &trusted);
	trust.anchors = buf_slice(&trusted);
	r = cms_verify(buf_slice(&der), slice_str(content), &trust, &err);
	assert_int_equal(r, err.code);
	return r;
}

/* Whose it is, without the content. */
static int verify_signer(const char *sig, const char *anchors, int64_t at)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(CMS_MAX), trusted = BUF_INIT(8192);
	struct cms_trust trust = {.usage = VECTOR_USAGE, .at = at};
	struct err err = {0};
	int r;

	unbase64(sig, &der);
	unbase64(anchors, &trusted);
	trust.anchors = buf_slice(&trusted);
	r = cms_verify_signer(buf_slice(&der), &trust, &err);
	assert_int_equal(r, err.code);
	return r;
}

static void test_verify(void **state)
{
	static const struct {
		const char *sig, *anchors;
		int64_t at;
		int result;
	} rows[] = {
		{VECTOR_GOOD, VECTOR_CA, NOW, 0},
		{VECTOR_GOOD, VECTOR_MIDDLE, NOW, 0}, /* an anchor need not be a root */
		{VECTOR_GOOD, VECTOR_SIGNER, NOW, 0},
		{VECTOR_SHA384, VECTOR_CA, NOW, 0},
		{VECTOR_NOATTR, VECTOR_CA, NOW, 0},
		{VECTOR_LONE, VECTOR_MIDDLE, NOW, 0},
		{VECTOR_GOOD, VECTOR_CA, CMS_ANY_TIME, 0},
		{VECTOR_GOOD, VECTOR_CA, THEN, ERR_FORBIDDEN},
		{VECTOR_GOOD, VECTOR_CA, 0, ERR_FORBIDDEN},
		{VECTOR_GOOD, VECTOR_OTHER, NOW, ERR_FORBIDDEN},
		{VECTOR_LONE, VECTOR_CA, NOW, ERR_FORBIDDEN}, /* what is between is not there */
		{VECTOR_PLAIN, VECTOR_CA, NOW, ERR_FORBIDDEN},
		{VECTOR_ANY, VECTOR_CA, NOW, ERR_FORBIDDEN},
		{VECTOR_AGREE, VECTOR_CA, NOW, ERR_FORBIDDEN},
		{VECTOR_UNDER, VECTOR_CA, NOW, ERR_FORBIDDEN}, /* its issuer is no CA */
		{VECTOR_BARE, VECTOR_CA, NOW, ERR_DAMAGED},
		{VECTOR_SHA1, VECTOR_CA, NOW, ERR_DAMAGED},
		{VECTOR_TWO, VECTOR_CA, NOW, ERR_DAMAGED},
		{VECTOR_ATTACHED, VECTOR_CA, NOW, ERR_DAMAGED},
		{VECTOR_CA, VECTOR_CA, NOW, ERR_DAMAGED},
		{"", VECTOR_CA, NOW, ERR_DAMAGED},
		{VECTOR_GOOD, "", NOW, ERR_INVALID},
		{VECTOR_GOOD, VECTOR_SIGNER_KEY, NOW, ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = verify(rows[i].sig, rows[i].anchors, TEXT, rows[i].at);

		if (r != rows[i].result)
			print_error("row %zu\n", i);
		assert_int_equal(r, rows[i].result);
		assert_int_equal(verify_signer(rows[i].sig, rows[i].anchors, rows[i].at), r);
	}
	assert_int_equal(verify(VECTOR_GOOD, VECTOR_CA, "{}", NOW), ERR_DAMAGED);
	assert_int_equal(verify(VECTOR_NOATTR, VECTOR_CA, "", NOW), ERR_DAMAGED);
}

/* No bit of it may go. Of its certificates and unsigned parts some may, but never to another
 * answer. */
static void test_tampered(void **state)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(CMS_MAX), anchor = BUF_INIT(8192);
	struct cms_trust trust = {.usage = VECTOR_USAGE, .at = NOW};
	struct err err = {0};
	size_t taken = 0;

	(void)state;
	unbase64(VECTOR_GOOD, &der);
	unbase64(VECTOR_CA, &anchor);
	trust.anchors = buf_slice(&anchor);
	for (size_t i = 0; i < der.len; i++) {
		der.data[i] ^= 0x10;
		taken += cms_verify(buf_slice(&der), slice_str(TEXT), &trust, &err) == 0;
		der.data[i] ^= 0x10;
		assert_int_not_equal(
			cms_verify(slice_of(der.data, i), slice_str(TEXT), &trust, &err), 0);
	}
	assert_true(taken < 32);
	buf_put_u8(&der, 0);
	assert_int_equal(cms_verify(buf_slice(&der), slice_str(TEXT), &trust, &err), ERR_DAMAGED);
}

/* Whose it says it is: the certificate itself, or nothing. */
static void test_signer(void **state)
{
	static const struct {
		const char *sig, *signer;
		int result;
	} rows[] = {
		{VECTOR_GOOD, VECTOR_SIGNER, 0},    {VECTOR_LONE, VECTOR_SIGNER, 0},
		{VECTOR_BARE, NULL, ERR_DAMAGED},   {VECTOR_TWO, NULL, ERR_DAMAGED},
		{VECTOR_SIGNER, NULL, ERR_DAMAGED}, {"", NULL, ERR_DAMAGED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf sig = BUF_INIT(CMS_MAX), wanted = BUF_INIT(8192);
		CLEANUP(buf_fini) struct buf signer = BUF_INIT(8192);
		struct err err = {0};

		unbase64(rows[i].sig, &sig);
		unbase64(rows[i].signer ? rows[i].signer : "", &wanted);
		assert_int_equal(cms_signer(buf_slice(&sig), &signer, &err), rows[i].result);
		assert_true(slice_equal(buf_slice(&signer), buf_slice(&wanted)));
	}
}

static void test_sign(void **state)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(8192), chain = BUF_INIT(8192);
	CLEANUP(buf_fini) struct buf anchor = BUF_INIT(8192), sig = BUF_INIT(CMS_MAX);
	CLEANUP(buf_fini) struct buf none = BUF_INIT(16);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct cms_trust trust = {.usage = VECTOR_USAGE, .at = NOW};
	struct err err = {0};

	(void)state;
	unbase64(VECTOR_SIGNER_KEY, &p8);
	unbase64(VECTOR_SIGNER, &chain);
	unbase64(VECTOR_MIDDLE, &chain);
	unbase64(VECTOR_CA, &anchor);
	trust.anchors = buf_slice(&anchor);
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &key, &err), 0);
	assert_int_equal(cms_sign(key, buf_slice(&chain), slice_str(TEXT), &sig, &err), 0);
	assert_int_equal(cms_verify(buf_slice(&sig), slice_str(TEXT), &trust, &err), 0);
	assert_int_equal(cms_verify(buf_slice(&sig), slice_str("x"), &trust, &err), ERR_DAMAGED);
	assert_int_equal(cms_sign(key, buf_slice(&anchor), slice_str(TEXT), &none, &err),
			 ERR_INVALID);
	assert_int_equal(cms_sign(key, slice_str("no"), slice_str(TEXT), &none, &err), ERR_INVALID);
	assert_int_equal(cms_sign(key, buf_slice(&chain), slice_str(TEXT), &none, &err),
			 ERR_TOO_LARGE);
	assert_int_equal(none.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_signer),
		cmocka_unit_test(test_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
