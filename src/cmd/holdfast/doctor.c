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

static void judge_denied(const struct doctor_socket *socket, struct doctor_report *report)
{
	struct doctor_row *row;

	if (!socket->group[0]) {
		row = doctor_add(report, "socket", DOCTOR_FAIL, "%s may not be opened by this user",
				 socket->path);
		doctor_remedy(row, "Run it as a user who may, or as root.");
	} else if (socket->is_listed && !socket->is_member) {
		row = doctor_add(report, "socket", DOCTOR_FAIL,
				 "%s is for group %s: this user is in it, but this session is not",
				 socket->path, socket->group);
		doctor_remedy(row, "Log in again, or go on in a shell of 'newgrp %s'.",
			      socket->group);
	} else if (socket->is_member) {
		row = doctor_add(
			report, "socket", DOCTOR_FAIL,
			"%s is for group %s, of which this session is; its folder is closed",
			socket->path, socket->group);
		doctor_remedy(row, "Let the group enter the socket's folder: chmod g+x.");
	} else {
		row = doctor_add(report, "socket", DOCTOR_FAIL,
				 "%s is for group %s, of which this user is not", socket->path,
				 socket->group);
		doctor_remedy(row, "As root: usermod -aG %s USER. Then log in again.",
			      socket->group);
	}
}

static void judge_socket(const struct doctor_facts *facts, struct doctor_report *report)
{
	const struct doctor_socket *socket = &facts->socket;
	struct doctor_row *row;

	switch (socket->errnum) {
	case 0:
		doctor_add(report, "socket", DOCTOR_OK, "%s opens", socket->path);
		return;
	case EACCES:
	case EPERM:
		judge_denied(socket, report);
		return;
	case ENOENT:
	case ENOTDIR:
		row = doctor_add(report, "socket", DOCTOR_FAIL, "there is no %s", socket->path);
		doctor_remedy(row, "Start holdfastd, or name its socket with --socket or "
				   "HOLDFAST_SOCKET.");
		return;
	case ECONNREFUSED:
		row = doctor_add(report, "socket", DOCTOR_FAIL,
				 socket->is_other ? "%s is no socket" : "nobody listens at %s",
				 socket->path);
		doctor_remedy(row, socket->is_other
					   ? "Name the socket of holdfastd with --socket or "
					     "HOLDFAST_SOCKET."
					   : "Start holdfastd; its log says why it ended.");
		return;
	default:
		row = doctor_add(report, "socket", DOCTOR_FAIL, "cannot connect to %s: %s",
				 socket->path, strerrordesc_np(socket->errnum));
		doctor_remedy(row, "Look whether holdfastd runs, and what it logged.");
	}
}

static void judge_service(const struct doctor_facts *facts, struct doctor_report *report)
{
	const char *version = text_of(facts->status, "version", "unknown");
	struct doctor_row *row;

	if (facts->socket.errnum != 0)
		return;
	if (facts->status_call.code < 0) {
		row = doctor_add(report, "service", DOCTOR_FAIL, "%s: %s",
				 err_info(facts->status_call.code)->name, facts->status_call.text);
		doctor_remedy(row, "%s", facts->status_call.remedy);
	} else if (strcmp(version, facts->version) != 0) {
		row = doctor_add(report, "service", DOCTOR_WARN,
				 "it answers, but is of release %s and this program of %s", version,
				 facts->version);
		doctor_remedy(row,
			      "Restart holdfastd after an update, and use the program that came "
			      "with it.");
	} else {
		doctor_add(report, "service", DOCTOR_OK, "release %s answers", version);
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
			   struct doctor_report *report)
{
	struct doctor_row *row;

	if (!has_device(facts)) {
		doctor_add(report, "provider", DOCTOR_INFO, "software: %s", reason);
		return;
	}
	row = doctor_add(report, "provider", DOCTOR_WARN,
			 "software, though this machine has a TPM: %s", reason);
	doctor_remedy(row,
		      "Unless that is meant: take SECURITY_PROVIDER and 'provider' out of "
		      "holdfastd's environment and configuration, let its user open the TPM, and "
		      "restart it.");
}

static void judge_provider(const struct doctor_facts *facts, struct doctor_report *report)
{
	const char *reason = text_of(facts->status, "reason", "no reason is given");
	struct doctor_row *row;

	if (!facts->status)
		return;
	if (doctor_on_chip(facts)) {
		doctor_add(report, "provider", DOCTOR_OK, "the TPM: %s", reason);
	} else if (provider_is(facts, "legacy")) {
		judge_software(facts, reason, report);
	} else if (provider_is(facts, "deciding")) {
		row = doctor_add(report, "provider", DOCTOR_WARN, "it is being chosen");
		doctor_remedy(row, "Ask again in a few seconds.");
	} else {
		row = doctor_add(report, "provider", DOCTOR_FAIL, "none: %s", reason);
		doctor_remedy(row,
			      "Make the TPM reachable; or, where software will do, set provider = "
			      "\"auto\" in holdfast.conf and restart holdfastd.");
	}
}

static void judge_use(const struct doctor_facts *facts, struct doctor_report *report)
{
	const struct doctor_answer *call = &facts->random_call;
	struct doctor_row *row;

	if (!facts->status)
		return;
	switch (call->code) {
	case 0:
		doctor_add(report, "use", DOCTOR_OK, "the provider gives random bytes");
		return;
	case ERR_FORBIDDEN:
		doctor_add(report, "use", DOCTOR_INFO,
			   "not tried: this tenant may not ask for random "
			   "bytes");
		return;
	case ERR_TPM_CHANGED:
		row = doctor_add(report, "use", DOCTOR_FAIL, "tpm_changed: %s", call->text);
		doctor_remedy(row,
			      "Put the TPM back that the keys were made with, or accept this one, "
			      "as root: holdfast tpm accept");
		return;
	default:
		row = doctor_add(report, "use", DOCTOR_FAIL, "%s: %s", err_info(call->code)->name,
				 call->text);
		doctor_remedy(row, "%s", call->remedy);
	}
}

/* --- the TPM --- */

static void judge_node(const struct doctor_node *node, const struct doctor_facts *facts,
		       struct doctor_report *report)
{
	const char *user = facts->process.user;
	struct doctor_row *row;

	if (!node->exists)
		return;
	if (!node->is_device) {
		row = doctor_add(report, node->path, DOCTOR_FAIL, "it is no device");
		doctor_remedy(row, "Remove it, and restart the machine.");
	} else if (node->mode & 06u) {
		row = doctor_add(report, node->path, DOCTOR_WARN,
				 "%s:%s %04o: everybody may use the TPM", node->owner, node->group,
				 node->mode);
		doctor_remedy(row,
			      "A rule for udev: SUBSYSTEM==\"tpm*\", OWNER=\"tss\", GROUP=\"tss\", "
			      "MODE=\"0660\"");
	} else if (node->service == DOCTOR_MAY_NOT) {
		row = doctor_add(report, node->path,
				 doctor_on_chip(facts) ? DOCTOR_INFO : DOCTOR_WARN,
				 "%s:%s %04o: holdfastd's user %s may not open it", node->owner,
				 node->group, node->mode, user);
		if (row->state == DOCTOR_WARN)
			doctor_remedy(row, "As root: usermod -aG %s %s. Then restart holdfastd.",
				      node->group, user);
	} else {
		doctor_add(report, node->path, DOCTOR_OK, "%s:%s %04o", node->owner, node->group,
			   node->mode);
	}
}

static void judge_nodes(const struct doctor_facts *facts, struct doctor_report *report)
{
	struct doctor_row *row;
	bool any = false;
	size_t i;

	for (i = 0; i < DOCTOR_NODES; i++) {
		any = any || facts->nodes[i].exists;
		judge_node(&facts->nodes[i], facts, report);
	}
	if (any)
		return;
	row = doctor_add(report, "device", DOCTOR_INFO, "this machine shows no %s and no %s",
			 facts->nodes[0].path, facts->nodes[1].path);
	if (facts->status && !doctor_on_chip(facts))
		doctor_remedy(row, "If it has a TPM, turn that on in the setup of its firmware.");
}

static void judge_chip(const struct doctor_facts *facts, struct doctor_report *report)
{
	const json_t *tpm = json_object_get(facts->status, "tpm");
	const char *fault = text_of(tpm, "fault", NULL);
	struct doctor_row *row;
	int code;

	if (!json_is_object(tpm))
		return;
	if (!fault) {
		doctor_add(report, "TPM", DOCTOR_OK, "%s, firmware %s, by %s",
			   text_of(tpm, "manufacturer", "unknown"),
			   text_of(tpm, "firmware", "unknown"),
			   text_of(tpm, "tcti", "an unknown way"));
		return;
	}
	code = err_code_of_name(fault);
	row = doctor_add(report, "TPM", DOCTOR_FAIL, "it does not serve: %s", fault);
	if (code == ERR_TPM_CHANGED)
		doctor_remedy(row, "Put the old one back, or accept this one: holdfast tpm accept");
	else
		doctor_remedy(row, "%s", err_info(code)->remedy);
}

static void judge_manager(const struct doctor_facts *facts, struct doctor_report *report)
{
	const json_t *tpm = json_object_get(facts->status, "tpm");
	const char *manager = text_of(tpm, "resource_manager", NULL);
	struct doctor_row *row;

	if (!manager)
		return;
	if (strcmp(manager, "none") == 0) {
		doctor_add(report, "resource manager", DOCTOR_OK,
			   "none: holdfastd has the chip alone");
	} else if (strcmp(manager, "kernel") == 0) {
		row = doctor_add(report, "resource manager", DOCTOR_INFO,
				 "the kernel's: each command costs the chip more than one");
		doctor_remedy(row, "When no other program uses the chip: tpm { tcti = "
				   "\"device:/dev/tpm0\" } in holdfast.conf.");
	} else {
		doctor_add(report, "resource manager", DOCTOR_INFO,
			   "%s: others may use the chip beside holdfastd", manager);
	}
}

#define CLEAR_LOCKOUT                                                                              \
	"Wait until the chip has forgotten them. Or clear them with the lockout password: name "   \
	"its file as tpm { lockout_auth_file } in holdfast.conf and restart holdfastd, or, while " \
	"that is stopped: tpm2_dictionarylockout --clear-lockout --auth=file:PASSWORD-FILE "       \
	"(without --auth when the password is empty)."

static void judge_lockout_password(const json_t *lockout, struct doctor_report *report)
{
	struct doctor_row *row;

	if (!json_is_true(json_object_get(lockout, "password_refused")))
		return;
	row = doctor_add(report, "lockout password", DOCTOR_WARN,
			 "the chip refused the one that holdfastd was given");
	doctor_remedy(row,
		      "Put the right one into the file that tpm { lockout_auth_file } in "
		      "holdfast.conf names, and restart holdfastd. The chip takes another try only "
		      "after its recovery time.");
}

static void judge_lockout(const struct doctor_facts *facts, struct doctor_report *report)
{
	const json_t *tpm = json_object_get(facts->status, "tpm");
	const json_t *lockout = json_object_get(tpm, "lockout");
	json_int_t counter = json_integer_value(json_object_get(lockout, "counter"));
	json_int_t max = json_integer_value(json_object_get(lockout, "max"));
	struct doctor_row *row;

	if (!json_is_object(tpm))
		return;
	judge_lockout_password(lockout, report);
	if (!json_is_object(lockout)) {
		doctor_add(report, "lockout", DOCTOR_INFO, "the chip did not tell");
	} else if (json_is_true(json_object_get(lockout, "in_lockout"))) {
		row = doctor_add(
			report, "lockout", DOCTOR_FAIL,
			"the chip refuses to use what has a password: %" JSON_INTEGER_FORMAT
			" of %" JSON_INTEGER_FORMAT " failed attempts",
			counter, max);
		doctor_remedy(row, CLEAR_LOCKOUT);
	} else if (counter > 0) {
		row = doctor_add(report, "lockout", counter > max / 2 ? DOCTOR_WARN : DOCTOR_INFO,
				 "no, after %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
				 " failed attempts",
				 counter, max);
		if (row->state == DOCTOR_WARN)
			doctor_remedy(row, CLEAR_LOCKOUT);
	} else {
		doctor_add(report, "lockout", DOCTOR_OK,
			   "no, and none of %" JSON_INTEGER_FORMAT " failed attempts", max);
	}
}

/* The probe at the service's start; a service without FAPI does not have the member. */
static void judge_fapi(const struct doctor_facts *facts, struct doctor_report *report)
{
	const json_t *fapi = json_object_get(facts->status, "fapi");
	const char *probe = text_of(fapi, "probe", NULL);
	const char *detail = text_of(fapi, "detail", NULL);
	struct doctor_row *row;

	if (!probe)
		return;
	if (strcmp(probe, "failed") == 0) {
		row = doctor_add(report, "FAPI", DOCTOR_WARN, "it does not reach the TPM: %s",
				 detail ? detail : "the service's log says why");
		doctor_remedy(row, "As root, to try again: holdfast fapi probe");
	} else if (strcmp(probe, "succeeded") == 0) {
		doctor_add(report, "FAPI", DOCTOR_OK, "it reaches the TPM%s%s", detail ? ": " : "",
			   detail ? detail : "");
	} else {
		doctor_add(report, "FAPI", DOCTOR_INFO, "not tried: its probe is %s%s%s", probe,
			   detail ? ", " : "", detail ? detail : "");
	}
}

/* --- the machine --- */

static void judge_memory(const struct doctor_facts *facts, struct doctor_report *report)
{
	const struct doctor_process *process = &facts->process;
	struct doctor_row *row;

	if (!process->known || !process->memory_known)
		return;
	if (process->locked_kib > 0) {
		doctor_add(report, "memory lock", DOCTOR_OK,
			   "holdfastd keeps %" PRIu64 " KiB of secrets out of swap",
			   process->locked_kib);
		return;
	}
	row = doctor_add(report, "memory lock", DOCTOR_WARN,
			 "holdfastd's secrets may be swapped out");
	doctor_remedy(row,
		      "Raise its limit of locked memory to 8 MiB: LimitMEMLOCK=8M in its unit, or "
		      "'ulimit -l 8192' before it starts. Or turn swap off.");
}

static void judge_clock(const struct doctor_facts *facts, struct doctor_report *report)
{
	time_t now = (time_t)facts->now;
	struct doctor_row *row;
	char text[40] = "unknown";
	struct tm parts;

	if (gmtime_r(&now, &parts))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
	if (facts->now < CLOCK_LEAST) {
		row = doctor_add(report, "clock", DOCTOR_WARN, "%s, which is past", text);
		doctor_remedy(row,
			      "Set it, or start a time service: the times of creation that the "
			      "service keeps come from it.");
	} else if (!facts->synchronised) {
		doctor_add(report, "clock", DOCTOR_INFO, "%s; no time service keeps it", text);
	} else {
		doctor_add(report, "clock", DOCTOR_OK, "%s", text);
	}
}

void doctor_judge(const struct doctor_facts *facts, struct doctor_report *ret_report)
{
	static void (*const JUDGES[])(const struct doctor_facts *facts,
				      struct doctor_report *report) = {
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
