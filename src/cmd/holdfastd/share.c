/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/holdfastd/share.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/holdfastd/tenants_impl.h"
#include "fapi/share.h"
#include "server/folder.h"

#define NAMES_MAX (TENANTS_MAX * (STORE_TENANT_MAX + 1u))

struct share_job {
	struct tenants *tenants;
	const struct fapi_place *place;
	int dir;	    /* <run>/tenants; the server's */
	struct buf names;   /* each ended by a NUL */
	const char *failed; /* the first one that failed */
	struct err failure; /* how, or how all did; code 0 = well, or not begun */
};

static int write_one(const struct share_job *job, const struct fapi_share *share, const char *name,
		     struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = folder_open_tenant(job->dir, name, &dir, err);

	return r < 0 ? r : fapi_share_write(share, dir, err);
}

/* One that fails is no reason for the others; one that is gone meanwhile is none. */
void share_work(void *arg)
{
	CLEANUP(fapi_share_cleanup) struct fapi_share *share = NULL;
	struct share_job *job = arg;
	const char *name = (const char *)job->names.data;
	const char *end = name + job->names.len;
	struct err one;

	if (fapi_share_new(job->place, &share, &one) < 0) {
		job->failure = one;
		return;
	}
	for (; name < end; name += strlen(name) + 1) {
		int code = write_one(job, share, name, &one);

		if (code == 0 || code == ERR_NOT_FOUND || job->failed)
			continue;
		job->failure = one;
		job->failed = name;
	}
}

/* Before it is provisioned there is nothing to share. */
static void tell(const struct share_job *job)
{
	const struct err *err = &job->failure;

	if (err->code == 0 || err->code == ERR_NOT_FOUND || job->tenants->stopping)
		return;
	if (job->failed)
		log_err(LOG_LEVEL_WARNING, err, "tenant %s has no files of FAPI", job->failed);
	else
		log_err(LOG_LEVEL_WARNING, err, "tenants have no files of FAPI");
}

void share_end(void *arg)
{
	struct share_job *job = arg;
	struct tenants *tenants = job->tenants;
	bool again = tenants->share_again;

	tell(job);
	buf_fini(&job->names);
	free(job);
	tenants->sharing = tenants->share_again = false;
	if (again)
		share_refresh(tenants);
}

static void put_names(const struct tenants *tenants, struct buf *names)
{
	size_t i;

	for (i = 0; i < tenants->count; i++) {
		const struct entry *entry = tenants->entries[i];

		if (tenants_takes_raw(tenants, entry) && strcmp(entry->name, "host") != 0)
			buf_put(names, slice_of(entry->name, strlen(entry->name) + 1));
	}
}

static int work(void *arg, struct err *err)
{
	(void)err;
	share_work(arg);
	return 0;
}

static void ignore_end(void *arg, const struct err *err)
{
	(void)arg;
	(void)err; /* a stop */
}

static int start(struct share_job *job, struct err *err)
{
	struct job *handle;

	return service_submit(job->tenants->daemon->service,
			      &(struct job_plan){
				      .steps = {{JOB_POOL, work}},
				      .count = 1,
				      .done = ignore_end,
				      .release = share_end,
				      .arg = job,
				      .lane = TENANT_NUMBER_ADMIN,
			      },
			      &handle, err);
}

static int prepare(struct share_job *job, struct err *err)
{
	const struct daemon *daemon = job->tenants->daemon;

	put_names(job->tenants, &job->names);
	if (job->names.len == 0 || !buf_ok(&job->names))
		return err_set(err, ERR_NOT_FOUND, "nobody gets files of FAPI");
	return server_tenants_dir(daemon->server, daemon->conf->run_dir, &job->dir, err);
}

void *share_begin(struct tenants *tenants)
{
	struct share_job *job;
	struct err err;

	if (tenants->sharing) {
		tenants->share_again = true;
		return NULL;
	}
	if (tenants->stopping || !tenants->daemon->server)
		return NULL;
	job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	*job = (struct share_job){.tenants = tenants,
				  .place = &tenants->daemon->fapi.fapi.place,
				  .names = BUF_INIT(NAMES_MAX)};
	if (prepare(job, &err) == 0) {
		tenants->sharing = true;
		return job;
	}
	buf_fini(&job->names);
	free(job);
	return NULL;
}

void share_refresh(struct tenants *tenants)
{
	struct share_job *job = share_begin(tenants);
	struct err err;

	if (job && start(job, &err) < 0)
		share_end(job);
}

void share_forget(struct tenants *tenants, const char *name)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	const struct daemon *daemon = tenants->daemon;
	struct err ignored;
	int parent = -1;

	if (server_tenants_dir(daemon->server, daemon->conf->run_dir, &parent, &ignored) == 0 &&
	    folder_open_tenant(parent, name, &dir, &ignored) == 0)
		fapi_share_remove(dir);
}
