/* SPDX-License-Identifier: Apache-2.0 */
/* What keys are made for and what they do; each wrong word has its place in the answer. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <string.h>

#include "service/tpm_signature.h"

#define PUBLIC_MAX 512u

static void make_keys(struct fixture *fixture)
{
	static const char *const BODIES[] = {
		"{\"name\":\"s\",\"type\":\"ecc-p256\"}",
		"{\"name\":\"a\",\"type\":\"ecc-p256\",\"use\":[\"agree\"]}",
		"{\"name\":\"b\",\"type\":\"ecc-p384\",\"use\":[\"sign\",\"agree\"]}",
		"{\"name\":\"d\",\"type\":\"rsa-2048\",\"use\":[\"decrypt\"]}",
		"{\"name\":\"h\",\"type\":\"hmac-sha256\",\"use\":[\"sign\"]}",
	};
	size_t i;

	use_chip(fixture);
	for (i = 0; i < ARRAY_LEN(BODIES); i++)
		assert_int_equal(ask(fixture, "POST", "/v1/keys", BODIES[i]), 201);
}

static const struct {
	const char *path, *text;
} SHOWN[] = {
	{"/v1/keys/s", "\"use\":[\"sign\"]"},
	{"/v1/keys/s", "\"public\":\"-----BEGIN PUBLIC KEY-----"},
	{"/v1/keys/a", "\"use\":[\"agree\"]"},
	{"/v1/keys/b", "\"use\":[\"sign\",\"agree\"]"},
	{"/v1/keys/d", "\"use\":[\"decrypt\"]"},
	{"/v1/keys/h", "\"use\":[\"sign\"]"},
	{"/v1/keys/h", "\"type\":\"hmac-sha256\""},
	{"/v1/keys/h", "\"public\":null"},
	{"/v1/keys/h", "\"protection\":\"tpm\""},
};

static void shows_uses(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	make_keys(fixture);
	for (i = 0; i < ARRAY_LEN(SHOWN); i++) {
		assert_int_equal(ask(fixture, "GET", SHOWN[i].path, NULL), 200);
		answer_has(fixture, SHOWN[i].text);
	}
}

static const struct {
	const char *path, *body;
	int status;
	const char *text;
} ROWS[] = {
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"ecc-p256\",\"use\":[]}", 400, "/use: must be"},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"ecc-p256\",\"use\":\"sign\"}", 400,
	 "/use: must be"},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"ecc-p256\",\"use\":[\"sign\",1]}", 400,
	 "/use/1: "},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"ecc-p256\",\"use\":[\"mac\"]}", 400, "/use/0: "},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"ecc-p256\",\"use\":[\"sign\",\"sign\"]}", 400,
	 "/use/1: stands there twice"},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"ecc-p256\",\"use\":[\"sign\",\"decrypt\"]}", 400,
	 "/use/1: a key of type ecc-p256 is for sign and agree"},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"rsa-3072\",\"use\":[\"agree\"]}", 400,
	 "/use/0: a key of type rsa-3072 is for sign and decrypt"},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"hmac-sha256\",\"use\":[\"decrypt\"]}", 400,
	 "/use/0: an HMAC key is for sign alone"},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"hmac-sha256\",\"export\":true}", 400, "/export: "},
	{"/v1/keys", "{\"name\":\"x\",\"type\":\"hmac-sha1\"}", 422, "/type"},
	{"/v1/keys", "{\"name\":\"x\",\"pem\":\"x\",\"use\":[\"no\"]}", 400, "/use/0: "},
	/* What a key is not for. */
	{"/v1/keys/a/sign", "{\"message\":\"\"}", 400,
	 "/use: the key a of type ecc-p256 lacks the use sign"},
	{"/v1/keys/h/sign", "{\"message\":\"\"}", 400, "lacks the use sign"},
	{"/v1/keys/s/mac", "{\"data\":\"\"}", 400, "lacks the use mac"},
	{"/v1/keys/s/agree", "{\"peer\":\"%s\"}", 400,
	 "/use: the key s of type ecc-p256 lacks the use agree"},
	{"/v1/keys/s/decrypt", "{\"ciphertext\":\"AAAA\"}", 400, "lacks the use decrypt"},
	{"/v1/keys/h/certificate-request", "{\"subject\":\"CN=a\"}", 400, "lacks the use sign"},
	/* decrypt */
	{"/v1/keys/d/decrypt", "{}", 400, "/ciphertext: missing"},
	{"/v1/keys/d/decrypt", "{\"ciphertext\":\"AAAA\"}", 400,
	 "/ciphertext: must have 256 bytes"},
	{"/v1/keys/d/decrypt", "{\"ciphertext\":\"AAAA\",\"hash\":\"md5\"}", 422, "/hash"},
	{"/v1/keys/d/decrypt", "{\"ciphertext\":\"AAAA\",\"label\":\"AAAA\"}", 400,
	 "/label: must have no NUL"},
	{"/v1/keys/d/decrypt", "{\"ciphertext\":\"AAAA\",\"label\":7}", 400, "/label"},
	/* 64 bytes; a TPM's NUL at the end would make them 65. */
	{"/v1/keys/d/decrypt",
	 "{\"ciphertext\":\"AAAA\",\"label\":\"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh"
	 "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ==\"}",
	 400, "/label: has at most 63 bytes"},
	{"/v1/keys/d/decrypt", "{\"ciphertext\":\"AAAA\",\"tag\":\"\"}", 400, "/tag: unknown"},
	/* agree */
	{"/v1/keys/a/agree", "{}", 400, "/peer: missing"},
	{"/v1/keys/a/agree", "{\"peer\":\"no PEM\"}", 400, "/peer"},
	{"/v1/keys/a/agree", "{\"peer\":\"%s\"}", 200, "\"secret\":\"c2hhcmVk\""},
	{"/v1/keys/b/agree", "{\"peer\":\"%s\"}", 400,
	 "/peer: is of type ecc-p256, the key of type ecc-p384"},
	/* mac */
	{"/v1/keys/h/mac", "{\"data\":\"YQ==\"}", 200,
	 "\"mac\":\"d2hvbGU=\",\"protection\":\"tpm\""},
	/* certificate-request */
	{"/v1/keys/s/certificate-request", "{}", 400, "/subject: missing"},
	{"/v1/keys/s/certificate-request", "{\"subject\":\"nothing\"}", 400, "/subject: "},
	{"/v1/keys/s/certificate-request", "{\"subject\":\"\"}", 400, "/subject: "},
	{"/v1/keys/s/certificate-request",
	 "{\"subject\":\"CN=a\",\"dns\":[\"a\"],\"ip\":[\"::1\",\"one\"]}", 400, "/ip/1: "},
	{"/v1/keys/s/certificate-request", "{\"subject\":\"CN=a\",\"dns\":\"a\"}", 400,
	 "/dns: must be an array"},
	{"/v1/keys/s/certificate-request", "{\"subject\":\"CN=a\",\"ip\":[\"::1\",7]}", 400,
	 "/ip/1: "},
	{"/v1/keys/s/certificate-request", "{\"subject\":\"CN=a\",\"email\":[\"\"]}", 400,
	 "/email/0: "},
	{"/v1/keys/s/certificate-request", "{\"subject\":\"CN=a\",\"uri\":[\"\"]}", 400,
	 "/uri/0: "},
	{"/v1/keys/s/certificate-request", "{\"subject\":\"CN=a\",\"hash\":\"sha1\"}", 422,
	 "/hash"},
	{"/v1/keys/s/certificate-request", "{\"subject\":\"CN=a,O=b\",\"dns\":[\"a.example\"]}",
	 200, "\"request\":\"-----BEGIN CERTIFICATE REQUEST-----"},
	{"/v1/keys/x/decrypt", "{\"ciphertext\":\"AAAA\"}", 404, "not_found"},
};

/* The public half of @key as it stands in JSON, with its line ends escaped. */
static void public_of(struct fixture *fixture, const char *path, char ret_public[static PUBLIC_MAX])
{
	static const char MEMBER[] = "\"public\":\"";
	const char *at;

	assert_int_equal(ask(fixture, "GET", path, NULL), 200);
	at = strstr(fixture->answer, MEMBER);
	assert_non_null(at);
	at += strlen(MEMBER);
	(void)snprintf(ret_public, PUBLIC_MAX, "%.*s", (int)strcspn(at, "\""), at);
}

/* Puts @public in the place of %s. */
static const char *fill(const char *body, const char *public)
{
	static char filled[1024];
	const char *at = strstr(body, "%s");

	if (!at)
		return body;
	(void)snprintf(filled, sizeof(filled), "%.*s%s%s", (int)(at - body), body, public, at + 2);
	return filled;
}

static void answers(void **state)
{
	struct fixture *fixture = *state;
	char public[PUBLIC_MAX];
	size_t i;

	make_keys(fixture);
	public_of(fixture, "/v1/keys/s", public);
	for (i = 0; i < ARRAY_LEN(ROWS); i++) {
		int status = ask(fixture, "POST", ROWS[i].path, fill(ROWS[i].body, public));

		if (status != ROWS[i].status || !strstr(fixture->answer, ROWS[i].text))
			fail_msg("row %zu: %s", i, fixture->answer);
	}
}

/* A ciphertext of 256 bytes; the chip gives the label back, with the NUL that the service adds. */
static int decrypt(struct fixture *fixture, const char *label)
{
	char body[512];
	size_t at = (size_t)snprintf(body, sizeof(body), "{\"ciphertext\":\"");

	memset(body + at, 'A', 342);
	(void)snprintf(body + at + 342, sizeof(body) - at - 342, "==\",\"label\":\"%s\"}", label);
	return ask(fixture, "POST", "/v1/keys/d/decrypt", body);
}

static void decrypts(void **state)
{
	static const int CODES[] = {ERR_DAMAGED, ERR_INVALID, ERR_TPM_BUSY};
	static const int STATUSES[] = {422, 400, 503};
	struct fixture *fixture = *state;
	size_t i;

	make_keys(fixture);
	assert_int_equal(decrypt(fixture, "YWI="), 200);
	answer_has(fixture, "\"data\":\"YWIA\",\"protection\":\"tpm\"");
	assert_int_equal(decrypt(fixture, ""), 200);
	answer_has(fixture, "\"data\":\"\"");
	for (i = 0; i < ARRAY_LEN(CODES); i++) {
		fixture->chip.fails_with = CODES[i];
		assert_int_equal(decrypt(fixture, ""), STATUSES[i]);
		/* Which cause it was stays within. */
		answer_has(fixture,
			   CODES[i] == ERR_DAMAGED ? "does not open with this key" : "as told");
		fixture->chip.fails_with = 0;
	}
}

/* With a hot record one call of the provider and none of the disk. */
static void hot_uses_take_one_step(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	unsigned calls;

	make_keys(fixture);
	assert_int_equal(decrypt(fixture, ""), 200);
	assert_int_equal(ask(fixture, "POST", "/v1/keys/h/mac", "{\"data\":\"\"}"), 200);
	(void)snprintf(path, sizeof(path), "%s/tenants/host/keys/d", fixture->path);
	assert_int_equal(remove(path), 0);
	(void)snprintf(path, sizeof(path), "%s/tenants/host/keys/h", fixture->path);
	assert_int_equal(remove(path), 0);
	calls = fixture->chip.calls;
	assert_int_equal(decrypt(fixture, ""), 200);
	assert_int_equal(ask(fixture, "POST", "/v1/keys/h/mac", "{\"data\":\"\"}"), 200);
	assert_int_equal(fixture->chip.calls, calls + 2);
}

static const struct {
	enum pkey_type type;
	const char *bytes;
	size_t len;
	int code;
	const char *plain;
	size_t plain_len;
} SIGNATURES[] = {
	{PKEY_RSA_2048, "\0\x14\0\x0b\0\3abc", 9, 0, "abc", 3},
	{PKEY_ECC_P256, "\0\x18\0\x0b\0\1\5\0\1\6", 10, 0, "\x30\6\2\1\5\2\1\6", 8},
	{PKEY_ECC_P256, "\0\x14\0\x0b\0\1\5\0\1\6", 10, ERR_TPM_FAILED, "", 0},
	{PKEY_RSA_2048, "\0\x18\0\x0b\0\3abc", 9, ERR_TPM_FAILED, "", 0},
	{PKEY_RSA_2048, "\0\x14\0\x0b\0\4abc", 9, ERR_TPM_FAILED, "", 0},
	{PKEY_RSA_2048, "\0\x14\0\x0b\0\2abc", 9, ERR_TPM_FAILED, "", 0},
	{PKEY_ECC_P256, "\0\x18\0\x0b\0\1\5\0\1", 9, ERR_TPM_FAILED, "", 0},
	{PKEY_ECC_P256, "", 0, ERR_TPM_FAILED, "", 0},
};

static void signatures_of_the_chip(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(SIGNATURES); i++) {
		CLEANUP(buf_fini) struct buf plain = BUF_INIT(64);
		struct err err;

		assert_int_equal(
			tpm_signature_plain(SIGNATURES[i].type,
					    slice_of(SIGNATURES[i].bytes, SIGNATURES[i].len),
					    &plain, &err),
			SIGNATURES[i].code);
		assert_int_equal(plain.len, SIGNATURES[i].plain_len);
		if (plain.len > 0)
			assert_memory_equal(plain.data, SIGNATURES[i].plain, plain.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shows_uses),
		TEST(answers),
		TEST(decrypts),
		TEST(hot_uses_take_one_step),
		cmocka_unit_test(signatures_of_the_chip),
	};

	return cmocka_run_group_tests_name("uses", tests, NULL, NULL);
}
