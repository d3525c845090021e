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
#include "identity/identity.h"
#include "jobs/jobs.h"
#include "keystore/keystore.h"
#include "provider/provider.h"
#include "service/fapi.h"
#include "service/quota.h"
#include "service/raw.h"
#include "service/tenants.h"
#include "store/store.h"
#include "tenant/tenant.h"

#define SERVICE_CACHE_MAX  (256u * 1024u)
#define SERVICE_JSON_MAX   (1024u * 1024u)
#define SERVICE_REASON_MAX 256u

/* Large data at work, which lie in the state folder meanwhile: four requests of a tenant. */
#define SERVICE_SPOOL_MAX	 (8ull * KEYSTORE_STREAM_BLOB_MAX)
#define SERVICE_SPOOL_TENANT_MAX (4ull * KEYSTORE_STREAM_BLOB_MAX)

enum service_state {
	SERVICE_DECIDING, /* only status and metrics answer; the rest is `starting` */
	SERVICE_READY,	  /* there is a provider */
	SERVICE_NONE,	  /* there is none: records can be listed and deleted, not used */
	SERVICE_LOCKED,	  /* the state itself cannot be used: a precious file is lost */
};

struct device_shown;
struct fapi_op;
struct message_op;
struct op;

/*
 * A tenant and who it is to the keystore. Peers point to the first member. It must live until
 * nothing uses it any more: no connection, and no op.
 */
struct service_tenant {
	struct tenant tenant;
	struct keystore_tenant owner;
	struct err fault; /* why its operations fail; code 0 = all is well */
	uint64_t spooled; /* bytes of its large data at work, at most */
	struct quota quotas[QUOTA_KINDS];
	struct op *secret_changes;   /* at work, by quota.next */
	struct message_op *messages; /* long ones on a chip: one has its turn, the others wait */
	uint64_t message_bytes;	     /* of all of them */
	struct raw_chip *chip;	     /* raw.h; NULL = it sent no raw command yet */
	uint64_t keeps_due_us;	     /* raw.c: where its persistent objects stand in their rate */
};

#define SERVICE_NAME_MAX (2u * PROVIDER_ROOT_MAX + 1u)

/* A chip that was taken in the place of the recorded one. Names in hex. */
struct service_accepted {
	char previous_srk[SERVICE_NAME_MAX]; /* "" = the record could not be read */
	char previous_hsk[SERVICE_NAME_MAX];
	char srk[SERVICE_NAME_MAX];
	char hsk[SERVICE_NAME_MAX];
	char kept_as[STORE_NAME_MAX + 1]; /* the old record; "" = there was none to keep */
	uint64_t commands;
};

struct service_reset {
	bool clear_tpm;
	bool accept_foreign;
	bool without_tpm; /* the chip is not asked: it is gone, or dead */
};

/* What only the program that puts the parts together can do. */
struct service_admin {
	/*
	 * Takes the present chip in the place of the recorded one. When it returned 0, done() is
	 * called once, with @accepted or with @err.
	 */
	int (*accept)(void *arg,
		      void (*done)(void *op, const struct service_accepted *accepted,
				   const struct err *err),
		      void *op, struct err *err);
	/*
	 * What an operator asks of the device's identity; @order and what it points to live until
	 * done(), which is called once when this returned 0. @pem is borrowed, empty but for
	 * IDENTITY_REQUEST. Whatever it changed is in force (service_set_identity()) by then.
	 */
	int (*device)(void *arg, const struct identity_order *order,
		      void (*done)(void *op, struct slice pem, const struct err *err), void *op,
		      struct err *err);
	/*
	 * Begins a factory reset: done() when its journal is durable; the service starts anew then,
	 * and all connections end. Without @accept_foreign and with @clear_tpm it is ERR_CONFLICT
	 * where the chip holds persistent keys of others; the text names them. With @without_tpm
	 * also while one is under way, which then no longer waits for the chip.
	 */
	int (*reset)(void *arg, const struct service_reset *reset,
		     void (*done)(void *op, const struct err *err), void *op, struct err *err);
	/* provider_status.fault is another one now. May be NULL. */
	void (*fault_changed)(void *arg);
	/* The identity's key was not where it is to be, as whoever signed was told. May be NULL. */
	void (*device_missed)(void *arg);
	void *arg;
	struct service_tenants tenants;
};

/* How FAPI's probe ended, or that it was not asked. */
enum service_probe { SERVICE_PROBE_OFF, SERVICE_PROBE_SUCCEEDED, SERVICE_PROBE_FAILED };

#define SERVICE_DETAIL_MAX 192u

struct service {
	struct jobs *jobs; /* NULL once there are none any more */
	struct store *store;
	struct keystore_cache *cache; /* owned */
	uint64_t spooled;	      /* of all tenants */
	const char *version;
	uint64_t started_us; /* CLOCK_MONOTONIC */
	enum service_state state;
	struct provider *provider; /* not NULL when READY; not owned */
	/* As it was after the last call of the provider, so that status needs no turn on the chip.
	 */
	struct provider_status provider_status;
	char reason[SERVICE_REASON_MAX]; /* why this provider, or why none */
	struct err refusal;		 /* what operations answer in NONE and LOCKED */
	struct service_admin admin;
	struct service_fapi fapi;
	struct fapi_op *fapi_ops;	/* fapi.c: the first works */
	struct service_tenant helper;	/* holdfast-fapi; whoever listens for it uses this */
	struct identity_view *identity; /* NULL = not settled yet */
	struct device_shown *shown;	/* what is told of it (device.c); NULL beside it */
	enum service_probe probe;
	char probe_detail[SERVICE_DETAIL_MAX]; /* which step failed and how, or "" */
	const char *event_log;		       /* the firmware's; an absolute path */
	struct {
		struct message_op *next; /* first of their tenants, in the order of their turns */
		unsigned at_work;	 /* of all tenants, in the chip or on the way to it */
		uint64_t bytes;
	} messages;	 /* long ones (message_queue.h) */
	struct op *left; /* ended ops with something in a chip that no job could take out */
	size_t users;	 /* operations and jobs that may still use a provider */
	struct raw_state raw;
	struct {
		struct provider *p; /* NULL = none was taken away */
		struct provider_status status;
		char reason[SERVICE_REASON_MAX];
		void (*idle)(void *arg);
		void *arg;
	} taken;
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

/*
 * Takes the provider away, as in DECIDING: no operation begins to use it. idle() is called once
 * nobody uses it any more, perhaps before this returns. service_give_back() undoes it, also
 * before that.
 */
void service_take_provider(struct service *service, const char *reason, void (*idle)(void *arg),
			   void *arg);
void service_give_back(struct service *service);

/* As it was after a call of the provider in use. */
void service_note_status(struct service *service, const struct provider_status *status);

/* Copied. Without them the routes that need them answer `not_supported`. */
void service_set_fapi(struct service *service, const struct service_fapi *fapi);
void service_set_admin(struct service *service, const struct service_admin *admin);

/*
 * Raw commands are taken from now on. @key is borrowed; @reserved are persistent handles that
 * nobody reaches by them, at most RAW_RESERVED_MAX.
 */
void service_set_raw(struct service *service, const struct secret *key, const uint32_t *reserved,
		     size_t reserved_count);

/*
 * One handle more that nobody reaches, by commands that come from now on: to be called before the
 * key that lies there is used. ERR_QUOTA: no room; nothing changes when it is reserved already.
 */
int service_reserve_raw(struct service *service, uint32_t handle, struct err *err) MUST_CHECK;

/* The device's identity as it is from now on; takes @view over. */
void service_set_identity(struct service *service, struct identity_view *view);

/* Where the firmware's event log is; borrowed. */
void service_set_event_log(struct service *service, const char *path);

/* For status; @detail may be NULL. */
void service_set_probe(struct service *service, enum service_probe probe, const char *detail);

/* The jobs are about to end, or have: from now on every operation is refused. NULL is allowed. */
void service_stop(struct service *service);

/*
 * Frees what ended operations had in the provider when there were no jobs any more. No thread runs
 * then, and the provider lives. Nothing is sent to a chip.
 */
void service_sweep(struct service *service);

/* jobs_submit(), or ERR_INTERNAL after service_stop(). */
int service_submit(struct service *service, const struct job_plan *plan, struct job **ret_job,
		   struct err *err) MUST_CHECK;

/* The route table with the right that each route needs; `app` of its handlers is the service. */
const struct http_route *service_routes(size_t *ret_count);

#endif
