/* SPDX-License-Identifier: Apache-2.0 */
/* The answer itself is for nobody: that there is one is what was asked. */
#include "cmd/holdfastd/probe.h"

#include <stdlib.h>

#include "base/loop.h"

#define SECOND_US 1000000u
#define HELPER_S  10u
#define FOLDER_S  60u /* a first start on a slow disk, which tells nothing of FAPI */
#define JOB_S	  (FOLDER_S + HELPER_S + 5u) /* so that the helper's own error is the one told */

struct probe_job {
	struct probe in;
	struct service_fapi_run run;
	uint64_t folder_until_us; /* CLOCK_MONOTONIC */
	_Atomic bool own_files;	  /* read when the deadline passes while a step runs */
};

/* No room, no right, no memory: all else is FAPI's own. */
static bool is_ours(int code)
{
	return code == ERR_DISK_FULL || code == ERR_UNREADABLE || code == ERR_INTERNAL;
}

static int make_folder(void *arg, struct err *err)
{
	struct probe_job *job = arg;
	int r = fapi_folder_make(&job->in.fapi->place, &job->in.fapi->wish, err);

	job->own_files = is_ours(r);
	return r < 0 ? err_wrap(err, "making the folder of FAPI") : 0;
}

static int begin(void *arg, struct err *err)
{
	struct probe_job *job = arg;
	uint64_t now = clock_monotonic_us();
	int r;

	/* The rest would be too short for the helper. */
	if (now > job->folder_until_us) {
		job->own_files = true;
		return err_set(err, ERR_TIMEOUT, "making the folder of FAPI took too long");
	}
	job->run.request.deadline_us = now + HELPER_S * SECOND_US;
	r = service_fapi_begin(job->in.service, &job->run, err);
	job->own_files = is_ours(r);
	return r;
}

static int work(void *arg, struct err *err)
{
	struct probe_job *job = arg;

	(void)err;
	service_fapi_work(&job->run);
	return 0;
}

static int judge(void *arg, struct err *err)
{
	struct probe_job *job = arg;

	return service_fapi_judge(job->in.service, &job->run, err);
}

static void probe_done(void *arg, const struct err *err)
{
	struct probe_job *job = arg;

	job->in.done(job->in.arg, err && job->own_files, err);
}

static void probe_release(void *arg)
{
	struct probe_job *job = arg;

	service_fapi_end(job->in.service, &job->run);
	job->in.ended(job->in.arg);
	free(job);
}

int probe_start(const struct probe *probe, struct err *err)
{
	struct probe_job *job = calloc(1, sizeof(*job));
	uint64_t now = clock_monotonic_us();
	struct job *handle;
	int r;

	if (!job)
		return err_set(err, ERR_INTERNAL, "memory is short");
	job->in = *probe;
	job->folder_until_us = now + FOLDER_S * SECOND_US;
	job->own_files = true; /* until the folder is made */
	job->run = (struct service_fapi_run){
		.fapi = probe->fapi,
		.request = {.verb = FAPI_PROBE},
		.json = BUF_INIT(FAPI_ANSWER_MAX),
	};
	r = service_submit(probe->service,
			   &(struct job_plan){
				   .steps = {{JOB_POOL, make_folder},
					     {JOB_LOOP, begin},
					     {JOB_LONG, work},
					     {JOB_LOOP, judge}},
				   .count = 4,
				   .done = probe_done,
				   .release = probe_release,
				   .arg = job,
				   .deadline_us = now + JOB_S * SECOND_US,
			   },
			   &handle, err);
	if (r < 0)
		free(job);
	return r;
}
