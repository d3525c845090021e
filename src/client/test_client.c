/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library against a scripted service: every call, its request and what it makes of the answer;
 * problems, answers that are not what was asked for, and arguments that are never sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "client/call.h"
#include "client/test_fixture.h"

#define NAMES_MAX 64u

/* --- what goes out and what comes in --- */

static void test_seal_in_pieces(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {{SEALED, .piece = 1}, {SEALED}, {SEALED, .piece = 3}};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	void *blob;
	size_t len, i;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(steps); i++) {
		assert_int_equal(hf_seal(fake->hf, "plain", 5, &blob, &len), 0);
		assert_int_equal(len, 4);
		assert_string_equal(blob, "blob");
		assert_string_equal(hf_protection(fake->hf), "tpm");
		assert_string_equal(hf_error_text(fake->hf), "");
		hf_free(blob);
	}
	fake_served(fake, &log);
	assert_ptr_equal(strstr((char *)log.data, "POST /v1/seal HTTP/1.1\r\n"), log.data);
	assert_non_null(strstr((char *)log.data, "\r\nHost: "));
	assert_non_null(strstr((char *)log.data, "\r\nAccept: application/octet-stream\r\n"));
	assert_non_null(strstr((char *)log.data, "\r\nContent-Type: application/octet-stream\r\n"));
	assert_non_null(strstr((char *)log.data, "\r\nContent-Length: 5\r\n\r\nplainPOST "));
}

/* Every call once: its request line, its body, and what it makes of the answer. */
static int visit_two(void *arg, const char *name)
{
	char *names = arg;
	size_t len = strlen(names);

	(void)snprintf(names + len, NAMES_MAX - len, "%s,", name);
	return 0;
}

static void call_secrets(struct hf *hf)
{
	char names[NAMES_MAX] = "";
	void *data;
	size_t len;

	assert_int_equal(hf_secret_put(hf, "a.b", "v", 1, HF_SECRET_CREATE), 0);
	assert_string_equal(hf_protection(hf), "software");
	assert_int_equal(hf_secret_get(hf, "a.b", &data, &len), 0);
	assert_int_equal(len, 0);
	hf_free(data);
	assert_int_equal(hf_secret_list(hf, visit_two, names), 0);
	assert_string_equal(names, "a,b,c,");
	assert_int_equal(hf_secret_delete(hf, "a.b"), 0);
}

static void test_secrets(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("201 Created"), .body = "{\"protection\":\"software\"}"},
		{.answer = OCTETS, .body = ""},
		{.answer = JSON("200 OK"),
		 .body = "{\"secrets\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"next\":\"b\"}"},
		{.answer = JSON("200 OK"),
		 .body = "{\"secrets\":[{\"name\":\"c\"}],\"next\":null}"},
		{.answer = "HTTP/1.1 204 No Content\r\n\r\n"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	const char *text;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	call_secrets(fake->hf);
	fake_served(fake, &log);
	text = (const char *)log.data;
	assert_non_null(strstr(text, "PUT /v1/secrets/a.b HTTP/1.1\r\n"));
	assert_non_null(strstr(text, "\r\nIf-None-Match: *\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Length: 1\r\n\r\nvGET /v1/secrets/a.b HTTP"));
	assert_non_null(strstr(text, "GET /v1/secrets?limit=1000 HTTP"));
	assert_non_null(strstr(text, "GET /v1/secrets?limit=1000&after=b HTTP"));
	assert_non_null(strstr(text, "DELETE /v1/secrets/a.b HTTP"));
}

static void call_keys(struct hf *hf)
{
	char *text = NULL, *passphrase = NULL;

	assert_int_equal(hf_key_create(hf, "k", "ecc-p256", HF_KEY_EXPORT, NULL), 0);
	assert_int_equal(hf_key_import(hf, "i", "-----\n\"x\"", "p\\", &text), 0);
	assert_string_equal(text, "{\"name\":\"i\"}");
	hf_free(text);
	assert_int_equal(hf_key_public(hf, "k", &text), 0);
	assert_string_equal(text, "PEM");
	hf_free(text);
	assert_int_equal(hf_key_export(hf, "k", &text, &passphrase), 0);
	assert_string_equal(text, "a\nb");
	assert_string_equal(passphrase, "secret");
	hf_free(text);
	hf_free(passphrase);
	assert_int_equal(hf_key_export(hf, "k", &text, &passphrase), 0);
	assert_null(passphrase);
	hf_free(text);
}

static void test_keys(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("201 Created"), .body = "{}"},
		{.answer = JSON("201 Created"), .body = "{\"name\":\"i\"}"},
		{.answer = JSON("200 OK"), .body = "{\"public\":\"PEM\"}"},
		{.answer = JSON("200 OK"), .body = "{\"pem\":\"a\\nb\",\"passphrase\":\"secret\"}"},
		{.answer = JSON("200 OK"), .body = "{\"pem\":\"PEM\",\"passphrase\":null}"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	const char *text;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	call_keys(fake->hf);
	fake_served(fake, &log);
	text = (const char *)log.data;
	assert_non_null(
		strstr(text, "\r\n\r\n{\"name\":\"k\",\"type\":\"ecc-p256\",\"export\":true}"));
	assert_non_null(strstr(text, "{\"name\":\"i\",\"pem\":\"-----\\u000a\\\"x\\\"\","
				     "\"passphrase\":\"p\\\\\"}"));
	assert_non_null(strstr(text, "GET /v1/keys/k HTTP"));
	assert_non_null(strstr(text, "POST /v1/keys/k/export HTTP"));
}

static void test_sign_random_status(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"AQID\"}"},
		{.answer = OCTETS "Holdfast-Protection: software\r\n", .body = "1234"},
		{.answer = JSON("200 OK"), .body = "{\"uptime\":12}"},
	};
	const struct hf_sign request = {
		.key = "k", .hash = "sha384", .digest = "abc", .digest_len = 3};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	uint8_t random[4];
	void *signature;
	char *status;
	size_t len;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_sign_digest(fake->hf, &request, &signature, &len), 0);
	assert_int_equal(len, 3);
	assert_non_null(strstr(hf_answer_json(fake->hf), "\"signature\""));
	assert_memory_equal(signature, "\1\2\3", 3);
	hf_free(signature);
	assert_int_equal(hf_random(fake->hf, random, sizeof(random)), 0);
	assert_memory_equal(random, "1234", 4);
	assert_string_equal(hf_answer_json(fake->hf), ""); /* only of the last call */
	assert_string_equal(hf_protection(fake->hf), "software");
	assert_int_equal(hf_status_json(fake->hf, &status), 0);
	assert_string_equal(status, "{\"uptime\":12}");
	hf_free(status);
	fake_served(fake, &log);
	assert_non_null(
		strstr((char *)log.data, "\r\n\r\n{\"digest\":\"YWJj\",\"hash\":\"sha384\"}"));
	assert_non_null(strstr((char *)log.data, "{\"bytes\":4}"));
}

/* --- problems --- */

static const struct {
	const char *head;
	const char *body;
	int code;
	const char *text;
	const char *remedy; /* NULL = any */
} PROBLEMS[] = {
	{PROBLEM("404 x"), "{\"code\":\"not_found\",\"detail\":\"no k\",\"remedy\":\"look\"}",
	 HF_NOT_FOUND, "no k", "look"},
	{PROBLEM("503 x"), "{\"code\":\"tpm_required\",\"detail\":\"a\\u001b[1m\\u009bb\"}",
	 HF_TPM_REQUIRED, "a?[1m?b", NULL},
	{PROBLEM("500 x"), "{\"code\":\"of_a_later_release\",\"detail\":\"\"}", HF_INTERNAL, "",
	 NULL},
	{PROBLEM("409 x"), "{}", HF_CONFLICT, "the service answered HTTP 409", NULL},
	{PROBLEM("429 x"), "{\"a\"", HF_QUOTA, "the service answered HTTP 429", NULL},
	{HEAD("400 x", "text/html"), "<html>", HF_INVALID, "the service answered HTTP 400", NULL},
	{HEAD("302 x", "text/html"), "", HF_INTERNAL, "the service answered HTTP 302", NULL},
	{HEAD("200 x", "text/html"), "blob", HF_INTERNAL,
	 "the answer is not what was asked for: its media type", NULL},
};

static void test_problems(void **state)
{
	struct fake *fake = *state;
	struct step steps[ARRAY_LEN(PROBLEMS)];
	void *blob = NULL;
	size_t len = 7, i;

	for (i = 0; i < ARRAY_LEN(PROBLEMS); i++)
		steps[i] = (struct step){.answer = PROBLEMS[i].head, .body = PROBLEMS[i].body};
	fake_serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(PROBLEMS); i++) {
		assert_int_equal(hf_seal(fake->hf, "x", 1, &blob, &len), PROBLEMS[i].code);
		assert_int_equal(hf_error_code(fake->hf), PROBLEMS[i].code);
		assert_string_equal(hf_error_text(fake->hf), PROBLEMS[i].text);
		assert_string_not_equal(hf_error_remedy(fake->hf), "");
		if (PROBLEMS[i].remedy)
			assert_string_equal(hf_error_remedy(fake->hf), PROBLEMS[i].remedy);
		assert_string_equal(hf_protection(fake->hf), "");
		assert_null(blob);
		assert_int_equal(len, 7);
	}
	fake_served_all(fake);
}

/* Well-formed answers that are not what was asked for. */
static void test_unexpected(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = OCTETS, .body = "abc"},
		{.answer = JSON("200 OK"), .body = "[]"},
		{.answer = JSON("200 OK"), .body = "{\"signature\":\"AQI\"}  "},
		{.answer = JSON("200 OK"), .body = "{}"},
		{.answer = JSON("200 OK"), .body = "{\"keys\":[{\"name\":\"../a\"}]}      "},
		{.answer = JSON("200 OK"), .body = "{\"keys\":[],\"next\":\"a b\"}         "},
	};
	const struct hf_sign sign = {.key = "k", .digest = "abc", .digest_len = 3};
	char names[NAMES_MAX] = "";
	char *text = NULL;
	uint8_t random[4];
	void *data = NULL;
	size_t len;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_random(fake->hf, random, sizeof(random)), HF_INTERNAL);
	assert_int_equal(hf_status_json(fake->hf, &text), HF_INTERNAL);
	assert_int_equal(hf_sign_digest(fake->hf, &sign, &data, &len), HF_INTERNAL);
	assert_int_equal(hf_key_public(fake->hf, "k", &text), HF_INTERNAL);
	assert_int_equal(hf_key_list(fake->hf, visit_two, names), HF_INTERNAL);
	assert_int_equal(hf_key_list(fake->hf, visit_two, names), HF_INTERNAL);
	assert_string_equal(names, "");
	assert_null(text);
	assert_null(data);
	fake_served_all(fake);
}

static int visit_stop(void *arg, const char *name)
{
	(void)name;
	return ++*(int *)arg;
}

static void test_visit_ends_the_walk(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"),
		 .body = "{\"keys\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"next\":\"b\"}"},
	};
	int count = 0;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_key_list(fake->hf, visit_stop, &count), 1);
	assert_int_equal(count, 1);
	fake_served_all(fake);
}

/* Nothing may be sent for these: there is no service at all. */
static void test_arguments(void **state)
{
	struct fake *fake = *state;
	const struct hf_sign sign = {.key = "k"};
	static const char *const NAMES[] = {"", ".a", "a/b", "a b", "a%", "\xc3\xa9", NULL};
	char name[130];
	char *text;
	void *data;
	size_t len, i;

	for (i = 0; i < ARRAY_LEN(NAMES); i++) {
		assert_int_equal(hf_secret_get(fake->hf, NAMES[i], &data, &len), HF_INVALID);
		assert_int_equal(hf_key_delete(fake->hf, NAMES[i]), HF_INVALID);
		assert_int_equal(hf_key_create(fake->hf, NAMES[i], "x", 0, &text), HF_INVALID);
	}
	memset(name, 'n', sizeof(name));
	name[129] = '\0';
	assert_int_equal(hf_key_public(fake->hf, name, &text), HF_INVALID);
	assert_int_equal(hf_random(fake->hf, name, 0), HF_INVALID);
	assert_int_equal(hf_random(fake->hf, name, HF_RANDOM_MAX + 1), HF_INVALID);
	assert_int_equal(hf_sign_digest(fake->hf, &sign, &data, &len), HF_INVALID);
	assert_int_equal(hf_key_import(fake->hf, "k", NULL, NULL, &text), HF_INVALID);
	assert_int_equal(hf_seal(fake->hf, "", SIZE_MAX, &data, &len), HF_TOO_LARGE);
}

static void test_open(void **state)
{
	char path[CONN_PATH_MAX + 2];
	struct hf *hf = NULL;

	(void)state;
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(hf_open(path, &hf), HF_INVALID);
	assert_int_equal(hf_open("", &hf), HF_INVALID);
	assert_null(hf);
	path[CONN_PATH_MAX] = '\0';
	assert_int_equal(setenv("HOLDFAST_SOCKET", path, 1), 0);
	assert_int_equal(hf_open(NULL, &hf), 0);
	assert_string_equal(hf_socket(hf), path);
	hf_close(hf);
	assert_int_equal(unsetenv("HOLDFAST_SOCKET"), 0);
	assert_int_equal(hf_open(NULL, &hf), 0);
	assert_string_equal(hf_socket(hf), HF_SOCKET_DEFAULT);
	assert_string_equal(hf_protection(hf), "");
	assert_string_equal(hf_error_remedy(hf), "");
	hf_close(hf);
	hf_close(NULL);
	hf_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		WITH_FAKE(test_seal_in_pieces),
		WITH_FAKE(test_secrets),
		WITH_FAKE(test_keys),
		WITH_FAKE(test_sign_random_status),
		WITH_FAKE(test_problems),
		WITH_FAKE(test_unexpected),
		WITH_FAKE(test_visit_ends_the_walk),
		WITH_FAKE(test_arguments),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
