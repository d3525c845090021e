/* SPDX-License-Identifier: Apache-2.0 */
/* FAPI's objects and the administrator's calls: what goes out, what is taken, what is never sent.
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

#define NAMES_MAX 128u

static int visit_all(void *arg, const char *name)
{
	char *names = arg;
	size_t len = strlen(names);

	(void)snprintf(names + len, NAMES_MAX - len, "%s,", name);
	return 0;
}

static void test_objects(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = OCTETS "Holdfast-Protection: tpm\r\n", .body = "from fapi"},
		{.answer = JSON("201 Created"), .body = "{\"path\":\"/HS/SRK/x\"}"},
		{.answer = JSON("200 OK"),
		 .body = "{\"objects\":[\"/HS/SRK/x\",\"/P_RSA2048SHA256/HS/SRK/y.z\"]}"},
		{.answer = "HTTP/1.1 204 No Content\r\n\r\n"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	char names[NAMES_MAX] = "";
	const char *text;
	void *data;
	size_t len;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_fapi_unseal(fake->hf, "/HS/SRK/x", &data, &len), 0);
	assert_string_equal(hf_protection(fake->hf), "tpm");
	assert_int_equal(len, 9);
	assert_string_equal(data, "from fapi");
	hf_free(data);
	assert_int_equal(hf_fapi_seal(fake->hf, "/HS/SRK/x", "abc", 3), 0);
	assert_int_equal(hf_fapi_list(fake->hf, visit_all, names), 0);
	assert_string_equal(names, "/HS/SRK/x,/P_RSA2048SHA256/HS/SRK/y.z,");
	assert_int_equal(hf_fapi_delete(fake->hf, "/HS/SRK/x"), 0);
	fake_served(fake, &log);
	text = (const char *)log.data;
	assert_ptr_equal(strstr(text, "GET /v1/fapi/object?path=/HS/SRK/x HTTP/1.1\r\n"), text);
	assert_non_null(strstr(text, "\r\nAccept: application/octet-stream\r\n"));
	assert_non_null(strstr(text, "POST /v1/admin/fapi/seal HTTP"));
	assert_non_null(strstr(text, "\r\n\r\n{\"path\":\"/HS/SRK/x\",\"data\":\"YWJj\"}"));
	assert_non_null(strstr(text, "GET /v1/admin/fapi/objects HTTP"));
	assert_non_null(strstr(text, "DELETE /v1/admin/fapi/object?path=/HS/SRK/x HTTP"));
}

static const struct {
	int (*call)(struct hf *hf, char **ret_json);
	const char *line;
} ASKED[] = {
	{hf_fapi_probe_json, "POST /v1/admin/fapi/probe HTTP"},
	{hf_fapi_provision_json, "POST /v1/admin/fapi/provision HTTP"},
	{hf_tpm_accept_json, "POST /v1/admin/tpm/accept HTTP"},
};

static void test_asked(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = JSON("200 OK"), .body = "{\"a\":1}"},
		{.answer = JSON("200 OK"), .body = "{\"a\":1}"},
		{.answer = JSON("200 OK"), .body = "{\"a\":1}"},
		{.answer = PROBLEM("409 x"),
		 .body = "{\"code\":\"conflict\",\"detail\":\"the same\"}"},
	};
	CLEANUP(buf_fini) struct buf log = BUF_INIT(FAKE_REQUEST_MAX);
	char *json = NULL;
	size_t i;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(ASKED); i++) {
		assert_int_equal(ASKED[i].call(fake->hf, &json), 0);
		assert_string_equal(json, "{\"a\":1}");
		hf_free(json);
		json = NULL;
	}
	assert_int_equal(hf_tpm_accept_json(fake->hf, &json), HF_CONFLICT);
	assert_null(json);
	fake_served(fake, &log);
	for (i = 0; i < ARRAY_LEN(ASKED); i++)
		assert_non_null(strstr((char *)log.data, ASKED[i].line));
	assert_non_null(strstr((char *)log.data, "\r\nContent-Length: 2\r\n\r\n{}POST "));
}

static void test_metrics(void **state)
{
	struct fake *fake = *state;
	const struct step steps[] = {
		{.answer = HEAD("200 OK",
				"application/openmetrics-text; version=1.0.0; charset=utf-8"),
		 .body = "# EOF\n"},
		{.answer = HEAD("200 OK", "text/plain"), .body = "# EOF\n"},
	};
	char *text = NULL;

	fake_serve(fake, steps, ARRAY_LEN(steps));
	assert_int_equal(hf_metrics(fake->hf, &text), 0);
	assert_string_equal(text, "# EOF\n");
	hf_free(text);
	assert_int_equal(hf_metrics(fake->hf, &text), HF_INTERNAL);
	fake_served_all(fake);
}

static void test_unexpected(void **state)
{
	static const char *const BODIES[] = {
		"{}",
		"{\"objects\":{}}",
		"{\"objects\":[1]}",
		"{\"objects\":[\"HS/SRK/x\"]}",
		"{\"objects\":[\"/HS/../x\"]}",
		"{\"objects\":[\"/HS\\n\"]}",
	};
	struct step steps[ARRAY_LEN(BODIES)];
	struct fake *fake = *state;
	char names[NAMES_MAX] = "";
	size_t i;

	for (i = 0; i < ARRAY_LEN(BODIES); i++)
		steps[i] = (struct step){.answer = JSON("200 OK"), .body = BODIES[i]};
	fake_serve(fake, steps, ARRAY_LEN(steps));
	for (i = 0; i < ARRAY_LEN(BODIES); i++)
		assert_int_equal(hf_fapi_list(fake->hf, visit_all, names), HF_INTERNAL);
	assert_string_equal(names, "");
	fake_served_all(fake);
}

/* Nothing may be sent for these: there is no service at all. */
static void test_arguments(void **state)
{
	static const char *const PATHS[] = {
		"",	 "x",	   "HS/SRK/x", "/",	  "/HS//x", "/HS/",	 "/HS/./x",
		"/../x", "/HS/x ", "/HS/x?y",  "/HS/%2e", "/HS/..", "/\xc3\xa9", NULL,
	};
	struct fake *fake = *state;
	char data[HF_FAPI_SEAL_MAX + 1] = "", path[258];
	void *got;
	size_t len, i;

	for (i = 0; i < ARRAY_LEN(PATHS); i++) {
		assert_int_equal(hf_fapi_unseal(fake->hf, PATHS[i], &got, &len), HF_INVALID);
		assert_int_equal(hf_fapi_seal(fake->hf, PATHS[i], "x", 1), HF_INVALID);
		assert_int_equal(hf_fapi_delete(fake->hf, PATHS[i]), HF_INVALID);
	}
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[256] = '\0';
	assert_int_equal(hf_fapi_delete(fake->hf, path), HF_INVALID);
	path[255] = '\0';
	assert_int_equal(hf_fapi_delete(fake->hf, path), HF_INTERNAL); /* tried, in vain */
	assert_int_equal(hf_fapi_seal(fake->hf, "/HS/SRK/x", data, 0), HF_INVALID);
	assert_int_equal(hf_fapi_seal(fake->hf, "/HS/SRK/x", data, sizeof(data)), HF_TOO_LARGE);
}

static void test_admin_socket(void **state)
{
	static const struct {
		const char *socket, *admin;
	} CASES[] = {
		{"/run/x/holdfast.sock", "/run/x/admin.sock"},
		{"holdfast.sock", "admin.sock"},
		{"/s", "/admin.sock"},
		{NULL, "/run/holdfast/admin.sock"},
	};
	char path[CONN_PATH_MAX + 1];
	struct hf *hf = NULL;
	size_t i;

	(void)state;
	assert_int_equal(unsetenv("HOLDFAST_SOCKET"), 0);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		assert_int_equal(hf_open_admin(CASES[i].socket, &hf), 0);
		assert_string_equal(hf_socket(hf), CASES[i].admin);
		hf_close(hf);
	}
	hf = NULL;
	memset(path, 'p', sizeof(path));
	path[CONN_PATH_MAX] = '\0';
	path[CONN_PATH_MAX - 2] = '/'; /* room for two characters */
	assert_int_equal(hf_open_admin(path, &hf), HF_INVALID);
	assert_int_equal(hf_open_admin("", &hf), HF_INVALID);
	assert_null(hf);
}

/* A socket that is not there: what is sent all the same fails at once. */
static int no_fake(void **state)
{
	struct fake *fake;
	int r = fake_setup(state);

	fake = *state;
	(void)unlink(fake->path);
	return r;
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		WITH_FAKE(test_objects),
		WITH_FAKE(test_asked),
		WITH_FAKE(test_metrics),
		WITH_FAKE(test_unexpected),
		cmocka_unit_test_setup_teardown(test_arguments, no_fake, fake_teardown),
		cmocka_unit_test(test_admin_socket),
	};

	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
