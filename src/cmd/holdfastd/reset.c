/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk (what comes before the chip) > chip > disk (what comes after) > the journal goes > anew.
 * A chip that cannot be reached is passed over, and tried again when all else is done, with growing
 * pauses. Its job may hang; the journal therefore belongs to the disk's jobs and to the loop
 * between them, and what the chip has answered is put in then.
 */
#include "cmd/holdfastd/reset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/holdfastd/access.h"
#include "cmd/holdfastd/device.h"
#include "cmd/holdfastd/patience.h"
#include "cmd/holdfastd/reset_steps.h"
#include "cmd/holdfastd/tenants.h"

#define SECOND_US  1000000u
#define CHIP_S	   120u
#define PAUSE_S	   10u
#define PAUSES_MAX 6u
#define AT_WORK	   "a factory reset is being carried out"

struct reset {
	struct daemon *daemon;
	struct identity_files *files;
	struct identity_journal journal;
	struct loop_timer again;
	unsigned pauses;
	bool stopped;

	unsigned steps; /* of the disk's job */
	bool disk_at_work;
	bool disk_failed;
	struct err failure; /* .. and why */

	bool without_tpm; /* an operator gave the chip up .. */
	struct {	  /* .. and waits until that is durable; done is NULL when nobody does */
		void (*done)(void *op, const struct err *err);
		void *op;
	} asked;

	struct {
		struct access access;
		struct tpm_erase erase; /* borrows names below */
		uint8_t names[TPM_ERASE_MAX][IDENTITY_NAME_MAX];
		struct tpm_erased erased;
		struct patience patience;
		struct job *job; /* NULL once it was answered */
		bool at_work;	 /* its step may still run */
		bool tried;	 /* in this round */
		bool answered;	 /* and the journal does not know yet */
	} chip;
	char why[IDENTITY_REASON_MAX]; /* it is not erased, or not all of it */
};

static void go_on(struct reset *reset);

/* --- what is told --- */

static struct identity_view *view_of(const char *reason)
{
	struct identity_view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->users = 1;
	view->mode = IDENTITY_RESETTING;
	(void)snprintf(view->reason, sizeof(view->reason), "%s", reason);
	return view;
}

static void tell(struct reset *reset, const char *reason)
{
	struct service *service = reset->daemon->service;
	struct identity_view *view = view_of(reason);

	service_set_deciding(service, reason);
	if (!view)
		return;
	(void)snprintf(view->since, sizeof(view->since), "%s", reset->journal.asked);
	service_set_identity(service, view);
}

static void tell_failure(struct reset *reset, const struct err *err)
{
	char reason[IDENTITY_REASON_MAX];

	log_err(LOG_LEVEL_WARNING, err, "factory reset");
	(void)snprintf(reason, sizeof(reason), AT_WORK ": %s", err->text);
	tell(reset, reason);
}

static void pause_before_next(struct reset *reset)
{
	unsigned doublings = reset->pauses < PAUSES_MAX ? reset->pauses : PAUSES_MAX;
	struct err err;

	reset->pauses++;
	if (loop_timer_set(&reset->again, ((uint64_t)PAUSE_S * SECOND_US) << doublings, &err) < 0)
		log_err(LOG_LEVEL_ERROR, &err, "factory reset");
}

static void next_round(void *arg)
{
	struct reset *reset = arg;

	reset->chip.tried = false;
	go_on(reset);
}

/* --- the disk --- */

static int disk_run(void *arg, struct err *err)
{
	struct reset *reset = arg;
	const struct reset_place place = {.store = reset->daemon->state.store,
					  .files = reset->files,
					  .state = reset->daemon->conf->state_dir};
	int r = reset_disk(&place, reset->steps, &reset->journal, err);

	if (r < 0 || reset->journal.step != RESET_ALL)
		return r;
	return identity_journal_remove(reset->files, err);
}

static void disk_done(void *arg, const struct err *err)
{
	struct reset *reset = arg;

	reset->disk_failed = err != NULL;
	if (err)
		reset->failure = *err;
	if (err && !reset->stopped)
		tell_failure(reset, err);
}

static void finish(struct reset *reset)
{
	struct daemon *daemon = reset->daemon;

	reset_left(&reset->journal, reset->why, daemon->erased, sizeof(daemon->erased));
	log_warning("the factory reset is done%s%s", daemon->erased[0] != '\0' ? "; " : "",
		    daemon->erased);
	daemon_begin_anew(daemon);
}

static void answer(struct reset *reset, const struct err *err)
{
	void (*done)(void *op, const struct err *err) = reset->asked.done;

	reset->asked.done = NULL;
	if (done)
		done(reset->asked.op, err);
}

/* What it wrote has what was asked before it began. */
static void disk_release(void *arg)
{
	struct reset *reset = arg;

	reset->disk_at_work = false;
	if (reset->stopped)
		return;
	if (reset->disk_failed)
		answer(reset, &reset->failure);
	else if (reset->journal.step & RESET_CHIP)
		answer(reset, NULL);
	if (reset->disk_failed)
		pause_before_next(reset);
	else if (reset->journal.step == RESET_ALL)
		finish(reset);
	else
		go_on(reset);
}

static void start_disk(struct reset *reset, unsigned steps)
{
	struct job *job;
	struct err err;

	reset->steps = steps;
	if (service_submit(reset->daemon->service,
			   &(struct job_plan){.steps = {{JOB_POOL, disk_run}},
					      .count = 1,
					      .done = disk_done,
					      .release = disk_release,
					      .arg = reset,
					      .lane = TENANT_NUMBER_ADMIN},
			   &job, &err) == 0) {
		reset->disk_at_work = true;
		return;
	}
	tell_failure(reset, &err);
	pause_before_next(reset);
}

/* --- the chip --- */

static int read_passwords(void *arg, struct err *err)
{
	struct reset *reset = arg;

	reset->chip.patience.off_chip = true;
	access_fini(&reset->chip.access);
	return access_read(&reset->chip.access, reset->daemon->conf, err);
}

static int erase_chip(void *arg, struct err *err)
{
	struct reset *reset = arg;
	const struct tpm_options options = access_options(&reset->chip.access, reset->daemon->conf);

	reset->chip.patience.off_chip = false;
	return tpm_provider_erase(&options, &reset->chip.erase, &reset->chip.erased, err);
}

static void out_of_patience(void *arg)
{
	jobs_cancel(((struct reset *)arg)->chip.job);
}

static void chip_done(void *arg, const struct err *err)
{
	struct reset *reset = arg;

	reset->chip.job = NULL;
	patience_end(&reset->chip.patience);
	reset->chip.answered = err == NULL;
	if (!reset->stopped && err)
		tell_failure(reset, err);
	if (!reset->stopped)
		go_on(reset);
}

static void chip_release(void *arg)
{
	((struct reset *)arg)->chip.at_work = false;
}

/* The names are copied, as the step may outlive what the journal says. */
static bool prepare_chip(struct reset *reset)
{
	struct tpm_erase *erase = &reset->chip.erase;
	size_t i;

	if (!reset_erase(&reset->journal, erase))
		return false;
	for (i = 0; i < erase->count; i++) {
		struct slice *name = &erase->keys[i].name;

		memcpy(reset->chip.names[i], name->data, name->len);
		name->data = reset->chip.names[i];
	}
	return true;
}

static int submit_chip(struct reset *reset, struct err *err)
{
	int r = patience_start(&reset->chip.patience, reset->daemon->loop, out_of_patience, reset,
			       err);

	if (r == 0)
		r = service_submit(
			reset->daemon->service,
			&(struct job_plan){
				.steps = {{JOB_POOL, read_passwords}, {JOB_WORKER, erase_chip}},
				.count = 2,
				.done = chip_done,
				.release = chip_release,
				.arg = reset,
				.deadline_us = clock_monotonic_us() + CHIP_S * SECOND_US,
			},
			&reset->chip.job, err);
	return r;
}

/* False when there is nothing to wait for. */
static bool start_chip(struct reset *reset)
{
	struct err err;

	if (reset->chip.tried || reset->chip.at_work)
		return reset->chip.job != NULL;
	reset->chip.tried = true;
	if (!prepare_chip(reset)) {
		reset->chip.erased = (struct tpm_erased){.left = 0};
		reset->chip.answered = true;
		return false;
	}
	if (!tpm_device_present(reset->daemon->conf->tpm.tcti)) {
		(void)err_set(&err, ERR_TPM_REQUIRED,
			      "the TPM that has keys of this device is "
			      "not there");
		tell_failure(reset, &err);
		return false;
	}
	reset->chip.at_work = submit_chip(reset, &err) == 0;
	if (reset->chip.at_work)
		return true;
	patience_end(&reset->chip.patience);
	tell_failure(reset, &err);
	return false;
}

static void take_answer(struct reset *reset)
{
	const struct tpm_erased *erased = &reset->chip.erased;

	if (!reset->chip.answered)
		return;
	reset->chip.answered = false;
	reset_erased(&reset->journal, erased);
	(void)snprintf(reset->why, sizeof(reset->why), "%s", erased->why);
}

/* --- the order --- */

static void go_on(struct reset *reset)
{
	unsigned done;

	if (reset->stopped || reset->disk_at_work)
		return;
	if (reset->without_tpm)
		reset_give_up_chip(&reset->journal);
	done = reset->journal.step;
	if (~done & RESET_BEFORE_CHIP) {
		start_disk(reset, RESET_BEFORE_CHIP);
		return;
	}
	if (!(done & RESET_CHIP) && !reset->chip.answered && start_chip(reset))
		return;
	take_answer(reset);
	done = reset->journal.step;
	/* With all done this is the journal's end alone. */
	if ((~done & RESET_AFTER_CHIP) || done == RESET_ALL)
		start_disk(reset, RESET_AFTER_CHIP);
	else
		pause_before_next(reset);
}

void reset_start(struct reset *reset)
{
	loop_timer_init(&reset->again, reset->daemon->loop, next_round, reset);
	log_warning("a factory reset was begun at %s", reset->journal.asked);
	tell(reset, AT_WORK);
	tenants_forget_folders(reset->daemon->tenants);
	go_on(reset);
}

int reset_without_tpm(struct reset *reset, void (*done)(void *op, const struct err *err), void *op,
		      struct err *err)
{
	if (reset->stopped)
		return err_set(err, ERR_STARTING, "the service is stopping");
	if (reset->asked.done)
		return err_set(err, ERR_CONFLICT, "that was asked for already");
	log_warning("the factory reset goes on without the TPM, as was asked for");
	reset->without_tpm = true;
	reset->asked.done = done;
	reset->asked.op = op;
	loop_timer_clear(&reset->again);
	if (reset->chip.job)
		jobs_cancel(reset->chip.job);
	go_on(reset);
	return 0;
}

/* --- life --- */

int reset_new(struct daemon *daemon, struct reset **ret_reset, struct err *err)
{
	const struct identity_places places = device_places(daemon->conf);
	struct reset *reset = calloc(1, sizeof(*reset));
	int r;

	if (!reset)
		return err_set(err, ERR_INTERNAL, "memory is short");
	reset->daemon = daemon;
	reset->journal = (struct identity_journal)IDENTITY_JOURNAL_INIT;
	r = identity_files_new(&places, &reset->files, err);
	if (r == 0)
		r = identity_journal_read(reset->files, &reset->journal, err);
	if (r == 0 && reset->journal.stray)
		log_warning("the persist folder tells of a factory reset that was not begun here: "
			    "it is not followed");
	if (r < 0 || reset->journal.doing != IDENTITY_DOING_RESET) {
		reset_free(reset);
		return r;
	}
	*ret_reset = reset;
	return 0;
}

void reset_stop(struct reset *reset)
{
	struct err err;

	if (!reset || reset->stopped)
		return;
	reset->stopped = true;
	if (reset->again.loop)
		loop_timer_clear(&reset->again);
	(void)err_set(&err, ERR_STARTING, "the service is stopping");
	answer(reset, &err);
}

void reset_free(struct reset *reset)
{
	if (!reset)
		return;
	reset_stop(reset);
	access_fini(&reset->chip.access);
	identity_journal_fini(&reset->journal);
	identity_files_free(reset->files);
	free(reset);
}
