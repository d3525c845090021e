/* SPDX-License-Identifier: Apache-2.0 */
/* One function for each row, in the order in which one thing needs the other. */
#include "cmd/holdfast/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

/* A borrowed text of an object's member, or @otherwise. */
static const char *text_of(const json_t *object, const char *member, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text && text[0] ? text : otherwise;
}

static bool provider_is(const struct doctor_facts *facts, const char *provider)
{
	return strcmp(text_of(facts->status, "provider", ""), provider) == 0;
}

bool doctor_on_chip(const struct doctor_facts *facts)
{
	return provider_is(facts, "tpm");
}

/* --- the way to the service --- */

static void judge_denied(const struct doctor_socket *socket, struct findings *report)
{
	struct finding *row;

	if (!socket->group[0]) {
		row = finding_add(report, "socket", FINDING_FAIL,
				  "%s may not be opened by this user", socket->path);
		finding_remedy(row, "Run it as a user who may, or as root.");
	} else if (socket->is_listed && !socket->is_member) {
		row = finding_add(report, "socket", FINDING_FAIL,
				  "%s is for group %s: this user is in it, but this session is not",
				  socket->path, socket->group);
		finding_remedy(row, "Log in again, or go on in a shell of 'newgrp %s'.",
			       socket->group);
	} else if (socket->is_member) {
		row = finding_add(
			report, "socket", FINDING_FAIL,
			"%s is for group %s, of which this session is; its folder is closed",
			socket->path, socket->group);
		finding_remedy(row, "Let the group enter the socket's folder: chmod g+x.");
	} else {
		row = finding_add(report, "socket", FINDING_FAIL,
				  "%s is for group %s, of which this user is not", socket->path,
				  socket->group);
		finding_remedy(row, "As root: usermod -aG %s USER. Then log in again.",
			       socket->group);
	}
}

static void judge_socket(const struct doctor_facts *facts, struct findings *report)
{
	const struct doctor_socket *socket = &facts->socket;
	struct finding *row;

	switch (socket->errnum) {
	case 0:
		finding_add(report, "socket", FINDING_OK, "%s opens", socket->path);
		return;
	case EACCES:
	case EPERM:
		judge_denied(socket, report);
		return;
	case ENOENT:
	case ENOTDIR:
		row = finding_add(report, "socket", FINDING_FAIL, "there is no %s", socket->path);
		finding_remedy(row, "Start holdfastd, or name its socket with --socket or "
				    "HOLDFAST_SOCKET.");
		return;
	case ECONNREFUSED:
		row = finding_add(report, "socket", FINDING_FAIL,
				  socket->is_other ? "%s is no socket" : "nobody listens at %s",
				  socket->path);
		finding_remedy(row, socket->is_other
					    ? "Name the socket of holdfastd with --socket or "
					      "HOLDFAST_SOCKET."
					    : "Start holdfastd; its log says why it ended.");
		return;
	default:
		row = finding_add(report, "socket", FINDING_FAIL, "cannot connect to %s: %s",
				  socket->path, strerrordesc_np(socket->errnum));
		finding_remedy(row, "Look whether holdfastd runs, and what it logged.");
	}
}

static void judge_service(const struct doctor_facts *facts, struct findings *report)
{
	const char *version = text_of(facts->status, "version", "unknown");
	struct finding *row;

	if (facts->socket.errnum != 0)
		return;
	if (facts->status_call.code < 0) {
		row = finding_add(report, "service", FINDING_FAIL, "%s: %s",
				  err_info(facts->status_call.code)->name, facts->status_call.text);
		finding_remedy(row, "%s", facts->status_call.remedy);
	} else if (strcmp(version, facts->version) != 0) {
		row = finding_add(report, "service", FINDING_WARN,
				  "it answers, but is of release %s and this program of %s",
				  version, facts->version);
		finding_remedy(row,
			       "Restart holdfastd after an update, and use the program that came "
			       "with it.");
	} else {
		finding_add(report, "service", FINDING_OK, "release %s answers", version);
	}
}

/* --- the provider --- */

static bool has_device(const struct doctor_facts *facts)
{
	size_t i;

	for (i = 0; i < DOCTOR_NODES; i++)
		if (facts->nodes[i].exists && facts->nodes[i].is_device)
			return true;
	return false;
}

static void judge_software(const struct doctor_facts *facts, const char *reason,
			   struct findings *report)
{
	struct finding *row;

	if (!has_device(facts)) {
		finding_add(report, "provider", FINDING_INFO, "software: %s", reason);
		return;
	}
	row = finding_add(report, "provider", FINDING_WARN,
			  "software, though this machine has a TPM: %s", reason);
	finding_remedy(row,
		       "Unless that is meant: take SECURITY_PROVIDER and 'provider' out of "
		       "holdfastd's environment and configuration, let its user open the TPM, and "
		       "restart it.");
}

static void judge_provider(const struct doctor_facts *facts, struct findings *report)
{
	const char *reason = text_of(facts->status, "reason", "no reason is given");
	struct finding *row;

	if (!facts->status)
		return;
	if (doctor_on_chip(facts)) {
		finding_add(report, "provider", FINDING_OK, "the TPM: %s", reason);
	} else if (provider_is(facts, "legacy")) {
		judge_software(facts, reason, report);
	} else if (provider_is(facts, "deciding")) {
		row = finding_add(report, "provider", FINDING_WARN, "it is being chosen");
		finding_remedy(row, "Ask again in a few seconds.");
	} else {
		row = finding_add(report, "provider", FINDING_FAIL, "none: %s", reason);
		finding_remedy(row,
			       "Make the TPM reachable; or, where software will do, set provider = "
			       "\"auto\" in holdfast.conf and restart holdfastd.");
	}
}

static void judge_use(const struct doctor_facts *facts, struct findings *report)
{
	const struct doctor_answer *call = &facts->random_call;
	struct finding *row;

	if (!facts->status)
		return;
	switch (call->code) {
	case 0:
		finding_add(report, "use", FINDING_OK, "the provider gives random bytes");
		return;
	case ERR_FORBIDDEN:
		finding_add(report, "use", FINDING_INFO,
			    "not tried: this tenant may not ask for random "
			    "bytes");
		return;
	case ERR_TPM_CHANGED:
		row = finding_add(report, "use", FINDING_FAIL, "tpm_changed: %s", call->text);
		finding_remedy(row,
			       "Put the TPM back that the keys were made with, or accept this one, "
			       "as root: holdfast tpm accept");
		return;
	default:
		row = finding_add(report, "use", FINDING_FAIL, "%s: %s", err_info(call->code)->name,
				  call->text);
		finding_remedy(row, "%s", call->remedy);
	}
}

/* --- the TPM --- */

static void judge_node(const struct doctor_node *node, const char *id,
		       const struct doctor_facts *facts, struct findings *report)
{
	const char *user = facts->process.user;
	struct finding *row;

	if (!node->exists)
		return;
	if (!node->is_device) {
		row = finding_add(report, id, FINDING_FAIL, "%s is no device", node->path);
		finding_remedy(row, "Remove it, and restart the machine.");
	} else if (node->mode & 06u) {
		row = finding_add(report, id, FINDING_WARN,
				  "%s is %s:%s %04o: everybody may use the TPM", node->path,
				  node->owner, node->group, node->mode);
		finding_remedy(
			row, "A rule for udev: SUBSYSTEM==\"tpm*\", OWNER=\"tss\", GROUP=\"tss\", "
			     "MODE=\"0660\"");
	} else if (node->service == DOCTOR_MAY_NOT) {
		row = finding_add(report, id, doctor_on_chip(facts) ? FINDING_INFO : FINDING_WARN,
				  "%s is %s:%s %04o: holdfastd's user %s may not open it",
				  node->path, node->owner, node->group, node->mode, user);
		if (row->state == FINDING_WARN)
			finding_remedy(row, "As root: usermod -aG %s %s. Then restart holdfastd.",
				       node->group, user);
	} else {
		finding_add(report, id, FINDING_OK, "%s is %s:%s %04o", node->path, node->owner,
			    node->group, node->mode);
	}
}

static void judge_nodes(const struct doctor_facts *facts, struct findings *report)
{
	static const char *const IDS[DOCTOR_NODES] = {"device-tpm0", "device-tpmrm0"};
	struct finding *row;
	bool any = false;
	size_t i;

	for (i = 0; i < DOCTOR_NODES; i++) {
		any = any || facts->nodes[i].exists;
		judge_node(&facts->nodes[i], IDS[i], facts, report);
	}
	if (any)
		return;
	row = finding_add(report, "device", FINDING_INFO, "this machine shows no %s and no %s",
			  facts->nodes[0].path, facts->nodes[1].path);
	if (facts->status && !doctor_on_chip(facts))
		finding_remedy(row, "If it has a TPM, turn that on in the setup of its firmware.");
}

static void judge_chip(const struct doctor_facts *facts, struct findings *report)
{
	const json_t *tpm = json_object_get(facts->status, "tpm");
	const char *fault = text_of(tpm, "fault", NULL);
	struct finding *row;
	int code;

	if (!json_is_object(tpm))
		return;
	if (!fault) {
		finding_add(report, "tpm", FINDING_OK, "%s, firmware %s, by %s",
			    text_of(tpm, "manufacturer", "unknown"),
			    text_of(tpm, "firmware", "unknown"),
			    text_of(tpm, "tcti", "an unknown way"));
		return;
	}
	code = err_code_of_name(fault);
	row = finding_add(report, "tpm", FINDING_FAIL, "it does not serve: %s", fault);
	if (code == ERR_TPM_CHANGED)
		finding_remedy(row,
			       "Put the old one back, or accept this one: holdfast tpm accept");
	else
		finding_remedy(row, "%s", err_info(code)->remedy);
}

static void judge_manager(const struct doctor_facts *facts, struct findings *report)
{
	const json_t *tpm = json_object_get(facts->status, "tpm");
	const char *manager = text_of(tpm, "resource_manager", NULL);
	struct finding *row;

	if (!manager)
		return;
	if (strcmp(manager, "none") == 0) {
		finding_add(report, "resource-manager", FINDING_OK,
			    "none: holdfastd has the chip alone");
	} else if (strcmp(manager, "kernel") == 0) {
		row = finding_add(report, "resource-manager", FINDING_INFO,
				  "the kernel's: each command costs the chip more than one");
		finding_remedy(row, "When no other program uses the chip: tpm { tcti = "
				    "\"device:/dev/tpm0\" } in holdfast.conf.");
	} else {
		finding_add(report, "resource-manager", FINDING_INFO,
			    "%s: others may use the chip beside holdfastd", manager);
	}
}

#define CLEAR_LOCKOUT                                                                              \
	"Wait until the chip has forgotten them. Or clear them with the lockout password: name "   \
	"its file as tpm { lockout_auth_file } in holdfast.conf and restart holdfastd, or, while " \
	"that is stopped: tpm2_dictionarylockout --clear-lockout --auth=file:PASSWORD-FILE "       \
	"(without --auth when the password is empty)."

static void judge_lockout_password(const json_t *lockout, struct findings *report)
{
	struct finding *row;

	if (!json_is_true(json_object_get(lockout, "password_refused")))
		return;
	row = finding_add(report, "lockout-password", FINDING_WARN,
			  "the chip refused the one that holdfastd was given");
	finding_remedy(
		row, "Put the right one into the file that tpm { lockout_auth_file } in "
		     "holdfast.conf names, and restart holdfastd. The chip takes another try only "
		     "after its recovery time.");
}

static void judge_lockout(const struct doctor_facts *facts, struct findings *report)
{
	const json_t *tpm = json_object_get(facts->status, "tpm");
	const json_t *lockout = json_object_get(tpm, "lockout");
	json_int_t counter = json_integer_value(json_object_get(lockout, "counter"));
	json_int_t max = json_integer_value(json_object_get(lockout, "max"));
	struct finding *row;

	if (!json_is_object(tpm))
		return;
	judge_lockout_password(lockout, report);
	if (!json_is_object(lockout)) {
		finding_add(report, "lockout", FINDING_INFO, "the chip did not tell");
	} else if (json_is_true(json_object_get(lockout, "in_lockout"))) {
		row = finding_add(
			report, "lockout", FINDING_FAIL,
			"the chip refuses to use what has a password: %" JSON_INTEGER_FORMAT
			" of %" JSON_INTEGER_FORMAT " failed attempts",
			counter, max);
		finding_remedy(row, CLEAR_LOCKOUT);
	} else if (counter > 0) {
		row = finding_add(report, "lockout",
				  counter > max / 2 ? FINDING_WARN : FINDING_INFO,
				  "no, after %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
				  " failed attempts",
				  counter, max);
		if (row->state == FINDING_WARN)
			finding_remedy(row, CLEAR_LOCKOUT);
	} else {
		finding_add(report, "lockout", FINDING_OK,
			    "no, and none of %" JSON_INTEGER_FORMAT " failed attempts", max);
	}
}

/* The probe at the service's start; a service without FAPI does not have the member. */
static void judge_fapi(const struct doctor_facts *facts, struct findings *report)
{
	const json_t *fapi = json_object_get(facts->status, "fapi");
	const char *probe = text_of(fapi, "probe", NULL);
	const char *detail = text_of(fapi, "detail", NULL);
	struct finding *row;

	if (!probe)
		return;
	if (strcmp(probe, "failed") == 0) {
		row = finding_add(report, "fapi", FINDING_WARN, "it does not reach the TPM: %s",
				  detail ? detail : "the service's log says why");
		finding_remedy(row, "As root, to try again: holdfast fapi probe");
	} else if (strcmp(probe, "succeeded") == 0) {
		finding_add(report, "fapi", FINDING_OK, "it reaches the TPM%s%s",
			    detail ? ": " : "", detail ? detail : "");
	} else {
		finding_add(report, "fapi", FINDING_INFO, "not tried: its probe is %s%s%s", probe,
			    detail ? ", " : "", detail ? detail : "");
	}
}

/* --- the machine --- */

static void judge_memory(const struct doctor_facts *facts, struct findings *report)
{
	const struct doctor_process *process = &facts->process;
	struct finding *row;

	if (!process->known || !process->memory_known)
		return;
	if (process->locked_kib > 0) {
		finding_add(report, "memory-lock", FINDING_OK,
			    "holdfastd keeps %" PRIu64 " KiB of secrets out of swap",
			    process->locked_kib);
		return;
	}
	row = finding_add(report, "memory-lock", FINDING_WARN,
			  "holdfastd's secrets may be swapped out");
	finding_remedy(row,
		       "Raise its limit of locked memory to 8 MiB: LimitMEMLOCK=8M in its unit, or "
		       "'ulimit -l 8192' before it starts. Or turn swap off.");
}

static void judge_clock(const struct doctor_facts *facts, struct findings *report)
{
	time_t now = (time_t)facts->now;
	struct finding *row;
	char text[40] = "unknown";
	struct tm parts;

	if (gmtime_r(&now, &parts))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
	if (facts->now < CLOCK_LEAST) {
		row = finding_add(report, "clock", FINDING_WARN, "%s, which is past", text);
		finding_remedy(row,
			       "Set it, or start a time service: the times of creation that the "
			       "service keeps come from it.");
	} else if (!facts->synchronised) {
		finding_add(report, "clock", FINDING_INFO, "%s; no time service keeps it", text);
	} else {
		finding_add(report, "clock", FINDING_OK, "%s", text);
	}
}

void doctor_judge(const struct doctor_facts *facts, struct findings *ret_report)
{
	static void (*const JUDGES[])(const struct doctor_facts *facts, struct findings *report) = {
		judge_socket, judge_service,	   judge_provider, judge_use,
		judge_nodes,  judge_chip,	   judge_manager,  judge_lockout,
		judge_fapi,   doctor_judge_device, judge_memory,   judge_clock,
	};
	size_t i;

	ret_report->count = 0;
	for (i = 0; i < ARRAY_LEN(JUDGES); i++)
		JUDGES[i](facts, ret_report);
}

void doctor_facts_fini(struct doctor_facts *facts)
{
	json_free(facts->status);
	facts->status = NULL;
	json_free(facts->device);
	facts->device = NULL;
}
