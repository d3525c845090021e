/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look > (wait > look ..) > open > decide. Seconds of waiting count from the machine's start, so
 * a daemon that is restarted later does not wait again. Nothing is polled where no TPM can come.
 */
#include "cmd/holdfastd/choice.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/holdfastd/opening.h"
#include "provider/legacy/legacy.h"
#include "provider/tpm/tpm.h"

#define LOOK_US	 250000u
#define RETRY_US 10000000u

struct choice {
	struct daemon *daemon;
	struct loop_timer again;
	bool opening; /* a job of it is not ended */
	bool stopped;
	bool retrying;	       /* in the background, after a first decision */
	char failure[192];     /* which TPM did not open and why, when it did not */
	struct err failed_for; /* the same, whole, for the log */
};

static void look(void *arg);

int choice_new(struct daemon *daemon, struct choice **ret_choice, struct err *err)
{
	struct choice *choice = calloc(1, sizeof(*choice));

	if (!choice)
		return err_set(err, ERR_INTERNAL, "memory is short");
	choice->daemon = daemon;
	loop_timer_init(&choice->again, daemon->loop, look, choice);
	*ret_choice = choice;
	return 0;
}

void choice_free(struct choice *choice)
{
	if (!choice)
		return;
	choice_stop(choice);
	free(choice);
}

void choice_stop(struct choice *choice)
{
	choice->stopped = true;
	loop_timer_clear(&choice->again);
}

/* --- facts of the machine --- */

static uint64_t seconds_since_boot(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec;
}

static bool folder_has_entries(const char *path)
{
	struct dirent *entry;
	bool any = false;
	DIR *dir = opendir(path);

	while (dir && !any && (entry = readdir(dir)))
		any = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return any;
}

/* Does the firmware say that there is one, though its driver is not ready? */
static bool firmware_announces(void)
{
	return access("/sys/firmware/acpi/tables/TPM2", F_OK) == 0 ||
	       access("/proc/device-tree/firmware/optee", F_OK) == 0 ||
	       folder_has_entries("/sys/class/tpm");
}

static bool may_still_come(const struct daemon *daemon)
{
	return seconds_since_boot() < daemon->conf->tpm.wait &&
	       (tpm_device_present(daemon->conf->tpm.tcti) || firmware_announces());
}

/* --- the decision --- */

static void look_again(struct choice *choice, uint64_t delay_us)
{
	struct err err;

	if (!choice->stopped && loop_timer_set(&choice->again, delay_us, &err) < 0)
		log_err(LOG_LEVEL_ERROR, &err, "cannot look for the TPM again");
}

static void use_provider(struct choice *choice, struct provider *p,
			 const struct provider_status *status,
			 const struct select_decision *decision)
{
	struct daemon *daemon = choice->daemon;

	daemon->provider = p;
	service_set_provider(daemon->service, p, status, decision->reason);
	if (decision->warn)
		log_warning("security provider %s (protection: %s): %s", p->ops->name,
			    p->ops->protection, decision->reason);
	else
		log_notice("security provider %s (protection: %s): %s", p->ops->name,
			   p->ops->protection, decision->reason);
}

static void use_none(struct choice *choice, const struct err *refusal)
{
	service_set_refusal(choice->daemon->service, SERVICE_NONE, refusal);
	if (!choice->retrying)
		log_err(LOG_LEVEL_WARNING, refusal, "security provider none");
}

/* For want of a file of ours. Clients are not told where it should be, the log is. */
static void use_none_for_files(struct choice *choice, const struct err *refusal)
{
	bool first = !choice->retrying;

	use_none(choice, refusal);
	if (first)
		log_notice("state folder %s: %s", choice->daemon->conf->state_dir,
			   err_remedy(refusal));
}

static void try_again(struct choice *choice)
{
	choice->retrying = true;
	look_again(choice, RETRY_US);
}

static void use_legacy(struct choice *choice, const struct select_decision *decision)
{
	const struct state *state = &choice->daemon->state;
	struct provider *p = NULL;
	struct provider_status status;
	struct err err;

	if (!state->host_key) {
		use_none_for_files(choice, &state->host_key_fault);
		return;
	}
	if (legacy_open(state->host_key, &p, &err) < 0) {
		use_none(choice, &err);
		return;
	}
	provider_status(p, &status);
	use_provider(choice, p, &status, decision);
}

static const char *tcti_name(const struct choice *choice)
{
	const char *tcti = choice->daemon->conf->tpm.tcti;

	return tcti[0] != '\0' ? tcti : "/dev/tpm0, else /dev/tpmrm0";
}

/* The codes of a TPM that is not reached; with others it is, and something else is in the way. */
static bool is_unreachable(int code)
{
	return code == ERR_TPM_REQUIRED || code == ERR_TPM_FAILED;
}

static void keep_failure(struct choice *choice, const struct err *err)
{
	struct err *kept = &choice->failed_for;

	*kept = *err;
	if (err->code == ERR_TIMEOUT)
		(void)err_wrap(kept, "it does not answer");
	if (choice->daemon->conf->tpm.tcti[0] != '\0' && is_unreachable(err->code))
		(void)err_wrap(kept, "the configured TCTI %s does not open", tcti_name(choice));
	else
		(void)err_wrap(kept, "%s", tcti_name(choice));
	(void)snprintf(choice->failure, sizeof(choice->failure), "%s", kept->text);
}

/* @opened is NULL when there is no TPM, or when it failed (choice->failure). */
static void decide(struct choice *choice, bool present, const struct opening_result *opened)
{
	const struct daemon *daemon = choice->daemon;
	const struct select_facts facts = {
		.wish = daemon->wish,
		.wish_from_env = daemon->wish_from_env,
		.device_present = present,
		.device_opens = opened != NULL,
		.failure = choice->failure[0] != '\0' ? choice->failure : NULL,
		.probe_enabled = false,
	};
	struct select_decision decision;
	struct err refusal;

	select_provider(&facts, &decision);
	if (!opened && choice->failed_for.code != 0 && !choice->retrying)
		log_err(LOG_LEVEL_INFO, &choice->failed_for, "TPM");
	switch (decision.choice) {
	case SELECT_USE_TPM:
		assert(opened); /* it was a fact */
		use_provider(choice, opened->p, &opened->status, &decision);
		if (opened->remark)
			log_notice("TPM: %s", opened->remark);
		return;
	case SELECT_USE_LEGACY:
		use_legacy(choice, &decision);
		return;
	case SELECT_USE_NONE:
		(void)err_set(&refusal, ERR_TPM_REQUIRED, "%s", decision.reason);
		use_none(choice, &refusal);
		try_again(choice);
		return;
	}
}

/* --- looking and opening --- */

static void opened(void *arg, const struct opening_result *result, const struct err *err)
{
	struct choice *choice = arg;
	struct daemon *daemon = choice->daemon;

	if (!err && choice->stopped) {
		daemon->provider = result->p;
		return;
	}
	if (!err) {
		decide(choice, true, result);
		return;
	}
	if (choice->stopped)
		return;
	/* A broken file of ours must not pass for a broken TPM: what is sealed would be given up.
	 */
	if (result->own_files) {
		use_none_for_files(choice, err);
		try_again(choice);
		return;
	}
	keep_failure(choice, err);
	/* While the machine comes up, a device may be there before it answers. */
	if (is_unreachable(err->code) && may_still_come(daemon)) {
		look_again(choice, LOOK_US);
		return;
	}
	decide(choice, true, NULL);
}

static void opening_ended(void *arg)
{
	((struct choice *)arg)->opening = false;
}

static void open_tpm(struct choice *choice)
{
	const struct daemon *daemon = choice->daemon;
	const struct opening opening = {
		.jobs = daemon->jobs,
		.store = daemon->state.store,
		.conf = daemon->conf,
		.auth_key = daemon->state.auth_key,
		.done = opened,
		.ended = opening_ended,
		.arg = choice,
	};
	const struct opening_result none = {.own_files = true};
	struct err err;

	choice->opening = true;
	if (opening_start(&opening, &err) == 0)
		return;
	choice->opening = false;
	opened(choice, &none, &err);
}

static void look(void *arg)
{
	struct choice *choice = arg;
	const struct daemon *daemon = choice->daemon;
	bool present = tpm_device_present(daemon->conf->tpm.tcti);

	if (choice->opening) /* an attempt that hangs keeps the worker */
		look_again(choice, RETRY_US);
	else if (present)
		open_tpm(choice);
	else if (may_still_come(daemon))
		look_again(choice, LOOK_US);
	else
		decide(choice, false, NULL);
}

void choice_start(struct choice *choice)
{
	const struct daemon *daemon = choice->daemon;
	const struct select_facts facts = {.wish = daemon->wish};

	if (select_skips_tpm(&facts))
		decide(choice, false, NULL);
	else if (daemon->state.tpm_fault.code != 0)
		use_none_for_files(choice, &daemon->state.tpm_fault);
	else
		look(choice);
}
