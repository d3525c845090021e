/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the stock tools, our own, and every way in which one can be wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "crypto/keyfile.h"

/* openssl genpkey -provider tpm2 -algorithm EC -pkeyopt group:P-256 */
static const char openssl_pem[] =
	"-----BEGIN TSS2 PRIVATE KEY-----\n"
	"MIHwBgZngQUKAQOgAwEBAQIEQAAAAQRYAFYAIwALAAYAcgAAABAAEAADABAAIFnh\n"
	"pJlENaXwC1EYiyXAsvFoDFIJYDYsQLemEcLyt9NEACAhwNHEm2BL5Q4NjHuVwStL\n"
	"hv/QBIwDN+eDx8w3YtH7NASBgAB+ACBJ2rQX4MGGETw4BPYDIoyWTwNwi+puGdr6\n"
	"VwKhEmFEsgAQx4DC2spUBqvCO+B0HLxwuAzJDT/Acq5J7bCJ1eW4TRB89kmXqLkh\n"
	"HzZVCtp7oTqvJ7nZFATKhL1ZlR9GQDPkZvXxolp64UAn/n/XMEfLLVcogbLB9j3K\n"
	"BtjS\n"
	"-----END TSS2 PRIVATE KEY-----\n";

/* The same with -pkeyopt user-auth:secret: emptyAuth is there and false. */
static const char openssl_auth_pem[] =
	"-----BEGIN TSS2 PRIVATE KEY-----\n"
	"MIHwBgZngQUKAQOgAwEBAAIEQAAAAQRYAFYAIwALAAYAcgAAABAAEAADABAAIFEy\n"
	"7aFwYhKgvnKz9ZTwztYGr0rSbZup1zPkZfzMztltACC0TBd92zN/SwtL114Gb844\n"
	"2+SKsPoq46J8/zBan1KP6QSBgAB+ACApcxbupuG/U8cVQ6G7UuQ3R/Nky0yPdoob\n"
	"/Nr3gLkbogAQN1aZ+oLGpTZNidQVLvJJMtB1Ao1XBgp4iba+7hYehBMmxg/6rs3c\n"
	"5QWxESqF5i9JW70Au/FG/0lspeMp0BCKZF/B5ybkTyLml+U4yfm+LQE94yoAueSF\n"
	"kLRK\n"
	"-----END TSS2 PRIVATE KEY-----\n";

/* tpm2_encodeobject -C 0x81000001 -p */
static const char tools_pem[] = "-----BEGIN TSS2 PRIVATE KEY-----\n"
				"MIHzBgZngQUKAQOgAwEBAQIFAIEAAAEEWgBYACMACwAEAHIAAAAQABgACwADABAA\n"
				"IJ/E94kZ1Eym0zoOfYbQM/jU0NjynMTj+2uVkELRtbWtACDG/qw3bw9gW9II7bNM\n"
				"RbCTh70GbkzDWu2zq3UKEdkQdQSBgAB+ACDdc7+zwCtq3VOzIqI8pafd7kw+wjWl\n"
				"NlCvRFZUA8DnqAAQR15g/QLQX6+lFB+38Z9qKOJz82rTGHwg30QLojkTk8Dq3pLK\n"
				"qcCSF6XIxrSwU8PQA78pwTuQ75mtkkqsYG3fxHZJaEtGTV0JcJPJeithkDiMl8Ri\n"
				"73EKeDm/\n"
				"-----END TSS2 PRIVATE KEY-----\n";

static void assert_starts(const struct buf *buf, const char *hex)
{
	uint8_t bytes[32];
	size_t len = strlen(hex) / 2;

	assert_true(hex_decode(slice_str(hex), bytes, len));
	assert_true(buf->len >= len);
	assert_memory_equal(buf->data, bytes, len);
}

static const struct {
	const char *pem;
	bool empty_auth;
	uint32_t parent;
	const char *pub, *priv; /* how they begin, with the TPM2B's size */
	size_t pub_len;
} stock[] = {
	{openssl_pem, true, 0x40000001, "00560023000b00060072", "007e002049dab417", 88},
	{openssl_auth_pem, false, 0x40000001, "00560023000b00060072", "007e0020297316ee", 88},
	{tools_pem, true, 0x81000001, "00580023000b00040072", "007e0020dd73bfb3", 90},
};

static void test_stock_files(void **state)
{
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stock); i++) {
		CLEANUP(keyfile_cleanup) struct keyfile file = {0};

		assert_true(keyfile_is_tss2(slice_str(stock[i].pem)));
		assert_int_equal(keyfile_read(slice_str(stock[i].pem), &file, &err), 0);
		assert_int_equal(file.type, KEYFILE_LOADABLE);
		assert_int_equal(file.empty_auth, stock[i].empty_auth);
		assert_int_equal(file.parent, stock[i].parent);
		assert_int_equal(file.pubkey.len, stock[i].pub_len);
		assert_int_equal(file.privkey.len, 128);
		assert_starts(&file.pubkey, stock[i].pub);
		assert_starts(&file.privkey, stock[i].priv);
	}
}

/* With CRLF, text and another block before, and something behind. */
static void test_tolerant(void **state)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(4096);
	CLEANUP(keyfile_cleanup) struct keyfile file = {0};
	struct err err = {0};

	(void)state;
	buf_put_str(&pem, "A key of our gateway\r\n\r\n"
			  "-----BEGIN CERTIFICATE-----\r\nMAA=\r\n-----END CERTIFICATE-----\r\n");
	for (const char *c = openssl_pem; *c; c++) {
		if (*c == '\n')
			buf_put_u8(&pem, '\r');
		buf_put_u8(&pem, (uint8_t)*c);
	}
	buf_put_str(&pem, "and more text\r\n");
	assert_true(buf_ok(&pem));
	assert_int_equal(keyfile_read(buf_slice(&pem), &file, &err), 0);
	assert_int_equal(file.pubkey.len, 88);
}

static void test_write_is_read(void **state)
{
	static const uint32_t parents[] = {0x40000001, 0x81000001, 0x81ffffff, 0x4000000b};
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		CLEANUP(keyfile_cleanup)
		struct keyfile out = {
			.type = i % 2 ? KEYFILE_SEALED : KEYFILE_LOADABLE,
			.empty_auth = i & 2,
			.parent = parents[i / 2],
			.pubkey = BUF_INIT(KEYFILE_PART_MAX),
			.privkey = BUF_INIT(KEYFILE_PART_MAX),
		};
		CLEANUP(keyfile_cleanup) struct keyfile in = {0};
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(KEYFILE_PEM_MAX);

		buf_put(&out.pubkey, slice_of("\0\4pub!", 6));
		buf_put(&out.privkey, slice_of("\0\3pri", 5));
		assert_int_equal(keyfile_write(&out, &pem, &err), 0);
		assert_true(keyfile_is_tss2(buf_slice(&pem)));
		assert_int_equal(keyfile_read(buf_slice(&pem), &in, &err), 0);
		assert_int_equal(in.type, out.type);
		assert_int_equal(in.empty_auth, out.empty_auth);
		assert_int_equal(in.parent, out.parent);
		assert_true(slice_equal(buf_slice(&in.pubkey), buf_slice(&out.pubkey)));
		assert_true(slice_equal(buf_slice(&in.privkey), buf_slice(&out.privkey)));
	}
}

/*
 * Parent handles have their highest bit set: the INTEGER needs a zero byte in front. emptyAuth
 * stands there although it is false (keyfile.h).
 */
static void test_bytes_written(void **state)
{
	static const char expected[] = "301e"
				       "0606678105 0a0103"
				       "a003010100"
				       "0205 0081000001"
				       "0403 000141"
				       "0403 000142";
	CLEANUP(keyfile_cleanup)
	struct keyfile out = {
		.parent = 0x81000001,
		.empty_auth = false,
		.pubkey = BUF_INIT(8),
		.privkey = BUF_INIT(8),
	};
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(256);
	CLEANUP(buf_fini) struct buf text = BUF_INIT(256);
	uint8_t der[64];
	char hex[128];
	size_t n = 0;
	struct err err = {0};

	(void)state;
	for (const char *c = expected; *c; c++)
		if (*c != ' ')
			hex[n++] = *c;
	assert_true(hex_decode(slice_of(hex, n), der, n / 2));
	buf_put_str(&text, "-----BEGIN TSS2 PRIVATE KEY-----\n");
	base64_encode(&text, slice_of(der, n / 2));
	buf_put_str(&text, "\n-----END TSS2 PRIVATE KEY-----\n");
	buf_put(&out.pubkey, slice_of("\0\1A", 3));
	buf_put(&out.privkey, slice_of("\0\1B", 3));
	assert_int_equal(keyfile_write(&out, &pem, &err), 0);
	assert_true(slice_equal(buf_slice(&pem), buf_slice(&text)));
}

/* DER by hand, without the SEQUENCE around it; parts in hex. */
#define OID_KEY	   "060667810 50a0103"
#define OID_IMPORT "060667810 50a0104"
#define PARENT	   "0204 40000001"
#define PUB	   "0403 000141"
#define PRIV	   "0403 000142"

static const struct {
	const char *what, *hex;
	int code;
} made[] = {
	{"least", OID_KEY PARENT PUB PRIV, 0},
	{"emptyAuth of 01", OID_KEY "a003010101" PARENT PUB PRIV, 0},
	{"authPolicy, description, rsaParent",
	 OID_KEY "a30a 3008 3006 a1040c0270 70 a4040c026b31 a5030101ff" PARENT PUB PRIV, 0},
	{"policy", OID_KEY "a1023000" PARENT PUB PRIV, ERR_NOT_SUPPORTED},
	{"secret", OID_KEY "a203040141" PARENT PUB PRIV, ERR_NOT_SUPPORTED},
	{"importable", OID_IMPORT PARENT PUB PRIV, ERR_NOT_SUPPORTED},
	{"another OID", "06032a0304" PARENT PUB PRIV, ERR_NOT_SUPPORTED},
	{"emptyAuth that is no boolean", OID_KEY "a003020101" PARENT PUB PRIV, ERR_INVALID},
	{"negative parent", OID_KEY "020481000001" PUB PRIV, ERR_INVALID},
	{"parent of 5 bytes", OID_KEY "02050140000001" PUB PRIV, ERR_INVALID},
	{"parent of 9 bytes", OID_KEY "0209010000000040000001" PUB PRIV, ERR_INVALID},
	{"transient parent", OID_KEY "02050080000000" PUB PRIV, ERR_INVALID},
	{"no parent", OID_KEY PUB PRIV, ERR_INVALID},
	{"no privkey", OID_KEY PARENT PUB, ERR_INVALID},
	{"one part too many", OID_KEY PARENT PUB PRIV "0500", ERR_INVALID},
	{"empty pubkey", OID_KEY PARENT "0400" PRIV, ERR_INVALID},
	{"empty TPM2B", OID_KEY PARENT "04020000" PRIV, ERR_INVALID},
	{"TPM2B longer than its string", OID_KEY PARENT "0403000241" PRIV, ERR_INVALID},
	{"TPM2B shorter than its string", OID_KEY PARENT PUB "040400014242", ERR_INVALID},
};

static int read_made(const char *parts_hex, const char *behind, struct keyfile *ret_file,
		     struct err *err)
{
	CLEANUP(buf_fini) struct buf hex = BUF_INIT(512);
	CLEANUP(buf_fini) struct buf der = BUF_INIT(512);
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(1024);
	uint8_t bytes[256];

	for (const char *c = parts_hex; *c; c++)
		if (*c != ' ')
			buf_put_u8(&hex, (uint8_t)*c);
	assert_true(hex_decode(buf_slice(&hex), bytes, hex.len / 2));
	assert_true(hex.len / 2 < 128);
	buf_put_u8(&der, 0x30);
	buf_put_u8(&der, (uint8_t)(hex.len / 2));
	buf_put(&der, slice_of(bytes, hex.len / 2));
	buf_put_str(&der, behind);
	buf_put_str(&pem, "-----BEGIN TSS2 PRIVATE KEY-----\n");
	base64_encode(&pem, buf_slice(&der));
	buf_put_str(&pem, "\n-----END TSS2 PRIVATE KEY-----\n");
	assert_true(buf_ok(&pem));
	return keyfile_read(buf_slice(&pem), ret_file, err);
}

static void test_made_by_hand(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		CLEANUP(keyfile_cleanup) struct keyfile file = {.parent = 7};
		struct err err = {0};
		int r = read_made(made[i].hex, "", &file, &err);

		if (r != made[i].code)
			fail_msg("%s: %d, wanted %d: %s", made[i].what, r, made[i].code, err.text);
		assert_int_equal(file.parent, r < 0 ? 7 : 0x40000001);
		assert_int_equal(file.empty_auth, i == 1);
	}
}

static void test_trailing_bytes(void **state)
{
	CLEANUP(keyfile_cleanup) struct keyfile file = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(read_made(OID_KEY PARENT PUB PRIV, "x", &file, &err), ERR_INVALID);
}

/* Cut at each length: an error, and never more than that. */
static void test_cut(void **state)
{
	const struct slice whole = slice_str(openssl_pem);
	struct keyfile file = {0};
	struct err err = {0};

	(void)state;
	for (size_t len = 0; len + 2 < whole.len; len++)
		assert_int_equal(keyfile_read(slice_of(whole.data, len), &file, &err), ERR_INVALID);
	assert_null(file.pubkey.data);
}

static void test_not_tss2(void **state)
{
	static const char *const others[] = {
		"", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
		"-----BEGIN TSS2 KEY BLOB-----\nMAA=\n-----END TSS2 KEY BLOB-----\n"};
	struct keyfile file = {0};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(keyfile_is_tss2(slice_str(others[i])));
		assert_int_equal(keyfile_read(slice_str(others[i]), &file, &err), ERR_INVALID);
	}
}

static void test_too_large(void **state)
{
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(3 * KEYFILE_PEM_MAX);
	struct keyfile file = {0};
	struct err err = {0};

	(void)state;
	while (pem.len <= KEYFILE_PEM_MAX)
		buf_put_str(&pem, "filler\n");
	buf_put_str(&pem, openssl_pem);
	assert_int_equal(keyfile_read(buf_slice(&pem), &file, &err), ERR_INVALID);
}

static void test_write_refuses(void **state)
{
	CLEANUP(keyfile_cleanup)
	struct keyfile file = {.parent = 0x80000000, .pubkey = BUF_INIT(8), .privkey = BUF_INIT(8)};
	CLEANUP(buf_fini) struct buf pem = BUF_INIT(512);
	struct err err = {0};

	(void)state;
	buf_put(&file.pubkey, slice_of("\0\1A", 3));
	buf_put(&file.privkey, slice_of("\0\1B", 3));
	assert_int_equal(keyfile_write(&file, &pem, &err), ERR_INVALID);
	file.parent = 0x40000001;
	buf_put_u8(&file.privkey, 0);
	assert_int_equal(keyfile_write(&file, &pem, &err), ERR_INVALID);
	assert_int_equal(pem.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stock_files),   cmocka_unit_test(test_tolerant),
		cmocka_unit_test(test_write_is_read), cmocka_unit_test(test_bytes_written),
		cmocka_unit_test(test_made_by_hand),  cmocka_unit_test(test_trailing_bytes),
		cmocka_unit_test(test_cut),	      cmocka_unit_test(test_not_tss2),
		cmocka_unit_test(test_too_large),     cmocka_unit_test(test_write_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
