/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

/*
 * Broker: one chip as many. Each tenant has a virtual chip: transient objects, sessions, saved
 * contexts, persistent handles and failed guesses of its own, on top of the guests that the
 * provider keeps (provider/guest.h). Commands have passed the filter before.
 *
 * All of it is the chip's worker's, but for what is said to be any thread's.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/slice.h"
#include "broker/filter.h"
#include "provider/provider.h"

struct broker; /* what all virtual chips of one provider share: constants, envelopes' key, count */
struct vchip;  /* one tenant's */

#define BROKER_KEY_SIZE	      32u
#define BROKER_TENANT_ID_SIZE 16u
#define BROKER_PERSISTENT_MAX 16u   /* of a tenant */
#define BROKER_RECIPE_MAX     4096u /* bytes */
#define BROKER_GUESTS_MAX     4096u /* objects and sessions of all tenants */

/*
 * @key: for the envelopes of saved contexts, the same at each start, so that what a tenant saved
 * outlives the service; copied. @p is borrowed and must outlive the broker. Any thread.
 */
int broker_new(struct provider *p, const struct secret *key, struct broker **ret_broker,
	       struct err *err) MUST_CHECK;
/* Frees the virtual chips that are left as well, and what they have in the chip. */
void broker_free(struct broker *broker);
MEM_DEFINE_CLEANUP(broker)

/*
 * Where a tenant's persistent objects are kept: as recipes, which are opaque bytes with secrets in
 * them; the keeper seals them. Called on the worker. Errors as of the store.
 */
struct broker_shelf {
	int (*put)(void *arg, uint32_t handle, const struct secret *recipe, struct err *err);
	int (*get)(void *arg, uint32_t handle, struct secret **ret_recipe, struct err *err);
	int (*remove)(void *arg, uint32_t handle, struct err *err);
	int (*list)(void *arg, uint32_t ret_handles[BROKER_PERSISTENT_MAX], size_t *ret_count,
		    struct err *err);
	void *arg;
};

/* @id is the tenant's random one; contexts of another one are refused. Any thread. */
int vchip_new(struct broker *broker, const uint8_t id[BROKER_TENANT_ID_SIZE],
	      const struct broker_shelf *shelf, struct vchip **ret_vchip, struct err *err)
	MUST_CHECK;
/* What it has in the chip goes. NULL is allowed. */
void vchip_free(struct vchip *vchip);

/* What may differ from one command to the next; by value. */
struct vchip_limits {
	unsigned objects_max;  /* transient objects and sequences, loaded as the tenant sees it */
	unsigned sessions_max; /* active ones */
	bool full;	       /* SET_FULL: persistent handles that are nobody's are reachable */
	const uint32_t *reserved; /* as in struct filter_facts */
	size_t reserved_count;
	uint64_t deadline_us; /* CLOCK_MONOTONIC */
};

/*
 * One command that filter_judge() let pass; appends a whole response (at most WIRE_MAX bytes). It
 * never fails: what goes wrong is a response with a code. Where the reason is not the client's
 * (the chip is gone, the disk is full), *ret_fault tells it for the log; code 0 = none.
 */
void vchip_run(struct vchip *vchip, const struct filter_view *view,
	       const struct vchip_limits *limits, struct buf *ret_answer, struct err *ret_fault);

/* What it has now. */
struct vchip_usage {
	unsigned objects, sessions, persistent;
};
void vchip_usage(const struct vchip *vchip, struct vchip_usage *ret_usage);

#endif
