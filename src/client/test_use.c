/* SPDX-License-Identifier: Apache-2.0 */
/* Keys for a use, and what they do, against a scripted service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "client/test_fixture.h"

static bool was_sent(const struct buf *log, const char *text)
{
	return strstr((const char *)log->data, text) != NULL;
}

static void test_create_and_import(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("201 Created"), .body = "{\"name\":\"k\"}"},
		{.answer = JSON("201 Created"), .body = "{}"},
		{.answer = JSON("201 Created"), .body = "{}"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	char *json = NULL;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_key_create_for(fake->hf, "k", "rsa-2048", HF_USE_DECRYPT | HF_USE_SIGN,
					   HF_KEY_EXPORT | HF_KEY_NO_PASSPHRASE, &json),
			 0);
	assert_string_equal(json, "{\"name\":\"k\"}");
	hf_free(json);
	assert_int_equal(hf_key_create_for(fake->hf, "k", "ecc-p384", 0, 0, NULL), 0);
	assert_int_equal(hf_key_import_for(fake->hf, "i", "PEM", NULL, HF_USE_AGREE, NULL), 0);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "{\"name\":\"k\",\"type\":\"rsa-2048\",\"use\":[\"sign\","
				   "\"decrypt\"],\"export\":true,\"auth\":\"none\"}"));
	assert_true(was_sent(&log, "{\"name\":\"k\",\"type\":\"ecc-p384\"}"));
	assert_true(was_sent(&log, "{\"name\":\"i\",\"pem\":\"PEM\",\"use\":[\"agree\"]}"));
}

static void call_uses(struct hf *hf)
{
	const struct hf_decrypt plain = {.key = "k", .ciphertext = "abc", .len = 3};
	const struct hf_decrypt labelled = {
		.key = "k", .hash = "sha384", .label = "L", .ciphertext = "abc", .len = 3};
	void *data;
	size_t len;

	assert_int_equal(hf_key_decrypt(hf, &plain, &data, &len), 0);
	assert_int_equal(len, 2);
	assert_string_equal(data, "\1\2");
	assert_string_equal(hf_protection(hf), "tpm");
	assert_string_equal(hf_answer_json(hf), ""); /* it held a secret */
	hf_free(data);
	assert_int_equal(hf_key_decrypt(hf, &labelled, &data, &len), 0);
	hf_free(data);
	assert_int_equal(hf_key_agree(hf, "e", "PEM\n", &data, &len), 0);
	assert_int_equal(len, 3);
	hf_free(data);
	assert_int_equal(hf_mac(hf, "m", "", 0, &data, &len), 0);
	assert_int_equal(len, 1);
	hf_free(data);
}

static void test_decrypt_agree_mac(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"data\":\"AQI=\",\"protection\":\"tpm\"}"},
		{.answer = JSON("200 OK"), .body = "{\"data\":\"AQI=\"}"},
		{.answer = JSON("200 OK"), .body = "{\"secret\":\"AQID\"}"},
		{.answer = JSON("200 OK"), .body = "{\"mac\":\"AQ==\"}"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);

	fake_serve(fake, steps, ARRAY_LEN(steps));
	call_uses(fake->hf);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "POST /v1/keys/k/decrypt HTTP"));
	assert_true(was_sent(&log, "\r\n\r\n{\"ciphertext\":\"YWJj\"}"));
	assert_true(
		was_sent(&log, "{\"ciphertext\":\"YWJj\",\"hash\":\"sha384\",\"label\":\"TA==\"}"));
	assert_true(was_sent(&log, "POST /v1/keys/e/agree HTTP"));
	assert_true(was_sent(&log, "{\"peer\":\"PEM\\u000a\"}"));
	assert_true(was_sent(&log, "POST /v1/keys/m/mac HTTP"));
	assert_true(was_sent(&log, "{\"data\":\"\"}"));
}

static void test_sign_message(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"AQID\"}"},
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"AQID\"}"},
	};
	const struct hf_sign sign = {
		.key = "k", .hash = "sha512", .scheme = "ecdsa", .format = "raw"};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	uint8_t *most = calloc(1, HF_MESSAGE_MAX + 1);
	void *signature;
	size_t len;

	assert_non_null(most);
	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_sign_message(fake->hf, &sign, "abc", 3, &signature, &len), 0);
	assert_int_equal(len, 3);
	assert_string_equal(hf_answer_json(fake->hf), "{\"signature\":\"AQID\"}");
	hf_free(signature);
	assert_int_equal(hf_sign_message(fake->hf, &sign, most, HF_MESSAGE_MAX, &signature, &len),
			 0);
	hf_free(signature);
	assert_int_equal(
		hf_sign_message(fake->hf, &sign, most, HF_MESSAGE_MAX + 1, &signature, &len),
		HF_TOO_LARGE);
	free(most);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "{\"message\":\"YWJj\",\"hash\":\"sha512\",\"scheme\":\"ecdsa\","
				   "\"format\":\"raw\"}"));
}

static void test_certificate_request(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"request\":\"PEM\"}"},
		{.answer = JSON("200 OK"), .body = "{\"request\":\"PEM\"}"},
	};
	static const char *const DNS[] = {"a.example", "b\"", NULL};
	static const char *const IP[] = {"::1", NULL};
	static const char *const NONE[] = {NULL};
	const struct hf_certificate_request request = {.key = "k",
						       .subject = "CN=a",
						       .dns = DNS,
						       .ip = IP,
						       .mail = NONE,
						       .hash = "sha384"};
	const struct hf_certificate_request least = {.key = "k", .subject = ""};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	char *pem;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_key_request(fake->hf, &request, &pem), 0);
	assert_string_equal(pem, "PEM");
	hf_free(pem);
	assert_int_equal(hf_key_request(fake->hf, &least, &pem), 0);
	hf_free(pem);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "POST /v1/keys/k/certificate-request HTTP"));
	assert_true(was_sent(&log, "{\"subject\":\"CN=a\",\"dns\":[\"a.example\",\"b\\\"\"],"
				   "\"ip\":[\"::1\"],\"email\":[],\"hash\":\"sha384\"}"));
	assert_true(was_sent(&log, "{\"subject\":\"\"}"));
}

static void test_no_public_half(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"public\":null}"},
		{.answer = JSON("200 OK"), .body = "{\"public\":7}"},
	};
	char *pem = NULL;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_key_public(fake->hf, "k", &pem), HF_NOT_SUPPORTED);
	assert_int_equal(hf_key_public(fake->hf, "k", &pem), HF_INTERNAL);
	assert_null(pem);
	fake_served_all(fake);
}

/* Well-formed answers that are not what was asked for. */
static void test_unexpected(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{}"},
		{.answer = JSON("200 OK"), .body = "{\"secret\":\"\"}"},
		{.answer = JSON("200 OK"), .body = "{\"mac\":\"A\"}"},
		{.answer = JSON("200 OK"), .body = "{\"signature\":null}"},
		{.answer = JSON("200 OK"), .body = "{\"request\":[]}"},
	};
	const struct hf_decrypt decrypt = {.key = "k", .ciphertext = "abc", .len = 3};
	const struct hf_certificate_request request = {.key = "k", .subject = ""};
	const struct hf_sign sign = {.key = "k"};
	void *data = NULL;
	char *pem = NULL;
	size_t len = 7;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_key_decrypt(fake->hf, &decrypt, &data, &len), HF_INTERNAL);
	assert_int_equal(hf_key_agree(fake->hf, "k", "PEM", &data, &len), HF_INTERNAL);
	assert_int_equal(hf_mac(fake->hf, "k", "", 0, &data, &len), HF_INTERNAL);
	assert_int_equal(hf_sign_message(fake->hf, &sign, "a", 1, &data, &len), HF_INTERNAL);
	assert_int_equal(hf_key_request(fake->hf, &request, &pem), HF_INTERNAL);
	assert_null(data);
	assert_null(pem);
	assert_int_equal(len, 7);
	fake_served_all(fake);
}

/* Nothing may be sent for these: there is no service at all. */
static void test_arguments(void **state)
{
	struct fake *fake = *state;
	const struct hf_decrypt no_name = {.key = "a/b", .ciphertext = "abc", .len = 3};
	const struct hf_decrypt empty = {.key = "k", .ciphertext = "", .len = 0};
	const struct hf_decrypt too_long = {.key = "k", .ciphertext = "", .len = 2000};
	const struct hf_certificate_request no_subject = {.key = "k"};
	const struct hf_sign two = {.key = "k", .digest = "d", .digest_len = 1};
	char *text;
	void *data;
	size_t len;

	assert_int_equal(hf_key_create_for(fake->hf, "k", "x", 8, 0, NULL), HF_INVALID);
	assert_int_equal(hf_key_import_for(fake->hf, "k", "x", NULL, ~0u, NULL), HF_INVALID);
	assert_int_equal(hf_key_decrypt(fake->hf, &no_name, &data, &len), HF_INVALID);
	assert_int_equal(hf_key_decrypt(fake->hf, &empty, &data, &len), HF_INVALID);
	assert_int_equal(hf_key_decrypt(fake->hf, &too_long, &data, &len), HF_INVALID);
	assert_int_equal(hf_key_agree(fake->hf, "k", NULL, &data, &len), HF_INVALID);
	assert_int_equal(hf_key_agree(fake->hf, NULL, "PEM", &data, &len), HF_INVALID);
	assert_int_equal(hf_mac(fake->hf, "..", "", 0, &data, &len), HF_INVALID);
	assert_int_equal(hf_mac(fake->hf, "k", "", HF_MESSAGE_MAX + 1, &data, &len), HF_TOO_LARGE);
	assert_int_equal(hf_sign_message(fake->hf, &two, "a", 1, &data, &len), HF_INVALID);
	assert_int_equal(hf_key_request(fake->hf, &no_subject, &text), HF_INVALID);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		WITH_FAKE(test_create_and_import), WITH_FAKE(test_decrypt_agree_mac),
		WITH_FAKE(test_sign_message),	   WITH_FAKE(test_certificate_request),
		WITH_FAKE(test_no_public_half),	   WITH_FAKE(test_unexpected),
		WITH_FAKE(test_arguments),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
