/* SPDX-License-Identifier: Apache-2.0 */
/* Attestation keys, the endorsement key, PCRs and the event log, on a chip that is played. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"

static void use_banks(struct fixture *fixture)
{
	static const struct pcr_selection BANKS = {
		.banks = {{HASH_SHA1, 0xffffff}, {HASH_SHA256, 0xffffff}}, .count = 2};

	use_chip(fixture);
	fixture->chip.banks = BANKS;
}

static const struct {
	const char *method, *path, *body;
	int status;
	const char *text;
} LIFE[] = {
	{"GET", "/v1/aiks", NULL, 200, "\"aiks\":[],\"next\":null"},
	{"POST", "/v1/aiks", "{}", 201, "\"name\":\"0x81010000\",\"handle\":\"0x81010000\""},
	{"POST", "/v1/aiks", "{}", 201, "Location: /v1/aiks/0x81010001"},
	{"POST", "/v1/aiks", "{\"name\":\"q\",\"type\":\"rsa-2048\",\"hash\":\"sha384\"}", 201,
	 "\"handle\":\"0x81010002\",\"type\":\"rsa-2048\",\"hash\":\"sha384\",\"scheme\":"
	 "\"rsassa\""},
	{"GET", "/v1/aiks/q", NULL, 200, "\"tpm_public\":\"cHVibGlj\",\"tpm_name\":\"000b6e"},
	{"GET", "/v1/aiks/0x81010001", NULL, 200, "\"scheme\":\"ecdsa\",\"public\":\"-----BEGIN"},
	{"GET", "/v1/aiks/0x81010001", NULL, 200, "\"protection\":\"tpm\""},
	{"GET", "/v1/aiks?limit=1", NULL, 200, "\"next\":\"0x81010000\""},
	{"GET", "/v1/aiks?after=0x81010001", NULL, 200,
	 "\"aiks\":[{\"name\":\"q\",\"handle\":\"0x81010002\",\"type\":\"rsa-2048\","
	 "\"hash\":\"sha384\"}],\"next\":null"},
	{"POST", "/v1/aiks", "{\"name\":\"q\"}", 409, "conflict"},
	/* A number is never given twice: the refused one above took none, this one is new. */
	{"DELETE", "/v1/aiks/0x81010001", NULL, 204, ""},
	{"GET", "/v1/aiks/0x81010001", NULL, 404, "not_found"},
	{"POST", "/v1/aiks", "{}", 201, "\"handle\":\"0x81010003\""},
	{"DELETE", "/v1/aiks/0x81010001", NULL, 404, "not_found"},
	/* Keys and attestation keys are two kinds, with names of their own. */
	{"GET", "/v1/keys/q", NULL, 404, ""},
	{"POST", "/v1/keys", "{\"name\":\"q\",\"type\":\"ecc-p256\"}", 201, ""},
	{"POST", "/v1/aiks", "{\"name\":\"0x81010009\"}", 400, "/name: names that look like"},
	{"POST", "/v1/aiks", "{\"name\":\"0X8101\"}", 400, "/name: names that look like"},
	{"POST", "/v1/aiks", "{\"name\":\"a/b\"}", 400, "/name"},
	{"POST", "/v1/aiks", "{\"name\":\"\"}", 400, "/name"},
	{"POST", "/v1/aiks", "{\"type\":\"hmac-sha256\"}", 422, "/type"},
	{"POST", "/v1/aiks", "{\"hash\":\"sha1\"}", 422, "/hash"},
	{"POST", "/v1/aiks", "{\"use\":[\"sign\"]}", 400, "/use: unknown member"},
};

static void life(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	use_banks(fixture);
	for (i = 0; i < ARRAY_LEN(LIFE); i++) {
		int status = ask(fixture, LIFE[i].method, LIFE[i].path, LIFE[i].body);

		if (status != LIFE[i].status || !strstr(fixture->answer, LIFE[i].text))
			fail_msg("row %zu: %s", i, fixture->answer);
	}
}

/* A record that cannot be read does not hide the others. */
static void damaged_ones_are_listed(void **state)
{
	struct fixture *fixture = *state;
	const struct store_id id = {.tenant = "host", .kind = STORE_AIKS, .name = "odd"};
	struct err err;

	use_banks(fixture);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{}"), 201);
	assert_int_equal(store_create(fixture->store, &id, slice_str("no blob"), &err), 0);
	assert_int_equal(ask(fixture, "GET", "/v1/aiks", NULL), 200);
	answer_has(fixture, "{\"name\":\"odd\",\"handle\":null,\"type\":null,\"hash\":null}");
	assert_int_equal(ask(fixture, "GET", "/v1/aiks/odd", NULL), 422);
	assert_int_equal(ask(fixture, "DELETE", "/v1/aiks/odd", NULL), 204);
}

#define CREDENTIAL "\"utzA3gAAAAEAA2FiYwACeHk=\"" /* magic, 1, "abc", "xy" */

static const struct {
	const char *path, *body;
	int status;
	const char *text;
} USES[] = {
	{"quote", "{}", 200, "\"attest\":\"YXR0ZXN0\",\"signature\":\"ABgACwABBwABCQ==\""},
	{"quote", "{}", 200,
	 "\"plain_signature\":\"MAYCAQcCAQk=\",\"hash\":\"sha256\",\"scheme\":\"ecdsa\""},
	{"quote", "{}", 200, "\"pcrs\":{\"sha256\":{\"0\":\"abab"},
	{"quote", "{\"values\":false,\"nonce\":\"AAEC\"}", 200, "\"protection\":\"tpm\"}"},
	{"quote", "{\"pcrs\":{\"sha1\":[23],\"sha512\":[0,1]}}", 200, "\"sha1\":{\"23\":\"abab"},
	{"quote", "{\"event_log\":true}", 200, "\"event_log\":null"},
	{"quote", "{\"nonce\":7}", 400, "/nonce"},
	{"quote", "{\"nonce\":\"%s\"}", 400, "/nonce: has at most 64 bytes"},
	{"quote", "{\"pcrs\":[0]}", 400, "/pcrs: must be an object"},
	{"quote", "{\"pcrs\":{}}", 400, "/pcrs: must be an object"},
	{"quote", "{\"pcrs\":{\"md5\":[0]}}", 400, "/pcrs: banks are"},
	{"quote", "{\"pcrs\":{\"sha256\":[]}}", 400, "/pcrs/sha256: must be an array"},
	{"quote", "{\"pcrs\":{\"sha256\":[0,24]}}", 400, "/pcrs/sha256/1: must be a whole number"},
	{"quote", "{\"pcrs\":{\"sha256\":[-1]}}", 400, "/pcrs/sha256/0: "},
	{"quote", "{\"pcrs\":{\"sha256\":[1.5]}}", 400, "/pcrs/sha256/0: "},
	{"quote", "{\"pcrs\":{\"sha256\":[3,3]}}", 400, "/pcrs/sha256/1: stands there twice"},
	{"quote", "{\"values\":1}", 400, "/values"},
	{"quote", "{\"event_log\":\"yes\"}", 400, "/event_log"},
	{"quote", "{\"hash\":\"sha256\"}", 400, "/hash: unknown"},
	{"quote", "", 400, "the body is missing"},
	{"certify", "{\"key\":\"k\"}", 200, "\"public\":\"cHVibGlj\""},
	{"certify", "{\"key\":\"k\",\"nonce\":\"AAEC\"}", 200, "\"attest\":\"YXR0ZXN0\""},
	{"certify", "{}", 400, "/key: missing"},
	{"certify", "{\"key\":\"..\"}", 400, "/key: must be the name"},
	{"certify", "{\"key\":\"none\"}", 404, "not_found"},
	{"certify", "{\"key\":\"k\",\"nonce\":\"%s\"}", 400, "/nonce"},
	{"activate", "{\"credential\":" CREDENTIAL "}", 200, "\"secret\":\"AANhYmM=\""},
	{"activate", "{\"credential\":" CREDENTIAL ",\"ek\":\"rsa-2048\"}", 200, "\"secret\""},
	{"activate", "{\"credential\":" CREDENTIAL ",\"ek\":\"rsa\"}", 422, "/ek"},
	{"activate", "{}", 400, "/credential: missing"},
	{"activate", "{\"credential\":\"\"}", 400, "/credential: is no file"},
	/* Another magic, another version, a byte less and one more. */
	{"activate", "{\"credential\":\"utzA3wAAAAEAA2FiYwACeHk=\"}", 400,
	 "/credential: is no file"},
	{"activate", "{\"credential\":\"utzA3gAAAAIAA2FiYwACeHk=\"}", 400,
	 "/credential: is no file"},
	{"activate", "{\"credential\":\"utzA3gAAAAEAA2FiYwACeA==\"}", 400, "/credential: is cut"},
	{"activate", "{\"credential\":\"utzA3gAAAAEAA2FiYwACeHkA\"}", 400, "/credential: is cut"},
};

static void uses(void **state)
{
	static const char NONCE[] =
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAAAAAAAAAAAAAAAAA="; /* 65 bytes */
	struct fixture *fixture = *state;
	char path[128], body[256];
	size_t i;

	use_banks(fixture);
	fixture->service->event_log = "/nonexistent/log";
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{\"name\":\"q\"}"), 201);
	assert_int_equal(ask(fixture, "POST", "/v1/keys", "{\"name\":\"k\",\"type\":\"ecc-p256\"}"),
			 201);
	for (i = 0; i < ARRAY_LEN(USES); i++) {
		const char *at = strstr(USES[i].body, "%s");
		int status;

		(void)snprintf(path, sizeof(path), "/v1/aiks/q/%s", USES[i].path);
		(void)snprintf(body, sizeof(body), "%.*s%s%s",
			       at ? (int)(at - USES[i].body) : (int)strlen(USES[i].body),
			       USES[i].body, at ? NONCE : "", at ? at + 2 : "");
		status = ask(fixture, "POST", path, body);
		if (status != USES[i].status || !strstr(fixture->answer, USES[i].text))
			fail_msg("row %zu: %s", i, fixture->answer);
	}
	assert_int_equal(ask(fixture, "POST", "/v1/aiks/q/quote", "{\"values\":false}"), 200);
	assert_null(strstr(fixture->answer, "\"pcrs\""));
	assert_null(strstr(fixture->answer, "event_log"));
	/* A record is hot from its first use on, the second of certify too. */
	(void)snprintf(path, sizeof(path), "%s/tenants/host/aiks/q", fixture->path);
	assert_int_equal(remove(path), 0);
	(void)snprintf(path, sizeof(path), "%s/tenants/host/keys/k", fixture->path);
	assert_int_equal(remove(path), 0);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks/q/certify", "{\"key\":\"k\"}"), 200);
	assert_int_equal(ask(fixture, "DELETE", "/v1/keys/k", NULL), 404);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks/q/certify", "{\"key\":\"k\"}"), 404);
}

/* A byte more than a file may have; and one that fits, with a part that no TPM takes. */
static void credentials_too_long(void **state)
{
	static const struct {
		size_t blob, secret;
		const char *text;
	} CASES[] = {
		{500, 517, "/credential: has at most 1024 bytes"},
		{500, 512, "/credential: the credential has an impossible length"},
		{257, 2, "/credential: the credential has an impossible length"},
		{2, 513, "/credential: the credential has an impossible length"},
	};
	static const uint8_t zeros[600];
	struct fixture *fixture = *state;
	size_t i;

	use_banks(fixture);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{\"name\":\"q\"}"), 201);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf file = BUF_INIT(2048);
		CLEANUP(buf_fini) struct buf body = BUF_INIT(4096);

		buf_put_u32(&file, 0xbadcc0de);
		buf_put_u32(&file, 1);
		buf_put_u16(&file, (uint16_t)(CASES[i].blob - 2));
		buf_put(&file, slice_of(zeros, CASES[i].blob - 2));
		buf_put_u16(&file, (uint16_t)(CASES[i].secret - 2));
		buf_put(&file, slice_of(zeros, CASES[i].secret - 2));
		buf_put_str(&body, "{\"credential\":\"");
		base64_encode(&body, buf_slice(&file));
		buf_put_str(&body, "\"}");
		buf_put_u8(&body, '\0');
		assert_int_equal(
			ask(fixture, "POST", "/v1/aiks/q/activate", (const char *)body.data), 400);
		answer_has(fixture, CASES[i].text);
	}
}

/* Without a bank of SHA-256 the first one is quoted. */
static void usual_selection(void **state)
{
	struct fixture *fixture = *state;

	use_banks(fixture);
	fixture->chip.banks.count = 1;
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{\"name\":\"q\"}"), 201);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks/q/quote", "{}"), 200);
	answer_has(fixture, "\"pcrs\":{\"sha1\":{\"0\":");
	answer_has(fixture, "\"7\":");
	assert_null(strstr(fixture->answer, "\"8\":"));
}

/* --- the endorsement key --- */

static void endorsement_key(void **state)
{
	/* Two empty SEQUENCEs, one of 130 bytes with a longer length, and then no certificate. */
	static uint8_t chain[2 + 2 + 3 + 130 + 2] = {0x30, 0,	0x30,	      0, 0x30,
						     0x81, 130, [137] = 0x31, 0};
	struct fixture *fixture = *state;

	use_banks(fixture);
	assert_int_equal(ask(fixture, "GET", "/v1/ek", NULL), 200);
	answer_has(fixture, "\"type\":\"ecc-p256\",\"handle\":null,\"public\":\"-----BEGIN PUBLIC");
	answer_has(fixture, "\"tpm_public\":\"cHVibGlj\",\"tpm_name\":\"6e616d65\"");
	answer_has(fixture, "\"certificate\":null,\"chain\":[],\"protection\":\"tpm\"");
	assert_int_equal(ask(fixture, "GET", "/v1/ek/certificate", NULL), 404);
	answer_has(fixture, "\"code\":\"no_certificate\"");
	answer_has(fixture, "key of type ecc-p256: it is of another key");
	fixture->chip.certificate = "0123456789012345678901234567890123456789012345678";
	fixture->chip.chain = slice_of(chain, sizeof(chain));
	assert_int_equal(ask(fixture, "GET", "/v1/ek?type=rsa-2048", NULL), 200);
	answer_has(fixture, "\"type\":\"rsa-2048\",\"handle\":\"0x81010001\"");
	assert_int_equal(ask(fixture, "GET", "/v1/ek/certificate", NULL), 200);
	answer_has(fixture, "\"certificate\":\"-----BEGIN CERTIFICATE-----\\n"
			    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3\\n"
			    "OA==\\n-----END CERTIFICATE-----\\n\"");
	answer_has(fixture, "\"chain\":[\"-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END "
			    "CERTIFICATE-----\\n\",\"-----BEGIN CERTIFICATE-----\\nMAA=\\n");
	answer_has(fixture, "CERTIFICATE-----\\nMIGC");
	assert_int_equal(ask(fixture, "GET", "/v1/ek?type=hmac-sha256", NULL), 422);
	answer_has(fixture, "type: ");
}

/* --- PCRs and the log --- */

static void pcrs_and_log(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(fd_close_cleanup) int dir = -1;
	char path[96];
	struct err err;

	use_banks(fixture);
	assert_int_equal(ask(fixture, "GET", "/v1/pcrs", NULL), 200);
	answer_has(fixture, "\"banks\":{\"sha1\":{\"0\":\"abab");
	answer_has(fixture, "\"sha256\":{\"0\":\"abab");
	answer_has(fixture, "\"protection\":\"tpm\"");
	(void)snprintf(path, sizeof(path), "%s/events", fixture->path);
	service_set_event_log(fixture->service, path);
	assert_int_equal(ask(fixture, "GET", "/v1/eventlog", NULL), 404);
	answer_has(fixture, "\"code\":\"not_found\"");
	answer_has(fixture, "/sys/kernel/security");
	assert_int_equal(file_open_dir(-1, fixture->path, false, 0, &dir, &err), 0);
	assert_int_equal(file_write(dir, "events", slice_str("measured"), 0600, FILE_CREATE, &err),
			 0);
	assert_int_equal(ask(fixture, "GET", "/v1/eventlog", NULL), 200);
	answer_has(fixture, "application/octet-stream");
	answer_has(fixture, "\r\n\r\nmeasured");
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{\"name\":\"q\"}"), 201);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks/q/quote", "{\"event_log\":true}"), 200);
	answer_has(fixture, "\"event_log\":\"bWVhc3VyZWQ=\"");
}

/* --- without a TPM --- */

static const struct {
	const char *method, *path, *body;
	int status;
} SOFTWARE[] = {
	{"POST", "/v1/aiks", "{}", 503},
	{"POST", "/v1/aiks/q/quote", "{}", 503},
	{"POST", "/v1/aiks/q/certify", "{\"key\":\"k\"}", 503},
	{"POST", "/v1/aiks/q/sign", "{\"message\":\"YQ==\"}", 503},
	{"POST", "/v1/aiks/q/activate", "{\"credential\":" CREDENTIAL "}", 503},
	{"GET", "/v1/ek", NULL, 503},
	{"GET", "/v1/ek/certificate", NULL, 503},
	{"GET", "/v1/pcrs", NULL, 503},
	{"GET", "/v1/eventlog", NULL, 503},
	{"DELETE", "/v1/aiks/q", NULL, 503},
	/* What a TPM made can be seen. */
	{"GET", "/v1/aiks", NULL, 200},
	{"GET", "/v1/aiks/q", NULL, 200},
};

static void software_has_none(void **state)
{
	/* Outlives the test: what was deleted last is forgotten by a job of its own. */
	static struct provider_ops ops;
	struct fixture *fixture = *state;
	struct err err;
	size_t i;

	use_banks(fixture);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks", "{\"name\":\"q\"}"), 201);
	ops = CHIP;
	ops.kind = PROVIDER_SOFTWARE;
	fixture->chip.provider.ops = &ops;
	for (i = 0; i < ARRAY_LEN(SOFTWARE); i++) {
		int status = ask(fixture, SOFTWARE[i].method, SOFTWARE[i].path, SOFTWARE[i].body);

		if (status != SOFTWARE[i].status)
			fail_msg("row %zu: %s", i, fixture->answer);
		if (status == 503)
			answer_has(fixture, "\"code\":\"tpm_required\"");
	}
	/* Where no provider is in use at all, as of other objects, they can be seen and thrown
	 * away. */
	(void)err_set(&err, ERR_TPM_REQUIRED, "no chip");
	service_set_refusal(fixture->service, SERVICE_NONE, &err);
	assert_int_equal(ask(fixture, "POST", "/v1/aiks/q/quote", "{}"), 503);
	assert_int_equal(ask(fixture, "GET", "/v1/pcrs", NULL), 503);
	assert_int_equal(ask(fixture, "GET", "/v1/aiks", NULL), 200);
	assert_int_equal(ask(fixture, "GET", "/v1/aiks/q", NULL), 200);
	assert_int_equal(ask(fixture, "DELETE", "/v1/aiks/q", NULL), 204);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(life),
		TEST(damaged_ones_are_listed),
		TEST(uses),
		TEST(credentials_too_long),
		TEST(usual_selection),
		TEST(endorsement_key),
		TEST(pcrs_and_log),
		TEST(software_has_none),
	};

	return cmocka_run_group_tests_name("attestation keys", tests, NULL, NULL);
}
