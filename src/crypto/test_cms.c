/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures made by the openssl command (tests/vectors/make --sig), and our own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/cms.h>

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
		{VECTOR_GOOD, VECTOR_SIGNER, 0},     {VECTOR_LONE, VECTOR_SIGNER, 0},
		{VECTOR_BARE, NULL, ERR_DAMAGED},    {VECTOR_TWO, NULL, ERR_DAMAGED},
		{VECTOR_SIGNER, NULL, ERR_DAMAGED},  {"", NULL, ERR_DAMAGED},
		{VECTOR_ATTACHED, VECTOR_SIGNER, 0},
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

/* --- with the content inside --------------------------------------------------------------- */

/* The same signature with @text put in: it is over the content, wherever that stands. */
static void attach(const char *sig, const char *text, struct buf *ret_whole)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(CMS_MAX);
	const uint8_t *at;
	CMS_ContentInfo *info;
	uint8_t *whole = NULL;
	int len;

	unbase64(sig, &der);
	at = der.data;
	info = d2i_CMS_ContentInfo(NULL, &at, (long)der.len);
	assert_non_null(info);
	assert_int_equal(CMS_set_detached(info, 0), 1);
	assert_int_equal(ASN1_OCTET_STRING_set(*CMS_get0_content(info), (const uint8_t *)text,
					       (int)strlen(text)),
			 1);
	len = i2d_CMS_ContentInfo(info, &whole);
	assert_true(len > 0);
	buf_put(ret_whole, slice_of(whole, (size_t)len));
	OPENSSL_free(whole);
	CMS_ContentInfo_free(info);
}

/* What is good is told, what is not is not. */
static int open_whole(struct slice whole, const char *anchors, int64_t at, const char *text)
{
	CLEANUP(buf_fini) struct buf trusted = BUF_INIT(8192), content = BUF_INIT(CMS_MAX);
	struct cms_trust trust = {.usage = VECTOR_USAGE, .at = at};
	struct err err = {0};
	int r;

	unbase64(anchors, &trusted);
	trust.anchors = buf_slice(&trusted);
	buf_put_str(&content, "before");
	r = cms_open_whole(whole, &trust, &content, &err);
	assert_int_equal(r, err.code);
	assert_true(slice_equal(slice_of(content.data, 6), slice_str("before")));
	assert_true(slice_equal(slice_of(content.data + 6, content.len - 6),
				slice_str(r == 0 ? text : "")));
	return r;
}

static void test_open_whole(void **state)
{
	static const struct {
		const char *sig, *anchors;
		int64_t at;
		int result;
	} rows[] = {
		{VECTOR_GOOD, VECTOR_CA, NOW, 0},
		{VECTOR_GOOD, VECTOR_SIGNER, NOW, 0},
		{VECTOR_SHA384, VECTOR_CA, NOW, 0},
		{VECTOR_NOATTR, VECTOR_CA, NOW, 0},
		{VECTOR_GOOD, VECTOR_CA, CMS_ANY_TIME, 0},
		{VECTOR_GOOD, VECTOR_CA, THEN, ERR_FORBIDDEN},
		{VECTOR_GOOD, VECTOR_OTHER, NOW, ERR_FORBIDDEN},
		{VECTOR_LONE, VECTOR_CA, NOW, ERR_FORBIDDEN},
		{VECTOR_PLAIN, VECTOR_CA, NOW, ERR_FORBIDDEN},
		{VECTOR_ANY, VECTOR_CA, NOW, ERR_FORBIDDEN},
		{VECTOR_AGREE, VECTOR_CA, NOW, ERR_FORBIDDEN},
		{VECTOR_UNDER, VECTOR_CA, NOW, ERR_FORBIDDEN},
		{VECTOR_BARE, VECTOR_CA, NOW, ERR_DAMAGED},
		{VECTOR_SHA1, VECTOR_CA, NOW, ERR_DAMAGED},
		{VECTOR_TWO, VECTOR_CA, NOW, ERR_DAMAGED},
		{VECTOR_GOOD, "", NOW, ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
		CLEANUP(buf_fini) struct buf other = BUF_INIT(CMS_WHOLE_MAX);
		int r;

		attach(rows[i].sig, TEXT, &whole);
		r = open_whole(buf_slice(&whole), rows[i].anchors, rows[i].at, TEXT);
		if (r != rows[i].result)
			print_error("row %zu\n", i);
		assert_int_equal(r, rows[i].result);
		attach(rows[i].sig, "{}", &other);
		assert_int_not_equal(
			open_whole(buf_slice(&other), rows[i].anchors, rows[i].at, "{}"), 0);
	}
}

/* As the openssl command makes it; and no form passes for the other. */
static void test_forms(void **state)
{
	static const char *const others[] = {VECTOR_GOOD, VECTOR_NOATTR, VECTOR_CA, ""};
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX), content = BUF_INIT(CMS_MAX);
	struct err err = {0};

	(void)state;
	unbase64(VECTOR_ATTACHED, &whole);
	assert_int_equal(open_whole(buf_slice(&whole), VECTOR_CA, NOW, TEXT), 0);
	assert_int_equal(cms_peek_whole(buf_slice(&whole), &content, &err), 0);
	assert_true(slice_equal(buf_slice(&content), slice_str(TEXT)));
	buf_put_u8(&whole, 0);
	assert_int_equal(open_whole(buf_slice(&whole), VECTOR_CA, NOW, TEXT), ERR_DAMAGED);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		buf_reset(&whole);
		buf_reset(&content);
		unbase64(others[i], &whole);
		assert_int_equal(open_whole(buf_slice(&whole), VECTOR_CA, NOW, TEXT), ERR_DAMAGED);
		assert_int_equal(cms_peek_whole(buf_slice(&whole), &content, &err), ERR_DAMAGED);
		assert_int_equal(content.len, 0);
	}
}

/* The same in BER: the outer length left open, or written with a byte more than it needs. */
static void ber_of(const char *sig, bool open_end, struct buf *ret_ber)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(CMS_MAX);

	unbase64(sig, &der);
	assert_true(der.len > 4 && der.data[0] == 0x30 && der.data[1] == 0x82);
	buf_put_u8(ret_ber, 0x30);
	buf_put_u8(ret_ber, open_end ? 0x80 : 0x83);
	if (!open_end) {
		buf_put_u8(ret_ber, 0);
		buf_put(ret_ber, slice_of(der.data + 2, 2));
	}
	buf_put(ret_ber, slice_of(der.data + 4, der.len - 4));
	if (open_end)
		buf_put_u16(ret_ber, 0);
}

static void test_ber(void **state)
{
	(void)state;
	for (unsigned open_end = 0; open_end < 2; open_end++) {
		CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
		CLEANUP(buf_fini) struct buf sig = BUF_INIT(CMS_MAX), anchor = BUF_INIT(8192);
		CLEANUP(buf_fini) struct buf out = BUF_INIT(8192);
		struct cms_trust trust = {.usage = VECTOR_USAGE, .at = NOW};
		CMS_ContentInfo *info;
		struct err err = {0};
		const uint8_t *at;

		ber_of(VECTOR_ATTACHED, open_end, &whole);
		ber_of(VECTOR_GOOD, open_end, &sig);
		at = sig.data;
		info = d2i_CMS_ContentInfo(NULL, &at, (long)sig.len);
		assert_non_null(info); /* it is BER, and nothing else is wrong with it */
		CMS_ContentInfo_free(info);
		unbase64(VECTOR_CA, &anchor);
		trust.anchors = buf_slice(&anchor);
		assert_int_equal(open_whole(buf_slice(&whole), VECTOR_CA, NOW, TEXT), ERR_DAMAGED);
		assert_int_equal(cms_peek_whole(buf_slice(&whole), &out, &err), ERR_DAMAGED);
		assert_int_equal(cms_signer(buf_slice(&sig), &out, &err), ERR_DAMAGED);
		assert_int_equal(cms_verify(buf_slice(&sig), slice_str(TEXT), &trust, &err),
				 ERR_DAMAGED);
		assert_int_equal(cms_verify_signer(buf_slice(&sig), &trust, &err), ERR_DAMAGED);
	}
}

/* What nobody signs may go, such as versions and letters' case in a name; of the content nothing.
 */
static void test_tampered_whole(void **state)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
	static const uint8_t bits[] = {0x01, 0x10};
	unsigned taken = 0;

	(void)state;
	attach(VECTOR_GOOD, TEXT, &whole);
	for (size_t i = 0; i < whole.len; i++) {
		for (size_t k = 0; k < ARRAY_LEN(bits); k++) {
			whole.data[i] ^= bits[k];
			taken += open_whole(buf_slice(&whole), VECTOR_CA, NOW, TEXT) == 0;
			whole.data[i] ^= bits[k];
		}
		assert_int_equal(open_whole(slice_of(whole.data, i), VECTOR_CA, NOW, TEXT),
				 ERR_DAMAGED);
	}
	assert_true(taken < 2 * 32);
}

static void test_seal_whole(void **state)
{
	CLEANUP(buf_fini) struct buf p8 = BUF_INIT(8192), chain = BUF_INIT(8192);
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(2 * CMS_WHOLE_MAX), none = BUF_INIT(16);
	CLEANUP(buf_fini) struct buf content = BUF_INIT(CMS_MAX + 1);
	CLEANUP(pkey_cleanup) struct pkey *key = NULL;
	struct err err = {0};

	(void)state;
	unbase64(VECTOR_SIGNER_KEY, &p8);
	unbase64(VECTOR_SIGNER, &chain);
	unbase64(VECTOR_MIDDLE, &chain);
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &key, &err), 0);
	assert_int_equal(cms_seal_whole(key, buf_slice(&chain), slice_str(TEXT), &whole, &err), 0);
	assert_int_equal(open_whole(buf_slice(&whole), VECTOR_CA, NOW, TEXT), 0);
	assert_int_equal(cms_peek_whole(buf_slice(&whole), &none, &err), ERR_TOO_LARGE);
	assert_int_equal(none.len, 0);
	assert_int_equal(cms_seal_whole(key, buf_slice(&p8), slice_str(TEXT), &whole, &err),
			 ERR_INVALID);
	/* The largest, and one byte more. */
	for (size_t i = 0; i < CMS_MAX; i++)
		buf_put_u8(&content, 'x');
	buf_reset(&whole);
	assert_int_equal(cms_seal_whole(key, buf_slice(&chain), buf_slice(&content), &whole, &err),
			 0);
	assert_true(whole.len <= CMS_WHOLE_MAX);
	buf_reset(&content);
	assert_int_equal(cms_peek_whole(buf_slice(&whole), &content, &err), 0);
	assert_int_equal(content.len, CMS_MAX);
	buf_put_u8(&content, 'x');
	buf_reset(&whole);
	assert_int_equal(cms_seal_whole(key, buf_slice(&chain), buf_slice(&content), &whole, &err),
			 ERR_TOO_LARGE);
	assert_int_equal(whole.len, 0);
}

/* More than is ever sealed, signed as it should be. */
static void test_too_long_whole(void **state)
{
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(2 * CMS_WHOLE_MAX);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(CMS_WHOLE_MAX), out = BUF_INIT(CMS_WHOLE_MAX);
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i <= CMS_MAX; i++)
		buf_put_u8(&text, 'x');
	buf_put_u8(&text, 0);
	attach(VECTOR_GOOD, (const char *)text.data, &whole);
	assert_int_equal(cms_peek_whole(buf_slice(&whole), &out, &err), ERR_DAMAGED);
	assert_int_equal(out.len, 0);
	buf_reset(&text);
	for (size_t i = 0; i < CMS_WHOLE_MAX - 1; i++)
		buf_put_u8(&text, 'x');
	buf_put_u8(&text, 0);
	buf_reset(&whole);
	attach(VECTOR_GOOD, (const char *)text.data, &whole);
	assert_int_equal(cms_peek_whole(buf_slice(&whole), &out, &err), ERR_DAMAGED);
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify),	       cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_signer),	       cmocka_unit_test(test_sign),
		cmocka_unit_test(test_open_whole),     cmocka_unit_test(test_forms),
		cmocka_unit_test(test_tampered_whole), cmocka_unit_test(test_seal_whole),
		cmocka_unit_test(test_too_long_whole), cmocka_unit_test(test_ber),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
