/* SPDX-License-Identifier: Apache-2.0 */
/* Ways of certificates to their makers, of endorsement keys and of who signs; and what is none. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/cms.h"
#include "crypto/pkey.h"
#include "crypto/x509.h"

#define USAGE "2.23.133.8.1"
#define TPM_NAMES                                                                                  \
	"critical,dirName:tpm\n[tpm]\n1.2.23.133.2.1=id:1014\n2.2.23.133.2.2=chip\n3.2.23.133.2."  \
	"3=id:"                                                                                    \
	"1\n"

enum { ROOT, MIDDLE, FOREIGN, NARROW, OWN, BELOW, LEAVES };

enum shape {
	FIT,
	NO_USAGE,
	OTHER_USAGE,
	ANY_USAGE,
	CA,
	UNKNOWN_CRITICAL,
	OLD_DIGEST,
	OF_ROOT,
	OF_FOREIGN,
	OF_NARROW,   /* a CA for something else only */
	OF_OWN,	     /* a CA for the usage, among others */
	OF_BELOW,    /* a CA that says nothing, below one for something else */
	LIKE_MIDDLE, /* names it as its issuer, and is not signed by it */
	SHAPES
};

static struct {
	EVP_PKEY *key;
	X509 *x509;
} issuers[LEAVES];
static X509 *leaves[SHAPES];

static void extend(X509 *x509, const char *name, const char *value)
{
	X509V3_CTX ctx;
	CONF *conf = NCONF_new(NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	X509_EXTENSION *extension;

	assert_true(conf && bio && BIO_printf(bio, "it=%s\n", value) > 0);
	assert_int_equal(NCONF_load_bio(conf, bio, NULL), 1);
	X509V3_set_ctx(&ctx, NULL, x509, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	extension = X509V3_EXT_nconf(conf, &ctx, name, NCONF_get_string(conf, NULL, "it"));
	if (!extension)
		fail_msg("%s", value);
	assert_int_equal(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
	NCONF_free(conf);
	BIO_free(bio);
}

/* All have expired long ago. @name NULL: without a subject. */
static X509 *begin_one(const char *name, EVP_PKEY *key, X509 *issuer)
{
	X509 *x509 = X509_new();

	assert_non_null(x509);
	assert_int_equal(X509_set_version(x509, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), 5), 1);
	assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(x509), "200101000000Z"), 1);
	assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(x509), "210101000000Z"), 1);
	if (name)
		assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
							    MBSTRING_ASC, (const uint8_t *)name, -1,
							    -1, 0),
				 1);
	assert_int_equal(X509_set_issuer_name(x509, X509_get_subject_name(issuer ? issuer : x509)),
			 1);
	assert_int_equal(X509_set_pubkey(x509, key), 1);
	return x509;
}

static void make_issuer(size_t i, const char *name, size_t by, const char *usages)
{
	issuers[i].key = EVP_EC_gen("P-256");
	issuers[i].x509 = begin_one(name, issuers[i].key, i == by ? NULL : issuers[by].x509);
	extend(issuers[i].x509, "basicConstraints", "critical,CA:TRUE");
	extend(issuers[i].x509, "keyUsage", "critical,keyCertSign");
	if (usages)
		extend(issuers[i].x509, "extendedKeyUsage", usages);
	assert_true(X509_sign(issuers[i].x509, issuers[by].key, EVP_sha256()) > 0);
}

static X509 *make_leaf(enum shape shape)
{
	static const char *const USAGES[SHAPES] = {
		[FIT] = USAGE,
		[OTHER_USAGE] = "serverAuth",
		[ANY_USAGE] = "anyExtendedKeyUsage",
		[CA] = USAGE,
		[UNKNOWN_CRITICAL] = USAGE,
		[OLD_DIGEST] = USAGE,
		[OF_ROOT] = USAGE,
		[OF_FOREIGN] = USAGE,
		[OF_NARROW] = USAGE,
		[OF_OWN] = USAGE,
		[OF_BELOW] = USAGE,
		[LIKE_MIDDLE] = USAGE,
	};
	static const size_t BY[SHAPES] = {
		[FIT] = MIDDLE,		[NO_USAGE] = MIDDLE,	[OTHER_USAGE] = MIDDLE,
		[ANY_USAGE] = MIDDLE,	[CA] = MIDDLE,		[UNKNOWN_CRITICAL] = MIDDLE,
		[OLD_DIGEST] = MIDDLE,	[LIKE_MIDDLE] = MIDDLE, [OF_ROOT] = ROOT,
		[OF_FOREIGN] = FOREIGN, [OF_NARROW] = NARROW,	[OF_OWN] = OWN,
		[OF_BELOW] = BELOW,
	};
	size_t by = BY[shape];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = begin_one(NULL, key, issuers[by].x509);

	extend(x509, "subjectAltName", TPM_NAMES);
	extend(x509, "basicConstraints", shape == CA ? "critical,CA:TRUE" : "critical,CA:FALSE");
	extend(x509, "keyUsage", "critical,keyAgreement");
	if (USAGES[shape])
		extend(x509, "extendedKeyUsage", USAGES[shape]);
	if (shape == UNKNOWN_CRITICAL)
		extend(x509, "1.2.3.4.5", "critical,DER:0500");
	assert_true(X509_sign(x509, issuers[shape == LIKE_MIDDLE ? FOREIGN : by].key,
			      shape == OLD_DIGEST ? EVP_sha1() : EVP_sha256()) > 0);
	EVP_PKEY_free(key);
	return x509;
}

static int begin(void **state)
{
	(void)state;
	make_issuer(ROOT, "Maker", ROOT, NULL);
	make_issuer(MIDDLE, "Maker 1", ROOT, NULL);
	make_issuer(FOREIGN, "Maker", FOREIGN, NULL);
	make_issuer(NARROW, "Maker 2", ROOT, "serverAuth");
	make_issuer(OWN, "Maker 3", ROOT, "serverAuth," USAGE);
	make_issuer(BELOW, "Maker 4", NARROW, NULL);
	for (size_t i = 0; i < SHAPES; i++)
		leaves[i] = make_leaf((enum shape)i);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEAVES; i++) {
		EVP_PKEY_free(issuers[i].key);
		X509_free(issuers[i].x509);
	}
	for (size_t i = 0; i < SHAPES; i++)
		X509_free(leaves[i]);
	return 0;
}

static void add(struct buf *der, X509 *x509)
{
	uint8_t *bytes = NULL;
	int len = i2d_X509(x509, &bytes);

	assert_true(len > 0);
	buf_put(der, slice_of(bytes, (size_t)len));
	assert_true(buf_ok(der));
	OPENSSL_free(bytes);
}

#define BIT(i) (1u << (i))

/* @others and @anchors are bits of issuers. */
static int leads(enum shape shape, unsigned others, unsigned anchors)
{
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(65536), trusted = BUF_INIT(65536);
	struct err err = {0};
	int r;

	add(&chain, leaves[shape]);
	for (size_t i = 0; i < LEAVES; i++) {
		if (others & BIT(i))
			add(&chain, issuers[i].x509);
		if (anchors & BIT(i))
			add(&trusted, issuers[i].x509);
	}
	r = x509_leads(buf_slice(&chain), buf_slice(&trusted), USAGE, &err);
	assert_int_equal(r, err.code);
	return r;
}

static void test_leads(void **state)
{
	const struct {
		enum shape shape;
		unsigned others, anchors;
		int result;
	} rows[] = {
		{FIT, BIT(MIDDLE), BIT(ROOT), 0},
		{FIT, 0, BIT(MIDDLE), 0}, /* which is no root */
		{FIT, 0, BIT(MIDDLE) | BIT(ROOT) | BIT(FOREIGN), 0},
		{FIT, BIT(ROOT) | BIT(MIDDLE) | BIT(FOREIGN), BIT(ROOT), 0},
		{FIT, 0, BIT(ROOT), ERR_FORBIDDEN},
		{FIT, BIT(MIDDLE) | BIT(ROOT), BIT(FOREIGN), ERR_FORBIDDEN},
		{NO_USAGE, BIT(MIDDLE), BIT(ROOT), 0},
		{OTHER_USAGE, BIT(MIDDLE), BIT(ROOT), ERR_FORBIDDEN},
		{ANY_USAGE, BIT(MIDDLE), BIT(ROOT), ERR_FORBIDDEN},
		{CA, BIT(MIDDLE), BIT(ROOT), ERR_FORBIDDEN},
		{UNKNOWN_CRITICAL, BIT(MIDDLE), BIT(ROOT), ERR_FORBIDDEN},
		{OLD_DIGEST, BIT(MIDDLE), BIT(ROOT), ERR_FORBIDDEN},
		{OF_ROOT, 0, BIT(ROOT), 0},
		{OF_ROOT, 0, BIT(FOREIGN), ERR_FORBIDDEN}, /* of the same name */
		{OF_FOREIGN, 0, BIT(ROOT), ERR_FORBIDDEN},
		{OF_FOREIGN, BIT(FOREIGN), BIT(ROOT), ERR_FORBIDDEN},
		{OF_NARROW, BIT(NARROW), BIT(ROOT), ERR_FORBIDDEN},
		{OF_NARROW, BIT(NARROW), BIT(ROOT) | BIT(NARROW), 0}, /* as the anchor it may */
		{OF_NARROW, 0, BIT(NARROW), 0},
		{OF_OWN, BIT(OWN), BIT(ROOT), 0},
		{OF_BELOW, BIT(BELOW) | BIT(NARROW), BIT(ROOT), ERR_FORBIDDEN},
		{OF_BELOW, BIT(BELOW), BIT(NARROW), 0},
		{LIKE_MIDDLE, BIT(MIDDLE), BIT(ROOT), ERR_FORBIDDEN},
		{FIT, BIT(MIDDLE), 0, ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = leads(rows[i].shape, rows[i].others, rows[i].anchors);

		if (r != rows[i].result)
			fail_msg("row %zu: %d", i, r);
	}
}

/* --- who signs ----------------------------------------------------------------------------- */

/* By @by, with a new key; the chain holds it and every issuer, and the signature is good. */
static void sign_text(size_t by, bool ca, struct buf *ret_whole)
{
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(65536), p8 = BUF_INIT(8192);
	CLEANUP(pkey_cleanup) struct pkey *signer = NULL;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = begin_one("Signer", key, issuers[by].x509);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	uint8_t *bytes = NULL;
	struct err err = {0};
	int len = i2d_PKCS8_PRIV_KEY_INFO(info, &bytes);

	/* Issuer and number are how a signature names its signer. */
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), 7), 1);
	assert_true(len > 0);
	buf_put(&p8, slice_of(bytes, (size_t)len));
	assert_int_equal(pkey_from_pkcs8(buf_slice(&p8), &signer, &err), 0);
	if (ca)
		extend(x509, "basicConstraints", "critical,CA:TRUE");
	extend(x509, "keyUsage", "critical,digitalSignature,keyCertSign");
	extend(x509, "extendedKeyUsage", USAGE);
	assert_true(X509_sign(x509, issuers[by].key, EVP_sha256()) > 0);
	add(&chain, x509);
	for (size_t i = 0; i < LEAVES; i++)
		add(&chain, issuers[i].x509);
	assert_int_equal(
		cms_seal_whole(signer, buf_slice(&chain), slice_str("text"), ret_whole, &err), 0);
	OPENSSL_free(bytes);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(key);
	X509_free(x509);
}

/* A CA makes signers for what it is there for, and signs nothing but certificates itself. */
static void test_signers(void **state)
{
	static const struct {
		size_t by, anchor;
		bool ca;
		int result;
	} rows[] = {
		{MIDDLE, ROOT, false, 0},
		{OWN, ROOT, false, 0},
		{NARROW, NARROW, false, 0},
		{NARROW, ROOT, false, ERR_FORBIDDEN},
		{BELOW, ROOT, false, ERR_FORBIDDEN},
		{MIDDLE, ROOT, true, ERR_FORBIDDEN},
		{ROOT, ROOT, true, ERR_FORBIDDEN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf anchors = BUF_INIT(65536), content = BUF_INIT(16);
		CLEANUP(buf_fini) struct buf whole = BUF_INIT(CMS_WHOLE_MAX);
		struct cms_trust trust = {.usage = USAGE, .at = CMS_ANY_TIME};
		struct err err = {0};
		int r;

		sign_text(rows[i].by, rows[i].ca, &whole);
		add(&anchors, issuers[rows[i].anchor].x509);
		trust.anchors = buf_slice(&anchors);
		r = cms_open_whole(buf_slice(&whole), &trust, &content, &err);
		if (r != rows[i].result)
			fail_msg("row %zu: %d %s", i, r, err.text);
		assert_int_equal(content.len, r == 0 ? 4 : 0);
	}
}

/* Some makers mark RSA keys as for OAEP only, which OpenSSL takes for no key: it leads nowhere. */
static void test_oaep_key(void **state)
{
	static const uint8_t OAEP[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
				       0xf7, 0x0d, 0x01, 0x01, 0x07};
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(65536), anchors = BUF_INIT(65536);
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *x509 = begin_one(NULL, key, issuers[ROOT].x509);
	X509_PUBKEY *pubkey = X509_get_X509_PUBKEY(x509);
	ASN1_OBJECT *oaep = OBJ_txt2obj("1.2.840.113549.1.1.7", 1);
	const uint8_t *bytes;
	struct err err;
	int len;

	(void)state;
	assert_int_equal(X509_PUBKEY_get0_param(NULL, &bytes, &len, NULL, pubkey), 1);
	assert_int_equal(X509_PUBKEY_set0_param(pubkey, oaep, V_ASN1_NULL, NULL,
						OPENSSL_memdup(bytes, (size_t)len), len),
			 1);
	assert_true(X509_sign(x509, issuers[ROOT].key, EVP_sha256()) > 0);
	add(&chain, x509);
	assert_non_null(memmem(chain.data, chain.len, OAEP, sizeof(OAEP)));
	add(&anchors, issuers[ROOT].x509);
	assert_int_equal(x509_leads(buf_slice(&chain), buf_slice(&anchors), USAGE, &err),
			 ERR_FORBIDDEN);
	EVP_PKEY_free(key);
	X509_free(x509);
}

static void test_bytes(void **state)
{
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(65536), anchors = BUF_INIT(262144);
	struct err err;

	(void)state;
	add(&anchors, issuers[ROOT].x509);
	add(&chain, leaves[OF_ROOT]);
	for (size_t len = 0; len < chain.len; len++)
		assert_int_equal(
			x509_leads(slice_of(chain.data, len), buf_slice(&anchors), USAGE, &err),
			ERR_DAMAGED);
	for (size_t len = 0; len < anchors.len; len += 7)
		assert_int_equal(
			x509_leads(buf_slice(&chain), slice_of(anchors.data, len), USAGE, &err),
			ERR_INVALID);
	for (unsigned i = 1; i < X509_CHAIN_MAX; i++)
		add(&chain, issuers[MIDDLE].x509);
	for (unsigned i = 1; i < X509_ANCHORS_MAX; i++)
		add(&anchors, issuers[FOREIGN].x509);
	assert_int_equal(x509_leads(buf_slice(&chain), buf_slice(&anchors), USAGE, &err), 0);
	add(&anchors, issuers[FOREIGN].x509);
	assert_int_equal(x509_leads(buf_slice(&chain), buf_slice(&anchors), USAGE, &err),
			 ERR_INVALID);
	anchors.len = 0;
	add(&anchors, issuers[ROOT].x509);
	add(&chain, issuers[MIDDLE].x509);
	assert_int_equal(x509_leads(buf_slice(&chain), buf_slice(&anchors), USAGE, &err),
			 ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leads),
		cmocka_unit_test(test_signers),
		cmocka_unit_test(test_oaep_key),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
