/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_TENANTS_H
#define SERVICE_TENANTS_H

/*
 * Tenants: what the administrator's routes ask of whoever makes them, listens for them and removes
 * them. Those that exist are called served here, also one that cannot be served now; a tenant that
 * only has data is not. Loop only.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct json_t;

struct service_reloaded {
	unsigned added;
	unsigned removed;
	unsigned changed;
};

/*
 * add, remove and reload end later: when they returned 0, done() is called once, with the @op that
 * they were given.
 */
typedef void (*service_tenants_fn)(void *op, const struct err *err);
typedef void (*service_reload_fn)(void *op, const struct service_reloaded *reloaded,
				  const struct err *err);

struct service_tenants {
	/* Appends the names of all that are served, in byte order, each ended by a NUL. */
	void (*names)(void *arg, struct buf *ret_names);
	/*
	 * {name, source, folder, fault} of one that is served, and with @whole what it may do and
	 * how much, with only the limit of keys and stored; NULL when memory was short. Of any
	 * other name what a tenant looks like that only has data.
	 */
	struct json_t *(*describe)(void *arg, const char *name, bool whole);
	bool (*is_served)(void *arg, const char *name);
	/* @policy: an object; members beside those of a policy are ignored. */
	int (*add)(void *arg, const char *name, const struct json_t *policy,
		   service_tenants_fn done, void *op, struct err *err);
	int (*remove)(void *arg, const char *name, service_tenants_fn done, void *op,
		      struct err *err);
	int (*reload)(void *arg, service_reload_fn done, void *op, struct err *err);
	void *arg;
};

#endif
