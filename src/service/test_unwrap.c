/* SPDX-License-Identifier: Apache-2.0 */
/* What was wrapped to the storage key, and challenges for it, on a chip that is played. */
#include "service/test_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"

#define UNWRAP	   "/v1/unwrap"
#define ACTIVATE   "/v1/device/storage-key/activate"
#define CREDENTIAL "\"utzA3gAAAAEAA2FiYwACeHk=\"" /* magic, 1, "abc", "xy" */

static const struct {
	const char *path, *body;
	int status;
	const char *text;
} ROWS[] = {
	{UNWRAP, "{\"public\":\"YWE=\",\"duplicate\":\"YmI=\",\"seed\":\"Y2M=\"}", 200,
	 "{\"data\":\"YmI=\",\"protection\":\"tpm\"}"},
	{UNWRAP, "{}", 400, "/public: missing"},
	{UNWRAP, "{\"public\":\"YWE=\"}", 400, "/duplicate: missing"},
	{UNWRAP, "{\"public\":\"YWE=\",\"duplicate\":\"YmI=\"}", 400, "/seed: missing"},
	{UNWRAP, "{\"public\":\"\",\"duplicate\":\"YmI=\",\"seed\":\"Y2M=\"}", 400,
	 "/public: has 1 to 512 bytes"},
	{UNWRAP, "{\"public\":\"YWE=\",\"duplicate\":\"YmI=\",\"seed\":\"\"}", 400,
	 "/seed: has 1 to 512 bytes"},
	{UNWRAP, "{\"public\":\"YWE=\",\"duplicate\":\"a b\",\"seed\":\"Y2M=\"}", 400,
	 "/duplicate"},
	{UNWRAP, "{\"public\":\"YWE=\",\"duplicate\":7,\"seed\":\"Y2M=\"}", 400, "/duplicate"},
	{UNWRAP, "{\"public\":\"YWE=\",\"duplicate\":\"YmI=\",\"seed\":\"Y2M=\",\"k\":1}", 400,
	 "/k: unknown member"},
	{UNWRAP, "", 400, "the body is missing"},
	{ACTIVATE, "{\"credential\":" CREDENTIAL "}", 200,
	 "{\"secret\":\"AANhYmM=\",\"protection\":\"tpm\"}"},
	{ACTIVATE, "{\"credential\":" CREDENTIAL ",\"ek\":\"rsa-2048\"}", 200, "\"secret\""},
	{ACTIVATE, "{\"credential\":" CREDENTIAL ",\"ek\":\"rsa\"}", 422, "/ek"},
	{ACTIVATE, "{}", 400, "/credential: missing"},
	{ACTIVATE, "{\"credential\":\"\"}", 400, "/credential: is no file"},
	{ACTIVATE, "{\"credential\":\"utzA3gAAAAEAA2FiYwACeA==\"}", 400, "/credential: is cut"},
	{ACTIVATE, "{\"credential\":\"utzA3gAAAAEAAAAA\"}", 200, "\"secret\""},
	{ACTIVATE, "{\"credential\":" CREDENTIAL ",\"aik\":\"a\"}", 400, "/aik: unknown member"},
};

static void rows(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		unsigned before = fixture->chip.calls;
		int status = ask(fixture, "POST", ROWS[i].path, ROWS[i].body);

		if (status != ROWS[i].status || !strstr(fixture->answer, ROWS[i].text))
			fail_msg("row %zu: %s", i, fixture->answer);
		/* What is no request costs the chip nothing. */
		assert_int_equal(fixture->chip.calls - before, status == 200);
	}
	assert_false(fixture->chip.deadline_missing);
}

/* Just as long as a part may be, and a byte more; of each part. */
static void the_longest(void **state)
{
	static const char *const NAMES[] = {"public", "duplicate", "seed"};
	static const uint8_t bytes[PROVIDER_WRAPPED_MAX + 1] = {1};
	struct fixture *fixture = *state;
	char text[64];

	use_chip(fixture);
	for (size_t i = 0; i < 2 * ARRAY_LEN(NAMES); i++) {
		CLEANUP(buf_fini) struct buf body = BUF_INIT(4096);

		for (size_t j = 0; j < ARRAY_LEN(NAMES); j++) {
			bool over = i % 2 && j == i / 2;

			buf_printf(&body, "%s\"%s\":\"", j ? "," : "{", NAMES[j]);
			base64_encode(&body, slice_of(bytes, PROVIDER_WRAPPED_MAX + over));
			buf_put_str(&body, "\"");
		}
		buf_put_str(&body, "}");
		buf_put_u8(&body, '\0');
		assert_int_equal(ask(fixture, "POST", UNWRAP, (const char *)body.data),
				 i % 2 ? 400 : 200);
		snprintf(text, sizeof(text), "/%s: has 1 to 512 bytes", NAMES[i / 2]);
		if (i % 2)
			answer_has(fixture, text);
	}
}

static const struct {
	int code, status;
	const char *text;
} FAILURES[] = {
	{ERR_DAMAGED, 422, "\"code\":\"damaged\""},
	{ERR_TPM_FAILED, 503, "\"code\":\"tpm_failed\""},
	{ERR_TPM_BUSY, 503, "\"code\":\"tpm_busy\""},
	{ERR_TPM_LOCKOUT, 503, "\"code\":\"tpm_lockout\""},
	{ERR_TPM_CHANGED, 503, "\"code\":\"tpm_changed\""},
};

static void failures(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	for (size_t i = 0; i < ARRAY_LEN(FAILURES); i++) {
		fixture->chip.fails_with = FAILURES[i].code;
		assert_int_equal(ask(fixture, "POST", UNWRAP, ROWS[0].body), FAILURES[i].status);
		answer_has(fixture, FAILURES[i].text);
		assert_null(strstr(fixture->answer, "\"data\""));
		assert_int_equal(ask(fixture, "POST", ACTIVATE, "{\"credential\":" CREDENTIAL "}"),
				 FAILURES[i].status);
		answer_has(fixture, FAILURES[i].text);
	}
	fixture->chip.fails_with = ERR_INVALID;
	assert_int_equal(ask(fixture, "POST", ACTIVATE, "{\"credential\":" CREDENTIAL "}"), 400);
	answer_has(fixture, "/credential: as told");
}

static void in_software(void **state)
{
	struct provider_ops software = CHIP;
	struct fixture *fixture = *state;

	software.name = "legacy";
	software.kind = PROVIDER_SOFTWARE;
	software.protection = "software";
	software.on_chip = false;
	software.storage_activate = NULL;
	fixture->chip.provider.ops = &software;
	use_chip(fixture);
	assert_int_equal(ask(fixture, "POST", UNWRAP, ROWS[0].body), 200);
	answer_has(fixture, "{\"data\":\"YmI=\",\"protection\":\"software\"}");
	assert_int_equal(ask(fixture, "POST", ACTIVATE, "{\"credential\":" CREDENTIAL "}"), 503);
	answer_has(fixture, "\"code\":\"tpm_required\"");
	/* A provider that has none. */
	software.unwrap = NULL;
	assert_int_equal(ask(fixture, "POST", UNWRAP, ROWS[0].body), 503);
	answer_has(fixture, "\"code\":\"tpm_required\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows),
		TEST(the_longest),
		TEST(failures),
		TEST(in_software),
	};

	return cmocka_run_group_tests_name("unwrap", tests, NULL, NULL);
}
