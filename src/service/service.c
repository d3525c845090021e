/* SPDX-License-Identifier: Apache-2.0 */
/* The shared part: what there is to work with, and what to say while there is nothing. */
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/loop.h"

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
	keystore_cache_free(service->cache);
	free(service);
}

static void set_state(struct service *service, enum service_state state, const char *reason)
{
	service->state = state;
	service->provider = NULL;
	service->provider_status = (struct provider_status){.manufacturer = NULL};
	(void)snprintf(service->reason, sizeof(service->reason), "%s", reason);
}

void service_set_deciding(struct service *service, const char *reason)
{
	set_state(service, SERVICE_DECIDING, reason);
}

void service_set_provider(struct service *service, struct provider *p,
			  const struct provider_status *status, const char *reason)
{
	set_state(service, SERVICE_READY, reason);
	service->provider = p;
	service->provider_status = *status;
}

void service_set_refusal(struct service *service, enum service_state state,
			 const struct err *refusal)
{
	set_state(service, state, refusal->text);
	service->refusal = *refusal;
}
