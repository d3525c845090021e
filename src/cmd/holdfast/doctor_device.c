/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the device's identity. A service that does not tell of it gives none. */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cmd/holdfast/device.h"
#include "cmd/holdfast/doctor.h"

#define DAY_S  INT64_C(86400)
#define SOON_S (30 * DAY_S)
#define CHANGED                                                                                    \
	"Put the TPM back that holds the key; or begin anew, as root: holdfast device approve"

static bool is_set(const json_t *device, const char *member)
{
	return json_is_true(json_object_get(device, member));
}

/* --- the mode --- */

static void judge_mode(const json_t *device, struct doctor_report *report)
{
	static const struct {
		const char *mode;
		enum doctor_state state;
		const char *remedy; /* NULL = there is none */
	} MODES[] = {
		{"enabled", DOCTOR_OK, NULL},
		{"software", DOCTOR_INFO, NULL},
		{"unprovisioned", DOCTOR_WARN, "As root: holdfast device init"},
		{"resetting", DOCTOR_WARN, "Wait; ask again in a minute."},
		{"degraded", DOCTOR_FAIL, "Make the TPM serve: the rows above say what it lacks."},
		{"conflict", DOCTOR_FAIL, CHANGED},
	};
	const char *mode = device_text(device, "mode"), *reason = device_text(device, "reason");
	const char *meaning = device_mode_meaning(mode);
	struct doctor_row *row;
	size_t i;

	for (i = 0; i < ARRAY_LEN(MODES); i++) {
		if (strcmp(MODES[i].mode, mode) != 0)
			continue;
		row = doctor_add(report, "identity", MODES[i].state, "%s: %s%s%s", mode,
				 meaning ? meaning : "", reason[0] ? "; " : "", reason);
		if (MODES[i].remedy)
			doctor_remedy(row, "%s", MODES[i].remedy);
		return;
	}
	doctor_add(report, "identity", DOCTOR_INFO, "of a mode that this program does not know");
}

static void judge_alarm(const json_t *device, struct doctor_report *report)
{
	const char *alarm = device_text(device, "alarm");
	struct doctor_row *row;

	if (!alarm[0])
		return;
	row = doctor_add(report, "identity alarm", DOCTOR_WARN, "%s", alarm);
	doctor_remedy(row,
		      "docs/IDENTITY.md tells what it means; the service's log, when it came.");
}

static void judge_soft_key(const json_t *device, struct doctor_report *report)
{
	struct doctor_row *row;

	if (is_set(device, "confirming")) {
		row = doctor_add(report, "migration", DOCTOR_INFO,
				 "the identity's way into the TPM is not confirmed yet");
		doctor_remedy(row, "As root: holdfast device migrate --confirm, or --rollback");
	} else if (is_set(device, "tpm_available")) {
		row = doctor_add(report, "soft key", DOCTOR_WARN,
				 "the device's key is in a file, though there is a TPM");
		doctor_remedy(row, "As root: holdfast device migrate");
	}
}

static void judge_marker(const json_t *device, struct doctor_report *report)
{
	if (is_set(device, "marker_lost"))
		doctor_add(report, "tpm_in_use", DOCTOR_INFO,
			   "the file was deleted or edited, and was written again at the start");
}

/* --- the certificate --- */

static void say_renew(struct doctor_row *row, const json_t *certificate)
{
	if (!json_is_object(certificate) || is_set(certificate, "self_signed"))
		doctor_remedy(row, "As root: holdfast device renew");
	else
		doctor_remedy(row, "As root: holdfast device csr, and with what the CA makes of "
				   "it: holdfast device install-cert");
}

static void judge_end(const json_t *certificate, int64_t now, struct doctor_report *report)
{
	int64_t end = json_integer_value(json_object_get(certificate, "not_after"));
	char date[DEVICE_DATE_SIZE] = "an unknown time";
	struct doctor_row *row;

	/* The service's own clock may be another one by a little, and its number anything. */
	(void)device_date(end, date);
	if (end <= now) {
		row = doctor_add(report, "certificate", DOCTOR_FAIL, "it ended on %s", date);
		say_renew(row, certificate);
		return;
	}
	if (now < 0 || end - now >= SOON_S) {
		doctor_add(report, "certificate", DOCTOR_OK, "valid until %s", date);
		return;
	}
	row = doctor_add(report, "certificate", DOCTOR_WARN,
			 "it expires in %" PRId64 " days, on %s", (end - now) / DAY_S, date);
	say_renew(row, certificate);
}

static void judge_certificate(const json_t *device, int64_t now, struct doctor_report *report)
{
	const json_t *certificate = json_object_get(device, "certificate");
	const char *problem = device_text(certificate, "problem");
	struct doctor_row *row;

	if (!json_is_object(certificate)) {
		if (json_is_object(json_object_get(device, "key")))
			say_renew(doctor_add(report, "certificate", DOCTOR_WARN, "there is none"),
				  certificate);
	} else if (strcmp(problem, "not_yet_valid") == 0) {
		row = doctor_add(report, "certificate", DOCTOR_FAIL,
				 "not yet valid, by the device's clock");
		doctor_remedy(row, "Set the clock, or start a time service.");
	} else if (strcmp(problem, "expired") == 0) {
		row = doctor_add(report, "certificate", DOCTOR_FAIL,
				 "expired, by the device's clock");
		say_renew(row, certificate);
	} else if (json_is_integer(json_object_get(certificate, "not_after"))) {
		judge_end(certificate, now, report);
	}
}

void doctor_judge_device(const struct doctor_facts *facts, struct doctor_report *report)
{
	const json_t *device = facts->device;

	if (!json_is_object(device))
		return;
	judge_mode(device, report);
	judge_alarm(device, report);
	judge_soft_key(device, report);
	judge_marker(device, report);
	judge_certificate(device, facts->now, report);
}
