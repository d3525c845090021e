/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM may take its time, or hang. Time is what it has as long as it answers: slow chips make an
 * RSA key in a dozen seconds, but no command takes longer than PATIENCE_SILENCE_S. The deadline
 * answers for a chip that is silent; the step that hangs keeps its job, and a provider that arrives
 * after all is closed again.
 */
#include "cmd/holdfastd/opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/secret.h"
#include "cmd/holdfastd/access.h"
#include "cmd/holdfastd/patience.h"
#include "cmd/holdfastd/state.h"
#include "provider/tpm/tpm.h"
#include "tpm/transport.h"

#define SECOND_US 1000000u
#define OPEN_S	  60u
#define CLOSE_S	  10u

struct open_job {
	struct opening in;
	struct access access;
	struct secret *recorded; /* tpm.state; NULL when nothing ever was */
	struct buf to_record;
	struct opening_result result;
	struct patience patience; /* off the chip: the step that runs is at files of ours */
	struct job *handle;	  /* NULL once it was answered */
};

/* --- the steps --- */

static int read_inputs(void *arg, struct err *err)
{
	struct open_job *job = arg;
	int r;

	job->patience.off_chip = true;
	r = access_read(&job->access, job->in.conf, err);
	if (r < 0)
		return r;
	r = state_tpm_read(job->in.store, &job->recorded, err);
	/* Lost, torn or not to be read: that is what another chip may be accepted for, too. */
	return r == ERR_UNREADABLE && job->in.accept ? 0 : r;
}

static int open_with(struct open_job *job, const struct secret *recorded, struct err *err)
{
	const struct tpm_options options = access_options(&job->access, job->in.conf);

	return tpm_provider_open(&options, job->in.auth_key,
				 recorded ? secret_slice(recorded) : slice_of(NULL, 0),
				 &job->result.p, &job->to_record, err);
}

static int open_chip(void *arg, struct err *err)
{
	struct open_job *job = arg;
	int r;

	job->patience.off_chip = false;
	r = open_with(job, job->recorded, err);
	/* Without a record there was none to make no sense, so that is the chip's. */
	if (r == ERR_DAMAGED && job->recorded)
		job->patience.off_chip = true;
	return r;
}

static int record(void *arg, struct err *err)
{
	struct open_job *job = arg;

	job->patience.off_chip = true;
	return state_tpm_write(job->in.store, buf_slice(&job->to_record), err);
}

/* --- accepting --- */

/* Of a record as the provider writes it; both stay empty when it makes no sense. */
static void names_of(struct slice record, char *ret_srk, char *ret_hsk)
{
	CLEANUP(json_cleanup) struct json_t *json = NULL;
	const char *srk = NULL, *hsk = NULL;
	struct err ignored;

	if (json_parse(record, &json, &ignored) < 0 ||
	    json_get_string(json, "srk_name", true, &srk, &ignored) < 0 ||
	    json_get_string(json, "hsk_name", true, &hsk, &ignored) < 0)
		return;
	(void)snprintf(ret_srk, SERVICE_NAME_MAX, "%s", srk);
	(void)snprintf(ret_hsk, SERVICE_NAME_MAX, "%s", hsk);
}

/* Whether this chip is the recorded one, as far as a record can tell. It stays open if it is. */
static int compare_chip(struct open_job *job, struct err *err)
{
	struct service_accepted *accepted = &job->result.accepted;
	struct provider_status status;
	int r;

	if (!job->recorded)
		return 0;
	r = open_with(job, job->recorded, err);
	if (r == ERR_DAMAGED) /* the record makes no sense */
		return 0;
	if (r < 0)
		return r;
	provider_status(job->result.p, &status);
	job->result.is_recorded = status.fault == NULL;
	if (job->result.is_recorded)
		return 0;
	names_of(secret_slice(job->recorded), accepted->previous_srk, accepted->previous_hsk);
	provider_free(TAKE(job->result.p));
	return 0;
}

static int accept_chip(void *arg, struct err *err)
{
	struct open_job *job = arg;
	uint64_t before = transport_command_count();
	int r;

	job->patience.off_chip = false;
	provider_free(TAKE(job->in.old));
	r = compare_chip(job, err);
	if (r < 0 || job->result.is_recorded)
		return r;
	r = open_with(job, NULL, err);
	job->result.accepted.commands = transport_command_count() - before;
	return r;
}

static int replace_record(void *arg, struct err *err)
{
	struct open_job *job = arg;
	struct service_accepted *accepted = &job->result.accepted;
	struct slice record = buf_slice(&job->to_record);

	if (job->result.is_recorded)
		return 0;
	job->patience.off_chip = true;
	names_of(record, accepted->srk, accepted->hsk);
	return state_tpm_replace(job->in.store, record, accepted->kept_as, err);
}

/* --- the last step --- */

static int commit(void *arg, struct err *err)
{
	struct open_job *job = arg;
	int r;

	job->patience.off_chip = false;
	r = tpm_provider_commit(job->result.p, err);
	if (r < 0)
		return r;
	provider_status(job->result.p, &job->result.status);
	job->result.remark = tpm_provider_remark(job->result.p);
	return 0;
}

/* --- the ends --- */

static void open_done(void *arg, const struct err *err)
{
	struct open_job *job = arg;
	struct opening_result result;

	job->handle = NULL;
	patience_end(&job->patience);
	if (err) {
		result = (struct opening_result){.own_files = job->patience.off_chip};
		job->in.done(job->in.arg, &result, err);
		return;
	}
	result = job->result;
	job->result.p = NULL;
	job->in.done(job->in.arg, &result, NULL);
}

static void open_release(void *arg)
{
	struct open_job *job = arg;

	if (job->in.old)
		opening_close(job->in.jobs, job->in.old, CLOSE_S, NULL, NULL);
	if (job->result.p)
		opening_close(job->in.jobs, job->result.p, CLOSE_S, NULL, NULL);
	job->in.ended(job->in.arg);
	access_fini(&job->access);
	secret_free(job->recorded);
	buf_fini(&job->to_record);
	free(job);
}

static void out_of_patience(void *arg)
{
	jobs_cancel(((struct open_job *)arg)->handle);
}

int opening_start(const struct opening *opening, struct err *err)
{
	struct open_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return err_set(err, ERR_INTERNAL, "memory is short");
	job->in = *opening;
	job->to_record = (struct buf)BUF_INIT(TPM_STATE_MAX);
	r = patience_start(&job->patience, opening->loop, out_of_patience, job, err);
	if (r < 0) {
		free(job);
		return r;
	}
	r = jobs_submit(opening->jobs,
			&(struct job_plan){
				.steps = {{JOB_POOL, read_inputs},
					  {JOB_WORKER, opening->accept ? accept_chip : open_chip},
					  {JOB_POOL, opening->accept ? replace_record : record},
					  {JOB_WORKER, commit}},
				.count = 4,
				.done = open_done,
				.release = open_release,
				.arg = job,
				.deadline_us = clock_monotonic_us() + OPEN_S * SECOND_US,
			},
			&job->handle, err);
	if (r < 0) {
		patience_end(&job->patience);
		free(job);
	}
	return r;
}

/* --- closing --- */

struct close_job {
	struct provider *p;
	void (*done)(void *arg, bool closed);
	void *arg;
};

static int close_chip(void *arg, struct err *err)
{
	struct close_job *job = arg;

	(void)err;
	provider_free(TAKE(job->p));
	return 0;
}

static void close_done(void *arg, const struct err *err)
{
	struct close_job *job = arg;

	if (job->done)
		job->done(job->arg, err == NULL);
}

/* One that was cancelled in the queue is closed here: its worker has ended. */
static void close_release(void *arg)
{
	struct close_job *job = arg;

	provider_free(job->p);
	free(job);
}

void opening_close(struct jobs *jobs, struct provider *p, unsigned seconds,
		   void (*done)(void *arg, bool closed), void *arg)
{
	struct close_job *job = calloc(1, sizeof(*job));
	struct job *handle;
	struct err err;

	if (job) {
		*job = (struct close_job){.p = p, .done = done, .arg = arg};
		if (jobs_submit(jobs,
				&(struct job_plan){
					.steps = {{p->ops->on_chip ? JOB_WORKER : JOB_POOL,
						   close_chip}},
					.count = 1,
					.done = close_done,
					.release = close_release,
					.arg = job,
					.deadline_us = clock_monotonic_us() + seconds * SECOND_US,
				},
				&handle, &err) == 0)
			return;
	}
	/* The jobs take no more, so no step of theirs uses it. */
	free(job);
	provider_free(p);
	if (done)
		done(arg, true);
}
