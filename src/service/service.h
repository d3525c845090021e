/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

/*
 * Service: the operations behind the routes. It holds what they share and nothing else; who
 * listens, and how the provider was found, is decided outside. Loop only; the steps of an
 * operation get what they need by value (op.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/http.h"
#include "jobs/jobs.h"
#include "keystore/keystore.h"
#include "provider/provider.h"
#include "store/store.h"
#include "tenant/tenant.h"

#define SERVICE_CACHE_MAX  (256u * 1024u)
#define SERVICE_JSON_MAX   (1024u * 1024u)
#define SERVICE_REASON_MAX 256u

enum service_state {
	SERVICE_DECIDING, /* only status and metrics answer; the rest is `starting` */
	SERVICE_READY,	  /* there is a provider */
	SERVICE_NONE,	  /* there is none: records can be listed and deleted, not used */
	SERVICE_LOCKED,	  /* the state itself cannot be used: a precious file is lost */
};

/* A tenant and who it is to the keystore. Peers point to the first member. */
struct service_tenant {
	struct tenant tenant;
	struct keystore_tenant owner;
};

struct service {
	struct jobs *jobs;
	struct store *store;
	struct keystore_cache *cache; /* owned */
	const char *version;
	uint64_t started_us; /* CLOCK_MONOTONIC */
	enum service_state state;
	struct provider *provider; /* not NULL when READY; not owned */
	/* As it was after the last call of the provider, so that status needs no turn on the chip.
	 */
	struct provider_status provider_status;
	char reason[SERVICE_REASON_MAX]; /* why this provider, or why none */
	struct err refusal;		 /* what operations answer in NONE and LOCKED */
};

/* What is given is borrowed for the service's life. It begins in SERVICE_DECIDING. */
int service_new(struct jobs *jobs, struct store *store, const char *version,
		struct service **ret_service, struct err *err) MUST_CHECK;
void service_free(struct service *service);
MEM_DEFINE_CLEANUP(service)

/* Changes of state. All texts are copied. */
void service_set_deciding(struct service *service, const char *reason);
void service_set_provider(struct service *service, struct provider *p,
			  const struct provider_status *status, const char *reason);
/* @state is SERVICE_NONE or SERVICE_LOCKED. */
void service_set_refusal(struct service *service, enum service_state state,
			 const struct err *refusal);

/* The route table with the right that each route needs; `app` of its handlers is the service. */
const struct http_route *service_routes(size_t *ret_count);

#endif
