/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures by the device's key: what exactly is signed, by whom, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "service/test_identity.h"
#include "tenant/audit.h"

#define SIGN "/v1/device/sign"
#define TLS  "/v1/device/tls"
#define RAW  "/v1/device/raw"

#define MESSAGE_MAX 65536u
#define TLS_HEAD    98u /* spaces, context, zero */
#define TLS_LONG    (TLS_HEAD + 48u)
#define TLS_SHORT   (TLS_HEAD + 32u)

static const char CLIENT[] = "TLS 1.3, client CertificateVerify";
static const char SERVER[] = "TLS 1.3, server CertificateVerify";

/* {"@member": base64, and what @more says}; the caller frees it. */
static char *body_of(const char *member, struct slice bytes, const char *more)
{
	size_t size = base64_encoded_size(bytes.len) + 256;
	struct buf body = BUF_INIT(size);

	buf_printf(&body, "{\"%s\":\"", member);
	base64_encode(&body, bytes);
	buf_printf(&body, "\"%s}", more);
	buf_put_u8(&body, '\0');
	assert_true(buf_ok(&body));
	return (char *)body.data;
}

static int ask_bytes(struct fixture *fixture, const char *path, const char *member,
		     struct slice bytes)
{
	char *body = body_of(member, bytes, "");
	int status = ask(fixture, "POST", path, body);

	free(body);
	return status;
}

static void tls_content(const char *context, uint8_t content[TLS_LONG])
{
	size_t i;

	memset(content, ' ', 64);
	memcpy(content + 64, context, sizeof(CLIENT));
	for (i = TLS_HEAD; i < TLS_LONG; i++)
		content[i] = (uint8_t)(i * 7);
}

static void has_signed(const struct fixture *fixture, const char *hex)
{
	char text[2 * HASH_MAX_SIZE + 1] = "";
	size_t i;

	for (i = 0; i < fixture->chip.digest_len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", fixture->chip.digest[i]);
	assert_string_equal(text, hex);
}

/* --- what is signed --- */

/* SHA-256 of the prefix, the tenant, the purpose and the message, worked out elsewhere. */
static const struct {
	const char *tenant, *body, *digest;
} SIGNED[] = {
	{"host", "{\"purpose\":\"a\",\"message\":\"\"}",
	 "270f5399e00ebf62135f0540ab4190bc2bfb3a4c3c1281564106c8ad625ce593"},
	{"host", "{\"purpose\":\"a\",\"message\":\"eA==\"}",
	 "7dd30e344b9cf9d388928e4b144879e093c3d0f08bb6e69a09be00f7cccebdf0"},
	{"host", "{\"purpose\":\"update.v-1_A\",\"message\":\"aGVsbG8=\"}",
	 "a5003483815352c162c97062d14620c664c506146179512c224ec5f5d6ebbcfc"},
	{"web", "{\"purpose\":\"a\",\"message\":\"eA==\"}",
	 "e46fa3ba22ae0837c894d7fdb96d0b194b78c8159ef17f4ee1939513a9425363"},
};

static void a_message_says_for_whom_and_for_what(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	for (i = 0; i < ARRAY_LEN(SIGNED); i++) {
		(void)snprintf(fixture->tenant.owner.name, sizeof(fixture->tenant.owner.name), "%s",
			       SIGNED[i].tenant);
		assert_int_equal(ask(fixture, "POST", SIGN, SIGNED[i].body), 200);
		answer_has(fixture, "{\"signature\":\"MAYCAQECAQE=\",\"protection\":\"tpm\","
				    "\"hash\":\"sha256\",\"scheme\":\"ecdsa\",\"format\":\"der\"}");
		has_signed(fixture, SIGNED[i].digest);
		assert_int_equal(fixture->chip.calls, i + 1); /* one command each */
		assert_int_equal(fixture->chip.signer, IDENTITY_HANDLE);
	}
	assert_false(fixture->chip.deadline_missing);
}

/* At the sizes where something changes: nothing, the loop's most, the pool's first, and the most.
 */
static void messages_of_all_sizes(void **state)
{
	static const size_t SIZES[] = {0, 1, 4096, 4097, MESSAGE_MAX - 1, MESSAGE_MAX};
	static const char HEAD[] = "holdfast device signature v1\0host\0big";
	static uint8_t all[sizeof(HEAD) + MESSAGE_MAX + 1];
	uint8_t *message = all + sizeof(HEAD);
	struct fixture *fixture = *state;
	struct asker asker = {0};
	struct err err;
	size_t i;
	char *body;

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	memcpy(all, HEAD, sizeof(HEAD));
	for (i = 0; i <= MESSAGE_MAX; i++)
		message[i] = (uint8_t)(i * 11);
	for (i = 0; i < ARRAY_LEN(SIZES); i++) {
		const struct slice whole = slice_of(all, sizeof(HEAD) + SIZES[i]);
		uint8_t digest[HASH_MAX_SIZE];

		body = body_of("message", slice_of(message, SIZES[i]), ",\"purpose\":\"big\"");
		asker_begin(&asker, fixture, "POST", SIGN, body);
		assert_int_equal(asker_end(&asker), 200);
		free(body);
		assert_int_equal(hash_digest(HASH_SHA256, &whole, 1, digest, &err), 0);
		assert_memory_equal(fixture->chip.digest, digest, 32);
	}
	assert_int_equal(fixture->chip.calls, ARRAY_LEN(SIZES));
	body = body_of("message", slice_of(message, MESSAGE_MAX + 1), ",\"purpose\":\"big\"");
	asker_begin(&asker, fixture, "POST", SIGN, body);
	assert_int_equal(asker_end(&asker), 413);
	assert_non_null(strstr(asker.answer, "/message: over 65536 bytes"));
	free(body);
	assert_int_equal(fixture->chip.calls, ARRAY_LEN(SIZES));
}

static void what_tls_signs(void **state)
{
	struct fixture *fixture = *state;
	const char *contexts[] = {CLIENT, SERVER};
	const size_t sizes[] = {TLS_SHORT, TLS_LONG};
	uint8_t content[TLS_LONG], digest[HASH_MAX_SIZE];
	struct err err;
	size_t i;

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	for (i = 0; i < 4; i++) {
		const struct slice part = slice_of(content, sizes[i / 2]);

		tls_content(contexts[i % 2], content);
		assert_int_equal(ask_bytes(fixture, TLS, "content", part), 200);
		answer_has(fixture, "\"protection\":\"tpm\",\"hash\":\"sha256\",\"scheme\":"
				    "\"ecdsa\",\"format\":\"der\"}");
		assert_int_equal(hash_digest(HASH_SHA256, &part, 1, digest, &err), 0);
		assert_memory_equal(fixture->chip.digest, digest, 32);
	}
	assert_int_equal(fixture->chip.calls, 4);
}

/* Any bit of the head that is another makes it something that TLS does not sign. */
static void what_tls_does_not_sign(void **state)
{
	struct fixture *fixture = *state;
	uint8_t content[TLS_LONG + 1] = {0};
	size_t i, len;

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	tls_content(CLIENT, content);
	for (i = 0; i < 8 * (size_t)TLS_HEAD; i++) {
		content[i / 8] ^= (uint8_t)(1u << i % 8);
		if (ask_bytes(fixture, TLS, "content", slice_of(content, TLS_SHORT)) != 400)
			fail_msg("bit %zu: %s", i, fixture->answer);
		answer_has(fixture, "/content: is not what TLS 1.3 signs");
		content[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (len = 0; len <= sizeof(content); len++) {
		int expected = len == TLS_SHORT || len == TLS_LONG ? 200 : 400;

		if (ask_bytes(fixture, TLS, "content", slice_of(content, len)) != expected)
			fail_msg("%zu bytes: %s", len, fixture->answer);
	}
	assert_int_equal(fixture->chip.calls, 2);
}

static void raw_digests(void **state)
{
	static const struct {
		const char *more, *told;
		size_t size;
	} CASES[] = {
		{"", "sha256", 32},
		{",\"hash\":\"sha256\"", "sha256", 32},
		{",\"hash\":\"sha384\"", "sha384", 48},
		{",\"hash\":\"sha512\"", "sha512", 64},
	};
	struct fixture *fixture = *state;
	uint8_t digest[HASH_MAX_SIZE + 1];
	char text[64];
	size_t i, len;

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	for (i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)(200 + i);
	for (i = 0; i < ARRAY_LEN(CASES); i++)
		for (len = 0; len <= sizeof(digest); len++) {
			char *body = body_of("digest", slice_of(digest, len), CASES[i].more);
			int expected = len == CASES[i].size ? 200 : 400;

			if (ask(fixture, "POST", RAW, body) != expected)
				fail_msg("%s of %zu: %s", CASES[i].told, len, fixture->answer);
			free(body);
			(void)snprintf(text, sizeof(text),
				       expected == 200 ? "\"hash\":\"%s\"" : "/digest: %s has",
				       CASES[i].told);
			answer_has(fixture, text);
			if (expected == 200)
				assert_memory_equal(fixture->chip.digest, digest, len);
		}
	assert_int_equal(fixture->chip.calls, ARRAY_LEN(CASES));
}

/* --- what is refused --- */

#define LONG16 "0123456789abcdef"
#define LONG64 LONG16 LONG16 LONG16 LONG16

static const struct {
	const char *path, *body;
	int status;
	const char *text;
} BAD[] = {
	{SIGN, "", 400, "the body is missing"},
	{SIGN, "[]", 400, ""},
	{SIGN, "{}", 400, "/purpose: missing"},
	{SIGN, "{\"purpose\":\"a\"}", 400, "/message: missing"},
	{SIGN, "{\"message\":\"\"}", 400, "/purpose: missing"},
	{SIGN, "{\"purpose\":\"a\",\"message\":\"\",\"hash\":\"sha256\"}", 400, "/hash: unknown"},
	{SIGN, "{\"purpose\":\"a\",\"digest\":\"\"}", 400, "/digest: unknown"},
	{SIGN, "{\"purpose\":\"a\",\"message\":1}", 400, "/message: "},
	{SIGN, "{\"purpose\":\"a\",\"message\":\"*\"}", 400, "/message: not valid base64"},
	{SIGN, "{\"purpose\":1,\"message\":\"\"}", 400, "/purpose: "},
	{SIGN, "{\"purpose\":\"\",\"message\":\"\"}", 400, "/purpose: must be 1 to 64 of"},
	{SIGN, "{\"purpose\":\"" LONG64 "\",\"message\":\"\"}", 200, "signature"},
	{SIGN, "{\"purpose\":\"" LONG64 "g\",\"message\":\"\"}", 400, "/purpose: must be 1 to 64"},
	{SIGN, "{\"purpose\":\"a b\",\"message\":\"\"}", 400, "/purpose: must be 1 to 64"},
	{SIGN, "{\"purpose\":\"a/b\",\"message\":\"\"}", 400, "/purpose: must be 1 to 64"},
	{SIGN, "{\"purpose\":\"a\\u0000b\",\"message\":\"\"}", 400, "invalid"},
	{SIGN, "{\"purpose\":\"\\u00e9\",\"message\":\"\"}", 400, "/purpose: must be 1 to 64"},
	{SIGN, "{\"purpose\":\"..\",\"message\":\"\"}", 200, "signature"},
	{TLS, "{}", 400, "/content: missing"},
	{TLS, "{\"content\":\"\"}", 400, "/content: is not what"},
	{TLS, "{\"content\":7}", 400, "/content: "},
	{TLS, "{\"hash\":\"sha384\",\"content\":\"\"}", 400, "/hash: must be \\\"sha256\\\""},
	{TLS, "{\"hash\":\"md5\",\"content\":\"\"}", 400, "/hash: must be \\\"sha256\\\""},
	{TLS, "{\"hash\":256,\"content\":\"\"}", 400, "/hash: "},
	{TLS, "{\"digest\":\"\"}", 400, "/digest: unknown"},
	{RAW, "{}", 400, "/digest: missing"},
	{RAW, "{\"message\":\"\"}", 400, "/message: unknown"},
	{RAW, "{\"hash\":\"sha1\",\"digest\":\"\"}", 422, "/hash"},
	{RAW, "{\"hash\":\"x\",\"digest\":\"\"}", 422, "/hash"},
	{RAW, "{\"digest\":null}", 400, "/digest: "},
};

/* With an identity and without: a bad request is one in every mode. */
static void bad_requests(void **state)
{
	struct fixture *fixture = *state;
	size_t i;

	use_chip(fixture);
	for (i = 0; i < 2 * ARRAY_LEN(BAD); i++) {
		const size_t row = i / 2;
		int status;

		if (BAD[row].status == 200 && i % 2 == 1)
			continue;
		use_view(fixture, i % 2 ? IDENTITY_UNPROVISIONED : IDENTITY_ENABLED);
		status = ask(fixture, "POST", BAD[row].path, BAD[row].body);
		if (status != BAD[row].status || !strstr(fixture->answer, BAD[row].text))
			fail_msg("row %zu: %s", row, fixture->answer);
	}
}

static const struct {
	enum identity_mode mode;
	int status;
	const char *code;
} REFUSALS[] = {
	{IDENTITY_UNPROVISIONED, 404, "not_found"},
	{IDENTITY_DEGRADED, 503, "tpm_failed"},
	{IDENTITY_RESETTING, 503, "starting"},
	{IDENTITY_CONFLICT, 503, "tpm_changed"},
	{IDENTITY_SOFTWARE, 200, NULL},
	{IDENTITY_ENABLED, 200, NULL},
};

static void each_mode(void **state)
{
	struct fixture *fixture = *state;
	uint8_t content[TLS_LONG], digest[32] = {1};
	char text[64];
	size_t i;

	use_chip(fixture);
	tls_content(SERVER, content);
	for (i = 0; i < ARRAY_LEN(REFUSALS); i++) {
		const unsigned before = fixture->chip.calls;

		use_view(fixture, REFUSALS[i].mode);
		(void)snprintf(text, sizeof(text), "\"code\":\"%s\"",
			       REFUSALS[i].code ? REFUSALS[i].code : "");
		assert_int_equal(ask(fixture, "POST", SIGN, SIGNED[0].body), REFUSALS[i].status);
		answer_has(fixture, REFUSALS[i].code ? text : "\"signature\"");
		assert_int_equal(ask_bytes(fixture, TLS, "content", slice_of(content, TLS_LONG)),
				 REFUSALS[i].status);
		answer_has(fixture, REFUSALS[i].code ? text : "\"signature\"");
		assert_int_equal(ask_bytes(fixture, RAW, "digest", slice_of(digest, 32)),
				 REFUSALS[i].status);
		answer_has(fixture, REFUSALS[i].code ? text : "\"signature\"");
		assert_int_equal(fixture->chip.calls - before,
				 REFUSALS[i].mode == IDENTITY_ENABLED ? 3 : 0);
	}
}

/* What the chip says is what the client hears. */
static void the_chip_refuses(void **state)
{
	static const struct {
		int code;
		const char *text;
	} CASES[] = {
		{ERR_TPM_FAILED, "tpm_failed"},
		{ERR_TPM_CHANGED, "tpm_changed"},
		{ERR_TPM_BUSY, "tpm_busy"},
		{ERR_TIMEOUT, "timeout"},
	};
	struct fixture *fixture = *state;
	size_t i;

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		fixture->chip.fails_with = CASES[i].code;
		assert_in_range(ask(fixture, "POST", SIGN, SIGNED[0].body), 503, 504);
		answer_has(fixture, CASES[i].text);
		assert_null(strstr(fixture->answer, "\"signature\""));
	}
}

/* --- in software --- */

static void verifies(const struct fixture *fixture, const char *hex)
{
	CLEANUP(pkey_cleanup) struct pkey *public = NULL;
	CLEANUP(buf_fini) struct buf digest = BUF_INIT(32);
	uint8_t signature[128];
	const char *at = strstr(fixture->answer, "\"signature\":\"");
	unsigned byte;
	struct err err;
	size_t len, i;

	assert_non_null(at);
	at += strlen("\"signature\":\"");
	assert_true(base64_decode(slice_of(at, strcspn(at, "\"")), signature, &len));
	for (i = 0; i < 32; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		buf_put_u8(&digest, (uint8_t)byte);
	}
	assert_int_equal(
		pkey_from_spki(buf_slice(&fixture->service->identity->spki), &public, &err), 0);
	assert_int_equal(pkey_verify(public, PKEY_ECDSA, HASH_SHA256, buf_slice(&digest),
				     slice_of(signature, len), &err),
			 0);
}

/* The chip, legacy or nothing: a key in software asks none of them. */
static void software_signs_by_itself(void **state)
{
	static struct provider_ops ops;
	struct fixture *fixture = *state;
	struct err err;
	size_t i, j;

	(void)err_set(&err, ERR_TPM_REQUIRED, "no chip");
	use_view(fixture, IDENTITY_SOFTWARE);
	for (j = 0; j < 3; j++) {
		ops = CHIP;
		ops.on_chip = j == 0;
		fixture->chip.provider.ops = &ops;
		if (j < 2)
			use_chip(fixture);
		else
			service_set_refusal(fixture->service, SERVICE_NONE, &err);
		for (i = 0; i < 3; i++) { /* those of the tenant `host` */
			assert_int_equal(ask(fixture, "POST", SIGN, SIGNED[i].body), 200);
			answer_has(fixture, "\"protection\":\"software\"");
			verifies(fixture, SIGNED[i].digest);
		}
	}
	assert_int_equal(fixture->chip.calls, 0);
	assert_int_equal(fixture->chip.noted, 0);
}

/* A lost precious file: nothing is done then, by nobody. */
static void a_locked_service_signs_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	(void)err_set(&err, ERR_UNREADABLE, "lost");
	service_set_refusal(fixture->service, SERVICE_LOCKED, &err);
	use_view(fixture, IDENTITY_SOFTWARE);
	assert_int_equal(ask(fixture, "POST", SIGN, SIGNED[0].body), 500);
	answer_has(fixture, "\"code\":\"unreadable\"");
}

/* --- meanwhile --- */

/* A signature stands in the chip until let_go(). */
static void begin_standing(struct fixture *fixture, struct asker *asker)
{
	uint64_t until = clock_monotonic_us() + GIVE_UP_US;

	use_chip(fixture);
	fixture->chip.stands = 1;
	use_view(fixture, IDENTITY_ENABLED);
	asker_begin(asker, fixture, "POST", SIGN, SIGNED[1].body);
	while (fixture->chip.noted < 1 && clock_monotonic_us() < until)
		turn(fixture);
	assert_int_equal(fixture->chip.noted, 1);
}

static void a_view_is_replaced_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	struct asker asker = {0};

	begin_standing(fixture, &asker);
	use_view(fixture, IDENTITY_SOFTWARE);
	fixture->chip.stands = 0;
	assert_int_equal(asker_end(&asker), 200);
	/* It ends as it began: by the key that was in force then, and says so. */
	assert_non_null(strstr(asker.answer, "\"protection\":\"tpm\""));
	has_signed(fixture, SIGNED[1].digest);
	assert_int_equal(ask(fixture, "POST", SIGN, SIGNED[1].body), 200);
	answer_has(fixture, "\"protection\":\"software\"");
	assert_int_equal(fixture->chip.calls, 1);
}

static void the_identity_goes_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	struct asker asker = {0};

	begin_standing(fixture, &asker);
	service_set_identity(fixture->service, NULL);
	fixture->chip.stands = 0;
	assert_int_equal(asker_end(&asker), 200);
}

static unsigned idle_calls;

static void note_idle(void *arg)
{
	(void)arg;
	idle_calls++;
}

static void the_provider_is_taken_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	struct asker asker = {0};
	uint64_t until = clock_monotonic_us() + GIVE_UP_US;

	idle_calls = 0;
	begin_standing(fixture, &asker);
	service_take_provider(fixture->service, "another is coming", note_idle, NULL);
	assert_int_equal(idle_calls, 0);
	assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
	answer_has(fixture, "{\"mode\":\"degraded\",");
	answer_has(fixture, "\"reason\":\"another is coming\"");
	assert_int_equal(ask(fixture, "POST", SIGN, SIGNED[1].body), 503);
	answer_has(fixture, "\"code\":\"starting\"");
	assert_int_equal(idle_calls, 0);
	fixture->chip.stands = 0;
	assert_int_equal(asker_end(&asker), 200);
	while (idle_calls == 0 && clock_monotonic_us() < until)
		turn(fixture);
	assert_int_equal(idle_calls, 1);
	service_give_back(fixture->service);
	assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
	answer_has(fixture, "{\"mode\":\"enabled\",");
}

/* Whoever leaves takes nothing along: view and provider are let go when the chip is done. */
static void a_client_leaves_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	struct identity_view *view;
	struct asker asker = {0};
	uint64_t until = clock_monotonic_us() + GIVE_UP_US;

	begin_standing(fixture, &asker);
	view = identity_view_hold(fixture->service->identity);
	assert_int_equal(view->users, 3);
	asker_leave(&asker);
	turn(fixture);
	service_set_identity(fixture->service, NULL);
	assert_int_equal(view->users, 2);
	fixture->chip.stands = 0;
	while (fixture->service->users > 0 && clock_monotonic_us() < until)
		turn(fixture);
	assert_int_equal(fixture->service->users, 0);
	assert_int_equal(view->users, 1);
	identity_view_free(view);
}

/* --- who did it --- */

static void it_is_audited(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(buf_fini) struct buf lines = BUF_INIT(65536);
	uint8_t digest[32] = {1};

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	assert_int_equal(ask(fixture, "POST", SIGN, SIGNED[2].body), 200);
	assert_int_equal(ask_bytes(fixture, RAW, "digest", slice_of(digest, 32)), 200);
	audit_recall("host", 10, &lines);
	buf_put_u8(&lines, '\0');
	assert_true(buf_ok(&lines));
	assert_non_null(strstr((const char *)lines.data,
			       "\"operation\":\"device.sign\",\"object\":\"update.v-1_A\","
			       "\"result\":\"ok\",\"tpm_commands\":1"));
	assert_non_null(strstr((const char *)lines.data,
			       "\"operation\":\"device.raw\",\"object\":\"\","
			       "\"result\":\"ok\",\"tpm_commands\":1"));
	assert_int_equal(ask(fixture, "GET", "/metrics", NULL), 200);
	answer_has(fixture, "holdfast_requests_total{operation=\"device.sign\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_message_says_for_whom_and_for_what),
		TEST(messages_of_all_sizes),
		TEST(what_tls_signs),
		TEST(what_tls_does_not_sign),
		TEST(raw_digests),
		TEST(bad_requests),
		TEST(each_mode),
		TEST(the_chip_refuses),
		TEST(software_signs_by_itself),
		TEST(a_locked_service_signs_nothing),
		TEST(a_view_is_replaced_meanwhile),
		TEST(the_identity_goes_meanwhile),
		TEST(the_provider_is_taken_meanwhile),
		TEST(a_client_leaves_meanwhile),
		TEST(it_is_audited),
	};

	return cmocka_run_group_tests_name("the device's signatures", tests, NULL, NULL);
}
