/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates as OpenSSL and its command read and verify them, and what is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/certificate.h"
#include "crypto/test_fixture.h"
#include "crypto/x509.h"

#define SUBJECT "CN=gw-1,O=Example"
#define YEAR	INT64_C(31536000)
#define NOW	INT64_C(1800000000) /* in 2027 */
#define LAST	INT64_C(253402300799)

extern char **environ;

static struct x509_spec spec_of(enum pkey_type type)
{
	return (struct x509_spec){
		.subject = slice_str(SUBJECT),
		.serial = {0xff, 1, 2, 3},
		.not_before = NOW,
		.not_after = NOW + YEAR,
		.scheme = pkey_type_is_rsa(type) ? PKEY_RSASSA : PKEY_ECDSA,
		.hash = HASH_SHA256,
	};
}

/* Both halves, with the signature of @signer between them. */
static void make(const struct x509_spec *asked, enum pkey_type type, enum pkey_type signer,
		 struct buf *ret_der)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024), info = BUF_INIT(X509_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	struct x509_spec spec = *asked;
	uint8_t digest[HASH_MAX_SIZE];
	struct slice bytes;
	struct err err = {0};

	spki_of(keys[type], &spki);
	spec.spki = buf_slice(&spki);
	assert_int_equal(x509_info(&spec, &info, &err), 0);
	assert_non_null(memmem(info.data, info.len, spki.data, spki.len));
	bytes = buf_slice(&info);
	assert_int_equal(hash_digest(spec.hash, &bytes, 1, digest, &err), 0);
	assert_int_equal(pkey_sign(keys[signer], spec.scheme, spec.hash,
				   slice_of(digest, hash_size(spec.hash)), &signature, &err),
			 0);
	assert_int_equal(
		x509_finish(bytes, spec.scheme, spec.hash, buf_slice(&signature), ret_der, &err),
		0);
}

static X509 *parse(struct slice der)
{
	const uint8_t *at = der.data;
	X509 *x509 = d2i_X509(NULL, &at, (long)der.len);

	assert_non_null(x509);
	assert_ptr_equal(at, der.data + der.len);
	return x509;
}

/* --- what is made --- */

/* A chain of one that is trusted, for a purpose of TLS, at a time. */
static void assert_trusted(X509 *x509, int purpose, int64_t when)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	assert_int_equal(X509_STORE_add_cert(store, x509), 1);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, x509, NULL), 1);
	X509_STORE_CTX_set_time(ctx, 0, (time_t)when);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx),
				    X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE |
					    X509_V_FLAG_PARTIAL_CHAIN);
	assert_int_equal(X509_STORE_CTX_set_purpose(ctx, purpose), 1);
	if (X509_verify_cert(ctx) != 1)
		fail_msg("%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
}

static void test_every_type(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES * 3; i++) {
		enum pkey_type type = (enum pkey_type)(i / 3);
		struct x509_spec spec = spec_of(type);
		CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
		X509 *x509;

		spec.hash = (enum hash_alg)(HASH_SHA256 + i % 3);
		make(&spec, type, type, &der);
		x509 = parse(buf_slice(&der));
		assert_int_equal(X509_get_version(x509), X509_VERSION_3);
		assert_int_equal(X509_self_signed(x509, 1), 1);
		assert_int_equal(X509_get_key_usage(x509), KU_DIGITAL_SIGNATURE);
		assert_int_equal(X509_get_extended_key_usage(x509),
				 XKU_SSL_CLIENT | XKU_SSL_SERVER);
		assert_int_equal(X509_check_ca(x509), 0);
		assert_int_equal(X509_get_ext_count(x509), 6);
		assert_true(X509_get_ext_by_NID(x509, NID_subject_alt_name, -1) >= 0);
		assert_non_null(X509_get0_subject_key_id(x509));
		assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_subject_key_id(x509),
						       X509_get0_authority_key_id(x509)),
				 0);
		assert_trusted(x509, X509_PURPOSE_SSL_CLIENT, NOW + 1);
		assert_trusted(x509, X509_PURPOSE_SSL_SERVER, NOW + YEAR - 1);
		X509_free(x509);
	}
}

/* The CN alone, where it is a name that servers have. */
static void test_alt_name(void **state)
{
	static const struct {
		const char *subject, *host, *ip;
	} rows[] = {
		{"CN=gw-1.example,O=x", "gw-1.example", NULL},
		{"CN=192.0.2.7", NULL, "192.0.2.7"},
		{"CN=Gateway of the hall", NULL, NULL},
		{"CN=*.example", NULL, NULL},
		{"O=gw-1", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct x509_spec spec = spec_of(PKEY_ECC_P256);
		CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
		bool has = rows[i].host || rows[i].ip;
		X509 *x509;

		spec.subject = slice_str(rows[i].subject);
		make(&spec, PKEY_ECC_P256, PKEY_ECC_P256, &der);
		x509 = parse(buf_slice(&der));
		assert_int_equal(X509_get_ext_by_NID(x509, NID_subject_alt_name, -1) >= 0, has);
		if (rows[i].host)
			assert_int_equal(X509_check_host(x509, rows[i].host, 0,
							 X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL),
					 1);
		if (rows[i].ip)
			assert_int_equal(X509_check_ip_asc(x509, rows[i].ip, 0), 1);
		X509_free(x509);
	}
}

static void test_times(void **state)
{
	static const struct {
		int64_t seconds;
		int type;
		const char *text;
	} rows[] = {
		{0, V_ASN1_UTCTIME, "700101000000Z"},
		{946684799, V_ASN1_UTCTIME, "991231235959Z"},
		{946684800, V_ASN1_UTCTIME, "000101000000Z"},
		{2147483648, V_ASN1_UTCTIME, "380119031408Z"},
		{2524607999, V_ASN1_UTCTIME, "491231235959Z"},
		{2524608000, V_ASN1_GENERALIZEDTIME, "20500101000000Z"},
		{4107542400, V_ASN1_GENERALIZEDTIME, "21000301000000Z"},
		{LAST, V_ASN1_GENERALIZEDTIME, "99991231235959Z"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct x509_spec spec = spec_of(PKEY_ECC_P256);
		CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
		CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
		const ASN1_TIME *time;
		struct err err;
		X509 *x509;

		spec.not_before = 0;
		spec.not_after = rows[i].seconds;
		make(&spec, PKEY_ECC_P256, PKEY_ECC_P256, &der);
		x509 = parse(buf_slice(&der));
		time = X509_get0_notAfter(x509);
		assert_int_equal(ASN1_STRING_type(time), rows[i].type);
		assert_true(slice_equal(
			slice_str(rows[i].text),
			slice_of(ASN1_STRING_get0_data(time), (size_t)ASN1_STRING_length(time))));
		X509_free(x509);
		assert_int_equal(x509_read(buf_slice(&der), &facts, &err), 0);
		assert_int_equal(facts.not_before, 0);
		assert_int_equal(facts.not_after, rows[i].seconds);
	}
}

static void test_serials(void **state)
{
	static const struct {
		uint8_t serial[X509_SERIAL_MAX];
		const char *read;
	} rows[] = {
		{{[19] = 1}, "01"},
		{{[19] = 0x80}, "80"},
		{{[18] = 1}, "0100"},
		{{[0] = 0xff, [19] = 1}, "7f00000000000000000000000000000000000001"},
		{{[0] = 0x80, [1] = 0x7f, [19] = 2}, "7f000000000000000000000000000000000002"},
		{{[0] = 0x80, [1] = 0x90, [19] = 2}, "90000000000000000000000000000000000002"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct x509_spec spec = spec_of(PKEY_ECC_P256);
		CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
		CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
		struct err err;

		memcpy(spec.serial, rows[i].serial, sizeof(spec.serial));
		make(&spec, PKEY_ECC_P256, PKEY_ECC_P256, &der);
		assert_int_equal(x509_read(buf_slice(&der), &facts, &err), 0);
		assert_string_equal(facts.serial, rows[i].read);
	}
}

static void test_specs_refused(void **state)
{
	static const uint8_t no_key[] = {0x30, 0x00};
	static const uint8_t no_certificate[] = {0x30, 0x03, 0x02, 0x01, 0x01};
	static const struct {
		const char *subject;
		uint8_t serial;
		int64_t before, after;
		enum pkey_scheme scheme;
		enum hash_alg hash;
		struct slice spki, issuer;
		int code;
	} rows[] = {
		{.subject = "", .serial = 1, .hash = HASH_SHA256, .code = ERR_INVALID},
		{.subject = "CN=", .serial = 1, .hash = HASH_SHA256, .code = ERR_INVALID},
		{.subject = "CN=a\\00b", .serial = 1, .hash = HASH_SHA256, .code = ERR_INVALID},
		{.subject = SUBJECT, .serial = 0, .hash = HASH_SHA256, .code = ERR_INVALID},
		{SUBJECT, 1, -1, 1, PKEY_ECDSA, HASH_SHA256, {0}, {0}, ERR_INVALID},
		{SUBJECT, 1, 2, 1, PKEY_ECDSA, HASH_SHA256, {0}, {0}, ERR_INVALID},
		{SUBJECT, 1, 0, LAST + 1, PKEY_ECDSA, HASH_SHA256, {0}, {0}, ERR_INVALID},
		{SUBJECT, 1, 0, INT64_MAX, PKEY_ECDSA, HASH_SHA256, {0}, {0}, ERR_INVALID},
		{SUBJECT, 1, 0, 1, PKEY_RSAPSS, HASH_SHA256, {0}, {0}, ERR_NOT_SUPPORTED},
		{SUBJECT, 1, 0, 1, PKEY_ECDSA, HASH_SHA1, {0}, {0}, ERR_NOT_SUPPORTED},
		{SUBJECT, 1, 0, 1, PKEY_ECDSA, HASH_ALGS, {0}, {0}, ERR_NOT_SUPPORTED},
		{SUBJECT, 1, 0, 1, 0, HASH_SHA256, {no_key, 2}, {0}, ERR_INVALID},
		{SUBJECT, 1, 0, 1, 0, HASH_SHA256, {0}, {no_certificate, 5}, ERR_DAMAGED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024), info = BUF_INIT(X509_MAX);
		struct x509_spec spec = {.subject = slice_str(rows[i].subject),
					 .serial = {[19] = rows[i].serial},
					 .not_before = rows[i].before,
					 .not_after = rows[i].after,
					 .scheme = rows[i].scheme,
					 .hash = rows[i].hash,
					 .issuer = rows[i].issuer};
		struct err err = {0};

		spki_of(keys[PKEY_ECC_P256], &spki);
		spec.spki = rows[i].spki.len ? rows[i].spki : buf_slice(&spki);
		if (x509_info(&spec, &info, &err) != rows[i].code)
			fail_msg("row %zu: %d %s", i, err.code, err.text);
		assert_int_equal(info.len, 0);
		assert_true(err.text[0] != '\0');
	}
}

/* The second half must be of what the first one says, and of a certificate. */
static void test_finish_refused(void **state)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024), info = BUF_INIT(X509_MAX);
	CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX);
	static const uint8_t large[X509_MAX];
	struct x509_spec spec = spec_of(PKEY_ECC_P256);
	struct slice mark = slice_str("x"), bytes;
	struct err err;

	(void)state;
	spki_of(keys[PKEY_ECC_P256], &spki);
	spec.spki = buf_slice(&spki);
	assert_int_equal(x509_info(&spec, &info, &err), 0);
	bytes = buf_slice(&info);
	assert_int_equal(x509_finish(bytes, PKEY_ECDSA, HASH_SHA384, mark, &der, &err),
			 ERR_INVALID);
	assert_int_equal(x509_finish(bytes, PKEY_RSASSA, HASH_SHA256, mark, &der, &err),
			 ERR_INVALID);
	assert_int_equal(x509_finish(bytes, PKEY_RSAPSS, HASH_SHA256, mark, &der, &err),
			 ERR_NOT_SUPPORTED);
	assert_int_equal(x509_finish(mark, PKEY_ECDSA, HASH_SHA256, mark, &der, &err), ERR_INVALID);
	assert_int_equal(x509_finish(bytes, PKEY_ECDSA, HASH_SHA256, slice_of(large, sizeof(large)),
				     &der, &err),
			 ERR_TOO_LARGE);
	assert_int_equal(der.len, 0);
}

/* By a key of another type: its name and key identifier stand in it. */
static void test_issued(void **state)
{
	CLEANUP(buf_fini) struct buf above = BUF_INIT(X509_MAX), der = BUF_INIT(X509_MAX);
	CLEANUP(buf_fini) struct buf chain = BUF_INIT(2 * X509_MAX), spki = BUF_INIT(1024);
	CLEANUP(x509_facts_cleanup) struct x509_facts facts = X509_FACTS_INIT;
	struct x509_spec spec = spec_of(PKEY_RSA_2048);
	X509 *x509, *issuer;
	struct err err;

	(void)state;
	make(&spec, PKEY_RSA_2048, PKEY_RSA_2048, &above);
	spec.subject = slice_str("CN=gw-2,O=Lu\xc4\x8di\xc4\x87");
	spec.issuer = buf_slice(&above);
	make(&spec, PKEY_ECC_P384, PKEY_RSA_2048, &der);
	x509 = parse(buf_slice(&der));
	issuer = parse(buf_slice(&above));
	assert_int_equal(X509_check_issued(issuer, x509), X509_V_ERR_KEYUSAGE_NO_CERTSIGN);
	assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(x509),
					       X509_get0_subject_key_id(issuer)),
			 0);
	X509_free(x509);
	X509_free(issuer);
	assert_int_equal(x509_read(buf_slice(&der), &facts, &err), 0);
	assert_string_equal(facts.issuer, SUBJECT);
	assert_string_equal(facts.subject, "CN=gw-2,O=Lu\\C4\\8Di\\C4\\87");
	assert_false(facts.self_signed);
	assert_true(facts.for_client && facts.for_server);
	spki_of(keys[PKEY_RSA_2048], &spki);
	assert_int_equal(x509_verify(buf_slice(&der), buf_slice(&spki), &err), 0);
	assert_int_equal(x509_verify(buf_slice(&der), buf_slice(&facts.spki), &err), ERR_DAMAGED);
	assert_int_equal(x509_verify(buf_slice(&der), slice_str("key"), &err), ERR_INVALID);
	assert_int_equal(x509_verify(slice_str("0"), buf_slice(&spki), &err), ERR_DAMAGED);
	buf_put(&chain, buf_slice(&der));
	buf_put(&chain, buf_slice(&above));
	assert_int_equal(x509_chain_check(buf_slice(&chain), &err), 0);
}

static bool command_runs(const char *const *arguments)
{
	posix_spawn_file_actions_t actions;
	int status = -1, r;
	pid_t pid;

	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	for (int fd = 1; fd <= 2; fd++)
		assert_int_equal(
			posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0),
			0);
	r = posix_spawnp(&pid, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments,
			 environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return false;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What a program says that is not linked with us. */
static void test_openssl_command(void **state)
{
	char path[] = "/tmp/hf-x509-XXXXXX", when[] = "1800000001";
	const char *const version[] = {"openssl", "version", NULL};
	const char *const verify[] = {"openssl",  "verify",    "-x509_strict",	 "-check_ss_sig",
				      "-purpose", "sslclient", "-attime",	 when,
				      "-CAfile",  path,	       "-partial_chain", path,
				      NULL};
	CLEANUP(buf_fini) struct buf der = BUF_INIT(X509_MAX), pem = BUF_INIT(X509_MAX);
	struct x509_spec spec = spec_of(PKEY_ECC_P256);
	struct err err;
	int fd;

	(void)state;
	if (!command_runs(version))
		skip();
	make(&spec, PKEY_ECC_P256, PKEY_ECC_P256, &der);
	assert_int_equal(x509_chain_to_pem(buf_slice(&der), &pem, &err), 0);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pem.data, pem.len), pem.len);
	assert_int_equal(close(fd), 0);
	assert_true(command_runs(verify));
	/* One second before its time it is refused. */
	memcpy(when, "1799999999", sizeof(when) - 1);
	assert_false(command_runs(verify));
	assert_int_equal(unlink(path), 0);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_type), TEST(test_times),	   TEST(test_alt_name),
		TEST(test_serials),    TEST(test_specs_refused),   TEST(test_finish_refused),
		TEST(test_issued),     TEST(test_openssl_command),
	};

	return cmocka_run_group_tests_name("x509", tests, keys_make, keys_free);
}
