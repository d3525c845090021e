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
};

static int write_one(const struct share_job *job, const struct fapi_share *share, const char *name,
		     struct err *err)
{
	CLEANUP(fd_close_cleanup) int dir = -1;
	int r = folder_open_tenant(job->dir, name, &dir, err);

	return r < 0 ? r : fapi_share_write(share, dir, err);
}

/* One that fails is no reason for the others; one that is gone meanwhile is none. */
static int write_all(void *arg, struct err *err)
{
	CLEANUP(fapi_share_cleanup) struct fapi_share *share = NULL;
	struct share_job *job = arg;
	const char *name = (const char *)job->names.data;
	const char *end = name + job->names.len;
	struct err failed = {.code = 0}, one;
	int r = fapi_share_new(job->place, &share, err);

	for (; r == 0 && name < end; name += strlen(name) + 1) {
		int code = write_one(job, share, name, &one);

		if (code == 0 || code == ERR_NOT_FOUND || job->failed)
			continue;
		failed = one;
		job->failed = name;
	}
	if (job->failed)
		*err = failed;
	return job->failed ? failed.code : r;
}

/* Before it is provisioned there is nothing to share. */
static void done(void *arg, const struct err *err)
{
	const struct share_job *job = arg;

	if (!err || err->code == ERR_NOT_FOUND || job->tenants->stopping)
		return;
	if (job->failed)
		log_err(LOG_LEVEL_WARNING, err, "tenant %s has no files of FAPI", job->failed);
	else
		log_err(LOG_LEVEL_WARNING, err, "tenants have no files of FAPI");
}

static void release(void *arg)
{
	struct share_job *job = arg;
	struct tenants *tenants = job->tenants;
	bool again = tenants->share_again;

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

static int start(struct share_job *job, struct err *err)
{
	const struct daemon *daemon = job->tenants->daemon;
	struct job *handle;
	int r = server_tenants_dir(daemon->server, daemon->conf->run_dir, &job->dir, err);

	if (r < 0)
		return r;
	return service_submit(daemon->service,
			      &(struct job_plan){
				      .steps = {{JOB_POOL, write_all}},
				      .count = 1,
				      .done = done,
				      .release = release,
				      .arg = job,
				      .lane = TENANT_NUMBER_ADMIN,
			      },
			      &handle, err);
}

void share_refresh(struct tenants *tenants)
{
	struct share_job *job;
	struct err err;

	if (tenants->sharing) {
		tenants->share_again = true;
		return;
	}
	if (tenants->stopping || !tenants->daemon->server)
		return;
	job = calloc(1, sizeof(*job));
	if (!job)
		return;
	*job = (struct share_job){.tenants = tenants,
				  .place = &tenants->daemon->fapi.fapi.place,
				  .names = BUF_INIT(NAMES_MAX)};
	put_names(tenants, &job->names);
	tenants->sharing = job->names.len > 0 && buf_ok(&job->names) && start(job, &err) == 0;
	if (tenants->sharing)
		return;
	buf_fini(&job->names);
	free(job);
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
