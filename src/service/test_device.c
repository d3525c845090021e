/* SPDX-License-Identifier: Apache-2.0 */
/* Who the device is, and what it signs, on a chip that is played and in software. */
#include <stdio.h>
#include <string.h>

#include "service/test_identity.h"

#define SIGN "/v1/device/sign"
#define TLS  "/v1/device/tls"
#define RAW  "/v1/device/raw"

#define HELLO  "{\"purpose\":\"a\",\"message\":\"aGVsbG8=\"}"
#define DIGEST "{\"digest\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"

/* --- what is told --- */

static const struct {
	enum identity_mode mode;
	const char *texts[5];
} MODES[] = {
	{IDENTITY_UNPROVISIONED,
	 {"{\"mode\":\"unprovisioned\",\"since\":\"2026-01-17T14:25:01Z\",\"reason\":\"a test\","
	  "\"alarm\":null,\"protection\":\"none\",\"generation\":0,\"key\":null,"
	  "\"found_name\":null,\"certificate\":null,\"pending\":null,\"tpm_available\":false,"
	  "\"confirming\":false,\"marker_lost\":false,"
	  "\"tpm\":{\"state\":\"ok\",\"manufacturer\":\"TEST\",\"firmware\":null,"
	  "\"in_lockout\":null}}"}},
	{IDENTITY_SOFTWARE,
	 {"\"mode\":\"software\"", "\"protection\":\"software\"",
	  "\"key\":{\"type\":\"ecc-p256\",\"name\":null,\"handle\":null,\"public\":\"-----BEGIN "
	  "PUBLIC KEY"}},
	{IDENTITY_ENABLED,
	 {"\"mode\":\"enabled\"", "\"protection\":\"tpm\"", "\"generation\":1",
	  "\"name\":\"000baa0000000000000000000000000000"
	  "0000000000000000000000000000000000\",\"handle\":\"0x81000100\","
	  "\"public\":\"-----BEGIN PUBLIC KEY",
	  "\"serial\":\"2a\",\"not_before\":1000,\"not_after\":4102444800,\"self_signed\":true,"}},
	{IDENTITY_DEGRADED,
	 {"\"mode\":\"degraded\"", "\"protection\":\"tpm\"", "\"reason\":\"a test"}},
	{IDENTITY_RESETTING, {"\"mode\":\"resetting\"", "\"protection\":\"none\"", "\"key\":null"}},
	{IDENTITY_CONFLICT, {"\"mode\":\"conflict\"", "\"protection\":\"tpm\""}},
};

static void modes_are_told(void **state)
{
	struct fixture *fixture = *state;
	char text[64];
	size_t i, j;

	use_chip(fixture);
	for (i = 0; i < ARRAY_LEN(MODES); i++) {
		use_view(fixture, MODES[i].mode);
		assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
		for (j = 0; j < ARRAY_LEN(MODES[i].texts) && MODES[i].texts[j]; j++)
			answer_has(fixture, MODES[i].texts[j]);
		(void)snprintf(text, sizeof(text), "\"device\":{\"mode\":\"%s\"}",
			       identity_mode_name(MODES[i].mode));
		assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
		answer_has(fixture, text);
	}
	assert_int_equal(fixture->chip.calls, 0);
}

static void nothing_is_told_before_it_is_known(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 503);
	answer_has(fixture, "\"code\":\"starting\"");
	answer_has(fixture, "Retry-After: 1");
	assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
	answer_has(fixture, "\"device\":{\"mode\":null}");
	assert_int_equal(ask(fixture, "POST", SIGN, HELLO), 503);
	answer_has(fixture, "\"code\":\"starting\"");
	assert_int_equal(fixture->chip.calls, 0);
}

static void what_an_operator_must_see(void **state)
{
	struct fixture *fixture = *state;
	struct identity_view *view = view_of(IDENTITY_CONFLICT);

	use_chip(fixture);
	(void)snprintf(view->alarm, sizeof(view->alarm), "look here");
	view->found_name[0] = 0x7f;
	view->found_name_len = 1;
	view->generation = 1ull << 40;
	view->confirming = view->tpm_available = view->marker_lost = true;
	view->since[0] = view->reason[0] = '\0';
	service_set_identity(fixture->service, view);
	assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
	answer_has(fixture, "\"since\":null,\"reason\":null,\"alarm\":\"look here\"");
	answer_has(fixture, "\"found_name\":\"7f\"");
	answer_has(fixture, "\"generation\":1099511627776");
	answer_has(fixture, "\"tpm_available\":true,\"confirming\":true,\"marker_lost\":true");
}

static void dates_of_the_certificate(void **state)
{
	static const struct {
		int64_t from, until;
		const char *text;
	} CASES[] = {
		{1000, 4102444800, "\"not_after\":4102444800,\"self_signed\":"},
		{1000, 4102444800, "\"problem\":null}"},
		{1000, 2000, "\"problem\":\"expired\"}"},
		{4102444000, 4102444800, "\"problem\":\"not_yet_valid\"}"},
	};
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct identity_view *view = view_of(IDENTITY_ENABLED);

		certify(view, CASES[i].from, CASES[i].until);
		service_set_identity(fixture->service, view);
		assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
		answer_has(fixture, CASES[i].text);
	}
}

/* Of the key in the TPM that waits, for whoever must know it before it is confirmed. */
static void a_pending_certificate(void **state)
{
	struct fixture *fixture = *state;
	struct identity_view *waits = view_of(IDENTITY_ENABLED);
	struct identity_view *view = view_of(IDENTITY_SOFTWARE);

	certify(waits, 3000, 4102444800);
	buf_put(&view->pending, buf_slice(&waits->chain));
	view->cross = (struct buf)BUF_INIT(X509_MAX);
	buf_put(&view->cross, buf_slice(&view->chain));
	view->confirming = true;
	identity_view_free(waits);
	service_set_identity(fixture->service, view);
	assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
	answer_has(fixture, "\"not_before\":1000,");
	answer_has(fixture, "\"pending\":{\"pem\":\"-----BEGIN CERTIFICATE-----\\n");
	answer_has(fixture, "\"not_before\":3000,");
	answer_has(fixture, "\"cross\":\"-----BEGIN CERTIFICATE-----\\n");
	answer_has(fixture, "\"confirming\":true");
}

/* What cannot be read is not shown; the rest is. */
static void a_bad_certificate_is_not_shown(void **state)
{
	struct fixture *fixture = *state;
	struct identity_view *view = view_of(IDENTITY_ENABLED);

	buf_reset(&view->chain);
	buf_put_str(&view->chain, "\x30\x7fno");
	service_set_identity(fixture->service, view);
	assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
	answer_has(fixture, "\"certificate\":null");
	answer_has(fixture, "\"public\":\"-----BEGIN PUBLIC KEY");
}

/* --- the mode that is in effect --- */

static struct provider_ops software_ops;

static void use_software(struct fixture *fixture)
{
	software_ops = CHIP;
	software_ops.name = "legacy";
	software_ops.kind = PROVIDER_SOFTWARE;
	software_ops.protection = "software";
	software_ops.on_chip = false;
	fixture->chip.provider.ops = &software_ops;
	use_chip(fixture);
}

static void use_none(struct fixture *fixture)
{
	struct err err;

	(void)err_set(&err, ERR_TPM_REQUIRED, "no chip");
	service_set_refusal(fixture->service, SERVICE_NONE, &err);
}

static void use_faulty(struct fixture *fixture)
{
	fixture->chip.fault = "tpm_failed";
	use_chip(fixture);
}

static void use_deciding(struct fixture *fixture)
{
	service_set_deciding(fixture->service, "being chosen");
}

/* How the service may be, what that makes of an identity in the TPM, and of its signatures. */
static const struct {
	void (*use)(struct fixture *fixture);
	const char *mode, *cause, *tpm, *code;
} EFFECTS[] = {
	{use_chip, "enabled", "a test", "{\"state\":\"ok\"", NULL},
	{use_faulty, "degraded", "The TPM does not answer", "{\"state\":\"failed\"", "tpm_failed"},
	{use_software, "degraded", "a test", "{\"state\":\"absent\"", "tpm_failed"},
	{use_none, "degraded", "no chip", "{\"state\":\"absent\"", "tpm_failed"},
	{use_deciding, "degraded", "being chosen", "{\"state\":\"absent\"", "starting"},
};

static void the_mode_is_the_effective_one(void **state)
{
	struct fixture *fixture = *state;
	char text[256];
	size_t i;

	for (i = 0; i < ARRAY_LEN(EFFECTS); i++) {
		struct identity_view *view = view_of(IDENTITY_ENABLED);

		view->tpm = IDENTITY_TPM_ABSENT;
		service_set_identity(fixture->service, view);
		fixture->chip.provider.ops = &CHIP;
		fixture->chip.fault = NULL;
		EFFECTS[i].use(fixture);
		fixture->chip.fails_with = fixture->chip.fault ? ERR_TPM_FAILED : 0;
		assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
		(void)snprintf(text, sizeof(text), "{\"mode\":\"%s\",", EFFECTS[i].mode);
		answer_has(fixture, text);
		(void)snprintf(text, sizeof(text), "\"reason\":\"%s", EFFECTS[i].cause);
		answer_has(fixture, text);
		(void)snprintf(text, sizeof(text), "\"protection\":\"tpm\"");
		answer_has(fixture, text);
		(void)snprintf(text, sizeof(text), "\"tpm\":%s", EFFECTS[i].tpm);
		answer_has(fixture, text);
		assert_int_equal(ask(fixture, "GET", "/v1/status", NULL), 200);
		(void)snprintf(text, sizeof(text), "\"device\":{\"mode\":\"%s\"}", EFFECTS[i].mode);
		answer_has(fixture, text);
		assert_int_equal(ask(fixture, "POST", SIGN, HELLO), EFFECTS[i].code ? 503 : 200);
		if (EFFECTS[i].code)
			answer_has(fixture, EFFECTS[i].code);
	}
}

/* What the settling found is told only while the service has no chip of its own to ask. */
static void the_tpm_as_it_was_found(void **state)
{
	static const struct {
		enum identity_tpm tpm;
		const char *text;
	} CASES[] = {
		{IDENTITY_TPM_OK, "\"tpm\":null"},
		{IDENTITY_TPM_ABSENT, "\"tpm\":{\"state\":\"absent\",\"manufacturer\":null"},
		{IDENTITY_TPM_FAILED, "\"tpm\":{\"state\":\"failed\",\"manufacturer\":null"},
	};
	struct fixture *fixture = *state;
	size_t i;

	use_software(fixture);
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		struct identity_view *view = view_of(IDENTITY_SOFTWARE);

		view->tpm = CASES[i].tpm;
		service_set_identity(fixture->service, view);
		assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
		answer_has(fixture, CASES[i].text);
	}
}

/* Only an identity in the TPM suffers from there being none. */
static void other_modes_need_no_tpm(void **state)
{
	struct fixture *fixture = *state;
	size_t i;
	char text[64];

	use_none(fixture);
	for (i = 0; i < ARRAY_LEN(MODES); i++) {
		if (MODES[i].mode == IDENTITY_ENABLED)
			continue;
		use_view(fixture, MODES[i].mode);
		assert_int_equal(ask(fixture, "GET", "/v1/device", NULL), 200);
		(void)snprintf(text, sizeof(text), "{\"mode\":\"%s\",",
			       identity_mode_name(MODES[i].mode));
		answer_has(fixture, text);
	}
}

/* The gauge needs the host's right to see metrics, and more room than an answer of the others. */
static void the_gauge(void **state)
{
	struct fixture *fixture = *state;
	struct asker asker = {0};

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	asker_begin(&asker, fixture, "GET", "/metrics", NULL);
	assert_int_equal(asker_end(&asker), 200);
	assert_non_null(strstr(asker.answer, "holdfast_device_mode{mode=\"enabled\"} 1\n"));
	assert_non_null(strstr(asker.answer, "holdfast_device_mode{mode=\"degraded\"} 0\n"));
	use_none(fixture);
	asker_begin(&asker, fixture, "GET", "/metrics", NULL);
	assert_int_equal(asker_end(&asker), 200);
	assert_non_null(strstr(asker.answer, "holdfast_device_mode{mode=\"enabled\"} 0\n"));
	assert_non_null(strstr(asker.answer, "holdfast_device_mode{mode=\"degraded\"} 1\n"));
	service_set_identity(fixture->service, NULL);
	asker_begin(&asker, fixture, "GET", "/metrics", NULL);
	assert_int_equal(asker_end(&asker), 200);
	assert_non_null(strstr(asker.answer, "holdfast_device_mode{mode=\"degraded\"} 0\n"));
}

/* --- rights --- */

static const struct {
	const char *method, *path, *body;
	uint32_t right;
} ROUTES[] = {
	{"GET", "/v1/device", NULL, 0},
	{"POST", SIGN, HELLO, TENANT_DEVICE_SIGN},
	{"POST", TLS, "{}", TENANT_DEVICE_TLS},
	{"POST", RAW, DIGEST, TENANT_DEVICE_RAW},
	{"GET", "/v1/device/storage-key", NULL, TENANT_UNWRAP},
	{"POST", "/v1/device/storage-key/activate", "{}", TENANT_UNWRAP},
	{"POST", "/v1/unwrap", "{}", TENANT_UNWRAP},
	{"POST", "/v1/admin/device/init", "{}", TENANT_ADMIN},
	{"POST", "/v1/admin/device/reset", "{}", TENANT_ADMIN},
};

/* Each route with each right alone: only its own opens it. */
static void rights(void **state)
{
	struct fixture *fixture = *state;
	unsigned bit;
	size_t i;

	use_chip(fixture);
	use_view(fixture, IDENTITY_ENABLED);
	for (bit = 0; bit <= 18; bit++)
		for (i = 0; i < ARRAY_LEN(ROUTES); i++) {
			bool may = ROUTES[i].right == 0 || ROUTES[i].right == 1u << bit;
			struct asker asker = {0};

			fixture->tenant.tenant.rights = 1u << bit;
			/* A refused body is not read, and its connection ends. */
			asker_begin(&asker, fixture, ROUTES[i].method, ROUTES[i].path,
				    ROUTES[i].body);
			if ((asker_end(&asker) == 403) == may)
				fail_msg("%s with right %u: %s", ROUTES[i].path, bit, asker.answer);
		}
}

/* --- the storage key --- */

static void storage_key(void **state)
{
	struct fixture *fixture = *state;

	use_chip(fixture);
	assert_int_equal(ask(fixture, "GET", "/v1/device/storage-key", NULL), 200);
	answer_has(fixture, "{\"type\":\"ecc-p256\",\"name\":\"000b6e");
	answer_has(fixture, "\"public\":\"cHVibGlj\",\"pem\":\"-----BEGIN PUBLIC KEY-----\\n");
	answer_has(fixture, "\"protection\":\"tpm\"}");
	assert_int_equal(fixture->chip.calls, 0); /* no command */
	fixture->chip.fails_with = ERR_TPM_CHANGED;
	assert_int_equal(ask(fixture, "GET", "/v1/device/storage-key", NULL), 503);
	answer_has(fixture, "\"code\":\"tpm_changed\"");
	fixture->chip.fails_with = 0;
	use_software(fixture);
	assert_int_equal(ask(fixture, "GET", "/v1/device/storage-key", NULL), 200);
	answer_has(fixture, "\"protection\":\"software\"}");
	use_none(fixture);
	assert_int_equal(ask(fixture, "GET", "/v1/device/storage-key", NULL), 503);
	answer_has(fixture, "\"code\":\"tpm_required\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(modes_are_told),
		TEST(nothing_is_told_before_it_is_known),
		TEST(what_an_operator_must_see),
		TEST(dates_of_the_certificate),
		TEST(a_pending_certificate),
		TEST(a_bad_certificate_is_not_shown),
		TEST(the_mode_is_the_effective_one),
		TEST(the_tpm_as_it_was_found),
		TEST(other_modes_need_no_tpm),
		TEST(the_gauge),
		TEST(rights),
		TEST(storage_key),
	};

	return cmocka_run_group_tests_name("the device", tests, NULL, NULL);
}
