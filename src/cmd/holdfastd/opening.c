/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM may take its time, or hang. The deadline answers for it; the step that hangs keeps its
 * job, and a provider that arrives after all is closed again.
 */
#include "cmd/holdfastd/opening.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/secret.h"
#include "cmd/holdfastd/state.h"
#include "provider/tpm/tpm.h"

#define OPEN_S	     60u
#define CLOSE_S	     10u
#define PASSWORD_MAX 256u
#define PATH_MAX_LEN 4096u

struct open_job {
	struct opening in;
	struct tpm_options options;
	struct secret *owner_auth;
	struct secret *recorded; /* tpm.state; NULL when nothing ever was */
	struct buf to_record;
	struct opening_result result;
	_Atomic bool at_files; /* the step that runs, also when the deadline passes */
};

/* --- what is read beforehand --- */

static struct slice without_newline(const struct secret *text)
{
	struct slice bytes = secret_slice(text);

	if (bytes.len > 0 && bytes.data[bytes.len - 1] == '\n')
		bytes.len--;
	return bytes;
}

/* "" is no password. */
static int read_password(const char *path, const char *option, struct secret **ret_secret,
			 struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	const char *name = strrchr(path, '/');
	char folder[PATH_MAX_LEN];
	int r;

	if (path[0] == '\0')
		return 0;
	name = name ? name + 1 : path;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(name - path), path);
	r = file_open_dir(AT_FDCWD, name == path ? "." : folder, false, 0, &dir, err);
	if (r == 0)
		r = file_read_secret(dir, name, PASSWORD_MAX, ret_secret, err);
	return r < 0 ? err_wrap(err, "reading the file of tpm { %s }", option) : 0;
}

static int read_inputs(void *arg, struct err *err)
{
	struct open_job *job = arg;
	const struct conf_tpm *conf = &job->in.conf->tpm;
	int r;

	job->at_files = true;
	r = read_password(conf->owner_auth_file, "owner_auth_file", &job->owner_auth, err);
	return r < 0 ? r : state_tpm_read(job->in.store, &job->recorded, err);
}

/* "" is the algorithm of FAPI's profile, so that both share one SRK. */
static enum pkey_type srk_type(const struct conf *conf)
{
	const char *profile = conf->tpm2.fapi.profile_name;

	if (conf->tpm.srk == CONF_SRK_RSA_2048)
		return PKEY_RSA_2048;
	if (conf->tpm.srk == CONF_SRK_DEFAULT && profile && strncmp(profile, "P_RSA2048", 9) == 0)
		return PKEY_RSA_2048;
	return PKEY_ECC_P256;
}

/* --- the other steps --- */

static int open_chip(void *arg, struct err *err)
{
	struct open_job *job = arg;
	const struct conf_tpm *conf = &job->in.conf->tpm;
	const struct tpm_options options = {
		.tcti = conf->tcti,
		.srk_type = srk_type(job->in.conf),
		.srk_handle = conf->srk_handle,
		.hsk_handle = conf->hsk_handle,
		.encrypt = conf->encrypt,
		.owner_auth =
			job->owner_auth ? without_newline(job->owner_auth) : slice_of(NULL, 0),
	};
	struct slice recorded = job->recorded ? secret_slice(job->recorded) : slice_of(NULL, 0);
	int r;

	job->at_files = false;
	r = tpm_provider_open(&options, job->in.auth_key, recorded, &job->result.p, &job->to_record,
			      err);
	/* Without a record there was none to make no sense, so that is the chip's. */
	if (r == ERR_DAMAGED && job->recorded)
		job->at_files = true;
	return r;
}

static int record(void *arg, struct err *err)
{
	struct open_job *job = arg;

	job->at_files = true;
	return state_tpm_write(job->in.store, buf_slice(&job->to_record), err);
}

static int commit(void *arg, struct err *err)
{
	struct open_job *job = arg;
	int r;

	job->at_files = false;
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

	if (err) {
		result = (struct opening_result){.own_files = job->at_files};
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

	if (job->result.p)
		opening_close(job->in.jobs, job->result.p, CLOSE_S, NULL, NULL);
	job->in.ended(job->in.arg);
	secret_free(job->owner_auth);
	secret_free(job->recorded);
	buf_fini(&job->to_record);
	free(job);
}

int opening_start(const struct opening *opening, struct err *err)
{
	struct open_job *job = calloc(1, sizeof(*job));
	struct job *handle;
	int r;

	if (!job)
		return err_set(err, ERR_INTERNAL, "memory is short");
	job->in = *opening;
	job->to_record = (struct buf)BUF_INIT(TPM_STATE_MAX);
	r = jobs_submit(opening->jobs,
			&(struct job_plan){
				.steps = {{JOB_POOL, read_inputs},
					  {JOB_WORKER, open_chip},
					  {JOB_POOL, record},
					  {JOB_WORKER, commit}},
				.count = 4,
				.done = open_done,
				.release = open_release,
				.arg = job,
				.deadline_us = clock_monotonic_us() + OPEN_S * 1000000u,
			},
			&handle, err);
	if (r < 0)
		free(job);
	return r;
}

/* --- closing --- */

struct close_job {
	struct provider *p;
	void (*done)(void *arg);
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

	(void)err;
	if (job->done)
		job->done(job->arg);
}

/* One that was cancelled in the queue is closed here: its worker has ended. */
static void close_release(void *arg)
{
	struct close_job *job = arg;

	provider_free(job->p);
	free(job);
}

void opening_close(struct jobs *jobs, struct provider *p, unsigned seconds, void (*done)(void *arg),
		   void *arg)
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
					.deadline_us = clock_monotonic_us() + seconds * 1000000u,
				},
				&handle, &err) == 0)
			return;
	}
	/* The jobs take no more, so no step of theirs uses it. */
	free(job);
	provider_free(p);
	if (done)
		done(arg);
}
