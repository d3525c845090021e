/* SPDX-License-Identifier: Apache-2.0 */
/* What the device's identity looks like to people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/device.h"

static const char ENABLED[] =
	"{\"mode\":\"enabled\",\"since\":\"2026-01-02T03:04:05Z\",\"reason\":\"first start\","
	"\"alarm\":null,\"protection\":\"tpm\",\"generation\":1,"
	"\"key\":{\"type\":\"ecc-p256\",\"name\":\"000bab\",\"handle\":\"0x81000100\","
	"\"public\":\"PEM\"},\"found_name\":null,"
	"\"certificate\":{\"pem\":\"PEM\",\"subject\":\"CN=gw\",\"issuer\":\"CN=gw\","
	"\"serial\":\"01ab\",\"not_before\":0,\"not_after\":1798761600,\"self_signed\":true,"
	"\"problem\":null},\"tpm_available\":false,\"confirming\":false,"
	"\"tpm\":{\"state\":\"ok\",\"manufacturer\":\"ACME\",\"firmware\":\"7\","
	"\"in_lockout\":false}}";

static const char ENABLED_SHOWN[] = "enabled: the device's key is in its TPM\n"
				    "since               2026-01-02T03:04:05Z\n"
				    "reason              first start\n"
				    "protection          tpm\n"
				    "key                 ecc-p256\n"
				    "  Name              000bab\n"
				    "  handle            0x81000100\n"
				    "certificate         CN=gw\n"
				    "  issuer            itself\n"
				    "  serial            01ab\n"
				    "  valid from        1970-01-01 00:00:00 UTC\n"
				    "  valid until       2027-01-01 00:00:00 UTC\n"
				    "TPM                 ok\n"
				    "  maker             ACME\n"
				    "  firmware          7\n";

static const struct {
	const char *device;
	const char *first; /* line */
	const char *shown; /* a line beside it; NULL = none is looked for */
} CASES[] = {
	{"{\"mode\":\"unprovisioned\",\"certificate\":null}",
	 "unprovisioned: the device has no identity yet",
	 "to go on            holdfast device init"},
	{"{\"mode\":\"software\",\"tpm_available\":true}",
	 "software: the device's key is in a file, not in a TPM",
	 "TPM available       to use it: holdfast device migrate"},
	{"{\"mode\":\"software\",\"confirming\":true}",
	 "software: the device's key is in a file, not in a TPM",
	 "migration           waits for holdfast device migrate --confirm, or --rollback"},
	{"{\"mode\":\"degraded\",\"reason\":\"no chip\"}",
	 "degraded: the device's key is in its TPM, which cannot serve now",
	 "reason              no chip"},
	{"{\"mode\":\"resetting\"}", "resetting: a factory reset is erasing everything", NULL},
	{"{\"mode\":\"conflict\",\"key\":{\"name\":\"aa\"},\"found_name\":\"bb\"}",
	 "conflict: the TPM does not hold the device's key", "  found instead     bb"},
	{"{\"mode\":\"conflict\"}", "conflict: the TPM does not hold the device's key",
	 "to go on            put the TPM back that holds it; or give this identity up: "
	 "holdfast device approve"},
	{"{\"mode\":\"enabled\",\"alarm\":\"soft key\",\"generation\":3}",
	 "enabled: the device's key is in its TPM", "ALARM               soft key"},
	{"{\"mode\":\"enabled\",\"generation\":3}", "enabled: the device's key is in its TPM",
	 "identity            number 3 of this device"},
	{"{\"mode\":\"enabled\",\"certificate\":{\"subject\":\"\",\"issuer\":\"CN=ca\","
	 "\"problem\":\"expired\"}}",
	 "enabled: the device's key is in its TPM", "  problem           it has expired"},
	{"{\"mode\":\"enabled\",\"certificate\":{\"issuer\":\"CN=ca\"}}",
	 "enabled: the device's key is in its TPM", "  issuer            CN=ca"},
	{"{\"mode\":\"enabled\",\"certificate\":{\"problem\":\"not_yet_valid\"}}",
	 "enabled: the device's key is in its TPM",
	 "  problem           it is not valid yet, by the clock of the device"},
	{"{\"mode\":\"enabled\",\"tpm\":{\"state\":\"ok\",\"in_lockout\":true}}",
	 "enabled: the device's key is in its TPM",
	 "  lockout           yes; the device's key works in it"},
	{"{\"mode\":\"software\",\"pending\":{\"subject\":\"CN=next\"}}",
	 "software: the device's key is in a file, not in a TPM", "migrating to        CN=next"},
	{"{\"mode\":\"software\",\"pending\":{\"subject\":\"CN=next\",\"cross\":\"-----\"}}",
	 "software: the device's key is in a file, not in a TPM",
	 "  vouched for       by the present key: holdfast device certificate --cross"},
	{"{\"mode\":\"enabled\",\"marker_lost\":true}", "enabled: the device's key is in its TPM",
	 "tpm_in_use          had been deleted or edited; it was written anew"},
	/* A service of another release, or none at all. */
	{"{\"mode\":\"later\"}", "later", NULL},
	{"{}", "unknown", "certificate         none"},
	{"{\"mode\":1,\"key\":[],\"certificate\":{\"not_after\":9223372036854775807},\"tpm\":0}",
	 "unknown", "certificate         without a subject"},
	{"{\"mode\":\"a\\u001b[2J\",\"reason\":\"b\\nc\"}", "a?[2J", "reason              b?c"},
};

static void show(const char *device, struct buf *out)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	struct err err;

	assert_int_equal(json_parse(slice_str(device), &json, &err), 0);
	device_put(out, json);
	buf_put_u8(out, '\0');
	assert_true(buf_ok(out));
}

static void test_enabled(void **state)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT(4096);

	(void)state;
	show(ENABLED, &out);
	assert_string_equal((const char *)out.data, ENABLED_SHOWN);
}

/* Finds @line, whole, in @text. */
static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (; text; text = strchr(text, '\n'), text = text ? text + 1 : NULL)
		if (strncmp(text, line, len) == 0 && text[len] == '\n')
			return true;
	return false;
}

static void test_modes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(CASES); i++) {
		CLEANUP(buf_fini) struct buf out = BUF_INIT(4096);
		const char *text;

		show(CASES[i].device, &out);
		text = (const char *)out.data;
		if (CASES[i].shown && !has_line(text, CASES[i].shown))
			print_error("case %zu:\n%s", i, text);
		assert_int_equal(strncmp(text, CASES[i].first, strlen(CASES[i].first)), 0);
		assert_int_equal(text[strlen(CASES[i].first)], '\n');
		assert_true(!CASES[i].shown || has_line(text, CASES[i].shown));
	}
}

/* Against the C library's calendar: each day of 400 years, and the edges. */
static void test_dates(void **state)
{
	char date[DEVICE_DATE_SIZE], expected[DEVICE_DATE_SIZE];
	time_t then;
	struct tm parts;

	(void)state;
	for (then = 43199; then < (time_t)400 * 366 * 86400; then += 86400) {
		assert_non_null(gmtime_r(&then, &parts));
		assert_int_not_equal(
			strftime(expected, sizeof(expected), "%Y-%m-%d %H:%M:%S UTC", &parts), 0);
		assert_true(device_date(then, date));
		assert_string_equal(date, expected);
	}
	assert_true(device_date(0, date));
	assert_string_equal(date, "1970-01-01 00:00:00 UTC");
	assert_true(device_date(INT64_C(253402300799), date)); /* RFC 5280: without an end */
	assert_string_equal(date, "9999-12-31 23:59:59 UTC");
	assert_false(device_date(INT64_C(253402300800), date));
	assert_false(device_date(INT64_MAX, date));
	assert_false(device_date(-1, date));
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(test_enabled),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_dates),
	};

	json_setup();
	return cmocka_run_group_tests(TESTS, NULL, NULL);
}
