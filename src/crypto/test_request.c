/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as OpenSSL reads and verifies them, and names that are refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/request.h"
#include "crypto/test_fixture.h"

#define NAME(kind_, text_)                                                                         \
	{                                                                                          \
		.kind = (kind_), .text = {(const uint8_t *)(text_), sizeof(text_) - 1 }            \
	}

/* Both halves, with the pair's signature between them. */
static void make(enum pkey_type type, enum hash_alg alg, struct request *request,
		 struct buf *ret_pem)
{
	enum pkey_scheme scheme = pkey_type_is_rsa(type) ? PKEY_RSASSA : PKEY_ECDSA;
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024), info = BUF_INIT(REQUEST_MAX);
	CLEANUP(buf_fini) struct buf signature = BUF_INIT(512);
	uint8_t digest[HASH_MAX_SIZE];
	struct err err = {0};
	struct slice bytes;

	spki_of(keys[type], &spki);
	request->spki = buf_slice(&spki);
	assert_int_equal(request_info(request, &info, &err), 0);
	assert_non_null(memmem(info.data, info.len, spki.data, spki.len));
	bytes = buf_slice(&info);
	assert_int_equal(hash_digest(alg, &bytes, 1, digest, &err), 0);
	assert_int_equal(pkey_sign(keys[type], scheme, alg, slice_of(digest, hash_size(alg)),
				   &signature, &err),
			 0);
	assert_int_equal(request_finish(bytes, scheme, alg, buf_slice(&signature), ret_pem, &err),
			 0);
}

static X509_REQ *read_request(const struct buf *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(req);
	return req;
}

/* As OpenSSL writes it by RFC 2253, which is RFC 4514 for what is asked here. */
static void assert_subject(X509_REQ *req, const char *wanted)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;

	X509_NAME_print_ex(bio, X509_REQ_get_subject_name(req), 0,
			   XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	len = BIO_get_mem_data(bio, &text);
	if (!slice_equal(slice_of(text, (size_t)len), slice_str(wanted)))
		fail_msg("subject %.*s, wanted %s", (int)len, text, wanted);
	BIO_free(bio);
}

static void test_every_type(void **state)
{
	static const char subject[] = "CN=gw-1,O=Example";

	(void)state;
	for (unsigned i = 0; i < PKEY_TYPES * 3; i++) {
		struct request request = {.subject = slice_str(subject)};
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(REQUEST_PEM_MAX);
		X509_REQ *req;

		make((enum pkey_type)(i / 3), (enum hash_alg)(HASH_SHA256 + i % 3), &request, &pem);
		req = read_request(&pem);
		assert_int_equal(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
		assert_int_equal(X509_REQ_get_version(req), 0);
		assert_subject(req, subject);
		assert_int_equal(X509_REQ_get_attr_count(req), 0);
		X509_REQ_free(req);
	}
}

static void test_subjects(void **state)
{
	static const struct {
		const char *text;
		const char *read; /* NULL = the same */
	} rows[] = {
		{"C=DE", NULL},
		{"cn=a,o=b,Ou=c", "CN=a,O=b,OU=c"},
		{"CN=gw,OU=x,O=y,STREET=s 1,L=l,ST=st,C=DE",
		 "CN=gw,OU=x,O=y,street=s 1,L=l,ST=st,C=DE"},
		{"UID=jo,DC=example,DC=net", NULL},
		{"serialNumber=A-1/2:(3)", NULL},
		{"emailAddress=a@example.net,CN=x", NULL},
		{"CN=a b  c", NULL},
		{"CN=a#b=c", NULL},
		{"CN=\\#a\\ ", NULL},
		{"CN=\\ a", NULL},
		{"CN=Smith\\, John\\+\\\"\\<\\>\\;\\\\", NULL},
		{"CN=a\\2Cb\\2c", "CN=a\\,b\\,"},
		{"CN=a\\=b", "CN=a=b"},
		{"CN=Lu\\C4\\8di\\c4\\87", "CN=Lu\xc4\x8di\xc4\x87"},
		{"CN=\xe2\x82\xac", NULL},
		{"OU=Sales+CN=J", "OU=Sales+CN=J"},
		{"CN=J+OU=Sales", "OU=Sales+CN=J"},
		{"CN=b+CN=a,O=x", "CN=b+CN=a,O=x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct request request = {.subject = slice_str(rows[i].text)};
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(REQUEST_PEM_MAX);
		X509_REQ *req;

		make(PKEY_ECC_P256, HASH_SHA256, &request, &pem);
		req = read_request(&pem);
		assert_subject(req, rows[i].read ? rows[i].read : rows[i].text);
		assert_int_equal(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
		X509_REQ_free(req);
	}
}

static int info_of(const struct request *request, struct err *err)
{
	CLEANUP(buf_fini) struct buf spki = BUF_INIT(1024), info = BUF_INIT(REQUEST_MAX);
	struct request whole = *request;
	int r;

	spki_of(keys[PKEY_ECC_P256], &spki);
	whole.spki = buf_slice(&spki);
	r = request_info(&whole, &info, err);
	if (r < 0) {
		assert_int_equal(info.len, 0);
		assert_true(err->text[0] != '\0');
	}
	return r;
}

static void test_subjects_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says; /* is in the error */
	} rows[] = {
		{"CN", "attribute"},
		{"=x", "attribute"},
		{"CN=", "1 to 64"},
		{"CN=a,", "byte 6"},
		{",CN=a", "byte 1"},
		{"CN=a,,O=b", "byte 6"},
		{"CN=a, O=b", "byte 6"},
		{" CN=a", "byte 1"},
		{"CN= a", "space in front"},
		{"CN=a ", "space behind"},
		{"CN=a ,O=b", "space behind"},
		{"CN =a", "attribute"},
		{"CN=#0c0161", "hexadecimal"},
		{"CN=a\"b", "escaped"},
		{"CN=\"a\"", "escaped"},
		{"CN=a;O=b", "escaped"},
		{"CN=a<b", "escaped"},
		{"CN=a>b", "escaped"},
		{"CN=a\\", "backslash"},
		{"CN=a\\q", "backslash"},
		{"CN=a\\4", "backslash"},
		{"CN=a\\4g", "backslash"},
		{"CN=a\\00", "character"},
		{"CN=a\\0a", "character"},
		{"CN=a\x7f", "character"},
		{"CN=\xff", "UTF-8"},
		{"CN=\\C4", "UTF-8"},
		{"X=1", "X is unknown"},
		{"2.5.4.3=a", "attribute"},
		{"C=DEU", "2 to 2"},
		{"C=de", "character"},
		{"C=D1", "character"},
		{"DC=\xc3\xa4", "character"},
		{"serialNumber=a_b", "character"},
		{"CN=a+", "byte 6"},
		{"CN=a+O=b+L=c+ST=d+OU=e", "joined"},
		{"CN=12345678901234567890123456789012345678901234567890123456789012345", "1 to 64"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct request request = {.subject = slice_str(rows[i].text)};
		struct err err = {0};
		int r = info_of(&request, &err);

		if (r != ERR_INVALID || !strstr(err.text, rows[i].says))
			fail_msg("%s: %d %s", rows[i].text, r, err.text);
	}
}

static const struct request_name good_names[] = {
	NAME(REQUEST_DNS, "gw-1.example.net"),
	NAME(REQUEST_DNS, "*.example.net"),
	NAME(REQUEST_DNS, "localhost"),
	NAME(REQUEST_DNS, "1a.2b"),
	NAME(REQUEST_IP, "192.0.2.7"),
	NAME(REQUEST_IP, "2001:db8::1"),
	NAME(REQUEST_EMAIL, "a.b+c@example.net"),
	NAME(REQUEST_URI, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
	NAME(REQUEST_URI, "https://example.net:8/%20?a=b#c"),
	NAME(REQUEST_URI, "spiffe://td/x"),
};

static void assert_name(const GENERAL_NAME *name, const struct request_name *wanted)
{
	static const int types[] = {[REQUEST_DNS] = GEN_DNS,
				    [REQUEST_IP] = GEN_IPADD,
				    [REQUEST_EMAIL] = GEN_EMAIL,
				    [REQUEST_URI] = GEN_URI};
	static const uint8_t v4[] = {192, 0, 2, 7};
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	int type = -1;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	struct slice bytes = wanted->text;

	assert_int_equal(type, types[wanted->kind]);
	if (type == GEN_IPADD)
		bytes = bytes.data[0] == '1' ? slice_of(v4, 4) : slice_of(v6, 16);
	assert_true(slice_equal(
		slice_of(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)), bytes));
}

/* With a subject, and without: then nobody may pass over the names. */
static void test_names(void **state)
{
	static const char *const subjects[] = {"CN=x", ""};

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(subjects); s++) {
		struct request request = {.subject = slice_str(subjects[s]),
					  .names = good_names,
					  .count = ARRAY_LEN(good_names)};
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(REQUEST_PEM_MAX);
		STACK_OF(X509_EXTENSION) * extensions;
		GENERAL_NAMES *names;
		int critical = -1;
		X509_REQ *req;

		make(PKEY_RSA_2048, HASH_SHA256, &request, &pem);
		req = read_request(&pem);
		assert_int_equal(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
		assert_subject(req, subjects[s]);
		extensions = X509_REQ_get_extensions(req);
		assert_int_equal(sk_X509_EXTENSION_num(extensions), 1);
		names = X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);
		assert_int_equal(critical, subjects[s][0] == '\0');
		assert_int_equal(sk_GENERAL_NAME_num(names), ARRAY_LEN(good_names));
		for (size_t i = 0; i < ARRAY_LEN(good_names); i++)
			assert_name(sk_GENERAL_NAME_value(names, (int)i), &good_names[i]);
		GENERAL_NAMES_free(names);
		sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
		X509_REQ_free(req);
	}
}

static void test_names_refused(void **state)
{
	static const struct request_name bad[] = {
		NAME(REQUEST_DNS, ""),
		NAME(REQUEST_DNS, "."),
		NAME(REQUEST_DNS, "a."),
		NAME(REQUEST_DNS, ".a"),
		NAME(REQUEST_DNS, "a..b"),
		NAME(REQUEST_DNS, "-a"),
		NAME(REQUEST_DNS, "a-.b"),
		NAME(REQUEST_DNS, "a_b"),
		NAME(REQUEST_DNS, "a b"),
		NAME(REQUEST_DNS, "a\0b"),
		NAME(REQUEST_DNS, "b\xc3\xbc.de"),
		NAME(REQUEST_DNS, "*"),
		NAME(REQUEST_DNS, "*."),
		NAME(REQUEST_DNS, "*.*.a"),
		NAME(REQUEST_DNS, "a.*.b"),
		NAME(REQUEST_DNS, "a*.b"),
		NAME(REQUEST_DNS,
		     "a123456789012345678901234567890123456789012345678901234567890123"),
		NAME(REQUEST_IP, ""),
		NAME(REQUEST_IP, "1.2.3"),
		NAME(REQUEST_IP, "1.2.3.256"),
		NAME(REQUEST_IP, "1.2.3.4/8"),
		NAME(REQUEST_IP, "1.2.3.4\0"),
		NAME(REQUEST_IP, "1::2::3"),
		NAME(REQUEST_IP, "fe80::1%eth0"),
		NAME(REQUEST_IP, "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"),
		NAME(REQUEST_EMAIL, "a"),
		NAME(REQUEST_EMAIL, "@b"),
		NAME(REQUEST_EMAIL, "a@"),
		NAME(REQUEST_EMAIL, "a@b@c"),
		NAME(REQUEST_EMAIL, ".a@b"),
		NAME(REQUEST_EMAIL, "a.@b"),
		NAME(REQUEST_EMAIL, "a..b@c"),
		NAME(REQUEST_EMAIL, "\"a b\"@c"),
		NAME(REQUEST_EMAIL, "a@*.c"),
		NAME(REQUEST_EMAIL, "A <a@c>"),
		NAME(REQUEST_URI, ""),
		NAME(REQUEST_URI, "example.net"),
		NAME(REQUEST_URI, "/path"),
		NAME(REQUEST_URI, ":x"),
		NAME(REQUEST_URI, "http:"),
		NAME(REQUEST_URI, "1http:x"),
		NAME(REQUEST_URI, "ht_tp:x"),
		NAME(REQUEST_URI, "http://"),
		NAME(REQUEST_URI, "http:///x"),
		NAME(REQUEST_URI, "http://?x"),
		NAME(REQUEST_URI, "http://a/%2"),
		NAME(REQUEST_URI, "http://a/%zz"),
		NAME(REQUEST_URI, "http://a b"),
		NAME(REQUEST_URI, "http://a\nb"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct request_name names[] = {good_names[0], bad[i]};
		const struct request request = {
			.subject = slice_str("CN=x"), .names = names, .count = 2};
		struct err err = {0};
		int r = info_of(&request, &err);

		if (r != ERR_INVALID)
			fail_msg("%.*s: %d", (int)bad[i].text.len, (const char *)bad[i].text.data,
				 r);
	}
}

static void test_limits(void **state)
{
	static char subject[REQUEST_SUBJECT_MAX + 2], uri[2050];
	static struct request_name names[REQUEST_NAMES_MAX + 1];
	struct request request = {.subject = slice_str("CN=x"), .names = names};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		names[i] = good_names[0];
	request.count = REQUEST_NAMES_MAX;
	assert_int_equal(info_of(&request, &err), 0);
	request.count++;
	assert_int_equal(info_of(&request, &err), ERR_INVALID);
	memset(uri, 'u', sizeof(uri));
	uri[3] = ':';
	names[0] = (struct request_name){REQUEST_URI, slice_of(uri, 2048)};
	request.count = 1;
	assert_int_equal(info_of(&request, &err), 0);
	names[0].text.len++;
	assert_int_equal(info_of(&request, &err), ERR_INVALID);
	for (size_t i = 0; i < 10; i++)
		names[i] = (struct request_name){REQUEST_URI, slice_of(uri, 2048)};
	request.count = 10;
	assert_int_equal(info_of(&request, &err), ERR_TOO_LARGE);
	request = (struct request){.subject = slice_of(NULL, 0)};
	assert_int_equal(info_of(&request, &err), ERR_INVALID);
	for (size_t i = 0; i + 5 < sizeof(subject); i += 5)
		memcpy(subject + i, "CN=a,", 5);
	request.subject = slice_of(subject, 32 * 5 - 1);
	assert_int_equal(info_of(&request, &err), 0);
	request.subject.len += 5;
	assert_int_equal(info_of(&request, &err), ERR_INVALID);
	request.subject.len = REQUEST_SUBJECT_MAX + 1;
	assert_int_equal(info_of(&request, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "1024"));
}

static void test_public_key_refused(void **state)
{
	const struct request request = {.subject = slice_str("CN=x"), .spki = slice_str("no key")};
	CLEANUP(buf_fini) struct buf info = BUF_INIT(REQUEST_MAX);
	struct err err = {0};

	(void)state;
	assert_int_equal(request_info(&request, &info, &err), ERR_INVALID);
	assert_int_equal(info.len, 0);
}

static void test_finish_refuses(void **state)
{
	static const struct {
		enum pkey_scheme scheme;
		enum hash_alg alg;
		size_t len;
		int code;
	} rows[] = {
		{PKEY_RSAPSS, HASH_SHA256, 64, ERR_NOT_SUPPORTED},
		{PKEY_ECDSA, HASH_SHA1, 64, ERR_NOT_SUPPORTED},
		{PKEY_RSASSA, HASH_ALGS, 64, ERR_NOT_SUPPORTED},
		{PKEY_ECDSA, HASH_SHA256, REQUEST_MAX, ERR_TOO_LARGE},
	};
	static const uint8_t signature[REQUEST_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf pem = BUF_INIT(REQUEST_PEM_MAX);
		struct err err = {0};

		assert_int_equal(request_finish(slice_str("info"), rows[i].scheme, rows[i].alg,
						slice_of(signature, rows[i].len), &pem, &err),
				 rows[i].code);
		assert_int_equal(pem.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type),	   cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_subjects_refused),   cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_refused),	   cmocka_unit_test(test_limits),
		cmocka_unit_test(test_public_key_refused), cmocka_unit_test(test_finish_refuses),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_free);
}
