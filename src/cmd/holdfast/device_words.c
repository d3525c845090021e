/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/holdfast/device.h"

#define DAY_S	     INT64_C(86400)
#define DATE_LAST    INT64_C(253402300799) /* 9999-12-31, RFC 5280: without an end */
#define DAYS_400     146097u
#define DAYS_TO_1970 719468u /* from the first of March of the year 0 */

static const struct mode {
	const char *name;
	const char *meaning;
	const char *remedy;
} MODES[] = {
	{"unprovisioned", "the device has no identity yet", "holdfast device init"},
	{"software", "the device's key is in a file, not in a TPM", NULL},
	{"enabled", "the device's key is in its TPM", NULL},
	{"degraded", "the device's key is in its TPM, which cannot serve now", NULL},
	{"resetting", "a factory reset is erasing everything", NULL},
	{"conflict", "the TPM does not hold the device's key",
	 "put the TPM back that holds it; or give this identity up: holdfast device approve"},
};

static const struct mode *find_mode(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(MODES); i++)
		if (strcmp(MODES[i].name, name) == 0)
			return &MODES[i];
	return NULL;
}

const char *device_mode_meaning(const char *mode)
{
	const struct mode *found = find_mode(mode);

	return found ? found->meaning : NULL;
}

const char *device_mode_remedy(const char *mode)
{
	const struct mode *found = find_mode(mode);

	return found ? found->remedy : NULL;
}

/*
 * By hand, since the C library's way makes a static program 110 KB larger. Years are counted from
 * March of the year 0, so that the day of a leap year comes last.
 */
bool device_date(int64_t seconds, char out[DEVICE_DATE_SIZE])
{
	unsigned day, year, month, rest, time;

	if (seconds < 0 || seconds > DATE_LAST)
		return false;
	time = (unsigned)(seconds % DAY_S);
	day = (unsigned)(seconds / DAY_S) + DAYS_TO_1970;
	rest = day % DAYS_400;
	year = (rest - rest / 1460u + rest / 36524u - rest / (DAYS_400 - 1u)) / 365u;
	rest -= 365u * year + year / 4u - year / 100u;
	month = (5u * rest + 2u) / 153u;
	rest -= (153u * month + 2u) / 5u;
	year += day / DAYS_400 * 400u + (month >= 10u ? 1u : 0u);
	(void)snprintf(out, DEVICE_DATE_SIZE, "%04u-%02u-%02u %02u:%02u:%02u UTC", year,
		       month < 10u ? month + 3u : month - 9u, rest + 1u, time / 3600u,
		       time / 60u % 60u, time % 60u);
	return true;
}

/* --- lines --- */

const char *device_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static void put_member(struct buf *out, const char *label, const json_t *object, const char *member)
{
	cli_put_line(out, label, device_text(object, member));
}

static void put_mode(struct buf *out, const char *mode)
{
	const char *meaning = device_mode_meaning(mode);

	cli_put_text(out, mode[0] ? mode : "unknown");
	if (meaning)
		buf_printf(out, ": %s", meaning);
	buf_put_u8(out, '\n');
}

/* Only what is not the first is worth a line. */
static void put_generation(struct buf *out, const json_t *generation)
{
	if (json_integer_value(generation) < 2)
		return;
	cli_put_label(out, "identity");
	buf_printf(out, "number %" JSON_INTEGER_FORMAT " of this device\n",
		   json_integer_value(generation));
}

static void put_key(struct buf *out, const json_t *key, const json_t *device)
{
	if (!json_is_object(key))
		return;
	put_member(out, "key", key, "type");
	put_member(out, "  Name", key, "name");
	put_member(out, "  handle", key, "handle");
	put_member(out, "  found instead", device, "found_name");
}

static const char *problem_in_words(const char *problem)
{
	if (strcmp(problem, "not_yet_valid") == 0)
		return "it is not valid yet, by the clock of the device";
	return strcmp(problem, "expired") == 0 ? "it has expired" : problem;
}

static void put_date(struct buf *out, const char *label, const json_t *seconds)
{
	char date[DEVICE_DATE_SIZE];

	if (json_is_integer(seconds) && device_date(json_integer_value(seconds), date))
		cli_put_line(out, label, date);
}

static void put_certificate(struct buf *out, const char *label, const json_t *certificate)
{
	const char *subject = device_text(certificate, "subject");
	bool own = json_is_true(json_object_get(certificate, "self_signed"));

	cli_put_line(out, label, subject[0] ? subject : "without a subject");
	cli_put_line(out, "  issuer", own ? "itself" : device_text(certificate, "issuer"));
	put_member(out, "  serial", certificate, "serial");
	put_date(out, "  valid from", json_object_get(certificate, "not_before"));
	put_date(out, "  valid until", json_object_get(certificate, "not_after"));
	cli_put_line(out, "  problem", problem_in_words(device_text(certificate, "problem")));
}

static void put_certificates(struct buf *out, const json_t *device)
{
	const json_t *certificate = json_object_get(device, "certificate");
	const json_t *pending = json_object_get(device, "pending");

	if (json_is_object(certificate))
		put_certificate(out, "certificate", certificate);
	else
		cli_put_line(out, "certificate", "none");
	if (json_is_object(pending))
		put_certificate(out, "migrating to", pending);
	if (json_is_string(json_object_get(pending, "cross")))
		cli_put_line(out, "  vouched for",
			     "by the present key: holdfast device certificate --cross");
}

static void put_tpm(struct buf *out, const json_t *tpm)
{
	if (!json_is_object(tpm))
		return;
	put_member(out, "TPM", tpm, "state");
	put_member(out, "  maker", tpm, "manufacturer");
	put_member(out, "  firmware", tpm, "firmware");
	if (json_is_true(json_object_get(tpm, "in_lockout")))
		cli_put_line(out, "  lockout", "yes; the device's key works in it");
}

static void put_to_do(struct buf *out, const json_t *device)
{
	if (json_is_true(json_object_get(device, "marker_lost")))
		cli_put_line(out, "tpm_in_use", "had been deleted or edited; it was written anew");
	cli_put_line(out, "to go on", device_mode_remedy(device_text(device, "mode")));
	if (json_is_true(json_object_get(device, "confirming")))
		cli_put_line(out, "migration",
			     "waits for holdfast device migrate --confirm, or --rollback");
	else if (json_is_true(json_object_get(device, "tpm_available")))
		cli_put_line(out, "TPM available", "to use it: holdfast device migrate");
}

void device_put(struct buf *out, const json_t *device)
{
	put_mode(out, device_text(device, "mode"));
	put_member(out, "since", device, "since");
	put_member(out, "reason", device, "reason");
	put_member(out, "ALARM", device, "alarm");
	put_member(out, "protection", device, "protection");
	put_generation(out, json_object_get(device, "generation"));
	put_key(out, json_object_get(device, "key"), device);
	put_certificates(out, device);
	put_tpm(out, json_object_get(device, "tpm"));
	put_to_do(out, device);
}
