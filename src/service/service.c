/* SPDX-License-Identifier: Apache-2.0 */
/* The shared part: what there is to work with, and what to say while there is nothing. */
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "service/op.h"

#define HELPER_CONNECTIONS 16u
#define HELPER_OBJECTS	   64u
#define HELPER_SESSIONS	   16u

#define EVENT_LOG "/sys/kernel/security/tpm0/binary_bios_measurements"

/* It has no other right than its commands, and what it makes is not kept for it. */
static void init_helper(struct service *service)
{
	struct tenant *tenant = &service->helper.tenant;

	(void)snprintf(tenant->name, sizeof(tenant->name), "holdfast-fapi");
	tenant->number = TENANT_NUMBER_FAPI;
	tenant->connections_max = HELPER_CONNECTIONS;
	tenant->raw.set = SET_PROVISION;
	tenant->objects_max = HELPER_OBJECTS;
	tenant->sessions_max = HELPER_SESSIONS;
}

int service_new(struct jobs *jobs, struct store *store, const char *version,
		struct service **ret_service, struct err *err)
{
	CLEANUP(service_cleanup) struct service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return err_set(err, ERR_INTERNAL, "memory is short");
	service->jobs = jobs;
	service->store = store;
	service->version = version;
	service->started_us = clock_monotonic_us();
	service->event_log = EVENT_LOG;
	init_helper(service);
	service_set_deciding(service, "the security provider is being chosen");
	r = keystore_cache_new(SERVICE_CACHE_MAX, &service->cache, err);
	if (r < 0)
		return r;
	*ret_service = TAKE(service);
	return 0;
}

void service_free(struct service *service)
{
	if (!service)
		return;
	service_set_identity(service, NULL);
	keystore_cache_free(service->cache);
	free(service);
}

void service_stop(struct service *service)
{
	if (service)
		service->jobs = NULL;
}

int service_submit(struct service *service, const struct job_plan *plan, struct job **ret_job,
		   struct err *err)
{
	if (!service->jobs)
		return err_set(err, ERR_INTERNAL, "the service is stopping");
	return jobs_submit(service->jobs, plan, ret_job, err);
}

static void set_state(struct service *service, enum service_state state, const char *reason)
{
	service->taken.p = NULL;
	service->taken.idle = NULL;
	service->state = state;
	service->provider = NULL;
	service->provider_status = (struct provider_status){.manufacturer = NULL};
	(void)snprintf(service->reason, sizeof(service->reason), "%s", reason);
}

void service_set_deciding(struct service *service, const char *reason)
{
	set_state(service, SERVICE_DECIDING, reason);
}

/* Everything else works without. */
static void open_raw(struct service *service)
{
	struct err err;

	if (service->state == SERVICE_READY && raw_open(service, service->provider, &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err, "no raw TPM commands");
	raw_resume(service);
}

void service_set_provider(struct service *service, struct provider *p,
			  const struct provider_status *status, const char *reason)
{
	set_state(service, SERVICE_READY, reason);
	service->provider = p;
	service->provider_status = *status;
	open_raw(service);
}

void service_set_refusal(struct service *service, enum service_state state,
			 const struct err *refusal)
{
	set_state(service, state, refusal->text);
	service->refusal = *refusal;
	raw_resume(service);
}

static bool same_fault(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

void service_note_status(struct service *service, const struct provider_status *status)
{
	bool same = same_fault(service->provider_status.fault, status->fault);

	service->provider_status = *status;
	if (!same && service->admin.fault_changed)
		service->admin.fault_changed(service->admin.arg);
}

/* --- taking it away --- */

static void raw_closed(void *arg)
{
	struct service *service = arg;

	if (service->taken.idle)
		TAKE(service->taken.idle)(service->taken.arg);
	else
		open_raw(service); /* it was given back meanwhile */
}

static void tell_idle(struct service *service)
{
	if (service->users == 0 && service->taken.idle)
		raw_close(service, raw_closed, service);
}

void service_take_provider(struct service *service, const char *reason, void (*idle)(void *arg),
			   void *arg)
{
	struct provider *p = service->provider;
	struct provider_status status = service->provider_status;
	char why[SERVICE_REASON_MAX];

	(void)snprintf(why, sizeof(why), "%s", service->reason);
	service_set_deciding(service, reason);
	service->taken.p = p;
	service->taken.status = status;
	(void)snprintf(service->taken.reason, sizeof(service->taken.reason), "%s", why);
	service->taken.idle = idle;
	service->taken.arg = arg;
	raw_put_off(service);
	tell_idle(service);
}

void service_give_back(struct service *service)
{
	const struct provider_status status = service->taken.status;
	char why[SERVICE_REASON_MAX];

	(void)snprintf(why, sizeof(why), "%s", service->taken.reason);
	service_set_provider(service, service->taken.p, &status, why);
}

struct provider *service_hold(struct service *service, struct provider *p)
{
	service->users += p != NULL;
	return p;
}

void service_drop(struct service *service, struct provider *p)
{
	if (!p)
		return;
	service->users--;
	tell_idle(service);
}

void service_set_admin(struct service *service, const struct service_admin *admin)
{
	service->admin = *admin;
}

void service_set_raw(struct service *service, const struct secret *key, const uint32_t *reserved,
		     size_t reserved_count)
{
	size_t i;

	service->raw.key = key;
	for (i = 0; i < reserved_count && i < RAW_RESERVED_MAX; i++)
		service->raw.reserved[i] = reserved[i];
	service->raw.reserved_count = i;
}

/* Commands at work know how many there were, and read no further. */
int service_reserve_raw(struct service *service, uint32_t handle, struct err *err)
{
	struct raw_state *raw = &service->raw;
	size_t i;

	for (i = 0; i < raw->reserved_count; i++)
		if (raw->reserved[i] == handle)
			return 0;
	if (raw->reserved_count == RAW_RESERVED_MAX)
		return err_set(err, ERR_QUOTA, "no more persistent handles can be reserved");
	raw->reserved[raw->reserved_count++] = handle;
	return 0;
}

void service_set_event_log(struct service *service, const char *path)
{
	service->event_log = path;
}

void service_set_fapi(struct service *service, const struct service_fapi *fapi)
{
	service->fapi = *fapi;
}

void service_set_probe(struct service *service, enum service_probe probe, const char *detail)
{
	service->probe = probe;
	(void)snprintf(service->probe_detail, sizeof(service->probe_detail), "%s",
		       detail ? detail : "");
}
