/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and chains of others, whole and broken in every way. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/certificate.h"
#include "crypto/pkey_impl.h"
#include "crypto/test_fixture.h"
#include "crypto/x509.h"

#define PEM_KEY "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"

/* What OpenSSL makes of these members; by @signer, NULL = by its own key. */
struct other {
	EVP_PKEY *key, *signer;
	struct slice common_name;
	const char *issuer, *usage;
	long serial;
	int version;
};

static void put_name(X509_NAME *name, struct slice text)
{
	assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text.data,
						    (int)text.len, -1, 0),
			 1);
}

static void issue(const struct other *other, struct buf *ret_der)
{
	X509 *x509 = X509_new();
	uint8_t *der = NULL;
	int len;

	assert_int_equal(X509_set_version(x509, other->version), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), other->serial), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x509), 1800000000));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x509), 1900000000));
	assert_int_equal(X509_set_pubkey(x509, other->key), 1);
	put_name(X509_get_subject_name(x509), other->common_name);
	put_name(X509_get_issuer_name(x509), slice_str(other->issuer));
	if (other->usage) {
		X509_EXTENSION *extension =
			X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, other->usage);

		assert_int_equal(X509_add_ext(x509, extension, -1), 1);
		X509_EXTENSION_free(extension);
	}
	assert_true(X509_sign(x509, other->signer ? other->signer : other->key, EVP_sha256()) > 0);
	len = i2d_X509(x509, &der);
	assert_true(len > 0);
	buf_put(ret_der, slice_of(der, (size_t)len));
	assert_true(buf_ok(ret_der));
	OPENSSL_free(der);
	X509_free(x509);
}

static struct other other_of(const char *name)
{
	return (struct other){.key = keys[PKEY_ECC_P256]->key,
			      .common_name = slice_str(name),
			      .issuer = name,
			      .serial = 7,
			      .version = X509_VERSION_3};
}

static void test_facts(void **state)
{
	static const struct {
		const char *usage;
		long serial;
		bool client, server;
		const char *read;
	} rows[] = {
		{NULL, 7, true, true, "07"},
		{"clientAuth", 255, true, false, "ff"},
		{"serverAuth", 256, false, true, "0100"},
		{"anyExtendedKeyUsage", 1, true, true, "01"},
		{"codeSigning", 1, false, false, "01"},
		{NULL, -5, true, true, "-05"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX), spki = BUF_INIT(1024);
		CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
		struct other other = other_of("a");
		struct err err;

		other.usage = rows[i].usage;
		other.serial = rows[i].serial;
		issue(&other, &der);
		assert_int_equal(x509_read(buf_slice(&der), &facts, &err), 0);
		assert_int_equal(facts.for_client, rows[i].client);
		assert_int_equal(facts.for_server, rows[i].server);
		assert_string_equal(facts.serial, rows[i].read);
		assert_string_equal(facts.subject, "CN=a");
		assert_string_equal(facts.issuer, "CN=a");
		assert_int_equal(facts.not_before, 1800000000);
		assert_int_equal(facts.not_after, 1900000000);
		assert_true(facts.self_signed);
		spki_of(keys[PKEY_ECC_P256], &spki);
		assert_true(slice_equal(buf_slice(&facts.spki), buf_slice(&spki)));
	}
}

/* Nothing of a name does anything to a terminal, a log or a reader of C strings. */
static void test_hostile_names(void **state)
{
	static const struct {
		struct slice name;
		const char *read;
	} rows[] = {
		{{(const uint8_t *)"a\0b", 3}, "CN=a\\00b"},
		{{(const uint8_t *)"a\nb", 3}, "CN=a\\0Ab"},
		{{(const uint8_t *)"\x1b[2J", 4}, "CN=\\1B[2J"},
		{{(const uint8_t *)"\xc2\x9b", 2}, "CN=\\C2\\9B"},
		{{(const uint8_t *)"a,O=b", 5}, "CN=a\\,O=b"},
		{{(const uint8_t *)"\xe2\x80\xae", 3}, "CN=\\E2\\80\\AE"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
		CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
		struct other other = other_of("a");
		struct err err;

		other.common_name = rows[i].name;
		issue(&other, &der);
		assert_int_equal(x509_read(buf_slice(&der), &facts, &err), 0);
		assert_string_equal(facts.subject, rows[i].read);
	}
}

static void assert_not_read(struct slice der, int code)
{
	struct x509_facts facts = {.subject = "before"};
	struct err err = {0};

	assert_int_equal(x509_read(der, &facts, &err), code);
	assert_int_equal(err.code, code);
	assert_string_equal(facts.subject, "before");
	assert_null(facts.spki.data);
}

static void test_not_one_certificate(void **state)
{
	static uint8_t huge[X509_MAX + 1] = {0x30, 0x82, 0x1f, 0xfd};
	CLEANUP(buf_fini) struct buf der = BUF_INIT(2 * X509_MAX);
	struct other other = other_of("a");
	size_t len;

	(void)state;
	issue(&other, &der);
	len = der.len;
	for (size_t cut = 0; cut < len; cut++)
		assert_not_read(slice_of(der.data, cut), ERR_DAMAGED);
	assert_not_read(slice_of(huge, sizeof(huge)), ERR_DAMAGED);
	assert_not_read(slice_of(huge, X509_MAX), ERR_DAMAGED);
	buf_put_u8(&der, 0);
	assert_not_read(buf_slice(&der), ERR_DAMAGED);
	der.len = len;
	issue(&other, &der);
	assert_not_read(buf_slice(&der), ERR_DAMAGED);
}

/* Whatever byte is another one: it is refused, or it is not signed by its own key any more. */
static void test_every_byte(void **state)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
	struct other other = other_of("a");

	(void)state;
	issue(&other, &der);
	for (size_t i = 0; i < der.len; i++) {
		CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
		struct err err = {0};

		der.data[i] ^= 0x01;
		if (x509_read(buf_slice(&der), &facts, &err) == 0)
			assert_false(facts.self_signed);
		der.data[i] ^= 0x01;
	}
}

static void test_other_keys(void **state)
{
	static const struct {
		const char *type, *group;
		size_t bits;
	} rows[] = {
		{"EC", "P-521", 0},
		{"ED25519", NULL, 0},
		{"RSA", NULL, 1024},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
		struct other other = other_of("a");

		if (rows[i].bits)
			other.key = EVP_PKEY_Q_keygen(NULL, NULL, rows[i].type, rows[i].bits);
		else
			other.key = EVP_PKEY_Q_keygen(NULL, NULL, rows[i].type, rows[i].group);
		other.signer = keys[PKEY_ECC_P256]->key;
		assert_non_null(other.key);
		issue(&other, &der);
		assert_not_read(buf_slice(&der), ERR_NOT_SUPPORTED);
		EVP_PKEY_free(other.key);
	}
}

/* --- chains --- */

/* @count of them, each signed by the next, of keys in turn; names are their places. */
static void make_chain(size_t count, size_t wrong, struct buf *ret_der)
{
	static const enum pkey_type types[] = {PKEY_ECC_P256, PKEY_ECC_P384, PKEY_RSA_2048};

	for (size_t i = 0; i < count; i++) {
		char name[8], above[8];
		struct other other;

		snprintf(name, sizeof(name), "%zu", i);
		snprintf(above, sizeof(above), "%zu", i + 1);
		other = other_of(name);
		other.issuer = above;
		other.key = keys[types[i % ARRAY_LEN(types)]]->key;
		other.signer = keys[types[(i + 1) % ARRAY_LEN(types)]]->key;
		if (i + 1 == wrong)
			other.signer = other.key;
		issue(&other, ret_der);
	}
}

static void test_chains(void **state)
{
	(void)state;
	for (size_t count = 1; count <= X509_CHAIN_MAX + 1; count++) {
		CLEANUP(buf_fini) struct buf der = BUF_INIT(16 * X509_MAX);
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(32 * X509_MAX);
		CLEANUP(buf_fini) struct buf back = BUF_INIT(16 * X509_MAX);
		int wanted = count <= X509_CHAIN_MAX ? 0 : ERR_INVALID;
		struct err err;

		make_chain(count, 0, &der);
		assert_int_equal(x509_chain_check(buf_slice(&der), &err), wanted);
		assert_int_equal(x509_chain_to_pem(buf_slice(&der), &pem, &err), 0);
		assert_int_equal(x509_chain_of_pem(buf_slice(&pem), &back, &err), wanted);
		if (wanted == 0)
			assert_true(slice_equal(buf_slice(&back), buf_slice(&der)));
		else
			assert_int_equal(back.len, 0);
	}
}

static void test_broken_chains(void **state)
{
	CLEANUP(buf_fini) struct buf names = BUF_INIT(2 * X509_MAX);
	struct other other = other_of("a");
	struct err err;

	(void)state;
	for (size_t wrong = 1; wrong < 4; wrong++) {
		CLEANUP(buf_fini) struct buf der = BUF_INIT(4 * X509_MAX);
		char says[32];

		make_chain(4, wrong, &der);
		assert_int_equal(x509_chain_check(buf_slice(&der), &err), ERR_INVALID);
		snprintf(says, sizeof(says), "certificate %zu ", wrong);
		assert_non_null(strstr(err.text, says));
	}
	/* The right key under another name. */
	other.issuer = "b";
	issue(&other, &names);
	other.common_name = slice_str("c");
	issue(&other, &names);
	assert_int_equal(x509_chain_check(buf_slice(&names), &err), ERR_INVALID);
	assert_int_equal(x509_chain_check(slice_of(NULL, 0), &err), ERR_DAMAGED);
}

/* Of two certificates only what ends with the first or the second is a chain. */
static void test_cut_chain(void **state)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(4 * X509_MAX);
	struct err err;

	(void)state;
	make_chain(2, 0, &der);
	for (size_t cut = 0; cut < der.len; cut++)
		assert_int_equal(x509_chain_check(slice_of(der.data, cut), &err),
				 cut == certificate_len(buf_slice(&der)) ? 0 : ERR_DAMAGED);
}

static void assert_no_chain(struct slice pem)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_CHAIN_MAX * X509_MAX);
	struct err err = {0};

	assert_int_equal(x509_chain_of_pem(pem, &der, &err), ERR_INVALID);
	assert_true(err.text[0] != '\0');
	assert_int_equal(der.len, 0);
}

static void test_pem(void **state)
{
	static uint8_t huge[X509_CHAIN_PEM_MAX + 1];
	CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX), pem = BUF_INIT(2 * X509_MAX);
	CLEANUP(buf_fini) struct buf whole = BUF_INIT(4 * X509_MAX), small = BUF_INIT(64);
	CLEANUP(buf_fini) struct buf back = BUF_INIT(X509_MAX);
	struct other other = other_of("a");
	struct err err;

	(void)state;
	issue(&other, &der);
	assert_int_equal(x509_chain_to_pem(buf_slice(&der), &pem, &err), 0);
	/* Less the newline at its end it is whole. */
	for (size_t cut = 0; cut + 1 < pem.len; cut++)
		assert_no_chain(slice_of(pem.data, cut));
	assert_int_equal(x509_chain_of_pem(buf_slice(&pem), &small, &err), ERR_TOO_LARGE);
	assert_int_equal(small.len, 0);
	buf_put_str(&whole, "subject=CN = a\n");
	buf_put(&whole, buf_slice(&pem));
	buf_put_str(&whole, "that was all\n");
	assert_int_equal(x509_chain_of_pem(buf_slice(&whole), &back, &err), 0);
	assert_true(slice_equal(buf_slice(&back), buf_slice(&der)));
	buf_put_str(&whole, PEM_KEY);
	assert_no_chain(buf_slice(&whole));
	assert_no_chain(slice_str(PEM_KEY));
	assert_no_chain(
		slice_str("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"));
	memset(huge, '\n', sizeof(huge));
	assert_no_chain(slice_of(huge, sizeof(huge)));
	memcpy(huge, pem.data, pem.len);
	assert_no_chain(slice_of(huge, sizeof(huge)));
	assert_int_equal(x509_chain_to_pem(slice_str("no"), &back, &err), ERR_DAMAGED);
}

/* A line that is nearly one must not make a certificate disappear. */
static void test_spoiled_frames(void **state)
{
	CLEANUP(buf_fini) struct buf der = BUF_INIT(4 * X509_MAX), pem = BUF_INIT(8 * X509_MAX);
	struct err err;
	size_t i;

	(void)state;
	make_chain(2, 0, &der);
	assert_int_equal(x509_chain_to_pem(buf_slice(&der), &pem, &err), 0);
	for (i = 0; i < strlen("-----BEGIN CERTIFICATE-----"); i++) {
		CLEANUP(buf_fini) struct buf back = BUF_INIT(4 * X509_MAX);
		uint8_t was = pem.data[i];

		pem.data[i] = 0;
		if (x509_chain_of_pem(buf_slice(&pem), &back, &err) == 0)
			assert_true(i < strlen("-----BEGIN ") && back.len < der.len);
		pem.data[i] = was;
	}
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_facts),
		TEST(test_hostile_names),
		TEST(test_not_one_certificate),
		TEST(test_every_byte),
		TEST(test_other_keys),
		TEST(test_chains),
		TEST(test_pem),
		TEST(test_broken_chains),
		TEST(test_cut_chain),
		TEST(test_spoiled_frames),
	};

	return cmocka_run_group_tests_name("x509 of others", tests, keys_make, keys_free);
}
