/* SPDX-License-Identifier: Apache-2.0 */
/* Each flow with each code, as the call's refusal and as what the work ends with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "artifact/v1.h"
#include "base/json.h"
#include "front/test_fixture.h"
#include "loader/fault.h"

#define WHO  "{\"email\":\"a@b.c\",\"password\":\"pw\"}"
#define FORM "multipart/form-data; boundary=B"
#define BODY "--B\r\nContent-Disposition: form-data; name=data\r\n\r\nx\r\n--B--\r\n"

enum { LOGIN, LOAD, UPLOAD, UNLOCK, CANCEL, GET, POST, FLOWS };

static const struct {
	const char *head;
	const char *body;
	unsigned success;
} ASKS[FLOWS] = {
	[LOGIN] = {"POST /login HTTP/1.1\r\n" JSON, WHO, 200},
	[LOAD] = {"POST /load/net.bin HTTP/1.1\r\n" JSON, "{\"filename\":\"net.bin\"}", 200},
	[UPLOAD] = {"POST /upload/net.bin HTTP/1.1\r\n" HOST "Content-Type: " FORM "\r\n", BODY,
		    200},
	[UNLOCK] = {"POST /unlock HTTP/1.1\r\n" JSON, WHO, 200},
	[CANCEL] = {"DELETE /v2/artifacts/net.bin HTTP/1.1\r\n" HOST, NULL, 204},
	[GET] = {"GET /v2/artifacts/net.bin HTTP/1.1\r\n" HOST, NULL, 200},
	[POST] = {"POST /v2/artifacts/net.bin HTTP/1.1\r\n" JSON, "{}", 200},
};

static const struct {
	int code;
	const char *name;
	unsigned statuses[CANCEL + 1]; /* what is of version 2 has that of CANCEL */
} ROWS[] = {
	{ERR_INVALID, "invalid", {422, 422, 422, 422, 422}},
	{ERR_NOT_FOUND, "not_found", {401, 404, 500, 404, 404}},
	{ERR_FORBIDDEN, "policy_denied", {401, 500, 500, 500, 403}},
	{ERR_TOO_LARGE, "too_large", {401, 500, 413, 500, 413}},
	{ERR_DAMAGED, "decrypt_failed", {401, 500, 500, 500, 422}},
	{ERR_DISK_FULL, "disk_full", {401, 500, 500, 500, 507}},
	{ERR_NOT_SUPPORTED, "not_supported", {401, 500, 500, 500, 422}},
	{ERR_TIMEOUT, "timeout", {401, 500, 500, 500, 504}},
	{ERR_INTERNAL, "internal", {401, 500, 500, 500, 500}},
	{ERR_UNREADABLE, "internal", {401, 500, 500, 500, 500}},
	{ERR_QUOTA, "internal", {401, 500, 500, 500, 500}},
	{FAULT_UPSTREAM, "upstream_unreachable", {401, 500, 500, 500, 502}},
	{FAULT_CREDENTIALS, "auth_failed", {401, 401, 401, 500, 401}},
	{FAULT_NOT_LOGGED_IN, "not_logged_in", {401, 401, 401, 500, 401}},
	{FAULT_SIGNATURE, "signature_invalid", {401, 500, 500, 500, 422}},
	{FAULT_DIGEST, "digest_mismatch", {401, 500, 500, 500, 422}},
	{FAULT_DOCKER, "docker_failed", {401, 500, 500, 500, 502}},
	{FAULT_BUSY, "busy", {401, 500, 500, 500, 503}},
	{FAULT_CANCELLED, "cancelled", {401, 500, 500, 500, 409}},
	{FAULT_ROLLED_BACK, "rolled_back", {401, 500, 500, 500, 409}},
	{FAULT_EXPIRED, "expired", {401, 500, 500, 500, 403}},
	{FAULT_NO_KEY, "no_device_key", {401, 404, 500, 500, 404}},
	{ERR_STARTING, "starting", {401, 500, 500, 500, 503}},
	{ERR_TPM_REQUIRED, "tpm_required", {401, 500, 500, 500, 503}},
	{ERR_TPM_BUSY, "tpm_busy", {401, 500, 500, 500, 503}},
	{ERR_TPM_LOCKOUT, "tpm_lockout", {401, 500, 500, 500, 503}},
	{ERR_TPM_FAILED, "tpm_failed", {401, 500, 500, 500, 503}},
	{ERR_TPM_CHANGED, "tpm_changed", {401, 500, 500, 500, 503}},
};

static unsigned status_in_row(size_t flow, size_t row)
{
	return ROWS[row].statuses[flow < CANCEL ? flow : CANCEL];
}

static unsigned status_in_rows(size_t flow, int code)
{
	size_t row = 0;

	while (ROWS[row].code != code)
		row++;
	return status_in_row(flow, row);
}

static void test_every_code(void **state)
{
	size_t row, flow, late;

	(void)state;
	for (row = 0; row < ARRAY_LEN(ROWS); row++)
		for (flow = 0; flow < FLOWS; flow++)
			for (late = 0; late < (flow == CANCEL ? 1u : 2u); late++) {
				fake.refusal = late ? 0 : ROWS[row].code;
				fake.code = late ? ROWS[row].code : 0;
				ask_fails(ASKS[flow].head, ASKS[flow].body,
					  status_in_row(flow, row), ROWS[row].name);
			}
}

static void test_success(void **state)
{
	size_t flow;

	(void)state;
	for (flow = 0; flow < FLOWS; flow++)
		ask(ASKS[flow].head, ASKS[flow].body, ASKS[flow].success, NULL);
}

/* All codes of the table stand in this test. */
static void test_no_code_is_forgotten(void **state)
{
	size_t count, i, row;
	const struct fault_info *table = fault_table(&count);

	(void)state;
	for (i = 0; i < count; i++) {
		for (row = 0; row < ARRAY_LEN(ROWS) && ROWS[row].code != table[i].code; row++)
			continue;
		assert_true(row < ARRAY_LEN(ROWS));
		assert_string_equal(ROWS[row].name, table[i].name);
	}
}

/* The bodies, whole. */
static void test_bodies(void **state)
{
	static const struct {
		int code;
		const char *body;
	} CASES[] = {
		{FAULT_UPSTREAM,
		 "{\"detail\":\"a \\\"text\\\"\",\"code\":\"upstream_unreachable\"}"},
		{ERR_DAMAGED, "{\"detail\":\"" V1_DOES_NOT_OPEN "\",\"code\":\"decrypt_failed\"}"},
		{ERR_INTERNAL, "{\"detail\":\"the loader has a defect or lacks memory; its log "
			       "says more\",\"code\":\"internal\"}"},
		{ERR_UNREADABLE, "{\"detail\":\"the device or its disk failed; the loader's log "
				 "says more\",\"code\":\"internal\"}"},
	};
	size_t i;

	(void)state;
	fake.detail = "a \"text\"";
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct client client;

		fake.code = CASES[i].code;
		client_begin(&client);
		client_send_body(&client, ASKS[LOGIN].head, slice_str(WHO));
		assert_int_equal(client_status(&client), 401);
		assert_true(client_has_header(&client, "Content-Type: application/json"));
		assert_string_equal(client_body(&client), CASES[i].body);
		client_end(&client);
	}
}

/* What a client may not read stands in the log, and so does each of the four that failed. */
static void test_log(void **state)
{
	static const struct {
		size_t flow;
		int code;
		const char *line; /* NULL: none */
	} CASES[] = {
		{LOGIN, FAULT_CREDENTIALS, "/login: failed, auth_failed: the text"},
		{LOAD, FAULT_UPSTREAM, "/load/net.bin: failed, upstream_unreachable: the text"},
		{LOAD, ERR_DAMAGED, "/load/net.bin: failed, decrypt_failed: the text"},
		{LOAD, ERR_UNREADABLE, "/load/net.bin: failed, internal: the text"},
		{UPLOAD, ERR_INTERNAL, "/upload/net.bin: failed, internal: the text"},
		{UNLOCK, ERR_NOT_FOUND, "/unlock: failed, not_found: the text"},
		{CANCEL, ERR_UNREADABLE, "/v2/artifacts/net.bin: failed, internal: the text"},
		{CANCEL, ERR_NOT_FOUND, NULL},
		{GET, FAULT_EXPIRED, "/v2/artifacts/net.bin: failed, expired: the text"},
		{POST, ERR_DAMAGED, "/v2/artifacts/net.bin: failed, decrypt_failed: the text"},
		{POST, ERR_INVALID, NULL},
		{LOAD, ERR_INVALID, NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		fixture.notes = 0;
		fake.refusal = CASES[i].code;
		ask(ASKS[CASES[i].flow].head, ASKS[CASES[i].flow].body,
		    status_in_rows(CASES[i].flow, CASES[i].code), NULL);
		assert_int_equal(fixture.notes, CASES[i].line ? 1 : 0);
		if (CASES[i].line)
			assert_string_equal(fixture.note, CASES[i].line);
	}
	/* What was refused before it was a login. */
	fixture.notes = 0;
	ask("POST /login HTTP/1.1\r\nHost: evil\r\nContent-Type: application/json\r\n", WHO, 403,
	    NULL);
	assert_int_equal(fixture.notes, 0);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test_setup_teardown(test_every_code, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_success, fixture_begin, fixture_end),
		cmocka_unit_test(test_no_code_is_forgotten),
		cmocka_unit_test_setup_teardown(test_bodies, fixture_begin, fixture_end),
		cmocka_unit_test_setup_teardown(test_log, fixture_begin, fixture_end),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
