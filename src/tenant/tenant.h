/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_TENANT_H
#define TENANT_TENANT_H

/*
 * Tenant: who asks. The socket is the identity; peer credentials are recorded and may narrow,
 * never widen. Policy is decided by a pure function on the tenant's immutable rights.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Rights stand in the route table; the bits are those of the configuration's operation words. */
enum tenant_right {
	TENANT_RANDOM = 1 << 0,
	TENANT_SEAL = 1 << 1,
	TENANT_KEY = 1 << 2,
	TENANT_SIGN = 1 << 3,
	TENANT_AIK = 1 << 4,
	TENANT_USAGE = 1 << 5,
	TENANT_DECRYPT = 1 << 6,
	TENANT_IMPORT = 1 << 7,
	TENANT_EXPORT = 1 << 8,
	TENANT_UNWRAP = 1 << 9,
	TENANT_DEVICE_SIGN = 1 << 10,
	TENANT_DEVICE_TLS = 1 << 11,
	TENANT_DEVICE_RAW = 1 << 12,
	TENANT_HOST_ONLY = 1 << 16, /* host and admin alone: not what a container may ask */
	/* No right but a mark of routes that are answered at once: they take no place in flight, so
	 * that they answer while all places wait for the chip. */
	TENANT_NO_JOB = 1 << 17,
	TENANT_ADMIN = 1 << 18, /* the admin socket and no other; no tenant is ever given it */
};

#define TENANT_IN_FLIGHT_MAX 64u

/* Numbers of tenants: the lanes of their jobs. */
#define TENANT_NUMBER_HOST  0u
#define TENANT_NUMBER_ADMIN 1u

struct tenant {
	char name[64];
	uint32_t number; /* unlike any other tenant's */
	uint32_t rights; /* enum tenant_right */
	unsigned connections_max;
	unsigned connections; /* open now */
	unsigned in_flight;   /* requests admitted and not finished, without TENANT_NO_JOB */
	/* Who may use the socket; borrowed. None listed = everybody. */
	const uid_t *peers;
	size_t peer_count;
	uint64_t keys_max;   /* keys and attestation keys; 0 = no limit */
	uint64_t stored_max; /* bytes of named secrets as they lie on disk; 0 = no limit */
	unsigned rate;	     /* requests per second, and at once after a pause; 0 = no limit */
	uint64_t turns;	     /* left at turns_us, in millionths of a request */
	uint64_t turns_us;   /* CLOCK_MONOTONIC */
};

/* What the kernel says of the other end of a connection. */
struct tenant_peer {
	struct tenant *tenant;
	pid_t pid; /* 0 = of another pid namespace */
	uid_t uid;
	gid_t gid;
};

/* Pure. ERR_FORBIDDEN when the tenant lists its peers and this one's uid is none of them. */
int tenant_admits(const struct tenant *tenant, const struct tenant_peer *peer, struct err *err)
	MUST_CHECK;

/*
 * Pure. Takes one request off the tenant's rate at @now_us (CLOCK_MONOTONIC, never going back);
 * ERR_QUOTA with retry_after when there is none left. What was not used adds up to one second's.
 */
int tenant_take_turn(struct tenant *tenant, uint64_t now_us, struct err *err) MUST_CHECK;

/* Pure. 0, or ERR_FORBIDDEN naming the missing right. A right of 0 is open to every tenant. */
int tenant_permits(const struct tenant *tenant, uint32_t right, struct err *err) MUST_CHECK;

/* Pure. ERR_QUOTA with retry_after when as many requests are in flight as may be. */
int tenant_has_room(const struct tenant *tenant, struct err *err) MUST_CHECK;

#endif
