/* SPDX-License-Identifier: Apache-2.0 */
/* The device's identity against a scripted service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "client/test_fixture.h"

#define PURPOSE_64 "0123456789ABCDEF0123456789abcdef0123456789ABCDEF.._-xyzXYZ012345"
#define DEVICE	   "{\"mode\":\"enabled\",\"protection\":\"tpm\"}"
#define SIGNATURE  "{\"signature\":\"AQID\",\"protection\":\"software\"}"

static bool was_sent(const struct buf *log, const char *text)
{
	return strstr((const char *)log->data, text) != NULL;
}

static void test_device(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = DEVICE},
		{.answer = JSON("200 OK"), .body = "{\"certificate\":{\"pem\":\"P1\\nP2\"}}"},
		{.answer = JSON("200 OK"), .body = "{\"type\":\"ecc-p256\"}"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	char *text = NULL;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_device_json(fake->hf, &text), 0);
	assert_string_equal(text, DEVICE);
	assert_string_equal(hf_protection(fake->hf), "tpm");
	hf_free(text);
	assert_int_equal(hf_device_certificate(fake->hf, &text), 0);
	assert_string_equal(text, "P1\nP2");
	hf_free(text);
	assert_int_equal(hf_device_storage_key(fake->hf, &text), 0);
	assert_string_equal(text, "{\"type\":\"ecc-p256\"}");
	hf_free(text);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "GET /v1/device HTTP"));
	assert_true(was_sent(&log, "GET /v1/device/storage-key HTTP"));
}

/* --- what is wrapped to the storage key --- */

#define PART_MAX 512u

static void test_unwrap(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"),
		 .body = "{\"data\":\"AQID\",\"protection\":\"software\"}"},
		{.answer = JSON("200 OK"), .body = "{\"secret\":\"AQID\"}"},
		{.answer = PROBLEM("422 x"),
		 .body = "{\"code\":\"damaged\",\"detail\":\"for another\"}"},
		{.answer = JSON("200 OK"), .body = "{\"protection\":\"tpm\"}"},
	};
	const struct hf_wrapped wrapped = {"a", 1, "bb", 2, "c", 1};
	const struct hf_credential credential = {.ek = "rsa-2048", .data = "abc", .len = 3};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	void *data = NULL;
	size_t len = 0;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_unwrap(fake->hf, &wrapped, &data, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "\1\2\3", 4);
	assert_string_equal(hf_protection(fake->hf), "software");
	assert_string_equal(hf_answer_json(fake->hf), ""); /* it is a secret */
	hf_free(data);
	assert_int_equal(hf_storage_key_activate(fake->hf, &credential, &data, &len), 0);
	assert_int_equal(len, 3);
	hf_free(data);
	data = NULL;
	assert_int_equal(hf_unwrap(fake->hf, &wrapped, &data, &len), HF_DAMAGED);
	assert_int_equal(hf_unwrap(fake->hf, &wrapped, &data, &len), HF_INTERNAL);
	assert_null(data);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "POST /v1/unwrap HTTP"));
	assert_true(
		was_sent(&log, "{\"public\":\"YQ==\",\"duplicate\":\"YmI=\",\"seed\":\"Yw==\"}"));
	assert_true(was_sent(&log, "POST /v1/device/storage-key/activate HTTP"));
	assert_true(was_sent(&log, "{\"credential\":\"YWJj\",\"ek\":\"rsa-2048\"}"));
}

/* Nothing is sent for these: there is no service at all. */
static void test_unwrap_refused(void **state)
{
	static const uint8_t most[PART_MAX + 1];
	static const struct hf_wrapped bad[] = {
		{NULL, 1, "b", 1, "c", 1},
		{"a", 0, "b", 1, "c", 1},
		{"a", 1, NULL, 1, "c", 1},
		{"a", 1, "b", 1, "c", 0},
		{"a", 1, "b", 1, NULL, 0},
		{most, sizeof(most), "b", 1, "c", 1},
		{"a", 1, most, sizeof(most), "c", 1},
		{"a", 1, "b", 1, most, sizeof(most)},
	};
	const struct hf_credential empty = {.data = "", .len = 0};
	const struct hf_credential none = {.data = NULL, .len = 3};
	struct fake *fake = *state;
	void *data = NULL;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hf_unwrap(fake->hf, &bad[i], &data, &len), HF_INVALID);
	assert_int_equal(hf_storage_key_activate(fake->hf, &empty, &data, &len), HF_INVALID);
	assert_int_equal(hf_storage_key_activate(fake->hf, &none, &data, &len), HF_INVALID);
	assert_null(data);
}

/* As long as they may be: the request holds them. */
static void test_unwrap_longest(void **state)
{
	static const uint8_t most[PART_MAX];
	const struct hf_wrapped wrapped = {most,	 sizeof(most), most,
					   sizeof(most), most,	       sizeof(most)};
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"data\":\"AQID\"}"},
	};
	struct fake *fake = *state;
	void *data = NULL;
	size_t len = 0;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_unwrap(fake->hf, &wrapped, &data, &len), 0);
	hf_free(data);
	fake_served_all(fake);
}

static void sign_thrice(struct hf *hf)
{
	void *signature = NULL;
	size_t len = 0;

	assert_int_equal(hf_device_sign(hf, "boot.log", "abc", 3, &signature, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(signature, "\1\2\3", 4);
	assert_string_equal(hf_protection(hf), "software");
	assert_string_equal(hf_answer_json(hf), SIGNATURE);
	hf_free(signature);
	assert_int_equal(hf_device_tls(hf, "sha256", "abc", 3, &signature, &len), 0);
	hf_free(signature);
	assert_int_equal(hf_device_raw(hf, NULL, "abc", 3, &signature, &len), 0);
	hf_free(signature);
	assert_int_equal(hf_device_sign(hf, PURPOSE_64, NULL, 0, &signature, &len), 0);
	hf_free(signature);
}

static void test_sign(void **state)
{
	struct fake *fake = *state;
	const struct step step = {.answer = JSON("200 OK"), .body = SIGNATURE};
	const struct step steps[] = {step, step, step, step, step};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	uint8_t *most = calloc(1, HF_DEVICE_MESSAGE_MAX + 1);
	void *signature = NULL;
	size_t len;

	assert_non_null(most);
	fake_serve(fake, steps, ARRAY_LEN(steps));
	sign_thrice(fake->hf);
	assert_int_equal(
		hf_device_sign(fake->hf, "p", most, HF_DEVICE_MESSAGE_MAX, &signature, &len), 0);
	hf_free(signature);
	free(most);
	fake_served(fake, &log);
	assert_true(was_sent(&log, "POST /v1/device/sign HTTP"));
	assert_true(was_sent(&log, "{\"purpose\":\"boot.log\",\"message\":\"YWJj\"}"));
	assert_true(was_sent(&log, "POST /v1/device/tls HTTP"));
	assert_true(was_sent(&log, "{\"hash\":\"sha256\",\"content\":\"YWJj\"}"));
	assert_true(was_sent(&log, "POST /v1/device/raw HTTP"));
	assert_true(was_sent(&log, "{\"hash\":\"sha256\",\"digest\":\"YWJj\"}"));
	assert_true(was_sent(&log, "{\"purpose\":\"" PURPOSE_64 "\",\"message\":\"\"}"));
}

static void call_admin(struct hf *hf)
{
	static const char *const DNS[] = {"a.example", NULL};
	static const struct hf_certificate_request REQUEST = {.dns = DNS};
	char *text = NULL;

	assert_int_equal(hf_device_init(hf, 0, &text), 0);
	assert_string_equal(text, DEVICE);
	hf_free(text);
	assert_int_equal(hf_device_init(hf, HF_DEVICE_SOFTWARE, NULL), 0);
	assert_int_equal(hf_device_approve(hf, NULL), 0);
	assert_int_equal(hf_device_renew(hf, NULL), 0);
	assert_int_equal(hf_device_install(hf, "P1\nP2", NULL), 0);
	assert_int_equal(hf_device_migrate(hf, HF_MIGRATE_BEGIN, NULL), 0);
	assert_int_equal(hf_device_migrate(hf, HF_MIGRATE_CONFIRM, NULL), 0);
	assert_int_equal(hf_device_migrate(hf, HF_MIGRATE_ROLLBACK, NULL), 0);
	assert_int_equal(hf_device_request(hf, &REQUEST, &text), 0);
	assert_string_equal(text, "PEM");
	hf_free(text);
	assert_int_equal(hf_device_reset(hf, 0), 0);
	assert_int_equal(hf_device_reset(hf, HF_DEVICE_CLEAR_TPM | HF_DEVICE_ACCEPT_FOREIGN), 0);
	assert_int_equal(hf_device_reset(hf, HF_DEVICE_WITHOUT_TPM), 0);
}

static void test_admin(void **state)
{
	static const char *const SENT[] = {
		"POST /v1/admin/device/init HTTP",
		"\r\n\r\n{\"software\":false}",
		"\r\n\r\n{\"software\":true}",
		"POST /v1/admin/device/approve HTTP",
		"\r\n\r\n{}POST /v1/admin/device/renew HTTP",
		"\r\n\r\n{}POST /v1/admin/device/certificate HTTP",
		"\r\n\r\n{\"pem\":\"P1\\u000aP2\"}POST /v1/admin/device/migrate HTTP",
		"\r\n\r\n{\"step\":\"begin\"}",
		"\r\n\r\n{\"step\":\"confirm\"}",
		"\r\n\r\n{\"step\":\"rollback\"}",
		"POST /v1/admin/device/certificate-request HTTP",
		"\r\n\r\n{\"dns\":[\"a.example\"]}",
		"POST /v1/admin/device/reset HTTP",
		"\r\n\r\n{\"clear_tpm\":false,\"accept_foreign\":false}",
		"\r\n\r\n{\"clear_tpm\":true,\"accept_foreign\":true}",
		"\r\n\r\n{\"clear_tpm\":false,\"accept_foreign\":false,\"without_tpm\":true}",
	};
	struct fake *fake = *state;
	const struct step done = {.answer = JSON("200 OK"), .body = DEVICE};
	const struct step made = {.answer = JSON("200 OK"), .body = "{\"pem\":\"PEM\"}"};
	const struct step begun = {.answer = JSON("202 Accepted"),
				   .body = "{\"mode\":\"resetting\"}"};
	const struct step steps[] = {done, done, done, done,  done,  done,
				     done, done, made, begun, begun, begun};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	size_t i;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	call_admin(fake->hf);
	fake_served(fake, &log);
	for (i = 0; i < ARRAY_LEN(SENT); i++)
		assert_true(was_sent(&log, SENT[i]));
}

/* What the service refuses comes through with its text and its remedy. */
static void test_refused(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = PROBLEM("404 Not Found"),
		 .body = "{\"code\":\"not_found\",\"detail\":\"no identity\","
			 "\"remedy\":\"holdfast device init\"}"},
		{.answer = PROBLEM("409 Conflict"),
		 .body = "{\"code\":\"conflict\",\"detail\":\"0x81000001 is not ours\"}"},
		{.answer = JSON("200 OK"), .body = "{\"certificate\":null}"},
	};
	void *signature = NULL;
	char *pem = NULL;
	size_t len = 7;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_device_sign(fake->hf, "p", "", 0, &signature, &len), HF_NOT_FOUND);
	assert_string_equal(hf_error_remedy(fake->hf), "holdfast device init");
	assert_int_equal(hf_device_reset(fake->hf, HF_DEVICE_CLEAR_TPM), HF_CONFLICT);
	assert_non_null(strstr(hf_error_text(fake->hf), "0x81000001"));
	assert_int_equal(hf_device_certificate(fake->hf, &pem), HF_NO_CERTIFICATE);
	assert_null(signature);
	assert_null(pem);
	assert_int_equal(len, 7);
	fake_served_all(fake);
}

/* Well-formed answers that are not what was asked for. */
static void test_unexpected(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "[]"},
		{.answer = JSON("200 OK"), .body = "{}"},
		{.answer = JSON("200 OK"), .body = "{\"certificate\":{\"pem\":\"\"}}"},
		{.answer = JSON("200 OK"), .body = "{\"certificate\":\"pem\"}"},
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"?\"}"},
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"\"}"},
		{.answer = OCTETS, .body = "abc"},
		{.answer = JSON("200 OK"), .body = "{\"request\":\"PEM\"}"},
		{.answer = JSON("202 Accepted"), .body = "{\"mode\":\"enabled\"}"},
		{.answer = JSON("202 Accepted"), .body = "{}"},
	};
	static const struct hf_certificate_request REQUEST = {.subject = "CN=a"};
	void *signature = NULL;
	char *text = NULL;
	size_t len = 7, i;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_device_json(fake->hf, &text), HF_INTERNAL);
	for (i = 0; i < 3; i++)
		assert_int_equal(hf_device_certificate(fake->hf, &text), HF_INTERNAL);
	assert_int_equal(hf_device_tls(fake->hf, NULL, "a", 1, &signature, &len), HF_INTERNAL);
	assert_int_equal(hf_device_raw(fake->hf, NULL, "a", 1, &signature, &len), HF_INTERNAL);
	assert_int_equal(hf_device_sign(fake->hf, "p", "a", 1, &signature, &len), HF_INTERNAL);
	assert_int_equal(hf_device_request(fake->hf, &REQUEST, &text), HF_INTERNAL);
	assert_int_equal(hf_device_reset(fake->hf, 0), HF_INTERNAL);
	assert_int_equal(hf_device_reset(fake->hf, 0), HF_INTERNAL);
	assert_null(signature);
	assert_null(text);
	assert_int_equal(len, 7);
	fake_served_all(fake);
}

/* Nothing may be sent for these: there is no service at all. */
static void test_arguments(void **state)
{
	static const char *const PURPOSES[] = {NULL, "", "a/b", "a b", "\xc3\xa4", PURPOSE_64 "6"};
	static const struct hf_certificate_request REQUEST = {.key = "k", .subject = "CN=a"};
	struct fake *fake = *state;
	struct hf *hf = fake->hf;
	void *data = NULL;
	char *text = NULL;
	size_t len, i;

	for (i = 0; i < ARRAY_LEN(PURPOSES); i++)
		assert_int_equal(hf_device_sign(hf, PURPOSES[i], "a", 1, &data, &len), HF_INVALID);
	assert_int_equal(hf_device_sign(hf, "p", "a", HF_DEVICE_MESSAGE_MAX + 1, &data, &len),
			 HF_TOO_LARGE);
	assert_int_equal(hf_device_tls(hf, NULL, NULL, 0, &data, &len), HF_INVALID);
	assert_int_equal(hf_device_tls(hf, NULL, "a", 257, &data, &len), HF_INVALID);
	assert_int_equal(hf_device_raw(hf, NULL, "a", 0, &data, &len), HF_INVALID);
	assert_int_equal(hf_device_raw(hf, NULL, "a", 65, &data, &len), HF_INVALID);
	assert_int_equal(hf_device_init(hf, HF_DEVICE_CLEAR_TPM, &text), HF_INVALID);
	assert_int_equal(hf_device_reset(hf, HF_DEVICE_SOFTWARE), HF_INVALID);
	assert_int_equal(hf_device_install(hf, NULL, &text), HF_INVALID);
	assert_int_equal(hf_device_request(hf, &REQUEST, &text), HF_INVALID);
	assert_int_equal(hf_device_migrate(hf, (enum hf_device_migrate)3, &text), HF_INVALID);
	assert_null(data);
	assert_null(text);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		WITH_FAKE(test_device),		WITH_FAKE(test_sign),
		WITH_FAKE(test_admin),		WITH_FAKE(test_unwrap),
		WITH_FAKE(test_sign),		WITH_FAKE(test_admin),
		WITH_FAKE(test_unwrap_refused), WITH_FAKE(test_sign),
		WITH_FAKE(test_admin),		WITH_FAKE(test_unwrap_longest),
		WITH_FAKE(test_sign),		WITH_FAKE(test_admin),
		WITH_FAKE(test_refused),	WITH_FAKE(test_unexpected),
		WITH_FAKE(test_arguments),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
