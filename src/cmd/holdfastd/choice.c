/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look > (wait > look ..) > open > probe > decide. Seconds of waiting count from the machine's
 * start, so a daemon that is restarted later does not wait again. Nothing is polled where no TPM
 * can come. To accept another TPM is to take the provider away, to wait until nobody uses it, and
 * to open once more.
 */
#include "cmd/holdfastd/choice.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/holdfastd/device.h"
#include "cmd/holdfastd/machine.h"
#include "cmd/holdfastd/opening.h"
#include "cmd/holdfastd/probe.h"
#include "cmd/holdfastd/tenants.h"
#include "provider/legacy/legacy.h"
#include "provider/tpm/tpm.h"

#define LOOK_US	 250000u
#define RETRY_US 10000000u

#define CLOSE_S	    10u
#define IS_BACK	    "the TPM is back"
#define PATIENCE_US 10000000u /* for operations at work, before another TPM is accepted */

struct choice {
	struct daemon *daemon;
	struct loop_timer again;
	bool opening; /* an opening's job is not ended */
	bool stopped;
	bool retrying;		     /* in the background, after a first decision */
	char failure[192];	     /* which TPM did not open and why, when it did not */
	struct err failed_for;	     /* the same, whole, for the log */
	bool no_fallback;	     /* a TPM was to be accepted: software is no answer any more */
	bool probing;		     /* a probe's job is not ended */
	struct opening_result found; /* what is being probed */
	struct provider *leaving;    /* is closed once its virtual chips are; else NULL */
	bool fell_back;		     /* software is in use since the TPM did not open */
	struct opening_result back;  /* that TPM, open, while software gives way to it */
	struct {
		/* NULL = nobody asks for it */
		void (*done)(void *op, const struct service_accepted *accepted,
			     const struct err *err);
		void *op;
		struct loop_timer patience;
	} accepting;
};

static void look(void *arg);
static void out_of_patience(void *arg);

int choice_new(struct daemon *daemon, struct choice **ret_choice, struct err *err)
{
	struct choice *choice = calloc(1, sizeof(*choice));

	if (!choice)
		return err_set(err, ERR_INTERNAL, "memory is short");
	choice->daemon = daemon;
	loop_timer_init(&choice->again, daemon->loop, look, choice);
	loop_timer_init(&choice->accepting.patience, daemon->loop, out_of_patience, choice);
	*ret_choice = choice;
	return 0;
}

void choice_free(struct choice *choice)
{
	if (!choice)
		return;
	choice_stop(choice);
	provider_free(choice->leaving);
	provider_free(choice->back.p);
	free(choice);
}

void choice_stop(struct choice *choice)
{
	choice->stopped = true;
	loop_timer_clear(&choice->again);
	if (choice->accepting.done && !choice->opening)
		out_of_patience(choice);
}

static bool may_still_come(const struct daemon *daemon)
{
	return machine_waits(daemon->conf) &&
	       (tpm_device_present(daemon->conf->tpm.tcti) || machine_announces_tpm());
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
	choice->fell_back = false;
	service_set_provider(daemon->service, p, status, decision->reason);
	tenants_listen_raw(daemon->tenants);
	if (decision->warn)
		log_warning("security provider %s (protection: %s): %s", p->ops->name,
			    p->ops->protection, decision->reason);
	else
		log_notice("security provider %s (protection: %s): %s", p->ops->name,
			   p->ops->protection, decision->reason);
	device_changed(daemon->device);
}

static void use_none(struct choice *choice, const struct err *refusal)
{
	service_set_refusal(choice->daemon->service, SERVICE_NONE, refusal);
	if (!choice->retrying)
		log_err(LOG_LEVEL_WARNING, refusal, "security provider none");
	device_changed(choice->daemon->device);
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

static void use_legacy(struct choice *choice, const struct select_decision *decision,
		       bool fell_back)
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
	choice->fell_back = fell_back;
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

/* Whether FAPI has a say, and which; choice->failure tells why it did not connect. */
enum verdict { NOT_ASKED, CONNECTS, DOES_NOT_CONNECT };

static void close_leaving(void *arg)
{
	struct choice *choice = arg;

	opening_close(choice->daemon->jobs, TAKE(choice->leaving), CLOSE_S, NULL, NULL);
}

/* @opened is NULL when there is no TPM, or when it failed (choice->failure). */
static void decide(struct choice *choice, bool present, const struct opening_result *opened,
		   enum verdict fapi)
{
	const struct daemon *daemon = choice->daemon;
	const struct select_facts facts = {
		.wish = daemon->wish,
		.wish_from_env = daemon->wish_from_env,
		.device_present = present,
		.device_opens = opened != NULL,
		.failure = choice->failure[0] != '\0' ? choice->failure : NULL,
		.probe_enabled = fapi != NOT_ASKED,
		.probe_succeeded = fapi == CONNECTS,
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
		choice->leaving = opened ? opened->p : NULL;
		if (opened)
			raw_close(daemon->service, close_leaving, choice);
		use_legacy(choice, &decision, !opened && daemon->wish == SELECT_AUTO);
		return;
	case SELECT_USE_NONE:
		(void)err_set(&refusal, ERR_TPM_REQUIRED, "%s", decision.reason);
		use_none(choice, &refusal);
		try_again(choice);
		return;
	}
}

/* --- FAPI --- */

/* A probe that failed and decides nothing is a warning of its own. */
static void conclude_probe(struct choice *choice, bool own_files, const struct err *err)
{
	const struct opening_result found = choice->found;
	struct daemon *daemon = choice->daemon;
	/* A changed chip is not taken for one that FAPI cannot reach, nor is our own full disk. */
	bool has_say = !own_files && !found.status.fault && !choice->no_fallback;

	service_set_probe(daemon->service, err ? SERVICE_PROBE_FAILED : SERVICE_PROBE_SUCCEEDED,
			  err ? err->text : NULL);
	choice->failure[0] = '\0';
	if (err)
		(void)snprintf(choice->failure, sizeof(choice->failure), "%s", err->text);
	if (err && (!has_say || daemon->wish == SELECT_TPM))
		log_err(LOG_LEVEL_WARNING, err, "the probe of FAPI failed");
	else if (err)
		log_err(LOG_LEVEL_INFO, err, "FAPI");
	if (err && err->remedy)
		log_notice("FAPI: %s", err->remedy);
	decide(choice, true, &found, !has_say ? NOT_ASKED : err ? DOES_NOT_CONNECT : CONNECTS);
}

static void probed(void *arg, bool own_files, const struct err *err)
{
	struct choice *choice = arg;

	(void)raw_status(choice->daemon->service, &choice->found.status);
	if (choice->stopped)
		choice->daemon->provider = choice->found.p;
	else
		conclude_probe(choice, own_files, err);
	choice->found.p = NULL;
}

static void probe_ended(void *arg)
{
	((struct choice *)arg)->probing = false;
}

/* The TPM opened: FAPI is asked where it has a say. */
static void found(struct choice *choice, const struct opening_result *result)
{
	struct daemon *daemon = choice->daemon;
	const struct probe probe = {
		.service = daemon->service,
		.fapi = &daemon->fapi.fapi,
		.done = probed,
		.ended = probe_ended,
		.arg = choice,
	};
	struct err err;

	service_set_probe(daemon->service, SERVICE_PROBE_OFF, NULL);
	if (!daemon->conf->fapi_probe || result->status.fault) {
		decide(choice, true, result, NOT_ASKED);
		return;
	}
	choice->found = *result;
	choice->probing = true;
	if (raw_open(daemon->service, result->p, &err) == 0 && probe_start(&probe, &err) == 0)
		return;
	choice->probing = false;
	probed(choice, true, &err);
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
		found(choice, result);
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
	if (choice->no_fallback) {
		use_none(choice, &choice->failed_for);
		try_again(choice);
		return;
	}
	/* While the machine comes up, a device may be there before it answers. */
	if (is_unreachable(err->code) && may_still_come(daemon)) {
		look_again(choice, LOOK_US);
		return;
	}
	decide(choice, true, NULL, NOT_ASKED);
}

static void opening_ended(void *arg)
{
	((struct choice *)arg)->opening = false;
}

static int start_opening(struct choice *choice, struct opening *opening, struct err *err)
{
	const struct daemon *daemon = choice->daemon;
	int r;

	opening->loop = daemon->loop;
	opening->jobs = daemon->jobs;
	opening->store = daemon->state.store;
	opening->conf = daemon->conf;
	opening->auth_key = daemon->state.auth_key;
	opening->ended = opening_ended;
	opening->arg = choice;
	choice->opening = true;
	r = opening_start(opening, err);
	if (r < 0)
		choice->opening = false;
	return r;
}

static void open_tpm(struct choice *choice)
{
	const struct opening_result none = {.own_files = true};
	struct opening opening = {.done = opened};
	struct err err;

	if (start_opening(choice, &opening, &err) < 0)
		opened(choice, &none, &err);
}

static void look(void *arg)
{
	struct choice *choice = arg;
	const struct daemon *daemon = choice->daemon;
	bool present = tpm_device_present(daemon->conf->tpm.tcti);

	if (choice->opening || choice->probing) /* an attempt that hangs keeps the worker */
		look_again(choice, RETRY_US);
	else if (present || choice->no_fallback)
		open_tpm(choice);
	else if (may_still_come(daemon))
		look_again(choice, LOOK_US);
	else
		decide(choice, false, NULL, NOT_ASKED);
}

/* --- coming back --- */

/* Nobody uses the software provider any more. */
static void come_back(void *arg)
{
	struct choice *choice = arg;
	struct daemon *daemon = choice->daemon;
	const struct opening_result back = choice->back;

	if (choice->stopped)
		return;
	choice->back.p = NULL;
	opening_close(daemon->jobs, TAKE(daemon->provider), CLOSE_S, NULL, NULL);
	service_set_deciding(daemon->service, IS_BACK); /* nothing is taken away any more */
	found(choice, &back);
}

/* That it is not back is no news; why may be another reason now. */
static void sought(void *arg, const struct opening_result *result, const struct err *err)
{
	struct choice *choice = arg;

	if (err) {
		keep_failure(choice, err);
		return;
	}
	choice->back = *result;
	if (choice->stopped) {
		opening_close(choice->daemon->jobs, TAKE(choice->back.p), CLOSE_S, NULL, NULL);
		return;
	}
	choice->failure[0] = '\0';
	log_notice(IS_BACK);
	service_take_provider(choice->daemon->service, IS_BACK, come_back, choice);
}

void choice_seek(struct choice *choice)
{
	struct opening opening = {.done = sought};
	struct daemon *daemon = choice->daemon;
	struct err err;

	if (!choice->fell_back || choice->stopped || choice->opening || choice->probing ||
	    choice->accepting.done || daemon->service->state != SERVICE_READY ||
	    !tpm_device_present(daemon->conf->tpm.tcti))
		return;
	if (start_opening(choice, &opening, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "looking for the TPM");
}

bool choice_fell_back(const struct choice *choice)
{
	return choice->fell_back;
}

const char *choice_failure(const struct choice *choice)
{
	return choice->failure;
}

/* --- accepting --- */

static void end_accepting(struct choice *choice, const struct service_accepted *accepted,
			  const struct err *err)
{
	loop_timer_clear(&choice->accepting.patience);
	TAKE(choice->accepting.done)(choice->accepting.op, accepted, err);
}

static int nothing_to_accept(struct err *err)
{
	(void)err_set(err, ERR_CONFLICT, "the TPM is the recorded one: there is nothing to accept");
	return err_add_remedy(err, "Nothing needs to be done: the keys of this device work with "
				   "this TPM.");
}

/* On a chip that stays the same FAPI has said what it has to say; its no had no say, or nobody
 * would be here. */
static enum verdict verdict_of(const struct service *service)
{
	return service->probe == SERVICE_PROBE_SUCCEEDED ? CONNECTS : NOT_ASKED;
}

/* As after any opening; but where this fails there is no software to fall back to. */
static void accept_opened(void *arg, const struct opening_result *result, const struct err *err)
{
	struct choice *choice = arg;
	struct err refusal;

	if (!err) {
		choice->daemon->state.tpm_fault = (struct err){.code = 0};
		choice->failure[0] = '\0';
	}
	choice->retrying = false;
	if (err || choice->stopped) {
		opened(choice, result, err);
	} else if (result->is_recorded) {
		decide(choice, true, result, verdict_of(choice->daemon->service));
	} else {
		service_set_probe(choice->daemon->service, SERVICE_PROBE_OFF,
				  "not asked since a TPM was accepted");
		decide(choice, true, result, NOT_ASKED);
	}
	if (err) /* The recorded one may serve again at once. */
		look_again(choice, LOOK_US);
	if (!err && result->is_recorded) {
		(void)nothing_to_accept(&refusal);
		err = &refusal;
	}
	if (!err)
		log_notice("another TPM was accepted; the record of the one before is %s",
			   result->accepted.kept_as);
	end_accepting(choice, err ? NULL : &result->accepted, err);
}

static void give_back(struct choice *choice)
{
	service_give_back(choice->daemon->service);
	device_changed(choice->daemon->device);
}

/* Nobody uses the provider that is to be closed. */
static void begin_accepting(void *arg)
{
	struct choice *choice = arg;
	struct daemon *daemon = choice->daemon;
	struct opening opening = {.accept = true, .old = daemon->provider, .done = accept_opened};
	struct err err;

	loop_timer_clear(&choice->accepting.patience);
	if (start_opening(choice, &opening, &err) == 0) {
		daemon->provider = NULL;
		return;
	}
	if (daemon->provider)
		give_back(choice);
	else
		look_again(choice, LOOK_US);
	end_accepting(choice, NULL, &err);
}

/* An operation hangs in the chip, or the daemon stops. */
static void out_of_patience(void *arg)
{
	struct choice *choice = arg;
	struct err err;

	give_back(choice);
	(void)err_set(&err, ERR_TPM_BUSY, "the TPM is at work for others");
	end_accepting(choice, NULL, &err);
}

static int check_accept(const struct choice *choice, struct err *err)
{
	const struct daemon *daemon = choice->daemon;
	const struct provider *p = daemon->provider;

	if (daemon->state.fault.code != 0) {
		*err = daemon->state.fault;
		return err->code;
	}
	if (daemon->wish == SELECT_LEGACY || (p && !p->ops->on_chip)) {
		(void)err_set(err, ERR_TPM_REQUIRED, "the legacy provider is in use, not a TPM");
		return err_add_remedy(err,
				      "Start the service with its TPM in use, then accept it.");
	}
	if (choice->opening || choice->probing || choice->stopped || choice->accepting.done) {
		(void)err_set(err, ERR_TPM_BUSY, "the TPM is being opened");
		err->retry_after = 1;
		return err->code;
	}
	if (daemon->service->state == SERVICE_DECIDING)
		return err_set(err, ERR_STARTING, "%s", daemon->service->reason);
	return 0;
}

int choice_accept(void *arg,
		  void (*done)(void *op, const struct service_accepted *accepted,
			       const struct err *err),
		  void *op, struct err *err)
{
	struct choice *choice = arg;
	struct daemon *daemon = choice->daemon;
	int r = check_accept(choice, err);

	if (r == 0 && daemon->provider)
		r = loop_timer_set(&choice->accepting.patience, PATIENCE_US, err);
	if (r < 0)
		return r;
	loop_timer_clear(&choice->again);
	choice->no_fallback = true;
	choice->accepting.done = done;
	choice->accepting.op = op;
	if (daemon->provider)
		service_take_provider(daemon->service, "another TPM is being accepted",
				      begin_accepting, choice);
	else
		begin_accepting(choice);
	return 0;
}

/* --- the start --- */

void choice_start(struct choice *choice)
{
	const struct daemon *daemon = choice->daemon;
	const struct select_facts facts = {.wish = daemon->wish};

	if (select_skips_tpm(&facts))
		decide(choice, false, NULL, NOT_ASKED);
	else if (daemon->state.tpm_fault.code != 0)
		use_none_for_files(choice, &daemon->state.tpm_fault);
	else
		look(choice);
}
