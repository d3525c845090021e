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

static void judge_mode(const json_t *device, struct findings *report)
{
	static const struct {
		const char *mode;
		enum finding_state state;
		const char *remedy; /* NULL = there is none */
	} MODES[] = {
		{"enabled", FINDING_OK, NULL},
		{"software", FINDING_INFO, NULL},
		{"unprovisioned", FINDING_WARN, "As root: holdfast device init"},
		{"resetting", FINDING_WARN, "Wait; ask again in a minute."},
		{"degraded", FINDING_FAIL, "Make the TPM serve: the rows above say what it lacks."},
		{"conflict", FINDING_FAIL, CHANGED},
	};
	const char *mode = device_text(device, "mode"), *reason = device_text(device, "reason");
	const char *meaning = device_mode_meaning(mode);
	struct finding *row;
	size_t i;

	for (i = 0; i < ARRAY_LEN(MODES); i++) {
		if (strcmp(MODES[i].mode, mode) != 0)
			continue;
		row = finding_add(report, "identity", MODES[i].state, "%s: %s%s%s", mode,
				  meaning ? meaning : "", reason[0] ? "; " : "", reason);
		if (MODES[i].remedy)
			finding_remedy(row, "%s", MODES[i].remedy);
		return;
	}
	finding_add(report, "identity", FINDING_INFO, "of a mode that this program does not know");
}

static void judge_alarm(const json_t *device, struct findings *report)
{
	const char *alarm = device_text(device, "alarm");
	struct finding *row;

	if (!alarm[0])
		return;
	row = finding_add(report, "identity-alarm", FINDING_WARN, "%s", alarm);
	finding_remedy(row,
		       "docs/IDENTITY.md tells what it means; the service's log, when it came.");
}

static void judge_soft_key(const json_t *device, struct findings *report)
{
	struct finding *row;

	if (is_set(device, "confirming")) {
		row = finding_add(report, "migration", FINDING_INFO,
				  "the identity's way into the TPM is not confirmed yet");
		finding_remedy(row, "As root: holdfast device migrate --confirm, or --rollback");
	} else if (is_set(device, "tpm_available")) {
		row = finding_add(report, "soft-key", FINDING_WARN,
				  "the device's key is in a file, though there is a TPM");
		finding_remedy(row, "As root: holdfast device migrate");
	}
}

static void judge_marker(const json_t *device, struct findings *report)
{
	if (is_set(device, "marker_lost"))
		finding_add(report, "tpm-in-use", FINDING_INFO,
			    "the file was deleted or edited, and was written again at the start");
}

/* --- the certificate --- */

static void say_renew(struct finding *row, const json_t *certificate)
{
	if (!json_is_object(certificate) || is_set(certificate, "self_signed"))
		finding_remedy(row, "As root: holdfast device renew");
	else
		finding_remedy(row, "As root: holdfast device csr, and with what the CA makes of "
				    "it: holdfast device install-cert");
}

static void judge_end(const json_t *certificate, int64_t now, struct findings *report)
{
	int64_t end = json_integer_value(json_object_get(certificate, "not_after"));
	char date[DEVICE_DATE_SIZE] = "an unknown time";
	struct finding *row;

	/* The service's own clock may be another one by a little, and its number anything. */
	(void)device_date(end, date);
	if (end <= now) {
		row = finding_add(report, "certificate", FINDING_FAIL, "it ended on %s", date);
		say_renew(row, certificate);
		return;
	}
	if (now < 0 || end - now >= SOON_S) {
		finding_add(report, "certificate", FINDING_OK, "valid until %s", date);
		return;
	}
	row = finding_add(report, "certificate", FINDING_WARN,
			  "it expires in %" PRId64 " days, on %s", (end - now) / DAY_S, date);
	say_renew(row, certificate);
}

static void judge_certificate(const json_t *device, int64_t now, struct findings *report)
{
	const json_t *certificate = json_object_get(device, "certificate");
	const char *problem = device_text(certificate, "problem");
	struct finding *row;

	if (!json_is_object(certificate)) {
		if (json_is_object(json_object_get(device, "key")))
			say_renew(finding_add(report, "certificate", FINDING_WARN, "there is none"),
				  certificate);
	} else if (strcmp(problem, "not_yet_valid") == 0) {
		row = finding_add(report, "certificate", FINDING_FAIL,
				  "not yet valid, by the device's clock");
		finding_remedy(row, "Set the clock, or start a time service.");
	} else if (strcmp(problem, "expired") == 0) {
		row = finding_add(report, "certificate", FINDING_FAIL,
				  "expired, by the device's clock");
		say_renew(row, certificate);
	} else if (json_is_integer(json_object_get(certificate, "not_after"))) {
		judge_end(certificate, now, report);
	}
}

void doctor_judge_device(const struct doctor_facts *facts, struct findings *report)
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
