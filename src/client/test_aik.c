/* SPDX-License-Identifier: Apache-2.0 */
/* Attestation keys, the endorsement key and PCRs against a scripted service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "client/test_fixture.h"

#define NAMES_SIZE 256u

static bool was_sent(const struct buf *log, const char *text)
{
	return strstr((const char *)log->data, text) != NULL;
}

static int visit(void *arg, const struct hf_aik *aik)
{
	char *names = arg;
	size_t len = strlen(names);

	(void)snprintf(names + len, NAMES_SIZE - len, "%s %s %s %s,", aik->name, aik->handle,
		       aik->type, aik->hash);
	return 0;
}

static void call_aiks(struct hf *hf)
{
	char names[NAMES_SIZE] = "";
	char *text;

	assert_int_equal(hf_aik_create(hf, NULL, NULL, NULL, &text), 0);
	assert_string_equal(text, "{\"handle\":\"0x81010000\"}");
	hf_free(text);
	assert_int_equal(hf_aik_create(hf, "a", "rsa-2048", "sha384", NULL), 0);
	assert_int_equal(hf_aik_list(hf, visit, names), 0);
	assert_string_equal(names, "a 0x81010000 rsa-2048 sha256,b 0x81010002 ecc-p256 sha384,");
	assert_int_equal(hf_aik_describe(hf, "a", &text), 0);
	assert_string_equal(text, "{\"name\":\"a\"}");
	hf_free(text);
	assert_int_equal(hf_aik_public(hf, "0x81010000", &text), 0);
	assert_string_equal(text, "PEM");
	hf_free(text);
	assert_int_equal(hf_aik_delete(hf, "a"), 0);
}

static void test_aiks(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("201 Created"), .body = "{\"handle\":\"0x81010000\"}"},
		{.answer = JSON("201 Created"), .body = "{}"},
		{.answer = JSON("200 OK"),
		 .body = "{\"aiks\":[{\"name\":\"a\",\"handle\":\"0x81010000\",\"type\":"
			 "\"rsa-2048\",\"hash\":\"sha256\"}],\"next\":\"a\"}"},
		{.answer = JSON("200 OK"),
		 .body = "{\"aiks\":[{\"name\":\"b\",\"handle\":\"0x81010002\",\"type\":"
			 "\"ecc-p256\",\"hash\":\"sha384\"}]}"},
		{.answer = JSON("200 OK"), .body = "{\"name\":\"a\"}"},
		{.answer = JSON("200 OK"), .body = "{\"public\":\"PEM\"}"},
		{.answer = "HTTP/1.1 204 No Content\r\n\r\n"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);

	fake_serve(fake, steps, ARRAY_LEN(steps));
	call_aiks(fake->hf);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "POST /v1/aiks HTTP"));
	assert_true(was_sent(&log, "\r\n\r\n{}POST "));
	assert_true(was_sent(
		&log, "{\"name\":\"a\",\"type\":\"rsa-2048\",\"hash\":\"sha384\"}GET /v1/aiks?"));
	assert_true(was_sent(&log, "GET /v1/aiks?limit=1000&after=a HTTP"));
	assert_true(was_sent(&log, "GET /v1/aiks/0x81010000 HTTP"));
	assert_true(was_sent(&log, "DELETE /v1/aiks/a HTTP"));
}

/* --- what an AIK signs --- */

#define SIGNED "\"attest\":\"AQID\",\"signature\":\"AQI=\",\"plain_signature\":\"AQ==\""

static void call_quotes(struct hf *hf)
{
	const struct hf_quote full = {.aik = "a",
				      .pcrs = "sha1:0-1+sha256:7",
				      .nonce = "abc",
				      .nonce_len = 3,
				      .flags = HF_QUOTE_NO_VALUES | HF_QUOTE_EVENT_LOG};
	const struct hf_quote least = {.aik = "a"};
	struct hf_attestation *quote = NULL;

	assert_int_equal(hf_aik_quote(hf, &full, &quote), 0);
	assert_int_equal(quote->attest_len, 3);
	assert_memory_equal(quote->attest, "\1\2\3", 3);
	assert_int_equal(quote->signature_len, 2);
	assert_int_equal(quote->plain_signature_len, 1);
	assert_int_equal(quote->event_log_len, 4);
	assert_memory_equal(quote->event_log, "\0\0\0\0", 4);
	assert_null(quote->key_public);
	assert_non_null(strstr(quote->json, "\"hash\":\"sha256\""));
	assert_string_equal(hf_protection(hf), "tpm");
	hf_attestation_free(quote);
	assert_int_equal(hf_aik_quote(hf, &least, &quote), 0);
	assert_null(quote->event_log);
	hf_attestation_free(quote);
	assert_int_equal(hf_aik_certify(hf, "a", "k", "n", 1, &quote), 0);
	assert_int_equal(quote->key_public_len, 1);
	hf_attestation_free(quote);
	assert_int_equal(hf_aik_certify(hf, "a", "k", NULL, 0, &quote), 0);
	assert_null(quote->key_public);
	hf_attestation_free(quote);
	hf_attestation_free(NULL);
}

static void test_quote_and_certify(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"),
		 .body = "{" SIGNED
			 ",\"hash\":\"sha256\",\"event_log\":\"AAAAAA==\",\"protection\":\"tpm\"}"},
		{.answer = JSON("200 OK"), .body = "{" SIGNED ",\"event_log\":null}"},
		{.answer = JSON("200 OK"), .body = "{" SIGNED ",\"public\":\"AQ==\"}"},
		{.answer = JSON("200 OK"), .body = "{" SIGNED ",\"public\":null}"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);

	fake_serve(fake, steps, ARRAY_LEN(steps));
	call_quotes(fake->hf);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "POST /v1/aiks/a/quote HTTP"));
	assert_true(was_sent(&log, "{\"nonce\":\"YWJj\",\"pcrs\":{\"sha1\":[0,1],\"sha256\":[7]},"
				   "\"values\":false,\"event_log\":true}"));
	assert_true(was_sent(&log, "\r\n\r\n{}POST /v1/aiks/a/certify HTTP"));
	assert_true(was_sent(&log, "{\"key\":\"k\",\"nonce\":\"bg==\"}"));
	assert_true(was_sent(&log, "{\"key\":\"k\"}"));
}

static void test_sign_and_activate(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"AQID\",\"hash\":\"sha256\"}"},
		{.answer = JSON("200 OK"), .body = "{\"secret\":\"AQID\"}"},
	};
	const struct hf_sign sign = {.key = "a", .hash = "sha256"};
	const struct hf_credential credential = {
		.aik = "a", .ek = "rsa-2048", .data = "abc", .len = 3};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	void *data;
	size_t len;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_aik_sign(fake->hf, &sign, "abc", 3, &data, &len), 0);
	assert_int_equal(len, 3);
	assert_non_null(strstr(hf_answer_json(fake->hf), "sha256"));
	hf_free(data);
	assert_int_equal(hf_aik_activate(fake->hf, &credential, &data, &len), 0);
	assert_int_equal(len, 3);
	assert_string_equal(hf_answer_json(fake->hf), "");
	hf_free(data);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "POST /v1/aiks/a/sign HTTP"));
	assert_true(was_sent(&log, "{\"message\":\"YWJj\",\"hash\":\"sha256\"}"));
	assert_true(was_sent(&log, "POST /v1/aiks/a/activate HTTP"));
	assert_true(was_sent(&log, "{\"credential\":\"YWJj\",\"ek\":\"rsa-2048\"}"));
}

/* --- what the chip and its firmware say --- */

static void call_chip(struct hf *hf)
{
	char *text;
	void *log;
	size_t len;

	assert_int_equal(hf_ek_json(hf, NULL, &text), 0);
	assert_string_equal(text, "{\"type\":\"x\"}");
	hf_free(text);
	assert_int_equal(hf_ek_json(hf, "ecc-p256", &text), 0);
	hf_free(text);
	assert_int_equal(hf_ek_certificate(hf, "rsa-2048", &text), 0);
	assert_string_equal(text, "A\nB\nC\n");
	hf_free(text);
	assert_int_equal(hf_ek_certificate(hf, NULL, &text), HF_NO_CERTIFICATE);
	assert_int_equal(hf_pcrs_json(hf, &text), 0);
	hf_free(text);
	assert_int_equal(hf_eventlog(hf, &log, &len), 0);
	assert_int_equal(len, 3);
	hf_free(log);
}

static void test_chip(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"type\":\"x\"}"},
		{.answer = JSON("200 OK"), .body = "{}"},
		{.answer = JSON("200 OK"),
		 .body = "{\"certificate\":\"A\",\"chain\":[\"B\\n\",\"C\"]}"},
		{.answer = PROBLEM("404 x"),
		 .body = "{\"code\":\"no_certificate\",\"detail\":\"none\"}"},
		{.answer = JSON("200 OK"), .body = "{\"banks\":{}}"},
		{.answer = OCTETS, .body = "log"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);

	fake_serve(fake, steps, ARRAY_LEN(steps));
	call_chip(fake->hf);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "GET /v1/ek HTTP"));
	assert_true(was_sent(&log, "GET /v1/ek?type=ecc-p256 HTTP"));
	assert_true(was_sent(&log, "GET /v1/ek/certificate?type=rsa-2048 HTTP"));
	assert_true(was_sent(&log, "GET /v1/ek/certificate HTTP"));
	assert_true(was_sent(&log, "GET /v1/pcrs HTTP"));
	assert_true(was_sent(&log, "GET /v1/eventlog HTTP"));
}

/* --- what goes wrong --- */

static void test_unexpected(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"attest\":\"AQID\",\"signature\":\"AQI=\"}"},
		{.answer = JSON("200 OK"), .body = "{" SIGNED ",\"event_log\":7}"},
		{.answer = JSON("200 OK"), .body = "{\"aiks\":[{\"name\":\"a\"}]}"},
		{.answer = JSON("200 OK"), .body = "{\"certificate\":null,\"chain\":[]}"},
		{.answer = JSON("200 OK"), .body = "{\"certificate\":\"A\",\"chain\":[1]}"},
		{.answer = OCTETS, .body = "{}"},
	};
	const struct hf_quote quote = {.aik = "a"};
	struct hf_attestation *attestation = NULL;
	char names[NAMES_SIZE] = "";
	char *text = NULL;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_aik_quote(fake->hf, &quote, &attestation), HF_INTERNAL);
	assert_int_equal(hf_aik_quote(fake->hf, &quote, &attestation), HF_INTERNAL);
	assert_int_equal(hf_aik_list(fake->hf, visit, names), HF_INTERNAL);
	assert_int_equal(hf_ek_certificate(fake->hf, NULL, &text), HF_INTERNAL);
	assert_int_equal(hf_ek_certificate(fake->hf, NULL, &text), HF_INTERNAL);
	assert_int_equal(hf_pcrs_json(fake->hf, &text), HF_INTERNAL);
	assert_string_equal(names, "");
	assert_null(attestation);
	assert_null(text);
	fake_served_all(fake);
}

/* Nothing may be sent for these: there is no service at all. */
static void test_arguments(void **state)
{
	struct fake *fake = *state;
	const uint8_t nonce[HF_NONCE_MAX + 1] = {0};
	const struct hf_quote long_nonce = {.aik = "a", .nonce = nonce, .nonce_len = sizeof(nonce)};
	const struct hf_quote bad_pcrs = {.aik = "a", .pcrs = "sha256"};
	const struct hf_quote no_aik = {.aik = NULL};
	const struct hf_sign raw = {.key = "a", .format = "raw"};
	const struct hf_sign good = {.key = "a"};
	const struct hf_credential empty = {.aik = "a", .data = "", .len = 0};
	const struct hf_credential long_one = {.aik = "a", .data = "", .len = 4000};
	struct hf_attestation *quote = NULL;
	char *text;
	void *data;
	size_t len;

	assert_int_equal(hf_aik_create(fake->hf, "a b", NULL, NULL, &text), HF_INVALID);
	assert_int_equal(hf_aik_quote(fake->hf, &no_aik, &quote), HF_INVALID);
	assert_int_equal(hf_aik_quote(fake->hf, &bad_pcrs, &quote), HF_INVALID);
	assert_int_equal(hf_aik_quote(fake->hf, &long_nonce, &quote), HF_TOO_LARGE);
	assert_int_equal(hf_aik_certify(fake->hf, "a", "k/x", NULL, 0, &quote), HF_INVALID);
	assert_int_equal(hf_aik_certify(fake->hf, "a", NULL, NULL, 0, &quote), HF_INVALID);
	assert_int_equal(hf_aik_sign(fake->hf, &raw, "a", 1, &data, &len), HF_INVALID);
	assert_int_equal(hf_aik_sign(fake->hf, &good, "", 0, &data, &len), HF_INVALID);
	assert_int_equal(hf_aik_activate(fake->hf, &empty, &data, &len), HF_INVALID);
	assert_int_equal(hf_aik_activate(fake->hf, &long_one, &data, &len), HF_INVALID);
	assert_int_equal(hf_ek_json(fake->hf, "a&b", &text), HF_INVALID);
	assert_null(quote);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		WITH_FAKE(test_aiks),
		WITH_FAKE(test_quote_and_certify),
		WITH_FAKE(test_sign_and_activate),
		WITH_FAKE(test_chip),
		WITH_FAKE(test_unexpected),
		WITH_FAKE(test_arguments),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
